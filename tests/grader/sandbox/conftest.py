"""The tests run scripts in fresh processes, as root and as an ordinary user, under every layer."""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

import autograder

ORDINARY = 54321  # a user that need not exist
_START = "import runpy, sys; sys.path[:0] = sys.argv[2:]; runpy.run_path(sys.argv[1])"

_ASK = """
import os, sys
sys.path.insert(0, sys.argv[1])
from autograder.sandbox import syscalls
if sys.argv[2] == "landlock":
    sys.exit(syscalls.landlock_abi() < 6)
user = os.geteuid()
syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
open("/proc/self/setgroups", "w").write("deny")
open("/proc/self/uid_map", "w").write(f"{user} {user} 1")
syscalls.attach(syscalls.new_filesystem("tmpfs", 0), "/tmp")
"""


@pytest.fixture(scope="session")
def place():
    """A folder that every user can read, with the sandbox, `runner` and the scripts."""
    folder = Path(tempfile.mkdtemp(prefix="sandbox-tests-"))
    package = Path(autograder.__file__).parent
    (folder / "autograder").mkdir()
    shutil.copy(package / "__init__.py", folder / "autograder")
    shutil.copytree(package / "sandbox", folder / "autograder" / "sandbox")
    shutil.copy(Path(__file__).with_name("runner.py"), folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=["root", "user"])
def who(request):
    """Under whom a script runs: a SimpleNamespace with `name` and `python`, an interpreter."""
    return _person(request.param)


@pytest.fixture
def user():
    return _person("user")


@pytest.fixture
def root():
    return _person("root")


@pytest.fixture(params=["namespaces", "landlock"])
def layer(request):
    return request.param


@pytest.fixture
def run(place):
    """A function that runs a script and returns what it printed, read as JSON.

    The test is skipped where the kernel does not offer the person a layer that the script, its
    arguments or `needs` name.
    """

    def run(who, text, *arguments, needs=(), python=None, paths=(), timeout=60, **options):
        for layer in ("namespaces", "landlock"):
            named = layer in needs or layer in arguments or f'"{layer}"' in text
            if named and not _offers(layer, who.name, place):
                pytest.skip(f"this host does not offer the layer {layer!r} to {who.name}")
        script = place / f"script-{os.urandom(4).hex()}.py"
        script.write_text(text)
        script.chmod(0o755)
        done = subprocess.run(
            [python or who.python, "-I", "-S", "-c", _START, script, place, *paths],
            input=json.dumps(arguments),
            capture_output=True,
            text=True,
            cwd="/",
            timeout=timeout,
            **who.options,
            **options,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@functools.cache
def _offers(layer, name, place):
    """Whether the kernel has what a layer is made of, asked without the layer's own code."""
    who = _person(name)
    command = [who.python, "-I", "-c", _ASK, place, layer]
    return subprocess.run(command, capture_output=True, cwd="/", **who.options).returncode == 0


def _person(name):
    if name == "root" and os.geteuid() != 0:
        pytest.skip("this needs to be run as root")
    python = _interpreter()
    if python is None:
        pytest.skip("no Python 3.11 or newer that every user can run")
    changed = name == "user" and os.geteuid() == 0
    options = {"user": ORDINARY, "group": ORDINARY, "extra_groups": []} if changed else {}
    return SimpleNamespace(name=name, python=python, options=options)


@functools.cache
def _interpreter():
    """A Python 3.11 or newer that every user can run, as the sandbox's must be; or None."""
    options = {"user": ORDINARY, "group": ORDINARY, "extra_groups": []} if os.geteuid() == 0 else {}
    names = [f"python3.{minor}" for minor in range(11, 16)]
    found = [shutil.which(name, path="/usr/local/bin:/usr/bin") for name in ("python3", *names)]
    for python in [sys.executable, *filter(None, found)]:
        try:
            test = "import sys, ctypes, socket; assert sys.version_info >= (3, 11)"
            subprocess.run([python, "-I", "-c", test], check=True, capture_output=True, **options)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    return None
