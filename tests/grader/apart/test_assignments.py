"""Whole assignments with their tests apart: full points for solutions, none for anything else."""

import ast
import json
import shutil
from pathlib import Path

import pytest

from autograder import convert, source
from autograder.jobs import Job
from autograder.misconceptions import load_alternatives, load_misconceptions
from autograder.proctor import run
from tests.grader.apart.harness import Students

ROOT = Path(__file__).resolve().parents[3]
FOLDER, RELEASE = ROOT / "solutions/activations", ROOT / "exercises/activations"
DIGITS = """
def swish_digits(x_train, y_train, x_test):
    return learn_digits(lambda: ChannelSwish(32), x_train, y_train, x_test)
"""


@pytest.fixture(autouse=True)
def _beside_the_notebook(tmp_path, monkeypatch):
    shutil.copy(RELEASE / "assignment.json", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")


def solved():
    """The notebook with solutions, as a dict; its pictures take time and bind nothing."""
    notebook = json.loads(json.dumps(convert.convert(source.read(FOLDER / "activations.py"))))
    cells = notebook["cells"]
    notebook["cells"] = [cell for cell in cells if not cell["source"].startswith("@picture")]
    return notebook


def released():
    notebook = solved()
    stubs = {c["id"]: "".join(c["source"]) for c in json.loads(
        (RELEASE / "activations.ipynb").read_text())["cells"]}  # fmt: skip
    for cell in notebook["cells"]:
        if cell["metadata"]["nbgrader"]["solution"]:
            cell["source"] = stubs[cell["id"]]
    return notebook


def answered(answers, file):
    """The solved notebook with other answers in it: task -> name of a function of the file."""
    code = "\n".join(
        line
        for line in (FOLDER / file).read_text().split("\n")
        if not line.startswith("@") and "autograder.misconceptions" not in line
    )
    notebook = solved()
    for cell in notebook["cells"]:
        task = cell["id"].removeprefix("solution-")
        if task in answers and cell["metadata"]["nbgrader"]["solution"]:
            more = DIGITS if task == "ChannelSwish" else ""
            cell["source"] = f"{code}\n\n{task} = {answers[task]}\n{more}"
    return notebook


def grade(notebook, **options):
    stubs = {
        node.name
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and cell["metadata"]["nbgrader"]["solution"]
        for node in ast.parse("".join(cell["source"])).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    } | {"collapse", "sigmoid_and_tanh", "leaky_relu6", "softmax", "softmax_gradients",
         "swish_gradients", "dead_units", "ChannelSwish", "swish_digits"}  # fmt: skip
    imports = json.loads((RELEASE / "assignment.json").read_text())["imports"]
    job = Job("anna", notebook, seed=5, imports=imports, stubs=frozenset(stubs),
              classes=frozenset({"ChannelSwish"}))  # fmt: skip
    with Students(**options) as spawn:
        return run(job, spawn)


def rounds(answers):
    """Answers in rounds with at most one to each task: {task: Answer}."""
    tasks = {}
    for answer in answers:
        tasks.setdefault(answer.task, []).append(answer)
    longest = max(map(len, tasks.values()))
    return [{t: a[i] for t, a in tasks.items() if i < len(a)} for i in range(longest)]


def interactive():
    from IPython.core.interactiveshell import InteractiveShell

    from autograder.student.shell import Shell

    InteractiveShell.clear_instance()
    return Shell(2**20)


def test_the_solution_has_full_points():
    result = grade(solved(), make_shell=interactive)
    assert {
        name: found.message for name, found in result.verdicts.items() if not found.passed
    } == {}
    assert len(result.verdicts) == 9
    assert result.outputs["test-collapse"] == [
        {"output_type": "stream", "name": "stdout", "text": "collapse: all 4 visible cases pass.\n"}
    ]
    kinds = {o["output_type"] for cell in result.outputs.values() for o in cell}
    assert kinds == {"stream"}


def test_the_release_has_none():
    result = grade(released())
    assert not any(found.passed for found in result.verdicts.values())
    assert all("not solved yet" in found.message for name, found in result.verdicts.items())


@pytest.mark.parametrize("answers", rounds(load_misconceptions(FOLDER)))
def test_misconceptions_are_named(answers):
    notebook = answered({task: each.name for task, each in answers.items()}, "misconceptions.py")
    notebook["cells"] = [cell for cell in notebook["cells"] if not cell["id"].endswith("-digits")]
    result = grade(notebook)
    for task, answer in answers.items():
        found = result.verdicts[f"test-{task}"]
        assert not found.passed
        assert f"\nKnown mistake: {answer.name}. {answer.hint}" in found.message


@pytest.mark.parametrize("answers", rounds(load_alternatives(FOLDER)))
def test_other_right_answers_have_full_points(answers):
    notebook = answered({task: each.name for task, each in answers.items()}, "alternatives.py")
    result = grade(notebook)
    assert {n: found.message for n, found in result.verdicts.items() if not found.passed} == {}
