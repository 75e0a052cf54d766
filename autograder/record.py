"""The one writer of grades: rows of nbgrader's gradebook, and the autograded notebook beside them.

What a row says is what nbgrader's own SaveAutoGrades and AssignLatePenalties would say. A
submission is one transaction on one connection for the whole run, so a run that is killed leaves
each submission recorded or not, and recording it again changes nothing.
"""

import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import nbformat
from nbformat.v4 import new_output
from nbgrader import utils
from nbgrader.api import (
    Assignment,
    Comment,
    Grade,
    Notebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.preprocessors import AssignLatePenalties, LimitOutput
from sqlalchemy import create_engine, event, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.orm import Session, joinedload, selectinload

from autograder import convert, course, inert
from autograder.errors import UsageError
from autograder.kernel import NOT_RUN
from autograder.project import write_atomically

STAMP = "timestamp.txt"
SECRET = "submission_secret.txt"  # under which nbgrader's exchange releases the feedback
_BUSY = 10  # seconds that SQLite waits for another process before it says that it is locked
_PATIENCE = 120  # seconds of trying again where the database does not answer
_LONGEST_NAME = 128  # characters of a student's id in the gradebook


class Recorder:
    """Writes the grades of one run; a context manager that holds the database connection.

    root : the folder of the nbgrader course, its assignment `name` already generated.
    db_url : of the gradebook; None for the one that the course's configuration names.
    patience : seconds to go on trying while the database cannot be reached.
    """

    def __init__(self, root, name, db_url=None, *, patience=_PATIENCE):
        self.root, self.name = Path(root), name
        self._config = course.configuration(root)
        self._url = db_url or self._config.CourseDirectory.db_url
        self._patience = patience
        self._late = AssignLatePenalties(config=self._config)
        self._late.init_plugin()
        self._limit = LimitOutput(config=self._config)

    def __enter__(self):
        self._engine = engine(self._url)
        try:
            self._master = self._again(self._read_master)
            self._files = instructors_files(self.root / "source" / self.name)
        except BaseException:
            self._engine.dispose()
            raise
        return self

    def __exit__(self, *error):
        self._engine.dispose()

    def record(self, student, notebook, result, timestamp=None):
        """Write one submission: autograded/<student>/<name>/ and the rows of the gradebook.

        notebook : the notebook that was run, a dict; `result` has its outputs and verdicts.
        timestamp : the bytes of timestamp.txt, or None.
        What a person has given (manual scores, extra credit, comments) stays.
        Raises: ValueError where this submission cannot be stored; OperationalError where the
        database did not answer for as long as our patience lasts.
        """
        if len(student) > _LONGEST_NAME:
            raise ValueError(f"the student's name has more than {_LONGEST_NAME} characters")
        graded = self._autograded(notebook, result)
        late = _moment(timestamp)
        self._again(lambda session: self._write(session, student, graded, late, timestamp))

    def _again(self, work):
        """What `work(session)` returns, in one transaction; once more where the connection fails.

        Whether a commit was done before its connection broke is not known, and needs not be.
        """
        end, pause = time.monotonic() + self._patience, 0.05
        while True:
            try:
                with Session(self._engine) as session, session.begin():
                    return work(session)
            except DBAPIError as error:
                if not _passes(error, self._engine) or time.monotonic() + pause > end:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 2)

    def _read_master(self, session):
        notebook = session.scalar(
            select(Notebook)
            .join(Assignment)
            .where(Assignment.name == self.name, Notebook.name == self.name)
            .options(joinedload(Notebook.assignment), selectinload(Notebook.source_cells))
        )
        if notebook is None:
            raise UsageError(f"The gradebook has no assignment {self.name!r}: generate it first.")
        return _Master(
            notebook.assignment_id,
            notebook.id,
            graded={cell.name: cell.id for cell in [*notebook.grade_cells, *notebook.task_cells]},
            answered={
                cell.name: cell.id for cell in [*notebook.solution_cells, *notebook.task_cells]
            },
            checksums={cell.name: cell.checksum for cell in notebook.source_cells},
        )

    def _autograded(self, notebook, result):
        """The notebook as nbgrader would have left it: checksums in, outputs that decide points."""
        graded = nbformat.from_dict(notebook)
        for cell in graded.cells:
            mark = cell.metadata.get("nbgrader", {})
            if mark.get("grade_id") in self._master.checksums:
                mark.checksum = self._master.checksums[mark.grade_id]
            if cell.cell_type != "code":
                continue
            show(cell, result.outputs.get(cell.get("id"), []))
            if utils.is_grade(cell) and not utils.is_solution(cell):
                judge(cell, result.verdicts.get(mark.grade_id), result.problem)
            self._limit.preprocess_cell(cell, {}, 0)
        graded.metadata.autograder = measured(result)
        return graded

    def _write(self, session, student, graded, late, timestamp):
        submission, notebook = self._find(session, student)
        submission.timestamp = late
        grades = {grade.cell_id: grade for grade in notebook.grades}
        comments = {comment.cell_id: comment for comment in notebook.comments}
        for cell in graded.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if utils.is_grade(cell):
                grade = grades[self._master.graded[name]]
                grade.auto_score, _ = utils.determine_grade(cell)
                grade.needs_manual_grade = (
                    grade.manual_score is not None or grade.auto_score is None
                )
            if utils.is_solution(cell) or utils.is_task(cell):
                comment = comments[self._master.answered[name]]
                comment.auto_comment = None if _answered(cell) else "No response."
        session.flush()
        notebook.late_submission_penalty = self._penalty(session, student, submission, notebook)
        session.flush()
        # Before the commit: whoever is in the gradebook has a notebook.
        self._write_files(student, graded, timestamp)

    def _find(self, session, student):
        """The student's rows with all grades and comments, made where they are missing."""
        if session.get(Student, student) is None:
            session.add(Student(id=student))
        submission = session.scalar(
            select(SubmittedAssignment)
            .where(
                SubmittedAssignment.assignment_id == self._master.assignment,
                SubmittedAssignment.student_id == student,
            )
            .options(joinedload(SubmittedAssignment.assignment))
        )
        if submission is None:
            submission = SubmittedAssignment(
                assignment_id=self._master.assignment, student_id=student
            )
            session.add(submission)
            session.flush()
        notebook = session.scalar(
            select(SubmittedNotebook)
            .where(
                SubmittedNotebook.notebook_id == self._master.notebook,
                SubmittedNotebook.assignment_id == submission.id,
            )
            .options(selectinload(SubmittedNotebook.grades))
            .options(selectinload(SubmittedNotebook.comments))
        )
        if notebook is None:
            notebook = SubmittedNotebook(
                notebook_id=self._master.notebook, assignment_id=submission.id
            )
            notebook.grades = [Grade(cell_id=id) for id in self._master.graded.values()]
            notebook.comments = [Comment(cell_id=id) for id in self._master.answered.values()]
            session.add(notebook)
        return submission, notebook

    def _penalty(self, session, student, submission, notebook):
        """What nbgrader's plugin takes off for a late submission; None if nothing."""
        seconds = submission.total_seconds_late
        if seconds <= 0:
            return None
        session.refresh(notebook, ["score"])
        penalty = self._late.plugin_inst.late_submission_penalty(student, notebook.score, seconds)
        return None if penalty is None else self._late._check_late_penalty(notebook, penalty)

    def _write_files(self, student, graded, timestamp):
        folder = self.root / "autograded" / student / self.name
        secret = self.root / "submitted" / student / self.name / SECRET
        for name, content in self._files.items():
            write_atomically(folder / name, content)
        write_or_remove(folder / STAMP, timestamp)
        write_or_remove(folder / SECRET, secret.read_bytes() if secret.is_file() else None)
        write_atomically(folder / f"{self.name}.ipynb", convert.to_bytes(graded))


@dataclass
class _Master:
    """What the gradebook knows of the assignment: ids of its rows by the name of a cell."""

    assignment: str
    notebook: str
    graded: dict = field(default_factory=dict)
    answered: dict = field(default_factory=dict)
    checksums: dict = field(default_factory=dict)


def engine(url):
    """A SQLAlchemy engine for a gradebook; UsageError where the URL names no database we know."""
    try:
        url = make_url(url)
        if url.get_backend_name() not in {"sqlite", "postgresql"}:
            raise ValueError("it is neither sqlite:///FILE nor postgresql://HOST/NAME")
        made = create_engine(url, pool_size=1, max_overflow=1, pool_pre_ping=True)
    except Exception as error:  # SQLAlchemy's own, or a driver that is not installed
        raise UsageError(f"--db: this is no database for a gradebook: {error}") from None
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", _wait_when_busy)
    return made


def check(url):
    """Connect once; UsageError in one line if that fails."""
    opened = engine(url)
    try:
        with opened.connect():
            pass
    except DBAPIError as error:
        raise UsageError(
            f"The gradebook {hidden(url)} cannot be opened: {_first_line(error.orig)}"
        ) from None
    finally:
        opened.dispose()


def hidden(url):
    """The URL of a database without its password."""
    return make_url(url).render_as_string(hide_password=True)


def show(cell, outputs):
    """Put outputs into a cell, with nothing active and nothing that is no output in them."""
    cell.outputs = [nbformat.from_dict(output) for output in inert.clean_outputs(outputs)]
    cell.execution_count = None


def judge(cell, verdict, problem=""):
    """Leave in a test cell what makes nbgrader give it the points of its verdict.

    nbgrader gives full points to a test without output, and none where something was written to
    stderr. Here a test has points only if a verdict says so: else it gets an error output.
    """
    cell.outputs = [
        output
        for output in cell.outputs
        if output.get("name") != "stderr" and output.output_type != "execute_result"
    ]
    failed = any(output.output_type == "error" for output in cell.outputs)
    if verdict is None:
        reason = problem or "it was not run"
        _fail(cell, NOT_RUN, f"No points for this test: {reason}")
    elif not verdict.passed and not failed:
        _fail(cell, verdict.error or NOT_RUN, verdict.message or "the test failed")
    elif verdict.passed and verdict.score is not None and not failed:
        points = float(cell.metadata.nbgrader.points)
        if math.isfinite(verdict.score) and 0 <= verdict.score <= points:
            text = {"text/plain": repr(float(verdict.score))}
            cell.outputs.append(new_output("execute_result", text))
        else:
            _fail(cell, NOT_RUN, f"The test gave {verdict.score} points, of {points:g}.")


def measured(result):
    """What the autograded notebook keeps of a result in its metadata, under `autograder`."""
    data = asdict(result)
    kept = ("problem", "timed_out", "seconds", "overhead", "peak_memory", "verdicts")
    return {name: data[name] for name in kept}


def write_or_remove(path, content):
    """Make a file's content so; None removes it."""
    if content is None:
        path.unlink(missing_ok=True)
    else:
        write_atomically(path, content)


def instructors_files(folder):
    """The files of an assignment beside its notebook, also in folders: relative path -> bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.suffix != ".ipynb" and not path.name.startswith(".")
    }


def _fail(cell, name, message):
    cell.outputs.append(
        new_output("error", ename=name, evalue=message, traceback=[f"{name}: {message}"])
    )


def _answered(cell):
    return utils.is_task(cell) or cell.metadata.nbgrader.get("checksum") != utils.compute_checksum(
        cell
    )


def _moment(timestamp):
    """The date in a timestamp.txt, in UTC without a zone as the gradebook has it."""
    if timestamp is None:
        return None
    try:
        return utils.parse_utc(timestamp.decode().strip())
    except Exception as error:  # dateutil and zones raise many kinds
        raise ValueError(f"{STAMP} holds no date: {_first_line(error)}") from None


def _passes(error, opened):
    """Whether a database error may pass when we wait, connect again and repeat the transaction."""
    if isinstance(error, IntegrityError):  # another run has just added the same student
        return True
    if opened.dialect.name == "sqlite":
        return "locked" in str(error.orig)
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def _wait_when_busy(connection, _):
    connection.execute(f"PRAGMA busy_timeout = {_BUSY * 1000}")


def _first_line(error):
    return str(error).strip().split("\n")[0]
