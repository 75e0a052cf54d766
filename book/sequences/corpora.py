"""The two texts of this chapter, read from the files beside it (see `data/README.md`)."""

import gzip
import hashlib
import random
from functools import cache
from pathlib import Path

import numpy as np
import regex
import torch

from book.sequences.pytorch import Seq2Seq
from book.sequences.text import Vocabulary

DATA = Path(__file__).resolve().parent / "data"
SHA256 = {
    "plays.txt.gz": "ebcda6023e26a31f1da58b5eb0539ef9fb9e6a2276c2c3c1ea3f326c1130bfed",
    "tamil-english.tsv.gz": "af46d80ac25e61d9ee27d5d862621ac779141d2d638dfbe8d925e6c384093234",
}


@cache
def _text(name):
    path = DATA / name
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[name]:
        raise ValueError(f"{path}: expected sha256 {SHA256[name]}, got {found}")
    return gzip.decompress(content).decode()


def plays():
    """Three plays of Shakespeare: the text for training, and its last tenth for testing."""
    text = _text("plays.txt.gz")
    cut = len(text) - len(text) // 10
    return text[:cut], text[cut:]


def words(text):
    """The words and punctuation marks of a text, in lower case; marks stay with their letters."""
    return regex.findall(r"[\p{L}\p{M}\u200c\u200d'-]+|[^\s\p{L}\p{M}]", text.lower())


def tamil_english(test_size=600, longest=8, seed=0):
    """Messages of LibreOffice in Tamil and in English, as lists of words, for training and testing.

    Each part is a list of pairs (Tamil words, English words) of at most `longest` words a side.
    No Tamil message is in both parts.
    """
    lines = (line.split("\t") for line in _text("tamil-english.tsv.gz").splitlines())
    pairs = [(words(tamil), words(english)) for tamil, english in lines]
    pairs = [pair for pair in pairs if max(map(len, pair)) <= longest]
    sources = sorted({tuple(tamil) for tamil, _ in pairs})
    random.Random(seed).shuffle(sources)
    test = set(sources[:test_size])
    parts = [pair for pair in pairs if tuple(pair[0]) not in test], []
    parts[1].extend(pair for pair in pairs if tuple(pair[0]) in test)
    return parts


SIZES = {"embed_dim": 48, "num_hiddens": 80}


@cache
def vocabularies():
    """The Tamil and the English vocabulary: what occurs at least three times in training."""
    pairs, _ = tamil_english()
    return tuple(Vocabulary((pair[side] for pair in pairs), min_count=3) for side in (0, 1))


def translator(attention="additive"):
    """A trained `Seq2Seq` from Tamil to English, by `python -m tools.translator`, in float64."""
    source, target = vocabularies()
    net = Seq2Seq(len(source), len(target), **SIZES, attention=attention).double()
    with np.load(DATA / f"translator-{attention or 'none'}.npz") as file:
        arrays = {name: torch.as_tensor(file[name].astype(np.float64)) for name in file.files}
    return net.load(arrays).eval()
