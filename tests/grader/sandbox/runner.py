"""Runs code in the sandbox; for the scripts of these tests, which run in processes of their own."""

import ctypes
import json
import os
import select
import struct
import time
import traceback

from autograder import sandbox
from autograder.sandbox import syscalls

_LANDLOCK_CREATE = 444
_UNSHARE = {"x86_64": 272, "aarch64": 97}[os.uname().machine]


class Confined:
    """A process that runs `source` in the sandbox; there it calls say(value) for `said`.

    pid : of the waiter.
    """

    def __init__(self, layer, source, limits=None, keep=(), prepare=None, **options):
        read, self._write = os.pipe()
        os.set_inheritable(self._write, True)
        self._results = read
        self._start = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(read)
            self._run(layer, source, sandbox.Limits(**(limits or {})), keep, prepare, options)
        os.close(self._write)

    def _run(self, layer, source, limits, keep, prepare, options):
        try:
            if prepare is not None:
                prepare()
            sandbox.enter(
                layer,
                limits,
                **{"visible": [], "scratch_files": {}, **options},
                keep=[self._write, *keep],
            )
            self._say({"ms": 1e3 * (time.monotonic() - self._start)})
            exec(source, {"say": lambda value: self._say({"said": value})})
        except BaseException as error:
            self._say({"failed": "".join(traceback.format_exception_only(error)).strip()})
            os._exit(1)
        os._exit(0)

    def _say(self, message):
        os.write(self._write, json.dumps(message).encode() + b"\n")

    def first(self):
        """The next that it says."""
        with open(self._results, "rb", buffering=0, closefd=False) as results:
            for line in iter(results.readline, b""):
                message = json.loads(line)
                if "said" in message:
                    return message["said"]
                if "failed" in message:
                    raise RuntimeError(message["failed"])
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        raise RuntimeError(f"it ended early, with status {status}")

    def result(self, timeout=20):
        """How it ended: a dict of `said` (a list), `failed`, `status`, `ms`."""
        outcome = {"said": [], "failed": ""}
        deadline = time.monotonic() + timeout
        text = b""
        while select.select([self._results], [], [], max(0, deadline - time.monotonic()))[0]:
            part = os.read(self._results, 65536)
            if not part:
                break
            text += part
        else:
            sandbox.kill(self.pid)
            outcome["failed"] = "does not end"
        os.close(self._results)
        for line in text.splitlines():
            for name, value in json.loads(line).items():
                if name == "said":
                    outcome["said"].append(value)
                else:
                    outcome[name] = value
        outcome["status"] = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return outcome


def confined(layer, source, **options):
    return Confined(layer, source, **options).result()


def forbid(*layers):
    """Make this process one on whose host these layers are not to be had."""
    numbers = {"namespaces": (_UNSHARE, 1), "landlock": (_LANDLOCK_CREATE, 95)}
    steps = [struct.pack("HBBI", 0x20, 0, 0, 0)]
    for number, error in (numbers[layer] for layer in layers):
        steps += [
            struct.pack("HBBI", 0x15, 0, 1, number),
            struct.pack("HBBI", 6, 0, 0, 0x50000 | error),
        ]
    steps.append(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    syscalls.set_filter(b"".join(steps))


def break_step(name):
    """Make one function of the sandbox fail, as the kernel may make it."""
    import importlib

    module, _, function = name.rpartition(".")

    def fail(*_, **__):
        raise OSError(1, f"{name} is broken")

    setattr(importlib.import_module(f"autograder.sandbox.{module}"), function, fail)


def libc():
    return ctypes.CDLL(None, use_errno=True)
