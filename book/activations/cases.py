"""Sample inputs for every activation function, and the peers it is held against."""

from dataclasses import replace

import numpy as np
import scipy.special

from book.op import Case, Op


def _spread(rng, shape):
    """Values on both sides of zero, most within the bend and some in the flat tails."""
    return rng.normal(scale=3.0, size=shape)


def _label(kwargs):
    return ", ".join(f"{key}={value}" for key, value in kwargs.items())


def _bad(*arguments):
    """What every function here refuses: numbers that are not real."""
    yield Case("complex numbers", (np.array([1.0 + 2.0j]), *arguments), raises=TypeError)


def _elementwise(name, torch_peers=(), numpy_peers=(), special=(), extra=None, kinks=()):
    """An Op that treats each number by itself, so that its input may have any shape."""

    def sample(rng, shape):
        return Case("ordinary", (_spread(rng, shape),))

    def cases(rng):
        yield sample(rng, (4, 5))
        for kwargs in special:
            yield Case(_label(kwargs), (_spread(rng, (3, 4)),), kwargs)
        yield Case("empty batch", (np.zeros((0, 4)),))
        yield Case("one number", (np.array(0.7),))
        yield Case("zeros of both signs", (np.array([0.0, -0.0]),))
        yield Case("large magnitude", (np.array([-1000.0, -90.0, -40.0, 40.0, 90.0, 1000.0]),))
        yield Case("tiny magnitude", (np.array([-1e-3, -1e-9, 1e-9, 1e-3]),))
        yield Case("not contiguous", (_spread(rng, (6, 8)).T[::2],))
        yield Case("broadcast view", (np.broadcast_to(_spread(rng, (1, 5)), (3, 5)),))
        yield from extra(rng) if extra else ()
        yield from _bad()

    return Op(name, sample, cases, torch_peers, numpy_peers, kinks=kinks, bench_shape=(4096, 1000))


def _prelu_sample(rng, shape):
    channels = shape[1] if len(shape) > 1 else 1
    return Case("one slope a channel", (_spread(rng, shape), rng.uniform(0.01, 0.5, channels)))


def _prelu_cases(rng):
    yield _prelu_sample(rng, (4, 3))
    yield _prelu_sample(rng, (2, 3, 4, 5))
    yield Case("one slope for all", (_spread(rng, (2, 3, 4)), np.array([0.25])))
    yield Case("vector", (_spread(rng, (6,)), np.array([0.25])))
    yield Case("one number", (np.array(-0.7), np.array([0.25])))
    yield Case("negative slope", (_spread(rng, (4, 2)), np.array([-1.0, 2.0])))
    yield Case("empty batch", (np.zeros((0, 3)), np.full(3, 0.25)))
    yield Case("zeros of both signs", (np.array([[0.0, -0.0]]), np.array([0.25, 0.25])))
    yield Case("not contiguous", (_spread(rng, (3, 8)).T, np.array([0.1, 0.2, 0.3])))
    yield Case("wrong number of slopes", (np.ones((4, 3)), np.ones(2)), raises=ValueError)
    yield Case("complex slope", (np.ones(2), np.array([1j])), raises=TypeError)
    yield from _bad(np.array([0.25]))


def _swish_sample(rng, shape):
    return Case("array beta", (_spread(rng, shape), np.array(1.5)))


def _swish_extra(rng):
    yield _swish_sample(rng, (4, 5))
    yield Case("array beta of shape (1,)", (_spread(rng, (3, 4)), np.array([0.8])))
    yield Case("beta of two elements", (np.ones(2), np.ones(2)), raises=ValueError)


def _identity_torch(input):
    from torch import nn

    return nn.Identity()(input)


def _step_torch(input):
    return input.heaviside(input.new_ones(()))


def _step_numpy(input):
    return np.heaviside(input, 1.0)


def _swish_peer(input, beta=1.0):
    return input * (beta * input).sigmoid()


def _along(name, torch_peers=(), numpy_peers=(), default_dim=None):
    """An Op that works along one dimension of its input."""

    def sample(rng, shape):
        return Case("ordinary", (_spread(rng, shape),), {"dim": len(shape) - 1})

    def cases(rng):
        yield sample(rng, (4, 5))
        if default_dim is not None:
            yield Case("default dim", (_spread(rng, (4, 5)),))
        yield Case("first dim", (_spread(rng, (4, 5)),), {"dim": 0})
        yield Case("middle dim of three", (_spread(rng, (2, 5, 3)),), {"dim": 1})
        yield Case("negative dim", (_spread(rng, (2, 5, 3)),), {"dim": -2})
        yield Case("empty batch", (np.zeros((0, 4)),), {"dim": 1})
        yield Case("one class", (_spread(rng, (3, 1)),), {"dim": 1})
        yield Case("ties", (np.array([[2.0, 2.0, 1.0], [0.0, 0.0, 0.0]]),), {"dim": 1})
        yield Case("large magnitude", (np.array([[1000.0, 999.0, -1000.0]]),), {"dim": 1})
        yield Case("all very negative", (np.array([[-1000.0, -1001.0]]),), {"dim": 1})
        yield Case("not contiguous", (_spread(rng, (6, 8)).T[::2],), {"dim": 1})
        yield Case("no such dim", (np.ones((2, 3)),), {"dim": 2}, raises=IndexError)
        yield Case("no dimensions", (np.array(1.0),), {"dim": 0}, raises=IndexError)
        yield Case("no classes", (np.ones((2, 0)),), {"dim": 1}, raises=ValueError)
        yield from _bad(0)

    return Op(name, sample, cases, torch_peers, numpy_peers, min_ndim=1, bench_shape=(4096, 1000))


def _softmax_scipy(input, dim):
    return scipy.special.softmax(input, axis=dim)


def _log_softmax_scipy(input, dim):
    return scipy.special.log_softmax(input, axis=dim)


def _hardmax_torch(input, dim=-1):
    from torch.nn.functional import one_hot

    classes = input.shape[dim]
    return one_hot(input.argmax(dim), classes).to(input.dtype).movedim(-1, dim)


_F = "torch.nn.functional"

_BAD_BETA = Case("beta of zero", (np.ones(2),), {"beta": 0.0}, raises=ValueError)
_BAD_FORM = Case("unknown form", (np.ones(2),), {"approximate": "fast"}, raises=ValueError)

OPS = [
    replace(_elementwise("identity", (_identity_torch,)), bench_shape=None),  # no work to time
    _elementwise("binary_step", (_step_torch,), (_step_numpy,), kinks=(0.0,)),
    _elementwise("sigmoid", ("torch.sigmoid",), ("scipy.special.expit",)),
    _elementwise("tanh", ("torch.tanh",), ("numpy.tanh",)),
    _elementwise("arctan", ("torch.arctan",), ("numpy.arctan",)),
    _elementwise("relu", (f"{_F}.relu",), kinks=(0.0,)),
    _elementwise(
        "leaky_relu", (f"{_F}.leaky_relu",), special=[{"negative_slope": 0.2}], kinks=(0.0,)
    ),
    Op(
        "prelu",
        _prelu_sample,
        _prelu_cases,
        (f"{_F}.prelu",),
        kinks=(0.0,),
        bench_shape=(4096, 1000),
    ),
    _elementwise("elu", (f"{_F}.elu",), special=[{"alpha": 0.3}], kinks=(0.0,)),
    _elementwise(
        "softplus",
        (f"{_F}.softplus",),
        special=[{"beta": 2.5}, {"beta": 2.0, "threshold": 3.0}],
        extra=lambda rng: [_BAD_BETA],
    ),
    _elementwise("silu", (f"{_F}.silu",)),
    _elementwise(
        "swish", (_swish_peer,), special=[{"beta": 0.0}, {"beta": 10.0}], extra=_swish_extra
    ),
    _elementwise(
        "gelu", (f"{_F}.gelu",), special=[{"approximate": "tanh"}], extra=lambda rng: [_BAD_FORM]
    ),
    _along("softmax", ("torch.softmax",), (_softmax_scipy,)),
    _along("log_softmax", ("torch.log_softmax",), (_log_softmax_scipy,)),
    _along("hardmax", (_hardmax_torch,), default_dim=-1),
]
