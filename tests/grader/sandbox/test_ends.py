"""Nothing survives: not a kill, not the end of the grader, not a flight of forks."""

import os

import pytest

BOMB = """
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
say("ready")
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        pass
"""
ORPHANS = """
import os, signal
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.pause()
        os._exit(0)
for _ in range(5):
    os.wait()
say("ready")
signal.pause()
"""
THREADS = """
import threading, time
def spin():
    while True:
        pass
for _ in range(8):
    threading.Thread(target=spin, daemon=True).start()
say("ready")
while True:
    time.sleep(60)
"""
STUBBORN = """
import signal, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
say("ready")
while True:
    time.sleep(60)
"""

# `alive` is the end of a pipe that every process in the sandbox holds the other end of.
KILLED = """
import json, os, select, signal, sys, time
from autograder import sandbox
from runner import Confined
layer, source, how = json.load(sys.stdin)
alive, hold = os.pipe()
process = Confined(layer, source, keep=[hold], limits={"processes": 24})
os.close(hold)
process.first()
start = time.monotonic()
if how == "kill":
    sandbox.kill(process.pid)
    gone = bool(select.select([alive], [], [], 0)[0])
elif how == "waiter":
    os.kill(process.pid, signal.SIGKILL)
    gone = bool(select.select([alive], [], [], 10)[0])
os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
sandbox.kill(process.pid)  # which sweeps, where the waiter could not
status = os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])
print(json.dumps([gone, status, time.monotonic() - start]))
"""


@pytest.mark.parametrize("how", ["kill", "waiter"])
@pytest.mark.parametrize("source", [BOMB, ORPHANS, THREADS, STUBBORN], ids=lambda s: s.split()[1])
def test_all_processes_of_a_namespace_end(run, user, source, how):
    gone, status, seconds = run(user, KILLED, "namespaces", source, how)
    assert gone
    assert status == -9
    assert seconds < 10


@pytest.mark.parametrize("how", ["kill", "waiter"])
def test_all_end_when_the_grader_is_root(run, root, how):
    gone, status, _ = run(root, KILLED, "namespaces", BOMB, how)
    assert (gone, status) == (True, -9)


@pytest.mark.parametrize("how", ["kill", "waiter"])
@pytest.mark.parametrize("source", [THREADS, STUBBORN], ids=["threads", "stubborn"])
def test_the_process_ends_under_landlock_and_leaves_no_folder(run, who, source, how, place):
    # In a folder of its own: other tests, and people, use the common one.
    own = place / f"tmp-{how}-{who.name}-{len(source)}"
    own.mkdir()
    own.chmod(0o777)
    gone, status, _ = run(who, KILLED, "landlock", source, how, env={"TMPDIR": str(own)})
    assert (gone, status) == (True, -9)
    assert list(own.iterdir()) == []


def test_kill_reaches_all_without_a_layer(run, user):
    gone, status, _ = run(user, KILLED, "none", ORPHANS, "kill")
    assert (gone, status) == (True, -9)


def test_what_a_process_left_ends_with_it(run, user):
    script = """
import json, os, select, sys
from runner import Confined
source = json.load(sys.stdin)[0]
gone = []
for layer in ("namespaces", "none"):
    alive, hold = os.pipe()
    process = Confined(layer, source, keep=[hold])
    os.close(hold)
    process.first()
    status = os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])
    gone.append([status, bool(select.select([alive], [], [], 0)[0])])
print(json.dumps(gone))
"""
    source = ORPHANS.replace('signal.pause()\n"', "").rpartition("signal.pause()")[0]
    assert run(user, script, source) == [[0, True], [0, True]]


@pytest.mark.parametrize("layer", ["namespaces", "landlock", "none"])
def test_all_end_with_the_process_that_started_the_waiter(run, user, layer):
    script = """
import json, os, select, signal, sys
from runner import Confined
from autograder.sandbox import confine
alive, hold = os.pipe()
told, tell = os.pipe()
grader = os.fork()
if grader == 0:
    source = "say(1)\\nimport signal\\nsignal.pause()"
    process = Confined(json.load(sys.stdin)[0], source, keep=[hold])
    process.first()
    os.write(tell, b"x")
    signal.pause()
os.close(hold)
os.read(told, 1)
os.kill(grader, signal.SIGKILL)
print(json.dumps(bool(select.select([alive], [], [], 10)[0])))
"""
    assert run(user, script, layer) is True


def test_a_deep_or_odd_folder_is_removed(run, who):
    script = """
import json, os, tempfile
from autograder.sandbox import scratch
folder = tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
os.chdir(folder)
os.mkdir("0")
os.mkdir("closed", 0)
os.mkfifo("pipe")
os.symlink("/etc", "link")
for _ in range(2200):  # too deep for a path, and for recursion
    os.mkdir("d")
    os.chdir("d")
os.mkdir("e", 0)
open("f" * 255, "w").close()
scratch._remove(folder)
print(json.dumps(os.path.exists(folder)))
"""
    assert run(who, script) is False
    assert os.path.exists("/etc")


def test_kill_of_a_process_that_is_gone_does_nothing(run, user):
    script = """
import json, os
from autograder import sandbox
pid = os.fork()
if pid == 0:
    os._exit(3)
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
sandbox.kill(pid)  # it has ended, but nobody has asked
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
none = 1 << 23  # more than there can be
sandbox.kill(none)
print(json.dumps([status, sandbox.memory_of(none)]))
"""
    assert run(user, script) == [3, 0]


def test_kill_spares_all_others(run, user):
    script = """
import json, os, signal
from autograder import sandbox
def start():
    pid = os.fork()
    if pid == 0:
        if os.fork() == 0:
            signal.pause()
        signal.pause()
    return pid
first, second = start(), start()
sandbox.kill(first)
alive = os.waitpid(second, os.WNOHANG) == (0, 0)
state = open(f"/proc/{second}/stat").read().split()[2]
sandbox.kill(second)
print(json.dumps([alive, state]))
"""
    assert run(user, script) in ([True, "S"], [True, "R"])


MEMORY = """
import json, os, signal, sys
from autograder import sandbox
from autograder.sandbox import processes
from runner import Confined
layer, lists = json.load(sys.stdin)
processes._HAS_LISTS = processes._HAS_LISTS and lists
loaded = bytearray(b"x") * (100 << 20)
source = '''
import os, signal
taken = bytearray(b"x") * (60 << 20)
if layer != "landlock" and os.fork() == 0:
    more = bytearray(b"x") * (30 << 20)
    say(1)
    signal.pause()
if layer == "landlock":
    say(1)
signal.pause()
'''
process = Confined(layer, source.replace("layer", repr(layer)))
process.first()
exact = sandbox.memory_of(process.pid)
bound = sandbox.memory_of(process.pid, enough=1 << 40)
again = sandbox.memory_of(process.pid, enough=1 << 20)
sandbox.kill(process.pid)
print(json.dumps([exact >> 20, bound >> 20, again >> 20]))
"""


@pytest.mark.parametrize("lists", [True, False])
def test_memory_counts_descendants_and_what_they_share_once(run, who, layer, lists):
    exact, bound, again = run(who, MEMORY, layer, lists)
    own = 90 if layer == "namespaces" else 60
    # Of the 100 MiB loaded before, this script holds a share itself.
    assert own + 60 < exact < own + 100 + 30
    assert abs(exact - again) <= 10
    assert bound > exact + 60


def test_memory_counts_a_process_that_hides_what_it_shares(run, user):
    script = """
import json, os, signal
from autograder import sandbox
from autograder.sandbox import syscalls
read, write = os.pipe()
pid = os.fork()
if pid == 0:
    taken = bytearray(b"x") * (50 << 20)
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    os.write(write, b"x")
    signal.pause()
os.read(read, 1)
print(json.dumps(sandbox.memory_of(pid) >> 20))
sandbox.kill(pid)
"""
    assert 50 <= run(user, script) < 100
