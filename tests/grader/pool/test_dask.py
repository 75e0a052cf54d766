"""The same jobs on the workers of a dask scheduler."""

import os
import signal
import threading
from pathlib import Path

import pytest

from autograder import sandbox
from autograder.pool import Pool
from tests.grader.pool.notebooks import answer, checked, job, printed
from tests.grader.pool.processes import descendants, until

distributed = pytest.importorskip("distributed")

LAYER = sandbox.choose(unsafe=True)
CELLS = answer("import time\ntime.sleep(0.1)\ndef f(x): return 2 * x"), checked("assert f(2) == 4")


@pytest.fixture
def cluster():
    """A scheduler here, and two workers that are processes of their own."""
    options = dict(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50)
    with distributed.LocalCluster(**options, processes=True) as running:
        yield running


def warmed():
    below = descendants(os.getpid())
    return [pid for pid in below if "autograder.warm" in Path(f"/proc/{pid}/cmdline").read_text()]


def test_results_are_those_of_this_machine_and_nothing_is_left(cluster):
    jobs = [job(*CELLS, answer(f"print({n})"), student=str(n)) for n in range(8)]
    with Pool(layer=LAYER, scheduler=cluster.scheduler_address) as running:
        results = {result.student: result for result in running.run(jobs)}
        assert len(warmed()) == 6  # three a worker: one forks students, one proctors, one those two
        again = list(running.run(jobs[:1]))
    for n in range(8):
        assert results[str(n)].verdicts["cell1"].passed
        assert printed(results[str(n)], 2) == f"{n}\n"
    assert again[0].verdicts == {"cell1": again[0].verdicts["cell1"]}
    until(lambda: warmed() == [])


def test_a_worker_that_is_killed_costs_nothing(cluster):
    jobs = [job(*CELLS, student=str(n)) for n in range(16)]
    with Pool(layer=LAYER, scheduler=cluster.scheduler_address) as running:
        worker = cluster.workers[0].pid

        def kill():
            until(lambda: descendants(worker))
            os.kill(worker, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        results = list(running.run(jobs))
        killer.join()
    assert sorted(int(result.student) for result in results) == list(range(16))
    assert all(result.verdicts["cell1"].passed for result in results)
    assert all(result.problem == "" for result in results)
