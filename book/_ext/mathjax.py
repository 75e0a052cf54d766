"""Mathematics without a network: one file of MathJax, copied into the book.

The package sphinx-mathjax-offline carries all of MathJax (24 MB) and copies all of it. The book
needs one bundle, which draws formulas as SVG and so loads no fonts, and TeX's further commands.
"""

from importlib.metadata import files
from pathlib import Path

from sphinx.util.fileutil import copy_asset

BUNDLE, COMMANDS = "tex-svg.js", "input/tex/extensions"


def copy(app, error):
    if error is None and app.builder.format == "html":
        found = next(path for path in files("sphinx-mathjax-offline") if path.name == BUNDLE)
        source, target = Path(found.locate()).parent, Path(app.outdir) / "_static" / "mathjax"
        copy_asset(source / BUNDLE, target)
        copy_asset(source / COMMANDS, target / COMMANDS)


def setup(app):
    app.setup_extension("sphinx.ext.mathjax")
    app.config.mathjax_path = f"mathjax/{BUNDLE}"
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True}
