"""A process and all its descendants, as /proc shows them: their memory, and their end."""

import contextlib
import os
import re
import select
import signal
from pathlib import Path

from autograder.sandbox import scratch
from autograder.sandbox.errors import SandboxError

_PAGE = os.sysconf("SC_PAGE_SIZE")
_HAS_LISTS = os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
_ROUNDS = 1000  # to stop a family that goes on growing
_DEATH = 10  # seconds for a killed process to be gone: it may have much memory to give back
_PROPORTIONAL = re.compile(rb"^Pss: +(\d+) kB$", re.MULTILINE)


def memory_of(pid, enough=0):
    """Resident bytes of a process and all its descendants; 0 if it is gone.

    What several processes share counts once. That takes the kernel some milliseconds; where an
    upper bound that takes none is at most `enough`, it is returned instead.
    """
    family = _family(pid)
    bound = sum(map(_resident, family))
    return bound if bound <= enough else sum(map(_proportional, family))


def kill(pid):
    """End a process and all its descendants for certain; nothing happens if it is gone.

    The family is stopped before it is killed, so that none can escape by forking meanwhile.
    Returns once all have ended. Raises: SandboxError if some cannot be ended.
    """
    with contextlib.ExitStack() as stack:
        handles = _stop(pid, stack)
        for handle in handles.values():
            _signal(handle, signal.SIGKILL)
        for handle in handles.values():
            if not select.select([handle], [], [], _DEATH)[0]:
                raise SandboxError(f"process {pid} or one of its descendants cannot be killed")
    scratch.sweep()


def kill_descendants():
    """End all descendants of this process, which adopts orphans (PR_SET_CHILD_SUBREAPER)."""
    while children := _children(os.getpid()):
        for child in children:
            kill(child)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def _stop(pid, stack):
    """Stop the family of a process until no new member turns up; return pid -> pidfd."""
    handles = {}
    for _ in range(_ROUNDS):
        family = _family(pid)
        new = [member for member in family if member not in handles]
        if not new:
            # A number may have gone to a stranger between our look and our grip.
            for member in handles.keys() - set(family):
                _signal(handles.pop(member), signal.SIGCONT)
            return handles
        for member in new:
            with contextlib.suppress(ProcessLookupError):
                handles[member] = os.pidfd_open(member)
                stack.callback(os.close, handles[member])
        for handle in handles.values():
            _signal(handle, signal.SIGSTOP)
    raise SandboxError(f"the descendants of process {pid} grow faster than they can be stopped")


def _signal(handle, number):
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, number)


def _family(pid):
    """The process and its descendants that are there, parents first."""
    family = [pid] if os.path.exists(f"/proc/{pid}") else []
    for member in family:  # which grows
        family += _children(member)
    return family


def _children(pid):
    """The children of all threads of a process."""
    if not _HAS_LISTS:
        return [child for child in map(int, filter(str.isdigit, os.listdir("/proc")))
                if _parent(child) == pid]  # fmt: skip
    children = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            children += Path(f"/proc/{pid}/task/{thread}/children").read_bytes().split()
    return [int(child) for child in children]


def _parent(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _resident(pid):
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _proportional(pid):
    """Resident bytes, where what n processes share counts 1/n."""
    try:
        match = _PROPORTIONAL.search(Path(f"/proc/{pid}/smaps_rollup").read_bytes())
    except (FileNotFoundError, ProcessLookupError):  # the latter: it is about to be gone
        return 0
    except PermissionError:
        return _resident(pid)
    return int(match[1]) * 1024 if match else 0
