"""What the best layer would score on other items than those that chose it.

The highest of many means is high by luck too. Half of the clusters choose a layer and the other
half score it, both ways and over several divisions (repeated two-fold cross-fitting): no item
scores a layer that it helped to choose, so luck is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.finding import FEWEST, LEVEL, critical, n_clusters
from llprobe.analysis.intervals import DIFFERENCES, mean_evidence
from llprobe.analysis.resample import cluster_sums
from llprobe.analysis.rounding import argmax_first, highest

__all__ = ["BestDifference", "BestLayer", "best_difference", "best_layer", "held_out"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_DIVISIONS: Final = 10
"""Ways of dividing the clusters into halves that are averaged over."""


@dataclass(frozen=True)
class BestLayer:
    """The layer of the highest mean, and what it would score on other items; shares in [0, 1]."""

    column: int
    """The first of equals."""
    observed: float
    """Its mean on the items that chose it: too high by what luck adds."""
    held_out: float | None
    """What layers so chosen score on items that did not choose them; None of a single cluster."""
    low: float | None
    """Lower end of the 95% interval of what it would score; None below five clusters."""
    high: float | None
    """Upper end of it: that of the layer by itself, for halves of the items choose less well."""


@dataclass(frozen=True)
class BestDifference:
    """What one side's best layer would score more than the other's, in [-1, 1]."""

    a: float
    """What the first side's best layer scores on items that did not choose it."""
    b: float
    """The same of the second side."""
    difference: float
    low: float | None
    """Lower end of the 95% interval; None below five clusters."""
    high: float | None
    """Upper end of it."""
    p: float
    """Two-sided p that there is none; at most 5% where the interval leaves out 0."""


def held_out(values: FloatArray, clusters: IntArray, seed: int = 0) -> FloatArray:
    """Score each item at the layer that is best on a half of the clusters that it is not in.

    `values` (n_items, k); `clusters` (n_items,), of which there are two at least. Returns
    (n_items, n_divisions). Of layers that are equal on the choosing half the mean is taken. The
    same clusters and seed are divided alike, whatever the values are.
    """
    _, unit = np.unique(clusters, return_inverse=True)
    sums, sizes = cluster_sums(values, clusters, seed, most_units=len(values))
    scores = np.empty((len(values), _DIVISIONS))
    rng = np.random.default_rng([seed, len(sizes)])
    for division in range(_DIVISIONS):
        half = rng.permutation(len(sizes)) % 2
        for side in (0, 1):
            choosing, rows = half != side, half[unit] == side
            mean = sums[choosing].sum(axis=0) / sizes[choosing].sum()
            scores[rows, division] = values[np.ix_(rows, highest(mean))].mean(axis=1)
    return scores


def best_layer(values: FloatArray, clusters: IntArray, seed: int = 0) -> BestLayer:
    """Find the layer of the highest mean of `values` (n_items, k), and what it would score anew.

    `values` are shares in [0, 1]; `clusters` (n_items,). One layer alone was not chosen.
    """
    curve = values.mean(axis=0)
    column = int(argmax_first(curve))
    observed = float(curve[column])
    if n_clusters(clusters) < 2 and values.shape[1] > 1:
        return BestLayer(column, observed, None, None, None)
    scores = held_out(values, clusters, seed) if values.shape[1] > 1 else values
    again = mean_evidence(scores, clusters)
    share, low = float(again.mean.mean()), float(again.low.mean())
    high = max(
        float(mean_evidence(values[:, [column]], clusters).high[0]), float(again.high.mean())
    )
    if n_clusters(clusters) < FEWEST:
        return BestLayer(column, observed, share, None, None)
    return BestLayer(column, observed, share, low, high)


def best_difference(
    a: FloatArray,
    b: FloatArray,
    clusters: tuple[IntArray, IntArray],
    seed: int = 0,
    *,
    paired: bool,
) -> BestDifference:
    """Compare what the best layers of two sides would score; `a` (n_a, k_a), `b` (n_b, k_b).

    `clusters` (n_a,) and (n_b,); where `paired`, item i of `a` is item i of `b`, and both are
    divided alike. The error is that of a single division: the mean over divisions varies less,
    by an unknown amount.
    """
    scores = [_scores(of, which, seed) for of, which in zip((a, b), clusters, strict=True)]
    mean_a, mean_b = (float(of.mean()) for of in scores)
    if paired:
        found = mean_evidence(scores[1] - scores[0], clusters[0], DIFFERENCES)
        square = float((found.error**2).mean())
    else:
        parts = [mean_evidence(of, which) for of, which in zip(scores, clusters, strict=True)]
        square = sum(float((part.error**2).mean()) for part in parts)
    difference, error = mean_b - mean_a, square**0.5
    fewer = min(clusters, key=n_clusters)
    if n_clusters(fewer) < FEWEST:
        return BestDifference(mean_a, mean_b, difference, None, None, 1.0)
    from scipy.special import stdtr  # noqa: PLC0415 - slow to import, not needed by --help

    wide = critical(fewer, (1 + LEVEL) / 2) * error
    p = 2 * float(stdtr(n_clusters(fewer) - 1, -abs(difference) / error))
    low, high = max(difference - wide, -1.0), min(difference + wide, 1.0)
    return BestDifference(mean_a, mean_b, difference, low, high, p)


def _scores(values: FloatArray, clusters: IntArray, seed: int) -> FloatArray:
    """Held-out scores; those of a layer that was not chosen, or by one cluster, as they are."""
    if values.shape[1] == 1 or n_clusters(clusters) < 2:
        return np.repeat(values[:, [int(argmax_first(values.mean(axis=0)))]], _DIVISIONS, axis=1)
    return held_out(values, clusters, seed)
