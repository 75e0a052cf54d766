"""nbgrader's own tools on a course that we graded, and nbgrader grading with our executor."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.utils import notebook_hash

from autograder import course, pool, sandbox
from autograder.grade import grade
from tests.grader import fakes, made_up

STAMPS = {"anna": "2026-01-05 10:00:00 UTC", "berta": "2026-01-06 10:00:00 UTC"}


@pytest.fixture
def graded_course(built, project, notebook, tmp_path, monkeypatch):
    """An nbgrader course with two graded submissions, one all right, and an exchange."""
    monkeypatch.setattr(pool, "Pool", fakes.FakePool)
    monkeypatch.setattr(sandbox, "choose", lambda unsafe=False: "none")
    for student, stamp in STAMPS.items():
        double = "wrong = 1" if student == "berta" else made_up.DOUBLE
        path = made_up.hand_in(tmp_path / "in", student, made_up.answered(notebook, double))
        path.with_name("timestamp.txt").write_text(stamp)
        path.with_name("submission_secret.txt").write_text(f"secret of {student}")
    (tmp_path / "exchange").mkdir(mode=0o777)
    (tmp_path / "exchange").chmod(0o777)
    root = tmp_path / "out" / "course"
    root.mkdir(parents=True)
    (tmp_path / "out" / "state.json").write_text("")  # a folder of ours, before its first run
    (root / course.OWN_CONFIG).write_text(
        "c = get_config()\n"
        "c.CourseDirectory.course_id = 'dl101'\n"
        f"c.Exchange.root = {str(tmp_path / 'exchange')!r}\n"
    )
    grade(project, "tiny", tmp_path / "in", tmp_path / "out", seed=1)
    return root


def nbgrader(root, *arguments):
    """Run the command as an instructor does, in the course's folder; returns what it printed."""
    command = [Path(sys.executable).parent / "nbgrader", *arguments]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_formgrader_finds_all_submissions_graded(graded_course):
    with course.nbgrader(course.configuration(graded_course)) as api:
        assert api.get_submitted_students("tiny") == {"anna", "berta"}
        assert api.get_autograded_students("tiny") == {"anna", "berta"}
        found = {s["student"]: s for s in api.get_submissions("tiny")}
        assert {student: s["score"] for student, s in found.items()} == {"anna": 5, "berta": 2}
        assert all(s["autograded"] and s["needs_manual_grade"] for s in found.values())
        [notebook] = api.get_notebooks("tiny")
        assert (notebook["num_submissions"], notebook["max_score"]) == (2, 8)
        [wrong] = api.get_student_notebook_submissions("berta", "tiny")
        assert (wrong["failed_tests"], wrong["score"]) == (True, 2)
        assert api.get_assignment("tiny")["num_submissions"] == 2


def test_formgrader_shows_a_notebook_of_ours_without_letting_it_act(graded_course):
    """As formgrader does it: its template and its exporter, with the course's configuration."""
    from nbconvert.exporters import HTMLExporter
    from nbgrader.server_extensions.formgrader import handlers

    path = graded_course / "autograded" / "anna" / "tiny" / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].outputs = [
        nbformat.v4.new_output(
            "display_data", {"text/html": "<b>bold</b><script>alert(1)</script>"}
        )
    ]
    notebook.cells[0].source += "\n\n<img src=x onerror=alert(2)>"
    config = course.configuration(graded_course)
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    resources = {
        "base_url": "", "course_dir": "", "mathjax_url": "", "index": 0, "total": 1,
        "assignment_id": "tiny", "notebook_id": "tiny", "submission_id": "x", "student": "anna",
        "last_name": None, "first_name": None, "notebook_path": "", "keyword_args": "",
    }  # fmt: skip
    page, _ = HTMLExporter(config=config).from_notebook_node(notebook, resources=resources)
    assert "<b>bold</b>" in page and "double" in page
    assert "<script>alert(1)" not in page and "onerror=alert(2)" not in page.replace("&lt;img", "")


def test_nbgrader_exports_the_grades(graded_course):
    nbgrader(graded_course, "export")
    with open(graded_course / "grades.csv", newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert {student: float(row["score"]) for student, row in rows.items()} == {
        "anna": 5, "berta": 2
    }  # fmt: skip
    assert rows["anna"]["timestamp"] == "2026-01-05 10:00:00"


def test_nbgrader_writes_its_own_feedback_without_hidden_tests(graded_course):
    shutil.rmtree(graded_course / "feedback")
    nbgrader(graded_course, "generate_feedback", "tiny")
    page = (graded_course / "feedback" / "berta" / "tiny" / "tiny.html").read_text()
    assert "(Score: 2.0 / 8.0)" in page
    assert "x_hidden" not in page


def test_nbgrader_releases_our_feedback(graded_course, tmp_path):
    """Under names that only the student's own copy of the submission leads to."""
    nbgrader(graded_course, "release_feedback", "tiny")
    for student in STAMPS:
        page = graded_course / "feedback" / student / "tiny" / "tiny.html"
        name = notebook_hash(secret=f"secret of {student}", notebook_id="tiny")
        released = tmp_path / "exchange" / "dl101" / "feedback" / f"{name}.html"
        assert released.read_bytes() == page.read_bytes()


@pytest.mark.slow
def test_nbgraders_own_tests_of_autograding_pass_with_our_executor(tmp_path):
    """All of them, as nbgrader ships them; 16 fail with an executor that does nothing."""
    lines = f"c = get_config()\nc.Autograde.autograde_preprocessors = {course.AUTOGRADE}\n"
    (tmp_path / "nbgrader_config.py").write_text(lines)
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    suite = "nbgrader.tests.apps.test_nbgrader_autograde"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", suite]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "40 passed, 2 skipped" in done.stdout, done.stdout[-5000:]
