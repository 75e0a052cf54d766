"""Sample inputs for the visualization chapter: parity and gradient checks draw from here.

A network is given as a twin: NumPy's network, which hands tensors to the same one in PyTorch.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from book.convolution import pytorch as torch_convolution
from book.convolution import reference as convolution
from book.op import Case, Op

_COMPLEX = np.ones((1, 2, 4, 4)) * 1j


# --- one network for arrays and for tensors


class _MeanOfPlaces(nn.Module):
    def forward(self, input):
        return input.mean((2, 3))


class _Twin:
    """Mixed into a NumPy network: tensors go to `module`, in their dtype and on their device."""

    def __call__(self, input):
        if not isinstance(input, Tensor):
            return super().__call__(input)
        wide = input.float() if input.dtype.itemsize < 4 else input
        state = {name: value.to(wide) for name, value in self.module.state_dict().items()
                 if value.is_floating_point()}  # fmt: skip
        return functional_call(self.module, state, (wide,)).to(input.dtype)

    def named_modules(self):
        return self.module.named_modules()


class _SmallTwin(_Twin, convolution._Sequential):
    """Two convolutions with ReLU, an average over all places, a linear layer."""

    def __init__(self, in_channels=2, num_outputs=3, seed=0):
        super().__init__(
            convolution._Conv(in_channels, 4, 3, padding=1), convolution._relu(),
            convolution._Conv(4, 5, 3, stride=2, padding=1), convolution._relu(),
            convolution._Function(
                convolution._mean_of_places, convolution._mean_of_places_backward
            ),
            convolution._Linear(5, num_outputs),
        )  # fmt: skip
        self._start(seed)
        module = nn.Sequential(
            nn.Conv2d(in_channels, 4, 3, padding=1), nn.ReLU(),
            nn.Conv2d(4, 5, 3, stride=2, padding=1), nn.ReLU(),
            _MeanOfPlaces(), nn.Linear(5, num_outputs),
        )  # fmt: skip
        self.module = _with_weights(module, self)


class _ResNetTwin(_Twin, convolution.ResNet):
    """A residual network in evaluation mode, its batch norm with statistics of its own."""

    def __init__(self, in_channels=2, num_classes=3, seed=0):
        sizes = {"blocks": 1, "in_channels": in_channels, "num_classes": num_classes, "width": 3}
        super().__init__(**sizes, generator=seed)
        rng = np.random.default_rng(seed)
        for name, array in self.state_dict().items():
            if "running_mean" in name:
                array[...] = rng.normal(scale=0.1, size=array.shape)
            if "running_var" in name:
                array[...] = rng.uniform(0.2, 0.6, size=array.shape)
        self.eval()
        self.module = _with_weights(torch_convolution.ResNet(**sizes), self)


class _LeNetTwin(_Twin, convolution.LeNet5):
    def __init__(self):
        super().__init__(generator=0)
        self.module = _with_weights(torch_convolution.LeNet5(), self)


def _with_weights(module, network):
    state = {name: torch.from_numpy(array) for name, array in network.state_dict().items()}
    module.double().load_state_dict(state, strict=False)  # NumPy counts no batches
    return module.eval()


def _pictures(rng, *shape):
    return rng.normal(size=shape or (2, 2, 6, 5))


def _network(shape, **kwargs):
    return _SmallTwin(max(shape[1], 1), **kwargs)


def _classes(n):
    return (np.arange(n) % 3).astype(np.int64)


# --- gradients of a score


def _score_sample(rng, shape):
    return Case("ordinary", (_network(shape), _pictures(rng, *shape), 1))


def _ordinary_scores(rng, *more):
    """Cases that the functions of a score share; `more` stands between input and target."""
    small, x = _SmallTwin(), _pictures(rng)
    yield Case("ordinary", (small, x, *more, 1))
    yield Case("a class for each", (small, x, *more, np.array([2, 0])))
    yield Case("one output", (_SmallTwin(num_outputs=1), x, *more), constants=("target",))
    weights = {"target": np.array([1.0, -1.0, 0.5])}
    yield Case("weights of the outputs", (small, x, *more), weights, constants=("target",))
    weights = {"target": rng.normal(size=(2, 3))}
    yield Case("weights for each", (small, x, *more), weights, constants=("target",))
    yield Case("one example", (small, x[:1], *more, 0))
    yield Case("one pixel", (small, x[:, :, :1, :1], *more, 0))
    yield Case("large magnitude", (small, 1e3 * x, *more, 0))
    yield Case("not contiguous", (small, _pictures(rng, 2, 2, 12, 5)[:, :, ::2], *more, 2))
    yield Case("channels last", (small, _pictures(rng, 2, 5, 4, 2).transpose(0, 3, 1, 2), *more, 2))


def _bad_scores(rng, *more):
    small, x = _SmallTwin(), _pictures(rng)
    yield Case("no network", (np.mean, x, *more, 0), raises=TypeError)
    yield Case("complex pictures", (small, _COMPLEX, *more, 0), raises=TypeError)
    yield Case("no examples", (small, x[:0], *more, 0), raises=ValueError)
    yield Case("a single number", (small, np.array(1.0), *more, 0), raises=ValueError)
    yield Case("no class among three", (small, x, *more), raises=ValueError)
    yield Case("class 3 of 3", (small, x, *more, 3), raises=ValueError)
    yield Case("class -1", (small, x, *more, -1), raises=ValueError)
    yield Case("three classes for two", (small, x, *more, _classes(3)), raises=ValueError)
    yield Case("four weights", (small, x, *more), {"target": np.ones(4)}, raises=ValueError)
    yield Case("a target that is true", (small, x, *more, np.array(True)), raises=TypeError)


def _saliency_cases(rng):
    yield from _ordinary_scores(rng)
    yield Case("with its sign", (_SmallTwin(), _pictures(rng), 0), {"abs": False})
    yield Case("a residual network", (_ResNetTwin(), _pictures(rng), 2))
    yield Case("LeNet-5", (_LeNetTwin(), _pictures(rng, 1, 1, 32, 32), 7))
    yield from _bad_scores(rng)


def _guided_cases(rng):
    yield from _ordinary_scores(rng)
    yield from _bad_scores(rng)
    yield Case("no ReLU", (_LeNetTwin(), _pictures(rng, 1, 1, 32, 32), 7), raises=ValueError)


def _cam_sample(rng, shape):
    return Case("ordinary", (_network(shape), _pictures(rng, *shape), "3", 1))


def _cam_cases(rng):
    yield from _ordinary_scores(rng, "3")
    yield Case("a shallow layer", (_SmallTwin(), _pictures(rng), "0", 1))
    yield Case("with its sign", (_SmallTwin(), _pictures(rng), "2", 1), {"relu": False})
    yield Case("a residual network", (_ResNetTwin(), _pictures(rng), "layer2.0", 2))
    yield Case("inside a block", (_ResNetTwin(), _pictures(rng), "layer1.0.conv1", 2))
    yield from _bad_scores(rng, "3")
    yield Case("no such layer", (_SmallTwin(), _pictures(rng), "7", 1), raises=ValueError)
    yield Case("the network itself", (_SmallTwin(), _pictures(rng), "", 1), raises=ValueError)
    yield Case("no maps", (_SmallTwin(), _pictures(rng), "5", 1), raises=ValueError)


def _attention_sample(rng, shape):
    return Case("ordinary", (_network(shape, num_outputs=1), _pictures(rng, *shape), "3"))


def _attention_cases(rng):
    wheel, x = _SmallTwin(num_outputs=1), _pictures(rng)
    yield Case("ordinary", (wheel, x, "3"))
    yield Case("a shallow layer", (wheel, x, "1"))
    yield Case("one example", (wheel, x[:1], "2"))
    yield Case("a residual network", (_ResNetTwin(num_classes=1), x, "layer2"))
    yield Case("three outputs", (_SmallTwin(), x, "3"), raises=ValueError)
    yield Case("no such layer", (wheel, x, "conv9"), raises=ValueError)
    yield Case("complex pictures", (wheel, _COMPLEX, "3"), raises=TypeError)
    yield Case("no network", (np.mean, x, "3"), raises=TypeError)


# --- maps


def _maps_sample(rng, shape):
    return Case("ordinary", (_network(shape), _pictures(rng, *shape), ("0", "3")))


def _maps_cases(rng):
    small, x = _SmallTwin(), _pictures(rng)
    yield Case("ordinary", (small, x, ("0", "1", "2", "3")))
    yield Case("one name", (small, x, "1"))
    yield Case("the output", (small, x, ("5",)))
    yield Case("no layer", (small, x, ()))
    blocks = ("conv1", "layer1", "layer1.0", "layer1.0.conv2", "layer3.0.bn1", "fc")
    yield Case("a residual network", (_ResNetTwin(), x, blocks))
    yield Case("large magnitude", (small, 1e3 * x, ("1",)))
    yield Case("not contiguous", (small, _pictures(rng, 2, 2, 6, 8)[..., ::2], ("1", "3")))
    yield Case("no such layer", (small, x, ("1", "conv")), raises=ValueError)
    yield Case("no examples", (small, x[:0], ("1",)), raises=ValueError)
    yield Case("complex pictures", (small, _COMPLEX, ("1",)), raises=TypeError)
    yield Case("no network", (np.mean, x, ("1",)), raises=TypeError)


def _class_map_sample(rng, shape):
    return Case("ordinary", (rng.normal(size=shape), rng.normal(size=(3, shape[1]))))


def _class_map_cases(rng):
    yield _class_map_sample(rng, (2, 4, 3, 5))
    maps, weight = rng.normal(size=(2, 4, 3, 5)), rng.normal(size=(2, 4))
    yield Case("one place", (maps[..., :1, :1], weight))
    yield Case("one map, one class", (maps[:, :1], weight[:1, :1]))
    yield Case("no examples", (maps[:0], weight))
    yield Case("not contiguous", (maps[..., ::2], weight[:, ::-1].copy()[:, ::1]))
    yield Case("large magnitude", (1e3 * maps, weight))
    yield Case("a map too many", (maps, weight[:, :3]), raises=ValueError)
    yield Case("a list of maps", (maps[0], weight), raises=ValueError)
    yield Case("a vector of weights", (maps, weight[0]), raises=ValueError)
    yield Case("complex maps", (maps + 0j, weight), raises=TypeError)
    yield Case("complex weights", (maps, weight + 0j), raises=TypeError)


def _class_map_linear(features, weight):
    return nn.functional.linear(features.movedim(1, 3), weight).movedim(3, 1)


# --- occlusion


def _occlusion_sample(rng, shape):
    return Case("ordinary", (_network(shape), _pictures(rng, *shape), 1), {"window": 2})


def _occlusion_cases(rng):
    small, x = _SmallTwin(), _pictures(rng)
    two = {"window": 2}
    yield Case("ordinary", (small, x, 1), two)
    yield Case("a class for each", (small, x, np.array([2, 0])), two)
    yield Case("one output", (_SmallTwin(num_outputs=1), x), two)
    weights = {"target": np.array([1.0, -1.0, 0.5]), "window": 3}
    yield Case("weights of the outputs", (small, x), weights, constants=("target",))
    yield Case("a flat window", (small, x, 1), {"window": (2, 4), "stride": (1, 3)})
    yield Case("side by side", (small, x, 1), {"window": 3, "stride": 3})
    yield Case("larger than the picture", (small, x, 1))
    yield Case("another gray", (small, x, 1), {"window": 2, "baseline": 0.5})
    mean = {"window": 2, "baseline": x.mean(axis=(0, 2, 3), keepdims=True)}
    yield Case("the mean color", (small, x, 1), mean, constants=("baseline",))
    yield Case("a residual network", (_ResNetTwin(), x, 2), {"window": 3})
    yield Case("not contiguous", (small, _pictures(rng, 2, 2, 12, 5)[:, :, ::2], 2), two)
    yield Case("no network", (3, x, 0), raises=TypeError)
    yield Case("complex pictures", (small, _COMPLEX, 0), raises=TypeError)
    yield Case("no examples", (small, x[:0], 0), raises=ValueError)
    yield Case("a single picture", (small, x[0], 0), raises=ValueError)
    yield Case("class 3 of 3", (small, x, 3), raises=ValueError)
    yield Case("a target that is true", (small, x, np.array(True)), raises=TypeError)
    yield Case("no window", (small, x, 0), {"window": 0}, raises=ValueError)
    gaps = {"window": 2, "stride": 3}
    yield Case("gaps between windows", (small, x, 0), gaps, raises=ValueError)


# --- climbing


def _climb_sample(rng, shape):
    few = {"steps": 2, "lr": 0.05}
    return Case("ordinary", (_network(shape), _pictures(rng, *shape), 1), few)


def _climb_cases(rng):
    small, x = _SmallTwin(), _pictures(rng)
    few = {"steps": 3, "lr": 0.05}
    yield Case("ordinary", (small, x, 1), few)
    yield Case("a channel", (small, x, 1, "2"), few)
    yield Case("a channel behind ReLU", (small, x, 0, "1"), few)
    yield Case("a residual network", (_ResNetTwin(), x, 0), {"steps": 2, "lr": 0.01})
    yield Case("blur and decay", (small, x, 1), few | {"blur": 0.7, "decay": 0.1})
    yield Case("jitter", (small, x, 1), few | {"jitter": 2, "generator": 5})
    yield Case("no step", (small, x, 1), {"steps": 0})
    yield Case("downhill", (small, x, 1), few | {"lr": -0.05})
    yield Case("one output", (_SmallTwin(num_outputs=1), x), few)
    yield Case("no slope anywhere", (small, x), few | {"target": np.zeros(3)},
               constants=("target",))  # fmt: skip
    yield Case("no network", (np.mean, x, 0), raises=TypeError)
    yield Case("complex pictures", (small, _COMPLEX, 0), raises=TypeError)
    yield Case("no examples", (small, x[:0], 0), raises=ValueError)
    yield Case("a single picture", (small, x[0], 0), raises=ValueError)
    yield Case("channel 4 of 4", (small, x, 4, "0"), raises=ValueError)
    yield Case("all channels", (small, x, None, "0"), raises=ValueError)
    yield Case("no such layer", (small, x, 0, "9"), raises=ValueError)
    yield Case("half a step", (small, x, 0), {"steps": 0.5}, raises=ValueError)
    yield Case("a blur below zero", (small, x, 0), {"blur": -1.0}, raises=ValueError)
    yield Case("all of it decays", (small, x, 0), {"decay": 1.0}, raises=ValueError)


# --- the landscape


def _bowl(*parameters):
    """A loss without surprises: how far all parameters are from one half."""
    return sum(((w - 0.5) ** 2).sum() for w in parameters)


def _two_layers(w, b, v):
    """The error of a network with squares for activations, on three fixed examples."""
    x = np.array([[1.0, -0.5], [0.2, 0.7], [-1.0, 0.3]])
    x = torch.as_tensor(x).to(w) if isinstance(w, Tensor) else x
    return ((((x @ w.T + b) ** 2) @ v.T - 1.0) ** 2).mean()


def _landscape_sample(rng, shape):
    steps = np.array([-0.5, 0.0, 1.0])
    return Case("ordinary", (_bowl, steps, steps[:2], rng.normal(size=shape)))


def _landscape_cases(rng):
    steps, w = np.linspace(-1, 1, 5), rng.normal(size=(3, 2)) / 2
    yield Case("ordinary", (_bowl, steps, steps[:2], w, rng.normal(size=4)))
    layers = (w, rng.normal(size=3), rng.normal(size=(1, 3)))
    yield Case("a network", (_two_layers, steps[1:4], steps[1:4], *layers))
    yield Case("another seed", (_bowl, steps, steps, w), {"generator": 3})
    yield Case("filters of a convolution", (_bowl, steps, steps, rng.normal(size=(2, 2, 3, 3))))
    yield Case("a line", (_bowl, steps, np.zeros(1), w))
    yield Case("nowhere", (_bowl, steps[:0], steps, w))
    yield Case("a filter of zeros", (_bowl, steps, steps, np.zeros((2, 2))))
    yield Case("a bias alone", (_bowl, steps, steps, rng.normal(size=3)))
    yield Case("not contiguous", (_bowl, steps, steps, rng.normal(size=(3, 4))[:, ::2]))
    yield Case("no function", (None, steps, steps, w), raises=TypeError)
    yield Case("complex weights", (_bowl, steps, steps, w + 0j), raises=TypeError)
    yield Case("a table of steps", (_bowl, steps[None], steps, w), raises=ValueError)
    yield Case("no weights", (_bowl, steps, steps), raises=ValueError)


# --- Captum, where it has the method and keeps float64 (its occlusion divides in float32)


def _score(model, target):
    """The score as a module, for Captum."""

    class Score(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = model.module

        def forward(self, input):
            output = model(input)
            if target is None:
                return output.reshape(len(input), -1).sum(1)
            weights = torch.as_tensor(target, device=input.device)
            if not weights.is_floating_point():
                places = weights.reshape(-1, 1).expand(len(input), 1)
                return output.gather(1, places)[:, 0]
            return (output * weights.detach()).sum(1)

    return Score()


def _saliency_captum(model, input, target=None, abs=True):
    from captum.attr import Saliency

    return Saliency(_score(model, target)).attribute(input, abs=abs).detach()


def _guided_captum(model, input, target=None):
    from captum.attr import GuidedBackprop

    return _quiet(GuidedBackprop(_score(model, target)).attribute, input).detach()


def _cam_captum(model, input, layer, target=None, relu=True):
    from captum.attr import LayerGradCam

    inner = dict(model.named_modules())[layer]
    method = LayerGradCam(_score(model, target), inner)
    return method.attribute(input, relu_attributions=relu)[:, 0].detach().to(input.dtype)


def _quiet(function, *args):
    """Captum warns that it sets hooks on ReLU modules, which is what we want."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args)


OPS = [
    Op("feature_maps", _maps_sample, _maps_cases, min_ndim=4),
    Op("saliency", _score_sample, _saliency_cases, (_saliency_captum,), min_ndim=4),
    Op("guided_backprop", _score_sample, _guided_cases, (_guided_captum,), min_ndim=4),
    Op("grad_cam", _cam_sample, _cam_cases, (_cam_captum,), min_ndim=4),
    Op("class_activation_map", _class_map_sample, _class_map_cases, (_class_map_linear,),
       min_ndim=4),
    Op("attention_maps", _attention_sample, _attention_cases, min_ndim=4),
    Op("occlusion", _occlusion_sample, _occlusion_cases, min_ndim=4),
    Op("activation_maximization", _climb_sample, _climb_cases, min_ndim=4),
    Op("loss_landscape", _landscape_sample, _landscape_cases),
]  # fmt: skip
