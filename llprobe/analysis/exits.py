"""From which layer choices are the last layer's, and how much they change on the way.

Intervals are those of shares of items with errors by cluster; that of the median layer comes from
the share of items that are done at each layer (Woodruff 1952). This module knows choices, which
are any integers. It does not know whether they are right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.finding import (
    LEVEL,
    ExitFinding,
    Stability,
    critical,
    relative,
    too_few,
)
from llprobe.analysis.intervals import mean_evidence
from llprobe.analysis.rounding import at_least

__all__ = ["early_exit", "stability"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_MOST_UNITS: Final = 4096
"""Most units whose spread is looked at: more would cost memory and add nothing."""


def early_exit(
    choices: IntArray, layers: Sequence[int], n_layers: int, clusters: IntArray
) -> ExitFinding:
    """Find the layer from which half of the items have the last layer's choice and keep it.

    `choices` (n_items, k) at the k scored `layers` of a model of `n_layers`; `clusters` (n_items,).
    """
    short = too_few(clusters, len(layers), 2)
    if not choices.size:
        return ExitFinding("early exit", None, None, None, None, short, None, _numbers([]), None)
    columns = _exit_columns(choices)
    per_item = _numbers(layers)[columns]
    done = np.cumsum(np.bincount(columns, minlength=len(layers))) / len(columns)
    first, middle, third = (
        layers[int(at_least(done, share).argmax())] for share in (0.25, 0.5, 0.75)
    )
    low, high = (None, None) if short else _median_interval(columns, done, layers, clusters)
    saved = float(np.clip(1 - per_item / n_layers, 0, 1).mean())
    depth = relative(middle, n_layers)
    quartiles = (first, third)
    return ExitFinding("early exit", middle, low, high, depth, short, quartiles, per_item, saved)


def _numbers(layers: Sequence[int]) -> IntArray:
    return np.asarray(layers, np.int64)


def _exit_columns(choices: IntArray) -> IntArray:
    """First column from which the choice stays the last one: (n_items,)."""
    n, k = choices.shape
    stays = np.ones(n, np.bool_)
    kept = np.zeros(n, np.int64)
    for column in reversed(range(k - 1)):
        stays &= choices[:, column] == choices[:, -1]
        kept += stays
    return np.asarray(k - 1 - kept, np.int64)


def _median_interval(
    columns: IntArray, done: FloatArray, layers: Sequence[int], clusters: IntArray
) -> tuple[int | None, int | None]:
    """Layers at which the share of items that are done may be a half."""
    wide = critical(clusters, (1 + LEVEL) / 2) * _half_errors(columns, done, clusters)
    low = int(at_least(done + wide, 0.5).argmax())
    high = int(at_least(done - wide, 0.5).argmax())
    return layers[low], layers[high]


def _half_errors(columns: IntArray, done: FloatArray, clusters: IntArray) -> FloatArray:
    """Standard errors by cluster of the shares `done` (k,); the last share is 1 for certain.

    No error but the last is below that of a half of independent items: a share near 0 or 1 shows
    too little of its own spread.
    """
    k, n = len(done), len(columns)
    unit, n_units = _units(clusters)
    counts = np.bincount(unit * k + columns, minlength=n_units * k).reshape(n_units, k)
    sums = np.cumsum(counts, axis=1) - counts.sum(axis=1, keepdims=True) * done
    errors = np.sqrt((sums**2).sum(axis=0) * n_units / max(n_units - 1, 1)) / n
    errors[:-1] = np.maximum(errors[:-1], 0.5 / np.sqrt(n))
    return np.asarray(errors, np.float64)


def _units(clusters: IntArray) -> tuple[IntArray, int]:
    """Number the clusters of (n_items,); above `_MOST_UNITS` they are put together at random."""
    _, unit = np.unique(clusters, return_inverse=True)
    found = int(unit.max()) + 1
    if found <= _MOST_UNITS:
        return np.asarray(unit, np.int64), found
    shuffled = np.random.default_rng(0).permutation(found) % _MOST_UNITS
    return np.asarray(shuffled[unit], np.int64), _MOST_UNITS


def stability(choices: IntArray, layers: Sequence[int], clusters: IntArray) -> Stability:
    """Measure how often the choice stays from one scored layer to the next.

    `choices` (n_items, k) at the k scored `layers`; `clusters` (n_items,).
    """
    short = too_few(clusters, len(layers), 2)
    if not choices.size:
        return Stability(None, None, None, np.zeros(len(layers)), short)
    agreement = np.asarray((choices == choices[:, -1:]).mean(axis=0), np.float64)
    if len(layers) < 2:
        return Stability(None, None, None, agreement, short)
    stays = np.asarray((choices[:, 1:] == choices[:, :-1]).mean(axis=1), np.float64)
    mean = float(stays.mean())
    if short:
        return Stability(mean, None, None, agreement, short)
    known = mean_evidence(stays[:, None], clusters, level=LEVEL)
    return Stability(mean, float(known.low[0]), float(known.high[0]), agreement, "")
