"""What a grading run says: one row a student for grades.csv, and nbgrader's feedback pages."""

import csv
import io
import re
from dataclasses import dataclass, field

import nbformat
from nbgrader.api import MissingEntry

from autograder import checks, convert, course, execute

GRADED, MANUAL, FAILED = "graded", "needs manual grade", "not graded"
_MISTAKE = re.compile(rf"^{checks.KNOWN_MISTAKE}(\w+)\.", re.MULTILINE)


@dataclass
class Row:
    """One student: points by task (None where nothing was graded), and what there is to say."""

    student: str
    points: dict = field(default_factory=dict)
    total: float | None = None
    max: float = 0
    status: str = FAILED
    misconceptions: dict = field(default_factory=dict)
    message: str = ""


def rows(root, assignment, students, problems, notes):
    """Rows for the students of this run and all others in the gradebook, by name."""
    with course.gradebook(root) as gradebook:
        known = {s.student.id for s in gradebook.assignment_submissions(assignment.name)}
        return [
            _row(root, gradebook, assignment, student, problems.get(student),
                 notes.get(student, []), student in students)
            for student in sorted(known | set(students))
        ]  # fmt: skip


def write_feedback(root, name, student):
    """Let nbgrader write the student's page, without hidden tests; returns a problem or None."""
    config = course.configuration(root)
    config.GenerateFeedback.preprocessors = course.FEEDBACK
    with course.nbgrader(config) as api:
        result = api.generate_feedback(name, student, force=True)
    return None if result["success"] else course.reason(result)


def to_csv(rows, tasks):
    """The table as the bytes of a CSV file; what was not graded is empty, not 0."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [name for name, _ in tasks]
    writer.writerow(["student", *names, "total", "max", "status", "misconceptions", "message"])
    for row in rows:
        points = [_number(row.points.get(name)) for name in names]
        totals = [_number(row.total), _number(row.max)]
        mistakes = "; ".join(
            f"{task}: {', '.join(found)}" for task, found in row.misconceptions.items()
        )
        writer.writerow([row.student, *points, *totals, row.status, mistakes, row.message])
    return text.getvalue().encode()


def _number(value):
    return "" if value is None else convert.number(value)


def _row(root, gradebook, assignment, student, problem, notes, is_here):
    row = Row(student, max=sum(task.points for task in assignment.tasks.values()))
    messages = [problem] if problem else list(notes)
    try:
        submission = gradebook.find_submission(assignment.name, student)
        notebook = root / "autograded" / student / assignment.name / f"{assignment.name}.ipynb"
        cells = nbformat.read(notebook, as_version=4).cells
    except (MissingEntry, FileNotFoundError):
        row.message = "; ".join(messages)
        return row
    for grade in submission.notebooks[0].grades:
        task = assignment.owner(grade.cell.name.split("-", 1)[1])
        row.points[task] = row.points.get(task, 0) + grade.score
    row.total = sum(row.points.values())
    row.status = MANUAL if submission.needs_manual_grade else GRADED
    for cell in cells:
        id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        for output in cell.get("outputs", []) if id.startswith("test-") else []:
            if output.output_type != "error":
                continue
            if output.ename == "CheckFailed" and (found := _MISTAKE.findall(output.evalue)):
                task = assignment.owner(id.removeprefix("test-"))
                row.misconceptions.setdefault(task, []).extend(found)
            elif output.ename in {execute.NOT_RUN, execute.NOT_ALLOWED}:
                messages.append(output.evalue.split("\n")[0])
            elif output.ename == "CellTimeoutError":
                messages.append(f"{id} ran out of time")
    if problem:
        row.status = FAILED
        messages.append("the points are those of an earlier submission")
    elif not is_here:
        messages.append("no longer in the folder of submissions")
    row.message = "; ".join(dict.fromkeys(messages))
    return row
