"""The project as a whole: its layout, its pins, and that a new chapter needs no registration."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from textwrap import dedent

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.parity.test_guard import TINY

ROOT = Path(__file__).resolve().parents[1]

PAGE = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

# Tiny

```{code-cell} python
from book.tiny import reference

print(reference.double([1.0, 2.0]))
```
"""


def test_the_top_level_has_what_was_asked_for():
    wanted = "book exercises solutions autograder _config.yml _toc.yml requirements.txt README.md"
    assert [name for name in wanted.split() if not (ROOT / name).exists()] == []


def unmet(project, pins):
    """The direct dependencies that the pins lack, or pin outside their range."""
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", pins, re.MULTILINE))
    pinned = {canonicalize_name(name): version for name, version in pinned.items()}
    for requirement in map(Requirement, project["dependencies"]):
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version):
            yield f"{requirement} is pinned to {version}"


def test_the_pins_are_within_the_declared_ranges():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert list(unmet(project, (ROOT / "requirements.txt").read_text())) == []


@pytest.mark.parametrize("pins", ["", "numpy==1.0\n"])
def test_a_pin_that_is_missing_or_out_of_range_is_seen(pins):
    assert len(list(unmet({"dependencies": ["numpy>=2,<3"]}, pins))) == 1


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The project with one more chapter: a folder, and a line in the table of contents."""
    root = tmp_path_factory.mktemp("copy") / "project"
    leave = shutil.ignore_patterns(".*", "_build", "build", "grades", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT, root, ignore=leave)
    folder = root / "book" / "tiny"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""A chapter as small as can be."""\n')
    (folder / "chapter.md").write_text(PAGE)
    for name, source in TINY.items():
        (folder / name).write_text(dedent(source))
    contents = root / "_toc.yml"
    line = "      - file: book/activations/chapter\n"
    contents.write_text(
        contents.read_text().replace(line, line + line.replace("activations", "tiny"))
    )
    return root


def run(root, *command):
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_parity_tests_find_a_new_chapter(copy):
    status, output = run(
        copy, "pytest", "tests/parity", "-k", "tiny.double", "-q", "-p", "no:xdist"
    )
    assert status == 0, output
    assert int(re.search(r"(\d+) passed", output)[1]) >= 10


def test_a_new_chapter_that_is_wrong_fails(copy):
    file = copy / "book" / "tiny" / "pytorch.py"
    right = file.read_text()
    try:
        file.write_text(right.replace("2.0 * input", "2.1 * input"))
        status, output = run(
            copy, "pytest", "tests/parity", "-k", "tiny.double", "-q", "-p", "no:xdist"
        )
    finally:
        file.write_text(right)
    assert status == 1 and "failed" in output


def test_the_new_page_is_executed_and_stored(copy):
    status, output = run(copy, "tools.pages", "execute", "book/tiny/chapter.md")
    assert status == 0, output
    notebook = nbformat.read(copy / "book" / "notebooks" / "tiny" / "chapter.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cell.outputs[0].text == "[2. 4.]\n"


def test_commands_tell_misuse_in_a_sentence():
    """Misuse of our commands is told without a traceback."""
    for command, said in [
        (["tools.pages", "execute", "book/none.md"], "expected one of"),
        (["tools.bench", "none"], "none"),
        (["autograder", "grade", "none", "--submissions", "x", "--output", "y"], "none"),
        (["autograder", "validate", "none.ipynb"], "none.ipynb"),
    ]:
        status, output = run(ROOT, *command)
        assert status != 0 and said in output, (command, output)
        assert "Traceback" not in output, output
