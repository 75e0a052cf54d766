"""Sample inputs for the functions of backpropagation; Tensor and graph have tests of their own."""

from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional

from book.op import Case, Op


def _square_sum(x):
    return (x**2).sum()


def _bumpy(x):
    return (x**3 - 2 * x).sum() * 0.5


def _point(rng, shape):
    """Eighths, whose squares add up without rounding."""
    return np.asarray(rng.integers(4, 17, shape) / 8 * rng.choice([-1.0, 1.0], shape))


# The division by a small step magnifies the rounding of the function. At this large one both sides
# must agree to the last digit; the default step has a test of its own.
STEP = {"eps": 0.5}


def _numerical_sample(rng, shape):
    return Case("ordinary", (_square_sum, _point(rng, shape)), STEP)


def _numerical_cases(rng):
    yield _numerical_sample(rng, (3, 4))
    yield Case("a cubic", (_bumpy, _point(rng, (5,))), STEP)
    yield Case("another step", (_square_sum, _point(rng, (2, 3))), {"eps": 0.125})
    yield Case("one number", (_square_sum, np.array(0.7)), STEP)
    yield Case("empty", (_square_sum, np.zeros((0, 3))))
    yield Case("not contiguous", (_square_sum, _point(rng, (4, 6)).T[::2]), STEP)
    yield Case("complex numbers", (_square_sum, np.array([1j])), raises=TypeError)
    yield Case("no step", (_square_sum, np.ones(2)), {"eps": 0.0}, raises=ValueError)
    yield Case("several results", (lambda x: x * 2, np.ones(3)), raises=ValueError)


def _gradcheck_sample(rng, shape):
    return Case("ordinary", (_square_sum, _point(rng, shape)))


def _gradcheck_cases(rng):
    yield _gradcheck_sample(rng, (3, 4))
    yield Case("many results", (lambda x: (x * x).exp(), _point(rng, (2, 3))))
    yield Case("one number", (lambda x: x.tanh() * x, np.array(0.3)))
    yield Case("constant", (lambda x: (x * 0.0).sum(), _point(rng, (3,))))
    yield Case("complex numbers", (_square_sum, np.array([1j])), raises=TypeError)
    yield Case("a wrong gradient", (lambda x: x.detach() * x, np.ones(3)), raises=RuntimeError)


def _network(rng, *sizes, batch=5):
    arrays = [rng.normal(size=(batch, sizes[-1])), rng.normal(size=(batch, sizes[0]))]
    for n_in, n_out in pairwise(sizes):
        arrays += [rng.normal(size=(n_out, n_in)) / np.sqrt(n_in), rng.normal(size=n_out)]
    return tuple(arrays)


def _narrowing(features):
    """The sizes of a network for so many features: half as many units, a quarter, ten."""
    return features, features // 2 + 4, features // 4 + 4, 10


def _mlp_sample(rng, shape):
    return Case("three layers", _network(rng, *_narrowing(shape[-1]), batch=shape[0]))


def _mlp_cases(rng):
    yield _mlp_sample(rng, (5, 4))
    yield Case("one layer", _network(rng, 4, 3))
    yield Case("four layers", _network(rng, 6, 5, 7, 4, 2))
    yield Case("one sample, one unit", _network(rng, 1, 1, 1, batch=1))
    yield Case("empty batch", _network(rng, 3, 4, 2, batch=0))
    good = _network(rng, 3, 4, 2)
    yield Case("a bias is missing", good[:-1], raises=ValueError)
    yield Case("layers do not fit", (*good[:4], np.ones((2, 5)), np.ones(2)), raises=ValueError)
    yield Case("gradient of another shape", (np.ones((5, 7)), *good[1:]), raises=ValueError)
    yield Case("complex numbers", (good[0] + 1j, *good[1:]), raises=TypeError)


def _scores(input, parameters):
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        input = functional.linear(input, weight, bias).relu()
    return functional.linear(input, *parameters[-2:])


@torch.enable_grad()
def _autograd_torch(grad_output, input, *parameters):
    leaves = [tensor.detach().requires_grad_() for tensor in (input, *parameters)]
    return torch.autograd.grad(_scores(leaves[0], leaves[1:]), leaves, grad_output)


@torch.enable_grad()
def _sgd_torch(input, target, lr, *parameters):
    parameters = [torch.nn.Parameter(tensor.detach().clone()) for tensor in parameters]
    optimizer = torch.optim.SGD(parameters, lr)
    loss = functional.cross_entropy(_scores(input.detach(), parameters), target)
    loss.backward()
    optimizer.step()
    return (loss.detach(), *(tensor.detach() for tensor in parameters))


def _step(rng, *sizes, batch=5, lr=0.5):
    _, input, *parameters = _network(rng, *sizes, batch=batch)
    return input, rng.integers(0, sizes[-1], batch), lr, *parameters


def _step_sample(rng, shape):
    batch = max(shape[0], 1)
    return Case("three layers", _step(rng, *_narrowing(shape[-1]), batch=batch))


def _step_cases(rng):
    yield _step_sample(rng, (5, 4))
    yield Case("one layer, a small step", _step(rng, 4, 3, lr=0.01))
    yield Case("four layers", _step(rng, 6, 5, 7, 4, 2))
    yield Case("one sample", _step(rng, 3, 4, 3, batch=1))
    input, target, lr, *parameters = _step(rng, 2, 3)
    yield Case("scores in the thousands", (1000.0 * input, target, lr, *parameters))
    yield Case("a class too many", (input, target + 3, lr, *parameters), raises=ValueError)
    yield Case("classes as numbers", (input, target * 1.0, lr, *parameters), raises=TypeError)
    yield Case("a target is missing", (input, target[1:], lr, *parameters), raises=ValueError)
    yield Case("nothing to learn from", (input[:0], target[:0], lr, *parameters), raises=ValueError)
    yield Case("no step", (input, target, 0.0, *parameters), raises=ValueError)
    yield Case("a bias is missing", (input, target, lr, *parameters[:-1]), raises=ValueError)
    yield Case("complex numbers", (input + 1j, target, lr, *parameters), raises=TypeError)


OPS = [
    Op("numerical_gradient", _numerical_sample, _numerical_cases),
    Op("gradcheck", _gradcheck_sample, _gradcheck_cases),
    Op(
        "mlp_backward", _mlp_sample, _mlp_cases, (_autograd_torch,),
        min_ndim=2, bench_shape=(128, 784),
    ),
    Op(
        "training_step", _step_sample, _step_cases, (_sgd_torch,),
        min_ndim=2, bench_shape=(128, 784),
    ),
]  # fmt: skip
