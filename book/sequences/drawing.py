"""Figures with words in another script: the letters come with the picture."""

import base64
import io
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from IPython.display import SVG

FONT = Path(__file__).parents[1] / "_static" / "fonts" / "noto-sans-tamil.woff2"
STYLE = """<style>
@font-face {{font-family: "Noto Sans Tamil"; src: url(data:font/woff2;base64,{font})}}
text {{font-family: "DejaVu Sans", "Noto Sans Tamil", sans-serif !important}}
</style>"""


def with_tamil(figure):
    """The figure as SVG whose text stays text, shaped by the browser in the font it carries.

    Matplotlib draws one glyph a code point, in its order; Tamil vowel signs stand in front of the
    consonant that they follow.
    """
    drawn = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(
            drawn, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None}
        )
    plt.close(figure)
    opening, rest = drawn.getvalue().split("<defs>", 1)
    font = base64.b64encode(FONT.read_bytes()).decode()
    return SVG(f"{opening}{STYLE.format(font=font)}<defs>{rest}")
