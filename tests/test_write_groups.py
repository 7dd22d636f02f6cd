"""Answers that a model writes under any grouping of their prompts."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from conftest import OpenProbe
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from writehelp import PROMPTS, drawn, of, written

from llprobe.engine.packed import _grouped as grouped
from llprobe.engine.session import Context
from llprobe.engine.write import PromptTokens, Writer, Written

Tiny = Callable[..., Path]


@pytest.mark.parametrize("kv_f32", [False, True])
@pytest.mark.parametrize("settings", [{}, {"n_batch": 4}, {"share": False}], ids=str)
def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(
    tiny: Tiny, probe: OpenProbe, kv_f32: bool, settings: dict[str, Any]
) -> None:
    opened = probe(tiny(quant="Q4_1"), kv_f32=kv_f32, flash_attention=not kv_f32, **settings)
    prompts = of([(*drawn(7, 5), *drawn(seed, 2 + seed % 3)) for seed in range(19)])

    def run(done: set[int]) -> dict[int, tuple[list[Written], list[NDArray[np.float32]]]]:
        logits: list[NDArray[np.float32]] = []
        inner = Context.logits

        def kept(context: Context, n_rows: int) -> NDArray[np.float32]:
            logits.append(inner(context, n_rows))
            return logits[-1]

        results = {}
        with (
            Writer(opened, prompts, (), 7) as writer,
            patch.object(Context, "logits", kept),
        ):
            for index, answers in writer.written(frozenset(done)):
                results[index] = answers, logits.copy()
                logits.clear()
        return results

    whole = run(set())
    n_groups = len(whole)
    assert n_groups >= 3
    assert [a.index for answers, _ in whole.values() for a in answers] == list(range(19))
    for done in (set(), {0}, {1}, {0, 2}, set(range(n_groups - 1)), set(range(n_groups))):
        rest = run(done)
        assert set(rest) == set(range(n_groups)) - done
        for index, (answers, logits) in rest.items():
            assert answers == whole[index][0]
            for ours, theirs in zip(logits, whole[index][1], strict=True):
                np.testing.assert_array_equal(ours, theirs)


@given(
    cells=st.lists(st.integers(1, 30), max_size=30), size=st.integers(1, 9), room=st.integers(1, 80)
)
def test_groups_hold_every_prompt_once_in_order_and_fit(
    cells: list[int], size: int, room: int
) -> None:
    groups = grouped(cells, size, room)
    assert [position for group in groups for position in group] == list(range(len(cells)))
    for group in groups:
        assert 1 <= len(group) <= size
        assert len(group) == 1 or sum(cells[p] for p in group) <= room
    for group, after in pairwise(groups):
        full = len(group) == size
        assert full or sum(cells[p] for p in (*group, after[0])) > room, "could have been one"


@pytest.mark.parametrize(
    ("options", "settings", "sizes"),
    [
        ({}, {}, [8, 3]),
        ({}, {"n_ctx": 64}, [4, 4, 3]),  # 14 cells each
        ({}, {"n_ctx": 16}, [1] * 11),
        ({}, {"n_batch": 4}, [3, 3, 3, 2]),
        ({}, {"n_batch": 2}, [1] * 11),
        ({}, {"share": False}, [1] * 11),
        ({"n_ctx": 64}, {}, [4, 4, 3]),
    ],
    ids=str,
)
def test_sizes_of_groups(
    tiny: Tiny,
    exact: OpenProbe,
    options: dict[str, Any],
    settings: dict[str, Any],
    sizes: list[int],
) -> None:
    probe = exact(tiny(**options), **settings)
    with Writer(probe, of(PROMPTS), (), 10) as writer:
        assert [len(group) for group in writer.groups] == sizes
        assert writer.n_tokens == len(writer.prefix) + 14 * sum(sizes)
        assert writer._context.n_ctx == 256, "as much as is needed, in steps of 256"


def test_a_small_buffer_bounds_the_answers_written_together(tiny: Tiny, exact: OpenProbe) -> None:
    # 65,536 logits of 4 bytes: a MiB holds 4 rows.
    probe = exact(tiny(n_vocab=65_536, n_layers=1, tied=True), buffer_mb=1)
    with Writer(probe, of(PROMPTS), (), 2) as writer:
        assert [len(group) for group in writer.groups] == [4, 4, 3]
        assert len(list(writer.written())) == 3


def test_a_cache_holds_the_largest_group_whole(tiny: Tiny, exact: OpenProbe) -> None:
    # 8 answers of 60 tokens after prompts of 4 are 512 cells: two steps of 256, not one cell more.
    probe = exact(tiny())
    prompts = [prompt for prompt in PROMPTS if not written(probe, [prompt], (), 60)[0].finished]
    with Writer(probe, of((prompts * 8)[:8]), (), 60) as writer:
        assert writer.prefix == ()
        assert writer._context.n_ctx == 512 == writer.n_tokens
        ((_, answers),) = writer.written()
    assert [a.n_tokens for a in answers] == [60] * 8


def test_work_is_counted(tiny: Tiny, exact: OpenProbe) -> None:
    probe, begin = exact(tiny()), drawn(7, 5)
    prompts = [(*begin, *prompt) for prompt in PROMPTS]
    with Writer(probe, of(prompts), (), 3) as writer:
        assert writer.n_tokens == 5 + 11 * (4 + 3)
        groups = writer.written()
        answers = next(groups)[1]
        assert len(answers) == 8, "one group at a time"
        assert writer.phases.written == sum(a.n_tokens for a in answers)
        answers += next(groups)[1]
        figures = writer.phases.as_dict()
    assert figures["written"] == sum(a.n_tokens for a in answers)
    # of each answer all tokens but the last go through the model
    assert figures["tokens"] == 5 + 11 * 4 + sum(a.n_tokens - 1 for a in answers) < 5 + 11 * 7
    assert figures["prefill"] > 0
    assert figures["decode"] > 0


def test_nothing_to_answer_is_no_group(tiny: Tiny, exact: OpenProbe) -> None:
    with Writer(exact(tiny()), of([]), (), 4) as writer:
        assert writer.groups == ()
        assert writer.prefix == ()
        assert writer.n_tokens == 0
        assert list(writer.written()) == []


def test_indices_are_the_task_s(tiny: Tiny, exact: OpenProbe) -> None:
    prompts = PromptTokens(PROMPTS[:3], (4, 9, 2))
    with Writer(exact(tiny()), prompts, (), 2) as writer:
        ((_, answers),) = writer.written()
    assert [answer.index for answer in answers] == [4, 9, 2]
