"""What a process finds in the sandbox, and what becomes of it."""

import os

import pytest

LOOK = """
import os, sys
from pathlib import Path
def names(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        return type(error).__name__
say({
    "ids": [*os.getresuid(), *os.getresgid()],
    "environment": dict(os.environ),
    "block": Path("/proc/self/environ").read_bytes().strip(b"\\0").decode(),
    "descriptors": {n: os.readlink(f"/proc/self/fd/{n}") for n in names("/proc/self/fd")
                    if os.path.lexists(f"/proc/self/fd/{n}")},
    "folder": os.getcwd(),
    "here": names("."),
    "deep": Path("data/deep.bin").read_bytes().decode(),
    "homes": names("/home"),
    "pid": os.getpid(),
    "session": os.getsid(0) == os.getpid() or os.getsid(0),
    "umask": os.umask(0),
    "standard": [os.fstat(n).st_rdev == os.stat("/dev/null").st_rdev for n in range(3)],
})
"""

ENTER = """
import json, os, sys
from runner import confined
layer, source, options = json.load(sys.stdin)
options["scratch_files"] = {k: v.encode() for k, v in options.get("scratch_files", {}).items()}
leak = os.open("/etc/hostname" if os.path.exists("/etc/hostname") else "/etc/passwd", os.O_RDONLY)
os.set_inheritable(leak, True)
print(json.dumps(confined(layer, source, **options)))
"""


def test_a_process_finds_a_clean_place(run, who, layer):
    options = {"scratch_files": {"data/deep.bin": "deep", "notes.txt": "notes"}}
    outcome = run(
        who, ENTER, layer, LOOK, options, env={"PATH": "/usr/bin", "SECRET": "of the host"}
    )
    (seen,) = outcome["said"]
    assert outcome["status"] == 0
    assert 0 not in seen["ids"]
    assert len(set(seen["ids"])) == 1
    assert "SECRET" not in seen["environment"]
    assert seen["block"] == ""
    assert seen["environment"]["HOME"] == seen["folder"]
    assert seen["here"] == ["data", "notes.txt"]
    assert seen["deep"] == "deep"
    assert seen["homes"] in ("FileNotFoundError", "PermissionError")
    assert seen["standard"] == [True, True, True]
    others = {int(n): to for n, to in seen["descriptors"].items() if int(n) > 2}
    assert [to for to in others.values() if not to.startswith(("pipe:", "/proc/"))] == []
    assert len([to for to in others.values() if to.startswith("pipe:")]) == 1
    assert seen["session"] is True
    assert seen["umask"] == 0o022
    if layer == "namespaces":
        assert seen["pid"] == 1
        assert seen["ids"][0] == 1000


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("import os; os._exit(7)", 7),
        ("import ctypes; ctypes.string_at(0)", 139),
        ("pass", 0),
    ],
)
def test_the_waiter_passes_on_how_the_process_ended(run, user, layer, source, status):
    assert run(user, ENTER, layer, source, {})["status"] == status


def test_a_folder_in_one_that_is_closed_is_shown_at_the_same_path(run, root, tmp_path):
    closed = tmp_path / "closed"
    shown = closed / "of root" / "shown"
    shown.mkdir(parents=True)
    (shown / "module.py").write_text("answer = 42")
    (shown / "module.py").chmod(0o666)
    (closed / "other.py").write_text("secret")
    closed.chmod(0o700)
    source = f"""
import os, sys
sys.path.insert(0, {str(shown)!r})
import module
try:
    open({str(shown / "module.py")!r}, "a")
except OSError as error:
    say([module.answer, type(error).__name__, error.errno, os.listdir({str(closed)!r})])
"""
    outcome = run(root, ENTER, "namespaces", source, {"visible": [str(shown)]})
    assert outcome["said"] == [[42, "OSError", 30, ["of root"]]]  # EROFS


def test_a_folder_that_the_user_cannot_read_is_refused_under_landlock(run, root, tmp_path):
    tmp_path.chmod(0o700)
    outcome = run(root, ENTER, "landlock", "say(1)", {"visible": [str(tmp_path)]})
    assert outcome["said"] == []
    assert "cannot read it; move it, or run the grader as an ordinary user" in outcome["failed"]


@pytest.mark.parametrize("path", ["/", "relative", "/nowhere/at/all", "/usr/.."])
def test_a_path_that_cannot_be_shown_is_refused(run, user, layer, path):
    outcome = run(user, ENTER, layer, "say(1)", {"visible": [path]})
    assert outcome["said"] == []
    assert "cannot be shown" in outcome["failed"]
    assert outcome["status"] == 1


def test_what_is_hidden_cannot_be_read(run, who, layer, place):
    base = place / f"library-{os.urandom(4).hex()}"
    for name in ("torch/core", "numpy/core"):
        (base / name).mkdir(parents=True)
        (base / name / "code.py").write_text("x")
    (base / "torch.pth").write_text("x")
    (base / "plain.py").write_text("x")
    (base / "link").symlink_to(base / "torch")
    source = f"""
from pathlib import Path
names = "numpy/core/code.py plain.py torch/core/code.py torch.pth link/core/code.py"
for name in names.split():
    try:
        say(Path({str(base)!r}, name).read_text())
    except OSError as error:
        say("OSError")
"""
    hidden = [str(base / "torch"), str(base / "torch.pth"), str(base / "not there")]
    outcome = run(who, ENTER, layer, source, {"visible": [str(base)], "hidden": hidden})
    assert outcome["said"] == ["x", "x", "OSError", "OSError", "OSError"], outcome


def test_what_is_hidden_among_the_systems_files_cannot_be_read_by_another_path(run, user, layer):
    if not (os.path.islink("/lib") and os.path.isfile("/usr/lib/os-release")):
        pytest.skip("/lib is no link here, or it has no os-release")
    source = """
for path in ("/usr/lib/os-release", "/lib/os-release", "/proc/self/root/lib/os-release"):
    try:
        say(open(path).read())
    except OSError:
        say("OSError")
"""
    outcome = run(user, ENTER, layer, source, {"hidden": ["/usr/lib/os-release"]})
    assert outcome["said"] == ["OSError"] * 3


def test_nothing_can_be_written_beside_the_own_folder_that_is_not_counted(run, user):
    source = """
import os
for action in ("open('../left', 'w')", "os.rename('../tmp', '../other')", "os.rmdir('../tmp')"):
    try:
        eval(action)
        say(action)
    except OSError:
        pass
"""
    assert run(user, ENTER, "landlock", source, {})["said"] == []


def test_a_path_and_where_it_leads_are_both_shown(run, user, layer, place):
    target = place / f"target-{os.urandom(4).hex()}"
    target.mkdir()
    (target / "file").write_text("x")
    link = target.with_name(target.name + "-link")
    link.symlink_to(target)
    source = f"say([open(p + '/file').read() for p in ({str(link)!r}, {str(target)!r})])"
    outcome = run(user, ENTER, layer, source, {"visible": [str(link)]})
    assert outcome["said"] == [["x", "x"]], outcome


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/../../out"])
def test_a_file_that_leads_out_of_the_scratch_folder_is_refused(run, user, layer, name):
    outcome = run(user, ENTER, layer, "say(1)", {"scratch_files": {name: "x"}})
    assert outcome["said"] == []
    assert "leads out of the scratch folder" in outcome["failed"]


def test_student_code_never_runs_as_root(run, root, layer):
    outcome = run(root, ENTER, layer, "say(1)", {"uid": 0})
    assert outcome["said"] == []
    assert "never runs as root" in outcome["failed"]


def test_root_may_name_the_user(run, root):
    outcome = run(root, ENTER, "landlock", "import os; say(os.getuid())", {"uid": 4321})
    assert outcome["said"] == [4321]


def test_an_unknown_layer_is_refused(run, user):
    outcome = run(user, ENTER, "jail", "say(1)", {})
    assert (
        "there is no layer 'jail'; expected one of namespaces, landlock, none" in outcome["failed"]
    )


def test_a_process_with_threads_is_refused(run, user, layer):
    script = """
import json, sys, threading, time
from runner import confined
def prepare():
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print(json.dumps(confined(json.load(sys.stdin)[0], "say(1)", prepare=prepare)))
"""
    outcome = run(user, script, layer)
    assert outcome["said"] == []
    assert "only a process with one thread" in outcome["failed"]


def test_nothing_that_it_prints_reaches_the_grader(run, user, layer):
    source = "import os; os.write(1, b'out'); os.write(2, b'err'); print('out', flush=True); say(1)"
    assert run(user, ENTER, layer, source, {})["said"] == [1]  # what is printed is read as JSON


def test_the_layer_for_those_who_ask_for_none_limits_and_cleans_up(run, who):
    source = """
import os, resource
cpu = resource.getrlimit(resource.RLIMIT_CPU)[1]
say([os.getcwd(), os.getuid(), cpu, os.environ.get("SECRET")])
if os.fork() == 0:
    os.setsid()
    while True:
        pass
"""
    outcome = run(who, ENTER, "none", source, {"limits": {"cpu": 7}}, env={"SECRET": "x"})
    folder, uid, cpu, secret = outcome["said"][0]
    assert (cpu, secret) == (7, None)
    assert uid != 0
    assert not os.path.exists(folder)


def test_a_standard_stream_cannot_be_kept(run, user, layer):
    outcome = run(user, ENTER, layer, "say(1)", {"keep": [1]})
    assert outcome["said"] == []
    assert "0 to 2 cannot be kept" in outcome["failed"]


def test_inside_a_container_that_masks_proc_a_few_facts_stand_in(run, user):
    script = """
import json, os, sys
from runner import confined
from autograder.sandbox import namespaces, syscalls, selftest
own = os.open("/proc/self", os.O_PATH)
namespaces._leave_users(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS, own)
syscalls.make_private()
mask = syscalls.new_filesystem("tmpfs", syscalls.RDONLY, mode="755")
syscalls.attach(mask, "/proc/sys")
source = '''
import os
say([sorted(os.listdir("/proc")), os.cpu_count() > 0, open("/proc/meminfo").read().split()[0]])
'''
print(json.dumps([confined("namespaces", source), selftest.findings("namespaces")]))
"""
    outcome, findings = run(user, script)
    assert outcome["said"] == [[["cpuinfo", "meminfo", "stat"], True, "MemTotal:"]], outcome
    assert findings == []
