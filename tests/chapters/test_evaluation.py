"""The worked examples, errata and experiments of the documents that concern evaluation.

Worked examples and errata are computed here. The experiments run on the page, whose stored
outputs nbval verifies; here their outcome is held against the claim. The searches and the analysis
of errors, which both implementations share, are tested here too, against scikit-learn where it has
them.
"""

import dataclasses
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kstest, loguniform
from sklearn import metrics, model_selection
from sklearn.datasets import load_digits

from book import data
from book.evaluation import pytorch
from book.evaluation import reference as f
from tests.chapters.glued import glued

ERRATA = (Path(__file__).resolve().parents[2] / "book" / "errata.md").read_text()


@pytest.fixture(scope="module")
def page():
    return glued("evaluation/chapter.ipynb")


def erratum(number):
    """The text of an entry on the errata page."""
    return ERRATA.split(f"(errata-e{number})=")[1].split("\n(errata-")[0]


# --- worked examples


def test_w52(page):
    """75 of 100 animals are called cat, and all of these are: precision 1, whatever the rest is."""
    called = np.repeat([1, 0], [75, 25])
    for others in (0, 1):
        truth = np.repeat([1, others], [75, 25])
        p, r, _, _ = f.precision_recall_fscore_support(truth, called, average="binary")
        assert p == page["eva-w52-p"] == 1.0
        assert r == (0.75 if others else 1.0)
    assert page["eva-w52-r"] == 0.75


def test_w53(page):
    cats = np.ones(75, dtype=int)
    _, r, _, _ = f.precision_recall_fscore_support(cats, cats, average="binary")
    assert r == page["eva-w53-r"] == 1.0


def test_w54(page):
    """Precision 1 and recall .01: their mean is .505, F1 .0198."""
    p, r, f1, _ = f.precision_recall_fscore_support(
        np.ones(100, dtype=int), np.repeat([1, 0], [1, 99]), average="binary"
    )
    assert (p, r) == (1.0, 0.01)
    assert page["eva-w54-mean"] == (p + r) / 2 == 0.505
    assert page["eva-w54-f1"] == round(f1, 4) == 0.0198


def test_w55(page):
    table = [0.90, 0.92, 0.95], [80.0, 95.0, 1500.0]
    assert "ABC"[f.pareto_choice(*table, 100)[0]] == page["eva-w55"] == "B"
    assert "ABC"[f.pareto_choice(*table, np.inf)[0]] == page["eva-w55-free"] == "C"


def test_w56():
    """By shares, 100 rows give 70, 5 and 25, and 1,000 give ten times as many."""
    for n in (100, 1000):
        parts = f.train_dev_test_split(np.arange(n), dev_size=0.05, test_size=0.25, shuffle=False)
        assert [len(part) for part in parts] == [7 * n // 10, n // 20, n // 4]
        np.testing.assert_array_equal(np.concatenate(parts), np.arange(n))


def test_w57(page):
    assert page["eva-w57-rows"] == "10,000,000"
    assert f._part_size(0.01, 10**9, "dev_size") == 10**7


def test_w58(page):
    verdicts = [
        f.error_analysis(0.0, *errors).problem
        for errors in ((0.01, 0.1), (0.1, 0.11), (0.005, 0.01))
    ]
    assert verdicts == ["variance", "avoidable bias", "none"]
    assert verdicts == [page[f"eva-w58-{train}"] for train in (0.01, 0.1, 0.005)]


def test_w59(page):
    """The best of the four is the human level, and bounds the Bayes error."""
    assert page["eva-w59"] == 0.6
    assert f.error_analysis(0.006, 0.05, 0.055).problem == "avoidable bias"
    assert f.error_analysis(0.06, 0.05, 0.055).problem == "none"


def test_w60(page):
    web, app = np.arange(500_000), np.arange(10_000)
    train, train_dev, _ = f.train_dev_test_split(web, dev_size=10_000, test_size=0, random_state=0)
    rest, dev, test = f.train_dev_test_split(app, dev_size=0.5, test_size=0.5, random_state=0)
    sizes = [len(part) for part in (train, train_dev, dev, test)]
    assert str(sizes) == page["eva-w60"] == "[490000, 10000, 5000, 5000]"
    assert len(rest) == 0
    assert not set(dev) & set(test)
    assert not set(train) & set(train_dev)


# --- errata


def test_e11(page):
    assert (page["eva-x72-own"], page["eva-x72-fresh"]) == (1.0, 0.485)
    assert "disjoint" in erratum(11)


def test_e44(page):
    """Early stopping is a knob that moves two things at once: the fit and the gap."""
    stop, end = (
        [page[f"eva-x78-none-{when}-{part}"] for part in ("train", "dev")]
        for when in ("stop", "end")
    )
    assert stop[0] > end[0] + 0.5  # a worse fit
    assert stop[1] - stop[0] < end[1] - end[0] - 0.5  # a smaller gap
    assert "each knob changes one thing" in erratum(44)


def test_e45(page):
    """The harmonic mean stays within a factor two of the smaller one; the average does not."""
    rng = np.random.default_rng(0)
    p, r = rng.uniform(0.001, 1, (2, 1000))
    assert (2 * p * r / (p + r) <= 2 * np.minimum(p, r)).all()
    assert page["eva-w54-mean"] > 25 * page["eva-w54-f1"]


def test_e46(page):
    assert page["eva-x71-p"] < page["eva-x71-max-p"] == 1.0
    assert page["eva-x71-r"] < page["eva-x71-max-r"] == 1.0


def test_e47():
    """Good enough, and not rewarded beyond that: a faster loser stays a loser within the limit."""
    accuracies, limit = [0.90, 0.92, 0.95], 100.0
    for fast in (80.0, 1.0, 0.0):
        assert f.pareto_choice(accuracies, [fast, 95.0, 1500.0], limit)[0] == 1
    assert f.pareto_choice(accuracies, [80.0, 100.1, 1500.0], limit)[0] == 0  # not good enough
    assert "*satisficing*" in erratum(47)


def test_e48():
    rows = list(range(100))
    with pytest.raises(ValueError, match="not enough values to unpack"):
        train, test, dev = (rows[:70], rows[70:95])
    rows = list(range(1000))
    train, test, dev = rows[:70], rows[70:95], rows[95:]
    assert [len(train), len(test), len(dev)] == [70, 25, 905]
    x = np.arange(1000)
    parts = f.train_dev_test_split(x, -x, dev_size=0.05, test_size=0.25, random_state=0)
    assert [len(part) for part in parts[:3]] == [700, 50, 250]
    for inputs, labels in zip(parts[:3], parts[3:], strict=True):
        np.testing.assert_array_equal(inputs, -labels)  # shuffled together


def test_e49(page):
    """The Bayes error is that of the best of all rules, found by trying them; it needs no prior."""
    p_x, p_one = np.array([0.5, 0.2, 0.2, 0.1]), np.array([0.1, 0.4, 0.7, 0.95])
    rules = [np.array(rule) for rule in itertools.product((0, 1), repeat=4)]
    errors = [p_x @ np.where(rule == 1, 1 - p_one, p_one) for rule in rules]
    assert min(errors) == pytest.approx(p_x @ np.minimum(p_one, 1 - p_one))
    np.testing.assert_array_equal(rules[np.argmin(errors)], p_one > 0.5)
    assert page["eva-x75-floor"] < page["eva-x75-seen-20000"]  # nor does a network go below
    assert "Bayes error" in erratum(49)


def test_e50(page):
    assert f.error_analysis(0.0, 0.10, 0.11).problem == "avoidable bias"
    assert f.error_analysis(0.10, 0.10, 0.11).problem == page["eva-e50"] == "none"


def test_e51():
    """What the human error bounds: a Bayes error of .1 % leaves bias where .6 % is assumed none."""
    assert f.error_analysis(0.006, 0.015, 0.015).problem == "none"
    assert f.error_analysis(0.001, 0.015, 0.015).problem == "avoidable bias"


def test_e52():
    """Variance is read from the dev error; the test error does not move it."""
    gaps = [f.error_analysis(0.0, 0.01, 0.10, test_error=t).variance for t in (None, 0.1, 0.5)]
    assert gaps == [pytest.approx(0.09)] * 3


def test_e55():
    """The three rows of X74, in order: overfitting, mismatch, fine."""
    rows = ((0.0, 0.33, 0.32), (0.10, 0.14, 0.54), (0.10, 0.14, 0.13))
    found = [
        f.error_analysis(0.10, train, dev, train_dev_error=td, tolerance=0.05).problem
        for train, td, dev in rows
    ]
    assert found == ["variance", "mismatch", "none"]


def test_e94():
    named = torch.nn.Conv2d(1, 5, 3, 2, 1).named_parameters()
    shapes = {name: tuple(parameter.shape) for name, parameter in named}
    assert shapes == {"weight": (5, 1, 3, 3), "bias": (5,)}


# --- experiments


def test_x71(page):
    """F1 lies between its parents, and accuracy has its best threshold elsewhere."""
    assert page["eva-x71-p"] < 0.8 and page["eva-x71-r"] < 0.8
    assert page["eva-x71-acc-t"] - page["eva-x71-t"] > 0.5
    assert page["eva-x71-acc-r"] < page["eva-x71-r"]
    assert page["eva-x71-acc-mistakes"] < page["eva-x71-f1-mistakes"]


@given(
    positive=arrays(np.bool_, 30).filter(np.any),
    score=arrays(np.int64, 30, elements=st.integers(0, 9)),
)
def test_the_best_f1_prices_a_miss_at_two_over_f1_less_one(positive, score):
    """At its threshold, misses times (2 - F1) / F1 plus false alarms is as small as it can be."""
    truth = positive.astype(int)
    called = [(score >= t).astype(int) for t in np.unique(score)]
    f1 = [f.precision_recall_fscore_support(truth, c, average="binary")[2] for c in called]
    price = (2 - max(f1)) / max(f1)
    cost = [price * np.sum((c == 0) & positive) + np.sum((c == 1) & ~positive) for c in called]
    assert cost[np.argmax(f1)] == pytest.approx(min(cost))


def test_the_price_that_the_page_names(page):
    """Twice as much, not equally much: the rounded F1 of the page gives the rounded price."""
    assert page["eva-x71-price"] == pytest.approx(2 / page["eva-x71-f1"] - 1, abs=0.08)
    assert page["eva-x71-price"] > 1.5


def test_x72(page):
    assert page["eva-x72-own"] == 1.0
    assert abs(page["eva-x72-fresh"] - 0.5) < 0.05


def test_x73(page):
    """Apart, the dev set picks a network that the test set condemns; mixed, they agree."""
    assert page["eva-x73-apart-dev"] - page["eva-x73-apart-test"] > 15
    assert abs(page["eva-x73-mixed-dev"] - page["eva-x73-mixed-test"]) < 5
    assert page["eva-x73-apart-choice"] != page["eva-x73-mixed-choice"] == "many"


def test_x74(page):
    assert page["eva-x74-few digits"] == "variance"
    assert page["eva-x74-other camera"] == "mismatch"
    assert page["eva-x74-short training"] == "avoidable bias"
    assert page["eva-x74-fine"] == "none"


def test_x75(page):
    """The model passes its teachers (26 % of outcomes) and slows toward the Bayes error (10 %)."""
    rng = np.random.default_rng(0)
    slip, other_way = rng.random(200_000) < 0.2, rng.random(200_000) < 0.1
    assert page["eva-x75-slips"] == 20 and page["eva-x75-floor"] == 10
    assert page["eva-x75-labelers"] == pytest.approx(100 * np.mean(slip != other_way), abs=0.5)
    seen = [page[f"eva-x75-seen-{n}"] for n in (50, 200, 1000, 5000, 20_000)]
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > page["eva-x75-labelers"] > seen[1]
    assert 10 < seen[-1] < 12
    assert seen[0] - seen[1] > 5 * (seen[3] - seen[4])


def test_x76(page):
    assert page["eva-x76-random"] - page["eva-x76-grid"] > 0.2
    assert page["eva-x76-wins"] > 70
    assert page["eva-x76-known"] > page["eva-x76-random"]
    assert page["eva-below-even"] < 2 and abs(page["eva-below-log-even"] - 60) < 1


def test_x77(page):
    """Sharing one run's steps among eight is worse than watching one; eight full runs are best."""
    watched, shared, halved, full = (page[f"eva-x77-{k}"] for k in range(4))
    assert full < watched < shared
    assert full < halved < shared
    assert page["eva-x77-2-worst"] < page["eva-x77-chance"] < 0.5 * page["eva-x77-0-worst"]
    assert page["eva-x77-halving-steps"] == 160


def test_x78(page):
    """Both knobs raise the training loss and narrow the gap; decay does not need the moment."""
    train, dev = (
        {
            run: page[f"eva-x78-{run}-{part}"]
            for run in ("none-stop", "none-end", "decay-stop", "decay-end")
        }
        for part in ("train", "dev")
    )
    for knob in ("none-stop", "decay-end"):
        assert train[knob] > 10 * train["none-end"]
        assert dev[knob] - train[knob] < 0.2 * (dev["none-end"] - train["none-end"])
    assert dev["none-end"] > 2 * dev["none-stop"]
    assert dev["none-stop"] < dev["decay-end"] < 1.15 * dev["none-stop"]  # somewhat more
    assert dev["decay-end"] < 1.02 * dev["decay-stop"]  # its best step is no better than its last


def test_x79(page):
    assert max(page["eva-x79-pca"], page["eva-x79-ridge"]) < 0.5 * page["eva-x79-ls"]


def test_x80(page):
    assert page["eva-w55"] != page["eva-w55-free"]


def test_digits_leak_by_writer(page):
    assert page["eva-leak-nearest-writer-mean"] > 2 * page["eva-leak-nearest-row-mean"]
    assert page["eva-leak-network-writer-mean"] > 1.5 * page["eva-leak-network-row-mean"]
    assert page["eva-pick-before"] > 65 > 57 > page["eva-pick-after"]


def test_the_digits_come_from_thirteen_people_in_fourteen_blocks(page):
    """One block too many: the description of the data names 13 people for these 1,797 digits."""
    assert "different 13\nto the test set" in load_digits().DESCR
    x, y, writer = data.digits_by_writer()
    assert page["eva-leak-blocks"] == len(np.unique(writer)) == 14
    assert x.shape == (1797, 64) and y.shape == writer.shape == (1797,)
    assert (np.diff(writer) >= 0).all()
    counts = np.bincount(writer)
    assert len(counts) == 14 and counts.min() > 100
    for block in range(14):
        assert len(np.unique(y[writer == block])) == 10


# --- the analysis of errors


def test_error_analysis_reads_five_errors():
    found = f.error_analysis(0.01, 0.03, 0.20, train_dev_error=0.05, test_error=0.24)
    gaps = found.avoidable_bias, found.variance, found.mismatch, found.dev_overfitting
    assert gaps == pytest.approx((0.02, 0.02, 0.15, 0.04))
    assert found.problem == "mismatch"
    assert "resemble" in found.advice


def test_error_analysis_takes_the_first_of_equal_gaps_and_ignores_small_ones():
    assert f.error_analysis(0.0, 0.25, 0.5).problem == "avoidable bias"
    assert f.error_analysis(0.0, 0.25, 0.5, tolerance=0.25).problem == "none"
    better_than_people = f.error_analysis(0.05, 0.01, 0.02, tolerance=0.02)
    assert better_than_people.avoidable_bias == pytest.approx(-0.04)
    assert better_than_people.problem == "none"


@given(errors=st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_the_gaps_add_up(errors):
    human, train, train_dev, dev, test = errors
    found = f.error_analysis(human, train, dev, train_dev_error=train_dev, test_error=test)
    gaps = dataclasses.astuple(found)[:4]
    assert sum(gaps) == pytest.approx(test - human, abs=1e-12)
    names = ("avoidable bias", "variance", "mismatch", "dev overfitting")
    assert found.problem == "none" or gaps[names.index(found.problem)] == max(gaps) > 0.01


@pytest.mark.parametrize(
    "error, args, kwargs",
    [
        (ValueError, (0.0, 1.5, 0.1), {}),
        (ValueError, (-0.1, 0.1, 0.1), {}),
        (ValueError, (0.0, np.nan, 0.1), {}),
        (ValueError, (0.0, 0.1, 0.1), {"tolerance": -1.0}),
        (ValueError, (0.0, 0.1, 0.1), {"test_error": 2}),
        (TypeError, ("1 %", 0.1, 0.1), {}),
        (TypeError, (0.0, None, 0.1), {}),
        (TypeError, (0.0, 0.1, [0.1, 0.2]), {}),
    ],
)
def test_error_analysis_refuses_bad_input(error, args, kwargs):
    with pytest.raises(error, match=r"(?s)expected.*got"):
        f.error_analysis(*args, **kwargs)


# --- searches, against scikit-learn's


def distance(params):
    """A score with its peak at a = 3, b = -1."""
    return -((params["a"] - 3) ** 2) - (params["b"] + 1) ** 2


def test_grid_search_tries_what_scikit_learn_tries_in_its_order():
    grid = {"b": [-2, -1, 0], "a": [1, 3]}
    found = f.grid_search(distance, grid)
    assert found.params == list(model_selection.ParameterGrid(grid))
    assert found.best_params == {"a": 3, "b": -1}
    assert found.best_score == 0 == found.scores.max()
    assert f.grid_search(distance, grid, maximize=False).best_score == -5


def test_random_search_draws_what_scikit_learn_draws():
    space = {"b": loguniform(1e-5, 1), "a": [1, 3, 5, 7], "c": loguniform(1, 10)}
    found = f.random_search(lambda params: 0.0, space, 20, random_state=np.random.RandomState(3))
    theirs = list(model_selection.ParameterSampler(space, 20, random_state=3))
    assert found.params == theirs


def test_random_search_of_lists_tries_nothing_twice():
    grid = {"a": [1, 2, 3], "b": [4, 5]}
    found = f.random_search(lambda params: params["a"], grid, 100, random_state=0)
    assert sorted(map(str, found.params)) == sorted(map(str, model_selection.ParameterGrid(grid)))
    five = f.random_search(lambda params: params["a"], grid, 5, random_state=0)
    assert len({str(params) for params in five.params}) == 5


def test_random_search_repeats_with_a_seed_and_follows_the_distribution():
    space = {"lr": loguniform(1e-5, 1)}
    one, two, other = (
        f.random_search(lambda params: params["lr"], space, 500, random_state=seed).params
        for seed in (0, 0, 1)
    )
    assert one == two != other
    assert kstest([params["lr"] for params in one], loguniform(1e-5, 1).cdf).pvalue > 0.01


@pytest.mark.parametrize("search", [f.grid_search, f.random_search])
def test_of_equal_scores_the_first_wins_and_nan_never_does(search):
    scores = {1: np.nan, 2: 0.5, 3: 0.5, 4: 0.1}
    found = search(lambda params: scores[params["a"]], {"a": [1, 2, 3, 4]})
    first = next(p for p in found.params if scores[p["a"]] == 0.5)
    assert found.best_params == first
    assert np.isnan(found.scores).sum() == 1
    nothing = search(lambda params: np.nan, {"a": [1]})
    assert np.isnan(nothing.best_score)


@pytest.mark.parametrize("search", [f.grid_search, f.random_search])
@pytest.mark.parametrize(
    "error, space",
    [(TypeError, {}), (TypeError, [1]), (TypeError, {"a": 3}), (TypeError, {"a": "abc"}),
     (ValueError, {"a": []})],
)  # fmt: skip
def test_searches_refuse_bad_spaces(search, error, space):
    with pytest.raises(error, match=r"(?s)expected.*got"):
        search(lambda params: 0.0, space)


def test_random_search_refuses_no_trials():
    with pytest.raises(ValueError, match="expected a positive number, got 0"):
        f.random_search(lambda params: 0.0, {"a": [1]}, 0)


def test_the_objective_cannot_spoil_the_record():
    def greedy(params):
        return params.pop("a")

    assert f.grid_search(greedy, {"a": [1, 2]}).params == [{"a": 1}, {"a": 2}]


def test_successive_halving_gives_the_survivors_more():
    spent = []

    def score(params, resource):
        spent.append(resource)
        return params["a"] + 0.001 * resource

    found = f.successive_halving(
        score, [{"a": a} for a in (5, 1, 9, 7, 3)], min_resource=2, factor=2
    )
    assert spent == [2] * 5 + [4] * 3 + [8] * 2 + [16]
    assert found.best_params == {"a": 9}
    assert [p["resource"] for p in found.params] == spent
    assert [p["a"] for p in found.params[5:]] == [9, 7, 5, 9, 7, 9]
    least = f.successive_halving(score, [{"a": a} for a in (5, 1, 9)], maximize=False)
    assert least.best_params == {"a": 1}


def test_successive_halving_drops_what_diverged():
    scores = {1: np.nan, 2: -5.0, 3: np.nan, 4: -9.0}
    for maximize, best in ((True, 2), (False, 4)):
        found = f.successive_halving(
            lambda params, _: scores[params["a"]], [{"a": a} for a in scores], factor=2,
            maximize=maximize,
        )  # fmt: skip
        assert found.best_params == {"a": best}


@pytest.mark.parametrize(
    "error, kwargs",
    [(ValueError, {"candidates": []}), (ValueError, {"factor": 1}), (TypeError, {"factor": 1.5}),
     (ValueError, {"min_resource": 0}), (TypeError, {"min_resource": True})],
)  # fmt: skip
def test_successive_halving_refuses_bad_input(error, kwargs):
    with pytest.raises(error, match=r"(?s)expected.*got"):
        f.successive_halving(lambda params, n: 0.0, **{"candidates": [{"a": 1}], **kwargs})


# --- scores, on whatever Hypothesis finds


labels = st.integers(1, 30).flatmap(
    lambda n: st.tuples(*[arrays(np.int64, n, elements=st.integers(-2, 3))] * 2)
)


@settings(max_examples=60)
@given(pair=labels, average=st.sampled_from([None, "micro", "macro", "weighted"]))
@pytest.mark.filterwarnings("ignore")
def test_scores_of_any_labels_are_those_of_scikit_learn(pair, average):
    kwargs = {"average": average, "beta": 0.7}
    theirs = metrics.precision_recall_fscore_support(*pair, zero_division=0.0, **kwargs)
    ours = f.precision_recall_fscore_support(*pair, **kwargs)
    by_torch = pytorch.precision_recall_fscore_support(*map(torch.as_tensor, pair), **kwargs)
    for got in (ours, by_torch):
        for mine, right in zip(got, theirs, strict=True):
            assert mine is right is None or np.asarray(mine) == pytest.approx(right, rel=1e-12)
    matrix = f.confusion_matrix(*pair)
    np.testing.assert_array_equal(matrix, metrics.confusion_matrix(*pair))
    assert np.trace(matrix) / matrix.sum() == pytest.approx(f.accuracy_score(*pair))


def test_labels_may_be_words():
    truth, called = np.array(["cat", "dog", "cat", "owl"]), np.array(["cat", "cat", "cat", "owl"])
    np.testing.assert_array_equal(
        f.confusion_matrix(truth, called), metrics.confusion_matrix(truth, called)
    )
    assert f.accuracy_score(truth, called) == 0.75
    kwargs = {"labels": ["owl", "dog"], "average": None, "zero_division": 1.0}
    ours = f.precision_recall_fscore_support(truth, called, **kwargs)
    theirs = metrics.precision_recall_fscore_support(truth, called, **kwargs)
    for mine, right in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, right)
    assert f.roc_auc_score(["no", "yes", "no"], [0.1, 0.4, 0.4]) == 0.75
    for call in (
        lambda: f.accuracy_score(truth, np.arange(4)),
        lambda: f.confusion_matrix(np.arange(4), np.arange(4), labels=["a"]),
    ):
        with pytest.raises(TypeError, match=r"(?s)expected.*got"):
            call()


@given(st.integers(2, 40).flatmap(lambda n: st.tuples(
    arrays(np.bool_, n), arrays(np.int64, n, elements=st.integers(-4, 4)))))  # fmt: skip
def test_the_auc_is_the_share_of_ordered_pairs_and_the_area_under_the_curve(drawn):
    positive, score = drawn[0].copy(), drawn[1] / 4
    positive[:2] = True, False
    gaps = score[positive][:, None] - score[~positive]
    auc = f.roc_auc_score(positive, score)
    assert auc == pytest.approx(np.mean(gaps > 0) + np.mean(gaps == 0) / 2)
    for drop in (True, False):
        fpr, tpr, _ = f.roc_curve(positive, score, drop_intermediate=drop)
        assert auc == pytest.approx(np.trapezoid(tpr, fpr))
    assert f.roc_auc_score(positive, -score) == pytest.approx(1 - auc)


# --- splits


@given(
    count=st.integers(1, 200), seed=st.integers(0, 10**6), kinds=st.integers(1, 8),
    dev=st.floats(0, 0.4), test=st.floats(0, 0.4),
)  # fmt: skip
def test_a_split_loses_nothing_and_keeps_its_promise(count, seed, kinds, dev, test):
    key = np.random.default_rng(seed).integers(0, kinds, count)
    rows = np.arange(count)
    sizes = {"dev_size": dev, "test_size": test, "random_state": seed}
    for option in ({}, {"stratify": key}, {"groups": key}):
        parts = f.train_dev_test_split(rows, **sizes, **option)
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), rows)
        if "groups" in option:
            homes = [set(key[part]) for part in parts]
            assert sum(map(len, homes)) == len(set(key))  # no group stands in two parts
        else:
            assert [len(part) for part in parts[1:]] == [round(dev * count), round(test * count)]
        if "stratify" in option:
            for kind in range(kinds):
                total, share = np.sum(key == kind), len(parts[2]) / count
                left = total - np.sum(key[parts[2]] == kind)
                rest = max(count - len(parts[2]), 1)
                assert abs(np.sum(key[parts[2]] == kind) - total * share) < 1
                assert abs(np.sum(key[parts[1]] == kind) - left * len(parts[1]) / rest) < 2


def test_stratified_shares_are_as_even_as_scikit_learns():
    y = np.repeat([0, 1, 2], [500, 90, 10])
    _, _, ours = f.train_dev_test_split(y, dev_size=0, test_size=0.2, random_state=0, stratify=y)
    _, theirs = model_selection.train_test_split(y, test_size=0.2, random_state=0, stratify=y)
    np.testing.assert_array_equal(np.bincount(ours), np.bincount(theirs))


def test_the_same_seed_gives_the_same_split_of_arrays_and_tensors():
    x = np.random.default_rng(0).normal(size=(50, 3))
    ours = f.train_dev_test_split(x, random_state=7)
    theirs = pytorch.train_dev_test_split(torch.as_tensor(x), random_state=7)
    for part, tensor in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(part, tensor)
    with pytest.raises(TypeError, match="expected tensors, got list"):
        pytorch.train_dev_test_split([1, 2, 3])


def test_shared_functions_are_the_same_on_both_sides():
    for name in ("error_analysis", "grid_search", "random_search", "successive_halving"):
        assert getattr(pytorch, name) is getattr(f, name)


def test_every_erratum_of_the_chapter_links_to_its_entry():
    page = (Path(f.__file__).parent / "chapter.md").read_text()
    for number in (11, 44, 45, 46, 47, 48, 49, 50, 51, 52, 55, 94):
        assert re.search(rf"\[E{number}\]\(errata-e{number}\)", page), number
