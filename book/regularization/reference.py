"""Regularization in NumPy: the readable truth, in float64.

What is random takes its random numbers as an argument (`mask`, `draws`, `lam` and `index`), so that
two implementations can be given the same ones; without them it draws its own from `generator`.
`dropout_backward(grad_output, ...)` is the gradient of `dropout` by hand. The other functions
prepare data, fit or measure: nobody asks for a gradient in them.
"""

from operator import index as whole

import numpy as np

__all__ = [
    "dropout", "EarlyStopping", "augment_images", "mixup",
    "bias_variance", "ridge", "lasso", "double_descent",
]  # fmt: skip


def _real(values, name="input"):
    """`values` as a float64 array; TypeError if they are not real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got an array of dtype {array.dtype}")
    return array.astype(np.float64)


# --- dropout


def _factor(shape, p, training, inverted, mask, generator):
    """What dropout multiplies an array of that shape by: a number, or an array that broadcasts."""
    if not 0 <= p <= 1:
        raise ValueError(f"p: expected a probability from 0 to 1, got {p}")
    if not training:
        return 1.0 if inverted else 1.0 - p
    if mask is None:
        mask = (generator or np.random.default_rng()).random(shape) >= p
    mask = np.asarray(mask)
    if mask.dtype != bool:
        raise TypeError(f"mask: expected booleans, True where a unit stays, got {mask.dtype}")
    if mask.ndim > len(shape) or any(
        have not in (1, want) for have, want in zip(mask.shape[::-1], shape[::-1], strict=False)
    ):
        raise ValueError(f"mask: expected a shape that broadcasts to {shape}, got {mask.shape}")
    if not inverted:
        return mask.astype(np.float64)
    return mask / (1.0 - p) if p < 1 else np.zeros(mask.shape)


def dropout(input, p=0.5, training=True, inverted=True, mask=None, generator=None):
    r"""Zeros with probability $p$, the others scaled: $y = x \odot m / (1 - p)$.

    That is the inverted form, which does nothing when not training. The original form,
    `inverted=False`, leaves the survivors alone and multiplies by $1 - p$ when not training.
    The mask $m$ is True where a unit stays; one that broadcasts drops whole rows, channels or
    words together.

    Shapes: input (*); p a number; mask broadcastable to input, drawn from generator if None;
    result as input.
    Raises: TypeError if input is not real or mask not boolean; ValueError if p is not in [0, 1] or
    the mask does not fit.
    Source: Srivastava et al. 2014; documents 000 to 004, with errata E97 and E102.
    """
    input = _real(input)
    return input * _factor(input.shape, p, training, inverted, mask, generator)


def dropout_backward(
    grad_output, input, p=0.5, training=True, inverted=True, mask=None, generator=None
):
    r"""The same factor again: $\partial L/\partial x = g \odot m / (1 - p)$.

    Shapes: grad_output and input (*); mask as it was in the forward pass; result as input.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit, or if the mask
    of a training step is missing.
    """
    grad_output, input = _real(grad_output, "grad_output"), _real(input)
    if grad_output.shape != input.shape:
        raise ValueError(
            f"grad_output: expected the shape of input, {input.shape}, got {grad_output.shape}"
        )
    if training and mask is None:
        raise ValueError("mask: expected the mask of the forward pass, got None")
    return grad_output * _factor(input.shape, p, training, inverted, mask, generator)


# --- early stopping


class EarlyStopping:
    r"""Says when to stop: after `patience` checks in a row without a better value.

    Better means lower by more than min_delta (mode "min") or higher by more than it (mode "max").
    The parameters of the best check are kept, and `restore` puts them back.

    Shapes: `step(value, parameters)` takes a number and a list of arrays of any shapes, and
    returns True when it is time to stop; `restore(parameters)` writes into these arrays.
    Raises: TypeError if patience is not whole; ValueError if it is not positive, if min_delta is
    negative or mode unknown; RuntimeError if there is nothing to restore.
    Source: Prechelt 1998; documents 001, 003 and 004.
    """

    def __init__(self, patience=10, min_delta=0.0, mode="min"):
        if not whole(patience) >= 1:
            raise ValueError(f"patience: expected a whole number of at least 1, got {patience}")
        if not min_delta >= 0:
            raise ValueError(f"min_delta: expected a number of at least 0, got {min_delta}")
        if mode not in ("min", "max"):
            raise ValueError(f"mode: expected 'min' or 'max', got {mode!r}")
        self.patience, self.min_delta, self.mode = patience, min_delta, mode
        self.best, self.best_step = (np.inf if mode == "min" else -np.inf), -1
        self.steps = self.waited = 0
        self._kept = None

    def step(self, value, parameters=()):
        """Note the value of this check; True when there were `patience` in a row no better."""
        gain = self.best - value if self.mode == "min" else value - self.best
        if gain > self.min_delta:  # False for nan, which is never better
            self.best, self.best_step, self.waited = float(value), self.steps, 0
            self._kept = [np.array(array) for array in parameters]  # copies: training goes on
        else:
            self.waited += 1
        self.steps += 1
        return self.waited >= self.patience

    def restore(self, parameters):
        """Write the parameters of the best check back into these arrays."""
        if self._kept is None:
            raise RuntimeError("expected a check with a finite value before restore, got none")
        for array, kept in zip(parameters, self._kept, strict=True):
            array[...] = kept


# --- more data than there is


def _check_range(value, name, below=np.inf):
    if not 0 <= value < below:
        limit = "" if below == np.inf else f" and below {below:g}"
        raise ValueError(f"{name}: expected a number of at least 0{limit}, got {value}")


def augment_images(
    images, rotation=0.0, translation=0.0, zoom=0.0, flip=False, draws=None, generator=None
):
    r"""Each image turned, zoomed, shifted and perhaps mirrored, by amounts of its own.

    With $u$ from [0, 1): the angle is $(2u_0 - 1)$ rotation degrees, the shift $(2u_1 - 1)$ and
    $(2u_2 - 1)$ translation pixels to the right and down, the factor $1 + (2u_3 - 1)$ zoom, and
    with flip the image is mirrored left to right where $u_4 < 1/2$. Each new pixel looks up where
    it comes from, between four old ones (bilinear); outside the image all is 0.

    Shapes: images (N, C, H, W); draws (N, 5), drawn from generator if None; result as images.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit, or unless
    rotation, translation and zoom are at least 0 and zoom is below 1.
    Source: documents 001 (data augmentation) and 003; `F.grid_sample`.
    """
    images = _real(images, "images")
    if images.ndim != 4:
        raise ValueError(f"images: expected shape (N, C, H, W), got {images.shape}")
    _check_range(rotation, "rotation")
    _check_range(translation, "translation")
    _check_range(zoom, "zoom", below=1)
    if draws is None:
        draws = (generator or np.random.default_rng()).random((len(images), 5))
    draws = _real(draws, "draws")
    if draws.shape != (len(images), 5):
        raise ValueError(f"draws: expected shape ({len(images)}, 5), got {draws.shape}")
    return _bilinear(images, *_sources(images.shape, rotation, translation, zoom, flip, draws))


def _sources(shape, rotation, translation, zoom, flip, draws):
    """The row and the column, (N, H, W) each, from which every new pixel comes."""
    height, width = shape[2:]
    spread = (2.0 * draws - 1.0)[:, :, None, None]  # (N, 5, 1, 1)
    angle = np.deg2rad(rotation) * spread[:, 0]
    cos, sin = np.cos(angle), np.sin(angle)
    factor = 1.0 + zoom * spread[:, 3]
    down = np.arange(height)[:, None] - (height - 1) / 2 - translation * spread[:, 2]
    right = np.arange(width) - (width - 1) / 2 - translation * spread[:, 1]
    x, y = (cos * right + sin * down) / factor, (cos * down - sin * right) / factor
    if flip:
        x = np.where(draws[:, 4, None, None] < 0.5, -x, x)
    return y + (height - 1) / 2, x + (width - 1) / 2


def _bilinear(images, rows, columns):
    """The images (N, C, H, W) at fractional places (N, H, W): four neighbors, weighted."""
    height, width = images.shape[2:]
    image = np.arange(len(images))[:, None, None]
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    result = np.zeros(images.shape)
    for row in (top, top + 1):
        for column in (left, left + 1):
            weight = (1.0 - np.abs(rows - row)) * (1.0 - np.abs(columns - column))
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            r, c = row.clip(0, max(height - 1, 0)), column.clip(0, max(width - 1, 0))
            neighbor = np.moveaxis(images[image, :, r, c], -1, 1)  # (N, H, W, C) -> (N, C, H, W)
            result += np.where(inside, weight, 0.0)[:, None] * neighbor
    return result


def mixup(input, target, alpha=0.2, lam=None, index=None, generator=None):
    r"""Each example blended with another one, and so is its target: $\lambda a + (1 - \lambda) b$.

    $b$ is the example number `index`, a random order if None; $\lambda$ comes from the
    distribution Beta(alpha, alpha), one for each example, if None.

    Shapes: input (N, *) and target (N, *), one-hot rows or numbers; lam () or (N,); index (N,),
    integers; returns the mixed input and the mixed target.
    Raises: TypeError if an array is not real, if target holds class numbers (integers) or index
    does not; ValueError if the shapes do not fit, an index or lam is out of range, or alpha is not
    positive.
    Source: Zhang et al. 2018.
    """
    input, target = _floats(input, "input"), _floats(target, "target")
    if input.ndim == 0 or target.shape[:1] != input.shape[:1]:
        raise ValueError(
            f"expected input (N, *) and target (N, *), got {input.shape} and {target.shape}"
        )
    if not alpha > 0:
        raise ValueError(f"alpha: expected a positive number, got {alpha}")
    n, generator = len(input), generator or np.random.default_rng()
    lam = generator.beta(alpha, alpha, n) if lam is None else _real(lam, "lam")
    index = generator.permutation(n) if index is None else np.asarray(index)
    if index.dtype.kind not in "iu":
        raise TypeError(f"index: expected integers, got {index.dtype}")
    if lam.shape not in ((), (n,)) or index.shape != (n,):
        raise ValueError(
            f"expected lam of shape () or ({n},) and index ({n},), got {lam.shape}, {index.shape}"
        )
    if ((lam < 0) | (lam > 1)).any() or ((index < 0) | (index >= n)).any():
        raise ValueError(f"expected lam from 0 to 1 and index from 0 to {n - 1}, got others")
    return _blend(input, lam, index), _blend(target, lam, index)


def _floats(values, name):
    array = np.asarray(values)
    if array.dtype.kind != "f":
        raise TypeError(f"{name}: expected floating-point numbers, got {array.dtype}")
    return array.astype(np.float64)


def _blend(array, lam, index):
    lam = lam.reshape(lam.shape + (1,) * (array.ndim - 1)) if lam.ndim else lam
    return lam * array + (1.0 - lam) * array[index]


# --- what a model gets wrong, and why


def bias_variance(predictions, target):
    r"""The squared error of many refits, split in two: $E = \text{bias}^2 + \text{variance}$.

    With the average prediction $\bar f = \frac1R \sum_r f_r$ at each point: bias² is
    $(\bar f - y)^2$ and variance $\frac1R \sum_r (f_r - \bar f)^2$, both averaged over the points.
    If the targets are noisy, their noise is part of the bias².

    Shapes: predictions (R, *), those of R models, each trained on a sample of its own; target (*);
    returns bias², variance and the mean squared error, () each.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit or are empty.
    Source: Geman, Bienenstock and Doursat 1992; documents 001 and 004, with erratum E32.
    """
    predictions, target = _real(predictions, "predictions"), _real(target, "target")
    if predictions.shape[1:] != target.shape or predictions.ndim == 0 or predictions.size == 0:
        raise ValueError(
            f"predictions: expected shape (R, *) with R >= 1 and * = {target.shape}, not empty, "
            f"got {predictions.shape}"
        )
    mean = predictions.mean(axis=0)
    bias_squared = np.mean((mean - target) ** 2)
    variance = np.mean((predictions - mean) ** 2)
    return bias_squared, variance, np.mean((predictions - target) ** 2)


# --- linear models with a price on the weights


def _regression(input, target, alpha, targets=(1, 2)):
    """Rows and targets as float64; ValueError unless they fit and there is at least one row."""
    input, target = _real(input), _real(target, "target")
    if input.ndim != 2 or len(input) == 0:
        raise ValueError(f"input: expected shape (N, D) with N >= 1, got {input.shape}")
    if target.ndim not in targets or len(target) != len(input):
        shape = f"({len(input)},)" + (f" or ({len(input)}, K)" if 2 in targets else "")
        raise ValueError(f"target: expected shape {shape}, got {target.shape}")
    if not 0 <= alpha < np.inf:
        raise ValueError(f"alpha: expected a number of at least 0, got {alpha}")
    return input, target


def _centered(input, target, fit_intercept):
    """Both less their means, and the means: so the intercept stays out of the penalty."""
    if not fit_intercept:
        return input, target, np.zeros(input.shape[1]), np.zeros(target.shape[1:])
    means = input.mean(axis=0), target.mean(axis=0)
    return input - means[0], target - means[1], *means


def _shrunken(x, y, alpha):
    r"""$V\,\frac{s}{s^2 + \alpha}\,U^\top y$ by the singular values $s$ of x = U diag(s) V^T."""
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    tiny = s <= np.finfo(np.float64).eps * max(x.shape) * s.max(initial=0.0)
    gain = np.where(tiny, 0.0, s / np.where(tiny, 1.0, s**2 + alpha))
    return vt.T @ (gain * (u.T @ y).T).T


def ridge(input, target, alpha=1.0, fit_intercept=True):
    r"""Least squares with a price on large weights: $\min_w \|y - Xw\|^2 + \alpha \|w\|^2$.

    In one go, by singular values: $w = V\,\mathrm{diag}(s_i / (s_i^2 + \alpha))\,U^\top y$. The
    intercept has no price. For $\alpha = 0$ this is least squares, with the smallest weights where
    several sets of weights do equally well.

    Shapes: input (N, D) with N >= 1; target (N,) or (N, K); returns the weights, (D,) or (K, D),
    and the intercept, () or (K,), which is 0 without fit_intercept.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit or alpha is
    negative.
    Source: Hoerl and Kennard 1970; documents 001 and 002; scikit-learn's Ridge.
    """
    input, target = _regression(input, target, alpha)
    x, y, x_mean, y_mean = _centered(input, target, fit_intercept)
    weight = _shrunken(x, y, alpha).T
    return weight, np.asarray(y_mean - weight @ x_mean)


def lasso(input, target, alpha=1.0, fit_intercept=True, max_iter=1000, tol=1e-4):
    r"""Least squares with another price: $\min_w \frac{1}{2N}\|y - Xw\|^2 + \alpha\|w\|_1$.

    Coordinate descent: one weight at a time takes its best value, the others held fixed. That
    value is a soft threshold, and so exactly 0 for many. It stops when the dual gap, which bounds
    how far the objective is above its minimum, is at most tol times $\|y\|^2 / N$, or after
    max_iter rounds.

    Shapes: input (N, D) with N >= 1; target (N,); returns the weights (D,), the intercept () and
    the dual gap () at the end.
    Raises: TypeError if an array is not real or max_iter not whole; ValueError if the shapes do
    not fit, alpha or max_iter is not positive, or tol is negative.
    Source: Tibshirani 1996, Friedman et al. 2010; documents 001 and 002, with erratum E81;
    scikit-learn's Lasso.
    """
    input, target = _regression(input, target, alpha, targets=(1,))
    if not (alpha > 0 and whole(max_iter) > 0 and tol >= 0):
        raise ValueError(
            f"expected alpha > 0, max_iter > 0 and tol >= 0, got {alpha}, {max_iter}, {tol}"
        )
    x, y, x_mean, y_mean = _centered(input, target, fit_intercept)
    n, price = len(x), alpha * len(x)
    gram, pull, size = x.T @ x, x.T @ y, y @ y  # all that the rounds need
    weight = np.zeros(x.shape[1])
    gap = _dual_gap(gram, pull, size, weight, price)
    for step in range(max_iter):
        if gap <= tol * size:
            break
        largest = 0.0
        for j in range(len(weight)):
            if gram[j, j] > 0:
                rest = pull[j] - gram[j] @ weight + gram[j, j] * weight[j]  # without weight j
                best = np.sign(rest) * max(abs(rest) - price, 0.0) / gram[j, j]
                largest = max(largest, abs(best - weight[j]))
                weight[j] = best
        if largest <= tol * np.abs(weight).max(initial=0.0) or step == max_iter - 1:
            gap = _dual_gap(gram, pull, size, weight, price)
    return weight, np.asarray(y_mean - weight @ x_mean), np.asarray(gap / n)


def _dual_gap(gram, pull, size, weight, price):
    r"""$P(w) - D(v)$ for the residual $r = y - Xw$, shrunk to $v$ so that $|X^\top v| \le$ price.

    $P = \frac12\|r\|^2 + \text{price}\,\|w\|_1$ and $D = v \cdot y - \frac12\|v\|^2$.
    """
    moved = gram @ weight
    steepest = np.abs(pull - moved).max(initial=0.0)  # the largest |X^T r|
    residual = max(size - 2.0 * (pull @ weight) + weight @ moved, 0.0)  # |r|^2
    shrink = 1.0 if steepest <= price else price / steepest
    primal = 0.5 * residual + price * np.abs(weight).sum()
    return primal - shrink * (size - pull @ weight) + 0.5 * shrink**2 * residual


# --- beyond the point where everything fits


def double_descent(input, target, test_input, test_target, projection, widths, alpha=0.0):
    r"""Errors of linear fits on more and more random features $\max(0, x P^\top) / \sqrt{k}$.

    A model of width $k$ uses the first $k$ rows of the projection $P$ and the weights of least
    squares, the smallest ones where several fit equally well, or those of ridge for alpha > 0.

    Shapes: input (N, D), target (N,) or (N, K), test_input (M, D), test_target likewise;
    projection (P, D); widths a sequence of whole numbers from 1 to P; returns the mean squared
    error in training and on the test, and the norm of the weights, one for each width.
    Raises: TypeError if an array is not real or a width not whole; ValueError if the shapes do not
    fit, a width is out of range or alpha is negative.
    Source: Belkin et al. 2019; document 002 names it.
    """
    input, target = _regression(input, target, alpha)
    test_input, test_target = _real(test_input, "test_input"), _real(test_target, "test_target")
    projection = _real(projection, "projection")
    d = input.shape[1]
    if (
        projection.ndim != 2
        or test_input.ndim != 2
        or {projection.shape[1], d} != {test_input.shape[1]}
    ):
        raise ValueError(
            f"expected test_input (M, {d}) and projection (P, {d}), "
            f"got {test_input.shape} and {projection.shape}"
        )
    if test_target.shape != (len(test_input), *target.shape[1:]) or len(test_input) == 0:
        raise ValueError(
            f"test_target: expected shape {('M >= 1', *target.shape[1:])}, got {test_target.shape}"
        )
    for width in widths:
        if not 1 <= whole(width) <= len(projection):
            raise ValueError(f"widths: expected from 1 to {len(projection)}, got {width}")
    features, test_features = (np.maximum(x @ projection.T, 0.0) for x in (input, test_input))
    rows = []
    for k in widths:
        scale = 1.0 / np.sqrt(k)
        weight = _shrunken(scale * features[:, :k], target, alpha)
        errors = [
            np.mean((scale * phi[:, :k] @ weight - y) ** 2)
            for phi, y in ((features, target), (test_features, test_target))
        ]
        rows.append([*errors, np.sqrt((weight**2).sum())])
    return tuple(np.array(rows).reshape(len(rows), 3).T.copy())
