"""Steps into confinement that all layers share; each raises where it fails."""

import math
import os
import resource
import select
import signal
import tempfile

from autograder.sandbox import syscalls
from autograder.sandbox.errors import SandboxError

NOBODY = 65534  # who runs student code where the grader runs as root
OVER_LIMIT = 73  # exit status of the waiter whose child took too many files or threads

OTHERS = 4096  # processes and threads that the same user may have outside, where they count too

# What a process may see at the same path besides what the caller names.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/etc/localtime")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

_LOOK = 0.1  # seconds between two looks of a waiter


def begin(keep):
    """Let go of the caller's terminal, descriptors and environment, and die with the parent.

    Returns the bytes of memory that count for RLIMIT_DATA already: what was loaded beforehand.
    """
    if len(os.listdir("/proc/self/task")) != 1:
        raise SandboxError("only a process with one thread can be confined")
    if any(each < 3 for each in keep):
        raise SandboxError("the descriptors 0 to 2 cannot be kept: they become /dev/null")
    null = os.open("/dev/null", os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    close_all_but(keep)
    os.umask(0o022)
    os.environ.clear()
    syscalls.clear_environment()
    die_with_parent()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")


def fork():
    """Fork; return 0 in the child, which dies with its parent, else its pid."""
    parent = os.pidfd_open(os.getpid())
    pid = os.fork()
    if pid == 0:
        die_with_parent()
        if select.select([parent], [], [], 0)[0]:  # it ended before that held
            os._exit(1)
        os.setsid()
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")  # where memory runs out, this is what to kill
    os.close(parent)
    return pid


def wait(child, within=None, after=None, keep=()):
    """Wait for the child and exit with its status; never return.

    keep : descriptors that stay open meanwhile.
    within : asked now and then; the child is killed once it is False.
    after : called once the child is gone.
    """
    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        close_all_but(keep)
        over = within is not None and not _watch(child, within)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if over and code == -signal.SIGKILL:  # else it was just ending when that was asked
            status = OVER_LIMIT
        else:
            status = code if code >= 0 else 128 - code
        if after is not None:
            after()
    finally:
        os._exit(status)


def _watch(child, within):
    """Look after the child until it has ended; False if it had to be killed."""
    handle = os.pidfd_open(child)
    while not select.select([handle], [], [], _LOOK)[0]:
        if not within():
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            return False
    return True


def die_with_parent():
    """Be killed when the parent ends; a change of the user undoes it."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)


def become(uid):
    """Change from root to this user and its group alone; for another user nothing changes.

    Raises: SandboxError for uid 0.
    """
    if os.geteuid() == 0:
        uid = NOBODY if uid is None else uid
        if uid == 0:
            raise SandboxError("student code never runs as root")
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)  # /proc/self then belongs to this user
        die_with_parent()


def finish(limits, *, loaded, processes, keep, work, tmp):
    """Set the last of all: folder, environment, limits, no privilege; then no way back is left.

    loaded : what `begin` returned.
    processes : how many of them the user may have, threads included.
    """
    os.chdir(work)
    os.environ.update(_environment(work, tmp))
    tempfile.tempdir = None  # where the caller has found it need not hold here
    close_all_but(keep)
    _limit(limits, loaded, processes)
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    syscalls.drop_capabilities()
    if 0 in (*os.getresuid(), *os.getresgid()):
        raise SandboxError("student code never runs as root")


def close_all_but(keep):
    """Close all descriptors but these and the standard ones."""
    low = 3
    for descriptor in sorted({each for each in keep if each >= low}):
        if low < descriptor:  # closerange closes everything where its ends are equal
            os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, 1 << 30)


def absolute(paths):
    """The paths and where their links lead, without those that lie in another.

    Raises: SandboxError for a path that this user cannot read, that is not absolute, or /.
    """
    found = set()
    for path in map(os.fspath, paths):
        if not os.path.isabs(path) or os.path.realpath(path) == "/":
            raise SandboxError(f"{path!r} cannot be shown to student code: expected a path below /")
        if not os.access(path, os.R_OK):
            raise SandboxError(
                f"{path} cannot be shown to student code: user {os.geteuid()}, under which it "
                "runs, cannot read it; move it, or run the grader as an ordinary user"
            )
        found |= {os.path.normpath(path), os.path.realpath(path)}
    return sorted(path for path in found if not lies_within(path, found - {path}))


def lies_within(path, folders):
    return any(path.startswith(f"{folder}/") for folder in folders)


def _environment(work, tmp):
    fixed = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "USER": "student",
        "LOGNAME": "student",
        "MPLBACKEND": "agg",
    }
    # As many threads as there are processors may be more than the limit allows.
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
    )
    own = {"HOME": work, "TMPDIR": tmp, "MPLCONFIGDIR": f"{tmp}/matplotlib"}
    return fixed | threads | {name: os.fspath(path) for name, path in own.items()}


def _limit(limits, loaded, processes):
    cpu = math.ceil(limits.cpu)
    values = {
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_DATA: loaded + limits.memory,
        resource.RLIMIT_NPROC: processes,
        resource.RLIMIT_FSIZE: limits.files,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 64 << 10,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_NICE: 0,
        resource.RLIMIT_RTPRIO: 0,
    }
    for kind, value in values.items():
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(kind, (value, value))
