"""Calls implementations on the same case, at any dtype and device, and measures how they differ."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from book.op import Case, Op
from tests.parity.chapters import Chapter
from tests.tolerances import TOLERANCES, Tolerance


@dataclass(frozen=True)
class Target:
    """A dtype on a device: what the PyTorch side runs in."""

    dtype: str
    device: str

    def __str__(self) -> str:
        return f"{self.dtype} {self.device}"

    @property
    def torch_dtype(self) -> torch.dtype:
        return torch.float32 if self.dtype == "tf32" else getattr(torch, self.dtype)

    @property
    def tolerance(self) -> Tolerance:
        return TOLERANCES[self.dtype, self.device]

    @property
    def available(self) -> bool:
        return self.device == "cpu" or torch.cuda.is_available()

    @contextmanager
    def precision(self) -> Iterator[None]:
        """Matrix products and convolutions in TF32 for that target and in no other."""
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if self.dtype == "tf32" else "highest")
        try:
            with torch.backends.cudnn.flags(allow_tf32=self.dtype == "tf32"):
                yield
        finally:
            torch.set_float32_matmul_precision(before)


TARGETS = tuple(Target(*key) for key in TOLERANCES)
FLOAT64 = Target("float64", "cpu")


# --- one case, for NumPy and for PyTorch


def to_tensor(array: np.ndarray, target: Target) -> torch.Tensor:
    """The array as a tensor laid out alike: a transposed or broadcast view stays one.

    Real numbers take the target's dtype; integers, booleans and complex numbers keep theirs.
    """
    once = array[tuple(slice(1) if step == 0 else slice(None) for step in array.strides)]
    values = torch.from_numpy(np.array(once))
    dtype = target.torch_dtype if array.dtype.kind == "f" else values.dtype
    strides = [abs(step) // array.itemsize for step in once.strides]
    tensor = torch.empty_strided(once.shape, strides, dtype=dtype, device=target.device)
    return tensor.copy_(values).expand(array.shape)


def to_array(value: Any) -> np.ndarray:
    """A result as a NumPy array; floating-point tensors as float64, which holds them exactly."""
    if not isinstance(value, torch.Tensor):
        return np.asarray(value)
    value = value.detach().cpu()
    return (value.double() if value.is_floating_point() else value).numpy()


def _with_arrays(case: Case, change: Callable[[np.ndarray], Any]) -> Case:
    def convert(value):
        return change(value) if isinstance(value, np.ndarray) else value

    kwargs = {name: convert(value) for name, value in case.kwargs.items()}
    return replace(case, args=tuple(map(convert, case.args)), kwargs=kwargs)


def for_torch(case: Case, target: Target, gradients: bool = True) -> Case:
    """The case with tensors for its arrays; the floating-point ones record gradients if wanted."""

    def convert(array):
        tensor = to_tensor(array, target)
        return tensor.requires_grad_(gradients and tensor.is_floating_point())

    converted = _with_arrays(case, convert)
    for name in case.constants:
        if isinstance(converted.kwargs.get(name), torch.Tensor):
            converted.kwargs[name].requires_grad_(False)
    return converted


def for_numpy(case: Case, target: Target) -> Case:
    """The case as the reference gets it: with the numbers that the target's dtype can hold."""
    if target.dtype == "float64":
        return case
    return _with_arrays(case, lambda array: to_array(to_tensor(array, target)))


def call(function: Callable, case: Case) -> tuple:
    """The results of `function` on the case, always as a tuple."""
    result = function(*case.args, **case.kwargs)
    return result if isinstance(result, tuple) else (result,)


def cotangent(shape: tuple[int, ...], target: Target, seed: int = 1) -> np.ndarray:
    """Random numbers in the shape of an output, which the target's dtype can hold.

    A backward pass that is fed ones computes the gradient of a sum; softmax sums to 1 whatever its
    input, so that even a wrong gradient may give the right zero. Random weights hide nothing.
    """
    values = np.asarray(np.random.default_rng(seed).normal(size=shape))
    return to_array(to_tensor(values, target))


def cotangents(results: tuple, target: Target) -> np.ndarray | tuple[np.ndarray, ...]:
    """A cotangent for the one output of a function, or a tuple of them for its several outputs."""
    found = tuple(
        cotangent(tuple(result.shape), target, seed) for seed, result in enumerate(results, 1)
    )
    return found if len(found) > 1 else found[0]


def each(grad_output) -> tuple:
    """The cotangents of all outputs, however many they are."""
    return grad_output if isinstance(grad_output, tuple) else (grad_output,)


# --- gradients, by the names of the arguments they belong to


def arguments(chapter: Chapter, op: Op, case: Case) -> dict[str, Any]:
    """The case's arguments by name, in the order of the signature."""
    signature = inspect.signature(getattr(chapter.reference, op.name))
    return dict(signature.bind(*case.args, **case.kwargs).arguments)


def _real_arrays(chapter: Chapter, op: Op, case: Case) -> dict[str, np.ndarray]:
    named = arguments(chapter, op, case).items()
    arrays = {k: v for k, v in named if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
    return {k: v for k, v in arrays.items() if k not in case.constants}


def hand_gradients(chapter: Chapter, op: Op, case: Case, grad_output) -> dict[str, np.ndarray]:
    """What `f_backward` returns for each array of the case.

    It returns one gradient for each array; where a parameter may also be given as a number (the
    beta of swish), its gradient keeps its place in the order of the signature.
    """
    backward = getattr(chapter.reference, f"{op.name}_backward")
    found = backward(grad_output, *case.args, **case.kwargs)
    found = found if isinstance(found, tuple) else (found,)
    arrays = _real_arrays(chapter, op, case)
    names = arrays if len(found) == len(arrays) else arguments(chapter, op, case)
    return {name: grad for name, grad in zip(names, found, strict=False) if name in arrays}


def autograd(function: Callable, chapter: Chapter, op: Op, case: Case, grad_output, target):
    """PyTorch's gradient of `function` for each array of the case, zero where none flows."""
    case = for_torch(case, target)
    tensors = {
        name: value
        for name, value in arguments(chapter, op, case).items()
        if isinstance(value, torch.Tensor) and value.requires_grad
    }
    outputs = call(function, case)
    found = torch.autograd.grad(
        outputs,
        list(tensors.values()),
        [torch.from_numpy(g).to(o) for g, o in zip(each(grad_output), outputs, strict=True)],
        allow_unused=True,
        materialize_grads=True,
    )
    return dict(zip(tensors, found, strict=True))


# eps ** (1/3) balances the two errors of a central difference: cutting off the Taylor series costs
# step**2 / 6 times the third derivative, and rounding costs eps / step times the function's size.
STEP = np.finfo(np.float64).eps ** (1 / 3)  # 6e-6


def differences(chapter, op: Op, case: Case, grad_output) -> dict[str, np.ma.MaskedArray]:
    """Central differences of the reference, masked where an input lies near a kink."""
    function = getattr(chapter.reference, op.name)
    case = _with_arrays(case, np.array)  # a copy of our own, contiguous, to move about in
    gradients = {}
    for name, array in _real_arrays(chapter, op, case).items():
        gradient = np.ma.zeros(array.shape)
        for index, value in np.ndenumerate(array):
            if any(abs(value - kink) <= 2 * STEP for kink in op.kinks):
                gradient[index] = np.ma.masked
                continue
            results = []
            for moved in (value + STEP, value - STEP):
                array[index] = moved
                results.append(call(function, case))
            array[index] = value
            width = (value + STEP) - (value - STEP)  # as rounded, not 2 * STEP
            gradient[index] = sum(
                np.sum((high - low) / width * grad)
                for high, low, grad in zip(*results, each(grad_output), strict=True)
            )
        gradients[name] = gradient
    return gradients


# --- how far two results are apart


@dataclass(frozen=True)
class Error:
    """The largest absolute error of the small values and the largest relative of the others."""

    absolute: float = 0.0
    relative: float = 0.0

    def __or__(self, other: Error) -> Error:
        return Error(max(self.absolute, other.absolute), max(self.relative, other.relative))

    def within(self, tolerance: Tolerance) -> bool:
        return self.absolute <= tolerance.absolute and self.relative <= tolerance.relative


def _errors(got: np.ndarray, expected: np.ndarray, tolerance: Tolerance):
    """Each value's error, absolute or relative, and which values are judged by the absolute one.

    The error is infinite where only one of the two is NaN or infinite, or both differently.
    """
    got, expected = got.astype(np.float64), expected.astype(np.float64)
    size = np.abs(expected)
    small = ~(size > tolerance.absolute / tolerance.relative)
    with np.errstate(invalid="ignore"):  # inf - inf and inf / inf
        errors = np.abs(got - expected) / np.where(small, 1.0, size)
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    special = ~np.isfinite(got) | ~np.isfinite(expected)
    return np.where(same, 0.0, np.where(special, np.inf, errors)), small


def error(got, expected, tolerance: Tolerance) -> Error:
    """The largest errors of `got`, of those judged absolutely and of those judged relatively."""
    errors, small = _errors(to_array(got), to_array(expected), tolerance)
    absolute, relative = (np.max(errors, where=where, initial=0.0) for where in (small, ~small))
    return Error(float(absolute), float(relative))


def check(got, expected, tolerance: Tolerance, what: str) -> Error:
    """AssertionError, saying what differs where and by how much, unless `got` is close enough."""
    got, expected = to_array(got), to_array(expected)
    assert got.shape == expected.shape, f"{what}: expected shape {expected.shape}, got {got.shape}"
    found = error(got, expected, tolerance)
    if not found.within(tolerance):
        errors, small = _errors(got, expected, tolerance)
        excess = errors / np.where(small, tolerance.absolute, tolerance.relative)
        index = tuple(int(i) for i in np.unravel_index(np.argmax(excess), excess.shape))
        raise AssertionError(
            f"{what}: largest absolute error {found.absolute:.2g} "
            f"(allowed {tolerance.absolute:.2g}), relative {found.relative:.2g} "
            f"(allowed {tolerance.relative:.2g}); at {index} expected {expected[index]}, "
            f"got {got[index]}"
        )
    return found


def check_gradients(got: dict, expected: dict, tolerance: Tolerance, what: str) -> Error:
    """`check` for each argument that autograd differentiates; no gradient by hand means zero."""
    worst = Error()
    for name, gradient in got.items():
        by_hand = expected.get(name, np.zeros(gradient.shape))
        worst |= check(gradient, by_hand, tolerance, f"{what}, gradient of {name}")
    return worst
