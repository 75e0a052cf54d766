"""Text as numbers, and how close one text is to another: what has no arrays to differentiate."""

from collections import Counter
from math import exp, log
from typing import NamedTuple

import numpy as np
import regex

PAD, UNK, BOS, EOS = "<pad>", "<unk>", "<bos>", "<eos>"


def graphemes(text):
    r"""The characters that a reader sees, each with its marks: Unicode's extended clusters, `\X`.

    Shapes: a string; result a list of strings whose concatenation is the text.
    Raises: TypeError if text is not a string.
    Source: Unicode Standard Annex 29.
    """
    if not isinstance(text, str):
        raise TypeError(f"text: expected a string, got {type(text).__name__}")
    return regex.findall(r"\X", text)


class Vocabulary:
    """The tokens of a text, each with a number; those seen fewer than min_count times are <unk>.

    Shapes: sentences is an iterable of lists of tokens; `encode` takes one such list and returns a
    list of numbers, `decode` the reverse, up to the first <eos>; `batch` takes several and returns
    tokens (T, N), time first and padded, and lengths (N,). Numbers 0 to 3 are <pad>, <unk>, <bos>
    and <eos>; the others go by frequency, then by alphabet.
    Raises: TypeError if a sentence is a string, not a list of tokens; ValueError if `batch` gets
    no sentence or decode a number that stands for no token.
    """

    def __init__(self, sentences, min_count=1):
        counts = Counter()
        for sentence in sentences:
            counts.update(_tokens(sentence, "sentence"))
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        self.tokens = [PAD, UNK, BOS, EOS]
        self.tokens += [token for token, count in ordered if count >= min_count]
        self.numbers = {token: number for number, token in enumerate(self.tokens)}
        self.pad, self.unk, self.bos, self.eos = range(4)

    def __len__(self):
        return len(self.tokens)

    def encode(self, sentence):
        return [self.numbers.get(token, self.unk) for token in _tokens(sentence, "sentence")]

    def decode(self, numbers):
        found = []
        for number in map(int, numbers):
            if not 0 <= number < len(self):
                raise ValueError(f"expected tokens from 0 to {len(self) - 1}, got {number}")
            if number == self.eos:
                break
            if number not in (self.pad, self.bos):
                found.append(self.tokens[number])
        return found

    def batch(self, sentences, ends=True):
        rows = [self.encode(sentence) + [self.eos] * ends for sentence in sentences]
        if not rows:
            raise ValueError("sentences: expected at least one, got none")
        lengths = np.array([len(row) for row in rows])
        tokens = np.full((lengths.max(), len(rows)), self.pad)
        for column, row in enumerate(rows):
            tokens[: len(row), column] = row
        return tokens, lengths


class Bleu(NamedTuple):
    """A BLEU score and what it is made of.

    Shapes: score and brevity_penalty are numbers from 0 to 1, precisions a list of them for n
    from 1 to max_n, the lengths whole numbers of tokens.
    Raises: nothing.
    """

    score: float
    precisions: list
    brevity_penalty: float
    candidate_length: int
    reference_length: int


def bleu(candidates, references, max_n=4, smoothing="none"):
    r"""$\mathrm{BP} \cdot \big(\prod_n p_n\big)^{1/N}$, with counts pooled over the whole corpus.

    Shapes: candidates a list of token lists; references a list with, for each candidate, a list of
    one or more token lists; result a `Bleu`. For one sentence give lists of one. smoothing is
    "none", "floor" (0.1 for a count of zero), "add-k" (1 to each count of n > 1) or "exp"
    (1/2, 1/4, ...).
    Raises: TypeError if a sentence is a string; ValueError if the lists do not match, one is
    empty, max_n is below 1 or the smoothing unknown.
    Source: Papineni et al. 2002; smoothing as in sacrebleu (Post 2018); document 001.
    """
    if smoothing not in ("none", "floor", "add-k", "exp"):
        raise ValueError(
            f"smoothing: expected 'none', 'floor', 'add-k' or 'exp', got {smoothing!r}"
        )
    if max_n < 1:
        raise ValueError(f"max_n: expected at least 1, got {max_n}")
    if len(candidates) != len(references) or not candidates:
        raise ValueError(
            f"expected as many references as candidates, and at least one, "
            f"got {len(references)} for {len(candidates)}"
        )
    right, total = [0] * max_n, [0] * max_n
    candidate_length = reference_length = 0
    for candidate, several in zip(candidates, references, strict=True):
        candidate = _tokens(candidate, "candidate")
        several = [_tokens(reference, "reference") for reference in several]
        if not several:
            raise ValueError("references: expected at least one for each candidate, got none")
        candidate_length += len(candidate)
        reference_length += _closest(len(candidate), map(len, several))
        for n in range(1, max_n + 1):
            counts, most = _ngrams(candidate, n), Counter()
            for reference in several:
                most |= _ngrams(reference, n)  # the largest count in any one reference
            right[n - 1] += (counts & most).total()  # clipped: the smaller of the two counts
            total[n - 1] += counts.total()
    precisions = _precisions(right, total, smoothing)
    penalty = _brevity_penalty(candidate_length, reference_length)
    score = 0.0
    if any(right) and all(precisions):
        score = penalty * exp(sum(map(log, precisions)) / max_n)
    return Bleu(score, precisions, penalty, candidate_length, reference_length)


def _tokens(sentence, name):
    if isinstance(sentence, str):
        raise TypeError(f"{name}: expected a list of tokens, got the string {sentence!r}")
    return list(sentence)


def _ngrams(tokens, n):
    """How often each run of n tokens occurs."""
    return Counter(zip(*(tokens[start:] for start in range(n)), strict=False))


def _closest(length, lengths):
    """The length of the reference that is nearest; of two as near, the shorter."""
    return min(lengths, key=lambda other: (abs(other - length), other))


def _brevity_penalty(candidate_length, reference_length):
    if candidate_length >= reference_length:
        return 1.0
    return exp(1 - reference_length / candidate_length) if candidate_length else 0.0


def _precisions(right, total, smoothing):
    """Clipped precisions, 0 where there is no n-gram at all."""
    found, halvings = [], 1
    for n, (hits, count) in enumerate(zip(right, total, strict=True), 1):
        if smoothing == "add-k" and n > 1 and any(right):
            hits, count = hits + 1, count + 1
        if count and not hits and smoothing == "exp":
            halvings *= 2
            hits = 1 / halvings
        if not hits and smoothing == "floor":
            hits = 0.1
        found.append(hits / count if count else 0.0)
    return found
