"""Speech in NumPy: from samples to a mel spectrogram, and from log-probabilities to text.

Time is the last axis of a waveform (..., samples) and of a spectrogram (..., bins, frames); all
axes before are batch. CTC follows PyTorch: (frames, batch, classes). Names, arguments and defaults
are those of torch, torchaudio or librosa where one of them has the function. Features are the
input of a network, so only the CTC loss has a gradient.
"""

from math import ceil, gcd
from numbers import Integral, Real

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from book.speech.audio import (
    character_error_rate,
    character_vocabulary,
    count_alignments,
    decode_text,
    encode_text,
    load_wav,
    word_error_rate,
)

__all__ = [
    "load_wav", "to_mono", "pad_or_trim", "resample", "gain", "add_noise", "time_shift", "speed",
    "stft", "istft", "spectral_gate", "spectrogram",
    "hz_to_mel", "mel_to_hz", "mel_filterbank", "mel_spectrogram", "power_to_db",
    "dct", "lifter", "mfcc", "compute_deltas", "spec_augment",
    "character_vocabulary", "encode_text", "decode_text",
    "count_alignments", "ctc_loss", "ctc_align", "ctc_greedy_decode", "ctc_beam_search",
    "edit_distance", "word_error_rate", "character_error_rate",
]  # fmt: skip


# --- what the functions share


def _real(values, name, ndim=0):
    """`values` as float64; TypeError unless real, ValueError with fewer than `ndim` axes."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got an array of dtype {array.dtype}")
    if array.ndim < ndim:
        raise ValueError(f"{name}: expected at least {ndim} axes, got shape {array.shape}")
    return array.astype(np.float64)


def _whole(value, name, least=1):
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name}: expected a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")
    return int(value)


def _number(value, name, least=-np.inf):
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    if not least <= value < np.inf:
        raise ValueError(f"{name}: expected a finite number from {least} on, got {value}")
    return float(value)


def _axis(dim, ndim):
    if not isinstance(dim, Integral) or not -ndim <= dim < ndim:
        raise ValueError(f"dim: expected one of {ndim} axes, got {dim!r}")
    return int(dim) % ndim


# --- waveforms


def to_mono(waveform):
    r"""One channel, the mean of all: $y_t = \frac{1}{C} \sum_c x_{ct}$.

    Shapes: waveform (..., C, T); result (..., 1, T).
    Raises: TypeError if waveform is not real; ValueError with fewer than two axes or no channel.
    Source: document 001 (convert all items to the same number of channels).
    """
    waveform = _real(waveform, "waveform", 2)
    if waveform.shape[-2] == 0:
        raise ValueError(f"waveform: expected at least one channel, got shape {waveform.shape}")
    return waveform.mean(axis=-2, keepdims=True)


def pad_or_trim(waveform, length, dim=-1):
    """Exactly `length` values along `dim`: the end is cut off, or zeros are put behind it.

    Shapes: waveform (..., T, ...); result (..., length, ...).
    Raises: TypeError if waveform is not real or length not whole; ValueError if length is negative
    or there is no such axis.
    Source: document 001 (padding the shorter sequences or truncating the longer sequences).
    """
    waveform, length = _real(waveform, "waveform", 1), _whole(length, "length", 0)
    dim = _axis(dim, waveform.ndim)
    cut = np.take(waveform, range(min(length, waveform.shape[dim])), axis=dim)
    pad = [(0, length - cut.shape[dim] if axis == dim else 0) for axis in range(cut.ndim)]
    return np.pad(cut, pad)


def _sinc_kernels(orig, new, lowpass_filter_width, rolloff):
    """One low-pass filter for each of the `new` places between two samples: (new, width)."""
    base = min(orig, new) * rolloff  # twice the cutoff, in samples per period
    reach = ceil(lowpass_filter_width * orig / base)
    t = np.arange(-reach, reach + orig) / orig - np.arange(new)[:, None] / new
    t = (t * base).clip(-lowpass_filter_width, lowpass_filter_width)
    window = np.cos(t * np.pi / lowpass_filter_width / 2) ** 2
    return np.sinc(t) * window * (base / orig), reach


def resample(waveform, orig_freq, new_freq, lowpass_filter_width=6, rolloff=0.99):
    r"""The sound at another rate: $y_m = \sum_k x_k\, h(k / f_{old} - m / f_{new})$ with the
    low-pass $h$ a sinc cut off at rolloff times half the lower rate, under a Hann window.

    Shapes: waveform (..., T); rates whole; result (..., ceil(T new_freq / orig_freq)).
    Raises: TypeError if waveform is not real or a rate not whole; ValueError if a rate or
    lowpass_filter_width is below 1 or rolloff not in (0, 1].
    Source: document 001 (resample); Smith 2002, Digital Audio Resampling; torchaudio.
    """
    waveform = _real(waveform, "waveform", 1)
    orig, new = _whole(orig_freq, "orig_freq"), _whole(new_freq, "new_freq")
    width, rolloff = _whole(lowpass_filter_width, "lowpass_filter_width"), _rolloff(rolloff)
    orig, new = orig // gcd(orig, new), new // gcd(orig, new)
    if orig == new:
        return waveform
    kernels, reach = _sinc_kernels(orig, new, width, rolloff)
    length = waveform.shape[-1]
    padded = np.pad(waveform, [(0, 0)] * (waveform.ndim - 1) + [(reach, reach + orig)])
    frames = sliding_window_view(padded, kernels.shape[1], axis=-1)[..., ::orig, :]
    between = frames @ kernels.T  # (..., about T / orig, new)
    flat = between.reshape(*waveform.shape[:-1], between.shape[-2] * new)
    return flat[..., : ceil(new * length / orig)]


def _rolloff(rolloff):
    if not 0 < _number(rolloff, "rolloff") <= 1:
        raise ValueError(f"rolloff: expected a number in (0, 1], got {rolloff}")
    return float(rolloff)


def gain(waveform, gain_db=1.0):
    r"""Louder or softer: $y = 10^{g / 20} x$ with $g$ in decibels.

    Shapes: waveform (*); gain_db a number; result as waveform.
    Raises: TypeError if waveform or gain_db is not real; ValueError if gain_db is not finite.
    Source: document 001 (data augmentation of raw audio); torchaudio.functional.gain.
    """
    return _real(waveform, "waveform") * 10 ** (_number(gain_db, "gain_db") / 20)


def add_noise(waveform, noise, snr):
    r"""$y = x + \sqrt{E_x / (E_n 10^{s/10})}\; n$: noise with a signal-to-noise ratio of $s$
    decibels, where $E = \sum_t x_t^2$.

    Shapes: waveform and noise (..., T); snr (...), or one number for all; result as waveform.
    Raises: TypeError if one of them is not real; ValueError if shapes differ, noise is silent or
    snr does not have the shape of the batch.
    Source: document 001 (data augmentation of raw audio); torchaudio.functional.add_noise.
    """
    waveform, noise = _real(waveform, "waveform", 1), _real(noise, "noise", 1)
    snr = _real(snr, "snr")
    if waveform.shape != noise.shape:
        raise ValueError(f"noise: expected shape {waveform.shape}, got {noise.shape}")
    if snr.shape not in ((), waveform.shape[:-1]):
        raise ValueError(f"snr: expected shape {waveform.shape[:-1]} or (), got {snr.shape}")
    energy, noise_energy = ((x**2).sum(axis=-1) for x in (waveform, noise))
    if waveform.shape[-1] and (noise_energy == 0).any():
        raise ValueError("noise: expected a sound, got silence")
    scale = np.sqrt(energy / np.maximum(noise_energy, 1e-300)) * 10 ** (-snr / 20)
    return waveform + scale[..., None] * noise


def time_shift(waveform, shift):
    """Later by `shift` samples, earlier if negative; zeros enter, and what leaves is lost.

    Shapes: waveform (..., T); result as waveform.
    Raises: TypeError if waveform is not real or shift not whole; ValueError without an axis.
    Source: document 001 (data augmentation of raw audio).
    """
    waveform = _real(waveform, "waveform", 1)
    shift = _whole(shift, "shift", -np.inf)
    shifted, length = np.zeros_like(waveform), waveform.shape[-1]
    if abs(shift) < length:
        to, start = max(shift, 0), max(-shift, 0)
        shifted[..., to : length - start] = waveform[..., start : length - to]
    return shifted


def speed(waveform, orig_freq, factor):
    r"""Played `factor` times as fast, pitch and all: $y(t) = x(\text{factor} \cdot t)$.

    The sound is said to have the rate round(factor orig_freq) and resampled to orig_freq.

    Shapes: waveform (..., T); result (..., about T / factor).
    Raises: TypeError if waveform is not real, orig_freq not whole or factor no number; ValueError
    if orig_freq or the new rate is below 1.
    Source: Ko, Peddinti, Povey and Khudanpur 2015; torchaudio.functional.speed.
    """
    orig_freq = _whole(orig_freq, "orig_freq")
    rate = round(_number(factor, "factor", 0) * orig_freq)
    if rate < 1:
        raise ValueError(f"factor: expected one that keeps a rate of at least 1, got {factor}")
    return resample(waveform, rate, orig_freq)


# --- spectra


def _hann(length):
    """A Hann window of one period: $w_i = \\sin^2(\\pi i / N)$."""
    return np.sin(np.pi * np.arange(length) / length) ** 2


def _window(window, win_length, n_fft):
    """The window (n_fft,), padded on both sides if it is shorter, and its length."""
    n_fft = _whole(n_fft, "n_fft")
    win_length = n_fft if win_length is None else _whole(win_length, "win_length")
    if win_length > n_fft:
        raise ValueError(f"win_length: expected at most n_fft={n_fft}, got {win_length}")
    window = np.ones(win_length) if window is None else _real(window, "window")
    if window.shape != (win_length,):
        raise ValueError(f"window: expected shape ({win_length},), got {window.shape}")
    left = (n_fft - win_length) // 2
    return np.pad(window, (left, n_fft - win_length - left))


def _hop(hop_length, n_fft):
    return max(1, n_fft // 4) if hop_length is None else _whole(hop_length, "hop_length")


_PAD = {"reflect": "reflect", "constant": "constant"}


def stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True,
         pad_mode="reflect", return_complex=True):  # fmt: skip
    r"""$X_{kt} = \sum_{i=0}^{N-1} w_i\, x_{tH+i}\, e^{-2\pi\mathrm{i}\,ki/N}$: the spectrum of each
    frame under a window.

    center puts frame t around sample tH by padding both ends; without window all weights are 1;
    hop_length is n_fft // 4 unless given.

    Shapes: input (..., T); window (win_length,); result (..., n_fft // 2 + 1, frames) complex, or
    without return_complex (..., n_fft // 2 + 1, frames, 2) with real and imaginary part.
    Raises: TypeError if input or window is not real or a length not whole; ValueError if a length
    is below 1, the window does not fit, pad_mode is unknown or the sound is too short.
    Source: document 001 (spectrograms); Allen and Rabiner 1977; torch.stft.
    """
    input, window = _real(input, "input", 1), _window(window, win_length, n_fft)
    hop = _hop(hop_length, n_fft)
    if pad_mode not in _PAD:
        raise ValueError(f"pad_mode: expected 'reflect' or 'constant', got {pad_mode!r}")
    shortest = n_fft if not center else n_fft // 2 + 1 if pad_mode == "reflect" else 1
    if input.shape[-1] < shortest:
        raise ValueError(f"input: expected at least {shortest} samples, got {input.shape[-1]}")
    if center:
        pad = [(0, 0)] * (input.ndim - 1) + [(n_fft // 2, n_fft // 2)]
        input = np.pad(input, pad, mode=_PAD[pad_mode])
    frames = sliding_window_view(input, n_fft, axis=-1)[..., ::hop, :]  # (..., frames, N)
    spectra = np.fft.rfft(frames * window, axis=-1).swapaxes(-1, -2)  # (..., bins, frames)
    return spectra if return_complex else np.stack([spectra.real, spectra.imag], axis=-1)


def istft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, length=None):
    r"""The sound of a spectrogram: frames are transformed back and added where they overlap,
    $x_s = \sum_t w_{s-tH}\, \hat x_{t,s-tH} \,/\, \sum_t w_{s-tH}^2$.

    Shapes: input (..., n_fft // 2 + 1, frames) complex or (..., n_fft // 2 + 1, frames, 2) real;
    window (win_length,); result (..., length), by default as far as the frames reach.
    Raises: TypeError if a length is not whole; ValueError if shapes do not fit, or the windows
    leave a sample uncovered.
    Source: Griffin and Lim 1984; torch.istft.
    """
    spectra, window = _spectra(input), _window(window, win_length, n_fft)
    hop = _hop(hop_length, n_fft)
    if spectra.shape[-2] != n_fft // 2 + 1:
        raise ValueError(f"input: expected {n_fft // 2 + 1} bins, got {spectra.shape[-2]}")
    frames = np.fft.irfft(spectra.swapaxes(-1, -2), n_fft, axis=-1) * window
    count = frames.shape[-2]
    sound = np.zeros((*frames.shape[:-2], n_fft + hop * (count - 1)))
    weight = np.zeros(sound.shape[-1])
    for t in range(count):
        sound[..., t * hop : t * hop + n_fft] += frames[..., t, :]
        weight[t * hop : t * hop + n_fft] += window**2
    start = n_fft // 2 if center else 0
    end = sound.shape[-1] - start if length is None else start + _whole(length, "length", 0)
    sound, weight = sound[..., start:end], weight[start:end]
    if (weight < 1e-11).any():
        raise ValueError("window: expected windows that cover every sample, got a gap")
    missing = end - start - sound.shape[-1]
    return np.pad(sound / weight, [(0, 0)] * (sound.ndim - 1) + [(0, missing)])


def _spectra(input):
    input = np.asarray(input)
    if input.dtype.kind == "f" and input.ndim > 2 and input.shape[-1] == 2:
        input = input[..., 0] + 1j * input[..., 1]
    if input.dtype.kind != "c" or input.ndim < 2 or input.shape[-1] == 0:
        raise ValueError(
            "input: expected complex (..., bins, frames) or real (..., bins, frames, 2), "
            f"got {input.dtype} {input.shape}"
        )
    return input


def spectral_gate(waveform, noise, n_fft=256, hop_length=None, strength=2.0, floor=0.1):
    r"""Noise reduction: each bin of each frame is multiplied by $1 - s \bar N_k / |X_{kt}|$, but
    by no less than `floor`, where $\bar N_k$ is the mean magnitude of bin $k$ in a stretch of noise
    alone and $s$ the strength.

    Shapes: waveform (..., T) and noise (S,), at least n_fft // 2 + 1 samples each; result as
    waveform.
    Raises: TypeError if one is not real or a length not whole; ValueError if one is too short,
    strength negative or floor not in [0, 1].
    Source: document 001 (a noise-removal algorithm); Boll 1979.
    """
    waveform, noise = _real(waveform, "waveform", 1), _real(noise, "noise", 1)
    strength, floor = _number(strength, "strength", 0), _number(floor, "floor", 0)
    if floor > 1:
        raise ValueError(f"floor: expected a number in [0, 1], got {floor}")
    if noise.ndim != 1:
        raise ValueError(f"noise: expected shape (S,), got {noise.shape}")
    window = _hann(_whole(n_fft, "n_fft", 2))
    spectra = stft(waveform, n_fft, hop_length, window=window)
    level = np.abs(stft(noise, n_fft, hop_length, window=window)).mean(axis=-1)
    share = strength * level[:, None] / np.maximum(np.abs(spectra), 1e-30)
    kept = spectra * np.maximum(1 - share, floor)
    return istft(kept, n_fft, hop_length, window=window, length=waveform.shape[-1])


def spectrogram(waveform, n_fft=400, hop_length=None, win_length=None, window=None, power=2.0,
                center=True, pad_mode="reflect"):  # fmt: skip
    r"""$|X_{kt}|^p$: how strong each frequency is at each time. Without window, a Hann window.

    Shapes: waveform (..., T); result (..., n_fft // 2 + 1, frames).
    Raises: TypeError if waveform or window is not real or a length not whole; ValueError as
    `stft`, or if power is not positive.
    Source: document 001 (spectrograms); torchaudio.functional.spectrogram.
    """
    if _number(power, "power", 0) == 0:
        raise ValueError(f"power: expected a positive number, got {power}")
    if window is None:
        window = _hann(_whole(n_fft if win_length is None else win_length, "win_length"))
    spectra = stft(waveform, n_fft, hop_length, win_length, window, center, pad_mode)
    return np.abs(spectra) ** power


# --- mel


def _scale(mel_scale):
    if mel_scale not in ("htk", "slaney"):
        raise ValueError(f"mel_scale: expected 'htk' or 'slaney', got {mel_scale!r}")
    return mel_scale == "htk"


# Slaney: 3 mel for each 200 Hz up to 1 kHz, then 27 mel for each factor of 6.4.
_LINEAR, _BREAK, _LOG_STEP = 200 / 3, 1000.0, np.log(6.4) / 27


def hz_to_mel(frequencies, mel_scale="htk"):
    r"""Frequency as pitch is heard: $m = 2595 \log_{10}(1 + f / 700)$ (HTK); or $3 f / 200$ up to
    1 kHz and $15 + 27 \ln(f / 1000) / \ln 6.4$ above (Slaney).

    Shapes: frequencies (*) in Hz; result (*).
    Raises: TypeError if frequencies is not real; ValueError if one is negative or mel_scale is
    neither 'htk' nor 'slaney'.
    Source: document 001 (mel spectrogram); O'Shaughnessy 1987; Slaney 1998; librosa.hz_to_mel.
    """
    htk, frequencies = _scale(mel_scale), _real(frequencies, "frequencies")
    if (frequencies < 0).any():
        raise ValueError(f"frequencies: expected none below 0, got {frequencies.min()}")
    if htk:
        return 2595.0 * np.log10(1.0 + frequencies / 700.0)
    high = _BREAK / _LINEAR + np.log(np.maximum(frequencies, _BREAK) / _BREAK) / _LOG_STEP
    return np.where(frequencies < _BREAK, frequencies / _LINEAR, high)


def mel_to_hz(mels, mel_scale="htk"):
    r"""The way back: $f = 700 (10^{m / 2595} - 1)$ (HTK), or the inverse of Slaney's curve.

    Shapes: mels (*); result (*) in Hz.
    Raises: TypeError if mels is not real; ValueError if one is negative or mel_scale is neither
    'htk' nor 'slaney'.
    Source: O'Shaughnessy 1987; Slaney 1998; librosa.mel_to_hz.
    """
    htk, mels = _scale(mel_scale), _real(mels, "mels")
    if (mels < 0).any():
        raise ValueError(f"mels: expected none below 0, got {mels.min()}")
    if htk:
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    start = _BREAK / _LINEAR
    high = _BREAK * np.exp(_LOG_STEP * (np.maximum(mels, start) - start))
    return np.where(mels < start, mels * _LINEAR, high)


def _mel_edges(n_mels, f_min, f_max, norm, mel_scale):
    """n_mels + 2 frequencies, evenly spaced in mel: a left end, centers, a right end."""
    n_mels, f_min = _whole(n_mels, "n_mels"), _number(f_min, "f_min", 0)
    if norm not in (None, "slaney"):
        raise ValueError(f"norm: expected None or 'slaney', got {norm!r}")
    if not f_min < _number(f_max, "f_max"):
        raise ValueError(f"f_max: expected more than f_min={f_min}, got {f_max}")
    ends = hz_to_mel([f_min, f_max], mel_scale)
    return mel_to_hz(np.linspace(*ends, n_mels + 2), mel_scale)


def mel_filterbank(freqs, n_mels=40, f_min=0.0, f_max=None, norm=None, mel_scale="htk"):
    r"""Triangles that sum a spectrum into mel bands: band $m$ rises from 0 at $f_{m-1}$ to 1 at
    $f_m$ and falls to 0 at $f_{m+1}$, the $f_m$ evenly spaced in mel.

    norm='slaney' divides each by half its width in Hz, so that all have the same area.

    Shapes: freqs (F,), the frequencies of the bins in Hz; result (F, n_mels); f_max is the last
    frequency unless given.
    Raises: TypeError if freqs is not real or n_mels not whole; ValueError if freqs is not a row of
    frequencies, f_min is not below f_max, or norm or mel_scale is unknown.
    Source: document 001 (mel spectrogram); Davis and Mermelstein 1980;
    torchaudio.functional.melscale_fbanks.
    """
    freqs = _real(freqs, "freqs")
    if freqs.ndim != 1 or freqs.size == 0:
        raise ValueError(f"freqs: expected shape (F,) with F > 0, got {freqs.shape}")
    f_max = float(freqs[-1]) if f_max is None else f_max
    edges = _mel_edges(n_mels, f_min, f_max, norm, mel_scale)
    width, ramps = np.diff(edges), edges - freqs[:, None]  # (F, n_mels + 2)
    up, down = -ramps[:, :-2] / width[:-1], ramps[:, 2:] / width[1:]
    weights = np.maximum(0.0, np.minimum(up, down))
    return weights * (2.0 / (edges[2:] - edges[:-2])) if norm else weights


def mel_spectrogram(waveform, sample_rate, n_fft=400, hop_length=None, win_length=None, n_mels=40,
                    f_min=0.0, f_max=None, power=2.0, norm=None, mel_scale="htk"):  # fmt: skip
    r"""$M_{mt} = \sum_k W_{km} |X_{kt}|^p$: the spectrogram summed into mel bands.

    Shapes: waveform (..., T); result (..., n_mels, frames).
    Raises: TypeError if waveform is not real or a length not whole; ValueError as `spectrogram`
    and `mel_filterbank`, or if sample_rate is not positive.
    Source: document 001 (mel spectrogram); torchaudio.transforms.MelSpectrogram.
    """
    if _number(sample_rate, "sample_rate", 0) == 0:
        raise ValueError(f"sample_rate: expected a positive number, got {sample_rate}")
    spectra = spectrogram(waveform, n_fft, hop_length, win_length, power=power)
    freqs = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    bank = mel_filterbank(freqs, n_mels, f_min, f_max, norm, mel_scale)
    return bank.T @ spectra


def power_to_db(S, ref=1.0, amin=1e-10, top_db=80.0):
    r"""Decibels, $10 \log_{10}(\max(S, a) / \text{ref})$, at most top_db below the largest of each
    example.

    Shapes: S (*); the last two axes are one example; result as S.
    Raises: TypeError if S is not real; ValueError if ref or amin is not positive or top_db is
    negative.
    Source: document 001 (mel spectrogram); librosa.power_to_db.
    """
    S, ref, amin = _real(S, "S"), _number(ref, "ref"), _number(amin, "amin")
    if ref <= 0 or amin <= 0:
        raise ValueError(f"ref and amin: expected positive numbers, got {ref} and {amin}")
    db = 10.0 * np.log10(np.maximum(amin, S)) - 10.0 * np.log10(np.maximum(amin, ref))
    if top_db is None or not db.size:
        return db
    axes = tuple(range(max(0, db.ndim - 2), db.ndim))
    return np.maximum(db, db.max(axis=axes, keepdims=True) - _number(top_db, "top_db", 0))


# --- cepstra


def dct(input, n=None, dim=-2):
    r"""$c_j = s_j \sum_m x_m \cos(\pi j (2m + 1) / 2M)$, $s_0 = \sqrt{1/M}$, other
    $s_j = \sqrt{2/M}$: the orthonormal cosine transform; `n` keeps the first.

    Shapes: input (..., M, ...); result (..., n, ...).
    Raises: TypeError if input is not real or n not whole; ValueError if there is no such axis, it
    is empty, or n is not in 1..M.
    Source: document 001 (MFCC); Ahmed, Natarajan and Rao 1974; scipy.fft.dct(norm='ortho').
    """
    input = _real(input, "input", 1)
    dim = _axis(dim, input.ndim)
    size = input.shape[dim]
    n = _kept(n, size)
    matrix = np.cos(np.pi / size * np.outer(np.arange(n), np.arange(size) + 0.5))
    matrix *= np.where(np.arange(n) == 0, np.sqrt(1 / size), np.sqrt(2 / size))[:, None]
    return np.moveaxis(np.tensordot(matrix, input, axes=(1, dim)), 0, dim)


def _kept(n, size):
    """How many coefficients of `size` are kept."""
    n = size if n is None else _whole(n, "n")
    if not 1 <= n <= size:
        raise ValueError(f"n: expected 1 to {size} coefficients, as many as values, got {n}")
    return n


def lifter(input, lifter=22):
    r"""Weighs coefficient $j = 1, 2, \dots$ with $1 + \frac{L}{2} \sin(\pi j / L)$; 0 leaves all.

    Shapes: input (..., n_mfcc, frames); result as input.
    Raises: TypeError if input is not real; ValueError with fewer than two axes or if lifter is
    negative.
    Source: Juang, Rabiner and Wilpon 1987; librosa.feature.mfcc(lifter=L).
    """
    input, lifter = _real(input, "input", 2), _number(lifter, "lifter", 0)
    if lifter == 0:
        return input
    order = np.arange(1, 1 + input.shape[-2])
    return input * (1 + lifter / 2 * np.sin(np.pi * order / lifter))[:, None]


def mfcc(waveform, sample_rate, n_mfcc=13, n_fft=400, hop_length=None, win_length=None, n_mels=40,
         f_min=0.0, f_max=None, norm=None, mel_scale="htk", lifter=0):  # fmt: skip
    r"""Mel-frequency cepstral coefficients: the first n_mfcc of the cosine transform, over bands,
    of the mel spectrogram in decibels, weighed by `lifter`.

    Shapes: waveform (..., T); result (..., n_mfcc, frames).
    Raises: TypeError if waveform is not real or a length not whole; ValueError as
    `mel_spectrogram`, or if n_mfcc is not in 1..n_mels.
    Source: document 001 (MFCC); Davis and Mermelstein 1980; librosa.feature.mfcc.
    """
    mels = mel_spectrogram(waveform, sample_rate, n_fft, hop_length, win_length, n_mels, f_min,
                           f_max, norm=norm, mel_scale=mel_scale)  # fmt: skip
    return _lifter(dct(power_to_db(mels), n_mfcc), lifter)


_lifter = lifter  # the function; inside mfcc, `lifter` is its argument


def compute_deltas(specgram, win_length=5):
    r"""How fast a feature changes, the slope of a line through its neighbors:
    $d_t = \sum_{k=-K}^{K} k\, c_{t+k} / \sum_k k^2$, the ends repeated.

    Shapes: specgram (..., frames); win_length 2 K + 1; result as specgram.
    Raises: TypeError if specgram is not real; ValueError without an axis or if win_length is not
    odd and at least 3.
    Source: Furui 1986; torchaudio.functional.compute_deltas.
    """
    specgram, win_length = _real(specgram, "specgram", 1), _whole(win_length, "win_length", 3)
    if win_length % 2 == 0:
        raise ValueError(f"win_length: expected an odd number, got {win_length}")
    if specgram.size == 0:
        return specgram
    reach = win_length // 2
    pad = [(0, 0)] * (specgram.ndim - 1) + [(reach, reach)]
    frames = sliding_window_view(np.pad(specgram, pad, mode="edge"), win_length, axis=-1)
    steps = np.arange(-reach, reach + 1.0)
    return frames @ steps / (steps**2).sum()


def spec_augment(specgram, freq_mask_param=8, time_mask_param=20, num_freq_masks=1,
                 num_time_masks=1, value=0.0, draws=None, generator=None):  # fmt: skip
    r"""Hides bands of frequencies (horizontal) and stretches of time (vertical): a mask covers
    $\lfloor u (P + 1) \rfloor$ rows or frames of at most $P$, from
    $\lfloor v (\text{size} - \text{width} + 1) \rfloor$ on, with $u, v$ uniform.

    Shapes: specgram (N, bins, frames); draws (N, num_freq_masks + num_time_masks, 2) in [0, 1),
    those of frequency first, drawn from generator if None; result as specgram.
    Raises: TypeError if specgram is not real or a count not whole; ValueError if specgram has not
    three axes, a count is negative or draws does not fit.
    Source: document 001 (data augmentation of spectrograms); Park et al. 2019.
    """
    specgram = _real(specgram, "specgram", 3)
    if specgram.ndim != 3:
        raise ValueError(f"specgram: expected shape (N, bins, frames), got {specgram.shape}")
    plan = _mask_plan(freq_mask_param, time_mask_param, num_freq_masks, num_time_masks)
    shape = (len(specgram), sum(count for *_, count in plan), 2)
    if draws is None:
        draws = (generator or np.random.default_rng()).random(shape)
    draws = _real(draws, "draws")
    if draws.shape != shape:
        raise ValueError(f"draws: expected shape {shape}, got {draws.shape}")
    hidden, first = np.zeros(specgram.shape, dtype=bool), 0
    for axis, largest, count in plan:
        size = specgram.shape[axis]
        u, v = np.moveaxis(draws[:, first : first + count], -1, 0)  # (N, count) each
        width = np.floor(u * (min(largest, size) + 1))
        start = np.floor(v * (size - width + 1))
        place = np.arange(size)
        mask = (place >= start[..., None]) & (place < (start + width)[..., None])
        hidden |= mask.any(axis=1)[:, :, None] if axis == 1 else mask.any(axis=1)[:, None, :]
        first += count
    return np.where(hidden, _number(value, "value"), specgram)


def _mask_plan(freq_mask_param, time_mask_param, num_freq_masks, num_time_masks):
    """(axis, largest width, number of masks) for frequencies and for time."""
    sizes = {"freq_mask_param": freq_mask_param, "time_mask_param": time_mask_param,
             "num_freq_masks": num_freq_masks, "num_time_masks": num_time_masks}  # fmt: skip
    f, t, n_f, n_t = (_whole(value, name, 0) for name, value in sizes.items())
    return (1, f, n_f), (2, t, n_t)


# --- connectionist temporal classification


def _lengths(lengths, count, largest, name):
    """Whole numbers (count,) from 0 to `largest`; None stands for the largest everywhere."""
    array = np.full(count, largest) if lengths is None else np.asarray(lengths)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected whole numbers, got an array of dtype {array.dtype}")
    if array.shape != (count,):
        raise ValueError(f"{name}: expected shape ({count},), got {array.shape}")
    if count and not (array.min() >= 0 and array.max() <= largest):
        raise ValueError(f"{name}: expected lengths from 0 to {largest}, got {array.tolist()}")
    return array.astype(np.int64)


def _log_probs(log_probs, blank):
    log_probs = _real(log_probs, "log_probs", 3)
    if log_probs.ndim != 3:
        raise ValueError(f"log_probs: expected shape (T, N, C), got {log_probs.shape}")
    if not isinstance(blank, Integral) or not 0 <= blank < log_probs.shape[2]:
        raise ValueError(f"blank: expected a class below {log_probs.shape[2]}, got {blank!r}")
    return log_probs


def _targets(targets, target_lengths, count, classes, blank):
    """Targets (N, S) and their lengths; a class beyond a length is never looked at."""
    targets = np.asarray(targets)
    if targets.dtype.kind not in "iu":
        raise TypeError(f"targets: expected whole numbers, got an array of dtype {targets.dtype}")
    if targets.ndim != 2 or len(targets) != count:
        raise ValueError(f"targets: expected shape ({count}, S), got {targets.shape}")
    lengths = _lengths(target_lengths, count, targets.shape[1], "target_lengths")
    used = targets[np.arange(targets.shape[1]) < lengths[:, None]]
    if used.size and (used.min() < 0 or used.max() >= classes or (used == blank).any()):
        wrong = sorted({int(t) for t in used if not 0 <= t < classes or t == blank})
        raise ValueError(f"targets: expected classes 0..{classes - 1} but {blank}, got {wrong}")
    inside = np.arange(targets.shape[1]) < lengths[:, None]
    return np.where(inside, targets, blank).astype(np.int64), lengths


def _extend(targets, blank):
    """Blanks around each label, (N, 2 S + 1), and where a path may skip the blank before."""
    states = np.full((len(targets), 2 * targets.shape[1] + 1), blank)
    states[:, 1::2] = targets
    skip = np.zeros(states.shape, dtype=bool)
    skip[:, 2:] = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
    return states, skip


def _shifted(scores, by):
    """The scores of the states `by` places before, minus infinity at the start."""
    moved = np.full(scores.shape, -np.inf)
    moved[:, by:] = scores[:, : scores.shape[1] - by]
    return moved


def _forward(log_probs, states, skip):
    """log alpha (T, N, states): all ways to be in a state after each frame."""
    frames, count, _ = log_probs.shape
    emit = log_probs[:, np.arange(count)[:, None], states]  # (T, N, states)
    alpha = np.full(emit.shape, -np.inf)
    if frames:
        alpha[0, :, :2] = emit[0, :, :2]
    for t in range(1, frames):
        before = np.logaddexp(alpha[t - 1], _shifted(alpha[t - 1], 1))
        two = np.where(skip, _shifted(alpha[t - 1], 2), -np.inf)
        alpha[t] = np.logaddexp(before, two) + emit[t]
    return alpha, emit


def _nll(alpha, input_lengths, target_lengths):
    """Minus the log-probability of each target: its paths end in the last label or blank."""
    count = len(input_lengths)
    if not len(alpha):
        return np.where(target_lengths == 0, 0.0, np.inf)
    last = alpha[np.maximum(input_lengths, 1) - 1, np.arange(count)]  # (N, states)
    ends = np.stack([2 * target_lengths, np.maximum(2 * target_lengths - 1, 0)], axis=1)
    scores = np.take_along_axis(last, ends, axis=1)
    total = np.where(target_lengths > 0, np.logaddexp(*scores.T), scores[:, 0])
    no_frames = np.where(target_lengths == 0, 0.0, np.inf)
    return np.where(input_lengths == 0, no_frames, -total)


def _ctc_input(log_probs, targets, input_lengths, target_lengths, blank, reduction):
    log_probs = _log_probs(log_probs, blank)
    frames, count, classes = log_probs.shape
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction: expected 'none', 'mean' or 'sum', got {reduction!r}")
    targets, target_lengths = _targets(targets, target_lengths, count, classes, blank)
    return log_probs, targets, _lengths(input_lengths, count, frames, "input_lengths"), \
        target_lengths  # fmt: skip


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean",
             zero_infinity=False):  # fmt: skip
    r"""$-\ln \sum_{\pi \in \mathcal{B}^{-1}(y)} \prod_t p_t(\pi_t)$ over all paths that collapse to
    the target, by the forward algorithm: with $y'$ the target with blanks around each label,
    $\alpha_t(s) = p_t(y'_s) \sum_r \alpha_{t-1}(r)$ over $r = s$, $s - 1$, and $s - 2$ where $y'_s$
    is a label other than $y'_{s-2}$.

    'mean' divides each loss by the length of its target (at least 1), then averages. A target that
    needs more frames than there are has an infinite loss; zero_infinity makes it 0.

    Shapes: log_probs (T, N, C); targets (N, S) without blanks; input_lengths and target_lengths
    (N,); result (), or (N,) for reduction='none'.
    Raises: TypeError if log_probs is not real or targets or lengths are not whole; ValueError if
    shapes do not fit, a length is too large, or a class, blank or reduction is unknown.
    Source: Graves et al. 2006; torch.nn.functional.ctc_loss.
    """
    log_probs, targets, input_lengths, target_lengths = _ctc_input(
        log_probs, targets, input_lengths, target_lengths, blank, reduction
    )
    alpha, _ = _forward(log_probs, *_extend(targets, blank))
    loss = _nll(alpha, input_lengths, target_lengths)
    if zero_infinity:
        loss = np.where(np.isinf(loss), 0.0, loss)
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    return (loss / np.maximum(target_lengths, 1)).mean()


def ctc_loss_backward(grad_output, log_probs, targets, input_lengths, target_lengths, blank=0,
                      reduction="mean", zero_infinity=False):  # fmt: skip
    r"""$\partial L / \partial \ln p_t(c) = -\sum_{s: y'_s = c} \gamma_t(s)$, with
    $\gamma_t(s) = \alpha_t(s)\,\beta_t(s) / p(y)$ the probability that the path is in state $s$ at
    frame $t$, given the target; $\beta$ is $\alpha$ from the other end.

    PyTorch's own gradient adds $p_t(c)$, and so is that of the logits before a log-softmax.

    Shapes: grad_output as the result of `ctc_loss`; result as log_probs.
    Raises: as `ctc_loss`, and ValueError if grad_output has another shape.
    Source: Graves et al. 2006, equation 15.
    """
    log_probs, targets, input_lengths, target_lengths = _ctc_input(
        log_probs, targets, input_lengths, target_lengths, blank, reduction
    )
    frames, count, _ = log_probs.shape
    grad_output = np.asarray(grad_output, dtype=np.float64)
    expected = (count,) if reduction == "none" else ()
    if grad_output.shape != expected:
        raise ValueError(f"grad_output: expected shape {expected}, got {grad_output.shape}")
    states, skip = _extend(targets, blank)
    alpha, emit = _forward(log_probs, states, skip)
    loss = _nll(alpha, input_lengths, target_lengths)
    place = np.arange(states.shape[1])
    ends = (place == 2 * target_lengths[:, None]) | (place == 2 * target_lengths[:, None] - 1)
    after = np.full(states.shape, -np.inf)  # log beta without the frame's own probability
    grad = np.zeros(log_probs.shape)
    skip_from = np.zeros_like(skip)
    skip_from[:, :-2] = skip[:, 2:]
    for t in range(frames - 1, -1, -1):
        if t + 1 < frames:
            coming = (after + emit[t + 1])[:, ::-1]
            one, two = (_shifted(coming, by)[:, ::-1] for by in (1, 2))
            after = np.logaddexp(coming[:, ::-1], one)
            after = np.logaddexp(after, np.where(skip_from, two, -np.inf))
        last = (input_lengths - 1 == t)[:, None]
        after = np.where(last, np.where(ends, 0.0, -np.inf), after)
        with np.errstate(invalid="ignore"):  # inf - inf where no path reaches
            gamma = np.exp(alpha[t] + after + loss[:, None])
        gamma = np.where(np.isfinite(loss)[:, None], gamma, 0.0 if zero_infinity else np.nan)
        gamma[input_lengths <= t] = 0.0
        np.add.at(grad[t], (np.arange(count)[:, None], states), -gamma)
    weight = grad_output
    if reduction == "mean":
        weight = grad_output / np.maximum(target_lengths, 1) / max(count, 1)
    return grad * np.broadcast_to(weight, (count,))[:, None]


def ctc_align(log_probs, targets, input_lengths, target_lengths, blank=0):
    r"""The most probable path of each target, $\arg\max_{\pi \in \mathcal{B}^{-1}(y)}
    \prod_t p_t(\pi_t)$: the forward algorithm with max in place of the sum (Viterbi).

    Shapes: log_probs (T, N, C); targets (N, S); lengths (N,); result paths (N, T), the class of
    each frame, -1 beyond the input, and scores (N,), their log-probabilities. A target that does
    not fit has the score -inf and a path of -1.
    Raises: TypeError and ValueError as `ctc_loss`.
    Source: Viterbi 1967; torchaudio.functional.forced_align.
    """
    log_probs, targets, input_lengths, target_lengths = _ctc_input(
        log_probs, targets, input_lengths, target_lengths, blank, "none"
    )
    frames, count, _ = log_probs.shape
    states, skip = _extend(targets, blank)
    rows = np.arange(count)
    emit = log_probs[:, rows[:, None], states]
    score = np.full(states.shape, -np.inf)
    score[:, 0] = 0.0  # before the first frame, as if in the first blank
    steps = np.zeros((frames, *states.shape), dtype=np.int64)
    for t in range(frames):
        moves = [score, _shifted(score, 1), np.where(skip, _shifted(score, 2), -np.inf)]
        moves = np.stack(moves)
        steps[t] = moves.argmax(axis=0)
        score = np.where((t < input_lengths)[:, None], moves.max(axis=0) + emit[t], score)
    ends = np.stack([2 * target_lengths, np.maximum(2 * target_lengths - 1, 0)], axis=1)
    final = np.take_along_axis(score, ends, axis=1)
    state = ends[rows, final.argmax(axis=1)]
    paths = np.full((count, frames), -1)
    for t in range(frames - 1, -1, -1):
        inside = t < input_lengths
        paths[:, t] = np.where(inside, states[rows, state], -1)
        state = np.where(inside, state - steps[t, rows, state], state)
    best = final.max(axis=1)
    paths[np.isneginf(best)] = -1
    return paths, best


def _pad_rows(rows):
    """Lists of labels as an array (N, longest), -1 behind the shorter ones, and their lengths."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    padded = np.full((len(rows), max(lengths, default=0)), -1)
    for row, labels in zip(padded, rows, strict=True):
        row[: len(labels)] = labels
    return padded, lengths


def ctc_greedy_decode(log_probs, input_lengths=None, blank=0):
    r"""The best class of each frame; then equal neighbors merge and blanks go:
    $\mathcal{B}(\arg\max_c p_1(c), \dots, \arg\max_c p_T(c))$.

    Shapes: log_probs (T, N, C); input_lengths (N,), all T if None; result labels (N, longest), -1
    behind the end, and their lengths (N,).
    Raises: TypeError if log_probs is not real or lengths are not whole; ValueError if shapes do
    not fit or blank is no class.
    Source: Graves et al. 2006 (best path decoding).
    """
    log_probs = _log_probs(log_probs, blank)
    frames, count, _ = log_probs.shape
    input_lengths = _lengths(input_lengths, count, frames, "input_lengths")
    best = log_probs.argmax(axis=2).T  # (N, T)
    before = np.pad(best, ((0, 0), (1, 0)), constant_values=-1)[:, :-1]
    keep = (best != before) & (best != blank) & (np.arange(frames) < input_lengths[:, None])
    return _pad_rows([row[kept] for row, kept in zip(best, keep, strict=True)])


def ctc_beam_search(log_probs, input_lengths=None, blank=0, beam_width=16, lm=None, lm_weight=0.5,
                    bonus=0.0):  # fmt: skip
    r"""The text with the largest $\ln p(y \mid x) + \lambda \ln p_{LM}(y) + \mu |y|$ that is found
    when, after each frame, only the beam_width best beginnings are kept.

    All paths of a beginning count together: $p_b$ of those that end in a blank, $p_{nb}$ of those
    that end in a label. A label is added to both; repeated, only to $p_b$.

    Shapes: log_probs (T, N, C); input_lengths (N,), all T if None; lm (C, C), the logarithm of how
    probable a class (column) is after another (row; that of the blank at the start); result labels
    (N, longest), -1 behind the end, their lengths (N,) and scores (N,).
    Raises: TypeError if log_probs or lm is not real or a number not whole; ValueError if shapes do
    not fit, beam_width is below 1 or blank is no class.
    Source: Hannun, Maas, Jurafsky and Ng 2014, First-Pass Large Vocabulary Continuous Speech
    Recognition using Bi-Directional Recurrent DNNs, algorithm 1.
    """
    log_probs, beam_width = _log_probs(log_probs, blank), _whole(beam_width, "beam_width")
    frames, count, classes = log_probs.shape
    input_lengths = _lengths(input_lengths, count, frames, "input_lengths")
    prior = _prior(lm, lm_weight, bonus, classes)
    found = [
        _search(log_probs[:length, n], blank, beam_width, prior)
        for n, length in enumerate(input_lengths)
    ]
    labels, lengths = _pad_rows([text for text, _ in found])
    return labels, lengths, np.array([score for _, score in found])


def _prior(lm, lm_weight, bonus, classes):
    """What a label (column) adds to the score when it follows another (row)."""
    lm = np.zeros((classes, classes)) if lm is None else _real(lm, "lm")
    if lm.shape != (classes, classes):
        raise ValueError(f"lm: expected shape {(classes, classes)}, got {lm.shape}")
    return _number(lm_weight, "lm_weight") * lm + _number(bonus, "bonus")


def _search(log_probs, blank, beam_width, prior):
    """The best text of one utterance (T, C), and its score."""
    beams = {(): (0.0, -np.inf)}  # text: scores of its paths that end in a blank, and in a label
    for frame in log_probs:
        new = {}

        def put(text, blank_score, label_score, new=new):
            old = new.get(text, (-np.inf, -np.inf))
            new[text] = np.logaddexp(old[0], blank_score), np.logaddexp(old[1], label_score)

        for text, (ends_blank, ends_label) in beams.items():
            both, last = np.logaddexp(ends_blank, ends_label), text[-1] if text else blank
            put(text, both + frame[blank], ends_label + frame[last] if text else -np.inf)
            for label in range(len(frame)):
                if label != blank:
                    from_score = ends_blank if text and label == last else both
                    added = frame[label] + prior[last, label]
                    put((*text, label), -np.inf, from_score + added)
        order = sorted(new, key=lambda text: -np.logaddexp(*new[text]))
        beams = {text: new[text] for text in order[:beam_width]}
    best = next(iter(beams))
    return best, np.logaddexp(*beams[best])


def edit_distance(input, target, input_lengths=None, target_lengths=None):
    r"""The fewest labels substituted, deleted and inserted that turn input into target: $D_{ij}$ is
    the least of $D_{i-1,j} + 1$, $D_{i,j-1} + 1$ and $D_{i-1,j-1} + [a_i \ne b_j]$.

    Shapes: input (N, S); target (N, R); lengths (N,), all if None; result (N,) whole numbers.
    Raises: TypeError if labels or lengths are not whole; ValueError if shapes do not fit.
    Source: Levenshtein 1966; Wagner and Fischer 1974.
    """
    input, target = _rows(input, "input"), _rows(target, "target")
    if len(input) != len(target):
        raise ValueError(f"target: expected {len(input)} rows, got {len(target)}")
    n, size = len(input), target.shape[1]
    input_lengths = _lengths(input_lengths, n, input.shape[1], "input_lengths")
    target_lengths = _lengths(target_lengths, n, size, "target_lengths")
    table = np.empty((n, input.shape[1] + 1, size + 1), dtype=np.int64)
    table[:, 0] = np.arange(size + 1)
    for i in range(1, input.shape[1] + 1):
        # deletions and substitutions at once; insertions are a running minimum along the row
        row = np.minimum(table[:, i - 1, 1:] + 1,
                         table[:, i - 1, :-1] + (input[:, i - 1, None] != target))  # fmt: skip
        row = np.concatenate([np.full((n, 1), i), row], axis=1) - np.arange(size + 1)
        table[:, i] = np.minimum.accumulate(row, axis=1) + np.arange(size + 1)
    return table[np.arange(n), input_lengths, target_lengths]


def _rows(labels, name):
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected whole numbers, got an array of dtype {labels.dtype}")
    if labels.ndim != 2:
        raise ValueError(f"{name}: expected shape (N, length), got {labels.shape}")
    return labels
