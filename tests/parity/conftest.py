"""Gives each test its chapters, functions, cases and targets, by the names of its arguments."""

import pytest
from hypothesis import settings

from tests.parity.chapters import cases, discover, is_differentiable
from tests.parity.compare import TARGETS

# The same examples in each run, however slow the machine.
settings.register_profile("course", derandomize=True, database=None, deadline=None)
settings.load_profile("course")


def pytest_configure(config):
    config.addinivalue_line("markers", "differentiable: only functions that have a gradient")
    config.addinivalue_line("markers", "bad_input: the cases that raise, instead of the others")


def pytest_generate_tests(metafunc):
    """A test of `chapter` runs for each chapter, of `op` for each function, and so on."""
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    names = [name for name in ("chapter", "op", "case", "target") if name in metafunc.fixturenames]
    if names:
        subjects = _subjects(names, "differentiable" in marks, "bad_input" in marks)
        metafunc.parametrize(names, list(subjects))


def _subjects(names, differentiable, bad):
    targets = [t for t in TARGETS if t.available] if "target" in names else [None]
    for chapter in discover():
        for op in chapter.ops if "op" in names else [None]:
            if differentiable and not is_differentiable(chapter, op):
                continue
            for case in cases(op) if "case" in names else [None]:
                if case and bool(case.raises) != bad:
                    continue
                for target in targets:
                    yield _param(names, chapter, op, case, target)
    for target in TARGETS if "target" in names else []:
        if not target.available:  # one test that says so for all that would have run
            skip = pytest.mark.skip(reason=f"{target}: no CUDA GPU on this machine")
            yield pytest.param(*[None] * len(names), id=str(target), marks=skip)


def _param(names, chapter, op, case, target):
    subject = f"{chapter.name}.{op.name}" if op else chapter.name
    label = ", ".join([subject, *([case.name] if case else []), *([str(target)] if target else [])])
    values = {"chapter": chapter, "op": op, "case": case, "target": target}
    return pytest.param(*(values[name] for name in names), id=label)
