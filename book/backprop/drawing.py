"""Computation graphs as pictures: what was computed from what, with values and gradients."""

import matplotlib.pyplot as plt
import numpy as np

from book import style
from book.backprop.engine import Tensor, in_order

__all__ = ["graph"]

_BOX = 1.5  # the width of a box, where 2 is the distance of two columns


def graph(output, **names):
    """Draw the computation of `output`: a box a tensor, with its value above its gradient.

    Values run along the arrows, gradients against them. After `output.backward()` the gradients
    are there; before, the lower half of each box is empty. Constants are left out.

    output : the last Tensor; names : what to call tensors, as in `graph(loss, w=w, x=x)`.

    Shapes: any; arrays of more than one entry are shown by their shape and their norm.
    Returns the Matplotlib figure.
    Raises: TypeError if something is not a Tensor of this book's engine.
    """
    for name, tensor in {"output": output, **names}.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: expected a Tensor of the engine, got {type(tensor).__name__}")
    called = {id(tensor): name for name, tensor in names.items()}
    nodes = in_order(output)
    places = _places(nodes)
    columns = 1 + max(x for x, _ in places.values())
    rows = 1 + max(y for _, y in places.values()) - min(y for _, y in places.values())
    width = max(style.WIDTH, 1.25 * columns)
    fig, ax = plt.subplots(figsize=(width, max(1.0, 0.85 * rows)))
    for node in nodes:
        x, y = places[id(node)]
        for source, _ in node.sources:
            from_x, from_y = places[id(source)]
            ends = (2 * x - _BOX / 2, y), (2 * from_x + _BOX / 2, from_y)
            arrow = {"arrowstyle": "-|>", "color": style.GRAY, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", *ends, arrowprops=arrow)
        _box(ax, 2 * x, y, node, called.get(id(node)))
    ax.set(xlim=(-1, 2 * columns - 1), ylim=_limits([y for _, y in places.values()]))
    ax.axis("off")
    return fig


def _places(nodes):
    """(column, row) of each node: right of all its sources, near the middle of their rows."""
    column = {}
    for node in nodes:
        column[id(node)] = 1 + max((column[id(s)] for s, _ in node.sources), default=-1)
    users = {id(node): [] for node in nodes}
    for node in nodes:
        for source, _ in node.sources:
            users[id(source)].append(node)
    for node in reversed(nodes):  # a leaf stands just left of its first use
        if not node.sources and users[id(node)]:
            column[id(node)] = min(column[id(user)] for user in users[id(node)]) - 1
    row, free = {}, {}
    for node in nodes:
        wanted = [row[id(source)] for source, _ in node.sources]
        lowest = free.get(column[id(node)], 0.0)
        row[id(node)] = max(lowest, float(np.mean(wanted))) if wanted else lowest
        if not node.sources:  # leaves share one stack, so that no arrow runs through a box
            row[id(node)] = free.get("leaves", 0.0)
            free["leaves"] = row[id(node)] + 1
        free[column[id(node)]] = row[id(node)] + 1
    return {key: (column[key], -row[key]) for key in column}


def _limits(rows):
    return min(rows) - 0.6, max(rows) + 0.6


def _box(ax, x, y, node, name):
    color = style.BLUE if node.sources else style.GREEN
    made = node.operation or "input"
    title = f"{name} ({made})" if name and node.operation else name or made
    left = x - _BOX / 2
    ax.add_patch(plt.Rectangle((left, y - 0.36), _BOX, 0.72, fc=color + "1A", ec=color, lw=1.2))
    text = {"ha": "center", "va": "center", "fontsize": 8.5}
    ax.text(x, y + 0.22, title, weight="bold", **text)
    ax.text(x, y, _short(node.data), **text)
    if node.grad is not None:
        ax.text(x, y - 0.23, f"grad {_short(node.grad)}", color=style.RED, **text)


def _short(array):
    if array.size == 1:
        return f"{array.item():.3g}"
    return f"{'×'.join(map(str, array.shape))}, norm {np.linalg.norm(array):.3g}"
