"""Where things are: the project's root, its assignments, and how files are written."""

import os
import tempfile
from pathlib import Path

from autograder.errors import UsageError


def find_root(root=None):
    """The folder that holds `solutions/`: `root`, or the nearest one around the working folder."""
    start = Path(root or Path.cwd()).resolve()
    for folder in [start] if root else [start, *start.parents]:
        if (folder / "solutions").is_dir():
            return folder
    where = f"in {start}" if root else f"in {start} or above it"
    raise UsageError(f"There is no folder solutions/ {where}. Name the project with --root.")


def assignments(root):
    """The names of all assignments: folders of solutions/ that hold a source of their name."""
    folders = sorted((root / "solutions").iterdir())
    return [folder.name for folder in folders if (folder / f"{folder.name}.py").is_file()]


def source_path(root, name):
    """solutions/<name>/<name>.py; UsageError that lists the known assignments if there is none."""
    known = assignments(root)
    if name not in known:
        raise UsageError(
            f"There is no assignment {name!r}. Known: {', '.join(known) or 'none'} "
            f"(an assignment is solutions/NAME/NAME.py below {root})."
        )
    return root / "solutions" / name / f"{name}.py"


def write_atomically(path, content, mode=0o644):
    """Write bytes beside `path` first and then replace it: no reader ever sees half a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
