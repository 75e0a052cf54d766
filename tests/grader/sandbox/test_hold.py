"""Limits hold: memory, processes, files, CPU time, open files."""

import pytest

CONFINED = """
import json, sys, time
from runner import confined
layer, source, limits = json.load(sys.stdin)
start = time.monotonic()
outcome = confined(layer, source, limits=limits)
print(json.dumps({**outcome, "seconds": time.monotonic() - start}))
"""
MIB = 1 << 20


def said(run, who, layer, source, **limits):
    return run(who, CONFINED, layer, source, limits)["said"]


def test_memory_ends_where_the_limit_is(run, user, layer):
    source = """
taken = []
try:
    while len(taken) < 1000:
        taken.append(b"x" * (8 << 20))
except MemoryError:
    count = len(taken)
    taken.clear()
    say(count)
"""
    (count,) = said(run, user, layer, source, memory=160 * MIB)
    assert 12 <= count <= 20  # 8 MiB each


def test_the_limit_does_not_count_what_was_loaded_before(run, user, layer):
    script = CONFINED.replace("start =", "loaded = bytearray(b'x') * (200 << 20); start =")
    source = "taken = bytearray(b'x') * (100 << 20); say(1)"
    assert run(user, script, layer, source, {"memory": 160 * MIB})["said"] == [1]


def test_processes_end_where_the_limit_is(run, who):
    source = """
import os, signal
started = []
try:
    while len(started) < 100:
        if (pid := os.fork()) == 0:
            signal.pause()
        started.append(pid)
except OSError as error:
    say([len(started), type(error).__name__])
"""
    for _ in range(2):  # and the count begins anew for each
        outcome = said(run, who, "namespaces", source, processes=12)
        assert outcome == [[11, "BlockingIOError"]]


def test_many_sandboxes_at_once_do_not_share_their_limit(run, who):
    script = """
import json, sys
from runner import Confined
source = '''
import os, sys
started = []
for _ in range(10):
    if (pid := os.fork()) == 0:
        os.read(0, 1)
        import signal
        signal.pause()
    started.append(pid)
say(len(started))
import signal
signal.pause()
'''
from autograder import sandbox
several = [Confined("namespaces", source, limits={"processes": 12}) for _ in range(4)]
print(json.dumps([each.first() for each in several]))
for each in several:
    sandbox.kill(each.pid)
"""
    assert run(who, script) == [10] * 4


def test_a_thread_too_many_ends_the_process_where_no_other_limit_holds(run, user):
    source = """
import threading, time
threading.stack_size(65536)
for _ in range(200):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
time.sleep(60)
"""
    outcome = run(user, CONFINED, "landlock", source, {"processes": 32})
    assert outcome["status"] == 73
    assert outcome["seconds"] < 10


def test_scratch_tmp_and_shared_memory_have_one_limit_together(run, who):
    source = """
import errno
written = 0
for path in ("a", "/tmp/b", "/dev/shm/c"):
    try:
        with open(path, "wb", buffering=0) as file:
            for _ in range(7):
                written += file.write(bytes(1 << 20))
    except OSError as error:
        say([error.errno == errno.ENOSPC, written])
"""
    outcome = said(run, who, "namespaces", source, files=16 * MIB)
    assert len(outcome) == 1
    assert outcome[0][0]
    assert 15 * MIB <= outcome[0][1] <= 16 * MIB


def test_many_small_files_end_too(run, user):
    source = """
try:
    for number in range(100_000):
        open(str(number), "w").close()
except OSError as error:
    say(number)
"""
    (number,) = said(run, user, "namespaces", source)
    assert number < 20_000


def test_a_file_ends_where_the_limit_is(run, user, layer):
    source = """
import os
try:
    with open("large", "wb", buffering=0) as file:
        os.truncate("large", 4 << 20)
        file.seek(4 << 20)
        file.write(b"x")
except OSError as error:
    say(type(error).__name__)
"""
    assert said(run, user, layer, source, files=4 * MIB) == ["OSError"]


WAYS_TO_FILL = {
    "files": "open(str(n), 'wb').write(part)",
    "folders": "os.makedirs(f'{n}/' + '/'.join(map(str, range(50))))",
    "a deep folder": "os.mkdir('d'); os.chdir('d')",
    "open files without a name": """
    kept.append(open(str(n), 'wb', buffering=0)); kept[-1].write(part); os.unlink(str(n))""",
    "mapped files without a name": """
    with open(str(n), 'wb+', buffering=0) as file:
        file.write(part)
        kept.append(mmap.mmap(file.fileno(), len(part), access=mmap.ACCESS_READ))
    os.unlink(str(n))""",
    "files in tmp": "open(os.environ['TMPDIR'] + f'/{n}', 'wb').write(part)",
}


@pytest.mark.parametrize("way", WAYS_TO_FILL)
def test_too_much_on_the_disk_ends_the_process(run, user, way):
    source = f"""
import mmap, os, time
part, kept = bytes(4 << 10), []
deadline = time.monotonic() + 15
n = 0
while time.monotonic() < deadline:
    n += 1
    if len(kept) > 900:
        time.sleep(15)
    {WAYS_TO_FILL[way].strip()}
    if n % 10 == 0:
        time.sleep(0.01)  # the disk is everyone's
"""
    outcome = run(user, CONFINED, "landlock", source, {"files": MIB, "open_files": 1000})
    assert outcome["status"] == 73, outcome
    assert outcome["seconds"] < 12


def test_processor_time_ends(run, user, layer):
    outcome = run(user, CONFINED, layer, "while True: pass", {"cpu": 0.5})
    assert outcome["status"] == 137
    assert outcome["seconds"] < 10


def test_open_files_end_where_the_limit_is(run, user, layer):
    source = """
import os
try:
    while True:
        last = os.open("/dev/null", os.O_RDONLY)
except OSError:
    os.close(last)
    say(last)
"""
    assert said(run, user, layer, source, open_files=40) == [39]


def test_limits_of_the_host_are_not_exceeded(run, user, layer):
    script = CONFINED.replace("start =", """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
start =""")  # fmt: skip
    source = "import resource; say(resource.getrlimit(resource.RLIMIT_NOFILE))"
    assert run(user, script, layer, source, {"open_files": 100})["said"] == [[50, 50]]
