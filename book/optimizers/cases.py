"""Sample inputs for the functions of optimizers; the classes have tests of their own."""

import numpy as np
import torch
from torch.optim.adagrad import adagrad
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from book.op import Case, Op

_COMPLEX = np.array([1.0 + 2.0j])


# --- averages


def _ewma_sample(rng, shape):
    return Case("ordinary", (rng.normal(size=shape),))


def _ewma_cases(rng):
    yield _ewma_sample(rng, (3, 8))
    yield Case("corrected", (rng.normal(size=(3, 8)),), {"bias_correction": True})
    yield Case("along the first dimension", (rng.normal(size=(7, 3)),), {"beta": 0.5, "dim": 0})
    yield Case("in the middle", (rng.normal(size=(2, 5, 3)),), {"dim": 1, "bias_correction": True})
    yield Case("a long memory", (rng.normal(size=100),), {"beta": 0.98})
    yield Case("no memory", (rng.normal(size=6),), {"beta": 0.0})
    yield Case("one value", (rng.normal(size=1),), {"bias_correction": True})
    yield Case("no values", (np.zeros((2, 0)),), {"bias_correction": True})
    yield Case("empty batch", (np.zeros((0, 4)),))
    yield Case("large magnitude", (rng.uniform(1e3, 2e3, 12),))
    yield Case("not contiguous", (rng.normal(size=(6, 8)).T[::2],))
    yield Case("broadcast view", (np.broadcast_to(np.array([1.0, -2.0, 3.0]), (2, 3)),))
    yield Case("complex numbers", (_COMPLEX,), raises=TypeError)
    yield Case("a weight of one", (np.ones(3),), {"beta": 1.0}, raises=ValueError)
    yield Case("a negative weight", (np.ones(3),), {"beta": -0.5}, raises=ValueError)
    yield Case("no such dimension", (np.ones(3),), {"dim": 2}, raises=IndexError)


def _ewma_by_matrix(input, beta=0.9, dim=-1, bias_correction=False):
    """All averages as one matrix product; the matrix holds the weight of each value in each."""
    values = input.movedim(dim, -1)
    steps = torch.arange(values.shape[-1], dtype=torch.float64, device=values.device)
    age = steps[:, None] - steps
    weights = torch.where(age >= 0, (1 - beta) * beta ** age.clamp(min=0.0), 0.0)
    if bias_correction:
        weights = weights / (1 - beta ** (steps[:, None] + 1))
    return (values @ weights.T.to(values.dtype)).movedim(-1, dim)


def _ewma_scipy(input, beta=0.9, dim=-1, bias_correction=False):
    """SciPy's recursive filter, divided by what it gives for a row of ones."""
    from scipy.signal import lfilter

    if not input.size:  # which it refuses
        return np.zeros(input.shape)
    averages = lfilter([1 - beta], [1.0, -beta], input, axis=dim)
    if bias_correction:
        averages = averages / lfilter([1 - beta], [1.0, -beta], np.ones(input.shape), axis=dim)
    return averages


# --- one step. A shape (n, *) stands for n parameters of shape (*)


def _tensors(rng, shape, squares, averages=0):
    """Parameters, gradients, so many averages of any sign, and so many of squares."""
    count, shape = shape[0], shape[1:]
    kinds = [rng.normal(size=(count, *shape)) for _ in range(2 + averages)]
    kinds += [rng.uniform(0.25, 2.0, size=(count, *shape)) for _ in range(squares)]
    return tuple(np.array(array) for kind in kinds for array in kind)


def _rates(rng, shape):
    """Two parameters of unlike shapes and their gradients, as two tuples."""
    return (rng.normal(size=shape), rng.normal(size=3)), (rng.normal(size=shape), np.zeros(3))


def _bad_tensors(step, good, negative):
    """What every step refuses: `good` are its arrays, `step` what comes before them."""
    others = good[1:]
    yield Case("an array is missing", (*step, *others), raises=ValueError)
    yield Case("nothing", step, raises=ValueError)
    yield Case("a gradient of another shape", (*step, np.ones(7), *others), raises=ValueError)
    yield Case("complex numbers", (*step, _COMPLEX, *others), raises=TypeError)
    for name in negative:
        yield Case(f"negative {name}", (*step, *good), {name: -0.1}, raises=ValueError)
    if step:
        for number in (0, 1.5):
            yield Case(f"step {number}", (number, *good), raises=ValueError)


def _sgd_sample(rng, shape):
    return Case("momentum", _tensors(rng, shape, 0, 1), {"lr": 0.1, "momentum": 0.9})


def _sgd_cases(rng):
    yield _sgd_sample(rng, (3, 4))
    good = _tensors(rng, (2, 3), 0, 1)
    yield Case("plain", good, {"lr": 0.1})
    yield Case("the default rate", good)
    yield Case("decay", good, {"lr": 0.1, "weight_decay": 0.5})
    options = {"lr": 0.1, "momentum": 0.9}
    yield Case("Nesterov", good, {**options, "nesterov": True})
    yield Case("Nesterov and decay", good, {**options, "nesterov": True, "weight_decay": 0.1})
    yield Case("dampened", good, {**options, "dampening": 0.5})
    yield Case("one number", tuple(np.array(v) for v in (0.5, -2.0, 0.25)), options)
    yield Case("empty parameters", (np.zeros((0, 2)),) * 3, options)
    yield Case("large magnitude", tuple(1e4 * array for array in good), options)
    yield Case("not contiguous", tuple(rng.normal(size=(4, 3)).T[::2] for _ in range(3)), options)
    params, grads = _rates(rng, (2, 2))
    yield Case("unlike shapes", (*params, *grads, np.ones((2, 2)), np.ones(3)), options)
    yield from _bad_tensors((), good, ("lr", "momentum", "dampening", "weight_decay"))
    yield Case("Nesterov alone", good, {"nesterov": True}, raises=ValueError)


def _adagrad_sample(rng, shape):
    return Case("ordinary", (3, *_tensors(rng, shape, 1)), {"lr": 0.1})


def _adagrad_cases(rng):
    yield _adagrad_sample(rng, (3, 4))
    good = _tensors(rng, (2, 3), 1)
    yield Case("the first step", (1, *good))
    yield Case("falling rate", (11, *good), {"lr": 0.5, "lr_decay": 0.1})
    yield Case("decay", (2, *good), {"lr": 0.1, "weight_decay": 0.5})
    yield Case("a large epsilon", (2, *good), {"lr": 0.1, "eps": 1.0})
    yield Case("no gradient yet", (1, np.ones(3), np.zeros(3), np.zeros(3)))
    yield Case("one number", (4, *(np.array(v) for v in (0.5, -2.0, 0.25))))
    yield Case("empty parameters", (1, *(np.zeros((0, 2)),) * 3))
    yield Case("large magnitude", (5, *(1e3 * array for array in good)))
    yield Case("not contiguous", (2, *(rng.uniform(1, 2, (4, 3)).T[::2] for _ in range(3))))
    yield from _bad_tensors((1,), good, ("lr", "lr_decay", "weight_decay", "eps"))


def _rmsprop_sample(rng, shape):
    return Case("ordinary", _tensors(rng, shape, 1), {"lr": 0.1})


def _rmsprop_cases(rng):
    yield _rmsprop_sample(rng, (3, 4))
    good = _tensors(rng, (2, 3), 1)
    yield Case("a short memory", good, {"lr": 0.1, "alpha": 0.5})
    yield Case("decay", good, {"lr": 0.1, "weight_decay": 0.5})
    yield Case("a large epsilon", good, {"lr": 0.1, "eps": 1.0})
    yield Case("no gradient yet", (np.ones(3), np.zeros(3), np.zeros(3)))
    yield Case("one number", tuple(np.array(v) for v in (0.5, -2.0, 0.25)))
    yield Case("empty parameters", (np.zeros((0, 2)),) * 3)
    yield Case("large magnitude", tuple(1e3 * array for array in good))
    yield Case("not contiguous", tuple(rng.uniform(1, 2, (4, 3)).T[::2] for _ in range(3)))
    yield from _bad_tensors((), good, ("lr", "eps", "weight_decay"))
    yield Case("a weight of one", good, {"alpha": 1.0}, raises=ValueError)


def _adam_sample(rng, shape):
    return Case("ordinary", (3, *_tensors(rng, shape, 1, 1)), {"lr": 0.1})


def _adam_cases(rng):
    yield _adam_sample(rng, (3, 4))
    good = _tensors(rng, (2, 3), 1, 1)
    zeros = np.zeros(3)
    yield Case("the first step", (1, *(np.array([0.5, -1.0, 4.0]),) * 2, zeros, zeros))
    yield Case("step 1000", (1000, *good))
    yield Case("short memories", (7, *good), {"lr": 0.1, "betas": (0.5, 0.75)})
    yield Case("no memory", (2, *good), {"lr": 0.1, "betas": (0.0, 0.0)})
    yield Case("decay", (2, *good), {"lr": 0.1, "weight_decay": 0.5})
    yield Case("a large epsilon", (2, *good), {"lr": 0.1, "eps": 1.0})
    yield Case("no gradient yet", (1, np.ones(3), zeros, zeros, zeros))
    yield Case("one number", (4, *(np.array(v) for v in (0.5, -2.0, 0.25, 4.0))))
    yield Case("empty parameters", (1, *(np.zeros((0, 2)),) * 4))
    yield Case("large magnitude", (5, *(1e3 * array for array in good)))
    yield Case("not contiguous", (2, *(rng.uniform(1, 2, (4, 3)).T[::2] for _ in range(4))))
    yield from _bad_tensors((1,), good, ("lr", "eps", "weight_decay"))
    for name, betas in (("a weight of one", (0.9, 1.0)), ("one weight", (0.9,))):
        yield Case(name, (1, *good), {"betas": betas}, raises=ValueError)


# --- the same steps by PyTorch's own functions, which change what they are given


def _kinds(tensors, count):
    """Contiguous copies of the tensors, as lists of the same kind."""
    copies = [tensor.detach().clone(memory_format=torch.contiguous_format) for tensor in tensors]
    size = len(copies) // count
    return [copies[k * size : (k + 1) * size] for k in range(count)]


def _steps(step, like):
    """The numbers of the steps before, as PyTorch keeps them."""
    return [torch.tensor(step - 1.0, device=param.device) for param in like]


def _sgd_with(**how):
    @torch.no_grad()
    def many(*tensors, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
        params, grads, buffers = _kinds(tensors, 3)
        sgd(
            params, grads, buffers if momentum else [None] * len(params), lr=lr,
            momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov,
            maximize=False, **how,
        )  # fmt: skip
        return (*params, *buffers)

    return _named(many, "sgd", how)


def _adagrad_with(**how):
    @torch.no_grad()
    def many(step, *tensors, lr=1e-2, lr_decay=0.0, weight_decay=0.0, eps=1e-10):
        params, grads, sums = _kinds(tensors, 3)
        adagrad(
            params, grads, sums, _steps(step, params), lr=lr, lr_decay=lr_decay,
            weight_decay=weight_decay, eps=eps, maximize=False, **how,
        )  # fmt: skip
        return (*params, *sums)

    return _named(many, "adagrad", how)


def _rmsprop_with(**how):
    @torch.no_grad()
    def many(*tensors, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0):
        params, grads, averages = _kinds(tensors, 3)
        rmsprop(
            params, grads, averages, [], [], _steps(1, params), lr=lr, alpha=alpha, eps=eps,
            weight_decay=weight_decay, momentum=0.0, centered=False, **how,
        )  # fmt: skip
        return (*params, *averages)

    return _named(many, "rmsprop", how)


def _adam_with(decoupled=False, weight_decay=0.0, **how):
    default = weight_decay

    @torch.no_grad()
    def many(step, *tensors, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=default):
        params, grads, means, squares = _kinds(tensors, 4)
        (adamw if decoupled else adam)(
            params, grads, means, squares, [], _steps(step, params), amsgrad=False,
            beta1=betas[0], beta2=betas[1], lr=lr, weight_decay=weight_decay, eps=eps,
            maximize=False, **how,
        )  # fmt: skip
        return (*params, *means, *squares)

    return _named(many, "adamw" if decoupled else "adam", how)


def _named(function, name, how):
    """Call it what it is: torch.optim's function and the way it goes through many tensors."""
    function.__name__ = f"torch.optim.{name}.{name}, {', '.join(how)}"
    return function


# --- two schedules


def _inverse_sample(rng, shape):
    return Case("ordinary", (rng.uniform(0, 20, shape),), {"lr": 0.2})


def _inverse_cases(rng):
    yield Case("document 001", (np.arange(5.0),), {"lr": 0.2, "decay_rate": 1.0})
    yield Case("the defaults", (np.arange(5.0),))
    yield Case("slow", (np.arange(6.0).reshape(2, 3),), {"lr": 0.5, "decay_rate": 0.01})
    yield Case("no decay", (np.arange(3.0),), {"decay_rate": 0.0})
    yield Case("one number", (np.array(3.0),))
    yield Case("empty", (np.zeros((0, 2)),))
    yield Case("large magnitude", (np.array([1e6]),))
    yield Case("not contiguous", (np.arange(24.0).reshape(4, 6).T[::2],))
    yield Case("complex numbers", (_COMPLEX,), raises=TypeError)
    yield Case("before the beginning", (np.array([0.0, -1.0]),), raises=ValueError)
    yield Case("a negative rate", (np.ones(2),), {"lr": -0.1}, raises=ValueError)
    yield Case("growth", (np.ones(2),), {"decay_rate": -0.1}, raises=ValueError)


def _sqrt_sample(rng, shape):
    return Case("ordinary", (rng.uniform(1, 20, shape),), {"lr": 0.2})


def _sqrt_cases(rng):
    yield Case("document 001", (np.arange(1.0, 5.0),), {"lr": 0.2, "k": 1.0})
    yield Case("the defaults", (np.arange(1.0, 5.0),))
    yield Case("another k", (np.arange(1.0, 7.0).reshape(2, 3),), {"lr": 0.5, "k": 0.25})
    yield Case("one number", (np.array(3.0),))
    yield Case("empty", (np.zeros((0, 2)),))
    yield Case("large magnitude", (np.array([1e6]),))
    yield Case("not contiguous", (np.arange(1.0, 25.0).reshape(4, 6).T[::2],))
    yield Case("complex numbers", (_COMPLEX,), raises=TypeError)
    yield Case("epoch 0", (np.array([1.0, 0.0]),), raises=ValueError)
    yield Case("a negative rate", (np.ones(2),), {"lr": -0.1}, raises=ValueError)
    yield Case("a negative k", (np.ones(2),), {"k": -0.1}, raises=ValueError)


_FUSED, _FOREACH = {"fused": True}, {"foreach": True}
_DECOUPLED = {"decoupled": True, "weight_decay": 1e-2}
_MANY = (32, 64, 64)  # as many parameters of 4,096 numbers each

OPS = [
    Op("sgd_step", _sgd_sample, _sgd_cases, (_sgd_with(**_FUSED), _sgd_with(**_FOREACH)),
       min_ndim=1, bench_shape=_MANY),
    Op("adagrad_step", _adagrad_sample, _adagrad_cases,
       (_adagrad_with(**_FUSED), _adagrad_with(**_FOREACH)), min_ndim=1, bench_shape=_MANY),
    Op("rmsprop_step", _rmsprop_sample, _rmsprop_cases, (_rmsprop_with(**_FOREACH),),
       min_ndim=1, bench_shape=_MANY),
    Op("adam_step", _adam_sample, _adam_cases, (_adam_with(**_FUSED), _adam_with(**_FOREACH)),
       min_ndim=1, bench_shape=_MANY),
    Op("adamw_step", _adam_sample, _adam_cases,
       (_adam_with(**_DECOUPLED, **_FUSED), _adam_with(**_DECOUPLED, **_FOREACH)),
       min_ndim=1, bench_shape=_MANY),
    Op("ewma", _ewma_sample, _ewma_cases, (_ewma_by_matrix,), (_ewma_scipy,), min_ndim=1,
       bench_shape=(1000, 1000)),
    Op("inverse_time_decay", _inverse_sample, _inverse_cases),
    Op("sqrt_decay", _sqrt_sample, _sqrt_cases),
]  # fmt: skip
