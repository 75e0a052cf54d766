"""How far a result may be from the float64 NumPy reference: one table, each number with its reason.

A value larger in size than absolute / relative is judged by its relative error, a smaller one by
its absolute error: near zero a relative error says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    relative: float
    absolute: float
    reason: str


TOLERANCES = {
    ("float64", "cpu"): Tolerance(
        1e-13, 1e-14, "rounds to 52 bits (1e-16); a few dozen operations and short sums add up"
    ),
    ("float32", "cpu"): Tolerance(
        2e-5, 2e-6, "rounds to 23 bits (6e-8); formulas that cancel lose a digit or two of them"
    ),
    ("bfloat16", "cpu"): Tolerance(
        3e-2, 2e-2, "rounds to 7 bits (4e-3), and so does each of the elementary operations"
    ),
    ("float64", "cuda"): Tolerance(
        1e-13, 1e-14, "as on the CPU; sums run in another order, exp and erf are CUDA's own"
    ),
    ("float32", "cuda"): Tolerance(2e-5, 2e-6, "as on the CPU, with TF32 switched off"),
    ("tf32", "cuda"): Tolerance(
        1e-2, 1e-2, "float32 whose matrix products and convolutions round inputs to 10 bits (5e-4)"
    ),
    ("bfloat16", "cuda"): Tolerance(3e-2, 2e-2, "as on the CPU; sums are kept in float32"),
}

# A central difference of the reference, in float64, has errors of its own (see STEP in
# tests/parity/compare.py): 6e-12 times the third derivative, and 4e-11 times the function's size.
DIFFERENCES = Tolerance(1e-7, 1e-7, "truncation and rounding of a central difference of step 6e-6")
