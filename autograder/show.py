"""Show a value in few characters: small ones whole, large ones by shape and range."""

import numpy as np

from autograder.values import is_tensor

SMALL = 16  # arrays of at most so many entries are shown whole
_WIDTH = 240
_SHORT = 60


def show(value):
    """One line of text for a value, as it would be typed where that is short."""
    if is_tensor(value):
        plain = value.detach()
        if plain.is_meta:
            return f"meta tensor of shape {tuple(value.shape)}, {_dtype(value)}"
        array = (plain.double() if plain.is_floating_point() else plain).cpu().numpy()
        return _show_array(array, "tensor", _dtype(value))
    if isinstance(value, np.ndarray):
        return _show_array(value, "array", _dtype(value))
    if isinstance(value, float | np.floating):
        return number(value)
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, tuple):
        return f"({', '.join(map(show, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(show, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{show(k)}: {show(v)}" for k, v in value.items()) + "}"
    text = " ".join(repr(value).split())
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def number(value, digits=6):
    """A number with few digits; `2.0` keeps its point, as Python prints it."""
    if isinstance(value, complex | np.complexfloating):
        return f"{value:.{digits}g}"
    if not isinstance(value, float | np.floating):
        return str(value)
    text = f"{float(value):.{digits}g}"
    return text if any(c in text for c in ".enf") else text + ".0"


def describe(value):
    """Type and shape in words: `an array of shape (2, 3), float64`."""
    if value is None:
        return "None"
    if is_tensor(value):
        return f"a tensor of shape {tuple(value.shape)}, {_dtype(value)}"
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}, {value.dtype}"
    if isinstance(value, bool | np.bool_):
        return f"the truth value {value}"
    if isinstance(value, int | float | complex | np.number | np.ndarray):
        return f"the number {number(np.asarray(value)[()])}"
    if isinstance(value, str):
        return f"the text {show(value)}"
    if isinstance(value, list | tuple | dict):
        text = show(value)
        count = f"{len(value)} item{'' if len(value) == 1 else 's'}"
        whole = f": {text}" if len(text) <= _SHORT else ""
        return f"a {type(value).__name__} of {count}{whole}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    article = "an" if type(value).__name__[0].lower() in "aeiou" else "a"
    return f"{article} {type(value).__name__}"


def outline(value):
    """What kind of thing a value is, without any number or text in it."""
    if isinstance(value, bool | np.bool_):
        return "a truth value"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, int | float | complex | np.number) or (
        isinstance(value, np.ndarray) and not value.ndim
    ):
        return "a number"
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)} item{'' if len(value) == 1 else 's'}"
    return describe(value)


def call(name, args, kwargs):
    """A call as it would be typed: `relu([1.0, 2.0], slope=0.1)`."""
    parts = [show(value) for value in args] + [f"{k}={show(v)}" for k, v in kwargs.items()]
    return f"{name}({', '.join(parts)})"


def _dtype(value):
    return str(value.dtype).removeprefix("torch.")


def _show_array(array, kind, dtype):
    plain = dtype in {"float64", "int64", "bool"} or (kind == "tensor" and dtype == "float32")
    if array.size <= SMALL and array.size:
        text = np.array2string(
            array, separator=", ", max_line_width=10_000, formatter={"float_kind": number}
        )
        text = " ".join(text.split()).replace("[ ", "[")
        return f"{kind}({text})" if plain else f"{kind}({text}, {dtype})"
    text = f"{kind} of shape {array.shape}, {dtype}"
    if array.dtype.kind in "fiu" and array.size:
        finite = array[np.isfinite(array)]
        if finite.size:
            text += f", from {number(finite.min())} to {number(finite.max())}"
        if finite.size < array.size:
            text += f", {array.size - finite.size} not finite"
    return text
