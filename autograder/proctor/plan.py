"""Which cells of a notebook run where, and whose each name is; found out without running anything.

Student cells run in the student process, test cells in the proctor. An instructor's cell runs in
the student process too, and in the proctor if a later test needs a name that it binds, or if it
binds none, as `torch.manual_seed(0)` does. A cell that binds only `_` draws a picture.
"""

import ast
import re
import symtable
from dataclasses import dataclass

from IPython.core.inputtransformer2 import TransformerManager

from autograder.regions import HIDDEN

STUDENT, INSTRUCTOR, TEST = "student", "instructor", "test"

_CELL_MAGIC = re.compile(r"\s*%%(capture|time|matplotlib)\b[^\n]*")
_LINE_MAGIC = re.compile(r"^[ \t]*%(matplotlib|config|load_ext|autoreload|time)\b.*$", re.MULTILINE)


@dataclass
class Cell:
    """A code cell.

    id : of the cell; name : its grade_id, or else its id, for messages.
    kind : STUDENT, INSTRUCTOR or TEST.
    points : of a test cell.
    tree : the syntax tree, None where the source is no Python.
    binds, uses : the global names that it gives values to, and that it reads.
    trusted : whether it runs in the proctor.
    """

    id: str
    name: str
    kind: str
    source: str
    points: float = 0.0
    tree: ast.Module | None = None
    binds: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    trusted: bool = False

    @property
    def filename(self):
        return f"<{self.name}>"

    def hidden_lines(self):
        """The numbers of the lines between the marks of hidden tests, and of the marks."""
        lines, within = set(), False
        for number, line in enumerate(python(self.source).split("\n"), start=1):
            within = within or f"BEGIN {HIDDEN}" in line
            if within:
                lines.add(number)
            within = within and f"END {HIDDEN}" not in line
        return lines


def read(notebook):
    """The code cells of a notebook (a dict of nbformat 4), in order."""
    cells = [
        _cell(index, cell)
        for index, cell in enumerate(notebook["cells"])
        if cell["cell_type"] == "code"
    ]
    needed = set()
    for cell in reversed(cells):
        if cell.kind == TEST:
            cell.trusted = True
        elif cell.kind == INSTRUCTOR and cell.tree is not None and cell.binds != {"_"}:
            cell.trusted = not cell.binds or "*" in cell.binds or bool(cell.binds & needed)
        if cell.trusted:
            needed |= cell.uses
    return cells


def classes(cells):
    """The names of the classes that cells of students and instructors define."""
    return frozenset(
        node.name
        for cell in cells
        if cell.kind != TEST and cell.tree is not None
        for node in ast.walk(cell.tree)
        if isinstance(node, ast.ClassDef)
    )


def python(source):
    """A cell's source as Python, line for line; harmless magics are left out."""
    first = _CELL_MAGIC.match(source)
    plain = source[first.end() :] if first else source
    plain = _LINE_MAGIC.sub("", plain)
    try:
        ast.parse(plain)
    except (SyntaxError, ValueError):
        plain = TransformerManager().transform_cell(plain)
    return plain


def _cell(index, cell):
    mark = cell["metadata"].get("nbgrader", {})
    kind = STUDENT
    if mark.get("grade") and not mark.get("solution"):
        kind = TEST
    elif mark.get("locked") and not mark.get("solution"):
        kind = INSTRUCTOR
    source = "".join(cell["source"])
    id = cell.get("id") or mark.get("grade_id") or f"cell-{index}"
    tree, binds, uses = _names(source, id)
    points = float(mark.get("points") or 0.0)
    return Cell(id, mark.get("grade_id") or id, kind, source, points, tree, binds, uses)


def _names(source, name):
    """The syntax tree of a cell, and the global names that it binds and uses."""
    try:
        plain = python(source)
        tree = ast.parse(plain)
        table = symtable.symtable(plain, name, "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None, frozenset(), frozenset()
    binds, uses = set(), set()
    _collect(table, binds, uses)
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in tree.body):
        binds.add("*")
    borrowed = _borrowed(tree)
    return tree, frozenset(binds - borrowed), frozenset(uses | borrowed)


def _borrowed(tree):
    """The names that a cell deletes before it binds them: they are not its own."""
    own, borrowed = set(), set()
    for statement in tree.body:
        if isinstance(statement, ast.Delete):
            deleted = {each.id for each in statement.targets if isinstance(each, ast.Name)}
            borrowed |= deleted - own
        names = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
        own |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
    return borrowed


def _collect(table, binds, uses):
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if top or symbol.is_global():
            if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
                binds.add(symbol.get_name())
            if symbol.is_referenced():
                uses.add(symbol.get_name())
    for child in table.get_children():
        _collect(child, binds, uses)
