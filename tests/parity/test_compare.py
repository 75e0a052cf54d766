"""The measuring itself: what counts as an error, and views that stay views."""

from dataclasses import replace

import numpy as np
import pytest

from book.op import Case
from tests.parity.chapters import discover
from tests.parity.compare import (
    FLOAT64,
    Error,
    Target,
    check,
    differences,
    error,
    for_numpy,
    for_torch,
    to_tensor,
)
from tests.tolerances import TOLERANCES, Tolerance

LOOSE = Tolerance(relative=1e-2, absolute=1e-3, reason="values above 0.1 are judged relatively")
NAN, INF = np.nan, np.inf
LOSSES = next(chapter for chapter in discover() if chapter.name == "losses")


def test_small_values_are_judged_absolutely_and_large_ones_relatively():
    found = error(np.array([0.05 + 2e-4, 100.5]), np.array([0.05, 100.0]), LOOSE)
    assert found == Error(pytest.approx(2e-4), pytest.approx(5e-3))


@pytest.mark.parametrize("same", [NAN, INF, -INF])
def test_equal_specials_are_no_error(same):
    assert error(np.array([same]), np.array([same]), LOOSE) == Error(0.0, 0.0)


@pytest.mark.parametrize(
    "got, expected",
    [(NAN, 1.0), (1.0, NAN), (INF, 1.0), (1.0, INF), (INF, -INF), (NAN, INF), (INF, NAN), (NAN, 0)],
)
def test_a_special_on_one_side_only_is_an_infinite_error(got, expected):
    found = error(np.array([0.0, got]), np.array([0.0, expected]), LOOSE)
    assert INF in (found.absolute, found.relative)
    with pytest.raises(AssertionError, match=r"at \(1,\) expected"):
        check(np.array([0.0, got]), np.array([0.0, expected]), LOOSE, "it")


def test_a_failure_names_the_place_and_the_largest_errors():
    got, expected = np.zeros((2, 3)), np.zeros((2, 3))
    got[1, 2] = 0.5
    message = r"relu: largest absolute error 0\.5 .*at \(1, 2\) expected 0\.0, got 0\.5"
    with pytest.raises(AssertionError, match=message):
        check(got, expected, LOOSE, "relu")


def test_another_shape_fails_even_where_it_broadcasts():
    with pytest.raises(AssertionError, match=r"expected shape \(1, 3\), got \(3,\)"):
        check(np.zeros(3), np.zeros((1, 3)), LOOSE, "relu")


def test_empty_results_agree():
    assert check(np.zeros((0, 3)), np.zeros((0, 3)), LOOSE, "relu") == Error()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(48.0).reshape(6, 8).T[::2],
        np.broadcast_to(np.arange(5.0), (3, 5)),
        np.zeros((0, 4)),
        np.array(0.7),
        np.arange(6.0)[::-1],
        np.arange(4),
        np.array([True, False]),
    ],
    ids=["transposed", "broadcast", "empty", "one number", "reversed", "integers", "booleans"],
)
def test_a_tensor_has_the_numbers_and_layout_of_its_array(array):
    tensor = to_tensor(array, FLOAT64)
    np.testing.assert_array_equal(tensor.numpy(), array)
    assert tensor.stride() == tuple(abs(step) // array.itemsize for step in array.strides)


def test_the_reference_gets_the_numbers_that_the_dtype_holds():
    case = for_numpy(Case("third", (np.array([1 / 3]),)), Target("bfloat16", "cpu"))
    assert case.args[0].dtype == np.float64
    assert case.args[0].item() == 0.333984375


def test_every_tolerance_has_a_reason():
    assert all(tolerance.reason for tolerance in TOLERANCES.values())


def test_constants_record_no_gradient_and_are_not_varied():
    weight = np.array([0.5, 2.0])
    case = Case("weighted", (np.ones(2),), {"weight": weight}, constants=("weight",))
    given = for_torch(case, FLOAT64)
    assert given.args[0].requires_grad
    assert not given.kwargs["weight"].requires_grad
    op = next(op for op in LOSSES.ops if op.name == "mse_loss")
    case = replace(case, args=(np.ones(2), np.zeros(2)))
    assert set(differences(LOSSES, op, case, np.ones(()))) == {"input", "target"}
    assert "weight" in differences(LOSSES, op, replace(case, constants=()), np.ones(()))
