"""Attacks by what is handed in: links, damaged files, names, notebooks that are too much."""

import json
import os

import nbformat

from tests.grader.attacks.assignment import NAME, REFERENCE
from tests.grader.attacks.kinds import Attack
from tests.grader.attacks.known import VICTIM

FILE = f"{NAME}.ipynb"


def _own(folder, id):
    own = folder / id / NAME
    own.mkdir(parents=True)
    return own


def _to_zero(folder, id, content):
    os.symlink("/dev/zero", _own(folder, id) / FILE)


def _pipe(folder, id, content):
    os.mkfifo(_own(folder, id) / FILE)


def _hard_link(folder, id, content):
    """The victim's folder was changed before this one, as it was when the victim handed in."""
    own, theirs = _own(folder, id), folder / VICTIM / NAME
    os.link(theirs / FILE, own / FILE)
    while own.stat().st_ctime_ns <= theirs.stat().st_ctime_ns:
        own.chmod(0o755)  # the clock of the file system ticks each few ms


def _folder_link(folder, id, content):
    os.symlink(VICTIM, folder / id)


def _inner_folder_link(folder, id, content):
    (folder / id).mkdir()
    os.symlink(f"../{VICTIM}/{NAME}", folder / id / NAME)


def _timestamp_link(folder, id, content):
    own = _own(folder, id)
    (own / FILE).write_bytes(content)
    os.symlink("/dev/zero", own / "timestamp.txt")


def _notebook_is_a_folder(folder, id, content):
    (_own(folder, id) / FILE).mkdir()


def _bytes(content):
    return lambda notebook: content


def _text(old, new):
    """The file with one text replaced by another."""
    return lambda notebook: nbformat.writes(notebook).replace(old, new).encode()


def _outputs(value):
    """Outputs of this JSON text in every code cell."""
    return _text('"outputs": []', f'"outputs": {value}')


def _two_lists_of_cells(notebook):
    data = json.loads(nbformat.writes(notebook))
    cells = json.dumps(data.pop("cells"))
    return f'{{"cells": {cells}, "nbformat": 4, "cells": []}}'.encode()


def _damaged_answer(notebook):
    notebook = json.loads(nbformat.writes(notebook))
    for cell in notebook["cells"]:
        cell["source"] = {"text": cell["source"]}
    return json.dumps(notebook).encode()


def _stripped(notebook):
    """As tools save it that keep neither metadata nor ids."""
    for cell in notebook.cells:
        cell.metadata = {}
        del cell["id"]
    notebook.metadata = {}
    return json.dumps(notebook).encode()


def _forged_marks(notebook):
    """Own cells that claim to be tests worth points, or manual answers, or hidden tests."""
    mark = {"schema_version": 3, "grade": True, "solution": False, "locked": True, "points": 90}
    notebook.cells += [
        nbformat.v4.new_code_cell("None", metadata={"nbgrader": mark | {"grade_id": "test-more"}}),
        nbformat.v4.new_code_cell("### BEGIN HIDDEN TESTS\n100\n### END HIDDEN TESTS"),
    ]
    return notebook


def _other_kernel(notebook):
    notebook.metadata.kernelspec = {"name": "bash", "display_name": "B", "language": "bash"}
    for cell in notebook.cells:
        cell.metadata.update(tags=["skip-execution", "raises-exception", "remove-cell"])
    return notebook


ATTACKS = [
    Attack("link_dev_zero", "dos", "a link to /dev/zero", place=_to_zero, refused="a link"),
    Attack("pipe", "dos", "a pipe that nobody writes to", place=_pipe, refused="not an ordinary"),
    Attack(
        "notebook_folder",
        "struct",
        "a folder named as the notebook",
        place=_notebook_is_a_folder,
        refused="not an ordinary file",
    ),
    Attack(
        "hard_link",
        "points",
        "a hard link to another submission",
        place=_hard_link,
        refused="hard link",
    ),
    Attack(
        "linked_folder",
        "points",
        "a folder that is a link to another student's",
        place=_folder_link,
        refused="the folder is a link",
    ),
    Attack(
        "linked_inner_folder",
        "points",
        "a link to the folder in another student's folder",
        place=_inner_folder_link,
        refused="a link",
    ),
    Attack(
        "linked_timestamp",
        "dos",
        "a date that never ends; the work is right",
        REFERENCE,
        place=_timestamp_link,
        least=10,
        most=10,
    ),
    Attack(
        "oversize",
        "dos",
        "a file of 21 MB",
        change=_bytes(b" " * 21_000_000),
        refused="at most 20 MB are read",
    ),
    Attack(
        "many_brackets",
        "dos",
        "a million small lists",
        change=_outputs("[" + "[]," * 200_000 + "0]"),
        refused="too many parts",
    ),
    Attack(
        "deep_metadata",
        "dos",
        "metadata nested 100,000 deep",
        change=_text('"metadata": {', '"metadata": ' + '{"a": ' * 100_000),
        refused="nested too deeply",
    ),
    Attack(
        "open_string",
        "dos",
        "a text of escapes without an end",
        change=_bytes(b'{"cells": [{"outputs": "' + b'\\"' * 5_000_000),
        refused="not JSON",
    ),
    Attack(
        "huge_cell",
        "dos",
        "a cell of 300 kB",
        {"softmax": "x = 1\n" * 50_000},
        refused="thousand characters",
    ),
    Attack(
        "huge_outputs",
        "dos",
        "outputs of megabytes; the work is right",
        REFERENCE,
        change=_outputs('[{"data": "' + "x" * 2_000_000 + '"}, NaN, [[[1e999]]]]'),
        least=10,
        most=10,
    ),
    Attack(
        "two_lists_of_cells",
        "struct",
        "two lists of cells, for two kinds of readers",
        REFERENCE,
        change=_two_lists_of_cells,
        refused="another notebook",
    ),
    Attack(
        "damaged_sources",
        "struct",
        "cells whose text is an object",
        REFERENCE,
        change=_damaged_answer,
        refused="no readable text",
    ),
    Attack(
        "surrogates",
        "struct",
        "half characters and zero bytes; the work is right",
        REFERENCE | {"softmax": REFERENCE["softmax"] + "\n# MARK"},
        change=_text("MARK", r"\ud800 \u0000 \udfff"),
        least=10,
        most=10,
    ),
    Attack("forged_marks", "points", "own cells marked as tests", change=_forged_marks),
    Attack("other_kernel", "points", "another kernel and every tag there is", change=_other_kernel),
    Attack(
        "stripped",
        "honest",
        "saved by a tool that drops metadata and ids",
        REFERENCE,
        change=_stripped,
        least=10,
        most=10,
    ),
]
