"""The command line: `autograder release | solved | grade | validate | doctor`."""

import contextlib
import functools
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from autograder import project
from autograder.errors import AssignmentError, UsageError

# Reading a notebook imports jsonschema, which would compile a grammar of international addresses:
# a second for each command, and nothing here asks for it. It does without where there is none.
sys.modules.setdefault("rfc3987_syntax", None)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Release assignments, check notebooks, grade submissions.\n\n"
    "Exit status of every command: 0 all is well; 1 something is wrong with the work or the "
    "assignment (a check failed, a submission could not be graded); 2 wrong use, or something "
    "that the command needs is missing on this machine; 130 stopped with Ctrl-C.",
)
out, err = Console(highlight=False), Console(stderr=True, highlight=False)
Root = Annotated[
    Path | None, typer.Option(help="The project's folder, if not this one or one above it.")
]


def _command(function):
    """A command that tells what a person can mend in a line, without a traceback; see `app`."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except (AssignmentError, UsageError, OSError) as error:
            err.print(str(error), style="red", markup=False, soft_wrap=True)
            raise typer.Exit(1 if isinstance(error, AssignmentError) else 2) from None
        except KeyboardInterrupt:
            err.print("Stopped. What is done is kept: the same command goes on where it stopped.")
            raise typer.Exit(130) from None

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
    workers: Annotated[
        int | None, typer.Option(min=1, help="Submissions at a time.", show_default="cores")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A dask scheduler, for more machines.")
    ] = None,
    db: Annotated[
        str | None,
        typer.Option(
            "--db",
            envvar="AUTOGRADER_DB",
            metavar="URL",
            help="The gradebook: postgresql://USER@HOST/NAME, or sqlite:///FILE.",
            show_default="a file in the output folder",
        ),
    ] = None,
    executor: Annotated[
        str,
        typer.Option(help="sandbox, or nbgrader: its own kernels, one by one, no protection."),
    ] = "sandbox",
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Run even where this machine offers no sandbox.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Grade unchanged ones again.")] = False,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of the random tests.", show_default="that of the last run"),
    ] = None,
    timeout: Annotated[
        int | None,
        typer.Option(min=1, help="Seconds a cell may run.", show_default="the assignment's limit"),
    ] = None,
    root: Root = None,
):
    """Grade a folder of submissions: STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb, as nbgrader collects,
    STUDENT/ASSIGNMENT.ipynb, or STUDENT.ipynb.

    Each submission runs in a sandbox, several at a time, and its tests run apart from it. Writes
    grades.csv, results for Gradescope, an analysis of the tasks (items.html), an HTML page of
    feedback for each student, and an nbgrader course with its gradebook, which Formgrader opens.
    Run it again at any time, also after it was stopped or killed: only new
    and changed submissions are graded.

    A password for PostgreSQL belongs into ~/.pgpass or AUTOGRADER_DB rather than on the command
    line. `autograder doctor` tells whether this machine offers a sandbox.

    Exit status: 0 all graded; 1 some could not be graded, or the assignment is at fault; 2 wrong
    use, or no sandbox or gradebook to work with; 130 stopped with Ctrl-C.

    Examples:

        autograder grade relu --submissions handed-in --output grades/relu

        autograder grade relu --submissions handed-in --output grades/relu --workers 8

        autograder grade relu --submissions handed-in --output grades/relu --scheduler tcp://head:8786
        --db postgresql://grader@db/course
    """
    root = project.find_root(root)
    where = TextColumn(f"grading {_workers(executor, workers, scheduler)}", markup=False)
    columns = where, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    bar = Progress(*columns, TextColumn("{task.description}", markup=False), console=err)
    task = bar.add_task("", total=None)

    def progress(text, done, total):
        bar.start()  # not before: wrong use is told without a bar
        bar.update(task, completed=done, total=total, description=text)

    here = executor == "sandbox" and scheduler is None and sys.platform == "linux"
    try:
        with _warmed(root, assignment) if here else contextlib.nullcontext():
            from autograder import grade as grading

            result = grading.grade(
                root,
                assignment,
                submissions,
                output,
                progress=progress,
                workers=workers,
                scheduler=scheduler,
                db=db,
                executor=executor,
                unsafe=unsafe,
                force=force,
                seed=seed,
                timeout=timeout,
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


@_command
def doctor():
    """Say what this machine offers for grading in a sandbox, and what to do where it does not.

    Exit status: 0 if submissions can be graded safely here, 1 if not.

    Example: autograder doctor
    """
    from autograder import sandbox

    table = Table(show_header=False, box=None)
    for check in sandbox.doctor():
        mark = "[green]✓[/]" if check.ok else "[red]✗[/]"
        table.add_row(mark, escape(check.name), escape(check.detail))
        if not check.ok and check.advice:
            table.add_row("", "", escape(check.advice), style="yellow")
    out.print(table)
    try:
        layer = sandbox.choose()
    except sandbox.SandboxError as error:
        _say(str(error))
        raise typer.Exit(1) from None
    _say(f"Submissions run in a sandbox made of {layer}.")


def _workers(executor, workers, scheduler):
    """How many submissions run at a time, in words."""
    if executor == "nbgrader":
        return "one by one"
    if scheduler:
        return f"on {scheduler}"
    return f"{workers or len(os.sched_getaffinity(0))} at a time"


def _warmed(root, name):
    """Start the processes that will run the submissions, while the rest is imported and read."""
    from autograder import imports, pool, source

    allowed = source.allowed_imports(project.source_path(root, name))
    return pool.warmed(imports.flavour(allowed))


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
    _say(f"Items:    {result.output / 'items.html'}")
