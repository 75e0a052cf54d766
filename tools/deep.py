"""`python -m tools.deep`: a vanilla convolutional network, deeper than a page has time for.

The normalization chapter shows what is stored in `book/benchmarks/deep.json`. Runs of the same
device, depth and start are replaced, all others stay: a GPU's runs survive those of a CPU.

    python -m tools.deep --depth 1000 --steps 200 --lr 1                     # on a CPU
    python -m tools.deep --device cuda --depth 10000 --steps 2000 --lr 3     # on a GPU
"""

import time
from argparse import ArgumentParser
from pathlib import Path

import torch

from book.normalization import deep
from tools.machine import describe, read_results, rounded, write_results

RESULTS = Path(__file__).resolve().parents[1] / "book" / "benchmarks" / "deep.json"
EVERY = 10  # steps of which the mean loss is kept


def run(start: str, device: str, depth: int, steps: int, lr: float, batch: int) -> dict:
    """Train one network in float32 and say what came of it."""
    x, y, x_test, y_test = deep.digits(torch.zeros(0, device=device))
    net = deep.Vanilla(start, depth, 0, x)
    began = time.perf_counter()
    losses = deep.train(net, x, y, steps, lr, batch)
    means = torch.tensor(losses[: steps // EVERY * EVERY]).reshape(-1, EVERY).mean(1)
    return {
        "device": device, "start": start, "depth": depth, "steps": steps, "lr": lr, "batch": batch,
        "machine": describe(device), "seconds": rounded(time.perf_counter() - began),
        "losses": [rounded(loss, 4) for loss in means.tolist()],
        "test": rounded(deep.score(net, x_test, y_test), 4),
    }  # fmt: skip


def main() -> None:
    parser = ArgumentParser(prog="python -m tools.deep", description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--depth", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--lr", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=16)
    arguments = vars(parser.parse_args())
    torch.set_flush_denormal(True)  # numbers below 1e-38 would cost a hundred times as much
    runs = read_results(RESULTS).get("runs", [])
    for start in deep.STARTS[1:]:
        new = run(start, **arguments)
        keys = ("device", "start", "depth")
        runs = [old for old in runs if any(old[key] != new[key] for key in keys)] + [new]
        write_results(RESULTS, {"runs": runs})
        print(f"{start}: depth {new['depth']}, {new['test']:.1%} of the test digits right")


if __name__ == "__main__":
    main()
