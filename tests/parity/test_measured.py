"""The stored errors are those of today's functions, and within today's tolerances."""

import pytest

from tests.parity.__main__ import RESULTS, Error, keep_gpu, tolerance_table
from tests.parity.chapters import discover, peer_name
from tests.parity.compare import TARGETS, Target
from tests.tolerances import TOLERANCES
from tools.machine import read_results

AGAIN = "out of date: run `make parity`"


@pytest.fixture(scope="module")
def results():
    return read_results(RESULTS)


def _columns(results):
    for chapter, functions in results["errors"].items():
        for function, sides in functions.items():
            for side, columns in sides.items():
                for column, directions in columns.items():
                    for direction, error in directions.items():
                        yield (chapter, function, side, column, direction), error


def test_the_stored_errors_are_of_todays_functions_and_peers(results):
    today = {
        chapter.name: {
            op.name: {"pytorch", *map(peer_name, (*op.torch_peers, *op.numpy_peers))}
            for op in chapter.ops
        }
        for chapter in discover()
    }
    stored = {
        chapter: {function: set(sides) for function, sides in functions.items()}
        for chapter, functions in results["errors"].items()
    }
    assert stored == today, AGAIN


def test_the_stored_tolerances_are_todays(results):
    assert results["tolerances"] == tolerance_table(), AGAIN


def test_every_function_is_stored_for_every_dtype_of_the_cpu(results):
    expected = {str(target) for target in TARGETS if target.device == "cpu"}
    for functions in results["errors"].values():
        for sides in functions.values():
            assert expected <= set(sides["pytorch"]), AGAIN


def test_every_stored_error_is_within_the_tolerance(results):
    outside = _outside(results)
    assert not outside, f"{outside}; {AGAIN}"


def _outside(results):
    return [
        place
        for place, error in _columns(results)
        if not Error(**error).within(TOLERANCES[tuple(place[3].split())])
    ]


def test_a_stored_error_outside_the_tolerance_is_noticed(results):
    (place, error), *_ = _columns(results)
    chapter, function, side, column, direction = place
    worse = {**error, "absolute": 1.0}
    one = {"errors": {chapter: {function: {side: {column: {direction: worse}}}}}}
    assert _outside(one) == [place]


def test_columns_of_a_gpu_survive_a_run_without_one():
    gpu, cpu = {"forward": {"absolute": 1.0}}, {"forward": {"absolute": 2.0}}
    old = {
        "machines": {"cuda": "a GPU", "cpu": "old"},
        "errors": {"x": {"f": {"pytorch": {"float32 cuda": gpu, "float32 cpu": gpu}}, "gone": {}}},
    }
    new = {
        "machines": {"cpu": "new"},
        "errors": {"x": {"f": {"pytorch": {"float32 cpu": cpu}}, "added": {"pytorch": {}}}},
    }
    keep_gpu(new, old)
    assert new["machines"] == {"cuda": "a GPU", "cpu": "new"}
    assert new["errors"]["x"] == {
        "f": {"pytorch": {"float32 cuda": gpu, "float32 cpu": cpu}},
        "added": {"pytorch": {}},
    }


def test_targets_are_named_as_dtype_and_device():
    assert str(Target("tf32", "cuda")) == "tf32 cuda"
