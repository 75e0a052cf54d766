# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# assignment:
#   title: Convolutional networks
#   imports:
#     - functools
#     - itertools
#     - math
#     - numpy
#     - matplotlib
#     - torch
#     - autograder.checks
#     - book.data
#     - book.style
#     - book.training
# ---

# %% [markdown]
# # Convolutional networks
#
# You have read the chapter. Now you build a convolution from its formula, carry a gradient back
# through it, find a pattern in a photograph, and make a PyTorch network that knows a digit wherever
# it stands.
#
# <!-- tasks -->
#
# How it works:
#
# - Each task has one cell for you. Replace `raise NotImplementedError()` with your code.
# - Run the cell below it. It checks your answer on a few inputs, and where something is wrong it
#   says on which input, and often why. You may try as often as you like.
# - When your work is graded, further inputs are tried: random numbers, other shapes, ties.
# - The tasks do not need one another. If you are stuck, go on and come back.
# - You need NumPy and, for the last task, PyTorch. Please do not import other libraries, and do not
#   use PyTorch's convolutions before the last task: the point is to see how they are made.
#
# Some cells draw a picture with your function. They wait until it works.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from autograder.checks import check, picture
from book import style
from book.data import digits, flower

style.use()


# %% [markdown] task="layer_cost" minutes=10
# ## 1. What comes out, and what does it cost?
#
# Before you build a layer you should know what it makes and what it costs. A side of $N$ pixels
# becomes
#
# $$N' = \left\lfloor \frac{N + 2P - K}{S} \right\rfloor + 1 ,$$
#
# each filter has a weight for every channel and every place of the kernel, and one bias; and each
# number of the result takes one multiplication for each weight of its filter.


# %% solution="layer_cost"
def layer_cost(input_shape, filters, kernel, stride=1, padding=0):
    """The output, the parameters and the multiplications of a convolutional layer.

    input_shape : (C, H, W), three whole numbers.
    filters     : how many filters there are: each has C x kernel x kernel weights and a bias.
    kernel, stride, padding : whole numbers, the same in both directions; padding on every side.
    Returns (output_shape, parameters, multiplications): a tuple of three whole numbers, and two
    whole numbers. Biases cost no multiplication.

    Example

        layer_cost((3, 8, 6), 10, 3, stride=2)

    returns ((10, 3, 2), 280, 1620): 10 filters of 27 weights and a bias, and 60 numbers of 27
    multiplications each.

    Hints
    1. `//` divides and rounds down.
    2. How many weights does *one* filter have? Channels count.
    3. How many numbers are in the output? Each costs as many multiplications as a filter has
       weights.
    """
    ### BEGIN SOLUTION
    channels, *sides = input_shape
    height, width = ((side + 2 * padding - kernel) // stride + 1 for side in sides)
    weights = channels * kernel**2
    return (filters, height, width), filters * (weights + 1), filters * height * width * weights
    ### END SOLUTION


# %% inputs="layer_cost"
# ruff: noqa: E402, because the cells of a notebook import what they need
from book.op import Case

inputs = [
    Case("the example", ((3, 8, 6), 10, 3), {"stride": 2}),
    Case("the steering network's first layer", ((3, 66, 200), 24, 5), {"stride": 2}),
    Case("same size", ((16, 28, 28), 32, 5), {"padding": 2}),
    Case("1 x 1", ((192, 7, 9), 16, 1)),
    Case("a stride that does not fit", ((2, 9, 12), 4, 3), {"stride": 4, "padding": 1}),
]

# %% test="layer_cost" points=2
check("layer_cost", layer_cost)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for _ in range(30):
    channels, filters, kernel, stride = (int(n) for n in rng.integers(1, 7, 4))
    height, width = (int(n) for n in rng.integers(kernel, kernel + 12, 2))
    padding = int(rng.integers(0, 4))
    got = layer_cost((channels, height, width), filters, kernel, stride, padding)
    layer = nn.Conv2d(channels, filters, kernel, stride, padding)
    shape = tuple(layer(torch.zeros(1, channels, height, width)).shape[1:])
    case = f"({channels}, {height}, {width}), kernel {kernel}, stride {stride}, padding {padding}"
    assert_close(tuple(got[0]), shape, what=f"output shape, {case}")
    count = sum(p.numel() for p in layer.parameters())
    assert_close(int(got[1]), count, what=f"parameters, {case}")
    expected = shape[0] * shape[1] * shape[2] * layer.weight[0].numel()
    assert_close(int(got[2]), expected, what=f"multiplications, {case}")
### END HIDDEN TESTS

# %% [markdown] task="receptive_field" minutes=10
# ## 2. How far does a number see?
#
# A number of the first map sees a window of the picture. A number of the second map sees a window
# of the first map, and so more of the picture; with strides and dilations still more:
#
# $$r_\ell = r_{\ell-1} + d_\ell\,(k_\ell - 1) \prod_{m<\ell} s_m , \qquad r_0 = 1 .$$


# %% solution="receptive_field"
def receptive_field(layers):
    """How many pixels across a number of the last map can depend on.

    layers : list of (kernel, stride, dilation), whole numbers, the layer next to the picture first.
    Returns a whole number; 1 where there are no layers.

    Example: two layers of 3, of which the first one takes every other window;

        receptive_field([(3, 2, 1), (3, 1, 1)])

    returns 7: three numbers of the first map, whose windows start two pixels apart, see 3 + 2 + 2.

    Hints
    1. Go from the picture upwards and keep two numbers: what is seen so far, and how many pixels
       lie between neighbors of the present map.
    2. Neighbors in the *picture* are 1 apart. Which layers' strides have been passed when the
       second layer looks at the first map?
    """
    ### BEGIN SOLUTION
    seen, apart = 1, 1
    for kernel, stride, dilation in layers:
        seen += dilation * (kernel - 1) * apart
        apart *= stride
    return seen
    ### END SOLUTION


# %% inputs="receptive_field"
inputs = [
    Case("the example", ([(3, 2, 1), (3, 1, 1)],)),
    Case("four plain layers", ([(3, 1, 1)] * 4,)),
    Case("dilations that double", ([(3, 1, 1), (3, 1, 2), (3, 1, 4), (3, 1, 8)],)),
    Case("sizes and strides of all kinds", ([(5, 2, 1), (2, 2, 1), (3, 1, 2), (1, 3, 1)],)),
    Case("the stride of the last layer", ([(7, 4, 1)],)),
    Case("no layers", ([],)),
]

# %% test="receptive_field" points=2
check("receptive_field", receptive_field)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count in [0, 1, 2, 3, 4]:
    for _ in range(6):
        stack = [
            (int(rng.integers(1, 6)), int(rng.integers(1, 4)), int(rng.integers(1, 4)))
            for _ in range(count)
        ]
        first, last = 0, 0  # of the numbers that are read, from the top down
        for kernel, stride, dilation in stack[::-1]:
            first, last = first * stride, last * stride + dilation * (kernel - 1)
        got = receptive_field(stack)
        assert_close(int(got), last - first + 1, what=f"receptive field of {stack}")
### END HIDDEN TESTS

# %% [markdown] task="conv2d" minutes=20
# ## 3. The convolution
#
# With stride $s$ and $p$ zeros on every side of the picture,
#
# $$y_{n,o,i,j} = b_o + \sum_{c,u,v} w_{o,c,u,v}\; x_{n,c,\;is - p + u,\;js - p + v} .$$
#
# The kernel is not turned over. All channels are added into *one* number; each filter makes one
# map.


# %% solution="conv2d"
def conv2d(x, weight, bias, stride=1, padding=0):
    """Each filter laid on every window of each picture.

    x       : array (N, C, H, W).
    weight  : array (O, C, k_H, k_W); bias: array (O,).
    stride, padding : whole numbers, the same in both directions.
    Returns an array (N, O, H', W').

    Example: one picture with one channel, one filter of 2 x 2;

        conv2d(np.arange(9.0).reshape(1, 1, 3, 3), np.array([[[[0.0, 1.0], [2.0, 3.0]]]]),
               np.array([0.5]))

    returns [[[[19.5, 25.5], [37.5, 43.5]]]].

    Hints
    1. Put the zeros around first: `np.pad` takes a pair (before, after) for each axis.
    2. One way: two loops over the places i, j of the *result*. The window is
       `padded[:, :, i * s : i * s + k_H, j * s : j * s + k_W]`, of shape (N, C, k_H, k_W).
    3. `np.einsum("nchw,ochw->no", window, weight)` sums over channels and places; so does
       `np.tensordot(window, weight, 3)` if you tell it the right axes.
    4. Another way: two loops over the places u, v of the *kernel*, each adding a strided slice.
    """
    ### BEGIN SOLUTION
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]  # (N, C, H', W', k_H, k_W)
    return np.einsum("ncyxhw,ochw->noyx", windows, weight) + bias[:, None, None]
    ### END SOLUTION


# %% inputs="conv2d"
rng = np.random.default_rng(3)


def layer(name, x_shape, w_shape, **options):
    """Small whole numbers in these shapes."""
    arrays = (rng.integers(-3, 4, s).astype(float) for s in (x_shape, w_shape, w_shape[:1]))
    return Case(name, tuple(arrays), options)


inputs = [
    Case(
        "the example",
        (
            np.arange(9.0).reshape(1, 1, 3, 3),
            np.array([[[[0.0, 1.0], [2.0, 3.0]]]]),
            np.array([0.5]),
        ),
    ),
    layer("two channels, three filters", (1, 2, 4, 4), (3, 2, 3, 3)),
    layer("padding", (1, 1, 3, 3), (1, 1, 3, 3), padding=1),
    layer("a stride that does not fit", (1, 1, 6, 5), (1, 1, 2, 2), stride=2),
    layer("a flat kernel", (2, 1, 3, 4), (1, 1, 1, 3)),
    layer("all of it", (2, 2, 5, 6), (2, 2, 3, 2), stride=2, padding=1),
]

# %% test="conv2d" points=3
check("conv2d", conv2d)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, c, o, h, w, k, m, s, p in [
    (1, 1, 1, 1, 1, 1, 1, 1, 0),
    (2, 3, 4, 7, 6, 3, 3, 1, 0),
    (1, 2, 3, 8, 8, 3, 3, 2, 1),
    (3, 1, 2, 5, 9, 2, 4, 3, 2),
    (2, 4, 1, 6, 6, 1, 1, 2, 0),
    (1, 2, 2, 4, 4, 4, 4, 1, 0),
]:
    x, weight, bias = (rng.normal(size=size) for size in [(n, c, h, w), (o, c, k, m), (o,)])
    expected = nn.functional.conv2d(*map(torch.tensor, (x, weight, bias)), stride=s, padding=p)
    got = conv2d(x, weight, bias, s, p)
    case = f"{x.shape} and {weight.shape}, stride {s}, padding {p}"
    assert_close(got, expected.numpy(), what=f"convolution of {case}")
### END HIDDEN TESTS

# %% [markdown]
# Your function on a photograph. Two filters, each with a layer for red, green and blue: edges from
# left to right, and edges from top to bottom. The picture shows how strong the two are together.


# %%
@picture
def _():
    photo = flower()[::2, ::2] / 255.0
    edge = np.array([[1.0, 0, -1]] * 3) / 3
    filters = np.stack([np.stack([edge] * 3), np.stack([edge.T] * 3)])
    maps = conv2d(photo.transpose(2, 0, 1)[None], filters, np.zeros(2))[0]
    _, (axes,) = style.panels(1, 2, height=2.6)
    axes[0].imshow(photo)
    axes[1].imshow(np.hypot(*maps), cmap="gray")
    for ax in axes:
        ax.axis("off")


# %% [markdown] task="conv2d_backward" minutes=20
# ## 4. And its way back
#
# Now with a stride, and without padding. A number $x$ was read by several windows, each time
# multiplied by another weight of the kernel. Its gradient is the sum over all of them. A weight was
# used in every window of every picture. Its gradient is the sum over all of *them*:
#
# $$\frac{\partial L}{\partial w_{o,c,u,v}} = \sum_{n,i,j} g_{n,o,i,j}\; x_{n,c,\;is + u,\;js + v} ,
# \qquad \frac{\partial L}{\partial b_o} = \sum_{n,i,j} g_{n,o,i,j} .$$


# %% solution="conv2d_backward"
def conv2d_backward(grad_output, x, weight, stride=1):
    """The gradients of a convolution without padding.

    grad_output : array (N, O, H', W'), the gradient of the loss by each number of the result.
    x           : array (N, C, H, W); weight: array (O, C, k_H, k_W); stride: whole number.
    Returns (grad_x, grad_weight, grad_bias), shapes as x, weight and (O,).

    Example: one number out, so that every gradient is a copy of what it was multiplied with;

        conv2d_backward(np.array([[[[2.0]]]]), np.array([[[[5.0, 6.0]]]]),
                        np.array([[[[3.0, 4.0]]]]))

    returns (array([[[[6., 8.]]]]), array([[[[10., 12.]]]]), array([2.])).

    Hints
    1. Begin with zeros for grad_x and grad_weight, and add.
    2. Loop over the places i, j of grad_output. `g = grad_output[:, :, i, j]` has shape (N, O).
    3. What does g add to the weight, given the window (N, C, k_H, k_W)?
       `np.einsum("no,nchw->ochw", g, window)`. And to the window of grad_x, given the weight?
    4. Windows overlap: add to grad_x, do not assign.
    5. Pixels that no window has read keep the gradient 0.
    """
    ### BEGIN SOLUTION
    grad_x, grad_weight = np.zeros(x.shape), np.zeros(weight.shape)
    height, width = weight.shape[2:]
    for i, j in np.ndindex(grad_output.shape[2:]):
        g = grad_output[:, :, i, j]
        at = np.s_[:, :, i * stride : i * stride + height, j * stride : j * stride + width]
        grad_weight += np.einsum("no,nchw->ochw", g, x[at])
        grad_x[at] += np.einsum("no,ochw->nchw", g, weight)
    return grad_x, grad_weight, grad_output.sum(axis=(0, 2, 3))
    ### END SOLUTION


# %% inputs="conv2d_backward"
rng = np.random.default_rng(4)


def way_back(name, n, c, h, w, o, k, m, stride=1):
    """Small whole numbers in shapes that fit."""
    out = (n, o, (h - k) // stride + 1, (w - m) // stride + 1)
    arrays = (rng.integers(-3, 4, s).astype(float) for s in (out, (n, c, h, w), (o, c, k, m)))
    return Case(name, tuple(arrays), {"stride": stride} if stride > 1 else {})


inputs = [
    Case(
        "the example",
        (np.array([[[[2.0]]]]), np.array([[[[5.0, 6.0]]]]), np.array([[[[3.0, 4.0]]]])),
    ),
    way_back("windows that overlap", 1, 1, 3, 3, 1, 2, 2),
    way_back("two pictures", 2, 1, 2, 3, 1, 2, 2),
    way_back("channels and filters", 1, 3, 3, 3, 2, 2, 2),
    way_back("a stride that leaves pixels over", 2, 2, 6, 5, 2, 2, 2, stride=3),
]

# %% test="conv2d_backward" points=4
check("conv2d_backward", conv2d_backward)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, c, h, w, o, k, m, s in [
    (1, 1, 1, 1, 1, 1, 1, 1),
    (2, 3, 6, 5, 4, 3, 3, 1),
    (3, 2, 7, 8, 3, 3, 2, 2),
    (2, 1, 5, 5, 2, 1, 1, 3),
    (1, 2, 4, 9, 2, 4, 3, 2),
]:
    x, weight = (torch.tensor(rng.normal(size=size)) for size in [(n, c, h, w), (o, c, k, m)])
    bias = torch.zeros(o, dtype=torch.float64)
    tensors = [t.requires_grad_() for t in (x, weight, bias)]
    y = nn.functional.conv2d(*tensors, stride=s)
    g = torch.tensor(rng.normal(size=tuple(y.shape)))
    y.backward(g)
    got = conv2d_backward(g.numpy(), x.detach().numpy(), weight.detach().numpy(), s)
    case = f"{tuple(x.shape)} and {tuple(weight.shape)}, stride {s}"
    for values, tensor, name in zip(got, tensors, ("x", "weight", "bias"), strict=True):
        assert_close(values, tensor.grad.numpy(), what=f"gradient of {name}, {case}")
### END HIDDEN TESTS

# %% [markdown] task="max_pool_backward" minutes=15
# ## 5. The winner takes it all
#
# Max pooling with windows of $k \times k$ side by side keeps the largest number of each window.
# Only that number had an influence on the result, so it gets the whole gradient of its window. If
# several are equally large, the **first** one gets it, row by row, as in PyTorch.


# %% solution="max_pool_backward"
def max_pool_backward(grad_output, x, k):
    """The gradient of max pooling with windows of k x k, side by side.

    grad_output : array (N, C, H / k, W / k).
    x           : array (N, C, H, W), H and W multiples of k.
    Returns an array with the shape of x.

    Example: 4 is the largest, and occurs twice;

        max_pool_backward(np.array([[[[5.0]]]]), np.array([[[[1.0, 4.0], [4.0, 3.0]]]]), 2)

    returns [[[[0., 5.], [0., 0.]]]].

    Hints
    1. A loop over windows is fine: `np.argmax` of a window gives the *first* place of the largest,
       counted row by row; `divmod(place, k)` makes a row and a column of it.
    2. Without loops: `x.reshape(N, C, H // k, k, W // k, k)` has an axis for the row and one for
       the column inside a window. Bring these two to the end, and flatten them.
    3. `np.put_along_axis` writes one number for each window; then undo the reshaping.
    """
    ### BEGIN SOLUTION
    n, c, height, width = x.shape
    split = (n, c, height // k, k, width // k, k)
    windows = x.reshape(split).swapaxes(3, 4).reshape(*grad_output.shape, k * k)
    first = windows.argmax(axis=-1)[..., None]
    parts = np.zeros(windows.shape)
    np.put_along_axis(parts, first, grad_output[..., None], axis=-1)
    return parts.reshape(n, c, height // k, width // k, k, k).swapaxes(3, 4).reshape(x.shape)
    ### END SOLUTION


# %% inputs="max_pool_backward"
rng = np.random.default_rng(5)


def pooled(name, n, c, rows, columns, k, kinds=9):
    """Whole numbers, with ties where there are few kinds of them."""
    x = rng.integers(-kinds, 1, (n, c, rows * k, columns * k)).astype(float)
    return Case(name, (rng.integers(1, 9, (n, c, rows, columns)).astype(float), x, k))


inputs = [
    Case("the example", (np.array([[[[5.0]]]]), np.array([[[[1.0, 4.0], [4.0, 3.0]]]]), 2)),
    Case(
        "four windows",
        (
            np.array([[[[1.0, 2.0], [3.0, 4.0]]]]),
            np.random.default_rng(1).permutation(16).reshape(1, 1, 4, 4) + 0.0,
            2,
        ),
    ),
    Case("all equal", (np.array([[[[3.0, 7.0]]]]), np.zeros((1, 1, 2, 4)), 2)),
    pooled("negative numbers, windows of 3", 1, 1, 1, 2, 3, 99),
    pooled("two pictures, two channels, ties", 2, 2, 2, 1, 2, 2),
]

# %% test="max_pool_backward" points=3
check("max_pool_backward", max_pool_backward)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, c, rows, columns, k, kinds in [
    (1, 1, 1, 1, 1, 3),
    (2, 3, 3, 2, 2, 1000),
    (3, 2, 2, 4, 3, 2),
    (1, 1, 5, 5, 2, 2),
    (2, 2, 1, 3, 4, 50),
]:
    x = rng.integers(-kinds, 1, (n, c, rows * k, columns * k)).astype(float)
    g = rng.normal(size=(n, c, rows, columns))
    expected = np.zeros(x.shape)
    for a, b, i, j in np.ndindex(g.shape):
        corner = x[a, b, i * k : (i + 1) * k, j * k : (j + 1) * k]
        row, column = divmod(int(np.argmax(corner)), k)
        expected[a, b, i * k + row, j * k + column] = g[a, b, i, j]
    got = max_pool_backward(g, x, k)
    assert_close(got, expected, what=f"gradient of {x.shape}, windows of {k}")
### END HIDDEN TESTS

# %% [markdown] task="match" minutes=15
# ## 6. Find it
#
# A kernel is a pattern. But a plain convolution has a weakness as a finder: a bright place gives a
# large sum, whatever is on it. So for each window $v$ of the picture, and the pattern $p$, compare
# what is left without their means, and divide by both lengths:
#
# $$s = \frac{\sum (p - \bar p)(v - \bar v)}{\sqrt{\sum (p - \bar p)^2}\,\sqrt{\sum (v - \bar v)^2}}
# \;\in\; [-1, 1] .$$
#
# This does not care about brightness and contrast. Where a window is all of one color, the score
# is 0.


# %% solution="match"
def match(image, pattern):
    """How well each window of an image matches a pattern, from -1 to 1.

    image   : array (H, W); pattern: array (h, w), not all of one color.
    Returns an array (H - h + 1, W - w + 1); 0 where all pixels of a window are equal.

    Example

        match(np.array([[1.0, 2.0, 2.0, 4.0]]), np.array([[10.0, 30.0]]))

    returns [[1., 0., 1.]]: a rise, a plain, a rise, however steep.

    Hints
    1. `np.lib.stride_tricks.sliding_window_view(image, pattern.shape)` has shape
       (H - h + 1, W - w + 1, h, w). Loops are fine, too.
    2. Subtract from each window *its own* mean: `mean(axis=(2, 3), keepdims=True)`.
    3. A window of one color has length 0, up to rounding. Divide only where max > min.
    """
    ### BEGIN SOLUTION
    windows = np.lib.stride_tricks.sliding_window_view(image, pattern.shape)
    plain = windows.max(axis=(2, 3)) == windows.min(axis=(2, 3))
    centered = windows - windows.mean(axis=(2, 3), keepdims=True)
    sought = pattern - pattern.mean()
    lengths = np.sqrt((centered**2).sum(axis=(2, 3)) * (sought**2).sum())
    products = np.einsum("yxhw,hw->yx", centered, sought)
    return np.where(plain, 0.0, products / np.where(plain, 1.0, lengths))
    ### END SOLUTION


# %% inputs="match"
rng = np.random.default_rng(6)
scene = rng.integers(0, 9, (5, 6)).astype(float)
corner = np.zeros((4, 4))
corner[1:3, 2] = 5.0
inputs = [
    Case("the example", (np.array([[1.0, 2.0, 2.0, 4.0]]), np.array([[10.0, 30.0]]))),
    Case("cut from the picture, darker", (scene, scene[1:4, 2:5] / 2 - 1)),
    Case("its negative", (scene, 9 - scene[2:4, 1:4])),
    Case("plain places", (corner, np.array([[1.0, 2.0], [1.0, 4.0]]))),
    Case("as large as the picture", (scene, scene[::-1].copy())),
]

# %% test="match" points=3
check("match", match)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for (h, w), (a, b), kinds in [
    ((4, 5), (2, 2), 2),
    ((6, 6), (3, 3), 1000),
    ((3, 9), (1, 4), 3),
    ((7, 4), (7, 2), 50),
]:
    scene = rng.integers(0, kinds, (h, w)).astype(float)
    sought = rng.normal(size=(a, b)) + 5
    expected = np.zeros((h - a + 1, w - b + 1))
    for i, j in np.ndindex(expected.shape):
        window = scene[i : i + a, j : j + b]
        if np.ptp(window) > 0:
            expected[i, j] = np.corrcoef(window.ravel(), sought.ravel())[0, 1]
    got = match(scene, sought)
    assert_close(got, expected, what=f"scores of a {a} x {b} pattern in {h} x {w}", atol=1e-9)
### END HIDDEN TESTS

# %% [markdown]
# The experiment: a window of 15 × 15 is cut out of the photograph of a flower, made darker and
# paler, and a little noise is added. Your function has to find where it was, twenty times.

# %%
# Given: how your function is tried out, once you have written it.


def found_in_photo(seed):
    """Whether your best match is the place that the pattern was cut from, twenty times."""
    rng, gray = np.random.default_rng(seed), flower()[::2, ::2].mean(axis=2) / 255
    hits = []
    for _ in range(20):
        i, j = int(rng.integers(10, 95)), int(rng.integers(35, 110))
        pattern = 0.4 * gray[i : i + 15, j : j + 15] + rng.normal(scale=0.005, size=(15, 15))
        scores = match(gray, pattern)
        hits.append(np.unravel_index(np.argmax(scores), scores.shape) == (i, j))
    return sum(map(bool, hits))


# %% test="match-photo" points=1
hits = found_in_photo(0)
assert hits >= 19, f"expected at least 19 of 20 places found, got {hits}"
print(f"{hits} of 20 places found")
### BEGIN HIDDEN TESTS
hits = found_in_photo(5)
assert hits >= 19, f"other places: expected at least 19 of 20 found, got {hits}"
### END HIDDEN TESTS


# %%
@picture
def _():
    gray = flower()[::2, ::2].mean(axis=2) / 255
    scores = match(gray, 0.4 * gray[40:55, 70:85])
    _, (axes,) = style.panels(1, 2, height=2.4)
    axes[0].imshow(gray, cmap="gray")
    axes[0].add_patch(plt.Rectangle((70, 40), 15, 15, fill=False, ec=style.ORANGE, lw=2))
    axes[1].imshow(scores, cmap=style.DIVERGING, vmin=-1, vmax=1)
    for ax in axes:
        ax.axis("off")


# %% [markdown] task="make_reader" minutes=15
# ## 7. A network that does not care where
#
# Build a network that gives the same answer wherever the digit stands on its canvas:
#
# 1. a convolution of 3 × 3 from 1 channel to `maps` maps, padded so that the sides stay; ReLU;
# 2. a convolution of 3 × 3 from `maps` to `2 * maps` maps, padded likewise; ReLU;
# 3. of each map its **largest** number, wherever it is;
# 4. a linear layer from these `2 * maps` numbers to `classes` logits.
#
# It must take canvases of any size.


# %% solution="make_reader"
def make_reader(maps, classes):
    """A network for digits that may stand anywhere.

    maps, classes : whole numbers.
    Returns an nn.Module; called with a tensor (N, 1, H, W), H and W at least 1, it returns logits
    (N, classes). All convolutions and the linear layer have a bias.

    Example: make_reader(8, 10) has 8 * 9 + 8 + 16 * 72 + 16 + 10 * 16 + 10 = 1418 parameters.

    Hints
    1. `nn.Sequential` of `nn.Conv2d(..., padding=1)`, `nn.ReLU()` and so on is enough.
    2. `nn.AdaptiveMaxPool2d(1)` takes the largest number of each map of any size; `nn.Flatten()`
       makes (N, C) of (N, C, 1, 1). Or write a class with `forward` and use `.amax((2, 3))`.
    3. Logits are the plain outputs of the linear layer: no softmax.
    """
    ### BEGIN SOLUTION
    return nn.Sequential(
        nn.Conv2d(1, maps, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(maps, 2 * maps, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * maps, classes),
    )
    ### END SOLUTION


# %%
# Given: how your function is tried out, once you have written it.


def try_reader(maps, classes, x, weights):
    """The logits of your network with these weights, given by shape, and its parameters."""
    net = make_reader(maps, classes).double()
    given = {tuple(w.shape): torch.as_tensor(w) for w in weights}
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(given.get(tuple(p.shape), torch.zeros(())))
        return {
            "parameters": sum(p.numel() for p in net.parameters()),
            "logits": net(torch.as_tensor(x)).numpy(),
        }


def on_strips(x, first, seed):
    """Digits (N, 64) on strips of 8 x 22, their left edges at first to first + 2."""
    strips, rng = np.zeros((len(x), 1, 8, 22)), np.random.default_rng(seed)
    for canvas, digit, at in zip(strips, x, first + rng.integers(0, 3, len(x)), strict=True):
        canvas[0, :, at : at + 8] = digit.reshape(8, 8)
    return torch.tensor(strips)


def left_and_right(split):
    """Trained on digits on the left: the share of new digits right on the left and on the right."""
    (x_train, y_train), (x_test, y_test) = digits(seed=split)
    torch.manual_seed(0)
    net = make_reader(10, 10).double()
    x, y = on_strips(x_train, 1, 0), torch.tensor(y_train)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.015)
    for rows in torch.cat([torch.randperm(len(x)) for _ in range(5)]).split(64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
    with torch.no_grad():
        called = [net(on_strips(x_test, first, 1)).argmax(1).numpy() for first in (1, 11)]
    return [float(np.mean(labels == y_test)) for labels in called]


# %% inputs="make_reader"
rng = np.random.default_rng(7)


def reader_case(name, maps, classes, *size):
    """Pictures, and weights for a network of this size."""
    shapes = [(maps, 1, 3, 3), (maps,), (2 * maps, maps, 3, 3), (2 * maps,)]
    shapes += [(classes, 2 * maps), (classes,)]
    weights = [np.round(rng.normal(size=shape), 1) for shape in shapes]
    return Case(
        name, (maps, classes, np.round(rng.normal(size=(*size[:1], 1, *size[1:])), 1), weights)
    )


inputs = [
    reader_case("three pictures", 2, 3, 3, 6, 5),
    reader_case("a wide one", 3, 5, 1, 4, 12),
    reader_case("a single pixel", 2, 3, 1, 1, 1),
    reader_case("ten classes", 4, 10, 2, 8, 8),
]

# %% test="make_reader" points=3
check("make_reader", try_reader)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for maps, classes, n, h, w in [
    (2, 3, 4, 7, 6),
    (5, 11, 1, 3, 15),
    (3, 4, 2, 1, 1),
    (4, 7, 3, 2, 9),
]:
    shapes = [(maps, 1, 3, 3), (maps,), (2 * maps, maps, 3, 3), (2 * maps,)]
    shapes += [(classes, 2 * maps), (classes,)]
    weights = [rng.normal(size=shape) for shape in shapes]
    x = rng.normal(size=(n, 1, h, w))
    got = try_reader(maps, classes, x, weights)
    a, b, c, d, e, f = map(torch.tensor, weights)
    hidden = nn.functional.conv2d(torch.tensor(x), a, b, padding=1).relu()
    hidden = nn.functional.conv2d(hidden, c, d, padding=1).relu()
    expected = (hidden.flatten(2).max(2).values @ e.T + f).numpy()
    case = f"{maps} maps, {n} pictures of {h} x {w}"
    assert_close(int(got["parameters"]), sum(v.size for v in weights), what=f"parameters, {case}")
    assert_close(got["logits"], expected, what=f"logits, {case}")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: your network learns digits that stand on the left of a strip, and is then shown
# new digits on the left and on the right. A dense network is right on the left and guesses on the
# right.

# %% test="make_reader-digits" points=1
left, right = left_and_right(0)
assert left > 0.8, f"expected more than 80 % right on the left, got {left:.1%}"
assert right > left - 0.03, f"expected as many on the right as on the left, got {right:.1%}"
print(f"on the left {left:.1%}, on the right {right:.1%}")
### BEGIN HIDDEN TESTS
left, right = left_and_right(3)
assert left > 0.8, f"another split: expected more than 80 % right on the left, got {left:.1%}"
assert right > left - 0.03, f"another split: expected as many on the right, got {right:.1%}"
### END HIDDEN TESTS

# %% [markdown]
# ## 8. Advice for a colleague
#
# A colleague wants to find scratches on photographs of car doors, 1,000 × 1,000 pixels. A scratch
# is up to 60 pixels long and may lie anywhere, in any direction. There are 2,000 photographs, all
# taken with the scratch near the middle and running from left to right. She has planned a dense
# layer of 500 units on all pixels of a gray picture, then two more layers. "Or three convolutions
# of 3 × 3, stride 1, then max pooling of 2 × 2. Max pooling makes it invariant to shifts and
# rotation, so I need no other pictures."
#
# Advise her in about 150 words:
#
# - What is wrong with the dense layer? Count its weights.
# - Can a number of the third map see a whole scratch? How would you change the stack?
# - What does the pooling promise about scratches elsewhere, and in other directions? What would you
#   do about it?

# %% [markdown] manual="scratches" points=3 minutes=15
# The dense layer has 1,000,000 × 500 = 500 million weights, for 2,000 pictures. Each place of the
# picture has weights of its own: having seen scratches in the middle only, it knows nothing about
# scratches in the corner. A convolution has a few hundred weights and uses them everywhere.
#
# Three layers of 3 × 3 see 7 × 7 pixels, a scratch is 60 long. Strides, or pooling between the
# layers, or dilations that double widen this: 3 × 3 with dilations 1, 2, 4, 8 and 16 see 63.
#
# Convolution moves the map when the scratch moves; taking the maximum over all places at the end
# makes the answer nearly independent of the place. Pooling of 2 × 2 alone forgives a shift by a
# pixel, no more. It promises nothing about rotation. I would turn and mirror the training pictures
# (a turned scratch is a scratch), and above all get some real ones, for testing at least.
#
# **Rubric**
#
# - 1 point: 500 million weights (half for "too many" without a count), and that what is learned in
#   one place does not carry over to others.
# - 1 point: 7 pixels, too few; a change that reaches 60 (strides, pooling, dilation, more depth),
#   with a count that supports it. Half without a count.
# - 1 point: 2 × 2 pooling forgives about a pixel and no rotation; augmentation by turning, or
#   other pictures. Half for only one of these.
