"""Student processes without a sandbox, and notebooks made of a few lines, for these tests."""

import io
import linecache
import os
import socket
import sys
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout

import torch
import torch._dynamo  # which the first optimizer would import, in each fork

from autograder.jobs import Job
from autograder.proctor import run
from autograder.student.server import serve
from autograder.student.shell import CellRun

torch.set_num_threads(1)  # a fork of a process that used more of them hangs
SETUP = "import numpy as np\nimport torch\nfrom torch import nn"


class PlainShell:
    """As much of a Shell as a cell of plain Python needs."""

    def __init__(self):
        self.namespace = {"__name__": "__main__"}

    def run(self, source, name, timeout=None):
        start, written, ok = time.perf_counter(), io.StringIO(), True
        lines = source.splitlines(keepends=True)
        linecache.cache[f"<{name}>"] = len(source), None, lines, f"<{name}>"
        outputs = []
        with redirect_stdout(written), redirect_stderr(io.StringIO()):
            try:
                exec(compile(source, f"<{name}>", "exec"), self.namespace)
            except BaseException as error:
                ok = False
                outputs = [
                    {
                        "output_type": "error",
                        "ename": type(error).__name__,
                        "evalue": str(error),
                        "traceback": traceback.format_exception(error),
                    }
                ]
        if written.getvalue():
            outputs.insert(0, _stream(written.getvalue()))
        return CellRun(outputs, ok, time.perf_counter() - start)

    def capture(self, function):
        written = io.StringIO()
        with redirect_stdout(written), redirect_stderr(io.StringIO()):
            value = function()
        return value, [_stream(written.getvalue())] if written.getvalue() else []


def _stream(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


class Students:
    """Forks student processes; ends them when closed.

    before : called in the new process with its shell.
    """

    def __init__(self, before=None, make_shell=PlainShell, serve=serve):
        self.pids, self._before, self._make_shell, self._serve = [], before, make_shell, serve

    def __call__(self):
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            try:
                ours.close()
                shell = self._make_shell()
                if self._before:
                    self._before(shell)
                self._serve(theirs, shell)
            except BaseException:
                traceback.print_exc(file=sys.__stderr__)
            finally:
                os._exit(0)
        theirs.close()
        self.pids.append(pid)
        return ours

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.pids:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


def student(source, id="answer"):
    return _cell(source, id, grade=False, locked=False, solution=True)


def own(source, id="own"):
    return _cell(source, id)


def given(source, id="given"):
    return _cell(source, id, grade=False, locked=True, solution=False)


def check(source, id="test", points=1):
    return _cell(source, id, grade=True, locked=True, solution=False, points=points)


def hidden(source):
    return f"### BEGIN HIDDEN TESTS\n{source}\n### END HIDDEN TESTS"


def _cell(source, id, **mark):
    metadata = {"nbgrader": {"grade_id": id, "schema_version": 3, "task": False, **mark}}
    return {
        "cell_type": "code",
        "id": id,
        "source": source,
        "metadata": metadata if mark else {},
        "outputs": [],
        "execution_count": None,
    }


def job(*cells, **settings):
    notebook = {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return Job("anna", notebook, **settings)


def graded(*cells, students=None, **settings):
    """The Result of a notebook of these cells."""
    with students or Students() as spawn:
        return run(job(*cells, **settings), spawn)


def verdict(answer, test, **settings):
    """The Verdict of one test on one answer."""
    return graded(given(SETUP), student(answer), check(test), **settings).verdicts["test"]
