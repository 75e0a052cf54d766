"""Run an assignment's source and write assignment.json: cases, expected outputs, known mistakes.

`build(path)` does it in a process of its own, so that what the source imports, plots or sets does
not stay behind; `python -m autograder.expected SOURCE OUTPUT` is that process.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from autograder import calls, checks, misconceptions, source
from autograder.errors import AssignmentError
from autograder.regions import HIDDEN, regions
from autograder.values import encode

_WIDTH = 100


def build(path):
    """The bytes of assignment.json for the source at `path`; AssignmentError where it is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "assignment.json"
        environment = os.environ | {
            "IPYTHONDIR": folder,
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "PYTHONDONTWRITEBYTECODE": "1",
            checks.SEED: "0",
        }
        done = subprocess.run(
            [sys.executable, "-m", "autograder.expected", str(Path(path).resolve()), str(output)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        if not output.exists():
            raise AssignmentError(done.stderr.strip() or f"{path}: its process ended early")
        return output.read_bytes()


def describe(assignment):
    """What assignment.json holds, as data: made by running the source's cells in order."""
    functions, cases, namespace = _run(assignment)
    mistakes = misconceptions.load_misconceptions(assignment.path.parent)
    others = misconceptions.load_alternatives(assignment.path.parent)
    for answer in [*mistakes, *others]:
        if answer.task not in cases:
            raise AssignmentError(
                f"{answer.name} is for task {answer.task!r}, which has no inputs",
                assignment.path.parent,
            )
    tasks = {}
    for task in assignment.tasks.values():
        tasks[task.id] = {"title": task.title, "points": task.points, "minutes": task.minutes}
        if task.id not in cases:
            continue
        recorder = _Recorder(assignment, task.id, *functions[task.id], cases[task.id], namespace)
        tasks[task.id] |= {
            "cases": recorder.cases,
            "misconceptions": recorder.mistakes([m for m in mistakes if m.task == task.id]),
        }
        recorder.confirm([other for other in others if other.task == task.id])
    limits = {"limits": assignment.limits} if assignment.limits else {}
    return {"title": assignment.title, "imports": assignment.imports, **limits, "tasks": tasks}


def _run(assignment):
    """Run all but hidden tests; return the checked functions, the inputs and the namespace."""
    from IPython.core.interactiveshell import InteractiveShell

    functions, cases = {}, {}

    def record(task, function, *, rtol=None, atol=None):
        functions.setdefault(task, (function, rtol, atol))

    checks.check = record
    shell = InteractiveShell.instance()
    for cell in assignment.cells:
        if cell.type != "code" or cell.mark == "manual":
            continue
        code = regions(cell.source, HIDDEN)[0] if cell.mark == "test" else cell.source
        result = shell.run_cell(code)
        if error := result.error_before_exec or result.error_in_exec:
            raise AssignmentError(
                f"the cell raised {type(error).__name__}: {error}", assignment.path, cell.line
            )
        if cell.mark == "inputs":
            cases[cell.id] = shell.user_ns.get("inputs")
            if not cases[cell.id] or not isinstance(cases[cell.id], list):
                raise AssignmentError("expected a list `inputs`", assignment.path, cell.line)
    for cell in assignment.marked("inputs"):
        if cell.id not in functions:
            message = f"no test cell calls check({cell.id!r}, …)"
            raise AssignmentError(message, assignment.path, cell.line)
    for task in functions:
        if task not in cases:
            message = f"check({task!r}, …) is called, but no cell is marked inputs={task!r}"
            raise AssignmentError(message, assignment.path)
    return functions, cases, shell.user_ns


class _Recorder:
    """One task: stores what its function does on the inputs, and what other answers do there."""

    def __init__(self, assignment, task, function, rtol, atol, inputs, namespace):
        self.path, self.task, self.function = assignment.path, task, function
        self.tolerance, self.namespace = (rtol, atol), namespace
        self.cases = [self._case(case) for case in inputs]

    def _fail(self, message):
        raise AssignmentError(f"task {self.task!r}: {message}", self.path)

    def _case(self, case):
        try:
            stored = {
                "name": case.name,
                "args": encode(tuple(case.args)),
                "kwargs": {name: encode(value) for name, value in case.kwargs.items()},
            }
        except TypeError as error:
            self._fail(f"case {case.name!r}: {error}")
        outcome = calls.run(self.function, stored)
        if outcome.changed:
            self._fail(f"case {case.name!r}: the solution changes {outcome.changed[0]} in place")
        wanted = case.raises.__name__ if case.raises else None
        if outcome.error is not None and not (wanted and calls.raised(outcome.error, wanted)):
            self._fail(f"case {case.name!r}: the solution raised {outcome.error!r}")
        if wanted and outcome.error is None:
            self._fail(f"case {case.name!r}: the solution did not raise {wanted}")
        stored["expected"] = {"raises": wanted} if wanted else self._store(case.name, outcome)
        return stored

    def _store(self, name, outcome):
        try:
            return calls.store(outcome)
        except TypeError as error:
            self._fail(f"{name!r}: {error}")

    def mistakes(self, answers):
        """The stored outcomes of misconceptions; each must be wrong, and unlike the others."""
        found = []
        for answer in answers:
            outcomes = self._outcomes(answer)
            expected = [case["expected"] for case in self.cases]
            if self._same(outcomes, expected):
                self._fail(f"misconception {answer.name} is right in all visible cases: add one "
                           "where it is wrong")  # fmt: skip
            for other in found:
                if self._same(outcomes, other["outcomes"]):
                    self._fail(f"misconceptions {other['name']} and {answer.name} do the same in "
                               "all visible cases: add one that tells them apart")  # fmt: skip
            stored = [self._store(answer.name, outcome) for outcome in outcomes]
            found.append({"name": answer.name, "hint": answer.hint, "outcomes": stored})
        return found

    def confirm(self, answers):
        """Alternatives must be right in all visible cases."""
        for answer in answers:
            outcomes = self._outcomes(answer)
            for case, outcome in zip(self.cases, outcomes, strict=True):
                if not calls.matches(outcome, case["expected"], *self.tolerance):
                    self._fail(f"alternative {answer.name} is wrong in case {case['name']!r}")

    def _outcomes(self, answer):
        """What another answer does: it takes the place of the task's name while it runs."""
        name = self.task.replace("-", "_")
        solution = self.namespace.get(name)
        function = answer.answer if self.function is solution else self.function
        if solution is None:
            self._fail(f"the solution defines no `{name}` for {answer.name} to stand in for")
        self.namespace[name] = answer.answer
        try:
            return [calls.run(function, case) for case in self.cases]
        finally:
            self.namespace[name] = solution

    def _same(self, outcomes, stored):
        pairs = zip(outcomes, stored, strict=True)
        return all(calls.matches(outcome, other, *self.tolerance) for outcome, other in pairs)


def to_bytes(data):
    """JSON that reads and compares well: what is short, or an array, on one line."""
    return (_dump(data, "") + "\n").encode()


def _dump(data, indent):
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    is_array = isinstance(data, dict) and not {"array", "tensor"}.isdisjoint(data)
    if not data or not isinstance(data, dict | list) or is_array or len(indent + text) <= _WIDTH:
        return text
    inner = indent + " "
    if isinstance(data, list):
        items, (left, right) = [_dump(item, inner) for item in data], "[]"
    else:
        items, (left, right) = (
            [f"{json.dumps(k)}: {_dump(v, inner)}" for k, v in data.items()],
            "{}",
        )
    lines = ",\n".join(f"{inner}{item}" for item in items)
    return f"{left}\n{lines}\n{indent}{right}"


def _main(path, output):
    try:
        with contextlib.redirect_stdout(open(os.devnull, "w")):
            content = to_bytes(describe(source.read(path)))
    except AssignmentError as error:
        sys.exit(str(error))
    Path(output).write_bytes(content)


if __name__ == "__main__":
    _main(*sys.argv[1:])
