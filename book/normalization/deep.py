"""A very deep convolutional network with nothing but tanh: does it carry a signal, does it learn?

No shortcut, no normalization: only the first weights differ. The page runs it as deep as its time
allows; `python -m tools.deep` runs it deeper, on a GPU where there is one.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from book import data
from book.normalization import pytorch

STARTS = ("default", "gaussian", "delta-orthogonal")


def kernels(start: str, depth: int, channels: int, generator, like: Tensor) -> list[Tensor]:
    """The 3 x 3 kernels of `depth` layers; the first reads one channel.

    'default' is what nn.Conv2d starts with, 'gaussian' keeps the variance, 'delta-orthogonal' every
    length. Shapes: (channels, 1, 3, 3), then (channels, channels, 3, 3), with the dtype and device
    of `like`.
    """
    found = []
    for layer in range(depth):
        empty = like.new_empty((channels, channels if layer else 1, 3, 3))
        if start == "default":
            found.append(pytorch.kaiming_uniform(empty, a=5**0.5, generator=generator))
        elif start == "gaussian":
            gain = {"nonlinearity": "linear", "generator": generator}
            found.append(pytorch.kaiming_normal(empty, **gain))
        elif start == "delta-orthogonal":
            found.append(pytorch.delta_orthogonal(empty, generator=generator))
        else:
            raise ValueError(f"start: expected one of {STARTS}, got {start!r}")
    return found


def carry(weights: list[Tensor], x: Tensor, grad_output: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What arrives at each layer: signal and gradient, and how alike two inputs have become.

    x : two pictures (2, 1, H, W); grad_output : the gradient that enters at the end, as the last
    layer's output. Returns, for each layer, the length of its output, that of the gradient with
    respect to it, and the cosine between the outputs for the two pictures, each (depth,).
    """
    outputs = []
    for weight in weights:
        x = torch.tanh(functional.conv2d(x, weight, padding=1))
        outputs.append(x)
    alike = [functional.cosine_similarity(*h.flatten(1), dim=0, eps=0.0) for h in outputs]
    gradients = [grad_output]
    for weight, h in zip(reversed(weights[1:]), reversed(outputs[1:]), strict=True):
        behind = gradients[-1] * (1 - h**2)  # through tanh, then through the convolution
        gradients.append(functional.conv_transpose2d(behind, weight, padding=1))
    lengths = [torch.stack([h.norm() for h in some]) for some in (outputs, reversed(gradients))]
    return *lengths, torch.stack(alike)


class Vanilla(nn.Module):
    """`depth` layers of convolution and tanh, and a fixed last matrix that makes ten scores.

    Only the kernels learn: where the net learns to read, the gradient has come through.
    Input: pictures (N, 1, 8, 8). Result: scores (N, 10).
    """

    def __init__(self, start: str, depth: int, seed: int, like: Tensor, channels: int = 8):
        super().__init__()
        rng = torch.Generator(like.device).manual_seed(seed)
        weights = kernels(start, depth, channels, rng, like)
        self.kernels = nn.ParameterList(nn.Parameter(weight) for weight in weights)
        head = pytorch.orthogonal(like.new_empty((10, channels * 64)), generator=rng)
        self.register_buffer("head", head)

    def forward(self, x: Tensor) -> Tensor:
        for weight in self.kernels:
            x = torch.tanh(functional.conv2d(x, weight, padding=1))
        return x.flatten(1) @ self.head.T


def digits(like: Tensor) -> tuple[Tensor, ...]:
    """Standardized pictures (m, 1, 8, 8) and their classes, to train and to test with."""
    (x, y), (x_test, y_test) = data.digits()
    mean, std = x.mean(), x.std()
    pictures = (torch.as_tensor((a - mean) / std).reshape(-1, 1, 8, 8) for a in (x, x_test))
    classes = (torch.as_tensor(a).to(like.device) for a in (y, y_test))
    x, x_test = (p.to(like) for p in pictures)
    y, y_test = classes
    return x, y, x_test, y_test


def train(net: Vanilla, x: Tensor, y: Tensor, steps: int, lr: float = 0.3, batch: int = 16):
    """Momentum descent on random batches; returns the losses. lr is shared out over the layers."""
    rng = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(net.parameters(), lr / len(net.kernels), momentum=0.9)
    losses = []
    for _ in range(steps):
        rows = torch.randint(len(x), (batch,), generator=rng).to(x.device)
        optimizer.zero_grad()
        loss = functional.cross_entropy(net(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def score(net: Vanilla, x: Tensor, y: Tensor) -> float:
    """The share of pictures that get their class."""
    return (net(x).argmax(1) == y).double().mean().item()
