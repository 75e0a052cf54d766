"""Say how two values differ, so that a student sees at once what is wrong."""

import numpy as np

from autograder.show import describe, number, show
from autograder.values import is_tensor

# (relative, absolute) tolerance of the coarser of the two dtypes. Stored values have 9 digits, and
# another correct formula may lose a few more.
TOLERANCES = {
    "float16": (1e-2, 1e-2),
    "bfloat16": (3e-2, 1e-2),
    "float32": (1e-4, 1e-5),
    "complex64": (1e-4, 1e-5),
}
DEFAULT = (1e-6, 1e-8)


def difference(got, expected, rtol=None, atol=None, where="the result"):
    """None where `got` equals `expected`, else some lines that say where and by how much.

    Lists and tuples may stand for each other, and Python numbers, NumPy scalars and arrays without
    dimensions too. NaN equals NaN. Tensors must have the expected dtype, arrays the expected kind
    (truth values or numbers). Tolerances default to those of the coarser dtype.
    """
    if expected is None or isinstance(expected, str):
        if type(got) is type(expected) and got == expected:
            return None
        return f"{where}: expected {describe(expected)}, got {describe(got)}."
    if isinstance(expected, list | tuple):
        return _sequences_differ(got, expected, rtol, atol, where)
    if isinstance(expected, dict):
        return _dicts_differ(got, expected, rtol, atol, where)
    if is_tensor(expected) != is_tensor(got):
        return f"{where}: expected {describe(expected)}, got {describe(got)}."
    if is_tensor(expected):
        if got.dtype != expected.dtype:
            return f"{where}: expected {describe(expected)}, got dtype {_dtype(got)}."
        return _tensors_differ(got, expected, rtol, atol, where)
    if not _is_numeric(got) or (np.ndim(expected) > 0 and not isinstance(got, np.ndarray)):
        return f"{where}: expected {describe(expected)}, got {describe(got)}."
    return _arrays_differ(got, expected, rtol, atol, where)


def _is_numeric(value):
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiubcU"
    return isinstance(value, bool | int | float | complex | np.generic)


def _dtype(value):
    return str(getattr(value, "dtype", "float64")).removeprefix("torch.")


def _sequences_differ(got, expected, rtol, atol, where):
    if not isinstance(got, list | tuple):
        return f"{where}: expected {describe(expected)}, got {describe(got)}."
    if len(got) != len(expected):
        return f"{where}: expected {describe(expected)}, got {describe(got)}."
    for index, (left, right) in enumerate(zip(got, expected, strict=True)):
        if found := difference(left, right, rtol, atol, _item(where, index)):
            return found
    return None


def _dicts_differ(got, expected, rtol, atol, where):
    if not isinstance(got, dict):
        return f"{where}: expected {describe(expected)}, got {describe(got)}."
    for title, keys in (("missing", set(expected) - set(got)), ("extra", set(got) - set(expected))):
        if keys:
            return f"{where}: {title} key {', '.join(sorted(map(repr, keys)))}."
    for key, value in expected.items():
        if found := difference(got[key], value, rtol, atol, _item(where, key)):
            return found
    return None


def _item(where, key):
    return f"{'result' if where == 'the result' else where}[{key!r}]"


def _tensors_differ(got, expected, rtol, atol, where):
    tolerance = _tolerance(got, expected, rtol, atol)
    if tuple(got.shape) != tuple(expected.shape):
        return _shapes_differ(got, expected, where)
    if got.is_meta or expected.is_meta:  # shapes without numbers
        return None if got.is_meta == expected.is_meta else f"{where}: one is a meta tensor."
    plain = [(t.double() if t.is_floating_point() else t).detach().cpu().numpy()
             for t in (got, expected)]  # fmt: skip
    return _entries_differ(*plain, *tolerance, where, (got, expected))


def _arrays_differ(got, expected, rtol, atol, where):
    tolerance = _tolerance(got, expected, rtol, atol)
    left, right = np.asarray(got), np.asarray(expected)
    if left.dtype.kind == "O":  # an integer beyond 64 bits
        left = left.astype(float)
    if (
        left.dtype.kind in "bU" or right.dtype.kind in "bU"
    ) and left.dtype.kind != right.dtype.kind:
        kinds = {"b": "truth values", "U": "text"}
        wanted, came = (kinds.get(array.dtype.kind, "numbers") for array in (right, left))
        return f"{where}: expected {wanted} ({show(expected)}), got {came} ({show(got)})."
    if left.shape != right.shape:
        return _shapes_differ(left, right, where)
    if left.dtype.kind == "c" and right.dtype.kind != "c":
        return f"{where}: expected real numbers, got complex ones."
    return _entries_differ(left, right, *tolerance, where, (got, expected))


def _tolerance(got, expected, rtol, atol):
    found = [TOLERANCES.get(_dtype(value), DEFAULT) for value in (got, expected)]
    coarse_rtol, coarse_atol = max(found)
    return coarse_rtol if rtol is None else rtol, coarse_atol if atol is None else atol


def _shapes_differ(got, expected, where):
    lines = [f"{where}: expected shape {tuple(expected.shape)}, got {tuple(got.shape)}."]
    if got.ndim == expected.ndim == 2 and tuple(got.shape[::-1]) == tuple(expected.shape):
        lines.append("The two dimensions are swapped: is it transposed?")
    elif int(np.prod(got.shape)) == int(np.prod(expected.shape)):
        lines.append("The number of entries is right, their arrangement is not.")
    return "\n".join([*lines, *_both(got, expected)])


def _entries_differ(got, expected, rtol, atol, where, shown):
    if expected.dtype.kind in "bU":
        wrong, error = got != expected, None
    else:
        with np.errstate(all="ignore"):
            wrong = ~np.isclose(got, expected, rtol, atol, equal_nan=True)
            error = np.abs(np.subtract(got, expected, dtype=np.result_type(got, expected, float)))
    if not wrong.any():
        return None
    if expected.ndim == 0:
        return f"{where}: expected {_value(expected)}, got {_value(got, expected)}."
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    lines = [
        f"{where}: {np.count_nonzero(wrong)} of {wrong.size} entries differ.",
        *_both(*shown),
        f"first difference at index {_index(first)}: "
        f"expected {_value(expected[first])}, got {_value(got[first], expected[first])}",
    ]
    if error is not None and np.isfinite(error[wrong]).any():
        error = np.where(wrong & np.isfinite(error), error, -1.0)
        largest = np.unravel_index(np.argmax(error), error.shape)
        lines.append(
            f"largest absolute error: {number(error[largest], 3)} at index {_index(largest)}"
        )
    if note := _clue(got, expected, rtol, atol):
        lines.append(note)
    return "\n".join(lines)


def _clue(got, expected, rtol, atol):
    """One sentence where a single step separates the two, else None."""
    if expected.dtype.kind not in "fi" or got.dtype.kind not in "fi" or expected.size < 2:
        return None
    if np.isnan(got).any() and not np.isnan(expected).any():
        return "There are NaNs in it: look for 0/0, inf - inf, or the log of a negative number."
    if np.isinf(got).any() and not np.isinf(expected).any():
        return "There are infinities in it: something overflows or is divided by zero."

    def same(other):
        return np.allclose(got, other, rtol, atol)

    if not (np.isfinite(got).all() and np.isfinite(expected).all()):
        return None
    if same(-expected):
        return "Every sign is the opposite of the one expected."
    if got.ndim == 2 and got.shape[0] == got.shape[1] and same(expected.T):
        return "It is the transpose of what is expected."
    if np.ptp(got) == 0:
        return "All entries are the same."
    at = np.unravel_index(np.argmax(np.abs(expected)), expected.shape)
    if expected[at] and same(expected * (got[at] / expected[at])) and got[at]:
        factor = number(float(got[at] / expected[at]), 4)
        return f"Every entry is {factor} times the one expected."
    if same(expected + (got[at] - expected[at])):
        offset = number(float(got[at] - expected[at]), 4)
        return f"Every entry is off by the same amount, {offset}."
    return None


def _both(got, expected):
    return [f"expected  {show(expected)}", f"got       {show(got)}"]


def _value(value, beside=None):
    """A number, with more digits where fewer would not tell it from the one beside it."""
    value = np.asarray(value)[()]
    few = number(value) if not isinstance(value, np.bool_ | np.str_) else repr(value.item())
    if beside is None or few != _value(beside):
        return few
    return number(value, 12)


def _index(index):
    return f"[{', '.join(str(int(i)) for i in index)}]"
