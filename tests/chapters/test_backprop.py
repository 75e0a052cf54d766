"""The engine against PyTorch, and what the documents say about backpropagation."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from book.backprop import pytorch
from book.backprop.engine import in_order
from book.backprop.reference import (
    Tensor,
    cross_entropy,
    gradcheck,
    graph,
    mlp_backward,
    numerical_gradient,
    training_step,
)

ROOT = Path(__file__).resolve().parents[2]
EXACT = {"rtol": 1e-10, "atol": 1e-12}


def agree(function, *arrays):
    """Value and gradients of `function`, with a random cotangent, by the engine and by PyTorch."""
    ours = [Tensor(array, requires_grad=True) for array in arrays]
    theirs = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in arrays]
    y, z = function(*ours), function(*theirs)
    assert y.shape == tuple(z.shape)
    np.testing.assert_allclose(y.data, z.detach().numpy(), **EXACT)
    weights = np.random.default_rng(9).normal(size=y.shape)
    y.backward(weights)
    z.backward(torch.tensor(weights))
    for mine, right in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.grad, right.grad.numpy(), **EXACT)


def largest(x, dim=None, keepdim=False):
    """PyTorch calls it amax where ties share the gradient."""
    if isinstance(x, Tensor):
        return x.max(dim, keepdim)
    return x.amax(() if dim is None else dim, keepdim)


UNARY = {
    "negative": lambda x: -x,
    "a number minus": lambda x: 2 - x,
    "a number over": lambda x: 2 / (x * x + 1),
    "square": lambda x: x**2,
    "power 0": lambda x: x**0,
    "power -1": lambda x: (x * x + 1) ** -1,
    "root": lambda x: (x * x + 1) ** 0.5,
    "exp": lambda x: x.exp(),
    "log": lambda x: (x * x + 1).log(),
    "relu": lambda x: x.relu(),
    "tanh": lambda x: x.tanh(),
    "sigmoid": lambda x: x.sigmoid(),
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(),
    "largest": largest,
    "used twice": lambda x: x * x + 3 * x,
    "flat": lambda x: x.reshape(-1),
}


@pytest.mark.parametrize("name", UNARY)
@given(shape=array_shapes(max_dims=4, min_side=1, max_side=4), seed=st.integers(0, 2**32 - 1))
def test_a_function_of_one_tensor(name, shape, seed):
    agree(UNARY[name], np.random.default_rng(seed).normal(size=shape))


@pytest.mark.parametrize("operation", ["+", "-", "*", "/"])
@given(
    shapes=mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=1, max_side=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_arithmetic_broadcasts(operation, shapes, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.uniform(0.5, 2.0, shape) for shape in shapes.input_shapes)
    operations = {
        "+": lambda a, b: a + b, "-": lambda a, b: a - b,
        "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    }  # fmt: skip
    agree(operations[operation], a, b)


@pytest.mark.parametrize(
    "left, right",
    [
        ((3, 4), (4, 5)), ((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 5)), ((2, 3, 4), (4, 5)),
        ((2, 1, 3, 4), (5, 4, 2)), ((4,), (6, 4, 2)), ((6, 2, 4), (4,)), ((0, 4), (4, 2)),
    ],
)  # fmt: skip
def test_matrix_products(left, right):
    rng = np.random.default_rng(0)
    agree(lambda a, b: a @ b, rng.normal(size=left), rng.normal(size=right))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.sum(1), lambda x: x.sum((0, 2), keepdim=True), lambda x: x.mean(-1),
        lambda x: x.mean((0, 1)), lambda x: largest(x, 1), lambda x: largest(x, 2, keepdim=True),
        lambda x: x.transpose(0, 2), lambda x: x[0].T, lambda x: x.reshape(4, -1),
        lambda x: x.reshape((2, 12)), lambda x: x[1:, :, ::2], lambda x: x[0, [0, 0, 2], [1, 1, 3]],
        lambda x: x[:, None, -1], lambda x: x[..., 2],
    ],
)  # fmt: skip
def test_reductions_and_rearrangements(function):
    agree(function, np.random.default_rng(0).normal(size=(2, 3, 4)))


def test_the_largest_of_equals_share_the_gradient():
    agree(largest, np.array([1.0, 3.0, 3.0]))
    agree(lambda x: largest(x, 1), np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]))


def test_at_zero_relu_passes_nothing_and_the_sigmoid_never_overflows():
    with np.errstate(all="raise", under="ignore"):
        agree(lambda x: x.relu() + x.sigmoid(), np.array([0.0, -0.0, 800.0, -800.0]))


def test_arrays_and_numbers_are_constants():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = np.array([3.0, 4.0]) * x + 1 - np.ones(2) / x
    assert isinstance(y, Tensor)
    y.backward(np.ones(2))
    np.testing.assert_allclose(x.grad, [4.0, 4.25])
    constant = Tensor([1.0]) * 2
    assert not constant.requires_grad and constant.grad is None


def test_gradients_add_up_over_calls_and_detach_stops_them():
    x = Tensor(3.0, requires_grad=True)
    for _ in range(2):
        (x * x).backward()
    assert x.grad == 12.0
    y = Tensor(3.0, requires_grad=True)
    (y.detach() * y).backward()
    assert y.grad == 3.0


def test_a_graph_of_twenty_thousand_steps_does_not_exhaust_the_stack():
    x = y = Tensor(1.0, requires_grad=True)
    for _ in range(20_000):
        y = y + 1e-3
    y.backward()
    assert x.grad == 1.0 and len(in_order(y)) == 20_001


@pytest.mark.parametrize(
    "wrong, error, message",
    [
        (lambda: Tensor("three"), TypeError, "expected real numbers, got str"),
        (lambda: Tensor([1j]), TypeError, "expected real numbers"),
        (lambda: Tensor([1.0]) + None, TypeError, "expected real numbers, got NoneType"),
        (lambda: Tensor([1.0], True).backward([1.0, 2.0]), ValueError, r"expected .*\(1,\), got"),
        (lambda: Tensor([1.0, 2.0], True).backward(), RuntimeError, "expected one number"),
        (lambda: Tensor(1.0).backward(), RuntimeError, "requires_grad=True"),
        (lambda: Tensor(2.0) ** Tensor(2.0), TypeError, "expected a number as exponent, got"),
        (lambda: Tensor(np.ones((2, 3))) @ np.ones((2, 3)), ValueError, "mismatch"),
        (lambda: Tensor(np.ones(2)) + np.ones(3), ValueError, "broadcast"),
    ],
)
def test_the_engine_refuses(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()


def test_pytorchs_tensor_is_made_in_the_same_way():
    x = pytorch.Tensor([1, 2], requires_grad=True)
    (x * x).sum().backward()
    assert isinstance(x, torch.Tensor) and x.grad.tolist() == [2.0, 4.0]
    with pytest.raises(TypeError, match="expected real numbers, got"):
        pytorch.Tensor(torch.ones(1, dtype=torch.complex64))


# --- checks by differences, and the network by hand


def test_the_default_step_is_good_to_nine_digits():
    x = np.random.default_rng(0).uniform(0.5, 2.0, (3, 4))
    for gradient in (
        numerical_gradient(lambda x: np.sum(np.sin(x) * x), x),
        pytorch.numerical_gradient(lambda x: (x.sin() * x).sum(), torch.tensor(x)).numpy(),
    ):
        np.testing.assert_allclose(gradient, np.cos(x) * x + np.sin(x), rtol=1e-9)


def test_gradcheck_agrees_with_pytorchs():
    x = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()

    def right(x):
        return (x.tanh() @ x.T).exp()

    def wrong(x):
        return x.detach() * x

    assert gradcheck(right, x.detach().numpy())
    assert pytorch.gradcheck(right, x) and torch.autograd.gradcheck(right, x)
    with pytest.raises(RuntimeError, match=r"input 0 at \(0, 0\): expected .* got"):
        gradcheck(wrong, x.detach().numpy())
    with pytest.raises(RuntimeError, match="expected"):
        pytorch.gradcheck(wrong, x)
    with pytest.raises(RuntimeError):
        torch.autograd.gradcheck(wrong, x)


def test_the_engine_passes_its_own_check_with_several_inputs():
    rng = np.random.default_rng(0)
    assert gradcheck(lambda a, b: (a @ b).sigmoid(), (rng.normal(size=(2, 3)), rng.normal(size=3)))


@pytest.mark.parametrize("sizes", [(4, 3), (5, 7, 2), (3, 8, 8, 8, 1)])
def test_the_network_by_hand_has_the_gradients_of_autograd(sizes):
    rng = np.random.default_rng(0)
    network = torch.nn.Sequential()
    for n_in, n_out in pairwise(sizes):
        network.extend([torch.nn.Linear(n_in, n_out, dtype=torch.float64), torch.nn.ReLU()])
    network = network[:-1]
    x = torch.tensor(rng.normal(size=(6, sizes[0])), requires_grad=True)
    output = network(x)
    weights = torch.tensor(rng.normal(size=output.shape))
    output.backward(weights)
    expected = [x.grad, *(p.grad for p in network.parameters())]
    parameters = [p.detach().numpy() for p in network.parameters()]
    by_hand = mlp_backward(weights.numpy(), x.detach().numpy(), *parameters)
    for mine, right in zip(by_hand, expected, strict=True):
        np.testing.assert_allclose(mine, right, **EXACT)


def test_the_engine_learns_the_digits_step_by_step_as_pytorch_does():
    """Same start, same data: the losses of both stay together, and both classify the digits."""
    x, y = load_digits(return_X_y=True)
    x, y = x[:600] / 16, y[:600]
    rng = np.random.default_rng(0)
    start = [
        rng.normal(size=(32, 64)) / 8,
        np.zeros(32),
        rng.normal(size=(10, 32)) / 6,
        np.zeros(10),
    ]
    ours = [Tensor(array, requires_grad=True) for array in start]
    theirs = [torch.tensor(array, requires_grad=True) for array in start]
    for _ in range(60):
        w1, b1, w2, b2 = ours
        scores = (x @ w1.T + b1).relu() @ w2.T + b2
        shifted = scores - scores.detach().max(1, keepdim=True)
        loss = (shifted.exp().sum(1).log() - shifted[np.arange(600), y]).mean()
        loss.backward()
        v1, c1, v2, c2 = theirs
        hidden = (torch.tensor(x) @ v1.T + c1).relu()
        right = torch.nn.functional.cross_entropy(hidden @ v2.T + c2, torch.tensor(y))
        right.backward()
        np.testing.assert_allclose(loss.item(), right.item(), rtol=1e-9)
        for tensor in ours:
            tensor.data -= 0.5 * tensor.grad
            tensor.grad = None
        with torch.no_grad():
            for tensor in theirs:
                tensor -= 0.5 * tensor.grad
                tensor.grad = None
    assert np.mean(scores.data.argmax(1) == y) > 0.93


def test_softmax_and_cross_entropy_as_one_operation_have_the_gradient_of_their_steps():
    rng = np.random.default_rng(0)
    scores, target = rng.normal(size=(5, 4)), rng.integers(0, 4, 5)
    assert gradcheck(lambda scores: cross_entropy(scores, target), scores)
    tensor = torch.tensor(scores, requires_grad=True)
    classes = torch.tensor(target)
    assert torch.autograd.gradcheck(pytorch.CrossEntropy.apply, (tensor, classes))
    agree(
        lambda scores: (
            cross_entropy(scores, target)
            if isinstance(scores, Tensor)
            else torch.nn.functional.cross_entropy(scores, classes)
        ),
        1000.0 * scores,
    )


def test_a_network_of_one_step_and_the_walk_by_hand_agree():
    """What training_step moves is lr times what mlp_backward finds."""
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(6, 4)), rng.integers(0, 3, 6)
    parameters = [rng.normal(size=shape) for shape in ((5, 4), 5, (3, 5), 3)]
    scores = Tensor(np.maximum(x @ parameters[0].T + parameters[1], 0.0) @ parameters[2].T, True)
    loss = cross_entropy(scores + parameters[3], target)
    loss.backward()
    _, *gradients = mlp_backward(scores.grad, x, *parameters)
    found, *moved = training_step(x, target, 0.1, *parameters)
    assert found == pytest.approx(loss.item())
    for before, after, gradient in zip(parameters, moved, gradients, strict=True):
        np.testing.assert_allclose(after, before - 0.1 * gradient, **EXACT)


def test_graph_draws_a_box_for_each_tensor_and_refuses_what_is_none():
    a, b = Tensor(2.0, True), Tensor(-3.0, True)
    product = a * b
    product.backward()
    figure = graph(product, a=a, b=b, e=product)
    assert isinstance(figure, Figure)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {"a", "b", "e (×)", "-6", "grad -3", "grad 2", "grad 1"} <= set(texts)
    with pytest.raises(TypeError, match="b: expected a Tensor of the engine, got float"):
        graph(product, b=2.0)


# --- what the documents work through


def values(tensors):
    return [round(t.grad.item(), 6) for t in tensors]


def test_w29():
    a, b, c, f = (Tensor(v, True) for v in (2.0, -3.0, 10.0, -2.0))
    e = a * b
    d = e + c
    loss = d * f
    loss.backward()
    assert (e.item(), d.item(), loss.item()) == (-6.0, 4.0, -8.0)
    assert values([f, d, c, e, a, b]) == [4.0, -2.0, -2.0, -2.0, 6.0, -4.0]


def neuron(w, x):
    w0, w1, w2 = w
    x0, x1 = x
    n = -(w0 * x0 + w1 * x1 + w2)
    e = n.exp()
    denominator = 1 + e
    return [n, e, denominator, 1 / denominator]


def test_w30():
    w, x = [Tensor(v, True) for v in (0.0, -3.0, -3.0)], [Tensor(v, True) for v in (-1.0, -2.0)]
    n, e, denominator, f = neuron(w, x)
    f.backward()
    assert [round(t.item(), 6) for t in (n, e, denominator, f)] == [
        -3.0,
        0.049787,
        1.049787,
        0.952574,
    ]
    assert values([denominator, n]) == [-0.907397, -0.045177]
    assert values(w) == [-0.045177, -0.090353, 0.045177]
    assert values(x) == [0.0, -0.135530]


def test_w31():
    """With w0 = 2, the gradient of x0 is no longer hidden by a zero."""
    w, x = [Tensor(v, True) for v in (2.0, -3.0, -3.0)], [Tensor(v, True) for v in (-1.0, -2.0)]
    f = neuron(w, x)[-1]
    f.backward()
    assert round(f.item(), 6) == 0.731059
    assert values(w) == [-0.196612, -0.393224, 0.196612]
    assert values(x) == [0.393224, -0.589836]


def test_w32():
    """The chain of document 004, x -> z1 -> y_hat -> J, term by term and by the engine."""
    x, y, w1, w2 = 1.5, 0.2, Tensor(0.8, True), Tensor(-0.6, True)
    z1 = w1 * x
    h = z1.sigmoid()
    y_hat = w2 * h
    cost = (y_hat - y) ** 2
    cost.backward()
    by_y_hat, by_z1 = 2 * (y_hat.item() - y), w2.item() * h.item() * (1 - h.item())
    np.testing.assert_allclose(w2.grad, by_y_hat * h.item())
    np.testing.assert_allclose(w1.grad, by_y_hat * by_z1 * x)


def test_w33():
    x = Tensor(2.0, True)
    (x * x + 3 * x).backward()
    assert x.grad == 7.0


def test_e15():
    """The bias moves against the derivative by the bias, which is what document 001 must mean."""
    w, b = Tensor(0.5, True), Tensor(-1.0, True)
    for _ in range(200):
        loss = (w * 2.0 + b - 3.0) ** 2
        loss.backward()
        for parameter in (w, b):
            parameter.data -= 0.05 * parameter.grad
            parameter.grad = None
    assert loss.item() < 1e-12
    np.testing.assert_allclose(w.data - 0.5, 2 * (b.data + 1.0))  # each moved by its own slope


def test_e16():
    """The graph of document 001 is whole once its first line has a name, e: see W29."""
    assert "errata-e16" in (ROOT / "book" / "errata.md").read_text()
    test_w29()


def test_e84():
    """Backpropagation is exact; a finite difference is what is approximate."""

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    z = Tensor(1.0, True)
    z.sigmoid().backward()
    exact = sigmoid(1.0) * (1 - sigmoid(1.0))
    h = 1e-5
    assert abs(z.grad - exact) < 1e-16
    one_sided = abs((sigmoid(1.0 + h) - sigmoid(1.0)) / h - exact)
    central = abs((sigmoid(1.0 + h) - sigmoid(1.0 - h)) / (2 * h) - exact)
    assert 1e-8 < one_sided < 1e-6 and central < 1e-10 < one_sided
