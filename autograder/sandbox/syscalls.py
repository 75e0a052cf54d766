"""The system calls of Linux that Python lacks, through ctypes.

Each function raises OSError where the kernel refuses. Numbers below 424 differ between machines
and stand in `seccomp.NUMBERS`; the newer ones are the same everywhere.
"""

import ctypes
import os
import struct

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

CLONE_NEWNS = 0x20000
CLONE_NEWCGROUP = 0x2000000
CLONE_NEWUTS = 0x4000000
CLONE_NEWIPC = 0x8000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# Attributes of a mount.
RDONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_MM = 35
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47

_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT, _MOUNT_SETATTR = 428, 429, 430, 431, 432, 442
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_MS_PRIVATE = 1 << 18
_MNT_DETACH = 2
_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
_PR_CAP_AMBIENT_CLEAR_ALL = 4


def prctl(option, *arguments):
    words = [ctypes.c_ulong(a) for a in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked(_libc.prctl(option, *words), f"prctl({option})")


def unshare(flags):
    """Leave namespaces for new ones; that of processes holds for children only."""
    _checked(_libc.unshare(flags), "unshare")


def set_host_name(name):
    _checked(_libc.sethostname(name.encode(), len(name)), "sethostname")


def open_tree(path):
    """A descriptor of a detached copy of the mounts at `path` and below."""
    flags = 1 | os.O_CLOEXEC | _AT_RECURSIVE
    return _call(_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags, what=f"open_tree({path})")


def new_filesystem(kind, attributes, **options):
    """A descriptor of a new, detached file system."""
    context = _call(_FSOPEN, kind.encode(), 1, what=f"fsopen({kind})")
    try:
        for name, value in options.items():
            value = str(value).encode()
            _call(_FSCONFIG, context, 1, name.encode(), value, 0, what=f"fsconfig({name})")
        _call(_FSCONFIG, context, 6, None, None, 0, what=f"fsconfig(create {kind})")
        return _call(_FSMOUNT, context, 1, attributes, what=f"fsmount({kind})")
    finally:
        os.close(context)


def attach(tree, path):
    """Put the detached mounts of the descriptor `tree` at `path`; close the descriptor."""
    try:
        path = os.fsencode(path)
        _call(_MOVE_MOUNT, tree, b"", _AT_FDCWD, path, 4, what=f"move_mount({path})")
    finally:
        os.close(tree)


def set_attributes(tree, attributes):
    """Set attributes of the mounts of a descriptor, all below included."""
    _mount_setattr(tree, b"", _AT_EMPTY_PATH | _AT_RECURSIVE, attributes, 0)


def set_root_attributes(attributes):
    """Set attributes of the mount at /, and of no other."""
    _mount_setattr(_AT_FDCWD, b"/", 0, attributes, 0)


def make_private():
    """Keep mounts and unmounts here from other namespaces, and theirs from here."""
    _mount_setattr(_AT_FDCWD, b"/", _AT_RECURSIVE, 0, _MS_PRIVATE)


def enter_root(folder, pivot_root):
    """Make the mount at `folder` the root, and let go of the old one; `pivot_root`: its number."""
    os.chdir(folder)
    _call(pivot_root, b".", b".", what="pivot_root")
    _checked(_libc.umount2(b".", _MNT_DETACH), "umount of the old root")
    os.chdir("/")


def clear_environment():
    """Drop the variables that only C code sees, and the text that /proc/self/environ shows."""
    _libc.clearenv()
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[47]), int(fields[48])
    if not start < end:
        raise OSError("/proc/self/stat does not say where the environment lies")
    ctypes.memset(start, 0, end - start)


def drop_capabilities():
    """Have no capability, and none to gain."""
    for number in range(64):
        try:
            prctl(PR_CAPBSET_DROP, number)
        except OSError:  # the last one has passed, or an ordinary user: no_new_privs then holds
            break
    prctl(PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    _checked(_libc.capset(header, bytes(24)), "capset")


def set_filter(program):
    """Hold this process and its children to a seccomp filter (struct sock_filter, packed)."""
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    words = (ctypes.c_ulong(_MODE_FILTER), header, ctypes.c_ulong(0), ctypes.c_ulong(0))
    _checked(_libc.prctl(PR_SET_SECCOMP, *words), "seccomp")


def landlock_abi():
    """The version of Landlock that the kernel offers; 0 for none."""
    try:
        return _call(_LANDLOCK_CREATE, None, 0, 1, what="landlock")
    except OSError:
        return 0


def landlock_ruleset(files, network, scopes):
    """A descriptor of a new set of rules that handles these rights."""
    attributes = struct.pack("QQQ", files, network, scopes)
    return _call(_LANDLOCK_CREATE, attributes, len(attributes), 0, what="landlock_create_ruleset")


def landlock_allow(ruleset, descriptor, rights):
    """Allow these rights at the file or folder of a descriptor, and below it."""
    rule = struct.pack("=Qi", rights, descriptor)
    _call(_LANDLOCK_ADD, ruleset, 1, rule, 0, what="landlock_add_rule")


def landlock_enforce(ruleset):
    """Hold this process and its children to the rules, for good."""
    _call(_LANDLOCK_RESTRICT, ruleset, 0, what="landlock_restrict_self")


def _mount_setattr(at, path, flags, attributes, propagation):
    value = struct.pack("QQQQ", attributes, 0, propagation, 0)
    _call(_MOUNT_SETATTR, at, path, flags, value, len(value), what="mount_setattr")


def _call(number, *arguments, what):
    words = [ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *words), what)


def _checked(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
