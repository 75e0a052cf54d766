"""Other right answers: loops, einsum, another formula. Each must score full."""

import math

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import alternative


@alternative("decide")
def decide_by_loops(x, weight, bias):
    """One example and one feature at a time."""
    length = math.sqrt(sum(w * w for w in weight))
    sums = [sum(a * w for a, w in zip(row, weight, strict=True)) + bias for row in x]
    return np.array([int(z >= 0) for z in sums]), np.array([z / length for z in sums])


@alternative("decide")
def decide_with_ones(x, weight, bias):
    """The bias as one more weight, einsum for the sum."""
    rows = np.column_stack([np.ones(len(x)), x])
    z = np.einsum("nd,d->n", rows, np.append(bias, weight))
    return np.heaviside(z, 1.0), z / np.sqrt(np.sum(weight**2))


@alternative("perceptron_pass")
def pass_by_index(x, y, weight, bias):
    """A copy that is changed in place, and the sides by a condition."""
    weight, mistakes = weight.copy(), 0
    for n in range(len(x)):
        z = np.dot(weight, x[n]) + bias
        if y[n] == 1 and z <= 0:
            weight += x[n]
            bias += 1
            mistakes += 1
        elif y[n] == 0 and z >= 0:
            weight -= x[n]
            bias -= 1
            mistakes += 1
    return weight, bias, mistakes


@alternative("perceptron_pass")
def pass_with_ones(x, y, weight, bias):
    """The bias as one more weight, and a step of zero where the example is right."""
    whole, mistakes = np.append(weight, bias), 0
    for row, side in zip(np.column_stack([x, np.ones(len(x))]), np.where(y, 1, -1), strict=True):
        wrong = side * (whole @ row) <= 0
        whole = whole + side * wrong * row
        mistakes += int(wrong)
    return whole[:-1], whole[-1], mistakes


@alternative("from_columns")
def columns_by_einsum(W, b, X):
    """Names for the dimensions instead of transposes."""
    weight, bias, batch = np.einsum("dk->kd", W), b.reshape(-1), np.einsum("dn->nd", X)
    return weight, bias, batch, np.einsum("dk,dn->nk", W, X) + bias


@alternative("from_columns")
def columns_computed_there(W, b, X):
    """The output in the old layout, transposed at the end."""
    return W.transpose(), b.squeeze(1), np.swapaxes(X, 0, 1), (W.T @ X + b).T


@alternative("standardize_both")
def column_by_column(train, test):
    """Two loops."""
    scaled_train, scaled_test = train.copy(), test.copy()
    for d in range(train.shape[1]):
        column = train[:, d]
        mean = sum(column) / len(column)
        std = math.sqrt(sum((value - mean) ** 2 for value in column) / len(column))
        for rows in (scaled_train, scaled_test):
            rows[:, d] = (rows[:, d] - mean) / (std if std > 0 else 1.0)
    return scaled_train, scaled_test


@alternative("standardize_both")
def by_squares(train, test):
    """Keeping dimensions, and a safe division."""
    mean = train.mean(axis=0, keepdims=True)
    std = np.sqrt(np.mean((train - mean) ** 2, axis=0, keepdims=True))
    std[std == 0] = 1
    return tuple((rows - mean) / std for rows in (train, test))


@alternative("logistic_gradient")
def gradient_by_loops(x, y, weight, bias):
    """One example at a time, in stable formulas of its own."""
    loss, grad_weight, grad_bias = 0.0, np.zeros(len(weight)), 0.0
    for row, label in zip(x, y, strict=True):
        z = float(row @ weight) + bias
        q = math.exp(-abs(z))
        p = 1 / (1 + q) if z >= 0 else q / (1 + q)
        loss += max(z, 0) + math.log1p(q) - label * z
        grad_weight += (p - label) * row
        grad_bias += p - label
    return loss / len(x), grad_weight / len(x), grad_bias / len(x)


@alternative("logistic_gradient")
def gradient_by_sides(x, y, weight, bias):
    """With labels -1 and 1: the loss is ln(1 + e^(-s z))."""
    side = 2 * y - 1
    margin = side * (np.einsum("nd,d->n", x, weight) + bias)
    error = -side * np.exp(-np.logaddexp(0, margin))  # minus s times sigmoid(-s z)
    rows = error[:, None] * x
    return np.logaddexp(0, -margin).mean(), rows.mean(axis=0), np.average(error)


@alternative("network")
def network_by_einsum(x, layers):
    """Numbered layers, np.where for the ReLU."""
    count = 0
    for k, (weight, bias) in enumerate(layers):
        x = np.einsum("nd,kd->nk", x, weight) + bias
        if k < len(layers) - 1:
            x = np.where(x > 0, x, 0.0)
        count += (weight.shape[1] + 1) * weight.shape[0]
    return x, count


@alternative("network")
def network_in_columns(x, layers):
    """In the layout of document 001, and recursively."""

    def run(h, rest):
        (weight, bias), *others = rest
        z = weight @ h + bias[:, None]
        return run(z.clip(min=0), others) if others else z

    return run(x.T, layers).T, int(sum(np.prod(w.shape) + len(b) for w, b in layers))


@alternative("TumorNet")
class Scaling(nn.Module):
    """The statistics as a scale and a shift, computed at each call; functional layers."""

    def __init__(self, mean, std, num_hiddens):
        super().__init__()
        for name, value in (("mean", mean), ("std", std)):
            self.register_buffer(name, value.clone())
        self.out = nn.Linear(num_hiddens, 1)
        self.hidden = nn.Linear(mean.shape[0], num_hiddens)

    def forward(self, input):
        scaled = torch.addcdiv(-self.mean / self.std, input, self.std.expand_as(input))
        return self.out(self.hidden(scaled).clamp(min=0))[:, 0]
