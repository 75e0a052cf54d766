"""What a test can do with a student's functions, classes and objects."""

import re

import pytest

from tests.grader.apart.harness import SETUP, Students, check, given, graded, student

ANSWER = (
    SETUP
    + '''
import functools, random, warnings

def scaled(x, by=2.0, *, shift=None):
    """Scale x."""
    return x * by

class ShapeError(ValueError):
    pass

def bad(kind):
    if kind == "own":
        raise ShapeError("the shape is bad")
    if kind == "numpy":
        np.linalg.inv(np.zeros((2, 2)))
    if kind == "axis":
        np.zeros(3).sum(axis=5)
    if kind == "odd":
        raise type("Odd", (KeyError, ValueError), {})("odd")
    if kind == "base":
        raise type("Base", (BaseException,), {})("base")
    raise {"stop": StopIteration, "exit": SystemExit, "break": KeyboardInterrupt}[kind](kind)

class Value:
    """A number with history."""
    count = 7
    def __init__(self, data, parents=()):
        self.data, self.parents = data, parents
    def __add__(self, other):
        return Value(self.data + getattr(other, "data", other), (self, other))
    __radd__ = __add__
    def __mul__(self, other):
        return Value(self.data * getattr(other, "data", other))
    def __neg__(self):
        return Value(-self.data)
    def __iadd__(self, other):
        self.data += other
        return self
    def __lt__(self, other):
        return self.data < other.data
    def __eq__(self, other):
        return True
    def __repr__(self):
        return f"Value({self.data})"
    def __len__(self):
        return 3
    def __getitem__(self, index):
        return [10, 20, 30][index]
    def __setitem__(self, index, value):
        self.data = value
    def __contains__(self, item):
        return item == 10
    def __call__(self, x):
        return x + self.data
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.data = -1
    def __float__(self):
        return float(self.data)
    def __sub__(self, other):
        return 0.0
    __rsub__ = __sub__
    def method(self, x, by=1):
        return x * by
    @property
    def double(self):
        return 2 * self.data
    @staticmethod
    def make(x):
        return Value(x)

class Special(Value):
    pass

class Other:
    pass

def other(): return Other()

def count_up(n):
    for i in range(n):
        yield i * np.ones(2)

def apply(function, x): return function(x)
def total(items): return sum(items)
def swap(items):
    items[0], items[1] = items[1], items[0]
    return items
def fill(array, value): array[...] = value
def extend(table): table["new"] = table.pop("old")
def noise(rng, n): return rng.normal(size=n)
def torch_noise(generator): return torch.rand(3, generator=generator)
def states(): return random.random(), np.random.rand(), torch.rand(1).item()
def settings(): return np.geterr()["over"], torch.is_grad_enabled(), torch.ones(1).dtype
def warn(x): warnings.warn("careful", RuntimeWarning); return x
def identity(x): return x
def nested(depth): return [nested(depth - 1)] if depth else []
def kept(function):
    global keeper
    keeper = function
def use_kept(): return keeper()
async def later(): return 1
class Bound:
    def __init__(self, params): self.params = list(params)
    def step(self, grads):
        for p, g in zip(self.params, grads):
            p -= g
partial = functools.partial(scaled, by=3.0)
cached = functools.lru_cache(lambda x: x + 1)
vectorized = np.vectorize(lambda x: x + 1)
log = np.log
'''
)
CLASSES = frozenset({"Value", "Bound"})


@pytest.fixture(scope="module")
def run():
    """Runs test code against ANSWER: True, or the message of its failure."""

    def run(source, classes=CLASSES):
        setup = given(f"{SETUP}\nimport pytest, inspect, copy, warnings, random")
        found = graded(setup, student(ANSWER), check(source), classes=classes).verdicts["test"]
        return found.passed or f"{found.error}: {found.message}"

    return run


GOOD = {
    "functions": """
        assert scaled(3) == 6 and scaled(3, by=3) == 9
        assert scaled.__name__ == "scaled" and scaled.__doc__ == "Scale x."
        assert str(inspect.signature(scaled)) == "(x, by=2.0, *, shift=None)"
        assert callable(scaled) and partial(2) == 6 and cached(1) == 2 and log(1) == 0
        np.testing.assert_array_equal(vectorized(np.arange(2)), [1, 2])
        np.testing.assert_allclose(scaled(np.ones(3)), 2)
        torch.testing.assert_close(scaled(torch.ones(3)), torch.full((3,), 2.0))
        assert type(scaled(np.float32(1))) is np.float32""",
    "exceptions": """
        with pytest.raises(ShapeError, match="the shape is bad") as caught: bad("own")
        assert "in bad" in caught.value.student_traceback
        assert caught.value.student_frame[0] == "bad"
        with pytest.raises(ValueError): bad("own")
        with pytest.raises(np.linalg.LinAlgError): bad("numpy")
        with pytest.raises(np.exceptions.AxisError): bad("axis")
        with pytest.raises(KeyError): bad("odd")
        with pytest.raises(ValueError): bad("odd")
        with pytest.raises(SystemExit): bad("exit")
        with pytest.raises(RuntimeError): bad("stop")
        with pytest.raises(Exception, match="base"): bad("base")
        with pytest.raises(Exception, match="break"): bad("break")
        with pytest.raises(TypeError, match="positional"): scaled()""",
    "a call that raises StopIteration ends no loop": """
        with pytest.raises(RuntimeError): list(map(bad, ["stop"]))""",
    "instances": """
        a, b = Value(2.0), Value(3.0)
        c = a + b * 2 + 1
        assert type(c) is Value and isinstance(c, Value) and c.data == 9.0
        assert not isinstance(c, Special) and isinstance(Special(1), Value)
        assert issubclass(Special, Value) and Value.__name__ == "Value" and Value.count == 7
        assert (1 + a).data == 3.0 and (-a).data == -2.0 and sum([a, b]).data == 5.0
        assert a < b and not b < a and repr(a) == "Value(2.0)" and float(a) == 2.0
        assert len(a) == 3 and list(a) == [10, 20, 30] and a[-1] == 30 and 10 in a and 11 not in a
        assert a(1) == 3.0 and a.method(2, by=3) == 6 and a.double == 4.0
        assert Value.make(5).data == 5
        a.data = 7.0
        assert a.data == 7.0 and hasattr(a, "data") and not hasattr(a, "nothing")
        a += 1
        assert a.data == 8.0
        a[0] = 9
        assert a.data == 9
        with a as entered: assert entered is a
        assert a.data == -1
        first, second = c.parents
        assert second == 1 and type(first) is Value
        assert copy.deepcopy(a) is not a and identity(a) is a and identity([a])[0] is a
        assert {a: 1}[a] == 1
        assert str(inspect.signature(Value)) == "(data, parents=<tuple>)" """,
    "comparisons with data": """
        a = Value(2.0)
        for compare in (lambda: a == 2.0, lambda: 2.0 == a, lambda: a != 2.0, lambda: a < 3,
                        lambda: a == np.ones(2), lambda: np.ones(2) == a, lambda: a == None,
                        lambda: a in [2.0], lambda: scaled == 3,
                        lambda: abs(a - 2.0) < 1e-6, lambda: (2.0 - a) < 1, lambda: a - a):
            with pytest.raises(TypeError): compare()
        for claim in (lambda: np.testing.assert_equal(a, 2.0),
                      lambda: torch.testing.assert_close(a, 2.0),
                      lambda: np.testing.assert_allclose([a], [2.0])):
            with pytest.raises((TypeError, AssertionError)): claim()
        assert a == Value(5.0) and a is not None""",
    "generators": """
        assert [v[0] for v in count_up(3)] == [0, 1, 2]
        numbers = count_up(2)
        next(numbers)
        assert next(numbers)[0] == 1 and next(numbers, None) is None""",
    "callbacks": """
        assert apply(lambda x: x * 2, 3) == 6 and apply(np.sin, 0.0) == 0 and apply(len, [1]) == 1
        assert apply(lambda x: apply(lambda y: y + 1, x) * 2, 3) == 8
        assert total(i for i in range(4)) == 6 and total(map(float, [1, 2])) == 3
        assert apply(identity, 3) == 3 and identity(check_me := lambda: 3) is check_me
        def failing(x): raise ValueError("of the test")
        with pytest.raises(ValueError, match="of the test"): apply(failing, 1)
        assert apply(torch.tanh, torch.zeros(1)) == 0 and apply(nn.ReLU, False).inplace is False""",
    "a callback works only while its call lasts": """
        kept(lambda: 3)
        with pytest.raises(RuntimeError, match="works only in the call"): use_kept()""",
    "in-place changes": """
        items = [1, 2, np.ones(2)]
        assert swap(items) is items and items[:2] == [2, 1]
        array, tensor, table = np.zeros((2, 2)), torch.zeros(2), {"old": 1}
        fill(array, 3); fill(tensor, 4); extend(table)
        assert (array == 3).all() and (tensor == 4).all() and table == {"new": 1}
        part = np.zeros((3, 4)); fill(part[::2], 5)
        assert part.sum() == 40
        array.flags.writeable = False
        with pytest.raises(ValueError): fill(array, 1)
        assert identity(tensor) is tensor""",
    "random states": """
        ours, theirs = np.random.default_rng(3), np.random.default_rng(3)
        for _ in range(2): np.testing.assert_array_equal(noise(theirs, 3), ours.normal(size=3))
        ours, theirs = (torch.Generator().manual_seed(3) for _ in range(2))
        for _ in range(2): assert torch.equal(torch_noise(theirs), torch.rand(3, generator=ours))
        def seed():
            random.seed(1); np.random.seed(2); torch.manual_seed(3)
        seed(); got = states(); seed()
        assert got == (random.random(), np.random.rand(), torch.rand(1).item())
        again = states()
        assert again != states()""",
    "settings": """
        assert settings() == ("warn", True, torch.float32)
        with np.errstate(over="raise"), torch.no_grad(): assert settings()[:2] == ("raise", False)
        torch.set_default_dtype(torch.float64)
        try: assert settings()[2] == torch.float64
        finally: torch.set_default_dtype(torch.float32)
        assert settings() == ("warn", True, torch.float32)""",
    "warnings": """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warn(1)
        assert [(w.category, str(w.message)) for w in caught] == [(RuntimeWarning, "careful")]
        with pytest.warns(RuntimeWarning): warn(1)
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning): warn(1)""",
    "what an object was given stays linked to it": """
        weights = [np.ones(2), torch.ones(2)]
        optimizer = Bound(weights)
        optimizer.step([0.5, 0.25])
        assert weights[0][0] == 0.5 and weights[1][0] == 0.75
        weights[0][...] = 3
        optimizer.step([1.0, 0])
        assert weights[0][0] == 2.0 and identity(weights)[0] is weights[0]""",
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_in_a_test_work(run, name):
    lines = GOOD[name].lstrip("\n").split("\n")
    source = "\n".join(line[8:] for line in lines)
    assert run(source) is True


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("other()", "The result of other is an object of the class `Other`. What can cross"),
        ("[other]\nother()", "and objects of Bound, Value."),
        ("Other", "`Other` is an object of the class `Other`"),
        ("later()", "is the result of an `async def` function"),
        ("nested(200)", "is nested too deeply"),
        ("identity(object())", "The test passes a `object` object of the test"),
        ("identity(np.zeros(1, [('a', int)]))", "The test passes a structured array"),
        ("identity(torch.zeros(2).to_sparse())", "sparse"),
        ("apply(lambda x: object(), 1)", "passes|object"),
    ],
)
def test_what_cannot_cross_is_an_error_that_names_the_reason(run, source, reason):
    assert re.search(reason, run(source))


def test_without_a_list_the_classes_of_the_notebook_can_cross(run):
    assert run("assert Value(1).data == 1\nother();", classes=None) is True


def test_an_instructors_class_is_one_class_on_both_sides():
    shared = "class Layer:\n    def __init__(self, n): self.n = n\nclass Bad(Exception): pass"
    answer = "def make(): return Layer(3)\ndef fail(): raise Bad\ndef same(c): return c is Layer"
    test = """
import pytest
assert isinstance(make(), Layer) and make().n == 3
with pytest.raises(Bad): fail()
assert same(Layer)"""
    result = graded(given(shared), student(answer), check(test), classes=frozenset({"Layer"}))
    assert result.verdicts["test"].passed, result.verdicts["test"]


def test_a_process_without_torch_is_served_too():
    import sys

    def without_torch(shell):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torch"]:
            del sys.modules[name]
        sys.modules["torch"] = None
        del sys.modules["torch"]
        sys.meta_path.insert(0, Refuse())

    class Refuse:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "torch":
                raise ModuleNotFoundError(name)

    answer = "import numpy as np\ndef f(x):\n    x *= 2\n    return x"
    cells = given(SETUP), student(answer), check("assert f(np.ones(2)).sum() == 4")
    tensor = check("f(torch.ones(2))", "tensor")
    result = graded(*cells, tensor, students=Students(without_torch))
    assert result.verdicts["test"].passed
    assert "the student's process cannot take it" in result.verdicts["tensor"].message
