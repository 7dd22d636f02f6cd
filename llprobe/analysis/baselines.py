"""What is got without the ability: by chance, by the shortest option, by the options themselves.

Summed log-probs favour short options, so that accuracies below chance are common, and accuracies
above chance may say nothing but length. This module knows tables. It does not know layers' names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis import measures
from llprobe.analysis.options import OptionTable
from llprobe.analysis.rounding import argmax_first
from llprobe.analysis.significance import above_baseline, holm

__all__ = [
    "Baseline",
    "BetterBaseline",
    "LengthBias",
    "baselines",
    "better_baseline",
    "length_bias",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_SHARES: Final = ("mc2", "mc3")
"""Metrics that are no single choice: only chance says what is got of them without ability."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """One way of answering without the question."""

    name: str
    """chance, shortest, or prior: the option most likely after a neutral stem."""
    values: FloatArray
    """What each item gets, in [0, 1], (n_items, 1) where layers do not matter, else
    (n_items, n_layers)."""

    @property
    def mean(self) -> FloatArray:
        """Mean over items, (1,) or (n_layers,)."""
        return np.asarray(self.values.mean(axis=0), np.float64)


@dataclass(frozen=True, eq=False)
class BetterBaseline:
    """Of several baselines the best one at each layer."""

    values: FloatArray
    """What each item gets of it, (n_items, n_layers); not to be written to."""
    names: tuple[str, ...]
    """Which one it is, (n_layers,)."""
    mean: FloatArray
    """Its mean over items, (n_layers,)."""


@dataclass(frozen=True, eq=False)
class LengthBias:
    """At which layers accuracy is what a liking for length makes it; all (n_layers,)."""

    below: BoolArray
    """Accuracy lies significantly below chance."""
    explained: BoolArray
    """Accuracy lies significantly above chance, but is not shown to be above choosing the
    shortest option."""


def baselines(table: OptionTable, metric: str = "mc1") -> tuple[Baseline, ...]:
    """Return the baselines of a metric: chance, and of a choice also `shortest` and `prior`.

    `prior` is there where the table has one. `pmi` subtracts it already, so that it is none.
    """
    found = [Baseline("chance", measures.chance(table, metric)[:, None])]
    if metric in _SHARES:
        return tuple(found)
    found.append(Baseline("shortest", measures.shortest(table)[:, None]))
    prior = measures.prior_metric(table) if metric != "pmi" else None
    return (*found, *([] if prior is None else [Baseline("prior", prior)]))


def better_baseline(table: OptionTable, metric: str = "mc1") -> BetterBaseline:
    """Return, at every layer, the baseline of the highest mean; chance goes before equals."""
    known, n_layers = baselines(table, metric), len(table.layers)
    means = np.stack([np.broadcast_to(each.mean, n_layers) for each in known])
    chosen = argmax_first(means.T)
    names = tuple(known[i].name for i in chosen.tolist())
    return BetterBaseline(_picked(table, known, chosen), names, means.max(axis=0))


def _picked(table: OptionTable, known: Sequence[Baseline], chosen: IntArray) -> FloatArray:
    """Take the values of the chosen baseline of each layer, (n_items, n_layers)."""
    shape = (table.n_items, len(table.layers))
    if (chosen == chosen[:1]).all() and len(chosen):
        return np.broadcast_to(known[int(chosen[0])].values, shape)
    values = np.empty(shape)
    for number, each in enumerate(known):
        columns = chosen == number
        values[:, columns] = np.broadcast_to(each.values, shape)[:, columns]
    return values


def length_bias(
    table: OptionTable, values: FloatArray, level: float = 0.05, seed: int = 0
) -> LengthBias:
    """Say where `values`, the table's MC1 (n_items, n_layers), are what length makes them.

    One-sided tests (`above_baseline`). Those against chance are adjusted over layers by Holm's
    method; that against the shortest option is not, so that layers are named with care.
    """
    chance, clusters = measures.chance(table), table.clusters
    below = holm(above_baseline(1 - values, 1 - chance, clusters, seed)) <= level
    above = holm(above_baseline(values, chance, clusters, seed)) <= level
    beaten = above_baseline(values, measures.shortest(table), clusters, seed) <= level
    return LengthBias(below, above & ~beaten)
