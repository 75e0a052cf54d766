"""Losses in NumPy: the readable truth, in float64.

A loss compares a prediction, `input`, with the truth, `target`, example by example. `reduction`
says what becomes of the examples' losses: 'none' returns them all, 'sum' adds them up, 'mean' also
divides, by their number unless the function says otherwise. Weights are data: they have no
gradient. Each function `f` is followed by `f_backward(grad_output, ...)`, which returns the
gradient with respect to the input, and to the target where that is made of real numbers.
"""

import numpy as np

from book.activations.reference import log_softmax, sigmoid, softmax, softplus

__all__ = [
    "mse_loss", "l1_loss", "smooth_l1_loss",
    "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "nll_loss", "cross_entropy", "squared_emd_loss",
    "l1_penalty", "l2_penalty",
]  # fmt: skip

LOWEST_LOG = -100.0  # what binary_cross_entropy takes for the logarithm of zero, as PyTorch does


# --- what the functions share


def _real(values, name="input"):
    """`values` as a float64 array; TypeError if they are not real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got an array of dtype {array.dtype}")
    return array.astype(np.float64)


def _real_pair(input, target):
    """Both as float64 arrays; ValueError unless they have one shape.

    (N, 1) against (N,) would broadcast to (N, N), a mistake that costs people days.
    """
    input, target = _real(input), _real(target, "target")
    if input.shape != target.shape:
        raise ValueError(f"target: expected the shape of input, {input.shape}, got {target.shape}")
    return input, target


def _weights(weight, shape, name="weight"):
    """Weights (or None, which is 1 everywhere) as an array that broadcasts to `shape`."""
    weight = _real(1.0 if weight is None else weight, name)
    try:
        return np.broadcast_to(weight, shape)
    except ValueError:
        raise ValueError(
            f"{name}: expected a shape that broadcasts to {shape}, got {weight.shape}"
        ) from None


def _reduce(losses, reduction, total=None):
    """All losses, or their sum, or their sum divided by `total`: by default their number."""
    _check_reduction(reduction)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    return losses.sum() / _divisor(losses.size if total is None else total)


def _share(grad_output, shape, reduction, total=None):
    """What `_reduce` hands back: the gradient with respect to each of the losses."""
    _check_reduction(reduction)
    grad = _real(grad_output, "grad_output")
    expected = shape if reduction == "none" else ()
    if grad.shape != expected:
        raise ValueError(f"grad_output: expected the output's shape, {expected}, got {grad.shape}")
    if reduction == "mean":
        grad = grad / _divisor(np.prod(shape) if total is None else total)
    return np.broadcast_to(grad, shape)


def _check_reduction(reduction):
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction: expected 'none', 'mean' or 'sum', got {reduction!r}")


def _divisor(total):
    """`total`, and NaN in place of zero: the mean of no losses is not a number, as in PyTorch."""
    return total if total else np.nan


# --- losses for numbers


def mse_loss(input, target, reduction="mean", weight=None):
    r"""Squared error, $\ell = (x - y)^2$; its mean is the mean squared error.

    With weights, $\ell = w\,(x - y)^2$, and the mean divides by $\sum w$.

    Shapes: input, target and weight (*); result (*), or one number if reduced.
    Raises: TypeError if an array is not real; ValueError if shapes differ or for
    another reduction.
    Source: documents 002 and 004. Document 002 calls half the sum MSE: erratum E79.
    """
    input, target = _real_pair(input, target)
    weight = _one_each(weight, input)
    return _reduce(weight * (input - target) ** 2, reduction, weight.sum())


def mse_loss_backward(grad_output, input, target, reduction="mean", weight=None):
    r"""$\partial \ell/\partial x = 2w\,(x - y)$, as large as the error; minus that for the target.

    Shapes: grad_output as the output; result a pair shaped as (input, target).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    input, target = _real_pair(input, target)
    weight = _one_each(weight, input)
    grad = _share(grad_output, input.shape, reduction, weight.sum())
    grad_input = grad * weight * 2.0 * (input - target)
    return grad_input, -grad_input


def l1_loss(input, target, reduction="mean", weight=None):
    r"""Absolute error, $\ell = |x - y|$, with weights $w\,|x - y|$; a mean divides by $\sum w$.

    Shapes: input, target and weight (*); result (*), or one number if reduced.
    Raises: TypeError if an array is not real; ValueError if shapes differ or for
    another reduction.
    Source: document 002 (as a part of the smoothed L1).
    """
    input, target = _real_pair(input, target)
    weight = _one_each(weight, input)
    return _reduce(weight * np.abs(input - target), reduction, weight.sum())


def l1_loss_backward(grad_output, input, target, reduction="mean", weight=None):
    r"""$\partial \ell/\partial x = w\,\mathrm{sign}(x - y)$: its size knows nothing of the error's.

    Shapes: grad_output as the output; result a pair shaped as (input, target).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    input, target = _real_pair(input, target)
    weight = _one_each(weight, input)
    grad = _share(grad_output, input.shape, reduction, weight.sum())
    grad_input = grad * weight * np.sign(input - target)
    return grad_input, -grad_input


def _one_each(weight, input):
    """One weight for each number of input; ValueError if there are more or fewer."""
    if weight is not None and np.shape(weight) != input.shape:
        raise ValueError(
            f"weight: expected the shape of input, {input.shape}, got {np.shape(weight)}"
        )
    return _weights(weight, input.shape)


def _check_beta(beta):
    if not beta >= 0:
        raise ValueError(f"beta: expected a number of at least 0, got {beta}")


def smooth_l1_loss(input, target, reduction="mean", beta=1.0):
    r"""A parabola near zero, a straight line beyond: for the error $e = x - y$,

    $\ell = e^2 / 2\beta$ where $|e| < \beta$, else $|e| - \beta/2$. With $\beta =
    0$ it is L1.

    Shapes: input and target (*); beta a number; result (*), or one number if
    reduced.
    Raises: TypeError if an array is not real; ValueError if the shapes differ, for
    a negative beta or another reduction.
    Source: Girshick 2015, equation 3; Huber 1964. Document 002 prints L1 + L2:
    erratum E80.
    """
    _check_beta(beta)
    input, target = _real_pair(input, target)
    error = np.abs(input - target)
    near = np.minimum(error, beta)  # at most beta, so that no square overflows
    curved = near**2 / (2 * beta) if beta > 0 else 0.0
    return _reduce(np.where(error < beta, curved, error - beta / 2), reduction)


def smooth_l1_loss_backward(grad_output, input, target, reduction="mean", beta=1.0):
    r"""$\partial \ell/\partial x = e/\beta$ where $|e| < \beta$, else $\mathrm{sign}(e)$.

    Shapes: grad_output as the output; result a pair shaped as (input, target).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit
    or for a negative beta.
    """
    _check_beta(beta)
    input, target = _real_pair(input, target)
    error = input - target
    slope = np.clip(error / beta, -1.0, 1.0) if beta > 0 else np.sign(error)
    grad_input = _share(grad_output, input.shape, reduction) * slope
    return grad_input, -grad_input


# --- losses for yes and no


def _probabilities(values, name):
    array = _real(values, name)
    inside = (array >= 0) & (array <= 1)  # False for NaN too
    if not inside.all():
        raise ValueError(f"{name}: expected numbers from 0 to 1, got {array[~inside][0]}")
    return array


def binary_cross_entropy(input, target, weight=None, reduction="mean"):
    r"""Log loss of a probability $p$: $\ell = -w\,[y \ln p + (1 - y) \ln(1 - p)]$.

    No logarithm is taken lower than -100, so that certain and wrong costs 100 and
    not infinity. A mean divides by the number of losses, whatever the weights.

    Shapes: input and target (*), numbers from 0 to 1; weight broadcasts to (*);
    result (*), or one number if reduced.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit,
    for a number outside [0, 1] or another reduction.
    Source: documents 001 and 004.
    """
    _real_pair(input, target)
    p, y = _probabilities(input, "input"), _probabilities(target, "target")
    log_p, log_not_p = _logarithms(p)
    losses = -(y * log_p + (1.0 - y) * log_not_p)
    return _reduce(_weights(weight, p.shape) * losses, reduction)


def binary_cross_entropy_backward(grad_output, input, target, weight=None, reduction="mean"):
    r"""$\partial \ell/\partial p = w\,\bigl(\frac{1-y}{1-p} - \frac{y}{p}\bigr)$; none below -100.

    The gradient of the target is $w\,(\ln(1-p) - \ln p)$. At 0 and 1 PyTorch's
    fused operation has gradients of its own choice: up to 1e12 for the input,
    infinity for the target.

    Shapes: grad_output as the output; result a pair shaped as (input, target).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit
    or for a number outside [0, 1].
    """
    _real_pair(input, target)
    p, y = _probabilities(input, "input"), _probabilities(target, "target")
    log_p, log_not_p = _logarithms(p)
    grad = _share(grad_output, p.shape, reduction) * _weights(weight, p.shape)
    slope = np.zeros_like(p)
    slope -= np.divide(y, p, where=log_p > LOWEST_LOG, out=np.zeros_like(p))
    slope += np.divide(1.0 - y, 1.0 - p, where=log_not_p > LOWEST_LOG, out=np.zeros_like(p))
    return grad * slope, grad * (log_not_p - log_p)


def _logarithms(p):
    """The logarithms of p and of 1 - p, neither lower than -100."""
    with np.errstate(divide="ignore"):  # the logarithm of zero is meant
        return np.maximum(np.log(p), LOWEST_LOG), np.maximum(np.log1p(-p), LOWEST_LOG)


def binary_cross_entropy_with_logits(input, target, weight=None, reduction="mean", pos_weight=None):
    r"""Log loss of a logit $z$: $\ell = w\,[w_+\,y\,s(-z) + (1 - y)\,s(z)]$, $s(z) = \ln(1 + e^z)$.

    Since $-\ln\sigma(z) = s(-z)$ this is the log loss of $\sigma(z)$, but it never
    forms the probability: no logit is too large. $w_+$ weighs the positive class. A
    mean divides by the number of losses, whatever the weights.

    Shapes: input and target (*), target from 0 to 1; weight and pos_weight
    broadcast to (*); result (*), or one number if reduced.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit,
    for a target outside [0, 1] or another reduction.
    Source: documents 001 and 004 (from probabilities, unguarded: erratum E21).
    """
    z, y = _real_pair(input, target)
    _probabilities(y, "target")
    positive = _weights(pos_weight, z.shape, "pos_weight")
    losses = positive * y * _softplus(-z) + (1.0 - y) * _softplus(z)
    return _reduce(_weights(weight, z.shape) * losses, reduction)


def binary_cross_entropy_with_logits_backward(
    grad_output, input, target, weight=None, reduction="mean", pos_weight=None
):
    r"""$\partial \ell/\partial z = w\,[(1-y)\,\sigma(z) - w_+\,y\,\sigma(-z)]$, or $\sigma(z) - y$.

    The second form holds without weights. The target's gradient is $w\,[w_+\,s(-z)
    - s(z)]$.

    Shapes: grad_output as the output; result a pair shaped as (input, target).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit
    or for a target outside [0, 1].
    """
    z, y = _real_pair(input, target)
    _probabilities(y, "target")
    grad = _share(grad_output, z.shape, reduction) * _weights(weight, z.shape)
    positive = _weights(pos_weight, z.shape, "pos_weight")
    grad_input = grad * ((1.0 - y) * sigmoid(z) - positive * y * sigmoid(-z))
    return grad_input, grad * (positive * _softplus(-z) - _softplus(z))


def _softplus(z):
    """ln(1 + e^z), to the last digit: without the threshold that PyTorch's softplus has."""
    return softplus(z, threshold=np.inf)


# --- losses for classes


def _scores(input):
    """`input` as float64 and the axis of its classes: 1, or 0 if it is a single example."""
    input = _real(input)
    if input.ndim == 0:
        raise ValueError("input: expected shape (C,), (N, C) or (N, C, *), got a single number")
    axis = min(1, input.ndim - 1)
    if input.shape[axis] == 0:
        raise ValueError(f"input: expected at least one class, got shape {input.shape}")
    return input, axis


def _classes(target, input, axis, ignore_index):
    """The classes, 0 in place of the ignored ones, and which of them are not ignored."""
    target = np.asarray(target)
    if target.dtype.kind not in "iu":
        raise TypeError(f"target: expected classes as integers, got dtype {target.dtype}")
    expected = input.shape[:axis] + input.shape[axis + 1 :]
    if target.shape != expected:
        raise ValueError(f"target: expected shape {expected}, got {target.shape}")
    kept = target != ignore_index
    wrong = kept & ((target < 0) | (target >= input.shape[axis]))
    if wrong.any():
        last = input.shape[axis] - 1
        raise IndexError(f"target: expected classes from 0 to {last}, got {target[wrong][0]}")
    return np.where(kept, target, 0), kept


def _class_weights(weight, classes):
    """One weight a class, 1 by default; ValueError unless there are as many as classes."""
    weight = np.ones(classes) if weight is None else _real(weight, "weight")
    if weight.shape != (classes,):
        raise ValueError(f"weight: expected shape ({classes},), got {weight.shape}")
    return weight


def nll_loss(input, target, weight=None, ignore_index=-100, reduction="mean"):
    r"""Negative log-likelihood: of the log-probabilities $x$, minus the one of the right class.

    $\ell_i = -w_{y_i}\,x_{i, y_i}$; the mean divides by $\sum_i w_{y_i}$. Examples
    whose target is ignore_index count nowhere.

    Shapes: input (C,), (N, C) or (N, C, *); target without the C, classes 0..C-1;
    weight (C,); result as target, or one number if reduced.
    Raises: TypeError if input is not real or target not made of integers;
    ValueError if the shapes do not fit or for another reduction; IndexError for a
    class that does not exist.
    Source: document 002 (only the right class counts).
    """
    input, axis = _scores(input)
    classes, kept = _classes(target, input, axis, ignore_index)
    weights = _class_weights(weight, input.shape[axis])[classes] * kept
    picked = np.take_along_axis(input, np.expand_dims(classes, axis), axis).squeeze(axis)
    losses = np.where(kept, -weights * picked, 0.0)
    return _reduce(losses, reduction, weights.sum())


def nll_loss_backward(grad_output, input, target, weight=None, ignore_index=-100, reduction="mean"):
    r"""$\partial \ell_i/\partial x_{ic} = -w_c$ for the right class $c = y_i$, 0 for the others.

    Shapes: grad_output as the output; result as input.
    Raises: TypeError if an array is of the wrong kind; ValueError if the shapes do
    not fit; IndexError for a class that does not exist.
    """
    input, axis = _scores(input)
    classes, kept = _classes(target, input, axis, ignore_index)
    weights = _class_weights(weight, input.shape[axis])[classes] * kept
    grad = _share(grad_output, classes.shape, reduction, weights.sum())
    grad_input = np.zeros_like(input)
    slope = np.expand_dims(np.where(kept, -weights * grad, 0.0), axis)
    np.put_along_axis(grad_input, np.expand_dims(classes, axis), slope, axis)
    return grad_input


def _is_index(target, input):
    """Whether the target names classes; a real target of input's shape is made of probabilities."""
    return np.asarray(target).dtype.kind != "f" or np.shape(target) != input.shape


def _wanted(target, input, axis, weight, ignore_index, label_smoothing):
    """What the log-probabilities are multiplied with, shaped as input, and the mean's divisor."""
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"label_smoothing: expected a number in [0, 1], got {label_smoothing}")
    count = input.shape[axis]
    weight = _class_weights(weight, count)
    along = (-1, *[1] * (input.ndim - axis - 1))  # (C,) -> (C, 1, ..., 1)
    if _is_index(target, input):
        classes, kept = _classes(target, input, axis, ignore_index)
        one_hot = np.expand_dims(classes, axis) == np.arange(count).reshape(along)
        kept_too = np.expand_dims(kept, axis)
        total = (weight[classes] * kept).sum()
    else:
        one_hot, kept_too = _real(target, "target"), True
        total = input.size // count
    smooth = (1.0 - label_smoothing) * one_hot + label_smoothing / count
    return weight.reshape(along) * smooth * kept_too, total


def cross_entropy(
    input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0
):
    r"""Cross-entropy of logits: $\ell = -\sum_c w_c\,q_c \ln p_c$, $p = \mathrm{softmax}(z)$.

    $q$ is 1 at the right class and 0 elsewhere, or the target itself if that is
    given as probabilities; label smoothing $\varepsilon$ makes it $(1 -
    \varepsilon)\,q + \varepsilon / C$. The mean divides by $\sum_i w_{y_i}$, for
    probabilities by the number of examples. Examples whose target is ignore_index
    count nowhere.

    Shapes: input (C,), (N, C) or (N, C, *); target without the C and integer, or as
    input and real; weight (C,); result as target without the C, or one number if
    reduced.
    Raises: TypeError if input is not real or target of the wrong kind; ValueError
    if the shapes do not fit, for a label_smoothing outside [0, 1] or another
    reduction; IndexError for a class that does not exist.
    Source: documents 002 and 003; label smoothing: Szegedy et al. 2016, section 7.
    """
    input, axis = _scores(input)
    wanted, total = _wanted(target, input, axis, weight, ignore_index, label_smoothing)
    log_p = log_softmax(input, axis)
    # Nothing wanted of a class costs nothing, even if its logarithm is minus infinity.
    terms = np.multiply(wanted, log_p, where=wanted != 0, out=np.zeros_like(log_p))
    return _reduce(0.0 - terms.sum(axis), reduction, total)


def cross_entropy_backward(
    grad_output,
    input,
    target,
    weight=None,
    ignore_index=-100,
    reduction="mean",
    label_smoothing=0.0,
):
    r"""$\partial \ell/\partial z = p - q$, or $p \sum_c w_c q_c - w q$ with weights.

    If the target is given as probabilities $t$, its gradient is $-(1 -
    \varepsilon)\,w \ln p$.

    Shapes: grad_output as the output; result as input, or a pair shaped as (input,
    target).
    Raises: TypeError if an array is of the wrong kind; ValueError if the shapes do
    not fit or for a label_smoothing outside [0, 1]; IndexError for a class that
    does not exist.
    """
    input, axis = _scores(input)
    wanted, total = _wanted(target, input, axis, weight, ignore_index, label_smoothing)
    rows = input.shape[:axis] + input.shape[axis + 1 :]
    grad = np.expand_dims(_share(grad_output, rows, reduction, total), axis)
    wanted_grad = np.multiply(wanted, grad, where=wanted != 0, out=np.zeros_like(input))
    total_grad = wanted_grad.sum(axis, keepdims=True)
    grad_input = softmax(input, axis) * total_grad - wanted_grad
    if _is_index(target, input):
        return grad_input
    weight = _class_weights(weight, input.shape[axis]).reshape(-1, *[1] * (input.ndim - axis - 1))
    return grad_input, -grad * (1.0 - label_smoothing) * weight * log_softmax(input, axis)


def _masses(input, target):
    """Both as probabilities shaped as input, and the axis of the classes."""
    input, axis = _scores(input)
    if _is_index(target, input):
        classes, _ = _classes(target, input, axis, None)
        along = (-1, *[1] * (input.ndim - axis - 1))
        count = input.shape[axis]
        target = np.expand_dims(classes, axis) == np.arange(count).reshape(along)
    masses = input, target.astype(np.float64)
    for array, name in zip(masses, ("input", "target"), strict=True):
        off = np.abs(array.sum(axis) - 1.0)
        if not ((array >= 0).all() and (off <= 0.01).all()):
            raise ValueError(
                f"{name}: expected probabilities that add up to 1 along dimension {axis}, got "
                f"numbers from {array.min():.3g} and sums up to {off.max():.3g} off"
            )
    return *masses, axis


def squared_emd_loss(input, target, reduction="mean"):
    r"""Squared earth mover's distance between two distributions over ordered classes.

    $\ell = \sum_c (P_c - Q_c)^2$ with the running sums $P_c = \sum_{k \le c} p_k$,
    $Q$ likewise: a mistake costs more, the further its mass lies from where it
    should be.

    Shapes: input (C,), (N, C) or (N, C, *), probabilities; target without the C and
    integer, or as input and real; result as target without the C, or one number if
    reduced.
    Raises: TypeError if input is not real or target of the wrong kind; ValueError
    if the shapes do not fit, if numbers are no probabilities or for another
    reduction; IndexError for a class that does not exist.
    Source: Hou, Yu and Samaras 2016, equation 8; document 002.
    """
    p, q, axis = _masses(input, target)
    return _reduce((np.cumsum(p - q, axis) ** 2).sum(axis), reduction)


def squared_emd_loss_backward(grad_output, input, target, reduction="mean"):
    r"""$\partial \ell/\partial p_k = 2 \sum_{c \ge k} (P_c - Q_c)$, and minus that for the target.

    Shapes: grad_output as the output; result as input, or a pair shaped as (input,
    target).
    Raises: TypeError if an array is of the wrong kind; ValueError if the shapes do
    not fit or numbers are no probabilities; IndexError for a class that does not
    exist.
    """
    p, q, axis = _masses(input, target)
    rows = p.shape[:axis] + p.shape[axis + 1 :]
    grad = np.expand_dims(_share(grad_output, rows, reduction), axis)
    gap = np.flip(np.cumsum(p - q, axis), axis)
    grad_input = grad * 2.0 * np.flip(np.cumsum(gap, axis), axis)  # sums from the last class back
    return grad_input if _is_index(target, p) else (grad_input, -grad_input)


# --- penalties on weights


def _check_alpha(alpha):
    if not alpha >= 0:
        raise ValueError(f"alpha: expected a number of at least 0, got {alpha}")


def l1_penalty(input, alpha=1.0):
    r"""$\alpha \sum_i |w_i|$ over the weights: drives them to exactly zero.

    Shapes: input (*), the weights; alpha a number; result one number.
    Raises: TypeError if input is not real; ValueError if alpha is negative.
    Source: Tibshirani 1996; documents 001, 002 and 003.
    """
    _check_alpha(alpha)
    return alpha * np.abs(_real(input)).sum()


def l1_penalty_backward(grad_output, input, alpha=1.0):
    r"""$\alpha\,\mathrm{sign}(w)$: the same pull on small weights as on large ones; 0 at 0.

    Shapes: grad_output one number; result as input.
    Raises: TypeError if an array is not real; ValueError if grad_output is not one
    number or alpha is negative.
    """
    _check_alpha(alpha)
    input = _real(input)
    return _share(grad_output, input.shape, "sum") * alpha * np.sign(input)


def l2_penalty(input, alpha=1.0):
    r"""$\frac{\alpha}{2} \sum_i w_i^2$ over the weights: keeps them small.

    With the half, $\alpha$ is the `weight_decay` of `torch.optim.SGD`. Document 001
    has the half too, 002 and 003 leave it out.

    Shapes: input (*), the weights; alpha a number; result one number.
    Raises: TypeError if input is not real; ValueError if alpha is negative.
    Source: Hoerl and Kennard 1970; documents 001, 002 and 003.
    """
    _check_alpha(alpha)
    return 0.5 * alpha * (_real(input) ** 2).sum()


def l2_penalty_backward(grad_output, input, alpha=1.0):
    r"""$\alpha\,w$: a pull in proportion to the weight.

    Shapes: grad_output one number; result as input.
    Raises: TypeError if an array is not real; ValueError if grad_output is not one
    number or alpha is negative.
    """
    _check_alpha(alpha)
    input = _real(input)
    return _share(grad_output, input.shape, "sum") * alpha * input
