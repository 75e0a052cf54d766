"""Grading a folder of submissions: scores, names of mistakes, reasons, and running again."""

import contextlib
import csv
import datetime
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import sys
import traceback
import weakref
from types import SimpleNamespace

import nbformat
import pytest
from nbgrader.api import Gradebook
from sqlalchemy.exc import OperationalError

from autograder import course, feedback, kernel, pool, sandbox
from autograder.errors import UsageError
from autograder.grade import grade
from autograder.jobs import Result
from autograder.record import Recorder
from tests.grader import fakes, made_up
from tests.grader.test_record import rows


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


def test_a_process_that_ends_costs_only_what_its_cell_defines(graded):
    [output] = autograded(graded, "dies")["solution-root"].outputs
    assert output.ename == "Closed" and "process" in output.evalue
    assert autograded(graded, "dies")["test-root"].outputs[-1].output_type == "error"


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
    assert list(kernel.autograde(tmp_path, "tiny", ["eve"], seed=1, timeout=60)) == [("eve", None)]
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


def test_results_for_gradescope_and_an_analysis_of_the_tasks_are_written(graded):
    results = json.loads((graded.output / "gradescope" / "squares.json").read_text())
    assert results["score"] == 2
    assert "<html" in (graded.output / "items.html").read_text()


def test_feedback_names_the_mistake_and_hides_the_hidden_tests(graded):
    page = graded.output / "course" / "feedback" / "squares" / "tiny" / "tiny.html"
    text = page.read_text()
    assert "Known mistake: squared. You square each entry." in text
    assert "0 of 3 points" in text and "2 of 2 points" in text
    assert "x_hidden" not in text and "HIDDEN TESTS" not in text


@pytest.fixture
def fake(built, generated, monkeypatch):
    """Grading without any process: `fakes.FakePool`, whose `ran` lists whose job was run."""
    generate = course.generate

    def copy(root, name, files):  # seconds are saved
        if course.database(root) != course.sqlite(root) or (root / "release").exists():
            return generate(root, name, files)
        return shutil.copytree(generated, root, dirs_exist_ok=True) / "release" / name

    monkeypatch.setattr(course, "generate", copy)
    monkeypatch.setattr(pool, "Pool", type("Pool", (fakes.FakePool,), {"ran": []}))
    monkeypatch.setattr(sandbox, "choose", lambda unsafe=False: "none")
    return pool.Pool


def class_of(folder, notebook, number, wrong=()):
    """Hand in for so many students; the double of those in `wrong` is wrong."""
    right, bad = made_up.answered(notebook), made_up.answered(notebook, double="wrong = 1")
    texts = {False: nbformat.writes(right), True: nbformat.writes(bad)}
    for n in range(number):
        made_up.hand_in(folder, f"s{n:03}", texts[n in wrong])
    return folder


def contents(output):
    """The gradebook's rows and all that is written for people, to be compared."""
    folder = output / "course"
    files = {
        path.relative_to(folder): path.read_bytes()
        for name in ("autograded", "feedback", "submitted")
        for path in sorted((folder / name).rglob("*"))
        if path.is_file()
    }
    return rows(course.database(folder)), files, (output / "grades.csv").read_bytes()


def totals(result):
    return {row.student: row.total for row in result.rows}


def test_a_second_run_grades_only_what_changed_and_loses_no_grade(
    fake, project, notebook, tmp_path
):
    folder, output = class_of(tmp_path / "in", notebook, 4, wrong={1}), tmp_path / "out"
    first = grade(project, "tiny", folder, output, seed=11)
    assert (first.graded_now, first.unchanged, first.seed) == (4, 0, 11)
    assert totals(first) == {"s000": 5, "s001": 2, "s002": 5, "s003": 5}
    fake.ran.clear()
    made_up.hand_in(folder, "s001", made_up.answered(notebook))  # mends the work
    made_up.hand_in(folder, "s002", "no notebook any more")
    (folder / "s003" / "tiny" / "tiny.ipynb").rename(tmp_path / "away.ipynb")
    shutil.rmtree(folder / "s003")
    second = grade(project, "tiny", folder, output)
    assert fake.ran == ["s001"]
    assert (second.graded_now, second.unchanged, second.seed) == (1, 1, 11)
    assert totals(second) == {"s000": 5, "s001": 5, "s002": 5, "s003": 5}
    by_name = {row.student: row for row in second.rows}
    assert by_name["s002"].status == "not graded"
    assert "points are those of an earlier submission" in by_name["s002"].message
    assert "no longer in the folder" in by_name["s003"].message


@pytest.mark.parametrize("change", [{"force": True}, {"seed": 12}])
def test_force_and_another_seed_grade_all_again(fake, project, notebook, tmp_path, change):
    folder, output = class_of(tmp_path / "in", notebook, 2), tmp_path / "out"
    grade(project, "tiny", folder, output, seed=11)
    before = contents(output)
    result = grade(project, "tiny", folder, output, **change)
    assert (result.graded_now, result.unchanged) == (2, 0)
    assert contents(output) == before


def test_what_a_person_has_graded_since_is_on_the_page_of_the_next_run(
    fake, project, notebook, tmp_path
):
    folder, output = class_of(tmp_path / "in", notebook, 2), tmp_path / "out"
    grade(project, "tiny", folder, output)
    page = output / "course" / "feedback" / "s001" / "tiny" / "tiny.html"
    assert "Clear and short" not in page.read_text()
    with Gradebook(course.database(output / "course")) as gradebook:
        score = gradebook.find_grade("manual-why", "tiny", "tiny", "s001")
        score.manual_score, score.needs_manual_grade = 2.5, False
        comment = gradebook.find_comment("manual-why", "tiny", "tiny", "s001")
        comment.manual_comment = "Clear and short"
        gradebook.db.commit()
    assert grade(project, "tiny", folder, output).unchanged == 2
    assert "Clear and short" in page.read_text()
    assert "2.5 of 3" in page.read_text()


def test_another_database_grades_all_again_and_is_remembered(
    fake, project, notebook, tmp_path, postgresql
):
    """PostgreSQL holds the same rows as SQLite, and the next run finds it without --db."""
    folder, output = class_of(tmp_path / "in", notebook, 3, wrong={1}), tmp_path / "out"
    grade(project, "tiny", folder, output, seed=11)
    before = contents(output)
    result = grade(project, "tiny", folder, output, db=postgresql)
    assert result.graded_now == 3
    assert course.database(output / "course") == postgresql
    assert contents(output) == before
    made_up.hand_in(folder, "s001", made_up.answered(notebook))
    result = grade(project, "tiny", folder, output)
    assert (result.graded_now, totals(result)["s001"]) == (1, 5)
    assert course.database(output / "course") == postgresql


def test_an_unchanged_assignment_is_not_generated_again(
    fake, project, notebook, tmp_path, monkeypatch
):
    folder, output = class_of(tmp_path / "in", notebook, 1), tmp_path / "out"
    grade(project, "tiny", folder, output)
    monkeypatch.setattr(course, "generate", lambda *arguments: pytest.fail("generated again"))
    assert grade(project, "tiny", folder, output).unchanged == 1


def test_a_run_that_was_stopped_goes_on_where_it_was(fake, project, notebook, tmp_path):
    folder, output = class_of(tmp_path / "in", notebook, 3), tmp_path / "out"

    def stop(job):
        if job.student == "s001":
            raise KeyboardInterrupt

    fake.before = staticmethod(stop)
    with pytest.raises(KeyboardInterrupt):
        grade(project, "tiny", folder, output)
    assert list(json.loads((output / "state.json").read_text())["graded"]) == ["s000"]
    fake.before = fakes.FakePool.before
    result = grade(project, "tiny", folder, output)
    assert (result.graded_now, result.unchanged) == (2, 1)
    assert fake.ran == ["s000", "s001", "s002"]


@pytest.mark.parametrize("database", ["SQLite", "PostgreSQL"])
def test_a_grader_that_is_killed_at_any_moment_goes_on(
    fake, project, notebook, tmp_path, database, request
):
    """kill -9 at random moments, again and again: the same gradebook, files and table."""
    db = request.getfixturevalue("postgresql") if database == "PostgreSQL" else None
    folder, output = class_of(tmp_path / "in", notebook, 12, wrong={3, 7}), tmp_path / "out"
    grade(project, "tiny", folder, tmp_path / "whole", seed=1)
    moments = random.Random(database)
    kills, done = 0, []
    for _ in range(8):
        with forked() as grader:
            if grader.pid == 0:
                kill_me_after(int(10 ** moments.uniform(3, 5.3)))
                grade(project, "tiny", folder, output, seed=1, db=db)
        kills += grader.status == -signal.SIGKILL
        state = output / "state.json"
        done.append(len(json.loads(state.read_text())["graded"]) if state.exists() else 0)
    assert kills >= 4 and done == sorted(done)
    grade(project, "tiny", folder, output, seed=1, db=db)
    assert contents(output) == contents(tmp_path / "whole")


@contextlib.contextmanager
def forked():
    """A process that runs the body of the `with` where its pid is 0; we wait, and have its status.

    Nothing of pytest's runs in it afterwards.
    """
    process = SimpleNamespace(pid=os.fork(), status=None)
    if process.pid == 0:
        try:
            yield process
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    yield process
    process.status = os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])


def kill_me_after(calls):
    """End this process, as kill -9 does, after so many calls of functions."""
    left = itertools.repeat(None, calls)

    def count(frame, event, argument):
        if next(left, left) is left:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)


def test_a_second_grader_is_refused_while_one_is_at_work(fake, project, notebook, tmp_path):
    folder, output = class_of(tmp_path / "in", notebook, 1), tmp_path / "out"
    reading, writing = os.pipe()

    def start_another(job):
        with forked() as other:
            if other.pid == 0:
                try:
                    grade(project, "tiny", folder, output)
                except UsageError as error:
                    os.write(writing, str(error).encode())

    fake.before = staticmethod(start_another)
    assert grade(project, "tiny", folder, output).graded_now == 1
    os.close(writing)
    with open(reading) as told:
        assert told.read() == (
            f"Another `autograder grade` is at work in {output}: wait for it, or choose another "
            "--output."
        )


def test_the_lock_is_not_kept_by_processes_that_outlive_a_killed_grader(
    fake, project, notebook, tmp_path
):
    folder, output = class_of(tmp_path / "in", notebook, 1), tmp_path / "out"
    reading, writing = os.pipe()

    def leave_a_child(job):
        if os.fork() == 0:
            os.read(reading, 1)  # until the test ends
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)

    fake.before = staticmethod(leave_a_child)
    with forked() as grader:
        if grader.pid == 0:
            os.close(writing)
            grade(project, "tiny", folder, output)
    assert grader.status == -signal.SIGKILL
    fake.before = fakes.FakePool.before
    assert grade(project, "tiny", folder, output).graded_now == 1
    os.close(writing)


def test_what_went_wrong_around_a_submission_is_a_row_and_is_tried_again(
    fake, project, notebook, tmp_path, monkeypatch
):
    folder, output = class_of(tmp_path / "in", notebook, 4), tmp_path / "out"
    problem = "The sandbox could not be set up: no space left"

    def broken(self, jobs):
        for job in jobs:
            result = fakes.answer(job)
            if job.student == "s001":
                result = Result("s001", problem=problem)
            yield result

    def record_not(self, student, *arguments):
        if student == "s002":
            raise KeyError("a cell")
        record(self, student, *arguments)

    def write_not(root, assignment, student, **options):
        if student == "s003":
            raise ValueError("a plot")
        write(root, assignment, student, **options)

    record, write = Recorder.record, feedback.write
    with monkeypatch.context() as patch:
        patch.setattr(fake, "run", broken)
        patch.setattr(Recorder, "record", record_not)
        patch.setattr(feedback, "write", write_not)
        result = grade(project, "tiny", folder, output)
    told = {row.student: row.message for row in result.rows if row.status == "not graded"}
    assert told["s001"] == problem
    assert told["s002"] == "it could not be recorded: KeyError: 'a cell'"
    assert told["s003"].startswith("no page of feedback could be written: ValueError: a plot")
    assert list(json.loads((output / "state.json").read_text())["graded"]) == ["s000"]
    fake.ran.clear()
    assert totals(grade(project, "tiny", folder, output)) == dict.fromkeys(told | {"s000": 0}, 5)
    assert fake.ran == ["s001", "s002", "s003"]


def test_a_submission_that_ran_out_of_time_is_graded_with_what_it_has(
    fake, project, notebook, tmp_path, monkeypatch
):
    folder, output = class_of(tmp_path / "in", notebook, 1), tmp_path / "out"
    late = Result("s000", problem="It ran longer than 300 s and was stopped.", timed_out=True)
    monkeypatch.setattr(fake, "run", lambda self, jobs: [late for job in jobs])
    [row] = grade(project, "tiny", folder, output).rows
    assert (row.total, row.status) == (0, "needs manual grade")
    assert "It ran longer than 300 s" in row.message


@pytest.mark.slow
def test_a_thousand_submissions_need_no_more_memory_than_a_hundred(
    fake, project, notebook, tmp_path, monkeypatch
):
    """Notebooks and results are let go one by one."""
    folder = class_of(tmp_path / "in", notebook, 1000)
    seen, held, done = [], [], []

    def count(job):
        seen.append(weakref.ref(job))
        held.append(sum(reference() is not None for reference in seen))

    fake.before = staticmethod(count)
    result = grade(
        project, "tiny", folder, tmp_path / "out", progress=lambda *told: done.append(told)
    )
    assert result.graded_now == 1000 and max(held) <= 3
    assert done[-1] == ("s999", 1000, 1000)
    assert [number for _, number, _ in done[1:]] == list(range(1001))


def test_a_database_that_stops_to_answer_is_told_in_a_line(
    fake, project, notebook, tmp_path, monkeypatch
):
    folder, output = class_of(tmp_path / "in", notebook, 1), tmp_path / "out"

    def gone(self, *arguments):
        raise OperationalError("SELECT 1", {}, Exception("server closed the connection\nreally"))

    monkeypatch.setattr(Recorder, "record", gone)
    with pytest.raises(UsageError, match=r"does not answer: server closed the connection\. W"):
        grade(project, "tiny", folder, output)


def test_without_a_sandbox_nothing_is_run(fake, project, notebook, tmp_path, monkeypatch):
    def none_here(unsafe=False):
        raise sandbox.SandboxError("no isolation on this host: do this")

    monkeypatch.setattr(sandbox, "choose", none_here)
    folder = class_of(tmp_path / "in", notebook, 1)
    with pytest.raises(UsageError, match="no isolation on this host: do this"):
        grade(project, "tiny", folder, tmp_path / "out")
    assert fake.ran == [] and not (tmp_path / "out").exists()


def test_own_settings_of_the_course_are_kept(fake, project, notebook, tmp_path):
    """Such as nbgrader's penalty for late work; what is written anew does not touch them."""
    folder, output = class_of(tmp_path / "in", notebook, 1), tmp_path / "out"
    (folder / "s000" / "tiny" / "timestamp.txt").write_text("2026-01-06 10:00:00 UTC")
    grade(project, "tiny", folder, output)
    (output / "course" / course.OWN_CONFIG).write_text(
        "c = get_config()\nc.LateSubmissionPlugin.penalty_method = 'zero'\n"
    )
    with course.gradebook(output / "course") as gradebook:
        gradebook.update_or_create_assignment("tiny", duedate=datetime.datetime(2026, 1, 6))
    [row] = grade(project, "tiny", folder, output, force=True).rows
    assert (row.late, row.total) == (5, 0)
    (output / "course" / course.OWN_CONFIG).write_text("nonsense(")
    with pytest.raises(UsageError, match=r"own_config\.py .*fails: SyntaxError"):
        grade(project, "tiny", folder, output)


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


def test_nbgraders_own_executor_gives_the_same_points(graded, notebook, tmp_path):
    """For comparison: `--executor nbgrader`, in kernels, without protection."""
    folder = tmp_path / "in"
    for student in ("full", "squares", "imports"):
        shutil.copytree(graded.folder / student, folder / student)
    result = grade(graded.root, "tiny", folder, tmp_path / "out", executor="nbgrader", seed=11)
    assert {row.student: row.points for row in result.rows} == {
        student: graded.rows[student].points for student in ("full", "squares", "imports")
    }
    with pytest.raises(UsageError, match="expected sandbox or nbgrader, got otter"):
        grade(graded.root, "tiny", folder, tmp_path / "out", executor="otter")


def test_hidden_tests_get_the_seed(graded):
    state = json.loads((graded.output / "state.json").read_text())
    assert state["seed"] == 11 and graded.result.seed == 11
    assert all(
        len(digest) == len(hashlib.sha256().hexdigest()) for digest in state["graded"].values()
    )
