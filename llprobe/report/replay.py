"""How a cell's curve came together: what was known of it after its first items.

Items count in the order in which they were stored. A frame is analysed as the whole curve is, so
the last one says what is said of the cell everywhere else. This module knows analyses. It does not
know how fast frames follow each other, nor how they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis import measures
from llprobe.analysis.baselines import better_baseline
from llprobe.analysis.best_layer import BestLayer, best_layer
from llprobe.analysis.depth import onset, peak
from llprobe.analysis.finding import LayerFinding, PeakFinding, from_here_on
from llprobe.analysis.onset import excess_over
from llprobe.analysis.options import OptionTable
from llprobe.analysis.resample import bootstrap_means
from llprobe.analysis.rounding import argmax_first
from llprobe.errors import RunError, UsageError
from llprobe.report.evidence import mean_interval
from llprobe.report.tables import option_table
from llprobe.store import CellRecord, Store
from llprobe.store.asked import arrival

__all__ = ["MOST_FRAMES", "Frame", "Replay", "frame_of", "frames", "read_replay"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MOST_FRAMES: Final = 200
"""More than these would take long to look at, and show nothing else."""
_TRIES: Final = 3


@dataclass(frozen=True, eq=False)
class Frame:
    """What the first items of a cell say; arrays are (n_layers,) of scored layers, in [0, 1]."""

    n_items: int
    """Number of items."""
    mean: FloatArray
    """Mean of the metric."""
    low: FloatArray
    """Lower ends of its 95% intervals."""
    high: FloatArray
    """Upper ends of them."""
    chance: float
    """What guessing gets of these items."""
    best: BestLayer
    """What the best layer would score on other items."""
    peak: PeakFinding
    """The best layer, and those that may be it."""
    onset: LayerFinding
    """The layer from which it stays above its baseline."""


@dataclass(frozen=True, eq=False)
class Replay:
    """A cell's items in the order of their arrival."""

    cell: CellRecord
    """What decided its numbers."""
    metric: str
    """Name of the metric."""
    table: OptionTable
    """Its items, in the task's order."""
    values: FloatArray
    """The metric of each, (n_items, n_layers)."""
    order: IntArray
    """(n_items,): which item of the table came first, second, ..."""
    steps: tuple[int, ...]
    """Number of items of each frame, ascending; the last has all."""
    leads_from: int
    """Number of items from which on the layer that is best at the end stayed the best."""
    end: Frame
    """The last frame."""


def read_replay(store: Store, cell: CellRecord, metric: str = "mc1") -> Replay:
    """Read a cell's items with the order of their arrival, and analyse the whole of them.

    Raises UsageError where nothing is scored, RunError where it grows while it is read.
    """
    table, order = _read(store, cell)
    if not table.n_items:
        raise UsageError(f"nothing is scored of {cell.task} yet: there is nothing to replay")
    values = measures.metric(table, metric)
    steps = frames(table.n_items)
    end = _frame(cell, table, values, metric)
    return Replay(cell, metric, table, values, order, steps, _leads_from(values[order]), end)


def _read(store: Store, cell: CellRecord) -> tuple[OptionTable, IntArray]:
    for _ in range(_TRIES):
        came = np.array(arrival(store.path, cell.id), np.int64)
        table = option_table(store, cell)
        if table.n_items == len(came):
            return table, np.searchsorted(np.sort(came), came)
    raise RunError(f"{cell.task} is being scored right now: replay it again in a moment")


def frames(n_items: int, most: int = MOST_FRAMES) -> tuple[int, ...]:
    """Return at how many items to look: all, and fewer, in steps that grow.

    An interval narrows with the root of the number of items, so each frame narrows it about alike.
    """
    shares = np.linspace(0, 1, min(n_items, most) + 1)[1:]
    counts = range(1, n_items + 1) if n_items <= most else np.ceil(n_items * shares**2).astype(int)
    return tuple(dict.fromkeys(int(n) for n in counts))


def frame_of(replay: Replay, at: int) -> Frame:
    """Analyse the items of frame `at`, as the whole of the cell is analysed at its end."""
    n = replay.steps[at]
    if n == replay.table.n_items:
        return replay.end
    chosen = np.sort(replay.order[:n])
    return _frame(replay.cell, replay.table.take(chosen), replay.values[chosen], replay.metric)


def _frame(cell: CellRecord, table: OptionTable, values: FloatArray, metric: str) -> Frame:
    clusters, depth = table.clusters, int(cell.model_info["n_layers"])
    baseline = better_baseline(table, metric).values
    both = np.hstack([values, excess_over(values, baseline)])
    own, above = np.hsplit(bootstrap_means(both, clusters), 2)
    mean, low, high = mean_interval(values, clusters)
    return Frame(
        table.n_items, mean, low, high, float(measures.chance(table, metric).mean()),
        best_layer(values, clusters),
        peak(values, table.layers, depth, clusters, means=own),
        onset(values, baseline, table.layers, depth, clusters, means=above),
    )  # fmt: skip


def _leads_from(values: FloatArray) -> int:
    """Count the items (n_items, n_layers) after which the last best column stays the best."""
    best = argmax_first(np.cumsum(values, axis=0))
    leads = np.asarray(best == best[-1], np.bool_)
    return int(from_here_on(leads[None])[0]) + 1
