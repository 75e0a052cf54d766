"""Sequence models in PyTorch: the same names, batched, on any device and in any floating dtype.

The recurrent layers are loops over time that autograd walks back; `torch.compile` fuses what is
inside. `nn.RNN`, `nn.LSTM` and `nn.GRU` run the same arithmetic in one call, and are what you would
use. Shapes, gates and formulas are those of the NumPy reference.
"""

import torch
from torch import Tensor, nn

from book.sequences.reference import (
    _PARAMETERS,
    GATES,
    Bleu,
    Vocabulary,
    _check_additive,
    _check_attention,
    _check_heads,
    _check_kind,
    _check_layer,
    _check_lengths,
    _check_mask,
    _check_mode,
    _check_padding,
    _check_search,
    _check_tokens,
    _expect,
    _layer_names,
    _pick,
    _rows,
    bleu,
    graphemes,
)

__all__ = [
    "rnn", "lstm", "gru", "Recurrent", "embedding", "positional_encoding",
    "scaled_dot_product_attention", "additive_attention", "multi_head_attention",
    "Seq2Seq", "greedy_decode", "beam_search",
    "Bleu", "bleu", "Vocabulary", "graphemes",
]  # fmt: skip


# --- what the functions share


def _real(values: Tensor, name: str) -> Tensor:
    """`values`, or a TypeError unless it is a tensor of real floating-point numbers."""
    if not isinstance(values, Tensor) or not values.dtype.is_floating_point:
        got = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"{name}: expected a floating-point tensor, got {got}")
    return values


def _whole(values: Tensor, name: str) -> Tensor:
    """`values`, or a TypeError unless it is a tensor of integers."""
    if (
        not isinstance(values, Tensor)
        or values.dtype.is_floating_point
        or values.is_complex()
        or values.dtype == torch.bool
    ):
        got = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"{name}: expected a tensor of integers, got {got}")
    return values


def _layer(input, states, weights, lengths, gates):
    """The first states and how many live at each step, after checks; missing states are zeros."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    _real(input, "input")
    for name, array in (*zip(names, weights, strict=True), *zip(("h_0", "c_0"), states)):  # noqa: B905
        if array is not None:
            _real(array, name)
    if lengths is not None:
        _whole(lengths, "lengths")
    _check_layer(input, states, weights, lengths, gates)
    if lengths is not None and lengths.numel():
        _check_lengths(lengths.min(), lengths.max(), len(input))
    zeros = input.new_zeros(input.shape[1], weights[1].shape[1])
    return [zeros if state is None else state for state in states]


def _through_time(cell, input, states, weights, lengths, reverse):
    """Walk a cell along the sequences. The products with the inputs are one matrix product."""
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    from_input = nn.functional.linear(input, weight_ih, bias_ih)  # (T, N, gates * H)
    outputs = [None] * len(input)
    for t in reversed(range(len(input))) if reverse else range(len(input)):
        from_state = nn.functional.linear(states[0], weight_hh, bias_hh)
        new = cell(from_input[t], from_state, states)
        outputs[t] = new[0]
        if lengths is not None:
            live = (t < lengths)[:, None]
            outputs[t] = torch.where(live, new[0], 0.0)
            new = [torch.where(live, n, old) for n, old in zip(new, states, strict=True)]
        states = new
    return torch.stack(outputs), *states


# --- the three cells


def _tanh_cell(from_input, from_state, states):
    return [torch.tanh(from_input + from_state)]


def _relu_cell(from_input, from_state, states):
    return [torch.relu(from_input + from_state)]


_RNN_CELLS = {"tanh": _tanh_cell, "relu": _relu_cell}


def _lstm_cell(from_input, from_state, states):
    i, f, g, o = (from_input + from_state).chunk(4, dim=1)
    c = torch.sigmoid(f) * states[1] + torch.sigmoid(i) * torch.tanh(g)
    return [torch.sigmoid(o) * torch.tanh(c), c]


def _gru_cell(from_input, from_state, states):
    r_x, z_x, n_x = from_input.chunk(3, dim=1)
    r_h, z_h, n_h = from_state.chunk(3, dim=1)
    z = torch.sigmoid(z_x + z_h)
    n = torch.tanh(n_x + torch.sigmoid(r_x + r_h) * n_h)
    return [(1.0 - z) * n + z * states[0]]


# --- the three layers


def rnn(
    input, h_0, weight_ih, weight_hh, bias_ih=None, bias_hh=None,
    lengths=None, reverse=False, nonlinearity="tanh",
):  # fmt: skip
    """Elman's network, a loop over time; fused: `nn.RNN`, with `pack_padded_sequence` for lengths.

    Shapes: input (T, N, D); h_0 (N, H) or None; weight_ih (H, D); weight_hh (H, H); biases (H,) or
    None; lengths (N,) or None; results output (T, N, H) and the last state (N, H).
    Raises: TypeError if a tensor is not floating point or lengths are not integers; ValueError if
    shapes do not fit, a length is out of range or the nonlinearity is unknown.
    """
    if nonlinearity not in _RNN_CELLS:
        raise ValueError(f"nonlinearity: expected 'tanh' or 'relu', got {nonlinearity!r}")
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    states = _layer(input, [h_0], weights, lengths, GATES["rnn"])
    return _through_time(_RNN_CELLS[nonlinearity], input, states, weights, lengths, reverse)


def lstm(
    input, h_0, c_0, weight_ih, weight_hh, bias_ih=None, bias_hh=None, lengths=None, reverse=False
):
    """Long short-term memory, a loop over time; fused: `nn.LSTM`.

    Shapes: as `rnn`, with c_0 (N, H) or None, weight_ih (4H, D), weight_hh (4H, H) and biases
    (4H,), gates i, f, g, o; results output (T, N, H), the last h and the last c (N, H).
    Raises: TypeError if a tensor is not floating point or lengths are not integers; ValueError if
    shapes do not fit or a length is out of range.
    """
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    states = _layer(input, [h_0, c_0], weights, lengths, GATES["lstm"])
    return _through_time(_lstm_cell, input, states, weights, lengths, reverse)


def gru(input, h_0, weight_ih, weight_hh, bias_ih=None, bias_hh=None, lengths=None, reverse=False):
    """Gated recurrent unit, a loop over time; fused: `nn.GRU`.

    Shapes: as `rnn`, with weight_ih (3H, D), weight_hh (3H, H) and biases (3H,), gates r, z, n;
    results output (T, N, H) and the last state (N, H).
    Raises: TypeError if a tensor is not floating point or lengths are not integers; ValueError if
    shapes do not fit or a length is out of range.
    """
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    states = _layer(input, [h_0], weights, lengths, GATES["gru"])
    return _through_time(_gru_cell, input, states, weights, lengths, reverse)


_LAYERS = {"rnn": rnn, "lstm": lstm, "gru": gru}


class Recurrent(nn.Module):
    """Layers of `rnn`, `lstm` or `gru`, one way or both; fused: `nn.RNN`, `nn.LSTM`, `nn.GRU`.

    Shapes: forward takes input (T, N, D) and lengths (N,) or None, and returns the last layer's
    output (T, N, H), or (T, N, 2H) if bidirectional. The `state_dict()` is that of `nn.LSTM` (or
    RNN, GRU): either loads the other's.
    Raises: ValueError if mode is unknown or a shape does not fit.
    """

    def __init__(self, mode, input_size, hidden_size, num_layers=1, bidirectional=False, seed=0):
        super().__init__()
        _check_mode(mode)
        self.mode, self.names = mode, _layer_names(num_layers, bidirectional)
        generator, bound = torch.Generator().manual_seed(seed), hidden_size**-0.5
        rows, ways = GATES[mode] * hidden_size, 1 + bidirectional
        for layer, suffixes in enumerate(self.names):
            features = ways * hidden_size if layer else input_size
            shapes = [(rows, features), (rows, hidden_size), (rows,), (rows,)]
            for suffix in suffixes:
                for name, shape in zip(_PARAMETERS, shapes, strict=True):
                    values = torch.rand(shape, generator=generator) * 2 * bound - bound
                    self.register_parameter(name + suffix, nn.Parameter(values))

    def forward(self, input, lengths=None):
        states = (None, None) if self.mode == "lstm" else (None,)
        for suffixes in self.names:
            ways = []
            for way, suffix in enumerate(suffixes):
                weights = (getattr(self, name + suffix) for name in _PARAMETERS)
                layer = _LAYERS[self.mode]
                ways.append(layer(input, *states, *weights, lengths, bool(way))[0])
            input = torch.cat(ways, dim=2)
        return input


# --- tokens as vectors


def embedding(input, weight, padding_idx=None):
    """Row `input` of a table; no gradient reaches the row padding_idx; fused: `F.embedding`.

    Shapes: input (*) integers; weight (K, D); result (*, D).
    Raises: TypeError if input is not of integers or weight not floating point; ValueError if a
    token or padding_idx is out of range, or weight is not a table.
    """
    _whole(input, "input"), _real(weight, "weight")
    if weight.ndim != 2:
        raise ValueError(f"weight: expected shape (K, D), got {tuple(weight.shape)}")
    _check_padding(padding_idx, len(weight))
    if input.numel():
        _check_tokens(input.min(), input.max(), len(weight))
    if padding_idx is None:
        return weight[input]
    padding = (input == padding_idx % len(weight))[..., None]
    return torch.where(padding, weight[padding_idx].detach(), weight[input])


def positional_encoding(length, dim):
    """Sines and cosines of the position, at wavelengths from 2π to 20000π.

    Shapes: length T and dim D, whole numbers, D even; result (T, D), in float64.
    Raises: ValueError if length is negative or dim not a positive even number.
    """
    if length < 0 or dim < 2 or dim % 2:
        raise ValueError(f"expected length >= 0 and an even dim >= 2, got {length} and {dim}")
    rate = 10000.0 ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angle = torch.arange(length, dtype=torch.float64)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=2).reshape(length, dim)


# --- attention


def _attend(scores):
    """Softmax over the last axis; a query that may look nowhere gets zeros, not 0/0."""
    blind = (scores == -torch.inf).all(dim=-1, keepdim=True)
    return torch.where(blind, 0.0, torch.softmax(torch.where(blind, 0.0, scores), dim=-1))


def _dot_weights(query, key, value, attn_mask, is_causal, scale):
    _real(query, "query"), _real(key, "key"), _real(value, "value")
    _check_attention(query, key, value)
    if attn_mask is not None and is_causal:
        raise ValueError("expected attn_mask or is_causal, got both")
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = scores.new_ones(scores.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None:
        _check_mask(attn_mask.shape, scores.shape)
        if attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, -torch.inf)
        else:
            scores = scores + _real(attn_mask, "attn_mask")
    return _attend(scores)


def scaled_dot_product_attention(query, key, value, attn_mask=None, is_causal=False, scale=None):
    """A weighted mean of the values; fused: `F.scaled_dot_product_attention`.

    Shapes: query (*, L, D); key (*, S, D); value (*, S, V); attn_mask broadcasts to (*, L, S), bool
    (True takes part) or a number to add; result (*, L, V). A row that may look nowhere is zero.
    Raises: TypeError if a tensor is not floating point; ValueError if shapes do not fit, or
    attn_mask and is_causal are both given.
    """
    return _dot_weights(query, key, value, attn_mask, is_causal, scale) @ value


def additive_attention(query, keys, values, weight_query, weight_key, weight_score, mask=None):
    """Scores by a small network with one hidden layer. PyTorch has no fused version of it.

    Shapes: query (N, L, Q); keys (N, S, K); values (N, S, V); weight_query (A, Q); weight_key
    (A, K); weight_score (A,); mask (N, S) bool, True takes part; results the context (N, L, V) and
    the attention weights (N, L, S).
    Raises: TypeError if a tensor is not floating point; ValueError if shapes do not fit.
    """
    names = ("query", "keys", "values", "weight_query", "weight_key", "weight_score")
    arrays = (query, keys, values, weight_query, weight_key, weight_score)
    for name, array in zip(names, arrays, strict=True):
        _real(array, name)
    _check_additive(*arrays)
    hidden = torch.tanh((query @ weight_query.T)[:, :, None] + (keys @ weight_key.T)[:, None])
    scores = hidden @ weight_score  # (N, L, S)
    if mask is not None:
        _expect("mask", mask, keys.shape[:2])
        scores = scores.masked_fill(~mask[:, None], -torch.inf)
    weights = _attend(scores)
    return weights @ values, weights


def multi_head_attention(
    query, key, value, num_heads, in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias,
    key_padding_mask=None, attn_mask=None,
):  # fmt: skip
    """Several small attentions side by side; fused: `nn.MultiheadAttention(batch_first=True)`.

    Shapes: query (N, L, E); key and value (N, S, E); in_proj_weight (3E, E), in_proj_bias (3E,),
    out_proj_weight (E, E), out_proj_bias (E,); key_padding_mask (N, S) and attn_mask (L, S) bool,
    True is hidden; results the output (N, L, E) and the weights of each head (N, heads, L, S).
    Raises: TypeError if a tensor is not floating point; ValueError if shapes do not fit.
    """
    _real(query, "query"), _real(key, "key"), _real(value, "value")
    weights = (in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias)
    for weight in weights:
        _real(weight, "weight")
    _check_heads(query, key, value, num_heads, weights)
    q, k, v = (
        nn.functional.linear(x, weight, bias).unflatten(2, (num_heads, -1)).transpose(1, 2)
        for x, weight, bias in zip(
            (query, key, value), in_proj_weight.chunk(3), in_proj_bias.chunk(3), strict=True
        )
    )
    scores = q @ k.mT * q.shape[3] ** -0.5  # (N, heads, L, S)
    if key_padding_mask is not None:
        _expect("key_padding_mask", key_padding_mask, key.shape[:2])
        scores = scores.masked_fill(key_padding_mask[:, None, None], -torch.inf)
    if attn_mask is not None:
        _expect("attn_mask", attn_mask, scores.shape[2:])
        scores = scores.masked_fill(attn_mask, -torch.inf)
    attention = _attend(scores)
    joined = (attention @ v).transpose(1, 2).flatten(2)
    return nn.functional.linear(joined, out_proj_weight, out_proj_bias), attention


# --- from one sequence to another


class Seq2Seq(nn.Module):
    """An encoder and a decoder, both `nn.GRU`, with or without attention.

    Shapes: `forward` takes source tokens (S, N), their lengths (N,) and target tokens (T, N), the
    true ones, each sequence begun by <bos> (teacher forcing), and returns logits (T, N, K) and the
    attention weights (N, T, S), None without attention. `encode` returns the decoder's first state;
    `step` takes one token for each sequence (N,) and a state, and returns log-probabilities (N, K)
    and the next state, as the searches want it. `load` is `load_state_dict`, for symmetry.
    Raises: ValueError if attention is not "additive", "dot" or None.
    """

    def __init__(
        self, source_size, target_size, embed_dim=32, num_hiddens=64, attention="additive", seed=0
    ):
        super().__init__()
        _check_kind(attention)
        torch.manual_seed(seed)
        self.attention = attention
        self.source = nn.Embedding(source_size, embed_dim)
        self.target = nn.Embedding(target_size, embed_dim)
        self.encoder = nn.GRU(embed_dim, num_hiddens)
        self.decoder = nn.GRU(embed_dim, num_hiddens)
        if attention == "additive":
            self.weight_query = nn.Parameter(torch.empty(num_hiddens, num_hiddens))
            self.weight_key = nn.Parameter(torch.empty(num_hiddens, num_hiddens))
            self.weight_score = nn.Parameter(torch.empty(num_hiddens))
            for weight in (self.weight_query, self.weight_key, self.weight_score):
                nn.init.uniform_(weight, -(num_hiddens**-0.5), num_hiddens**-0.5)
        width = num_hiddens if attention is None else 2 * num_hiddens
        self.output = nn.Linear(width, target_size)

    def load(self, arrays):
        self.load_state_dict(arrays)
        return self

    def encode(self, source, lengths):
        keys, _ = self.encoder(self.source(source))
        last = torch.arange(source.shape[1], device=source.device)
        h = keys[lengths - 1, last]  # the state at each sequence's own end, (N, H)
        if self.attention is None:
            return (h,)  # all that is left of the sentence
        mask = torch.arange(len(source), device=source.device) < lengths[:, None]
        return h, keys.transpose(0, 1), mask

    def _attend(self, queries, keys, mask):
        """Context (N, T, H) and weights (N, T, S) for decoder states (N, T, H)."""
        if self.attention == "additive":
            weights = (self.weight_query, self.weight_key, self.weight_score)
            return additive_attention(queries, keys, keys, *weights, mask)
        weights = _dot_weights(queries, keys, keys, mask[:, None], False, None)
        return weights @ keys, weights

    def _decode(self, tokens, state):
        output, h = self.decoder(self.target(tokens), state[0][None])
        features, weights = output.transpose(0, 1), None
        if self.attention is not None:
            context, weights = self._attend(features, *state[1:])
            features = torch.cat([features, context], dim=2)
        return self.output(features).transpose(0, 1), (h[0], *state[1:]), weights

    def forward(self, source, lengths, target):
        logits, _, weights = self._decode(target, self.encode(source, lengths))
        return logits, weights

    def step(self, tokens, state):
        logits, state, _ = self._decode(tokens[None], state)
        return torch.log_softmax(logits[0], dim=1), state


# --- search


def _device(state):
    return (state[0] if isinstance(state, tuple) else state).device


@torch.no_grad()
def greedy_decode(step, state, bos, eos, max_length=20):
    """Take the most probable token, again and again, until <eos>; scores are summed in float64.

    Shapes: step(tokens (N,), state) returns log-probabilities (N, K) and the next state; state is a
    tensor or a tuple of tensors with N rows; bos, eos and max_length whole numbers; results tokens
    (N, L) with L at most max_length, eos after the end, and their log-probabilities (N,).
    Raises: ValueError if max_length is below 1.
    """
    _check_search(max_length)
    rows, device = _rows(state), _device(state)
    token = torch.full((rows,), bos, device=device)
    ended = torch.zeros(rows, dtype=torch.bool, device=device)
    scores, tokens = torch.zeros(rows, dtype=torch.float64, device=device), []
    for _ in range(max_length):
        log_probs, state = step(token, state)
        best = torch.where(ended, eos, log_probs.argmax(dim=1))
        gain = log_probs.gather(1, best[:, None])[:, 0].double()
        scores = scores + torch.where(ended, 0.0, gain)
        token, ended = best, ended | (best == eos)
        tokens.append(token)
        if ended.all():
            break
    return torch.stack(tokens, dim=1), scores.to(log_probs.dtype)


@torch.no_grad()
def beam_search(step, state, bos, eos, beam_size=4, max_length=20, length_penalty=1.0):
    """Keep the beam_size best beginnings at each step, for all sequences and beams at once.

    Shapes: step and state as in `greedy_decode`; results tokens (N, L) with eos after the end, and
    scores (N,), the log-probability divided by the length, <eos> included, to the length_penalty.
    Raises: ValueError if max_length or beam_size is below 1.
    """
    _check_search(max_length, beam_size)
    rows, device = _rows(state), _device(state)
    state = _pick(state, torch.arange(rows, device=device).repeat_interleave(beam_size))
    tokens = torch.full((rows, beam_size, 1), bos, device=device)
    scores = torch.full((rows, beam_size), -torch.inf, dtype=torch.float64, device=device)
    scores[:, 0] = 0.0  # all beams of a sequence are one at the start
    ended = torch.zeros((rows, beam_size), dtype=torch.bool, device=device)
    lengths = torch.zeros((rows, beam_size), dtype=torch.float64, device=device)
    first = torch.arange(rows, device=device)[:, None] * beam_size
    for _ in range(max_length):
        log_probs, state = step(tokens[:, :, -1].flatten(), state)
        kinds = log_probs.shape[1]
        stay = torch.full((kinds,), -torch.inf, dtype=torch.float64, device=device)
        stay[eos] = 0.0  # an ended beam adds eos, for free
        dtype = log_probs.dtype
        log_probs = log_probs.double().reshape(rows, beam_size, kinds)
        total = scores[:, :, None] + torch.where(ended[:, :, None], stay, log_probs)
        scores, best = total.flatten(1).sort(dim=1, descending=True, stable=True)
        scores, best = scores[:, :beam_size], best[:, :beam_size]
        parent, token = best // kinds, best % kinds
        state = _pick(state, (first + parent).flatten())
        tokens = tokens.gather(1, parent[:, :, None].expand(-1, -1, tokens.shape[2]))
        tokens = torch.cat([tokens, token[:, :, None]], dim=2)
        ended = ended.gather(1, parent)
        lengths = lengths.gather(1, parent) + ~ended
        ended = ended | (token == eos)
        if ended.all():
            break
    scores = scores / lengths**length_penalty
    best, winner = scores.max(dim=1)
    return tokens[first[:, 0] // beam_size, winner, 1:], best.to(dtype)
