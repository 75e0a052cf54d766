"""Find solution text in a release: a line of a solution, a hidden test, or a misconception.

A line that the source also shows to students is no secret, and neither is a short one such as
`return x`: what is left identifies its place.
"""

import ast
import contextlib
import json

from autograder.regions import HIDDEN, SOLUTION, regions

_SHORTEST = 12


def secrets(assignment):
    """The lines of the source that no release may contain."""
    hidden, visible = [], [assignment.title]
    for cell in assignment.cells:
        if cell.mark == "manual":
            hidden.append(cell.source)
        elif cell.mark in {"solution", "test"}:
            outside, inside = regions(cell.source, SOLUTION if cell.mark == "solution" else HIDDEN)
            visible.append(outside)
            hidden.append(inside)
        else:  # the inputs stay with the instructor, but their data and names are released
            visible.append(cell.source)
    for name in ("misconceptions.py", "alternatives.py"):
        path = assignment.path.parent / name
        if path.is_file():
            hidden.append(_code_without_strings(path.read_text(encoding="utf-8")))
    shown = "\n".join(visible)
    lines = {line.strip() for text in hidden for line in text.split("\n")}
    return sorted(line for line in lines if len(line) >= _SHORTEST and line not in shown)


def leaked(secret_lines, content):
    """The secret lines that stand in a file's bytes, also inside the texts of JSON."""
    text = content.decode("utf-8", errors="replace")
    with contextlib.suppress(ValueError):  # not JSON: the bare text is all there is
        text = "\n".join([text, *_texts(json.loads(text))])
    return [line for line in secret_lines if line in text]


def _texts(data):
    """Every text in JSON data; lists of texts, as notebooks have, joined."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from _texts(value)
    elif isinstance(data, list):
        if all(isinstance(item, str) for item in data):
            yield "".join(data)
        else:
            for item in data:
                yield from _texts(item)


def _code_without_strings(code):
    """The lines of `code` without docstrings: hints are meant to be seen."""
    lines = code.split("\n")
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return "\n".join(lines)
