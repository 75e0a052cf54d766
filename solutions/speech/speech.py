# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# assignment:
#   title: Speech
#   imports:
#     - functools
#     - itertools
#     - math
#     - numpy
#     - matplotlib
#     - torch
#     - autograder.checks
#     - book.style
#     - book.speech.data
# ---

# %% [markdown]
# # Speech
#
# You have read the chapter. Now you build the way from samples to text: a spectrogram, the mel
# filters, masks, the sum over all alignments, the decoder that undoes it, and the error rate that
# tells the truth about it all.
#
# <!-- tasks -->
#
# How it works:
#
# - Each task has one cell for you. Replace `raise NotImplementedError()` with your code.
# - Run the cell below it. It checks your answer on a few inputs, and where something is wrong it
#   says on which input, and often why. You may try as often as you like.
# - When your work is graded, further inputs are tried: random numbers, other shapes, edges.
# - The tasks do not need one another. If you are stuck, go on and come back.
# - You need NumPy and, for the last task, PyTorch. Please do not import other libraries.
#
# Some cells draw a picture with your function. They wait until it works.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from autograder.checks import check, picture
from book import style
from book.speech.data import RATE, load_clips

style.use()


# %% [markdown] task="spectrogram" minutes=10
# ## 1. A picture of sound
#
# Cut a sound into overlapping frames, multiply each by a window, and take the squared size of its
# Fourier transform:
#
# $$S_{kt} = \Bigl|\sum_{i=0}^{N-1} w_i\, x_{tH+i}\, e^{-2\pi\mathrm{i}\,ki/N}\Bigr|^2 .$$
#
# Frames begin at 0, H, 2H, ...; only whole frames count.


# %% solution="spectrogram"
def spectrogram(x, window, hop):
    """The power of each frequency in each frame.

    x      : array (T,), a sound; T is at least the length of the window.
    window : array (N,), the weights of a frame.
    hop    : whole number H, samples from one frame to the next.
    Returns an array (N // 2 + 1, frames): row k is frequency k, column t is frame t.

    Example: with 8 samples, a window of 4 and a hop of 2 there are 3 frames, which begin at samples
    0, 2 and 4;

        spectrogram(np.ones(8), np.ones(4), 2)

    returns [[16, 16, 16], [0, 0, 0], [0, 0, 0]]: a constant sound has frequency 0 only.

    Hints
    1. How many whole frames fit? The last one may end at T exactly.
    2. `np.fft.rfft(frames, axis=...)` gives the N // 2 + 1 frequencies of real numbers.
    3. Power is the *square* of the absolute value.
    4. Frames as rows are natural to build; the result has them as columns.
    """
    ### BEGIN SOLUTION
    size = len(window)
    starts = np.arange(0, len(x) - size + 1, hop)
    frames = x[starts[:, None] + np.arange(size)] * window
    return np.abs(np.fft.rfft(frames, axis=1).T) ** 2
    ### END SOLUTION


# %% inputs="spectrogram"
# ruff: noqa: E402, because the cells of a notebook import what they need
from book.op import Case

rng = np.random.default_rng(0)
inputs = [
    Case("the example", (np.ones(8), np.ones(4), 2)),
    Case("a tone under a window", (np.sin(np.arange(40.0)), np.hanning(10), 5)),
    Case("a last part that is no frame", (rng.normal(size=23), np.hanning(8), 3)),
    Case("exactly one frame", (rng.normal(size=6), np.ones(6), 4)),
]

# %% test="spectrogram" points=3
check("spectrogram", spectrogram)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for length, size, hop in [(50, 8, 3), (64, 16, 16), (33, 5, 1), (9, 9, 2), (100, 7, 20)]:
    sound, weights = rng.normal(size=length), rng.uniform(0.1, 1, size)
    got = np.asarray(spectrogram(sound, weights, hop))
    columns = []
    for start in range(0, length - size + 1, hop):
        columns.append(np.abs(np.fft.rfft(sound[start : start + size] * weights)) ** 2)
    assert_close(got, np.stack(columns, axis=1), what=f"{length} samples, window {size}, hop {hop}")
### END HIDDEN TESTS

# %% [markdown]
# Your function on a real recording. Time runs to the right, frequency upwards.


# %%
@picture
def _():
    clip = next(clip for clip in load_clips()[0] if clip.transcript == "agent logged off")
    power = spectrogram(clip.waveform, np.hanning(256), 64)
    image = 10 * np.log10(power + 1e-6)
    seconds = len(clip.waveform) / RATE
    plt.imshow(image, origin="lower", aspect="auto", extent=(0, seconds, 0, RATE / 2000))
    plt.xlabel("time (s)")
    plt.ylabel("frequency (kHz)")
    plt.title(clip.transcript)


# %% [markdown] task="mel_filters" minutes=15
# ## 2. Filters that hear like an ear
#
# In mel, $m = 2595 \log_{10}(1 + f / 700)$, equal steps sound equally far. Place $M + 2$ points
# evenly in mel between two frequencies and turn them back into Hz: $f_0, \dots, f_{M+1}$. Filter
# $m$ is a triangle that rises from 0 at $f_{m-1}$ to 1 at $f_m$ and falls to 0 at $f_{m+1}$.


# %% solution="mel_filters"
def mel_filters(freqs, n_mels, f_min, f_max):
    """The weight of each frequency in each mel band.

    freqs        : array (F,), frequencies in Hz.
    n_mels       : M, the number of bands.
    f_min, f_max : where the first triangle begins and the last one ends, in Hz.
    Returns an array (F, M).

    Example: one band from 0 to 1000 Hz has its peak where half of the mel lie below, at 390.6 Hz.
    So mel_filters(np.array([0.0, 390.6, 1000.0]), 1, 0, 1000) is about [[0], [1], [0]].

    Hints
    1. The way back is f = 700 (10^(m / 2595) - 1).
    2. `np.linspace` in mel, with M + 2 points.
    3. A triangle is the smaller of two straight lines, and 0 where that is negative.
    """
    ### BEGIN SOLUTION
    ends = 2595 * np.log10(1 + np.array([f_min, f_max]) / 700)
    points = 700 * (10 ** (np.linspace(*ends, n_mels + 2) / 2595) - 1)
    left, center, right = points[:-2], points[1:-1], points[2:]
    up = (freqs[:, None] - left) / (center - left)
    down = (right - freqs[:, None]) / (right - center)
    return np.maximum(0.0, np.minimum(up, down))
    ### END SOLUTION


# %% inputs="mel_filters"
inputs = [
    Case("the example", (np.array([0.0, 390.6, 1000.0]), 1, 0.0, 1000.0)),
    Case("ten bands", (np.linspace(0, 4000, 65), 10, 0.0, 4000.0)),
    Case("telephone", (np.linspace(0, 4000, 33), 4, 300.0, 3400.0)),
]

# %% test="mel_filters" points=3
check("mel_filters", mel_filters)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count, bands, low, high in [
    (40, 5, 0.0, 4000.0),
    (129, 26, 100.0, 8000.0),
    (9, 1, 50.0, 900.0),
]:
    freqs = np.sort(rng.uniform(0, 8000, count))
    got = np.asarray(mel_filters(freqs, bands, low, high))
    a, b = (2595 * np.log10(1 + f / 700) for f in (low, high))
    hz = [700 * (10 ** ((a + (b - a) * i / (bands + 1)) / 2595) - 1) for i in range(bands + 2)]
    expected = np.stack(
        [np.interp(freqs, hz[m : m + 3], [0, 1, 0], 0, 0) for m in range(bands)], axis=1
    )
    assert_close(got, expected, what=f"{bands} bands from {low:g} to {high:g} Hz")
### END HIDDEN TESTS


# %%
@picture
def _():
    freqs = np.linspace(0, 4000, 257)
    plt.plot(freqs, mel_filters(freqs, 12, 0.0, 4000.0))
    plt.xlabel("frequency (Hz)")
    plt.ylabel("weight")


# %% [markdown] task="mask" minutes=10
# ## 3. Hide a part
#
# SpecAugment covers a band of frequencies (rows) and a stretch of time (columns) of a spectrogram.
# The mean of the whole picture takes their place, so that its brightness stays.


# %% solution="mask"
def mask(image, f0, f, t0, t):
    """The spectrogram with rows f0 to f0 + f - 1 and columns t0 to t0 + t - 1 hidden.

    image : array (bins, frames).
    f0, f : first row and number of rows to hide; t0, t the same for columns. f or t may be 0.
    Returns an array of the same shape: hidden places hold the mean of `image`, the rest is as it
    was. `image` itself must not change: the next epoch needs it.

    Example

        mask(np.array([[1.0, 2.0], [3.0, 4.0]]), 0, 1, 0, 0)

    returns array([[2.5, 2.5], [3.0, 4.0]]).

    Hints
    1. Compute the mean before anything is hidden.
    2. `image.copy()`.
    3. A slice past the end is no error: it stops at the end.
    """
    ### BEGIN SOLUTION
    hidden = image.copy()
    hidden[f0 : f0 + f] = image.mean()
    hidden[:, t0 : t0 + t] = image.mean()
    return hidden
    ### END SOLUTION


# %% inputs="mask"
rng = np.random.default_rng(2)
inputs = [
    Case("the example", (np.array([[1.0, 2.0], [3.0, 4.0]]), 0, 1, 0, 0)),
    Case("both", (rng.normal(size=(6, 9)), 1, 2, 4, 3)),
    Case("time only", (rng.normal(size=(4, 8)), 2, 0, 0, 5)),
    Case("nothing", (rng.normal(size=(3, 4)), 1, 0, 1, 0)),
]

# %% test="mask" points=2
check("mask", mask)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for bins, frames in [(1, 1), (8, 20), (40, 7), (5, 60)]:
    for _ in range(3):
        f, t = rng.integers(0, bins + 1), rng.integers(0, frames + 1)
        f0, t0 = rng.integers(0, bins - f + 1), rng.integers(0, frames - t + 1)
        image = rng.normal(size=(bins, frames))
        got = np.asarray(mask(image.copy(), int(f0), int(f), int(t0), int(t)))
        rows, columns = np.indices(image.shape)
        out = ((rows >= f0) & (rows < f0 + f)) | ((columns >= t0) & (columns < t0 + t))
        expected = np.where(out, image.mean(), image)
        assert_close(got, expected, what=f"{bins} x {frames}, {f} rows and {t} columns hidden")
### END HIDDEN TESTS

# %% [markdown] task="greedy" minutes=10
# ## 4. From a path to a text
#
# A path gives each frame a label or the blank, 0. Its text: merge equal neighbors, *then* drop the
# blanks. Greedy decoding takes the best class of each frame and does just that.


# %% solution="greedy"
def greedy(log_probs):
    """The text of the best path.

    log_probs : array (T, C), for each frame the log-probability of each class; class 0 is the
                blank.
    Returns a list of whole numbers, the labels.

    Example: if the best classes of six frames are 1, 1, 0, 1, 2, 2, the text is [1, 1, 2]: the
    first two merge, the blank keeps the next 1 apart.

    Hints
    1. `log_probs.argmax(axis=1)`.
    2. Keep a class if it differs from that of the frame before and is not 0.
    3. The frame before is a frame of the *path*, not the last label that you kept.
    """
    ### BEGIN SOLUTION
    best = log_probs.argmax(axis=1)
    new = np.append(True, best[1:] != best[:-1])[: len(best)]
    return best[new & (best != 0)].tolist()
    ### END SOLUTION


# %% inputs="greedy"
rng = np.random.default_rng(3)


def clear(*path):
    """Log-probabilities whose best path is the one given."""
    return np.log(0.1 + 0.7 * np.eye(3)[list(path)])


inputs = [
    Case("the example", (clear(1, 1, 0, 1, 2, 2),)),
    Case("blanks around", (clear(0, 0, 2, 0, 0),)),
    Case("only blanks", (clear(0, 0, 0),)),
    Case("a label that comes back", (clear(1, 2, 1, 1, 0, 2),)),
]

# %% test="greedy" points=2
check("greedy", greedy)
### BEGIN HIDDEN TESTS
from itertools import groupby

from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for frames, classes in [(1, 2), (8, 3), (30, 2), (50, 5), (80, 3)]:
    for _ in range(3):
        scores = np.log(rng.dirichlet(np.ones(classes), frames))
        path = scores.argmax(axis=1).tolist()
        expected = [label for label, _ in groupby(path) if label]
        got = [int(label) for label in greedy(scores)]
        assert_close(got, expected, what=f"text of {frames} frames")
### END HIDDEN TESTS

# %% [markdown] task="ctc_probability" minutes=25
# ## 5. The sum over all paths
#
# How probable is a text, whatever its timing? With a blank around each label, $y'$, the sum over
# all paths that are at state $s$ after frame $t$ is
#
# $$\alpha_t(s) = p_t(y'_s)\,\bigl[\alpha_{t-1}(s) + \alpha_{t-1}(s-1) + \alpha_{t-1}(s-2)\bigr],$$
#
# the last term only where $y'_s$ is a label and differs from $y'_{s-2}$. A path begins in one of
# the first two states and ends in one of the last two.


# %% solution="ctc_probability"
def ctc_probability(probs, target):
    """The probability of a text: the sum over all paths that collapse to it.

    probs  : array (T, C) with T >= 1, the probability of each class in each frame; 0 is the blank.
    target : list of labels from 1 to C - 1; may be empty.
    Returns a number.

    Example: two frames, each with 0.6 for the blank and 0.4 for label 1;

        ctc_probability(np.array([[0.6, 0.4], [0.6, 0.4]]), [1])

    returns 0.64: the paths (1, 1), (0, 1) and (1, 0) have 0.16 + 0.24 + 0.24.

    Hints
    1. Write the extended target first: for [1, 2] it is [0, 1, 0, 2, 0].
    2. Before the first frame only states 0 and 1 can be entered; all others hold 0.
    3. Go through the frames; compute all states of a frame from those of the frame before. Do not
       overwrite a number that you still need.
    4. For short sounds probabilities are fine; no logarithms are needed here.
    5. An empty target has one state only.
    """
    ### BEGIN SOLUTION
    states = [0]
    for label in target:
        states += [label, 0]
    alpha = np.zeros(len(states))
    alpha[:2] = probs[0, states[:2]]
    for p in probs[1:]:
        before, alpha = alpha, np.zeros(len(states))
        for s, label in enumerate(states):
            total = before[s] + (before[s - 1] if s else 0.0)
            if s > 1 and label != 0 and label != states[s - 2]:
                total += before[s - 2]
            alpha[s] = total * p[label]
    return alpha[-2:].sum()
    ### END SOLUTION


# %% inputs="ctc_probability"
rng = np.random.default_rng(4)
inputs = [
    Case("the example", (np.array([[0.6, 0.4], [0.6, 0.4]]), [1])),
    Case("two labels in five frames", (rng.dirichlet(np.ones(3), 5), [1, 2])),
    Case("a double letter", (rng.dirichlet(np.ones(3), 5), [2, 2])),
    Case("too long to fit", (rng.dirichlet(np.ones(3), 2), [1, 2, 1])),
    Case("an empty text", (rng.dirichlet(np.ones(3), 3), [])),
]

# %% test="ctc_probability" points=4
check("ctc_probability", ctc_probability)
### BEGIN HIDDEN TESTS
from itertools import groupby, product

from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for frames, classes in [(1, 2), (4, 3), (6, 3), (5, 4)]:
    table, sums = rng.dirichlet(np.ones(classes), frames), {}
    for path in product(range(classes), repeat=frames):
        text = tuple(label for label, _ in groupby(path) if label)
        weight = np.prod([table[t, c] for t, c in enumerate(path)])
        sums[text] = sums.get(text, 0.0) + weight
    chosen = list(sums)[:: max(1, len(sums) // 8)]
    for text in chosen:
        got = ctc_probability(table, list(text))
        assert_close(float(got), float(sums[text]), what=f"text {list(text)} in {frames} frames")
    got = ctc_probability(table, [1] * frames + [1])
    assert_close(float(got), 0.0, what=f"{frames + 1} labels in {frames} frames")
### END HIDDEN TESTS

# %% [markdown]
# An experiment: all texts over two labels that fit into four frames, and how probable each is where
# every class has one third. Short texts have more paths, so an untrained network prefers them.


# %%
@picture
def _():
    even = np.full((4, 3), 1 / 3)
    texts = [[], [1], [1, 2], [1, 1], [1, 2, 1], [1, 1, 2], [1, 2, 1, 2]]
    plt.barh([str(text) for text in texts], [ctc_probability(even, text) for text in texts])
    plt.xlabel("probability")
    plt.gca().invert_yaxis()


# %% [markdown] task="word_error_rate" minutes=15
# ## 6. How wrong is it?
#
# The word error rate: the fewest words to substitute, delete or insert that turn what was heard
# into what was said, divided by the number of words that were said.
#
# $$D_{ij} = \min\bigl(D_{i-1,j} + 1,\; D_{i,j-1} + 1,\; D_{i-1,j-1} + [a_i \ne b_j]\bigr)$$


# %% solution="word_error_rate"
def word_error_rate(said, heard):
    """Errors for each word that was said.

    said  : a string with at least one word, words with spaces between.
    heard : a string, which may be empty.
    Returns a number; 0 is perfect, and it may exceed 1.

    Example: "press one" heard as "press two now" has a substitution and an insertion for two words;

        word_error_rate("press one", "press two now") returns 1.0.

    Hints
    1. `text.split()` gives the words.
    2. The table has a row more than there are words said, and a column more than words heard: the
       first ones compare with nothing. What do they hold?
    3. Divide by the words *said*.
    """
    ### BEGIN SOLUTION
    a, b = said.split(), heard.split()
    table = np.zeros((len(a) + 1, len(b) + 1))
    table[:, 0], table[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i, left in enumerate(a, 1):
        for j, right in enumerate(b, 1):
            ways = table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (left != right)
            table[i, j] = min(ways)
    return float(table[-1, -1] / len(a))
    ### END SOLUTION


# %% inputs="word_error_rate"
inputs = [
    Case("the example", ("press one", "press two now")),
    Case("perfect", ("agent logged in", "agent logged in")),
    Case("a word missing", ("is now in the conference", "is in the conference")),
    Case("a word too many at the start", ("thank you", "i thank you")),
    Case("nothing heard", ("one moment please", "")),
    Case("babble", ("yes", "y e s s s")),
    Case("swapped", ("one two three", "two one three")),
]

# %% test="word_error_rate" points=3
check("word_error_rate", word_error_rate)
### BEGIN HIDDEN TESTS
from functools import lru_cache

from autograder.checks import assert_close, fresh_rng


def fewest(a, b):
    @lru_cache(None)
    def distance(i, j):
        if not i or not j:
            return i + j
        same = distance(i - 1, j - 1) + (a[i - 1] != b[j - 1])
        return min(same, distance(i - 1, j) + 1, distance(i, j - 1) + 1)

    return distance(len(a), len(b))


rng = fresh_rng()
for longest in [1, 3, 6, 10]:
    for _ in range(4):
        first, second = (
            tuple(str(w) for w in rng.choice(["one", "two", "three", "a"], n))
            for n in (rng.integers(1, longest + 1), rng.integers(0, longest + 1))
        )
        expected = fewest(first, second) / len(first)
        got = word_error_rate(" ".join(first), " ".join(second))
        assert_close(float(got), expected, what=f"{first} heard as {second}")
### END HIDDEN TESTS

# %% [markdown] task="batch_loss" minutes=15
# ## 7. The loss of a batch, in PyTorch
#
# `nn.functional.ctc_loss` is exact, fast and easy to feed with the wrong thing. It wants
# **log-probabilities**, the shape **(frames, batch, classes)**, targets in a padded table, and the
# true length of each sound and of each text.


# %% solution="batch_loss"
def batch_loss(logits, frames, texts):
    """The mean CTC loss of a batch of ragged sounds.

    logits : tensor (N, T, C), what an nn.Module says; class 0 is the blank.
    frames : list of N whole numbers, how many of the T frames belong to each sound.
    texts  : list of N lists of labels, of different lengths, none empty.
    Returns a tensor with one number: the loss of each sound divided by the length of its text, and
    these averaged. Gradients flow to the logits.

    Example: for logits of zeros, three classes, two frames and the text [1], it is -ln(3 / 9):
    three of nine paths say 1.

    Hints
    1. `log_softmax` over the classes, then `transpose` or `permute`.
    2. `nn.utils.rnn.pad_sequence(list_of_tensors, batch_first=True)` makes the table.
    3. reduction="mean", the default, already divides by the lengths of the texts.
    4. Make the tensors on `logits.device`.
    """
    ### BEGIN SOLUTION
    log_probs = logits.log_softmax(2).transpose(0, 1)
    rows = [torch.tensor(text, device=logits.device) for text in texts]
    targets = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    sizes = torch.tensor([len(text) for text in texts])
    return nn.functional.ctc_loss(log_probs, targets, torch.tensor(frames), sizes)
    ### END SOLUTION


# %%
# Given: how your function is tried out, once you have written it.


def try_batch_loss(logits, frames, texts):
    """Your loss, and its gradient in the logits."""
    logits = logits.clone().requires_grad_()
    loss = batch_loss(logits, frames, texts)
    loss.backward()
    return {"loss": float(loss.detach()), "gradient": logits.grad.numpy()}


# %% inputs="batch_loss"
rng = np.random.default_rng(7)


def trial(name, frames, texts, classes=4):
    """Random logits for these sounds and texts."""
    shape = len(frames), max(frames), classes
    return Case(name, (torch.tensor(np.round(2 * rng.normal(size=shape), 2)), frames, texts))


inputs = [
    Case("the example", (torch.zeros(1, 2, 3, dtype=torch.float64), [2], [[1]])),
    trial("equally long", [5, 5, 5], [[1, 2], [3, 1], [2, 2]]),
    trial("ragged sounds", [7, 4, 5], [[1, 2], [3, 1], [2, 3]]),
    trial("ragged texts", [6, 6], [[1, 2, 3], [2]]),
    trial("both", [8, 5, 6], [[1, 2, 2], [3], [2, 1]]),
]

# %% test="batch_loss" points=3
check("batch_loss", try_batch_loss)
### BEGIN HIDDEN TESTS
from autograder.checks import assert_close, fresh_rng

rng = fresh_rng()
for count, classes in [(1, 3), (2, 4), (4, 6), (5, 3)]:
    lengths = [int(n) for n in rng.integers(1, 4, count)]
    frames = [int(2 * n + rng.integers(1, 4)) for n in lengths]
    texts = [rng.integers(1, classes, n).tolist() for n in lengths]
    logits = torch.tensor(rng.normal(size=(count, max(frames), classes)))
    got = try_batch_loss(logits, frames, texts)
    x, total = logits.clone().requires_grad_(), 0.0
    for row, t, text in zip(x, frames, texts, strict=True):  # one sound at a time
        log_probs = row[:t].log_softmax(1)[:, None]
        sizes = torch.tensor([t]), torch.tensor([len(text)])
        one = nn.functional.ctc_loss(log_probs, torch.tensor([text]), *sizes, reduction="sum")
        total = total + one / len(text) / count
    total.backward()
    assert_close(got["loss"], float(total.detach()), what=f"loss of {count} sounds")
    assert_close(np.asarray(got["gradient"]), x.grad.numpy(), what=f"gradient of {count} sounds")
### END HIDDEN TESTS

# %% [markdown]
# The experiment: nobody says *when* the labels come, and still gradient descent on your loss finds
# a network's answer that spells them.


# %%
# Given: how your function is tried out.


def learn(text, frames, seed):
    """Logits that learn one text by your loss; the best path at the end."""
    torch.manual_seed(seed)
    logits = torch.randn(1, frames, 5, dtype=torch.float64).requires_grad_()
    optimizer = torch.optim.Adam([logits], 0.3)
    for _ in range(80):
        optimizer.zero_grad()
        batch_loss(logits, [frames], [text]).backward()
        optimizer.step()
    return logits[0].argmax(1).tolist()


# %% test="batch_loss-learn" points=1
from itertools import groupby

path = learn([3, 1, 1, 4], 12, 0)
spelled = [label for label, _ in groupby(path) if label]
assert spelled == [3, 1, 1, 4], f"expected a path that spells [3, 1, 1, 4], got {path}"
print("learned path:", path)
### BEGIN HIDDEN TESTS
for seed, text in ((1, [2, 2]), (2, [4, 3, 2, 1])):
    path = learn(text, 14, seed)
    spelled = [label for label, _ in groupby(path) if label]
    assert spelled == text, f"other texts: expected {text}, got {path}"
### END HIDDEN TESTS

# %% [markdown]
# ## 8. What does the number promise?
#
# A start-up trains a recognizer on ten hours of one speaker, cuts every recording into clips of
# two seconds, draws a random tenth of the clips for testing and reports a word error rate of 4 %.
# Its first customer, a call center, measures 40 %.
#
# Explain in about 120 words:
#
# - Which part of the gap comes from *who* was recorded, and which from *how the clips were split*?
# - How would you split these recordings, and what would you record besides?
# - Which numbers would you report, and of what?

# %% [markdown] manual="promise" points=3 minutes=15
# One speaker: the network learned one voice, one microphone, one room. The callers have others.
# That is a mismatch between test and use which no split of these recordings can show.
#
# Clips of one recording lie on both sides of the split. Neighbors share a sentence, the noise and
# even halves of words, so the test looks easier than new sentences of the same speaker would be.
# Cut by recording, and keep equal sentences together.
#
# Record many callers over the telephone, with its noise, and split by speaker; keep one test set of
# the call center's own calls. Report the word error rate on it, per speaker, with an interval, and
# beside it the rate on training data, so that bias, variance and mismatch can be told apart.
#
# **Rubric**
#
# - 1 point: names the mismatch of speaker or channel, and says that no split of one speaker's
#   recordings can show it.
# - 1 point: names the leak between neighboring clips, its direction, and a split by recording,
#   sentence or speaker. Half without the direction.
# - 1 point: a test set of the use, several speakers, and a number with its spread or per speaker.
#   Half for only one of these.
