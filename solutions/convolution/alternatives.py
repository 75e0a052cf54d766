"""Other right answers: loops, other formulas. Each must score full."""

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import alternative


@alternative("layer_cost")
def by_counting_windows(input_shape, filters, kernel, stride=1, padding=0):
    """Where windows may begin, counted with range."""
    channels, height, width = input_shape
    rows, columns = (
        len(range(0, side + 2 * padding - kernel + 1, stride)) for side in (height, width)
    )
    one = channels * kernel * kernel
    return (filters, rows, columns), filters * one + filters, rows * columns * filters * one


@alternative("receptive_field")
def from_the_top(layers):
    """From a single number downwards: what its layer reads of the one below."""
    seen = 1
    for kernel, stride, dilation in reversed(layers):
        seen = (seen - 1) * stride + dilation * (kernel - 1) + 1
    return seen


@alternative("receptive_field")
def product_of_strides(layers):
    """The formula as it stands."""
    k, s, d = np.array([*layers, (1, 1, 1)]).T
    return int(1 + np.sum(d * (k - 1) * np.concatenate([[1], np.cumprod(s)[:-1]])))


@alternative("conv2d")
def place_by_place(x, weight, bias, stride=1, padding=0):
    """Loops over the places of the result."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    n, _, h, w = x.shape
    o, _, a, b = weight.shape
    y = np.zeros((n, o, (h - a) // stride + 1, (w - b) // stride + 1))
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            window = x[:, :, i * stride : i * stride + a, j * stride : j * stride + b]
            y[:, :, i, j] = window.reshape(n, -1) @ weight.reshape(o, -1).T + bias
    return y


@alternative("conv2d")
def weight_by_weight(x, weight, bias, stride=1, padding=0):
    """Loops over the places of the kernel."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    rows = (x.shape[2] - weight.shape[2]) // stride + 1
    columns = (x.shape[3] - weight.shape[3]) // stride + 1
    y = np.zeros((len(x), len(weight), rows, columns)) + bias.reshape(1, -1, 1, 1)
    for u in range(weight.shape[2]):
        for v in range(weight.shape[3]):
            seen = x[:, :, u : u + stride * rows : stride, v : v + stride * columns : stride]
            y += np.tensordot(weight[:, :, u, v], seen, (1, 1)).swapaxes(0, 1)
    return y


@alternative("conv2d_backward")
def slices_of_the_kernel(grad_output, x, weight, stride=1):
    """For each place of the kernel, all windows at once."""
    rows, columns = grad_output.shape[2:]
    grad_x, grad_weight = np.zeros_like(x), np.zeros_like(weight)
    for u, v in np.ndindex(weight.shape[2:]):
        at = np.s_[:, :, u : u + stride * rows : stride, v : v + stride * columns : stride]
        grad_weight[:, :, u, v] = np.einsum("noij,ncij->oc", grad_output, x[at])
        grad_x[at] += np.einsum("noij,oc->ncij", grad_output, weight[:, :, u, v])
    return grad_x, grad_weight, grad_output.sum((0, 2, 3))


@alternative("max_pool_backward")
def window_by_window(grad_output, x, k):
    """Loops, and argmax."""
    result = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*grad_output.shape):
        window = x[n, c, i * k : i * k + k, j * k : j * k + k]
        u, v = np.unravel_index(window.argmax(), (k, k))
        result[n, c, i * k + u, j * k + v] = grad_output[n, c, i, j]
    return result


@alternative("max_pool_backward")
def place_in_turn(grad_output, x, k):
    """Each place of the windows asks in turn whether the gradient is still to be had."""
    n, c, h, w = x.shape
    best = x.reshape(n, c, h // k, k, w // k, k).max(axis=(3, 5))
    left, result = grad_output.copy(), np.zeros_like(x)
    for u in range(k):
        for v in range(k):
            won = x[:, :, u::k, v::k] == best
            result[:, :, u::k, v::k] = np.where(won, left, 0)
            left = np.where(won, 0, left)
    return result


@alternative("match")
def with_corrcoef(image, pattern):
    """NumPy's correlation, window by window."""
    h, w = pattern.shape
    scores = np.zeros((image.shape[0] - h + 1, image.shape[1] - w + 1))
    p = pattern.ravel() - pattern.mean()
    for i in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            window = image[i : i + h, j : j + w].ravel()
            if window.max() > window.min():
                v = window - window.mean()
                scores[i, j] = p @ v / np.linalg.norm(p) / np.linalg.norm(v)
    return scores


@alternative("match")
def by_variances(image, pattern):
    """Covariance over standard deviations, from means of squares and products."""
    windows = np.lib.stride_tricks.sliding_window_view(image, pattern.shape)
    mean, deviation = windows.mean(axis=(2, 3)), windows.std(axis=(2, 3))
    covariance = (windows * pattern).mean(axis=(2, 3)) - mean * pattern.mean()
    flat = windows.max(axis=(2, 3)) == windows.min(axis=(2, 3))
    return np.where(flat, 0, covariance / np.where(flat, 1, deviation * pattern.std()))


@alternative("make_reader")
class Reader(nn.Module):
    """A class of its own, and functions."""

    def __init__(self, maps, classes):
        super().__init__()
        self.head = nn.Linear(2 * maps, classes)
        self.first = nn.Conv2d(1, maps, 3, padding="same")
        self.second = nn.Conv2d(maps, 2 * maps, 3, padding="same")

    def forward(self, x):
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return self.head(x.flatten(2).max(dim=2).values)
