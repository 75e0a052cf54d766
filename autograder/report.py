"""What a grading run says of each student: one Row, from the gradebook and the graded notebook.

The pages of feedback, Gradescope's files, the item analysis and grades.csv are all made of rows.
"""

import csv
import functools
import io
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import nbformat

from autograder import checks, convert, course, inert
from autograder.regions import HIDDEN, regions

GRADED, MANUAL, FAILED = "graded", "needs manual grade", "not graded"
_MESSAGE = 4_000  # characters of a test's message that are kept
ABOUT_ALL = {"NotRun", checks.ImportNotAllowed.__name__}  # errors that no single test causes
_TIMED_OUT = {"TimedOut", "CellTimeoutError"}
_MISTAKE = re.compile(rf"^{checks.KNOWN_MISTAKE}(\w+)\.[ ]*(.*)$", re.MULTILINE)
_NUMBERED = re.compile(r"^(?:-+> ?)?\s*\d+[ :]?(.*)$")  # a line of source in a traceback
_FAILED_AT = re.compile(r"^-+> ?\d+ (.*)$", re.MULTILINE)
_LONG = 12  # characters of a hidden line that are looked for inside other lines


@dataclass
class Part:
    """One graded cell of a submission: a test, or an answer that a person grades.

    score : None while it waits for a person.
    error, message : why a test failed; what the student may read of it, no hidden line.
    mistakes : the known mistakes in it, (name, hint).
    hidden : whether the test has a part that students do not see.
    seconds : wall time of the test; None where nobody measured it.
    """

    id: str
    task: str
    score: float | None
    max: float
    manual: bool = False
    error: str = ""
    message: str = ""
    mistakes: list[tuple[str, str]] = field(default_factory=list)
    hidden: bool = False
    seconds: float | None = None

    @property
    def told(self):
        """The message without the task's id before it, for where the task is named."""
        return self.message.removeprefix(f"{self.id}: ").removeprefix(f"{self.task}: ")

    @property
    def unsolved(self):
        """Whether the task's own `raise NotImplementedError` is still there."""
        return self.error == "NotImplementedError" or self.told.startswith("not solved yet")


@dataclass
class Row:
    """One student: points by task (nothing where nothing was graded), and what there is to say.

    points : as the gradebook has them, 0 for what waits for a person.
    total : their sum without `late`, the points taken off for a late submission.
    seconds : wall time in the student's code; None where nobody measured it.
    """

    student: str
    points: dict = field(default_factory=dict)
    total: float | None = None
    max: float = 0
    status: str = FAILED
    misconceptions: dict = field(default_factory=dict)
    message: str = ""
    parts: list[Part] = field(default_factory=list)
    comments: dict[str, list[str]] = field(default_factory=dict)
    late: float = 0
    timestamp: datetime | None = None
    seconds: float | None = None

    def of(self, task):
        """The graded parts of one task."""
        return [part for part in self.parts if part.task == task]


@dataclass
class Entry:
    """What the gradebook holds of one submission; grades and comments by the name of the cell.

    grades : (score, points, whether it waits for a person).
    """

    grades: dict[str, tuple[float, float, bool]] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    late: float = 0
    timestamp: datetime | None = None


def rows(root, assignment, students, problems, notes):
    """Rows for the students of this run and all others in the gradebook, by name.

    problems : student -> why there is no grade of this submission.
    notes : student -> sentences on what was mended before it was graded.
    """
    found = entries(root, assignment.name)
    return [
        row(
            assignment,
            student,
            found.get(student),
            read_notebook(root, assignment.name, student) if student in found else None,
            problem=problems.get(student),
            notes=notes.get(student, []),
            is_here=student in students,
        )
        for student in sorted(found.keys() | set(students))
    ]


def row(assignment, student, entry, notebook, *, problem=None, notes=(), is_here=True):
    """The Row of one student, from an Entry and the autograded notebook (None if there is none)."""
    made = Row(student, max=sum(task.points for task in assignment.tasks.values()))
    messages = [problem] if problem else list(notes)
    if entry is None or notebook is None:
        made.message = "; ".join(messages)
        return made
    made.parts = _parts(assignment, entry, notebook)
    for name, (score, _, _) in entry.grades.items():
        if task := _task(assignment, name):
            made.points[task] = made.points.get(task, 0) + score
    for name, comment in entry.comments.items():
        if task := _task(assignment, name):
            made.comments.setdefault(task, []).append(comment)
    made.late, made.timestamp = entry.late, entry.timestamp
    made.total = max(0, sum(made.points.values()) - made.late)
    made.status = MANUAL if any(waits for _, _, waits in entry.grades.values()) else GRADED
    made.seconds = _number_or_none(_measured(notebook).get("seconds"))
    for part in made.parts:
        if part.mistakes:
            names = [name for name, _ in part.mistakes]
            made.misconceptions.setdefault(part.task, []).extend(names)
        if part.error in ABOUT_ALL:
            messages.append(part.told.split("\n")[0])
        elif part.error in _TIMED_OUT:
            messages.append(f"test-{part.id} ran out of time")
    if told := _measured(notebook).get("problem"):  # it was run twice, or stopped
        messages.append(inert.text(told))
    if made.late:
        messages.append(f"late: {convert.number(made.late)} points taken off")
    if problem:
        made.status = FAILED
        messages.append("the points are those of an earlier submission")
    elif not is_here:
        messages.append("no longer in the folder of submissions")
    made.message = "; ".join(dict.fromkeys(messages))
    return made


def entries(root, name, students=None):
    """The gradebook's Entry of each submission to an assignment, by student, in two queries.

    students : only these; None for all.
    """
    from nbgrader.api import (
        Assignment,
        BaseCell,
        Comment,
        Grade,
        GradeCell,
        SubmittedAssignment,
        SubmittedNotebook,
    )
    from sqlalchemy import select

    def of_submissions(*columns):
        query = (
            select(SubmittedAssignment.student_id, *columns)
            .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
            .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .where(Assignment.name == name)
        )
        if students is None:
            return query
        return query.where(SubmittedAssignment.student_id.in_(students))

    late, timestamp = SubmittedNotebook.late_submission_penalty, SubmittedAssignment.timestamp
    grades = (
        of_submissions(
            late,
            timestamp,
            BaseCell.name,
            Grade.score,
            GradeCell.__table__.c.max_score,
            Grade.needs_manual_grade,
        )
        .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
        .join(BaseCell.__table__, BaseCell.__table__.c.id == Grade.cell_id)
        .join(GradeCell.__table__, GradeCell.__table__.c.id == Grade.cell_id)
    )
    comments = (
        of_submissions(BaseCell.name, Comment.comment)
        .join(Comment, Comment.notebook_id == SubmittedNotebook.id)
        .join(BaseCell.__table__, BaseCell.__table__.c.id == Comment.cell_id)
        .where(Comment.comment.is_not(None))
    )
    found = {}
    with _engine(course.database(root)).connect() as connection:
        for student, late, timestamp, cell, score, points, waits in connection.execute(grades):
            entry = found.setdefault(student, Entry(late=late or 0, timestamp=timestamp))
            entry.grades[cell] = score, points, waits
        for student, cell, comment in connection.execute(comments):
            if student in found:
                found[student].comments[cell] = comment
    return found


@functools.lru_cache(maxsize=4)
def _engine(url):
    """SQLAlchemy's engine, which remembers how queries are written; it keeps no connection."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    return create_engine(url, poolclass=NullPool)


def read_notebook(root, name, student):
    """The autograded notebook of a student, or None if there is none."""
    path = Path(root) / "autograded" / student / name / f"{name}.ipynb"
    try:
        return nbformat.v4.reads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def grade_id(cell):
    """nbgrader's name of a cell, or "" for a student's own."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def visible(cell):
    """The source of a cell without hidden tests; what is begun and not ended is hidden, too."""
    return regions(cell.source, HIDDEN)[0]


def without_hidden(text, cell):
    """`text`, as a traceback, without the lines that quote hidden tests of the cell."""
    hidden = regions(cell.source, HIDDEN)[1]
    lines = {line.strip() for line in hidden.split("\n")} - {""}
    if not lines:
        return text
    long = [line for line in lines if len(line) >= _LONG]

    def is_hidden(shown):
        numbered = _NUMBERED.match(shown)
        bare = (numbered[1] if numbered else shown).strip()
        marker = f"BEGIN {HIDDEN}" in shown or f"END {HIDDEN}" in shown
        return bare in lines or marker or any(line in shown for line in long)

    return "\n".join(line for line in text.split("\n") if not is_hidden(inert.text(line)))


def to_csv(rows, tasks):
    """The table as the bytes of a CSV file; what was not graded is empty, not 0.

    tasks : pairs (id, points), in the order of the columns.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    names = [name for name, _ in tasks]
    writer.writerow(["student", *names, "total", "max", "status", "misconceptions", "message"])
    for row in rows:
        points = [_shown(row.points.get(name)) for name in names]
        totals = [_shown(row.total), _shown(row.max)]
        mistakes = "; ".join(
            f"{task}: {', '.join(found)}" for task, found in row.misconceptions.items()
        )
        writer.writerow([row.student, *points, *totals, row.status, mistakes, row.message])
    return table.getvalue().encode()


def _shown(value):
    return "" if value is None else convert.number(value)


def _task(assignment, name):
    """The task that a graded cell belongs to: `test-relu-2` to relu."""
    return assignment.owner(name.split("-", 1)[-1])


def _parts(assignment, entry, notebook):
    """The graded cells in the notebook's order."""
    verdicts = _measured(notebook).get("verdicts", {})
    parts = []
    for cell in notebook.cells:
        name = grade_id(cell)
        if name not in entry.grades or not (task := _task(assignment, name)):
            continue
        score, points, waits = entry.grades[name]
        part = Part(name.split("-", 1)[-1], task, None if waits else score, points)
        part.manual = cell.metadata.nbgrader.get("solution", False)
        part.seconds = _number_or_none(verdicts.get(name, {}).get("seconds"))
        if not part.manual:
            part.hidden = f"BEGIN {HIDDEN}" in cell.source
            for output in cell.get("outputs", []):
                if output.output_type == "error":
                    _explain(part, cell, output)
                    break
        parts.append(part)
    return parts


def _explain(part, cell, output):
    """Take over what an error output says."""
    part.error = inert.text(output.ename)
    message = without_hidden(inert.text(output.evalue), cell).strip()
    if not message:  # a plain assert: the line itself says what was asked for
        found = _FAILED_AT.search(without_hidden(inert.text("\n".join(output.traceback)), cell))
        message = found[1].strip() if found else "a hidden test failed" if part.hidden else ""
    if part.error == checks.CheckFailed.__name__:
        part.mistakes = [(found[1], found[2].strip()) for found in _MISTAKE.finditer(message)]
    part.message = inert.cut(message, _MESSAGE)


def _measured(notebook):
    """What the run measured, as the recorder stored it."""
    return notebook.metadata.get("autograder", {})


def _number_or_none(value):
    return float(value) if isinstance(value, int | float) else None
