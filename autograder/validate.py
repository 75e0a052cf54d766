"""Say which tasks of a notebook are solved, with nbgrader's validator and its results."""

import re
from pathlib import Path

import nbformat
from jsonschema import ValidationError

from autograder.errors import UsageError

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def validate(path):
    """Run a notebook; returns (id, None) for each graded cell that is right, else (id, reason).

    A manually graded answer counts as right once something is written there.
    """
    from nbgrader.preprocessors import CheckCellMetadata, ClearOutput
    from nbgrader.utils import is_grade
    from nbgrader.validator import Validator

    from autograder.kernel import InKernel

    path = Path(path).resolve()
    try:
        notebook = nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise UsageError(f"There is no notebook {path}.") from None
    except Exception as error:
        raise UsageError(f"{path} is not a notebook: {_first_line(str(error))}") from None
    graded = [cell for cell in notebook.cells if is_grade(cell)]
    if not graded:
        raise UsageError(f"{path} has no graded cells: is it the notebook of an assignment?")
    validator = Validator()
    validator.preprocessors = [CheckCellMetadata, ClearOutput, InKernel]
    try:
        results = validator.validate(str(path))
    except ValidationError as error:
        raise UsageError(
            f"{path} has damaged cells ({_first_line(str(error))}). "
            "Was a task's cell copied? Remove the copy, or start from a fresh notebook."
        ) from None
    reasons = {item["source"]: _summary(item["raw_error"]) for item in results.get("failed", [])}
    for item in [*results.get("changed", []), *results.get("type_changed", [])]:
        reasons[item["source"]] = "it was changed: get a fresh copy of the assignment"
    known = {cell.source.strip() for cell in graded}
    others = [("another locked cell", why) for text, why in reasons.items() if text not in known]
    return [
        (cell.metadata.nbgrader.grade_id, reasons.get(cell.source.strip())) for cell in graded
    ] + others


def _summary(error):
    """The telling line of an error: the first of a failed check, the last of a traceback."""
    text = _ANSI.sub("", error).strip()
    if "You did not provide a response" in text:
        return "not answered yet"
    line = text.split("\n")[-1] if text.startswith("---") else _first_line(text)
    return "not solved yet" if line.strip() == "NotImplementedError:" else line or "it failed"


def _first_line(text):
    return text.strip().split("\n")[0]
