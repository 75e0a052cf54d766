"""Wrong answers that students really give, one function each; its docstring is the hint they see.

A misconception has the signature of the task's function. `autograder` records what it returns on
the visible inputs and recognizes it there.
"""

import numpy as np
from torch import nn

from autograder.misconceptions import misconception

# --- 1. layer_cost -------------------------------------------------------------------------------


def _cost(input_shape, filters, kernel, height, width):
    weights = input_shape[0] * kernel**2
    return (filters, height, width), filters * (weights + 1), filters * height * width * weights


def _sides(input_shape, kernel, stride, padding):
    return [(side + 2 * padding - kernel) // stride + 1 for side in input_shape[1:]]


@misconception("layer_cost")
def kernel_added(input_shape, filters, kernel, stride=1, padding=0):
    """Your sides grow with the kernel: you add K where the formula subtracts it. One of the
    documents prints it that way, too. A larger kernel has fewer places to stand."""
    sides = [int((side + 2 * padding + kernel) / stride + 1) for side in input_shape[1:]]
    return _cost(input_shape, filters, kernel, *sides)


@misconception("layer_cost")
def last_place_forgotten(input_shape, filters, kernel, stride=1, padding=0):
    """Your sides are too small by one. The division counts the *steps* of the window; the place at
    which it starts is one more."""
    sides = [(side + 2 * padding - kernel) // stride for side in input_shape[1:]]
    return _cost(input_shape, filters, kernel, *sides)


@misconception("layer_cost")
def padding_on_one_side(input_shape, filters, kernel, stride=1, padding=0):
    """You count the padding once. It stands at both ends of each side: N + 2P."""
    sides = [(side + padding - kernel) // stride + 1 for side in input_shape[1:]]
    return _cost(input_shape, filters, kernel, *sides)


@misconception("layer_cost")
def rounded_up(input_shape, filters, kernel, stride=1, padding=0):
    """You round up. A window that would hang over the end has no place: round down."""
    sides = [-(-(side + 2 * padding - kernel) // stride) + 1 for side in input_shape[1:]]
    return _cost(input_shape, filters, kernel, *sides)


@misconception("layer_cost")
def flat_filters(input_shape, filters, kernel, stride=1, padding=0):
    """Your filters have kernel x kernel weights. Each has so many *for every channel*: a filter is
    as deep as its input."""
    height, width = _sides(input_shape, kernel, stride, padding)
    shape = (filters, height, width)
    return shape, filters * (kernel**2 + 1), filters * height * width * kernel**2


@misconception("layer_cost")
def no_biases(input_shape, filters, kernel, stride=1, padding=0):
    """The biases are missing among your parameters: one for each filter."""
    shape, count, work = _cost(
        input_shape, filters, kernel, *_sides(input_shape, kernel, stride, padding)
    )
    return shape, count - filters, work


@misconception("layer_cost")
def weights_for_each_place(input_shape, filters, kernel, stride=1, padding=0):
    """You count weights anew for every place of the map, as a dense layer would have them. They are
    shared: the same filter is used everywhere."""
    height, width = _sides(input_shape, kernel, stride, padding)
    shape, count, work = _cost(input_shape, filters, kernel, height, width)
    return shape, count * height * width, work


# --- 2. receptive_field --------------------------------------------------------------------------


@misconception("receptive_field")
def strides_ignored(layers):
    """You add up the layers as if all strides were 1. Once a layer has taken every other window,
    neighbors of its map are two pixels apart, and everything above sees twice as far."""
    return 1 + sum(dilation * (kernel - 1) for kernel, _, dilation in layers)


@misconception("receptive_field")
def own_stride_counted(layers):
    """You multiply by a layer's own stride before its kernel is counted. Its stride says how far
    *its outputs* are apart, so it matters from the next layer on."""
    seen, apart = 1, 1
    for kernel, stride, dilation in layers:
        apart *= stride
        seen += dilation * (kernel - 1) * apart
    return seen


@misconception("receptive_field")
def whole_kernels_added(layers):
    """You add the whole kernel for each layer. The first of its places is already counted: a kernel
    of k adds k - 1, and one of 1 adds nothing."""
    seen, apart = 1, 1
    for kernel, stride, dilation in layers:
        seen += dilation * kernel * apart
        apart *= stride
    return seen


@misconception("receptive_field")
def dilation_forgotten(layers):
    """Dilation is missing: the places of a kernel are d apart, so a kernel of k reaches over
    d (k - 1) steps."""
    seen, apart = 1, 1
    for kernel, stride, _ in layers:
        seen += (kernel - 1) * apart
        apart *= stride
    return seen


@misconception("receptive_field")
def layers_upside_down(layers):
    """You go through the layers from the top. The first in the list is the one next to the
    picture; its stride counts for those above it."""
    seen, apart = 1, 1
    for kernel, stride, dilation in layers[::-1]:
        seen += dilation * (kernel - 1) * apart
        apart *= stride
    return seen


# --- 3. conv2d -----------------------------------------------------------------------------------


def _convolve(x, weight, bias, stride=1, padding=0, **how):
    ends = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    padded = np.pad(x, how.pop("ends", ends), **how)
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    return np.einsum("ncyxhw,ochw->noyx", windows, weight) + bias[:, None, None]


@misconception("conv2d")
def kernel_turned_over(x, weight, bias, stride=1, padding=0):
    """You turn the kernel over before you lay it on. Mathematicians do; networks do not. Take the
    kernel as it is."""
    return _convolve(x, weight[:, :, ::-1, ::-1], bias, stride, padding)


@misconception("conv2d")
def no_bias(x, weight, bias, stride=1, padding=0):
    """The bias is missing: every number of the map of filter o gets b_o added."""
    return _convolve(x, weight, 0 * bias, stride, padding)


@misconception("conv2d")
def bias_for_each_weight(x, weight, bias, stride=1, padding=0):
    """You add the bias to every product before you sum. It is added once to each sum."""
    return _convolve(x, weight, bias * weight[0].size, stride, padding)


@misconception("conv2d")
def channels_averaged(x, weight, bias, stride=1, padding=0):
    """You average over the channels. They are added up; the filter's weights decide how much each
    of them counts."""
    return _convolve(x, weight / x.shape[1], bias, stride, padding)


@misconception("conv2d")
def stride_ignored(x, weight, bias, stride=1, padding=0):
    """You visit every place, whatever the stride. With stride s the window moves on by s pixels,
    and the map is about s times smaller."""
    return _convolve(x, weight, bias, 1, padding)


@misconception("conv2d")
def padded_with_copies(x, weight, bias, stride=1, padding=0):
    """Around the picture you repeat its border pixels. The padding is zeros."""
    return _convolve(x, weight, bias, stride, padding, mode="edge")


@misconception("conv2d")
def padded_behind_only(x, weight, bias, stride=1, padding=0):
    """All of your zeros stand below and on the right. `padding` zeros belong on *each* side."""
    ends = ((0, 0), (0, 0), (0, 2 * padding), (0, 2 * padding))
    return _convolve(x, weight, bias, stride, padding, ends=ends)


@misconception("conv2d")
def last_windows_missing(x, weight, bias, stride=1, padding=0):
    """The last row and the last column of windows are missing in your map: there are
    (N + 2P - K) // S steps, and one place more than steps."""
    full = _convolve(x, weight, bias, stride, padding)
    return full[:, :, :-1, :-1]


# --- 4. conv2d_backward --------------------------------------------------------------------------


def _back(grad_output, x, weight, stride=1, assign=False):
    grad_x, grad_weight = np.zeros(x.shape), np.zeros(weight.shape)
    height, width = weight.shape[2:]
    for i, j in np.ndindex(grad_output.shape[2:]):
        g = grad_output[:, :, i, j]
        at = np.s_[:, :, i * stride : i * stride + height, j * stride : j * stride + width]
        grad_weight += np.einsum("no,nchw->ochw", g, x[at])
        part = np.einsum("no,ochw->nchw", g, weight)
        grad_x[at] = part if assign else grad_x[at] + part
    return grad_x, grad_weight, grad_output.sum(axis=(0, 2, 3))


@misconception("conv2d_backward")
def overlaps_overwritten(grad_output, x, weight, stride=1):
    """Where windows overlap, your grad_x keeps only what the last window says. A number that was
    read several times gets the *sum*: use `+=`."""
    return _back(grad_output, x, weight, stride, assign=True)


@misconception("conv2d_backward")
def averaged_over_the_batch(grad_output, x, weight, stride=1):
    """You average the gradient of the weights over the pictures. Sum it; if the loss is an average,
    the 1 / N is already in grad_output."""
    grad_x, grad_weight, grad_bias = _back(grad_output, x, weight, stride)
    return grad_x, grad_weight / len(x), grad_bias / len(x)


@misconception("conv2d_backward")
def stride_forgotten(grad_output, x, weight, stride=1):
    """With a stride your gradients land in the wrong places: window i, j begins at pixel
    i * stride, j * stride, as on the way forward."""
    return _back(grad_output, x, weight, 1)


@misconception("conv2d_backward")
def kernel_turned_by_mistake(grad_output, x, weight, stride=1):
    """Your grad_x uses the kernel turned over. That is right if you write the gradient as a
    convolution of the padded grad_output; when you add window by window, take it as it is."""
    _, grad_weight, grad_bias = _back(grad_output, x, weight, stride)
    grad_x, _, _ = _back(grad_output, x, weight[:, :, ::-1, ::-1], stride)
    return grad_x, grad_weight, grad_bias


@misconception("conv2d_backward")
def bias_averaged_over_places(grad_output, x, weight, stride=1):
    """Your gradient of the bias is an average over the places of the map. The bias was added at
    every place, so its gradient is the sum over all of them (and over the pictures)."""
    grad_x, grad_weight, grad_bias = _back(grad_output, x, weight, stride)
    return grad_x, grad_weight, grad_bias / grad_output[0, 0].size


@misconception("conv2d_backward")
def first_picture_only(grad_output, x, weight, stride=1):
    """Your gradient of the weights comes from the first picture alone. All pictures of the batch
    used the same weights: sum over them."""
    grad_x, _, grad_bias = _back(grad_output, x, weight, stride)
    return grad_x, _back(grad_output[:1], x[:1], weight, stride)[1], grad_bias


# --- 5. max_pool_backward ------------------------------------------------------------------------


def _split(x, k):
    n, c, height, width = x.shape
    return x.reshape(n, c, height // k, k, width // k, k)


def _grown(grad_output, k):
    return grad_output[:, :, :, None, :, None] * np.ones((1, 1, 1, k, 1, k))


def _winners(x, k):
    windows = _split(x, k)
    return windows == windows.max(axis=(3, 5), keepdims=True)


@misconception("max_pool_backward")
def all_winners_paid_fully(grad_output, x, k):
    """Where the largest number occurs several times, each occurrence gets the whole gradient in
    your answer, so that it is multiplied. Only the first one gets it. See hint 1."""
    return (_grown(grad_output, k) * _winners(x, k)).reshape(x.shape)


@misconception("max_pool_backward")
def shared_among_winners(grad_output, x, k):
    """You share the gradient among equal winners. That is a fair choice, but not the one of
    PyTorch: the first one, row by row, gets all of it."""
    won = _winners(x, k)
    shares = won / won.sum(axis=(3, 5), keepdims=True)
    return (_grown(grad_output, k) * shares).reshape(x.shape)


@misconception("max_pool_backward")
def spread_evenly(grad_output, x, k):
    """You spread the gradient over the whole window. That is average pooling. Of the maximum only
    the largest number has a gradient."""
    return (_grown(grad_output, k) / k**2).reshape(x.shape)


@misconception("max_pool_backward")
def last_winner(grad_output, x, k):
    """Among equals your answer pays the last. It should be the first, row by row."""
    turned = _first(grad_output[:, :, ::-1, ::-1], x[:, :, ::-1, ::-1], k)
    return turned[:, :, ::-1, ::-1]


@misconception("max_pool_backward")
def column_by_column(grad_output, x, k):
    """Among equals you take the first column by column. Count row by row."""
    return _first(grad_output.swapaxes(2, 3), x.swapaxes(2, 3), k).swapaxes(2, 3)


@misconception("max_pool_backward")
def times_the_value(grad_output, x, k):
    """You put the gradient times the largest number. The maximum *copies* a number, so its slope is
    1: the gradient passes as it is."""
    return _first(grad_output * _split(x, k).max(axis=(3, 5)), x, k)


def _first(grad_output, x, k):
    result = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(grad_output.shape):
        row, column = divmod(int(x[n, c, i * k : i * k + k, j * k : j * k + k].argmax()), k)
        result[n, c, i * k + row, j * k + column] = grad_output[n, c, i, j]
    return result


# --- 6. match ------------------------------------------------------------------------------------


def _windows(image, pattern):
    return np.lib.stride_tricks.sliding_window_view(image, pattern.shape)


def _divide(products, lengths):
    tiny = lengths < 1e-9
    return np.where(tiny, 0.0, products / np.where(tiny, 1.0, lengths))


@misconception("match")
def plain_convolution(image, pattern):
    """You return the plain sums of products: the brightest window wins, not the most similar.
    Subtract the means, and divide by both lengths."""
    return np.einsum("yxhw,hw->yx", _windows(image, pattern), pattern)


@misconception("match")
def means_left_in(image, pattern):
    """You divide by the lengths without having subtracted the means (a cosine). Bright windows are
    then all alike. Subtract the mean of the pattern and of each window first."""
    windows = _windows(image, pattern)
    products = np.einsum("yxhw,hw->yx", windows, pattern)
    return _divide(products, np.sqrt((windows**2).sum(axis=(2, 3)) * (pattern**2).sum()))


@misconception("match")
def mean_of_the_whole_image(image, pattern):
    """You subtract the mean of the whole image. Each window has a mean of its own; see hint 2."""
    windows = _windows(image, pattern) - image.mean()
    sought = pattern - pattern.mean()
    products = np.einsum("yxhw,hw->yx", windows, sought)
    return _divide(products, np.sqrt((windows**2).sum(axis=(2, 3)) * (sought**2).sum()))


@misconception("match")
def contrast_left_in(image, pattern):
    """You subtract the means, but do not divide by the length of the window. A strong contrast then
    beats a good match."""
    windows, sought = _windows(image, pattern), pattern - pattern.mean()
    return np.einsum("yxhw,hw->yx", windows, sought) / np.sqrt((sought**2).sum())


@misconception("match")
def nothing_over_nothing(image, pattern):
    """Where a window is all of one color you divide 0 by 0. The score there is 0. See hint 3."""
    windows = _windows(image, pattern)
    centered = windows - windows.mean(axis=(2, 3), keepdims=True)
    sought = pattern - pattern.mean()
    lengths = np.sqrt((centered**2).sum(axis=(2, 3)) * (sought**2).sum())
    with np.errstate(invalid="ignore"):
        return np.einsum("yxhw,hw->yx", centered, sought) / lengths


@misconception("match")
def pattern_turned_over(image, pattern):
    """You turn the pattern over by 180 degrees, as a mathematician's convolution does. You are
    looking for the pattern as it is."""
    windows, sought = _windows(image, pattern), (pattern - pattern.mean())[::-1, ::-1]
    centered = windows - windows.mean(axis=(2, 3), keepdims=True)
    products = np.einsum("yxhw,hw->yx", centered, sought)
    return _divide(products, np.sqrt((centered**2).sum(axis=(2, 3)) * (sought**2).sum()))


# --- 7. make_reader ------------------------------------------------------------------------------


def _layers(maps, classes, pool=None, between=None, padding=1, last=()):
    return nn.Sequential(
        nn.Conv2d(1, maps, 3, padding=padding),
        between or nn.ReLU(),
        nn.Conv2d(maps, 2 * maps, 3, padding=padding),
        nn.ReLU(),
        pool or nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * maps, classes),
        *last,
    )


@misconception("make_reader")
def mean_of_each_map(maps, classes):
    """You take the mean of each map. Asked for is its largest number: on a large canvas a digit
    hardly moves a mean, and the answer would depend on how much emptiness there is."""
    return _layers(maps, classes, pool=nn.AdaptiveAvgPool2d(1))


@misconception("make_reader")
def softmax_at_the_end(maps, classes):
    """Your network ends in a softmax. Return the logits; the cross-entropy of PyTorch takes the
    softmax itself, and twice is once too often."""
    return _layers(maps, classes, last=(nn.Softmax(dim=1),))


@misconception("make_reader")
def no_relu_between(maps, classes):
    """Between your two convolutions there is no ReLU. Two linear layers in a row are one linear
    layer."""
    return _layers(maps, classes, between=nn.Identity())


@misconception("make_reader")
def convolutions_without_bias(maps, classes):
    """Your convolutions have no bias. Leave out `bias=False`: only in front of a batch norm is it
    useless."""
    net = _layers(maps, classes)
    for place, channels in ((0, 1), (2, maps)):
        out = net[place].out_channels
        net[place] = nn.Conv2d(channels, out, 3, padding=1, bias=False)
    return net


@misconception("make_reader")
def pooled_in_between(maps, classes):
    """You shrink the maps between the convolutions. Then it matters whether a digit stands on an
    even or an odd column. Take the maximum once, at the end, over all places."""
    return _layers(maps, classes, between=nn.Sequential(nn.ReLU(), _Halved()))


class _Halved(nn.Module):
    """Max pooling of 2 x 2, also where there is a single row or column."""

    def forward(self, x):
        return nn.functional.max_pool2d(x, 2, ceil_mode=True)
