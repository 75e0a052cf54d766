"""A student's nn.Module in a test: a real module here, whose tensors mirror those over there.

What the test changes in parameters, buffers, gradients and mode is pushed before the next
request; what student code changed comes back with each reply. Results are linked to autograd: their
gradients are asked for in the student process.
"""

import torch
from torch import nn

from autograder.proctor.standins import is_special
from autograder.student.changes import ModuleState, assign

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_OWN = {"training", "forward"}  # with what nn.Module makes, the attributes that live here


class StudentModule(nn.Module):
    """The base of the local classes of students' modules; forward runs in their process."""

    def forward(self, *args, **kwargs):
        return self._student.session.call(self, args, kwargs)

    def __getattr__(self, name):
        try:
            return nn.Module.__getattr__(self, name)
        except AttributeError:
            if name == "_student" or is_special(name):
                raise
        return self._student.session.request("get", self, name)

    def __setattr__(self, name, value):
        mirrored = name in self._parameters or name in self._buffers or name in self._modules
        if mirrored or name in _OWN or name in vars(self):
            nn.Module.__setattr__(self, name, value)
        else:
            self._student.session.request("set", self, name, value)

    def __delattr__(self, name):
        self._student.session.request("delete", self, name)

    def __deepcopy__(self, memo):
        return self._student.session.request("copy", self)


def bases_of(lineage):
    """The local bases for a module class, and the library's class that it passes for."""
    found = [_library_class(module, name) for module, name in lineage]
    library = next((each for each in found if each is not None), nn.Module)
    container = next((each for each in _CONTAINERS if issubclass(library, each)), None)
    bases = (StudentModule,) if container is None else (StudentModule, container)
    return bases, library if lineage[0][0] != "__main__" else None


def make_module(cls, link):
    """An empty mirror."""
    module = cls.__new__(cls)
    nn.Module.__init__(module)
    object.__setattr__(module, "_student", link)
    return module


class Mirror:
    """What a mirrored module held when both sides agreed last."""

    def __init__(self):
        self._agreed = None

    def load(self, module, tree):
        """Take over a state from the student process; parameters stay the objects they are."""
        made = {}  # id of a tensor -> its parameter: tied ones stay tied
        for name, (value, gradient, requires_grad) in tree["parameters"].items():
            parameter = module._parameters.get(_text(name))
            if value is None:
                parameter = None
            elif parameter is None:
                parameter = made.get(id(value))
                if parameter is None:
                    parameter = nn.Parameter(_tensor(value), bool(requires_grad))
            else:
                parameter = assign(parameter, _tensor(value))
                parameter.requires_grad_(bool(requires_grad))
            module._parameters[name] = parameter
            if parameter is not None:
                made[id(value)] = parameter
                parameter.grad = None if gradient is None else _tensor(gradient)
        for name, (value, persistent) in tree["buffers"].items():
            module._buffers[_text(name)] = None if value is None else _tensor(value)
            module._non_persistent_buffers_set.discard(name)
            if not persistent:
                module._non_persistent_buffers_set.add(name)
        for name, child in tree["children"].items():
            if child is not None and not isinstance(child, nn.Module):
                raise ValueError
            module._modules[_text(name)] = child
        for here, there in ((module._parameters, "parameters"), (module._buffers, "buffers"),
                            (module._modules, "children")):  # fmt: skip
            for name in here.keys() - tree[there].keys():
                del here[name]
        object.__setattr__(module, "training", bool(tree["training"]))
        self._agreed = ModuleState(module)

    def begin(self, module):
        """The state of a module of the test's that is lent to student code, as plain data."""
        self._agreed = ModuleState(module)
        return self._data() | {"children": self._agreed.tree["children"]}

    def change(self, module):
        """The state to push, as plain data; None where nothing has changed."""
        if self._agreed.still_holds(module):
            return None
        self._agreed = ModuleState(module)
        return self._data()

    def _data(self):
        tree = self._agreed.tree
        parameters = {
            name: (None if value is None else value.detach(), gradient, requires_grad)
            for name, (value, gradient, requires_grad) in tree["parameters"].items()
        }
        return {
            "parameters": parameters,
            "buffers": tree["buffers"],
            "training": tree["training"],
        }


def attributes_of(module):
    """What a module has beside its tensors and children, and what every module has."""
    own = vars(nn.Module()).keys() | {"_flat_weights", "_flat_weight_refs"}
    return {name: value for name, value in vars(module).items() if name not in own}


class Graph(torch.autograd.Function):
    """The node that stands for a call into student code in the graph of the test."""

    @staticmethod
    def forward(ctx, backward, outputs, *inputs):
        ctx.backward_there, ctx.inputs = backward, inputs
        return tuple(outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *gradients):
        return None, None, *ctx.backward_there(gradients, ctx.inputs)


def link_gradients(session, graph, outputs, inputs):
    """Give the result tensors of a call their history.

    graph : the stand-in of what the student process recorded.
    outputs : the decoded tensors. inputs : the tensors here that they depend on.
    """

    def backward(gradients, inputs):
        found = session.request("backward", graph, list(gradients))
        if type(found) is not list or len(found) != len(inputs):
            raise session.broken("the gradients are not those of the inputs")
        for gradient, value in zip(found, inputs, strict=True):
            if gradient is not None and (
                type(gradient) is not torch.Tensor or gradient.shape != value.shape
            ):
                raise session.broken("a gradient has not the shape of its input")
        return found

    with torch.no_grad():
        for output in outputs:
            output.requires_grad_(False)
    with torch.enable_grad():
        Graph.apply(backward, outputs, *inputs)


def _library_class(module, name):
    """A module class of torch by its claimed place, or None."""
    if not (module == "torch.nn" or module.startswith("torch.nn.modules.")):
        return None
    found = getattr(nn, name, None)
    return found if isinstance(found, type) and issubclass(found, nn.Module) else None


def _text(name):
    if type(name) is not str or "." in name:
        raise ValueError
    return name


def _tensor(value):
    if type(value) is not torch.Tensor:
        raise ValueError
    return value.detach()
