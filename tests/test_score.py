"""Scores of options at every layer: against the oracle, and under any packing; tokenisation.

Differences are of summed log-probs, relative to them, and absolute where those are above -1.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import psutil
import pytest
from conftest import OpenProbe
from hypothesis import given, settings
from hypothesis import strategies as st
from nativellama import tokenised
from numpy.typing import NDArray
from oracle import Lens, NumpyLlama

from llprobe.engine.probe import Probe
from llprobe.engine.score import ItemScore, Scorer
from llprobe.engine.session import Context
from llprobe.engine.tokens import TokenizedTask, tokenize_items
from llprobe.engine.trie import TokenItem
from llprobe.errors import ModelTooLarge, RunError, TaskError
from llprobe.model import read_model
from llprobe.settings import LENSES, EngineSettings
from llprobe.task import Item

Floats = NDArray[np.floating[Any]]
Tiny = Callable[..., Path]

N_LAYERS = 3
ALL = (1, 2, 3)
EXACT_LENSES: tuple[Lens, ...] = ("norm", "paper", "raw")
# Measured: 4e-6 against the oracle and 2e-6 against reference mode, over all lenses.
EXACT = 1e-5
# Fast mode (half-precision cache, flash attention) against reference mode; measured: 2e-3.
FAST = 1e-2


def questions(seed: int, n: int, preamble: int = 6) -> list[TokenItem]:
    """Draw questions that share a preamble, some of their prompts, and parts of their options."""
    random = np.random.default_rng(seed)
    begin = random.integers(3, 384, preamble).tolist()
    drawn = []
    for _ in range(n):
        prompt = (*begin, *random.integers(3, 6, random.integers(1, 4)).tolist())
        options = [random.integers(3, 9, random.integers(1, 5)).tolist() for _ in range(4)]
        drawn.append(TokenItem(tuple((*prompt, *option) for option in options), len(prompt)))
    return drawn


def task_of(items: Sequence[TokenItem]) -> TokenizedTask:
    return TokenizedTask(tuple(items), tuple(range(len(items))), ())


def scored(
    probe: Probe,
    items: Sequence[TokenItem],
    layers: Sequence[int] = ALL,
    lenses: Sequence[str] = LENSES,
) -> list[ItemScore]:
    with Scorer(probe, task_of(items), layers, lenses) as scorer:
        return [score for _, group in scorer.groups() for score in group]


def flat(scores: Sequence[ItemScore], lens: str) -> Floats:
    """Give (options of all items, layers)."""
    return np.concatenate([score.logprob[lens] for score in scores])


def off(ours: Floats, theirs: Floats) -> float:
    assert ours.shape == theirs.shape
    return float((np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))).max())


def expected(oracle: NumpyLlama, items: Sequence[TokenItem], lens: Lens) -> Floats:
    return np.array(
        [
            oracle.option_logprobs(s[: item.start], s[item.start :], lens)
            for item in items
            for s in item.sequences
        ]
    )


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


# --- packing ------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 999),
    order=st.permutations(range(6)),
    n_batch=st.integers(2, 48),
    n_ubatch=st.integers(1, 48),
    max_rows=st.integers(1, 20),
    n_ctx=st.sampled_from([None, 16, 24, 64]),
    share=st.booleans(),
)
@settings(max_examples=15, deadline=None)
def test_any_packing_gives_the_scores_of_reference_mode(
    tiny: Tiny, seed: int, order: list[int], max_rows: int, **chosen: Any
) -> None:
    info, items = read_model(tiny()), questions(seed, 6)
    chosen |= {"n_threads": 1, "n_gpu_layers": 0, "kv_f32": True, "flash_attention": False}
    with Probe(info, EngineSettings(n_threads=1, n_gpu_layers=0).reference()) as probe:
        theirs = scored(probe, items)
    # A row of these logits is so small that every buffer holds hundreds: bound them directly.
    with (
        patch.object(Probe, "max_rows", property(lambda p: min(max_rows, p.settings.n_batch))),
        Probe(info, EngineSettings(**chosen)) as probe,
        Scorer(probe, task_of([items[i] for i in order]), ALL, LENSES) as scorer,
    ):
        ours = [score for _, group in scorer.groups() for score in group]
        assert scorer.phases.tokens == scorer.n_tokens
    for lens in LENSES:
        assert off(flat(ours, lens), flat([theirs[i] for i in order], lens)) < EXACT


@pytest.mark.parametrize("n_batch", [2, 9, 512])
def test_a_buffer_smaller_than_a_batch_bounds_the_rows(
    tiny: Tiny, exact: OpenProbe, n_batch: int
) -> None:
    # 32,768 logits of 4 bytes: a MiB holds 8 rows.
    path, items = tiny(n_vocab=32_768, n_layers=2, tied=True), questions(5, 4)
    probe = exact(path, buffer_mb=1, n_batch=n_batch)
    assert probe.max_rows == min(8, n_batch)
    ours, theirs = scored(probe, items, (1, 2)), scored(exact(path, share=False), items, (1, 2))
    assert off(flat(ours, "norm"), flat(theirs, "norm")) < EXACT


def test_fast_mode_is_near_reference_mode(tiny: Tiny, probe: OpenProbe) -> None:
    spread = []
    for seed in range(3):
        items = questions(seed, 8)
        fast = scored(probe(tiny()), items)
        reference = scored(probe(tiny(), kv_f32=True, flash_attention=False, share=False), items)
        spread += [off(flat(fast, lens), flat(reference, lens)) for lens in LENSES]
    assert max(spread) < FAST
    assert min(spread) > EXACT, "fast mode is as good as reference mode: say so"


def test_the_same_call_twice_is_bit_equal(tiny: Tiny, probe: OpenProbe) -> None:
    path, items = tiny(quant="Q4_1"), questions(6, 8)
    one, other = probe(path, n_batch=16), probe(path, n_batch=16)
    first, again, elsewhere = scored(one, items), scored(one, items), scored(other, items)
    for lens in LENSES:
        np.testing.assert_array_equal(flat(first, lens), flat(again, lens))
        np.testing.assert_array_equal(flat(first, lens), flat(elsewhere, lens))


@pytest.mark.parametrize("kv_f32", [False, True])
@pytest.mark.parametrize("leaves", [3, 511], ids=["in several passes", "in one pass"])
def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(
    tiny: Tiny, probe: OpenProbe, kv_f32: bool, leaves: int
) -> None:
    # A group's numbers may depend on what is packed with it, never on the groups before it.
    opened = probe(tiny(), n_batch=min(leaves + 1, 24), kv_f32=kv_f32, flash_attention=not kv_f32)
    task = task_of(questions(7, 14))
    with Scorer(opened, task, ALL, LENSES) as scorer:
        n_groups = len(scorer.packing.groups)
        whole = dict(scorer.groups())
    assert n_groups >= 4
    for done in ({0}, {1}, {0, 2}, {*range(n_groups - 1)}):
        with Scorer(opened, task, ALL, LENSES) as scorer:
            rest = dict(scorer.groups(frozenset(done)))
        assert set(rest) == set(range(n_groups)) - done
        for index, group in rest.items():
            for lens in LENSES:
                np.testing.assert_array_equal(flat(group, lens), flat(whole[index], lens))


def test_each_distinct_prefix_is_decoded_once(tiny: Tiny, exact: OpenProbe) -> None:
    items, probe = questions(8, 12), exact(tiny())
    sequences = [s for item in items for s in item.sequences]
    distinct = {s[:end] for s in sequences for end in range(1, len(s))}
    predicting = {s[:end] for i in items for s in i.sequences for end in range(i.start, len(s))}
    with Scorer(probe, task_of(items), ALL, ("norm",)) as scorer:
        assert len(scorer.packing.groups) == 1
        assert scorer.n_tokens == len(distinct) < sum(map(len, sequences)) / 4
        list(scorer.groups())
        figures = scorer.phases.as_dict()
    assert figures["tokens"] == len(distinct), "what was decoded"
    assert figures["rows"] == len(predicting), "what was projected"
    assert min(figures["prefill"], figures["capture"], figures["projection"]) > 0


def test_decoded_tokens_are_counted_where_nothing_is_shared(tiny: Tiny, exact: OpenProbe) -> None:
    items, probe = questions(8, 3), exact(tiny(), share=False)
    with Scorer(probe, task_of(items), ALL, ("norm",)) as scorer:
        list(scorer.groups())
        lengths = {s[:-1] for item in items for s in item.sequences}
        assert scorer.phases.tokens >= sum(map(len, lengths))
        assert scorer.phases.tokens == scorer.n_tokens


def test_nothing_to_score_is_no_group(tiny: Tiny, exact: OpenProbe) -> None:
    assert scored(exact(tiny()), []) == []


# --- tokenisation -------------------------------------------------------------------------------


def item(prompt: str, *choices: str, name: str = "q1") -> Item:
    return Item(name, prompt, choices, (0,), 0)


def text_of(probe: Probe, tokens: Sequence[int]) -> str:
    return "".join(probe.model.token_text(token) for token in tokens)


def oracle_scores(path: Path, scores: TokenizedTask, lens: Lens) -> Floats:
    return expected(NumpyLlama(path), scores.items, lens)


@pytest.mark.parametrize("tokenizer", ["bpe", "spm"])
def test_prompt_and_option_are_tokenised_jointly(
    tiny: Tiny, exact: OpenProbe, tokenizer: str
) -> None:
    path = tiny(tokenizer=tokenizer)
    probe = exact(path)
    task = tokenize_items(probe, "12 is the number.\n", [item("Q: until?\nA:", " the", " in of")])
    (tokens,) = task.items
    bos = [1] if tokenizer == "spm" else []
    prompt = "12 is the number.\nQ: until?\nA:"
    for sequence, choice in zip(tokens.sequences, (" the", " in of"), strict=True):
        assert list(sequence) == bos + tokenised(path, prompt + choice)
    assert tokens.start == len(bos + tokenised(path, prompt))
    assert task.longest == max(map(len, tokens.sequences))
    ours = flat(scored(probe, task.items), "norm")
    assert off(ours, oracle_scores(path, task, "norm")) < EXACT


def test_where_tokens_merge_across_the_boundary_scoring_starts_before_it(
    tiny: Tiny, exact: OpenProbe
) -> None:
    # "un" and "til" make one token; " of" does not merge, so that "un" is scored with it: all
    # options of a question are scored from the same token on.
    path = tiny()
    probe = exact(path)
    task = tokenize_items(probe, "", [item("A: un", "til", " of", "der")])
    (tokens,) = task.items
    prompt = tokenised(path, "A: un")
    assert tokens.start == len(prompt) - 1
    merged, apart, other = (sequence[tokens.start :] for sequence in tokens.sequences)
    assert text_of(probe, merged) == " until"
    assert len(merged) == 1
    assert text_of(probe, apart) == " un of"
    assert text_of(probe, other) == " under"
    ours = flat(scored(probe, task.items), "paper")
    assert off(ours, oracle_scores(path, task, "paper")) < EXACT


def test_a_space_at_the_end_of_the_prompt_scores_as_one_before_the_options(
    tiny: Tiny, exact: OpenProbe
) -> None:
    probe = exact(tiny())
    (after,) = tokenize_items(probe, "", [item("A: ", "the", "in")]).items
    (before,) = tokenize_items(probe, "", [item("A:", " the", " in")]).items
    assert after == before


@pytest.mark.parametrize("tokenizer", ["bpe", "spm"])
@pytest.mark.parametrize("add_bos", [False, True])
def test_bos_is_added_once_where_the_model_asks_for_it(
    tiny: Tiny, probe: OpenProbe, tokenizer: str, add_bos: bool
) -> None:
    opened = probe(tiny(tokenizer=tokenizer, add_bos=add_bos))
    task = tokenize_items(opened, "<s><|im_start|>", [item("A:", " the", " in")])
    for sequence in task.items[0].sequences:
        assert (sequence[0] == 1) is add_bos
        assert sequence.count(1) == add_bos, "the text's own is plain text"


@pytest.mark.parametrize("tokenizer", ["bpe", "spm"])
def test_the_text_of_a_special_token_stays_plain_text(
    tiny: Tiny, probe: OpenProbe, tokenizer: str
) -> None:
    opened = probe(tiny(tokenizer=tokenizer, add_bos=False))
    special = "<|im_start|><|endoftext|></s><s><unk>"
    asked = item(f"Q: {special} A:", f" the {special}", " in")
    task = tokenize_items(opened, special, [asked])
    spoken = task.items[0].sequences[0]
    assert min(spoken) > 4, "a control token was parsed"
    assert text_of(opened, spoken).lstrip() == f"{special}Q: {special} A: the {special}"
    assert min(opened.model.tokenize("<|im_start|>", special=True)) <= 4


def test_a_choice_that_adds_no_token_is_an_error_that_names_the_item(
    tiny: Tiny, probe: OpenProbe
) -> None:
    fine = item("A:", " in", " the", name="fine")
    with pytest.raises(TaskError, match=r"item empty-17: the choice '' adds no token"):
        tokenize_items(probe(tiny()), "", [fine, item("A:", " in", "", name="empty-17")])


def test_a_choice_that_adds_no_token_is_an_error_beside_one_that_merges(
    tiny: Tiny, probe: OpenProbe
) -> None:
    with pytest.raises(TaskError, match=r"item empty-18: the choice '' adds no token"):
        tokenize_items(probe(tiny()), "", [item("A: un", "til", "", name="empty-18")])


def test_an_empty_prompt_is_an_error_unless_bos_stands_before_the_options(
    tiny: Tiny, exact: OpenProbe
) -> None:
    asked = item("", "the", "in", name="alone")
    with pytest.raises(TaskError, match="item alone: no token stands before the options"):
        tokenize_items(exact(tiny()), "", [asked])
    path = tiny(tokenizer="spm")
    task = tokenize_items(exact(path), "", [asked])
    assert task.items[0].start == 1
    ours = flat(scored(exact(path), task.items), "norm")
    assert off(ours, oracle_scores(path, task, "norm")) < EXACT


@pytest.mark.parametrize(
    ("settings", "limit"), [({"n_ctx": 40}, 40), ({}, 64), ({"n_ctx": 4096}, 64)], ids=str
)
def test_an_item_too_long_for_the_context_is_skipped_with_the_reason(
    tiny: Tiny, exact: OpenProbe, settings: dict[str, Any], limit: int
) -> None:
    path = tiny(n_ctx=64)
    probe = exact(path, **settings)
    fits = "x" * (limit - 3)
    asked = [
        item("A:", " in", " the", name="short"),
        item(f"{fits}A:", "b", "c", name="just"),
        item(f"{fits}A:", "b", "cc", name="long"),
        item(fits * 9, " in", " the", name="endless"),
        item("B:", " in", " the", name="last"),
    ]
    task = tokenize_items(probe, "", asked)
    assert task.indices == (0, 1, 4)
    assert [skipped.id for skipped in task.skipped] == ["long", "endless"]
    assert task.skipped[0].reason == f"needs {limit + 1} tokens of context, {limit} are there"
    with Scorer(probe, task, ALL, ("norm",)) as scorer:
        scores = [score for _, group in scorer.groups() for score in group]
    assert [score.index for score in scores] == [0, 1, 4]
    assert off(flat(scores, "norm"), oracle_scores(path, task, "norm")) < EXACT


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


def test_groups_come_one_after_the_other(tiny: Tiny, exact: OpenProbe) -> None:
    with Scorer(exact(tiny(), n_batch=12), task_of(questions(9, 8)), ALL, ("norm",)) as scorer:
        groups = scorer.groups()
        seen = [next(groups)[0]]
        before = scorer.phases.tokens
        seen.append(next(groups)[0])
        assert scorer.phases.tokens > before, "the second group was decoded with the first"
        seen += [index for index, _ in groups]
    assert all(b == a + 1 for a, b in pairwise(seen))
    assert seen == list(range(len(scorer.packing.groups)))


def test_skipping_shared_positions_changes_no_difference_between_options(
    tiny: Tiny, exact: OpenProbe
) -> None:
    items = [
        Item("a", "once upon", (" a time there was", " a time there is", " a time"), (0,), 0),
        Item("b", "two", (" plus", " minus two"), (1,), 1),
    ]
    tokenized, scores = [], []
    for skip in (False, True):
        opened = exact(tiny(), skip_shared=skip)
        tokenized.append(tokenize_items(opened, "", items).items)
        scores.append(scored(opened, tokenized[-1]))
    for full, part in zip(*scores, strict=True):
        whole, short = full.logprob["norm"], part.logprob["norm"]
        assert off(whole - whole[0], short - short[0]) < EXACT
    assert [item.sequences for item in tokenized[0]] == [item.sequences for item in tokenized[1]]
    assert tokenized[1][0].start > tokenized[0][0].start
    assert min(scores[1][0].n_tokens) >= 1
