"""Scores of options do not depend on how they are packed into batches."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from conftest import OpenProbe
from hypothesis import given, settings
from hypothesis import strategies as st
from scorehelp import ALL, EXACT, flat, off, questions, scored, task_of

from llprobe.engine.probe import Probe
from llprobe.engine.score import Scorer
from llprobe.model import read_model
from llprobe.settings import LENSES, EngineSettings

Tiny = Callable[..., Path]
# Fast mode (half-precision cache, flash attention) against reference mode; measured: 2e-3.
FAST = 1e-2


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
