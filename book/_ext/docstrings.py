"""Show docstrings as they are written: Markdown's `code`, $formulas$, and a list of facts.

A docstring states Shapes, Raises and Source at the start of a line or sentence. On the API pages
these become a list, with a link between the two implementations of a function, and from a gradient
to its function.
"""

import importlib
import re

FACT = re.compile(r"(?:^|(?<=[.\n] )|(?<=\n))(Shapes|Returns|Raises|Source): ")
SPAN = re.compile(r"(`+[^`]+`+|\$[^$]+\$)")
OTHER = {"reference": ("pytorch", "PyTorch"), "pytorch": ("reference", "NumPy reference")}


def to_rst(text):
    """A paragraph of Markdown as reStructuredText, on one line."""
    parts = SPAN.split(" ".join(text.split()))
    for i, part in enumerate(parts):
        if part.startswith("$"):
            parts[i] = f":math:`{part[1:-1]}`"
        elif part.startswith("`"):
            parts[i] = f"``{part.strip('`')}``"
        else:
            parts[i] = re.sub(r"([*_|\\])", r"\\\1", part)
    return "\\ ".join(parts) if len(parts) > 1 else parts[0]


def links(name):
    """The facts that a function's name tells: its gradient, its other implementation."""
    module, _, function = name.rpartition(".")
    chapter, _, side = module.rpartition(".")
    if side not in OTHER:
        return
    if function.endswith("_backward"):
        yield "Gradient of", f":py:func:`~{module}.{function.removesuffix('_backward')}`"
    elif function in importlib.import_module(module).__all__:
        other, title = OTHER[side]
        yield title, f":py:func:`~{chapter}.{other}.{function}`"
        if side == "reference" and hasattr(importlib.import_module(module), f"{function}_backward"):
            yield "Gradient", f":py:func:`~{module}.{function}_backward`"


def process(app, what, name, obj, options, lines):
    prose, *facts = FACT.split("\n".join(lines).strip())
    paragraphs = [to_rst(text) for text in prose.split("\n\n")]
    named = [(key, to_rst(text)) for key, text in zip(facts[::2], facts[1::2], strict=True)]
    fields = [f":{key}: {text}" for key, text in [*named, *links(name)]]
    lines[:] = [*"\n\n".join(paragraphs).split("\n"), "", *fields, ""]


def setup(app):
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True}
