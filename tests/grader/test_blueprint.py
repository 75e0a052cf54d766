"""What all jobs of an assignment share: names, limits, and the tests put back."""

import json

import nbformat
import pytest

from autograder import blueprint
from autograder.sandbox import Limits
from tests.grader import made_up


@pytest.fixture
def make(instructors_files):
    """The Blueprint of the made-up assignment, with other entries in its assignment.json."""

    def make(timeout=None, **entries):
        declared = json.loads(instructors_files["assignment.json"]) | entries
        files = {"assignment.json": json.dumps(declared).encode(), "data.csv": b"1,2\n"}
        return blueprint.blueprint(instructors_files["tiny.ipynb"], files, seed=3, timeout=timeout)

    return make


def test_a_job_has_the_hidden_tests_and_all_else_of_the_submission(make, notebook):
    submitted = made_up.answered(notebook)
    plan = make()
    job = plan.job("anna", plan.notebook(nbformat.writes(submitted).encode()))
    sources = {cell["id"]: cell["source"] for cell in job.notebook["cells"]}
    assert "x_hidden" in sources["test-double"]
    assert "x_hidden" not in {c.id: c.source for c in submitted.cells}["test-double"]
    assert sources["solution-double"] == made_up.DOUBLE
    assert (job.student, job.seed, job.files["data.csv"]) == ("anna", 3, b"1,2\n")
    assert job.imports == ["numpy", "os", "sys", "autograder.checks"]
    assert type(job).from_json(job.to_json()) == job


def test_limits_are_those_of_the_assignment(make):
    assert make().limits == Limits()
    assert make(limits={"memory": "1 GB", "cell": 90}).limits == Limits(memory=10**9, cell=90)
    assert make(limits={"cell": 90}, timeout=5).limits.cell == 5
    assert make(timeout=1000).limits.wall >= 1000


@pytest.mark.parametrize(
    ("imports", "flavour"),
    [
        (["numpy"], "numpy"),
        (["numpy", "torch"], "torch"),
        (["torchaudio"], "numpy"),
        (None, "torch"),
    ],
)
def test_only_where_torch_may_be_imported_is_it_there(make, imports, flavour):
    assert make(imports=imports).flavour == flavour


def test_stubs_and_classes_are_those_of_answer_cells(make):
    plan = make()
    assert plan.stubs == {"double", "root"}
    assert plan.classes == frozenset()


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("def f(x):\n    y = 1", {"f"}),
        ("async def f(): pass", {"f"}),
        ("class A(B):\n    c = 1", {"A"}),
        ("a, (b, *c) = 1, (2, 3)", {"a", "b", "c"}),
        ("a: int = 1\nb += 1", {"a", "b"}),
        ("import x.y, z as w\nfrom q import r, s as t\nfrom u import *", {"x", "w", "r", "t"}),
        ("if c:\n    a = 1\nelse:\n    def b(): pass", {"a", "b"}),
        ("for i in x:\n    with y as z:\n        pass", {"i", "z"}),
        ("[a for a in b]; lambda d: d", set()),
        ("(a := 1)", {"a"}),
        ("x.y = 1; x[0] = 2", set()),
        ("%matplotlib inline\na = 1", {"a"}),
        ("not python", set()),
    ],
)
def test_bound_names(code, names):
    assert blueprint.bound_names(code) == names


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("class A: pass", {"A"}),
        ("def f():\n    class B: pass", {"B"}),
        ("from collections import namedtuple\nP = namedtuple('P', 'x y')", {"P"}),
        ("import enum\nC = enum.Enum('C', 'red blue')", {"C"}),
        ("x = list()", set()),
        ("class", set()),
    ],
)
def test_class_names(code, names):
    assert blueprint.class_names(code) == names
