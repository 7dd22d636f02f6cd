"""Scores of options at every layer: against the oracle, and what does not fit.

Differences are of summed log-probs, relative to them, and absolute where those are above -1.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from conftest import OpenProbe
from oracle import Lens, NumpyLlama
from scorehelp import EXACT, expected, flat, off, questions, scored

from llprobe.engine.session import Context
from llprobe.errors import ModelTooLarge, RunError
from llprobe.settings import LENSES

Tiny = Callable[..., Path]
EXACT_LENSES: tuple[Lens, ...] = ("norm", "paper", "raw")


# --- the numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [True, False], ids=["one tree", "one option at a time"])
@pytest.mark.parametrize("options", [{}, {"tied": True}, {"n_kv_heads": 1}], ids=str)
def test_every_option_s_score_equals_the_oracles_at_every_layer(
    tiny: Tiny, exact: OpenProbe, options: dict[str, Any], share: bool
) -> None:
    path, items = tiny(**options), questions(1, 5)
    scores, oracle = scored(exact(path, share=share), items), NumpyLlama(path)
    for lens in EXACT_LENSES:
        assert off(flat(scores, lens), expected(oracle, items, lens)) < EXACT
    assert [score.index for score in scores] == list(range(5))
    assert [score.n_tokens for score in scores] == [
        tuple(len(s) - item.start for s in item.sequences) for item in items
    ]


@pytest.mark.parametrize("quant", ["Q4_0", "Q4_1", "Q8_0"])
@pytest.mark.parametrize("tied", [False, True])
def test_scores_of_quantised_models_equal_the_rounded_oracles(
    tiny: Tiny, exact: OpenProbe, quant: str, tied: bool
) -> None:
    # A value on the edge between two 8-bit steps may fall to either side and shifts what follows:
    # hence the median over options. Measured: 4e-7; without the rounding 2e-3 and more.
    path, items = tiny(quant=quant, tied=tied), questions(2, 6, preamble=1)
    scores, oracle = scored(exact(path), items), NumpyLlama(path, rounded=True)
    for lens in EXACT_LENSES:
        ours, theirs = flat(scores, lens), expected(oracle, items, lens)
        difference = np.abs(ours / theirs - 1)
        assert (np.median(difference, axis=0) < EXACT).all()
        assert difference.max() < 0.2


def test_layers_and_lenses_can_be_chosen(tiny: Tiny, exact: OpenProbe) -> None:
    path, items = tiny(), questions(3, 3)
    probe, oracle = exact(path), NumpyLlama(path)
    everything = scored(probe, items)
    for lens in EXACT_LENSES:
        for layers in ((1, 3), (1, 2), (2,)):
            some = scored(probe, items, layers, (lens,))
            assert list(some[0].logprob) == [lens]
            columns = [layer - 1 for layer in layers]
            assert off(flat(some, lens), flat(everything, lens)[:, columns]) < EXACT
    states = oracle.hidden_states(items[0].sequences[0])[0]
    first = scored(probe, items, (0,), ("norm", "raw"))[0]
    for lens, normed in (("norm", True), ("raw", False)):
        log_probs = oracle.log_probs(states, normed=normed)
        sequence, start = items[0].sequences[0], items[0].start
        summed = sum(log_probs[k - 1, sequence[k]] for k in range(start, len(sequence)))
        assert first.logprob[lens][0, 0] == pytest.approx(summed, rel=EXACT)


def test_a_lens_s_numbers_do_not_depend_on_the_lenses_beside_it(
    tiny: Tiny, exact: OpenProbe
) -> None:
    probe, items = exact(tiny()), questions(3, 3)
    together = scored(probe, items)
    for lens in LENSES:
        alone = scored(probe, items, lenses=(lens,))
        np.testing.assert_array_equal(flat(alone, lens), flat(together, lens))


# --- what does not fit --------------------------------------------------------------------------


def test_a_full_cache_is_an_error(tiny: Tiny, exact: OpenProbe) -> None:
    probe = exact(tiny(), n_batch=100)
    with Context(probe.model, 200, 1, 16) as context:
        assert context.n_ctx == 256
        tokens = np.full(100, 5, np.int32)
        context.decode_first(tokens, 0)
        context.decode_first(tokens, 100)
        with pytest.raises(RunError, match=r"cache of 256 tokens is full: try a larger --ctx"):
            context.decode_first(tokens, 200)


def test_a_model_larger_than_memory_is_refused_unless_forced(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        available = 1000

    path = tiny()
    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    with pytest.raises(ModelTooLarge, match=r"0\.0 GiB are free: choose a smaller quant"):
        probe(path)
    assert probe(path, force=True).check.difference < 1e-5
