"""Where any step of the set-up fails, no student code runs."""

import pytest

BROKEN = """
import json, sys
from runner import break_step, confined
layer, steps = json.load(sys.stdin)
outcomes = {}
for step in steps:
    outcome = confined(layer, "say(1)", prepare=lambda: break_step(step))
    outcomes[step] = [outcome["said"], outcome["failed"], outcome["status"]]
print(json.dumps(outcomes))
"""
SHARED = [
    "confine.begin",
    "confine.die_with_parent",
    "confine.fork",
    "confine.close_all_but",
    "confine.become",
    "confine.finish",
    "confine._limit",
    "syscalls.prctl",
    "syscalls.clear_environment",
    "syscalls.drop_capabilities",
    "syscalls.set_filter",
    "seccomp.enforce",
    "seccomp.machine",
    "scratch.fill",
]
NAMESPACES = [
    "syscalls.unshare",
    "syscalls.make_private",
    "syscalls.set_host_name",
    "syscalls.open_tree",
    "syscalls.set_attributes",
    "syscalls.new_filesystem",
    "syscalls.attach",
    "syscalls.enter_root",
    "syscalls.set_root_attributes",
    "namespaces._leave_users",
    "namespaces._write",
    "namespaces._build",
    "namespaces._add_private",
    "namespaces._hide",
]
LANDLOCK = [
    "syscalls.landlock_abi",
    "syscalls.landlock_ruleset",
    "syscalls.landlock_allow",
    "syscalls.landlock_enforce",
    "landlock._enforce",
]


def expected(steps):
    return {step: [[], f"PermissionError: [Errno 1] {step} is broken", 1] for step in steps}


@pytest.mark.parametrize(
    ("layer", "steps"), [("namespaces", SHARED + NAMESPACES), ("landlock", SHARED + LANDLOCK)]
)
def test_a_step_that_fails_ends_the_process_before_student_code(run, user, layer, steps):
    assert run(user, BROKEN, layer, steps) == expected(steps)


def test_so_it_is_for_root(run, root):
    steps = ["syscalls.enter_root", "confine.become", "scratch.give", "syscalls.set_filter"]
    assert run(root, BROKEN, "namespaces", steps) == expected(steps)


def test_a_proc_that_cannot_be_mounted_for_another_reason_is_a_failure(run, user):
    script = """
import json
from autograder.sandbox import syscalls
from runner import confined
mount = syscalls.new_filesystem
def new_filesystem(kind, *arguments, **options):
    if kind == "proc":
        raise OSError(12, "no memory")
    return mount(kind, *arguments, **options)
syscalls.new_filesystem = new_filesystem
print(json.dumps(confined("namespaces", "say(1)")))
"""
    outcome = run(user, script)
    assert outcome["said"] == []
    assert "no memory" in outcome["failed"]


def test_an_older_landlock_is_refused(run, user):
    script = """
import json
from autograder.sandbox import syscalls
from runner import confined
syscalls.landlock_abi = lambda: 5
print(json.dumps(confined("landlock", "say(1)")))
"""
    outcome = run(user, script)
    assert outcome["said"] == []
    assert "no Landlock of ABI 6 or newer" in outcome["failed"]


def test_an_unknown_machine_is_refused(run, user, layer):
    script = """
import collections, json, os, sys
from runner import confined
name = collections.namedtuple("name", "sysname release machine")("Linux", "6", "riscv64")
os.uname = lambda: name
print(json.dumps(confined(json.load(sys.stdin)[0], "say(1)")))
"""
    outcome = run(user, script, layer)
    assert outcome["said"] == []
    assert "does not know the system calls of a machine of kind 'riscv64'" in outcome["failed"]
