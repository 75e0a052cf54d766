"""The rules that every chapter keeps, so that no public function escapes the parity tests.

A public function has an Op with ordinary cases and one of bad input, the same signature on both
sides, and a docstring with shapes and errors; if PyTorch can differentiate it, it has a gradient by
hand. A public class has state, which no Op describes, and a function that both sides share (a
drawing) has no twin: they need tests of the chapter's own, in `tests/chapters/test_<chapter>.py`,
that name them.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator

import torch

from book.op import Op, resolve
from tests.parity.chapters import Chapter, cases
from tests.parity.compare import FLOAT64, call, for_torch


def problems(chapter: Chapter) -> list[str]:
    """What is wrong with a chapter, in words; nothing if all is well."""
    return list(_problems(chapter))


def _problems(chapter: Chapter) -> Iterator[str]:
    public, twins = list(chapter.reference.__all__), list(chapter.pytorch.__all__)
    if public != twins:
        odd = sorted(set(public) ^ set(twins)) or "the same names in another order"
        yield f"reference.__all__ and pytorch.__all__ differ: {odd}"
    missing = [
        f"{module.__name__} has no {name}, which its __all__ names"
        for module in (chapter.reference, chapter.pytorch)
        for name in module.__all__
        if not hasattr(module, name)
    ]
    if missing:  # the rules below would only stumble over it
        yield from missing
        return
    shared = [name for name in public if name in twins]
    apart = [name for name in shared if _has_tests_of_its_own(chapter, name)]
    functions = [name for name in shared if name not in apart]
    for name in shared:
        yield from _signature_problems(chapter, name)
    yield from _own_test_problems(chapter, apart)
    yield from _op_problems(chapter, functions)
    yield from _backward_problems(chapter, functions)
    for name in shared:
        yield from _docstring_problems("reference", name, getattr(chapter.reference, name))
        yield from _docstring_problems("pytorch", name, getattr(chapter.pytorch, name))


def _signature(function: Callable) -> list[tuple]:
    """Names, order, kinds and defaults of the arguments; annotations may differ."""
    parameters = inspect.signature(function).parameters.values()
    return [(parameter.name, parameter.kind, parameter.default) for parameter in parameters]


def _signature_problems(chapter: Chapter, name: str) -> Iterator[str]:
    ours, theirs = getattr(chapter.reference, name), getattr(chapter.pytorch, name)
    if _signature(ours) != _signature(theirs):
        shown = " and ".join(f"{name}{inspect.signature(f)}" for f in (ours, theirs))
        yield f"{name}: signatures differ in names, order or defaults: {shown}"


def _has_tests_of_its_own(chapter: Chapter, name: str) -> bool:
    """A class has state, and what both sides share, such as a drawing, has no twin."""
    thing = getattr(chapter.reference, name)
    return inspect.isclass(thing) or thing is getattr(chapter.pytorch, name)


def _own_test_problems(chapter: Chapter, names: list[str]) -> Iterator[str]:
    tests = chapter.tests.read_text(encoding="utf-8") if chapter.tests.exists() else ""
    for name in names:
        if not re.search(rf"\b{name}\b", tests):
            kind = "class" if inspect.isclass(getattr(chapter.reference, name)) else "function"
            shared = "" if kind == "class" else " that both sides share"
            test = f"tests/chapters/{chapter.tests.name}"
            yield f"{name}: a public {kind}{shared}, but no {test} names it"


def _op_problems(chapter: Chapter, functions: list[str]) -> Iterator[str]:
    named = [op.name for op in chapter.ops]
    for name in functions:
        if named.count(name) != 1:
            yield f"{name}: {named.count(name)} Ops in cases.py, expected one"
    for op in chapter.ops:
        if op.name not in functions:
            yield f"{op.name}: an Op in cases.py, but no public function"
            continue
        all_cases = cases(op)
        if all(case.raises for case in all_cases):
            yield f"{op.name}: no ordinary case"
        if not any(case.raises for case in all_cases):
            yield f"{op.name}: no case of bad input"
        for peer in (*op.torch_peers, *op.numpy_peers):
            try:
                resolve(peer)
            except (ImportError, AttributeError, ValueError):
                yield f"{op.name}: its peer {peer} does not exist"


def _backward_problems(chapter: Chapter, functions: list[str]) -> Iterator[str]:
    ops = {op.name: op for op in chapter.ops}
    for name in functions:
        backward = getattr(chapter.reference, f"{name}_backward", None)
        if backward is None:
            if name in ops and ops[name].gradient:
                yield from _elsewhere_problems(name, ops[name].gradient)
            elif name in ops and _has_gradient(chapter, ops[name]):
                yield f"{name}: differentiable in PyTorch, but no {name}_backward in the reference"
            continue
        forward = _signature(getattr(chapter.reference, name))
        if [parameter[0] for parameter in _signature(backward)][:1] != ["grad_output"]:
            yield f"{name}_backward: the first argument is not grad_output"
        elif _signature(backward)[1:] != forward:
            yield f"{name}_backward: arguments after grad_output are not those of {name}"
        yield from _docstring_problems("reference", f"{name}_backward", backward)
    for name in vars(chapter.reference):
        base = name.removesuffix("_backward")
        if base != name and not name.startswith("_") and not {base, name} & set(functions):
            yield f"{name}: the gradient of no public function"


def _elsewhere_problems(name: str, gradient: str) -> Iterator[str]:
    """The chapter that has the gradient may not be written yet; once it is, the name must be."""
    module, _, function = gradient.rpartition(".")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError:
        return
    if not callable(getattr(found, function, None)):
        yield f"{name}: its gradient {gradient} does not exist"


def _has_gradient(chapter: Chapter, op: Op) -> bool:
    """Whether a gradient that is not all zero flows through PyTorch's version in some case."""
    for case in cases(op):
        if case.raises:
            continue
        given = for_torch(case, FLOAT64)
        arrays = [v for v in (*given.args, *given.kwargs.values()) if isinstance(v, torch.Tensor)]
        arrays = [tensor for tensor in arrays if tensor.requires_grad]
        for output in call(getattr(chapter.pytorch, op.name), given):
            if isinstance(output, torch.Tensor) and output.requires_grad and arrays:
                weights = torch.arange(1.0, output.numel() + 1).to(output).reshape(output.shape)
                grads = torch.autograd.grad(
                    output, arrays, weights, retain_graph=True, allow_unused=True
                )
                if any(grad is not None and grad.any() for grad in grads):
                    return True
    return False


def _docstring_problems(side: str, name: str, thing: Callable) -> Iterator[str]:
    text = inspect.getdoc(thing) or ""
    for part in ("Shapes:", "Raises:"):
        if part not in text:
            yield f"{side}.{name}: no '{part}' in the docstring"
