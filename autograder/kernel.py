"""nbgrader's own execution stage: a kernel a notebook, one after the other, without a sandbox.

For comparison, and for students who validate their own notebook.
"""

import contextlib
import json
import os
from pathlib import Path

from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade, is_solution
from traitlets import List

from autograder import checks, convert, course, imports

NOT_RUN, NOT_ALLOWED = "NotRun", checks.ImportNotAllowed.__name__


def autograde(root, assignment, students, *, seed, timeout):
    """Yield (student, None) for each submission that was run and scored, else (student, reason).

    Reads submitted/<student>/<assignment> in the course folder `root`, writes autograded/ and the
    gradebook there. `timeout` is in seconds a cell.
    """
    config = course.configuration(root)
    config.Execute.timeout = timeout
    config.Autograde.autograde_preprocessors = [
        "autograder.kernel.InKernel",
        *course.AUTOGRADE[1:],
    ]
    # An IPython folder of the course's own: the instructor's start-up files are not run.
    variables = {checks.SEED: str(seed), "IPYTHONDIR": str(Path(root).resolve() / ".ipython")}
    for student in students:
        with course.nbgrader(config) as api, _environment(**variables):
            result = api.autograde(assignment, student, force=True, create=True)
        if "KeyboardInterrupt" in result.get("error", ""):  # nbgrader catches even that
            raise KeyboardInterrupt
        yield student, None if result["success"] else f"nbgrader: {course.reason(result)}"


class InKernel(Execute):
    """nbgrader's own executor, with a verdict that fails closed.

    nbgrader gives full points to a test cell without output, and none where something was written
    to stderr. Here a test cell has its points only if the kernel said that it ran without error:
    else an error output is added. Warnings and progress bars on stderr are dropped, and so is a
    test cell's last value, which nbgrader would read as points.
    """

    extra_arguments = List(convert.KERNEL_ARGUMENTS).tag(config=True)

    def preprocess(self, nb, resources, km=None):
        self._succeeded = set()
        self._trouble = "it was not run"
        try:
            nb, resources = super().preprocess(nb, resources, km=km)
        except Exception as error:  # a dead kernel ends the notebook; what ran before it counts
            self._trouble = f"the notebook stopped before it: {type(error).__name__}: {error}"
        folder = resources.get("metadata", {}).get("path") or "."
        self._judge(nb, _allowed(folder))
        return nb, resources

    def on_cell_executed(self, **kwargs):
        super().on_cell_executed(**kwargs)
        if kwargs["execute_reply"]["content"]["status"] == "ok":
            self._succeeded.add(kwargs["cell_index"])

    def _judge(self, nb, allowed):
        violations = []
        for index, cell in enumerate(nb.cells):
            if cell.cell_type != "code":
                continue
            is_test = is_grade(cell) and not is_solution(cell)
            cell.outputs = [
                output
                for output in cell.outputs
                if output.get("name") != "stderr"
                and not (is_test and output.output_type == "execute_result")
            ]
            if not is_test:
                violations += _violations(cell, allowed)
                continue
            failed = any(output.output_type == "error" for output in cell.outputs)
            if violations:
                _fail(cell, NOT_ALLOWED, violations[0])
            elif index not in self._succeeded and not failed:
                _fail(cell, NOT_RUN, f"No points for this test: {self._trouble}")


def _allowed(folder):
    """The assignment's list of imports; None where there is no assignment.json to name it."""
    path = Path(folder) / "assignment.json"
    return json.loads(path.read_text(encoding="utf-8"))["imports"] if path.is_file() else None


def _violations(cell, allowed):
    if allowed is None:
        return []
    name = cell.metadata.get("nbgrader", {}).get("grade_id") or "an added cell"
    return [
        imports.explain(module, f"{name}, line {line},", allowed)
        for module, line in imports.forbidden(cell.source, allowed)
    ]


def _fail(cell, name, message):
    cell.outputs.append(
        new_output("error", ename=name, evalue=message, traceback=[f"{name}: {message}"])
    )


@contextlib.contextmanager
def _environment(**variables):
    """Environment variables for the kernels that are started meanwhile."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
