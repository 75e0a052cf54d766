r"""Looking inside networks in NumPy: the readable truth, in float64.

A network is one of the convolution chapter: called with an input it returns an output, and its
`backward(grad_output)` returns the gradient of that input. To look inside, a layer is replaced for
a moment by one that notes what passes. What is asked of an output, its score, is
$s = \sum_k v_k y_k$ with weights $v$, most often 1 for one class and 0 for the others.
"""

from contextlib import contextmanager

import numpy as np

from book.activations import reference as activations
from book.convolution import reference as convolution
from book.convolution import shapes

__all__ = [
    "feature_maps", "saliency", "guided_backprop", "grad_cam", "class_activation_map",
    "attention_maps", "occlusion", "activation_maximization", "loss_landscape",
]  # fmt: skip


def _real(values, name="input"):
    """`values` as a float64 array; TypeError if they are not real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got an array of dtype {array.dtype}")
    return array.astype(np.float64, copy=False)


def _examples(model, input, ndim=None):
    """The input as an array of at least one example; the model must be able to go back."""
    if not callable(model) or not hasattr(model, "backward"):
        raise TypeError(f"model: expected a network with `backward`, got {type(model).__name__}")
    input = _real(input)
    if input.size == 0 or input.ndim < 2 or ndim not in (None, input.ndim):
        expected = "(N, C, H, W)" if ndim == 4 else "(N, ...)"
        raise ValueError(f"input: expected shape {expected}, not empty, got {input.shape}")
    return input


# --- hooks


class _Hook(convolution._Module):
    """Stands in a layer's place for a while, and notes what passes in both directions."""

    def __init__(self, layer):
        self.layer, self.added = layer, 0.0

    def __call__(self, input):
        self.output = self.layer(input)
        return self.output

    def backward(self, grad_output):
        self.grad_output = grad_output + self.added  # `added`: what is asked of this very layer
        return self.layer.backward(self.grad_output)


class _Guide(_Hook):
    """In the place of a ReLU: lets only positive gradients through."""

    def backward(self, grad_output):
        return self.layer.backward(np.maximum(grad_output, 0.0))


@contextmanager
def _hooked(places, hook=_Hook):
    """A hook in each place (parent, name), which is empty again afterwards."""
    layers = [getattr(parent, name) for parent, name in places]
    hooks = [hook(layer) for layer in layers]
    for (parent, name), it in zip(places, hooks, strict=True):
        setattr(parent, name, it)
    try:
        yield hooks
    finally:
        for (parent, name), layer in zip(places, layers, strict=True):
            setattr(parent, name, layer)


def _places(network, prefix=""):
    """Where the layers are: {"layer1.0.conv1": (parent, "conv1")}, named as in PyTorch."""
    found = {}
    for name, child in network.children().items():
        found[prefix + name] = network, name
        found |= _places(child, f"{prefix}{name}.")
    return found


def _place(network, layer):
    known = _places(network)
    if layer not in known:
        raise ValueError(f"layer: expected one of {', '.join(known)}, got {layer!r}")
    return known[layer]


# --- what is asked


def _weights(output, target):
    """The weights v of the outputs in the score, in the shape of the output."""
    if output.ndim not in (1, 2):
        raise ValueError(f"model: expected outputs (N,) or (N, K), got {output.shape}")
    n, k = len(output), 1 if output.ndim == 1 else output.shape[1]
    if target is None:
        if k != 1:
            raise ValueError(f"target: expected a class, since there are {k} outputs, got None")
        return np.ones_like(output)
    target = np.asarray(target)
    if target.dtype.kind == "f":
        if target.shape not in ((k,), output.shape):
            raise ValueError(
                f"target: expected weights ({k},) or {output.shape}, got {target.shape}"
            )
        return np.broadcast_to(target.reshape(-1, *output.shape[1:]), output.shape)
    if target.dtype.kind not in "iu":
        raise TypeError(f"target: expected a class or weights, got dtype {target.dtype}")
    if target.shape not in ((), (n,)):
        raise ValueError(f"target: expected one class or {n}, got {target.shape}")
    if (target < 0).any() or (target >= k).any():
        raise ValueError(f"target: expected classes from 0 to {k - 1}, got {target}")
    one_hot = (np.arange(k) == target.reshape(-1, 1)).astype(np.float64)
    return np.broadcast_to(one_hot, (n, k)).reshape(output.shape)


def _input_gradient(model, input, target):
    """The gradient of each example's score with respect to its input."""
    output = model(input)
    return model.backward(_weights(output, target))


# --- looking


def feature_maps(model, input, layers):
    r"""What leaves the named layers on the way from the input to the output.

    Shapes: input (N, ...); layers names such as ("conv1", "layer2.0"), or one; returns a tuple
    with the output of each layer, of a convolution (N, C, H', W').
    Raises: TypeError if model is no network or input is not real; ValueError if input is empty or
    a layer has no such name.
    Source: Zeiler and Fergus 2014; documents 000, 002 and 003, layer visualization.
    """
    input = _examples(model, input)
    places = [_place(model, name) for name in ([layers] if isinstance(layers, str) else layers)]
    with _hooked(places) as hooks:
        model(input)
    return tuple(hook.output for hook in hooks)


def saliency(model, input, target=None, abs=True):
    r"""$\lvert\partial s / \partial x\rvert$: how much the score moves when a pixel does.

    Without abs it is the gradient with its sign.

    Shapes: input (N, ...); target a class, a class for each example (N,), weights (K,) or (N, K)
    of the outputs, or None for a single output; result as input.
    Raises: TypeError if model is no network, or input or target is of another kind; ValueError if
    input is empty or target does not fit the outputs.
    Source: Simonyan, Vedaldi and Zisserman 2014; document 000, attention maps.
    """
    gradient = _input_gradient(model, _examples(model, input), target)
    return np.abs(gradient) if abs else gradient


def guided_backprop(model, input, target=None):
    r"""The gradient, cut to its positive part at each ReLU on the way back.

    Through $y = \max(0, x)$ goes $\max(0, g)\,[x > 0]$ in place of $g\,[x > 0]$. What comes out is
    sharp, but it is no gradient of anything.

    Shapes: input (N, ...); target as for saliency; result as input.
    Raises: TypeError as saliency; ValueError also if the network has no ReLU.
    Source: Springenberg et al. 2015; near to Zeiler and Fergus 2014, whom document 000 names.
    """
    input = _examples(model, input)
    relus = [
        (parent, name)
        for parent, name in _places(model).values()
        if getattr(getattr(parent, name), "functions", [None])[0] is activations.relu
    ]
    if not relus:
        raise ValueError("model: expected a network with ReLU, got none")
    with _hooked(relus, _Guide):
        return _input_gradient(model, input, target)


def grad_cam(model, input, layer, target=None, relu=True):
    r"""$\max(0, \sum_c a_c A_c)$ with $a_c$ the mean of $\partial s / \partial A_c$ over places.

    $A_c$ are the maps of a layer: where is what raises the score? For a regression the weights +1
    and -1 as target ask for what raises and what lowers it.

    Shapes: input (N, C, H, W); layer a name; target as for saliency; result (N, H', W'), with
    the sides of the layer's maps.
    Raises: TypeError as saliency; ValueError if a shape, the layer or the target does not fit.
    Source: Selvaraju et al. 2017; document 000.
    """
    input = _examples(model, input)
    with _hooked([_place(model, layer)]) as (hook,):
        _input_gradient(model, input, target)
    maps, gradient = hook.output, hook.grad_output
    if maps.ndim != 4:
        raise ValueError(f"layer: expected one with maps (N, C, H, W), got {maps.shape}")
    weights = gradient.mean(axis=(2, 3))
    result = np.einsum("nc,nchw->nhw", weights, maps)
    return np.maximum(result, 0.0) if relu else result


def class_activation_map(features, weight):
    r"""$M_k = \sum_c w_{kc} A_c$: the last linear layer, applied at every place.

    Of a network that ends in an average over places and a linear layer; the mean of $M_k$ is then
    the score of class $k$, up to its bias.

    Shapes: features (N, C, H, W), the maps in front of the average; weight (K, C); result
    (N, K, H, W).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    Source: Zhou et al. 2016; document 000.
    """
    features, weight = _cam_inputs(features, weight)
    return np.einsum("kc,nchw->nkhw", weight, features)


def class_activation_map_backward(grad_output, features, weight):
    r"""Of a matrix product at each place: $w^\top g$ for the maps, $\sum g A^\top$ for $w$.

    Shapes: grad_output as the result of class_activation_map; returns the gradients of features
    and weight.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    features, weight = _cam_inputs(features, weight)
    n, _, height, width = features.shape
    g, expected = _real(grad_output, "grad_output"), (n, len(weight), height, width)
    if g.shape != expected:
        raise ValueError(f"grad_output: expected shape {expected}, got {g.shape}")
    return np.einsum("kc,nkhw->nchw", weight, g), np.einsum("nkhw,nchw->kc", g, features)


def _cam_inputs(features, weight):
    features, weight = _real(features, "features"), _real(weight, "weight")
    if features.ndim != 4:
        raise ValueError(f"features: expected shape (N, C, H, W), got {features.shape}")
    if weight.ndim != 2 or weight.shape[1] != features.shape[1]:
        raise ValueError(f"weight: expected shape (K, {features.shape[1]}), got {weight.shape}")
    return features, weight


def attention_maps(model, input, layer):
    r"""Three Grad-CAMs of a regression: what raises $y$, what lowers it, what keeps it small.

    For a steering wheel with positive angles to the right: what says right, what says left, and
    what says straight on. The third asks for a smaller $|y|$: the weight is $-\mathrm{sign}(y)$.

    Shapes: input (N, C, H, W); layer a name; the network has one output (N,) or (N, 1); result
    (3, N, H', W').
    Raises: TypeError if model is no network or input not real; ValueError if a shape or the layer
    does not fit.
    Source: document 000, attention maps of a self-driving car (there by keras-vis, erratum E09).
    """
    input = _examples(model, input)
    output = model(input)
    _weights(output, None)  # refuses several outputs
    asked = (np.ones_like(output), -np.ones_like(output), -np.sign(output))
    return np.stack([grad_cam(model, input, layer, weights) for weights in asked])


def occlusion(model, input, target=None, window=8, stride=None, baseline=0.0):
    r"""How far the score falls when a window is covered: for each pixel, the mean over windows.

    Windows stand `stride` apart (half of the window unless given), the last ones cut off by the
    edge. No gradient is needed, only patience: one forward pass for each window.

    Shapes: input (N, C, H, W); target as for saliency; window and stride a whole number or two;
    baseline what covers: a number, or an array that broadcasts to the input; result (N, H, W).
    Raises: TypeError if model is no function, or input or target is of another kind; ValueError if
    a shape or a number does not fit, or the stride is larger than the window.
    Source: Zeiler and Fergus 2014; `captum.attr.Occlusion`; document 000.
    """
    if not callable(model):
        raise TypeError(f"model: expected a network, got {type(model).__name__}")
    input = _real(input)
    if input.ndim != 4 or input.size == 0:
        raise ValueError(f"input: expected shape (N, C, H, W), not empty, got {input.shape}")
    n, _, *sides = input.shape
    output = model(input)
    weights = _weights(output, target).reshape(n, -1)
    cover = np.broadcast_to(_real(baseline, "baseline"), input.shape)
    total, count = np.zeros((n, *sides)), np.zeros(sides)
    for rows, columns in _windows(sides, window, stride):
        covered = input.copy()
        covered[..., rows, columns] = cover[..., rows, columns]
        fall = (weights * (output - model(covered)).reshape(n, -1)).sum(axis=1)
        total[:, rows, columns] += fall[:, None, None]
        count[rows, columns] += 1
    return total / count


def _windows(sides, window, stride):
    """The slices (rows, columns) of all windows, until the edge is reached."""
    window = shapes.whole(window, "window", 1)
    if stride is None:
        stride = tuple(max(side // 2, 1) for side in window)
    stride = shapes.whole(stride, "stride", 1)
    if any(s > w for s, w in zip(stride, window, strict=True)):
        raise ValueError(f"stride: expected at most the window {window}, got {stride}")
    down, across = (
        [slice(start, start + w) for start in range(0, max(side - w + s, 1), s)]
        for side, w, s in zip(sides, window, stride, strict=True)
    )
    return [(rows, columns) for rows in down for columns in across]


def activation_maximization(
    model,
    input,
    target=None,
    layer=None,
    steps=64,
    lr=0.1,
    decay=0.0,
    blur=0.0,
    jitter=0,
    generator=0,
):
    r"""A picture that a unit likes: $x \leftarrow (1 - \text{decay})\,x + \text{lr}\;g / \lVert g
    \rVert$, climbing from the input.

    $g$ is the gradient of the score, $\lVert g \rVert$ its root mean square over an example. With
    a layer, the score is the mean of its channel `target`. Blur (a Gaussian's width in pixels) and
    decay after each step keep noise down; jitter shifts the picture about by up to so many pixels
    before each step, in ways drawn from the generator, so that no pixel is special.

    Shapes: input (N, C, H, W), where to begin; target as for saliency, with a layer the number of
    a channel; returns the picture, as input, and the scores before each step and at the end,
    (steps + 1, N).
    Raises: TypeError as saliency; ValueError if a shape, the layer, the target or a number does
    not fit.
    Source: Erhan et al. 2009, Yosinski et al. 2015; document 000, the deep visualization toolbox.
    """
    picture = _examples(model, input, ndim=4)
    (steps,), (jitter,) = shapes.whole(steps, "steps", 0, 1), shapes.whole(jitter, "jitter", 0, 1)
    if not (0 <= decay < 1 and blur >= 0 and np.isfinite(lr)):
        raise ValueError(
            f"expected 0 <= decay < 1, blur >= 0 and a finite lr, got {decay}, {blur} and {lr}"
        )
    rng = np.random.default_rng(generator)
    down, across = (_blur_matrix(side, blur) for side in picture.shape[2:])
    history = []
    for _ in range(steps):
        shift = rng.integers(-jitter, jitter + 1, 2)
        moved = np.roll(picture, shift, axis=(2, 3))
        score, gradient = _score_and_gradient(model, moved, target, layer)
        history.append(score)
        gradient = np.roll(gradient, -shift, axis=(2, 3))
        size = np.sqrt((gradient**2).mean(axis=(1, 2, 3), keepdims=True))
        direction = np.divide(gradient, size, out=np.zeros_like(gradient), where=size > 0)
        picture = down @ ((1.0 - decay) * picture + lr * direction) @ across.T
    history.append(_score_and_gradient(model, picture, target, layer)[0])
    return picture, np.array(history)


def _blur_matrix(side, width):
    """(side, side): each row a Gaussian around its place, with sum 1."""
    if width == 0:
        return np.eye(side)
    place = np.arange(side)
    bell = np.exp(-(((place[:, None] - place) / width) ** 2) / 2)
    return bell / bell.sum(axis=1, keepdims=True)


def _score_and_gradient(model, input, target, layer):
    """The score of each example, (N,), and its gradient with respect to the input."""
    n = len(input)
    if layer is None:
        output = model(input)
        weights = _weights(output, target)
        return (weights * output).reshape(n, -1).sum(axis=1), model.backward(weights)
    with _hooked([_place(model, layer)]) as (hook,):
        output = model(input)
        maps = hook.output
        channels = maps.shape[1]
        if not isinstance(target, int | np.integer) or not 0 <= target < channels:
            raise ValueError(f"target: expected a channel below {channels}, got {target!r}")
        of_channel = maps.reshape(n, channels, -1)[:, target]
        hook.added = np.zeros_like(maps)
        hook.added[:, target] = 1.0 / of_channel.shape[1]
        return of_channel.mean(axis=1), model.backward(np.zeros_like(output))


def loss_landscape(objective, alphas, betas, *parameters, generator=0):
    r"""The loss around the weights, $L(w + \alpha d_1 + \beta d_2)$, in two random directions.

    In both, each filter of $d$ is scaled to the length of the same filter of $w$. Otherwise the
    picture depends on how large the weights happen to be, which says nothing where a layer's scale
    does not matter. Biases and other lists of numbers stay as they are.

    Shapes: objective a function of the parameters that returns a number; alphas (A,) and betas
    (B,); parameters arrays, of which the first axis counts the filters; generator a seed or a NumPy
    generator; result (A, B).
    Raises: TypeError if objective is no function or an array not real; ValueError if alphas or
    betas is no list of numbers, or there are no parameters.
    Source: Li et al. 2018; document 004 names it.
    """
    if not callable(objective):
        raise TypeError(f"objective: expected a function, got {type(objective).__name__}")
    alphas, betas = _real(alphas, "alphas"), _real(betas, "betas")
    if alphas.ndim != 1 or betas.ndim != 1:
        raise ValueError(f"expected alphas (A,) and betas (B,), got {alphas.shape}, {betas.shape}")
    if not parameters:
        raise ValueError("parameters: expected at least one array, got none")
    parameters = [_real(array, "parameter") for array in parameters]
    rng = np.random.default_rng(generator)
    first, second = ([_direction(array, rng) for array in parameters] for _ in range(2))
    losses = np.empty((len(alphas), len(betas)))
    for i, alpha in enumerate(alphas):
        for j, beta in enumerate(betas):
            moved = (
                w + alpha * d + beta * e for w, d, e in zip(parameters, first, second, strict=True)
            )
            losses[i, j] = objective(*moved)
    return losses


def _direction(weight, rng):
    """Random numbers, each filter as long as that of the weight; zeros for a bias."""
    direction = rng.normal(size=weight.shape)
    if weight.ndim < 2:
        return np.zeros_like(direction)
    axes = tuple(range(1, weight.ndim))
    wanted, length = (
        np.sqrt((array**2).sum(axis=axes, keepdims=True)) for array in (weight, direction)
    )
    return direction * wanted / np.maximum(length, 1e-12)
