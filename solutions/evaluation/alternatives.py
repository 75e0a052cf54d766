"""Other right answers: loops, other formulas. Each must score full."""

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import alternative


@alternative("confusion_matrix")
def one_at_a_time(y_true, y_pred, num_classes):
    """A loop over the examples."""
    table = np.zeros((num_classes, num_classes), dtype=int)
    for i, j in zip(y_true, y_pred, strict=True):
        table[i, j] += 1
    return table


@alternative("confusion_matrix")
def product_of_one_hots(y_true, y_pred, num_classes):
    """One-hot rows; their product counts the pairs."""
    eye = np.eye(num_classes, dtype=int)
    return eye[y_true].T @ eye[y_pred]


@alternative("precision_recall_f1")
def class_by_class(matrix):
    """The formulas as they stand, with an `if` for each."""
    found = []
    for k in range(len(matrix)):
        tp, fp, fn = matrix[k, k], matrix[:, k].sum() - matrix[k, k], matrix[k].sum() - matrix[k, k]
        p = tp / (tp + fp) if tp + fp else 0.0
        r = tp / (tp + fn) if tp + fn else 0.0
        found.append((p, r, 2 * p * r / (p + r) if p + r else 0.0))
    return tuple(np.array(found, dtype=float).reshape(-1, 3).T)


@alternative("precision_recall_f1")
def divide_where(matrix):
    """np.divide with `where`."""

    def ratio(a, b):
        return np.divide(a, b, out=np.zeros(len(matrix)), where=b > 0)

    tp = np.diagonal(matrix)
    p, r = ratio(tp, matrix.sum(0)), ratio(tp, matrix.sum(1))
    return p, r, ratio(2 * p * r, p + r)


@alternative("auc")
def by_ranks(y_true, y_score):
    """Mann and Whitney: from the sum of the positives' mean ranks."""
    _, place, sizes = np.unique(y_score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(sizes) - (sizes - 1) / 2
    n_pos = int(np.sum(y_true))
    wins = mean_rank[place][y_true == 1].sum() - n_pos * (n_pos + 1) / 2
    return wins / (n_pos * (len(y_true) - n_pos))


@alternative("auc")
def by_loops(y_true, y_score):
    """Every pair by itself."""
    pos = [s for s, t in zip(y_score, y_true, strict=True) if t == 1]
    neg = [s for s, t in zip(y_score, y_true, strict=True) if t == 0]
    wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in pos for b in neg)
    return wins / (len(pos) * len(neg))


@alternative("group_split")
def by_running_sums(groups, order, test_size):
    """The first groups whose sizes add up to enough."""
    sizes = np.array([np.count_nonzero(groups == group) for group in order])
    before = np.cumsum(sizes) - sizes
    mask = np.isin(groups, order[before < test_size])
    return np.where(~mask)[0], np.where(mask)[0]


@alternative("group_split")
def with_lists(groups, order, test_size):
    """Plain lists, made into arrays at the end."""
    test = []
    for group in order:
        if len(test) < test_size:
            test += [row for row, g in enumerate(groups) if g == group]
    train = [row for row in range(len(groups)) if row not in test]
    return np.array(train, dtype=int), np.array(sorted(test), dtype=int)


@alternative("diagnose")
def by_differences(human, train, train_dev, dev, tolerance=0.01):
    """np.diff and argmax."""
    jumps = np.diff([human, train, train_dev, dev])
    place = int(np.argmax(jumps))
    name = "none" if jumps[place] <= tolerance else ["bias", "variance", "mismatch"][place]
    return name, float(jumps[place])


@alternative("halving")
def with_sorted(losses):
    """Plain lists, infinity in place of NaN."""
    table = np.where(np.isnan(losses), np.inf, losses)
    alive, trained, r = list(range(len(table))), np.zeros(len(table), dtype=int), 0
    while True:
        trained[alive] = 2**r
        if len(alive) == 1:
            return alive[0], int(trained.sum())
        better = sorted(alive, key=lambda i: (table[i, r], i))
        alive = sorted(better[: int(np.ceil(len(alive) / 2))])
        r += 1


@alternative("evaluate")
def with_tensors(net, x, y, batch_size=64):
    """A count in float32, and tensors without dimensions as the result."""
    device, mode = next(net.parameters()).device, net.training
    net.eval()
    with torch.no_grad():
        logits = torch.cat([net(part.to(device)) for part in x.split(batch_size)])
        y = y.to(device)
        found = nn.functional.cross_entropy(logits, y), (logits.argmax(1) == y).float().mean()
    net.train(mode)
    return found


@alternative("evaluate")
@torch.inference_mode()
def by_means(net, x, y, batch_size=64):
    """Means of the batches, weighted with their sizes; inference mode; slices."""
    mode = net.training
    net.train(False)
    loss, right = 0.0, 0.0
    for start in range(0, len(x), batch_size):
        part, wanted = x[start : start + batch_size], y[start : start + batch_size]
        logits = net(part)
        share = len(part) / len(x)
        loss += share * float(nn.functional.cross_entropy(logits, wanted))
        right += share * float((logits.argmax(dim=-1) == wanted).double().mean())
    net.train(mode)
    return loss, right
