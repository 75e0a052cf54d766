"""Turn an assignment's source into nbgrader's source notebook, the same bytes each time."""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
KERNEL_ARGUMENTS = ["--IPKernelApp.log_level=40"]  # else each kernel greets us on the terminal
TABLE = "<!-- tasks -->"


def convert(assignment):
    """The notebook with solutions and hidden tests in; every cell's id is its grade_id.

    Cells marked `inputs` stay with the instructor. All that no student answers in is locked, so
    that nbgrader puts the original back before it grades.
    """
    cells, counts = [], {"markdown": 0, "code": 0}
    questions = _questions(assignment)
    for index, cell in enumerate(assignment.cells):
        if cell.mark == "inputs":
            continue
        id = cell.name
        if cell.mark is None:
            counts[cell.type] += 1
            id = f"{'text' if cell.type == 'markdown' else 'code'}-{counts[cell.type]}"
        source = cell.source
        if cell.type == "markdown" and cell.mark != "manual":
            source = source.replace(TABLE, _table(assignment))
        if index in questions:
            source = f"{source.rstrip()}\n\n{_effort(assignment.tasks[questions[index]])}"
        make = new_code_cell if cell.type == "code" else new_markdown_cell
        cells.append(make(source, id=id, metadata={"nbgrader": _metadata(cell, id)}))
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return new_notebook(cells=cells, metadata=metadata)


def to_bytes(notebook):
    """The notebook as it is written to a file: keys sorted, one line end, UTF-8."""
    return (nbformat.writes(notebook).rstrip("\n") + "\n").encode()


def number(value):
    """2 rather than 2.0."""
    return f"{value:g}"


def _metadata(cell, id):
    graded = cell.mark in {"test", "manual"}
    answered = cell.mark in {"solution", "manual"}
    metadata = {
        "grade": graded,
        "grade_id": id,
        "locked": not answered,
        "schema_version": 3,
        "solution": answered,
        "task": False,
    }
    return metadata | {"points": cell.points} if graded else metadata


def _questions(assignment):
    """For each task the index of the cell that asks for it, for a manual one the text before."""
    questions, text = {}, None
    for index, cell in enumerate(assignment.cells):
        if cell.mark == "task":
            questions[index] = cell.id
        elif cell.mark == "manual" and text is not None:
            questions[text] = cell.id
        text = index if cell.type == "markdown" and cell.mark is None else None
    return questions


def _effort(task):
    points = f"{number(task.points)} point{'' if task.points == 1 else 's'}"
    return f"*{points} · about {number(task.minutes)} minutes*"


def _table(assignment):
    tasks = assignment.tasks.values()
    rows = [f"| {task.title} | {number(task.points)} | {number(task.minutes)} |" for task in tasks]
    points, minutes = sum(task.points for task in tasks), sum(task.minutes for task in tasks)
    return "\n".join(
        [
            "| Task | Points | Minutes |",
            "|---|---:|---:|",
            *rows,
            f"| **All** | **{number(points)}** | **{number(minutes)}** |",
        ]
    )
