"""The worked examples, errata and experiments of the documents that concern detection.

What the parity tests cannot see is here too: suppression of more boxes than fit a block, the way
there and back through YOLO's grid, and torchvision, where it can be imported.
"""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut

from book.detection import cases, pytorch
from book.detection import reference as f
from book.detection.scenes import INK, compose

# --- worked examples


@pytest.mark.parametrize(
    "shift, iou", [(0.4251, 0.4034), (0.1541, 0.7330), (0.0382, 0.9264)], ids=str
)
def test_w83(shift, iou):
    """Unit squares a shift d apart overlap by (1 - d) / (1 + d): poor, good and excellent."""
    square = np.array([[0.0, 0.0, 1.0, 1.0]])
    moved = square + np.array([shift, 0.0, shift, 0.0])
    (got,) = f.box_iou(square, moved).ravel()
    assert got == pytest.approx((1 - shift) / (1 + shift), rel=1e-12)
    assert round(got, 4) == pytest.approx(iou, abs=1.01e-4)
    (same,) = pytorch.box_iou(torch.tensor(square), torch.tensor(moved)).flatten().tolist()
    assert same == pytest.approx(got, rel=1e-13)


@pytest.mark.parametrize("shift, iou", [(24, 0.4061), (8, 0.7337), (2, 0.9238)])
def test_w83_along_the_diagonal(shift, iou):
    square = np.array([[0.0, 0.0, 100.0, 100.0]])
    assert f.box_iou(square, square + shift).item() == pytest.approx(iou, abs=5e-5)


def test_average_precision_of_ten_boxes_by_hand():
    """Hits at ranks 1, 2, 4, 7 and 10 of five objects: precision 1, 1, 3/4, 4/7, 5/10 there."""
    scores = np.arange(10, 0, -1) / 10
    correct = np.isin(np.arange(1, 11), (1, 2, 4, 7, 10))
    exact = (1 + 1 + 3 / 4 + 4 / 7 + 1 / 2) / 5
    assert f.average_precision(scores, correct, 5, "all") == pytest.approx(exact)
    eleven = (5 * 1 + 2 * 3 / 4 + 2 * 4 / 7 + 2 * 1 / 2) / 11  # at recall 0-.4, .5-.6, .7-.8, .9-1
    assert f.average_precision(scores, correct, 5, "11-point") == pytest.approx(eleven)
    coco = (41 * 1 + 20 * 3 / 4 + 20 * 4 / 7 + 20 * 1 / 2) / 101
    assert f.average_precision(scores, correct, 5, "coco") == pytest.approx(coco)


# --- errata


def test_e65():
    """Two cars, each seen twice: suppressing all that remain loses the second car."""
    cars = np.array([[0, 0, 10, 6], [1, 0, 11, 6], [30, 0, 40, 6], [30, 1, 40, 7]], dtype=float)
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    kept = f.nms(cars, scores, 0.5)
    assert scores[kept].tolist() == [0.9, 0.7]
    assert f.nms(cars, scores, 0.0).tolist() == kept.tolist()  # apart, they never suppress
    assert scores[[np.argmax(scores)]].tolist() == [0.9]  # 'suppress the remaining'


def test_e66():
    """S×S are grid cells, and the tensor shows it: S·S·(5B + C) numbers."""
    size, classes, anchors = 7, 20, np.array([[0.3, 0.3], [0.6, 0.6]])
    raw = np.zeros((1, size, size, 5 * len(anchors) + classes))
    assert raw[0].size == 7 * 7 * 30
    boxes, scores = f.yolo_decode(raw, anchors)
    assert boxes.shape == (1, size * size * 2, 4)
    assert scores.shape == (1, size * size * 2, classes)
    with pytest.raises(ValueError, match="expected shape"):
        f.yolo_decode(raw[..., :10], anchors)


def test_e67():
    """IoU only measures: the same overlaps keep few boxes or many, as the threshold says."""
    boxes, scores = jittered_boxes()
    kept = [len(f.nms(boxes, scores, threshold)) for threshold in (0.3, 0.9)]
    assert kept[0] < kept[1]


# --- experiments


def jittered_boxes():
    """Thirty detections, ten around each of three objects."""
    rng = np.random.default_rng(0)
    objects = np.array([[10, 10, 50, 50], [70, 20, 110, 60], [40, 80, 80, 120]], dtype=float)
    return np.repeat(objects, 10, axis=0) + rng.normal(scale=2.0, size=(30, 4)), rng.random(30)


def test_x92():
    boxes, scores = jittered_boxes()
    kept = [len(f.nms(boxes, scores, threshold)) for threshold in (0.3, 0.5, 0.7, 0.9)]
    assert kept[:2] == [3, 3]
    assert kept == sorted(kept)
    assert kept[-1] > 15


SIZES = np.array([(s, int(s * r)) for s in (32, 64, 128) for r in (0.5, 1, 2)])


@pytest.mark.parametrize("stride, count", [(4, 23_609), (1, 366_857)])
def test_x93(stride, count):
    windows = f.sliding_windows((240, 320), SIZES, stride)
    assert windows.shape == (count, 4)
    assert windows.min() == 0 and windows[:, [0, 2]].max() == 320 and windows[:, 3].max() <= 240


def test_x93_proposals():
    """A few proposals find what thousands of windows find."""
    image, objects = np.full((60, 80, 3), 0.25), []
    colors = ((0.9, 0.2, 0.2), (0.2, 0.9, 0.2), (0.2, 0.2, 0.9))
    for color, (x1, y1, x2, y2) in zip(
        colors, ((8, 6, 30, 24), (44, 10, 72, 34), (20, 36, 40, 56)), strict=True
    ):
        image[y1:y2, x1:x2] = color
        objects.append([x1, y1, x2, y2])
    proposals = f.selective_search(image, scale=100.0, sigma=0.0)
    recall = f.box_iou(np.array(objects), proposals).max(axis=1) >= 0.5
    assert recall.all()
    assert len(proposals) <= 7  # four segments, three mergers


# --- what the cases cannot show


def test_torch_suppression_goes_block_by_block(monkeypatch):
    """The fixed point and the blocks give the greedy loop's answer, wherever the cuts fall."""
    rng = np.random.default_rng(1)
    first = rng.integers(0, 40, (200, 2))
    boxes = np.concatenate([first, first + rng.integers(1, 16, (200, 2))], axis=1).astype(float)
    scores, idxs = rng.integers(0, 50, 200) / 64, rng.integers(0, 3, 200)
    tensors = [torch.tensor(a) for a in (boxes, scores, idxs)]
    for block in (1, 7, 64, 200, 1000):
        monkeypatch.setattr(pytorch, "BLOCK", block)
        for threshold in (0.0, 0.3, 0.7):
            expected = f.nms(boxes, scores, threshold).tolist()
            assert pytorch.nms(*tensors[:2], threshold).tolist() == expected
            expected = f.batched_nms(boxes, scores, idxs, threshold).tolist()
            assert pytorch.batched_nms(*tensors, threshold).tolist() == expected


def test_a_chain_of_suppressions_as_long_as_the_list():
    """Each box overlaps the next only, so that every second one survives: the slowest case."""
    left = np.arange(60) * 3.0
    boxes = np.stack([left, 0 * left, left + 5, 0 * left + 4], axis=1)
    scores = np.arange(60, 0, -1) / 64
    assert f.nms(boxes, scores, 0.2).tolist() == list(range(0, 60, 2))
    assert pytorch.nms(torch.tensor(boxes), torch.tensor(scores), 0.2).tolist() == list(
        range(0, 60, 2)
    )


def test_soft_suppression_doubts_where_the_greedy_one_drops():
    boxes = np.array([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 8.0], [40.0, 0.0, 50.0, 10.0]])
    scores = np.array([0.9, 0.8, 0.7])
    assert f.nms(boxes, scores, 0.5).tolist() == [0, 2]
    order, lowered = f.soft_nms(boxes, scores)
    assert order.tolist() == [0, 2, 1]
    assert lowered.tolist() == pytest.approx([0.9, 0.7, 0.8 * np.exp(-(0.8**2) / 0.5)])


def test_decoding_what_was_encoded_gives_the_boxes_back():
    """Raw outputs that hit a target exactly decode to its boxes, and cost nothing to place."""
    boxes = np.array([[0.1, 0.2, 0.4, 0.5], [0.5, 0.55, 0.95, 0.9]])
    anchors = np.array([[0.3, 0.3], [0.5, 0.4]])
    target = f.yolo_encode(boxes, np.array([0, 2]), 4, 3)[None]
    raw = np.full((1, 4, 4, 13), -20.0)
    with np.errstate(divide="ignore"):
        for b, anchor in enumerate(anchors):
            share = np.clip(target[..., :2], 1e-12, 1 - 1e-12)
            raw[..., 5 * b : 5 * b + 2] = np.log(share / (1 - share))
            raw[..., 5 * b + 2 : 5 * b + 4] = np.log(
                np.where(target[..., 4:5] > 0, target[..., 2:4], anchor) / anchor
            )
            raw[..., 5 * b + 4] = 40 * target[..., 4] - 20
    raw[..., 10:] = 40 * target[..., 5:] - 20
    found, scores = f.yolo_decode(raw, anchors)
    sure = scores[0].max(axis=1) > 0.5
    overlap = f.box_iou(boxes, found[0][sure])
    assert overlap.max(axis=1) == pytest.approx([1.0, 1.0])
    place, _, _, kind = f.yolo_loss(raw, target, anchors, reduction="none")[0]
    assert place < 1e-15 and kind < 1e-15


@given(seed=st.integers(0, 2**32 - 1))
def test_generalized_iou_is_never_above_iou(seed):
    rng = np.random.default_rng(seed)
    first = rng.uniform(-10, 10, (6, 2))
    boxes = np.concatenate([first, first + rng.uniform(0.01, 10, (6, 2))], axis=1)
    iou, general = f.box_iou(boxes, boxes), f.generalized_box_iou(boxes, boxes)
    assert (general <= iou + 1e-12).all() and (general > -1).all()
    assert np.diag(general) == pytest.approx(np.ones(6))
    assert iou == pytest.approx(iou.T)


@pytest.mark.parametrize("options", [(1.0, 0.8, 20), (100.0, 0.5, 20), (300.0, 1.5, 50)], ids=str)
def test_segments_of_a_photograph_are_those_of_scikit_image(options):
    image = astronaut()[::5, ::5] / 255
    segments = f.segment_felzenszwalb(image, *options)
    assert np.array_equal(segments, cases._skimage_felzenszwalb(image, *options))
    assert torch.equal(
        pytorch.segment_felzenszwalb(torch.tensor(image), *options), torch.tensor(segments)
    )


@given(
    seed=st.integers(0, 2**32 - 1),
    pictures=st.integers(1, 5),
    objects=st.integers(1, 6),
    kinds=st.integers(1, 3),
    ties=st.booleans(),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_mean_average_precision_is_that_of_pycocotools(seed, pictures, objects, kinds, ties):
    rng = np.random.default_rng(seed)
    scene = list(cases._scene(rng, pictures, objects, kinds))
    if ties:
        scene[1] = rng.integers(0, 4, len(scene[1])) / 4
    mean, table = f.mean_average_precision(*scene)
    expected, whole = cases.pycocotools_map(*scene)
    assert mean == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(table, whole, rtol=1e-12)
    same, _ = pytorch.mean_average_precision(*map(torch.tensor, scene))
    assert same.item() == pytest.approx(expected, rel=1e-12)


# --- scenes


@pytest.fixture(scope="module")
def composed():
    rng = np.random.default_rng(0)
    glyphs = np.zeros((5, 28, 28))
    glyphs[:, 4:24, 8:20] = rng.uniform(0.6, 1.0, (5, 20, 12))
    textures = [rng.uniform(0, 1, (60, 70))]
    return glyphs, np.arange(5), textures


def test_scenes_have_the_boxes_that_they_promise(composed):
    glyphs, labels, _ = composed
    dark = [np.zeros((50, 50))]
    images, boxes, kinds = compose(glyphs, labels, dark, 30, objects=(1, 1), clutter=0, seed=1)
    assert images.shape == (30, 48, 48)
    for image, box, kind in zip(images, boxes, kinds, strict=True):
        assert len(kind) == 1 and kind[0] in labels
        y, x = np.nonzero(image > INK)
        assert box.tolist() == [[x.min(), y.min(), x.max() + 1, y.max() + 1]]


def test_scenes_keep_objects_inside_apart_and_countable(composed):
    images, boxes, kinds = compose(*composed, 60, objects=(0, 4), max_iou=0.1, seed=2)
    assert images.min() >= 0 and images.max() <= 1
    assert {len(box) for box in boxes} == {0, 1, 2, 3, 4}
    for box, kind in zip(boxes, kinds, strict=True):
        assert box.shape == (len(kind), 4) and kind.dtype == np.int64
        assert (box >= 0).all() and (box <= 48).all()
        assert (np.triu(f.box_iou(box, box), k=1) <= 0.1).all()


def test_scenes_repeat_with_their_seed(composed):
    one, two, other = (compose(*composed, 5, seed=seed)[0] for seed in (3, 3, 4))
    assert np.array_equal(one, two) and not np.array_equal(one, other)


def test_scenes_refuse_what_cannot_be_composed(composed):
    glyphs, labels, textures = composed
    with pytest.raises(ValueError, match="glyphs, labels: expected"):
        compose(glyphs, labels[1:], textures, 1)
    with pytest.raises(ValueError, match="textures: expected"):
        compose(glyphs, labels, [textures[0][:20]], 1)
    with pytest.raises(ValueError, match="sides: expected"):
        compose(glyphs, labels, textures, 1, sides=(20, 80))
    with pytest.raises(ValueError, match="glyphs: expected some ink"):
        compose(0 * glyphs, labels, textures, 1)


# --- the page


def test_every_item_of_the_chapter_is_on_its_page():
    page = (Path(f.__file__).parent / "chapter.md").read_text()
    for number in (65, 66, 67):
        assert re.search(rf"\[E{number}\]\(errata-e{number}\)", page), number
    for item in ("W83", "X92", "X93"):
        assert item in page, item


# --- torchvision, whose wheel on PyPI does not import beside a CPU build of PyTorch


@pytest.fixture(scope="module")
def ops():
    try:
        from torchvision import ops
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision cannot be imported here: {error}")
    return ops


def random_boxes(rng, count):
    first = rng.uniform(0, 80, (count, 2))
    return torch.tensor(np.concatenate([first, first + rng.uniform(5, 40, (count, 2))], axis=1))


def test_boxes_are_those_of_torchvision(ops):
    rng = np.random.default_rng(2)
    one, two = random_boxes(rng, 20), random_boxes(rng, 30)
    for start in f.FORMATS:
        for end in f.FORMATS:
            theirs = ops.box_convert(one, start, end)
            torch.testing.assert_close(pytorch.box_convert(one, start, end), theirs)
    torch.testing.assert_close(pytorch.box_area(one), ops.box_area(one))
    torch.testing.assert_close(pytorch.box_iou(one, two), ops.box_iou(one, two))
    theirs = ops.generalized_box_iou(one, two)
    torch.testing.assert_close(pytorch.generalized_box_iou(one, two), theirs)
    assert f.generalized_box_iou(one.numpy(), two.numpy()) == pytest.approx(theirs.numpy())


def test_suppression_is_that_of_torchvision(ops):
    rng = np.random.default_rng(3)
    boxes = random_boxes(rng, 300)
    scores, idxs = torch.tensor(rng.random(300)), torch.tensor(rng.integers(0, 4, 300))
    try:
        ops.nms(boxes[:1], scores[:1], 0.5)
    except (NotImplementedError, RuntimeError) as error:
        pytest.skip(f"torchvision's nms does not run here: {error}")
    for threshold in (0.1, 0.3, 0.5, 0.9):
        theirs = ops.nms(boxes, scores, threshold)
        assert torch.equal(pytorch.nms(boxes, scores, threshold), theirs)
        theirs = ops.batched_nms(boxes, scores, idxs, threshold)
        assert torch.equal(pytorch.batched_nms(boxes, scores, idxs, threshold), theirs)
