"""A small recognizer: convolutions over a mel spectrogram, trained with CTC."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from book.speech import pytorch as speech
from book.speech.data import FOLDER, RATE

__all__ = [
    "ALPHABET", "BLANK", "Recipe", "Recognizer", "answers", "batches", "features", "pretrained",
    "texts", "train", "transcribe",
]  # fmt: skip

ALPHABET = ["_", " ", "'", *"abcdefghijklmnopqrstuvwxyz"]  # the blank comes first
BLANK = 0
HOP, N_FFT, N_MELS = 128, 256, 40  # 16 ms, 32 ms
STRIDE = 2  # the network gives one answer for two frames: each 32 ms


@dataclass(frozen=True)
class Recipe:
    """What a training run does to its recordings, and how long it lasts."""

    kind: str = "mel"  # or "mfcc"
    masks: bool = True  # SpecAugment
    noise: bool = True  # between 5 and 30 dB above it
    change: bool = True  # speed by up to a tenth
    epochs: int = 24
    lr: float = 3e-3


def features(waveform: Tensor, kind: str = "mel") -> Tensor:
    """Normalized features (N, bins, frames) of sounds (N, T): log-mel, or MFCC with its slope."""
    size = {"n_fft": N_FFT, "hop_length": HOP, "n_mels": N_MELS}
    if kind == "mel":
        x = speech.power_to_db(speech.mel_spectrogram(waveform, RATE, **size), top_db=60.0)
    else:
        x = speech.mfcc(waveform, RATE, n_mfcc=13, lifter=22, **size)
        x = torch.cat([x, speech.compute_deltas(x)], dim=1)
    mean, std = x.mean(2, keepdim=True), x.std(2, keepdim=True)
    return (x - mean) / (std + 1e-5)


class Recognizer(nn.Module):
    """Five convolutions over time, the first with a stride of 2, those behind it with a way around.

    An answer sees 71 frames, more than a second of sound.

    Shapes: features (N, bins, frames) to log-probabilities (frames / 2, N, 29), as CTC wants them.
    """

    def __init__(self, bins: int, width: int = 96, dropout: float = 0.1):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv1d(bins, width, 7, STRIDE, 3), nn.BatchNorm1d(width), nn.ReLU()
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation),
                nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout),
            )
            for dilation in (1, 2, 2, 3)
        )  # fmt: skip
        self.output = nn.Conv1d(width, len(ALPHABET), 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.output(hidden).permute(2, 0, 1).log_softmax(2)


def lengths_of(samples: Tensor) -> Tensor:
    """How many answers the network gives for sounds of so many samples."""
    frames = samples // HOP + 1
    return (frames - 1) // STRIDE + 1


def batches(clips, size=8):
    """Clips in batches of about equal length: sounds (N, T), their lengths, targets and lengths."""
    order = sorted(range(len(clips)), key=lambda i: len(clips[i].waveform))
    for start in range(0, len(order), size):
        chosen = [clips[i] for i in order[start : start + size]]
        sounds = [torch.as_tensor(clip.waveform, dtype=torch.float32) for clip in chosen]
        texts = [torch.tensor(speech.encode_text(clip.transcript, ALPHABET)) for clip in chosen]
        pad = nn.utils.rnn.pad_sequence
        yield (pad(sounds, True), torch.tensor([len(sound) for sound in sounds]),
               pad(texts, True), torch.tensor([len(text) for text in texts]))  # fmt: skip


def train(clips, recipe=Recipe(), seed=0, watch=None):
    """A recognizer trained on the clips; `watch(epoch, loss, net)` is called after each epoch."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    parts = list(batches(clips))
    bins = features(parts[0][0][:1], recipe.kind).shape[1]
    net = Recognizer(bins)
    optimizer = torch.optim.AdamW(net.parameters(), recipe.lr, weight_decay=1e-2)
    steps = recipe.epochs * len(parts)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, steps, pct_start=0.15)
    for epoch in range(recipe.epochs):
        net.train()
        total = 0.0
        for i in torch.randperm(len(parts), generator=generator).tolist():
            sounds, samples, targets, target_lengths = parts[i]
            sounds, samples = disturb(sounds, samples, recipe, generator)
            x = features(sounds, recipe.kind)
            if recipe.masks:
                x = speech.spec_augment(x, 8, 12, generator=generator)
            log_probs = net(x)
            loss = nn.functional.ctc_loss(log_probs, targets, lengths_of(samples), target_lengths,
                                          zero_infinity=True)  # fmt: skip
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        if watch:
            watch(epoch, total / len(parts), net)
    return net


def disturb(sounds, samples, recipe, generator):
    """Another speed for the batch and noise for each sound, as the recipe says."""
    if recipe.change:
        factor = (95, 100, 105)[torch.randint(3, (1,), generator=generator)] / 100
        sounds = speech.speed(sounds, 100, factor)
        samples = (samples / factor).long().clamp(max=sounds.shape[1])
    if recipe.noise:
        snr = 5 + 25 * torch.rand(len(sounds), generator=generator)
        noise = torch.randn(sounds.shape, generator=generator)
        sounds = speech.add_noise(sounds, noise, snr)
    return sounds, samples


@torch.no_grad()
def answers(net, clips, kind="mel"):
    """Log-probabilities (T, N, 29) of clips, each heard alone, and how many frames are theirs."""
    net.eval()
    dtype = next(net.parameters()).dtype
    sounds = [torch.as_tensor(clip.waveform, dtype=dtype)[None] for clip in clips]
    rows = [net(features(sound, kind))[:, 0] for sound in sounds]
    return nn.utils.rnn.pad_sequence(rows), torch.tensor([len(row) for row in rows])


def texts(labels):
    """The texts of rows of labels, without spaces at the ends or two in a row."""
    return [" ".join(speech.decode_text(row, ALPHABET).split()) for row in labels]


def transcribe(net, clips, kind="mel"):
    """What the network hears in the clips, by greedy decoding."""
    return texts(speech.ctc_greedy_decode(*answers(net, clips, kind))[0])


def pretrained(dtype=torch.float64):
    """The network that `python -m tools.speech --listener` trained."""
    stored = np.load(FOLDER / "recognizer.npz")
    net = Recognizer(N_MELS)
    net.load_state_dict({name: torch.from_numpy(stored[name]) for name in stored.files})
    return net.to(dtype).eval()
