"""Gives each test its assignment, task, misconception or alternative, by its argument's name."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch

from autograder import project
from tests.exercises.bench import ROOT, known_answers, read


def _tasks(name):
    return [task.id for task in read(name).tasks.values() if not task.manual]


SUBJECTS = {
    "task": _tasks,
    "misconception": lambda name: known_answers(name)[0],
    "alternative": lambda name: known_answers(name)[1],
}


def pytest_generate_tests(metafunc):
    """A test of `assignment` runs for each of them, of `assignment` and `task` for each task."""
    names = project.assignments(ROOT)
    for subject, find in SUBJECTS.items():
        if subject in metafunc.fixturenames:
            rows = [(name, item) for name in names for item in find(name)]
            ids = [f"{name}-{getattr(item, 'name', item)}" for name, item in rows]
            metafunc.parametrize(("assignment", subject), rows, ids=ids)
            return
    if "assignment" in metafunc.fixturenames:
        metafunc.parametrize("assignment", names)


@pytest.fixture(autouse=True)
def contained(monkeypatch):
    """What cells set for their own process ends with the test; figures are made but not shown."""
    monkeypatch.setattr("book.style.set_matplotlib_formats", lambda *args, **kwargs: None)
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    plt.switch_backend("template")
    with mpl.rc_context():
        yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)
