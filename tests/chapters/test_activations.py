"""The worked examples, errata and experiments of the documents that concern activations.

Worked examples and errata are computed here. The experiments run on the page, whose stored
outputs nbval verifies; here their outcome is held against the claim.
"""

import numpy as np
import pytest
import scipy.special
import torch

from book.activations import reference as f
from book.activations.pytorch import Swish
from tests.chapters.glued import glued

POINTS = np.array([-3.0, -1.0, -0.5, 0.5, 1.0, 3.0])


@pytest.fixture(scope="module")
def page():
    return glued("activations/chapter.ipynb")


def slope(function, x, h=1e-5):
    """Central difference; its error is about 1e-10 here."""
    return (function(x + h) - function(x - h)) / (2 * h)


@pytest.mark.parametrize(
    "function, derivative",
    [
        (f.identity, np.ones_like),
        (f.binary_step, np.zeros_like),
        (f.sigmoid, lambda x: f.sigmoid(x) * (1 - f.sigmoid(x))),
        (lambda x: 2 / (1 + np.exp(-2 * x)) - 1, lambda x: 1 - f.tanh(x) ** 2),
        (f.arctan, lambda x: 1 / (x**2 + 1)),
        (f.relu, lambda x: np.where(x < 0, 0.0, 1.0)),
        (lambda x: f.prelu(x, np.array([0.3])), lambda x: np.where(x < 0, 0.3, 1.0)),
        (lambda x: f.elu(x, 0.3), lambda x: np.where(x < 0, f.elu(x, 0.3) + 0.3, 1.0)),
        (f.softplus, lambda x: 1 / (1 + np.exp(-x))),
    ],
    ids=["identity", "step", "sigmoid", "tanh", "arctan", "relu", "prelu", "elu", "softplus"],
)
def test_w17(function, derivative):
    np.testing.assert_allclose(slope(function, POINTS), derivative(POINTS), atol=1e-9)


def test_w18():
    """Document 004 gives sigmoid, tanh and ReLU in other forms, with their derivatives."""
    e = np.exp
    forms = {
        "sigmoid": lambda z: 1 / (1 + e(-z)),
        "tanh": lambda z: (e(z) - e(-z)) / (e(z) + e(-z)),
        "relu": lambda z: np.maximum(0, z),
    }
    for name, form in forms.items():
        np.testing.assert_allclose(getattr(f, name)(POINTS), form(POINTS), rtol=1e-13)
        gradient = getattr(f, f"{name}_backward")(np.ones_like(POINTS), POINTS)
        np.testing.assert_allclose(gradient, slope(form, POINTS), atol=1e-9)


def test_w19(page):
    assert page["act-wrong-tanh"] == 0.46212 == round(np.tanh(0.5), 5)
    assert page["act-right-tanh"] == 0.76159 == round(np.tanh(1.0), 5)


def test_w20(page):
    """Swish tends to ReLU, and the gap shrinks like 1/beta."""
    x = np.linspace(-4, 4, 801)
    np.testing.assert_array_equal(f.swish(x, 0.0), x / 2)
    for beta in (1, 10, 100):
        assert page[f"act-gap-{beta}"] == pytest.approx(0.27846 / beta, abs=6e-5)


def test_w21(page):
    assert (page["act-swish-x"], page["act-swish-min"]) == (-1.2785, -0.2785)


def test_w22(page):
    np.testing.assert_allclose(
        f.softmax([5, 2, -1, 3], 0), [0.842034, 0.041922, 0.002087, 0.113957], atol=5e-7
    )
    assert [page[f"act-softmax-{i}"] for i in range(4)] == [0.842, 0.042, 0.002, 0.114]


def test_w23():
    np.testing.assert_array_equal(f.hardmax([5, 2, -1, 3]), [1, 0, 0, 0])


def test_e35():
    """The slope goes to zero on both sides and never exceeds a quarter."""
    slopes = f.sigmoid_backward(np.ones(3), np.array([-10.0, 0.0, 10.0]))
    np.testing.assert_allclose(slopes, [4.5396e-5, 0.25, 4.5396e-5], rtol=1e-4)
    x = np.linspace(-20, 20, 4001)
    assert f.sigmoid_backward(np.ones_like(x), x).max() == 0.25


def test_e43(page):
    """The printed softmax adds up to 0.95, the right one to 1."""
    assert page["act-softmax-printed-sum"] == 0.95
    p = f.softmax([5, 2, -1, 3], 0)
    assert p.sum() == pytest.approx(1.0, abs=1e-15)
    np.testing.assert_allclose(p, scipy.special.softmax([5, 2, -1, 3]), rtol=1e-14)


def test_e77(page):
    """Swish is not the best here: tanh beats it by more than both spreads together."""
    tanh, swish = score(page, "tanh"), score(page, "swish")
    assert tanh[0] - swish[0] > tanh[1] + swish[1]


def test_e85():
    """Swish is negative left of zero, and its slope vanishes at the minimum."""
    x = np.linspace(-30, -1e-9, 10_001)
    assert (f.silu(x) < 0).all()
    assert f.silu_backward(1.0, -1.278464542761074) == pytest.approx(0.0, abs=1e-12)


def test_e100():
    """The printed tanh is tanh(z / 2) = 2 sigmoid(z) - 1."""
    z = np.linspace(-5, 5, 101)
    printed = (1 - np.exp(-z)) / (1 + np.exp(-z))
    np.testing.assert_allclose(printed, np.tanh(z / 2), atol=1e-15)
    np.testing.assert_allclose(printed, 2 * f.sigmoid(z) - 1, atol=1e-15)
    assert abs(printed - f.tanh(z)).max() == pytest.approx(0.29998, abs=1e-5)


def test_x02(page):
    """Without non-linearity, depth adds nothing."""
    assert page["act-rings-identity-1"] == page["act-rings-identity-5"] < 65
    assert page["act-rings-relu-1"] == page["act-rings-relu-5"] == 100


def test_x03(page):
    """A wider layer fits better, until training is the limit."""
    error = [page[f"act-width-{width}"] for width in (2, 5, 20, 100)]
    assert error[0] > 3 * error[1] > 6 * error[2]
    assert 0 < error[3] < error[1]


def test_x05(page):
    """A saturated output unit: thousands of steps with squared error, a handful with log loss."""
    assert (page["act-stuck-squared-2"], page["act-stuck-log_loss-2"]) == (16, 3)
    assert page["act-stuck-squared-10"] > 20_000
    assert page["act-stuck-log_loss-10"] == 11


def test_x06(page):
    """All outputs of a sigmoid layer have one sign, those of a tanh layer do not."""
    assert page["act-one-sign-sigmoid"] == 100
    assert page["act-one-sign-tanh"] < 1


def test_x07(page):
    """ReLU units on the flat side stay there; leaky ReLU leaves a linear network; others escape."""
    assert page["act-frozen-relu"] == 50
    assert page["act-frozen-leaky"] == page["act-rings-identity-1"]
    assert page["act-frozen-above-leaky"] == 0
    assert page["act-frozen-elu"] == page["act-frozen-silu"] == 100
    assert page["act-dead-ReLU-0.1"] > 90 > 50 > page["act-dead-leaky ReLU-0.1"]


def test_x08(page):
    """Only the sigmoid is slow; ReLU is not the fastest."""
    assert page["act-speed-sigmoid"] == 100
    assert all(page[f"act-speed-{name}"] < 75 for name in ("tanh", "ReLU", "ELU", "swish", "GELU"))
    assert page["act-speed-tanh"] < page["act-speed-ReLU"]


def test_x09(page):
    """ReLU costs less than every function with an exponential, in PyTorch on one thread."""
    cost = {name: page[f"act-cost-{name}"] for name in ("sigmoid", "tanh", "elu", "silu", "gelu")}
    assert min(cost.values()) > 1


def test_x10(page):
    """Swish lies within the spread of the other functions, and not above it."""
    others = [score(page, name)[0] for name in ("tanh", "ReLU", "leaky ReLU", "ELU", "GELU")]
    assert min(others) < score(page, "swish")[0] < max(others)
    assert max(others) - min(others) < 2


def test_x11(page):
    """A learned beta moves, and gains nothing visible on the spirals."""
    fixed, learned = score(page, "fixed", "beta"), score(page, "learned", "beta")
    assert page["act-beta-mean"] > 1
    assert abs(fixed[0] - learned[0]) < 0.5


def score(page, name, kind="score"):
    """Mean and standard deviation, as the page prints them."""
    return [float(part) for part in page[f"act-{kind}-{name}"].split(" ± ")]


def test_the_learnable_swish_is_swish_and_learns_its_beta():
    layer, x = Swish(1.5).double(), torch.linspace(-3, 3, 13, dtype=torch.float64)
    np.testing.assert_allclose(layer(x).detach(), f.swish(x.numpy(), 1.5), rtol=1e-13)
    layer(x).sum().backward()
    _, grad_beta = f.swish_backward(np.ones(13), x.numpy(), 1.5)
    assert layer.beta.grad.item() == pytest.approx(grad_beta, rel=1e-12)
