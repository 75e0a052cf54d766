"""Sample inputs for initialization and normalization, and the peers they are held against.

The initializers get a seed, so both sides draw the same numbers. Their peers are the functions of
`torch.nn.init` themselves, on a tensor that takes its random numbers from the same seed. Whether
a seed of PyTorch's own gives the same *distribution* is tested in the chapter's tests.
"""

import math

import numpy as np
import torch

from book.op import Case, Op

_COMPLEX = np.array([[1.0 + 2.0j, 0.0]])


# --- initializers


class _Seeded(torch.Tensor):
    """A tensor whose random numbers are NumPy's: what torch.nn.init does with them is its own."""

    @staticmethod
    def rng(generator):
        known = isinstance(generator, np.random.Generator)
        return generator if known else np.random.default_rng(generator)

    def normal_(self, mean=0.0, std=1.0, generator=None):
        numbers = mean + std * self.rng(generator).standard_normal(tuple(self.shape))
        return self.copy_(torch.as_tensor(numbers))

    def uniform_(self, a=0.0, b=1.0, generator=None):
        numbers = self.rng(generator).uniform(a, b, tuple(self.shape))
        return self.copy_(torch.as_tensor(numbers))


def _initialized(name, tensor, *args, **kwargs):
    """What torch.nn.init's function makes of an empty tensor like this one, in float64."""
    weight = torch.empty(tensor.shape, dtype=torch.float64).as_subclass(_Seeded)
    if weight.numel():  # it warns of empty ones, and leaves them
        getattr(torch.nn.init, f"{name}_")(weight, *args, **kwargs)
    return weight.as_subclass(torch.Tensor).to(tensor)


def _kaiming_normal_torch(tensor, *args, **kwargs):
    return _initialized("kaiming_normal", tensor, *args, **kwargs)


def _kaiming_uniform_torch(tensor, *args, **kwargs):
    return _initialized("kaiming_uniform", tensor, *args, **kwargs)


def _xavier_normal_torch(tensor, *args, **kwargs):
    return _initialized("xavier_normal", tensor, *args, **kwargs)


def _xavier_uniform_torch(tensor, *args, **kwargs):
    return _initialized("xavier_uniform", tensor, *args, **kwargs)


def _orthogonal_torch(tensor, *args, **kwargs):
    return _initialized("orthogonal", tensor, *args, **kwargs)


def _delta_torch(tensor, gain=1.0, generator=None):
    """torch.nn.init.orthogonal_ on the middle of a kernel of zeros."""
    weight = torch.zeros_like(tensor, requires_grad=False)
    middle = weight
    for side in tensor.shape[2:]:
        middle = middle.select(2, side // 2)
    middle.copy_(_initialized("orthogonal", middle, gain=gain, generator=generator))
    return weight


def _weights(shape):
    """An array of this shape, whose numbers do not count."""
    return np.zeros(shape)


def _init_sample(rng, shape):
    return Case("ordinary", (_weights(shape),), {"generator": int(rng.integers(1000))})


def _bad_weights(shape=(3, 2)):
    yield Case("complex numbers", (_COMPLEX,), {"generator": 0}, raises=TypeError)
    yield Case("a vector", (np.ones(3),), {"generator": 0}, raises=ValueError)
    yield Case("a word for a seed", (_weights(shape),), {"generator": "x"}, raises=TypeError)
    yield Case("true for a seed", (_weights(shape),), {"generator": True}, raises=TypeError)
    yield Case("a negative seed", (_weights(shape),), {"generator": -1}, raises=ValueError)


def _common_weights(rng):
    yield _init_sample(rng, (4, 6))
    yield _init_sample(rng, (6, 4))
    yield _init_sample(rng, (4, 3, 3, 2))
    yield Case("one number", (_weights((1, 1)),), {"generator": 5})
    yield Case("no inputs", (_weights((3, 0)),), {"generator": 5})
    yield Case("no outputs", (_weights((0, 3)),), {"generator": 5})
    yield Case("not contiguous", (_weights((6, 8)).T[::2],), {"generator": 6})


def _kaiming_cases(rng):
    yield from _common_weights(rng)
    for kwargs in (
        {"a": 0.2}, {"a": math.sqrt(5)}, {"mode": "fan_out"}, {"nonlinearity": "relu"},
        {"nonlinearity": "tanh", "mode": "fan_out"}, {"nonlinearity": "linear"},
        {"nonlinearity": "sigmoid"}, {"nonlinearity": "selu"},
    ):  # fmt: skip
        name = ", ".join(f"{key}={value}" for key, value in kwargs.items())
        yield Case(name, (_weights((5, 3, 2)),), {**kwargs, "generator": 7})
    yield from _bad_weights()
    seed = {"generator": 0}
    yield Case("unknown mode", (_weights((3, 2)),), {"mode": "fan", **seed}, raises=ValueError)
    unknown = {"nonlinearity": "gauss", **seed}
    yield Case("unknown function", (_weights((3, 2)),), unknown, raises=ValueError)


def _gain_cases(rng):
    yield from _common_weights(rng)
    yield Case("gain of 5/3", (_weights((5, 3)),), {"gain": 5 / 3, "generator": 8})
    yield from _bad_weights()


def _delta_sample(rng, shape):
    """Of any shape one that a delta-orthogonal kernel may have."""
    fewer, more = sorted(shape[:2])
    return _init_sample(rng, (more, fewer, *(side // 2 * 2 + 1 for side in shape[2:])))


def _delta_cases(rng):
    for shape in ((4, 4, 3, 3), (6, 4, 3), (5, 2, 1, 3, 5)):
        yield _init_sample(rng, shape)
    yield Case("a single place", (_weights((3, 3, 1, 1)),), {"generator": 5})
    yield Case("gain of 2", (_weights((4, 3, 3)),), {"gain": 2.0, "generator": 9})
    yield Case("no inputs", (_weights((3, 0, 3)),), {"generator": 5})
    yield Case("not contiguous", (_weights((3, 3, 4, 4)).T[:3, :3],), {"generator": 6})
    yield from _bad_weights((3, 2, 3))
    seed = {"generator": 0}
    yield Case("a matrix", (_weights((3, 2)),), seed, raises=ValueError)
    yield Case("fewer outputs than inputs", (_weights((2, 3, 3)),), seed, raises=ValueError)
    yield Case("an even side", (_weights((3, 3, 3, 2)),), seed, raises=ValueError)


def _gain_sample(rng, shape):
    return Case("ordinary", ("relu",))


def _gains(rng):
    for word in ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        yield Case(word, (word,))
    yield Case("a slope", ("leaky_relu", 0.3))
    yield Case("slope as an integer", ("leaky_relu", 1))
    yield Case("unknown function", ("gauss",), raises=ValueError)
    yield Case("slope in words", ("leaky_relu", "steep"), raises=ValueError)
    yield Case("true for a slope", ("leaky_relu", True), raises=ValueError)


# --- normalization

_CONSTANT = 1.0  # the value of constant features: where they are moved, they bend sharply


def _spread(rng, rows, length):
    """Rows to be normalized: each a shuffled ladder from -2 to 2 with some noise.

    No row has nearly no variance then, which would blow up the rounding of both sides.
    """
    ladder = np.linspace(-2.0, 2.0, length) if length > 1 else np.ones(length)
    ladders = rng.permuted(np.tile(ladder, (rows, 1)), axis=1)
    return ladders + 0.1 * rng.normal(size=(rows, length))


def _by_channel(rng, shape):
    """An input for batch norm, (N, C, *)."""
    n, channels, *places = shape
    rows = _spread(rng, channels, n * math.prod(places))
    return np.ascontiguousarray(rows.reshape(channels, n, *places).swapaxes(0, 1))


def _by_example(rng, shape, sides=1):
    """An input for layer norm over so many last sides."""
    lead, last = shape[: len(shape) - sides], shape[len(shape) - sides :]
    return _spread(rng, math.prod(lead), math.prod(last)).reshape(shape)


def _by_group(rng, shape, groups):
    """An input for group norm, (N, C, *)."""
    rows = shape[0] * groups
    return _spread(rng, rows, math.prod(shape) // max(rows, 1)).reshape(shape)


def _each(rng, shape):
    """weight and bias."""
    sign = rng.choice([-1.0, 1.0], shape)
    return {
        "weight": np.asarray(sign * rng.uniform(0.5, 2.0, shape)),
        "bias": rng.normal(size=shape),
    }


def _running(rng, channels):
    mean, var = rng.normal(size=channels), rng.uniform(0.5, 2.0, channels)
    return {"running_mean": mean, "running_var": var}


_NONE = {"running_mean": None, "running_var": None}
_STATISTICS = ("running_mean", "running_var")


def _batch(name, input, statistics=_NONE, **kwargs):
    """A case of batch norm: with running statistics for evaluation, without for training.

    (Those of a training step are moved in place: the chapter's tests follow them.)
    """
    return Case(name, (input,), {**statistics, **kwargs}, constants=_STATISTICS)


def _batch_sample(rng, shape):
    channels = shape[1]
    input, affine = _by_channel(rng, shape), _each(rng, channels)
    if math.prod(shape) >= 2 * max(channels, 1):
        return _batch("by the batch", input, **affine, training=True)
    return _batch("by running statistics", input, _running(rng, channels), **affine)


def _batch_cases(rng):
    yield _batch_sample(rng, (6, 4))
    yield _batch_sample(rng, (3, 2, 4, 5))
    yield _batch("no affine, training", _by_channel(rng, (6, 4)), training=True)
    yield _batch("weight only", _by_channel(rng, (5, 3)), weight=rng.normal(size=3), training=True)
    yield _batch("bias only", _by_channel(rng, (5, 3)), bias=rng.normal(size=3), training=True)
    yield _batch("another eps", _by_channel(rng, (5, 3)), training=True, eps=0.5)
    yield _batch("two examples", np.array([[1.5, -3.0], [2.0, 4.0]]), training=True)
    constant = _by_channel(rng, (5, 3))
    constant[:, 1] = _CONSTANT
    yield _batch("a constant feature", constant, training=True)
    for shape in ((6, 4), (2, 3, 4), (2, 3, 4, 5), (1, 3), (0, 3)):
        input, channels = _by_channel(rng, shape), shape[1]
        name = f"evaluation of {shape}"
        yield _batch(name, input, _running(rng, channels), **_each(rng, channels))
    yield _batch("evaluation, no affine", _by_channel(rng, (4, 3)), _running(rng, 3))
    yield _batch("evaluation, no eps", _by_channel(rng, (4, 3)), _running(rng, 3), eps=0.0)
    yield _batch("large magnitude", 1e3 * _by_channel(rng, (6, 4)), training=True)
    yield _batch("not contiguous", _by_channel(rng, (8, 6))[::2], **_each(rng, 6), training=True)

    def bad(name, input, error=ValueError, **kwargs):
        return Case(name, (input,), {**_NONE, "training": True, **kwargs}, raises=error)

    x = np.ones((4, 2))
    yield bad("complex numbers", _COMPLEX, TypeError)
    yield bad("complex weight", x, TypeError, weight=np.array([1j, 1]))
    yield bad("a vector", np.ones(4))
    yield bad("one example", np.ones((1, 2)))
    yield bad("no examples", np.ones((0, 2)))
    yield bad("a weight too many", x, weight=np.ones(3))
    yield bad("a bias too few", x, bias=np.ones(1))
    yield bad("no statistics to evaluate with", x, training=False)
    yield bad("a mean without a variance", x, running_mean=np.zeros(2))
    three = {"running_mean": np.zeros(3), "running_var": np.ones(3)}
    yield bad("statistics of another size", x, training=False, **three)
    yield bad("eps of zero", x, eps=0.0)
    yield bad("negative eps", x, training=False, eps=-1.0, **_running(rng, 2))


def _batch_torch(input, running_mean, running_var, *args, **kwargs):
    """F.batch_norm, which stumbles over an input without channels."""
    from torch.nn.functional import batch_norm

    if input.shape[1] == 0:
        return input
    return batch_norm(input, running_mean, running_var, *args, **kwargs)


def _layer_sample(rng, shape):
    return Case("ordinary", (_by_example(rng, shape), shape[-1:]), _each(rng, shape[-1:]))


def _layer_cases(rng):
    yield _layer_sample(rng, (4, 6))
    yield Case("two sides", (_by_example(rng, (3, 4, 5), 2), (4, 5)), _each(rng, (4, 5)))
    yield Case("all sides", (_by_example(rng, (3, 4), 2), [3, 4]), _each(rng, (3, 4)))
    yield Case("no affine", (_by_example(rng, (4, 6)), (6,)))
    yield Case("weight only", (_by_example(rng, (4, 3)), (3,)), {"weight": rng.normal(size=3)})
    yield Case("bias only", (_by_example(rng, (4, 6)), (6,)), {"bias": rng.normal(size=6)})
    yield Case("another eps", (_by_example(rng, (4, 6)), (6,)), {"eps": 0.5})
    yield Case("no eps", (_by_example(rng, (4, 6)), (6,)), {"eps": 0.0})
    yield Case("one feature", (np.full((3, 1), _CONSTANT), (1,)))
    yield Case("a constant example", (np.full((1, 4), _CONSTANT), (4,)))
    yield Case("one example", (_by_example(rng, (6,)), (6,)))
    yield Case("empty batch", (np.zeros((0, 3)), (3,)), _each(rng, (3,)))
    yield Case("large magnitude", (1e3 * _by_example(rng, (4, 6)), (6,)))
    yield Case("not contiguous", (_by_example(rng, (8, 6)).T.copy().T[::2], (6,)), _each(rng, (6,)))
    x = np.ones((4, 3))
    yield Case("complex numbers", (_COMPLEX, (2,)), raises=TypeError)
    yield Case("complex bias", (x, (3,)), {"bias": np.ones(3) * 1j}, raises=TypeError)
    yield Case("another side", (x, (4,)), raises=ValueError)
    yield Case("no side", (x, ()), raises=ValueError)
    yield Case("too many sides", (x, (2, 4, 3)), raises=ValueError)
    yield Case("a weight too few", (x, (3,)), {"weight": np.ones(2)}, raises=ValueError)
    yield Case("negative eps", (x, (3,)), {"eps": -1e-5}, raises=ValueError)


def _group_sample(rng, shape):
    """Two groups where the channels allow it; a group of a single number has no variance."""
    channels = shape[1]
    groups = 2 if channels and channels % 2 == 0 else 1
    return Case("ordinary", (_by_group(rng, shape, groups), groups), _each(rng, channels))


def _group_cases(rng):
    yield _group_sample(rng, (3, 6))
    yield _group_sample(rng, (2, 4, 3, 3))
    for groups in (1, 2, 3, 6):
        x = _by_group(rng, (2, 6, 4), groups)
        yield Case(f"{groups} groups of 6 channels", (x, groups), _each(rng, 6))
    x = _by_group(rng, (2, 6, 4), 3)
    yield Case("no affine", (x, 3))
    yield Case("weight only", (x, 3), {"weight": rng.normal(size=6)})
    yield Case("bias only", (x, 3), {"bias": rng.normal(size=6)})
    yield Case("another eps", (x, 3), {"eps": 0.5})
    yield Case("a constant group", (np.full((2, 2, 2), _CONSTANT), 1))
    yield Case("empty batch", (np.zeros((0, 4)), 2), _each(rng, 4))
    yield Case("large magnitude", (1e3 * x, 3))
    yield Case("not contiguous", (_by_group(rng, (8, 6), 1).T.copy().T[::2], 1), _each(rng, 6))
    yield Case("complex numbers", (_COMPLEX, 1), raises=TypeError)
    yield Case("a vector", (np.ones(4), 1), raises=ValueError)
    yield Case("channels that do not divide", (x, 4), raises=ValueError)
    yield Case("no groups", (x, 0), raises=ValueError)
    yield Case("a weight too few", (x, 2), {"weight": np.ones(2)}, raises=ValueError)
    yield Case("negative eps", (x, 2), {"eps": -1e-5}, raises=ValueError)


def _group_torch(input, num_groups, weight=None, bias=None, eps=1e-5):
    """F.group_norm, which refuses groups of one number, and fails on a bias without a weight."""
    from torch.nn.functional import group_norm

    if weight is None and bias is not None:
        weight = torch.ones_like(bias)
    if input.numel() <= num_groups * len(input):
        shape = (1, -1, *[1] * (input.ndim - 2))
        zeros = input - input.detach()
        return zeros * weight.reshape(shape) + bias.reshape(shape)
    return group_norm(input, num_groups, weight, bias, eps)


# --- clipping and residual blocks


def _clip_sample(rng, shape):
    return Case("ordinary", (rng.normal(size=shape), rng.normal(size=3)), {"max_norm": 1.0})


def _clip_cases(rng):
    yield _clip_sample(rng, (3, 4))
    grads = rng.normal(size=(4, 3)), rng.normal(size=(2, 3, 2)), np.array(0.5)
    yield Case("three gradients", grads, {"max_norm": 0.1})
    yield Case("short enough", grads, {"max_norm": 1e3})
    yield Case("max_norm of zero", grads, {"max_norm": 0.0})
    for norm_type in (1.0, 3.0, math.inf):
        yield Case(f"norm {norm_type}", grads, {"max_norm": 0.5, "norm_type": norm_type})
    yield Case("zeros", (np.zeros(3),), {"max_norm": 1.0})
    yield Case("empty", (np.zeros((0, 3)), np.ones(2)), {"max_norm": 1.0})
    yield Case("large magnitude", (np.array([1e15, -1e15]),), {"max_norm": 1.0})
    yield Case("infinite", (np.array([np.inf, 1.0]),), {"max_norm": 1.0})
    yield Case("not contiguous", (rng.normal(size=(6, 8)).T[::2],), {"max_norm": 1.0})
    yield Case("complex numbers", (_COMPLEX,), {"max_norm": 1.0}, raises=TypeError)
    yield Case("no gradients", (), {"max_norm": 1.0}, raises=ValueError)
    yield Case("negative max_norm", grads, {"max_norm": -1.0}, raises=ValueError)
    yield Case("norm of type 0", grads, {"max_norm": 1.0, "norm_type": 0.0}, raises=ValueError)
    strict = {"max_norm": 1.0, "error_if_nonfinite": True}
    yield Case("not a number", (np.array([np.nan]),), strict, raises=RuntimeError)


def _clip_torch(*grads, max_norm, **kwargs):
    parameters = [torch.nn.Parameter(torch.zeros_like(grad)) for grad in grads]
    for parameter, grad in zip(parameters, grads, strict=True):
        parameter.grad = grad.detach().clone()
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm, **kwargs)
    return norm, *(parameter.grad for parameter in parameters)


def _block(rng, n_in, hidden, n_out, batch=(5,), projection=False):
    def layer(rows, columns):
        return rng.normal(size=(rows, columns)) / np.sqrt(max(columns, 1)), rng.normal(size=rows)

    arrays = (rng.normal(size=(*batch, n_in)), *layer(hidden, n_in), *layer(n_out, hidden))
    return (*arrays, layer(n_out, n_in)[0]) if projection else arrays


def _block_sample(rng, shape):
    width = shape[-1]
    return Case("ordinary", _block(rng, width, width + 1, width, shape[:-1]))


def _block_cases(rng):
    yield _block_sample(rng, (5, 4))
    yield Case("projection", _block(rng, 3, 5, 4, projection=True))
    yield Case("a square projection", _block(rng, 4, 4, 4, projection=True))
    yield Case("one example", _block(rng, 3, 4, 3, ()))
    yield Case("a stack of batches", _block(rng, 3, 2, 3, (2, 4)))
    yield Case("empty batch", _block(rng, 3, 4, 3, (0,)))
    positive = rng.uniform(0.5, 2.0, (4, 3))
    nothing = np.zeros((3, 3)), np.zeros(3)
    yield Case("all weights zero", (positive, *nothing, *nothing))
    good = _block(rng, 3, 4, 3)
    yield Case("not contiguous", (rng.normal(size=(3, 10)).T[::2], *good[1:]))
    yield Case("large magnitude", (1e3 * good[0], *good[1:]))
    narrow = _block(rng, 3, 4, 2)
    yield Case("complex numbers", (good[0] + 1j, *good[1:]), raises=TypeError)
    yield Case("complex projection", (*good, np.eye(3) * 1j), raises=TypeError)
    yield Case("a sum that does not fit", narrow, raises=ValueError)
    yield Case("one number out", _block(rng, 3, 4, 1), raises=ValueError)
    yield Case("projection of another size", (*good, np.ones((2, 3))), raises=ValueError)
    yield Case("layers that do not fit", (*good[:3], np.ones((3, 5)), good[4]), raises=ValueError)


def _block_torch(input, weight1, bias1, weight2, bias2, projection=None):
    from torch.nn.functional import linear, relu

    out = linear(relu(linear(input, weight1, bias1)), weight2, bias2)
    return relu(out + (input if projection is None else linear(input, projection)))


_F = "torch.nn.functional"

OPS = [
    Op("calculate_gain", _gain_sample, _gains, ("torch.nn.init.calculate_gain",)),
    Op("kaiming_normal", _init_sample, _kaiming_cases, (_kaiming_normal_torch,), min_ndim=2),
    Op("kaiming_uniform", _init_sample, _kaiming_cases, (_kaiming_uniform_torch,), min_ndim=2),
    Op("xavier_normal", _init_sample, _gain_cases, (_xavier_normal_torch,), min_ndim=2),
    Op("xavier_uniform", _init_sample, _gain_cases, (_xavier_uniform_torch,), min_ndim=2),
    Op("orthogonal", _init_sample, _gain_cases, (_orthogonal_torch,), min_ndim=2),
    Op("delta_orthogonal", _delta_sample, _delta_cases, (_delta_torch,), min_ndim=3),
    Op("batch_norm", _batch_sample, _batch_cases, (_batch_torch,),
       min_ndim=2, kinks=(_CONSTANT,), bench_shape=(4096, 1000)),
    Op("layer_norm", _layer_sample, _layer_cases, (f"{_F}.layer_norm",),
       min_ndim=1, kinks=(_CONSTANT,), bench_shape=(4096, 1000)),
    Op("group_norm", _group_sample, _group_cases, (_group_torch,),
       min_ndim=2, kinks=(_CONSTANT,), bench_shape=(64, 64, 32, 32)),
    Op("clip_grad_norm", _clip_sample, _clip_cases, (_clip_torch,)),
    Op("residual_block", _block_sample, _block_cases, (_block_torch,),
       min_ndim=1, kinks=(0.0,), bench_shape=(1024, 784)),
]  # fmt: skip
