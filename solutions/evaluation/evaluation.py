# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# assignment:
#   title: Evaluation
#   imports:
#     - functools
#     - itertools
#     - math
#     - numpy
#     - matplotlib
#     - torch
#     - autograder.checks
#     - book.data
#     - book.style
#     - book.training
# ---

# %% [markdown]
# # Evaluation
#
# You have read the chapter. Now you build the tools of an honest evaluation: you count mistakes,
# score a ranking, cut data so that nothing leaks, read four errors, search for good settings, and
# write the evaluation loop that every PyTorch project needs.
#
# <!-- tasks -->
#
# How it works:
#
# - Each task has one cell for you. Replace `raise NotImplementedError()` with your code.
# - Run the cell below it. It checks your answer on a few inputs, and where something is wrong it
#   says on which input, and often why. You may try as often as you like.
# - When your work is graded, further inputs are tried: random numbers, other shapes, ties.
# - The tasks do not need one another. If you are stuck, go on and come back.
# - You need NumPy and, for task 7, PyTorch. Please do not import other libraries.
#
# Some cells draw a picture with your function. They wait until it works.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from autograder.checks import check, picture
from book import style
from book.data import diabetes, digits, digits_by_writer
from book.training import fit

style.use()


# %% [markdown] task="confusion_matrix" minutes=10
# ## 1. Count the mistakes
#
# Row $i$, column $j$ of a confusion matrix says how many examples of class $i$ were called $j$.
# The right answers are on the diagonal; everything else tells what is mistaken for what.


# %% solution="confusion_matrix"
def confusion_matrix(y_true, y_pred, num_classes):
    """How many examples of each class were called what.

    y_true, y_pred : integer arrays (N,), values from 0 to num_classes - 1; N may be 0.
    num_classes    : K.
    Returns an array (K, K) of counts: rows are true classes, columns the called ones.

    Example

        confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)

    returns array([[1, 1, 0], [0, 1, 0], [1, 0, 0]]).

    Hints
    1. Begin with a matrix of zeros and add 1 at one place for each example. A loop is fine.
    2. Without a loop: `matrix[rows, columns] += 1` counts a pair that occurs twice only once.
       `np.add.at` counts it twice.
    3. Or number the K * K cells, and let `np.bincount` count. It has an argument `minlength`.
    """
    ### BEGIN SOLUTION
    cells = num_classes * y_true + y_pred
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)
    ### END SOLUTION


# %% inputs="confusion_matrix"
# ruff: noqa: E402, because the cells of a notebook import what they need
from book.op import Case

rng = np.random.default_rng(0)
inputs = [
    Case("the example", (np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)),
    Case("the same mistake twice", (np.array([1, 1, 1, 0]), np.array([0, 0, 0, 0]), 2)),
    Case("a class that never occurs", (np.array([0, 2, 2]), np.array([0, 0, 2]), 4)),
    Case("sixty guesses", (rng.integers(0, 3, 60), rng.integers(0, 3, 60), 3)),
]

# %% test="confusion_matrix" points=2
check("confusion_matrix", confusion_matrix)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count, classes in [(1, 1), (50, 2), (400, 7), (30, 12), (0, 3)]:
    truth, called = rng.integers(0, classes, (2, count))
    expected = [
        [np.count_nonzero((truth == i) & (called == j)) for j in range(classes)]
        for i in range(classes)
    ]
    got = confusion_matrix(truth, called, classes)
    assert_close(got, np.array(expected), what=f"matrix of {count} examples, {classes} classes")
### END HIDDEN TESTS

# %% [markdown] task="precision_recall_f1" minutes=10
# ## 2. Precision, recall and $F_1$ of every class
#
# From a confusion matrix, compute for each class
#
# $$P = \frac{TP}{TP + FP}, \qquad R = \frac{TP}{TP + FN}, \qquad F_1 = \frac{2PR}{P + R} .$$
#
# Of the examples *called* this class, how many were right? Of the examples that *are* of this
# class, how many were found? Where a denominator is 0, the result is 0.


# %% solution="precision_recall_f1"
def precision_recall_f1(matrix):
    """Precision, recall and F1 of each class.

    matrix : integer array (K, K), rows are true classes, columns the called ones.
    Returns (precision, recall, f1): three arrays (K,), with 0.0 where a denominator is 0.

    Example: of 4 cats one was called a dog, and so were all 6 dogs;

        precision_recall_f1(np.array([[3, 1], [0, 6]]))

    returns (array([1., 0.8571...]), array([0.75, 1.]), array([0.8571..., 0.9231...])).

    Hints
    1. The right answers of each class are on the diagonal: `np.diag`.
    2. One of the two denominators is the sum of a row, the other that of a column. Which is which?
    3. `np.divide(a, b, out=np.zeros(len(a)), where=b > 0)` leaves zeros where b is 0.
    4. 2PR / (P + R) is the same as 2 TP / (2 TP + FP + FN), which needs no P and R.
    """
    ### BEGIN SOLUTION
    hits = np.diag(matrix).astype(float)
    called, actual = matrix.sum(axis=0), matrix.sum(axis=1)

    def share(part, whole):
        return np.where(whole > 0, part / np.maximum(whole, 1), 0.0)

    return share(hits, called), share(hits, actual), share(2 * hits, called + actual)
    ### END SOLUTION


# %% inputs="precision_recall_f1"
rng = np.random.default_rng(1)
inputs = [
    Case("the example", (np.array([[3, 1], [0, 6]]),)),
    Case("few found, none called wrongly", (np.array([[90, 0], [8, 2]]),)),
    Case("a class that is never called", (np.array([[5, 0, 1], [2, 0, 1], [0, 0, 4]]),)),
    Case("four classes", (rng.integers(1, 20, (4, 4)),)),
]

# %% test="precision_recall_f1" points=2
check("precision_recall_f1", precision_recall_f1)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for classes in [1, 2, 3, 8]:
    for low in [0, 1]:
        table = rng.integers(low, 9, (classes, classes)) * rng.integers(low, 2, (classes, classes))
        got = [np.asarray(values) for values in precision_recall_f1(table)]
        for k in range(classes):
            right, column, row = table[k, k], table[:, k].sum(), table[k].sum()
            expected = [right / column if column else 0.0, right / row if row else 0.0]
            expected += [2 / (1 / expected[0] + 1 / expected[1]) if right else 0.0]
            for values, number, name in zip(got, expected, ("P", "R", "F1"), strict=True):
                assert_close(values.shape, (classes,), what=f"shape of {name}")
                assert_close(values[k], number, what=f"{name} of class {k} of {classes}")
### END HIDDEN TESTS

# %% [markdown] task="auc" minutes=15
# ## 3. How good is a ranking?
#
# A classifier that yields scores can be judged before anyone has chosen a threshold: take one
# positive and one negative example at random. How likely does the positive one have the higher
# score? Equal scores count half. That number is the area under the ROC curve,
#
# $$\mathrm{AUC} = P(s_+ > s_-) + \tfrac12\,P(s_+ = s_-) .$$


# %% solution="auc"
def auc(y_true, y_score):
    """The probability that a positive example gets a higher score than a negative one.

    y_true  : integer array (N,), 1 for positive and 0 for negative; both occur.
    y_score : array (N,) of real numbers, with ties.
    Returns a number from 0 to 1.

    Example: one positive with score 2, negatives with 1, 2 and 3;

        auc(np.array([1, 0, 0, 0]), np.array([2.0, 1.0, 2.0, 3.0]))

    returns 0.5: one pair is right (1), one is tied (1/2), one is wrong (0).

    Hints
    1. Separate the scores of the positives from those of the negatives.
    2. All pairs at once: (P, 1) compared with (M,) broadcasts to (P, M).
    3. What is the mean of an array of True and False?
    """
    ### BEGIN SOLUTION
    difference = y_score[y_true == 1][:, None] - y_score[y_true == 0]
    return ((difference > 0) + 0.5 * (difference == 0)).mean()
    ### END SOLUTION


# %% inputs="auc"
rng = np.random.default_rng(2)
inputs = [
    Case("the example", (np.array([1, 0, 0, 0]), np.array([2.0, 1.0, 2.0, 3.0]))),
    Case("perfect", (np.array([0, 0, 1, 1]), np.array([-3.0, -2.0, -1.0, 5.0]))),
    Case("upside down, with a tie", (np.array([1, 1, 0, 0]), np.array([0.0, 1.0, 1.0, 2.0]))),
    Case("twelve with ties", (np.arange(12) % 3 // 2, rng.integers(0, 4, 12) / 2)),
]

# %% test="auc" points=3
check("auc", auc)
### BEGIN HIDDEN TESTS
from scipy.stats import mannwhitneyu

from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count, kinds in [(2, 3), (9, 2), (60, 5), (300, 10_000)]:
    truth = rng.permutation(np.arange(count) % 2)
    scores = rng.integers(0, kinds, count) / 4 - 1.0
    wins = mannwhitneyu(scores[truth == 1], scores[truth == 0]).statistic
    expected = wins / (truth.sum() * (count - truth.sum()))
    assert_close(float(auc(truth, scores)), float(expected), what=f"AUC of {count} examples")
    assert_close(float(auc(truth, scores**3 - 7)), float(expected), what="AUC, scores bent")
rare = (np.arange(40) < 3).astype(int)
assert_close(float(auc(rare, np.zeros(40))), 0.5, what="AUC where all scores are equal")
### END HIDDEN TESTS

# %% [markdown]
# Your function on real people: which of ten measurements alone ranks those well whose diabetes
# went far within a year? A coin gets 0.5. A measurement below 0.5 ranks upside down.


# %%
@picture
def _():
    x, progress, names = diabetes()
    far = (progress > 200).astype(int)
    areas = {name: auc(far, column) for name, column in zip(names, x.T, strict=True)}
    ranked = sorted(areas, key=areas.get)
    plt.barh(ranked, [areas[name] for name in ranked])
    plt.axvline(0.5, color="k", ls="--", lw=1)
    plt.xlabel("area under the ROC curve")


# %% [markdown] task="group_split" minutes=15
# ## 4. A split that does not leak
#
# Rows that belong together (one person, one patient, one machine) must land on one side of a
# split. So one does not draw rows, one draws groups: shuffle the groups, and take whole groups into
# the test set until it is large enough.
#
# The shuffling is done for you: `order` holds the groups in the order in which to take them.


# %% solution="group_split"
def group_split(groups, order, test_size):
    """Rows for training and for testing, with no group on both sides.

    groups    : integer array (N,), the group of each row.
    order     : integer array (G,), every group once: take them in this order.
    test_size : whole number; stop as soon as the test set has at least so many rows.
    Returns (train_rows, test_rows): integer arrays with the numbers of the rows, each sorted.

    Example: group 7 has two rows, which is not enough yet, so group 5 follows;

        group_split(np.array([5, 7, 7, 5, 9]), np.array([7, 5, 9]), 3)

    returns (array([4]), array([0, 1, 2, 3])).

    Hints
    1. `groups == group` marks the rows of one group; its sum says how many they are.
    2. Look whether there is enough *before* you take the next group. For 0 rows take none.
    3. `np.isin(groups, taken)` marks all rows of the groups taken, and `np.flatnonzero` gives
       their numbers, in order.
    """
    ### BEGIN SOLUTION
    testing = np.zeros(len(groups), dtype=bool)
    for group in order:
        if testing.sum() >= test_size:
            break
        testing |= groups == group
    return np.flatnonzero(~testing), np.flatnonzero(testing)
    ### END SOLUTION


# %% inputs="group_split"
rng = np.random.default_rng(3)
inputs = [
    Case("the example", (np.array([5, 7, 7, 5, 9]), np.array([7, 5, 9]), 3)),
    Case("met exactly", (np.array([0, 0, 1, 1, 2, 2]), np.array([2, 0, 1]), 4)),
    Case("a large group last", (np.array([3, 1, 1, 1, 2]), np.array([3, 1, 2]), 2)),
    Case("no test set", (np.array([1, 2, 2]), np.array([2, 1]), 0)),
    Case("twenty rows", (rng.integers(0, 6, 20), rng.permutation(6), 9)),
]

# %% test="group_split" points=2
check("group_split", group_split)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count, kinds, size in [
    (10, 3, 4),
    (60, 9, 20),
    (200, 40, 50),
    (30, 30, 7),
    (12, 2, 0),
    (9, 3, 9),
]:
    groups = np.concatenate([np.arange(kinds), rng.integers(0, kinds, count - kinds)]) * 11
    order = rng.permutation(np.unique(groups))
    train, test = (np.asarray(rows) for rows in group_split(groups, order, size))
    case = f"{count} rows in {kinds} groups, test_size {size}"
    sizes = np.cumsum([0, *(np.sum(groups == g) for g in order)])
    wanted = order[: np.searchsorted(sizes, size)]
    assert_close(
        sorted(set(groups[test].tolist())), sorted(wanted.tolist()), what=f"groups, {case}"
    )
    assert_close(
        test.tolist(), [r for r in range(count) if groups[r] in wanted], what=f"test, {case}"
    )
    both = np.sort(np.concatenate([train, test]))
    assert_close(both.tolist(), list(range(count)), what=f"all rows, {case}")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: 1,797 digits by fourteen people, and a model that answers with the label of the
# most similar training digit. Once each row is a group of its own, once each writer is one. The
# first number is what people like to report, the second is what a new customer gets.

# %%
# Given: how your function is tried out, once you have written it.


def leak(seed):
    """Errors of the nearest neighbor, groups being rows, then writers; writers on both sides."""
    x, y, writer = digits_by_writer()
    rng, found = np.random.default_rng(seed), []
    for groups in (np.arange(len(x)), writer):
        train, test = group_split(groups, rng.permutation(np.unique(groups)), 450)
        closeness = 2 * x[test] @ x[train].T - (x[train] ** 2).sum(axis=1)
        found.append(np.mean(y[train][closeness.argmax(axis=1)] != y[test]))
    return *found, len(set(writer[train]) & set(writer[test]))


# %% test="group_split-digits" points=1
by_row, by_writer, shared = np.mean([leak(seed) for seed in range(5)], axis=0)
assert shared == 0, f"expected no writer on both sides, got {shared:.1f} of 14 on average"
assert by_row < 0.02, f"split by row: expected an error below 2 %, got {by_row:.1%}"
assert by_writer > 1.5 * by_row, (
    f"by writer: expected far more than {by_row:.1%}, got {by_writer:.1%}"
)
print(f"error by row {by_row:.1%}, by writer {by_writer:.1%}")
### BEGIN HIDDEN TESTS
by_row, by_writer, shared = np.mean([leak(seed) for seed in range(20, 25)], axis=0)
assert shared == 0, "other splits: a writer stands on both sides"
assert by_row < 0.02, f"other splits: expected an error below 2 % by row, got {by_row:.1%}"
assert by_writer > 1.5 * by_row, f"other splits: by writer only {by_writer:.1%}"
### END HIDDEN TESTS

# %% [markdown] task="diagnose" minutes=10
# ## 5. Four errors, one diagnosis
#
# Line up the errors: human, training, train-dev (data like the training data, not trained on), dev
# (data like those of the task). The three steps between neighbors are called avoidable bias,
# variance and mismatch. The largest step is the one to work on, unless it is so small that it may
# be luck.


# %% solution="diagnose"
def diagnose(human, train, train_dev, dev, tolerance=0.01):
    """Which step between four errors is the largest, and how large it is.

    human, train, train_dev, dev : error rates, numbers from 0 to 1.
    tolerance : steps up to this size do not count.
    Returns (problem, gap): one of the words "bias", "variance", "mismatch", "none", and the
    largest step, which may be negative. Where two are equally large, the first counts.

    Example

        diagnose(0.01, 0.02, 0.10, 0.11) returns ("variance", 0.08).
        diagnose(0.09, 0.10, 0.10, 0.11, tolerance=0.05) returns ("none", 0.01), up to rounding.

    Hints
    1. Each step is one error minus the one before it. A step down is negative: no problem at all.
    2. `max` over the steps; look the name up afterwards, or keep a dictionary.
    3. Compare with the tolerance at the very end: "none" still comes with the largest step.
    """
    ### BEGIN SOLUTION
    steps = {"bias": train - human, "variance": train_dev - train, "mismatch": dev - train_dev}
    problem = max(steps, key=steps.get)
    return problem if steps[problem] > tolerance else "none", steps[problem]
    ### END SOLUTION


# %% inputs="diagnose"
inputs = [
    Case("the example", (0.01, 0.02, 0.10, 0.11)),
    Case("small steps", (0.09, 0.10, 0.10, 0.11), {"tolerance": 0.05}),
    Case("web pictures and the app's", (0.01, 0.02, 0.03, 0.20)),
    Case("hard for people too", (0.25, 0.28, 0.375, 0.375)),
    Case("underfitting", (0.0, 0.15, 0.16, 0.15)),
    Case("easier than the training data", (0.01, 0.06, 0.08, 0.01)),
    Case("better at every step", (0.30, 0.22, 0.20, 0.10)),
    Case("as large as the tolerance", (0.0, 0.25, 0.375, 0.375), {"tolerance": 0.25}),
]

# %% test="diagnose" points=2
check("diagnose", diagnose)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for _ in range(30):
    errors = rng.permutation(np.linspace(0.0, 0.4, 4) + rng.uniform(0, 0.05, 4))
    tolerance = float(rng.choice([0.01, 0.2, 0.6]))
    jumps = np.diff(errors)
    name = ("bias", "variance", "mismatch")[jumps.argmax()] if jumps.max() > tolerance else "none"
    got = diagnose(*errors.tolist(), tolerance=tolerance)
    assert_close(got[0], name, what="problem")
    assert_close(float(got[1]), float(jumps.max()), what="gap")
assert_close(diagnose(0.0, 0.25, 0.5, 0.75)[0], "bias", what="problem, with three equal steps")
assert_close(diagnose(0.0, 0.0, 0.25, 0.5)[0], "variance", what="problem, with two equal steps")
down = diagnose(0.75, 0.5, 0.375, 0.0)
assert_close([down[0], float(down[1])], ["none", -0.125], what="result, where every step goes down")
name = diagnose(0.0, 0.0, 0.5, 0.5, tolerance=0.5)[0]
assert_close(name, "none", what="problem, with a step as large as the tolerance")
### END HIDDEN TESTS

# %% [markdown] task="halving" minutes=15
# ## 6. Many at first, few for long
#
# Successive halving trains all candidates for one step, keeps the better half (rounded up), trains
# these on until they have two steps, keeps the better half, trains on to four steps, and so on,
# until one candidate is left; that one is trained on in a last round. Training goes on where it
# stopped: who survives does not begin again.
#
# Here all losses are known beforehand, so you can play the game without training anything.


# %% solution="halving"
def halving(losses):
    """The winner of successive halving, and the steps that it cost.

    losses : array (candidates, rounds); losses[i, r] is the dev loss of candidate i once it has
             been trained for 2**r steps. NaN means that it diverged: worse than any number.
             There are enough rounds. Lower is better; of equal losses the candidate with the
             smaller number is better, also in later rounds.
    Returns (winner, steps): the number of the last candidate, and the sum of the steps of all.

    Example: after one step each, candidates 0 and 2 are the better half; after two steps 2 leads,
    and is trained for four;

        halving(np.array([[1.0, 0.9, 0.8], [3.0, 0.1, 0.1], [1.5, 0.5, 0.3], [2.0, 0.1, 0.1]]))

    returns (2, 8): one step each for 1 and 3, two for 0, four for 2.

    Hints
    1. Keep a list of those alive, at first all. In round r they have 2**r steps.
    2. `np.argsort(values, kind="stable")` sorts; NaN comes last by itself. Ties keep their order,
       so list those alive by their numbers, not by their rank.
    3. The better half of n, rounded up, are (n + 1) // 2.
    4. Who is dropped after round r has cost 2**r steps in all, not the sum over the rounds.
    """
    ### BEGIN SOLUTION
    alive, spent, r = np.arange(len(losses)), 0, 0
    while len(alive) > 1:
        ranked = alive[np.argsort(losses[alive, r], kind="stable")]
        kept = np.sort(ranked[: (len(alive) + 1) // 2])
        spent += (len(alive) - len(kept)) * 2**r
        alive, r = kept, r + 1
    return int(alive[0]), spent + 2**r
    ### END SOLUTION


# %% inputs="halving"
rng = np.random.default_rng(6)
diverged = rng.permutation(24).reshape(6, 4) / 4
diverged[[1, 4], 0] = np.nan
diverged[:, 2:] = np.where(np.isnan(diverged[:, :1]), np.nan, diverged[:, 2:])
inputs = [
    Case(
        "the example",
        (np.array([[1.0, 0.9, 0.8], [3.0, 0.1, 0.1], [1.5, 0.5, 0.3], [2.0, 0.1, 0.1]]),),
    ),
    Case("five candidates", (np.random.default_rng(5).permutation(20).reshape(5, 4) / 4,)),
    Case("two diverge", (diverged,)),
    Case("all equal", (np.ones((3, 3)),)),
    Case(
        "survivors with equal losses",
        (np.array([[2.0, 1.0, 1.0], [1.0, 1.0, 1.0], [3.0, 0.0, 0.0], [4.0, 0.0, 0.0]]),),
    ),
    Case("one candidate", (np.array([[0.5]]),)),
]

# %% test="halving" points=3
check("halving", halving)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng


def play(table):
    """Candidate by candidate, with plain sorting."""
    alive, cost, r = list(range(len(table))), [0] * len(table), 0
    while True:
        for i in alive:
            cost[i] = 2**r
        if len(alive) == 1:
            return alive[0], sum(cost)
        place = {i: (np.isnan(table[i, r]), np.nan_to_num(table[i, r]), i) for i in alive}
        alive = sorted(alive, key=place.get)[: -(-len(alive) // 2)]
        r += 1


rng = fresh_rng()
for count in [2, 3, 7, 8, 13, 16, 33]:
    for kinds in [3, 10_000]:
        table = rng.integers(0, kinds, (count, 8)) / 8
        table[rng.random(count) < 0.2] = np.nan
        got = halving(table)
        expected = play(table)
        assert_close(int(got[0]), expected[0], what=f"winner of {count}")
        assert_close(int(got[1]), expected[1], what=f"steps for {count}")
first_diverged = np.array([[np.nan, np.nan], [0.5, 0.5]])
assert_close(int(halving(first_diverged)[0]), 1, what="winner where the first of two diverges")
late_tie = np.array([[5.0, 2, 2, 2], [6, 0, 0, 0], [3, 2, 2, 2], [7, 0, 0, 0], [1, 2, 2, 2]])
assert_close(int(halving(late_tie)[0]), 0, what="winner where all survivors are equal")
### END HIDDEN TESTS

# %% [markdown]
# Does it find the best? Two hundred games with 16 candidates each. Early losses are a noisy hint of
# late ones. The bars show how good the winner is in truth: rank 1 is the best of the sixteen.


# %%
@picture
def _():
    rng, ranks = np.random.default_rng(0), []
    for _ in range(200):
        quality = rng.normal(size=16)
        noise = rng.normal(size=(16, 5)) / 2.0 ** np.arange(5)
        winner, _ = halving(quality[:, None] + noise)
        ranks.append(1 + np.sum(quality < quality[winner]))
    plt.hist(ranks, bins=np.arange(0.5, 17.5))
    plt.xlabel("true rank of the winner, of 16")
    plt.ylabel("games")


# %% [markdown] task="evaluate" minutes=20
# ## 7. The evaluation loop
#
# Every project in PyTorch has this function, and it is wrong in many of them. Compute the mean
# cross-entropy and the accuracy of a network over a whole data set, batch by batch, because the
# data may not fit into memory at once.
#
# - Dropout and batch norm behave differently while training: switch to evaluation mode, and put
#   the network back into the mode in which it came.
# - Nothing is learned here: do not record gradients.
# - The last batch may be smaller. Each *example* counts once, not each batch.
# - The network may be on a GPU: bring each batch to the device of its parameters. (That cannot be
#   checked on a machine without a GPU. Do it all the same.)


# %% solution="evaluate"
def evaluate(net, x, y, batch_size=64):
    """Mean cross-entropy and accuracy of a classifier over a data set.

    net        : an nn.Module with parameters; net(batch) returns logits (n, K).
    x          : tensor (N, ...) of inputs, N >= 1, passed in order, batch_size rows at a time.
    y          : tensor (N,) of class numbers.
    Returns (loss, accuracy): two numbers, averages over all N examples; the accuracy is a share.
    Tensors without dimensions will do, too.

    Example: with batch_size=64 and N=100 the network is called twice, with 64 and with 36 rows.

    Hints
    1. `was_training = net.training`, then `net.eval()`; at the end `net.train(was_training)`.
    2. `with torch.no_grad():` around the loop.
    3. `x.split(batch_size)` gives the batches, the last one with what is left.
    4. `nn.functional.cross_entropy(..., reduction="sum")` adds the losses of a batch up. Divide by
       N once, at the end.
    """
    ### BEGIN SOLUTION
    device, was_training = next(net.parameters()).device, net.training
    net.eval()
    total, hits = 0.0, 0
    with torch.no_grad():
        for inputs, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
            logits, labels = net(inputs.to(device)), labels.to(device)
            total += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            hits += (logits.argmax(1) == labels).sum().item()
    net.train(was_training)
    return total / len(x), hits / len(x)
    ### END SOLUTION


# %%
# Given: how your function is tried out, once you have written it.


class Probe(nn.Module):
    """A linear classifier that keeps a diary, and gives other logits while training."""

    def __init__(self, weight, bias):
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.sizes, self.modes, self.recorded = [], [], []

    def forward(self, batch):
        self.sizes.append(len(batch))
        self.modes.append("training" if self.training else "evaluation")
        self.recorded.append(torch.is_grad_enabled())
        scores = batch @ self.weight.T + self.bias
        return scores / 2 if self.training else scores


def try_evaluate(weight, bias, x, y, batch_size, training):
    """Your function on a Probe in training mode or not: what it returns and what the diary says."""
    probe = Probe(weight, bias).train(training)
    loss, right = evaluate(probe, x, y, batch_size)
    return {
        "loss": float(loss),
        "accuracy": float(right),
        "sizes of the batches": probe.sizes,
        "modes in which it was called": sorted(set(probe.modes)),
        "gradients recorded": any(probe.recorded),
        "in training mode afterwards": probe.training,
    }


def evaluate_digits(x_train, y_train, x_test, y_test):
    """A network with dropout learns digits; your numbers for it, and its logits."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 10)).double()
    fit(net, x_train, y_train, steps=150, lr=0.02)
    found = evaluate(net, torch.as_tensor(x_test), torch.as_tensor(y_test), 100)
    with torch.no_grad():
        return [float(number) for number in found], net.eval()(torch.as_tensor(x_test)).numpy()


# %% inputs="evaluate"
rng = np.random.default_rng(7)


def trial(name, count, batch_size, training, classes=3):
    """A linear classifier, some examples, and how to call it."""
    arrays = rng.normal(size=(classes, 2)), rng.normal(size=classes), rng.normal(size=(count, 2))
    tensors = [torch.tensor(np.round(array, 2)) for array in arrays]
    labels = torch.tensor(rng.integers(0, classes, count))
    return Case(name, (*tensors, labels, batch_size, training))


inputs = [
    trial("five rows in batches of two", 5, 2, True),
    trial("a single batch", 4, 64, True),
    trial("in evaluation mode before", 7, 3, False),
    trial("batches of one", 3, 1, True),
]

# %% test="evaluate" points=3
check("evaluate", try_evaluate)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count, size, classes in [(1, 8, 2), (10, 4, 3), (64, 64, 5), (65, 64, 4), (100, 7, 10)]:
    for training in (True, False):
        weight, bias, x = (
            torch.tensor(rng.normal(size=shape)) for shape in [(classes, 4), (classes,), (count, 4)]
        )
        y = torch.tensor(rng.integers(0, classes, count))
        got = try_evaluate(weight, bias, x, y, size, training)
        scores = (x @ weight.T + bias).numpy()
        log_p = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
        rows, wanted = np.arange(count), y.numpy()
        case = f"{count} rows, batches of {size}"
        assert_close(got["loss"], float(-log_p[rows, wanted].mean()), what=f"loss, {case}")
        best = float(np.mean(scores.argmax(1) == wanted))
        assert_close(got["accuracy"], best, what=f"accuracy, {case}")
        assert_close(sum(got["sizes of the batches"]), count, what=f"rows seen, {case}")
        assert max(got["sizes of the batches"]) <= size, f"{case}: a batch was larger than allowed"
        modes = got["modes in which it was called"]
        assert_close(list(modes), ["evaluation"], what=f"modes, {case}")
        assert not got["gradients recorded"], f"{case}: gradients were recorded"
        after = got["in training mode afterwards"]
        assert_close(bool(after), training, what=f"in training mode afterwards, {case}")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: a network with dropout reads digits. With dropout still switched on it would look
# far worse than it is.

# %% test="evaluate-digits" points=1
(x_train, y_train), (x_test, y_test) = digits()
(loss, right), logits = evaluate_digits(x_train, y_train, x_test, y_test)
expected = np.mean(logits.argmax(axis=1) == y_test)
assert abs(right - expected) < 1e-6, f"expected the accuracy {expected:.7f}, got {right:.7f}"
assert right > 0.93, f"expected more than 93 % of the test digits right, got {right:.1%}"
print(f"loss {loss:.3f}, accuracy {right:.1%}")
### BEGIN HIDDEN TESTS
(x_train, y_train), (x_test, y_test) = digits(seed=3)
(loss, right), logits = evaluate_digits(x_train, y_train, x_test, y_test)
p = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
expected = -np.log(p[np.arange(len(p)), y_test]).mean()
assert abs(loss - expected) < 1e-6, (
    f"another split: expected the loss {expected:.6f}, got {loss:.6f}"
)
assert right > 0.93, f"another split: expected more than 93 % right, got {right:.1%}"
### END HIDDEN TESTS

# %% [markdown]
# ## 8. What do you do on Monday?
#
# A hospital wants a network that reads X-rays for a rare disease; 2 % of the patients have it. It
# was trained on 400,000 pictures of a public collection. A colleague shuffled all 20,000 pictures
# of the hospital, of 3,000 patients, cut them into dev and test, and tuned on dev. A team of
# experts errs on 1 % of the pictures. The network's errors: training 2 %, train-dev 3 %, dev 9 %.
# He reports "91 % accuracy" and wants to order a larger network.
#
# Advise the hospital in about 150 words:
#
# - Which step is the largest, and what would you try? Does a larger network help?
# - What is wrong with "91 % accuracy" here, and which number (with which limit) would you use?
# - What is wrong with the split? Which number will it flatter, and when?

# %% [markdown] manual="monday" points=3 minutes=15
# The steps are: avoidable bias 1 point, variance 1 point, mismatch 6 points. The public pictures
# are not those of this hospital. A larger network works on the bias, of which there is hardly any.
# I would look at a hundred mistakes on the dev set, find out how the pictures differ (machine,
# exposure, age of the patients), and add training pictures from the hospital, or make the public
# ones look like them.
#
# With 2 % ill, "all healthy" has 98 % accuracy: the network is worse than that. Misses and false
# alarms cost differently. I would optimize recall, with a limit on false alarms (say, a precision
# of at least 20 %), or report the AUC before a threshold is chosen.
#
# There are about seven pictures of each patient, and the shuffle puts them into dev and test. The
# network was trained on other people, so that alone flatters nothing. But what is chosen on dev
# (settings, a threshold, when to stop) is chosen for these very patients, and then *test* looks
# better than it will be for new ones. It gets worse once pictures of the hospital are trained on,
# as I advise. Split by patient, and trust only a test set whose patients nobody has tuned on.
#
# **Rubric**
#
# - 1 point: mismatch, 6 points, as the largest step; a remedy that changes the data; says that a
#   larger network does not help. Half if one of these is missing.
# - 1 point: 98 % for the constant answer (or another clear argument from rarity), and a sensible
#   number with a limit, such as recall at a given precision, F-beta, or AUC. Half for only one.
# - 1 point: several pictures a patient, so dev and test share patients; split by patient; the test
#   number is flattered (better than for new patients) once something has been tuned on dev or
#   trained on the hospital's pictures. Half without which number or without when. That the tuned
#   dev number itself is too good is true as well, with any split, and is no substitute.
