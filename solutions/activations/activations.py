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
#   title: Activations
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
# # Activations
#
# You have read the chapter. Now you build with it: you fold a deep linear network into one layer,
# write activations with their gradients by hand, look for dead units on real images, and train a
# network whose activation learns its own shape.
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
from book.data import digits
from book.training import fit, mlp

style.use()


# %% [markdown] task="collapse" minutes=10
# ## 1. Fold a linear stack
#
# Without activations, depth adds nothing: a stack of linear layers is one linear layer. Prove it
# by building that layer.
#
# A layer with weight $W$ and bias $b$ maps a batch $x$ to $x W^\top + b$, as `nn.Linear` does.
# So $W$ has the shape (outputs, inputs). For a single column vector $x$ this is $W x + b$.


# %% solution="collapse"
def collapse(layers):
    """One linear layer that does the work of a stack of linear layers.

    layers : list of at least one pair (weight, bias), the first layer first;
             weight (outputs, inputs), bias (outputs,).
    Returns one pair (weight, bias):
             weight (outputs of the last layer, inputs of the first), bias (outputs of the last,).

    Example: 2x + 1 followed by 3x + 5 is 3 (2x + 1) + 5 = 6x + 8, so

        collapse([(np.array([[2.0]]), np.array([1.0])), (np.array([[3.0]]), np.array([5.0]))])

    returns (array([[6.]]), array([8.])).

    Hints
    1. Multiply out W2 (W1 x + b1) + b2. Which part stands before x, which part is left over?
    2. Start with the first layer, then take in one layer at a time in a loop.
    3. Leave the arrays of `layers` as they are.
    """
    ### BEGIN SOLUTION
    weight, bias = layers[0]
    for next_weight, next_bias in layers[1:]:
        weight = next_weight @ weight
        bias = next_weight @ bias + next_bias
    return weight, bias
    ### END SOLUTION


# %% inputs="collapse"
# ruff: noqa: E402, because the cells of a notebook import what they need
from book.op import Case


def stack(rng, *sizes):
    """Linear layers of the given sizes with small whole numbers, which are easy to follow."""
    return [
        (rng.integers(-3, 4, (n_out, n_in)).astype(float), rng.integers(1, 6, n_out).astype(float))
        for n_in, n_out in pairwise(sizes)
    ]


first = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([1.0, 2.0])
second = np.array([[2.0, 0.0], [1.0, 3.0]]), np.array([3.0, 1.0])
rng = np.random.default_rng(4)
inputs = [
    Case("two layers of two units", ([first, second],)),
    Case("three layers of two units", (stack(rng, 2, 2, 2, 2),)),
    Case("sizes 3, 4, 2", (stack(rng, 3, 4, 2),)),
    Case("a single layer", (stack(rng, 3, 2),)),
]

# %% test="collapse" points=2
check("collapse", collapse)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for sizes in [(1, 1), (4, 2, 5), (6, 1, 3, 2), (2, 7, 7, 7, 1), (5, 5, 5, 5, 5, 5)]:
    layers = [
        (rng.normal(size=(n_out, n_in)), rng.normal(size=n_out)) for n_in, n_out in pairwise(sizes)
    ]
    batch = rng.normal(size=(8, sizes[0]))
    expected = batch
    for layer_weight, layer_bias in layers:
        expected = expected @ layer_weight.T + layer_bias
    weight, bias = collapse(layers)
    assert_close(np.shape(weight), (sizes[-1], sizes[0]), what=f"shape of weight, sizes {sizes}")
    assert_close(np.shape(bias), (sizes[-1],), what=f"shape of bias, sizes {sizes}")
    assert_close(batch @ weight.T + bias, expected, what=f"output of the layer, sizes {sizes}")
### END HIDDEN TESTS


# %% [markdown]
# Six layers, from one input through five times eight units to one output. Without activations they
# draw the straight line that your `collapse` finds. With a ReLU between them the line bends.


# %%
@picture
def _():
    rng = np.random.default_rng(5)
    sizes = (1, 8, 8, 8, 8, 8, 1)
    layers = [
        (rng.normal(size=(n_out, n_in)) * np.sqrt(2 / n_in), rng.normal(size=n_out))
        for n_in, n_out in pairwise(sizes)
    ]
    x = np.linspace(-4, 4, 200)[:, None]
    linear = bent = x
    for weight, bias in layers[:-1]:
        linear = linear @ weight.T + bias
        bent = np.maximum(bent @ weight.T + bias, 0)
    linear, bent = (h @ layers[-1][0].T + layers[-1][1] for h in (linear, bent))
    weight, bias = collapse(layers)
    plt.plot(x, linear, lw=5, alpha=0.4, label="six linear layers")
    plt.plot(x, x @ weight.T + bias, "k--", lw=1.2, label="your one layer")
    plt.plot(x, bent, label="with ReLU between them")
    plt.xlabel("input")
    plt.ylabel("output")
    plt.legend()


# %% [markdown] task="sigmoid_and_tanh" minutes=10
# ## 2. Two curves from one exponential
#
# The sigmoid and tanh are one curve in two sizes: $\tanh z = 2\,\sigma(2z) - 1$. Write both with
# `np.exp`, in such a way that no input makes it overflow. The check counts an overflow as an error.
#
# The trick is to take the exponential only of numbers that are not positive:
# $q = e^{-|z|}$ lies between 0 and 1 for every $z$.


# %% solution="sigmoid_and_tanh"
def sigmoid_and_tanh(z):
    """The sigmoid and the hyperbolic tangent of z, for numbers of any size.

    z : array of any shape.
    Returns a pair of arrays of the shape of z: (sigmoid, tanh).

    Example: e to the power of log(3) is 3, which makes the numbers easy to follow:

        sigmoid_and_tanh(np.array([0.0, np.log(3.0)]))

    returns (array([0.5 , 0.75]), array([0. , 0.8])).

    Hints
    1. q = np.exp(-np.abs(z)) is at most 1. For z >= 0 it is e^-z, so the sigmoid is 1 / (1 + q).
    2. For z < 0 multiply both parts of the fraction 1 / (1 + e^-z) by e^z, which is q there.
       `np.where` chooses between the two.
    3. For tanh you need e^(-2|z|). Which power of q is that? Mind the sign of z: tanh is odd.
    """
    ### BEGIN SOLUTION
    q = np.exp(-np.abs(z))
    sigmoid = np.where(z >= 0, 1.0, q) / (1.0 + q)
    tanh = np.sign(z) * (1.0 - q**2) / (1.0 + q**2)
    return sigmoid, tanh
    ### END SOLUTION


# %% inputs="sigmoid_and_tanh"
from book.activations.cases import OPS


def visible(name, *wanted):
    """The chapter's cases of one operation, by name, in the order asked for."""
    operation = next(op for op in OPS if op.name == name)
    cases = {case.name: case for case in operation.cases(np.random.default_rng(0))}
    return [cases[case] for case in wanted]


inputs = [
    Case("around zero", (np.array([-2.0, -1.0, 0.0, 1.0, 2.0]),)),
    *visible("tanh", "ordinary", "large magnitude", "empty batch"),
]


# %% test="sigmoid_and_tanh" points=2
@np.errstate(over="raise")
def without_overflow(z):
    """Your function, with an error where NumPy would only warn."""
    return sigmoid_and_tanh(z)


check("sigmoid_and_tanh", without_overflow)
### BEGIN HIDDEN TESTS
from scipy.special import expit

from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for z in [
    rng.normal(scale=5.0, size=(3, 4, 2)),
    rng.normal(scale=300.0, size=50),
    rng.normal(size=(6, 8)).T[::2],
    np.array([-1000.0, -709.0, -40.0, -0.0, 0.0, 40.0, 709.0, 1000.0]),
    np.zeros((3, 0)),
]:
    sigmoid, tanh = without_overflow(z)
    assert_close(sigmoid, expit(z), what="sigmoid")
    assert_close(tanh, np.tanh(z), what="tanh")
### END HIDDEN TESTS

# %% [markdown]
# Your two curves, and a formula that a slide deck prints as tanh: $(1 - e^{-z}) / (1 + e^{-z})$.
# Which curve is it really? Look at where it reaches a given height.


# %%
@picture
def _():
    z = np.linspace(-5, 5, 200)
    sigmoid, tanh = sigmoid_and_tanh(z)
    plt.plot(z, sigmoid, label="your sigmoid")
    plt.plot(z, tanh, label="your tanh")
    plt.plot(z, (1 - np.exp(-z)) / (1 + np.exp(-z)), "--", label="tanh as one slide deck has it")
    plt.xlabel("z")
    plt.legend()


# %% [markdown] task="leaky_relu6" minutes=10
# ## 3. A leak at both ends
#
# ReLU6 is a ReLU that stops at 6. Networks for phones use it, because numbers in a known range fit
# into few bits. But outside $[0, 6]$ its gradient is zero. Here is one with a leak at both ends:
#
# $$f(x) = \begin{cases} s\,x & x \le 0 \\ x & 0 < x < 6 \\ 6 + s\,(x - 6) & x \ge 6 \end{cases}$$
#
# Return its value and its gradient. `grad_output` is the gradient of the loss with respect to
# $f(x)$. You return the gradient of the loss with respect to $x$: that is one factor of the chain
# rule for each number. At 0 and at 6 the derivative does not exist; take $s$ there.


# %% solution="leaky_relu6"
def leaky_relu6(grad_output, x, slope=0.01):
    """A ReLU between 0 and 6 that keeps a small slope outside.

    grad_output, x : arrays of one shape, any shape.
    slope          : a number, the derivative where x <= 0 and where x >= 6.
    Returns a pair of arrays of the shape of x: (value, grad_x).

    Example

        leaky_relu6(np.array([1.0, 10.0, 100.0]), np.array([-2.0, 3.0, 8.0]), slope=0.1)

    returns (array([-0.2,  3. ,  6.2]), array([ 0.1, 10. , 10. ])).

    Hints
    1. Make one mask that says where x lies strictly between 0 and 6.
    2. `np.clip(x, 0, 6)` is the part with slope 1. What is left of x leaks through with `slope`.
    3. grad_x is grad_output times the derivative, which is 1 inside the mask and `slope` outside.
    """
    ### BEGIN SOLUTION
    inside = (x > 0) & (x < 6)
    middle = np.clip(x, 0.0, 6.0)
    return middle + slope * (x - middle), grad_output * np.where(inside, 1.0, slope)
    ### END SOLUTION


# %% inputs="leaky_relu6"
rng = np.random.default_rng(3)
inputs = [
    Case(
        name="all three pieces",
        args=(np.array([1.0, -2.0, 3.0, 5.0, -7.0]), np.array([-2.0, -0.5, 3.0, 8.0, 10.0])),
        kwargs={"slope": 0.1},
    ),
    Case("at the kinks", (np.array([2.0, 3.0, 4.0]), np.array([0.0, 6.0, -0.0])), {"slope": 0.25}),
    *(
        Case(case.name, (rng.normal(size=case.args[0].shape), *case.args))
        for case in visible("leaky_relu", "ordinary", "large magnitude", "empty batch")
    ),
]

# %% test="leaky_relu6" points=2
check("leaky_relu6", leaky_relu6)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng


def expected_leaky_relu6(grad_output, x, slope):
    """By PyTorch's own ReLU6 and autograd; at both kinks its derivative is 0, so ours is slope."""
    tensor = torch.tensor(x, requires_grad=True)
    middle = nn.functional.relu6(tensor)
    value = slope * tensor + (1 - slope) * middle
    value.backward(torch.tensor(grad_output))
    return value.detach().numpy(), tensor.grad.numpy()


rng = fresh_rng()
for x in [
    rng.normal(scale=6.0, size=(5, 7)),
    rng.normal(scale=6.0, size=(6, 8)).T[::2],
    rng.choice([-1000.0, -6.0, 0.0, 3.0, 6.0, 1000.0], size=20),
    np.zeros((0, 3)),
]:
    for slope in [0.01, 0.0, rng.uniform(0.1, 0.9)]:
        grad_output = rng.normal(size=x.shape)
        value, grad_x = leaky_relu6(grad_output, x, slope)
        expected_value, expected_grad = expected_leaky_relu6(grad_output, x, slope)
        assert_close(value, expected_value, what=f"value, slope {slope:.3g}")
        assert_close(grad_x, expected_grad, what=f"grad_x, slope {slope:.3g}")
### END HIDDEN TESTS

# %% [markdown]
# Value and derivative of your function. With `grad_output` equal to 1 everywhere, `grad_x` is the
# derivative itself.


# %%
@picture
def _():
    x = np.linspace(-4, 10, 500)
    value, grad_x = leaky_relu6(np.ones_like(x), x, slope=0.1)
    plt.plot(x, value, label="value, slope 0.1")
    plt.plot(x, grad_x, label="derivative")
    plt.xlabel("x")
    plt.legend()


# %% [markdown] task="softmax" minutes=10
# ## 4. Softmax with a temperature
#
# Softmax turns scores into probabilities. A temperature $T$ sets how sharp they are:
#
# $$p_i = \frac{e^{x_i / T}}{\sum_j e^{x_j / T}}$$
#
# A small $T$ gives nearly all to the largest score, a large $T$ shares evenly. Language models
# have this dial. Make yours work along any axis, and for scores of any size.


# %% solution="softmax"
def softmax(x, axis=-1, temperature=1.0):
    """Softmax of x / temperature along one axis.

    x           : array with at least one dimension.
    axis        : the axis along which the result sums to 1; negative numbers count from the end.
    temperature : a number above 0; otherwise raise ValueError.
    Returns an array of the shape of x.

    Example

        softmax(np.array([5.0, 2.0, -1.0, 3.0])) is about [0.842, 0.042, 0.002, 0.114],
        softmax(np.array([5.0, 2.0, -1.0, 3.0]), temperature=4.0) is about
        [0.434, 0.205, 0.097, 0.263].

    Hints
    1. The same number subtracted from all scores leaves the result as it is. Which number makes
       every exponential at most 1?
    2. Each line along `axis` needs a number of its own. `keepdims=True` keeps the shapes fitting.
    3. Check the temperature first.
    """
    ### BEGIN SOLUTION
    if not temperature > 0:
        raise ValueError(f"temperature: expected a number above 0, got {temperature}")
    exponential = np.exp((x - x.max(axis=axis, keepdims=True)) / temperature)
    return exponential / exponential.sum(axis=axis, keepdims=True)
    ### END SOLUTION


# %% inputs="softmax"
inputs = [
    Case("the example", (np.array([5.0, 2.0, -1.0, 3.0]),), {"temperature": 4.0}),
    Case(
        name="three by three, along the rows",
        args=(np.array([[1.0, 2.0, 3.0], [0.0, 4.0, -2.0], [5.0, 5.0, 6.0]]),),
        kwargs={"axis": 1, "temperature": 2.0},
    ),
    Case("large scores, low temperature", (np.array([1000.0, 999.0]),), {"temperature": 0.5}),
    Case("a large row and a small row", (np.array([[1000.0, 999.0], [-1000.0, -1001.0]]),)),
    *(
        Case(case.name, case.args, {"axis": case.kwargs["dim"]})
        for case in visible("softmax", "first dim", "middle dim of three", "empty batch")
    ),
    Case("temperature of zero", (np.array([1.0, 2.0]), -1, 0.0), raises=ValueError),
]

# %% test="softmax" points=2
check("softmax", softmax)
### BEGIN HIDDEN TESTS
import scipy.special

from autograder.checks import assert_close, assert_raises, fresh_rng

rng = fresh_rng()
for shape, axis in [
    ((7,), 0),
    ((4, 5), 0),
    ((4, 5), 1),
    ((2, 3, 4), 1),
    ((2, 3, 4), -3),
    ((0, 3), 1),
]:
    for scale in [1.0, 500.0]:
        for temperature in [1.0, rng.uniform(0.1, 0.9), rng.uniform(2.0, 20.0)]:
            x = rng.normal(scale=scale, size=shape)
            assert_close(
                softmax(x, axis, temperature),
                scipy.special.softmax(x / temperature, axis=axis),
                what=f"softmax, shape {shape}, axis {axis}, temperature {temperature:.3g}",
            )
x = rng.normal(size=(6, 8)).T[::2]
assert_close(softmax(x), scipy.special.softmax(x, axis=-1), what="softmax, not contiguous")
assert_raises(ValueError, softmax, np.ones(3), -1, -1.0)
### END HIDDEN TESTS

# %% [markdown]
# The same four scores at three temperatures.


# %%
@picture
def _():
    scores = np.array([5.0, 2.0, -1.0, 3.0])
    for i, temperature in enumerate([0.5, 1.0, 4.0]):
        heights = softmax(scores, temperature=temperature)
        plt.bar(np.arange(4) + 0.27 * (i - 1), heights, 0.25, label=f"temperature {temperature}")
    plt.xticks(np.arange(4), [f"score {score:g}" for score in scores])
    plt.ylabel("probability")
    plt.legend()


# %% [markdown] task="softmax_gradients" minutes=15
# ## 5. Back through the softmax
#
# Every output of a softmax depends on every score, so its derivative is a matrix. You never build
# it. For one line of scores $z = x / T$ with $p = \mathrm{softmax}(z)$ the entries are
# $\partial p_i / \partial z_j = p_i\,(\delta_{ij} - p_j)$, where $\delta_{ij}$ is 1 if $i = j$,
# else 0. Multiply by the incoming gradient $g_i$, sum over $i$, and little is left.
#
# The temperature can be learned as well, for instance to correct a network that is too sure of
# itself. So return the gradients with respect to the scores $x$ **and** to the one number $T$.


# %% solution="softmax_gradients"
def softmax_gradients(grad_output, x, axis=-1, temperature=1.0):
    """Gradients of a loss with respect to x and temperature, through softmax(x / temperature).

    grad_output : array of the shape of x, the gradient with respect to the probabilities.
    x           : array with at least one dimension, the scores.
    axis        : the axis along which the probabilities sum to 1.
    temperature : one number above 0, shared by all scores.
    Returns (grad_x, grad_temperature): an array of the shape of x, and one number.

    Example: x / T is [log(3), 0], so p is [0.75, 0.25], and

        softmax_gradients(np.array([1.0, 0.0]), np.array([2 * np.log(3.0), 0.0]), temperature=2.0)

    returns (array([ 0.09375, -0.09375]), -0.10299...).

    Hints
    1. First compute p. Shift by the maximum, as in task 4 (or call your `softmax`).
    2. Find the gradient with respect to z = x / T: p times (g minus one number for each line).
       The sum over i of g_i p_i (delta_ij - p_j) tells you which number.
    3. z = x / T, so the derivative of z in x is 1 / T, and that in T is -x / T**2.
    4. All scores share one T: the contributions of all of them add up.
    """
    ### BEGIN SOLUTION
    p = np.exp((x - x.max(axis=axis, keepdims=True)) / temperature)
    p = p / p.sum(axis=axis, keepdims=True)
    grad_z = p * (grad_output - (grad_output * p).sum(axis=axis, keepdims=True))
    return grad_z / temperature, -(grad_z * x).sum() / temperature**2
    ### END SOLUTION


# %% inputs="softmax_gradients"
rng = np.random.default_rng(5)
inputs = [
    Case(
        name="the example",
        args=(np.array([1.0, 0.0]), np.array([2 * np.log(3.0), 0.0])),
        kwargs={"temperature": 2.0},
    ),
    Case(
        name="three by three, along the columns",
        args=(
            np.array([[1.0, -2.0, 0.5], [3.0, 1.0, -1.0], [0.0, 2.0, 4.0]]),
            np.array([[1.0, 2.0, 3.0], [0.0, 4.0, -2.0], [5.0, 5.0, 6.0]]),
        ),
        kwargs={"axis": 0, "temperature": 3.0},
    ),
    *(
        Case(case.name, (rng.normal(size=case.args[0].shape), *case.args, case.kwargs["dim"]))
        for case in visible("softmax", "middle dim of three", "large magnitude", "empty batch")
    ),
]

# %% test="softmax_gradients" points=3
check("softmax_gradients", softmax_gradients)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng
from book.activations.reference import softmax_backward

rng = fresh_rng()
for shape, axis in [((6,), 0), ((4, 5), 0), ((4, 5), 1), ((2, 3, 4), -2), ((0, 3), 1)]:
    for temperature in [1.0, rng.uniform(0.3, 0.9), rng.uniform(2.0, 9.0)]:
        x = rng.normal(scale=3.0, size=shape)
        grad_output = rng.normal(size=shape)
        grad_x, grad_temperature = softmax_gradients(grad_output, x, axis, temperature)
        scores = torch.tensor(x, requires_grad=True)
        dial = torch.tensor(temperature, dtype=torch.float64, requires_grad=True)
        torch.softmax(scores / dial, axis).backward(torch.tensor(grad_output))
        case = f"shape {shape}, axis {axis}, temperature {temperature:.3g}"
        assert_close(grad_x, scores.grad.numpy(), what=f"grad_x, {case}")
        assert_close(float(grad_temperature), dial.grad.item(), what=f"grad_temperature, {case}")
x, grad_output = rng.normal(scale=400.0, size=(8, 6)).T, rng.normal(size=(6, 8))
grad_x, _ = softmax_gradients(grad_output, x)
assert_close(grad_x, softmax_backward(grad_output, x, -1), what="grad_x, scores in the hundreds")
### END HIDDEN TESTS

# %% [markdown]
# Your function has the whole matrix in it. Row $i$ below is `grad_x` for a `grad_output` that is 1
# at place $i$ and 0 elsewhere, so it shows how probability $i$ answers to each score. Each row
# sums to zero: when all scores rise alike, nothing changes.


# %%
@picture
def _():
    scores = np.array([1.0, 2.0, 0.5, 1.5])
    matrix = np.array([softmax_gradients(unit, scores)[0] for unit in np.eye(4)])
    plt.figure(figsize=(4.2, 3.2))
    image = plt.imshow(matrix, cmap=style.DIVERGING, vmin=-0.25, vmax=0.25)
    plt.grid(False)
    plt.xticks(range(4), [f"score {i}" for i in range(4)])
    plt.yticks(range(4), [f"p {i}" for i in range(4)])
    plt.colorbar(image, label="derivative")


# %% [markdown] task="swish_gradients" minutes=15
# ## 6. A swish for each feature
#
# Swish is $f(x) = x\,\sigma(\beta x)$. In the chapter one $\beta$ serves a whole layer. Here every
# feature $d$ has its own $\beta_d$, so that each column of a batch can find its own shape. For
# training you need three things: the value, the gradient in $x$ and the gradient in $\beta$.


# %% solution="swish_gradients"
def swish_gradients(grad_output, x, beta):
    """Swish with one beta for each feature, and its gradients.

    grad_output, x : arrays (N, D), N examples with D features.
    beta           : array (D,), one number for each feature.
    Returns (value, grad_x, grad_beta) with shapes (N, D), (N, D) and (D,).

    Example: for beta = 0 the sigmoid is 1/2 everywhere, so

        swish_gradients(np.array([[1.0], [1.0]]), np.array([[2.0], [-4.0]]), np.array([0.0]))

    returns (array([[ 1.], [-2.]]), array([[0.5], [0.5]]), array([5.])).

    Hints
    1. Compute s = sigmoid(beta x) once. 0.5 * (1 + np.tanh(0.5 * z)) is a sigmoid of z that never
       overflows. (N, D) and (D,) broadcast as you need it.
    2. In x, swish is a product of two things that both depend on x. Use the product rule, then
       the chain rule inside the sigmoid: its derivative is s (1 - s).
    3. In beta, only the sigmoid moves. What does the chain rule multiply it by?
    4. Each beta is used once for every example. Gradients of a number used many times add up.
    """
    ### BEGIN SOLUTION
    s = 0.5 * (1.0 + np.tanh(0.5 * beta * x))
    slope = s * (1.0 - s)
    grad_x = grad_output * (s + beta * x * slope)
    grad_beta = (grad_output * x**2 * slope).sum(axis=0)
    return x * s, grad_x, grad_beta
    ### END SOLUTION


# %% inputs="swish_gradients"
rng = np.random.default_rng(6)
inputs = [
    Case(
        name="three examples, two features",
        args=(
            np.array([[1.0, 2.0], [-1.0, 0.5], [3.0, 1.0]]),
            np.array([[1.0, -1.0], [2.0, 0.5], [-3.0, 4.0]]),
            np.array([1.5, -0.5]),
        ),
    ),
    *(
        Case(case.name, (rng.normal(size=case.args[0].shape), case.args[0], beta))
        for case, beta in zip(
            visible("swish", "ordinary", "beta=10.0", "empty batch"),
            (rng.uniform(0.5, 2.0, 5), np.full(4, 10.0), np.ones(4)),
            strict=True,
        )
    ),
    Case("large magnitude", (np.ones((1, 2)), np.array([[-1000.0, 1000.0]]), np.array([1.0, 2.0]))),
]

# %% test="swish_gradients" points=3
check("swish_gradients", swish_gradients)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng
from book.activations.reference import swish, swish_backward

rng = fresh_rng()
for n, d in [(1, 1), (7, 4), (4, 7), (5, 5), (0, 3)]:
    x = rng.normal(scale=3.0, size=(d, n)).T  # not contiguous
    x[:1] *= 300.0
    grad_output = rng.normal(size=(n, d))
    beta = rng.normal(size=d)
    value, grad_x, grad_beta = swish_gradients(grad_output, x, beta)
    assert_close(np.shape(grad_beta), (d,), what=f"shape of grad_beta, {n} x {d}")
    for column in range(d):  # the chapter's swish has one beta: one column at a time
        arguments = x[:, column], beta[column]
        expected_x, expected_beta = swish_backward(grad_output[:, column], *arguments)
        case = f"{n} x {d}, column {column}"
        assert_close(value[:, column], swish(*arguments), what=f"value, {case}")
        assert_close(grad_x[:, column], expected_x, what=f"grad_x, {case}")
        assert_close(float(grad_beta[column]), float(expected_beta), what=f"grad_beta, {case}")
### END HIDDEN TESTS

# %% [markdown]
# One call of your function draws the whole family: each column of `x` is the same line of numbers,
# with another beta.


# %%
@picture
def _():
    betas = np.array([0.0, 0.5, 1.0, 10.0])
    x = np.linspace(-5, 5, 300)
    columns = np.repeat(x[:, None], len(betas), axis=1)
    value, grad_x, _ = swish_gradients(np.ones_like(columns), columns, betas)
    _, ((left, right),) = style.panels(1, 2)
    for k, beta in enumerate(betas):
        left.plot(x, value[:, k], label=f"beta {beta:g}")
        right.plot(x, grad_x[:, k])
    left.set(title="value", xlabel="x")
    right.set(title="derivative in x", xlabel="x")
    left.legend()


# %% [markdown] task="dead_units" minutes=10
# ## 7. Dead units
#
# A ReLU unit that gives 0 for **every** example gets no gradient from any of them. Its weights
# stand still: it is dead. A unit that gives 0 for most examples and wakes up for a few is alive,
# and doing its work. Find the dead ones in the layer $\mathrm{ReLU}(x W^\top + b)$.


# %% solution="dead_units"
def dead_units(x, weight, bias):
    """Which units of a ReLU layer are dead on the examples x, and what share of the units that is.

    x      : array (N, D), N >= 1 examples.
    weight : array (H, D), one row for each unit.
    bias   : array (H,).
    Returns (dead, share): a bool array (H,), True where a unit gives 0 for every example, and a
    number from 0 to 1.

    Example: three units and two examples;

        dead_units(
            np.array([[1.0, 0.0], [0.0, 1.0]]),
            np.array([[1.0, -1.0], [-1.0, -1.0], [1.0, 1.0]]),
            np.array([0.0, 0.5, -2.0]),
        )

    returns (array([False,  True,  True]), 0.666...). The first unit wakes up for one example.

    Hints
    1. Compute the numbers before the ReLU for all examples and units: an array (N, H).
    2. The ReLU gives 0 where such a number is at most 0.
    3. Which axis runs over the examples? A unit is dead if this holds for all of them.
    """
    ### BEGIN SOLUTION
    dead = (x @ weight.T + bias <= 0).all(axis=0)
    return dead, dead.mean()
    ### END SOLUTION


# %% inputs="dead_units"
rng = np.random.default_rng(7)
images = digits()[0][0][:6]
inputs = [
    Case(
        name="two examples, four units",
        args=(
            np.array([[1.0, 0.0], [0.0, 1.0]]),
            np.array([[1.0, -1.0], [-1.0, -1.0], [1.0, 1.0], [0.5, 0.5]]),
            np.array([0.0, 0.5, -2.0, 0.0]),
        ),
    ),
    Case(
        name="exactly zero",
        args=(
            np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 1.0]]),
            np.array([[0.0, 0.0], [2.0, -1.0], [1.0, 1.0]]),
            np.array([0.0, 0.0, -4.0]),
        ),
    ),
    Case("six digits", (images, rng.normal(size=(8, 64)), np.linspace(-12.0, 2.0, 8))),
]

# %% test="dead_units" points=2
check("dead_units", dead_units)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, units in [(1, 3), (40, 64), (200, 30), (25, 25)]:
    x = rng.permutation(digits()[0][0])[:n]
    weight = rng.normal(size=(64, units)).T  # not contiguous
    bias = rng.uniform(-20.0, 2.0, size=units)
    bias[0], bias[-1] = -1e6, 1e6  # at least one dead and one alive
    weight[1], bias[1] = 0.0, 0.0  # exactly zero is dead too
    highest = np.stack([x @ row for row in weight]).max(axis=1) + bias
    dead, share = dead_units(x, weight, bias)
    case = f"{n} digits, {units} units"
    assert_close(np.shape(dead), (units,), what=f"shape of dead, {case}")
    assert_close(np.asarray(dead, dtype=bool), highest <= 0, what=f"dead, {case}")
    assert_close(float(share), np.count_nonzero(highest <= 0) / units, what=f"share, {case}")
### END HIDDEN TESTS

# %% [markdown]
# Your function on a real network: 64 ReLU units learn to read digits by plain gradient descent on
# the whole training set. With a small learning rate hardly a unit is lost. With a large one most
# die within a few steps, and since no example sends them a gradient, they stay dead.


# %%
@picture
def _():
    (x, y), _ = digits()
    for lr in [0.5, 1.0, 2.0, 4.0]:
        net = mlp((64, 64, 10), nn.ReLU)
        first, optimizer = net[0], torch.optim.SGD(net.parameters(), lr)
        shares = []
        for _ in range(60):
            weight, bias = first.weight.detach().numpy(), first.bias.detach().numpy()
            shares.append(dead_units(x, weight, bias)[1])
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(torch.tensor(x)), torch.tensor(y)).backward()
            optimizer.step()
        plt.plot(shares, label=f"learning rate {lr:g}")
    plt.xlabel("step")
    plt.ylabel("share of dead units")
    plt.legend()


# %% [markdown] task="ChannelSwish" minutes=20
# ## 8. An activation that learns
#
# Now the same idea in PyTorch. In task 6 you found the gradient in $\beta$ by hand; here autograd
# finds it, if you let it. Write a module with one $\beta$ for each channel. It must work for
# batches of vectors (N, C) and of pictures (N, C, H, W): the channel is always dimension 1. And it
# must go wherever its network goes, to any device and any floating dtype.
#
# When it works, a network learns to read digits with it.


# %%
def learn_digits(activation, x_train, y_train, x_test):
    """Train a network 64-32-10 on digits; return the test predictions and the learned betas."""
    net = mlp((64, 32, 10), activation)
    fit(net, x_train, y_train, steps=100, lr=0.02)
    with torch.no_grad():
        predictions = net(torch.as_tensor(x_test)).argmax(1)
    return predictions.numpy(), net[1].beta.detach().numpy()


# %% solution="ChannelSwish"
class ChannelSwish(nn.Module):
    """Swish, x * sigmoid(beta * x), with one learned beta for each channel.

    num_channels : C, the size of dimension 1 of the input.
    beta         : the number with which all C betas begin.

    The parameter is called `beta` and has the shape (C,).
    Input: a floating-point tensor (N, C, *), where * is any number of further dimensions, also
    none. Result: a tensor of the same shape, dtype and device.

    Example: ChannelSwish(2)(torch.tensor([[1.0, -2.0]])) is about [[0.7311, -0.2384]].

    Hints
    1. A tensor becomes part of the module, is moved by `.to(...)` and is found by the optimizer
       only as an `nn.Parameter`.
    2. (C,) lines up with the last dimension. To line it up with dimension 1 of (N, C, H, W) it
       needs the shape (C, 1, 1). Build that from `input.ndim`.
    3. Stay with the tensors you have. Whoever writes `.detach()`, `.data` or `.float()` cuts the
       gradient or changes the dtype.
    """

    def __init__(self, num_channels, beta=1.0):
        super().__init__()
        ### BEGIN SOLUTION
        self.beta = nn.Parameter(torch.full((num_channels,), float(beta)))
        ### END SOLUTION

    def forward(self, input):
        ### BEGIN SOLUTION
        beta = self.beta.reshape(-1, *[1] * (input.ndim - 2))  # (C,) -> (C, 1, ..., 1)
        return input * torch.sigmoid(beta * input)
        ### END SOLUTION


def swish_digits(x_train, y_train, x_test):
    """Given: your activation in a network that learns to read digits."""
    return learn_digits(lambda: ChannelSwish(32), x_train, y_train, x_test)


# %% inputs="ChannelSwish"
rng = np.random.default_rng(8)


def tensors(name, dtype, beta, *shape):
    """An input, a beta for each channel and a gradient of the output, as tensors."""
    arrays = rng.normal(scale=2.0, size=shape), np.array(beta), rng.normal(size=shape)
    return Case(name, tuple(torch.tensor(array, dtype=dtype) for array in arrays))


inputs = [
    tensors("vectors (2, 3), float64", torch.float64, [0.5, 1.0, 2.0], 2, 3),
    tensors("sequences (2, 3, 3), float64", torch.float64, [0.5, -1.0, 2.0], 2, 3, 3),
    tensors("pictures (1, 2, 2, 3), float32", torch.float32, [3.0, 0.25], 1, 2, 2, 3),
]


# %% test="ChannelSwish" points=2
def use_channel_swish(x, beta, grad_output):
    """A fresh module with the given betas: what it has, what it returns, what flows back."""
    module = ChannelSwish(len(beta)).to(x.dtype)
    module.load_state_dict({"beta": beta}, strict=False)
    x = x.clone().requires_grad_()
    output = module(x)
    output.backward(grad_output)
    grad_beta = module.beta.grad
    return {
        "parameters": [name for name, _ in module.named_parameters()],
        "output": output.detach(),
        "gradient of the input": x.grad,
        "gradient of beta": "none" if grad_beta is None else grad_beta,
    }


check("ChannelSwish", use_channel_swish)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng
from book.activations.pytorch import swish as book_swish

rng = fresh_rng()
for shape in [(4, 3), (0, 3), (2, 5, 4), (2, 4, 3, 5), (1, 2, 2, 2, 2)]:
    for dtype in [torch.float64, torch.float32]:
        x, grad_output = (torch.tensor(rng.normal(size=shape), dtype=dtype) for _ in range(2))
        beta = torch.tensor(rng.normal(size=shape[1]), dtype=dtype)
        got = use_channel_swish(x, beta, grad_output)
        x.requires_grad_()
        beta.requires_grad_()
        columns = zip(x.unbind(1), beta, strict=True)
        expected = torch.stack([book_swish(column, b) for column, b in columns], dim=1)
        expected.backward(grad_output)
        case = f"shape {shape}, {dtype}"
        assert_close(got["output"], expected.detach(), what=f"output, {case}")
        assert_close(got["gradient of the input"], x.grad, what=f"gradient of x, {case}")
        assert_close(got["gradient of beta"], beta.grad, what=f"gradient of beta, {case}")

assert_close(ChannelSwish(3).beta.detach(), torch.ones(3), what="beta at first")
assert_close(ChannelSwish(2, 0.5).beta.detach(), torch.full((2,), 0.5), what="beta=0.5 at first")
# The meta device has shapes but no numbers, and every machine has it: a stand-in for a GPU.
moved = ChannelSwish(3).to("meta")(torch.empty(2, 3, 4, device="meta"))
assert_close(str(moved.device), "meta", what="device of the output")
half = ChannelSwish(2).to(torch.bfloat16)(torch.ones(1, 2, dtype=torch.bfloat16))
assert_close(str(half.dtype), "torch.bfloat16", what="dtype of the output for bfloat16")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: a network with 32 hidden units and your activation sees 1,347 handwritten digits
# and is tested on 450 that it has not seen.

# %% test="ChannelSwish-digits" points=1
(x_train, y_train), (x_test, y_test) = digits()
predictions, betas = swish_digits(x_train, y_train, x_test)
accuracy = np.mean(predictions == y_test)
assert accuracy > 0.93, f"expected more than 93 % of the test digits right, got {accuracy:.1%}"
assert betas.shape == (32,), f"expected 32 learned betas, one a hidden unit, got {betas.shape}"
assert np.abs(betas - 1).max() > 0.01, "all betas are still 1: does a gradient reach them?"
print(f"{accuracy:.1%} of the test digits are right.")
print(f"The betas lie between {betas.min():.2f} and {betas.max():.2f}.")
### BEGIN HIDDEN TESTS
(x_train, y_train), (x_test, y_test) = digits(seed=1)
predictions, betas = swish_digits(x_train, y_train, x_test)
accuracy = np.mean(predictions == y_test)
assert accuracy > 0.93, f"another split: expected more than 93 % right, got {accuracy:.1%}"
assert np.std(betas) > 0.01, "another split: the betas of all units are the same"
### END HIDDEN TESTS


# %%
@picture
def _():
    (x_train, y_train), (x_test, _) = digits()
    _, betas = swish_digits(x_train, y_train, x_test)
    plt.hist(betas, bins=16)
    plt.axvline(1.0, color="k", ls="--", lw=1, label="where they all began")
    plt.xlabel("beta")
    plt.ylabel("hidden units")
    plt.legend()


# %% [markdown]
# ## 9. Argue from gradients
#
# A friend builds a network with twenty hidden layers and asks you which activation to put between
# them: sigmoid, ReLU or swish. Training follows gradients, and each layer multiplies the gradient
# by the derivative of its activation (and by its weights, which we leave aside here).
#
# Recommend one of the three in about 150 words:
#
# - Give for each of the three the largest value of its derivative, and say where it is close to
#   zero.
# - Use a number: what is left of a gradient after twenty layers in the best case?
# - Name one weakness of your own choice, and how you would notice it in training.

# %% [markdown] manual="why" points=3 minutes=15
# The derivative of the sigmoid is at most 0.25, at 0, and close to zero on **both** sides far from
# it. Twenty layers leave at best $0.25^{20} \approx 10^{-12}$ of a gradient. The first layers
# would hardly learn.
#
# The derivative of ReLU is exactly 1 for every positive input and 0 for every negative one. Along a
# path of active units a gradient passes twenty layers unchanged.
#
# The derivative of swish (beta = 1) is at most about 1.1, near x = 2.4, and tends to 1 on the right
# and to 0 on the left. It is zero at x = -1.28, where swish has its minimum, and small but mostly
# not zero left of 0.
#
# I recommend ReLU: cheap, and it keeps the gradient. Its weakness: a unit that is negative for all
# examples is dead and gets no gradient. I would watch the share of dead units (task 7); if it
# grows, I would lower the learning rate or take swish.
#
# **Rubric**
#
# - 1 point: maxima 1/4, 1, about 1.1 (also "slightly above 1"), and where each is close to zero:
#   sigmoid on both sides, ReLU for all negative inputs, swish far on the left (and at its minimum).
#   Half if one is wrong.
# - 1 point: a number for twenty layers, 0.25^20 = 9.1e-13 for the sigmoid, against 1 for ReLU.
#   Half for "it vanishes" without a number.
# - 1 point: a choice that follows from this (ReLU and swish are both right; the sigmoid is not),
#   with an honest weakness (ReLU: dead units; swish: dearer, and its gradient vanishes far on the
#   left too) and a way to see it. Half if the sign to look for is missing.
