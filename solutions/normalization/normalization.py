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
#   title: Initialization and normalization
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
# # Initialization and normalization
#
# You have read the chapter. Now you build with it: you give weights the right size, watch a signal
# and a gradient on their way through a deep network, write batch norm with its memory and its way
# back, clip gradients, and train thirty layers on real images.
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
from book.training import fit

style.use()


# %% [markdown] task="scaled_start" minutes=10
# ## 1. Weights of the right size
#
# A layer multiplies the size of its signal by $\sqrt{n_{\text{in}}}$ times the standard deviation
# of its weights, and the size of its gradient by $\sqrt{n_{\text{out}}}$ times that. Here
# $n_{\text{in}}$ (fan-in) is how many numbers one unit reads, and $n_{\text{out}}$ (fan-out) how
# many units read one number.
#
# You get standard normal numbers, already in the shape of the weight, and give them the right
# standard deviation, $\text{gain} / \sqrt{n}$. The mode says what $n$ is: `"fan_in"`, `"fan_out"`,
# or `"fan_avg"`, the mean of the two, which is Xavier's choice.


# %% solution="scaled_start"
def scaled_start(noise, gain=1.0, mode="fan_in"):
    """Random numbers, scaled to be the first weights of a layer.

    noise : array (out, in, *kernel) of numbers with standard deviation 1. A linear layer has no
            kernel; a convolution reads `in` channels at each place of its kernel.
    gain  : a number; ReLU takes the square root of 2.
    mode  : "fan_in", "fan_out" or "fan_avg"; otherwise raise ValueError.
    Returns an array of the shape of noise.

    Example: 16 numbers enter each unit, so

        scaled_start(np.ones((2, 16)), gain=2.0)

    is an array of 0.5 everywhere. For np.ones((2, 4, 3, 3)) each unit reads 36 numbers.

    Hints
    1. The shape is (out, in, *kernel), as in PyTorch: the inputs come second.
    2. The places of a kernel multiply both fans. Without a kernel, their number is 1;
       np.prod(()) knows that.
    3. A standard deviation goes with the square root of a fan, a variance with the fan itself.
    """
    ### BEGIN SOLUTION
    places = np.prod(noise.shape[2:])
    fan_in, fan_out = noise.shape[1] * places, noise.shape[0] * places
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    if mode not in fans:
        raise ValueError(f"mode: expected fan_in, fan_out or fan_avg, got {mode!r}")
    return gain / np.sqrt(fans[mode]) * noise
    ### END SOLUTION


# %% inputs="scaled_start"
# ruff: noqa: E402, because the cells of a notebook import what they need
from book.op import Case

rng = np.random.default_rng(1)
inputs = [
    Case("the example", (np.ones((2, 16)),), {"gain": 2.0}),
    Case("a linear layer of 3 units", (rng.normal(size=(3, 5)),)),
    Case("a convolution", (rng.normal(size=(2, 4, 3, 3)),), {"gain": 1.5}),
    Case("fan-out of a convolution", (rng.normal(size=(5, 2, 3)),), {"mode": "fan_out"}),
    Case("both fans", (rng.normal(size=(6, 2)),), {"gain": 1.25, "mode": "fan_avg"}),
    Case("both fans, with a kernel", (rng.normal(size=(2, 4, 5)),), {"mode": "fan_avg"}),
    Case("an unknown mode", (np.ones((2, 3)), 1.0, "fan"), raises=ValueError),
]

# %% test="scaled_start" points=2
check("scaled_start", scaled_start)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, assert_raises, fresh_rng

rng = fresh_rng()
for shape in [(1, 1), (7, 3), (3, 7), (4, 6, 3), (6, 4, 2, 5), (2, 3, 1, 3, 2)]:
    noise, amount = rng.normal(size=shape), rng.uniform(0.5, 3.0)
    kernel = int(np.prod(shape[2:]))
    for mode, n in [
        ("fan_in", shape[1] * kernel),
        ("fan_out", shape[0] * kernel),
        ("fan_avg", (shape[0] + shape[1]) * kernel / 2),
    ]:
        expected = noise * amount * n**-0.5
        assert_close(scaled_start(noise, amount, mode), expected, what=f"weights {shape}, {mode}")
assert_raises(ValueError, scaled_start, np.ones((2, 3)), 1.0, "fan_sum")
### END HIDDEN TESTS

# %% [markdown]
# A signal through 40 tanh layers of 100 units that you have started, and through the same layers
# with weights that are a fifth too small or a fifth too large.


# %%
@picture
def _():
    rng = np.random.default_rng(0)
    noises = [rng.normal(size=(100, 100)) for _ in range(40)]
    for gain in [0.8, 1.0, 1.2]:
        h, sizes = rng.normal(size=(50, 100)), []
        for noise in noises:
            h = np.tanh(h @ scaled_start(noise, gain).T)
            sizes.append(h.std())
        plt.semilogy(range(1, 41), sizes, label=f"gain {gain}")
    plt.xlabel("layer")
    plt.ylabel("standard deviation")
    plt.legend()


# %% [markdown] task="layer_sizes" minutes=15
# ## 2. Where does it die?
#
# Before you train a deep network, send one batch forward and one gradient back, and look at the
# sizes on the way. The network has layers $h_k = \tanh(h_{k-1} W_k^\top)$ without biases, and $h_0$
# is the input. A gradient enters at the output of the last layer.


# %% solution="layer_sizes"
def layer_sizes(x, weights, grad_output):
    """Standard deviations of the outputs of tanh layers, and of the gradients there.

    x           : array (N, D), the input.
    weights     : list of at least one array (outputs, inputs), the first layer first.
    grad_output : array (N, outputs of the last layer), the gradient of a loss with respect to
                  the output of the last layer.
    Returns (forward, backward), two arrays (number of layers,), the first layer first:
                  the standard deviations of the outputs h_1, h_2, ... (over all their numbers),
                  and of the gradients with respect to these outputs.

    Example: for one layer, `backward` has one entry, the standard deviation of grad_output.

    Hints
    1. On the way forward keep every output: on the way back you need them.
    2. Back through one layer: first through the tanh, whose derivative is 1 - h**2 in terms of its
       output h, then through the matrix. That takes you to the output of the layer below.
    3. Going back you meet the last layer first. The result begins with the first.
    """
    ### BEGIN SOLUTION
    outputs, h = [], x
    for weight in weights:
        h = np.tanh(h @ weight.T)
        outputs.append(h)
    gradients, g = [grad_output], grad_output
    for weight, h in zip(weights[:0:-1], outputs[:0:-1], strict=True):
        g = (g * (1.0 - h**2)) @ weight
        gradients.insert(0, g)
    return np.array([h.std() for h in outputs]), np.array([g.std() for g in gradients])
    ### END SOLUTION


# %% inputs="layer_sizes"
def tanh_stack(rng, n, *sizes, scale=1.0):
    """An input, weights of the given sizes and a gradient at the end."""
    weights = [scale * rng.normal(size=(b, a)) / np.sqrt(a) for a, b in pairwise(sizes)]
    return rng.normal(size=(n, sizes[0])), weights, rng.normal(size=(n, sizes[-1]))


rng = np.random.default_rng(2)
inputs = [
    Case("one layer", tanh_stack(rng, 3, 2, 4)),
    Case("two layers", tanh_stack(rng, 4, 3, 2, 3)),
    Case("five square layers", tanh_stack(rng, 6, 4, 4, 4, 4, 4, 4)),
    Case("large weights", tanh_stack(rng, 6, 5, 5, 5, 5, scale=6.0)),
]

# %% test="layer_sizes" points=3
check("layer_sizes", layer_sizes)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for sizes in [(3, 5), (6, 6, 6), (4, 7, 2, 5), (8, *[16] * 12), (5, *[9] * 3, 1)]:
    for factor in [0.5, 1.0, 3.0]:
        matrices = [factor * rng.normal(size=(b, a)) / np.sqrt(a) for a, b in pairwise(sizes)]
        batch, last = rng.normal(size=(9, sizes[0])), rng.normal(size=(9, sizes[-1]))
        signal, found = torch.tensor(batch, requires_grad=True), []
        for matrix in matrices:
            signal = torch.tanh(signal @ torch.tensor(matrix).T)
            found.append(signal)
        grads = torch.autograd.grad(signal, found, torch.tensor(last))
        forward, backward = layer_sizes(batch, matrices, last)
        for name, got, wanted in [("forward", forward, found), ("backward", backward, grads)]:
            wanted = np.array([t.detach().numpy().std() for t in wanted])
            assert_close(got, wanted, what=f"{name}, sizes {sizes}, factor {factor}")
### END HIDDEN TESTS

# %% [markdown]
# Thirty layers at three sizes of weights: what your function says about the digits, before any
# training.


# %%
@picture
def _():
    (x, _), _ = digits()
    rng = np.random.default_rng(0)
    _, ((left, right),) = style.panels(1, 2)
    for scale in [0.5, 1.0, 3.0]:
        weights = [scale * rng.normal(size=(64, 64)) / 8 for _ in range(30)]
        grad_output = rng.normal(size=(200, 64))
        forward, backward = layer_sizes(x[:200] - x.mean(), weights, grad_output)
        left.semilogy(forward, label=f"{scale:g} times 1/sqrt(n)")
        right.semilogy(backward)
    left.set(title="activations", xlabel="layer")
    right.set(title="gradients", xlabel="layer")
    left.legend()


# %% [markdown] task="batch_norm_step" minutes=15
# ## 3. Batch norm, with its memory
#
# In training, batch norm gives each channel mean 0 and variance 1 over the batch (and over all
# places of a picture), and moves what it remembers a little towards what it has just seen:
#
# $$r \leftarrow (1 - \alpha)\,r + \alpha\,s$$
#
# where $\alpha$ is called the momentum. In evaluation it normalizes by what it remembers, and
# remembers nothing new. Mind the detail in which PyTorch differs from many a textbook: the variance
# that normalizes is divided by the number of values $m$, the one that goes into the memory by
# $m - 1$.


# %% solution="batch_norm_step"
def batch_norm_step(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """One call of a batch-norm layer without scale and shift.

    x            : array (N, C, *): N examples, C channels, any number of further dimensions.
    running_mean : array (C,), what the layer remembers of the means.
    running_var  : array (C,), what it remembers of the variances.
    training     : True in training, False in evaluation.
    Returns (y, running_mean, running_var): the normalized x, and the memory after this call, as
    new arrays; the ones that came in stay as they are.

    Example: one channel, the values 1 and 3, so the mean is 2 and the variance 1 (divided by 2)
    or 2 (divided by 1). With eps = 0,

        batch_norm_step(np.array([[1.0], [3.0]]), np.zeros(1), np.ones(1), True, 0.5, 0.0)

    returns ([[-1.], [1.]], [1.], [1.5]).

    Hints
    1. Over which axes does a channel have its values? All but axis 1; a tuple of axes will do.
    2. `keepdims=True` keeps the statistics in a shape that lines up with x. The memory, of shape
       (C,), has to be brought into it: (1, C, 1, ...).
    3. `np.var(..., ddof=1)` divides by m - 1. eps stands under the square root.
    """
    ### BEGIN SOLUTION
    axes = (0, *range(2, x.ndim))
    mean, var = running_mean, running_var
    if training:
        mean, var = x.mean(axis=axes), x.var(axis=axes)
        running_mean = (1.0 - momentum) * running_mean + momentum * mean
        running_var = (1.0 - momentum) * running_var + momentum * x.var(axis=axes, ddof=1)
    mean, var = (values.reshape(1, -1, *[1] * (x.ndim - 2)) for values in (mean, var))
    return (x - mean) / np.sqrt(var + eps), running_mean, running_var
    ### END SOLUTION


# %% inputs="batch_norm_step"
rng = np.random.default_rng(3)


def memory(channels):
    return rng.normal(size=channels), rng.uniform(0.5, 2.0, channels)


inputs = [
    Case("the example", (np.array([[1.0], [3.0]]), np.zeros(1), np.ones(1), True, 0.5, 0.0)),
    Case("training, vectors", (rng.normal(2.0, 3.0, (5, 3)), *memory(3), True)),
    Case("evaluation, vectors", (rng.normal(2.0, 3.0, (5, 3)), *memory(3), False)),
    Case("training, pictures", (rng.normal(2.0, 3.0, (3, 2, 2, 4)), *memory(2), True, 0.3)),
    Case("evaluation, pictures", (rng.normal(2.0, 3.0, (3, 2, 2, 4)), *memory(2), False)),
    Case("small values", (1e-3 * rng.normal(size=(4, 2)), *memory(2), True, 0.1, 1e-4)),
    Case("as many channels as examples", (rng.normal(size=(3, 3, 3)), *memory(3), True)),
]

# %% test="batch_norm_step" points=3
check("batch_norm_step", batch_norm_step)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for shape in [(2, 1), (6, 4), (4, 4, 4), (3, 5, 2, 2), (2, 3, 2, 1, 2)]:
    for alpha in [0.1, rng.uniform(0.2, 0.8)]:
        for small in [1e-5, 0.1]:
            moved = np.zeros(shape[1]), np.ones(shape[1])
            held = [torch.tensor(values) for values in moved]
            for turn in range(6):  # a trajectory, now and then an evaluation
                batch = rng.normal(loc=turn, scale=1 + turn, size=shape)
                learn = turn % 3 != 2
                kept = [values.copy() for values in moved]
                got = batch_norm_step(batch, *moved, learn, alpha, small)
                for before, after in zip(kept, moved, strict=True):
                    assert_close(after, before, what="the memory that came in")
                right = nn.functional.batch_norm(
                    torch.tensor(batch), *held, None, None, learn, alpha, small
                )
                case = f"shape {shape}, {'training' if learn else 'evaluation'}, batch {turn + 1}"
                assert_close(got[0], right.numpy(), what=f"y, {case}")
                for name, mine, theirs in zip(("mean", "var"), got[1:], held, strict=True):
                    assert_close(mine, theirs.numpy(), what=f"running_{name}, {case}")
                moved = tuple(np.array(values) for values in got[1:])
### END HIDDEN TESTS

# %% [markdown]
# What your layer remembers of one pixel, while batches of 16 digits pass by. A large momentum means
# a short memory.


# %%
@picture
def _():
    (x, _), _ = digits()
    for momentum in [0.02, 0.1, 0.5]:
        rng = np.random.default_rng(0)
        state, means = (np.zeros(64), np.ones(64)), []
        for _ in range(80):
            batch = x[rng.choice(len(x), 16)]
            _, *state = batch_norm_step(batch, *state, True, momentum)
            means.append(state[0][28])
        plt.plot(means, label=f"momentum {momentum}")
    plt.axhline(x[:, 28].mean(), color="k", ls="--", lw=1, label="all digits")
    plt.xlabel("batch")
    plt.ylabel("remembered mean")
    plt.legend()


# %% [markdown] task="batch_norm_gradients" minutes=20
# ## 4. The way back through batch norm
#
# $y = \gamma \hat x + \beta$ with $\hat x = (x - \mu) / \sqrt{\sigma^2 + \varepsilon}$, where
# $\mu$ and $\sigma^2$ come from the batch. So each $x_i$ goes three ways: by itself, through
# $\mu$ and through $\sigma^2$. The gradients of all three add up. If you work it out, two things
# are taken away from the gradient of $\hat x$: its mean, and its part along $\hat x$.


# %% solution="batch_norm_gradients"
def batch_norm_gradients(grad_output, x, gamma, eps=1e-5):
    """Gradients of a loss through batch norm in training.

    grad_output, x : arrays (N, D), N examples with D features; statistics run over the examples.
    gamma          : array (D,), the scale of each feature.
    Returns (grad_x, grad_gamma, grad_beta) with shapes (N, D), (D,) and (D,).

    Example: one feature, three examples, so that x_hat is about [-1.2247, 0, 1.2247].

        batch_norm_gradients(
            np.array([[1.0], [0.0], [0.0]]), np.array([[1.0], [2.0], [3.0]]), np.array([2.0])
        )

    returns about ([[0.408], [-0.816], [0.408]], [-1.2247], [1.]).

    Hints
    1. First compute mean, variance (divided by N) and x_hat again.
    2. gamma and beta serve all examples: what happens to the gradients of a number used often?
    3. Let h = gamma * grad_output, the gradient of x_hat. Then
       grad_x = (h - mean of h - x_hat * mean of (h * x_hat)) / sqrt(var + eps).
    4. Test yourself: each column of grad_x sums to zero, since to shift all x changes nothing.
    """
    ### BEGIN SOLUTION
    spread = np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / spread
    h = gamma * grad_output
    grad_x = (h - h.mean(axis=0) - x_hat * (h * x_hat).mean(axis=0)) / spread
    return grad_x, (grad_output * x_hat).sum(axis=0), grad_output.sum(axis=0)
    ### END SOLUTION


# %% inputs="batch_norm_gradients"
rng = np.random.default_rng(4)


def normed(n, d, scale=1.0):
    return rng.normal(size=(n, d)), rng.normal(1.0, scale, (n, d)), rng.uniform(0.5, 2.0, d)


inputs = [
    Case(
        name="the example",
        args=(np.array([[1.0], [0.0], [0.0]]), np.array([[1.0], [2.0], [3.0]]), np.array([2.0])),
    ),
    Case("five examples, three features", normed(5, 3)),
    Case("a square batch", normed(4, 4, 3.0)),
    Case("a large eps", normed(6, 2), {"eps": 0.5}),
]

# %% test="batch_norm_gradients" points=3
check("batch_norm_gradients", batch_norm_gradients)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for n, d in [(3, 1), (8, 5), (5, 8), (6, 6), (50, 3)]:
    for scale in [0.3, 1.0, 40.0]:
        for small in [1e-5, 0.3]:
            ladder = np.linspace(-1.0, 1.0, n)[:, None] + 0.1 * rng.normal(size=(n, d))
            batch = scale * rng.permuted(ladder, axis=0)
            cotangent, factor = rng.normal(size=(n, d)), rng.normal(size=d)
            leaves = [torch.tensor(a, requires_grad=True) for a in (batch, factor, np.zeros(d))]
            out = nn.functional.batch_norm(
                leaves[0], None, None, leaves[1], leaves[2], training=True, eps=small
            )
            expected = torch.autograd.grad(out, leaves, torch.tensor(cotangent))
            got = batch_norm_gradients(cotangent, batch, factor, small)
            for name, mine, right in zip(("x", "gamma", "beta"), got, expected, strict=True):
                case = f"grad_{name}, {n} x {d}, scale {scale}, eps {small}"
                assert_close(np.asarray(mine), right.numpy(), what=case, atol=1e-10)
### END HIDDEN TESTS

# %% [markdown]
# One example gets a gradient of 1, all others 0. By your function its neighbors get some too: they
# are in the same batch.


# %%
@picture
def _():
    x = np.sort(np.random.default_rng(0).normal(size=(15, 1)), axis=0)
    grad_output = np.zeros((15, 1))
    grad_output[10] = 1.0
    grad_x, _, _ = batch_norm_gradients(grad_output, x, np.ones(1))
    plt.stem(x[:, 0], grad_x[:, 0])
    plt.xlabel("x")
    plt.ylabel("gradient in x")


# %% [markdown] task="group_norm" minutes=10
# ## 5. Without the others: group norm
#
# Batch norm needs a batch. Group norm takes its statistics from one example: it puts neighboring
# channels into groups and gives each group, over all its channels and places, mean 0 and
# variance 1. After that each **channel** has a scale and a shift of its own.


# %% solution="group_norm"
def group_norm(x, num_groups, gamma, beta, eps=1e-5):
    """Group norm of a batch of pictures or vectors.

    x           : array (N, C, *), any number of further dimensions.
    num_groups  : G, a divisor of C; otherwise raise ValueError. The first C / G channels are the
                  first group, the next C / G the second, and so on.
    gamma, beta : arrays (C,), scale and shift of each channel.
    Returns an array of the shape of x.

    Example: two groups of two channels; with eps = 0,

        group_norm(np.array([[1.0, 3.0, 10.0, 30.0]]), 2, np.ones(4), np.zeros(4), eps=0.0)

    returns [[-1., 1., -1., 1.]].

    Hints
    1. Reshape x so that each group is a row of its own: (N, G, everything else).
    2. Normalize the rows; the variance is divided by the number of values.
    3. Reshape back, and let gamma and beta line up with axis 1: (C, 1, ..., 1).
    """
    ### BEGIN SOLUTION
    if x.shape[1] % num_groups:
        raise ValueError(f"{x.shape[1]} channels cannot be put into {num_groups} groups")
    rows = x.reshape(len(x), num_groups, -1)
    rows = rows - rows.mean(axis=2, keepdims=True)
    rows = rows / np.sqrt((rows**2).mean(axis=2, keepdims=True) + eps)
    scale, shift = (v.reshape(-1, *[1] * (x.ndim - 2)) for v in (gamma, beta))
    return scale * rows.reshape(x.shape) + shift
    ### END SOLUTION


# %% inputs="group_norm"
rng = np.random.default_rng(5)


def grouped(groups, *shape):
    channels = shape[1]
    return (
        rng.normal(1.0, 2.0, shape),
        groups,
        rng.uniform(0.5, 2.0, channels),
        rng.normal(size=channels),
    )


inputs = [
    Case(
        name="the example",
        args=(np.array([[1.0, 3.0, 10.0, 30.0]]), 2, np.ones(4), np.zeros(4)),
        kwargs={"eps": 0.0},
    ),
    Case("vectors, three groups of two", grouped(3, 4, 6)),
    Case("pictures, two groups of two", grouped(2, 2, 4, 2, 3)),
    Case("one group for all", grouped(1, 3, 4, 3)),
    Case("a group for each channel", grouped(3, 2, 3, 4)),
    Case("small values", (1e-3 * rng.normal(size=(2, 4)), 2, np.ones(4), np.zeros(4))),
    Case("four channels, three groups", grouped(3, 2, 4), raises=ValueError),
]

# %% test="group_norm" points=2
check("group_norm", group_norm)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, assert_raises, fresh_rng

rng = fresh_rng()
for groups, shape in [
    (1, (2, 3)), (2, (3, 6)), (3, (3, 6)), (4, (2, 8, 3)), (5, (5, 5, 5)), (2, (2, 4, 3, 2)),
]:  # fmt: skip
    for small in [1e-5, 0.2]:
        batch = rng.normal(1.0, 3.0, shape)
        factor, offset = rng.normal(size=(2, shape[1]))
        tensors = [torch.tensor(a) for a in (batch, factor, offset)]
        right = nn.functional.group_norm(tensors[0], groups, *tensors[1:], small)
        got = group_norm(batch, groups, factor, offset, small)
        assert_close(got, right.numpy(), what=f"{groups} groups, shape {shape}", atol=1e-10)
assert_raises(ValueError, group_norm, np.ones((2, 5)), 2, np.ones(5), np.zeros(5))
### END HIDDEN TESTS

# %% [markdown] task="clip_gradients" minutes=10
# ## 6. A leash for gradients
#
# Clipping by norm looks at **all** gradients of a network together, as one long vector. If it is
# longer than a limit $c$, each of its numbers is multiplied by $c$ divided by its length. If it is
# not, nothing happens.


# %% solution="clip_gradients"
def clip_gradients(gradients, max_norm):
    """Shorten gradients to a common norm of at most max_norm; their direction stays.

    gradients : list of at least one array, of any shapes.
    max_norm  : a positive number; otherwise raise ValueError.
    Returns (norm, clipped): the norm of all numbers of all gradients before clipping, and a list
    of arrays of the same shapes.

    Example: sqrt(3**2 + 4**2) = 5, so

        clip_gradients([np.array([3.0]), np.array([[4.0]])], 1.0)

    returns (5.0, [array([0.6]), array([[0.8]])]).

    Hints
    1. Square, add up over all arrays, and take the root once, at the end.
    2. One factor for all: the smaller of 1 and max_norm / norm. Gradients of nothing but zeros
       have the norm 0, by which you must not divide.
    """
    ### BEGIN SOLUTION
    if not max_norm > 0:
        raise ValueError(f"max_norm: expected a positive number, got {max_norm}")
    norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
    factor = max_norm / max(norm, max_norm)
    return norm, [factor * gradient for gradient in gradients]
    ### END SOLUTION


# %% inputs="clip_gradients"
rng = np.random.default_rng(6)
inputs = [
    Case("the example", ([np.array([3.0]), np.array([[4.0]])], 1.0)),
    Case("three gradients", ([rng.normal(size=s) for s in [(2, 3), (4,), (1, 2, 2)]], 0.5)),
    Case("one is long, one is short", ([np.array([6.0, 8.0]), np.array([0.1])], 2.0)),
    Case("short enough", ([np.array([0.3, -0.4]), np.array([[0.0]])], 2.0)),
    Case("nothing but zeros", ([np.zeros(3)], 1.0)),
    Case("a limit of zero", ([np.ones(2)], 0.0), raises=ValueError),
]

# %% test="clip_gradients" points=2
check("clip_gradients", clip_gradients)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, assert_raises, fresh_rng

rng = fresh_rng()
for shapes in [[(3,)], [(2, 2), (5,)], [(1,), (1,), (1,)], [(4, 3), (3,), (2, 1, 2), (0,)]]:
    for limit in [0.01, 1.0, 1000.0]:
        parts = [rng.normal(scale=10.0, size=shape) for shape in shapes]
        length = np.linalg.norm(np.concatenate([part.ravel() for part in parts]))
        norm, clipped = clip_gradients(parts, limit)
        case = f"shapes {shapes}, limit {limit}"
        assert_close(float(norm), float(length), what=f"norm, {case}")
        for part, got in zip(parts, clipped, strict=True):
            assert_close(got, part * min(1.0, limit / length), what=f"clipped, {case}")
assert_raises(ValueError, clip_gradients, [np.ones(2)], -1.0)
### END HIDDEN TESTS

# %% [markdown] task="ResidualBlock" minutes=20
# ## 7. Thirty layers that learn
#
# Now PyTorch. Write the residual block $y = \mathrm{relu}(W_2\,\mathrm{relu}(W_1 x + b_1) + b_2
# + x)$ as a module whose **second layer starts at zero**, so that a fresh block hands on what
# came in, if that is not negative. Then a network of fifteen blocks, thirty layers, reads digits
# after a few steps. Your module must go wherever its network goes, to any device and any
# floating dtype.


# %%
def learn_digits(block, x_train, y_train, x_test):
    """Train fifteen blocks of width 32 on digits; return the test predictions."""
    torch.manual_seed(0)
    blocks = [block() for _ in range(15)]
    net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), *blocks, nn.Linear(32, 10)).double()
    fit(net, x_train, y_train, steps=80)
    with torch.no_grad():
        return net(torch.as_tensor(x_test)).argmax(1).numpy()


# %% solution="ResidualBlock"
class ResidualBlock(nn.Module):
    """Two linear layers and a way around them.

    num_features : the number of features of the input, and of the result.
    num_hidden   : the number of units between the two layers.

    The layers are called `first` and `second`; each is an `nn.Linear` with bias. Weight and bias
    of `second` start at zero; `first` keeps PyTorch's start.
    Input: a floating-point tensor (*, num_features). Result: the same shape, dtype and device.

    Example: a fresh ResidualBlock(3, 8) maps [1., 2., 0.] to [1., 2., 0.].

    Hints
    1. A layer that you assign to `self` in `__init__` becomes a part of the module.
    2. `nn.init.zeros_(tensor)` sets a parameter to zero in place.
    3. Add x before the last ReLU, not after it. And add x itself: `x += ...` would write into the
       tensor of whoever calls you.
    """

    def __init__(self, num_features, num_hidden):
        super().__init__()
        ### BEGIN SOLUTION
        self.first = nn.Linear(num_features, num_hidden)
        self.second = nn.Linear(num_hidden, num_features)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        return torch.relu(self.second(torch.relu(self.first(x))) + x)
        ### END SOLUTION


def residual_digits(x_train, y_train, x_test):
    """Given: fifteen of your blocks in a network that learns to read digits."""
    return learn_digits(lambda: ResidualBlock(32, 32), x_train, y_train, x_test)


# %% inputs="ResidualBlock"
rng = np.random.default_rng(8)


def block_tensors(name, dtype, features, hidden, *batch):
    """An input, weights and biases of both layers, and a gradient of the output."""
    shapes = [
        (*batch, features), (hidden, features), (hidden,), (features, hidden), (features,),
        (*batch, features),
    ]  # fmt: skip
    return Case(name, tuple(torch.tensor(rng.normal(size=s), dtype=dtype) for s in shapes))


inputs = [
    block_tensors("a batch of two, float64", torch.float64, 3, 4, 2),
    block_tensors("as many hidden units as features", torch.float64, 3, 3, 4),
    block_tensors("one example, float32", torch.float32, 2, 5),
    block_tensors("sequences (2, 3, 2)", torch.float64, 2, 4, 2, 3),
]


# %% test="ResidualBlock" points=2
def use_residual_block(x, weight1, bias1, weight2, bias2, grad_output):
    """A fresh block: what it returns at first; then, with the given weights, also what flows
    back."""
    module = ResidualBlock(x.shape[-1], len(bias1)).to(x.dtype)
    names = sorted(name for name, _ in module.named_parameters())
    fresh = module(x).detach()
    given = {"first.weight": weight1, "first.bias": bias1}
    given |= {"second.weight": weight2, "second.bias": bias2}
    module.load_state_dict(given, strict=False)
    x = x.clone().requires_grad_()
    output = module(x)
    output.backward(grad_output)
    return {
        "parameters": names,
        "output at first": fresh,
        "output": output.detach(),
        "gradient of the input": x.grad,
    }


check("ResidualBlock", use_residual_block)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng
from book.normalization.pytorch import residual_block as book_block

rng = fresh_rng()
for features, hidden, batch in [(4, 6, (5,)), (3, 3, ()), (6, 2, (2, 3)), (2, 4, (0,))]:
    for dtype in [torch.float64, torch.float32]:
        shapes = [(*batch, features), (hidden, features), (hidden,), (features, hidden)]
        shapes += [(features,), (*batch, features)]
        x, *layers, cotangent = (torch.tensor(rng.normal(size=s), dtype=dtype) for s in shapes)
        got = use_residual_block(x, *layers, cotangent)
        x.requires_grad_()
        expected = book_block(x, *layers)
        expected.backward(cotangent)
        case = f"{features} features, {hidden} hidden, batch {batch}, {dtype}"
        assert_close(got["output at first"], x.detach().relu(), what=f"output at first, {case}")
        assert_close(got["output"], expected.detach(), what=f"output, {case}")
        assert_close(got["gradient of the input"], x.grad, what=f"gradient of the input, {case}")

# The meta device has shapes but no numbers, and every machine has it: a stand-in for a GPU.
moved = ResidualBlock(3, 4).to("meta")(torch.empty(2, 3, device="meta"))
assert_close(str(moved.device), "meta", what="device of the output")
half = ResidualBlock(3, 4).to(torch.bfloat16)(torch.ones(1, 3, dtype=torch.bfloat16))
assert_close(str(half.dtype), "torch.bfloat16", what="dtype of the output for bfloat16")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: thirty layers see 1,347 handwritten digits 80 times and are tested on 450 that
# they have not seen. A plain network of this depth, with PyTorch's default start, only guesses.

# %% test="ResidualBlock-digits" points=1
(x_train, y_train), (x_test, y_test) = digits()
predictions = residual_digits(x_train, y_train, x_test)
accuracy = np.mean(predictions == y_test)
assert accuracy > 0.93, f"expected more than 93 % of the test digits right, got {accuracy:.1%}"
print(f"{accuracy:.1%} of the test digits are right.")
### BEGIN HIDDEN TESTS
(x_train, y_train), (x_test, y_test) = digits(seed=1)
predictions = residual_digits(x_train, y_train, x_test)
accuracy = np.mean(predictions == y_test)
assert accuracy > 0.93, f"another split: expected more than 93 % right, got {accuracy:.1%}"
### END HIDDEN TESTS


# %%
@picture
def _():
    (x_train, y_train), (x_test, y_test) = digits()

    def plain():
        return nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())

    scores = [
        np.mean(residual_digits(x_train, y_train, x_test) == y_test),
        np.mean(learn_digits(plain, x_train, y_train, x_test) == y_test),
    ]
    plt.bar(["your blocks", "the same without a way around"], scores)
    plt.ylabel("test digits right")


# %% [markdown]
# ## 8. Advise
#
# A friend trains a tanh network of forty layers. Each weight starts as `0.01 * randn`. Memory
# allows batches of four pictures only. The loss stays at the value of guessing. Three people
# give advice: "take a larger learning rate", "put batch norm between the layers", "start with
# Xavier".
#
# Answer the friend in about 150 words:
#
# - Say what happens to the signal and to the gradient, with a number: with 100 units a layer, by
#   what factor does one layer multiply the signal, and what is left after forty?
# - Judge each of the three pieces of advice.
# - Say what you would measure before the first training step.

# %% [markdown] manual="why" points=3 minutes=15
# While the signal is small, tanh is the identity, and a layer multiplies its size by
# $0.01 \cdot \sqrt{100} = 0.1$. After forty layers $10^{-40}$ is left, and the gradient shrinks
# in the same way on its way back. The outputs hardly depend on the input, so the loss is that of
# guessing.
#
# A larger rate cannot help: the gradient of the first layers is about $10^{-40}$, that of the
# last would explode first. Batch norm would bring each layer back into range at the start, but
# with batches of four its statistics are noise, and in evaluation its memory does not fit; layer
# norm or group norm would do. Xavier makes the factor $\sqrt{100} \cdot 1/\sqrt{100} = 1$: that
# is the cure, and it costs nothing. For forty layers orthogonal weights are better still.
#
# I would send one batch forward and one gradient back, and look at the standard deviations layer by
# layer (task 2).
#
# **Rubric**
#
# - 1 point: the factor 0.1 a layer and about 1e-40 after forty, for the signal and (as a word is
#   enough) for the gradient. Half for "it vanishes" with a wrong or without a number.
# - 1 point: all three judged. Rate: no; batch norm: helps in principle, not with batches of four
#   (layer or group norm named is a plus); Xavier: yes. Half if one is wrong.
# - 1 point: a measurement of activations *and* gradients by layer before training. Half for only
#   one of them, or for "watch the loss".
