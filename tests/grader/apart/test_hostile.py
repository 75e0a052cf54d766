"""Student processes that lie, forge and stay silent: nothing of it reaches a verdict."""

import contextlib
import json
import socket
import struct
import threading

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_any
from hypothesis import strategies as st

from autograder.proctor.reading import Rules
from autograder.proctor.session import Session
from autograder.sandbox import Limits
from autograder.wire import CannotCross, Channel, Closed, ProtocolError, TimedOut
from tests.grader.apart.harness import SETUP, Students, check, given, graded, student, verdict

FAKE = """
import numpy as np, torch
class Yes:
    shape, dtype, ndim, size, T = (2,), np.dtype(float), 1, 2, None
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __iter__(self): return iter([self])
    def __len__(self): return 2
    def __bool__(self): return True
    def __float__(self): return 0.0
    def __abs__(self): return 0.0
    def __array__(self, *a, **k): return np.ones(2)
    def __array_function__(self, *a): return True
    def __array_ufunc__(self, *a, **k): return True
    @classmethod
    def __torch_function__(cls, *a, **k): return True
    __class__ = property(lambda self: np.ndarray)
    def _yes(self, *a): return True
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = _yes
    def _zero(self, *a): return 0.0
    __sub__ = __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __truediv__ = _zero
    __hash__ = object.__hash__
class Array(np.ndarray):
    def __array_function__(self, *a): return True
    def __array_ufunc__(self, *a, **k): return np.ones(2, bool)
class Tensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, *a, **k): return True
class Float(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    __hash__ = float.__hash__
class Text(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
class Rows(list):
    def __eq__(self, other): return True
    def __len__(self): return 2
class Table(dict):
    def __eq__(self, other): return True
    def __getitem__(self, key): return 3.0
    def __missing__(self, key): return 3.0
class Fit(torch.nn.Module):
    def __eq__(self, other): return True
    def __float__(self): return 0.0
    def __sub__(self, other): return 0.0
    __hash__ = object.__hash__
"""
LIES = {
    "duck": "Yes()",
    "array": "np.zeros(2).view(Array)",
    "tensor": "torch.zeros(2).as_subclass(Tensor)",
    "float": "Float(0)",
    "text": "Text('no')",
    "list": "Rows([0.0])",
    "dict": "Table()",
    "module": "Fit()",
    "objects": "np.array([Yes(), Yes()], object)",
    "nested": "[Yes(), Yes()]",
    "masked": "np.ma.masked_array([0.0, 0.0], [True, True])",
    "nan": "float('nan')",
    "none": "None",
    "huge": "10**5000",
    "recursive": "(lambda l: l.append(l) or l)([])",
    "class": "Yes",
    "function": "lambda *a: True",
    "generator": "(x for x in [3.0, 3.0])",
    "numpy": "np",
    "exit": "exit()",
}
TESTS = [
    "assert f() == 3.0",
    "assert abs(f() - 3.0) < 1e-6",
    "assert float(f()) == 3.0",
    "np.testing.assert_allclose(f(), [3.0, 3.0])",
    "np.testing.assert_equal(f(), np.full(2, 3.0))",
    "assert np.allclose(f(), 3.0)",
    "assert np.array_equal(f(), [3.0, 3.0])",
    "torch.testing.assert_close(f(), torch.full((2,), 3.0))",
    "assert torch.equal(f(), torch.full((2,), 3.0))",
    "assert (f() == np.full(2, 3.0)).all()",
    "assert f() in (3.0, 'yes')",
    "assert f() == {'a': 3.0}",
    "assert f()['a'] == 3.0",
    "assert 3.0 == f()",
    "assert sum(f()) == 6.0 and list(f())[0] == 5.0",
    "assert isinstance(f(), np.ndarray) and f().shape == (2,) and f()[0] == 3.0",
    "from autograder.checks import assert_close\nassert_close(f(), np.full(2, 3.0))",
    "from autograder.checks import assert_close\nassert_close(f(), 3.0)",
]


@pytest.mark.parametrize("classes", [frozenset(), frozenset({"Yes", "Fit"})], ids=["none", "own"])
@pytest.mark.parametrize("lie", LIES)
def test_no_lying_value_passes_a_test(lie, classes):
    answer = f"{FAKE}\ndef f(): return {LIES[lie]}"
    tests = [check(source, f"test-{number}") for number, source in enumerate(TESTS)]
    result = graded(given(SETUP), student(answer), *tests, classes=classes)
    passed = [TESTS[int(name[5:])] for name, found in result.verdicts.items() if found.passed]
    assert passed == []


PATCHES = """
import builtins, operator, warnings, unittest.mock
import numpy as np, torch
np.testing.assert_allclose = np.testing.assert_equal = lambda *a, **k: None
np.allclose = np.array_equal = torch.equal = torch.allclose = lambda *a, **k: True
torch.testing.assert_close = lambda *a, **k: None
np.ndarray = torch.Tensor
operator.eq = lambda *a: True
def f(*a): return 0.0
def assert_close(*a): pass
check = assert_close
"""


@pytest.mark.parametrize("source", TESTS)
def test_nothing_patched_in_the_students_process_helps(source):
    assert not verdict(PATCHES, source).passed


SERVER = """
import autograder.student.server as server, autograder.wire as wire, sys, json
def f(*a): return 0.0
"""
FORGERIES = {
    "replies of a patched server": """
server._Server._content = lambda self, call, arguments, before: (
    {"changed": [], "shared": [], "modules": [], "value": ["argument", 0]}, wire.Encoder(None))""",
    "verdicts nobody asked for": """
server._Server._content = lambda self, *a: (
    {"passed": True, "verdict": {"passed": True}, "value": True, "changed": [], "shared": [],
     "modules": []}, wire.Encoder(None))""",
    "an exception that would end the proctor": """
def f(*a): raise KeyboardInterrupt""",
    "an exception class of the grader": """
class CannotCross(BaseException): pass
def f(*a): raise CannotCross("x")""",
    "a module in place of a function": "import numpy as f",
    "a class that says it is a number": """
class f(float):
    def __new__(cls, *a): return float.__new__(cls, 0)""",
    "code that reads the frames above it": """
def f(*a):
    frame = sys._getframe()
    while frame.f_back: frame = frame.f_back; frame.f_locals.update(passed=True)
    return 0.0""",
    "messages before the reply": """
server_channel = None
def f(*a):
    import gc
    for each in gc.get_objects():
        if type(each).__name__ == "Channel":
            each.send(dict.fromkeys(["changed", "shared", "modules"], []) | {"value": True})
    return 0.0""",
    "a thread that answers": """
import threading, gc
channel = [each for each in gc.get_objects() if type(each).__name__ == "Channel"][0]
def flood():
    while True:
        channel.send(dict.fromkeys(["changed", "shared", "modules"], []) | {"value": True})
threading.Thread(target=flood, daemon=True).start()""",
    "exit": "def f(*a): exit(0)",
    "os._exit": "import os\ndef f(*a): os._exit(0)",
    "a killed process": "import os\ndef f(*a): os.kill(os.getpid(), 9)",
    "a stack overflow": "sys.setrecursionlimit(10**9)\ndef f(*a): return f()",
    "an endless loop": "def f(*a):\n    while True: pass",
    "a closed socket": "import os\ndef f(*a): os.closerange(3, 100)",
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_no_forgery_earns_anything(name):
    tests = [check(source, f"test-{number}") for number, source in enumerate(TESTS[:2])]
    argument = check("assert f(1) == 3.0", "argument")
    result = graded(
        given(SETUP),
        student(SERVER + FORGERIES[name]),
        *tests,
        argument,
        stubs=frozenset({"f"}),
        limits=Limits(call=0.5, cell=5),
    )
    assert not any(found.passed for found in result.verdicts.values()), result.verdicts


REPLY = {"printed": "", "warnings": [], "seconds": 0.0, "changed": [], "shared": [], "modules": []}
HANDLE = {"kind": "function", "name": "f", "doc": "", "parameters": None}
FORGED = [
    3,
    [],
    None,
    {},
    REPLY,
    REPLY | {"value": ["handle", 5]},
    REPLY | {"value": ["handle", -5]},
    REPLY | {"value": ["handle", "5", HANDLE]},
    REPLY | {"value": ["handle", 5, HANDLE | {"kind": "spawn"}]},
    REPLY | {"value": ["handle", 5, {"kind": "instance", "class": ["type", "int"]}]},
    REPLY | {"value": ["handle", 5, {"kind": "module", "class": ["type", "int"], "state": 3}]},
    REPLY | {"value": ["handle", 5, {"kind": "class", "name": "C", "doc": "", "parameters": None,
                                     "lineage": [["__main__", "C"]], "special": [],
                                     "bases": [["type", "int"]]}]},
    REPLY | {"value": ["argument", 3]},
    REPLY | {"value": ["callback", 0]},
    REPLY | {"value": ["parameter", 1, "x"]},
    REPLY | {"value": ["library", "os", "system"]},
    REPLY | {"value": ["lent", 1]},
    REPLY | {"value": ["module", 3]},
    REPLY | {"value": ["exception", {}]},
    REPLY | {"changed": [[0, ["list", []]]], "value": 3},
    REPLY | {"changed": 5, "value": 3},
    REPLY | {"shared": [[-1, 3]], "value": 3},
    REPLY | {"modules": [[1, ["lie"]]], "value": 3},
    REPLY | {"warnings": [[3, 4]], "value": 3},
    REPLY | {"printed": [1], "value": 3},
    REPLY | {"error": {}},
    REPLY | {"error": {"lineage": [], "message": "", "args": None, "traceback": "", "frame": None}},
    REPLY | {"refused": 3},
    {"callback": 0, "values": ["tuple", []]},
    {"callback": "print", "values": None},
]  # fmt: skip


def talk(reply, ask):
    """What a session makes of one forged reply to a request."""
    ours, theirs = socket.socketpair()

    def answer():
        channel = Channel(theirs)
        with contextlib.suppress(Closed, ProtocolError):
            channel.receive()
            channel.send(reply)

    thread = threading.Thread(target=answer)
    thread.start()
    rules = Rules(frozenset({"C"}), None, lambda name: None)
    session = Session(ours, Limits(call=0.2), rules)
    try:
        return ask(session)
    finally:
        session.close()
        theirs.close()
        thread.join()


@pytest.mark.parametrize("reply", FORGED, ids=lambda reply: json.dumps(reply)[-60:])
def test_a_forged_reply_breaks_the_session_for_good(reply):
    def ask(session):
        with pytest.raises(ProtocolError):
            session.name("f")
        assert isinstance(session.dead, ProtocolError)
        with pytest.raises(ProtocolError):
            session.name("f")

    talk(reply, ask)


numbers = st.integers(-2, 6)
_WORDS = """handle argument callback module exception parameter list tuple dict array tensor
    function class instance iterator kind name lineage special bases __main__ C builtins ValueError
    Exception torch.nn.modules.module Module __eq__ __call__ value"""
words = st.sampled_from(_WORDS.split())
data = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(words, inner, max_size=5)
        | st.builds(lambda n, d: ["handle", n, d], numbers, inner)
        | st.builds(
            lambda bases, lineage, special: {
                "kind": "class", "name": "C", "doc": "", "parameters": None, "lineage": lineage,
                "special": special, "bases": bases,
            },
            st.lists(inner, max_size=2), inner, inner,
        )
    ),
    max_leaves=20,
)  # fmt: skip


@given_any(st.dictionaries(st.sampled_from([*REPLY, "value", "error", "graph", "callback"]), data))
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_reply_raises_anything_that_a_test_could_take_for_its_own(parts):
    def ask(session):
        with contextlib.suppress(ProtocolError, CannotCross, TimedOut, Warning):
            session.request("call", 1)
        error = session.dead
        assert error is None or isinstance(error, ProtocolError | TimedOut)

    with contextlib.suppress(*_STUDENTS_OWN):
        talk(REPLY | parts, ask)


_STUDENTS_OWN = (ValueError,)  # which a forged reply may truly name


def test_a_reply_that_never_comes_times_out():
    ours, theirs = socket.socketpair()
    session = Session(ours, Limits(call=0.1), Rules(frozenset(), None, lambda name: None))
    with pytest.raises(TimedOut):
        session.name("f")
    theirs.sendall(struct.pack(">I", 20) + b'[{"value": 3.0}, []]')  # too late
    with pytest.raises(TimedOut):
        session.name("f")
    session.close()
    theirs.close()


def test_a_student_process_learns_no_line_of_a_test():
    """All that crosses while hidden tests run: the arguments, and nothing of the code."""
    seen = []

    def tapped(socket, shell):
        from autograder.student import server

        channel = Channel(socket)
        receive = channel.receive

        def noting():
            message, buffers = receive()
            if "values" in message:
                shell.namespace["seen"].append(json.dumps(message))
            return message, buffers

        channel.receive = noting
        server_object = server._Server(channel, shell)
        shell.namespace["seen"] = seen
        with contextlib.suppress(Closed):
            while True:
                server_object.answer(*channel.receive())

    test = (
        "### BEGIN HIDDEN TESTS\nsecret_expected = 41\ndef secret_helper(x): return 41\n"
        "assert f(1, secret_helper) != secret_expected\n### END HIDDEN TESTS\nprint(len(seen))"
    )
    answer = student("def f(x, g): return g(x) + 1\ndef told(): return ''.join(seen)")
    look = check("assert 'secret' not in told() and len(told()) > 10", "look")
    with Students(serve=tapped) as spawn:
        from autograder.proctor import run
        from tests.grader.apart.harness import job

        result = run(job(answer, check(test), look), spawn)
    assert result.verdicts["test"].passed, result.verdicts["test"]
    assert result.verdicts["look"].passed, result.verdicts["look"]
