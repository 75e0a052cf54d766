"""What has no tensors in it and both implementations share: sound files, texts and error rates."""

import struct
from numbers import Integral
from pathlib import Path

import numpy as np

# What a WAV file calls its coding of samples.
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE


def load_wav(path):
    r"""The samples of a WAV file and its rate: integers of $b$ bits become $x / 2^{b-1}$.

    Reads whole numbers of 8 (unsigned), 16, 24 and 32 bits and floats of 32 and 64, any rate and
    number of channels, plain or extensible headers, and skips chunks that hold no sound.

    Shapes: path a path or the bytes of a file; result (waveform (channels, samples) float64 with
    whole numbers scaled to [-1, 1), rate).
    Raises: TypeError if path is neither; FileNotFoundError if there is no such file; ValueError if
    it is empty, no WAV file, cut off, or coded in another way.
    Source: document 001 (load audio files); Microsoft and IBM 1991, Multimedia Programming
    Interface, RIFF.
    """
    if isinstance(path, bytes | bytearray | memoryview):
        content, name = bytes(path), "the bytes"
    elif isinstance(path, str | Path):
        content, name = Path(path).read_bytes(), str(path)
    else:
        raise TypeError(f"path: expected a path or bytes, got {type(path).__name__}")
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        got = repr(content[:12]) if content else "an empty file"
        raise ValueError(f"{name}: expected a WAV file, which begins RIFF....WAVE, got {got}")
    header = data = None
    for kind, body in _chunks(content, name):
        if kind == b"fmt ":
            header = _format(body, name)
        elif kind == b"data":
            data = body
            break
    if header is None or data is None:
        missing = "fmt" if header is None else "data"
        raise ValueError(f"{name}: expected a chunk `{missing}` before the end, got none")
    coding, channels, rate, bits = header
    frame = channels * bits // 8
    if len(data) % frame:
        raise ValueError(f"{name}: expected whole frames of {frame} bytes, got {len(data)} bytes")
    return _samples(data, coding, bits).reshape(-1, channels).T.copy(), rate


def _chunks(content, name):
    """The chunks of a RIFF file: a name of four letters, a length, a body, and a byte to even."""
    at = 12
    while at + 8 <= len(content):
        kind, size = struct.unpack_from("<4sI", content, at)
        left = len(content) - at - 8
        if size > left:
            label = kind.decode("latin1").strip()
            raise ValueError(f"{name}: cut off: expected {size} bytes of `{label}`, got {left}")
        yield kind, content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _format(body, name):
    """Coding, channels, rate and bits of a sample from the chunk `fmt `."""
    if len(body) < 16:
        raise ValueError(f"{name}: expected at least 16 bytes of `fmt`, got {len(body)}")
    coding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if coding == EXTENSIBLE and len(body) >= 26:
        coding = struct.unpack_from("<H", body, 24)[0]
    if (coding, bits) not in {(PCM, b) for b in (8, 16, 24, 32)} | {(FLOAT, 32), (FLOAT, 64)}:
        raise ValueError(
            f"{name}: expected 8, 16, 24 or 32-bit PCM or 32 or 64-bit float, "
            f"got coding {coding} with {bits} bits"
        )
    if not channels or not rate:
        raise ValueError(f"{name}: expected channels and a rate, got {channels} and {rate}")
    return coding, channels, rate, bits


def _samples(data, coding, bits):
    """Bytes, least significant first, as float64."""
    if coding == FLOAT:
        return np.frombuffer(data, f"<f{bits // 8}").astype(np.float64)
    if bits == 8:  # the only width without a sign: 128 is silence
        return (np.frombuffer(data, np.uint8) - 128.0) / 128.0
    if bits == 24:  # no such type: put a zero byte below, as if it were 32 bits
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        data, bits = wide.tobytes(), 32
    return np.frombuffer(data, f"<i{bits // 8}") / 2.0 ** (bits - 1)


# --- characters


def character_vocabulary(texts):
    """The different characters of the texts, sorted: the place of each is its number.

    Shapes: texts a list of strings; result a list of characters.
    Raises: TypeError if texts is not a list of strings.
    Source: document 001 (a vocabulary from each character in the transcript).
    """
    return sorted(set("".join(_strings(texts, "texts"))))


def encode_text(text, vocabulary):
    """The number of each character, its place in the vocabulary.

    Shapes: text a string; vocabulary a list of characters; result a list of integers. For CTC a
    blank comes first: pass ["_", *vocabulary].
    Raises: TypeError if text is not a string; ValueError if a character is not in the vocabulary.
    Source: document 001 (convert them into character IDs).
    """
    if not isinstance(text, str):
        raise TypeError(f"text: expected a string, got {type(text).__name__}")
    places = {character: place for place, character in enumerate(vocabulary)}
    unknown = sorted(set(text) - set(places))
    if unknown:
        raise ValueError(f"text: expected characters of the vocabulary, got {unknown}")
    return [places[character] for character in text]


def decode_text(ids, vocabulary):
    """The text of a row of numbers; negative ones, the padding of our decoders, are left out.

    Shapes: ids a list or array of integers; vocabulary a list of characters; result a string.
    Raises: ValueError if a number is beyond the vocabulary.
    Source: document 001 (character IDs), the way back.
    """
    ids = [int(i) for i in ids if int(i) >= 0]
    if ids and max(ids) >= len(vocabulary):
        raise ValueError(f"ids: expected numbers below {len(vocabulary)}, got {max(ids)}")
    return "".join(vocabulary[i] for i in ids)


# --- alignments and error rates


def count_alignments(num_frames, target):
    """In how many ways CTC can write `target` over `num_frames` frames, an exact whole number.

    A path gives each frame a symbol or the blank; equal neighbors merge, then blanks go. Equal
    neighbors in the target need a blank between them.

    Shapes: num_frames a whole number; target a string or a list of labels; result a Python int.
    Raises: ValueError if num_frames is not a whole number of at least 0.
    Source: Graves, Fernandez, Gomez and Schmidhuber 2006, equation 2.
    """
    if not isinstance(num_frames, Integral) or num_frames < 0:
        raise ValueError(f"num_frames: expected a whole number from 0 on, got {num_frames!r}")
    extended = [None] + [part for symbol in target for part in (symbol, None)]
    ways = [0] * len(extended)
    for frame in range(num_frames):
        before, ways = ways, [0] * len(extended)
        for state, symbol in enumerate(extended):
            skips = state > 1 and symbol is not None and symbol != extended[state - 2]
            ways[state] = sum(before[max(0, state - 1 - skips) : state + 1])
        if frame == 0:
            ways[:2] = [1] * len(ways[:2])
    return sum(ways[-2:]) if num_frames else int(len(extended) == 1)


def word_error_rate(reference, hypothesis):
    r"""$(S + D + I) / N$: words substituted, deleted and inserted, for each word of the reference.

    Lists of texts are taken as one body: all errors divided by all words. It may exceed 1.

    Shapes: two strings, or two lists of strings of one length; result a number.
    Raises: TypeError if they are not strings or lists of them; ValueError if the lists differ in
    length or the reference has no word.
    Source: document 002 (error rates of speech recognizers); Levenshtein 1966; jiwer.wer.
    """
    return _error_rate(reference, hypothesis, str.split, "word")


def character_error_rate(reference, hypothesis):
    r"""$(S + D + I) / N$ over characters, spaces included.

    Shapes: two strings, or two lists of strings of one length; result a number.
    Raises: TypeError if they are not strings or lists of them; ValueError if the lists differ in
    length or the reference has no character.
    Source: Levenshtein 1966; jiwer.cer.
    """
    return _error_rate(reference, hypothesis, list, "character")


def _strings(texts, name):
    if isinstance(texts, str) or not isinstance(texts, list | tuple):
        raise TypeError(f"{name}: expected a list of strings, got {type(texts).__name__}")
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"{name}: expected strings, got {type(text).__name__}")
    return texts


def _error_rate(reference, hypothesis, split, unit):
    pair = {"reference": reference, "hypothesis": hypothesis}
    given = [
        _strings([texts] if isinstance(texts, str) else texts, name) for name, texts in pair.items()
    ]
    if len(given[0]) != len(given[1]):
        raise ValueError(f"hypothesis: expected {len(given[0])} texts, got {len(given[1])}")
    parts = [(split(right), split(said)) for right, said in zip(*given, strict=True)]
    total = sum(len(right) for right, _ in parts)
    if not total:
        raise ValueError(f"reference: expected at least one {unit}, got none")
    return sum(_levenshtein(*part) for part in parts) / total


def _levenshtein(a, b):
    """The fewest changes that turn one list into the other, a row of the table at a time."""
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        corner, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (left != right))
    return row[-1]
