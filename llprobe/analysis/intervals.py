"""Intervals of means: of shares, of differences, of items that belong together in clusters.

One method for all (Wilson 1927, of as many items as clusters are worth: Kish 1965), so that no
interval leaves what is possible or is a point, and none moves by leaps where one item changes. P
values of differences come of the same figures, so that they say what the interval says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.finding import FEWEST
from llprobe.analysis.resample import cluster_sums

__all__ = [
    "DIFFERENCES",
    "SHARES",
    "MeanEvidence",
    "coverage",
    "design_effect",
    "effective_n",
    "is_binary",
    "mean_evidence",
    "stratified_difference",
    "unpaired_difference",
    "wilson",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Ends = tuple[float, float]

CONFIDENCE: Final = 0.95
_NONE: Final = 1e-9
"""A sum of squares that is hardly any, as rounding makes it."""
_LEAST: Final = 1e-100
"""A tail that no sample reaches."""
SHARES: Final = (0.0, 1.0)
"""Lowest and highest mean of shares."""
DIFFERENCES: Final = (-1.0, 1.0)
"""Lowest and highest mean of differences of shares."""


# --- independent items ------------------------------------------------------------------------


def wilson(
    hits: npt.ArrayLike, n: npt.ArrayLike, level: float = CONFIDENCE
) -> tuple[FloatArray, FloatArray]:
    """Return the score interval of hits / n, low and high, in [0, 1] and of the shape of `hits`.

    Wilson 1927; unlike the usual one it neither collapses at 0 and n nor leaves [0, 1]. `n` counts
    independent items, and is not 0.
    """
    count = np.asarray(n, np.float64)
    return _score(
        np.asarray(hits, np.float64) / count, count, NormalDist().inv_cdf((1 + level) / 2)
    )


def _score(share: FloatArray, count: FloatArray, quantile: float) -> tuple[FloatArray, FloatArray]:
    """Solve Wilson's equation for shares of so many independent items."""
    square = quantile**2
    middle = share + square / (2 * count)
    half = quantile * np.sqrt(share * (1 - share) / count + square / (4 * count**2))
    whole = 1 + square / count
    # rounding must not leave a share of 0 or 1 outside its own interval
    low = np.clip((middle - half) / whole, 0.0, share)
    high = np.clip((middle + half) / whole, share, 1.0)
    return np.asarray(low), np.asarray(high)


def is_binary(values: npt.NDArray[np.generic]) -> bool:
    """Whether all values are 0 or 1."""
    return bool(((values == 0) | (values == 1)).all())


def coverage(n: int, p: float, level: float = CONFIDENCE) -> float:
    """Probability that Wilson's interval of n independent items covers their true share `p`.

    Exact, summed over all counts (Brown, Cai & DasGupta 2001): it steps up and down around the
    level; 0.974 at n = 30 and p = 0.1.
    """
    from scipy.special import gammaln, xlog1py, xlogy  # noqa: PLC0415 - slow to import

    hits = np.arange(n + 1)
    ways = gammaln(n + 1) - gammaln(hits + 1) - gammaln(n - hits + 1)
    weights = np.exp(ways + xlogy(hits, p) + xlog1py(n - hits, -p))
    low, high = wilson(hits, n, level)
    return float(weights[(low <= p) & (p <= high)].sum())


# --- items in clusters ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Spread:
    """How far values (n_items, k) lie from their means, by item and by cluster, (k,) each.

    Added is one cluster of the usual size above the mean and one below it, which lie as far off as
    the items that make up most of the spread: a sample that differs seldom shows too little of how
    far others lie apart. Where none differs they lie off by 1, a whole answer.
    """

    share: FloatArray
    """Where the mean lies between its bounds, in [0, 1]."""
    of_items: FloatArray
    """Squares of items."""
    of_clusters: FloatArray
    """Squares of clusters' sums, not less than those of items: clustering tells nothing new."""
    most: FloatArray
    """Squares of as many independent items that lie at the bounds."""
    n_items: float
    n_clusters: int
    n_even: float
    """Clusters of one size that vary as much as these do in theirs (Carter et al. 2017)."""


def _spread(values: npt.NDArray[np.generic], clusters: IntArray, bounds: Ends) -> _Spread:
    off = np.asarray(values, np.float64)
    mean = np.asarray(off.mean(axis=0))
    off = off - mean
    sums, sizes = cluster_sums(off, clusters, most_units=len(off))
    n, n_clusters = len(off), len(sizes)
    plain = np.asarray((off**2).sum(axis=0))
    together = (sums**2).sum(axis=0) * n_clusters / max(n_clusters - 1, 1)
    together = np.maximum(together, plain) if n_clusters < n else plain
    size = float((sizes**2).sum()) / n
    added = _added(off)
    share = np.clip((mean - bounds[0]) / (bounds[1] - bounds[0]), 0.0, 1.0)
    return _Spread(
        share=share,
        of_items=plain + added,
        of_clusters=together + added * size,
        most=n * (bounds[1] - bounds[0]) ** 2 * share * (1 - share) + added,
        n_items=n,
        n_clusters=n_clusters,
        n_even=n / size,
    )


def _added(off: FloatArray) -> FloatArray:
    """Return the squares of two items more, from how far others are off the mean, (n_items, k)."""
    squares = off**2
    return np.asarray(2 * ((squares**2).sum(axis=0) + _NONE) / (squares.sum(axis=0) + _NONE))


def design_effect(values: npt.NDArray[np.generic], clusters: IntArray) -> FloatArray:
    """Return how many alike items say as much as an independent one (Kish 1965), (k,), at least 1.

    `values` (n_items, k) in [0, 1]; `clusters` (n_items,). Where nothing shows how alike the items
    of a cluster are, as where all are wrong, it is near the size of a cluster.
    """
    spread = _spread(values, clusters, SHARES)
    return np.asarray(np.maximum(spread.of_clusters / spread.of_items, 1.0))


def effective_n(values: npt.NDArray[np.generic], clusters: IntArray) -> FloatArray:
    """Return how many independent right or wrong items would tell as much of the mean, (k,).

    `values` (n_items, k) in [0, 1]; `clusters` (n_items,). Of right and wrong items it is their
    number divided by the design effect; graded ones, which vary less, may count for more.
    """
    return _worth(_spread(values, clusters, SHARES))


def _worth(spread: _Spread) -> FloatArray:
    return np.asarray(spread.n_items * spread.most / spread.of_clusters)


@dataclass(frozen=True)
class MeanEvidence:
    """Means (k,), what they may be, and how likely they are where the truth is in the middle."""

    mean: FloatArray
    error: FloatArray
    """Standard errors, never 0."""
    low: FloatArray
    """Lower ends of the intervals; NaN below five clusters, which do not show their own spread."""
    high: FloatArray
    """Upper ends of them."""
    p: FloatArray
    """Two-sided p that the true mean is midway between the bounds: 0 of differences. It is at most
    5% exactly where the interval at 95% leaves that out; 1 below five clusters."""


def mean_evidence(
    values: npt.NDArray[np.generic],
    clusters: IntArray,
    bounds: Ends = SHARES,
    level: float = CONFIDENCE,
) -> MeanEvidence:
    """Tell what the means of `values` (n_items, k) say of others of their kind.

    Wilson's interval with the effective number of items in place of their number, and Student's t
    with one degree of freedom less than there are clusters (of one size) in place of the normal
    distribution. Of independent right or wrong items it is Wilson's own. `clusters` (n_items,);
    `bounds` are the lowest and highest mean that is possible.
    """
    spread = _spread(values, clusters, bounds)
    counted = bounds == SHARES and is_binary(values)
    mean = np.asarray(np.asarray(values, np.float64).mean(axis=0))
    return _judged(mean, spread, _freedom(spread, counted=counted), bounds, level)


def _freedom(spread: _Spread, *, counted: bool) -> float:
    """Degrees of freedom: the mean of independent right or wrong items says how they spread."""
    if counted and spread.n_clusters == spread.n_items:
        return float("inf")
    return max(spread.n_even - 1, 1.0)


def _judged(
    mean: FloatArray, spread: _Spread, freedom: float, bounds: Ends, level: float
) -> MeanEvidence:
    from scipy.special import stdtr, stdtrit  # noqa: PLC0415 - slow to import, not for --help

    error = np.sqrt(spread.of_clusters) / spread.n_items
    if spread.n_clusters < FEWEST:
        unknown = np.full(mean.shape, np.nan)
        return MeanEvidence(mean, error, unknown, unknown, np.ones(mean.shape))
    worth = _worth(spread)
    ends = _score(spread.share, worth, float(stdtrit(freedom, (1 + level) / 2)))
    low, high = (bounds[0] + (bounds[1] - bounds[0]) * end for end in ends)
    p = 2 * stdtr(freedom, -np.abs(2 * spread.share - 1) * np.sqrt(worth))
    # rounding must not put a mean outside its own interval
    return MeanEvidence(mean, error, np.minimum(low, mean), np.maximum(high, mean), np.asarray(p))


# --- two means of different items -------------------------------------------------------------


def stratified_difference(
    parts: Sequence[tuple[FloatArray, FloatArray]], level: float = CONFIDENCE
) -> MeanEvidence:
    """Tell what the mean of the strata's differences, first less second, says; arrays are (1,).

    `parts`: shares of independent items of two kinds in each stratum, (n,) each, not empty; strata
    count alike. The spread within strata is put together over all of them. Unknown, as below five
    clusters, where either kind has fewer than five items or these are all alone in their strata.
    """
    kinds = [kind for part in parts for kind in part]
    sizes = np.array([len(kind) for kind in kinds], np.float64)
    difference = np.array([np.mean([one.mean() - other.mean() for one, other in parts])])
    off = np.concatenate([kind - kind.mean() for kind in kinds])
    freedom = max(float((sizes - 1).sum()), 1.0)
    count = len(parts) ** 2 / float((1 / sizes).sum())
    squares = count * (float((off**2).sum()) + _added(off[:, None])) / freedom
    share = (1 + difference) / 2
    fewest = min(sum(len(part[i]) for part in parts) for i in (0, 1))
    spread = _Spread(
        share=share,
        of_items=squares,
        of_clusters=squares,
        most=np.maximum(4 * count * share * (1 - share), squares),
        n_items=count,
        n_clusters=min(fewest, int((sizes - 1).sum())),
        n_even=freedom + 1,
    )
    return _judged(difference, spread, freedom, DIFFERENCES, level)


def unpaired_difference(
    samples: tuple[FloatArray, FloatArray],
    clusters: tuple[IntArray, IntArray],
    level: float = CONFIDENCE,
) -> MeanEvidence:
    """Tell what the mean of the second sample less that of the first says; arrays are (1,).

    Newcombe's hybrid of the two score intervals (1998, method 10), of as many items as clusters are
    worth. P is 1 less the level at which it would end at 0. `samples`: shares, (n_a,) and (n_b,),
    with their `clusters`.
    """
    spreads = tuple(
        _spread(of[:, None], which, SHARES) for of, which in zip(samples, clusters, strict=True)
    )
    freedoms = tuple(
        _freedom(each, counted=is_binary(of)) for of, each in zip(samples, spreads, strict=True)
    )
    difference = spreads[1].share - spreads[0].share
    errors = [np.sqrt(each.of_clusters) / each.n_items for each in spreads]
    error = np.hypot(*errors)
    if min(each.n_clusters for each in spreads) < FEWEST:
        unknown = np.array([np.nan])
        return MeanEvidence(difference, error, unknown, unknown, np.ones(1))
    low, high = _hybrid(spreads, freedoms, (1 - level) / 2)
    p = np.array([_p_of_hybrid(spreads, freedoms)])
    return MeanEvidence(difference, error, low, high, p)


def _hybrid(
    spreads: Sequence[_Spread], freedoms: Sequence[float], tail: float
) -> tuple[FloatArray, FloatArray]:
    """Return Newcombe's interval that leaves out `tail` at either end, (1,) each."""
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import, not for --help

    (a, b), ends = (
        (each.share for each in spreads),
        [
            _score(each.share, _worth(each), -float(stdtrit(freedom, tail)))
            for each, freedom in zip(spreads, freedoms, strict=True)
        ],
    )
    difference = b - a
    return (
        difference - np.hypot(b - ends[1][0], ends[0][1] - a),
        difference + np.hypot(ends[1][1] - b, a - ends[0][0]),
    )


def _p_of_hybrid(spreads: Sequence[_Spread], freedoms: Sequence[float]) -> float:
    """Return twice the tail at which the interval ends at 0: the ends move apart as it falls."""
    from scipy.optimize import brentq  # noqa: PLC0415 - slow to import

    up = bool(spreads[1].share >= spreads[0].share)

    def end(log_tail: float) -> float:
        low, high = _hybrid(spreads, freedoms, float(np.exp(log_tail)))
        return float(low[0] if up else -high[0])

    most, least = np.log(0.5), np.log(_LEAST)
    if end(most) <= 0:
        return 1.0
    return 2 * float(np.exp(least if end(least) > 0 else brentq(end, least, most, xtol=1e-9)))
