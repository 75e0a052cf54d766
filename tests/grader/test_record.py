"""What a submission leaves in the gradebook: what nbgrader would leave, on any database."""

import contextlib
import datetime
import os
import random
import shutil
import signal
import sqlite3
import threading
import time

import nbformat
import psycopg
import pytest
from nbconvert.preprocessors import Preprocessor
from nbgrader.api import Base
from sqlalchemy import create_engine, select
from sqlalchemy.exc import OperationalError

from autograder import course, record
from autograder.errors import UsageError
from autograder.jobs import Result, Verdict
from tests.grader import made_up

DUE = datetime.datetime(2026, 1, 5, 12)
LATE, IN_TIME = b"2026-01-06 10:00:00 UTC", b"2026-01-05 10:00:00 UTC"
TESTS = ("test-double", "test-double-more", "test-root")
ERROR = {"output_type": "error", "ename": "CheckFailed", "evalue": "no", "traceback": ["no"]}
PRINTED = {"output_type": "stream", "name": "stdout", "text": "fine\n"}


def with_due_date(root):
    with course.gradebook(root) as gradebook:
        gradebook.update_or_create_assignment("tiny", duedate=DUE)
    return root


@pytest.fixture
def root(generated, tmp_path):
    return with_due_date(shutil.copytree(generated, tmp_path / "course"))


@pytest.fixture
def recorder(root):
    with record.Recorder(root, "tiny") as recorder:
        yield recorder


@pytest.fixture
def submitted(notebook, instructors_files):
    """A notebook with all answers in it, as it is run: with hidden tests; keywords as answers."""
    master = nbformat.reads(instructors_files["tiny.ipynb"].decode(), as_version=4)
    locked = {cell.id: cell.source for cell in master.cells if cell.id.startswith("test-")}

    def make(**answers):
        whole = made_up.answered(notebook, **answers)
        for cell in whole.cells:
            cell.source = locked.get(cell.id, cell.source)
        return whole

    return make


def result(failed=(), missing=(), outputs=None, **fields):
    """A Result in which the tests named in `failed` failed, those in `missing` were not run."""
    verdicts = {
        name: Verdict(name not in failed, "CheckFailed" * (name in failed), "no" * (name in failed))
        for name in TESTS
        if name not in missing
    }
    shown = {name: [ERROR if name in failed else PRINTED] for name in verdicts}
    return Result("anyone", shown | (outputs or {}), verdicts, **fields)


def rows(url):
    """All tables of a gradebook; ids, which are random, are replaced by what they stand for."""
    opened = create_engine(url)
    tables = Base.metadata.tables  # typed, so that databases that store them differently agree
    with opened.connect() as connection:
        tables = {n: connection.execute(select(t)).mappings().all() for n, t in tables.items()}
    opened.dispose()
    known = {
        row["id"]: f"{name}:{row.get('name')}"
        for name, table in tables.items()
        for row in table
        if name not in {"student", "course"} and "id" in row
    }
    for row in tables["submitted_assignment"]:
        known[row["id"]] = f"submission of {row['student_id']}"
    for row in tables["submitted_notebook"]:
        known[row["id"]] = f"notebook of {known[row['assignment_id']]}"
    for table in ("grade", "comment"):
        for row in tables[table]:
            known[row["id"]] = f"{known[row['cell_id']]} in {known[row['notebook_id']]}"
    return {
        name: sorted(
            sorted((column, str(known.get(value, value))) for column, value in row.items())
            for row in table
        )
        for name, table in tables.items()
    }


def grades(root, student):
    """auto score and whether a person must grade, by cell."""
    with course.gradebook(root) as gradebook:
        notebook = gradebook.find_submission_notebook("tiny", "tiny", student)
        return {g.cell.name: (g.auto_score, g.needs_manual_grade) for g in notebook.grades}


def written(root, student):
    path = root / "autograded" / student / "tiny" / "tiny.ipynb"
    return {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}


class Filled(Preprocessor):
    """In stock nbgrader's list in place of its executor: outputs as if the notebook had run."""

    enabled = True
    given = None

    def preprocess(self, nb, resources):
        given = Filled.given[resources["nbgrader"]["student"]]
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs = [nbformat.from_dict(o) for o in given.outputs.get(cell.id, [])]
        return nb, resources


def class_of_students(submitted):
    """name -> (notebook, result, timestamp.txt)"""
    long = {"output_type": "stream", "name": "stdout", "text": "line\n" * 3000}
    deep = {**ERROR, "traceback": [f"line {n}" for n in range(500)]}
    partial = {"output_type": "execute_result", "data": {"text/plain": "0.5"}, "metadata": {},
               "execution_count": None}  # fmt: skip
    half = result(outputs={"test-root": [partial]})
    half.verdicts["test-root"] = Verdict(True, score=0.5)
    return {
        "full": (submitted(), result(), IN_TIME),
        "none": (submitted(double=None, root=None, why=None), result(failed=TESTS), None),
        "late": (submitted(), result(failed={"test-root"}), LATE),
        "long": (submitted(), result(outputs={"solution-double": [long, deep]}), LATE),
        "half": (submitted(), half, None),
    }


def test_the_rows_are_those_of_nbgrader(generated, submitted, tmp_path):
    """Scores, needs for a person, comments, timestamps, penalties: nothing differs but ids."""
    ours, stock = (
        with_due_date(shutil.copytree(generated, tmp_path / name)) for name in ("ours", "stock")
    )
    for root in (ours, stock):
        (root / course.CONFIG).write_text(
            f"c = get_config()\nload_subconfig({course.OWN_CONFIG!r})"
        )
        (root / course.OWN_CONFIG).write_text(
            "c = get_config()\nc.LateSubmissionPlugin.penalty_method = 'zero'"
        )
    students = class_of_students(submitted)
    with record.Recorder(ours, "tiny") as recorder:
        for student, (notebook, outcome, timestamp) in students.items():
            recorder.record(student, notebook, outcome, timestamp)

    Filled.given = {student: outcome for student, (_, outcome, _) in students.items()}
    config = course.configuration(stock)
    config.Autograde.autograde_preprocessors = [Filled, *course.AUTOGRADE[1:]]
    for student, (notebook, _, timestamp) in students.items():
        folder = stock / "submitted" / student / "tiny"
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / "tiny.ipynb")
        if timestamp:
            (folder / "timestamp.txt").write_bytes(timestamp)
        with course.nbgrader(config) as api:
            done = api.autograde("tiny", student, force=True)
        assert done["success"], done["log"]

    assert rows(course.sqlite(ours)) == rows(course.sqlite(stock))
    penalties = [dict(row)["late_submission_penalty"] for row in
                 rows(course.sqlite(ours))["submitted_notebook"]]  # fmt: skip
    assert sorted(penalties) == ["3.0", "5.0", "None", "None", "None"]
    for student in students:
        mine, theirs = written(ours, student), written(stock, student)
        assert list(mine) == list(theirs)
        for id, cell in mine.items():
            for part in ("source", "metadata", "outputs"):
                assert cell.get(part) == theirs[id].get(part), (student, id, part)
        names = {p.name for p in (stock / "autograded" / student / "tiny").iterdir()}
        assert {p.name for p in (ours / "autograded" / student / "tiny").iterdir()} == names


def test_a_passed_test_has_its_points_and_words_wait_for_a_person(recorder, root, submitted):
    recorder.record("anna", submitted(), result(failed={"test-root"}))
    assert grades(root, "anna") == {
        "test-double": (2, False), "test-double-more": (1, False), "test-root": (0, False),
        "manual-why": (None, True),
    }  # fmt: skip


def test_an_untouched_answer_in_words_has_no_points_and_a_comment(recorder, root, submitted):
    recorder.record("anna", submitted(why=None), result())
    assert grades(root, "anna")["manual-why"] == (0, False)
    with course.gradebook(root) as gradebook:
        notebook = gradebook.find_submission_notebook("tiny", "tiny", "anna")
        comments = {comment.name: comment.auto_comment for comment in notebook.comments}
    assert comments == {
        "solution-double": None, "solution-root": None, "manual-why": "No response."
    }  # fmt: skip


def test_a_test_without_a_verdict_has_no_points(recorder, root, submitted):
    """nbgrader gives full points to a test cell that has no output."""
    quiet = Result("anna", {}, {"test-double": Verdict(True)}, problem="the process was killed")
    recorder.record("anna", submitted(), quiet)
    assert [grades(root, "anna")[name][0] for name in TESTS] == [2, 0, 0]
    [output] = written(root, "anna")["test-root"].outputs
    assert (output.ename, output.evalue) == (
        "NotRun",
        "No points for this test: the process was killed",
    )


@pytest.mark.parametrize(
    ("verdict", "outputs", "points"),
    [
        (Verdict(False), [], 0),
        (Verdict(False, "CheckFailed", "wrong"), [PRINTED], 0),
        (Verdict(True), [ERROR], 0),
        (Verdict(True), [{**PRINTED, "name": "stderr"}], 2),
        (Verdict(True), [{"output_type": "execute_result", "data": {"text/plain": "0.5"}}], 2),
        (Verdict(True), [{"output_type": "execute_result", "data": {"text/plain": "nan"}}], 2),
        (Verdict(True, score=0.5), [PRINTED], 0.5),
        (Verdict(True, score=0.0), [], 0),
        (Verdict(True, score=7.0), [], 0),
        (Verdict(True, score=float("nan")), [], 0),
        (Verdict(True, score=-1.0), [], 0),
        (Verdict(False, score=2.0), [], 0),
    ],
)
def test_the_verdict_decides_and_outputs_do_not(
    recorder, root, submitted, verdict, outputs, points
):
    outcome = Result("anna", {"test-root": outputs}, {"test-root": verdict})
    recorder.record("anna", submitted(), outcome)
    assert grades(root, "anna")["test-root"] == (points, False)


@pytest.mark.parametrize(
    "output",
    [
        None, 3, {}, {"output_type": "stream"}, {"output_type": "stream", "name": "x", "text": 3},
        {"output_type": "error", "ename": "E", "evalue": "e", "traceback": "text"},
        {"output_type": "display_data", "data": {"text/plain": ["\udcff", 1]}},
        {"output_type": "display_data", "data": [1]},
        {"output_type": "stream", "name": "stdout", "text": "\udcff\x00 text"},
        {"output_type": "unknown"}, {"output_type": ["stream"]},
    ],
)  # fmt: skip
def test_senseless_outputs_of_a_student_do_no_harm(recorder, root, submitted, output):
    recorder.record("anna", submitted(), result(outputs={"solution-root": [output, PRINTED]}))
    assert grades(root, "anna")["test-root"] == (2, False)
    assert written(root, "anna")["solution-root"].outputs[-1].text == "fine\n"


def test_what_a_person_gave_stays_when_a_submission_is_graded_again(recorder, root, submitted):
    recorder.record("anna", submitted(), result())
    with course.gradebook(root) as gradebook:
        notebook = gradebook.find_submission_notebook("tiny", "tiny", "anna")
        by_name = {grade.cell.name: grade for grade in notebook.grades}
        by_name["manual-why"].manual_score = 2.5
        by_name["manual-why"].needs_manual_grade = False
        by_name["test-root"].extra_credit = 1
        notebook.comments[0].manual_comment = "well done"
        gradebook.db.commit()
    recorder.record("anna", submitted(), result(failed={"test-double"}))
    with course.gradebook(root) as gradebook:
        notebook = gradebook.find_submission_notebook("tiny", "tiny", "anna")
        found = {g.cell.name: (g.score, g.needs_manual_grade) for g in notebook.grades}
        assert [c.comment for c in notebook.comments if c.comment] == ["well done"]
    assert found == {
        "test-double": (0, False), "test-double-more": (1, False), "test-root": (3, False),
        "manual-why": (2.5, True),  # the answer may have changed: look again
    }  # fmt: skip


def test_recording_again_changes_nothing(recorder, root, submitted):
    recorder.record("anna", submitted(), result(), LATE)
    before = rows(course.sqlite(root))
    recorder.record("anna", submitted(), result(), LATE)
    assert rows(course.sqlite(root)) == before


def test_a_resubmission_without_a_timestamp_is_not_late_any_more(recorder, root, submitted):
    folder = root / "autograded" / "anna" / "tiny"
    recorder.record("anna", submitted(), result(), LATE)
    assert (folder / "timestamp.txt").read_bytes() == LATE
    recorder.record("anna", submitted(), result())
    assert not (folder / "timestamp.txt").exists()
    with course.gradebook(root) as gradebook:
        assert gradebook.find_submission("tiny", "anna").timestamp is None


def test_what_cannot_be_stored_is_told_and_leaves_nothing(recorder, root, submitted):
    with pytest.raises(ValueError, match="more than 128 characters"):
        recorder.record("a" * 129, submitted(), result())
    with pytest.raises(ValueError, match="holds no date"):
        recorder.record("anna", submitted(), result(), b"yesterday")
    assert rows(course.sqlite(root))["student"] == []
    assert not (root / "autograded").exists()


def test_an_assignment_that_is_not_in_the_gradebook_is_refused(root):
    with pytest.raises(UsageError, match="has no assignment 'other'"):
        record.Recorder(root, "other").__enter__()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://host/name", "neither sqlite:///FILE nor postgresql://HOST/NAME"),
        ("nonsense", "--db: this is no database"),
        ("sqlite:////nowhere/at/all.db", "cannot be opened: unable to open database file"),
        ("postgresql://me:secret@/x?host=/nowhere", r"postgresql://me:\*\*\*@/x.*cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line_without_its_password(url, message):
    with pytest.raises(UsageError, match=message) as caught:
        record.check(url)
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


def test_a_reader_that_keeps_the_file_locked_only_makes_us_wait(
    recorder, root, submitted, monkeypatch
):
    """Formgrader and `sqlite3` lock the file while they read; nbgrader gives up after 5 seconds."""
    waited = threading.Event()
    monkeypatch.setattr(record.time, "sleep", lambda seconds: waited.set() or time.monotonic())
    with recorder._engine.connect() as connection:  # do not wait inside SQLite
        connection.exec_driver_sql("PRAGMA busy_timeout = 1")
    reader = sqlite3.connect(root / "gradebook.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM grade").fetchall()
    writer = threading.Thread(target=recorder.record, args=("anna", submitted(), result()))
    writer.start()
    assert waited.wait(30)
    reader.execute("COMMIT")
    writer.join(30)
    assert not writer.is_alive()
    assert grades(root, "anna")["test-root"] == (2, False)


def test_patience_with_a_locked_gradebook_ends(root, submitted):
    with record.Recorder(root, "tiny", patience=0) as recorder:
        with recorder._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 1")
        blocker = sqlite3.connect(root / "gradebook.db", isolation_level=None)
        blocker.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OperationalError, match="locked"):
            recorder.record("anna", submitted(), result())
        blocker.execute("ROLLBACK")


def on_postgresql(root, url, instructors_files):
    """Put the course into another database."""
    course.write_configuration(root, database=url, seed=1)
    course.generate(root, "tiny", instructors_files)
    with_due_date(root)


def test_postgresql_has_the_same_rows(root, submitted, postgresql, instructors_files):
    students = class_of_students(submitted)
    course.write_configuration(root, database=course.sqlite(root), seed=1)

    def all_rows():
        with record.Recorder(root, "tiny") as recorder:
            for student, (notebook, outcome, timestamp) in students.items():
                recorder.record(student, notebook, outcome, timestamp)
        return rows(course.database(root))

    expected = all_rows()
    on_postgresql(root, postgresql, instructors_files)
    assert all_rows() == expected
    assert oct((root / course.CONFIG).stat().st_mode & 0o777) == "0o600"


def kill_backends(url, how):
    """End all other connections to the database; returns the ids of their processes."""
    with psycopg.connect(url, autocommit=True) as admin:
        found = admin.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ).fetchall()
        for (pid,) in found:
            if how == "terminated":
                admin.execute("SELECT pg_terminate_backend(%s)", [pid])
            else:
                os.kill(pid, signal.SIGKILL)
    return [pid for (pid,) in found]


@pytest.mark.parametrize("how", ["terminated", "killed"])
def test_a_connection_that_dies_at_any_moment_loses_nothing(
    root, submitted, postgresql, instructors_files, how
):
    """pg_terminate_backend, and kill -9 of a server process, which restarts the server."""
    students = {f"student {n}": result(failed=TESTS[: n % 4]) for n in range(40)}
    on_postgresql(root, postgresql, instructors_files)
    notebook = submitted()
    stop, killed = threading.Event(), []
    moments = random.Random(how)

    def killer():
        longest = 0.1 if how == "terminated" else 0.6
        while len(killed) < 6 and not stop.wait(moments.uniform(0, longest)):
            with contextlib.suppress(psycopg.Error):
                killed.extend(kill_backends(postgresql, how))

    thread = threading.Thread(target=killer)
    with record.Recorder(root, "tiny") as recorder:
        thread.start()
        try:
            while len(killed) < 6:
                for student, outcome in students.items():
                    recorder.record(student, notebook, outcome, IN_TIME)
        finally:
            stop.set()
            thread.join()
    survived = rows(postgresql)
    with record.Recorder(root, "tiny") as recorder:
        for student, outcome in students.items():
            recorder.record(student, notebook, outcome, IN_TIME)
    assert rows(postgresql) == survived
    assert len(survived["submitted_assignment"]) == 40
    assert len(survived["grade"]) == 160


def test_two_runs_may_add_the_same_student_at_once(root, submitted, postgresql, instructors_files):
    """Two assignments of a course in one database, as nbgrader has them."""
    on_postgresql(root, postgresql, instructors_files)
    notebook, trouble = submitted(), []

    def run():
        try:
            with record.Recorder(root, "tiny") as recorder:
                for number in range(20):
                    recorder.record(f"student {number}", notebook, result())
        except Exception as error:
            trouble.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []
    assert len(rows(postgresql)["submitted_notebook"]) == 20
