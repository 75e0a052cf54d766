"""Convolution and pooling in PyTorch: the same names, on any device, in any dtype.

A window is a view that `Tensor.unfold` makes, and autograd finds the gradients. In half precision
the sums are taken in float32, as the fused kernels do. The networks are made of `nn.Conv2d` and
its like, since those are fast.
"""

import math
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from book.convolution import shapes
from book.normalization.pytorch import kaiming_uniform

__all__ = [
    "conv2d", "conv1d", "conv_transpose2d", "max_pool2d", "avg_pool2d", "min_pool2d",
    "conv_output_size", "conv_flops", "unfold",
    "LeNet5", "ResidualBlock", "ResNet", "Inception", "PilotNet",
]  # fmt: skip

Sides = int | tuple[int, int]
Padding = Sides | str


def _real(input: Tensor, name: str = "input") -> Tensor:
    """`input`, or a TypeError unless it is a tensor of real floating-point numbers."""
    if not isinstance(input, Tensor) or not input.dtype.is_floating_point:
        got = input.dtype if isinstance(input, Tensor) else type(input).__name__
        raise TypeError(f"{name}: expected a floating-point tensor, got {got}")
    return input


def _wide(input: Tensor) -> Tensor:
    """`input` in at least float32: sums in half precision would lose most of their digits."""
    return input.float() if input.dtype.itemsize < 4 else input


def _batch(input: Tensor) -> Tensor:
    return input if input.ndim == 4 else input[None]


# --- windows


def _padded(input: Tensor, padding: tuple, value: float = 0.0) -> Tensor:
    (top, bottom), (left, right) = padding
    return pad(input, (left, right, top, bottom), value=value)


def _windows(padded: Tensor, plan: shapes.Plan) -> Tensor:
    """Every window of a padded picture, a view: (N, C, H', W', kH, kW)."""
    (down, across), (skip, jump) = plan.stride, plan.dilation
    high, wide = (d * (k - 1) + 1 for k, d in zip(plan.kernel, plan.dilation, strict=True))
    windows = padded.unfold(2, high, down).unfold(3, wide, across)
    return windows[:, :, : plan.out[0], : plan.out[1], ::skip, ::jump]


# --- convolution


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sides = 1,
    padding: Padding = 0,
    dilation: Sides = 1,
    groups: int = 1,
) -> Tensor:
    """The product of each kernel with each window, summed; fused: `F.conv2d`.

    Shapes: input (N, C, H, W) or (C, H, W); weight (O, C / groups, kH, kW); bias (O,) or None;
    result (N, O, H', W') or (O, H', W').
    Raises: TypeError if an array is not floating point; ValueError if shapes do not fit, a number
    is out of range, or no window fits.
    """
    biased = None if bias is None else tuple(_real(bias, "bias").shape)
    plan = shapes.convolution(
        tuple(_real(input).shape), tuple(_real(weight, "weight").shape), biased,
        stride, padding, dilation, groups,
    )  # fmt: skip
    x, out = _wide(_batch(input)), weight.shape[0]
    windows = _windows(_padded(x, plan.padding), plan)
    windows = windows.unflatten(1, (groups, x.shape[1] // groups))
    kernels = _wide(weight).unflatten(0, (groups, out // groups))
    result = torch.einsum("ngcyxhw,gochw->ngoyx", windows, kernels)
    result = result.reshape(-1, out, *plan.out)
    if bias is not None:
        result = result + _wide(bias)[:, None, None]
    return result.reshape(*input.shape[:-3], out, *plan.out).to(input.dtype)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int | str = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """The same along one side; fused: `F.conv1d`.

    Shapes: input (N, C, L) or (C, L); weight (O, C / groups, k); bias (O,) or None; result
    (N, O, L') or (O, L').
    Raises: TypeError if an array is not floating point; ValueError if shapes do not fit, a number
    is out of range, or no window fits.
    """
    if _real(input).ndim not in (2, 3):
        raise ValueError(f"input: expected shape (N, C, L) or (C, L), got {tuple(input.shape)}")
    if _real(weight, "weight").ndim != 3:
        got = tuple(weight.shape)
        raise ValueError(f"weight: expected shape (out, in / groups, k), got {got}")
    if not isinstance(padding, str):
        padding = (0, *shapes.whole(padding, "padding", 0, 1))
    strides = (1, *shapes.whole(stride, "stride", 1, 1))
    dilations = (1, *shapes.whole(dilation, "dilation", 1, 1))
    picture, kernel = input[..., None, :], weight[:, :, None]
    return conv2d(picture, kernel, bias, strides, padding, dilations, groups)[..., 0, :]


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sides = 1,
    padding: Sides = 0,
    output_padding: Sides = 0,
    groups: int = 1,
    dilation: Sides = 1,
) -> Tensor:
    """Each number paints a kernel, and what overlaps adds up; fused: `F.conv_transpose2d`.

    Shapes: input (N, C, H, W) or (C, H, W); weight (C, O / groups, kH, kW); bias (O,) or None;
    result (N, O, H', W') or (O, H', W').
    Raises: TypeError if an array is not floating point; ValueError if shapes do not fit or a
    number is out of range.
    """
    biased = None if bias is None else tuple(_real(bias, "bias").shape)
    plan, sides = shapes.transposed(
        tuple(_real(input).shape), tuple(_real(weight, "weight").shape), biased,
        stride, padding, output_padding, groups, dilation,
    )  # fmt: skip
    x, out = _wide(_batch(input)), weight.shape[1] * groups
    grouped = x.unflatten(1, (groups, x.shape[1] // groups))
    kernels = _wide(weight).unflatten(0, (groups, x.shape[1] // groups))
    painted = torch.einsum("ngcyx,gcohw->ngohwyx", grouped, kernels)
    painted = painted.reshape(len(x), out, *plan.kernel, *plan.out)
    (top, bottom), (left, right) = plan.padding
    canvas = x.new_zeros((len(x), out, top + sides[0] + bottom, left + sides[1] + right))
    (down, across), (skip, jump), (rows, columns) = plan.stride, plan.dilation, plan.out
    for i, j in product(*map(range, plan.kernel)):
        y, z = i * skip, j * jump
        places = canvas[:, :, y : y + down * rows : down, z : z + across * columns : across]
        places += painted[:, :, i, j]
    result = canvas[:, :, top : top + sides[0], left : left + sides[1]]
    if bias is not None:
        result = result + _wide(bias)[:, None, None]
    return result.reshape(*input.shape[:-3], out, *sides).to(input.dtype)


def unfold(
    input: Tensor,
    kernel_size: Sides,
    dilation: Sides = 1,
    padding: Sides = 0,
    stride: Sides = 1,
) -> Tensor:
    """Each window as a column of a matrix; fused: `F.unfold`.

    Shapes: input (N, C, H, W) or (C, H, W); result (N, C · kH · kW, L) or (C · kH · kW, L).
    Raises: TypeError if input is not floating point; ValueError if its shape does not fit, a
    number is out of range, or no window fits.
    """
    shapes.check_picture(tuple(_real(input).shape))
    padding = shapes.whole(padding, "padding", 0)
    plan = shapes.plan(tuple(input.shape[-2:]), kernel_size, stride, padding, dilation)
    x = _batch(input)
    windows = _windows(_padded(_wide(x), plan.padding), plan).permute(0, 1, 4, 5, 2, 3)
    rows, places = x.shape[1] * math.prod(plan.kernel), math.prod(plan.out)
    return windows.reshape(*input.shape[:-3], rows, places).to(input.dtype)


# --- pooling


def _pooled(
    input: Tensor,
    kernel_size: Sides,
    stride: Sides | None,
    padding: Sides,
    dilation: Sides = 1,
    ceil_mode: bool = False,
) -> shapes.Plan:
    sizes = tuple(_real(input).shape)
    return shapes.pooling(sizes, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    input: Tensor,
    kernel_size: Sides,
    stride: Sides | None = None,
    padding: Sides = 0,
    dilation: Sides = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest number of each window; among equals the first gets the gradient; fused:
    `F.max_pool2d`.

    Shapes: input (N, C, H, W) or (C, H, W); result with the sides that `conv_output_size` says,
    or one more with ceil_mode.
    Raises: TypeError if input is not floating point; ValueError if its shape does not fit, a
    number is out of range, or no window fits.
    """
    plan = _pooled(input, kernel_size, stride, padding, dilation, ceil_mode)
    windows = _windows(_padded(_wide(_batch(input)), plan.padding, -math.inf), plan).flatten(4)
    first = windows.argmax(-1, keepdim=True)
    best = windows.gather(-1, first)
    return best.reshape(*input.shape[:-2], *plan.out).to(input.dtype)


def min_pool2d(
    input: Tensor,
    kernel_size: Sides,
    stride: Sides | None = None,
    padding: Sides = 0,
    dilation: Sides = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The smallest number of each window: with the fused operation, `-F.max_pool2d(-input)`.

    Shapes: input (N, C, H, W) or (C, H, W); result with the sides that `conv_output_size` says,
    or one more with ceil_mode.
    Raises: TypeError if input is not floating point; ValueError if its shape does not fit, a
    number is out of range, or no window fits.
    """
    return -max_pool2d(-_real(input), kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool2d(
    input: Tensor,
    kernel_size: Sides,
    stride: Sides | None = None,
    padding: Sides = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window; fused: `F.avg_pool2d`.

    Shapes: input (N, C, H, W) or (C, H, W); result with the sides that `conv_output_size` says,
    or one more with ceil_mode.
    Raises: TypeError if input is not floating point; ValueError if its shape does not fit, a
    number is out of range, or no window fits.
    """
    plan = _pooled(input, kernel_size, stride, padding, ceil_mode=ceil_mode)
    sums = _windows(_padded(_wide(_batch(input)), plan.padding), plan).sum((4, 5))
    if divisor_override is None:
        down, across = (
            sums.new_tensor(
                shapes.window_counts(
                    input.shape[axis - 2], plan.kernel[axis], plan.stride[axis],
                    plan.padding[axis][0], plan.out[axis], count_include_pad,
                )
            )
            for axis in (0, 1)
        )  # fmt: skip
        counts = down[:, None] * across
    else:
        (counts,) = shapes.whole(divisor_override, "divisor_override", 1, 1)
    return (sums / counts).reshape(*input.shape[:-2], *plan.out).to(input.dtype)


# --- sizes and costs


def conv_output_size(
    size: int | tuple[int, ...],
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] | str = 0,
    dilation: int | tuple[int, ...] = 1,
) -> int | tuple[int, ...]:
    """How long a side of the result is; `nn.Conv2d` has the formula in its documentation.

    Shapes: size a whole number, or a tuple with one for each side; result as size.
    Raises: ValueError if a number is not whole or out of range, or if no window fits.
    """
    sides = size if isinstance(size, tuple) else (size,)
    sides = shapes.whole(sides, "size", 0, len(sides))
    out = shapes.plan(sides, kernel_size, stride, padding, dilation).out
    return out if isinstance(size, tuple) else out[0]


def conv_flops(
    size: int | tuple[int, ...],
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] | str = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> int:
    """How many multiply-adds one picture costs; `torch.utils.flop_counter` counts two for each.

    Shapes: size a tuple with a whole number for each side, or one number; result a whole number.
    Raises: ValueError if a number is not whole or out of range, groups do not divide the
    channels, or no window fits.
    """
    channels = shapes.whole((in_channels, out_channels), "in_channels and out_channels", 1)
    groups = shapes.check_groups(groups)
    if any(count % groups for count in channels):
        raise ValueError(f"groups: expected a divisor of the channels {channels}, got {groups}")
    sides = size if isinstance(size, tuple) else (size,)
    sides = shapes.whole(sides, "size", 0, len(sides))
    plan = shapes.plan(sides, kernel_size, stride, padding, dilation)
    per_output = channels[0] // groups * math.prod(plan.kernel)
    return channels[1] * math.prod(plan.out) * per_output


# --- networks


def _start(network: nn.Module, generator: int | np.random.Generator | None) -> None:
    """The weights that PyTorch's layers start with, drawn from a generator if there is one.

    All are even between plus and minus 1 / sqrt(fan_in); the same seed starts the NumPy network.
    """
    if generator is None:
        return
    rng = np.random.default_rng(generator)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            with torch.no_grad():
                layer.weight.copy_(kaiming_uniform(layer.weight, a=math.sqrt(5), generator=rng))
                if layer.bias is not None:
                    bound = 1.0 / math.sqrt(layer.weight[0].numel())
                    layer.bias.copy_(torch.from_numpy(rng.uniform(-bound, bound, len(layer.bias))))


class LeNet5(nn.Module):
    """LeNet-5, for a picture of 32 x 32: 61,706 parameters.

    Shapes: called with (N, in_channels, 32, 32), returns (N, num_classes).
    Raises: ValueError if a number of channels or classes is not positive.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10, generator=None):
        super().__init__()
        shapes.whole((in_channels, num_classes), "in_channels and num_classes", 1)
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5), nn.Tanh(), nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
            nn.Conv2d(16, 120, 5), nn.Tanh(), nn.Flatten(),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, num_classes))
        _start(self, generator)

    def forward(self, input: Tensor) -> Tensor:
        return self.classifier(self.features(input))


class ResidualBlock(nn.Module):
    """Two convolutions of 3 x 3 with batch norm, and a way around them; torchvision: `BasicBlock`.

    Shapes: called with (N, in_channels, H, W), returns (N, out_channels, H', W'), the sides
    divided by stride and rounded up.
    Raises: ValueError if a number of channels or the stride is not positive.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, generator=None):
        super().__init__()
        shapes.whole((in_channels, out_channels), "in_channels and out_channels", 1)
        shapes.whole(stride, "stride", 1)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        _start(self, generator)

    def forward(self, input: Tensor) -> Tensor:
        shortcut = input if self.downsample is None else self.downsample(input)
        hidden = relu(self.bn1(self.conv1(input)))
        return relu(self.bn2(self.conv2(hidden)) + shortcut)


class ResNet(nn.Module):
    """A residual network for small pictures: 6 · blocks + 2 layers, ResNet-20 with 3 blocks.

    Shapes: called with (N, in_channels, H, W), returns (N, num_classes).
    Raises: ValueError if one of the numbers is not positive.
    """

    def __init__(
        self,
        blocks: int = 3,
        in_channels: int = 3,
        num_classes: int = 10,
        width: int = 16,
        generator=None,
    ):
        super().__init__()
        named = "blocks, in_channels, num_classes and width"
        shapes.whole((blocks, in_channels, num_classes, width), named, 1, 4)
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(blocks, width, width, 1)
        self.layer2 = _stage(blocks, width, 2 * width, 2)
        self.layer3 = _stage(blocks, 2 * width, 4 * width, 2)
        self.fc = nn.Linear(4 * width, num_classes)
        _start(self, generator)

    def forward(self, input: Tensor) -> Tensor:
        x = relu(self.bn1(self.conv1(input)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))  # average over all places


def _stage(blocks: int, in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    rest = [ResidualBlock(out_channels, out_channels) for _ in range(blocks - 1)]
    return nn.Sequential(ResidualBlock(in_channels, out_channels, stride), *rest)


class Inception(nn.Module):
    """Kernels of several sizes side by side, their maps stacked; torchvision has it with batch
    norm, and with 3 x 3 in the place of 5 x 5.

    Shapes: called with (N, in_channels, H, W), returns (N, ch1x1 + ch3x3 + ch5x5 + pool_proj,
    H, W).
    Raises: ValueError if a number of channels is not positive.
    """

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
        generator=None,
    ):
        super().__init__()
        counts = (in_channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj)
        shapes.whole(counts, "channels", 1, 7)
        self.branch1 = _conv_relu(in_channels, ch1x1, 1)
        self.branch2 = nn.Sequential(
            *_conv_relu(in_channels, ch3x3red, 1), *_conv_relu(ch3x3red, ch3x3, 3)
        )
        self.branch3 = nn.Sequential(
            *_conv_relu(in_channels, ch5x5red, 1), *_conv_relu(ch5x5red, ch5x5, 5)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), *_conv_relu(in_channels, pool_proj, 1)
        )
        _start(self, generator)

    def forward(self, input: Tensor) -> Tensor:
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(input) for branch in branches], dim=1)


def _conv_relu(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    """The sides stay as they are."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2), nn.ReLU()
    )


class PilotNet(nn.Module):
    """The self-driving network, camera to steering: 252,219 parameters.

    Shapes: called with (N, 3, 66, 200), the colors from 0 to 255; returns (N, 1).
    Raises: ValueError if dropout is not a probability.
    """

    def __init__(self, dropout: float = 0.5, generator=None):
        super().__init__()
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout: expected a probability from 0 to 1, got {dropout}")
        self.features = nn.Sequential(
            nn.Conv2d(3, 24, 5, stride=2), nn.ELU(),
            nn.Conv2d(24, 36, 5, stride=2), nn.ELU(),
            nn.Conv2d(36, 48, 5, stride=2), nn.ELU(),
            nn.Conv2d(48, 64, 3), nn.ELU(),
            nn.Conv2d(64, 64, 3), nn.ELU(),
            nn.Dropout(dropout), nn.Flatten(),
        )  # fmt: skip
        self.regressor = nn.Sequential(
            nn.Linear(1152, 100), nn.ELU(), nn.Linear(100, 50), nn.ELU(),
            nn.Linear(50, 10), nn.ELU(), nn.Linear(10, 1),
        )  # fmt: skip
        _start(self, generator)

    def forward(self, input: Tensor) -> Tensor:
        return self.regressor(self.features(input / 127.5 - 1.0))
