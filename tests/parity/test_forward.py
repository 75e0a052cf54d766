"""Results: the same numbers from both implementations, in the right dtype, on the right device."""

import numpy as np
import torch

from book.op import Case, resolve
from tests.parity.compare import FLOAT64, Target, call, check, for_numpy, for_torch


def test_pytorch_gives_the_numbers_of_the_reference(chapter, op, case, target):
    expected = call(getattr(chapter.reference, op.name), for_numpy(case, target))
    with target.precision():
        got = call(getattr(chapter.pytorch, op.name), for_torch(case, target))
    what = f"{chapter.name}.{op.name}, {case.name}, {target}"
    assert len(got) == len(expected), what
    for mine, right in zip(got, expected, strict=True):
        check(mine, right, target.tolerance, what)


def test_results_keep_dtype_and_device(chapter, op, case, target):
    expected = call(getattr(chapter.reference, op.name), case)
    got = call(getattr(chapter.pytorch, op.name), for_torch(case, target))
    for mine, right in zip(got, expected, strict=True):
        if isinstance(mine, torch.Tensor):
            right = np.asarray(right)
            assert mine.device.type == target.device
            assert mine.is_floating_point() == (right.dtype.kind == "f")
            if mine.is_floating_point():
                assert mine.dtype == _result_dtype(case, target)
                assert right.dtype == np.float64


def _result_dtype(case, target):
    """That of the real arrays; a share of whole numbers alone, such as labels, is float64."""
    values = (*case.args, *case.kwargs.values())
    real = any(isinstance(value, np.ndarray) and value.dtype.kind == "f" for value in values)
    return target.torch_dtype if real else torch.float64


def test_only_whole_numbers_have_no_dtype_to_keep():
    labels, half = np.arange(3), Target("bfloat16", "cpu")
    assert _result_dtype(Case("labels", (labels, labels)), half) == torch.float64
    assert _result_dtype(Case("scores", (labels, labels / 2)), half) == torch.bfloat16
    weighted = Case("weights", (labels, labels), {"sample_weight": labels / 2})
    assert _result_dtype(weighted, half) == torch.bfloat16


def test_no_input_is_changed(chapter, op, case):
    def arrays(case):
        values = (*case.args, *case.kwargs.values())
        return [value for value in values if isinstance(value, np.ndarray | torch.Tensor)]

    given = for_torch(case, FLOAT64, gradients=False)  # with them, autograd would forbid it
    call(getattr(chapter.pytorch, op.name), given)
    before = [array.copy() for array in arrays(case)]
    call(getattr(chapter.reference, op.name), case)
    for kept, array, tensor in zip(before, arrays(case), arrays(given), strict=True):
        np.testing.assert_array_equal(array, kept, "the reference changed its input")
        np.testing.assert_array_equal(tensor, kept, "PyTorch's version changed its input")


def test_torch_peers_agree_with_the_reference(chapter, op, case, target):
    expected = call(getattr(chapter.reference, op.name), for_numpy(case, target))
    for peer in op.torch_peers:
        with target.precision():
            got = call(resolve(peer), for_torch(case, target))
        for theirs, right in zip(got, expected, strict=True):
            what = f"{chapter.name}.{op.name} against {peer}, {case.name}, {target}"
            check(theirs, right, target.tolerance, what)


def test_both_agree_with_all_peers_in_float64(chapter, op, case):
    tensors = for_torch(case, FLOAT64)
    ours = {
        "reference": call(getattr(chapter.reference, op.name), case),
        "pytorch": call(getattr(chapter.pytorch, op.name), tensors),
    }
    theirs = {peer: call(resolve(peer), tensors) for peer in op.torch_peers}
    theirs |= {peer: call(resolve(peer), case) for peer in op.numpy_peers}
    for side, got in ours.items():
        for peer, expected in theirs.items():
            for mine, right in zip(got, expected, strict=True):
                what = f"{side} of {chapter.name}.{op.name} against {peer}, {case.name}"
                check(mine, right, FLOAT64.tolerance, what)
