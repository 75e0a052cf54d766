"""The small models that the pages train: a writer of text, a transformer, and a toy to reverse."""

import torch
from torch import nn

from book.sequences.pytorch import Seq2Seq, multi_head_attention


class CharacterModel(nn.Module):
    """Embedding, LSTM, linear layer: the logits of the next character at each step.

    forward takes tokens (T, N) and the state of `nn.LSTM`, or None; it returns logits (T, N, K)
    and the last state.
    """

    def __init__(self, size, num_hiddens, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.embedding = nn.Embedding(size, 32)
        self.lstm = nn.LSTM(32, num_hiddens)
        self.output = nn.Linear(num_hiddens, size)

    def forward(self, tokens, state=None):
        output, state = self.lstm(self.embedding(tokens), state)
        return self.output(output), state


def train_on_text(net, tokens, steps, batch=32, length=32, lr=0.01, clip=1.0):
    """Truncated backpropagation through time along `batch` stretches of the text; the losses.

    Each step reads the next `length` characters of every stretch. The state is carried on, but
    detached: no gradient flows further back than one piece.
    """
    rows = tokens[: len(tokens) // batch * batch].reshape(batch, -1).T  # (long, N)
    optimizer = torch.optim.Adam(net.parameters(), lr)
    losses, state, start = [], None, 0
    for _ in range(steps):
        if start + length + 1 > len(rows):
            state, start = None, 0
        x, y = rows[start : start + length], rows[start + 1 : start + length + 1]
        logits, state = net(x, state)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimizer.step()
        state = tuple(part.detach() for part in state)  # cut the way back here
        start += length
        losses.append(loss.item())
    return losses


@torch.no_grad()
def write(net, start, length, temperature, seed=0):
    """Tokens drawn from the softmax of logits / temperature, one after the other."""
    generator = torch.Generator().manual_seed(seed)
    tokens, state = list(start), None
    given = torch.tensor(tokens)[:, None]
    for _ in range(length):
        logits, state = net(given, state)
        share = torch.softmax(logits[-1, 0] / temperature, dim=0)
        given = torch.multinomial(share, 1, generator=generator)[None]
        tokens.append(given.item())
    return tokens


class TransformerBlock(nn.Module):
    """Every position looks at every other, then thinks for itself; both add to what was there."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.think = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x, hidden_keys=None, hidden_pairs=None):
        """x (N, T, width) -> the same shape, and the attention weights (N, heads, T, T)."""
        y, own = self.norms[0](x), self.attention
        parameters = (own.in_proj_weight, own.in_proj_bias, own.out_proj.weight, own.out_proj.bias)
        y, weights = multi_head_attention(
            y, y, y, self.heads, *parameters, hidden_keys, hidden_pairs
        )
        x = x + y
        return x + self.think(self.norms[1](x)), weights


def mirror(length, count, generator, kinds=8):
    """Random symbols 4 to 4 + kinds - 1 (length, count), and the same from the end."""
    x = torch.randint(4, 4 + kinds, (length, count), generator=generator)
    return x, x.flip(0)


def train_to_mirror(length, attention, steps=220, num_hiddens=32, seed=0):
    """A `Seq2Seq` that learns to reverse, with <bos> = 2 before the target; all in float64."""
    net = Seq2Seq(12, 12, 16, num_hiddens, attention, seed).double()
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.full((32,), length)
    for _ in range(steps):
        x, y = mirror(length, 32, generator)
        logits, _ = net(x, lengths, torch.cat([torch.full((1, 32), 2), y[:-1]]))
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    return net


@torch.no_grad()
def mirror_score(net, length, count=256):
    """The share of symbols that are right, each given the true ones before it; and the weights."""
    x, y = mirror(length, count, torch.Generator().manual_seed(1))
    given = torch.cat([torch.full((1, count), 2), y[:-1]])
    logits, weights = net(x, torch.full((count,), length), given)
    return (logits.argmax(2) == y).double().mean().item(), weights
