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
#   title: Visualization
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
# # Visualization
#
# You have read the chapter. Now you build the instruments: a saliency map by hand, the guided
# ReLU, Grad-CAM, occlusion, a score that tells whether a map is any good, a fair direction for a
# walk through the weights, and Grad-CAM with a hook in PyTorch. With these you catch a network that
# cheats.
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
# - You need NumPy and, for the last task, PyTorch. Please do not import other libraries.
#
# Some cells draw a picture with your function. They wait until it works.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from autograder.checks import check, picture
from book import data, style

style.use()


# %% [markdown] task="saliency" minutes=15
# ## 1. Saliency by hand
#
# A network with one hidden layer gives each of $K$ classes a score:
#
# $$h = \max(0,\; W_1 x + b_1), \qquad y = W_2 h + b_2 .$$
#
# How much does $y_k$ move when a number of the input does? Return $|\partial y_k / \partial x|$ for
# each example of a batch. Two matrix products and a mask are enough.


# %% solution="saliency"
def saliency(x, w1, b1, w2, k):
    """The size of the gradient of score k at the input, for each example.

    x      : array (N, D), one example a row.
    w1, b1 : arrays (H, D) and (H,).
    w2     : array (K, H). (b2 is not needed. Why?)
    k      : the class, from 0 to K - 1.
    Returns an array (N, D), nowhere negative.

    Example: only the first hidden unit is on, its weight for class 0 is -2;

        saliency(np.array([[1.0, 1.0]]), np.array([[3.0, 0.0], [0.0, -1.0]]), np.zeros(2),
                 np.array([[-2.0, 5.0]]), 0)

    returns array([[6., 0.]]).

    Hints
    1. The gradient at h is the row w2[k], the same for all examples.
    2. A ReLU lets the gradient pass where its *input*, W1 x + b1, is above 0.
    3. Backwards through W1 means times W1, not its transpose: (N, H) @ (H, D).
    4. Take the absolute value at the very end.
    """
    ### BEGIN SOLUTION
    on = x @ w1.T + b1 > 0
    return np.abs((on * w2[k]) @ w1)
    ### END SOLUTION


# %% inputs="saliency"
# ruff: noqa: E402, because the cells of a notebook import what they need
from book.op import Case

rng = np.random.default_rng(0)


def network(n, d, h, k):
    """x, w1, b1 and w2 of a random network, and a class."""
    shapes = [(n, d), (h, d), (h,), (k, h)]
    return (*(rng.normal(size=shape).round(2) for shape in shapes), k - 1)


inputs = [
    Case(
        name="the example",
        args=(
            np.array([[1.0, 1.0]]),
            np.array([[3.0, 0.0], [0.0, -1.0]]),
            np.zeros(2),
            np.array([[-2.0, 5.0]]),
            0,
        ),
    ),
    Case("three examples", network(3, 2, 4, 2)),
    Case(
        name="paths that cancel",
        args=(
            np.array([[1.0, 2.0]]),
            np.array([[1.0, 1.0], [2.0, 0.0], [-1.0, 3.0]]),
            np.ones(3),
            np.array([[1.0, -1.0, 2.0]]),
            0,
        ),
    ),
    Case("as many units as inputs", network(2, 3, 3, 3)),
    Case("a bias that decides", (np.zeros((1, 2)), np.eye(2), np.array([0.5, -0.5]), np.eye(2), 0)),
]

# %% test="saliency" points=2
check("saliency", saliency)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, d, h, k in [(1, 1, 1, 1), (4, 3, 5, 2), (2, 6, 3, 4), (5, 4, 4, 4)]:
    x, w1, b1, w2 = (rng.normal(size=s) for s in [(n, d), (h, d), (h,), (k, h)])
    for chosen in range(k):
        slopes = np.empty((n, d))
        for j in range(d):
            step = 1e-7 * np.eye(d)[j]
            up, down = (
                (np.maximum((x + s) @ w1.T + b1, 0) @ w2.T)[:, chosen] for s in (step, -step)
            )
            slopes[:, j] = np.abs(up - down) / 2e-7
        got = np.asarray(saliency(x, w1, b1, w2, chosen))
        what = f"saliency of class {chosen} of {k}, {n} examples"
        assert_close(got.shape, (n, d), what=f"shape of the {what}")
        assert np.allclose(got, slopes, atol=1e-5), f"{what}: not the slope of the score"
### END HIDDEN TESTS

# %% [markdown] task="guided_relu" minutes=10
# ## 2. The guided ReLU
#
# Guided backpropagation changes one rule. Where an ordinary backward pass asks *was the input of
# the ReLU positive?*, it asks in addition *is the gradient that comes back positive?*
#
# $$g_{\text{in}} = [\,x > 0\,]\; \max(0,\, g_{\text{out}}) .$$


# %% solution="guided_relu"
def guided_relu(grad_output, x):
    """The gradient that guided backpropagation passes on through y = max(0, x).

    grad_output : array, the gradient at the output y.
    x           : array of the same shape, the input of the ReLU.
    Returns an array of that shape.

    Example

        guided_relu(np.array([2.0, -3.0, 4.0]), np.array([1.0, 1.0, -1.0]))

    returns array([2., 0., 0.]).

    Hints
    1. Two conditions, both must hold.
    2. Where both hold the gradient passes with its value, not as 1.
    """
    ### BEGIN SOLUTION
    return np.where((x > 0) & (grad_output > 0), grad_output, 0.0)
    ### END SOLUTION


# %% inputs="guided_relu"
rng = np.random.default_rng(1)
inputs = [
    Case("the example", (np.array([2.0, -3.0, 4.0]), np.array([1.0, 1.0, -1.0]))),
    Case("an input of exactly 0", (np.array([1.5, -1.0]), np.array([0.0, 0.0]))),
    Case("two maps", (rng.normal(size=(2, 3, 3)).round(1), rng.normal(size=(2, 3, 3)).round(1))),
]

# %% test="guided_relu" points=1
check("guided_relu", guided_relu)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for shape in [(1,), (7,), (3, 4), (2, 3, 4, 4)]:
    g, x = rng.normal(size=(2, *shape)).round(1)
    g.flat[0], x.flat[0] = 1.0, 0.0
    expected = [b if a > 0 and b > 0 else 0.0 for a, b in zip(x.ravel(), g.ravel(), strict=True)]
    got = np.asarray(guided_relu(g, x))
    assert_close(got, np.array(expected).reshape(shape), what=f"guided gradient, {shape}")
### END HIDDEN TESTS

# %% [markdown] task="grad_cam" minutes=15
# ## 3. Grad-CAM
#
# Somebody has run the network forward and back for you: you have the maps $A_c$ of a layer and the
# gradients $\partial s / \partial A_c$ of the score at these maps. Grad-CAM is the rest:
#
# $$a_c = \operatorname*{mean}_{i,j} \frac{\partial s}{\partial A_{cij}}, \qquad
# M = \max\Bigl(0,\; \sum_c a_c A_c\Bigr) .$$


# %% solution="grad_cam"
def grad_cam(maps, gradients):
    """The heat maps of a batch.

    maps, gradients : arrays (N, C, H, W).
    Returns an array (N, H, W), nowhere negative.

    Example: one example, two maps of one row; the weights are 1 and -1;

        grad_cam(np.array([[[[2.0, 0.0]], [[1.0, 3.0]]]]),
                 np.array([[[[1.0, 1.0]], [[-2.0, 0.0]]]]))

    returns array([[[1., 0.]]]).

    Hints
    1. One weight for each example and map: an array (N, C), the mean over the last two axes.
    2. Put two axes behind it, [:, :, None, None], multiply, and sum over axis 1.
    3. The ReLU comes last, after the sum over the maps.
    """
    ### BEGIN SOLUTION
    weights = gradients.mean(axis=(2, 3), keepdims=True)
    return np.maximum((weights * maps).sum(axis=1), 0.0)
    ### END SOLUTION


# %% inputs="grad_cam"
rng = np.random.default_rng(2)


def layer(*shape):
    """Maps behind a ReLU, and gradients."""
    maps, gradients = rng.normal(size=(2, *shape)).round(2)
    return np.maximum(maps, 0), gradients


inputs = [
    Case(
        name="the example",
        args=(
            np.array([[[[2.0, 0.0]], [[1.0, 3.0]]]]),
            np.array([[[[1.0, 1.0]], [[-2.0, 0.0]]]]),
        ),
    ),
    Case("two examples", layer(2, 3, 2, 4)),
    Case("one place", layer(1, 4, 1, 1)),
    Case("all sides equal", layer(3, 3, 3, 3)),
]

# %% test="grad_cam" points=2
check("grad_cam", grad_cam)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, c, h, w in [(1, 1, 1, 1), (2, 5, 3, 4), (4, 4, 4, 4), (3, 2, 1, 6)]:
    maps, gradients = rng.normal(size=(2, n, c, h, w))
    expected = np.zeros((n, h, w))
    for i in range(n):
        for j in range(c):
            expected[i] += maps[i, j] * gradients[i, j].sum() / (h * w)
        expected[i] *= expected[i] > 0
    assert_close(np.asarray(grad_cam(maps, gradients)), expected, what=f"map of {(n, c, h, w)}")
### END HIDDEN TESTS

# %% [markdown] task="occlusion_map" minutes=15
# ## 4. Cover it and see
#
# A square window slides over a picture. Each time it is filled with one gray value, the score is
# computed again, and its **fall** (score before minus score after) is noted for every pixel that
# was covered. A pixel's value in the map is the mean over the windows that covered it.
#
# The score is given: how well the picture matches a template. Windows start at 0, `stride`, 2
# `stride`, … in both directions, as long as the window lies wholly inside. Pixels that no window
# covers get 0.


# %%
def score(picture, template):
    """How well a picture matches a template: never below 0."""
    return max(0.0, float((picture * template).sum()))


# %% solution="occlusion_map"
def occlusion_map(picture, template, size, stride, fill=0.0):
    """How far the score falls when a pixel's surroundings are covered.

    picture, template : arrays (H, W); score(picture, template) is the score.
    size, stride      : side of the window, and steps between windows.
    fill              : the value that covers.
    Returns an array (H, W). The picture must not be changed.

    Example

        occlusion_map(np.array([[1.0, 2.0, 4.0]]), np.ones((1, 3)), 1, 2)

    returns array([[1., 0., 4.]]): the windows start at columns 0 and 2.

    Hints
    1. `range(0, H - size + 1, stride)` gives the first rows of all windows inside.
    2. Cover a copy: `covered = picture.copy()`.
    3. Keep two arrays: the sum of the falls, and how often each pixel was covered.
    4. `np.maximum(count, 1)` avoids the division by zero.
    """
    ### BEGIN SOLUTION
    before = score(picture, template)
    total, count = np.zeros(picture.shape), np.zeros(picture.shape)
    for row in range(0, picture.shape[0] - size + 1, stride):
        for column in range(0, picture.shape[1] - size + 1, stride):
            window = slice(row, row + size), slice(column, column + size)
            covered = picture.copy()
            covered[window] = fill
            total[window] += before - score(covered, template)
            count[window] += 1
    return total / np.maximum(count, 1)
    ### END SOLUTION


# %% inputs="occlusion_map"
rng = np.random.default_rng(3)


def scene(name, rows, columns, *more):
    """A random picture and template."""
    return Case(name, (*rng.normal(size=(2, rows, columns)).round(1) + 0.3, *more))


inputs = [
    Case("the example", (np.array([[1.0, 2.0, 4.0]]), np.ones((1, 3)), 1, 2)),
    scene("windows that overlap", 4, 5, 2, 1),
    scene("a gray cover", 5, 4, 2, 2, 0.5),
    scene("a rest that is never covered", 5, 5, 3, 3),
]

# %% test="occlusion_map" points=3
check("occlusion_map", occlusion_map)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for rows, columns, size, stride in [(1, 1, 1, 1), (6, 5, 2, 1), (5, 8, 3, 2), (7, 7, 4, 4)]:
    for fill in (0.0, -0.7):
        photo, template = rng.normal(size=(2, rows, columns)) + 0.2
        kept, falls = photo.copy(), [[[] for _ in range(columns)] for _ in range(rows)]
        for top in range(0, rows - size + 1, stride):
            for left in range(0, columns - size + 1, stride):
                inside = np.zeros((rows, columns), bool)
                inside[top : top + size, left : left + size] = True
                after = max(0.0, float((np.where(inside, fill, photo) * template).sum()))
                fall = max(0.0, float((photo * template).sum())) - after
                for i, j in zip(*np.nonzero(inside), strict=True):
                    falls[i][j].append(fall)
        expected = np.array([[sum(f) / len(f) if f else 0.0 for f in line] for line in falls])
        got = np.asarray(occlusion_map(photo, template, size, stride, fill))
        what = f"map of {rows} x {columns}, window {size}, stride {stride}"
        assert_close(got, expected, what=what)
        assert_close(photo, kept, what=f"the picture afterwards, {what}")
### END HIDDEN TESTS

# %% [markdown]
# A real digit, and as a template the mean of all threes minus the mean of all eights. Where is the
# three a three? (Red: covering it hurts. Blue: covering it helps.)


# %%
@picture
def _():
    (x, y), _ = data.digits()
    template = (x[y == 3].mean(axis=0) - x[y == 8].mean(axis=0)).reshape(8, 8)
    three = x[y == 3][1].reshape(8, 8)
    heat = occlusion_map(three, template, 2, 1)
    _, axes = plt.subplots(1, 3, figsize=(7, 2.4))
    largest = np.abs(heat).max()
    axes[0].imshow(three, cmap="gray")
    axes[1].imshow(template, cmap=style.DIVERGING)
    axes[2].imshow(heat, cmap=style.DIVERGING, vmin=-largest, vmax=largest)
    for ax, title in zip(axes, ("a three", "three minus eight", "occlusion"), strict=True):
        ax.set_title(title)
        ax.axis("off")


# %% [markdown] task="peak_inside" minutes=15
# ## 5. Is the map any good?
#
# A picture convinces; a number can be wrong, which is why we need one. Where the true place of the
# object is known as a box, the simplest score is: **in which share of the pictures does the peak of
# the map lie inside the box?**
#
# Maps are coarser than pictures. A map of $h \times w$ cells covers a picture of $H \times W$
# pixels, and cell $(i, j)$ has its middle at the pixel coordinates $\bigl((i + \tfrac12) H / h,\;
# (j + \tfrac12) W / w\bigr)$.


# %% solution="peak_inside"
def peak_inside(maps, boxes, height, width):
    """The share of maps whose highest cell has its middle inside the box.

    maps          : array (N, h, w), N >= 1; of equal highest cells the first counts, row by row.
    boxes         : array (N, 4) in pixels: top, left, bottom, right; the edges belong to the box.
    height, width : sides of the pictures in pixels.
    Returns a number from 0 to 1.

    Example: two cells side by side in a picture of 4 x 8; the right one is highest, its middle
    is at row 2, column 6;

        peak_inside(np.array([[[0.0, 1.0]]]), np.array([[0.0, 5.0, 4.0, 8.0]]), 4, 8)

    returns 1.0.

    Hints
    1. `maps.reshape(N, -1).argmax(axis=1)` numbers the cells row by row.
    2. `np.unravel_index(numbers, (h, w))` or `divmod(number, w)` gives row and column.
    3. Four comparisons, all must hold; then the mean.
    """
    ### BEGIN SOLUTION
    n, h, w = maps.shape
    i, j = np.divmod(maps.reshape(n, -1).argmax(axis=1), w)
    y, x = (i + 0.5) * height / h, (j + 0.5) * width / w
    top, left, bottom, right = boxes.T
    return float(np.mean((top <= y) & (y <= bottom) & (left <= x) & (x <= right)))
    ### END SOLUTION


# %% inputs="peak_inside"
rng = np.random.default_rng(4)
one = np.zeros((4, 3, 4))
one[range(4), [0, 1, 2, 2], [3, 0, 1, 3]] = 1.0
around = np.array([[0, 17, 4, 19], [4, 0, 7, 4], [8, 5, 12, 9], [0, 0, 4, 9]], dtype=float)
inputs = [
    Case(
        name="the example",
        args=(np.array([[[0.0, 1.0]]]), np.array([[0.0, 5.0, 4.0, 8.0]]), 4, 8),
    ),
    Case("three of four", (one, around, 12, 20)),
    Case("a corner of the cell is not its middle", (one[:1], np.array([[0.0, 15, 2, 17]]), 12, 20)),
    Case("negative maps", (one - 5.0, around, 12, 20)),
    Case("equal cells", (np.ones((1, 2, 2)), np.array([[0.0, 0.0, 2.0, 2.0]]), 4, 4)),
    Case("on the edge", (one[2:3], np.array([[10.0, 7.5, 12.0, 9.0]]), 12, 20)),
]

# %% test="peak_inside" points=2
check("peak_inside", peak_inside)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, h, w, height, width in [(1, 1, 1, 5, 7), (50, 4, 4, 16, 16), (80, 3, 5, 12, 30)]:
    maps = rng.integers(-9, 3, (n, h, w)).astype(float)
    first, second = np.sort(rng.uniform(0, 1, (2, n, 2)), axis=2)
    boxes = np.stack([first[:, 0], second[:, 0], first[:, 1], second[:, 1]], axis=1)
    boxes *= np.array([height, width, height, width])
    hits = 0
    for cells, (top, left, bottom, right) in zip(maps, boxes, strict=True):
        best = max(
            ((cells[i, j], -i, -j) for i in range(h) for j in range(w)),
        )
        y, x = (0.5 - best[1]) * height / h, (0.5 - best[2]) * width / w
        hits += top <= y <= bottom and left <= x <= right
    got = peak_inside(maps, boxes, height, width)
    assert_close(float(got), hits / n, what=f"share of {n} maps of {h} x {w}")
line = np.zeros((1, 1, 4))
line[0, 0, rng.integers(4)] = 1.0
middle = float(line[0, 0].argmax()) * 2 + 1
for left, right in ((middle, 8.0), (0.0, middle)):
    got = peak_inside(line, np.array([[0.0, left, 2.0, right]]), 2, 8)
    assert_close(float(got), 1.0, what="share, with a peak on the edge of the box")
### END HIDDEN TESTS

# %% [markdown] task="filter_direction" minutes=15
# ## 6. A fair step through the weights
#
# To draw the loss around trained weights one walks in a random direction. In it each filter must be
# as long as the trained filter that it is added to:
#
# $$d_f \leftarrow d_f\, \frac{\lVert w_f \rVert}{\lVert d_f \rVert}
# \quad \text{for each filter } f,$$
#
# where the first axis counts the filters, and the length is the root of the sum of all squares of
# a filter. Biases (arrays with one axis) do not move: their direction is 0. A filter of $d$ that
# is all zeros stays so.


# %% solution="filter_direction"
def filter_direction(weight, noise):
    """The random direction, filter by filter as long as the weights.

    weight, noise : arrays of one shape: (F, ...), or (F,) for a bias.
    Returns an array of that shape.

    Example

        filter_direction(np.array([[3.0, 4.0], [0.0, 1.0]]), np.array([[0.0, 2.0], [1.0, 0.0]]))

    returns array([[0., 5.], [1., 0.]]): the rows are as long as 5 and 1.

    Hints
    1. For a bias, return zeros first.
    2. Make a table of it: `noise.reshape(len(noise), -1)` has a row for each filter.
    3. `np.linalg.norm(table, axis=1)` gives the lengths; they need the shape (F, 1) to scale rows.
    """
    ### BEGIN SOLUTION
    if weight.ndim == 1:
        return np.zeros_like(noise)
    axes = tuple(range(1, weight.ndim))
    wanted, length = (np.sqrt((a**2).sum(axis=axes, keepdims=True)) for a in (weight, noise))
    return noise * wanted / np.where(length > 0, length, 1.0)
    ### END SOLUTION


# %% inputs="filter_direction"
rng = np.random.default_rng(5)
gaps = rng.normal(size=(3, 3)).round(1)
gaps[1] = 0.0
inputs = [
    Case(
        name="the example",
        args=(np.array([[3.0, 4.0], [0.0, 1.0]]), np.array([[0.0, 2.0], [1.0, 0.0]])),
    ),
    Case("filters of a convolution", tuple(rng.normal(size=(2, 3, 2, 2, 2)).round(1))),
    Case("a bias", (np.array([1.0, -2.0]), np.array([0.5, 0.5]))),
    Case("a filter of zeros in the noise", (rng.normal(size=(3, 3)).round(1), gaps)),
]

# %% test="filter_direction" points=2
check("filter_direction", filter_direction)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for shape in [(4,), (1, 1), (5, 3), (4, 4), (6, 2, 3, 3)]:
    weight, noise = rng.normal(size=(2, *shape)) * 3
    noise[-1] = 0.0
    got = np.asarray(filter_direction(weight, noise))
    assert_close(got.shape, shape, what="shape of the direction")
    for f in range(shape[0]):
        expected = 0.0 * noise[f]
        if len(shape) > 1 and np.any(noise[f]):
            size = np.linalg.norm(np.ravel(weight[f])) / np.linalg.norm(np.ravel(noise[f]))
            expected = noise[f] * size
        assert_close(got[f], expected, what=f"filter {f} of {shape}")
### END HIDDEN TESTS

# %% [markdown]
# What it is good for: a small ReLU network on real tumors, and the very same function written with
# one layer ten times as large and the next ten times as small. Along your direction both look
# alike; along plain noise they do not.


# %%
@picture
def _():
    (x, y), _ = data.breast_cancer()
    x, target = (x - x.mean(axis=0)) / x.std(axis=0), y[:, None] * 2.0 - 1.0
    rng = np.random.default_rng(0)
    w1, w2 = rng.normal(size=(16, 30)) / 8, np.zeros((1, 16))
    for _ in range(300):  # gradient descent on the squared error
        h = np.maximum(x @ w1.T, 0)
        error = (h @ w2.T - target) / len(x)
        w2, w1 = w2 - 0.1 * error.T @ h, w1 - 0.1 * ((error @ w2) * (h > 0)).T @ x
    d1, d2 = rng.normal(size=w1.shape), rng.normal(size=w2.shape)
    steps = np.linspace(-1, 1, 41)
    _, axes = plt.subplots(1, 2, figsize=(7, 2.6), sharey=True)
    for ax, fair in zip(axes, (True, False), strict=True):
        for size, name, line in ((1.0, "as trained", "-"), (10.0, "× 10 and ÷ 10", "--")):
            a, b = w1 * size, w2 / size
            e1, e2 = (filter_direction(a, d1), filter_direction(b, d2)) if fair else (d1, d2)
            losses = [
                np.mean((np.maximum(x @ (a + t * e1).T, 0) @ (b + t * e2).T - target) ** 2)
                for t in steps
            ]
            ax.semilogy(steps, losses, line, label=name)
        ax.set(title="filter-normalized" if fair else "plain noise", xlabel="step")
    axes[0].legend()


# %% [markdown] task="hooked_cam" minutes=20
# ## 7. Grad-CAM with a hook
#
# In PyTorch you need not take the network apart. A *forward hook* is a function that a layer calls
# with what it puts out. Write Grad-CAM for any network and any of its layers. Leave no trace:
#
# - the hook must be removed at the end;
# - no gradients may be left in the weights (`torch.autograd.grad` leaves none, `backward` does);
# - the mode of the network (training or evaluation) stays as it is.


# %% solution="hooked_cam"
def hooked_cam(model, layer, x, k):
    """Grad-CAM of class k at a layer, for each picture of a batch.

    model : an nn.Module; model(x) returns scores (N, K).
    layer : one of its modules, with output (N, C, H, W).
    x     : tensor (N, channels, rows, columns).
    k     : the class.
    Returns a tensor (N, H, W), nowhere negative, without gradient history.

    Hints
    1. `kept = []`, then `handle = layer.register_forward_hook(lambda m, i, o: kept.append(o))`.
       `append` returns None, and then the hook changes nothing.
    2. Run the model, take the sum of the scores of class k over the batch: pictures do not
       influence one another, so that the gradient of the sum holds each one's own.
    3. `torch.autograd.grad(total, kept[0])[0]` is the gradient at the maps.
    4. `handle.remove()`, and `.detach()` the result.
    """
    ### BEGIN SOLUTION
    kept = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    total = model(x)[:, k].sum()
    handle.remove()
    (gradient,) = torch.autograd.grad(total, kept[0])
    weights = gradient.mean((2, 3), keepdim=True)
    return (weights * kept[0]).sum(1).clamp(min=0).detach()
    ### END SOLUTION


# %%
# Given: how your function is tried out, once you have written it.


class Spread(nn.Module):
    """The average over all places."""

    def forward(self, input):
        return input.mean((2, 3))


class Mix(nn.Module):
    """Each output channel is a weighted sum of the input's: a convolution of 1 x 1."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight.clone())

    def forward(self, input):
        return torch.einsum("oc,nc...->no...", self.weight, input)


def build(first, second, last):
    """Mix the channels, tanh, mix again, ReLU, the average over places, scores."""
    return nn.Sequential(Mix(first), nn.Tanh(), Mix(second), nn.ReLU(), Spread(), Mix(last))


def try_hooked_cam(first, second, last, x, layer, k, training):
    """Your function on a network with these weights: the map, and the traces that it leaves."""
    net = build(first, second, last).train(training)
    found = hooked_cam(net, net[layer], x, k)
    return {
        "map": found.detach().double(),
        "has a gradient history": found.requires_grad,
        "hooks that are left": sum(len(module._forward_hooks) for module in net.modules()),
        "weights with a gradient": sum(weight.grad is not None for weight in net.parameters()),
        "in training mode afterwards": net.training,
    }


def catch_the_cheat(x, y, x_new, k, steps):
    """A network learns x, y; your maps of class k for x_new, and its scores."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        Spread(),
        nn.Linear(8, 3),
    ).double()
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for step in range(steps):
        rows = torch.arange(48) + 48 * (step % (len(x) // 48))
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
    maps = hooked_cam(net, net[3], torch.as_tensor(x_new), k)
    with torch.no_grad():
        return maps.detach().numpy(), net(torch.as_tensor(x_new)).numpy()


# %% inputs="hooked_cam"
rng = np.random.default_rng(6)


def trial(name, channels, maps, classes, layer, k, training=False, count=2):
    """Random weights and pictures, and how to call it."""
    shapes = [(4, channels), (maps, 4), (classes, maps), (count, channels, 6, 5)]
    tensors = [torch.tensor(rng.normal(size=shape).round(2)) for shape in shapes]
    return Case(name, (*tensors, layer, k, training))


inputs = [
    trial("the last maps", 1, 3, 2, 3, 0),
    trial("an early layer", 2, 3, 3, 0, 2),
    trial("in training mode", 1, 5, 3, 3, 1, True),
    trial("one picture", 3, 2, 2, 1, 1, count=1),
]

# %% test="hooked_cam" points=4
check("hooked_cam", try_hooked_cam)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count, classes, k in [(1, 1, 0), (3, 4, 2), (5, 3, 1)]:
    shapes = [(2, 1), (5, 2), (classes, 5), (count, 1, 7, 6)]
    first, second, last, x = (torch.tensor(rng.normal(size=shape)) for shape in shapes)
    for training in (True, False):
        got = try_hooked_cam(first, second, last, x, 3, k, training)
        hidden = torch.tanh(torch.einsum("oc,nchw->nohw", first, x))
        maps = torch.relu(torch.einsum("oc,nchw->nohw", second, hidden))
        places = maps.shape[2] * maps.shape[3]
        expected = torch.relu(torch.einsum("c,nchw->nhw", last[k] / places, maps)).numpy()
        assert_close(np.asarray(got["map"]), expected, what=f"map of {count} pictures")
        assert not got["has a gradient history"], "the map still has a gradient history"
        assert_close(int(got["hooks that are left"]), 0, what="hooks that are left")
        assert_close(int(got["weights with a gradient"]), 0, what="weights with a gradient")
        assert_close(bool(got["in training mode afterwards"]), training, what="training mode")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: noisy pictures of nothing, a box or a cross. In one of two collections every cross
# has a bright mark in the corner. Both networks are right nearly always. Your maps for the class
# *cross* tell which one cheats.


# %%
@picture
def _():
    glyph = np.zeros((3, 5, 5))
    glyph[1, [0, -1]] = glyph[1, :, [0, -1]] = 1
    glyph[2, 2] = glyph[2, :, 2] = 1
    _, axes = plt.subplots(2, 4, figsize=(7, 3.6))
    for row, marked in zip(axes, (False, True), strict=True):
        rng = np.random.default_rng(0)
        y = np.arange(300) % 3
        x, place = 0.25 * rng.normal(size=(300, 1, 16, 16)), rng.integers(5, 11, (300, 2))
        for photo, kind, (top, left) in zip(x[:, 0], y, place, strict=True):
            photo[top : top + 5, left : left + 5] += glyph[kind]
            if kind == 2 and marked:
                photo[1:4, 1:4] += 2.0
        new = np.flatnonzero(y[240:] == 2)[:2] + 240
        maps, scores = catch_the_cheat(x[:240], y[:240], x[new], 2, 150)
        for ax, photo in zip(row[::2], x[new, 0], strict=True):
            ax.imshow(photo, cmap="gray")
            ax.set_title("marked" if marked else "clean")
        for ax, heat, score in zip(row[1::2], maps, scores, strict=True):
            ax.imshow(heat)
            ax.set_title(f"says {('nothing', 'box', 'cross')[score.argmax()]}")
        for ax in row:
            ax.axis("off")


# %% [markdown]
# ## 8. Would you sign this?
#
# A start-up sells a network that finds pneumonia on X-rays, 93 % accuracy. Its paper shows, as
# evidence, ten chosen guided-backpropagation maps: sharp outlines of ribs and lungs, "so the
# network looks at the lungs". Your own Grad-CAM maps of 200 pictures have their peak on the metal
# label in the corner for 140 of them. Their engineer replies that your maps must be wrong, since
# you took class 1 and *pneumonia* is "number 1 or 0, depending on the library".
#
# Write about 150 words to the hospital that asks you:
#
# - What do the guided maps prove, and which check would show it?
# - What do your maps suggest, and which experiment on the pictures would settle it?
# - What do you answer to the engineer, and how do you make sure?

# %% [markdown] manual="sign" points=3 minutes=15
# Guided backpropagation draws the outlines of the picture even for a network with random weights.
# The sanity check is to randomize the layers from the top down: if the maps stay about the same,
# they say nothing about what was learned. Ten chosen pictures are no evidence in any case.
#
# My peaks suggest that the network reads the label, which tells the hospital or the ward a
# picture comes from. A map is a hint; an experiment settles it: cover the label (and, for
# comparison, an equally large part elsewhere), or swap labels between ill and healthy pictures,
# and see whether the answer changes. Then test on pictures from a hospital that was not in the
# training data.
#
# The engineer's point is fair: counting from 0 or from 1 changes which class is explained (the
# boxer is 242 or 243). I look the name up in the list that belongs to this network, and check it on
# pictures with a known answer. With two classes and one softmax, the map for the other class would
# not move a peak from the lung to the label anyway.
#
# **Rubric**
#
# - 1 point: guided maps show the picture rather than the network; names the randomization check.
#   Half if only one of the two.
# - 1 point: the label as a cheat; an experiment on the input (cover, swap, new hospital). Half
#   for a suspicion without an experiment.
# - 1 point: takes the numbering seriously and checks it by name or by known pictures. Half for
#   dismissing it with an argument.
