"""Sample inputs for every function of similarity, and the peers it is held against."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from book.activations.reference import relu, relu_backward
from book.convolution.reference import conv2d, conv2d_backward
from book.neurons.reference import linear, linear_backward
from book.op import Case, Op
from book.similarity.reference import Layer

_COMPLEX = np.array([[1j, 0.0], [1.0, 2.0]])


def _quarters(rng, shape):
    """Multiples of 1/4, which every dtype holds, so that distances tie exactly or not at all."""
    return rng.integers(-12, 13, shape) / 4


def _in_float32(function):
    """The peer in at least float32: some of PyTorch's own sums lose their digits in bfloat16."""

    def peer(*args, **kwargs):
        def wide(value):
            half = isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16
            return value.float() if half else value

        result = function(*map(wide, args), **{key: wide(value) for key, value in kwargs.items()})
        dtypes = {a.dtype for a in args if isinstance(a, torch.Tensor) and a.is_floating_point()}
        return result.to(dtypes.pop()) if isinstance(result, torch.Tensor) else result

    peer.__name__ = function.__name__
    return peer


def _several(count, rng, shape):
    return tuple(_quarters(rng, shape) for _ in range(count))


# --- distances


def _pair_sample(rng, shape):
    return Case("ordinary", _several(2, rng, shape))


def _bad_rows(count, *labels):
    """Embeddings that do not fit, for a function of so many of them."""
    good = [np.ones((2, 3))] * count
    yield Case("another shape", (*good[1:], np.ones((2, 4)), *labels), raises=ValueError)
    yield Case("one row for all", (*good[1:], np.ones(3), *labels), raises=ValueError)
    yield Case("numbers", (*[np.array(1.0)] * count, *labels), raises=ValueError)
    yield Case("complex", (np.ones((2, 3)) * 1j, *good[1:], *labels), raises=TypeError)
    yield Case("the last is complex", (*good[1:], np.ones((2, 3)) * 1j, *labels), raises=TypeError)
    yield Case("p below 1", (*good, *labels), {"p": 0.5}, raises=ValueError)
    yield Case("p is a word", (*good, *labels), {"p": "two"}, raises=TypeError)
    yield Case("negative eps", (*good, *labels), {"eps": -1e-6}, raises=ValueError)


def _distance_cases(rng):
    yield _pair_sample(rng, (5, 3))
    for p in (1.0, 3.0, 1.5):
        yield Case(f"p={p}", _several(2, rng, (4, 6)), {"p": p})
    yield Case("keepdim", _several(2, rng, (4, 6)), {"keepdim": True})
    yield Case("eps of zero", _several(2, rng, (4, 6)), {"eps": 0.0})
    yield Case("a single pair", _several(2, rng, (6,)))
    yield Case("three dimensions", _several(2, rng, (2, 3, 4)))
    yield Case("one number each", _several(2, rng, (3, 1)))
    yield Case("empty batch", _several(2, rng, (0, 4)))
    yield Case("the same", (np.zeros((2, 4)), np.zeros((2, 4))))
    yield Case("the same, eps of zero", (np.zeros((2, 4)), np.zeros((2, 4))), {"eps": 0.0})
    large = np.array([[1000.0, -2000.0, 3.0]])
    yield Case("large magnitude", (large, -large))
    yield Case("not contiguous", (_quarters(rng, (6, 8)).T[::2], _quarters(rng, (4, 6))))
    row = np.broadcast_to(_quarters(rng, (1, 5)), (3, 5))
    yield Case("broadcast view", (row, _quarters(rng, (3, 5)) + 0.125))
    yield from _bad_rows(2)


@_in_float32
def _pairwise_distance_torch(*args, **kwargs):
    return F.pairwise_distance(*args, **kwargs)


def _minkowski_scipy(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    from scipy.spatial.distance import minkowski

    pairs = zip(x1.reshape(-1, x1.shape[-1]), x2.reshape(-1, x1.shape[-1]), strict=True)
    found = np.array([minkowski(a + eps, b, p) for a, b in pairs])
    return found.reshape((*x1.shape[:-1], 1) if keepdim else x1.shape[:-1])


# --- losses of pairs and triplets


def _labeled_sample(other):
    def sample(rng, shape):
        target = rng.integers(0, 2, shape[:-1])
        target = np.where(target == 1, 1, other)
        return Case("ordinary", (*_several(2, rng, shape), target))

    return sample


def _labeled_cases(other, margins):
    sample = _labeled_sample(other)

    def cases(rng):
        yield sample(rng, (6, 3))
        for reduction in ("none", "sum"):
            yield Case(f"reduction {reduction}", sample(rng, (5, 4)).args, {"reduction": reduction})
        for margin in margins:
            kwargs = {"margin": margin, "reduction": "none"}
            yield Case(f"margin {margin}", sample(rng, (8, 4)).args, kwargs)
        pair = _several(2, rng, (3, 4))
        yield Case("all the same", (*pair, np.ones(3, dtype=int)))
        yield Case("none the same", (*pair, np.full(3, other)), {"margin": margins[-1]})
        yield Case("a single pair", (*_several(2, rng, (4,)), np.array(1)))
        yield Case("empty batch", (*_several(2, rng, (0, 4)), np.zeros(0, dtype=int)))
        yield Case("labels as floats", (*pair, np.array([1, other, 1])))
        large = np.array([[1000.0, -2000.0, 3.0]])
        yield Case("large magnitude", (large, -large, np.array([other])))
        args = _quarters(rng, (6, 8)).T[::2], _quarters(rng, (4, 6)), np.array([1, other, 1, other])
        yield Case("not contiguous", args)
        ones = np.ones(2, dtype=int)
        for bad in _bad_rows(2, ones):
            if not {"p", "eps"} & set(bad.kwargs) or other == 0:
                yield bad
        good = np.ones((2, 3)), np.ones((2, 3))
        yield Case("a label of 2", (*good, np.array([1, 2])), raises=ValueError)
        yield Case("labels -1 or 0", (*good, np.array([1, -1 - other])), raises=ValueError)
        yield Case("a label too few", (*good, ones[:1]), raises=ValueError)
        yield Case("a column of labels", (*good, ones[:, None]), raises=ValueError)
        yield Case("complex labels", (*good, ones * 1j), raises=TypeError)
        yield Case("margin too low", (*good, ones), {"margin": -1.5}, raises=ValueError)
        yield Case("margin is a word", (*good, ones), {"margin": "one"}, raises=TypeError)
        yield Case("unknown reduction", (*good, ones), {"reduction": "all"}, raises=ValueError)

    return cases


@_in_float32
def _contrastive_torch(x1, x2, target, margin=1.0, p=2.0, eps=1e-6, reduction="mean"):
    """F.hinge_embedding_loss has the two branches; halved and squared they are ours."""
    distance = F.pairwise_distance(x1, x2, p, eps)
    hinge = F.hinge_embedding_loss(distance, 2 * target - 1, margin, reduction="none")
    losses = hinge**2 / 2
    return {"none": losses, "mean": losses.mean(), "sum": losses.sum()}[reduction]


@_in_float32
def _cosine_embedding_loss_torch(input1, input2, target, **kwargs):
    """PyTorch's takes no more than two dimensions."""
    rows = [x.flatten(0, -2) if x.ndim > 2 else x for x in (input1, input2)]
    losses = F.cosine_embedding_loss(*rows, target.reshape(rows[0].shape[:-1]), **kwargs)
    return losses.reshape(target.shape) if losses.ndim else losses


def _triplet_sample(rng, shape):
    return Case("ordinary", _several(3, rng, shape))


def _triplet_cases(rng):
    yield _triplet_sample(rng, (6, 3))
    for reduction in ("none", "sum"):
        yield Case(f"reduction {reduction}", _several(3, rng, (5, 4)), {"reduction": reduction})
    yield Case("a wide margin", _several(3, rng, (8, 4)), {"margin": 5.0, "reduction": "none"})
    yield Case("a narrow margin", _several(3, rng, (8, 4)), {"margin": 0.2, "reduction": "none"})
    yield Case("swap", _several(3, rng, (9, 4)), {"swap": True, "reduction": "none"})
    apart = tuple(x + k / 16 for k, x in enumerate(_several(3, rng, (5, 4))))  # no coordinate ties
    yield Case("p=1", apart, {"p": 1.0, "margin": 3.0})
    yield Case("a single triplet", _several(3, rng, (4,)))
    yield Case("empty batch", _several(3, rng, (0, 4)))
    yield Case("all in one place", (np.zeros((2, 3)),) * 3)
    large = np.array([[1000.0, -2000.0, 3.0]])
    yield Case("large magnitude", (large, -large, large / 2))
    views = _quarters(rng, (6, 8)).T[::2], _quarters(rng, (4, 6)), _quarters(rng, (4, 6))
    yield Case("not contiguous", views)
    row = np.broadcast_to(_quarters(rng, (1, 5)), (3, 5))
    yield Case("broadcast view", (row, *(x + 0.125 for x in _several(2, rng, (3, 5)))))
    yield from _bad_rows(3)
    good = (np.ones((2, 3)),) * 3
    yield Case("margin of zero", good, {"margin": 0.0}, raises=ValueError)
    yield Case("margin is a word", good, {"margin": "one"}, raises=TypeError)
    yield Case("unknown reduction", good, {"reduction": "all"}, raises=ValueError)


@_in_float32
def _triplet_margin_loss_torch(*args, **kwargs):
    return F.triplet_margin_loss(*args, **kwargs)


# --- mining


def _batch(rng, shape, people=3):
    return _quarters(rng, shape), rng.integers(0, people, shape[0])


def _mine_sample(rng, shape):
    return Case("ordinary", _batch(rng, shape[:2]), {"margin": 1.0})


def _mine_cases(rng):
    for kind in ("all", "hard", "semihard", "easy", "batch_hard"):
        kwargs = {"type_of_triplets": kind}
        yield Case(kind, _batch(rng, (12, 4)), {"margin": 0.75, **kwargs})
        yield Case(f"{kind}, on a line with ties", _batch(rng, (10, 1)), {"margin": 0.5, **kwargs})
        yield Case(f"{kind}, of one person", (_quarters(rng, (4, 2)), np.zeros(4, int)), kwargs)
        yield Case(f"{kind}, nobody twice", (_quarters(rng, (4, 2)), np.arange(4)), kwargs)
        yield Case(f"{kind}, empty batch", (np.zeros((0, 3)), np.zeros(0, int)), kwargs)
        yield Case(f"{kind}, all in one place", (np.zeros((5, 2)), np.arange(5) % 2), kwargs)
    yield Case("not contiguous", (_quarters(rng, (5, 16)).T[::2], np.arange(8) % 3))
    good = np.ones((3, 2)), np.array([0, 1, 1])
    yield Case("complex", (good[0] * 1j, good[1]), raises=TypeError)
    yield Case("labels not whole", (good[0], np.array([0.5, 1, 1])), raises=TypeError)
    yield Case("a label too few", (good[0], good[1][:2]), raises=ValueError)
    yield Case("a single row", (np.ones(3), good[1]), raises=ValueError)
    yield Case("negative margin", good, {"margin": -0.1}, raises=ValueError)
    yield Case("margin is a word", good, {"margin": "one"}, raises=TypeError)
    yield Case("unknown type", good, {"type_of_triplets": "soft"}, raises=ValueError)


def _miner_metric_learning(embeddings, labels, margin=0.2, type_of_triplets="all"):
    """Those of pytorch-metric-learning, in float64; it mines nothing from an empty batch."""
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.miners import BatchHardMiner, TripletMarginMiner

    if not len(embeddings):
        return (torch.zeros(0, dtype=torch.int64),) * 3
    distance = LpDistance(normalize_embeddings=False)
    if type_of_triplets == "batch_hard":
        miner = BatchHardMiner(distance=distance)
    else:
        miner = TripletMarginMiner(margin, type_of_triplets, distance=distance)
    with torch.no_grad():
        return tuple(miner(embeddings.double(), labels))


# --- verification


def _verify_sample(rng, shape):
    return Case("ordinary", (*_several(2, rng, shape), 3.0))


def _verify_cases(rng):
    yield _verify_sample(rng, (8, 4))
    yield Case("p=1", (*_several(2, rng, (8, 4)), 6.0), {"p": 1.0})
    yield Case("just at the threshold", (np.array([[3.0, 0.0]]), np.array([[0.0, 4.0]]), 5))
    yield Case("the same, at threshold 0", (np.ones((2, 3)), np.ones((2, 3)), 0.0))
    yield Case("a single pair", (*_several(2, rng, (4,)), 3.0))
    yield Case("empty batch", (*_several(2, rng, (0, 4)), 3.0))
    yield Case("not contiguous", (_quarters(rng, (6, 8)).T[::2], _quarters(rng, (4, 6)), 4.0))
    good = np.ones((2, 3)), np.ones((2, 3))
    yield Case("negative threshold", (*good, -1.0), raises=ValueError)
    yield Case("a threshold that is NaN", (*good, float("nan")), raises=ValueError)
    yield Case("threshold is a word", (*good, "low"), raises=TypeError)
    yield Case("another shape", (good[0], np.ones((2, 4)), 1.0), raises=ValueError)
    yield Case("complex", (good[0] * 1j, good[1], 1.0), raises=TypeError)
    yield Case("p below 1", (*good, 1.0), {"p": 0.5}, raises=ValueError)


def _verify_scipy(x1, x2, threshold, p=2.0):
    return _minkowski_scipy(x1, x2, p, 0.0) <= threshold


def _eer_sample(rng, shape):
    count = shape[0] and shape[0] + 1
    same = rng.permutation(np.arange(count) % 2)
    return Case("ordinary", (np.abs(_quarters(rng, count)) + 1 - same, same))


def _eer_cases(rng):
    yield _eer_sample(rng, (40,))
    yield Case("two pairs", (np.array([1.0, 0.5]), np.array([0, 1])))
    yield Case("upside down", (np.array([0.25, 0.5, 2.0, 3.0]), np.array([0, 0, 1, 1])))
    yield Case("perfect", (np.array([0.25, 0.5, 2.0, 3.0]), np.array([1, 1, 0, 0])))
    yield Case("all tied", (np.ones(5), np.array([1, 0, 0, 1, 0])))
    yield Case("many impostors", (np.abs(_quarters(rng, 60)), (np.arange(60) < 7).astype(int)))
    yield Case("not contiguous", (np.abs(_quarters(rng, 40))[::2], np.arange(40)[::2] % 4 // 2))
    yield Case("booleans", (np.array([1.0, 0.5, 0.75]), np.array([False, True, True])))
    d, same = np.array([1.0, 0.5, 0.75]), np.array([0, 1, 1])
    yield Case("complex", (d * 1j, same), raises=TypeError)
    yield Case("complex labels", (d, same * 1j), raises=TypeError)
    yield Case("a matrix", (d[None], same[None]), raises=ValueError)
    yield Case("a label too few", (d, same[:2]), raises=ValueError)
    yield Case("a label of 2", (d, same + 1), raises=ValueError)
    yield Case("no pairs", (d[:0], same[:0]), raises=ValueError)
    yield Case("no impostors", (d, same * 0 + 1), raises=ValueError)
    yield Case("infinity", (np.array([1.0, np.inf, 0.0]), same), raises=ValueError)


def _eer_sklearn(distance, same):
    """From scikit-learn's ROC curve, whose scores grow with similarity."""
    from sklearn.metrics import roc_curve

    fpr, tpr, thresholds = roc_curve(same, -distance, drop_intermediate=False)
    gap = np.round(np.abs(fpr - (1 - tpr)), 9)[1:]  # the first lets nobody in
    best = 1 + gap.argmin()
    return (fpr[best] + 1 - tpr[best]) / 2, -thresholds[best]


# --- style


def _maps_sample(rng, shape):
    return Case("ordinary", (_quarters(rng, shape),))


def _gram_cases(rng):
    yield _maps_sample(rng, (2, 3, 4, 5))
    yield Case("a single picture", (_quarters(rng, (3, 4, 5)),))
    yield Case("sums", (_quarters(rng, (2, 3, 2, 2)),), {"normalize": False})
    yield Case("one place", (_quarters(rng, (4, 1, 1)),))
    yield Case("one channel", (_quarters(rng, (2, 1, 3, 3)),))
    yield Case("empty batch", (np.zeros((0, 3, 2, 2)),))
    yield Case("large magnitude", (8 * _quarters(rng, (2, 3, 3)),))
    yield Case("not contiguous", (_quarters(rng, (4, 6, 3, 2)).T[:, ::2],))
    yield Case("broadcast view", (np.broadcast_to(_quarters(rng, (2, 1, 3)), (2, 4, 3)),))
    yield Case("a matrix", (np.ones((3, 4)),), raises=ValueError)
    yield Case("complex", (np.ones((3, 4, 4)) * 1j,), raises=TypeError)


@_in_float32
def _gram_einsum(input, normalize=True):
    gram = torch.einsum("...khw,...lhw->...kl", input, input)
    return gram / max(1, input[..., :, :, :].shape[-3:].numel()) if normalize else gram


def _same_size_sample(rng, shape):
    return Case("ordinary", _several(2, rng, shape))


def _bad_maps():
    good = np.ones((2, 3, 4))
    yield Case("another number of maps", (good, np.ones((3, 3, 4))), raises=ValueError)
    yield Case("a batch against one", (good[None], good), raises=ValueError)
    yield Case("a matrix", (good[0], good[0]), raises=ValueError)
    yield Case("complex", (good * 1j, good), raises=TypeError)
    yield Case("complex target", (good, good * 1j), raises=TypeError)


def _content_cases(rng):
    yield _same_size_sample(rng, (2, 3, 4, 5))
    yield Case("a single picture", _several(2, rng, (3, 4, 5)))
    yield Case("the same", (np.ones((2, 3, 3)), np.ones((2, 3, 3))))
    yield Case("empty batch", _several(2, rng, (0, 3, 2, 2)))
    yield Case("large magnitude", (8 * _quarters(rng, (2, 3, 3)), _quarters(rng, (2, 3, 3))))
    yield Case("not contiguous", (_quarters(rng, (4, 6, 3)).T[:, ::2], _quarters(rng, (3, 3, 4))))
    yield from _bad_maps()
    yield Case("another size", (np.ones((2, 3, 4)), np.ones((2, 3, 5))), raises=ValueError)


@_in_float32
def _content_torch(input, target):
    return F.mse_loss(input, target)


def _style_sample(rng, shape):
    *start, height, width = shape
    target = _quarters(rng, (*start, height + (height > 0), width))
    return Case("ordinary", (_quarters(rng, shape), target))


def _style_cases(rng):
    yield _style_sample(rng, (2, 3, 4, 5))
    yield Case("a single picture", _several(2, rng, (3, 4, 5)))
    yield Case("the same", (np.ones((2, 3, 3)), np.ones((2, 3, 3))))
    yield Case("other sides", (_quarters(rng, (3, 4, 5)), _quarters(rng, (3, 2, 7))))
    yield Case("empty batch", _several(2, rng, (0, 3, 2, 2)))
    yield Case("large magnitude", (4 * _quarters(rng, (2, 3, 3)), _quarters(rng, (2, 3, 3))))
    yield Case("not contiguous", (_quarters(rng, (4, 6, 3)).T[:, ::2], _quarters(rng, (3, 3, 4))))
    yield from _bad_maps()


@_in_float32
def _style_einsum(input, target):
    difference = _gram_einsum(input) - _gram_einsum(target)
    return (difference**2).sum((-2, -1)).mean()


# --- networks: each of these is one for NumPy and one for PyTorch, with the same weights


class _Convolution(Layer):
    """A convolution as a `Layer`, and a callable for tensors."""

    def __new__(cls, weight):
        return super().__new__(cls, conv2d, conv2d_backward, (weight,))

    def __call__(self, input):
        return F.conv2d(input, torch.from_numpy(self.parameters[0]).to(input))


class _Relu(Layer):
    def __new__(cls):
        return super().__new__(cls, relu, relu_backward)

    def __call__(self, input):
        return input.relu()


def _eyes(rng, channels=2):
    return [
        _Convolution(rng.normal(scale=0.5, size=(3, channels, 2, 2))),
        _Relu(),
        _Convolution(rng.normal(scale=0.5, size=(4, 3, 2, 2))),
    ]


def _pictures(rng, height, width):
    def picture(high, wide):
        return np.round(rng.normal(size=(2, high, wide)) * 8) / 8

    return picture(height, width), picture(5, 4), _eyes(rng)


_SLOW = {"steps": 2, "lr": 0.004}  # where a gradient is nearly 0, Adam's first steps know no size


def _transfer_sample(rng, shape):
    return Case("ordinary", _pictures(rng, 4, 5), _SLOW)


def _transfer_cases(rng):
    yield _transfer_sample(rng, ())
    both = {"content_layers": (2,), "style_layers": (0, 1, -1), "style_weight": 30.0, **_SLOW}
    yield Case("three layers of style", _pictures(rng, 5, 4), both)
    content, style, eyes = _pictures(rng, 4, 4)
    yield Case(
        "from noise", (content, style, eyes), {"init": _quarters(rng, content.shape), **_SLOW}
    )
    yield Case("limits", (content, style, eyes), {"limits": (-0.5, 0.5), **_SLOW})
    yield Case("content only", (content, style, eyes),
               {"init": _quarters(rng, content.shape), "style_weight": 0.0, **_SLOW})  # fmt: skip
    yield Case("a batch of one", (content[None], style[None], eyes), _SLOW)
    good = content, style, eyes
    yield Case("a matrix", (content[0], style, eyes), raises=ValueError)
    yield Case("complex", (content * 1j, style, eyes), raises=TypeError)
    yield Case("complex style", (content, style * 1j, eyes), raises=TypeError)
    yield Case("init of another size", good, {"init": style}, raises=ValueError)
    yield Case("no such layer", good, {"style_layers": (0, 3)}, raises=ValueError)
    yield Case("no layer", good, {"content_layers": ()}, raises=ValueError)
    yield Case("negative weight", good, {"style_weight": -1.0}, raises=ValueError)
    yield Case("weight is a word", good, {"content_weight": "one"}, raises=TypeError)
    yield Case("no step", good, {"steps": 0}, raises=ValueError)
    yield Case("half a step", good, {"steps": 0.5}, raises=TypeError)
    yield Case("rate of zero", good, {"lr": 0.0}, raises=ValueError)
    yield Case("limits upside down", good, {"limits": (1.0, 0.0)}, raises=ValueError)


class _Dense(nn.Module):
    """A linear layer: a module for PyTorch, and a network of one or two `Layer`s for NumPy.

    Each training starts from the same weights, so that a case can be used many times.
    """

    def __init__(self, weight, bias, rectify):
        super().__init__()
        self.start, self.rectify = (weight, bias), rectify

    def __iter__(self):
        yield Layer(linear, linear_backward, tuple(np.copy(array) for array in self.start))
        if self.rectify:
            yield Layer(relu, relu_backward)

    def parameters(self):
        self.weights = [torch.tensor(array, requires_grad=True) for array in self.start]
        return self.weights

    def forward(self, input):
        if not hasattr(self, "weights"):
            self.parameters()
        wide = input.float() if input.dtype == torch.bfloat16 else input
        result = F.linear(wide, *(weight.to(wide) for weight in self.weights))
        return result.relu() if self.rectify else result


def _task(rng, count, classes=3):
    body = _Dense(rng.normal(size=(5, 4)), rng.normal(size=5), rectify=True)
    head = _Dense(rng.normal(size=(classes, 5)), rng.normal(size=classes), rectify=False)
    return body, head, _quarters(rng, (count, 4)), rng.integers(0, classes, count)


def _finetune_sample(rng, shape):
    return Case("ordinary", _task(rng, 6), {"steps": 3})


def _finetune_cases(rng):
    yield _finetune_sample(rng, ())
    yield Case("fine-tuned", _task(rng, 8), {"steps": 3, "body_lr": 0.002})
    yield Case("one example", _task(rng, 1), {"steps": 2, "body_lr": 0.01})
    yield Case("two classes", _task(rng, 5, 2), {"steps": 3, "lr": 0.05})
    body, head, x, y = _task(rng, 4)
    yield Case("complex", (body, head, x * 1j, y), raises=TypeError)
    yield Case("classes not whole", (body, head, x, y + 0.5), raises=TypeError)
    yield Case("a class too few", (body, head, x, y[:3]), raises=ValueError)
    yield Case("a class that does not exist", (body, head, x, y + 3), raises=IndexError)
    yield Case("no step", (body, head, x, y), {"steps": 0}, raises=ValueError)
    yield Case("half a step", (body, head, x, y), {"steps": 0.5}, raises=TypeError)
    yield Case("rate of zero", (body, head, x, y), {"lr": 0.0}, raises=ValueError)
    yield Case("negative rate", (body, head, x, y), {"body_lr": -0.1}, raises=ValueError)


_F = "torch.nn.functional"
_ORIGIN = (0.0,)  # where embeddings coincide: the distance has a kink that eps hides from no step

OPS = [
    Op("pairwise_distance", _pair_sample, _distance_cases,
       (_pairwise_distance_torch,), (_minkowski_scipy,),
       min_ndim=1, kinks=_ORIGIN, bench_shape=(4096, 128)),
    Op("contrastive_loss", _labeled_sample(0), _labeled_cases(0, (0.0, 2.0, 5.0)),
       (_contrastive_torch,), min_ndim=1, kinks=_ORIGIN, bench_shape=(4096, 128)),
    Op("cosine_embedding_loss", _labeled_sample(-1), _labeled_cases(-1, (-0.45, 0.23, 0.11)),
       (_cosine_embedding_loss_torch,), min_ndim=1, bench_shape=(4096, 128)),
    Op("triplet_margin_loss", _triplet_sample, _triplet_cases,
       (_triplet_margin_loss_torch,), min_ndim=1, kinks=_ORIGIN, bench_shape=(4096, 128)),
    Op("mine_triplets", _mine_sample, _mine_cases, (_miner_metric_learning,), min_ndim=2),
    Op("verify", _verify_sample, _verify_cases, (), (_verify_scipy,), min_ndim=1),
    Op("equal_error_rate", _eer_sample, _eer_cases, (), (_eer_sklearn,), min_ndim=1),
    Op("gram_matrix", _maps_sample, _gram_cases, (_gram_einsum,), min_ndim=3,
       bench_shape=(4, 64, 48, 48)),
    Op("content_loss", _same_size_sample, _content_cases, (_content_torch,), min_ndim=3,
       bench_shape=(4, 64, 48, 48)),
    Op("style_loss", _style_sample, _style_cases, (_style_einsum,), min_ndim=3,
       bench_shape=(4, 64, 48, 48)),
    Op("style_transfer", _transfer_sample, _transfer_cases),
    Op("finetune", _finetune_sample, _finetune_cases),
]  # fmt: skip
