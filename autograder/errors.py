"""The failures that a person can mend; the command line prints them without a traceback."""


class UsageError(Exception):
    """The command was called with something that is not there or does not fit (exit status 2)."""


class AssignmentError(Exception):
    """An assignment's source is at fault (exit status 1); says where: `file:line: what`."""

    def __init__(self, message, path=None, line=None):
        place = ":".join(str(part) for part in (path, line) if part is not None)
        super().__init__(f"{place}: {message}" if place else message)
