"""Finds the chapters: every folder of `book/` that has a `cases.py`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from book.op import Case, Op

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Chapter:
    name: str
    reference: ModuleType
    pytorch: ModuleType
    ops: tuple[Op, ...]
    tests: Path  # the chapter's own tests, which those of its public classes need


def cases(op: Op) -> list[Case]:
    """The named cases of an Op, the same ones in each run."""
    return list(op.cases(np.random.default_rng(0)))


def is_differentiable(chapter: Chapter, op: Op) -> bool:
    """Whether the reference has a hand-written gradient for it. The guard sees that it does."""
    return hasattr(chapter.reference, f"{op.name}_backward")


def peer_name(peer: str | Callable) -> str:
    """How a peer is called in tables: its dotted name, or that of the function that calls it."""
    return peer if isinstance(peer, str) else peer.__name__.strip("_")


def discover(root: Path = ROOT) -> list[Chapter]:
    """The chapters of the project at `root`, by name.

    Those of another root are loaded from there beside this project's own; what they import from
    `book` is this project's. To run all tests on a copy, run pytest in the copy.
    """
    return [_chapter(root, path.parent) for path in sorted(root.glob("book/*/cases.py"))]


def _chapter(root: Path, folder: Path) -> Chapter:
    reference, pytorch, samples = (
        _load(root, folder / f"{name}.py") for name in ("reference", "pytorch", "cases")
    )
    tests = root / "tests" / "chapters" / f"test_{folder.name}.py"
    return Chapter(folder.name, reference, pytorch, tuple(samples.OPS), tests)


def _load(root: Path, path: Path) -> ModuleType:
    if root == ROOT:
        return importlib.import_module(f"book.{path.parent.name}.{path.stem}")
    name = f"copy.{path.parent.name}.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module
