"""Write book/speech/data: python -m tools.speech_data asterisk-core-sounds-en{-wav,}_*.deb

The two packages come from Debian (`apt-get download asterisk-core-sounds-en-wav
asterisk-core-sounds-en`); the course needs neither when it runs. The shortest clips of which the
transcript says every word go into one FLAC file, until it has four megabytes. Samples are rounded
to 11 bits, which adds noise 66 decibels below the loudest, far less than a telephone line does, and
makes room for twice as many clips.
"""

import csv
import gzip
import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from book.speech import data
from book.speech.audio import load_wav

VOICE = "usr/share/asterisk/sounds/en_US_f_Allison"
TEXTS = "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
LARGEST = 3_950_000  # bytes
SILENCE = 0.01  # of the largest amplitude: quieter than this at both ends is cut
BITS = 11  # of the 16 of a sample
MARGIN = 800  # samples of silence that stay: a tenth of a second
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# What is written otherwise than it is said, or is no speech.
SKIP = re.compile(
    r"^(silence/|letters/[a-z]$|letters/zed|.*beep|.*tone$|tt-|spy-(h323|iax2|zap|sip)"
    r"|confbridge-(join|leave|binaural))"
)


def spoken(text):
    """A transcript as it is said: small letters, the apostrophe and spaces; None if unclear."""
    text = re.sub(r"\[.*?\]", " ", text.lower()).replace("*", " star ").replace("#", " pound ")
    text = re.sub(r"(?<!\d)\d(?!\d)", lambda digit: f" {DIGITS[int(digit[0])]} ", text)
    text = text.replace("a.m.", "a m").replace("p.m.", "p m").replace("-", " ")
    text = " ".join(re.sub(r"[.,!?;:\"()]", " ", text).split())
    return text if re.fullmatch(r"[a-z' ]+", text) else None


def transcripts(folder):
    """{name of a clip: what is said}."""
    with gzip.open(Path(folder) / TEXTS, "rt", encoding="utf-8") as file:
        lines = file.readlines()
    found = (line.partition(":") for line in lines if ":" in line and not line.startswith(";"))
    return {name.strip(): text.strip() for name, _, text in found}


def trimmed(sound):
    """Without the silence at both ends, but for a margin."""
    loud = np.flatnonzero(np.abs(sound) > SILENCE * np.abs(sound).max())
    return sound[max(0, loud[0] - MARGIN) : loud[-1] + MARGIN]


def flac(clips):
    content = io.BytesIO()
    samples = np.round(np.concatenate(clips) * 2 ** (BITS - 1)) * 2 ** (16 - BITS)
    samples = samples.clip(-(2**15), 2**15 - 2 ** (16 - BITS)).astype(np.int16)
    soundfile.write(content, samples, data.RATE, format="FLAC", subtype="PCM_16")
    return content.getvalue()


def main(packages):
    with tempfile.TemporaryDirectory() as folder:
        for package in packages:
            subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
        texts = {name: spoken(text) for name, text in transcripts(folder).items()}
        clips = []
        for name, text in texts.items():
            path = Path(folder) / VOICE / f"{name}.wav"
            if text and path.exists() and not SKIP.match(name):
                (sound,), rate = load_wav(path)
                assert rate == data.RATE, path
                clips.append((trimmed(sound), name, text))
    clips.sort(key=lambda clip: (len(clip[0]), clip[1]))
    few, many = 0, len(clips)
    while few + 1 < many:  # as many of the shortest as fit
        count = (few + many) // 2
        fits = len(flac([sound for sound, *_ in clips[:count]])) <= LARGEST
        few, many = (count, many) if fits else (few, count)
    kept = sorted(clips[:few], key=lambda clip: clip[1])
    (data.FOLDER / "clips.flac").write_bytes(flac([sound for sound, *_ in kept]))
    with (data.FOLDER / "clips.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["name", "samples", "transcript"])
        rows.writerows([name, len(sound), text] for sound, name, text in kept)
    seconds = sum(len(sound) for sound, *_ in kept) / data.RATE
    print(f"{len(kept)} of {len(clips)} clips, {seconds:.0f} s")
    print(f"sha256 {data.digest()}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1:])
