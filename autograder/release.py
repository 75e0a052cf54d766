"""Write exercises/ from solutions/, through nbgrader, the same bytes each time."""

import contextlib
import difflib
import hashlib
import importlib.metadata
import json
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat

from autograder import convert, course, expected, leaks, source
from autograder.errors import AssignmentError
from autograder.project import assignments, source_path, write_atomically

_DIFF_LINES = 12


def master(root, name):
    """The instructor's files of an assignment: notebook with solutions, and assignment.json."""
    path = source_path(root, name)
    notebook = convert.to_bytes(convert.convert(source.read(path)))
    return {f"{name}.ipynb": notebook, "assignment.json": expected.build(path)}


def kept_master(root, name):
    """The same, from build/ if nothing has changed from which it was made: to run takes long."""
    path = root / "build" / "masters" / f"{name}.json"
    made_from = _fingerprint(root, name)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["made_from"] == made_from:
            return {file: text.encode() for file, text in kept["files"].items()}
    files = master(root, name)
    texts = {file: content.decode() for file, content in files.items()}
    with contextlib.suppress(OSError):  # a project that cannot be written to can be graded
        write_atomically(path, json.dumps({"made_from": made_from, "files": texts}).encode())
    return files


def _fingerprint(root, name):
    """A digest of all code and data that decides the instructor's files, and of the packages."""
    digest = hashlib.sha256()
    for folder in (root / "solutions" / name, root / "book", Path(__file__).parent):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not _hidden(path, folder):
                digest.update(f"{path.relative_to(folder)}\n".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    packages = sorted(f"{p.name}=={p.version}" for p in importlib.metadata.distributions())
    digest.update("\n".join([sys.version, *packages]).encode())
    return digest.hexdigest()


def build(root, name):
    """The student's files as bytes by name; AssignmentError if they would give a solution away."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = course.generate(scratch, name, master(root, name))
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    notebook = nbformat.reads(files[f"{name}.ipynb"].decode(), as_version=4)
    files[f"{name}.ipynb"] = convert.to_bytes(notebook)
    assignment = source.read(source_path(root, name))
    for file, content in files.items():
        if found := leaks.leaked(leaks.secrets(assignment), content):
            message = f"{file} of the release would contain solution text: {found[0]!r}"
            raise AssignmentError(message, assignment.path)
    return files


def write(root, names=()):
    """Write the named assignments, or all, and remove what else is there; return changed paths.

    Everything is built before anything is written. Without names, folders of exercises/ that no
    assignment makes are removed too.
    """
    built = {name: build(root, name) for name in names or assignments(root)}
    changed = []
    for name, files in built.items():
        for file, content in sorted(files.items()):
            path = root / "exercises" / name / file
            if not path.is_file() or path.read_bytes() != content:
                write_atomically(path, content)
                changed.append(path)
    for path in _orphans(root, built, everything=not names):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        changed.append(path)
    return changed


def check(root, names=()):
    """What is wrong with exercises/, in paragraphs for a person; writes nothing."""
    checked = list(names or assignments(root))
    problems = []
    built, secrets = {}, {}
    for name in checked:
        secrets[name] = leaks.secrets(source.read(source_path(root, name)))
        built[name] = build(root, name)
        for file, content in built[name].items():
            path = root / "exercises" / name / file
            shown = path.relative_to(root)
            if not path.is_file():
                problems.append(f"{shown} is missing.")
            elif path.read_bytes() != content:
                problems.append(f"{shown} differs from its source.\n{_diff(path, content)}")
    for path in _orphans(root, built, everything=not names):
        problems.append(f"{path.relative_to(root)} is an orphan: no assignment makes it.")
    everything = [line for lines in secrets.values() for line in lines]
    folders = [root / "exercises" / name for name in checked] if names else [root / "exercises"]
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
        # A line such as `optimizer.step()` may be one task's secret and another's given text; what
        # belongs to no assignment may hold no secret of any.
        owner = path.relative_to(root / "exercises").parts[0]
        lines = secrets.get(owner, everything)
        if not _hidden(path, root) and (found := leaks.leaked(lines, path.read_bytes())):
            problems.append(f"{path.relative_to(root)} contains solution text: {found[0]!r}")
    return problems


def _orphans(root, built, everything):
    """Files and folders in exercises/ that the built assignments do not account for."""
    exercises = root / "exercises"
    orphans = []
    for name, files in built.items():
        folder = exercises / name
        found = sorted(folder.iterdir()) if folder.is_dir() else []
        orphans += [path for path in found if path.name not in files]
    if everything and exercises.is_dir():
        orphans += [path for path in sorted(exercises.iterdir()) if path.name not in built]
    return [path for path in orphans if not _hidden(path, root)]


def _hidden(path, root):
    """Checkpoints and caches, which version control ignores too."""
    parts = path.relative_to(root).parts
    return any(part.startswith(".") or part == "__pycache__" for part in parts)


def _diff(path, content):
    """The first lines of a comparison."""
    old = path.read_bytes().decode("utf-8", errors="replace").split("\n")
    new = content.decode().split("\n")
    lines = [line for line in difflib.unified_diff(old, new, "found", "expected", "", "", 0)]
    lines = [line if len(line) < 160 else f"{line[:157]}..." for line in lines[2:]]
    more = len(lines) - _DIFF_LINES
    return "\n".join(f"    {line}" for line in lines[:_DIFF_LINES]) + (
        f"\n    … {more} more lines" if more > 0 else ""
    )
