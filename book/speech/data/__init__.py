"""Recorded speech: one voice, telephone quality, with what it says.

The recordings lie beside this file; README.md says where they come from and under which license.
"""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["RATE", "Clip", "load_clips"]

FOLDER = Path(__file__).parent
RATE = 8000  # samples a second
SHA256 = "33bfb53d3e267aeff11b15b9ff424f61e77c6d5ff25ca52e7847461b5e1a122d"


@dataclass(frozen=True)
class Clip:
    """One recording: its name in Debian's package, samples (T,) in [-1, 1), and what is said."""

    name: str
    waveform: np.ndarray
    transcript: str


def digest():
    """The SHA-256 of both files, one behind the other."""
    both = b"".join((FOLDER / name).read_bytes() for name in ("clips.flac", "clips.csv"))
    return hashlib.sha256(both).hexdigest()


def load_clips(seed=0, held_out=0.2):
    """The recordings, split into those to learn from and those held out, one voice in both.

    Clips that say the same stay together, so no sentence of the one part occurs in the other.

    Returns (train, test), lists of `Clip`: 8,000 samples a second, float64; transcripts of small
    letters, spaces and apostrophes.
    Raises: ValueError if the files are not the ones that belong here, or held_out is not in [0, 1].
    """
    import soundfile

    if not 0 <= held_out <= 1:
        raise ValueError(f"held_out: expected a share in [0, 1], got {held_out}")
    if digest() != SHA256:
        raise ValueError(f"{FOLDER}: expected files with SHA-256 {SHA256}, got {digest()}")
    sound, _ = soundfile.read(FOLDER / "clips.flac")
    with (FOLDER / "clips.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ends = np.cumsum([int(row["samples"]) for row in rows])
    clips = [
        Clip(row["name"], piece, row["transcript"])
        for row, piece in zip(rows, np.split(sound, ends[:-1]), strict=True)
    ]
    texts = sorted({clip.transcript for clip in clips})
    order = np.random.default_rng(seed).permutation(len(texts))
    chosen = {texts[i] for i in order[: round(held_out * len(texts))]}
    train = [clip for clip in clips if clip.transcript not in chosen]
    return train, [clip for clip in clips if clip.transcript in chosen]
