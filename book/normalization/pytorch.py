"""Initialization and normalization in PyTorch: the same names, on any device, in any dtype.

The initializers follow `torch.nn.init` but return a new tensor with the shape, dtype and device of
`tensor`. A seed or a NumPy generator gives the weights of the NumPy reference, on every device; a
`torch.Generator` draws on its own device, which is faster. What is normalized in half precision
is computed in float32, as the fused kernels do.
"""

import math
from operator import index

import numpy as np
import torch
from torch import Tensor, nn

from book.neurons.pytorch import linear

__all__ = [
    "calculate_gain", "kaiming_normal", "kaiming_uniform", "xavier_normal", "xavier_uniform",
    "orthogonal", "delta_orthogonal", "batch_norm", "BatchNorm", "layer_norm", "group_norm",
    "clip_grad_norm", "residual_block",
]  # fmt: skip

Generator = int | np.random.Generator | torch.Generator | None


def _real(input: Tensor, name: str = "input") -> Tensor:
    """`input`, or a TypeError unless it is a tensor of real floating-point numbers."""
    if not isinstance(input, Tensor) or not input.dtype.is_floating_point:
        got = input.dtype if isinstance(input, Tensor) else type(input).__name__
        raise TypeError(f"{name}: expected a floating-point tensor, got {got}")
    return input


def _wide(input: Tensor) -> Tensor:
    """`input` in at least float32: sums in half precision would lose most of their digits."""
    return input.float() if input.dtype.itemsize < 4 else input


# --- initialization


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """How much larger weights must be for an activation function: `nn.init.calculate_gain`.

    Shapes: nonlinearity a word, param a number; result a number.
    Raises: ValueError for another word, or if the slope is not a number.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"param: expected a number, the slope, got {slope!r}")
        return math.sqrt(2.0 / (1.0 + slope**2))
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    if nonlinearity not in gains:
        expected = ", ".join([*gains, "leaky_relu"])
        raise ValueError(f"nonlinearity: expected one of {expected}, got {nonlinearity!r}")
    return gains[nonlinearity]


def _fans(tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, *kernel)."""
    shape = tuple(_real(tensor, "tensor").shape)
    if len(shape) < 2:
        raise ValueError(f"tensor: expected at least 2 dimensions (out, in, ...), got {shape}")
    places = math.prod(shape[2:])
    return shape[1] * places, shape[0] * places


def _numpy_generator(generator: int | np.random.Generator) -> np.random.Generator:
    if isinstance(generator, np.random.Generator):
        return generator
    if isinstance(generator, bool) or not isinstance(generator, int | np.integer):
        got = type(generator).__name__
        raise TypeError(f"generator: expected a seed, a generator or None, got {got}")
    if generator < 0:
        raise ValueError(f"generator: expected a seed of at least 0, got {generator}")
    return np.random.default_rng(generator)


def _drawn(tensor: Tensor, shape: tuple, generator: Generator, uniform: bool = False) -> Tensor:
    """Random numbers of mean 0 in a shape: standard normal ones, or even ones between -1 and 1."""
    like = {"dtype": _wide(tensor[:0]).dtype, "device": tensor.device}
    if generator is None or isinstance(generator, torch.Generator):
        like["device"] = tensor.device if generator is None else generator.device
        numbers = torch.empty(shape, **like)
        if uniform:
            return numbers.uniform_(-1.0, 1.0, generator=generator).to(tensor.device)
        return numbers.normal_(generator=generator).to(tensor.device)
    rng = _numpy_generator(generator)
    numbers = rng.uniform(-1.0, 1.0, shape) if uniform else rng.standard_normal(shape)
    return torch.as_tensor(numbers).to(**like)


def _normal(tensor: Tensor, std: float, generator: Generator) -> Tensor:
    return (std * _drawn(tensor, tuple(tensor.shape), generator)).to(tensor.dtype)


def _uniform(tensor: Tensor, std: float, generator: Generator) -> Tensor:
    bound = math.sqrt(3.0) * std
    return (bound * _drawn(tensor, tuple(tensor.shape), generator, True)).to(tensor.dtype)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode: expected 'fan_in' or 'fan_out', got {mode!r}")
    fan = _fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2.0 / max(sum(_fans(tensor)), 1))


def kaiming_normal(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """Normal weights that keep the size of the signal; in place: `nn.init.kaiming_normal_`.

    Shapes: tensor (out, in, *); result as tensor, with its dtype and device.
    Raises: TypeError if tensor is not floating point or generator is something else; ValueError
    if tensor has fewer than 2 dimensions, or for another mode, nonlinearity or a negative seed.
    """
    return _normal(tensor, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def kaiming_uniform(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """The same spread without tails; in place: `nn.init.kaiming_uniform_`.

    Shapes: tensor (out, in, *); result as tensor, with its dtype and device.
    Raises: TypeError if tensor is not floating point or generator is something else; ValueError
    if tensor has fewer than 2 dimensions, or for another mode, nonlinearity or a negative seed.
    """
    return _uniform(tensor, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def xavier_normal(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Normal weights by the mean of both fans; in place: `nn.init.xavier_normal_`.

    Shapes: tensor (out, in, *); result as tensor, with its dtype and device.
    Raises: TypeError if tensor is not floating point or generator is something else; ValueError
    if tensor has fewer than 2 dimensions or the seed is negative.
    """
    return _normal(tensor, _xavier_std(tensor, gain), generator)


def xavier_uniform(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """The same spread without tails; in place: `nn.init.xavier_uniform_`.

    Shapes: tensor (out, in, *); result as tensor, with its dtype and device.
    Raises: TypeError if tensor is not floating point or generator is something else; ValueError
    if tensor has fewer than 2 dimensions or the seed is negative.
    """
    return _uniform(tensor, _xavier_std(tensor, gain), generator)


def orthogonal(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """A random orthogonal matrix (out, in · …), times gain; in place: `nn.init.orthogonal_`.

    Shapes: tensor (out, in, *); result as tensor, with its dtype and device.
    Raises: TypeError if tensor is not floating point or generator is something else; ValueError
    if tensor has fewer than 2 dimensions or the seed is negative.
    """
    _fans(tensor)
    shape = tuple(tensor.shape)
    if 0 in shape:
        return tensor.new_zeros(shape)
    a = _drawn(tensor, (shape[0], math.prod(shape[1:])), generator)
    wide = a.shape[0] < a.shape[1]
    q, r = torch.linalg.qr(a.mT if wide else a)
    q = q * r.diagonal().sign()
    return (gain * (q.mT if wide else q)).reshape(shape).to(tensor.dtype)


def delta_orthogonal(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """An orthogonal matrix at the center of a kernel of zeros; PyTorch has no such initializer.

    Shapes: tensor (out, in, *kernel) with out >= in and odd sides; result as tensor, with its
    dtype and device.
    Raises: TypeError if tensor is not floating point or generator is something else; ValueError
    if tensor has fewer than 3 dimensions, more inputs than outputs or an even side, or for a
    negative seed.
    """
    _fans(tensor)
    out, channels, *kernel = tensor.shape
    if not kernel or out < channels or any(side % 2 == 0 for side in kernel):
        raise ValueError(
            "tensor: expected (out, in, *kernel) with out >= in and odd sides, "
            f"got {tuple(tensor.shape)}"
        )
    weight = tensor.new_zeros(tensor.shape)
    center = (..., *[side // 2 for side in kernel])
    weight[center] = orthogonal(tensor.new_empty((out, channels)), gain, generator)
    return weight


# --- normalization


def _shaped(values: Tensor, name: str, shape: tuple) -> Tensor:
    if tuple(_real(values, name).shape) != tuple(shape):
        raise ValueError(f"{name}: expected shape {tuple(shape)}, got {tuple(values.shape)}")
    return values


def _check_eps(eps: float, positive: bool = False) -> None:
    if not (eps > 0 if positive else eps >= 0):
        kind = "positive" if positive else "nonnegative"
        raise ValueError(f"eps: expected a {kind} number, got {eps}")


def _channels(input: Tensor, *named: tuple[str, Tensor | None]) -> list[Tensor | None]:
    """One number a channel, ready to broadcast along dimension 1 of input; None stays."""
    shape = (input.shape[1], *[1] * (input.ndim - 2))
    return [
        None if values is None else _wide(_shaped(values, name, shape[:1])).reshape(shape)
        for name, values in named
    ]


def _standardized(input: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
    centered = input - input.mean(dims, keepdim=True)
    return centered / torch.sqrt(centered.square().mean(dims, keepdim=True) + eps)


def _scaled(normal: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    scaled = normal if weight is None else normal * weight
    return scaled if bias is None else scaled + bias


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel with mean 0 and variance 1, then scaled and shifted; fused: `F.batch_norm`.

    In training it normalizes by the batch and moves the running statistics in place.

    Shapes: input (N, C, *); the others (C,) or None; result as input.
    Raises: TypeError if one is not floating point; ValueError if shapes do not fit, eps is negative
    (in training: not positive), running statistics are missing, or a channel has a single value in
    training.
    """
    if _real(input).ndim < 2:
        raise ValueError(f"input: expected shape (N, C, *), got {tuple(input.shape)}")
    _check_eps(eps, training)
    if (running_mean is None) != (running_var is None) or (running_mean is None and not training):
        need = "both or none" if training else "both, without training"
        got = [n for n, v in (("mean", running_mean), ("var", running_var)) if v is not None]
        raise ValueError(f"running_mean and running_var: expected {need}, got {got or 'none'}")
    gamma, beta, mean, var = _channels(
        input, ("weight", weight), ("bias", bias),
        ("running_mean", running_mean), ("running_var", running_var),
    )  # fmt: skip
    x = _wide(input)
    if not training:
        return _scaled((x - mean) / torch.sqrt(var + eps), gamma, beta).to(input.dtype)
    if input.numel() < 2 * max(input.shape[1], 1):
        raise ValueError(
            "input: expected more than 1 value for each channel in training, "
            f"got {tuple(input.shape)}"
        )
    dims = (0, *range(2, input.ndim))
    if running_mean is not None:
        with torch.no_grad():
            running_mean.lerp_(x.mean(dims).to(running_mean.dtype), momentum)
            running_var.lerp_(x.var(dims).to(running_var.dtype), momentum)  # unbiased: m - 1
    return _scaled(_standardized(x, dims, eps), gamma, beta).to(input.dtype)


class BatchNorm(nn.Module):
    """A batch-norm layer with its memory; fused: `nn.BatchNorm1d`, `2d` and `3d`, in one.

    Shapes: num_features C; called with (N, C, *), returns the same.
    Raises: ValueError if num_features is not positive; what `batch_norm` raises when called.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ):
        super().__init__()
        if index(num_features) < 1:
            raise ValueError(f"num_features: expected at least 1, got {num_features}")
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(num_features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine else None
        tracks = track_running_stats
        self.register_buffer("running_mean", torch.zeros(num_features) if tracks else None)
        self.register_buffer("running_var", torch.ones(num_features) if tracks else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if tracks else None)

    def forward(self, input: Tensor) -> Tensor:
        momentum, tracks = self.momentum, self.running_mean is not None
        if self.training and tracks:
            self.num_batches_tracked += 1
            if momentum is None:
                momentum = 1.0 / self.num_batches_tracked.item()
        return batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not tracks, momentum, self.eps,
        )  # fmt: skip


def layer_norm(
    input: Tensor,
    normalized_shape: tuple[int, ...],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each example by itself, over its last sides; fused: `F.layer_norm`.

    Shapes: input (*, *normalized_shape); weight and bias as normalized_shape, or None; result as
    input.
    Raises: TypeError if one is not floating point; ValueError if the shapes do not fit or eps is
    negative.
    """
    shape = tuple(normalized_shape)
    _check_eps(eps)
    if not shape or tuple(_real(input).shape[-len(shape) :]) != shape:
        got = f"{shape} for an input of shape {tuple(input.shape)}"
        raise ValueError(f"normalized_shape: expected the last sides of input, got {got}")
    gamma, beta = (
        None if values is None else _wide(_shaped(values, name, shape))
        for name, values in (("weight", weight), ("bias", bias))
    )
    normal = _standardized(_wide(input), tuple(range(-len(shape), 0)), eps)
    return _scaled(normal, gamma, beta).to(input.dtype)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each example's channels in groups, each with mean 0 and variance 1; fused: `F.group_norm`.

    Shapes: input (N, C, *), num_groups a divisor of C; weight and bias (C,) or None; result as
    input.
    Raises: TypeError if one is not floating point; ValueError if the shapes do not fit or eps is
    negative.
    """
    _check_eps(eps)
    if _real(input).ndim < 2 or index(num_groups) < 1 or input.shape[1] % num_groups:
        raise ValueError(
            f"input: expected shape (N, C, *) with C divisible by num_groups={num_groups}, "
            f"got {tuple(input.shape)}"
        )
    gamma, beta = _channels(input, ("weight", weight), ("bias", bias))
    n, channels, *places = input.shape
    groups = _wide(input).reshape(n, num_groups, channels // num_groups, *places)
    normal = _standardized(groups, tuple(range(2, groups.ndim)), eps)
    return _scaled(normal.reshape(input.shape), gamma, beta).to(input.dtype)


# --- gradients that are too long, and a way around a layer


@torch.no_grad()
def clip_grad_norm(
    *grads: Tensor, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> tuple[Tensor, ...]:
    """All gradients scaled down to a common norm; in place: `nn.utils.clip_grad_norm_`.

    Shapes: grads tensors of any shapes; returns (norm before clipping, *clipped gradients).
    Raises: TypeError if one is not floating point; ValueError without gradients, or if max_norm is
    negative or norm_type less than 1; RuntimeError if the norm is not finite and
    error_if_nonfinite is true.
    """
    for grad in grads:
        _real(grad, "grads")
    if not grads or not max_norm >= 0 or not norm_type >= 1:
        raise ValueError(
            "expected at least one gradient, max_norm >= 0 and norm_type >= 1, "
            f"got {len(grads)} gradients, max_norm={max_norm}, norm_type={norm_type}"
        )
    norms = torch.stack([torch.linalg.vector_norm(_wide(grad), norm_type) for grad in grads])
    norm = torch.linalg.vector_norm(norms, norm_type)  # the norm of norms is that of all numbers
    if error_if_nonfinite and not norm.isfinite():
        raise RuntimeError(f"grads: expected a finite norm, got {norm}")
    factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    clipped = [(factor * _wide(grad)).to(grad.dtype) for grad in grads]
    return norm.to(grads[0].dtype), *clipped


def residual_block(
    input: Tensor,
    weight1: Tensor,
    bias1: Tensor,
    weight2: Tensor,
    bias2: Tensor,
    projection: Tensor | None = None,
) -> Tensor:
    """Two layers and a way around them: relu(W2 relu(W1 x + b1) + b2 + x), or + P x.

    Shapes: input (*, in); weight1 (hidden, in), bias1 (hidden,); weight2 (out, hidden), bias2
    (out,); projection (out, in), or None if out = in; result (*, out).
    Raises: TypeError if one is not floating point; ValueError if the shapes do not fit.
    """
    _real(input), _real(weight2, "weight2")
    around = input.shape[-1:] if projection is None else _real(projection).shape[:1]
    if weight2.ndim != 2 or around != weight2.shape[:1]:
        raise ValueError(
            f"weight2: expected as many rows as the way around has numbers, {tuple(around)}, "
            f"got shape {tuple(weight2.shape)}"
        )
    shortcut = input if projection is None else linear(input, projection)
    inner = linear(input, weight1, bias1).relu()
    return (linear(inner, weight2, bias2) + shortcut).relu()
