"""What runs submissions on one machine: warmed zygotes, and a pair of processes a submission."""

import contextlib
import fcntl
import functools
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path

from autograder import imports, sandbox
from autograder.jobs import Result

_PACKAGE_FOLDER = str(Path(__file__).resolve().parents[1])
# Isolated (-I): no environment variable, working folder or user folder adds to the modules.
_START = (
    "import runpy, sys; sys.path.insert(0, sys.argv[3]); "
    "runpy.run_module('autograder.warm', run_name='__main__')"
)
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MPLBACKEND": "agg"} | dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)  # a library that has run several threads before a fork hangs after it
_FOLDER = "autograder-tests-"
_MESSAGE = 65536  # bytes
_KILLED = {-signal.SIGKILL, 128 + signal.SIGKILL}  # exit status; the latter from a waiter
_TRIES = 4  # a zygote may be killed under a submission three times

# Seconds.
_WARMING = 180  # to import everything, on a busy machine
_ANSWER = 60  # for a zygote to fork, or to report the end of a child that was killed
_LOOK = 0.1  # between two looks at memory and clocks
_LAST_WORDS = 5  # for a proctor whose student is gone to write its result
_LEAVE = 0.2  # for a student process to end by itself when its proctor has hung up

_log = logging.getLogger(__name__)


class Lost(Exception):
    """A zygote has ended, and its children with it."""


class NoSandbox(Exception):
    """A student process could not be confined, so no student code ran in it."""


class Closing(Exception):
    """The run is being ended; nothing is wrong with the submission."""


class Host:
    """Runs submissions, from any number of threads; its zygotes start with the first."""

    def __init__(self):
        self._roots, self._zygotes = {}, {}
        self._lock = threading.Lock()
        self.closing = threading.Event()
        # A process dies with the thread that started it, so one thread starts all roots.
        self._starter = ThreadPoolExecutor(1, "zygotes")
        self.folder, self._folder_lock = _own_folder()

    def warm(self, flavour):
        """Let the root of this flavour start, which imports what all notebooks may."""
        with self._lock:
            self._root(flavour)

    def run(self, text, layer):
        """Run the job in `text` (JSON); return (Result, whether to run it once more, alone).

        layer : of the sandbox, as `sandbox.choose` gives it.
        Raises: Closing when `close` is called meanwhile; RuntimeError where no zygote can start or
        no student process can be confined: then there is nothing to run on.
        """
        for _ in range(_TRIES):
            if self.closing.is_set():
                raise Closing
            submission = _Submission(self, text, layer)
            try:
                with submission:
                    return submission.run()
            except (Lost, NoSandbox) as error:
                trouble = error
                _log.warning("%s is run again: %s", submission.student, type(error).__doc__)
                _log.info("%s", error)
        if isinstance(trouble, NoSandbox):
            raise RuntimeError(
                f"the sandbox cannot be set up: {_last_line(str(trouble))}"
            ) from None
        problem = f"The grader's own processes were killed {_TRIES} times while this ran."
        return Result(submission.student, problem=problem), False

    def zygote(self, entry, flavour, modules, layer):
        """The living zygote for this kind of child; a new one if need be."""
        key = entry, flavour, tuple(modules), layer
        with self._lock:
            if self.closing.is_set():
                raise Closing
            if key not in self._zygotes or self._zygotes[key].lost:
                request = {"entry": entry, "modules": modules, "layer": layer}
                self._zygotes[key] = self._root(flavour).grow(request)
            return self._zygotes[key]

    def _root(self, flavour):
        if flavour not in self._roots or self._roots[flavour].lost:
            self._roots[flavour] = self._starter.submit(_start_root, flavour).result()
        return self._roots[flavour]

    def close(self):
        """End all processes and remove all files; submissions that still run end with Closing."""
        self.closing.set()
        with self._lock:
            for zygote in (*self._roots.values(), *self._zygotes.values()):
                zygote.close()
            self._roots.clear()
            self._zygotes.clear()
        self._starter.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._folder_lock)


def _start_root(flavour):
    """The first zygote of a flavour, as a process of its own."""
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    options = json.dumps({"flavour": flavour, "parent": os.getpid()})
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _START, str(theirs.fileno()), options, _PACKAGE_FOLDER],
            env=_ENVIRONMENT,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C is for the supervisor alone
        )

    def end():
        with contextlib.suppress(OSError, sandbox.SandboxError):
            sandbox.kill(process.pid)
        process.kill()
        process.wait()

    return Zygote(control, end)


class Zygote:
    """A warmed process of `autograder.warm`, seen from here.

    control : the socket for requests.
    end : a function that makes sure that the process and all below it are dead.
    root : the zygote that forks it; None for a root.
    """

    def __init__(self, control, end, root=None):
        self._control, self._end, self._root = control, end, root
        self.lost = self._ready = self._closed = False
        self._warming, self._closing = threading.Lock(), threading.Lock()

    def grow(self, request):
        """A zygote that this one, a root, forks when it is ready. Raises: Lost."""
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            child = self._request(request, theirs.fileno())

        def end():
            with child.replies, contextlib.suppress(Lost):
                child.wait_for_pid()
                child.end()

        return Zygote(control, end, self)

    def fork(self, request, source, extra):
        """A new child; `source` and `extra` are descriptors, see autograder/warm.py.

        Raises: Lost.
        """
        child = self._request(request, source, extra)
        try:
            child.wait_for_pid()
        except BaseException:
            child.replies.close()
            raise
        return child

    def _request(self, request, *descriptors):
        """What will become a child. Raises: Lost."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                message = json.dumps(request).encode()
                socket.send_fds(self._control, [message], [theirs.fileno(), *descriptors])
        except OSError:
            ours.close()
            raise self.give_up() from None
        return Child(self, ours)

    def give_up(self):
        """Make sure that the process is dead; return the error to raise."""
        self.lost = True
        self.close()
        return Lost()

    def close(self):
        with self._closing:
            if not self._closed:
                self._closed = True
                self._end()
                self._control.close()

    def wait_until_ready(self):
        """Raises: Lost; RuntimeError where it could not start."""
        if self._root is not None:
            self._root.wait_until_ready()
        with self._warming:
            if self._ready or self.lost:
                return
            self._control.settimeout(_WARMING)
            try:
                message = self._control.recv(_MESSAGE)
            except OSError:
                message = b""
            self._control.settimeout(None)
            if not message:
                raise self.give_up()
            message = json.loads(message)
            if "failed" in message:
                self.give_up()
                raise RuntimeError(f"a warmed process cannot start:\n{message['failed']}")
            self._ready = True


class Child:
    """A child of a zygote: what it and its zygote have said about it.

    pid : of the child; None until the zygote has told it.
    exit : its status, peak memory (bytes) and CPU time (seconds) as a dict; None while it lives.
    failed : why it could not do its work, or "".
    wants_student : whether it waits for an answer to that request.
    killed : whether it was ended from here.
    """

    def __init__(self, zygote, replies):
        self.zygote, self.replies = zygote, replies
        self.pid = self.exit = None
        self.failed = ""
        self.wants_student = self.killed = False

    def hear(self, seconds=None):
        """Take in the next message. Raises: Lost where the zygote is gone or too slow."""
        self.replies.settimeout(seconds)
        try:
            message = self.replies.recv(_MESSAGE)
        except OSError:
            message = b""
        if not message:
            raise self.zygote.give_up()
        message = json.loads(message)
        if "exit" in message:
            self.exit = message
        elif "failed" in message:
            self.failed = message["failed"]
        elif "spawn" in message:
            self.wants_student = True
        else:
            self.pid = message["pid"]

    def wait_for_pid(self):
        while self.pid is None:
            self.hear(_ANSWER)

    def wait(self, seconds):
        """Whether it ended by itself within this time."""
        deadline = time.monotonic() + seconds
        while self.exit is None and wait([self.replies], max(0, deadline - time.monotonic())):
            self.hear()
        return self.exit is not None

    def end(self):
        """Kill it and all that it started, and wait until the zygote says so."""
        if not self.wait(0):  # what has ended already may have left its number to another
            self.killed = True
            try:
                sandbox.kill(self.pid)
            except sandbox.SandboxError:
                raise self.zygote.give_up() from None
            while self.exit is None:
                self.hear(_ANSWER)


class _Submission:
    """One run of a job: a proctor, and one student process after another."""

    def __init__(self, host, text, layer):
        job = json.loads(text)
        self.student, self.limits = job["student"], sandbox.Limits.from_dict(job["limits"])
        self._host, self._text, self._layer = host, text, layer
        self._modules = sorted(job["imports"] or [])
        self._flavour = job["flavour"]
        self._tests_modules = sorted({*self._modules, *_imported_by_instructor(job)})
        self._students, self._proctor = [], None
        self._socket = None  # to a student process that the proctor has not asked for yet
        self._peak, self._notes = 0, []
        self._timed_out = self._over = self._again = False
        sent = {name: job[name] for name in ("limits", "seed", "files")}
        self._sent = json.dumps({**sent, "imports": _importable(job)})

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        folder = tempfile.TemporaryDirectory(dir=self._host.folder, ignore_cleanup_errors=True)
        self._folder = self._stack.enter_context(folder)
        self._input = self._memory_file(self._sent)
        self._result = self._memory_file("")
        return self

    def __exit__(self, *_):
        children = [*self._students, *([self._proctor] if self._proctor else [])]
        with self._stack:
            for child in children:
                self._stack.callback(child.replies.close)
                with contextlib.suppress(Lost):
                    child.end()
            if self._socket is not None:
                self._socket.close()

    def run(self):
        """(Result, whether to run it once more, alone). Raises: Lost, Closing."""
        # Both warm up at the same time, and before the clock runs.
        zygotes = [
            self._zygote("student", self._modules),
            self._zygote("proctor", self._tests_modules),
        ]
        for zygote in zygotes:
            zygote.wait_until_ready()
        self._start = time.monotonic()
        self._add_student()
        source = self._memory_file(self._text)
        self._proctor = zygotes[1].fork({"folder": self._folder}, source, self._result)
        look = self._start + _LOOK
        while self._proctor.exit is None:
            self._listen(max(0, look - time.monotonic()))
            if time.monotonic() >= look:
                self._look()
                look = time.monotonic() + _LOOK
        self._end_student()
        return self._conclude()

    def _memory_file(self, text):
        file = os.memfd_create("job")
        self._stack.callback(os.close, file)
        with open(file, "w", encoding="utf-8", closefd=False) as writer:
            writer.write(text)
        return file

    def _zygote(self, entry, modules):
        return self._host.zygote(entry, self._flavour, modules, self._layer)

    def _add_student(self):
        zygote = self._zygote("student", self._modules)
        ours, theirs = socket.socketpair()
        self._socket = ours
        with theirs:
            self._students.append(zygote.fork({}, self._input, theirs.fileno()))

    def _end_student(self):
        """Make sure that the newest student process is gone, and note how it went."""
        child = self._students[-1]
        child.wait(_LEAVE)  # so that the end of one that ends by itself is not taken for ours
        child.end()
        self._peak = max(self._peak, child.exit["peak"])
        if child.exit["cpu"] >= self.limits.cpu:
            self._timed_out = True
            self._note(f"It used more than {self.limits.cpu:g} s of CPU time.")
        elif child.exit["exit"] == sandbox.OVER_LIMIT:
            self._note("It took too many files or threads and was stopped.")
        elif child.exit["exit"] in _KILLED and not child.killed:
            self._again = True
            self._note("One of its processes was killed from outside.")

    def _listen(self, seconds):
        """Wait for messages of the two processes for at most this time, and act on them."""
        living = [c for c in (self._proctor, self._students[-1]) if c.exit is None]
        for replies in wait([child.replies for child in living], seconds):
            next(child for child in living if child.replies is replies).hear()
        if self._students[-1].failed:
            raise NoSandbox(self._students[-1].failed)
        if self._proctor.wants_student:
            self._proctor.wants_student = False
            self._give_student()

    def _give_student(self):
        """Answer the proctor with a student process of its own, or with why there is none."""
        if self._over:
            answer, descriptors = {"refused": self._notes[-1]}, []
        else:
            if self._socket is None:
                self._end_student()
                self._add_student()
            answer, descriptors = {}, [self._socket.fileno()]
        with contextlib.suppress(OSError):  # the proctor has just ended
            socket.send_fds(self._proctor.replies, [json.dumps(answer).encode()], descriptors)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _look(self):
        """Hold the processes to the limits."""
        if self._host.closing.is_set():
            raise Closing
        student, limits = self._students[-1], self.limits
        spent = time.monotonic() - self._start
        if not self._over and spent > limits.wall:
            self._timed_out = self._over = True
            self._note(f"It ran longer than {limits.wall:g} s and was stopped.")
            student.end()
        if spent > limits.wall + _LAST_WORDS:
            self._proctor.end()
        if student.exit is None:
            used = sandbox.memory_of(student.pid, enough=limits.memory)
            self._peak = max(self._peak, used)
            if used > limits.memory:
                self._note(f"It used more than {limits.memory / 2**20:,.0f} MiB of memory.")
                student.end()
        if (proctor := self._proctor).exit is None:
            enough = 2 * limits.memory  # it holds what crosses, and what that is compared with
            if sandbox.memory_of(proctor.pid, enough=enough) > enough:
                self._note("Its tests used too much memory.")
                proctor.end()

    def _note(self, sentence):
        if sentence not in self._notes:
            self._notes.append(sentence)

    def _conclude(self):
        proctor, wall = self._proctor, time.monotonic() - self._start
        result = Result(self.student)
        if proctor.exit["exit"] == 0:
            with open(self._result, encoding="utf-8", closefd=False) as file:
                file.seek(0)
                result = Result.from_json(file.read())
        elif not self._notes:  # neither a clock nor the memory ended it
            self._again = True
            reason = _last_line(proctor.failed).partition(":")[0] or f"exit {proctor.exit['exit']}"
            self._note(f"The grader's own process for its tests failed ({reason}).")
            _log.error("the proctor of %s:\n%s", self.student, proctor.failed)
        problem = " ".join(filter(None, [result.problem, *self._notes]))
        result = replace(
            result,
            problem=problem,
            timed_out=result.timed_out or self._timed_out,
            overhead=max(0.0, wall - result.seconds),
            peak_memory=max(self._peak, result.peak_memory),
        )
        return result, result.timed_out or self._again


def _own_folder():
    """A new folder and a descriptor that locks it; what a killed process has left is removed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with contextlib.suppress(OSError):  # another user's, or another process removes it
            lock = _lock(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER))
    return folder, _lock(folder)


def _lock(folder):
    """Raises: OSError where another process holds the lock."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _importable(job):
    """The modules that import statements may name: the allowed ones and the instructor's."""
    if job["imports"] is None:
        return None
    names = {module.partition(".")[0] for module in _imported_by_instructor(job)}
    return sorted(names.union(job["imports"]) - {""})


def _imported_by_instructor(job):
    """What the locked cells of the notebook import, tests included."""
    cells = job["notebook"]["cells"]
    locked = (cell for cell in cells if cell.get("metadata", {}).get("nbgrader", {}).get("locked"))
    return frozenset().union(*(_imported("".join(cell["source"])) for cell in locked))


@functools.lru_cache(256)
def _imported(source):
    return frozenset(module for module, _ in imports.scan(source) if not module.startswith("."))


def _last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
