"""What a session holds of its student process, and the process of it, by handle.

A handle is a number that both sides have for one object. The student process gives out positive
ones, for what stays there and has a stand-in here; this side negative ones, for what the test has
lent. Of modules, and of arrays and tensors that an object was given, each side pushes changes.
"""

import sys
import types
import weakref

import numpy as np

from autograder.proctor.standins import link_of
from autograder.student.changes import Shared
from autograder.wire import CannotCross, Encoder

_ROOTS = ("builtins", "math", "operator", "numpy", "torch")
_LIBRARIES = ("builtins", "math", "numpy", "torch", "torch.nn.functional")
_NAMED = (types.FunctionType, types.BuiltinFunctionType, type, np.ufunc, type(np.sum))
_ITERATORS = (types.GeneratorType, map, zip, filter, enumerate)


class Holdings:
    """stand_ins, mirrors and shared are by handle; callbacks by their place in the list.

    trusted : name -> the class that trusted code binds to it, or None.
    """

    def __init__(self, trusted):
        self.stand_ins = weakref.WeakValueDictionary()  # also the modules that the test has lent
        self.mirrors = {}  # a Mirror for each module of either side
        self.shared = {}
        self.callbacks = []  # functions of the test that student code may call just now
        self._trusted, self._lent, self._last_handle = trusted, {}, 0
        self._released = []

    # --- keeping -----------------------------------------------------------------------------

    def keep(self, number, stand_in):
        """Hold a stand-in for as long as the test does; gives the one that has this handle."""
        if number not in self.stand_ins:
            self.stand_ins[number] = stand_in
            weakref.finalize(stand_in, self._release, number)
            if number in self._released:
                self._released.remove(number)
        return self.stand_ins[number]

    def own(self, number):
        """What this side has given a handle. Raises: KeyError."""
        shared = self.shared.get(number)
        return self.stand_ins[number] if shared is None else shared.value

    def take_released(self):
        """The handles that nobody here needs any more, once."""
        released, self._released = self._released, []
        return released

    def share(self, arguments):
        """Link arrays and tensors among the arguments; gives place and new handle of each."""
        torch = sys.modules.get("torch")
        kinds = (np.ndarray,) if torch is None else (np.ndarray, torch.Tensor)
        places = []
        for place, value in enumerate(arguments):
            if isinstance(value, kinds):
                number = self._new_handle()
                self.shared[number] = Shared(value)
                places.append([place, number])
        return places

    def stop_sharing(self, numbers):
        for number in numbers:
            del self.shared[number]
        self._released += numbers

    def _release(self, number):
        self._released.append(number)
        self.mirrors.pop(number, None)

    def _new_handle(self):
        self._last_handle -= 1
        return self._last_handle

    # --- telling -----------------------------------------------------------------------------

    def encoder(self):
        """An encoder that knows what the student process has already."""
        encoder = Encoder(self._hand_over)
        for number, module in self._modules():
            _know_parameters(encoder, number, module)
        for number, shared in list(self.shared.items()):
            encoder.know(shared.value, ["handle", number])
        return encoder

    def changed_modules(self, encoder):
        """Handle and state of each module that the test has changed."""
        changes = []
        for number, module in self._modules():
            if (tree := self.mirrors[number].change(module)) is not None:
                changes.append([number, encoder.encode(tree)])
        return changes

    def changed_shared(self, encoder):
        """Handle and state of each array or tensor that the test has changed."""
        changes = []
        for number, shared in list(self.shared.items()):
            if shared.has_changed():
                encoder.know(shared.value, None)
                changes.append([number, encoder.encode(shared.state())])
                encoder.know(shared.value, ["handle", number])
        return changes

    def callback(self, function):
        """The number under which student code may call a function."""
        self.callbacks.append(function)
        return len(self.callbacks) - 1

    def _modules(self):
        return [(number, each) for number, each in self.stand_ins.items() if number in self.mirrors]

    def _hand_over(self, value, encoder):
        """A value of the test that is no data. Raises: CannotCross."""
        if (link := link_of(value)) is not None:
            if link.session.holdings is not self:
                raise link.session.dead or CannotCross("an object of a process that has ended")
            return ["handle", link.number]
        if _is_module(value):
            return self._lend(value, encoder)
        if (place := self._place(value)) is not None:
            return ["library", *place]
        if isinstance(value, _ITERATORS):
            return ["iterator", self.callback(value.__next__)]
        if callable(value) and not isinstance(value, type):
            return ["callback", self.callback(value)]  # without its name: it may be a hidden one
        raise CannotCross(f"a `{type(value).__name__}` object of the test")

    def _lend(self, module, encoder):
        """A module of the test's, for student code to use and train."""
        from autograder.proctor.modules import Mirror, attributes_of

        if (number := self._lent.get(id(module))) is not None:
            return ["handle", number]
        place = self._place(type(module))
        if place is None:
            raise CannotCross(f"a module of the class `{type(module).__name__}` of the test")
        number = self._lent[id(module)] = self._new_handle()
        self.stand_ins[number], self.mirrors[number] = module, Mirror()
        weakref.finalize(module, self._take_back, id(module), number)
        tree = encoder.encode(self.mirrors[number].begin(module))
        _know_parameters(encoder, number, module)
        encoder.know(module, ["handle", number])
        attributes = encoder.encode(attributes_of(module))
        return ["lent", number, ["library", *place], attributes, tree]

    def _take_back(self, id, number):
        del self._lent[id]
        self._release(number)

    def _place(self, value):
        """Module and name of what both sides have: a library's, or an instructor's class."""
        if isinstance(value, type) and self._trusted(value.__name__) is value:
            return "__main__", value.__name__
        name = getattr(value, "__name__", None)
        if not isinstance(value, _NAMED) or not isinstance(name, str):
            return None
        for module in (getattr(value, "__module__", None), *_LIBRARIES):
            known = str(module).partition(".")[0] in _ROOTS
            if known and getattr(sys.modules.get(module), name, None) is value:
                return module, name
        return None


def _know_parameters(encoder, number, module):
    encoder.keep(module)  # its handle is not released by the message that may name it
    for name, parameter in module._parameters.items():
        if parameter is not None:
            encoder.know(parameter, ["parameter", number, name])


def _is_module(value):
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)
