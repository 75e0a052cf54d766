"""The worked examples, errata and experiments of the documents that concern sequences.

Worked examples and errata are computed here. The experiments run on the pages, whose stored outputs
nbval verifies; here their outcome is held against the claim. What has state or is shared by both
implementations (`Recurrent`, `Seq2Seq`, `Vocabulary`, `graphemes`, `bleu`, `Bleu`) is tested here
too, against torch.nn, sacrebleu and NLTK.
"""

import base64
import re
from pathlib import Path

import matplotlib.pyplot as plt
import nltk.translate.bleu_score as nltk_bleu
import numpy as np
import pytest
import sacrebleu
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from book.sequences import corpora, models, pytorch
from book.sequences import reference as f
from book.sequences.drawing import with_tamil
from tests.chapters.glued import glued

ERRATA = (Path(__file__).resolve().parents[2] / "book" / "errata.md").read_text()
RIGHT = ["the", "cat", "is", "on", "the", "mat"]


@pytest.fixture(scope="module")
def page():
    return glued("sequences/chapter.ipynb")


@pytest.fixture(scope="module")
def translation():
    return glued("sequences/translation.ipynb")


def erratum(number):
    """The text of an entry on the errata page."""
    return ERRATA.split(f"(errata-e{number})=")[1].split("\n(errata-")[0]


def sentence_bleu(text, max_n=2):
    return f.bleu([text.split()], [[RIGHT]], max_n)


# --- worked examples


def test_w87(translation):
    """Four words of which four occur: precision 1; for "the" four times 2/4, clipped."""
    assert sentence_bleu("the cat is on").precisions[0] == translation["tra-w87"] == 1.0
    assert sentence_bleu("the the the the").precisions[0] == 2 / 4


def test_w88(translation):
    found = f.bleu([["the", "the", "cat"]], [[RIGHT]], max_n=3)
    assert found.precisions == [3 / 3, 1 / 2, 0 / 1]
    assert translation["tra-w88-p2"] == 0.5
    assert translation["tra-w88-mean"] == 0.75
    assert round(found.brevity_penalty, 4) == translation["tra-w88-brevity"] == 0.3679
    assert round(sentence_bleu("the the cat").score, 4) == translation["tra-w88"] == 0.2601


def test_w91(page):
    source = f.Vocabulary([["அரி", "கற்கிறான்"]])
    target = f.Vocabulary([["ari", "learns"], ["ari", "reads"]])
    assert str(source.encode(["அரி", "கற்கிறான்"])) == page["seq-w91-x"]
    assert str(target.encode(["ari", "learns"])) == page["seq-w91-y"]
    assert target.decode(target.encode(["ari", "learns"])) == ["ari", "learns"]


# --- errata


def test_e70():
    found = sentence_bleu("the the cat")
    assert np.mean(found.precisions) == 0.75
    np.testing.assert_allclose(np.prod(found.precisions) ** 0.5, 0.7071, atol=5e-5)
    assert "geometric" in erratum(70)


def test_e71():
    candidates = [["the", "the", "cat"], ["a", "dog", "lay", "under", "the", "big", "old", "tree"]]
    references = [[RIGHT], [["a", "dog", "lay", "under", "the", "big", "old", "oak"]]]
    alone = [f.bleu([c], [r], 2).score for c, r in zip(candidates, references, strict=True)]
    np.testing.assert_allclose(alone, [0.2601, 0.8660], atol=5e-5)
    np.testing.assert_allclose(np.mean(alone), 0.5631, atol=5e-5)
    np.testing.assert_allclose(f.bleu(candidates, references, 2).score, 0.6402, atol=5e-5)


def test_e72(translation):
    weights = f.softmax(np.array([2.0, 0.0, -1.0, 0.5]), dim=0)
    assert (weights > 0).all()
    np.testing.assert_allclose(weights, [0.71, 0.10, 0.04, 0.16], atol=0.005)
    assert translation["tra-e72"] == str([round(float(w), 2) for w in weights])


def test_e74():
    assert "கற்கிறான்" in erratum(74)
    assert not re.search("[\u0b00-\u0b7f]", erratum(74))  # no Odia


# --- experiments


def test_x99(translation):
    texts = ("the-the-the-the", "the-the-cat", "the-cat-is-on-the-mat", "the")
    for text, clipped, brevity in zip(texts, (0.5, 1, 1, 1), (0.607, 0.368, 1, 0.007), strict=True):
        assert translation[f"tra-x99-{text}-unclipped"] == 1.0
        assert translation[f"tra-x99-{text}-clipped"] == clipped
        assert translation[f"tra-x99-{text}-brevity"] == brevity


def test_x100(translation):
    none = [translation[f"tra-x100-none-{k}"] for k in (4, 8, 12)]
    additive = [translation[f"tra-x100-additive-{k}"] for k in (4, 8, 12)]
    assert none == sorted(none, reverse=True)
    assert none[0] - none[2] > 0.2
    assert all(a > n for a, n in zip(additive, none, strict=True))
    assert translation["tra-x100-backward"] >= 6


def test_x101(page):
    assert all(page[f"seq-recall-5-{kind}"] == 1.0 for kind in ("rnn", "gru", "lstm"))
    assert page["seq-recall-20-rnn"] < 0.4 < page["seq-recall-20-gru"]
    assert page["seq-recall-20-lstm"] < page["seq-recall-20-lstm-open"]
    ratios = [float(page[f"seq-x101-{kind}"]) for kind in ("rnn", "gru", "lstm-open")]
    assert ratios == sorted(ratios)
    assert ratios[0] < 1e-8


def test_gradients_and_layers_of_the_page_are_those_of_pytorch(page):
    assert page["seq-bptt"] == page["seq-layers"] == "yes"


def test_the_writer_knows_more_than_frequencies(page):
    assert page["seq-lm-bits"] < page["seq-lm-alone"] < page["seq-lm-uniform"]


def test_our_bleu_is_that_of_sacrebleu_on_the_page(translation):
    assert translation["tra-bleu"] == translation["tra-sacrebleu"] > 10
    assert translation["tra-bleu"] > translation["tra-bleu-none"]
    assert translation["tra-places-with"] > 0.95 > 0.5 > translation["tra-places-without"]


# --- Recurrent against torch.nn


@pytest.mark.parametrize("lengths", [None, [5, 1, 3]])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("mode, kind", [("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_recurrent_layers_are_those_of_torch_nn(mode, kind, bidirectional, lengths):
    """Two layers: output, gradient of the input and of every parameter; both implementations."""
    torch.manual_seed(0)
    theirs = kind(3, 4, num_layers=2, bidirectional=bidirectional).double()
    ours = f.Recurrent(mode, 3, 4, 2, bidirectional)
    twin = pytorch.Recurrent(mode, 3, 4, 2, bidirectional).double()
    ours.parameters = {name: value.numpy() for name, value in theirs.state_dict().items()}
    twin.load_state_dict(theirs.state_dict())
    x = torch.randn(5, 3, 3, dtype=torch.float64, requires_grad=True)
    given = x if lengths is None else pack_padded_sequence(x, lengths, enforce_sorted=False)
    expected, _ = theirs(given)
    if lengths is not None:
        expected, _ = pad_packed_sequence(expected)
    weights = torch.randn_like(expected)
    names, values = zip(*theirs.named_parameters(), strict=True)
    grad_x, *grads = torch.autograd.grad(expected, [x, *values], weights)

    ns = None if lengths is None else np.array(lengths)
    got = ours.forward(x.detach().numpy(), ns)
    np.testing.assert_allclose(got, expected.detach(), rtol=1e-12, atol=1e-14)
    mine, found = ours.backward(weights.numpy())
    np.testing.assert_allclose(mine, grad_x, rtol=1e-11, atol=1e-13)
    for name, grad in zip(names, grads, strict=True):
        np.testing.assert_allclose(found[name], grad, rtol=1e-11, atol=1e-13, err_msg=name)
    again = twin(x, None if lengths is None else torch.tensor(lengths))
    np.testing.assert_allclose(again.detach(), expected.detach(), rtol=1e-12, atol=1e-14)


def test_an_unknown_cell_is_refused():
    for module in (f, pytorch):
        with pytest.raises(ValueError, match="expected 'rnn', 'lstm' or 'gru', got 'cnn'"):
            module.Recurrent("cnn", 2, 3)


def test_padding_gets_no_gradient():
    grad = f.embedding_backward(np.ones((3, 2)), np.array([1, 0, 1]), np.ones((4, 2)), 1)
    weight = torch.ones(4, 2, dtype=torch.float64, requires_grad=True)
    out = pytorch.embedding(torch.tensor([1, 0, 1]), weight, 1)
    (found,) = torch.autograd.grad(out.sum(), weight)
    peer = nn.functional.embedding(torch.tensor([1, 0, 1]), weight, padding_idx=1)
    (expected,) = torch.autograd.grad(peer.sum(), weight)
    np.testing.assert_array_equal(grad, expected)
    np.testing.assert_array_equal(found, expected)


# --- Seq2Seq and the searches


@pytest.mark.parametrize("attention", ["additive", "dot", None])
def test_both_translators_agree(attention):
    net = pytorch.Seq2Seq(7, 6, 5, 4, attention, seed=3).double()
    arrays = {name: value.numpy() for name, value in net.state_dict().items()}
    ours = f.Seq2Seq(7, 6, 5, 4, attention).load(arrays)
    rng = np.random.default_rng(0)
    source, lengths = rng.integers(0, 7, (5, 3)), np.array([5, 2, 4])
    target = rng.integers(0, 6, (4, 3))
    expected, weights = net(*map(torch.as_tensor, (source, lengths, target)))
    got, mine = ours.forward(source, lengths, target)
    np.testing.assert_allclose(got, expected.detach(), rtol=1e-12, atol=1e-13)
    if attention:
        np.testing.assert_allclose(mine, weights.detach(), rtol=1e-12, atol=1e-14)
        assert not mine[1, :, 2:].any()  # nobody looks at padding
    with torch.no_grad():
        state = net.encode(torch.as_tensor(source), torch.as_tensor(lengths))
    for search, twin in (
        (f.greedy_decode, pytorch.greedy_decode),
        (f.beam_search, pytorch.beam_search),
    ):
        tokens, scores = search(ours.step, ours.encode(source, lengths), 2, 3, max_length=6)
        same, values = twin(net.step, state, 2, 3, max_length=6)
        np.testing.assert_array_equal(tokens, same)
        np.testing.assert_allclose(scores, values, rtol=1e-12)


def test_an_unknown_attention_is_refused():
    for module in (f, pytorch):
        with pytest.raises(ValueError, match="expected 'additive', 'dot' or None, got 'hard'"):
            module.Seq2Seq(5, 5, attention="hard")


def _chain(tokens, state):
    return state[range(len(tokens)), tokens], state


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_wide_beam_finds_the_best_of_all_sequences(seed):
    """Three tokens, at most four steps: 81 beams hold everything that can be written."""
    table = np.log(np.random.default_rng(seed).dirichlet(np.ones(3), size=(1, 3)))
    tokens, score = f.beam_search(_chain, table, 0, 1, 81, 4, length_penalty=0.0)
    best = max(_all_scores(table[0], 0, 4))
    np.testing.assert_allclose(score, [best], rtol=1e-12)
    _, other = f.greedy_decode(_chain, table, 0, 1, 4)
    assert other[0] <= best + 1e-12
    assert tokens.shape[1] <= 4


def _all_scores(table, last, steps):
    if steps == 0:
        yield 0.0
        return
    for token in range(3):
        if token == 1:
            yield table[last, 1]
        else:
            for rest in _all_scores(table, token, steps - 1):
                yield table[last, token] + rest


def test_greedy_loses_where_the_page_says(translation):
    assert (translation["tra-greedy"], translation["tra-beam"]) == (0.24, 0.36)


# --- bleu


SENTENCES = st.lists(st.sampled_from("abcd"), min_size=1, max_size=9)


@settings(max_examples=60)
@given(pairs=st.lists(st.tuples(SENTENCES, st.lists(SENTENCES, min_size=1, max_size=3)), min_size=1,
                      max_size=5),
       smoothing=st.sampled_from(["none", "floor", "add-k", "exp"]))  # fmt: skip
def test_bleu_is_that_of_sacrebleu(pairs, smoothing):
    candidates = [candidate for candidate, _ in pairs]
    references = [several for _, several in pairs]
    most = max(map(len, references))
    streams = [[" ".join(r[k]) if k < len(r) else None for r in references] for k in range(most)]
    expected = sacrebleu.corpus_bleu(
        [" ".join(c) for c in candidates], streams, smooth_method=smoothing,
        tokenize="none", force=True,
    )  # fmt: skip
    got = f.bleu(candidates, references, smoothing=smoothing)
    np.testing.assert_allclose(got.brevity_penalty, expected.bp, rtol=1e-12)
    assert (got.candidate_length, got.reference_length) == (expected.sys_len, expected.ref_len)
    np.testing.assert_allclose(100 * got.score, expected.score, rtol=1e-9, atol=1e-9)


@settings(max_examples=40)
@given(pairs=st.lists(st.tuples(st.permutations("abcdefgh"), SENTENCES), min_size=1, max_size=4))
def test_bleu_is_that_of_nltk(pairs):
    candidates = [list(c) for c, _ in pairs]
    references = [[list(c)[:6] + r] for c, r in pairs]  # they share some four-grams
    expected = nltk_bleu.corpus_bleu(references, candidates)
    np.testing.assert_allclose(f.bleu(candidates, references).score, expected, rtol=1e-12)
    assert f.bleu is pytorch.bleu
    assert isinstance(f.bleu(candidates, references), f.Bleu)


@pytest.mark.parametrize(
    "arguments, error",
    [
        ((["a cat"], [[["a"]]]), TypeError),
        (([["a"]], [["a"]]), TypeError),
        (([["a"]], []), ValueError),
        (([], []), ValueError),
        (([["a"]], [[]]), ValueError),
        (([["a"]], [[["a"]]], 0), ValueError),
        (([["a"]], [[["a"]]], 4, "some"), ValueError),
    ],
)
def test_bad_sentences_are_refused(arguments, error):
    with pytest.raises(error, match=r"expected.*got"):
        f.bleu(*arguments)


# --- Vocabulary, graphemes and the texts


def test_a_vocabulary_goes_by_frequency_and_knows_what_it_does_not_know():
    words = f.Vocabulary([["b", "a", "b"], ["c", "a", "b"]], min_count=2)
    assert words.tokens[4:] == ["b", "a"]
    assert words.encode(["a", "c", "b"]) == [5, words.unk, 4]
    assert words.decode([words.bos, 5, 4, words.eos, 4]) == ["a", "b"]
    tokens, lengths = words.batch([["a"], ["b", "a"]])
    np.testing.assert_array_equal(tokens, [[5, 4], [3, 5], [0, 3]])
    np.testing.assert_array_equal(lengths, [2, 3])
    for bad, error in (("a b", TypeError), ([], ValueError)):
        with pytest.raises(error, match=r"expected.*got"):
            words.encode(bad) if error is TypeError else words.batch(bad)
    with pytest.raises(ValueError, match=r"expected.*got 99"):
        words.decode([99])


def test_graphemes_keep_their_marks():
    assert f.graphemes("கற்கிறான்") == ["க", "ற்", "கி", "றா", "ன்"]
    assert f.graphemes("e\u0301a") == ["e\u0301", "a"]
    with pytest.raises(TypeError, match=r"expected.*got"):
        f.graphemes(3)


def test_the_texts_are_as_described():
    train, held_out = corpora.tamil_english()
    assert len(train) > 6000
    assert not {tuple(t) for t, _ in train} & {tuple(t) for t, _ in held_out}
    assert max(max(len(t), len(e)) for t, e in train) == 8
    text, rest = corpora.plays()
    assert "To be, or not to be" in text + rest
    assert len(text) > 300_000


def test_a_changed_file_is_noticed(monkeypatch):
    monkeypatch.setitem(corpora.SHA256, "plays.txt.gz", "0" * 64)
    corpora._text.cache_clear()
    with pytest.raises(ValueError, match=r"expected sha256 0+, got"):
        corpora.plays()
    corpora._text.cache_clear()


def test_a_transformer_without_positions_sees_a_bag():
    torch.manual_seed(0)
    block = models.TransformerBlock(8, 2).double()
    x, order = torch.randn(1, 5, 8, dtype=torch.float64), torch.tensor([3, 0, 4, 1, 2])
    straight, _ = block(x)
    mixed, _ = block(x[:, order])
    torch.testing.assert_close(mixed, straight[:, order])


def test_a_figure_brings_the_letters_of_its_words():
    figure, ax = plt.subplots()
    ax.set_xticks([0.5], ["காட்டு"])
    with pytest.warns(UserWarning, match="Glyph"):
        picture = with_tamil(figure).data
    assert "காட்டு" in picture, "as text, which the browser shapes, not as one path a code point"
    face = re.search(r"@font-face \{.*base64,([^)]+)\)", picture)
    assert base64.b64decode(face[1])[:4] == b"wOF2"
    assert not plt.fignum_exists(figure.number)
