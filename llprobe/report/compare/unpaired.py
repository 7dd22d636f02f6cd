"""Two sets of different items: the difference of their means, with its interval and p.

Single independent answers, right or wrong: Newcombe's hybrid score interval (1998, method 10) and
Fisher's exact test. Items in clusters, or metrics between 0 and 1: the bootstrap of either set by
cluster, and a t test with as many degrees of freedom as the set of fewer clusters leaves; where all
items of either set agree, each cluster counts as a single answer. This module knows values and
clusters. It does not know what they measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.intervals import wilson
from llprobe.analysis.resample import bootstrap_means, expanded, interval

__all__ = ["SEEN", "Unpaired", "unpaired"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SEEN: Final = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
"""Standard errors that a difference must have to be found at 5%, two-sided, four times in five."""


@dataclass(frozen=True, slots=True)
class Unpaired:
    """Means of two independent sets and their difference, all in the metric's unit."""

    a: float
    b: float
    difference: float
    """b - a."""
    low: float
    """Lower end of the 95% interval of the difference."""
    high: float
    p: float
    """Two-sided."""
    detectable: float
    """Smallest difference found four times in five, at the 5% level."""


def unpaired(
    a: FloatArray, b: FloatArray, clusters: tuple[IntArray, IntArray], seed: int = 0
) -> Unpaired:
    """Compare the means of `a` (n_a,) and `b` (n_b,), whose clusters are (n_a,) and (n_b,)."""
    single = all(len(np.unique(c)) == len(c) for c in clusters)
    binary = bool(np.isin(np.concatenate([a, b]), (0.0, 1.0)).all())
    if single and binary:
        return _counts(a, b)
    of_a, of_b = (len(np.unique(of)) for of in clusters)
    if binary and min(of_a, of_b) > 1 and not np.ptp(a) and not np.ptp(b):
        # clusters that agree show no spread
        return _counts(np.full(of_a, a[0]), np.full(of_b, b[0]))
    return _clustered(a, b, clusters, seed)


def _counts(a: FloatArray, b: FloatArray) -> Unpaired:
    from scipy.stats import fisher_exact  # noqa: PLC0415 - slow to import

    hits, n = np.array([a.sum(), b.sum()]), np.array([len(a), len(b)])
    low, high = wilson(hits, n)
    (mean_a, mean_b), difference = hits / n, float(hits[1] / n[1] - hits[0] / n[0])
    table = np.array([hits, n - hits], np.int64)
    # half an item more for right, and for wrong: that none of few is right promises little
    pooled = (hits.sum() + 0.5) / (n.sum() + 1)
    return Unpaired(
        float(mean_a),
        float(mean_b),
        difference,
        difference - sqrt((mean_b - low[1]) ** 2 + (high[0] - mean_a) ** 2),
        difference + sqrt((high[1] - mean_b) ** 2 + (mean_a - low[0]) ** 2),
        float(fisher_exact(table)[1]),
        min(1.0, SEEN * sqrt(pooled * (1 - pooled) * float((1 / n).sum()))),
    )


def _clustered(
    a: FloatArray, b: FloatArray, clusters: tuple[IntArray, IntArray], seed: int
) -> Unpaired:
    from scipy.stats import t  # noqa: PLC0415 - slow to import

    both = enumerate(zip((a, b), clusters, strict=True))
    means = [_drawn(values, of, seed + at) for at, (values, of) in both]
    drawn = means[1] - means[0]
    low, high = interval(drawn)
    difference, error = float(b.mean() - a.mean()), float(drawn.std(ddof=1))
    freedom = min(len(np.unique(of)) for of in clusters) - 1
    score = abs(difference) / error if error else np.inf * abs(difference)
    known = freedom > 0 and isfinite(score)
    p = float(2 * t.sf(score, freedom)) if known else 1.0
    return Unpaired(
        float(a.mean()), float(b.mean()), difference, float(low[0]), float(high[0]), p,
        min(1.0, SEEN * error) if error else 1.0,
    )  # fmt: skip


def _drawn(values: FloatArray, clusters: IntArray, seed: int) -> FloatArray:
    """Means of resamples (n_resamples, 1), as far apart as few clusters ask for."""
    drawn = bootstrap_means(values[:, None], clusters, seed=seed)
    return expanded(drawn, values.mean(keepdims=True), len(np.unique(clusters)))
