"""Exceptions that a student process says it met, as exceptions that a test can catch."""

import builtins
import sys


class StudentError(Exception):
    """What student code raised, where its type is none that could be found here."""


def of_lineage(lineage, trusted):
    """The local class for an exception class with this lineage: [[module, name], ...].

    A builtin exception, one of NumPy or torch, or an instructor's is itself, and any other a new
    class of that name, below those of its lineage that are known.
    trusted : name -> the class that an instructor's cell defines, or None.
    """
    known = [_known(module, name, trusted) for module, name in lineage]
    if known and known[0] is not None:
        return known[0]
    known = [each for each in known if each is not None]
    bases = [each for each in known if not any(each in other.__mro__[1:] for other in known)]
    name = lineage[0][1] if lineage else "StudentError"
    try:
        return type(name, tuple(bases) or (StudentError,), {})
    except TypeError:  # no order of these bases is consistent
        return type(name, (StudentError,), {})


def instance(kind, args, message):
    """An exception of a class from `of_lineage`."""
    for values in (args, (message,)):
        try:
            if values is not None:
                return kind(*values)
        except Exception:
            continue
    return StudentError(f"{kind.__name__}: {message}")


def _known(module, name, trusted):
    if module == "builtins":
        found = getattr(builtins, name, None)
    elif module == "__main__":
        found = trusted(name)
    elif module.partition(".")[0] in ("numpy", "torch"):
        found = getattr(sys.modules.get(module), name, None)
    else:
        return None
    if not isinstance(found, type) or not issubclass(found, (Exception, SystemExit)):
        return None
    return None if found is StopIteration else found
