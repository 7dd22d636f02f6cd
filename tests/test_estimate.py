"""Estimates: memory by parts, seconds from counts and rates, rates from what a cell took."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenProbe
from hypothesis import given
from hypothesis import strategies as st
from tinygguf import ARCHITECTURES, write_tiny

from llprobe.engine import native
from llprobe.engine.session import Context
from llprobe.estimate import (
    Counts,
    Rates,
    cache_cells,
    memory_needed,
    output_rows,
    rates_from_phases,
    seconds,
)
from llprobe.model import ModelInfo, read_model
from llprobe.settings import EngineSettings

Tiny = Callable[..., Path]

RATES = Rates(
    prefill_tokens_per_s=100.0, rows_per_s=1000.0, load_seconds=3.0, write_tokens_per_s=20.0
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelInfo:
    return read_model(write_tiny(tmp_path_factory.mktemp("model") / "model.gguf", n_layers=4))


def reported(lines: list[str], what: str) -> float:
    """Sum of the MiB that llama.cpp's log gives for one kind of buffer."""
    found = [line.rsplit("=", 1)[1] for line in lines if f"{what} buffer size =" in line]
    assert found
    return sum(float(text.split()[0]) for text in found)


@pytest.fixture
def log() -> Any:
    lines: list[str] = []
    native.start()
    native.listen(lines.append)
    yield lines
    native.listen(None)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_cache_is_as_large_as_llama_cpp_says(
    tiny: Tiny, probe: OpenProbe, log: list[str], arch: str
) -> None:
    opened = probe(tiny(arch), n_batch=64, n_ubatch=64)
    for n_ctx, kv_f32 in ((100, False), (700, True)):
        settings = replace(opened.settings, kv_f32=kv_f32)
        log.clear()
        with Context(opened.model, n_ctx, 2, 1, settings):
            expected = reported(log, "KV")
        needed = memory_needed(opened.model.info, settings, n_ctx)
        # llama.cpp says hundredths, of a model with sliding windows twice
        assert needed.cache / 2**20 == pytest.approx(expected, abs=0.0101)


@pytest.mark.parametrize("flash", [True, False])
@pytest.mark.parametrize("arch", ["llama", "gemma2", "phi2"])
def test_llama_cpp_reserves_no_more_for_its_graph_than_is_estimated(
    tiny: Tiny, probe: OpenProbe, log: list[str], arch: str, flash: bool
) -> None:
    opened = probe(tiny(arch), n_batch=512, flash_attention=flash)
    needed = memory_needed(opened.model.info, opened.settings, 4096, 1)
    log.clear()
    with Context(opened.model, 4096, 2, 1):
        compute = reported(log, "compute")
    # the rest is the head's: logits and softmax of 16 + 32 + 64 rows, and llama.cpp's own row
    head = (2 * 112 + 1) * 4 * opened.model.n_vocab
    assert 0.9 < (needed.compute - head) / 2**20 / compute < 2


def test_a_cache_is_counted_layer_by_layer(tiny: Tiny) -> None:
    info = read_model(tiny("qwen3", n_layers=5, n_heads=4, n_kv_heads=2))
    assert (info.n_cached, info.n_ff) == (5 * 2 * (32 + 32), 128)
    needed = memory_needed(info, EngineSettings(), 257)
    assert needed.cache == 512 * info.n_cached * 2
    assert memory_needed(info, EngineSettings(kv_f32=True), 257).cache == 2 * needed.cache


def test_a_model_without_the_newer_numbers_has_the_usual_ones(model: ModelInfo) -> None:
    older = replace(model, n_ff=0, n_cached=0)
    settings = EngineSettings()
    assert model.n_cached == 4 * 2 * 32
    assert memory_needed(older, settings, 512).cache == memory_needed(model, settings, 512).cache
    assert memory_needed(older, settings, 512).compute > 0


def test_memory_is_said_by_parts(model: ModelInfo) -> None:
    large = replace(model, file_bytes=5 << 30, n_vocab=1000)
    needed = memory_needed(large, EngineSettings(n_ctx=4096), 4096)
    assert needed.total == needed.weights + needed.cache + needed.compute + needed.states
    assert str(needed).startswith("5.0 GiB (weights 5.0, cache 0.00, buffers 0.0")


def test_the_flagged_rows_are_those_of_a_probe(tiny: Tiny, probe: OpenProbe) -> None:
    for settings in ({}, {"buffer_mb": 1}, {"n_batch": 16}, {"buffer_mb": 1, "n_batch": 4096}):
        opened = probe(tiny(n_vocab=2000), **settings)
        assert output_rows(opened.model.info, opened.settings) == opened.max_rows


@given(
    st.integers(8, 100_000),
    st.sampled_from([(2, 1), (64, 32), (512, 512), (2048, 64)]),
    st.booleans(),
)
def test_more_context_and_larger_batches_take_no_less(
    model: ModelInfo, n_ctx: int, batch: tuple[int, int], flash: bool
) -> None:
    n_batch, n_ubatch = batch
    settings = EngineSettings(n_batch=n_batch, n_ubatch=n_ubatch, flash_attention=flash)
    needed = memory_needed(model, settings, n_ctx)
    longer = memory_needed(model, settings, n_ctx + 256)
    assert longer.cache - needed.cache == 256 * model.n_cached * 2
    assert longer.total > needed.total
    wider = replace(settings, n_batch=2 * n_batch, n_ubatch=2 * n_ubatch)
    assert memory_needed(model, wider, n_ctx).total >= needed.total
    assert cache_cells(n_ctx) % 256 == 0 <= cache_cells(n_ctx) - n_ctx < 256


def test_work_takes_the_seconds_that_its_rates_say() -> None:
    counts = Counts(tokens=400, rows=50)
    assert seconds(counts, RATES, 4, (1, 2, 3, 4), 2) == 400 / 100 + 50 * 4 * 2 / 1000
    # blocks after the last layer are not computed, and only the layers asked for are projected
    assert seconds(counts, RATES, 4, (2,), 1) == 400 / 2 / 100 + 50 / 1000
    assert seconds(counts, RATES, 4, (0,), 1) == 400 / 4 / 100 + 50 / 1000
    written = Counts(tokens=100, written=60)
    assert seconds(written, RATES, 4, (4,), 0) == 100 / 100 + 60 / 20
    assert seconds(Counts(), Rates(), 4, (4,), 1) == 0


def test_seconds_are_not_known_without_the_rates_that_are_needed() -> None:
    assert seconds(Counts(tokens=1, rows=1), replace(RATES, rows_per_s=None), 4, (4,), 1) is None
    assert seconds(Counts(tokens=1), replace(RATES, rows_per_s=None), 4, (4,), 1) == 0.01


@pytest.mark.parametrize("layers", [(1, 2, 3, 4), (2,), (1, 3)])
def test_a_cells_own_rates_say_what_it_took(layers: tuple[int, ...]) -> None:
    phases = {"prefill": 7.5, "capture": 0.5, "projection": 30.0, "tokens": 900.0, "rows": 300.0}
    rates = rates_from_phases(phases, 4, layers, 2)
    assert rates.write_tokens_per_s is rates.load_seconds is None
    took = seconds(Counts(tokens=900, rows=300), rates, 4, layers, 2)
    assert took == pytest.approx(7.5 + 0.5 + 30)


def test_a_written_cells_rates_say_what_it_took() -> None:
    phases = {"prefill": 4.0, "decode": 10.0, "tokens": 900.0, "written": 500.0}
    rates = rates_from_phases(phases, 4, (4,), 1)
    assert rates == Rates(prefill_tokens_per_s=100.0, write_tokens_per_s=50.0)


def test_a_phase_that_was_too_short_gives_no_rate() -> None:
    phases = {"prefill": 1.9, "capture": 0.05, "projection": 2.0, "tokens": 900.0, "rows": 300.0}
    found = rates_from_phases(phases, 4, (4,), 1)
    assert found == Rates(rows_per_s=150.0)
    assert found.filled(RATES) == replace(RATES, rows_per_s=150.0)
    assert rates_from_phases({}, 4, (4,), 1) == Rates()
