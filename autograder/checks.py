"""What a notebook's test cells call. An answer that is wrong is told why; a right one, one line.

check("relu", relu)             the visible cases of assignment.json, beside the notebook
assert_close(got, expected)     for hidden tests, as assert_raises and fresh_rng are
@picture                        before a function that draws with the student's answer
"""

import json
import os
import secrets
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np

from autograder import calls, compare, imports, show
from autograder.values import decode

__all__ = ["CheckFailed", "assert_close", "assert_raises", "check", "fresh_rng", "picture"]

SEED = "AUTOGRADER_SEED"  # the environment variable from which the grader's random inputs come
KNOWN_MISTAKE = "Known mistake: "  # the grader finds the misconception's name behind this
_WIDEST_CALL = 700
_seed = None  # of the last fresh_rng, so that a failure can name it


class CheckFailed(AssertionError):
    """An answer is wrong; the message says how. Jupyter shows the message alone.

    outline : as much of it as may be told of a hidden test: no expected value.
    """

    def __init__(self, message, outline=""):
        super().__init__(message)
        self.outline = outline

    def _render_traceback_(self):
        first, *rest = str(self).split("\n")
        return [f"\x1b[1;31m{first}\x1b[0m", *rest]


class ImportNotAllowed(CheckFailed):
    """A cell imports a module that the assignment does not allow."""


def check(task, function, *, rtol=None, atol=None):
    """Run the visible cases of a task; print one line if all pass, and what it warned of.

    task : the task's id in assignment.json.
    function : the student's function, or an adapter that uses the student's class.
    rtol, atol : tolerances in place of those of the dtype.

    Raises: CheckFailed, which explains the first case that fails and names a known mistake.
    """
    assignment = _assignment()
    cases = assignment["tasks"].get(task, {}).get("cases")
    if cases is None:
        raise CheckFailed(f"{task}: assignment.json has no visible cases for a task of this name.")
    _check_imports(task, assignment["imports"])
    outcomes, notes = zip(*(_observe(function, case) for case in cases), strict=True)
    if any(isinstance(outcome.error, NotImplementedError) for outcome in outcomes):
        raise CheckFailed(
            f"{task}: not solved yet. Your code still raises NotImplementedError: "
            "replace that line with your answer."
        )
    pairs = list(zip(cases, outcomes, strict=True))
    failed = [
        number
        for number, (case, outcome) in enumerate(pairs, start=1)
        if not calls.matches(outcome, case["expected"], rtol, atol)
    ]
    if not failed:
        warned = dict.fromkeys(note for of_case in notes for note in of_case)
        print("\n".join([f"{task}: all {len(cases)} visible cases pass.", *warned]))
        return
    case, outcome = pairs[failed[0] - 1]
    mistake = _known_mistake(assignment["tasks"][task], outcomes, rtol, atol)
    others = f" {len(failed)} of {len(cases)} cases fail." if len(failed) > 1 else ""
    lines = [
        f'{task}: wrong in case {failed[0]} of {len(cases)}, "{case["name"]}".{others}',
        f"call      {_call(function, case)}",
        _explain(function, case, outcome, rtol, atol),
        *notes[failed[0] - 1],
        *([f"{KNOWN_MISTAKE}{mistake['name']}. {mistake['hint']}"] if mistake else []),
    ]
    told = "\n".join(lines)
    raise CheckFailed(told, outline=told) from None  # all students have the visible cases


def _observe(function, case):
    """The outcome of one case, and what it warned of: nbgrader fails a cell for its stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outcome = calls.run(function, case)
    return outcome, [f"warning   {_say(warning.message)}" for warning in caught]


def assert_close(got, expected, *, what="the result", rtol=None, atol=None):
    """Raise CheckFailed unless `got` equals `expected` within the tolerance of their dtype.

    `what` names the compared thing, and is told to students also where the test is hidden.
    """
    if found := compare.difference(got, expected, rtol, atol, what):
        wanted, came = show.outline(expected), show.outline(got)
        kinds = f"expected {wanted}, got {came}"
        if came == wanted:
            kinds = f"got {came}, as it should be, but not the right one"
        raise CheckFailed(found + _seed_note(), f"{what}: {kinds}")


def assert_raises(error, function, *args, **kwargs):
    """Raise CheckFailed unless `function(*args, **kwargs)` raises `error` or a subclass.

    The NotImplementedError of an unsolved task counts only where it is what was asked for.
    """
    name = getattr(function, "__name__", "the function")
    wanted = f"expected {error.__name__}, "
    what = f"{show.call(name, args, kwargs)}: {wanted}"
    try:
        value = function(*args, **kwargs)
    except Exception as came:
        stub = isinstance(came, NotImplementedError) and error is not NotImplementedError
        if isinstance(came, error) and not stub:
            return
        text = f"it raised {_say(came)}"
        raise CheckFailed(f"{what}but {text}{_seed_note()}", f"{wanted}but {text}") from None
    raise CheckFailed(
        f"{what}but it returned {show.describe(value)}.{_seed_note()}",
        f"{wanted}but it returned {show.outline(value)}",
    )


def fresh_rng():
    """A NumPy generator for hidden tests; a failure message names its seed.

    The seed is the number in the environment variable AUTOGRADER_SEED, else a new one.
    """
    global _seed
    _seed = int(os.environ.get(SEED) or secrets.randbelow(2**32))
    return np.random.default_rng(_seed)


def picture(draw):
    """Draw at once; where the task above does not work yet, say so instead."""
    import matplotlib.pyplot as plt

    try:
        draw()
        plt.show()
    except NotImplementedError:
        print("Solve the task above to see the picture.")
    except Exception as error:
        print(f"No picture yet. Your function raised {type(error).__name__}: {error}")
    finally:
        plt.close("all")


def _seed_note():
    return "" if _seed is None else f"\n(random inputs from seed {_seed})"


def _assignment():
    path = Path("assignment.json")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckFailed(
            f"assignment.json is not in {Path.cwd()}. It belongs beside the notebook: get the "
            "whole folder of the assignment, and start the notebook from there."
        ) from None
    except (OSError, ValueError) as error:
        raise CheckFailed(f"assignment.json cannot be read ({error}). Get a fresh copy.") from None


def _check_imports(task, allowed):
    """Refuse where a cell run so far imports something else; test cells are the instructor's."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    for number, code in enumerate(shell.user_ns.get("In", []) if shell else []):
        if "### BEGIN HIDDEN TESTS" in code:
            continue
        for module, line in imports.forbidden(code, allowed):
            where = f"cell [{number}], line {line}"
            raise ImportNotAllowed(
                f"{task}: {imports.explain(module, where, allowed)}\n"
                "Remove it, restart the kernel and run the notebook again."
            )


def _call(function, case):
    text = show.call(getattr(function, "__name__", "your function"), *calls.inputs(case))
    return text if len(text) <= _WIDEST_CALL else f"{text[: _WIDEST_CALL - 1]}…"


def _explain(function, case, outcome, rtol, atol):
    """The lines that say what this outcome should have been."""
    expected = case["expected"]
    if "raises" in expected:
        wanted = f"expected  {expected['raises']}"
        if outcome.error is None:
            return f"{wanted}, since this is bad input\ngot       {show.describe(outcome.value)}"
        if not calls.raised(outcome.error, expected["raises"]):
            return f"{wanted}, since this is bad input\ngot       {_say(outcome.error)}"
    else:
        value = decode(expected["returns"])
        if outcome.error is not None:
            return (
                f"expected  {show.describe(value)}\n"
                f"got       {_say(outcome.error)}{_place(outcome.error)}"
            )
        if outcome.value is None and value is not None:
            return f"expected  {show.describe(value)}\ngot       None. Is a `return` missing?"
        if found := compare.difference(outcome.value, value, rtol, atol):
            return found
    names = ", ".join(f"`{name}`" for name in outcome.changed)
    return (
        f"The result is right, but your code changed its input {names} in place. "
        "Work on a copy, or build a new array."
    )


def _say(error):
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _place(error):
    """The line of the student's code in which the error arose, or nothing."""
    if (frame := getattr(error, "student_frame", None)) is not None:  # it arose in their process
        return "\n          in {}, line {}: {}".format(*frame)
    ours = Path(__file__).parent
    frames = traceback.extract_tb(error.__traceback__)
    inside = [f for f in frames if Path(f.filename).parent != ours and "site-packages" not in
              f.filename and f.line]  # fmt: skip
    if not inside:
        return ""
    return f"\n          in {inside[-1].name}, line {inside[-1].lineno}: {inside[-1].line}"


def _known_mistake(task, outcomes, rtol, atol):
    """The misconception whose stored outcomes are all equal to these, or None."""
    for mistake in task["misconceptions"]:
        pairs = zip(outcomes, mistake["outcomes"], strict=True)
        if all(calls.matches(outcome, stored, rtol, atol) for outcome, stored in pairs):
            return mistake
    return None
