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
#   title: Optimizers
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
# # Optimizers
#
# You have read the chapter. Now you walk downhill yourself: you average, cut batches, build
# momentum and Adam, bend the learning rate over time, and in the end you program an optimizer that
# the chapter does not have, in PyTorch. Twice your code has to teach a network to read.
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
from book.data import digits

style.use()


# %% [markdown] task="running_average" minutes=10
# ## 1. An average that forgets
#
# The exponentially weighted average keeps one number and mixes a little of each new value into it,
#
# $$W_t = \beta\, W_{t-1} + (1 - \beta)\,\theta_t, \qquad W_0 = 0.$$
#
# It starts too small, since $W_0 = 0$ is a lie. On request, correct for that: report
# $W_t / (1 - \beta^t)$, where $t$ counts from 1. Only the *report* is corrected. What is carried on
# to the next step is $W_t$ itself.


# %% solution="running_average"
def running_average(values, beta, corrected=False):
    """The exponentially weighted averages of values, along the first dimension.

    values    : array (T, *), where * is any number of further dimensions, also none.
    beta      : a number, 0 <= beta < 1.
    corrected : whether each average is divided by 1 - beta**t.
    Returns an array of floating-point numbers in the shape of values.

    Example: running_average(np.array([8.0, 0.0, 4.0]), 0.5) returns array([4., 2., 3.]), and with
    corrected=True array([8.        , 2.66666667, 3.42857143]).

    Hints
    1. Go through the values with `enumerate(values, start=1)`: that gives you t as well.
    2. Keep two things apart: the average that you carry on, and what you write into the result.
    """
    ### BEGIN SOLUTION
    result, average = np.zeros(values.shape), 0.0
    for t, value in enumerate(values, start=1):
        average = beta * average + (1 - beta) * value
        result[t - 1] = average / (1 - beta**t) if corrected else average
    return result
    ### END SOLUTION


# %% inputs="running_average"
# ruff: noqa: E402, because the cells of a notebook import what they need
from book.op import Case

rng = np.random.default_rng(1)
inputs = [
    Case("the example", (np.array([8.0, 0.0, 4.0]), 0.5)),
    Case("the example, corrected", (np.array([8.0, 0.0, 4.0]), 0.5), {"corrected": True}),
    Case("a long memory", (rng.normal(size=6), 0.9)),
    Case("a long memory, corrected", (rng.normal(size=6), 0.9), {"corrected": True}),
    Case("three series at once", (rng.normal(size=(4, 3)), 0.75), {"corrected": True}),
    Case("no memory", (np.array([1.0, -2.0, 3.0]), 0.0), {"corrected": True}),
    Case("whole numbers", (np.array([1, 2, 3]), 0.5)),
]

# %% test="running_average" points=2
check("running_average", running_average)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for shape in [(1,), (9,), (5, 2), (3, 2, 2), (0,)]:
    for corrected in [False, True]:
        values, beta = rng.normal(size=shape), rng.uniform(0.2, 0.95)
        steps = np.arange(shape[0])
        age = steps[:, None] - steps
        weights = np.where(age >= 0, (1 - beta) * beta ** np.maximum(age, 0), 0.0)
        if corrected:
            weights = weights / weights.sum(axis=1, keepdims=True)
        expected = np.tensordot(weights, values, axes=1)
        got = running_average(values, beta, corrected)
        assert_close(got, expected, what=f"shape {shape}, corrected {corrected}")
### END HIDDEN TESTS

# %% [markdown]
# A year of made-up temperatures, averaged over about ten and about fifty days. What do you pay for
# a smoother curve?


# %%
@picture
def _():
    rng = np.random.default_rng(0)
    days = np.arange(365)
    temperature = 10 - 12 * np.cos(2 * np.pi * days / 365) + rng.normal(scale=4, size=365)
    plt.plot(days[::2], temperature[::2], ".", color=style.GRAY, markersize=3)
    for beta in (0.9, 0.98):
        plt.plot(days[::5], running_average(temperature, beta, True)[::5], label=f"beta {beta}")
    plt.xlabel("day")
    plt.ylabel("temperature (°C)")
    plt.legend()


# %% [markdown] task="cut" minutes=10
# ## 2. Cut an epoch into batches
#
# One epoch goes through all examples once, in random order. Somebody has shuffled their numbers for
# you. Cut them into batches. Where they do not come out even, the last batch is short; with
# `drop_last` it is left out.


# %% solution="cut"
def cut(order, size, drop_last=False):
    """The batches of one epoch.

    order     : array (N,) of whole numbers, the examples in the order in which they come.
    size      : the number of examples in a batch, at least 1.
    drop_last : whether a short last batch is left out.
    Returns a list of arrays, each with the numbers of one batch, in order.

    Example: cut(np.array([3, 0, 4, 1, 2]), 2) returns [array([3, 0]), array([4, 1]), array([2])],
    and with drop_last=True the first two only.

    Hints
    1. `range(0, len(order), size)` gives the places where batches begin.
    2. A slice may reach beyond the end: it is then just shorter.
    """
    ### BEGIN SOLUTION
    pieces = [order[start : start + size] for start in range(0, len(order), size)]
    return [piece for piece in pieces if len(piece) == size or not drop_last]
    ### END SOLUTION


# %% inputs="cut"
inputs = [
    Case("the example", (np.array([3, 0, 4, 1, 2]), 2)),
    Case("the example, without the rest", (np.array([3, 0, 4, 1, 2]), 2), {"drop_last": True}),
    Case("it comes out even", (np.array([5, 3, 1, 0, 4, 2]), 3)),
    Case("even, without the rest", (np.array([5, 3, 1, 0, 4, 2]), 3), {"drop_last": True}),
    Case("a part of a larger set", (np.array([40, 10, 30]), 2)),
    Case("one at a time", (np.array([2, 0, 1]), 1)),
    Case("all at once", (np.array([2, 0, 3, 1]), 4)),
    Case("a batch larger than the data", (np.array([1, 0, 2]), 8)),
    Case("larger, without the rest", (np.array([1, 0, 2]), 8), {"drop_last": True}),
]

# %% test="cut" points=2
check("cut", cut)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, size in [(10, 3), (12, 4), (7, 10), (1, 1), (0, 3), (100, 32)]:
    order = rng.permutation(n)
    whole = n // size
    for drop_last in [False, True]:
        got = cut(order, size, drop_last)
        what = f"{n} examples in batches of {size}, drop_last {drop_last}"
        count = whole + (n % size > 0 and not drop_last)
        assert_close(len(got), count, what=f"number of batches, {what}")
        for k, batch in enumerate(got):
            right = order[k * size : min(n, (k + 1) * size)]
            assert_close(batch, right, what=f"batch {k}, {what}")
### END HIDDEN TESTS

# %% [markdown] task="momentum_path" minutes=15
# ## 3. Momentum, and a look ahead
#
# PyTorch's momentum keeps a buffer $b$ for each weight. At every step
#
# $$b \leftarrow \mu\, b + g, \qquad w \leftarrow w - \eta\, b,$$
#
# and with Nesterov's look ahead the second line is $w \leftarrow w - \eta\,(g + \mu\, b)$, with
# the new $b$. The buffer starts at 0.
#
# The gradients of all steps are given to you here, so that you can think about the buffer alone.


# %% solution="momentum_path"
def momentum_path(start, gradients, lr, momentum, nesterov=False):
    """The weights after each step of gradient descent with momentum.

    start     : array (D,), the weights before the first step; it must stay as it is.
    gradients : array (T, D), the gradient of each step.
    lr, momentum : numbers.
    nesterov  : whether to look ahead.
    Returns an array (T, D): a row for the weights after each step.

    Example: momentum_path(np.array([10.0]), np.array([[1.0], [1.0]]), 1.0, 0.5) returns
    array([[9. ], [7.5]]): the second step is half as long again as the first. With nesterov=True
    it returns array([[8.5 ], [6.75]]).

    Hints
    1. Update the buffer first, then the weights: the new buffer counts at once.
    2. Build new arrays, `w = w - ...`: `w -= ...` would also change `start`, and all rows that you
       have stored so far.
    """
    ### BEGIN SOLUTION
    w, buffer, path = start, np.zeros(start.shape), np.zeros(gradients.shape)
    for t, g in enumerate(gradients):
        buffer = momentum * buffer + g
        w = w - lr * (g + momentum * buffer if nesterov else buffer)
        path[t] = w
    return path
    ### END SOLUTION


# %% inputs="momentum_path"
rng = np.random.default_rng(3)
one = np.array([[1.0], [1.0]])
inputs = [
    Case("the example", (np.array([10.0]), one, 1.0, 0.5)),
    Case("the example, Nesterov", (np.array([10.0]), one, 1.0, 0.5), {"nesterov": True}),
    Case("four steps", (rng.normal(size=2), rng.normal(size=(4, 2)), 0.1, 0.9)),
    Case(
        "four steps, Nesterov",
        (rng.normal(size=2), rng.normal(size=(4, 2)), 0.1, 0.9),
        {"nesterov": True},
    ),
    Case("no momentum", (np.array([1.0, 2.0]), rng.normal(size=(3, 2)), 0.5, 0.0)),
    Case("no steps", (np.array([1.0, 2.0]), np.zeros((0, 2)), 0.5, 0.9)),
]

# %% test="momentum_path" points=3
check("momentum_path", momentum_path)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for d, steps in [(1, 1), (1, 6), (4, 5), (3, 40)]:
    for nesterov in [False, True]:
        start, gradients = rng.normal(size=d), rng.normal(size=(steps, d))
        lr, momentum = rng.uniform(0.01, 0.5), rng.uniform(0.3, 0.95)
        w = torch.tensor(start, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr, momentum, nesterov=nesterov)
        expected = []
        for g in gradients:
            w.grad = torch.tensor(g)
            optimizer.step()
            expected.append(w.detach().numpy().copy())
        got = momentum_path(start, gradients, lr, momentum, nesterov)
        assert_close(got, np.array(expected), what=f"{steps} steps, Nesterov {nesterov}")
### END HIDDEN TESTS

# %% [markdown]
# A ravine: the gradient points along the valley a little, and across it a lot, now left, now right.
# Momentum lets the zigzag cancel and adds up what stays the same.


# %%
@picture
def _():
    zigzag = np.array([[-0.2, 1.0 if t % 2 else -1.0] for t in range(20)])
    for momentum in (0.0, 0.5, 0.9):
        path = momentum_path(np.zeros(2), zigzag, 1.0, momentum)
        plt.plot(*path.T, marker=".", label=f"momentum {momentum:g}")
    plt.xlabel("along the valley")
    plt.ylabel("across")
    plt.legend()


# %% [markdown] task="adam_step" minutes=20
# ## 4. Adam
#
# Now the most used optimizer of all, one step of it. With the gradient $g$ and the number of the
# step, $t = 1, 2, \dots$:
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2,
# \qquad w \leftarrow w - \eta\, \frac{\hat m}{\sqrt{\hat v} + \varepsilon}$$
#
# with $\hat m = m / (1 - \beta_1^t)$ and $\hat v = v / (1 - \beta_2^t)$. The hats are for this step
# only: what is remembered are $m$ and $v$ without them.


# %%
def digit_gradient(w, x, y):
    """Given: the loss of a linear classifier of digits, and its gradient; w has shape (650,)."""
    table = w.reshape(10, 65)
    rows = np.arange(len(y))
    logits = x @ table[:, :64].T + table[:, 64]
    logits = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss = -np.log(p[rows, y]).mean()
    p[rows, y] -= 1.0
    to_table = np.concatenate([p.T @ x, p.sum(axis=0)[:, None]], axis=1)
    return loss, to_table.ravel() / len(y)


# %% solution="adam_step"
def adam_step(w, g, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    """One step of Adam.

    w, g, m, v : arrays of the same shape: weights, gradient, and the two averages before the step.
    t          : the number of the step, from 1.
    Returns (w, m, v) after the step, as new arrays.

    Example: in the very first step every weight moves by lr, however large its gradient:

        adam_step(np.zeros(2), np.array([3.0, -0.5]), np.zeros(2), np.zeros(2), 1, lr=0.1)

    returns (array([-0.1,  0.1]), array([ 0.3 , -0.05]), array([0.009  , 0.00025]))

    Hints
    1. The exponent t belongs to beta: `beta1**t`.
    2. The epsilon stands outside the root.
    3. Give the corrected averages names of their own, so that you return the others.
    """
    ### BEGIN SOLUTION
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * m_hat / (np.sqrt(v_hat) + eps), m, v
    ### END SOLUTION


def learn(x_train, y_train, x_test, steps=200, size=64, lr=0.02):
    """Given: train the linear classifier with your Adam; return test predictions and losses."""
    rng = np.random.default_rng(0)
    w, m, v, losses = np.zeros(650), np.zeros(650), np.zeros(650), []
    for t in range(1, steps + 1):
        rows = rng.integers(0, len(x_train), size)
        loss, g = digit_gradient(w, x_train[rows], y_train[rows])
        w, m, v = adam_step(w, g, m, v, t, lr)
        losses.append(float(loss))
    table = w.reshape(10, 65)
    return (x_test @ table[:, :64].T + table[:, 64]).argmax(axis=1), losses


# %% inputs="adam_step"
rng = np.random.default_rng(4)
zeros = np.zeros(2)
inputs = [
    Case("the example", (zeros, np.array([3.0, -0.5]), zeros, zeros, 1), {"lr": 0.1}),
    Case(
        "the second step",
        (np.array([1.0, 2.0]), np.array([0.5, -2.0]), np.array([0.1, -0.1]), np.array([0.01, 0.02]),
         2),
        {"lr": 0.1},
    ),
    Case("step 50", (*rng.normal(size=(3, 4)), rng.uniform(1, 2, 4), 50), {"lr": 0.5}),
    Case(
        "other averages, a large epsilon",
        (*rng.normal(size=(3, 2, 2)), rng.uniform(1, 2, (2, 2)), 3, 0.1, 0.5, 0.75, 0.5),
    ),
    Case("no gradient at all", (np.ones(2), zeros, zeros, zeros, 1), {"lr": 0.1}),
]  # fmt: skip

# %% test="adam_step" points=3
check("adam_step", adam_step)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for shape in [(1,), (5,), (2, 3), ()]:
    lr, eps = rng.uniform(0.01, 0.5), 10.0 ** -rng.integers(1, 8)
    beta1, beta2 = rng.uniform(0.5, 0.95), rng.uniform(0.6, 0.999)
    w = rng.normal(size=shape)
    m = v = np.zeros(shape)
    peer = torch.tensor(w, requires_grad=True)
    optimizer = torch.optim.Adam([peer], lr, (beta1, beta2), eps)
    for t in range(1, 8):
        g = rng.normal(size=shape)
        peer.grad = torch.tensor(g)
        optimizer.step()
        w, m, v = adam_step(w, g, m, v, t, lr, beta1, beta2, eps)
        assert_close(w, peer.detach().numpy(), what=f"w, shape {shape}, step {t}")
        state = optimizer.state[peer]
        assert_close(m, state["exp_avg"].numpy(), what=f"m, shape {shape}, step {t}")
        assert_close(v, state["exp_avg_sq"].numpy(), what=f"v, shape {shape}, step {t}")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: 1,347 handwritten digits to learn from, in 200 batches of 64, and 450 that the
# classifier has not seen.

# %% test="adam_step-digits" points=1
(x_train, y_train), (x_test, y_test) = digits()
predictions, losses = learn(x_train, y_train, x_test)
accuracy = np.mean(predictions == y_test)
assert accuracy > 0.93, f"expected more than 93 % of the test digits right, got {accuracy:.1%}"
print(f"The loss of a batch fell from {losses[0]:.2f} to {losses[-1]:.2f}.")
print(f"{accuracy:.1%} of the test digits are right.")
### BEGIN HIDDEN TESTS
(x_train, y_train), (x_test, y_test) = digits(seed=2)
predictions, losses = learn(x_train, y_train, x_test)
accuracy = np.mean(predictions == y_test)
assert accuracy > 0.93, f"another split: expected more than 93 % right, got {accuracy:.1%}"
assert losses[0] > 2.2, f"another split: expected a loss near log(10) at first, got {losses[0]:.2f}"
### END HIDDEN TESTS

# %% [markdown]
# The loss of each batch at three learning rates. Adam forgives a lot, but not everything.


# %%
@picture
def _():
    (x_train, y_train), (x_test, _) = digits()
    for lr in (0.0005, 0.02, 2.0):
        _, losses = learn(x_train, y_train, x_test, lr=lr)
        plt.semilogy(np.arange(200)[::4], losses[::4], label=f"learning rate {lr:g}")
    plt.xlabel("step")
    plt.ylabel("loss of the batch")
    plt.legend()


# %% [markdown] task="warmup_cosine" minutes=15
# ## 5. Warm up, then come down
#
# The schedule that most large models are trained with: a straight ramp to the peak rate, then half
# a cosine down to zero. With $T$ steps in all, of which the first $W$ warm up, step
# $n = 0, 1, 2, \dots$ has the rate
#
# $$\eta_n = \eta_{\max} \cdot \begin{cases} \frac{n + 1}{W} & n < W \\[1ex]
# \frac{1}{2} \left(1 + \cos\left(\pi\, \frac{n - W}{T - W}\right)\right) & W \le n < T \\[1ex]
# 0 & n \ge T \end{cases}$$
#
# The first step has the rate $\eta_{\max} / W$, not 0: a step of length 0 would be wasted.


# %% solution="warmup_cosine"
def warmup_cosine(steps, total, warmup, peak):
    """The learning rates of the given steps.

    steps  : array (*) of whole numbers from 0, the numbers of the steps.
    total  : T, the number of all steps.
    warmup : W, the number of steps of the ramp, 0 <= W < T.
    peak   : the highest rate.
    Returns an array (*) of floating-point numbers.

    Example: warmup_cosine(np.arange(8), 6, 2, 1.0) returns
    array([0.5, 1., 1., 0.85355339, 0.5, 0.14644661, 0., 0.]).

    Hints
    1. `np.where(condition, a, b)` chooses number by number. It computes both sides, so see that
       neither divides by zero where there is no warm-up: `max(warmup, 1)`.
    2. How far along the cosine is a step? (n - W) / (T - W), and never more than 1:
       `np.minimum(..., 1.0)` also takes care of all steps after the end.
    """
    ### BEGIN SOLUTION
    ramp = (steps + 1) / max(warmup, 1)
    along = np.minimum((steps - warmup) / (total - warmup), 1.0)
    return peak * np.where(steps < warmup, ramp, 0.5 * (1 + np.cos(np.pi * along)))
    ### END SOLUTION


# %% inputs="warmup_cosine"
inputs = [
    Case("the example", (np.arange(8), 6, 2, 1.0)),
    Case("ten steps, three to warm up", (np.arange(10), 10, 3, 0.3)),
    Case("no warm-up", (np.arange(5), 4, 0, 0.5)),
    Case("the first step only", (np.array([0]), 100, 50, 2.0)),
    Case("in any order", (np.array([[9, 0], [4, 2]]), 8, 4, 0.1)),
]

# %% test="warmup_cosine" points=2
check("warmup_cosine", warmup_cosine)
### BEGIN HIDDEN TESTS
import math

from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for total, warmup in [(10, 0), (10, 9), (57, 12), (1000, 100)]:
    peak = rng.uniform(0.01, 2.0)
    steps = rng.integers(0, total + 5, size=(4, 6))
    expected = np.zeros(steps.shape)
    for index, n in np.ndenumerate(steps):
        if n < warmup:
            expected[index] = peak * (n + 1) / warmup
        elif n < total:
            expected[index] = peak / 2 * (1 + math.cos(math.pi * (n - warmup) / (total - warmup)))
    what = f"{total} steps, {warmup} of them warm up"
    assert_close(warmup_cosine(steps, total, warmup, peak), expected, what=what, atol=1e-12)
### END HIDDEN TESTS


# %%
@picture
def _():
    steps = np.arange(120)
    for warmup in (0, 10, 40):
        plt.plot(steps, warmup_cosine(steps, 100, warmup, 0.1), label=f"{warmup} steps to warm up")
    plt.xlabel("step")
    plt.ylabel("learning rate")
    plt.legend()


# %% [markdown] task="new_bob" minutes=10
# ## 6. New-bob
#
# A schedule that looks at the results instead of the clock. It begins with a constant rate. After
# each epoch it looks at the *gain*, by how much the validation loss has fallen since the epoch
# before. Once the gain is smaller than a threshold, **every** epoch from then on has half the rate
# of the one before, whatever the later gains are.
#
# The rate of an epoch is decided before the epoch runs: it can depend on earlier losses only.


# %% solution="new_bob"
def new_bob(losses, lr, threshold, factor=0.5):
    """The learning rate of each epoch.

    losses    : array (T,), the validation loss after each epoch.
    lr        : the rate of the first epoch.
    threshold : a gain below this starts the decay.
    factor    : what the rate is multiplied by in each epoch of the decay.
    Returns an array (T,): the rate with which each epoch was run.

    Example: new_bob(np.array([1.0, 0.5, 0.45, 0.2, 0.1]), 0.8, 0.1) returns
    array([0.8, 0.8, 0.8, 0.4, 0.2]): the gain of 0.05 in the third epoch starts the decay, and the
    later gains do not stop it.

    Hints
    1. Remember in a variable whether the decay has begun. It is never set back.
    2. The first epoch has nothing to compare with, so the second one always has the first rate.
    """
    ### BEGIN SOLUTION
    rates, decaying = np.full(len(losses), float(lr)), False
    for k in range(2, len(losses)):
        decaying = decaying or losses[k - 2] - losses[k - 1] < threshold
        rates[k] = rates[k - 1] * (factor if decaying else 1.0)
    return rates
    ### END SOLUTION


# %% inputs="new_bob"
inputs = [
    Case("the example", (np.array([1.0, 0.5, 0.45, 0.2, 0.1]), 0.8, 0.1)),
    Case("always a large gain", (np.array([8.0, 4.0, 2.0, 1.0]), 1.0, 0.5)),
    Case("the loss rises once", (np.array([3.0, 2.0, 2.5, 1.0, 0.9, 0.3]), 1.0, 0.25)),
    Case("a factor of a tenth", (np.array([1.0, 1.0, 0.9, 0.9, 0.0]), 0.1, 0.05, 0.1)),
    Case("one epoch", (np.array([1.0]), 0.5, 0.1)),
    Case("two epochs", (np.array([1.0, 2.0]), 0.5, 0.1)),
]

# %% test="new_bob" points=2
check("new_bob", new_bob)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count in [0, 1, 2, 3, 12, 40]:
    losses = np.exp(-np.arange(count) / 6) + rng.normal(scale=0.01, size=count)
    for threshold in [0.0, 0.03, 0.08]:
        lr, factor = rng.uniform(0.1, 1.0), rng.uniform(0.3, 0.9)
        gains = losses[:-1] - losses[1:]
        small = np.flatnonzero(gains < threshold)
        first = small[0] + 2 if small.size else count  # the epoch that first has a smaller rate
        expected = lr * factor ** np.maximum(np.arange(count) - first + 1, 0)
        what = f"{count} epochs, threshold {threshold}"
        assert_close(new_bob(losses, lr, threshold, factor), expected, what=what)
# The decay goes on whatever is gained later.
dip = np.array([4.0, 3.0, 3.0, 2.0, 1.0, 0.0])
assert_close(new_bob(dip, 1.0, 0.5), np.array([1, 1, 1, 0.5, 0.25, 0.125]), what="gains later on")
### END HIDDEN TESTS

# %% [markdown] task="lion_path" minutes=20
# ## 7. A new optimizer
#
# In 2023 a program that invents optimizers found this one (Lion, *evolved sign momentum*):
#
# $$w \leftarrow w - \eta \left(\mathrm{sign}\bigl(\beta_1 m + (1 - \beta_1)\, g\bigr)
# + \lambda w\right), \qquad m \leftarrow \beta_2 m + (1 - \beta_2)\, g$$
#
# Only the *sign* counts, so every weight moves by $\eta$ at each step, up or down. Mind the order:
# the step uses the old $m$ (and the old $w$ in $\lambda w$), and $m$ is updated with another
# $\beta$ afterwards. It starts at 0.
#
# Write it as a PyTorch optimizer. The base class keeps the books for you: `self.param_groups` is a
# list of dictionaries with "params" and the options of the group, and `self.state[p]` is a
# dictionary of your own for each parameter, empty at first. Your `step` goes through all of it and
# changes the parameters **in place**. A parameter without gradient is left alone.


# %% solution="lion_path"
class Lion(torch.optim.Optimizer):
    """Evolved sign momentum.

    params       : tensors, or a list of groups, {"params": [...], "lr": ...}.
    lr           : the length of every step.
    beta1, beta2 : how much of m is kept, in the step and in what is remembered.
    weight_decay : lambda.

    Example: one weight of 1.0 with the gradient 5.0, lr=0.1 and no decay: after one step it is 0.9,
    whatever the gradient's size.

    Hints
    1. Two loops: `for group in self.param_groups`, `for p in group["params"]`. The options are
       `group["lr"]` and so on: groups may differ.
    2. `self.state[p]` is a dictionary: at first put `torch.zeros_like(p)` there under a name.
    3. In place means `p.sub_(...)` or `p -= ...`; `p = p - ...` makes a new tensor that nobody
       knows. `@torch.no_grad()` is given, so autograd does not mind.
    """

    def __init__(self, params, lr=0.001, beta1=0.9, beta2=0.99, weight_decay=0.0):
        defaults = {"lr": lr, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self):
        ### BEGIN SOLUTION
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                m = state.get("m", torch.zeros_like(p))
                direction = torch.sign(group["beta1"] * m + (1 - group["beta1"]) * p.grad)
                p.sub_(group["lr"] * (direction + group["weight_decay"] * p))
                state["m"] = group["beta2"] * m + (1 - group["beta2"]) * p.grad
        ### END SOLUTION


class DigitNet(nn.Module):
    """Given: a small network that reads digits."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(64, 32, dtype=torch.float64)
        self.out = nn.Linear(32, 10, dtype=torch.float64)

    def forward(self, x):
        return self.out(self.hidden(x).relu())


def lion_path(w, bias, gradients, bias_gradients, lr, bias_lr, beta1, beta2, weight_decay):
    """Given: your optimizer on two parameters, each in a group of its own.

    gradients, bias_gradients : one row for each step; None instead of the second means that the
    bias never has a gradient. Returns both parameters after the last step.
    """
    w, bias = w.clone().requires_grad_(), bias.clone().requires_grad_()
    groups = [{"params": [w]}, {"params": [bias], "lr": bias_lr}]
    optimizer = Lion(groups, lr, beta1, beta2, weight_decay)
    for k in range(len(gradients)):
        w.grad = gradients[k].clone()
        bias.grad = None if bias_gradients is None else bias_gradients[k].clone()
        optimizer.step()
    return w.detach(), bias.detach()


def lion_digits(x_train, y_train, x_test, lr=0.003):
    """Given: train the small network with your optimizer; return test predictions and losses."""
    torch.manual_seed(0)
    net = DigitNet()
    optimizer = Lion(net.parameters(), lr)
    x, y, losses = torch.as_tensor(x_train), torch.as_tensor(y_train), []
    for k in range(200):
        rows = torch.arange(64 * k, 64 * k + 64) % len(x)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        return net(torch.as_tensor(x_test)).argmax(1).numpy(), losses


# %% inputs="lion_path"
rng = np.random.default_rng(7)


def path(name, steps, *shape, dtype=torch.float64, bias=True, decay=0.0, betas=(0.9, 0.99)):
    """Parameters and gradients of so many steps, as tensors."""
    arrays = rng.normal(size=shape), rng.normal(size=2)
    arrays += rng.normal(size=(steps, *shape)), rng.normal(size=(steps, 2))
    tensors = [torch.tensor(array, dtype=dtype) for array in arrays]
    if not bias:
        tensors[3] = None
    return Case(name, (*tensors, 0.125, 0.5, *betas, decay))


inputs = [
    Case(
        name="the example",
        args=(
            torch.tensor([1.0], dtype=torch.float64),
            torch.tensor([0.0, 0.0], dtype=torch.float64),
            torch.tensor([[5.0]], dtype=torch.float64),
            torch.tensor([[-1.0, 0.0]], dtype=torch.float64),
            0.1, 0.1, 0.9, 0.99, 0.0,
        ),
    ),
    path("five steps", 5, 3, betas=(0.5, 0.75)),
    path("eight steps, a long memory", 8, 4),
    path("weight decay", 4, 2, decay=0.25, betas=(0.5, 0.75)),
    path("a bias without gradient", 3, 2, bias=False),
    path("a matrix, float32", 6, 2, 3, dtype=torch.float32, betas=(0.25, 0.5), decay=0.125),
]  # fmt: skip

# %% test="lion_path" points=3
check("lion_path", lion_path)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for shape, steps in [((1,), 1), ((4,), 12), ((3, 2), 9), ((5,), 30)]:
    for dtype in [torch.float64, torch.float32]:
        for has_bias in [True, False]:
            arrays = rng.normal(size=shape), rng.normal(size=2)
            arrays += rng.normal(size=(steps, *shape)), rng.normal(size=(steps, 2))
            w, bias, gradients, bias_gradients = (torch.tensor(a, dtype=dtype) for a in arrays)
            beta1, beta2, decay = rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.9), rng.uniform(0, 0.5)
            got = lion_path(
                w, bias, gradients, bias_gradients if has_bias else None, 0.1, 0.3, beta1, beta2,
                decay,
            )  # fmt: skip
            expected = []
            for p, grads, lr, moves in (
                (w, gradients, 0.1, True), (bias, bias_gradients, 0.3, has_bias)
            ):  # fmt: skip
                p, m = p.clone(), torch.zeros_like(p)
                for g in grads if moves else []:
                    side = torch.sign(beta1 * m + (1 - beta1) * g)
                    p, m = p - lr * (side + decay * p), beta2 * m + (1 - beta2) * g
                expected.append(p)
            case = f"shape {shape}, {steps} steps, {dtype}, bias with gradient: {has_bias}"
            assert_close(got[0], expected[0], what=f"w, {case}")
            assert_close(got[1], expected[1], what=f"bias, {case}")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: the digits again, this time with a hidden layer and your own optimizer.

# %% test="lion_path-digits" points=1
(x_train, y_train), (x_test, y_test) = digits()
predictions, losses = lion_digits(x_train, y_train, x_test)
accuracy = np.mean(predictions == y_test)
assert accuracy > 0.93, f"expected more than 93 % of the test digits right, got {accuracy:.1%}"
print(f"The loss of a batch fell from {losses[0]:.2f} to {losses[-1]:.2f}.")
print(f"{accuracy:.1%} of the test digits are right.")
### BEGIN HIDDEN TESTS
(x_train, y_train), (x_test, y_test) = digits(seed=3)
predictions, losses = lion_digits(x_train, y_train, x_test)
accuracy = np.mean(predictions == y_test)
assert accuracy > 0.93, f"another split: expected more than 93 % right, got {accuracy:.1%}"
assert losses[0] > 2.0, f"another split: expected a loss near log(10) at first, got {losses[0]:.2f}"
### END HIDDEN TESTS

# %% [markdown]
# Since every weight moves by the learning rate at every step, Lion wants a smaller one than Adam.
# The share of test digits that are right, for rates from tiny to huge:


# %%
@picture
def _():
    (x_train, y_train), (x_test, y_test) = digits()
    rates = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1]
    right = [100 * np.mean(lion_digits(x_train, y_train, x_test, lr)[0] == y_test) for lr in rates]
    plt.semilogx(rates, right, marker="o")
    plt.xlabel("learning rate")
    plt.ylabel("test digits right (%)")


# %% [markdown]
# ## 8. Advise a friend
#
# A friend trains a network with SGD, momentum 0.9 as PyTorch has it, batches of 32 and a constant
# rate of 0.1. The training loss falls quickly, then dances around a value that she finds too high.
# She has been told three things: *take batches of 512*, *use the rate of this paper, it also has
# momentum 0.9*, and *switch to Adam with the same rate*. In the paper the momentum is written
# $v \leftarrow 0.9\, v + 0.1\, g$ and the rate is 1.
#
# Answer in about 150 words:
#
# - What makes the loss dance, and what would you change first?
# - What happens to noise, number of steps and a fitting rate if she takes batches of 512?
# - Is the paper's rate higher or lower than hers? And what would Adam do with a rate of 0.1?

# %% [markdown] manual="advice" points=3 minutes=15
# The loss dances because the gradient of a mini-batch is noisy and the rate is constant: near the
# minimum each step is as long as the noise allows. I would first let the rate come down, by a
# cosine or a staircase, over the rest of the training.
#
# Batches of 512 are 16 times as large. The noise of the gradient falls by the root of 16, to a
# quarter. But an epoch then has a sixteenth of the steps, so with the same rate and number of
# epochs the network would hardly get anywhere. A larger batch allows a higher rate (with a
# warm-up), up to the limit that the steepest direction sets.
#
# The paper averages, so its velocity is a tenth of PyTorch's: its rate of 1 is her 0.1, exactly the
# same. Adam divides by the size of the gradients, so each step moves every weight by about the
# rate: 0.1 is enormous there. 0.001 is the usual start.
#
# **Rubric**
#
# - 1 point: noise of the mini-batches with a constant rate (half), and lowering the rate in time as
#   the first remedy (half). "A lower rate" alone is half of that half.
# - 1 point: noise to a quarter and steps to a sixteenth (half), and that a higher rate goes with it
#   or that it needs more epochs (half).
# - 1 point: the rates are the same, with the factor 1 - 0.9 as the reason (half); 0.1 is far too
#   high for Adam since its steps have the length of the rate (half).
