"""Runs the code of trusted cells, and decides what a test cell is worth."""

import ast
import contextlib
import io
import linecache
import math
import random
import signal
import sys
import threading
import time

import numpy as np

from autograder.jobs import Verdict
from autograder.proctor import outputs, telling
from autograder.proctor.plan import python
from autograder.proctor.standins import link_of
from autograder.wire import TimedOut


class Tester:
    """Runs trusted cells in one namespace.

    limits : of the submission; `cell` and `output` count here.
    """

    def __init__(self, limits):
        self.namespace = {
            "__name__": "__main__",
            "display": _ignore,
            "get_ipython": _no_magic,
        }
        self.theirs = {}  # names that the student binds -> what trusted code has for them
        self._limits = limits
        self._hidden = {}  # filename of a test cell -> numbers of its hidden lines

    def test(self, cell, session):
        """Verdict and outputs of a test cell. `session` may break meanwhile; then it fails."""
        written, start = Written(self._limits.output), time.monotonic()
        hidden = self._hidden[cell.filename] = cell.hidden_lines()
        error = value = None
        try:
            value = self.execute(cell, session, written, hidden)
            error = session.dead or session.refused  # also where the test has swallowed it
            written.muted = False
        except KeyboardInterrupt:
            raise
        except BaseException as raised:
            error = session.dead or raised
        seconds = time.monotonic() - start
        shown = [outputs.stream(text)] if (text := written.getvalue()) else []
        if error is None:
            error, points = _points(value, cell.points)
        if error is None:
            shown += [] if points is None else [outputs.score(points)]
            return Verdict(True, seconds=seconds, score=points), shown
        is_hidden = written.muted or self._passes_hidden_lines(error)
        name, message, lines = telling.failure(error, is_hidden, cell, session)
        return Verdict(False, name, message, seconds), [*shown, outputs.error(name, message, lines)]

    def execute(self, cell, session, written, hidden=frozenset()):
        """Run a cell; returns the value of its last line, if that is an expression.

        written : takes what is printed, and is muted while hidden lines run.
        """
        if cell.tree is None:
            raise SyntaxError("this cell is no Python")
        lines = python(cell.source).splitlines(keepends=True)
        linecache.cache[cell.filename] = len(cell.source), None, lines, cell.filename
        session.deadline = time.monotonic() + self._limits.cell
        session.last_call = session.refused = value = None
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.redirect_stdout(written))
            stack.enter_context(contextlib.redirect_stderr(Written(0)))
            stack.enter_context(_watched_seeds(session))
            stack.enter_context(_alarm(self._limits.cell))
            stack.callback(setattr, session, "deadline", math.inf)
            removed = stack.enter_context(_removed_names(session))
            for statement in cell.tree.body:
                written.muted = not hidden.isdisjoint(_lines(statement))
                value = self._run(statement, cell.filename)
                self._follow(removed)
        return None if cell.source.rstrip().endswith(";") else value

    def _run(self, statement, filename):
        if isinstance(statement, ast.Expr):
            code = compile(ast.Expression(statement.value), filename, "eval", dont_inherit=True)
            return eval(code, self.namespace)
        code = compile(ast.Module([statement], []), filename, "exec", dont_inherit=True)
        exec(code, self.namespace)
        return None

    def _follow(self, removed):
        """Take away from the student's code what the test has deleted, as in
        `del helper` followed by a call that must need it, and give back what it has put back.
        """
        for name, value in self.theirs.items():
            if name not in self.namespace:
                removed.add(name)
            elif self.namespace[name] is value:
                removed.discard(name)

    def _passes_hidden_lines(self, error):
        return any(
            number in lines
            for filename, lines in self._hidden.items()
            for number in telling.frames(error, filename)
        )


class Written(io.StringIO):
    """What was printed, up to `limit` characters; nothing while `muted`."""

    def __init__(self, limit):
        super().__init__()
        self._left, self.muted = limit, False

    def write(self, text):
        if not self.muted and self._left > 0:
            super().write(text[: self._left])
            self._left -= len(text)
        return len(text)


def _points(value, most):
    """(error, points) of the last value of a test cell that ran.

    A number is the points that the test grants. Where data of another kind stands in its place,
    nobody knows what it grants, and the test fails.
    """
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if isinstance(value, bool) or _is_no_data(value):
        return (None if value is not False else AssertionError("the test is not fulfilled")), None
    if isinstance(value, int | float) and 0 <= value <= most:  # so it is no NaN
        return None, float(value)
    return AssertionError(f"the test gives no number of points from 0 to {most:g}"), None


def _is_no_data(value):
    """None, figures and the like, as the last line of a cell may have them."""
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_is_no_data, value))
    torch = sys.modules.get("torch")
    data = (int, float, complex, str, bytes, dict, set, np.ndarray)
    if torch is not None:
        data += (torch.Tensor,)
    return not isinstance(value, data) and link_of(value) is None


def _lines(statement):
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(each.lineno for each in decorators)])
    return range(first, statement.end_lineno + 1)


class _Removed:
    """Names that are missing in the student process while a test runs."""

    def __init__(self, session):
        self._session, self._names = session, set()

    def add(self, name):
        if name not in self._names:
            self._names.add(name)
            self._session.request("remove", name)

    def discard(self, name):
        if name in self._names:
            self._names.discard(name)
            self._session.request("restore", name)


@contextlib.contextmanager
def _removed_names(session):
    removed = _Removed(session)
    try:
        yield removed
    finally:
        for name in sorted(removed._names) if session.dead is None else ():
            removed.discard(name)


@contextlib.contextmanager
def _watched_seeds(session):
    """What the test seeds here is seeded in the student process too."""
    torch = sys.modules.get("torch")
    places = [(random, "seed", "random"), (np.random, "seed", "numpy")]
    if torch is not None:
        places += [(torch, "manual_seed", "torch"), (torch.random, "manual_seed", "torch")]
    originals = [(module, name, getattr(module, name)) for module, name, _ in places]
    for module, name, key in places:
        setattr(module, name, _noting(getattr(module, name), key, session))
    try:
        yield
    finally:
        for module, name, original in originals:
            setattr(module, name, original)


def _noting(seed, key, session):
    def noting(value=None, *args, **kwargs):
        session.seeds[key] = value
        return seed(value, *args, **kwargs)

    return noting


@contextlib.contextmanager
def _alarm(seconds):
    """End trusted code that never ends, such as a loop over a number that student code gave."""
    if threading.current_thread() is not threading.main_thread():
        yield  # a signal cannot be caught here; the supervisor's clock ends this process
        return

    def ring(*_):
        raise TimedOut(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _ignore(*_, **__):
    """Figures and tables of test cells are not kept."""


def _no_magic():
    raise RuntimeError("this IPython magic does not work in a test cell")
