"""`make bench`: how fast the NumPy reference, our PyTorch version and the vendor's operation are.

Every function whose Op has a `bench_shape` is timed side by side in one run: the reference, our
`pytorch.py` as it stands and compiled, and the first torch peer, forward and forward + backward.
On a CPU that is in float64 and float32, the reference in float64 only; on a GPU, at larger sizes,
in float32 and bfloat16, with the bandwidth reached. Results are stored in `book/benchmarks/`.

What would change the conclusions, and what is done about it: each candidate has a process of its
own, since the thread pools of NumPy and PyTorch slow each other down; those processes keep freed
memory, or page faults would be timed; candidates take turns, so that a busy moment hits all of
them; and their results must agree, on random numbers, before anything is timed.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from statistics import median
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from book.op import Case, Op, Shape, resolve
from tests.parity.chapters import ROOT, Chapter, discover, is_differentiable, peer_name
from tests.parity.compare import (
    FLOAT64,
    Target,
    check,
    cotangents,
    each,
    for_numpy,
    for_torch,
    hand_gradients,
    to_array,
    to_tensor,
)
from tools.machine import describe, read_results, rounded, write_results

CANDIDATES = ("numpy", "pytorch", "compiled", "peer")
DTYPES = {"cpu": ("float64", "float32"), "cuda": ("float32", "bfloat16")}
GPU_FACTOR = 32  # times the first dimension of bench_shape, so that a GPU has something to do
ROUNDS = 7  # turns of each candidate
SLICE = 0.02  # seconds that a turn lasts at least
COMPARED = 500_000  # elements of a result that are compared, evenly spread

ENVIRONMENT = {
    # Freed memory stays with the process: page faults would dominate the timings.
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
    "MALLOC_MMAP_THRESHOLD_": "2000000000",
    "MALLOC_TOP_PAD_": "268435456",
    "TORCHINDUCTOR_CACHE_DIR": str(ROOT / "build" / "inductor"),
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console()


# --- in a candidate's process


def start(threads: int) -> None:
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32


@dataclass(frozen=True)
class Job:
    """One candidate for one function at one shape, dtype and device."""

    chapter: str
    op: str
    candidate: str
    target: Target
    shape: Shape


@lru_cache
def _op(chapter: str, name: str) -> tuple[Chapter, Op]:
    found = next(found for found in discover() if found.name == chapter)
    return found, next(op for op in found.ops if op.name == name)


@lru_cache(maxsize=1)
def _case(chapter: str, name: str, shape: Shape) -> Case:
    _, op = _op(chapter, name)
    return op.sample(np.random.default_rng(0), shape)


@lru_cache(maxsize=len(CANDIDATES) * 2)  # two dtypes
def _calls(job: Job) -> dict[str, Callable[[], Any]]:
    """What is timed, by its direction: functions without arguments."""
    chapter, op = _op(job.chapter, job.op)
    case = _case(job.chapter, job.op, job.shape)
    calls = _numpy_calls if job.candidate == "numpy" else _torch_calls
    return calls(chapter, op, case, job)


def _outputs(result) -> tuple:
    return result if isinstance(result, tuple) else (result,)


def _numpy_calls(chapter: Chapter, op: Op, case: Case, job: Job) -> dict:
    case = for_numpy(case, job.target)
    forward = partial(getattr(chapter.reference, op.name), *case.args, **case.kwargs)
    if not is_differentiable(chapter, op):
        return {"forward": forward}
    grad_output = cotangents(_outputs(forward()), job.target)

    def both():
        return forward(), list(hand_gradients(chapter, op, case, grad_output).values())

    return {"forward": forward, "forward + backward": both}


def _torch_calls(chapter: Chapter, op: Op, case: Case, job: Job) -> dict:
    function = getattr(chapter.pytorch, op.name)
    if job.candidate == "peer":
        function = resolve(op.torch_peers[0])
    elif job.candidate == "compiled":
        function = torch.compile(function, dynamic=False)
    case = for_torch(case, job.target)
    run = partial(function, *case.args, **case.kwargs)
    forward = torch.no_grad()(run)
    if not is_differentiable(chapter, op):
        return {"forward": forward}
    weights = each(cotangents(_outputs(forward()), FLOAT64))
    grad_output = [to_tensor(weight, job.target) for weight in weights]
    leaves = [v for v in (*case.args, *case.kwargs.values()) if isinstance(v, torch.Tensor)]
    leaves = [tensor for tensor in leaves if tensor.requires_grad]

    def both():
        output = run()
        return output, torch.autograd.grad(_outputs(output), leaves, grad_output)

    return {"forward": forward, "forward + backward": both}


def directions(job: Job) -> list[str]:
    """The directions of a job, after one call of each: whatever is compiled, is now."""
    for run in _calls(job).values():
        run()
    return list(_calls(job))


def sample_results(job: Job, direction: str) -> list[np.ndarray]:
    """Evenly spread elements of each output and gradient, as float64."""
    found, todo = [], [_calls(job)[direction]()]
    while todo:
        value = todo.pop(0)
        if isinstance(value, tuple | list):
            todo = [*value, *todo]
        else:
            flat = value.reshape(-1)
            found.append(to_array(flat[:: max(1, len(flat) // COMPARED)]).astype(np.float64))
    return found


def take_turn(job: Job, direction: str) -> list[float]:
    """The seconds of each call, repeated for a while."""
    run, seconds = _calls(job)[direction], []
    timed = _gpu_seconds if job.target.device == "cuda" else _cpu_seconds
    while sum(seconds) < SLICE:
        seconds.append(timed(run))
    return seconds


def _cpu_seconds(run: Callable) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _gpu_seconds(run: Callable) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3


def copy_bandwidth() -> float:
    """Bytes a second, read and written, of a large copy on the GPU: the bound to compare with."""
    source = torch.ones(2**29, device="cuda")
    target = torch.empty_like(source)
    fastest = min(_gpu_seconds(lambda: target.copy_(source)) for _ in range(20))
    return 2 * source.nbytes / fastest


def forget(job: Job) -> None:
    """Let go of the inputs of a function that has been timed."""
    for cache in (_calls, _case):
        cache.cache_clear()


# --- in the parent


class BenchError(Exception):
    """The benchmark cannot run; the message says why."""


class Workers:
    """A process for each candidate on the CPU, and one for all of them on the GPU."""

    def __init__(self, threads: int):
        os.environ.update(ENVIRONMENT)  # what the processes inherit, before their C library starts
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)
        pool = partial(ProcessPoolExecutor, 1, get_context("spawn"), start, (threads,))
        self.pools = {name: pool() for name in (*CANDIDATES, "cuda")}

    def run(self, function: Callable, job: Job, *args) -> Any:
        name = "cuda" if job.target.device == "cuda" else job.candidate
        try:
            return self.pools[name].submit(function, job, *args).result()
        except BrokenProcessPool:
            message = f"{job.op}: the process of {job.candidate} was ended, perhaps out of memory"
            raise BenchError(message) from None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_) -> None:
        for pool in self.pools.values():
            pool.shutdown(cancel_futures=True)


@dataclass
class Row:
    """One function in one dtype and direction, and the seconds of each candidate's calls."""

    direction: str
    jobs: dict[str, Job]
    missing: dict[str, str]
    seconds: dict[str, list[float]]


def bench_op(workers: Workers, chapter: Chapter, op: Op, device: str) -> list[dict]:
    """The results of one function, for each dtype and direction."""
    shape = op.bench_shape
    if device == "cuda":
        shape = (shape[0] * GPU_FACTOR, *shape[1:])
    targets = [Target(dtype, device) for dtype in DTYPES[device]]
    rows = [row for target in targets for row in _rows(workers, chapter, op, target, shape)]
    for _ in range(ROUNDS):
        for row in rows:
            for name, seconds in row.seconds.items():
                seconds += workers.run(take_turn, row.jobs[name], row.direction)
    for job in rows[0].jobs.values():
        workers.run(forget, job)
    return [_result(op, row) for row in rows]


def _rows(workers: Workers, chapter: Chapter, op: Op, target: Target, shape: Shape) -> list[Row]:
    """The rows of one dtype, with every candidate ready, compiled and in agreement."""
    names = [name for name in CANDIDATES if name != "peer" or op.torch_peers]
    if target.device == "cuda":
        names.remove("numpy")
    jobs, missing = {}, {}
    for name in names:
        job = Job(chapter.name, op.name, name, target, shape)
        try:
            found = workers.run(directions, job)
            jobs[name] = job
        except Exception as error:
            if name != "compiled" or isinstance(error, BenchError):
                raise
            missing[name] = (
                "torch.compile finds no C++ compiler here"
                if "CxxCompiler" in str(error)
                else f"torch.compile fails here with {type(error).__name__}"
            )
    for direction in found:
        _check_agreement(workers, op, jobs, direction)
    timed = [name for name in jobs if name != "numpy" or target.dtype == "float64"]
    return [Row(direction, jobs, missing, {name: [] for name in timed}) for direction in found]


def _check_agreement(workers: Workers, op: Op, jobs: dict[str, Job], direction: str) -> None:
    """BenchError unless all candidates give what the first gives: the reference, if it runs."""
    (first, job), *others = jobs.items()
    expected = workers.run(sample_results, job, direction)
    if not all(array.any() for array in expected):
        raise BenchError(f"{op.name}: nothing but zeros to time")
    for name, job in others:
        what = f"{op.name}, {direction}, {job.target}: {name} against {first}"
        got = workers.run(sample_results, job, direction)
        try:
            for mine, right in zip(got, expected, strict=True):
                # In units of the largest value: gradients summed over thousands of rows cancel.
                unit = np.max(np.abs(right))
                check(mine / unit, right / unit, job.target.tolerance, what)
        except AssertionError as error:
            raise BenchError(f"the results differ, so nothing is timed: {error}") from None


def _result(op: Op, row: Row) -> dict:
    job = row.jobs["pytorch"]
    summary = {
        name: {"median": rounded(median(s), 3), "minimum": rounded(min(s), 3), "runs": len(s)}
        for name, s in row.seconds.items()
    }
    if job.target.device == "cuda" and row.direction == "forward":
        moved = 2 * math.prod(job.shape) * job.target.torch_dtype.itemsize  # one read, one write
        for times in summary.values():
            times["bytes_per_second"] = rounded(moved / times["median"], 3)
    return {
        "function": op.name,
        "peer": peer_name(op.torch_peers[0]) if op.torch_peers else None,
        "shape": list(job.shape),
        "dtype": job.target.dtype,
        "direction": row.direction,
        "seconds": summary,
        "missing": row.missing,
    }


def bench_chapter(workers: Workers, chapter: Chapter, device: str, progress: Progress) -> list:
    ops = [op for op in chapter.ops if op.bench_shape]
    task = progress.add_task(chapter.name, total=len(ops))
    rows = []
    for op in ops:
        progress.update(task, description=f"{chapter.name}.{op.name} on the {device}")
        rows += bench_op(workers, chapter, op, device)
        progress.advance(task)
    return rows


def table(chapter: str, device: str, results: dict) -> Table:
    """Milliseconds of each candidate, times the peer's, and on a GPU the part of its bandwidth."""
    machine, rows = results["machine"], results["rows"]
    versions = ", ".join(f"{name} {machine[name]}" for name in ("numpy", "torch"))
    title = f"{chapter} on {machine['name']}, {versions}: median ms (times the peer's)"
    if device == "cuda":
        title += " and percent of the bandwidth of a copy"
    shown = Table(title=title)
    for column in ("function", "dtype", "direction"):
        shown.add_column(column)
    for column in CANDIDATES:
        shown.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        cells = [_cell(row["seconds"], name, machine) for name in CANDIDATES]
        shown.add_row(row["function"], row["dtype"], row["direction"], *cells)
    return shown


def _cell(seconds: dict, name: str, machine: dict) -> str:
    if name not in seconds:
        return "–"
    times = seconds[name]
    text = f"{times['median'] * 1e3:.3g}"
    if "peer" in seconds:
        text += f" ({times['median'] / seconds['peer']['median']:.2f})"
    if "bytes_per_second" in times:
        text += f" {times['bytes_per_second'] / machine['copy_bytes_per_second']:.0%}"
    return text


def _chosen(name: str | None) -> list[Chapter]:
    chapters = [c for c in discover() if any(op.bench_shape for op in c.ops)]
    names = ", ".join(chapter.name for chapter in chapters)
    if name is None:
        return chapters
    if name not in [chapter.name for chapter in chapters]:
        raise BenchError(f"no chapter {name!r} to time: expected one of {names}")
    return [chapter for chapter in chapters if chapter.name == name]


@app.command()
def main(
    chapter: Annotated[
        str | None, typer.Argument(help="A chapter's folder; all if left out.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of each candidate.")] = 1,
) -> None:
    """Time the reference, our PyTorch version and the vendor's operation side by side."""
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    try:
        chosen = _chosen(chapter)
        with Workers(threads) as workers, Progress(console=console, transient=True) as progress:
            for one in chosen:
                path = ROOT / "book" / "benchmarks" / f"{one.name}.json"
                results = read_results(path)  # a GPU's stay when there is none now
                for device in devices:
                    machine = describe(device)
                    machine |= {"threads": threads} if device == "cpu" else _gpu_facts(workers)
                    rows = bench_chapter(workers, one, device, progress)
                    results[device] = {"machine": machine, "rows": rows}
                    console.print(table(one.name, device, results[device]))
                    for reason in sorted({r for row in rows for r in row["missing"].values()}):
                        console.print(f"–: {reason}")
                write_results(path, results)
                console.print(f"written to {path.relative_to(ROOT)}")
    except BenchError as error:
        console.print(f"[red]error:[/] {error}")
        raise typer.Exit(1) from None
    if "cuda" not in devices:
        console.print("no CUDA GPU here: only the CPU was timed")


def _gpu_facts(workers: Workers) -> dict:
    bandwidth = workers.pools["cuda"].submit(copy_bandwidth).result()
    return {"copy_bytes_per_second": rounded(bandwidth, 3)}


if __name__ == "__main__":
    app()
