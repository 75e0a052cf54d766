"""Runs an assignment's cells in this process: milliseconds where a kernel takes seconds."""

import contextlib
import io
import json
import os
from functools import cache
from pathlib import Path

import nbformat

from autograder import misconceptions, project, source

ROOT = Path(__file__).parents[2]
HIDDEN = "### BEGIN HIDDEN TESTS"


@cache
def read(name):
    """The assignment's source."""
    return source.read(project.source_path(ROOT, name))


@cache
def known_answers(name):
    """(misconceptions, alternatives) of an assignment."""
    folder = ROOT / "solutions" / name
    return misconceptions.load_misconceptions(folder), misconceptions.load_alternatives(folder)


def release(name):
    """The student's notebook as it is stored."""
    return nbformat.read(ROOT / "exercises" / name / f"{name}.ipynb", as_version=4)


def graded_cells(name, task):
    """The task's test cells, in order."""
    return read(name).marked("test", task)


def is_check(cell, task):
    """Whether a test cell runs the task's visible cases."""
    return f'check("{task}"' in cell.source


class Bench:
    """A namespace in which cells run, with the release's assignment.json beside them."""

    def __init__(self, name):
        self.folder = ROOT / "exercises" / name
        self.namespace = {"__name__": "__main__"}

    def run(self, code):
        """What the code prints; what it raises goes to the caller."""
        printed = io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed):
            exec(compile(code, "<cell>", "exec"), self.namespace)
        return printed.getvalue()

    def error_of(self, code):
        """The error that the code raises, or None."""
        try:
            self.run(code)
        except Exception as error:
            return error
        return None

    @contextlib.contextmanager
    def answering(self, answer):
        """A known answer stands where the solution stood."""
        name = answer.task.replace("-", "_")
        solution = self.namespace[name]
        self.namespace[name] = answer.answer
        try:
            yield
        finally:
            self.namespace[name] = solution


@cache
def solved(name):
    """A Bench on which every cell but the tests has run, with the instructor's solutions."""
    bench = Bench(name)
    for cell in read(name).cells:
        if cell.type == "code" and cell.mark not in {"test", "inputs", "manual"}:
            bench.run(cell.source)
    return bench


def description(name):
    """The release's assignment.json."""
    return json.loads((ROOT / "exercises" / name / "assignment.json").read_text(encoding="utf-8"))


def environment(folder):
    """Variables for a process of its own that may write in `folder` only, on one thread."""
    here = {"IPYTHONDIR": folder, "JUPYTER_CONFIG_DIR": folder, "JUPYTER_RUNTIME_DIR": folder}
    return os.environ | {key: str(path) for key, path in here.items()} | {"OMP_NUM_THREADS": "1"}
