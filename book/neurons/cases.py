"""Sample inputs for every function of neurons, and the peers it is held against."""

from itertools import pairwise

import numpy as np

from book.op import Case, Op

_COMPLEX = np.array([[1.0 + 2.0j, 0.0]])


# --- linear and perceptron: the same arguments, but only one of them rounds to 0 and 1


def _layer(rng, shape, units=3):
    weight = rng.normal(size=(units, shape[-1])) / np.sqrt(max(shape[-1], 1))
    return rng.normal(size=shape), weight, rng.normal(size=units)


def _linear_sample(rng, shape):
    return Case("ordinary", _layer(rng, shape, 1000 if shape[-1] > 100 else 3))


def _bad_layers():
    x = np.ones((4, 2))
    yield Case("complex numbers", (_COMPLEX, np.ones((3, 2))), raises=TypeError)
    yield Case("complex weight", (x, _COMPLEX), raises=TypeError)
    yield Case("complex bias", (x, np.ones((1, 2)), np.array([1j])), raises=TypeError)
    yield Case("one feature too many", (np.ones((4, 3)), np.ones((5, 2))), raises=ValueError)
    yield Case("weight transposed", (x, np.ones((2, 5))), raises=ValueError)
    yield Case("bias as a column", (x, np.ones((3, 2)), np.ones((3, 1))), raises=ValueError)
    yield Case("one bias for three", (x, np.ones((3, 2)), np.ones(1)), raises=ValueError)
    yield Case("weight of three dimensions", (x, np.ones((1, 3, 2))), raises=ValueError)
    yield Case("no features", (np.array(1.0), np.ones((3, 1))), raises=ValueError)


def _linear_cases(rng):
    yield _linear_sample(rng, (4, 5))
    x, weight, bias = _layer(rng, (4, 5))
    yield Case("no bias", (x, weight))
    yield Case("one example", (x[0], weight, bias))
    yield Case("one neuron", (x, weight[0], np.array(0.5)))
    yield Case("one neuron, one example, no bias", (x[0], weight[0]))
    yield Case("a stack of batches", _layer(rng, (2, 3, 4)))
    yield Case("one number", _layer(rng, (1, 1), 1))
    yield Case("empty batch", _layer(rng, (0, 4)))
    yield Case("no features but a bias", (np.zeros((2, 0)), np.zeros((3, 0)), bias))
    yield Case("large magnitude", (1e3 * x, weight, bias))
    yield Case("not contiguous", (rng.normal(size=(6, 8)).T[::2], rng.normal(size=(6, 3)).T, bias))
    yield Case("broadcast view", (np.broadcast_to(x[:1], (3, 5)), weight, bias))
    yield from _bad_layers()


def _linear_torch(input, weight, bias=None):
    """F.linear, which documents a weight of one dimension but fails on it with a bias."""
    from torch.nn.functional import linear

    if weight.ndim == 2:
        return linear(input, weight, bias)
    return linear(input, weight[None], None if bias is None else bias[None]).squeeze(-1)


def _halves(rng, *shape):
    """Multiples of 1/2, whose products and sums every dtype holds: a threshold needs that."""
    return rng.integers(-6, 7, shape) / 2


def _perceptron_sample(rng, shape):
    x, weight, bias = _layer(rng, shape, 100 if shape[-1] > 100 else 3)
    return Case("ordinary", (x, weight, bias))


def _perceptron_cases(rng):
    yield Case("a layer", (_halves(rng, 6, 4), _halves(rng, 3, 4), _halves(rng, 3)))
    yield Case("one neuron", (_halves(rng, 6, 4), _halves(rng, 4), np.array(0.5)))
    yield Case("no bias", (_halves(rng, 6, 4), _halves(rng, 4)))
    yield Case("on the line", (np.array([[1.0, 1.0], [2.0, 0.0]]), np.ones(2), np.array(-2.0)))
    yield Case("zeros of both signs", (np.array([[0.0], [-0.0]]), np.array([1.0])))
    yield Case("a stack of batches", (_halves(rng, 2, 3, 4), _halves(rng, 5, 4)))
    yield Case("empty batch", (np.zeros((0, 2)), np.ones((3, 2))))
    yield Case("large magnitude", (np.array([[1e4], [-1e4]]), np.array([1e4])))
    yield Case("not contiguous", (_halves(rng, 6, 8).T[::2], _halves(rng, 6)))
    yield from _bad_layers()


def _perceptron_torch(input, weight, bias=None):
    return _linear_torch(input, weight, bias).heaviside(input.new_ones(()))


# --- what learns


def _cloud(rng, shape):
    """Rows of features and classes that depend on the first of them, not without exceptions."""
    n, d = shape[0], shape[-1]
    x = rng.normal(size=(n, d))
    return x, (x[:, :1].sum(axis=1) + 0.5 * rng.normal(size=n) > 0).astype(float)


def _bad_examples(count):
    x, y = np.ones((4, 2)), np.array([0.0, 1.0, 1.0, 0.0])
    yield Case("complex numbers", (_COMPLEX, np.zeros(1)), raises=TypeError)
    yield Case("complex classes", (x, y + 1j), raises=TypeError)
    yield Case("no examples", (np.ones((0, 2)), np.ones(0)), raises=ValueError)
    yield Case("one example without a batch", (np.ones(2), np.ones(1)), raises=ValueError)
    yield Case("a class too few", (x, y[:3]), raises=ValueError)
    yield Case("classes as a column", (x, y[:, None]), raises=ValueError)
    yield Case("classes -1 and 1", (x, 2 * y - 1), raises=ValueError)
    yield Case("rate of zero", (x, y), {"lr": 0.0}, raises=ValueError)
    yield Case(f"no {count}", (x, y), {count: 0}, raises=ValueError)


_CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def _rule_sample(rng, shape):
    return Case("ordinary", _cloud(rng, shape), {"epochs": 4})


def _rule_cases(rng):
    for name, target in (("and", [0, 0, 0, 1]), ("or", [0, 1, 1, 1]), ("nor", [1, 0, 0, 0])):
        yield Case(name, (_CORNERS, np.array(target, dtype=float)))
    yield Case("xor", (_CORNERS, np.array([0.0, 1.0, 1.0, 0.0])), {"epochs": 7})
    yield Case("classes as integers", (_CORNERS, np.array([0, 0, 0, 1])))
    points = _halves(rng, 20, 2)
    yield Case("a line", (points, (points.sum(axis=1) > 0.7).astype(float)), {"epochs": 30})
    yield Case("a rate of a quarter", (_CORNERS, np.array([0.0, 0.0, 0.0, 1.0])), {"lr": 0.25})
    yield Case("one example", (np.array([[2.0, -1.0]]), np.zeros(1)))
    yield Case("one class", (_CORNERS, np.ones(4)))
    yield Case("no features", (np.ones((3, 0)), np.zeros(3)))
    yield Case("not contiguous", (_CORNERS.T.copy().T, np.array([0.0, 0.0, 0.0, 1.0])))
    yield from _bad_examples("epochs")


def _perceptron_sklearn(input, target, lr=1.0, epochs=100):
    """scikit-learn's Perceptron, an example at a time: a mistake is where it changes."""
    from sklearn.linear_model import Perceptron

    rows = np.column_stack([input, np.zeros(len(input))])  # it wants at least one feature
    model, mistakes = Perceptron(eta0=lr, shuffle=False), []
    before = np.zeros(rows.shape[1] + 1)
    for _ in range(epochs):
        mistakes.append(0)
        for n in range(len(rows)):
            model.partial_fit(rows[n : n + 1], target[n : n + 1], classes=[0, 1])
            after = np.append(model.coef_, model.intercept_)
            mistakes[-1] += int((after != before).any())
            before = after
        if mistakes[-1] == 0:
            break
    return before[:-2], before[-1], np.array(mistakes)


def _fit_sample(rng, shape):
    return Case("ordinary", _cloud(rng, shape), {"steps": 5})


def _fit_cases(rng):
    yield Case("ordinary", _cloud(rng, (20, 3)), {"steps": 6})
    yield Case("a larger rate", _cloud(rng, (20, 3)), {"lr": 0.5, "steps": 6})
    yield Case("one step", _cloud(rng, (8, 2)), {"steps": 1})
    yield Case("one example", (np.array([[2.0, -1.0]]), np.ones(1)), {"steps": 4})
    yield Case("one class", (_CORNERS, np.zeros(4)), {"steps": 4})
    yield Case("classes as integers", (_CORNERS, np.array([0, 0, 0, 1])), {"steps": 4})
    yield Case("no features", (np.ones((4, 0)), np.array([0.0, 0.0, 0.0, 1.0])), {"steps": 4})
    big = np.array([[-1024.0], [1024.0], [512.0]])
    yield Case("large magnitude", (big, np.array([0.0, 1.0, 0.0])), {"steps": 3})
    yield Case("not contiguous", (rng.normal(size=(3, 8)).T, np.tile([0.0, 1.0], 4)), {"steps": 4})
    yield from _bad_examples("steps")


def _fit_torch(input, target, lr=0.1, steps=1000):
    """PyTorch's own layer, loss and optimizer."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, linear

    input, target = input.detach(), target.detach().to(input.dtype)
    weight = input.new_zeros((1, input.shape[1]), requires_grad=True)
    bias = input.new_zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD((weight, bias), lr)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        z = linear(input, weight, bias).squeeze(1)
        loss = binary_cross_entropy_with_logits(z, target)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return weight.detach()[0], bias.detach()[0], torch.stack(losses)


# --- standardize


_CONSTANT = 7.0  # the value of constant columns: moved a little, they are constant no more


def _columns(rng, n, d):
    return rng.normal(size=(n, d)) * np.linspace(0.5, 2.0, d) + np.linspace(-1.0, 1.0, d)


def _standardize_sample(rng, shape):
    return Case("by itself", (_columns(rng, shape[0], shape[-1]),))


def _standardize_cases(rng):
    yield _standardize_sample(rng, (6, 3))
    yield Case("by the training rows", (_columns(rng, 4, 3), _columns(rng, 9, 3)))
    yield Case("one row by the training rows", (_columns(rng, 1, 3), _columns(rng, 9, 3)))
    yield Case("no rows by the training rows", (np.zeros((0, 3)), _columns(rng, 9, 3)))
    constant = _columns(rng, 5, 3)
    constant[:, 1] = _CONSTANT
    yield Case("a constant column", (constant,))
    yield Case("constant in training only", (_columns(rng, 4, 3), constant))
    yield Case("one row", (np.full((1, 3), _CONSTANT),))
    yield Case("one training row", (_columns(rng, 2, 2), np.full((1, 2), _CONSTANT)))
    yield Case("not contiguous", (_columns(rng, 3, 8).T,))
    yield Case("no columns", (np.zeros((3, 0)),))
    x = np.ones((4, 2))
    yield Case("complex numbers", (_COMPLEX,), raises=TypeError)
    yield Case("complex training rows", (x, _COMPLEX), raises=TypeError)
    yield Case("no training rows", (x, np.ones((0, 2))), raises=ValueError)
    yield Case("no rows at all", (np.ones((0, 2)),), raises=ValueError)
    yield Case("another number of columns", (x, np.ones((4, 3))), raises=ValueError)
    yield Case("a vector", (np.ones(3),), raises=ValueError)
    yield Case("a vector by rows", (np.ones(2), x), raises=ValueError)


def _standardize_sklearn(input, train=None):
    from sklearn.preprocessing import StandardScaler

    train = input if train is None else train
    if 0 in train.shape or len(input) == 0:  # which it refuses
        return np.zeros(input.shape)
    return StandardScaler().fit(train).transform(input)


# --- networks and counts


def _network(rng, *sizes, batch=5):
    arrays = [rng.normal(size=(batch, sizes[0]))]
    for n_in, n_out in pairwise(sizes):
        arrays += [rng.normal(size=(n_out, n_in)) / np.sqrt(max(n_in, 1)), rng.normal(size=n_out)]
    return tuple(arrays)


def _mlp_sample(rng, shape):
    hidden = 256 if shape[-1] > 100 else 8
    return Case("two layers", _network(rng, shape[-1], hidden, 3, batch=shape[0]))


def _mlp_cases(rng):
    yield _mlp_sample(rng, (5, 4))
    yield Case("one layer", _network(rng, 4, 3))
    yield Case("four layers", _network(rng, 6, 5, 7, 4, 2))
    yield Case("one of everything", _network(rng, 1, 1, 1, batch=1))
    yield Case("empty batch", _network(rng, 3, 4, 2, batch=0))
    good = _network(rng, 3, 4, 2)
    yield Case("not contiguous", (rng.normal(size=(3, 6)).T, *good[1:]))
    yield Case("a bias is missing", good[:-1], raises=ValueError)
    yield Case("no layers", good[:1], raises=ValueError)
    yield Case("layers do not fit", (*good[:3], np.ones((2, 5)), np.ones(2)), raises=ValueError)
    yield Case("weight transposed", (good[0], good[1].T, *good[2:]), raises=ValueError)
    yield Case("complex numbers", (good[0] + 1j, *good[1:]), raises=TypeError)


def _mlp_torch(input, *parameters):
    from torch.nn.functional import linear, relu

    *hidden, last = zip(parameters[::2], parameters[1::2], strict=True)
    for weight, bias in hidden:
        input = relu(linear(input, weight, bias))
    return linear(input, *last)


def _count_sample(rng, shape):
    return Case("ordinary", ([size + 1 for size in shape],))


def _count_cases(rng):
    yield Case("three layers", ([7, 4, 3, 1],))
    yield Case("without biases", ([7, 4, 3, 1],), {"bias": False})
    yield Case("one layer", ((2, 1),))
    yield Case("one of everything", ((1, 1, 1),))
    yield Case("large", ((150_528, 4096, 1000),))
    yield Case("no layer", ([3],), raises=ValueError)
    yield Case("nothing", ([],), raises=ValueError)
    yield Case("a layer of no units", ([3, 0, 1],), raises=ValueError)
    yield Case("half a unit", ([3, 1.5],), raises=TypeError)


def _one_hot_sample(rng, shape):
    return Case("ten classes", (rng.integers(0, 10, shape),), {"num_classes": 10})


def _one_hot_cases(rng):
    yield _one_hot_sample(rng, (6,))
    yield Case("as many classes as there are", (np.array([2, 0, 1, 2]),))
    yield Case("a class that does not occur", (np.array([0, 2]),), {"num_classes": 5})
    yield Case("two dimensions", (rng.integers(0, 4, (2, 3)),), {"num_classes": 4})
    yield Case("one number", (np.array(3),))
    yield Case("one class", (np.zeros(3, dtype=int),))
    yield Case("empty batch", (np.zeros(0, dtype=int),), {"num_classes": 3})
    yield Case("not contiguous", (np.arange(6)[::2],))
    yield Case("fractions", (np.array([0.0, 1.0]),), raises=TypeError)
    yield Case("complex numbers", (np.array([1j]),), raises=TypeError)
    yield Case("a negative class", (np.array([0, -1]),), raises=ValueError)
    yield Case("too few classes", (np.array([0, 3]),), {"num_classes": 3}, raises=ValueError)
    yield Case("no classes", (np.array([0, 3]),), {"num_classes": 0}, raises=ValueError)
    yield Case("nothing to count", (np.zeros(0, dtype=int),), raises=ValueError)


_LATER = "book.backprop.reference.mlp_backward"

OPS = [
    Op("linear", _linear_sample, _linear_cases, (_linear_torch,), min_ndim=1,
       bench_shape=(512, 1000)),
    Op("perceptron", _perceptron_sample, _perceptron_cases, (_perceptron_torch,), min_ndim=1),
    Op("step_perceptron_train", _rule_sample, _rule_cases,
       numpy_peers=(_perceptron_sklearn,), min_ndim=2),
    Op("logistic_regression_fit", _fit_sample, _fit_cases, (_fit_torch,), min_ndim=2),
    Op("standardize", _standardize_sample, _standardize_cases,
       numpy_peers=(_standardize_sklearn,), min_ndim=2, kinks=(_CONSTANT,),
       bench_shape=(4096, 1000)),
    Op("mlp_forward", _mlp_sample, _mlp_cases, (_mlp_torch,), min_ndim=2, gradient=_LATER,
       bench_shape=(1024, 784)),
    Op("count_parameters", _count_sample, _count_cases, min_ndim=2),
    Op("one_hot", _one_hot_sample, _one_hot_cases, ("torch.nn.functional.one_hot",),
       bench_shape=(500_000,)),
]  # fmt: skip
