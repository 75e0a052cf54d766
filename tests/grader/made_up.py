"""A tiny assignment that no chapter knows, and notebooks that answer it."""

from pathlib import Path

import nbformat

SOURCE = '''\
# ---
# jupyter:
#   kernelspec:
#     name: python3
# assignment:
#   title: Tiny
#   imports: [numpy, os, sys, autograder.checks]
# ---

# %% [markdown]
# # Tiny
#
# <!-- tasks -->

# %%
import numpy as np

from autograder.checks import check

# %% [markdown] task="double" minutes=5
# ## 1. Twice
#
# Return an array with every entry doubled.

# %% solution="double"
def double(x):
    """Twice x, as a new array."""
    ### BEGIN SOLUTION
    answer_of_double = 2 * np.asarray(x)
    return answer_of_double
    ### END SOLUTION

# %% inputs="double"
from types import SimpleNamespace


def case(name, *args, raises=None, **kwargs):
    return SimpleNamespace(name=name, args=args, kwargs=kwargs, raises=raises)


inputs = [
    case("a vector", np.array([1.0, 2.0, 3.0])),
    case("a matrix", np.arange(6.0).reshape(2, 3)),
    case("nothing", np.zeros((0, 2))),
]

# %% test="double" points=2
check("double", double)
### BEGIN HIDDEN TESTS
import scipy.special
from autograder.checks import assert_close, fresh_rng

x_hidden = fresh_rng().normal(size=(4, 3))
assert_close(double(x_hidden), scipy.special.xlogy(1, 1) + 2 * x_hidden, what="double")
### END HIDDEN TESTS

# %% test="double-more" points=1
assert double(np.array([7.0]))[0] == 14, "double of 7 is 14"

# %% [markdown] task="root" minutes=10
# ## 2. Root

# %% solution="root"
def root(x, shift=0.0):
    """The square root of x + shift; ValueError if that is negative."""
    ### BEGIN SOLUTION
    if x + shift < 0:
        raise ValueError("negative number under the root")
    return float(np.sqrt(x + shift))
    ### END SOLUTION

# %% inputs="root"
inputs = [
    case("four", 4.0),
    case("shifted", 4.0, shift=5.0),
    case("negative", -1.0, raises=ValueError),
]

# %% test="root" points=2
check("root", root)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_raises

assert_raises(ValueError, root, -4.0, shift=1.0)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Why
#
# Why is the root of a negative number not real?

# %% [markdown] manual="why" points=3 minutes=5
# A square of a real number is never negative.
'''

MISCONCEPTIONS = '''\
import numpy as np

from autograder.misconceptions import misconception


@misconception("double")
def squared(x):
    """You square each entry. Doubling
    adds it to itself."""
    return np.asarray(x) ** 2


@misconception("double")
def in_place(x):
    """Your code doubles the caller's own array."""
    x *= 2
    return x


@misconception("root")
def shift_forgotten(x, shift=0.0):
    """Add `shift` before you take the root."""
    if x < 0:
        raise ValueError("negative")
    return float(np.sqrt(x))
'''

ALTERNATIVES = """\
import numpy as np

from autograder.misconceptions import alternative


@alternative("double")
def added(x):
    return x + x
"""

DOUBLE = "def double(x):\n    return x + x"
ROOT = (
    "def root(x, shift=0.0):\n"
    "    if x + shift < 0:\n"
    "        raise ValueError('negative')\n"
    "    return (x + shift) ** 0.5"
)
WHY = "Squares are not negative."


def write_project(root: Path, source=SOURCE, name="tiny"):
    """A project folder with this one assignment."""
    folder = root / "solutions" / name
    folder.mkdir(parents=True)
    (folder / f"{name}.py").write_text(source)
    (folder / "misconceptions.py").write_text(MISCONCEPTIONS)
    (folder / "alternatives.py").write_text(ALTERNATIVES)
    return root


def answered(release: Path, double=DOUBLE, root=ROOT, why=WHY):
    """The release notebook with answers in it; None leaves the stub."""
    notebook = nbformat.read(release, as_version=4)
    answers = {"solution-double": double, "solution-root": root, "manual-why": why}
    for cell in notebook.cells:
        if answers.get(cell.id) is not None:
            cell.source = answers[cell.id]
    return notebook


def hand_in(folder: Path, student: str, notebook):
    """Save a notebook as a student would, in nbgrader's layout; text is saved as it is."""
    path = folder / student / "tiny" / "tiny.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(notebook if isinstance(notebook, str) else nbformat.writes(notebook))
    return path
