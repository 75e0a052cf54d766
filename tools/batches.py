"""`python -m tools.batches`: the seconds of one epoch of training, for several sizes of the batch.

The optimizers chapter draws its losses over the seconds that are stored in
`book/benchmarks/batches.json`. All sizes run in one process, on one thread, and take turns.
"""

from __future__ import annotations

import time
from statistics import median

from book import data
from book.optimizers.reference import SGD
from book.optimizers.training import network, train
from tests.parity.chapters import ROOT
from tools.machine import describe, rounded, write_results

RESULTS = ROOT / "book" / "benchmarks" / "batches.json"
SIZES = (1, 4, 32, 256, 1347)
ROUNDS = 7


def seconds_of_an_epoch(size: int, x, y) -> float:
    optimizer = SGD(network([64, 32, 10]), lr=0.01)
    steps = -(-len(y) // size)
    start = time.perf_counter()
    train(optimizer, x, y, size, steps)
    return time.perf_counter() - start


def measure(sizes=SIZES, rounds=ROUNDS) -> list[dict]:
    (x, y), _ = data.digits()
    for size in sizes:  # once for nothing, so that everything is loaded
        seconds_of_an_epoch(size, x, y)
    turns = [{size: seconds_of_an_epoch(size, x, y) for size in sizes} for _ in range(rounds)]
    return [
        {"size": size, "seconds": rounded(median(turn[size] for turn in turns), 3)}
        for size in sizes
    ]


def main() -> None:
    write_results(RESULTS, {"machine": {**describe("cpu"), "threads": 1}, "rows": measure()})
    print(f"written to {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
