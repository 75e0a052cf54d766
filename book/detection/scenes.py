"""Scenes with exact boxes, composed by code from real handwriting and photographed textures."""

import numpy as np

INK = 0.3  # a pixel darker than this share of the pen's full stroke belongs to the object


def _resize(image, height, width):
    """Bilinear resampling of (h, w) to (height, width), pixel centers on pixel centers."""
    at = []
    for old, new in zip(image.shape, (height, width), strict=True):
        place = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        first = np.minimum(place.astype(int), old - 2)
        at.append((first, place - first))
    (y, v), (x, u) = at
    rows = image[y] * (1 - v)[:, None] + image[y + 1] * v[:, None]
    return rows[:, x] * (1 - u) + rows[:, x + 1] * u


def _tight(image):
    """The image cut to its ink."""
    y, x = np.nonzero(image > INK)
    return image[y.min() : y.max() + 1, x.min() : x.max() + 1]


def _overlap(box, others):
    """IoU of one box with each of a list."""
    others = np.array(others).reshape(-1, 4)
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return shared / (areas - shared)


def compose(
    glyphs, labels, textures, count, size=48, objects=(1, 3), sides=(12, 24), clutter=4,
    max_iou=0.15, seed=0,
):  # fmt: skip
    """Pictures in which handwritten characters lie on textures, and exactly where they lie.

    Each picture is a random cut of a texture, darkened, with `clutter` torn pieces of characters,
    which are no objects, and then 1 to 3 whole characters of random height. A box is as tight as
    the ink. A later character covers an earlier one, but two boxes overlap by at most max_iou.

    Shapes: glyphs (M, h, w) in [0, 1], ink bright, and their labels (M,); textures a list of
    (H, W) arrays in [0, 1], at least size x size; result: images (count, size, size) float64 in
    [0, 1], a list of boxes (n, 4) float64, corners in pixels, and a list of labels (n,) int64.
    Raises: ValueError if glyphs and labels do not match, a glyph has no ink, a texture is too
    small or sides do not fit.
    """
    glyphs, labels = np.asarray(glyphs, dtype=np.float64), np.asarray(labels)
    if glyphs.ndim != 3 or labels.shape != glyphs.shape[:1] or not len(glyphs):
        raise ValueError(f"glyphs, labels: expected (M, h, w) and (M,), M > 0, got "
                         f"{glyphs.shape} and {labels.shape}")  # fmt: skip
    if not (glyphs > INK).any(axis=(1, 2)).all():
        raise ValueError(f"glyphs: expected some ink (above {INK}) in each, got one without")
    if not textures or any(np.ndim(t) != 2 or min(np.shape(t)) < size for t in textures):
        raise ValueError(f"textures: expected arrays (H, W) of at least {size} x {size} pixels")
    if not 1 <= sides[0] <= sides[1] <= size:
        raise ValueError(f"sides: expected 1 <= low <= high <= {size}, got {sides}")
    rng = np.random.default_rng(seed)
    images, all_boxes, all_labels = np.empty((count, size, size)), [], []
    for image in images:
        texture = textures[rng.integers(len(textures))]
        top, left = (rng.integers(0, n - size + 1) for n in texture.shape)
        image[:] = 0.5 * texture[top : top + size, left : left + size]
        for _ in range(clutter):
            piece = _tight(glyphs[rng.integers(len(glyphs))])
            height, width = (max(n // 2, 2) for n in piece.shape)
            piece = piece[:height, :width] if rng.random() < 0.5 else piece[-height:, -width:]
            _paste(image, _scaled(piece, rng.integers(sides[0] // 3, sides[1] // 2), size), rng)
        boxes, kinds = [], []
        for _ in range(rng.integers(objects[0], objects[1] + 1)):
            which = rng.integers(len(glyphs))
            glyph = _scaled(_tight(glyphs[which]), rng.integers(sides[0], sides[1] + 1), size)
            for _ in range(20):  # tries to find a free place
                height, width = glyph.shape
                x, y = rng.integers(0, size - width + 1), rng.integers(0, size - height + 1)
                box = np.array([x, y, x + width, y + height])
                if not boxes or _overlap(box, boxes).max() <= max_iou:
                    _ink(image, glyph, x, y, rng)
                    boxes.append(box)
                    kinds.append(labels[which])
                    break
        all_boxes.append(np.array(boxes, dtype=np.float64).reshape(-1, 4))
        all_labels.append(np.array(kinds, dtype=np.int64))
    return images, all_boxes, all_labels


def _scaled(glyph, height, size):
    """The glyph with this height, its width in proportion, but at least 3 pixels."""
    width = round(height * glyph.shape[1] / glyph.shape[0])
    return _resize(glyph, max(height, 3), min(max(width, 3), size))


def _paste(image, glyph, rng):
    height, width = glyph.shape
    x = rng.integers(0, image.shape[1] - width + 1)
    y = rng.integers(0, image.shape[0] - height + 1)
    _ink(image, glyph, x, y, rng)


def _ink(image, glyph, x, y, rng):
    """Draw with a pen of random brightness."""
    part = image[y : y + glyph.shape[0], x : x + glyph.shape[1]]
    part[:] = part * (1 - glyph) + rng.uniform(0.75, 1.0) * glyph
