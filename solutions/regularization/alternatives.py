"""Other right answers: loops, einsum, another formula. Each must score full."""

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import alternative


@alternative("split_error")
def by_numpy_var(predictions, target):
    """NumPy's own variance; the error measured directly."""
    bias2 = np.mean(np.square(np.mean(predictions, 0) - target))
    return bias2, np.var(predictions, axis=0).mean(), np.mean((predictions - target) ** 2)


@alternative("split_error")
def split_by_loops(predictions, target):
    """A point at a time; the variance as the difference of the two others."""
    fits, points = predictions.shape
    bias2 = error = 0.0
    for n in range(points):
        bias2 += (sum(predictions[:, n]) / fits - target[n]) ** 2 / points
        error += sum((f - target[n]) ** 2 for f in predictions[:, n]) / fits / points
    return float(bias2), float(error - bias2), float(error)


@alternative("lasso_round")
def with_a_running_residual(x, y, weight, alpha):
    """The residual is kept and corrected after each weight."""
    w = np.array(weight, dtype=float)
    residual = y - x @ w
    for j, column in enumerate(x.T):
        residual = residual + column * w[j]
        rho, s = np.mean(column * residual), np.mean(column**2)
        if rho > alpha:
            w[j] = (rho - alpha) / s
        elif rho < -alpha:
            w[j] = (rho + alpha) / s
        else:
            w[j] = 0.0
        residual = residual - column * w[j]
    return w


@alternative("lasso_round")
def with_the_gram_matrix(x, y, weight, alpha):
    """All products beforehand, as the chapter does it."""
    n = len(x)
    gram, pull = x.T @ x / n, x.T @ y / n
    w = 1.0 * weight
    for j in range(w.size):
        rho = pull[j] - np.delete(gram[j], j) @ np.delete(w, j)
        w[j] = (rho - np.clip(rho, -alpha, alpha)) / gram[j, j]
    return w


@alternative("inverted_dropout")
def by_where(x, u, p, grad_output, training=True):
    """np.where for each direction."""
    if not training:
        return x.copy(), grad_output.copy()
    return np.where(u < p, 0.0, x / (1 - p)), np.where(u < p, 0.0, grad_output / (1 - p))


@alternative("inverted_dropout")
def by_deleting(x, u, p, grad_output, training=True):
    """Copies in which the dropped are overwritten."""
    rate = p if training else 0.0
    y, grad = x / (1 - rate), grad_output / (1 - rate)
    y[u < rate] = 0.0
    grad[u < rate] = 0.0
    return y, grad


@alternative("best_in_time")
def with_running_minimum(losses, weights, patience):
    """The best so far at every epoch, from np.minimum.accumulate."""
    known = np.where(np.isnan(losses), np.inf, losses)
    new_best = np.r_[True, known[1:] < np.minimum.accumulate(known)[:-1]]
    since = np.arange(len(losses)) - np.maximum.accumulate(
        np.where(new_best, np.arange(len(losses)), 0)
    )
    late = np.flatnonzero(since >= patience)
    last = int(late[0]) if late.size else len(losses) - 1
    best = last - int(since[last])
    return last, best, weights[best]


@alternative("mixup_batch")
def mixup_by_loops(x, classes, num_classes, lam, order):
    """One example at a time."""
    mixed, target = np.zeros(x.shape), np.zeros((len(x), num_classes))
    for i in range(len(x)):
        mixed[i] = lam[i] * x[i] + (1 - lam[i]) * x[order[i]]
        target[i, classes[i]] += lam[i]
        target[i, classes[order[i]]] += 1 - lam[i]
    return mixed, target


@alternative("mixup_batch")
def by_a_matrix(x, classes, num_classes, lam, order):
    """A matrix with lam on the diagonal and the rest at the partners."""
    n = len(x)
    blend = np.diag(lam) + (1 - lam)[:, None] * np.eye(n)[order]
    return blend @ x, blend @ (classes[:, None] == np.arange(num_classes)).astype(float)


@alternative("shift_images")
def shift_by_loops(images, right, down):
    """One pixel at a time."""
    result = np.zeros(images.shape)
    height, width = images.shape[1:]
    for m in range(len(images)):
        for i in range(max(0, down[m]), min(height, height + down[m])):
            for j in range(max(0, right[m]), min(width, width + right[m])):
                result[m, i, j] = images[m, i - down[m], j - right[m]]
    return result


@alternative("shift_images")
def shift_by_padding(images, right, down):
    """A frame of zeros around each image, wide enough for any shift, and a window in it."""
    n, height, width = images.shape
    frame = np.zeros((n, 3 * height, 3 * width))
    frame[:, height : 2 * height, width : 2 * width] = images
    top = height - np.clip(down, -height, height)
    left = width - np.clip(right, -width, width)
    windows = [frame[m, top[m] : top[m] + height, left[m] : left[m] + width] for m in range(n)]
    return np.array(windows).reshape(images.shape)


@alternative("ChannelDropout")
class ByBernoulli(nn.Module):
    """torch.bernoulli draws the mask itself."""

    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        stay = torch.full((*x.shape[:2], 1, 1), 1 - self.p, device=x.device)
        return x * torch.bernoulli(stay).type_as(x).div(1 - self.p)


@alternative("ChannelDropout")
class ByWhere(nn.Module):
    """Numbers for each channel, expanded over the pixels, and torch.where."""

    def __init__(self, p=0.5):
        super().__init__()
        self.register_buffer("p", torch.tensor(float(p)))

    def forward(self, x):
        if self.training:
            drop = torch.rand(x.shape[0], x.shape[1], device=x.device) < self.p
            x = torch.where(drop[:, :, None, None], torch.zeros_like(x), x / (1 - float(self.p)))
        return x
