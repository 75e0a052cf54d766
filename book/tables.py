"""Tables of measured results: HTML that scrolls by itself and that a screen reader can follow."""

import json
from html import escape
from pathlib import Path

from IPython.display import HTML

BENCHMARKS = Path(__file__).parent / "benchmarks"
DEVICES = {"cpu": "CPU", "cuda": "GPU"}
CANDIDATES = {"numpy": "NumPy reference", "pytorch": "ours", "compiled": "ours, compiled"}
NOTHING = "–"
CAPTION = "caption-side: top; text-align: left; white-space: normal; color: inherit"
STAYS = "display: inline-block; position: sticky; left: 0; max-width: 80vw"  # while it scrolls
SPACE = "\N{NO-BREAK SPACE}"


def stored(name):
    """The stored results of that name: `parity`, or a chapter's timings."""
    return json.loads((BENCHMARKS / f"{name}.json").read_text(encoding="utf-8"))


def chapters():
    """The chapters that have timings."""
    folders = BENCHMARKS.parent.glob("*/cases.py")
    names = {path.parent.name for path in folders}
    return sorted(path.stem for path in BENCHMARKS.glob("*.json") if path.stem in names)


def table(caption, columns, rows, wrap=False):
    """A table in a region of its own, so that a narrow screen scrolls the table, not the page.

    caption : plain text, also the region's name; columns : their headings; rows : lists of cells,
    of which the first is the row's heading; wrap : whether long cells are broken into lines.
    """
    name = escape(caption)
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "\n".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in others)
        + "</tr>"
        for first, *others in rows
    )
    return HTML(
        f'<div role="region" aria-label="{name}" tabindex="0" style="overflow-x: auto">\n'
        f'<table class="table dataframe" style="white-space: {"normal" if wrap else "nowrap"}">\n'
        f'<caption style="{CAPTION}"><span style="{STAYS}">{name}</span></caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def machine(facts):
    """The machine and the versions, in one phrase."""
    threads = facts.get("threads")
    threads = f", {threads} thread{'s' if threads > 1 else ''}" if threads else ""
    return f"{facts['name']}{threads}, NumPy {facts['numpy']}, PyTorch {facts['torch']}"


def tolerances():
    """The table of tolerances that the parity tests use."""
    rows = [
        [
            f"{one['dtype']}, {DEVICES[one['device']]}",
            f"{one['relative']:.0e}",
            f"{one['absolute']:.0e}",
            one["reason"],
        ]
        for one in stored("parity")["tolerances"]
    ]
    columns = ["dtype and device", "relative", "absolute", "reason"]
    return table("Tolerances of the parity tests", columns, rows, wrap=True)


def errors(device):
    """The measured errors of every function against PyTorch and the peers, on that device."""
    results = stored("parity")
    dtypes = [t["dtype"] for t in results["tolerances"] if t["device"] == device]
    keys = [(f"{dtype} {device}", way) for dtype in dtypes for way in ("forward", "backward")]
    rows = [
        [function, _plain(side), *(_error(columns.get(dtype, {}).get(way)) for dtype, way in keys)]
        for functions in results["errors"].values()
        for function, sides in functions.items()
        for side, columns in sorted(sides.items(), key=lambda item: item[0] != "pytorch")
        if any(dtype in columns for dtype, _ in keys)
    ]
    headings = [f"{dtype.split()[0]} {way}" for dtype, way in keys]
    caption = f"Largest errors, absolute | relative, on {machine(results['machines'][device])}"
    return table(caption, ["function", "held against", *headings], rows)


def _plain(side):
    return "our pytorch.py" if side == "pytorch" else side


def _error(error):
    if error is None:
        return NOTHING
    numbers = (error["absolute"], error["relative"])
    return f"{SPACE}|{SPACE}".join(f"{number:.1e}" if number else "0" for number in numbers)


def timings(chapter, device):
    """How much longer each candidate takes than the peer: the ratio of their median times."""
    results = stored(chapter)[device]
    copy = results["machine"].get("copy_bytes_per_second")
    rows = [
        [
            row["function"],
            row["dtype"],
            row["direction"],
            *(_ratio(row["seconds"], name, copy) for name in (*CANDIDATES, "peer")),
            row["peer"] or NOTHING,
        ]
        for row in results["rows"]
    ]
    caption = f"The functions of {chapter}, timed on {machine(results['machine'])}"
    missing = {reason for row in results["rows"] for reason in row["missing"].values()}
    if missing:
        caption += f" ({'; '.join(sorted(missing))})"
    columns = ["function", "dtype", "direction", *CANDIDATES.values(), "peer", "name of the peer"]
    return table(caption, columns, rows)


def _ratio(seconds, name, copy):
    if name not in seconds:
        return NOTHING
    median = seconds[name]["median"]
    if name == "peer" or "peer" not in seconds:
        text = f"{1e3 * median:.3g}{SPACE}ms"
    else:
        ratio = median / seconds["peer"]["median"]
        text = f"{ratio:.{0 if ratio > 20 else 1 if ratio > 2 else 2}f}{SPACE}×"
    if "bytes_per_second" in seconds[name]:
        text += f",{SPACE}{seconds[name]['bytes_per_second'] / copy:.0%}"
    return text
