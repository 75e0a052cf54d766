"""Find submissions, read them without trust, and put the instructor's cells back.

Nothing of a submission is run here. What cannot be graded raises Refused with the reason.
"""

import copy
import json
import re
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path

import nbformat
from dateutil import parser as dates
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder import convert

MAX_BYTES = 20_000_000
_STUDENT = re.compile(r"\w([\w.@ -]*\w)?")  # nbgrader makes paths and patterns of it


class Refused(Exception):
    """This submission cannot be graded, and why."""


@dataclass
class Submission:
    """Where a student's notebook is; `problem` says why there is none."""

    student: str
    path: Path | None = None
    problem: str = ""


@dataclass
class Prepared:
    """A submission as it will be graded: a whole notebook, and what had to be mended."""

    notebook: bytes
    notes: list[str]
    timestamp: bytes | None = None


def find(folder, assignment):
    """All submissions in a folder, by student, and the names of entries that are none.

    Three layouts, also mixed: student/assignment/assignment.ipynb as nbgrader collects,
    student/assignment.ipynb, and student.ipynb.
    """
    found, ignored = {}, []
    for entry in sorted(Path(folder).iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.suffix == ".ipynb":
            submission = Submission(entry.stem, entry)
        elif entry.is_dir():
            submission = _in_folder(entry, assignment)
        else:
            ignored.append(entry.name)
            continue
        student = submission.student
        if not _STUDENT.fullmatch(student):
            submission.problem = (
                "the name of a student may have letters, digits, spaces and . _ @ - inside"
            )
        elif student in found:
            submission = Submission(student, None, "there are two submissions of this name")
        found[student] = submission
    return list(found.values()), ignored


def prepare(submission, master):
    """Read a submission and rebuild it around the release notebook `master`, or raise Refused."""
    if submission.problem:
        raise Refused(submission.problem)
    notebook, notes = _restore(_read(submission.path), master)
    try:
        content = convert.to_bytes(notebook)
    except UnicodeEncodeError:
        raise Refused("the notebook holds characters that are no valid text") from None
    return Prepared(content, notes, _timestamp(submission.path))


def _in_folder(folder, assignment):
    exact = [folder / assignment / f"{assignment}.ipynb", folder / f"{assignment}.ipynb"]
    for path in exact:
        if path.exists() or path.is_symlink():
            return Submission(folder.name, path)
    others = sorted({*folder.glob(f"{assignment}/*.ipynb"), *folder.glob("*.ipynb")})
    if len(others) == 1:  # renamed, as browsers do on a second download
        return Submission(folder.name, others[0])
    names = ", ".join(path.name for path in others[:3])
    problem = (
        f"several notebooks ({names}), none is {assignment}.ipynb" if others else "no notebook"
    )
    return Submission(folder.name, None, problem)


def _read(path):
    """The notebook in a file, in the current format; Refused unless it is one."""
    text = _bytes(path, MAX_BYTES).decode("utf-8", errors="replace")
    if not text.strip():
        raise Refused("the file is empty")
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"not a notebook: the file is not JSON ({_first_line(error)})") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # older notebooks have no cell ids, and need none here
            notebook = nbformat.reads(text, as_version=4)
            nbformat.validate(notebook)
    except Exception as error:  # whatever nbformat trips over, the file is not a notebook
        raise Refused(f"not a notebook: {_first_line(error)}") from None
    return notebook


def _bytes(path, limit):
    """The content of an ordinary file of at most `limit` bytes."""
    try:
        info = path.lstat()
        if not stat.S_ISREG(info.st_mode):
            raise Refused("the notebook is not an ordinary file but a link, folder or device")
        if info.st_size > limit:
            raise Refused(
                f"the file has {info.st_size / 1e6:.0f} MB, at most {limit / 1e6:.0f} MB are read: "
                "clear the outputs and hand in again"
            )
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"the file cannot be read: {error.strerror}") from None


def _restore(submitted, master):
    """The master notebook with the student's answers in it, and the student's own cells between.

    Every instructor's cell is there once, in order and unchanged. A student's own cell, or a copy
    of another, follows the cell after which it stood.
    """
    known = {cell.id for cell in master.cells}
    answers, own, last = {}, {}, None
    for cell in submitted.cells:
        id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if isinstance(id, str) and id in known and id not in answers:
            answers[id], last = cell.source, id
        else:
            own.setdefault(last, []).append(cell)
    asked = [cell.id for cell in master.cells if cell.metadata.nbgrader.solution]
    if not any(id in answers for id in asked):
        raise Refused("another notebook: it has none of this assignment's answer cells")
    cells = _plain(own.get(None, []), "start")
    for cell in copy.deepcopy(master.cells):
        if cell.metadata.nbgrader.solution and cell.id in answers:
            cell.source = answers[cell.id]
        cells += [cell, *_plain(own.get(cell.id, []), cell.id)]
    graded = [cell.id for cell in master.cells if cell.metadata.nbgrader.grade]
    missing = [id for id in [*asked, *graded] if id not in answers]
    missing = list(dict.fromkeys(missing))
    notes = [f"missing cells put back: {', '.join(missing)}"] if missing else []
    notebook = copy.deepcopy(master)
    notebook.cells = cells
    return notebook, notes


def _plain(cells, after):
    """A student's own cells without metadata, tags and outputs."""
    make = {"code": new_code_cell, "markdown": new_markdown_cell}
    return [
        make[cell.cell_type](cell.source, id=f"own-{after}-{number}"[-64:])
        for number, cell in enumerate(cells, start=1)
        if cell.cell_type in make
    ]


def _timestamp(path):
    """nbgrader's timestamp.txt from beside the notebook, if it holds a date."""
    file = path.parent / "timestamp.txt"
    if not file.exists():
        return None
    try:
        content = _bytes(file, 200)
        dates.parse(content.decode())
        return content
    except (Refused, ValueError, OverflowError):
        return None


def _first_line(error):
    return str(error).strip().split("\n")[0][:150]
