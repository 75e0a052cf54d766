"""Find submissions, read them without trust, and put the instructor's cells back.

Nothing of a submission is run here. What cannot be graded raises Refused with the reason.
"""

import contextlib
import itertools
import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from dateutil import parser as dates

from autograder import cells, convert
from autograder.cells import Refused
from autograder.restore import restore

MAX_BYTES = 20_000_000
_MOST_ENTRIES = 1000  # of a student's folder, that are looked at
_STUDENT = re.compile(r"\w([\w.@ -]{,98}\w)?")  # nbgrader makes paths and patterns of it
_BAD_NAME = "the name of a student may have letters, digits, spaces and . _ @ - inside"
_IS_LINK = "the notebook is not an ordinary file but a link, folder or device"
_SHARED = "the file is also another student's (a hard link): hand in a copy of your own notebook"


@dataclass
class Submission:
    """Where a student's notebook is; `problem` says why there is none.

    folder : the folder of all submissions; below it no link is followed.
    """

    student: str
    path: Path | None = None
    problem: str = ""
    folder: Path | None = None


@dataclass
class Prepared:
    """A submission as it will be graded: a whole notebook, and what had to be mended."""

    notebook: bytes
    notes: list[str]
    timestamp: bytes | None = None


def find(folder, assignment):
    """All submissions in a folder, by student, and the names of entries that are none.

    Three layouts, also mixed: student/assignment/assignment.ipynb as nbgrader collects,
    student/assignment.ipynb, and student.ipynb. Links are not followed.
    """
    folder = Path(folder)
    found, ignored = {}, []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.suffix == ".ipynb":
            submission = Submission(entry.stem, entry)
        elif entry.is_symlink():
            submission = Submission(entry.name, None, "the folder is a link")
        elif entry.is_dir():
            submission = _in_folder(entry, assignment)
        else:
            ignored.append(printable(entry.name))
            continue
        submission.folder = folder
        student = submission.student = unicodedata.normalize("NFC", submission.student)
        if not _STUDENT.fullmatch(student):
            student = printable(student)
            submission = Submission(student, None, _BAD_NAME)
        elif student in found:
            submission = Submission(student, None, "there are two submissions of this name")
        found[student] = submission
    _refuse_shared(found.values())
    return list(found.values()), ignored


def prepare(submission, master):
    """Read a submission and rebuild it around the release notebook `master`, or raise Refused."""
    if submission.problem:
        raise Refused(submission.problem)
    content, links = read_bytes(submission, submission.path, MAX_BYTES)
    found, notes = cells.read(content, len(master.cells) + cells.MOST_CELLS)
    notebook, more = restore(found, master)
    notes += more
    if links > 1:
        notes.append("the file has a second name elsewhere (a hard link)")
    return Prepared(convert.to_bytes(notebook), notes, _timestamp(submission))


def printable(name):
    """A file's name as it may stand in a report: no control characters, not too long."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return shown if len(shown) <= 100 else f"{shown[:99]}…"


def _in_folder(folder, assignment):
    exact = [folder / assignment / f"{assignment}.ipynb", folder / f"{assignment}.ipynb"]
    for path in exact:
        if os.path.lexists(path):
            return Submission(folder.name, path)
    try:
        others = [*_notebooks(folder / assignment), *_notebooks(folder)]
    except OSError as error:
        return Submission(folder.name, None, f"the folder cannot be read: {error.strerror}")
    if len(others) == 1:  # renamed, as browsers do on a second download
        return Submission(folder.name, others[0])
    names = ", ".join(printable(path.name) for path in others[:3])
    problem = (
        f"several notebooks ({names}), none is {assignment}.ipynb" if others else "no notebook"
    )
    return Submission(folder.name, None, problem)


def _notebooks(folder):
    """The notebooks in a folder, by name; none if there is no such folder, or it is a link."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [entry.name for entry in itertools.islice(entries, _MOST_ENTRIES)]
    return [folder / n for n in sorted(names) if n.endswith(".ipynb") and not n.startswith(".")]


def _refuse_shared(found):
    """Leave a file that is the submission of several students to the one who had it first.

    To make a link changes the folder it is made in, and that time cannot be set back: the file is
    that of the folder which changed before the others. Where none did, all are refused.
    """
    files = {}
    for submission in found:
        if submission.path and (info := _looked_at(submission)):
            changed = submission.path.parent.stat().st_ctime_ns
            files.setdefault((info.st_dev, info.st_ino), []).append((changed, submission))
    for shared in files.values():
        times = [changed for changed, _ in shared]
        for changed, submission in shared:
            was_first = changed == min(times) and times.count(changed) == 1
            if not was_first:
                submission.problem = _SHARED


def _looked_at(submission):
    """What the system says about a file, reached without links; None if there is none."""
    with contextlib.suppress(OSError):
        descriptor = _open(submission.path, submission.folder)
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)
    return None


def read_bytes(submission, path, limit):
    """The content of an ordinary file of at most `limit` bytes, and the number of its names."""
    try:
        descriptor = _open(path, submission.folder or path.parent)
    except OSError as error:
        if path.is_symlink() or path.parent.is_symlink():
            raise Refused(_IS_LINK) from None
        raise Refused(f"the file cannot be read: {error.strerror}") from None
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise Refused(_IS_LINK)
        if info.st_size > limit:
            raise Refused(
                f"the file has {info.st_size / 1e6:.0f} MB, at most {limit / 1e6:.0f} MB are read: "
                "clear the outputs and hand in again"
            )
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(info.st_size), info.st_nlink
    except OSError as error:
        raise Refused(f"the file cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)


def _open(path, folder):
    """A descriptor of the file, reached from `folder` without following a link.

    A pipe is opened without waiting for its other end; what was opened is looked at afterwards.
    """
    *parents, name = path.relative_to(folder).parts
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for parent in parents:
            above, at = at, os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(above)
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
    finally:
        os.close(at)


def _timestamp(submission):
    """nbgrader's timestamp.txt from beside the notebook, if it holds a date."""
    try:
        content, _ = read_bytes(submission, submission.path.with_name("timestamp.txt"), 200)
        dates.parse(content.decode())
        return content
    except (Refused, ValueError, OverflowError):
        return None
