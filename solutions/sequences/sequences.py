# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# assignment:
#   title: Sequences
#   imports:
#     - collections
#     - functools
#     - itertools
#     - math
#     - numpy
#     - matplotlib
#     - torch
#     - autograder.checks
#     - book.style
# ---

# %% [markdown]
# # Sequences
#
# You have read the chapter's two pages. Now you build its parts: a recurrent network and its way
# back through time, one step of an LSTM, attention, one step of a beam, BLEU, and the loss with
# which a language model learns.
#
# <!-- tasks -->
#
# How it works:
#
# - Each task has one cell for you. Replace `raise NotImplementedError()` with your code.
# - Run the cell below it. It checks your answer on a few inputs, and where something is wrong it
#   says on which input, and often why. You may try as often as you like.
# - When your work is graded, further inputs are tried: random numbers, other shapes, other lengths.
# - The tasks do not need one another. If you are stuck, go on and come back.
# - You need NumPy and, for the last task, PyTorch. Please do not import other libraries.
#
# Some cells draw a picture with your function. They wait until it works.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from autograder.checks import check, picture
from book import style

style.use()


# %% [markdown] task="rnn_forward" minutes=10
# ## 1. Read a sequence
#
# $$h_t = \tanh(W_{ih}\, x_t + W_{hh}\, h_{t-1} + b)$$
#
# The same weights at every step; the state goes from step to step.


# %% solution="rnn_forward"
def rnn_forward(x, h_0, weight_ih, weight_hh, bias):
    """The states of a plain recurrent network.

    x         : array (T, N, D), T steps of N sequences.
    h_0       : array (N, H), the state before the first step.
    weight_ih : array (H, D); weight_hh : array (H, H); bias : array (H,).
    Returns an array (T, N, H): the state after each step.

    Example: with x = [[[1.0]], [[0.0]]], h_0 = [[0.0]], weight_ih = [[1.0]], weight_hh = [[0.5]]
    and bias = [0.0] the result is [[[tanh(1)]], [[tanh(0.5 tanh(1))]]], about 0.762 and 0.363.

    Hints
    1. A loop over t, with a variable `h` that begins as h_0.
    2. One example is a row, so the product of all rows with a matrix is `x[t] @ weight_ih.T`.
    3. Collect the states in a list; `np.stack` makes it an array.
    """
    ### BEGIN SOLUTION
    h, states = h_0, []
    for x_t in x:
        h = np.tanh(x_t @ weight_ih.T + h @ weight_hh.T + bias)
        states.append(h)
    return np.stack(states)
    ### END SOLUTION


# %% inputs="rnn_forward"
# ruff: noqa: E402, because the cells of a notebook import what they need
from book.op import Case

rng = np.random.default_rng(0)


def layer(steps, batch, features, hidden):
    """Input, first state and weights of a small network, rounded so that you can read them."""
    shapes = [(steps, batch, features), (batch, hidden), (hidden, features), (hidden, hidden)]
    return tuple(np.round(rng.normal(size=shape), 2) for shape in [*shapes, (hidden,)])


one = np.array([[[1.0]], [[0.0]]]), np.zeros((1, 1)), np.eye(1), np.array([[0.5]]), np.zeros(1)
inputs = [
    Case("the example", one),
    Case("three steps of two sequences", layer(3, 2, 2, 2)),
    Case("more units than features", layer(4, 1, 2, 3)),
    Case("one step", layer(1, 3, 3, 2)),
]

# %% test="rnn_forward" points=2
check("rnn_forward", rnn_forward)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for steps, batch, features, hidden in [(5, 3, 2, 4), (1, 1, 1, 1), (9, 2, 5, 3)]:
    x, h_0 = rng.normal(size=(steps, batch, features)), rng.normal(size=(batch, hidden))
    w_ih, w_hh = rng.normal(size=(hidden, features)), rng.normal(size=(hidden, hidden))
    b = rng.normal(size=hidden)
    net = nn.RNN(features, hidden).double()
    values = (w_ih, w_hh, b, np.zeros(hidden))
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), values, strict=True):
            parameter.copy_(torch.as_tensor(value))
        expected, _ = net(torch.as_tensor(x), torch.as_tensor(h_0)[None])
    got = rnn_forward(x, h_0, w_ih, w_hh, b)
    assert_close(got, expected.numpy(), what=f"states of {steps} steps", rtol=1e-10)
### END HIDDEN TESTS

# %% [markdown] task="rnn_backward" minutes=20
# ## 2. Back through time
#
# The states $h_1, \dots, h_T$ are known, and so is the gradient that the loss sends directly to
# each of them, $g_t$. Walk back from the last step:
#
# $$\delta_t = g_t + W_{hh}^\top a_{t+1}, \qquad a_t = \delta_t \odot (1 - h_t^2),$$
#
# with $a_{T+1} = 0$. Each step adds its part to the gradients of the weights:
#
# $$\frac{\partial L}{\partial W_{ih}} = \sum_t a_t x_t^\top, \quad
#   \frac{\partial L}{\partial W_{hh}} = \sum_t a_t h_{t-1}^\top, \quad
#   \frac{\partial L}{\partial b} = \sum_t a_t .$$


# %% solution="rnn_backward"
def rnn_backward(grad_states, states, x, h_0, weight_hh):
    """The gradients of the weights of a plain recurrent network.

    grad_states : array (T, N, H), the gradient of the loss at each state, directly from the loss.
    states      : array (T, N, H), the states after each step.
    x           : array (T, N, D); h_0 : array (N, H); weight_hh : array (H, H).
    Returns (grad_ih, grad_hh, grad_bias) with shapes (H, D), (H, H) and (H,), summed over the N
    sequences.

    Hints
    1. Begin with an array of zeros for what comes from the later step.
    2. `for t in reversed(range(len(x)))`; the state before step 0 is h_0.
    3. With one example a row: a_t x_t^T, summed over the rows, is `a.T @ x[t]`, and
       W_hh^T a_t of every row is `a @ weight_hh`.
    4. Add up: `grad_hh += ...`. The weights are used at every step.
    """
    ### BEGIN SOLUTION
    hidden = weight_hh.shape[0]
    grad_ih, grad_hh = np.zeros((hidden, x.shape[2])), np.zeros((hidden, hidden))
    grad_bias, later = np.zeros(hidden), np.zeros_like(h_0)
    for t in reversed(range(len(x))):
        a = (grad_states[t] + later) * (1.0 - states[t] ** 2)
        grad_ih += a.T @ x[t]
        grad_hh += a.T @ (states[t - 1] if t else h_0)
        grad_bias += a.sum(axis=0)
        later = a @ weight_hh
    return grad_ih, grad_hh, grad_bias
    ### END SOLUTION


# %% inputs="rnn_backward"
rng = np.random.default_rng(1)


def walked(steps, batch, features, hidden):
    """What is known after the way there."""
    x, h_0, w_ih, w_hh, b = layer(steps, batch, features, hidden)
    h, states = h_0, []
    for x_t in x:
        h = np.tanh(x_t @ w_ih.T + h @ w_hh.T + b)
        states.append(h)
    grad = np.round(rng.normal(size=(steps, batch, hidden)), 2)
    return grad, np.stack(states), x, h_0, w_hh


last_only = walked(4, 2, 2, 3)
last_only[0][:-1] = 0.0
inputs = [
    Case("three steps of two sequences", walked(3, 2, 2, 2)),
    Case("a loss at the last step only", last_only),
    Case("one step", walked(1, 2, 3, 2)),
    Case("five steps of one sequence", walked(5, 1, 1, 2)),
]

# %% test="rnn_backward" points=3
check("rnn_backward", rnn_backward)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for steps, batch, features, hidden in [(6, 3, 2, 4), (2, 1, 3, 1), (4, 5, 1, 2)]:
    shapes = [(steps, batch, features), (batch, hidden), (hidden, features), (hidden, hidden)]
    x, h_0, w_ih, w_hh = (0.7 * rng.normal(size=shape) for shape in shapes)
    grad = rng.normal(size=(steps, batch, hidden))
    net = nn.RNN(features, hidden).double()
    values = (w_ih, w_hh, np.zeros(hidden), np.zeros(hidden))
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), values, strict=True):
            parameter.copy_(torch.as_tensor(value))
    states, _ = net(torch.as_tensor(x), torch.as_tensor(h_0)[None])
    expected = torch.autograd.grad(states, list(net.parameters())[:3], torch.as_tensor(grad))
    got = rnn_backward(grad, states.detach().numpy(), x, h_0, w_hh)
    for name, mine, right in zip(("W_ih", "W_hh", "bias"), got, expected, strict=True):
        assert_close(mine, right.numpy(), what=f"gradient of {name}, {steps} steps", rtol=1e-9)
### END HIDDEN TESTS


# %%
@picture
def fading():
    rng = np.random.default_rng(0)
    _, ax = plt.subplots(figsize=(0.7 * style.WIDTH, 2.6))
    for scale in (0.5, 1.0, 2.0):
        w_hh = scale * rng.normal(size=(16, 16)) / 4
        x, h_0 = rng.normal(size=(30, 1, 4)), np.zeros((1, 16))
        states = rnn_forward(x, h_0, 0.2 * rng.normal(size=(16, 4)), w_hh, np.zeros(16))
        sizes = []
        for back in range(0, 30, 3):  # what reaches the weights from `back` steps before the end
            grad = np.zeros_like(states)
            grad[-1] = 1.0
            grads = rnn_backward(
                grad[29 - back :], states[29 - back :], x[29 - back :], states[28 - back], w_hh
            )
            sizes.append(np.abs(grads[2]).max())
        ax.semilogy(range(0, 30, 3), sizes, label=f"weights of size {scale}")
    ax.set(xlabel="steps walked back", ylabel="largest gradient of the bias")
    ax.legend(fontsize=8)


# %% [markdown] task="lstm_step" minutes=10
# ## 3. One step of an LSTM
#
# Four affine maps of input and state, stacked in one matrix each, in the order $i, f, g, o$:
#
# $$c_t = \sigma(f) \odot c_{t-1} + \sigma(i) \odot \tanh(g), \qquad
#   h_t = \sigma(o) \odot \tanh(c_t).$$


# %% solution="lstm_step"
def lstm_step(x, h, c, weight_ih, weight_hh, bias):
    """One step of an LSTM.

    x         : array (N, D); h, c : arrays (N, H), the state before.
    weight_ih : array (4H, D); weight_hh : array (4H, H); bias : array (4H,). Rows 0 to H - 1
                belong to the input gate i, then come the forget gate f, the candidate g, and
                the output gate o.
    Returns (h, c), the state after, two arrays (N, H).

    Example: with all weights and biases zero every gate is 1/2 and g is 0: c is halved, and h is
    tanh(c / 2) / 2.

    Hints
    1. `gates = x @ weight_ih.T + h @ weight_hh.T + bias` has shape (N, 4H).
    2. `np.split(gates, 4, axis=1)` cuts it into four.
    3. sigma(z) = 1 / (1 + exp(-z)) for i, f and o; tanh for g.
    4. The new h comes from the *new* c.
    """
    ### BEGIN SOLUTION
    gates = x @ weight_ih.T + h @ weight_hh.T + bias
    i, f, g, o = np.split(gates, 4, axis=1)

    def sigmoid(z):
        return 1.0 / (1.0 + np.exp(-z))

    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c
    ### END SOLUTION


# %% inputs="lstm_step"
rng = np.random.default_rng(2)


def lstm_case(batch, features, hidden):
    shapes = [(batch, features), (batch, hidden), (batch, hidden)]
    shapes += [(4 * hidden, features), (4 * hidden, hidden), (4 * hidden,)]
    return tuple(np.round(rng.normal(size=shape), 2) for shape in shapes)


zero = lstm_case(1, 2, 2)
inputs = [
    Case("all weights zero", (*zero[:3], *(0 * part for part in zero[3:]))),
    Case("two sequences", lstm_case(2, 3, 2)),
    Case("more units than features", lstm_case(2, 1, 4)),
    Case("one unit", lstm_case(3, 2, 1)),
]

# %% test="lstm_step" points=2
check("lstm_step", lstm_step)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for batch, features, hidden in [(4, 3, 5), (1, 1, 1), (7, 2, 3)]:
    cell = nn.LSTMCell(features, hidden).double()
    x, h, c = (rng.normal(size=(batch, width)) for width in (features, hidden, hidden))
    w_ih, w_hh = rng.normal(size=(4 * hidden, features)), rng.normal(size=(4 * hidden, hidden))
    b = rng.normal(size=4 * hidden)
    with torch.no_grad():
        values = (w_ih, w_hh, b, np.zeros(4 * hidden))
        for parameter, value in zip(cell.parameters(), values, strict=True):
            parameter.copy_(torch.as_tensor(value))
        expected = cell(torch.as_tensor(x), (torch.as_tensor(h), torch.as_tensor(c)))
    got = lstm_step(x, h, c, w_ih, w_hh, b)
    for name, mine, right in zip("hc", got, expected, strict=True):
        assert_close(mine, right.numpy(), what=f"{name} of {batch} sequences", rtol=1e-10)
### END HIDDEN TESTS

# %% [markdown] task="attention" minutes=15
# ## 4. Where to look
#
# $$A = \mathrm{softmax}\!\Big(\frac{Q K^\top}{\sqrt D}\Big), \qquad \text{context} = A V .$$
#
# Each query looks at all keys; the softmax runs over the *keys*. Some keys are padding, where
# nobody may look: their weight is 0, and the others add up to 1.


# %% solution="attention"
def attention(query, key, value, mask):
    """Scaled dot-product attention with a mask.

    query : array (N, L, D); key : array (N, S, D); value : array (N, S, V).
    mask  : bool array (N, S), True where a key takes part, False where it is padding. Each row has
            at least one True.
    Returns (context, weights) with shapes (N, L, V) and (N, L, S).

    Example: if all scores are equal, the weights are 1 / (number of True) and the context is the
    mean of those values.

    Hints
    1. `query @ key.swapaxes(1, 2)` has shape (N, L, S). Divide by the root of D.
    2. `np.where(mask[:, None], scores, -np.inf)`: exp(-inf) is 0. Mask *before* the softmax.
    3. Subtract the largest score of each row before you take exp, or large scores overflow.
    """
    ### BEGIN SOLUTION
    scores = query @ key.swapaxes(1, 2) / np.sqrt(query.shape[2])
    scores = np.where(mask[:, None], scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    return weights @ value, weights
    ### END SOLUTION


# %% inputs="attention"
rng = np.random.default_rng(3)


def looking(batch, queries, keys, dim, width, mask, size=1.0):
    shapes = [(batch, queries, dim), (batch, keys, dim), (batch, keys, width)]
    q, k, v = (np.round(rng.normal(size=shape), 2) for shape in shapes)
    return size * q, size * k, v, np.array(mask)


some = [[True, True, False, False], [True, True, True, True]]
equal = np.zeros((1, 1, 2)), np.ones((1, 3, 2)), np.array([[[1.0], [3.0], [50.0]]])
inputs = [
    Case("equal scores", (*equal, np.array([[True, True, False]]))),
    Case("two sequences, one padded", looking(2, 3, 4, 4, 2, some)),
    Case("all keys take part", looking(1, 2, 3, 4, 3, [[True] * 3])),
    Case("large scores", looking(1, 3, 3, 2, 2, [[True, False, True]], size=40.0)),
]

# %% test="attention" points=2
check("attention", attention)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for batch, queries, keys, dim, width in [(3, 4, 6, 5, 2), (1, 1, 1, 1, 1), (2, 5, 3, 8, 4)]:
    q, k, v = (
        3 * rng.normal(size=shape)
        for shape in [(batch, queries, dim), (batch, keys, dim), (batch, keys, width)]
    )
    mask = rng.random((batch, keys)) < 0.6
    mask[:, 0] = True
    tensors = [torch.as_tensor(part) for part in (q, k, v)]
    wanted = torch.as_tensor(mask)[:, None].expand(-1, queries, -1)
    expected = nn.functional.scaled_dot_product_attention(*tensors, attn_mask=wanted)
    context, weights = attention(q, k, v, mask)
    case = f"{batch} sequences, {queries} queries, {keys} keys"
    assert_close(context, expected.numpy(), what=f"context, {case}", rtol=1e-9)
    assert_close(np.asarray(weights).sum(2), np.ones((batch, queries)), what=f"sums, {case}")
    assert not np.asarray(weights)[~mask[:, None].repeat(queries, 1)].any(), f"{case}: padding seen"
### END HIDDEN TESTS

# %% [markdown] task="beam_step" minutes=15
# ## 5. One step of a beam
#
# $B$ beginnings are alive, each with its log-probability so far. Each could go on with any of $K$
# tokens. Of all $B \cdot K$ continuations keep the $B$ best. (No beam ends here.)


# %% solution="beam_step"
def beam_step(scores, log_probs):
    """One step of beam search for a single sentence.

    scores    : array (B,), log-probability of each beginning so far.
    log_probs : array (B, K), log-probability of each next token after each beginning.
    Returns (new_scores, parents, tokens), three arrays (B,): the B best continuations, best first;
    the number of the beginning that each continues, and the token that it adds.

    Example

        beam_step(np.array([-1.0, -1.5]), np.array([[-2.0, -3.0], [-0.5, -0.7]]))

    returns ([-2.0, -2.2], [1, 1], [0, 1]): both winners continue beginning 1.

    Hints
    1. The score of a continuation is a sum: log-probabilities add. `scores[:, None] + log_probs`.
    2. Rank *all* of them together: flatten the table, then `np.argsort(-flat)[:B]`.
    3. Place p of the flattened table is row p // K, column p % K.
    """
    ### BEGIN SOLUTION
    total = (scores[:, None] + log_probs).ravel()
    best = np.argsort(-total, kind="stable")[: len(scores)]
    kinds = log_probs.shape[1]
    return total[best], best // kinds, best % kinds
    ### END SOLUTION


# %% inputs="beam_step"
rng = np.random.default_rng(4)


def beam(beams, kinds):
    chance = rng.dirichlet(np.ones(kinds), beams)
    return -np.round(np.sort(rng.exponential(2.0, beams)), 2), np.round(np.log(chance), 2)


inputs = [
    Case("the example", (np.array([-1.0, -1.5]), np.array([[-2.0, -3.0], [-0.5, -0.7]]))),
    Case("three beams of five tokens", beam(3, 5)),
    Case("one beam is greedy", beam(1, 4)),
    Case("more beams than tokens", beam(4, 2)),
    Case("one beginning far ahead", (np.array([-1.0, -30.0, -31.0]), np.log(np.full((3, 4), 0.25))
                                     + np.arange(12).reshape(3, 4) / 100)),
]  # fmt: skip

# %% test="beam_step" points=2
check("beam_step", beam_step)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for beams, kinds in [(2, 7), (5, 3), (1, 9), (6, 6)]:
    scores = -rng.exponential(2.0, beams)
    table = np.log(rng.dirichlet(np.ones(kinds), beams))
    every = sorted(
        ((scores[b] + table[b, k], b, k) for b in range(beams) for k in range(kinds)), reverse=True
    )[:beams]
    got = beam_step(scores, table)
    for name, mine, right in zip(("scores", "parents", "tokens"), got, zip(*every, strict=True),
                                 strict=True):  # fmt: skip
        what = f"{name}, {beams} beams of {kinds}"
        assert_close(np.asarray(mine, float), np.array(right, float), what=what)
### END HIDDEN TESTS

# %% [markdown] task="bleu" minutes=20
# ## 6. BLEU
#
# For $n = 1, \dots, N$ count the runs of $n$ words of a candidate that occur in its reference, each
# at most as often as the reference has it (*clipped*). Add these hits up over all sentences, and
# divide by the number of all runs of $n$ words in all candidates: $p_n$. With $c$ and $r$ the total
# lengths of candidates and references,
#
# $$\mathrm{BLEU} = \min(1, e^{1 - r/c}) \cdot (p_1 p_2 \cdots p_N)^{1/N} .$$


# %% solution="bleu"
def bleu(candidates, references, max_n):
    """BLEU of a corpus, one reference for each candidate, no smoothing.

    candidates, references : lists of sentences; a sentence is a list of words, none is empty.
    max_n                  : N, the longest run of words that counts.
    Returns a number from 0 to 1; 0 if any of the p_n is 0 (or has no runs of n words at all).

    Example: candidate "the the cat", reference "the cat is on the mat", max_n = 2. p_1 = 3/3 ("the"
    occurs twice there), p_2 = 1/2, brevity penalty e^(1 - 6/3) = .3679, BLEU = .2601.

    Hints
    1. The runs of a sentence: `[tuple(words[i:i + n]) for i in range(len(words) - n + 1)]`.
    2. `collections.Counter` counts them; `(a & b)` of two Counters takes the smaller counts.
    3. Add hits and totals up over the sentences before you divide.
    4. A geometric mean, not an average; the penalty only if the candidates are shorter.
    """
    ### BEGIN SOLUTION
    from collections import Counter

    def runs(words, n):
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    product = 1.0
    for n in range(1, max_n + 1):
        pairs = [(runs(a, n), runs(b, n)) for a, b in zip(candidates, references, strict=True)]
        hits = sum((a & b).total() for a, b in pairs)
        product *= hits / max(1, sum(a.total() for a, _ in pairs))
    c, r = sum(map(len, candidates)), sum(map(len, references))
    return min(1.0, float(np.exp(1 - r / c))) * product ** (1 / max_n)
    ### END SOLUTION


# %% inputs="bleu"
mat = ["the", "cat", "is", "on", "the", "mat"]
dog = ["a", "dog", "lay", "under", "the", "old", "tree"]
inputs = [
    Case("the example", ([["the", "the", "cat"]], [mat], 2)),
    Case("one word four times", ([["the"] * 4], [mat], 1)),
    Case("longer than the reference", ([[*mat, "at", "home"]], [mat], 3)),
    Case("two sentences", ([["the", "the", "cat"], [*dog[:6], "oak"]], [mat, dog], 2)),
    Case("no pair in common", ([["mat", "cat", "the"]], [["the", "mat", "sat", "cat"]], 2)),
]

# %% test="bleu" points=3
check("bleu", bleu)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for sentences, max_n in [(1, 1), (3, 2), (8, 4), (20, 3)]:
    right = [list(rng.choice(list("abcde"), rng.integers(5, 12))) for _ in range(sentences)]
    right = [[str(word) for word in sentence] for sentence in right]
    tried = []
    for sentence in right:  # change a word, and cut or lengthen
        copy = list(sentence)
        copy[int(rng.integers(len(copy)))] = "a"
        tried.append(copy[: len(copy) - int(rng.integers(0, 3))] + ["b"] * int(rng.integers(0, 2)))
    logs = []
    for n in range(1, max_n + 1):
        hits = total = 0
        for a, b in zip(tried, right, strict=True):
            grams = [" ".join(a[i : i + n]) for i in range(len(a) - n + 1)]
            others = [" ".join(b[i : i + n]) for i in range(len(b) - n + 1)]
            hits += sum(min(grams.count(gram), others.count(gram)) for gram in set(grams))
            total += len(grams)
        logs.append(np.log(hits / total) if hits else -np.inf)
    c, r = sum(map(len, tried)), sum(map(len, right))
    expected = np.exp(np.mean(logs) + min(0.0, 1 - r / c))
    assert_close(bleu(tried, right, max_n), expected, what=f"BLEU-{max_n} of {sentences} sentences")
    half = [sentence[:3] for sentence in right]
    short = np.exp(1 - r / (3 * sentences))
    assert_close(bleu(half, right, 1), short, what="sentences cut after three words")
poor = bleu([["the"] * 5], [["the", "cat"]], 1)
assert_close(poor, 0.2, what="one word five times")
### END HIDDEN TESTS

# %% [markdown] task="next_token_loss" minutes=15
# ## 7. PyTorch: the loss of a language model
#
# A language model reads tokens and predicts, at each step, the *next* one. The text is its own
# target, shifted by one. Sentences of different lengths share a batch; what fills them up must not
# count.
#
# - `net(tokens)` takes tokens (T, N) and returns logits (T, N, K).
# - The last token has no successor, so it is a target only; the first is an input only.
# - The tokens may be on another device than the network: bring them there.


# %% solution="next_token_loss"
def next_token_loss(net, tokens, pad):
    """Mean cross-entropy of the next token, over all targets that are not padding.

    net    : an nn.Module with parameters; net(tokens (T, N)) returns logits (T, N, K).
    tokens : integer tensor (T, N), time first, T >= 2.
    pad    : the number that fills short sequences up; at least one target is not pad.
    Returns a tensor with one number, which can be differentiated.

    Example: of tokens with shape (5, 3) the network reads the first four rows, and the targets
    are the last four.

    Hints
    1. `device = next(net.parameters()).device`, then `tokens.to(device)`.
    2. Inputs are `tokens[:-1]`, targets `tokens[1:]`.
    3. `nn.functional.cross_entropy` wants logits (M, K) and targets (M,): `flatten(0, 1)`.
    4. It has an argument `ignore_index`.
    """
    ### BEGIN SOLUTION
    tokens = tokens.to(next(net.parameters()).device)
    logits = net(tokens[:-1])
    return nn.functional.cross_entropy(logits.flatten(0, 1), tokens[1:].flatten(), ignore_index=pad)
    ### END SOLUTION


# %%
# Given: how your function is tried out, once you have written it.


class Lookup(nn.Module):
    """A network without memory: the logits of the next token are a row of a table."""

    def __init__(self, table):
        super().__init__()
        self.table = nn.Parameter(table)
        self.shapes = []

    def forward(self, tokens):
        self.shapes.append(list(tokens.shape))
        return self.table[tokens]


def try_loss(table, tokens, pad):
    """Your loss on a Lookup, its gradient, and the shapes that the network was given."""
    net = Lookup(table)
    loss = next_token_loss(net, tokens, pad)
    loss.backward()
    return {
        "loss": float(loss.detach()),
        "gradient": net.table.grad.numpy(),
        "shapes that the network read": net.shapes,
    }


class Writer(nn.Module):
    """An embedding, a GRU, a linear layer."""

    def __init__(self, size):
        super().__init__()
        self.embedding, self.gru = nn.Embedding(size, 16), nn.GRU(16, 64)
        self.output = nn.Linear(64, size)

    def forward(self, tokens):
        return self.output(self.gru(self.embedding(tokens))[0])


SONNET = """Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date:
Sometime too hot the eye of heaven shines,
And often is his gold complexion dimm'd;
And every fair from fair sometime declines,
By chance, or nature's changing course, untrimm'd;
But thy eternal summer shall not fade
Nor lose possession of that fair thou ow'st;
Nor shall Death brag thou wander'st in his shade,
When in eternal lines to time thou grow'st;
So long as men can breathe or eyes can see,
So long lives this, and this gives life to thee."""


def learn_sonnet(steps=120):
    """A small network reads the lines, learns with your loss, and completes what it is given."""
    letters = ["", *sorted(set(SONNET + "\n"))]  # "" is padding
    lines = [[letters.index(letter) for letter in line + "\n"] for line in SONNET.split("\n")]
    tokens = torch.zeros(max(map(len, lines)), len(lines), dtype=torch.long)
    for column, line in enumerate(lines):
        tokens[: len(line), column] = torch.tensor(line)
    torch.manual_seed(0)
    net = Writer(len(letters)).double()
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = next_token_loss(net, tokens, 0)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    text = "Shall I"
    with torch.no_grad():
        while len(text) < 60 and not text.endswith("\n"):
            given = torch.tensor([letters.index(letter) for letter in text])[:, None]
            text += letters[int(net(given)[-1, 0].argmax())] or "?"
    return losses, text


# %% inputs="next_token_loss"
rng = np.random.default_rng(5)


def sentences(lengths, kinds, pad=0):
    tokens = np.full((max(lengths), len(lengths)), pad)
    for column, length in enumerate(lengths):
        tokens[:length, column] = rng.integers(1, kinds, length)
    table = torch.tensor(np.round(rng.normal(size=(kinds, kinds)), 2))
    return table, torch.tensor(tokens), pad


inputs = [
    Case("three sentences", sentences([5, 2, 4], 4)),
    Case("one sentence, no padding", sentences([6], 5)),
    Case("two tokens each", sentences([2, 2], 3)),
    Case("one long, one short", sentences([9, 2], 6)),
]

# %% test="next_token_loss" points=2
check("next_token_loss", try_loss)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for lengths, kinds, pad in [([7, 3, 5, 2], 6, 0), ([4], 3, 2), ([3, 8], 9, 0)]:
    tokens = np.full((max(lengths), len(lengths)), pad)
    for column, length in enumerate(lengths):
        tokens[:length, column] = rng.choice([k for k in range(kinds) if k != pad], length)
    table = rng.normal(size=(kinds, kinds))
    log_p = table - np.logaddexp.reduce(table, axis=1, keepdims=True)
    parts = [
        -log_p[tokens[t, n], tokens[t + 1, n]]
        for n, length in enumerate(lengths)
        for t in range(length - 1)
    ]
    got = try_loss(torch.tensor(table), torch.tensor(tokens), pad)
    assert_close(got["loss"], float(np.mean(parts)), what=f"loss, lengths {lengths}", rtol=1e-9)
    assert np.any(got["gradient"]), "the gradient is zero"
    shape = [max(lengths) - 1, len(lengths)]
    assert [list(s) for s in got["shapes that the network read"]] == [shape], (
        f"expected the network to read tokens of shape {shape} once"
    )
### END HIDDEN TESTS

# %% [markdown]
# The experiment: with your loss, a small network learns a sonnet by heart, all lines at once.

# %% test="next_token_loss-sonnet" points=1
losses, text = learn_sonnet()
print(text)
assert losses[0] > 3.0, f"expected a first loss of about ln 40, got {losses[0]:.2f}"
assert losses[-1] < 1.0, f"expected a loss below 1.0 after 120 steps, got {losses[-1]:.2f}"
### BEGIN HIDDEN TESTS
assert text.startswith("Shall I co"), f"expected the line to go on with 'co...', got {text!r}"
### END HIDDEN TESTS

# %% [markdown]
# ## 8. What do you say?
#
# A team translates manuals from Tamil to English with an encoder and a decoder (GRU, one context
# vector, greedy). It reports a "mean BLEU of 31, averaged over 200 sentences; precision of single
# words 70 %". Users say: short sentences are fine; long ones begin well, then drift; and the output
# is often too short.
#
# Advise the team in about 150 words:
#
# - What is wrong with the number, and how should it be computed?
# - Why do long sentences drift? Name a change of the network, and say how it helps.
# - Why are outputs too short, which number would show it, and what can be done without new
#   training?

# %% [markdown] manual="advice" points=3 minutes=15
# BLEU of a corpus is not the mean of the sentences' scores: pool the clipped counts and the lengths
# of all sentences and compute it once, with n-grams up to four, the geometric mean and the brevity
# penalty, by a standard tool (sacrebleu), so that others can compare. The precision of single words
# knows nothing of order, and nothing of what is missing.
#
# One vector must hold the whole source; the longer the sentence, the more is lost, and in training
# the gradient has to come back through all steps. Attention lets the decoder read all encoder
# states at each step, weighted by a softmax, so the path to any word is short. (Teacher forcing
# adds to the drift: the decoder has never seen its own mistakes.)
#
# Every further word lowers the log-probability, so short outputs win. The brevity penalty, or the
# ratio of the lengths, shows it. Search with a beam and divide the score by a power of the length.
#
# **Rubric**
#
# - 1 point: pooled counts instead of a mean; the geometric mean, the brevity penalty or longer
#   n-grams against single words. Half for one of these.
# - 1 point: the bottleneck of one vector (or vanishing through time), and attention with a
#   reason. Half without the reason.
# - 1 point: probabilities below 1 favor short outputs; brevity penalty or length ratio; beam
#   search with length normalization. Half if one is missing.
