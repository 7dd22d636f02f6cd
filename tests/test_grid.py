"""The logit lens on a text: what each layer predicts, against llama.cpp and against numpy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import OpenProbe
from nativellama import native_logits, tokenised
from numpy.typing import NDArray
from oracle import Lens, NumpyLlama

from llprobe.engine.grid import look
from llprobe.engine.probe import Probe
from llprobe.errors import UsageError

Floats = NDArray[np.floating[Any]]
Tiny = Callable[..., Path]

TEXT = "the capital of the river is a number: "
ALL = (1, 2, 3)


def log_probs_of(path: Path, lens: Lens) -> Floats:
    """Give the oracle's (layers, tokens, vocabulary)."""
    oracle = NumpyLlama(path)
    return oracle.layer_log_probs(oracle.hidden_states(tokenised(path, TEXT)), lens)


@pytest.mark.parametrize("arch", ["llama", "gemma2", "gpt2"])
@pytest.mark.parametrize("lens", ["norm", "paper"])
def test_the_last_layer_s_best_is_llama_cpp_s_own(
    tiny: Tiny, exact: OpenProbe, arch: str, lens: str
) -> None:
    path = tiny(arch)
    probe = exact(path)
    (logits,) = native_logits(path, tokenised(path, TEXT))
    grid = look(probe, TEXT, lens, ALL, 1, ())
    best = [cell[0][0] for cell in grid.top[-1]]
    assert best == [probe.model.token_text(int(token)) for token in logits.argmax(axis=1)]
    assert len(set(best)) >= 3
    assert "".join(grid.tokens) == TEXT


@pytest.mark.parametrize("lens", ["norm", "paper", "raw"])
def test_probabilities_entropy_and_ranks_equal_numpy_s(
    tiny: Tiny, exact: OpenProbe, lens: Lens
) -> None:
    path = tiny()
    probe = exact(path)
    log_probs = log_probs_of(path, lens)
    grid = look(probe, TEXT, lens, ALL, 4, (" river", " the"))
    probabilities = np.exp(log_probs)
    entropy = -(probabilities * log_probs).sum(axis=2) / np.log(2)
    np.testing.assert_allclose(grid.entropy, entropy, atol=2e-5)
    for layer, row in enumerate(grid.top):
        for position, cell in enumerate(row):
            order = np.argsort(-probabilities[layer, position])[:4]
            assert [text for text, _ in cell] == [probe.model.token_text(int(t)) for t in order]
            ours = [probability for _, probability in cell]
            np.testing.assert_allclose(ours, probabilities[layer, position, order], atol=1e-5)
    for word, ranks in grid.ranks.items():
        (token,) = probe.model.tokenize(word)
        better = (log_probs > log_probs[:, :, [token]]).sum(axis=2)
        np.testing.assert_array_equal(ranks, 1 + better)
    assert list(grid.ranks) == [" river", " the"]
    assert grid.notes == ()


def test_layer_0_reads_the_embedding(tiny: Tiny, exact: OpenProbe) -> None:
    path = tiny()
    probe, oracle = exact(path), NumpyLlama(path)
    embedding = oracle.hidden_states(tokenised(path, TEXT))[0]
    grid = look(probe, TEXT, "norm", (0, 3), 1, ())
    logits = oracle.logits(embedding, normed=True)
    best = [probe.model.token_text(int(token)) for token in logits.argmax(axis=1)]
    assert [cell[0][0] for cell in grid.top[0]] == best
    assert grid.top[1] == look(probe, TEXT, "norm", (3,), 1, ()).top[0]


@pytest.mark.parametrize("top_k", [1, 5, 384, 1000])
def test_a_cell_holds_the_k_best_in_order(tiny: Tiny, exact: OpenProbe, top_k: int) -> None:
    grid = look(exact(tiny()), TEXT, "norm", ALL, top_k, ())
    for row in grid.top:
        for cell in row:
            probabilities = [probability for _, probability in cell]
            assert len(cell) == min(top_k, 384)
            assert probabilities == sorted(probabilities, reverse=True)
            if top_k >= 384:
                assert sum(probabilities) == pytest.approx(1.0)


def test_a_word_of_several_tokens_is_tracked_by_its_first(tiny: Tiny, exact: OpenProbe) -> None:
    probe = exact(tiny())
    grid = look(probe, TEXT, "norm", ALL, 1, (" river", " rivers"))
    np.testing.assert_array_equal(grid.ranks[" rivers"], grid.ranks[" river"])
    assert grid.notes == ("' rivers' is 2 tokens: the rank is that of the first, ' river'",)


@pytest.mark.parametrize("tokenizer", ["bpe", "spm"])
@pytest.mark.parametrize("text", ["the capital of the", "the river is ", "12: until", "the\n"])
def test_a_word_is_followed_as_the_model_would_rather_write_it(
    tiny: Tiny, exact: OpenProbe, tokenizer: str, text: str
) -> None:
    """The token of the two forms that stands higher at the end, whichever layers are read."""
    probe = exact(tiny(tokenizer=tokenizer))
    words = ("the", "capital", "city", "answer", "true")
    grid = look(probe, text, "norm", (3,), 384, words)
    assert len(grid.notes) == len(words)
    listed = [spelled for spelled, _ in grid.top[-1][-1]]
    for word, note in zip(words, grid.notes, strict=True):
        form = min(f" {word}", word, key=listed.index)
        assert grid.ranks[word][-1, -1] == listed.index(form) + 1
        assert note.startswith(f"{word!r} is followed as {form!r}, ")
    early = look(probe, text, "norm", (1, 2), 1, words)
    assert early.notes == grid.notes


@pytest.mark.parametrize("tokenizer", ["bpe", "spm"])
def test_a_word_with_its_space_is_followed_as_it_is_given(
    tiny: Tiny, exact: OpenProbe, tokenizer: str
) -> None:
    probe = exact(tiny(tokenizer=tokenizer))
    grid = look(probe, "the capital of the", "norm", ALL, 384, (" city",))
    assert grid.notes == ()
    place = [spelled for spelled, _ in grid.top[-1][-1]].index(" city")
    assert grid.ranks[" city"][-1, -1] == place + 1


@pytest.mark.parametrize("tokenizer", ["bpe", "spm"])
def test_tokens_begin_with_bos_where_the_model_asks_for_it(
    tiny: Tiny, exact: OpenProbe, tokenizer: str
) -> None:
    grid = look(exact(tiny(tokenizer=tokenizer)), "the <s>", "norm", ALL, 1, ())
    assert (grid.tokens[0] == "<s>") is (tokenizer == "spm")
    assert "<s>" not in grid.tokens[1:], "the text's own is plain text"


@pytest.mark.parametrize(
    "settings", [{"n_batch": 4}, {"n_ubatch": 3}, {"n_batch": 5, "n_ubatch": 2}]
)
def test_a_text_longer_than_a_batch_reads_the_same(
    tiny: Tiny, exact: OpenProbe, settings: dict[str, int]
) -> None:
    path = tiny()
    whole = look(exact(path), TEXT, "norm", ALL, 3, (" the",))
    cut = look(exact(path, **settings), TEXT, "norm", ALL, 3, (" the",))
    assert len(whole.tokens) >= 10
    np.testing.assert_allclose(cut.entropy, whole.entropy, atol=2e-5)
    np.testing.assert_array_equal(cut.ranks[" the"], whole.ranks[" the"])
    texts = [[[text for text, _ in cell] for cell in row] for row in whole.top]
    assert [[[text for text, _ in cell] for cell in row] for row in cut.top] == texts


def grid_of(probe: Probe, text: str, track: tuple[str, ...] = (), lens: str = "norm") -> None:
    look(probe, text, lens, ALL, 1, track)


def test_what_cannot_be_looked_at_is_refused(tiny: Tiny, exact: OpenProbe) -> None:
    probe = exact(tiny(n_ctx=64))
    with pytest.raises(UsageError, match="the text is empty"):
        grid_of(probe, "")
    with pytest.raises(UsageError, match="has 65 tokens, the context holds 64"):
        grid_of(probe, "x" * 65)
    grid_of(probe, "x" * 64)
    with pytest.raises(UsageError, match="an empty word has no rank"):
        grid_of(probe, TEXT, ("",))
    with pytest.raises(UsageError, match="no lens 'tuned'; known: norm, paper, raw"):
        grid_of(probe, TEXT, lens="tuned")
