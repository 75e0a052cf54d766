"""Values to JSON and back."""

import json
import math

import numpy as np
import pytest

from autograder.compare import difference
from autograder.values import decode, encode


def round_trip(value, **options):
    return decode(json.loads(json.dumps(encode(value, **options), allow_nan=False)))


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, 2.5, "text", -0.0, [1, [2.0]], (1, "a"), {"a": np.ones(2), 2: (None,)},
        np.float64(0.5), np.bool_(True), np.zeros((0, 3)), np.array(2.0), np.array([True, False]),
        np.arange(6, dtype=np.int32).reshape(2, 3).T, np.array([1 + 2j, -1j]),
        np.array([1.5, -2.5], dtype=np.float32), np.array(["a", "bc"]),
    ],
    ids=repr,
)  # fmt: skip
def test_a_value_comes_back(value):
    back = round_trip(value)
    assert type(back) is type(value)
    assert difference(back, value, 0, 0) is None
    if isinstance(value, np.ndarray):
        assert (back.dtype, back.shape) == (value.dtype, value.shape)


def test_nan_and_infinity_are_spelled_out():
    assert encode(np.array([np.nan, np.inf, -np.inf, 1.0]))["array"] == ["nan", "inf", "-inf", 1.0]
    assert math.isnan(round_trip(math.nan)) and round_trip(-math.inf) == -math.inf


def test_floats_keep_nine_digits():
    assert encode(1 / 3) == 0.333333333
    assert encode(np.array([1e-5 / 3]))["array"] == [3.33333333e-06]


def test_rounding_noise_of_a_result_is_dropped_but_not_of_an_input():
    noisy = np.array([1.0, 1e-17])
    assert encode(noisy, computed=True)["array"] == [1.0, 0.0]
    assert encode(noisy)["array"] == [1.0, 1e-17]
    assert encode(np.array([1e-17]), computed=True)["array"] == [1e-17]


def test_tensors_keep_dtype_shape_and_requires_grad():
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64):
        tensor = torch.ones((2, 1), dtype=dtype)
        back = round_trip(tensor)
        assert back.dtype == dtype and back.shape == (2, 1) and torch.equal(back, tensor)
    assert round_trip(torch.ones(2, requires_grad=True)).requires_grad


@pytest.mark.parametrize("value", [len, {1, 2}, np.array([None]), object()], ids=type)
def test_what_is_no_data_is_refused(value):
    with pytest.raises(TypeError, match="cannot be stored"):
        encode(value)
