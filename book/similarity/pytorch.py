"""Similarity, transfer and style in PyTorch: the same names, on any device, in any dtype.

Made of elementary tensor operations, so that autograd finds the gradients. In half precision
distances and sums are taken in float32: the difference of two distances would lose its digits.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from book.losses.pytorch import _check_values, _real, _reduce
from book.similarity.reference import (
    TINY,
    TRIPLETS,
    _check_finetune,
    _check_transfer,
    _number,
)

__all__ = [
    "pairwise_distance", "contrastive_loss", "cosine_embedding_loss", "triplet_margin_loss",
    "mine_triplets", "verify", "equal_error_rate",
    "gram_matrix", "content_loss", "style_loss", "style_transfer", "finetune",
]  # fmt: skip


# --- what the functions share


def _rows(first: Tensor, **others: Tensor) -> list[Tensor]:
    """Embeddings (*, D) of one shape, in at least float32."""
    found = [_wide(_real(first))]
    if first.ndim == 0:
        raise ValueError("embeddings: expected shape (D,) or (N, D), got a single number")
    for name, tensor in others.items():
        if _real(tensor, name).shape != first.shape:
            shapes = tuple(first.shape), tuple(tensor.shape)
            raise ValueError(f"{name}: expected shape {shapes[0]}, got {shapes[1]}")
        found.append(_wide(tensor))
    return found


def _wide(input: Tensor) -> Tensor:
    """`input` in at least float32: sums in half precision would lose most of their digits."""
    return input.float() if input.dtype.itemsize < 4 else input


def _binary(target: Tensor, shape: torch.Size, values: tuple[int, int] = (0, 1)) -> Tensor:
    """The labels without history; ValueError unless each is one of the two values."""
    if not isinstance(target, Tensor) or target.is_complex():
        got = target.dtype if isinstance(target, Tensor) else type(target).__name__
        raise TypeError(f"target: expected a tensor of real numbers, got {got}")
    target = target.detach()
    if target.shape != shape:
        shapes = tuple(shape), tuple(target.shape)
        raise ValueError(f"target: expected shape {shapes[0]}, one a pair, got {shapes[1]}")
    wrong = (target != values[0]) & (target != values[1])
    _check_values(
        wrong, lambda: f"target: expected {values[0]} or {values[1]}, got {target[wrong][0]}"
    )
    return target


# --- how far apart two embeddings are


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of the difference, row by row; fused: `F.pairwise_distance`.

    Shapes: x1 and x2 (*, D); result (*), or (*, 1) with keepdim.
    Raises: TypeError if a tensor is not floating point or p no number; ValueError if the shapes
    differ, for p below 1 or a negative eps.
    """
    return _distance(*_distant(x1, x2, p, eps), p, eps, keepdim).to(x1.dtype)


def _distance(x1: Tensor, x2: Tensor, p: float, eps: float, keepdim: bool = False) -> Tensor:
    return torch.linalg.vector_norm(x1 - x2 + eps, p, dim=-1, keepdim=keepdim)


def _distant(x1: Tensor, x2: Tensor, p: float, eps: float) -> list[Tensor]:
    _number(p, "p", 1)
    _number(eps, "eps", 0)
    return _rows(x1, x2=x2)


def contrastive_loss(
    x1: Tensor,
    x2: Tensor,
    target: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Pull the same (target 1) together, push others (0) apart, up to a margin.

    Half the square of `F.hinge_embedding_loss` of the distances.

    Shapes: x1 and x2 (*, D); target (*), 1 or 0; result (*), or one number if reduced.
    Raises: TypeError if a tensor is not floating point or a number is none; ValueError if the
    shapes do not fit, a target is neither 0 nor 1, a number is out of range or for another
    reduction.
    """
    _number(margin, "margin", 0)
    distance = _distance(*_distant(x1, x2, p, eps), p, eps)
    same = _binary(target, distance.shape) == 1
    gap = torch.where(same, distance, (margin - distance).clamp_min(0))
    return _reduce(gap**2 / 2, reduction).to(x1.dtype)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """The same with the cosine, a similarity; fused: `F.cosine_embedding_loss`.

    Shapes: input1 and input2 (*, D); target (*), 1 or -1; result (*), or one number if reduced.
    Raises: TypeError if a tensor is not floating point or margin no number; ValueError if the
    shapes do not fit, a target is neither 1 nor -1, the margin is not in [-1, 1] or for another
    reduction.
    """
    _number(margin, "margin", -1)
    if margin > 1:
        raise ValueError(f"margin: expected a number from -1 to 1, got {margin}")
    a, b = _rows(input1, input2=input2)
    length = (((a * a).sum(-1) + TINY) * ((b * b).sum(-1) + TINY)).sqrt()
    cosine = (a * b).sum(-1) / length
    same = _binary(target, cosine.shape, (-1, 1)) == 1
    losses = torch.where(same, 1 - cosine, (cosine - margin).clamp_min(0))
    return _reduce(losses, reduction).to(input1.dtype)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """The positive shall be nearer than the negative, by a margin; fused: `F.triplet_margin_loss`.

    Shapes: anchor, positive and negative (*, D); result (*), or one number if reduced.
    Raises: TypeError if a tensor is not floating point or a number is none; ValueError if the
    shapes differ, a number is out of range or for another reduction.
    """
    _number(margin, "margin", 0, strict=True)
    _distant(anchor, positive, p, eps)
    a, near_one, far_one = _rows(anchor, positive=positive, negative=negative)
    far = _distance(a, far_one, p, eps)
    if swap:
        far = torch.minimum(far, _distance(near_one, far_one, p, eps))
    losses = (_distance(a, near_one, p, eps) - far + margin).clamp_min(0)
    return _reduce(losses, reduction).to(anchor.dtype)


@torch.no_grad()
def mine_triplets(
    embeddings: Tensor, labels: Tensor, margin: float = 0.2, type_of_triplets: str = "all"
) -> tuple[Tensor, Tensor, Tensor]:
    """The triplets of a batch worth learning from; pytorch-metric-learning's TripletMarginMiner.

    Shapes: embeddings (N, D); labels (N,), whole numbers; result three index tensors (T,).
    Raises: TypeError if embeddings are not floating point, labels not whole or margin no number;
    ValueError if shapes do not fit, a number is out of range or for another type.
    """
    _number(margin, "margin", 0)
    if type_of_triplets not in TRIPLETS:
        raise ValueError(f"type_of_triplets: expected one of {TRIPLETS}, got {type_of_triplets!r}")
    if _real(embeddings, "embeddings").ndim != 2:
        raise ValueError(f"embeddings: expected shape (N, D), got {tuple(embeddings.shape)}")
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.is_complex():
        got = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(f"labels: expected a tensor of whole numbers, got {got}")
    if labels.shape != embeddings.shape[:1]:
        shapes = tuple(embeddings.shape[:1]), tuple(labels.shape)
        raise ValueError(f"labels: expected shape {shapes[0]}, got {shapes[1]}")
    x = embeddings.double()  # which pairs tie must not depend on rounding
    distance = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    same = labels[:, None] == labels
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    if type_of_triplets == "batch_hard":
        (anchors,) = torch.nonzero(positive.any(1) & ~same.all(1), as_tuple=True)
        if not len(anchors):
            return anchors, anchors, anchors
        farthest = distance.masked_fill(~positive, -torch.inf)[anchors].argmax(1)
        nearest = distance.masked_fill(same, torch.inf)[anchors].argmin(1)
        return anchors, farthest, nearest
    gap = distance[:, None, :] - distance[:, :, None]  # (anchor, positive, negative)
    wanted = gap > margin if type_of_triplets == "easy" else gap <= margin
    if type_of_triplets in ("hard", "semihard"):
        wanted &= gap <= 0 if type_of_triplets == "hard" else gap > 0
    return torch.nonzero(positive[:, :, None] & ~same[:, None, :] & wanted, as_tuple=True)


# --- yes or no


@torch.no_grad()
def verify(x1: Tensor, x2: Tensor, threshold: float, p: float = 2.0) -> Tensor:
    """Are these two the same? Yes if their distance is at most the threshold.

    Shapes: x1 and x2 (*, D), embeddings; threshold a number; result (*), booleans.
    Raises: TypeError if a tensor is not floating point or a number is none; ValueError if the
    shapes differ or a number is out of range.
    """
    _number(threshold, "threshold", 0)
    x1, x2 = _distant(x1, x2, p, 0.0)
    return _distance(x1, x2, p, 0.0) <= threshold


@torch.no_grad()
def equal_error_rate(distance: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
    """Where as many impostors are let in as genuine are turned away: the rate, the threshold.

    Shapes: distance (N,); same (N,), 1 for pairs of the same and 0 for others; result two numbers.
    Raises: TypeError if distance is not floating point or same not real; ValueError if shapes
    differ, distances are not finite, same is neither 0 nor 1, or one of both kinds is missing.
    """
    if _real(distance, "distance").ndim != 1:
        raise ValueError(f"distance: expected shape (N,), got {tuple(distance.shape)}")
    same = _binary(same, distance.shape) == 1
    genuine, impostors = same.sum(), (~same).sum()
    if not genuine or not impostors:
        raise ValueError(f"same: expected both kinds of pairs, got {genuine} of {len(same)} same")
    if not torch.isfinite(distance).all():
        raise ValueError("distance: expected finite numbers, got NaN or infinity")
    ranked, order = distance.sort(stable=True)
    same = same[order]
    last = torch.cat([ranked[1:] != ranked[:-1], same.new_ones(1)])  # of equal distances
    let_in = (~same).cumsum(0)[last]
    turned_away = genuine - same.cumsum(0)[last]
    best = (let_in * genuine - turned_away * impostors).abs().argmin()
    rate = (let_in[best].double() / impostors + turned_away[best].double() / genuine) / 2
    return rate.to(distance.dtype), ranked[last][best]


# --- style


def gram_matrix(input: Tensor, normalize: bool = True) -> Tensor:
    """The products of all pairs of maps, summed over the places.

    Shapes: input (N, C, H, W) or (C, H, W); result (N, C, C) or (C, C).
    Raises: TypeError if input is not floating point; ValueError if its shape does not fit.
    """
    return _gram(_maps(input), normalize).to(input.dtype)


def _gram(input: Tensor, normalize: bool = True) -> Tensor:
    flat = _wide(input).flatten(-2)
    gram = flat @ flat.mT
    return gram / max(1, flat.shape[-1] * flat.shape[-2]) if normalize else gram


def _maps(input: Tensor, name: str = "input") -> Tensor:
    if _real(input, name).ndim not in (3, 4):
        shape = tuple(input.shape)
        raise ValueError(f"{name}: expected shape (N, C, H, W) or (C, H, W), got {shape}")
    return input


def content_loss(input: Tensor, target: Tensor) -> Tensor:
    """The mean squared difference of two feature maps; fused: `F.mse_loss`.

    Shapes: input and target (N, C, H, W) or (C, H, W), the same; result one number.
    Raises: TypeError if a tensor is not floating point; ValueError if the shapes do not fit.
    """
    if _maps(input).shape != _maps(target, "target").shape:
        shapes = tuple(input.shape), tuple(target.shape)
        raise ValueError(f"target: expected the shape of input, {shapes[0]}, got {shapes[1]}")
    return ((_wide(input) - _wide(target)) ** 2).mean().to(input.dtype)


def style_loss(input: Tensor, target: Tensor) -> Tensor:
    """The squared distance of two Gram matrices, the mean over the batch.

    Shapes: input (N, C, H, W) or (C, H, W), target alike but for its sides; result one number.
    Raises: TypeError if a tensor is not floating point; ValueError if the shapes do not fit.
    """
    if _maps(input).shape[:-2] != _maps(target, "target").shape[:-2]:
        expected = (*input.shape[:-2], "H", "W")
        raise ValueError(f"target: expected shape {expected}, got {tuple(target.shape)}")
    difference = _gram(input) - _gram(target)
    count = len(input) if input.ndim == 4 else 1
    return ((difference**2).sum() / (count or torch.nan)).to(input.dtype)


# --- networks that are used again


def _run(network: list, x: Tensor, last: int) -> list[Tensor]:
    """The outputs of the layers up to number `last`."""
    seen = []
    for layer in network[: last + 1]:
        x = layer(x)
        seen.append(x)
    return seen


def style_transfer(
    content: Tensor,
    style: Tensor,
    network: Iterable[nn.Module],
    content_layers: Sequence[int] = (-1,),
    style_layers: Sequence[int] = (-1,),
    content_weight: float = 1.0,
    style_weight: float = 1.0,
    init: Tensor | None = None,
    steps: int = 100,
    lr: float = 0.05,
    limits: tuple[float, float] | None = None,
) -> tuple[Tensor, Tensor]:
    """A picture with the content of one and the style of another, by Adam on its pixels.

    Shapes: content (C, H, W) or (1, C, H, W); style alike but for its sides; network an
    `nn.Sequential` or a list of modules, in evaluation mode; init as content; result the picture as
    content, and the two costs before each step, (steps, 2).
    Raises: TypeError if a tensor is not floating point or a number is none; ValueError if shapes
    do not fit, a number is out of range, or a layer does not exist.
    """
    network = list(network)
    _check_transfer(len(network), content_layers, style_layers, content_weight, style_weight,
                    steps, lr, limits)  # fmt: skip
    _maps(content, "content"), _maps(style, "style")
    start = content if init is None else _maps(init, "init")
    if start.shape != content.shape:
        shapes = tuple(content.shape), tuple(start.shape)
        raise ValueError(f"init: expected the shape of content, {shapes[0]}, got {shapes[1]}")
    content_layers = [k % len(network) for k in content_layers]
    style_layers = [k % len(network) for k in style_layers]
    last = max(*content_layers, *style_layers)
    with torch.no_grad():
        of_content = _run(network, _wide(content), last)
        of_style = _run(network, _wide(style), last)
    image = _wide(start).detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([image], lr)
    costs = []
    for _ in range(steps):
        seen = _run(network, image, last)
        j_content = sum(content_loss(seen[k], of_content[k]) for k in content_layers)
        j_style = sum(style_loss(seen[k], of_style[k]) for k in style_layers)
        both = torch.stack([j_content / len(content_layers), j_style / len(style_layers)])
        total = content_weight * both[0] + style_weight * both[1]
        (image.grad,) = torch.autograd.grad(total, image)  # and nothing for the network
        optimizer.step()
        if limits is not None:
            image.data.clamp_(*limits)
        costs.append(both.detach())
    return image.detach().to(content.dtype), torch.stack(costs).to(content.dtype)


def finetune(
    body: nn.Module,
    head: nn.Module,
    x: Tensor,
    y: Tensor,
    steps: int = 100,
    lr: float = 0.01,
    body_lr: float = 0.0,
) -> Tensor:
    """Train a new head on a body that was trained for something else, on all of x, y with Adam.

    With body_lr 0 the body is frozen, in evaluation mode, and runs once. Else both learn, each at
    its own rate: two parameter groups of one optimizer. Both are changed in place.

    Shapes: head(body(x)) is (N, K); y (N,), classes; result the cross-entropy before each step,
    (steps,).
    Raises: TypeError if x is not floating point, y not whole or a number is none; ValueError if
    there are not as many y as x, or a number is out of range; IndexError if a class does not exist.
    """
    _check_finetune(steps, lr, body_lr)
    groups = [{"params": list(head.parameters()), "lr": lr}]
    modes = body.training, head.training
    head.train()
    body.train(body_lr > 0)
    if body_lr:
        groups.append({"params": list(body.parameters()), "lr": body_lr})
    else:
        with torch.no_grad():
            features = body(_real(x, "x"))
    optimizer, losses = torch.optim.Adam(groups), []
    for _ in range(steps):
        logits = head(body(_real(x, "x")) if body_lr else features)
        _check_classes(y, logits)
        loss = cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    body.train(modes[0])
    head.train(modes[1])
    return torch.stack(losses).to(x.dtype)


def _check_classes(y: Tensor, logits: Tensor) -> None:
    if not isinstance(y, Tensor) or y.is_floating_point() or y.is_complex():
        got = y.dtype if isinstance(y, Tensor) else type(y).__name__
        raise TypeError(f"y: expected a tensor of classes as whole numbers, got {got}")
    if y.shape != logits.shape[:1]:
        shapes = tuple(logits.shape[:1]), tuple(y.shape)
        raise ValueError(f"y: expected shape {shapes[0]}, got {shapes[1]}")
    wrong = (y < 0) | (y >= logits.shape[1])
    _check_values(wrong, lambda: f"y: expected classes below {logits.shape[1]}, got {y[wrong][0]}",
                  IndexError)  # fmt: skip
