"""Ablations: how they are written, what they do to every layer, and which models allow them.

Equal means equal: the numbers of a model run without a part are compared bit by bit with those of
a file that is written without it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tinyarch
from conftest import OpenProbe
from hypothesis import given
from hypothesis import strategies as st
from nativellama import native_logits
from numpy.typing import NDArray
from oracle import NumpyLlama
from tinygguf import ARCHITECTURES, write_tiny

from llprobe.ablation import NONE, Ablation, Part, parse_ablation
from llprobe.engine.ablate import AblatedCapture, check_ablation, open_capture
from llprobe.engine.capture import Capture
from llprobe.engine.flow import Flow, check_part
from llprobe.engine.probe import Probe
from llprobe.engine.score import Scorer
from llprobe.engine.session import Context
from llprobe.engine.tokens import TokenizedTask
from llprobe.engine.trie import TokenItem
from llprobe.errors import ModelNotSupported, RunError, UsageError

Floats = NDArray[np.floating[Any]]
Tiny = Callable[..., Path]

N_LAYERS = 3
BLOCKS = (1, 2, 3)
PARTS: tuple[Part, ...] = ("block", "attn", "ffn")
# What adds its halves one after the other, with the sum between them in a tensor of its own.
SEQUENTIAL = (
    *("llama", "qwen2", "qwen3", "gpt2", "olmo", "olmo2", "granite", "stablelm", "bloom"),
    "starcoder2",
)
RANDOM = np.random.default_rng(11)
TOKENS = [int(token) for token in RANDOM.integers(3, 384, 24)]
PROMPT = tuple(TOKENS[:18])
OPTIONS = ((5, 6, 7), (5, 6, 8, 9), (9,), (10, 5, 6))
TASK = TokenizedTask(
    (
        TokenItem(tuple((*PROMPT, *option) for option in OPTIONS), len(PROMPT)),
        TokenItem(tuple((*PROMPT[:13], 4, *option) for option in OPTIONS), 14),
        TokenItem(tuple((*PROMPT[:15], 3, *option) for option in OPTIONS), 16),
    ),
    (0, 1, 2),
    (),
)
# Several ubatches in one decode, several decodes in a group, and several groups.
CUT_UP = {"n_batch": 12, "n_ubatch": 4}
LENSES = ("norm", "raw")
# Measured: 5e-6 standard deviations of a layer's states, and 4e-6 of a summed log-prob.
EXACT = 3e-5


def leave_out(block: int, part: Part = "block") -> Ablation:
    return Ablation.of([(block, part)])


def scores(probe: Probe, ablation: Ablation = NONE, layers: Sequence[int] = (0, *BLOCKS)) -> Floats:
    """Give the summed log-probs (lenses, options, layers)."""
    with Scorer(probe, TASK, layers, LENSES, ablation) as scorer:
        items = [score for _, group in scorer.groups() for score in group]
    return np.stack([np.concatenate([item.logprob[lens] for item in items]) for lens in LENSES])


# --- how they are written -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("none", "none"),
        (" None ", "none"),
        ("skip:7", "skip:7"),
        ("skip:-1", "skip:9"),
        ("skip:3-5", "skip:3-5"),
        ("skip:-3--1", "skip:7-9"),
        ("skip:8--1", "skip:8-9"),
        ("skip:upper-4", "skip:6-9"),
        ("skip:lower-4", "skip:1-4"),
        ("skip:upper-9", "skip:1-9"),
        ("attn:7", "attn:7"),
        ("ffn : lower-2", "ffn:1-2"),
        ("ffn:9+skip:3", "skip:3+ffn:9"),
        ("skip:3 + skip:4+skip:5", "skip:3-5"),
        ("skip:3+skip:5", "skip:3+skip:5"),
        ("attn:3-4+ffn:4-5", "attn:3+skip:4+ffn:5"),
        ("skip:4+attn:4+ffn:4", "skip:4"),
        ("attn:2+attn:2", "attn:2"),
        ("SKIP:2", "skip:2"),
    ],
)
def test_the_same_ablation_has_one_text_however_it_is_written(text: str, canonical: str) -> None:
    spec = parse_ablation(text)
    ablation = spec.resolve(9)
    assert ablation.text == str(ablation) == canonical
    assert spec.expand(9) == (ablation,)
    again = parse_ablation(ablation.text).resolve(9)
    assert (again, hash(again)) == (ablation, hash(ablation))
    assert parse_ablation(spec.text) == spec
    assert bool(ablation) is (canonical != "none")


@given(st.dictionaries(st.integers(1, 40), st.sampled_from(PARTS)), st.randoms())
def test_any_ablation_parses_back_from_its_text(parts: dict[int, Part], random: Any) -> None:
    shuffled = list(parts.items())
    random.shuffle(shuffled)
    ablation = Ablation.of(shuffled)
    assert dict(ablation.parts) == parts
    assert parse_ablation(ablation.text).resolve(40) == ablation


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("skip:each", ["skip:1", "skip:2", "skip:3"]),
        ("attn:each", ["attn:1", "attn:2", "attn:3"]),
        ("skip:upper-1..3", ["skip:3", "skip:2-3", "skip:1-3"]),
        ("ffn:lower-2..3", ["ffn:1-2", "ffn:1-3"]),
        ("skip:upper-2..2", ["skip:2-3"]),
        ("skip:each+ffn:2", ["skip:1+ffn:2", "skip:2", "ffn:2+skip:3"]),
        ("attn:-1+ffn:each", ["ffn:1+attn:3", "ffn:2+attn:3", "skip:3"]),
    ],
)
def test_a_term_can_stand_for_a_series(text: str, canonical: list[str]) -> None:
    spec = parse_ablation(text)
    assert [ablation.text for ablation in spec.expand(3)] == canonical
    assert spec.is_series
    with pytest.raises(UsageError, match="stands for many: name one"):
        spec.resolve(3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not known; write e.g. skip:7"),
        ("skip", "'skip' is not known; write e.g."),
        ("drop:3", "'drop:3' is not known; write e.g."),
        ("skip:3+", "'' is not known; write e.g."),
        ("skip:", "'' names no blocks; write e.g."),
        ("skip:x", "'x' names no blocks; write e.g."),
        ("skip:1,2", "'1,2' names no blocks"),
        ("skip:1.5", "'1.5' names no blocks"),
        ("skip:3-", "'3-' names no blocks"),
        ("skip:1..3", "'1..3' names no blocks"),
        ("skip:upper", "'upper' names no blocks"),
        ("skip:upper--2", "'upper--2' names no blocks"),
        ("skip:0", "skip:0: blocks are counted from 1"),
        ("skip:upper-0", "skip:upper-0: blocks are counted from 1"),
        ("skip:5-3", "skip:5-3: its first number is above its last"),
        ("skip:-1--3", "skip:-1--3: its first number is above its last"),
        ("skip:upper-3..1", "skip:upper-3..1: its first number is above its last"),
        ("none+skip:3", "none stands alone"),
        ("skip:each+ffn:each", "only one of its terms may stand for many"),
    ],
)
def test_what_is_no_ablation_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=r"^ablation ") as caught:
        parse_ablation(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["skip:4", "skip:-4", "skip:2-4", "skip:3-1+ffn:4", "attn:upper-4", "ffn:lower-1..4"]
)
def test_a_block_that_a_model_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^ablation \w+:.*(this model has|above its last)"):
        parse_ablation(text).expand(3)


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


def states_of(
    probe: Probe, ablation: Ablation, layers: Sequence[int], rows: Sequence[int], *, stop: bool
) -> tuple[Floats, list[bytes]]:
    """Capture (layers, rows, width) of one decode of `TOKENS`; and the nodes asked for."""
    asked, n = list[bytes](), len(TOKENS)
    with Context(probe.model, n, 1, n) as context:
        width, n_ubatch = probe.model.n_embd, context.n_ubatch
        capture = AblatedCapture(ablation, layers, width, n_ubatch, probe.input_name, stop=stop)

        def listener(tensor: Any, ask: bool) -> bool:
            asked.append(tensor.contents.name)
            return capture(tensor, ask)

        context.callback.listener = listener
        flagged, zero = np.isin(np.arange(n), list(rows)), np.zeros(n, np.int32)
        capture.begin(flagged)
        positions = np.arange(n, dtype=np.int32)
        context.decode(np.array(TOKENS, np.int32), positions, zero, zero + 1, flagged)
        assert capture.seconds > 0
        return capture.end().copy(), asked


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


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["attn", "ffn"])
@pytest.mark.parametrize("arch", sorted({*ARCHITECTURES} - {*SEQUENTIAL}))
def test_halves_without_a_tensor_between_them_are_refused_by_name(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch, arch: str, part: Part
) -> None:
    opened, decoded = probe(tiny(arch)), list[int]()
    decode = Context.decode

    def counted(self: Context, tokens: Any, *rest: Any) -> None:
        decoded.append(len(tokens))
        decode(self, tokens, *rest)

    monkeypatch.setattr(Context, "decode", counted)
    reason = rf"\({arch}\) cannot be run with {part}:2: no tensor ffn_inp-1; try skip:2$"
    with pytest.raises(ModelNotSupported, match=reason):
        Scorer(opened, TASK, BLOCKS, LENSES, Ablation.of([(1, "block"), (2, part)]))
    assert decoded == [1], "the graph is read off one token, and no question is decoded"


def test_what_is_refused_depends_on_the_graph_and_not_on_the_architecture_s_name(
    tmp_path: Path, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A StableLM without a second norm feeds both halves with the block's input, though it has a
    # tensor ffn_inp; a GPT-NeoX can be told to put one half after the other.
    archs = tinyarch.ARCHS
    lean = replace(archs["stablelm"], block=archs["stablelm"].block.replace("ffn_norm+b ", ""))
    monkeypatch.setitem(archs, "stablelm", lean)
    serial = replace(archs["gptneox"], meta={"use_parallel_residual": False})
    monkeypatch.setitem(archs, "gptneox", serial)
    parallel = probe(write_tiny(tmp_path / "stablelm.gguf", "stablelm"))
    reason = r"cannot be run with attn:1: l_out-0 is not ffn_inp-0 and what is added to it; try"
    with pytest.raises(ModelNotSupported, match=reason):
        check_ablation(parallel, leave_out(1, "attn"))
    check_ablation(parallel, leave_out(1))
    sequential = probe(write_tiny(tmp_path / "gptneox.gguf", "gptneox"))
    zeroed = tuple(f"blk.2.attn_output.{kind}" for kind in ("weight", "bias"))
    file = probe(write_tiny(tmp_path / "zeroed.gguf", "gptneox", zeroed=zeroed))
    np.testing.assert_array_equal(scores(sequential, leave_out(3, "attn")), scores(file))


def test_a_block_that_the_model_does_not_have_is_refused(tiny: Tiny, probe: OpenProbe) -> None:
    with pytest.raises(UsageError, match=r"ablation skip:4: .* has 3 blocks"):
        Scorer(probe(tiny()), TASK, BLOCKS, LENSES, leave_out(4))


# Block 1 and what follows it, as (name, op, what it reads): prev, the block's input, comes first.
PLAIN = (
    ("prev", "GET_ROWS", ()),
    ("norm", "RMS_NORM", ("prev",)),
    ("attention", "MUL_MAT", ("norm",)),
    ("ffn_inp-0", "ADD", ("attention", "prev")),
    ("feed-forward", "MUL_MAT", ("ffn_inp-0",)),
    ("l_out-0", "ADD", ("feed-forward", "ffn_inp-0")),
    ("after", "RMS_NORM", ("l_out-0",)),
)
Node = tuple[str, str, tuple[str, ...]]


def flow_of(*changed: Node, drop: str = "") -> Flow:
    """Give the graph of `PLAIN` with nodes of the same name replaced, and new ones at the end."""
    new = {node[0]: node for node in changed}
    nodes = [new.pop(node[0], node) for node in PLAIN if node[0] != drop] + list(new.values())
    names = [name for name, _, _ in nodes]
    sources = tuple(tuple(names.index(name) for name in read) for _, _, read in nodes)
    return Flow(tuple(names), tuple(op for _, op, _ in nodes), sources)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "changed",
    [
        [],
        [("ffn_inp-0", "ADD", ("prev", "attention"))],
        [("l_out-0", "ADD", ("ffn_inp-0", "feed-forward"))],
    ],
    ids=str,
)
def test_a_sequential_block_allows_everything(changed: list[Node], part: Part) -> None:
    check_part(flow_of(*changed), 1, part, "prev")


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        # The feed-forward reads the block's input, or the attention's output, past the sum.
        ([("feed-forward", "MUL_MAT", ("norm",))], {"attn", "ffn"}),
        ([("feed-forward", "MUL", ("ffn_inp-0", "attention"))], {"attn", "ffn"}),
        # A sum of other things, or no sum.
        ([("ffn_inp-0", "ADD", ("attention", "norm"))], {"block", "attn", "ffn"}),
        ([("ffn_inp-0", "MUL", ("attention", "prev"))], {"block", "attn", "ffn"}),
        ([("l_out-0", "ADD", ("feed-forward", "attention"))], {"block", "attn", "ffn"}),
        ([("l_out-0", "RMS_NORM", ("ffn_inp-0",))], {"block", "attn", "ffn"}),
        ([("l_out-0", "ADD", ("ffn_inp-0",))], {"block", "attn", "ffn"}),
        # What comes later reads from inside the block.
        ([("later", "ADD", ("after", "attention"))], {"block", "attn", "ffn"}),
        ([("later", "ADD", ("after", "prev"))], {"block", "attn", "ffn"}),
    ],
)
def test_a_block_of_another_structure_is_refused(changed: list[Node], refused: set[Part]) -> None:
    flow = flow_of(*changed)
    for part in PARTS:
        if part in refused:
            with pytest.raises(ModelNotSupported, match=r"ffn_inp-0|l_out-0|after the block"):
                check_part(flow, 1, part, "prev")
        else:
            check_part(flow, 1, part, "prev")


def test_an_input_that_something_is_added_to_first_is_refused() -> None:
    # Where vision models add to the state between two blocks, prev is not what the block reads.
    between = (("other", "VIEW", ()), ("input", "ADD", ("prev", "other")))
    rest = (("norm", "RMS_NORM", ("input",)), ("ffn_inp-0", "ADD", ("attention", "input")))
    nodes = {node[0]: node for node in (*PLAIN[:1], *between, *rest)}
    ordered = [*nodes.values(), *(node for node in PLAIN if node[0] not in nodes)]
    order = ("prev", "other", "input", "norm", "attention", "ffn_inp-0", "feed-forward", "l_out-0")
    ordered = sorted((n for n in ordered if n[0] in order), key=lambda n: order.index(n[0]))
    sources = tuple(tuple(order.index(name) for name in read) for _, _, read in ordered)
    flow = Flow(order, tuple(op for _, op, _ in ordered), sources)
    for part in PARTS:
        with pytest.raises(ModelNotSupported, match="prev"):
            check_part(flow, 1, part, "prev")
        check_part(flow, 1, part, "input")


def test_an_output_that_is_scaled_can_be_skipped_but_not_halved() -> None:
    scaled = (("sum", "ADD", ("feed-forward", "ffn_inp-0")), ("l_out-0", "MUL", ("sum",)))
    names = ("prev", "norm", "attention", "ffn_inp-0", "feed-forward", "sum", "l_out-0")
    nodes = {node[0]: node for node in (*PLAIN, *scaled)}
    sources = tuple(tuple(names.index(name) for name in nodes[n][2]) for n in names)
    flow = Flow(names, tuple(nodes[n][1] for n in names), sources)
    check_part(flow, 1, "block", "prev")
    for part in PARTS[1:]:
        with pytest.raises(ModelNotSupported, match="l_out-0 is not ffn_inp-0"):
            check_part(flow, 1, part, "prev")


@pytest.mark.parametrize("name", ["prev", "ffn_inp-0", "l_out-0"])
def test_a_tensor_that_is_missing_or_repeated_is_refused_by_name(name: str) -> None:
    plain = flow_of()
    at = plain.names.index(name)
    missing = Flow((*plain.names[:at], "x", *plain.names[at + 1 :]), plain.ops, plain.sources)
    with pytest.raises(ModelNotSupported, match=f"no tensor {name}"):
        check_part(missing, 1, "attn", "prev")
    twice = Flow((*plain.names[:-1], name), plain.ops, plain.sources)
    with pytest.raises(ModelNotSupported, match=f"more than one tensor {name}"):
        check_part(twice, 1, "attn", "prev")
