"""Sample inputs for every function of speech, and the peers it is held against."""

import numpy as np

from book.op import Case, Op

_COMPLEX = np.array([[1.0 + 2.0j, 0.0]])


def _sound(rng, *shape):
    """Noise, about as loud as speech: nothing in it is near zero in all frames."""
    return rng.normal(size=shape)


def _wave(rng, shape, extra=24):
    """A batch of the shape, with enough samples for a window of 16."""
    return _sound(rng, *shape[:-1], shape[-1] + extra)


def _large(shape):
    return shape[-1] > 1000


# --- waveforms


def _mono_sample(rng, shape):
    return Case("ordinary", (_sound(rng, *shape[:-2], shape[-2] + 1, shape[-1]),))


def _mono_cases(rng):
    yield Case("stereo", (_sound(rng, 2, 40),))
    yield Case("a batch of six channels", (_sound(rng, 3, 6, 20),))
    yield Case("one channel", (_sound(rng, 1, 20),))
    yield Case("no samples", (np.zeros((2, 0)),))
    yield Case("not contiguous", (_sound(rng, 20, 2).T[:, ::2],))
    yield Case("one channel twice", (np.broadcast_to(_sound(rng, 20), (2, 20)),))
    yield Case("no channel", (np.zeros((0, 20)),), raises=ValueError)
    yield Case("no axis of channels", (np.zeros(20),), raises=ValueError)
    yield Case("complex", (_COMPLEX,), raises=TypeError)


def _pad_sample(rng, shape):
    return Case("ordinary", (_sound(rng, *shape), 3))


def _pad_cases(rng):
    yield Case("longer", (_sound(rng, 2, 10), 16))
    yield Case("shorter", (_sound(rng, 2, 10), 6))
    yield Case("as it is", (_sound(rng, 10), 10))
    yield Case("nothing left", (_sound(rng, 10), 0))
    yield Case("nothing there", (np.zeros(0), 4))
    yield Case("another axis", (_sound(rng, 3, 4, 5), 6, 1))
    yield Case("not contiguous", (_sound(rng, 10, 4).T, 12))
    yield Case("negative length", (_sound(rng, 10), -1), raises=ValueError)
    yield Case("half a sample", (_sound(rng, 10), 2.5), raises=TypeError)
    yield Case("no such axis", (_sound(rng, 10), 4, 1), raises=ValueError)
    yield Case("one number", (np.array(1.0), 4), raises=ValueError)
    yield Case("complex", (_COMPLEX, 4), raises=TypeError)


def _resample_sample(rng, shape):
    if _large(shape):
        return Case("ordinary", (_sound(rng, *shape), 16000, 8000))
    return Case("ordinary", (_sound(rng, *shape), 3, 2))


def _resample_cases(rng):
    x = _sound(rng, 2, 60)
    yield Case("half the rate", (x, 16000, 8000))
    yield Case("twice the rate", (x, 8000, 16000))
    yield Case("from compact disc to telephone", (_sound(rng, 300), 44100, 8000))
    yield Case("the same rate", (x, 8000, 8000))
    yield Case("rates with a common factor", (x, 12000, 8000))
    yield Case("a sharper filter", (x, 3, 2, 16))
    yield Case("a lower cutoff", (x, 3, 2), {"rolloff": 0.8})
    yield Case("one sample", (x[:, :1], 2, 5))
    yield Case("no samples", (np.zeros((2, 0)), 3, 2))
    yield Case("not contiguous", (_sound(rng, 40, 3).T[:, ::2], 3, 2))
    yield Case("large magnitude", (1e6 * x, 3, 2))
    yield Case("a rate of zero", (x, 0, 8000), raises=ValueError)
    yield Case("a rate that is not whole", (x, 44.1, 8), raises=TypeError)
    yield Case("no filter", (x, 3, 2, 0), raises=ValueError)
    yield Case("a cutoff above half the rate", (x, 3, 2), {"rolloff": 1.5}, raises=ValueError)
    yield Case("one number", (np.array(1.0), 3, 2), raises=ValueError)
    yield Case("complex", (_COMPLEX, 3, 2), raises=TypeError)


def _resample_poly(waveform, orig_freq, new_freq, lowpass_filter_width=6, rolloff=0.99):
    """scipy.signal.resample_poly with the same filter, written down as one long row."""
    from math import gcd

    from scipy.signal import resample_poly

    common = gcd(orig_freq, new_freq)
    orig, new = orig_freq // common, new_freq // common
    if orig == new or not waveform.size:
        length = -(-new * waveform.shape[-1] // orig)
        return waveform if orig == new else np.zeros((*waveform.shape[:-1], length))
    base = min(orig, new) * rolloff
    reach = int(lowpass_filter_width * orig * new / base)
    t = base * np.arange(-reach, reach + 1) / (orig * new)
    taps = np.sinc(t) * np.cos(t * np.pi / lowpass_filter_width / 2) ** 2 * base / orig
    taps[np.abs(t) > lowpass_filter_width] = 0.0
    return resample_poly(waveform, new, orig, axis=-1, window=taps / new)


def _gain_sample(rng, shape):
    return Case("ordinary", (_sound(rng, *shape), 3.0))


def _gain_cases(rng):
    x = _sound(rng, 2, 10)
    yield Case("louder", (x, 6.0))
    yield Case("softer", (x, -20.0))
    yield Case("default", (x,))
    yield Case("one number", (np.array(0.5), 3.0))
    yield Case("no samples", (np.zeros((2, 0)), 3.0))
    yield Case("not contiguous", (x.T[::2], 3.0))
    yield Case("infinite", (x, np.inf), raises=ValueError)
    yield Case("a word for the gain", (x, "loud"), raises=TypeError)
    yield Case("complex", (_COMPLEX,), raises=TypeError)


def _noise_sample(rng, shape):
    return Case("ordinary", (_sound(rng, *shape), _sound(rng, *shape), _sound(rng, *shape[:-1])))


def _noise_cases(rng):
    x, noise = _sound(rng, 3, 30), _sound(rng, 3, 30)
    yield Case("a ratio for each", (x, noise, np.array([10.0, 0.0, -10.0])))
    yield Case("one ratio for all", (x, noise, np.array(5.0)))
    yield Case("a plain number", (x, noise, 20.0))
    yield Case("one sound", (x[0], noise[0], 3.0))
    yield Case("silence", (0 * x, noise, 3.0))
    yield Case("no samples", (x[:, :0], noise[:, :0], 3.0))
    yield Case("empty batch", (x[:0], noise[:0], np.zeros(0)))
    yield Case("not contiguous", (x.T, noise.T, np.array(5.0)))
    yield Case("silent noise", (x, 0 * noise, 3.0), raises=ValueError)
    yield Case("too little noise", (x, noise[:, :9], 3.0), raises=ValueError)
    yield Case("a ratio too many", (x, noise, np.zeros(4)), raises=ValueError)
    yield Case("complex", (_COMPLEX, _COMPLEX, 3.0), raises=TypeError)


def _shift_sample(rng, shape):
    return Case("ordinary", (_sound(rng, *shape), 2))


def _shift_cases(rng):
    x = _sound(rng, 2, 10)
    for shift in (3, -3, 0, 10, -25):
        yield Case(f"by {shift}", (x, shift))
    yield Case("no samples", (np.zeros((2, 0)), 3))
    yield Case("not contiguous", (x.T, 1))
    yield Case("half a sample", (x, 0.5), raises=TypeError)
    yield Case("one number", (np.array(1.0), 1), raises=ValueError)
    yield Case("complex", (_COMPLEX, 1), raises=TypeError)


def _speed_sample(rng, shape):
    return Case("ordinary", (_sound(rng, *shape), 8000 if _large(shape) else 10, 1.1))


def _speed_cases(rng):
    x = _sound(rng, 2, 50)
    yield Case("faster", (x, 10, 1.1))
    yield Case("slower", (x, 10, 0.9))
    yield Case("as it is", (x, 8000, 1.0))
    yield Case("one sample", (x[:, :1], 10, 1.1))
    yield Case("factor of zero", (x, 10, 0.0), raises=ValueError)
    yield Case("backwards", (x, 10, -1.0), raises=ValueError)
    yield Case("a rate that is not whole", (x, 8.5, 1.1), raises=TypeError)
    yield Case("complex", (_COMPLEX, 10, 1.1), raises=TypeError)


def _speed_poly(waveform, orig_freq, factor):
    return _resample_poly(waveform, round(factor * orig_freq), orig_freq)


# --- spectra


def _hann(n):
    return np.sin(np.pi * np.arange(n) / n) ** 2


_PARTS = {"return_complex": False}


def _stft_sample(rng, shape):
    if _large(shape):
        window = {"window": _hann(256)}
        return Case("ordinary", (_sound(rng, *shape), 256, 128), {**window, **_PARTS})
    return Case("ordinary", (_wave(rng, shape), 8, 3), {"window": _hann(8) + 0.5, **_PARTS})


def _stft_cases(rng):
    x = _sound(rng, 2, 50)
    yield Case("a Hann window", (x, 16, 4), {"window": _hann(16), **_PARTS})
    yield Case("no window", (x, 16), _PARTS)
    yield Case("one sound", (x[0], 16, 8), _PARTS)
    yield Case("a short window", (x, 16, 4, 10), {"window": _hann(10), **_PARTS})
    yield Case("a short window of ones", (x, 16, 4, 11), _PARTS)
    yield Case("odd length", (x, 15, 5), {"window": _hann(15), **_PARTS})
    yield Case("not centered", (x, 16, 4), {"center": False, **_PARTS})
    yield Case("exactly one frame", (x[:, :16], 16, 4), {"center": False, **_PARTS})
    yield Case("zeros around", (x, 16, 4), {"pad_mode": "constant", **_PARTS})
    yield Case("frames apart", (x, 8, 12), _PARTS)
    yield Case("not contiguous", (_sound(rng, 50, 4).T[::2], 16, 4), _PARTS)
    yield Case("empty batch", (np.zeros((0, 50)), 16, 4), _PARTS)
    yield Case("loud", (32 * x[0], 16, 4), _PARTS)
    yield Case("too short", (x[:, :8], 16, 4), raises=ValueError)
    yield Case("no samples", (x[:, :0], 16, 4), {"pad_mode": "constant"}, raises=ValueError)
    yield Case("window too long", (x, 16, 4, 20), raises=ValueError)
    yield Case("window of another length", (x, 16), {"window": _hann(15)}, raises=ValueError)
    yield Case("no step", (x, 16, 0), raises=ValueError)
    yield Case("no length", (x, 0), raises=ValueError)
    yield Case("half a step", (x, 16, 2.5), raises=TypeError)
    yield Case("unknown padding", (x, 16), {"pad_mode": "circular"}, raises=ValueError)
    yield Case("one number", (np.array(1.0), 16), raises=ValueError)
    yield Case("complex", (_COMPLEX, 2), raises=TypeError)


def _as_rows(input, function, tail):
    """Any batch as rows and back; one row of zeros stands in for an empty batch."""
    import torch

    batch = input.shape[:-tail]
    rows = input.detach().reshape(batch.numel(), *input.shape[-tail:])
    empty = not len(rows)
    rows = torch.ones(1, *rows.shape[1:]).to(rows) if empty else rows
    result = function(rows if rows.dtype == torch.float64 else rows.float())
    result = result[:0] if empty else result
    return result.reshape(*batch, *result.shape[1:]).to(input.dtype)


def _torch_stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True,
                pad_mode="reflect", return_complex=True):  # fmt: skip
    import torch

    def rows(x):
        weights = torch.ones(win_length or n_fft).to(x) if window is None else window
        weights = weights.detach().to(x.dtype)
        spectra = torch.stft(x, n_fft, hop_length, win_length, weights, center, pad_mode,
                             return_complex=True)  # fmt: skip
        return torch.view_as_real(spectra)

    return _as_rows(input, rows, 1)


def _librosa_stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True,
                  pad_mode="reflect", return_complex=True):  # fmt: skip
    import librosa

    weights = np.ones(win_length or n_fft) if window is None else window
    rows = input.reshape(-1, input.shape[-1]) if input.size else np.ones((1, input.shape[-1]))
    spectra = librosa.stft(np.ascontiguousarray(rows), n_fft=n_fft, hop_length=hop_length,
                           win_length=win_length, window=weights, center=center,
                           pad_mode=pad_mode, dtype=np.complex128)  # fmt: skip
    spectra = spectra if input.size else spectra[:0]
    spectra = spectra.reshape(*input.shape[:-1], *spectra.shape[1:])
    return np.stack([spectra.real, spectra.imag], axis=-1)


def _spectra(rng, *shape):
    """Real and imaginary part (..., 9, frames, 2) of a sound, which a window of 16 has."""
    from book.speech.reference import stft

    return stft(_sound(rng, *shape), 16, 4, window=_hann(16), return_complex=False)


def _istft_sample(rng, shape):
    if _large(shape):
        parts = _sound(rng, *shape[:-1], 129, shape[-1] // 128, 2)
        return Case("ordinary", (parts, 256, 128), {"window": _hann(256)})
    x = _sound(rng, *shape[:-1], 9, shape[-1] + 2, 2)
    return Case("ordinary", (x, 16, 4), {"window": _hann(16) + 0.5})


def _istft_cases(rng):
    x = _spectra(rng, 2, 50)
    window = {"window": _hann(16)}
    yield Case("a Hann window", (x, 16, 4), window)
    yield Case("to a length", (x, 16, 4), {"length": 45, **window})
    yield Case("one sound", (x[0], 16, 4), window)
    yield Case("no window", (x, 16, 4))
    yield Case("no spectrogram of a sound", (_sound(rng, 2, 9, 7, 2), 16, 4), window)
    yield Case("not centered", (x, 16, 4), {"center": False})
    yield Case("empty batch", (np.zeros((0, 9, 5, 2)), 16, 4), window)
    yield Case("odd length", (_sound(rng, 2, 8, 6, 2), 15, 5))
    yield Case("wrong number of bins", (x, 20, 4), raises=ValueError)
    yield Case("frames apart", (x, 16, 20), raises=ValueError)
    yield Case("no parts", (np.zeros((9, 5)), 16, 4), raises=ValueError)
    yield Case("no frames", (np.zeros((9, 0, 2)), 16, 4), raises=ValueError)
    yield Case("half a step", (x, 16, 2.5), raises=TypeError)


def _torch_istft(input, n_fft, hop_length=None, win_length=None, window=None, center=True,
                 length=None):  # fmt: skip
    """torch.istft; where frames are not centered it returns nothing without a proper window."""
    import torch

    def rows(x):
        weights = torch.ones(n_fft).to(x) if window is None else window.detach().to(x.dtype)
        spectra = torch.complex(x[..., 0], x[..., 1])
        return torch.istft(spectra, n_fft, hop_length, win_length, weights, center, length=length)

    return _as_rows(input, rows, 3)


def _gate_sample(rng, shape):
    if _large(shape):
        return Case("ordinary", (_sound(rng, *shape), 0.3 * _sound(rng, 4000)))
    return Case("ordinary", (_wave(rng, shape), 0.3 * _sound(rng, 40), 16))


def _gate_cases(rng):
    x, noise = _sound(rng, 2, 60), 0.3 * _sound(rng, 50)
    yield Case("some noise", (x, noise, 16))
    yield Case("one sound", (x[0], noise, 16, 4))
    yield Case("nothing taken", (x, noise, 16), {"strength": 0.0})
    yield Case("all taken", (x, 100 * noise, 16), {"floor": 0.0})
    yield Case("all turned down", (x, 100 * noise, 16), {"floor": 0.25})
    yield Case("silent noise", (x, 0 * noise, 16))
    yield Case("not contiguous", (_sound(rng, 60, 2).T, noise, 16))
    yield Case("empty batch", (x[:0], noise, 16))
    yield Case("too short", (x[:, :5], noise, 16), raises=ValueError)
    yield Case("noise too short", (x, noise[:5], 16), raises=ValueError)
    yield Case("noise of two channels", (x, x, 16), raises=ValueError)
    yield Case("negative strength", (x, noise, 16), {"strength": -1.0}, raises=ValueError)
    yield Case("a floor above one", (x, noise, 16), {"floor": 2.0}, raises=ValueError)
    yield Case("half a window", (x, noise, 16.5), raises=TypeError)
    yield Case("complex", (_COMPLEX, noise), raises=TypeError)


def _spectrogram_sample(rng, shape):
    if _large(shape):
        return Case("ordinary", (_sound(rng, *shape), 256, 128))
    return Case("ordinary", (_wave(rng, shape), 16, 4))


def _spectrogram_cases(rng):
    x = _sound(rng, 2, 50)
    yield Case("power", (x, 16, 4))
    yield Case("magnitude", (x, 16, 4), {"power": 1.0})
    yield Case("a short window", (x, 16, 4, 10))
    yield Case("a window of ones", (x, 16, 4), {"window": np.ones(16)})
    yield Case("not centered", (x, 16, 4), {"center": False})
    yield Case("zeros around", (x, 16, 4), {"pad_mode": "constant"})
    yield Case("empty batch", (x[:0], 16, 4))
    yield Case("not contiguous", (x.T.copy().T, 16, 4))
    yield Case("too short", (x[:, :5], 16, 4), raises=ValueError)
    yield Case("no power", (x, 16, 4), {"power": 0.0}, raises=ValueError)
    yield Case("half a step", (x, 16, 2.5), raises=TypeError)
    yield Case("complex", (_COMPLEX, 2), raises=TypeError)


def _torch_spectrogram(waveform, n_fft=400, hop_length=None, win_length=None, window=None,
                       power=2.0, center=True, pad_mode="reflect"):  # fmt: skip
    import torch

    def rows(x):
        if window is None:
            weights = torch.hann_window(win_length or n_fft, dtype=x.dtype, device=x.device)
        else:
            weights = window.detach().to(x.dtype)
        spectra = torch.stft(x, n_fft, hop_length, win_length, weights, center, pad_mode,
                             return_complex=True)  # fmt: skip
        return spectra.abs() ** power

    return _as_rows(waveform, rows, 1)


# --- mel


def _hz_sample(rng, shape):
    return Case("ordinary", (rng.uniform(0, 8000, shape), "slaney"))


def _hz_cases(rng):
    f = rng.uniform(0, 8000, 12)
    for scale in ("htk", "slaney"):
        yield Case(scale, (f, scale))
        yield Case(f"{scale}, the ends", (np.array([0.0, 1000.0, 22050.0]), scale))
        yield Case(f"{scale}, none", (np.zeros(0), scale))
    yield Case("one number", (np.array(440.0),))
    yield Case("not contiguous", (f.reshape(3, 4).T,))
    yield Case("below zero", (-f,), raises=ValueError)
    yield Case("unknown scale", (f, "bark"), raises=ValueError)
    yield Case("complex", (_COMPLEX,), raises=TypeError)


def _mel_sample(rng, shape):
    return Case("ordinary", (rng.uniform(0, 45, shape), "slaney"))


def _mel_cases(rng):
    m = rng.uniform(0, 45, 12)
    yield Case("htk", (60 * m, "htk"))
    yield Case("slaney", (m, "slaney"))
    yield Case("the break", (np.array([0.0, 15.0]), "slaney"))
    yield Case("none", (np.zeros(0),))
    yield Case("one number", (np.array(550.0),))
    yield Case("below zero", (-m,), raises=ValueError)
    yield Case("unknown scale", (m, "bark"), raises=ValueError)
    yield Case("complex", (_COMPLEX,), raises=TypeError)


def _librosa_hz(frequencies, mel_scale="htk"):
    import librosa

    return librosa.hz_to_mel(frequencies, htk=mel_scale == "htk")


def _librosa_mel(mels, mel_scale="htk"):
    import librosa

    return librosa.mel_to_hz(mels, htk=mel_scale == "htk")


def _bins(count=33, rate=8000.0):
    """Frequencies of the bins, each a number that bfloat16 holds."""
    return np.linspace(0, rate / 2, count)


def _bank_sample(rng, shape):
    return Case("ordinary", (_bins(2 ** min(7, 2 + shape[0]) + 1), 10))


def _bank_cases(rng):
    yield Case("ten bands", (_bins(), 10))
    yield Case("default", (_bins(257),))
    yield Case("Slaney's curve", (_bins(), 10), {"mel_scale": "slaney"})
    yield Case("equal areas", (_bins(), 10), {"norm": "slaney"})
    yield Case("as librosa", (_bins(), 10), {"norm": "slaney", "mel_scale": "slaney"})
    yield Case("a part", (_bins(), 6, 500.0, 3000.0))
    yield Case("one band", (_bins(), 1))
    yield Case("more bands than bins", (_bins(9), 20))
    yield Case("no band", (_bins(), 0), raises=ValueError)
    yield Case("half a band", (_bins(), 2.5), raises=TypeError)
    yield Case("upside down", (_bins(), 10, 3000.0, 500.0), raises=ValueError)
    yield Case("unknown norm", (_bins(), 10), {"norm": "l2"}, raises=ValueError)
    yield Case("unknown scale", (_bins(), 10), {"mel_scale": "bark"}, raises=ValueError)
    yield Case("no bins", (np.zeros(0), 10), raises=ValueError)
    yield Case("a table of bins", (np.zeros((3, 3)), 10), raises=ValueError)
    yield Case("complex", (_COMPLEX[0], 10), raises=TypeError)


def _librosa_bank(freqs, n_mels=40, f_min=0.0, f_max=None, norm=None, mel_scale="htk"):
    import warnings

    import librosa

    with warnings.catch_warnings():  # bands without a bin
        warnings.simplefilter("ignore")
        bank = librosa.filters.mel(sr=2 * freqs[-1], n_fft=2 * (len(freqs) - 1), n_mels=n_mels,
                                   fmin=f_min, fmax=f_max, htk=mel_scale == "htk", norm=norm,
                                   dtype=np.float64)  # fmt: skip
    return bank.T


def _melspec_sample(rng, shape):
    if _large(shape):
        return Case("ordinary", (_sound(rng, *shape), 8000, 256, 128))
    return Case("ordinary", (_wave(rng, shape), 8000, 16, 4), {"n_mels": 4})


_FEW = {"n_mels": 5}


def _melspec_cases(rng):
    x = _sound(rng, 2, 100)
    yield Case("five bands", (x, 8000, 32, 8), _FEW)
    yield Case("magnitude", (x, 8000, 32, 8), {"power": 1.0, **_FEW})
    yield Case("Slaney", (x, 8000, 32, 8), {"norm": "slaney", "mel_scale": "slaney", **_FEW})
    yield Case("a part", (x, 8000, 32, 8), {"f_min": 300.0, "f_max": 3400.0, **_FEW})
    yield Case("a short window", (x, 8000, 32, 8, 20), _FEW)
    yield Case("one sound", (x[0], 8000, 32), _FEW)
    yield Case("empty batch", (x[:0], 8000, 32), _FEW)
    yield Case("too short", (x[:, :9], 8000, 32), raises=ValueError)
    yield Case("a rate of zero", (x, 0, 32), raises=ValueError)
    yield Case("half a band", (x, 8000, 32), {"n_mels": 2.5}, raises=TypeError)
    yield Case("complex", (_COMPLEX, 8000, 2), raises=TypeError)


def _librosa_rows(function, waveform):
    rows = waveform.reshape(-1, waveform.shape[-1])
    rows = rows if waveform.size else np.ones((1, waveform.shape[-1]))
    found = np.stack([function(np.ascontiguousarray(row)) for row in rows])
    found = found if waveform.size else found[:0]
    return found.reshape(*waveform.shape[:-1], *found.shape[1:])


def _librosa_melspec(waveform, sample_rate, n_fft=400, hop_length=None, win_length=None, n_mels=40,
                     f_min=0.0, f_max=None, power=2.0, norm=None, mel_scale="htk"):  # fmt: skip
    """librosa's spectrogram, summed by its filter bank in float64."""
    import librosa

    def row(x):
        spectra = librosa.stft(x, n_fft=n_fft, hop_length=hop_length or n_fft // 4,
                               win_length=win_length, pad_mode="reflect",
                               dtype=np.complex128)  # fmt: skip
        bank = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min,
                                   fmax=f_max, htk=mel_scale == "htk", norm=norm,
                                   dtype=np.float64)  # fmt: skip
        return bank @ np.abs(spectra) ** power

    return _librosa_rows(row, waveform)


def _db_sample(rng, shape):
    return Case("ordinary", (rng.uniform(0.1, 10, shape),))


def _db_cases(rng):
    x = 10 ** rng.uniform(-6, 2, (4, 5))
    yield Case("a spectrogram", (x,))
    yield Case("at most 30 dB", (x,), {"top_db": 30.0})
    yield Case("no limit", (x,), {"top_db": None})
    yield Case("another reference", (x, 0.01, 1e-5))
    yield Case("silence", (np.zeros((3, 4)),))
    yield Case("nothing", (np.zeros((3, 0)),))
    yield Case("one number", (np.array(2.0),))
    yield Case("not contiguous", (x.T,))
    yield Case("negative reference", (x, -1.0), raises=ValueError)
    yield Case("no least power", (x,), {"amin": 0.0}, raises=ValueError)
    yield Case("negative limit", (x,), {"top_db": -1.0}, raises=ValueError)
    yield Case("complex", (_COMPLEX,), raises=TypeError)


def _librosa_db(S, ref=1.0, amin=1e-10, top_db=80.0):
    import librosa

    return librosa.power_to_db(S, ref=ref, amin=amin, top_db=top_db) if S.size else S


# --- cepstra


def _dct_sample(rng, shape):
    return Case("ordinary", (_sound(rng, *shape[:-2], shape[-2] + 1, shape[-1]),))


def _dct_cases(rng):
    x = _sound(rng, 2, 8, 5)
    yield Case("all", (x,))
    yield Case("three", (x, 3))
    yield Case("along the last axis", (x, 2, -1))
    yield Case("a row", (x[0, :, 0], 4, 0))
    yield Case("one value", (x[:, :1],))
    yield Case("a constant", (np.ones((8, 2)), 3))
    yield Case("empty batch", (x[:0], 3))
    yield Case("not contiguous", (x.T, 3, 0))
    yield Case("more than there are", (x, 9), raises=ValueError)
    yield Case("none", (x, 0), raises=ValueError)
    yield Case("nothing to transform", (x[:, :0],), raises=ValueError)
    yield Case("no such axis", (x, 3, 4), raises=ValueError)
    yield Case("half a coefficient", (x, 2.5), raises=TypeError)
    yield Case("complex", (_COMPLEX,), raises=TypeError)


def _scipy_dct(input, n=None, dim=-2):
    from scipy.fft import dct

    if not input.size:
        shape = list(input.shape)
        shape[dim] = n or shape[dim]
        return np.zeros(shape)
    return np.moveaxis(np.moveaxis(dct(input, axis=dim, norm="ortho"), dim, 0)[:n], 0, dim)


def _lifter_sample(rng, shape):
    return Case("ordinary", (_sound(rng, *shape),))


def _lifter_cases(rng):
    x = _sound(rng, 2, 13, 5)
    for amount in (22, 10, 0.5, 0):
        yield Case(f"lifter={amount}", (x, amount))
    yield Case("no frames", (x[..., :0],))
    yield Case("not contiguous", (x.T,))
    yield Case("negative", (x, -1), raises=ValueError)
    yield Case("a row", (x[0, 0],), raises=ValueError)
    yield Case("complex", (_COMPLEX,), raises=TypeError)


def _mfcc_sample(rng, shape):
    if _large(shape):
        return Case("ordinary", (_sound(rng, *shape), 8000, 13, 256, 128))
    return Case("ordinary", (_wave(rng, shape), 8000, 3, 16, 4), {"n_mels": 4})


def _mfcc_cases(rng):
    x = _sound(rng, 2, 100)
    yield Case("three of five", (x, 8000, 3, 32, 8), _FEW)
    yield Case("liftered", (x, 8000, 3, 32, 8), {"lifter": 4, **_FEW})
    yield Case("Slaney", (x, 8000, 3, 32, 8), {"norm": "slaney", "mel_scale": "slaney", **_FEW})
    yield Case("one sound", (x[0], 8000, 4, 32), _FEW)
    yield Case("all", (x, 8000, 5, 32, 8), _FEW)
    yield Case("empty batch", (x[:0], 8000, 3, 32), _FEW)
    yield Case("more than bands", (x, 8000, 6, 32), _FEW, raises=ValueError)
    yield Case("too short", (x[:, :9], 8000, 3, 32), raises=ValueError)
    yield Case("half a step", (x, 8000, 3, 32, 2.5), raises=TypeError)
    yield Case("complex", (_COMPLEX, 8000, 1, 2), raises=TypeError)


def _librosa_mfcc(waveform, sample_rate, n_mfcc=13, n_fft=400, hop_length=None, win_length=None,
                  n_mels=40, f_min=0.0, f_max=None, norm=None, mel_scale="htk",
                  lifter=0):  # fmt: skip
    """librosa.feature.mfcc on the mel spectrogram above, in float64."""
    import librosa

    mels = _librosa_melspec(waveform, sample_rate, n_fft, hop_length, win_length, n_mels, f_min,
                            f_max, 2.0, norm, mel_scale)  # fmt: skip
    rows = mels.reshape(-1, *mels.shape[-2:]) if mels.size else np.ones((1, *mels.shape[-2:]))
    found = np.stack([
        librosa.feature.mfcc(S=librosa.power_to_db(row), n_mfcc=n_mfcc, lifter=lifter)
        for row in rows
    ])  # fmt: skip
    found = found if mels.size else found[:0]
    return found.reshape(*mels.shape[:-2], *found.shape[1:])


def _delta_sample(rng, shape):
    return Case("ordinary", (_sound(rng, *shape),))


def _delta_cases(rng):
    x = _sound(rng, 2, 4, 20)
    yield Case("five frames", (x,))
    yield Case("nine frames", (x, 9))
    yield Case("fewer frames than the window", (x[..., :2],))
    yield Case("one frame", (x[..., :1],))
    yield Case("nothing", (x[..., :0],))
    yield Case("a straight line", (np.arange(12.0).reshape(1, 12),))
    yield Case("not contiguous", (x.T,))
    yield Case("even window", (x, 4), raises=ValueError)
    yield Case("window of one", (x, 1), raises=ValueError)
    yield Case("half a frame", (x, 4.5), raises=TypeError)
    yield Case("complex", (_COMPLEX,), raises=TypeError)


def _scipy_deltas(specgram, win_length=5):
    """scipy.signal.savgol_filter, as librosa calls it: the slope of a fitted line."""
    from scipy.signal import savgol_filter

    if not specgram.size:
        return specgram
    return savgol_filter(specgram, win_length, 1, deriv=1, axis=-1, mode="nearest")


def _augment_sample(rng, shape):
    n, bins, frames = shape[-3:]
    masks = {"freq_mask_param": 2, "time_mask_param": 3}
    return Case("ordinary", (_sound(rng, n, bins, frames),),
                {**masks, "draws": rng.random((n, 2, 2))})  # fmt: skip


def _augment_cases(rng):
    x = _sound(rng, 3, 8, 20)
    draws = np.floor(rng.random((3, 4, 2)) * 256) / 256  # numbers that bfloat16 holds
    two = {"draws": draws[:, :2]}
    yield Case("a mask each", (x, 3, 6), two)
    yield Case("two masks each", (x, 3, 6, 2, 2), {"draws": draws})
    yield Case("frequencies only", (x, 3, 6, 1, 0), {"draws": draws[:, :1]})
    yield Case("time only", (x, 3, 6, 0, 1), {"draws": draws[:, :1]})
    yield Case("no masks", (x, 3, 6, 0, 0), {"draws": draws[:, :0]})
    yield Case("masks of no width", (x, 0, 0), two)
    yield Case("masks larger than the picture", (x, 100, 100), two)
    yield Case("another value", (x, 3, 6), {"value": -2.0, **two})
    yield Case("no frames", (x[..., :0], 3, 6), two)
    yield Case("empty batch", (x[:0], 3, 6), {"draws": draws[:0, :2]})
    yield Case("not contiguous", (x.transpose(0, 2, 1), 3, 6), two)
    yield Case("draws too few", (x, 3, 6), {"draws": draws[:, :1]}, raises=ValueError)
    yield Case("one picture", (x[0], 3, 6), raises=ValueError)
    yield Case("negative width", (x, -1), raises=ValueError)
    yield Case("half a mask", (x, 3, 6, 0.5), raises=TypeError)
    yield Case("complex", (_COMPLEX[None], 3, 6), raises=TypeError)


# --- connectionist temporal classification


def _log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True, initial=0.0)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def _scores(rng, frames, count, classes, scale=1.0):
    return _log_softmax(scale * rng.normal(size=(frames, count, classes)))


def _labels(rng, count, length, classes):
    return rng.integers(1, classes, (count, length))


def _ctc_sample(rng, shape):
    frames, count, classes = shape[-3] + 4, shape[-2] + 1, shape[-1] + 2
    longest = max(2, frames // 4) if frames > 20 else 2  # repeats need a frame more
    return Case("ordinary", (
        _scores(rng, frames, count, classes), _labels(rng, count, longest, classes),
        rng.integers(max(4, frames - 3), frames + 1, count), rng.integers(1, longest + 1, count),
    ))  # fmt: skip


def _ctc_problem(rng, frames=7, count=3, classes=5, longest=3):
    return (_scores(rng, frames, count, classes), _labels(rng, count, longest, classes),
            np.array([frames, frames - 1, frames]), np.array([longest, 1, 2]))  # fmt: skip


def _ctc_common(rng):
    yield Case("ragged", _ctc_problem(rng))
    x, y, t, s = _ctc_problem(rng)
    yield Case("equal neighbors", (x, np.array([[2, 2, 2], [1, 1, 3], [4, 4, 1]]), t, s))
    yield Case("an empty target", (x, y, t, np.array([0, 3, 2])))
    yield Case(
        "blank in the middle", (x, np.array([[0, 1, 4], [3, 3, 1], [1, 0, 0]]), t, s), {"blank": 2}
    )
    yield Case("one frame, one label", (x[:1, :1], y[:1, :1], np.array([1]), np.array([1])))
    yield Case("no room to spare", (x[:3], np.array([[1, 2, 1], [2, 3, 4], [3, 2, 3]]),
                                    np.array([3, 3, 3]), np.array([3, 3, 3])))  # fmt: skip
    yield Case("sharp", (_scores(rng, 7, 3, 5, 8.0), y, t, s))
    yield Case("not contiguous", (_scores(rng, 5, 3, 7).transpose(2, 1, 0), y, t, s))
    yield Case("targets beyond their length are not read", (x, np.where(
        np.arange(3) < s[:, None], y, 99), t, s))  # fmt: skip


def _ctc_bad(rng):
    x, y, t, s = _ctc_problem(rng)
    yield Case("a class too many", (x, y + 9, t, s), raises=ValueError)
    yield Case("a blank among the labels", (x, y * 0, t, s), raises=ValueError)
    yield Case("no such blank", (x, y, t, s, 7), raises=ValueError)
    yield Case("longer than there are frames", (x, y, t + 1, s), raises=ValueError)
    yield Case("longer than the targets", (x, y, t, s + 1), raises=ValueError)
    yield Case("a length too few", (x, y, t[:2], s), raises=ValueError)
    yield Case("a target too few", (x, y[:2], t, s), raises=ValueError)
    yield Case("labels in real numbers", (x, y / 2, t, s), raises=TypeError)
    yield Case("lengths in real numbers", (x, y, t / 2, s), raises=TypeError)
    yield Case("no batch", (x[:, 0], y, t, s), raises=ValueError)
    yield Case("complex", (x + 1j, y, t, s), raises=TypeError)


def _ctc_cases(rng):
    yield from _ctc_common(rng)
    for reduction in ("none", "sum"):
        yield Case(reduction, _ctc_problem(rng), {"reduction": reduction})
    x, y, t, s = _ctc_problem(rng)
    short = (x[:3], np.array([[2, 2, 1], [1, 2, 3], [4, 1, 1]]), np.array([3, 3, 3]), s)
    yield Case("one that does not fit, made zero", short,
               {"reduction": "none", "zero_infinity": True})  # fmt: skip
    yield from _ctc_bad(rng)
    yield Case("unknown reduction", (x, y, t, s), {"reduction": "batchmean"}, raises=ValueError)


def _torch_ctc(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean",
               zero_infinity=False):  # fmt: skip
    """F.ctc_loss; the term p in its gradient, which a log-softmax would cancel, is taken out."""
    import torch
    from torch.nn import functional as F

    x = log_probs if log_probs.dtype == torch.float64 else log_probs.float()
    inside = torch.arange(targets.shape[1], device=x.device) < target_lengths[:, None]
    safe = torch.where(inside, targets, (blank + 1) % x.shape[2])
    loss = F.ctc_loss(x, safe, input_lengths, target_lengths, blank, "none", zero_infinity)
    live = torch.arange(len(x), device=x.device)[:, None] < input_lengths
    live = live & (loss.detach() != 0)
    p = x.detach().exp()
    loss = loss - ((x - x.detach()) * p * live[..., None]).sum((0, 2))
    if reduction == "mean":
        loss = (loss / target_lengths.clamp(min=1)).mean()
    return (loss.sum() if reduction == "sum" else loss).to(log_probs.dtype)


def _align_sample(rng, shape):
    return _ctc_sample(rng, shape)


def _align_cases(rng):
    yield from _ctc_common(rng)
    x, *_, s = _ctc_problem(rng)
    yield Case("one that does not fit", (
        x[:3], np.array([[2, 2, 1], [1, 2, 3], [4, 1, 1]]), np.array([3, 3, 3]), s))  # fmt: skip
    yield from _ctc_bad(rng)


def _decode_sample(rng, shape):
    frames, count, classes = shape[-3] + 1, shape[-2], shape[-1] + 2
    return Case("ordinary", (_scores(rng, frames, count, classes),
                             rng.integers(0, frames + 1, count)))  # fmt: skip


def _decode_cases(rng):
    yield Case("ragged", (_scores(rng, 8, 3, 4), np.array([8, 5, 0])))
    yield Case("all frames", (_scores(rng, 8, 3, 4),))
    yield Case("sharp", (_scores(rng, 8, 3, 4, 6.0),))
    yield Case("blank in the middle", (_scores(rng, 8, 3, 4),), {"blank": 2})
    yield Case("one frame", (_scores(rng, 1, 2, 4),))
    yield Case("no frames", (np.zeros((0, 2, 4)),))
    yield Case("empty batch", (np.zeros((5, 0, 4)),))
    yield Case("nothing but blanks", (np.tile([0.0, -3.0, -4.0], (4, 2, 1)),))
    yield Case("not contiguous", (_scores(rng, 3, 4, 8).transpose(1, 0, 2)[:, :, ::2],))
    yield Case("no batch", (_scores(rng, 8, 3, 4)[:, 0],), raises=ValueError)
    yield Case("no such blank", (_scores(rng, 8, 3, 4),), {"blank": 9}, raises=ValueError)
    yield Case("too long", (_scores(rng, 8, 3, 4), np.array([9, 9, 9])), raises=ValueError)
    yield Case("half a frame", (_scores(rng, 8, 1, 4), np.array([1.5])), raises=TypeError)
    yield Case("complex", (_scores(rng, 8, 3, 4) + 1j,), raises=TypeError)


def _beam_sample(rng, shape):
    case = _decode_sample(rng, shape)
    return Case("ordinary", case.args, {"beam_width": 4})


def _beam_cases(rng):
    lm = _log_softmax(rng.normal(size=(4, 4)))
    for case in _decode_cases(rng):
        yield Case(case.name, case.args, {"beam_width": 5, **case.kwargs}, raises=case.raises)
    yield Case("one beam", (_scores(rng, 8, 3, 4),), {"beam_width": 1})
    yield Case("more beams than texts", (_scores(rng, 3, 2, 3),), {"beam_width": 40})
    yield Case("a language model", (_scores(rng, 8, 3, 4),), {"lm": lm, "beam_width": 6})
    yield Case("weights", (_scores(rng, 8, 3, 4), np.array([8, 6, 7])),
               {"lm": lm, "lm_weight": 1.5, "bonus": 0.75, "beam_width": 6})  # fmt: skip
    x = _scores(rng, 8, 3, 4)
    yield Case("no beam", (x,), {"beam_width": 0}, raises=ValueError)
    yield Case("half a beam", (x,), {"beam_width": 2.5}, raises=TypeError)
    yield Case("a model of other classes", (x,), {"lm": lm[:3]}, raises=ValueError)
    yield Case("a complex model", (x,), {"lm": lm + 1j}, raises=TypeError)


def _edit_sample(rng, shape):
    n = shape[0]
    return Case("ordinary", (rng.integers(0, 3, (n, shape[1])),
                             rng.integers(0, 3, (n, shape[1] + 1))))  # fmt: skip


def _edit_cases(rng):
    a, b = rng.integers(0, 4, (5, 9)), rng.integers(0, 4, (5, 7))
    yield Case("ordinary", (a, b))
    yield Case("ragged", (a, b, np.array([9, 0, 4, 2, 9]), np.array([7, 3, 0, 2, 5])))
    yield Case("equal", (a, a))
    yield Case("nothing against something", (a[:, :0], b))
    yield Case("something against nothing", (a, b[:, :0]))
    yield Case("no rows", (a[:0], b[:0]))
    yield Case("not contiguous", (a.T[:5], b[:, ::2]))
    yield Case("another number of rows", (a, b[:3]), raises=ValueError)
    yield Case("a single row", (a[0], b[0]), raises=ValueError)
    yield Case("too long", (a, b, np.full(5, 10)), raises=ValueError)
    yield Case("real numbers", (a / 2, b), raises=TypeError)


def _jiwer_edits(input, target, input_lengths=None, target_lengths=None):
    """jiwer counts substitutions, deletions and insertions of words."""
    import jiwer

    def text(row, length):
        return " ".join(f"w{label}" for label in row[: len(row) if length is None else length])

    found = []
    for n, (a, b) in enumerate(zip(input, target, strict=True)):
        a = text(a, None if input_lengths is None else input_lengths[n])
        b = text(b, None if target_lengths is None else target_lengths[n])
        if not a or not b:
            found.append(len(a.split()) + len(b.split()))
            continue
        counts = jiwer.process_words(b, a)
        found.append(counts.substitutions + counts.deletions + counts.insertions)
    return np.array(found, dtype=np.int64)


OPS = [
    Op("to_mono", _mono_sample, _mono_cases, min_ndim=2),
    Op("pad_or_trim", _pad_sample, _pad_cases, min_ndim=1),
    Op("resample", _resample_sample, _resample_cases, numpy_peers=(_resample_poly,), min_ndim=1,
       bench_shape=(16, 40000)),
    Op("gain", _gain_sample, _gain_cases),
    Op("add_noise", _noise_sample, _noise_cases, min_ndim=1),
    Op("time_shift", _shift_sample, _shift_cases, min_ndim=1),
    Op("speed", _speed_sample, _speed_cases, numpy_peers=(_speed_poly,), min_ndim=1),
    Op("stft", _stft_sample, _stft_cases, (_torch_stft,), (_librosa_stft,), min_ndim=1,
       bench_shape=(16, 40000)),
    Op("istft", _istft_sample, _istft_cases, (_torch_istft,), min_ndim=1),
    Op("spectral_gate", _gate_sample, _gate_cases, min_ndim=1),
    Op("spectrogram", _spectrogram_sample, _spectrogram_cases, (_torch_spectrogram,), min_ndim=1),
    Op("hz_to_mel", _hz_sample, _hz_cases, numpy_peers=(_librosa_hz,)),
    Op("mel_to_hz", _mel_sample, _mel_cases, numpy_peers=(_librosa_mel,)),
    Op("mel_filterbank", _bank_sample, _bank_cases, numpy_peers=(_librosa_bank,), min_ndim=1),
    Op("mel_spectrogram", _melspec_sample, _melspec_cases, numpy_peers=(_librosa_melspec,),
       min_ndim=1),
    Op("power_to_db", _db_sample, _db_cases, numpy_peers=(_librosa_db,)),
    Op("dct", _dct_sample, _dct_cases, numpy_peers=(_scipy_dct,), min_ndim=2),
    Op("lifter", _lifter_sample, _lifter_cases, min_ndim=2),
    Op("mfcc", _mfcc_sample, _mfcc_cases, numpy_peers=(_librosa_mfcc,), min_ndim=1,
       bench_shape=(16, 40000)),
    Op("compute_deltas", _delta_sample, _delta_cases, numpy_peers=(_scipy_deltas,), min_ndim=1),
    Op("spec_augment", _augment_sample, _augment_cases, min_ndim=3),
    Op("ctc_loss", _ctc_sample, _ctc_cases, (_torch_ctc,), min_ndim=3,
       bench_shape=(20, 64, 28)),
    Op("ctc_align", _align_sample, _align_cases, min_ndim=3),
    Op("ctc_greedy_decode", _decode_sample, _decode_cases, min_ndim=3),
    Op("ctc_beam_search", _beam_sample, _beam_cases, min_ndim=3),
    Op("edit_distance", _edit_sample, _edit_cases, numpy_peers=(_jiwer_edits,), min_ndim=2),
]  # fmt: skip
