"""The execution stage: submitted notebooks in, autograded notebooks and scores out.

`autograde` runs submissions in the sandbox. `Execute` gives nbgrader itself our sandbox.
"""

import atexit
import base64
import contextlib
import functools
import json
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpecManager
from nbformat.v4 import new_code_cell
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute as NbGraderExecute
from sqlalchemy.exc import DBAPIError
from traitlets import Bool, Integer

from autograder import blueprint, pool, record, sandbox


def autograde(slots, recorder, plan, students):
    """Yield (student, None) for each submission that was run and recorded, else (student, reason).

    Reads submitted/<student>/<assignment> in the recorder's course folder. `slots` is a Pool;
    `students` is read as far as it has room.
    """
    folder, name = recorder.root / "submitted", recorder.name

    def notebook(student):
        return plan.notebook((folder / student / name / f"{name}.ipynb").read_bytes())

    for result in slots.run(plan.job(student, notebook(student)) for student in students):
        stamp = folder / result.student / name / record.STAMP
        problem = None
        if result.problem and not result.verdicts and not result.timed_out:
            problem = result.problem  # nothing that the student could help: to be tried again
        else:
            try:
                timestamp = stamp.read_bytes() if stamp.is_file() else None
                recorder.record(result.student, notebook(result.student), result, timestamp)
            except DBAPIError:
                raise
            except Exception as error:  # one submission must not end the run of the others
                problem = f"it could not be recorded: {type(error).__name__}: {error}"
        yield result.student, problem


class Execute(NbGraderExecute):
    """nbgrader's executor, in the sandbox: `nbgrader autograde` and formgrader's button use it.

    What a notebook writes into its folder comes back where the assignment does not say what may
    be imported, as in any course of nbgrader's.
    """

    seed = Integer(0, help="Seed of the random tests.").tag(config=True)
    unsafe = Bool(False, help="Run without a sandbox where there is none.").tag(config=True)

    def preprocess(self, nb, resources, km=None):
        _check_kernel(nb)
        given = resources["nbgrader"]
        folder = Path(resources.get("metadata", {}).get("path") or ".")
        plan = self._plan(given["assignment"], given["notebook"], nb)
        run = nbformat.from_dict(nb)
        for number, cell in enumerate(run.cells):
            cell.id = f"cell-{number}"
        if plan.imports is None:
            run.cells.append(new_code_cell(_LIST_FILES, id=_FILES))
        [result] = _slots(self.unsafe).run([plan.job(given["student"], run)])
        for number, cell in enumerate(nb.cells):
            if cell.cell_type == "code":
                cell.execution_count = None
                record.show(cell, result.outputs.get(f"cell-{number}", []))
            if blueprint.is_test(cell):
                grade_id = cell.metadata.nbgrader.grade_id
                record.judge(cell, result.verdicts.get(grade_id), result.problem)
        _bring_back(result.outputs.get(_FILES, []), folder)
        return nb, resources

    def _plan(self, assignment, name, submitted):
        """From the assignment's source; without one, from the notebook itself."""
        courses = CourseDirectory(config=self.config)
        folder = Path(courses.format_path(courses.source_directory, ".", assignment))
        source = folder / f"{name}.ipynb"
        master = source.read_bytes() if source.is_file() else nbformat.writes(submitted).encode()
        files = record.instructors_files(folder)
        return blueprint.blueprint(master, files, seed=self.seed, timeout=self.timeout)


def _check_kernel(notebook):
    """Raise an error for a notebook that is not for Python, as starting its kernel would."""
    name = notebook.metadata.get("kernelspec", {}).get("name", NATIVE_KERNEL_NAME)
    if name == "python":  # which Jupyter takes for the Python that it runs on
        return
    language = KernelSpecManager().get_kernel_spec(name).language
    if language.lower() != "python":
        raise ValueError(f"the kernel {name!r} is for {language}; only Python runs in the sandbox")


# A cell of ours behind all others; what it says is the student's word, and only ever a file.
_FILES = "autograder-files"
_MIME = "application/x-files"
_LIST_FILES = f"""\
import base64, json, os
from IPython.display import display
display({{{_MIME!r}: json.dumps({{
    entry.name: base64.b64encode(open(entry.path, "rb").read()).decode()
    for entry in os.scandir() if entry.is_file(follow_symlinks=False)
}})}}, raw=True)
"""


def _bring_back(outputs, folder):
    """Write the files that a notebook made, beside it; none that is there already."""
    with contextlib.suppress(Exception):  # what the student's process says may be anything
        for name, content in json.loads(outputs[-1]["data"][_MIME]).items():
            path = folder / name
            if path.parent == folder and not name.startswith(".") and not path.exists():
                path.write_bytes(base64.b64decode(content, validate=True))


@functools.cache
def _slots(unsafe):
    """One slot for all notebooks that nbgrader hands us, one after the other, in this process."""
    slots = pool.Pool(1, layer=sandbox.choose(unsafe=unsafe))
    atexit.register(slots.__exit__, None, None, None)
    return slots.__enter__()
