"""Reads the parts of a reply that are plain JSON. Each raises where a part is not as it must be."""

import builtins

from autograder.wire import ProtocolError

_MOST_WARNINGS = 100


def exactly(kind, value):
    if type(value) is not kind:
        raise ProtocolError(f"a reply has a {type(value).__name__} in place of a {kind.__name__}")
    return value


def index(number, sequence):
    """A number that is a place in `sequence`."""
    if not 0 <= exactly(int, number) < len(sequence):
        raise ProtocolError("a reply refers to something that is not there")
    return number


def text(value):
    """Text that can be written as UTF-8."""
    return exactly(str, value).encode("utf-8", "replace").decode()


def lineage(claimed):
    """(module, name) of a class and of each class that it inherits from."""
    return tuple((text(module), text(name)) for module, name in exactly(list, claimed))


def frame(claimed):
    """(function, line number, line) of a place in the student's code, or None."""
    if claimed is None:
        return None
    function, number, line = exactly(list, claimed)
    return text(function), exactly(int, number), text(line)


def warnings(claimed):
    """(category, text) of each warning; a category that is none of Python's is a UserWarning."""
    found = []
    for kinds, said in exactly(list, claimed)[:_MOST_WARNINGS]:
        known = (getattr(builtins, name, None) for _, name in lineage(kinds))
        categories = (each for each in known if _is_warning(each))
        found.append((next(categories, UserWarning), text(said)))
    return found


def _is_warning(value):
    return isinstance(value, type) and issubclass(value, Warning)
