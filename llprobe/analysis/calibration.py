"""Whether options get the probabilities that they deserve: Brier score, calibration error, bins.

Probabilities are those of an item's options among each other, from summed log-probs. This module
knows tables. It does not know which layer a reader looks at: it does all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.measures import choice, probability
from llprobe.analysis.options import OptionTable

__all__ = ["Calibration", "brier", "calibration"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BINS: Final = 10
"""Bins of equal width over [0, 1], unless said otherwise."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """How sure choices are and how often they are true, by bin of probability and layer."""

    edges: FloatArray
    """Ends of the bins, (n_bins + 1,)."""
    count: IntArray
    """Items whose choice has a probability in the bin, (n_bins, n_layers)."""
    confidence: FloatArray
    """Their mean probability, (n_bins, n_layers); NaN for an empty bin."""
    accuracy: FloatArray
    """Share of them whose choice is true, (n_bins, n_layers); NaN for an empty bin."""
    error: FloatArray
    """Expected calibration error, (n_layers,): mean distance of the two, weighted by items."""


def brier(table: OptionTable) -> FloatArray:
    """Brier score of each item and layer, (n_items, n_layers) in [0, 2]; 0 is best.

    Sum over options of the squared distance of the probability from the truth (Brier 1950); the
    true options count as one. NaN where an option's probability is.
    """
    given = probability(table)
    of_true = _sums(table, np.where(table.true[:, None], given, 0.0))
    of_false = _sums(table, np.where(table.true[:, None], 0.0, given) ** 2)
    return np.asarray((1 - of_true) ** 2 + of_false)


def _sums(table: OptionTable, values: FloatArray) -> FloatArray:
    """Sum (n_options, n_layers) over each item's options."""
    if not table.n_items:
        return np.zeros((0, len(table.layers)))
    return np.asarray(np.add.reduceat(values, table.start[:-1], axis=0))


def calibration(table: OptionTable, n_bins: int = BINS) -> Calibration:
    """Sort items by the probability of their highest option (Guo et al. 2017, section 2).

    A choice counts as right where it is a true option. Items without probabilities are left out;
    the error is NaN where none has any.
    """
    rows = table.start[:-1, None] + choice(table)
    sure = np.take_along_axis(probability(table), rows, axis=0)
    known = np.isfinite(sure)
    bins = np.clip(np.nan_to_num(sure) * n_bins, 0, n_bins - 1).astype(np.int64)
    shape = (n_bins, len(table.layers))
    place = (bins * shape[1] + np.arange(shape[1]))[known]
    count, of_sure, of_true = (
        np.bincount(place, weights, n_bins * shape[1]).reshape(shape)
        for weights in (None, sure[known], table.true[rows][known])
    )
    with np.errstate(invalid="ignore"):
        n_known = count.sum(axis=0)
        error = np.where(n_known > 0, np.abs(of_sure - of_true).sum(axis=0) / n_known, np.nan)
        confidence, accuracy = of_sure / count, of_true / count
    edges = np.linspace(0, 1, n_bins + 1)
    return Calibration(edges, count.astype(np.int64), confidence, accuracy, error)
