"""Other right answers: loops, einsum, another formula. Each must score full."""

import functools
import math

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import alternative


@alternative("collapse")
def probe_the_stack(layers):
    """Send zero and the unit vectors through the stack: outputs give the bias and the columns."""

    def run(x):
        for weight, bias in layers:
            x = x @ weight.T + bias
        return x

    n_inputs = layers[0][0].shape[1]
    bias = run(np.zeros(n_inputs))
    return (run(np.eye(n_inputs)) - bias).T, bias


@alternative("collapse")
def homogeneous(layers):
    """A layer is one matrix on (x, 1); multiply these, the last one first."""
    matrices = [np.block([[w, b[:, None]], [np.zeros(w.shape[1]), 1.0]]) for w, b in layers]
    product = functools.reduce(np.matmul, reversed(matrices))
    return product[:-1, :-1], product[:-1, -1]


@alternative("collapse")
def from_the_back(layers):
    """Backward, carrying the product of the later weights."""
    after = np.eye(len(layers[-1][1]))
    total = np.zeros(len(layers[-1][1]))
    for weight, bias in reversed(layers):
        total += np.einsum("ij,j->i", after, bias)
        after = np.einsum("ij,jk->ik", after, weight)
    return after, total


@alternative("sigmoid_and_tanh")
def through_tanh(z):
    """The other way round: the sigmoid from tanh."""
    return 0.5 * (1.0 + np.tanh(z / 2)), np.tanh(z)


@alternative("sigmoid_and_tanh")
def by_loops(z):
    """One number at a time."""

    def sigmoid(number):
        if number >= 0:
            return 1.0 / (1.0 + math.exp(-number))
        return math.exp(number) / (1.0 + math.exp(number))

    first = np.array([sigmoid(number) for number in z.flat]).reshape(z.shape)
    second = np.array([2.0 * sigmoid(2.0 * number) - 1.0 for number in z.flat]).reshape(z.shape)
    return first, second


@alternative("sigmoid_and_tanh")
def by_masks(z):
    """Positive and negative numbers separately, and tanh from the sigmoid of 2z."""

    def sigmoid(z):
        result = np.empty(z.shape)
        positive = z >= 0
        result[positive] = 1.0 / (1.0 + np.exp(-z[positive]))
        result[~positive] = np.exp(z[~positive]) / (1.0 + np.exp(z[~positive]))
        return result

    return sigmoid(z), 2.0 * sigmoid(2.0 * z) - 1.0


@alternative("leaky_relu6")
def three_pieces(grad_output, x, slope=0.01):
    """The formula as it stands."""
    value = np.where(x <= 0, slope * x, np.where(x < 6, x, 6.0 + slope * (x - 6.0)))
    derivative = np.where((x <= 0) | (x >= 6), slope, 1.0)
    return value, derivative * grad_output


@alternative("leaky_relu6")
def leaky_by_loops(grad_output, x, slope=0.01):
    """One number at a time."""
    value, grad = np.empty(x.shape), np.empty(x.shape)
    for i in np.ndindex(x.shape):
        inside = 0 < x[i] < 6
        edge = 6.0 if x[i] >= 6 else 0.0
        value[i] = x[i] if inside else edge + slope * (x[i] - edge)
        grad[i] = grad_output[i] * (1.0 if inside else slope)
    return value, grad


@alternative("softmax")
def through_the_logarithm(x, axis=-1, temperature=1.0):
    """exp(z - logsumexp(z))."""
    if temperature <= 0:
        raise ValueError("temperature must be above 0")
    z = x / temperature
    return np.exp(z - np.logaddexp.reduce(z, axis=axis, keepdims=True))


@alternative("softmax")
def line_by_line(x, axis=-1, temperature=1.0):
    """Every line along the axis by itself."""
    if temperature <= 0:
        raise ValueError("temperature must be above 0")
    moved = np.moveaxis(x, axis, -1)
    result = np.empty(moved.shape)
    for i in np.ndindex(moved.shape[:-1]):
        weights = [math.exp((score - max(moved[i])) / temperature) for score in moved[i]]
        result[i] = [weight / sum(weights) for weight in weights]
    return np.moveaxis(result, -1, axis)


@alternative("softmax_gradients")
def with_the_jacobian(grad_output, x, axis=-1, temperature=1.0):
    """The whole matrix, by einsum."""
    z, g, scores = (np.moveaxis(a, axis, -1) for a in (x / temperature, grad_output, x))
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    eye = np.eye(p.shape[-1])
    jacobian = np.einsum("...i,ij->...ij", p, eye) - np.einsum("...i,...j->...ij", p, p)
    grad_z = np.einsum("...i,...ij->...j", g, jacobian)
    grad_temperature = -np.vdot(grad_z, scores) / temperature**2
    return np.moveaxis(grad_z, -1, axis) / temperature, grad_temperature


@alternative("softmax_gradients")
def by_expectations(grad_output, x, axis=-1, temperature=1.0):
    """grad_temperature as a covariance of g and x under p."""
    p = np.exp((x - x.max(axis=axis, keepdims=True)) / temperature)
    p = p / p.sum(axis=axis, keepdims=True)

    def mean(values):
        return (p * values).sum(axis=axis, keepdims=True)

    covariance = mean(grad_output * x) - mean(grad_output) * mean(x)
    grad_x = p * (grad_output - mean(grad_output)) / temperature
    return grad_x, float(-covariance.sum() / temperature**2)


@alternative("swish_gradients")
def column_by_column(grad_output, x, beta):
    """One feature at a time, with the derivative written as f + s (1 - f) in beta x."""
    value, grad_x, grad_beta = np.empty(x.shape), np.empty(x.shape), np.empty(beta.shape)
    for d in range(len(beta)):
        z = beta[d] * x[:, d]
        s = np.exp(-np.logaddexp(0.0, -z))
        value[:, d] = x[:, d] * s
        grad_x[:, d] = grad_output[:, d] * (z * s + s * (1.0 - z * s))
        grad_beta[d] = grad_output[:, d] @ (x[:, d] ** 2 * s * (1.0 - s))
    return value, grad_x, grad_beta


@alternative("swish_gradients")
def by_einsum(grad_output, x, beta):
    """The slope of the sigmoid as a product of both tails, and einsum for the sum."""
    z = np.einsum("nd,d->nd", x, beta)
    s, rest = (0.5 * (1.0 + np.tanh(0.5 * sign * z)) for sign in (1, -1))
    grad_x = grad_output * s * (1.0 + z * rest)
    return x * s, grad_x, np.einsum("nd,nd,nd,nd->d", grad_output, x**2, s, rest)


@alternative("dead_units")
def by_the_maximum(x, weight, bias):
    """A unit is dead if its largest output is 0."""
    largest = np.maximum(np.einsum("nd,hd->nh", x, weight) + bias, 0.0).max(axis=0)
    return largest == 0, float(np.mean(largest == 0))


@alternative("dead_units")
def unit_by_unit(x, weight, bias):
    """Two loops; a list of bools is made into an array at the end."""
    dead = [not any(row @ w + b > 0 for row in x) for w, b in zip(weight, bias, strict=True)]
    return np.array(dead), sum(dead) / len(dead)


@alternative("ChannelSwish")
class ChannelLast(nn.Module):
    """Move the channel to the end, where beta lines up by itself."""

    def __init__(self, num_channels, beta=1.0):
        super().__init__()
        self.beta = nn.Parameter(beta * torch.ones(num_channels))

    def forward(self, input):
        moved = input.movedim(1, -1)
        return (moved * torch.sigmoid(moved * self.beta)).movedim(-1, 1)


@alternative("ChannelSwish")
class Einsum(nn.Module):
    """einsum names the channel; a quotient in place of the sigmoid."""

    def __init__(self, num_channels, beta=1.0):
        super().__init__()
        self.register_parameter("beta", nn.Parameter(torch.zeros(num_channels).fill_(beta)))

    def forward(self, input):
        scaled = torch.einsum("nc...,c->nc...", input, self.beta)
        return input / (1 + torch.exp(-scaled))
