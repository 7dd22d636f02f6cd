"""The replayed head against plain numpy and against the oracle, in chunks of any size."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import OpenProbe
from gguf import GGUFReader
from headhelp import ASKED, EXACT_LOG_PROB, HIDDEN, N_VOCAB, ROWS, distance, reference
from oracle import NumpyLlama
from tinygguf import ARCHITECTURES, QUANTS

from llprobe.engine.head import Head

Tiny = Callable[..., Path]
# In standard deviations of the logits; measured: 7e-7 over all architectures.
EXACT = 5e-6


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_head_of_every_architecture_equals_plain_numpy(
    tiny: Tiny, probe: OpenProbe, arch: str
) -> None:
    opened = probe(tiny(arch))
    theirs = reference(opened)
    for normed in (True, False):
        ours = opened.head.logits(HIDDEN, normed=normed)
        assert distance(ours, theirs.logits(HIDDEN, normed=normed)).max() < EXACT
        np.testing.assert_allclose(
            opened.head.log_probs(HIDDEN, ROWS, ASKED, normed=normed),
            theirs.log_probs(HIDDEN, ROWS, ASKED, normed=normed),
            rtol=0,
            atol=EXACT_LOG_PROB,
        )


@pytest.mark.parametrize("quant", [quant for quant in QUANTS if quant != "F32"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_quantised_head_is_near_plain_numpy(
    tiny: Tiny, probe: OpenProbe, quant: str, tied: bool
) -> None:
    # The device rounds the states as well, to 11 bits or to blocks of 8-bit integers; measured:
    # median 1.4e-4 for F16, 1.1e-3 for BF16, 4e-3 for the others, and a worst of 8 medians.
    opened, bound = (
        probe(tiny(quant=quant, tied=tied)),
        {"F16": 5e-4, "BF16": 3e-3}.get(quant, 0.01),
    )
    theirs = reference(opened)
    for normed in (True, False):
        expected = theirs.logits(HIDDEN, normed=normed)
        off = distance(opened.head.logits(HIDDEN, normed=normed), expected)
        assert np.median(off) < bound
        assert off.max() < 15 * bound
        ours = opened.head.log_probs(HIDDEN, ROWS, ASKED, normed=normed)
        gap = np.abs(ours - theirs.log_probs(HIDDEN, ROWS, ASKED, normed=normed))
        assert np.median(gap) < 10 * bound


@pytest.mark.parametrize("tied", [False, True])
def test_log_probs_equal_the_oracles(tiny: Tiny, probe: OpenProbe, tied: bool) -> None:
    path = tiny(tied=tied)
    head, oracle = probe(path).head, NumpyLlama(path)
    for normed in (True, False):
        ours = head.log_probs(HIDDEN, ROWS, ASKED, normed=normed)
        theirs = oracle.log_probs(HIDDEN, normed=normed)[ROWS, ASKED]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=EXACT_LOG_PROB)


@pytest.mark.parametrize("arch", ["gemma2", "granite", "phi2", "command-r"])
def test_without_the_norm_scales_caps_and_biases_stay(
    tiny: Tiny, probe: OpenProbe, arch: str
) -> None:
    path = tiny(arch)
    weights = {tensor.name: tensor.data.astype(float) for tensor in GGUFReader(path).tensors}
    matrix = weights.get("output.weight", weights["token_embd.weight"])
    plain = HIDDEN.astype(float) @ matrix.T
    expected = {
        "gemma2": 8 * np.tanh(plain / 8),
        "granite": plain / 4,
        "phi2": plain + weights.get("output.bias", 0),
        "command-r": plain * 0.5,
    }[arch]
    head = probe(path).head
    assert distance(head.logits(HIDDEN, normed=False), expected).max() < EXACT
    assert distance(plain, expected).max() > 0.05, "the head does no more than multiply"
    assert distance(head.logits(HIDDEN, normed=True), expected).max() > 0.1


# --- chunks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 15, 16, 17, 33, 64, 65, 70])
def test_any_number_of_rows_gives_the_same_numbers(tiny: Tiny, probe: OpenProbe, n: int) -> None:
    opened = probe(tiny())
    few, asked = ROWS[n > ROWS], ASKED[: int((n > ROWS).sum())]
    theirs = reference(opened)
    whole = opened.head.logits(HIDDEN[:n], normed=True)
    assert whole.shape == (n, N_VOCAB)
    assert whole.dtype == np.float32
    assert np.abs(whole - theirs.logits(HIDDEN[:n], normed=True)).max() < EXACT * 3
    ours = opened.head.log_probs(HIDDEN[:n], few, asked, normed=True)
    assert ours.dtype == np.float64
    np.testing.assert_allclose(
        ours, theirs.log_probs(HIDDEN, few, asked, normed=True), rtol=0, atol=EXACT_LOG_PROB
    )


def test_rows_without_targets_and_many_targets_a_row(tiny: Tiny, probe: OpenProbe) -> None:
    # All of one row's tokens, and none of the rows before it: more targets than a chunk has
    # room for at first, all in the second chunk.
    opened = probe(tiny())
    rows, tokens = np.full(N_VOCAB, 66), np.arange(N_VOCAB)
    before = opened.head.log_probs(HIDDEN, ROWS, ASKED, normed=True)
    ours = opened.head.log_probs(HIDDEN, rows, tokens, normed=True)
    assert np.exp(ours).sum() == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(
        ours, reference(opened).log_probs(HIDDEN, rows, tokens, normed=True), atol=EXACT_LOG_PROB
    )
    again = opened.head.log_probs(HIDDEN, ROWS, ASKED, normed=True)
    np.testing.assert_array_equal(again, before, "room for more targets changed the numbers")
    none = opened.head.log_probs(HIDDEN, rows[:0], tokens[:0], normed=True)
    assert none.shape == (0,)


@pytest.mark.parametrize(("kib", "rows"), [(1, 16), (47, 16), (48, 32), (96, 64), (9999, 64)])
def test_a_chunk_s_logits_fit_the_memory_given(
    tiny: Tiny, probe: OpenProbe, kib: int, rows: int
) -> None:
    # 384 logits of 4 bytes are 1.5 KiB a row; 16 rows are the least.
    opened = probe(tiny())
    with Head(opened.head._steps, opened.head._backend, kib << 10) as head:
        assert head.chunk_rows == rows
        ours = head.log_probs(HIDDEN, ROWS, ASKED, normed=True)
    theirs = opened.head.log_probs(HIDDEN, ROWS, ASKED, normed=True)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=EXACT_LOG_PROB)


def test_the_same_call_twice_is_bit_equal(tiny: Tiny, probe: OpenProbe) -> None:
    head = probe(tiny(quant="Q4_1")).head
    first, again = (head.log_probs(HIDDEN, ROWS, ASKED, normed=False) for _ in range(2))
    np.testing.assert_array_equal(first, again)
