"""Warmed processes (zygotes) that fork a child for each request: imports are paid once.

    python -m autograder.warm FD OPTIONS-JSON

FD is a SOCK_SEQPACKET socket to the supervisor, the zygote's control. OPTIONS has `flavour`
("numpy" or "torch") and the pid of the supervisor as `parent`. This first zygote, the root, imports
what all notebooks may, once. Its children are zygotes, too: one forks students, one forks proctors.

The first message out of a control is {"ready": seconds} or {"failed": why}. A request comes with
descriptors: a socket for what there is to say about this child, and what it needs besides:

    root     {"entry": "student" or "proctor", "modules": to import, "layer": of the sandbox}
             the control of the new zygote
    student  {}                a file with its input, its socket to the proctor
    proctor  {"folder": path}  a file with its input, a file for the result

Said are {"pid": n} and, at the end, {"exit": status, "peak": bytes, "cpu": seconds}; by the child
itself {"failed": why} or, a proctor, {"spawn": true}, to which the answer is a student's socket or
{"refused": why}.

A zygote holds no secret, runs one thread and ends with its parent, its children with it.
"""

import base64
import contextlib
import ctypes
import gc
import importlib
import json
import os
import random
import select
import signal
import socket
import sys
import sysconfig
import time
import traceback
from pathlib import Path

from autograder import imports, sandbox

_MESSAGE = 65536  # bytes; larger things travel in files
_PR_SET_PDEATHSIG, _PR_SET_NAME, _MADV_COLLAPSE = 1, 15, 25
_HUGE_PAGE = 2 << 20  # bytes
_ALWAYS = (
    *("numpy", "numpy.random", "numpy.linalg", "numpy.fft", "numpy.polynomial", "numpy.testing"),
    *("matplotlib.pyplot", "autograder.checks"),
)
_TORCH = ("torch", "torchgen", "functorch", "torchvision", "torchaudio")
_PROJECT, _LIBRARY = Path(__file__).resolve().parents[1], "site-packages"
_libc = ctypes.CDLL(None, use_errno=True)


class Root:
    """Children that are zygotes."""

    def __init__(self, flavour):
        _import_common(flavour)
        self._flavour = flavour

    def run(self, request, reply, control):
        reply.close()
        make = ENTRIES[request["entry"]]
        _libc.prctl(_PR_SET_NAME, request["entry"].encode(), 0, 0, 0)
        _be_zygote(control, lambda: make(self._flavour, request["modules"], request["layer"]))


class Student:
    """Children that run a student's cells in the sandbox."""

    def __init__(self, flavour, modules, layer):
        from autograder.student import server, shell

        if layer not in sandbox.LAYERS:
            raise ValueError(f"the sandbox has no layer {layer!r}")
        self._serve = server.serve
        self._layer = layer
        self._shell = shell.Shell(sandbox.Limits().output)
        _import_also(modules)
        self._visible, self._hidden = _view(modules, flavour)
        _warm(self._shell)
        project = str(Path(__file__).resolve().parents[1])
        sys.path[:] = [path for path in sys.path if path != project]  # it holds the solutions

    def run(self, request, reply, source, extra):
        job = json.loads(_content(source))
        limits = sandbox.Limits.from_dict(job["limits"])
        captures = self._shell.open(limits.output)
        sandbox.enter(
            self._layer,
            limits,
            visible=self._visible,
            hidden=self._hidden,
            scratch_files={name: base64.b64decode(text) for name, text in job["files"].items()},
            keep=[reply.fileno(), extra, *captures],
        )
        reply.close()  # from here on nothing but the proctor can be reached
        sys.path.append(os.getcwd())  # as in Jupyter, but behind everything else
        _seed(job["seed"])
        self._shell.restrict(job["imports"])
        self._serve(socket.socket(fileno=extra), self._shell)


class Proctor:
    """Children that run the tests of a submission; trusted."""

    def __init__(self, flavour, modules, layer):
        from autograder import jobs, proctor

        self._jobs, self._proctor = jobs, proctor
        _import_also(modules)

    def run(self, request, reply, source, extra):
        job = self._jobs.Job.from_json(_content(source))
        os.chdir(request["folder"])
        for name, content in job.files.items():
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        _seed(job.seed)
        result = self._proctor.run(job, lambda: _ask_for_student(reply))
        with open(extra, "w", encoding="utf-8") as file:
            file.write(result.to_json())


ENTRIES = {"student": Student, "proctor": Proctor}


def main(descriptor, options):
    """Be the root until the supervisor is gone."""
    _die_with(options["parent"])
    _be_zygote(descriptor, lambda: Root(options["flavour"]))


def _be_zygote(control, make):
    """Warm up, then serve requests until nobody can make any."""
    start = time.monotonic()
    control = socket.socket(fileno=control)
    gc.disable()  # what is imported stays
    try:
        entry = make()
        if (threads := len(os.listdir("/proc/self/task"))) > 1:
            raise RuntimeError(f"{threads} threads run after the imports; a fork needs one")
    except Exception:
        _send(control, failed=traceback.format_exc(limit=-5))
        raise SystemExit(1) from None
    gc.freeze()  # the collector of a child need not touch, and so copy, what is here
    gc.enable()
    _libc.malloc_trim(0)
    if not isinstance(entry, Root):  # its children could no longer do so with what is shared
        _use_huge_pages()
    _send(control, ready=time.monotonic() - start)
    _Zygote(control, entry).serve()


class _Zygote:
    def __init__(self, control, entry):
        self._control, self._entry = control, entry
        self._children = {}  # pidfd -> (pid, reply socket)
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def serve(self):
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._children:
                    self._reap(descriptor)
                elif not self._fork():
                    return

    def _fork(self):
        """Take one request; False if the supervisor is gone."""
        message, descriptors, _, _ = socket.recv_fds(self._control, _MESSAGE, 3)
        if not message:
            return False
        reply, *others = descriptors
        zygote, pid = os.getpid(), os.fork()
        if pid == 0:
            self._be_child(zygote, json.loads(message), reply, others)
        for other in others:
            os.close(other)
        answers = socket.socket(fileno=reply)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = pid, answers
        self._poll.register(pidfd, select.POLLIN)
        _send(answers, pid=pid)
        return True

    def _reap(self, pidfd):
        pid, answers = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status, usage = os.wait4(pid, 0)
        _send(
            answers,
            exit=os.waitstatus_to_exitcode(status),
            peak=usage.ru_maxrss * 1024,
            cpu=usage.ru_utime + usage.ru_stime,
        )
        answers.close()

    def _be_child(self, zygote, request, reply, others):
        """Run the entry; never return."""
        status = 1
        try:
            _die_with(zygote)
            answers = socket.socket(fileno=reply)
            self._control.close()
            for pidfd, (_, other) in self._children.items():
                os.close(pidfd)
                other.close()
            self._entry.run(request, answers, *others)
            status = 0
        except BaseException:
            _send(answers, failed=traceback.format_exc(limit=-5))
        finally:
            os._exit(status)  # no clean-up of the zygote's things


def _send(to, **message):
    with contextlib.suppress(OSError):  # who no longer listens need not know
        to.send(json.dumps(message).encode()[:_MESSAGE])


def _content(file):
    """The text in an open file, from its start; closes it."""
    with open(file, encoding="utf-8") as reader:
        reader.seek(0)
        return reader.read()


def _ask_for_student(reply):
    """A connected socket to a new student process. Raises: ConnectionError if there is none."""
    reply.send(b'{"spawn": true}')
    message, descriptors, _, _ = socket.recv_fds(reply, _MESSAGE, 1)
    if not descriptors:
        refused = json.loads(message)["refused"] if message else "the supervisor is gone"
        raise ConnectionError(refused)
    return socket.socket(fileno=descriptors[0])


def _die_with(parent):
    """Be killed when the parent ends, or the thread of it that started this process."""
    if _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it ended just before
        os._exit(1)


def _import_common(flavour):
    """Import what all notebooks may, so that a fork has it."""
    import matplotlib

    matplotlib.use("agg")
    if flavour == "numpy":
        sys.meta_path.insert(0, _NoTorch())
    else:
        import torch
        import torch._dynamo
        import torch.optim
        import torch.testing

        torch.set_num_threads(1)
    for module in _ALWAYS:
        _import(module)


def _import_also(modules):
    """Import what the notebooks of an assignment may."""
    for module in modules:
        _import(module)
        # What the functions of the project's own modules import when they are called.
        file = getattr(sys.modules.get(module), "__file__", None)
        if file is not None and Path(file).is_relative_to(_PROJECT) and _LIBRARY not in file:
            for inner, _ in imports.scan(Path(file).read_text(encoding="utf-8")):
                _import(inner)


def _import(module):
    """Import a module; where that fails, the cell that asks for it will tell."""
    with contextlib.suppress(Exception):
        importlib.import_module(module)


def _use_huge_pages():
    """Put this process's memory on pages of 2 MiB, where the kernel can: a fork copies the list of
    pages, 60,000 of 4 KiB with torch, which takes most of the time of a fork and of an exit.
    """
    _libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    with open("/proc/self/maps", encoding="ascii") as file:
        regions = [line.split() for line in file]
    for addresses, access, _, _, inode, *name in regions:
        if access == "rw-p" and inode == "0" and name in ([], ["[heap]"]):
            start, end = (int(address, 16) for address in addresses.split("-"))
            start = -(-start // _HUGE_PAGE) * _HUGE_PAGE
            if (length := (end - start) // _HUGE_PAGE * _HUGE_PAGE) > 0:
                _libc.madvise(start, length, _MADV_COLLAPSE)  # since Linux 6.1; else an error


class _NoTorch:
    """Makes torch as absent as the sandbox makes it."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in _TORCH:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _warm(shell):
    """First uses that cost time: fonts, the display of figures, the format of tracebacks."""
    for source in ("import matplotlib.pyplot as plt\nplt.plot([0, 1])\nplt.title('$x$')", "1 / 0"):
        shell.run(source, "warm")
    shell.close()


def _view(modules, flavour):
    """What a student process may see beyond the system's files, and what not: two lists of paths.

    Of the project only the modules that the assignment allows: a submission must not read the
    reference of its own chapter.
    """
    library = [Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")]
    visible = {sys.prefix, sys.base_prefix}
    for module in modules:
        file = getattr(sys.modules.get(module), "__file__", None)
        if file is not None:
            path = Path(file)
            visible.add(str(path.parent if path.name == "__init__.py" else path))
    visible = {path for path in visible if not Path(path).is_relative_to("/usr")}
    names = ["autograder", "book", "solutions"] + (list(_TORCH) if flavour == "numpy" else [])
    hidden = {str(folder / name) for folder in library for name in names}
    return sorted(visible), sorted(path for path in hidden if os.path.exists(path))


def _seed(seed):
    """Fresh random states: all forks of a process begin with the same ones."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)
    if torch := sys.modules.get("torch"):
        torch.default_generator.manual_seed(seed)  # no other device is there, and 4 ms less


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
