"""Similarity, transfer and style in NumPy: the readable truth, in float64.

Embeddings are rows (N, D), one a picture; feature maps are (N, C, H, W), or (C, H, W) for a single
one. Each differentiable function `f` is followed by `f_backward(grad_output, ...)`, which returns
the gradient of each real array argument; labels have none.
"""

from collections.abc import Callable
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np

from book.losses import reference as losses
from book.losses.reference import _real, _reduce, _share
from book.optimizers.reference import Adam

__all__ = [
    "pairwise_distance", "contrastive_loss", "cosine_embedding_loss", "triplet_margin_loss",
    "mine_triplets", "verify", "equal_error_rate",
    "gram_matrix", "content_loss", "style_loss", "style_transfer", "finetune",
]  # fmt: skip

TRIPLETS = ("all", "hard", "semihard", "easy", "batch_hard")


# --- what the functions share


def _rows(first, **others):
    """Embeddings (*, D) of one shape as float64 arrays."""
    found = [_real(first)]
    if found[0].ndim == 0:
        raise ValueError("embeddings: expected shape (D,) or (N, D), got a single number")
    for name, values in others.items():
        array = _real(values, name)
        if array.shape != found[0].shape:
            raise ValueError(f"{name}: expected shape {found[0].shape}, got {array.shape}")
        found.append(array)
    return found


def _number(value, name, low, strict=False):
    """TypeError unless `value` is a number, ValueError unless it is finite and at least `low`."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    if not (low < value if strict else low <= value) or value == np.inf:
        above = "more than" if strict else "at least"
        raise ValueError(f"{name}: expected a finite number, {above} {low}, got {value}")


def _whole(value, name, low=1):
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name}: expected a whole number, got {value!r}")
    if value < low:
        raise ValueError(f"{name}: expected at least {low}, got {value}")


def _binary(target, shape, values=(0, 1)):
    """The labels as float64; ValueError unless each is one of the two values."""
    target = _real(target, "target")
    if target.shape != shape:
        raise ValueError(f"target: expected shape {shape}, one a pair, got {target.shape}")
    wrong = ~np.isin(target, values)
    if wrong.any():
        raise ValueError(f"target: expected {values[0]} or {values[1]}, got {target[wrong][0]}")
    return target


def _norm(difference, p):
    """The p-norm of each row and its gradient in that row, 0 where the norm is 0."""
    size = np.abs(difference)
    largest = size.max(axis=-1, keepdims=True, initial=0.0)
    scale = np.where(largest == 0, 1.0, largest)  # so that no power overflows
    norm = scale * ((size / scale) ** p).sum(axis=-1, keepdims=True) ** (1 / p)
    slope = np.sign(difference) * (size / np.where(norm == 0, 1.0, norm)) ** (p - 1)
    return norm[..., 0], slope


# --- how far apart two embeddings are


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    r"""The degree of difference, row by row: $d = \|x_1 - x_2 + \varepsilon\|_p$.

    The tiny $\varepsilon$ keeps two equal rows off the place where a norm has no slope.

    Shapes: x1 and x2 (*, D); result (*), or (*, 1) with keepdim.
    Raises: TypeError if an array is not real or p no number; ValueError if the shapes differ, for
    p below 1 or a negative eps.
    Source: document 001 (degree of difference); the same name in torch.nn.functional.
    """
    x1, x2 = _distant(x1, x2, p, eps)
    distance, _ = _norm(x1 - x2 + eps, p)
    return distance[..., None] if keepdim else distance


def pairwise_distance_backward(grad_output, x1, x2, p=2.0, eps=1e-6, keepdim=False):
    r"""$\partial d/\partial x_1 = \mathrm{sign}(v)\,(|v|/d)^{p-1}$ with $v = x_1 - x_2 +
    \varepsilon$: for $p = 2$ the unit vector from one to the other; minus that for $x_2$.

    Shapes: grad_output as the result of pairwise_distance; result a pair shaped as (x1, x2).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    x1, x2 = _distant(x1, x2, p, eps)
    distance, slope = _norm(x1 - x2 + eps, p)
    shape = (*distance.shape, 1) if keepdim else distance.shape
    grad = _share(grad_output, shape, "none").reshape(*distance.shape, 1) * slope
    return grad, -grad


def _distant(x1, x2, p, eps):
    _number(p, "p", 1)
    _number(eps, "eps", 0)
    return _rows(x1, x2=x2)


def contrastive_loss(x1, x2, target, margin=1.0, p=2.0, eps=1e-6, reduction="mean"):
    r"""Pull the same together, push the others apart, up to a margin $m$: with
    $d = \|x_1 - x_2\|$

    $\ell = \tfrac12\,[\,y\,d^2 + (1 - y)\,\max(m - d, 0)^2\,]$, $y = 1$ for the same.

    Shapes: x1 and x2 (*, D); target (*), 1 where both show the same and 0 where not; result (*),
    or one number if reduced.
    Raises: TypeError if an array is not real or a number is none; ValueError if the shapes do not
    fit, a target is neither 0 nor 1, a number is out of range or for another reduction.
    Source: Hadsell, Chopra and LeCun 2006 (who call the same 0); document 001, Siamese networks.
    """
    distance, _, y = _contrasted(x1, x2, target, margin, p, eps)
    doubled = y * distance**2 + (1 - y) * np.maximum(margin - distance, 0.0) ** 2
    return _reduce(doubled / 2, reduction)


def contrastive_loss_backward(
    grad_output, x1, x2, target, margin=1.0, p=2.0, eps=1e-6, reduction="mean"
):
    r"""$\partial\ell/\partial d = y\,d - (1 - y)\,\max(m - d, 0)$, times the slope of $d$.

    A pair of different things farther apart than the margin teaches nothing.

    Shapes: grad_output as the output; result a pair shaped as (x1, x2).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    distance, slope, y = _contrasted(x1, x2, target, margin, p, eps)
    grad = _share(grad_output, distance.shape, reduction)
    grad = grad * (y * distance - (1 - y) * np.maximum(margin - distance, 0.0))
    grad_x1 = grad[..., None] * slope
    return grad_x1, -grad_x1


def _contrasted(x1, x2, target, margin, p, eps):
    _number(margin, "margin", 0)
    x1, x2 = _distant(x1, x2, p, eps)
    distance, slope = _norm(x1 - x2 + eps, p)
    return distance, slope, _binary(target, distance.shape)


def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction="mean"):
    r"""The same with a similarity, the cosine $c = a \cdot b / \|a\|\|b\|$: $1 - c$ for pairs of
    the same (target 1), $\max(c - m, 0)$ for others (target -1).

    Shapes: input1 and input2 (*, D); target (*), 1 or -1; result (*), or one number if reduced.
    Raises: TypeError if an array is not real or margin no number; ValueError if the shapes do not
    fit, a target is neither 1 nor -1, the margin is not in [-1, 1] or for another reduction.
    Source: the same name in torch.nn.functional; document 001 (the dot product of features).
    """
    cosine, *_, y = _compared(input1, input2, target, margin)
    return _reduce(np.where(y > 0, 1.0 - cosine, np.maximum(cosine - margin, 0.0)), reduction)


def cosine_embedding_loss_backward(
    grad_output, input1, input2, target, margin=0.0, reduction="mean"
):
    r"""$\partial c/\partial a = (\hat b - c\,\hat a)/\|a\|$: it only turns $a$, and more the
    shorter it is.

    Shapes: grad_output as the output; result a pair shaped as (input1, input2).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    cosine, a, b, y = _compared(input1, input2, target, margin)
    grad = _share(grad_output, cosine.shape, reduction)
    grad = grad * np.where(y > 0, -1.0, np.where(cosine - margin >= 0, 1.0, 0.0))
    length = np.sqrt((a**2).sum(-1) + TINY), np.sqrt((b**2).sum(-1) + TINY)
    c, la, lb, grad = (array[..., None] for array in (cosine, *length, grad))
    return grad * (b / lb - c * a / la) / la, grad * (a / la - c * b / lb) / lb


TINY = 1e-12  # what PyTorch adds to a squared length, so that it is never 0


def _compared(input1, input2, target, margin):
    _number(margin, "margin", -1)
    if margin > 1:
        raise ValueError(f"margin: expected a number from -1 to 1, got {margin}")
    a, b = _rows(input1, input2=input2)
    product = ((a**2).sum(-1) + TINY) * ((b**2).sum(-1) + TINY)
    cosine = (a * b).sum(-1) / np.sqrt(product)
    return cosine, a, b, _binary(target, cosine.shape, (-1, 1))


def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False, reduction="mean"
):
    r"""The positive shall be nearer to the anchor than the negative, by a margin:
    $\ell = \max(\|a - p\| - \|a - n\| + \alpha,\ 0)$.

    With swap, the distance from positive to negative counts where it is smaller than that from
    the anchor.

    Shapes: anchor, positive and negative (*, D); result (*), or one number if reduced.
    Raises: TypeError if an array is not real or a number is none; ValueError if the shapes differ,
    a number is out of range or for another reduction.
    Source: document 001 (without squares); Schroff et al. 2015, FaceNet, with them.
    """
    (near, _), (far, _, _) = _triplet(anchor, positive, negative, margin, p, eps, swap)
    return _reduce(np.maximum(near - far + margin, 0.0), reduction)


def triplet_margin_loss_backward(
    grad_output, anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False,
    reduction="mean",
):  # fmt: skip
    r"""Where the margin is violated the positive is pulled and the negative pushed, both with
    strength 1 along the line to the anchor; elsewhere nothing moves.

    Shapes: grad_output as the output; result three arrays shaped as (anchor, positive, negative).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    (near, pull), (far, push, swapped) = _triplet(anchor, positive, negative, margin, p, eps, swap)
    grad = _share(grad_output, near.shape, reduction) * (near - far + margin >= 0)
    pull, push, swapped = grad[..., None] * pull, grad[..., None] * push, swapped[..., None]
    from_anchor, from_positive = np.where(swapped, 0.0, push), np.where(swapped, push, 0.0)
    return pull - from_anchor, -pull - from_positive, push


def _triplet(anchor, positive, negative, margin, p, eps, swap):
    """Distance and slope of the positive, and of the negative, and where that is swapped."""
    _number(margin, "margin", 0, strict=True)
    _distant(anchor, positive, p, eps)
    a, p_, n = _rows(anchor, positive=positive, negative=negative)
    far, push = _norm(a - n + eps, p)
    swapped = np.zeros(far.shape, dtype=bool)
    if swap:
        other, other_push = _norm(p_ - n + eps, p)
        swapped = other < far
        far = np.where(swapped, other, far)
        push = np.where(swapped[..., None], other_push, push)
    return _norm(a - p_ + eps, p), (far, push, swapped)


def mine_triplets(embeddings, labels, margin=0.2, type_of_triplets="all"):
    r"""Which triplets of a batch are worth learning from, by $g = \|a - n\| - \|a - p\|$.

    'all': $g \le$ margin, all that cost something; of these 'hard' has the negative at least as
    near as the positive, $g \le 0$, and 'semihard' the rest. 'easy': $g >$ margin. 'batch_hard'
    takes for each anchor its farthest positive and its nearest negative, whatever they cost.

    Shapes: embeddings (N, D); labels (N,), whole numbers; result three index arrays (T,), anchors,
    positives and negatives, in order.
    Raises: TypeError if embeddings are not real, labels not whole or margin no number; ValueError
    if shapes do not fit, a number is out of range or for another type.
    Source: Schroff et al. 2015 (semi-hard); Hermans et al. 2017 (batch hard); names and margin as
    in pytorch-metric-learning.
    """
    _number(margin, "margin", 0)
    if type_of_triplets not in TRIPLETS:
        raise ValueError(f"type_of_triplets: expected one of {TRIPLETS}, got {type_of_triplets!r}")
    embeddings, labels = _real(embeddings, "embeddings"), np.asarray(labels)
    if embeddings.ndim != 2:
        raise ValueError(f"embeddings: expected shape (N, D), got {embeddings.shape}")
    if labels.dtype.kind not in "biu":
        raise TypeError(f"labels: expected whole numbers, got dtype {labels.dtype}")
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(f"labels: expected shape {embeddings.shape[:1]}, got {labels.shape}")
    distance = np.sqrt(((embeddings[:, None] - embeddings) ** 2).sum(axis=-1))  # (N, N)
    same = labels[:, None] == labels
    positive = same & ~np.eye(len(labels), dtype=bool)
    if type_of_triplets == "batch_hard":
        (anchors,) = np.nonzero(positive.any(axis=1) & ~same.all(axis=1))
        if not anchors.size:
            return anchors, anchors, anchors
        farthest = np.where(positive, distance, -np.inf)[anchors].argmax(axis=1)
        nearest = np.where(same, np.inf, distance)[anchors].argmin(axis=1)
        return anchors, farthest, nearest
    gap = distance[:, None, :] - distance[:, :, None]  # (anchor, positive, negative)
    wanted = {
        "all": gap <= margin,
        "hard": (gap <= margin) & (gap <= 0),
        "semihard": (gap <= margin) & (gap > 0),
        "easy": gap > margin,
    }[type_of_triplets]
    return np.nonzero(positive[:, :, None] & ~same[:, None, :] & wanted)


# --- yes or no


def verify(x1, x2, threshold, p=2.0):
    r"""Are these two the same? Yes if $d(x_1, x_2) \le \tau$.

    Shapes: x1 and x2 (*, D), embeddings; threshold a number; result (*), booleans.
    Raises: TypeError if an array is not real or a number is none; ValueError if the shapes differ
    or a number is out of range.
    Source: document 001 (one-shot learning).
    """
    _number(threshold, "threshold", 0)
    return pairwise_distance(x1, x2, p, eps=0.0) <= threshold


def equal_error_rate(distance, same):
    r"""The threshold at which as many impostors are let in as genuine are turned away, and that
    rate.

    Of the thresholds $\tau$ among the distances, the first with the smallest
    $|\mathrm{FAR}(\tau) - \mathrm{FRR}(\tau)|$, FAR the share of different pairs with $d \le
    \tau$ and FRR the share of same pairs with $d > \tau$; the rate is the mean of both.

    Shapes: distance (N,); same (N,), 1 for pairs of the same and 0 for others; result two numbers,
    the rate and the threshold.
    Raises: TypeError if an array is not real; ValueError if shapes differ, distances are not
    finite, same is neither 0 nor 1, or one of both kinds is missing.
    Source: the ROC curve of verification; Fawcett 2006.
    """
    distance = _real(distance, "distance")
    if distance.ndim != 1:
        raise ValueError(f"distance: expected shape (N,), got {distance.shape}")
    same = _binary(same, distance.shape) == 1
    genuine, impostors = int(same.sum()), int((~same).sum())
    if not genuine or not impostors:
        raise ValueError(f"same: expected pairs of both kinds, got {genuine} of {same.size} same")
    if not np.isfinite(distance).all():
        raise ValueError("distance: expected finite numbers, got NaN or infinity")
    order = np.argsort(distance, kind="stable")
    sorted_distance, sorted_same = distance[order], same[order]
    last = np.append(sorted_distance[1:] != sorted_distance[:-1], True)  # of equal distances
    let_in = np.cumsum(~sorted_same)[last]
    turned_away = genuine - np.cumsum(sorted_same)[last]
    best = np.abs(let_in * genuine - turned_away * impostors).argmin()  # whole numbers: no rounding
    rate = (let_in[best] / impostors + turned_away[best] / genuine) / 2
    return rate, sorted_distance[last][best]


# --- style


def gram_matrix(input, normalize=True):
    r"""Which features occur together, wherever they are: $G_{kl} = \sum_{ij} F_{kij} F_{lij}$.

    With normalize the sum is divided by $C H W$, so that pictures of any size compare.

    Shapes: input (N, C, H, W) or (C, H, W); result (N, C, C) or (C, C).
    Raises: TypeError if input is not real; ValueError if its shape does not fit.
    Source: Gatys, Ecker and Bethge 2016; document 001 (style cost).
    """
    flat, scale = _flat(input, normalize)
    return flat @ flat.swapaxes(-1, -2) * scale


def gram_matrix_backward(grad_output, input, normalize=True):
    r"""$(g + g^\top)\,F$ in the shape of the input, divided as the matrix was.

    Shapes: grad_output as the result of gram_matrix; result as input.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    flat, scale = _flat(input, normalize)
    g = _share(grad_output, (*flat.shape[:-1], flat.shape[-2]), "none")
    return ((g + g.swapaxes(-1, -2)) @ flat * scale).reshape(np.shape(input))


def _flat(input, normalize):
    """Maps as rows (*, C, H · W), and what their Gram matrix is multiplied with."""
    input = _maps(input)
    flat = input.reshape(*input.shape[:-2], input.shape[-2] * input.shape[-1])
    return flat, 1.0 / max(1, flat.shape[-1] * flat.shape[-2]) if normalize else 1.0


def _maps(input, name="input"):
    input = _real(input, name)
    if input.ndim not in (3, 4):
        raise ValueError(f"{name}: expected shape (N, C, H, W) or (C, H, W), got {input.shape}")
    return input


def content_loss(input, target):
    r"""Do the same features stand at the same places? The mean of $(F - F^\star)^2$.

    Of the features of a network that sees, it is the perceptual loss.

    Shapes: input and target (N, C, H, W) or (C, H, W), the same; result one number.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    Source: Gatys et al. 2016 (half the sum); Johnson et al. 2016 (the mean); document 001.
    """
    return losses.mse_loss(_maps(input), _maps(target, "target"))


def content_loss_backward(grad_output, input, target):
    r"""$2\,(F - F^\star)$ over the number of features; minus that for the target.

    Shapes: grad_output one number; result a pair shaped as (input, target).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    return losses.mse_loss_backward(grad_output, _maps(input), _maps(target, "target"))


def style_loss(input, target):
    r"""Do the same features occur together? $\|G(F) - G(F^\star)\|^2$, the mean over the batch.

    Gram matrices forget places and sizes: the target may have another height and width.

    Shapes: input (N, C, H, W) or (C, H, W), target alike but for its sides; result one number.
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    Source: Johnson et al. 2016; a quarter of it is one layer of Gatys et al. 2016; document 001.
    """
    difference, count = _styles(input, target)
    return (difference**2).sum() / count


def style_loss_backward(grad_output, input, target):
    r"""$2\,(G - G^\star)$ through `gram_matrix_backward`; minus that through the target's.

    Shapes: grad_output one number; result a pair shaped as (input, target).
    Raises: TypeError if an array is not real; ValueError if the shapes do not fit.
    """
    difference, count = _styles(input, target)
    grad = _share(grad_output, (), "none") * 2.0 * difference / count
    return gram_matrix_backward(grad, input), gram_matrix_backward(-grad, target)


def _styles(input, target):
    """The difference of the Gram matrices, and how many there are: NaN for none, as in a mean."""
    input, target = _maps(input), _maps(target, "target")
    if input.shape[:-2] != target.shape[:-2]:
        expected = (*input.shape[:-2], "H", "W")
        raise ValueError(f"target: expected shape {expected}, got {target.shape}")
    count = len(input) if input.ndim == 4 else 1
    return gram_matrix(input) - gram_matrix(target), count or np.nan


# --- networks that are used again


class Layer(NamedTuple):
    """A layer in NumPy: what it computes, its gradient by hand, its parameters.

    `forward(x, *parameters)` is the output; `backward(grad_output, x, *parameters)` the gradients
    of x and of each parameter. A network is a list of layers.

    Shapes: those of the layer. Raises: nothing.
    """

    forward: Callable
    backward: Callable
    parameters: tuple = ()


def _run(network, x):
    """The output of each layer, the input before them: one more than there are layers."""
    seen = [x]
    for layer in network:
        seen.append(layer.forward(seen[-1], *layer.parameters))
    return seen


def _run_back(network, seen, grads):
    """The gradient of the input, and those of all parameters, layer by layer.

    grads : for each layer the gradient that enters at its output from outside, or None.
    """
    grad, of_parameters = None, []
    for layer, x, extra in reversed(list(zip(network, seen[:-1], grads, strict=True))):
        if extra is not None:
            grad = extra if grad is None else grad + extra
        if grad is None:  # nothing behind this layer counts
            continue
        found = layer.backward(grad, x, *layer.parameters)
        grad, *others = found if isinstance(found, tuple) else (found,)
        of_parameters.insert(0, others)
    return grad, of_parameters


def style_transfer(
    content, style, network, content_layers=(-1,), style_layers=(-1,), content_weight=1.0,
    style_weight=1.0, init=None, steps=100, lr=0.05, limits=None,
):  # fmt: skip
    r"""A picture with the content of one and the style of another: Adam on the *pixels* lowers
    $J(G) = \alpha\,J_{\text{content}}(C, G) + \beta\,J_{\text{style}}(S, G)$.

    Both costs are means over their layers. The network is not trained; it only looks.

    Shapes: content (C, H, W) or (1, C, H, W); style alike but for its sides; network a list of
    `Layer`; init, where to start, as content, which is the default; limits None or the least and
    the largest value of a pixel; result the picture as content, and the two costs before each
    step, (steps, 2).
    Raises: TypeError if an array is not real or a number is none; ValueError if shapes do not fit,
    a number is out of range, or a layer does not exist.
    Source: Gatys, Ecker and Bethge 2016; document 001 (neural style transfer).
    """
    network = list(network)
    _check_transfer(len(network), content_layers, style_layers, content_weight, style_weight,
                    steps, lr, limits)  # fmt: skip
    content, style = _maps(content, "content"), _maps(style, "style")
    image = content.copy() if init is None else _maps(init, "init").copy()
    if image.shape != content.shape:
        raise ValueError(f"init: expected the shape of content, {content.shape}, got {image.shape}")
    of_content, of_style = _run(network, content)[1:], _run(network, style)[1:]
    state, costs = {}, np.zeros((steps, 2))
    for step in range(steps):
        seen = _run(network, image)
        features, grads = seen[1:], [None] * len(network)
        terms = [
            (content_layers, content_loss, content_loss_backward, of_content, content_weight),
            (style_layers, style_loss, style_loss_backward, of_style, style_weight),
        ]
        for column, (layers, loss, loss_backward, targets, weight) in enumerate(terms):
            for k in layers:
                costs[step, column] += loss(features[k], targets[k]) / len(layers)
                grad, _ = loss_backward(weight / len(layers), features[k], targets[k])
                grads[k] = grad if grads[k] is None else grads[k] + grad
        grad, _ = _run_back(network, seen, grads)
        image = Adam.update(image, grad, state, lr, (0.9, 0.999), 1e-8, 0.0, False)
        if limits is not None:
            image = np.clip(image, *limits)
    return image, costs


def _check_transfer(count, content_layers, style_layers, content_weight, style_weight, steps, lr,
                    limits):  # fmt: skip
    for name, layers in (("content_layers", content_layers), ("style_layers", style_layers)):
        bad = [k for k in layers if not isinstance(k, Integral) or not -count <= k < count]
        if bad or not len(layers):
            got = bad[0] if bad else "none"
            raise ValueError(f"{name}: expected numbers of the {count} layers, got {got}")
    _number(content_weight, "content_weight", 0)
    _number(style_weight, "style_weight", 0)
    _whole(steps, "steps")
    _number(lr, "lr", 0, strict=True)
    if limits is not None and not (len(limits) == 2 and limits[0] < limits[1]):
        raise ValueError(f"limits: expected the least and the largest value, got {limits}")


def finetune(body, head, x, y, steps=100, lr=0.01, body_lr=0.0):
    r"""Train a new head on a body that was trained for something else, on all of x, y with Adam.

    With body_lr 0 the body is **frozen**: its features are computed once and only the head
    learns. With a small body_lr the body is **fine-tuned** along. Both are changed in place.

    Shapes: body and head networks (lists of `Layer`) with head(body(x)) of shape (N, K); y (N,),
    classes; result the cross-entropy before each step, (steps,).
    Raises: TypeError if x is not real, y not whole or a number is none; ValueError if there are
    not as many y as x, or a number is out of range; IndexError if a class does not exist.
    Source: documents 001, 002 and 003 (transfer learning).
    """
    _check_finetune(steps, lr, body_lr)
    x, y, body, head = _real(x, "x"), np.asarray(y), list(body), list(head)
    network, lrs = head, [lr] * len(head)
    if body_lr:
        network, lrs = body + head, [body_lr] * len(body) + lrs
    else:
        x = _run(body, x)[-1]
    states = [[{} for _ in layer.parameters] for layer in network]
    costs = np.zeros(steps)
    for step in range(steps):
        seen = _run(network, x)
        costs[step] = losses.cross_entropy(seen[-1], y)
        grad = losses.cross_entropy_backward(1.0, seen[-1], y)
        _, grads = _run_back(network, seen, [None] * (len(network) - 1) + [grad])
        for layer, rate, state, of_layer in zip(network, lrs, states, grads, strict=True):
            for param, memory, grad in zip(layer.parameters, state, of_layer, strict=True):
                param[...] = Adam.update(param, grad, memory, rate, (0.9, 0.999), 1e-8, 0.0, False)
    return costs


def _check_finetune(steps, lr, body_lr):
    _whole(steps, "steps")
    _number(lr, "lr", 0, strict=True)
    _number(body_lr, "body_lr", 0)
