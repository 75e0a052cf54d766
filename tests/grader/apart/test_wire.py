"""What crosses the socket: every kind of value, and no kind of mischief."""

import contextlib
import json
import math
import resource
import socket
import struct
import threading
import time
import weakref

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder import wire
from autograder.wire import CannotCross, Channel, Closed, Decoder, Encoder, ProtocolError, TimedOut


def refuse(value, encoder):
    raise CannotCross(type(value).__name__)


def nothing(data, decoder):
    raise ValueError


def cross(value):
    """A value through an encoder, JSON, and a decoder."""
    encoder = Encoder(refuse)
    data = json.loads(json.dumps(encoder.encode(value)))
    buffers = [np.frombuffer(bytearray(memoryview(b).cast("B")), np.uint8) for b in encoder.buffers]
    return Decoder(buffers, nothing).decode(data)


def test_what_an_encoder_knows_lives_on_so_that_no_other_object_gets_its_id():
    encoder, value = Encoder(refuse), np.zeros(3)
    alive = weakref.ref(value)
    encoder.know(value, ["handle", -1])
    del value
    assert alive() is not None
    del encoder
    assert alive() is None


def same(one, other):
    """Equal in type and content, NaN included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray | np.generic):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        if one.dtype.hasobject:
            return all(map(same, one.ravel().tolist(), other.ravel().tolist()))
        return one.tobytes() == other.tobytes()
    if isinstance(one, torch.Tensor):
        if one.is_meta:
            return other.is_meta and (one.dtype, one.shape) == (other.dtype, other.shape)
        flags = one.requires_grad == other.requires_grad
        return flags and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return one == other


VALUES = [
    None, True, 0, -(2**63), 2**70, -(10**500), 1.5, -0.0, math.inf, math.nan, 2 - 3j, "", "é\x00",
    "\ud800", b"", b"\x00\xff", [], [1, [2.0, "a"]], (), (1, (2,)), {1, 2}, frozenset({"a"}),
    {"a": 1, (1, 2): [3]}, slice(1, None, 2), range(3, 9, 2), ..., [0.5] * 200, [1, 2] * 200,
    np.arange(6).reshape(2, 3), np.arange(6.0).reshape(2, 3).T, np.array(3.0), np.zeros((0, 3)),
    np.array(["a", "bcd", ""]), np.array([b"a", b"bc"]), np.array([], "U"), np.array([True, False]),
    np.arange(12, dtype=">i2")[::2], np.array([1, "a", None], object), np.array([1 + 2j]),
    np.array(["2020-01-01"], "M8[D]"), np.array([5], "m8[ms]"), np.float16(2), np.bool_(True),
    np.str_("x"), np.datetime64("2020-01-01T10:00"), np.dtype(">f4"), float, np.float32, dict,
    torch.arange(6.0).reshape(2, 3).T, torch.tensor(True), torch.zeros(0, 3), torch.tensor(2),
    torch.ones(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.complex64).conj(),
    torch.ones(2, dtype=torch.float8_e4m3fn).to(torch.float16), torch.empty(2, 3, device="meta"),
    torch.ones(2, requires_grad=True), torch.Size([1, 2]), torch.bfloat16, torch.device("cpu"),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_arrives_as_it_is(value):
    assert same(cross(value), value)


@pytest.mark.parametrize("dtype", sorted(wire._TENSOR_DTYPES))
def test_tensors_of_all_dtypes_arrive(dtype):
    bytes = torch.arange(32, dtype=torch.uint8)
    kind = getattr(torch, dtype)
    value = (bytes % 2).bool() if kind is torch.bool else bytes.view(kind)
    arrived = cross(value)
    assert arrived.dtype == kind
    assert torch.equal(arrived.view(torch.uint8), value.view(torch.uint8))


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
arrays = hnp.arrays(
    hnp.scalar_dtypes() | hnp.unicode_string_dtypes() | hnp.byte_string_dtypes(),
    hnp.array_shapes(min_dims=0, min_side=0, max_side=4),
)
trees = st.recursive(
    scalars | arrays,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=20,
)


@given(trees)
@settings(max_examples=100, deadline=None)
def test_any_tree_of_data_arrives_as_it_is(tree):
    assert same(cross(tree), tree)


def test_one_object_twice_is_one_object_there():
    array, items = np.ones(2), [1]
    items.append(items)
    one, (two,), three = cross((array, [array], items))
    assert one is two
    assert three[1] is three


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 5), (4,)])
def test_a_transposed_array_arrives_transposed_in_memory(shape):
    """So that code which works only for one layout fails as it would have failed."""
    array = np.arange(math.prod(shape)).reshape(shape).T
    arrived, tensor = cross((array, torch.from_numpy(array)))
    assert arrived.strides == array.strides
    assert tensor.stride() == torch.from_numpy(array).stride()


def test_a_read_only_array_stays_so_and_others_can_be_written():
    array = np.ones(2)
    array.flags.writeable = False
    assert not cross(array).flags.writeable
    cross(np.ones(2))[0] = 2


class LyingFloat(float):
    def __float__(self):
        return 1.0

    def __eq__(self, other):
        return True

    __hash__ = float.__hash__


class LyingList(list):
    def __iter__(self):
        return iter(["lie"])


class LyingArray(np.ndarray):
    def __array_function__(self, *_):
        return True


class LyingTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function.__name__ in ("equal", "allclose"):
            return True
        return super().__torch_function__(function, types, args, kwargs or {})


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (LyingFloat(2.0), 2.0),
        (LyingList([1, 2]), [1, 2]),
        (np.zeros(2).view(LyingArray), np.zeros(2)),
        (torch.zeros(2).as_subclass(LyingTensor), torch.zeros(2)),
        (torch.nn.Parameter(torch.ones(2)), torch.ones(2, requires_grad=True)),
        (type("Text", (str,), {"__str__": lambda self: "lie"})("truth"), "truth"),
        (type("Number", (int,), {"__index__": lambda self: 7})(3), 3),
        (np.ma.masked_array([1.0, 2.0], [True, False]), np.array([1.0, 2.0])),
    ],
    ids=["float", "list", "array", "tensor", "parameter", "text", "integer", "masked"],
)
def test_a_subclass_crosses_as_its_plain_base(value, plain):
    assert same(cross(value), plain)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.zeros(2, [("a", float)]), "structured array"),
        (torch.zeros(2).to_sparse(), "sparse_coo tensor"),
        (np.random.Generator(np.random.MT19937(0)), "default_rng"),
        (object(), "object"),
        (open, "builtin_function"),
    ],
    ids=["structured", "sparse", "generator", "object", "function"],
)
def test_what_cannot_cross_is_named(value, reason):
    with pytest.raises(CannotCross, match=reason):
        cross(value)


def test_data_nested_too_deeply_is_refused():
    value = []
    for _ in range(wire.MAX_DEPTH + 1):
        value = [value]
    with pytest.raises(CannotCross, match="nested too deeply"):
        cross(value)


def test_generators_go_on_where_they_were():
    numpy, pytorch = np.random.default_rng(3), torch.Generator().manual_seed(3)
    numpy.normal(size=3)
    ours, theirs = cross((numpy, pytorch))
    assert ours.normal() == numpy.normal()
    assert torch.rand(1, generator=theirs) == torch.rand(1, generator=pytorch)


# --- what must never get through ------------------------------------------------------------------

tags = st.sampled_from([*wire._DECODERS, "handle", "unknown", ""])
json_trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | tags,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.builds(lambda tag, rest: [tag, *rest], tags, st.lists(inner, max_size=6))
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=25,
)


@given(json_trees, st.lists(st.binary(max_size=40), max_size=3))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_tree_makes_the_decoder_raise_anything_but_a_protocol_error(tree, buffers):
    arrays = [np.frombuffer(bytearray(buffer), np.uint8) for buffer in buffers]
    with contextlib.suppress(ProtocolError):
        Decoder(arrays, nothing).decode(json.loads(json.dumps(tree)))


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_no_damage_to_a_good_message_makes_it_raise_anything_else(data):
    encoder = Encoder(refuse)
    value = data.draw(st.sampled_from(VALUES))
    text = json.dumps(encoder.encode([value, value]))
    place = data.draw(st.integers(0, len(text)))
    damaged = text[:place] + data.draw(st.text('0123456789[]",-e', max_size=3)) + text[place + 1 :]
    buffers = [np.frombuffer(bytearray(memoryview(b).cast("B")), np.uint8) for b in encoder.buffers]
    with contextlib.suppress(ProtocolError, json.JSONDecodeError):
        Decoder(buffers, nothing).decode(json.loads(damaged))


@pytest.mark.parametrize(
    "data",
    [
        ["array", "|O", [1], None, 0, True],
        ["array", "|V8", [1], None, 0, True],
        ["array", "<f8", [-1], None, 0, True],
        ["array", "<f8", [2**62, 2**62, 0], None, 1, True],
        ["array", "<f8", [10**9], None, 0, True],
        ["array", "<f8", [1], [0, 0], 0, True],
        ["array", "<f8", [True], None, 0, True],
        ["array", "|b1", [8], None, 2, True],
        ["array", "<U2", [1], None, 2, True],
        ["tensor", "bool", [8], None, 2, 0],
        ["tensor", "int64", [1], None, 0, 1],
        ["tensor", "qint8", [8], None, 0, 0],
        ["objects", [2], [1]],
        ["list", 5],
        ["dict", [[["list", []], 1]]],
        ["set", [["list", []]]],
        ["seen", 0],
        ["seen", -1],
        ["range", 0, 10**18, 1],
        ["range", 0, 1, 0],
        ["type", "eval"],
        ["numpy type", "load"],
        ["numpy type", "ndarray"],
        ["torch dtype", "nn"],
        ["bytes", -1],
        ["generator", ["1"]],
        {"a": 1},
        [],
        [["list"]],
    ],
    ids=str,
)
def test_malformed_values_are_refused(data):
    buffers = [bytearray(8), bytearray(0), bytearray(b"\xff" * 8)]
    with pytest.raises(ProtocolError):
        Decoder([np.frombuffer(each, np.uint8) for each in buffers], nothing).decode(data)


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours), theirs


def frame(text, *buffers):
    return struct.pack(">I", len(text)) + text + b"".join(buffers)


def test_messages_cross_with_their_buffers(pair):
    channel, theirs = pair
    large = np.random.default_rng(0).bytes(3 * 2**20)
    other = threading.Thread(target=Channel(theirs).send, args=({"a": [1, "é"]}, [b"", large]))
    other.start()
    message, buffers = channel.receive()
    other.join()
    assert message == {"a": [1, "é"]}
    assert [each.tobytes() for each in buffers] == [b"", large]


@pytest.mark.parametrize(
    "content",
    [
        struct.pack(">I", 2**32 - 1),
        struct.pack(">I", wire.MAX_TEXT + 1),
        frame(b"[[], [2147483648]]"),
        frame(b"[[], [268435456, 1]]"),
        frame(b"[[], [-1]]"),
        frame(b"[[], [true]]"),
        frame(b"[[], [1.5]]"),
        frame(b"[[], {}, 3]"),
        frame(b"[[], 3]"),
        frame(b"{}"),
        frame(b""),
        frame(b"\xff\xfe"),
        frame(b"[" * 100_000),
        frame(b"[[], [" + b"0," * (wire.MAX_BUFFERS + 1) + b"0]]"),
        frame(b'[{"a": ' * 50_000),
        frame(b"1" * 5000),
    ],
    ids=range(16),
)
def test_malformed_frames_are_refused_and_cost_no_memory(pair, content):
    channel, theirs = pair
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    threading.Thread(target=theirs.sendall, args=(content,)).start()
    with pytest.raises(ProtocolError):
        channel.receive()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_a_claim_of_many_bytes_takes_no_memory_before_they_come(pair):
    channel, theirs = pair
    channel.deadline = time.monotonic() + 0.05
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    theirs.sendall(frame(b"[[], [%d]]" % wire.MAX_BYTES, b"0123"))
    with pytest.raises(TimedOut):
        channel.receive()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


def test_who_says_nothing_or_drips_times_out(pair):
    channel, theirs = pair
    channel.deadline = time.monotonic() + 0.1
    stop = threading.Event()

    def drip():
        theirs.sendall(struct.pack(">I", 1000))
        while not stop.wait(0.01):
            theirs.sendall(b" ")

    thread = threading.Thread(target=drip)
    thread.start()
    with pytest.raises(TimedOut):
        channel.receive()
    stop.set()
    thread.join()


def test_who_does_not_read_times_out(pair):
    channel, _ = pair
    channel.deadline = time.monotonic() + 0.1
    with pytest.raises(TimedOut):
        channel.send({}, [bytes(32 * 2**20)])


def test_who_hangs_up_has_closed_the_channel(pair):
    channel, theirs = pair
    theirs.sendall(struct.pack(">I", 10) + b"[")
    theirs.close()
    with pytest.raises(Closed):
        channel.receive()
    with pytest.raises(Closed):
        for _ in range(2):
            channel.send({}, [bytes(2**20)])


def test_too_large_a_message_is_not_sent(pair):
    channel, _ = pair
    with pytest.raises(CannotCross, match="too large"):
        channel.send("x" * (wire.MAX_TEXT + 1))


def test_its_errors_pass_through_the_except_clause_of_a_test():
    for error in (ProtocolError, TimedOut, Closed, CannotCross):
        assert not issubclass(error, Exception)
