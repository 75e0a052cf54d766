"""What a student process may do: see little, reach nothing, use no more than its limits.

Needs nothing but the standard library. Layers, the strongest first: "namespaces", "landlock" for
hosts that forbid those, and "none", which confines nothing and is used only on request.
"""

from autograder.sandbox import landlock, namespaces, unconfined
from autograder.sandbox.confine import OVER_LIMIT
from autograder.sandbox.errors import SandboxError
from autograder.sandbox.host import Check, choose, doctor
from autograder.sandbox.limits import Limits
from autograder.sandbox.processes import kill, memory_of

__all__ = [
    "Check",
    "LAYERS",
    "Limits",
    "OVER_LIMIT",
    "SandboxError",
    "choose",
    "doctor",
    "enter",
    "kill",
    "memory_of",
]

_LAYERS = {"namespaces": namespaces.enter, "landlock": landlock.enter, "none": unconfined.enter}
LAYERS = tuple(_LAYERS)


def enter(layer, limits, *, visible, scratch_files, keep, hidden=(), uid=None, folder=None):
    """Confine a child of this process, and return in that child.

    To be called in a freshly forked process with one thread, which becomes a waiter: it exits with
    the child's status, with 128 + n where signal n ended it, or with OVER_LIMIT. The child's folder
    is private scratch, its environment a minimum, its descriptors 0 to 2 are /dev/null.

    layer : one of LAYERS.
    limits : Limits.
    visible : absolute paths of files and folders that can be read, at the same place, besides the
        system's own.
    scratch_files : name -> bytes, written into the scratch folder.
    keep : descriptors that stay open, above 2.
    hidden : absolute paths in those that cannot be read.
    uid : the user to become, where this is root; nobody by default, and never 0.

    Raises: SandboxError, OSError or another where a step fails. Both processes must then end by
    `os._exit`: they are half confined.
    """
    if layer not in _LAYERS:
        raise SandboxError(f"there is no layer {layer!r}; expected one of {', '.join(LAYERS)}")
    _LAYERS[layer](
        limits, visible=visible, hidden=hidden, scratch_files=scratch_files, keep=keep, uid=uid
    )
