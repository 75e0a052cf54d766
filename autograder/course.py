"""An nbgrader course in a folder of our own: its configuration, and its assignment."""

import contextlib
import os
import sys
import warnings
from pathlib import Path

from autograder.errors import AssignmentError, UsageError
from autograder.project import write_atomically

CONFIG, OWN_CONFIG = "nbgrader_config.py", "own_config.py"
FEEDBACK = [  # what makes a page of feedback: nbgrader's own list, but without hidden tests
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbgrader.preprocessors.GetGrades",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
AUTOGRADE = [  # what `nbgrader autograde` does: its own list, with our executor
    "autograder.execute.Execute",
    "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
_CONFIG = '''\
"""Start `jupyter lab` in this folder and open Formgrader to grade by hand.

`autograder grade` writes this file anew: settings of your own belong into {own}.
"""
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = ""
c.CourseDirectory.db_url = {database!r}
c.Autograde.autograde_preprocessors = {autograde}
c.Execute.seed = {seed}
c.GenerateFeedback.preprocessors = {feedback}
c.HTMLExporter.sanitize_html = True  # what students print or write is shown, but cannot act
load_subconfig("{own}")  # noqa: F821
'''


def write_configuration(root, *, database, seed):
    """Write nbgrader_config.py: with it nbgrader and its formgrader grade as we do."""
    text = _CONFIG.format(
        own=OWN_CONFIG, database=database, autograde=AUTOGRADE, seed=seed, feedback=FEEDBACK
    )
    # The URL of a database may hold a password.
    write_atomically(Path(root) / CONFIG, text.encode(), mode=0o600)


def configuration(root):
    """nbgrader's configuration of the course in `root`; the directory structure is nbgrader's.

    What nbgrader_config.py and own_config.py there say counts. UsageError if they are no Python.
    """
    from traitlets.config import Config, PyFileConfigLoader

    root = Path(root).resolve()
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.db_url = sqlite(root)
    if (root / CONFIG).is_file():
        try:
            config.merge(PyFileConfigLoader(CONFIG, path=str(root)).load_config())
        except Exception as error:  # a person's own code
            raise UsageError(
                f"{root / OWN_CONFIG} or {CONFIG} beside it fails: {type(error).__name__}: {error}"
            ) from None
    config.CourseDirectory.source_directory = "source"
    config.CourseDirectory.release_directory = "release"
    return config


def database(root):
    """The URL of the course's gradebook."""
    return configuration(root).CourseDirectory.db_url


def sqlite(root):
    """The URL of the gradebook that a course has if none is named: a file in its folder."""
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
    config = configuration(root)
    _make_gradebook(config.CourseDirectory.db_url)
    with nbgrader(config) as api:
        result = api.generate_assignment(name, force=True, create=True)
    if not result["success"]:
        raise AssignmentError(f"{name}: nbgrader cannot generate it: {reason(result)}")
    return root / "release" / name


def _make_gradebook(url):
    """Make the tables of a gradebook, unless they are there, as nbgrader does.

    nbgrader starts a program to learn the version of its tables, which takes seconds; and it
    refers to a course without a name but adds none, which only SQLite lets pass.
    """
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from nbgrader.api import Base, Course
    from nbgrader.dbutil import _temp_alembic_ini
    from sqlalchemy import create_engine, inspect, text
    from sqlalchemy.orm import Session

    engine = create_engine(url)
    try:
        with Session(engine) as session, session.begin():
            connection = session.connection()
            Base.metadata.create_all(connection)
            if not inspect(connection).has_table("alembic_version"):
                with _temp_alembic_ini(url) as ini:
                    version = ScriptDirectory.from_config(Config(ini)).get_current_head()
                session.execute(
                    text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
                )
                session.execute(text("INSERT INTO alembic_version VALUES (:v)"), {"v": version})
            session.merge(Course(id=""))
    finally:
        engine.dispose()


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
