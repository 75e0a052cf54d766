"""Notice what has changed in place: arrays, containers, and the tensors of modules.

Both sides use it: the student's for arguments and modules that its code changed, the proctor's for
modules that a test changed.
"""

import operator

import numpy as np

from autograder.wire import tensor_bytes


def remember(value):
    """What `changed` compares a mutable value with later on."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list | dict | set):
        return value.copy()
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if type(value).__module__ == "torch._C":  # a torch.Generator
        return value.get_state()
    return value.detach().clone()


def changed(value, before):
    """Whether a value differs from what it was, bit by bit."""
    if isinstance(value, np.ndarray):
        if value.shape != before.shape or value.dtype != before.dtype:
            return True
        if value.dtype.hasobject:
            pairs = zip(value.ravel().tolist(), before.ravel().tolist(), strict=True)
            return any(now is not then for now, then in pairs)
        if not value.flags.c_contiguous or not value.size:
            return value.tobytes() != before.tobytes()
        return not np.array_equal(_flat_bytes(value), _flat_bytes(before))
    if isinstance(value, list):
        return len(value) != len(before) or any(map(operator.is_not, value, before))
    if isinstance(value, dict):
        return list(value) != list(before) or any(value[key] is not before[key] for key in before)
    if isinstance(value, set):
        return value != before
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state != before
    if type(value).__module__ == "torch._C":
        return not value.get_state().equal(before)
    return not same_tensor(value, before)


def same_tensor(one, other):
    """Whether two tensors, or Nones, agree in dtype, shape and every bit."""
    if one is None or other is None:
        return one is other
    if one.dtype != other.dtype or one.shape != other.shape or one.is_meta != other.is_meta:
        return False
    # NaN equals NaN only in its bytes.
    return (
        one.is_meta
        or one.detach().equal(other)
        or np.array_equal(tensor_bytes(one.detach()), tensor_bytes(other.detach()))
    )


class Shared:
    """An array or tensor that both sides hold, with its gradient; each pushes its changes."""

    def __init__(self, value):
        self.value = value
        self._agree()

    def has_changed(self):
        """Whether the value or gradient has changed here; from now on both sides agree on it."""
        gradient = getattr(self.value, "grad", None)
        if not changed(self.value, self._value) and same_tensor(gradient, self._gradient):
            return False
        self._agree()
        return True

    def state(self):
        return self.value, getattr(self.value, "grad", None)

    def load(self, state):
        """Take over what the other side has. Raises: an Exception where it does not fit."""
        new, gradient = state
        if isinstance(self.value, np.ndarray):
            self.value[...] = new
        else:
            self.value.detach().copy_(new.detach())
            self.value.grad = gradient
        self._agree()

    def _agree(self):
        gradient = getattr(self.value, "grad", None)
        self._value = remember(self.value)
        self._gradient = None if gradient is None else remember(gradient)


class ModuleState:
    """What a module held at one moment, without what its children held.

    `tree` is that as data: {"parameters": {name: (parameter, gradient, requires_grad)},
    "buffers": {name: (tensor, persistent)}, "children": {name: module}, "training": bool}, where
    a parameter, gradient, buffer or child may be None.
    """

    def __init__(self, module):
        self.tree = _tree(module)
        self._copies = [None if t is None else t.detach().clone() for t in _tensors(self.tree)]

    def still_holds(self, module):
        """Whether the module has not changed since."""
        now = _tree(module)
        return _outline(now) == _outline(self.tree) and all(
            map(same_tensor, _tensors(now), self._copies)
        )


def _tree(module):
    return {
        "parameters": {
            name: (None, None, False) if each is None else (each, each.grad, each.requires_grad)
            for name, each in module._parameters.items()
        },
        "buffers": {
            name: (each, name not in module._non_persistent_buffers_set)
            for name, each in module._buffers.items()
        },
        "children": dict(module._modules),
        "training": bool(module.training),
    }


def _tensors(tree):
    """All tensors of a tree, some of them None, in order."""
    for value, gradient, _ in tree["parameters"].values():
        yield from (value, gradient)
    for value, _ in tree["buffers"].values():
        yield value


def _outline(tree):
    """All of a tree but its tensors, to be compared."""
    return (
        [(name, flag) for name, (_, _, flag) in tree["parameters"].items()],
        [(name, flag) for name, (_, flag) in tree["buffers"].items()],
        [(name, id(child)) for name, child in tree["children"].items()],
        tree["training"],
    )


def _flat_bytes(array):
    return array.reshape(-1).view(np.uint8)


def assign(parameter, value):
    """Put a value into a parameter; where torch cannot, a new parameter takes its place."""
    import torch

    if parameter.shape == value.shape and parameter.dtype == value.dtype and not value.is_meta:
        if not parameter.is_meta:
            parameter.data.copy_(value)
            return parameter
    elif torch._has_compatible_shallow_copy_type(parameter.data, value):
        parameter.data = value.detach()
        return parameter
    return torch.nn.Parameter(value.detach(), parameter.requires_grad)


def leaves_of(outputs):
    """The tensors at which the recorded operations begin."""
    found, seen, nodes = {}, set(), [output.grad_fn for output in outputs]
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found[id(node.variable)] = node.variable
        nodes += [following for following, _ in node.next_functions]
    return list(found.values())
