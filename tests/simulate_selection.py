"""Simulations of what is chosen among many layers: guessing, the best layer, and its height.

Each function gives the cells of one row of a table, from the parameters of that row and a seed.
Data sets share their number between layers that depend on each other by 0, 0.8 and 0.95.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from simulated import (
    LAYERS,
    N_LAYERS,
    FloatArray,
    IntArray,
    Plan,
    Row,
    Rows,
    Table,
    Truth,
    hill,
    share,
)

from llprobe.analysis.best_layer import best_difference, best_layer
from llprobe.analysis.depth import peak
from llprobe.analysis.intervals import mean_evidence
from llprobe.analysis.resample import bootstrap_means
from llprobe.analysis.significance import above_baseline, holm

STAYS = (0.0, 0.8, 0.95)
SIZES = [(28, 2), (42, 3), (98, 7), (448, 32), (50, 1), (200, 1)]
GUESSES = [(n, per, chance) for n, per in SIZES for chance in (0.1, 0.25, 0.5)]
CURVES: dict[str, FloatArray] = {
    "all equal": np.full(N_LAYERS, 0.5),
    "all low": np.full(N_LAYERS, 0.1),
    "hill": hill(20, 0.4),
    "one better": np.where(np.arange(N_LAYERS) == 19, 0.5, 0.3),
}
HEIGHTS = [(n, per, curve) for n, per in SIZES[1:] for curve in CURVES]
EQUALS = [(n, per, level) for n, per in ((20, 1), (30, 1), (50, 1), (98, 7), (448, 32))
          for level in (0.25, 0.5)]  # fmt: skip
PAIRS = [(n, per, of_a) for n, per in SIZES[1:] for of_a in (1, N_LAYERS)]


def kind(per: int) -> str:
    return "each item" if per == 1 else f"{per} items"


def drawn(
    curve: FloatArray, n: int, per: int, rng: np.random.Generator, times: int
) -> Iterator[tuple[FloatArray, IntArray]]:
    """Draw data sets, clusters being alike with 0.2 in every other three of them."""
    for i in range(times):
        alike = 0.2 if per > 1 and i // len(STAYS) % 2 else 0.0
        yield Truth(curve, per, alike, STAYS[i % len(STAYS)]).draw(n, rng)


def guessing(n: int, per: int, chance: float, seed: int, times: int) -> Row:
    """Share of guessing curves of which some layer is called below, or above, chance."""
    rng, below, above = np.random.default_rng(seed), [], []
    guess = np.full(n, chance)
    for values, clusters in drawn(np.full(N_LAYERS, chance), n, per, rng, times):
        below.append(holm(above_baseline(1 - values, 1 - guess, clusters)).min() <= 0.05)
        above.append(holm(above_baseline(values, guess, clusters)).min() <= 0.05)
    return str(n), kind(per), str(chance), share(below), share(above)


def equals(n: int, per: int, level: float, seed: int, times: int) -> Row:
    """Share of sets of layers that may be the best which hold a given one of equal layers."""
    rng, held, size = np.random.default_rng(seed), [], []
    for i, (values, clusters) in enumerate(drawn(np.full(N_LAYERS, level), n, per, rng, times)):
        means = bootstrap_means(values, clusters, 500, i)
        tied = peak(values, LAYERS, N_LAYERS, clusters, i, means).tied
        held.append(20 in tied)
        size.append(len(tied))
    return str(n), kind(per), str(level), share(held), f"{np.mean(size):.1f}"


def heights(n: int, per: int, name: str, seed: int, times: int) -> Row:
    """How often intervals hold what the chosen layer scores, and how far figures are off."""
    rng, curve = np.random.default_rng(seed), CURVES[name]
    held, plain, observed, again, width = [], [], [], [], []
    for values, clusters in drawn(curve, n, per, rng, times):
        best = best_layer(values, clusters)
        true = curve[best.column]
        low, high = best.low or 0.0, best.high or 0.0
        held.append(low <= true <= high)
        width.append(high - low)
        naive = mean_evidence(values[:, [best.column]], clusters)
        plain.append(bool(naive.low[0] <= true <= naive.high[0]))
        observed.append(best.observed - true)
        again.append((best.held_out or 0.0) - true)
    return (
        str(n), kind(per), name, f"{100 * np.mean(observed):+.1f}", share(plain),
        f"{100 * np.mean(again):+.1f}", share(held), f"{100 * np.mean(width):.0f}",
    )  # fmt: skip


def pairs(n: int, per: int, of_a: int, seed: int, times: int) -> Row:
    """The best of some layers against the best of 30, all being equal."""
    rng, cells = np.random.default_rng(seed), []
    first = drawn(np.full(of_a, 0.3), n, per, rng, times)
    second = drawn(np.full(N_LAYERS, 0.3), n, per, rng, times)
    sides = [(a, b, clusters) for (a, clusters), (b, _) in zip(first, second, strict=True)]
    for paired in (True, False):
        found = [best_difference(a, b, (c, c), paired=paired) for a, b, c in sides]
        cells += [
            share(each.p <= 0.05 for each in found),
            share((each.low or 0.0) <= 0 <= (each.high or 0.0) for each in found),
        ]
    return str(n), kind(per), str(of_a), *cells


def tables(pool: Rows, times: int, wanted: Sequence[str]) -> list[Table]:
    """Run those that are wanted, all where none is named, `times` data sets a row."""
    plans: list[Plan] = [
        ("guessing", ("items", "cluster", "chance", "curves below", "curves above"),
         guessing, GUESSES, times),
        ("equals", ("items", "cluster", "share", "set holds the best", "layers in it"),
         equals, EQUALS, times),
        ("heights", ("items", "cluster", "curve", "observed", "its interval", "held out",
                     "interval", "width"), heights, HEIGHTS, times),
        ("pairs", ("items", "cluster", "layers against 30", "found, paired", "holds 0, paired",
                   "found, other items", "holds 0, other items"), pairs, PAIRS, times),
    ]  # fmt: skip
    return [
        Table(name, header, tuple(pool(function, rows, count)))
        for name, header, function, rows, count in plans
        if not wanted or name in wanted
    ]
