"""Execute each page once, store what it printed and drew, and notice when that is out of date.

A page is a MyST notebook in `_toc.yml`. `execute` runs it and writes its executed twin to
`book/notebooks/`: nbval verifies that notebook, and the build renders its outputs. The twin carries
the page's *fingerprint*: a digest of everything that its outputs depend on. A page is executed
again exactly when its fingerprint has changed, and `check` fails while a stored one is out of date.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import source_from_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import nbformat
import typer
from IPython.core.inputtransformer2 import TransformerManager
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, CachingError
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text
from sphinx_external_toc.parsing import MalformedError, parse_toc_yaml

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / "book" / "notebooks"
CACHE = ROOT / "_build" / ".jupyter_cache"
BUDGET = 60  # seconds that a page may take
CELL_TIMEOUT = 300  # seconds after which a cell counts as stuck

console = Console(highlight=False, soft_wrap=True)


class PageError(Exception):
    """Something is wrong with a page; the message says what, and what to do."""


# --- which pages there are, and where their outputs are stored


def pages() -> list[Path]:
    """The pages of the table of contents that contain code, in its order."""
    try:
        names = parse_toc_yaml(ROOT / "_toc.yml")
    except (OSError, MalformedError) as error:
        raise PageError(f"_toc.yml: {error}") from None
    files = [ROOT / (name if name.endswith(".md") else f"{name}.md") for name in names]
    return [path for path in files if path.is_file() and is_myst_markdown_notebook(_text(path))]


def stored(page: Path) -> Path:
    """Where the executed twin of a page lies: book/activations/x.md -> activations/x.ipynb."""
    below = page.relative_to(ROOT)
    below = below.relative_to("book") if below.parts[0] == "book" else below
    return STORE / below.with_suffix(".ipynb")


def read_page(page: Path) -> nbformat.NotebookNode:
    """The page as a notebook without outputs, read by the reader that the build uses."""
    try:
        notebook = read_myst_markdown_notebook(_text(page), path=page)
    except Exception as error:  # the reader has no error type of its own
        raise PageError(f"{_name(page)}: not a readable MyST notebook: {error}") from None
    if "kernelspec" not in notebook.metadata:
        raise PageError(f"{_name(page)}: expected a `kernelspec` in the front matter, got none")
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for position, cell in enumerate(notebook.cells):
        cell.id = f"cell-{position}"
        if cell.cell_type == "code" and cell.source.rstrip().endswith(";"):
            reason = "it ends in `;`, which hides a value here but not from nbval: write `_ = …`"
            raise PageError(_failure(page, cell, reason))
    return notebook


def read_stored(page: Path) -> nbformat.NotebookNode | None:
    """The stored twin of a page, or None where there is none that can be read."""
    with suppress(OSError, ValueError, nbformat.ValidationError):
        return nbformat.read(stored(page), as_version=4)
    return None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- what the outputs of a page depend on


def fingerprint(page: Path, notebook: nbformat.NotebookNode) -> dict[str, str]:
    """A digest of each thing that the outputs of a page depend on, by name.

    These are its code cells; the project's modules that they import, directly or not; the files
    in the `data` folder beside the page or beside such a module; the files named by glob patterns
    in the list `depends` of the front matter; and requirements.txt.
    """
    cells = _code_cells(notebook)
    modules = _imports(_python("\n".join(cell.source for cell in cells), page))
    folders = {page.parent, *(module.parent for module in modules)}
    data = {path for folder in folders for path in (folder / "data").rglob("*")}
    for pattern in notebook.metadata.get("depends", []):
        found = set(ROOT.glob(pattern))
        if not found:
            raise PageError(f"{_name(page)}: `depends` names {pattern}, but no such file exists")
        data |= found
    files = {path for path in modules | data if path.is_file() and "__pycache__" not in path.parts}
    digests = {_name(path): _digest(path.read_bytes()) for path in sorted(files)}
    return {
        "code cells": _digest(str([(cell.source, _may_fail(cell)) for cell in cells]).encode()),
        **digests,
        "requirements.txt": _digest((ROOT / "requirements.txt").read_bytes()),
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()[:16]


def _python(source: str, path: Path) -> ast.Module:
    """The syntax tree of a page's code or of a module, IPython's magics allowed."""
    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except SyntaxError as error:
        raise PageError(f"{_name(path)}: not valid Python: {error.msg}: {error.text}") from None


def _imports(tree: ast.Module) -> set[Path]:
    """The files of the project's modules that a syntax tree imports, directly or not."""
    found, todo = set(), [(tree, ROOT)]
    while todo:
        tree, folder = todo.pop()
        for module in _imported(tree, folder):
            if module not in found:
                found.add(module)
                todo.append((_python(_text(module), module), module.parent))
    return found


def _imported(tree: ast.Module, folder: Path) -> Iterator[Path]:
    """The files that the import statements of one module load; `folder` is where it lies."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module_files(ROOT, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            # `from . import x` starts in the module's own folder, each further dot one higher.
            start = folder.joinpath(*[".."] * (node.level - 1)).resolve() if node.level else ROOT
            parts = node.module.split(".") if node.module else []
            for alias in node.names:  # each may be a submodule
                yield from _module_files(start, [*parts, alias.name])


def _module_files(folder: Path, parts: list[str]) -> Iterator[Path]:
    """`book.a.b` loads book/__init__.py, book/a/__init__.py and book/a/b.py, so far as they are."""
    for part in parts:
        candidates = (folder / f"{part}.py", folder / part / "__init__.py")
        yield from (path for path in candidates if path.is_file())
        folder = folder / part


# --- executing a page


def twin(page: Path) -> nbformat.NotebookNode:
    """The page as a notebook that carries its fingerprint, with no outputs yet."""
    notebook = read_page(page)
    notebook.metadata = {
        "kernelspec": notebook.metadata.kernelspec,
        "language_info": {"name": "python", "pygments_lexer": "ipython3"},
        "page": {"source": _name(page), "fingerprint": fingerprint(page, notebook)},
    }
    return notebook


def keep_outputs(notebook: nbformat.NotebookNode, old: nbformat.NotebookNode | None) -> bool:
    """Take over the outputs of an old twin; False where its fingerprint is another."""
    if old is None or old.metadata.get("page") != notebook.metadata["page"]:
        return False
    cells, before = _code_cells(notebook), _code_cells(old)
    if [cell.source for cell in cells] != [cell.source for cell in before]:
        return False  # the twin was edited by hand
    for cell, same in zip(cells, before, strict=True):
        cell.execution_count, cell.outputs = same.execution_count, same.outputs
    return True


def run(notebook: nbformat.NotebookNode, page: Path, on_cell=lambda: None) -> None:
    """Execute a twin in place, as nbval will: in the folder where it is stored."""
    folder, info = stored(page).parent, notebook.metadata["language_info"]
    folder.mkdir(parents=True, exist_ok=True)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=[
            "--log-level=ERROR",  # no notice about local sockets at each start
            "--IPKernelApp.exec_lines=__import__('tools.witness')",
        ],
        resources={"metadata": {"path": str(folder)}},
        on_cell_executed=lambda **_: on_cell(),
    )
    with TemporaryDirectory() as temporary:
        witness = Path(temporary) / "opened"
        env = os.environ | {
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "PYTHONPATH": str(ROOT),
            "PAGES_WITNESS": str(witness),
        }
        try:
            client.execute(env=env)
        except CellTimeoutError:
            raise PageError(f"{_name(page)}: a cell ran for more than {CELL_TIMEOUT} s") from None
        except DeadKernelError:
            raise PageError(
                f"{_name(page)}: the kernel died, perhaps of too little memory"
            ) from None
        except CellExecutionError as error:
            cell = next(cell for cell in _code_cells(notebook) if _failed(cell))
            raise PageError(_failure(page, cell, f"{error.ename}: {error.evalue}")) from None
        _check_witness(witness, notebook, page)
    notebook.metadata["language_info"] = info  # the kernel's own names its exact version
    for cell in _code_cells(notebook):
        cell.metadata.pop("execution", None)
        for output in cell.outputs:
            if output.output_type == "error":  # an expected one: without paths of this machine
                output.traceback = [f"{output.ename}: {output.evalue}"]
            elif output.get("name") == "stderr":
                raise PageError(_failure(page, cell, f"it writes to stderr: {output.text}"))


def _check_witness(witness: Path, notebook: nbformat.NotebookNode, page: Path) -> None:
    """A PageError where the page opened a file of the project that its fingerprint misses."""
    if not witness.is_file():
        raise PageError(f"{_name(page)}: the kernel did not end in order, so it was not observed")
    known = notebook.metadata["page"]["fingerprint"].keys() | {
        "tools/__init__.py",
        "tools/witness.py",
    }
    for path in map(Path, _text(witness).splitlines()):
        if path.suffix == ".pyc":
            path = Path(source_from_cache(str(path)))
        inside = path.is_relative_to(ROOT) and not path.is_relative_to(sys.prefix)
        installed = any(part.endswith(".egg-info") for part in path.parts)  # pip's notes
        if inside and not installed and path.is_file() and _name(path) not in known:
            raise PageError(
                f"{_name(page)}: it reads {_name(path)}, but would not notice a change there; "
                "import it by its name, or list it under `depends:` in the front matter"
            )


def write(notebook: nbformat.NotebookNode, path: Path) -> bool:
    """Write a notebook in one step, so that no reader sees half of it; True if it changed."""
    content = nbformat.writes(nbformat.from_dict(notebook)) + "\n"
    if path.is_file() and _text(path) == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(content, encoding="utf-8", newline="\n")
    temporary.replace(path)
    return True


def _code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _may_fail(cell):
    return "raises-exception" in cell.metadata.get("tags", [])


def _failed(cell):
    return not _may_fail(cell) and any(output.output_type == "error" for output in cell.outputs)


def _failure(page, cell, reason):
    source = "\n".join(f"    {line}" for line in cell.source.splitlines())
    return f"{_name(page)}: this cell failed:\n\n{source}\n\n{reason.rstrip()}"


# --- what is out of date


def changes(new: nbformat.NotebookNode, old: nbformat.NotebookNode | None) -> str:
    """What the outputs depend on and is not as it was, as a sentence; empty if nothing."""
    now = new.metadata["page"]["fingerprint"]
    then = old.metadata.get("page", {}).get("fingerprint", {}) if old else {}
    changed = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    return f"{', '.join(changed)} changed" if changed and then else "new" if changed else ""


def problems() -> list[str]:
    """What is wrong with the stored notebooks, one sentence each; empty if nothing is."""
    found = []
    for page in pages():
        new, old = twin(page), read_stored(page)
        if old is None:
            found.append(f"{_name(page)}: {_name(stored(page))} is missing or unreadable")
            continue
        changed = changes(new, old)
        if changed:
            found.append(f"{_name(page)}: its outputs are out of date: {changed}")
        elif not keep_outputs(new, old) or nbformat.writes(
            nbformat.from_dict(new)
        ) != nbformat.writes(old):
            found.append(
                f"{_name(page)}: the text in {_name(stored(page))} is not that of the page"
            )
    return found + [f"{_name(path)}: no page of _toc.yml belongs to it" for path in orphans()]


def orphans() -> list[Path]:
    """Stored notebooks whose page is gone."""
    return sorted(set(STORE.rglob("*.ipynb")) - {stored(page) for page in pages()})


def fill_cache(cache: Path = CACHE) -> None:
    """Fill the build's cache with the stored notebooks, so that the build executes nothing.

    The cache knows a notebook by its code cells alone, so an entry may hold outputs of other
    modules or data. It is therefore never added to but always made anew, from what is stored.
    """
    shutil.rmtree(cache, ignore_errors=True)
    entries = get_cache(cache)
    for page in pages():
        notebook = nbformat.read(stored(page), as_version=4)
        try:
            entries.cache_notebook_bundle(CacheBundleIn(notebook, str(page)), check_validity=False)
        except CachingError:
            raise PageError(
                f"{_name(page)}: another page has the very same code cells, so the build cannot "
                "tell their outputs apart; add a comment to one of them"
            ) from None


# --- the command line

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
Names = Annotated[
    list[str] | None,
    typer.Argument(help="Pages, such as book/activations/chapter.md; all if none."),
]
Force = Annotated[bool, typer.Option("--force", help="Execute pages that are up to date, too.")]


@app.command()
def execute(names: Names = None, force: Force = False) -> None:
    """Execute the pages that are out of date and store their outputs."""
    failures = []
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} cells"),
        TimeElapsedColumn(),
    ]
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        for page in _chosen(names):
            notebook, old = twin(page), read_stored(page)
            if not force and keep_outputs(notebook, old):
                state = "text updated" if write(notebook, stored(page)) else "up to date"
                console.print(f"{_name(page)}: {state}")
                continue
            task = progress.add_task(_name(page), total=len(_code_cells(notebook)))
            start = time.perf_counter()
            try:
                run(notebook, page, lambda task=task: progress.advance(task))
            except PageError as error:
                failures.append(str(error))
                continue
            finally:
                progress.remove_task(task)
            write(notebook, stored(page))
            seconds = time.perf_counter() - start
            late = f", over the budget of {BUDGET} s" if seconds > BUDGET else ""
            why = changes(notebook, old) or "asked to"
            console.print(f"{_name(page)}: executed in {seconds:.1f} s{late} ({why})")
    for path in orphans():
        path.unlink()
        console.print(f"{_name(path)}: removed, its page is gone")
    _report(failures)


@app.command()
def check() -> None:
    """Fail where stored outputs are missing, orphaned, or not those of the present sources."""
    _report(problems(), "run `make notebooks`")
    console.print("The stored notebooks are up to date.")


@app.command()
def seed() -> None:
    """Fill the build's cache with the stored outputs, so that the build executes nothing."""
    _report(problems(), "run `make notebooks`")
    fill_cache()


def _chosen(names):
    every = {_name(page): page for page in pages()}
    unknown = [name for name in names or [] if name not in every]
    if unknown:
        raise PageError(f"{unknown[0]}: expected one of {', '.join(every)}")
    return [every[name] for name in names or every]


def _report(failures, advice=""):
    """Print what failed and leave with status 1; nothing where nothing did."""
    if failures:
        for failure in failures:
            console.print(Text(failure, style="red"))
        if advice:
            console.print(advice)
        raise typer.Exit(1)


def main() -> None:
    """Run the command; an error that we understand is one message, not a traceback."""
    try:
        app()
    except PageError as error:
        console.print(Text(str(error), style="red"))
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
