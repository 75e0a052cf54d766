"""Losses in PyTorch: the same names, on any device and in any floating dtype.

Each loss is written from elementary tensor operations, so autograd differentiates it and
`torch.compile` fuses it. In practice you call the fused operation that its docstring names. Shapes
and formulas are those of the NumPy reference. Values are checked too (a label of 7 among three
classes), which makes a GPU wait for its numbers; compiled code leaves that check out.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from book.activations.pytorch import log_softmax

__all__ = [
    "mse_loss", "l1_loss", "smooth_l1_loss",
    "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "nll_loss", "cross_entropy", "squared_emd_loss",
    "l1_penalty", "l2_penalty",
]  # fmt: skip

LOWEST_LOG = -100.0  # what binary_cross_entropy takes for the logarithm of zero, as PyTorch does


# --- what the functions share


def _real(input: Tensor, name: str = "input") -> Tensor:
    """`input`, or a TypeError unless it is a tensor of real floating-point numbers."""
    if not isinstance(input, Tensor) or not input.dtype.is_floating_point:
        got = input.dtype if isinstance(input, Tensor) else type(input).__name__
        raise TypeError(f"{name}: expected a floating-point tensor, got {got}")
    return input


def _real_pair(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both, or a ValueError unless they have one shape; PyTorch's own would broadcast and warn."""
    input, target = _real(input), _real(target, "target")
    if input.shape != target.shape:
        shapes = tuple(input.shape), tuple(target.shape)
        raise ValueError(f"target: expected the shape of input, {shapes[0]}, got {shapes[1]}")
    return input, target


def _weights(weight: Tensor | None, input: Tensor, name: str = "weight") -> Tensor:
    """Weights (or None, which is 1 everywhere) as a tensor that broadcasts to the input's shape."""
    weight = input.new_ones(()) if weight is None else _real(weight, name)
    try:
        return weight.expand(input.shape)
    except RuntimeError:
        shapes = tuple(input.shape), tuple(weight.shape)
        raise ValueError(
            f"{name}: expected a shape that broadcasts to {shapes[0]}, got {shapes[1]}"
        ) from None


def _reduce(losses: Tensor, reduction: str, total: Tensor | None = None) -> Tensor:
    """All losses, or their sum, or their sum divided by `total`: by default their number."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction: expected 'none', 'mean' or 'sum', got {reduction!r}")
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    return losses.mean() if total is None else losses.sum() / total


def _check_values(wrong: Tensor, message: Callable[[], str], error: type = ValueError) -> None:
    """Raise if anything is wrong. Compiled code cannot look at values, so it does not check."""
    if not torch.compiler.is_compiling() and wrong.any():
        raise error(message())


# --- losses for numbers


def mse_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """Squared error; fused: `F.mse_loss`.

    Shapes: input, target and weight (*); result (*), or one number if reduced.
    Raises: TypeError if a tensor is not floating point; ValueError if shapes differ
    or for another reduction.
    """
    input, target = _real_pair(input, target)
    losses = (input - target) ** 2
    if weight is None:
        return _reduce(losses, reduction)
    weight = _one_each(weight, input)
    return _reduce(weight * losses, reduction, weight.sum())


def l1_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """Absolute error, with gradient 0 where it is 0; fused: `F.l1_loss`.

    Shapes: input, target and weight (*); result (*), or one number if reduced.
    Raises: TypeError if a tensor is not floating point; ValueError if shapes differ
    or for another reduction.
    """
    input, target = _real_pair(input, target)
    losses = (input - target).abs()
    if weight is None:
        return _reduce(losses, reduction)
    weight = _one_each(weight, input)
    return _reduce(weight * losses, reduction, weight.sum())


def _one_each(weight: Tensor, input: Tensor) -> Tensor:
    if _real(weight, "weight").shape != input.shape:
        shapes = tuple(input.shape), tuple(weight.shape)
        raise ValueError(f"weight: expected the shape of input, {shapes[0]}, got {shapes[1]}")
    return weight


def smooth_l1_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """A parabola within beta of zero, a straight line beyond; fused: `F.smooth_l1_loss`.

    Shapes: input and target (*); beta a number; result (*), or one number if
    reduced.
    Raises: TypeError if a tensor is not floating point; ValueError if the shapes
    differ, for a negative beta or another reduction.
    """
    if not beta >= 0:
        raise ValueError(f"beta: expected a number of at least 0, got {beta}")
    input, target = _real_pair(input, target)
    error = (input - target).abs()
    if beta == 0:
        return _reduce(error, reduction)
    # The clamp keeps the branch that `where` discards from overflowing.
    curved = error.clamp(max=beta) ** 2 / (2 * beta)
    return _reduce(torch.where(error < beta, curved, error - beta / 2), reduction)


# --- losses for yes and no


def _check_probabilities(values: Tensor, name: str) -> None:
    outside = ~((values >= 0) & (values <= 1))  # NaN too
    _check_values(
        outside, lambda: f"{name}: expected numbers from 0 to 1, got {values[outside][0].item()}"
    )


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Log loss of a probability, no logarithm below -100; fused: `F.binary_cross_entropy`.

    Shapes: input and target (*), numbers from 0 to 1; weight broadcasts to (*);
    result (*), or one number if reduced.
    Raises: TypeError if a tensor is not floating point; ValueError if the shapes do
    not fit, for a number outside [0, 1] or another reduction.
    """
    p, y = _real_pair(input, target)
    _check_probabilities(p, "input")
    _check_probabilities(y, "target")
    losses = -(y * _logarithm(p) + (1.0 - y) * _logarithm(1.0 - p))
    return _reduce(_weights(weight, p) * losses, reduction)


def _logarithm(input: Tensor) -> Tensor:
    """The logarithm, but never below -100: there it is flat, so its gradient is 0."""
    inside = torch.where(input > 0, input, 1.0)  # the gradient of log(0) would be infinity times 0
    return torch.where(input > 0, inside.log().clamp(min=LOWEST_LOG), LOWEST_LOG)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Log loss of a logit, finite for any; fused: `F.binary_cross_entropy_with_logits`.

    Shapes: input and target (*), target from 0 to 1; weight and pos_weight
    broadcast to (*); result (*), or one number if reduced.
    Raises: TypeError if a tensor is not floating point; ValueError if the shapes do
    not fit, for a target outside [0, 1] or another reduction.
    """
    z, y = _real_pair(input, target)
    _check_probabilities(y, "target")
    zero = torch.zeros_like(z)
    yes, no = torch.logaddexp(-z, zero), torch.logaddexp(z, zero)  # -ln sigma(z), -ln sigma(-z)
    losses = _weights(pos_weight, z, "pos_weight") * y * yes + (1.0 - y) * no
    return _reduce(_weights(weight, z) * losses, reduction)


# --- losses for classes


def _scores(input: Tensor) -> tuple[Tensor, int]:
    """`input` and the dimension of its classes: 1, or 0 if it is a single example."""
    input = _real(input)
    if input.ndim == 0:
        raise ValueError("input: expected shape (C,), (N, C) or (N, C, *), got a single number")
    dim = min(1, input.ndim - 1)
    if input.shape[dim] == 0:
        raise ValueError(f"input: expected at least one class, got shape {tuple(input.shape)}")
    return input, dim


def _classes(target: Tensor, input: Tensor, dim: int, ignored: int | None) -> tuple[Tensor, Tensor]:
    """The classes, 0 in place of the ignored ones, and which of them are not ignored."""
    kind = target.dtype if isinstance(target, Tensor) else type(target).__name__
    if kind not in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64):
        raise TypeError(f"target: expected classes as integers, got {kind}")
    expected = input.shape[:dim] + input.shape[dim + 1 :]
    if target.shape != expected:
        shapes = tuple(expected), tuple(target.shape)
        raise ValueError(f"target: expected shape {shapes[0]}, got {shapes[1]}")
    kept = torch.ones_like(target, dtype=torch.bool) if ignored is None else target != ignored
    last = input.shape[dim] - 1
    wrong = kept & ((target < 0) | (target > last))
    _check_values(
        wrong,
        lambda: f"target: expected classes from 0 to {last}, got {target[wrong][0].item()}",
        IndexError,
    )
    return torch.where(kept, target, 0).long(), kept


def _class_weights(weight: Tensor | None, input: Tensor, dim: int) -> Tensor:
    """One weight a class, 1 by default; ValueError unless there are as many as classes."""
    classes = input.shape[dim]
    weight = input.new_ones(classes) if weight is None else _real(weight, "weight")
    if weight.shape != (classes,):
        raise ValueError(f"weight: expected shape ({classes},), got {tuple(weight.shape)}")
    return weight


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability of the right class; fused: `F.nll_loss`.

    Shapes: input (C,), (N, C) or (N, C, *); target without the C, classes 0..C-1;
    weight (C,); result as target, or one number if reduced.
    Raises: TypeError if input is not floating point or target not made of integers;
    ValueError if the shapes do not fit or for another reduction; IndexError for a
    class that does not exist.
    """
    input, dim = _scores(input)
    classes, kept = _classes(target, input, dim, ignore_index)
    weights = _class_weights(weight, input, dim)[classes] * kept
    picked = input.gather(dim, classes.unsqueeze(dim)).squeeze(dim)
    losses = -weights * torch.where(kept, picked, 0.0)
    return _reduce(losses, reduction, weights.sum())


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Log-softmax, then minus the logarithm at the right class; fused: `F.cross_entropy`.

    Shapes: input (C,), (N, C) or (N, C, *); target without the C and integer, or as
    input and floating point; weight (C,); result as target without the C, or one
    number if reduced.
    Raises: TypeError if input is not floating point or target of the wrong kind;
    ValueError if the shapes do not fit, for a label_smoothing outside [0, 1] or
    another reduction; IndexError for a class that does not exist.
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"label_smoothing: expected a number in [0, 1], got {label_smoothing}")
    input, dim = _scores(input)
    weight = _class_weights(weight, input, dim)
    log_p = log_softmax(input, dim)
    smooth = label_smoothing / input.shape[dim]
    if _is_index(target, input):
        classes, kept = _classes(target, input, dim, ignore_index)
        losses = (1.0 - label_smoothing) * nll_loss(log_p, target, weight, ignore_index, "none")
        if label_smoothing:
            everywhere = -(log_p.movedim(dim, -1) * weight).sum(-1)
            losses = losses + smooth * torch.where(kept, everywhere, 0.0)
        return _reduce(losses, reduction, (weight[classes] * kept).sum())
    wanted = (1.0 - label_smoothing) * _real(target, "target") + smooth
    losses = -((wanted * log_p).movedim(dim, -1) * weight).sum(-1)
    return _reduce(losses, reduction)


def _is_index(target: Tensor, input: Tensor) -> bool:
    """Whether the target names classes; a real target of input's shape is made of probabilities."""
    real = isinstance(target, Tensor) and target.dtype.is_floating_point
    return not (real and target.shape == input.shape)


def squared_emd_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Squared differences of the running sums over ordered classes; PyTorch has no fused one.

    Shapes: input (C,), (N, C) or (N, C, *), probabilities; target without the C and
    integer, or as input and floating point; result as target without the C, or one
    number if reduced.
    Raises: TypeError if input is not floating point or target of the wrong kind;
    ValueError if the shapes do not fit, if numbers are no probabilities or for
    another reduction; IndexError for a class that does not exist.
    """
    p, dim = _scores(input)
    if _is_index(target, p):
        classes, _ = _classes(target, p, dim, None)
        target = torch.zeros_like(p).scatter(dim, classes.unsqueeze(dim), 1.0)
    for values, name in ((p, "input"), (target, "target")):
        sums = values.detach().float().sum(dim)
        wrong = ~((values >= 0).all(dim) & ((sums - 1.0).abs() <= 0.01))
        _check_values(
            wrong,
            lambda name=name, sums=sums, wrong=wrong: (
                f"{name}: expected probabilities that add up to 1 along dimension {dim}, "
                f"got a sum of {sums[wrong][0].item():.3g} or a negative number"
            ),
        )
    return _reduce(((p - target).cumsum(dim) ** 2).sum(dim), reduction)


# --- penalties on weights


def _check_alpha(alpha: float) -> None:
    if not alpha >= 0:
        raise ValueError(f"alpha: expected a number of at least 0, got {alpha}")


def l1_penalty(input: Tensor, alpha: float = 1.0) -> Tensor:
    """alpha times the sum of the weights' sizes, with gradient 0 at 0.

    Shapes: input (*), the weights; alpha a number; result one number.
    Raises: TypeError if input is not floating point; ValueError if alpha is
    negative.
    """
    _check_alpha(alpha)
    return alpha * _real(input).abs().sum()


def l2_penalty(input: Tensor, alpha: float = 1.0) -> Tensor:
    """Half of alpha times the sum of squares; in `torch.optim.SGD` it is `weight_decay=alpha`.

    Shapes: input (*), the weights; alpha a number; result one number.
    Raises: TypeError if input is not floating point; ValueError if alpha is
    negative.
    """
    _check_alpha(alpha)
    return 0.5 * alpha * (_real(input) ** 2).sum()
