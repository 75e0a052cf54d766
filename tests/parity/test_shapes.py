"""Any shape: what Hypothesis finds between one number and four dimensions, empty ones included."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from book.op import resolve
from tests.parity.chapters import is_differentiable
from tests.parity.compare import (
    FLOAT64,
    autograd,
    call,
    check,
    check_gradients,
    cotangents,
    for_torch,
    hand_gradients,
)


def test_both_implementations_and_the_peers_agree_on_every_shape(chapter, op):
    shapes = array_shapes(
        min_dims=op.min_ndim, max_dims=max(4, op.min_ndim), min_side=0, max_side=5
    )

    @given(shape=shapes, seed=st.integers(0, 2**32 - 1))
    @example(shape=(1,) * op.min_ndim, seed=0)
    @example(shape=(0,) * op.min_ndim, seed=0)
    def agree(shape, seed):
        case = op.sample(np.random.default_rng(seed), shape)
        what = f"{chapter.name}.{op.name}, shape {shape}, seed {seed}"
        expected = _outcome(getattr(chapter.reference, op.name), case, shape)
        got = _outcome(getattr(chapter.pytorch, op.name), for_torch(case, FLOAT64), shape)
        assert (got is None) == (expected is None), f"{what}: only one of them refuses it"
        if expected is None:
            return
        peers = [call(resolve(peer), for_torch(case, FLOAT64)) for peer in op.torch_peers]
        for results in (got, *peers):
            for mine, right in zip(results, expected, strict=True):
                check(mine, right, FLOAT64.tolerance, what)
        if is_differentiable(chapter, op):
            grad_output = cotangents(expected, FLOAT64)
            by_hand = hand_gradients(chapter, op, case, grad_output)
            function = getattr(chapter.pytorch, op.name)
            found = autograd(function, chapter, op, case, grad_output, FLOAT64)
            check_gradients(found, by_hand, FLOAT64.tolerance, what)

    agree()


def _outcome(function, case, shape):
    """The results, or None where `function` refuses an empty shape: the largest of no numbers."""
    try:
        return call(function, case)
    except (ValueError, IndexError):
        if 0 in shape:
            return None
        raise
