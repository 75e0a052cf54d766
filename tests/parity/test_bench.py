"""The benchmark times only what agrees, says clearly what is wrong, and its results are stored."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from tests.parity.chapters import ROOT, discover, is_differentiable
from tools import bench
from tools.machine import read_results


class Inline:
    """Runs every job in this process; torch.compile, which takes long, fails here."""

    def run(self, function, job, *args):
        if job.candidate == "compiled":
            raise RuntimeError("no C++ compiler")
        return function(job, *args)


@pytest.fixture
def subject(monkeypatch):
    """Any differentiable function with a peer, to be timed at a small size."""
    monkeypatch.setattr(bench, "ROUNDS", 1)
    monkeypatch.setattr(bench, "SLICE", 0.1)
    monkeypatch.setattr(bench, "_cpu_seconds", lambda run: (run(), 0.25)[1])
    bench.forget(None)
    chapter, op = next(
        (chapter, op)
        for chapter in discover()
        for op in chapter.ops
        if op.bench_shape and op.torch_peers and is_differentiable(chapter, op)
    )
    return chapter, replace(op, bench_shape=tuple(min(n, 8) for n in op.bench_shape))


def test_every_candidate_is_timed_in_every_dtype_and_direction(subject):
    chapter, op = subject
    rows = bench.bench_op(Inline(), chapter, op, "cpu")
    timed = {(row["dtype"], row["direction"]): set(row["seconds"]) for row in rows}
    for direction in ("forward", "forward + backward"):
        assert timed["float64", direction] == {"numpy", "pytorch", "peer"}
        assert timed["float32", direction] == {"pytorch", "peer"}
    assert rows[0]["seconds"]["peer"] == {"median": 0.25, "minimum": 0.25, "runs": 1}


def test_what_cannot_be_compiled_is_said(subject):
    (row, *_) = bench.bench_op(Inline(), *subject, "cpu")
    assert row["missing"] == {"compiled": "torch.compile fails here with RuntimeError"}
    assert "compiled" not in row["seconds"]


def test_nothing_is_timed_where_results_differ(subject, monkeypatch):
    chapter, op = subject
    function = getattr(chapter.pytorch, op.name)
    wrong = lambda *args, **kwargs: 1.001 * function(*args, **kwargs)  # noqa: E731
    monkeypatch.setattr(chapter.pytorch, op.name, wrong)
    with pytest.raises(bench.BenchError, match="the results differ, so nothing is timed"):
        bench.bench_op(Inline(), chapter, op, "cpu")


def test_zeros_are_not_timed(subject, monkeypatch):
    chapter, op = subject

    def zeros(*args, **kwargs):
        return 0.0 * args[0]

    monkeypatch.setattr(chapter.reference, op.name, zeros)
    with pytest.raises(bench.BenchError, match="nothing but zeros to time"):
        bench.bench_op(Inline(), chapter, op, "cpu")


def test_an_unknown_chapter_is_refused_by_name():
    result = CliRunner().invoke(bench.app, ["no_such_chapter"])
    assert result.exit_code == 1
    assert "error: no chapter 'no_such_chapter' to time: expected one of" in result.output
    assert isinstance(result.exception, SystemExit)  # no traceback


def test_the_stored_timings_are_of_todays_functions():
    for chapter in discover():
        today = [op.name for op in chapter.ops if op.bench_shape]
        stored = read_results(ROOT / "book" / "benchmarks" / f"{chapter.name}.json")
        rows = stored["cpu"]["rows"] if today else []
        assert list(dict.fromkeys(row["function"] for row in rows)) == today, "run `make bench`"
