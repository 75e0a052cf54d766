r"""Convolution and pooling in NumPy: the readable truth, in float64.

What networks call convolution slides without turning the kernel over; mathematics calls it
cross-correlation. Pictures are (N, C, H, W), or (C, H, W) for a single one. Each differentiable
function `f` is followed by `f_backward(grad_output, ...)`, which returns the gradient of each
array argument. The networks at the end take the weights of their twins in PyTorch.
"""

from functools import reduce

import numpy as np

from book.activations import reference as activations
from book.convolution import shapes
from book.neurons import reference as neurons
from book.normalization import reference as normalization
from book.regularization import reference as regularization

__all__ = [
    "conv2d", "conv1d", "conv_transpose2d", "max_pool2d", "avg_pool2d", "min_pool2d",
    "conv_output_size", "conv_flops", "unfold",
    "LeNet5", "ResidualBlock", "ResNet", "Inception", "PilotNet",
]  # fmt: skip


def _real(values, name="input"):
    """`values` as a float64 array; TypeError if they are not real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got an array of dtype {array.dtype}")
    return array.astype(np.float64, copy=False)


def _check_grad(grad_output, shape):
    grad_output = _real(grad_output, "grad_output")
    if grad_output.shape != shape:
        raise ValueError(f"grad_output: expected shape {shape}, got {grad_output.shape}")
    return grad_output


def _batch(input):
    """(N, C, H, W), for a single picture too."""
    return input if input.ndim == 4 else input[None]


# --- what a kernel sees, place by place


def _padded(input, padding, value=0.0):
    """(N, C, H, W) with `value` around it."""
    (top, bottom), (left, right) = padding
    *batch, height, width = input.shape
    padded = np.full((*batch, top + height + bottom, left + width + right), value)
    padded[..., top : top + height, left : left + width] = input
    return padded


def _views(padded, plan):
    """For each place of the kernel, row by row, what it sees there of all windows: (N, C, H', W').

    These are views: what is written to one is written to the padded picture.
    """
    (down, across), (skip, jump), (rows, columns) = plan.stride, plan.dilation, plan.out
    for i in range(plan.kernel[0]):
        for j in range(plan.kernel[1]):
            y, x = i * skip, j * jump
            yield padded[:, :, y : y + down * rows : down, x : x + across * columns : across]


def _add_up(parts, input, plan):
    """The way back: each place's part is added where it was seen, and the padding is cut off.

    parts: for each place of the kernel (N, C, H', W'); result as input, of which only the shape
    counts.
    """
    (top, bottom), (left, right) = plan.padding
    n, channels, height, width = input.shape
    padded = np.zeros((n, channels, top + height + bottom, left + width + right))
    for view, part in zip(_views(padded, plan), parts, strict=True):
        view += part
    return padded[:, :, top : top + height, left : left + width]


def _parts(windows, channels, plan):
    """The rows of a matrix of columns by their place in the kernel, each (N, C, H', W')."""
    n, places = len(windows), plan.kernel[0] * plan.kernel[1]
    return windows.reshape(n, channels, places, *plan.out).transpose(2, 0, 1, 3, 4)


def _columns(input, plan, groups=1):
    """A column for each window: (N, G, C / G · kH · kW, H' · W')."""
    n, channels = input.shape[:2]
    rows = channels // groups * plan.kernel[0] * plan.kernel[1]
    windows = np.stack(list(_views(_padded(input, plan.padding), plan)), axis=2)
    return windows.reshape(n, groups, rows, plan.out[0] * plan.out[1])


# --- convolution


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    r"""The product of a kernel with each window of a picture, summed: a filter's map of matches.

    $y_{o,i,j} = b_o + \sum_{c,u,v} w_{o,c,u,v}\,x_{c,\;is - p + ud,\;js - p + vd}$ with stride
    $s$, $p$ zeros around the picture and dilation $d$. All windows become the columns of a matrix,
    and one matrix product does the rest. Groups of channels are convolved apart.

    Shapes: input (N, C, H, W) or (C, H, W); weight (O, C / groups, kH, kW); bias (O,) or None;
    stride, padding and dilation a number or two, padding also 'valid' or, with stride 1, 'same';
    result (N, O, H', W') or (O, H', W'), the sides as `conv_output_size` says.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit, a number is out of
    range, or no window fits.
    Source: documents 000, 001, 002 and 003, errata E56 to E60; LeCun et al. 1989.
    """
    input, weight, bias, plan = _convolution(input, weight, bias, stride, padding, dilation, groups)
    out = weight.shape[0]
    columns = _columns(_batch(input), plan, groups)
    kernels = weight.reshape(groups, out // groups, -1)  # a filter a row
    result = (kernels @ columns).reshape(-1, out, *plan.out)
    if bias is not None:
        result += bias[:, None, None]
    return result.reshape(*input.shape[:-3], out, *plan.out)


def conv2d_backward(
    grad_output, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1
):
    r"""Of $y = Wx_{\text{col}} + b$: $g\,x_{\text{col}}^\top$ for $W$, $\sum g$ for $b$.

    $W^\top g$ is the gradient of the columns; each of its numbers goes back to the place it was
    copied from, and where windows overlap, the numbers add up.

    Shapes: grad_output as the result of conv2d, the others as there; returns the gradients of
    input and weight, and of bias where there is one.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    input, weight, bias, plan = _convolution(input, weight, bias, stride, padding, dilation, groups)
    out, x = weight.shape[0], _batch(input)
    grad_output = _check_grad(grad_output, (*input.shape[:-3], out, *plan.out))
    n, places = x.shape[0], plan.out[0] * plan.out[1]
    g = grad_output.reshape(n, groups, out // groups, places)
    columns = _columns(x, plan, groups)
    grad_weight = (g @ columns.swapaxes(2, 3)).sum(axis=0).reshape(weight.shape)
    kernels = weight.reshape(groups, out // groups, -1)
    parts = _parts(kernels.swapaxes(1, 2) @ g, x.shape[1], plan)
    grad_input = _add_up(parts, x, plan).reshape(input.shape)
    if bias is None:
        return grad_input, grad_weight
    return grad_input, grad_weight, g.sum(axis=(0, 3)).reshape(out)


def _convolution(input, weight, bias, stride, padding, dilation, groups):
    input, weight = _real(input), _real(weight, "weight")
    bias = None if bias is None else _real(bias, "bias")
    plan = shapes.convolution(
        input.shape, weight.shape, None if bias is None else bias.shape,
        stride, padding, dilation, groups,
    )  # fmt: skip
    return input, weight, bias, plan


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    r"""The same along one side: $y_{o,i} = b_o + \sum_{c,u} w_{o,c,u}\,x_{c,\;is - p + ud}$.

    Shapes: input (N, C, L) or (C, L); weight (O, C / groups, k); bias (O,) or None; stride,
    padding and dilation a number, padding also 'valid' or, with stride 1, 'same'; result
    (N, O, L') or (O, L').
    Raises: TypeError if an array is not real; ValueError if shapes do not fit, a number is out of
    range, or no window fits.
    Source: document 000 links to it for time series; `torch.nn.functional.conv1d`.
    """
    signal, kernel, options = _as_picture(input, weight, stride, padding, dilation, groups)
    return conv2d(signal, kernel, bias, **options)[..., 0, :]


def conv1d_backward(
    grad_output, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1
):
    r"""As for a picture that is one row high.

    Shapes: grad_output as the result of conv1d, the others as there; returns the gradients of
    input and weight, and of bias where there is one.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    signal, kernel, options = _as_picture(input, weight, stride, padding, dilation, groups)
    g = _real(grad_output, "grad_output")
    if g.ndim != signal.ndim - 1:
        raise ValueError(f"grad_output: expected {signal.ndim - 1} dimensions, got {g.shape}")
    grad_input, grad_weight, *grad_bias = conv2d_backward(
        g[..., None, :], signal, kernel, bias, **options
    )
    return grad_input[..., 0, :], grad_weight[:, :, 0], *grad_bias


def _as_picture(input, weight, stride, padding, dilation, groups):
    """A signal as a picture one row high, its kernel alike, and the numbers for it."""
    input, weight = _real(input), _real(weight, "weight")
    if input.ndim not in (2, 3):
        raise ValueError(f"input: expected shape (N, C, L) or (C, L), got {input.shape}")
    if weight.ndim != 3:
        raise ValueError(f"weight: expected shape (out, in / groups, k), got {weight.shape}")
    if not isinstance(padding, str):
        padding = (0, *shapes.whole(padding, "padding", 0, 1))
    options = {
        "stride": (1, *shapes.whole(stride, "stride", 1, 1)),
        "padding": padding,
        "dilation": (1, *shapes.whole(dilation, "dilation", 1, 1)),
        "groups": groups,
    }
    return input[..., None, :], weight[:, :, None], options


def conv_transpose2d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    r"""The backward pass of a convolution as a layer: each number of the input paints a kernel.

    The painted kernels stand `stride` apart and add up where they overlap; then `padding` is cut
    off each end. $H' = (H - 1)s - 2p + d(k - 1) + 1 + {}$output_padding. It turns small pictures
    into large ones. It undoes a convolution's shape, not the convolution.

    Shapes: input (N, C, H, W) or (C, H, W); weight (C, O / groups, kH, kW); bias (O,) or None;
    the other numbers one or two each; result (N, O, H', W') or (O, H', W').
    Raises: TypeError if an array is not real; ValueError if shapes do not fit or a number is out
    of range.
    Source: Dumoulin and Visin 2016, to whose pictures document 000 links.
    """
    input, weight, bias, plan, sides = _transposed(
        input, weight, bias, stride, padding, output_padding, groups, dilation
    )
    x, out = _batch(input), weight.shape[1] * groups
    n, channels = x.shape[:2]
    kernels = weight.reshape(groups, channels // groups, -1)
    g = x.reshape(n, groups, channels // groups, plan.out[0] * plan.out[1])
    parts = _parts(kernels.swapaxes(1, 2) @ g, out, plan)
    result = _add_up(parts, np.empty((n, out, *sides)), plan)
    if bias is not None:
        result = result + bias[:, None, None]
    return result.reshape(*input.shape[:-3], out, *sides)


def conv_transpose2d_backward(
    grad_output,
    input,
    weight,
    bias=None,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
):
    r"""Backwards through the backward pass is forward: $g$ is convolved with the same kernels.

    Shapes: grad_output as the result of conv_transpose2d, the others as there; returns the
    gradients of input and weight, and of bias where there is one.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    input, weight, bias, plan, sides = _transposed(
        input, weight, bias, stride, padding, output_padding, groups, dilation
    )
    x, out = _batch(input), weight.shape[1] * groups
    n, channels = x.shape[:2]
    grad_output = _check_grad(grad_output, (*input.shape[:-3], out, *sides))
    g = grad_output.reshape(n, out, *sides)
    columns = _columns(g, plan, groups)
    kernels = weight.reshape(groups, channels // groups, -1)
    grad_input = (kernels @ columns).reshape(input.shape)
    rows = x.reshape(n, groups, channels // groups, plan.out[0] * plan.out[1])
    grad_weight = (rows @ columns.swapaxes(2, 3)).sum(axis=0).reshape(weight.shape)
    if bias is None:
        return grad_input, grad_weight
    return grad_input, grad_weight, g.sum(axis=(0, 2, 3))


def _transposed(input, weight, bias, stride, padding, output_padding, groups, dilation):
    input, weight = _real(input), _real(weight, "weight")
    bias = None if bias is None else _real(bias, "bias")
    plan, sides = shapes.transposed(
        input.shape, weight.shape, None if bias is None else bias.shape,
        stride, padding, output_padding, groups, dilation,
    )  # fmt: skip
    return input, weight, bias, plan, sides


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    r"""Each window as a column of a matrix; a convolution is then $W x_{\text{col}}$.

    Shapes: input (N, C, H, W) or (C, H, W); the numbers one or two each; result
    (N, C · kH · kW, L) or (C · kH · kW, L), L the number of windows, row by row.
    Raises: TypeError if input is not real; ValueError if its shape does not fit, a number is out
    of range, or no window fits.
    Source: Chellapilla, Puri and Simard 2006, "im2col".
    """
    input, plan = _unfolded(input, kernel_size, dilation, padding, stride)
    columns = _columns(_batch(input), plan)[:, 0]
    return columns if input.ndim == 4 else columns[0]


def unfold_backward(grad_output, input, kernel_size, dilation=1, padding=0, stride=1):
    r"""Each number is added where it was copied from (PyTorch calls that fold).

    Shapes: grad_output as the result of unfold; result as input.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    input, plan = _unfolded(input, kernel_size, dilation, padding, stride)
    x = _batch(input)
    rows = x.shape[1] * plan.kernel[0] * plan.kernel[1]
    expected = (*input.shape[:-3], rows, plan.out[0] * plan.out[1])
    grad_output = _check_grad(grad_output, expected).reshape(len(x), *expected[-2:])
    return _add_up(_parts(grad_output, x.shape[1], plan), x, plan).reshape(input.shape)


def _unfolded(input, kernel_size, dilation, padding, stride):
    input = _real(input)
    shapes.check_picture(input.shape)
    padding = shapes.whole(padding, "padding", 0)
    return input, shapes.plan(input.shape[-2:], kernel_size, stride, padding, dilation)


# --- pooling


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    r"""The largest number of each window: $y_{i,j} = \max_{u,v} x_{is - p + ud,\;js - p + vd}$.

    Windows lie side by side unless a stride is given; what is padded never wins. With ceil_mode a
    last window may hang over the end.

    Shapes: input (N, C, H, W) or (C, H, W); the numbers one or two each, padding at most half of
    the kernel; result with the sides that `conv_output_size` says, or one more with ceil_mode.
    Raises: TypeError if input is not real; ValueError if its shape does not fit, a number is out
    of range, or no window fits.
    Source: documents 001, 002 and 003, errata E61 and E62.
    """
    input, plan = _pooled(input, kernel_size, stride, padding, dilation, ceil_mode)
    best = reduce(np.maximum, _views(_padded(_batch(input), plan.padding, -np.inf), plan))
    return best.reshape(*input.shape[:-2], *plan.out)


def max_pool2d_backward(
    grad_output, input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False
):
    r"""The gradient goes to the winner, all of it; among equals to the first, row by row.

    Shapes: grad_output as the result of max_pool2d; result as input.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    input, plan = _pooled(input, kernel_size, stride, padding, dilation, ceil_mode)
    grad_output = _check_grad(grad_output, (*input.shape[:-2], *plan.out))
    padded = _padded(_batch(input), plan.padding, -np.inf)
    best = reduce(np.maximum, _views(padded, plan))
    free, parts = np.ones(best.shape, dtype=bool), []  # the windows that no place has won so far
    for seen in _views(padded, plan):
        won = ((seen == best) | (seen != seen)) & free  # NaN wins, and is not equal to itself
        parts.append(np.where(won, _batch(grad_output), 0.0))
        free ^= won
    return _add_up(parts, _batch(input), plan).reshape(input.shape)


def min_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    r"""The smallest number of each window, $-\max(-x)$; PyTorch has no such function.

    Shapes: input (N, C, H, W) or (C, H, W); the numbers one or two each, padding at most half of
    the kernel; result with the sides that `conv_output_size` says, or one more with ceil_mode.
    Raises: TypeError if input is not real; ValueError if its shape does not fit, a number is out
    of range, or no window fits.
    Source: document 001.
    """
    return -max_pool2d(-_real(input), kernel_size, stride, padding, dilation, ceil_mode)


def min_pool2d_backward(
    grad_output, input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False
):
    r"""The gradient goes to the smallest; both signs cancel.

    Shapes: grad_output as the result of min_pool2d; result as input.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    return max_pool2d_backward(
        grad_output, -_real(input), kernel_size, stride, padding, dilation, ceil_mode
    )


def _pooled(input, kernel_size, stride, padding, dilation=1, ceil_mode=False):
    input = _real(input)
    return input, shapes.pooling(input.shape, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool2d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    r"""The mean of each window.

    Padded zeros count as numbers unless count_include_pad is false; what hangs over the end with
    ceil_mode never does. divisor_override replaces the count.

    Shapes: input (N, C, H, W) or (C, H, W); kernel_size, stride and padding one number or two,
    padding at most half of the kernel; result with the sides that `conv_output_size` says, or one
    more with ceil_mode.
    Raises: TypeError if input is not real; ValueError if its shape does not fit, a number is out
    of range, or no window fits.
    Source: documents 001, 002 and 003.
    """
    input, plan = _pooled(input, kernel_size, stride, padding, ceil_mode=ceil_mode)
    counts = _counts(input, plan, count_include_pad, divisor_override)
    total = reduce(np.add, _views(_padded(_batch(input), plan.padding), plan))
    return (total / counts).reshape(*input.shape[:-2], *plan.out)


def avg_pool2d_backward(
    grad_output,
    input,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    r"""Each number of a window gets the same share, $g / m$.

    Shapes: grad_output as the result of avg_pool2d; result as input.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    input, plan = _pooled(input, kernel_size, stride, padding, ceil_mode=ceil_mode)
    grad_output = _check_grad(grad_output, (*input.shape[:-2], *plan.out))
    share = _batch(grad_output) / _counts(input, plan, count_include_pad, divisor_override)
    parts = [share] * (plan.kernel[0] * plan.kernel[1])
    return _add_up(parts, _batch(input), plan).reshape(input.shape)


def _counts(input, plan, count_include_pad, divisor_override):
    """How many numbers each window's mean is of: (H', W')."""
    if divisor_override is not None:
        return np.full(plan.out, shapes.whole(divisor_override, "divisor_override", 1, 1)[0])
    down, across = (
        shapes.window_counts(
            input.shape[axis - 2], plan.kernel[axis], plan.stride[axis], plan.padding[axis][0],
            plan.out[axis], count_include_pad,
        )
        for axis in (0, 1)
    )  # fmt: skip
    return np.outer(down, across)


# --- sizes and costs


def conv_output_size(size, kernel_size, stride=1, padding=0, dilation=1):
    r"""How long a side of the result is: $\lfloor (N + 2P - D(K - 1) - 1) / S \rfloor + 1$.

    Shapes: size a whole number, or a tuple with one for each side; the others a number, or one
    for each side, padding also 'valid' or, with stride 1, 'same'; result as size.
    Raises: ValueError if a number is not whole or out of range, or if no window fits.
    Source: documents 001, 002 and 003; document 001 prints $+K$ in one place: erratum E60.
    """
    sides = size if isinstance(size, tuple) else (size,)
    sides = shapes.whole(sides, "size", 0, len(sides))
    out = shapes.plan(sides, kernel_size, stride, padding, dilation).out
    return out if isinstance(size, tuple) else out[0]


def conv_flops(
    size, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1
):
    r"""How many multiplications one picture costs: $O \cdot H'W' \cdot (C / G) \cdot k_H k_W$.

    As many additions come with them, so that a multiply-add counts as one operation, as in the
    documents and in most papers; a count of single operations is twice as large.

    Shapes: size a tuple with a whole number for each side, or one number; the others whole
    numbers, or one for each side, padding also 'valid' or 'same'; result a whole number.
    Raises: ValueError if a number is not whole or out of range, groups do not divide the
    channels, or no window fits.
    Source: document 001, the cost of 1 x 1 convolutions.
    """
    channels = shapes.whole((in_channels, out_channels), "in_channels and out_channels", 1)
    groups = shapes.check_groups(groups)
    if any(count % groups for count in channels):
        raise ValueError(f"groups: expected a divisor of the channels {channels}, got {groups}")
    sides = size if isinstance(size, tuple) else (size,)
    sides = shapes.whole(sides, "size", 0, len(sides))
    plan = shapes.plan(sides, kernel_size, stride, padding, dilation)
    per_output = channels[0] // groups * int(np.prod(plan.kernel))
    return channels[1] * int(np.prod(plan.out)) * per_output


# --- networks: layers that remember what came in, so that they can go back


class _Module:
    """What all layers and networks share; its members are its layers, as in PyTorch.

    Called with an input it returns the output; `backward(grad_output)` then returns the gradient
    of the input and keeps those of the weights, which `gradients()` gives by name.
    """

    training = True
    weights = ()  # names of the arrays that are learned
    buffers = ()  # names of the arrays that are only remembered

    def children(self):
        return {name: it for name, it in vars(self).items() if isinstance(it, _Module)}

    def _owners(self, prefix=""):
        yield prefix, self
        for name, child in self.children().items():
            yield from child._owners(f"{prefix}{name}.")

    def state_dict(self):
        """All arrays by the names that PyTorch gives them; they are the network's own."""
        return {
            prefix + name: getattr(layer, name)
            for prefix, layer in self._owners()
            for name in (*layer.weights, *layer.buffers)
            if getattr(layer, name) is not None
        }

    def load_state_dict(self, state):
        """Copies arrays, or a PyTorch module's tensors on the CPU, into the network."""
        own = self.state_dict()
        state = {name: v for name, v in state.items() if not name.endswith("num_batches_tracked")}
        if own.keys() != state.keys():
            odd = sorted(own.keys() ^ state.keys())
            raise ValueError(f"state: expected the names of state_dict(), got others: {odd}")
        for name, array in own.items():
            values = _real(state[name], name)
            if values.shape != array.shape:
                raise ValueError(f"{name}: expected shape {array.shape}, got {values.shape}")
            array[...] = values

    def parameters(self):
        """The arrays that are learned, by name; they are the network's own."""
        return {
            prefix + name: getattr(layer, name)
            for prefix, layer in self._owners()
            for name in layer.weights
            if getattr(layer, name) is not None
        }

    def gradients(self):
        """The gradients that the last `backward` found, by the names of `parameters()`."""
        return {
            prefix + name: layer.found[name]
            for prefix, layer in self._owners()
            for name in layer.weights
            if getattr(layer, name) is not None
        }

    def train(self, mode=True):
        for _, layer in self._owners():
            layer.training = mode
        return self

    def eval(self):
        return self.train(False)

    def _start(self, generator):
        """The weights that PyTorch's layers start with: even between +-1 / sqrt(fan_in)."""
        rng = np.random.default_rng(generator)
        for _, layer in self._owners():
            if isinstance(layer, _Conv | _Linear):
                layer.weight = normalization.kaiming_uniform(
                    layer.weight, a=np.sqrt(5), generator=rng
                )
                if layer.bias is not None:
                    bound = 1.0 / np.sqrt(layer.weight[0].size)
                    layer.bias = rng.uniform(-bound, bound, len(layer.bias))


class _Conv(_Module):
    weights = ("weight", "bias")

    def __init__(self, in_channels, out_channels, kernel, stride=1, padding=0, bias=True):
        self.weight = np.zeros((out_channels, in_channels, kernel, kernel))
        self.bias = np.zeros(out_channels) if bias else None
        self.options = {"stride": stride, "padding": padding}

    def __call__(self, input):
        self.input = input
        return conv2d(input, self.weight, self.bias, **self.options)

    def backward(self, grad_output):
        grad_input, *found = conv2d_backward(
            grad_output, self.input, self.weight, self.bias, **self.options
        )
        self.found = dict(zip(self.weights, found, strict=False))
        return grad_input


class _Linear(_Module):
    weights = ("weight", "bias")

    def __init__(self, in_features, out_features):
        self.weight = np.zeros((out_features, in_features))
        self.bias = np.zeros(out_features)

    def __call__(self, input):
        self.input = input
        return neurons.linear(input, self.weight, self.bias)

    def backward(self, grad_output):
        grad_input, *found = neurons.linear_backward(
            grad_output, self.input, self.weight, self.bias
        )
        self.found = dict(zip(self.weights, found, strict=True))
        return grad_input


class _BatchNorm(_Module):
    weights = ("weight", "bias")
    buffers = ("running_mean", "running_var")

    def __init__(self, channels):
        self.weight, self.bias = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)

    def __call__(self, input):
        self.seen = (
            input, self.running_mean.copy(), self.running_var.copy(),
            self.weight, self.bias, self.training,
        )  # fmt: skip
        return normalization.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, self.training
        )

    def backward(self, grad_output):
        grad_input, *found = normalization.batch_norm_backward(grad_output, *self.seen)
        self.found = dict(zip(self.weights, found, strict=True))
        return grad_input


class _Function(_Module):
    """A layer without weights: a function, its backward, and what else they take."""

    def __init__(self, forward, backward, *args, **kwargs):
        self.functions, self.args, self.kwargs = (forward, backward), args, kwargs

    def __call__(self, input):
        self.input = input
        return self.functions[0](input, *self.args, **self.kwargs)

    def backward(self, grad_output):
        return self.functions[1](grad_output, self.input, *self.args, **self.kwargs)


def _relu():
    return _Function(activations.relu, activations.relu_backward)


def _tanh():
    return _Function(activations.tanh, activations.tanh_backward)


def _elu():
    return _Function(activations.elu, activations.elu_backward)


def _flatten():
    return _Function(
        lambda input: input.reshape(len(input), -1), lambda g, input: g.reshape(input.shape)
    )


class _Dropout(_Module):
    def __init__(self, p, rng):
        self.p, self.rng = p, rng

    def __call__(self, input):
        self.input = input
        self.mask = self.rng.random(input.shape) >= self.p if self.training else None
        return regularization.dropout(input, self.p, self.training, mask=self.mask)

    def backward(self, grad_output):
        return regularization.dropout_backward(
            grad_output, self.input, self.p, self.training, mask=self.mask
        )


class _Sequential(_Module):
    """One layer after the other, called 0, 1, 2 and so on."""

    def __init__(self, *layers):
        for number, layer in enumerate(layers):
            setattr(self, str(number), layer)

    def __call__(self, input):
        for layer in self.children().values():
            input = layer(input)
        return input

    def backward(self, grad_output):
        for layer in reversed(self.children().values()):
            grad_output = layer.backward(grad_output)
        return grad_output


class LeNet5(_Sequential):
    r"""LeNet-5: convolve, squash and average, twice, then 120 numbers for two layers to judge.

    $32^2 \to 6@28^2 \to 6@14^2 \to 16@10^2 \to 16@5^2 \to 120 \to 84 \to 10$ with
    $\tanh$ between: 156 + 2,416 + 48,120 + 10,164 + 850 = 61,706 parameters. It is simplified, as
    everywhere today: the original pools with weights, joins maps by a table and ends in radial
    basis functions.

    `backward(grad_output)` returns the gradient of the input; `parameters()`, `gradients()`,
    `state_dict()` and `load_state_dict(state)` use PyTorch's names.

    Shapes: in_channels and num_classes whole numbers, generator a seed, a NumPy generator or
    None; called with (N, in_channels, 32, 32), returns (N, num_classes).
    Raises: ValueError if a number of channels or classes is not positive; what `conv2d` and
    `linear` raise when called.
    Source: LeCun, Bottou, Bengio and Haffner 1998; document 003.
    """

    def __init__(self, in_channels=1, num_classes=10, generator=None):
        shapes.whole((in_channels, num_classes), "in_channels and num_classes", 1)
        self.features = _Sequential(
            _Conv(in_channels, 6, 5), _tanh(), _Function(avg_pool2d, avg_pool2d_backward, 2),
            _Conv(6, 16, 5), _tanh(), _Function(avg_pool2d, avg_pool2d_backward, 2),
            _Conv(16, 120, 5), _tanh(), _flatten(),
        )  # fmt: skip
        self.classifier = _Sequential(_Linear(120, 84), _tanh(), _Linear(84, num_classes))
        self._start(generator)


class ResidualBlock(_Module):
    r"""$y = \mathrm{relu}(F(x) + Sx)$, $F$ two convolutions of 3 x 3 with batch norm.

    $S$ is the identity, or where channels or sides change a convolution of 1 x 1 with batch norm.

    `backward(grad_output)` returns the gradient of the input; `parameters()`, `gradients()`,
    `state_dict()` and `load_state_dict(state)` use PyTorch's names.

    Shapes: in_channels, out_channels and stride whole numbers, generator a seed, a NumPy generator
    or None; called with (N, in_channels, H, W), returns (N, out_channels, H', W'), the sides
    divided by stride and rounded up.
    Raises: ValueError if a number of channels or the stride is not positive; what `conv2d` raises
    when called.
    Source: He et al. 2016, figure 2; documents 001, 002 and 003.
    """

    def __init__(self, in_channels, out_channels, stride=1, generator=None):
        shapes.whole((in_channels, out_channels), "in_channels and out_channels", 1)
        shapes.whole(stride, "stride", 1)
        self.conv1 = _Conv(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1, self.relu1 = _BatchNorm(out_channels), _relu()
        self.conv2 = _Conv(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2, self.relu2 = _BatchNorm(out_channels), _relu()
        self.downsample = _Sequential()  # no layers: the identity
        if stride != 1 or in_channels != out_channels:
            self.downsample = _Sequential(
                _Conv(in_channels, out_channels, 1, stride, bias=False), _BatchNorm(out_channels)
            )
        self._start(generator)

    def __call__(self, input):
        hidden = self.relu1(self.bn1(self.conv1(input)))
        return self.relu2(self.bn2(self.conv2(hidden)) + self.downsample(input))

    def backward(self, grad_output):
        g = self.relu2.backward(grad_output)
        grad_hidden = self.conv2.backward(self.bn2.backward(g))
        through = self.conv1.backward(self.bn1.backward(self.relu1.backward(grad_hidden)))
        return through + self.downsample.backward(g)


class ResNet(_Sequential):
    r"""A residual network for small pictures: three stages, each half as large and twice as deep.

    A convolution, 3 · blocks residual blocks of two each, an average over all places and a linear
    layer: 6 · blocks + 2 layers, ResNet-20 with 3 blocks.

    `backward(grad_output)` returns the gradient of the input; `parameters()`, `gradients()`,
    `state_dict()` and `load_state_dict(state)` use PyTorch's names.

    Shapes: blocks, in_channels, num_classes and width (channels of the first stage) whole numbers,
    generator a seed, a NumPy generator or None; called with (N, in_channels, H, W), returns
    (N, num_classes).
    Raises: ValueError if one of the numbers is not positive; what `conv2d` raises when called.
    Source: He et al. 2016, section 4.2, with projections where the sides change.
    """

    def __init__(self, blocks=3, in_channels=3, num_classes=10, width=16, generator=None):
        named = "blocks, in_channels, num_classes and width"
        shapes.whole((blocks, in_channels, num_classes, width), named, 1, 4)
        self.conv1 = _Conv(in_channels, width, 3, padding=1, bias=False)
        self.bn1, self.relu = _BatchNorm(width), _relu()
        self.layer1 = _stage(blocks, width, width, 1)
        self.layer2 = _stage(blocks, width, 2 * width, 2)
        self.layer3 = _stage(blocks, 2 * width, 4 * width, 2)
        self.pool = _Function(_mean_of_places, _mean_of_places_backward)
        self.fc = _Linear(4 * width, num_classes)
        self._start(generator)


def _stage(blocks, in_channels, out_channels, stride):
    rest = [ResidualBlock(out_channels, out_channels) for _ in range(blocks - 1)]
    return _Sequential(ResidualBlock(in_channels, out_channels, stride), *rest)


def _mean_of_places(input):
    return input.mean(axis=(2, 3))


def _mean_of_places_backward(grad_output, input):
    places = input.shape[2] * input.shape[3]
    return np.broadcast_to(grad_output[:, :, None, None] / places, input.shape)


class Inception(_Module):
    r"""Kernels of several sizes on one level: 1 x 1, 3 x 3, 5 x 5 and a maximum, maps stacked.

    A convolution of 1 x 1 before each large kernel makes it affordable; a ReLU follows each.

    `backward(grad_output)` returns the gradient of the input; `parameters()`, `gradients()`,
    `state_dict()` and `load_state_dict(state)` use PyTorch's names.

    Shapes: the numbers of channels of the four branches, ch3x3red and ch5x5red those in front of
    the large kernels; generator a seed, a NumPy generator or None; called with
    (N, in_channels, H, W), returns (N, ch1x1 + ch3x3 + ch5x5 + pool_proj, H, W).
    Raises: ValueError if a number of channels is not positive; what `conv2d` raises when called.
    Source: Szegedy et al. 2015, figure 2b; document 001.
    """

    def __init__(
        self, in_channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj, generator=None
    ):
        counts = (in_channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj)
        shapes.whole(counts, "channels", 1, 7)
        self.branch1 = _Sequential(_Conv(in_channels, ch1x1, 1), _relu())
        self.branch2 = _Sequential(
            _Conv(in_channels, ch3x3red, 1), _relu(), _Conv(ch3x3red, ch3x3, 3, padding=1), _relu()
        )
        self.branch3 = _Sequential(
            _Conv(in_channels, ch5x5red, 1), _relu(), _Conv(ch5x5red, ch5x5, 5, padding=2), _relu()
        )
        self.branch4 = _Sequential(
            _Function(max_pool2d, max_pool2d_backward, 3, stride=1, padding=1),
            _Conv(in_channels, pool_proj, 1), _relu(),
        )  # fmt: skip
        self._start(generator)

    def __call__(self, input):
        outputs = [branch(input) for branch in self.children().values()]
        self.ends = np.cumsum([output.shape[1] for output in outputs])
        return np.concatenate(outputs, axis=1)

    def backward(self, grad_output):
        grads = np.split(grad_output, self.ends[:-1], axis=1)
        branches = self.children().values()
        return sum(branch.backward(g) for branch, g in zip(branches, grads, strict=True))


class PilotNet(_Sequential):
    r"""The network that steered a car: a normalization, five convolutions, four linear layers.

    $3@66{\times}200 \to 24@31{\times}98 \to 36@14{\times}47 \to 48@5{\times}22 \to
    64@3{\times}20 \to 64@1{\times}18 \to 1152 \to 100 \to 50 \to 10 \to 1$, ELU between, dropout
    before the linear layers: 252,219 parameters, 26,876,342 multiply-adds.

    `backward(grad_output)` returns the gradient of the input; `parameters()`, `gradients()`,
    `state_dict()` and `load_state_dict(state)` use PyTorch's names.

    Shapes: dropout a probability, generator a seed, a NumPy generator or None; called with
    (N, 3, 66, 200), the colors from 0 to 255; returns (N, 1).
    Raises: ValueError if dropout is not a probability; what `conv2d` and `linear` raise when
    called.
    Source: Bojarski et al. 2016; document 000 and its listing, with erratum E03.
    """

    def __init__(self, dropout=0.5, generator=None):
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout: expected a probability from 0 to 1, got {dropout}")
        rng = np.random.default_rng(generator)
        self.scale = _Function(lambda input: input / 127.5 - 1.0, lambda g, input: g / 127.5)
        self.features = _Sequential(
            _Conv(3, 24, 5, stride=2), _elu(),
            _Conv(24, 36, 5, stride=2), _elu(),
            _Conv(36, 48, 5, stride=2), _elu(),
            _Conv(48, 64, 3), _elu(),
            _Conv(64, 64, 3), _elu(),
            _Dropout(dropout, rng), _flatten(),
        )  # fmt: skip
        self.regressor = _Sequential(
            _Linear(1152, 100), _elu(), _Linear(100, 50), _elu(),
            _Linear(50, 10), _elu(), _Linear(10, 1),
        )  # fmt: skip
        self._start(rng)
