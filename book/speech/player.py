"""A player for a page: what is heard, and below it what is said."""

import base64
import html
import struct

import numpy as np
from IPython.display import HTML


def wav_bytes(waveform, rate):
    """A WAV file of 16 bits with one channel, its samples (T,) clipped to [-1, 1)."""
    samples = np.round(np.asarray(waveform) * 2**15).clip(-(2**15), 2**15 - 1).astype("<i2")
    body = samples.tobytes()
    header = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    chunks = b"WAVEfmt " + header + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def player(waveform, rate, text):
    """An audio player with its text, as HTML for the page; nothing plays by itself."""
    code = base64.b64encode(wav_bytes(waveform, rate)).decode()
    label = html.escape(text)
    return (
        '<figure style="margin:0.4em 0">'
        f'<figcaption>{label}</figcaption><audio controls preload="none" aria-label="{label}" '
        f'style="max-width:100%" src="data:audio/wav;base64,{code}"></audio></figure>'
    )


def players(*parts):
    """Several players, one below the other: (waveform, rate, text) each."""
    return HTML("".join(player(*part) for part in parts))
