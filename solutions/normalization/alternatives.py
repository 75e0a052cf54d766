"""Other right answers: loops, einsum, another formula. Each must score full."""

import math

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import alternative


@alternative("scaled_start")
def by_counting(noise, gain=1.0, mode="fan_in"):
    """Fan-in is the size of one unit's weights, fan-out that of one channel's."""
    fan_in, fan_out = noise[0].size, noise[:, 0].size
    if mode == "fan_in":
        n = fan_in
    elif mode == "fan_out":
        n = fan_out
    elif mode == "fan_avg":
        n = 0.5 * (fan_in + fan_out)
    else:
        raise ValueError("no such mode")
    return noise * math.sqrt(gain**2 / n)


@alternative("layer_sizes")
def by_recursion(x, weights, grad_output):
    """The first layer, then the rest of the network."""
    h = np.tanh(np.einsum("nd,hd->nh", x, weights[0]))
    if len(weights) == 1:
        return np.array([h.std()]), np.array([grad_output.std()])

    def back(x, weights, grad_output):  # the gradient at x
        h = np.tanh(x @ weights[0].T)
        grad_h = grad_output if len(weights) == 1 else back(h, weights[1:], grad_output)
        return (grad_h / np.cosh(np.arctanh(h)) ** 2) @ weights[0]

    forward, backward = by_recursion(h, weights[1:], grad_output)
    first = back(h, weights[1:], grad_output).std()
    return np.array([h.std(), *forward]), np.array([first, *backward])


@alternative("layer_sizes")
def into_arrays(x, weights, grad_output):
    """Fill two arrays from both sides."""
    depth = len(weights)
    forward, backward = np.empty(depth), np.empty(depth)
    activations = {0: x}
    for k in range(depth):
        activations[k + 1] = np.tanh(activations[k] @ weights[k].T)
        forward[k] = np.std(activations[k + 1])
    g = grad_output
    for k in reversed(range(depth)):
        backward[k] = np.std(g)
        g = np.einsum("nh,nh,hd->nd", g, 1 - activations[k + 1] ** 2, weights[k])
    return forward, backward


@alternative("batch_norm_step")
def channel_last(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """All values of a channel in a column."""
    moved = np.moveaxis(x, 1, -1)
    rows = moved.reshape(-1, x.shape[1])
    if not training:
        y = (moved - running_mean) * (running_var + eps) ** -0.5
        return np.moveaxis(y, -1, 1), running_mean.copy(), running_var.copy()
    m, mean = len(rows), rows.mean(0)
    square = ((rows - mean) ** 2).sum(0)
    y = np.moveaxis((moved - mean) / np.sqrt(square / m + eps), -1, 1)
    mean = running_mean + momentum * (mean - running_mean)
    return y, mean, running_var + momentum * (square / (m - 1) - running_var)


@alternative("batch_norm_step")
def one_channel_at_a_time(x, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """A loop over the channels; the memory is copied first."""
    y, mean, var = np.empty(x.shape), np.array(running_mean), np.array(running_var)
    for c in range(x.shape[1]):
        values = x[:, c]
        if training:
            y[:, c] = (values - np.mean(values)) / math.sqrt(np.var(values) + eps)
            mean[c] = (1 - momentum) * mean[c] + momentum * np.mean(values)
            var[c] = (1 - momentum) * var[c] + momentum * np.var(values, ddof=1)
        else:
            y[:, c] = (values - mean[c]) / math.sqrt(var[c] + eps)
    return y, mean, var


@alternative("batch_norm_gradients")
def step_by_step(grad_output, x, gamma, eps=1e-5):
    """As the paper writes it: through the variance, the mean, and straight."""
    n = len(x)
    centered = x - x.mean(0)
    inverse = 1 / np.sqrt(np.mean(centered**2, axis=0) + eps)
    g_hat = grad_output * gamma
    g_var = -0.5 * inverse**3 * np.sum(g_hat * centered, axis=0)
    g_mean = -inverse * np.sum(g_hat, axis=0)
    grad_x = g_hat * inverse + g_var * 2 * centered / n + g_mean / n
    return grad_x, np.sum(grad_output * centered * inverse, axis=0), np.sum(grad_output, axis=0)


@alternative("batch_norm_gradients")
def by_the_jacobian(grad_output, x, gamma, eps=1e-5):
    """The whole matrix of each feature."""
    n = len(x)
    grad_x = np.empty(x.shape)
    grad_gamma = np.empty(x.shape[1])
    for d in range(x.shape[1]):
        s = math.sqrt(np.var(x[:, d]) + eps)
        u = (x[:, d] - np.mean(x[:, d])) / s
        jacobian = (np.eye(n) - 1 / n - np.outer(u, u) / n) / s
        grad_x[:, d] = gamma[d] * jacobian @ grad_output[:, d]
        grad_gamma[d] = u @ grad_output[:, d]
    return grad_x, grad_gamma, np.einsum("nd->d", grad_output)


@alternative("group_norm")
def by_loops(x, num_groups, gamma, beta, eps=1e-5):
    """Example by example, group by group."""
    size, rest = divmod(x.shape[1], num_groups)
    if rest:
        raise ValueError("the groups do not come out even")
    y = np.empty(x.shape)
    for n in range(len(x)):
        for c in range(x.shape[1]):
            start = c // size * size
            group = x[n, start : start + size]
            y[n, c] = gamma[c] * (x[n, c] - group.mean()) / math.sqrt(group.var() + eps) + beta[c]
    return y


@alternative("clip_gradients")
def as_one_vector(gradients, max_norm):
    """All numbers in one vector, as in the formula."""
    if max_norm <= 0:
        raise ValueError("the limit must be positive")
    norm = np.linalg.norm(np.concatenate([gradient.reshape(-1) for gradient in gradients]))
    if norm <= max_norm:
        return norm, [gradient.copy() for gradient in gradients]
    return norm, [gradient / norm * max_norm for gradient in gradients]


@alternative("ResidualBlock")
class WithFunctions(nn.Module):
    """Zeros by no_grad, clamp for ReLU."""

    def __init__(self, num_features, num_hidden):
        super().__init__()
        self.first = nn.Linear(num_features, num_hidden)
        self.second = nn.Linear(num_hidden, num_features)
        with torch.no_grad():
            self.second.weight *= 0
            self.second.bias *= 0

    def forward(self, x):
        inner = nn.functional.relu(self.first(x))
        return nn.functional.relu(torch.add(x, self.second(inner)))
