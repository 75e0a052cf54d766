"""A submission's own folder on the host's disk, for where no file system can be mounted.

A lock says whose process still lives; what a killed one left is removed by the next look (`sweep`).
"""

import contextlib
import fcntl
import os
import secrets
import stat
import tempfile
from pathlib import Path

from autograder.sandbox.errors import SandboxError

_PREFIX = "autograder-scratch-"
_ENTRIES = 4096  # files and folders at most


class Scratch:
    """The folder with its parts `work` and `tmp`; as root, both are given to `uid`.

    lock : a descriptor; while it is open, nobody sweeps the folder away.
    files : name -> bytes, written into `work`.
    """

    def __init__(self, files, uid):
        sweep()
        self.folder, self.lock = _locked_folder()
        self.folder.chmod(0o711)  # the student's user must pass, and need not look
        self.work, self.tmp = self.folder / "work", self.folder / "tmp"
        for path in (self.work, self.tmp):
            path.mkdir(mode=0o700)
        fill(self.work, files)
        if os.geteuid() == 0:
            give([self.work, self.tmp], uid)

    def within(self, size, pid):
        """Whether the folder, and files that `pid` holds without a name, take at most so much."""
        try:
            used, entries = self._used()
            return entries <= _ENTRIES and used + _nameless(pid, self.folder) <= size
        except OSError:  # made so that it cannot be measured
            return False

    def remove(self):
        _remove(self.folder)
        os.close(self.lock)

    def _used(self):
        """Bytes on the disk, and how many entries there are, of which not all may be counted."""
        used = entries = 0
        pending = [self.work, self.tmp]
        while pending and entries <= _ENTRIES:
            for entry in _entries(pending.pop()):
                with contextlib.suppress(FileNotFoundError):
                    used += entry.stat(follow_symlinks=False).st_blocks * 512
                    entries += 1
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        return used, entries


def give(folders, uid):
    """Make folders and all in them this user's."""
    for top in folders:
        for folder, _, names in os.walk(top):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                os.chown(path, uid, uid)


def fill(folder, files):
    """Write name -> bytes into a folder. Raises: SandboxError for a name that leads out."""
    for name, content in files.items():
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise SandboxError(f"the file name {name!r} leads out of the scratch folder")
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def sweep():
    """Remove folders of this user whose process has ended without doing so."""
    with os.scandir(tempfile.gettempdir()) as entries:
        own = [e for e in entries if e.name.startswith(_PREFIX) and not e.is_symlink()]
    for entry in own:
        with contextlib.suppress(OSError):  # it is being made or removed by another process
            if entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                lock = _lock(entry.path, fcntl.LOCK_EX | fcntl.LOCK_NB)
                try:
                    _remove(entry.path)
                finally:
                    os.close(lock)


def _locked_folder():
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            lock = _lock(folder, fcntl.LOCK_EX)
        except FileNotFoundError:
            continue
        if folder.exists():  # not swept between the two steps
            return folder, lock
        os.close(lock)


def _lock(folder, how):
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, how)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _entries(folder):
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _nameless(pid, folder):
    """Bytes of files of this folder's disk that have no name, but are open or mapped in `pid`."""
    files = {}
    disk = folder.stat().st_dev
    for handle in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(f"/proc/{pid}/fd/{handle}")
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 0 and found.st_dev == disk:
                files[found.st_ino] = found.st_blocks * 512
    mapped = 0
    with open(f"/proc/{pid}/maps", "rb") as lines:
        for line in lines:
            if line.endswith(b"(deleted)\n") and bytes(folder) in line:
                start, _, end = line.split()[0].partition(b"-")
                mapped += int(end, 16) - int(start, 16)
    return sum(files.values()) + mapped


def _remove(folder):
    """Remove a folder, however deep or odd its content is.

    What lies in a sub-folder is moved up before that is removed: a tree may be too deep for any
    path or recursion.
    """
    moved, unique = 0, secrets.token_hex(8)
    while entries := _entries(folder):
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            os.chmod(entry.path, 0o700)
            for inner in _entries(entry.path):
                if inner.is_dir(follow_symlinks=False):
                    os.chmod(inner.path, 0o700)  # else it cannot be moved
                os.rename(inner.path, f"{folder}/{unique}-{moved}")
                moved += 1
            os.rmdir(entry.path)
    os.rmdir(folder)
