"""`make parity`: measures the largest errors and writes them to `book/benchmarks/parity.json`.

For each function it holds the reference against PyTorch's version, every torch peer and every
NumPy peer, at each dtype and device that this machine has, forward and backward. Columns measured
on a GPU stay when the command is run again on a machine without one.
"""

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import track

from book.op import Case, Op, resolve
from tests.parity.chapters import ROOT, Chapter, cases, discover, is_differentiable, peer_name
from tests.parity.compare import (
    FLOAT64,
    TARGETS,
    Error,
    Target,
    autograd,
    call,
    cotangents,
    error,
    for_numpy,
    for_torch,
    hand_gradients,
)
from tests.tolerances import TOLERANCES
from tools.machine import describe, read_results, rounded, write_results

RESULTS = ROOT / "book" / "benchmarks" / "parity.json"


def measure_op(chapter: Chapter, op: Op) -> dict:
    """{"pytorch" or a peer's name: {"dtype device": {"forward" or "backward": its Error}}}."""
    torch_sides = {"pytorch": getattr(chapter.pytorch, op.name)}
    torch_sides |= {peer_name(peer): resolve(peer) for peer in op.torch_peers}
    good = [case for case in cases(op) if not case.raises]
    errors = {
        name: {str(t): _measure(chapter, op, good, function, t) for t in TARGETS if t.available}
        for name, function in torch_sides.items()
    }
    for peer in op.numpy_peers:
        worst = Error()
        for case in good:
            worst |= _forward(chapter, op, case, call(resolve(peer), case), FLOAT64)
        errors[peer_name(peer)] = {str(FLOAT64): {"forward": worst}}
    return errors


def _measure(chapter, op, good: list[Case], function: Callable, target: Target) -> dict:
    worst = {"forward": Error()}
    with target.precision():
        for case in good:
            case = for_numpy(case, target)
            results = call(function, for_torch(case, target))
            worst["forward"] |= _forward(chapter, op, case, results, target)
            if is_differentiable(chapter, op):
                backward = worst.get("backward", Error())
                worst["backward"] = backward | _backward(chapter, op, case, function, target)
    return worst


def _forward(chapter, op, case: Case, results: tuple, target: Target) -> Error:
    worst = Error()
    expected = call(getattr(chapter.reference, op.name), case)
    for got, right in zip(results, expected, strict=True):
        worst |= error(got, right, target.tolerance)
    return worst


def _backward(chapter, op, case: Case, function: Callable, target: Target) -> Error:
    grad_output = cotangents(call(getattr(chapter.reference, op.name), case), target)
    by_hand = hand_gradients(chapter, op, case, grad_output)
    worst = Error()
    for name, gradient in autograd(function, chapter, op, case, grad_output, target).items():
        worst |= error(gradient, by_hand.get(name, 0.0), target.tolerance)
    return worst


def stored(errors: dict) -> dict:
    """The measured errors as plain rounded numbers, as they are written down."""
    if isinstance(errors, Error):
        return {name: rounded(value) for name, value in vars(errors).items()}
    return {name: stored(inner) for name, inner in errors.items()}


def keep_gpu(new: dict, old: dict) -> None:
    """Put into `new` the GPU columns of `old` that this machine could not measure."""
    for chapter, functions in new["errors"].items():
        for function, sides in functions.items():
            for side, columns in sides.items():
                before = old.get("errors", {}).get(chapter, {}).get(function, {}).get(side, {})
                kept = {name: c for name, c in before.items() if name.endswith(" cuda")}
                columns.update({**kept, **columns})
    if "cuda" in old.get("machines", {}):
        new["machines"].setdefault("cuda", old["machines"]["cuda"])


def tolerance_table() -> list[dict]:
    return [
        {"dtype": dtype, "device": device, **vars(tolerance)}
        for (dtype, device), tolerance in TOLERANCES.items()
    ]


def measure(chapters: list[Chapter], old: dict) -> dict:
    new = {
        "machines": {device: describe(device) for device in devices()},
        "tolerances": tolerance_table(),
        "errors": {chapter.name: {} for chapter in chapters},
    }
    ops = [(chapter, op) for chapter in chapters for op in chapter.ops]
    for chapter, op in track(ops, "measuring", console=Console(stderr=True)):
        new["errors"][chapter.name][op.name] = stored(measure_op(chapter, op))
    keep_gpu(new, old)
    return new


def devices() -> list[str]:
    return sorted({target.device for target in TARGETS if target.available})


def main(path: Path = RESULTS) -> None:
    """Measure the errors of every function and write book/benchmarks/parity.json."""
    results = measure(discover(), read_results(path))
    write_results(path, results)
    count = sum(map(len, results["errors"].values()))
    console = Console()
    console.print(f"errors of {count} functions written to {path.relative_to(ROOT)}")
    if "cuda" not in devices():
        console.print("no CUDA GPU here: the CUDA columns are those measured before, if any")


if __name__ == "__main__":
    ArgumentParser(prog="python -m tests.parity", description=main.__doc__).parse_args()
    main()
