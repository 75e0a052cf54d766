"""Which cells run on the trusted side, and whose each name is."""

import pytest

from autograder.proctor import plan
from tests.grader.apart.harness import check, given, graded, hidden, job, own, student


def read(*cells):
    return {cell.name: cell for cell in plan.read(job(*cells).notebook)}


def test_cells_are_told_apart_by_their_marks():
    manual = check("1", "manual")
    manual["metadata"]["nbgrader"]["solution"] = True
    cells = read(given("a = 1", "g"), student("b = 1", "s"), own("c = 1", "o"), check("a", "t"),
                 manual)  # fmt: skip
    assert {name: cell.kind for name, cell in cells.items()} == {
        "g": "instructor", "s": "student", "o": "student", "t": "test", "manual": "student",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "binds", "uses"),
    [
        ("import numpy.linalg as la, os.path", {"la", "os"}, set()),
        ("from a import b as c", {"c"}, set()),
        ("def f(x):\n    y = g(x)\n    return y", {"f"}, {"g"}),
        ("class C(B):\n    a = b\n    def f(self):\n        return c", {"C"}, {"B", "b", "c"}),
        ("for i in a:\n    with b(c) as f:\n        pass", {"i", "f"}, {"a", "b", "c"}),
        ("[k for k in ks if k]\n(z := 3)", {"z"}, {"ks"}),
        ("def f():\n    global g\n    g = h", {"f", "g"}, {"h"}),
        ("try:\n    a\nexcept E as e:\n    e", {"e"}, {"a", "E", "e"}),
        ("x = lambda q: q + w", {"x"}, {"w"}),
        ("from a import *", {"*"}, set()),
        ("%matplotlib inline\nx = 1", {"x"}, set()),
        ("%%capture\nx = y", {"x"}, {"y"}),
        ("match v:\n    case [a, *b]:\n        pass", {"a", "b"}, {"v"}),
    ],
)  # fmt: skip
def test_names_that_a_cell_binds_and_uses(source, binds, uses):
    cell = read(check(source, "t"))["t"]
    assert (cell.binds, cell.uses) == (binds, uses)


def test_a_cell_that_is_no_python_binds_nothing_and_fails_as_a_test():
    assert read(check("x = = 1", "t"))["t"].tree is None
    verdict = graded(check("x = = 1")).verdicts["test"]
    assert (verdict.passed, verdict.error) == (False, "SyntaxError")


def test_an_instructors_cell_runs_here_if_a_test_needs_it_even_through_another():
    cells = read(
        given("import math", "modules"),
        given("def helper(x):\n    return math.sqrt(x)", "helper"),
        given("seed(3)", "effect"),
        given("@picture\ndef _():\n    f()", "picture"),
        given("unused = 1", "unused"),
        check("assert helper(f(3))", "test"),
        given("def helper(x): pass", "later"),
    )
    trusted = {name for name, cell in cells.items() if cell.trusted}
    assert trusted == {"modules", "helper", "effect", "test"}


def test_hidden_lines_are_those_between_the_marks():
    cell = read(check("a\n" + hidden("b\nc") + "\nd", "t"))["t"]
    assert cell.hidden_lines() == {2, 3, 4, 5}
    assert read(check("a\n### BEGIN HIDDEN TESTS\nb", "t"))["t"].hidden_lines() == {2, 3}


def passes(*cells, **settings):
    verdict = graded(*cells, **settings).verdicts["test"]
    return verdict.passed or verdict.message


def test_an_instructors_name_stays_trusted_whatever_the_student_binds():
    answer = (
        "limit = 0\ndef helper(x): return True\nnp.allclose = lambda *a: True\n"
        "len = lambda x: 3\ndef f(): return [0.0]"
    )
    cells = given("import numpy as np\nlimit = 5\ndef helper(x): return x < limit"), student(answer)
    assert passes(*cells, check("assert not helper(7)"), stubs=frozenset({"f"})) is True
    assert passes(*cells, check("assert len(f()) == 1 and not np.allclose(f(), 1)")) is True


def test_a_stub_is_the_students_even_where_an_instructors_cell_binds_it_too():
    cells = given("f = None"), student("def f(): return 1"), check("assert f() == 1")
    assert passes(*cells, stubs=frozenset({"f"})) is True
    assert "NoneType" in passes(*cells, stubs=frozenset())


def test_the_students_last_binding_before_the_test_counts():
    cells = student("def f(): return 1"), own("def f(): return 2"), check("assert f() == 2")
    assert passes(*cells, own("def f(): return 3", "after")) is True


def test_a_trusted_helper_sees_the_students_name_as_it_is_at_the_test():
    first = check("def twice(): return 2 * f()\nassert twice() == 2", "first")
    cells = student("def f(): return 1"), first, own("def f(): return 5")
    assert passes(*cells, check("assert twice() == 10")) is True


def test_a_name_that_nobody_binds_is_a_name_error():
    assert "name 'f' is not defined" in passes(student("g = 1"), check("f()"))
    assert "name 'f' is not defined" in passes(
        student("def f(): return 1"), check("f()", "before"), own("del f"), check("f()")
    )


def test_a_student_cannot_stand_in_for_a_name_of_an_instructors_cell_that_failed():
    cells = given("1 / 0\nsecret = 3"), student("secret = 4"), check("assert secret == 4")
    assert "name 'secret' is not defined" in passes(*cells)


def test_a_test_that_binds_a_name_means_its_own():
    assert passes(student("x = 4\ndef f(): return x"), check("x = 3\nassert f() + x == 7")) is True


def test_names_of_star_imports_are_trusted():
    answer = "def sqrt(x): return 0"
    assert (
        passes(given("from math import *"), student(answer), check("assert sqrt(4) == 2")) is True
    )


def test_data_and_modules_of_the_student_cross_by_name():
    answer = "import numpy as xp\nimport math, socket\nweights = [xp.ones(2), {'a': 1}]"
    test = check("import numpy\nassert weights[0].sum() == 2 and xp is numpy and math.pi > 3")
    assert passes(student(answer), test) is True
    assert "`socket` is the module `socket`" in passes(student(answer), check("socket"))
    found = passes(student("import itertools"), check("itertools.chain"), imports=["itertools"])
    assert found is True


def test_builtins_are_trusted_unless_they_are_the_task():
    answer = "def sum(values): return 0"
    assert passes(student(answer), check("assert sum([1, 2]) == 3")) is True
    assert passes(student(answer), check("assert sum([1]) == 0"), stubs=frozenset({"sum"})) is True


def test_magics_in_tests_do_no_harm():
    test = "%matplotlib inline\n%config x\nassert f() == 1\ndisplay(f)"
    assert passes(student("def f(): return 1"), check(test)) is True
    assert passes(student("def f(): return 1"), check("%%capture out\nassert f() == 1")) is True
    assert "does not work in a test" in passes(check("!ls"))


def test_a_test_may_take_a_students_name_away_and_give_it_back():
    """As nbgrader's own example does: `del squares`, and `sum_of_squares` must miss it."""
    cells = student("def part(): return 1\ndef whole(): return part() + 1")
    must_miss = (
        "kept = part\ndel part\ntry:\n    whole()\nexcept NameError:\n    pass\n"
        "else:\n    raise AssertionError('whole does not use part')\nfinally:\n    part = kept\n"
        "assert whole() == 2"
    )
    assert passes(cells, check(must_miss)) is True
    without = student("def part(): return 1\ndef whole(): return 2")
    assert "whole does not use part" in passes(without, check(must_miss))
    # A test that ends in between takes nothing away from the next.
    assert passes(cells, check("del part\nwhole()", "first"), check("assert whole() == 2")) is True
