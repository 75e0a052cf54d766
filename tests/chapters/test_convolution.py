"""The worked examples of the documents that concern convolution, and the networks.

Worked examples are computed on both sides. The networks have state, which the parity tests do not
see: here the NumPy ones are held against those in PyTorch, weights, results and gradients. The
experiments run on the page, whose stored outputs nbval verifies; here their outcome is held against
the claim.
"""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from book.convolution import pytorch
from book.convolution import reference as f
from tests.chapters.glued import glued

BOTH = [f, pytorch]


@pytest.fixture(scope="module")
def page():
    return glued("convolution/chapter.ipynb")


def on(side, function, *args, **kwargs):
    """What `function` of one side makes of 2-D arrays: a single channel in, an array out."""

    def convert(value):
        if not isinstance(value, np.ndarray):
            return value
        value = value.reshape((1,) * (4 - value.ndim) + value.shape).astype(float)
        return torch.from_numpy(value) if side is pytorch else value

    return np.asarray(getattr(side, function)(*map(convert, args), **kwargs)).squeeze((0, 1))


def digits(text):
    return np.array([[float(d) for d in row] for row in text.split("/")])


def rows(text):
    return np.array([[float(d) for d in row.split()] for row in text.split("/")])


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# --- what the parity tests do not see


def test_convolution_is_linear_and_slides_along_with_the_picture():
    x, y, w = random(1, 2, 8, 8), random(1, 2, 8, 8, seed=1), random(3, 2, 3, 3, seed=2)
    both = f.conv2d(x, w) + 2 * f.conv2d(y, w)
    np.testing.assert_allclose(f.conv2d(x + 2 * y, w), both, atol=1e-13)
    moved = f.conv2d(np.roll(x, 1, axis=3), w)
    np.testing.assert_allclose(moved[..., 1:], f.conv2d(x, w)[..., :-1], atol=1e-13)


def test_convolution_is_a_product_with_the_unfolded_picture():
    x, w = random(2, 3, 6, 5), random(4, 3, 3, 2, seed=1)
    product = w.reshape(4, -1) @ f.unfold(x, (3, 2), padding=1, stride=2)
    expected = f.conv2d(x, w, padding=1, stride=2)
    np.testing.assert_allclose(product.reshape(expected.shape), expected, atol=1e-13)


def test_transposed_convolution_is_the_adjoint_of_convolution():
    """The sum of y * conv(x) is that of conv_transpose(y) * x, with the same kernel."""
    x, w = random(2, 3, 7, 9), random(4, 3, 3, 3, seed=1)
    forward = f.conv2d(x, w, stride=2, padding=1)
    y = random(*forward.shape, seed=2)
    back = f.conv_transpose2d(y, w, stride=2, padding=1)
    np.testing.assert_allclose((back * x).sum(), (y * forward).sum(), rtol=1e-13)


def test_a_dilated_kernel_is_one_with_zeros_between():
    x, w = random(1, 1, 9, 9), random(1, 1, 3, 3, seed=1)
    large = np.zeros((1, 1, 5, 5))
    large[..., ::2, ::2] = w
    np.testing.assert_allclose(f.conv2d(x, w, dilation=2), f.conv2d(x, large), atol=1e-14)


@pytest.mark.parametrize("name", ["max_pool2d", "min_pool2d"])
def test_pooling_takes_infinite_numbers_and_says_what_is_none(name):
    x = np.array([[np.inf, 0.0, -np.inf, -np.inf, np.nan, 1.0]])
    expected = {"max_pool2d": [[np.inf, -np.inf, np.nan]], "min_pool2d": [[0.0, -np.inf, np.nan]]}
    for side in BOTH:
        np.testing.assert_array_equal(on(side, name, x, (1, 2)), expected[name])


def test_among_equals_the_first_gets_the_gradient():
    found = f.max_pool2d_backward(np.ones((1, 1, 1)), np.ones((1, 2, 2)), 2)
    np.testing.assert_array_equal(found, [[[1, 0], [0, 0]]])


# --- networks

CHANNELS = (16, 8, 6, 12, 2, 4, 3)
NETWORKS = {
    "LeNet5": (lambda side: side.LeNet5(generator=1), (2, 1, 32, 32)),
    "LeNet5 in color": (lambda side: side.LeNet5(3, 4, generator=1), (1, 3, 32, 32)),
    "ResidualBlock": (lambda side: side.ResidualBlock(4, 4, generator=1), (3, 4, 6, 5)),
    "ResidualBlock, half": (lambda side: side.ResidualBlock(3, 6, 2, generator=1), (3, 3, 7, 6)),
    "ResNet": (lambda side: side.ResNet(2, width=4, generator=1), (3, 3, 12, 12)),
    "Inception": (lambda side: side.Inception(*CHANNELS, generator=1), (2, 16, 6, 7)),
    "PilotNet": (lambda side: side.PilotNet(dropout=0.0, generator=1), (2, 3, 66, 200)),
}


def pair(name):
    make, shape = NETWORKS[name]
    return make(f), make(pytorch).double(), random(*shape) * (50.0 if name == "PilotNet" else 1.0)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_seed_starts_both_networks_alike(name):
    ours, theirs, _ = pair(name)
    state = {k: v for k, v in theirs.state_dict().items() if "num_batches" not in k}
    assert list(ours.parameters()) == [k for k, _ in theirs.named_parameters()]
    assert ours.state_dict().keys() == state.keys()
    for key, array in ours.state_dict().items():
        np.testing.assert_allclose(array, state[key], rtol=1e-6, err_msg=key)  # drawn in float32


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_numpy_reproduces_forward_pass_gradients_and_statistics(name, training):
    ours, theirs, x = pair(name)
    ours.load_state_dict(theirs.state_dict())
    ours.train(training), theirs.train(training)
    tensor = torch.from_numpy(x).requires_grad_()
    expected = theirs(tensor)
    got = ours(x)
    np.testing.assert_allclose(got, expected.detach(), rtol=1e-11, atol=1e-12)
    grad_output = random(*got.shape, seed=3)
    expected.backward(torch.from_numpy(grad_output))
    grad_input = ours.backward(grad_output)
    np.testing.assert_allclose(grad_input, tensor.grad, rtol=1e-10, atol=1e-12)
    gradients = ours.gradients()
    assert gradients.keys() == ours.parameters().keys()
    for key, parameter in theirs.named_parameters():
        close = {"rtol": 1e-10, "atol": 1e-11, "err_msg": key}
        np.testing.assert_allclose(gradients[key], parameter.grad, **close)
    for key, array in ours.state_dict().items():
        np.testing.assert_allclose(array, theirs.state_dict()[key], rtol=1e-12, atol=1e-14)


def test_a_network_without_a_seed_is_another_one_each_time():
    first, second = f.LeNet5().parameters(), f.LeNet5().parameters()
    assert all((first[name] != second[name]).any() for name in first)
    generator = np.random.default_rng(0)
    block, next_block = (f.ResidualBlock(2, 2, generator=generator) for _ in range(2))
    assert (block.conv1.weight != next_block.conv1.weight).any()


def test_weights_that_do_not_fit_are_refused():
    block = f.ResidualBlock(2, 2)
    with pytest.raises(ValueError, match=r"expected the names of state_dict.*got others.*fc"):
        block.load_state_dict({**block.state_dict(), "fc": np.ones(2)})
    with pytest.raises(ValueError, match=r"bn1.bias: expected shape \(2,\), got \(3,\)"):
        block.load_state_dict({**block.state_dict(), "bn1.bias": np.ones(3)})


@pytest.mark.parametrize("side", BOTH)
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("LeNet5", (0,)), ("LeNet5", (1, 2.5)), ("ResidualBlock", (3, 0)),
        ("ResidualBlock", (3, 3, 0)), ("ResNet", (0,)), ("ResNet", (1, 3, 10, True)),
        ("Inception", (1, 1, 1, 0, 1, 1, 1)), ("PilotNet", (1.5,)),
    ],
)  # fmt: skip
def test_networks_refuse_bad_numbers(side, name, args):
    with pytest.raises(ValueError, match=r"expected.*got"):
        getattr(side, name)(*args)


def test_dropout_of_pilot_net_works_in_training_only():
    net, x = f.PilotNet(generator=0), random(1, 3, 66, 200) * 50
    assert (net(x) != net(x)).all()
    net(x)
    zero = net.features.backward(np.ones((1, 1152))) == 0
    assert not zero.all()
    np.testing.assert_array_equal(net.eval()(x), net(x))


def test_resnet_20_has_its_parameters():
    """0.27 million, as the paper says; the projections make 2,752 of them."""
    net = f.ResNet()
    assert sum(array.size for array in net.parameters().values()) == 272_474
    names = [name for name in net.parameters() if "downsample" not in name]
    assert sum("conv" in name or name == "fc.weight" for name in names) == 20


# --- worked examples

SHEET, CROSS = digits("11100/01110/00111/00110/01100"), digits("101/010/101")


@pytest.mark.parametrize("side", BOTH)
def test_w61(side):
    found = on(side, "conv2d", SHEET, CROSS)
    np.testing.assert_array_equal(found, digits("434/243/234"))


@pytest.mark.parametrize("side", BOTH)
def test_w62(side):
    np.testing.assert_array_equal(on(side, "conv2d", SHEET, CROSS, stride=2), digits("44/24"))
    padded = digits("22311/14341/12433/12341/02211")
    np.testing.assert_array_equal(on(side, "conv2d", SHEET, CROSS, padding=1), padded)
    np.testing.assert_array_equal(on(side, "conv2d", SHEET, CROSS, dilation=2), [[2]])


KERNEL = rows("0 1 -1/1 0 1/1 2 0")


@pytest.mark.parametrize("side", BOTH)
def test_w63(side):
    np.testing.assert_array_equal(on(side, "conv2d", digits("123/456/789"), KERNEL), [[32]])


@pytest.mark.parametrize("side", BOTH)
def test_w64(side):
    wide = digits("1231/4563/7898")
    np.testing.assert_array_equal(on(side, "conv2d", wide, KERNEL), [[32, 36]])
    flipped = np.ascontiguousarray(KERNEL[::-1, ::-1])
    np.testing.assert_array_equal(on(side, "conv2d", wide, flipped), [[18, 16]])


EDGE = rows("1 0 -1/1 0 -1/1 0 -1")


@pytest.mark.parametrize("side", BOTH)
def test_w65(side):
    step = np.tile([10.0, 10, 10, 0, 0, 0], (6, 1))
    np.testing.assert_array_equal(on(side, "conv2d", step, EDGE), np.tile([0, 30, 30, 0], (4, 1)))


def test_e56():
    """A random kernel answers where there is no edge; one that is chosen does not."""
    step = np.tile([10.0, 10, 10, 0, 0, 0], (6, 1))
    row = on(f, "conv2d", step, random(3, 3))[0]
    assert np.abs(row[:3]).min() > 0.1
    assert np.isclose(row[0], 10 * random(3, 3).sum())
    np.testing.assert_array_equal(on(f, "conv2d", step, EDGE)[0], [0, 30, 30, 0])


def test_e61():
    """After pooling, a shift by a pixel matters less; a turn or a large shift still matters."""
    image = np.zeros((16, 16))
    image[4:8, 3:6], image[6:12, 9:11] = 1.0, 2.0

    def change(other):
        pooled, moved = (on(f, "max_pool2d", x, 4, 1) for x in (image, other))
        return [
            np.linalg.norm(b - a) / np.linalg.norm(a) for a, b in ((image, other), (pooled, moved))
        ]

    plain, pooled = change(np.roll(image, 1, axis=1))
    assert 0.0 < pooled < 0.7 * plain
    for other in (np.roll(image, 5, axis=1), np.ascontiguousarray(np.rot90(image))):
        assert change(other)[1] > 1.5 * pooled


@pytest.mark.parametrize("side", BOTH)
def test_w66(side):
    image = digits("005214/341113/671114/892152/200021/622221")
    found = rows("2 7 4 -7/13 17 -3 -6/13 14 -5 -5/12 8 -5 -1")
    np.testing.assert_array_equal(on(side, "conv2d", image, EDGE), found)


@pytest.mark.parametrize("side", BOTH)
def test_w67_and_e104(side):
    step = np.tile([9.0] * 4 + [0.0] * 4, (8, 1))
    found = on(side, "conv2d", step, EDGE)
    np.testing.assert_array_equal(found, np.tile([0, 0, 27, 27, 0, 0], (6, 1)))


@pytest.mark.parametrize("side", BOTH)
def test_w68(side):
    nine, kernel = digits("012/345/678"), digits("01/23")
    padded = rows("0 3 8 4/9 19 25 10/21 37 43 16/6 7 8 0")
    np.testing.assert_array_equal(on(side, "conv2d", nine, kernel, padding=1), padded)
    np.testing.assert_array_equal(on(side, "conv2d", nine, kernel), rows("19 25/37 43"))


@pytest.mark.parametrize("side", BOTH)
def test_w69(side):
    for n in range(3, 12):
        for k in range(1, 4):
            assert side.conv_output_size(n, k) == n - k + 1
            assert F.conv1d(torch.ones(1, 1, n), torch.ones(1, 1, k)).shape[2] == n - k + 1


@pytest.mark.parametrize("side", BOTH)
def test_w70_and_e58(side):
    for k in (1, 3, 5, 7):
        assert side.conv_output_size(9, k, padding=(k - 1) // 2) == 9
    for k in (2, 4):
        assert side.conv_output_size(9, k, padding=(k - 1) // 2) == 8
        assert side.conv_output_size(9, k, padding="same") == 9
    assert side.conv_output_size(9, 3, stride=2, padding=1) == 5


@pytest.mark.parametrize("side", BOTH)
def test_w71_and_e60(side):
    wrong = tried = 0
    for n in range(7, 16):
        for k in (1, 3, 5):
            for s in (1, 2, 3):
                for p in (0, 1, 2):
                    x, w = torch.ones(1, 1, n), torch.ones(1, 1, k)
                    right = F.conv1d(x, w, stride=s, padding=p).shape[2]
                    assert side.conv_output_size(n, k, s, p) == right
                    wrong += int((n + 2 * p + k) / s + 1) != right
                    tried += 1
    assert tried == 243
    assert wrong > 200
    assert side.conv_output_size(7, 3, stride=2) == 3
    assert int((7 + 3) / 2 + 1) == 6


@pytest.mark.parametrize("side", BOTH)
def test_e59(side):
    with pytest.raises(ValueError, match=r"stride: expected a whole number.*at least 1, got 0"):
        on(side, "conv2d", SHEET, CROSS, stride=0)


@pytest.mark.parametrize("side", BOTH)
def test_w72(side):
    nine = digits("123/456/789")
    assert on(side, "max_pool2d", nine, 3) == 9
    assert on(side, "avg_pool2d", nine, 3) == 5
    assert on(side, "min_pool2d", nine, 3) == 1


@pytest.mark.parametrize("side", BOTH)
def test_w73(side):
    second = rows("5 2 1/5 7 1/9 5 12")
    assert on(side, "max_pool2d", second, 3) == 12
    np.testing.assert_allclose(on(side, "avg_pool2d", second, 3), 47 / 9, rtol=1e-15)
    wide = np.hstack([digits("123/456/789"), second])
    np.testing.assert_array_equal(on(side, "max_pool2d", wide, 3), [[9, 12]])


CONV1 = np.zeros((13, 16))  # the map that document 001 prints; columns 2 to 10 are not empty
CONV1[2:, 2:11] = rows(
    "0 0 .32 .61 .72 .36 0 0 0/3 3 3.39 3.83 3.97 3.57 2.3 .54 0/"
    "4.74 4.74 4.2 3.9 4.1 4.65 4.38 2.85 .33/1.79 1.71 1.14 .53 .77 2.43 4.53 4.66 1.65/"
    "0 0 .08 .97 1.59 2.39 4.36 5.19 2.5/.12 1.32 2.57 3.96 4.77 4.38 4.91 5.24 2.72/"
    "1.71 3.51 3.77 3.94 3.65 2.97 4.09 5 2.48/1.96 3.18 2.58 1.32 .38 .83 3.67 4.63 2.02/"
    ".48 .48 0 0 0 2.27 3.98 3.56 .8/0 0 0 0 .89 3.36 4.46 2.04 0/0 0 0 0 0 1.18 2.84 2.42 .33"
)
CONV1[3:6, :2] = rows("1.22 2.57/2.05 4.21/1.37 2.17")


@pytest.mark.parametrize("side", BOTH)
def test_w77(side):
    np.testing.assert_allclose([CONV1.sum(), CONV1.max()], [220.15, 5.24], rtol=1e-12)
    pooled = on(side, "max_pool2d", CONV1, 2)
    assert pooled.shape == (6, 8)  # the 13th row is left over
    starts = rows(
        "0 0 0 0 0 0 0 0/2.57 3 3.83 3.97 2.3 0 0 0/4.21 4.74 4.2 4.65 4.66 1.65 0 0/"
        "0 1.32 3.96 4.77 5.24 2.72 0 0/0 3.51 3.94 3.65 5 2.48 0 0/0 .48 0 3.36 4.46 .8 0 0"
    )
    np.testing.assert_array_equal(pooled, starts)
    sums = [on(side, f"{kind}_pool2d", CONV1, 2).sum() for kind in ("max", "min", "avg")]
    np.testing.assert_allclose(sums, [85.47, 23.06, 53.345], rtol=1e-12)


def parameters(layer):
    return sum(p.numel() for p in layer.parameters())


def test_w74():
    layer = nn.Conv2d(1, 5, 3, stride=1, padding=1)
    assert parameters(layer) == 50 == 5 * (9 + 1)
    assert f.conv_output_size((17, 23), 3, padding=1) == (17, 23)
    assert f.conv2d(random(1, 17, 23), random(5, 1, 3, 3), padding=1).shape == (5, 17, 23)


@pytest.mark.parametrize("side", BOTH)
def test_w75(side):
    for n in range(2, 40):
        assert side.conv_output_size(n, 3, stride=2, padding=1) == -(-n // 2)
    sizes = [side.conv_output_size(n, 3, stride=2, padding=1) for n in (28, 7, 6)]
    assert sizes == [14, 4, 3]


def test_w76():
    layer = nn.Conv2d(3, 5, 3, stride=2, padding=1)
    assert tuple(layer.weight.shape) == (5, 3, 3, 3)
    assert parameters(layer) == 140
    result = f.conv2d(random(3, 32, 32), random(5, 3, 3, 3), stride=2, padding=1)
    assert result.shape == (5, 16, 16)


@pytest.mark.parametrize("side", BOTH)
def test_w78(side):
    assert side.conv_flops((28, 28), 192, 32, 5, padding="same") == 120_422_400
    narrow = side.conv_flops((28, 28), 192, 16, 1)
    large = side.conv_flops((28, 28), 16, 32, 5, padding="same")
    assert (narrow, large) == (2_408_448, 10_035_200)
    assert 120_422_400 / (narrow + large) == pytest.approx(9.677, abs=5e-4)


def test_w79():
    net, x, seen = pytorch.PilotNet(), torch.zeros(1, 3, 66, 200), []
    for layer in net.features:
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            seen.append(tuple(x.shape[1:]))
    assert seen == [(24, 31, 98), (36, 14, 47), (48, 5, 22), (64, 3, 20), (64, 1, 18)]
    assert x.shape == (1, 1152)


def test_w80():
    net = f.PilotNet(generator=0)
    arrays = list(net.parameters().values())
    counts = [w.size + b.size for w, b in zip(arrays[::2], arrays[1::2], strict=True)]
    assert counts == [1824, 21_636, 43_248, 27_712, 36_928, 115_300, 5_050, 510, 11]
    assert sum(counts) == 252_219
    size, channels, operations = (66, 200), 3, 0
    for out, kernel, stride in ((24, 5, 2), (36, 5, 2), (48, 5, 2), (64, 3, 1), (64, 3, 1)):
        operations += f.conv_flops(size, channels, out, kernel, stride)
        size, channels = f.conv_output_size(size, kernel, stride), out
    assert channels * size[0] * size[1] == 1152
    operations += 1152 * 100 + 100 * 50 + 50 * 10 + 10
    assert operations == 26_876_342


def test_w82():
    arrays = list(f.LeNet5().parameters().values())
    counts = [w.size + b.size for w, b in zip(arrays[::2], arrays[1::2], strict=True)]
    assert counts == [156, 2416, 48_120, 10_164, 850]
    assert sum(counts) == 61_706


def test_e64():
    """A 1 x 1 convolution is linear, pixel by pixel; on one channel it only scales."""
    x, y, w = random(2, 4, 5, 5), random(2, 4, 5, 5, seed=1), random(6, 4, 1, 1, seed=2)
    np.testing.assert_allclose(f.conv2d(x + y, w), f.conv2d(x, w) + f.conv2d(y, w), atol=1e-14)
    by_pixel = np.einsum("oc,nchw->nohw", w[:, :, 0, 0], x)
    np.testing.assert_allclose(f.conv2d(x, w), by_pixel, atol=1e-14)
    one = f.conv2d(x[:, :1], np.full((1, 1, 1, 1), 3.0))
    np.testing.assert_array_equal(one, 3.0 * x[:, :1])


def test_even_kernels_pad_behind_as_pytorch_does():
    x, w = torch.arange(5.0).reshape(1, 1, 5).double(), torch.tensor([[[1.0, 10.0]]]).double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = F.conv1d(x, w, padding="same")
    np.testing.assert_array_equal(f.conv1d(x.numpy(), w.numpy(), padding="same"), expected)
    assert expected.tolist() == [[[10, 21, 32, 43, 4]]]


@pytest.mark.parametrize("side", BOTH)
def test_w81(side):
    """Its input is lost, so 7 cannot be computed again; what it shows can: channels add up."""
    x, w = random(3, 5, 5), random(1, 3, 3, 3)
    apart = sum(on(side, "conv2d", x[c], w[0, c]) for c in range(3))
    if side is pytorch:
        x, w = torch.from_numpy(x), torch.from_numpy(w)
    np.testing.assert_allclose(np.asarray(side.conv2d(x, w))[0], apart, atol=1e-14)


# --- errata of the text


def test_e06():
    right = "applied-deep-learning-part-4-convolutional-neural-networks-584bc134c1e2"
    assert "revolutional" not in right.replace("convolutional", "")
    assert "nets-works" not in right


def test_e08(page):
    """The deeper the maps, the more of them are zero: specific detectors find nothing."""
    assert page["conv-e08-second-zero"] > 1.5 * page["conv-e08-first-zero"]
    assert page["conv-e08-second-blank"] > page["conv-e08-first-blank"]


@pytest.mark.parametrize("side", BOTH)
def test_e57(side):
    """The vertical edge answers, an even picture does not, and no cell is a negative zero."""
    step = np.tile([10.0, 10, 10, 0, 0, 0], (6, 1))
    assert not np.signbit(on(side, "conv2d", step, EDGE)).any()
    assert not on(side, "conv2d", step.T.copy(), EDGE).any()


@pytest.mark.parametrize("side", BOTH)
def test_e62(side):
    """The maximum is that of a window: another picture in the batch changes nothing."""
    x = random(2, 1, 4, 4)
    pool = (lambda a: side.max_pool2d(torch.from_numpy(a), 2)) if side is pytorch else None
    pool = pool or (lambda a: side.max_pool2d(a, 2))
    np.testing.assert_array_equal(np.asarray(pool(x))[0], np.asarray(pool(x[:1]))[0])


def test_e95(page):
    """With one linear layer behind its maps, a convolutional network is as good as a dense one."""
    assert page["conv-digits-small"] >= page["conv-digits-dense"]
    assert page["conv-digits-small-moved"] > page["conv-digits-dense-moved"] + 15


# --- experiments


def test_x81(page):
    assert page["conv-x81-gap"] < 5e-3


def test_x82(page):
    assert page["conv-x82-dense-left"] > 80
    assert page["conv-x82-dense-right"] < 30
    left, right = (page[f"conv-x82-convolutional-{side}"] for side in ("left", "right"))
    assert left > 85
    assert abs(left - right) < 2
    assert page["conv-equi-plain"] == page["conv-equi-stride-2"] == 0
    assert page["conv-equi-stride-1"] > 0.05


def test_x83(page):
    small = [page[f"conv-x83-shift-1-{side}"] for side in (1, 2, 4, 8)]
    assert small == sorted(small, reverse=True)
    for other in ("shift-3", "turn-90", "enlarge-1.25"):
        assert page[f"conv-x83-{other}-2"] > 1.25 * small[1]


def test_x84(page):
    found = {k.removeprefix("conv-x84-"): v for k, v in page.items() if k.startswith("conv-x84-")}
    assert found == {
        "max-dark": 1.0, "min-dark": 0.0, "avg-dark": 0.5,
        "max-bright": 0.0, "min-bright": 1.0, "avg-bright": 0.5,
    }  # fmt: skip


def test_x85(page):
    assert page["conv-x85-gap"] == 0
    assert (page["conv-x85-plain"], page["conv-x85-dilations"]) == (9, 31)
    for name in ("plain", "strides", "dilations"):
        assert page[f"conv-x85-{name}"] == page[f"conv-x85-{name}-formula"]


def test_x86(page):
    assert page["conv-x86-faster"] == "True"
    assert (page["conv-x86-direct"], page["conv-x86-narrow"]) == ("153,632", "15,920")


def test_x87(page):
    small, large, both = (page[f"conv-x87-{name}"] for name in ("small", "large", "both"))
    assert both > small + 5
    assert both > large - 2
    weights = [page[f"conv-x87-{name}-weights"] for name in ("small", "both", "large")]
    assert weights == [116, 404, 692]


def test_numpy_runs_the_network_that_the_page_trained(page):
    assert page["conv-numpy-forward"] == page["conv-numpy-backward"] == "True"
