"""Read an assignment's source: percent format whose cell lines carry marks.

    # %% [markdown] task="relu" minutes=10      what to do
    # %% solution="relu"                        the student's cell, with BEGIN/END SOLUTION
    # %% inputs="relu"                          instructor only: defines `inputs`, a list of cases
    # %% test="relu" points=2                   a locked test, with BEGIN/END HIDDEN TESTS
    # %% [markdown] manual="why" points=3 minutes=10   an answer that a person grades

A task may have several solution and test cells: `test="relu-2"` belongs to the task `relu`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from autograder.errors import AssignmentError
from autograder.regions import HIDDEN, SOLUTION

# What each mark needs beside itself, and on which type of cell it may stand.
MARKS = {
    "task": ({"minutes"}, {"markdown"}),
    "solution": (set(), {"code"}),
    "inputs": (set(), {"code"}),
    "test": ({"points"}, {"code"}),
    "manual": ({"points", "minutes"}, {"markdown", "code"}),
}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}")
_CELL_LINE = re.compile(r"^#\s*%%")
_HEADING = re.compile(r"^#+\s+(.+?)\s*$", re.MULTILINE)
_ADDED_BY_JUPYTEXT = {"lines_to_next_cell", "lines_to_end_of_cell_marker"}


@dataclass
class Cell:
    """One cell: `mark` is a key of MARKS or None, `line` where it stands in the source file."""

    type: str
    source: str
    line: int
    mark: str | None = None
    id: str = ""
    points: float = 0
    minutes: float = 0

    @property
    def name(self):
        return f"{self.mark}-{self.id}"


@dataclass
class Task:
    """What the table of tasks shows: points are the sum of the points of the task's tests."""

    id: str
    title: str
    points: float
    minutes: float
    manual: bool


@dataclass
class Assignment:
    name: str
    path: Path
    title: str
    imports: list[str]
    limits: dict
    cells: list[Cell]
    tasks: dict[str, Task] = field(default_factory=dict)

    def owner(self, id):
        """The task that a solution, test or inputs id belongs to, or None: relu-2 is relu's."""
        owners = [task for task in self.tasks if id == task or id.startswith(f"{task}-")]
        return max(owners, key=len, default=None)

    def marked(self, mark, task=None):
        """The cells with this mark, those of one task or all."""
        return [
            cell
            for cell in self.cells
            if cell.mark == mark and (task is None or self.owner(cell.id) == task)
        ]


def read(path):
    """The Assignment in a source file; AssignmentError with file and line where it is wrong."""
    path = Path(path)
    header, body, offset = _split_front_matter(_text(path), path)
    assignment = Assignment(path.stem, path, *_header(header, path), _cells(body, offset, path))
    _find_tasks(assignment)
    _check(assignment)
    return assignment


def allowed_imports(path):
    """What `read(path).imports` gives, in a hundredth of the time."""
    _, imports, _ = _header(_split_front_matter(_text(path), path)[0], path)
    return imports


def _text(path):
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise AssignmentError(f"expected UTF-8 text: {error}", path) from None


def _split_front_matter(text, path):
    lines = text.split("\n")
    if lines[0].rstrip() != "# ---":
        raise AssignmentError("expected front matter: a first line `# ---`", path, 1)
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == "# ---":
            header = "\n".join(part.removeprefix("#").removeprefix(" ") for part in lines[1:number])
            return header, "\n".join(lines[number + 1 :]), number + 1
    raise AssignmentError("the front matter has no closing line `# ---`", path, 1)


def _header(header, path):
    """Title, imports and limits from the front matter."""
    try:
        data = yaml.safe_load(header)
    except yaml.YAMLError as error:
        raise AssignmentError(f"the front matter is not YAML: {error}", path, 1) from None
    data = data.get("assignment") if isinstance(data, dict) else None
    if not isinstance(data, dict) or set(data) - {"limits"} != {"title", "imports"}:
        raise AssignmentError(
            "expected `assignment:` with `title` and `imports` in the front matter, and perhaps "
            "`limits`",
            path,
            1,
        )
    title, imports, limits = data["title"], data["imports"], data.get("limits", {})
    if not isinstance(title, str) or not title.strip():
        raise AssignmentError(f"`title`: expected text, got {title!r}", path, 1)
    if not isinstance(imports, list) or not all(isinstance(name, str) for name in imports):
        raise AssignmentError(f"`imports`: expected a list of module names, got {imports!r}", path)
    try:
        if limits:  # written and released on any system, graded on Linux
            from autograder.sandbox import Limits

            Limits.from_dict(limits)
    except (TypeError, ValueError) as error:
        raise AssignmentError(f"`limits`: {error}", path, 1) from None
    return title.strip(), imports, limits


def _cells(body, offset, path):
    import jupytext  # which takes longer than all else here

    numbers = [
        number
        for number, line in enumerate(body.split("\n"), start=offset + 1)
        if _CELL_LINE.match(line)
    ]
    first = next((n for n, line in enumerate(body.split("\n"), offset + 1) if line.strip()), None)
    if first is None or not numbers or first != numbers[0]:
        raise AssignmentError("expected a cell line `# %%` first", path, first or offset)
    cells = jupytext.reads(body.lstrip("\n"), fmt="py:percent").cells
    if len(cells) != len(numbers):
        raise AssignmentError("a line that starts with `# %%` stands inside a cell's text", path)
    return [_cell(cell, line, path) for cell, line in zip(cells, numbers, strict=True)]


def _cell(cell, line, path):
    """A Cell from jupytext's, its marks checked."""
    marks = {k: v for k, v in cell.metadata.items() if k not in _ADDED_BY_JUPYTEXT}
    names = [name for name in MARKS if name in marks]
    if cell.cell_type not in {"markdown", "code"}:
        raise AssignmentError(
            f"expected a code or [markdown] cell, got {cell.cell_type}", path, line
        )
    if len(names) > 1:
        raise AssignmentError(f"one cell has several marks: {', '.join(names)}", path, line)
    needed, types = MARKS[names[0]] if names else (set(), {"markdown", "code"})
    if unknown := sorted(set(marks) - needed - set(names)):
        raise AssignmentError(
            f"unknown mark {', '.join(unknown)} on the cell line; known: {', '.join(MARKS)}, "
            "with points and minutes where they belong",
            path,
            line,
        )
    if not names:
        return Cell(cell.cell_type, cell.source, line)
    mark, id = names[0], marks[names[0]]
    what = f"{mark}={id!r}"
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise AssignmentError(f"{what}: expected letters, digits, _ and - in quotes", path, line)
    if cell.cell_type not in types:
        raise AssignmentError(f"{what} must be a {' or '.join(types)} cell", path, line)
    for name in sorted(needed):
        if not isinstance(marks.get(name), int | float) or not marks[name] > 0:
            raise AssignmentError(
                f"{what} needs {name}=NUMBER, positive; got {marks.get(name)!r}", path, line
            )
    amounts = {name: marks[name] for name in needed}
    return Cell(cell.cell_type, cell.source, line, mark, id, **amounts)


def _find_tasks(assignment):
    heading = assignment.title
    for cell in assignment.cells:
        found = _HEADING.search(cell.source) if cell.type == "markdown" else None
        if found and cell.mark != "manual":  # what a manual cell holds is the model answer
            heading = found[1]
        if cell.mark in {"task", "manual"}:
            if cell.mark == "task" and not found:
                raise AssignmentError(
                    f"task={cell.id!r} needs a heading such as `## 1. Title`",
                    assignment.path,
                    cell.line,
                )
            if cell.id in assignment.tasks:
                raise AssignmentError(
                    f"duplicate id {cell.id!r}: another task has it", assignment.path, cell.line
                )
            assignment.tasks[cell.id] = Task(
                cell.id, heading, cell.points, cell.minutes, cell.mark == "manual"
            )
    for cell in assignment.marked("test"):
        if owner := assignment.owner(cell.id):
            assignment.tasks[owner].points += cell.points


def _check(assignment):
    """The rules that hold between cells, and the regions inside them."""

    def fail(cell, message):
        raise AssignmentError(message, assignment.path, cell.line)

    names = set()
    for cell in assignment.cells:
        _check_regions(cell, SOLUTION, {"solution", "manual"}, fail)
        _check_regions(cell, HIDDEN, {"test"}, fail)
        if cell.mark is None:
            continue
        if cell.name in names:
            fail(cell, f"duplicate id: {cell.mark}={cell.id!r} is there already")
        names.add(cell.name)
        if cell.mark in {"solution", "inputs", "test"}:
            owner = assignment.owner(cell.id)
            if owner is None or assignment.tasks[owner].manual:
                fail(cell, f"{cell.mark}={cell.id!r} belongs to no task={cell.id!r}")
        if cell.mark == "inputs" and cell.id not in assignment.tasks:
            fail(cell, f"inputs={cell.id!r}: a task has one list of inputs, under its own id")
        if cell.mark == "solution" and f"BEGIN {SOLUTION}" not in cell.source:
            fail(cell, f"solution={cell.id!r} has no `### BEGIN SOLUTION`")
    for cell in assignment.marked("task"):
        for needed in ("solution", "test"):
            if not assignment.marked(needed, cell.id):
                fail(cell, f"task={cell.id!r} has no {needed} cell")
    if not assignment.tasks:
        raise AssignmentError("expected at least one task", assignment.path)


def _check_regions(cell, kind, allowed, fail):
    begun = False
    for number, line in enumerate(cell.source.split("\n"), start=1):
        begins, ends = f"BEGIN {kind}" in line, f"END {kind}" in line
        if (begins or ends) and cell.mark not in allowed:
            fail(cell, f"`{line.strip()}` stands in a cell that is not marked {min(allowed)}=")
        if (begins and begun) or (ends and not begun):
            fail(cell, f"`{line.strip()}` (line {number} of the cell) does not pair up")
        begun = begins or (begun and not ends)
    if begun:
        fail(cell, f"`BEGIN {kind}` has no `END {kind}`")
