"""Hostile attempts of every class achieve nothing, and what notebooks want works."""

import pytest

from autograder.sandbox import probes, selftest

# What may harm other processes of its user runs under a user of its own.
ALONE = """
import json, sys
from autograder.sandbox import confine, landlock, seccomp, selftest
confine.NOBODY = 61234
layer, module, function = json.load(sys.stdin)
if function:
    setattr(globals()[module], function, lambda *_, **__: None)
selftest.main(layer, "[]")
"""
FINDINGS = """
import json, sys
from autograder.sandbox import selftest
print(json.dumps(selftest.findings(json.load(sys.stdin)[0])))
"""


def test_no_probe_achieves_anything_and_all_that_is_wanted_works(run, who, layer):
    assert run(who, FINDINGS, layer) == []


def test_without_a_sandbox_the_probes_achieve_much(run, root):
    found = run(root, ALONE, "none", "", "")
    achieved = [name for name in probes.HOSTILE if f"student code can {name} " in " ".join(found)]
    assert len(achieved) > 40
    for expected in ("connect over tcp", "read a secret", "signal a process", "write a secret"):
        assert expected in achieved
    for effect in ("a secret", "the life of a process", "what arrives at sockets"):
        assert f"student code can change {effect} of the host" in found


def test_there_are_more_classes_of_probes_than_thirty():
    assert len(probes.HOSTILE) >= 90


def test_only_the_weaker_layer_concedes_something():
    assert selftest.CONCEDED["namespaces"] == set()
    assert selftest.CONCEDED["landlock"] == {"see a secret"}


@pytest.mark.parametrize("part", ["seccomp.enforce", "landlock._enforce"])
def test_the_self_test_finds_a_layer_that_lacks_a_part(run, root, part):
    found = run(root, ALONE, "landlock", *part.split("."))
    assert any("student code can" in finding for finding in found)


def test_a_self_test_that_cannot_run_is_a_finding(monkeypatch, tmp_path):
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\necho broken >&2\n")
    silent.chmod(0o755)
    monkeypatch.setattr(selftest.sys, "executable", str(silent))
    assert selftest.findings("namespaces") == ["the self-test failed: broken"]
