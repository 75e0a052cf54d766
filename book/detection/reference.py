"""Detection in NumPy: boxes, overlaps, proposals, YOLO's grid and average precision, in float64.

A box is four numbers, by default its corners (x1, y1, x2, y2) with x to the right and y down.
Names and arguments are those of `torchvision.ops` and scikit-image where they have the function.
A function `f` that is differentiable is followed by `f_backward(grad_output, ...)`.
"""

import math
from numbers import Integral, Real

import numpy as np

from book.activations.reference import log_softmax, sigmoid, softmax

__all__ = [
    "box_convert", "box_area", "box_iou", "generalized_box_iou",
    "nms", "batched_nms", "soft_nms",
    "sliding_windows", "segment_felzenszwalb", "selective_search",
    "yolo_encode", "yolo_decode", "yolo_loss",
    "average_precision", "mean_average_precision",
]  # fmt: skip

FORMATS = ("xyxy", "xywh", "cxcywh")
IOU_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())  # those of COCO


# --- what the functions share


def _real(values, name):
    """`values` as a float64 array; TypeError if they are not real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got an array of dtype {array.dtype}")
    return array.astype(np.float64)


def _fours(boxes, name="boxes"):
    """An array (..., 4) of float64."""
    boxes = _real(boxes, name)
    if boxes.shape[-1:] != (4,):
        raise ValueError(f"{name}: expected shape (..., 4), got {boxes.shape}")
    return boxes


def _corners(boxes, name="boxes", fmt="xyxy"):
    """Boxes (N, 4) as corners, none of them turned inside out."""
    boxes = _to_corners(_fours(boxes, name), fmt)
    if boxes.ndim != 2:
        raise ValueError(f"{name}: expected shape (N, 4), got {boxes.shape}")
    if not (np.isfinite(boxes).all() and (boxes[:, 2:] >= boxes[:, :2]).all()):
        raise ValueError(f"{name}: expected finite x1 <= x2 and y1 <= y2, got a box without")
    return boxes


def _check_format(fmt, name="fmt"):
    if fmt not in FORMATS:
        raise ValueError(f"{name}: expected 'xyxy', 'xywh' or 'cxcywh', got {fmt!r}")


def _per_box(values, count, name, whole=False):
    """An array (count,) of float64, or of integers where `whole`."""
    array = np.asarray(values)
    if whole and array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected whole numbers, got an array of dtype {array.dtype}")
    array = array.astype(np.int64) if whole else _real(values, name)
    if array.shape != (count,):
        raise ValueError(f"{name}: expected shape ({count},), one per box, got {array.shape}")
    if not whole and np.isnan(array).any():
        raise ValueError(f"{name}: expected numbers, got NaN among them")
    return array


def _number(value, name, low=0.0, high=np.inf):
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    if not low <= value <= high:
        raise ValueError(f"{name}: expected a number from {low} to {high}, got {value}")


def _whole_number(value, name, low=1):
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name}: expected a whole number, got {type(value).__name__}")
    if value < low:
        raise ValueError(f"{name}: expected at least {low}, got {value}")


def _cotangent(grad_output, shape):
    grad_output = _real(grad_output, "grad_output")
    if grad_output.shape != shape:
        raise ValueError(f"grad_output: expected shape {shape}, got {grad_output.shape}")
    return grad_output


def _divide(numerator, denominator):
    """Their quotient, and 0 where the denominator is 0."""
    safe = np.where(denominator == 0, 1.0, denominator)
    return np.where(denominator == 0, 0.0, numerator / safe)


# --- boxes


def _to_corners(boxes, fmt):
    _check_format(fmt)
    first, last = boxes[..., :2], boxes[..., 2:]
    if fmt == "xywh":
        first, last = first, first + last
    elif fmt == "cxcywh":
        first, last = first - last / 2, first + last / 2
    return np.concatenate([first, last], axis=-1)


def _to_corners_backward(grad, fmt):
    first, last = grad[..., :2], grad[..., 2:]
    if fmt == "xywh":
        first, last = first + last, last
    elif fmt == "cxcywh":
        first, last = first + last, (last - first) / 2
    return np.concatenate([first, last], axis=-1)


def box_convert(boxes, in_fmt, out_fmt):
    r"""The same boxes, written in another way.

    'xyxy' are two corners, 'xywh' a corner, width and height, 'cxcywh' the center
    $((x_1 + x_2) / 2, (y_1 + y_2) / 2)$, width $x_2 - x_1$ and height $y_2 - y_1$.

    Shapes: boxes (..., 4); result the same.
    Raises: TypeError if boxes are not real; ValueError if the last dimension is not 4 or a format
    is unknown.
    Source: document 001 (object detection); the same name in torchvision.ops.
    """
    _check_format(in_fmt, "in_fmt")
    _check_format(out_fmt, "out_fmt")
    boxes = _fours(boxes)
    if in_fmt == out_fmt:
        return boxes
    corners = _to_corners(boxes, in_fmt)
    first, last = corners[..., :2], corners[..., 2:]
    if out_fmt == "xywh":
        first, last = first, last - first
    elif out_fmt == "cxcywh":
        first, last = (first + last) / 2, last - first
    return np.concatenate([first, last], axis=-1)


def box_convert_backward(grad_output, boxes, in_fmt, out_fmt):
    r"""Conversion is linear, $y = A x$, so its gradient is $A^\top$ times the one that comes in.

    Shapes: grad_output and boxes (..., 4); result the same.
    Raises: TypeError if an array is not real; ValueError if shapes differ or a format is unknown.
    """
    _check_format(in_fmt, "in_fmt")
    _check_format(out_fmt, "out_fmt")
    grad = _cotangent(grad_output, _fours(boxes).shape)
    if in_fmt == out_fmt:
        return grad
    first, last = grad[..., :2], grad[..., 2:]
    if out_fmt == "xywh":
        first, last = first - last, last
    elif out_fmt == "cxcywh":
        first, last = first / 2 - last, first / 2 + last
    return _to_corners_backward(np.concatenate([first, last], axis=-1), in_fmt)


def box_area(boxes, fmt="xyxy"):
    r"""The area of each box, $(x_2 - x_1)(y_2 - y_1)$.

    Shapes: boxes (N, 4); result (N,).
    Raises: TypeError if boxes are not real; ValueError if they have another shape, are turned
    inside out, or fmt is unknown.
    Source: document 001 (object detection); the same name in torchvision.ops.
    """
    boxes = _corners(boxes, fmt=fmt)
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)


def box_area_backward(grad_output, boxes, fmt="xyxy"):
    r"""$\partial A / \partial x_2 = y_2 - y_1 = -\partial A / \partial x_1$, and so for y.

    Shapes: grad_output (N,); boxes and result (N, 4).
    Raises: TypeError if an array is not real; ValueError if shapes do not fit.
    """
    boxes = _corners(boxes, fmt=fmt)
    grad = _cotangent(grad_output, boxes.shape[:1])[:, None]
    other = grad * (boxes[:, 2:] - boxes[:, :2])[:, ::-1]
    return _to_corners_backward(np.concatenate([-other, other], axis=1), fmt)


def _areas(corners):
    return (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])


def _iou(one, two):
    """IoU of corners that broadcast against each other, 0 where the union has no area."""
    sides = np.minimum(one[..., 2:], two[..., 2:]) - np.maximum(one[..., :2], two[..., :2])
    inter = np.prod(np.maximum(sides, 0.0), axis=-1)
    return _divide(inter, _areas(one) + _areas(two) - inter)


def box_iou(boxes1, boxes2, fmt="xyxy"):
    r"""Intersection over union of each box of one set with each of the other:
    $\mathrm{IoU}(A, B) = |A \cap B| / |A \cup B|$ with $|A \cup B| = |A| + |B| - |A \cap B|$.

    Two boxes without area have no union to divide by: their IoU is 0 here, as in pycocotools.

    Shapes: boxes1 (N, 4), boxes2 (M, 4); result (N, M).
    Raises: TypeError if boxes are not real; ValueError if they have another shape, are turned
    inside out, or fmt is unknown.
    Source: document 001 (intersection over union); the same name in torchvision.ops.
    """
    one, two = _corners(boxes1, "boxes1", fmt), _corners(boxes2, "boxes2", fmt)
    return _iou(one[:, None], two[None])


def _half(condition, tie):
    """Which of two numbers a maximum takes its gradient from: half of it where they tie."""
    return np.where(tie, 0.5, condition)


def _overlap_backward(grad_inter, one, two, outer=False):
    """Gradient of the intersection's area (or the hull's, `outer`) in both sets of corners."""
    low, high = (np.minimum, np.maximum) if outer else (np.maximum, np.minimum)
    a1, a2, b1, b2 = one[:, None, :2], one[:, None, 2:], two[None, :, :2], two[None, :, 2:]
    sides = high(a2, b2) - low(a1, b1)
    inside = _half(sides > 0, sides == 0)  # the slope of max(sides, 0)
    grad_sides = grad_inter[..., None] * np.maximum(sides, 0.0)[..., ::-1] * inside
    from_a1 = _half(low(a1, b1) == a1, a1 == b1)
    from_a2 = _half(high(a2, b2) == a2, a2 == b2)
    grad_one = np.concatenate([-grad_sides * from_a1, grad_sides * from_a2], axis=-1)
    grad_two = np.concatenate([-grad_sides * (1 - from_a1), grad_sides * (1 - from_a2)], axis=-1)
    return grad_one.sum(axis=1), grad_two.sum(axis=0)


def _parts(one, two):
    """Intersection, union and hull of each pair, as areas (N, M)."""
    a1, a2, b1, b2 = one[:, None, :2], one[:, None, 2:], two[None, :, :2], two[None, :, 2:]
    sides = np.minimum(a2, b2) - np.maximum(a1, b1)
    inter = np.prod(np.maximum(sides, 0.0), axis=-1)
    union = _areas(one)[:, None] + _areas(two)[None] - inter
    return inter, union, np.prod(np.maximum(a2, b2) - np.minimum(a1, b1), axis=-1)


def _areas_backward(grad_inter, grad_union, one, two):
    """Gradients in both sets of corners, from those in the intersections and unions (N, M)."""
    grads = _overlap_backward(grad_inter - grad_union, one, two)
    areas = grad_union.sum(axis=1), grad_union.sum(axis=0)
    return [
        grad + box_area_backward(area, boxes)
        for grad, area, boxes in zip(grads, areas, (one, two), strict=True)
    ]


def box_iou_backward(grad_output, boxes1, boxes2, fmt="xyxy"):
    r"""$d\,\mathrm{IoU} = (dI - \mathrm{IoU}\,dU) / U$ with $dU = d|A| + d|B| - dI$.

    Where two edges tie, half of the gradient goes to each. Boxes that do not touch have none:
    the IoU cannot say in which direction to move.

    Shapes: grad_output (N, M), boxes1 (N, 4), boxes2 (M, 4); result a pair, (N, 4) and (M, 4).
    Raises: TypeError if an array is not real; ValueError if shapes do not fit.
    """
    one, two = _corners(boxes1, "boxes1", fmt), _corners(boxes2, "boxes2", fmt)
    grad = _cotangent(grad_output, (len(one), len(two)))
    inter, union, _ = _parts(one, two)
    grads = _areas_backward(_divide(grad, union), -_divide(grad * inter, union**2), one, two)
    return tuple(_to_corners_backward(g, fmt) for g in grads)


def generalized_box_iou(boxes1, boxes2):
    r"""$\mathrm{GIoU} = \mathrm{IoU} - (|C| - |A \cup B|) / |C|$, with $C$ the smallest box around
    both.

    It lies in $(-1, 1]$ and tells boxes far apart from boxes nearly touching, which both have
    IoU 0. Where $C$ has no area it is 0.

    Shapes: boxes1 (N, 4), boxes2 (M, 4); result (N, M).
    Raises: TypeError if boxes are not real; ValueError if they have another shape or are turned
    inside out.
    Source: Rezatofighi et al., 2019; the same name in torchvision.ops.
    """
    one, two = _corners(boxes1, "boxes1"), _corners(boxes2, "boxes2")
    inter, union, hull = _parts(one, two)
    return _divide(inter, union) - _divide(hull - union, hull)


def generalized_box_iou_backward(grad_output, boxes1, boxes2):
    r"""As for the IoU, with the hull's part $d(U / C) = dU / C - U\,dC / C^2$.

    Shapes: grad_output (N, M), boxes1 (N, 4), boxes2 (M, 4); result a pair, (N, 4) and (M, 4).
    Raises: TypeError if an array is not real; ValueError if shapes do not fit.
    """
    one, two = _corners(boxes1, "boxes1"), _corners(boxes2, "boxes2")
    grad = _cotangent(grad_output, (len(one), len(two)))
    inter, union, hull = _parts(one, two)
    grad_union = _divide(grad, hull) - _divide(grad * inter, union**2)
    grads = _areas_backward(_divide(grad, union), grad_union, one, two)
    hulls = _overlap_backward(-_divide(grad * union, hull**2), one, two, outer=True)
    return tuple(g + h for g, h in zip(grads, hulls, strict=True))


# --- non-maximum suppression


def _greedy(boxes, scores, idxs, iou_threshold):
    """Indices of the boxes that survive, best first; `idxs` None puts all in one class."""
    order = np.argsort(-scores, kind="stable")
    keep = []
    while order.size:
        best, order = order[0], order[1:]
        keep.append(best)
        suppressed = _iou(boxes[best], boxes[order]) > iou_threshold
        if idxs is not None:
            suppressed &= idxs[order] == idxs[best]
        order = order[~suppressed]
    return np.array(keep, dtype=np.int64)


def nms(boxes, scores, iou_threshold):
    r"""Greedy non-maximum suppression: keep the best box, drop every box whose IoU with it is
    **greater** than the threshold, and go on with the best of those that are left.

    Of boxes with one score the first comes first.

    Shapes: boxes (N, 4) as corners, scores (N,); result (K,), indices in order of falling score.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit, a box is turned
    inside out, a score is NaN or iou_threshold is not in [0, 1].
    Source: document 001 (non-max suppression); the same name in torchvision.ops.
    """
    boxes = _corners(boxes)
    scores = _per_box(scores, len(boxes), "scores")
    _number(iou_threshold, "iou_threshold", 0.0, 1.0)
    return _greedy(boxes, scores, None, iou_threshold)


def batched_nms(boxes, scores, idxs, iou_threshold):
    r"""Non-maximum suppression within each class: a box suppresses those of its own class only.

    Shapes: boxes (N, 4) as corners, scores (N,), idxs (N,) whole numbers, the class of each box;
    result (K,), indices in order of falling score over all classes.
    Raises: TypeError if an array is not real or idxs are not whole; ValueError if shapes do not
    fit, a box is turned inside out, a score is NaN or iou_threshold is not in [0, 1].
    Source: document 001 (non-max suppression); the same name in torchvision.ops.
    """
    boxes = _corners(boxes)
    scores = _per_box(scores, len(boxes), "scores")
    idxs = _per_box(idxs, len(boxes), "idxs", whole=True)
    _number(iou_threshold, "iou_threshold", 0.0, 1.0)
    return _greedy(boxes, scores, idxs, iou_threshold)


def soft_nms(boxes, scores, sigma=0.5, score_threshold=0.001):
    r"""Gaussian soft-NMS: a box is not dropped but doubted, $s_i \leftarrow s_i\,
    e^{-\mathrm{IoU}(b, b_i)^2 / \sigma}$ for each better box $b$ already chosen.

    Shapes: boxes (N, 4) as corners, scores (N,); result a pair: indices (K,) in the order they
    were chosen, and their lowered scores (K,), those above score_threshold.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit, a box is turned
    inside out, a score is not finite or sigma is not positive.
    Source: Bodla et al., 2017.
    """
    boxes = _corners(boxes)
    scores = _per_box(scores, len(boxes), "scores")
    if not np.isfinite(scores).all():
        raise ValueError("scores: expected finite numbers, got an infinite one")
    _number(score_threshold, "score_threshold", -np.inf)
    _number(sigma, "sigma")
    if sigma == 0:
        raise ValueError("sigma: expected a number above 0, got 0")
    left = np.ones(len(boxes), dtype=bool)
    order = np.zeros(len(boxes), dtype=np.int64)
    for step in range(len(boxes)):
        best = np.argmax(np.where(left, scores, -np.inf))
        order[step], left[best] = best, False
        doubt = np.exp(-(_iou(boxes[best], boxes) ** 2) / sigma)
        scores = np.where(left, scores * doubt, scores)
    order = order[scores[order] > score_threshold]
    return order, scores[order]


# --- where to look: sliding windows, segments, proposals


def sliding_windows(image_size, sizes, stride=1):
    r"""All windows of the given sizes inside a picture: for each size
    $(\lfloor (H - h) / s \rfloor + 1)(\lfloor (W - w) / s \rfloor + 1)$ of them.

    Shapes: image_size a pair (H, W) of whole numbers; sizes (K, 2) whole numbers, (h, w) each;
    result (L, 4) whole numbers, corners, size by size and row by row; a size larger than the
    picture has none.
    Raises: TypeError if a number is not whole; ValueError if sizes has another shape or a number
    is not positive.
    Source: document 001 (sliding windows).
    """
    height, width = _image_size(image_size)
    _whole_number(stride, "stride")
    sizes = np.asarray(sizes)
    if sizes.dtype.kind not in "iu":
        raise TypeError(f"sizes: expected whole numbers, got an array of dtype {sizes.dtype}")
    if sizes.ndim != 2 or sizes.shape[1] != 2:
        raise ValueError(f"sizes: expected shape (K, 2), got {sizes.shape}")
    if not (sizes > 0).all():
        raise ValueError("sizes: expected positive numbers, got one that is not")
    windows = [np.zeros((0, 4), dtype=np.int64)]
    for h, w in sizes.tolist():
        y = np.arange(0, max(height - h + 1, 0), stride)
        x = np.arange(0, max(width - w + 1, 0), stride)
        y, x = np.meshgrid(y, x, indexing="ij")
        windows.append(np.stack([x, y, x + w, y + h], axis=-1).reshape(-1, 4))
    return np.concatenate(windows)


def _image_size(image_size):
    try:
        height, width = image_size
    except (TypeError, ValueError):
        raise ValueError(f"image_size: expected a pair (H, W), got {image_size!r}") from None
    _whole_number(height, "image_size")
    _whole_number(width, "image_size")
    return height, width


def _picture(image):
    """A picture (H, W, C) in float64."""
    image = _real(image, "image")
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"image: expected shape (H, W) or (H, W, C), not empty, got {image.shape}")
    if not ((image >= 0) & (image <= 1)).all():
        raise ValueError("image: expected values from 0 to 1, got others")
    return image.reshape(*image.shape[:2], -1)


def _check_segmentation(scale, sigma, min_size):
    _number(scale, "scale")
    _number(sigma, "sigma")
    _whole_number(min_size, "min_size", low=0)


def _gaussian_weights(sigma):
    """Weights at distance 0, 1, ... of a Gaussian cut off at four standard deviations."""
    radius = int(4 * sigma + 0.5)
    if radius == 0:
        return [1.0]
    x = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * x**2)
    return (weights / weights.sum())[radius:].tolist()


def _mirrored(size, radius):
    """Indices -radius ... size + radius - 1 reflected into the picture, edge pixels repeated."""
    at = np.arange(-radius, size + radius) % (2 * size)
    return np.minimum(at, 2 * size - 1 - at)


def _smooth(image, weights):
    """A Gaussian blur along both axes, summed from the far neighbors to the near ones."""
    radius = len(weights) - 1
    for axis in (0, 1):
        size = image.shape[axis]
        padded = np.take(image, _mirrored(size, radius), axis=axis)
        part = [slice(None)] * 3

        def shifted(by, padded=padded, part=part, axis=axis, size=size):
            part[axis] = slice(radius + by, radius + by + size)
            return padded[tuple(part)]

        image = shifted(0) * weights[0]
        for by in range(radius, 0, -1):
            image = image + (shifted(-by) + shifted(by)) * weights[by]
    return image


def _distance(one, two):
    """Euclidean distance of colors, channel after channel."""
    total = np.zeros(one.shape[:2])
    for channel in range(one.shape[2]):
        total = total + (one[..., channel] - two[..., channel]) ** 2
    return np.sqrt(total).ravel()


def _edges(image):
    """Every pair of neighboring pixels of eight, with the difference of their colors."""
    pixel = np.arange(image.shape[0] * image.shape[1]).reshape(image.shape[:2])
    pairs = [
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[1:, :], np.s_[:-1, :]),
        (np.s_[1:, 1:], np.s_[:-1, :-1]),
        (np.s_[:-1, 1:], np.s_[1:, :-1]),
    ]
    costs = np.concatenate([_distance(image[a], image[b]) for a, b in pairs])
    ends = np.concatenate([np.stack([pixel[a], pixel[b]]).reshape(2, -1) for a, b in pairs], 1)
    return ends, costs


def _union_find(count, edges, costs, scale, min_size):
    """The root, its smallest pixel, of each pixel's segment. The edges come cheapest first.

    Each merge depends on all before it, so this is a plain loop over plain lists on both sides.
    """
    parent, size, inner = list(range(count)), [1] * count, [0.0] * count

    def root(node):
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def join(a, b):
        a, b = min(a, b), max(a, b)
        parent[b] = a
        size[a] += size[b]
        return a

    for (a, b), cost in zip(edges, costs, strict=True):
        a, b = root(a), root(b)
        if a != b and cost < min(inner[a] + scale / size[a], inner[b] + scale / size[b]):
            inner[join(a, b)] = cost
    for a, b in edges:
        a, b = root(a), root(b)
        if a != b and min(size[a], size[b]) < min_size:
            join(a, b)
    return [root(node) for node in range(count)]


def segment_felzenszwalb(image, scale=1.0, sigma=0.8, min_size=20):
    r"""Segments by merging neighbors. Edges between pixels are taken cheapest first; two segments
    are merged if the edge between them costs less than
    $\min_i (\mathrm{Int}(S_i) + k / |S_i|)$, with $\mathrm{Int}$ the dearest edge inside.

    The picture is blurred by sigma first; at the end segments smaller than min_size are merged
    with a neighbor. $k$ is scale / 255, as in scikit-image.

    Shapes: image (H, W) or (H, W, C) with values in [0, 1]; result (H, W), segments 0, 1, ... in
    the order of their first pixels.
    Raises: TypeError if image is not real, or an option no number; ValueError if image has another
    shape or other values, or an option is negative.
    Source: document 001 (region proposals); Felzenszwalb and Huttenlocher, 2004; `felzenszwalb` in
    scikit-image.
    """
    _check_segmentation(scale, sigma, min_size)
    image = _picture(image)
    ends, costs = _edges(_smooth(image, _gaussian_weights(sigma)))
    order = np.argsort(costs, kind="stable")
    count = image.shape[0] * image.shape[1]
    edges = ends[:, order].T.tolist()
    roots = _union_find(count, edges, costs[order].tolist(), scale / 255, min_size)
    return np.unique(roots, return_inverse=True)[1].reshape(image.shape[:2])


COLOR_BINS, DIRECTIONS, STRENGTHS = 25, 8, 10


def _color_bins(image):
    """For each pixel and channel, which of 25 ranges its value falls into."""
    bins = np.minimum(np.floor(image * COLOR_BINS), COLOR_BINS - 1).astype(np.int64)
    return bins + COLOR_BINS * np.arange(image.shape[2])


def _texture_bins(image):
    """For each pixel and channel, which of 8 directions and 10 strengths its gradient has."""
    height, width, channels = image.shape
    rows, columns = _mirrored(height, 1), _mirrored(width, 1)
    down = (image[rows[2:]] - image[rows[:-2]]) / 2
    right = (image[:, columns[2:]] - image[:, columns[:-2]]) / 2
    turn = np.floor(np.arctan2(down, right) / (2 * math.pi) * DIRECTIONS + 0.5) % DIRECTIONS
    strength = np.minimum(np.floor((abs(down) + abs(right)) * STRENGTHS), STRENGTHS - 1)
    bins = (turn * STRENGTHS + strength).astype(np.int64)
    return bins + DIRECTIONS * STRENGTHS * np.arange(channels)


def _histograms(segments, bins, count, width):
    """How often each bin occurs in each segment: (count, width)."""
    cells = (segments[..., None] * width + bins).ravel()
    return np.bincount(cells, minlength=count * width).reshape(count, width).astype(np.float64)


def _adjacent(segments, count):
    """Which segments touch, at an edge or a corner."""
    touch = np.zeros((count, count), dtype=bool)
    for a, b in (
        (segments[:, 1:], segments[:, :-1]),
        (segments[1:], segments[:-1]),
        (segments[1:, 1:], segments[:-1, :-1]),
        (segments[:-1, 1:], segments[1:, :-1]),
    ):
        touch[a, b] = touch[b, a] = True
    np.fill_diagonal(touch, False)
    return touch


def _segment_boxes(segments, count):
    """The box around each segment, whole numbers, x2 and y2 exclusive."""
    y, x = np.mgrid[: segments.shape[0], : segments.shape[1]]
    boxes = np.tile(np.array([max(segments.shape)] * 2 + [0] * 2), (count, 1))
    for column, place in enumerate((x, y)):
        np.minimum.at(boxes[:, column], segments.ravel(), place.ravel())
        np.maximum.at(boxes[:, column + 2], segments.ravel(), place.ravel() + 1)
    return boxes


def _similarity(one, size, box, color, texture, total):
    """How alike region `one` is to each region: color, texture, small size and good fit."""
    alike = 0.0
    for counts in (color, texture):
        shares = counts / counts.sum(axis=1, keepdims=True)
        alike = alike + np.minimum(shares[one], shares).sum(axis=1)
    first = np.minimum(box[one, :2], box[:, :2])
    hull = np.prod(np.maximum(box[one, 2:], box[:, 2:]) - first, axis=1)
    alike = alike + (1 - (size[one] + size) / total) + (1 - (hull - size[one] - size) / total)
    return np.rint(alike * 2.0**30)  # so that ties are ties whatever the order of the sums


def selective_search(image, scale=100.0, sigma=0.8, min_size=20):
    r"""Region proposals: merge the two neighboring segments that are most alike, again and again,
    and propose the box of every region that existed on the way.

    Alike means $s_\text{color} + s_\text{texture} + s_\text{size} + s_\text{fill}$: two histogram
    intersections $\sum_k \min(h_i^k, h_j^k)$, $1 - (|r_i| + |r_j|) / |I|$ and
    $1 - (|B_{ij}| - |r_i| - |r_j|) / |I|$.

    Shapes: image (H, W) or (H, W, C) with values in [0, 1]; result (K, 4) whole numbers, corners
    (x2, y2 exclusive), no box twice, the regions merged last first.
    Raises: TypeError if image is not real, or an option no number; ValueError if image has another
    shape or other values, or an option is negative.
    Source: document 001 (region proposals); Uijlings et al., 2013.
    """
    segments = segment_felzenszwalb(image, scale, sigma, min_size)
    image = _picture(image)
    count, total, channels = int(segments.max()) + 1, segments.size, image.shape[2]
    color = _histograms(segments, _color_bins(image), count, COLOR_BINS * channels)
    width = DIRECTIONS * STRENGTHS * channels
    texture = _histograms(segments, _texture_bins(image), count, width)
    size = np.bincount(segments.ravel()).astype(np.float64)
    box = _segment_boxes(segments, count)
    touch = _adjacent(segments, count)
    alike = np.stack([_similarity(i, size, box, color, texture, total) for i in range(count)])
    found = list(box.copy())
    for _ in range(count - 1):
        at = np.argmax(np.where(touch, alike, -np.inf))
        a, b = divmod(int(at), count)
        for counts in (color, texture, size):
            counts[a] += counts[b]
        box[a, :2] = np.minimum(box[a, :2], box[b, :2])
        box[a, 2:] = np.maximum(box[a, 2:], box[b, 2:])
        touch[a] |= touch[b]
        touch[:, a] |= touch[b]
        touch[b] = touch[:, b] = touch[a, a] = False
        alike[a] = alike[:, a] = _similarity(a, size, box, color, texture, total)
        found.append(box[a].copy())
    found = np.stack(found[::-1])
    return found[np.sort(np.unique(found, axis=0, return_index=True)[1])]


# --- YOLO: a grid of cells, each of which answers for the objects centered in it


def yolo_encode(boxes, labels, grid_size, num_classes):
    r"""The target of a grid: the cell with an object's center holds $(x, y, w, h, 1)$ and the
    class as one-hot; all others hold zeros.

    $x, y$ say where in its cell the center is, $w, h$ are shares of the picture. One cell can hold
    one object: of several, the first of the list stays.

    Shapes: boxes (M, 4), corners as shares of the picture in [0, 1]; labels (M,) whole numbers;
    result (S, S, 5 + C), rows first.
    Raises: TypeError if boxes are not real, or labels or a count not whole; ValueError if shapes
    do not fit, a box has no area or leaves the picture, or a label is not in 0 ... C - 1.
    Source: document 001 (YOLO); Redmon et al., 2016.
    """
    _whole_number(grid_size, "grid_size")
    _whole_number(num_classes, "num_classes")
    boxes = _corners(boxes)
    labels = _per_box(labels, len(boxes), "labels", whole=True)
    if not ((boxes >= 0) & (boxes <= 1)).all() or not (boxes[:, 2:] > boxes[:, :2]).all():
        raise ValueError("boxes: expected boxes with area inside [0, 1], got one that is not")
    if not ((labels >= 0) & (labels < num_classes)).all():
        raise ValueError(f"labels: expected 0 to {num_classes - 1}, got {labels.tolist()}")
    target = np.zeros((grid_size**2, 5 + num_classes))
    center = (boxes[:, :2] + boxes[:, 2:]) / 2 * grid_size
    cell = np.minimum(np.floor(center), grid_size - 1).astype(np.int64)
    at, first = np.unique(cell[:, 1] * grid_size + cell[:, 0], return_index=True)
    target[at, :2] = (center - cell)[first]
    target[at, 2:4] = (boxes[:, 2:] - boxes[:, :2])[first]
    target[at, 4] = 1.0
    target[at, 5 + labels[first]] = 1.0
    return target.reshape(grid_size, grid_size, -1)


def _anchors(anchors):
    anchors = _real(anchors, "anchors")
    if anchors.ndim != 2 or anchors.shape[1] != 2 or not len(anchors):
        raise ValueError(f"anchors: expected shape (B, 2), B > 0, got {anchors.shape}")
    if not (anchors > 0).all():
        raise ValueError("anchors: expected positive widths and heights, got one that is not")
    return anchors


def _grid(input, anchors):
    """The raw outputs as boxes (N, S, S, B, 5) and class scores (N, S, S, C)."""
    input, anchors = _real(input, "input"), _anchors(anchors)
    parts = 5 * len(anchors)
    if input.ndim != 4 or input.shape[1] != input.shape[2] or input.shape[3] <= parts:
        raise ValueError(
            f"input: expected shape (N, S, S, {parts} + C), five numbers for each of "
            f"{len(anchors)} anchors and C > 0 classes, got {input.shape}"
        )
    boxes = input[..., :parts].reshape(*input.shape[:3], len(anchors), 5)
    return boxes, input[..., parts:], anchors


def yolo_decode(input, anchors):
    r"""Boxes and scores from a grid's raw outputs $t$. In cell $(i, j)$, for anchor $b$:
    $x = (j + \sigma(t_x)) / S$, $y = (i + \sigma(t_y)) / S$, $w = a^w_b\,e^{t_w}$,
    $h = a^h_b\,e^{t_h}$; the score of class $c$ is $\sigma(t_o)\,\mathrm{softmax}(t)_c$.

    Shapes: input (N, S, S, 5B + C), five numbers for each anchor, then the classes; anchors
    (B, 2), width and height as shares of the picture; result a pair, boxes (N, S·S·B, 4) as
    corners and scores (N, S·S·B, C).
    Raises: TypeError if an array is not real; ValueError if shapes do not fit or an anchor is not
    positive.
    Source: document 001 (YOLO); Redmon and Farhadi, 2017.
    """
    raw, classes, anchors = _grid(input, anchors)
    count, size = raw.shape[:2]
    columns = np.arange(size)
    corner = np.stack(np.broadcast_arrays(columns, columns[:, None]), axis=-1)[:, :, None]
    center = (corner + sigmoid(raw[..., :2])) / size
    sides = anchors * np.exp(raw[..., 2:4])
    boxes = np.concatenate([center - sides / 2, center + sides / 2], axis=-1)
    scores = sigmoid(raw[..., 4:]) * softmax(classes, dim=-1)[..., None, :]
    boxes = boxes.reshape(count, size * size * len(anchors), 4)
    return boxes, scores.reshape(*boxes.shape[:2], classes.shape[-1])


def _yolo_target(target, input, anchors):
    """The target's parts: responsible (N, S, S, B), wanted (N, S, S, B, 4), one-hot classes."""
    target = _real(target, "target")
    shape = (*input.shape[:3], input.shape[3] - 5 * len(anchors) + 5)
    if target.shape != shape:
        raise ValueError(f"target: expected shape {shape}, got {target.shape}")
    there = target[..., 4]
    if not np.isin(there, (0.0, 1.0)).all():
        raise ValueError("target: expected 0 or 1 for 'an object is here', got something else")
    there = there == 1
    sides = np.where(there[..., None], target[..., 2:4], 1.0)[..., None, :]
    if not (sides > 0).all():
        raise ValueError("target: expected positive widths and heights, got one that is not")
    shared = np.prod(np.minimum(sides, anchors), axis=-1)
    shape_iou = shared / (np.prod(sides, axis=-1) + np.prod(anchors, axis=-1) - shared)
    best = np.argmax(shape_iou, axis=-1)
    responsible = (np.arange(len(anchors)) == best[..., None]) & there[..., None]
    place = np.broadcast_to(target[..., None, :2], (*responsible.shape, 2))
    wanted = np.concatenate([place, np.log(sides / anchors)], axis=-1)
    return responsible.astype(np.float64), wanted, target[..., 5:] * there[..., None]


def _check_loss(lambda_coord, lambda_noobj, reduction):
    _number(lambda_coord, "lambda_coord")
    _number(lambda_noobj, "lambda_noobj")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction: expected 'none', 'mean' or 'sum', got {reduction!r}")


def yolo_loss(input, target, anchors, lambda_coord=5.0, lambda_noobj=0.5, reduction="mean"):
    r"""What a grid's raw outputs cost, in four terms. With $r = 1$ for the anchor that is
    responsible, the one shaped most like the object in its cell, and 0 for all others:

    - place: $\lambda_\text{coord}$ times $\sum r\,[(\sigma(t_x) - x)^2 + (\sigma(t_y) - y)^2]$ and
      $\sum r\,[(t_w - \ln(w / a^w))^2 + (t_h - \ln(h / a^h))^2]$,
    - object: $-\sum r \ln \sigma(t_o)$,
    - no object: $-\lambda_\text{noobj} \sum (1 - r) \ln(1 - \sigma(t_o))$,
    - class: the cross-entropy of the classes in cells with an object.

    Reduction 'none' returns the terms of each picture, 'sum' their sum, 'mean' the sum for one
    picture on average. Target and anchors are data and have no gradient.

    Shapes: input (N, S, S, 5B + C), target (N, S, S, 5 + C) from `yolo_encode`, anchors (B, 2);
    result (N, 4) for 'none', else a number.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit, the target is not
    one, a weight is negative or reduction is unknown.
    Source: document 001 (YOLO); Redmon et al., 2016, with the logistic and softmax terms of its
    successors.
    """
    _check_loss(lambda_coord, lambda_noobj, reduction)
    raw, classes, anchors = _grid(input, anchors)
    responsible, wanted, one_hot = _yolo_target(target, np.asarray(input), anchors)
    errors = np.concatenate([sigmoid(raw[..., :2]), raw[..., 2:4]], axis=-1) - wanted
    place = lambda_coord * responsible * np.sum(errors**2, axis=-1)
    there = responsible * np.logaddexp(0.0, -raw[..., 4])
    nothing = lambda_noobj * (1 - responsible) * np.logaddexp(0.0, raw[..., 4])
    kind = -one_hot * log_softmax(classes, dim=-1)
    terms = np.stack([t.sum(axis=(1, 2, 3)) for t in (place, there, nothing, kind)], axis=1)
    if reduction == "none":
        return terms
    if reduction == "sum":
        return terms.sum()
    return terms.sum() / len(terms) if len(terms) else np.array(np.nan)


def yolo_loss_backward(
    grad_output, input, target, anchors, lambda_coord=5.0, lambda_noobj=0.5, reduction="mean"
):
    r"""Gradient in the raw outputs: $2 \lambda_\text{coord}\,r\,(\sigma(t_x) - x)\,\sigma'(t_x)$
    for the center, $2 \lambda_\text{coord}\,r\,(t_w - \ln(w / a^w))$ for the sides,
    $r\,(\sigma(t_o) - 1) + \lambda_\text{noobj} (1 - r)\,\sigma(t_o)$ for the object, and softmax
    minus one-hot for the classes.

    Shapes: grad_output as the result of `yolo_loss`; input and result (N, S, S, 5B + C).
    Raises: TypeError if an array is not real; ValueError if shapes do not fit.
    """
    _check_loss(lambda_coord, lambda_noobj, reduction)
    raw, classes, anchors = _grid(input, anchors)
    responsible, wanted, one_hot = _yolo_target(target, np.asarray(input), anchors)
    count = len(raw)
    grad = _cotangent(grad_output, (count, 4) if reduction == "none" else ())
    grad = np.broadcast_to(grad / max(count, 1) if reduction == "mean" else grad, (count, 4))
    place, there, nothing, kind = (grad[:, k, None, None, None] for k in range(4))

    share = sigmoid(raw)
    slope = np.concatenate([(share * (1 - share))[..., :2], np.ones((*raw.shape[:4], 2))], -1)
    errors = np.concatenate([share[..., :2], raw[..., 2:4]], axis=-1) - wanted
    r = responsible[..., None]
    grad_place = place[..., None] * 2 * lambda_coord * r * errors * slope
    grad_object = there * responsible * (share[..., 4] - 1)
    grad_object = grad_object + nothing * lambda_noobj * (1 - responsible) * share[..., 4]
    grad_raw = np.concatenate([grad_place, grad_object[..., None]], axis=-1)
    total = one_hot.sum(axis=-1, keepdims=True)
    grad_classes = kind * (total * softmax(classes, dim=-1) - one_hot)
    return np.concatenate(
        [grad_raw.reshape(*classes.shape[:3], 5 * len(anchors)), grad_classes], axis=-1
    )


# --- how good a detector is


def _check_method(method):
    if method not in ("coco", "all", "11-point"):
        raise ValueError(f"method: expected 'coco', 'all' or '11-point', got {method!r}")


def _average_precision(correct, total, method):
    """From `correct` in order of falling score; NaN without objects."""
    if total == 0:
        return np.nan
    hits = np.cumsum(correct)
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # with this recall or a higher one
    if method == "all":
        return np.sum(best[np.asarray(correct, dtype=bool)]) / total
    if method == "coco":
        at = np.searchsorted(hits / total, np.arange(101) * 0.01)
    else:  # in whole numbers, since 3 * 0.1 > 0.3
        at = np.searchsorted(10 * hits, np.arange(11) * total)
    return np.append(best, 0.0)[at].mean()


def average_precision(scores, correct, num_objects, method="coco"):
    r"""The area under the curve of precision over recall, made to fall: at each recall counts
    the best precision at this recall or a higher one, $p(r) = \max_{r' \ge r} \hat p(r')$.

    'all' is the exact area $\sum_k (r_k - r_{k-1})\,p(r_k)$, '11-point' the mean of $p$ at recall
    0, 0.1, ..., 1, and 'coco' that at 0, 0.01, ..., 1.

    Shapes: scores (N,) and correct (N,) booleans, for each detection whether it found an object
    of its own; num_objects a whole number; result a number, NaN if there are no objects.
    Raises: TypeError if scores are not real, correct is not boolean or num_objects not whole;
    ValueError if shapes do not fit, more detections are correct than there are objects, or method
    is unknown.
    Source: document 001 (evaluation); the PASCAL VOC and COCO challenges.
    """
    _check_method(method)
    _whole_number(num_objects, "num_objects", low=0)
    correct = np.asarray(correct)
    if correct.dtype.kind != "b":
        raise TypeError(f"correct: expected booleans, got an array of dtype {correct.dtype}")
    if correct.ndim != 1:
        raise ValueError(f"correct: expected shape (N,), got {correct.shape}")
    scores = _per_box(scores, len(correct), "scores")
    if correct.sum() > num_objects:
        raise ValueError(f"correct: expected at most {num_objects}, got {correct.sum()}")
    order = np.argsort(-scores, kind="stable")
    return np.array(_average_precision(correct[order], num_objects, method))


def _match(boxes, truths, thresholds):
    """Which boxes (T, D), best first, find an object of their own at each IoU threshold.

    Each box takes the object that it overlaps most of those still free, the last of a tie.
    """
    correct = np.zeros((len(thresholds), len(boxes)), dtype=bool)
    free = np.ones((len(thresholds), len(truths)), dtype=bool)
    if not len(truths):
        return correct
    overlap = _iou(boxes[:, None], truths[None])
    rows = np.arange(len(thresholds))
    for d in range(len(boxes)):
        left = np.where(free, overlap[d], -1.0)[:, ::-1]
        at = len(truths) - 1 - np.argmax(left, axis=1)
        correct[:, d] = free[rows, at] & (overlap[d, at] >= thresholds)
        free[rows, at] &= ~correct[:, d]
    return correct


def _thresholds(iou_thresholds):
    thresholds = _real(IOU_THRESHOLDS if iou_thresholds is None else iou_thresholds,
                       "iou_thresholds")  # fmt: skip
    if thresholds.ndim != 1 or not len(thresholds):
        raise ValueError(f"iou_thresholds: expected shape (T,), T > 0, got {thresholds.shape}")
    if not ((thresholds > 0) & (thresholds <= 1)).all():
        raise ValueError("iou_thresholds: expected numbers in (0, 1], got others")
    return thresholds


def mean_average_precision(
    boxes, scores, labels, images, true_boxes, true_labels, true_images,
    iou_thresholds=None, method="coco", max_detections=100,
):  # fmt: skip
    r"""COCO's mean average precision. In each picture and class the detections, best first, each
    take the free object that they overlap most, if their IoU reaches the threshold; the rest are
    false alarms. The average precision is taken for each class and threshold, then the mean.

    Shapes: boxes (N, 4) as corners, scores, labels and images (N,), the class of each detection
    and the picture it is in; true_boxes (M, 4), true_labels and true_images (M,);
    iou_thresholds (T,), None for 0.5, 0.55, ..., 0.95; result a pair: the mean, and (T, K) average
    precisions for each of the K classes that occur in true_labels, sorted. Without objects the
    mean is NaN.
    Raises: TypeError if an array has the wrong kind of numbers; ValueError if shapes do not fit, a
    box is turned inside out, a threshold is not in (0, 1] or method is unknown.
    Source: document 001 (evaluation); Lin et al., 2014; pycocotools.
    """
    _check_method(method)
    _whole_number(max_detections, "max_detections")
    thresholds = _thresholds(iou_thresholds)
    boxes, true_boxes = _corners(boxes), _corners(true_boxes, "true_boxes")
    scores = _per_box(scores, len(boxes), "scores")
    labels, images = (
        _per_box(values, len(boxes), name, whole=True)
        for values, name in ((labels, "labels"), (images, "images"))
    )
    true_labels, true_images = (
        _per_box(values, len(true_boxes), name, whole=True)
        for values, name in ((true_labels, "true_labels"), (true_images, "true_images"))
    )
    order = np.lexsort((np.arange(len(boxes)), -scores, images))  # as pycocotools breaks ties
    classes = np.unique(true_labels)
    table = np.zeros((len(thresholds), len(classes)))
    for column, label in enumerate(classes):
        found, truths = order[labels[order] == label], true_labels == label
        kept, correct = [], []
        for image in np.unique(images[found]):
            here = found[images[found] == image][:max_detections]
            kept.append(here)
            correct.append(
                _match(boxes[here], true_boxes[truths & (true_images == image)], thresholds)
            )
        if kept:
            kept, correct = np.concatenate(kept), np.concatenate(correct, axis=1)
            correct = correct[:, np.argsort(-scores[kept], kind="stable")]
        for row in range(len(thresholds)):
            hits = correct[row] if len(kept) else np.zeros(0, dtype=bool)
            table[row, column] = _average_precision(hits, truths.sum(), method)
    return np.array(table.mean() if table.size else np.nan), table
