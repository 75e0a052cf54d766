"""The worked examples, errata and experiments of the documents that concern speech.

Worked examples and errata are computed here. The experiments run on the page, whose stored
outputs nbval verifies; here their outcome is held against the claim. What both implementations
share (files, texts, error rates) is tested here too, against soundfile, SciPy and jiwer.
"""

import io
import struct
from itertools import groupby, product
from pathlib import Path

import jiwer
import numpy as np
import pytest
import scipy.io.wavfile
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from book.speech import data, pytorch, recognizer
from book.speech import reference as f
from tests.chapters.glued import glued

ERRATA = (Path(__file__).resolve().parents[2] / "book" / "errata.md").read_text()


@pytest.fixture(scope="module")
def page():
    return glued("speech/chapter.ipynb")


def erratum(number):
    """The text of an entry on the errata page."""
    return ERRATA.split(f"(errata-e{number})=")[1].split("\n(errata-")[0]


def tone(frequency, rate, seconds=1.0):
    return np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)


def peaks(sound, rate, share=0.1):
    """Frequencies, in whole Hz, of the bins with more than a share of the largest magnitude."""
    size = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    top = [i for i in range(1, len(size) - 1) if size[i] > max(size[i - 1], size[i + 1])]
    return [round(i * rate / len(sound)) for i in top if size[i] > share * size.max()]


def wav(array, rate=8000, subtype="PCM_16"):
    content = io.BytesIO()
    soundfile.write(content, array, rate, format="WAV", subtype=subtype)
    return content.getvalue()


# --- worked examples


def test_w89(page):
    """A second at 44.1 kHz is one row of 44,100 numbers; two channels are two rows."""
    mono, rate = f.load_wav(wav(np.zeros(44100), 44100))
    stereo, _ = f.load_wav(wav(np.zeros((44100, 2)), 44100))
    assert rate == 44100
    assert mono.shape == (1, 44100)
    assert stereo.shape == (2, 44100)
    assert page["spe-w89-mono"] == "(1, 44100)"
    assert page["spe-w89-stereo"] == "(2, 44100)"


def test_w90(page):
    vocabulary = f.character_vocabulary(["ari learns"])
    ids = f.encode_text("ari learns", vocabulary)
    assert vocabulary == [" ", "a", "e", "i", "l", "n", "r", "s"]
    assert ids == [1, 6, 3, 0, 4, 2, 1, 6, 5, 7]
    assert f.decode_text(ids, vocabulary) == "ari learns"
    assert page["spe-w90-ids"] == "1 6 3 0 4 2 1 6 5 7"


# --- errata


def test_e73(page):
    """Each coefficient mixes all bands: the second row of the transform is 0 on 2 of 26 only."""
    assert "E73" in erratum(73)
    row = f.dct(np.eye(26))[2]
    assert (np.abs(row) > 1e-12).sum() == page["spe-e73-bands"] == 24
    one_band = np.zeros((26, 1))
    one_band[20] = 1.0
    assert (np.abs(f.dct(one_band, 13)) > 1e-12).mean() > 0.9


# --- experiments


def test_x102(page):
    """Masks on noisy chirps: held against the claim over seeds, whichever way it goes."""
    assert page["spe-x102-none"] > 50
    assert page["spe-x102-masks"] > 50
    assert page["spe-x102-shift"] > page["spe-x102-none"]


def test_x103(page):
    """Of 26 bands, 13 coefficients keep most of the shape and 5 little; all keep everything."""
    assert page["spe-x103-r5"] < page["spe-x103-r13"] < page["spe-x103-r26"]
    assert page["spe-x103-r26"] == pytest.approx(1.0, abs=1e-3)


def test_x104(page):
    """Without a low-pass, 6 kHz comes back as 2 kHz; and 7 kHz cancels 1 kHz."""
    sound = tone(1000, 16000) + tone(6000, 16000)
    assert peaks(sound[::2], 8000) == [1000, 2000]
    filtered = f.resample(sound, 16000, 8000)[400:-400]
    assert peaks(filtered, 8000, 0.01) == [1000]
    gone = tone(1000, 16000) + tone(7000, 16000)
    assert np.abs(gone[::2]).max() < 1e-9
    assert page["spe-x104-naive"] == "1000 and 2000"
    assert page["spe-x104-filtered"] == "1000"


def test_x105(page):
    short, long = np.zeros((1, 4000)), np.zeros((2, 10400))
    assert f.pad_or_trim(short, 8000).shape == (1, 8000)
    assert f.pad_or_trim(f.to_mono(long), 8000).shape == (1, 8000)
    assert page["spe-x105"] == "(1, 8000)"


# --- sound files


@pytest.mark.parametrize(
    ("subtype", "steps"), [("PCM_U8", 2**7), ("PCM_16", 2**15), ("PCM_24", 2**23),
                           ("PCM_32", 2**31), ("FLOAT", 2**24), ("DOUBLE", 2**52)],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_load_wav_reads_what_soundfile_wrote(subtype, steps, channels):
    sound = np.random.default_rng(0).uniform(-0.9, 0.9, (50, channels))
    content = wav(sound, 11025, subtype)
    waveform, rate = f.load_wav(content)
    assert rate == 11025
    np.testing.assert_array_equal(
        waveform, soundfile.read(io.BytesIO(content))[0].reshape(50, -1).T
    )
    np.testing.assert_allclose(waveform, sound.T, atol=1.01 / steps)
    assert pytorch.load_wav is f.load_wav


def test_load_wav_reads_a_path(tmp_path):
    path = tmp_path / "tone.wav"
    scipy.io.wavfile.write(path, 8000, (2**14 * tone(440, 8000)).astype(np.int16))
    waveform, rate = f.load_wav(path)
    assert (waveform.shape, rate) == ((1, 8000), 8000)
    assert waveform.max() == pytest.approx(0.5, abs=1e-3)
    with pytest.raises(FileNotFoundError):
        f.load_wav(tmp_path / "none.wav")


def test_load_wav_skips_what_is_no_sound():
    content = wav(np.full(3, 0.5))
    note = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # odd length: a byte to even
    waveform, _ = f.load_wav(content[:12] + note + content[12:])
    np.testing.assert_array_equal(waveform, [[0.5, 0.5, 0.5]])


def test_load_wav_reads_a_file_without_samples():
    assert f.load_wav(wav(np.zeros(0)))[0].shape == (1, 0)


def _header(coding=1, channels=1, rate=8000, bits=16):
    align = channels * bits // 8
    fields = struct.pack("<HHIIHH", coding, channels, rate, rate * align, align, bits)
    return b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + fields


def _data(samples=b"\0\0", size=None):
    return b"data" + struct.pack("<I", len(samples) if size is None else size) + samples


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "an empty file"),
        (b"RIFF", "begins RIFF"),
        (b"ID3\x04 this is an mp3 file", "begins RIFF"),
        (b"RIFX\0\0\0\0WAVE", "begins RIFF"),
        (b"RIFF\0\0\0\0WAVE", "`fmt`"),
        (_header(), "`data`"),
        (b"RIFF\0\0\0\0WAVE" + _data(), "`fmt`"),
        (_header() + _data(size=100), "expected 100 bytes of `data`, got 2"),
        (_header()[:-4], "cut off"),
        (b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0\0\0\0\0" + _data(), "16 bytes of `fmt`"),
        (_header(coding=6, bits=8) + _data(), "coding 6 with 8 bits"),
        (_header(bits=12) + _data(), "12 bits"),
        (_header(channels=0) + _data(), "channels"),
        (_header(rate=0) + _data(), "rate"),
        (_header() + _data(b"\0\0\0"), "whole frames of 2 bytes, got 3"),
    ],
)
def test_load_wav_says_what_is_wrong_with_a_file(content, says):
    with pytest.raises(ValueError, match=r"(?s)expected.*got") as caught:
        f.load_wav(content)
    assert says in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 143), st.data())
def test_a_damaged_file_gives_samples_or_a_clear_error(cut, more):
    content = bytearray(wav(np.linspace(-0.5, 0.5, 50)))
    content[more.draw(st.integers(0, len(content) - 1))] = more.draw(st.integers(0, 255))
    try:
        waveform, rate = f.load_wav(bytes(content[: len(content) - cut]))
    except ValueError as error:
        assert "expected" in str(error)
    else:
        assert waveform.ndim == 2
        assert rate > 0


@pytest.mark.parametrize("path", [None, 7, np.zeros(3)])
def test_load_wav_refuses_what_is_no_path(path):
    with pytest.raises(TypeError, match="expected a path or bytes, got"):
        f.load_wav(path)


# --- sound


def test_the_stft_is_complex_by_default_as_in_pytorch():
    x, window = np.random.default_rng(0).normal(size=200), np.hanning(32)
    theirs = torch.stft(torch.as_tensor(x), 32, 8, window=torch.as_tensor(window),
                        return_complex=True)  # fmt: skip
    np.testing.assert_allclose(f.stft(x, 32, 8, window=window), theirs, atol=1e-12)
    ours = pytorch.stft(torch.as_tensor(x), 32, 8, window=torch.as_tensor(window))
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("hop", [4, 8, 16])
def test_istft_undoes_stft(hop):
    x, window = np.random.default_rng(0).normal(size=(2, 96)), np.hanning(33)[:-1]
    back = f.istft(f.stft(x, 32, hop, window=window), 32, hop, window=window, length=96)
    np.testing.assert_allclose(back, x, atol=1e-12)
    spectra = pytorch.stft(torch.as_tensor(x), 32, hop, window=torch.as_tensor(window))
    again = pytorch.istft(spectra, 32, hop, window=torch.as_tensor(window), length=96)
    np.testing.assert_allclose(again, x, atol=1e-12)


def test_the_peak_of_a_spectrogram_is_the_frequency_of_the_tone():
    spectra = f.spectrogram(tone(1000, 8000), 256, 128)
    assert (spectra[:, 2:-2].argmax(axis=0) * 8000 / 256 == 1000).all()


def test_add_noise_has_the_ratio_that_was_asked_for():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 3, 500))
    for snr in (-10.0, 0.0, 15.0):
        added = f.add_noise(x, noise, snr) - x
        ratio = 10 * np.log10((x**2).sum(axis=1) / (added**2).sum(axis=1))
        np.testing.assert_allclose(ratio, snr, atol=1e-9)


def test_the_spectral_gate_brings_a_sound_closer_to_the_clean_one():
    rng = np.random.default_rng(0)
    clean = data.load_clips()[0][0].waveform
    noise = 0.02 * rng.normal(size=len(clean) + 4000)
    noisy = clean + noise[4000:]
    error = np.square(f.spectral_gate(noisy, noise[:4000]) - clean).sum()
    assert error < 0.6 * np.square(noisy - clean).sum()


def test_masks_hide_bands_and_stretches_and_nothing_else():
    x = np.ones((50, 20, 30))
    hidden = f.spec_augment(x, 6, 10, generator=np.random.default_rng(0)) == 0
    rows, columns = hidden.all(axis=2), hidden.all(axis=1)
    assert (hidden == rows[:, :, None] | columns[:, None]).all()
    for sides, largest in ((rows, 6), (columns, 10)):
        assert sides.sum(axis=1).max() <= largest
        assert (np.abs(np.diff(sides.astype(int), axis=1)).sum(axis=1) <= 2).all()
    assert len(np.unique(rows.sum(axis=1))) > 4


def test_masks_repeat_with_their_seed():
    x = torch.ones(4, 20, 30)
    one, two = (pytorch.spec_augment(x, generator=torch.Generator().manual_seed(s)) for s in (0, 0))
    assert torch.equal(one, two)
    a, b = (f.spec_augment(x.numpy(), generator=np.random.default_rng(s)) for s in (0, 0))
    np.testing.assert_array_equal(a, b)


# --- text


@pytest.mark.parametrize("function", [f.encode_text, pytorch.encode_text])
def test_an_unknown_character_is_named(function):
    with pytest.raises(ValueError, match=r"expected characters of the vocabulary, got \['!'\]"):
        function("hi!", ["h", "i"])
    with pytest.raises(TypeError, match="expected a string, got int"):
        function(7, ["h"])


def test_decode_text_leaves_padding_out_and_refuses_strangers():
    assert f.decode_text([1, 0, -1, -1], ["a", "b"]) == "ba"
    with pytest.raises(ValueError, match="expected numbers below 2, got 5"):
        f.decode_text([5], ["a", "b"])


def test_character_vocabulary_refuses_a_single_string():
    with pytest.raises(TypeError, match="expected a list of strings, got str"):
        f.character_vocabulary("abc")
    with pytest.raises(TypeError, match="expected strings, got int"):
        f.character_vocabulary(["abc", 3])


# --- CTC


def collapse(path):
    return tuple(symbol for symbol, _ in groupby(path) if symbol != 0)


@pytest.mark.parametrize("target", [(), (1,), (1, 2), (1, 1), (1, 2, 1), (2, 2, 2)])
@pytest.mark.parametrize("frames", [0, 1, 3, 5])
def test_count_alignments_counts_paths(frames, target):
    paths = product(range(3), repeat=frames)
    assert f.count_alignments(frames, target) == sum(collapse(p) == target for p in paths)


def test_count_alignments_is_exact_for_long_sounds():
    assert f.count_alignments(100, "hello") == f.count_alignments(100, list("hello"))
    assert f.count_alignments(2, "ll") == 0
    assert f.count_alignments(3, "ll") == 1
    with pytest.raises(ValueError, match="expected a whole number from 0 on, got -1"):
        f.count_alignments(-1, "a")


def scores(frames, classes, seed=0):
    x = np.random.default_rng(seed).normal(size=(frames, 1, classes))
    return x - np.log(np.exp(x).sum(axis=2, keepdims=True))


def by_hand(log_probs):
    """The probability of each text: that of its paths, one by one."""
    found = {}
    frames, _, classes = log_probs.shape
    for path in product(range(classes), repeat=frames):
        p = np.exp(sum(log_probs[t, 0, c] for t, c in enumerate(path)))
        text = collapse(path)
        found[text] = found.get(text, 0.0) + p
    return found


def test_the_loss_is_the_sum_over_all_paths():
    log_probs = scores(5, 3)
    for text, p in by_hand(log_probs).items():
        targets = np.array([text or (1,)])
        loss = f.ctc_loss(log_probs, targets, np.array([5]), np.array([len(text)]), 0, "sum")
        assert loss == pytest.approx(-np.log(p))


def test_a_wide_beam_finds_the_most_probable_text():
    for seed in range(5):
        log_probs = scores(5, 3, seed)
        texts = by_hand(log_probs)
        best = max(texts, key=texts.get)
        for module, x in ((f, log_probs), (pytorch, torch.as_tensor(log_probs))):
            labels, lengths, score = module.ctc_beam_search(x, beam_width=500)
            assert tuple(labels[0].tolist()) == best
            assert lengths[0] == len(best)
            assert float(score[0]) == pytest.approx(np.log(texts[best]))


def test_greedy_decoding_may_miss_the_most_probable_text():
    """Two blanks are the best path; the text "a" has three paths that together weigh more."""
    log_probs = np.log([[[0.6, 0.4]], [[0.6, 0.4]]])
    assert f.ctc_greedy_decode(log_probs)[1][0] == 0
    labels, _, score = f.ctc_beam_search(log_probs)
    assert labels.tolist() == [[1]]
    assert np.exp(score[0]) == pytest.approx(0.64)


def test_a_target_that_does_not_fit_has_an_infinite_loss():
    log_probs, targets, two = scores(2, 3), np.array([[1, 1]]), np.array([2])
    assert f.ctc_loss(log_probs, targets, two, two) == np.inf
    tensors = [torch.as_tensor(a) for a in (log_probs, targets, two, two)]
    assert pytorch.ctc_loss(*tensors) == torch.inf
    assert torch.nn.functional.ctc_loss(*tensors) == torch.inf
    gradient = f.ctc_loss_backward(np.array(1.0), log_probs, targets, two, two, zero_infinity=True)
    assert not gradient.any()


def test_behind_a_log_softmax_the_gradient_is_that_of_pytorch():
    logits = torch.randn(6, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rest = torch.tensor([[1, 2], [3, 3]]), torch.tensor([6, 5]), torch.tensor([2, 2])
    found = []
    for loss in (pytorch.ctc_loss, torch.nn.functional.ctc_loss):
        x = logits.clone().requires_grad_()
        loss(x.log_softmax(2), *rest).backward()
        found.append(x.grad)
    torch.testing.assert_close(*found)


def test_the_best_alignment_spells_the_target():
    log_probs = scores(9, 4)
    paths, score = f.ctc_align(log_probs, np.array([[1, 3, 3]]), np.array([9]), np.array([3]))
    assert collapse(paths[0]) == (1, 3, 3)
    assert score[0] == pytest.approx(log_probs[np.arange(9), 0, paths[0]].sum())


# --- error rates


WORDS = st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, max_size=6).map(" ".join)


@settings(max_examples=100, deadline=None)
@given(WORDS, WORDS)
def test_error_rates_are_those_of_jiwer(reference, hypothesis):
    assert f.word_error_rate(reference, hypothesis) == pytest.approx(
        jiwer.wer(reference, hypothesis)
    )
    assert f.character_error_rate(reference, hypothesis) == pytest.approx(
        jiwer.cer(reference, hypothesis)
    )


def test_lists_of_texts_count_as_one_body():
    right, said = ["press one", "yes"], ["press two now", "yes"]
    assert f.word_error_rate(right, said) == pytest.approx(jiwer.wer(right, said)) == 2 / 3


@pytest.mark.parametrize("rate", [f.word_error_rate, f.character_error_rate])
def test_error_rates_say_what_they_cannot_compare(rate):
    with pytest.raises(ValueError, match="expected at least one"):
        rate("", "something")
    with pytest.raises(ValueError, match="expected 2 texts, got 1"):
        rate(["a", "b"], ["a"])
    with pytest.raises(TypeError, match="expected a list of strings, got int"):
        rate("a", 5)


# --- the recordings and the recognizer


def test_no_sentence_of_the_test_is_in_the_training_part():
    train, test = data.load_clips()
    assert not {clip.transcript for clip in train} & {clip.transcript for clip in test}
    assert len(train) + len(test) == 447
    seconds = sum(len(clip.waveform) for clip in train + test) / data.RATE
    assert 690 < seconds < 720
    assert set("".join(clip.transcript for clip in train + test)) <= set(recognizer.ALPHABET[1:])
    assert all(np.abs(clip.waveform).max() > 0.05 for clip in train + test)


def test_a_changed_file_is_noticed(monkeypatch):
    monkeypatch.setattr(data, "SHA256", "another")
    with pytest.raises(ValueError, match=r"(?s)expected files with SHA-256 another, got"):
        data.load_clips()
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"expected a share in \[0, 1\], got 2"):
        data.load_clips(held_out=2)


def test_the_network_answers_as_often_as_its_lengths_say():
    net = recognizer.Recognizer(40).eval()
    for samples in (1000, 1024, 5000, 8191):
        x = recognizer.features(torch.randn(2, samples, generator=torch.Generator().manual_seed(0)))
        answers = recognizer.lengths_of(torch.tensor(samples))
        assert net(x).shape == (answers, 2, len(recognizer.ALPHABET))


def test_a_recognizer_learns_two_words_by_heart():
    train, _ = data.load_clips()
    clips = [clip for clip in train if clip.transcript in ("seven", "agent logged in", "zero")][:2]
    recipe = recognizer.Recipe(masks=False, noise=False, change=False, epochs=150)
    net = recognizer.train(clips, recipe)
    assert recognizer.transcribe(net, clips) == [clip.transcript for clip in clips]
