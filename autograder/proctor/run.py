"""One submission from its first cell to its last: student code there, tests here."""

import builtins
import os
import time

from autograder import checks, imports
from autograder.jobs import Result, Verdict
from autograder.proctor import outputs, plan, telling
from autograder.proctor.plan import INSTRUCTOR, STUDENT, TEST
from autograder.proctor.reading import Rules
from autograder.proctor.session import Session
from autograder.proctor.standins import link_of
from autograder.proctor.testing import Tester, Written
from autograder.wire import CannotCross, Closed, ProtocolError, TimedOut

MOST_RESTARTS = 3
_BROKEN = (Closed, TimedOut, ProtocolError)


def run(job, spawn):
    """Run a job's cells and tests; returns its Result.

    spawn : gives a connected socket to a new student process that waits for requests; raises
        ConnectionError if there is none.

    To be called in a process of its own, whose working folder holds `job.files`.
    """
    os.environ[checks.SEED] = str(job.seed)
    return _Run(job, spawn).result()


class _Run:
    def __init__(self, job, spawn):
        self._job, self._spawn = job, spawn
        self._cells = plan.read(job.notebook)
        self._tester = Tester(job.limits)
        classes = plan.classes(self._cells) if job.classes is None else job.classes
        self._rules = Rules(classes, job.imports, self._trusted_class)
        self._session, self._processes = None, 0
        self._broke = set()  # indices of the cells that ended a student process
        self._outputs, self._verdicts = {}, {}
        self._violation = ""
        self._problem, self._timed_out, self._seconds = "", False, 0.0
        self._bound = {name for cell in self._cells if cell.kind == INSTRUCTOR
                       for name in cell.binds}  # fmt: skip
        self._used, self._fetched = set(), set()

    def result(self):
        start = time.monotonic()
        for index, cell in enumerate(self._cells):
            if cell.kind == TEST:
                verdict, shown = self._test(index, cell)
                self._verdicts[cell.name], self._outputs[cell.id] = verdict, shown
                self._timed_out |= verdict.error == TimedOut.__name__
            else:
                self._outputs[cell.id] = self._run_there(index, cell)
                if cell.kind == STUDENT:
                    self._look_for_violation(cell)
                if cell.trusted:
                    self._run_here(index, cell)
        self._end_session()
        return Result(
            self._job.student,
            self._outputs,
            self._verdicts,
            self._problem,
            self._timed_out,
            self._seconds,
            time.monotonic() - start - self._seconds,
        )

    # --- cells -------------------------------------------------------------------------------

    def _run_there(self, index, cell):
        """Run a cell in the student process; its outputs."""
        session = self._live_session(index)
        if session is None:
            return []
        try:
            done = session.run(cell.source, cell.name)
        except _BROKEN as error:
            self._broke.add(index)
            self._timed_out |= isinstance(error, TimedOut)
            return [outputs.error(type(error).__name__, telling.broken(error))]
        seconds = done.get("seconds")
        if isinstance(seconds, int | float) and seconds >= self._job.limits.cell:
            self._timed_out = True
        return outputs.checked(done.get("outputs"), self._job.limits.output)

    def _run_here(self, index, cell):
        """Run an instructor's cell for the names that tests need; an error leaves them unbound."""
        session = self._live_session(index + 1)
        if session is None:
            return
        try:
            self._fetch(cell, session)
            self._tester.execute(cell, session, Written(0))
        except KeyboardInterrupt:
            raise
        except BaseException:
            pass  # it ran in the student process too, and its outputs are told from there
        session.seeds, session.refused = {}, None  # both sides have run it

    def _test(self, index, cell):
        """Verdict and outputs of a test cell."""
        if self._violation:
            return _failed(checks.ImportNotAllowed.__name__, self._violation)
        session = self._live_session(index)
        if session is None:
            return _failed("NotRun", f"No points for this test: {self._problem}.")
        self._bound |= cell.binds
        try:
            self._fetch(cell, session)
        except (*_BROKEN, CannotCross) as error:
            return _failed(type(error).__name__, telling.broken(error))
        return self._tester.test(cell, session)

    def _look_for_violation(self, cell):
        """Keep the sentence on the first import of the submission that is not allowed."""
        if self._violation or self._job.imports is None:
            return
        for module, line in imports.forbidden(cell.source, self._job.imports)[:1]:
            where = f"{cell.name}, line {line},"
            self._violation = imports.explain(module, where, self._job.imports)

    # --- names -------------------------------------------------------------------------------

    def _fetch(self, cell, session):
        """Give trusted code the student's values of the student's names that it uses."""
        self._used |= cell.uses
        namespace, theirs = self._tester.namespace, self._tester.theirs
        for name in sorted(filter(self._is_students, self._used)):
            namespace.pop(name, None)
            theirs.pop(name, None)
            try:
                namespace[name] = theirs[name] = session.name(name)
            except CannotCross as refused:
                session.refused = None
                if name in cell.uses:
                    raise refused from None
            except Exception:  # a NameError, or what a hostile process calls it
                continue  # where the test needs the name, it says so
            self._fetched.add(name)

    def _is_students(self, name):
        if self._job.stubs is not None and name in self._job.stubs:
            return True
        own = name in self._tester.namespace and name not in self._fetched
        return not (own or name in self._bound or hasattr(builtins, name))

    def _trusted_class(self, name):
        """The class that trusted code binds to a name, or None."""
        value = None if self._is_students(name) else self._tester.namespace.get(name)
        return value if isinstance(value, type) and link_of(value) is None else None

    # --- student processes -------------------------------------------------------------------

    def _live_session(self, index):
        """A session in which the cells before `index` have run; None if there can be no more."""
        while self._session is None or self._session.dead is not None:
            restarted = self._processes > 0
            self._end_session()
            if self._processes > MOST_RESTARTS:
                self._problem = self._problem or "the student's process ended too often"
                return None
            self._processes += 1
            try:
                socket = self._spawn()
            except ConnectionError as error:
                self._problem = f"there is no student process: {error}"
                self._processes = MOST_RESTARTS + 1
                return None
            self._session = Session(socket, self._job.limits, self._rules)
            if restarted:
                self._run_again(index)
        return self._session

    def _run_again(self, index):
        """Bring a new process to where the last one was."""
        for number, cell in enumerate(self._cells[:index]):
            if cell.kind == TEST or number in self._broke:
                continue
            try:
                self._session.run(cell.source, cell.name)
            except _BROKEN:
                self._broke.add(number)
                return

    def _end_session(self):
        if self._session is not None:
            self._seconds += self._session.seconds
            self._session.close()
            self._session = None


def _failed(name, message):
    return Verdict(False, name, message), [outputs.error(name, message)]
