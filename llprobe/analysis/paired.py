"""Two ways of answering the same items: how far apart they are, and what could have been seen.

A layer, a model, a quant or a format against another one. This module knows values of paired
items. It does not know what differs between them, and does not correct for many comparisons.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.finding import n_clusters
from llprobe.analysis.intervals import DIFFERENCES, mean_evidence
from llprobe.analysis.resample import bootstrap_means, expanded
from llprobe.analysis.rounding import above, argmax_first, at_least
from llprobe.analysis.significance import detectable
from llprobe.errors import UsageError

__all__ = ["BestAgainstLast", "Comparison", "best_against_last", "compare"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_FEWEST: Final = 6
"""Clusters below which no test reaches 5%, two-sided."""


@dataclass(frozen=True)
class Comparison:
    """Two means over the same items; values, differences and intervals as those of the items."""

    n_items: int
    """Number of items."""
    n_clusters: int
    """Number of clusters that were resampled: `n_items` where items are independent."""
    a: float
    """Mean of the first."""
    b: float
    """Mean of the second."""
    difference: float
    """Mean of the second less that of the first."""
    low: float | None
    """Lower end of the interval of the difference; None below five clusters."""
    high: float | None
    """Upper end of it."""
    p: float
    """Probability of a difference as large where there is none, two-sided: at most 5% exactly where
    the interval leaves 0 out; 1 below five clusters."""
    wins: int
    """Items on which the second is higher."""
    losses: int
    """Items on which the first is higher."""
    detectable: float
    """Smallest difference found with 80% power at 5%, as items differ here."""


@dataclass(frozen=True)
class BestAgainstLast(Comparison):
    """The best layer against the last: `b` is the best one's mean as it is, `a` the last one's.

    `difference` is corrected for the choice, so it is below `b - a`; `p` is one-sided.
    """

    best: int
    """Column of the best layer, the first of equals."""
    optimism: float
    """How much of `b - a` comes of choosing the best of several layers."""
    in_play: tuple[int, ...]
    """Columns of the layers that may be the best one."""


def compare(
    a: npt.NDArray[np.generic],
    b: npt.NDArray[np.generic],
    clusters: IntArray,
    level: float = 0.95,
) -> Comparison:
    """Compare values of the same items, (n_items,) each, in the same order.

    Interval and p are those of `mean_evidence` of the differences by cluster. Raises UsageError
    where there is nothing to pair.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise UsageError(
            f"{first.size} and {second.size} items cannot be paired: give the same ones, at least 1"
        )
    more = second - first
    known = mean_evidence(more[:, None], clusters, DIFFERENCES, level)
    low, high = float(known.low[0]), float(known.high[0])
    few = bool(np.isnan(low))
    return Comparison(
        len(first), n_clusters(clusters), float(first.mean()), float(second.mean()),
        float(more.mean()), None if few else low, None if few else high, float(known.p[0]),
        int(above(more, 0).sum()), int(above(-more, 0).sum()), _detectable(more, clusters),
    )  # fmt: skip


def _detectable(more: FloatArray, clusters: IntArray) -> float:
    """Smallest difference that would be found, items differing as much as in `more` (n_items,).

    Clusters count as fewer items, by how much more their sums vary than those of single items do
    (design effect: Kish 1965). One item is added that half differs, so that a sample without any
    difference does not promise to show the smallest ones; there each cluster counts as one item. Of
    fewer than 6 clusters no way of flipping signs is as rare as 5%: they show no difference at all.
    """
    n, centred = len(more), more - more.mean()
    _, unit = np.unique(clusters, return_inverse=True)
    count = int(unit.max()) + 1
    if count < _FEWEST:
        return 1.0
    alone = float((centred**2).sum())
    together = float((np.bincount(unit, centred) ** 2).sum())
    effect = max(together / alone, 1.0) if alone > 0 else n / count
    return detectable(n / effect, (float((more**2).sum()) + 0.5) / (n + 1))


def best_against_last(
    values: npt.NDArray[np.generic], clusters: IntArray, seed: int = 0, level: float = 0.95
) -> BestAgainstLast:
    """Compare the layer of the highest mean with the last one; `values` (n_items, n_layers).

    The best of many layers owes part of its lead to luck. What is corrected is this optimism: in
    every resample by cluster the best layer is chosen anew, and how far it lies above its own mean
    in the sample is on average what the choice adds (Efron & Tibshirani 1993, chapter 17); it is
    subtracted from the lead. The interval's lower end and the p value take the worst case, that
    all layers which may be the best one are equally good: in every resample the luckiest of them is
    chosen (White 2000). Layers that lie below the last one by more than sqrt(2 log log n) standard
    errors are not among them (Hansen 2005). The upper end is that of the chosen layer by itself.
    All spreads are those of `expanded`. Where all layers are equally good some three tenths of the
    optimism stay in `difference`; how often p errs there stands in docs/statistics.md.
    """
    found = np.asarray(values, np.float64)
    means = found.mean(axis=0)
    best = int(argmax_first(means))
    pair = compare(found[:, -1], found[:, best], clusters, level)
    drawn = bootstrap_means(found, clusters, seed=seed)
    luck = expanded(drawn, means, pair.n_clusters) - means
    luck -= luck[:, [-1]]
    in_play = _in_play(means, luck, best, pair.n_clusters)
    lead, optimism = pair.difference, _optimism(means, luck)
    worst = luck[:, in_play].max(axis=1)
    tail = (1 - level) / 2
    upper, lower = float(np.quantile(worst, 1 - tail)), float(np.quantile(luck[:, best], tail))
    low, high = lead - max(upper, optimism), lead - min(lower, optimism)
    changed = {
        "difference": lead - optimism,
        # never narrower than of a layer that was named before
        "low": None if pair.low is None else max(min(low, pair.low), -1.0),
        "high": None if pair.high is None else min(max(high, pair.high), 1.0),
        "p": float((1 + at_least(worst, lead).sum()) / (1 + len(worst))),
    }
    more = {"best": best, "optimism": optimism, "in_play": tuple(in_play.tolist())}
    return BestAgainstLast(**asdict(pair) | changed | more)


def _optimism(means: FloatArray, luck: FloatArray) -> float:
    """How far the layers that are best in resamples lie above their own means, on average."""
    chosen = argmax_first(means + luck)
    return max(float(luck[np.arange(len(luck)), chosen].mean()), 0.0)


def _in_play(means: FloatArray, luck: FloatArray, best: int, n: int) -> IntArray:
    """Columns of layers that are not clearly worse than the last one, to which `luck` is relative.

    The last and the best one are among them.
    """
    threshold = np.sqrt(2 * np.log(np.log(max(n, 3))))
    close = at_least(means - means[-1], -threshold * luck.std(axis=0))
    close[[-1, best]] = True
    return np.flatnonzero(close)
