"""The guard passes every chapter, and each of its rules catches the chapter that breaks it."""

from textwrap import dedent
from types import ModuleType

import numpy as np
import pytest
import torch

from book.op import Case, Op
from tests.parity.chapters import Chapter, discover
from tests.parity.guard import problems


def test_every_chapter_keeps_the_rules(chapter):
    assert problems(chapter) == []


# --- a tiny chapter without fault, which each test below breaks in one place


def _reference():
    def double(input, scale=2.0):
        """Shapes: any. Raises: TypeError if input is not real."""
        return scale * np.asarray(input, dtype=np.float64)

    def double_backward(grad_output, input, scale=2.0):
        """Shapes: any. Raises: TypeError if an array is not real."""
        return scale * grad_output

    return _module("reference", double=double, double_backward=double_backward)


def _pytorch():
    def double(input, scale=2.0):
        """Shapes: any. Raises: TypeError if input is not real."""
        return scale * input

    return _module("pytorch", double=double)


def _module(name, **members):
    module = ModuleType(name)
    module.__dict__.update(members, __all__=["double"])
    return module


ORDINARY = Case("ordinary", (np.array([1.0, 2.0]),))
BAD = Case("complex", (np.array([1j]),), raises=TypeError)


def _op(name="double", cases=(ORDINARY, BAD), **kwargs):
    return Op(name, lambda rng, shape: ORDINARY, lambda rng: cases, **kwargs)


@pytest.fixture
def tiny(tmp_path):
    return Chapter("tiny", _reference(), _pytorch(), (_op(),), tmp_path / "test_tiny.py")


def _with_ops(chapter, *ops):
    return Chapter(chapter.name, chapter.reference, chapter.pytorch, ops, chapter.tests)


def _only_problem(chapter):
    (problem,) = problems(chapter)
    return problem


def test_the_tiny_chapter_is_without_fault(tiny):
    assert problems(tiny) == []


def test_a_name_public_on_one_side_only_is_caught(tiny):
    tiny.pytorch.__all__ = []
    assert "__all__ differ: ['double']" in problems(tiny)[0]


def test_public_names_in_another_order_are_caught(tiny):
    for module in (tiny.reference, tiny.pytorch):
        module.triple = module.double
        module.triple_backward = tiny.reference.double_backward
    tiny.reference.__all__ = ["double", "triple"]
    tiny.pytorch.__all__ = ["triple", "double"]
    assert "another order" in _only_problem(_with_ops(tiny, _op(), _op("triple")))


def test_a_public_name_that_does_not_exist_is_caught(tiny):
    del tiny.pytorch.double
    assert _only_problem(tiny) == "pytorch has no double, which its __all__ names"


@pytest.mark.parametrize(
    "other",
    [
        lambda x, scale=2.0: 2 * x,  # another name
        lambda scale=2.0, input=None: 2 * input,  # another order
        lambda input, scale=1.0: 2 * input,  # another default
        lambda input: 2 * input,  # one missing
    ],
    ids=["name", "order", "default", "missing"],
)
def test_another_signature_is_caught(tiny, other):
    other.__doc__ = tiny.pytorch.double.__doc__
    tiny.pytorch.double = other
    assert "signatures differ" in _only_problem(tiny)


def test_a_function_without_an_op_is_caught(tiny):
    assert _only_problem(_with_ops(tiny)) == "double: 0 Ops in cases.py, expected one"


def test_an_op_of_no_function_is_caught(tiny):
    problem = _only_problem(_with_ops(tiny, _op(), _op("treble")))
    assert problem == "treble: an Op in cases.py, but no public function"


def test_a_function_without_bad_input_is_caught(tiny):
    problem = _only_problem(_with_ops(tiny, _op(cases=(ORDINARY,))))
    assert problem == "double: no case of bad input"


def test_a_function_with_nothing_but_bad_input_is_caught(tiny):
    assert _only_problem(_with_ops(tiny, _op(cases=(BAD,)))) == "double: no ordinary case"


@pytest.mark.parametrize("peer", ["torch.doubled", "no_such_package.double", "double"])
def test_a_peer_that_does_not_exist_is_caught(tiny, peer):
    problem = _only_problem(_with_ops(tiny, _op(torch_peers=(peer,))))
    assert problem == f"double: its peer {peer} does not exist"


@pytest.mark.parametrize("part", ["Shapes:", "Raises:"])
@pytest.mark.parametrize(
    "side, name", [("reference", "double"), ("reference", "double_backward"), ("pytorch", "double")]
)
def test_a_docstring_without_its_parts_is_caught(tiny, side, name, part):
    function = getattr(getattr(tiny, side), name)
    function.__doc__ = function.__doc__.replace(part, "")
    assert _only_problem(tiny) == f"{side}.{name}: no '{part}' in the docstring"


def test_a_missing_docstring_is_caught(tiny):
    tiny.pytorch.double.__doc__ = None
    assert len(problems(tiny)) == 2


def test_a_missing_gradient_is_caught(tiny):
    del tiny.reference.double_backward
    assert "differentiable in PyTorch, but no double_backward" in _only_problem(tiny)


def test_a_gradient_may_stand_in_another_chapter_and_must_exist_there(tiny):
    del tiny.reference.double_backward
    for name in ("book.no_such_chapter.reference.double_backward", "numpy.positive"):
        assert problems(_with_ops(tiny, _op(gradient=name))) == []
    problem = _only_problem(_with_ops(tiny, _op(gradient="numpy.double_backward")))
    assert problem == "double: its gradient numpy.double_backward does not exist"


@pytest.mark.parametrize(
    "flat",
    [
        lambda input, scale=2.0: (input > 0).to(input.dtype),  # autograd records nothing
        lambda input, scale=2.0: 0.0 * input,  # or nothing but zeros
        lambda input, scale=2.0: torch.zeros(2),
    ],
)
def test_a_function_without_slope_needs_no_gradient(tiny, flat):
    flat.__doc__ = tiny.pytorch.double.__doc__
    tiny.pytorch.double = flat
    del tiny.reference.double_backward
    assert problems(tiny) == []


def test_a_gradient_with_other_arguments_is_caught(tiny):
    doc = tiny.reference.double_backward.__doc__
    tiny.reference.double_backward = lambda grad_output, input, scale=3.0: None
    tiny.reference.double_backward.__doc__ = doc
    assert "arguments after grad_output are not those of double" in _only_problem(tiny)
    tiny.reference.double_backward = lambda input, scale=2.0: None
    tiny.reference.double_backward.__doc__ = doc
    assert "the first argument is not grad_output" in _only_problem(tiny)


def test_a_gradient_of_no_public_function_is_caught(tiny):
    tiny.reference.dubble_backward = tiny.reference.double_backward
    assert _only_problem(tiny) == "dubble_backward: the gradient of no public function"


def test_a_public_class_needs_tests_of_its_own(tiny):
    class Doubler:
        """Shapes: any. Raises: nothing."""

    for module in (tiny.reference, tiny.pytorch):
        module.Doubler = Doubler
        module.__all__ = ["double", "Doubler"]
    assert "Doubler: a public class, but no tests/chapters/test_tiny.py" in _only_problem(tiny)
    tiny.tests.write_text("assert Doubler()\n")
    assert problems(tiny) == []


# --- discovery

# A whole chapter, as small as one can be.
TINY = {
    "reference.py": """
        import numpy as np
        __all__ = ["double"]
        def double(input):
            '''Shapes: any. Raises: TypeError if input is not real.'''
            if np.iscomplexobj(input):
                raise TypeError("input: expected real numbers, got complex ones")
            return 2.0 * np.asarray(input)
        def double_backward(grad_output, input):
            '''Shapes: any. Raises: ValueError if the shapes differ.'''
            if grad_output.shape != input.shape:
                raise ValueError(f"expected shape {input.shape}, got {grad_output.shape}")
            return 2.0 * grad_output
    """,
    "pytorch.py": """
        __all__ = ["double"]
        def double(input):
            '''Shapes: any. Raises: TypeError if input is not real.'''
            if input.is_complex():
                raise TypeError("input: expected real numbers, got complex ones")
            return 2.0 * input
    """,
    "cases.py": """
        import numpy as np
        from book.op import Case, Op
        def sample(rng, shape):
            return Case("ordinary", (rng.normal(size=shape),))
        def cases(rng):
            yield sample(rng, (2, 3))
            yield Case("complex", (np.ones(1) * 1j,), raises=TypeError)
        OPS = [Op("double", sample, cases)]
    """,
}


def test_a_folder_with_cases_is_a_chapter(tmp_path):
    folder = tmp_path / "book" / "tiny"
    folder.mkdir(parents=True)
    for name, source in TINY.items():
        (folder / name).write_text(dedent(source))
    (tmp_path / "book" / "no_chapter").mkdir()
    (found,) = discover(tmp_path)
    assert found.name == "tiny"
    assert found.reference.__file__ == str(folder / "reference.py")
    assert problems(found) == []
