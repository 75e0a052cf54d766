"""The small classifier that this chapter trains over and over: linear, ReLU, …, cross-entropy.

Its parameters are Tensors, which the optimizers of the reference move; the gradients are written
out in the matrix form of the chapter before, since thousands of runs have to fit on one page.
"""

from itertools import pairwise

import numpy as np

from book.backprop.engine import Tensor


def network(sizes, seed=0):
    """Weights and biases of a network of these layer sizes, as Tensors; He's random start."""
    rng = np.random.default_rng(seed)
    params = []
    for n_in, n_out in pairwise(sizes):
        params += [rng.normal(size=(n_out, n_in)) * np.sqrt(2 / n_in), np.zeros(n_out)]
    return [Tensor(array) for array in params]


def _activations(params, x):
    """What each layer is given, and the scores of the classes (N, K), as a list."""
    arrays, given = [param.data for param in params], [x]
    for weight, bias in zip(arrays[:-2:2], arrays[1:-2:2], strict=True):
        given.append(np.maximum(given[-1] @ weight.T + bias, 0.0))
    return [*given, given[-1] @ arrays[-2].T + arrays[-1]]


def scores(params, x):
    """The network's scores of the classes, (N, K)."""
    return _activations(params, x)[-1]


def _log_probabilities(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def loss_of(params, x, y):
    """The mean cross-entropy."""
    return -_log_probabilities(scores(params, x))[np.arange(len(y)), y].mean()


def accuracy_of(params, x, y):
    """The share of examples whose class has the largest score."""
    return np.mean(scores(params, x).argmax(axis=1) == y)


def set_gradients(params, x, y):
    """Give every parameter its gradient on this batch; return the batch's loss.

    The sums are those of `mlp_backward`, without its checks of every argument at every step.
    """
    rows, (*given, z) = np.arange(len(y)), _activations(params, x)
    log_p = _log_probabilities(z)
    delta = np.exp(log_p)
    delta[rows, y] -= 1.0
    delta /= len(y)
    layers = list(zip(params[::2], params[1::2], given, strict=True))
    for number, (weight, bias, h) in reversed(list(enumerate(layers))):
        weight.grad, bias.grad = delta.T @ h, delta.sum(axis=0)
        if number:
            delta = (delta @ weight.data) * (h > 0)
    return -log_p[rows, y].mean()


def batches(n, size, rng):
    """The rows of one epoch in random order, cut into batches; the last may be short."""
    order = rng.permutation(n)
    return [order[k : k + size] for k in range(0, n, size)]


def train(optimizer, x, y, size, steps, seed=0, schedule=None, after=None):
    """So many steps on batches of that size; return the loss of each batch before its step."""
    params = [param for group in optimizer.param_groups for param in group["params"]]
    rng, todo, losses = np.random.default_rng(seed), [], []
    for step in range(steps):
        if not todo:
            todo = batches(len(y), size, rng)
        rows = todo.pop(0)
        losses.append(set_gradients(params, x[rows], y[rows]))
        optimizer.step()
        if schedule:
            schedule.step()
        if after:
            after(step)
    return np.array(losses)
