"""What a difference between two values is called."""

import numpy as np
import pytest

from autograder.compare import difference
from autograder.show import call, show

A = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]])


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (2, 2.0), (np.float64(2), 2), (np.array(2.0), 2.0), (np.bool_(True), True),
        ([1, 2], (1, 2)), (np.array([np.nan]), np.array([np.nan])),
        (A.astype(np.float32) + np.float32(1e-5), A), (A * (1 + 1e-8), A), (None, None),
        ({"a": 1.0}, {"a": 1}), (np.zeros((0, 2)), np.zeros((0, 2))), (A.astype(int), A // 1),
    ],
)  # fmt: skip
def test_equal_values_have_no_difference(got, expected):
    assert difference(got, expected) is None


@pytest.mark.parametrize(
    ("got", "expected", "parts"),
    [
        (A + np.eye(2, 3), A, [
            "the result: 2 of 6 entries differ", "first difference at index [0, 0]",
            "expected 1.0, got 2.0", "largest absolute error: 1.0",
        ]),
        (A.T, A, ["expected shape (2, 3), got (3, 2)", "transposed"]),
        (A.reshape(3, 2)[:, :1], A, ["expected shape (2, 3), got (3, 1)"]),
        (A.ravel(), A, ["expected shape (2, 3), got (6,)", "arrangement"]),
        (-A, A, ["Every sign is the opposite"]),
        (2 * A, A, ["Every entry is 2.0 times"]),
        (A + 0.5, A, ["off by the same amount, 0.5"]),
        (np.full((2, 3), np.nan), A, ["There are NaNs"]),
        (np.full((2, 3), np.inf), A, ["There are infinities"]),
        (A.tolist(), A, ["expected an array of shape (2, 3), float64, got a list of 2 items"]),
        (None, A, ["got None"]),
        (A > 2, A, ["expected numbers", "got truth values"]),
        (3.0, 2.0, ["the result: expected 2.0, got 3.0"]),
        (2.00001, 2.0, ["expected 2.0, got 2.00001"]),
        (1.00000200, 1.0, ["expected 1.0, got 1.000002"]),
        ((1, A + 1), (1, A), ["result[1]: 6 of 6"]),
        ((1,), (1, 2), ["a tuple of 2 items: (1, 2), got a tuple of 1 item: (1,)"]),
        ({"a": 1}, {"b": 1}, ["missing key 'b'"]),
        ({"b": 1, "a": 1}, {"b": 1}, ["extra key 'a'"]),
        ({"b": "x"}, {"b": "y"}, ["result['b']: expected the text 'y', got the text 'x'"]),
        (2.0, "none", ["expected the text 'none', got the number 2.0"]),
        (1j * A, A, ["expected real numbers"]),
        (len, 2.0, ["expected the number 2.0, got a builtin_function_or_method"]),
        (10**400 // 10**380, 2, ["expected 2, got 1"]),
    ],
)  # fmt: skip
def test_a_difference_is_told(got, expected, parts):
    with np.errstate(all="ignore"):
        text = difference(got, expected)
    for part in parts:
        assert part in text


def test_the_largest_error_is_found_where_it_is():
    text = difference(A + np.array([[0, 0, 0.1], [0, 3.0, 0]]), A)
    assert "first difference at index [0, 2]: expected 3.0, got 3.1" in text
    assert "largest absolute error: 3.0 at index [1, 1]" in text


def test_tensors_are_told_from_arrays_and_by_dtype():
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(A)
    assert difference(tensor.clone().requires_grad_(), tensor) is None
    assert "expected a tensor of shape (2, 3), float64, got an array" in difference(A, tensor)
    assert "got dtype float32" in difference(tensor.float(), tensor)
    assert "1 of 1 entries" in difference(torch.tensor([1.0]), torch.tensor([2.0]))
    assert difference(torch.tensor([1.0]), torch.tensor([1.0 + 2e-5])) is None


def test_small_values_are_shown_whole_and_large_ones_by_range():
    assert show(np.array([[1.0, 0.25]])) == "array([[1.0, 0.25]])"
    assert show(np.arange(100.0)) == "array of shape (100,), float64, from 0.0 to 99.0"
    assert show((np.float64(1.5), [2])) == "(1.5, [2])"
    assert call("f", (np.ones(2),), {"slope": 0.1}) == "f(array([1.0, 1.0]), slope=0.1)"
