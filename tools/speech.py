"""`python -m tools.speech`: recognizers with and without masks, noise and MFCC, over seeds.

The speech chapter shows what is stored in `book/benchmarks/recognizers.json`. Names of recipes and
seeds, as arguments, run only these. `--listener` trains the network that listens on the page for
longer and stores it in `book/speech/data/recognizer.npz`.

    python -m tools.speech                      # all
    python -m tools.speech --seeds 1 "no masks"
    python -m tools.speech --listener
"""

import time
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from book.speech import data, recognizer
from book.speech.audio import character_error_rate, word_error_rate
from tools.machine import describe, read_results, rounded, write_results

RESULTS = Path(__file__).resolve().parents[1] / "book" / "benchmarks" / "recognizers.json"
RECIPES = {
    "all": recognizer.Recipe(),
    "no masks": recognizer.Recipe(masks=False),
    "no noise": recognizer.Recipe(noise=False),
    "MFCC": recognizer.Recipe(kind="mfcc"),
    "nothing": recognizer.Recipe(masks=False, noise=False, change=False),
}
LISTENER = recognizer.Recipe(masks=False, noise=False, epochs=36)  # the network that the page uses
SNR = 10.0  # of the noise that is added to the held-out clips, in decibels
EVERY = 4  # epochs


def noisy(clips, seed=0):
    """The clips with white noise."""
    rng = np.random.default_rng(seed)
    sounds = [
        recognizer.speech.add_noise(
            torch.as_tensor(clip.waveform),
            torch.as_tensor(rng.normal(size=len(clip.waveform))),
            SNR,
        ).numpy()
        for clip in clips
    ]
    return [
        data.Clip(clip.name, sound, clip.transcript)
        for clip, sound in zip(clips, sounds, strict=True)
    ]


def run(name: str, seed: int) -> dict:
    """Train one recognizer and say what it makes of the held-out clips."""
    recipe = RECIPES[name]
    train, test = data.load_clips()
    right = [clip.transcript for clip in test]
    curve, losses = [], []

    def watch(epoch, loss, net):
        losses.append(rounded(loss, 4))
        if epoch % EVERY == EVERY - 1:
            heard = recognizer.transcribe(net, test, recipe.kind)
            curve.append([epoch + 1, rounded(100 * character_error_rate(right, heard), 4)])

    began = time.process_time()
    net = recognizer.train(train, recipe, seed, watch)
    seconds = time.process_time() - began
    heard = recognizer.transcribe(net, test, recipe.kind)
    in_noise = recognizer.transcribe(net, noisy(test), recipe.kind)
    at_home = recognizer.transcribe(net, train, recipe.kind)
    return {
        "recipe": name, "seed": seed, **asdict(recipe), "machine": describe("cpu"),
        "cpu seconds": rounded(seconds), "losses": losses, "curve": curve,
        "cer": rounded(100 * character_error_rate(right, heard), 4),
        "wer": rounded(100 * word_error_rate(right, heard), 4),
        "cer in noise": rounded(100 * character_error_rate(right, in_noise), 4),
        "cer in training": rounded(
            100 * character_error_rate([clip.transcript for clip in train], at_home), 4),
        "heard": heard,
    }  # fmt: skip


def main() -> None:
    parser = ArgumentParser(prog="python -m tools.speech", description=__doc__.partition("\n")[0])
    parser.add_argument("recipes", nargs="*", default=list(RECIPES))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--listener", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.listener:
        store(recognizer.train(data.load_clips()[0], LISTENER))
        return
    for seed in arguments.seeds:
        for name in arguments.recipes:
            new = run(name, seed)
            runs = read_results(RESULTS).get("runs", [])
            runs = [old for old in runs if (old["recipe"], old["seed"]) != (name, seed)] + [new]
            write_results(RESULTS, {"runs": runs})
            print(f"{name}, seed {seed}: {new['cer']} % of the characters wrong", flush=True)


def store(net):
    """The weights in float16: half the bytes, the same transcripts."""
    weights = {key: value.numpy() for key, value in net.state_dict().items()}
    halves = {k: v.astype(np.float16) if v.dtype.kind == "f" else v for k, v in weights.items()}
    np.savez_compressed(data.FOLDER / "recognizer.npz", **halves)


if __name__ == "__main__":
    main()
