import json
import subprocess
import sys
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def shell_process():
    command = [sys.executable, "-m", "tests.grader.pool.cells"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def run_cells(shell_process):
    """Run cells in a fresh process; a list of what became of each: outputs, ok, seconds."""

    def run(*cells, limit=1 << 20, timeout=None, allowed=None):
        request = {"cells": cells, "limit": limit, "timeout": timeout, "allowed": allowed}
        print(json.dumps(request), file=shell_process.stdin, flush=True)
        names = ("outputs", "ok", "seconds")
        answers = json.loads(shell_process.stdout.readline())
        return [SimpleNamespace(**dict(zip(names, each, strict=True))) for each in answers]

    return run


@pytest.fixture
def run_cell(run_cells):
    """Run one cell in a fresh process."""
    return lambda source, **options: run_cells(source, **options)[0]
