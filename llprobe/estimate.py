"""What a model takes in memory, and what work takes in time: numbers in, numbers out.

This module knows sizes, counts and rates. It does not know what is free on this machine, how
rates are measured, nor where either is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from llprobe.model import ModelInfo
from llprobe.settings import EngineSettings

__all__ = [
    "Counts",
    "Memory",
    "Rates",
    "cache_cells",
    "memory_needed",
    "output_rows",
    "rates_from_phases",
    "seconds",
]

ENOUGH: Final = 2.0
"""Seconds that a phase of a finished cell must have taken for its rate to count."""

_GIB: Final = 1 << 30
_FLOAT: Final = 4
_VOCABULARY: Final = 320  # bytes of llama.cpp's tables a token; 249 and 335 were measured
_HEAD_ROWS: Final = (16, 32, 64)  # rows of the graphs that the replayed head keeps


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes, by what they are for."""

    weights: int
    """The file, mapped whole, and llama.cpp's tables of the vocabulary."""
    cache: int
    """Keys and values."""
    compute: int
    """Graphs of llama.cpp and of the replayed head, and their logits."""
    states: int
    """Hidden states of one decode at all layers."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.compute + self.states

    def __str__(self) -> str:
        """Say the total and the parts in GiB."""
        parts = f"weights {_gib(self.weights)}, cache {_gib(self.cache)}"
        buffers = self.compute + self.states
        return f"{_gib(self.total)} GiB ({parts}, buffers {_gib(buffers)})"


def _gib(nbytes: int) -> str:
    return f"{nbytes / _GIB:.1f}" if nbytes >= _GIB else f"{nbytes / _GIB:.2f}"


def cache_cells(n_ctx: int) -> int:
    """Cells of a cache for `n_ctx` tokens: llama.cpp takes multiples of 256."""
    return -(-n_ctx // 256) * 256


def output_rows(model: ModelInfo, settings: EngineSettings) -> int:
    """Most flagged rows of a decode: their logits, and all layers' states, fit the buffer."""
    budget = settings.buffer_mb << 20
    logits = budget // (_FLOAT * model.n_vocab)
    states = budget // (_FLOAT * model.n_embd * (model.n_layers + 1))
    return max(1, min(logits, states, settings.n_batch))


def memory_needed(
    model: ModelInfo, settings: EngineSettings, n_ctx: int, max_outputs: int | None = None
) -> Memory:
    """Bytes for scoring with `n_ctx` tokens of cache and `max_outputs` flagged rows a decode.

    `max_outputs` None = what `output_rows` says. The cache is exact where each layer keeps keys
    and values of its own. The rest is fitted: the graph of a block came to 0.95 to 2 times (the
    upper end in tiny models) what llama.cpp reserved in 22 models of 19 architectures. Its own
    logits are left out: decodes end at the last block, so a CPU never touches their room; a GPU
    reserves it, at most another `buffer_mb`. The total came to 0.89 to 1.24 times the peak of
    resident memory beyond the interpreter's, with a model of 135M weights on a CPU under Linux, in
    batches of 256 to 1024 and 512 to 8192 tokens of cache; GPUs and macOS were not measured.
    Types that llama.cpp repacks (Q4_0, for one) take their size again, but the file's pages can
    be dropped then.
    """
    cells = cache_cells(n_ctx)
    rows = min(max_outputs or output_rows(model, settings), settings.n_batch, cells)
    ubatch = min(settings.n_ubatch, settings.n_batch, cells)
    element = _FLOAT if settings.kv_f32 else _FLOAT // 2
    return Memory(
        weights=model.file_bytes + _VOCABULARY * model.n_vocab,
        cache=cells * _cached(model) * element,
        compute=_block(model, settings, ubatch, cells) + _logits(model, settings, rows),
        # a lens that norms some layers only copies the others
        states=_FLOAT * model.n_embd * (2 * rows * (model.n_layers + 1) + ubatch),
    )


def _cached(model: ModelInfo) -> int:
    """Numbers a token; for files that do not say, each layer has heads of the usual width."""
    usual = 2 * model.n_layers * model.n_heads_kv * (model.n_embd // model.n_heads)
    return model.n_cached or usual


def _block(model: ModelInfo, settings: EngineSettings, ubatch: int, cells: int) -> int:
    """Bytes of the graph while it is in a block: fitted to what llama.cpp reserves."""
    feed_forward = 3 * (model.n_ff or 4 * model.n_embd) + 4 * model.n_embd
    attention = 0 if settings.flash_attention else model.n_heads * cells + 6 * model.n_embd
    # two masks, because models with sliding windows have one more
    masks = 2 * cells * (_FLOAT // 2 if settings.flash_attention else _FLOAT)
    return ubatch * (_FLOAT * max(feed_forward, attention) + masks)


def _logits(model: ModelInfo, settings: EngineSettings, rows: int) -> int:
    """Bytes of llama.cpp's output buffer, and of logits and softmax in the head's graphs."""
    fits = (settings.buffer_mb << 20) // (_FLOAT * model.n_vocab)
    head = sum(n for n in _HEAD_ROWS if n <= fits) or _HEAD_ROWS[0]
    return _FLOAT * model.n_vocab * (rows + 2 * head)


@dataclass(frozen=True, slots=True)
class Counts:
    """Work: `tokens` put through the model, `rows` projected at each layer through each lens.

    `written`: tokens that the model chooses for its answers, one step at a time, at most.
    """

    tokens: int = 0
    rows: int = 0
    written: int = 0


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast a machine runs a model; None = not known.

    `prefill_tokens_per_s`: tokens through all layers, their states copied out included;
    `rows_per_s`: one row through one layer's projection; `load_seconds`: until the model is
    loaded and checked; `write_tokens_per_s`: tokens of a group of answers written side by side.
    """

    prefill_tokens_per_s: float | None = None
    rows_per_s: float | None = None
    load_seconds: float | None = None
    write_tokens_per_s: float | None = None

    def filled(self, other: Rates) -> Rates:
        """These rates, with the other's where they are not known."""
        return Rates(
            _first(self.prefill_tokens_per_s, other.prefill_tokens_per_s),
            _first(self.rows_per_s, other.rows_per_s),
            _first(self.load_seconds, other.load_seconds),
            _first(self.write_tokens_per_s, other.write_tokens_per_s),
        )


def _first(a: float | None, b: float | None) -> float | None:
    return b if a is None else a


def seconds(
    counts: Counts, rates: Rates, n_layers: int, layers: Sequence[int], n_lenses: int
) -> float | None:
    """Seconds that `counts` take in a model of `n_layers`, loading not included.

    `layers` are those scored: blocks after the last of them are not computed. Answers that the
    model writes have no lens, and all layers. None where a rate that is needed is not known.
    """
    projections = counts.rows * len(layers) * n_lenses
    parts = (
        (counts.tokens * _share(n_layers, layers), rates.prefill_tokens_per_s),
        (projections, rates.rows_per_s),
        (counts.written, rates.write_tokens_per_s),
    )
    total = 0.0
    for work, rate in parts:
        if work and not rate:
            return None
        total += work / rate if rate else 0.0
    return total


def _share(n_layers: int, layers: Sequence[int]) -> float:
    """Share of a model's blocks that is computed for these layers."""
    return max(1, max(layers, default=n_layers)) / n_layers


def rates_from_phases(
    phases: Mapping[str, float], n_layers: int, layers: Sequence[int], n_lenses: int
) -> Rates:
    """Rates of a finished cell by its phases, None for those it spent less than 2 seconds on.

    `n_layers` are the model's, `layers` those of the cell, `n_lenses` the lenses that shared its
    decodes. Written cells have `decode` and `written` among their phases.
    """
    written = phases.get("written", 0.0)
    tokens = (phases.get("tokens", 0.0) - written) * _share(n_layers, layers)
    projections = phases.get("rows", 0.0) * len(layers) * n_lenses
    return Rates(
        prefill_tokens_per_s=_rate(tokens, phases.get("prefill", 0.0) + phases.get("capture", 0.0)),
        rows_per_s=_rate(projections, phases.get("projection", 0.0)),
        write_tokens_per_s=_rate(written, phases.get("decode", 0.0)),
    )


def _rate(work: float, spent: float) -> float | None:
    return work / spent if work > 0 and spent >= ENOUGH else None
