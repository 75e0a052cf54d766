"""Grade a folder of submissions: gradebook, feedback pages and grades.csv.

Below the output folder stands an nbgrader course (`course/`), which formgrader opens for manual
grading. `state.json` remembers what was graded from which content, so that a run that was stopped
goes on where it was, and an unchanged submission is not run again.
"""

import contextlib
import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

import nbformat

from autograder import course, execute, release, report, source, submissions
from autograder.errors import AssignmentError, UsageError
from autograder.project import source_path, write_atomically


@dataclass
class Result:
    """What a run did: the rows of the report, how many were run now, and what was left out."""

    rows: list
    tasks: list
    graded_now: int
    unchanged: int
    ignored: list
    seed: int
    output: Path


def grade(root, name, folder, output, *, seed=None, force=False, timeout=60, progress=None):
    """Grade all submissions in `folder` to the assignment; returns a Result.

    progress : called as progress(text, done, total): what is being done, or who was graded.
    Raises: UsageError for folders that do not fit, AssignmentError for a bad assignment.
    """
    assignment = source.read(source_path(root, name))
    folder, output = Path(folder).resolve(), Path(output).resolve()
    if not folder.is_dir():
        raise UsageError(f"There is no folder of submissions {folder}.")
    if output.is_relative_to(folder):
        raise UsageError("The output folder must not be inside the folder of submissions.")
    found, ignored = submissions.find(folder, name)
    if not found:
        raise UsageError(
            f"There are no submissions in {folder}. Expected STUDENT/{name}/{name}.ipynb, "
            f"STUDENT/{name}.ipynb or STUDENT.ipynb."
        )
    state = _State(output, name)
    progress = progress or (lambda text, done, total: None)
    progress("running the solution first", 0, None)
    state.begin(release.master(root, name), seed, force)
    release_folder = _course(state)
    master = nbformat.read(release_folder / f"{name}.ipynb", as_version=4)

    problems, notes, due = {}, {}, {}
    for submission in found:
        try:
            prepared = submissions.prepare(submission, master)
        except submissions.Refused as refused:
            problems[submission.student] = str(refused)
            continue
        notes[submission.student] = prepared.notes
        digest = _digest(prepared.notebook, prepared.timestamp or b"")
        if state.graded.get(submission.student) != digest:
            _submit(state.course / "submitted" / submission.student / name, name, prepared)
            due[submission.student] = digest

    runs = execute.autograde(state.course, name, list(due), seed=state.seed, timeout=timeout)
    progress("", 0, len(due))
    for done, (student, problem) in enumerate(runs, start=1):
        problem = problem or report.write_feedback(state.course, name, student)
        if problem:
            problems[student] = f"nbgrader: {problem}"
        else:
            state.remember(student, due[student])
        progress(student, done, len(due))

    rows = report.rows(state.course, assignment, [s.student for s in found], problems, notes)
    tasks = [(task.id, task.points) for task in assignment.tasks.values()]
    write_atomically(output / "grades.csv", report.to_csv(rows, tasks))
    unchanged = len(notes) - len(due)
    return Result(rows, tasks, len(due), unchanged, ignored, state.seed, output)


class _State:
    """What the output folder holds, kept in state.json after each submission."""

    def __init__(self, output, name):
        self.path, self.course, self.name = output / "state.json", output / "course", name
        self.data = {"assignment": name, "master": None, "seed": None, "graded": {}}
        if self.path.is_file():
            with contextlib.suppress(ValueError, TypeError):
                # Where it is damaged, all is graded again, into the same gradebook.
                self.data |= json.loads(self.path.read_text(encoding="utf-8"))
        elif output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise UsageError(f"{output} holds something else: choose a new or empty --output.")
        if self.data["assignment"] != name:
            other = self.data["assignment"]
            raise UsageError(f"{output} holds the grades of {other!r}: choose another --output.")

    @property
    def graded(self):
        return self.data["graded"]

    @property
    def seed(self):
        return self.data["seed"]

    def begin(self, files, seed, force):
        """Start a run; another assignment text or seed, or `force`, makes all grades due again."""
        self.files = files
        if seed is None:  # one seed for all, also for those who hand in later
            seed = self.data["seed"] if self.data["seed"] is not None else secrets.randbelow(2**32)
        master = _digest(*files.values())
        if force or (master, seed) != (self.data["master"], self.data["seed"]):
            self.data |= {"master": master, "seed": seed, "graded": {}}

    def remember(self, student, digest):
        self.graded[student] = digest
        self.save()

    def save(self):
        write_atomically(self.path, (json.dumps(self.data, indent=1) + "\n").encode())


def _course(state):
    """Make or renew the nbgrader course; returns the assignment's release folder."""
    state.save()
    try:
        folder = course.generate(state.course, state.name, state.files)
    except AssignmentError as error:
        if "submissions associated" in str(error):
            raise UsageError(
                f"The cells of {state.name!r} have changed since {state.path.parent} was graded, "
                "and its gradebook keeps the old ones: choose a new --output."
            ) from None
        raise
    write_atomically(
        state.course / course.CONFIG,
        b'"""Start `jupyter lab` in this folder and open Formgrader to grade by hand."""\n'
        b"c = get_config()  # noqa: F821\n"
        b'c.CourseDirectory.course_id = ""\n'
        + f"c.GenerateFeedback.preprocessors = {course.FEEDBACK}\n".encode(),
    )
    return folder


def _submit(folder, name, prepared):
    """Write what nbgrader will grade; other files of a student stay out."""
    write_atomically(folder / f"{name}.ipynb", prepared.notebook)
    if prepared.timestamp is not None:
        write_atomically(folder / "timestamp.txt", prepared.timestamp)


def _digest(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
