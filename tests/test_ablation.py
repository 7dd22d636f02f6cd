"""What an ablation does to every layer, block by block and half by half.

Equal means equal: the numbers of a model run without a part are compared bit by bit with those of
a file that is written without it.
"""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tinyarch
from ablationhelp import (
    BLOCKS,
    CUT_UP,
    LENSES,
    N_LAYERS,
    PARTS,
    SEQUENTIAL,
    TASK,
    TOKENS,
    leave_out,
    scores,
    states_of,
)
from conftest import OpenProbe
from nativellama import native_logits
from oracle import NumpyLlama
from tinygguf import ARCHITECTURES

from llprobe.ablation import NONE, Ablation, Part, parse_ablation
from llprobe.engine.ablate import AblatedCapture, open_capture
from llprobe.engine.capture import Capture
from llprobe.engine.score import Scorer
from llprobe.engine.session import Context
from llprobe.errors import RunError

Tiny = Callable[..., Path]

# Measured: 5e-6 standard deviations of a layer's states, and 4e-6 of a summed log-prob.
EXACT = 3e-5


# --- whole blocks -------------------------------------------------------------------------------


def rounding(last: bool, kind: str) -> float:
    """Give the bound of a relative difference: 0 unless the last block is left out.

    Then a file computes its last feed-forward for flagged rows only, where the whole model
    computes all rows, and kernels for one row and for several round differently. Measured: 1e-7
    for single rows in F32, else 0; the next test, with every row flagged, allows nothing.
    """
    # Quantised inputs and GELU's table can each shift a value by a step.
    return {"F32": 1e-5, "Q4_1": 2e-2, "GELU": 2e-3}[kind] if last else 0


SKIPPED = [(1,), (2,), (3,), (4,), (1, 2), (2, 3), (3, 4), (1, 4), (2, 3, 4)]


@pytest.mark.parametrize("settings", [{}, CUT_UP, {"share": False}], ids=["tree", "cut", "alone"])
@pytest.mark.parametrize("quant", ["F32", "Q4_1"])
def test_skipping_blocks_equals_a_file_written_without_them(
    tiny: Tiny, probe: OpenProbe, quant: str, settings: dict[str, Any]
) -> None:
    whole = probe(tiny(n_layers=4, quant=quant), **settings)
    plain = scores(whole, layers=range(5))
    for skipped in SKIPPED:
        ablation = Ablation.of((block, "block") for block in skipped)
        ours = scores(whole, ablation, range(5))
        stay = [layer for layer in range(5) if layer not in skipped]
        file = probe(tiny(n_layers=4, quant=quant, skip_blocks=skipped), **settings)
        theirs = scores(file, layers=range(len(stay)))
        np.testing.assert_allclose(ours[..., stay], theirs, rtol=rounding(4 in skipped, quant))
        assert np.abs(ours - plain)[..., -1].max() > 1, "nothing that matters was left out"


@pytest.mark.parametrize("skipped", SKIPPED)
def test_every_state_equals_that_of_a_file_written_without_the_blocks(
    tiny: Tiny, probe: OpenProbe, skipped: tuple[int, ...]
) -> None:
    ablation = Ablation.of((block, "block") for block in skipped)
    stay = [layer for layer in range(5) if layer not in skipped]
    for n_ubatch in (1, 5, 512):
        whole = probe(tiny(n_layers=4), n_ubatch=n_ubatch)
        file = probe(tiny(n_layers=4, skip_blocks=skipped), n_ubatch=n_ubatch)
        ours, _ = states_of(whole, ablation, stay, range(24), stop=True)
        theirs, _ = states_of(file, NONE, range(len(stay)), range(24), stop=True)
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_skips_each_block(tiny: Tiny, probe: OpenProbe, arch: str) -> None:
    # Gemma 2 and 3 and Cohere 2 alternate between two kinds of attention: each block keeps its own.
    whole = probe(tiny(arch), **CUT_UP)
    for block in BLOCKS:
        stay = [layer for layer in (0, *BLOCKS) if layer != block]
        file = probe(tiny(arch, skip_blocks=(block,)), **CUT_UP)
        ours, theirs = scores(whole, leave_out(block), stay), scores(file, layers=(0, 1, 2))
        gated = "ffn_gate" in tinyarch.ARCHS[arch].block
        kind = "F32" if gated and not arch.startswith("gemma") else "GELU"
        np.testing.assert_allclose(ours, theirs, rtol=rounding(block == N_LAYERS, kind))


@pytest.mark.parametrize("block", BLOCKS)
def test_the_last_layer_s_scores_are_those_of_llama_cpp_alone(
    tiny: Tiny, exact: OpenProbe, block: int
) -> None:
    ours = scores(exact(tiny()), leave_out(block), (N_LAYERS,))[LENSES.index("norm"), :, 0]
    sequences = [(s, item.start) for item in TASK.items for s in item.sequences]
    logits = native_logits(tiny(skip_blocks=(block,)), *[s for s, _ in sequences])
    for score, (sequence, start), row in zip(ours, sequences, logits, strict=True):
        wide = row.astype(np.float64)
        log_probs = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
        positions = range(start, len(sequence))
        summed = sum(log_probs[position - 1, sequence[position]] for position in positions)
        assert score == pytest.approx(summed, rel=EXACT)


@pytest.mark.parametrize("skipped", [(1,), (2,), (3,), (2, 3), (1, 2, 3)])
def test_the_layer_after_a_skipped_block_is_the_one_before_it(
    tiny: Tiny, exact: OpenProbe, skipped: tuple[int, ...]
) -> None:
    ablation = Ablation.of((block, "block") for block in skipped)
    opened, layers = exact(tiny(), n_ubatch=5), (0, *BLOCKS)
    states, _ = states_of(opened, ablation, layers, (2, 9, 10, 23), stop=True)
    plain, _ = states_of(opened, NONE, layers, (2, 9, 10, 23), stop=True)
    for block in BLOCKS:
        same = np.array_equal(states[block], states[block - 1])
        assert same is (block in skipped)
    unchanged = skipped[0]
    np.testing.assert_array_equal(states[:unchanged], plain[:unchanged])


# --- halves of blocks ---------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["attn", "ffn"])
@pytest.mark.parametrize("arch", SEQUENTIAL)
def test_zeroing_a_half_equals_a_file_whose_half_is_zero(
    tiny: Tiny, probe: OpenProbe, arch: str, part: Part
) -> None:
    stem = {"attn": "attn_output", "ffn": "ffn_down"}[part]
    kinds = ("weight", "bias") if f"{stem}+b" in tinyarch.ARCHS[arch].block else ("weight",)
    whole = probe(tiny(arch), **CUT_UP)
    plain = scores(whole)
    for block in BLOCKS:
        zeroed = tuple(f"blk.{block - 1}.{stem}.{kind}" for kind in kinds)
        ours = scores(whole, leave_out(block, part))
        np.testing.assert_array_equal(ours, scores(probe(tiny(arch, zeroed=zeroed), **CUT_UP)))
        assert np.abs(ours - plain)[..., block:].max() > 0.1, "nothing that matters was left out"


def test_a_block_without_both_halves_is_skipped(tiny: Tiny, probe: OpenProbe) -> None:
    # By hand, not by `Ablation.of`: the sum between the halves is overwritten, then the block's.
    opened = probe(tiny())
    for block in BLOCKS:
        both = Ablation(((block, "attn"), (block, "ffn")))
        np.testing.assert_array_equal(scores(opened, both), scores(opened, leave_out(block)))


# --- against the oracle -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_any_ablation_gives_the_oracle_s_states(tiny: Tiny, exact: OpenProbe, seed: int) -> None:
    # Any parts of any blocks, any cut into ubatches, any rows, any layers, stopped or not.
    random, n_layers = np.random.default_rng(seed), 4
    blocks = random.choice(n_layers, random.integers(1, n_layers + 1), replace=False) + 1
    parts = {int(block): PARTS[random.integers(3)] for block in blocks}
    rows = np.flatnonzero(random.random(len(TOKENS)) < random.choice([0.1, 0.5, 1.0]))
    rows = rows if len(rows) else np.array([5])
    layers = np.flatnonzero(random.random(n_layers + 1) < 0.6)
    layers = layers if len(layers) else np.array([n_layers])
    path = tiny(n_layers=n_layers, n_kv_heads=int(random.choice([1, 2, 4])))
    opened = exact(path, n_ubatch=int(random.choice([1, 5, 8, 512])))
    ablation = Ablation.of(parts.items())
    stop = bool(random.integers(2))
    ours, _ = states_of(opened, ablation, layers.tolist(), rows.tolist(), stop=stop)
    theirs = NumpyLlama(path).hidden_states(TOKENS, parts)[np.ix_(layers, rows)]
    assert (np.abs(ours - theirs).max(axis=(1, 2)) / theirs.std(axis=(1, 2)) < EXACT).all()


@pytest.mark.parametrize(("block", "part"), list(product(BLOCKS, PARTS)))
def test_every_score_equals_the_oracle_s(
    tiny: Tiny, exact: OpenProbe, block: int, part: Part
) -> None:
    path = tiny()
    ours, oracle = scores(exact(path), leave_out(block, part), BLOCKS), NumpyLlama(path)
    sequences = [(s[: i.start], s[i.start :]) for i in TASK.items for s in i.sequences]
    for lens, of_lens in zip(("norm", "raw"), ours, strict=True):
        theirs = np.array(
            [
                oracle.option_logprobs(prompt, option, lens, {block: part})  # type: ignore[arg-type]
                for prompt, option in sequences
            ]
        )
        assert (np.abs(of_lens - theirs) / np.maximum(1, np.abs(theirs))).max() < EXACT


# --- nothing left out ---------------------------------------------------------------------------


def test_skipping_nothing_is_the_plain_run(tiny: Tiny, probe: OpenProbe) -> None:
    opened = probe(tiny(), **CUT_UP)
    with Scorer(opened, TASK, BLOCKS, LENSES) as scorer:
        plain = [score for _, group in scorer.groups() for score in group]
    nothing = scores(opened, parse_ablation("none").resolve(N_LAYERS), BLOCKS)
    for lens, of_lens in zip(LENSES, nothing, strict=True):
        stored = np.concatenate([score.logprob[lens] for score in plain])
        np.testing.assert_array_equal(of_lens, stored)
    with Context(opened.model, 32, 1, 1) as context:
        assert type(open_capture(opened, context, BLOCKS, NONE)) is Capture


@pytest.mark.parametrize("part", PARTS)
def test_overwriting_what_adds_nothing_changes_nothing(
    tiny: Tiny, probe: OpenProbe, part: Part
) -> None:
    # The file's last block is all zeros: what is written is what was there, in every row.
    zeroed = ("blk.2.attn_output.weight", "blk.2.ffn_down.weight")
    for block in (2, 3):
        opened = probe(tiny(zeroed=tuple(z.replace("2", str(block - 1)) for z in zeroed)), **CUT_UP)
        np.testing.assert_array_equal(scores(opened, leave_out(block, part)), scores(opened))


# --- runs ---------------------------------------------------------------------------------------


def test_scorers_of_one_probe_do_not_share_what_they_cached(tiny: Tiny, probe: OpenProbe) -> None:
    opened = probe(tiny(), **CUT_UP)
    ablations = (NONE, leave_out(1), leave_out(1, "attn"), leave_out(3), NONE)
    alone = [scores(opened, ablation) for ablation in ablations]
    scorers = [Scorer(opened, TASK, (0, *BLOCKS), LENSES, ablation) for ablation in ablations]
    assert len(scorers[0].packing.groups) > 1
    assert len(scorers[0].packing.prefix) > CUT_UP["n_ubatch"]
    together = list(zip(*[scorer.groups() for scorer in scorers], strict=True))
    for i, scorer in enumerate(scorers):
        scorer.close()
        items = [score for groups in together for score in groups[i][1]]
        for lens, of_lens in zip(LENSES, alone[i], strict=True):
            np.testing.assert_array_equal(
                np.concatenate([item.logprob[lens] for item in items]), of_lens
            )


@pytest.mark.parametrize("text", ["skip:1", "skip:3", "attn:2", "ffn:3"])
def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(
    tiny: Tiny, probe: OpenProbe, text: str
) -> None:
    opened, ablation = probe(tiny(), **CUT_UP), parse_ablation(text).resolve(N_LAYERS)
    with Scorer(opened, TASK, BLOCKS, LENSES, ablation) as scorer:
        whole = dict(scorer.groups())
    with Scorer(opened, TASK, BLOCKS, LENSES, ablation) as scorer:
        rest = dict(scorer.groups(frozenset({0})))
    assert set(rest) == set(whole) - {0} != set()
    for index, group in rest.items():
        for again, score in zip(group, whole[index], strict=True):
            for lens in LENSES:
                np.testing.assert_array_equal(again.logprob[lens], score.logprob[lens])


def test_blocks_after_the_last_layer_kept_are_not_computed(tiny: Tiny, exact: OpenProbe) -> None:
    opened = exact(tiny())
    ablation = Ablation.of([(1, "attn"), (3, "block"), (3, "attn")])
    ours, asked = states_of(opened, ablation, (1, 2), range(24), stop=True)
    full, _ = states_of(opened, ablation, (1, 2), range(24), stop=False)
    np.testing.assert_array_equal(ours, full)
    assert b"l_out-1" in asked
    assert b"ffn_inp-2" not in asked


def test_rows_that_llama_cpp_did_not_compute_are_an_error(tiny: Tiny, exact: OpenProbe) -> None:
    opened = exact(tiny())
    with Context(opened.model, 24, 1, 24) as context:
        capture = AblatedCapture(leave_out(3), (1,), 64, context.n_ubatch, b"embd", stop=False)
        capture.begin(np.ones(24, bool))
        context.callback.listener = capture
        zero, flagged = np.zeros(24, np.int32), np.arange(24) < 3
        positions = np.arange(24, dtype=np.int32)
        with pytest.raises(RunError, match="l_out-2 has 3 rows where 24 were before"):
            context.decode(np.array(TOKENS, np.int32), positions, zero, zero + 1, flagged)
