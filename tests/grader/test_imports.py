"""The import scan."""

import pytest

from autograder.imports import forbidden

ALLOWED = ["numpy", "book.data", "math"]


@pytest.mark.parametrize(
    "code",
    [
        "import numpy", "import numpy.linalg as la", "from numpy import *", "import math, numpy",
        "from book import data", "from book.data import digits", "import book.data",
        "numpy = 1", "x = 'import os'", "def broken(",
    ],
)  # fmt: skip
def test_allowed_code(code):
    assert forbidden(code, ALLOWED) == []


@pytest.mark.parametrize(
    ("code", "module"),
    [
        ("import os", "os"),
        ("%matplotlib inline\nimport os", "os"),
        ("%%time\nimport os", "os"),
        ("%%time\n%%time\nimport os", "os"),
        ("import numpyx", "numpyx"),
        ("import book", "book"),
        ("from book import *", "book"),
        ("from book import data, losses", "book.losses"),
        ("from book.losses import mse", "book.losses.mse"),
        ("from . import helper", "..helper"),
        ("def f():\n    import os", "os"),
        ("try:\n    import numpy\nexcept ImportError:\n    import os", "os"),
        ("__import__('os')", "os"),
        ("name = 'os'\n__import__(name)", "__import__"),
        ("f = __import__", "__import__"),
        ("__builtins__['__import__']('os')", "__builtins__"),
    ],
)
def test_forbidden_code(code, module):
    found = forbidden(code, ALLOWED)
    assert [name for name, _ in found] == [module]
    assert found[0][1] == len(code[: code.rindex(code.split("\n")[-1])].split("\n"))


def test_the_history_of_a_cell_magic_names_the_line_of_the_cell():
    """IPython's history keeps `%%time` and the code below it as one call on one line."""
    history = "get_ipython().run_cell_magic('time', '', 'import os\\n')"
    assert forbidden(history, ALLOWED) == [("os", 2)]
