"""Speech in PyTorch: the same names, batched, on any device; the front end never leaves it.

bfloat16 and float16 are computed in float32 and returned in their own dtype: the transforms do not
exist there, and logarithms of small sums need the digits. Features are detached from autograd;
gradients flow through `ctc_loss`. The docstrings name what a practitioner would call. Files, texts
and error rates have no tensors in them and are those of the reference.
"""

from math import gcd, pi, sqrt

import torch
from torch import Tensor
from torch.nn import functional as F

from book.speech.audio import (
    character_error_rate,
    character_vocabulary,
    count_alignments,
    decode_text,
    encode_text,
    load_wav,
    word_error_rate,
)
from book.speech.reference import (
    _BREAK,
    _LINEAR,
    _LOG_STEP,
    _PAD,
    _axis,
    _hop,
    _kept,
    _mask_plan,
    _mel_edges,
    _number,
    _rolloff,
    _scale,
    _sinc_kernels,
    _whole,
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

# Compiled with the rest, torch would divide the whole numbers in them in float32.
_sinc_kernels, _mel_edges = map(torch.compiler.disable, (_sinc_kernels, _mel_edges))

NEVER = -1e30  # the logarithm of a probability of zero: sums of it stay finite, so gradients do too


# --- what the functions share


def _float(values: Tensor, name: str, ndim: int = 0) -> Tensor:
    """`values` as it is, with its history; TypeError unless floating point."""
    if not isinstance(values, Tensor) or not values.is_floating_point():
        got = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"{name}: expected a tensor of real numbers, got {got}")
    if values.ndim < ndim:
        shape = tuple(values.shape)
        raise ValueError(f"{name}: expected at least {ndim} axes, got shape {shape}")
    return values


def _real(values: Tensor, name: str, ndim: int = 0) -> Tensor:
    """`values` without its history, in at least float32."""
    values = _float(values, name, ndim).detach()
    return values if values.dtype == torch.float64 else values.float()


# --- waveforms


def to_mono(waveform: Tensor) -> Tensor:
    """One channel, the mean of all; in one call `waveform.mean(-2, keepdim=True)`.

    Shapes: waveform (..., C, T); result (..., 1, T).
    Raises: TypeError if waveform is not real; ValueError with fewer than two axes or no channel.
    """
    x = _real(waveform, "waveform", 2)
    if x.shape[-2] == 0:
        shape = tuple(x.shape)
        raise ValueError(f"waveform: expected at least one channel, got shape {shape}")
    return x.mean(dim=-2, keepdim=True).to(waveform.dtype)


def pad_or_trim(waveform: Tensor, length: int, dim: int = -1) -> Tensor:
    """Exactly `length` values along `dim`: cut off, or zeros behind; `F.pad` takes both signs.

    Shapes: waveform (..., T, ...); result (..., length, ...).
    Raises: TypeError if waveform is not real or length not whole; ValueError if length is negative
    or there is no such axis.
    """
    length = _whole(length, "length", 0)
    x = _float(waveform, "waveform", 1).detach()
    dim = _axis(dim, x.ndim)
    cut = x.narrow(dim, 0, min(length, x.shape[dim]))
    return F.pad(cut, [0, 0] * (x.ndim - 1 - dim) + [0, length - cut.shape[dim]])


def resample(
    waveform: Tensor,
    orig_freq: int,
    new_freq: int,
    lowpass_filter_width: int = 6,
    rolloff: float = 0.99,
) -> Tensor:
    """The sound at another rate, a strided convolution; `torchaudio.functional.resample`.

    Shapes: waveform (..., T); rates whole; result (..., ceil(T new_freq / orig_freq)).
    Raises: TypeError if waveform is not real or a rate not whole; ValueError if a rate or
    lowpass_filter_width is below 1 or rolloff not in (0, 1].
    """
    x = _real(waveform, "waveform", 1)
    orig, new = _whole(orig_freq, "orig_freq"), _whole(new_freq, "new_freq")
    width, rolloff = _whole(lowpass_filter_width, "lowpass_filter_width"), _rolloff(rolloff)
    orig, new = orig // gcd(orig, new), new // gcd(orig, new)
    if orig == new:
        return waveform.detach()
    kernels, reach = _sinc_kernels(orig, new, width, rolloff)
    kernels = torch.from_numpy(kernels).to(x)
    batch, length = x.shape[:-1], x.shape[-1]
    rows = F.pad(x.reshape(batch.numel(), 1, length), (reach, reach + orig))
    between = F.conv1d(rows, kernels[:, None], stride=orig)  # (rows, new, about T / orig)
    flat = between.transpose(1, 2).flatten(1)[:, : -(-new * length // orig)]
    return flat.reshape(*batch, flat.shape[1]).to(waveform.dtype)


def gain(waveform: Tensor, gain_db: float = 1.0) -> Tensor:
    """Louder or softer by gain_db decibels; `torchaudio.functional.gain`.

    Shapes: waveform (*); gain_db a number; result as waveform.
    Raises: TypeError if waveform or gain_db is not real; ValueError if gain_db is not finite.
    """
    x = _real(waveform, "waveform")
    return (x * 10 ** (_number(gain_db, "gain_db") / 20)).to(waveform.dtype)


def add_noise(waveform: Tensor, noise: Tensor, snr: Tensor | float) -> Tensor:
    """Noise at a signal-to-noise ratio in decibels; `torchaudio.functional.add_noise`.

    Shapes: waveform and noise (..., T); snr (...), or one number for all; result as waveform.
    Raises: TypeError if one of them is not real; ValueError if shapes differ, noise is silent or
    snr does not have the shape of the batch.
    """
    x, n = _real(waveform, "waveform", 1), _real(noise, "noise", 1)
    snr = x.new_tensor(_number(snr, "snr")) if isinstance(snr, int | float) else _real(snr, "snr")
    batch, shape = tuple(x.shape[:-1]), tuple(snr.shape)
    if x.shape != n.shape:
        raise ValueError(f"noise: expected shape {tuple(x.shape)}, got {tuple(n.shape)}")
    if shape not in ((), batch):
        raise ValueError(f"snr: expected shape {batch} or (), got {shape}")
    energy, noise_energy = x.square().sum(-1), n.square().sum(-1)
    if x.shape[-1] and (noise_energy == 0).any():
        raise ValueError("noise: expected a sound, got silence")
    tiny = torch.finfo(x.dtype).tiny
    scale = (energy / noise_energy.clamp(min=tiny)).sqrt() * 10 ** (-snr / 20)
    return (x + scale[..., None] * n).to(waveform.dtype)


def time_shift(waveform: Tensor, shift: int) -> Tensor:
    """Later by `shift` samples, earlier if negative; `torch.roll` would bring the end around.

    Shapes: waveform (..., T); result as waveform.
    Raises: TypeError if waveform is not real or shift not whole; ValueError without an axis.
    """
    x, shift = _float(waveform, "waveform", 1).detach(), _whole(shift, "shift", float("-inf"))
    length = x.shape[-1]
    shift = max(-length, min(length, shift))
    kept = x[..., max(-shift, 0) : length - max(shift, 0)]
    return F.pad(kept, (max(shift, 0), max(-shift, 0)))


def speed(waveform: Tensor, orig_freq: int, factor: float) -> Tensor:
    """Played `factor` times as fast, pitch and all; `torchaudio.functional.speed`.

    Shapes: waveform (..., T); result (..., about T / factor).
    Raises: TypeError if waveform is not real, orig_freq not whole or factor no number; ValueError
    if orig_freq or the new rate is below 1.
    """
    orig_freq = _whole(orig_freq, "orig_freq")
    rate = round(_number(factor, "factor", 0) * orig_freq)
    if rate < 1:
        raise ValueError(f"factor: expected one that keeps a rate of at least 1, got {factor}")
    return resample(waveform, rate, orig_freq)


# --- spectra


def _hann(length: int, like: Tensor) -> Tensor:
    """A Hann window of one period; `torch.hann_window(length)`."""
    return torch.sin(pi * torch.arange(length, dtype=torch.float64, device=like.device) / length) \
        .square().to(like.dtype)  # fmt: skip


def _window(window: Tensor | None, win_length: int | None, n_fft: int, like: Tensor) -> Tensor:
    """The window (n_fft,), padded on both sides if it is shorter."""
    n_fft = _whole(n_fft, "n_fft")
    win_length = n_fft if win_length is None else _whole(win_length, "win_length")
    if win_length > n_fft:
        raise ValueError(f"win_length: expected at most n_fft={n_fft}, got {win_length}")
    window = like.new_ones(win_length) if window is None else _real(window, "window")
    if window.shape != (win_length,):
        raise ValueError(f"window: expected shape ({win_length},), got {tuple(window.shape)}")
    left = (n_fft - win_length) // 2
    return F.pad(window, (left, n_fft - win_length - left))


def _padded(x: Tensor, by: int, mode: str) -> Tensor:
    """`x` with `by` values at both ends of its last axis, mirrored or zero."""
    if mode == "constant" or not by:
        return F.pad(x, (by, by))
    last = x.shape[-1] - 1
    return torch.cat([x[..., 1 : by + 1].flip(-1), x, x[..., last - by : last].flip(-1)], dim=-1)


def _stft(x: Tensor, n_fft, hop_length, win_length, window, center=True, pad_mode="reflect"):
    """The complex spectra (..., bins, frames) of sounds in float32 or float64."""
    window, hop = _window(window, win_length, n_fft, x), _hop(hop_length, n_fft)
    if pad_mode not in _PAD:
        raise ValueError(f"pad_mode: expected 'reflect' or 'constant', got {pad_mode!r}")
    shortest = n_fft if not center else n_fft // 2 + 1 if pad_mode == "reflect" else 1
    if x.shape[-1] < shortest:
        raise ValueError(f"input: expected at least {shortest} samples, got {x.shape[-1]}")
    x = _padded(x, n_fft // 2, pad_mode) if center else x
    frames = x.unfold(-1, n_fft, hop) * window  # (..., frames, N)
    if not frames.numel():  # the transform refuses an empty batch
        shape = *frames.shape[:-1], n_fft // 2 + 1
        return torch.zeros(shape, dtype=(x[..., :1] + 0j).dtype, device=x.device).mT
    return torch.fft.rfft(frames).mT


def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    return_complex: bool = True,
) -> Tensor:
    """The spectrum of each frame under a window; fused: `torch.stft`.

    Shapes: input (..., T); window (win_length,); result (..., n_fft // 2 + 1, frames) complex, or
    without return_complex (..., n_fft // 2 + 1, frames, 2) with real and imaginary part.
    Raises: TypeError if input or window is not real or a length not whole; ValueError if a length
    is below 1, the window does not fit, pad_mode is unknown or the sound is too short.
    """
    x = _real(input, "input", 1)
    spectra = _stft(x, n_fft, hop_length, win_length, window, center, pad_mode)
    return spectra if return_complex else torch.view_as_real(spectra).to(input.dtype)


def _overlap_add(frames: Tensor, hop: int) -> Tensor:
    """Frames (rows, count, N) added where they overlap: (rows, N + hop (count - 1))."""
    length = frames.shape[2] + hop * (frames.shape[1] - 1)
    size = (1, frames.shape[2])
    return F.fold(frames.mT, (1, length), size, stride=(1, hop)).reshape(-1, length)


def _istft(spectra: Tensor, n_fft, hop_length, win_length, window, center, length) -> Tensor:
    real = torch.float64 if spectra.dtype == torch.complex128 else torch.float32
    like = torch.zeros(0, dtype=real, device=spectra.device)
    window, hop = _window(window, win_length, n_fft, like), _hop(hop_length, n_fft)
    if spectra.shape[-2] != n_fft // 2 + 1:
        raise ValueError(f"input: expected {n_fft // 2 + 1} bins, got {spectra.shape[-2]}")
    batch, count = spectra.shape[:-2], spectra.shape[-1]
    total = n_fft + hop * (count - 1)
    start = n_fft // 2 if center else 0
    end = total - start if length is None else start + _whole(length, "length", 0)
    weight = _overlap_add(window.square().expand(1, count, n_fft), hop)[0, start:end]
    if (weight < 1e-11).any():
        raise ValueError("window: expected windows that cover every sample, got a gap")
    missing = end - start - len(weight)
    if not batch.numel():
        return like.new_zeros(*batch, end - start)
    rows = torch.fft.irfft(spectra.reshape(batch.numel(), *spectra.shape[-2:]).mT, n_fft) * window
    sound = _overlap_add(rows, hop)[:, start:end] / weight
    return F.pad(sound, (0, missing)).reshape(*batch, end - start)


def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    length: int | None = None,
) -> Tensor:
    """The sound of a spectrogram; fused: `torch.istft`.

    Shapes: input (..., n_fft // 2 + 1, frames) complex or (..., n_fft // 2 + 1, frames, 2) real;
    window (win_length,); result (..., length), by default as far as the frames reach.
    Raises: TypeError if a length is not whole; ValueError if shapes do not fit, or the windows
    leave a sample uncovered.
    """
    real = isinstance(input, Tensor) and input.is_floating_point()
    x = _real(input, "input") if real else input
    if real and x.ndim > 2 and x.shape[-1] == 2:
        x = torch.complex(x[..., 0], x[..., 1])
    if not isinstance(x, Tensor) or not x.is_complex() or x.ndim < 2 or x.shape[-1] == 0:
        got = (x.dtype, tuple(x.shape)) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(
            f"input: expected complex (..., bins, frames) or real (..., bins, frames, 2), got {got}"
        )
    sound = _istft(x.detach(), n_fft, hop_length, win_length, window, center, length)
    return sound.to(input.dtype) if real else sound


def spectral_gate(
    waveform: Tensor,
    noise: Tensor,
    n_fft: int = 256,
    hop_length: int | None = None,
    strength: float = 2.0,
    floor: float = 0.1,
) -> Tensor:
    """Noise reduction: bins that do not rise above the noise are turned down to `floor`.

    Shapes: waveform (..., T) and noise (S,), at least n_fft // 2 + 1 samples each; result as
    waveform.
    Raises: TypeError if one is not real or a length not whole; ValueError if one is too short,
    strength negative or floor not in [0, 1].
    """
    x, n = _real(waveform, "waveform", 1), _real(noise, "noise", 1)
    strength, floor = _number(strength, "strength", 0), _number(floor, "floor", 0)
    if floor > 1:
        raise ValueError(f"floor: expected a number in [0, 1], got {floor}")
    if n.ndim != 1:
        raise ValueError(f"noise: expected shape (S,), got {tuple(n.shape)}")
    window = _hann(_whole(n_fft, "n_fft", 2), x)
    spectra = _stft(x, n_fft, hop_length, None, window)
    level = _stft(n, n_fft, hop_length, None, window).abs().mean(-1)
    share = strength * level[:, None] / spectra.abs().clamp(min=1e-30)
    kept = spectra * (1 - share).clamp(min=floor)
    sound = _istft(kept, n_fft, hop_length, None, window, True, x.shape[-1])
    return sound.to(waveform.dtype)


def _spectrogram(x, n_fft, hop_length, win_length, window, power, center=True, pad_mode="reflect"):
    if _number(power, "power", 0) == 0:
        raise ValueError(f"power: expected a positive number, got {power}")
    if window is None:
        window = _hann(_whole(n_fft if win_length is None else win_length, "win_length"), x)
    spectra = _stft(x, n_fft, hop_length, win_length, window, center, pad_mode)
    return spectra.abs() ** power


def spectrogram(
    waveform: Tensor,
    n_fft: int = 400,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    power: float = 2.0,
    center: bool = True,
    pad_mode: str = "reflect",
) -> Tensor:
    """How strong each frequency is at each time; `torchaudio.functional.spectrogram`.

    Shapes: waveform (..., T); result (..., n_fft // 2 + 1, frames).
    Raises: TypeError if waveform or window is not real or a length not whole; ValueError as
    `stft`, or if power is not positive.
    """
    x = _real(waveform, "waveform", 1)
    result = _spectrogram(x, n_fft, hop_length, win_length, window, power, center, pad_mode)
    return result.to(waveform.dtype)


# --- mel


def hz_to_mel(frequencies: Tensor, mel_scale: str = "htk") -> Tensor:
    """Frequency as pitch is heard.

    Shapes: frequencies (*) in Hz; result (*).
    Raises: TypeError if frequencies is not real; ValueError if one is negative or mel_scale is
    neither 'htk' nor 'slaney'.
    """
    htk, x = _scale(mel_scale), _real(frequencies, "frequencies")
    if (x < 0).any():
        raise ValueError(f"frequencies: expected none below 0, got {x.min().item()}")
    if htk:
        return (2595.0 * torch.log10(1.0 + x / 700.0)).to(frequencies.dtype)
    high = _BREAK / _LINEAR + torch.log(x.clamp(min=_BREAK) / _BREAK) / _LOG_STEP
    return torch.where(x < _BREAK, x / _LINEAR, high).to(frequencies.dtype)


def mel_to_hz(mels: Tensor, mel_scale: str = "htk") -> Tensor:
    """The frequencies in Hz of pitches in mel.

    Shapes: mels (*); result (*) in Hz.
    Raises: TypeError if mels is not real; ValueError if one is negative or mel_scale is neither
    'htk' nor 'slaney'.
    """
    htk, x = _scale(mel_scale), _real(mels, "mels")
    if (x < 0).any():
        raise ValueError(f"mels: expected none below 0, got {x.min().item()}")
    if htk:
        return (700.0 * (10.0 ** (x / 2595.0) - 1.0)).to(mels.dtype)
    start = _BREAK / _LINEAR
    high = _BREAK * torch.exp(_LOG_STEP * (x.clamp(min=start) - start))
    return torch.where(x < start, x * _LINEAR, high).to(mels.dtype)


def _bank(freqs: Tensor, n_mels, f_min, f_max, norm, mel_scale) -> Tensor:
    """The filter bank in float64: differences of frequencies lose digits."""
    f_max = freqs[-1].item() if f_max is None else f_max
    edges = torch.from_numpy(_mel_edges(n_mels, f_min, f_max, norm, mel_scale)).to(freqs.device)
    width, ramps = edges.diff(), edges - freqs[:, None]  # (F, n_mels + 2)
    up, down = -ramps[:, :-2] / width[:-1], ramps[:, 2:] / width[1:]
    weights = torch.minimum(up, down).clamp(min=0)
    return weights * (2.0 / (edges[2:] - edges[:-2])) if norm else weights


def mel_filterbank(
    freqs: Tensor,
    n_mels: int = 40,
    f_min: float = 0.0,
    f_max: float | None = None,
    norm: str | None = None,
    mel_scale: str = "htk",
) -> Tensor:
    """Triangles that sum a spectrum into mel bands; `torchaudio.functional.melscale_fbanks`.

    Shapes: freqs (F,), the frequencies of the bins in Hz; result (F, n_mels); f_max is the last
    frequency unless given.
    Raises: TypeError if freqs is not real or n_mels not whole; ValueError if freqs is not a row of
    frequencies, f_min is not below f_max, or norm or mel_scale is unknown.
    """
    x = _real(freqs, "freqs").double()
    if x.ndim != 1 or not len(x):
        raise ValueError(f"freqs: expected shape (F,) with F > 0, got {tuple(x.shape)}")
    return _bank(x, n_mels, f_min, f_max, norm, mel_scale).to(freqs.dtype)


def _mel(x, sample_rate, n_fft, hop_length, win_length, n_mels, f_min, f_max, power, norm,
         mel_scale):  # fmt: skip
    if _number(sample_rate, "sample_rate", 0) == 0:
        raise ValueError(f"sample_rate: expected a positive number, got {sample_rate}")
    spectra = _spectrogram(x, n_fft, hop_length, win_length, None, power)
    freqs = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64)
    bank = _bank(freqs.to(x.device), n_mels, f_min, f_max, norm, mel_scale)
    return bank.to(x.dtype).T @ spectra


def mel_spectrogram(
    waveform: Tensor,
    sample_rate: float,
    n_fft: int = 400,
    hop_length: int | None = None,
    win_length: int | None = None,
    n_mels: int = 40,
    f_min: float = 0.0,
    f_max: float | None = None,
    power: float = 2.0,
    norm: str | None = None,
    mel_scale: str = "htk",
) -> Tensor:
    """The spectrogram summed into mel bands; `torchaudio.transforms.MelSpectrogram`.

    Shapes: waveform (..., T); result (..., n_mels, frames).
    Raises: TypeError if waveform is not real or a length not whole; ValueError as `spectrogram`
    and `mel_filterbank`, or if sample_rate is not positive.
    """
    x = _real(waveform, "waveform", 1)
    result = _mel(x, sample_rate, n_fft, hop_length, win_length, n_mels, f_min, f_max, power, norm,
                  mel_scale)  # fmt: skip
    return result.to(waveform.dtype)


def power_to_db(
    S: Tensor, ref: float = 1.0, amin: float = 1e-10, top_db: float | None = 80.0
) -> Tensor:
    """Decibels, at most top_db below the largest of each example; `AmplitudeToDB` in torchaudio.

    Shapes: S (*); the last two axes are one example; result as S.
    Raises: TypeError if S is not real; ValueError if ref or amin is not positive or top_db is
    negative.
    """
    x, ref, amin = _real(S, "S"), _number(ref, "ref"), _number(amin, "amin")
    if ref <= 0 or amin <= 0:
        raise ValueError(f"ref and amin: expected positive numbers, got {ref} and {amin}")
    level = 10.0 * torch.tensor(max(amin, ref), dtype=torch.float64).log10().item()
    db = 10.0 * torch.log10(x.clamp(min=amin)) - level
    if top_db is not None and db.numel():
        loudest = db.amax(tuple(range(max(0, db.ndim - 2), db.ndim)), keepdim=True)
        db = torch.maximum(db, loudest - _number(top_db, "top_db", 0))
    return db.to(S.dtype)


# --- cepstra


def dct(input: Tensor, n: int | None = None, dim: int = -2) -> Tensor:
    """The orthonormal cosine transform, the first `n` of it, as one matrix product.

    Shapes: input (..., M, ...); result (..., n, ...).
    Raises: TypeError if input is not real or n not whole; ValueError if there is no such axis, it
    is empty, or n is not in 1..M.
    """
    x = _real(input, "input", 1)
    dim = _axis(dim, x.ndim)
    size = x.shape[dim]
    n = _kept(n, size)
    order, place = (torch.arange(k, dtype=torch.float64, device=x.device) for k in (n, size))
    matrix = torch.cos(pi / size * order[:, None] * (place + 0.5)) * sqrt(2 / size)
    matrix[0] = sqrt(1 / size)
    return (x.movedim(dim, -1) @ matrix.to(x.dtype).T).movedim(-1, dim).to(input.dtype)


def lifter(input: Tensor, lifter: float = 22) -> Tensor:
    """Weighs the higher coefficients, which are small.

    Shapes: input (..., n_mfcc, frames); result as input.
    Raises: TypeError if input is not real; ValueError with fewer than two axes or if lifter is
    negative.
    """
    x, lifter = _real(input, "input", 2), _number(lifter, "lifter", 0)
    if lifter == 0:
        return input.detach()
    order = torch.arange(1, 1 + x.shape[-2], dtype=x.dtype, device=x.device)
    weight = 1 + lifter / 2 * torch.sin(pi * order / lifter)
    return (x * weight[:, None]).to(input.dtype)


def mfcc(
    waveform: Tensor,
    sample_rate: float,
    n_mfcc: int = 13,
    n_fft: int = 400,
    hop_length: int | None = None,
    win_length: int | None = None,
    n_mels: int = 40,
    f_min: float = 0.0,
    f_max: float | None = None,
    norm: str | None = None,
    mel_scale: str = "htk",
    lifter: float = 0,
) -> Tensor:
    """Mel-frequency cepstral coefficients; `torchaudio.transforms.MFCC`.

    Shapes: waveform (..., T); result (..., n_mfcc, frames).
    Raises: TypeError if waveform is not real or a length not whole; ValueError as
    `mel_spectrogram`, or if n_mfcc is not in 1..n_mels.
    """
    x = _real(waveform, "waveform", 1).double()  # where sums of logarithms cancel, digits go
    mels = _mel(x, sample_rate, n_fft, hop_length, win_length, n_mels, f_min, f_max, 2.0, norm,
                mel_scale)  # fmt: skip
    return _lifter(dct(power_to_db(mels), n_mfcc), lifter).to(waveform.dtype)


_lifter = lifter  # the function; inside mfcc, `lifter` is its argument


def compute_deltas(specgram: Tensor, win_length: int = 5) -> Tensor:
    """How fast a feature changes; `torchaudio.functional.compute_deltas`.

    Shapes: specgram (..., frames); win_length 2 K + 1; result as specgram.
    Raises: TypeError if specgram is not real; ValueError without an axis or if win_length is not
    odd and at least 3.
    """
    x, win_length = _real(specgram, "specgram", 1), _whole(win_length, "win_length", 3)
    if win_length % 2 == 0:
        raise ValueError(f"win_length: expected an odd number, got {win_length}")
    if not x.numel():
        return specgram.detach()
    reach = win_length // 2
    ends = [x[..., :1].expand(*x.shape[:-1], reach), x[..., -1:].expand(*x.shape[:-1], reach)]
    frames = torch.cat([ends[0], x, ends[1]], dim=-1).unfold(-1, win_length, 1)
    steps = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device)
    return (frames @ steps / steps.square().sum()).to(specgram.dtype)


def spec_augment(
    specgram: Tensor,
    freq_mask_param: int = 8,
    time_mask_param: int = 20,
    num_freq_masks: int = 1,
    num_time_masks: int = 1,
    value: float = 0.0,
    draws: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Hides bands of frequencies and stretches of time, other ones in each example.

    In torchaudio the transforms `FrequencyMasking` and `TimeMasking`, with iid_masks.

    Shapes: specgram (N, bins, frames); draws (N, num_freq_masks + num_time_masks, 2) in [0, 1),
    those of frequency first, drawn from generator if None; result as specgram.
    Raises: TypeError if specgram is not real or a count not whole; ValueError if specgram has not
    three axes, a count is negative or draws does not fit.
    """
    x = _float(specgram, "specgram", 3).detach()
    if x.ndim != 3:
        raise ValueError(f"specgram: expected shape (N, bins, frames), got {tuple(x.shape)}")
    plan = _mask_plan(freq_mask_param, time_mask_param, num_freq_masks, num_time_masks)
    shape = (len(x), sum(count for *_, count in plan), 2)
    if draws is None:
        draws = torch.rand(shape, generator=generator, device=x.device)
    draws = _real(draws, "draws").double()
    if draws.shape != shape:
        raise ValueError(f"draws: expected shape {shape}, got {tuple(draws.shape)}")
    hidden, first = torch.zeros_like(x, dtype=torch.bool), 0
    for axis, largest, count in plan:
        size = x.shape[axis]
        u, v = draws[:, first : first + count].unbind(-1)  # (N, count) each
        width = (u * (min(largest, size) + 1)).floor()
        start = (v * (size - width + 1)).floor()[..., None]
        place = torch.arange(size, device=x.device)
        mask = ((place >= start) & (place < start + width[..., None])).any(1)
        hidden = hidden | (mask[:, :, None] if axis == 1 else mask[:, None, :])
        first += count
    return x.masked_fill(hidden, _number(value, "value"))


# --- connectionist temporal classification


def _lengths(lengths: Tensor | None, count: int, largest: int, name: str, like: Tensor) -> Tensor:
    """Whole numbers (count,) from 0 to `largest`; None stands for the largest everywhere."""
    if lengths is None:
        return torch.full((count,), largest, device=like.device)
    array = _whole_tensor(lengths, name)
    if array.shape != (count,):
        raise ValueError(f"{name}: expected shape ({count},), got {tuple(array.shape)}")
    if count and not (array.min() >= 0 and array.max() <= largest):
        raise ValueError(f"{name}: expected lengths from 0 to {largest}, got {array.tolist()}")
    return array.to(like.device)


def _whole_tensor(values: Tensor, name: str) -> Tensor:
    wrong = not isinstance(values, Tensor) or values.is_floating_point() or values.is_complex()
    if wrong or values.dtype == torch.bool:
        got = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"{name}: expected a tensor of whole numbers, got {got}")
    return values.long()


def _log_probs(log_probs: Tensor, blank: int) -> Tensor:
    """In at least float32, with its history."""
    x = _float(log_probs, "log_probs", 3)
    if x.ndim != 3:
        raise ValueError(f"log_probs: expected shape (T, N, C), got {tuple(x.shape)}")
    if not isinstance(blank, int) or not 0 <= blank < x.shape[2]:
        raise ValueError(f"blank: expected a class below {x.shape[2]}, got {blank!r}")
    return x if x.dtype == torch.float64 else x.float()


def _targets(targets: Tensor, target_lengths: Tensor, blank: int, like: Tensor):
    """Targets (N, S), the blank beyond their end, and their lengths."""
    (_, count, classes), targets = like.shape, _whole_tensor(targets, "targets").to(like.device)
    if targets.ndim != 2 or len(targets) != count:
        raise ValueError(f"targets: expected shape ({count}, S), got {tuple(targets.shape)}")
    size = targets.shape[1]
    lengths = _lengths(target_lengths, count, size, "target_lengths", like)
    inside = torch.arange(size, device=like.device) < lengths[:, None]
    wrong = inside & ((targets < 0) | (targets >= classes) | (targets == blank))
    if wrong.any():
        got = targets[wrong].unique().tolist()
        raise ValueError(f"targets: expected classes 0..{classes - 1} but {blank}, got {got}")
    return torch.where(inside, targets, blank), lengths


def _extend(targets: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    """Blanks around each label, (N, 2 S + 1), and where a path may skip the blank before."""
    states = targets.new_full((len(targets), 2 * targets.shape[1] + 1), blank)
    states[:, 1::2] = targets
    skip = torch.zeros_like(states, dtype=torch.bool)
    skip[:, 2:] = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
    return states, skip


def _moves(score: Tensor, skip: Tensor) -> Tensor:
    """What comes from the same state, the one before and the one before that: (3, N, states)."""
    one = F.pad(score, (1, 0), value=NEVER)[:, :-1]
    two = F.pad(score, (2, 0), value=NEVER)[:, :-2]
    return torch.stack([score, one, torch.where(skip, two, NEVER)])


def _ends(score: Tensor, target_lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The scores of the last blank and the last label, and these states: (N, 2) each."""
    last = torch.stack([2 * target_lengths, (2 * target_lengths - 1).clamp(min=0)], dim=1)
    scores = score.gather(1, last)
    none = torch.stack([torch.zeros_like(target_lengths), target_lengths == 0], dim=1).bool()
    return scores.masked_fill(none, NEVER), last


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Minus the log of the sum over all paths that collapse to the target; fused: `F.ctc_loss`.

    The gradient of `F.ctc_loss` is that of the logits: right only behind a log-softmax.

    Shapes: log_probs (T, N, C); targets (N, S) without blanks; input_lengths and target_lengths
    (N,); result (), or (N,) for reduction='none'.
    Raises: TypeError if log_probs is not real or targets or lengths are not whole; ValueError if
    shapes do not fit, a length is too large, or a class, blank or reduction is unknown.
    """
    x = _log_probs(log_probs, blank)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction: expected 'none', 'mean' or 'sum', got {reduction!r}")
    targets, target_lengths = _targets(targets, target_lengths, blank, x)
    frames, count, _ = x.shape
    input_lengths = _lengths(input_lengths, count, frames, "input_lengths", x)
    states, skip = _extend(targets, blank)
    emit = x.clamp(min=NEVER).gather(2, states.expand(frames, *states.shape))
    alpha = x.new_full(states.shape, NEVER)
    alpha[:, 0] = 0.0  # before the first frame, as if in the first blank
    for t in range(frames):
        new = torch.logsumexp(_moves(alpha, skip), dim=0) + emit[t]
        alpha = torch.where((t < input_lengths)[:, None], new, alpha)
    loss = -torch.logsumexp(_ends(alpha, target_lengths)[0], dim=1)
    impossible = loss > -NEVER / 2
    loss = loss.masked_fill(impossible, 0.0 if zero_infinity else float("inf"))
    if reduction == "mean":
        loss = (loss / target_lengths.clamp(min=1)).mean()
    elif reduction == "sum":
        loss = loss.sum()
    return loss.to(log_probs.dtype)


@torch.no_grad()
def ctc_align(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = 0,
) -> tuple[Tensor, Tensor]:
    """The most probable path of each target; `torchaudio.functional.forced_align`.

    Shapes: log_probs (T, N, C); targets (N, S); lengths (N,); result paths (N, T), the class of
    each frame, -1 beyond the input, and scores (N,), their log-probabilities. A target that does
    not fit has the score -inf and a path of -1.
    Raises: TypeError and ValueError as `ctc_loss`.
    """
    x = _log_probs(log_probs, blank)
    targets, target_lengths = _targets(targets, target_lengths, blank, x)
    frames, count, _ = x.shape
    input_lengths = _lengths(input_lengths, count, frames, "input_lengths", x)
    states, skip = _extend(targets, blank)
    score = x.new_full(states.shape, NEVER)
    score[:, 0] = 0.0
    steps = []
    for t in range(frames):
        best, step = _moves(score, skip).max(dim=0)
        steps.append(step)
        inside = (t < input_lengths)[:, None]
        score = torch.where(inside, best + x[t].clamp(min=NEVER).gather(1, states), score)
    scores, last = _ends(score, target_lengths)
    best, end = scores.max(dim=1)
    state = last.gather(1, end[:, None])[:, 0]
    paths = torch.full((count, frames), -1, device=x.device)
    for t in range(frames - 1, -1, -1):
        inside = t < input_lengths
        here = state[:, None]
        paths[:, t] = torch.where(inside, states.gather(1, here)[:, 0], -1)
        state = torch.where(inside, state - steps[t].gather(1, here)[:, 0], state)
    impossible = best < NEVER / 2
    paths[impossible] = -1
    return paths, best.masked_fill(impossible, float("-inf")).to(log_probs.dtype)


def _left(labels: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    """The labels (N, T) that are kept, moved to the left, -1 behind; and how many."""
    lengths = keep.sum(dim=1)
    width = int(lengths.max()) if len(lengths) else 0
    moved = labels.new_full((len(labels), width + 1), -1)
    place = torch.where(keep, keep.cumsum(dim=1) - 1, width)
    moved.scatter_(1, place, torch.where(keep, labels, -1))
    return moved[:, :width], lengths


@torch.no_grad()
def ctc_greedy_decode(
    log_probs: Tensor, input_lengths: Tensor | None = None, blank: int = 0
) -> tuple[Tensor, Tensor]:
    """The best class of each frame, collapsed; for all utterances at once.

    Shapes: log_probs (T, N, C); input_lengths (N,), all T if None; result labels (N, longest), -1
    behind the end, and their lengths (N,).
    Raises: TypeError if log_probs is not real or lengths are not whole; ValueError if shapes do
    not fit or blank is no class.
    """
    x = _log_probs(log_probs, blank)
    frames, count, _ = x.shape
    input_lengths = _lengths(input_lengths, count, frames, "input_lengths", x)
    best = x.argmax(dim=2).T  # (N, T)
    before = F.pad(best, (1, 0), value=-1)[:, :-1]
    inside = torch.arange(frames, device=x.device) < input_lengths[:, None]
    return _left(best, (best != before) & (best != blank) & inside)


@torch.no_grad()
def ctc_beam_search(
    log_probs: Tensor,
    input_lengths: Tensor | None = None,
    blank: int = 0,
    beam_width: int = 16,
    lm: Tensor | None = None,
    lm_weight: float = 0.5,
    bonus: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Prefix beam search of a whole batch: all beams of all utterances in one tensor.

    A beginning with a new label may be one that another beam already holds; these pairs are found
    by comparing rows of labels, and their scores are added. Elsewhere: torchaudio's
    `cuda_ctc_decoder`, pyctcdecode.

    Shapes: log_probs (T, N, C); input_lengths (N,), all T if None; lm (C, C), the logarithm of how
    probable a class (column) is after another (row; that of the blank at the start); result labels
    (N, longest), -1 behind the end, their lengths (N,) and scores (N,).
    Raises: TypeError if log_probs or lm is not real or a number not whole; ValueError if shapes do
    not fit, beam_width is below 1 or blank is no class.
    """
    x, width = _log_probs(log_probs, blank), _whole(beam_width, "beam_width")
    frames, count, classes = x.shape
    input_lengths = _lengths(input_lengths, count, frames, "input_lengths", x)
    prior = _prior(lm, lm_weight, bonus, x)
    text = torch.full((count, width, frames), -1, device=x.device)
    length = torch.zeros((count, width), dtype=torch.long, device=x.device)
    ends_blank = x.new_full((count, width), NEVER)
    ends_blank[:, 0] = 0.0
    ends_label = torch.full_like(ends_blank, NEVER)
    for t in range(frames):
        frame = x[t].clamp(min=NEVER)[:, None]  # (N, 1, C)
        last = _last(text, length, blank)  # (N, B)
        both = torch.logaddexp(ends_blank, ends_label)
        # a beginning stays: a blank, or its last label once more
        again = frame.expand(-1, width, -1).gather(2, last[..., None])[..., 0]
        stay_blank = both + frame[..., blank]
        stay_label = torch.where(length > 0, ends_label + again, NEVER)
        # or it grows by a label: (N, B, C)
        source = both[..., None].expand(-1, -1, classes).clone()
        source.scatter_(2, last[..., None], ends_blank[..., None])
        grown = source + frame + prior[last]
        grown[..., blank] = NEVER
        # grown by label c, beam i may be beam j, which then takes its score
        same = (text[:, :, None] == _without_last(text, length)[:, None]).all(3)
        same &= (length[:, :, None] + 1 == length[:, None]) & (both > NEVER / 2)[:, None]
        to = last[:, None].expand(-1, width, -1)
        stay_label = torch.logaddexp(
            stay_label, grown.gather(2, to).masked_fill(~same, NEVER).amax(1)
        )
        taken = torch.zeros_like(grown, dtype=torch.int8)
        taken = taken.scatter_add(2, to, same.to(torch.int8)) > 0
        grown = grown.masked_fill(taken, NEVER)
        scores = torch.cat([torch.logaddexp(stay_blank, stay_label), grown.flatten(1)], dim=1)
        place = scores.topk(width, dim=1).indices
        stays = place < width
        beam = torch.where(stays, place, (place - width) // classes)
        label = torch.where(stays, -1, (place - width) % classes)
        pick = torch.cat([stay_label, grown.flatten(1)], dim=1).gather(1, place)
        new_text = text.gather(1, beam[..., None].expand(-1, -1, frames))
        new_length = length.gather(1, beam)
        at = new_length.clamp(max=frames - 1)[..., None]
        kept = new_text.gather(2, at)
        new_text.scatter_(2, at, torch.where(stays[..., None], kept, label[..., None]))
        new = (new_text, new_length + ~stays,
               torch.where(stays, stay_blank.gather(1, beam), NEVER), pick)  # fmt: skip
        live = t < input_lengths
        text, length, ends_blank, ends_label = (
            torch.where(live.reshape(-1, *[1] * (now.ndim - 1)), now, old)
            for now, old in zip(new, (text, length, ends_blank, ends_label), strict=True)
        )
    score = torch.logaddexp(ends_blank, ends_label)[:, 0]
    lengths = length[:, 0]
    longest = int(lengths.max()) if count else 0
    return text[:, 0, :longest], lengths, score.to(log_probs.dtype)


def _prior(lm: Tensor | None, lm_weight: float, bonus: float, like: Tensor) -> Tensor:
    """What a label (column) adds to the score when it follows another (row)."""
    classes = like.shape[2]
    lm = like.new_zeros(classes, classes) if lm is None else _real(lm, "lm").to(like.dtype)
    if lm.shape != (classes, classes):
        raise ValueError(f"lm: expected shape {(classes, classes)}, got {tuple(lm.shape)}")
    return _number(lm_weight, "lm_weight") * lm + _number(bonus, "bonus")


def _last(text: Tensor, length: Tensor, blank: int) -> Tensor:
    """The last label of each beginning, the blank where there is none."""
    if not text.shape[2]:
        return torch.full_like(length, blank)
    found = text.gather(2, (length - 1).clamp(min=0)[..., None])[..., 0]
    return torch.where(length > 0, found, blank)


def _without_last(text: Tensor, length: Tensor) -> Tensor:
    """Each beginning without its last label."""
    place = torch.arange(text.shape[2], device=text.device)
    return torch.where(place == (length - 1)[..., None], -1, text)


@torch.no_grad()
def edit_distance(
    input: Tensor,
    target: Tensor,
    input_lengths: Tensor | None = None,
    target_lengths: Tensor | None = None,
) -> Tensor:
    """The fewest labels to change, for a whole batch; a running minimum replaces the inner loop.

    Shapes: input (N, S); target (N, R); lengths (N,), all if None; result (N,) whole numbers.
    Raises: TypeError if labels or lengths are not whole; ValueError if shapes do not fit.
    """
    input, target = _rows(input, "input"), _rows(target, "target")
    if len(input) != len(target):
        raise ValueError(f"target: expected {len(input)} rows, got {len(target)}")
    n, size = len(input), target.shape[1]
    input_lengths = _lengths(input_lengths, n, input.shape[1], "input_lengths", input)
    target_lengths = _lengths(target_lengths, n, size, "target_lengths", input)
    place = torch.arange(size + 1, device=input.device)
    row = place.expand(n, -1)
    rows = [row]
    for i in range(1, input.shape[1] + 1):
        wrong = (input[:, i - 1, None] != target).long()
        new = torch.minimum(row[:, 1:] + 1, row[:, :-1] + wrong)
        new = F.pad(new, (1, 0), value=i) - place
        row = new.cummin(dim=1).values + place if n else new
        rows.append(row)
    table = torch.stack(rows, dim=1)  # (N, S + 1, R + 1)
    return table[torch.arange(n, device=input.device), input_lengths, target_lengths]


def _rows(labels: Tensor, name: str) -> Tensor:
    labels = _whole_tensor(labels, name)
    if labels.ndim != 2:
        raise ValueError(f"{name}: expected shape (N, length), got {tuple(labels.shape)}")
    return labels
