"""Regularization in PyTorch: the same names, on any device and in any floating dtype.

Autograd goes through `dropout`. The others prepare data, fit or measure and return plain tensors.
Shapes and formulas are those of the NumPy reference; the docstrings name what a practitioner would
call. What is solved or added up is so in float64 and returned in the dtype of the input.
"""

from collections.abc import Iterable, Sequence
from operator import index as whole

import torch
from torch import Tensor, nn

__all__ = [
    "dropout", "EarlyStopping", "augment_images", "mixup",
    "bias_variance", "ridge", "lasso", "double_descent",
]  # fmt: skip


def _real(input: Tensor, name: str = "input") -> Tensor:
    """`input`, or a TypeError unless it is a tensor of real floating-point numbers."""
    if not isinstance(input, Tensor) or not input.dtype.is_floating_point:
        got = input.dtype if isinstance(input, Tensor) else type(input).__name__
        raise TypeError(f"{name}: expected a floating-point tensor, got {got}")
    return input


def _numbers(input: Tensor, name: str = "input") -> Tensor:
    """A tensor of real numbers, integers too, as float64 and without its history."""
    if not isinstance(input, Tensor) or input.is_complex():
        got = input.dtype if isinstance(input, Tensor) else type(input).__name__
        raise TypeError(f"{name}: expected a tensor of real numbers, got {got}")
    return input.detach().double()


def _uniform(shape, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Random numbers in [0, 1) on the device of `like`; in float32, for bfloat16 has only 256."""
    return torch.rand(shape, generator=generator, device=like.device)


# --- dropout


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inverted: bool = True,
    mask: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Zeros with probability p, the others scaled by 1 / (1 - p); fused: `F.dropout`.

    As a module `nn.Dropout`; a mask of shape (N, C, 1, 1) drops channels, as `nn.Dropout2d` does.

    Shapes: input (*); p a number; mask broadcastable to input, drawn from generator if None;
    result as input.
    Raises: TypeError if input is not floating point or mask not boolean; ValueError if p is not in
    [0, 1] or the mask does not fit.
    """
    _real(input)
    if not 0 <= p <= 1:
        raise ValueError(f"p: expected a probability from 0 to 1, got {p}")
    if not training:
        return input * (1.0 if inverted else 1.0 - p)
    if mask is None:
        mask = _uniform(input.shape, input, generator) >= p
    if mask.dtype != torch.bool:
        raise TypeError(f"mask: expected booleans, True where a unit stays, got {mask.dtype}")
    try:
        fits = torch.broadcast_shapes(mask.shape, input.shape) == input.shape
    except RuntimeError:
        fits = False
    if not fits:
        expected, got = tuple(input.shape), tuple(mask.shape)
        raise ValueError(f"mask: expected a shape that broadcasts to {expected}, got {got}")
    scale = 1.0 / (1.0 - p) if inverted and p < 1 else float(not inverted)
    return input * mask * scale


# --- early stopping


class EarlyStopping:
    """Says when to stop: after `patience` checks in a row without a better value.

    With a module, `state_dict` is kept, so that buffers (the statistics of batch norm) come back
    too. In Keras `EarlyStopping` with `restore_best_weights`; PyTorch leaves it to you.

    Shapes: `step(value, parameters)` takes a number and a module or a list of tensors of any
    shapes, and returns True when it is time to stop; `restore(parameters)` writes into them.
    Raises: TypeError if patience is not whole; ValueError if it is not positive, if min_delta is
    negative or mode unknown; RuntimeError if there is nothing to restore.
    """

    def __init__(self, patience: int = 10, min_delta: float = 0.0, mode: str = "min"):
        if not whole(patience) >= 1:
            raise ValueError(f"patience: expected a whole number of at least 1, got {patience}")
        if not min_delta >= 0:
            raise ValueError(f"min_delta: expected a number of at least 0, got {min_delta}")
        if mode not in ("min", "max"):
            raise ValueError(f"mode: expected 'min' or 'max', got {mode!r}")
        self.patience, self.min_delta, self.mode = patience, min_delta, mode
        self.best, self.best_step = float("inf" if mode == "min" else "-inf"), -1
        self.steps = self.waited = 0
        self._kept: list[Tensor] | None = None

    @torch.no_grad()
    def step(self, value: float | Tensor, parameters: nn.Module | Iterable[Tensor] = ()) -> bool:
        """Note the value of this check; True when there were `patience` in a row no better."""
        value = float(value)
        gain = self.best - value if self.mode == "min" else value - self.best
        if gain > self.min_delta:  # False for nan, which is never better
            self.best, self.best_step, self.waited = value, self.steps, 0
            self._kept = [tensor.detach().clone() for tensor in _tensors(parameters)]
        else:
            self.waited += 1
        self.steps += 1
        return self.waited >= self.patience

    @torch.no_grad()
    def restore(self, parameters: nn.Module | Iterable[Tensor]) -> None:
        """Write the parameters of the best check back into these tensors."""
        if self._kept is None:
            raise RuntimeError("expected a check with a finite value before restore, got none")
        for tensor, kept in zip(_tensors(parameters), self._kept, strict=True):
            tensor.copy_(kept)


def _tensors(parameters: nn.Module | Iterable[Tensor]) -> Iterable[Tensor]:
    """A module's parameters and buffers, or the tensors as given."""
    return parameters.state_dict().values() if isinstance(parameters, nn.Module) else parameters


# --- more data than there is


def _check_range(value: float, name: str, below: float = float("inf")) -> None:
    if not 0 <= value < below:
        limit = "" if below == float("inf") else f" and below {below:g}"
        raise ValueError(f"{name}: expected a number of at least 0{limit}, got {value}")


@torch.no_grad()
def augment_images(
    images: Tensor,
    rotation: float = 0.0,
    translation: float = 0.0,
    zoom: float = 0.0,
    flip: bool = False,
    draws: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Each image turned, zoomed, shifted and perhaps mirrored; fused: `F.affine_grid` and
    `F.grid_sample`, ready made as torchvision's `RandomAffine`.

    Shapes: images (N, C, H, W); draws (N, 5) in [0, 1), drawn from generator if None; result as
    images.
    Raises: TypeError if one is not floating point; ValueError if the shapes do not fit, or unless
    rotation, translation and zoom are at least 0 and zoom is below 1.
    """
    if _real(images, "images").ndim != 4:
        raise ValueError(f"images: expected shape (N, C, H, W), got {tuple(images.shape)}")
    _check_range(rotation, "rotation")
    _check_range(translation, "translation")
    _check_range(zoom, "zoom", below=1)
    n, _, height, width = images.shape
    if draws is None:
        draws = _uniform((n, 5), images, generator)
    if _real(draws, "draws").shape != (n, 5):
        raise ValueError(f"draws: expected shape ({n}, 5), got {tuple(draws.shape)}")
    draws = draws.double()[..., None, None]  # (N, 5, 1, 1); places need more digits than pixels
    turn, right, down, size = (2.0 * draws[:, :4] - 1.0).unbind(1)
    angle, factor = torch.deg2rad(rotation * turn), 1.0 + zoom * size
    y = torch.arange(height, device=images.device)[:, None] - (height - 1) / 2 - translation * down
    x = torch.arange(width, device=images.device) - (width - 1) / 2 - translation * right
    column = (angle.cos() * x + angle.sin() * y) / factor  # (N, H, W)
    row = (angle.cos() * y - angle.sin() * x) / factor
    if flip:
        column = torch.where(draws[:, 4] < 0.5, -column, column)
    return _bilinear(images, row + (height - 1) / 2, column + (width - 1) / 2)


def _bilinear(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The images (N, C, H, W) at fractional places (N, H, W): four neighbors, weighted."""
    height, width = images.shape[2:]
    flat = images.flatten(2)  # (N, C, H * W)
    result = torch.zeros_like(flat)
    top, left = rows.floor(), columns.floor()
    for row in (top, top + 1):
        for column in (left, left + 1):
            weight = (1.0 - (rows - row).abs()) * (1.0 - (columns - column).abs())
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            place = row.clamp(0, max(height - 1, 0)) * width + column.clamp(0, max(width - 1, 0))
            place = place.long().flatten(1)[:, None].expand_as(flat)
            weight = torch.where(inside, weight, 0.0).flatten(1)[:, None]
            result += weight.to(images.dtype) * flat.gather(2, place)
    return result.reshape(images.shape)


@torch.no_grad()
def mixup(
    input: Tensor,
    target: Tensor,
    alpha: float = 0.2,
    lam: Tensor | None = None,
    index: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Each example blended with another one, and so is its target; ready made, with one lam for
    the batch, as torchvision's `MixUp`.

    Shapes: input (N, *) and target (N, *), one-hot rows or numbers; lam () or (N,); index (N,),
    integers; returns the mixed input and the mixed target.
    Raises: TypeError if one is not floating point, as class numbers are not, or index not integer;
    ValueError if the shapes do not fit, an index or lam is out of range, or alpha is not positive.
    """
    _real(input), _real(target, "target")
    if input.ndim == 0 or target.shape[:1] != input.shape[:1]:
        shapes = f"{tuple(input.shape)} and {tuple(target.shape)}"
        raise ValueError(f"expected input (N, *) and target (N, *), got {shapes}")
    if not alpha > 0:
        raise ValueError(f"alpha: expected a positive number, got {alpha}")
    n, device = len(input), input.device
    if lam is None:  # of two gamma numbers, the share of the first is beta
        shape = torch.full((2, n), float(alpha), device=device)
        gammas = torch._standard_gamma(shape, generator=generator)
        lam = (gammas[0] / gammas.sum(0)).to(input.dtype)
    if index is None:
        index = torch.randperm(n, generator=generator, device=device)
    if _real(lam, "lam").shape not in ((), (n,)) or index.shape != (n,):
        got = f"{tuple(lam.shape)}, {tuple(index.shape)}"
        raise ValueError(f"expected lam of shape () or ({n},) and index ({n},), got {got}")
    if index.is_floating_point() or index.is_complex() or index.dtype == torch.bool:
        raise TypeError(f"index: expected integers, got {index.dtype}")
    if ((lam < 0) | (lam > 1)).any() or ((index < 0) | (index >= n)).any():
        raise ValueError(f"expected lam from 0 to 1 and index from 0 to {n - 1}, got others")
    return _blend(input, lam, index), _blend(target, lam, index)


def _blend(tensor: Tensor, lam: Tensor, index: Tensor) -> Tensor:
    lam = lam.reshape(lam.shape + (1,) * (tensor.ndim - 1)) if lam.ndim else lam
    return torch.lerp(tensor[index], tensor, lam.to(tensor.dtype))


# --- what a model gets wrong, and why


@torch.no_grad()
def bias_variance(predictions: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The squared error of many refits, split in two: bias² + variance.

    Shapes: predictions (R, *), those of R models, each trained on a sample of its own; target (*);
    returns bias², variance and the mean squared error, () each.
    Raises: TypeError if one is not real; ValueError if the shapes do not fit or are empty.
    """
    f, y = _numbers(predictions, "predictions"), _numbers(target, "target")
    if f.shape[1:] != y.shape or f.ndim == 0 or f.numel() == 0:
        raise ValueError(
            f"predictions: expected shape (R, *) with R >= 1 and * = {tuple(y.shape)}, not empty, "
            f"got {tuple(f.shape)}"
        )
    parts = (f.mean(0) - y).square().mean(), f.var(0, correction=0).mean(), (f - y).square().mean()
    return tuple(part.to(predictions.dtype) for part in parts)


# --- linear models with a price on the weights


def _regression(input, target, alpha, targets=(1, 2)) -> tuple[Tensor, Tensor]:
    """Rows and targets as float64; ValueError unless they fit and there is at least one row."""
    _real(input)
    x, y = _numbers(input), _numbers(target, "target")
    if x.ndim != 2 or len(x) == 0:
        raise ValueError(f"input: expected shape (N, D) with N >= 1, got {tuple(x.shape)}")
    if y.ndim not in targets or len(y) != len(x):
        shape = f"({len(x)},)" + (f" or ({len(x)}, K)" if 2 in targets else "")
        raise ValueError(f"target: expected shape {shape}, got {tuple(y.shape)}")
    if not 0 <= alpha < float("inf"):
        raise ValueError(f"alpha: expected a number of at least 0, got {alpha}")
    return x, y


def _centered(x: Tensor, y: Tensor, fit_intercept: bool) -> tuple[Tensor, ...]:
    """Both less their means, and the means: so the intercept stays out of the penalty."""
    x_mean, y_mean = x.mean(0), y.mean(0)
    if not fit_intercept:
        x_mean, y_mean = torch.zeros_like(x_mean), torch.zeros_like(y_mean)
    return x - x_mean, y - y_mean, x_mean, y_mean


def _shrunken(x: Tensor, y: Tensor, alpha: float) -> Tensor:
    """V diag(s / (s² + alpha)) U^T y, by the singular values s of x."""
    u, s, vt = torch.linalg.svd(x, full_matrices=False)
    if s.numel() == 0:
        return x.new_zeros(x.shape[1], *y.shape[1:])
    tiny = s <= torch.finfo(x.dtype).eps * max(x.shape) * s.max()
    gain = torch.where(tiny, 0.0, s / (s.square() + alpha))
    return vt.mT @ (gain * (u.mT @ y).mT).mT if y.ndim == 2 else vt.mT @ (gain * (u.mT @ y))


@torch.no_grad()
def ridge(
    input: Tensor, target: Tensor, alpha: float = 1.0, fit_intercept: bool = True
) -> tuple[Tensor, Tensor]:
    """Least squares with a price on large weights, in one go; in practice `torch.linalg.lstsq` on
    X with sqrt(alpha) times the identity below it.

    Shapes: input (N, D) with N >= 1; target (N,) or (N, K); returns the weights, (D,) or (K, D),
    and the intercept, () or (K,), which is 0 without fit_intercept.
    Raises: TypeError if input is not floating point or target not real; ValueError if the shapes
    do not fit or alpha is negative.
    """
    x, y, x_mean, y_mean = _centered(*_regression(input, target, alpha), fit_intercept)
    weight = _shrunken(x, y, alpha)
    weight = weight.mT if weight.ndim == 2 else weight
    return weight.to(input.dtype), (y_mean - weight @ x_mean).to(input.dtype)


@torch.no_grad()
def lasso(
    input: Tensor,
    target: Tensor,
    alpha: float = 1.0,
    fit_intercept: bool = True,
    max_iter: int = 1000,
    tol: float = 1e-4,
) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinate descent with soft thresholds, one weight after the other, until the dual gap is
    small. The rounds see a D x D matrix only, however many rows there are.

    Shapes: input (N, D) with N >= 1; target (N,); returns the weights (D,), the intercept () and
    the dual gap () at the end.
    Raises: TypeError if input is not floating point, target not real or max_iter not whole;
    ValueError if the shapes do not fit, alpha or max_iter is not positive, or tol is negative.
    """
    x, y = _regression(input, target, alpha, targets=(1,))
    if not (alpha > 0 and whole(max_iter) > 0 and tol >= 0):
        raise ValueError(
            f"expected alpha > 0, max_iter > 0 and tol >= 0, got {alpha}, {max_iter}, {tol}"
        )
    x, y, x_mean, y_mean = _centered(x, y, fit_intercept)
    price = alpha * len(x)
    gram, pull, size = x.mT @ x, x.mT @ y, y @ y
    lengths = gram.diagonal()
    weight, moved = torch.zeros_like(pull), torch.zeros_like(pull)  # moved is gram @ weight
    used = lengths.nonzero().squeeze(1).tolist()
    gap = _dual_gap(pull, size, weight, moved, price)
    for step in range(max_iter):
        if gap <= tol * size:
            break
        before = weight.clone()
        for j in used:
            rest = pull[j] - moved[j] + lengths[j] * weight[j]
            best = nn.functional.softshrink(rest, price) / lengths[j]
            moved += (best - weight[j]) * gram[j]
            weight[j] = best
        moved = gram @ weight  # anew, so that rounding does not add up
        if (weight - before).abs().max() <= tol * weight.abs().max() or step == max_iter - 1:
            gap = _dual_gap(pull, size, weight, moved, price)
    results = weight, y_mean - weight @ x_mean, gap / len(x)
    return tuple(result.to(input.dtype) for result in results)


def _dual_gap(pull: Tensor, size: Tensor, weight: Tensor, moved: Tensor, price: float) -> Tensor:
    """How far the objective is above the dual, and so at most above its own minimum."""
    if len(weight) == 0:
        return torch.zeros_like(size)
    residual = (size - 2.0 * (pull @ weight) + weight @ moved).clamp(min=0.0)
    shrink = (price / (pull - moved).abs().max()).clamp(max=1.0)
    primal = 0.5 * residual + price * weight.abs().sum()
    return primal - shrink * (size - pull @ weight) + 0.5 * shrink.square() * residual


# --- beyond the point where everything fits


@torch.no_grad()
def double_descent(
    input: Tensor,
    target: Tensor,
    test_input: Tensor,
    test_target: Tensor,
    projection: Tensor,
    widths: Sequence[int],
    alpha: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Errors of linear fits on more and more random ReLU features.

    Shapes: input (N, D), target (N,) or (N, K), test_input (M, D), test_target likewise;
    projection (P, D); widths a sequence of whole numbers from 1 to P; returns the mean squared
    error in training and on the test, and the norm of the weights, one for each width.
    Raises: TypeError if input is not floating point, another not real or a width not whole;
    ValueError if the shapes do not fit, a width is out of range or alpha is negative.
    """
    x, y = _regression(input, target, alpha)
    test_x, test_y = _numbers(test_input, "test_input"), _numbers(test_target, "test_target")
    directions, d = _numbers(projection, "projection"), x.shape[1]
    if test_x.ndim != 2 or directions.ndim != 2 or {test_x.shape[1], directions.shape[1]} != {d}:
        got = f"{tuple(test_x.shape)} and {tuple(directions.shape)}"
        raise ValueError(f"expected test_input (M, {d}) and projection (P, {d}), got {got}")
    if test_y.shape != (len(test_x), *y.shape[1:]) or len(test_x) == 0:
        expected = ("M >= 1", *y.shape[1:])
        raise ValueError(f"test_target: expected shape {expected}, got {tuple(test_y.shape)}")
    for width in widths:
        if not 1 <= whole(width) <= len(directions):
            raise ValueError(f"widths: expected from 1 to {len(directions)}, got {width}")
    phi, test_phi = (x @ directions.mT).relu(), (test_x @ directions.mT).relu()
    rows = []
    for k in widths:
        weight = _shrunken(phi[:, :k] / k**0.5, y, alpha)
        fitted, predicted = (f[:, :k] / k**0.5 @ weight for f in (phi, test_phi))
        errors = (fitted - y).square().mean(), (predicted - test_y).square().mean()
        rows.append(torch.stack([*errors, weight.square().sum().sqrt()]))
    results = torch.stack(rows, 1) if rows else x.new_zeros(3, 0)
    return tuple(results.to(input.dtype))
