"""Frames and values on the socket between a student process and its proctor: JSON and raw buffers.

A frame is a length, a JSON text `[message, lengths of the buffers]`, and the buffers. In it a
value is null, a truth value, a number, a text, or a list `[tag, ...]`. No value that arrives is
executed, and none is more than data: what no tag stands for goes through a hook of either side.
Each side checks all that it receives, and decoding raises nothing but ProtocolError.
"""

import json
import re
import socket as sockets
import struct
import sys
import time

import numpy as np

MAX_TEXT = 8 * 2**20  # bytes of the JSON text of a frame
MAX_BYTES = 256 * 2**20  # bytes of all its buffers
MAX_BUFFERS = 100_000
MAX_DEPTH = 60  # of values in values

_LENGTH = struct.Struct(">I")
_SMALL = 2**16  # bytes that are sent in one piece
_WHOLE = 2**63  # larger integers go as hexadecimal digits
_PACKED = 64  # lists of so many floats go as a buffer
_DTYPE = re.compile(r"[<>|][biufcSUmM]\d{1,6}(\[\d{0,4}[a-zA-Z]{1,2}\])?")
_DTYPE_NAMES = """bool uint8 int8 int16 int32 int64 uint16 uint32 uint64 float16 bfloat16
    float32 float64 complex64 complex128 float8_e4m3fn float8_e5m2"""
_TENSOR_DTYPES = frozenset(_DTYPE_NAMES.split())
_TYPES = {
    kind.__name__: kind
    for kind in (bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict, slice,
                 range, object)
}  # fmt: skip
_NO_GRAD, _LEAF, _COMPUTED = 0, 1, 2  # whether a tensor asks for a gradient


# Neither is an Exception: the `except Exception` of a test must not swallow them.
class ProtocolError(BaseException):
    """The other side sent what it must not."""


class TimedOut(BaseException):
    """The other side did not answer by the deadline."""


class Closed(BaseException):
    """The other side is gone."""


class CannotCross(BaseException):
    """A value that is more than data; the message names it and says what could cross."""


class Channel:
    """Messages over a connected socket; `deadline` is in seconds of time.monotonic, or None.

    Raises: TimedOut, Closed, and ProtocolError for a frame beyond the bounds.
    """

    def __init__(self, socket):
        self.socket, self.deadline = socket, None
        for option in (sockets.SO_SNDBUF, sockets.SO_RCVBUF):
            socket.setsockopt(sockets.SOL_SOCKET, option, 2**20)

    def send(self, message, buffers=()):
        """Send a message of JSON data, and buffers: objects with the buffer protocol, as bytes."""
        buffers = [memoryview(each).cast("B") for each in buffers]
        lengths = [each.nbytes for each in buffers]
        text = json.dumps([message, lengths], separators=(",", ":")).encode()
        if len(text) > MAX_TEXT or sum(lengths) > MAX_BYTES or len(lengths) > MAX_BUFFERS:
            raise CannotCross(f"too large: {len(text) + sum(lengths):,} bytes")
        parts = [_LENGTH.pack(len(text)), text, *buffers]
        if len(text) + sum(lengths) <= _SMALL:
            parts = [b"".join(parts)]
        for part in parts:
            self._wait_for(self.socket.sendall, part)

    def receive(self):
        """The next message and its buffers, writable arrays of uint8."""
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        if length > MAX_TEXT:
            raise ProtocolError("a message is too long")
        try:
            message, lengths = json.loads(self._read(length).tobytes())
            fits = all(type(each) is int and each >= 0 for each in lengths)
        except Exception as error:  # also a RecursionError
            raise ProtocolError(f"a message is not readable: {type(error).__name__}") from None
        if not fits or len(lengths) > MAX_BUFFERS or sum(lengths) > MAX_BYTES:
            raise ProtocolError("a message's buffers are too long")
        return message, [self._read(each) for each in lengths]

    def close(self):
        self.socket.close()

    def _read(self, length):
        buffer = np.empty(length, np.uint8)  # not touched, so not in memory before it arrives
        view, done = memoryview(buffer), 0
        while done < length:
            count = self._wait_for(self.socket.recv_into, view[done:])
            if not count:
                raise Closed("the connection was closed")
            done += count
        return buffer

    def _wait_for(self, operation, argument):
        left = None if self.deadline is None else self.deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimedOut("the deadline has passed")
        try:
            self.socket.settimeout(left)
            return operation(argument)
        except TimeoutError:
            raise TimedOut("the deadline has passed") from None
        except OSError:
            raise Closed("the connection was closed") from None


class Encoder:
    """Turns values into JSON data and buffers.

    other : called as other(value, encoder) with what is not plain data; gives its JSON data, or
        raises CannotCross.

    `objects` are the mutable objects met so far, numbered as the decoder numbers them, and
    `computed` the tensors that are the results of operations that autograd recorded.
    """

    def __init__(self, other):
        self.buffers, self.objects, self.computed = [], [], []
        self._other, self._places, self._depth = other, {}, 0
        self._kept = []

    def encode(self, value):
        kind = type(value)
        if value is None or kind is bool or kind is float or kind is str:
            return value
        if kind is int and -_WHOLE < value < _WHOLE:
            return value
        if (place := self._places.get(id(value))) is not None:
            return place
        if self._depth == MAX_DEPTH:
            raise CannotCross("nested too deeply")
        self._depth += 1
        try:
            encode = _ENCODERS.get(kind) or self._find(value)
            return encode(self, value)
        finally:
            self._depth -= 1

    def buffer(self, content):
        """Add a buffer; returns its number."""
        self.buffers.append(content)
        return len(self.buffers) - 1

    def register(self, value):
        """Number a mutable object: further on it is only referred to."""
        self.know(value, ["seen", len(self.objects)])
        self.objects.append(value)

    def know(self, value, data):
        """From here on `data` stands for this object, or nothing."""
        self.keep(value)
        self._places[id(value)] = data

    def keep(self, value):
        """Keep an object as long as the encoder: if it died, another could get its id."""
        self._kept.append(value)

    def _find(self, value):
        """The encoder of a library's class, of a subclass (as its plain base), or the hook."""
        torch = sys.modules.get("torch")
        if isinstance(value, np.generic):
            return Encoder._scalar
        if isinstance(value, np.ndarray):
            return Encoder._array
        if isinstance(value, np.dtype):
            return Encoder._dtype
        if isinstance(value, type):
            return Encoder._type
        if torch is not None:
            if isinstance(value, torch.Tensor):
                return Encoder._tensor
            if type(value) in (torch.Size, torch.dtype, torch.device, torch.Generator):
                return Encoder._of_torch
        for base in _SUBCLASSED:
            if isinstance(value, base):
                return _ENCODERS[base]
        return lambda encoder, value: encoder._other(value, encoder)

    def _integer(self, value):
        value = int.__index__(value)
        return value if -_WHOLE < value < _WHOLE else ["int", hex(value)]

    def _list(self, value):
        self.register(value)
        items = list(list.__iter__(value))
        if len(items) >= _PACKED and all(type(item) is float for item in items):
            return ["floats", self.buffer(np.array(items))]
        return ["list", [self.encode(item) for item in items]]

    def _dict(self, value):
        self.register(value)
        return ["dict", [[self.encode(k), self.encode(v)] for k, v in dict.items(value)]]

    def _set(self, value):
        self.register(value)
        return ["set", [self.encode(item) for item in set.__iter__(value)]]

    def _array(self, value):
        self.register(value)
        plain = np.asarray(value)
        if plain.dtype.fields or plain.dtype.kind == "V":
            raise CannotCross("a structured array; send each of its fields by itself")
        if plain.dtype.hasobject:
            shape = [int(size) for size in plain.shape]
            return ["objects", shape, [self.encode(item) for item in plain.ravel().tolist()]]
        order = _memory_order(plain.flags.c_contiguous, plain.strides)
        content = np.ascontiguousarray(plain.transpose(order) if order else plain)
        number = self.buffer(content.reshape(-1).view(np.uint8) if content.size else b"")
        shape = [int(size) for size in plain.shape]
        return ["array", plain.dtype.str, shape, order, number, bool(plain.flags.writeable)]

    def _scalar(self, value):
        if value.dtype.kind not in "biufcSUmM":
            return self._other(value, self)
        return ["scalar", value.dtype.str, self.buffer(value.tobytes())]

    def _dtype(self, value):
        if not _DTYPE.fullmatch(value.str):
            return self._other(value, self)
        return ["dtype", value.str]

    def _type(self, value):
        if _TYPES.get(value.__name__) is value:
            return ["type", value.__name__]
        if issubclass(value, np.generic) and getattr(np, value.__name__, None) is value:
            return ["numpy type", value.__name__]
        return self._other(value, self)

    def _tensor(self, value):
        import torch

        self.register(value)
        grad = _NO_GRAD
        if value.requires_grad:
            grad = _LEAF if value.is_leaf else _COMPUTED
        if grad == _COMPUTED:
            self.computed.append(value)
        dtype = str(value.dtype).removeprefix("torch.")
        if value.layout != torch.strided or value.is_nested or dtype not in _TENSOR_DTYPES:
            raise CannotCross(f"a {value.layout} tensor of {value.dtype}; send a dense one")
        plain = value.detach()
        if type(plain) is not torch.Tensor:
            plain = plain.as_subclass(torch.Tensor)
        shape, order = list(plain.shape), _memory_order(plain.is_contiguous(), plain.stride())
        if plain.is_meta:
            return ["tensor", dtype, shape, None, None, grad]
        plain = plain.permute(order) if order else plain
        return ["tensor", dtype, shape, order, self.buffer(tensor_bytes(plain)), grad]

    def _of_torch(self, value):
        kind = type(value).__name__
        if kind == "Size":
            return ["size", list(value)]
        if kind == "Generator":
            self.register(value)
            return ["torch generator", self.buffer(value.get_state().numpy())]
        return [f"torch {kind}", str(value).removeprefix("torch.")]

    def _generator(self, value):
        state = value.bit_generator.state
        if state["bit_generator"] != "PCG64":
            raise CannotCross("a generator other than that of np.random.default_rng")
        self.register(value)
        numbers = [*state["state"].values(), state["has_uint32"], state["uinteger"]]
        return ["generator", [hex(number) for number in numbers]]


_ENCODERS = {
    int: Encoder._integer,
    float: lambda encoder, value: float.__float__(value),
    str: lambda encoder, value: str.__str__(value),
    complex: lambda encoder, value: ["complex", value.real, value.imag],
    bytes: lambda encoder, value: ["bytes", encoder.buffer(bytes(value))],
    list: Encoder._list,
    dict: Encoder._dict,
    set: Encoder._set,
    tuple: lambda encoder, value: ["tuple", [encoder.encode(x) for x in tuple.__iter__(value)]],
    frozenset: lambda encoder, value: ["frozenset", [encoder.encode(x) for x in value]],
    slice: lambda encoder, value: [
        "slice", *(encoder.encode(x) for x in (value.start, value.stop, value.step))
    ],
    range: lambda encoder, value: [
        "range", *(encoder.encode(x) for x in (value.start, value.stop, value.step))
    ],
    type(...): lambda encoder, value: ["..."],
    np.ndarray: Encoder._array,
    np.random.Generator: Encoder._generator,
}  # fmt: skip
_SUBCLASSED = (int, float, str, complex, bytes, list, dict, set, tuple, frozenset)


def tensor_bytes(tensor):
    """The entries of a detached tensor as an array of bytes."""
    import torch

    flat = tensor.cpu().resolve_conj().resolve_neg().reshape(-1)
    if not flat.numel():
        return np.empty(0, np.uint8)
    if flat.stride(0) != 1:
        flat = flat.clone(memory_format=torch.contiguous_format)
    return flat.view(torch.uint8).numpy()


def _memory_order(contiguous, strides):
    """The dimensions from the outermost in memory to the innermost; None where that is their order.

    So a transposed array arrives as a transposed one.
    """
    order = sorted(range(len(strides)), key=lambda dim: -abs(strides[dim]))
    return None if contiguous or order == sorted(order) else order


class Decoder:
    """Turns JSON data and buffers into values, of exactly the types of the Encoder.

    other : called as other(data, decoder) with data whose tag is not one of ours.

    `objects` and `computed` are numbered as the encoder's. Raises: ProtocolError, and what the
    hook raises that is no Exception.
    """

    def __init__(self, buffers, other):
        self.objects, self.computed = [], []
        self._buffers, self._other, self._depth = buffers, other, 0

    def decode(self, data):
        try:
            return self._decode(data)
        except Exception as error:
            raise ProtocolError(f"a value is malformed: {type(error).__name__}") from None

    def _decode(self, data):
        if not isinstance(data, list | dict):
            return data
        if isinstance(data, dict) or self._depth > MAX_DEPTH:
            raise ValueError
        self._depth += 1
        decode = _DECODERS.get(data[0])
        value = decode(self, *data[1:]) if decode else self._other(data, self)
        self._depth -= 1
        return value

    def buffer(self, number):
        if type(number) is not int or number < 0:
            raise ValueError
        return self._buffers[number]

    def _items(self, items):
        if type(items) is not list:
            raise ValueError
        return (self._decode(item) for item in items)

    def _list(self, items):
        value = self._register([])
        value.extend(self._items(items))
        return value

    def _floats(self, number):
        return self._register(self.buffer(number).view(np.float64).tolist())

    def _dict(self, items):
        value = self._register({})
        for key, item in items:
            key = self._decode(key)
            value[key] = self._decode(item)
        return value

    def _set(self, items):
        value = self._register(set())
        value.update(self._items(items))
        return value

    def _array(self, dtype, shape, order, number, writeable):
        content = _checked(self.buffer(number), _read_dtype(dtype))
        value = _arranged(content, shape, order, np.transpose)
        value.flags.writeable = bool(writeable)
        return self._register(value)

    def _objects(self, shape, items):
        value = np.empty(len(items), object)
        shaped = self._register(value.reshape(_read_shape(shape)))
        for place, item in enumerate(self._items(items)):
            value[place] = item
        return shaped

    def _scalar(self, dtype, number):
        (value,) = _checked(self.buffer(number), _read_dtype(dtype))
        return value

    def _tensor(self, dtype, shape, order, number, grad):
        import torch

        if dtype not in _TENSOR_DTYPES:
            raise ValueError
        kind = getattr(torch, dtype)
        if number is None:
            value = torch.empty(_read_shape(shape), dtype=kind, device="meta")
        else:
            content = self.buffer(number)
            if dtype == "bool":
                _checked(content, np.dtype(bool))
            empty = not len(content)
            flat = torch.empty(0, dtype=kind) if empty else torch.frombuffer(content, dtype=kind)
            value = _arranged(flat, shape, order, torch.permute)
        self._register(value)
        if grad:
            value.requires_grad_()
        if grad == _COMPUTED:
            self.computed.append(value)
        return value

    def _torch_generator(self, number):
        import torch

        value = torch.Generator()
        value.set_state(torch.frombuffer(self.buffer(number), dtype=torch.uint8))
        return self._register(value)

    def _generator(self, numbers):
        state, increment, has_spare, spare = (_read_integer(number) for number in numbers)
        value = np.random.Generator(np.random.PCG64(0))
        value.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": state, "inc": increment},
            "has_uint32": has_spare,
            "uinteger": spare,
        }
        return self._register(value)

    def _seen(self, number):
        if type(number) is not int or number < 0:
            raise ValueError
        return self.objects[number]

    def _register(self, value):
        self.objects.append(value)
        return value


def _read_integer(text):
    return int(text, 16)


def _read_dtype(text):
    if not _DTYPE.fullmatch(text):
        raise ValueError
    return np.dtype(text)


def _read_shape(shape):
    if len(shape) > 32 or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError
    return shape


def _checked(buffer, dtype):
    """The buffer as an array of `dtype`, if every entry is one that the dtype can have."""
    if dtype.kind == "b" and buffer.max(initial=0) > 1:
        raise ValueError
    if dtype.kind == "U":
        if dtype.itemsize == 0:
            return np.zeros(0, dtype)
        points = buffer.view(np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if points.max(initial=0) > sys.maxunicode:
            raise ValueError
    return buffer.view(dtype)


def _arranged(flat, shape, order, transpose):
    """A flat array or tensor in its shape, with its dimensions in their order in memory."""
    shape = _read_shape(shape)
    if order is None:
        return flat.reshape(shape)
    if sorted(order) != list(range(len(shape))):
        raise ValueError
    inverse = [order.index(dim) for dim in range(len(shape))]
    return transpose(flat.reshape([shape[dim] for dim in order]), inverse)


def _read_range(decoder, *parts):
    if not all(type(part) is int for part in parts) or len(value := range(*parts)) > MAX_BYTES:
        raise ValueError
    return value


def _read_numpy_type(decoder, name):
    value = getattr(np, name)
    if not (isinstance(value, type) and issubclass(value, np.generic)):
        raise ValueError
    return value


def _read_torch(decoder, kind, name):
    import torch

    if kind == "dtype":
        if name not in _TENSOR_DTYPES:
            raise ValueError
        return getattr(torch, name)
    return torch.device(name)


def _read_size(decoder, shape):
    import torch

    return torch.Size(_read_shape(shape))


_DECODERS = {
    "int": lambda decoder, text: _read_integer(text),
    "complex": lambda decoder, real, imaginary: complex(real, imaginary),
    "bytes": lambda decoder, number: decoder.buffer(number).tobytes(),
    "list": Decoder._list,
    "floats": Decoder._floats,
    "dict": Decoder._dict,
    "set": Decoder._set,
    "tuple": lambda decoder, items: tuple(decoder._items(items)),
    "frozenset": lambda decoder, items: frozenset(decoder._items(items)),
    "slice": lambda decoder, *parts: slice(*(decoder._decode(part) for part in parts)),
    "range": _read_range,
    "...": lambda decoder: ...,
    "array": Decoder._array,
    "objects": Decoder._objects,
    "scalar": Decoder._scalar,
    "dtype": lambda decoder, text: _read_dtype(text),
    "type": lambda decoder, name: _TYPES[name],
    "numpy type": _read_numpy_type,
    "tensor": Decoder._tensor,
    "size": _read_size,
    "torch dtype": lambda decoder, name: _read_torch(decoder, "dtype", name),
    "torch device": lambda decoder, name: _read_torch(decoder, "device", name),
    "torch generator": Decoder._torch_generator,
    "generator": Decoder._generator,
    "seen": Decoder._seen,
}
