"""Reads replies of a student process: data, and stand-ins for what is no data.

All that a reply says is a claim. Here it becomes values of known types, stand-ins of classes that
the assignment lets cross, exceptions, or an error.
"""

import sys

import numpy as np

from autograder.proctor import claims, errors
from autograder.proctor.claims import exactly
from autograder.proctor.standins import (
    Function,
    Instance,
    Iterator,
    Link,
    Recording,
    link_of,
    make_class,
    make_instance,
)
from autograder.wire import CannotCross, Decoder, ProtocolError

_MODULES = ("numpy", "torch", "matplotlib", "math")
_TORCH_MODULE = ("torch.nn.modules.module", "Module")


class Rules:
    """What the assignment lets cross.

    classes : names of the classes whose instances tests may hold.
    imports : modules that answers may import, or None for all.
    trusted : name -> the class that trusted code binds to it, or None.
    """

    def __init__(self, classes, imports, trusted):
        self.classes, self.imports, self.trusted = classes, imports, trusted
        self._exceptions = {}  # lineage -> local class

    def allow_module(self, name):
        names = (*_MODULES, *(self.imports or ()))
        return any(name == each or name.startswith(f"{each}.") for each in names)

    def allow_class(self, lineage):
        return any(module == "__main__" and name in self.classes for module, name in lineage)

    def exception(self, lineage):
        """The local class of an exception class, always the same one."""
        if lineage not in self._exceptions:
            self._exceptions[lineage] = errors.of_lineage(lineage, self.trusted)
        return self._exceptions[lineage]


class Reader(Decoder):
    """Decodes one message of a session's student process.

    arguments : the mutable objects in the request that it answers.

    Raises: ProtocolError, and CannotCross for what the assignment does not let cross.
    """

    def __init__(self, session, buffers, arguments=()):
        super().__init__(buffers, lambda data, decoder: self._receive(data))
        self._session, self._arguments = session, arguments
        self._holdings, self._rules = session.holdings, session.rules
        self._kept = {}  # the stand-ins of this message, until it is read

    def write_back(self, changes):
        """Do to the test's arguments what student code did to its copies."""
        for number, data in changes:
            target = self._arguments[claims.index(number, self._arguments)]
            _write_back(target, self.decode(data))

    def load_shared(self, changes):
        for number, data in changes:
            self._holdings.shared[number].load(self.decode(data))

    def load_modules(self, changes):
        for number, data in changes:
            module, tree = self._holdings.stand_ins.get(number), self.decode(data)
            if module is not None:
                self._holdings.mirrors[number].load(module, tree)

    def error(self, description, of_iterator=False):
        """The exception that student code raised; only an iterator's may end a loop of the test."""
        if "callback" in description:  # a trusted function's own
            callbacks = self._holdings.callbacks
            error = callbacks[claims.index(description["callback"], callbacks)]
            if not isinstance(error, BaseException):
                raise ProtocolError("a reply has another thing in place of an exception")
            return error
        lineage, args = claims.lineage(description["lineage"]), self.decode(description["args"])
        message = claims.text(description["message"])
        if lineage[0] == ("builtins", "StopIteration"):
            error = StopIteration() if of_iterator else RuntimeError("StopIteration")
        else:
            error = errors.instance(self._rules.exception(lineage), args, message)
        error.student_traceback = claims.text(description["traceback"])
        error.student_frame = claims.frame(description["frame"])
        return error

    def link_gradients(self, graph):
        """Make the results of a call depend on its inputs, for autograd."""
        from autograder.proctor import modules

        number, places = graph
        inputs = []
        for tag, first, *rest in places:
            if tag == "argument":
                inputs.append(self._arguments[claims.index(first, self._arguments)])
            else:
                inputs.append(self._holdings.stand_ins[first]._parameters[rest[0]])
        recording = self._keep(number, Recording(self._link(number, "backward")))
        modules.link_gradients(self._session, recording, self.computed, inputs)

    # --- what is no data ---------------------------------------------------------------------

    def _receive(self, data):
        tag, first, *rest = data
        if tag == "argument":
            return self._arguments[claims.index(first, self._arguments)]
        if tag == "callback":
            return self._holdings.callbacks[claims.index(first, self._holdings.callbacks)]
        if tag == "module":
            return self._module_named(claims.text(first))
        if tag == "exception":
            return self.error(first)
        if tag == "handle" and rest:
            return self._make(exactly(int, first), *rest)
        if tag == "handle":
            return self._kept[first] if exactly(int, first) > 0 else self._holdings.own(first)
        raise ValueError

    def _make(self, number, description):
        """The stand-in with this handle: the one there is, or a new one."""
        make = {
            "function": self._function,
            "iterator": self._iterator,
            "class": self._class,
            "instance": self._instance,
            "module": self._mirror,
        }
        return make[description["kind"]](number, description)

    def _keep(self, number, stand_in):
        self._kept[number] = self._holdings.keep(number, stand_in)
        return self._kept[number]

    def _link(self, number, name):
        return Link(self._session, number, claims.text(name))

    def _function(self, number, description):
        return self._keep(number, Function(self._link(number, description["name"]), description))

    def _iterator(self, number, description):
        return self._keep(number, Iterator(self._link(number, description["name"])))

    def _class(self, number, description):
        """A local class for a student's class, below those for its bases."""
        lineage, name = claims.lineage(description["lineage"]), claims.text(description["name"])
        bases = tuple(self.decode(base) for base in description["bases"])
        if not all(link_of(base) or issubclass(base, BaseException) for base in bases):
            raise ValueError
        if ("builtins", "BaseException") in lineage:
            self._kept[number] = self._rules.exception(lineage)
            return self._kept[number]
        if (found := self._holdings.stand_ins.get(number)) is not None:
            return self._keep(number, found)
        claimed = self._rules.trusted(name) if lineage[0][0] == "__main__" else None
        if _TORCH_MODULE in lineage and "torch" in sys.modules:
            from autograder.proctor import modules

            library, passes_for = modules.bases_of(lineage)
            bases, claimed = bases or library, claimed or passes_for
        elif not self._rules.allow_class(lineage):
            raise CannotCross(f"an object of the class `{name}`")
        link = self._link(number, name)
        return self._keep(number, make_class(link, description, bases or (Instance,), claimed))

    def _instance(self, number, description):
        cls = self.decode(description["class"])
        if not issubclass(cls, Instance):
            raise ValueError
        return self._keep(number, make_instance(cls, self._link(number, cls.__name__)))

    def _mirror(self, number, description):
        from autograder.proctor import modules

        cls = self.decode(description["class"])
        if not issubclass(cls, modules.StudentModule):
            raise ValueError
        module = self._holdings.stand_ins.get(number)
        if module is None:
            module = modules.make_module(cls, self._link(number, cls.__name__))
            self._holdings.mirrors[number] = modules.Mirror()
        self._keep(number, module)
        self._holdings.mirrors[number].load(module, self.decode(description["state"]))
        return module

    def _module_named(self, name):
        """Our own module of a name; none is imported only because a student's process says so."""
        if not self._rules.allow_module(name):
            raise CannotCross(f"the module `{name}`")
        if name not in sys.modules:
            raise CannotCross(f"the module `{name}`, which the test does not import")
        return sys.modules[name]


def _write_back(target, new):
    """Give an argument the content that its copy has now."""
    torch = sys.modules.get("torch")
    if isinstance(target, np.ndarray):
        if new.dtype != target.dtype:
            raise CannotCross("an argument whose dtype was changed in place")
        if new.shape != target.shape:
            target.shape = new.shape
        target[...] = new
    elif isinstance(target, list):
        target[:] = exactly(list, new)
    elif isinstance(target, dict | set):
        exactly(dict if isinstance(target, dict) else set, new)
        target.clear()
        target.update(new)
    elif isinstance(target, np.random.Generator):
        target.bit_generator.state = exactly(np.random.Generator, new).bit_generator.state
    elif torch is not None and isinstance(target, torch.Generator):
        target.set_state(exactly(torch.Generator, new).get_state())
    elif target.shape == new.shape and target.dtype == new.dtype:
        target.detach().copy_(new.detach())
    else:
        target.data = exactly(torch.Tensor, new).detach()
