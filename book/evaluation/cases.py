"""Sample inputs for every function of evaluation, and the peers it is held against."""

import numpy as np

from book.op import Case, Op

_COMPLEX = np.array([1.0 + 2.0j, 0.0, 1.0])
_BAD_WEIGHT = np.array([1j, 1.0, 1.0])


def _decisions(rng, count, classes=3):
    """True labels, and predictions that are right about two times in three."""
    y_true = rng.integers(0, classes, count)
    guess = rng.integers(0, classes, count)
    return y_true, np.where(rng.random(count) < 0.5, y_true, guess)


def _quarters(rng, *shape):
    """Multiples of 1/4 with many ties, which every dtype holds."""
    return rng.integers(-8, 9, shape) / 4


def _weight(rng, count):
    return {"sample_weight": rng.integers(1, 9, count) / 4}


# --- decisions


def _decision_sample(rng, shape):
    return Case("ordinary", _decisions(rng, shape[0], 10 if shape[0] > 1000 else 3))


def _common_decision_cases(rng):
    yield _decision_sample(rng, (40,))
    yield Case("two classes", _decisions(rng, 30, 2))
    yield Case("one example", (np.array([1]), np.array([1])))
    yield Case("all wrong", (np.array([0, 1, 2]), np.array([1, 2, 0])))
    yield Case("all right", (np.array([2, 0, 1, 1]), np.array([2, 0, 1, 1])))
    yield Case("large and negative labels", (np.array([-7, 10**6, 3]), np.array([3, 10**6, -7])))
    yield Case("booleans", (np.array([True, False, True]), np.array([True, True, False])))
    yield Case("not contiguous", tuple(labels[::2] for labels in _decisions(rng, 40)))
    yield Case("weights", _decisions(rng, 30), _weight(rng, 30), constants=("sample_weight",))
    zero = {"sample_weight": np.array([0.0, 1.0, 2.0])}
    yield Case("a weight of zero", (np.array([0, 1, 1]), np.array([0, 0, 1])), zero,
               constants=("sample_weight",))  # fmt: skip


def _bad_pairs():
    y = np.array([0, 1, 1])
    yield Case("complex labels", (_COMPLEX, y), raises=TypeError)
    yield Case("complex predictions", (y, _COMPLEX), raises=TypeError)
    yield Case("probabilities for labels", (y, np.array([0.2, 0.7, 0.9])), raises=ValueError)
    yield Case("NaN for a label", (np.array([0.0, np.nan, 1.0]), y), raises=ValueError)
    yield Case("no examples", (y[:0], y[:0]), raises=ValueError)
    yield Case("one prediction too few", (y, y[:2]), raises=ValueError)
    yield Case("one-hot labels", (np.eye(3, dtype=int), y), raises=ValueError)
    yield Case("a single label", (np.array(1), np.array(1)), raises=ValueError)
    weights = np.ones(2)
    yield Case("a weight too few", (y, y), {"sample_weight": weights}, raises=ValueError)
    yield Case("complex weights", (y, y), {"sample_weight": _BAD_WEIGHT}, raises=TypeError)


def _bad_labels():
    y = np.array([0, 1, 1])
    for name, labels in (("no labels", y[:0]), ("a label twice", y), ("a row of labels", y[None])):
        yield Case(name, (y, y), {"labels": labels}, raises=ValueError)


def _confusion_cases(rng):
    yield from _common_decision_cases(rng)
    yield Case("whole numbers as floats", (np.array([0.0, 2.0, 2.0]), np.array([0.0, 2.0, 0.0])))
    yield Case("labels in another order", _decisions(rng, 30), {"labels": np.array([2, 0, 1])})
    yield Case("two of three labels", _decisions(rng, 30), {"labels": np.array([2, 0])})
    yield Case("a label that never occurs", _decisions(rng, 30), {"labels": np.array([0, 5, 1, 2])})
    for normalize in ("true", "pred", "all"):
        yield Case(f"normalize={normalize}", _decisions(rng, 30), {"normalize": normalize})
    empty = {"labels": np.array([0, 5]), "normalize": "true"}
    yield Case("an empty row, normalized", _decisions(rng, 30), empty)
    both = {**_weight(rng, 30), "normalize": "pred"}
    yield Case("weights, normalized", _decisions(rng, 30), both, constants=("sample_weight",))
    yield from _bad_pairs()
    yield from _bad_labels()
    y = np.array([0, 1, 1])
    yield Case("a foreign label", (y, y), {"labels": np.array([7])}, raises=ValueError)
    yield Case("unknown division", (y, y), {"normalize": "rows"}, raises=ValueError)


def _accuracy_cases(rng):
    yield from _common_decision_cases(rng)
    yield Case("a count", _decisions(rng, 30), {"normalize": False})
    weighted = {**_weight(rng, 30), "normalize": False}
    yield Case("a weighted count", _decisions(rng, 30), weighted, constants=("sample_weight",))
    yield from _bad_pairs()
    y = np.array([0, 1, 1])
    yield Case("weights of zero", (y, y), {"sample_weight": np.zeros(3)}, raises=ValueError)


def _prf_cases(rng):
    yield from _common_decision_cases(rng)
    for average in ("micro", "macro", "weighted"):
        yield Case(average, _decisions(rng, 40), {"average": average})
        two = {"average": average, "labels": np.array([2, 0])}
        yield Case(f"{average}, two of three labels", _decisions(rng, 40), two)
        weighted = {"average": average, **_weight(rng, 40)}
        yield Case(
            f"{average}, weights", _decisions(rng, 40), weighted, constants=("sample_weight",)
        )
    yield Case("binary", _decisions(rng, 30, 2), {"average": "binary"})
    yield Case("binary, class 0", _decisions(rng, 30, 2), {"average": "binary", "pos_label": 0})
    for beta in (0.0, 0.7, 2.0, np.inf):
        yield Case(f"beta={beta}", _decisions(rng, 30), {"beta": beta})
    never = np.array([0, 0, 1]), np.array([0, 0, 0])
    absent = {"labels": np.array([0, 1, 9])}
    for value in (0.0, 1.0, np.nan):
        yield Case(f"0 / 0 is {value}", never, {"zero_division": value, **absent})
        for average in ("macro", "weighted"):
            kwargs = {"zero_division": value, "average": average, **absent}
            yield Case(f"{average}, 0 / 0 is {value}", never, kwargs)
    nothing = {"labels": np.array([8, 9]), "average": "weighted", "zero_division": 1.0}
    yield Case("no example of the labels", never, nothing)
    no_alarm = {"average": "binary", "zero_division": np.nan}
    yield Case("binary, nothing called positive", never, no_alarm)
    yield from _bad_pairs()
    yield from _bad_labels()
    y = np.array([0, 1, 1])
    yield Case("binary of three", (np.arange(3), y), {"average": "binary"}, raises=ValueError)
    kwargs = {"average": "binary", "pos_label": 2}
    yield Case("no such positive class", (y, y), kwargs, raises=ValueError)
    yield Case("unknown average", (y, y), {"average": "mean"}, raises=ValueError)
    yield Case("negative beta", (y, y), {"beta": -1.0}, raises=ValueError)


# --- rankings


def _ranking(rng, count):
    """Labels with both classes, and scores that lean the right way, with ties."""
    y_true = rng.permutation(np.arange(count) % 2)
    return y_true, _quarters(rng, count) + y_true


def _ranking_sample(rng, shape):
    count = shape[0] and shape[0] + 1  # at least one of either class
    return Case("ordinary", _ranking(rng, count))


def _common_ranking_cases(rng):
    yield _ranking_sample(rng, (40,))
    yield Case("two examples", (np.array([0, 1]), np.array([0.25, 0.75])))
    yield Case("all tied", (np.array([0, 1, 0, 1]), np.full(4, 0.5)))
    yield Case("perfect", (np.array([0, 0, 1, 1]), np.array([-1.0, 0.0, 2.0, 3.0])))
    yield Case("upside down", (np.array([1, 1, 0, 0]), np.array([-1.0, 0.0, 2.0, 3.0])))
    yield Case("large magnitude", (np.array([0, 1, 0, 1]), np.array([-2e4, 1e4, 5e3, -3e3])))
    yield Case("labels -1 and 1", (2 * _ranking(rng, 20)[0] - 1, _quarters(rng, 20)))
    yield Case("weights", _ranking(rng, 30), _weight(rng, 30), constants=("sample_weight",))
    zero = {"sample_weight": np.array([0.0, 1.0, 2.0, 1.0])}
    scores = np.array([3.0, 0.0, 2.0, -1.0])
    yield Case("a weight of zero", (np.array([0, 0, 1, 1]), scores), zero,
               constants=("sample_weight",))  # fmt: skip
    y_score = _quarters(rng, 40)
    yield Case("not contiguous", (np.arange(40)[::2] % 4 // 2, y_score[::2]))


def _bad_rankings():
    y, scores = np.array([0, 1, 1]), np.array([0.1, 0.7, 0.4])
    yield Case("complex scores", (y, _COMPLEX), raises=TypeError)
    yield Case("complex labels", (_COMPLEX, scores), raises=TypeError)
    yield Case("complex weights", (y, scores), {"sample_weight": _BAD_WEIGHT}, raises=TypeError)
    yield Case("no examples", (y[:0], scores[:0]), raises=ValueError)
    yield Case("a score too few", (y, scores[:2]), raises=ValueError)
    yield Case("an infinite score", (y, np.array([0.0, np.inf, 1.0])), raises=ValueError)
    yield Case("a score that is NaN", (y, np.array([0.0, np.nan, 1.0])), raises=ValueError)
    yield Case("one class only", (np.ones(3, dtype=int), scores), raises=ValueError)
    yield Case("a column for each of three", (y, np.ones((3, 3))), raises=ValueError)
    weights = np.array([0.0, 1.0, 1.0])
    yield Case("no weight for a class", (y, scores), {"sample_weight": weights}, raises=ValueError)


def _curve_cases(rng):
    yield from _common_ranking_cases(rng)
    for drop in (True, False):
        yield Case(f"drop_intermediate={drop}", _ranking(rng, 40), {"drop_intermediate": drop})
    y_true, y_score = _ranking(rng, 30)
    yield Case("class 3 of 3 and 5", (5 - 2 * y_true, y_score), {"pos_label": 3})
    yield from _bad_rankings()
    three = np.array([3, 5, 5]), np.array([0.1, 0.7, 0.4])
    yield Case("which class is positive", three, raises=ValueError)
    yield Case("no such positive class", three, {"pos_label": 4}, raises=ValueError)


def _multiclass(rng, count, classes=3):
    """Labels of which each occurs, and a row of exact probabilities for each example."""
    y_true = rng.permutation(np.arange(count) % classes)
    cuts = np.sort(rng.integers(0, 9, (count, classes - 1)), axis=1)
    ends = np.concatenate([np.zeros((count, 1)), cuts, np.full((count, 1), 8)], axis=1)
    return y_true, np.diff(ends) / 8  # rows of eighths that sum to 1, with many ties


def _auc_cases(rng):
    yield from _common_ranking_cases(rng)
    for average in ("macro", "weighted", "micro", None):
        kwargs = {"multi_class": "ovr", "average": average}
        yield Case(f"one against the rest, {average}", _multiclass(rng, 31), kwargs)
        kwargs = {**kwargs, **_weight(rng, 31)}
        name = f"one against the rest, {average}, weights"
        yield Case(name, _multiclass(rng, 31), kwargs, constants=("sample_weight",))
    for average in ("macro", "weighted"):
        kwargs = {"multi_class": "ovo", "average": average}
        yield Case(f"one against one, {average}", _multiclass(rng, 41, 4), kwargs)
    y_true, y_score = _multiclass(rng, 31)
    labels = {"multi_class": "ovr", "labels": np.array([2, 5, 9])}
    yield Case("labels 2, 5 and 9", (np.array([2, 5, 9])[y_true], y_score), labels)
    yield from _bad_rankings()
    yield Case("three classes, no way chosen", (y_true, y_score), raises=ValueError)
    yield Case(
        "a column too few", (y_true, y_score[:, :2]), {"multi_class": "ovr"}, raises=ValueError
    )
    yield Case("three classes, one score", (y_true, y_score[:, 0]), raises=ValueError)
    kwargs = {"multi_class": "ovo", "average": "micro"}
    yield Case("no micro for pairs", (y_true, y_score), kwargs, raises=ValueError)
    kwargs = {"multi_class": "ovo", "sample_weight": np.ones(31)}
    yield Case("no weights for pairs", (y_true, y_score), kwargs, raises=ValueError)
    two = np.array([0, 1, 1]), np.array([0.1, 0.7, 0.4])
    yield Case("unknown average", two, {"average": "mean"}, raises=ValueError)
    kwargs = {"multi_class": "ovr", "labels": np.array([0, 1, 7])}
    yield Case("a class without examples", (y_true, y_score), kwargs, raises=ValueError)


# --- splits: of whole numbers, which no gradient runs through


def _rows(count):
    return np.arange(3 * count).reshape(count, 3), np.arange(count) % 3


def _split_sample(rng, shape):
    seed = int(rng.integers(1000))
    return Case("ordinary", _rows(shape[0]), {"random_state": seed})


def _split_cases(rng):
    yield _split_sample(rng, (40,))
    yield Case("one array", (np.arange(10),), {"random_state": 0, "dev_size": 0.2})
    yield Case(
        "without shuffling", _rows(100), {"shuffle": False, "dev_size": 0.05, "test_size": 25}
    )
    yield Case("numbers of rows", _rows(30), {"random_state": 1, "dev_size": 7, "test_size": 0})
    yield Case(
        "nothing left to train on", _rows(6), {"random_state": 1, "dev_size": 3, "test_size": 3}
    )
    yield Case("no rows", _rows(0), {"random_state": 1})
    yield Case("a transposed array", (np.arange(60).reshape(3, 20).T,), {"random_state": 2})
    x, y = _rows(41)
    yield Case("stratified", (x, y), {"random_state": 3, "stratify": y, "test_size": 0.25})
    rare = (np.arange(41) < 5).astype(int)
    yield Case("stratified, a rare class", (x, y), {"random_state": 3, "stratify": rare})
    groups = np.arange(41) // 4
    yield Case("by group", (x, y), {"random_state": 4, "groups": groups, "test_size": 0.3})
    yield Case("rows that differ", (np.arange(4), np.arange(3)), raises=ValueError)
    yield Case("no arrays", (), raises=ValueError)
    yield Case("a number", (np.array(3),), raises=ValueError)
    x = np.arange(10)
    for name, kwargs, error in (
        ("parts larger than the whole", {"dev_size": 0.6, "test_size": 0.6}, ValueError),
        ("a negative size", {"dev_size": -0.1}, ValueError),
        ("a share of 1", {"test_size": 1.0}, ValueError),
        ("more rows than there are", {"test_size": 11}, ValueError),
        ("a size in words", {"test_size": "10 %"}, TypeError),
        ("stratified and by group", {"stratify": x, "groups": x}, ValueError),
        ("stratified without shuffling", {"stratify": x, "shuffle": False}, ValueError),
        ("a group too few", {"groups": x[1:]}, ValueError),
        ("classes that are shares", {"stratify": x / 7}, ValueError),
        ("complex groups", {"groups": x * 1j}, TypeError),
    ):
        yield Case(name, (x,), kwargs, raises=error)


# --- the choice


def _choice_sample(rng, shape):
    cost = _quarters(rng, shape[0])
    return Case("ordinary", (_quarters(rng, shape[0]), cost, np.median(cost) if len(cost) else 0.0))


def _choice_cases(rng):
    score, cost = _quarters(rng, 12), _quarters(rng, 12, 2)
    yield Case("ordinary", (score, cost[:, 0], 0.5))
    yield Case("two metrics to satisfy", (score, cost, np.array([1.0, 0.5])))
    yield Case("one limit for both", (score, cost, 1.0))
    yield Case("no limit", (score, cost, np.inf))
    yield Case("the less the better", (score, cost, 1.0), {"maximize": False})
    yield Case("one candidate", (np.array([0.5]), np.array([2.0]), 2.0))
    yield Case("ties", (np.array([2.0, 2.0, 2.0, 1.0]), np.array([3.0, 1.0, 1.0, 0.5]), 4.0))
    yield Case("no metric to satisfy", (score, np.zeros((12, 0)), np.inf))
    table = np.array([0.75, 0.875, 1.0]), np.array([80.0, 96.0, 1536.0])
    yield Case("the second of three", (*table, 100.0))
    yield Case("nobody is good enough", (*table, 50.0), raises=ValueError)
    yield Case("no candidates", (np.zeros(0), np.zeros(0), 1.0), raises=ValueError)
    yield Case("a cost too few", (table[0], table[1][:2], 1.0), raises=ValueError)
    yield Case("a limit too many", (*table, np.ones(2)), raises=ValueError)
    yield Case("a table of scores", (cost, cost, 1.0), raises=ValueError)
    yield Case("NaN", (np.array([np.nan, 1.0, 1.0]), table[1], 1e3), raises=ValueError)
    yield Case("complex scores", (table[0] + 0j, table[1], 1e3), raises=TypeError)


# --- peers: scikit-learn, whose functions have options that ours leave out


def _sklearn_prf(y_true, y_pred, zero_division=0.0, **kwargs):
    from sklearn.metrics import precision_recall_fscore_support

    return precision_recall_fscore_support(y_true, y_pred, zero_division=zero_division, **kwargs)


_M = "sklearn.metrics"

OPS = [
    Op(
        "confusion_matrix",
        _decision_sample,
        _confusion_cases,
        numpy_peers=(f"{_M}.confusion_matrix",),
        min_ndim=1,
        bench_shape=(100_000,),
    ),
    Op(
        "accuracy_score",
        _decision_sample,
        _accuracy_cases,
        numpy_peers=(f"{_M}.accuracy_score",),
        min_ndim=1,
        bench_shape=(100_000,),
    ),
    Op(
        "precision_recall_fscore_support",
        _decision_sample,
        _prf_cases,
        numpy_peers=(_sklearn_prf,),
        min_ndim=1,
        bench_shape=(100_000,),
    ),
    Op("roc_curve", _ranking_sample, _curve_cases, numpy_peers=(f"{_M}.roc_curve",), min_ndim=1),
    Op(
        "roc_auc_score",
        _ranking_sample,
        _auc_cases,
        numpy_peers=(f"{_M}.roc_auc_score",),
        min_ndim=1,
        bench_shape=(100_000,),
    ),
    Op(
        "precision_recall_curve",
        _ranking_sample,
        _curve_cases,
        numpy_peers=(f"{_M}.precision_recall_curve",),
        min_ndim=1,
    ),
    Op("train_dev_test_split", _split_sample, _split_cases, min_ndim=1),
    Op("pareto_choice", _choice_sample, _choice_cases, min_ndim=1),
]
