"""Rows of the report: points, what is told of a failure, and what is never told."""

import csv
import io
import time

import nbformat
import pytest
from sqlalchemy import event

from autograder import report
from tests.grader.by_hand import MISTAKE, POINTS, Course, error


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    made = Course(tmp_path_factory.mktemp("course"))
    made.hand_in("anna", measured={"seconds": 1.5, "verdicts": {"test-root": {"seconds": 0.25}}})
    made.hand_in("berta", {"test-double": error("CheckFailed", MISTAKE)}, manual=2, comment="Good")
    made.hand_in("carl", {"test-root": error("TimedOut", "20 s were not enough")}, late=1.5)
    visible = "----> 1 assert double(np.array([7.0]))[0] == 14"
    hidden = "----> 6 x_hidden = fresh_rng().normal(size=(4, 3))"
    failed = {
        "test-double-more": error("AssertionError", "", [visible, "AssertionError: "]),
        "test-double": error("AssertionError", "", [hidden, "AssertionError: "]),
    }
    return made.hand_in("dora", failed)


@pytest.fixture(scope="module")
def rows(course):
    found = report.rows(course.root, course.assignment, ["anna", "berta", "none"],
                        {"none": "no notebook"}, {"anna": ["a cell was put back"]})  # fmt: skip
    return {row.student: row for row in found}


def test_points_are_those_of_the_gradebook(rows):
    assert rows["anna"].points == {"double": 3, "root": 2, "why": 0}
    assert (rows["anna"].total, rows["anna"].max, rows["anna"].status) == (5, 8, report.MANUAL)
    assert (rows["berta"].total, rows["berta"].status) == (5, report.GRADED)


def test_what_waits_for_a_person_has_no_score(rows):
    assert [part.score for part in rows["anna"].of("why")] == [None]
    assert [part.score for part in rows["berta"].of("why")] == [2]
    assert rows["berta"].comments == {"why": ["Good"]}


def test_points_for_being_late_are_taken_off_and_told(rows):
    assert (rows["carl"].total, rows["carl"].late) == (1.5, 1.5)
    assert "late: 1.5 points taken off" in rows["carl"].message


def test_misconceptions_come_with_their_hint(rows):
    [part] = [part for part in rows["berta"].parts if part.error]
    hint = "You square each entry. Doubling adds it to itself."
    assert part.mistakes == [("squared", hint)]
    assert rows["berta"].misconceptions == {"double": ["squared"]}
    assert part.told.startswith("wrong in case 1 of 3")


def test_times_are_taken_from_the_notebook(rows):
    assert rows["anna"].seconds == 1.5 and rows["berta"].seconds is None
    assert {part.id: part.seconds for part in rows["anna"].parts}["root"] == 0.25


def test_messages_say_what_became_of_a_submission(rows):
    assert rows["anna"].message == "a cell was put back"
    assert rows["none"].message == "no notebook" and rows["none"].total is None
    told = ["test-root ran out of time", "no longer in the folder of submissions"]
    assert all(message in rows["carl"].message for message in told)


def test_the_table_leaves_empty_what_was_not_graded(rows):
    content = report.to_csv(rows.values(), [("double", 3), ("root", 2), ("why", 3)])
    table = list(csv.reader(io.StringIO(content.decode())))
    assert table[2] == ["berta", "1", "2", "2", "5", "8", "graded", "double: squared", ""]
    assert table[5] == ["none", "", "", "", "", "8", "not graded", "", "no notebook"]


def test_no_hidden_line_is_quoted_from_any_traceback(course):
    cell = next(c for c in course.master.cells if c.id == "test-double")
    shown = [
        "\x1b[0;32m      1\x1b[0m check(\"double\", double)",
        "      4 from autograder.checks import assert_close, fresh_rng",
        "----> 7 assert_close(double(x_hidden), scipy.special.xlogy(1, 1) + 2 * x_hidden, "
        'what="double")',
        '    import scipy.special',
        "      2 ### BEGIN HIDDEN TESTS",
        "AssertionError: x_hidden = fresh_rng().normal(size=(4, 3)) failed",
    ]  # fmt: skip
    assert report.without_hidden("\n".join(shown), cell) == shown[0]
    assert "HIDDEN" not in report.visible(cell) and "x_hidden" not in report.visible(cell)


def test_a_plain_assert_is_told_by_its_line_unless_that_is_hidden(rows):
    messages = {part.id: part.message for part in rows["dora"].parts}
    assert messages["double-more"] == "assert double(np.array([7.0]))[0] == 14"
    assert messages["double"] == "a hidden test failed"


def test_an_unended_hidden_part_is_hidden_to_the_end():
    cell = nbformat.v4.new_code_cell("check()\n### BEGIN HIDDEN TESTS\nassert f(3) == 9")
    assert report.visible(cell) == "check()"


def test_a_thousand_rows_take_two_queries_and_little_time(course, monkeypatch):
    notebook = report.read_notebook(course.root, "tiny", "berta")
    grades = {name: (1.0, points, False) for name, points in POINTS.items()}
    many = {f"student-{i}": report.Entry(grades=dict(grades)) for i in range(1000)}
    read = []
    monkeypatch.setattr(report, "entries", lambda *_: many)
    monkeypatch.setattr(report, "read_notebook", lambda *place: read.append(place) or notebook)
    start = time.perf_counter()
    found = report.rows(course.root, course.assignment, list(many), {}, {})
    assert len(found) == 1000 and time.perf_counter() - start < 5
    assert len(read) == 1000


def test_the_gradebook_is_asked_twice_however_many_students_it_has(course):
    asked = []
    engine = report._engine(f"sqlite:///{course.root.resolve()}/gradebook.db")
    event.listen(engine, "before_cursor_execute", lambda *arguments: asked.append(arguments))
    assert set(report.entries(course.root, "tiny")) == {"anna", "berta", "carl", "dora"}
    assert set(report.entries(course.root, "tiny", ["carl"])) == {"carl"}
    assert len(asked) == 4
