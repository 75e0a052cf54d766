"""Sample inputs for boxes, suppression, proposals, YOLO's grid and scores, and their peers."""

import contextlib
import io

import numpy as np
import torch
import torch.nn.functional as F

from book.op import Case, Op

_EMPTY = np.zeros((0, 4))
_ONE = np.array([[1.0, 2.0, 5.0, 4.0]])
_TURNED = np.array([[5.0, 2.0, 1.0, 4.0]])


def _boxes(rng, count, size=64.0):
    """Boxes with area somewhere in a square, as corners."""
    first = rng.uniform(0, 0.75 * size, (count, 2))
    return np.concatenate([first, first + rng.uniform(size / 8, size / 2, (count, 2))], axis=1)


def _grid_boxes(rng, count):
    """Boxes whose corners are small whole numbers: they tie, nest and touch, all exactly."""
    first = rng.integers(0, 9, (count, 2))
    return np.concatenate([first, first + rng.integers(1, 7, (count, 2))], axis=1).astype(float)


# --- boxes


def _convert_sample(rng, shape):
    boxes = rng.normal(scale=8.0, size=(*shape, 4))
    formats = ("xyxy", "xywh", "cxcywh")
    return Case("ordinary", (boxes, *rng.choice(formats, 2).tolist()))


def _convert_cases(rng):
    for start in ("xyxy", "xywh", "cxcywh"):
        for end in ("xyxy", "xywh", "cxcywh"):
            yield Case(f"{start} to {end}", (_boxes(rng, 3), start, end))
    yield Case("one box", (_boxes(rng, 1)[0], "xyxy", "xywh"))
    yield Case("batches", (rng.normal(size=(2, 3, 4)), "cxcywh", "xyxy"))
    yield Case("no boxes", (_EMPTY, "xyxy", "cxcywh"))
    yield Case("large magnitude", (np.array([[-5e3, 2e3, 4e3, 3e3]]), "xyxy", "cxcywh"))
    yield Case("not contiguous", (rng.normal(size=(4, 6)).T[::2], "xywh", "xyxy"))
    yield Case("five numbers", (np.ones((2, 5)), "xyxy", "xywh"), raises=ValueError)
    yield Case("unknown start", (_ONE, "yxyx", "xywh"), raises=ValueError)
    yield Case("unknown end", (_ONE, "xyxy", "wh"), raises=ValueError)
    yield Case("complex", (_ONE * 1j, "xyxy", "xywh"), raises=TypeError)


def _area_sample(rng, shape):
    return Case("ordinary", (_boxes(rng, shape[0]),))


def _area_cases(rng):
    yield _area_sample(rng, (5,))
    yield Case("no boxes", (_EMPTY,))
    yield Case("as corner and size", (np.abs(_boxes(rng, 4)),), {"fmt": "xywh"})
    yield Case("as center and size", (np.abs(_boxes(rng, 4)),), {"fmt": "cxcywh"})
    yield Case("not contiguous", (_boxes(rng, 6)[::2],))
    yield Case("broadcast view", (np.broadcast_to(_ONE, (3, 4)),))
    yield Case("turned inside out", (_TURNED,), raises=ValueError)
    yield Case("one box alone", (_ONE[0],), raises=ValueError)
    yield Case("unknown format", (_ONE,), {"fmt": "xxyy"}, raises=ValueError)
    yield Case("complex", (_ONE * 1j,), raises=TypeError)


def _pair_sample(rng, shape):
    return Case("ordinary", (_boxes(rng, shape[0]), _boxes(rng, shape[1])))


def _pair_cases(rng):
    yield _pair_sample(rng, (4, 5))
    square = np.array([[0.0, 0.0, 64.0, 64.0]])
    yield Case("one box against itself", (square, square.copy()))
    inside = np.array([[16.0, 16.0, 48.0, 32.0], [0.0, 0.0, 32.0, 64.0], [0.0, 0.0, 64.0, 32.0]])
    yield Case("nested, with and without a shared edge", (square, inside))
    touching = np.array([[64.0, 16.0, 128.0, 48.0], [16.0, -48.0, 80.0, 0.0]])
    yield Case("touching", (square, touching))
    yield Case("apart", (square, square + 100.0))
    yield Case("large magnitude", (_boxes(rng, 3) * 64, _boxes(rng, 3) * 64))
    yield Case("none on one side", (_EMPTY, _boxes(rng, 3)))
    yield Case("none on the other", (_boxes(rng, 3), _EMPTY))
    yield Case("not contiguous", (_boxes(rng, 6)[::2], _boxes(rng, 4)[::-1]))
    yield Case("broadcast view", (np.broadcast_to(square, (3, 4)), _boxes(rng, 2)))
    yield Case("turned inside out", (_ONE, _TURNED), raises=ValueError)
    yield Case("one box alone", (_ONE[0], _ONE), raises=ValueError)
    yield Case("an infinite corner", (_ONE, _ONE * [1.0, 1.0, np.inf, 1.0]), raises=ValueError)
    yield Case("a corner that is NaN", (_ONE * np.nan, _ONE), raises=ValueError)
    yield Case("three numbers", (_ONE, np.ones((2, 3))), raises=ValueError)
    yield Case("complex", (_ONE * 1j, _ONE), raises=TypeError)


def _iou_cases(rng):
    yield from _pair_cases(rng)
    for fmt in ("xywh", "cxcywh"):
        yield Case(f"as {fmt}", (_boxes(rng, 3), _boxes(rng, 2)), {"fmt": fmt})
    yield Case("unknown format", (_ONE, _ONE), {"fmt": "xxyy"}, raises=ValueError)


def _pycocotools_iou(boxes1, boxes2, fmt="xyxy"):
    from pycocotools import mask

    def sized(boxes):
        first, last = boxes[:, :2], boxes[:, 2:]
        if fmt == "xyxy":
            last = last - first
        elif fmt == "cxcywh":
            first = first - last / 2
        return np.ascontiguousarray(np.concatenate([first, last], axis=1))

    if not len(boxes1) or not len(boxes2):
        return np.zeros((len(boxes1), len(boxes2)))
    return mask.iou(sized(boxes1), sized(boxes2), [0] * len(boxes2))


# --- non-maximum suppression


def _nms_sample(rng, shape):
    count = shape[0]
    return Case("ordinary", (_boxes(rng, count), rng.permutation(count) / 128, 0.5))


def _batched_sample(rng, shape):
    boxes, scores, threshold = _nms_sample(rng, shape).args
    return Case("ordinary", (boxes, scores, rng.integers(0, 3, shape[0]), threshold))


_STAIRS = np.array([[k, 0.0, k + 10.0, 10.0] for k in range(0, 24, 3)])  # each suppresses the next


def _nms_inputs(rng):
    yield "ordinary", (_boxes(rng, 40), rng.permutation(40) / 64, 0.5)
    for threshold in (0.0, 0.25, 0.75, 1.0):
        yield f"threshold {threshold}", (_grid_boxes(rng, 30), rng.permutation(30) / 32, threshold)
    yield "ties in the score", (_grid_boxes(rng, 40), rng.integers(0, 4, 40) / 4, 0.5)
    yield "the same box again and again", (np.repeat(_ONE, 5, axis=0), np.full(5, 0.5), 0.5)
    nested = np.array([[0.0, 0.0, 8.0, 8.0], [0.0, 0.0, 8.0, 4.0], [2.0, 2.0, 4.0, 4.0]])
    yield "nested, one of IoU equal to the threshold", (nested, np.array([0.5, 0.75, 0.25]), 0.5)
    touching = np.array([[0.0, 0.0, 4.0, 4.0], [4.0, 0.0, 8.0, 4.0], [0.0, 4.0, 4.0, 8.0]])
    yield "touching", (touching, np.array([0.5, 0.75, 0.25]), 0.0)
    yield "a chain", (_STAIRS, np.arange(8, 0, -1) / 8, 0.5)
    points = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 2.0, 2.0]])
    yield "boxes without area", (points, np.array([0.25, 0.5, 0.75]), 0.5)
    yield "one box", (_ONE, np.array([0.5]), 0.5)
    yield "no boxes", (_EMPTY, np.zeros(0), 0.5)
    yield "scores below zero", (_grid_boxes(rng, 9), -rng.permutation(9) / 8, 0.25)
    yield "not contiguous", (_grid_boxes(rng, 16)[::2], rng.permutation(16)[::2] / 16, 0.25)


def _bad_nms_inputs():
    one = np.array([0.5])
    yield "turned inside out", (_TURNED, one, 0.5), ValueError
    yield "a score too many", (_ONE, np.ones(2), 0.5), ValueError
    yield "a score that is NaN", (_ONE, np.array([np.nan]), 0.5), ValueError
    yield "a threshold above 1", (_ONE, one, 1.5), ValueError
    yield "a threshold in words", (_ONE, one, "half"), TypeError
    yield "complex scores", (_ONE, one * 1j, 0.5), TypeError


def _nms_cases(rng):
    for name, args in _nms_inputs(rng):
        yield Case(name, args)
    for name, args, error in _bad_nms_inputs():
        yield Case(name, args, raises=error)


def _batched_cases(rng):
    for name, (boxes, scores, threshold) in _nms_inputs(rng):
        yield Case(name, (boxes, scores, rng.integers(0, 3, len(boxes)), threshold))
    boxes, scores, threshold = _nms_sample(rng, (12,)).args
    yield Case("one class", (boxes, scores, np.zeros(12, int), threshold))
    yield Case("a class each", (boxes, scores, np.arange(12), threshold))
    yield Case("class numbers beyond counting", (boxes, scores, np.arange(12) % 2 * 2**40, 0.5))
    for name, (boxes, scores, threshold), error in _bad_nms_inputs():
        yield Case(name, (boxes, scores, np.zeros(1, int), threshold), raises=error)
    half = np.array([0.5])
    yield Case("classes as real numbers", (_ONE, half, half, 0.5), raises=TypeError)
    yield Case("a class too many", (_ONE, half, np.zeros(2, int), 0.5), raises=ValueError)


def _soft_sample(rng, shape):
    boxes, scores, _ = _nms_sample(rng, shape).args
    return Case("ordinary", (boxes, scores))


def _soft_cases(rng):
    for name, (boxes, scores, _) in _nms_inputs(rng):
        yield Case(name, (boxes, scores))
    boxes, scores, _ = _nms_sample(rng, (12,)).args
    yield Case("much doubt, few left", (boxes, scores), {"sigma": 0.125, "score_threshold": 0.05})
    for name, (boxes, scores, _), error in _bad_nms_inputs():
        if "threshold" not in name:
            yield Case(name, (boxes, scores), raises=error)
    half = np.array([0.5])
    yield Case("an infinite score", (_ONE, -half * np.inf), raises=ValueError)
    yield Case("sigma of zero", (_ONE, half), {"sigma": 0.0}, raises=ValueError)
    yield Case("sigma in words", (_ONE, half), {"sigma": "wide"}, raises=TypeError)


# --- where to look


def _windows_sample(rng, shape):
    size = int(rng.integers(1, 9)), int(rng.integers(1, 9))
    return Case("ordinary", (size, rng.integers(1, 7, (shape[0], 2)), int(rng.integers(1, 4))))


def _windows_cases(rng):
    sizes = np.array([[2, 3], [4, 4]])
    yield Case("ordinary", ((6, 8), sizes))
    yield Case("stride 2", ((6, 8), sizes, 2))
    yield Case("a stride that does not fit", ((7, 9), sizes, 3))
    yield Case("as large as the picture", ((4, 4), sizes))
    yield Case("larger than the picture", ((3, 3), sizes))
    yield Case("much larger than the picture", ((1, 1), sizes, 2))
    yield Case("no sizes", ((3, 3), np.zeros((0, 2), int)))
    yield Case("not contiguous", ((6, 8), sizes.T))
    yield Case("no stride", ((6, 8), sizes, 0), raises=ValueError)
    yield Case("half a stride", ((6, 8), sizes, 0.5), raises=TypeError)
    yield Case("half a window", ((6, 8), sizes / 2), raises=TypeError)
    yield Case("a window of size 0", ((6, 8), sizes * 0), raises=ValueError)
    yield Case("one size alone", ((6, 8), sizes[0]), raises=ValueError)
    yield Case("a picture with one side", ((6,), sizes), raises=ValueError)


def _image_sample(rng, shape):
    return Case("ordinary", (rng.random(shape[:3]),), {"scale": 100.0, "min_size": 2})


def _blocks(rng):
    """A picture of a few plain blocks with a little noise."""
    image = np.full((18, 24, 3), 0.25)
    image[2:9, 3:12] = (0.75, 0.25, 0.25)
    image[6:15, 14:22] = (0.25, 0.75, 0.25)
    image[11:16, 2:8] = (0.25, 0.25, 0.75)
    return image + rng.uniform(-0.05, 0.05, image.shape)


def _image_cases(rng):
    yield Case("blocks", (_blocks(rng),), {"scale": 100.0})
    yield Case("default options", (_blocks(rng),))
    yield Case("no blur", (_blocks(rng),), {"scale": 50.0, "sigma": 0.0, "min_size": 5})
    yield Case("much blur", (_blocks(rng),), {"scale": 10.0, "sigma": 2.5, "min_size": 1})
    yield Case("every size", (rng.random((9, 7, 3)),), {"scale": 200.0, "min_size": 0})
    yield Case("gray", (_blocks(rng)[..., 0],), {"scale": 100.0, "min_size": 8})
    yield Case("one pixel", (np.array([[0.5]]),))
    yield Case("one row", (rng.random((1, 12)),), {"scale": 100.0, "min_size": 2})
    yield Case("plain", (np.full((6, 6), 0.5),))
    yield Case("not contiguous", (_blocks(rng)[::2, ::-1],), {"scale": 100.0, "min_size": 4})
    image = np.full((4, 4), 0.5)
    yield Case("values from 0 to 255", (image * 400,), raises=ValueError)
    yield Case("a batch", (np.zeros((2, 3, 4, 4)),), raises=ValueError)
    yield Case("no pixels", (np.zeros((0, 4)),), raises=ValueError)
    yield Case("negative scale", (image,), {"scale": -1.0}, raises=ValueError)
    yield Case("sigma in words", (image,), {"sigma": "wide"}, raises=TypeError)
    yield Case("half a pixel", (image,), {"min_size": 0.5}, raises=TypeError)
    yield Case("complex", (image * 1j,), raises=TypeError)


def _skimage_felzenszwalb(image, scale=1.0, sigma=0.8, min_size=20):
    """Its labels in the order of their first pixels, so that the names of segments count not."""
    from skimage.segmentation import felzenszwalb

    axis = -1 if image.ndim == 3 else None
    labels = felzenszwalb(image, scale, sigma, min_size, channel_axis=axis)
    _, first, which = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[which].reshape(labels.shape)


# --- YOLO

_ANCHORS = np.array([[0.25, 0.5], [0.625, 0.25]])


def _shares(rng, count):
    """Boxes as shares of a picture, in 64ths, which bfloat16 holds exactly."""
    first = rng.integers(0, 40, (count, 2))
    return np.concatenate([first, first + rng.integers(4, 24, (count, 2))], axis=1) / 64


def _encode_sample(rng, shape):
    count = shape[0]
    return Case("ordinary", (_shares(rng, count), rng.integers(0, 3, count), 4, 3))


def _encode_cases(rng):
    yield _encode_sample(rng, (3,))
    yield Case("a fine grid", (_shares(rng, 6), rng.integers(0, 2, 6), 13, 2))
    yield Case("one cell", (_shares(rng, 2), np.array([1, 0]), 1, 2))
    yield Case("no objects", (_EMPTY, np.zeros(0, int), 4, 3))
    center = np.array([[0.25, 0.25, 0.75, 0.75]])
    yield Case("a center on a line", (center, np.array([0]), 2, 1))
    yield Case("two in a cell", (np.repeat(center, 2, axis=0), np.array([2, 1]), 3, 3))
    yield Case(
        "in the last corner", (np.array([[0.96875, 0.96875, 1.0, 1.0]]), np.array([0]), 2, 1)
    )
    good = center, np.array([0])
    yield Case("pixels instead of shares", (center * 64, good[1], 2, 1), raises=ValueError)
    yield Case("no area", (center[:, [0, 1, 0, 1]], good[1], 2, 1), raises=ValueError)
    yield Case("a class that does not exist", (center, np.array([1]), 2, 1), raises=ValueError)
    yield Case("a label too many", (center, np.array([0, 0]), 2, 1), raises=ValueError)
    yield Case("labels as real numbers", (center, np.array([0.0]), 2, 1), raises=TypeError)
    yield Case("no cells", (*good, 0, 1), raises=ValueError)
    yield Case("half a cell", (*good, 2.5, 1), raises=TypeError)


def _raw(rng, count, size, anchors, classes):
    return rng.normal(size=(count, size, size, 5 * anchors + classes))


def _grid_shape(shape):
    return shape[0], shape[1], max(shape[2], 1), max(shape[3], 1)


def _random_anchors(rng, count):
    return rng.uniform(0.125, 0.75, (count, 2))


def _decode_sample(rng, shape):
    count, size, anchors, classes = _grid_shape(shape)
    raw = _raw(rng, count, size, anchors, classes)
    return Case("ordinary", (raw, _random_anchors(rng, anchors)))


def _decode_cases(rng):
    yield Case("ordinary", (_raw(rng, 2, 3, 2, 4), _ANCHORS))
    yield Case("one anchor", (_raw(rng, 2, 2, 1, 3), _ANCHORS[:1]))
    yield Case("one class", (_raw(rng, 1, 2, 2, 1), _ANCHORS))
    yield Case("empty batch", (_raw(rng, 0, 2, 2, 3), _ANCHORS))
    yield Case("all zeros", (np.zeros((1, 2, 2, 12)), _ANCHORS))
    sure = np.zeros((1, 1, 1, 7))
    sure[..., [0, 1, 4, 5]] = 200.0, -200.0, 200.0, 200.0
    yield Case("large magnitude", (sure, _ANCHORS[:1]))
    yield Case("not contiguous", (_raw(rng, 4, 3, 2, 2)[::2].swapaxes(1, 2), _ANCHORS))
    yield from _bad_grids(rng, lambda input, anchors: ((input, anchors), {}))


def _bad_grids(rng, arguments):
    good = _raw(rng, 2, 3, 2, 4)
    for name, input, anchors, error in (
        ("no room for classes", good[..., :10], _ANCHORS, ValueError),
        ("not square", good[:, :2], _ANCHORS, ValueError),
        ("without a batch", good[0], _ANCHORS, ValueError),
        ("one anchor alone", good, _ANCHORS[0], ValueError),
        ("an anchor without width", good, _ANCHORS * [0.0, 1.0], ValueError),
        ("complex outputs", good * 1j, _ANCHORS, TypeError),
    ):
        args, kwargs = arguments(input, anchors)
        yield Case(name, args, kwargs, raises=error)


def _target(rng, count, size, classes, share=0.5):
    """Targets in which about a share of the cells holds an object."""
    target = np.zeros((count, size, size, 5 + classes))
    there = rng.random(target.shape[:3]) < share
    objects = int(there.sum())
    rows = np.concatenate(
        [rng.random((objects, 2)), rng.uniform(0.0625, 0.9375, (objects, 2)), np.ones((objects, 1)),
         np.eye(classes)[rng.integers(0, classes, objects)]], axis=1)  # fmt: skip
    target[there] = rows
    return target


def _loss_case(name, input, target, anchors=_ANCHORS, raises=None, **kwargs):
    """Target and anchors are data: nobody asks for their gradient."""
    kwargs = {"target": target, "anchors": anchors, **kwargs}
    return Case(name, (input,), kwargs, raises, constants=("target", "anchors"))


def _loss_sample(rng, shape):
    count, size, anchors, classes = _grid_shape(shape)
    raw, target = _raw(rng, count, size, anchors, classes), _target(rng, count, size, classes)
    return _loss_case("ordinary", raw, target, _random_anchors(rng, anchors))


def _loss_cases(rng):
    yield _loss_case("ordinary", _raw(rng, 2, 3, 2, 4), _target(rng, 2, 3, 4))
    for reduction in ("none", "sum", "mean"):
        pair = _raw(rng, 3, 2, 2, 3), _target(rng, 3, 2, 3)
        yield _loss_case(f"reduction {reduction}", *pair, reduction=reduction)
    weights = {"lambda_coord": 1.0, "lambda_noobj": 2.0}
    yield _loss_case("other weights", _raw(rng, 2, 2, 2, 3), _target(rng, 2, 2, 3), **weights)
    one = _raw(rng, 2, 2, 1, 3), _target(rng, 2, 2, 3)
    yield _loss_case("one anchor", *one, anchors=_ANCHORS[:1])
    yield _loss_case("one class", _raw(rng, 2, 2, 2, 1), _target(rng, 2, 2, 1))
    yield _loss_case("no objects", _raw(rng, 2, 2, 2, 3), np.zeros((2, 2, 2, 8)))
    yield _loss_case("an object in each cell", _raw(rng, 1, 3, 2, 3), _target(rng, 1, 3, 3, 1.0))
    yield _loss_case("empty batch", _raw(rng, 0, 2, 2, 3), _target(rng, 0, 2, 3), reduction="sum")
    tie = np.zeros((1, 1, 1, 7))
    tie[0, 0, 0] = 0.5, 0.5, 0.25, 0.25, 1.0, 0.0, 1.0
    twice = np.array([[0.5, 0.25], [0.5, 0.25]])
    yield _loss_case("anchors alike", _raw(rng, 1, 1, 2, 2), tie, twice, reduction="none")
    large = np.full((1, 1, 1, 12), 40.0)
    large[..., [2, 3, 7, 8]] = 2.0
    yield _loss_case("large magnitude", large, tie, reduction="none")
    view = _raw(rng, 4, 3, 2, 2)[::2].swapaxes(1, 2)
    yield _loss_case("not contiguous", view, _target(rng, 2, 3, 2))
    good = _raw(rng, 2, 3, 2, 4), _target(rng, 2, 3, 4)
    yield from _bad_grids(
        rng, lambda input, anchors: ((input,), {"target": good[1], "anchors": anchors})
    )
    yield _loss_case("another grid", good[0], good[1][:, :2, :2], raises=ValueError)
    half = good[1] * 0.5
    yield _loss_case("half an object", good[0], half, raises=ValueError)
    flat = _target(rng, 2, 3, 4, 1.0)
    flat[..., 2] = 0.0
    yield _loss_case("an object without width", good[0], flat, raises=ValueError)
    yield _loss_case("complex target", good[0], good[1] * 1j, raises=TypeError)
    yield _loss_case("negative weight", *good, raises=ValueError, lambda_coord=-1.0)
    yield _loss_case("unknown reduction", *good, raises=ValueError, reduction="average")


def _loss_by_torch(
    input, target, anchors, lambda_coord=5.0, lambda_noobj=0.5, reduction="mean"
):  # fmt: skip
    """The same loss, object after object, from PyTorch's own losses."""
    dtype = input.dtype
    input, target, anchors = input.double(), target.double(), anchors.double()
    count, boxes = len(input), len(anchors)
    terms = []
    for n in range(count):
        place = there = nothing = kind = input.sum() * 0
        for i, j in np.ndindex(*input.shape[1:3]):
            raw = input[n, i, j, : 5 * boxes].reshape(boxes, 5)
            aim = target[n, i, j]
            best = -1
            if aim[4] == 1:
                shared = [min(aim[2], a[0]) * min(aim[3], a[1]) for a in anchors]
                ious = [
                    s / (aim[2] * aim[3] + a.prod() - s)
                    for s, a in zip(shared, anchors, strict=True)
                ]
                best = ious.index(max(ious))
                kind = kind + F.cross_entropy(input[n, i, j, 5 * boxes :], aim[5:].argmax())
                ratio = (aim[2:4] / anchors[best]).log()
                square = F.mse_loss(raw[best, :2].sigmoid(), aim[:2], reduction="sum")
                place = place + square + F.mse_loss(raw[best, 2:4], ratio, reduction="sum")
            for b in range(boxes):
                hit = raw.new_tensor(float(b == best))
                cost = F.binary_cross_entropy_with_logits(raw[b, 4], hit)
                there, nothing = there + cost * hit, nothing + cost * (1 - hit)
        terms += [lambda_coord * place, there, lambda_noobj * nothing, kind]
    nothing = input.sum() * 0  # so that a gradient flows, if only one of zeros
    terms = torch.stack(terms).reshape(count, 4) if terms else nothing.expand(0, 4)
    total = terms if reduction == "none" else terms.sum() + nothing
    if reduction == "mean":
        total = total / total.new_tensor(float(count))
    return total.to(dtype)


# --- scores


def _ap_sample(rng, shape):
    count = shape[0]
    correct = rng.random(count) < 0.5
    total = int(correct.sum()) + int(rng.integers(1, 4))
    return Case("ordinary", (rng.permutation(count) / 64, correct, total))


def _ap_cases(rng):
    scores, correct = rng.permutation(40) / 64, rng.random(40) < 0.5
    total = int(correct.sum()) + 7
    for method in ("coco", "all", "11-point"):
        yield Case(method, (scores, correct, total), {"method": method})
        ten = np.arange(10, 0, -1) / 16, np.array([1, 1, 0, 1, 0, 0, 1, 0, 0, 1], bool)
        yield Case(f"ten boxes, {method}", (*ten, 5), {"method": method})
        tied = rng.integers(0, 4, 20) / 4, rng.random(20) < 0.5
        yield Case(f"ties, {method}", (*tied, 20), {"method": method})
        yield Case(f"all found, {method}", (scores, np.ones(40, bool), 40), {"method": method})
        yield Case(f"nothing found, {method}", (scores, correct & False, 3), {"method": method})
        yield Case(f"no detections, {method}", (scores[:0], correct[:0], 3), {"method": method})
    yield Case("no objects", (scores[:3], np.zeros(3, bool), 0))
    yield Case("not contiguous", (scores[::2], correct[::-2], 40))
    yield Case("more found than there are", (scores, correct, 2), raises=ValueError)
    yield Case("counts instead of booleans", (scores, correct * 1, total), raises=TypeError)
    yield Case("a score too few", (scores[1:], correct, total), raises=ValueError)
    yield Case("a table", (scores[:4], correct[:4, None], total), raises=ValueError)
    yield Case("NaN", (scores * np.nan, correct, total), raises=ValueError)
    yield Case("complex scores", (scores * 1j, correct, total), raises=TypeError)
    yield Case("half an object", (scores, correct, 40.5), raises=TypeError)
    yield Case("unknown method", (scores, correct, total), {"method": "voc"}, raises=ValueError)


def _scene(rng, images, objects, classes, false_alarms=3):
    """Objects in pictures, and detections: jittered, missed, doubled, mistaken, made up."""
    truths = [_boxes(rng, objects) for _ in range(images)]
    true_images = np.repeat(np.arange(images), objects)
    true_boxes = np.round(np.concatenate([_EMPTY, *truths]))
    true_labels = rng.integers(0, classes, len(true_boxes))
    seen = rng.integers(0, len(true_boxes), 2 * len(true_boxes)) if len(true_boxes) else []
    seen = np.asarray(seen, dtype=int)
    boxes = true_boxes[seen] + rng.integers(-2, 3, (len(seen), 4))
    labels = np.where(rng.random(len(seen)) < 0.9, true_labels[seen], 0)
    extra = np.round(_boxes(rng, false_alarms))
    boxes = np.concatenate([boxes, extra])
    labels = np.concatenate([labels, rng.integers(0, classes, false_alarms)])
    pictures = rng.integers(0, max(images, 1), false_alarms)
    pictures = np.concatenate([true_images[seen], pictures])
    scores = rng.permutation(len(boxes)) / 128
    return boxes, scores, labels, pictures, true_boxes, true_labels, true_images


def _map_sample(rng, shape):
    return Case("ordinary", _scene(rng, shape[0], 3, 2))


def _map_cases(rng):
    yield Case("ordinary", _scene(rng, 5, 4, 3))
    yield Case("one threshold", _scene(rng, 4, 5, 2), {"iou_thresholds": np.array([0.5])})
    few = {"max_detections": 2}
    yield Case("two detections a picture", _scene(rng, 3, 5, 2), few)
    scene = list(_scene(rng, 4, 4, 2))
    scene[1] = rng.integers(0, 3, len(scene[0])) / 4
    yield Case("ties in the score", tuple(scene))
    boxes = np.array([[0.0, 0.0, 8.0, 8.0], [0.0, 0.0, 8.0, 6.0], [2.0, 0.0, 10.0, 8.0]])
    zeros = np.zeros(3, int)
    twins = np.array([[0.0, 0.0, 8.0, 8.0], [0.0, 0.0, 8.0, 8.0]])
    nested = boxes, np.array([0.5, 0.75, 0.25]), zeros, zeros, twins, zeros[:2], zeros[:2]
    yield Case("twins, doubly found", nested)
    yield Case("objects far down the numbers", (*nested[:2], zeros + 7, zeros + 9, *nested[4:]))
    nothing = _EMPTY, np.zeros(0), zeros[:0], zeros[:0]
    yield Case("no detections", (*nothing, *nested[4:]))
    scene = _scene(rng, 3, 4, 2)
    yield Case("not contiguous", (*(a[::2] for a in scene[:4]), *(a[::-1] for a in scene[4:])))
    yield Case("a label too few", (*nested[:2], zeros[:2], *nested[3:]), raises=ValueError)
    yield Case("labels as real numbers", (*nested[:2], zeros / 2, *nested[3:]), raises=TypeError)
    yield Case("a box turned inside out", (_TURNED, *(a[:1] for a in nested[1:4]), *nested[4:]),
               raises=ValueError)  # fmt: skip
    for name, kwargs, error in (
        ("unknown method", {"method": "voc"}, ValueError),
        ("a threshold of 0", {"iou_thresholds": np.array([0.0])}, ValueError),
        ("no thresholds", {"iou_thresholds": np.zeros(0)}, ValueError),
        ("half a detection", {"max_detections": 0.5}, TypeError),
    ):
        yield Case(name, nested, kwargs, raises=error)


def pycocotools_map(
    boxes, scores, labels, images, true_boxes, true_labels, true_images,
    iou_thresholds=None, max_detections=100,
):  # fmt: skip
    """COCO's own evaluation, of annotations made on the spot."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def entries(boxes, labels, images, **more):
        rows = zip(boxes.tolist(), labels.tolist(), images.tolist(), strict=True)
        for number, ((x1, y1, x2, y2), label, image) in enumerate(rows, 1):
            entry = {"id": number, "image_id": image, "category_id": label, "iscrowd": 0}
            entry |= {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
            yield entry | {key: values[number - 1] for key, values in more.items()}

    def dataset(annotations):
        pictures = np.union1d(images, true_images).tolist()
        kinds = np.union1d(labels, true_labels).tolist()
        data = COCO()
        data.dataset = {
            "images": [{"id": k} for k in pictures],
            "categories": [{"id": k} for k in kinds],
            "annotations": list(annotations),
        }
        data.createIndex()
        return data

    thresholds = np.linspace(0.5, 0.95, 10) if iou_thresholds is None else iou_thresholds
    classes = np.unique(true_labels)
    if not len(classes):
        return np.nan, np.zeros((len(thresholds), 0))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = dataset(entries(true_boxes, true_labels, true_images))
        found = dataset(entries(boxes, labels, images, score=scores.tolist()))
        judge = COCOeval(truth, found, "bbox")
        judge.params.iouThrs, judge.params.maxDets = thresholds, [max_detections]
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][..., 0, 0].mean(axis=1)  # thresholds, classes
    table = precision[:, np.isin(judge.params.catIds, classes)]
    return table.mean(), table


def _ap_by_others(scores, correct, num_objects, method="coco"):
    """pycocotools for 'coco', where each hit is an object found; the formulas of PASCAL VOC's
    development kit for the others, recall by recall."""
    if not num_objects:
        return np.nan
    if method == "coco":
        at = np.where(correct, np.cumsum(correct) - 1, num_objects + np.arange(len(correct)))
        box = np.array([0.0, 0.0, 8.0, 8.0])
        boxes, truths = (box + 16.0 * k[:, None] for k in (at, np.arange(num_objects)))
        here, there = np.zeros(len(at), int), np.zeros(num_objects, int)
        half, many = np.array([0.5]), max(len(at), 1)
        return pycocotools_map(boxes, scores, here, here, truths, there, there, half, many)[0]
    order = np.argsort(-scores, kind="mergesort")
    hits = np.cumsum(correct[order])
    recall, precision = hits / num_objects, hits / np.arange(1, len(hits) + 1)
    if method == "11-point":
        best = [precision[recall >= k / 10].max(initial=0.0) for k in range(11)]
        return np.mean(best)
    recall = np.concatenate([[0.0], recall, [1.0]])
    precision = np.concatenate([[0.0], precision, [0.0]])
    for k in range(len(precision) - 2, -1, -1):
        precision[k] = max(precision[k], precision[k + 1])
    return np.sum(np.diff(recall) * precision[1:])


OPS = [
    Op("box_convert", _convert_sample, _convert_cases, bench_shape=(100_000,)),
    Op("box_area", _area_sample, _area_cases, min_ndim=1, bench_shape=(100_000,)),
    Op(
        "box_iou",
        _pair_sample,
        _iou_cases,
        numpy_peers=(_pycocotools_iou,),
        min_ndim=2,
        bench_shape=(500, 500),
    ),
    Op("generalized_box_iou", _pair_sample, _pair_cases, min_ndim=2, bench_shape=(500, 500)),
    Op("nms", _nms_sample, _nms_cases, min_ndim=1, bench_shape=(2000,)),
    Op("batched_nms", _batched_sample, _batched_cases, min_ndim=1, bench_shape=(2000,)),
    Op("soft_nms", _soft_sample, _soft_cases, min_ndim=1),
    Op("sliding_windows", _windows_sample, _windows_cases, min_ndim=1),
    Op(
        "segment_felzenszwalb",
        _image_sample,
        _image_cases,
        numpy_peers=(_skimage_felzenszwalb,),
        min_ndim=2,
    ),
    Op("selective_search", _image_sample, _image_cases, min_ndim=2),
    Op("yolo_encode", _encode_sample, _encode_cases, min_ndim=1),
    Op("yolo_decode", _decode_sample, _decode_cases, min_ndim=4, bench_shape=(64, 13, 5, 20)),
    Op(
        "yolo_loss",
        _loss_sample,
        _loss_cases,
        torch_peers=(_loss_by_torch,),
        min_ndim=4,
    ),
    Op("average_precision", _ap_sample, _ap_cases, numpy_peers=(_ap_by_others,), min_ndim=1),
    Op(
        "mean_average_precision",
        _map_sample,
        _map_cases,
        numpy_peers=(pycocotools_map,),
        min_ndim=1,
    ),
]
