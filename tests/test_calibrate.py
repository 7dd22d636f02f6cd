"""Calibration: how it adapts to slow models; and that what is counted is what is done."""

from collections.abc import Callable, Iterator
from itertools import count, repeat
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from conftest import OpenProbe
from scorehelp import questions, task_of

from llprobe.engine.calibrate import _growing, _rate, calibrate
from llprobe.engine.packed import count_prompts, count_task, pack_prompts, pack_task
from llprobe.engine.score import Scorer
from llprobe.engine.write import PromptTokens, Writer
from llprobe.errors import ModelTooLarge

Tiny = Callable[..., Path]


class Slow:
    """A machine that does `speed` units a second, after a first run that takes `warm` longer."""

    def __init__(self, speed: float, warm: float) -> None:
        self.now, self.speed, self.warm = 0.0, speed, warm
        self.done: list[int] = []

    def run(self, size: int) -> None:
        self.now += size / self.speed + (0 if self.done else self.warm)
        self.done.append(size)

    def clock(self) -> float:
        return self.now


def test_pieces_grow_while_the_next_one_fits_the_time() -> None:
    assert _growing(16, 512) == [16, 64, 256, 512]
    assert _growing(16, 8) == [8]
    machine = Slow(speed=100, warm=1)
    assert _rate(machine.run, [16, 64, 256, 512], 9.0, machine.clock) == pytest.approx(100)
    assert machine.done == [16, 64, 256]


def test_a_very_slow_model_is_run_once() -> None:
    machine = Slow(speed=0.5, warm=0)
    assert _rate(machine.run, [16, 64, 256], 4.0, machine.clock) == pytest.approx(0.5)
    assert machine.done == [16]


def test_a_clock_that_stands_still_gives_finite_rates() -> None:
    stopped = repeat(0.0)
    assert np.isfinite(_rate(lambda _size: None, [16, 64], 4.0, stopped.__next__))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_batch": 2},
        {"n_ctx": 8},
        {"n_batch": 300, "n_ubatch": 7, "buffer_mb": 1},
        {"share": False, "kv_f32": True, "flash_attention": False},
    ],
)
def test_every_rate_is_measured_whatever_the_settings(
    tiny: Tiny, probe: OpenProbe, settings: dict[str, Any]
) -> None:
    ticks: Iterator[float] = (0.01 * n for n in count())
    rates = calibrate(probe(tiny(), **settings), 1.5, ticks.__next__)
    assert rates.load_seconds == 1.5
    for rate in (rates.prefill_tokens_per_s, rates.rows_per_s, rates.write_tokens_per_s):
        assert rate is not None
        assert 0 < rate < np.inf


def test_a_probe_scores_the_same_after_calibration(tiny: Tiny, probe: OpenProbe) -> None:
    opened, task = probe(tiny()), task_of(questions(3, 4))

    def scores() -> list[np.ndarray[Any, Any]]:
        with Scorer(opened, task, (1, 2, 3), ("norm",)) as scorer:
            return [score.logprob["norm"] for _, group in scorer.groups() for score in group]

    before = scores()
    calibrate(opened, 0.0)
    for a, b in zip(before, scores(), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize(
    "settings",
    [{}, {"n_batch": 8}, {"share": False}, {"buffer_mb": 1, "n_batch": 24}, {"n_ctx": 40}],
)
def test_what_is_counted_is_what_is_scored(
    tiny: Tiny, probe: OpenProbe, settings: dict[str, Any]
) -> None:
    opened, task = probe(tiny(), **settings), task_of(questions(5, 12))
    packed = pack_task(task, opened.settings, opened.max_rows)
    counts = count_task(task.items, packed.packing)
    with Scorer(opened, task, (1,), ("norm",)) as scorer:
        assert scorer.packing == packed.packing
        assert len(list(scorer.groups())) == len(packed.packing.groups)
        assert (scorer.phases.tokens, scorer.phases.rows) == (counts.tokens, counts.rows)


@pytest.mark.parametrize("settings", [{}, {"share": False}, {"n_batch": 4}, {"n_ctx": 40}])
def test_what_is_counted_is_what_is_written_at_most(
    tiny: Tiny, probe: OpenProbe, settings: dict[str, Any]
) -> None:
    opened, most = probe(tiny(), **settings), 6
    prompts = tuple(item.sequences[0] for item in questions(7, 11))
    context = opened.model.n_ctx_train
    packed = pack_prompts(prompts, opened.settings, opened.max_rows, context, most)
    counts = count_prompts(prompts, packed, most)
    with Writer(opened, PromptTokens(prompts, tuple(range(11))), (), most) as writer:
        assert (writer.prefix, writer.groups) == (packed.prefix, packed.groups)
        assert writer.n_tokens == counts.tokens + counts.written
        answers = [answer for _, group in writer.written() for answer in group]
        assert writer.phases.written <= counts.written
        assert writer.phases.tokens == counts.tokens + writer.phases.written - len(answers)


def test_no_prompts_and_no_questions_are_no_work(tiny: Tiny, probe: OpenProbe) -> None:
    opened = probe(tiny())
    packed = pack_task(task_of([]), opened.settings, opened.max_rows)
    assert count_task([], packed.packing).tokens == 0
    prompts = pack_prompts([], opened.settings, opened.max_rows, 512, 6)
    assert (prompts.groups, count_prompts([], prompts, 6).tokens) == ((), 0)


def test_a_cache_that_does_not_fit_is_refused_before_loading(
    tiny: Tiny, probe: OpenProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        available = 64 << 20

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    path = tiny()
    probe(path)
    parts = (
        r"needs 0\.\d+ GiB \(weights 0\.00, cache 0\.\d+, buffers 0\.\d+\) and 0\.1 GiB are free"
    )
    with pytest.raises(ModelTooLarge, match=parts + r".*-b or --ctx, or --force"):
        probe(path, n_ctx=400_000)
