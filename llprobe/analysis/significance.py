"""Tests of differences, their correction over many, and what a number of items can show.

Each test says of what it is one and what it takes for granted. This module knows arrays of values
by item. It does not know what they measure.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import sqrt
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.intervals import design_effect, is_binary
from llprobe.analysis.resample import cluster_sums
from llprobe.analysis.rounding import EPSILON
from llprobe.errors import UsageError

__all__ = [
    "above_baseline",
    "benjamini_hochberg",
    "detectable",
    "holm",
    "items_needed",
    "mcnemar",
    "sign_flip",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FLIPS: Final = 9999
"""Random sign flips of a test, where not all are tried."""
_ALL_FLIPS: Final = 13
"""Up to so many units, every way of flipping their signs is tried."""
_MOST_UNITS: Final = 512
"""Most units whose signs are flipped; more clusters are put together at random to so many."""
_FEWEST: Final = 6
"""Fewer discordant items than this cannot reach 5% in the exact test."""
_CHUNK: Final = 1 << 20
"""Most signs in memory at once."""


# --- tests ------------------------------------------------------------------------------------


def mcnemar(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Exact two-sided p that two 0/1 vectors (n_items,) of the same items have the same mean.

    McNemar 1947 in its binomial form: of the items on which they differ, each is as likely to be
    won as lost. Items are independent. 1 where they never differ.
    """
    more = np.asarray(b, np.float64) - np.asarray(a, np.float64)
    wins, losses = int((more > 0).sum()), int((more < 0).sum())
    return min(1.0, 2 * float(_binomial_tail(max(wins, losses), wins + losses, 0.5)))


def sign_flip(
    differences: FloatArray, clusters: IntArray, seed: int = 0, *, two_sided: bool = True
) -> FloatArray:
    """P that `differences` (n_items, k) have a mean of 0, (k,); one-sided: that it is not above 0.

    Randomisation test (Fisher 1935): the signs of whole clusters are flipped, each cluster's sum
    being as likely to come out either way. All flips are tried up to 13 clusters, 9999 random ones
    beyond; above 512 clusters, random groups of these are flipped together.
    """
    sums, _ = cluster_sums(differences, clusters, seed, _MOST_UNITS)
    observed = sums.sum(axis=0)
    size = np.abs(observed) if two_sided else observed
    bar = size - EPSILON * np.abs(sums).sum(axis=0)
    reached, tried = np.zeros(sums.shape[1]), 0
    for signs in _signs(len(sums), seed):
        flipped = signs @ sums
        reached += ((np.abs(flipped) if two_sided else flipped) >= bar).sum(axis=0)
        tried += len(signs)
    # what was observed is one of all flips, but not among random ones
    own = 0 if len(sums) <= _ALL_FLIPS else 1
    return np.asarray((reached + own) / (tried + own))


def _signs(n_units: int, seed: int) -> Iterator[FloatArray]:
    """Yield signs, -1 or 1, (some flips, n_units) at a time."""
    if n_units <= _ALL_FLIPS:
        bits = np.arange(1 << n_units)[:, None] >> np.arange(n_units) & 1
        yield bits.astype(np.float64) * 2 - 1
        return
    drawn = _drawn_signs(n_units, seed)
    at_once = max(1, _CHUNK // n_units)
    for begun in range(0, FLIPS, at_once):
        yield drawn[begun : begun + at_once].astype(np.float64)


@lru_cache(maxsize=4)  # the analyses of a run, and of each of its cells, flip alike
def _drawn_signs(n_units: int, seed: int) -> npt.NDArray[np.int8]:
    """Return random signs (FLIPS, n_units), not to be changed."""
    rng = np.random.default_rng([seed, n_units])
    signs = rng.integers(0, 2, (FLIPS, n_units), np.int8) * np.int8(2) - np.int8(1)
    signs.flags.writeable = False
    return signs


def above_baseline(
    values: FloatArray, baseline: FloatArray, clusters: IntArray, seed: int = 0
) -> FloatArray:
    """P, by layer (k,), that the mean of `values` (n_items, k) is not above that of `baseline`.

    `baseline` (n_items,) or (n_items, k). One-sided, not corrected over layers (see `holm`).
    Where values are 0 or 1 and the baseline gives each item a chance strictly between 0 and 1, it
    is the binomial tail at the mean chance, of as many items as the clusters are worth (Rao & Scott
    1992): exact where no items share a cluster, and where chances differ it can only be too careful
    (Hoeffding 1956). Signs may not be flipped there: a share at a chance of 0.1 does not lie evenly
    about it. Otherwise, as where the baseline is another way of choosing, items are paired with
    their baseline, and the signs of the clusters' sums are flipped (`sign_flip`).
    """
    against = baseline[:, None] if baseline.ndim == 1 else baseline
    chances = np.broadcast_to(((against > 0) & (against < 1)).all(axis=0), values.shape[1])
    guessed = chances & is_binary(values)
    p = np.empty(values.shape[1])
    if guessed.any():
        share = np.broadcast_to(against.mean(axis=0), guessed.shape)[guessed]
        alike = _alike(values, clusters)[guessed]
        hits = values.sum(axis=0)[guessed]
        p[guessed] = _binomial_tail(hits / alike, len(values) / alike, share)
    if not guessed.all():
        differences = np.asarray(values - against, np.float64)[:, ~guessed]
        p[~guessed] = sign_flip(differences, clusters, seed, two_sided=False)
    return p


def _alike(values: FloatArray, clusters: IntArray) -> FloatArray:
    """Return how many items say as much as an independent one, by layer (k,).

    The mean over layers is the least: one layer of few clusters may by luck show too little.
    """
    effect = design_effect(values, clusters)
    return np.asarray(np.maximum(effect, effect.mean()), np.float64)


def _binomial_tail(hits: npt.ArrayLike, n: npt.ArrayLike, p: FloatArray | float) -> FloatArray:
    """Probability of at least so many hits of n, by the incomplete beta function.

    It goes on between whole numbers, which fractions of items need.
    """
    from scipy.special import betainc  # noqa: PLC0415 - slow to import, not needed by --help

    count, of = np.asarray(hits, np.float64), np.asarray(n, np.float64)
    some = count > 0
    tail = betainc(np.where(some, count, 1.0), np.maximum(of - count, 0.0) + 1, p)
    return np.asarray(np.where(some, tail, 1.0), np.float64)


# --- many tests -------------------------------------------------------------------------------


def holm(p: npt.ArrayLike) -> FloatArray:
    """Adjust p values (k,): a false finding among all of them is as rare as the level (Holm 1979).

    Any dependence between the tests is allowed.
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    return _unsorted(np.minimum(np.maximum.accumulate(steps), 1.0), order)


def benjamini_hochberg(p: npt.ArrayLike) -> FloatArray:
    """Adjust p values (k,) for the share of false ones among the findings (1995).

    Tests are independent, or depend on each other positively.
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * len(values) / np.arange(1, len(values) + 1)
    return _unsorted(np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0), order)


def _unsorted(values: FloatArray, order: IntArray) -> FloatArray:
    found = np.empty(len(values))
    found[order] = values
    return found


# --- power ------------------------------------------------------------------------------------


def detectable(n: float, discordant_rate: float, power: float = 0.8, level: float = 0.05) -> float:
    """Smallest difference of two shares that McNemar's test of n items finds with this power.

    By Connor's formula (1987) with a correction of 1 / n for the exact test, which brings it to
    the power or a little above. `discordant_rate`: share of items on which the two differ; it is
    taken as at least the difference itself. 1 where no difference would be found.
    """
    low, high = 0.0, 1.0
    if n <= 0 or _found(n, max(discordant_rate, 1.0), power, level) > 1:
        return 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        seen = _found(n, max(discordant_rate, middle), power, level) <= middle
        low, high = (low, middle) if seen else (middle, high)
    return high


def _found(n: float, rate: float, power: float, level: float) -> float:
    """Difference that is found at a fixed rate of discordant items: Connor's formula, solved."""
    of_level = NormalDist().inv_cdf(1 - level / 2)
    of_power = NormalDist().inv_cdf(power)
    whole = n + of_power**2
    root = n * of_level**2 * rate - whole * rate * (of_level**2 - of_power**2)
    return (sqrt(n * rate) * of_level + sqrt(max(root, 0.0))) / whole + 1 / n


def items_needed(
    difference: float, discordant_rate: float, power: float = 0.8, level: float = 0.05
) -> int:
    """Items at which McNemar's test finds a difference of two shares with this power.

    The reverse of `detectable`. Raises UsageError for a difference of 0, which no number shows, or
    above 1.
    """
    wanted = abs(difference)
    if not 0 < wanted <= 1:
        raise UsageError(f"a difference of {difference} cannot be shown: give one in (0, 1]")
    low, high = _FEWEST - 1, _FEWEST
    while detectable(high, discordant_rate, power, level) > wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        seen = detectable(middle, discordant_rate, power, level) <= wanted
        low, high = (low, middle) if seen else (middle, high)
    return high
