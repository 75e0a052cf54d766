"""Gradients: hand-written, by autograd of ours and of the peers, and by central differences."""

import numpy as np
import pytest

from book.op import resolve
from tests.parity.chapters import cases
from tests.parity.compare import (
    FLOAT64,
    arguments,
    autograd,
    call,
    check,
    check_gradients,
    cotangents,
    differences,
    each,
    for_numpy,
    hand_gradients,
)
from tests.tolerances import DIFFERENCES

pytestmark = pytest.mark.differentiable


def _backward(chapter, op, case, target):
    """The case in the target's numbers, a random cotangent, and the gradients by hand."""
    case = for_numpy(case, target)
    grad_output = cotangents(call(getattr(chapter.reference, op.name), case), target)
    return case, grad_output, hand_gradients(chapter, op, case, grad_output)


def test_hand_written_gradient_is_that_of_autograd(chapter, op, case, target):
    case, grad_output, expected = _backward(chapter, op, case, target)
    function = getattr(chapter.pytorch, op.name)
    with target.precision():
        got = autograd(function, chapter, op, case, grad_output, target)
    what = f"{chapter.name}.{op.name}, {case.name}, {target}"
    check_gradients(got, expected, target.tolerance, what)


def test_hand_written_gradient_is_that_of_every_torch_peer(chapter, op, case, target):
    case, grad_output, expected = _backward(chapter, op, case, target)
    for peer in op.torch_peers:
        with target.precision():
            got = autograd(resolve(peer), chapter, op, case, grad_output, target)
        what = f"{chapter.name}.{op.name} against {peer}, {case.name}, {target}"
        check_gradients(got, expected, target.tolerance, what)


def test_hand_written_gradient_is_the_slope_of_the_reference(chapter, op):
    compared = 0
    for case in cases(op):
        if case.raises:
            continue
        case, grad_output, by_hand = _backward(chapter, op, case, FLOAT64)
        for name, slopes in differences(chapter, op, case, grad_output).items():
            smooth = ~np.ma.getmaskarray(slopes)
            got = by_hand.get(name, np.zeros(slopes.shape))[smooth]
            what = f"{chapter.name}.{op.name}, {case.name}, slope in {name}"
            check(got, slopes.data[smooth], DIFFERENCES, what)
            compared += smooth.sum()
    assert compared, "no case has a smooth place"


def test_gradients_are_float64_and_shaped_as_the_inputs(chapter, op, case):
    case, _, found = _backward(chapter, op, case, FLOAT64)
    inputs = arguments(chapter, op, case)
    for name, gradient in found.items():
        assert gradient.dtype == np.float64
        assert gradient.shape == inputs[name].shape


def test_no_input_of_a_gradient_is_changed(chapter, op, case):
    case = for_numpy(case, FLOAT64)
    grad_output = cotangents(call(getattr(chapter.reference, op.name), case), FLOAT64)
    given = [*each(grad_output), *arguments(chapter, op, case).values()]
    before = [np.copy(value) for value in given]
    hand_gradients(chapter, op, case, grad_output)
    for value, kept in zip(given, before, strict=True):
        np.testing.assert_array_equal(value, kept)


def test_a_cotangent_of_another_shape_is_refused(chapter, op):
    case = next(case for case in cases(op) if not case.raises)
    outputs = call(getattr(chapter.reference, op.name), case)
    wrong = tuple(np.ones((*output.shape, 2)) for output in outputs)
    wrong = wrong if len(wrong) > 1 else wrong[0]
    with pytest.raises(ValueError, match=r"(?s)expected.*got"):
        hand_gradients(chapter, op, case, wrong)
