"""What the tests of the book share: a tiny book of one page, in a folder of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]

MAIN = "from jupyter_book.cli.main import main; main()"
BUILD = ("-c", MAIN, "build", ".", "-W", "--keep-going")

FILES = {
    "_toc.yml": "format: jb-book\nroot: index\nchapters: [{file: book/tiny/chapter}]\n",
    "_config.yml": """
title: Tiny
only_build_toc_files: true
execute: {execute_notebooks: cache}
sphinx: {local_extensions: {book._ext.stored_outputs: .}}
""",
    "index.md": "# Tiny\n",
    "requirements.txt": "numpy==1\n",
    "book/__init__.py": "",
    "book/tiny/__init__.py": "",
    "book/tiny/inner.py": "def word():\n    return 'first'\n",
    "book/tiny/outer.py": "from . import inner\n\n\ndef say():\n    return inner.word()\n",
    "book/tiny/other.py": "UNUSED = 1\n",
    "book/tiny/data/number.txt": "1\n",
    "book/benchmarks/times.json": "[10]\n",
    "book/tiny/chapter.md": """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
depends: [book/benchmarks/*.json]
---

# A page

Some prose.

```{code-cell} python
from importlib.metadata import files
from pathlib import Path

import book
from book.tiny import outer

folder = Path(book.__file__).parent
number = (folder / "tiny/data/number.txt").read_text().strip()
times = (folder / "benchmarks/times.json").read_text().strip()
requirement = (folder.parent / "requirements.txt").read_text().strip()
print("said:", outer.say(), number, times, requirement)
```
""",
}


class Project:
    """A book in a temporary folder, and the commands that work on it."""

    page = "book/tiny/chapter.md"

    def __init__(self, root):
        self.root = root

    def create(self):
        for name, text in FILES.items():
            self.write(name, text)
        for folder in ("tools", "book/_ext"):
            shutil.copytree(ROOT / folder, self.root / folder)

    def copy(self, folder):
        shutil.copytree(self.root, folder / "book")
        return Project(folder / "book")

    def write(self, name, text):
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def edit(self, name, old, new):
        text = (self.root / name).read_text()
        assert old in text, f"{name} does not contain {old!r}"
        self.write(name, text.replace(old, new))

    def run(self, *arguments):
        """Run Python; its exit status and everything that it printed."""
        env = os.environ | {"PYTHONPATH": str(self.root), "COLUMNS": "200"}
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        return done.returncode, done.stdout

    def pages(self, *arguments):
        return self.run("-m", "tools.pages", *arguments)

    def build(self):
        """Build the book and return the page's HTML."""
        status, output = self.run(*BUILD)
        assert status == 0, output
        assert "Executing notebook" not in output, "the build executed code"
        return (self.root / "_build/html/book/tiny/chapter.html").read_text()

    @property
    def stored(self):
        return self.root / "book/notebooks/tiny/chapter.ipynb"

    def printed(self):
        """What the stored page's code printed."""
        notebook = nbformat.read(self.stored, as_version=4)
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        return "".join(output.text for output in outputs if output.output_type == "stream")


@pytest.fixture(scope="session")
def executed(tmp_path_factory):
    """A tiny book whose page was executed; tests work on copies of it."""
    project = Project(tmp_path_factory.mktemp("executed") / "book")
    project.create()
    status, output = project.pages("execute")
    assert status == 0, output
    assert "executed in" in output
    return project


@pytest.fixture
def project(executed, tmp_path):
    return executed.copy(tmp_path)
