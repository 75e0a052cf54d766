"""Detection in PyTorch: the same names, batched, on any device and in any floating dtype.

Coordinates in half precision are computed with in float32, as torchvision does, and decisions
(what is matched, in which cell, which segment) in float64, so that they do not depend on the dtype.
Shapes and formulas are those of the NumPy reference. Values are checked too, which makes a GPU wait
for its numbers; compiled code leaves that check out.
"""

import math

import torch
from torch import Tensor

from book.activations.pytorch import log_softmax, sigmoid, softmax
from book.detection.reference import (
    COLOR_BINS,
    DIRECTIONS,
    IOU_THRESHOLDS,
    STRENGTHS,
    _check_format,
    _check_loss,
    _check_method,
    _check_segmentation,
    _gaussian_weights,
    _image_size,
    _number,
    _union_find,
    _whole_number,
)

__all__ = [
    "box_convert", "box_area", "box_iou", "generalized_box_iou",
    "nms", "batched_nms", "soft_nms",
    "sliding_windows", "segment_felzenszwalb", "selective_search",
    "yolo_encode", "yolo_decode", "yolo_loss",
    "average_precision", "mean_average_precision",
]  # fmt: skip

BLOCK = 1024  # boxes that non-maximum suppression compares with all others at a time


# --- what the functions share


def _real(values: Tensor, name: str) -> Tensor:
    """`values`, or a TypeError unless it is a tensor of real numbers; whole ones as float64."""
    if not isinstance(values, Tensor) or values.is_complex():
        got = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"{name}: expected a tensor of real numbers, got {got}")
    return values if values.is_floating_point() else values.double()


def _wide(values: Tensor) -> Tensor:
    """At least float32."""
    return values if values.dtype == torch.float64 else values.float()


def _require(good: Tensor, message: str) -> None:
    """ValueError unless all is good. Compiled code cannot look at values: it does not check."""
    if not torch.compiler.is_compiling() and not good.all():
        raise ValueError(message)


def _fours(boxes: Tensor, name: str = "boxes") -> Tensor:
    boxes = _real(boxes, name)
    if boxes.shape[-1:] != (4,):
        raise ValueError(f"{name}: expected shape (..., 4), got {tuple(boxes.shape)}")
    return boxes


def _corners(boxes: Tensor, name: str = "boxes", fmt: str = "xyxy") -> Tensor:
    """Boxes (N, 4) as corners in float32 or float64, none of them turned inside out."""
    boxes = _to_corners(_wide(_fours(boxes, name)), fmt)
    if boxes.ndim != 2:
        raise ValueError(f"{name}: expected shape (N, 4), got {tuple(boxes.shape)}")
    message = f"{name}: expected finite x1 <= x2 and y1 <= y2, got a box without"
    _require(boxes.isfinite().all() & (boxes[:, 2:] >= boxes[:, :2]), message)
    return boxes


def _per_box(values: Tensor, count: int, name: str, whole: bool = False) -> Tensor:
    """A tensor (count,), of integers where `whole`."""
    if whole and (not isinstance(values, Tensor) or values.is_floating_point()
                  or values.is_complex() or values.dtype == torch.bool):  # fmt: skip
        got = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"{name}: expected a tensor of whole numbers, got {got}")
    values = values.long() if whole else _real(values, name).detach()
    if values.shape != (count,):
        shape = tuple(values.shape)
        raise ValueError(f"{name}: expected shape ({count},), one per box, got {shape}")
    if not whole:
        _require(~values.isnan(), f"{name}: expected numbers, got NaN among them")
    return values


def _divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Their quotient, and 0 (without gradient) where the denominator is 0."""
    empty = denominator == 0
    return torch.where(empty, 0.0, numerator / torch.where(empty, 1.0, denominator))


# --- boxes


def _to_corners(boxes: Tensor, fmt: str) -> Tensor:
    _check_format(fmt)
    first, last = boxes[..., :2], boxes[..., 2:]
    if fmt == "xywh":
        first, last = first, first + last
    elif fmt == "cxcywh":
        first, last = first - last / 2, first + last / 2
    return torch.cat([first, last], dim=-1)


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """The same boxes, written as 'xyxy', 'xywh' or 'cxcywh'. In practice:
    `torchvision.ops.box_convert`.

    Shapes: boxes (..., 4); result the same.
    Raises: TypeError if boxes are not real; ValueError if the last dimension is not 4 or a format
    is unknown.
    """
    _check_format(in_fmt, "in_fmt")
    _check_format(out_fmt, "out_fmt")
    boxes = _fours(boxes)
    if in_fmt == out_fmt:
        return boxes.clone()
    corners = _to_corners(_wide(boxes), in_fmt)
    first, last = corners[..., :2], corners[..., 2:]
    if out_fmt == "xywh":
        first, last = first, last - first
    elif out_fmt == "cxcywh":
        first, last = (first + last) / 2, last - first
    return torch.cat([first, last], dim=-1).to(boxes.dtype)


def box_area(boxes: Tensor, fmt: str = "xyxy") -> Tensor:
    """The area of each box. In practice: `torchvision.ops.box_area`.

    Shapes: boxes (N, 4); result (N,).
    Raises: TypeError if boxes are not real; ValueError if they have another shape, are turned
    inside out, or fmt is unknown.
    """
    return _areas(_corners(boxes, fmt=fmt)).to(_real(boxes, "boxes").dtype)


def _areas(corners: Tensor) -> Tensor:
    return (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])


def _parts(one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection and union of corners that broadcast against each other."""
    sides = torch.minimum(one[..., 2:], two[..., 2:]) - torch.maximum(one[..., :2], two[..., :2])
    sides = torch.maximum(sides, sides.new_zeros(()))  # its gradient at 0 is a half, as with ties
    inter = sides[..., 0] * sides[..., 1]
    return inter, _areas(one) + _areas(two) - inter


def _iou(one: Tensor, two: Tensor) -> Tensor:
    return _divide(*_parts(one, two))


def _pair(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> tuple[Tensor, Tensor, torch.dtype]:
    """Both as corners that broadcast to all pairs, and the dtype of a result."""
    one, two = _corners(boxes1, "boxes1", fmt), _corners(boxes2, "boxes2", fmt)
    dtypes = _real(boxes1, "boxes1").dtype, _real(boxes2, "boxes2").dtype
    return one[:, None], two[None], torch.promote_types(*dtypes)


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """Intersection over union of all pairs, 0 where the union has no area. In practice:
    `torchvision.ops.box_iou`.

    Shapes: boxes1 (N, 4), boxes2 (M, 4); result (N, M).
    Raises: TypeError if boxes are not real; ValueError if they have another shape, are turned
    inside out, or fmt is unknown.
    """
    one, two, dtype = _pair(boxes1, boxes2, fmt)
    return _iou(one, two).to(dtype)


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """IoU minus the share of the hull that neither box covers. In practice:
    `torchvision.ops.generalized_box_iou`.

    Shapes: boxes1 (N, 4), boxes2 (M, 4); result (N, M).
    Raises: TypeError if boxes are not real; ValueError if they have another shape or are turned
    inside out.
    """
    one, two, dtype = _pair(boxes1, boxes2)
    inter, union = _parts(one, two)
    sides = torch.maximum(one[..., 2:], two[..., 2:]) - torch.minimum(one[..., :2], two[..., :2])
    hull = sides[..., 0] * sides[..., 1]
    return (_divide(inter, union) - _divide(hull - union, hull)).to(dtype)


# --- non-maximum suppression


def _greedy(boxes: Tensor, scores: Tensor, idxs: Tensor | None, iou_threshold: float) -> Tensor:
    """Indices of the boxes that survive, best first, without a loop over boxes.

    A box survives if no better survivor overlaps it: keep_i = not any_j<i (keep_j and o_ji). Put
    "all" into the right side and repeat until nothing changes: the first box is right at once,
    and each round settles at least one more, in practice nearly all. Boxes come in blocks, so that
    memory grows with N and not with N squared.
    """
    order = torch.sort(scores, descending=True, stable=True).indices
    boxes = boxes[order]
    idxs = None if idxs is None else idxs[order]
    alive = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    for start in range(0, len(boxes), BLOCK):
        stop = min(start + BLOCK, len(boxes))
        overlap = _iou(boxes[start:stop, None], boxes[None, start:]) > iou_threshold
        if idxs is not None:
            overlap &= idxs[start:stop, None] == idxs[None, start:]
        inside = overlap[:, : stop - start].triu(diagonal=1)
        before = alive[start:stop]
        keep = before
        while True:
            settled = before & ~(inside & keep[:, None]).any(dim=0)
            if torch.equal(settled, keep):
                break
            keep = settled
        alive[start:stop] = keep
        alive[stop:] &= ~(overlap[:, stop - start :] & keep[:, None]).any(dim=0)
    return order[alive]


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Greedy non-maximum suppression, on the device of the boxes. In practice:
    `torchvision.ops.nms`.

    Shapes: boxes (N, 4) as corners, scores (N,); result (K,), indices in order of falling score.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit, a box is turned
    inside out, a score is NaN or iou_threshold is not in [0, 1].
    """
    boxes = _corners(boxes).detach()
    scores = _per_box(scores, len(boxes), "scores")
    _number(iou_threshold, "iou_threshold", 0.0, 1.0)
    return _greedy(boxes, scores, None, iou_threshold)


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression within each class, all classes at once. In practice:
    `torchvision.ops.batched_nms`.

    Shapes: boxes (N, 4) as corners, scores (N,), idxs (N,) whole numbers, the class of each box;
    result (K,), indices in order of falling score over all classes.
    Raises: TypeError if an array is not real or idxs are not whole; ValueError if shapes do not
    fit, a box is turned inside out, a score is NaN or iou_threshold is not in [0, 1].
    """
    boxes = _corners(boxes).detach()
    scores = _per_box(scores, len(boxes), "scores")
    idxs = _per_box(idxs, len(boxes), "idxs", whole=True)
    _number(iou_threshold, "iou_threshold", 0.0, 1.0)
    return _greedy(boxes, scores, idxs, iou_threshold)


def soft_nms(
    boxes: Tensor, scores: Tensor, sigma: float = 0.5, score_threshold: float = 0.001
) -> tuple[Tensor, Tensor]:
    """Gaussian soft-NMS. Each choice depends on the one before, so this loops over the boxes, but
    never waits for the device to tell which one was best.

    Shapes: boxes (N, 4) as corners, scores (N,); result a pair: indices (K,) in the order they
    were chosen, and their lowered scores (K,), those above score_threshold.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit, a box is turned
    inside out, a score is not finite or sigma is not positive.
    """
    boxes = _corners(boxes).detach().double()
    given = _per_box(scores, len(boxes), "scores")
    _require(given.isfinite(), "scores: expected finite numbers, got an infinite one")
    _number(score_threshold, "score_threshold", -math.inf)
    _number(sigma, "sigma")
    if sigma == 0:
        raise ValueError("sigma: expected a number above 0, got 0")
    scores = given.double()
    left = torch.ones_like(scores, dtype=torch.bool)
    order = torch.zeros_like(scores, dtype=torch.int64)
    for step in range(len(boxes)):
        best = torch.where(left, scores, -math.inf).argmax()
        order[step] = best
        left = left.index_fill(0, best, False)
        doubt = torch.exp(-(_iou(boxes[best], boxes) ** 2) / sigma)
        scores = torch.where(left, scores * doubt, scores)
    order = order[scores[order] > score_threshold]
    return order, scores[order].to(given.dtype)


# --- where to look: sliding windows, segments, proposals


def sliding_windows(image_size: tuple[int, int], sizes: Tensor, stride: int = 1) -> Tensor:
    """All windows of the given sizes inside a picture. To cut them out: `torch.Tensor.unfold`.

    Shapes: image_size a pair (H, W) of whole numbers; sizes (K, 2) whole numbers, (h, w) each;
    result (L, 4) whole numbers, corners, size by size and row by row; a size larger than the
    picture has none.
    Raises: TypeError if a number is not whole; ValueError if sizes has another shape or a number
    is not positive.
    """
    height, width = _image_size(image_size)
    _whole_number(stride, "stride")
    if not isinstance(sizes, Tensor) or sizes.is_floating_point() or sizes.is_complex():
        got = sizes.dtype if isinstance(sizes, Tensor) else type(sizes).__name__
        raise TypeError(f"sizes: expected a tensor of whole numbers, got {got}")
    if sizes.ndim != 2 or sizes.shape[1] != 2:
        raise ValueError(f"sizes: expected shape (K, 2), got {tuple(sizes.shape)}")
    _require(sizes > 0, "sizes: expected positive numbers, got one that is not")
    windows = [torch.zeros((0, 4), dtype=torch.int64, device=sizes.device)]
    for h, w in sizes.tolist():
        y = torch.arange(0, max(height - h + 1, 0), stride, device=sizes.device)
        x = torch.arange(0, max(width - w + 1, 0), stride, device=sizes.device)
        y, x = torch.meshgrid(y, x, indexing="ij")
        windows.append(torch.stack([x, y, x + w, y + h], dim=-1).reshape(-1, 4))
    return torch.cat(windows)


def _picture(image: Tensor) -> Tensor:
    """A picture (H, W, C) in float64."""
    image = _real(image, "image").detach().double()
    shape = tuple(image.shape)
    if image.ndim not in (2, 3) or 0 in shape:
        raise ValueError(f"image: expected shape (H, W) or (H, W, C), not empty, got {shape}")
    _require((image >= 0) & (image <= 1), "image: expected values from 0 to 1, got others")
    return image.reshape(*shape[:2], -1)


def _mirrored(size: int, radius: int, device: torch.device) -> Tensor:
    """Indices -radius ... size + radius - 1 reflected into the picture, edge pixels repeated."""
    at = torch.arange(-radius, size + radius, device=device) % (2 * size)
    return torch.minimum(at, 2 * size - 1 - at)


def _smooth(image: Tensor, weights: list[float]) -> Tensor:
    """A Gaussian blur along both axes, in the reference's order of additions."""
    radius = len(weights) - 1
    for axis in (0, 1):
        size = image.shape[axis]
        padded = image.index_select(axis, _mirrored(size, radius, image.device))
        image = padded.narrow(axis, radius, size) * weights[0]
        for by in range(radius, 0, -1):
            far = padded.narrow(axis, radius - by, size) + padded.narrow(axis, radius + by, size)
            image = image + far * weights[by]
    return image


def _distance(one: Tensor, two: Tensor) -> Tensor:
    total = one.new_zeros(one.shape[:2])
    for channel in range(one.shape[2]):
        total = total + (one[..., channel] - two[..., channel]) ** 2
    return total.sqrt().flatten()


def _neighbors(grid: Tensor) -> list[tuple[Tensor, Tensor]]:
    """A grid (H, W, ...) against itself moved to the left, up, and along both diagonals."""
    return [
        (grid[:, 1:], grid[:, :-1]),
        (grid[1:], grid[:-1]),
        (grid[1:, 1:], grid[:-1, :-1]),
        (grid[:-1, 1:], grid[1:, :-1]),
    ]


def segment_felzenszwalb(
    image: Tensor, scale: float = 1.0, sigma: float = 0.8, min_size: int = 20
) -> Tensor:
    """Segments by merging neighbors over the cheapest edges. Blur, edges and their order are
    tensors; the merging, each step of which depends on all before it, is one loop on the CPU. In
    practice: `skimage.segmentation.felzenszwalb`.

    Shapes: image (H, W) or (H, W, C) with values in [0, 1]; result (H, W), segments 0, 1, ... in
    the order of their first pixels.
    Raises: TypeError if image is not real, or an option no number; ValueError if image has another
    shape or other values, or an option is negative.
    """
    _check_segmentation(scale, sigma, min_size)
    image = _picture(image)
    smooth = _smooth(image, _gaussian_weights(sigma))
    costs = torch.cat([_distance(a, b) for a, b in _neighbors(smooth)])
    pixel = torch.arange(image[..., 0].numel(), device=image.device).reshape(image.shape[:2])
    ends = [torch.stack([a.flatten(), b.flatten()], dim=1) for a, b in _neighbors(pixel)]
    costs, order = torch.sort(costs, stable=True)
    edges = torch.cat(ends)[order].tolist()
    roots = _union_find(pixel.numel(), edges, costs.tolist(), scale / 255, min_size)
    roots = torch.tensor(roots, device=image.device)
    return torch.unique(roots, return_inverse=True)[1].reshape(image.shape[:2])


def _color_bins(image: Tensor) -> Tensor:
    bins = torch.floor(image * COLOR_BINS).clamp(max=COLOR_BINS - 1).long()
    return bins + COLOR_BINS * torch.arange(image.shape[2], device=image.device)


def _texture_bins(image: Tensor) -> Tensor:
    height, width, channels = image.shape
    rows, columns = (_mirrored(size, 1, image.device) for size in (height, width))
    down = (image[rows[2:]] - image[rows[:-2]]) / 2
    right = (image[:, columns[2:]] - image[:, columns[:-2]]) / 2
    turn = torch.floor(torch.atan2(down, right) / (2 * math.pi) * DIRECTIONS + 0.5) % DIRECTIONS
    strength = torch.floor((down.abs() + right.abs()) * STRENGTHS).clamp(max=STRENGTHS - 1)
    bins = (turn * STRENGTHS + strength).long()
    return bins + DIRECTIONS * STRENGTHS * torch.arange(channels, device=image.device)


def _histograms(segments: Tensor, bins: Tensor, count: int, width: int) -> Tensor:
    cells = (segments[..., None] * width + bins).flatten()
    return torch.bincount(cells, minlength=count * width).reshape(count, width).double()


def _adjacent(segments: Tensor, count: int) -> Tensor:
    touch = torch.zeros((count, count), dtype=torch.bool, device=segments.device)
    for a, b in _neighbors(segments):
        touch[a, b] = True
    return (touch | touch.T).fill_diagonal_(False)


def _segment_boxes(segments: Tensor, count: int) -> Tensor:
    columns = []
    for last in (False, True):
        for dim in (1, 0):
            place = torch.arange(segments.shape[dim], device=segments.device)
            place = (place if dim else place[:, None]).expand(segments.shape).flatten() + last
            extreme = place.new_zeros(count)
            reduce = "amax" if last else "amin"
            extreme.scatter_reduce_(0, segments.flatten(), place, reduce, include_self=False)
            columns.append(extreme)
    return torch.stack(columns, dim=1)


def _similarity(one, size, box, color, texture, total) -> Tensor:
    """How alike region `one` is to each region (see the reference). `one` is an index (1,)."""
    alike = torch.zeros_like(size)
    for counts in (color, texture):
        shares = counts / counts.sum(dim=1, keepdim=True)
        alike = alike + torch.minimum(shares[one], shares).sum(dim=1)
    first = torch.minimum(box[one, :2], box[:, :2])
    hull = (torch.maximum(box[one, 2:], box[:, 2:]) - first).prod(dim=1)
    alike = alike + (1 - (size[one] + size) / total) + (1 - (hull - size[one] - size) / total)
    return torch.round(alike * 2.0**30)


def selective_search(
    image: Tensor, scale: float = 100.0, sigma: float = 0.8, min_size: int = 20
) -> Tensor:
    """Region proposals: the boxes of all regions that arise when the two most alike neighbors are
    merged again and again. The regions stay on the image's device.

    Shapes: image (H, W) or (H, W, C) with values in [0, 1]; result (K, 4) whole numbers, corners
    (x2, y2 exclusive), no box twice, the regions merged last first.
    Raises: TypeError if image is not real, or an option no number; ValueError if image has another
    shape or other values, or an option is negative.
    """
    segments = segment_felzenszwalb(image, scale, sigma, min_size)
    image = _picture(image)
    count, total, channels = int(segments.max()) + 1, segments.numel(), image.shape[2]
    color = _histograms(segments, _color_bins(image), count, COLOR_BINS * channels)
    width = DIRECTIONS * STRENGTHS * channels
    texture = _histograms(segments, _texture_bins(image), count, width)
    size = torch.bincount(segments.flatten()).double()
    box = _segment_boxes(segments, count)
    touch = _adjacent(segments, count)
    places = torch.arange(count, device=image.device)
    rows = [_similarity(i[None], size, box, color, texture, total) for i in places]
    alike = torch.stack(rows)
    found = [box.clone()]
    for _ in range(count - 1):
        at = torch.where(touch, alike, -math.inf).argmax()
        a, b = (at // count)[None], (at % count)[None]
        for counts in (color, texture, size):
            counts[a] += counts[b]
        first, last = torch.minimum(box[a, :2], box[b, :2]), torch.maximum(box[a, 2:], box[b, 2:])
        box[a] = torch.cat([first, last], dim=1)
        near = (touch[a] | touch[b]) & (places != a) & (places != b)
        touch[b], touch[:, b] = False, False
        touch[a], touch[:, a] = near, near.T
        row = _similarity(a, size, box, color, texture, total)
        alike[a], alike[:, a] = row, row[:, None]
        found.append(box[a].clone())
    found = torch.cat(found).flip(0)
    kinds, which = torch.unique(found, dim=0, return_inverse=True)
    first = which.new_full((len(kinds),), len(found))
    first.scatter_reduce_(0, which, torch.arange(len(found), device=image.device), "amin")
    return found[first.sort().values]


# --- YOLO


def yolo_encode(boxes: Tensor, labels: Tensor, grid_size: int, num_classes: int) -> Tensor:
    """The target of a grid: (x, y, w, h, 1) and a one-hot class in the cell with an object's
    center, zeros elsewhere; the first of several objects in a cell stays.

    Shapes: boxes (M, 4), corners as shares of the picture in [0, 1]; labels (M,) whole numbers;
    result (S, S, 5 + C), rows first.
    Raises: TypeError if boxes are not real, or labels or a count not whole; ValueError if shapes
    do not fit, a box has no area or leaves the picture, or a label is not in 0 ... C - 1.
    """
    _whole_number(grid_size, "grid_size")
    _whole_number(num_classes, "num_classes")
    dtype = _real(boxes, "boxes").dtype
    boxes = _corners(boxes).detach().double()
    labels = _per_box(labels, len(boxes), "labels", whole=True)
    message = "boxes: expected boxes with area inside [0, 1], got one that is not"
    _require((boxes >= 0) & (boxes <= 1), message)
    _require(boxes[:, 2:] > boxes[:, :2], message)
    good = (labels >= 0) & (labels < num_classes)
    _require(good, f"labels: expected 0 to {num_classes - 1}, got another")
    center = (boxes[:, :2] + boxes[:, 2:]) / 2 * grid_size
    cell = center.floor().clamp(max=grid_size - 1)
    at = (cell[:, 1] * grid_size + cell[:, 0]).long()
    first = ~(at[:, None] == at).tril(diagonal=-1).any(dim=1)
    one_hot = labels[:, None] == torch.arange(num_classes, device=boxes.device)
    rows = [center - cell, boxes[:, 2:] - boxes[:, :2], torch.ones_like(boxes[:, :1]), one_hot]
    target = boxes.new_zeros((grid_size**2, 5 + num_classes))
    target[at[first]] = torch.cat(rows, dim=1)[first]
    return target.reshape(grid_size, grid_size, -1).to(dtype)


def _grid(input: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The raw outputs as boxes (N, S, S, B, 5), class scores (N, S, S, C), and the anchors."""
    input, anchors = _wide(_real(input, "input")), _wide(_real(anchors, "anchors").detach())
    if anchors.ndim != 2 or anchors.shape[1] != 2 or not len(anchors):
        raise ValueError(f"anchors: expected shape (B, 2), B > 0, got {tuple(anchors.shape)}")
    _require(anchors > 0, "anchors: expected positive widths and heights, got one that is not")
    parts = 5 * len(anchors)
    if input.ndim != 4 or input.shape[1] != input.shape[2] or input.shape[3] <= parts:
        raise ValueError(
            f"input: expected shape (N, S, S, {parts} + C), five numbers for each of "
            f"{len(anchors)} anchors and C > 0 classes, got {tuple(input.shape)}"
        )
    boxes = input[..., :parts].reshape(*input.shape[:3], len(anchors), 5)
    return boxes, input[..., parts:], anchors


@torch.no_grad()
def yolo_decode(input: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes and scores from a grid's raw outputs. Decoding is for looking: it has no gradient.

    Shapes: input (N, S, S, 5B + C), five numbers for each anchor, then the classes; anchors
    (B, 2), width and height as shares of the picture; result a pair, boxes (N, S·S·B, 4) as
    corners and scores (N, S·S·B, C).
    Raises: TypeError if an array is not real; ValueError if shapes do not fit or an anchor is not
    positive.
    """
    raw, classes, anchors = _grid(input, anchors)
    count, size = raw.shape[:2]
    place = torch.arange(size, device=raw.device)
    rows, columns = torch.meshgrid(place, place, indexing="ij")
    corner = torch.stack([columns, rows], dim=-1)[:, :, None]
    center = (corner + sigmoid(raw[..., :2])) / size
    sides = anchors * torch.exp(raw[..., 2:4])
    boxes = torch.cat([center - sides / 2, center + sides / 2], dim=-1)
    scores = sigmoid(raw[..., 4:]) * softmax(classes, dim=-1)[..., None, :]
    boxes = boxes.reshape(count, size * size * len(anchors), 4).to(input.dtype)
    return boxes, scores.reshape(*boxes.shape[:2], classes.shape[-1]).to(input.dtype)


def _yolo_target(target: Tensor, raw: Tensor, classes: Tensor, anchors: Tensor):
    """The target's parts: responsible (N, S, S, B), wanted (N, S, S, B, 4), one-hot classes."""
    target = _real(target, "target").detach().to(raw.dtype)
    shape = (*raw.shape[:3], 5 + classes.shape[-1])
    if target.shape != shape:
        raise ValueError(f"target: expected shape {tuple(shape)}, got {tuple(target.shape)}")
    there = target[..., 4]
    message = "target: expected 0 or 1 for 'an object is here', got something else"
    _require((there == 0) | (there == 1), message)
    there = there == 1
    sides = torch.where(there[..., None], target[..., 2:4], 1.0)[..., None, :]
    message = "target: expected positive widths and heights, got one that is not"
    _require(sides > 0, message)
    shared = torch.minimum(sides, anchors).prod(dim=-1)
    shape_iou = shared / (sides.prod(dim=-1) + anchors.prod(dim=-1) - shared)
    best = shape_iou.argmax(dim=-1, keepdim=True)
    responsible = torch.zeros_like(shape_iou).scatter(-1, best, 1.0) * there[..., None]
    place = target[..., None, :2].expand(*responsible.shape, 2)
    wanted = torch.cat([place, torch.log(sides / anchors)], dim=-1)
    return responsible, wanted, target[..., 5:] * there[..., None]


def yolo_loss(
    input: Tensor,
    target: Tensor,
    anchors: Tensor,
    lambda_coord: float = 5.0,
    lambda_noobj: float = 0.5,
    reduction: str = "mean",
) -> Tensor:
    """What a grid's raw outputs cost: place, object, no object and class. Differentiable in the
    input; target and anchors are data.

    Shapes: input (N, S, S, 5B + C), target (N, S, S, 5 + C) from `yolo_encode`, anchors (B, 2);
    result (N, 4) for 'none', else a number.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit, the target is not
    one, a weight is negative or reduction is unknown.
    """
    _check_loss(lambda_coord, lambda_noobj, reduction)
    raw, classes, anchors = _grid(input, anchors)
    responsible, wanted, one_hot = _yolo_target(target, raw, classes, anchors)
    errors = torch.cat([sigmoid(raw[..., :2]), raw[..., 2:4]], dim=-1) - wanted
    zero = raw.new_zeros(())
    place = lambda_coord * responsible * (errors**2).sum(dim=-1)
    there = responsible * torch.logaddexp(zero, -raw[..., 4])
    nothing = lambda_noobj * (1 - responsible) * torch.logaddexp(zero, raw[..., 4])
    kind = -one_hot * log_softmax(classes, dim=-1)
    terms = torch.stack([t.sum(dim=(1, 2, 3)) for t in (place, there, nothing, kind)], dim=1)
    if reduction == "none":
        return terms.to(input.dtype)
    total = terms.sum()
    return (total if reduction == "sum" else total / len(terms)).to(input.dtype)


# --- how good a detector is


def _average_precision(correct: Tensor, total: Tensor, method: str) -> Tensor:
    """From `correct` (..., N), booleans in order of falling score; NaN without objects."""
    hits = correct.double().cumsum(dim=-1)
    precision = hits / torch.arange(1, hits.shape[-1] + 1, device=hits.device)
    best = precision.flip(-1).cummax(dim=-1).values.flip(-1) if hits.shape[-1] else precision
    if method == "all":
        return (best * correct).sum(dim=-1) / total
    if method == "coco":
        recall, levels = hits / total, torch.arange(101, device=hits.device) * hits.new_tensor(0.01)
    else:
        recall, levels = 10 * hits, torch.arange(11, device=hits.device).double() * total
    levels = levels.expand(*hits.shape[:-1], -1).contiguous()
    at = torch.searchsorted(recall.contiguous(), levels)
    found = torch.cat([best, best.new_zeros((*best.shape[:-1], 1))], dim=-1).gather(-1, at)
    return torch.where(total > 0, found.mean(dim=-1), math.nan)


def average_precision(
    scores: Tensor, correct: Tensor, num_objects: int, method: str = "coco"
) -> Tensor:
    """The area under precision over recall, made to fall: 'all' of it, at 101 levels of recall
    ('coco') or at eleven ('11-point').

    Shapes: scores (N,) and correct (N,) booleans, for each detection whether it found an object
    of its own; num_objects a whole number; result a number, NaN if there are no objects.
    Raises: TypeError if scores are not real, correct is not boolean or num_objects not whole;
    ValueError if shapes do not fit, more detections are correct than there are objects, or method
    is unknown.
    """
    _check_method(method)
    _whole_number(num_objects, "num_objects", low=0)
    if not isinstance(correct, Tensor) or correct.dtype != torch.bool:
        got = correct.dtype if isinstance(correct, Tensor) else type(correct).__name__
        raise TypeError(f"correct: expected a tensor of booleans, got {got}")
    if correct.ndim != 1:
        raise ValueError(f"correct: expected shape (N,), got {tuple(correct.shape)}")
    scores = _per_box(scores, len(correct), "scores")
    _require(correct.sum() <= num_objects, f"correct: expected at most {num_objects}, got more")
    order = torch.sort(scores, descending=True, stable=True).indices
    total = torch.tensor(num_objects, dtype=torch.float64, device=scores.device)
    return _average_precision(correct[order], total, method).to(scores.dtype)


def _ranks(group: Tensor) -> Tensor:
    """For each entry how many of its group stand before it."""
    order = torch.sort(group, stable=True).indices
    ordered = group[order]
    first = torch.searchsorted(ordered, ordered)
    ranks = torch.empty_like(group)
    ranks[order] = torch.arange(len(group), device=group.device) - first
    return ranks


def _padded(boxes: Tensor, group: Tensor, rank: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Boxes (G, L, 4), those of each group in a row, and which places are taken."""
    length = int(rank.max()) + 1 if len(rank) else 0
    table = boxes.new_zeros((groups, length, 4))
    taken = torch.zeros((groups, length), dtype=torch.bool, device=boxes.device)
    table[group, rank], taken[group, rank] = boxes, True
    return table, taken


def _match(boxes, group, rank, truths, true_group, groups, thresholds) -> Tensor:
    """Which detections (T, N) find an object of their own, in all groups side by side."""
    table, taken = _padded(boxes, group, rank, groups)
    objects, exist = _padded(truths, true_group, _ranks(true_group), groups)
    correct = torch.zeros((len(thresholds), *taken.shape), dtype=torch.bool, device=boxes.device)
    if not objects.shape[1]:
        return correct[:, group, rank]
    free = exist.expand(len(thresholds), -1, -1)
    places = torch.arange(objects.shape[1], device=boxes.device)
    for d in range(table.shape[1]):
        overlap = torch.where(free, _iou(table[:, d, None], objects), -1.0)
        best, back = overlap.flip(-1).max(dim=-1)  # from behind: the last of a tie
        hit = taken[:, d] & (best >= thresholds[:, None])
        correct[:, :, d] = hit
        at = objects.shape[1] - 1 - back
        free = free & ~(hit[..., None] & (places == at[..., None]))
    return correct[:, group, rank]


def mean_average_precision(
    boxes: Tensor, scores: Tensor, labels: Tensor, images: Tensor,
    true_boxes: Tensor, true_labels: Tensor, true_images: Tensor,
    iou_thresholds: Tensor | None = None, method: str = "coco", max_detections: int = 100,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """COCO's mean average precision. All pictures, classes and thresholds are matched side by side;
    the only loop runs over the ranks of the detections in a picture. In practice: pycocotools.

    Shapes: boxes (N, 4) as corners, scores, labels and images (N,), the class of each detection
    and the picture it is in; true_boxes (M, 4), true_labels and true_images (M,);
    iou_thresholds (T,), None for 0.5, 0.55, ..., 0.95; result a pair: the mean, and (T, K) average
    precisions for each of the K classes that occur in true_labels, sorted. Without objects the
    mean is NaN.
    Raises: TypeError if an array has the wrong kind of numbers; ValueError if shapes do not fit, a
    box is turned inside out, a threshold is not in (0, 1] or method is unknown.
    """
    _check_method(method)
    _whole_number(max_detections, "max_detections")
    dtype = _real(boxes, "boxes").dtype
    boxes = _corners(boxes).detach().double()
    truths = _corners(true_boxes, "true_boxes").detach().double()
    if iou_thresholds is None:
        iou_thresholds = boxes.new_tensor(IOU_THRESHOLDS)
    thresholds = _real(iou_thresholds, "iou_thresholds").detach().double()
    if thresholds.ndim != 1 or not len(thresholds):
        shape = tuple(thresholds.shape)
        raise ValueError(f"iou_thresholds: expected shape (T,), T > 0, got {shape}")
    message = "iou_thresholds: expected numbers in (0, 1], got others"
    _require((thresholds > 0) & (thresholds <= 1), message)
    scores = _per_box(scores, len(boxes), "scores")
    labels = _per_box(labels, len(boxes), "labels", whole=True)
    images = _per_box(images, len(boxes), "images", whole=True)
    true_labels = _per_box(true_labels, len(truths), "true_labels", whole=True)
    true_images = _per_box(true_images, len(truths), "true_images", whole=True)

    classes, true_kind = torch.unique(true_labels, return_inverse=True)
    if not len(classes):
        return boxes.new_tensor(math.nan).to(dtype), boxes.new_zeros((len(thresholds), 0)).to(dtype)
    order = torch.sort(scores, descending=True, stable=True).indices
    order = order[torch.sort(images[order], stable=True).indices]
    order = order[torch.isin(labels[order], classes)]
    pictures, where = torch.unique(torch.cat([images[order], true_images]), return_inverse=True)
    group = where[: len(order)] * len(classes) + torch.searchsorted(classes, labels[order])
    rank = _ranks(group)
    order, group, rank = (values[rank < max_detections] for values in (order, group, rank))
    true_group = where[len(where) - len(truths) :] * len(classes) + true_kind
    groups = len(pictures) * len(classes)
    correct = _match(boxes[order], group, rank, truths, true_group, groups, thresholds)
    best_first = torch.sort(scores[order], descending=True, stable=True).indices
    kind, correct = group[best_first] % len(classes), correct[:, best_first]
    totals = torch.bincount(true_kind, minlength=len(classes)).double()
    columns = [
        _average_precision(correct[:, kind == k], totals[k], method) for k in range(len(classes))
    ]
    table = torch.stack(columns, dim=1)
    return table.mean().to(dtype), table.to(dtype)
