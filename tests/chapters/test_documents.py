"""Every worked example (W), erratum (E) and experiment (X) of the documents has its place.

`tests/documents.csv` gives each its chapter and, once that chapter is written, the page that shows
it and the test that holds it. The functions below return what is missing, so that they can be
shown to fail.
"""

import ast
import csv
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = {"W": 91, "E": 110, "X": 105}


def read_table(text):
    return list(csv.DictReader(text.splitlines()))


TABLE = read_table((ROOT / "tests" / "documents.csv").read_text())


def written(chapter):
    """A chapter is written when its page stands; the introduction is a single page."""
    page = f"book/{chapter}.md" if chapter == "introduction" else f"book/{chapter}/chapter.md"
    return (ROOT / page).is_file()


def gaps(row):
    """What a row of a written chapter lacks."""
    page, (file, _, function) = ROOT / row["page"], row["test"].partition("::")
    if not row["page"] or not row["test"]:
        yield f"{row['id']}: no page or no test"
    elif not page.is_file() or row["id"] not in page.read_text():
        yield f"{row['id']}: {row['page']} does not name it"
    elif function not in functions(ROOT / file):
        yield f"{row['id']}: there is no {row['test']}"


def functions(path):
    if not path.is_file():
        return set()
    return {n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)}


def test_every_item_of_the_documents_is_listed_once():
    counts = Counter(row["id"] for row in TABLE)
    wanted = {f"{kind}{k:02d}" for kind, last in EXPECTED.items() for k in range(1, last + 1)}
    assert counts.keys() == wanted
    assert set(counts.values()) == {1}


@pytest.mark.parametrize("chapter", sorted({row["chapter"] for row in TABLE}))
def test_a_written_chapter_covers_its_items(chapter):
    if not written(chapter):
        pytest.skip(f"the chapter {chapter} is not written yet")
    missing = [gap for row in TABLE if row["chapter"] == chapter for gap in gaps(row)]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize(
    "line, gap",
    [
        ("W17,activations,,", "no page or no test"),
        ("W17,activations,book/glossary.md,x.py::t", "does not name it"),
        ("W17,activations,book/activations/chapter.md,tests/none.py::test_x", "there is no"),
    ],
)
def test_a_gap_is_seen(line, gap):
    (row,) = read_table("id,chapter,page,test\n" + line)
    assert [gap in found for found in gaps(row)] == [True]
