"""What a test cell is worth, and what a student reads about it."""

import json
import math

import numpy as np
import pytest

from autograder import checks
from autograder.proctor import testing
from autograder.sandbox import Limits
from autograder.values import encode
from tests.grader.apart.harness import (
    SETUP,
    check,
    given,
    graded,
    hidden,
    own,
    student,
    verdict,
)  # fmt: skip


def outputs(result, id="test"):
    return [(o["output_type"], o.get("text") or o.get("evalue") or o.get("data"))
            for o in result.outputs[id]]  # fmt: skip


def test_a_test_that_runs_through_passes_and_one_that_raises_fails():
    assert verdict("def f(): return 1", "assert f() == 1").passed
    found = verdict("def f(): return 1", "x = 2\nassert f() == x, 'one is two'")
    assert (found.passed, found.error) == (False, "AssertionError")
    assert found.message == "one is two\nin line 2 of the test: assert f() == x, 'one is two'"


def test_an_unsolved_task_says_so():
    found = verdict("def f(): raise NotImplementedError()", "assert f() == 1")
    assert found.message.startswith("not solved yet: your code still raises NotImplementedError\n")


def test_the_students_own_traceback_is_told():
    answer = "def g(x):\n    return 1 / x\n\ndef f(x):\n    return g(x)"
    found = verdict(answer, "f(0)")
    assert found.error == "ZeroDivisionError"
    assert 'File "<answer>", line 2, in g\n    return 1 / x' in found.message
    assert "autograder" not in found.message


HIDDEN = """\
secret_input = np.full((3, 2), 0.123)
expected_value = 77.125
"""


@pytest.mark.parametrize(
    ("answer", "test", "told"),
    [
        (
            "def f(x, axis): return 1.5",
            "assert f(secret_input, axis=1) == expected_value, expected_value",
            "call      f(<an array of shape (3, 2), float64>, axis=1)\n"
            "returned  a number, which is not what was expected",
        ),
        (
            "def f(x): return x",
            "checks.assert_close(f(secret_input), np.array([expected_value]), what='the mean')",
            "call      f(<an array of shape (3, 2), float64>)\n"
            "the mean: expected an array of shape (1,), float64, "
            "got an array of shape (3, 2), float64",
        ),
        (
            "def f(x): return 0 * x",
            "checks.assert_close(f(secret_input), secret_input + expected_value)",
            "got an array of shape (3, 2), float64, as it should be, but not the right one",
        ),
        (
            "def f(x): return x",
            "checks.assert_raises(ValueError, f, expected_value)",
            "call      f(77.125)\nexpected ValueError, but it returned a number",
        ),
        (
            "def f(x):\n    return x.nothing",
            "f(secret_input)",
            "raised    AttributeError: 'numpy.ndarray' object has no attribute 'nothing'\n"
            "in your code:",
        ),
        ("def f(): pass", "np.testing.assert_allclose(3, expected_value)", "A hidden test failed."),
        ("def f(): return 3", "assert f() is None", "call      f()"),
    ],
)  # fmt: skip
def test_a_hidden_test_tells_the_call_and_the_kind_of_what_was_expected(answer, test, told):
    source = "checks\nprint('shown')\n" + hidden(HIDDEN + "print(expected_value)\n" + test)
    result = graded(
        given(f"{SETUP}\nfrom autograder import checks"), student(answer), check(source)
    )
    found = result.verdicts["test"]
    assert not found.passed
    assert found.message.startswith("A hidden test failed.")
    assert told in found.message
    text = str(result.outputs["test"])
    for secret in ("0.123", "secret_input", "expected_value", "assert "):
        assert secret not in text
    assert "77" not in text.replace("f(77.125)", "")  # an argument that is a number is told
    assert outputs(result)[0] == ("stream", "shown\n")


def test_a_hidden_helper_called_from_a_later_visible_test_stays_hidden():
    first = check(hidden("def helper(x):\n    assert f() == 41, 'it is 41'"), "first")
    found = graded(student("def f(): return 1"), first, check("helper(f())"))
    assert found.verdicts["test"].message.startswith("A hidden test failed.")
    assert "41" not in found.verdicts["test"].message


def test_what_is_printed_in_visible_parts_is_kept_and_nothing_on_stderr():
    answer = (
        "import sys\ndef f():\n    print('mine')\n    print('noise', file=sys.stderr)\n    return 1"
    )
    test = "import sys\nf()\nprint('ok')\nprint('oh', file=sys.stderr)\n" + hidden("f()\nprint(3)")
    result = graded(student(answer), check(test))
    assert result.verdicts["test"].passed
    assert outputs(result) == [("stream", "mine\nok\n")]


def test_output_of_a_test_is_bounded():
    limits = Limits(output=1000)
    result = graded(student("def f(): print('x' * 10**6)"), check("f()"), limits=limits)
    assert len(outputs(result)[0][1]) == 1000


@pytest.mark.parametrize(
    ("last", "score"),
    [("f()", 2.0), ("float(f())", 2.0), ("np.float32(f())", 2.0), ("f() / 8", 0.25), ("0", 0.0),
     ("f();", None), ("None", None), ("True", None), ("x = 3", None), ("[print]", None)],
)  # fmt: skip
def test_the_last_value_is_a_number_of_points_if_it_is_one(last, score):
    result = graded(given(SETUP), student("def f(): return 2"), check(last, points=3))
    assert result.verdicts["test"].passed
    assert result.verdicts["test"].score == score
    results = [o["data"]["text/plain"] for o in result.outputs["test"]]
    assert results == ([] if score is None else [f"{score:g}"])


@pytest.mark.parametrize(
    "value",
    ["float('nan')", "float('inf')", "-1", "4", "'full'", "10**400", "1j", "b'3'", "[3.0]", "{}",
     "(1, 2)", "np.ones(1)", "np.float64('nan')", "np.array(-1.0)", "torch.tensor(3.0)",
     "len", "nn.Linear(1, 1)", "False", "np.False_"],
)  # fmt: skip
def test_data_of_a_student_that_is_no_number_of_points_earns_none(value):
    result = graded(
        given(SETUP), student(f"{SETUP}\ndef f(): return {value}"), check("f()", points=3)
    )
    assert not result.verdicts["test"].passed
    assert [o["output_type"] for o in result.outputs["test"]] == ["error"]


def test_a_forbidden_import_fails_the_tests_below_it():
    cells = student("def f(): return 1"), check("assert f() == 1", "first")
    result = graded(*cells, own("import os.path\n"), check("assert f() == 1"), imports=["numpy"])
    assert result.verdicts["first"].passed
    found = result.verdicts["test"]
    assert (found.passed, found.error) == (False, "ImportNotAllowed")
    assert "own, line 1, imports `os.path`, which this assignment does not allow" in found.message
    assert outputs(result) == [("error", found.message)]


def test_instructors_may_import_what_they_like():
    cells = given("import os"), student("def f(): return 1"), check("import sys\nassert f() == 1")
    assert graded(*cells, imports=["numpy"]).verdicts["test"].passed


def test_the_seed_of_the_job_reaches_fresh_rng():
    test = "from autograder.checks import fresh_rng\nassert fresh_rng().integers(10**9) == {}"
    expected = np.random.default_rng(7).integers(10**9)
    assert graded(check(test.format(expected)), seed=7).verdicts["test"].passed


def test_a_test_that_never_ends_times_out():
    limits = Limits(cell=0.2)
    test = "for i in range(f()): pass"
    found = verdict("def f(): return 10**12", test, limits=limits)
    assert (found.passed, found.error, found.message) == (
        False, "TimedOut", "This took too long.",
    )  # fmt: skip


def test_a_test_may_not_swallow_what_broke():
    test = "try:\n    f()\nexcept:\n    pass"
    assert verdict("import os\ndef f(): os._exit(0)", test).error == "Closed"
    assert verdict("def f(): return object()", test).error == "CannotCross"
    assert verdict("def f(): return 1", test).passed


def test_check_works_with_stand_ins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inputs, expected = (encode(value) for value in ((np.array([1.0, 2.0]),), np.array([2.0, 4.0])))
    case = {"name": "one", "args": inputs, "kwargs": {}, "expected": {"returns": expected}}
    task = {"title": "T", "points": 1, "minutes": 1, "cases": [case], "misconceptions": []}
    assignment = {"title": "T", "imports": ["numpy"], "tasks": {"f": task}}
    (tmp_path / "assignment.json").write_text(json.dumps(assignment))

    def told(body):
        setup = "import numpy as np\nfrom autograder.checks import check"
        answer = f"import numpy as np, warnings\n\ndef f(values):\n    {body}"
        result = graded(given(setup), student(answer), check("check('f', f)"))
        return result.verdicts["test"].message or outputs(result)[0][1]

    assert told("return 2 * values") == "f: all 1 visible cases pass.\n"
    assert "Your code changed its input".lower() in told("values *= 2\n    return values").lower()
    assert "`values` in place" in told("values *= 2\n    return values")
    assert "in f, line 4: return values.nothing" in told("return values.nothing")
    assert "Your code still raises NotImplementedError" in told("raise NotImplementedError")
    assert "warning   UserWarning: mind" in told("warnings.warn('mind')\n    return 2 * values")
    assert "got       None. Is a `return` missing?" in told("values = 2 * values")
    assert "call      f(array([1.0, 2.0]))" in told("return values")
    assert "got       SystemExit" in told("exit()")


def test_errstate_crosses():
    test = "with np.errstate(over='raise'):\n    f()"
    answer = f"{SETUP}\ndef f(): return np.exp(np.array(1e5))"
    assert verdict(answer, test).error == "FloatingPointError"
    assert verdict(answer, "f();").passed


def test_outputs_of_students_cells_are_kept_only_as_far_as_they_are_outputs():
    def forging(run):
        def forged(*arguments):
            done = run(*arguments)
            done.outputs[:] = [
                {"output_type": "stream", "name": "stdout", "text": "ok\ud800"},
                {"output_type": "stream", "name": "stdin", "text": "x"},
                {"output_type": "error", "ename": 1, "evalue": None, "traceback": [1, "a"]},
                {"output_type": "display_data", "data": {"text/html": "<b>", "image/png": [1]},
                 "metadata": {"x": [[[]]]}, "extra": 1},
                {"output_type": ["stream"]}, [], 3, None,
            ]  # fmt: skip
            return done

        return forged

    from tests.grader.apart.harness import Students

    def before(shell):
        shell.run = forging(shell.run)

    result = graded(student("1"), students=Students(before))
    assert result.outputs["answer"] == [
        {"output_type": "stream", "name": "stdout", "text": "ok?"},
        {"output_type": "error", "ename": "", "evalue": "", "traceback": ["", "a"]},
        {"output_type": "display_data", "data": {"text/html": "<b>"}, "metadata": {}},
    ]


def test_points_read_from_any_number():
    assert testing._points(np.int64(2), 2) == (None, 2.0)
    assert testing._points(np.array(1.5), 2) == (None, 1.5)
    assert isinstance(testing._points(math.nan, 2)[0], AssertionError)
    assert checks.CheckFailed("a").outline == ""
