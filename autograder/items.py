"""The item analysis of an assignment: which of its tasks tell, and what students got wrong.

The page is for instructors and names no student. Statistics are over the students whose work was
graded; a task that waits for a person with one of them is left out of sums over tasks.
"""

import io
import math
import re
from collections import Counter
from dataclasses import dataclass, field

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from autograder import feedback, report
from autograder.project import write_atomically

NAME = "items.html"
FEW = 30  # submissions: below this, all numbers are read with care
LOW = 0.2  # discrimination: below this, a task hardly tells who knows more
EASY, HARD = 0.95, 0.25  # difficulty outside of these: nearly all or few have the points
GROUP = 0.27  # share of students in the upper and in the lower group
_BINS = 10
_MOST = 5  # misconceptions and errors that are listed for a task
# Two colors of book/style.py, which cannot be imported here: it would load PyTorch.
BLUE, ORANGE = "#0072B2", "#E69F00"


@dataclass
class Item:
    """The statistics of one task; None where the data do not say.

    difficulty : mean share of the points, so 1 is easy.
    discrimination : correlation of its points with those of all other tasks; `interval` is the
        95 % confidence interval.
    index : difficulty in the upper 27 % of students minus that in the lower 27 %.
    full, none : shares of students with all and with no points.
    mistakes : (name, hint, number of students); errors : (type, number of students).
    seconds : (median, largest) time of its tests.
    """

    id: str
    title: str
    max: float
    students: int
    waiting: int = 0
    difficulty: float | None = None
    discrimination: float | None = None
    interval: tuple[float, float] | None = None
    index: float | None = None
    full: float | None = None
    none: float | None = None
    mistakes: list = field(default_factory=list)
    errors: list = field(default_factory=list)
    seconds: tuple[float, float] | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass
class Analysis:
    """The statistics of an assignment, over the tasks in which nobody's answer waits for a person.

    scores : the students' points, in ascending order; max : the points there are.
    alpha : Cronbach's; seconds : (median, largest) time of a submission.
    """

    items: list[Item]
    students: int
    ungraded: int
    scores: list[float]
    max: float
    mean: float | None
    median: float | None
    deviation: float | None
    alpha: float | None
    seconds: tuple[float, float] | None


def write(output, assignment, rows):
    """Write items.html below `output` from report.Rows; returns its path."""
    path = output / NAME
    write_atomically(path, page(assignment, rows).encode("utf-8"))
    return path


def page(assignment, rows):
    """The page as HTML."""
    found = analyze(assignment, rows)
    return feedback.template("items.html").render(
        duration=_duration,
        title=assignment.title,
        found=found,
        few=found.students < FEW,
        low=LOW,
        group=GROUP,
        histogram=_histogram(found),
        bins=_binned(found),
        overview=_overview(found),
    )


def analyze(assignment, rows):
    """The Analysis of report.Rows."""
    graded = [row for row in rows if row.status != report.FAILED]
    tasks = list(assignment.tasks)
    points = np.array([[_points(row, task) for task in tasks] for row in graded], dtype=float)
    points = points.reshape(len(graded), len(tasks))
    most = np.array([assignment.tasks[task].points for task in tasks], dtype=float)
    whole = ~np.isnan(points).any(axis=0)  # tasks in which nobody's answer waits
    totals = points[:, whole].sum(axis=1)
    items = [
        _item(assignment.tasks[task], graded, points[:, i], totals, bool(whole[i]))
        for i, task in enumerate(tasks)
    ]
    scores = sorted(totals.tolist())
    return Analysis(
        items=items,
        students=len(graded),
        ungraded=len(rows) - len(graded),
        scores=scores,
        max=float(most[whole].sum()),
        mean=float(np.mean(scores)) if scores else None,
        median=float(np.median(scores)) if scores else None,
        deviation=float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
        alpha=cronbach_alpha(points[:, whole]),
        seconds=_times([row.seconds for row in graded if row.seconds is not None]),
    )


def correlation(x, y):
    """Pearson's correlation; None for fewer than 3 pairs or where one of them is constant."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def confidence(r, n):
    """The 95 % interval of a correlation of n pairs, by Fisher's transformation; None if n < 4."""
    if r is None or n < 4 or abs(r) >= 1:
        return None
    half = 1.959964 / math.sqrt(n - 3)
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)


def upper_lower(shares, totals):
    """Mean share in the upper 27 % by total minus that in the lower 27 %; None below 4 students.

    Students with equal totals at the border share the places in the group.
    """
    size = GROUP * len(totals)
    if size < 1:
        return None
    return _mean_of_first(shares, -totals, size) - _mean_of_first(shares, totals, size)


def cronbach_alpha(points):
    """Cronbach's alpha of points (students, tasks); None for one task or without differences."""
    students, tasks = points.shape
    if students < 2 or tasks < 2 or np.ptp(points.sum(axis=1)) == 0:
        return None
    between = points.var(axis=0, ddof=1).sum() / points.sum(axis=1).var(ddof=1)
    return float(tasks / (tasks - 1) * (1 - between))


def _mean_of_first(values, keys, size):
    """The mean of the `size` values with the smallest keys; equal keys weigh the same."""
    total, left = 0.0, size
    for key in np.unique(keys):
        tied = values[keys == key]
        taken = min(left, len(tied))
        total, left = total + taken * tied.mean(), left - taken
        if left <= 0:
            break
    return float(total / size)


def _duration(seconds):
    """A time in words: 96 ms, 1.3 s, 140 s."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def _points(row, task):
    """A student's points in a task; NaN while a part of it waits for a person."""
    scores = [part.score for part in row.of(task)]
    return math.nan if not scores or None in scores else sum(scores)


def _item(task, graded, points, totals, is_whole):
    known = ~np.isnan(points)
    item = Item(task.id, task.title, task.points, int(known.sum()), int((~known).sum()))
    shares = points[known] / task.points
    if len(shares):
        item.difficulty = float(shares.mean())
        item.full, item.none = float((shares >= 1).mean()), float((shares <= 0).mean())
    rest = (totals - points if is_whole else totals)[known]
    item.discrimination = correlation(points[known], rest)
    item.interval = confidence(item.discrimination, len(shares))
    item.index = upper_lower(shares, totals[known])
    item.mistakes, item.errors = _wrong(graded, task.id)
    item.seconds = _times([sum(each) for row in graded if (each := _seconds(row, task.id))])
    item.warnings = _warnings(item)
    return item


def _seconds(row, task):
    return [part.seconds for part in row.of(task) if part.seconds is not None]


def _times(seconds):
    """Median and largest; None where nothing was measured."""
    return (float(np.median(seconds)), max(seconds)) if seconds else None


def _wrong(graded, task):
    """The most frequent misconceptions and error types of a task, a student counted once."""
    mistakes, errors, hints = Counter(), Counter(), {}
    for row in graded:
        parts = row.of(task)
        found = dict(mistake for part in parts for mistake in part.mistakes)
        hints = found | hints
        mistakes.update(found.keys())
        kinds = {"not solved" if p.unsolved else p.error for p in parts if p.error}
        errors.update(kinds)
    named = [(name, hints[name], count) for name, count in _ranked(mistakes)]
    return named, _ranked(errors)


def _ranked(counter):
    return sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST]


def _warnings(item):
    """What to look at, in sentences."""
    said = []
    if item.waiting:
        said.append(f"{item.waiting} of {item.waiting + item.students} answers wait for a person.")
    if item.difficulty is None:
        return said
    if item.discrimination is not None and item.discrimination < 0:
        said.append("Who does well elsewhere does worse here: look at the text and the tests.")
    elif item.discrimination is not None and item.discrimination < LOW:
        said.append(f"Discrimination below {LOW:g}: look at this task.")
    if item.difficulty > EASY:
        said.append("Nearly all have it: it hardly tells students apart.")
    elif item.difficulty < HARD:
        said.append("Few points were given: is it too hard, or not clear?")
    return said


def _binned(found):
    """The histogram as (from, to, number of students)."""
    if not found.scores or not found.max:
        return []
    counts, edges = np.histogram(found.scores, bins=_BINS, range=(0, found.max))
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True))


def _histogram(found):
    """Scores as an inline SVG, or nothing."""
    bins = _binned(found)
    if not bins:
        return ""
    figure, axes = _figure(2.6)
    width = bins[0][1] - bins[0][0]
    titles = {}
    for index, (low, high, count) in enumerate(bins):
        [bar] = axes.bar(low, count, 0.92 * width, align="edge", color=BLUE)
        bar.set_gid(f"bin-{index}")
        titles[f"bin-{index}"] = f"{low:g} to {high:g} points: {count} students"
    axes.axvline(found.mean, color="#333333", lw=1.2, ls="--")
    axes.annotate(
        f"mean {found.mean:.1f}", (found.mean, 1), (4, -2), va="top",
        xycoords=("data", "axes fraction"), textcoords="offset points",
    )  # fmt: skip
    top = 1.2 * max(count for _, _, count in bins)
    axes.set(xlabel="points", ylabel="students", xlim=(0, found.max), ylim=(0, top))
    axes.yaxis.get_major_locator().set_params(integer=True)
    return _svg(figure, f"Histogram of the points of {found.students} students", titles)


def _overview(found):
    """Difficulty and discrimination of the tasks side by side as an inline SVG, or nothing."""
    items = [item for item in found.items if item.difficulty is not None]
    if not items:
        return ""
    figure, (left, right) = _figure(0.8 + 0.34 * len(items), columns=2)
    places, titles = range(len(items)), {}
    for y, item in zip(places, items, strict=True):
        [bar] = left.barh(y, item.difficulty, 0.6, color=BLUE)
        bar.set_gid(f"difficulty-{y}")
        titles[f"difficulty-{y}"] = f"{item.title}: {item.difficulty:.0%} of the points"
        if item.discrimination is None:
            continue
        if item.interval:
            right.plot(item.interval, (y, y), color=BLUE, lw=1.4)
        low = item.discrimination < LOW
        [dot] = right.plot(
            item.discrimination, y, "D" if low else "o", color=ORANGE if low else BLUE, ms=8
        )
        dot.set_gid(f"discrimination-{y}")
        titles[f"discrimination-{y}"] = f"{item.title}: {item.discrimination:.2f}"
    left.set(xlim=(0, 1), xlabel="difficulty: mean share of the points")
    left.set_yticks(places, [_short(item.title) for item in items])
    left.invert_yaxis()
    right.axvline(LOW, color="#333333", lw=1, ls="--")
    right.axvline(0, color="#999999", lw=0.8)
    right.set(xlim=(-1, 1), xlabel="discrimination, with 95 % interval")
    for axes in (left, right):
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
    return _svg(figure, "Difficulty and discrimination of each task, as in the table", titles)


def _short(title, width=28):
    return title if len(title) <= width else f"{title[: width - 1]}…"


def _figure(height, columns=1):
    """A figure and its axes in the look of the book, without pyplot's global state."""
    with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10}):
        figure = Figure(figsize=(7.2, height), layout="constrained", facecolor="none")
        axes = figure.subplots(1, columns, sharey=columns > 1)
    for each in np.atleast_1d(axes):
        each.set_facecolor("none")
        each.set_axisbelow(True)
        each.grid(color="#CCCCCC", lw=0.6)
    return figure, axes


def _svg(figure, label, titles):
    """The figure as SVG for a page: text stays text, tooltips are titles, the same bytes always."""
    file = io.StringIO()
    look = {"svg.hashsalt": label, "svg.fonttype": "none", "font.family": "sans-serif"}
    with mpl.rc_context(look):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = re.sub(r"^.*?(?=<svg )|<metadata>.*?</metadata>", "", file.getvalue(), flags=re.DOTALL)
    text = re.sub(r"(<svg [^>]*?) width=\"[^\"]*\"", r"\1", text, count=1)
    text = re.sub(r"(<svg [^>]*?) height=\"[^\"]*\"", r"\1", text, count=1)
    text = text.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)
    for id, title in titles.items():
        text = text.replace(f'<g id="{id}">', f'<g id="{id}"><title>{escape(title)}</title>', 1)
    return Markup(text)
