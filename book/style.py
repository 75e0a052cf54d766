"""One look for every figure: colour-blind safe, readable in print and in dark mode.

A page starts with ``style.use()``. Figures are then SVG with a transparent background, and two
runs of the same code write the same bytes. The book's style sheet inverts their lightness in dark
mode and keeps their hues, so a figure needs nothing of its own for that.
"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import torch
from cycler import cycler
from matplotlib.colors import LinearSegmentedColormap
from matplotlib_inline.backend_inline import set_matplotlib_formats

# Okabe and Ito (2008): eight colours that people with any common colour vision tell apart.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, GRAY = "#CC79A7", "#56B4E9", "#F0E442", "#666666"
CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GRAY)

# Two classes and the plane between them: the same pair wherever a boundary is drawn.
CLASSES = (BLUE, RED)
DIVERGING = LinearSegmentedColormap.from_list("classes", (BLUE, "#FFFFFF", RED))

WIDTH = 7.2  # inches: the text width of the book


def use():
    """Set Matplotlib to the book's style and PyTorch to one repeatable thread."""
    set_matplotlib_formats("svg", metadata={"Date": None, "Creator": None})
    mpl.rcParams.update(
        {
            "figure.figsize": (WIDTH, 0.45 * WIDTH),
            "figure.facecolor": "none",
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "none",
            "svg.hashsalt": "deep-learning-course",
            "axes.facecolor": "none",
            "axes.prop_cycle": cycler(color=CYCLE),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.titlesize": "medium",
            "grid.color": "#CCCCCC",
            "grid.linewidth": 0.6,
            "lines.linewidth": 1.8,
            "legend.frameon": False,
            "font.size": 10,
            "image.cmap": "cividis",
        }
    )
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def panels(rows, columns, height=None, **kwargs):
    """A figure of the book's width with rows x columns axes; height in inches."""
    height = 0.8 * rows * WIDTH / columns if height is None else height
    return plt.subplots(rows, columns, figsize=(WIDTH, height), squeeze=False, **kwargs)
