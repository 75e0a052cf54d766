"""The command line: `autograder release | solved | grade | validate`."""

import functools
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from autograder import project
from autograder.errors import AssignmentError, UsageError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Release assignments, check notebooks, grade submissions.",
)
out, err = Console(highlight=False), Console(stderr=True, highlight=False)
Root = Annotated[
    Path | None, typer.Option(help="The project's folder, if not this one or one above it.")
]


def _command(function):
    """A command that prints what a person can mend, and exits with 1 or 2, without a traceback."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except (AssignmentError, UsageError, OSError) as error:
            err.print(str(error), style="red", markup=False, soft_wrap=True)
            raise typer.Exit(1 if isinstance(error, AssignmentError) else 2) from None

    return app.command(no_args_is_help=function.__name__ in {"grade", "solved", "validate"})(run)


def _say(text):
    out.print(text, markup=False, soft_wrap=True)


@_command
def release(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if stale.")] = False,
    root: Root = None,
):
    """Write exercises/ from solutions/: all assignments, or those named.

    Examples:

        autograder release

        autograder release relu --check
    """
    from autograder import release as releasing

    root = project.find_root(root)
    for name in names or []:
        project.source_path(root, name)
    if not names and not project.assignments(root):
        raise UsageError(f"There are no assignments in {root / 'solutions'}.")
    if check:
        problems = releasing.check(root, names)
        for problem in problems:
            _say(problem)
        if problems:
            _say(f"{len(problems)} problems in exercises/: `autograder release` writes it anew.")
            raise typer.Exit(1)
        _say("exercises/ is up to date.")
        return
    changed = releasing.write(root, names)
    for path in changed:
        _say(f"{'wrote' if path.exists() else 'removed'} {path.relative_to(root)}")
    if not changed:
        _say("exercises/ was up to date.")


@_command
def solved(
    name: Annotated[str, typer.Argument(help="The assignment.")],
    output: Annotated[Path, typer.Option(help="Where to write the notebook.")],
    root: Root = None,
):
    """Write the solved notebook, executed, with hidden tests; it fails if a test fails.

    Example: autograder solved relu --output build/solved
    """
    from autograder import solved as solving

    file = solving.write(project.find_root(root), name, output.resolve())
    _say(f"wrote {file}")


@_command
def grade(
    assignment: Annotated[str, typer.Argument(help="The assignment.")],
    submissions: Annotated[Path, typer.Option(help="The folder of submissions.")],
    output: Annotated[Path, typer.Option(help="Where grades, feedback and gradebook go.")],
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the random tests.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Grade unchanged ones again.")] = False,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds a cell may run.")] = 60,
    root: Root = None,
):
    """Grade a folder of submissions: STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb, as nbgrader collects,
    STUDENT/ASSIGNMENT.ipynb, or STUDENT.ipynb.

    Writes grades.csv, an HTML page of feedback for each student and an nbgrader gradebook. Run it
    again at any time: only new and changed submissions are graded.

    Exit status: 0 all graded, 1 some could not be graded, 2 wrong use.

    Example: autograder grade relu --submissions handed-in --output grades/relu
    """
    from autograder import grade as grading

    root = project.find_root(root)
    columns = TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    bar = Progress(*columns, TextColumn("{task.description}", markup=False), console=err)
    task = bar.add_task("", total=None)

    def progress(text, done, total):
        bar.start()  # not before: wrong use is told without a bar
        bar.update(task, completed=done, total=total, description=text)

    try:
        result = grading.grade(
            root,
            assignment,
            submissions,
            output,
            seed=seed,
            force=force,
            timeout=timeout,
            progress=progress,
        )
    finally:
        if bar.live.is_started:
            bar.stop()
    _print_result(result, assignment)
    if any(row.status == "not graded" for row in result.rows):
        raise typer.Exit(1)


@_command
def validate(
    notebook: Annotated[Path, typer.Argument(help="A notebook of an assignment.")],
):
    """Run a notebook and say which of its tasks are solved; exit 1 if one is not.

    Example: autograder validate exercises/relu/relu.ipynb
    """
    from autograder import validate as validating

    results = validating.validate(notebook)
    for id, problem in results:
        mark, text = ("[green]✓[/]", "") if problem is None else ("[red]✗[/]", f"  {problem}")
        out.print(mark, id.removeprefix("test-").removeprefix("manual-"), end="")
        _say(text)
    solved = sum(problem is None for _, problem in results)
    _say(f"{solved} of {len(results)} graded cells are done.")
    _say("Grading tries further inputs, and a person reads what you wrote.")
    if solved < len(results):
        raise typer.Exit(1)


def _print_result(result, assignment):
    table = Table(title=f"{assignment}: {len(result.rows)} submissions", title_justify="left")
    for name in ("student", "points", "status", "known mistakes", "message"):
        table.add_column(name, justify="right" if name == "points" else "left", overflow="fold")
    for row in result.rows:
        points = "–" if row.total is None else f"{row.total:g} / {row.max:g}"
        style = "red" if row.status == "not graded" else None
        mistakes = ", ".join(name for found in row.misconceptions.values() for name in found)
        table.add_row(row.student, points, row.status, mistakes, row.message, style=style)
    out.print(table, markup=False)
    failed = sum(row.status == "not graded" for row in result.rows)
    manual = sum(row.status == "needs manual grade" for row in result.rows)
    _say(
        f"{result.graded_now} graded now, {result.unchanged} unchanged since they were graded "
        f"(--force grades them again), {failed} could not be graded. Seed {result.seed}."
    )
    if manual:
        _say(f"{manual} wait for a manual grade: start `jupyter lab` with nbgrader's Formgrader in "
             f"{result.output / 'course'}.")  # fmt: skip
    if result.ignored:
        _say(f"No notebooks, left out: {', '.join(result.ignored)}.")
    _say(f"Grades:   {result.output / 'grades.csv'}")
    _say(f"Feedback: {result.output / 'course' / 'feedback'}")
