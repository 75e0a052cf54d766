"""Says in plain data what functions, classes and errors of a student are."""

import inspect
import os
import traceback
from pathlib import Path

_LONGEST_TEXT = 4000  # characters of a message or docstring
_LONGEST_TRACEBACK = 8000
_MOST_FRAMES = 12  # of a traceback
_OURS = {str(Path(__file__).with_name(name)) for name in ("server.py", "describing.py")}


def lineage(kind):
    """Module and name of a class and of what it inherits from."""
    return [[str(base.__module__), name_of(base)] for base in kind.__mro__[:40]]


def name_of(value):
    name = getattr(value, "__name__", None)
    return name[:200] if isinstance(name, str) else name_of(type(value))


def text(value):
    return value[:_LONGEST_TEXT] if isinstance(value, str) else ""


def message(error):
    try:
        return text(str(error))
    except Exception as raised:
        return f"(its text raised {type(raised).__name__})"


def parameters(value):
    """Name, kind and default of each parameter, as data; None where there is no signature."""
    try:
        found = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    return [[each.name, int(each.kind), _default(each)] for each in found]


def _default(parameter):
    """[] without a default, [value] for a plain one, [text, None] for another."""
    if parameter.default is parameter.empty:
        return []
    if type(parameter.default) in (bool, int, float, str, type(None)):
        return [parameter.default]
    return [type(parameter.default).__name__, None]


def own_frames(trace):
    """The traceback without the frames of this module before the student's code."""
    while trace is not None and trace.tb_frame.f_code.co_filename in _OURS:
        trace = trace.tb_next
    return trace


def render(error, trace):
    try:
        lines = traceback.format_exception(type(error), error, trace, limit=-_MOST_FRAMES)
    except Exception:
        return ""
    return "".join(lines)[-_LONGEST_TRACEBACK:]


def last_frame(trace):
    """Function, line number and line of the innermost frame in a cell, or None."""
    library = os.sep + "site-packages" + os.sep
    frames = [f for f in traceback.extract_tb(trace) if f.line and library not in f.filename
              and f.filename not in _OURS]  # fmt: skip
    return [frames[-1].name, frames[-1].lineno, frames[-1].line[:500]] if frames else None
