"""The commands, as a user types them."""

import json

import nbformat
import pytest
from typer.testing import CliRunner

from autograder import cli, pool, sandbox
from tests.grader import fakes, made_up


@pytest.fixture
def run(monkeypatch):
    """Run a command; returns exit status and all that it printed."""
    monkeypatch.setattr(cli.out, "_width", 200)

    def run(*arguments):
        result = CliRunner().invoke(cli.app, [str(a) for a in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    return run


def test_help_gives_an_example_of_each_command(run):
    for command in ("release", "solved", "grade", "validate", "doctor"):
        status, text = run(command, "--help")
        assert status == 0 and f"autograder {command}" in text.split("Usage")[1][20:]


def test_help_documents_the_exit_codes(run):
    for arguments in ([], ["grade"]):
        _, text = run(*arguments, "--help")
        told = " ".join(text.split())
        for status in ("0 all", "1 some", "2 wrong use", "130 stopped with"):
            assert f"{status}" in told


GRADE = ["grade", "tiny", "--submissions", "in", "--output", "y"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["release", "none"], "There is no assignment 'none'. Known: tiny"),
        (["solved", "none", "--output", "x"], "There is no assignment 'none'. Known: tiny"),
        (["grade", "none", *GRADE[2:]], "Known: tiny"),
        (["grade", "tiny", "--submissions", "x", "--output", "y"], "no folder of submissions"),
        (["grade", "tiny", "--output", "y"], "Missing option '--submissions'"),
        ([*GRADE, "--workers", "0"], "'--workers'"),
        ([*GRADE, "--executor", "otter"], "expected sandbox or nbgrader, got otter"),
        ([*GRADE, "--db", "mysql://host/name"], "neither sqlite:///FILE nor postgresql://HOST"),
        ([*GRADE, "--db", "postgresql:///x?host=/nowhere"], "cannot be opened"),
        (["validate", "none.ipynb"], "There is no notebook"),
        (["validate", "solutions/tiny/tiny.py"], "is not a notebook"),
        (["release", "--root", "exercises"], "There is no folder solutions/"),
        (["releas"], "No such command"),
    ],
)
def test_wrong_use_exits_with_2_and_a_message(run, project, monkeypatch, arguments, message):
    monkeypatch.chdir(project)
    monkeypatch.setattr(sandbox, "choose", lambda unsafe=False: "none")
    (project / "in").mkdir(exist_ok=True)
    (project / "in" / "anna.ipynb").write_text("")
    status, text = run(*arguments)
    assert status == 2
    assert message in text and "Traceback" not in text
    assert not (project / "y").exists()


def test_the_root_is_found_from_a_folder_below(run, project, built, monkeypatch):
    monkeypatch.chdir(project / "exercises" / "tiny")
    assert run("release", "--check") == (0, "exercises/ is up to date.\n")


def test_release_writes_and_check_fails_on_an_edit(run, built, tmp_path):
    made_up.write_project(tmp_path)
    status, text = run("release", "--root", tmp_path)
    assert status == 0
    assert text.split() == [
        "wrote",
        "exercises/tiny/assignment.json",
        "wrote",
        "exercises/tiny/tiny.ipynb",
    ]
    (tmp_path / "exercises" / "tiny" / "assignment.json").write_text("{}")
    status, text = run("release", "--check", "--root", tmp_path)
    assert status == 1
    assert "exercises/tiny/assignment.json differs from its source." in text


def test_a_bad_source_exits_with_1(run, tmp_path):
    made_up.write_project(tmp_path, made_up.SOURCE.replace(" points=2", "", 1))
    status, text = run("release", "--root", tmp_path)
    assert status == 1 and "tiny.py:47: test='double' needs points=NUMBER" in text


def test_solved_is_executed_and_the_same_each_time(run, project, tmp_path):
    for folder in ("first", "second"):
        status, _ = run("solved", "tiny", "--output", tmp_path / folder, "--root", project)
        assert status == 0
    first, second = (tmp_path / f / "tiny.ipynb" for f in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    cells = {cell.id: cell for cell in nbformat.read(first, as_version=4).cells}
    assert cells["test-double"].outputs[0].text == "double: all 3 visible cases pass.\n"
    assert "x_hidden" in cells["test-double"].source
    assert "answer_of_double" in cells["solution-double"].source
    assert json.loads((tmp_path / "first" / "assignment.json").read_text())["title"] == "Tiny"
    status, text = run("validate", first)
    assert status == 0 and "4 of 4 graded cells are done." in text


def test_a_solution_that_fails_its_own_test_is_refused(run, tmp_path):
    wrong = made_up.SOURCE.replace("2 * x_hidden", "3 * x_hidden")
    made_up.write_project(tmp_path, wrong)
    status, text = run("solved", "tiny", "--output", tmp_path / "out", "--root", tmp_path)
    assert status == 1 and "the solved notebook fails: CheckFailed" in text
    assert not (tmp_path / "out" / "tiny.ipynb").exists()


def test_validate_lists_what_is_not_solved(run, notebook):
    status, text = run("validate", notebook)
    assert status == 1
    assert text.split("\n")[:5] == [
        "✗ double  double: not solved yet. Your code still raises NotImplementedError: replace "
        "that line with your answer.",
        "✗ double-more  not solved yet",
        "✗ root  root: not solved yet. Your code still raises NotImplementedError: replace that "
        "line with your answer.",
        "✗ why  not answered yet",
        "0 of 4 graded cells are done.",
    ]


def test_validate_finds_a_changed_test(run, notebook, project):
    changed = made_up.answered(notebook)
    next(cell for cell in changed.cells if cell.id == "test-root").source = "pass"
    path = project / "exercises" / "tiny" / "mine.ipynb"
    nbformat.write(changed, path)
    try:
        status, text = run("validate", path)
    finally:
        path.unlink()
    assert status == 1 and "✗ root  it was changed" in text


def test_grade_prints_a_table_and_exits_with_1_where_one_could_not_be_graded(
    run, project, notebook, built, tmp_path
):
    folder, output = tmp_path / "in", tmp_path / "out"
    wrong = made_up.answered(notebook, double="def double(x):\n    return x**2")
    made_up.hand_in(folder, "anna", wrong)
    made_up.hand_in(folder, "berta", "{")
    arguments = ["grade", "tiny", "--submissions", folder, "--output", output, "--root", project]
    status, text = run(*arguments)
    assert status == 1
    assert "2 / 8" in text and "squared" in text and "not a notebook" in text
    assert "1 graded now, 0 unchanged" in text and "1 could not be graded" in text
    assert "1 wait for a manual grade" in text
    (folder / "berta" / "tiny" / "tiny.ipynb").unlink()
    (folder / "berta" / "tiny").rmdir()
    (folder / "berta").rmdir()
    status, text = run(*arguments)
    assert status == 0 and "0 graded now, 1 unchanged" in text


@pytest.fixture
def arguments(project, notebook, built, tmp_path, monkeypatch):
    """The arguments of a command that grades two submissions, without running any."""
    monkeypatch.setattr(sandbox, "choose", lambda unsafe=False: "none")
    monkeypatch.setattr(pool, "Pool", type("Pool", (fakes.FakePool,), {}))
    for student in ("anna", "berta"):
        made_up.hand_in(tmp_path / "in", student, made_up.answered(notebook))
    folders = ["--submissions", tmp_path / "in", "--output", tmp_path / "out", "--root", project]
    return ["grade", "tiny", *folders]


def test_ctrl_c_says_that_the_next_run_goes_on_and_exits_with_130(run, arguments):
    def stop(job):
        if job.student == "berta":
            raise KeyboardInterrupt

    pool.Pool.before = staticmethod(stop)
    status, text = run(*arguments)
    assert status == 130
    assert "Stopped. What is done is kept: the same command goes on where it stopped." in text
    pool.Pool.before = fakes.FakePool.before
    status, text = run(*arguments)
    assert status == 0 and "1 graded now, 1 unchanged" in text


def test_the_options_reach_the_pool(run, arguments, monkeypatch):
    made = []

    class Told(fakes.FakePool):
        def __init__(self, *positional, **named):
            made.append((positional, named))

    monkeypatch.setattr(pool, "Pool", Told)
    run(*arguments, "--workers", 3, "--scheduler", "tcp://head:8786")
    assert made == [((3,), {"layer": "none", "scheduler": "tcp://head:8786"})]


def test_without_a_sandbox_it_says_what_to_do_and_exits_with_2(run, arguments, monkeypatch):
    def none_here(unsafe=False):
        raise sandbox.SandboxError("no isolation on this host: do this")

    monkeypatch.setattr(sandbox, "choose", none_here)
    assert run(*arguments) == (2, "no isolation on this host: do this\n")


@pytest.mark.parametrize("works", [True, False])
def test_doctor_prints_the_checks_and_exits_with_1_where_there_is_no_sandbox(
    run, monkeypatch, works
):
    checks = [
        sandbox.Check("namespaces", works, "seen [a]", "allow them: sysctl -w x=1"),
        sandbox.Check("landlock", True, "version 7", "not needed"),
    ]

    def choose(unsafe=False):
        if works:
            return "namespaces"
        raise sandbox.SandboxError("nothing works here")

    monkeypatch.setattr(sandbox, "doctor", lambda: checks)
    monkeypatch.setattr(sandbox, "choose", choose)
    status, text = run("doctor")
    assert status == (0 if works else 1)
    assert "seen [a]" in text and "version 7" in text and "not needed" not in text
    assert ("allow them: sysctl -w x=1" in text) == (not works)
    assert ("made of namespaces" if works else "nothing works here") in text
