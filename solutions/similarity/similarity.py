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
#   title: Similarity
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
# # Similarity
#
# You have read the chapter. Now you build a door that knows faces: a loss that teaches a network to
# compare, the choice of what to learn from, the threshold, and the decision. Then you compute the
# gradient that paints, and borrow a trained body in PyTorch.
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
from book import style
from book.data import faces, photograph

style.use()


# %% [markdown] task="triplet_loss" minutes=10
# ## 1. Three at a time
#
# The positive shall be nearer to the anchor than the negative, by a margin:
#
# $$\ell = \max\bigl(\lVert a - p \rVert - \lVert a - n \rVert + \alpha,\ 0\bigr) .$$
#
# The norms are plain, without squares.


# %% solution="triplet_loss"
def triplet_loss(anchor, positive, negative, margin=1.0):
    """The loss of each triplet.

    anchor, positive, negative : arrays (N, D), row n belongs to triplet n; N may be 0.
    margin : a number above 0.
    Returns an array (N,).

    Example

        triplet_loss(np.array([[0., 0.]]), np.array([[3., 4.]]), np.array([[0., 2.]]), 1.0)

    returns array([4.]): 5 - 2 + 1.

    Hints
    1. `np.linalg.norm(x, axis=1)` is the length of each row.
    2. `np.maximum(x, 0)` compares number by number; `np.max(x, 0)` does something else.
    """
    ### BEGIN SOLUTION
    near = np.linalg.norm(anchor - positive, axis=1)
    far = np.linalg.norm(anchor - negative, axis=1)
    return np.maximum(near - far + margin, 0.0)
    ### END SOLUTION


# %% inputs="triplet_loss"
# ruff: noqa: E402, because the cells of a notebook import what they need
from book.op import Case

rng = np.random.default_rng(0)


def triplets(rng, count, size):
    """Anchors, positives and negatives, no two of them equal."""
    return tuple(np.round(rng.normal(size=(count, size)) * 2, 2) for _ in range(3))


inputs = [
    Case("the example", (np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]]))),
    Case("a small margin", (*triplets(rng, 5, 2), 0.2)),
    Case("eight dimensions", triplets(rng, 4, 8)),
    Case("a wide margin", (*triplets(rng, 3, 3), 10.0)),
]

# %% test="triplet_loss" points=2
check("triplet_loss", triplet_loss)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count, size, margin in [(1, 1, 1.0), (50, 3, 0.2), (200, 16, 4.0), (0, 4, 1.0)]:
    a, p, n = rng.normal(size=(3, count, size))
    expected = [
        max(sum((a[k] - p[k]) ** 2) ** 0.5 - sum((a[k] - n[k]) ** 2) ** 0.5 + margin, 0.0)
        for k in range(count)
    ]
    got = triplet_loss(a, p, n, margin)
    assert_close(got, np.array(expected), what=f"loss of {count} triplets, margin {margin}")
### END HIDDEN TESTS

# %% [markdown] task="triplet_gradient" minutes=15
# ## 2. Who is pulled where?
#
# The gradient of the *sum* of the losses of task 1. Where a triplet's loss is 0, nothing moves.
# Else, with the unit vectors $u = (a - p) / \lVert a - p \rVert$ and
# $v = (a - n) / \lVert a - n \rVert$,
#
# $$\frac{\partial \ell}{\partial p} = -u, \qquad \frac{\partial \ell}{\partial n} = v .$$
#
# The third one you find yourself: what happens to the loss if all three points move together?


# %% solution="triplet_gradient"
def triplet_gradient(anchor, positive, negative, margin=1.0):
    """The gradients of the sum of all losses with respect to the three arrays.

    anchor, positive, negative : arrays (N, D); no positive or negative equals its anchor, and no
        triplet lies exactly where its loss becomes 0.
    margin : a number above 0.
    Returns (grad_anchor, grad_positive, grad_negative), each (N, D).

    Example: with anchor [[0., 0.]], positive [[3., 4.]] and negative [[0., 2.]]

        triplet_gradient(anchor, positive, negative)

    returns (array([[-0.6, 0.2]]), array([[0.6, 0.8]]), array([[0., -1.]])).

    Hints
    1. Divide (N, D) by (N, 1): `np.linalg.norm(..., axis=1, keepdims=True)`.
    2. A mask (N, 1) of the triplets whose loss is above 0, multiplied in.
    3. If all three points move together, no distance changes: the three gradients add up to 0.
    """
    ### BEGIN SOLUTION
    near = np.linalg.norm(anchor - positive, axis=1, keepdims=True)
    far = np.linalg.norm(anchor - negative, axis=1, keepdims=True)
    active = near - far + margin > 0
    u, v = active * (anchor - positive) / near, active * (anchor - negative) / far
    return u - v, -u, v
    ### END SOLUTION


# %% inputs="triplet_gradient"
rng = np.random.default_rng(1)
inputs = [
    Case("the example", (np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]]))),
    Case(
        "one that is satisfied",
        (np.zeros((2, 2)), np.array([[1.0, 0.0]] * 2), np.array([[0.0, 5.0], [0.0, 1.5]])),
    ),
    Case("a small margin", (*triplets(rng, 6, 2), 0.2)),
    Case("five dimensions", triplets(rng, 4, 5)),
]

# %% test="triplet_gradient" points=3
check("triplet_gradient", triplet_gradient)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count, size, margin in [(1, 2, 1.0), (40, 3, 0.2), (60, 10, 2.0)]:
    tensors = torch.tensor(rng.normal(size=(3, count, size)), requires_grad=True)
    loss = nn.functional.triplet_margin_loss(*tensors, margin, eps=0.0, reduction="sum")
    (expected,) = torch.autograd.grad(loss, tensors)
    got = triplet_gradient(*tensors.detach().numpy(), margin)
    for mine, right, name in zip(got, expected.numpy(), ("a", "p", "n"), strict=True):
        assert_close(mine, right, what=f"gradient of {name}, {count} triplets, margin {margin}")
### END HIDDEN TESTS

# %% [markdown]
# Three points follow the negative gradient. The positive comes, the negative leaves, and as soon as
# the margin is kept everything stands still.


# %%
@picture
def _():
    points = [np.array([[0.0, 0.0]]), np.array([[2.0, 0.5]]), np.array([[0.8, 1.0]])]
    paths = []
    for _ in range(40):
        paths.append([point[0].copy() for point in points])
        grads = triplet_gradient(*points, 1.0)
        points = [point - 0.05 * grad for point, grad in zip(points, grads, strict=True)]
    for path, name in zip(
        np.swapaxes(paths, 0, 1), ("anchor", "positive", "negative"), strict=True
    ):
        plt.plot(*path.T, ".-", label=name, ms=3)
        plt.plot(*path[-1], "ko", ms=4)
    plt.legend()
    plt.axis("equal")


# %% [markdown] task="semi_hard" minutes=15
# ## 3. Which triplets?
#
# Most triplets of a batch cost nothing and teach nothing, and the very hardest are often mislabeled
# pictures. Take those in between. A triplet of different rows is **semi-hard** if the negative is
# farther than the positive, but not by the whole margin:
#
# $$D_{AP} < D_{AN} \le D_{AP} + \alpha .$$


# %% solution="semi_hard"
def semi_hard(distance, labels, margin):
    """All semi-hard triplets of a batch.

    distance : array (N, N), the distance of every pair of rows.
    labels   : integer array (N,), who is on picture n.
    margin   : a number of at least 0.
    Returns an integer array (T, 3): anchor, positive and negative of each triplet, sorted by
    anchor, then positive, then negative. Anchor and positive are different rows of one label, the
    negative has another label.

    Example: three pictures on a line, at 0, 1 and 1.5, the last one of somebody else;

        distance = np.array([[0, 1, 1.5], [1, 0, 0.5], [1.5, 0.5, 0]])
        semi_hard(distance, np.array([7, 7, 8]), 1.0)

    returns array([[0, 1, 2]]): from 0 the negative is farther (1.5) than the positive (1), but by
    less than 1. From 1 it is nearer: hard.

    Hints
    1. Three loops are fine. Begin with all triplets, then leave out those that do not belong.
    2. Without loops: `distance[:, :, None]` is D of anchor and positive in an array (N, N, N),
       `distance[:, None, :]` that of anchor and negative.
    3. `np.argwhere(mask)` lists the places where a mask is true, sorted.
    4. No triplet at all: an array of shape (0, 3).
    """
    ### BEGIN SOLUTION
    same = labels[:, None] == labels
    positive = same & ~np.eye(len(labels), dtype=bool)
    near, far = distance[:, :, None], distance[:, None, :]
    return np.argwhere(
        positive[:, :, None] & ~same[:, None, :] & (near < far) & (far <= near + margin)
    )
    ### END SOLUTION


# %% inputs="semi_hard"
rng = np.random.default_rng(2)


def batch(rng, count, people, size=1):
    """Distances on a grid of quarters (with ties), and labels."""
    points = rng.integers(0, 12, (count, size)) / 4
    return np.abs(points[:, None] - points).sum(axis=-1), rng.integers(0, people, count)


inputs = [
    Case(
        "the example",
        (np.array([[0, 1, 1.5], [1, 0, 0.5], [1.5, 0.5, 0]]), np.array([7, 7, 8]), 1.0),
    ),
    Case("six pictures", (*batch(rng, 6, 2), 0.5)),
    Case("eight pictures, three people", (*batch(rng, 8, 3), 1.0)),
    Case("one person only", (batch(rng, 4, 1)[0], np.zeros(4, dtype=int), 1.0)),
]

# %% test="semi_hard" points=3
check("semi_hard", semi_hard)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count, people, margin in [(1, 1, 1.0), (9, 3, 0.5), (12, 2, 0.25), (14, 4, 2.0), (5, 5, 1.0)]:
    points, labels = rng.integers(0, 12, (count, 2)) / 4, rng.integers(0, people, count)
    distance = np.abs(points[:, None] - points).sum(axis=-1)
    expected = [
        (a, p, n)
        for a in range(count)
        for p in range(count)
        for n in range(count)
        if a != p and labels[a] == labels[p] != labels[n]
        and distance[a, p] < distance[a, n] <= distance[a, p] + margin
    ]  # fmt: skip
    got = np.asarray(semi_hard(distance, labels, margin))
    what = f"triplets of {count} pictures, {people} people"
    assert_close(got, np.array(expected, dtype=int).reshape(-1, 3), what=what)
### END HIDDEN TESTS

# %% [markdown] task="equal_error_rate" minutes=15
# ## 4. Where to put the threshold
#
# The door opens if $D \le \tau$. Count both mistakes for a threshold: FAR is the share of
# *different* pairs with $D \le \tau$, FRR the share of *same* pairs with $D > \tau$. Try the
# distances themselves as thresholds, from small to large, and take the first for which
# $|\mathrm{FAR} - \mathrm{FRR}|$ is smallest.


# %% solution="equal_error_rate"
def equal_error_rate(distance, same):
    """The rate at which both mistakes are (nearly) equally frequent, and the threshold.

    distance : array (N,) of distances of at least 0, with ties.
    same     : integer array (N,), 1 for a pair of the same person and 0 for others; both occur.
    Returns (rate, threshold): the mean of FAR and FRR there, and one of the distances.

    Example

        equal_error_rate(np.array([0.5, 1.0, 1.5, 2.0]), np.array([1, 0, 1, 0]))

    returns (0.5, 1.0): at 1.0 one of two strangers is let in, and one of two friends turned away.

    Hints
    1. `np.unique(distance)` has the candidates in order.
    2. For one threshold: `np.mean(distance[same == 0] <= threshold)` is FAR.
    3. `np.argmin` returns the first of several smallest. Round the differences to 12 digits, or
       compare whole numbers: 1/3 + 1/3 is not always 2/3 for a computer.
    """
    ### BEGIN SOLUTION
    thresholds = np.unique(distance)
    friends, strangers = distance[same == 1], distance[same == 0]
    far = np.mean(strangers <= thresholds[:, None], axis=1)
    frr = np.mean(friends > thresholds[:, None], axis=1)
    best = np.argmin(np.round(np.abs(far - frr), 12))
    return (far[best] + frr[best]) / 2, thresholds[best]
    ### END SOLUTION


# %% inputs="equal_error_rate"
rng = np.random.default_rng(3)
inputs = [
    Case("the example", (np.array([0.5, 1.0, 1.5, 2.0]), np.array([1, 0, 1, 0]))),
    Case("no mistake possible", (np.array([2.0, 0.25, 3.0, 0.5]), np.array([0, 1, 0, 1]))),
    Case("few friends", (np.round(rng.uniform(1, 2, 12), 2), (np.arange(12) < 3).astype(int))),
    Case("with ties", (rng.integers(1, 6, 16) / 2, np.arange(16) % 2)),
    Case("upside down", (np.array([0.25, 0.5, 2.0, 3.0, 4.0]), np.array([0, 0, 1, 1, 0]))),
]

# %% test="equal_error_rate" points=3
check("equal_error_rate", equal_error_rate)
### BEGIN HIDDEN TESTS
from fractions import Fraction

from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count, kinds in [(2, 3), (15, 4), (60, 8), (200, 10_000)]:
    same = rng.permutation((np.arange(count) % 3 == 0).astype(int))
    same[:2] = 1, 0
    distance = rng.integers(0, kinds, count) / 4 + (1 - same) * kinds / 16
    best = None
    for threshold in sorted(set(distance.tolist())):
        far = Fraction(int(np.sum(distance[same == 0] <= threshold)), int(np.sum(same == 0)))
        frr = Fraction(int(np.sum(distance[same == 1] > threshold)), int(np.sum(same == 1)))
        if best is None or abs(far - frr) < best[0]:
            best = abs(far - frr), float(far + frr) / 2, threshold
    rate, threshold = equal_error_rate(distance, same)
    assert_close(float(threshold), best[2], what=f"threshold for {count} pairs")
    assert_close(float(rate), best[1], what=f"rate of {count} pairs")
### END HIDDEN TESTS

# %% [markdown]
# Your threshold for the pixels of twenty real people: the histogram of both kinds of pairs.


# %%
@picture
def _():
    x = faces()[:20, :, ::4, ::4].reshape(200, -1)
    x = x - x.mean(axis=1, keepdims=True)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    i, j = np.triu_indices(200, 1)
    distance, same = np.linalg.norm(x[i] - x[j], axis=1), (i // 10 == j // 10).astype(int)
    rate, threshold = equal_error_rate(distance, same)
    for kind, label in ((1, "same"), (0, "different")):
        plt.hist(distance[same == kind], 40, density=True, alpha=0.6, label=label)
    plt.axvline(threshold, color="k", ls="--", lw=1)
    plt.title(f"equal error rate {rate:.1%}")
    plt.legend()


# %% [markdown] task="open_door" minutes=10
# ## 5. Who is it, if anybody?
#
# At the door, people do not say who they are, and some are strangers. Find the nearest of the
# photographs on file; if even that one is too far away, answer -1.


# %% solution="open_door"
def open_door(on_file, names, visitors, threshold):
    """The name of each visitor, or -1 for a stranger.

    on_file   : array (M, D), embeddings of the photographs on file, M >= 1.
    names     : integer array (M,), whom they show; a person may have several photographs.
    visitors  : array (N, D), embeddings of those at the door; N may be 0.
    threshold : a visitor whose nearest photograph is farther than this is a stranger.
    Returns an integer array (N,). Of equally near photographs the first counts.

    Example

        open_door(np.array([[0.0], [10.0]]), np.array([5, 8]), np.array([[1.0], [6.0]]), 2.0)

    returns array([5, -1]).

    Hints
    1. (N, 1, D) minus (M, D) is (N, M, D).
    2. `argmin` says where, `min` says how far. At exactly the threshold the door opens.
    """
    ### BEGIN SOLUTION
    distance = np.linalg.norm(visitors[:, None] - on_file, axis=2)
    return np.where(distance.min(axis=1) <= threshold, names[distance.argmin(axis=1)], -1)
    ### END SOLUTION


# %% inputs="open_door"
rng = np.random.default_rng(4)
inputs = [
    Case(
        "the example",
        (np.array([[0.0], [10.0]]), np.array([5, 8]), np.array([[1.0], [6.0]]), 2.0),
    ),
    Case(
        "at the threshold",
        (np.array([[0.0, 0.0]]), np.array([3]), np.array([[3.0, 4.0], [3.0, 4.25]]), 5.0),
    ),
    Case(
        "several photographs each",
        (rng.normal(size=(6, 3)), np.array([4, 4, 2, 2, 9, 9]), rng.normal(size=(7, 3)), 1.5),
    ),
]

# %% test="open_door" points=2
check("open_door", open_door)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for on, count, size in [(1, 5, 2), (8, 0, 3), (20, 40, 4), (7, 30, 1)]:
    known, visitors = rng.normal(size=(on, size)), rng.normal(size=(count, size))
    names = rng.integers(0, 50, on)
    expected = []
    for visitor in visitors:
        gaps = [float(np.sum((visitor - x) ** 2)) ** 0.5 for x in known]
        expected.append(names[int(np.argmin(gaps))] if min(gaps) <= 0.8 else -1)
    got = open_door(known, names, visitors, 0.8)
    assert_close(got, np.array(expected, dtype=int), what=f"{count} visitors, {on} on file")
known, visitors = rng.permutation(20)[:5, None] * 4.0, np.arange(80)[:, None] * 1.0
expected = [
    int(np.argmin(np.abs(known[:, 0] - visitor))) for visitor in visitors[:, 0]
]  # of places a whole number apart, some exactly at the threshold
near = np.abs(known[expected] - visitors)[:, 0] <= 1.0
got = open_door(known, np.arange(5), visitors, 1.0)
assert_close(got, np.where(near, expected, -1), what="visitors at exactly the threshold")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: thirty real people are on file with one photograph each; their nine others and
# ten strangers with ten each come to the door. The embedding is the picture itself, small, and of
# length
# 1. Comparing pixels is a poor door, and your function should find out how poor.

# %% test="open_door-faces" points=1
pictures = faces()[:, :, ::4, ::4].reshape(40, 10, -1)
pictures = pictures - pictures.mean(axis=2, keepdims=True)
pictures /= np.linalg.norm(pictures, axis=2, keepdims=True)
visitors = np.concatenate([pictures[:30, 1:].reshape(270, -1), pictures[30:].reshape(100, -1)])
truth = np.concatenate([np.repeat(np.arange(30), 9), np.full(100, -1)])
answer = np.asarray(open_door(pictures[:30, 0], np.arange(30), visitors, 0.75))
known, strangers = truth >= 0, truth < 0
named = np.mean(answer[known] == truth[known])
let_in = np.mean(answer[strangers] >= 0)
assert 0.3 < named < 0.75, f"expected 30 to 75 % of the known named right, got {named:.1%}"
assert 0.05 < let_in < 0.5, f"expected 5 to 50 % of the strangers let in, got {let_in:.1%}"
print(f"known people named right: {named:.1%}; strangers let in: {let_in:.1%}")
### BEGIN HIDDEN TESTS
for threshold in (0.6, 0.9):
    gaps = np.sqrt(2 - 2 * np.clip(visitors @ pictures[:30, 0].T, -1, 1))
    expected = np.where(gaps.min(axis=1) <= threshold, gaps.argmin(axis=1), -1)
    answer = np.asarray(open_door(pictures[:30, 0], np.arange(30), visitors, threshold))
    share = np.mean(answer == expected)
    assert share > 0.995, f"at {threshold}: expected other names for {1 - share:.1%}"
### END HIDDEN TESTS

# %% [markdown] task="style_gradient" minutes=15
# ## 6. The gradient that paints
#
# With the maps of a layer as rows, $F$ of shape $(C, P)$ for $P$ places, the Gram matrix is $G =
# F F^\top / (CP)$, and the style cost $J = \sum_{kl} (G_{kl} - A_{kl})^2$, where $A$ is the Gram
# matrix of the style. Compute both the cost and its gradient with respect to $F$.


# %% solution="style_gradient"
def style_gradient(features, style_gram):
    """The style cost of one layer and its gradient with respect to the features.

    features   : array (C, H, W).
    style_gram : array (C, C), symmetric, the Gram matrix A, already divided.
    Returns (cost, gradient): a number and an array (C, H, W).

    Example: one channel, two places;

        style_gradient(np.array([[[1.0, 3.0]]]), np.array([[4.0]]))

    returns (1.0, array([[[2.0, 6.0]]])): G = (1 + 9) / 2 = 5, the cost is (5 - 4)**2.

    Hints
    1. `features.reshape(C, -1)` lays the places side by side.
    2. Write E = G - A. Then dJ/dG = 2 E, and G = F Fᵀ / (CP) contains F twice: the gradient of F
       is (2 E + 2 Eᵀ) F / (CP), and E is symmetric.
    3. Check with a number: change one entry of F by 1e-6 and see how much the cost changes.
    """
    ### BEGIN SOLUTION
    flat = features.reshape(len(features), -1)
    error = flat @ flat.T / flat.size - style_gram
    return (error**2).sum(), (4 * error @ flat / flat.size).reshape(features.shape)
    ### END SOLUTION


# %% inputs="style_gradient"
rng = np.random.default_rng(5)


def layer(rng, channels, height, width):
    """Features of a picture, and the Gram matrix of another."""
    one, two = np.round(rng.normal(size=(2, channels, height, width)), 2)
    flat = two.reshape(channels, -1)
    return one, flat @ flat.T / flat.size


inputs = [
    Case("the example", (np.array([[[1.0, 3.0]]]), np.array([[4.0]]))),
    Case("two channels", layer(rng, 2, 3, 2)),
    Case("more channels than places", layer(rng, 5, 2, 2)),
    Case("a wide layer", layer(rng, 3, 2, 7)),
]

# %% test="style_gradient" points=3
check("style_gradient", style_gradient)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for shape in [(1, 1, 1), (3, 4, 5), (8, 2, 3), (16, 6, 6)]:
    features, other = rng.normal(size=(2, *shape))
    gram = np.einsum("khw,lhw->kl", other, other) / other.size
    tensor = torch.tensor(features, requires_grad=True)
    ours = torch.einsum("khw,lhw->kl", tensor, tensor) / features.size
    cost = ((ours - torch.tensor(gram)) ** 2).sum()
    (expected,) = torch.autograd.grad(cost, tensor)
    got = style_gradient(features, gram)
    assert_close(float(got[0]), cost.item(), what=f"cost of features {shape}")
    assert_close(np.asarray(got[1]), expected.numpy(), what=f"gradient of features {shape}")
### END HIDDEN TESTS

# %% [markdown]
# Your gradient mixes colors: a photograph of a cat gets the Gram matrix of a flower. The three
# channels are the features, and no network is needed.


# %%
@picture
def _():
    cat = photograph("chelsea")[::3, 60:360:3].transpose(2, 0, 1) / 255
    flower = photograph("flower")[::4, 100:500:4].transpose(2, 0, 1) / 255
    flat = flower.reshape(3, -1)
    gram, image = flat @ flat.T / flat.size, cat.copy()
    for _ in range(300):
        _, grad = style_gradient(image, gram)
        image = np.clip(image - 4000 * grad, 0, 1)
    _, axes = plt.subplots(1, 3, figsize=(8, 3))
    for ax, shown in zip(axes, (cat, flower, image), strict=True):
        ax.imshow(shown.transpose(1, 2, 0))
        ax.axis("off")


# %% [markdown] task="train_head" minutes=20
# ## 7. A new head for a borrowed body
#
# Transfer learning in PyTorch. The body was trained by others and stays as it is; only the new head
# learns.
#
# - The body is in evaluation mode while it computes the features, and comes back in the mode it
#   had.
# - Its features are computed **once**, without recording gradients: the body never changes, so why
#   ask it again in each step?
# - The head learns from all of x and y in each step: cross-entropy, `torch.optim.SGD`.


# %% solution="train_head"
def train_head(body, head, x, y, steps=100, lr=0.1):
    """Train the head on the features of a frozen body.

    body, head : nn.Modules; head(body(x)) are logits (N, K).
    x, y       : tensor (N, ...) of inputs, tensor (N,) of class numbers.
    Returns a list of `steps` Python numbers: the loss before each step. The head is changed.

    Example: with steps=1, lr=0.5 the list holds the loss of the head as it came, and the head's
    weights have moved by -0.5 times the gradient.

    Hints
    1. `was_training = body.training`, `body.eval()`, and `body.train(was_training)` afterwards.
    2. `with torch.no_grad(): features = body(x)`, before the loop.
    3. `torch.optim.SGD(head.parameters(), lr)` moves the head and nothing else.
    4. In the loop: loss, `zero_grad`, `backward`, `step`. Keep `loss.item()`.
    """
    ### BEGIN SOLUTION
    was_training = body.training
    body.eval()
    with torch.no_grad():
        features = body(x)
    body.train(was_training)
    optimizer, losses = torch.optim.SGD(head.parameters(), lr), []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(head(features), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION


# %%
# Given: how your function is tried out, once you have written it.


class Body(nn.Module):
    """A layer that keeps a diary, and gives other features while training."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.modes, self.recorded = [], []

    def forward(self, batch):
        self.modes.append("training" if self.training else "evaluation")
        self.recorded.append(torch.is_grad_enabled())
        features = (batch @ self.weight.T).relu()
        return features / 2 if self.training else features


def try_train_head(body_weight, head_weight, x, y, steps, lr, training):
    """Your function on a Body in training mode or not: what it returns and what the diary says."""
    body = Body(body_weight.clone()).train(training)
    head = nn.Linear(head_weight.shape[1], head_weight.shape[0], bias=False).to(head_weight.dtype)
    with torch.no_grad():
        head.weight.copy_(head_weight)
    losses = train_head(body, head, x, y, steps, lr)
    return {
        "losses": np.array([float(loss) for loss in losses]),
        "weights of the head": head.weight.detach().numpy().copy(),
        "weights of the body moved": bool((body.weight != body_weight).any()),
        "times the body was called": len(body.modes),
        "modes in which it was called": sorted(set(body.modes)),
        "gradients recorded in the body": any(body.recorded),
        "body in training mode afterwards": body.training,
    }


# %% inputs="train_head"
rng = np.random.default_rng(6)


def transfer(name, count, steps, lr, training, classes=3):
    """A body, a head, some examples, and how to train."""
    arrays = [rng.normal(size=shape) for shape in ((4, 2), (classes, 4), (count, 2))]
    tensors = [torch.tensor(np.round(array, 2)) for array in arrays]
    labels = torch.tensor(rng.integers(0, classes, count))
    return Case(name, (*tensors, labels, steps, lr, training))


inputs = [
    transfer("one step", 5, 1, 0.5, True),
    transfer("four steps", 6, 4, 0.2, True),
    transfer("in evaluation mode before", 8, 3, 0.1, False),
]

# %% test="train_head" points=3
check("train_head", try_train_head)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count, classes, steps in [(1, 2, 2), (20, 4, 6), (50, 3, 12)]:
    for training in (True, False):
        w, v, x = (
            torch.tensor(rng.normal(size=shape)) for shape in ((5, 3), (classes, 5), (count, 3))
        )
        y = torch.tensor(rng.integers(0, classes, count))
        got = try_train_head(w, v, x, y, steps, 0.3, training)
        features, weight = np.maximum((x @ w.T).numpy(), 0), v.numpy().copy()
        losses, target = [], np.eye(classes)[y.numpy()]
        for _ in range(steps):
            scores = features @ weight.T
            log_p = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
            losses.append(-(target * log_p).sum(axis=1).mean())
            weight -= 0.3 * (np.exp(log_p) - target).T @ features / count
        case = f"{count} rows, {steps} steps"
        assert_close(got["losses"], np.array(losses), what=f"losses, {case}")
        assert_close(got["weights of the head"], weight, what=f"weights of the head, {case}")
        assert not got["weights of the body moved"], f"{case}: the body has changed"
        assert_close(int(got["times the body was called"]), 1, what=f"calls of the body, {case}")
        modes = list(got["modes in which it was called"])
        assert_close(modes, ["evaluation"], what=f"modes, {case}")
        assert not got["gradients recorded in the body"], f"{case}: gradients were recorded"
        after = bool(got["body in training mode afterwards"])
        assert_close(after, training, what=f"in training mode afterwards, {case}")
### END HIDDEN TESTS

# %% [markdown]
# ## 8. Would you buy this door?
#
# A company sells a face door to a hospital. "Tested on 2,000 photographs of 200 people: 99.1 %
# accuracy!" In the small print: 80 % of the photographs, drawn at random, were on file and used
# to train the embedding; each of the others was given the name of its nearest neighbor. The
# threshold of the delivered system "was set for best accuracy on these others".
#
# Advise the hospital in about 150 words:
#
# - Why do the 99.1 % say little about the nurse who starts next month? Name two reasons.
# - Which experiment and which numbers would you ask for?
# - A stranger among drugs is worse than a nurse who has to show her badge. What follows for the
#   threshold, and what for the loss on which the embedding was trained, if anything?

# %% [markdown] manual="door" points=3 minutes=15
# The people in the test were in training, with eight other photographs each on file: near copies
# are found, and a new face was never tried. Nobody in the test was a stranger, so the question
# "is it anybody at all" was not asked either. And the threshold was set on the very pictures that
# were scored.
#
# I would ask for a split by person: train on some, choose the threshold on others, and report
# false acceptance and false rejection on people of whom nothing was seen before, with one
# photograph on file as for the nurse; the ROC curve or the equal error rate, next to that of raw
# pixels or of the competitor, with the number of people, because 20 are few.
#
# False acceptances cost more, so the threshold has to be lower than at equal error, for example
# where FAR is 0.1 %, chosen on dev people; then FRR is what we pay. The loss need not change: the
# threshold is a decision after training.
#
# **Rubric**
#
# - 1 point: two of: same people in training and test; many photographs on file instead of one; no
#   strangers; threshold chosen on the test pictures. Half for one.
# - 1 point: split by person with a dev part for the threshold, and FAR with FRR (or ROC, EER) on
#   unseen people with one picture each. Half if one of these is missing.
# - 1 point: a lower threshold at a given FAR, chosen on dev people, and that training need not
#   change. Half for only one.
