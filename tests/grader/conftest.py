"""One made-up project, released once, and one graded folder of submissions for all tests."""

import os
import uuid
from types import SimpleNamespace

import nbformat
import pytest

from autograder import course, release
from autograder.grade import grade
from tests.grader import made_up, postgres


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A project with one assignment, released; tests leave it as it is."""
    root = made_up.write_project(tmp_path_factory.mktemp("project"))
    release.write(root)
    return root


@pytest.fixture(scope="session")
def notebook(project):
    """The path of the release notebook."""
    return project / "exercises" / "tiny" / "tiny.ipynb"


@pytest.fixture(scope="session")
def instructors_files(project):
    return release.master(project, "tiny")


@pytest.fixture(scope="session")
def generated(instructors_files, tmp_path_factory):
    """An nbgrader course whose assignment is generated; to be copied."""
    root = tmp_path_factory.mktemp("generated")
    course.generate(root, "tiny", instructors_files)
    return root


@pytest.fixture
def built(project, instructors_files, monkeypatch):
    """Do not run the source again, which takes seconds: it makes what it made before."""
    files = {p.name: p.read_bytes() for p in (project / "exercises" / "tiny").iterdir()}
    monkeypatch.setattr(release, "build", lambda root, name: files)
    monkeypatch.setattr(release, "master", lambda root, name: instructors_files)


@pytest.fixture(scope="session")
def graded(project, notebook, tmp_path_factory):
    """A folder of many kinds of submissions after one run, with the Result and its rows by name."""
    folder, output = tmp_path_factory.mktemp("handed_in"), tmp_path_factory.mktemp("grades")
    for student, content in submissions(notebook).items():
        made_up.hand_in(folder, student, content)
    (folder / "nobody").mkdir()
    (folder / "notes.txt").write_text("not a submission")
    (folder / "full" / "tiny" / "assignment.json").write_text('{"tasks": {}, "imports": []}')
    nbformat.write(made_up.answered(notebook), folder / "flat.ipynb")
    result = grade(project, "tiny", folder, output, seed=11)
    rows = {row.student: row for row in result.rows}
    return SimpleNamespace(result=result, rows=rows, folder=folder, output=output, root=project)


def submissions(notebook):
    """What each student hands in; the name says what is special about it."""
    answered = made_up.answered
    loud = "import sys\n\ndef double(x):\n    print('50 %', file=sys.stderr)\n    return x + x"
    no_test = answered(notebook, double="def double(x):\n    return x")
    no_test.cells = [cell for cell in no_test.cells if cell.id != "test-double"]
    emptied = answered(notebook, double="def double(x):\n    return x")
    for cell in emptied.cells:
        if cell.id.startswith("test-double"):
            cell.source, cell.metadata.tags = "", ["skip-execution"]
            cell.cell_type = "code"
    another = nbformat.read(notebook, as_version=4)
    for cell in another.cells:
        cell.metadata.nbgrader.grade_id = f"other-{cell.id}"
    return {
        "full": answered(notebook),
        "untouched": nbformat.read(notebook, as_version=4),
        "squares": answered(notebook, double="def double(x):\n    return x**2"),
        "in_place": answered(notebook, double="def double(x):\n    x *= 2\n    return x"),
        "stderr": answered(notebook, double=loud),
        "imports": answered(notebook, root=f"import scipy.special\n\n{made_up.ROOT}"),
        "dies": answered(notebook, root="import os\n\nos._exit(1)"),
        "no_test": no_test,
        "emptied": emptied,
        "corrupt": "{ this is not JSON",
        "another": another,
    }


@pytest.fixture(scope="session")
def postgres_server():
    """A function that makes an empty database on a real PostgreSQL server and returns its URL."""
    if postgres.programs() is None:
        message = "PostgreSQL is not installed (apt install postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{message}, and CI must not skip this")
        pytest.skip(message)
    with postgres.server() as make:
        yield make


@pytest.fixture
def postgresql(postgres_server):
    """The URL of an empty database on a real PostgreSQL server."""
    return postgres_server(f"test_{uuid.uuid4().hex}")
