"""Release: the same bytes each time, no solution text, and a check that sees every difference."""

import json
import os
import subprocess
import sys

import nbformat
import pytest

from autograder import checks, expected, leaks, release, source
from autograder.errors import AssignmentError
from autograder.misconceptions import load_alternatives, load_misconceptions
from tests.grader import made_up


@pytest.fixture
def own(tmp_path, project):
    """A copy of the released project that a test may damage."""
    made_up.write_project(tmp_path)
    folder = tmp_path / "exercises" / "tiny"
    folder.mkdir(parents=True)
    for path in (project / "exercises" / "tiny").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_the_release_has_stubs_visible_tests_and_no_solution(notebook):
    cells = {cell.id: cell.source for cell in nbformat.read(notebook, as_version=4).cells}
    assert "raise NotImplementedError()" in cells["solution-double"]
    assert cells["test-double"].strip() == 'check("double", double)'
    assert cells["manual-why"] == "YOUR ANSWER HERE"
    text = notebook.read_text()
    for secret in ("answer_of_double", "x_hidden", "HIDDEN", "never negative", "inputs ="):
        assert secret not in text
    assert nbformat.read(notebook, as_version=4).metadata.kernelspec.name == "python3"


def test_another_process_with_another_hash_seed_writes_the_same_bytes(project, tmp_path):
    made_up.write_project(tmp_path)
    command = [sys.executable, "-m", "autograder", "release", "--root", str(tmp_path)]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONHASHSEED": "7"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for file in ("tiny.ipynb", "assignment.json"):
        first = project / "exercises" / "tiny" / file
        second = tmp_path / "exercises" / "tiny" / file
        assert first.read_bytes() == second.read_bytes()
    assert sorted(p.name for p in (tmp_path / "exercises").rglob("*")) == [
        "assignment.json", "tiny", "tiny.ipynb",
    ]  # fmt: skip


def test_check_accepts_what_is_up_to_date_and_ignores_checkpoints(own, built):
    (own / "exercises" / "tiny" / ".ipynb_checkpoints").mkdir()
    (own / "exercises" / "tiny" / ".ipynb_checkpoints" / "x.ipynb").write_text("answer_of_double")
    assert release.check(own) == []


def test_check_shows_an_edit_and_leaves_it(own, built):
    path = own / "exercises" / "tiny" / "tiny.ipynb"
    path.write_bytes(path.read_bytes().replace(b"every entry doubled", b"every entry halved"))
    before = path.read_bytes()
    [problem] = release.check(own)
    assert problem.startswith("exercises/tiny/tiny.ipynb differs from its source.")
    assert "every entry halved" in problem and "every entry doubled" in problem
    assert path.read_bytes() == before


def test_check_finds_a_missing_file_and_orphans_and_write_mends_them(own, built):
    (own / "exercises" / "tiny" / "assignment.json").unlink()
    (own / "exercises" / "tiny" / "old.csv").write_text("1")
    (own / "exercises" / "gone").mkdir()
    (own / "exercises" / "gone" / "gone.ipynb").write_text("{}")
    problems = release.check(own)
    assert [problem.split(" ")[0] for problem in problems] == [
        "exercises/tiny/assignment.json", "exercises/tiny/old.csv", "exercises/gone",
    ]  # fmt: skip
    assert "missing" in problems[0] and "orphan" in problems[1] and "orphan" in problems[2]
    changed = release.write(own)
    assert [path.name for path in changed] == ["assignment.json", "old.csv", "gone"]
    assert release.check(own) == []
    assert release.write(own) == []


def test_a_named_release_leaves_other_assignments_alone(own, built):
    (own / "exercises" / "another").mkdir()
    assert release.write(own, ["tiny"]) == []
    assert (own / "exercises" / "another").is_dir()


@pytest.mark.parametrize(
    "secret",
    [
        "answer_of_double = 2 * np.asarray(x)",
        "x_hidden = fresh_rng().normal(size=(4, 3))",
        "A square of a real number is never negative.",
        "return np.asarray(x) ** 2",
    ],
    ids=["solution", "hidden test", "model answer", "misconception"],
)
def test_check_finds_solution_text(own, built, secret):
    path = own / "exercises" / "tiny" / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[3].source += f"\n    {secret}"
    nbformat.write(notebook, path)
    assert any(f"contains solution text: {secret!r}" in text for text in release.check(own))


def test_a_solution_shown_in_the_text_is_no_leak_but_one_outside_its_region_is(tmp_path):
    shown = made_up.SOURCE.replace("# ## 2. Root", "# ## 2. Root\n# return answer_of_double")
    root = made_up.write_project(tmp_path, shown)
    secrets = leaks.secrets(source.read(root / "solutions" / "tiny" / "tiny.py"))
    assert "return answer_of_double" not in secrets
    assert "answer_of_double = 2 * np.asarray(x)" in secrets


def test_building_refuses_a_leak(project, monkeypatch):
    monkeypatch.setattr(release.expected, "build", lambda path: b"{}")
    monkeypatch.setattr(release.leaks, "secrets", lambda assignment: ["every entry doubled"])
    with pytest.raises(AssignmentError, match=r"tiny.ipynb of the release would contain solution"):
        release.build(project, "tiny")


def test_build_runs_the_source_and_reports_its_errors(tmp_path):
    broken = made_up.SOURCE.replace("import numpy as np\n", "import numpy as np\nno_such_name\n", 1)
    root = made_up.write_project(tmp_path, broken)
    path = root / "solutions" / "tiny" / "tiny.py"
    line = broken.split("\n").index("# %%") + 1
    with pytest.raises(AssignmentError, match=f"tiny.py:{line}: the cell raised NameError"):
        expected.build(path)


@pytest.fixture
def describe(tmp_path, monkeypatch, capsys):
    """Run a source here rather than in a process of its own, which takes a second each."""
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setattr(checks, "check", checks.check)  # the run replaces it
    yield lambda folder: expected.describe(source.read(folder / "tiny.py"))
    InteractiveShell.clear_instance()


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


BAD = [
    ({"tiny": ("4.0, shift=5.0)", "4.0, shift=len)")}, "cannot be stored"),
    ({"tiny": ('"negative", -1.0, raises=ValueError', '"negative", -1.0')}, "the solution raised"),
    ({"tiny": ('"four", 4.0', '"four", 4.0, raises=ValueError')}, "did not raise ValueError"),
    (
        {
            "tiny": (
                "    answer_of_double = 2",
                "    x *= 2\n    return x\n    answer_of_double = 2",
            )
        },
        "in place",
    ),
    ({"tiny": ('check("root", root)', "root(1.0)")}, r"no test cell calls check\('root'"),
    ({"misconceptions": ("np.asarray(x) ** 2", "x + x")}, "squared is right in all visible cases"),
    (
        {"misconceptions": ("    x *= 2\n    return x", "    return x**2")},
        "squared and in_place do",
    ),
    ({"misconceptions": ('@misconception("root")', '@misconception("why")')}, "has no inputs"),
    ({"misconceptions": ("import numpy as np", "import no_such_module")}, "cannot be imported"),
    ({"misconceptions": ('"""Add `shift` before you take the root."""', "")}, "no docstring"),
    ({"alternatives": ("x + x", "x + 1")}, "alternative added is wrong in case 'a vector'"),
]


@pytest.mark.parametrize(("edits", "message"), BAD)
def test_an_assignment_that_contradicts_itself_is_refused(tmp_path, describe, edits, message):
    folder = made_up.write_project(tmp_path) / "solutions" / "tiny"
    for name, (old, new) in edits.items():
        edit(folder / f"{name}.py", old, new)
    with pytest.raises(AssignmentError, match=message):
        describe(folder)


def test_a_misconception_takes_the_place_of_a_class(tmp_path, describe):
    folder = made_up.write_project(tmp_path) / "solutions" / "tiny"
    given = "class double:\n    factor = 2\n\n\ndef unused(x):"
    edit(folder / "tiny.py", "def double(x):", given)
    edit(
        folder / "tiny.py",
        'check("double", double)',
        'def use(x):\n    return double().factor * x\n\n\ncheck("double", use)',
    )
    edit(folder / "tiny.py", "assert double(", "assert unused(")
    wrong = '''
from autograder.misconceptions import misconception


@misconception("double")
class tripled:
    """Three is not two."""

    factor = 3
'''
    (folder / "misconceptions.py").write_text(wrong)
    (folder / "alternatives.py").unlink()
    [found] = describe(folder)["tasks"]["double"]["misconceptions"]
    assert (found["name"], found["hint"]) == ("tripled", "Three is not two.")
    assert found["outcomes"][0]["returns"]["array"] == [3.0, 6.0, 9.0]


def test_misconceptions_and_alternatives_are_loaded_in_order(project):
    folder = project / "solutions" / "tiny"
    assert [(m.task, m.name) for m in load_misconceptions(folder)] == [
        ("double", "squared"), ("double", "in_place"), ("root", "shift_forgotten"),
    ]  # fmt: skip
    assert load_misconceptions(folder)[0].hint.startswith("You square each entry. Doubling adds")
    assert [a.name for a in load_alternatives(folder)] == ["added"]
    assert load_alternatives(project) == []


def test_json_keeps_the_order_of_tasks(project):
    data = json.loads((project / "exercises" / "tiny" / "assignment.json").read_bytes())
    assert list(data["tasks"]) == ["double", "root", "why"]


def test_the_instructors_files_are_kept_until_something_they_are_made_from_changes(
    own, instructors_files, monkeypatch
):
    ran = []
    monkeypatch.setattr(release, "master", lambda *named: ran.append(named) or instructors_files)
    for _ in range(2):
        assert release.kept_master(own, "tiny") == instructors_files
    assert len(ran) == 1
    (own / "solutions" / "tiny" / "misconceptions.py").write_text("# none")
    release.kept_master(own, "tiny")
    assert len(ran) == 2
    (own / "book" / "x").mkdir(parents=True)
    (own / "book" / "x" / "reference.py").write_text("a = 1")
    release.kept_master(own, "tiny")
    assert len(ran) == 3
    (own / "build" / "masters" / "tiny.json").write_text("[]")
    assert release.kept_master(own, "tiny") == instructors_files
    assert len(ran) == 4


def test_limits_are_released_if_the_assignment_has_any(tmp_path):
    made_up.write_project(
        tmp_path, made_up.SOURCE.replace("title: Tiny", "title: Tiny\n#   limits: {cell: 90}")
    )
    made = json.loads(release.master(tmp_path, "tiny")["assignment.json"])
    assert list(made) == ["title", "imports", "limits", "tasks"]
    assert made["limits"] == {"cell": 90}
