"""Gradescope's results.json for a student: what its autograder would have reported.

Format: https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

import json
from pathlib import Path

from autograder import report
from autograder.project import write_atomically

FOLDER = "gradescope"


def results(assignment, row):
    """The results of one student as Gradescope reads them, from a report.Row.

    A test that tries hidden inputs, and what a person grades, is shown to students when grades are
    published; other tests at once. An answer that waits for a person has no score yet.
    """
    done = {
        "score": _number(row.total or 0),
        "output": _overview(row),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [_test(assignment, row, part) for part in row.parts],
    }
    return done if row.seconds is None else done | {"execution_time": round(row.seconds, 3)}


def write(output, assignment, rows):
    """Write gradescope/<student>.json below `output` for each row; returns the folder."""
    folder = Path(output) / FOLDER
    for row in rows:
        text = json.dumps(results(assignment, row), indent=1, ensure_ascii=False)
        write_atomically(folder / f"{row.student}.json", f"{text}\n".encode())
    return folder


def _overview(row):
    if row.status == report.FAILED and not row.parts:
        return f"This submission could not be graded: {row.message or 'no reason is known'}"
    waiting = sum(part.max for part in row.parts if part.score is None)
    lines = [f"{row.total:g} of {row.max - waiting:g} points."]
    if waiting:
        lines.append(f"{waiting:g} more wait for a person.")
    return "\n".join([*lines, *([row.message] if row.message else [])])


def _test(assignment, row, part):
    number = list(assignment.tasks).index(part.task) + 1
    siblings = [other.id for other in row.of(part.task)]
    place = f".{siblings.index(part.id) + 1}" if len(siblings) > 1 else ""
    test = {
        "name": assignment.tasks[part.task].title.replace("`", ""),
        "number": f"{number}{place}",
        "max_score": _number(part.max),
        "visibility": "after_published" if part.hidden or part.manual else "visible",
        "output": _output(row, part),
    }
    if part.score is not None:
        test["score"] = _number(part.score)
        test["status"] = "passed" if part.score >= part.max else "failed"
    return test


def _output(row, part):
    """What the student reads about one test or answer."""
    lines = [] if part.score is not None else ["This answer waits for a person."]
    if part.error:
        lines.append(part.message or part.error)
    elif not part.manual:
        lines.append("Passed." if part.score == part.max else "Passed in part.")
    if part.manual:
        lines += [f"Comment: {comment}" for comment in row.comments.get(part.task, [])]
    return "\n".join(lines)


def _number(value):
    return int(value) if float(value).is_integer() else round(value, 6)
