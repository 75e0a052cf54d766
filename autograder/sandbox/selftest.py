"""Tries a layer: hostile probes and wanted things in a sandbox, against a made-up host."""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from types import SimpleNamespace

from autograder import sandbox
from autograder.sandbox import confine, probes, processes, syscalls

LIMITS = dict(memory=256 << 20, files=4 << 20, processes=16, open_files=64)
# What a layer is known not to keep from student code.
CONCEDED = {"landlock": {"see a secret"}, "namespaces": set(), "none": set()}

_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from autograder.sandbox import selftest; selftest.main(*sys.argv[2:])"
)
_PACKAGE_FOLDER = str(Path(__file__).resolve().parents[2])
_PATIENCE = 10  # seconds, on a busy machine
_VARIABLE = ("AUTOGRADER_PROBE", "value-of-the-host")
_SECRET = b"a secret"


def findings(layer):
    """What is wrong with a layer on this host: a list of sentences, empty if it holds.

    Takes less than a second, in processes of its own.
    """
    shown = json.dumps(sorted({sys.prefix, sys.base_prefix}))
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _START, _PACKAGE_FOLDER, layer, shown],
            env=dict([_VARIABLE]),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=3 * _PATIENCE,
        )
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return ["the self-test does not end"]
    except ValueError:
        return [f"the self-test failed: {(done.stderr.strip() or 'no output').splitlines()[-1]}"]


def main(layer, shown):
    """Print what is wrong with the layer, as a JSON list."""
    limits = sandbox.Limits(**LIMITS)
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    with contextlib.ExitStack() as stack:
        stack.callback(processes.kill_descendants)  # what should not be there any more
        host = _Host(stack, layer, limits)
        report = _inside(layer, limits, host, json.loads(shown))
        found = [report["failed"]] if "failed" in report else []
        achieved = report.get("achieved", {}).items()
        found += [f"student code can {name} ({what})" for name, what in achieved]
        found += [f"{name} does not work: {why}" for name, why in report.get("broken", {}).items()]
        found += host.changes()
    print(json.dumps(found))


def _inside(layer, limits, host, shown):
    """Run the probes in the sandbox; what they found, or why there is none."""
    read, write = os.pipe()
    alive, hold = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            sandbox.enter(
                layer,
                limits,
                visible=[host.target.shown, *shown],
                scratch_files={"data.txt": b"data"},
                keep=[write, hold],
            )
            report = _attempt(layer, host.target)
        except sandbox.SandboxError as error:
            report = {"failed": str(error)}
        except BaseException as error:
            report = {"failed": "".join(traceback.format_exception_only(error)).strip()}
        os.write(write, json.dumps(report).encode() + b"\n")
        os._exit(0)
    os.close(write)
    os.close(hold)
    with open(read, "rb") as results, open(alive, "rb") as living:
        in_time = select.select([results], [], [], _PATIENCE)[0]
        text = results.readline() if in_time else b""
        if not in_time:
            sandbox.kill(pid)
        _, status = os.waitpid(pid, 0)
        if not select.select([living], [], [], 0)[0]:
            return {"failed": "student code can leave a process behind"}
    return json.loads(text) if text else {"failed": f"its process ended early ({status})"}


def _attempt(layer, target):
    broken = probes.broken(target)
    hostile = {n: p for n, p in probes.HOSTILE.items() if n not in CONCEDED[layer]}
    return {"achieved": probes.run(hostile, target), "broken": broken}


class _Host:
    """What there is to attack; `target` says what the attacker knows of it."""

    def __init__(self, stack, layer, limits):
        user = confine.NOBODY if os.geteuid() == 0 else os.geteuid()
        base = Path(tempfile.mkdtemp())
        stack.callback(shutil.rmtree, base, ignore_errors=True)
        self._folder, shown = base / "submissions", base / "shown"
        self._secret = self._folder / "gradebook.db"
        for folder in (self._folder, shown):
            folder.mkdir()
        self._secret.write_bytes(_SECRET)
        (shown / "module.py").write_text("answer = 42\n")
        self._listeners = [
            _listener(stack, family, kind, address)
            for family, kind, address in (
                (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
                (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
                (socket.AF_UNIX, socket.SOCK_STREAM, f"\0autograder-{os.getpid()}"),
                (socket.AF_UNIX, socket.SOCK_STREAM, str(self._folder / "stream")),
                (socket.AF_UNIX, socket.SOCK_DGRAM, str(self._folder / "datagram")),
            )
        ]
        for path in (base, shown, *shown.iterdir(), self._folder, *self._folder.iterdir()):
            os.chown(path, user, -1)  # the student's own, so that only the sandbox protects them
            path.chmod(0o755)
        self._victim = _start_victim(stack, user)
        self._before = self._state()
        self.target = SimpleNamespace(
            layer=layer,
            secret=str(self._secret),
            folder=str(self._folder),
            shown=str(shown),
            pid=self._victim,
            parent=os.getpid(),
            tcp=self._listeners[0].getsockname(),
            udp=self._listeners[1].getsockname(),
            abstract=f"\0autograder-{os.getpid()}",
            stream=str(self._folder / "stream"),
            datagram=str(self._folder / "datagram"),
            variable=_VARIABLE,
            memory=limits.memory,
            files=limits.files,
            processes=limits.processes,
            open_files=limits.open_files,
        )

    def changes(self):
        """What is no longer as it was, as sentences."""
        now = self._state()
        changed = [name for name, value in self._before.items() if now[name] != value]
        return [f"student code can change {name} of the host" for name in changed]

    def _state(self):
        shown = self._folder.parent / "shown"
        paths = [self._folder, shown, *self._folder.iterdir(), *shown.iterdir()]
        facts = {str(path): os.stat(path) for path in sorted(paths)}
        state = {
            "files": {
                path: (f.st_mode, f.st_uid, f.st_size, f.st_mtime_ns) for path, f in facts.items()
            },
            "a secret": self._secret.read_bytes(),
            "what arrives at sockets": len(select.select(self._listeners, [], [], 0)[0]),
        }
        return state | _state_of_process(self._victim)


def _state_of_process(pid):
    alive = os.path.exists(f"/proc/{pid}/exe")
    return {
        "the life of a process": alive,
        "the priority of a process": alive and os.getpriority(os.PRIO_PROCESS, pid),
        "the processors of a process": alive and os.sched_getaffinity(pid),
        "the schedule of a process": alive and os.sched_getscheduler(pid),
        "limits of a process": alive and Path(f"/proc/{pid}/limits").read_text(),
    }


def _listener(stack, family, kind, address):
    listener = stack.enter_context(socket.socket(family, kind))
    listener.bind(address)
    if kind == socket.SOCK_STREAM:
        listener.listen()
    return listener


def _start_victim(stack, user):
    """A process of the student's user that waits to be killed; its pid."""
    victim = os.fork()
    if victim == 0:
        try:
            confine.die_with_parent()
            signal.signal(signal.SIGURG, lambda *_: os._exit(0))
            confine.become(user)
            signal.pause()
        finally:
            os._exit(0)
    stack.callback(_end, victim)
    return victim


def _end(victim):
    with contextlib.suppress(ProcessLookupError, ChildProcessError):  # it was ended before
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
