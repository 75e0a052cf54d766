"""Read the cells of a notebook file without trust.

Only what the grader uses is taken out of the file: the type, id, mark and text of each cell.
Outputs, attachments and all other metadata are stepped over where they stand, so that they cost
neither memory nor a failure, whatever they hold. Nothing here calls itself without bound.
"""

import codecs
import re
from dataclasses import dataclass
from json import JSONDecodeError
from json.decoder import scanstring

MOST_CELLS = 500  # of the student's own, beyond those of the assignment
MOST_SOURCE = 200_000  # characters of one cell
MOST_TEXT = 2_000_000  # characters of all cells
_DEEPEST = 100  # brackets within brackets
_MOST_PARTS = 500_000  # brackets and members of objects: what makes a file slow to read

_SPACE = re.compile(r"[ \t\r\n]*+")
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NUMBER_OR_WORD = re.compile(r"[\w.+-]++")
_BETWEEN_BRACKETS = re.compile(rf'(?:[^"\[\]{{}}]++|{_STRING.pattern})*+', re.DOTALL)
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")

_NAME, _TEXT, _IF_THERE = "a string", "a string or a list of strings", "whether it is there"
_CELL = {
    "cell_type": _NAME,
    "id": _NAME,
    "source": _TEXT,
    "input": _TEXT,  # the source of a code cell until nbformat 3
    "metadata": {"nbgrader": {"grade_id": _NAME}},
    "outputs": _IF_THERE,
}
_NOTEBOOK = {"cells": [_CELL], "worksheets": [{"cells": [_CELL]}]}


class Refused(Exception):
    """This submission cannot be graded, and why."""


@dataclass
class Cell:
    """A submitted cell; `id` and `grade_id` are claims, and "" where there are none.

    type : "code" or "markdown"; source : valid text, or None where the file holds something else.
    """

    type: str
    source: str | None
    id: str = ""
    grade_id: str = ""


def read(content, most):
    """The cells in the bytes of a notebook file, and notes of what was mended on the way.

    Any version of the format that has cells or worksheets is read.
    Raises: Refused where the file is no notebook or has more than `most` cells or too much text.
    """
    notes = []
    reader = _Reader(_decode(content, notes))
    found = reader.notebook()
    cells = found.get("cells")
    if cells is None:
        sheets = found.get("worksheets") or []
        cells = [cell for sheet in sheets if sheet for cell in sheet.get("cells") or []]
        if not any(sheet and "cells" in sheet for sheet in sheets):
            raise Refused("not a notebook: the file holds no list of cells")
    if len(cells) > most:
        raise Refused(f"the notebook has {len(cells)} cells, at most {most} are graded")
    if reader.repeated:
        notes.append("an entry stands twice in the file: the last one counts")
    if None in cells:
        notes.append(f"{cells.count(None)} damaged cells left out")
    cells = [_cell(found) for found in cells if found is not None]
    _check_length(cells)
    if any(cell.source and _NOT_TEXT.search(cell.source) for cell in cells):
        notes.append("characters that are no text were removed")
        for cell in cells:
            cell.source = cell.source and _NOT_TEXT.sub("", cell.source)
    return cells, notes


def _decode(content, notes):
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", errors="replace")
    else:
        text = content.decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise Refused("the file is empty")
    if "\ufffd" in text and b"\xef\xbf\xbd" not in content:
        notes.append("some characters were not saved as UTF-8 and cannot be read")
    return text


def _cell(found):
    type = found.get("cell_type")
    if type not in {"code", "markdown", "raw", "heading", "html"}:
        type = "code" if "outputs" in found or "input" in found else "markdown"
    source = found.get("source", found.get("input"))
    if type == "heading" and source:
        source = f"# {source}"
    mark = (found.get("metadata") or {}).get("nbgrader") or {}
    return Cell(
        "code" if type == "code" else "markdown",
        source,
        found.get("id") or "",
        mark.get("grade_id") or "",
    )


def _check_length(cells):
    lengths = [len(cell.source or "") for cell in cells]
    for number, length in enumerate(lengths, start=1):
        if length > MOST_SOURCE:
            raise Refused(
                f"cell {number} has {length / 1000:.0f} thousand characters, "
                f"at most {MOST_SOURCE / 1000:.0f} thousand are read"
            )
    if sum(lengths) > MOST_TEXT:
        raise Refused(
            f"the cells have {sum(lengths) / 1e6:.1f} million characters, "
            f"at most {MOST_TEXT / 1e6:.0f} million are read"
        )


class _Reader:
    """Reads those parts of a JSON text that are wanted, and steps over the rest."""

    def __init__(self, text):
        self.text, self.at = text, 0
        self.parts = 0
        self.repeated = False

    def notebook(self):
        """The wanted parts of the whole text."""
        opening = self._next()
        if opening != "{":
            if opening in '["' or _NUMBER_OR_WORD.match(self.text, self.at):
                raise Refused("not a notebook: the file holds no list of cells")
            self._fail("expected an object")
        found = self._value(_NOTEBOOK)
        if self._next():
            self._fail("more text after the end")
        return found

    def _value(self, wanted):
        """One value: what is wanted of it, or None where it is of another kind."""
        opening = self._next()
        if wanted in (_NAME, _TEXT) and opening == '"':
            return self._string()
        if wanted is _TEXT and opening == "[":
            lines = list(self._items(_NAME))
            return None if None in lines else "".join(lines)
        if isinstance(wanted, list) and opening == "[":
            return list(self._items(wanted[0]))
        if isinstance(wanted, dict) and opening == "{":
            return self._object(wanted)
        self._skip()
        return None

    def _object(self, wanted):
        found = {}
        for _ in self._members("}"):
            if self._next() != '"':
                self._fail("expected a name in quotes")
            name = self._string()
            if self._next() != ":":
                self._fail("expected a colon")
            self.at += 1
            value = self._value(wanted.get(name))
            if name in wanted:
                self.repeated |= name in found and found[name] != value
                found[name] = value
        return found

    def _items(self, wanted):
        for _ in self._members("]"):
            yield self._value(wanted)

    def _members(self, closing):
        """Stop before each member of a list or object; steps over the brackets and commas."""
        self.at += 1
        if self._next() != closing:
            yield
            while self._next() == ",":
                self.at += 1
                self._count()
                yield
        if self._next() != closing:
            self._fail("expected a comma")
        self.at += 1

    def _string(self):
        try:
            text, self.at = scanstring(self.text, self.at + 1, False)
        except JSONDecodeError as error:
            self.at = error.pos
            self._fail(error.msg)
        return text

    def _skip(self):
        """Step over one value, of which only strings and brackets are looked at."""
        opening = self.text[self.at : self.at + 1]
        if opening not in {"[", "{"}:
            pattern = _STRING if opening == '"' else _NUMBER_OR_WORD
            self._step(pattern, "expected a value")
            return
        depth = 0
        while True:
            self._step(_BETWEEN_BRACKETS)
            bracket = self.text[self.at : self.at + 1]
            if bracket not in {"[", "]", "{", "}"}:
                self._fail("the text ends inside a value")
            self.at += 1
            if bracket in "[{":
                depth += 1
                self._count()
            else:
                depth -= 1
            if depth == 0:
                return
            if depth > _DEEPEST:
                raise Refused("not a notebook: the file is nested too deeply")

    def _next(self):
        """The next character that is no space, or "" at the end."""
        self._step(_SPACE)
        return self.text[self.at : self.at + 1]

    def _step(self, pattern, expected=None):
        match = pattern.match(self.text, self.at)
        if match is None:
            self._fail(expected)
        self.at = match.end()

    def _count(self):
        self.parts += 1
        if self.parts > _MOST_PARTS:
            raise Refused("the file has too many parts: clear the outputs and hand in again")

    def _fail(self, reason):
        line = self.text.count("\n", 0, self.at) + 1
        raise Refused(f"not a notebook: the file is not JSON ({reason}, line {line})")
