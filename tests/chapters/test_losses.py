"""The worked examples, errata and experiments of the documents that concern losses.

Worked examples and errata are computed here. The experiments run on the page, whose stored
outputs nbval verifies; here their outcome is held against the claim. At the end stands what the
parity cases leave out: places where PyTorch's own functions choose differently, and scikit-learn.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import log_loss

from book.losses import pytorch
from book.losses import reference as f
from tests.chapters.glued import glued


@pytest.fixture(scope="module")
def page():
    return glued("losses/chapter.ipynb")


def test_w24(page):
    predicted = np.array([0.005, 0.015, 0.18, 0.1, 0.3, 0.05, 0.05, 0.1, 0.15, 0.05])
    assert predicted.sum() == pytest.approx(1.0, abs=1e-15)
    loss = f.nll_loss(np.log(predicted), np.array(2))
    assert loss == pytest.approx(F.nll_loss(torch.tensor(predicted).log(), torch.tensor(2)).item())
    assert page["loss-w24"] == 1.714798 == round(loss, 6)
    assert (page["loss-w24-sum"], page["loss-w24-argmax"]) == (1.0, 4)


def test_w25(page):
    assert (page["loss-w25-mse"], page["loss-w25-half"]) == (2433.33, 3650)
    assert page["loss-w25-mae"] == 43.33


def test_w26(page):
    assert (page["loss-w26-half"], page["loss-w26-mean"]) == (7.0, 4.667)


def test_w27(page):
    assert (page["loss-w27-0.5"], page["loss-w27-2"]) == (0.125, 1.5)
    assert (page["loss-w27-sum-0.5"], page["loss-w27-sum-2"]) == (0.75, 6.0)


def test_w28(page):
    expected = {0.25: 1.386, 0.5: 0.693, 0.9: 0.105, 1.0: 0.0}
    for q, loss in expected.items():
        assert page[f"loss-w28-{q:g}"] == loss
        assert f.binary_cross_entropy(q, 1.0) == pytest.approx(loss, abs=5e-4)


def test_e78():
    """Cross-entropy falls as the right class gains, to exactly 0."""
    q = np.linspace(0.01, 1.0, 100)
    losses = f.binary_cross_entropy(q, np.ones(100), reduction="none")
    assert (np.diff(losses) < 0).all()
    assert losses[-1] == 0


def test_e79():
    """Half the sum and the mean differ by a factor n / 2, and so do their gradients."""
    x, y = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    half, _ = f.mse_loss_backward(0.5, x, y, reduction="sum")
    mean, _ = f.mse_loss_backward(1.0, x, y)
    np.testing.assert_allclose(half, 1.5 * mean, rtol=1e-14)
    assert 0.5 * f.mse_loss(x, y, "sum") == 1.5 * f.mse_loss(x, y)


def test_e80():
    """Smooth L1 is a choice between the two, and never their sum."""
    x, zero = np.linspace(-4, 4, 81), np.zeros(81)
    smooth = f.smooth_l1_loss(x, zero, "none")
    np.testing.assert_allclose(smooth[abs(x) < 1], x[abs(x) < 1] ** 2 / 2, atol=1e-15)
    np.testing.assert_allclose(smooth[abs(x) >= 1], abs(x[abs(x) >= 1]) - 0.5, atol=1e-15)
    assert (smooth <= abs(x) + x**2).all()


def test_e98(page):
    """Cross-entropy cannot tell near from far in an order; the squared EMD can."""
    assert page["loss-emd-ce-near"] == page["loss-emd-ce-far"] == 0.511
    assert (page["loss-emd-near"], page["loss-emd-far"]) == (0.16, 0.32)


def test_e106():
    """Twice the data doubles the total and leaves the average."""
    x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([4.0, 4.0, 1.0, 8.0])
    twice = np.tile(x, 2), np.tile(y, 2)
    assert [f.l1_loss(x, y, "sum"), f.l1_loss(*twice, "sum")] == [11, 22]
    assert f.l1_loss(x, y) == f.l1_loss(*twice) == 2.75


def test_x12(page):
    """Squared error through a sigmoid is not convex and stays at the share of benign tumors."""
    assert float(page["loss-bend-squared"]) < 0 < float(page["loss-bend-log"])
    assert page["loss-surface-squared"] == 63
    assert page["loss-surface-log"] == 88


def test_x13(page):
    """Softmax reaches 90 % in fewer steps than independent sigmoids, by a little."""
    softmax, sigmoids = (
        [int(part) for part in page[f"loss-sum-{name}"].split(" to ")]
        for name in ("softmax", "sigmoids")
    )
    assert max(softmax) <= min(sigmoids) < 1.5 * max(softmax)


def test_x14(page):
    """Shuffling the wrong classes changes nothing, and the loss is 0 at the truth."""
    assert page["loss-w24-shuffled"] == 0
    assert page["loss-w28-1"] == 0
    rng = np.random.default_rng(0)
    z = rng.normal(size=(6, 5))
    wrong_last = np.zeros(6, dtype=int)
    swapped = np.concatenate([z[:, :1], z[:, :0:-1]], axis=1)
    losses = [f.cross_entropy(a, wrong_last, reduction="none") for a in (z, swapped)]
    np.testing.assert_allclose(*losses, rtol=1e-14)


def test_x15(page):
    """On the grades of the disease the squared EMD gains less than the spread of the splits."""
    gain = page["loss-grades-ce"] - page["loss-grades-emd"]
    assert abs(gain) <= page["loss-grades-sd-ce"] + page["loss-grades-sd-emd"]


def test_x16(page):
    """The squared error's answer is never valid, the generator's mostly, on both sides."""
    assert page["loss-gan-blur"] == 0
    assert page["loss-gan-near"] > 85
    assert 35 < page["loss-gan-positive"] < 65


def test_x17(page):
    """The order of two pictures is the other way round in features."""
    assert page["loss-pixels-shifted"] == 1.0 > page["loss-pixels-gray"] == 0.25
    assert page["loss-features-shifted"] < page["loss-features-gray"]
    assert page["loss-features-wins"] >= 18


def test_x18(page):
    """Bad targets move the squared error's line, and hardly the other two."""
    moved = {
        name: page[f"loss-line-{name}-damaged"] - page[f"loss-line-{name}-true"]
        for name in ("squared error", "absolute error", "smooth L1")
    }
    assert moved["squared error"] > 50
    assert max(moved["absolute error"], moved["smooth L1"]) < 10


# --- what else the page says


def test_mean_and_median_are_the_best_constants(page):
    assert abs(page["loss-constant-squared"] - page["loss-mean"]) <= 4
    assert abs(page["loss-constant-absolute"] - page["loss-median"]) <= 4


def test_a_column_against_a_row_learns_the_mean(page):
    assert page["loss-broadcast-wrong"] == 1.0
    assert page["loss-broadcast-right"] < 0.5


def test_softmax_twice_cannot_get_below_its_floor(page):
    assert page["loss-twice-floor"] == round(-np.log(np.e / (np.e + 9)), 2)
    assert page["loss-twice-softmax twice"] > page["loss-twice-floor"]
    assert page["loss-twice-no logarithm"] < 0 < page["loss-twice-right"] < 0.1
    assert page["loss-twice-half-right"] > page["loss-twice-half-softmax twice"]


def test_smoothing_has_a_best_lead_and_helps_against_wrong_labels(page):
    for share in (0.1, 0.3):
        best = page[f"loss-smoothing-best-{share}"]
        assert abs(page[f"loss-smoothing-found-{share}"] - best) < 0.2
    right = [page[f"loss-smoothing-right-{share}"] for share in (0.0, 0.1, 0.3)]
    assert right == sorted(right)
    assert right[0] < right[-1]


def test_class_weights_trade_one_mistake_for_another(page):
    found = [page[f"loss-rare-found-{name}"] for name in ("none", "balanced", "hundred")]
    assert found == sorted(found)
    assert page["loss-rare-honest-none"] > page["loss-rare-honest-hundred"]


def test_l1_puts_a_weight_at_exactly_zero(page):
    assert page["loss-penalty-L1"].endswith("0.00)")
    assert not page["loss-penalty-L2"].endswith("0.00)")


# --- what the parity cases leave out


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_certain_probabilities_cost_100_and_have_no_gradient_there(y):
    """PyTorch's value; its gradients, up to 1e12, differ from the slope of the capped logarithm."""
    p = np.array([0.0, 1.0])
    target = np.full(2, y)
    tensors = torch.tensor(p, requires_grad=True), torch.tensor(target)
    expected = F.binary_cross_entropy(*tensors, reduction="none")
    ours = pytorch.binary_cross_entropy(*tensors, reduction="none")
    for losses in (ours, expected):
        value = losses.detach().numpy()
        np.testing.assert_allclose(f.binary_cross_entropy(p, target, None, "none"), value)
    ours.sum().backward()
    by_hand, _ = f.binary_cross_entropy_backward(np.ones(2), p, target, None, "none")
    np.testing.assert_array_equal(tensors[0].grad, by_hand)
    assert by_hand[int(1 - y)] == 0


def test_the_mean_of_nothing_is_not_a_number_and_has_no_gradient():
    z, ignored = np.zeros((2, 3)), np.full(2, -100)
    tensors = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True), torch.tensor(ignored)
    for name in ("nll_loss", "cross_entropy"):
        assert np.isnan(getattr(f, name)(z, ignored))
        loss = getattr(pytorch, name)(*tensors)
        assert torch.isnan(loss)
        (grad,) = torch.autograd.grad(loss, tensors[0])
        np.testing.assert_array_equal(grad, np.zeros((2, 3)))
        np.testing.assert_array_equal(getattr(f, f"{name}_backward")(1.0, z, ignored), grad)


@pytest.mark.parametrize("side", ["reference", "pytorch", "torch"])
def test_a_class_that_is_ruled_out_costs_nothing_unless_it_is_right(side):
    """A logit of minus infinity masks a class; zero times infinity must not spoil the loss."""
    z = np.array([[0.0, 1.0, -np.inf]])
    if side == "reference":
        loss, grad = f.cross_entropy(z, np.array([1])), f.cross_entropy_backward(1.0, z, [1])
    else:
        tensor = torch.tensor(z, requires_grad=True)
        function = F.cross_entropy if side == "torch" else pytorch.cross_entropy
        loss = function(tensor, torch.tensor([1]))
        loss.backward()
        loss, grad = loss.item(), tensor.grad.numpy()
    assert loss == pytest.approx(np.log1p(np.exp(-1.0)))
    np.testing.assert_allclose(grad, [[0.26894142, -0.26894142, 0.0]], atol=1e-8)


def test_scikit_learn_has_the_same_log_loss():
    rng = np.random.default_rng(0)
    z, classes = rng.normal(size=(20, 4)), np.arange(20) % 4
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert f.cross_entropy(z, classes) == pytest.approx(log_loss(classes, p), rel=1e-12)
    yes, target = rng.uniform(0.01, 0.99, 20), np.arange(20) % 2
    expected = log_loss(target, yes)
    assert f.binary_cross_entropy(yes, target.astype(float)) == pytest.approx(expected, rel=1e-12)
    weight = rng.uniform(0.5, 2.0, 4)
    expected = log_loss(classes, p, sample_weight=weight[classes])
    assert f.cross_entropy(z, classes, weight) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "squared_emd_loss"])
def test_compiled_code_looks_at_no_values(name):
    """Under torch.compile the checks of values are left out, so that nothing waits for the GPU."""
    p, target = torch.tensor([[0.25, 0.75]]), torch.tensor([[1.5, -0.5]])
    function = getattr(pytorch, name)
    with pytest.raises(ValueError, match="expected"):
        function(p, target)
    compiled = torch.compile(function, backend="eager", fullgraph=True)
    assert torch.isfinite(compiled(p, target))
