"""What a student reads about a test that failed.

Of a visible test all that there is to say. Of a hidden one which call of the student's code it was,
what was expected in shape and kind, and where the student's own code raised: never a line of the
test, and never an expected value.
"""

import linecache
import traceback

from autograder.checks import CheckFailed
from autograder.proctor.session import NOTHING
from autograder.show import outline, show
from autograder.wire import CannotCross, Closed, ProtocolError, TimedOut

_WIDEST_CALL = 400
_LONGEST_MESSAGE = 20_000


def failure(error, hidden, cell, session):
    """Name, message and traceback lines for an error output."""
    name = type(error).__name__
    if isinstance(error, TimedOut | Closed | ProtocolError | CannotCross):
        return name, broken(error, session), None
    try:
        message = _hidden(error, session) if hidden else _visible(error, cell)
    except Exception as raised:  # of data that no sentence can be made of
        message = f"This test failed; what it was about cannot be told ({type(raised).__name__})."
    message = message[:_LONGEST_MESSAGE]
    if isinstance(error, CheckFailed):
        return name, message, CheckFailed(message)._render_traceback_()
    return name, message, [f"{name}: {message}".rstrip(": ")]


def frames(error, filename):
    """The numbers of the lines of one file in an error's traceback, the outermost first."""
    trace = traceback.walk_tb(error.__traceback__)
    return [number for frame, number in trace if frame.f_code.co_filename == filename]


def _visible(error, cell):
    if isinstance(error, CheckFailed):
        return str(error)
    lines = [str(error)] if str(error) else []
    if isinstance(error, NotImplementedError) and hasattr(error, "student_traceback"):
        lines = ["not solved yet: your code still raises NotImplementedError"]
    if numbers := frames(error, cell.filename):
        number = numbers[0]
        line = linecache.getline(cell.filename, number).strip()
        lines.append(f"in line {number} of the test: {line}")
    return "\n".join([*lines, *_own_traceback(error)])


def _hidden(error, session):
    lines = ["A hidden test failed."]
    called = session.last_call if session else None
    if called is not None:
        lines.append(f"call      {_call(called)}")
    if hasattr(error, "student_traceback"):
        lines.append(f"raised    {type(error).__name__}: {error}")
    elif isinstance(error, CheckFailed) and error.outline:
        lines.append(error.outline)
    elif called is not None and called[3] is not NOTHING:
        lines.append(f"returned  {outline(called[3])}, which is not what was expected")
    return "\n".join([*lines, *_own_traceback(error)])


def _own_traceback(error):
    text = getattr(error, "student_traceback", "").rstrip()
    return ["in your code:", text] if text else []


def broken(error, session=None):
    """Why there is no answer from the student's process."""
    if isinstance(error, CannotCross):
        return str(error)
    called = session.last_call if session and session.dead is error else None
    where = f"{_call(called)}: your code" if called else "This"
    if isinstance(error, TimedOut):
        return f"{where} took too long."
    if isinstance(error, Closed):
        return f"{where} ended the process: an exit, a crash, or a limit on memory or CPU time."
    return f"{where} disturbed the grading: {error}."


def _call(called):
    name, args, kwargs, _ = called
    shown = [_argument(value) for value in args]
    shown += [f"{key}={_argument(value)}" for key, value in kwargs.items()]
    text = f"{name}({', '.join(shown)})"
    return text if len(text) <= _WIDEST_CALL else f"{text[: _WIDEST_CALL - 1]}…"


def _argument(value):
    """A number or short text by its value, all else by shape and kind."""
    if value is None or isinstance(value, bool | int | float):
        return show(value)
    if isinstance(value, str) and len(value) <= 20:
        return show(value)
    return f"<{outline(value)}>"
