"""An nbgrader course in a folder of our own: its configuration, and its assignment."""

import contextlib
import os
import sys
import warnings
from pathlib import Path

from autograder.errors import AssignmentError

CONFIG = "nbgrader_config.py"
FEEDBACK = [  # what makes a page of feedback: nbgrader's own list, but without hidden tests
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbgrader.preprocessors.GetGrades",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]


def configuration(root):
    """nbgrader's configuration for the course in `root`; the directory structure is nbgrader's."""
    from traitlets.config import Config

    root = Path(root).resolve()
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.source_directory = "source"
    config.CourseDirectory.release_directory = "release"
    config.CourseDirectory.db_url = database(root)
    return config


def database(root):
    """The URL of the course's gradebook."""
    return f"sqlite:///{Path(root).resolve()}/gradebook.db"


@contextlib.contextmanager
def nbgrader(config):
    """nbgrader's API, with what it needs on the PATH; it leaves the working folder as it was."""
    from nbgrader.apps import NbGraderAPI
    from sqlalchemy.exc import SAWarning

    here, path = os.getcwd(), os.environ.get("PATH", os.defpath)
    # nbgrader makes a gradebook with the command `alembic`, which stands beside our Python.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{path}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # nbgrader's own queries cause them
            yield NbGraderAPI(config=config)
    finally:
        os.chdir(here)
        os.environ["PATH"] = path


def generate(root, name, files):
    """Write an assignment's source files, let nbgrader generate the release; return its folder."""
    root = Path(root)
    source = root / "source" / name
    source.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (source / file).write_bytes(content)
    with nbgrader(configuration(root)) as api:
        result = api.generate_assignment(name, force=True, create=True)
    if not result["success"]:
        raise AssignmentError(f"{name}: nbgrader cannot generate it: {reason(result)}")
    return root / "release" / name


def reason(result):
    """The telling line of an nbgrader failure."""
    lines = [line for line in result.get("log", "").split("\n") if line.startswith("[ERROR]")]
    causes = [line for line in result.get("log", "").split("\n") if "Error: " in line]
    last = (result.get("error") or "unknown reason").strip().split("\n")[-1]
    return (causes[-1:] or lines[:1] or [last])[0].removeprefix("[ERROR]").strip()


@contextlib.contextmanager
def gradebook(root):
    """nbgrader's gradebook of the course in `root`."""
    from nbgrader.api import Gradebook

    with Gradebook(database(root)) as book:
        yield book
