"""The real assignments, graded as the README says: a folder of submissions, a table of grades."""

import ast
import csv
import subprocess
import sys

import nbformat

from tests.exercises.bench import ROOT, environment, known_answers, read, release


def filled(name, answer_of):
    """The release with each solution cell replaced by `answer_of(task id)`, where that is text."""
    notebook = release(name)
    for cell in notebook.cells:
        task = cell.metadata.get("nbgrader", {}).get("grade_id", "").removeprefix("solution-")
        if (answer := answer_of(task)) is not None:
            cell.source = answer
    return notebook


def solution_of(name):
    sources = {cell.id: cell.source for cell in read(name).cells if cell.mark == "solution"}
    return sources.get


def first_mistakes(name):
    """Task -> one known mistake each, the first of its list."""
    found = {}
    for mistake in known_answers(name)[0]:
        found.setdefault(mistake.task, mistake)
    return found


def as_answer(name, mistake):
    """A known mistake as a student would have written it, with what its file keeps beside it."""
    tree = ast.parse((ROOT / "solutions" / name / "misconceptions.py").read_text(encoding="utf-8"))
    needed = [
        node
        for node in tree.body
        if not ("autograder" in ast.unparse(node) or getattr(node, "decorator_list", []))
        or getattr(node, "name", None) == mistake.name
    ]
    for node in needed:
        if getattr(node, "name", None) == mistake.name:
            node.decorator_list = []
    code = "\n\n\n".join(map(ast.unparse, needed))
    return f"{code}\n\n\n{mistake.task} = {mistake.name}"


def test_solved_released_and_mistaken_notebooks_get_what_they_deserve(assignment, tmp_path):
    mistakes = first_mistakes(assignment)
    wrong = {task: as_answer(assignment, mistake) for task, mistake in mistakes.items()}
    submissions = {
        "solved": filled(assignment, solution_of(assignment)),
        "untouched": release(assignment),
        "mistaken": filled(assignment, wrong.get),
    }
    for student, notebook in submissions.items():
        (tmp_path / "in" / student).mkdir(parents=True)
        nbformat.write(notebook, tmp_path / "in" / student / f"{assignment}.ipynb")
    command = ["grade", assignment, "--submissions", tmp_path / "in", "--output", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-m", "autograder", *map(str, command), "--seed", "1"],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with open(tmp_path / "out" / "grades.csv", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}

    tasks = read(assignment).tasks.values()
    automatic = sum(task.points for task in tasks if not task.manual)
    assert float(rows["solved"]["total"]) == automatic
    assert float(rows["untouched"]["total"]) == 0
    assert float(rows["mistaken"]["total"]) == 0
    named = rows["mistaken"]["misconceptions"]
    for task, mistake in mistakes.items():
        assert f"{task}: {mistake.name}" in named, (task, named)
    pages = {path.parent.parent.name for path in tmp_path.rglob("feedback/*/*/*.html")}
    assert pages == set(submissions)
