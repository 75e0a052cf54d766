"""Known wrong answers, and other right ones, kept beside an assignment's source.

    @misconception("relu")
    def clips_at_one(x):
        '''The hint that a student sees whose answers equal these.'''
        return np.clip(x, 0, 1)

The object is what a student would have written: a function, or a class, of the task's name.
"""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import AssignmentError


@dataclass(frozen=True)
class Answer:
    """An answer to a task that is not the solution; `hint` is empty for a right one."""

    task: str
    name: str
    hint: str
    answer: Callable


def misconception(task):
    """Mark a known wrong answer to `task`: its name names it, its docstring is the hint."""
    return _mark("_misconception_of", task)


def alternative(task):
    """Mark another right answer to `task`: it must score full points."""
    return _mark("_alternative_of", task)


def load_misconceptions(folder):
    """The misconceptions in folder/misconceptions.py, in order; none without that file."""
    path = Path(folder) / "misconceptions.py"
    answers = _load(path, "_misconception_of")
    for answer in answers:
        if not answer.hint:
            raise AssignmentError(f"{answer.name} has no docstring, which is the hint", path)
    return answers


def load_alternatives(folder):
    """The alternatives in folder/alternatives.py, in order; none without that file."""
    return _load(Path(folder) / "alternatives.py", "_alternative_of")


def _mark(attribute, task):
    if not isinstance(task, str):
        raise TypeError(f'expected the task\'s id, as in @misconception("relu"), got {task!r}')

    def decorate(answer):
        setattr(answer, attribute, task)
        return answer

    return decorate


def _load(path, attribute):
    if not path.is_file():
        return []
    name = f"_{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        message = f"cannot be imported: {type(error).__name__}: {error}"
        raise AssignmentError(message, path) from error
    return [
        Answer(vars(value)[attribute], key, " ".join((value.__doc__ or "").split()), value)
        for key, value in vars(module).items()
        if callable(value) and attribute in getattr(value, "__dict__", {})
    ]
