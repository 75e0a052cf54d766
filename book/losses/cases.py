"""Sample inputs for every loss, and the peers it is held against."""

import numpy as np
import scipy.special
import scipy.stats

from book.op import Case, Op

_F = "torch.nn.functional"
_CONSTANTS = ("weight", "pos_weight")


def _case(name, args, raises=None, **kwargs):
    """A case whose weights are data: neither PyTorch nor we differentiate with respect to them."""
    constants = tuple(key for key in kwargs if key in _CONSTANTS)
    return Case(name, args, kwargs, raises, constants)


def _spread(rng, shape):
    return rng.normal(scale=3.0, size=shape)


def _bad_reduction(*args):
    return _case("unknown reduction", args, ValueError, reduction="average")


# --- losses for numbers


def _pair_sample(rng, shape):
    return _case("ordinary", (_spread(rng, shape), _spread(rng, shape)))


def _numbers(extra):
    """Cases of a loss that compares two arrays of one shape, number by number."""

    def cases(rng):
        yield _pair_sample(rng, (4, 5))
        for reduction in ("none", "sum", "mean"):
            name = f"reduction {reduction}"
            yield _case(name, (_spread(rng, (3, 2)), _spread(rng, (3, 2))), reduction=reduction)
        yield from extra(rng)
        yield _case("empty batch", (np.zeros((0, 4)), np.zeros((0, 4))))
        yield _case("empty batch, sum", (np.zeros((0, 4)), np.zeros((0, 4))), reduction="sum")
        yield _case("one number", (np.array(0.75), np.array(-1.5)))
        yield _case("no error at all", (np.ones((2, 3)), np.ones((2, 3))))
        large = np.array([1000.0, -1000.0, 3.0])
        yield _case("large magnitude", (large, np.array([-1000.0, 0.0, 1000.0])))
        yield _case("not contiguous", (_spread(rng, (6, 8)).T[::2], _spread(rng, (4, 6))))
        row = np.broadcast_to(_spread(rng, (1, 5)), (3, 5))
        yield _case("broadcast view", (row, _spread(rng, (3, 5))))
        yield _case("a column against a row", (np.ones((3, 1)), np.ones(3)), ValueError)
        yield _case("one target for all", (np.ones(3), np.array(1.0)), ValueError)
        yield _case("complex prediction", (np.array([1.0j]), np.ones(1)), TypeError)
        yield _case("complex target", (np.ones(1), np.array([1.0j])), TypeError)
        yield _bad_reduction(np.ones(2), np.ones(2))

    return cases


def _weighted_numbers(rng):
    for reduction in ("mean", "none"):
        pair = _spread(rng, (4, 3)), _spread(rng, (4, 3))
        weight = rng.uniform(0.2, 2.0, (4, 3))
        yield _case(f"weights, {reduction}", pair, weight=weight, reduction=reduction)
    pair = np.ones((2, 3)), np.ones((2, 3))
    yield _case("weights of another shape", pair, ValueError, weight=np.ones(3))


def _betas(rng):
    for beta in (0.25, 2.0):
        yield _case(f"beta={beta}", (_spread(rng, (3, 4)), _spread(rng, (3, 4))), beta=beta)
    yield _case("beta of zero", (_spread(rng, (3, 4)), _spread(rng, (3, 4))), beta=0.0)
    tiny = np.array([1e-3, -1e-3, 0.5]), np.zeros(3)
    yield _case("small errors", tiny, reduction="none")
    yield _case("negative beta", (np.ones(2), np.ones(2)), ValueError, beta=-1.0)


def _l1_sklearn(input, target, reduction="mean", weight=None):
    if reduction != "mean" or not input.size:
        return _numpy_reduce(np.abs(input - target), reduction, weight)
    from sklearn.metrics import mean_absolute_error

    weight = None if weight is None else weight.ravel()
    return mean_absolute_error(target.ravel(), input.ravel(), sample_weight=weight)


def _mse_sklearn(input, target, reduction="mean", weight=None):
    if reduction != "mean" or not input.size:
        return _numpy_reduce((input - target) ** 2, reduction, weight)
    from sklearn.metrics import mean_squared_error

    weight = None if weight is None else weight.ravel()
    return mean_squared_error(target.ravel(), input.ravel(), sample_weight=weight)


def _numpy_reduce(losses, reduction, weight=None):
    """What the NumPy peers, which have no reduction, need around them."""
    losses = losses if weight is None else losses * weight
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    return losses.mean() if losses.size else np.nan


def _huber_scipy(input, target, reduction="mean", beta=1.0):
    """SciPy's Huber loss is beta times the smooth L1 loss."""
    error = input - target
    losses = scipy.special.huber(beta, error) / beta if beta else np.abs(error)
    return _numpy_reduce(losses, reduction)


# --- losses for yes and no


def _probability(rng, shape):
    """Probabilities that stay inside (0, 1) when bfloat16 rounds them."""
    return rng.uniform(0.02, 0.98, shape)


def _yes_no(rng, shape):
    return rng.integers(0, 2, shape).astype(float)


def _bce_sample(rng, shape):
    return _case("ordinary", (_probability(rng, shape), _yes_no(rng, shape)))


def _logit_sample(rng, shape):
    return _case("ordinary", (_spread(rng, shape), _yes_no(rng, shape)))


def _binary(draw, with_logits):
    def cases(rng):
        def pair(shape):
            return draw(rng, shape), _yes_no(rng, shape)

        yield _case("ordinary", pair((4, 5)))
        for reduction in ("none", "sum"):
            yield _case(f"reduction {reduction}", pair((3, 2)), reduction=reduction)
        yield _case("soft targets", (draw(rng, (3, 4)), rng.uniform(0.1, 0.9, (3, 4))))
        yield _case("weights", pair((3, 4)), weight=rng.uniform(0.2, 2.0, (3, 4)))
        yield _case("weights of the columns", pair((3, 4)), weight=rng.uniform(0.2, 2.0, 4))
        yield _case("empty batch", (np.zeros((0, 4)), np.zeros((0, 4))))
        yield _case("one number", (np.array(0.75), np.array(1.0)))
        yield _case("undecided", (draw(rng, (2, 3)) * 0 + 0.5, np.array([[0.0, 0.5, 1.0]] * 2)))
        yield _case("not contiguous", (draw(rng, (6, 8)).T[::2], _yes_no(rng, (4, 6))))
        row = np.broadcast_to(draw(rng, (1, 5)), (3, 5))
        yield _case("broadcast view", (row, _yes_no(rng, (3, 5))))
        yield from (_logit_extra(rng, pair) if with_logits else _probability_extra())
        half = np.full(2, 0.5)
        yield _case("labels -1 and 1", (half, np.array([-1.0, 1.0])), ValueError)
        yield _case("a column against a row", (half[:, None], half), ValueError)
        yield _case("weights that do not fit", (half, half), ValueError, weight=np.ones(3))
        yield _case("complex prediction", (half * 1j, half), TypeError)
        yield _bad_reduction(half, half)

    return cases


def _probability_extra():
    sure = np.array([0.03125, 1e-9, 1e-9, 0.96875]), np.array([1.0, 0.0, 1.0, 0.0])
    yield _case("sure of it", sure, reduction="none")
    logits = np.array([-2.0, 3.0]), np.array([0.0, 1.0])
    yield _case("logits instead of probabilities", logits, ValueError)
    yield _case("not a number", (np.array([np.nan]), np.ones(1)), ValueError)


def _logit_extra(rng, pair):
    large = np.array([-1000.0, -40.0, 40.0, 1000.0])
    for right in (0.0, 1.0):
        yield _case(f"large logits, target {right:.0f}", (large, np.full(4, right)))
    yield _case("pos_weight", pair((5, 3)), pos_weight=np.array([0.5, 3.0, 10.0]))
    weights = {"weight": rng.uniform(0.2, 2.0, (5, 1)), "pos_weight": np.array(2.5)}
    yield _case("both weights, sum", pair((5, 3)), reduction="sum", **weights)
    yield _case(
        "pos_weight that does not fit", (np.ones(2), np.ones(2)), ValueError, pos_weight=np.ones(3)
    )


def _bce_scipy(input, target, weight=None, reduction="mean"):
    """SciPy's x log y and x log1p y."""
    xlogy, xlog1py = scipy.special.xlogy, scipy.special.xlog1py
    losses = -(xlogy(target, input) + xlog1py(1 - target, -input))
    return _numpy_reduce(losses, reduction, weight)


def _logits_scipy(input, target, weight=None, reduction="mean", pos_weight=1.0):
    """SciPy's log_expit, the logarithm of the sigmoid."""
    yes, no = scipy.special.log_expit(input), scipy.special.log_expit(-input)
    return _numpy_reduce(-(pos_weight * target * yes + (1 - target) * no), reduction, weight)


# --- losses for classes


def _rows(shape):
    """The shape of the targets of an input of that shape, and its number of classes."""
    axis = min(1, len(shape) - 1)
    return shape[:axis] + shape[axis + 1 :], shape[axis]


def _targets(rng, shape):
    rows, classes = _rows(shape)
    return np.asarray(rng.integers(0, max(classes, 1), rows))


def _distribution(rng, shape, scale=1.5):
    """Probabilities along the classes of an array of that shape."""
    scores = rng.normal(scale=scale, size=shape)
    return scipy.special.softmax(scores, axis=min(1, len(shape) - 1)) if scores.size else scores


def _log_probabilities(rng, shape):
    return np.log(np.maximum(_distribution(rng, shape), 1e-3))


def _class_loss_cases(draw):
    """What nll_loss and cross_entropy have in common."""

    def cases(rng):
        def pair(shape):
            return draw(rng, shape), _targets(rng, shape)

        yield _case("ordinary", pair((6, 4)))
        for reduction in ("none", "sum"):
            yield _case(f"reduction {reduction}", pair((5, 3)), reduction=reduction)
        yield _case("one example without batch", pair((5,)))
        yield _case("sequences (N, C, T)", pair((2, 3, 4)))
        yield _case("pictures (N, C, H, W)", pair((2, 3, 4, 2)))
        yield _case("three further dimensions", pair((2, 3, 1, 2, 2)))
        yield _case("class weights", pair((6, 3)), weight=np.array([0.5, 1.0, 4.0]))
        weight = np.array([0.5, 0.0, 2.0])
        yield _case("class weights, none", pair((6, 3)), weight=weight, reduction="none")
        yield _case("class weights, pictures", pair((2, 3, 2, 2)), weight=weight + 0.25)
        padded = np.array([0, -100, 2, 1, -100])
        yield _case("ignored examples", (draw(rng, (5, 3)), padded))
        yield _case(
            "ignore_index=1, weights, sum",
            (draw(rng, (5, 3)), np.array([0, 1, 2, 1, 0])),
            ignore_index=1,
            weight=np.array([0.5, 1.0, 4.0]),
            reduction="sum",
        )
        nothing = np.full(2, -100)
        yield _case("all ignored, none", (draw(rng, (2, 3)), nothing), reduction="none")
        yield _case("empty batch", (np.zeros((0, 4)), np.zeros(0, int)))
        yield _case("one class", (draw(rng, (3, 1)), np.zeros(3, int)))
        yield _case("not contiguous", (draw(rng, (6, 8)).T[::2], _targets(rng, (4, 6))))
        row = np.broadcast_to(draw(rng, (1, 3)), (4, 3))
        yield _case("broadcast view", (row, _targets(rng, (4, 3))))
        good = np.zeros((3, 4)), np.array([0, 1, 2])
        yield _case("a class that does not exist", (good[0], np.array([0, 1, 4])), IndexError)
        yield _case("a negative class", (good[0], np.array([0, 1, -1])), IndexError)
        yield _case("classes as real numbers", (good[0], np.array([0.0, 1.0, 2.0])), TypeError)
        yield _case("one target too few", (good[0], np.array([0, 1])), ValueError)
        yield _case("one-hot integers", (good[0], np.eye(3, 4, dtype=int)), ValueError)
        yield _case("too few weights", good, ValueError, weight=np.ones(3))
        yield _case("complex scores", (good[0] * 1j, good[1]), TypeError)
        yield _case("a single number", (np.array(1.0), np.array(0)), ValueError)
        yield _case("no classes", (np.zeros((2, 0)), np.zeros(2, int)), ValueError)
        yield _bad_reduction(*good)

    return cases


def _cross_entropy_cases(rng):
    yield from _class_loss_cases(_spread)(rng)

    def pair(shape):
        return _spread(rng, shape), _targets(rng, shape)

    def soft(shape):
        return _spread(rng, shape), _distribution(rng, shape)

    large = np.array([[1000.0, 999.0, -1000.0], [-1000.0, 1000.0, 0.0]])
    yield _case("large logits", (large, np.array([2, 1])), reduction="none")
    yield _case("ties", (np.zeros((2, 3)), np.array([0, 2])))
    yield _case("label smoothing", pair((5, 4)), label_smoothing=0.125)
    yield _case("nothing but smoothing", pair((5, 4)), label_smoothing=1.0)
    everything = {
        "weight": np.array([0.5, 1.0, 4.0]), "ignore_index": 2, "label_smoothing": 0.25,
    }  # fmt: skip
    for reduction in ("mean", "sum", "none"):
        name = f"weights, ignored, smoothed, {reduction}"
        target = np.array([0, 1, 2, 1, 2])
        yield _case(name, (_spread(rng, (5, 3)), target), reduction=reduction, **everything)
    target = np.array([[0, 2, 1], [1, 1, 2]])
    yield _case("sequences, all options", (_spread(rng, (2, 3, 3)), target), **everything)
    yield _case("probabilities as targets", soft((5, 4)))
    yield _case("probabilities, one example", soft((4,)))
    yield _case("probabilities, pictures", soft((2, 3, 2, 2)))
    weight = np.array([0.5, 1.0, 4.0])
    for reduction in ("mean", "none"):
        yield _case(
            f"probabilities, all options, {reduction}",
            soft((5, 3)),
            weight=weight,
            label_smoothing=0.25,
            reduction=reduction,
        )
    yield _case("one-hot probabilities", (_spread(rng, (3, 4)), np.eye(3, 4)))
    good = np.zeros((3, 4)), np.array([0, 1, 2])
    yield _case("smoothing beyond 1", good, ValueError, label_smoothing=1.5)
    yield _case("probabilities of another shape", (good[0], np.ones((3, 3)) / 3), TypeError)


def _nll_sample(rng, shape):
    return _case("ordinary", (_log_probabilities(rng, shape), _targets(rng, shape)))


def _cross_entropy_sample(rng, shape):
    return _case("ordinary", (_spread(rng, shape), _targets(rng, shape)))


def _emd_sample(rng, shape):
    return _case("ordinary", (_distribution(rng, shape), _targets(rng, shape)))


def _emd_cases(rng):
    def soft(shape):
        return _distribution(rng, shape), _distribution(rng, shape)

    yield _emd_sample(rng, (6, 4))
    for reduction in ("none", "sum"):
        name = f"reduction {reduction}"
        yield _case(name, (_distribution(rng, (5, 3)), _targets(rng, (5, 3))), reduction=reduction)
    yield _case("two distributions", soft((5, 4)))
    yield _case("two distributions, none", soft((5, 4)), reduction="none")
    yield _case("one example", soft((6,)))
    yield _case("one example, its class", (_distribution(rng, (6,)), np.array(3)))
    yield _case("pictures (N, C, H, W)", soft((2, 3, 2, 2)))
    yield _case("sequences, classes", (_distribution(rng, (2, 3, 4)), _targets(rng, (2, 3, 4))))
    hand = np.array([[0.625, 0.375, 0.0], [0.625, 0.0, 0.375]]), np.array([0, 0])
    yield _case("near and far", hand, reduction="none")
    yield _case("empty batch", (np.zeros((0, 4)), np.zeros(0, int)))
    yield _case("one class", (np.ones((3, 1)), np.zeros(3, int)))
    yield _case("not contiguous", (_distribution(rng, (6, 8), 1.0)[::2], _targets(rng, (3, 8))))
    yield _case("logits instead of probabilities", (_spread(rng, (2, 3)), np.zeros(2, int)),
                ValueError)  # fmt: skip
    bad = np.array([[1.25, -0.25]]), np.array([0])
    yield _case("a negative probability", bad, ValueError)
    third = np.full((2, 3), 1 / 3)
    yield _case("a target that is no distribution", (third, np.ones((2, 3))), ValueError)
    yield _case("a class that does not exist", (third, np.array([0, 3])), IndexError)
    yield _case("classes as real numbers", (third, np.array([0.0, 1.0])), TypeError)
    yield _case("one target too few", (third, np.array([1])), ValueError)
    yield _case("complex numbers", (third * 1j, np.array([0, 1])), TypeError)
    yield _case("a single number", (np.array(1.0), np.array(0)), ValueError)
    yield _bad_reduction(third, np.array([0, 1]))


def _nll_loop(input, target, weight=None, ignore_index=-100, reduction="mean"):
    """The formula, one example at a time: a peer that shares nothing with the array code."""
    axis = min(1, input.ndim - 1)
    rows = np.moveaxis(input, axis, -1).reshape(-1, input.shape[axis])
    weight = np.ones(input.shape[axis]) if weight is None else weight
    pairs = [(row, int(k)) for row, k in zip(rows, target.ravel(), strict=True)]
    losses = [0.0 if k == ignore_index else -weight[k] * row[k] for row, k in pairs]
    losses = np.reshape(losses, target.shape)
    if reduction != "mean":
        return _numpy_reduce(losses, reduction)
    total = sum(weight[k] for _, k in pairs if k != ignore_index)
    return losses.sum() / total if total else np.nan


def _cross_entropy_scipy(
    input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0
):
    """SciPy's log_softmax and the formula, one example at a time."""
    axis = min(1, input.ndim - 1)
    count = input.shape[axis]
    rows = np.moveaxis(input, axis, -1).reshape(-1, count)
    weight = np.ones(count) if weight is None else weight
    shape = _rows(input.shape)[0]
    if target.dtype.kind == "f":
        wanted, totals = np.moveaxis(target, axis, -1).reshape(-1, count), np.ones(len(rows))
    else:
        kept = target.ravel() != ignore_index
        wanted = np.array([np.eye(count)[k] if k != ignore_index else np.eye(count)[0]
                           for k in target.ravel()]).reshape(-1, count)  # fmt: skip
        totals = kept * (wanted @ weight)
    losses = np.zeros(len(rows))
    for i, (row, q) in enumerate(zip(rows, wanted, strict=True)):
        q = (1 - label_smoothing) * q + label_smoothing / count
        losses[i] = (totals[i] > 0) * -(weight * q * scipy.special.log_softmax(row)).sum()
    if reduction != "mean":
        return _numpy_reduce(losses.reshape(shape), reduction)
    return losses.sum() / totals.sum() if totals.any() else np.nan


def _energy_scipy(input, target, reduction="mean"):
    """Half the square of SciPy's energy distance between two distributions on 0, 1, 2, ..."""
    axis = min(1, input.ndim - 1)
    places = np.arange(input.shape[axis])
    p = np.moveaxis(input, axis, -1).reshape(-1, len(places))
    if target.dtype.kind == "f":
        q = np.moveaxis(target, axis, -1).reshape(p.shape)
    else:
        q = np.eye(len(places))[target.ravel()]
    distances = [
        scipy.stats.energy_distance(places, places, *pair) for pair in zip(p, q, strict=True)
    ]
    shape = _rows(input.shape)[0]
    return _numpy_reduce(np.reshape(np.square(distances) / 2, shape), reduction)


# --- penalties on weights


def _penalty_sample(rng, shape):
    return Case("ordinary", (_spread(rng, shape),))


def _penalty_cases(rng):
    yield _penalty_sample(rng, (4, 5))
    for alpha in (0.0, 0.125):
        yield _case(f"alpha={alpha}", (_spread(rng, (3, 4)),), alpha=alpha)
    yield _case("no weights", (np.zeros((0, 4)),))
    yield _case("one weight", (np.array(-0.75),))
    yield _case("zeros", (np.array([0.0, -0.0, 1.0]),))
    yield _case("large magnitude", (np.array([1000.0, -1000.0]),))
    yield _case("not contiguous", (_spread(rng, (6, 8)).T[::2],))
    yield _case("broadcast view", (np.broadcast_to(_spread(rng, (1, 5)), (3, 5)),))
    yield _case("negative alpha", (np.ones(2),), ValueError, alpha=-0.5)
    yield _case("complex weights", (np.array([1.0j]),), TypeError)


def _l1_torch(input, alpha=1.0):
    from torch.nn.functional import l1_loss

    return alpha * l1_loss(input, input.new_zeros(input.shape), reduction="sum")


def _l2_torch(input, alpha=1.0):
    from torch.nn.functional import mse_loss

    return alpha / 2 * mse_loss(input, input.new_zeros(input.shape), reduction="sum")


def _l1_norm(input, alpha=1.0):
    return alpha * np.linalg.norm(input.ravel(), 1)


def _l2_norm(input, alpha=1.0):
    return alpha / 2 * np.linalg.norm(input.ravel()) ** 2


_SHAPE = (4096, 1000)

OPS = [
    Op(
        "mse_loss",
        _pair_sample,
        _numbers(_weighted_numbers),
        (f"{_F}.mse_loss",),
        (_mse_sklearn,),
        bench_shape=_SHAPE,
    ),
    Op(
        "l1_loss",
        _pair_sample,
        _numbers(_weighted_numbers),
        (f"{_F}.l1_loss",),
        (_l1_sklearn,),
        bench_shape=_SHAPE,
    ),
    Op(
        "smooth_l1_loss",
        _pair_sample,
        _numbers(_betas),
        (f"{_F}.smooth_l1_loss",),
        (_huber_scipy,),
        bench_shape=_SHAPE,
    ),
    Op(
        "binary_cross_entropy",
        _bce_sample,
        _binary(_probability, with_logits=False),
        (f"{_F}.binary_cross_entropy",),
        (_bce_scipy,),
        kinks=(0.0, 1.0),
        bench_shape=_SHAPE,
    ),
    Op(
        "binary_cross_entropy_with_logits",
        _logit_sample,
        _binary(_spread, with_logits=True),
        (f"{_F}.binary_cross_entropy_with_logits",),
        (_logits_scipy,),
        kinks=(0.0, 1.0),  # of the target, which may not leave [0, 1]
        bench_shape=_SHAPE,
    ),
    Op(
        "nll_loss",
        _nll_sample,
        _class_loss_cases(_log_probabilities),
        (f"{_F}.nll_loss",),
        (_nll_loop,),
        min_ndim=1,
        bench_shape=_SHAPE,
    ),
    Op(
        "cross_entropy",
        _cross_entropy_sample,
        _cross_entropy_cases,
        (f"{_F}.cross_entropy",),
        (_cross_entropy_scipy,),
        min_ndim=1,
        bench_shape=_SHAPE,
    ),
    Op(
        "squared_emd_loss",
        _emd_sample,
        _emd_cases,
        (),
        (_energy_scipy,),
        min_ndim=1,
        kinks=(0.0,),  # a probability may not become negative
        bench_shape=_SHAPE,
    ),
    Op("l1_penalty", _penalty_sample, _penalty_cases, (_l1_torch,), (_l1_norm,), kinks=(0.0,),
       bench_shape=_SHAPE),
    Op("l2_penalty", _penalty_sample, _penalty_cases, (_l2_torch,), (_l2_norm,),
       bench_shape=_SHAPE),
]  # fmt: skip
