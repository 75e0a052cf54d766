"""Put the cells of a submission back into the release notebook that they come from.

The result is the instructor's notebook: each of its cells once, in order, with its own text and
metadata, only the answers are the student's. The student's own cells stand between, bare.
"""

import copy
import re

from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.cells import Refused

_BOUND = re.compile(
    r"^(?:async[ \t]+)?(?:(?:def|class)[ \t]+(\w+)|(\w+)[ \t]*=(?!=))", re.MULTILINE
)


def restore(cells, master):
    """The notebook to grade, and in plain words what had to be mended.

    cells : of the submission, as cells.read gives them; master : the release notebook.
    A cell that is there several times: of an answer, the first that says something is the answer
    and the others follow it as the student's own, so that the last definition counts, as it did
    for the student. Copies of the instructor's cells go.
    Raises: Refused where no answer cell of the assignment is there, or one cannot be read.
    """
    masters = master.cells
    notes = []
    places = _places(cells, masters, notes)
    answers = [place for place, cell in enumerate(masters) if _is_answer(cell)]
    if not set(answers) & set(places):
        raise Refused("another notebook: it has none of this assignment's answer cells")
    first = {place: _first(place, cells, places, masters[place]) for place in {*places} - {None}}
    own = _own(cells, places, first, masters, notes)
    _say_what_changed(cells, first, masters, notes)

    taken = {cell.id for cell in masters}
    notebook = copy.deepcopy(master)
    result = _plain(own.get(-1, []), "start", taken)
    for place, cell in enumerate(notebook.cells):
        if _is_answer(cell) and place in first:
            cell.source = _answer(cells[first[place]], cell)
        result += [cell, *_plain(own.get(place, []), cell.id, taken)]
    notebook.cells = result
    return notebook, notes


def _places(cells, masters, notes):
    """For each submitted cell the index of the instructor's cell that it is, or None.

    By its mark (grade_id), by its id if it has no mark; what is then still missing is looked for
    among the cells without a mark, since some tools save notebooks without metadata.
    """
    marks = {_mark(cell): place for place, cell in enumerate(masters) if _mark(cell)}
    ids = {cell.id: place for place, cell in enumerate(masters)}
    places = [marks.get(c.grade_id) if c.grade_id else ids.get(c.id) for c in cells]
    free = [n for n, place in enumerate(places) if place is None and not cells[n].grade_id]
    texts = {n: _text(cells[n].source) for n in free}
    bound = {n: _bound(cells[n].source) for n in free}
    found = []
    for place, original in enumerate(masters):
        if place in places:
            continue
        if not _is_answer(original):
            same = [n for n in free if texts[n] and texts[n] == _text(original.source)]
        elif names := _bound(original.source):
            same = [n for n in free if bound[n] & names]
        else:  # nothing to know it by, but it may stand right after the cell before it
            here = places.index(place - 1) + 1 if place - 1 in places else None
            same = [n for n in free if n == here and cells[n].type == original.cell_type]
        if same:
            places[same[0]] = place
            free.remove(same[0])
            found.append(place)
    found = [_name(masters[place]) for place in found if _is_answer(masters[place])]
    if found:
        notes.append(f"cells without nbgrader's marks found by what they hold: {', '.join(found)}")
    return places


def _first(place, cells, places, original):
    """Which of the cells that claim one place has it: one that says something, of its type."""
    claims = [number for number, claimed in enumerate(places) if claimed == place]
    if not _is_answer(original):
        return next((n for n in claims if _same(cells[n], original)), claims[0])
    said = [n for n in claims if not _says_nothing(cells[n], original)]
    readable = [n for n in said if cells[n].source is not None]
    typed = [n for n in readable if cells[n].type == original.cell_type]
    return (typed or readable or said or claims)[0]


def _own(cells, places, first, masters, notes):
    """The student's own cells by the place after which they stood; -1 before all others."""
    locked = {_text(cell.source): _name(cell) for cell in masters if not _is_answer(cell)}
    own, last, copies_after = {}, -1, {}
    split, dropped, damaged = {}, {}, 0
    for number, (cell, place) in enumerate(zip(cells, places, strict=True)):
        if place is not None and first[place] == number:
            last = place
            continue
        after = last
        if place is not None:
            original = masters[place]
            if _says_nothing(cell, original):
                dropped[_name(original)] = None
                continue
            if _is_answer(original):
                split[_name(original)] = None
            after = copies_after[place] = max(last, place, copies_after.get(place, -1))
        if cell.source is None:
            damaged += 1
        elif not cell.source.strip():
            continue
        elif name := locked.get(_text(cell.source)):
            dropped[name] = None
        else:
            own.setdefault(after, []).append(cell)
    if split:
        notes.append(f"answers in several cells, kept in order: {', '.join(split)}")
    if dropped:
        notes.append(f"unchanged copies left out: {', '.join(dropped)}")
    if damaged:
        notes.append(f"{damaged} added cells without readable text left out")
    return own


def _say_what_changed(cells, first, masters, notes):
    missing, changed, retyped, pictures = [], [], [], []
    for place, original in enumerate(masters):
        needed = _is_answer(original) or original.metadata.get("nbgrader", {}).get("grade")
        if place not in first:
            if needed:
                missing.append(_name(original))
            continue
        cell = cells[first[place]]
        if _is_answer(original):
            if cell.type != original.cell_type:
                retyped.append(f"{_name(original)} as {original.cell_type}")
            if original.cell_type == "markdown" and "](attachment:" in (cell.source or ""):
                pictures.append(_name(original))
        elif original.cell_type == "code" and not _same(cell, original):
            changed.append(_name(original))
    order = [first[place] for place in sorted(first)]
    if missing:
        notes.append(f"missing cells put back: {', '.join(missing)}")
    if changed:
        notes.append(f"changed instructor's cells put back: {', '.join(changed)}")
    if retyped:
        notes.append(f"cells of another type read: {', '.join(retyped)}")
    if pictures:
        notes.append(f"pasted pictures are only in the file handed in: {', '.join(pictures)}")
    if order != sorted(order):
        notes.append("moved cells put back in their places")


def _answer(cell, original):
    if cell.source is None:
        raise Refused(f"the cell {_name(original)} holds no readable text")
    return cell.source


def _plain(cells, after, taken):
    """A student's own cells without metadata, tags and outputs, with ids that none has yet."""
    result = []
    for number, cell in enumerate(cells, start=1):
        id = f"own-{after}-{number}"
        while len(id) > 64 or id in taken:
            number += 1000
            id = f"own-{number}"
        taken.add(id)
        make = new_code_cell if cell.type == "code" else new_markdown_cell
        result.append(make(cell.source, id=id))
    return result


def _is_answer(cell):
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def _mark(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _name(cell):
    return _mark(cell) or cell.id


def _says_nothing(cell, original):
    """Whether a copy of the instructor's cell adds nothing to it: unchanged, or empty."""
    return cell.source is not None and (not cell.source.strip() or _same(cell, original))


def _same(cell, original):
    return (
        cell.source is not None
        and cell.type == original.cell_type
        and _text(cell.source) == _text(original.source)
    )


def _text(source):
    """A text without the spaces that editors add and remove."""
    return "\n".join(line.rstrip() for line in (source or "").strip().split("\n"))


def _bound(source):
    """The names that code defines or assigns at its left margin, read without parsing it."""
    return {name for match in _BOUND.finditer(source or "") for name in match.groups() if name}
