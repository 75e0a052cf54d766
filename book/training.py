"""The small training loop that the pages share, in float64 so that it repeats on any machine."""

from itertools import pairwise

import torch
from torch import nn


def mlp(sizes, activation, seed=0):
    """A multilayer perceptron with the given layer sizes, `activation()` between its layers.

    Weights are PyTorch's defaults for the seed, in float64: the last digits that differ from one
    processor to the next then stay far behind the digits that a page prints.
    """
    torch.manual_seed(seed)
    layers = []
    for width_in, width_out in pairwise(sizes):
        layers += [nn.Linear(width_in, width_out, dtype=torch.float64), activation()]
    return nn.Sequential(*layers[:-1]).to(torch.float64)


def fit(net, x, y, steps, lr=0.01, loss=nn.functional.cross_entropy, watch=None):
    """Train on all of x, y with Adam, calling `watch(step)` before each step; return the losses."""
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    optimizer = torch.optim.Adam(net.parameters(), lr)
    losses = []
    for step in range(steps):
        if watch:
            watch(step)
        optimizer.zero_grad()
        value = loss(net(x), y)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses


@torch.no_grad()
def accuracy(net, x, y):
    """The share of rows of x that the net gives class y."""
    return (net(torch.as_tensor(x)).argmax(1) == torch.as_tensor(y)).double().mean().item()
