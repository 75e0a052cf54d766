"""The system calls that a student process may not make, as a seccomp filter.

What is refused is what no notebook needs: other processes, mounts, namespaces, networks, the
kernel's inner parts, and memory that no limit counts. The filter is a program of the classic
Berkeley packet filter that the kernel runs at each call.
"""

import errno
import os
import struct
import sys

from autograder.sandbox import syscalls
from autograder.sandbox.errors import SandboxError

# Numbers on (x86_64, aarch64); None where the machine has no such call.
_TABLE = {
    # Mounts and namespaces.
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268),
    # Other processes.
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "process_mrelease": (448, 448), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # The kernel's inner parts and the machine.
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "syslog": (103, 116), "sethostname": (170, 161),
    "setdomainname": (171, 162), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "adjtimex": (159, 171), "personality": (135, 92),
    "vhangup": (153, 58), "lookup_dcookie": (212, 18), "nfsservctl": (180, 42),
    "ioperm": (173, None), "iopl": (172, None), "modify_ldt": (154, None), "uselib": (134, None),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # Files by other ways than their path, and devices.
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262), "fanotify_mark": (301, 263),
    # Memory that belongs to no process, and so to no limit.
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "shmdt": (67, 197),
    "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192),
    "mq_open": (240, 180), "mq_unlink": (241, 181), "mq_timedsend": (242, 182),
    "mq_timedreceive": (243, 183), "mq_notify": (244, 184), "mq_getsetattr": (245, 185),
}  # fmt: skip

# Besides, where the process shares the host's files, processes and network (Landlock): what
# Landlock does not cover.
_SHARED = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "utime": (132, None), "utimes": (235, None), "utimensat": (280, 88), "futimesat": (261, None),
    "mknod": (133, None), "mknodat": (259, 33),
    "inotify_init": (253, None), "inotify_init1": (294, 26), "inotify_add_watch": (254, 27),
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242),
    # Nothing ends a process that has left its family, so there is none but the first.
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "ioprio_set": (251, 30),
}  # fmt: skip

# Those whose arguments decide.
_DECIDED = {
    "clone": (56, 220), "clone3": (435, 435), "socket": (41, 198), "socketpair": (53, 199),
    "ioctl": (16, 29), "prctl": (157, 167), "prlimit64": (302, 261), "setpriority": (141, 140),
    "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118), "sched_setattr": (314, 274),
}  # fmt: skip
# Those whose first argument is a process, where 0 is the caller itself.
_OF_ITSELF = ("prlimit64", "sched_setaffinity", "sched_setscheduler", "sched_setparam",
              "sched_setattr", "setpriority")  # fmt: skip

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column, AUDIT_ARCH
_KNOWN = 457  # statmount and what came after it are refused unseen

_NEW_NAMESPACES = 0x7E020000
_CLONE_THREAD = 0x10000
_AF_UNIX, _SOCK_STREAM, _SOCK_TYPES = 1, 1, 0xF
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_GUARDED_OPTIONS = (
    syscalls.PR_SET_PDEATHSIG,  # the supervisor's end must be this process's
    syscalls.PR_SET_DUMPABLE,  # the supervisor looks into /proc/<pid>
    syscalls.PR_SET_MM,
    syscalls.PR_SET_CHILD_SUBREAPER,
)

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x50000, 0x80000000
_NUMBER, _ARCH = 0, 4  # offsets in struct seccomp_data; arguments follow from 16


def number(name, machine):
    """The number of a system call on a machine as `os.uname` names it."""
    return _TABLE[name][_column(machine)]


def machine():
    """This machine's name. Raises: SandboxError where its system calls are not known here."""
    name = os.uname().machine
    _column(name)
    return name


def enforce(shared):
    """Hold this process and its children to the filter; needs no_new_privs."""
    syscalls.set_filter(program(machine(), shared))


def program(machine, shared):
    """The filter, packed, for a machine as `os.uname` names it.

    shared : whether the process shares the host's files, processes and network (Landlock alone).

    Raises: SandboxError for a machine whose numbers are not known here.
    """
    column = _column(machine)
    refused = _TABLE | (_SHARED if shared else {})
    numbers = sorted(each[column] for each in refused.values() if each[column] is not None)
    call = {name: each[column] for name, each in _DECIDED.items()}
    not_permitted = _refuse(errno.EPERM)
    steps = [
        _step(_LOAD, _ARCH),
        _step(_EQUAL, _MACHINES[machine][1], 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _KNOWN, 0, 1),  # those of the x32 interface among them
        _refuse(errno.ENOSYS),
    ]
    for each in numbers:
        steps += [_step(_EQUAL, each, 0, 1), not_permitted]
    # The flags of clone3 lie in memory, out of a filter's sight; libc falls back to clone.
    steps += [_step(_EQUAL, call["clone3"], 0, 1), _refuse(errno.ENOSYS)]
    steps += _refuse_if(call["clone"], 0, (_ANY_BIT, _NEW_NAMESPACES))
    for command in (_TIOCSTI, _TIOCLINUX):
        steps += _refuse_if(call["ioctl"], 1, (_EQUAL, command))
    for option in _GUARDED_OPTIONS:
        steps += _refuse_if(call["prctl"], 0, (_EQUAL, option))
    for name in ("socket", "socketpair"):
        steps += _refuse_unless(call[name], 0, (_EQUAL, _AF_UNIX), error=errno.EAFNOSUPPORT)
    if shared:
        steps += _refuse_unless(call["clone"], 0, (_ANY_BIT, _CLONE_THREAD))
        # A datagram socket of a pair could still send to any address.
        steps += _refuse_unless(call["socketpair"], 1, (_EQUAL, _SOCK_STREAM), mask=_SOCK_TYPES)
        for name in _OF_ITSELF:
            steps += _refuse_unless(call[name], 0, (_EQUAL, 0))
        steps += _refuse_unless(call["setpriority"], 1, (_EQUAL, 0))
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


def _refuse_if(call, argument, test):
    """Refuse this call if the test (comparison, value) holds for an argument (0 to 5)."""
    return _decide(call, [_load(argument), _step(*test, 0, 1), _refuse(errno.EPERM)])


def _refuse_unless(call, argument, test, *, mask=0xFFFFFFFF, error=errno.EPERM):
    masked = [_load(argument), _step(_AND, mask)]
    return _decide(call, [*masked, _step(*test, 1, 0), _refuse(error)])


def _decide(call, steps):
    return [_step(_EQUAL, call, 0, len(steps) + 1), *steps, _step(_LOAD, _NUMBER)]


def _load(argument):
    return _step(_LOAD, 16 + 8 * argument)  # its lower half: all that is tested has 32 bits


def _refuse(error):
    return _step(_RETURN, _ERRNO | error)


def _step(code, value, yes=0, no=0):
    return struct.pack("HBBI", code, yes, no, value)


def _column(machine):
    if machine not in _MACHINES or sys.maxsize < 2**32 or sys.byteorder != "little":
        raise SandboxError(
            f"the sandbox does not know the system calls of a machine of kind {machine!r}; "
            f"use one of {', '.join(_MACHINES)}, with a 64-bit Python"
        )
    return _MACHINES[machine][0]
