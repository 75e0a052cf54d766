"""The item analysis: statistics against numbers worked elsewhere, and the page."""

import itertools
import re

import numpy as np
import pytest
from scipy import stats

from autograder import items, report, source
from tests.grader import look, made_up

HINT = "You square each entry <b>."


@pytest.fixture(scope="module")
def assignment(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "tiny.py"
    path.write_text(made_up.SOURCE)
    return source.read(path)


def class_of(number, seed=0, waiting=0):
    """Rows of a made-up class: `root` asks for what `double` asks for, `why` is chance."""
    rng = np.random.default_rng(seed)
    rows = []
    for index, skill in enumerate(rng.normal(size=number)):
        row = report.Row(f"s{index}", status=report.GRADED, seconds=1.0 + index)
        passed = skill + rng.normal(scale=0.3, size=3) > [-1, 0, 0]
        scores = [2 * passed[0], 1 * passed[1], 2 * passed[2], int(rng.integers(0, 4))]
        places = [("double", "double", 2), ("double-more", "double", 1), ("root", "root", 2),
                  ("why", "why", 3)]  # fmt: skip
        for score, (id, task, points) in zip(scores, places, strict=True):
            part = report.Part(id, task, float(score), points, manual=task == "why")
            if not part.manual and not score:
                part.error, part.message = "CheckFailed", "wrong"
                part.mistakes = [("squared", HINT)] * (id == "double")
            if part.manual and index < waiting:
                part.score = None
            part.seconds = 0.5
            row.parts.append(part)
        rows.append(row)
    return rows


def table(rows):
    return np.array([[sum(p.score for p in row.of(t)) for t in ("double", "root", "why")]
                     for row in rows])  # fmt: skip


def test_difficulty_and_shares_are_means(assignment):
    rows = class_of(50)
    [double, root, _] = items.analyze(assignment, rows).items
    points = table(rows)
    assert double.difficulty == pytest.approx(points[:, 0].mean() / 3)
    assert root.full == pytest.approx(np.mean(points[:, 1] == 2))
    assert root.none == pytest.approx(np.mean(points[:, 1] == 0))


def test_discrimination_is_the_correlation_with_the_other_tasks(assignment):
    rows = class_of(50)
    points = table(rows)
    for index, item in enumerate(items.analyze(assignment, rows).items):
        expected = stats.pearsonr(points[:, index], np.delete(points, index, axis=1).sum(axis=1))
        low, high = expected.confidence_interval(0.95)
        assert item.discrimination == pytest.approx(expected.statistic)
        assert item.interval == pytest.approx((low, high))


def test_alpha_agrees_with_the_covariance_matrix(assignment):
    rows = class_of(50)
    covariance = np.cov(table(rows), rowvar=False)
    expected = 3 / 2 * (1 - np.trace(covariance) / covariance.sum())
    assert items.analyze(assignment, rows).alpha == pytest.approx(expected)


def test_alpha_of_a_worked_example():
    # The columns have the variances 5/3, 2 and 1/3, together 4; the sums 3, 5, 6, 10 have 26/3.
    points = np.array([[1, 1, 1], [2, 2, 1], [3, 1, 2], [4, 4, 2]], dtype=float)
    assert items.cronbach_alpha(points) == pytest.approx(3 / 2 * (1 - 4 / (26 / 3)))
    assert items.cronbach_alpha(np.ones((4, 3))) is None
    assert items.cronbach_alpha(points[:, :1]) is None


def test_the_upper_and_lower_group_are_27_percent():
    totals = np.arange(100.0)
    shares = (totals >= 80).astype(float)  # 20 of the 27 best, none of the 27 last
    assert items.upper_lower(shares, totals) == pytest.approx(20 / 27)


def test_equal_totals_at_the_border_count_as_if_drawn_by_lot():
    totals, shares = np.array([1, 2, 2, 2, 3, 4, 4, 5.0]), np.array([0, 1, 0, 0, 1, 0, 1, 1.0])
    size = items.GROUP * 8  # 2.16 students
    found = []
    for order in itertools.permutations(range(8)):
        ranked = [i for i in order]
        if any(totals[a] > totals[b] for a, b in itertools.pairwise(ranked)):
            continue
        weights = [min(1, max(0, size - place)) for place in range(8)]
        lower = sum(w * shares[i] for w, i in zip(weights, ranked, strict=True))
        upper = sum(w * shares[i] for w, i in zip(weights, reversed(ranked), strict=True))
        found.append((upper - lower) / size)
    assert items.upper_lower(shares, totals) == pytest.approx(np.mean(found))


def test_what_waits_for_a_person_is_left_out_of_sums_and_told(assignment):
    rows = class_of(40, waiting=10)
    found = items.analyze(assignment, rows)
    assert found.max == 5 and max(found.scores) <= 5
    why = found.items[2]
    assert (why.students, why.waiting) == (30, 10)
    assert "10 of 40 answers wait for a person." in why.warnings
    points = np.array([why_of(row) for row in rows[10:]])
    assert why.difficulty == pytest.approx(points.mean() / 3)


def why_of(row):
    return row.of("why")[0].score


def test_students_without_a_grade_do_not_count(assignment):
    found = items.analyze(assignment, [*class_of(10), report.Row("none")])
    assert (found.students, found.ungraded, len(found.scores)) == (10, 1, 10)


def test_few_or_equal_students_give_no_numbers_instead_of_nonsense(assignment):
    for number in (0, 1, 2):
        found = items.analyze(assignment, class_of(number))
        assert found.alpha is None or number == 2
        assert [item.discrimination for item in found.items] == [None] * 3
        assert "nan" not in items.page(assignment, class_of(number)).lower()
    equal = class_of(1) * 12
    assert items.analyze(assignment, equal).items[0].discrimination is None


def test_tasks_that_tell_little_are_named(assignment):
    rows = class_of(200, seed=5)
    warnings = {item.id: " ".join(item.warnings) for item in items.analyze(assignment, rows).items}
    assert re.search("Discrimination below 0.2|does worse here", warnings["why"])
    assert warnings["double"] == warnings["root"] == ""
    easy = class_of(40)
    for row in easy:
        row.of("root")[0].score = 2.0
    assert "Nearly all have it" in " ".join(items.analyze(assignment, easy).items[1].warnings)
    for row in easy:
        row.of("root")[0].score = 0.0
    assert "Few points" in " ".join(items.analyze(assignment, easy).items[1].warnings)


def test_misconceptions_errors_and_times_are_counted_by_student(assignment):
    rows = class_of(50)
    [double, root, _] = items.analyze(assignment, rows).items
    wrong = sum(row.of("double")[0].score == 0 for row in rows)
    assert double.mistakes == [("squared", HINT, wrong)]
    either = sum(any(part.error for part in row.of("double")) for row in rows)
    assert double.errors == [("CheckFailed", either)]
    assert (double.seconds, root.seconds) == ((1.0, 1.0), (0.5, 0.5))
    assert items.analyze(assignment, rows).seconds == (25.5, 50.0)


def test_the_colors_are_those_of_the_book():
    from book import style

    assert (items.BLUE, items.ORANGE) == (style.BLUE, style.ORANGE)


@pytest.mark.parametrize("number", [0, 12, 60])
def test_the_page_asks_for_nothing_and_leaves_nobody_out(chromium, assignment, tmp_path, number):
    path = items.write(tmp_path, assignment, class_of(number, waiting=number // 4))
    assert look.troubles(chromium, path) == []


def test_the_page_says_what_it_knows_and_what_it_does_not(chromium, assignment, tmp_path):
    path = items.write(tmp_path, assignment, class_of(12))
    page = chromium.new_page()
    page.goto(path.as_uri())
    text = page.inner_text("body")
    assert "12 submissions: read with care." in text and "You square each entry <b>." in text
    assert page.locator("svg title").count() >= 10 and page.locator("figcaption").count() == 2
    assert page.locator("svg").first.get_attribute("aria-label").startswith("Histogram")
    assert not re.search(r"\bs\d+\b", text)  # no student is named
    page.close()
    assert "read with care" not in items.page(assignment, class_of(60))


def test_the_same_rows_make_the_same_bytes(assignment):
    assert items.page(assignment, class_of(20)) == items.page(assignment, class_of(20))
