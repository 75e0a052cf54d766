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
#   title: Neurons
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
# # Neurons
#
# You have read the chapter. Now you build with it: a neuron that knows how far a point is from its
# line, the rule by which it learns, the way between the two layouts, a standardizer that does not
# peek at the test data, the gradient that document 001 gets wrong, and at the end a PyTorch
# network that tells malignant tumors from benign ones.
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
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from autograder.checks import check, picture
from book import style
from book.data import breast_cancer, digits
from book.training import fit

style.use()


# %% [markdown] task="decide" minutes=10
# ## 1. Which side, and how far
#
# A neuron fires where $z = w \cdot x + b \ge 0$. Its line is where $z = 0$, and $z / |w|$ is the
# distance of $x$ from that line: positive where it fires, negative where it does not. Here $|w|$
# is the length of $w$, the square root of $w_1^2 + \dots + w_D^2$.


# %% solution="decide"
def decide(x, weight, bias):
    """What a neuron says to each example, and how far each lies from its line.

    x      : array (N, D), one example a row.
    weight : array (D,), not all zero.
    bias   : a number.
    Returns a pair: an array (N,) of 0 and 1, and an array (N,) of signed distances.

    Example: the weight (3, 4) has length 5, so

        decide(np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([3.0, 4.0]), -2.0)

    returns (array([1, 0]), array([ 1. , -0.4])).

    Hints
    1. First compute z for all examples at once: `x @ weight + bias` has the shape (N,).
    2. A comparison gives truth values; `.astype(int)` makes 0 and 1 of them.
    3. `np.linalg.norm(weight)` is the length of the weight. All of z is divided by it.
    """
    ### BEGIN SOLUTION
    z = x @ weight + bias
    return (z >= 0).astype(int), z / np.linalg.norm(weight)
    ### END SOLUTION


# %% inputs="decide"
# ruff: noqa: E402, because the cells of a notebook import what they need
from book.neurons.cases import OPS
from book.op import Case


def visible(name, *wanted):
    """The chapter's cases of one operation, by name, in the order asked for."""
    operation = next(op for op in OPS if op.name == name)
    cases = {case.name: case for case in operation.cases(np.random.default_rng(0))}
    return [cases[case] for case in wanted]


rng = np.random.default_rng(1)
inputs = [
    Case(
        name="two inputs",
        args=(np.array([[1.0, 1.0], [0.0, 0.0], [-2.0, 1.0]]), np.array([3.0, 4.0]), -2.0),
    ),
    Case(
        name="a point on the line",
        args=(np.array([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]]), np.array([1.0, 1.0]), -2.0),
    ),
    *(
        Case(case.name, (case.args[0], case.args[1], float(case.args[2])))
        for case in visible("perceptron", "one neuron")
    ),
    Case("empty batch", (np.zeros((0, 2)), np.array([1.0, 2.0]), 0.5)),
]

# %% test="decide" points=2
check("decide", decide)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, d in [(1, 1), (6, 2), (5, 5), (20, 64), (0, 3)]:
    x, weight, bias = rng.normal(size=(d, n)).T, rng.normal(size=d), float(rng.normal())
    fires, distance = decide(x, weight, bias)
    foot = x - np.outer(x @ weight + bias, weight) / (weight @ weight)  # the nearest on the line
    expected = np.sign(x @ weight + bias) * np.linalg.norm(x - foot, axis=1)
    assert_close(
        np.asarray(fires, dtype=int), (expected >= 0).astype(int), what=f"fires, {n} x {d}"
    )
    assert_close(distance, expected, what=f"distance, {n} x {d}")
fires, distance = decide(np.array([[3.0, 1.0]]), np.array([1.0, -3.0]), 0.0)
assert_close([int(fires[0]), float(distance[0])], [1, 0.0], what="a point on the line")
### END HIDDEN TESTS

# %% [markdown]
# Your neuron in the plane: color and size show the distance.


# %%
@picture
def _():
    side = np.linspace(-2, 2, 15)
    x = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    fires, distance = decide(x, np.array([1.0, 2.0]), -0.5)
    colors = np.where(fires == 1, style.CLASSES[1], style.CLASSES[0])
    plt.figure(figsize=(4.2, 3.6))
    plt.scatter(*x.T, s=1 + 30 * np.abs(distance), c=colors)
    plt.xlabel("$x_1$")
    plt.ylabel("$x_2$")


# %% [markdown] task="perceptron_pass" minutes=15
# ## 2. One pass of the perceptron rule
#
# Go through the examples once, in order. With $s = 1$ for class 1 and $s = -1$ for class 0, an
# example is a mistake where $s\,(w \cdot x + b) \le 0$: it lies on the wrong side, or on the line
# itself. After a mistake, and only then, add $s\,x$ to $w$ and $s$ to $b$. The next example meets
# the **new** weights.


# %% solution="perceptron_pass"
def perceptron_pass(x, y, weight, bias):
    """One pass of the perceptron rule over all examples, in their order.

    x      : array (N, D), one example a row.
    y      : array (N,) of classes, 0 or 1.
    weight : array (D,); bias: a number; the neuron before the pass.
    Returns (weight, bias, mistakes): the neuron after the pass, an array (D,) and a number, and how
    many mistakes it made, a number.

    Example: at the start all is zero, so the first example lies on the line;

        perceptron_pass(np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([1, 1]), np.zeros(2), 0.0)

    returns (array([1., 2.]), 1.0, 1): after the first example the second is right.

    Hints
    1. `s = 2 * y - 1` makes -1 and 1 of 0 and 1.
    2. Loop over examples and their sides. Each step may change weight, bias and the count.
    3. Write `weight = weight + ...`, not `weight += ...`: the latter changes the array that the
       caller still holds.
    """
    ### BEGIN SOLUTION
    mistakes = 0
    for row, side in zip(x, 2 * y - 1, strict=True):
        if side * (row @ weight + bias) <= 0:
            weight = weight + side * row
            bias = bias + side
            mistakes += 1
    return weight, bias, mistakes
    ### END SOLUTION


# %% inputs="perceptron_pass"
corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
rng = np.random.default_rng(2)
points = rng.integers(-4, 5, (12, 3)) / 2
inputs = [
    Case(
        name="three examples",
        args=(
            np.array([[1.0, 2.0], [3.0, 0.0], [2.0, 2.0]]),
            np.array([1, 0, 1]),
            np.array([0.0, 0.0]),
            0.0,
        ),
    ),
    Case("AND, from zeros", (corners, np.array([0, 0, 0, 1]), np.zeros(2), 0.0)),
    Case("AND, already learned", (corners, np.array([0, 0, 0, 1]), np.array([2.0, 2.0]), -3.0)),
    Case(
        "twelve points", (points, (points[:, 0] > 0).astype(int), np.array([0.5, -1.0, 1.0]), 1.0)
    ),
]

# %% test="perceptron_pass" points=3
check("perceptron_pass", perceptron_pass)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng
from book.neurons.reference import step_perceptron_train

rng = fresh_rng()
for n, d in [(1, 1), (30, 2), (8, 8), (60, 5)]:
    x = rng.integers(-6, 7, (n, d)) / 2  # halves: sums are exact, whatever their order
    y = rng.integers(0, 2, n)
    weight, bias, passes = np.zeros(d), 0.0, []
    for _ in range(3):
        weight, bias, mistakes = perceptron_pass(x, y, weight, bias)
        passes.append(int(mistakes))
        if mistakes == 0:
            break
    expected_weight, expected_bias, expected = step_perceptron_train(x, y, epochs=3)
    assert_close(passes, expected.tolist(), what=f"mistakes in each pass, {n} x {d}")
    assert_close(weight, expected_weight, what=f"weight after {len(passes)} passes, {n} x {d}")
    assert_close(float(bias), float(expected_bias), what=f"bias, {n} x {d}")
given = np.ones(2)
perceptron_pass(np.eye(2), np.array([0, 1]), given, 0.0)
assert_close(given, np.ones(2), what="the caller's weight after the call")
### END HIDDEN TESTS

# %% [markdown]
# Your rule on real data: which of the digits 4 and 9 is it? The mistakes in each pass, until there
# are none.


# %%
@picture
def _():
    (x, y), _ = digits()
    chosen = (y == 4) | (y == 9)
    x, y = x[chosen], (y[chosen] == 9).astype(int)
    weight, bias, history = np.zeros(64), 0.0, []
    while len(history) < 30 and (not history or history[-1] > 0):
        weight, bias, mistakes = perceptron_pass(x, y, weight, bias)
        history.append(mistakes)
    plt.plot(range(1, len(history) + 1), history, "o-")
    plt.xlabel("pass")
    plt.ylabel("mistakes")


# %% [markdown] task="from_columns" minutes=15
# ## 3. From columns to rows
#
# Document 002 stands examples up as columns: $X$ has the shape (D, N), the weight $W$ is (D, K),
# the bias $b$ a column (K, 1), and a layer is $W^\top X + b$. PyTorch has one example a **row**: a
# batch is (N, D), the weight (K, D), the bias (K,), and a layer is $x\,w^\top + b$. Translate, and
# compute the layer in the new layout.


# %% solution="from_columns"
def from_columns(W, b, X):
    """A layer and a batch of document 002, in the layout of PyTorch.

    W : array (D, K); b : array (K, 1); X : array (D, N), one example a column.
    Returns (weight, bias, batch, output) with shapes (K, D), (K,), (N, D) and (N, K), where output
    is what the layer says to each example, one a row.

    Example: one feature, two neurons, three examples;

        from_columns(np.array([[1.0, 2.0]]), np.array([[0.0], [5.0]]), np.array([[1.0, 2.0, 3.0]]))

    returns weight [[1.], [2.]], bias [0., 5.], batch [[1.], [2.], [3.]] and
    output [[1., 7.], [2., 9.], [3., 11.]].

    Hints
    1. Rows become columns and columns rows: that is `.T`. `reshape` reads on in the old order.
    2. `b[:, 0]` takes the only column of b; its shape is (K,).
    3. With the three new arrays the output is one line. Check it against W.T @ X + b.
    """
    ### BEGIN SOLUTION
    weight, bias, batch = W.T, b[:, 0], X.T
    return weight, bias, batch, batch @ weight.T + bias
    ### END SOLUTION


# %% inputs="from_columns"
rng = np.random.default_rng(3)


def whole(*shape):
    """Small whole numbers, easy to follow."""
    return rng.integers(-4, 5, shape).astype(float)


inputs = [
    Case(
        name="the example",
        args=(np.array([[1.0, 2.0]]), np.array([[0.0], [5.0]]), np.array([[1.0, 2.0, 3.0]])),
    ),
    Case("3 features, 2 neurons, 4 examples", (whole(3, 2), whole(2, 1), whole(3, 4))),
    Case("all three sizes equal", (whole(3, 3), whole(3, 1), whole(3, 3))),
    Case("no examples", (whole(2, 3), whole(3, 1), np.zeros((2, 0)))),
]

# %% test="from_columns" points=2
check("from_columns", from_columns)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng
from book.neurons.reference import linear

rng = fresh_rng()
for d, k, n in [(1, 1, 1), (2, 5, 3), (4, 4, 4), (7, 2, 0), (64, 10, 20)]:
    weight, bias, batch = rng.normal(size=(k, d)), rng.normal(size=k), rng.normal(size=(n, d))
    found = from_columns(weight.T.copy(), bias[:, None], batch.T.copy())
    expected = weight, bias, batch, linear(batch, weight, bias)
    names = ("weight", "bias", "batch", "output")
    for name, got, right in zip(names, found, expected, strict=True):
        assert_close(got, right, what=f"{name}, D = {d}, K = {k}, N = {n}")
### END HIDDEN TESTS


# %% [markdown] task="standardize_both" minutes=10
# ## 4. Standardize without peeking
#
# Subtract from each column its mean and divide by its standard deviation. Both come from the
# **training** rows, for the test rows too: at the time of training the test rows do not exist yet.
# A column that is constant in training has the deviation 0. Only shift such a column.


# %% solution="standardize_both"
def standardize_both(train, test):
    """Training and test rows, each column less its training mean, by its training deviation.

    train : array (N, D), N >= 1; test : array (M, D).
    Returns a pair of new arrays of the same shapes: (train, test), standardized.

    Example: the training column (1, 3) has mean 2 and deviation 1, so

        standardize_both(np.array([[1.0], [3.0]]), np.array([[2.0], [5.0]]))

    returns (array([[-1.], [ 1.]]), array([[0.], [3.]])).

    Hints
    1. `train.mean(axis=0)` is one mean a column. Do the same with `std`.
    2. Where the deviation is 0, divide by 1: `np.where(std == 0, 1.0, std)`.
    3. Both arrays use the same two statistics.
    """
    ### BEGIN SOLUTION
    mean, std = train.mean(axis=0), train.std(axis=0)
    scale = np.where(std == 0, 1.0, std)
    return (train - mean) / scale, (test - mean) / scale
    ### END SOLUTION


# %% inputs="standardize_both"
rng = np.random.default_rng(4)
inputs = [
    Case("the example", (np.array([[1.0], [3.0]]), np.array([[2.0], [5.0]]))),
    Case(
        name="two columns of different size",
        args=(
            np.array([[1.0, 100.0], [2.0, 300.0], [6.0, 500.0]]),
            np.array([[4.0, 300.0], [4.0, 900.0]]),
        ),
    ),
    Case(
        name="a constant column",
        args=(
            np.array([[1.0, 4.0], [2.0, 4.0], [3.0, 4.0], [6.0, 4.0]]),
            np.array([[1.0, 4.0], [0.0, 6.0]]),
        ),
    ),
    *(
        Case(case.name, case.args[::-1])
        for case in visible("standardize", "by the training rows", "one row by the training rows")
    ),
]

# %% test="standardize_both" points=2
check("standardize_both", standardize_both)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng
from book.neurons.reference import standardize

rng = fresh_rng()
for n, m, d in [(2, 1, 1), (30, 9, 4), (5, 5, 5), (8, 0, 3)]:
    scale = 10.0 ** rng.integers(-2, 4, d)
    train, test = (rng.normal(loc=3.0, size=(rows, d)) * scale for rows in (n, m))
    train[:, 0] = 2.0  # constant in training, not in the test rows
    kept = train.copy(), test.copy()
    got = standardize_both(train, test)
    assert_close(got[0], standardize(*kept[:1]), what=f"train, {n} x {d}")
    assert_close(got[1], standardize(kept[1], kept[0]), what=f"test, {m} x {d}")
    assert_close(train, kept[0], what="the caller's training rows after the call")
### END HIDDEN TESTS


# %% [markdown] task="logistic_gradient" minutes=20
# ## 5. The gradient that a listing gets wrong
#
# Document 001 trains a logistic regression. It plots the **mean** of the log loss, and then moves
# the weights along the gradient of the **sum**; and its loss becomes infinite as soon as the neuron
# is very sure. Write it right. With $z = x\,w + b$ and $p = \sigma(z)$,
#
# $$J = \frac1N \sum_n \bigl[\ln(1 + e^{z_n}) - y_n z_n\bigr], \qquad
# \frac{\partial J}{\partial w} = \frac1N \sum_n (p_n - y_n)\,x_n, \qquad
# \frac{\partial J}{\partial b} = \frac1N \sum_n (p_n - y_n).$$


# %% solution="logistic_gradient"
def logistic_gradient(x, y, weight, bias):
    """The mean log loss of a neuron with a sigmoid, and its gradients.

    x      : array (N, D), N >= 1; y : array (N,) of 0 and 1.
    weight : array (D,); bias : a number.
    Returns (loss, grad_weight, grad_bias): a number, an array (D,) and a number, right also where z
    is as large as 1000.

    Example: with zeros every probability is 1/2, so

        logistic_gradient(np.array([[2.0], [4.0]]), np.array([1, 1]), np.zeros(1), 0.0)

    returns (0.693..., array([-1.5]), -0.5).

    Hints
    1. `np.logaddexp(0, z)` is ln(1 + e^z), and never overflows.
    2. 0.5 * (1 + np.tanh(0.5 * z)) is a sigmoid that never overflows.
    3. With error = p - y, of shape (N,), the sum over n of error_n x_n is `error @ x`.
    4. Three means: divide by N, each once.
    """
    ### BEGIN SOLUTION
    z = x @ weight + bias
    error = 0.5 * (1.0 + np.tanh(0.5 * z)) - y
    return np.mean(np.logaddexp(0, z) - y * z), error @ x / len(x), error.mean()
    ### END SOLUTION


# %% inputs="logistic_gradient"
rng = np.random.default_rng(5)
x = rng.normal(size=(6, 3))
inputs = [
    Case("two examples", (np.array([[2.0], [4.0]]), np.array([1, 1]), np.array([0.5]), -1.0)),
    Case("three examples", (
        np.array([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]]), np.array([1, 0, 0]),
        np.array([1.0, -1.0]), 0.5)),
    Case("six examples", (x, np.array([0, 1, 1, 0, 1, 0]), rng.normal(size=3), 0.3)),
    Case("very sure, once right and once wrong", (
        np.array([[800.0], [-900.0]]), np.array([1, 1]), np.array([1.0]), 0.0)),
]  # fmt: skip


# %% test="logistic_gradient" points=3
@np.errstate(over="raise")
def without_overflow(x, y, weight, bias):
    """Your function, with an error where NumPy would only warn."""
    return logistic_gradient(x, y, weight, bias)


check("logistic_gradient", without_overflow)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, d, scale in [(1, 1, 1.0), (40, 5, 1.0), (7, 7, 1.0), (90, 2, 300.0)]:
    x, y = rng.normal(scale=scale, size=(n, d)), rng.integers(0, 2, n)
    weight, bias = rng.normal(size=d), float(rng.normal())
    tensors = [
        torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (weight, bias)
    ]
    z = torch.tensor(x) @ tensors[0] + tensors[1]
    loss = nn.functional.binary_cross_entropy_with_logits(z, torch.tensor(y, dtype=torch.float64))
    loss.backward()
    got = without_overflow(x, y, weight, bias)
    case = f"{n} x {d}, numbers of size {scale:g}"
    assert_close(float(got[0]), loss.item(), what=f"loss, {case}")
    assert_close(got[1], tensors[0].grad.numpy(), what=f"grad_weight, {case}")
    assert_close(float(got[2]), tensors[1].grad.item(), what=f"grad_bias, {case}")
### END HIDDEN TESTS

# %% [markdown]
# Gradient descent with your gradient on the standardized tumors: the loss falls, and the neuron
# gets the unseen ones right.


# %%
@picture
def _():
    (x, y), (x_test, y_test) = breast_cancer()
    mean, std = x.mean(axis=0), x.std(axis=0)
    x, x_test = (x - mean) / std, (x_test - mean) / std
    weight, bias, losses = np.zeros(30), 0.0, []
    for _ in range(200):
        loss, grad_weight, grad_bias = logistic_gradient(x, y, weight, bias)
        weight, bias = weight - 0.5 * grad_weight, bias - 0.5 * grad_bias
        losses.append(loss)
    right = np.mean((x_test @ weight + bias > 0) == y_test)
    plt.plot(losses)
    plt.title(f"{right:.1%} of the unseen tumors right")
    plt.xlabel("step")
    plt.ylabel("mean log loss")


# %% [markdown] task="network" minutes=15
# ## 6. A network, and what it weighs
#
# Compute the forward pass of a network: linear layers with ReLU, $\max(0, z)$, between them, and
# none after the last. And count its parameters: every weight and every bias is one.


# %% solution="network"
def network(x, layers):
    """The output of a network, and how many parameters it has.

    x      : array (N, D).
    layers : list of at least one pair (weight, bias), the first layer first; weight has the shape
             (outputs, inputs), bias the shape (outputs,).
    Returns (output, count): an array (N, outputs of the last layer), and a whole number.

    Example: a layer of two neurons, then one of one;

        network(
            np.array([[1.0, 2.0]]),
            [
                (np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([0.0, 0.0])),
                (np.array([[1.0, 1.0]]), np.array([-5.0])),
            ],
        )

    returns (array([[-2.]]), 9): the sums are 3 and -1, ReLU makes 3 and 0 of them, and
    3 + 0 - 5 is -2.

    Hints
    1. One layer is `x @ weight.T + bias`. Feed the result to the next.
    2. Which layers get a ReLU? All but the last: `layers[:-1]`.
    3. `weight.size` is the number of entries. Count the biases too.
    """
    ### BEGIN SOLUTION
    for weight, bias in layers[:-1]:
        x = np.maximum(x @ weight.T + bias, 0.0)
    weight, bias = layers[-1]
    return x @ weight.T + bias, sum(weight.size + bias.size for weight, bias in layers)
    ### END SOLUTION


# %% inputs="network"
# The network of document 003, without its sigmoid.
document = [
    (np.array([[1.0, 0, 1, 0], [1, 2, 1, 2], [1, 1, 1, 1]]), np.zeros(3)),
    (np.array([[-2.0, 1, -2], [1, -1, 0]]), np.zeros(2)),
    (np.array([[-3.0, 2]]), np.array([-1.0])),
]
rng = np.random.default_rng(6)


def stack(*sizes):
    """Layers of small whole numbers."""
    return [
        (rng.integers(-3, 4, (n_out, n_in)).astype(float), rng.integers(-2, 3, n_out).astype(float))
        for n_in, n_out in pairwise(sizes)
    ]


inputs = [
    Case("document 003", (np.array([[0.0, 1, 2, 3], [3, -2, 1, -4]]), document)),
    Case("two layers", (rng.normal(size=(4, 3)), stack(3, 5, 2))),
    Case("four layers of two", (rng.normal(size=(3, 2)), stack(2, 2, 2, 2, 2))),
    Case("a single layer", (np.array([[1.0, -1.0], [2.0, 0.5]]), stack(2, 3))),
]

# %% test="network" points=2
check("network", network)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng
from book.neurons.reference import count_parameters, mlp_forward

rng = fresh_rng()
for sizes in [(1, 1), (3, 8, 2), (4, 4, 4, 4), (10, 3, 7, 2, 5, 1), (64, 32, 10)]:
    layers = [
        (rng.normal(size=(n_out, n_in)), rng.normal(size=n_out)) for n_in, n_out in pairwise(sizes)
    ]
    x = rng.normal(size=(6, sizes[0]))
    output, count = network(x, layers)
    expected = mlp_forward(x, *(array for pair in layers for array in pair))
    assert_close(output, expected, what=f"output, sizes {sizes}")
    assert_close(int(count), count_parameters(sizes), what=f"count, sizes {sizes}")
### END HIDDEN TESTS


# %% [markdown] task="TumorNet" minutes=20
# ## 7. A classifier that carries its own scale
#
# A network that was trained on standardized rows is worth nothing without the mean and the
# deviation that belong to it. So let it carry them: as **buffers**, tensors that move and are saved
# with the module, but that training does not change. Write a module with one hidden layer:
#
# $$\hat x = \frac{x - \text{mean}}{\text{std}}, \qquad
# z = \text{out}(\mathrm{ReLU}(\text{hidden}(\hat x))).$$
#
# It returns the logit $z$, not the probability: the loss `binary_cross_entropy_with_logits` takes
# it from there. When it works, it learns to tell tumors apart from raw measurements.


# %%
# Given: how your module is tried out, once you have written it.


def run_net(mean, std, weights, x):
    """A fresh module with these weights; what it has, what it returns, what flows back."""
    net = TumorNet(mean, std, len(weights["hidden.bias"])).to(x.dtype)
    net.load_state_dict(weights, strict=False)
    output = net(x)
    output.sum().backward()
    return {
        "parameters": sorted(name for name, _ in net.named_parameters()),
        "buffers": sorted(name for name, _ in net.named_buffers()),
        "output": output.detach(),
        "gradient of hidden.weight": net.hidden.weight.grad,
    }


def train_net(x_train, y_train, x_test, seed=0):
    """Your module learns from raw measurements; the logits of the test rows."""
    torch.manual_seed(seed)
    x, y = torch.as_tensor(x_train), torch.as_tensor(y_train, dtype=torch.float64)
    net = TumorNet(x.mean(0), x.std(0, correction=0), 8).double()
    fit(net, x, y, steps=100, lr=0.02, loss=nn.functional.binary_cross_entropy_with_logits)
    with torch.no_grad():
        return net(torch.as_tensor(x_test)).numpy()


# %% solution="TumorNet"
class TumorNet(nn.Module):
    """One hidden layer of ReLU neurons on inputs that the module standardizes itself.

    mean, std   : tensors (D,), the statistics of the training rows. Buffers of these names.
    num_hiddens : the number H of hidden neurons.

    The two layers are called `hidden` (D to H) and `out` (H to 1).
    Input: a tensor (N, D). Result: a tensor (N,), one logit an example.

    Example: TumorNet(torch.zeros(3), torch.ones(3), 5)(torch.ones(2, 3)).shape is (2,).

    Hints
    1. `self.register_buffer("mean", mean)` makes a buffer; read it as `self.mean`.
    2. `nn.Linear(inputs, outputs)` is a layer. Its weights are parameters of the module by itself.
    3. `out` gives (N, 1). `.squeeze(1)` drops the last dimension, and no other.
    """

    def __init__(self, mean, std, num_hiddens):
        super().__init__()
        ### BEGIN SOLUTION
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.hidden = nn.Linear(len(mean), num_hiddens)
        self.out = nn.Linear(num_hiddens, 1)
        ### END SOLUTION

    def forward(self, input):
        ### BEGIN SOLUTION
        scaled = (input - self.mean) / self.std
        return self.out(torch.relu(self.hidden(scaled))).squeeze(1)
        ### END SOLUTION


# %% inputs="TumorNet"
rng = np.random.default_rng(7)


def tensors(name, dtype, n, d, h):
    """Statistics, weights by their names, and a batch."""

    def draw(*shape):
        return torch.tensor(rng.normal(size=shape), dtype=dtype)

    weights = {
        "hidden.weight": draw(h, d),
        "hidden.bias": draw(h),
        "out.weight": draw(1, h),
        "out.bias": draw(1),
    }
    return Case(name, (draw(d), draw(d).abs() + 0.5, weights, draw(n, d)))


inputs = [
    tensors("3 examples of 2 features, float64", torch.float64, 3, 2, 4),
    tensors("5 examples of 6 features, float32", torch.float32, 5, 6, 3),
    tensors("a single example", torch.float64, 1, 3, 5),
]

# %% test="TumorNet" points=2
check("TumorNet", run_net)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, d, h in [(4, 3, 5), (1, 1, 1), (6, 6, 6), (0, 2, 3), (1, 30, 8)]:
    for dtype in [torch.float64, torch.float32]:
        mean, w1, b1, w2, b2, x = (
            torch.tensor(rng.normal(size=shape), dtype=dtype)
            for shape in [(d,), (h, d), (h,), (1, h), (1,), (n, d)]
        )
        std = torch.tensor(rng.uniform(0.5, 3.0, d), dtype=dtype)
        weights = {"hidden.weight": w1, "hidden.bias": b1, "out.weight": w2, "out.bias": b2}
        got = run_net(mean, std, weights, x)
        h1 = (((x - mean) / std) @ w1.T + b1).clamp(min=0)
        expected = h1 @ w2[0] + b2
        grad = ((h1 > 0) * w2).T @ ((x - mean) / std)
        assert_close(got["output"], expected, what=f"output, {n} x {d}, {dtype}")
        assert_close(got["gradient of hidden.weight"], grad, what=f"gradient, {n} x {d}, {dtype}")
        names = ["hidden.bias", "hidden.weight", "out.bias", "out.weight"]
        assert_close(got["parameters"], names, what="names of the parameters")
        assert_close(got["buffers"], ["mean", "std"], what="names of the buffers")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: 426 tumors to learn from, 143 that it has not seen, measurements as they come.

# %% test="TumorNet-tumors" points=1
(x_train, y_train), (x_test, y_test) = breast_cancer()
logits = train_net(x_train, y_train, x_test)
right = np.mean((logits > 0) == (y_test == 1))
assert logits.shape == (143,), f"expected one logit a tumor, (143,), got {logits.shape}"
assert right > 0.93, f"expected more than 93 % of the unseen tumors right, got {right:.1%}"
assert np.ptp(logits) > 2, "the logits hardly differ: does a sigmoid stand at the end?"
print(f"{right:.1%} of the unseen tumors are right.")
### BEGIN HIDDEN TESTS
(x_train, y_train), (x_test, y_test) = breast_cancer(seed=1)
logits = train_net(x_train, y_train, x_test, seed=1)
right = np.mean((logits > 0) == (y_test == 1))
assert right > 0.93, f"another split: expected more than 93 % right, got {right:.1%}"
one = train_net(x_train, y_train, x_test[:1], seed=1)
assert np.allclose(one, logits[:1]), "the answer to a tumor depends on the others in the batch"
### END HIDDEN TESTS

# %% [markdown]
# ## 8. Explain it to a clinic
#
# A clinic uses a neuron like yours. A colleague there standardizes each day's patients by the mean
# and the deviation of *that day*, "because it is fairer to compare patients with each other", and
# wonders why the neuron finds fewer malignant tumors on some days. In about 150 words, tell her
#
# - what goes wrong, with an example of a day on which it goes wrong badly;
# - what happens on a day with a single patient;
# - what to do instead, and where those numbers come from.

# %% [markdown] manual="clinic" points=3 minutes=15
# The neuron learned what is large *compared with the training patients*. By the day's own mean and
# deviation, "large" means something else every day. On a day on which all patients have malignant
# tumors, the mean of the day is that of malignant tumors: after the subtraction the sick look
# average, about half fall on the wrong side, and tumors are missed. In the chapter, 96 % of
# such patients are found with the training statistics and 43 % with the day's. The answer to one
# patient also depends on who else came.
#
# With a single patient every measurement equals the day's mean and the deviation is 0: 0 divided
# by 0, nan, or, if one guards against that, all zeros, the same answer for everybody.
#
# Store the mean and deviation of the training rows with the neuron, as TumorNet does with its
# buffers, and use them for every patient, one by one.
#
# **Rubric**
#
# - 1 point: the scale changes from day to day while the weights do not, or: the answer depends on
#   the other patients; and a day where it fails (mostly malignant, or mostly benign, patients).
#   Half without the example.
# - 1 point: one patient, deviation 0, so nan or the same zeros for everybody. Half for "it does not
#   work" without the reason.
# - 1 point: statistics of the training rows, stored with the model and used for all. Half if it
#   is not said where they come from.
