"""Sample inputs for the convolution chapter: parity, gradient checks and timings draw from here."""

import math

import numpy as np
import torch

from book.op import Case, Op

_COMPLEX = np.ones((1, 2, 4, 4)) * 1j
_TIE = 1.0  # the value of all equal numbers: where one of them is moved, a maximum bends


def _kernel(rng, *shape):
    """A weight whose sums stay about as large as what they sum."""
    return rng.normal(size=shape) / np.sqrt(max(math.prod(shape[1:]), 1))


# --- convolution


def _conv_sample(rng, shape):
    """Kernels of 3 x 3 that keep the sides; twice as many maps as channels."""
    channels = shape[1]
    weight, bias = _kernel(rng, 2 * channels, channels, 3, 3), rng.normal(size=2 * channels)
    return Case("ordinary", (rng.normal(size=shape), weight, bias), {"padding": 1})


def _conv_cases(rng):
    yield _conv_sample(rng, (2, 3, 5, 4))
    x, w, b = rng.normal(size=(2, 4, 7, 6)) / 2, _kernel(rng, 6, 4, 3, 3), rng.normal(size=6)
    for padding in ("same", "valid", 0, 2, (2, 0)):
        yield Case(f"padding {padding}", (x, w, b), {"padding": padding})
    for stride in (2, 3, (1, 2)):
        yield Case(f"stride {stride}", (x, w, b), {"stride": stride})
        yield Case(f"stride {stride}, padding", (x, w, b), {"stride": stride, "padding": 1})
    for dilation in (2, (3, 1)):
        yield Case(f"dilation {dilation}", (x, w, b), {"dilation": dilation})
    yield Case("dilation, same", (x, w, b), {"dilation": 2, "padding": "same"})
    mixed = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}
    yield Case("stride, padding and dilation", (x, w, b), mixed)
    yield Case("no bias", (x, w))
    yield Case("two groups", (x, _kernel(rng, 6, 2, 3, 3), b), {"groups": 2})
    yield Case("depthwise", (x, _kernel(rng, 8, 1, 3, 3), rng.normal(size=8)), {"groups": 4})
    mixed = {"groups": 2, "stride": 2, "padding": 1}
    yield Case("groups and stride", (x, _kernel(rng, 2, 2, 3, 3)), mixed)
    yield Case("1 x 1", (x, _kernel(rng, 5, 4, 1, 1), rng.normal(size=5)))
    yield Case("an even kernel, same", (x, _kernel(rng, 2, 4, 2, 4)), {"padding": "same"})
    yield Case("a flat kernel", (x, _kernel(rng, 2, 4, 1, 3)), {"padding": (0, 1)})
    yield Case("as large as the picture", (x, _kernel(rng, 2, 4, 7, 6)))
    yield Case("one picture", (x[0], w, b))
    yield Case("empty batch", (np.zeros((0, 4, 5, 5)), w, b))
    yield Case("large magnitude", (1e2 * x[:1, :, :3, :4], w, b))  # few terms cancel little
    yield Case("not contiguous", (rng.normal(size=(2, 4, 14, 5))[:, :, ::2], w, b))
    yield Case("channels last", (rng.normal(size=(2, 5, 5, 4)).transpose(0, 3, 1, 2), w, b))
    yield Case("whole numbers", (np.ones((1, 4, 4, 4)), np.ones((2, 4, 3, 3))))
    yield from _conv_bad(w, b)


def _conv_bad(w, b):
    x = np.ones((2, 4, 7, 6))

    def bad(name, *args, error=ValueError, **kwargs):
        return Case(name, args, kwargs, raises=error)

    yield bad("complex numbers", x * 1j, w, b, error=TypeError)
    yield bad("complex kernel", x, w * 1j, b, error=TypeError)
    yield bad("complex bias", x, w, b * 1j, error=TypeError)
    yield bad("a matrix", x[0, 0], w)
    yield bad("five dimensions", x[None], w)
    yield bad("no channels", np.ones((2, 0, 7, 6)), np.ones((2, 0, 3, 3)))
    yield bad("channels that do not fit", x[:, :3], w)
    yield bad("a kernel of three dimensions", x, w[0])
    yield bad("no kernels", x, w[:0])
    yield bad("a bias too few", x, w, b[:1])
    yield bad("groups that do not divide the channels", x, w, groups=3)
    yield bad("groups that do not divide the kernels", x, np.ones((3, 2, 3, 3)), groups=2)
    yield bad("no groups", x, w, groups=0)
    yield bad("stride 0", x, w, stride=0)
    yield bad("half a stride", x, w, stride=1.5)
    yield bad("three strides", x, w, stride=(1, 1, 1))
    yield bad("true for a stride", x, w, stride=True)
    yield bad("negative padding", x, w, padding=-1)
    yield bad("same with a stride", x, w, padding="same", stride=2)
    yield bad("another word", x, w, padding="full")
    yield bad("dilation 0", x, w, dilation=0)
    yield bad("a kernel larger than the picture", x, np.ones((1, 4, 8, 3)))
    yield bad("a dilated kernel larger than the picture", x, w, dilation=4)
    yield bad("a kernel without rows", x, np.ones((1, 4, 0, 3)))
    yield bad("an empty picture", x[:, :, :0], w)


def _correlate_scipy(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """scipy.signal.correlate, a channel and a kernel at a time; zeros dilate the kernel."""
    from scipy.signal import correlate

    def pair(value):
        return value if isinstance(value, tuple) else (value, value)

    (down, across), (skip, jump) = pair(stride), pair(dilation)
    high, wide = (d * (k - 1) for k, d in zip(weight.shape[2:], (skip, jump), strict=True))
    large = np.zeros((*weight.shape[:2], high + 1, wide + 1))
    large[:, :, ::skip, ::jump] = weight
    ends = [(0, 0), (0, 0)]
    if padding == "same":
        ends = [(high // 2, high - high // 2), (wide // 2, wide - wide // 2)]
    elif padding != "valid":
        ends = [(p, p) for p in pair(padding)]
    padded = np.pad(input, [(0, 0)] * (input.ndim - 2) + ends)
    pictures = padded if input.ndim == 4 else padded[None]
    per_group, out = weight.shape[1], weight.shape[0]
    sides = [n - side + 1 for n, side in zip(padded.shape[-2:], large.shape[2:], strict=True)]
    result = np.zeros((len(pictures), out, *sides))
    for n, picture in enumerate(pictures):
        for o in range(out):
            first = o // (out // groups) * per_group
            for c in range(per_group):
                found = correlate(picture[first + c], large[o, c], mode="valid", method="direct")
                result[n, o] += found
    result = result[:, :, ::down, ::across] + (0 if bias is None else bias[:, None, None])
    return result if input.ndim == 4 else result[0]


def _conv1d_sample(rng, shape):
    channels = shape[1]
    weight, bias = _kernel(rng, 2 * channels, channels, 3), rng.normal(size=2 * channels)
    signal = rng.normal(size=(shape[0], channels, math.prod(shape[2:])))
    return Case("ordinary", (signal, weight, bias), {"padding": 1})


def _conv1d_cases(rng):
    yield _conv1d_sample(rng, (2, 3, 6))
    x, w, b = rng.normal(size=(2, 4, 9)), _kernel(rng, 6, 4, 3), rng.normal(size=6)
    for padding in ("same", "valid", 2, (1,)):
        yield Case(f"padding {padding}", (x, w, b), {"padding": padding})
    yield Case("stride", (x, w, b), {"stride": 2})
    yield Case("dilation", (x, w, b), {"dilation": 3})
    yield Case("an even kernel, same", (x, _kernel(rng, 2, 4, 4)), {"padding": "same"})
    mixed = {"stride": 2, "padding": 3, "dilation": 2, "groups": 2}
    yield Case("all of it", (x, _kernel(rng, 6, 2, 3), b), mixed)
    yield Case("no bias", (x, w))
    yield Case("one signal", (x[0], w, b))
    yield Case("empty batch", (np.zeros((0, 4, 5)), w, b))
    yield Case("not contiguous", (rng.normal(size=(2, 9, 4)).transpose(0, 2, 1), w, b))
    yield Case("large magnitude", (1e2 * x, w, b))
    yield Case("complex numbers", (x * 1j, w, b), raises=TypeError)
    yield Case("complex kernel", (x, w * 1j, b), raises=TypeError)
    yield Case("a vector", (x[0, 0], w), raises=ValueError)
    yield Case("a kernel for pictures", (x, w[None]), raises=ValueError)
    yield Case("channels that do not fit", (x[:, :2], w), raises=ValueError)
    yield Case("a bias too few", (x, w, b[:2]), raises=ValueError)
    yield Case("two strides", (x, w), {"stride": (1, 2)}, raises=ValueError)
    yield Case("negative padding", (x, w), {"padding": -1}, raises=ValueError)
    yield Case("dilation 0", (x, w), {"dilation": 0}, raises=ValueError)
    yield Case("a kernel too long", (x[..., :2], w), raises=ValueError)


def _correlate1d_scipy(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    def across(value, rest):
        if isinstance(value, str):
            return value
        return (rest, *(value if isinstance(value, tuple) else (value,)))

    return _correlate_scipy(
        input[..., None, :], weight[:, :, None], bias,
        across(stride, 1), across(padding, 0), across(dilation, 1), groups,
    )[..., 0, :]  # fmt: skip


def _transpose_sample(rng, shape):
    channels = shape[1]
    weight, bias = _kernel(rng, channels, 2, 3, 3), rng.normal(size=2)
    return Case("ordinary", (rng.normal(size=shape), weight, bias), {"stride": 2})


def _transpose_cases(rng):
    yield _transpose_sample(rng, (2, 3, 4, 3))
    x, w, b = rng.normal(size=(2, 4, 4, 3)), _kernel(rng, 4, 3, 3, 2), rng.normal(size=3)
    for stride in (1, 2, (3, 1)):
        yield Case(f"stride {stride}", (x, w, b), {"stride": stride})
        yield Case(f"stride {stride}, padding", (x, w, b), {"stride": stride, "padding": 1})
    yield Case("output padding", (x, w, b), {"stride": 3, "output_padding": (2, 1)})
    yield Case("dilation", (x, w, b), {"dilation": (2, 3)})
    mixed = {"stride": 2, "padding": (2, 1), "output_padding": 1, "dilation": 3}
    yield Case("all of it", (x, w, b), mixed)
    yield Case("no bias", (x, w))
    yield Case("groups", (x, w, rng.normal(size=6)), {"groups": 2, "stride": 2})
    yield Case("a stride past the kernel", (x, w, b), {"stride": 4})
    yield Case("one picture", (x[0], w, b), {"stride": 2})
    yield Case("empty batch", (np.zeros((0, 4, 2, 2)), w, b))
    yield Case("large magnitude", (1e2 * x[:1, :, :1, :2], w, b))
    yield Case("channels last", (rng.normal(size=(2, 3, 3, 4)).transpose(0, 3, 1, 2), w, b))

    def bad(name, *args, error=ValueError, **kwargs):
        return Case(name, args, kwargs, raises=error)

    yield bad("complex numbers", x * 1j, w, error=TypeError)
    yield bad("complex kernel", x, w * 1j, error=TypeError)
    yield bad("a matrix", x[0, 0], w)
    yield bad("channels that do not fit", x[:, :3], w)
    yield bad("a bias too many", x, w, np.ones(4))
    yield bad("groups that do not divide", x, w, groups=3)
    yield bad("stride 0", x, w, stride=0)
    yield bad("a word for padding", x, w, padding="same")
    yield bad("output padding as large as the stride", x, w, stride=2, output_padding=2)
    yield bad("nothing left", x, w, padding=4)
    yield bad("an empty picture", x[:, :, :0], w)
    yield bad("a kernel without rows", x, w[:, :, :0])


def _unfold_sample(rng, shape):
    return Case("ordinary", (rng.normal(size=shape), 3), {"padding": 1})


def _unfold_cases(rng):
    yield _unfold_sample(rng, (2, 3, 4, 5))
    x = rng.normal(size=(2, 3, 7, 6))
    yield Case("no options", (x, 2))
    yield Case("a flat window", (x, (1, 3)))
    yield Case("stride", (x, 2), {"stride": 2})
    yield Case("two strides", (x, (3, 2)), {"stride": (2, 1)})
    yield Case("dilation", (x, 2), {"dilation": (3, 2)})
    yield Case("all of it", (x, (2, 3), (2, 1), (1, 2), (2, 3)))
    yield Case("one picture", (x[0], 2))
    yield Case("large magnitude", (1e3 * x, 2))
    yield Case("channels last", (rng.normal(size=(2, 4, 4, 3)).transpose(0, 3, 1, 2), 3))
    yield Case("complex numbers", (_COMPLEX, 2), raises=TypeError)
    yield Case("a matrix", (x[0, 0], 2), raises=ValueError)
    yield Case("no channels", (x[:, :0], 2), raises=ValueError)
    yield Case("a window of 0", (x, 0), raises=ValueError)
    yield Case("a window too large", (x, 8), raises=ValueError)
    yield Case("stride 0", (x, 2), {"stride": 0}, raises=ValueError)
    yield Case("a word for padding", (x, 2), {"padding": "same"}, raises=ValueError)


def _unfold_torch(input, *args, **kwargs):
    """F.unfold, which refuses an empty batch."""
    from torch.nn.functional import unfold

    if input.ndim == 4 and len(input) == 0:
        return unfold(input.new_zeros((1, *input.shape[1:])), *args, **kwargs)[:0] + input.sum()
    return unfold(input, *args, **kwargs)


# --- pooling


def _ladder(rng, shape):
    """Numbers of which no two are alike, in bfloat16 either: a winner always wins."""
    return rng.permutation(np.linspace(-2.0, 2.0, math.prod(shape))).reshape(shape)


def _pool_sample(rng, shape):
    return Case("ordinary", (rng.normal(size=shape), tuple(min(2, n) for n in shape[2:])))


def _pool_cases(rng):
    yield _pool_sample(rng, (2, 3, 5, 4))
    x = _ladder(rng, (1, 2, 7, 6))
    yield Case("windows of 3", (x, 3))
    yield Case("a flat window", (x, (1, 3)))
    yield Case("overlapping", (x, 3, 1))
    yield Case("overlapping, stride 2", (x, 3), {"stride": 2})
    yield Case("gaps", (x, 2), {"stride": (3, 4)})
    yield Case("padding", (x, 3), {"padding": 1})
    yield Case("padding and stride", (x, (3, 2)), {"stride": 2, "padding": (1, 0)})
    for name, options in (
        ("ceil", {}), ("ceil, padding", {"padding": 1}), ("ceil, gaps", {"stride": 4}),
        ("ceil, overlapping", {"stride": 2}), ("ceil, stride and padding",
                                              {"stride": (2, 3), "padding": 1}),
    ):  # fmt: skip
        yield Case(name, (x, 3), {**options, "ceil_mode": True})
    yield Case("windows of 1", (x, 1))
    yield Case("one window", (x, (7, 6)))
    yield Case("one picture", (x[0], 2))
    yield Case("large magnitude", (1e3 * x, 2))
    yield Case("channels last", (_ladder(rng, (2, 4, 4, 3)).transpose(0, 3, 1, 2), 2))
    yield Case("complex numbers", (_COMPLEX, 2), raises=TypeError)
    yield Case("a matrix", (x[0, 0], 2), raises=ValueError)
    yield Case("no channels", (x[:, :0], 2), raises=ValueError)
    yield Case("a window of 0", (x, 0), raises=ValueError)
    yield Case("a window too large", (x, 8), raises=ValueError)
    yield Case("a window of three sides", (x, (2, 2, 2)), raises=ValueError)
    yield Case("stride 0", (x, 2), {"stride": 0}, raises=ValueError)
    yield Case("more padding than half", (x, 2), {"padding": 2}, raises=ValueError)
    yield Case("an empty picture", (x[:, :, :0], 2), raises=ValueError)


def _extreme_cases(rng):
    yield from _pool_cases(rng)
    x = _ladder(rng, (1, 2, 7, 6))
    yield Case("dilation", (x, (2, 3)), {"dilation": (3, 2), "stride": 1})
    mixed = {"stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True}
    yield Case("all of it", (x, (3, 2)), mixed)
    yield Case("all equal", (np.full((1, 2, 4, 4), _TIE), 2))
    yield Case("all equal, overlapping", (np.full((1, 1, 4, 5), _TIE), 3, 1))
    ties = rng.choice([_TIE, -9.0, 9.0], size=(1, 2, 4, 6))
    yield Case("equal winners", (np.where(np.abs(ties) > _TIE, _ladder(rng, ties.shape), ties), 2))
    yield Case("dilation 0", (x, 2), {"dilation": 0}, raises=ValueError)


def _average_cases(rng):
    for case in _pool_cases(rng):
        yield case
        if not case.raises and ("padding" in case.name or "ceil" in case.name):
            options = {**case.kwargs, "count_include_pad": False}
            yield Case(f"{case.name}, not counted", case.args, options)
    x = rng.normal(size=(1, 2, 7, 6))
    yield Case("another divisor", (x, 2), {"divisor_override": 3})
    yield Case("empty batch", (np.zeros((0, 2, 4, 4)), 2))
    yield Case("divisor 0", (x, 2), {"divisor_override": 0}, raises=ValueError)


def _min_pool_torch(input, *args, **kwargs):
    from torch.nn.functional import max_pool2d

    return -max_pool2d(-input, *args, **kwargs)


# --- sizes and costs


def _size_sample(rng, shape):
    sides = tuple(int(side) for side in rng.integers(5, 40, size=max(len(shape), 1)))
    numbers = {name: int(rng.integers(1, 4)) for name in ("stride", "dilation")}
    return Case("ordinary", (sides[:3], 3), {**numbers, "padding": int(rng.integers(0, 3))})


def _sizes(rng):
    yield _size_sample(rng, (1, 1))
    for n in (3, 7, 28, 224):
        yield Case(f"{n}", (n, 3))
        yield Case(f"{n}, stride 2", (n, 3), {"stride": 2, "padding": 1})
    yield Case("same", (28, 4), {"padding": "same", "dilation": 2})
    yield Case("valid", ((66, 200), 5), {"padding": "valid", "stride": 2})
    yield Case("sides of their own", ((9, 12), (3, 1)), {"padding": (1, 0), "stride": (2, 3)})
    yield Case("a volume", ((8, 9, 10), 3), {"dilation": 2})
    yield Case("half a side", (7.5, 3), raises=ValueError)
    yield Case("a negative side", (-1, 3), raises=ValueError)
    yield Case("a kernel too large", (2, 3), raises=ValueError)
    yield Case("stride 0", (7, 3), {"stride": 0}, raises=ValueError)
    yield Case("same with a stride", (7, 3), {"padding": "same", "stride": 2}, raises=ValueError)
    yield Case("two strides for a side", (7, 3), {"stride": (1, 2)}, raises=ValueError)


def _all_sides(value, n):
    return tuple(value) if isinstance(value, tuple | list) else (value,) * n


def _meta_conv(size, kernel_size, stride=1, padding=0, dilation=1, channels=(1, 1), groups=1):
    """The shapes that a convolution in PyTorch gives, without computing it."""
    from torch.nn import functional as F

    sides = _all_sides(size, 1)
    n = len(sides)
    conv = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[n]
    inside, outside = channels
    with torch.device("meta"):
        x = torch.empty(1, inside, *sides)
        weight = torch.empty(outside, inside // groups, *_all_sides(kernel_size, n))
        return conv(x, weight, None, stride, padding, dilation, groups), x, weight


def _conv_output_size_torch(size, *args, **kwargs):
    out = tuple(_meta_conv(size, *args, **kwargs)[0].shape[2:])
    return out if isinstance(size, tuple) else out[0]


def _flops_sample(rng, shape):
    sides = tuple(int(side) for side in rng.integers(5, 40, size=2))
    inside, outside = (int(count) for count in rng.integers(1, 9, size=2))
    return Case("ordinary", (sides, inside, outside, 3), {"padding": int(rng.integers(0, 3))})


def _flops_cases(rng):
    yield _flops_sample(rng, ())
    yield Case("5 x 5 on 192 channels", ((28, 28), 192, 32, 5), {"padding": "same"})
    yield Case("1 x 1", ((28, 28), 192, 16, 1))
    yield Case("stride and dilation", ((28, 30), 3, 8, (3, 5)), {"stride": 2, "dilation": (2, 1)})
    yield Case("depthwise", ((8, 8), 6, 6, 3), {"groups": 6})
    yield Case("a signal", (100, 4, 8, 9), {"stride": 4})
    yield Case("no channels", ((8, 8), 0, 6, 3), raises=ValueError)
    yield Case("half a channel", ((8, 8), 1.5, 6, 3), raises=ValueError)
    yield Case("groups that do not divide", ((8, 8), 6, 4, 3), {"groups": 3}, raises=ValueError)
    yield Case("a kernel too large", ((2, 8), 6, 4, 3), raises=ValueError)


def _conv_flop_count_torch(size, in_channels, out_channels, *args, groups=1, **kwargs):
    """torch.utils.flop_counter, which counts a multiplication and an addition as two."""
    from torch.utils.flop_counter import conv_flop_count

    channels = (in_channels, out_channels)
    out, x, weight = _meta_conv(size, *args, channels=channels, groups=groups, **kwargs)
    return conv_flop_count(list(x.shape), list(weight.shape), list(out.shape)) // 2


_F = "torch.nn.functional"

OPS = [
    Op("conv2d", _conv_sample, _conv_cases, (f"{_F}.conv2d",), (_correlate_scipy,),
       min_ndim=4, bench_shape=(8, 64, 16, 16)),
    Op("conv1d", _conv1d_sample, _conv1d_cases, (f"{_F}.conv1d",), (_correlate1d_scipy,),
       min_ndim=3),
    Op("conv_transpose2d", _transpose_sample, _transpose_cases, (f"{_F}.conv_transpose2d",),
       min_ndim=4, bench_shape=(16, 16, 16, 16)),
    Op("max_pool2d", _pool_sample, _extreme_cases, (f"{_F}.max_pool2d",),
       min_ndim=4, kinks=(_TIE,), bench_shape=(16, 16, 64, 64)),
    Op("avg_pool2d", _pool_sample, _average_cases, (f"{_F}.avg_pool2d",),
       min_ndim=4, bench_shape=(16, 16, 64, 64)),
    Op("min_pool2d", _pool_sample, _extreme_cases, (_min_pool_torch,), min_ndim=4, kinks=(_TIE,)),
    Op("conv_output_size", _size_sample, _sizes, (_conv_output_size_torch,)),
    Op("conv_flops", _flops_sample, _flops_cases, (_conv_flop_count_torch,)),
    Op("unfold", _unfold_sample, _unfold_cases, (_unfold_torch,), min_ndim=4),
]  # fmt: skip
