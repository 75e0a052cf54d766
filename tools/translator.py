"""Train the small translators of the chapter on sequences: `book/sequences/data/translator-*.npz`.

    python -m tools.translator additive    # with attention, about two minutes on one core
    python -m tools.translator none        # without

The files hold the weights in half precision; `book.sequences.corpora.translator` reads them.
"""

import sys
import time

import numpy as np
import torch
from torch import nn

from book.sequences import corpora
from book.sequences.pytorch import Seq2Seq

STEPS, BATCH, WORD_DROPOUT = 1400, 64, 0.1


def drop_words(tokens, vocabulary, generator):
    """Some words become <unk>, so that the network learns to live with words it has not seen."""
    hit = torch.rand(tokens.shape, generator=generator) < WORD_DROPOUT
    return torch.where(hit & (tokens > vocabulary.eos), vocabulary.unk, tokens)


def train(kind):
    (pairs, _), (source, target) = corpora.tamil_english(), corpora.vocabularies()
    net = Seq2Seq(len(source), len(target), **corpora.SIZES, attention=kind)
    optimizer = torch.optim.AdamW(net.parameters(), 4e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, STEPS)
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    start = time.perf_counter()
    for step in range(STEPS):
        rows = rng.integers(0, len(pairs), BATCH)
        x, lengths = map(torch.as_tensor, source.batch([pairs[row][0] for row in rows]))
        y, _ = target.batch([pairs[row][1] for row in rows])
        y = torch.as_tensor(y)
        begin = torch.full((1, BATCH), target.bos)
        given = drop_words(torch.cat([begin, y[:-1]]), target, generator)
        logits, _ = net(drop_words(x, source, generator), lengths, given)
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), y.flatten(), ignore_index=target.pad, label_smoothing=0.1
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 200 == 199:
            seconds = time.perf_counter() - start
            print(f"step {step + 1}: loss {loss.item():.3f}, {seconds:.0f} s", flush=True)
    return net


def main(name):
    torch.set_num_threads(1)
    net = train(None if name == "none" else name)
    arrays = {key: value.numpy().astype(np.float16) for key, value in net.state_dict().items()}
    path = corpora.DATA / f"translator-{name}.npz"
    np.savez_compressed(path, **arrays)
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
