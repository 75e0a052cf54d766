"""Other right answers: loops, einsum, another formula. Each must score full."""

import math

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import alternative


@alternative("pinball")
def by_the_maximum(prediction, target, tau):
    """The loss is the larger of two lines; the gradient follows from signs."""
    e = target - prediction
    losses = np.maximum(tau * e, (tau - 1) * e)
    return float(losses.mean()), ((e < 0) * (1 - tau) - (e > 0) * tau) / e.size


@alternative("pinball")
def pinball_by_loops(prediction, target, tau):
    """One example at a time."""
    n, loss, grad = len(target), 0.0, np.zeros(len(target))
    for i in range(n):
        e = target[i] - prediction[i]
        if e > 0:
            loss, grad[i] = loss + tau * e / n, -tau / n
        elif e < 0:
            loss, grad[i] = loss - (1 - tau) * e / n, (1 - tau) / n
    return loss, grad


@alternative("log_loss")
def in_one_formula(logits, targets, pos_weight=1.0):
    """PyTorch's own: (1 - y) z + (1 + (w - 1) y) (ln(1 + e^-|z|) + max(-z, 0))."""
    weight = 1.0 + (pos_weight - 1.0) * targets
    soft = np.log1p(np.exp(-np.abs(logits))) + np.maximum(-logits, 0.0)
    q = np.exp(-np.abs(logits))
    p = np.where(logits >= 0, 1.0, q) / (1.0 + q)
    return (1.0 - targets) * logits + weight * soft, weight * (p - targets)


@alternative("log_loss")
def log_loss_by_loops(logits, targets, pos_weight=1.0):
    """One logit at a time."""
    losses, grads = np.empty(logits.shape), np.empty(logits.shape)
    for i in np.ndindex(logits.shape):
        t = -logits[i] if targets[i] == 1 else logits[i]  # the loss is ln(1 + e^t)
        q = math.exp(-abs(t))
        share = (1.0 if t >= 0 else q) / (1.0 + q)
        weight = pos_weight if targets[i] == 1 else 1.0
        losses[i] = weight * (max(t, 0.0) + math.log1p(q))
        grads[i] = weight * (-share if targets[i] == 1 else share)
    return losses, grads


@alternative("cross_entropy")
def picked_from_the_rows(logits, classes, smoothing=0.0):
    """Without one-hot vectors: pick, and mix with the mean over the classes."""
    log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    n, k = logits.shape
    rows = np.arange(n)
    losses = -(1 - smoothing) * log_p[rows, classes] - smoothing * log_p.mean(axis=1)
    grad = np.exp(log_p) - smoothing / k
    grad[rows, classes] -= 1 - smoothing
    return losses.mean(), grad / n


@alternative("cross_entropy")
def row_by_row(logits, classes, smoothing=0.0):
    """One example, one class at a time."""
    n, k = logits.shape
    loss, grad = 0.0, np.zeros((n, k))
    for i in range(n):
        top = max(logits[i])
        total = math.fsum(math.exp(score - top) for score in logits[i])
        for c in range(k):
            log_p = logits[i, c] - top - math.log(total)
            q = (1 - smoothing) * (c == classes[i]) + smoothing / k
            loss -= q * log_p / n
            grad[i, c] = (math.exp(log_p) - q) / n
    return loss, grad


@alternative("weighted_mean")
def by_numpy_average(losses, classes, weight, ignored=-1):
    """`np.average` is a weighted mean."""
    kept = np.flatnonzero(classes != ignored)
    shares = weight.take(classes[kept])
    return np.average(losses[kept], weights=shares) if shares.any() else 0.0


@alternative("weighted_mean")
def mean_by_loops(losses, classes, weight, ignored=-1):
    """One example at a time."""
    above = below = 0.0
    for loss, k in zip(losses, classes, strict=True):
        if k != ignored:
            above += weight[k] * loss
            below += weight[k]
    return above / below if below else 0.0


@alternative("squared_emd")
def with_a_triangle(p, classes):
    """Running sums as a product with a triangle of ones, and back with its transpose."""
    n, k = p.shape
    triangle = np.triu(np.ones((k, k)))
    gap = (p - np.eye(k)[classes]) @ triangle
    return np.einsum("nk,nk->", gap, gap) / n, 2.0 / n * gap @ triangle.T


@alternative("squared_emd")
def emd_by_loops(p, classes):
    """Three loops."""
    n, k = p.shape
    loss, grad = 0.0, np.zeros((n, k))
    for i in range(n):
        for c in range(k):
            gap = p[i, : c + 1].sum() - (1.0 if c >= classes[i] else 0.0)
            loss += gap**2 / n
            grad[i, : c + 1] += 2.0 * gap / n
    return loss, grad


@alternative("fit_logistic")
def with_a_column_of_ones(x, y, alpha=0.0, lr=0.5, steps=100):
    """The bias as the weight of a column of ones, free of the penalty."""
    n, d = x.shape
    x1 = np.concatenate([x, np.ones((n, 1))], axis=1)
    theta, price = np.zeros(d + 1), np.append(np.full(d, alpha), 0.0)
    objective = []
    for _ in range(steps):
        z = x1 @ theta
        sign = 2 * y - 1
        objective.append(np.logaddexp(0.0, -sign * z).mean() + 0.5 * price @ theta**2)
        p = np.exp(-np.logaddexp(0.0, -z))
        theta -= lr * (x1.T @ (p - y) / n + price * theta)
    return theta[:d], float(theta[d]), np.array(objective)


@alternative("fit_logistic")
def with_einsum(x, y, alpha=0.0, lr=0.5, steps=100):
    """Each product spelled out."""
    w, b, objective = np.zeros(x.shape[1]), 0.0, np.empty(steps)
    for step in range(steps):
        z = np.einsum("nd,d->n", x, w) + b
        objective[step] = np.mean(np.logaddexp(0.0, z) - y * z) + alpha / 2 * np.dot(w, w)
        error = 1.0 / (1.0 + np.exp(-z)) - y
        grad_w, grad_b = np.einsum("n,nd->d", error, x) / len(y) + alpha * w, error.mean()
        w, b = w - lr * grad_w, b - lr * grad_b
    return w, b, objective


@alternative("OrderedLoss")
class FromLogSoftmax(nn.Module):
    """Everything from one log-softmax."""

    def __init__(self, weight, strength=1.0):
        super().__init__()
        self.register_buffer("class_weight", weight.clone())
        self.strength = strength

    def forward(self, logits, classes):
        log_p = torch.log_softmax(logits, -1)
        share = self.class_weight[classes]
        picked = log_p.gather(1, classes[:, None]).squeeze(1)
        places = torch.arange(logits.shape[1], device=logits.device)
        truth = (places >= classes[:, None]).to(logits.dtype)  # running sums of one-hot
        distance = (log_p.exp().cumsum(1) - truth).square().sum() / len(classes)
        return -(share * picked).sum() / share.sum() + self.strength * distance


@alternative("OrderedLoss")
class WithNllLoss(nn.Module):
    """nn.NLLLoss keeps the weight as a buffer of its own."""

    def __init__(self, weight, strength=1.0):
        super().__init__()
        self.nll, self.strength = nn.NLLLoss(weight), strength

    def forward(self, logits, classes):
        p = torch.softmax(logits, dim=1)
        truth = torch.zeros_like(p).scatter(1, classes.unsqueeze(1), 1.0)
        gap = (p - truth).flip(1).cumsum(1)  # from the other end: the last sum is 0 too
        distance = torch.cat([gap[:, :-1], torch.zeros_like(gap[:, :1])], 1).pow(2).sum(1).mean()
        return self.nll(torch.log_softmax(logits, 1), classes) + self.strength * distance
