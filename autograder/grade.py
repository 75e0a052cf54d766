"""Grade a folder of submissions: gradebook, feedback pages, grades.csv and an item analysis.

Below the output folder stands an nbgrader course (`course/`), which formgrader opens for manual
grading. `state.json` remembers what was graded from which content, so that a run that was stopped
at any moment goes on where it was, and an unchanged submission is not run again. It is written
after the gradebook: what it knows is there.
"""

import contextlib
import fcntl
import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

import nbformat
from sqlalchemy.exc import DBAPIError

from autograder import (
    blueprint,
    course,
    execute,
    feedback,
    gradescope,
    items,
    kernel,
    pool,
    record,
    release,
    report,
    sandbox,
    source,
    submissions,
)
from autograder.errors import AssignmentError, UsageError
from autograder.project import source_path, write_atomically

EXECUTORS = ("sandbox", "nbgrader")
_STATE, _LOCK = "state.json", ".lock"


@dataclass
class Options:
    """How to run.

    seed : of the random tests; None for that of the last run, or a new one.
    force : whether to grade unchanged submissions again.
    timeout : seconds a cell may run; None for what the assignment says.
    workers, scheduler : as in pool.Pool.
    db : URL of the gradebook; None for the last run's, or a file of SQLite in the output folder.
    executor : one of EXECUTORS.
    unsafe : whether to run where the host offers no sandbox.
    """

    seed: int | None = None
    force: bool = False
    timeout: float | None = None
    workers: int | None = None
    scheduler: str | None = None
    db: str | None = None
    executor: str = "sandbox"
    unsafe: bool = False


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


def grade(root, name, folder, output, *, progress=None, **options):
    """Grade all submissions in `folder` to the assignment; returns a Result.

    progress : called as progress(text, done, total): what is being done, or who was graded.
    options : as in Options.
    Raises: UsageError for what does not fit, or is missing on this host, AssignmentError for a bad
    assignment.
    """
    options = Options(**options)
    assignment = source.read(source_path(root, name))
    folder, output = Path(folder).resolve(), Path(output).resolve()
    found, ignored = _find(folder, output, name)
    layer = _layer(options)
    if options.db:
        record.check(options.db)
    with _State(output, name) as state:
        progress = progress or (lambda text, done, total: None)
        progress("running the solution first", 0, None)
        state.begin(release.kept_master(root, name), options)
        run = _Run(assignment, state, found, progress)
        try:
            with contextlib.ExitStack() as stack:
                run.all(_executor(state, options, layer, stack))
        except DBAPIError as error:
            reason = str(error.orig).strip().split("\n")[0]
            raise UsageError(
                f"The gradebook {record.hidden(state.database)} does not answer: {reason}. What "
                "was graded is kept: run the command again to go on."
            ) from None
        rows = report.rows(
            state.course, assignment, {s.student for s in found}, run.problems, run.notes
        )
        run.tell_again(rows)
        tasks = [(task.id, task.points) for task in assignment.tasks.values()]
        write_atomically(output / "grades.csv", report.to_csv(rows, tasks))
        gradescope.write(output, assignment, rows)
        items.write(output, assignment, rows)
        return Result(rows, tasks, run.graded, len(run.unchanged), ignored, state.seed, output)


def _find(folder, output, name):
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
    return found, ignored


def _layer(options):
    """The layer of the sandbox; UsageError where this host has none."""
    if options.executor not in EXECUTORS:
        raise UsageError(f"--executor: expected {' or '.join(EXECUTORS)}, got {options.executor}.")
    if options.executor == "nbgrader":
        return None
    try:
        return sandbox.choose(unsafe=options.unsafe)
    except sandbox.SandboxError as error:
        raise UsageError(str(error)) from None


def _executor(state, options, layer, stack):
    """A function of students, read lazily, that yields (student, problem or None)."""
    if options.executor == "nbgrader":
        timeout = options.timeout or state.plan(None).limits.cell
        return lambda students: kernel.autograde(
            state.course, state.name, students, seed=state.seed, timeout=int(timeout)
        )
    recorder = stack.enter_context(record.Recorder(state.course, state.name))
    slots = stack.enter_context(
        pool.Pool(options.workers, layer=layer, scheduler=options.scheduler)
    )
    plan = state.plan(options.timeout)
    return lambda students: execute.autograde(slots, recorder, plan, students)


class _Run:
    """One pass over all submissions: each is read, and graded if it is due.

    problems, notes : student -> why there is no grade; what had to be mended.
    graded, unchanged : how many were run now, and the students whose grade stands.
    """

    def __init__(self, assignment, state, found, progress):
        self.assignment, self.state, self.found, self._progress = assignment, state, found, progress
        self.problems, self.notes = {}, {}
        self.graded, self.unchanged = 0, set()
        self._digests = {}  # of those that are being run

    def all(self, executor):
        self._tell("")
        for student, problem in executor(self._due()):
            digest = self._digests.pop(student)
            problem = problem or self._feedback(student)
            if problem:
                self.problems[student] = problem
            else:
                self.state.remember(student, digest)
            self.graded += 1
            self._tell(student)

    def tell_again(self, rows):
        """Write the pages of those who were not run now: a person may have graded them since."""
        if any(task.manual for task in self.assignment.tasks.values()):
            for row in rows:
                if row.student in self.unchanged:
                    row.message = self._feedback(row.student, row) or row.message

    def _feedback(self, student, row=None):
        """Write the student's page; returns why there is none, or None."""
        root, notes = self.state.course, self.notes[student]
        try:
            feedback.write(root, self.assignment, student, row=row, notes=notes)
        except DBAPIError:
            raise
        except Exception as error:  # a page is made of what a student's code may have shown
            return f"no page of feedback could be written: {type(error).__name__}: {error}"

    def _due(self):
        """Yield the students whose submission has to be run, when it lies in submitted/."""
        state = self.state
        path = state.course / "release" / state.name / f"{state.name}.ipynb"
        master = nbformat.read(path, as_version=4)
        for submission in self.found:
            student = submission.student
            try:
                prepared = submissions.prepare(submission, master)
            except submissions.Refused as refused:
                self.problems[student] = str(refused)
                self._tell(student)
                continue
            self.notes[student] = prepared.notes
            secret = _secret(submission)
            digest = _digest(prepared.notebook, prepared.timestamp or b"", secret or b"")
            if state.graded.get(student) == digest:
                self.unchanged.add(student)
                self._tell(student)
                continue
            handed_in = state.course / "submitted" / student / state.name
            _submit(handed_in, state.name, prepared, secret)
            self._digests[student] = digest
            yield student

    def _tell(self, text):
        left_out = sum(student not in self.notes for student in self.problems)
        self._progress(text, self.graded + len(self.unchanged) + left_out, len(self.found))


class _State:
    """What the output folder holds; a context manager that keeps other runs out of it.

    state.json is written after each submission.
    """

    def __init__(self, output, name):
        self.path, self.course, self.name = output / _STATE, output / "course", name
        self.data = {
            "assignment": name, "master": None, "seed": None, "database": None,
            "executor": None, "generated": None, "graded": {},
        }  # fmt: skip
        is_ours = self.path.exists() or not output.exists()
        if not is_ours and (not output.is_dir() or {p.name for p in output.iterdir()} - {_LOCK}):
            raise UsageError(f"{output} holds something else: choose a new or empty --output.")

    def __enter__(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = open(self.path.with_name(_LOCK), "w")
        try:
            # Unlike with flock, no process that we start holds on to the lock when we are killed.
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise UsageError(
                f"Another `autograder grade` is at work in {self.path.parent}: wait for it, or "
                "choose another --output."
            ) from None
        try:
            self._read()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, *error):
        self._lock.close()

    def _read(self):
        if self.path.is_file():
            with contextlib.suppress(ValueError, TypeError):
                # Where it is damaged, all is graded again, into the same gradebook.
                self.data |= json.loads(self.path.read_text(encoding="utf-8"))
        if self.data["assignment"] != self.name:
            other = self.data["assignment"]
            raise UsageError(
                f"{self.path.parent} holds the grades of {other!r}: choose another --output."
            )

    @property
    def graded(self):
        return self.data["graded"]

    @property
    def seed(self):
        return self.data["seed"]

    def begin(self, files, options):
        """Make the course ready; what decides the grades, or `force`, makes all due again if new.

        files : the instructor's files of the assignment, name -> bytes.
        """
        self.files = files
        known = course.database(self.course) if self.data["database"] else None
        self.database = options.db or known or course.sqlite(self.course)
        self.course.mkdir(exist_ok=True)
        record.check(self.database)
        seed = self.data["seed"] if options.seed is None else options.seed
        if seed is None:  # one seed for all, also for those who hand in later
            seed = secrets.randbelow(2**32)
        decides = {
            "master": _digest(*files.values()),
            "seed": seed,
            "database": record.hidden(self.database),
            "executor": options.executor,
        }
        if options.force or any(self.data[key] != value for key, value in decides.items()):
            self.data |= decides | {"graded": {}}
        self.save()
        course.write_configuration(self.course, database=self.database, seed=seed)
        self._generate()

    def _generate(self):
        """Let nbgrader generate the assignment, if that is not yet done."""
        done = [self.data["master"], self.data["database"]]
        if self.data["generated"] == done and (self.course / "release" / self.name).is_dir():
            return
        try:
            course.generate(self.course, self.name, self.files)
        except AssignmentError as error:
            if "submissions associated" in str(error):
                raise UsageError(
                    f"The cells of {self.name!r} have changed since {self.path.parent} was "
                    "graded, and its gradebook keeps the old ones: choose a new --output."
                ) from None
            raise
        self.data["generated"] = done
        self.save()

    def plan(self, timeout):
        """What all jobs share."""
        files = {name: data for name, data in self.files.items() if not name.endswith(".ipynb")}
        master = self.files[f"{self.name}.ipynb"]
        return blueprint.blueprint(master, files, seed=self.seed, timeout=timeout)

    def remember(self, student, digest):
        self.graded[student] = digest
        self.save()

    def save(self):
        write_atomically(self.path, (json.dumps(self.data, indent=1) + "\n").encode())


def _submit(folder, name, prepared, secret):
    """Write what will be graded, as nbgrader would collect it; other files stay out."""
    write_atomically(folder / f"{name}.ipynb", prepared.notebook)
    record.write_or_remove(folder / record.STAMP, prepared.timestamp)
    record.write_or_remove(folder / record.SECRET, secret)


def _secret(submission):
    """What nbgrader's exchange put beside the notebook, so that the feedback finds its way back."""
    path = submission.path.with_name(record.SECRET)
    with contextlib.suppress(submissions.Refused):
        return submissions.read_bytes(submission, path, 1000)[0]


def _digest(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
