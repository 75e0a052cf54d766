"""Neurons in PyTorch: the same names, on any device and in any floating dtype.

What can be differentiated is written from elementary tensor operations, so autograd goes through
it; what learns does so by itself and returns plain tensors. Shapes and formulas are those of the
NumPy reference; the docstrings name what a practitioner would call.
"""

from itertools import pairwise
from operator import index

import torch
from torch import Tensor, nn

__all__ = [
    "linear", "perceptron", "step_perceptron_train", "logistic_regression_fit",
    "standardize", "mlp_forward", "count_parameters", "one_hot",
]  # fmt: skip


def _real(input: Tensor, name: str = "input") -> Tensor:
    """`input`, or a TypeError unless it is a tensor of real floating-point numbers."""
    if not isinstance(input, Tensor) or not input.dtype.is_floating_point:
        got = input.dtype if isinstance(input, Tensor) else type(input).__name__
        raise TypeError(f"{name}: expected a floating-point tensor, got {got}")
    return input


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The weighted sums of a layer, x W^T + b; fused: `F.linear`, as a module `nn.Linear`.

    Shapes: input (*, in); weight (out, in) or (in,); bias (out,) or (); result (*, out) or (*).
    Raises: TypeError if one is not floating point; ValueError if the shapes do not fit.
    """
    _real(input), _real(weight, "weight")
    shapes = f"got input {tuple(input.shape)} and weight {tuple(weight.shape)}"
    if weight.ndim not in (1, 2) or input.shape[-1:] != weight.shape[-1:]:
        raise ValueError(f"expected input (*, in) and weight (out, in) or (in,), {shapes}")
    z = input @ weight.mT if weight.ndim == 2 else input @ weight
    if bias is None:
        return z
    if _real(bias, "bias").shape != weight.shape[:-1]:
        expected, got = tuple(weight.shape[:-1]), tuple(bias.shape)
        raise ValueError(f"bias: expected shape {expected}, got {got}")
    return z + bias


def perceptron(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """1 where w x + b >= 0, else 0. Its gradient is zero, so autograd cannot train it.

    Shapes: input (*, in); weight (in,) or (out, in); bias () or (out,); result (*) or (*, out).
    Raises: TypeError if one is not floating point; ValueError if the shapes do not fit.
    """
    return (linear(input, weight, bias) >= 0).to(input.dtype)


def _real_examples(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and their labels, detached; ValueError unless (N, D) and N times 0 or 1."""
    input = _real(input).detach()
    if input.ndim != 2 or len(input) == 0:
        raise ValueError(f"input: expected shape (N, D) with N >= 1, got {tuple(input.shape)}")
    if target.is_complex():
        raise TypeError(f"target: expected real numbers, got {target.dtype}")
    target = target.detach().to(input)
    if target.shape != input.shape[:1]:
        raise ValueError(f"target: expected shape ({len(input)},), got {tuple(target.shape)}")
    wrong = target[(target != 0) & (target != 1)]
    if len(wrong):
        raise ValueError(f"target: expected the classes 0 and 1, got {wrong[0]:g}")
    return input, target


def _check_count(count, name):
    if not index(count) >= 1:
        raise ValueError(f"{name}: expected a whole number of at least 1, got {count}")


def _check_rate(lr):
    if not lr > 0:
        raise ValueError(f"lr: expected a positive number, got {lr}")


@torch.no_grad()
def step_perceptron_train(
    input: Tensor, target: Tensor, lr: float = 1.0, epochs: int = 100
) -> tuple[Tensor, Tensor, Tensor]:
    """The perceptron rule: example after example, so there is nothing to batch or differentiate.

    Shapes: input (N, D); target (N,) of 0 and 1; returns weight (D,), bias () and the mistakes of
    each pass, (passes,), as integers.
    Raises: TypeError if input is not floating point or target not real; ValueError if shapes or
    classes do not fit, or if lr or epochs is not positive.
    """
    input, target = _real_examples(input, target)
    _check_rate(lr)
    _check_count(epochs, "epochs")
    weight, bias, mistakes = input.new_zeros(input.shape[1]), input.new_zeros(()), []
    for _ in range(epochs):
        mistakes.append(0)
        for x, side in zip(input, 2 * target - 1, strict=True):
            if side * (weight @ x + bias) <= 0:
                weight += lr * side * x
                bias += lr * side
                mistakes[-1] += 1
        if mistakes[-1] == 0:
            break
    return weight, bias, torch.tensor(mistakes, device=input.device)


def logistic_regression_fit(
    input: Tensor, target: Tensor, lr: float = 0.1, steps: int = 1000
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient descent on the log loss, whose gradient autograd finds; in practice
    `nn.Linear`, `nn.BCEWithLogitsLoss` and `torch.optim.SGD`.

    Shapes: input (N, D); target (N,) of 0 and 1; returns weight (D,), bias () and the loss before
    each step, (steps,).
    Raises: TypeError if input is not floating point or target not real; ValueError if shapes or
    classes do not fit, or if lr or steps is not positive.
    """
    input, target = _real_examples(input, target)
    _check_rate(lr)
    _check_count(steps, "steps")
    weight = input.new_zeros(input.shape[1], requires_grad=True)
    bias = input.new_zeros((), requires_grad=True)
    losses = []
    for _ in range(steps):
        with torch.enable_grad():
            z = input @ weight + bias  # (N,)
            loss = (torch.logaddexp(z, torch.zeros_like(z)) - target * z).mean()
        gradients = torch.autograd.grad(loss, (weight, bias))
        losses.append(loss.detach())
        with torch.no_grad():
            for parameter, gradient in zip((weight, bias), gradients, strict=True):
                parameter -= lr * gradient
    return weight.detach(), bias.detach(), torch.stack(losses)


def standardize(input: Tensor, train: Tensor | None = None) -> Tensor:
    """Each column less its mean, by its standard deviation, both of the training rows.

    Shapes: input (M, D); train (N, D) with N >= 1; result (M, D).
    Raises: TypeError if one is not floating point; ValueError if the shapes do not fit.
    """
    train = _real(input) if train is None else _real(train, "train")
    if train.ndim != 2 or len(train) == 0:
        raise ValueError(f"train: expected shape (N, D) with N >= 1, got {tuple(train.shape)}")
    if input.ndim != 2 or input.shape[1] != train.shape[1]:
        raise ValueError(f"input: expected (M, {train.shape[1]}), got {tuple(input.shape)}")
    varies = (train != train[0]).any(0)
    mean = train.mean(0)
    # `where` stands under the root: of a constant column the root's own slope is infinite.
    variance = torch.where(varies, (train - mean).square().mean(0), 1.0)
    return (input - mean) / variance.sqrt()


def mlp_forward(input: Tensor, *parameters: Tensor) -> Tensor:
    """Linear layers with ReLU between them; as a module, `nn.Sequential`.

    Shapes: input (N, D); parameters weight1 (H1, D), bias1 (H1,), weight2 (H2, H1), bias2, …;
    result (N, K).
    Raises: TypeError if one is not floating point; ValueError if a bias is missing or a layer
    does not fit the one before.
    """
    if len(parameters) < 2 or len(parameters) % 2:
        number = len(parameters)
        raise ValueError(f"expected a weight and a bias for each layer, got {number} tensors")
    h = _real(input)
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        h = linear(h, weight, bias).relu()
    return linear(h, *parameters[-2:])


def count_parameters(sizes, bias=True) -> int:
    """Builds the network on the device `meta`, which stores shapes only, and counts.

    Shapes: sizes a sequence of at least two whole numbers, inputs first; result a number.
    Raises: TypeError if a size is not a whole number; ValueError if one is not positive or if
    there are fewer than two.
    """
    if not all(isinstance(size, int) and not isinstance(size, bool) for size in sizes):
        raise TypeError(f"sizes: expected whole numbers, got {sizes!r}")
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes: expected at least two positive numbers, got {list(sizes)}")
    layers = [nn.Linear(*pair, bias=bias, device="meta") for pair in pairwise(sizes)]
    return sum(parameter.numel() for parameter in nn.Sequential(*layers).parameters())


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """A 1 at the place of each class number, by `scatter`; in practice `F.one_hot`.

    Shapes: input (*), integers from 0; result (*, K) as int64.
    Raises: TypeError if input is not integer; ValueError if a number is negative or too large for
    num_classes, or if that is neither positive nor -1, or is -1 and input is empty.
    """
    if not isinstance(input, Tensor) or input.is_floating_point() or input.is_complex():
        got = input.dtype if isinstance(input, Tensor) else type(input).__name__
        raise TypeError(f"input: expected a tensor of integers, got {got}")
    if num_classes < 1 and num_classes != -1:
        raise ValueError(f"num_classes: expected a positive number or -1, got {num_classes}")
    if input.numel() == 0:
        if num_classes == -1:
            raise ValueError(f"input: expected a class to count from, got {tuple(input.shape)}")
        return input.new_zeros((*input.shape, num_classes), dtype=torch.int64)
    low, high = int(input.min()), int(input.max())
    num_classes = high + 1 if num_classes == -1 else num_classes
    if low < 0 or high >= num_classes:
        raise ValueError(f"input: expected 0 to {num_classes - 1}, got {low} to {high}")
    result = input.new_zeros((*input.shape, num_classes), dtype=torch.int64)
    return result.scatter(-1, input.long().unsqueeze(-1), 1)
