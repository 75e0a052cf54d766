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
#   title: Detection
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
# ---

# %% [markdown]
# # Detection
#
# You have read the chapter. Now you build a detector's parts: you measure how much boxes agree,
# sweep away what was said twice, write and read the language of YOLO's grid, and give marks. At
# the end two dozen boxes find two dozen Greek coins by gradient descent.
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
# - A box is (x1, y1, x2, y2), with x to the right and y down, unless a task says otherwise.
#
# Some cells draw a picture with your functions. They wait until these work.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from autograder.checks import check, picture
from book import style
from book.data import photograph

style.use()


# %% [markdown] task="pairwise_iou" minutes=10
# ## 1. How much do boxes agree?
#
# Intersection over union, for each box of one list with each of another:
#
# $$\mathrm{IoU}(A, B) = \frac{|A \cap B|}{|A| + |B| - |A \cap B|} .$$


# %% solution="pairwise_iou"
def pairwise_iou(boxes1, boxes2):
    """Intersection over union of all pairs.

    boxes1 : array (N, 4), corners (x1, y1, x2, y2), each with x1 < x2 and y1 < y2.
    boxes2 : array (M, 4).
    Returns an array (N, M) of numbers from 0 to 1. N and M may be 0.

    Example: two squares of side 2, shifted by 1 to the right; they share 2 of 6;

        pairwise_iou(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2]]))

    returns array([[0.3333...]]).

    Hints
    1. The intersection is a box too: its left edge is the larger of the two left edges, its right
       edge the smaller of the two right ones.
    2. Where boxes do not meet, its width or height comes out negative. What should it be?
    3. All pairs at once: `boxes1[:, None]` has the shape (N, 1, 4), `boxes2[None]` (1, M, 4).
    """
    ### BEGIN SOLUTION
    a, b = boxes1[:, None], boxes2[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    inter = np.prod(np.maximum(sides, 0), axis=-1)
    area_a, area_b = (np.prod(c[..., 2:] - c[..., :2], axis=-1) for c in (a, b))
    return inter / (area_a + area_b - inter)
    ### END SOLUTION


# %% inputs="pairwise_iou"
# ruff: noqa: E402, because the cells of a notebook import what they need
from book.op import Case

nested = np.array([[0.0, 0.0, 8.0, 8.0], [2.0, 2.0, 4.0, 6.0]])
inputs = [
    Case("the example", (np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 2.0]]))),
    Case("one inside the other", (nested, nested)),
    Case("apart in both directions", (nested[:1], np.array([[10.0, 11.0, 13.0, 15.0]]))),
    Case("an edge in common", (nested[:1], np.array([[8.0, 0.0, 12.0, 8.0]]))),
    Case("three and two", (np.array([[0.0, 0.0, 4.0, 3.0], [1.0, 1.0, 6.0, 4.0],
                                     [5.0, 0.0, 9.0, 2.0]]), nested)),
]  # fmt: skip

# %% test="pairwise_iou" points=2
check("pairwise_iou", pairwise_iou)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()


def whole_boxes(count):
    first = rng.integers(0, 20, (count, 2))
    return np.concatenate([first, first + rng.integers(1, 15, (count, 2))], axis=1).astype(float)


for n, m in [(1, 1), (7, 5), (5, 7), (30, 30), (0, 3), (4, 0)]:
    one, two = whole_boxes(n), whole_boxes(m)
    expected = np.zeros((n, m))
    for i, j in np.ndindex(n, m):  # by counting pixels
        canvas = np.zeros((2, 40, 40), dtype=bool)
        for layer, (x1, y1, x2, y2) in zip(canvas, (one[i], two[j]), strict=True):
            layer[int(y1) : int(y2), int(x1) : int(x2)] = True
        expected[i, j] = canvas.all(axis=0).sum() / canvas.any(axis=0).sum()
    got = pairwise_iou(one, two)
    assert_close(np.shape(got), (n, m), what=f"shape for {n} and {m} boxes")
    assert_close(got, expected, what=f"IoU of {n} and {m} boxes")
### END HIDDEN TESTS

# %% [markdown] task="suppress" minutes=15
# ## 2. Sweep
#
# Greedy non-maximum suppression: keep the box with the best score, drop every box whose overlap
# with *it* is greater than the threshold, go on with the best of those that are left.
#
# So that this task does not need the first one, the overlaps are given.


# %% solution="suppress"
def suppress(overlap, scores, threshold):
    """Which boxes survive non-maximum suppression.

    overlap   : array (N, N), the IoU of each box with each; N may be 0.
    scores    : array (N,). Of equal scores the first box in the list comes first.
    threshold : a box goes if its IoU with a better survivor is **greater** than this.
    Returns an integer array (K,): the indices of the survivors, best first.

    Example: box 1 is best and drops box 0; box 2 is far from both;

        suppress(np.array([[1, 0.7, 0], [0.7, 1, 0], [0, 0, 1]]), np.array([0.8, 0.9, 0.3]), 0.5)

    returns array([1, 2]).

    Hints
    1. `np.argsort(-scores, kind="stable")` gives the order, best first.
    2. Walk through it and keep a list of survivors. A box survives if none of the survivors so far
       overlaps it by more than the threshold.
    3. A box that was dropped drops nobody.
    """
    ### BEGIN SOLUTION
    survivors = []
    for box in np.argsort(-scores, kind="stable"):
        if not (overlap[box, survivors] > threshold).any():
            survivors.append(box)
    return np.array(survivors, dtype=int)
    ### END SOLUTION


# %% inputs="suppress"
rng = np.random.default_rng(2)


def overlaps(*pairs, count):
    """A matrix of overlaps from (i, j, IoU)."""
    table = np.eye(count)
    for i, j, value in pairs:
        table[i, j] = table[j, i] = value
    return table


chain = overlaps((0, 1, 0.6), (1, 2, 0.6), (2, 3, 0.6), count=4)
random = np.triu(rng.integers(0, 8, (9, 9)) / 8, 1)
inputs = [
    Case("the example", (overlaps((0, 1, 0.7), count=3), np.array([0.8, 0.9, 0.3]), 0.5)),
    Case("two cars, each seen twice", (overlaps((0, 1, 0.8), (2, 3, 0.7), count=4),
                                       np.array([0.9, 0.8, 0.7, 0.6]), 0.5)),
    Case("a chain: each overlaps the next", (chain, np.array([0.9, 0.8, 0.7, 0.6]), 0.5)),
    Case("exactly the threshold", (overlaps((0, 1, 0.5), count=2), np.array([0.6, 0.9]), 0.5)),
    Case("equal scores", (overlaps((0, 2, 0.9), (1, 2, 0.9), count=3), np.ones(3), 0.5)),
    Case("nine boxes", (random + random.T + np.eye(9), rng.permutation(9) / 9, 0.6)),
]  # fmt: skip

# %% test="suppress" points=3
check("suppress", suppress)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count in [0, 1, 2, 12, 60]:
    for threshold in [0.0, 0.3, 0.75, 1.0]:
        table = np.triu(rng.integers(0, 9, (count, count)) / 8 * (rng.random((count, count)) < 0.4))
        table = np.maximum(table, table.T)
        np.fill_diagonal(table, 1.0)
        scores = rng.integers(0, 20, count) / 20
        left, expected = sorted(range(count), key=lambda k: (-scores[k], k)), []
        while left:
            best = left.pop(0)
            expected.append(best)
            left = [k for k in left if table[best, k] <= threshold]
        got = suppress(table, scores, threshold)
        case = f"{count} boxes, threshold {threshold}"
        assert_close(np.asarray(got).tolist(), expected, what=f"survivors, {case}")
### END HIDDEN TESTS

# %% [markdown]
# With your first two functions a detector of coins is nearly done. No network: the score of a
# window is how much brighter it is than a frame around it. Left, the hundred best windows; right,
# what your broom leaves of all windows that are bright enough.


# %%
# Given: a detector of bright things, for a gray picture.
def bright_windows(image, sides=(44, 54, 66), stride=6):
    """Square windows and how much brighter they are than the frame around them."""
    table = np.pad(image.astype(float) / 255, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    boxes, scores = [], []
    for side in sides:
        edge = side // 5
        for y in range(edge, image.shape[0] - side - edge, stride):
            for x in range(edge, image.shape[1] - side - edge, stride):
                sums = []
                for e in (0, edge):
                    y1, x1, y2, x2 = y - e, x - e, y + side + e, x + side + e
                    sums.append(table[y2, x2] - table[y1, x2] - table[y2, x1] + table[y1, x1])
                area, whole = side**2, (side + 2 * edge) ** 2
                boxes.append([x, y, x + side, y + side])
                scores.append(sums[0] / area - (sums[1] - sums[0]) / (whole - area))
    return np.array(boxes, dtype=float), np.array(scores)


@picture
def _():
    coins = photograph("coins")
    boxes, scores = bright_windows(coins)
    boxes, scores = boxes[scores > 0.16], scores[scores > 0.16]
    kept = suppress(pairwise_iou(boxes, boxes), scores, 0.1)
    _, ((left, right),) = style.panels(1, 2, 3.0)
    for ax, chosen in ((left, np.argsort(-scores)[:100]), (right, kept)):
        ax.imshow(coins, cmap="gray", interpolation="none")
        for x1, y1, x2, y2 in boxes[chosen]:
            ax.add_patch(plt.Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=style.ORANGE))
        ax.set(xticks=[], yticks=[], title=f"{len(chosen)} windows")
        ax.grid(False)


# %% [markdown] task="encode" minutes=15
# ## 3. Speak YOLO
#
# Lay a grid of $S \times S$ cells over the picture. The cell that holds the **center** of an object
# speaks for it: $(x, y, w, h, 1)$ and the class as one-hot. Here $x$ and $y$ say where *in the
# cell* the center is, from 0 to 1; $w$ and $h$ are shares of the *picture*. All other cells are 0.


# %% solution="encode"
def encode(boxes, labels, grid_size, num_classes):
    """The target of YOLO's grid for one picture.

    boxes       : array (M, 4), corners (x1, y1, x2, y2) as shares of the picture, from 0 to 1.
    labels      : integer array (M,), classes from 0 to C - 1. M may be 0.
    grid_size   : S.
    num_classes : C.
    Returns an array (S, S, 5 + C); the first axis is the row (y), the second the column (x). Where
    the centers of several objects lie in one cell, the **first** of the list stays.

    Example: one object in the middle of the upper right quarter, half as wide as the picture;

        encode(np.array([[0.5, 0.125, 1.0, 0.375]]), np.array([1]), 2, 2)

    returns zeros but for [0, 1], which is (0.5, 0.5, 0.5, 0.25, 1, 0, 1).

    Hints
    1. The center in units of cells is S times the mean of the corners. Its whole part is the cell,
       the rest is the place in the cell.
    2. The row comes from y, the column from x: `target[row, column]`.
    3. A loop over the objects is fine. Before you write, look whether the cell is taken.
    """
    ### BEGIN SOLUTION
    target = np.zeros((grid_size, grid_size, 5 + num_classes))
    for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True):
        x, y = grid_size * (x1 + x2) / 2, grid_size * (y1 + y2) / 2
        cell = target[int(y), int(x)]
        if cell[4] == 0:
            cell[:5] = x - int(x), y - int(y), x2 - x1, y2 - y1, 1.0
            cell[5 + label] = 1.0
    return target
    ### END SOLUTION


# %% inputs="encode"
inputs = [
    Case("the example", (np.array([[0.5, 0.125, 1.0, 0.375]]), np.array([1]), 2, 2)),
    Case("three objects", (np.array([[0.125, 0.25, 0.25, 0.75], [0.5, 0.5, 0.875, 0.625],
                                     [0.0, 0.0625, 0.25, 0.1875]]), np.array([0, 2, 1]), 4, 3)),
    Case("two in one cell", (np.array([[0.25, 0.25, 0.5, 0.5], [0.125, 0.125, 0.375, 0.5]]),
                             np.array([2, 0]), 2, 3)),
    Case("no object", (np.zeros((0, 4)), np.zeros(0, dtype=int), 3, 2)),
]  # fmt: skip

# %% test="encode" points=3
check("encode", encode)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for size, classes, count in [(1, 1, 1), (3, 5, 4), (7, 20, 9), (13, 3, 2), (2, 4, 8), (5, 2, 0)]:
    first = rng.uniform(0, 0.7, (count, 2))
    boxes = np.concatenate([first, first + rng.uniform(0.02, 0.3, (count, 2))], axis=1)
    labels = rng.integers(0, classes, count)
    got = np.asarray(encode(boxes, labels, size, classes))
    case = f"{count} objects, {size} x {size} cells, {classes} classes"
    assert_close(got.shape, (size, size, 5 + classes), what=f"shape, {case}")
    owner = {}
    for k, (x1, y1, x2, y2) in enumerate(boxes):
        owner.setdefault((int(size * (y1 + y2) / 2), int(size * (x1 + x2) / 2)), k)
    for row, column in np.ndindex(size, size):
        if (row, column) not in owner:
            assert_close(got[row, column], np.zeros(5 + classes), what=f"an empty cell, {case}")
            continue
        k = owner[row, column]
        center = (boxes[k, :2] + boxes[k, 2:]) / 2
        place = [center[0] * size - column, center[1] * size - row]
        numbers = [*place, *(boxes[k, 2:] - boxes[k, :2]), 1.0]
        assert_close(got[row, column, :5], np.array(numbers), what=f"five numbers, {case}")
        assert_close(got[row, column, 5:], np.eye(classes)[labels[k]], what=f"class, {case}")
### END HIDDEN TESTS

# %% [markdown] task="decode" minutes=15
# ## 4. Understand YOLO
#
# Now the other direction: the network puts out raw numbers $t$ for each cell and anchor, and you
# turn them into boxes. In row $i$ and column $j$, for the anchor $(a^w, a^h)$:
#
# $$x = \frac{j + \sigma(t_x)}{S}, \quad y = \frac{i + \sigma(t_y)}{S}, \quad w = a^w e^{t_w},
# \quad h = a^h e^{t_h}, \quad p = \sigma(t_o) .$$
#
# Here $(x, y)$ is the center of the box; $\sigma$ is the sigmoid.


# %% solution="decode"
def decode(raw, anchors):
    """Boxes and how sure the network is of each, for one picture.

    raw     : array (S, S, B, 5): for each row, column and anchor (tx, ty, tw, th, to).
    anchors : array (B, 2), width and height as shares of the picture.
    Returns (boxes, chance): an array (S * S * B, 4) of corners (x1, y1, x2, y2) as shares of the
    picture, which may stick out of it; and an array (S * S * B,). Row by row, in each row column by
    column, in each cell anchor by anchor.

    Example: decode(np.zeros((1, 1, 1, 5)), np.array([[0.5, 0.25]]))

    returns (array([[0.25, 0.375, 0.75, 0.625]]), array([0.5])).

    Hints
    1. `np.arange(S)` along the right axis gives all j, or all i. Shapes (1, S, 1) and (S, 1, 1)
       line up with (S, S, B).
    2. Anchors of shape (B,) line up with the last axis of (S, S, B) by themselves.
    3. Corners are center minus and plus *half* of the sides. `np.stack(..., axis=-1)` joins them.
    """
    ### BEGIN SOLUTION
    size = len(raw)
    place, steps = 1 / (1 + np.exp(-raw)), np.arange(size)
    x = (steps[None, :, None] + place[..., 0]) / size
    y = (steps[:, None, None] + place[..., 1]) / size
    w, h = anchors[:, 0] * np.exp(raw[..., 2]), anchors[:, 1] * np.exp(raw[..., 3])
    boxes = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=-1)
    return boxes.reshape(-1, 4), place[..., 4].ravel()
    ### END SOLUTION


# %% inputs="decode"
rng = np.random.default_rng(4)
inputs = [
    Case("the example", (np.zeros((1, 1, 1, 5)), np.array([[0.5, 0.25]]))),
    Case("zeros in a 2 x 2 grid", (np.zeros((2, 2, 1, 5)), np.array([[0.25, 0.5]]))),
    Case("one cell, two anchors", (rng.normal(size=(1, 1, 2, 5)),
                                   np.array([[0.5, 0.25], [0.25, 0.75]]))),
    Case("3 x 3 cells, two anchors", (rng.normal(size=(3, 3, 2, 5)),
                                      np.array([[0.5, 0.25], [0.25, 0.75]]))),
]  # fmt: skip

# %% test="decode" points=3
check("decode", decode)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for size, count in [(1, 1), (2, 3), (7, 2), (4, 5)]:
    raw, anchors = rng.normal(size=(size, size, count, 5)), rng.uniform(0.1, 0.9, (count, 2))
    boxes, chance = (np.asarray(part) for part in decode(raw, anchors))
    case = f"{size} x {size} cells, {count} anchors"
    assert_close(boxes.shape, (size * size * count, 4), what=f"shape of boxes, {case}")
    assert_close(chance.shape, (size * size * count,), what=f"shape of chance, {case}")
    for row, (i, j, b) in enumerate(np.ndindex(size, size, count)):
        tx, ty, tw, th, to = raw[i, j, b]
        x, y = (j + 1 / (1 + np.exp(-tx))) / size, (i + 1 / (1 + np.exp(-ty))) / size
        w, h = anchors[b] * np.exp([tw, th])
        expected = np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
        assert_close(boxes[row], expected, what=f"box of row {i}, column {j}, anchor {b}, {case}")
        assert_close(float(chance[row]), float(1 / (1 + np.exp(-to))), what=f"chance, {case}")
### END HIDDEN TESTS

# %% [markdown] task="match" minutes=15
# ## 5. Right or wrong?
#
# Before a detector gets a mark, each of its boxes must be called right or wrong. They come best
# first. Each looks at the objects that **nobody has taken yet** and picks the one that it overlaps
# most. If that overlap is at least the threshold, the box is right and the object is taken; if not,
# the box is wrong and nothing is taken.


# %% solution="match"
def match(overlap, threshold=0.5):
    """Which detections in one picture are right.

    overlap   : array (D, T), the IoU of each detection, best first, with each object. D and T may
                be 0.
    threshold : the least IoU that counts as found (an equal one does).
    Returns a bool array (D,).

    Example: both detections lie on the one object; the second is a double;

        match(np.array([[0.6], [0.9]]))

    returns array([ True, False]).

    Hints
    1. Keep a bool array `free` of the objects that are left.
    2. `np.where(free, overlap[d], -1)` hides those that are taken.
    3. Mind T = 0: `argmax` of nothing is an error.
    """
    ### BEGIN SOLUTION
    free = np.ones(overlap.shape[1], dtype=bool)
    right = np.zeros(len(overlap), dtype=bool)
    for d, row in enumerate(overlap):
        if free.any():
            best = np.argmax(np.where(free, row, -1.0))
            right[d] = row[best] >= threshold
            free[best] &= not right[d]
    return right
    ### END SOLUTION


# %% inputs="match"
rng = np.random.default_rng(5)
inputs = [
    Case("the example", (np.array([[0.6], [0.9]]),)),
    Case("the second takes what is left", (np.array([[0.9, 0.2], [0.8, 0.6]]),)),
    Case("a miss takes nothing", (np.array([[0.4], [0.7]]),)),
    Case("exactly the threshold", (np.array([[0.5, 0.0], [0.1, 0.25]]),)),
    Case("a stern judge", (np.array([[0.7, 0.1], [0.2, 0.8], [0.76, 0.3]]), 0.75)),
    Case("no objects", (np.zeros((3, 0)),)),
    Case("eight detections, five objects", (rng.permutation(40).reshape(8, 5) / 40, 0.6)),
]

# %% test="match" points=2
check("match", match)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for d, t in [(1, 1), (20, 6), (6, 20), (15, 15), (0, 4), (5, 0), (0, 0)]:
    for threshold in [0.3, 0.5, 0.9]:
        table = rng.permutation(d * t).reshape(d, t) / max(d * t, 1)
        free, expected = list(range(t)), []
        for row in table:
            best = max(free, key=lambda k: row[k], default=None)
            expected.append(best is not None and bool(row[best] >= threshold))
            if expected[-1]:
                free.remove(best)
        got = np.asarray(match(table, threshold)).tolist()
        assert_close(got, expected, what=f"{d} detections, {t} objects, threshold {threshold}")
### END HIDDEN TESTS

# %% [markdown] task="average_precision" minutes=10
# ## 6. One mark for a ranked list
#
# After each detection, best first, there is a precision (right so far / all so far) and a recall
# (right so far / objects). Average precision is the area under the curve, made to fall first: at
# each recall counts the best precision at this recall **or a higher one**.


# %% solution="average_precision"
def average_precision(correct, num_objects):
    """The exact area under the falling curve of precision over recall.

    correct     : bool array (N,), best detection first; N may be 0.
    num_objects : how many objects there are, at least 1 and at least as many as are found.
    Returns a number from 0 to 1.

    Example: right, wrong, right, of 4 objects: precision 1, 1/2, 2/3 at recall 1/4, 1/4, 2/4;

        average_precision(np.array([True, False, True]), 4)

    returns 1/4 * 1 + 1/4 * 2/3 = 0.41666...: the other half of the objects is never found.

    Hints
    1. `np.cumsum(correct)` counts what is right so far.
    2. A curve is made to fall by a running maximum *from the right*:
       `np.maximum.accumulate(values[::-1])[::-1]`.
    3. Recall grows by 1 / num_objects at each right detection, and nowhere else.
    """
    ### BEGIN SOLUTION
    precision = np.cumsum(correct) / np.arange(1, len(correct) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return falling[correct].sum() / num_objects
    ### END SOLUTION


# %% inputs="average_precision"
rng = np.random.default_rng(6)
inputs = [
    Case("the example", (np.array([True, False, True]), 4)),
    Case("a bad start", (np.array([False, False, True, True, True]), 3)),
    Case("perfect", (np.array([True, True]), 2)),
    Case("nothing found", (np.array([False, False]), 2)),
    Case("thirty detections", (rng.random(30) < 0.4, 15)),
]

# %% test="average_precision" points=2
check("average_precision", average_precision)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count in [0, 1, 5, 40, 200]:
    for share in [0.1, 0.5, 0.9]:
        hits = rng.random(count) < share
        total = int(hits.sum()) + int(rng.integers(1, 9))
        points = [(hits[:k].sum() / total, hits[:k].sum() / k) for k in range(1, count + 1)]
        area = 0.0
        for step in range(total):  # recall from step / total to (step + 1) / total
            high = [p for r, p in points if r >= (step + 1) / total - 1e-9]
            area += max(high, default=0.0) / total
        got = float(average_precision(hits, total))
        assert_close(got, float(area), what=f"AP of {count} detections, {total} objects")
### END HIDDEN TESTS

# %% [markdown] task="GIoULoss" minutes=20
# ## 7. Boxes that learn
#
# A network can be trained on $1 - \mathrm{IoU}$, but where boxes do not touch there is no gradient.
# The generalized IoU has one everywhere: with $C$ the smallest box around both,
#
# $$\mathrm{GIoU} = \mathrm{IoU} - \frac{|C| - |A \cup B|}{|C|} .$$
#
# Write the loss $1 - \mathrm{GIoU}$ as a PyTorch module, row by row: the first box with the first
# target, the second with the second. It must work on any device and in any floating dtype, and
# gradients must flow.


# %% solution="GIoULoss"
class GIoULoss(nn.Module):
    """1 - GIoU of each box with its target.

    reduction : "none" returns one loss a box, "mean" their mean.

    Called with input and target, floating tensors (N, 4) of one dtype and device, corners
    (x1, y1, x2, y2), all with x1 < x2 and y1 < y2, it returns a tensor (N,) or (), of the same
    dtype and device, through which gradients flow.

    Example: unit squares with a gap of one: IoU 0, the box around both has an area of 3, and a
    third of it is empty;

        GIoULoss()(torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[2.0, 0, 3, 1]]))

    returns tensor(1.3333).

    Hints
    1. `torch.minimum`, `torch.maximum` and `.clamp(min=0)` do what their names say.
    2. For the box around both, take the smaller left and the larger right edges.
    3. Stay with tensors: `.item()`, `.numpy()` and `.detach()` cut the gradient.
    """

    def __init__(self, reduction="mean"):
        super().__init__()
        ### BEGIN SOLUTION
        self.reduction = reduction
        ### END SOLUTION

    def forward(self, input, target):
        ### BEGIN SOLUTION
        sides = torch.minimum(input[:, 2:], target[:, 2:])
        sides = sides - torch.maximum(input[:, :2], target[:, :2])
        inter = sides.clamp(min=0).prod(dim=1)
        union = sum((b[:, 2:] - b[:, :2]).prod(dim=1) for b in (input, target)) - inter
        hull = torch.maximum(input[:, 2:], target[:, 2:])
        hull = (hull - torch.minimum(input[:, :2], target[:, :2])).prod(dim=1)
        loss = 1 - inter / union + (hull - union) / hull
        return loss.mean() if self.reduction == "mean" else loss
        ### END SOLUTION


# %%
# Given: how your module is tried out, once you have written it.


def try_giou_loss(input, target, weight):
    """What your loss returns, and what flows back through it."""
    input = input.clone().requires_grad_()
    loss = GIoULoss("none")(input, target)
    if loss.requires_grad:
        (loss * weight).sum().backward()
    return {
        "loss": loss.detach(),
        "its mean": GIoULoss()(input, target).detach(),
        "gradient of the input": "none" if input.grad is None else input.grad,
    }


def move_onto(boxes, targets, steps=300):
    """Gradient descent on your loss, in centers and log sides; the boxes at the end."""
    boxes, targets = torch.tensor(boxes), torch.tensor(targets)
    center = ((boxes[:, :2] + boxes[:, 2:]) / 2).requires_grad_()
    sides = (boxes[:, 2:] - boxes[:, :2]).log().requires_grad_()
    groups = [{"params": [center], "lr": 3.0}, {"params": [sides], "lr": 0.05}]
    optimizer = torch.optim.Adam(groups, betas=(0.5, 0.9))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    for _ in range(steps):
        optimizer.zero_grad()
        half = sides.exp() / 2
        boxes = torch.cat([center - half, center + half], dim=1)
        GIoULoss("none")(boxes, targets).sum().backward()
        optimizer.step()
        schedule.step()
    half = sides.exp() / 2
    return torch.cat([center - half, center + half], dim=1).detach().numpy()


# The coins in the photograph, row by row.
COINS = np.array([
    [22, 35, 67, 74], [81, 39, 120, 74], [132, 29, 179, 74], [192, 30, 240, 73],
    [255, 34, 297, 72], [305, 16, 365, 72], [25, 104, 67, 145], [84, 107, 122, 145],
    [134, 110, 174, 145], [186, 105, 227, 144], [245, 96, 296, 144], [317, 105, 356, 145],
    [25, 179, 63, 217], [80, 175, 124, 217], [135, 179, 174, 217], [189, 170, 237, 217],
    [251, 172, 297, 216], [315, 156, 380, 217], [18, 233, 75, 288], [92, 245, 136, 287],
    [144, 236, 201, 288], [220, 240, 269, 288], [276, 240, 326, 288], [336, 248, 381, 289],
], dtype=float)  # fmt: skip


# %% inputs="GIoULoss"
rng = np.random.default_rng(7)


def tensors(name, dtype, first, second):
    """Boxes, their targets, and a weight for each loss."""
    weight = rng.uniform(0.5, 2.0, len(first))
    arrays = np.array(first, dtype=float), np.array(second, dtype=float), np.round(weight, 2)
    return Case(name, tuple(torch.tensor(array, dtype=dtype) for array in arrays))


inputs = [
    tensors("a gap of one", torch.float64, [[0, 0, 1, 1]], [[2, 0.25, 3, 1.5]]),
    tensors("overlapping", torch.float64, [[0, 0, 4, 3], [1, 1, 5, 6]],
            [[1, 1, 6, 4], [0, 2, 3, 7]]),
    tensors("one inside the other", torch.float64, [[0, 0, 8, 8]], [[2, 3, 4, 6]]),
    tensors("apart in both directions", torch.float64, [[0, 0, 2, 1]], [[5, 4, 6, 7]]),
    tensors("float32", torch.float32, [[0, 0, 4, 3], [0, 0, 2, 1]], [[1, 1, 6, 4], [5, 4, 6, 7]]),
]  # fmt: skip

# %% test="GIoULoss" points=2
check("GIoULoss", try_giou_loss)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count in [1, 6, 40, 0]:
    for dtype in [torch.float64, torch.float32]:
        first, second = (
            np.concatenate([low, low + rng.uniform(0.5, 4, (count, 2))], axis=1)
            for low in rng.uniform(0, 6, (2, count, 2))
        )
        weight = rng.uniform(0.5, 2, count)
        a, b, w = (torch.tensor(array, dtype=dtype) for array in (first, second, weight))
        got = try_giou_loss(a, b, w)
        expected, slopes = [], np.zeros((count, 4))

        def loss_of(box, goal):
            x1, y1, x2, y2 = box
            u1, v1, u2, v2 = goal
            inter = max(min(x2, u2) - max(x1, u1), 0) * max(min(y2, v2) - max(y1, v1), 0)
            union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - inter
            hull = (max(x2, u2) - min(x1, u1)) * (max(y2, v2) - min(y1, v1))
            return 1 - inter / union + (hull - union) / hull

        for n in range(count):
            box, goal = a[n].double().tolist(), b[n].double().tolist()
            expected.append(loss_of(box, goal))
            for k in range(4):
                up, down = list(box), list(box)
                up[k] += 1e-6
                down[k] -= 1e-6
                slopes[n, k] = weight[n] * (loss_of(up, goal) - loss_of(down, goal)) / 2e-6
        case = f"{count} boxes, {dtype}"
        expected = torch.tensor(np.array(expected), dtype=dtype)
        assert_close(got["loss"], expected, what=f"loss, {case}")
        if count:
            assert_close(got["its mean"], expected.mean(), what=f"mean loss, {case}")
        slope = np.asarray(got["gradient of the input"].double())
        error = np.abs(slope - slopes).max(initial=0.0)
        assert error < 1e-4, f"{case}: the gradient is off by {error:.2g}"
# The meta device has shapes but no numbers, and every machine has it: a stand-in for a GPU.
empty = torch.empty(3, 4, device="meta")
assert_close(str(GIoULoss()(empty, empty).device), "meta", what="device of the loss")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: 24 equal boxes start in the middle of a photograph, where at most a few touch
# their coin. Your loss is all they know.

# %% test="GIoULoss-coins" points=1
start = np.tile([182.0, 141.0, 202.0, 161.0], (24, 1))
found = np.asarray(move_onto(start, COINS))
apart = np.abs(found - COINS).max()
assert apart < 2.0, (
    f"expected each edge within 2 pixels of its coin, the worst is off by {apart:.1f}"
)
print(f"24 boxes found 24 coins; the worst edge is {apart:.2f} pixels off.")
### BEGIN HIDDEN TESTS
goals = COINS[::-1] + np.array([3.0, -2.0, 3.0, -2.0])
found = np.asarray(move_onto(start + 40.0, goals))
apart = np.abs(found - goals).max()
assert apart < 2.0, f"other starts: the worst edge is off by {apart:.1f} pixels"
### END HIDDEN TESTS


# %%
@picture
def _():
    coins = photograph("coins")
    start = np.tile([182.0, 141.0, 202.0, 161.0], (24, 1))
    _, (axes,) = style.panels(1, 3, 2.2)
    for ax, steps in zip(axes, (15, 60, 300), strict=True):
        ax.imshow(coins, cmap="gray", interpolation="none")
        for x1, y1, x2, y2 in move_onto(start, COINS, steps):
            ax.add_patch(plt.Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=style.ORANGE))
        ax.set(xticks=[], yticks=[], title=f"a training of {steps} steps")
        ax.grid(False)


# %% [markdown]
# ## 8. Count the sheep
#
# A farmer wants a drone to count her 300 sheep. They graze in dense groups and often overlap. A
# student has trained a YOLO with a grid of 7 by 7 cells, one object a cell; non-maximum suppression
# drops boxes with an IoU above 0.2. On a test set of pictures with single sheep the average
# precision at IoU 0.5 is 0.97. In the field the drone reports 60 sheep.
#
# Advise them in about 150 words:
#
# - Name two places in this pipeline where sheep get lost, and estimate with a number what one of
#   them costs.
# - What would you change about each, and what new mistakes might that bring?
# - Why did the test not show it, and how would you test instead?

# %% [markdown] manual="sheep" points=3 minutes=15
# A grid of 7 by 7 with one object a cell can name at most 49 sheep in a picture; if all 300 are in
# one, at least 251 are lost before training begins. (60 must come from several pictures.) Second,
# NMS with a threshold of 0.2 drops a real neighbor: two equal boxes side by side overlap by 0.2 as
# soon as they share a third of their width.
#
# I would take a finer grid (say 40 by 40), several anchors a cell, or fly lower and cut the picture
# into tiles; that costs time, and sheep on the border of two tiles may be counted twice. I would
# raise the threshold to 0.5 or 0.6 or use soft-NMS; that leaves more doubles, one sheep counted
# twice.
#
# The test had single sheep, so neither two centers in one cell nor overlaps occurred. Test on
# pictures from the field, with dense groups, and report recall and the error of the count beside
# the AP.
#
# **Rubric**
#
# - 1 point: the cells (at most 49 a picture) and the NMS threshold (0.2 is reached when a third is
#   shared), one with a number. Half for one of them, or both without a number.
# - 1 point: a change for each and its price (finer grid, anchors, tiles: time, doubles at borders;
#   higher threshold or soft-NMS: doubles). Half without the price.
# - 1 point: the test set does not look like the field; test on crowded pictures, with recall or the
#   error of the count. Half for only one of the two.
