"""The strongest layer: namespaces of its own for all that Linux can divide.

The process sees a file system made for it, itself and its descendants, and no network. It is the
first of its processes: with it, all others end.
"""

import contextlib
import os
import stat
from pathlib import Path

from autograder.sandbox import confine, scratch, seccomp, syscalls
from autograder.sandbox.syscalls import NODEV, NOEXEC, NOSUID, RDONLY

_ALL_BUT_USERS = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNET
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWCGROUP
)
_ID = 1000  # of the user and the group, as seen inside
_NEW = Path("/tmp")  # where the new tree is put up; the host's is not changed by it
_PRIVATE = Path("/private")  # the one file system that can be written
_WORK, _TMP, _SHM = _PRIVATE / "work", _PRIVATE / "tmp", _PRIVATE / "shm"
_BLANK = Path("/blank")
_INODES = 16384
_ACCOUNTS = {
    "passwd": f"student:x:{_ID}:{_ID}::{_WORK}:/bin/sh\n",
    "group": f"student:x:{_ID}:\n",
}
_STATIC = ("cpuinfo", "meminfo", "stat")  # of /proc, for libraries that ask what the machine has


def enter(limits, *, visible, hidden, scratch_files, keep, uid):
    """Confine a child of this process and return in it; see `autograder.sandbox.enter`."""
    loaded = confine.begin(keep)
    root = _leave_namespaces(uid)
    if child := confine.fork():
        confine.wait(child)
    own = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY)  # which the new tree may lack
    syscalls.make_private()
    syscalls.set_host_name("sandbox")
    _build(limits, visible, hidden)
    scratch.fill(_inside(_WORK), scratch_files)
    if root:
        scratch.give([_inside(path) for path in (_WORK, _TMP, _SHM)], uid or confine.NOBODY)
    syscalls.enter_root(_NEW, seccomp.number("pivot_root", seccomp.machine()))
    syscalls.set_root_attributes(RDONLY | NOSUID | NODEV)
    confine.become(uid)
    # Once more, also for an ordinary user: this namespace owns none of the others, so no
    # capability in it reaches them, and its processes are counted from this one on.
    _leave_users(syscalls.CLONE_NEWUSER, own)
    confine.finish(
        limits, loaded=loaded, processes=limits.processes, keep=keep, work=_WORK, tmp="/tmp"
    )
    seccomp.enforce(shared=False)


def _leave_namespaces(uid):
    """Enter new namespaces; return whether this is still root, in its namespace of users."""
    if os.geteuid() == 0:
        with contextlib.suppress(PermissionError):  # the root of a container may not
            syscalls.unshare(_ALL_BUT_USERS)
            return True
        confine.become(uid)
    own = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY)
    _leave_users(_ALL_BUT_USERS | syscalls.CLONE_NEWUSER, own)
    return False


def _leave_users(flags, own):
    """Enter a new namespace of users, in which this user is an ordinary one.

    own : descriptor of /proc/self.
    """
    ids = {"uid_map": os.geteuid(), "gid_map": os.getegid()}
    syscalls.unshare(flags)
    _write("setgroups", "deny", own)
    for name, outside in ids.items():
        _write(name, f"{_ID} {outside} 1", own)
    os.close(own)


def _write(name, text, folder):
    file = os.open(name, os.O_WRONLY, dir_fd=folder)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def _build(limits, visible, hidden):
    """Put up the new tree at _NEW."""
    links = [path for path in confine.SYSTEM if os.path.islink(path)]
    system = [path for path in confine.SYSTEM if path not in links]
    shown = [*system, *confine.SETTINGS, *confine.DEVICES]
    shown = [path for path in shown if os.path.exists(path)]
    shown += [p for p in confine.absolute(visible) if not confine.lies_within(p, shown)]
    # All is taken hold of before /tmp is covered.
    copies = {path: _copy(path) for path in shown}

    syscalls.attach(syscalls.new_filesystem("tmpfs", NOSUID | NODEV, mode="755"), _NEW)
    for path in links:
        os.symlink(os.readlink(path), _inside(path))
    for path in ("/etc", "/proc", "/dev", "/tmp", _PRIVATE, _BLANK):
        _inside(path).mkdir()
    for name, text in _ACCOUNTS.items():
        _inside(f"/etc/{name}").write_text(text)
    os.symlink("/proc/self/fd", _inside("/dev/fd"))
    _add_private(limits)
    _add_proc()
    for path, copy in copies.items():
        _attach(copy, path)
    _hide(hidden)


def _copy(path):
    """A detached copy of what is at a path of the host, read-only."""
    copy = syscalls.open_tree(path)
    device = path in confine.DEVICES
    syscalls.set_attributes(copy, RDONLY | NOSUID | (NOEXEC if device else NODEV))
    return copy


def _attach(copy, path):
    """Put a copy at a path of the new tree, whose folders are made."""
    inside = _inside(path)
    if stat.S_ISDIR(os.fstat(copy).st_mode):
        inside.mkdir(parents=True, exist_ok=True)
    elif not inside.exists():
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.touch()
    syscalls.attach(copy, inside)


def _add_private(limits):
    """The one file system that can be written, for the scratch folder, /tmp and /dev/shm."""
    sizes = {"size": limits.files, "nr_inodes": _INODES, "mode": "755"}
    syscalls.attach(syscalls.new_filesystem("tmpfs", NOSUID | NODEV, **sizes), _inside(_PRIVATE))
    for path, place in ((_WORK, None), (_TMP, "/tmp"), (_SHM, "/dev/shm")):
        _inside(path).mkdir(mode=0o700)
        if place:
            _attach(syscalls.open_tree(_inside(path)), place)


def _add_proc():
    """/proc of the new namespace; a container that masks its own forbids that."""
    flags = RDONLY | NOSUID | NODEV | NOEXEC
    try:
        syscalls.attach(syscalls.new_filesystem("proc", flags), _inside("/proc"))
    except PermissionError:
        for name in _STATIC:
            _inside(f"/proc/{name}").write_bytes(Path("/proc", name).read_bytes())


def _hide(hidden):
    """Cover these paths of the new tree with something blank that cannot be opened."""
    (_inside(_BLANK) / "folder").mkdir(mode=0)
    (_inside(_BLANK) / "file").touch(mode=0)
    for path in sorted({*hidden, *map(os.path.realpath, hidden)}):
        inside = _inside(path)
        if os.path.lexists(inside) and not inside.is_symlink():
            kind = "folder" if inside.is_dir() else "file"
            syscalls.attach(syscalls.open_tree(_inside(_BLANK) / kind), inside)


def _inside(path):
    return Path(f"{_NEW}{path}")
