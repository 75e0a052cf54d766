"""What a student reads: each message of a check."""

import json

import numpy as np
import pytest

from autograder import checks
from autograder.checks import CheckFailed, assert_close, assert_raises, check, fresh_rng, picture


@pytest.fixture(autouse=True)
def beside_the_notebook(project, monkeypatch):
    monkeypatch.chdir(project / "exercises" / "tiny")
    monkeypatch.setattr(checks, "_seed", None)


def failure(task, function):
    with pytest.raises(CheckFailed) as caught:
        check(task, function)
    return str(caught.value)


def root(x, shift=0.0):
    if x + shift < 0:
        raise ValueError("negative")
    return (x + shift) ** 0.5


def test_a_right_answer_prints_one_line_and_returns_nothing(capsys):
    assert check("double", lambda x: x + x) is None
    assert check("root", root) is None
    printed = capsys.readouterr()
    assert printed.out == ("double: all 3 visible cases pass.\nroot: all 3 visible cases pass.\n")
    assert printed.err == ""


def test_a_warning_is_told_on_stdout_because_nbgrader_fails_a_cell_for_its_stderr(capsys):
    def double(x):
        np.log(np.zeros(2))
        return 2 * x

    check("double", double)
    printed = capsys.readouterr()
    assert printed.out.split("\n")[1:] == [
        "warning   RuntimeWarning: divide by zero encountered in log",
        "",
    ]
    assert printed.err == ""


def test_a_wrong_answer_names_case_input_index_values_and_error():
    def double(x):
        return np.where(x == 2, 7.0, 2 * x)

    assert failure("double", double).split("\n") == [
        'double: wrong in case 1 of 3, "a vector". 2 of 3 cases fail.',
        "call      double(array([1.0, 2.0, 3.0]))",
        "the result: 1 of 3 entries differ.",
        "expected  array([2.0, 4.0, 6.0])",
        "got       array([2.0, 7.0, 6.0])",
        "first difference at index [1]: expected 4.0, got 7.0",
        "largest absolute error: 3.0 at index [1]",
    ]


def test_a_wrong_shape_is_named():
    assert "expected shape (2, 3), got (3, 2)" in failure("double", lambda x: 2 * x.T)


def test_a_known_mistake_is_named_with_its_hint():
    text = failure("double", lambda x: x * x)
    assert text.endswith(
        "Known mistake: squared. You square each entry. Doubling adds it to itself."
    )


def test_an_unknown_mistake_is_given_no_name():
    assert "Known mistake" not in failure("double", lambda x: 3 * x)


def test_a_mistake_that_is_known_in_some_cases_only_is_not_named():
    def almost(x):
        return x * x if x.ndim == 1 else 3 * x

    assert "Known mistake" not in failure("double", almost)


def test_an_input_changed_in_place_is_reported():
    def double(x):
        x += x
        return x

    text = failure("double", double)
    assert "The result is right, but your code changed its input `x` in place" in text
    assert "Known mistake: in_place." in text


def test_the_inputs_of_one_call_do_not_reach_the_next():
    def double(x):
        result = 2 * x
        x[:] = 0
        return result

    assert "changed its input `x`" in failure("double", double)
    check("double", lambda x: 2 * x)


def test_a_stub_is_not_solved_yet():
    def stub(x):
        raise NotImplementedError()

    text = failure("double", stub)
    assert text.startswith("double: not solved yet")
    assert "Known mistake" not in text


def test_an_exception_is_reported_with_the_students_own_line():
    def double(x):
        return x + np.ones(7)  # seven is too many

    text = failure("double", double)
    assert "expected  an array of shape (3,), float64" in text
    assert "got       ValueError: operands could not be broadcast" in text
    assert "return x + np.ones(7)  # seven is too many" in text


def test_exit_in_an_answer_fails_the_check_and_does_not_end_the_kernel():
    assert "SystemExit" in failure("double", lambda x: exit())


def test_a_missing_return_is_recognized():
    assert "None. Is a `return` missing?" in failure("double", lambda x: None)


def test_a_missing_error_for_bad_input_is_reported():
    text = failure("root", lambda x, shift=0.0: abs(x + shift) ** 0.5)
    assert 'case 3 of 3, "negative"' in text
    assert "expected  ValueError, since this is bad input" in text
    assert "got       the number 1.0" in text


def test_another_error_for_bad_input_is_reported():
    def other(x, shift=0.0):
        if x < 0:
            raise KeyError("x")
        return root(x, shift)

    assert "expected  ValueError, since this is bad input\ngot       KeyError: 'x'" in failure(
        "root", other
    )


def test_keyword_arguments_are_shown_in_the_call():
    assert "other(4.0, shift=5.0)" in failure("root", lambda x, shift=0.0: 2.0).replace(
        "<lambda>", "other"
    )


def test_jupyter_shows_the_message_alone():
    lines = CheckFailed("first\nsecond")._render_traceback_()
    assert lines[1:] == ["second"] and "first" in lines[0] and len(lines) == 2


def test_an_unknown_task_and_a_missing_file_are_told(tmp_path, monkeypatch):
    assert "no visible cases" in failure("why", root)
    assert "no visible cases" in failure("nope", root)
    monkeypatch.chdir(tmp_path)
    assert "assignment.json is not in" in failure("double", root)
    (tmp_path / "assignment.json").write_text("{")
    assert "cannot be read" in failure("double", root)


class Shell:
    """Stands for IPython's shell, which keeps the cells run so far in `In`."""

    def __init__(self, *cells):
        self.user_ns = {"In": ["", *cells]}


def test_a_module_that_is_not_allowed_is_reported(monkeypatch):
    import IPython

    monkeypatch.setattr(
        IPython, "get_ipython", lambda: Shell("import numpy", "x = 1\nimport torch")
    )
    text = failure("double", lambda x: x + x)
    assert "cell [2], line 2 imports `torch`" in text and "Allowed: numpy, os, sys" in text


def test_what_hidden_tests_import_is_allowed(monkeypatch, capsys):
    import IPython

    hidden = "check()\n### BEGIN HIDDEN TESTS\nimport scipy\n### END HIDDEN TESTS"
    monkeypatch.setattr(IPython, "get_ipython", lambda: Shell("import numpy", hidden))
    check("double", lambda x: x + x)
    assert "all 3" in capsys.readouterr().out


def test_assert_close_says_what_differs_and_the_seed(monkeypatch):
    assert_close(np.ones(2), np.ones(2) + 1e-9)
    monkeypatch.setenv(checks.SEED, "42")
    rng = fresh_rng()
    with pytest.raises(CheckFailed, match=r"the slope: expected 2.0, got 1.0") as caught:
        assert_close(1.0, 2.0, what="the slope")
    assert "seed 42" in str(caught.value)
    assert rng.random() == np.random.default_rng(42).random()


def test_fresh_rng_draws_a_new_seed_without_the_variable(monkeypatch):
    monkeypatch.delenv(checks.SEED, raising=False)
    assert fresh_rng().random() != fresh_rng().random()


def test_assert_raises_wants_that_error():
    def stub(x):
        raise NotImplementedError

    assert_raises(ValueError, root, -1.0)
    with pytest.raises(CheckFailed, match=r"root\(4.0\): expected ValueError, but it returned"):
        assert_raises(ValueError, root, 4.0)
    with pytest.raises(CheckFailed, match="but it raised ValueError: negative"):
        assert_raises(KeyError, root, -1.0)
    with pytest.raises(CheckFailed, match="but it raised NotImplementedError"):
        assert_raises(RuntimeError, stub, 1.0)


def test_the_released_file_holds_data_only(project):
    text = (project / "exercises" / "tiny" / "assignment.json").read_text()
    data = json.loads(text)
    assert list(data) == ["title", "imports", "tasks"]
    mistakes = [m["name"] for m in data["tasks"]["double"]["misconceptions"]]
    assert mistakes == ["squared", "in_place"]
    assert "def " not in text and "answer_of_double" not in text


def test_a_picture_is_drawn_at_once_and_closed(monkeypatch, capsys):
    from matplotlib import pyplot as plt

    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf().axes[0].lines[0]))

    @picture
    def _():
        plt.plot([1, 2], [3, 4])

    assert shown[0].get_ydata().tolist() == [3, 4]
    assert plt.get_fignums() == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "printed"),
    [
        (NotImplementedError(), "Solve the task above to see the picture.\n"),
        (KeyError("x"), "No picture yet. Your function raised KeyError: 'x'\n"),
    ],
)
def test_a_picture_without_an_answer_says_why_and_leaves_no_empty_axes(error, printed, capsys):
    from matplotlib import pyplot as plt

    @picture
    def _():
        plt.plot([1, 2], [3, 4])
        raise error

    assert capsys.readouterr() == (printed, "")
    assert plt.get_fignums() == []
