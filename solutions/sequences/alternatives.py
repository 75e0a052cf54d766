"""Other right answers: loops, other formulas. Each must score full."""

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import alternative


@alternative("rnn_forward")
def one_matrix(x, h_0, weight_ih, weight_hh, bias):
    """Input and state side by side, one matrix for both."""
    weight = np.hstack([weight_ih, weight_hh])
    states = np.empty((*x.shape[:2], len(bias)))
    h = h_0
    for t in range(len(x)):
        states[t] = h = np.tanh(np.hstack([x[t], h]) @ weight.T + bias)
    return states


@alternative("rnn_forward")
def einsum_everywhere(x, h_0, weight_ih, weight_hh, bias):
    """Sums named by their indices."""
    from_input = np.einsum("tnd,hd->tnh", x, weight_ih) + bias
    states = [h_0]
    for part in from_input:
        states.append(np.tanh(part + np.einsum("nk,hk->nh", states[-1], weight_hh)))
    return np.array(states[1:])


@alternative("rnn_backward")
def all_steps_stored(grad_states, states, x, h_0, weight_hh):
    """First every a_t, then three sums over all steps at once."""
    a = np.zeros(states.shape)
    later = 0.0
    for t in range(len(x) - 1, -1, -1):
        a[t] = (grad_states[t] + later) * (1 - states[t] * states[t])
        later = a[t] @ weight_hh
    before = np.concatenate([h_0[None], states[:-1]])
    return (
        np.einsum("tnh,tnd->hd", a, x),
        np.einsum("tnh,tnk->hk", a, before),
        a.sum(axis=(0, 1)),
    )


@alternative("lstm_step")
def by_slices(x, h, c, weight_ih, weight_hh, bias):
    """Slices, and the sigmoid by tanh."""
    size = h.shape[1]
    z = x @ weight_ih.T + h @ weight_hh.T + bias
    i, f, g, o = (z[:, k * size : (k + 1) * size] for k in range(4))
    half = lambda a: 0.5 * (1 + np.tanh(a / 2))  # noqa: E731
    new = half(f) * c + half(i) * np.tanh(g)
    return half(o) * np.tanh(new), new


@alternative("attention")
def one_query_at_a_time(query, key, value, mask):
    """Loops over sequences and queries, and only the keys that take part."""
    count, queries, dim = query.shape
    weights = np.zeros((count, queries, key.shape[1]))
    context = np.zeros((count, queries, value.shape[2]))
    for n in range(count):
        seen = np.flatnonzero(mask[n])
        for t in range(queries):
            scores = key[n, seen] @ query[n, t] / dim**0.5
            chance = np.exp(scores - scores.max())
            weights[n, t, seen] = chance / chance.sum()
            context[n, t] = weights[n, t] @ value[n]
    return context, weights


@alternative("attention")
def by_torch(query, key, value, mask):
    """PyTorch's softmax."""
    q, k, v = map(torch.as_tensor, (query, key, value))
    scores = q @ k.mT / q.shape[2] ** 0.5
    weights = scores.masked_fill(~torch.as_tensor(mask)[:, None], -torch.inf).softmax(2)
    return (weights @ v).numpy(), weights.numpy()


@alternative("beam_step")
def by_a_sorted_list(scores, log_probs):
    """Every continuation as a tuple, sorted."""
    every = [
        (-(scores[b] + log_probs[b, k]), b, k)
        for b in range(len(scores))
        for k in range(log_probs.shape[1])
    ]
    best = sorted(every)[: len(scores)]
    return (
        np.array([-total for total, _, _ in best]),
        np.array([b for _, b, _ in best]),
        np.array([k for _, _, k in best]),
    )


@alternative("bleu")
def by_counting(candidates, references, max_n):
    """Lists and `count`; logarithms in place of the root."""
    logs = 0.0
    for n in range(1, max_n + 1):
        hits = total = 0
        for a, b in zip(candidates, references, strict=True):
            mine = [tuple(a[i : i + n]) for i in range(len(a) - n + 1)]
            theirs = [tuple(b[i : i + n]) for i in range(len(b) - n + 1)]
            total += len(mine)
            for run in mine:
                if run in theirs:
                    theirs.remove(run)  # each run of the reference can be hit once
                    hits += 1
        if hits == 0:
            return 0.0
        logs += np.log(hits / total) / max_n
    c, r = sum(map(len, candidates)), sum(map(len, references))
    return float(np.exp(logs + (0.0 if c >= r else 1 - r / c)))


@alternative("next_token_loss")
def by_a_mask(net, tokens, pad):
    """Log-softmax, gather, and a mean over those that count."""
    tokens = tokens.to(next(net.parameters()).device)
    log_p = net(tokens[:-1]).log_softmax(-1)
    picked = log_p.gather(2, tokens[1:].unsqueeze(2)).squeeze(2)
    return -picked[tokens[1:] != pad].mean()


@alternative("next_token_loss")
def by_the_layer(net, tokens, pad):
    """The module instead of the function, classes on the second axis."""
    device = next(net.parameters()).device
    loss = nn.CrossEntropyLoss(ignore_index=pad)
    return loss(net(tokens[:-1].to(device)).permute(0, 2, 1), tokens[1:].to(device))
