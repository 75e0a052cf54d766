"""Wrong answers that students really give, one function each; its docstring is the hint they see.

A misconception has the signature of the task's function. `autograder` records what it returns on
the visible inputs and recognizes it there.
"""

from collections import Counter

import numpy as np
from torch import nn

from autograder.misconceptions import misconception

# --- 1. rnn_forward ------------------------------------------------------------------------------


def _states(x, h_0, weight_ih, weight_hh, bias):
    h, states = h_0, []
    for x_t in x:
        h = np.tanh(x_t @ weight_ih.T + h @ weight_hh.T + bias)
        states.append(h)
    return np.stack(states)


@misconception("rnn_forward")
def state_never_changes(x, h_0, weight_ih, weight_hh, bias):
    """Every step starts from h_0 in your answer: the state is computed and then forgotten. After
    each step, the new state must become the old one of the next."""
    return np.tanh(x @ weight_ih.T + h_0 @ weight_hh.T + bias)


@misconception("rnn_forward")
def only_the_last_state(x, h_0, weight_ih, weight_hh, bias):
    """You return the last state only. Asked for are all of them, one for each step: collect them in
    a list."""
    return _states(x, h_0, weight_ih, weight_hh, bias)[-1]


@misconception("rnn_forward")
def without_tanh(x, h_0, weight_ih, weight_hh, bias):
    """The tanh is missing. Without it the network is one linear map, and its states may grow
    without bound."""
    h, states = h_0, []
    for x_t in x:
        h = x_t @ weight_ih.T + h @ weight_hh.T + bias
        states.append(h)
    return np.stack(states)


@misconception("rnn_forward")
def recurrent_matrix_turned(x, h_0, weight_ih, weight_hh, bias):
    """The recurrent matrix is turned over its diagonal. One sequence is a row here, so W h of every
    row is `h @ weight_hh.T`. A square matrix gives no error when you forget that."""
    return _states(x, h_0, weight_ih, weight_hh.T, bias)


@misconception("rnn_forward")
def first_state_first(x, h_0, weight_ih, weight_hh, bias):
    """Your first state is h_0 and the last is missing: you store the state before each step, not
    after it."""
    states = _states(x, h_0, weight_ih, weight_hh, bias)
    return np.concatenate([h_0[None], states[:-1]])


# --- 2. rnn_backward -----------------------------------------------------------------------------


def _back(grad_states, states, x, h_0, weight_hh, through=lambda a, w: a @ w,
          slope=lambda h: 1.0 - h**2, before=None):  # fmt: skip
    grads = [np.zeros((len(weight_hh), x.shape[2])), np.zeros(weight_hh.shape), 0.0]
    later = np.zeros_like(h_0)
    for t in reversed(range(len(x))):
        a = (grad_states[t] + later) * slope(states[t])
        old = (states[t - 1] if t else h_0) if before is None else before(t)
        grads[0] += a.T @ x[t]
        grads[1] += a.T @ old
        grads[2] = grads[2] + a.sum(axis=0)
        later = through(a, weight_hh)
    return tuple(grads)


@misconception("rnn_backward")
def nothing_through_time(grad_states, states, x, h_0, weight_hh):
    """Nothing flows from a step to the one before it: only the direct gradients count in your
    answer. A state also acts through all later states; add `a @ weight_hh` of the later step."""
    return _back(grad_states, states, x, h_0, weight_hh, through=lambda a, w: 0 * a)


@misconception("rnn_backward")
def matrix_turned_on_the_way_back(grad_states, states, x, h_0, weight_hh):
    """On the way back you multiply by the matrix turned the wrong way. Forward, a row is multiplied
    by `weight_hh.T`, so backward it is `a @ weight_hh`."""
    return _back(grad_states, states, x, h_0, weight_hh, through=lambda a, w: a @ w.T)


@misconception("rnn_backward")
def slope_forgotten(grad_states, states, x, h_0, weight_hh):
    """The slope of tanh is missing: multiply the gradient at each state by 1 - h ** 2."""
    return _back(grad_states, states, x, h_0, weight_hh, slope=lambda h: 1.0)


@misconception("rnn_backward")
def slope_of_the_sigmoid(grad_states, states, x, h_0, weight_hh):
    """Your slope is h (1 - h), that of the sigmoid. With h = tanh(z) it is 1 - h ** 2."""
    return _back(grad_states, states, x, h_0, weight_hh, slope=lambda h: h * (1.0 - h))


@misconception("rnn_backward")
def state_of_the_same_step(grad_states, states, x, h_0, weight_hh):
    """The gradient of weight_hh is taken with the state *after* the step. The matrix was multiplied
    with the state before it; before the first step that is h_0."""
    return _back(grad_states, states, x, h_0, weight_hh, before=lambda t: states[t])


# --- 3. lstm_step --------------------------------------------------------------------------------


def _sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def _gates(x, h, weight_ih, weight_hh, bias):
    return np.split(x @ weight_ih.T + h @ weight_hh.T + bias, 4, axis=1)


@misconception("lstm_step")
def gates_in_another_order(x, h, c, weight_ih, weight_hh, bias):
    """You take the gates in the order i, f, o, g, as some libraries do. Here, as in PyTorch, the
    candidate g is the third and the output gate o the fourth."""
    i, f, o, g = _gates(x, h, weight_ih, weight_hh, bias)
    c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(c), c


@misconception("lstm_step")
def output_from_the_old_memory(x, h, c, weight_ih, weight_hh, bias):
    """The new c is right, but h is computed from the old one. First update c, then show it."""
    i, f, g, o = _gates(x, h, weight_ih, weight_hh, bias)
    return _sigmoid(o) * np.tanh(c), _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)


@misconception("lstm_step")
def memory_shown_raw(x, h, c, weight_ih, weight_hh, bias):
    """c is right; in h the tanh around c is missing: h = sigmoid(o) * tanh(c)."""
    i, f, g, o = _gates(x, h, weight_ih, weight_hh, bias)
    c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * c, c


@misconception("lstm_step")
def sigmoid_for_the_candidate(x, h, c, weight_ih, weight_hh, bias):
    """The candidate g goes through a sigmoid in your answer. It goes through tanh, so that the
    memory can also shrink below zero; only gates are between 0 and 1."""
    i, f, g, o = _gates(x, h, weight_ih, weight_hh, bias)
    c = _sigmoid(f) * c + _sigmoid(i) * _sigmoid(g)
    return _sigmoid(o) * np.tanh(c), c


@misconception("lstm_step")
def one_minus_forget(x, h, c, weight_ih, weight_hh, bias):
    """You add (1 - f) times the candidate, as a GRU does. An LSTM has an input gate of its own:
    keep by f, add by i."""
    _, f, g, o = _gates(x, h, weight_ih, weight_hh, bias)
    c = _sigmoid(f) * c + (1.0 - _sigmoid(f)) * np.tanh(g)
    return _sigmoid(o) * np.tanh(c), c


# --- 4. attention --------------------------------------------------------------------------------


def _softmax(scores, axis=2):
    top = scores.max(axis=axis, keepdims=True)
    weights = np.exp(scores - np.where(np.isfinite(top), top, 0.0))
    total = weights.sum(axis=axis, keepdims=True)
    return weights / np.where(total > 0, total, 1.0)


def _scores(query, key, mask, scale):
    return np.where(mask[:, None], query @ key.swapaxes(1, 2) * scale, -np.inf)


@misconception("attention")
def mask_ignored(query, key, value, mask):
    """Padding gets weight too: the mask is not used. Where it is False, set the score to -inf
    before the softmax."""
    weights = _softmax(query @ key.swapaxes(1, 2) / np.sqrt(query.shape[2]))
    return weights @ value, weights


@misconception("attention")
def mask_after_the_softmax(query, key, value, mask):
    """The weights of a row do not add up to 1: you set those of padding to zero after the softmax.
    Mask the scores before it, so that the others share all of the weight."""
    weights = _softmax(query @ key.swapaxes(1, 2) / np.sqrt(query.shape[2])) * mask[:, None]
    return weights @ value, weights


@misconception("attention")
def not_scaled(query, key, value, mask):
    """The scores are not divided by the root of D. With many dimensions they grow, and the softmax
    looks at one key only."""
    weights = _softmax(_scores(query, key, mask, 1.0))
    return weights @ value, weights


@misconception("attention")
def divided_by_d(query, key, value, mask):
    """You divide by D. The scores' spread grows with the *root* of D, so divide by that."""
    weights = _softmax(_scores(query, key, mask, 1 / query.shape[2]))
    return weights @ value, weights


@misconception("attention")
def softmax_over_the_queries(query, key, value, mask):
    """Your softmax runs over the queries. Each *query* distributes its attention over the keys: the
    last axis must add up to 1."""
    weights = _softmax(_scores(query, key, mask, query.shape[2] ** -0.5), axis=1)
    return weights @ value, weights


# --- 5. beam_step --------------------------------------------------------------------------------


def _best(total, count):
    best = np.argsort(-total.ravel(), kind="stable")[:count]
    return total.ravel()[best], best // total.shape[1], best % total.shape[1]


@misconception("beam_step")
def each_beam_by_itself(scores, log_probs):
    """Each beginning keeps its own best continuation in your answer. All continuations compete: a
    good beginning may go on twice, and a bad one dies."""
    token = log_probs.argmax(axis=1)
    return scores + log_probs.max(axis=1), np.arange(len(scores)), token


@misconception("beam_step")
def past_forgotten(scores, log_probs):
    """You rank by the probability of the next token alone. Add the score of the beginning: log-
    probabilities add up."""
    return _best(log_probs, len(scores))


@misconception("beam_step")
def probabilities_multiplied(scores, log_probs):
    """You multiply log-probabilities. Probabilities multiply; their logarithms add."""
    return _best(scores[:, None] * log_probs, len(scores))


@misconception("beam_step")
def worst_first(scores, log_probs):
    """You keep the worst continuations, or the best in the wrong order. argsort sorts upward; sort
    the negative scores."""
    total = scores[:, None] + log_probs
    best = np.argsort(total.ravel(), kind="stable")[: len(scores)]
    return total.ravel()[best], best // total.shape[1], best % total.shape[1]


@misconception("beam_step")
def row_and_column_by_the_beams(scores, log_probs):
    """The scores are right, but parents and tokens are not: the flattened table has rows of length
    K, so divide by K, not by B."""
    total = scores[:, None] + log_probs
    best = np.argsort(-total.ravel(), kind="stable")[: len(scores)]
    return total.ravel()[best], best // len(scores), best % len(scores)


# --- 6. bleu -------------------------------------------------------------------------------------


def _runs(words, n):
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _precision(candidates, references, n, clip=True):
    hits = total = 0
    for a, b in zip(candidates, references, strict=True):
        a, b = _runs(a, n), _runs(b, n)
        hits += (a & b).total() if clip else sum(k for run, k in a.items() if run in b)
        total += a.total()
    return hits / max(1, total)


def _penalty(candidates, references):
    return float(np.exp(1 - sum(map(len, references)) / sum(map(len, candidates))))


def _bleu(candidates, references, max_n, clip=True):
    precisions = [_precision(candidates, references, n, clip) for n in range(1, max_n + 1)]
    penalty = min(1.0, _penalty(candidates, references))
    return penalty * float(np.prod(precisions)) ** (1 / max_n)


@misconception("bleu")
def counts_not_clipped(candidates, references, max_n):
    """The same word four times scores too high: your counts are not clipped. A run counts at most
    as often as the reference has it."""
    return _bleu(candidates, references, max_n, clip=False)


@misconception("bleu")
def average_of_the_precisions(candidates, references, max_n):
    """You average the precisions. BLEU takes their geometric mean, which is 0 as soon as one of
    them is (erratum E70)."""
    precisions = [_precision(candidates, references, n) for n in range(1, max_n + 1)]
    return min(1.0, _penalty(candidates, references)) * float(np.mean(precisions))


@misconception("bleu")
def no_brevity_penalty(candidates, references, max_n):
    """The brevity penalty is missing: a candidate of one right word would be perfect."""
    precisions = [_precision(candidates, references, n) for n in range(1, max_n + 1)]
    return float(np.prod(precisions)) ** (1 / max_n)


@misconception("bleu")
def length_rewarded(candidates, references, max_n):
    """Candidates longer than their references get a bonus: your factor is larger than 1. It is a
    penalty for brevity only; take the smaller of it and 1."""
    precisions = [_precision(candidates, references, n) for n in range(1, max_n + 1)]
    return _penalty(candidates, references) * float(np.prod(precisions)) ** (1 / max_n)


@misconception("bleu")
def mean_over_the_sentences(candidates, references, max_n):
    """You average the scores of the sentences. Add hits, runs and lengths up over all sentences,
    and compute BLEU once (erratum E71)."""
    pairs = zip(candidates, references, strict=True)
    return float(np.mean([_bleu([a], [b], max_n) for a, b in pairs]))


@misconception("bleu")
def divided_by_the_reference(candidates, references, max_n):
    """You divide the hits by the runs of the *reference*: that is recall. BLEU divides by those of
    the candidate, and punishes what is missing by the brevity penalty."""
    product = 1.0
    for n in range(1, max_n + 1):
        pairs = [(_runs(a, n), _runs(b, n)) for a, b in zip(candidates, references, strict=True)]
        product *= sum((a & b).total() for a, b in pairs) / max(1, sum(b.total() for _, b in pairs))
    return min(1.0, _penalty(candidates, references)) * product ** (1 / max_n)


# --- 7. next_token_loss --------------------------------------------------------------------------


def _cross_entropy(logits, targets, **kwargs):
    return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), **kwargs)


@misconception("next_token_loss")
def not_shifted(net, tokens, pad):
    """Input and target are the same tokens: the network shall predict what it has just read, which
    is easy and useless. The target of a token is the next one."""
    return _cross_entropy(net(tokens[:-1]), tokens[:-1], ignore_index=pad)


@misconception("next_token_loss")
def padding_counts(net, tokens, pad):
    """Padding counts as a target. The network then learns to predict padding, and the loss looks
    better the more of it there is. See hint 4."""
    return _cross_entropy(net(tokens[:-1]), tokens[1:])


@misconception("next_token_loss")
def shifted_backward(net, tokens, pad):
    """You predict the token *before* the one that was read. Inputs are `tokens[:-1]`, targets
    `tokens[1:]`."""
    return _cross_entropy(net(tokens[1:]), tokens[:-1], ignore_index=pad)


@misconception("next_token_loss")
def sum_over_targets(net, tokens, pad):
    """You add the losses of all targets up. Take their mean, so that the learning rate does not
    depend on the size of the batch."""
    return _cross_entropy(net(tokens[:-1]), tokens[1:], ignore_index=pad, reduction="sum")


@misconception("next_token_loss")
def mean_over_everything(net, tokens, pad):
    """Padding adds nothing to your sum, but it still counts in the number that you divide by.
    Divide by the number of targets that are not padding."""
    total = _cross_entropy(net(tokens[:-1]), tokens[1:], ignore_index=pad, reduction="sum")
    return total / tokens[1:].numel()


@misconception("next_token_loss")
def shifted_along_the_batch(net, tokens, pad):
    """You shift along the batch, not along time: tokens are (T, N), time first, so cut the first
    axis."""
    logits = net(tokens)
    if tokens.shape[1] < 2:
        return logits.sum() * 0.0
    return _cross_entropy(logits[:, :-1], tokens[:, 1:], ignore_index=pad)
