"""Simulations of intervals, paired tests and detectable differences.

Each function gives the cells of one row of a table, from the parameters of that row and a seed.
"""

from collections.abc import Sequence

import numpy as np
from simulated import LAYERS, Plan, Row, Rows, Table, Truth, percent, share

from llprobe.analysis.intervals import (
    DIFFERENCES,
    coverage,
    mean_evidence,
    unpaired_difference,
    wilson,
)
from llprobe.analysis.paired import best_against_last
from llprobe.analysis.resample import bootstrap_means, expanded, interval
from llprobe.analysis.significance import detectable, mcnemar, sign_flip

INDEPENDENT = [(n, p) for n in (30, 100, 500) for p in (0.1, 0.25, 0.5, 0.9)]
CLUSTERED = [
    (groups, size, alike)
    for groups, size in ((14, 32), (14, 7), (14, 3), (20, 10), (5, 10), (40, 5))
    for alike in (0.1, 0.2, 0.3)
]
SHARES = (0.02, 0.05, 0.1, 0.5, 0.9, 0.95)
PAIRED = [
    (n, per, rate) for n, per in ((10, 1), (30, 1), (100, 1), (500, 1), (98, 7), (448, 32))
    for rate in (0.1, 0.4)
]  # fmt: skip
UNPAIRED = [
    (n, per, p) for n, per in ((30, 1), (100, 1), (98, 7), (448, 32)) for p in (0.05, 0.5)
]  # fmt: skip
POWER = [(n, rate) for n in (50, 100, 500, 2000) for rate in (0.1, 0.3)]


def covered(ends: tuple[np.ndarray, ...], p: float) -> str:
    low, high = ends
    return percent(float(((low <= p) & (p <= high)).mean()))


def bootstrap_covers(values: np.ndarray, clusters: np.ndarray, p: float, seed: int) -> str:
    """Coverage over the columns of `values`, which are data sets of their own."""
    drawn = bootstrap_means(values, clusters, seed=seed)
    spread = expanded(drawn, values.mean(axis=0), len(np.unique(clusters)))
    return covered(interval(spread), p)


def independent(n: int, p: float, seed: int, times: int) -> Row:
    rng = np.random.default_rng(seed)
    values = (rng.random((n, times)) < p).astype(np.float64)
    hits = rng.binomial(n, p, 100 * times)
    return (
        str(n), str(p), percent(coverage(n, p)), covered(wilson(hits, n), p),
        bootstrap_covers(values, np.arange(n), p, seed),
    )  # fmt: skip


def clustered(groups: int, size: int, alike: float, seed: int, times: int) -> Row:
    """Clusters whose own shares have a beta distribution: a column for each true share."""
    rng, clusters = np.random.default_rng(seed), np.arange(groups * size) // size
    cells = []
    for p in SHARES:
        values = _alike(groups, size, p, alike, rng, times)
        found = mean_evidence(values, clusters)
        cells.append(covered((found.low, found.high), p))
        if p == SHARES[1]:
            naive = covered(wilson(values.sum(axis=0), len(values)), p)
            drawn = bootstrap_covers(values[:, : times // 4], clusters, p, seed)
    return f"{groups} of {size}", str(alike), *cells, naive, drawn


def _alike(
    groups: int, size: int, p: float, alike: float, rng: np.random.Generator, times: int
) -> np.ndarray:
    """Draw right and wrong answers (n, times) with a correlation within clusters of `alike`."""
    narrow = 1 / alike - 1 if alike else 1e9
    shares = rng.beta(p * narrow, (1 - p) * narrow, (groups, times)).repeat(size, axis=0)
    return np.asarray(rng.random(shares.shape) < shares, np.float64)


def paired(n: int, per: int, rate: float, seed: int, times: int) -> Row:
    """Two ways, equally good, that differ on a share `rate` of the items."""
    rng, clusters = np.random.default_rng(seed), np.arange(n) // per
    more = np.stack([_null_differences(n, per, rate, rng) for _ in range(times)], axis=1)
    found = mean_evidence(more, clusters, DIFFERENCES)
    naive = [mcnemar(of < 0, of > 0) <= 0.05 for of in more.T]
    flipped = sign_flip(more, clusters, seed) <= 0.05
    outside = (found.low > 0) | (found.high < 0)
    kind = "each item" if per == 1 else f"{per} items"
    return (
        str(n), kind, str(rate), share(found.p <= 0.05), share(outside),
        share(outside != (found.p <= 0.05)), share(naive), share(flipped),
    )  # fmt: skip


def unpaired(n: int, per: int, p: float, seed: int, times: int) -> Row:
    """Two sets of other items, equally good; clusters alike with 0.2."""
    rng, clusters = np.random.default_rng(seed), np.arange(n) // per
    sets = [_alike(n // per, per, p, 0.2 if per > 1 else 0.0, rng, times).T for _ in range(2)]
    found = [unpaired_difference((a, b), (clusters, clusters)) for a, b in zip(*sets, strict=True)]
    outside = [bool(each.low[0] > 0 or each.high[0] < 0) for each in found]
    wrong = [bool(each.p[0] <= 0.05) for each in found]
    kind = "each item" if per == 1 else f"{per} items"
    differ = [one != other for one, other in zip(outside, wrong, strict=True)]
    return str(n), kind, str(p), share(wrong), share(outside), share(differ)


def _null_differences(n: int, per: int, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Differences -1, 0, 1 of mean 0, (n,); signs are shared by half of a cluster's items."""
    signs = rng.choice([-1, 1], n)
    if per > 1:
        own = rng.choice([-1, 1], -(-n // per)).repeat(per)[:n]
        signs = np.where(rng.random(n) < 0.5, own, signs)
    return np.asarray(signs * (rng.random(n) < rate), np.float64)


def best_layer(n: int, per: int, seed: int, times: int) -> Row:
    """The best layer against the last, all of 30 layers being equally good."""
    rng, found, naive = np.random.default_rng(seed), [], []
    truth = Truth(np.full(len(LAYERS), 0.5), per, 0.3 if per > 1 else 0.0)
    for _ in range(times):
        values, clusters = truth.draw(n, rng)
        result = best_against_last(values, clusters)
        found.append(result.p <= 0.05)
        naive.append(mcnemar(values[:, -1], values[:, result.best]) <= 0.05)
    kind = "each item" if per == 1 else f"{per} items"
    return str(n), kind, share(found), share(naive)


def power(n: int, rate: float, seed: int, times: int) -> Row:
    """How often a paired test finds what is said to be just detectable."""
    rng, difference = np.random.default_rng(seed), detectable(n, rate)
    differ = max(rate, difference)
    chances = [(differ + difference) / 2, (differ - difference) / 2, 1 - differ]
    draws = rng.multinomial(n, chances, times)
    more = np.stack([np.repeat([1.0, -1.0, 0.0], counts) for counts in draws], axis=1)
    found = mean_evidence(more, np.arange(n), DIFFERENCES).p <= 0.05
    return str(n), str(rate), f"{difference:.3f}", share(found)


def tables(pool: Rows, times: int, wanted: Sequence[str]) -> list[Table]:
    """Run those that are wanted, all where none is named, `times` data sets a row."""
    plans: list[Plan] = [
        ("coverage", ("items", "true share", "Wilson, exact", "Wilson", "bootstrap"),
         independent, INDEPENDENT, times),
        ("clusters", ("clusters", "alike", *map(str, SHARES), "by item, 0.05", "bootstrap, 0.05"),
         clustered, CLUSTERED, times),
        ("paired", ("items", "cluster", "differ on", "false findings", "interval without 0",
                    "the two disagree", "McNemar by item", "flipped signs"),
         paired, PAIRED, times // 2),
        ("unpaired", ("items", "cluster", "true share", "false findings", "interval without 0",
                      "the two disagree"), unpaired, UNPAIRED, times // 4),
        ("best", ("items", "cluster", "false findings", "best taken as if chosen before"),
         best_layer, [(100, 1), (500, 1), (500, 10)], times // 2),
        ("power", ("items", "differ on", "detectable", "found"), power, POWER, times),
    ]  # fmt: skip
    return [
        Table(name, header, tuple(pool(function, rows, count)))
        for name, header, function, rows, count in plans
        if not wanted or name in wanted
    ]
