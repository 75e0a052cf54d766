"""Other right answers: loops, other formulas. Each must score full."""

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import alternative


@alternative("triplet_loss")
def row_by_row(anchor, positive, negative, margin=1.0):
    """A loop over the triplets."""
    losses = []
    for a, p, n in zip(anchor, positive, negative, strict=True):
        losses.append(max(0.0, np.hypot.reduce(a - p) - np.hypot.reduce(a - n) + margin))
    return np.array(losses, dtype=float)


@alternative("triplet_loss")
def clipped(anchor, positive, negative, margin=1.0):
    """Roots of sums of squares, and np.clip."""

    def length(x):
        return np.sqrt(np.einsum("nd,nd->n", x, x))

    return np.clip(length(anchor - positive) - length(anchor - negative) + margin, 0, None)


@alternative("triplet_gradient")
def one_triplet_at_a_time(anchor, positive, negative, margin=1.0):
    """With an `if`."""
    grads = np.zeros((3, *anchor.shape))
    for k, (a, p, n) in enumerate(zip(anchor, positive, negative, strict=True)):
        near, far = np.linalg.norm(a - p), np.linalg.norm(a - n)
        if near - far + margin > 0:
            grads[1, k] = (p - a) / near
            grads[2, k] = (a - n) / far
            grads[0, k] = -grads[1, k] - grads[2, k]
    return grads[0], grads[1], grads[2]


@alternative("triplet_gradient")
def by_autograd(anchor, positive, negative, margin=1.0):
    """PyTorch's own."""
    tensors = [torch.tensor(x, requires_grad=True) for x in (anchor, positive, negative)]
    a, p, n = tensors
    loss = torch.relu((a - p).norm(dim=1) - (a - n).norm(dim=1) + margin).sum()
    return tuple(grad.numpy() for grad in torch.autograd.grad(loss, tensors))


@alternative("semi_hard")
def three_loops(distance, labels, margin):
    """Loops."""
    found = []
    for a in range(len(labels)):
        for p in range(len(labels)):
            for n in range(len(labels)):
                if a == p or labels[a] != labels[p] or labels[a] == labels[n]:
                    continue
                if distance[a, p] < distance[a, n] <= distance[a, p] + margin:
                    found.append([a, p, n])
    return np.array(found, dtype=int).reshape(-1, 3)


@alternative("semi_hard")
def by_nonzero(distance, labels, margin):
    """The gap between both distances, and np.nonzero."""
    gap = distance[:, None, :] - distance[:, :, None]
    mask = (gap > 0) & (gap <= margin)
    same = labels[:, None] == labels[None, :]
    mask &= same[:, :, None] & ~same[:, None, :]
    mask[np.arange(len(labels)), np.arange(len(labels))] = False
    return np.stack(np.nonzero(mask), axis=1)


@alternative("equal_error_rate")
def threshold_by_threshold(distance, same):
    """A loop over the thresholds, whole numbers compared."""
    best = None
    friends, strangers = int(np.sum(same)), int(np.sum(1 - same))
    for threshold in np.unique(distance):
        let_in = int(np.sum((distance <= threshold) & (same == 0)))
        away = int(np.sum((distance > threshold) & (same == 1)))
        gap = abs(let_in * friends - away * strangers)
        if best is None or gap < best[0]:
            best = gap, (let_in / strangers + away / friends) / 2, float(threshold)
    return best[1], best[2]


@alternative("equal_error_rate")
def with_searchsorted(distance, same):
    """Ranks of each threshold among both kinds."""
    friends, strangers = np.sort(distance[same == 1]), np.sort(distance[same == 0])
    candidates = np.unique(distance)
    let_in = np.searchsorted(strangers, candidates, side="right")
    away = len(friends) - np.searchsorted(friends, candidates, side="right")
    k = np.argmin(np.abs(let_in * len(friends) - away * len(strangers)))
    return let_in[k] / len(strangers) / 2 + away[k] / len(friends) / 2, candidates[k]


@alternative("open_door")
def visitor_by_visitor(on_file, names, visitors, threshold):
    """A loop."""
    answers = []
    for visitor in visitors:
        gaps = np.linalg.norm(on_file - visitor, axis=1)
        nearest = int(np.argmin(gaps))
        answers.append(int(names[nearest]) if gaps[nearest] <= threshold else -1)
    return np.array(answers, dtype=int)


@alternative("open_door")
def with_squares(on_file, names, visitors, threshold):
    """No roots: squares against a square."""
    squared = ((visitors[:, None, :] - on_file[None]) ** 2).sum(axis=-1)
    answer = names[squared.argmin(axis=1)].copy()
    answer[squared.min(axis=1) > threshold**2] = -1
    return answer


@alternative("style_gradient")
def by_einsum(features, style_gram):
    """einsum, and both halves of the product rule."""
    c, h, w = features.shape
    error = np.einsum("khw,lhw->kl", features, features) / (c * h * w) - style_gram
    both = 2 * (error + error.T) / (c * h * w)
    return float(np.sum(error * error)), np.einsum("kl,lhw->khw", both, features)


@alternative("style_gradient")
def with_torch(features, style_gram):
    """Autograd."""
    x = torch.tensor(features, requires_grad=True)
    flat = x.flatten(1)
    cost = ((flat @ flat.T / flat.numel() - torch.tensor(style_gram)) ** 2).sum()
    cost.backward()
    return cost.item(), x.grad.numpy()


@alternative("train_head")
def by_hand(body, head, x, y, steps=100, lr=0.1):
    """Inference mode is left, gradients by autograd.grad, the step by hand."""
    mode = body.training
    body.train(False)
    with torch.no_grad():
        features = body(x)
    body.train(mode)
    losses = []
    for _ in range(steps):
        loss = -torch.log_softmax(head(features), dim=1)[torch.arange(len(y)), y].mean()
        grads = torch.autograd.grad(loss, list(head.parameters()))
        with torch.no_grad():
            for parameter, grad in zip(head.parameters(), grads, strict=True):
                parameter -= lr * grad
        losses.append(float(loss))
    return losses


@alternative("train_head")
def frozen_flags(body, head, x, y, steps=100, lr=0.1):
    """Parameters of the body marked, features detached all the same."""
    before = body.training
    body.eval()
    for parameter in body.parameters():
        parameter.requires_grad_(False)
    with torch.no_grad():
        features = body(x).detach()
    optimizer = torch.optim.SGD(head.parameters(), lr=lr)
    criterion, losses = nn.CrossEntropyLoss(), []
    for _ in range(steps):
        head.zero_grad()
        loss = criterion(head(features), y)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    body.train(before)
    return losses
