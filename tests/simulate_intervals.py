"""Simulations of intervals, paired tests and detectable differences.

Each function gives the cells of one row of a table, from the parameters of that row and a seed.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri
from simulated import LAYERS, Plan, Row, Rows, Table, Truth, percent, share

from llprobe.analysis.intervals import coverage, wilson
from llprobe.analysis.paired import best_against_last, compare
from llprobe.analysis.resample import bootstrap_means, expanded, interval
from llprobe.analysis.significance import detectable, mcnemar

INDEPENDENT = [(n, p) for n in (30, 100, 500) for p in (0.1, 0.25, 0.5, 0.9)]
CLUSTERED = [(groups, p) for groups in (10, 30, 100) for p in (0.25, 0.5)]
PAIRED = [
    (n, per, rate) for n, per in ((30, 1), (100, 1), (500, 1), (100, 10), (500, 10))
    for rate in (0.1, 0.4)
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


def clustered(groups: int, p: float, seed: int, times: int) -> Row:
    """Ten items a cluster, alike with 0.3: the same data, clusters known and not known."""
    rng, n = np.random.default_rng(seed), 10 * groups
    shared = rng.standard_normal((groups, times)).repeat(10, axis=0)
    hidden = np.sqrt(0.3) * shared + np.sqrt(0.7) * rng.standard_normal((n, times))
    values = (hidden < ndtri(p)).astype(np.float64)
    clusters = np.arange(n) // 10
    return (
        str(groups), str(p), covered(wilson(values.sum(axis=0), n), p),
        bootstrap_covers(values, np.arange(n), p, seed),
        bootstrap_covers(values, clusters, p, seed),
    )  # fmt: skip


def paired(n: int, per: int, rate: float, seed: int, times: int) -> Row:
    """Two ways, equally good, that differ on a share `rate` of the items."""
    rng, found, inside, naive = np.random.default_rng(seed), [], [], []
    for _ in range(times):
        more = _null_differences(n, per, rate, rng)
        a, b = (more < 0).astype(np.float64), (more > 0).astype(np.float64)
        result = compare(a, b, np.arange(n) // per)
        found.append(result.p <= 0.05)
        inside.append(result.low <= 0 <= result.high)
        naive.append(mcnemar(a, b) <= 0.05)
    kind = "each item" if per == 1 else f"{per} items"
    return str(n), kind, str(rate), share(found), share(naive), share(inside)


def _null_differences(n: int, per: int, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Differences -1, 0, 1 of mean 0, (n,); signs are shared by half of a cluster's items."""
    signs = rng.choice([-1, 1], n)
    if per > 1:
        own = rng.choice([-1, 1], -(-n // per)).repeat(per)[:n]
        signs = np.where(rng.random(n) < 0.5, own, signs)
    return signs * (rng.random(n) < rate)


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
    """How often McNemar's test finds what is said to be just detectable."""
    rng, difference = np.random.default_rng(seed), detectable(n, rate)
    differ = max(rate, difference)
    chances = [(differ + difference) / 2, (differ - difference) / 2, 1 - differ]
    draws = rng.multinomial(n, chances, times)
    found = [_of_pairs(wins, losses) <= 0.05 for wins, losses, _ in draws.tolist()]
    return str(n), str(rate), f"{difference:.3f}", share(found)


def _of_pairs(wins: int, losses: int) -> float:
    """P of McNemar's test on items of which so many are won and lost."""
    return mcnemar(np.arange(wins + losses) >= wins, np.arange(wins + losses) < wins)


def tables(pool: Rows, times: int, wanted: Sequence[str]) -> list[Table]:
    """Run those that are wanted, all where none is named, `times` data sets a row."""
    plans: list[Plan] = [
        ("coverage", ("items", "true share", "Wilson, exact", "Wilson", "bootstrap"),
         independent, INDEPENDENT, times),
        ("clusters", ("clusters of 10", "true share", "Wilson, by item", "bootstrap, by item",
                      "bootstrap, by cluster"), clustered, CLUSTERED, times),
        ("paired", ("items", "cluster", "differ on", "false findings", "McNemar by item",
                    "interval holds 0"), paired, PAIRED, times // 2),
        ("best", ("items", "cluster", "false findings", "best taken as if chosen before"),
         best_layer, [(100, 1), (500, 1), (500, 10)], times // 2),
        ("power", ("items", "differ on", "detectable", "found"), power, POWER, times),
    ]  # fmt: skip
    return [
        Table(name, header, tuple(pool(function, rows, count)))
        for name, header, function, rows, count in plans
        if not wanted or name in wanted
    ]
