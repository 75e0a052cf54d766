"""`python -m tools.loops`: a dot product by a Python loop, by NumPy and by PyTorch, timed.

The neurons chapter draws what is stored in `book/benchmarks/loops.json`. All run in one process,
on one thread, and take turns, so that a busy moment hits each of them; the results must agree.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from tests.parity.chapters import ROOT
from tools.machine import describe, rounded, write_results

RESULTS = ROOT / "book" / "benchmarks" / "loops.json"
SIZES = tuple(10**k for k in range(7))  # one number to a million
ROUNDS = 9
SLICE = 0.01  # seconds that a turn lasts at least


def loop(x, w):
    """The sum of products as one writes it in plain Python."""
    total = 0.0
    for i in range(len(x)):
        total += x[i] * w[i]
    return total


def candidates(size: int) -> dict[str, Callable[[], float]]:
    """The same dot product three ways: of lists, of arrays and of tensors."""
    x, w = np.random.default_rng(0).uniform(size=(2, size))
    lists, tensors = (x.tolist(), w.tolist()), (torch.from_numpy(x), torch.from_numpy(w))
    return {
        "Python loop": lambda: loop(*lists),
        "NumPy": lambda: x @ w,
        "PyTorch": lambda: tensors[0] @ tensors[1],
    }


def seconds(run: Callable) -> float:
    """Seconds of one call, from a turn of many."""
    calls, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < SLICE or calls == 0:
        for _ in range(8):
            run()
        calls += 8
    return spent / calls


def measure(sizes=SIZES, rounds=ROUNDS) -> list[dict]:
    rows = []
    for size in sizes:
        timed = candidates(size)
        values = [float(run()) for run in timed.values()]
        np.testing.assert_allclose(values, values[0], rtol=1e-10)
        times = {name: [] for name in timed}
        for _ in range(rounds):
            for name, run in timed.items():
                times[name].append(seconds(run))
        medians = {name: rounded(median(found), 3) for name, found in times.items()}
        rows.append({"size": size, "seconds": medians})
    return rows


def main() -> None:
    torch.set_num_threads(1)
    write_results(RESULTS, {"machine": {**describe("cpu"), "threads": 1}, "rows": measure()})
    print(f"written to {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
