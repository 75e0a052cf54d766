"""Looking inside networks in PyTorch: the same names, for any `nn.Module`, on any device.

A forward hook notes what leaves a layer, and autograd has the gradients. Nothing here changes a
network or leaves gradients in its weights; whether dropout and batch norm work as in training is
the network's own affair, so call `model.eval()` first. In practice: Captum.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from book.convolution import shapes

__all__ = [
    "feature_maps", "saliency", "guided_backprop", "grad_cam", "class_activation_map",
    "attention_maps", "occlusion", "activation_maximization", "loss_landscape",
]  # fmt: skip

Target = int | Tensor | None


def _real(input: Tensor, name: str = "input") -> Tensor:
    """`input`, or a TypeError unless it is a tensor of real floating-point numbers."""
    if not isinstance(input, Tensor) or not input.dtype.is_floating_point:
        got = input.dtype if isinstance(input, Tensor) else type(input).__name__
        raise TypeError(f"{name}: expected a floating-point tensor, got {got}")
    return input


def _wide(input: Tensor) -> Tensor:
    """`input` in at least float32: sums in half precision would lose most of their digits."""
    return input.float() if input.dtype.itemsize < 4 else input


def _examples(model: nn.Module, input: Tensor, ndim: int | None = None) -> Tensor:
    """The input as a leaf that records gradients; at least one example."""
    if not callable(model) or not hasattr(model, "named_modules"):
        raise TypeError(f"model: expected an nn.Module, got {type(model).__name__}")
    input = _real(input)
    if input.numel() == 0 or input.ndim < 2 or ndim not in (None, input.ndim):
        expected = "(N, C, H, W)" if ndim == 4 else "(N, ...)"
        raise ValueError(f"input: expected shape {expected}, not empty, got {tuple(input.shape)}")
    return input.detach().requires_grad_()


# --- hooks


@contextmanager
def _hooked(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """A dictionary that holds what leaves the named layers once the model is called."""
    known = dict(model.named_modules())
    for name in names:
        if name not in known or not name:
            raise ValueError(f"layer: expected one of {', '.join(known)}, got {name!r}")
    noted = {}

    def hook(name):
        def note(module, args, output):
            noted[name] = output
            return output.clone()  # a ReLU in place would change what we noted

        return note

    handles = [known[name].register_forward_hook(hook(name)) for name in names]
    try:
        yield noted
    finally:
        for handle in handles:
            handle.remove()


_RELUS = {nn.functional.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}


class _Guide(TorchFunctionMode):
    """While it lasts, every ReLU, a module or a plain function, lets positive gradients through."""

    def __init__(self) -> None:
        super().__init__()
        self.met = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func in _RELUS:
            self.met += 1
            result.register_hook(lambda gradient: gradient.clamp(min=0))
        return result


# --- what is asked


def _weights(output: Tensor, target: Target) -> Tensor:
    """The weights of the outputs in the score, in the shape of the output."""
    if output.ndim not in (1, 2):
        raise ValueError(f"model: expected outputs (N,) or (N, K), got {tuple(output.shape)}")
    n, k = len(output), 1 if output.ndim == 1 else output.shape[1]
    if target is None:
        if k != 1:
            raise ValueError(f"target: expected a class, since there are {k} outputs, got None")
        return torch.ones_like(output)
    target = torch.as_tensor(target, device=output.device)
    if target.is_floating_point():
        if tuple(target.shape) not in ((k,), tuple(output.shape)):
            raise ValueError(
                f"target: expected weights ({k},) or {tuple(output.shape)}, "
                f"got {tuple(target.shape)}"
            )
        target = target.detach().to(output.dtype)
        return target.reshape(-1, *output.shape[1:]).expand(output.shape)
    if target.dtype == torch.bool or target.is_complex():
        raise TypeError(f"target: expected a class or weights, got dtype {target.dtype}")
    if tuple(target.shape) not in ((), (n,)):
        raise ValueError(f"target: expected one class or {n}, got {tuple(target.shape)}")
    if (target < 0).any() or (target >= k).any():
        raise ValueError(f"target: expected classes from 0 to {k - 1}, got {target.tolist()}")
    one_hot = torch.arange(k, device=output.device) == target.reshape(-1, 1)
    return one_hot.expand(n, k).reshape(output.shape).to(output.dtype)


def _gradient(model: nn.Module, input: Tensor, target: Target, of: Callable) -> Tensor:
    """The gradient of the score with respect to what `of()` returns once the model has run."""
    with torch.enable_grad():
        output = model(input)
        score = (_weights(output, target) * output).sum()
        return torch.autograd.grad(score, of(), materialize_grads=True)[0]


# --- looking


@torch.no_grad()
def feature_maps(model: nn.Module, input: Tensor, layers: str | Sequence[str]) -> tuple:
    """What leaves the named layers; with torchvision: `create_feature_extractor`.

    Shapes: input (N, ...); layers names as in `model.named_modules()`, or one; returns a tuple
    with the output of each layer, of a convolution (N, C, H', W').
    Raises: TypeError if model is no module or input not floating point; ValueError if input is
    empty or a layer has no such name.
    """
    names = [layers] if isinstance(layers, str) else list(layers)
    input = _examples(model, input).detach()
    with _hooked(model, names) as noted:
        model(input)
    return tuple(noted[name].to(input.dtype) for name in names)


def saliency(model: nn.Module, input: Tensor, target: Target = None, abs: bool = True) -> Tensor:
    """How much the score moves when a pixel does; `captum.attr.Saliency`.

    Shapes: input (N, ...); target a class, a class for each example (N,), weights (K,) or (N, K)
    of the outputs, or None for a single output; result as input.
    Raises: TypeError if model is no module, or input or target is of another kind; ValueError if
    input is empty or target does not fit the outputs.
    """
    input = _examples(model, input)
    gradient = _gradient(model, input, target, lambda: input)
    return gradient.abs() if abs else gradient


def guided_backprop(model: nn.Module, input: Tensor, target: Target = None) -> Tensor:
    """The gradient, cut to its positive part at each ReLU; `captum.attr.GuidedBackprop`.

    Captum finds the modules `nn.ReLU` only; this also finds the function `relu`.

    Shapes: input (N, ...); target as for saliency; result as input.
    Raises: TypeError as saliency; ValueError also if the network has no ReLU.
    """
    input = _examples(model, input)
    with _Guide() as guide:
        gradient = _gradient(model, input, target, lambda: input)
    if not guide.met:
        raise ValueError("model: expected a network with ReLU, got none")
    return gradient


def grad_cam(
    model: nn.Module, input: Tensor, layer: str, target: Target = None, relu: bool = True
) -> Tensor:
    """Where the maps of a layer raise the score; `captum.attr.LayerGradCam`.

    Shapes: input (N, C, H, W); layer a name; target as for saliency; result (N, H', W'), with
    the sides of the layer's maps.
    Raises: TypeError as saliency; ValueError if a shape, the layer or the target does not fit.
    """
    input = _examples(model, input)
    with _hooked(model, [layer]) as noted:
        gradient = _gradient(model, input, target, lambda: noted[layer])
    maps = noted[layer].detach()
    if maps.ndim != 4:
        raise ValueError(f"layer: expected one with maps (N, C, H, W), got {tuple(maps.shape)}")
    weights = gradient.mean((2, 3))
    result = torch.einsum("nc,nchw->nhw", weights, maps).to(input.dtype)
    return result.clamp(min=0) if relu else result


def class_activation_map(features: Tensor, weight: Tensor) -> Tensor:
    """The last linear layer, applied at every place: a convolution of 1 x 1.

    Shapes: features (N, C, H, W), the maps in front of the average; weight (K, C); result
    (N, K, H, W).
    Raises: TypeError if a tensor is not floating point; ValueError if the shapes do not fit.
    """
    if _real(features, "features").ndim != 4:
        got = tuple(features.shape)
        raise ValueError(f"features: expected shape (N, C, H, W), got {got}")
    if _real(weight, "weight").ndim != 2 or weight.shape[1] != features.shape[1]:
        got = tuple(weight.shape)
        raise ValueError(f"weight: expected shape (K, {features.shape[1]}), got {got}")
    result = torch.einsum("kc,nchw->nkhw", _wide(weight), _wide(features))
    return result.to(features.dtype)


def attention_maps(model: nn.Module, input: Tensor, layer: str) -> Tensor:
    """Three Grad-CAMs of a regression: what raises it, what lowers it, what keeps it small.

    Shapes: input (N, C, H, W); layer a name; the network has one output (N,) or (N, 1); result
    (3, N, H', W').
    Raises: TypeError if model is no module or input not floating point; ValueError if a shape or
    the layer does not fit.
    """
    input = _examples(model, input)
    with torch.no_grad():
        output = model(input)
    one = _weights(output, None)  # refuses several outputs
    return torch.stack(
        [grad_cam(model, input, layer, weights) for weights in (one, -one, -output.sign())]
    )


@torch.no_grad()
def occlusion(
    model: Callable,
    input: Tensor,
    target: Target = None,
    window: int | tuple[int, int] = 8,
    stride: int | tuple[int, int] | None = None,
    baseline: float | Tensor = 0.0,
) -> Tensor:
    """How far the score falls when a window is covered; `captum.attr.Occlusion`.

    Shapes: input (N, C, H, W); target as for saliency; window and stride a whole number or two;
    baseline what covers: a number, or a tensor that broadcasts to the input; result (N, H, W).
    Raises: TypeError if model is no function, or input or target is of another kind; ValueError if
    a shape or a number does not fit, or the stride is larger than the window.
    """
    if not callable(model):
        raise TypeError(f"model: expected a network, got {type(model).__name__}")
    if _real(input).ndim != 4 or input.numel() == 0:
        got = tuple(input.shape)
        raise ValueError(f"input: expected shape (N, C, H, W), not empty, got {got}")
    output = model(input)
    weights = _weights(output, target).reshape(len(input), -1)
    masks = _windows(tuple(input.shape[2:]), window, stride, input.device)
    cover, falls = torch.as_tensor(baseline, dtype=input.dtype, device=input.device), []
    for some in masks.split(16):  # windows x examples go through the network together
        covered = torch.where(some[:, None, None], cover, input).flatten(0, 1)
        change = output.reshape(1, len(input), -1) - model(covered).reshape(
            len(some), len(input), -1
        )
        falls.append((_wide(weights) * _wide(change)).sum(-1))
    covers = masks.to(falls[0].dtype)
    total = torch.einsum("mn,mhw->nhw", torch.cat(falls), covers)
    return (total / covers.sum(0)).to(input.dtype)


def _windows(sides, window, stride, device) -> Tensor:
    """Which pixels each window covers: (windows, H, W)."""
    window = shapes.whole(window, "window", 1)
    if stride is None:
        stride = tuple(max(side // 2, 1) for side in window)
    stride = shapes.whole(stride, "stride", 1)
    if any(s > w for s, w in zip(stride, window, strict=True)):
        raise ValueError(f"stride: expected at most the window {window}, got {stride}")
    down, across = (_spans(*numbers, device) for numbers in zip(sides, window, stride, strict=True))
    return (down[:, None, :, None] & across[:, None, :]).flatten(0, 1)


def _spans(side: int, window: int, stride: int, device) -> Tensor:
    """Which places of one side each window covers: (windows, side)."""
    place = torch.arange(side, device=device)
    start = torch.arange(0, max(side - window + stride, 1), stride, device=device)[:, None]
    return (place >= start) & (place < start + window)


def activation_maximization(
    model: nn.Module,
    input: Tensor,
    target: Target = None,
    layer: str | None = None,
    steps: int = 64,
    lr: float = 0.1,
    decay: float = 0.0,
    blur: float = 0.0,
    jitter: int = 0,
    generator: int | np.random.Generator = 0,
) -> tuple[Tensor, Tensor]:
    """A picture that a unit likes, by gradient ascent from the input.

    Shapes: input (N, C, H, W), where to begin; target as for saliency, with a layer the number of
    a channel; returns the picture, as input, and the scores before each step and at the end,
    (steps + 1, N).
    Raises: TypeError as saliency; ValueError if a shape, the layer, the target or a number does
    not fit.
    """
    picture = _wide(_examples(model, input, ndim=4).detach())
    (steps,), (jitter,) = shapes.whole(steps, "steps", 0, 1), shapes.whole(jitter, "jitter", 0, 1)
    if not (0 <= decay < 1 and blur >= 0 and np.isfinite(lr)):
        raise ValueError(
            f"expected 0 <= decay < 1, blur >= 0 and a finite lr, got {decay}, {blur} and {lr}"
        )
    rng = np.random.default_rng(generator)
    down, across = (_blur_matrix(side, blur, picture) for side in picture.shape[2:])
    history = []
    for _ in range(steps):
        shift = rng.integers(-jitter, jitter + 1, 2).tolist()
        moved = picture.roll(shift, (2, 3)).to(input.dtype)
        score, gradient = _score_and_gradient(model, moved, target, layer)
        history.append(score)
        gradient = _wide(gradient).roll([-s for s in shift], (2, 3))
        size = gradient.square().mean((1, 2, 3), keepdim=True).sqrt()
        direction = gradient / torch.where(size > 0, size, 1.0)
        picture = down @ ((1.0 - decay) * picture + lr * direction) @ across.T
    history.append(_score_and_gradient(model, picture.to(input.dtype), target, layer)[0])
    return picture.to(input.dtype), torch.stack(history).to(input.dtype)


def _blur_matrix(side: int, width: float, like: Tensor) -> Tensor:
    place = torch.arange(side, device=like.device, dtype=like.dtype)
    if width == 0:
        return torch.diag(torch.ones_like(place))
    bell = torch.exp(-(((place[:, None] - place) / width) ** 2) / 2)
    return bell / bell.sum(1, keepdim=True)


def _score_and_gradient(model, input, target, layer) -> tuple[Tensor, Tensor]:
    """The score of each example, (N,), and its gradient with respect to the input."""
    input = input.detach().requires_grad_()
    with torch.enable_grad(), _hooked(model, [] if layer is None else [layer]) as noted:
        output = model(input)
        if layer is None:
            score = (_weights(output, target) * output).reshape(len(input), -1).sum(1)
        else:
            maps = noted[layer]
            if not isinstance(target, int | np.integer) or not 0 <= target < maps.shape[1]:
                raise ValueError(
                    f"target: expected a channel below {maps.shape[1]}, got {target!r}"
                )
            score = maps[:, target].reshape(len(input), -1).mean(1)
        (gradient,) = torch.autograd.grad(score.sum(), input, materialize_grads=True)
    return score.detach(), gradient


@torch.no_grad()
def loss_landscape(
    objective: Callable,
    alphas: Tensor | Sequence[float],
    betas: Tensor | Sequence[float],
    *parameters: Tensor,
    generator: int | np.random.Generator = 0,
) -> Tensor:
    """The loss around the weights, in two random directions scaled filter by filter.

    For an `nn.Module`, let the objective be a `torch.func.functional_call`. The directions are
    those of the NumPy reference for the same seed.

    Shapes: objective a function of the parameters that returns a number; alphas (A,) and betas
    (B,); parameters tensors, of which the first axis counts the filters; result (A, B).
    Raises: TypeError if objective is no function or a tensor not floating point; ValueError if
    alphas or betas is no list of numbers, or there are no parameters.
    """
    if not callable(objective):
        raise TypeError(f"objective: expected a function, got {type(objective).__name__}")
    alphas, betas = (
        _real(it, name) if isinstance(it, Tensor) else torch.tensor(list(it), dtype=torch.float64)
        for it, name in ((alphas, "alphas"), (betas, "betas"))
    )
    if alphas.ndim != 1 or betas.ndim != 1:
        got = f"{tuple(alphas.shape)}, {tuple(betas.shape)}"
        raise ValueError(f"expected alphas (A,) and betas (B,), got {got}")
    if not parameters:
        raise ValueError("parameters: expected at least one tensor, got none")
    wide = [_wide(_real(tensor, "parameter")) for tensor in parameters]
    rng = np.random.default_rng(generator)
    first, second = ([_direction(tensor, rng) for tensor in wide] for _ in range(2))
    losses = [
        float(objective(*(w + a * d + b * e for w, d, e in zip(wide, first, second, strict=True))))
        for a in alphas.tolist()
        for b in betas.tolist()
    ]
    return parameters[0].new_tensor(losses).reshape(len(alphas), len(betas))


def _direction(weight: Tensor, rng: np.random.Generator) -> Tensor:
    """Random numbers, each filter as long as that of the weight; zeros for a bias."""
    direction = torch.as_tensor(rng.normal(size=tuple(weight.shape))).to(weight)
    if weight.ndim < 2:
        return torch.zeros_like(weight)
    axes = tuple(range(1, weight.ndim))
    wanted, length = (it.square().sum(axes, keepdim=True).sqrt() for it in (weight, direction))
    return direction * wanted / length.clamp(min=1e-12)
