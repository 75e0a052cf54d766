"""What /proc says about processes, descriptors and memory."""

import contextlib
import os
import time
from pathlib import Path


def children(pid):
    """The pids of the living children of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            found += [int(child) for child in (task / "children").read_text().split()]
    return [child for child in found if alive(child)]


def descendants(pid):
    """The pids of all living processes below a process."""
    found = []
    for child in children(pid):
        found.append(child)
        try:
            found += descendants(child)
        except OSError:  # it has just ended
            continue
    return found


def alive(pid):
    """Whether a process exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def descriptors():
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def private_memory(pid="self"):
    """Bytes that this process alone has in memory."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) * 1024


def until(condition, seconds=20):
    """Wait until `condition()` is true and return its value; AssertionError if it never is."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)
    return value
