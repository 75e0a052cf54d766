"""The page that a student reads: points, what went wrong in each task, and the notebook.

A page is one file without any script and with a policy that lets a browser load nothing for it.
The same submission makes the same bytes.
"""

import functools
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from autograder import checks, convert, inert, report
from autograder.inert import clean_outputs
from autograder.project import write_atomically

__all__ = ["clean_outputs", "page", "write"]

FOLDER = "feedback"  # of the nbgrader course
_FOR_RELEASE = ("timestamp.txt", "submission_secret.txt")  # what `nbgrader release_feedback` reads
_LONG = 30  # lines of an output that are shown without a click
_PAGE = 3_000_000  # characters of notebook on a page, besides pictures
_PICTURES = 12_000_000  # characters of pictures on a page
_LABELS = ("call", "expected", "got", "warning")  # as checks writes them, in ten columns
_HINT = checks.KNOWN_MISTAKE
# Errors whose message needs no name of the error before it.
_SAY_ALL = {"CheckFailed", "AssertionError", "TimedOut"}
_NO_RESPONSE = "No response."  # nbgrader's own comment on a cell that is as it was released


def write(root, assignment, student, *, row=None, notes=(), problem=None):
    """Write feedback/<student>/<assignment>/<assignment>.html in the nbgrader course `root`.

    assignment : a source.Assignment.
    row : the student's report.Row, if at hand; else it is read from the gradebook.
    notes : sentences on what was mended before the submission was graded.
    problem : why it could not be graded, or None.

    Returns the page's path. nbgrader releases the page as it does its own.
    """
    notebook = report.read_notebook(root, assignment.name, student)
    if row is None:
        entry = report.entries(root, assignment.name, [student]).get(student)
        row = report.row(assignment, student, entry, notebook, problem=problem, notes=notes)
    folder = Path(root) / FOLDER / student / assignment.name
    path = folder / f"{assignment.name}.html"
    content = page(assignment, row, notebook, notes=notes, problem=problem)
    write_atomically(path, content.encode("utf-8"))
    for name in _FOR_RELEASE:
        given = Path(root) / "autograded" / student / assignment.name / name
        if given.is_file():
            shutil.copyfile(given, folder / name)
    return path


def page(assignment, row, notebook, *, notes=(), problem=None):
    """The page as HTML, from a report.Row and the autograded notebook (None if there is none)."""
    cells, is_whole = _notebook(assignment, row, notebook) if notebook else ([], True)
    tasks = [_task(task, row, cells) for task in assignment.tasks.values()] if row.parts else []
    return template("feedback.html").render(
        title=assignment.title,
        row=row,
        summary=_summary(row, tasks),
        tasks=tasks,
        stopped=list(dict.fromkeys(p.told for p in row.parts if _is_about_all(p))),
        cells=cells,
        is_whole=is_whole,
        notes=[*notes],
        problem=problem or (None if row.parts else "There are no grades of it."),
    )


@functools.cache
def template(name):
    """A page of the folder beside this module."""
    return _environment().get_template(name)


@functools.cache
def _environment():
    """Jinja for the pages beside this module: what is not marked as safe is escaped."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters["number"] = lambda value: convert.number(round(value, 2))
    made.filters["percent"] = lambda share: f"{100 * share:.4g}%"
    made.filters["plural"] = lambda count, word: f"{count:g} {word}{'' if count == 1 else 's'}"
    made.filters["inline"] = inert.inline
    made.filters["authored"] = inert.authored
    return made


@dataclass
class _Task:
    """A task on the page; `state` is one of full, some, none, unsolved, waits."""

    id: str
    title: str
    state: str
    points: float
    waiting: float
    max: float
    tests: list = field(default_factory=list)
    comments: list = field(default_factory=list)
    answer: int | None = None  # the number of the student's cell
    is_manual: bool = False


@dataclass
class _Test:
    """A graded cell on the page: `blocks` of what it says, (kind, lines)."""

    part: report.Part
    lead: str
    blocks: list
    hints: list
    cell: int | None

    @property
    def failed(self):
        return bool(self.part.error) or self.part.score != self.part.max


@dataclass
class _Cell:
    """A cell of the notebook on the page, all HTML."""

    number: int
    kind: str  # given, answer, own, test
    content: Markup
    outputs: list = field(default_factory=list)
    task: str | None = None
    part: report.Part | None = None
    is_text: bool = False


def _summary(row, tasks):
    """Points given, points that wait for a person, and all, without what is not there to give."""
    points = sum(task.points for task in tasks)
    waiting = sum(task.waiting for task in tasks)
    return {"points": max(0, points - row.late), "waiting": waiting, "max": row.max}


def _is_about_all(part):
    return part.error in report.ABOUT_ALL


def _task(task, row, cells):
    parts = row.of(task.id)
    waiting = sum(part.max for part in parts if part.score is None)
    points = sum(part.score or 0 for part in parts)
    places = {cell.part.id: cell.number for cell in cells if cell.part and cell.part in parts}
    answers = [cell.number for cell in cells if cell.task == task.id and cell.kind == "answer"]
    comments = row.comments.get(task.id, [])
    return _Task(
        task.id,
        task.title,
        _state(parts, points, waiting, untouched=_NO_RESPONSE in comments),
        points,
        waiting,
        sum(part.max for part in parts),
        [_test(part, places.get(part.id)) for part in parts if not part.manual],
        [inert.text(comment) for comment in comments if comment != _NO_RESPONSE],
        answers[0] if answers else None,
        task.manual,
    )


def _state(parts, points, waiting, untouched):
    if waiting:
        return "waits"
    if points >= sum(part.max for part in parts):
        return "full"
    if points:
        return "some"
    return "unsolved" if untouched or any(part.unsolved for part in parts) else "none"


def _test(part, cell):
    """The message of a test in pieces: a first sentence, labelled lines and text, hints."""
    lines = part.told.split("\n") if part.error and not _is_about_all(part) else []
    if lines and part.error not in _SAY_ALL:
        lines[0] = f"{part.error}: {lines[0]}" if lines[0] else part.error
    lead = lines[0] if lines else "The test was not run: see above." if part.error else ""
    blocks, hints = [], []
    for line in lines[1:]:
        label, value = line[:10].strip(), line[10:]
        if line.startswith(_HINT):
            hints.append(line.removeprefix(_HINT).partition(". ")[2])
        elif label in _LABELS and value:
            _append(blocks, "facts", [label, value])
        elif not label and blocks and blocks[-1][0] == "facts":
            blocks[-1][1][-1][1] += f"\n{value}"
        elif line.strip():
            _append(blocks, "text", line.strip())
    return _Test(part, lead[:1].upper() + lead[1:], blocks, hints, cell)


def _append(blocks, kind, line):
    if not blocks or blocks[-1][0] != kind:
        blocks.append((kind, []))
    blocks[-1][1].append(line)


def _notebook(assignment, row, notebook):
    """The cells of the page, and whether these are all: a very large notebook is cut."""
    parts = {f"{'manual' if p.manual else 'test'}-{p.id}": p for p in row.parts}
    cells, room, pictures = [], _PAGE, _PICTURES
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type not in {"code", "markdown"}:
            continue
        shown = _cell(assignment, number, cell, parts)
        size = len(shown.content) + sum(len(html) for html, _ in shown.outputs)
        drawn = sum(len(html) * ("<img " in html) for html, _ in shown.outputs)
        room, pictures = room - size + drawn, pictures - drawn
        if min(room, pictures) < 0:
            return cells, False
        cells.append(shown)
    return cells, True


def _cell(assignment, number, cell, parts):
    name = report.grade_id(cell)
    mark = cell.metadata.get("nbgrader", {})
    task = assignment.owner(name.split("-", 1)[-1]) if name else None
    kind = "own"
    if name:
        kind = "answer" if mark.get("solution") else "test" if mark.get("grade") else "given"
    if cell.cell_type == "markdown":
        render = _given_text if kind == "given" else inert.markdown
        content = render(cell.source)
        return _Cell(number, kind, content, [], task, parts.get(name), is_text=True)
    source = report.visible(cell)
    render = _code if kind in {"answer", "own"} else _given_code
    outputs = [_shown(output, cell, number) for output in clean_outputs(cell.outputs)]
    return _Cell(number, kind, render(source.strip("\n")), outputs, task, parts.get(name))


def _code(source):
    """Python with the classes of Pygments."""
    return Markup(highlight(inert.cut(inert.text(source)), _LEXER, _FORMATTER))


_LEXER, _FORMATTER = PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)
# What the instructor wrote stands on every student's page: it is made once.
_given_code = functools.lru_cache(maxsize=512)(_code)
_given_text = functools.lru_cache(maxsize=512)(inert.markdown)


def _shown(output, cell, number):
    """A clean output as (HTML, what to click on for a long one or "")."""
    kind = output["output_type"]
    if kind == "stream":
        return _text(output["text"], output["name"])
    if kind == "error":
        lines = "\n".join(output["traceback"]) or f"{output['ename']}: {output['evalue']}"
        return _text(report.without_hidden(lines, cell), "error")
    for mime, data in output["data"].items():
        if mime in inert.PICTURES:
            alt = f"A picture that cell {number} drew"
            return inert.image(f"data:{mime};base64,{data}", alt), ""
        if mime == "text/html":
            attributes = f'tabindex="0" role="group" aria-label="Output of cell {number}"'
            return Markup(f'<div class="wide html" {attributes}>{data}</div>'), ""
    return _text(output["data"]["text/plain"], "result")


def _text(text, kind):
    text = inert.cut(text.rstrip("\n"))
    lines = text.count("\n") + 1
    html = Markup(f'<pre class="output {escape(kind)}">{inert.ansi(text)}</pre>')
    return html, f"{lines} lines of output" if lines > _LONG else ""
