"""Wrong answers that students really give, one function each; its docstring is the hint they see.

A misconception has the signature of the task's function. `autograder` records what it returns on
the visible inputs and recognizes it there.
"""

import numpy as np
import torch
from torch import nn

from autograder.misconceptions import misconception

# --- 1. spectrogram ------------------------------------------------------------------------------


def _frames(x, size, hop, last=1):
    starts = np.arange(0, len(x) - size + last, hop)
    return x[starts[:, None] + np.arange(size)]


@misconception("spectrogram")
def magnitude(x, window, hop):
    """You return the absolute value of the transform. Power is its square."""
    return np.abs(np.fft.rfft(_frames(x, len(window), hop) * window, axis=1).T)


@misconception("spectrogram")
def no_window(x, window, hop):
    """The frames are cut out with scissors: the window is not applied. Multiply each frame by it
    before the transform."""
    return np.abs(np.fft.rfft(_frames(x, len(window), hop), axis=1).T) ** 2


@misconception("spectrogram")
def frames_as_rows(x, window, hop):
    """Your picture lies on its side: rows are frames. Rows shall be frequencies, columns frames."""
    return np.abs(np.fft.rfft(_frames(x, len(window), hop) * window, axis=1)) ** 2


@misconception("spectrogram")
def last_frame_lost(x, window, hop):
    """A frame that ends exactly with the sound is missing. The last start is T - N, and a range
    excludes its end."""
    return np.abs(np.fft.rfft(_frames(x, len(window), hop, 0) * window, axis=1).T) ** 2


@misconception("spectrogram")
def all_frequencies(x, window, hop):
    """You return N rows. The upper half mirrors the lower, for the sound is real: use
    `np.fft.rfft`, which gives N // 2 + 1."""
    return np.abs(np.fft.fft(_frames(x, len(window), hop) * window, axis=1).T) ** 2


# --- 2. mel_filters ------------------------------------------------------------------------------


def _triangles(freqs, points):
    left, center, right = points[:-2], points[1:-1], points[2:]
    up = (freqs[:, None] - left) / (center - left)
    return np.maximum(0.0, np.minimum(up, (right - freqs[:, None]) / (right - center)))


def _mel(f):
    return 2595 * np.log10(1 + np.asarray(f) / 700)


def _hz(m):
    return 700 * (10 ** (m / 2595) - 1)


@misconception("mel_filters")
def even_in_hz(freqs, n_mels, f_min, f_max):
    """Your centers are evenly spaced in Hz, so that all triangles are equally wide. Space them
    evenly in mel, and turn these points back into Hz."""
    return _triangles(freqs, np.linspace(f_min, f_max, n_mels + 2))


@misconception("mel_filters")
def the_other_mel_scale(freqs, n_mels, f_min, f_max):
    """Your scale is Slaney's, linear up to 1 kHz. Two are in use; the task names HTK's, which is
    2595 log10(1 + f / 700) everywhere."""
    from book.speech.reference import mel_filterbank

    return mel_filterbank(freqs, n_mels, f_min, f_max, mel_scale="slaney")


@misconception("mel_filters")
def equal_areas(freqs, n_mels, f_min, f_max):
    """Your triangles have equal areas. That is the `norm="slaney"` of librosa; here each has a
    height of 1."""
    points = _hz(np.linspace(_mel(f_min), _mel(f_max), n_mels + 2))
    return _triangles(freqs, points) * 2 / (points[2:] - points[:-2])


@misconception("mel_filters")
def straight_in_mel(freqs, n_mels, f_min, f_max):
    """Your triangles have straight sides in mel, not in Hz. The points are spaced in mel; the
    triangles are drawn over the frequencies in Hz."""
    return _triangles(_mel(freqs), np.linspace(_mel(f_min), _mel(f_max), n_mels + 2))


@misconception("mel_filters")
def bands_as_rows(freqs, n_mels, f_min, f_max):
    """Your matrix is turned over: asked for is (F, M), a row for each frequency."""
    return _triangles(freqs, _hz(np.linspace(_mel(f_min), _mel(f_max), n_mels + 2))).T


# --- 3. mask -------------------------------------------------------------------------------------


@misconception("mask")
def hidden_with_zeros(image, f0, f, t0, t):
    """The hidden places hold 0. Asked for is the mean of the picture: in a log spectrogram 0 may be
    the loudest value of all."""
    hidden = image.copy()
    hidden[f0 : f0 + f], hidden[:, t0 : t0 + t] = 0.0, 0.0
    return hidden


@misconception("mask")
def only_where_they_cross(image, f0, f, t0, t):
    """Only the rectangle where the band and the stretch cross is hidden. Each mask goes through the
    whole picture: all frames of the rows, all rows of the columns."""
    hidden = image.copy()
    hidden[f0 : f0 + f, t0 : t0 + t] = image.mean()
    return hidden


@misconception("mask")
def rows_and_columns_swapped(image, f0, f, t0, t):
    """Rows and columns are swapped: frequencies are the rows, times the columns."""
    hidden = image.copy()
    hidden[t0 : t0 + t], hidden[:, f0 : f0 + f] = image.mean(), image.mean()
    return hidden


@misconception("mask")
def ends_for_widths(image, f0, f, t0, t):
    """You took f and t as ends. They are widths: the band ends before row f0 + f."""
    hidden = image.copy()
    hidden[f0:f], hidden[:, t0:t] = image.mean(), image.mean()
    return hidden


@misconception("mask")
def mean_of_what_is_left(image, f0, f, t0, t):
    """Your second mean is that of a picture in which something is hidden already. Compute the mean
    of the whole picture once, before you hide anything."""
    hidden = image.copy()
    hidden[f0 : f0 + f] = 0.0
    hidden[f0 : f0 + f] = hidden.mean()
    hidden[:, t0 : t0 + t] = hidden.mean()
    return hidden


# --- 4. collapse ---------------------------------------------------------------------------------


def _merged(path):
    return [int(c) for i, c in enumerate(path) if i == 0 or c != path[i - 1]]


@misconception("greedy")
def blanks_first(log_probs):
    """You drop the blanks before you merge, so a double letter is lost: 1, 0, 1 becomes 1. Merge
    first; keeping equal letters apart is what the blank is for."""
    path = log_probs.argmax(axis=1)
    return _merged(path[path != 0].tolist())


@misconception("greedy")
def nothing_merged(log_probs):
    """Equal neighbors are not merged. A letter lasts several frames, and each would be written."""
    path = log_probs.argmax(axis=1)
    return path[path != 0].tolist()


@misconception("greedy")
def blanks_kept(log_probs):
    """The blanks, 0, still stand in the text. They go, after merging."""
    return _merged(log_probs.argmax(axis=1).tolist())


@misconception("greedy")
def each_label_once(log_probs):
    """Each label occurs only once in your text. A letter may come back: only equal *neighbors*
    merge."""
    path = log_probs.argmax(axis=1)
    return [c for c in dict.fromkeys(path.tolist()) if c]


# --- 5. ctc --------------------------------------------------------------------------------------


def _forward(probs, states, jump, join=sum, ends=2):
    alpha = np.zeros(len(states))
    alpha[:2] = probs[0, states[:2]]
    for p in probs[1:]:
        before, alpha = alpha, np.zeros(len(states))
        for s, label in enumerate(states):
            ways = [before[s]] + ([before[s - 1]] if s else [])
            if s > 1 and jump(label, states[s - 2]):
                ways.append(before[s - 2])
            alpha[s] = join(ways) * p[label]
    return join(alpha[-ends:])


def _extended(target):
    return [0] + [part for label in target for part in (label, 0)]


def _right(label, two_before):
    return label not in (0, two_before)


@misconception("ctc_probability")
def jumps_everywhere(probs, target):
    """You jump over the blank between equal letters too, or from blank to blank. Then "ll" could be
    said without a pause, and would collapse to "l"; and a letter could be left out."""
    return _forward(probs, _extended(target), lambda label, two_before: True)


@misconception("ctc_probability")
def jumps_between_equal_labels(probs, target):
    """You jump over the blank between two equal letters. Such a path collapses to one letter."""
    return _forward(probs, _extended(target), lambda label, two_before: label != 0)


@misconception("ctc_probability")
def no_jumps(probs, target):
    """You never jump over a blank. Between *different* letters it is optional."""
    return _forward(probs, _extended(target), lambda label, two_before: False)


@misconception("ctc_probability")
def best_path_only(probs, target):
    """You take the largest of the ways, which gives the best single path (Viterbi). The probability
    of the text is the sum."""
    return _forward(probs, _extended(target), _right, max)


@misconception("ctc_probability")
def ends_in_a_blank(probs, target):
    """You read the last state only, the final blank. A path may as well end in the last letter: add
    the last two."""
    return _forward(probs, _extended(target), _right, sum, 1)


# --- 6. word_error_rate --------------------------------------------------------------------------


def _distance(a, b, substitution=1):
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        corner, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            best = min(row[j] + 1, row[j - 1] + 1, corner + substitution * (left != right))
            corner, row[j] = row[j], best
    return row[-1]


@misconception("word_error_rate")
def divided_by_heard(said, heard):
    """You divide by the words that were heard. The rate is per word *said*; else babbling would
    make it better."""
    return _distance(said.split(), heard.split()) / max(1, len(heard.split()))


@misconception("word_error_rate")
def by_characters(said, heard):
    """You compare characters. That is the character error rate; split the texts into words."""
    return _distance(said, heard) / len(said)


@misconception("word_error_rate")
def place_by_place(said, heard):
    """You compare the words place by place. One word missing at the start then makes all others
    wrong. The table finds the fewest changes."""
    a, b = said.split(), heard.split()
    same = sum(x == y for x, y in zip(a, b, strict=False))
    return (max(len(a), len(b)) - same) / len(a)


@misconception("word_error_rate")
def substitution_costs_two(said, heard):
    """A substitution counts two in your table, as a deletion and an insertion. It counts one."""
    return _distance(said.split(), heard.split(), 2) / len(said.split())


@misconception("word_error_rate")
def at_most_one(said, heard):
    """You limit the rate to 1. Who hears more words than were said can be worse than that, and the
    number should show it."""
    return min(1.0, _distance(said.split(), heard.split()) / len(said.split()))


# --- 7. batch_loss -------------------------------------------------------------------------------


def _parts(frames, texts):
    table = nn.utils.rnn.pad_sequence([torch.tensor(text) for text in texts], batch_first=True)
    return table, torch.tensor(frames), torch.tensor([len(text) for text in texts])


@misconception("batch_loss")
def softmax_over_time(logits, frames, texts):
    """You normalize over the frames. The classes of each frame must add up to 1: softmax over the
    last axis."""
    log_probs = logits.log_softmax(1).transpose(0, 1)
    return nn.functional.ctc_loss(log_probs, *_parts(frames, texts))


@misconception("batch_loss")
def without_log_softmax(logits, frames, texts):
    """You pass the logits as they are. `ctc_loss` takes log-probabilities and does not check: apply
    `log_softmax` over the classes first."""
    return nn.functional.ctc_loss(logits.transpose(0, 1), *_parts(frames, texts))


@misconception("batch_loss")
def all_frames_for_all(logits, frames, texts):
    """Every sound is taken as long as the longest. The padding behind the short ones is then heard
    as speech: pass the true number of frames."""
    log_probs = logits.log_softmax(2).transpose(0, 1)
    return nn.functional.ctc_loss(log_probs, *_parts([logits.shape[1]] * len(frames), texts))


@misconception("batch_loss")
def not_divided_by_lengths(logits, frames, texts):
    """Your loss is the mean over the sounds, but each is not divided by the length of its text.
    Long sentences then weigh more; `reduction="mean"` does both."""
    log_probs = logits.log_softmax(2).transpose(0, 1)
    loss = nn.functional.ctc_loss(log_probs, *_parts(frames, texts), reduction="none")
    return loss.mean()


@misconception("batch_loss")
def summed(logits, frames, texts):
    """You return the sum of the losses. Asked for is an average, so that the size of a batch does
    not change the learning rate."""
    log_probs = logits.log_softmax(2).transpose(0, 1)
    return nn.functional.ctc_loss(log_probs, *_parts(frames, texts), reduction="sum")
