"""The layer for hosts that forbid namespaces: Landlock, with seccomp for what it leaves open.

The process sees the host's names and numbers of files and processes, but can open, change or reach
none that is not shown to it. It cannot start processes: nothing would end those for certain.
"""

import functools
import os

from autograder.sandbox import confine, seccomp, syscalls
from autograder.sandbox.errors import SandboxError
from autograder.sandbox.scratch import Scratch

LEAST_ABI = 6  # the first that keeps signals from other processes

_ALL_RIGHTS = (1 << 16) - 1  # on files, up to ABI 6
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_WRITE_FILE = 1 << 1
_EXECUTE, _DEVICE_COMMANDS = 1 << 0, 1 << 15
_MAKE_DEVICES = 1 << 6 | 1 << 11
_OWN = _ALL_RIGHTS & ~(_EXECUTE | _DEVICE_COMMANDS | _MAKE_DEVICES)
_NETWORK = 3  # to bind and connect TCP
_SCOPES = 3  # abstract sockets and signals

_READ_ONLY = (
    *confine.SYSTEM,
    *confine.SETTINGS,
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu"),
)


def enter(limits, *, visible, hidden, scratch_files, keep, uid):
    """Confine a child of this process and return in it; see `autograder.sandbox.enter`."""
    loaded = confine.begin(keep)
    own = Scratch(scratch_files, confine.NOBODY if uid is None else uid)
    if child := confine.fork():
        within = functools.partial(_within, limits, own, child)
        confine.wait(child, within, own.remove, keep=[own.lock])
    confine.become(uid)
    shown = _real([*filter(os.path.exists, _READ_ONLY), *confine.absolute(visible)])
    confine.finish(
        limits,
        loaded=loaded,
        processes=limits.processes + confine.OTHERS,
        keep=keep,
        work=own.work,
        tmp=own.tmp,
    )
    _enforce(shown, _real(hidden), [own.work, own.tmp])
    seccomp.enforce(shared=True)


def _real(paths):
    """Where the paths lead, without those that lie in another.

    A rule holds for a file by whatever path it is reached.
    """
    real = {os.path.realpath(path) for path in paths}
    return sorted(path for path in real if not confine.lies_within(path, real - {path}))


def _within(limits, own, child):
    threads = os.stat(f"/proc/{child}/task").st_nlink - 2  # each is a folder
    return threads <= limits.processes and own.within(limits.files, child)


def _enforce(shown, hidden, own):
    """Leave only what is shown to read, and the folders of its own to write."""
    if syscalls.landlock_abi() < LEAST_ABI:
        raise SandboxError(f"this kernel offers no Landlock of ABI {LEAST_ABI} or newer")
    rules = syscalls.landlock_ruleset(_ALL_RIGHTS, _NETWORK, _SCOPES)
    for path in shown:
        for part, rights in _parts(path, hidden):
            _allow(rules, part, rights)
    for path in filter(os.path.exists, confine.DEVICES):
        _allow(rules, path, _READ_FILE | _WRITE_FILE)
    for folder in own:
        _allow(rules, folder, _OWN)
    syscalls.landlock_enforce(rules)
    os.close(rules)


def _parts(path, hidden):
    """What to allow so that all below a path can be read, but for what is hidden there.

    Rights hold for all below a folder, so one with something hidden is shown entry by entry; the
    names of what is hidden can be listed.
    """
    if path in hidden:
        return
    if not any(confine.lies_within(each, [path]) for each in hidden):
        yield path, _READ_FILE | (_READ_FOLDER if os.path.isdir(path) else 0)
        return
    yield path, _READ_FOLDER
    with os.scandir(path) as entries:
        for entry in entries:
            if not entry.is_symlink():  # where it leads may be hidden
                yield from _parts(entry.path, hidden)


def _allow(rules, path, rights):
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        syscalls.landlock_allow(rules, descriptor, rights)
    finally:
        os.close(descriptor)
