"""Simulations of findings over layers and over sizes: are planted ones found, and no others?

Each function gives the cells of one row of a table, from the parameters of that row and a seed.
"""

from collections.abc import Sequence

import numpy as np
from simulated import (
    CHANCE,
    LAYERS,
    N_LAYERS,
    Plan,
    Row,
    Rows,
    Table,
    Truth,
    hill,
    percent,
    ramp,
    share,
    step,
)

from llprobe.analysis.depth import JumpFinding, LayerFinding, early_exit, jump, onset, peak
from llprobe.analysis.resample import bootstrap_means
from llprobe.analysis.scale import sizes, threshold

RESAMPLES = 500
PLANTED = 15
STEPS = [(n, size) for n in (30, 100, 500) for size in (0.1, 0.2, 0.4)]
RAMPS = [(n, size) for n in (100, 500) for size in (0.2, 0.4)]
NOTHING = [
    (n, kind) for n in (30, 100, 500)
    for kind in ("chance", "chance, clusters of 5", "length bias", "shortest", "shortest, unknown")
]  # fmt: skip
HILLS = [(n, size) for n in (100, 500) for size in (0.0, 0.2, 0.4)]
SCALES = [(n, kind) for n in (3, 6, 9, 12) for kind in ("line", "flat", "step", "S curve")]


def judged(found: Sequence[LayerFinding], true: int) -> Row:
    """Share found, and of those: exact, within one layer, mean error, interval, its width."""
    hits = [(f.layer, f.low or 99, f.high or 99) for f in found if f.layer is not None]
    if not hits:
        return percent(0), "-", "-", "-", "-", "-"
    layer, low, high = np.array(hits).T
    off = np.abs(layer - true)
    width = np.median(np.minimum(high, N_LAYERS + 1) - low)
    return (
        percent(len(hits) / len(found)), share(off == 0), share(off <= 1), f"{off.mean():.1f}",
        share((low <= true) & (true <= high)), f"{width:.0f}",
    )  # fmt: skip


def _onsets_and_jumps(
    truth: Truth, n: int, seed: int, times: int
) -> tuple[list[LayerFinding], list[JumpFinding]]:
    rng, onsets, jumps = np.random.default_rng(seed), [], []
    for i in range(times):
        values, clusters = truth.draw(n, rng)
        means = bootstrap_means(values, clusters, RESAMPLES, i)
        guess = np.full(n, CHANCE)
        onsets.append(onset(values, guess, LAYERS, N_LAYERS, clusters, i, means - CHANCE))
        jumps.append(jump(values, LAYERS, N_LAYERS, clusters, i, means))
    return onsets, jumps


def steps(n: int, size: float, seed: int, times: int) -> list[Row]:
    found = _onsets_and_jumps(Truth(step(PLANTED, size)), n, seed, times)
    names = ("onset", "change point")
    pairs: list[tuple[str, Sequence[LayerFinding]]] = list(zip(names, found, strict=True))
    return [(name, str(n), f"{size:+.1f}", *judged(each, PLANTED)) for name, each in pairs]


def ramps(n: int, size: float, seed: int, times: int) -> Row:
    found, _ = _onsets_and_jumps(Truth(ramp(11, size)), n, seed, times)
    return str(n), f"{size:+.1f}", *judged(found, 11)


def nothing(n: int, kind: str, seed: int, times: int) -> Row:
    """Rate of onsets and change points where there are none."""
    rng, onsets, jumps = np.random.default_rng(seed), [], []
    level = {"length bias": 0.15}.get(kind, 0.4 if kind.startswith("shortest") else CHANCE)
    truth = Truth(np.full(N_LAYERS, level), *((5, 0.3) if "clusters" in kind else (1, 0.0)))
    for i in range(times):
        values, clusters = truth.draw(n, rng)
        baseline = np.full(n, CHANCE)
        if kind == "shortest":
            # right by the shortest option, which the model prefers on four items of five
            baseline = np.where(rng.random(n) < 0.8, values[:, 0], rng.random(n) < level)
        found = onset(values, baseline, LAYERS, N_LAYERS, clusters, i, None)
        onsets.append(found.layer is not None)
        means = bootstrap_means(values, clusters, RESAMPLES, i)
        jumps.append(jump(values, LAYERS, N_LAYERS, clusters, i, means).layer is not None)
    return str(n), kind, share(onsets), share(jumps)


def hills(n: int, size: float, seed: int, times: int) -> Row:
    """How often the tied layers hold the best one (layer 20, where all are equal any one)."""
    rng, truth, held, tied, off = np.random.default_rng(seed), Truth(hill(20, size)), [], [], []
    for i in range(times):
        values, clusters = truth.draw(n, rng)
        means = bootstrap_means(values, clusters, RESAMPLES, i)
        found = peak(values, LAYERS, N_LAYERS, clusters, i, means)
        held.append(20 in found.tied)
        tied.append(len(found.tied))
        off.append(abs((found.layer or 0) - 20))
    kind = f"{size:+.1f}" if size else "all equal"
    return str(n), kind, share(held), f"{np.mean(tied):.1f}", f"{np.mean(off):.1f}"


def exits(n: int, per: int, seed: int, times: int) -> Row:
    """Median exit layer, planted at 18; clusters share half of the variance of their layers."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(times):
        clusters = np.arange(n) // per
        own, shared = rng.normal(size=n), rng.normal(size=n)[clusters]
        mix = own if per == 1 else (own + shared) / np.sqrt(2)
        layer = np.clip(np.rint(18 + 4 * mix), 1, N_LAYERS).astype(int)
        choices = np.where(np.arange(1, N_LAYERS + 1) < layer[:, None], 1, 0)
        found.append(early_exit(choices, LAYERS, N_LAYERS, clusters))
    kind = "each item" if per == 1 else f"{per} items"
    return str(n), kind, *judged(found, 18)[1:]


def scales(n: int, kind: str, seed: int, times: int) -> Row:
    """Verdicts on 500 items a model, accuracy from 0.4 to 0.6 (0.5 throughout where flat)."""
    rng, said = np.random.default_rng(seed), []
    x = np.linspace(8, 11, n)
    rise = {
        "line": (x - 8) / 3,
        "flat": np.full(n, 0.5),
        "step": (x > 9.5).astype(np.float64),
        "S curve": 1 / (1 + np.exp(-4 * (x - 9.5))),
    }[kind]
    for i in range(times):
        accuracy = rng.binomial(500, 0.4 + 0.2 * rise) / 500
        said.append(threshold(sizes(x, accuracy, 500), RESAMPLES, i).verdict)
    verdicts = ("threshold", "straight line", "cannot tell")
    return str(n), kind, *(share([each == name for each in said]) for name in verdicts)


def tables(pool: Rows, times: int, wanted: Sequence[str]) -> list[Table]:
    """Run those that are wanted, all where none is named, `times` data sets a row."""
    found = ("found", "exact", "within 1", "mean error", "interval holds it", "median width")
    plans: list[Plan] = [
        ("ramps", ("items", "rise", *found), ramps, RAMPS, times),
        ("nothing", ("items", "data", "onsets", "change points"), nothing, NOTHING, 3 * times),
        ("peaks", ("items", "hill", "set holds the best", "layers in it", "mean error of peak"),
         hills, HILLS, times),
        ("exits", ("items", "cluster", *found[1:]), exits,
         [(30, 1), (100, 1), (500, 1), (100, 5), (500, 5)], 2 * times),
        ("scales", ("sizes", "truth", "threshold", "straight line", "cannot tell"), scales, SCALES,
         times),
    ]  # fmt: skip
    made = [] if wanted and "steps" not in wanted else [_steps(pool, times, found)]
    return made + [
        Table(name, header, tuple(pool(function, rows, count)))
        for name, header, function, rows, count in plans
        if not wanted or name in wanted
    ]


def _steps(pool: Rows, times: int, found: Row) -> Table:
    pairs = pool(steps, STEPS, times)
    both = tuple(pair[i] for i in range(2) for pair in pairs)
    return Table("steps", ("finding", "items", "step", *found), both)
