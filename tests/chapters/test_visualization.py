"""The worked example, erratum and experiments of the documents on looking inside networks.

The experiments run on the page, whose stored outputs nbval verifies; here their outcome is held
against the claim. What the parity tests do not see is tested here too: that a network is left as
it was, the laws that the maps obey, and Captum's occlusion, which works in float32.
"""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from book import pretrained
from book.convolution import pytorch as networks
from book.convolution import reference as numpy_networks
from book.visualization import pytorch
from book.visualization import reference as f
from tests.chapters.glued import glued

ROOT = Path(__file__).resolve().parents[2]
ERRATA = (ROOT / "book" / "errata.md").read_text()


@pytest.fixture(scope="module")
def page():
    return glued("visualization/chapter.ipynb")


@pytest.fixture(scope="module")
def pair():
    """The same small residual network in NumPy and in PyTorch, and pictures for it."""
    sizes = {"blocks": 1, "in_channels": 2, "num_classes": 3, "width": 4}
    ours, theirs = numpy_networks.ResNet(**sizes, generator=0).eval(), networks.ResNet(**sizes)
    theirs = theirs.double().eval()
    state = {name: torch.from_numpy(array) for name, array in ours.state_dict().items()}
    theirs.load_state_dict(state, strict=False)
    return ours, theirs, np.random.default_rng(0).normal(size=(3, 2, 12, 12))


# --- networks are left as they were


def _layers(network):
    return {name: getattr(*place) for name, place in f._places(network).items()}


@pytest.mark.parametrize(
    "look",
    [
        lambda side, net, x: side.feature_maps(net, x, ("layer1", "layer2.0")),
        lambda side, net, x: side.guided_backprop(net, x, 1),
        lambda side, net, x: side.grad_cam(net, x, "layer3", 1),
        lambda side, net, x: side.activation_maximization(net, x, 1, "conv1", steps=2),
    ],
)
def test_hooks_are_gone_afterwards(pair, look):
    ours, theirs, x = pair
    before, layers = ours(x), _layers(ours)
    look(f, ours, x)
    look(pytorch, theirs, torch.from_numpy(x))
    assert _layers(ours) == layers
    np.testing.assert_array_equal(ours(x), before)
    assert not any(module._forward_hooks for module in theirs.modules())
    assert all(weight.grad is None for weight in theirs.parameters())


def test_hooks_are_gone_after_an_error_too(pair):
    ours, theirs, x = pair
    for side, net, picture in ((f, ours, x), (pytorch, theirs, torch.from_numpy(x))):
        with pytest.raises(ValueError, match="expected classes from 0 to 2"):
            side.grad_cam(net, picture, "layer2", 7)
    assert not any(isinstance(getattr(*place), f._Hook) for place in f._places(ours).values())
    assert not any(module._forward_hooks for module in theirs.modules())


def test_a_relu_in_place_does_not_change_what_was_noted():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)).double()
    hasty = nn.Sequential(plain[0], nn.ReLU(inplace=True), *plain[2:])
    x = torch.randn(1, 1, 6, 6, dtype=torch.float64)
    (before,), (same,) = (pytorch.feature_maps(net, x, "0") for net in (plain, hasty))
    torch.testing.assert_close(before, same)
    assert (before < 0).any()
    for look in (pytorch.saliency, pytorch.guided_backprop):
        torch.testing.assert_close(look(plain, x, 1), look(hasty, x, 1))


# --- laws


def test_guided_backprop_finds_relu_as_function_and_as_module(pair):
    ours, theirs, x = pair
    by_hand = f.guided_backprop(ours, x, 1)
    found = pytorch.guided_backprop(theirs, torch.from_numpy(x), 1)
    np.testing.assert_allclose(found, by_hand, atol=1e-14)
    plain = f.saliency(ours, x, 1, abs=False)
    assert np.abs(by_hand - plain).max() > 0.01 * np.abs(plain).max()  # it is no gradient


def test_grad_cam_is_the_class_activation_map_up_to_the_number_of_places(pair):
    ours, _, x = pair
    (features,) = f.feature_maps(ours, x, "layer3")
    cam = f.class_activation_map(features, ours.fc.weight)
    for k in range(3):
        by_gradient = f.grad_cam(ours, x, "layer3", k, relu=False)
        np.testing.assert_allclose(by_gradient * 9, cam[:, k], atol=1e-13)
    np.testing.assert_allclose(cam.mean(axis=(2, 3)) + ours.fc.bias, ours(x), atol=1e-13)


def test_right_is_left_with_the_other_sign_and_straight_on_is_one_of_them():
    net = numpy_networks.ResNet(1, 1, 1, 3, generator=1).eval()
    x = np.random.default_rng(1).normal(size=(4, 1, 9, 9))
    right, left, straight = f.attention_maps(net, x, "layer2")
    signed = f.grad_cam(net, x, "layer2", relu=False)
    np.testing.assert_allclose(right, np.maximum(signed, 0))
    np.testing.assert_allclose(left, np.maximum(-signed, 0))
    side = net(x)[:, 0] > 0
    np.testing.assert_allclose(straight, np.where(side[:, None, None], left, right))


def test_occlusion_of_a_sum_is_what_was_covered():
    class Total(nn.Module):
        def forward(self, input):
            return input.sum((1, 2, 3))

    x = torch.rand(2, 1, 6, 6, dtype=torch.float64)
    found = pytorch.occlusion(Total(), x, window=2, stride=2)
    blocks = F.avg_pool2d(x, 2)[:, 0] * 4
    torch.testing.assert_close(found, blocks.repeat_interleave(2, 1).repeat_interleave(2, 2))


@pytest.mark.parametrize("window, stride", [((2, 2), (1, 1)), ((3, 4), (2, 3)), ((5, 5), (5, 5))])
def test_occlusion_is_that_of_captum(pair, window, stride):
    captum = pytest.importorskip("captum.attr")
    _, theirs, x = pair
    x = torch.from_numpy(x)
    found = pytorch.occlusion(theirs, x, 1, window, stride, baseline=0.3)
    expected = captum.Occlusion(theirs).attribute(
        x, (2, *window), (2, *stride), baselines=0.3, target=1
    )
    torch.testing.assert_close(found, expected[:, 0].double(), rtol=1e-5, atol=1e-6)


def test_a_climb_raises_the_score_and_a_blur_keeps_the_mean(pair):
    ours, _, x = pair
    _, scores = f.activation_maximization(ours, x, 1, steps=12, lr=0.05)
    assert (np.diff(scores, axis=0) > 0).mean() > 0.9
    np.testing.assert_allclose(f._blur_matrix(7, 1.3).sum(axis=1), 1)
    np.testing.assert_array_equal(f._blur_matrix(4, 0), np.eye(4))


def test_landscape_does_not_see_the_scale_of_a_relu_layer():
    rng = np.random.default_rng(0)
    x, w, v = rng.normal(size=(20, 3)), rng.normal(size=(5, 3)), rng.normal(size=(2, 5))

    def loss(first, second):
        return ((np.maximum(x @ first.T, 0) @ second.T - 1) ** 2).mean()

    steps = np.linspace(-1, 1, 4)
    one = f.loss_landscape(loss, steps, steps, w, v)
    other = f.loss_landscape(loss, steps, steps, 10 * w, v / 10)
    np.testing.assert_allclose(one, other, rtol=1e-12)
    assert one.std() > 0


def test_directions_are_as_long_as_the_filters():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(4, 2, 3, 3)) * np.array([1, 10, 0, 5]).reshape(4, 1, 1, 1)
    direction = f._direction(weight, rng)
    for ours, theirs in zip(direction, weight, strict=True):
        assert np.linalg.norm(ours) == pytest.approx(np.linalg.norm(theirs))
    assert not f._direction(rng.normal(size=4), rng).any()


# --- the documents


def test_w84():
    names = pretrained.class_names()
    assert len(names) == 1000
    assert names[242].lower() == "boxer"
    assert "cat" in names[282] and "strip" in names[282]  # tiger cat, by another name


def test_e09():
    """Saliency and Grad-CAM are a few lines; keras-vis is not needed."""
    entry = ERRATA.split("(errata-e09)=")[1].split("\n(errata-")[0]
    assert "keras-vis" in entry and "0.4.1" in entry
    lines = Path(pytorch.__file__).read_text().split("def grad_cam(")[1].split("\ndef ")[0]
    body = lines.split('"""')[2]
    assert len(body.strip().splitlines()) <= 15


def test_x88(page):
    assert page["vis-x88-before"] < 0.4
    assert page["vis-x88-after"] > 0.85
    assert page["vis-x88-things"] < page["vis-x88-after"] - 0.2


def test_x89(page):
    zeros = [page[f"vis-x89-zeros-{k}"] for k in range(3)]
    blank = [page[f"vis-x89-blank-{k}"] for k in range(3)]
    assert zeros == sorted(zeros) and blank == sorted(blank)
    assert zeros[2] > zeros[0] + 0.1 and blank[2] > blank[0] + 0.1
    assert page["vis-zeros-last"] > page["vis-zeros-first"] + 0.2
    assert page["vis-blank-last"] > page["vis-blank-first"] == 0
    assert page["vis-kept-first"] > 0.9 > 0.5 > page["vis-kept-last"]


def test_x90(page):
    assert page["vis-x90-clean-objects"] > 95
    assert page["vis-x90-marked-peak"] < 5
    assert page["vis-x90-clean-accuracy"] > 95 and page["vis-x90-marked-accuracy"] > 95
    assert page["vis-x90-clean-unmarked"] > page["vis-x90-marked-unmarked"] + 10
    assert page["vis-x90-two"] < page["vis-x90-clean-peak"] - 30


def test_x91(page):
    assert page["vis-x91-share"] > 50 > 4 * page["vis-x91-area"]
    assert page["vis-x91-sign"] > 95


def test_the_sanity_check_tells_the_methods_apart(page):
    guided, saliency, cam = (page[f"vis-sanity-{k}-first"] for k in (1, 0, 2))
    assert guided > 0.9 > saliency > cam
    assert page["vis-sanity-1-last"] > page["vis-sanity-0-last"] + 0.2
    assert abs(page["vis-sanity-2-last"]) < 0.3


def test_maps_climbs_roads_and_landscapes_are_what_the_text_says(page):
    assert min(page["vis-pair-285"], page["vis-pair-967"]) > 70
    assert page["vis-climb-least"] >= 10
    assert page["vis-road-error"] < page["vis-road-spread"] / 5
    assert page["vis-cover-edges"] > 1.3 > 0.8 > page["vis-cover-sky"]
    assert page["vis-outline-random"] > page["vis-outline"] - 0.1
    valley = {key: page[f"vis-land-{key}-valley"] for key in ("4-plain", "24-plain", "24-skip")}
    assert valley["24-plain"] < valley["24-skip"] / 3 < valley["4-plain"]
    assert page["vis-land-24-skip-edge"] < page["vis-land-24-plain-edge"] / 3
    assert page["vis-scaled-same"] == "the same"
    assert page["vis-unscaled-ten"] > 3 * page["vis-unscaled"]
    assert page["vis-cut-0"] < 75 < 95 < page["vis-cut-3"]
    assert page["vis-pca-100"] < page["vis-pca-0"] / 1.5


def test_the_page_links_to_its_errata():
    page = (ROOT / "book" / "visualization" / "chapter.md").read_text()
    assert re.search(r"\[E09\]\(errata-e09\)", page)
