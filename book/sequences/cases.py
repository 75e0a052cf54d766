"""Sample inputs for every function on sequences, and the peers it is held against."""

import numpy as np

from book.op import Case, Op
from book.sequences.reference import GATES

_F = "torch.nn.functional"


# --- recurrent layers


def _weights(rng, gates, features, hidden):
    rows = gates * hidden
    shapes = ((rows, features), (rows, hidden), (rows,), (rows,))
    scale = min(0.3, hidden**-0.5)  # or the states of a wide layer turn chaotic
    return [rng.normal(scale=scale, size=shape) for shape in shapes]


def _recurrent(mode, name, rng, shape, hidden=3, raises=None, biases=True, states=True, **kwargs):
    """A layer's case for input of shape (T, N, D)."""
    count = 2 if mode == "lstm" else 1
    first = [rng.normal(size=(shape[1], hidden)) if states else None for _ in range(count)]
    weights = _weights(rng, GATES[mode], shape[2], hidden)[: 4 if biases else 2]
    return Case(name, (rng.normal(size=shape), *first, *weights), kwargs, raises)


def _recurrent_sample(mode):
    def sample(rng, shape):
        shape = [max(1, side) for side in shape[:3]]
        return _recurrent(mode, "ordinary", rng, shape, 128 if shape[2] > 50 else 3)

    return sample


def _recurrent_cases(mode):
    def cases(rng):
        def case(name, shape=(4, 2, 3), **kwargs):
            return _recurrent(mode, name, rng, shape, **kwargs)

        def with_input(name, array, raises, **kwargs):
            good = case(name, raises=raises, **kwargs)
            return Case(name, (array, *good.args[1:]), good.kwargs, raises)

        lengths = np.array([4, 1, 3])
        yield case("ordinary")
        yield case("lengths", (4, 3, 2), lengths=lengths)
        yield case("from the end", reverse=True)
        yield case("lengths, from the end", (4, 3, 2), lengths=lengths, reverse=True)
        yield case("no biases", biases=False)
        yield case("states of zero", states=False)
        yield case("one step of one number", (1, 1, 1), hidden=1)
        yield case("empty batch", (3, 0, 2))
        if mode == "rnn":
            yield case("relu", (3, 1, 2), hidden=2, nonlinearity="relu")
            yield case("unknown nonlinearity", raises=ValueError, nonlinearity="sigmoid")
        large = case("large magnitude", (2, 1, 2))
        yield Case("large magnitude", (large.args[0] * 30000, *large.args[1:]))
        good = case("not contiguous", (4, 2, 3))
        turned = rng.normal(size=(3, 2, 8)).T[::2]
        yield Case("not contiguous", (turned, *good.args[1:]))
        still = np.broadcast_to(rng.normal(size=(1, 2, 3)), (4, 2, 3))
        yield Case("broadcast view", (still, *good.args[1:]))
        yield with_input("complex input", np.ones((4, 2, 3)) * 1j, TypeError)
        yield with_input("no time", np.ones((2, 3)), ValueError)
        yield with_input("no steps", np.ones((0, 2, 3)), ValueError)
        yield with_input("another number of features", np.ones((4, 2, 5)), ValueError)
        yield with_input("another batch than the state's", np.ones((4, 3, 3)), ValueError)
        for name, wrong, error in (
            ("a length of zero", np.array([0, 4]), ValueError),
            ("a length beyond the end", np.array([5, 4]), ValueError),
            ("a length too few", np.array([4]), ValueError),
            ("half a step", np.array([1.5, 4.0]), TypeError),
        ):
            yield case(name, raises=error, lengths=wrong)
        other = "gru" if mode == "lstm" else "lstm"
        weights = _weights(rng, GATES[other], 3, 3)
        yield Case("weights of another cell", (*good.args[:-4], *weights), raises=ValueError)

    return cases


def _module(mode, input, states, weights, biases, lengths, reverse, **options):
    """`nn.RNN`, `nn.LSTM` or `nn.GRU` with these weights; the second direction for reverse."""
    import torch
    from torch import nn
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    hidden = weights[1].shape[1]
    kind = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[mode]
    options |= {"bias": biases[0] is not None, "bidirectional": reverse}
    with torch.device("meta"):
        net = kind(input.shape[2], hidden, dtype=input.dtype, **options)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    given = [weight for weight in (*weights, *biases) if weight is not None]
    parameters = dict(zip(names, given, strict=False))
    if reverse:
        parameters |= {f"{name}_reverse": value for name, value in parameters.items()}
    zeros = input.new_zeros(input.shape[1], hidden)
    states = [zeros if state is None else state for state in states]
    states = [torch.stack([state] * (1 + reverse)) for state in states]
    states = tuple(states) if mode == "lstm" else states[0]
    steps = len(input)
    if lengths is not None:
        input = pack_padded_sequence(input, lengths.cpu(), enforce_sorted=False)
    output, last = torch.func.functional_call(net, parameters, (input, states))
    if lengths is not None:
        output, _ = pad_packed_sequence(output, total_length=steps)
    last = last if mode == "lstm" else (last,)
    return output[..., -hidden:], *(state[-1] for state in last)


def _nn_rnn(
    input, h_0, weight_ih, weight_hh, bias_ih=None, bias_hh=None,
    lengths=None, reverse=False, nonlinearity="tanh",
):  # fmt: skip
    weights, biases = (weight_ih, weight_hh), (bias_ih, bias_hh)
    return _module(
        "rnn", input, [h_0], weights, biases, lengths, reverse, nonlinearity=nonlinearity
    )


def _nn_lstm(
    input, h_0, c_0, weight_ih, weight_hh, bias_ih=None, bias_hh=None, lengths=None, reverse=False
):
    weights, biases = (weight_ih, weight_hh), (bias_ih, bias_hh)
    return _module("lstm", input, [h_0, c_0], weights, biases, lengths, reverse)


def _nn_gru(
    input, h_0, weight_ih, weight_hh, bias_ih=None, bias_hh=None, lengths=None, reverse=False
):
    weights, biases = (weight_ih, weight_hh), (bias_ih, bias_hh)
    return _module("gru", input, [h_0], weights, biases, lengths, reverse)


# --- tokens


def _embedding_sample(rng, shape):
    rows = 1000 if len(shape) > 1 and shape[0] > 50 else 7
    return Case("ordinary", (rng.integers(0, rows, shape), rng.normal(size=(rows, 4))))


def _embedding_cases(rng):
    yield _embedding_sample(rng, (4, 3))
    table = rng.normal(size=(5, 3))
    tokens = np.array([[0, 2, 2], [4, 0, 1]])
    for row in (3, -2):  # a row that does not occur: its gradient of zero is then the slope too
        yield Case(f"padding_idx={row}", (tokens, table), {"padding_idx": row})
    yield Case("one token", (np.array(3), table))
    yield Case("no tokens", (np.zeros((0, 2), dtype=int), table))
    yield Case("one token all over", (np.full((3, 4), 2), table))
    yield Case("not contiguous", (tokens.T[::2], rng.normal(size=(3, 10)).T[::2]))
    yield Case("a token beyond the table", (np.array([5]), table), raises=ValueError)
    yield Case("a negative token", (np.array([-1]), table), raises=ValueError)
    yield Case("half a token", (np.array([0.5]), table), raises=TypeError)
    yield Case("a complex table", (tokens, table * 1j), raises=TypeError)
    yield Case("a row for a table", (tokens, table[0]), raises=ValueError)
    yield Case("padding beyond", (tokens, table), {"padding_idx": 5}, raises=ValueError)


def _position_sample(rng, shape):
    return Case("ordinary", (int(np.prod(shape)) % 50, 6))


def _position_cases(rng):
    for length, dim in ((5, 4), (1, 2), (0, 4), (40, 16)):
        yield Case(f"{length} of {dim}", (length, dim))
    yield Case("odd", (4, 3), raises=ValueError)
    yield Case("no width", (4, 0), raises=ValueError)
    yield Case("negative length", (-1, 4), raises=ValueError)


# --- attention


def _attention_sample(rng, shape):
    shape = [max(1, side) for side in shape]
    lead, dim = shape[:-2], shape[-1]
    long = 5 if shape[-2] < 50 else shape[-2]
    sizes = ((shape[-2], dim), (long, dim), (long, dim))
    return Case("ordinary", tuple(rng.normal(size=(*lead, *size)) for size in sizes))


def _attention_cases(rng):
    def arrays(lead=(2,), queries=3, keys=4, dim=3, width=2):
        sizes = ((queries, dim), (keys, dim), (keys, width))
        return tuple(rng.normal(size=(*lead, *size)) for size in sizes)

    def case(name, args, raises=None, **kwargs):
        return Case(name, args, kwargs, raises, ("attn_mask",) if "attn_mask" in kwargs else ())

    yield case("ordinary", arrays())
    yield case("heads", arrays((2, 3)))
    yield case("no batch", arrays(()))
    yield case("causal", arrays(keys=3), is_causal=True)
    yield case("another scale", arrays(), scale=1.5)
    mask = np.array([[1, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 1]], dtype=bool)
    yield case("mask", arrays(), attn_mask=mask)
    yield case("mask for each sequence", arrays(), attn_mask=np.stack([mask, mask[::-1]]))
    yield case("mask of one row", arrays(), attn_mask=mask[:1])
    yield case("additive mask", arrays(), attn_mask=rng.normal(size=(3, 4)))
    yield case("nowhere to look", arrays(), attn_mask=mask & np.array([[True], [False], [True]]))
    yield case("one key", arrays(keys=1))
    yield case("empty batch", arrays((0,)))
    query, key, value = arrays()
    yield case("large magnitude", (32 * query, 32 * key, value))
    turned = [rng.normal(size=array.shape[::-1]).T for array in (query, key, value)]
    yield case("not contiguous", tuple(turned))
    same = np.broadcast_to(rng.normal(size=(1, 4, 3)), (2, 4, 3))
    yield case("broadcast view", (query, same, value))
    yield case("complex query", (query * 1j, key, value), TypeError)
    yield case("another width", (query, key[..., :2], value), ValueError)
    yield case("a value too few", (query, key, value[:, :3]), ValueError)
    yield case("a row for a matrix", (query[0, 0], key, value), ValueError)
    yield case("another mask", (query, key, value), ValueError, attn_mask=mask.T)
    both = {"attn_mask": mask, "is_causal": True}
    yield case("mask and causal", (query, key, value), ValueError, **both)


def _additive_arrays(rng, batch=2, queries=2, keys=4):
    units, q, k, v = 5, 3, 4, 2
    shapes = ((batch, queries, q), (batch, keys, k), (batch, keys, v), (units, q), (units, k))
    return (*(rng.normal(size=shape) for shape in shapes), rng.normal(size=units))


def _additive_sample(rng, shape):
    batch, queries, keys = (max(1, side) for side in shape[:3])
    return Case("ordinary", _additive_arrays(rng, batch, queries, keys))


def _additive_cases(rng):
    yield Case("ordinary", _additive_arrays(rng))
    mask = np.array([[True, True, False, True], [False, False, True, False]])
    yield Case("mask", _additive_arrays(rng), {"mask": mask})
    nowhere = np.array([[False] * 4, [True] * 4])
    yield Case("nowhere to look", _additive_arrays(rng), {"mask": nowhere})
    yield Case("one of each", _additive_arrays(rng, 1, 1, 1))
    yield Case("empty batch", _additive_arrays(rng, 0))
    good = _additive_arrays(rng)
    yield Case("large magnitude", (good[0] * 32, *good[1:]))
    yield Case("not contiguous", (np.ascontiguousarray(good[0].T).T, *good[1:]))
    yield Case("complex query", (good[0] * 1j, *good[1:]), raises=TypeError)
    yield Case("no time", (good[0][0], *good[1:]), raises=ValueError)
    yield Case("a key too few", (good[0], good[1][:, :3], *good[2:]), raises=ValueError)
    yield Case("units that do not fit", (*good[:5], good[5][:4]), raises=ValueError)
    yield Case("another mask", good, {"mask": mask.T}, raises=ValueError)


def _heads_arrays(rng, heads=2, batch=2, queries=3, keys=4, width=4):
    shapes = ((batch, queries, width), (batch, keys, width), (batch, keys, width))
    weights = ((3 * width, width), (3 * width,), (width, width), (width,))
    inputs = [rng.normal(size=shape) for shape in shapes]
    scale = min(0.4, width**-0.5)
    return (*inputs, heads, *(rng.normal(scale=scale, size=shape) for shape in weights))


def _heads_sample(rng, shape):
    batch, queries, keys = (max(1, side) for side in shape[:3])
    return Case("ordinary", _heads_arrays(rng, 2, batch, queries, keys, 64 if queries > 50 else 4))


def _heads_cases(rng):
    for heads in (1, 2, 4):
        yield Case(f"heads: {heads}", _heads_arrays(rng, heads))
    padding = np.array([[False, False, True, True], [False, True, False, False]])
    yield Case("padding", _heads_arrays(rng), {"key_padding_mask": padding})
    later = np.triu(np.ones((3, 4), dtype=bool), 1)
    yield Case("causal", _heads_arrays(rng), {"attn_mask": later})
    both = {"key_padding_mask": padding & [False, True, True, True], "attn_mask": later}
    yield Case("padding and causal", _heads_arrays(rng), both)
    yield Case("one of each", _heads_arrays(rng, 1, 1, 1, 1))
    yield Case("empty batch", _heads_arrays(rng, batch=0))
    good = _heads_arrays(rng)
    yield Case("large magnitude", (good[0] * 2, *good[1:]))
    yield Case("complex query", (good[0] * 1j, *good[1:]), raises=TypeError)
    yield Case("three heads of four", (*good[:3], 3, *good[4:]), raises=ValueError)
    yield Case("no batch", (good[0][0], *good[1:]), raises=ValueError)
    yield Case("a value too few", (*good[:2], good[2][:, :3], *good[3:]), raises=ValueError)
    yield Case("two of three matrices", (*good[:4], good[4][:8], *good[5:]), raises=ValueError)
    yield Case("another mask", good, {"attn_mask": later.T}, raises=ValueError)
    turned = {"key_padding_mask": padding.T}
    yield Case("another padding", good, turned, raises=ValueError)


def _nn_multihead(
    query, key, value, num_heads, in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias,
    key_padding_mask=None, attn_mask=None,
):  # fmt: skip
    import torch

    with torch.device("meta"):
        net = torch.nn.MultiheadAttention(
            query.shape[2], num_heads, batch_first=True, dtype=query.dtype
        )
    parameters = {
        "in_proj_weight": in_proj_weight,
        "in_proj_bias": in_proj_bias,
        "out_proj.weight": out_proj_weight,
        "out_proj.bias": out_proj_bias,
    }
    masks = {"key_padding_mask": key_padding_mask, "attn_mask": attn_mask}
    options = {"need_weights": True, "average_attn_weights": False, **masks}
    return torch.func.functional_call(net, parameters, (query, key, value), options)


# --- search: a chain whose next token depends on the last one only


def _chain(tokens, state):
    """Log-probabilities of the next token, from a table (N, K, K), and the table."""
    return state[range(len(tokens)), tokens], state


def _table(rng, batch, kinds=4):
    """Negative multiples of 1/4, which every dtype holds: log-probabilities up to a constant."""
    return -rng.integers(1, 20, (batch, kinds, kinds)) / 4


def _search_sample(rng, shape):
    return Case("ordinary", (_chain, _table(rng, max(1, shape[0])), 0, 1), {"max_length": 5})


def _search_cases(beam):
    def cases(rng):
        def case(name, table, raises=None, **kwargs):
            return Case(name, (_chain, table, 0, 1), kwargs, raises)

        yield case("ordinary", _table(rng, 3))
        yield case("five steps at most", _table(rng, 3), max_length=5)
        yield case("one step", _table(rng, 2), max_length=1)
        yield case("ends at once", np.array([[[-9.0, 0.0]] * 2]))
        yield case("never ends", np.array([[[0.0, -9.0]] * 2]), max_length=4)
        yield case("no sequences", np.zeros((0, 3, 3)), max_length=3)
        yield case("ties", np.full((2, 3, 3), -1.0), max_length=4)
        if beam:
            for size in (1, 2, 7):
                yield case(f"beams: {size}", _table(rng, 3), beam_size=size, max_length=6)
            for penalty in (0.0, 0.5):
                yield case(f"penalty {penalty}", _table(rng, 3), length_penalty=penalty)
            yield case("no beams", _table(rng, 2), ValueError, beam_size=0)
        yield case("no steps", _table(rng, 2), ValueError, max_length=0)

    return cases


_STEPS = (10, 64, 64)  # (T, N, D)

OPS = [
    Op(
        "rnn",
        _recurrent_sample("rnn"),
        _recurrent_cases("rnn"),
        torch_peers=(_nn_rnn,),
        min_ndim=3,
        bench_shape=_STEPS,
    ),
    Op(
        "lstm",
        _recurrent_sample("lstm"),
        _recurrent_cases("lstm"),
        torch_peers=(_nn_lstm,),
        min_ndim=3,
        bench_shape=_STEPS,
    ),
    Op(
        "gru",
        _recurrent_sample("gru"),
        _recurrent_cases("gru"),
        torch_peers=(_nn_gru,),
        min_ndim=3,
        bench_shape=_STEPS,
    ),
    Op(
        "embedding",
        _embedding_sample,
        _embedding_cases,
        torch_peers=(f"{_F}.embedding",),
        bench_shape=(128, 64),
    ),
    Op("positional_encoding", _position_sample, _position_cases),
    Op(
        "scaled_dot_product_attention",
        _attention_sample,
        _attention_cases,
        torch_peers=(f"{_F}.scaled_dot_product_attention",),
        min_ndim=2,
        bench_shape=(8, 4, 128, 32),
    ),
    Op("additive_attention", _additive_sample, _additive_cases, min_ndim=3),
    Op(
        "multi_head_attention",
        _heads_sample,
        _heads_cases,
        torch_peers=(_nn_multihead,),
        min_ndim=3,
        bench_shape=(16, 64, 64),
    ),
    Op("greedy_decode", _search_sample, _search_cases(beam=False), min_ndim=1),
    Op("beam_search", _search_sample, _search_cases(beam=True), min_ndim=1),
]
