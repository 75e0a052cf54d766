"""What the jobs of all submissions to an assignment share, read from the instructor's files."""

import ast
import dataclasses
import json
from dataclasses import dataclass

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbgrader.utils import is_grade, is_solution

from autograder import imports
from autograder.jobs import Job
from autograder.sandbox import Limits

_MAKERS = {"NewType", "TypedDict", "Enum", "make_dataclass", "namedtuple", "NamedTuple", "type"}


@dataclass(frozen=True)
class Blueprint:
    """A Job without its student; `tests` are the sources of all test cells, hidden parts in."""

    files: dict[str, bytes]
    limits: Limits
    seed: int
    imports: list[str] | None
    stubs: frozenset[str]
    classes: frozenset[str]
    flavour: str
    tests: dict[str, str]

    def notebook(self, content):
        """The notebook that is run: the bytes of a sanitised submission, with the hidden tests."""
        notebook = read(content)
        for cell in notebook["cells"]:
            if is_test(cell):
                cell["source"] = self.tests[cell["metadata"]["nbgrader"]["grade_id"]]
        return notebook

    def job(self, student, notebook):
        """The Job of one student."""
        shared = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "tests"
        }
        return Job(student, notebook, **shared)


def blueprint(master, files, *, seed, timeout=None):
    """The Blueprint of an assignment.

    master : its notebook with solutions and hidden tests, as bytes.
    files : what lies beside it; assignment.json there may name allowed imports and limits.
    timeout : seconds a cell may run, instead of what the assignment says.
    """
    cells = [cell for cell in read(master)["cells"] if cell["cell_type"] == "code"]
    declared = json.loads(files.get("assignment.json", b"{}"))
    limits = Limits.from_dict(declared.get("limits", {}))
    if timeout is not None:
        limits = dataclasses.replace(limits, cell=timeout, wall=max(limits.wall, 2 * timeout))
    allowed = declared.get("imports")
    answers = [cell["source"] for cell in cells if is_solution(cell)]
    return Blueprint(
        files=dict(files),
        limits=limits,
        seed=seed,
        imports=allowed,
        stubs=frozenset().union(*map(bound_names, answers)),
        classes=frozenset().union(*(class_names(c["source"]) for c in cells if not is_test(c))),
        flavour=imports.flavour(allowed),
        tests={c["metadata"]["nbgrader"]["grade_id"]: c["source"] for c in cells if is_test(c)},
    )


def read(content):
    """A notebook that we wrote ourselves, from bytes: not checked again."""
    return nbformat.v4.reads(content.decode())


def is_test(cell):
    """Whether a cell holds tests: graded, and not answered in."""
    return cell["cell_type"] == "code" and is_grade(cell) and not is_solution(cell)


def bound_names(code):
    """The names that a cell binds: functions, classes, variables and modules."""
    found = set()
    waiting = list(_parse(code).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.asname or alias.name.partition(".")[0] for alias in node.names}
            found |= names - {"*"}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp
                            | ast.GeneratorExp):  # fmt: skip
            waiting += ast.iter_child_nodes(node)
    return found


def class_names(code):
    """The names of the classes that a cell defines, also inside functions."""
    found = set()
    for node in ast.walk(_parse(code)):
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            maker = node.value.func
            name = maker.attr if isinstance(maker, ast.Attribute) else getattr(maker, "id", "")
            if name in _MAKERS:
                found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def _parse(code):
    """The syntax tree of a cell, magics read as IPython reads them; empty if it is no Python."""
    try:
        return ast.parse(TransformerManager().transform_cell(code))
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])
