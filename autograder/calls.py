"""Call an answer on stored inputs and keep what happened: a value, an error, a changed input.

The release stores what the solution and each misconception do; a check compares a student's
answer with that. Both go through here, so that the same behavior always looks the same.
"""

import inspect
from dataclasses import dataclass
from typing import Any

from autograder.compare import difference
from autograder.values import decode, encode


@dataclass
class Outcome:
    """What one call did: `error` is None where it returned; `changed` names altered arguments."""

    value: Any = None
    error: BaseException | None = None
    changed: tuple[str, ...] = ()


def run(function, case):
    """Call `function` on a fresh copy of a stored case's inputs."""
    args, kwargs = inputs(case)
    outcome = Outcome()
    try:
        outcome.value = function(*args, **kwargs)
    except (Exception, SystemExit) as error:  # a student's exit() ends the call, not the notebook
        outcome.error = error
    before_args, before_kwargs = inputs(case)
    names = [*_names(function, len(args)), *kwargs]
    pairs = zip(names, [*args, *kwargs.values()], [*before_args, *before_kwargs.values()],
                strict=True)  # fmt: skip
    outcome.changed = tuple(name for name, now, then in pairs if difference(now, then, 0, 0))
    return outcome


def inputs(case):
    """The arguments and keyword arguments of a stored case, fresh."""
    return decode(case["args"]), {name: decode(value) for name, value in case["kwargs"].items()}


def store(outcome):
    """An outcome as JSON data."""
    if outcome.error is not None:
        data = {"raises": type(outcome.error).__name__}
    else:
        data = {"returns": encode(outcome.value, computed=True)}
    return data | {"changes": list(outcome.changed)} if outcome.changed else data


def matches(outcome, stored, rtol=None, atol=None):
    """Whether an outcome is the stored one: an equal value, or an error of the same type."""
    if list(outcome.changed) != stored.get("changes", []):
        return False
    if "raises" in stored:
        return outcome.error is not None and raised(outcome.error, stored["raises"])
    if outcome.error is not None:
        return False
    return difference(outcome.value, decode(stored["returns"]), rtol, atol) is None


def raised(error, name):
    """Whether `error` is of the type called `name` or a subclass; a stub's error is only itself."""
    if isinstance(error, NotImplementedError):
        return name == "NotImplementedError"
    return name in {type.__name__ for type in type(error).__mro__}


def _names(function, count):
    """The names of the first `count` parameters, or their positions."""
    fallback = [f"argument {position}" for position in range(1, count + 1)]
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return fallback
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in parameters if p.kind in kinds][:count]
    return names + fallback[len(names) :]
