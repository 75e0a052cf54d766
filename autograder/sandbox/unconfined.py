"""No layer at all (`--unsafe`): limits, a clean environment and another user than root."""

from autograder.sandbox import confine, processes, syscalls
from autograder.sandbox.scratch import Scratch


def enter(limits, *, visible, hidden, scratch_files, keep, uid):
    """Limit a child of this process and return in it; see `autograder.sandbox.enter`.

    All that its user can read is visible to it, `hidden` too.
    """
    loaded = confine.begin(keep)
    own = Scratch(scratch_files, confine.NOBODY if uid is None else uid)
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    if child := confine.fork():
        confine.wait(
            child,
            within=lambda: own.within(limits.files, child),
            after=lambda: (processes.kill_descendants(), own.remove()),
            keep=[own.lock],
        )
    confine.become(uid)
    confine.absolute(visible)  # raises for what this user cannot read
    confine.finish(
        limits,
        loaded=loaded,
        processes=limits.processes + confine.OTHERS,
        keep=keep,
        work=own.work,
        tmp=own.tmp,
    )
