"""Sample inputs for the functions of backpropagation; Tensor and graph have tests of their own."""

from itertools import pairwise

import numpy as np

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


def _mlp_sample(rng, shape):
    batch, features = shape[0], shape[-1]
    return Case("two layers", _network(rng, features, 8, 3, batch=batch))


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


OPS = [
    Op("numerical_gradient", _numerical_sample, _numerical_cases),
    Op("gradcheck", _gradcheck_sample, _gradcheck_cases),
    Op("mlp_backward", _mlp_sample, _mlp_cases, min_ndim=2, bench_shape=(1024, 784)),
]
