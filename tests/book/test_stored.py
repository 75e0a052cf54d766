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
plt.plot([0, 1])
plt.show()
"""
ADDRESS = "print(object())\n"


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
    """A tiny book whose page also draws two figures and prints an address."""
    project = executed.copy(tmp_path_factory.mktemp("drawn"))
    shutil.copy(ROOT / "book/style.py", project.root / "book/style.py")
    more = "".join(
        f"\n```{{code-cell}} python\n{code.lstrip()}```\n" for code in (FIGURE, FIGURE, ADDRESS)
    )
    project.write(project.page, (project.root / project.page).read_text() + more)
    status, output = project.pages("execute")
    assert status == 0, output
    return project


def nbval(project, edits):
    """What nbval says of the stored notebook after edits: (old, new) or (old, new, count)."""
    text = before = project.stored.read_text()
    for old, new, *count in edits:
        assert old in text
        text = text.replace(old, new, *count)
    project.stored.write_text(text)
    options = ["--nbval-sanitize-with", str(ROOT / "tests/nbval.cfg"), "-p", "no:cacheprovider"]
    status, output = project.run("-m", "pytest", "--nbval", "book/notebooks", *options)
    project.stored.write_text(before)
    return status, output


def test_nbval_accepts_other_digits_of_a_curve_and_another_address(drawn):
    edits = [('viewBox=\\"0 0 ', 'viewBox=\\"0 1e-9 '), ("object at 0x", "object at 0xabc")]
    status, output = nbval(drawn, edits)
    assert status == 0, output


def test_nbval_refuses_another_text_a_missing_and_a_broken_figure(drawn):
    edits = [
        ("said: first", "said: something else"),
        ('"image/svg+xml": [', '"image/none": [', 1),  # the first figure
        ("</svg>", "</sv"),  # the second, too
        ("object at 0x", "thing at 0x"),
    ]
    status, output = nbval(drawn, edits)
    assert status == 1
    assert "4 failed" in output


def test_the_python_that_runs_the_tests_is_the_one_of_the_kernels():
    """nbval starts the kernel named python3; in our environment that is this interpreter."""
    from jupyter_client.kernelspec import KernelSpecManager

    assert KernelSpecManager().get_kernel_spec("python3").argv[0] in (sys.executable, "python")
