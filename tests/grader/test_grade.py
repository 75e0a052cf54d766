"""Grading a folder of submissions: scores, names of mistakes, reasons, and running again."""

import csv
import hashlib
import json
import os

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder import course, execute, submissions
from autograder.errors import UsageError
from autograder.grade import grade
from tests.grader import made_up


def autograded(graded, student):
    path = graded.output / "course" / "autograded" / student / "tiny" / "tiny.ipynb"
    return {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}


@pytest.mark.parametrize(
    ("student", "points"),
    [
        ("full", {"double": 3, "root": 2, "why": 0}),
        ("flat", {"double": 3, "root": 2, "why": 0}),
        ("untouched", {"double": 0, "root": 0, "why": 0}),
        ("squares", {"double": 0, "root": 2, "why": 0}),
        ("in_place", {"double": 1, "root": 2, "why": 0}),
        ("stderr", {"double": 3, "root": 2, "why": 0}),
        ("imports", {"double": 3, "root": 0, "why": 0}),
        ("dies", {"double": 3, "root": 0, "why": 0}),
        ("no_test", {"double": 0, "root": 2, "why": 0}),
        ("emptied", {"double": 0, "root": 2, "why": 0}),
    ],
)
def test_points(graded, student, points):
    row = graded.rows[student]
    assert (row.points, row.total, row.max) == (points, sum(points.values()), 8)


def test_an_answer_in_words_waits_for_a_person_and_an_untouched_one_does_not(graded):
    assert graded.rows["full"].status == "needs manual grade"
    assert graded.rows["untouched"].status == "graded"


def test_misconceptions_are_named_by_task(graded):
    assert graded.rows["squares"].misconceptions == {"double": ["squared"]}
    assert graded.rows["in_place"].misconceptions == {"double": ["in_place"]}
    assert graded.rows["full"].misconceptions == {}


def test_what_cannot_be_graded_is_one_row_with_its_reason(graded):
    reasons = {
        "corrupt": "not a notebook: the file is not JSON",
        "another": "another notebook: it has none of this assignment's answer cells",
        "nobody": "no notebook",
    }
    for student, reason in reasons.items():
        row = graded.rows[student]
        assert (row.status, row.total, row.points) == ("not graded", None, {})
        assert reason in row.message
    assert {r.student for r in graded.result.rows if r.status == "not graded"} == set(reasons)
    assert graded.result.ignored == ["notes.txt"]


def test_a_forbidden_import_is_told(graded):
    assert "solution-root, line 1, imports `scipy.special`, which" in graded.rows["imports"].message


def test_a_kernel_that_dies_costs_only_what_comes_after(graded):
    assert "the notebook stopped before it: DeadKernelError" in graded.rows["dies"].message


def test_missing_cells_are_put_back(graded):
    assert graded.rows["no_test"].message == "missing cells put back: test-double"


def test_a_student_cannot_replace_files_or_tests(graded):
    """`full` forged assignment.json; `emptied` emptied the tests and tagged them to be skipped."""
    folder = graded.output / "course" / "autograded" / "full" / "tiny"
    master = graded.root / "exercises" / "tiny" / "assignment.json"
    assert (folder / "assignment.json").read_bytes() == master.read_bytes()
    cell = autograded(graded, "emptied")["test-double"]
    assert "assert_close" in cell.source
    assert cell.outputs[-1].ename == "CheckFailed"


def test_nbgrader_overwrites_every_file_of_the_source_folder(instructors_files, notebook, tmp_path):
    """Also where a student's file of that name is handed to nbgrader."""
    files = instructors_files | {"data.csv": b"1,2\n"}
    course.generate(tmp_path, "tiny", files)
    submitted = tmp_path / "submitted" / "eve" / "tiny"
    made_up.hand_in(tmp_path / "submitted", "eve", made_up.answered(notebook))
    (submitted / "assignment.json").write_text('{"imports": [], "tasks": {}}')
    (submitted / "data.csv").write_text("forged")
    assert list(execute.autograde(tmp_path, "tiny", ["eve"], seed=1, timeout=60)) == [("eve", None)]
    result = tmp_path / "autograded" / "eve" / "tiny"
    assert (result / "data.csv").read_bytes() == b"1,2\n"
    assert (result / "assignment.json").read_bytes() == files["assignment.json"]


def test_noise_on_stderr_is_dropped_and_a_passed_test_has_its_line(graded):
    outputs = autograded(graded, "stderr")["test-double"].outputs
    assert [(o.output_type, o.name, o.text) for o in outputs] == [
        ("stream", "stdout", "double: all 3 visible cases pass.\n")
    ]


def test_the_csv_holds_the_rows(graded):
    with open(graded.output / "grades.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == [
        "student", "double", "root", "why", "total", "max", "status", "misconceptions", "message",
    ]  # fmt: skip
    rows = {row["student"]: row for row in table}
    assert list(rows) == sorted(graded.rows)
    assert rows["squares"] == {
        "student": "squares", "double": "0", "root": "2", "why": "0", "total": "2", "max": "8",
        "status": "needs manual grade", "misconceptions": "double: squared", "message": "",
    }  # fmt: skip
    assert (rows["corrupt"]["total"], rows["corrupt"]["status"]) == ("", "not graded")


def test_the_gradebook_holds_the_scores(graded):
    with Gradebook(f"sqlite:///{graded.output}/course/gradebook.db") as gradebook:
        scores = {s.student.id: s.score for s in gradebook.assignment_submissions("tiny")}
        assert gradebook.find_assignment("tiny").max_score == 8
        grade_cells = gradebook.find_submission_notebook("tiny", "tiny", "squares").grades
        assert {g.cell.name: (g.auto_score, g.max_score) for g in grade_cells} == {
            "test-double": (0, 2), "test-double-more": (0, 1), "test-root": (2, 2),
            "manual-why": (None, 3),
        }  # fmt: skip
    assert scores == {row.student: row.total for row in graded.result.rows if row.points}


def test_feedback_names_the_mistake_and_hides_the_hidden_tests(graded):
    page = graded.output / "course" / "feedback" / "squares" / "tiny" / "tiny.html"
    text = page.read_text()
    assert "Known mistake: squared. You square each entry." in text
    assert "(Score: 2.0 / 8.0)" in text
    assert "x_hidden" not in text and "HIDDEN TESTS" not in text


def test_a_second_run_grades_only_what_changed_and_loses_no_grade(
    graded, notebook, built, monkeypatch
):
    folder, ran = graded.folder, []

    def counting(root, assignment, students, **options):
        ran.extend(students)
        yield from original(root, assignment, students, **options)

    original = execute.autograde
    monkeypatch.setattr(execute, "autograde", counting)
    made_up.hand_in(folder, "squares", made_up.answered(notebook))  # mends the work
    made_up.hand_in(folder, "in_place", "no notebook any more")
    saved = (folder / "imports" / "tiny" / "tiny.ipynb").read_text()
    (folder / "imports" / "tiny" / "tiny.ipynb").unlink()
    (folder / "imports" / "tiny").rmdir()
    (folder / "imports").rmdir()
    result = grade(graded.root, "tiny", folder, graded.output)
    rows = {row.student: row for row in result.rows}
    assert ran == ["squares"]
    assert (result.graded_now, result.unchanged, result.seed) == (1, 7, 11)
    assert rows["squares"].total == 5 and rows["squares"].misconceptions == {}
    assert rows["full"] == graded.rows["full"]
    assert (rows["in_place"].total, rows["in_place"].status) == (3, "not graded")
    assert "not JSON" in rows["in_place"].message
    assert "points are those of an earlier submission" in rows["in_place"].message
    assert rows["imports"].total == 3
    assert "no longer in the folder" in rows["imports"].message
    made_up.hand_in(folder, "imports", saved)

    # Only one submission stays due with --force: the others are already covered above.
    for student in set(graded.rows) - {"full", "flat"}:
        path = folder / student / "tiny" / "tiny.ipynb"
        path.unlink(missing_ok=True)
    (folder / "flat.ipynb").unlink()
    result = grade(graded.root, "tiny", folder, graded.output, force=True)
    assert ran == ["squares", "full"]
    assert result.graded_now == 1


def test_a_run_that_was_stopped_goes_on_where_it_was(
    project, notebook, built, tmp_path, monkeypatch
):
    folder, output, ran = tmp_path / "in", tmp_path / "out", []
    for student in ("anna", "berta"):
        made_up.hand_in(folder, student, nbformat.read(notebook, as_version=4))

    def stopping(root, assignment, students, **options):
        for student in students:
            if ran:
                raise KeyboardInterrupt
            ran.append(student)
            yield from original(root, assignment, [student], **options)

    original = execute.autograde
    monkeypatch.setattr(execute, "autograde", stopping)
    with pytest.raises(KeyboardInterrupt):
        grade(project, "tiny", folder, output)
    assert list(json.loads((output / "state.json").read_text())["graded"]) == ["anna"]
    monkeypatch.setattr(execute, "autograde", original)
    result = grade(project, "tiny", folder, output)
    assert (result.graded_now, result.unchanged) == (1, 1)
    assert [(row.student, row.total) for row in result.rows] == [("anna", 0), ("berta", 0)]


def test_a_failure_of_nbgrader_is_a_row_and_is_tried_again(
    built, project, notebook, tmp_path, monkeypatch
):
    folder, output = tmp_path / "in", tmp_path / "out"
    made_up.hand_in(folder, "anna", nbformat.read(notebook, as_version=4))

    def failing(root, assignment, students, **options):
        for student in students:
            yield student, "it broke"

    monkeypatch.setattr(execute, "autograde", failing)
    [row] = grade(project, "tiny", folder, output).rows
    assert (row.status, row.message) == ("not graded", "nbgrader: it broke")
    assert json.loads((output / "state.json").read_text())["graded"] == {}


def test_wrong_use_is_refused(project, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("mine")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.ipynb").write_text("")
    cases = [
        (("none", "in", "out"), "There is no assignment 'none'. Known: tiny"),
        (("tiny", "nowhere", "out"), "no folder of submissions"),
        (("tiny", "empty", "out"), "There are no submissions"),
        (("tiny", "in", "full"), "holds something else"),
        (("tiny", "in", "in/out"), "must not be inside"),
    ]
    for (name, folder, output), message in cases:
        with pytest.raises(UsageError, match=message):
            grade(project, name, tmp_path / folder, tmp_path / output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "full", "in"]


def test_the_output_of_another_assignment_is_refused(project, tmp_path):
    made_up.hand_in(tmp_path / "in", "anna", "{}")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "state.json").write_text('{"assignment": "other"}')
    with pytest.raises(UsageError, match="holds the grades of 'other'"):
        grade(project, "tiny", tmp_path / "in", tmp_path / "out")


def prepare(path, notebook):
    master = nbformat.read(notebook, as_version=4)
    return submissions.prepare(submissions.Submission("anna", path), master)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\x00\xff\xfe", "not JSON"),
        (b"[1, 2]", "not a notebook"),
        (b"{}", "not a notebook"),
        (b"[" * 100_000, "not a notebook"),
        (b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "another notebook"),
        (b'{"cells": 3, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "not a notebook"),
        (b'{"nbformat": 99}', "not a notebook"),
        (b" " * (submissions.MAX_BYTES + 1), "at most 20 MB"),
    ],
    ids=["empty", "bytes", "list", "object", "deep", "no cells", "bad cells", "new", "huge"],
)
def test_a_damaged_file_is_refused_with_a_reason(tmp_path, notebook, content, reason):
    path = tmp_path / "tiny.ipynb"
    path.write_bytes(content)
    with pytest.raises(submissions.Refused, match=reason):
        prepare(path, notebook)


def test_links_and_pipes_are_refused(tmp_path, notebook):
    link, pipe = tmp_path / "link.ipynb", tmp_path / "pipe.ipynb"
    link.symlink_to(notebook)
    os.mkfifo(pipe)
    for path in (link, pipe):
        with pytest.raises(submissions.Refused, match="not an ordinary file"):
            prepare(path, notebook)


def test_cells_are_put_back_in_order_and_own_cells_kept(tmp_path, notebook):
    submitted = made_up.answered(notebook)
    own = nbformat.v4.new_code_cell("helper = 1", metadata={"tags": ["skip-execution"]})
    cells = submitted.cells
    copied = nbformat.from_dict(cells[4])
    copied.source, copied.id = "print('my test')", "a-copy"
    submitted.cells = [cells[4], copied, *cells[:4], own, *cells[5:]]  # a test moved to the top
    submitted.metadata.kernelspec = {"name": "bash", "display_name": "x", "language": "bash"}
    path = tmp_path / "tiny.ipynb"
    path.write_text(nbformat.writes(submitted))
    restored = nbformat.reads(prepare(path, notebook).notebook.decode(), as_version=4)
    master = nbformat.read(notebook, as_version=4)
    ids = [cell.id for cell in restored.cells]
    assert [id for id in ids if not id.startswith("own-")] == [cell.id for cell in master.cells]
    assert ids.index("own-solution-double-1") == ids.index("solution-double") + 1
    assert restored.metadata == master.metadata
    plain = {cell.id: cell for cell in restored.cells}
    assert plain["own-solution-double-1"].metadata == {}
    assert plain["test-double"].source == {c.id: c for c in master.cells}["test-double"].source
    assert plain["solution-double"].source == made_up.DOUBLE


def test_submissions_are_found_in_all_layouts(tmp_path):
    for path in ["a/tiny/tiny.ipynb", "b/tiny.ipynb", "c.ipynb", "d/tiny (1).ipynb", "e/x.ipynb",
                 "e/y.ipynb", "b.ipynb", "-f.ipynb", ".hidden/tiny.ipynb"]:  # fmt: skip
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    (tmp_path / "read.me").write_text("")
    found, ignored = submissions.find(tmp_path, "tiny")
    table = {s.student: s.problem or str(s.path.relative_to(tmp_path)) for s in found}
    assert table == {
        "a": "a/tiny/tiny.ipynb",
        "b": "there are two submissions of this name",
        "c": "c.ipynb",
        "d": "d/tiny (1).ipynb",
        "e": "several notebooks (x.ipynb, y.ipynb), none is tiny.ipynb",
        "-f": "the name of a student may have letters, digits, spaces and . _ @ - inside",
    }
    assert ignored == ["read.me"]


def test_a_timestamp_is_taken_over_if_it_is_a_date(tmp_path, notebook):
    path = made_up.hand_in(tmp_path, "anna", made_up.answered(notebook))
    assert prepare(path, notebook).timestamp is None
    path.with_name("timestamp.txt").write_text("2026-01-05 10:00:00 UTC")
    assert prepare(path, notebook).timestamp == b"2026-01-05 10:00:00 UTC"
    path.with_name("timestamp.txt").write_text("yesterday, honestly")
    assert prepare(path, notebook).timestamp is None


def test_a_test_that_did_not_run_has_no_points():
    test = nbformat.v4.new_code_cell("check()", metadata={"nbgrader": {
        "grade": True, "solution": False, "grade_id": "test-a", "points": 1, "locked": True,
    }})  # fmt: skip
    passed = nbformat.from_dict(test) | {"id": "passed"}
    passed = nbformat.from_dict(passed)
    passed.outputs = [
        nbformat.v4.new_output("execute_result", {"text/plain": "nan"}),
        nbformat.v4.new_output("stream", name="stderr", text="50 %"),
    ]
    notebook = nbformat.v4.new_notebook(cells=[passed, test])
    executor = execute.Execute()
    executor._succeeded, executor._trouble = {0}, "it was not run"
    executor._judge(notebook, allowed=None)
    assert passed.outputs == []
    assert [o.ename for o in notebook.cells[1].outputs] == ["NotRun"]


def test_hidden_tests_get_the_seed(graded):
    state = json.loads((graded.output / "state.json").read_text())
    assert state["seed"] == 11 and graded.result.seed == 11
    assert all(
        len(digest) == len(hashlib.sha256().hexdigest()) for digest in state["graded"].values()
    )
