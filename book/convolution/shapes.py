"""The whole numbers of a convolution: what both implementations check and count alike.

A picture has two sides and a signal one; a number that is given once holds for each side.
"""

from __future__ import annotations

from operator import index
from typing import NamedTuple


class Plan(NamedTuple):
    """Where a window stands and how often: a pair (down, across) of each."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]  # (before, after) of each side
    dilation: tuple[int, ...]
    out: tuple[int, ...]  # sides of the result


def whole(value, name: str, least: int, sides: int = 2) -> tuple[int, ...]:
    """One whole number for each side, from a number or a sequence of them."""
    values = value if isinstance(value, tuple | list) else (value,) * sides
    try:
        found = tuple(index(number) for number in values)
    except TypeError:
        found = ()
    flags = any(isinstance(number, bool) for number in values)
    if flags or len(found) != sides or min(found, default=least) < least:
        many = "a whole number" if sides == 1 else f"a whole number or {sides} of them"
        raise ValueError(f"{name}: expected {many}, at least {least}, got {value!r}")
    return found


def paddings(padding, kernel, stride, dilation) -> tuple[tuple[int, int], ...]:
    """How many zeros go (before, after) each side; 'same' puts an odd one behind."""
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        if any(step != 1 for step in stride):
            raise ValueError(f"padding: expected stride 1 for 'same', got stride {stride}")
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((t // 2, t - t // 2) for t in total)
    if isinstance(padding, str):
        raise ValueError(f"padding: expected numbers, 'same' or 'valid', got {padding!r}")
    return tuple((p, p) for p in whole(padding, "padding", 0, len(kernel)))


def output_sizes(sizes, kernel, stride, padding, dilation) -> tuple[int, ...]:
    """floor((N + P - D (K - 1) - 1) / S) + 1 for each side, P the padding on both ends."""
    found = []
    for n, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True):
        room = n + sum(p) - d * (k - 1) - 1
        if room < 0:
            raise ValueError(
                f"kernel_size: expected a window that fits into the padded side {n + sum(p)}, "
                f"got one of {d * (k - 1) + 1}"
            )
        found.append(room // s + 1)
    return tuple(found)


def plan(sizes, kernel, stride=1, padding=0, dilation=1) -> Plan:
    """All of it for a picture of these sides, or a ValueError that says what does not fit."""
    n = len(sizes)
    kernel = whole(kernel, "kernel_size", 1, n)
    stride, dilation = whole(stride, "stride", 1, n), whole(dilation, "dilation", 1, n)
    padding = paddings(padding, kernel, stride, dilation)
    out = output_sizes(sizes, kernel, stride, padding, dilation)
    return Plan(kernel, stride, padding, dilation, out)


def check_picture(shape) -> None:
    if len(shape) not in (3, 4) or shape[-3] < 1:
        raise ValueError(
            f"input: expected shape (N, C, H, W) or (C, H, W) with C >= 1, got {tuple(shape)}"
        )


def check_groups(groups) -> int:
    return whole(groups, "groups", 1, 1)[0]


def check_bias(shape, channels) -> None:
    if shape is not None and tuple(shape) != (channels,):
        raise ValueError(f"bias: expected shape {(channels,)}, got {tuple(shape)}")


def convolution(input, weight, bias, stride, padding, dilation, groups) -> Plan:
    """The plan of a convolution, from the shapes of its arrays (that of bias or None)."""
    check_picture(input)
    groups, channels = check_groups(groups), input[-3]
    fits = len(weight) == 4 and weight[1] * groups == channels
    if not fits or weight[0] < 1 or weight[0] % groups:
        raise ValueError(
            "weight: expected shape (out, in / groups, kH, kW) with out divisible by groups, for "
            f"{channels} input channels and groups={groups}, got {tuple(weight)}"
        )
    check_bias(bias, weight[0])
    return plan(input[-2:], weight[2:], stride, padding, dilation)


def transposed(
    input, weight, bias, stride, padding, output_padding, groups, dilation
) -> tuple[Plan, tuple[int, int]]:
    """The convolution that this one runs backwards, and the sides of the picture it makes.

    The plan's `out` is the picture that comes in.
    """
    check_picture(input)
    groups, channels = check_groups(groups), input[-3]
    if len(weight) != 4 or weight[0] != channels or channels % groups or weight[1] < 1:
        raise ValueError(
            "weight: expected shape (in, out / groups, kH, kW) with in divisible by groups, for "
            f"{channels} input channels and groups={groups}, got {tuple(weight)}"
        )
    check_bias(bias, weight[1] * groups)
    kernel = whole(tuple(weight[2:]), "kernel_size", 1)
    stride, dilation = whole(stride, "stride", 1), whole(dilation, "dilation", 1)
    ends, extra = whole(padding, "padding", 0), whole(output_padding, "output_padding", 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ValueError(
            f"output_padding: expected less than stride {stride} or dilation {dilation}, "
            f"got {output_padding}"
        )
    sides = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(input[-2:], stride, ends, dilation, kernel, extra, strict=True)
    )
    if min(input[-2:]) < 1 or min(sides) < 1:
        raise ValueError(
            f"input: expected a picture that makes one of at least 1 x 1, got {tuple(input)}, "
            f"which makes {sides}"
        )
    padding = tuple((p, p) for p in ends)
    return Plan(kernel, stride, padding, dilation, tuple(input[-2:])), sides


def pooling(input, kernel_size, stride, padding, dilation=1, ceil_mode=False) -> Plan:
    """The plan of a pooling: windows side by side unless a stride is given.

    With ceil_mode a last window may hang over the end, so that `padding` gains what it needs
    there; it must start inside the picture or the padding before it.
    """
    check_picture(input)
    kernel = whole(kernel_size, "kernel_size", 1)
    stride = kernel if stride is None else whole(stride, "stride", 1)
    dilation, ends = whole(dilation, "dilation", 1), whole(padding, "padding", 0)
    if any(2 * p > k for p, k in zip(ends, kernel, strict=True)):
        raise ValueError(f"padding: expected at most half of kernel {kernel}, got {padding}")
    if min(input[-2:]) < 1:
        raise ValueError(f"input: expected a picture of at least 1 x 1, got {tuple(input)}")
    pads = tuple((p, p) for p in ends)
    if not ceil_mode:
        return plan(input[-2:], kernel, stride, ends, dilation)
    out, hanging = [], []
    for n, k, s, p, d in zip(input[-2:], kernel, stride, ends, dilation, strict=True):
        reach = d * (k - 1) + 1
        count = -(-(n + 2 * p - reach) // s) + 1  # rounded up
        if (count - 1) * s >= n + p:
            count -= 1
        if count < 1:
            output_sizes(input[-2:], kernel, stride, pads, dilation)  # says what does not fit
        out.append(count)
        hanging.append((p, max((count - 1) * s + reach - n - p, p)))
    return Plan(kernel, stride, tuple(hanging), dilation, tuple(out))


def window_counts(side: int, k: int, s: int, p: int, out: int, include_pad: bool) -> list[int]:
    """How many places of each window of average pooling count, along one side."""
    first, last = (-p, side + p) if include_pad else (0, side)
    return [min(i * s - p + k, last) - max(i * s - p, first) for i in range(out)]
