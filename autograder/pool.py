"""Many submissions at once: on the cores of this machine, or of those of a dask scheduler.

Either way a `concurrent.futures` executor calls `run_job`, with text in and text out.
"""

import contextlib
import json
import os
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace

from autograder.host import Closing, Host
from autograder.jobs import Result

_ALONE = "It was run a second time, alone."
_FIND_WORKER = 60  # seconds for a scheduler to have a first worker

_host = None  # of this process, made by its first job
_open = True  # whether a job may make it
_host_lock = threading.Lock()


def run_job(text, layer):
    """Run a job (JSON) on this process's host; {"result": its JSON, "again": bool} as JSON.

    `again` asks for a second run, alone: time ran out, or something outside killed it.
    """
    global _host
    with _host_lock:
        if not _open:
            raise Closing
        if _host is None:
            _host = Host()
        host = _host
    result, again = host.run(text, layer)
    return json.dumps({"result": result.to_json(), "again": again})


@contextlib.contextmanager
def warmed(flavour):
    """Let this process's host start now, so that it imports what jobs need while others prepare."""
    global _host
    open_host()
    try:
        with _host_lock:
            _host = _host or Host()
            _host.warm(flavour)
        yield
    finally:
        close_host()


def open_host():
    """Let jobs make a host in this process."""
    global _open
    with _host_lock:
        _open = True


def close_host():
    """End the processes of this process's host, remove its files, and let no job make another."""
    global _host, _open
    with _host_lock:
        host, _host, _open = _host, None, False
    if host is not None:
        host.close()


class Pool:
    """Runs jobs; a context manager, after which no process and no file of it is left.

    One at a time in a process, and on a scheduler.

    workers : submissions at a time; None for the usable cores, or the threads of the scheduler.
    layer : of the sandbox, as `sandbox.choose` gives it.
    scheduler : the address of a dask scheduler; None for this machine.
    """

    def __init__(self, workers=None, *, layer, scheduler=None):
        self._workers, self._layer, self._scheduler = workers, layer, scheduler
        self._exit = contextlib.ExitStack()

    def __enter__(self):
        start = self._start_here if self._scheduler is None else self._connect
        with contextlib.ExitStack() as undo:
            start(undo)
            self._exit = undo.pop_all()
        return self

    def __exit__(self, *error):
        return self._exit.__exit__(*error)

    def run(self, jobs):
        """Yield the Result of each job as it comes; `jobs` is read as far as there is room.

        What ran out of time, or was killed from outside, runs once more, alone, at the end.
        Raises: RuntimeError where no process can be started at all.
        """
        again = []
        for job, result, once_more in self._run_all(jobs, 2 * self._workers):
            if once_more:
                again.append((job, result))
            else:
                yield result
        for job, first in again:
            for _, second, _ in self._run_all([job], 1):
                yield _joined(first, second)

    def _run_all(self, jobs, most):
        """Yield (job, result, again) with at most so many in flight."""
        jobs, running = iter(jobs), {}
        try:
            while True:
                while len(running) < most and (job := next(jobs, None)) is not None:
                    running[self._submit(run_job, job.to_json(), self._layer)] = job
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    answer = json.loads(future.result())
                    job = running.pop(future)
                    yield job, Result.from_json(answer["result"]), answer["again"]
        finally:
            for future in running:
                future.cancel()

    def _start_here(self, undo):
        self._workers = self._workers or len(os.sched_getaffinity(0))
        executor = undo.enter_context(ThreadPoolExecutor(self._workers, "slot"))
        self._submit = executor.submit
        open_host()
        undo.callback(close_host)  # first of all: the jobs that still run or wait then end at once

    def _connect(self, undo):
        from distributed import Client

        client = undo.enter_context(Client(self._scheduler, set_as_default=False))
        client.wait_for_workers(1, timeout=_FIND_WORKER)
        self._workers = self._workers or sum(client.nthreads().values())
        self._submit = undo.enter_context(client.get_executor(pure=False)).submit
        client.run(open_host)
        undo.callback(client.run, close_host, on_error="ignore")


def _joined(first, second):
    """The result of the second run, which says why there was one."""
    reasons = dict.fromkeys([first.problem, _ALONE, second.problem])
    return replace(second, problem=" ".join(filter(None, reasons)))
