"""The small classifier that this chapter trains over and over: linear, ReLU, …, cross-entropy.

Its parameters are Tensors, which the optimizers of the reference move; the gradients come from the
matrix form of the chapter before, since thousands of short runs have to fit on one page.
"""

from itertools import pairwise

import numpy as np

from book.backprop.engine import Tensor
from book.backprop.reference import mlp_backward


def network(sizes, seed=0):
    """Weights and biases of a network of these layer sizes, as Tensors; He's random start."""
    rng = np.random.default_rng(seed)
    params = []
    for n_in, n_out in pairwise(sizes):
        params += [rng.normal(size=(n_out, n_in)) * np.sqrt(2 / n_in), np.zeros(n_out)]
    return [Tensor(array) for array in params]


def scores(params, x):
    """The network's scores of the classes, (N, K)."""
    arrays = [param.data for param in params]
    for weight, bias in zip(arrays[:-2:2], arrays[1:-2:2], strict=True):
        x = np.maximum(x @ weight.T + bias, 0.0)
    return x @ arrays[-2].T + arrays[-1]


def log_probabilities(params, x):
    """The logarithms of the classes' probabilities, (N, K)."""
    z = scores(params, x)
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def loss_of(params, x, y):
    """The mean cross-entropy."""
    return -log_probabilities(params, x)[np.arange(len(y)), y].mean()


def accuracy_of(params, x, y):
    """The share of examples whose class has the largest score."""
    return np.mean(scores(params, x).argmax(axis=1) == y)


def set_gradients(params, x, y):
    """Give every parameter its gradient on this batch; return the batch's loss."""
    rows, log_p = np.arange(len(y)), log_probabilities(params, x)
    blame = np.exp(log_p)
    blame[rows, y] -= 1.0
    _, *grads = mlp_backward(blame / len(y), x, *(param.data for param in params))
    for param, grad in zip(params, grads, strict=True):
        param.grad = grad
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
