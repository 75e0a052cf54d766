"""Activation functions in PyTorch: the same names, on any device and in any floating dtype.

Each function is written from elementary tensor operations, so autograd differentiates it and
`torch.compile` fuses it into one kernel. In practice you call the fused operation that its
docstring names. Shapes and formulas are those of the NumPy reference.
"""

import math

import torch
from torch import Tensor, nn

__all__ = [
    "identity", "binary_step", "sigmoid", "tanh", "arctan",
    "relu", "leaky_relu", "prelu", "elu", "softplus",
    "silu", "swish", "gelu", "softmax", "log_softmax", "hardmax",
]  # fmt: skip


def _real(input: Tensor, name: str = "input") -> Tensor:
    """`input`, or a TypeError unless it is a tensor of real floating-point numbers."""
    if not isinstance(input, Tensor) or not input.dtype.is_floating_point:
        got = input.dtype if isinstance(input, Tensor) else type(input).__name__
        raise TypeError(f"{name}: expected a floating-point tensor, got {got}")
    return input


def identity(input: Tensor) -> Tensor:
    """The input unchanged; fused: `nn.Identity`.

    Shapes: input (*); result the same. Raises: TypeError if input is not floating point.
    """
    return _real(input)


def binary_step(input: Tensor) -> Tensor:
    """1 where input >= 0, else 0; fused: `torch.heaviside`. Its gradient is zero.

    Shapes: input (*); result the same. Raises: TypeError if input is not floating point.
    """
    return (_real(input) >= 0).to(input.dtype)


def sigmoid(input: Tensor) -> Tensor:
    r"""$e^{-\ln(1 + e^{-x})}$: finite, and exact in both tails; fused: `torch.sigmoid`.

    Shapes: input (*); result the same. Raises: TypeError if input is not floating point.
    """
    return torch.exp(-torch.logaddexp(-_real(input), torch.zeros_like(input)))


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent, which PyTorch has as an elementary function: `torch.tanh`.

    Shapes: input (*); result the same. Raises: TypeError if input is not floating point.
    """
    return torch.tanh(_real(input))


def arctan(input: Tensor) -> Tensor:
    """Inverse tangent, which PyTorch has as an elementary function: `torch.arctan`.

    Shapes: input (*); result the same. Raises: TypeError if input is not floating point.
    """
    return torch.arctan(_real(input))


def relu(input: Tensor) -> Tensor:
    """max(0, x), with gradient 0 at the kink; fused: `F.relu`.

    Shapes: input (*); result the same. Raises: TypeError if input is not floating point.
    """
    return torch.where(_real(input) <= 0, 0.0, input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, else negative_slope * x; fused: `F.leaky_relu`.

    Shapes: input (*); result the same. Raises: TypeError if input is not floating point.
    """
    return torch.where(_real(input) > 0, input, negative_slope * input)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Leaky ReLU with a learned slope, one or one a channel; fused: `nn.PReLU`.

    Shapes: input (N, C, *) or any; weight (1,) or (C,); result as input.
    Raises: TypeError if one is not floating point; ValueError if weight has another shape.
    """
    input, weight = _real(input), _real(weight, "weight")
    channels = input.shape[1] if input.ndim > 1 else 1
    if tuple(weight.shape) not in {(1,), (channels,)}:
        raise ValueError(
            f"weight: expected shape (1,) or ({channels},) for an input of shape "
            f"{tuple(input.shape)}, got {tuple(weight.shape)}"
        )
    shape = (-1, *[1] * (input.ndim - 2)) if input.ndim else ()
    slope = weight.reshape(shape)  # (C,) -> (C, 1, ..., 1)
    return torch.where(input > 0, input, slope * input)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha * (exp(x) - 1); fused: `F.elu`.

    Shapes: input (*); result the same. Raises: TypeError if input is not floating point.
    """
    # The clamp keeps the branch that `where` discards finite: its gradient would be inf * 0.
    return torch.where(_real(input) > 0, input, alpha * torch.expm1(input.clamp(max=0.0)))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """ln(1 + exp(beta x)) / beta, and x itself above the threshold; fused: `F.softplus`.

    Shapes: input (*); result the same.
    Raises: TypeError if input is not floating point; ValueError unless beta is positive.
    """
    if not beta > 0:
        raise ValueError(f"beta: expected a positive number, got {beta}")
    soft = torch.logaddexp(beta * _real(input), torch.zeros_like(input)) / beta
    return torch.where(beta * input > threshold, input, soft)


def swish(input: Tensor, beta: float | Tensor = 1.0) -> Tensor:
    """x * sigmoid(beta x); beta may be a learned tensor of one element.

    Shapes: input (*); beta one number; result as input.
    Raises: TypeError if input is not floating point; ValueError if beta has several elements.
    """
    if isinstance(beta, Tensor):
        if beta.numel() != 1:
            raise ValueError(f"beta: expected one number, got shape {tuple(beta.shape)}")
        beta = beta.reshape(())
    return _real(input) * sigmoid(beta * input)


def silu(input: Tensor) -> Tensor:
    """x * sigmoid(x), which is swish with beta = 1; fused: `F.silu`.

    Shapes: input (*); result the same. Raises: TypeError if input is not floating point.
    """
    return swish(input)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function, exactly or through tanh; fused: `F.gelu`.

    Shapes: input (*); result the same.
    Raises: TypeError if input is not floating point; ValueError for another approximate.
    """
    if approximate == "none":
        return 0.5 * _real(input) * (1.0 + torch.erf(input / math.sqrt(2.0)))
    if approximate == "tanh":
        inner = math.sqrt(2.0 / math.pi) * (_real(input) + 0.044715 * input**3)
        return 0.5 * input * (1.0 + torch.tanh(inner))
    raise ValueError(f"approximate: expected 'none' or 'tanh', got {approximate!r}")


def _along(input: Tensor, dim: int) -> Tensor:
    """`input`, or an error unless it has something along dimension dim."""
    input = _real(input)
    if not -input.ndim <= dim < input.ndim:
        raise IndexError(f"dim: expected one of the {input.ndim} dimensions of input, got {dim}")
    if input.shape[dim] == 0:
        raise ValueError(f"input: expected entries along dim {dim}, got shape {tuple(input.shape)}")
    return input


def softmax(input: Tensor, dim: int) -> Tensor:
    """exp(x - max) normalised to sum to 1 along dim; fused: `torch.softmax`.

    Shapes: input (*), at least one dimension; result the same.
    Raises: TypeError if input is not floating point; IndexError if it has no dimension dim;
    ValueError if that is empty.
    """
    input = _along(input, dim)
    # The shift cancels in the fraction, so no gradient need flow through the maximum.
    exponential = torch.exp(input - input.detach().amax(dim, keepdim=True))
    return exponential / exponential.sum(dim, keepdim=True)


def log_softmax(input: Tensor, dim: int) -> Tensor:
    """x - max - ln sum exp(x - max) along dim; fused: `torch.log_softmax`.

    Shapes: input (*), at least one dimension; result the same.
    Raises: TypeError if input is not floating point; IndexError if it has no dimension dim;
    ValueError if that is empty.
    """
    input = _along(input, dim)
    shifted = input - input.detach().amax(dim, keepdim=True)
    return shifted - torch.log(torch.exp(shifted).sum(dim, keepdim=True))


def hardmax(input: Tensor, dim: int = -1) -> Tensor:
    """1 at the largest value along dim (the first of equals), 0 elsewhere.

    Shapes: input (*), at least one dimension; result the same.
    Raises: TypeError if input is not floating point; IndexError if it has no dimension dim;
    ValueError if that is empty.
    """
    largest = _along(input, dim).argmax(dim, keepdim=True)
    return torch.zeros_like(input).scatter_(dim, largest, 1.0)


class Swish(nn.Module):
    """Swish with a learnable beta, one number for the whole layer, as `nn.PReLU` learns its slope.

    Shapes: input (*); result the same. Raises: TypeError if input is not floating point.
    """

    def __init__(self, beta: float = 1.0):
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(float(beta)))

    def forward(self, input: Tensor) -> Tensor:
        return swish(input, self.beta)

    def extra_repr(self) -> str:
        return f"beta={self.beta.item():.4g}"
