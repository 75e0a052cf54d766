"""The stored notebooks are those of the pages, whole, small, and verified by nbval."""

import shutil
import sys
from xml.etree import ElementTree

import nbformat
import pytest

from tests.book.conftest import ROOT
from tools import pages

STORED = sorted(pages.STORE.rglob("*.ipynb"))
FIGURE = """
import matplotlib.pyplot as plt
from book import style
style.use()
plt.plot([0, 1]);
"""


def drawings(notebook):
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/svg+xml" in output.get("data", {}):
                yield cell.id, output.data["image/svg+xml"]


def test_the_stored_notebooks_are_those_of_the_pages():
    assert pages.pages(), "no page of _toc.yml contains code"
    assert pages.problems() == []


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.relative_to(pages.STORE).as_posix())
def test_a_stored_notebook_is_small_and_its_figures_are_sound(path):
    assert path.stat().st_size < 1_000_000, "more than 1 MB: draw fewer points"
    for cell, svg in drawings(nbformat.read(path, as_version=4)):
        assert len(svg) < 300_000, f"{cell}: a figure of more than 300 kB"
        assert "<dc:date>" not in svg, f"{cell}: a figure with a date"
        root = ElementTree.fromstring(svg)  # well formed
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.find(".//{http://www.w3.org/2000/svg}path") is not None, f"{cell}: empty"


@pytest.fixture(scope="module")
def drawn(executed, tmp_path_factory):
    """A tiny book whose page also draws a figure and prints an address."""
    copy = tmp_path_factory.mktemp("drawn") / "book"
    shutil.copytree(executed.root, copy)
    shutil.copy(ROOT / "book/style.py", copy / "book/style.py")
    page = copy / executed.page
    cells = (
        f"\n```{{code-cell}} python{FIGURE}```\n\n```{{code-cell}} python\nprint(object())\n```\n"
    )
    page.write_text(page.read_text() + cells)
    project = object.__new__(type(executed))
    project.root = copy
    status, output = project.pages("execute")
    assert status == 0, output
    return project


def nbval(project):
    config = str(ROOT / "tests/nbval.cfg")
    return project.run(
        "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly",
        "--nbval", "book/notebooks", "--nbval-sanitize-with", config,
    )  # fmt: skip


def test_nbval_accepts_other_digits_of_a_curve_and_another_address(drawn):
    text = drawn.stored.read_text()
    changed = text.replace('viewBox=\\"0 0 ', 'viewBox=\\"0 1e-9 ', 1)
    assert changed != text
    drawn.stored.write_text(changed)
    status, output = nbval(drawn)
    drawn.stored.write_text(text)
    assert status == 0, output


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("said: first", "said: something else", "said: something else"),
        ("object at 0x", "thing at 0x", "thing at"),
        ('"image/svg+xml": [', '"image/none": [', "Missing output fields"),
        ("</svg>", "</sv", "mismatch 'image/svg+xml'"),
    ],
    ids=["another text", "text beside an address", "no figure", "half a figure"],
)
def test_nbval_refuses(drawn, old, new, message):
    text = drawn.stored.read_text()
    assert old in text
    drawn.stored.write_text(text.replace(old, new))
    status, output = nbval(drawn)
    drawn.stored.write_text(text)
    assert status == 1
    assert message in output


def test_the_python_that_runs_the_tests_is_the_one_of_the_kernels():
    """nbval starts the kernel named python3; in our environment that is this interpreter."""
    from jupyter_client.kernelspec import KernelSpecManager

    assert KernelSpecManager().get_kernel_spec("python3").argv[0] in (sys.executable, "python")
