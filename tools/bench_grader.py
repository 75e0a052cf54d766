"""`make bench-grader`: our grader beside `nbgrader autograde`, on the same submissions in one run.

The assignment is the one that the attacks of the tests are made against: a softmax, a gradient, and
a small network that PyTorch trains. All submissions are right, so that every test runs to its end.
Both get an assignment that is prepared: nbgrader has generated it, ours has graded one submission.
Then each is a command of its own, timed as a whole, start and imports included; ours also writes
pages of feedback and a table of grades meanwhile, nbgrader's does not. Then ours grades many more,
to see whether its memory grows. Results are stored in `book/benchmarks/grader.json`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, median
from typing import Annotated

import nbformat
import typer
from nbgrader.api import Gradebook
from rich.console import Console
from rich.table import Table

from autograder import course, sandbox
from autograder import release as releasing
from tests.grader.attacks import assignment
from tools.machine import describe, rounded, write_results

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "book" / "benchmarks" / "grader.json"
NAME = assignment.NAME
FIRST = "first"  # the student with whose submission ours prepares the course
LOOK = 0.5  # seconds between two looks at the memory

console = Console(highlight=False)


def main(
    submissions: Annotated[int, typer.Option(help="Submissions that both graders get.")] = 60,
    many: Annotated[int, typer.Option(help="Submissions for the measurement of memory.")] = 1000,
    workers: Annotated[int, typer.Option(help="Submissions that ours runs at a time.")] = 2,
    store: Annotated[bool, typer.Option(help="Write the results into the book.")] = True,
):
    """Time our grader beside nbgrader's, and watch its memory (ten minutes or so)."""
    with tempfile.TemporaryDirectory(prefix="bench-grader-") as scratch:
        scratch = Path(scratch)
        project = scratch / "project"
        project.mkdir()
        assignment.write_project(project)
        release = assignment.release(scratch / "release")
        notebook = assignment.answered(release, assignment.REFERENCE)
        content = nbformat.writes(notebook).encode()
        console.print(f"ours, {submissions} submissions, {workers} at a time …")
        ours = _ours(project, scratch / "few", content, submissions, workers)
        console.print(f"nbgrader, the same {submissions} submissions …")
        stock = _stock(project, scratch / "stock", content, submissions)
        console.print(f"ours, {many} submissions …")
        more = _ours(project, scratch / "many", content, many, workers)
    result = {
        "machine": describe("cpu") | {"threads": 1, "cores": os.cpu_count()},
        "submissions": submissions,
        "many": many,
        "workers": workers,
        "nbgrader": stock,
        "ours": ours,
        "ours, many": more,
        "ratio": rounded(ours["per second"] / stock["per second"], 3),
    }
    if store:
        write_results(RESULTS, result)
    _print(result)


def _ours(project, folder, content, count, workers):
    handed_in, output = folder / "submitted", folder / "grades"
    command = [
        sys.executable, "-m", "autograder", "grade", NAME, "--root", project, "--seed", "1",
        "--submissions", handed_in, "--output", output, "--workers", workers,
    ]  # fmt: skip
    _hand_in(handed_in, [FIRST], content)
    _timed(command, 1)
    _hand_in(handed_in, _students(count), content)
    figures = _timed(command, count)
    _check_grades(output / "course", count + 1)
    graded = output / "course" / "autograded"
    kept = [
        nbformat.read(path, as_version=4).metadata.autograder
        for path in graded.glob(f"*/{NAME}/{NAME}.ipynb")
    ]
    shutil.rmtree(folder)
    return figures | {
        "student's seconds": rounded(median(of.seconds for of in kept), 3),
        "overhead": rounded(mean(of.overhead for of in kept), 3),
        "overhead, median": rounded(median(of.overhead for of in kept), 3),
    }


def _stock(project, folder, content, count):
    """nbgrader's own command, with nothing of ours but the assignment."""
    course.generate(folder, NAME, releasing.master(project, NAME))
    _hand_in(folder / "submitted", _students(count), content)
    (folder / "nbgrader_config.py").write_text(
        'c = get_config()\nc.CourseDirectory.course_id = "bench"\n', encoding="utf-8"
    )
    command = [sys.executable, "-m", "nbgrader", "autograde", NAME, "--create"]
    figures = _timed(command, count, cwd=folder)
    _check_grades(folder, count)
    shutil.rmtree(folder)
    return figures


def _hand_in(folder, students, content):
    for student in students:
        path = folder / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)


def _students(count):
    return [f"student{number:04d}" for number in range(count)]


def _timed(command, count, cwd=ROOT):
    """Run a command; its seconds, and the largest memory of it alone and with all it started."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with tempfile.TemporaryFile() as log:
        start = time.monotonic()
        process = subprocess.Popen(
            list(map(str, command)), cwd=cwd, env=environment, stdout=log, stderr=log
        )
        family = 0
        own = 0
        while process.poll() is None:
            own = _peak(process.pid) or own
            family = max(family, sandbox.memory_of(process.pid))
            time.sleep(LOOK)
        seconds = time.monotonic() - start
        if process.returncode:
            log.seek(0)
            console.print(log.read().decode(errors="replace")[-3000:])
            raise typer.Exit(1)
    return {
        "seconds": rounded(seconds, 3),
        "per second": rounded(count / seconds, 3),
        "supervisor": own,
        "family": family,
    }


def _peak(pid):
    """The largest resident memory (bytes) that a process has had so far."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def _check_grades(root, count):
    """Every submission must have full points, or there is nothing to compare."""
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        scores = [submission.score for submission in gradebook.assignment_submissions(NAME)]
    if scores != [assignment.FULL] * count:
        full = sum(score == assignment.FULL for score in scores)
        console.print(f"expected {count} submissions with full points, got {full} of {len(scores)}")
        raise typer.Exit(1)


def _print(result):
    table = Table(title=f"{result['submissions']} submissions, {result['machine']['name']}")
    for name in ("", "nbgrader", "ours", f"ours, {result['many']}"):
        table.add_column(name, justify="left" if not name else "right")
    columns = result["nbgrader"], result["ours"], result["ours, many"]
    for label, key, unit in (
        ("seconds", "seconds", 1), ("submissions a second", "per second", 1),
        ("the student's own seconds, median", "student's seconds", 1),
        ("overhead a submission, mean seconds", "overhead", 1),
        ("memory of the supervisor, MiB", "supervisor", 2**20),
        ("memory of all processes, MiB", "family", 2**20),
    ):  # fmt: skip
        cells = [f"{of[key] / unit:.3g}" if key in of else "–" for of in columns]
        table.add_row(label, *cells)
    console.print(table)
    console.print(f"Ours grades {result['ratio']:g} times as many in the same time.")


if __name__ == "__main__":
    typer.run(main)
