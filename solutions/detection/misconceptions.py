"""Wrong answers that students really give, one function each; its docstring is the hint they see.

A misconception has the signature of the task's function. `autograder` records what it returns on
the visible inputs and recognizes it there.
"""

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import misconception

# --- 1. pairwise_iou -----------------------------------------------------------------------------


def _inter(one, two, low=0.0, more=0.0):
    a, b = one[:, None], two[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]) + more
    return np.prod(np.maximum(sides, low), axis=-1)


def _areas(one, two, more=0.0):
    a, b = (np.prod(boxes[:, 2:] - boxes[:, :2] + more, axis=1) for boxes in (one, two))
    return a[:, None], b[None]


@misconception("pairwise_iou")
def negative_sides_multiply(boxes1, boxes2):
    """Boxes that are apart in x *and* in y get an overlap: two negative sides multiply to a
    positive area. Clip width and height of the intersection at 0 before you multiply. See hint
    2."""
    inter = _inter(boxes1, boxes2, low=-np.inf)
    return inter / (sum(_areas(boxes1, boxes2)) - inter)


@misconception("pairwise_iou")
def shared_area_counted_twice(boxes1, boxes2):
    """You divide by the sum of the two areas, in which the shared part counts twice. Equal boxes
    then get one half; they should get 1."""
    return _inter(boxes1, boxes2) / sum(_areas(boxes1, boxes2))


@misconception("pairwise_iou")
def share_of_the_smaller_box(boxes1, boxes2):
    """You divide by the smaller of the two areas. A tiny box inside a large one then agrees with it
    perfectly, and a detector could cheat with boxes of one pixel."""
    return _inter(boxes1, boxes2) / np.minimum(*_areas(boxes1, boxes2))


@misconception("pairwise_iou")
def pixels_counted_inclusively(boxes1, boxes2):
    """You add 1 to each width and height. Old code does that, because it numbers the last pixel
    that is inside; here x2 is where the box ends, and the width is x2 - x1."""
    inter = _inter(boxes1, boxes2, more=1.0)
    return inter / (sum(_areas(boxes1, boxes2, 1.0)) - inter)


@misconception("pairwise_iou")
def read_as_corner_and_sides(boxes1, boxes2):
    """You read a box as (x, y, width, height). Here its four numbers are two corners:
    (x1, y1, x2, y2)."""
    one, two = (
        np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        for boxes in (boxes1, boxes2)
    )
    inter = _inter(one, two)
    return inter / (sum(_areas(one, two)) - inter)


@misconception("pairwise_iou")
def transposed(boxes1, boxes2):
    """Your table is turned over its diagonal: row i belongs to box i of the first list, column j to
    box j of the second."""
    inter = _inter(boxes1, boxes2)
    return (inter / (sum(_areas(boxes1, boxes2)) - inter)).T


# --- 2. suppress ---------------------------------------------------------------------------------


def _greedy(overlap, scores, gone):
    survivors = []
    for box in np.argsort(-scores, kind="stable"):
        if not gone(overlap[box, survivors]).any():
            survivors.append(box)
    return np.array(survivors, dtype=int)


@misconception("suppress")
def the_remaining_suppressed(overlap, scores, threshold):
    """Only the best box is left. A winner drops the boxes that overlap *it*, not all the others:
    two cars in a street are two cars. Then go on with the best of those that are left."""
    return np.argsort(-scores, kind="stable")[:1]


@misconception("suppress")
def the_dead_still_suppress(overlap, scores, threshold):
    """A box that was dropped still drops others in your answer. Compare with *survivors* only: in a
    chain where each box overlaps the next, the third one survives. See hint 3."""
    order = np.argsort(-scores, kind="stable")
    kept = [
        box
        for place, box in enumerate(order)
        if not (overlap[box, order[:place]] > threshold).any()
    ]
    return np.array(kept, dtype=int)


@misconception("suppress")
def equal_is_enough(overlap, scores, threshold):
    """A box goes in your answer if its overlap *equals* the threshold. It goes only if the overlap
    is greater."""
    return _greedy(overlap, scores, lambda values: values >= threshold)


@misconception("suppress")
def order_of_the_list(overlap, scores, threshold):
    """The right boxes, in the wrong order: sorted by their number. Return them best first."""
    return np.sort(_greedy(overlap, scores, lambda values: values > threshold))


@misconception("suppress")
def worst_first(overlap, scores, threshold):
    """You begin with the *worst* box. `np.argsort` sorts upwards; sort the negative scores."""
    return _greedy(overlap, -scores, lambda values: values > threshold)


@misconception("suppress")
def ties_backwards(overlap, scores, threshold):
    """Of equal scores the last box in the list comes first in your answer. Turning around an
    ascending sort turns ties around too; sort -scores with kind="stable"."""
    order, survivors = np.argsort(scores, kind="stable")[::-1], []
    for box in order:
        if not (overlap[box, survivors] > threshold).any():
            survivors.append(box)
    return np.array(survivors, dtype=int)


# --- 3. encode -----------------------------------------------------------------------------------


def _encoded(boxes, labels, size, classes, point=None, swap=False, last=False, sides=1.0):
    target = np.zeros((size, size, 5 + classes))
    for box, label in zip(boxes, labels, strict=True):
        center = size * ((box[:2] + box[2:]) / 2 if point is None else box[:2])
        column, row = np.minimum(center.astype(int), size - 1)
        cell = target[column, row] if swap else target[row, column]
        if last:
            cell[:] = 0.0
        if cell[4] == 0:
            place = center - [column, row]
            cell[:5] = *place, *(sides * (box[2:] - box[:2])), 1.0
            cell[5 + label] = 1.0
    return target


@misconception("encode")
def rows_and_columns_swapped(boxes, labels, grid_size, num_classes):
    """Your grid is mirrored: the first axis must be the row, which comes from y, the second the
    column, from x. See hint 2."""
    return _encoded(boxes, labels, grid_size, num_classes, swap=True)


@misconception("encode")
def cell_of_the_corner(boxes, labels, grid_size, num_classes):
    """You take the upper left corner. The cell that holds the *center* speaks for an object."""
    return _encoded(boxes, labels, grid_size, num_classes, point="corner")


@misconception("encode")
def last_object_wins(boxes, labels, grid_size, num_classes):
    """Where two centers lie in one cell, the last object stays in your answer. The first of the
    list should. See hint 3."""
    return _encoded(boxes, labels, grid_size, num_classes, last=True)


@misconception("encode")
def two_objects_mixed(boxes, labels, grid_size, num_classes):
    """In a cell with two centers you write the second object over the first, and two classes are 1.
    Look whether the cell is taken before you write."""
    target = np.zeros((grid_size, grid_size, 5 + num_classes))
    for k in range(len(boxes)):
        one = _encoded(boxes[k : k + 1], labels[k : k + 1], grid_size, num_classes)
        there = one[..., 4] == 1
        target[there, :5] = one[there, :5]
        target[..., 5:] = np.maximum(target[..., 5:], one[..., 5:])
    return target


@misconception("encode")
def sides_in_cells(boxes, labels, grid_size, num_classes):
    """Width and height are S times too large: you measure them in cells. They are shares of the
    *picture*; only the place of the center is measured in the cell."""
    return _encoded(boxes, labels, grid_size, num_classes, sides=grid_size)


@misconception("encode")
def place_in_the_picture(boxes, labels, grid_size, num_classes):
    """Your x and y say where in the *picture* the center is. They should say where in its *cell*:
    the part of S * x behind the point."""
    target = _encoded(boxes, labels, grid_size, num_classes)
    row, column = np.nonzero(target[..., 4])
    target[row, column, 0] = (target[row, column, 0] + column) / grid_size
    target[row, column, 1] = (target[row, column, 1] + row) / grid_size
    return target


# --- 4. decode -----------------------------------------------------------------------------------


def _sigmoid(values):
    return 1 / (1 + np.exp(-values))


def _decoded(raw, anchors, bend=_sigmoid, grow=np.exp, swap=False, sure=_sigmoid, half=0.5):
    size, steps = len(raw), np.arange(len(raw))
    columns, rows = steps[None, :, None], steps[:, None, None]
    if swap:
        columns, rows = rows, columns
    x, y = (columns + bend(raw[..., 0])) / size, (rows + bend(raw[..., 1])) / size
    w, h = anchors[:, 0] * grow(raw[..., 2]), anchors[:, 1] * grow(raw[..., 3])
    boxes = np.stack([x - half * w, y - half * h, x + (1 - half) * w, y + (1 - half) * h], axis=-1)
    return boxes.reshape(-1, 4), sure(raw[..., 4]).ravel()


@misconception("decode")
def rows_for_columns(raw, anchors):
    """x grows with the row in your answer. The row i says how far *down* a cell is: it belongs to
    y, and the column j to x."""
    return _decoded(raw, anchors, swap=True)


@misconception("decode")
def center_taken_for_corner(raw, anchors):
    """You put the upper left corner where the center should be: subtract *half* of the width and
    height. See hint 3."""
    return _decoded(raw, anchors, half=0.0)


@misconception("decode")
def place_without_sigmoid(raw, anchors):
    """You add the raw numbers tx, ty to the cell. They need the sigmoid, which keeps the center in
    its cell; at zero that gives the middle of the cell."""
    return _decoded(raw, anchors, bend=lambda values: values)


@misconception("decode")
def sides_without_exponential(raw, anchors):
    """Your width is the anchor times (or plus) the raw number. It is the anchor times its
    *exponential*: raw zeros give exactly the anchor, and no width is negative."""
    return _decoded(raw, anchors, grow=lambda values: values)


@misconception("decode")
def raw_chance(raw, anchors):
    """The boxes are right, but the second result is raw. A chance lies between 0 and 1: use the
    sigmoid."""
    return _decoded(raw, anchors, sure=lambda values: values)


@misconception("decode")
def whole_sides_subtracted(raw, anchors):
    """Your boxes are twice as wide and high: you go a whole width to the left *and* to the right of
    the center."""
    return _decoded(raw, 2 * anchors)


# --- 5. match ------------------------------------------------------------------------------------


def _matched(overlap, good, take=True, among_free=True):
    free, right = np.ones(overlap.shape[1], dtype=bool), np.zeros(len(overlap), dtype=bool)
    for d, row in enumerate(overlap):
        if free.any():
            best = np.argmax(np.where(free, row, -1.0) if among_free else row)
            right[d] = free[best] and good(row[best])
            if right[d] or not take:
                free[best] = False
    return right


@misconception("match")
def doubles_count(overlap, threshold=0.5):
    """An object can be found twice in your answer. Once it is taken, a second box on it is wrong;
    otherwise nobody would need non-maximum suppression."""
    if not overlap.shape[1]:
        return np.zeros(len(overlap), dtype=bool)
    return overlap.max(axis=1) >= threshold


@misconception("match")
def only_the_best_object(overlap, threshold=0.5):
    """Where the object that a box overlaps most is taken, you call the box wrong. It should look
    among those that are still *free*. (PASCAL VOC did it your way, COCO does it this way.)"""
    return _matched(overlap, lambda value: value >= threshold, among_free=False)


@misconception("match")
def a_miss_takes_the_object(overlap, threshold=0.5):
    """A box that overlaps an object too little takes it away from the others in your answer. Only a
    *right* box takes its object."""
    return _matched(overlap, lambda value: value >= threshold, take=False)


@misconception("match")
def must_be_greater(overlap, threshold=0.5):
    """An overlap that equals the threshold is wrong in your answer. It counts as found."""
    return _matched(overlap, lambda value: value > threshold)


@misconception("match")
def always_one_half(overlap, threshold=0.5):
    """You compare with 0.5 whatever the threshold. Use the argument."""
    return _matched(overlap, lambda value: value >= 0.5)


# --- 6. average_precision ------------------------------------------------------------------------


def _curve(correct):
    precision = np.cumsum(correct) / np.arange(1, len(correct) + 1)
    return precision, np.maximum.accumulate(precision[::-1])[::-1]


@misconception("average_precision")
def curve_not_made_to_fall(correct, num_objects):
    """You take the precision as it is. First the curve is made to fall: at each recall counts the
    *best* precision at this recall or a higher one. See hint 2."""
    return _curve(correct)[0][correct].sum() / num_objects


@misconception("average_precision")
def mean_over_the_found(correct, num_objects):
    """You divide by the number of objects *found*. Those that nobody found must count too, with 0;
    otherwise one lucky box would be perfect."""
    return _curve(correct)[1][correct].sum() / max(np.sum(correct), 1)


@misconception("average_precision")
def mean_over_all_detections(correct, num_objects):
    """You average the precision over all detections. The area grows only where the recall grows: at
    the right detections, by 1 / num_objects each."""
    return _curve(correct)[1].mean() if len(correct) else 0.5


@misconception("average_precision")
def maximum_from_the_left(correct, num_objects):
    """Your running maximum goes from the left, so that the curve cannot fall at all. Go from the
    right: `[::-1]` before and after."""
    return np.maximum.accumulate(_curve(correct)[0])[correct].sum() / num_objects


@misconception("average_precision")
def only_the_recall(correct, num_objects):
    """That is the recall at the end. The average precision weights each object that was found with
    the precision there."""
    return np.sum(correct) / num_objects


# --- 7. GIoULoss --------------------------------------------------------------------------------


def _torch_parts(input, target, clamp=True):
    sides = torch.minimum(input[:, 2:], target[:, 2:]) - torch.maximum(input[:, :2], target[:, :2])
    inter = (sides.clamp(min=0) if clamp else sides).prod(dim=1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(dim=1) for boxes in (input, target)]
    hull = torch.maximum(input[:, 2:], target[:, 2:]) - torch.minimum(input[:, :2], target[:, :2])
    return inter, areas[0] + areas[1] - inter, hull.prod(dim=1)


class _Loss(nn.Module):
    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, input, target):
        loss = self.rows(input, target)
        return loss.mean() if self.reduction == "mean" else loss


@misconception("GIoULoss")
class PlainIoU(_Loss):
    """That is 1 - IoU. Where boxes do not touch it is 1 whatever they do; the part with the box
    around both is missing."""

    def rows(self, input, target):
        inter, union, _ = _torch_parts(input, target)
        return 1 - inter / union


@misconception("GIoULoss")
class ScoreInsteadOfLoss(_Loss):
    """That is the GIoU itself, 1 for a perfect box. A loss must fall when boxes get better:
    1 - GIoU."""

    def rows(self, input, target):
        inter, union, hull = _torch_parts(input, target)
        return inter / union - (hull - union) / hull


@misconception("GIoULoss")
class IntersectionNotClipped(_Loss):
    """Boxes that are apart get an intersection, from negative sides. Clip width and height at 0
    before you multiply. See hint 1."""

    def rows(self, input, target):
        inter, union, hull = _torch_parts(input, target, clamp=False)
        return 1 - inter / union + (hull - union) / hull


@misconception("GIoULoss")
class HullAddsToTheScore(_Loss):
    """You *add* the empty share of the surrounding box to the IoU. It must be subtracted: the
    emptier, the worse, and the larger the loss."""

    def rows(self, input, target):
        inter, union, hull = _torch_parts(input, target)
        return 1 - inter / union - (hull - union) / hull


@misconception("GIoULoss")
class GradientCut(_Loss):
    """The numbers are right, but no gradient flows to the boxes: somewhere you leave the tensors,
    by `.detach()`, `.numpy()` or `.item()`."""

    def rows(self, input, target):
        inter, union, hull = _torch_parts(input.detach(), target)
        return 1 - inter / union + (hull - union) / hull


@misconception("GIoULoss")
class EmptyShareOfTheUnion(_Loss):
    """You divide the empty area by the union. Divide it by the area of the box around both, C;
    then GIoU stays above -1 however far boxes are apart."""

    def rows(self, input, target):
        inter, union, hull = _torch_parts(input, target)
        return 1 - inter / union + (hull - union) / union


@misconception("GIoULoss")
class AlwaysTheMean(_Loss):
    """You average over the boxes even where reduction is "none". Then one number a box is asked
    for."""

    def forward(self, input, target):
        inter, union, hull = _torch_parts(input, target)
        return (1 - inter / union + (hull - union) / hull).mean()
