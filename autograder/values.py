"""Values as plain data: arrays, tensors, numbers, text and their containers, to JSON and back.

Floats keep 9 significant digits, so that two processors that differ in the last bits write the
same file.
"""

import math
import sys

import numpy as np

DIGITS = 9
_NOISE = 1e-13  # below this share of an array's largest entry a computed value is rounding noise


def is_tensor(value):
    """Whether `value` is a PyTorch tensor, without importing PyTorch to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def encode(value, computed=False):
    """`value` as JSON data; with `computed`, rounding noise next to large entries becomes 0.

    Raises: TypeError for a value that is no data, such as a function.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if is_tensor(value):
        dtype = str(value.dtype).removeprefix("torch.")
        plain = value.detach().cpu()
        array = (plain.double() if value.is_floating_point() else plain).numpy()
        data = {"tensor": _flat(array, computed), "dtype": dtype, "shape": list(value.shape)}
        return data | {"requires_grad": True} if value.requires_grad else data
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind not in "fiubcU":
            raise TypeError(f"an array of dtype {value.dtype} cannot be stored")
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        data = {kind: _flat(np.asarray(value), computed), "dtype": str(value.dtype)}
        return data | {"shape": list(value.shape)} if kind == "array" else data
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return _round(value) if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, tuple):
        return {"tuple": [encode(item, computed) for item in value]}
    if isinstance(value, list):
        return [encode(item, computed) for item in value]
    if isinstance(value, dict):
        return {"dict": [[encode(k), encode(v, computed)] for k, v in value.items()]}
    raise TypeError(f"a value of type {type(value).__name__} cannot be stored")


def decode(data):
    """The value that `encode` was given, up to rounding; a fresh copy each time."""
    if isinstance(data, list):
        return [decode(item) for item in data]
    if not isinstance(data, dict):
        return data
    if "tuple" in data:
        return tuple(decode(item) for item in data["tuple"])
    if "dict" in data:
        return {decode(key): decode(value) for key, value in data["dict"]}
    if "float" in data:
        return float(data["float"])
    if "tensor" in data:
        import torch

        dtype = getattr(torch, data["dtype"])
        plain = "complex128" if dtype.is_complex else "float64" if dtype.is_floating_point else None
        array = _array(data["tensor"], plain or data["dtype"], data["shape"])
        tensor = torch.from_numpy(array).to(dtype)
        return tensor.requires_grad_() if data.get("requires_grad") else tensor
    if "scalar" in data:
        return _array(data["scalar"], data["dtype"], ())[()]
    return _array(data["array"], data["dtype"], data["shape"])


def _round(value):
    return float(f"{value:.{DIGITS}g}")


def _flat(array, computed):
    """The entries in C order; complex numbers as two entries each, NaN and infinity as text."""
    array = np.array(array, order="C")
    if array.dtype.kind == "c":
        array = array.reshape(-1).view(array.real.dtype)
    if array.dtype.kind != "f":
        return array.reshape(-1).tolist()
    array = array.astype(np.float64).reshape(-1)
    if computed:
        largest = np.abs(array[np.isfinite(array)]).max(initial=0.0)
        array = np.where(np.abs(array) < _NOISE * largest, 0.0, array)
    return [_round(x) if math.isfinite(x) else str(x) for x in array.tolist()]


def _array(flat, dtype, shape):
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        parts = np.array([float(x) for x in flat])
        return parts.view(np.complex128).astype(dtype).reshape(shape)
    return np.array([float(x) for x in flat] if dtype.kind == "f" else flat, dtype).reshape(shape)
