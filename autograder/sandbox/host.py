"""What this host offers to confine student code, and what to do where that is not enough."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from autograder.sandbox import landlock, scratch, seccomp, selftest, syscalls
from autograder.sandbox.errors import SandboxError

CONFINING = ("namespaces", "landlock")  # the strongest first

_SETTINGS = {
    # path below /proc/sys -> (the value that forbids namespaces, the command that allows them)
    "kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    "kernel/unprivileged_userns_clone": ("0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
    "user/max_user_namespaces": ("0", "sudo sysctl -w user.max_user_namespaces=10000"),
}
_CONTAINER = (
    "in a container: start it with `--security-opt seccomp=unconfined --security-opt "
    "apparmor=unconfined --security-opt systempaths=unconfined`, or `--privileged`"
)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: whether it is as it should be, and what to do if not."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


def choose(unsafe=False):
    """The strongest layer that works here, shown by a self-test of less than a second.

    unsafe : return "none" where there is no layer, instead of raising.

    Raises: SandboxError that says why each layer fails and what to do.
    """
    if not sys.platform.startswith("linux"):
        raise SandboxError("grading needs Linux; use a Linux machine, a container or WSL 2")
    scratch.sweep()
    reasons = []
    for layer in CONFINING:
        check = _check_layer(layer)
        if check.ok:
            return layer
        reasons.append(f"{layer}: {check.detail}; {check.advice}")
    if unsafe:
        return "none"
    raise SandboxError(
        "this host offers no way to confine student code, so nothing was run.\n"
        + "".join(f"  {reason}.\n" for reason in reasons)
        + "Or grade with --unsafe, if you trust every submission as your own code."
    )


def doctor():
    """What this host offers, as a list of Check; the last tells which layer is used."""
    checks = [_check_machine()]
    if not checks[0].ok:
        return checks
    layers = {layer: _check_layer(layer) for layer in CONFINING}
    used = next((layer for layer, check in layers.items() if check.ok), None)
    last = (
        Check("sandbox", True, f"student code runs in the layer {used!r}")
        if used
        else Check("sandbox", False, "student code is not run here", "mend one of the layers above")
    )
    return [*checks, _check_user(), *layers.values(), last]


def _check_machine():
    system = os.uname()
    detail = f"{system.sysname} {system.release} on {system.machine}"
    if system.sysname != "Linux":
        return Check("machine", False, detail, "use Linux, a container or WSL 2")
    try:
        seccomp.machine()
    except SandboxError as error:
        return Check("machine", False, detail, str(error))
    return Check("machine", True, detail)


def _check_user():
    if os.geteuid() == 0:
        return Check("user", True, "root: student code runs as the user nobody")
    return Check("user", True, f"user {os.geteuid()}: student code runs under this user, confined")


def _check_layer(layer):
    found = selftest.findings(layer)
    if not found:
        return Check(layer, True, _ABOUT[layer]())
    return Check(layer, False, "; ".join(found[:3]), _ADVICE[layer]())


def _advice_on_namespaces():
    commands = [
        command for setting, (forbids, command) in _SETTINGS.items() if _setting(setting) == forbids
    ]
    if commands:
        return "allow them: " + " && ".join(commands)
    if any(os.path.exists(mark) for mark in ("/.dockerenv", "/run/.containerenv")):
        return _CONTAINER
    return "use Linux 5.12 or newer, with user namespaces allowed"


def _advice_on_landlock():
    if syscalls.landlock_abi() >= landlock.LEAST_ABI:
        return "put Python and the course where every user can read them"
    return "use Linux 6.12 or newer, with landlock among the kernel's security modules (lsm=)"


def _setting(name):
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return None


_ABOUT = {
    "namespaces": lambda: "student code has its own files, processes and no network",
    "landlock": lambda: (
        f"Landlock ABI {syscalls.landlock_abi()}: student code opens nothing of the host and "
        "starts no process, but can see names and sizes of files that it guesses"
    ),
}
_ADVICE = {"namespaces": _advice_on_namespaces, "landlock": _advice_on_landlock}
