"""The worked examples, errata and experiments of the documents that concern neurons.

Worked examples and errata are computed here. The experiments run on the page, whose stored
outputs nbval verifies; here their outcome is held against the claim.
"""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from torch import nn

from book import data, tables
from book.neurons import pytorch
from book.neurons import reference as f
from tests.chapters.glued import glued
from tools import loops


@pytest.fixture(scope="module")
def page():
    return glued("neurons/chapter.ipynb")


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# --- what the parity tests do not see


def test_logistic_regression_ends_where_scikit_learn_does():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    y = (x @ [1.0, -2.0, 0.5] + rng.logistic(size=200) > 0).astype(float)
    weight, bias, losses = f.logistic_regression_fit(x, y, lr=1.0, steps=2000)
    theirs = LogisticRegression(C=np.inf, tol=1e-12, solver="newton-cholesky").fit(x, y)
    np.testing.assert_allclose(weight, theirs.coef_[0], rtol=1e-9)
    np.testing.assert_allclose(bias, theirs.intercept_[0], rtol=1e-9)
    assert (np.diff(losses) <= 1e-15).all()


@given(seed=st.integers(0, 2**32 - 1))
def test_the_rule_separates_whatever_a_line_separates(seed):
    """Novikoff's bound on all mistakes: (R / gamma)^2, with the bias as one more weight."""
    rng = np.random.default_rng(seed)
    line = np.append(rng.normal(size=2), 0.3)
    rows = np.column_stack([rng.uniform(-1, 1, size=(40, 2)), np.ones(40)])
    rows = rows[np.abs(rows @ line) / np.linalg.norm(line) > 0.1]
    target = (rows @ line > 0).astype(float)
    weight, bias, mistakes = f.step_perceptron_train(rows[:, :2], target, epochs=1000)
    np.testing.assert_array_equal(f.perceptron(rows[:, :2], weight, bias), target)
    gamma = np.abs(rows @ line).min() / np.linalg.norm(line)
    assert mistakes.sum() <= (rows**2).sum(axis=1).max() / gamma**2
    assert mistakes[-1] == 0


def test_weights_copied_into_a_module_give_the_same_output():
    """The same weights, the same outputs, as in the syllabus: to 1e-6, and better."""
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 4), nn.ReLU(), nn.Linear(4, 2))
    net = net.double()
    x = rng.normal(size=(6, 5))
    parameters = [parameter.detach().numpy() for parameter in net.parameters()]
    ours = f.mlp_forward(x, *parameters)
    np.testing.assert_allclose(ours, net(torch.as_tensor(x)).detach(), rtol=1e-12)
    assert f.count_parameters([5, 7, 4, 2]) == sum(p.numel() for p in net.parameters())


def test_a_column_that_only_seems_to_vary_is_constant():
    """The mean of three 0.1 is not 0.1, so a deviation of 1e-17 must not be divided by."""
    x = np.full((3, 1), 0.1)
    assert x.std() > 0
    np.testing.assert_array_equal(f.standardize(x), np.zeros((3, 1)))
    np.testing.assert_allclose(pytorch.standardize(torch.as_tensor(x)), 0, atol=1e-16)


def test_the_timing_compares_equals(monkeypatch):
    monkeypatch.setattr(loops, "SLICE", 0.0)
    (row,) = loops.measure(sizes=(4,), rounds=1)
    assert row["size"] == 4
    assert set(row["seconds"]) == {"Python loop", "NumPy", "PyTorch"}
    monkeypatch.setattr(loops, "loop", lambda x, w: 0.0)
    with pytest.raises(AssertionError):
        loops.measure(sizes=(4,), rounds=1)


def test_the_loaders_return_what_they_say():
    (x_train, y_train), (x_test, y_test) = data.breast_cancer()
    assert (x_train.shape, x_test.shape) == ((426, 30), (143, 30))
    assert (x_train.dtype, y_train.dtype) == (np.float64, np.int64)
    assert y_train.sum() + y_test.sum() == 212  # malignant, as the data set's description says
    assert set(y_train) == {0, 1}
    assert not {tuple(row) for row in x_train} & {tuple(row) for row in x_test}
    picture = data.flower()
    assert (picture.shape, picture.dtype) == ((240, 320, 3), np.uint8)


def test_the_performance_page_finds_chapters_and_nothing_else():
    assert "activations" in tables.chapters()
    assert not {"loops", "parity"} & set(tables.chapters())


# --- worked examples


FIRST = np.array([[0, 1, 0, 1, 0], [0, 1, 2, 1, 2], [0, 1, 1, 1, 1.0]])
SECOND = np.array([[0, -2, 1, -2], [0, 1, -1, 0.0]])
THIRD = np.array([[-1, -3, 2.0]])
LAYERS = [(rows[:, 1:], rows[:, 0]) for rows in (FIRST, SECOND, THIRD)]


def test_w01(page):
    """The pass by hand, with the leading 1 too; only the output bias gets a gradient."""
    x = np.array([[0.0, 1, 2, 3]])
    h1 = np.maximum(f.linear(x, *LAYERS[0]), 0)
    np.testing.assert_array_equal(h1, [[2, 10, 6]])
    np.testing.assert_array_equal(np.append(1, x) @ FIRST.T, h1[0])
    np.testing.assert_array_equal(f.linear(h1, *LAYERS[1]), [[-6, -8]])
    parameters = [array for pair in LAYERS for array in pair]
    out = f.mlp_forward(x, *parameters)
    np.testing.assert_array_equal(out, [[-1]])
    assert sigmoid(out).item() == pytest.approx(0.268941, abs=1e-6)
    assert page["neu-hand"] == 0.2689

    tensors = [torch.tensor(array, requires_grad=True) for array in parameters]
    torch.sigmoid(pytorch.mlp_forward(torch.tensor(x), *tensors)).backward()
    assert all(not tensor.grad.any() for tensor in tensors[:-1])
    assert tensors[-1].grad.item() == pytest.approx(0.1966, abs=1e-4)


def test_w02(page):
    assert [f.count_parameters(pair) for pair in pairwise([7, 4, 3, 1])] == [32, 15, 4]
    assert page["neu-count-7"] == "51"


def test_w03(page):
    assert data.flower().reshape(-1, 1).shape == (230_400, 1)
    assert page["neu-pixels"] == "230,400"


def test_w04():
    assert (np.ones((3, 2)) @ np.ones((2, 1)) + np.ones((3, 1))).shape == (3, 1)
    assert f.linear(np.ones((1, 2)), np.ones((3, 2)), np.ones(3)).shape == (1, 3)


def test_w05():
    """W (N2, N1) times X (N1, 1) plus B (N2, 1), and the same in rows."""
    rng = np.random.default_rng(0)
    for n1, n2 in rng.integers(1, 60, (50, 2)):
        W, X, B = rng.normal(size=(n2, n1)), rng.normal(size=(n1, 1)), rng.normal(size=(n2, 1))
        columns = W @ X + B
        assert columns.shape == (n2, 1)
        np.testing.assert_allclose(columns.T, f.linear(X.T, W, B[:, 0]), rtol=1e-13, atol=1e-13)


def test_w06():
    rng = np.random.default_rng(0)
    W, X, b = rng.normal(size=(3, 2)), rng.normal(size=(3, 4)), rng.normal(size=(2, 1))
    columns = W.T @ X + b
    assert columns.shape == (2, 4)
    np.testing.assert_allclose(columns.T, f.linear(X.T, W.T, b[:, 0]), rtol=1e-13)


def test_w07():
    np.testing.assert_array_equal(np.array([17, 11, 19]) + 3, [20, 14, 22])


def test_w08():
    assert np.column_stack([np.ones(4)] * 7).shape == (4, 7)
    assert np.array([[1, 0, 1]]).shape == (1, 3)


def listing(steps):
    """The listing of document 001, repaired, with its own step along the sum."""
    x, y = make_classification(n_features=4, random_state=0)
    parts = train_test_split(x, y, test_size=0.1, random_state=0)
    x_train, _, y_train, _ = parts
    rows = np.c_[np.ones(90), (x_train - x_train.mean(0)) / x_train.std(0)]
    weights, costs = np.zeros(5), []
    for _ in range(steps):
        weights = weights - 0.001 * rows.T @ (sigmoid(rows @ weights) - y_train)
        z = rows @ weights
        costs.append(np.mean(np.logaddexp(0, z) - y_train * z))
    return parts, weights, costs


def test_w09(page):
    """The sum with rate 0.001 is the mean with rate 0.09; costs are those after each step."""
    (x_train, x_test, y_train, y_test), weights, costs = listing(400)
    rows, unseen = f.standardize(x_train), f.standardize(x_test, x_train)
    _, _, losses = f.logistic_regression_fit(rows, y_train, lr=0.09, steps=401)
    np.testing.assert_allclose(losses[1:], costs, rtol=1e-12)
    assert (page["neu-listing-first"], page["neu-listing-last"]) == (0.6680, 0.2762)
    assert (costs[0], costs[-1]) == (
        pytest.approx(0.6680, abs=5e-5),
        pytest.approx(0.2762, abs=5e-5),
    )
    found = [x @ weights[1:] + weights[0] > 0 for x in (rows, unseen)]
    theirs = [f1_score(y, y_hat) for y, y_hat in zip((y_train, y_test), found, strict=True)]
    assert [round(score, 3) for score in theirs] == [0.921, 1.0]
    assert [page["neu-listing-f1-train"], page["neu-listing-f1-test"]] == [0.921, 1.0]


def test_w10(page):
    assert f1_score([1, 1, 1, 0, 0], [1, 0, 1, 1, 0]) == pytest.approx(2 / 3)
    assert page["neu-f1"] == 0.667


def test_w11():
    shapes = [np.random.default_rng(0).normal(size=(2, 2)) * 0.01, np.zeros((2, 1)),
              np.full((1, 3), 0.1), np.full((1, 1), 0.1)]  # fmt: skip
    assert [array.shape for array in shapes] == [(2, 2), (2, 1), (1, 3), (1, 1)]


def test_w12():
    """Where the sigmoid is one half, the sum is zero, and nowhere else."""
    a, b, c = 1.5, -2.0, 0.5
    x, y = np.meshgrid(np.linspace(-3, 3, 41), np.linspace(-3, 3, 41))
    p = sigmoid(a * x + b * y + c)
    np.testing.assert_array_equal(p > 0.5, a * x + b * y + c > 0)
    on = -(a * x + c) / b
    np.testing.assert_allclose(sigmoid(a * x + b * on + c), 0.5, atol=1e-15)


def test_w13(page):
    assert [f.count_parameters(pair) for pair in pairwise([60, 60, 30, 1])] == [3660, 1830, 31]
    assert page["neu-count-60"] == "5,521"


def test_w14(page):
    counts = [f.count_parameters(pair) for pair in pairwise([21, 100, 100, 100, 1])]
    assert counts == [2200, 10_100, 10_100, 101]
    assert page["neu-count-21"] == "22,501"


# --- errata


def test_e10():
    """A sigmoid never says nothing, and a step has no slope."""
    assert sigmoid(-3.0) == pytest.approx(0.047, abs=5e-4)
    one = np.ones((1, 1))
    for z, h in product((-2.0, -0.1, 0.1, 2.0), (1e-5, 1e-3)):
        up, down = (f.perceptron(one, one, np.array([z - 1 + d])) for d in (h, -h))
        assert up == down


def test_e12():
    """m counts the examples: the columns of the stack, and the labels."""
    examples = [(np.ones(4), 1), (np.zeros(4), 0), (np.ones(4), 0)]
    X, y = np.column_stack([x for x, _ in examples]), np.array([[label for _, label in examples]])
    assert len(examples) == X.shape[1] == y.shape[1] == 3


def test_e13():
    assert np.column_stack([np.ones(4)] * 7).shape == (4, 7) != (1, 7)


def test_e14():
    X = np.ones((4, 7))
    assert (np.ones(4) @ X).shape == (7,)
    with pytest.raises(ValueError):
        np.ones(7) @ X


def refused(source):
    with pytest.raises(SyntaxError) as caught:
        compile(source, "listing", "exec")
    return caught.value.msg


def test_e17():
    assert "never closed" in refused("parts = train_test_split(X, y, test_size=0.1\n")


def test_e18():
    """One place of an array does not take an array of shape (1,); a number it takes."""
    cost, costs = np.ones((1,)), np.zeros(3)
    with pytest.raises((TypeError, ValueError)):
        costs[0] = cost
    costs[0] = cost.item()
    losses = f.logistic_regression_fit(np.ones((2, 1)), [0, 1], steps=3)[2]
    assert losses.shape == (3,)


def test_e19():
    """The listing's step is n times the gradient of the cost that it plots; ours is not."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 3)), rng.integers(0, 2, 90)
    summed = x.T @ (sigmoid(np.zeros(90)) - y)
    weight, _, _ = f.logistic_regression_fit(x, y, lr=1.0, steps=1)
    np.testing.assert_allclose(summed / -weight, 90, rtol=1e-12)


def test_e20(page):
    """A shift of the test rows shows when the training rows give the scale, and only then."""
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(500, 2)), rng.normal(size=(500, 2)) + 2
    assert f.standardize(test, train).mean() > 1.8
    assert abs(f.standardize(test).mean()) < 1e-12
    with np.errstate(invalid="ignore"):
        assert np.isnan((test[:1] - test[:1].mean(0)) / test[:1].std(0)).all()
    assert np.isfinite(f.standardize(test[:1], train)).all()
    kept = test.copy()
    f.standardize(test)
    np.testing.assert_array_equal(test, kept)
    assert page["neu-clinic-by the training rows"] > 90 > 60 > page["neu-clinic-by themselves"]


def test_e21():
    with np.errstate(divide="ignore", invalid="ignore"):
        p, y = sigmoid(np.array([800.0, 800.0])), np.array([1.0, 0.0])
        listed = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert np.isnan(listed[0]) and np.isinf(listed[1])
    weight, _, losses = f.logistic_regression_fit(np.array([[1.0], [1.0]]), [1, 0], 1e4, steps=5)
    assert np.isfinite(losses).all() and np.isfinite(weight).all()


def test_e22():
    """Weight, bias and losses come back under their own names."""
    x, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
    weight, bias, losses = f.logistic_regression_fit(x, y, steps=5)
    assert (weight.shape, bias.shape, losses.shape) == ((1,), (), (5,))
    np.testing.assert_array_equal(x @ weight + bias > 0, y == 1)


def test_e23():
    assert refused("a = np.array([17, 11, 19]) |\n") == "invalid syntax"


def test_e25():
    with pytest.raises(TypeError):
        np.random.randn((2, 2))
    assert np.random.default_rng(0).normal(size=(2, 2)).shape == (2, 2)


def test_e26():
    """The second neuron of layer 1 is the second entry of the first layer's sums."""
    x = np.array([[0.0, 1, 2, 3]])
    layer, neuron = LAYERS[0], 1
    whole = f.linear(x, *layer)[0, neuron]
    assert whole == f.linear(x[0], layer[0][neuron], layer[1][neuron]) == 10


def test_e27():
    def init_weights():
        Wh, Wo = np.ones((2, 3)), np.ones((3, 1))  # noqa: F841

    with pytest.raises(TypeError, match="cannot unpack"):
        _, _ = init_weights()


def test_e28():
    with pytest.raises(ValueError):
        np.ones((2, 3)) @ np.ones((2, 1))
    with pytest.raises(ValueError, match="expected 2 features"):
        f.linear(np.ones((1, 3)), np.ones((3, 2)))
    assert (np.ones((1, 2)) @ np.ones((2, 3)) + np.full((1, 3), 0.1)).shape == (1, 3)


def test_e76():
    W = np.array([[f"W{i}{j}" for j in (1, 2)] for i in (1, 2, 3)])
    assert W.T[1].tolist() == ["W12", "W22", "W32"]


def test_e105():
    """A matrix keeps the origin and cannot shift; only the bias does."""
    W, t = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([0.0, 1.0])
    np.testing.assert_array_equal(f.linear(np.zeros(2), W), np.zeros(2))
    assert (f.linear(np.ones(2) + t, W) - f.linear(np.ones(2), W) != t).any()
    np.testing.assert_array_equal(f.linear(np.zeros(2), W, t), t)
    np.testing.assert_allclose(np.linalg.svd(W)[1], [1.618, 0.618], atol=5e-4)
    assert np.linalg.matrix_rank(np.diag([1.0, 0.0])) == 1


# --- experiments


def test_x01(page):
    """Array code wins by far on a million numbers, and loses on one."""
    for name in ("NumPy", "PyTorch"):
        assert page[f"neu-times-{name}-1000000"] > 50
        assert page[f"neu-times-{name}-1"] < 1


def test_x04(page):
    """One unit cuts, three fence the ring in."""
    right = [page[f"neu-units-{units}"] for units in (1, 2, 3, 16)]
    assert right == sorted(right)
    assert right[0] < 80 and right[2:] == [100, 100]


def test_depth_multiplies_pieces_and_width_does_as_well_on_the_spirals(page):
    assert [page[f"neu-fold-{depth}"] for depth in (1, 2, 3, 4)] == [2, 4, 8, 16]
    shallow, two, three = (int(page[f"neu-layers-{depth}"]) for depth in (1, 2, 3))
    assert shallow < 60 < two < three
    assert int(page["neu-layers-wide"]) >= three
    assert page["neu-layers-count-wide"] < page["neu-layers-count-3"]


def test_standardizing_helps_and_the_rule_never_rests_on_the_tumors(page):
    assert page["neu-fit-test-1"] > page["neu-fit-test-1e-05"]
    assert page["neu-fit-loss-1"] < page["neu-fit-loss-1e-05"] / 5
    assert page["neu-rule-tumors-least"] > 0
    assert page["neu-passes-XOR"] == 100  # all the passes that there are
