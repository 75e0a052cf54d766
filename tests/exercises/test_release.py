"""The release in real kernels: it is fresh, Validate finds it unsolved, and a solved one passes."""

import json
import shutil
import subprocess
import sys

import nbformat
import pytest

from tests.exercises.bench import ROOT, environment, read

VALIDATE = """
import json, sys
from nbgrader.validator import Validator
print("RESULTS" + json.dumps(Validator().validate(sys.argv[1])))
"""


def run(folder, *command, cwd=None):
    """A Python process that leaves its traces in `folder`."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd or folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=600,
    )


def validate(folder, notebook):
    """What nbgrader's validator finds, from its return value: its exit status says nothing."""
    done = run(folder, "-c", VALIDATE, str(notebook))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.rpartition("RESULTS")[2])


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """The solved notebook of an assignment, executed once for all tests here."""
    written = {}

    def write(assignment):
        if assignment not in written:
            folder = tmp_path_factory.mktemp(assignment)
            command = ("-m", "autograder", "solved", assignment, "--output", str(folder))
            done = run(folder, *command, cwd=ROOT)
            assert done.returncode == 0, done.stdout + done.stderr
            written[assignment] = folder / f"{assignment}.ipynb"
        return written[assignment]

    return write


def test_the_stored_release_is_what_the_source_makes(tmp_path):
    done = run(tmp_path, "-m", "autograder", "release", "--check", cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_validate_finds_every_task_of_the_release_unsolved(assignment, tmp_path):
    shutil.copytree(ROOT / "exercises" / assignment, tmp_path / assignment)
    results = validate(tmp_path, tmp_path / assignment / f"{assignment}.ipynb")
    assert set(results) == {"failed"}
    errors = [failed["raw_error"] for failed in results["failed"]]
    unsolved = [e for e in errors if "not solved yet" in e or "NotImplementedError" in e]
    unanswered = [e for e in errors if "did not provide a response" in e]
    assert len(unsolved) == len(read(assignment).marked("test"))
    assert len(unanswered) == len(read(assignment).marked("manual"))
    assert len(errors) == len(unsolved) + len(unanswered)


def test_validate_passes_the_solved_notebook(assignment, solved):
    notebook = solved(assignment)
    assert validate(notebook.parent, notebook) == {}


def test_the_solved_notebook_draws_its_pictures_and_writes_nothing_to_stderr(assignment, solved):
    cells = nbformat.read(solved(assignment), as_version=4).cells
    outputs = {cell.id: cell.get("outputs", []) for cell in cells}
    for cell in cells:
        if cell.source.startswith("@picture"):
            assert any("image/svg+xml" in out.get("data", {}) for out in outputs[cell.id]), cell.id
    stderr = [
        out.text for shown in outputs.values() for out in shown if out.get("name") == "stderr"
    ]
    assert not stderr


def test_the_solved_notebook_gives_the_same_outputs_again(assignment, solved):
    notebook = solved(assignment)
    done = run(
        notebook.parent, "-m", "pytest", "--nbval", "-p", "no:cacheprovider",
        "--nbval-sanitize-with", str(ROOT / "tests" / "nbval.cfg"),
        "--rootdir", str(notebook.parent), notebook.name,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
