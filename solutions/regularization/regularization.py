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
#   title: Regularization
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
# # Regularization
#
# You have read the chapter. Now you build with it: you take errors apart, send weights to exactly
# zero, drop units without changing what is expected, stop in time, and blend and shift pictures. At
# the end a network reads digits better because of ten lines that you wrote.
#
# <!-- tasks -->
#
# How it works:
#
# - Each task has one cell for you. Replace `raise NotImplementedError()` with your code.
# - Run the cell below it. It checks your answer on a few inputs, and where something is wrong it
#   says on which input, and often why. You may try as often as you like.
# - When your work is graded, further inputs are tried: random numbers, other shapes, extreme
#   values.
# - The tasks do not need one another. If you are stuck, go on and come back.
# - You need NumPy and, for task 7, PyTorch. Please do not import other libraries.
#
# Some cells draw a picture with your function. They wait until it works.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from autograder.checks import check, picture
from book import style
from book.data import diabetes, digits
from book.training import accuracy, mlp

style.use()


# %% [markdown] task="split_error" minutes=10
# ## 1. Two ways to be wrong
#
# A model was fitted $R$ times, each time to other data, and asked at the same $N$ points. With the
# average answer $\bar f_n = \frac1R \sum_r f_{rn}$ at each point,
#
# $$\text{bias}^2 = \frac1N \sum_n (\bar f_n - y_n)^2, \qquad
# \text{variance} = \frac1{RN} \sum_{r,n} (f_{rn} - \bar f_n)^2 .$$
#
# Return both, and the mean squared error, which is their sum.


# %% solution="split_error"
def split_error(predictions, target):
    """Bias squared, variance and mean squared error of many fits.

    predictions : array (R, N), a row for each fit.
    target      : array (N,), the truth at each point.
    Returns (bias2, variance, error): three numbers.

    Example: two fits, two points; the average answer is [2, 4], so

        split_error(np.array([[1.0, 3.0], [3.0, 5.0]]), np.array([2.0, 6.0]))

    returns (2.0, 1.0, 3.0).

    Hints
    1. The average over the fits runs along axis 0 and leaves an array (N,).
    2. Square first, then average over the points. Points that are too high must not make up for
       points that are too low.
    3. Variance is measured from the average answer, error from the truth.
    """
    ### BEGIN SOLUTION
    average = predictions.mean(axis=0)
    bias2 = ((average - target) ** 2).mean()
    variance = ((predictions - average) ** 2).mean()
    return bias2, variance, bias2 + variance
    ### END SOLUTION


# %% inputs="split_error"
# ruff: noqa: E402, because the cells of a notebook import what they need
from book.op import Case
from book.regularization.cases import OPS


def visible(name, *wanted):
    """The chapter's cases of one operation, by name, in the order asked for."""
    operation = next(op for op in OPS if op.name == name)
    cases = {case.name: case for case in operation.cases(np.random.default_rng(0))}
    return [cases[case] for case in wanted]


rng = np.random.default_rng(1)
inputs = [
    Case("the example", (np.array([[1.0, 3.0], [3.0, 5.0]]), np.array([2.0, 6.0]))),
    Case("off by one, up and down", (np.array([[1.0, -1.0, 1.0]]), np.zeros(3))),
    Case("right on average", (np.array([[2.0, 5.0], [0.0, 1.0]]), np.array([1.0, 3.0]))),
    *visible("bias_variance", "one model", "always the same", "not contiguous"),
    Case("as many fits as points", (rng.normal(size=(4, 4)), rng.normal(size=4))),
]

# %% test="split_error" points=2
check("split_error", split_error)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for fits, points in [(1, 1), (1, 6), (7, 1), (5, 5), (30, 8)]:
    target = rng.normal(size=points)
    predictions = target + rng.normal(size=points) + rng.normal(size=(points, fits)).T
    bias2 = variance = 0.0
    for n in range(points):
        column = [float(predictions[r, n]) for r in range(fits)]
        middle = sum(column) / fits
        bias2 += (middle - target[n]) ** 2 / points
        variance += sum((value - middle) ** 2 for value in column) / fits / points
    got = split_error(predictions, target)
    for name, mine, right in zip(("bias2", "variance"), got, (bias2, variance), strict=False):
        assert_close(float(mine), float(right), what=f"{name}, {fits} fits, {points} points")
    assert_close(
        float(got[2]), float(bias2 + variance), what=f"error, {fits} fits, {points} points"
    )
### END HIDDEN TESTS

# %% [markdown]
# Your function at work: the mean of the $k$ nearest points on a noisy sine, fitted 200 times.


# %%
@picture
def _():
    rng, t = np.random.default_rng(0), np.linspace(-1, 1, 60)
    sizes, parts = [1, 2, 4, 8, 16, 32], []
    for k in sizes:
        nearest = np.argsort(np.abs(t[:, None] - t), axis=1)[:, :k]
        noisy = np.sin(3 * t) + 0.3 * rng.normal(size=(200, 60))
        parts.append(split_error(noisy[:, nearest].mean(axis=2), np.sin(3 * t)))
    for column, name in zip(np.array(parts).T, ("bias²", "variance", "error"), strict=True):
        plt.loglog(sizes, column, ".-", label=name)
    plt.xlabel("neighbors k")
    plt.legend()


# %% [markdown] task="lasso_round" minutes=20
# ## 2. To exactly zero
#
# The lasso's objective is $\frac{1}{2N} \lVert y - Xw \rVert^2 + \alpha \sum_j |w_j|$. Coordinate
# descent improves one weight at a time. With $x_j$ the column $j$ of $X$, let
# $r = y - \sum_{k \ne j} x_k w_k$ be what the *other* weights leave unexplained, and
#
# $$\rho = \frac1N\, x_j \cdot r, \qquad s = \frac1N\, x_j \cdot x_j, \qquad
# w_j \leftarrow \begin{cases} (\rho - \alpha) / s & \rho > \alpha \\
# (\rho + \alpha) / s & \rho < -\alpha \\ 0 & \text{otherwise.} \end{cases}$$
#
# Do one round: the weights 0, 1, 2, …, each one once, and each with the *new* values of those
# before it. There is no intercept.


# %% solution="lasso_round"
def lasso_round(x, y, weight, alpha):
    """The weights after one round of coordinate descent on the lasso.

    x      : array (N, D), no column of which is all zeros.
    y      : array (N,).
    weight : array (D,), the weights before the round. It must not be changed.
    alpha  : the price of the weights.
    Returns a new array (D,).

    Example: the columns do not overlap, so each weight has its own problem;

        lasso_round(np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([3.0, 0.5]), np.zeros(2), 1.0)

    returns array([1., 0.]): rho is [3., 0.5] and s is [2., 2.].

    Hints
    1. Work on a copy: `weight.copy()`.
    2. y - x @ w with the present w also has weight j in it. Add x[:, j] * w[j] to take it out.
    3. The price is taken off rho, before the division by s.
    4. Three cases are fine. Or take the sign of rho, and what is left of its size after the price.
    """
    ### BEGIN SOLUTION
    w, n = weight.astype(float), len(x)
    for j in range(len(w)):
        column = x[:, j]
        rho = column @ (y - x @ w + column * w[j]) / n
        w[j] = np.sign(rho) * max(abs(rho) - alpha, 0.0) / (column @ column / n)
    return w
    ### END SOLUTION


# %% inputs="lasso_round"
rng = np.random.default_rng(2)
x_five = rng.normal(size=(5, 3))
y_five = x_five @ np.array([2.0, -1.0, 0.2]) + 0.1 * rng.normal(size=5)
inputs = [
    Case(
        name="the example",
        args=(np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([3.0, 0.5]), np.zeros(2), 1.0),
    ),
    Case(
        name="columns that overlap",
        args=(np.array([[1.0, 1.0], [1.0, 2.0]]), np.array([2.0, 3.0]), np.zeros(2), 0.1),
    ),
    Case("from other weights", (x_five, y_five, np.array([1.0, 0.5, -0.5]), 0.2)),
    Case("three weights", (x_five, y_five, np.zeros(3), 0.3)),
    Case("a price too high", (x_five, y_five, np.ones(3), 50.0)),
    Case("no price", (x_five, y_five, np.array([1.0, 0.0, 0.0]), 0.0)),
]

# %% test="lasso_round" points=3
check("lasso_round", lasso_round)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, d in [(1, 1), (6, 2), (9, 4), (4, 6), (30, 5)]:
    x, y, start = rng.normal(size=(n, d)), 2.0 * rng.normal(size=n), rng.normal(size=d)
    alpha = rng.uniform(0.05, 0.5)
    expected = start.copy()
    for j in range(d):
        others = [k for k in range(d) if k != j]
        left = y - x[:, others] @ expected[others]
        rho, s = np.dot(x[:, j], left) / n, np.mean(x[:, j] ** 2)
        expected[j] = (rho - alpha) / s if rho > alpha else min(rho + alpha, 0.0) / s
    assert_close(lasso_round(x, y, start, alpha), expected, what=f"weights, {n} x {d}")
x = rng.normal(size=(40, 6))
y, w = x @ np.array([3.0, 0.0, -2.0, 0.0, 0.0, 1.0]) + 0.1 * rng.normal(size=40), np.zeros(6)
for _ in range(100):
    w = lasso_round(x, y, w, 0.2)
assert_close(w, lasso_round(x, y, w, 0.2), what="after 100 rounds nothing moves")
slope = x.T @ (y - x @ w) / 40
assert_close(slope[w != 0], 0.2 * np.sign(w[w != 0]), what="the slope where a weight is not 0")
assert (np.abs(slope[w == 0]) <= 0.2 + 1e-9).all(), "a weight at 0 that should have moved"
### END HIDDEN TESTS

# %% [markdown]
# Ten measurements of 442 people, and your rounds at thirty prices. Each line is a weight on its way
# to zero.


# %%
@picture
def _():
    x, y, names = diabetes()
    y = (y - y.mean()) / y.std()
    prices, path, w = np.logspace(-3, 0, 30), [], np.zeros(10)
    for alpha in prices:
        for _ in range(60):
            w = lasso_round(x, y, w, alpha)
        path.append(w)
    plt.semilogx(prices, path)
    plt.xlabel("price alpha")
    plt.ylabel("weight")
    plt.title(f"the last to go: {names[int(np.argmax(np.abs(path[-8])))]}")


# %% [markdown] task="inverted_dropout" minutes=15
# ## 3. Dropout, there and back
#
# In training each unit is dropped with probability $p$, and the survivors are scaled up, so that
# what follows finds the same sum on average. Otherwise nothing happens at all. The random numbers
# $u$, evenly spread over [0, 1), are given: **a unit is dropped where $u < p$.**
#
# $$y = \frac{x \odot m}{1 - p} \quad\text{with } m = [\,u \ge p\,], \qquad
# \frac{\partial L}{\partial x} = \frac{\partial L}{\partial y} \odot \frac{m}{1 - p} .$$


# %% solution="inverted_dropout"
def inverted_dropout(x, u, p, grad_output, training=True):
    """Inverted dropout: its output, and the gradient that it passes back.

    x, u, grad_output : arrays of one shape; u holds numbers from [0, 1).
    p                 : the probability of dropping, 0 <= p < 1.
    training          : False when the network is in use.
    Returns (y, grad_x), two arrays of that shape.

    Example

        inverted_dropout(np.array([1.0, 2.0]), np.array([0.1, 0.7]), 0.5, np.array([3.0, 3.0]))

    returns (array([0., 4.]), array([0., 6.])).

    Hints
    1. Not training: both arrays come out as they went in.
    2. One array of factors serves both directions: 0 for the dropped, 1 / (1 - p) for the others.
    3. Try p = 0.2 in your head: who survives four times out of five is scaled by 1.25.
    """
    ### BEGIN SOLUTION
    if not training:
        return x, grad_output
    factor = (u >= p) / (1.0 - p)
    return x * factor, grad_output * factor
    ### END SOLUTION


# %% inputs="inverted_dropout"
rng = np.random.default_rng(3)


def layer(name, shape, p, training=True):
    """A case of random units and random numbers."""
    x, grad_output = rng.normal(size=(2, *shape)).round(2)
    return Case(name, (x, rng.random(shape), p, grad_output, training))


inputs = [
    Case(
        name="the example",
        args=(np.array([1.0, 2.0]), np.array([0.1, 0.7]), 0.5, np.array([3.0, 3.0])),
    ),
    layer("a rate of one fifth", (2, 4), 0.2),
    layer("a rate of three quarters", (3, 3), 0.75),
    layer("in use", (2, 3), 0.4, training=False),
    layer("a rate of zero", (4,), 0.0),
    layer("an empty batch", (0, 3), 0.5),
    Case(
        name="u exactly at p",
        args=(np.array([1.0, 2.0]), np.array([0.5, 0.2]), 0.5, np.array([3.0, 4.0])),
    ),
    Case(
        name="a zero that stays",
        args=(np.array([0.0, 0.0, 2.0]), np.array([0.9, 0.1, 0.6]), 0.2, np.array([1.0, 2.0, 3.0])),
    ),
]

# %% test="inverted_dropout" points=3
check("inverted_dropout", inverted_dropout)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for shape in [(1,), (20,), (4, 5), (2, 3, 4)]:
    for p in [0.0, 0.3, rng.uniform(0.05, 0.95)]:
        x, grad_output = rng.normal(size=(2, *shape))
        u = rng.random(shape)
        y, grad = inverted_dropout(x, u, p, grad_output)
        keep = np.where(u < p, 0.0, 1.0)
        what = f"shape {shape}, p {p:.3g}"
        assert_close(y, keep * x / (1 - p), what=f"y, {what}")
        assert_close(grad, keep * grad_output / (1 - p), what=f"grad_x, {what}")
        y, grad = inverted_dropout(x, u, p, grad_output, training=False)
        assert_close(y, x, what=f"y in use, {what}")
        assert_close(grad, grad_output, what=f"grad_x in use, {what}")
y, _ = inverted_dropout(np.ones(2), np.array([0.25, 0.75]), 0.25, np.ones(2))
assert_close(y, np.full(2, 1 / 0.75), what="u exactly at p: the unit stays")
_, grad = inverted_dropout(np.zeros(2), np.array([0.1, 0.9]), 0.5, np.ones(2))
assert_close(grad, np.array([0.0, 2.0]), what="grad_x where x is 0")
### END HIDDEN TESTS

# %% [markdown]
# The sum of 100 units after dropout, drawn a thousand times: unchanged on average, and never the
# same. The larger $p$, the wider it spreads.


# %%
@picture
def _():
    rng = np.random.default_rng(0)
    for p, color in [(0.1, style.BLUE), (0.5, style.ORANGE), (0.8, style.GREEN)]:
        ones = np.ones((1000, 100))
        y, _ = inverted_dropout(ones, rng.random(ones.shape), p, ones)
        label = f"p = {p}: mean {y.sum(axis=1).mean():.1f}"
        plt.hist(y.sum(axis=1), bins=30, range=(20, 180), histtype="step", color=color, label=label)
    plt.xlabel("sum of 100 ones after dropout")
    plt.legend()


# %% [markdown] task="best_in_time" minutes=10
# ## 4. Stop in time, and go back
#
# After each epoch you get the loss on held-out data and a copy of the weights. Training ends with
# the first epoch at which there were `patience` epochs **in a row** without a new best loss, or
# with the last epoch. What counts is then not where training ended, but where it was best.


# %% solution="best_in_time"
def best_in_time(losses, weights, patience):
    """Early stopping over a training that has been recorded.

    losses   : array (T,), the held-out loss after each epoch, T >= 1. Some may be nan, which is
               never better than anything; the first is a number.
    weights  : array (T, D), the weights after each epoch.
    patience : how many epochs in a row without a new best are endured, at least 1.
    Returns (last, best, kept): the epoch at which training ends and the best one up to there, as
    whole numbers from 0, and the weights (D,) of the best one.

    Example

        best_in_time(np.array([3.0, 2.0, 2.5, 2.2, 1.0]), np.arange(5.0)[:, None], patience=2)

    returns (3, 1, array([1.])). The 1.0 that was still to come is never seen.

    Hints
    1. Go through the epochs in order. Keep the best loss so far, its epoch, and a count.
    2. A new best sets the count back to zero. A loss equal to the best is not a new best.
    3. `nan < 5.0` is False: compare so that nan falls on the right side.
    """
    ### BEGIN SOLUTION
    best = waited = 0
    for last in range(1, len(losses)):
        if losses[last] < losses[best]:
            best, waited = last, 0
        else:
            waited += 1
            if waited == patience:
                return last, best, weights[best]
    return len(losses) - 1, best, weights[best]
    ### END SOLUTION


# %% inputs="best_in_time"
def recorded(name, losses, patience):
    """A training whose weights tell their epoch."""
    losses = np.array(losses)
    weights = np.stack([np.arange(len(losses)), 10.0 - np.arange(len(losses))], axis=1)
    return Case(name, (losses, weights, patience))


inputs = [
    Case("the example", (np.array([3.0, 2.0, 2.5, 2.2, 1.0]), np.arange(5.0)[:, None], 2)),
    recorded("better again in time", [3.0, 2.0, 2.5, 1.0, 1.5, 1.2, 1.1, 0.5], 3),
    recorded("falling all the time", [4.0, 3.0, 2.0, 1.0], 2),
    recorded("only the first was good", [1.0, 2.0, 1.5, 1.2, 1.1], 3),
    recorded("equal to the best", [2.0, 1.0, 1.0, 1.0, 0.5], 2),
    recorded("not a number", [2.0, 1.0, np.nan, 1.5, 0.8, 0.9], 2),
    recorded("one epoch", [2.0], 1),
]

# %% test="best_in_time" points=2
check("best_in_time", best_in_time)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for epochs in [1, 2, 12, 30]:
    for patience in [1, 2, 5]:
        losses = rng.integers(0, 12, epochs) / 4
        losses[1:][rng.random(epochs - 1) < 0.1] = np.nan
        weights = rng.normal(size=(epochs, 3))
        known = np.where(np.isnan(losses), np.inf, losses)
        champions = [int(np.argmin(known[: t + 1])) for t in range(epochs)]
        ends = [t for t in range(epochs) if t - champions[t] >= patience]
        last = ends[0] if ends else epochs - 1
        got = best_in_time(losses, weights, patience)
        what = f"{epochs} epochs, patience {patience}"
        assert_close(int(got[0]), last, what=f"last, {what}")
        assert_close(int(got[1]), champions[last], what=f"best, {what}")
        assert_close(np.asarray(got[2]), weights[champions[last]], what=f"kept, {what}")
for name, losses, expected in [
    ("a plateau", [3.0, 2.0, 2.0, 2.0, 2.0, 1.0], (4, 1)),
    ("not a number twice", [3.0, np.nan, 2.5, np.nan, 2.6, 2.4, 2.3], (6, 6)),
    ("two pauses", [3.0, 3.1, 3.2, 2.0, 2.1, 2.2, 1.0, 1.5], (7, 6)),
    ("up and down", [1.0, 4.0, 3.0, 2.0, 0.5], (3, 0)),
]:
    got = best_in_time(np.array(losses), np.arange(len(losses))[:, None], 3)
    assert_close([int(got[0]), int(got[1])], list(expected), what=name)
    assert_close(float(got[2][0]), float(expected[1]), what=f"{name}: kept")
### END HIDDEN TESTS

# %% [markdown] task="mixup_batch" minutes=10
# ## 5. Seven tenths of a three
#
# Mixup blends each example with another one, and the targets in the same proportion. Example $i$
# gets a partner `order[i]` and a share $\lambda_i$ of its own:
#
# $$\tilde x_i = \lambda_i\, x_i + (1 - \lambda_i)\, x_{\text{order}[i]}$$
#
# The classes come as numbers. Halfway between class 3 and class 8 there is no class 5.5, so turn
# them into one-hot rows before you blend.


# %% solution="mixup_batch"
def mixup_batch(x, classes, num_classes, lam, order):
    """A batch of blended examples and their blended targets.

    x           : array (N, D).
    classes     : integer array (N,), values 0..num_classes-1.
    num_classes : K.
    lam         : array (N,), the share of each example itself, between 0 and 1.
    order       : integer array (N,), the partner of each example.
    Returns (mixed, target): arrays (N, D) and (N, K).

    Example

        mixup_batch(np.array([[0.0], [8.0]]), np.array([0, 2]), 3, np.array([0.75, 1.0]),
                    np.array([1, 0]))

    returns (array([[2.], [8.]]), array([[0.75, 0., 0.25], [0., 0., 1.]])).

    Hints
    1. `x[order]` are the partners, row by row.
    2. lam has the shape (N,), x has (N, D). `lam[:, None]` is a column that fits.
    3. `np.eye(K)` has the one-hot row of every class. Pick rows by the class numbers.
    """
    ### BEGIN SOLUTION
    share = lam[:, None]
    one_hot = np.eye(num_classes)[classes]
    return share * x + (1 - share) * x[order], share * one_hot + (1 - share) * one_hot[order]
    ### END SOLUTION


# %% inputs="mixup_batch"
rng = np.random.default_rng(5)
inputs = [
    Case(
        name="the example",
        args=(
            np.array([[0.0], [8.0]]),
            np.array([0, 2]),
            3,
            np.array([0.75, 1.0]),
            np.array([1, 0]),
        ),
    ),
    Case(
        name="three in a ring",
        args=(
            np.arange(6.0).reshape(3, 2),
            np.array([1, 0, 1]),
            2,
            np.array([0.5, 0.25, 0.9]),
            np.array([1, 2, 0]),
        ),
    ),
    Case(
        name="as many features as examples",
        args=(
            rng.normal(size=(4, 4)),
            np.array([3, 0, 3, 1]),
            4,
            np.array([0.1, 0.6, 0.8, 0.3]),
            np.array([2, 3, 1, 0]),
        ),
    ),
    Case(
        name="some with themselves",
        args=(
            rng.normal(size=(3, 2)),
            np.array([0, 1, 2]),
            3,
            np.array([0.2, 0.7, 0.4]),
            np.array([0, 2, 1]),
        ),
    ),
    Case(
        name="all or nothing",
        args=(
            np.array([[1.0, 2.0], [3.0, 4.0]]),
            np.array([1, 0]),
            2,
            np.array([0.0, 1.0]),
            np.array([1, 0]),
        ),
    ),
    Case(
        name="without the last class",
        args=(
            np.array([[1.0], [2.0], [5.0]]),
            np.array([1, 0, 1]),
            4,
            np.array([0.5, 0.25, 0.75]),
            np.array([1, 2, 0]),
        ),
    ),
]

# %% test="mixup_batch" points=2
check("mixup_batch", mixup_batch)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, d, k in [(1, 1, 1), (3, 3, 3), (7, 2, 5), (5, 9, 2), (12, 4, 10)]:
    x, classes, order = rng.normal(size=(n, d)), rng.integers(0, k, n), rng.permutation(n)
    lam = rng.beta(0.4, 0.4, n)
    mixed, target = np.zeros((n, d)), np.zeros((n, k))
    for i, j in enumerate(order):
        mixed[i] = lam[i] * x[i] + (1 - lam[i]) * x[j]
        target[i, classes[i]] += lam[i]
        target[i, classes[j]] += 1 - lam[i]
    got = mixup_batch(x, classes, k, lam, order)
    for name, mine, right in zip(("mixed", "target"), got, (mixed, target), strict=True):
        assert_close(mine, right, what=f"{name}, {n} x {d}, {k} classes")
_, target = mixup_batch(np.zeros((2, 1)), np.array([0, 1]), 5, np.ones(2), np.array([1, 0]))
assert_close(target, np.eye(2, 5), what="target, the last classes missing")
### END HIDDEN TESTS

# %% [markdown] task="shift_images" minutes=20
# ## 6. More digits than there are
#
# A digit that moves by a pixel stays the same digit. Move each picture of a batch by its own number
# of whole pixels, `right[i]` to the right and `down[i]` down; negative numbers go the other way.
# What is pushed over the edge is gone, and **zeros come in from the other side.**
#
# Below your function a network learns to read digits that lie neatly in the middle. Then it meets a
# scanner that does not center them.


# %% solution="shift_images"
def shift_images(images, right, down):
    """Each image moved by whole pixels of its own, zeros where nothing is known.

    images      : array (N, H, W).
    right, down : integer arrays (N,), any size: a large shift leaves nothing but zeros.
    Returns a new array (N, H, W).

    Example

        shift_images(np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.array([1]), np.array([0]))

    returns array([[[0., 1.], [0., 3.]]]).

    Hints
    1. A pixel at row i, column j of the result comes from row i - down, column j - right.
    2. One way: start from zeros and copy the part that stays, image by image, with slices.
    3. Another way: `np.roll`, and then set to zero what came round the edge.
    4. Beware of slices such as `a[:-0]`, which are empty.
    """
    ### BEGIN SOLUTION
    height, width = images.shape[1:]
    rows = np.arange(height)[:, None] - down[:, None, None]
    columns = np.arange(width) - right[:, None, None]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    picked = images[
        np.arange(len(images))[:, None, None],
        rows.clip(0, height - 1),
        columns.clip(0, width - 1),
    ]
    return np.where(inside, picked, 0.0)
    ### END SOLUTION


# %%
# Given: how your function is tried out, once you have written it.


def read_digits(x_train, y_train, x_test, y_test, shifted, seed, steps=150):
    """% right of test digits that are off center, after training on moved digits or not."""
    rng, net = np.random.default_rng(seed), mlp((64, 48, 10), nn.ReLU, seed)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)

    def moved(x):
        return shift_images(x.reshape(-1, 8, 8), *rng.integers(-1, 2, (2, len(x)))).reshape(-1, 64)

    for _ in range(steps):
        x = moved(x_train) if shifted else x_train
        optimizer.zero_grad()
        scores = net(torch.as_tensor(x))
        nn.functional.cross_entropy(scores, torch.as_tensor(y_train)).backward()
        optimizer.step()
    return 100 * accuracy(net, moved(x_test), y_test)


# %% inputs="shift_images"
rng = np.random.default_rng(6)
three_by_four = np.arange(1.0, 13.0).reshape(1, 3, 4)
inputs = [
    Case(
        name="the example",
        args=(np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.array([1]), np.array([0])),
    ),
    Case("down by one", (three_by_four, np.array([0]), np.array([1]))),
    Case("left by two and up by one", (three_by_four, np.array([-2]), np.array([-1]))),
    Case("not moved", (three_by_four, np.array([0]), np.array([0]))),
    Case(
        name="each by its own",
        args=(
            rng.integers(1, 9, (3, 3, 3)).astype(float),
            np.array([1, 0, -1]),
            np.array([2, 1, 0]),
        ),
    ),
    Case("out of the picture", (three_by_four, np.array([7]), np.array([-3]))),
    Case("far out, left and up", (three_by_four, np.array([-6]), np.array([-5]))),
]

# %% test="shift_images" points=3
check("shift_images", shift_images)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, height, width in [(1, 1, 1), (4, 3, 3), (5, 2, 6), (6, 8, 8), (0, 4, 4)]:
    images = rng.uniform(1, 2, (n, height, width))
    right, down = rng.integers(-width - 1, width + 2, n), rng.integers(-height - 1, height + 2, n)
    right[:1] = down[:1] = 0  # one that stays where it is
    expected = np.zeros(images.shape)
    for m in range(n):
        for i in range(height):
            for j in range(width):
                row, column = i + down[m], j + right[m]
                if 0 <= row < height and 0 <= column < width:
                    expected[m, row, column] = images[m, i, j]
    got = shift_images(images, right, down)
    assert_close(got, expected, what=f"{n} images of {height} x {width}")
got = shift_images(np.ones((2, 4, 5)), np.array([-7, 7]), np.array([-6, 6]))
assert_close(got, np.zeros((2, 4, 5)), what="images moved out of sight")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: 300 digits to learn from, each in the middle of its picture, and 450 test digits
# that are off by up to a pixel. Two starts without augmentation and two with it.

# %% test="shift_images-digits" points=1
left = shift_images(np.ones((1, 8, 8)), np.array([3]), np.array([-2])).sum()
assert left == 30, f"of 64 ones moved right by 3 and up by 2, expected 30 to be left, got {left:g}"
(x_train, y_train), (x_test, y_test) = digits()
given = x_train[:300], y_train[:300], x_test, y_test
plain = np.mean([read_digits(*given, False, seed) for seed in range(2)])
moved = np.mean([read_digits(*given, True, seed) for seed in range(2)])
assert moved > plain + 10, (
    f"expected a gain of more than 10 points, got {plain:.1f} % -> {moved:.1f} %"
)
print(f"{plain:.1f} % of the test digits are right without, {moved:.1f} % with your function.")
### BEGIN HIDDEN TESTS
(x_train, y_train), (x_test, y_test) = digits(seed=4)
given = x_train[:300], y_train[:300], x_test, y_test
plain = np.mean([read_digits(*given, False, seed) for seed in range(2)])
moved = np.mean([read_digits(*given, True, seed) for seed in range(2)])
assert moved > plain + 10, f"another split: expected a gain, got {plain:.1f} -> {moved:.1f} %"
### END HIDDEN TESTS


# %%
@picture
def _():
    (x_train, _), _ = digits()
    rng = np.random.default_rng(0)
    images = np.repeat(x_train[:1].reshape(1, 8, 8), 8, axis=0)
    moved = shift_images(images, *rng.integers(-2, 3, (2, 8)))
    _, (axes,) = style.panels(1, 8, height=1.1)
    for ax, image in zip(axes, moved, strict=True):
        ax.imshow(image, cmap="gray_r")
        ax.axis("off")


# %% [markdown] task="ChannelDropout" minutes=15
# ## 7. Whole channels at once
#
# In a map of a convolutional layer neighbors know nearly the same, so a dropped pixel is no loss at
# all. The remedy is to drop **whole channels**: for each example and each channel one decision, for
# all of its pixels. Write it as a PyTorch module: in training a channel is zero with probability
# $p$, and the others are scaled by $1 / (1 - p)$; after `eval()` the input passes unchanged.
#
# `nn.Dropout2d` does this. Do it yourself, with `torch.rand`: PyTorch's own dropouts are refused.


# %%
# Given: how your module is tried out, once you have written it.
from torch.overrides import TorchFunctionMode


class YourOwn(TorchFunctionMode):
    """Refuses PyTorch's own dropout, by whatever name it is called."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        assert "dropout" not in name, f"PyTorch's `{name}` was called. Draw the mask yourself."
        return function(*args, **(kwargs or {}))


def drop_ones(p, shape, dtype="float64", training=True):
    """Ones through your module, twice; and what a gradient of ones becomes."""
    torch.manual_seed(0)
    module = ChannelDropout(p).train(training)
    x = torch.ones(shape, dtype=getattr(torch, dtype), requires_grad=True)
    with YourOwn():
        first, second = module(x), module(x)
    if first.requires_grad:  # else no gradient arrives
        first.backward(torch.ones_like(first))
    gradient = torch.zeros_like(x) if x.grad is None else x.grad
    results = first.detach(), second.detach(), gradient
    return (*(tensor.double().numpy() for tensor in results), str(first.dtype))


# %% solution="ChannelDropout"
class ChannelDropout(nn.Module):
    """Inverted dropout of whole channels.

    p : the probability of dropping a channel, 0 <= p < 1.

    Forward takes a floating-point tensor (N, C, H, W) and returns one of the same shape, dtype and
    device. Gradients flow through the channels that stay.

    Example: for p = 0.5 and an input of ones each channel of the result is either all 0 or all 2.

    Hints
    1. `self.training` is True until somebody calls `eval()`. nn.Module keeps it for you.
    2. One random number for each example and channel: which shape broadcasts over all pixels?
    3. Draw on the device of the input: `torch.rand(..., device=x.device)`.
    4. A mask of truth values becomes numbers with `.to(x.dtype)`.
    """

    def __init__(self, p=0.5):
        super().__init__()
        ### BEGIN SOLUTION
        self.p = p
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        if not self.training:
            return x
        stays = torch.rand(*x.shape[:2], 1, 1, device=x.device) >= self.p
        return x * stays.to(x.dtype) / (1 - self.p)
        ### END SOLUTION


# %% inputs="ChannelDropout"
inputs = [
    Case("a rate of one half", (0.5, (60, 20, 2, 3))),
    Case("a rate of one fifth", (0.2, (60, 20, 3, 2))),
    Case("in use", (0.5, (3, 4, 2, 2), False)),
    Case("a rate of zero", (0.0, (3, 4, 2, 2))),
]


# %% test="ChannelDropout" points=3
def facts(p, shape, training=True):
    """What can be said of your module's results, whichever channels it drops."""
    first, second, gradient, _ = drop_ones(p, shape, training=training)
    channels = first.reshape(*shape[:2], -1)
    dropped = channels[..., 0] == 0
    each = dropped.mean(axis=1), dropped.mean(axis=0)  # by example, by channel
    return {
        "every channel is all zero or all the same": bool((np.ptp(channels, axis=2) == 0).all()),
        "largest value": round(float(first.max()), 4),
        "share of channels dropped, to a tenth": round(float(dropped.mean()), 1),
        "examples differ from each other": bool(np.ptp(each[0]) > 0),
        "channels differ from each other": bool(np.ptp(each[1]) > 0),
        "the second call drops others": bool((first != second).any()),
        "gradient is that of the result": bool(np.allclose(gradient, first)),
    }


check("ChannelDropout", facts)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for p in [0.1, 0.5, rng.uniform(0.2, 0.8)]:
    shape = (100, 40, 2, int(rng.integers(1, 4)))
    first, second, gradient, _ = drop_ones(p, shape)
    case = f"p {p:.3g}, shape {shape}"
    flat = first.reshape(4000, -1)
    assert (np.ptp(flat, axis=1) == 0).all(), (
        f"a channel that is neither all zero nor whole, {case}"
    )
    kept = flat[:, 0] != 0
    share = 1 - kept.mean()
    assert abs(share - p) < 0.05, f"expected a share near {p:.3g} of channels dropped, {case}"
    assert_close(flat[kept, 0], np.full(kept.sum(), 1 / (1 - p)), what=f"what stays, {case}")
    assert_close(gradient, first, what=f"gradient, {case}")
    assert (first != second).any(), f"two calls dropped the same channels, {case}"
    by_example = (first[:, :, 0, 0] == 0).mean(axis=1)
    by_channel = (first[:, :, 0, 0] == 0).mean(axis=0)
    assert np.ptp(by_example) > 0 and np.ptp(by_channel) > 0, f"all alike, {case}"
    in_use, _, gradient, _ = drop_ones(p, (2, 3, 4, 4), training=False)
    assert_close(in_use, np.ones((2, 3, 4, 4)), what=f"in use, {case}")
    assert_close(gradient, np.ones((2, 3, 4, 4)), what=f"gradient in use, {case}")
for dtype in ["float32", "bfloat16"]:
    first, _, _, kind = drop_ones(0.5, (5, 4, 2, 2), dtype)
    assert_close(kind, f"torch.{dtype}", what=f"dtype for {dtype}")
    assert set(np.unique(first)) <= {0.0, 2.0}, f"expected zeros and twos for {dtype}"
### END HIDDEN TESTS

# %% [markdown]
# ## 8. Which one first?
#
# A friend trains a network to tell 20 kinds of leaves, from 1,000 photographs that volunteers
# labeled in a hurry. After 300 epochs 100 % of the training pictures are right and 61 % of the
# test pictures. The friend adds, in one go, dropout of 0.5, `weight_decay=0.01` in Adam,
# mirrored pictures, and early stopping by the *test* accuracy, takes the best of 300 epochs, and
# reports 70 %. "So dropout gives nine points."
#
# Answer in about 150 words:
#
# - Why does it not follow that dropout gives nine points? Name two reasons, and say how you would
#   find out what it does give.
# - One of the four is not what its name says, with this optimizer. Which one, and what would you
#   write instead?
# - The labels are hasty, and so some are wrong. Which of the four would you try first for that
#   reason, and what do you expect the training accuracy to do?

# %% [markdown] manual="which" points=3 minutes=10
# Four things changed at once, so the nine points belong to all of them together, and one run each
# is one seed: part of it may be luck. Besides, the test set chose the epoch. The best of 300
# looks at the test pictures is too good to be true; the 70 % would be lower on fresh
# pictures. One would split off held-out pictures for stopping, and then run with and without
# dropout, all else equal, over several seeds, and report the mean difference with its interval.
#
# `weight_decay` in Adam adds the L2 gradient to the loss's gradient, and Adam divides it by the
# size of the weight's gradients: weights with large gradients are hardly decayed. `AdamW` takes
# the decay out of the gradient.
#
# With wrong labels the harm is done late, when the network learns the exceptions by heart. Early
# stopping (on held-out data) costs nothing and prevents just that; dropout is a good answer, too.
# The training accuracy should then stay *below* 100 %, near the share of right labels. That is no
# failure, but the point.
#
# **Rubric**
#
# - 1 point: two of: several changes at once, a single seed, the test set used for choosing; with a
#   comparison that isolates dropout. Half for one reason, or without the comparison.
# - 1 point: `weight_decay` in Adam is L2 in the loss, rescaled by Adam; AdamW instead. Half
#   without a reason.
# - 1 point: early stopping or dropout with a reason, and training accuracy below 100 %. Half
#   without the last. None for mirrored pictures without any mention of wrong labels.
