"""Means of a track by layer, whole or by group of items. This module knows arrays, not figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llprobe.analysis.measures import metric
from llprobe.analysis.options import OptionTable
from llprobe.errors import UsageError
from llprobe.plots.gather.sources import Scored, Track
from llprobe.plots.gather.wish import Wish
from llprobe.report.evidence import mean_interval
from llprobe.report.grouping import grouping
from llprobe.report.tables import option_table
from llprobe.settings import parse_layers
from llprobe.store import Store

__all__ = ["Banded", "at_layers", "banded", "chosen_layers", "means", "parts", "table_of"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Banded:
    """Means of a metric by layer with their 95% intervals by cluster, (n_layers,) each."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray


def banded(table: OptionTable, name: str) -> Banded:
    """Return the means of a metric with the intervals that `report.evidence` gives them."""
    return Banded(*mean_interval(metric(table, name), table.clusters))


def table_of(store: Store | None, track: Scored) -> OptionTable:
    """Return the options of a stored cell."""
    if store is None:
        raise UsageError("no database is open: name one with --db")
    return option_table(store, track.cell)


def means(store: Store | None, track: Track, wish: Wish) -> tuple[tuple[int, ...], FloatArray]:
    """Return a track's layers (n,) and the means of the metric there (n,)."""
    if isinstance(track, Scored):
        table = table_of(store, track)
        return table.layers, metric(table, wish.metric).mean(axis=0)
    return track.run.curves[track.task]


def parts(
    store: Store | None, own: Sequence[Scored], track: Scored, by: str
) -> Iterator[tuple[str, OptionTable]]:
    """Yield the groups of a track's items, named as `by` asks, in the task's order.

    Raises UsageError for a `by` that none of the tracks `own` knows.
    """
    table = table_of(store, track)
    sort = grouping([t.cell for t in own], by)
    labels = {group: sort(track.cell, group) for group in dict.fromkeys(table.groups)}
    found = dict.fromkeys(label for each in labels.values() for label in each)
    for label in sorted(found, key=lambda each: each[0]):
        yield label[1], table.take(np.array([label in labels[group] for group in table.groups]))


def chosen_layers(track: Track, layers: str | None) -> tuple[int, ...]:
    """Return the layers that `layers` names in a track's model; the last where it names none."""
    return parse_layers(layers or "-1", track.n_layers)


def at_layers(
    track: Track, layers: Sequence[int], values: tuple[Sequence[int], FloatArray]
) -> FloatArray:
    """Pick values of a track at some layers, (n_layers,); UsageError for one that it has not."""
    known = list(values[0])
    for layer in layers:
        if layer not in known:
            said = ", ".join(map(str, known))
            raise UsageError(f"{track.model}, {track.task}: no layer {layer}; it has {said}")
    return values[1][[known.index(layer) for layer in layers]]
