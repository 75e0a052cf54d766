"""Sample inputs for every function of regularization, and the peers it is held against."""

import numpy as np

from book.op import Case, Op

_COMPLEX = np.array([[1.0 + 2.0j, 0.0]])


# --- dropout: every training case brings its mask, so that both sides drop the same units


def _masked(rng, shape, p=0.5):
    return np.asarray(rng.normal(size=shape)), np.asarray(rng.random(shape) >= p)


def _dropout_sample(rng, shape):
    x, mask = _masked(rng, shape)
    return Case("ordinary", (x,), {"mask": mask})


def _dropout_cases(rng):
    yield _dropout_sample(rng, (4, 5))
    x, mask = _masked(rng, (4, 6), 0.2)
    yield Case("a small rate", (x, 0.2), {"mask": mask})
    yield Case("original form, training", (x, 0.2), {"inverted": False, "mask": mask})
    yield Case("original form, not training", (x, 0.2, False), {"inverted": False})
    yield Case("not training", (x, 0.2, False))
    yield Case("not training, mask ignored", (x, 0.2, False), {"mask": mask})
    yield Case("rate of zero", (x, 0.0), {"mask": np.ones((4, 6), dtype=bool)})
    yield Case("rate of one", (x, 1.0), {"mask": np.zeros((4, 6), dtype=bool)})
    images = rng.normal(size=(2, 3, 4, 4))
    yield Case("whole channels", (images,), {"mask": rng.random((2, 3, 1, 1)) >= 0.5})
    yield Case("one mask for all", (x,), {"mask": mask[0]})
    yield Case("all dropped", (x,), {"mask": np.zeros((4, 6), dtype=bool)})
    yield Case("one number", (np.array(0.7),), {"mask": np.array(True)})
    yield Case("empty batch", (np.zeros((0, 4)),), {"mask": np.zeros((0, 4), dtype=bool)})
    yield Case("large magnitude", (1e6 * x, 0.2), {"mask": mask})
    yield Case("not contiguous", (rng.normal(size=(6, 8)).T[::2],), {"mask": mask.T[:4, :1]})
    yield Case("broadcast view", (np.broadcast_to(x[:1], (4, 6)),), {"mask": mask})
    yield Case("rate above one", (x, 1.5), {"mask": mask}, raises=ValueError)
    yield Case("negative rate", (x, -0.1), {"mask": mask}, raises=ValueError)
    yield Case("mask of another shape", (x,), {"mask": mask[:, :2]}, raises=ValueError)
    yield Case("mask larger than the input", (x[0],), {"mask": mask}, raises=ValueError)
    yield Case("mask of numbers", (x,), {"mask": mask.astype(float)}, raises=TypeError)
    yield Case("complex numbers", (_COMPLEX,), {"mask": np.ones((1, 2), bool)}, raises=TypeError)


def _dropout_torch(input, p=0.5, training=True, inverted=True, mask=None, generator=None):
    """F.dropout where it does not draw; where it does, PyTorch's kernel that applies a mask."""
    import torch
    from torch.nn.functional import dropout

    if not training:
        return dropout(input, p, training) if inverted else input * (1.0 - p)
    scale = (1.0 / (1.0 - p) if p < 1 else 0.0) if inverted else 1.0
    return torch.ops.aten.native_dropout_backward(input, mask.expand(input.shape), scale)


# --- augmentation


def _images(rng, *shape):
    return rng.uniform(size=shape)


_ALL = {"rotation": 30.0, "translation": 1.5, "zoom": 0.2, "flip": True}


def _augment_sample(rng, shape):
    images = _images(rng, shape[0], *(1,) * (4 - len(shape)), *shape[1:])
    return Case("everything", (images,), {**_ALL, "draws": rng.uniform(size=(len(images), 5))})


def _augment_cases(rng):
    yield _augment_sample(rng, (3, 2, 6, 5))
    images, draws = _images(rng, 4, 1, 6, 7), rng.uniform(size=(4, 5))
    for name, value in _ALL.items():
        yield Case(f"{name} only", (images,), {name: value, "draws": draws})
    yield Case("nothing to do", (images,), {"draws": draws})
    yield Case(
        "whole pixels", (images,), {"translation": 2.0, "draws": np.tile([0.5, 1, 0, 0, 1], (4, 1))}
    )
    yield Case("quarter turn", (_images(rng, 1, 1, 5, 5),),
               {"rotation": 90.0, "draws": np.array([[1.0, 0.5, 0.5, 0.5, 1.0]])})  # fmt: skip
    yield Case("out of the picture", (images,), {"translation": 100.0, "draws": draws})
    yield Case("one pixel", (_images(rng, 2, 3, 1, 1),), {**_ALL, "draws": draws[:2]})
    yield Case("empty batch", (np.zeros((0, 1, 4, 4)),), {**_ALL, "draws": np.zeros((0, 5))})
    turned = _images(rng, 6, 7, 4, 1).transpose(2, 3, 0, 1)
    yield Case("not contiguous", (turned,), {**_ALL, "draws": draws})
    yield Case("large magnitude", (1e6 * images,), {**_ALL, "draws": draws})
    yield Case("one image without a batch", (images[0],), {"draws": draws}, raises=ValueError)
    yield Case("draws for fewer images", (images,), {"draws": draws[:3]}, raises=ValueError)
    yield Case("negative rotation", (images, -5.0), {"draws": draws}, raises=ValueError)
    yield Case(
        "negative shift", (images,), {"translation": -1.0, "draws": draws}, raises=ValueError
    )
    yield Case("zoom of one", (images,), {"zoom": 1.0, "draws": draws}, raises=ValueError)
    yield Case("complex numbers", (images + 1j,), {"draws": draws}, raises=TypeError)


def _augment_torch(
    images, rotation=0.0, translation=0.0, zoom=0.0, flip=False, draws=None, generator=None
):
    """F.affine_grid and F.grid_sample, which count from -1 to 1 over the whole image."""
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    if images.numel() == 0:
        return images.detach()
    (height, width), u = images.shape[2:], draws.detach().double()
    angle = torch.deg2rad(rotation * (2 * u[:, 0] - 1))
    shift_x, shift_y = translation * (2 * u[:, 1] - 1), translation * (2 * u[:, 2] - 1)
    cos, sin = (f(angle) / (1 + zoom * (2 * u[:, 3] - 1)) for f in (torch.cos, torch.sin))
    side = torch.where(u[:, 4] < 0.5, -1.0, 1.0) if flip else torch.ones_like(angle)
    moved_x, moved_y = -cos * shift_x - sin * shift_y, sin * shift_x - cos * shift_y
    theta = torch.stack(
        [
            torch.stack([cos, sin * height / width, moved_x * 2 / width], 1) * side[:, None],
            torch.stack([-sin * width / height, cos, moved_y * 2 / height], 1),
        ],
        1,
    )
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    result = grid_sample(images.detach().double(), grid, align_corners=False)
    return result.to(images.dtype)


# --- mixup


def _pairs(rng, n, *shape):
    lam = rng.uniform(size=n)
    return rng.normal(size=(n, *shape)), np.eye(3)[rng.integers(0, 3, n)], lam, rng.permutation(n)


def _mixup_sample(rng, shape):
    x, y, lam, index = _pairs(rng, *shape)
    return Case("ordinary", (x, y), {"lam": lam, "index": index})


def _mixup_cases(rng):
    yield _mixup_sample(rng, (5, 4))
    x, y, lam, index = _pairs(rng, 6, 2, 3)
    yield Case("one lam for all", (x, y), {"lam": np.array(0.25), "index": index})
    yield Case("targets are numbers", (x, y[:, 0]), {"lam": lam, "index": index})
    yield Case("each with the next", (x, y), {"lam": lam, "index": np.roll(np.arange(6), 1)})
    yield Case("each with the first", (x, y), {"lam": lam, "index": np.zeros(6, dtype=int)})
    yield Case("all or nothing", (x, y), {"lam": np.arange(6.0) % 2, "index": index})
    yield Case("one example", (x[:1], y[:1]), {"lam": lam[:1], "index": np.array([0])})
    yield Case("empty batch", (x[:0], y[:0]), {"lam": lam[:0], "index": index[:0]})
    yield Case("not contiguous", (x.T.copy().T, y[::-1].copy()[::-1]),
               {"lam": lam, "index": index})  # fmt: skip
    good = {"lam": lam, "index": index}
    yield Case("class numbers", (x, np.arange(6)), good, raises=TypeError)
    yield Case("complex numbers", (x + 1j, y), good, raises=TypeError)
    yield Case("index of fractions", (x, y), {"lam": lam, "index": lam}, raises=TypeError)
    yield Case("a target too few", (x, y[:5]), good, raises=ValueError)
    yield Case("a lam too few", (x, y), {"lam": lam[:5], "index": index}, raises=ValueError)
    yield Case("lam above one", (x, y), {"lam": lam + 1, "index": index}, raises=ValueError)
    yield Case("no such example", (x, y), {"lam": lam, "index": index + 1}, raises=ValueError)
    yield Case("alpha of zero", (x, y, 0.0), good, raises=ValueError)


def _mixup_torch(input, target, alpha=0.2, lam=None, index=None, generator=None):
    """The formula of Zhang et al. by an einsum, a row at a time."""
    import torch

    weights = torch.stack([lam.expand(len(input)), 1 - lam.expand(len(input))]).detach()
    return tuple(
        torch.einsum("pn,pn...->n...", weights.double(), torch.stack([a, a[index]]).double()).to(a)
        for a in (input.detach(), target.detach())
    )


# --- bias and variance


def _bias_sample(rng, shape):
    target = rng.normal(size=shape[1:])
    return Case("ordinary", (target + rng.normal(size=shape), target))


def _bias_cases(rng):
    yield _bias_sample(rng, (20, 7))
    target = rng.normal(size=(3, 2))
    yield Case("a table of points", (target + rng.normal(size=(5, 3, 2)), target))
    target = rng.normal(size=4)
    yield Case("one model", (rng.normal(size=(1, 4)), target))
    yield Case("always the same", (np.tile(target + 1, (3, 1)), target))
    yield Case("always right", (np.tile(target, (3, 1)), target))
    yield Case("one point", (rng.normal(size=6), np.array(0.5)))
    yield Case("target of whole numbers", (rng.normal(size=(4, 3)), np.arange(3)))
    yield Case("not contiguous", (rng.normal(size=(6, 5)).T, rng.normal(size=6)))
    yield Case("models by column", (np.ones((4, 5)), np.ones(4)), raises=ValueError)
    yield Case("no models", (np.ones((0, 4)), np.ones(4)), raises=ValueError)
    yield Case("no points", (np.ones((3, 0)), np.ones(0)), raises=ValueError)
    yield Case("a number", (np.array(1.0), np.array(1.0)), raises=ValueError)
    yield Case("complex numbers", (np.ones((2, 2)) * 1j, np.ones(2)), raises=TypeError)


def _bias_torch(predictions, target):
    """PyTorch's own mean, variance and mean squared error."""
    import torch
    from torch.nn.functional import mse_loss

    f, y = predictions.detach().double(), target.detach().double()
    variance, mean = torch.var_mean(f, 0, correction=0)
    parts = mse_loss(mean, y), variance.mean(), mse_loss(f, y.expand_as(f))
    return tuple(part.to(predictions.dtype) for part in parts)


# --- ridge and lasso


def _rows(rng, n, d, targets=()):
    """Rows and targets; the columns are far from parallel, so that 13 digits can be asked for."""
    x = rng.normal(size=(n, d)) + np.eye(n, d) + 1.0
    return x, x @ rng.normal(size=(d, *targets)) + rng.normal(size=(n, *targets))


def _bad_rows():
    x, y = np.eye(4, 2), np.ones(4)
    yield Case("complex numbers", (_COMPLEX, np.ones(1)), raises=TypeError)
    yield Case("complex targets", (x, y + 1j), raises=TypeError)
    yield Case("no rows", (np.ones((0, 2)), np.ones(0)), raises=ValueError)
    yield Case("a vector", (np.ones(4), y), raises=ValueError)
    yield Case("a target too few", (x, y[:3]), raises=ValueError)
    yield Case("target without dimensions", (x, np.array(1.0)), raises=ValueError)
    yield Case("negative alpha", (x, y, -1.0), raises=ValueError)
    yield Case("infinite alpha", (x, y, np.inf), raises=ValueError)


def _ridge_sample(rng, shape):
    return Case("strong penalty", (*_rows(rng, shape[0], shape[-1]), 10.0))


def _ridge_cases(rng):
    yield Case("ordinary", _rows(rng, 12, 4))
    yield Case("no intercept", (*_rows(rng, 12, 4), 2.0, False))
    yield Case("two targets", (*_rows(rng, 12, 4, (2,)), 3.0))
    yield Case("no penalty", (*_rows(rng, 20, 3), 0.0))
    yield Case("more columns than rows", (*_rows(rng, 4, 9), 2.0))
    yield Case("smallest weights of many", (*_rows(rng, 4, 9), 0.0, False))
    yield Case("heavy penalty", (*_rows(rng, 12, 4), 1e6))
    x, y = _rows(rng, 8, 2)
    yield Case("the same column twice", (np.repeat(x, 2, axis=1), y))
    yield Case("a constant column", (np.column_stack([x, np.ones(8)]), y))
    yield Case("one row", (x[:1], y[:1]))
    yield Case("no columns", (np.zeros((5, 0)), np.arange(5.0)))
    yield Case("whole numbers as targets", (x, np.arange(8)))
    yield Case("not contiguous", (rng.normal(size=(3, 10)).T, rng.normal(size=10)))
    yield from _bad_rows()
    yield Case("three dimensions", (np.ones((2, 2, 2)), np.ones(2)), raises=ValueError)


def _ridge_torch(input, target, alpha=1.0, fit_intercept=True):
    """torch.linalg.lstsq on the rows with sqrt(alpha) times the identity below them."""
    import torch

    x, y = input.detach().double(), target.detach().double().reshape(len(target), -1)
    x_mean, y_mean = (x.mean(0), y.mean(0)) if fit_intercept else (0 * x[0], 0 * y[0])
    penalty = alpha**0.5 * torch.eye(x.shape[1]).to(x)
    rows = torch.cat([x - x_mean, penalty])
    values = torch.cat([y - y_mean, y.new_zeros(x.shape[1], y.shape[1])])
    weight = torch.linalg.lstsq(rows.cpu(), values.cpu(), driver="gelsd").solution.to(x)
    intercept = y_mean - x_mean @ weight
    if target.ndim == 1:
        weight, intercept = weight[:, 0], intercept[0]
    else:
        weight = weight.mT
    return weight.to(input.dtype), intercept.to(input.dtype)


def _ridge_sklearn(input, target, alpha=1.0, fit_intercept=True):
    """scikit-learn's Ridge, by its solver that takes any alpha."""
    from sklearn.linear_model import Ridge

    if input.shape[1] == 0:  # which it refuses
        return np.zeros(0), np.mean(target)
    model = Ridge(alpha=alpha, fit_intercept=fit_intercept, solver="svd").fit(input, target)
    return model.coef_, model.intercept_


_EXACT = {"tol": 0.0, "max_iter": 60}  # run until nothing moves: 13 digits, not 4


def _lasso_sample(rng, shape):
    x, y = _rows(rng, shape[0], shape[-1])
    args = (3.0 * np.eye(*x.shape) + 0.1 * x, y, 0.05)
    return Case("ten rounds", args, {"tol": 0.0, "max_iter": 10})


def _lasso_cases(rng):
    x, y = _rows(rng, 30, 5)
    yield Case("ordinary", (x, y, 0.3), _EXACT)
    yield Case("no intercept", (x, y, 0.3, False), {**_EXACT, "max_iter": 400})
    yield Case("nothing left", (x, y, 100.0))
    yield Case("almost nothing left", (x, y, 1.5), _EXACT)
    yield Case("hardly any penalty", (x, y, 1e-3), _EXACT)
    yield Case("one round", (x, y, 0.3), {"tol": 0.0, "max_iter": 1})
    yield Case("a loose tolerance", (x, y, 0.3), {"tol": 0.5})
    wide = rng.normal(size=(10, 14)) + 3 * np.eye(10, 14)
    yield Case("more columns than rows", (wide, wide[:, 0] - wide[:, 3], 0.4),
               {"tol": 0.0, "max_iter": 400})  # fmt: skip
    yield Case("a constant column", (np.column_stack([x, np.ones(30)]), y, 0.3), _EXACT)
    yield Case("one row", (x[:1], y[:1]))
    yield Case("no columns", (np.zeros((5, 0)), np.arange(5.0)))
    yield Case("constant targets", (x, np.full(30, 2.0), 0.1))
    yield Case("not contiguous", (rng.normal(size=(3, 10)).T, rng.normal(size=10), 0.1), _EXACT)
    yield from _bad_rows()
    yield Case("two targets", (np.eye(4, 2), np.ones((4, 2))), raises=ValueError)
    yield Case("alpha of zero", (np.eye(4, 2), np.ones(4), 0.0), raises=ValueError)
    yield Case("no rounds", (np.eye(4, 2), np.ones(4)), {"max_iter": 0}, raises=ValueError)
    yield Case("negative tolerance", (np.eye(4, 2), np.ones(4)), {"tol": -1.0}, raises=ValueError)


def _lasso_sklearn(input, target, alpha=1.0, fit_intercept=True, max_iter=1000, tol=1e-4):
    """scikit-learn's Lasso, which warns where the tolerance is not reached."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import Lasso

    if input.shape[1] == 0:  # which it refuses
        return np.zeros(0), np.mean(target), 0.0
    model = Lasso(alpha=alpha, fit_intercept=fit_intercept, max_iter=max_iter, tol=tol)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(input, target)
    return model.coef_, model.intercept_, model.dual_gap_


# --- double descent


def _widths_sample(rng, shape):
    n, d = shape[0], shape[-1]
    x, y = _rows(rng, n, d)
    test_x, test_y = _rows(rng, 3, d)
    projection = rng.normal(size=(6, d))
    return Case("with a penalty", (x, y, test_x, test_y, projection, [1, 3, 6], 10.0))


def _widths_cases(rng):
    (x, y), (test_x, test_y) = _rows(rng, 12, 3), _rows(rng, 7, 3)
    given = x, y, test_x, test_y, rng.normal(size=(40, 3))
    yield Case("with a penalty", (*given, [1, 4, 12, 40], 5.0))
    yield Case("few features", (*given, [1, 2, 3]))
    yield Case("a single width", (*given, (2,)))
    yield Case("no widths", (*given, []))
    one_hot = np.eye(3)[np.arange(12) % 3], np.eye(3)[np.arange(7) % 3]
    yield Case(
        "two dimensions of targets", (x, one_hot[0], test_x, one_hot[1], given[4], [2, 30], 1.0)
    )
    yield Case("one row", (x[:1], y[:1], *given[2:], [1, 5], 1.0))
    yield Case("not contiguous", (x.T.copy().T, y, test_x, test_y, given[4].T.copy().T, [3], 1.0))
    yield Case("complex numbers", (x + 1j, *given[1:], [1]), raises=TypeError)
    yield Case("complex projection", (*given[:4], given[4] * 1j, [1]), raises=TypeError)
    yield Case("no rows", (x[:0], y[:0], *given[2:], [1]), raises=ValueError)
    yield Case("no test rows", (x, y, test_x[:0], test_y[:0], given[4], [1]), raises=ValueError)
    yield Case(
        "other columns in the test", (x, y, test_x[:, :2], *given[3:], [1]), raises=ValueError
    )
    yield Case(
        "a test target too few", (x, y, test_x, test_y[:6], given[4], [1]), raises=ValueError
    )
    yield Case("projection transposed", (*given[:4], given[4].T, [1]), raises=ValueError)
    yield Case("wider than the projection", (*given, [1, 41]), raises=ValueError)
    yield Case("width of zero", (*given, [0]), raises=ValueError)
    yield Case("negative alpha", (*given, [1], -1.0), raises=ValueError)


def _widths_sklearn(input, target, test_input, test_target, projection, widths, alpha=0.0):
    """The same features into scikit-learn's Ridge."""
    from sklearn.linear_model import Ridge

    rows = []
    for k in widths:
        features, test_features = (
            np.maximum(np.einsum("nd,kd->nk", x, projection[:k]), 0) / np.sqrt(k)
            for x in (input, test_input)
        )
        model = Ridge(alpha=alpha, fit_intercept=False, solver="svd").fit(features, target)
        errors = [
            np.mean((model.predict(phi) - y) ** 2)
            for phi, y in ((features, target), (test_features, test_target))
        ]
        rows.append([*errors, np.linalg.norm(model.coef_)])
    return tuple(np.array(rows).reshape(len(rows), 3).T)


OPS = [
    Op("dropout", _dropout_sample, _dropout_cases, (_dropout_torch,), bench_shape=(4096, 1000)),
    Op("augment_images", _augment_sample, _augment_cases, (_augment_torch,), min_ndim=4,
       bench_shape=(256, 1, 28, 28)),
    Op("mixup", _mixup_sample, _mixup_cases, (_mixup_torch,), min_ndim=1),
    Op("bias_variance", _bias_sample, _bias_cases, (_bias_torch,), min_ndim=1),
    Op("ridge", _ridge_sample, _ridge_cases, (_ridge_torch,), (_ridge_sklearn,), min_ndim=2),
    Op("lasso", _lasso_sample, _lasso_cases, (), (_lasso_sklearn,), min_ndim=2),
    Op("double_descent", _widths_sample, _widths_cases, (), (_widths_sklearn,), min_ndim=2),
]  # fmt: skip
