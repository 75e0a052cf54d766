"""A crash or an endless loop costs the cell or test in which it happens, and no more."""

import pytest

from autograder.sandbox import Limits
from tests.grader.apart.harness import Students, check, given, graded, own, student

QUICK = Limits(call=0.3, cell=5)
ONE = "def one(): return 1"


def passed(result):
    return {name: found.passed for name, found in result.verdicts.items()}


@pytest.mark.parametrize(
    ("death", "error", "told"),
    [
        (
            "import os\ndef f(x): os._exit(0)",
            "Closed",
            "f(3): your code ended the process: an exit, a crash",
        ),
        ("import os\ndef f(x): os.kill(os.getpid(), 9)", "Closed", "ended the process"),
        ("def f(x):\n    while True: pass", "TimedOut", "f(3): your code took too long."),
        ("import time\ndef f(x): time.sleep(60)", "TimedOut", "f(3): your code took too long."),
    ],
    ids=["exit", "kill", "loop", "sleep"],
)
def test_a_function_that_ends_or_hangs_costs_its_own_test(death, error, told):
    result = graded(
        student(ONE, "one"), check("assert one() == 1", "before"), student(death, "death"),
        check("f(3)", "its"), check("assert one() == 1", "after"), limits=QUICK,
    )  # fmt: skip
    assert passed(result) == {"before": True, "its": False, "after": True}
    assert (result.verdicts["its"].error, result.problem) == (error, "")
    assert told in result.verdicts["its"].message
    assert result.timed_out == (error == "TimedOut")


def test_a_cell_that_ends_its_process_is_left_out_after_that():
    students = Students()
    result = graded(
        student(ONE, "one"), own("import os\nos._exit(0)", "death"), own("late = 2", "late"),
        check("assert one() == 1 and late == 2"), students=students,
    )  # fmt: skip
    assert passed(result) == {"test": True}
    assert result.outputs["death"][0]["evalue"].startswith("This ended the process")
    assert result.outputs["late"] == []
    assert len(students.pids) == 2


def test_a_death_in_a_hidden_test_tells_no_value_of_it():
    test = "### BEGIN HIDDEN TESTS\nimport numpy as np\nf(np.full(3, 0.123))\n### END HIDDEN TESTS"
    found = graded(student("import os\ndef f(x): os._exit(0)"), check(test)).verdicts["test"]
    assert found.message.startswith("f(<an array of shape (3,), float64>): your code ended")


def test_cells_run_again_leave_their_first_outputs_and_pass_no_test_twice():
    result = graded(
        own("print('once')\nfrom pathlib import Path\nruns = 1", "loud"),
        student("import os\ndef f(): os._exit(0)"),
        check("assert runs == 1", "first"), check("f()", "death"),
        check("assert runs == 1", "last"),
    )  # fmt: skip
    assert [o["text"] for o in result.outputs["loud"]] == ["once\n"]
    assert passed(result) == {"first": True, "death": False, "last": True}


def test_after_three_restarts_the_rest_is_not_run():
    cells = student("import os\ndef f(): os._exit(0)"), check("assert True", "first")
    deaths = [check("f()", f"death-{number}") for number in range(5)]
    students = Students()
    result = graded(*cells, *deaths, check("assert True", "last"), students=students)
    assert [found.error for found in result.verdicts.values()] == [
        "", "Closed", "Closed", "Closed", "Closed", "NotRun", "NotRun",
    ]  # fmt: skip
    assert result.problem == "the student's process ended too often"
    assert "the student's process ended too often" in result.verdicts["last"].message
    assert result.outputs["last"][0]["ename"] == "NotRun"
    assert len(students.pids) == 4


def test_objects_of_a_process_that_has_ended_do_not_pass_for_new_ones():
    answer = "import os\nclass Box:\n    value = 3\nmake = lambda: Box()\nend = lambda: os._exit(0)"
    result = graded(
        student(answer), check("box = make()\nassert box.value == 3", "made"),
        check("end()", "death"), check("assert box.value == 3", "old"),
        check("assert make().value == 3", "new"),
    )  # fmt: skip
    assert passed(result) == {"made": True, "death": False, "old": False, "new": True}


def test_without_a_student_process_no_test_runs():
    def refuse():
        raise ConnectionError("the sandbox cannot be entered")

    from autograder.proctor import run
    from tests.grader.apart.harness import job

    result = run(job(student(ONE), check("assert True")), refuse)
    assert result.verdicts["test"].error == "NotRun"
    assert result.problem == "there is no student process: the sandbox cannot be entered"


def test_an_error_in_an_instructors_cell_here_costs_only_what_needs_its_names():
    result = graded(
        given("value = f()"), student("def f(): return 3"), check("assert value", "needs"),
        check("assert f() == 3", "free"),
    )  # fmt: skip
    assert passed(result) == {"needs": False, "free": True}


def test_times_are_those_of_the_students_code_and_of_the_rest():
    answer = "import time\ndef f(): time.sleep(0.2)"
    result = graded(student(answer), check("f()"))
    assert 0.2 <= result.seconds < 0.6
    assert 0 <= result.overhead < 0.5
