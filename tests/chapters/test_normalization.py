"""The worked examples, errata and experiments of the documents on initialization and normalization.

Worked examples and errata are computed here. The experiments run on the page, whose stored
outputs nbval verifies; here their outcome is held against the claim. Below them: what has state
(BatchNorm, running statistics), and the distributions that the initializers draw from.
"""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from book.neurons.reference import standardize
from book.normalization import deep, pytorch, reference
from tests.chapters.glued import glued


@pytest.fixture(scope="module")
def page():
    return glued("normalization/chapter.ipynb")


def rng(seed=0):
    return np.random.default_rng(seed)


# --- worked examples


def test_w34():
    values = np.array([0.0, 25.0, 100.0])
    scaled = (values - values.min()) / np.ptp(values)
    np.testing.assert_array_equal(scaled, [0.0, 0.25, 1.0])


def test_w35(page):
    """The condition number is the squared ratio of the ranges, and standardizing makes it 1."""
    x = np.stack([rng().uniform(1, 1e2, 500), rng(1).uniform(1, 1e6, 500)], axis=1)
    assert 5e7 < np.linalg.cond(x.T @ x) < 5e8
    assert np.linalg.cond(standardize(x).T @ standardize(x)) < 1.3
    assert 5e7 < float(page["norm-w35-raw"]) < 5e8
    assert float(page["norm-w35-standard"]) < 1.3


def test_w36():
    np.testing.assert_array_equal(np.array([0.0, 127.5, 255.0]) / 127.5 - 1, [-1, 0, 1])


def test_w37():
    constant = np.full((4, 1), 3.0)
    with np.errstate(invalid="ignore"):
        assert np.isnan((constant - constant.mean()) / constant.std()).all()
    ours = reference.batch_norm(constant, None, None, training=True)
    np.testing.assert_array_equal(ours, np.zeros((4, 1)))


def test_w38(page):
    """randn(n) sqrt(2 / n) has the variance of Kaiming's start for n inputs."""
    weight = reference.kaiming_normal(np.empty((1, 100_000)), generator=0)
    assert 100_000 * weight.var() == pytest.approx(2.0, rel=0.03)
    assert page["norm-w38"] == pytest.approx(2.0, abs=0.03)


def test_w39(page):
    assert page["norm-w39-printed-mean"] == pytest.approx(0.0221, abs=2e-4)
    assert page["norm-w39-printed-norm"] == pytest.approx(5.66, abs=0.1)
    assert abs(page["norm-w39-xavier-mean"]) < 1e-3
    assert page["norm-w39-xavier-norm"] == pytest.approx(1.99, abs=0.05)


# --- errata


def last_of(depth, width, draw, seed=0):
    """The activations behind so many tanh layers whose weights come from draw(rng, shape)."""
    numbers = rng(seed)
    h = numbers.normal(size=(100, width))
    for _ in range(depth):
        h = np.tanh(h @ draw(numbers, (width, width)))
    return h


def test_e24(page):
    small, large, right = (
        last_of(20, 256, lambda numbers, shape, s=s: numbers.normal(scale=s, size=shape))
        for s in (0.01, 1.0, 1 / 16)
    )
    assert small.std() < 1e-14
    assert (np.abs(large) > 0.99).mean() > 0.8
    assert right.std() == pytest.approx(0.157, abs=0.02)
    assert page["norm-saturated-1"] > 80 > 1 > page["norm-saturated-Xavier"]


def test_e34(page):
    assert (page["norm-bowl-1"], page["norm-bowl-100"]) == ("44", "241")
    assert page["norm-bowl-10000"] == "24,236"
    assert page["norm-flips-1"] == page["norm-flips-100"] == page["norm-flips-10000"] == "44"


def _learned(layer):
    return {name: p.tolist() for name, p in layer.named_parameters() if p.requires_grad}


def test_e42():
    for layer in (nn.BatchNorm1d(3), pytorch.BatchNorm(3)):
        assert _learned(layer) == {"weight": [1, 1, 1], "bias": [0, 0, 0]}


def test_e63():
    a, nothing = np.array([[0.5, 0.0, 2.0]]), (np.zeros((3, 3)), np.zeros(3))
    np.testing.assert_array_equal(reference.residual_block(a, *nothing, *nothing), a)


def test_e86(page):
    """Sixty layers: nothing from 0.01, and most from the orthogonal start."""
    assert page["norm-sixty-01"] > 2.1
    assert page["norm-sixty-orthogonal"] < 0.7 * page["norm-sixty-normal"] < 1.5


def test_e87():
    def printed(numbers, shape):
        return numbers.uniform(0, 1 / np.sqrt(sum(shape)), shape)

    h = last_of(6, 256, printed)
    assert (np.abs(h) > 0.99).mean() > 0.99
    assert np.abs(np.corrcoef(h.T)).min() > 0.99
    glorot = last_of(6, 256, lambda r, shape: reference.xavier_uniform(np.empty(shape), 1.0, r))
    assert (np.abs(glorot) > 0.99).mean() == 0
    assert np.abs(np.corrcoef(glorot.T)[np.triu_indices(256, 1)]).mean() < 0.2


def test_e88():
    with pytest.raises(SyntaxError):
        compile(r"np.random.randn(n) * \sqrt{2.0/n}", "slide", "exec")


def test_e91(page):
    x = rng().exponential(size=(20_000, 1))
    y = reference.batch_norm(x, None, None, training=True)
    assert stats.skew(y[:, 0]) == pytest.approx(stats.skew(x[:, 0]), abs=1e-3)
    assert page["norm-skew-in"] == page["norm-skew-out"] > 1.8


def test_e92():
    test_w37()


def test_e93():
    modules = list(nn.TransformerEncoderLayer(16, 2).modules())
    counts = [
        sum(isinstance(m, kind) for m in modules)
        for kind in (nn.LayerNorm, nn.Dropout, nn.BatchNorm1d)
    ]
    assert counts == [2, 3, 0]


def test_e103(page):
    for layer in (reference.BatchNorm(2), pytorch.BatchNorm(2).double()):
        x = rng().normal(size=(8, 2))
        x = torch.tensor(x) if isinstance(layer, nn.Module) else x
        before = layer(x)
        layer.running_mean[:], layer.running_var[:] = 100.0, 1e4
        assert (layer(x) == before).all()
        assert abs(layer.eval()(x) - before).max() > 1
    assert (page["norm-e103-train"], page["norm-e103-eval"]) == ("True", "False")


# --- experiments


def test_x19(page):
    """Twins stay twins; without a hidden layer zeros are fine."""
    assert [page[f"norm-units-{s}"] for s in ("zeros", "constant", "random")] == [1, 1, 16]
    assert page["norm-zero-score-zeros"] < 15 < page["norm-zero-score-constant"] < 60
    assert min(page["norm-zero-score-random"], page["norm-zero-score-none"]) > 90


def test_x20(page):
    loss = [page[f"norm-loss-{name}"] for name in ("01", "125", "5", "2")]
    assert loss[0] > 2.2 and loss[3] > 1.0
    assert max(loss[1:3]) < 0.2
    assert float(page["norm-tanh-0.01-forward"]) < 1e-20
    assert float(page["norm-tanh-1-backward"]) > 1e10
    assert float(page["norm-tanh-Xavier-backward"]) > 0.05


def test_x21(page):
    assert page["norm-e87-saturated-printed"] == 100
    assert page["norm-e87-alike-printed"] > 0.99 > 0.5 > page["norm-e87-alike-xavier"]
    for f in ("Tanh", "ReLU"):
        assert page[f"norm-e87-printed-{f}"] > 1.5
        assert max(page[f"norm-e87-xavier-{f}"], page[f"norm-e87-kaiming-{f}"]) < 0.3


def test_x22(page):
    """Normal weights forget their input; delta-orthogonal ones carry it through 10,000 layers."""
    assert float(page["norm-smallest-normal"]) < 1e-100
    assert page["norm-smallest-orthogonal"] == "1.00"
    assert page["norm-conv-ratio"] == 1.0
    assert float(page["norm-deep-gaussian-signal"]) == 0 == float(page["norm-deep-default-signal"])
    assert float(page["norm-deep-delta-orthogonal-signal"]) > 0.1
    assert float(page["norm-deep-delta-orthogonal-gradient"]) > 1
    assert page["norm-deep-cosine-last"] > 0.5
    assert page["norm-learn-gaussian-100"] < 20 < 35 < page["norm-learn-delta-orthogonal-100"]


def test_x23(page):
    assert float(page["norm-ratio-sigmoid-16"]) < 1e-8
    assert min(float(page[f"norm-ratio-{f}-16"]) for f in ("tanh", "ReLU")) > 0.1


def test_x24(page):
    """Clipping stops the overflow, not its cause."""
    assert float(page["norm-explode-gradient"]) > 1e9
    assert page["norm-explode-steps"] == 1
    assert 10 < float(page["norm-explode-clipped"]) < float(page["norm-explode-start"]) / 1e6
    assert float(page["norm-fade-gradient"]) < 1e-8


def test_x25(page):
    """The sigmoid is lost where it is deep; the others are not, from a start that fits."""
    assert min(page[f"norm-spiral-sigmoid-{d}"] for d in (12, 30)) > 1.05
    for name in ("ReLU", "batch norm", "residual"):
        assert page[f"norm-spiral-{name}-12"] < 0.1
        assert page[f"norm-spiral-{name}-30"] < 0.8


def test_x26(page):
    assert float(page["norm-way-sigmoid"]) < 1e-12
    assert float(page["norm-way-ReLU, default"]) < 1e-3
    assert 0.3 < float(page["norm-way-residual"]) < 3
    assert float(page["norm-way-batch norm"]) > 10
    assert page["norm-spiral-residual-30"] < 0.1 < 1 < page["norm-spiral-ReLU, default-30"]


def test_x27(page):
    assert page["norm-slice-residual"] < page["norm-slice-ReLU"]
    assert page["norm-turns-residual"] < page["norm-turns-ReLU"]
    assert max(page["norm-slice-end-residual"], page["norm-slice-end-ReLU"]) < 0.05


def test_x28(page):
    assert float(page["norm-tumor-raw"]) > 1e6 * float(page["norm-tumor-standard"])
    assert page["norm-tumor-raw-loss"] > 3 * page["norm-tumor-standard-loss"]


def test_x29(page):
    for rate in ("slow", "usual", "fast"):
        assert page[f"norm-rate-{rate}-batch"] < 0.5 * page[f"norm-rate-{rate}-plain"]
    assert page["norm-rate-fast-plain"] > 2 > 0.5 > page["norm-rate-fast-batch"]


def test_x30(page):
    assert max(page["norm-order-before"], page["norm-order-after"]) < 0.6


def test_x31(page):
    test_e91(page)


def test_x32(page):
    others = min(page["norm-tiny-layer-2"], page["norm-tiny-group-2"])
    assert page["norm-tiny-batch-2"] < others - 10
    assert min(page[f"norm-tiny-{name}-32"] for name in ("batch", "layer", "group")) > 90


def test_x33(page):
    score = {
        name: float(page[f"norm-regular-{name}"].partition(" ")[0])
        for name in ("plain", "batch", "dropout")
    }
    assert score["plain"] < score["batch"] < score["dropout"]


# --- batch norm over a trajectory

LAYERS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


@pytest.mark.parametrize("shape", [(8, 3), (4, 3, 5), (4, 3, 2, 5), (2, 3, 2, 2, 2)], ids=str)
@pytest.mark.parametrize("momentum", [0.1, 0.7, None])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("tracks", [True, False])
def test_batch_norm_keeps_what_pytorch_keeps(shape, momentum, affine, tracks):
    """Outputs, running statistics and counter after each of 30 batches, in both modes."""
    kwargs = {"eps": 1e-3, "momentum": momentum, "affine": affine, "track_running_stats": tracks}
    theirs = LAYERS[len(shape)](3, **kwargs, dtype=torch.float64)
    ours = [reference.BatchNorm(3, **kwargs), pytorch.BatchNorm(3, **kwargs).double()]
    numbers = rng(len(shape))
    if affine:
        weight, bias = numbers.normal(size=3), numbers.normal(size=3)
        ours[0].weight, ours[0].bias = weight, bias
        state = {"weight": torch.tensor(weight), "bias": torch.tensor(bias)}
        for layer in (ours[1], theirs):
            layer.load_state_dict(state, strict=False)
    for step in range(30):
        x = numbers.normal(loc=step % 5, scale=1 + step % 3, size=shape)
        for layer in (*ours, theirs):
            layer.train(step % 4 != 3)  # now and then an evaluation, which must leave no trace
        right = theirs(torch.tensor(x)).detach().numpy()
        np.testing.assert_allclose(ours[0](x), right, rtol=1e-12, atol=1e-13)
        got = ours[1](torch.tensor(x)).detach().numpy()
        np.testing.assert_allclose(got, right, rtol=1e-12, atol=1e-13)
        if tracks:
            for layer in ours:
                assert int(layer.num_batches_tracked) == int(theirs.num_batches_tracked)
                for name in ("running_mean", "running_var"):
                    kept, wanted = np.asarray(getattr(layer, name)), getattr(theirs, name).numpy()
                    np.testing.assert_allclose(kept, wanted, rtol=1e-13, atol=1e-14)
    names = {name for name, _ in theirs.named_buffers()}
    assert {name for name, _ in ours[1].named_buffers()} == names


def test_the_function_moves_running_statistics_in_place_as_pytorch_does():
    x = rng().normal(loc=3.0, size=(6, 4, 5))
    for module, make in ((reference, np.array), (pytorch, torch.tensor)):
        mean, var = make(np.zeros(4)), make(np.ones(4))
        module.batch_norm(make(x), mean, var, training=True, momentum=0.3)
        theirs = torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
        nn.functional.batch_norm(torch.tensor(x), *theirs, training=True, momentum=0.3)
        for ours, right in zip((mean, var), theirs, strict=True):
            np.testing.assert_allclose(np.asarray(ours), right.numpy(), rtol=1e-14)
        before = np.asarray(mean).copy()
        module.batch_norm(make(x), mean, var)
        np.testing.assert_array_equal(np.asarray(mean), before)  # evaluation moves nothing


def test_the_running_variance_is_the_unbiased_one():
    layer = reference.BatchNorm(1, momentum=1.0)
    layer(np.array([[1.0], [3.0]]))
    assert (layer.running_mean[0], layer.running_var[0]) == (2.0, 2.0)  # not 1


def test_momentum_none_averages_all_batches():
    layer, batches = reference.BatchNorm(2, momentum=None), rng().normal(size=(7, 5, 2))
    for batch in batches:
        layer(batch)
    np.testing.assert_allclose(layer.running_mean, batches.mean(axis=(0, 1)), rtol=1e-13)
    means = batches.var(axis=1, ddof=1).mean(axis=0)
    np.testing.assert_allclose(layer.running_var, means, rtol=1e-13)


@pytest.mark.parametrize("module", [reference, pytorch])
def test_a_layer_without_features_is_refused(module):
    with pytest.raises(ValueError, match="expected at least 1, got 0"):
        module.BatchNorm(0)


# --- what initializers draw

SHAPE = (120, 80, 3)
NAMES = ["kaiming_normal", "kaiming_uniform", "xavier_normal", "xavier_uniform"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("source", ["reference", "pytorch", "torch generator"])
def test_an_initializer_draws_what_torch_draws(name, source):
    """Kolmogorov and Smirnov cannot tell 28,800 numbers from those of torch.nn.init."""
    torch.manual_seed(3)
    theirs = getattr(nn.init, f"{name}_")(torch.empty(SHAPE, dtype=torch.float64)).numpy()
    if source == "reference":
        ours = getattr(reference, name)(np.empty(SHAPE), generator=4)
    else:
        generator = torch.Generator().manual_seed(4) if source != "pytorch" else 5
        tensor = torch.empty(SHAPE, dtype=torch.float64)
        ours = getattr(pytorch, name)(tensor, generator=generator).numpy()
    assert stats.ks_2samp(ours.ravel(), theirs.ravel()).pvalue > 0.01
    scaled = stats.norm(scale=theirs.std()).cdf if "normal" in name else None
    limit = np.abs(theirs).max()
    if scaled is None:  # a uniform distribution ends where torch's does
        assert limit == pytest.approx(np.abs(ours).max(), rel=1e-3)
        scaled = stats.uniform(-limit, 2 * limit).cdf
    assert stats.kstest(ours.ravel(), scaled).pvalue > 0.01


def test_another_scale_is_noticed():
    """The test above would see weights that are a tenth too large."""
    theirs = nn.init.xavier_normal_(torch.empty(SHAPE)).numpy()
    ours = 1.1 * reference.xavier_normal(np.empty(SHAPE), generator=4)
    assert stats.ks_2samp(ours.ravel(), theirs.ravel()).pvalue < 1e-4


@pytest.mark.parametrize("shape", [(5, 5), (8, 3), (3, 8), (4, 2, 3)], ids=str)
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_an_orthogonal_matrix_is_orthogonal(shape, gain):
    sides = (
        reference.orthogonal(np.empty(shape), gain, 1),
        pytorch.orthogonal(torch.empty(shape, dtype=torch.float64), gain, 1).numpy(),
        pytorch.orthogonal(torch.empty(shape, dtype=torch.float64), gain,
                           torch.Generator().manual_seed(0)).numpy(),
    )  # fmt: skip
    for weight in sides:
        q = weight.reshape(shape[0], -1)
        q = q if q.shape[0] >= q.shape[1] else q.T
        np.testing.assert_allclose(q.T @ q, gain**2 * np.eye(q.shape[1]), atol=1e-14 * gain**2)


def test_orthogonal_matrices_are_spread_evenly():
    """Without the signs of R's diagonal they would not be: scipy's ortho_group agrees with ours."""
    numbers = rng()
    ours = [reference.orthogonal(np.empty((3, 3)), generator=numbers) for _ in range(2000)]
    theirs = stats.ortho_group.rvs(3, size=2000, random_state=1)
    for entry in ((0, 0), (1, 2), (2, 2)):
        pair = [np.array(some)[:, *entry] for some in (ours, theirs)]
        assert stats.ks_2samp(*pair).pvalue > 0.01


def test_a_delta_orthogonal_convolution_keeps_every_length():
    weight = reference.delta_orthogonal(np.empty((6, 4, 3, 3)), generator=0)
    x = torch.tensor(rng().normal(size=(5, 4, 7, 7)))
    y = nn.functional.conv2d(x, torch.tensor(weight), padding=1)
    lengths = [h.flatten(1).norm(dim=1).numpy() for h in (x, y)]
    np.testing.assert_allclose(*lengths, rtol=1e-14)
    assert np.count_nonzero(weight) == 24  # the center and nothing else


@pytest.mark.parametrize("name", [*NAMES, "orthogonal", "delta_orthogonal"])
def test_generators(name):
    """A seed is a seed in both; a generator goes on; without one the weights are new each time."""
    f, twin = getattr(reference, name), getattr(pytorch, name)
    empty = np.empty((4, 3, 3))
    np.testing.assert_array_equal(f(empty, generator=1), f(empty, generator=rng(1)))
    numbers = rng(1)
    assert (f(empty, generator=numbers) != f(empty, generator=numbers)).any()
    assert (f(empty) != f(empty)).any()
    tensor = torch.empty(4, 3, 3)
    assert (twin(tensor) != twin(tensor)).any()
    one, two = (twin(tensor, generator=torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one, two)
    with pytest.raises(TypeError, match="expected a seed"):
        f(empty, generator=torch.Generator())


# --- clipping, and the deep network


def test_value_and_norm_clipping_differ_in_direction():
    g = np.array([3.0, 4.0])
    norm, clipped = reference.clip_grad_norm(g, max_norm=1.0)
    assert norm == 5.0
    np.testing.assert_allclose(clipped, g / 5, rtol=1e-6)

    def cosine(a, b):
        return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))

    assert cosine(clipped, g) == pytest.approx(1, abs=1e-15)
    assert cosine(np.clip(g, -1, 1), g) == pytest.approx(7 / (5 * np.sqrt(2)))  # 0.99


def test_what_a_deep_network_carries_is_what_autograd_finds():
    x, *_ = deep.digits(torch.zeros(0, dtype=torch.float64))
    weights = deep.kernels("gaussian", 4, 3, rng(), x)
    grad_output = torch.tensor(rng(1).normal(size=(2, 3, 8, 8)))
    signal, gradient, alike = deep.carry(weights, x[:2], grad_output)
    h, outputs = x[:2].clone().requires_grad_(), []
    for weight in weights:
        h = torch.tanh(nn.functional.conv2d(h, weight, padding=1))
        outputs.append(h)
    found = torch.autograd.grad(h, outputs, grad_output)
    np.testing.assert_allclose(gradient, [g.norm() for g in found], rtol=1e-12)
    np.testing.assert_allclose(signal, [h.norm().item() for h in outputs], rtol=1e-12)
    assert (alike.abs() <= 1).all()
    with pytest.raises(ValueError, match="expected one of"):
        deep.kernels("zeros", 2, 3, rng(), x)
