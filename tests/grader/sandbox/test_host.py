"""Which layer is chosen, what a person is told, and that forbidding is noticed."""

import collections
import os

import pytest

from autograder import sandbox
from autograder.sandbox import host, selftest

CHOOSE = """
import json, sys
from runner import forbid
from autograder import sandbox
forbidden, unsafe = json.load(sys.stdin)
if forbidden:
    forbid(*forbidden)
try:
    print(json.dumps(sandbox.choose(unsafe=unsafe)))
except sandbox.SandboxError as error:
    print(json.dumps([str(error)]))
"""
DOCTOR = """
import dataclasses, json, sys
from runner import forbid
from autograder import sandbox
forbidden = json.load(sys.stdin)[0]
if forbidden:
    forbid(*forbidden)
print(json.dumps([dataclasses.astuple(check) for check in sandbox.doctor()]))
"""


def test_the_strongest_layer_is_chosen(run, who):
    assert run(who, CHOOSE, [], False, needs=["namespaces"]) == "namespaces"


def test_landlock_is_chosen_where_namespaces_are_forbidden(run, who):
    assert run(who, CHOOSE, ["namespaces"], False, needs=["landlock"]) == "landlock"
    assert run(who, CHOOSE, ["namespaces"], True, needs=["landlock"]) == "landlock"


def test_landlock_is_chosen_where_the_kernel_allows_no_more_namespaces(run, user):
    script = CHOOSE.replace("forbid(*forbidden)", """
    import os
    from autograder.sandbox import namespaces, syscalls
    own = os.open("/proc/self", os.O_PATH)
    namespaces._leave_users(syscalls.CLONE_NEWUSER, own)
    open("/proc/sys/user/max_user_namespaces", "w").write("0")
    syscalls.drop_capabilities()""")  # fmt: skip
    assert run(user, script, [0], False, needs=["namespaces", "landlock"]) == "landlock"


def test_nothing_is_run_where_there_is_no_layer(run, who):
    (message,) = run(who, CHOOSE, ["namespaces", "landlock"], False)
    first, *rest = message.split("\n")
    assert first == "this host offers no way to confine student code, so nothing was run."
    assert rest[0].startswith("  namespaces: ")
    assert "Operation not permitted" in rest[0]
    assert rest[1].startswith("  landlock: ")
    assert "no Landlock of ABI 6 or newer" in rest[1]
    assert "use Linux 6.12 or newer" in rest[1]
    assert "--unsafe" in rest[2]


def test_none_is_chosen_only_on_request(run, user):
    assert run(user, CHOOSE, ["namespaces", "landlock"], True) == "none"


@pytest.mark.parametrize("unsafe", [False, True])
def test_another_system_than_linux_is_refused(monkeypatch, unsafe):
    monkeypatch.setattr(host.sys, "platform", "darwin")
    with pytest.raises(sandbox.SandboxError, match="needs Linux"):
        sandbox.choose(unsafe=unsafe)


def test_the_doctor_tells_what_is_there(run, who):
    checks = run(who, DOCTOR, [], needs=["namespaces", "landlock"])
    names = [name for name, *_ in checks]
    assert names == ["machine", "user", "namespaces", "landlock", "sandbox"]
    assert all(ok for _, ok, _, _ in checks)
    assert all(advice == "" for *_, advice in checks)
    details = {name: detail for name, _, detail, _ in checks}
    assert os.uname().release in details["machine"]
    assert ("root" in details["user"]) == (who.name == "root")
    assert "Landlock ABI" in details["landlock"]
    assert details["sandbox"] == "student code runs in the layer 'namespaces'"


def test_the_doctor_tells_what_is_wrong_and_what_to_do(run, user):
    checks = {name: rest for name, *rest in run(user, DOCTOR, ["namespaces", "landlock"])}
    for layer in ("namespaces", "landlock"):
        ok, detail, advice = checks[layer]
        assert not ok
        assert detail and advice
    ok, detail, advice = checks["sandbox"]
    assert (ok, advice) == (False, "mend one of the layers above")
    assert detail == "student code is not run here"


def test_the_doctor_stops_at_a_machine_it_does_not_know(monkeypatch):
    name = collections.namedtuple("name", "sysname release machine")
    monkeypatch.setattr(os, "uname", lambda: name("Linux", "6.12", "riscv64"))
    (check,) = sandbox.doctor()
    assert (check.name, check.ok) == ("machine", False)
    assert "use one of x86_64, aarch64" in check.advice
    monkeypatch.setattr(os, "uname", lambda: name("Darwin", "23", "arm64"))
    (check,) = sandbox.doctor()
    assert (check.ok, check.advice) == (False, "use Linux, a container or WSL 2")


@pytest.mark.parametrize(
    ("setting", "value", "advice"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "apparmor_restrict"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
        ("user/max_user_namespaces", "10000", "use Linux 5.12 or newer|in a container"),
    ],
)
def test_advice_names_the_setting_that_forbids(monkeypatch, setting, value, advice):
    monkeypatch.setattr(host, "_setting", {setting: value}.get)
    monkeypatch.setattr(selftest, "findings", lambda layer: ["it does not work", "b", "c", "d"])
    check = host._check_layer("namespaces")
    assert check.detail == "it does not work; b; c"
    assert any(part in check.advice for part in advice.split("|"))


def test_a_layer_in_which_a_probe_succeeds_is_not_chosen(monkeypatch):
    found = {"namespaces": ["student code can read a secret ('x')"], "landlock": []}
    monkeypatch.setattr(selftest, "findings", found.get)
    assert sandbox.choose() == "landlock"
    monkeypatch.setattr(selftest, "findings", lambda layer: found["namespaces"])
    with pytest.raises(sandbox.SandboxError, match="namespaces: student code can read a secret"):
        sandbox.choose()
