"""The worked examples and errata of the documents that stand on the introduction."""

from itertools import pairwise

import pytest
from torch import nn, zeros

from tests.chapters.glued import glued


@pytest.fixture(scope="module")
def page():
    return glued("introduction.ipynb")


def bottleneck(channels, width, change):
    """A block of ResNet-50 and its deeper kin, as modules on the device of shapes."""
    convolutions = [(channels, width, 1), (width, width, 3), (width, 4 * width, 1)]
    convolutions += [(channels, 4 * width, 1)] if change else []
    for n_in, n_out, side in convolutions:
        yield nn.Conv2d(n_in, n_out, side, bias=False, device="meta")
        yield nn.BatchNorm2d(n_out, device="meta")


def resnet(blocks):
    channels = 64
    yield nn.Conv2d(3, 64, 7, bias=False, device="meta")
    yield nn.BatchNorm2d(64, device="meta")
    for width, repeats in zip((64, 128, 256, 512), blocks, strict=True):
        for k in range(repeats):
            yield from bottleneck(channels, width, change=k == 0)
            channels = 4 * width
    yield nn.Linear(channels, 1000, device="meta")


def vgg():
    channels = [3, 64, 64, 128, 128, *[256] * 3, *[512] * 6]
    for pair in pairwise(channels):
        yield nn.Conv2d(*pair, 3, device="meta")
    for pair in pairwise([512 * 7 * 7, 4096, 4096, 1000]):
        yield nn.Linear(*pair, device="meta")


def count(layers):
    return sum(parameter.numel() for layer in layers for parameter in layer.parameters())


def test_w15(page):
    """Counted from modules here, by formula on the page."""
    assert count(resnet((3, 8, 36, 3))) == 60_192_808
    assert count(resnet((3, 4, 6, 3))) == 25_557_032
    assert count(vgg()) == 138_357_544
    assert page["intro-count-ResNet-152"] == "60,192,808"
    assert page["intro-count-ResNet-50"] == "25,557,032"
    assert page["intro-count-VGG-16"] == "138,357,544"


def test_w16(page):
    """How much of the old error is gone."""
    table = {"TIMIT": (18.0, 30.3), "Switchboard": (31.8, 76.7), "voice search": (23.1, 69.4)}
    for name, reductions in table.items():
        assert (page[f"intro-2012-{name}"], page[f"intro-2017-{name}"]) == reductions


def test_e03():
    """The third argument is the stride today, as in PyTorch."""
    picture = zeros(1, 3, 9, 9)
    meant, called = nn.Conv2d(3, 64, 3, 1), nn.Conv2d(3, 64, 3, 3)
    assert (meant.stride, called.stride) == ((1, 1), (3, 3))
    assert (meant(picture).shape[-1], called(picture).shape[-1]) == (7, 3)


def test_e75():
    """The years stand on the page, and all but the last few lie before 1990."""
    from tests.chapters.test_documents import ROOT

    text = (ROOT / "book" / "introduction.md").read_text()
    for year, name in ((1943, "neuron"), (1958, "perceptron"), (1986, "backpropagation")):
        assert f'{year}: "{name}"' in text


def test_e96():
    with pytest.raises(SyntaxError, match="unmatched"):
        compile("y_train, epochs=epochs)\ndata=(x_val, y_val))", "listing", "exec")
    compile("model.fit(x_train, y_train, validation_data=(x_val, y_val))", "listing", "exec")


def test_e99(page):
    """152 layers and 130 million parameters do not go together."""
    assert (page["intro-layers-ResNet-152"], page["intro-layers-VGG-16"]) == (152, 16)
    assert abs(138_357_544 - 130e6) < abs(60_192_808 - 130e6)


def test_learned_features_profit_from_data_more_than_those_made_by_hand(page):
    by_hand, learned = (
        [page[f"intro-features {kind}-{size}"] for size in (300, 1347)]
        for kind in ("by hand", "learned")
    )
    assert learned[1] > 90 > 80 > by_hand[1]
    assert learned[0] > by_hand[1]
