"""Other right answers: loops, other formulas. Each must score full."""

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import alternative


@alternative("pairwise_iou")
def pair_by_pair(boxes1, boxes2):
    """Two loops, with plain numbers."""
    table = np.zeros((len(boxes1), len(boxes2)))
    for i, (a1, b1, a2, b2) in enumerate(boxes1):
        for j, (c1, d1, c2, d2) in enumerate(boxes2):
            wide, high = min(a2, c2) - max(a1, c1), min(b2, d2) - max(b1, d1)
            inter = wide * high if wide > 0 and high > 0 else 0.0
            table[i, j] = inter / ((a2 - a1) * (b2 - b1) + (c2 - c1) * (d2 - d1) - inter)
    return table


@alternative("pairwise_iou")
def side_by_side(boxes1, boxes2):
    """Coordinate by coordinate, with np.outer-like operations."""

    def shared(k):
        right = np.minimum.outer(boxes1[:, k + 2], boxes2[:, k + 2])
        return np.clip(right - np.maximum.outer(boxes1[:, k], boxes2[:, k]), 0, None)

    inter = shared(0) * shared(1)
    one, two = ((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (boxes1, boxes2))
    return inter / (np.add.outer(one, two) - inter)


@alternative("suppress")
def by_dropping(overlap, scores, threshold):
    """Take the best, drop its neighbors, repeat."""
    left, kept = np.argsort(-scores, kind="stable"), []
    while left.size:
        kept.append(left[0])
        left = left[1:][overlap[left[0], left[1:]] <= threshold]
    return np.array(kept, dtype=int)


@alternative("suppress")
def by_fixed_point(overlap, scores, threshold):
    """No loop over boxes: repeat until nobody changes."""
    order = np.argsort(-scores, kind="stable")
    above = np.triu(overlap[np.ix_(order, order)] > threshold, k=1)
    alive = np.ones(len(order), dtype=bool)
    while True:
        now = ~(above & alive[:, None]).any(axis=0)
        if (now == alive).all():
            return order[alive]
        alive = now


@alternative("encode")
def without_a_loop(boxes, labels, grid_size, num_classes):
    """Indexing; np.unique finds the first in each cell."""
    target = np.zeros((grid_size**2, 5 + num_classes))
    center = (boxes[:, :2] + boxes[:, 2:]) / 2 * grid_size
    cell = np.floor(center).astype(int)
    at, first = np.unique(cell[:, 1] * grid_size + cell[:, 0], return_index=True)
    target[at, :2] = (center - cell)[first]
    target[at, 2:4] = (boxes[:, 2:] - boxes[:, :2])[first]
    target[at, 4] = 1
    target[at, 5 + labels[first]] = 1
    return target.reshape(grid_size, grid_size, -1)


@alternative("encode")
def backwards(boxes, labels, grid_size, num_classes):
    """From the last to the first, so that the first is written over the others."""
    target = np.zeros((grid_size, grid_size, 5 + num_classes))
    for (x1, y1, x2, y2), label in list(zip(boxes, labels, strict=True))[::-1]:
        column, x = divmod(grid_size * (x1 + x2) / 2, 1)
        row, y = divmod(grid_size * (y1 + y2) / 2, 1)
        one_hot = np.eye(num_classes)[label]
        target[int(row), int(column)] = [x, y, x2 - x1, y2 - y1, 1, *one_hot]
    return target


@alternative("decode")
def cell_by_cell(raw, anchors):
    """Loops over rows, columns and anchors."""
    boxes, chance = [], []
    size = len(raw)
    for i, j, b in np.ndindex(raw.shape[:3]):
        tx, ty, tw, th, to = raw[i, j, b]
        x, y = (j + 0.5 * (1 + np.tanh(tx / 2))) / size, (i + 0.5 * (1 + np.tanh(ty / 2))) / size
        w, h = anchors[b] * np.exp([tw, th])
        boxes.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
        chance.append(0.5 * (1 + np.tanh(to / 2)))
    return np.array(boxes), np.array(chance)


@alternative("match")
def with_a_set(overlap, threshold=0.5):
    """A list of what is left, plain Python."""
    left, answer = set(range(overlap.shape[1])), []
    for row in overlap.tolist():
        best = max(sorted(left), key=row.__getitem__, default=None)
        answer.append(best is not None and row[best] >= threshold)
        if answer[-1]:
            left.remove(best)
    return np.array(answer, dtype=bool)


@alternative("match")
def by_crossing_out(overlap, threshold=0.5):
    """Columns of taken objects are crossed out."""
    overlap = overlap.copy()
    right = np.zeros(len(overlap), dtype=bool)
    for d in range(len(overlap)):
        if overlap.shape[1] and overlap[d].max() >= threshold:
            right[d] = True
            overlap[:, overlap[d].argmax()] = -1
    return right


@alternative("average_precision")
def by_steps_of_recall(correct, num_objects):
    """The formula with differences of the recall."""
    hits = np.cumsum(correct)
    recall, precision = hits / num_objects, hits / np.arange(1, len(correct) + 1)
    total, best = 0.0, 0.0
    for k in range(len(correct) - 1, -1, -1):
        best = max(best, precision[k])
        total += best * (recall[k] - (recall[k - 1] if k else 0.0))
    return total


@alternative("GIoULoss")
class WithUnbind(nn.Module):
    """Coordinate by coordinate, with torch.where."""

    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduce = {"mean": torch.mean, "none": lambda loss: loss}[reduction]

    def forward(self, input, target):
        a1, b1, a2, b2 = input.unbind(1)
        c1, d1, c2, d2 = target.unbind(1)
        wide, high = torch.min(a2, c2) - torch.max(a1, c1), torch.min(b2, d2) - torch.max(b1, d1)
        inter = torch.where((wide > 0) & (high > 0), wide * high, torch.zeros_like(wide))
        union = (a2 - a1) * (b2 - b1) + (c2 - c1) * (d2 - d1) - inter
        hull = (torch.max(a2, c2) - torch.min(a1, c1)) * (torch.max(b2, d2) - torch.min(b1, d1))
        return self.reduce(2 - inter / union - union / hull)
