"""What a chapter's `cases.py` is made of: sample inputs for every public function.

A chapter's `cases.py` holds a list `OPS` with one :class:`Op` for each name in its `__all__`.
Parity tests, gradient checks, exercises and benchmarks all draw their inputs from that list.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """One call: `f(*args, **kwargs)`, with a name that says what is special about it.

    Array arguments are NumPy arrays; a test turns them into tensors of the dtype and device it
    runs on. `raises` marks bad input and names the error that both implementations document.
    `constants` names keyword arguments that are data, such as class weights: nobody asks for a
    gradient in them.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    raises: type[Exception] | None = None
    constants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Op:
    """A public function and everything needed to exercise it.

    sample : makes the ordinary case for a shape; Hypothesis and the benchmark choose the shape.
    cases : the named cases: ordinary, other hyperparameters, edges, bad input.
    torch_peers, numpy_peers : implementations that nobody here wrote, as dotted names
        (`"torch.nn.functional.relu"`), or as functions where an argument has another name. They
        get the case's arguments as tensors and as NumPy arrays. The first torch peer is the
        vendor's own operation that the benchmark compares with.
    min_ndim : the fewest dimensions an input of `sample` may have.
    kinks : where the function is not smooth, so that finite differences keep away from there.
    gradient : the dotted name of its gradient by hand where another chapter has that.
    bench_shape : the size at which `make bench` times it; None leaves it out.
    """

    name: str
    sample: Callable[[np.random.Generator, Shape], Case]
    cases: Callable[[np.random.Generator], Iterable[Case]]
    torch_peers: tuple[str | Callable, ...] = ()
    numpy_peers: tuple[str | Callable, ...] = ()
    min_ndim: int = 0
    kinks: tuple[float, ...] = ()
    gradient: str = ""
    bench_shape: Shape | None = None


def resolve(peer: str | Callable) -> Callable:
    """The function that a peer's dotted name stands for."""
    if callable(peer):
        return peer
    module, _, name = peer.rpartition(".")
    return getattr(importlib.import_module(module), name)
