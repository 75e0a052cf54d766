"""Right answers score full, wrong ones fail and are told why. Each cell runs in this process."""

import pytest

from autograder.checks import CheckFailed
from autograder.regions import HIDDEN, regions
from tests.exercises.bench import (
    Bench,
    description,
    graded_cells,
    is_check,
    known_answers,
    read,
    release,
    solved,
)


def visible_check(assignment, task):
    """The test cell that runs the task's visible cases."""
    (cell,) = (cell for cell in graded_cells(assignment, task) if is_check(cell, task))
    return cell


def test_the_solution_passes_every_test(assignment, task):
    bench = solved(assignment)
    for cell in graded_cells(assignment, task):
        bench.run(cell.source)


def test_the_alternative_passes_every_test(assignment, alternative):
    bench = solved(assignment)
    with bench.answering(alternative):
        for cell in graded_cells(assignment, alternative.task):
            bench.run(cell.source)


def test_the_misconception_fails_and_is_named(assignment, misconception):
    bench = solved(assignment)
    visible, _ = regions(visible_check(assignment, misconception.task).source, HIDDEN)
    with bench.answering(misconception):
        error = bench.error_of(visible)
    assert isinstance(error, CheckFailed)
    assert misconception.name in str(error)
    assert misconception.hint in str(error)


def test_the_misconception_fails_on_fresh_inputs_too(assignment, misconception):
    """Whoever fits the visible cases alone still fails: the hidden tests stand by themselves."""
    bench = solved(assignment)
    cell = visible_check(assignment, misconception.task)
    visible, hidden = regions(cell.source, HIDDEN)
    bench.run(visible)  # with the solution, for what the hidden part takes from above it
    with bench.answering(misconception):
        error = bench.error_of(hidden)
    assert error is not None
    assert not isinstance(error, NameError), "the hidden part itself is broken"


def test_every_task_has_a_solution_that_is_not_a_known_answer(assignment, task):
    """The bench must really put answers in: the name that they replace is the task's own."""
    bench = solved(assignment)
    name = task.replace("-", "_")
    mistakes, others = known_answers(assignment)
    answers = [known.answer for known in [*mistakes, *others] if known.task == task]
    assert bench.namespace[name] not in answers


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_the_solution_passes_with_other_random_inputs(assignment, task, seed, monkeypatch):
    monkeypatch.setenv("AUTOGRADER_SEED", seed)
    bench = solved(assignment)
    for cell in graded_cells(assignment, task):
        if "fresh_rng" in cell.source:
            bench.run(cell.source)


def test_the_release_fails_in_its_tests_and_nowhere_else(assignment):
    """Top to bottom: only test cells raise, each of them, to say that a task is unsolved."""
    bench, failed = Bench(assignment), set()
    for cell in release(assignment).cells:
        if cell.cell_type == "code":
            error = bench.error_of(cell.source)
            if error is not None:
                failed.add(cell.id)
                assert isinstance(error, NotImplementedError) or "not solved yet" in str(error)
    assert failed == {cell.name for cell in read(assignment).marked("test")}


def test_an_assignment_is_complete(assignment):
    """Tasks, PyTorch, a question for a person, known mistakes, and other right answers."""
    source = read(assignment)
    tasks = [task for task in source.tasks.values() if not task.manual]
    mistakes, others = known_answers(assignment)
    counts = {task.id: sum(m.task == task.id for m in mistakes) for task in tasks}
    right = {task.id: sum(a.task == task.id for a in others) for task in tasks}
    assert 6 <= len(tasks) <= 8
    assert any(task.manual for task in source.tasks.values())
    assert any("nn.Module" in cell.source for cell in source.marked("solution"))
    assert all(count >= 4 for count in counts.values()), counts
    assert all(count >= 1 for count in right.values()), right
    assert sum(count >= 2 for count in right.values()) >= 3, right


def test_every_test_cell_that_checks_has_hidden_tests(assignment):
    for cell in read(assignment).marked("test"):
        assert f"BEGIN {HIDDEN}" in cell.source, cell.id


def test_points_and_minutes_add_up(assignment):
    tasks = description(assignment)["tasks"].values()
    assert 15 <= sum(task["points"] for task in tasks) <= 25
    assert 90 <= sum(task["minutes"] for task in tasks) <= 120
