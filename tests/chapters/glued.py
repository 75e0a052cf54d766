"""What a stored page computed: the values that its prose quotes."""

import ast
from pathlib import Path

import nbformat

STORE = Path(__file__).resolve().parents[2] / "book" / "notebooks"
MIME = "application/papermill.record/text/plain"


def glued(page):
    """Name -> value of everything that the page glued, from its stored, verified notebook."""
    notebook = nbformat.read(STORE / page, as_version=4)
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", []) if "data" in o]
    return {
        output.metadata["scrapbook"]["name"]: ast.literal_eval(output.data[MIME])
        for output in outputs
        if MIME in output.data
    }
