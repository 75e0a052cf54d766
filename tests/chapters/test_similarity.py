"""The worked examples, errata and experiments of the documents that concern similarity.

Worked examples and errata are computed here. The experiments run on the page, whose stored outputs
nbval verifies; here their outcome is held against the claim. What training and painting do beyond
single numbers is tested here, too.
"""

import re
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from torch import nn

from book.activations.reference import relu, relu_backward
from book.convolution.reference import conv2d, conv2d_backward
from book.neurons.reference import linear, linear_backward
from book.similarity import pytorch
from book.similarity import reference as f
from tests.chapters.glued import glued

ERRATA = (Path(__file__).resolve().parents[2] / "book" / "errata.md").read_text()


@pytest.fixture(scope="module")
def page():
    return glued("similarity/chapter.ipynb")


def erratum(number):
    """The text of an entry on the errata page."""
    return ERRATA.split(f"(errata-e{number})=")[1].split("\n(errata-")[0]


# --- worked examples and errata


def test_w85(page):
    """A = (0, 0), P = (3, 4), N = (0, 2), margin 1: 5 - 2 + 1 = 4; with squares 22."""
    a, p, n = (np.array([point]) for point in ((0.0, 0.0), (3.0, 4.0), (0.0, 2.0)))
    ours = f.triplet_margin_loss(a, p, n, margin=1.0)
    theirs = nn.TripletMarginLoss(margin=1.0, p=2)(*map(torch.as_tensor, (a, p, n)))
    assert ours == pytest.approx(theirs.item(), rel=1e-12)
    assert ours == pytest.approx(4.0, abs=1e-5)
    assert page["sim-w85"] == 4.0
    assert page["sim-w85-squared"] == 22.0


def test_w86(page):
    assert page["sim-w86"] == 100 * 100 * 3 == 30_000


def test_e68(page):
    """One network used twice: its gradient is the sum over both uses."""
    torch.manual_seed(1)
    net, x1, x2 = nn.Linear(3, 2).double(), *torch.randn(2, 6, 3, dtype=torch.float64)
    same = torch.tensor([1, 0, 1, 0, 0, 1])

    def gradient(first, second):
        loss = pytorch.contrastive_loss(first, second, same, margin=2.0)
        return torch.autograd.grad(loss, net.weight)[0]

    both = gradient(net(x1), net(x2))
    halves = gradient(net(x1), net(x2).detach()), gradient(net(x1).detach(), net(x2))
    torch.testing.assert_close(both, halves[0] + halves[1])
    assert all(half.abs().max() > 0.01 for half in halves)
    assert page["sim-e68"] == 0.0
    assert "share" in erratum(68)


def test_e69():
    """The cost grows with the difference; a picture against itself costs nothing."""
    rng = np.random.default_rng(0)
    maps, other = rng.normal(size=(2, 3, 4, 4))
    for cost in (f.content_loss, f.style_loss):
        assert cost(maps, maps) == 0.0
        near, far = cost(maps, 0.9 * maps + 0.1 * other), cost(maps, other)
        assert 0.0 < near < far
    assert "dissimilarity" in erratum(69)


def test_every_erratum_of_the_chapter_links_to_its_entry():
    text = (Path(f.__file__).parent / "chapter.md").read_text()
    for number in (68, 69):
        assert re.search(rf"\[E{number}\]\(errata-e{number}\)", text), number


# --- experiments


def test_x94(page):
    """People in no training set, at a threshold chosen on others."""
    assert page["sim-x94-balanced"] < 12
    assert page["sim-x94-accepted"] > 87
    assert page["sim-both-eer"] < page["sim-pixels-eer"] - 5
    assert page["sim-trained-eer"] < page["sim-pixels-eer"] - 3
    assert page["sim-borrowed-eer"] < page["sim-pixels-eer"] - 3


def test_x95(page):
    """Few samples of a new class are enough where the classes learned from were many."""
    assert page["sim-trained-shot"] > page["sim-pixels-shot"] + 4
    assert page["sim-x95-pixels"] > max(page["sim-x95-trained"], page["sim-x95-untrained"])
    assert page["sim-x95-trained"] < page["sim-x95-untrained"] + 10
    assert page["sim-x95-trained"] > 40  # chance is 33


def test_x96(page):
    """Without a margin the embedding shrinks; in one point the loss is the margin."""
    assert page["sim-x96-0.5"] > 2.5 * page["sim-x96-1e-09"]
    assert page["sim-x96-point"] == 0.5


def test_x97(page):
    """A rich source helps most where data are few; a poor one does not help."""
    for count, gain in ((1, 20), (2, 12), (5, 4)):
        frozen, scratch = (page[f"sim-people-{way}-{count}"] for way in ("frozen", "scratch"))
        assert frozen > scratch + gain
        assert frozen > page[f"sim-people-pixels-{count}"]
    for count in (1, 2, 6, 20, 50):
        scratch = page[f"sim-digit_-scratch-{count}"]
        assert scratch > page[f"sim-digit_-fine-tuned-{count}"] > page[f"sim-digit_-frozen-{count}"]
    assert page["sim-digit_-random-6"] > page["sim-digit_-frozen-6"]


def test_x98(page):
    assert page["sim-x98-1-0"] > 0.99
    assert 0.5 < page["sim-x98-1-1000"] < 0.95
    assert abs(page["sim-x98-0-1000"]) < 0.3
    left = [page[f"sim-x98-{key}-style"] for key in ("1-0", "1-1000", "0-1000")]
    assert left[0] > 5 * left[1] > 5 * left[2]


def test_the_page_compares_with_pixels_honestly(page):
    assert page["sim-leave-one"] > 95 > 80 > page["sim-one-shot-40"]
    assert page["sim-kind-easy"] > page["sim-raw-eer"] > page["sim-kind-batch_hard"]
    assert page["sim-depth-best"] < page["sim-raw-eer"] < page["sim-depth-last"]
    assert page["sim-easy-last"] > page["sim-easy-first"] + 30


def test_painting_lowers_the_cost_it_is_asked_to_lower(page):
    left = [page[f"sim-style-left-{weight}"] for weight in (0.0001, 0.001, 0.01)]
    paid = [page[f"sim-content-paid-{weight}"] for weight in (0.0001, 0.001, 0.01)]
    assert left == sorted(left, reverse=True) and left[-1] < 10
    assert paid == sorted(paid)
    assert page["sim-hand-close"] == 1
    assert page["sim-perceptual-pixels"] > 1.5 > 0.67 > page["sim-perceptual-features"]
    assert page["sim-mirror-style"] < 10 < 50 < page["sim-mirror-content"]


# --- verification


@given(st.integers(2, 40), st.integers(0, 10**6))
def test_the_equal_error_rate_lies_on_scikit_learns_roc_curve(count, seed):
    rng = np.random.default_rng(seed)
    same = rng.permutation(np.arange(count) % 2)
    distance = rng.integers(0, 8, count) / 4 + (1 - same)
    rate, threshold = f.equal_error_rate(distance, same)
    far = np.mean(distance[same == 0] <= threshold)
    frr = np.mean(distance[same == 1] > threshold)
    assert rate == pytest.approx((far + frr) / 2)
    fpr, tpr, _ = metrics.roc_curve(same, -distance, drop_intermediate=False)
    assert np.any(np.isclose(fpr, far) & np.isclose(1 - tpr, frr))
    assert abs(far - frr) <= np.abs(fpr - (1 - tpr)).min() + 1e-12


def test_verify_lets_in_at_the_threshold_and_who_is_identical():
    x = np.array([[0.0, 0.0], [1.0, 2.0]])
    y = np.array([[3.0, 4.0], [1.0, 2.0]])
    np.testing.assert_array_equal(f.verify(x, y, 5.0), [True, True])
    np.testing.assert_array_equal(f.verify(x, y, 4.999), [False, True])
    np.testing.assert_array_equal(f.verify(x, y, 0), [False, True])


# --- mining


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_the_kinds_of_triplets_are_a_partition(seed, count):
    rng = np.random.default_rng(seed)
    points, labels = rng.integers(-8, 9, (count, 2)) / 4, rng.integers(0, 3, count)

    def found(kind):
        return set(zip(*(index.tolist() for index in f.mine_triplets(points, labels, 0.5, kind)),
                       strict=True))  # fmt: skip

    hard, semihard, easy, all_ = map(found, ("hard", "semihard", "easy", "all"))
    assert hard | semihard == all_ and not hard & semihard and not all_ & easy
    every = {
        (a, p, n)
        for a in range(count) for p in range(count) for n in range(count)
        if a != p and labels[a] == labels[p] != labels[n]
    }  # fmt: skip
    assert all_ | easy == every
    assert found("batch_hard") <= every


def test_only_mined_triplets_cost_something():
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(12, 3)), np.arange(12) % 3
    for kind, costs in (("easy", False), ("semihard", True), ("hard", True)):
        a, p, n = f.mine_triplets(points, labels, 0.4, kind)
        losses = f.triplet_margin_loss(points[a], points[p], points[n], 0.4, eps=0.0,
                                       reduction="none")  # fmt: skip
        assert len(losses) and ((losses > 0) == costs).all(), kind


# --- networks that are used again


def dense(rng, *sizes):
    """A network of linear layers and ReLUs for NumPy, and its twin in PyTorch."""
    layers, modules = [], []
    for inside, outside in pairwise(sizes):
        weight, bias = rng.normal(size=(outside, inside)), rng.normal(size=outside)
        layers += [f.Layer(linear, linear_backward, (weight, bias)), f.Layer(relu, relu_backward)]
        module = nn.Linear(inside, outside).double()
        module.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
        modules += [module, nn.ReLU()]
    return layers, nn.Sequential(*modules)


def task(seed=0):
    rng = np.random.default_rng(seed)
    body, torch_body = dense(rng, 4, 6, 5)
    head, torch_head = dense(rng, 5, 3)
    x, y = rng.normal(size=(20, 4)), rng.integers(0, 3, 20)
    return (body, head[:1], x, y), (
        torch_body, torch_head[:1], torch.tensor(x), torch.tensor(y)
    )  # fmt: skip


@pytest.mark.parametrize("body_lr", [0.0, 0.003])
def test_finetune_leaves_the_same_weights_on_both_sides(body_lr):
    ours, theirs = task()
    losses = f.finetune(*ours, steps=15, body_lr=body_lr)
    torch_losses = pytorch.finetune(*theirs, steps=15, body_lr=body_lr)
    np.testing.assert_allclose(losses, torch_losses, rtol=1e-9)
    assert losses[-1] < losses[0]
    for layers, module in zip(ours[:2], theirs[:2], strict=True):
        mine = [param for layer in layers for param in layer.parameters]
        for param, other in zip(mine, module.parameters(), strict=True):
            np.testing.assert_allclose(param, other.detach(), rtol=1e-8, atol=1e-10)


def test_a_frozen_body_does_not_move_and_a_tuned_one_moves_less_than_the_head():
    for body_lr in (0.0, 0.001):
        _, (body, head, x, y) = task()
        before = [p.detach().clone() for p in (*body.parameters(), *head.parameters())]
        pytorch.finetune(body, head, x, y, steps=10, lr=0.05, body_lr=body_lr)
        moved = [
            (p.detach() - old).abs().max().item()
            for p, old in zip((*body.parameters(), *head.parameters()), before, strict=True)
        ]
        of_body, of_head = moved[:4], moved[4:]
        assert min(of_head) > 0.05
        assert max(of_body) == 0.0 if body_lr == 0 else 0 < max(of_body) < 0.02


def test_finetune_puts_the_modes_back_and_freezes_in_evaluation_mode():
    class Diary(nn.Dropout):
        def forward(self, input):
            modes.append(self.training)
            return super().forward(input)

    for body_lr, expected, calls in ((0.0, False, 1), (0.01, True, 3)):
        modes = []
        body, head = nn.Sequential(nn.Linear(4, 3), Diary()).double(), nn.Linear(3, 2).double()
        body.eval()
        x, y = torch.randn(5, 4, dtype=torch.float64), torch.arange(5) % 2
        pytorch.finetune(body, head, x, y, steps=3, body_lr=body_lr)
        assert modes == [expected] * calls
        assert not body.training and head.training


def eyes(seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.normal(scale=0.4, size=(4, 3, 3, 3)), rng.normal(scale=0.4, size=(5, 4, 3, 3))
    layers, modules = [], []
    for weight in weights:
        layers += [
            f.Layer(partial(conv2d, padding=1), partial(conv2d_backward, padding=1), (weight,)),
            f.Layer(relu, relu_backward),
        ]
        module = nn.Conv2d(*weight.shape[1::-1], 3, padding=1, bias=False).double()
        module.load_state_dict({"weight": torch.tensor(weight)})
        modules += [module, nn.ReLU()]
    return layers, nn.Sequential(*modules), rng.random((2, 3, 6, 7))


def test_both_sides_paint_the_same_picture():
    layers, modules, (content, style) = eyes()
    options = {"content_layers": (3,), "style_layers": (1, 3), "style_weight": 5.0, "steps": 20,
               "limits": (0, 1)}  # fmt: skip
    ours, costs = f.style_transfer(content, style, layers, **options)
    theirs, torch_costs = pytorch.style_transfer(
        torch.tensor(content), torch.tensor(style), modules, **options
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-8)
    np.testing.assert_allclose(costs, torch_costs, rtol=1e-7, atol=1e-12)
    assert ours.min() >= 0 and ours.max() <= 1
    total = costs[:, 0] + 5.0 * costs[:, 1]
    assert costs[0, 0] == 0 and total[-1] < 0.7 * total[0]
    assert all(parameter.grad is None for parameter in modules.parameters())


def test_content_alone_finds_the_picture_again_and_the_start_is_not_changed():
    layers, _, (content, style) = eyes()
    start = np.full_like(content, 0.5)
    image, costs = f.style_transfer(
        content, style, layers, (0,), style_weight=0.0, init=start, steps=150
    )
    assert np.abs(image - content).max() < 0.05
    assert costs[-1, 0] < 1e-3 * costs[0, 0]
    assert (start == 0.5).all()


def test_the_gram_matrix_forgets_places():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(4, 5, 6))
    shuffled = rng.permutation(maps.reshape(4, -1), axis=1).reshape(4, 6, 5)
    np.testing.assert_allclose(f.gram_matrix(maps), f.gram_matrix(shuffled))
    assert f.style_loss(maps, shuffled) < 1e-20
    assert np.linalg.eigvalsh(f.gram_matrix(maps)).min() > 0


def test_layers_before_the_first_that_counts_get_all_gradients():
    """A cost in the middle of a network does not wait for layers behind it."""
    layers, modules, (content, style) = eyes()
    image = torch.tensor(content, requires_grad=True)
    cost = pytorch.style_loss(modules[:2](image), modules[:2](torch.tensor(style)))
    (expected,) = torch.autograd.grad(cost, image)
    seen, target = f._run(layers, content), f._run(layers, style)
    grads = [None, f.style_loss_backward(1.0, seen[2], target[2])[0], None, None]
    got, _ = f._run_back(layers, seen, grads)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-14)
