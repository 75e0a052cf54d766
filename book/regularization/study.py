"""`python -m book.regularization.study`: what each remedy buys, on one network and real digits.

The chapter shows what is stored in `book/benchmarks/regularizers.json`. Every remedy trains the
same network on the same 200 digits, once with the right labels and once with a fifth of them wrong.
How much of a remedy is decided on one set of seeds, by the digits held out for that; the numbers
come from other seeds. The networks of all seeds train at once, as one stack of matrices. A share
of wrong labels and names of remedies, as arguments, measure only these.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from book import data
from book.regularization import pytorch

RESULTS = Path(__file__).parents[1] / "benchmarks" / "regularizers.json"
SIZES = (64, 128, 128, 10)
TRAIN = HELD_OUT = 200  # the other 1,397 digits are the test
STEPS, BATCH, LR = 600, 50, 2e-3
CHECK, PATIENCE = 10, 20  # early stopping looks every 10 steps and waits for 20 looks
TUNING, TESTING = range(100, 105), range(10)  # seeds
WRONG = (0.0, 0.2)  # shares of wrong labels

# Remedy -> what it sets, and the amounts that are tried.
REMEDIES = {
    "nothing": [{}],
    "early stopping": [{"stop": True}],
    "L2 in the loss": [{"l2": a} for a in (1e-4, 1e-3, 5e-3, 1e-2, 2e-2)],
    "weight decay": [{"decay": a} for a in (0.1, 1.0, 2.0, 4.0, 8.0)],
    "L1 in the loss": [{"l1": a} for a in (1e-5, 1e-4, 1e-3)],
    "dropout": [{"dropout": p} for p in (0.2, 0.5, 0.7, 0.8)],
    "noise on the input": [{"noise": s} for s in (0.1, 0.2, 0.4, 0.6)],
    "label smoothing": [{"smoothing": e} for e in (0.1, 0.2, 0.4)],
    "mixup": [{"mixup": a} for a in (0.2, 0.5, 1.0)],
    "augmentation": [{"augment": a} for a in (0.5, 1.0, 1.5)],
    "twice the digits": [{"examples": 2 * TRAIN}],
    "augmentation, dropout, decay": [
        {"augment": 0.5, "dropout": p, "decay": 0.1} for p in (0.2, 0.5, 0.7)
    ],
}


def splits(seeds, wrong, examples):
    """For each seed, digits to learn from, held out (both with wrong labels) and to test on."""
    (x, y), (more_x, more_y) = data.digits()
    x, y = np.concatenate([x, more_x]), np.concatenate([y, more_y])
    parts = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(y))
        labels = y[order]
        spoilt = rng.random(len(y)) < wrong
        labels = np.where(spoilt, (labels + rng.integers(1, 10, len(y))) % 10, labels)
        held, test = order[:HELD_OUT], order[HELD_OUT + 2 * TRAIN :]
        train = order[HELD_OUT : HELD_OUT + examples]
        places = slice(HELD_OUT, HELD_OUT + examples)
        parts.append((x[train], labels[places], x[held], labels[:HELD_OUT], x[test], y[test]))
    stacks = [torch.as_tensor(np.stack(part)) for part in zip(*parts, strict=True)]
    return [stack.float() if stack.is_floating_point() else stack for stack in stacks]


def network(seeds):
    """Weights (S, in, out) and biases (S, 1, out), with a start of its own for each seed."""
    layers = []
    for n_in, n_out in pairwise(SIZES):
        starts = [np.random.default_rng((seed, n_in, n_out)) for seed in seeds]
        weight = np.stack([r.normal(size=(n_in, n_out)) for r in starts]) * np.sqrt(2 / n_in)
        layers.append(torch.tensor(weight, dtype=torch.float, requires_grad=True))
        layers.append(torch.zeros(len(starts), 1, n_out, requires_grad=True))
    return layers


def scores(layers, x, dropout=0.0, generator=None):
    """The logits (S, B, 10) of the digits (S, B, 64)."""
    for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        x = torch.baddbmm(bias, x, weight).relu()
        if dropout:
            x = pytorch.dropout(x, dropout, generator=generator)
    return torch.baddbmm(layers[-1], x, layers[-2])


def mean_loss(logits, target):
    """The cross-entropy of each seed, (S,), for class numbers (S, B) or shares (S, B, 10)."""
    return (
        F.cross_entropy(logits.flatten(0, 1), target.flatten(0, 1), reduction="none")
        .reshape(logits.shape[:2])
        .mean(1)
    )


def train(seeds, wrong=0.0, examples=TRAIN, stop=False, l2=0.0, l1=0.0, decay=0.0, dropout=0.0,
          noise=0.0, smoothing=0.0, mixup=0.0, augment=0.0):  # fmt: skip
    """Train one network for each seed; return accuracies and test loss, {name: one each seed}."""
    x, y, held_x, held_y, test_x, test_y = splits(seeds, wrong, examples)
    layers, generator = network(seeds), torch.Generator().manual_seed(seeds[0])
    optimizer = torch.optim.AdamW(layers, LR, weight_decay=decay)
    rows = torch.arange(len(seeds))[:, None]
    best = torch.full((len(seeds),), torch.inf)
    waited, kept = torch.zeros(len(seeds)), [layer.detach().clone() for layer in layers]
    for step in range(STEPS):
        if stop and step % CHECK == 0:
            with torch.no_grad():
                now = mean_loss(scores(layers, held_x), held_y)
            better = (now < best) & (waited < PATIENCE)
            waited = torch.where(better, 0, waited + 1)
            best = torch.where(better, now, best)
            for old, new in zip(kept, layers, strict=True):
                old[better] = new.detach()[better]
        pick = torch.randint(examples, (len(seeds), BATCH), generator=generator)
        batch, target = x[rows, pick], F.one_hot(y[rows, pick], 10).float()
        if augment:
            images = batch.reshape(-1, 1, 8, 8)
            images = pytorch.augment_images(
                images, 10 * augment, augment, 0.1 * augment, generator=generator
            )
            batch = images.reshape(batch.shape)
        if noise:
            batch = batch + noise * torch.randn(batch.shape, generator=generator)
        if mixup:  # each seed's digits among themselves
            pair = batch.transpose(0, 1), target.transpose(0, 1)
            mixed = pytorch.mixup(*pair, mixup, generator=generator)
            batch, target = (part.transpose(0, 1) for part in mixed)
        target = (1 - smoothing) * target + smoothing / 10
        loss = mean_loss(scores(layers, batch, dropout, generator), target).sum()
        for weight in layers[::2]:
            if l2:
                loss = loss + l2 * weight.square().sum()  # no half: alpha is 2 * l2
            if l1:
                loss = loss + l1 * weight.abs().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    layers = kept if stop else layers
    with torch.no_grad():
        results = {"loss": mean_loss(scores(layers, test_x), test_y)}
        for name, a, b in (("train", x, y), ("held out", held_x, held_y), ("test", test_x, test_y)):
            results[name] = 100 * (scores(layers, a).argmax(2) == b).float().mean(1)
    return {
        name: [round(value, 3) for value in column.tolist()] for name, column in results.items()
    }


def best_amount(name, wrong):
    """The amount of a remedy with which the networks of the tuning seeds did best."""
    amounts = REMEDIES[name]
    if len(amounts) == 1:
        return amounts[0]
    return max(amounts, key=lambda amount: np.mean(train(TUNING, wrong, **amount)["held out"]))


def main(shares, names):
    torch.set_num_threads(1)
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for wrong in shares:
        kept = results.setdefault(f"{wrong:g}", {})
        for name in names:
            chosen = best_amount(name, wrong)
            kept[name] = {"amount": chosen, **train(TESTING, wrong, **chosen)}
            print(f"{wrong:.0%} wrong, {name}: {np.mean(kept[name]['test']):.2f} %, {chosen}")
            RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main([float(arg) for arg in sys.argv[1:2]] or WRONG, sys.argv[2:] or REMEDIES)
