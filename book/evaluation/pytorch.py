"""Evaluation in PyTorch: the same names, on any device, without leaving it for the CPU.

Counts and sums are taken in whole numbers and float64, whatever the dtype of the scores, since
bfloat16 cannot count beyond 256. Results have the dtype of the weights or scores that they come
from; shares of whole numbers alone are float64. Labels are integers, booleans or whole numbers.
What has no tensors in it (the analysis of four errors, the searches) is that of the reference.
"""

from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from book.evaluation.reference import (
    _check_candidates,
    _row_count,
    _split_indices,
    error_analysis,
    grid_search,
    random_search,
    successive_halving,
)

__all__ = [
    "confusion_matrix", "accuracy_score", "precision_recall_fscore_support",
    "roc_curve", "roc_auc_score", "precision_recall_curve",
    "train_dev_test_split", "error_analysis", "pareto_choice",
    "grid_search", "random_search", "successive_halving",
]  # fmt: skip


# --- what the functions share


def _labels(values: Tensor, name: str) -> Tensor:
    """Class labels (N,): whole numbers or booleans."""
    if not isinstance(values, Tensor) or values.is_complex():
        got = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"{name}: expected a tensor of class labels, got {got}")
    if values.ndim != 1:
        shape = tuple(values.shape)
        raise ValueError(f"{name}: expected shape (N,), one label each, got shape {shape}")
    whole = values.detach().to(torch.int64)
    if (whole != values).any():
        raise ValueError(f"{name}: expected class labels, got numbers that are not whole")
    return whole


def _real(values: Tensor, name: str) -> Tensor:
    """`values` in float64, without its history; TypeError unless it is a tensor of real numbers."""
    if not isinstance(values, Tensor) or values.is_complex():
        got = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"{name}: expected a tensor of real numbers, got {got}")
    return values.detach().to(torch.float64)


def _one_per_example(tensor: Tensor, count: int, name: str) -> None:
    if tensor.shape[:1] != (count,):
        shape = tuple(tensor.shape)
        raise ValueError(f"{name}: expected {count} rows, as many as y_true, got {shape}")


def _label_pair(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Both as integers (N,) with N > 0."""
    y_true, y_pred = _labels(y_true, "y_true"), _labels(y_pred, "y_pred")
    if y_true.numel() == 0:
        raise ValueError("y_true: expected at least one example, got none")
    _one_per_example(y_pred, len(y_true), "y_pred")
    return y_true, y_pred


def _weights(sample_weight: Tensor | None, count: int) -> Tensor | None:
    """The weight of each example in float64, or None where none are given."""
    if sample_weight is None:
        return None
    weights = _real(sample_weight, "sample_weight")
    if weights.shape != (count,):
        raise ValueError(f"sample_weight: expected shape ({count},), got {tuple(weights.shape)}")
    return weights


def _dtype(*sources: Tensor | None) -> torch.dtype:
    """That of the first of the sources which is floating point; float64 if none is."""
    real = [s.dtype for s in sources if s is not None and s.dtype.is_floating_point]
    return real[0] if real else torch.float64


def _classes(labels, *seen: Tensor) -> Tensor:
    """The classes in the order asked for, or all that occur, sorted."""
    if labels is None:
        return torch.unique(torch.cat(seen))
    classes = _labels(torch.as_tensor(labels, device=seen[0].device), "labels")
    if classes.numel() == 0 or len(torch.unique(classes)) < len(classes):
        raise ValueError(f"labels: expected different classes, got {classes.tolist()}")
    return classes


def _codes(values: Tensor, classes: Tensor) -> Tensor:
    """The place of each value among the classes, -1 where it is none of them."""
    ordered, order = torch.sort(classes)
    at = torch.searchsorted(ordered, values.contiguous()).clamp(max=len(classes) - 1)
    return torch.where(ordered[at] == values, order[at], -1)


def _count(codes: Tensor, classes: int, weights: Tensor | None) -> Tensor:
    """How often (or with what weight) each code occurs, as a tensor (classes,)."""
    known = codes >= 0
    weights = None if weights is None else weights[known]
    return torch.bincount(codes[known], weights, classes)


def _ratio(numerator: Tensor, denominator: Tensor, zero_division: float = 0.0) -> Tensor:
    """Their quotient in float64, and `zero_division` where the denominator is 0."""
    quotient = numerator.to(torch.float64) / denominator
    return torch.where(denominator == 0, zero_division, quotient)


# --- scores of decisions


def confusion_matrix(
    y_true: Tensor, y_pred: Tensor, *, labels=None, sample_weight=None, normalize=None
) -> Tensor:
    """How many examples of class i (row) were called j (column).

    Shapes: y_true and y_pred (N,); labels (K,) or None; sample_weight (N,); result (K, K), int64
    without weights and division.
    Raises: TypeError if a tensor does not hold labels (or real weights); ValueError if shapes do
    not fit, no example is given, none has one of the labels, or normalize is something else.
    """
    if normalize not in (None, "true", "pred", "all"):
        raise ValueError(f"normalize: expected None, 'true', 'pred' or 'all', got {normalize!r}")
    y_true, y_pred = _label_pair(y_true, y_pred)
    weights = _weights(sample_weight, len(y_true))
    classes = _classes(labels, y_true, y_pred)
    true, pred = _codes(y_true, classes), _codes(y_pred, classes)
    if (true < 0).all():
        raise ValueError(f"labels: expected one that occurs in y_true, got {classes.tolist()}")
    cell = torch.where((true < 0) | (pred < 0), -1, true * len(classes) + pred)
    matrix = _count(cell, len(classes) ** 2, weights).reshape(len(classes), -1)
    if normalize is not None:
        dim = {"true": (1,), "pred": (0,), "all": (0, 1)}[normalize]
        matrix = _ratio(matrix, matrix.sum(dim, keepdim=True))
    return matrix.to(_dtype(sample_weight)) if matrix.is_floating_point() else matrix


def accuracy_score(
    y_true: Tensor, y_pred: Tensor, *, normalize: bool = True, sample_weight=None
) -> Tensor:
    """The share of right answers, or without normalize their number.

    Shapes: y_true, y_pred and sample_weight (N,); result one number ().
    Raises: TypeError if a tensor does not hold labels (or real weights); ValueError if shapes do
    not fit, no example is given, or all weights are 0.
    """
    y_true, y_pred = _label_pair(y_true, y_pred)
    weights = _weights(sample_weight, len(y_true))
    weights = torch.ones_like(y_true, dtype=torch.float64) if weights is None else weights
    if normalize and weights.sum() == 0:
        raise ValueError("sample_weight: expected a sum that is not 0, got 0")
    right = weights[y_true == y_pred].sum()
    return (right / weights.sum() if normalize else right).to(_dtype(sample_weight))


_AVERAGES = (None, "binary", "micro", "macro", "weighted")


def _classes_to_score(y_true, y_pred, labels, pos_label, average) -> Tensor:
    """The classes of which precision and recall are asked."""
    if average not in _AVERAGES:
        raise ValueError(f"average: expected one of {_AVERAGES}, got {average!r}")
    if average != "binary":
        return _classes(labels, y_true, y_pred)
    present = torch.unique(torch.cat([y_true, y_pred])).tolist()
    if len(present) > 2:
        raise ValueError(
            f"average: expected another than 'binary' for {len(present)} classes, got 'binary'"
        )
    if len(present) == 2 and pos_label not in present:
        raise ValueError(f"pos_label: expected one of {present}, got {pos_label!r}")
    return _classes([pos_label], y_true)


def precision_recall_fscore_support(
    y_true: Tensor, y_pred: Tensor, *, beta: float = 1.0, labels=None, pos_label: int = 1,
    average: str | None = None, sample_weight=None, zero_division: float = 0.0,
) -> tuple:  # fmt: skip
    """Precision, recall, their weighted harmonic mean, and the size of each class.

    Shapes: y_true, y_pred and sample_weight (N,); labels (K,) or None; result four tensors (K,),
    or three numbers () and None.
    Raises: TypeError if a tensor does not hold labels (or real weights); ValueError if shapes do
    not fit, no example is given, beta is negative, or average and pos_label do not fit the classes.
    """
    if not beta >= 0:
        raise ValueError(f"beta: expected a number that is not negative, got {beta}")
    y_true, y_pred = _label_pair(y_true, y_pred)
    weights, dtype = _weights(sample_weight, len(y_true)), _dtype(sample_weight)
    classes = _classes_to_score(y_true, y_pred, labels, pos_label, average)
    true, pred = _codes(y_true, classes), _codes(y_pred, classes)
    hits = _count(torch.where(true == pred, true, -1), len(classes), weights)  # TP
    called = _count(pred, len(classes), weights)  # TP + FP
    actual = _count(true, len(classes), weights)  # TP + FN
    if average == "micro":
        hits, called, actual = hits.sum(), called.sum(), actual.sum()
    precision = _ratio(hits, called, zero_division)
    recall = _ratio(hits, actual, zero_division)
    if beta == float("inf"):
        f_score = recall
    else:
        right = hits.to(torch.float64)  # a whole number times beta would be float32
        f_score = _ratio((1 + beta**2) * right, beta**2 * actual.double() + called, zero_division)
        f_score = precision if beta == 0 else f_score
    scores = precision, recall, f_score
    if average is None:
        support = actual.to(dtype) if actual.is_floating_point() else actual
        return *(score.to(dtype) for score in scores), support
    shares = actual if average == "weighted" else None
    return *(_mean(score.reshape(-1), shares).to(dtype) for score in scores), None


def _mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """The weighted mean of what is not NaN; the plain mean where all weights are 0."""
    known = ~values.isnan()
    if weights is None or weights[known].sum() == 0:
        return values.nanmean()
    return (values * weights)[known].sum() / weights[known].sum()


# --- scores of rankings


def _scores(y_true: Tensor, y_score: Tensor) -> tuple[Tensor, Tensor]:
    """Labels (N,) and one real, finite score for each, or a row of them."""
    y_true, y_score = _labels(y_true, "y_true"), _real(y_score, "y_score")
    if y_true.numel() == 0:
        raise ValueError("y_true: expected at least one example, got none")
    _one_per_example(y_score, len(y_true), "y_score")
    if not y_score.isfinite().all():
        raise ValueError("y_score: expected finite numbers, got NaN or infinity")
    return y_true, y_score


def _positives(y_true: Tensor, y_score: Tensor, pos_label) -> tuple[Tensor, Tensor]:
    """Which examples are positive, with the scores; ValueError unless there are two classes."""
    y_true, y_score = _scores(y_true, y_score)
    if y_score.ndim != 1:
        raise ValueError(f"y_score: expected shape ({len(y_true)},), got {tuple(y_score.shape)}")
    classes = torch.unique(y_true).tolist()
    if pos_label is None:
        if not (set(classes) <= {0, 1} or set(classes) <= {-1, 1}):
            raise ValueError(f"pos_label: expected one of {classes}, got None")
        pos_label = 1
    positive = y_true == pos_label
    if positive.all() or not positive.any():
        raise ValueError(f"y_true: expected two classes, got {classes}")
    return positive, y_score


def _weights_of_both(positive: Tensor, weights: Tensor | None) -> Tensor:
    """The weights, by default 1; ValueError if the positives or the others have none."""
    weights = torch.ones_like(positive, dtype=torch.float64) if weights is None else weights
    totals = weights[positive].sum().item(), weights[~positive].sum().item()
    if not min(totals) > 0:
        raise ValueError(f"sample_weight: expected some for either class, got sums {totals}")
    return weights


def _curve(positive: Tensor, y_score: Tensor, weights: Tensor | None):
    """False and true positives at each distinct score as threshold, from the highest down."""
    weights = _weights_of_both(positive, weights)
    order = torch.argsort(-y_score, stable=True)
    order = order[weights[order] != 0]
    y_score, positive, weights = y_score[order], positive[order], weights[order]
    changes = torch.diff(y_score) != 0
    last = torch.cat([changes, changes.new_ones(1)])  # of each run of ties
    hits = torch.cumsum(weights * positive, 0)[last]
    alarms = torch.cumsum(weights * ~positive, 0)[last]
    return alarms, hits, y_score[last]


def _with_ends(inner: Tensor) -> Tensor:
    """A mask that also keeps the first and the last point."""
    end = inner.new_ones(1)
    return torch.cat([end, inner, end])


def roc_curve(
    y_true: Tensor, y_score: Tensor, *, pos_label=None, sample_weight=None,
    drop_intermediate: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """False and true positive rate at every threshold.

    Shapes: y_true, y_score and sample_weight (N,); result three tensors (T,): rates, and
    thresholds that fall from infinity.
    Raises: TypeError if a tensor does not hold labels (or real numbers); ValueError if shapes do
    not fit, a score is not finite, or y_true does not hold two classes of which one is positive.
    """
    positive, scores = _positives(y_true, y_score, pos_label)
    alarms, hits, thresholds = _curve(positive, scores, _weights(sample_weight, len(positive)))
    if drop_intermediate and len(alarms) > 2:
        bend = (torch.diff(alarms, n=2) != 0) | (torch.diff(hits, n=2) != 0)
        kept = _with_ends(bend)
        alarms, hits, thresholds = alarms[kept], hits[kept], thresholds[kept]
    start = alarms.new_zeros(1)
    fpr, tpr = (torch.cat([start, rate / rate[-1]]) for rate in (alarms, hits))
    thresholds = torch.cat([start + torch.inf, thresholds])
    return tuple(result.to(_dtype(y_score)) for result in (fpr, tpr, thresholds))


def precision_recall_curve(
    y_true: Tensor, y_score: Tensor, *, pos_label=None, sample_weight=None,
    drop_intermediate: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Precision and recall at every threshold, from the lowest to the highest, and then (1, 0).

    Shapes: y_true, y_score and sample_weight (N,); result precision (T + 1,), recall (T + 1,),
    thresholds (T,) that rise.
    Raises: TypeError if a tensor does not hold labels (or real numbers); ValueError if shapes do
    not fit, a score is not finite, or y_true does not hold two classes of which one is positive.
    """
    positive, scores = _positives(y_true, y_score, pos_label)
    alarms, hits, thresholds = _curve(positive, scores, _weights(sample_weight, len(positive)))
    if drop_intermediate and len(hits) > 2:
        moves = torch.diff(hits) != 0
        kept = _with_ends(moves[:-1] | moves[1:])
        alarms, hits, thresholds = alarms[kept], hits[kept], thresholds[kept]
    precision = torch.cat([_ratio(hits, hits + alarms).flip(0), hits.new_ones(1)])
    recall = torch.cat([(hits / hits[-1]).flip(0), hits.new_zeros(1)])
    dtype = _dtype(y_score)
    return precision.to(dtype), recall.to(dtype), thresholds.flip(0).to(dtype)


def _auc(positive: Tensor, y_score: Tensor, weights: Tensor | None) -> Tensor:
    """The share of pairs (positive, negative) that the scores put in order; ties count half."""
    weights = _weights_of_both(positive, weights)
    _, place = torch.unique(y_score, return_inverse=True)
    up = torch.bincount(place, weights * positive)  # weight of the positives at each score
    down = torch.bincount(place, weights * ~positive)
    below = torch.cumsum(down, 0) - down
    return (up * (below + down / 2)).sum() / (up.sum() * down.sum())


def roc_auc_score(
    y_true: Tensor, y_score: Tensor, *, average: str | None = "macro", sample_weight=None,
    multi_class: str = "raise", labels=None,
) -> Tensor:  # fmt: skip
    """The area under the ROC curve: how often a positive example outscores a negative one.

    Shapes: y_true (N,); y_score (N,), or (N, K), a column for each class; labels (K,) or None;
    sample_weight (N,), not with 'ovo'; result one number (), or (K,) for average None.
    Raises: TypeError if a tensor does not hold labels (or real numbers); ValueError if shapes do
    not fit, a score is not finite, a class has no example, or an option is something else.
    """
    true, scores = _scores(y_true, y_score)
    weights = _weights(sample_weight, len(true))
    classes = _classes(labels, true)
    _check_auc(average, multi_class, classes, true, scores, weights)
    if scores.ndim == 1:
        area = _auc(true == classes.max(), scores, weights)
    else:
        pick = _ovo if multi_class == "ovo" else _ovr
        area = pick(true[:, None] == classes, scores, average, weights)
    return area.to(_dtype(y_score))


def _check_auc(average, multi_class, classes, y_true, y_score, weights):
    shape, names = tuple(y_score.shape), classes.tolist()
    if y_score.ndim not in (1, 2) or (y_score.ndim == 2 and shape[1] != len(classes)):
        raise ValueError(
            f"y_score: expected shape (N,) or (N, {len(classes)}), a column for each of {names}, "
            f"got {shape}"
        )
    if y_score.ndim == 1 and len(classes) != 2:
        raise ValueError(f"y_true: expected two classes, got {names}")
    if set(names) != set(y_true.tolist()):
        raise ValueError(
            f"y_true: expected examples of each class of {names} and of no other, "
            f"got {torch.unique(y_true).tolist()}"
        )
    if y_score.ndim == 2 and multi_class not in ("ovr", "ovo"):
        raise ValueError(f"multi_class: expected 'ovr' or 'ovo', got {multi_class!r}")
    fitting = ("macro", "weighted") if multi_class == "ovo" else _AVERAGES[:1] + _AVERAGES[2:]
    if average not in fitting:
        raise ValueError(f"average: expected one of {fitting}, got {average!r}")
    if multi_class == "ovo" and weights is not None:
        raise ValueError("sample_weight: expected None with multi_class='ovo', got weights")


def _ovr(member: Tensor, y_score: Tensor, average, weights) -> Tensor:
    """Each class against the rest; member (N, K) says who belongs to which class."""
    if average == "micro":
        weights = None if weights is None else weights.repeat_interleave(member.shape[1])
        return _auc(member.reshape(-1), y_score.reshape(-1), weights)
    areas = torch.stack([_auc(m, s, weights) for m, s in zip(member.T, y_score.T, strict=True)])
    if average is None:
        return areas
    ones = torch.ones_like(y_score[:, 0])
    shares = member.T.to(torch.float64) @ (ones if weights is None else weights)
    return _mean(areas, shares if average == "weighted" else None)


def _ovo(member: Tensor, y_score: Tensor, average, weights) -> Tensor:
    """Each pair of classes among their own examples, seen from either side."""
    areas, shares = [], []
    for a, b in combinations(range(member.shape[1]), 2):
        pair = member[:, a] | member[:, b]
        sides = [_auc(member[pair, k], y_score[pair, k], None) for k in (a, b)]
        areas.append(torch.stack(sides).mean())
        shares.append(pair.to(torch.float64).mean())
    return _mean(torch.stack(areas), torch.stack(shares) if average == "weighted" else None)


# --- splits


def _host(labels):
    """Labels as NumPy counts them, wherever they are."""
    return labels.detach().cpu().numpy() if isinstance(labels, Tensor) else labels


def train_dev_test_split(
    *arrays: Tensor, dev_size=0.1, test_size=0.1, random_state=None, shuffle: bool = True,
    stratify=None, groups=None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Cut tensors into three disjoint parts; one seed gives the split that the reference gives.

    Shapes: arrays (N, *); stratify and groups (N,); result a tuple, three tensors for each.
    Raises: TypeError if one is no tensor, a size no number or a label no label; ValueError if
    numbers of rows differ, the sizes do not fit, or options contradict each other.
    """
    for array in arrays:
        if not isinstance(array, Tensor):
            raise TypeError(f"arrays: expected tensors, got {type(array).__name__}")
    count = _row_count(arrays)
    parts = _split_indices(
        count, dev_size, test_size, random_state, shuffle, _host(stratify), _host(groups)
    )
    rows = [torch.from_numpy(np.ascontiguousarray(part)) for part in parts]
    return tuple(array[part.to(array.device)] for array in arrays for part in rows)


# --- decisions


def pareto_choice(
    optimizing: Tensor, satisficing: Tensor, limit, *, maximize: bool = True
) -> tuple[Tensor, Tensor]:
    """The best candidate among those good enough, and which candidates nobody beats outright.

    Shapes: optimizing (N,); satisficing (N,) or (N, M), smaller is better; limit a number or (M,);
    result (the choice's index (), a tensor (N,) of booleans: on the front).
    Raises: TypeError if a tensor is not real; ValueError if shapes do not fit, a number is NaN, or
    no candidate stays within the limits.
    """
    score, cost = _real(optimizing, "optimizing"), _real(satisficing, "satisficing")
    limit = _real(torch.as_tensor(limit, device=score.device), "limit")
    _check_candidates(score.shape, cost.shape, limit.shape)
    if score.isnan().any() or cost.isnan().any() or limit.isnan().any():
        raise ValueError("optimizing, satisficing, limit: expected numbers, got NaN")
    score = score if maximize else -score
    cost = cost.reshape(len(score), -1)  # (N,) -> (N, 1)
    feasible = (cost <= limit).all(1)
    if not feasible.any():
        raise ValueError(f"limit: expected one that a candidate meets, got {limit.tolist()}")
    # Entry [i, j]: is j at least as good as i in everything, and better in something?
    as_good = (score >= score[:, None]) & (cost <= cost[:, None]).all(2)
    better = (score > score[:, None]) | (cost < cost[:, None]).any(2)
    front = ~(as_good & better).any(1)
    return torch.where(feasible & front, score, -torch.inf).argmax(), front
