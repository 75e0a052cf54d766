"""Sequence models in NumPy: the readable truth, in float64.

Sequences are time first, (T, N, D): T steps, N sequences, D features, as in `torch.nn`. The weights
of a recurrent layer and the order of its gates are those of `torch.nn` too, so that they can be
copied from one to the other. Each differentiable `f` is followed by `f_backward(grad_output, ...)`;
where `f` has several outputs, `grad_output` is a tuple with one gradient for each.
"""

import numpy as np

from book.activations.reference import log_softmax, sigmoid, softmax
from book.sequences.text import Bleu, Vocabulary, bleu, graphemes

__all__ = [
    "rnn", "lstm", "gru", "Recurrent", "embedding", "positional_encoding",
    "scaled_dot_product_attention", "additive_attention", "multi_head_attention",
    "Seq2Seq", "greedy_decode", "beam_search",
    "Bleu", "bleu", "Vocabulary", "graphemes",
]  # fmt: skip

GATES = {"rnn": 1, "lstm": 4, "gru": 3}


# --- what the functions share


def _real(values, name):
    """`values` as a float64 array; TypeError if they are not real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got an array of dtype {array.dtype}")
    return array.astype(np.float64)


def _whole(values, name):
    """`values` as they are; TypeError unless they are integers."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers, got an array of dtype {array.dtype}")
    return array


def _expect(name, array, shape):
    """ValueError unless `array` has `shape`."""
    if tuple(array.shape) != tuple(shape):
        raise ValueError(f"{name}: expected shape {tuple(shape)}, got {tuple(array.shape)}")


def _check_layer(input, states, weights, lengths, gates):
    """Raise ValueError unless all shapes of a recurrent layer fit together."""
    weight_ih, weight_hh, *biases = weights
    if input.ndim != 3 or input.shape[0] == 0:
        got = tuple(input.shape)
        raise ValueError(f"input: expected shape (T, N, D) with T > 0, got {got}")
    _, batch, features = input.shape
    if weight_hh.ndim != 2:
        got = tuple(weight_hh.shape)
        raise ValueError(f"weight_hh: expected shape ({gates} * H, H), got {got}")
    hidden = weight_hh.shape[1]
    _expect("weight_hh", weight_hh, (gates * hidden, hidden))
    _expect("weight_ih", weight_ih, (gates * hidden, features))
    for name, bias in zip(("bias_ih", "bias_hh"), biases, strict=True):
        if bias is not None:
            _expect(name, bias, (gates * hidden,))
    for name, state in zip(("h_0", "c_0"), states, strict=False):
        if state is not None:
            _expect(name, state, (batch, hidden))
    if lengths is not None:
        _expect("lengths", lengths, (batch,))


def _check_lengths(shortest, longest, steps):
    if shortest < 1 or longest > steps:
        raise ValueError(
            f"lengths: expected numbers from 1 to {steps}, got {int(shortest)} to {int(longest)}"
        )


def _layer(input, states, weights, lengths, gates):
    """The arguments of a recurrent layer, checked; missing states and biases are zeros."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    input = _real(input, "input")
    weights = [
        None if weight is None else _real(weight, name)
        for name, weight in zip(names, weights, strict=True)
    ]
    states = [
        None if state is None else _real(state, name)
        for name, state in zip(("h_0", "c_0"), states, strict=False)
    ]
    lengths = None if lengths is None else _whole(lengths, "lengths")
    _check_layer(input, states, weights, lengths, gates)
    if lengths is not None and lengths.size:
        _check_lengths(lengths.min(), lengths.max(), len(input))
    batch, hidden = input.shape[1], weights[1].shape[1]
    weights = [np.zeros(gates * hidden) if weight is None else weight for weight in weights]
    states = [np.zeros((batch, hidden)) if state is None else state for state in states]
    return input, states, weights, lengths


# --- through time: the loop that all three cells share


def _times(steps, lengths, reverse):
    """Each time step, in the order of the walk, with who is still speaking: (N, 1), or True."""
    for t in reversed(range(steps)) if reverse else range(steps):
        yield t, True if lengths is None else (t < lengths)[:, None]


def _through_time(cell, input, states, weights, lengths, reverse):
    """Walk a cell along the sequences; also what each step has seen, for the way back."""
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    output, seen = np.zeros((*input.shape[:2], weight_hh.shape[1])), []
    for t, live in _times(len(input), lengths, reverse):
        from_input = input[t] @ weight_ih.T + bias_ih  # (N, gates * H)
        from_state = states[0] @ weight_hh.T + bias_hh
        new, cache = cell(from_input, from_state, states)
        seen.append((t, live, states, cache))
        # Where a sequence has ended, the state stands still and the output is zero.
        states = [np.where(live, n, old) for n, old in zip(new, states, strict=True)]
        output[t] = np.where(live, new[0], 0.0)
    return output, states, seen


def _back_through_time(cell_backward, grad_output, grad_states, input, weights, seen):
    """The gradients of input, first states and weights: the walk backward, step by step."""
    weight_ih, weight_hh, *_ = weights
    grad_input, grads = np.zeros_like(input), [np.zeros_like(weight) for weight in weights]
    for t, live, states, cache in reversed(seen):
        incoming = [np.where(live, grad, 0.0) for grad in grad_states]
        incoming[0] = incoming[0] + np.where(live, grad_output[t], 0.0)
        at_input, at_state, direct = cell_backward(incoming, states, cache)
        grad_input[t] = at_input @ weight_ih
        grads[0] += at_input.T @ input[t]
        grads[1] += at_state.T @ states[0]
        grads[2] += at_input.sum(axis=0)
        grads[3] += at_state.sum(axis=0)
        direct[0] = direct[0] + at_state @ weight_hh  # the way back through time
        grad_states = [
            np.where(live, new, old) for new, old in zip(direct, grad_states, strict=True)
        ]
    return grad_input, *grad_states, *grads


def _grads_of_outputs(grad_output, input, weights, count):
    """The gradients of (output, last states), with their shapes checked."""
    if not isinstance(grad_output, tuple) or len(grad_output) != count:
        got = type(grad_output).__name__
        raise ValueError(f"grad_output: expected a tuple of {count} gradients, got {got}")
    steps, batch = input.shape[:2]
    hidden = weights[1].shape[1]
    grads = [_real(grad, "grad_output") for grad in grad_output]
    for grad, shape in zip(grads, [(steps, batch, hidden)] + [(batch, hidden)] * 2, strict=False):
        _expect("grad_output", grad, shape)
    return grads[0], grads[1:]


# --- the three cells


def _tanh_cell(from_input, from_state, states):
    new = np.tanh(from_input + from_state)
    return [new], new


def _tanh_cell_backward(grad, states, new):
    at_sum = grad[0] * (1.0 - new**2)
    return at_sum, at_sum, [np.zeros_like(new)]


def _relu_cell(from_input, from_state, states):
    new = np.maximum(from_input + from_state, 0.0)
    return [new], new


def _relu_cell_backward(grad, states, new):
    at_sum = np.where(new > 0, grad[0], 0.0)
    return at_sum, at_sum, [np.zeros_like(new)]


_RNN_CELLS = {
    "tanh": (_tanh_cell, _tanh_cell_backward),
    "relu": (_relu_cell, _relu_cell_backward),
}


def _lstm_cell(from_input, from_state, states):
    i, f, g, o = np.split(from_input + from_state, 4, axis=1)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    c = f * states[1] + i * g  # keep some, add some
    squashed = np.tanh(c)
    return [o * squashed, c], (i, f, g, o, squashed)


def _lstm_cell_backward(grad, states, cache):
    i, f, g, o, squashed = cache
    grad_c = grad[1] + grad[0] * o * (1.0 - squashed**2)
    at_gates = np.hstack(
        [
            grad_c * g * i * (1.0 - i),
            grad_c * states[1] * f * (1.0 - f),
            grad_c * i * (1.0 - g**2),
            grad[0] * squashed * o * (1.0 - o),
        ]
    )
    return at_gates, at_gates, [np.zeros_like(f), grad_c * f]


def _gru_cell(from_input, from_state, states):
    r_x, z_x, n_x = np.split(from_input, 3, axis=1)
    r_h, z_h, n_h = np.split(from_state, 3, axis=1)
    r, z = sigmoid(r_x + r_h), sigmoid(z_x + z_h)
    n = np.tanh(n_x + r * n_h)
    return [(1.0 - z) * n + z * states[0]], (r, z, n, n_h)


def _gru_cell_backward(grad, states, cache):
    r, z, n, n_h = cache
    at_n = grad[0] * (1.0 - z) * (1.0 - n**2)
    at_r = at_n * n_h * r * (1.0 - r)
    at_z = grad[0] * (states[0] - n) * z * (1.0 - z)
    at_input = np.hstack([at_r, at_z, at_n])
    at_state = np.hstack([at_r, at_z, at_n * r])
    return at_input, at_state, [grad[0] * z]


def _rnn_cell(nonlinearity):
    if nonlinearity not in _RNN_CELLS:
        raise ValueError(f"nonlinearity: expected 'tanh' or 'relu', got {nonlinearity!r}")
    return _RNN_CELLS[nonlinearity]


# --- the three layers


def rnn(
    input, h_0, weight_ih, weight_hh, bias_ih=None, bias_hh=None,
    lengths=None, reverse=False, nonlinearity="tanh",
):  # fmt: skip
    r"""Elman's network: $h_t = \tanh(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh})$.

    Shapes: input (T, N, D); h_0 (N, H) or None for zeros; weight_ih (H, D); weight_hh (H, H);
    biases (H,) or None; lengths (N,) integers from 1 to T, or None for all T; results output
    (T, N, H), zero beyond a sequence's end, and the last state (N, H). With reverse the walk is
    from the end.
    Raises: TypeError if an array is not real or lengths are not integers; ValueError if shapes do
    not fit, a length is out of range or the nonlinearity is neither tanh nor relu.
    Source: Elman 1990; document 001, sequence models.
    """
    cell, _ = _rnn_cell(nonlinearity)
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    input, states, weights, lengths = _layer(input, [h_0], weights, lengths, GATES["rnn"])
    output, states, _ = _through_time(cell, input, states, weights, lengths, reverse)
    return output, *states


def rnn_backward(
    grad_output, input, h_0, weight_ih, weight_hh, bias_ih=None, bias_hh=None,
    lengths=None, reverse=False, nonlinearity="tanh",
):  # fmt: skip
    r"""Through time: $\delta_{t-1} = W_{hh}^\top\big(\delta_t \odot (1 - h_t^2)\big)$.

    Shapes: grad_output a tuple of (T, N, H) and (N, H); results the gradients of input, h_0,
    weight_ih, weight_hh, bias_ih and bias_hh, each in the shape of its array.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit.
    """
    cell, cell_backward = _rnn_cell(nonlinearity)
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    input, states, weights, lengths = _layer(input, [h_0], weights, lengths, GATES["rnn"])
    grad_output, grad_states = _grads_of_outputs(grad_output, input, weights, 2)
    *_, seen = _through_time(cell, input, states, weights, lengths, reverse)
    return _back_through_time(cell_backward, grad_output, grad_states, input, weights, seen)


def lstm(
    input, h_0, c_0, weight_ih, weight_hh, bias_ih=None, bias_hh=None, lengths=None, reverse=False
):
    r"""Long short-term memory: $c_t = f \odot c_{t-1} + i \odot g$, $h_t = o \odot \tanh c_t$.

    Shapes: as `rnn`, with h_0 and c_0 (N, H) or None, weight_ih (4H, D), weight_hh (4H, H), biases
    (4H,), the gates in the order i, f, g, o; results output (T, N, H), last h and last c (N, H).
    Raises: TypeError if an array is not real or lengths are not integers; ValueError if shapes do
    not fit or a length is out of range.
    Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; document 001.
    """
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    input, states, weights, lengths = _layer(input, [h_0, c_0], weights, lengths, GATES["lstm"])
    output, states, _ = _through_time(_lstm_cell, input, states, weights, lengths, reverse)
    return output, *states


def lstm_backward(
    grad_output, input, h_0, c_0, weight_ih, weight_hh,
    bias_ih=None, bias_hh=None, lengths=None, reverse=False,
):  # fmt: skip
    r"""Through time; along the cell only $f$ multiplies: $\delta c_{t-1} = f\,\delta c_t$.

    Shapes: grad_output a tuple of (T, N, H), (N, H) and (N, H); results the gradients of input,
    h_0, c_0, weight_ih, weight_hh, bias_ih and bias_hh, each in the shape of its array.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit.
    """
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    input, states, weights, lengths = _layer(input, [h_0, c_0], weights, lengths, GATES["lstm"])
    grad_output, grad_states = _grads_of_outputs(grad_output, input, weights, 3)
    *_, seen = _through_time(_lstm_cell, input, states, weights, lengths, reverse)
    return _back_through_time(_lstm_cell_backward, grad_output, grad_states, input, weights, seen)


def gru(input, h_0, weight_ih, weight_hh, bias_ih=None, bias_hh=None, lengths=None, reverse=False):
    r"""Gated recurrent unit: $h_t = (1 - z) \odot n + z \odot h_{t-1}$, $n$ with a reset gate $r$.

    Shapes: as `rnn`, with weight_ih (3H, D), weight_hh (3H, H) and biases (3H,), the gates in the
    order r, z, n; results output (T, N, H) and the last state (N, H).
    Raises: TypeError if an array is not real or lengths are not integers; ValueError if shapes do
    not fit or a length is out of range.
    Source: Cho et al. 2014, in PyTorch's variant, whose reset gate acts after the
    matrix; document 001.
    """
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    input, states, weights, lengths = _layer(input, [h_0], weights, lengths, GATES["gru"])
    output, states, _ = _through_time(_gru_cell, input, states, weights, lengths, reverse)
    return output, *states


def gru_backward(
    grad_output, input, h_0, weight_ih, weight_hh,
    bias_ih=None, bias_hh=None, lengths=None, reverse=False,
):  # fmt: skip
    r"""Through time; the update gate is a short cut: $\delta_{t-1} = z \odot \delta_t + \dots$

    Shapes: grad_output a tuple of (T, N, H) and (N, H); results as those of `rnn_backward`.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit.
    """
    weights = (weight_ih, weight_hh, bias_ih, bias_hh)
    input, states, weights, lengths = _layer(input, [h_0], weights, lengths, GATES["gru"])
    grad_output, grad_states = _grads_of_outputs(grad_output, input, weights, 2)
    *_, seen = _through_time(_gru_cell, input, states, weights, lengths, reverse)
    return _back_through_time(_gru_cell_backward, grad_output, grad_states, input, weights, seen)


_LAYERS = {"rnn": (rnn, rnn_backward), "lstm": (lstm, lstm_backward), "gru": (gru, gru_backward)}


def _check_mode(mode):
    if mode not in GATES:
        raise ValueError(f"mode: expected 'rnn', 'lstm' or 'gru', got {mode!r}")


def _layer_names(num_layers, bidirectional):
    """The suffixes of `torch.nn`: `_l0`, `_l0_reverse`, `_l1` and so on."""
    ways = ("", "_reverse") if bidirectional else ("",)
    return [[f"_l{layer}{way}" for way in ways] for layer in range(num_layers)]


class Recurrent:
    """Layers of `rnn`, `lstm` or `gru`, one way or both, with the parameters of `torch.nn`.

    Shapes: forward takes input (T, N, D) and lengths (N,) or None, and returns the last layer's
    output (T, N, H), or (T, N, 2H) if bidirectional; backward takes its gradient and returns that
    of the input and a dict of the parameters' gradients. `parameters` has the names and shapes of
    `nn.LSTM(...).state_dict()` (or RNN, GRU).
    Raises: ValueError if mode is unknown or a shape does not fit.
    """

    def __init__(self, mode, input_size, hidden_size, num_layers=1, bidirectional=False, seed=0):
        _check_mode(mode)
        self.mode, self.names = mode, _layer_names(num_layers, bidirectional)
        rng, bound = np.random.default_rng(seed), hidden_size**-0.5
        rows, ways = GATES[mode] * hidden_size, 1 + bidirectional
        self.parameters = {}
        for layer, suffixes in enumerate(self.names):
            features = ways * hidden_size if layer else input_size
            shapes = [(rows, features), (rows, hidden_size), (rows,), (rows,)]
            for suffix in suffixes:
                for name, shape in zip(_PARAMETERS, shapes, strict=True):
                    self.parameters[name + suffix] = rng.uniform(-bound, bound, shape)

    def _arguments(self, input, suffix):
        states = (None, None) if self.mode == "lstm" else (None,)
        return input, *states, *(self.parameters[name + suffix] for name in _PARAMETERS)

    def forward(self, input, lengths=None):
        layer, _ = _LAYERS[self.mode]
        self.inputs, self.lengths = [], lengths
        for suffixes in self.names:
            self.inputs.append(input)
            ways = [
                layer(*self._arguments(input, suffix), lengths, bool(way))[0]
                for way, suffix in enumerate(suffixes)
            ]
            input = np.concatenate(ways, axis=2)
        return input

    def backward(self, grad_output):
        _, layer_backward = _LAYERS[self.mode]
        grads = {}
        for input, suffixes in zip(self.inputs[::-1], self.names[::-1], strict=True):
            grad_input = np.zeros_like(input)
            halves = np.split(grad_output, len(suffixes), axis=2)
            for way, (suffix, half) in enumerate(zip(suffixes, halves, strict=True)):
                still = np.zeros(half.shape[1:])
                given = (half, still, still) if self.mode == "lstm" else (half, still)
                arguments = self._arguments(input, suffix)
                found = layer_backward(given, *arguments, self.lengths, bool(way))
                grad_input += found[0]
                names = [name + suffix for name in _PARAMETERS]
                grads.update(zip(names, found[-4:], strict=True))
            grad_output = grad_input
        return grad_output, grads


_PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


# --- tokens as vectors


def _check_padding(padding_idx, rows):
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise ValueError(
            f"padding_idx: expected a row from {-rows} to {rows - 1}, got {padding_idx}"
        )


def _check_tokens(smallest, largest, rows):
    if smallest < 0 or largest >= rows:
        got = f"{int(smallest)} to {int(largest)}"
        raise ValueError(f"input: expected tokens from 0 to {rows - 1}, got {got}")


def embedding(input, weight, padding_idx=None):
    r"""Row `input` of a table: $W_{x}$, which is $\mathrm{onehot}(x)\,W$ without the zeros.

    Shapes: input (*) integers from 0 to K - 1; weight (K, D); result (*, D).
    Raises: TypeError if input is not of integers or weight not real; ValueError if a token or
    padding_idx is out of range, or weight is not a table.
    Source: Bengio et al. 2003; document 001, sequence models.
    """
    input, weight = _whole(input, "input"), _real(weight, "weight")
    if weight.ndim != 2:
        raise ValueError(f"weight: expected shape (K, D), got {weight.shape}")
    _check_padding(padding_idx, len(weight))
    if input.size:
        _check_tokens(input.min(), input.max(), len(weight))
    return weight[input]


def embedding_backward(grad_output, input, weight, padding_idx=None):
    """What arrives at a token is added to its row of the table; the padding's row gets none.

    Shapes: grad_output (*, D); input (*); weight (K, D); result (K, D).
    Raises: TypeError if an array is not real; ValueError if shapes or tokens do not fit.
    """
    output, grad_output = embedding(input, weight, padding_idx), _real(grad_output, "grad_output")
    _expect("grad_output", grad_output, output.shape)
    grad = np.zeros(np.shape(weight))
    np.add.at(grad, np.asarray(input), grad_output)  # a token that occurs twice gets both
    if padding_idx is not None:
        grad[padding_idx] = 0.0
    return grad


def positional_encoding(length, dim):
    r"""$p_{t,2k} = \sin(t / 10000^{2k/D})$ and $p_{t,2k+1} = \cos$ of the same angle.

    Shapes: length T and dim D, whole numbers, D even; result (T, D).
    Raises: ValueError if length is negative or dim not a positive even number.
    Source: Vaswani et al. 2017, section 3.5.
    """
    if length < 0 or dim < 2 or dim % 2:
        raise ValueError(f"expected length >= 0 and an even dim >= 2, got {length} and {dim}")
    angle = np.arange(length)[:, None] * 10000.0 ** (-np.arange(0, dim, 2) / dim)
    return np.stack([np.sin(angle), np.cos(angle)], axis=2).reshape(length, dim)


# --- attention


def _check_attention(query, key, value):
    for name, array in (("query", query), ("key", key), ("value", value)):
        if array.ndim < 2:
            got = tuple(array.shape)
            raise ValueError(f"{name}: expected at least 2 dimensions, (*, length, D), got {got}")
    _expect("key", key, (*query.shape[:-2], key.shape[-2], query.shape[-1]))
    _expect("value", value, (*key.shape[:-1], value.shape[-1]))


def _check_mask(shape, wanted):
    """A mask broadcasts to the scores and never widens them."""
    pairs = zip(shape[::-1], wanted[::-1], strict=False)
    if len(shape) > len(wanted) or any(have not in (1, need) for have, need in pairs):
        got, want = tuple(shape), tuple(wanted)
        raise ValueError(f"attn_mask: expected a shape that broadcasts to {want}, got {got}")


def _masked(scores, attn_mask, is_causal):
    """The scores, -inf where a query must not look: mask False, or later than itself."""
    if attn_mask is not None and is_causal:
        raise ValueError("expected attn_mask or is_causal, got both")
    if is_causal:
        attn_mask = np.tril(np.ones(scores.shape[-2:], dtype=bool))
    if attn_mask is None:
        return scores
    attn_mask = np.asarray(attn_mask)
    _check_mask(attn_mask.shape, scores.shape)
    if attn_mask.dtype == bool:
        return np.where(attn_mask, scores, -np.inf)
    return scores + _real(attn_mask, "attn_mask")


def _attend(scores):
    """Softmax over the last axis; a query that may look nowhere gets zeros, not 0/0."""
    blind = ~np.isfinite(scores).any(axis=-1, keepdims=True)
    scores = np.where(blind, 0.0, scores)
    return np.where(blind, 0.0, softmax(scores, dim=-1) if scores.size else scores)


def _attend_backward(grad, weights):
    return weights * (grad - (grad * weights).sum(axis=-1, keepdims=True))


def _dot_weights(query, key, value, attn_mask, is_causal, scale):
    query, key, value = _real(query, "query"), _real(key, "key"), _real(value, "value")
    _check_attention(query, key, value)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = _masked(scale * query @ key.swapaxes(-1, -2), attn_mask, is_causal)
    return query, key, value, scale, _attend(scores)


def scaled_dot_product_attention(query, key, value, attn_mask=None, is_causal=False, scale=None):
    r"""$\mathrm{softmax}(Q K^\top / \sqrt{D} + M)\, V$: a weighted mean of the values.

    Shapes: query (*, L, D); key (*, S, D); value (*, S, V); attn_mask broadcasts to (*, L, S), bool
    (True takes part) or a number to add; result (*, L, V). A row that may look nowhere is zero.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit, or attn_mask and
    is_causal are both given.
    Source: Vaswani et al. 2017, equation 1.
    """
    *_, value, _, weights = _dot_weights(query, key, value, attn_mask, is_causal, scale)
    return weights @ value


def scaled_dot_product_attention_backward(
    grad_output, query, key, value, attn_mask=None, is_causal=False, scale=None
):
    r"""$dV = A^\top G$, $dA = G V^\top$, then through the softmax to $Q$ and $K$.

    Shapes: grad_output (*, L, V); results the gradients of query, key and value.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit.
    """
    query, key, value, scale, weights = _dot_weights(query, key, value, attn_mask, is_causal, scale)
    grad_output = _real(grad_output, "grad_output")
    _expect("grad_output", grad_output, (*query.shape[:-1], value.shape[-1]))
    grad_scores = scale * _attend_backward(grad_output @ value.swapaxes(-1, -2), weights)
    grad_value = weights.swapaxes(-1, -2) @ grad_output
    return grad_scores @ key, grad_scores.swapaxes(-1, -2) @ query, grad_value


def _check_additive(query, keys, values, weight_query, weight_key, weight_score):
    names = ("query", "keys", "values", "weight_query", "weight_key")
    arrays = (query, keys, values, weight_query, weight_key)
    for name, array, ndim in zip(names, arrays, (3, 3, 3, 2, 2), strict=True):
        if array.ndim != ndim:
            raise ValueError(f"{name}: expected {ndim} dimensions, got shape {tuple(array.shape)}")
    units = weight_query.shape[0]
    _expect("keys", keys, (query.shape[0], *keys.shape[1:]))
    _expect("values", values, (*keys.shape[:2], values.shape[2]))
    _expect("weight_query", weight_query, (units, query.shape[2]))
    _expect("weight_key", weight_key, (units, keys.shape[2]))
    _expect("weight_score", weight_score, (units,))


def _additive(query, keys, values, weight_query, weight_key, weight_score, mask):
    """The arrays, checked, what is inside the tanh's reach, and the attention weights."""
    names = ("query", "keys", "values", "weight_query", "weight_key", "weight_score")
    given = (query, keys, values, weight_query, weight_key, weight_score)
    arrays = [_real(array, name) for array, name in zip(given, names, strict=True)]
    _check_additive(*arrays)
    query, keys, values, weight_query, weight_key, weight_score = arrays
    from_query, from_keys = query @ weight_query.T, keys @ weight_key.T
    hidden = np.tanh(from_query[:, :, None] + from_keys[:, None])  # (N, L, S, A)
    scores = hidden @ weight_score  # (N, L, S)
    if mask is not None:
        _expect("mask", np.asarray(mask), keys.shape[:2])
        scores = np.where(np.asarray(mask)[:, None], scores, -np.inf)
    return arrays, hidden, _attend(scores)


def additive_attention(query, keys, values, weight_query, weight_key, weight_score, mask=None):
    r"""Scores by a small network, $e_s = v^\top \tanh(W_q q + W_k k_s)$, then a weighted mean.

    Shapes: query (N, L, Q); keys (N, S, K); values (N, S, V); weight_query (A, Q); weight_key
    (A, K); weight_score (A,); mask (N, S) bool, True takes part; results the context (N, L, V) and
    the attention weights (N, L, S).
    Raises: TypeError if an array is not real; ValueError if shapes do not fit.
    Source: Bahdanau et al. 2015, section A.1.2; document 001, attention mechanism.
    """
    arrays, _, weights = _additive(
        query, keys, values, weight_query, weight_key, weight_score, mask
    )
    return weights @ arrays[2], weights


def additive_attention_backward(
    grad_output, query, keys, values, weight_query, weight_key, weight_score, mask=None
):
    """Back through the mean, the softmax and the tanh.

    Shapes: grad_output a tuple of (N, L, V) and (N, L, S); results the gradients of the six arrays.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit.
    """
    arrays, hidden, weights = _additive(
        query, keys, values, weight_query, weight_key, weight_score, mask
    )
    query, keys, values, weight_query, weight_key, weight_score = arrays
    shapes = ((*query.shape[:2], values.shape[2]), weights.shape)
    grad_context, grad_weights = _two_grads(grad_output, shapes)
    grad_weights = grad_weights + grad_context @ values.swapaxes(1, 2)
    grad_scores = _attend_backward(grad_weights, weights)
    grad_sum = grad_scores[..., None] * weight_score * (1.0 - hidden**2)  # (N, L, S, A)
    over_keys, over_queries = grad_sum.sum(axis=2), grad_sum.sum(axis=1)
    return (
        over_keys @ weight_query,
        over_queries @ weight_key,
        weights.swapaxes(1, 2) @ grad_context,
        np.einsum("nla,nlq->aq", over_keys, query),
        np.einsum("nsa,nsk->ak", over_queries, keys),
        np.einsum("nls,nlsa->a", grad_scores, hidden),
    )


def _two_grads(grad_output, shapes):
    """The gradients of two outputs, with their shapes checked."""
    if not isinstance(grad_output, tuple) or len(grad_output) != 2:
        got = type(grad_output).__name__
        raise ValueError(f"grad_output: expected a tuple of 2 gradients, got {got}")
    grads = [_real(grad, "grad_output") for grad in grad_output]
    for grad, shape in zip(grads, shapes, strict=True):
        _expect("grad_output", grad, shape)
    return grads


def _check_heads(query, key, value, num_heads, weights):
    for name, array in (("query", query), ("key", key), ("value", value)):
        if array.ndim != 3:
            raise ValueError(f"{name}: expected shape (N, length, E), got {tuple(array.shape)}")
    width = query.shape[2]
    if num_heads < 1 or width % num_heads:
        raise ValueError(f"num_heads: expected a divisor of E = {width}, got {num_heads}")
    _expect("key", key, (query.shape[0], key.shape[1], width))
    _expect("value", value, key.shape)
    names = ("in_proj_weight", "in_proj_bias", "out_proj_weight", "out_proj_bias")
    shapes = ((3 * width, width), (3 * width,), (width, width), (width,))
    for name, weight, shape in zip(names, weights, shapes, strict=True):
        _expect(name, weight, shape)


def _heads(query, key, value, num_heads, weights, key_padding_mask, attn_mask):
    """All that both directions of `multi_head_attention` need."""
    query, key, value = _real(query, "query"), _real(key, "key"), _real(value, "value")
    weights = [_real(weight, "weight") for weight in weights]
    _check_heads(query, key, value, num_heads, weights)
    in_weights, in_biases = np.split(weights[0], 3), np.split(weights[1], 3)
    inputs = (query, key, value)
    q, k, v = (
        _to_heads(x @ weight.T + bias, num_heads)
        for x, weight, bias in zip(inputs, in_weights, in_biases, strict=True)
    )
    scores = q @ k.swapaxes(2, 3) / np.sqrt(q.shape[3])  # (N, heads, L, S)
    if key_padding_mask is not None:
        _expect("key_padding_mask", np.asarray(key_padding_mask), key.shape[:2])
        scores = np.where(key_padding_mask[:, None, None], -np.inf, scores)
    if attn_mask is not None:
        _expect("attn_mask", np.asarray(attn_mask), scores.shape[2:])
        scores = np.where(attn_mask, -np.inf, scores)
    return inputs, weights, in_weights, (q, k, v), _attend(scores)


def _to_heads(x, num_heads):
    """(N, L, E) -> (N, heads, L, E / heads)."""
    return x.reshape(*x.shape[:2], num_heads, x.shape[2] // num_heads).swapaxes(1, 2)


def _from_heads(x):
    """(N, heads, L, E / heads) -> (N, L, E)."""
    return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], x.shape[1] * x.shape[3])


def multi_head_attention(
    query, key, value, num_heads, in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias,
    key_padding_mask=None, attn_mask=None,
):  # fmt: skip
    r"""Small attentions side by side: $[\mathrm{head}_1, \dots, \mathrm{head}_h]\,W_o^\top + b_o$.

    Shapes: query (N, L, E); key and value (N, S, E); the weights as in `nn.MultiheadAttention`,
    in_proj_weight (3E, E), in_proj_bias (3E,), out_proj_weight (E, E), out_proj_bias (E,);
    key_padding_mask (N, S) and attn_mask (L, S) bool, where, as there, True is hidden; results the
    output (N, L, E) and the weights of each head (N, heads, L, S).
    Raises: TypeError if an array is not real; ValueError if shapes do not fit.
    Source: Vaswani et al. 2017, section 3.2.2.
    """
    weights = (in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias)
    _, weights, _, (_, _, v), attention = _heads(
        query, key, value, num_heads, weights, key_padding_mask, attn_mask
    )
    return _from_heads(attention @ v) @ weights[2].T + weights[3], attention


def multi_head_attention_backward(
    grad_output, query, key, value, num_heads, in_proj_weight, in_proj_bias,
    out_proj_weight, out_proj_bias, key_padding_mask=None, attn_mask=None,
):  # fmt: skip
    """Back through the output matrix, the heads and the three input matrices.

    Shapes: grad_output a tuple of (N, L, E) and (N, heads, L, S); results the gradients of query,
    key, value and the four weights.
    Raises: TypeError if an array is not real; ValueError if shapes do not fit.
    """
    weights = (in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias)
    inputs, weights, in_weights, (q, k, v), attention = _heads(
        query, key, value, num_heads, weights, key_padding_mask, attn_mask
    )
    grad, grad_attention = _two_grads(grad_output, (inputs[0].shape, attention.shape))
    joined = _from_heads(attention @ v)
    grad_heads = _to_heads(grad @ weights[2], num_heads)
    grad_attention = grad_attention + grad_heads @ v.swapaxes(2, 3)
    grad_scores = _attend_backward(grad_attention, attention) / np.sqrt(q.shape[3])
    at_heads = (
        grad_scores @ k,
        grad_scores.swapaxes(2, 3) @ q,
        attention.swapaxes(2, 3) @ grad_heads,
    )
    at_inputs = [_from_heads(part) for part in at_heads]
    return (
        *(part @ weight for part, weight in zip(at_inputs, in_weights, strict=True)),
        np.concatenate(
            [np.einsum("nle,nlf->ef", p, x) for p, x in zip(at_inputs, inputs, strict=True)]
        ),
        np.concatenate([part.sum(axis=(0, 1)) for part in at_inputs]),
        np.einsum("nle,nlf->ef", grad, joined),
        grad.sum(axis=(0, 1)),
    )


# --- from one sequence to another


class Seq2Seq:
    """An encoder and a decoder, both `gru`, with or without attention: the forward pass.

    Shapes: `forward` takes source tokens (S, N), their lengths (N,) and target tokens (T, N), the
    true ones, each sequence begun by <bos> (teacher forcing), and returns logits (T, N, K) and the
    attention weights (N, T, S), None without attention. `encode` returns the decoder's first state;
    `step` takes one token for each sequence (N,) and a state, and returns log-probabilities (N, K)
    and the next state, as the searches want it. `load` takes the arrays of a trained twin's
    `state_dict()`.
    Raises: ValueError if attention is not "additive", "dot" or None, or a shape does not fit.
    Source: Sutskever et al. 2014; Bahdanau et al. 2015, Luong et al. 2015; document 001.
    """

    def __init__(
        self, source_size, target_size, embed_dim=32, num_hiddens=64, attention="additive", seed=0
    ):
        _check_kind(attention)
        self.attention = attention
        rng, bound = np.random.default_rng(seed), num_hiddens**-0.5
        width = num_hiddens if attention is None else 2 * num_hiddens
        shapes = {
            "source.weight": (source_size, embed_dim),
            "target.weight": (target_size, embed_dim),
        }
        for side in ("encoder", "decoder"):
            shapes[f"{side}.weight_ih_l0"] = (3 * num_hiddens, embed_dim)
            shapes[f"{side}.weight_hh_l0"] = (3 * num_hiddens, num_hiddens)
            shapes[f"{side}.bias_ih_l0"] = shapes[f"{side}.bias_hh_l0"] = (3 * num_hiddens,)
        if attention == "additive":
            shapes["weight_query"] = shapes["weight_key"] = (num_hiddens, num_hiddens)
            shapes["weight_score"] = (num_hiddens,)
        shapes |= {"output.weight": (target_size, width), "output.bias": (target_size,)}
        self.parameters = {
            name: rng.uniform(-bound, bound, shape) for name, shape in shapes.items()
        }

    def load(self, arrays):
        for name, array in self.parameters.items():
            _expect(name, np.asarray(arrays[name]), array.shape)
        self.parameters = {name: _real(arrays[name], name) for name in self.parameters}
        return self

    def _gru(self, side, tokens, h_0, lengths=None):
        table = self.parameters["source.weight" if side == "encoder" else "target.weight"]
        weights = [self.parameters[f"{side}.{name}_l0"] for name in _PARAMETERS]
        return gru(embedding(tokens, table), h_0, *weights, lengths)

    def encode(self, source, lengths):
        keys, h = self._gru("encoder", source, None, lengths)
        if self.attention is None:
            return (h,)  # all that is left of the sentence
        return h, keys.swapaxes(0, 1), np.arange(len(source)) < np.asarray(lengths)[:, None]

    def _attend(self, queries, keys, mask):
        """Context (N, T, H) and weights (N, T, S) for decoder states (N, T, H)."""
        if self.attention == "additive":
            names = ("weight_query", "weight_key", "weight_score")
            weights = [self.parameters[name] for name in names]
            return additive_attention(queries, keys, keys, *weights, mask)
        *_, weights = _dot_weights(queries, keys, keys, mask[:, None], False, None)
        return weights @ keys, weights

    def _decode(self, tokens, state):
        output, h = self._gru("decoder", tokens, state[0])
        features, weights = output.swapaxes(0, 1), None
        if self.attention is not None:
            context, weights = self._attend(features, *state[1:])
            features = np.concatenate([features, context], axis=2)
        logits = features @ self.parameters["output.weight"].T + self.parameters["output.bias"]
        return logits.swapaxes(0, 1), (h, *state[1:]), weights

    def forward(self, source, lengths, target):
        logits, _, weights = self._decode(target, self.encode(source, lengths))
        return logits, weights

    def step(self, tokens, state):
        logits, state, _ = self._decode(np.asarray(tokens)[None], state)
        return log_softmax(logits[0], dim=1), state


def _check_kind(attention):
    if attention not in ("additive", "dot", None):
        raise ValueError(f"attention: expected 'additive', 'dot' or None, got {attention!r}")


# --- search


def _rows(state):
    """How many sequences a state holds."""
    return len(state[0] if isinstance(state, tuple) else state)


def _pick(state, rows):
    """The state of these rows: an array, or a tuple of arrays, that has one row a sequence."""
    if isinstance(state, tuple):
        return tuple(part[rows] for part in state)
    return state[rows]


def _check_search(max_length, beam_size=1):
    if max_length < 1 or beam_size < 1:
        raise ValueError(
            f"expected max_length and beam_size of at least 1, got {max_length} and {beam_size}"
        )


def greedy_decode(step, state, bos, eos, max_length=20):
    """Take the most probable token, again and again, until <eos>.

    Shapes: step(tokens (N,), state) returns log-probabilities (N, K) and the next state; state is
    an array or a tuple of arrays with N rows; bos, eos and max_length whole numbers; results tokens
    (N, L) with L at most max_length, eos after the end, and their log-probabilities (N,).
    Raises: ValueError if max_length is below 1.
    """
    _check_search(max_length)
    rows = _rows(state)
    token, ended, scores, tokens = np.full(rows, bos), np.zeros(rows, bool), np.zeros(rows), []
    for _ in range(max_length):
        log_probs, state = step(token, state)
        best = np.where(ended, eos, log_probs.argmax(axis=1))
        gain = np.take_along_axis(log_probs, best[:, None], axis=1)[:, 0]
        scores = scores + np.where(ended, 0.0, gain)
        token, ended = best, ended | (best == eos)
        tokens.append(token)
        if ended.all():
            break
    return np.stack(tokens, axis=1), scores


def beam_search(step, state, bos, eos, beam_size=4, max_length=20, length_penalty=1.0):
    r"""Keep the beam_size best beginnings; of the ends, the largest $\log P / L^\alpha$ wins.

    Shapes: step and state as in `greedy_decode`; results tokens (N, L) with eos after the end, and
    scores (N,), the log-probability divided by the length, <eos> included, to the length_penalty.
    Raises: ValueError if max_length or beam_size is below 1.
    Source: Graves 2012; Wu et al. 2016, section 7.
    """
    _check_search(max_length, beam_size)
    rows = _rows(state)
    state = _pick(state, np.repeat(np.arange(rows), beam_size))
    tokens = np.full((rows, beam_size, 1), bos)
    scores = np.full((rows, beam_size), -np.inf)
    scores[:, 0] = 0.0  # all beams of a sequence are one at the start
    ended, lengths = np.zeros((rows, beam_size), bool), np.zeros((rows, beam_size))
    for _ in range(max_length):
        log_probs, state = step(tokens[:, :, -1].ravel(), state)
        kinds = log_probs.shape[1]
        stay = np.where(np.arange(kinds) == eos, 0.0, -np.inf)  # an ended beam adds eos, for free
        log_probs = np.where(ended[:, :, None], stay, log_probs.reshape(rows, beam_size, kinds))
        total = (scores[:, :, None] + log_probs).reshape(rows, beam_size * kinds)
        best = np.argsort(-total, axis=1, kind="stable")[:, :beam_size]
        parent, token = best // kinds, best % kinds
        scores = np.take_along_axis(total, best, axis=1)
        state = _pick(state, (np.arange(rows)[:, None] * beam_size + parent).ravel())
        tokens = np.take_along_axis(tokens, parent[:, :, None], axis=1)
        tokens = np.concatenate([tokens, token[:, :, None]], axis=2)
        ended = np.take_along_axis(ended, parent, axis=1)
        lengths = np.take_along_axis(lengths, parent, axis=1) + ~ended
        ended |= token == eos
        if ended.all():
            break
    scores = scores / lengths**length_penalty
    winner = scores.argmax(axis=1)
    return tokens[np.arange(rows), winner, 1:], scores[np.arange(rows), winner]
