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
#   title: Backpropagation
#   imports:
#     - collections
#     - functools
#     - itertools
#     - math
#     - numpy
#     - matplotlib
#     - torch
#     - autograder.checks
#     - book.activations.reference
#     - book.data
#     - book.style
# ---

# %% [markdown]
# # Backpropagation
#
# You have read the chapter. Now you find gradients yourself: of one neuron by hand, of any graph by
# walking back through it, of a whole network in matrix form. With your own gradients a network
# learns to read digits, and at the end one learns through a step that has no slope at all.
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
from book.activations.reference import sigmoid
from book.data import digits

style.use()


# %% [markdown] task="neuron" minutes=10
# ## 1. One neuron, there and back
#
# A neuron looks at one example $x$, gives a number between 0 and 1, and is told the right answer
# $y$. Its loss is the squared difference:
#
# $$z = \sum_i w_i x_i + b, \qquad h = \sigma(z), \qquad L = (h - y)^2$$
#
# Compute the loss, then walk back through the three steps by hand: how does $L$ change with $h$,
# with $z$, and with everything that $z$ is made of? `sigmoid` is imported above and takes numbers
# of any size.


# %% solution="neuron"
def neuron(x, w, b, y):
    """The squared loss of a sigmoid neuron on one example, and its gradients.

    x, w : arrays (D,), the inputs and their weights.
    b, y : numbers, the bias and the right answer.
    Returns (loss, grad_w, grad_b, grad_x): a number, an array (D,), a number, an array (D,).

    Example: sigmoid(log(3)) is 0.75, which makes the numbers easy to follow:

        neuron(np.array([1.0, 2.0]), np.array([np.log(3.0), 0.0]), 0.0, 1.0)

    returns (0.0625, array([-0.09375, -0.1875 ]), -0.09375, array([-0.10299...,  0. ])).

    Hints
    1. From L to h: the derivative of a square.
    2. From h to z: multiply by the slope of the sigmoid, which is h (1 - h).
    3. From z to w, b and x: a product passes back the other value, a sum passes back the same.
    """
    ### BEGIN SOLUTION
    h = sigmoid(w @ x + b)
    to_z = 2.0 * (h - y) * h * (1.0 - h)
    return (h - y) ** 2, to_z * x, to_z, to_z * w
    ### END SOLUTION


# %% inputs="neuron"
# ruff: noqa: E402, because the cells of a notebook import what they need
from book.op import Case

rng = np.random.default_rng(1)
inputs = [
    Case("the example", (np.array([1.0, 2.0]), np.array([np.log(3.0), 0.0]), 0.0, 1.0)),
    Case("a lecture's neuron", (np.array([-1.0, -2.0]), np.array([0.0, -3.0]), -3.0, 0.0)),
    Case("its better variant", (np.array([-1.0, -2.0]), np.array([2.0, -3.0]), -3.0, 0.5)),
    Case("five inputs", (rng.normal(size=5), rng.normal(size=5), 0.25, 1.0)),
    Case("far out on the sigmoid", (np.array([100.0]), np.array([-10.0]), 1.0, 1.0)),
]

# %% test="neuron" points=2
check("neuron", neuron)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for d in [1, 2, 3, 8, 30]:
    for y in [0.0, 1.0, rng.uniform()]:
        arrays = rng.normal(size=d), rng.normal(size=d) / np.sqrt(d), rng.normal()
        leaves = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arrays]
        loss = (torch.sigmoid(leaves[1] @ leaves[0] + leaves[2]) - y) ** 2
        loss.backward()
        got = neuron(*arrays, y)
        assert_close(float(got[0]), loss.item(), what=f"loss, {d} inputs")
        assert_close(got[1], leaves[1].grad.numpy(), what=f"grad_w, {d} inputs")
        assert_close(float(got[2]), leaves[2].grad.item(), what=f"grad_b, {d} inputs")
        assert_close(got[3], leaves[0].grad.numpy(), what=f"grad_x, {d} inputs")
### END HIDDEN TESTS

# %% [markdown]
# The loss of one neuron against its weight, and the tangents that your gradient gives. Where does
# it learn fast, and where hardly at all?


# %%
@picture
def _():
    w = np.linspace(-6, 6, 200)
    x, b, y = np.array([1.0]), 0.5, 1.0
    plt.plot(w, [neuron(x, np.array([v]), b, y)[0] for v in w], label="loss")
    for v in (-5.0, -2.0, -0.5, 1.5):
        loss, grad_w, _, _ = neuron(x, np.array([v]), b, y)
        ends = np.array([-1.0, 1.0])
        plt.plot(v + ends, loss + grad_w * ends, "k", lw=1.2)
        plt.plot(v, loss, "ko", ms=4)
    plt.xlabel("weight")
    plt.ylabel("loss")


# %% [markdown] task="unbroadcast" minutes=10
# ## 2. What was copied is added up
#
# NumPy stretches arrays that do not fit: a bias of shape $(3,)$ is copied to every row of a batch
# of shape $(4, 3)$. A copy is a fork, and at a fork gradients add up.
#
# Write the way back. You get the gradient of the stretched array, and the shape that it was
# stretched from. Remember NumPy's two rules: missing dimensions are added **on the left**, and a
# dimension of size 1 is copied to any size.


# %% solution="unbroadcast"
def unbroadcast(gradient, shape):
    """The gradient of an array of that shape, from the gradient of what it was broadcast to.

    gradient : array of any shape.
    shape    : tuple, a shape that NumPy can broadcast to gradient.shape.
    Returns an array of that shape.

    Example: three columns, and four rows to which one bias each was copied;

        unbroadcast(np.full((4, 3), 2.0), (3,))    returns array([8., 8., 8.]),
        unbroadcast(np.full((4, 3), 2.0), (4, 1))  returns array([[6.], [6.], [6.], [6.]]).

    Hints
    1. How many dimensions does the gradient have too many? They are the first ones: sum over them.
    2. Then both have the same number of dimensions. Sum over those where `shape` has a 1 ...
    3. ... and keep them, with size 1: `keepdims=True`.
    """
    ### BEGIN SOLUTION
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    copied = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return gradient.sum(axis=copied, keepdims=True)
    ### END SOLUTION


# %% inputs="unbroadcast"
rng = np.random.default_rng(2)
counted = np.arange(1.0, 13.0).reshape(4, 3)
inputs = [
    Case("a bias, copied to four rows", (np.full((4, 3), 2.0), (3,))),
    Case("a column, copied to three", (counted, (4, 1))),
    Case("nothing was copied", (counted, (4, 3))),
    Case("square, a row", (np.arange(9.0).reshape(3, 3), (3,))),
    Case("new dimensions and old ones", (rng.normal(size=(2, 3, 4, 2)), (3, 1, 2))),
    Case("one number", (rng.normal(size=(2, 3)), ())),
    Case("a batch of none", (np.zeros((0, 2)), (1, 2))),
]

# %% test="unbroadcast" points=2
check("unbroadcast", unbroadcast)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for _ in range(40):
    full = tuple(int(size) for size in rng.integers(1, 5, size=rng.integers(1, 5)))
    shape = tuple(size if rng.random() < 0.5 else 1 for size in full)[rng.integers(0, len(full)) :]
    gradient = rng.normal(size=full)
    small = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    small.expand(full).backward(torch.tensor(gradient))
    assert_close(unbroadcast(gradient, shape), small.grad.numpy(), what=f"from {full} to {shape}")
gradient = rng.normal(size=(5, 4, 3)).T
assert_close(unbroadcast(gradient, (4, 1)), gradient.sum(axis=(0, 2))[:, None], what="a view")
### END HIDDEN TESTS

# %% [markdown]
# One image $m$, subtracted from 1,347 digits: $L = \frac{1}{2} \sum (\text{digits} - m)^2$. The
# gradient arrives in the shape of all digits, and your function brings it back to the shape of $m$:
# one image, one row of pixels, one column. At $m = 0$, $-\partial L / \partial m$ points to the
# average digit.


# %%
@picture
def _():
    (x, _), _ = digits()
    images = x.reshape(-1, 8, 8)
    _, (axes,) = style.panels(1, 3, height=2.4)
    for ax, shape in zip(axes, [(8, 8), (1, 8), (8, 1)], strict=True):
        ax.imshow(unbroadcast(images, shape))
        ax.set_title(f"shape {shape}")
        ax.axis("off")


# %% [markdown] task="walk_back" minutes=15
# ## 3. Back through any graph
#
# Now the heart of an engine. A graph is a dictionary. Each node names the nodes that it was
# computed from, each together with the local derivative, one entry for **each use**:
#
# ```
# graph = {
#     "x": [],                         an input
#     "p": [("x", 2.0), ("x", 2.0)],   p = x * x at x = 2
#     "y": [("p", 1.0), ("x", 3.0)],   y = p + 3 x
# }
# ```
#
# Find the derivative of the output with respect to every node that it depends on. Three things
# matter. What arrives along several ways adds up. A node passes its gradient on only when all of it
# has arrived. And it passes it on once: a graph with a hundred forks in a row has $2^{100}$ ways
# through it, so nobody can follow each way by itself.


# %% solution="walk_back"
def walk_back(graph, output):
    """The derivative of the output with respect to each node behind it.

    graph  : dictionary, a name for each node -> list of pairs (name of a source, derivative of the
             node with respect to it); an input has an empty list. The names are in no particular
             order. No node depends on itself.
    output : the name of the node to start from.
    Returns a dictionary: name -> derivative, for the output itself (1.0) and for every node that
    it depends on, and for no other node.

    Example: with the graph above, walk_back(graph, "y") returns {"y": 1.0, "p": 1.0, "x": 7.0}.

    Hints
    1. First find an order in which each node comes after all its sources. A function that calls
       itself does it: visit all sources of a node, then append the node, and visit nothing twice.
    2. Go through that order backward, from the output. Then each node has received all its shares
       before it is its turn.
    3. Each pair (source, slope) of a node adds gradient[node] * slope to gradient[source].
    """
    ### BEGIN SOLUTION
    order, seen = [], set()

    def visit(name):
        if name not in seen:
            seen.add(name)
            for source, _ in graph[name]:
                visit(source)
            order.append(name)

    visit(output)
    gradient = dict.fromkeys(order, 0.0)
    gradient[output] = 1.0
    for name in reversed(order):
        for source, slope in graph[name]:
            gradient[source] += gradient[name] * slope
    return gradient
    ### END SOLUTION


# %% inputs="walk_back"
fork = {"x": [], "p": [("x", 2.0), ("x", 2.0)], "y": [("p", 1.0), ("x", 3.0)]}
notes = {
    "L": [("d", -2.0), ("f", 4.0)],
    "d": [("e", 1.0), ("c", 1.0)],
    "e": [("a", -3.0), ("b", 2.0)],
    **{name: [] for name in "abcf"},
}
# From the output, s is reached at once, but most of its gradient comes by way of m and k.
shortcut = {
    "k": [("s", 5.0)],
    "out": [("s", 2.0), ("m", 3.0)],
    "t": [],
    "s": [("t", 7.0)],
    "m": [("k", -1.0), ("t", 0.5)],
}
aside = {
    "a": [],
    "b": [("a", 4.0)],
    "beside": [("b", 10.0)],
    "c": [("b", -0.5), ("a", 1.0)],
    "alone": [],
}
inputs = [
    Case("the example", (fork, "y")),
    Case("the graph of the chapter", (notes, "L")),
    Case("a near way and a far way", (shortcut, "out")),
    Case("nodes that do not count", (aside, "c")),
    Case("only part of the graph", (shortcut, "m")),
    Case("an input by itself", (fork, "x")),
]

# %% test="walk_back" points=3
check("walk_back", walk_back)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for size in [2, 5, 12, 40]:
    names = [f"n{k}" for k in range(size)]
    matrix = np.zeros((size, size))  # the local derivative of the row's node in the column's
    random = {}
    for k in rng.permutation(size):
        uses = [] if k == 0 else rng.integers(0, k, size=min(k + 1, 4))
        random[names[k]] = [(names[j], float(rng.normal())) for j in uses]
        for name, slope in random[names[k]]:
            matrix[k, int(name[1:])] += slope
    for end in {size - 1, size // 2}:
        # The gradient is g = e + matrix.T g: what a node gets comes from those that use it.
        exact = np.linalg.solve(np.eye(size) - matrix.T, np.eye(size)[end])
        behind, todo = set(), [names[end]]
        while todo:
            name = todo.pop()
            if name not in behind:
                behind.add(name)
                todo += [source for source, _ in random[name]]
        got = walk_back(random, names[end])
        expected = {name: float(exact[int(name[1:])]) for name in behind}
        assert_close(got, expected, what=f"a random graph of {size} nodes, from {names[end]}")
ladder = {"n0": []} | {f"n{k}": [(f"n{k - 1}", 1.0), (f"n{k - 1}", 1.0)] for k in range(1, 101)}
expected = {f"n{k}": 2.0 ** (100 - k) for k in range(101)}
assert_close(walk_back(ladder, "n100"), expected, what="a hundred forks in a row")
### END HIDDEN TESTS

# %% [markdown]
# Where all local derivatives are 1, the derivative counts the ways through the graph. With a fork
# at each step their number doubles each time. Your function finds it at once.


# %%
@picture
def _():
    steps = np.arange(1, 61)
    ways = []
    for n in steps:
        forks = {f"n{k}": [(f"n{k - 1}", 1.0)] * 2 for k in range(1, n + 1)} | {"n0": []}
        ways.append(walk_back(forks, f"n{n}")["n0"])
    plt.semilogy(steps, ways, marker=".")
    plt.xlabel("forks in a row")
    plt.ylabel("ways through the graph")


# %% [markdown] task="central_differences" minutes=10
# ## 4. The slow way, to check the fast one
#
# A gradient by hand may be wrong. The definition of a derivative cannot be, so use it as a judge.
# Move one entry of $x$ by a step $h$ to each side and leave the others where they are:
#
# $$\frac{\partial f}{\partial x_i} \approx \frac{f(x + h e_i) - f(x - h e_i)}{2h}$$
#
# The check knows the functions below by their names.

# %%
FUNCTIONS = {
    "cubes": lambda x: np.sum(x**3),
    "product": np.prod,
    "sum of sigmoids": lambda x: np.sum(sigmoid(x)),
    "largest": lambda x: x.max(),
}


# %% solution="central_differences"
def central_differences(f, x, step=6e-6):
    """The gradient of f at x by central differences.

    f    : a function that takes an array of the shape of x and returns one number.
    x    : array of any shape, of whole or of floating-point numbers; it must stay as it is.
    step : a number above 0.
    Returns an array of floating-point numbers of the shape of x.

    Example: for f = x0**3 + x1**3 with a large step of 1,

        central_differences(FUNCTIONS["cubes"], np.array([0, 2]), step=1.0)

    returns array([ 1., 13.]). The derivatives are 0 and 12, and the large step adds 1 to each.

    Hints
    1. Work on a copy of floating-point numbers: `x.astype(float)`. An array of whole numbers would
       cut 3.000006 back to 3.
    2. `np.ndindex(x.shape)` gives the index of every entry, whatever the number of dimensions.
    3. Put the entry back before you move the next one.
    """
    ### BEGIN SOLUTION
    point = x.astype(float)
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        value = point[index]
        point[index] = value + step
        above = f(point)
        point[index] = value - step
        below = f(point)
        point[index] = value
        gradient[index] = (above - below) / (2.0 * step)
    return gradient
    ### END SOLUTION


# %% inputs="central_differences"
rng = np.random.default_rng(4)
inputs = [
    Case("the example", ("cubes", np.array([0, 2]), 1.0)),
    Case("cubes, two rows, large step", ("cubes", rng.normal(size=(2, 3)), 0.5)),
    Case("product", ("product", np.array([2.0, -3.0, 0.5]), 0.25)),
    Case("sigmoids, small step", ("sum of sigmoids", rng.normal(size=(2, 2)), 6e-6)),
    Case("whole numbers, small step", ("cubes", np.array([[1, -2], [3, 0]]), 6e-6)),
    Case("one number", ("sum of sigmoids", np.array(0.7), 0.5)),
    Case("the largest of three", ("largest", np.array([1.0, 4.0, 2.0]), 0.1)),
]


# %% test="central_differences" points=2
def differences_of(name, x, step=6e-6):
    """Your function, for one of the functions above."""
    return central_differences(FUNCTIONS[name], x, step)


check("central_differences", differences_of)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for shape in [(1,), (7,), (3, 4), (2, 1, 3), (), (0, 2)]:
    x = rng.normal(size=shape)
    step = rng.uniform(0.1, 1.0)
    what = f"cubes, shape {shape}"
    assert_close(differences_of("cubes", x, step), 3 * x**2 + step**2, what=f"{what}, large step")
    assert_close(differences_of("cubes", x), 3 * x**2, what=what)
    whole = rng.integers(1, 5, size=shape)
    assert_close(differences_of("product", whole), np.prod(whole) / whole, what="whole numbers")
    slope = sigmoid(x) * (1 - sigmoid(x))
    assert_close(differences_of("sum of sigmoids", x), slope, what=f"sigmoids, shape {shape}")
x = rng.normal(size=(6, 4)).T[::2]
assert_close(differences_of("cubes", x, 0.5), 3 * x**2 + 0.25, what="a view")
### END HIDDEN TESTS

# %% [markdown]
# How small should the step be? The error of your gradient of $\sigma$ at forty points, for steps
# from $10^{-12}$ to $1$. Left, rounding spoils it; right, the step is too coarse.


# %%
@picture
def _():
    x = np.linspace(-2, 2, 40)
    slope = sigmoid(x) * (1 - sigmoid(x))
    steps = np.logspace(-12, 0, 25)
    f = FUNCTIONS["sum of sigmoids"]
    errors = [np.abs(central_differences(f, x, step) - slope).mean() for step in steps]
    plt.loglog(steps, errors, marker=".")
    plt.xlabel("step")
    plt.ylabel("mean error")


# %% [markdown] task="shortcut_backward" minutes=15
# ## 5. A layer with a shortcut
#
# In a deep network the gradient fades, layer by layer. One cure is a second way around each layer:
#
# $$h = x + \max(0,\; x W^\top + b)$$
#
# Here $x$ is a batch with one example a row, and $W$ is square, so that the sum fits. Compute the
# gradients with respect to $x$, $W$ and $b$ from the gradient with respect to $h$. Where the
# argument of the maximum is exactly 0, take the derivative 0.
#
# $W$ is square, so a wrong transpose will not announce itself by its shape. Think before you turn.


# %% solution="shortcut_backward"
def shortcut_backward(grad_output, x, weight, bias):
    """Gradients through x + relu(x @ weight.T + bias).

    grad_output, x : arrays (N, D).
    weight         : array (D, D), one row for each unit.
    bias           : array (D,).
    Returns (grad_x, grad_weight, grad_bias) with the shapes of x, weight and bias.

    Example: one example; the first unit is open, the second closed;

        shortcut_backward(
            np.array([[1.0, 10.0]]),
            np.array([[1.0, 2.0]]),
            np.array([[3.0, 4.0], [0.0, -1.0]]),
            np.array([0.0, 0.0]),
        )

    returns (array([[ 4., 14.]]), array([[1., 2.], [0., 0.]]), array([1., 0.])).

    Hints
    1. x is used twice: by the layer and by the shortcut. So grad_x is a sum of two parts.
    2. Let z = x @ weight.T + bias and delta = grad_output where z > 0, else 0. That is the gradient
       with respect to z.
    3. Each weight[i, j] joins input j with unit i: its gradient adds up delta[n, i] * x[n, j] over
       the examples n.
    4. The bias was copied to every example.
    """
    ### BEGIN SOLUTION
    delta = grad_output * (x @ weight.T + bias > 0)
    return grad_output + delta @ weight, delta.T @ x, delta.sum(axis=0)
    ### END SOLUTION


# %% inputs="shortcut_backward"
rng = np.random.default_rng(5)


def small(n, d):
    """A batch, a layer and a gradient of small whole numbers, which are easy to follow."""
    shapes = (n, d), (n, d), (d, d), d
    return tuple(rng.integers(-3, 4, shape).astype(float) for shape in shapes)


inputs = [
    Case(
        name="the example",
        args=(
            np.array([[1.0, 10.0]]),
            np.array([[1.0, 2.0]]),
            np.array([[3.0, 4.0], [0.0, -1.0]]),
            np.array([0.0, 0.0]),
        ),
    ),
    Case("three examples, two units", small(3, 2)),
    Case("two examples, three units", small(2, 3)),
    Case(
        name="exactly at the kink",
        args=(
            np.array([[5.0, 7.0]]),
            np.array([[1.0, -1.0]]),
            np.array([[1.0, 1.0], [2.0, 1.0]]),
            np.array([0.0, 1.0]),
        ),
    ),
    Case("a batch of none", (np.zeros((0, 2)), np.zeros((0, 2)), np.ones((2, 2)), np.ones(2))),
]

# %% test="shortcut_backward" points=3
check("shortcut_backward", shortcut_backward)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, d in [(1, 1), (1, 4), (6, 1), (5, 5), (8, 3), (30, 12)]:
    arrays = rng.normal(size=(n, d)), rng.normal(size=(d, d)), rng.normal(size=d)
    if d == 3:  # whole numbers, of which some meet the kink
        arrays = tuple(rng.integers(-2, 3, array.shape).astype(float) for array in arrays)
        arrays[1][0], arrays[2][0] = 0.0, 0.0  # and this unit always does
    grad_output = rng.normal(size=(d, n)).T  # not contiguous
    leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
    output = leaves[0] + nn.functional.linear(*leaves).relu()
    output.backward(torch.tensor(grad_output))
    got = shortcut_backward(grad_output, *arrays)
    for name, mine, leaf in zip(("x", "weight", "bias"), got, leaves, strict=True):
        assert_close(mine, leaf.grad.numpy(), what=f"grad_{name}, {n} x {d}")
### END HIDDEN TESTS

# %% [markdown]
# Twenty layers, and the gradient that reaches each of them from the top. `grad_x` minus
# `grad_output` is what comes through the layer alone, so your function also knows how the network
# would do without its shortcuts.


# %%
@picture
def _():
    rng = np.random.default_rng(6)
    depth, width = 20, 32
    weights = [rng.normal(size=(width, width)) * 0.5 / np.sqrt(width) for _ in range(depth)]
    bias = np.zeros(width)
    for shortcut in (True, False):
        inputs = [rng.normal(size=(64, width))]
        for weight in weights[:-1]:
            hidden = np.maximum(inputs[-1] @ weight.T, 0)
            inputs.append(inputs[-1] + hidden if shortcut else hidden)
        gradient, norms = rng.normal(size=(64, width)), []
        for weight, given in zip(reversed(weights), reversed(inputs), strict=True):
            norms.append(np.linalg.norm(gradient))
            passed, _, _ = shortcut_backward(gradient, given, weight, bias)
            gradient = passed if shortcut else passed - gradient
        norms = np.array(norms[::-1]) / norms[0]
        label = "with shortcuts" if shortcut else "without"
        plt.semilogy(np.arange(1, depth + 1), norms, marker=".", label=label)
    plt.xlabel("layer")
    plt.ylabel("gradient, relative to layer 20")
    plt.legend()


# %% [markdown] task="network_gradients" minutes=20
# ## 6. A network that learns from your gradients
#
# All together: a batch of images $x$, one hidden layer with tanh, ten scores, softmax and
# cross-entropy, averaged over the $N$ images.
#
# $$h = \tanh(x W_1^\top + b_1), \qquad s = h W_2^\top + b_2, \qquad
# L = -\frac{1}{N} \sum_n \log \mathrm{softmax}(s_n)_{y_n}$$
#
# Softmax and cross-entropy together have a gradient of great simplicity. With
# $p = \mathrm{softmax}(s)$:
#
# $$\frac{\partial L}{\partial s_{nk}} = \frac{1}{N} \left(p_{nk} - [\,k = y_n\,]\right)$$
#
# What is there, minus what should be there. From here you walk back. `learn` below your function
# then trains a network with it.


# %% solution="network_gradients"
def network_gradients(x, y, w1, b1, w2, b2):
    """The loss of a network with one hidden tanh layer, and the gradients of its parameters.

    x      : array (N, D), N >= 1 examples.
    y      : array (N,) of integers 0 .. K-1, the right classes.
    w1, b1 : arrays (H, D) and (H,).
    w2, b2 : arrays (K, H) and (K,).
    Returns (loss, grad_w1, grad_b1, grad_w2, grad_b2): a number and four arrays with the shapes of
    the parameters.

    Example: all weights 0 and two classes; both have probability 1/2, so

        network_gradients(np.array([[2.0]]), np.array([1]), np.zeros((1, 1)), np.zeros(1),
                          np.zeros((2, 1)), np.zeros(2))

    returns (0.6931..., array([[0.]]), array([0.]), array([[0.], [0.]]), array([ 0.5, -0.5])).

    Hints
    1. Forward, and keep h and p. Shift the scores by the largest of each row before the
       exponential: scores may be in the hundreds.
    2. `p[np.arange(N), y]` are the probabilities of the right classes. Take 1 off them in a copy of
       p, divide by N, and you have the gradient of the scores.
    3. For each layer: the gradient of the weight is delta.T @ (what the layer was given), that of
       the bias the sum of delta over the batch, that of the input delta @ weight.
    4. The slope of tanh is 1 - tanh**2, and you have kept h.
    5. For a loss that is finite at any score, take the logarithm of the sum, not of a probability:
       log p[n, k] = shifted[n, k] - log(sum of exp(shifted[n])).
    """
    ### BEGIN SOLUTION
    rows = np.arange(len(x))
    h = np.tanh(x @ w1.T + b1)
    scores = h @ w2.T + b2
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -log_p[rows, y].mean()
    delta = np.exp(log_p)
    delta[rows, y] -= 1.0
    delta /= len(x)
    grad_w2, grad_b2 = delta.T @ h, delta.sum(axis=0)
    delta = delta @ w2 * (1.0 - h**2)
    return loss, delta.T @ x, delta.sum(axis=0), grad_w2, grad_b2
    ### END SOLUTION


def learn(x_train, y_train, x_test, steps=150, lr=0.5):
    """Given: train 64-24-10 by gradient descent; return test predictions, losses and weights."""
    rng = np.random.default_rng(0)
    parameters = [
        rng.normal(size=(24, 64)) / 8.0,
        np.zeros(24),
        rng.normal(size=(10, 24)) / 5.0,
        np.zeros(10),
    ]
    losses = []
    for _ in range(steps):
        loss, *gradients = network_gradients(x_train, y_train, *parameters)
        parameters = [p - lr * g for p, g in zip(parameters, gradients, strict=True)]
        losses.append(float(loss))
    w1, b1, w2, b2 = parameters
    predictions = (np.tanh(x_test @ w1.T + b1) @ w2.T + b2).argmax(axis=1)
    return predictions, losses, w1


# %% inputs="network_gradients"
rng = np.random.default_rng(6)


def network(n, d, h, k):
    """A batch, its classes and a small random network."""
    shapes = (h, d), h, (k, h), k
    return (
        rng.normal(size=(n, d)),
        rng.integers(0, k, n),
        *(rng.normal(size=shape).round(2) for shape in shapes),
    )


inputs = [
    Case(
        name="the example",
        args=(
            np.array([[2.0]]),
            np.array([1]),
            np.zeros((1, 1)),
            np.zeros(1),
            np.zeros((2, 1)),
            np.zeros(2),
        ),
    ),
    Case("one image, sizes 2, 3, 2", network(1, 2, 3, 2)),
    Case("four images, sizes 3, 2, 4", network(4, 3, 2, 4)),
    Case("square: three of everything", network(3, 3, 3, 3)),
    Case(
        name="scores in the hundreds",
        args=(
            np.array([[5.0], [-5.0]]),
            np.array([0, 0]),
            np.ones((1, 1)),
            np.zeros(1),
            np.array([[900.0], [-900.0]]),
            np.zeros(2),
        ),
    ),
]

# %% test="network_gradients" points=3
check("network_gradients", network_gradients)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, d, h, k in [(1, 1, 1, 2), (7, 3, 5, 4), (4, 4, 4, 4), (20, 6, 8, 3), (3, 2, 9, 10)]:
    for scale in [1.0, 300.0]:
        x, y = rng.normal(size=(n, d)), rng.integers(0, k, n)
        shapes = (h, d), (h,), (k, h), (k,)
        arrays = [rng.normal(size=shape) for shape in shapes]
        arrays[2] *= scale
        leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
        hidden = nn.functional.linear(torch.tensor(x), *leaves[:2]).tanh()
        scores = nn.functional.linear(hidden, *leaves[2:])
        expected = nn.functional.cross_entropy(scores, torch.tensor(y))
        expected.backward()
        loss, *gradients = network_gradients(x, y, *arrays)
        case = f"{n} examples, sizes {d}, {h}, {k}"
        assert_close(float(loss), expected.item(), what=f"loss, {case}")
        for name, mine, leaf in zip(("w1", "b1", "w2", "b2"), gradients, leaves, strict=True):
            assert_close(mine, leaf.grad.numpy(), what=f"grad_{name}, {case}")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: 1,347 handwritten digits to learn from, and 450 that the network has not seen.

# %% test="network_gradients-digits" points=1
(x_train, y_train), (x_test, y_test) = digits()
predictions, losses, _ = learn(x_train, y_train, x_test)
accuracy = np.mean(predictions == y_test)
assert losses[-1] < 0.3, f"expected a loss below 0.3 in the end, got {losses[-1]:.3f}"
assert accuracy > 0.92, f"expected more than 92 % of the test digits right, got {accuracy:.1%}"
print(f"The loss fell from {losses[0]:.2f} to {losses[-1]:.2f}.")
print(f"{accuracy:.1%} of the test digits are right.")
### BEGIN HIDDEN TESTS
(x_train, y_train), (x_test, y_test) = digits(seed=2)
predictions, losses, _ = learn(x_train, y_train, x_test)
accuracy = np.mean(predictions == y_test)
assert losses[-1] < 0.3, f"another split: expected a loss below 0.3, got {losses[-1]:.3f}"
assert accuracy > 0.92, f"another split: expected more than 92 % right, got {accuracy:.1%}"
### END HIDDEN TESTS

# %% [markdown]
# Does it learn, then it is right? No. Leave the slope of tanh out, and the network learns almost as
# well: a wrong gradient that points roughly downhill is hard to notice. That is why one checks
# gradients, and not only accuracies.
#
# What the hidden units look for: the weights of eight of them, drawn as images. Blue pixels count
# against, red ones for.


# %%
@picture
def _():
    (x_train, y_train), (x_test, _) = digits()
    _, _, w1 = learn(x_train, y_train, x_test)
    _, (axes,) = style.panels(1, 8, height=1.2)
    for ax, row in zip(axes, w1, strict=False):
        limit = np.abs(row).max()
        ax.imshow(row.reshape(8, 8), cmap=style.DIVERGING, vmin=-limit, vmax=limit)
        ax.axis("off")


# %% [markdown] task="hard_step" minutes=20
# ## 7. Learn through a step
#
# The first neurons gave 0 or 1, nothing between. A chip loves such units, but a step is flat
# wherever it has a slope at all, so no gradient passes, and autograd agrees: it passes back zeros.
#
# The way out is a friendly lie. Forward, use the true step. Backward, pretend that it had been a
# ramp, which rises from 0 at $-w$ to 1 at $+w$:
#
# $$f(x) = \begin{cases} 1 & x > 0 \\ 0 & x \le 0 \end{cases} \qquad
# \text{and, going back,} \qquad
# f'(x) := \begin{cases} \frac{1}{2w} & |x| < w \\ 0 & |x| \ge w \end{cases}$$
#
# In PyTorch a rule of your own is a `torch.autograd.Function`. Write its two methods. What follows
# them is given: units with thresholds, which they learn through your step.


# %% solution="hard_step"
class Step(torch.autograd.Function):
    """A step from 0 to 1 at 0 that passes gradients back as a ramp of half-width `width` would.

    forward : ctx, input (a floating-point tensor of any shape), width (a number above 0).
              Returns a tensor of zeros and ones in the shape, dtype and device of input.
    backward: ctx, grad_output (a tensor of the shape of the result). Returns one gradient for each
              argument of forward after ctx: a tensor for input, and None for width, which is no
              tensor.

    Example: for input [-2., -0.5, 0.5] and width 1 the result is [0., 0., 1.], and grad_output
    [10., 10., 10.] is passed back as [0., 5., 5.].

    Hints
    1. What backward will need of input, forward saves: `ctx.save_for_backward(input)`. It comes
       back as a tuple, `(input,) = ctx.saved_tensors`. A number can simply be kept, as `ctx.width`.
    2. A comparison gives truth values; `.to(input.dtype)` makes numbers of them.
    3. The chain rule also holds for lies: multiply grad_output by the slope of the ramp.
    """

    @staticmethod
    def forward(ctx, input, width):
        ### BEGIN SOLUTION
        ctx.save_for_backward(input)
        ctx.width = width
        return (input > 0).to(input.dtype)
        ### END SOLUTION

    @staticmethod
    def backward(ctx, grad_output):
        ### BEGIN SOLUTION
        (input,) = ctx.saved_tensors
        inside = input.abs() < ctx.width
        return grad_output * inside / (2 * ctx.width), None
        ### END SOLUTION


def hard_step(input, width):
    """Given: your rule as a function."""
    return Step.apply(input, width)


class StepUnits(nn.Module):
    """Given: units that are on above a threshold of their own, and learn it through your step."""

    def __init__(self, num_units, width):
        super().__init__()
        self.threshold = nn.Parameter(torch.zeros(num_units, dtype=torch.float64))
        self.width = width

    def forward(self, input):
        return hard_step(input - self.threshold, self.width)


def step_digits(x_train, y_train, x_test, width=1.0):
    """Given: train a network 64-16-10 of step units; return test predictions and thresholds."""
    torch.manual_seed(0)
    layers = [
        nn.Linear(64, 16, dtype=torch.float64),
        StepUnits(16, width),
        nn.Linear(16, 10, dtype=torch.float64),
    ]
    net = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    x, y = torch.as_tensor(x_train), torch.as_tensor(y_train)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    with torch.no_grad():
        predictions = net(torch.as_tensor(x_test)).argmax(1)
    return predictions.numpy(), net[1].threshold.detach().numpy()


# %% inputs="hard_step"
rng = np.random.default_rng(7)


def tensors(name, dtype, width, *shape):
    """An input and a gradient of the output, as tensors; no input lies near a corner."""
    entries = rng.permutation(np.linspace(-2.9, 2.9, int(np.prod(shape)))).reshape(shape)
    arrays = entries, rng.normal(size=shape)
    x, grad_output = (torch.tensor(array, dtype=dtype) for array in arrays)
    return Case(name, (x, width, grad_output))


corners = torch.tensor([-1.0, -0.0, 0.0, 1.0, 0.5], dtype=torch.float64)
inputs = [
    Case(
        name="the example",
        args=(
            torch.tensor([-2.0, -0.5, 0.5], dtype=torch.float64),
            1.0,
            torch.tensor([10.0, 10.0, 10.0], dtype=torch.float64),
        ),
    ),
    tensors("a wide ramp", torch.float64, 2.0, 2, 4),
    tensors("a narrow ramp", torch.float64, 0.75, 3, 3),
    Case("exactly at the corners", (corners, 1.0, torch.ones(5, dtype=torch.float64))),
    tensors("float32", torch.float32, 1.5, 2, 3),
]


# %% test="hard_step" points=2
def through_step(input, width, grad_output):
    """What your step returns and what it passes back."""
    input = input.clone().requires_grad_()
    output = hard_step(input, width)
    output.backward(grad_output)
    return output.detach(), input.grad


check("hard_step", through_step)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for shape in [(5,), (4, 3), (2, 3, 4), (), (0, 2)]:
    for dtype in [torch.float64, torch.float32]:
        width = float(rng.integers(2, 13) / 4)
        x = torch.tensor(rng.integers(-16, 17, size=shape) / 4, dtype=dtype)
        grad_output = torch.tensor(rng.normal(size=shape), dtype=dtype)
        if x.ndim == 1:
            x[:3] = torch.tensor([-width, 0.0, width])
        output, grad_x = through_step(x, width, grad_output)
        ramp = x.clone().requires_grad_()
        nn.functional.hardtanh(ramp, -width, width).backward(grad_output / (2 * width))
        case = f"shape {shape}, {dtype}, width {width}"
        assert_close(output, torch.heaviside(x, torch.zeros((), dtype=dtype)), what=case)
        assert_close(grad_x, ramp.grad, what=f"gradient, {case}")
# The meta device has shapes but no numbers, and every machine has it: a stand-in for a GPU.
empty = torch.empty(2, 3, device="meta")
output, grad_x = through_step(empty, 1.0, empty)
assert_close([str(output.device), str(grad_x.device)], ["meta", "meta"], what="devices")
half = torch.tensor([0.25, -3.0], dtype=torch.bfloat16)
output, grad_x = through_step(half, 1.0, half)
assert_close(str(output.dtype), "torch.bfloat16", what="dtype of the output for bfloat16")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: sixteen units, each of them only on or off, have to tell ten digits apart. With
# the true slope, zero, they would stay as they were born, and about half of the digits would be
# right.

# %% test="hard_step-digits" points=1
(x_train, y_train), (x_test, y_test) = digits()
predictions, thresholds = step_digits(x_train, y_train, x_test)
accuracy = np.mean(predictions == y_test)
assert np.abs(thresholds).max() > 0.01, "all thresholds are still 0: does a gradient reach them?"
assert accuracy > 0.93, f"expected more than 93 % of the test digits right, got {accuracy:.1%}"
print(f"{accuracy:.1%} of the test digits are right, with sixteen bits for each.")
### BEGIN HIDDEN TESTS
(x_train, y_train), (x_test, y_test) = digits(seed=3)
predictions, thresholds = step_digits(x_train, y_train, x_test)
accuracy = np.mean(predictions == y_test)
assert np.abs(thresholds).max() > 0.01, "another split: all thresholds are still 0"
assert accuracy > 0.93, f"another split: expected more than 93 % right, got {accuracy:.1%}"
### END HIDDEN TESTS

# %% [markdown]
# How wide should the ramp be? Too narrow, and hardly any unit is close enough to its threshold to
# get a gradient; too wide, and the lie is too far from the truth.


# %%
@picture
def _():
    (x_train, y_train), (x_test, y_test) = digits()
    widths = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
    right = [
        100 * np.mean(step_digits(x_train, y_train, x_test, width)[0] == y_test) for width in widths
    ]
    plt.semilogx(widths, right, marker="o")
    plt.xlabel("half-width of the ramp")
    plt.ylabel("test digits right (%)")


# %% [markdown]
# ## 8. Which way through the graph?
#
# The chain rule does not say where to begin. One could also start at an input and carry its
# derivative *forward*: with every value, compute how it changes with that one input.
#
# Explain in about 150 words why networks are trained backward all the same, and what it costs:
#
# - How many walks through the graph does each way need for $n$ inputs and $m$ outputs? Put in the
#   numbers of a network with a million weights and one loss.
# - Name a computation in which the forward way is the better one, and say why.
# - What does the backward way have to keep in memory that the forward way may forget? What could
#   one do where that is too much?

# %% [markdown] manual="why" points=3 minutes=15
# One walk backward gives the derivatives of **one output** with respect to all inputs, so $m$
# outputs need $m$ walks. One walk forward gives the derivatives of all outputs with respect to
# **one input**, so $n$ inputs need $n$ walks. A network with a million weights and one loss needs
# one walk backward, which costs about twice as much as computing the loss, or a million walks
# forward.
#
# The forward way is better where few inputs meet many outputs: how the whole path of a rocket
# changes with one angle, or how every pixel of a picture changes with the position of one lamp.
#
# The local rules need the values of the forward pass: a product needs the other factor, a matrix
# product its input, a ReLU the sign. Backward they are needed in reverse order, so all of them are
# kept until the walk comes by; memory grows with depth and batch. Forward, value and derivative
# move together, and what is behind may be forgotten. Where memory is short, one keeps every tenth
# layer only and computes the rest again when needed (checkpointing), or takes smaller batches.
#
# **Rubric**
#
# - 1 point: one walk an output backward, one an input forward, and the numbers: 1 against a
#   million. Half if the direction is right but without numbers.
# - 1 point: a computation with few inputs and many outputs, with that reason. Half for the example
#   without the reason.
# - 1 point: the values of the forward pass are kept for the local rules (half), and one honest
#   remedy: recomputing or checkpointing, a smaller batch, lower precision (half).
