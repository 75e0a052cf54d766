"""The filter, run by a small interpreter for both machines, and its table against the headers."""

import errno
import re
import struct
from pathlib import Path

import pytest

from autograder.sandbox import SandboxError, seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
HEADERS = {
    "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    "aarch64": "/usr/include/asm-generic/unistd.h",
}
NEW_USER, THREAD = 0x10000000, 0x10000


def decide(machine, name, *arguments, shared=False, arch=None, number=None):
    """What the filter says to a call."""
    column = list(ARCH).index(machine)
    tables = seccomp._TABLE | seccomp._SHARED | seccomp._DECIDED
    number = tables[name][column] if number is None else number
    words = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("IIQ6Q", number, arch or ARCH[machine], 0, *words)
    program = list(struct.iter_unpack("HBBI", seccomp.program(machine, shared)))
    position, value = 0, 0
    while True:
        code, yes, no, operand = program[position]
        position += 1
        if code == 0x20:
            (value,) = struct.unpack_from("I", data, operand)
        elif code == 0x54:
            value &= operand
        elif code == 0x06:
            return operand
        else:
            holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}
            position += yes if holds[code] else no


@pytest.fixture(params=list(ARCH))
def machine(request):
    return request.param


@pytest.mark.parametrize("machine", ["riscv64", "i686", "armv7l", ""])
def test_a_machine_that_is_not_known_is_refused(machine):
    with pytest.raises(SandboxError, match="does not know the system calls"):
        seccomp.program(machine, shared=False)


def test_a_32_bit_python_is_refused(monkeypatch):
    monkeypatch.setattr(seccomp.sys, "maxsize", 2**31 - 1)
    with pytest.raises(SandboxError, match="64-bit"):
        seccomp.program("x86_64", shared=False)


def test_the_numbers_are_those_of_the_kernel(machine):
    header = Path(HEADERS[machine])
    if not header.exists():
        pytest.skip(f"no kernel headers at {header}")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\n", header.read_text())
    numbers = {name: int(number) for name, number in found}
    column = list(ARCH).index(machine)
    compared = 0
    for name, pair in (seccomp._TABLE | seccomp._SHARED | seccomp._DECIDED).items():
        if name in numbers:
            assert pair[column] == numbers[name], name
            compared += 1
    assert compared > 90


def test_calls_of_another_machine_end_the_process(machine):
    assert decide(machine, "mount", arch=0x40000003) == KILL


def test_numbers_that_are_not_known_do_not_exist(machine):
    assert decide(machine, None, number=seccomp._KNOWN) == ENOSYS
    assert decide(machine, None, number=0x40000000) == ENOSYS
    assert decide(machine, None, number=0xFFFFFFFF) == ENOSYS


def test_what_is_in_the_tables_is_refused(machine):
    column = list(ARCH).index(machine)
    for name, pair in seccomp._TABLE.items():
        if pair[column] is not None:
            assert decide(machine, name) == EPERM, name
            assert decide(machine, name, shared=True) == EPERM, name
    for name, pair in seccomp._SHARED.items():
        if pair[column] is not None:
            assert decide(machine, name, shared=True) == EPERM, name


def test_plain_calls_are_allowed(machine):
    read = {"x86_64": 0, "aarch64": 63}[machine]
    write = {"x86_64": 1, "aarch64": 64}[machine]
    for shared in (False, True):
        for number in (read, write):
            assert decide(machine, None, number=number, shared=shared) == ALLOW


def test_a_process_may_be_cloned_but_no_namespace(machine):
    assert decide(machine, "clone", 17) == ALLOW
    assert decide(machine, "clone", NEW_USER | 17) == EPERM
    assert decide(machine, "clone3") == ENOSYS


def test_only_threads_start_where_processes_are_shared(machine):
    assert decide(machine, "clone", 17, shared=True) == EPERM
    assert decide(machine, "clone", THREAD | 0xF00, shared=True) == ALLOW
    assert decide(machine, "clone", THREAD | NEW_USER, shared=True) == EPERM


def test_sockets_are_local(machine):
    refused = 0x50000 | errno.EAFNOSUPPORT
    assert decide(machine, "socket", 1) == ALLOW
    assert decide(machine, "socketpair", 1, 2) == ALLOW
    for family in (0, 2, 10, 16, 17, 38, 40):
        assert decide(machine, "socket", family) == refused
        assert decide(machine, "socketpair", family) == refused


def test_only_pairs_of_streams_where_sockets_are_shared(machine):
    stream, datagram, cloexec = 1, 2, 0o2000000
    assert decide(machine, "socketpair", 1, stream, shared=True) == ALLOW
    assert decide(machine, "socketpair", 1, stream | cloexec, shared=True) == ALLOW
    assert decide(machine, "socketpair", 1, datagram, shared=True) == EPERM
    assert decide(machine, "socket", 1, shared=True) == EPERM


def test_ties_to_the_grader_cannot_be_cut(machine):
    for option in (1, 4, 35, 36):
        assert decide(machine, "prctl", option) == EPERM
    assert decide(machine, "prctl", 15) == ALLOW  # PR_SET_NAME


def test_a_process_may_set_its_own_limits_and_no_others(machine):
    for name in seccomp._OF_ITSELF:
        assert decide(machine, name, 0, shared=True) == ALLOW, name
        assert decide(machine, name, 1234, shared=True) == EPERM, name
    assert decide(machine, "setpriority", 0, 1234, shared=True) == EPERM
    assert decide(machine, "setpriority", 2, 0, shared=True) == EPERM
