"""The loop of a student process: it runs cells and does what the proctor asks with their names.

What cannot be sent as data stays here and goes over as a handle: a number, and a description of
what it stands for. The proctor believes none of it; see autograder/proctor/.
"""

import builtins
import collections.abc
import contextlib
import copy
import operator
import random
import sys
import time
import types
import warnings

import numpy as np

from autograder.student import describing
from autograder.student.changes import (
    ModuleState,
    Shared,
    assign,
    changed,
    leaves_of,
    remember,
)
from autograder.wire import CannotCross, Channel, Closed, Decoder, Encoder, ProtocolError

# What Python asks of an object by its class: what the proctor may ask of an instance.
_OPERATORS = """__neg__ __pos__ __abs__ __invert__ __getitem__ __setitem__ __delitem__ __contains__
    __add__ __sub__ __mul__ __truediv__ __floordiv__ __mod__ __pow__ __matmul__ __and__ __or__
    __xor__ __lshift__ __rshift__ __iadd__ __isub__ __imul__ __itruediv__ __imatmul__
    __eq__ __ne__ __lt__ __le__ __gt__ __ge__"""
SPECIAL_METHODS = {
    "__len__": len,
    "__iter__": iter,
    "__next__": next,
    "__reversed__": reversed,
    "__repr__": repr,
    "__str__": str,
    "__bool__": bool,
    "__int__": int,
    "__float__": float,
    "__index__": operator.index,
    "__round__": round,
    "__enter__": lambda value: type(value).__enter__(value),
    "__exit__": lambda value: type(value).__exit__(value, None, None, None),
} | {name: getattr(operator, name) for name in _OPERATORS.split()}
REFLECTED = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
_ASKED = {*SPECIAL_METHODS, "__call__", *(f"__r{name}__" for name in REFLECTED)}


def serve(socket, shell):
    """Answer the proctor until it hangs up.

    shell : has `namespace`, `run(source, name, timeout)` and `capture(function)`; see shell.py.
    """
    server = _Server(Channel(socket), shell)
    with contextlib.suppress(Closed):
        while True:
            server.answer(*server.channel.receive())


class _Graph:
    """What autograd recorded in one call: the results and the leaves that they depend on."""

    def __init__(self, outputs, inputs):
        self.outputs, self.inputs = outputs, inputs

    def backward(self, gradients):
        """The gradients of the inputs, None where there is none."""
        import torch

        pairs = [(o, g) for o, g in zip(self.outputs, gradients, strict=True) if g is not None]
        outputs, gradients = zip(*pairs, strict=True)
        return list(
            torch.autograd.grad(
                outputs, self.inputs, gradients, retain_graph=True, allow_unused=True
            )
        )


class _Server:
    def __init__(self, channel, shell):
        self.channel, self._shell = channel, shell
        self._objects, self._numbers = {}, {}  # handle -> object, id of the object -> handle
        self._descriptions = {}  # handle -> name, docstring, signature of a function or class
        self._last_handle = 0
        self._modules = {}  # handle -> the ModuleState that the proctor knows
        self._shared = {}  # handle -> Shared
        self._removed = {}  # name -> value, of what a test has taken away for a while
        self._settings = {}
        self._level, self._calls = 0, 0  # requests within requests, and outermost ones so far
        self._operations = SPECIAL_METHODS | {
            "call": lambda function, args, kwargs: function(*args, **kwargs),
            "get": getattr,
            "set": setattr,
            "delete": delattr,
            "name": self._name,
            "remove": self._remove,
            "restore": self._restore,
            "copy": copy.deepcopy,
            "backward": _Graph.backward,
        }

    def answer(self, message, buffers):
        """Do what one request asks, and send what came of it."""
        if message["do"] == "run":
            self.channel.send(self._run(**message["cell"]))
            return
        for number in message["released"]:
            self._release(number)
        decoder = Decoder(buffers, self._resolve)
        try:
            for number, state in message["modules"]:
                self._load(self._objects[number], decoder.decode(state))
                self._modules[number] = ModuleState(self._objects[number])
            for number, state in message["shared"]:
                self._shared[number].load(decoder.decode(state))
            first = len(decoder.objects)
            values = decoder.decode(message["values"])
            arguments = decoder.objects[first:]
            self._settings |= decoder.decode(message["settings"])
        except ProtocolError as error:  # such as a tensor, where there is no torch
            self.channel.send({"refused": f"the student's process cannot take it: {error}"})
            return
        self._level += 1
        try:
            self._reply(message, values, arguments)
        finally:
            self._level -= 1
            self._calls += self._level == 0

    def _run(self, source, name, timeout):
        done = self._shell.run(source, name, timeout)
        return {"outputs": done.outputs, "ok": done.ok, "seconds": done.seconds}

    def _reply(self, message, values, arguments):
        before = [remember(each) for each in arguments]
        call = _Call(self._operations[message["do"]], values, self._settings)
        _, outputs = self._shell.capture(call)
        reply = {
            "printed": "".join(o["text"] for o in outputs if o.get("name") == "stdout"),
            "warnings": call.warnings,
            "seconds": call.seconds,
        }
        if call.error is None:
            for place, number in message["share"]:
                self._share(number, arguments[place])
        try:
            content, encoder = self._content(call, arguments, before)
        except CannotCross as refused:
            content, encoder = {"refused": str(refused)}, Encoder(None)
        try:
            self.channel.send(reply | content, encoder.buffers)
        except CannotCross as refused:
            self.channel.send(reply | {"refused": str(refused)})

    def _content(self, call, arguments, before):
        """What a reply says beside prints and warnings."""

        def changes(encoder):
            # The new value of an argument is told once, and not as the argument that it is.
            result = []
            for number, (value, then) in enumerate(zip(arguments, before, strict=True)):
                if changed(value, then):
                    encoder.know(value, None)
                    result.append([number, encoder.encode(value)])
                    encoder.know(value, ["argument", number])
            return result

        def write(encoder):
            content = {
                "changed": changes(encoder),
                "shared": self._changed_shared(encoder),
                "modules": self._changed_modules(encoder),
            }
            if call.error is not None:
                return content | {"error": self._describe_error(call.error, encoder)}
            content["value"] = encoder.encode(call.value)
            if encoder.computed:
                content["graph"] = self._graph(encoder.computed, arguments, encoder)
            return content

        return self._encoded(write, arguments)

    def _encoded(self, write, arguments):
        """What `write(encoder)` gives, and the encoder; on a refusal no module was told of."""
        modules = dict(self._modules)
        encoder = Encoder(self._hand_over)
        for number, value in enumerate(arguments):
            encoder.know(value, ["argument", number])
        for number, shared in self._shared.items():
            encoder.know(shared.value, ["handle", number])
        try:
            return write(encoder), encoder
        except CannotCross:
            self._modules = modules
            raise

    # --- handles -----------------------------------------------------------------------------

    def _number(self, value):
        number = self._numbers.get(id(value))
        if number is None:
            number = self._last_handle = self._last_handle + 1
            self._objects[number], self._numbers[id(value)] = value, number
        return number

    def _release(self, number):
        value = self._objects.pop(number, None)
        self._numbers.pop(id(value), None)
        for table in (self._descriptions, self._modules, self._shared):
            table.pop(number, None)

    def _share(self, number, value):
        """Keep an argument under a handle of the proctor's choice."""
        self._objects[number], self._numbers[id(value)] = value, number
        self._shared[number] = Shared(value)

    def _resolve(self, data, decoder):
        """The object that the proctor means."""
        tag, *rest = data
        if tag == "handle":
            return self._objects[rest[0]]
        if tag == "parameter":
            number, name = rest
            return self._objects[number]._parameters[name]
        if tag == "callback":
            return _TrustedFunction(self, *rest)
        if tag == "iterator":
            return _trusted_items(_TrustedFunction(self, *rest))
        if tag == "library":
            module, name = rest
            return self._shell.namespace[name] if module == "__main__" else _library(module, name)
        if tag == "lent":
            return self._borrow(decoder, *rest)
        raise ValueError(tag)

    def _hand_over(self, value, encoder):
        """A value that is no data, as what the proctor can make a stand-in of."""
        if isinstance(value, _TrustedFunction):
            if value._call != self._calls:
                raise CannotCross("a function of the test, from an earlier call")
            return ["callback", value.number]
        if isinstance(value, types.ModuleType):
            return ["module", str(value.__name__)]
        if isinstance(value, BaseException):
            return ["exception", self._describe_error(value, encoder)]
        describe = self._kind(value)
        number = self._number(value)
        encoder.know(value, ["handle", number])
        return ["handle", number] if number < 0 else ["handle", number, describe(value, encoder)]

    def _kind(self, value):
        """How to describe a value. Raises: CannotCross."""
        torch = sys.modules.get("torch")
        kind = type(value)
        if isinstance(value, type):
            return self._describe_class
        if torch is not None and isinstance(value, torch.nn.Module):
            return self._describe_module
        if isinstance(value, collections.abc.Coroutine | collections.abc.AsyncGenerator):
            raise CannotCross(
                "the result of an `async def` function, which nobody awaits; write `def`"
            )
        if kind.__module__ == "__main__":
            return self._describe_instance
        if callable(value):
            return self._describe_function
        if isinstance(value, collections.abc.Iterator):
            return lambda value, encoder: {"kind": "iterator", "name": describing.name_of(kind)}
        raise CannotCross(f"a `{describing.name_of(kind)}` object of {kind.__module__}")

    def _describe_function(self, value, encoder):
        return self._outline(value) | {"kind": "function"}

    def _describe_class(self, value, encoder):
        own = [base for base in value.__mro__ if base.__module__ == "__main__"]
        return self._outline(value) | {
            "kind": "class",
            "lineage": describing.lineage(value),
            "special": sorted({name for base in own for name in vars(base)} & _ASKED),
            "bases": [encoder.encode(base) for base in value.__bases__ if base in own],
        }

    def _outline(self, value):
        """Name, docstring and signature, which take time to find out."""
        number = self._number(value)
        if number not in self._descriptions:
            self._descriptions[number] = {
                "name": describing.name_of(value),
                "doc": describing.text(value.__doc__),
                "parameters": describing.parameters(value),
            }
        return self._descriptions[number]

    def _describe_instance(self, value, encoder):
        return {"kind": "instance", "class": encoder.encode(type(value))}

    def _describe_module(self, value, encoder):
        state = self._modules[self._number(value)] = ModuleState(value)
        return {
            "kind": "module",
            "class": encoder.encode(type(value)),
            "state": encoder.encode(state.tree),
        }

    # --- modules and gradients ---------------------------------------------------------------

    def _changed_modules(self, encoder):
        changes = []
        for number, state in list(self._modules.items()):
            module = self._objects[number]
            if not state.still_holds(module):
                state = self._modules[number] = ModuleState(module)
                changes.append([number, encoder.encode(state.tree)])
        return changes

    def _changed_shared(self, encoder):
        changes = []
        for number, shared in self._shared.items():
            if shared.has_changed():
                encoder.know(shared.value, None)
                changes.append([number, encoder.encode(shared.state())])
                encoder.know(shared.value, ["handle", number])
        return changes

    def _borrow(self, decoder, number, place, attributes, tree):
        """A module of the test's, made again from its class, attributes and tensors."""
        import torch

        cls, tree = decoder.decode(place), decoder.decode(tree)
        module = cls.__new__(cls)
        torch.nn.Module.__init__(module)
        vars(module).update(decoder.decode(attributes))
        module._modules |= tree["children"]
        self._load(module, tree)
        for name, (_, persistent) in tree["buffers"].items():
            if not persistent:
                module._non_persistent_buffers_set.add(name)
        if hasattr(module, "_init_flat_weights"):  # recurrent modules hold their weights twice
            module._init_flat_weights()
        self._objects[number], self._numbers[id(module)] = module, number
        self._modules[number] = ModuleState(module)
        return module

    def _load(self, module, tree):
        """Give a module the values that it has on the proctor's side."""
        import torch

        for name, (value, gradient, requires_grad) in tree["parameters"].items():
            now = module._parameters.get(name)
            if value is None or now is None:
                now = None if value is None else torch.nn.Parameter(value, requires_grad)
                module._parameters[name] = now
            else:
                now = module._parameters[name] = assign(now, value)
                now.requires_grad_(requires_grad)
            if now is not None:
                now.grad = gradient
        for name, (value, _) in tree["buffers"].items():
            module._buffers[name] = value
        module.training = tree["training"]

    def _graph(self, outputs, arguments, encoder):
        """A handle of what autograd recorded, and what each of its inputs is to the proctor."""
        places = {id(value): ["argument", number] for number, value in enumerate(arguments)}
        for number in self._modules:
            for name, parameter in self._objects[number]._parameters.items():
                places.setdefault(id(parameter), ["parameter", number, name])
        leaves = [leaf for leaf in leaves_of(outputs) if id(leaf) in places]
        if not leaves:
            return None
        return [self._number(_Graph(outputs, leaves)), [places[id(leaf)] for leaf in leaves]]

    # --- names and errors --------------------------------------------------------------------

    def _name(self, name):
        if name not in self._shell.namespace:
            raise NameError(f"name {name!r} is not defined")
        return self._shell.namespace[name]

    def _remove(self, name):
        if name in self._shell.namespace:
            self._removed[name] = self._shell.namespace.pop(name)

    def _restore(self, name):
        if name in self._removed:
            self._shell.namespace[name] = self._removed.pop(name)

    def _describe_error(self, error, encoder):
        trace = describing.own_frames(error.__traceback__)
        if isinstance(error, _TrustedError):
            return {"callback": error.number}
        try:
            args = encoder.encode(tuple(error.args))
        except CannotCross:
            args = None
        return {
            "lineage": describing.lineage(type(error)),
            "message": describing.message(error),
            "args": args,
            "traceback": describing.render(error, trace),
            "frame": describing.last_frame(trace),
        }


class _Call:
    """One operation, done under the proctor's settings; keeps what came of it."""

    def __init__(self, function, values, settings):
        self._function, self._values, self._settings = function, values, settings
        self.value = self.error = None
        self.warnings, self.seconds = [], 0.0

    def __call__(self):
        start = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                with _applied(self._settings):
                    self.value = self._function(*self._values)
            except BaseException as error:
                self.error = error
        self.seconds = time.perf_counter() - start
        self.warnings = [
            [describing.lineage(each.category), describing.message(each.message)]
            for each in caught[:100]
        ]


@contextlib.contextmanager
def _applied(settings):
    """NumPy's and torch's switches and seeds as they are on the proctor's side."""
    seeds = settings.pop("seeds", {})
    if "random" in seeds:
        random.seed(seeds["random"])
    if "numpy" in seeds:
        np.random.seed(seeds["numpy"])
    torch = sys.modules.get("torch")
    with contextlib.ExitStack() as stack:
        stack.enter_context(np.errstate(**settings.get("errors", {})))
        if torch is not None:
            if "torch" in seeds:
                torch.manual_seed(seeds["torch"])
            stack.enter_context(torch.set_grad_enabled(settings.get("grad", True)))
            dtype = torch.get_default_dtype()
            wanted = getattr(torch, settings.get("dtype", "float32"))
            if wanted is not dtype:
                torch.set_default_dtype(wanted)
                stack.callback(torch.set_default_dtype, dtype)
        yield


class _Ended(Exception):
    """A trusted iterator has no more items."""


def _trusted_items(function):
    with contextlib.suppress(_Ended):
        while True:
            yield function()


class _TrustedError(Exception):
    """What a trusted function raised, in the student's process."""

    number = None


class _TrustedFunction:
    """A function of the test's, given to student code for the length of a call."""

    __name__ = "function"

    def __init__(self, server, number):
        self._server, self.number, self._call = server, number, server._calls

    def __call__(self, *args, **kwargs):
        server = self._server
        if self._call != server._calls:
            raise RuntimeError("a function of the test works only in the call that it is given to")
        data, encoder = server._encoded(lambda encoder: encoder.encode((args, kwargs)), [])
        server.channel.send({"callback": self.number, "values": data}, encoder.buffers)
        while True:
            message, buffers = server.channel.receive()
            if "do" not in message:
                break
            server.answer(message, buffers)
        if "ended" in message:
            raise _Ended
        if "raised" in message:
            number, name, text = message["raised"]
            raise _trusted_error(name)(number, text)
        return Decoder(buffers, server._resolve).decode(message["value"])


def _trusted_error(name):
    """An exception class that is a builtin one too, so that student code can catch it."""
    base = getattr(builtins, name)

    def __init__(self, number, text):
        base.__init__(self, text)
        self.number = number

    return type(name, (_TrustedError, base), {"__init__": __init__})


def _library(module, name):
    return getattr(sys.modules[module], name)
