"""Evaluation in NumPy: scores, splits, the analysis of errors, and searches.

Nothing here is differentiable: scores count right and wrong answers. Names, arguments and
defaults are those of scikit-learn where it has the function.
"""

from dataclasses import dataclass
from itertools import combinations, product
from numbers import Integral, Real

import numpy as np

__all__ = [
    "confusion_matrix", "accuracy_score", "precision_recall_fscore_support",
    "roc_curve", "roc_auc_score", "precision_recall_curve",
    "train_dev_test_split", "error_analysis", "pareto_choice",
    "grid_search", "random_search", "successive_halving",
]  # fmt: skip


# --- what the functions share


def _labels(values, name):
    """Class labels as an array (N,): whole numbers, booleans or strings."""
    array = np.asarray(values)
    if array.dtype.kind not in "biufU":
        raise TypeError(f"{name}: expected class labels, got an array of dtype {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{name}: expected shape (N,), one label each, got shape {array.shape}")
    if array.dtype.kind == "f" and not (np.isfinite(array) & (array == np.round(array))).all():
        raise ValueError(f"{name}: expected class labels, got numbers that are not whole")
    return array


def _real(values, name):
    """`values` as a float64 array; TypeError if they are not real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got an array of dtype {array.dtype}")
    return array.astype(np.float64)


def _one_per_example(array, count, name):
    if array.shape[:1] != (count,):
        raise ValueError(f"{name}: expected {count} rows, as many as y_true, got {array.shape}")


def _label_pair(y_true, y_pred):
    """Both as arrays (N,) with N > 0, both of numbers or both of strings."""
    y_true, y_pred = _labels(y_true, "y_true"), _labels(y_pred, "y_pred")
    if (y_true.dtype.kind == "U") != (y_pred.dtype.kind == "U"):
        kinds = y_true.dtype, y_pred.dtype
        raise TypeError(f"y_pred: expected labels like those of y_true, {kinds[0]}, got {kinds[1]}")
    if y_true.size == 0:
        raise ValueError("y_true: expected at least one example, got none")
    _one_per_example(y_pred, len(y_true), "y_pred")
    return y_true, y_pred


def _weights(sample_weight, count):
    """The weight of each example as float64, or None where none are given."""
    if sample_weight is None:
        return None
    weights = _real(sample_weight, "sample_weight")
    if weights.shape != (count,):
        raise ValueError(f"sample_weight: expected shape ({count},), got {weights.shape}")
    return weights


def _classes(labels, *seen):
    """The classes in the order asked for, or all that occur, sorted."""
    if labels is None:
        return np.unique(np.concatenate(seen))
    classes = _labels(labels, "labels")
    if (classes.dtype.kind == "U") != (seen[0].dtype.kind == "U"):
        raise TypeError(f"labels: expected them like y_true, {seen[0].dtype}, got {classes.dtype}")
    if classes.size == 0 or len(np.unique(classes)) < len(classes):
        raise ValueError(f"labels: expected different classes, got {classes.tolist()}")
    return classes


def _codes(values, classes):
    """The place of each value among the classes, -1 where it is none of them."""
    order = np.argsort(classes)
    at = order[np.searchsorted(classes, values, sorter=order).clip(max=len(classes) - 1)]
    return np.where(classes[at] == values, at, -1)


def _count(codes, classes, weights):
    """How often (or with what weight) each code occurs, as an array (classes,)."""
    known = codes >= 0
    return np.bincount(codes[known], None if weights is None else weights[known], classes)


def _ratio(numerator, denominator, zero_division=0.0):
    """Their quotient, and `zero_division` where the denominator is 0."""
    safe = np.where(denominator == 0, 1, denominator)
    return np.where(denominator == 0, zero_division, numerator / safe)


# --- scores of decisions


def confusion_matrix(y_true, y_pred, *, labels=None, sample_weight=None, normalize=None):
    r"""How often class $i$ was called $j$: $C_{ij} = \sum_n w_n\,[y_n = i]\,[\hat y_n = j]$.

    normalize = 'true' divides each row by its sum, 'pred' each column, 'all' the whole; a row or
    column without examples stays 0.

    Shapes: y_true and y_pred (N,); labels (K,), the classes in the order of the rows, None for
    all that occur, sorted; sample_weight (N,); result (K, K), int64 without weights and division.
    Raises: TypeError if an array does not hold labels (or real weights); ValueError if shapes do
    not fit, no example is given, none has one of the labels, or normalize is something else.
    Source: document 001 (single evaluation metric); the same name in scikit-learn.
    """
    if normalize not in (None, "true", "pred", "all"):
        raise ValueError(f"normalize: expected None, 'true', 'pred' or 'all', got {normalize!r}")
    y_true, y_pred = _label_pair(y_true, y_pred)
    weights = _weights(sample_weight, len(y_true))
    classes = _classes(labels, y_true, y_pred)
    true, pred = _codes(y_true, classes), _codes(y_pred, classes)
    if (true < 0).all():
        raise ValueError(f"labels: expected one that occurs in y_true, got {classes.tolist()}")
    cell = np.where((true < 0) | (pred < 0), -1, true * len(classes) + pred)
    matrix = _count(cell, len(classes) ** 2, weights).reshape(len(classes), -1)
    if normalize is None:
        return matrix
    axis = {"true": 1, "pred": 0, "all": None}[normalize]
    return _ratio(matrix, matrix.sum(axis=axis, keepdims=True))


def accuracy_score(y_true, y_pred, *, normalize=True, sample_weight=None):
    r"""The share of right answers, $\sum_n w_n [y_n = \hat y_n] / \sum_n w_n$; without normalize,
    their number.

    Shapes: y_true, y_pred and sample_weight (N,); result a number.
    Raises: TypeError if an array does not hold labels (or real weights); ValueError if shapes do
    not fit, no example is given, or all weights are 0.
    Source: document 002 (monitoring performance); the same name in scikit-learn.
    """
    y_true, y_pred = _label_pair(y_true, y_pred)
    weights = _weights(sample_weight, len(y_true))
    weights = np.ones(len(y_true)) if weights is None else weights
    if normalize and weights.sum() == 0:
        raise ValueError("sample_weight: expected a sum that is not 0, got 0")
    right = weights[y_true == y_pred].sum()
    return right / weights.sum() if normalize else right


_AVERAGES = (None, "binary", "micro", "macro", "weighted")


def _classes_to_score(y_true, y_pred, labels, pos_label, average):
    """The classes of which precision and recall are asked."""
    if average not in _AVERAGES:
        raise ValueError(f"average: expected one of {_AVERAGES}, got {average!r}")
    if average != "binary":
        return _classes(labels, y_true, y_pred)
    present = np.unique(np.concatenate([y_true, y_pred]))
    if len(present) > 2:
        raise ValueError(
            f"average: expected another than 'binary' for {len(present)} classes, got 'binary'"
        )
    if len(present) == 2 and pos_label not in present.tolist():
        raise ValueError(f"pos_label: expected one of {present.tolist()}, got {pos_label!r}")
    return _classes([pos_label], y_true)


def precision_recall_fscore_support(
    y_true, y_pred, *, beta=1.0, labels=None, pos_label=1, average=None, sample_weight=None,
    zero_division=0.0,
):  # fmt: skip
    r"""Precision, recall, their weighted harmonic mean $F_\beta$, and the size of each class.

    $P = TP / (TP + FP)$, $R = TP / (TP + FN)$,
    $F_\beta = (1 + \beta^2)\,TP / (\beta^2 (TP + FN) + TP + FP)$;
    where a denominator is 0 the result is zero_division, a number or NaN (which averages skip).
    average = None gives one number a class, 'binary' those of pos_label, 'micro' counts over all
    classes first, 'macro' is the mean over the classes, 'weighted' weights it with their sizes.

    Shapes: y_true, y_pred and sample_weight (N,); labels (K,) or None; result four arrays (K,), or
    three numbers and None.
    Raises: TypeError if an array does not hold labels (or real weights); ValueError if shapes do
    not fit, no example is given, beta is negative, or average and pos_label do not fit the classes.
    Source: document 001 (single evaluation metric, erratum E45);
    the same name in scikit-learn.
    """
    if not beta >= 0:
        raise ValueError(f"beta: expected a number that is not negative, got {beta}")
    y_true, y_pred = _label_pair(y_true, y_pred)
    weights = _weights(sample_weight, len(y_true))
    classes = _classes_to_score(y_true, y_pred, labels, pos_label, average)
    true, pred = _codes(y_true, classes), _codes(y_pred, classes)
    hits = _count(np.where(true == pred, true, -1), len(classes), weights)  # TP
    called = _count(pred, len(classes), weights)  # TP + FP
    actual = _count(true, len(classes), weights)  # TP + FN
    if average == "micro":
        hits, called, actual = hits.sum(), called.sum(), actual.sum()
    precision = _ratio(hits, called, zero_division)
    recall = _ratio(hits, actual, zero_division)
    if np.isinf(beta):
        f_score = recall
    else:
        f_score = _ratio((1 + beta**2) * hits, beta**2 * actual + called, zero_division)
        f_score = precision if beta == 0 else f_score
    if average is None:
        return precision, recall, f_score, actual
    shares = actual if average == "weighted" else None
    means = (_mean(score.reshape(-1), shares) for score in (precision, recall, f_score))
    return *means, None


def _mean(values, weights):
    """The weighted mean of what is not NaN; the plain mean where all weights are 0."""
    known = ~np.isnan(values)
    if not known.any():
        return np.float64(np.nan)
    values, weights = values[known], None if weights is None else weights[known]
    if weights is None or weights.sum() == 0:
        return values.mean()
    return (values * weights).sum() / weights.sum()


# --- scores of rankings


def _scores(y_true, y_score):
    """Labels (N,) and one real, finite score for each, or a row of them."""
    y_true, y_score = _labels(y_true, "y_true"), _real(y_score, "y_score")
    if y_true.size == 0:
        raise ValueError("y_true: expected at least one example, got none")
    _one_per_example(y_score, len(y_true), "y_score")
    if not np.isfinite(y_score).all():
        raise ValueError("y_score: expected finite numbers, got NaN or infinity")
    return y_true, y_score


def _positives(y_true, y_score, pos_label):
    """Which examples are positive, with the scores; ValueError unless there are two classes."""
    y_true, y_score = _scores(y_true, y_score)
    if y_score.ndim != 1:
        raise ValueError(f"y_score: expected shape ({len(y_true)},), got {y_score.shape}")
    classes = np.unique(y_true)
    if pos_label is None:
        if not (set(classes.tolist()) <= {0, 1} or set(classes.tolist()) <= {-1, 1}):
            raise ValueError(f"pos_label: expected one of {classes.tolist()}, got None")
        pos_label = 1
    positive = y_true == pos_label
    if positive.all() or not positive.any():
        raise ValueError(f"y_true: expected two classes, got {classes.tolist()}")
    return positive, y_score


def _weights_of_both(positive, weights):
    """The weights, by default 1; ValueError if the positives or the others have none."""
    weights = np.ones(len(positive)) if weights is None else weights
    totals = weights[positive].sum(), weights[~positive].sum()
    if not min(totals) > 0:
        raise ValueError(f"sample_weight: expected some for either class, got sums {totals}")
    return weights


def _curve(positive, y_score, weights):
    """False and true positives at each distinct score as threshold, from the highest down."""
    weights = _weights_of_both(positive, weights)
    order = np.argsort(-y_score, kind="stable")
    order = order[weights[order] != 0]
    y_score, positive, weights = y_score[order], positive[order], weights[order]
    last = np.append(np.flatnonzero(np.diff(y_score)), len(y_score) - 1)  # of each run of ties
    hits = np.cumsum(weights * positive)[last]
    alarms = np.cumsum(weights * ~positive)[last]
    return alarms, hits, y_score[last]


def roc_curve(y_true, y_score, *, pos_label=None, sample_weight=None, drop_intermediate=True):
    r"""False and true positive rate at every threshold: the curve of the receiver operator.

    $\mathrm{FPR}(t) = FP(t) / N_-$, $\mathrm{TPR}(t) = TP(t) / N_+$, an example being called
    positive where its score is at least $t$. Points in the middle of a straight piece are dropped.

    Shapes: y_true, y_score and sample_weight (N,); result three arrays (T,): rates, and thresholds
    that fall from infinity.
    Raises: TypeError if an array does not hold labels (or real numbers); ValueError if shapes do
    not fit, a score is not finite, or y_true does not hold two classes of which one is positive.
    Source: Fawcett 2006; the same name in scikit-learn.
    """
    positive, y_score = _positives(y_true, y_score, pos_label)
    alarms, hits, thresholds = _curve(positive, y_score, _weights(sample_weight, len(positive)))
    if drop_intermediate and len(alarms) > 2:
        bend = (np.diff(alarms, 2) != 0) | (np.diff(hits, 2) != 0)
        kept = np.concatenate([[True], bend, [True]])
        alarms, hits, thresholds = alarms[kept], hits[kept], thresholds[kept]
    fpr, tpr = (np.append(0.0, rate / rate[-1]) for rate in (alarms, hits))
    return fpr, tpr, np.append(np.inf, thresholds)


def precision_recall_curve(
    y_true, y_score, *, pos_label=None, sample_weight=None, drop_intermediate=False
):
    r"""Precision and recall at every threshold, from the lowest to the highest, and then (1, 0).

    Shapes: y_true, y_score and sample_weight (N,); result precision (T + 1,), recall (T + 1,),
    thresholds (T,) that rise. drop_intermediate leaves out points between which recall stays.
    Raises: TypeError if an array does not hold labels (or real numbers); ValueError if shapes do
    not fit, a score is not finite, or y_true does not hold two classes of which one is positive.
    Source: the same name in scikit-learn.
    """
    positive, y_score = _positives(y_true, y_score, pos_label)
    alarms, hits, thresholds = _curve(positive, y_score, _weights(sample_weight, len(positive)))
    if drop_intermediate and len(hits) > 2:
        moves = np.diff(hits) != 0
        kept = np.concatenate([[True], moves[:-1] | moves[1:], [True]])
        alarms, hits, thresholds = alarms[kept], hits[kept], thresholds[kept]
    precision = _ratio(hits, hits + alarms)
    recall = hits / hits[-1]
    return np.append(precision[::-1], 1.0), np.append(recall[::-1], 0.0), thresholds[::-1]


def _auc(positive, y_score, weights):
    """The share of pairs (positive, negative) that the scores put in order; ties count half."""
    weights = _weights_of_both(positive, weights)
    _, place = np.unique(y_score, return_inverse=True)
    up = np.bincount(place, weights * positive)  # weight of the positives at each score
    down = np.bincount(place, weights * ~positive)
    below = np.cumsum(down) - down
    return (up * (below + down / 2)).sum() / (up.sum() * down.sum())


def roc_auc_score(
    y_true, y_score, *, average="macro", sample_weight=None, multi_class="raise", labels=None
):
    r"""The area under the ROC curve: how often a positive example outscores a negative one.

    $\mathrm{AUC} = P(s_+ > s_-) + \frac12 P(s_+ = s_-)$. For K > 2 classes multi_class = 'ovr'
    takes each class against the rest ('macro', 'weighted', 'micro' average or None), 'ovo' each
    pair of classes ('macro' or 'weighted').

    Shapes: y_true (N,); y_score (N,), higher for the larger of two labels, or (N, K), a column
    for each class; labels (K,), the classes in the order of the columns, None for sorted;
    sample_weight (N,), not with 'ovo'; result a number, or (K,) for average None.
    Raises: TypeError if an array does not hold labels (or real numbers); ValueError if shapes do
    not fit, a score is not finite, a class has no example, or an option is something else.
    Source: Hanley and McNeil 1982; Hand and Till 2001 for 'ovo'; the same name in scikit-learn.
    """
    y_true, y_score = _scores(y_true, y_score)
    weights = _weights(sample_weight, len(y_true))
    classes = _classes(labels, y_true)
    _check_auc(average, multi_class, classes, y_true, y_score, weights)
    if y_score.ndim == 1:
        return _auc(y_true == np.sort(classes)[-1], y_score, weights)
    pick = _ovo if multi_class == "ovo" else _ovr
    return pick(y_true[:, None] == classes, y_score, average, weights)


def _check_auc(average, multi_class, classes, y_true, y_score, weights):
    if y_score.ndim not in (1, 2) or (y_score.ndim == 2 and y_score.shape[1] != len(classes)):
        raise ValueError(
            f"y_score: expected shape (N,) or (N, {len(classes)}), a column for each of "
            f"{classes.tolist()}, got {y_score.shape}"
        )
    if y_score.ndim == 1 and len(classes) != 2:
        raise ValueError(f"y_true: expected two classes, got {classes.tolist()}")
    if set(classes.tolist()) != set(y_true.tolist()):
        raise ValueError(
            f"y_true: expected examples of each class of {classes.tolist()} and of no other, "
            f"got {np.unique(y_true).tolist()}"
        )
    if y_score.ndim == 2 and multi_class not in ("ovr", "ovo"):
        raise ValueError(f"multi_class: expected 'ovr' or 'ovo', got {multi_class!r}")
    fitting = ("macro", "weighted") if multi_class == "ovo" else _AVERAGES[:1] + _AVERAGES[2:]
    if average not in fitting:
        raise ValueError(f"average: expected one of {fitting}, got {average!r}")
    if multi_class == "ovo" and weights is not None:
        raise ValueError("sample_weight: expected None with multi_class='ovo', got weights")


def _ovr(member, y_score, average, weights):
    """Each class against the rest; member (N, K) says who belongs to which class."""
    if average == "micro":
        weights = None if weights is None else np.repeat(weights, member.shape[1])
        return _auc(member.reshape(-1), y_score.reshape(-1), weights)
    areas = np.array([_auc(m, s, weights) for m, s in zip(member.T, y_score.T, strict=True)])
    if average is None:
        return areas
    shares = member.T @ (np.ones(len(member)) if weights is None else weights)
    return _mean(areas, shares if average == "weighted" else None)


def _ovo(member, y_score, average, weights):
    """Each pair of classes among their own examples, seen from either side."""
    areas, shares = [], []
    for a, b in combinations(range(member.shape[1]), 2):
        pair = member[:, a] | member[:, b]
        sides = [_auc(member[pair, k], y_score[pair, k], None) for k in (a, b)]
        areas.append(np.mean(sides))
        shares.append(pair.mean())
    return _mean(np.array(areas), np.array(shares) if average == "weighted" else None)


# --- splits


def _part_size(size, count, name):
    """How many of `count` rows a share (0 to 1) or a number of rows asks for."""
    if isinstance(size, bool) or not isinstance(size, Real):
        raise TypeError(f"{name}: expected a share or a number of rows, got {size!r}")
    rows = int(size) if isinstance(size, Integral) else round(size * count)
    if not 0 <= rows <= count or (not isinstance(size, Integral) and not 0 <= size < 1):
        raise ValueError(f"{name}: expected a share below 1 or at most {count} rows, got {size}")
    return rows


def _shuffled_parts(count, sizes, rng):
    """Places 0 ... count - 1, cut into the last, the middle and the first part."""
    order = np.arange(count) if rng is None else rng.permutation(count)
    train = count - sum(sizes)
    return np.split(order, [train, train + sizes[0]])


def _share_out(total, counts):
    """`total` items in proportion to the counts: whole numbers, by the largest remainder."""
    exact = total * counts / max(counts.sum(), 1)
    whole = np.floor(exact).astype(int)
    rest = np.argsort(whole - exact, kind="stable")[: total - whole.sum()]
    whole[rest] += 1
    return whole


def _stratified_parts(classes, sizes, rng):
    """Parts in each of which every class has its share."""
    _, codes, counts = np.unique(classes, return_inverse=True, return_counts=True)
    dev = _share_out(sizes[0], counts)
    test = _share_out(sizes[1], counts - dev)
    parts = [[], [], []]
    for k, count in enumerate(counts):
        members = rng.permutation(np.flatnonzero(codes == k))
        cuts = [count - dev[k] - test[k], count - test[k]]
        for part, rows in zip(parts, np.split(members, cuts), strict=True):
            part.append(rows)
    return [rng.permutation(np.concatenate(part)) for part in parts]


def _grouped_parts(groups, sizes, rng):
    """Parts between which no group is divided: whole groups go where most rows are missing."""
    _, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    missing = np.array([len(groups) - sum(sizes), *sizes])
    home = np.empty(len(counts), dtype=int)
    for k in rng.permutation(len(counts)):
        home[k] = np.argmax(missing)
        missing[home[k]] -= counts[k]
    return [rng.permutation(np.flatnonzero(home[codes] == part)) for part in range(3)]


def _split_indices(count, dev_size, test_size, random_state, shuffle, stratify, groups):
    """The rows of the training, dev and test set, as three arrays of whole numbers."""
    sizes = _part_size(dev_size, count, "dev_size"), _part_size(test_size, count, "test_size")
    if sum(sizes) > count:
        raise ValueError(f"dev_size, test_size: expected at most {count} rows, got {sum(sizes)}")
    if stratify is not None and groups is not None:
        raise ValueError("stratify, groups: expected one of the two, got both")
    key, name = (stratify, "stratify") if groups is None else (groups, "groups")
    if key is None:
        return _shuffled_parts(
            count, sizes, np.random.default_rng(random_state) if shuffle else None
        )
    if not shuffle:
        raise ValueError(f"shuffle: expected True with {name}, got False")
    key = _labels(key, name)
    if len(key) != count:
        raise ValueError(f"{name}: expected {count} labels, one a row, got {len(key)}")
    parts = _stratified_parts if groups is None else _grouped_parts
    return parts(key, sizes, np.random.default_rng(random_state))


def _row_count(arrays):
    """The number of rows that all arrays share."""
    counts = [array.shape[0] if array.ndim else None for array in arrays]
    if not counts or None in counts or len(set(counts)) > 1:
        raise ValueError(f"arrays: expected at least one, all with the same rows, got {counts}")
    return counts[0]


def train_dev_test_split(
    *arrays,
    dev_size=0.1,
    test_size=0.1,
    random_state=None,
    shuffle=True,
    stratify=None,
    groups=None,
):
    """Cut arrays into three disjoint parts, all in the same way, from one shuffle.

    A size is a share of the rows (rounded) or a number of rows; the rest is for training. With
    stratify every class keeps its share in each part; with groups no group (person, patient,
    source) is divided, and the sizes are met as nearly as that allows.

    Shapes: arrays (N, *); stratify and groups (N,); result a tuple, three arrays for each:
    train, dev, test, train, dev, test, ...
    Raises: TypeError if a size is no number or a label no label; ValueError if numbers of rows
    differ, the sizes do not fit, or options contradict each other.
    Source: documents 001 (train, dev, test set; erratum E48) and 002 (monitoring); compare
    `train_test_split` of scikit-learn, which makes two parts.
    """
    arrays = [np.asarray(array) for array in arrays]
    count = _row_count(arrays)
    parts = _split_indices(count, dev_size, test_size, random_state, shuffle, stratify, groups)
    return tuple(array[rows] for array in arrays for rows in parts)


# --- decisions


_ADVICE = {
    "none": "No gap is larger than the tolerance: test it, and ship it.",
    "avoidable bias": "Fit the training set better: a bigger network, longer training or a better "
    "optimizer, another architecture, less regularization, better features.",
    "variance": "Generalize better: more data, augmentation, more regularization, a smaller or "
    "another network. Training again changes nothing.",
    "mismatch": "The training data are not those of the task: look at errors on the dev set, get "
    "or make training data that resemble it.",
    "dev overfitting": "You tuned until the dev set gave in: get a larger or a fresh dev set.",
}


@dataclass(frozen=True)
class ErrorAnalysis:
    """The gaps between neighboring errors (None where an error is not given), and what they say."""

    avoidable_bias: float
    variance: float
    mismatch: float | None
    dev_overfitting: float | None
    problem: str  # the largest gap above the tolerance, or "none"
    advice: str


def error_analysis(
    human_error, train_error, dev_error, *, train_dev_error=None, test_error=None, tolerance=0.01
):
    r"""Read the errors in order, and say which gap to work on next.

    human to train is avoidable bias, train to train-dev variance, train-dev to dev data mismatch,
    dev to test overfitting to the dev set. Without a train-dev error (training and dev data come
    from one distribution) the gap from train to dev is the variance. The largest gap that exceeds
    the tolerance is the problem; of equal ones, the first.

    Shapes: errors numbers from 0 to 1; result an `ErrorAnalysis`.
    Raises: TypeError if an error is not a real number; ValueError unless it is between 0 and 1 and
    the tolerance not negative.
    Source: document 001 (human level, avoidable bias, variance, data mismatch; errata E50 to E55).
    """
    human, train = _rate(human_error, "human_error"), _rate(train_error, "train_error")
    dev = _rate(dev_error, "dev_error")
    train_dev = None if train_dev_error is None else _rate(train_dev_error, "train_dev_error")
    test = None if test_error is None else _rate(test_error, "test_error")
    if not _number(tolerance, "tolerance") >= 0:
        raise ValueError(f"tolerance: expected a number that is not negative, got {tolerance}")
    gaps = {
        "avoidable bias": train - human,
        "variance": (dev if train_dev is None else train_dev) - train,
        "mismatch": None if train_dev is None else dev - train_dev,
        "dev overfitting": None if test is None else test - dev,
    }
    known = {name: gap for name, gap in gaps.items() if gap is not None}
    largest = max(known, key=known.get)
    problem = largest if known[largest] > tolerance else "none"
    return ErrorAnalysis(*gaps.values(), problem, _ADVICE[problem])


def _number(value, name):
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected a real number, got {value!r}") from None


def _rate(value, name):
    """An error rate from 0 to 1."""
    rate = _number(value, name)
    if not 0 <= rate <= 1:
        raise ValueError(f"{name}: expected a share from 0 to 1, got {rate}")
    return rate


def pareto_choice(optimizing, satisficing, limit, *, maximize=True):
    """The best candidate among those good enough, and which candidates nobody beats outright.

    One metric is optimized, the others must only stay within their limits. A candidate is on the
    Pareto front if no other is at least as good in everything and better in something. The choice
    is always on it; of equal candidates it is the first.

    Shapes: optimizing (N,); satisficing (N,) or (N, M), smaller is better; limit a number or (M,);
    result (the choice's index, an array (N,) of booleans: on the front).
    Raises: TypeError if an array is not real; ValueError if shapes do not fit, a number is NaN, or
    no candidate stays within the limits.
    Source: document 001 (optimizing and satisficing metrics, erratum E47).
    """
    score, cost, limit = (
        _real(values, name)
        for values, name in (
            (optimizing, "optimizing"),
            (satisficing, "satisficing"),
            (limit, "limit"),
        )
    )
    _check_candidates(score.shape, cost.shape, limit.shape)
    if np.isnan(score).any() or np.isnan(cost).any() or np.isnan(limit).any():
        raise ValueError("optimizing, satisficing, limit: expected numbers, got NaN")
    score = score if maximize else -score
    cost = cost.reshape(len(score), -1)  # (N,) -> (N, 1)
    feasible = (cost <= limit).all(axis=1)
    if not feasible.any():
        raise ValueError(f"limit: expected one that a candidate meets, got {limit}")
    # Entry [i, j]: is j at least as good as i in everything, and better in something?
    as_good = (score >= score[:, None]) & (cost <= cost[:, None]).all(axis=2)
    better = (score > score[:, None]) | (cost < cost[:, None]).any(axis=2)
    front = ~(as_good & better).any(axis=1)
    return np.argmax(np.where(feasible & front, score, -np.inf)), front


def _check_candidates(score, cost, limit):
    """ValueError unless the shapes are (N,), (N,) or (N, M), and () or (M,), with N > 0."""
    if len(score) != 1 or score[0] == 0:
        raise ValueError(f"optimizing: expected shape (N,) with N > 0, got {tuple(score)}")
    if len(cost) not in (1, 2) or cost[0] != score[0]:
        raise ValueError(f"satisficing: expected {score[0]} rows, got shape {tuple(cost)}")
    if tuple(limit) not in ((), tuple(cost[1:])):
        raise ValueError(f"limit: expected a number or shape {tuple(cost[1:])}, got {tuple(limit)}")


# --- searches


@dataclass(frozen=True)
class SearchResult:
    """What a search tried, in order, and the best of it."""

    best_params: dict
    best_score: float
    params: list
    scores: np.ndarray  # (trials,); NaN where a trial failed


def _best(trials, scores, maximize):
    """The result with the first of the best scores; NaN, a diverged run, never wins."""
    scores = np.asarray(scores, dtype=np.float64)
    worst = -np.inf if maximize else np.inf
    ranked = np.where(np.isnan(scores), worst, scores)
    best = int(np.argmax(ranked) if maximize else np.argmin(ranked))
    return SearchResult(trials[best], float(scores[best]), trials, scores)


def _check_space(space, name, distributions=False):
    """A dictionary from names to choices (or distributions), none of them empty."""
    if not isinstance(space, dict) or not space:
        raise TypeError(f"{name}: expected a dictionary with at least one entry, got {space!r}")
    for key, values in space.items():
        if distributions and hasattr(values, "rvs"):
            continue
        if isinstance(values, str) or not hasattr(values, "__len__"):
            raise TypeError(f"{name}: expected a list of values for {key!r}, got {values!r}")
        if len(values) == 0:
            raise ValueError(f"{name}: expected at least one value for {key!r}, got none")


def _grid(space):
    """All combinations, the names in alphabetical order and the last of them turning fastest."""
    names = sorted(space)
    return [dict(zip(names, values, strict=True)) for values in product(*(space[n] for n in names))]


def grid_search(objective, param_grid, *, maximize=True):
    """Try every combination of the given values.

    Shapes: objective a function of a dictionary of parameters that returns a number; param_grid a
    dictionary from names to lists of values; result a `SearchResult`.
    Raises: TypeError if param_grid is not such a dictionary; ValueError if a list is empty.
    Source: document 001 (hyper-parameter tuning); compare `GridSearchCV` of scikit-learn.
    """
    _check_space(param_grid, "param_grid")
    trials = _grid(param_grid)
    return _best(trials, [objective(dict(params)) for params in trials], maximize)


def random_search(objective, param_distributions, n_iter=10, *, random_state=None, maximize=True):
    """Try n_iter random combinations.

    A list is drawn from evenly, a distribution (anything with `rvs`, such as
    `scipy.stats.loguniform(1e-5, 1)`) by itself. Where there are only lists no combination is
    tried twice.

    Shapes: objective a function of a dictionary of parameters that returns a number;
    param_distributions a dictionary; random_state a seed or a generator; result a `SearchResult`.
    Raises: TypeError if param_distributions is not such a dictionary; ValueError if a list is
    empty or n_iter is not positive.
    Source: Bergstra and Bengio 2012; document 001 (hyper-parameter tuning); compare
    `RandomizedSearchCV` of scikit-learn.
    """
    _check_space(param_distributions, "param_distributions", distributions=True)
    if not n_iter >= 1:
        raise ValueError(f"n_iter: expected a positive number, got {n_iter}")
    seeded = hasattr(random_state, "choice")  # a generator already
    rng = random_state if seeded else np.random.default_rng(random_state)
    trials = _draw(param_distributions, n_iter, rng)
    return _best(trials, [objective(dict(params)) for params in trials], maximize)


def _draw(space, count, rng):
    if not any(hasattr(values, "rvs") for values in space.values()):
        grid = _grid(space)
        return [grid[k] for k in rng.choice(len(grid), min(count, len(grid)), replace=False)]
    return [
        {
            name: values.rvs(random_state=rng)
            if hasattr(values, "rvs")
            else values[rng.choice(len(values))]
            for name, values in sorted(space.items())
        }
        for _ in range(count)
    ]


def successive_halving(objective, candidates, *, min_resource=1, factor=3, maximize=True):
    """Train all a little, keep the best 1 / factor of them, give these more, and so on.

    In each round the resource (steps, examples) of the survivors is multiplied by factor; the
    last round has one candidate left. NaN, a diverged run, is always dropped first.

    Shapes: objective a function of (parameters, resource) that returns a number; candidates a list
    of dictionaries; result a `SearchResult` whose params and scores are those of all evaluations
    in order, each params with its "resource"; best_params is the last survivor's.
    Raises: TypeError if factor or min_resource is not a whole number; ValueError if there are no
    candidates, min_resource is not positive or factor is below 2.
    Source: Jamieson and Talwalkar 2016; compare `HalvingRandomSearchCV` of scikit-learn.
    """
    for value, name, least in ((factor, "factor", 2), (min_resource, "min_resource", 1)):
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise TypeError(f"{name}: expected a whole number, got {value!r}")
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, got {value}")
    alive, resource = list(candidates), min_resource
    if not alive:
        raise ValueError("candidates: expected at least one, got none")
    trials, scores = [], []
    while True:
        found = np.array([objective(dict(params), resource) for params in alive], dtype=np.float64)
        trials += [{**params, "resource": resource} for params in alive]
        scores += found.tolist()
        order = np.argsort(-found if maximize else found, kind="stable")  # NaN comes last
        if len(alive) == 1:
            return SearchResult(alive[0], scores[-1], trials, np.array(scores))
        alive = [alive[k] for k in order[: -(-len(alive) // factor)]]  # rounded up
        resource *= factor
