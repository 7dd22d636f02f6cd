"""Whole numbers against decimal ones in calculation.

This module knows the groups of the task `calculation`: numbers/size/operation. Integers and
decimals are compared within each size and operation, so that neither is harder by its make-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.measures import metric
from llprobe.analysis.resample import RESAMPLES, interval
from llprobe.analysis.rounding import at_least
from llprobe.analysis.significance import items_needed
from llprobe.errors import UsageError
from llprobe.report.ask.verdict import (
    CANNOT,
    MATTERS,
    NO,
    Verdict,
    adjusted,
    asking,
    described,
    features,
    named,
    points,
    sort_rows,
)
from llprobe.report.compare.unpaired import SEEN
from llprobe.report.pairing import Side
from llprobe.report.sametests import mark

__all__ = ["QUESTION", "TASKS", "Matched", "ask", "matched_difference"]

Row = dict[str, Any]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

QUESTION: Final = "Are whole numbers easier to calculate with than decimal ones?"
TASKS: Final = ("calculation",)


@dataclass(frozen=True, slots=True)
class Matched:
    """The difference of two kinds of items within strata that hold both."""

    first: float
    """Mean of the first kind, strata weighted alike."""
    second: float
    difference: float
    """first - second."""
    low: float | None
    """Lower end of the 95% interval, of the bootstrap within strata and kinds; None where a
    stratum has a single item of a kind, whose spread is not known."""
    high: float | None
    p: float
    """Two-sided, of permutations of the kinds within strata."""
    n_items: int
    n_strata: int
    detectable: float
    """Smallest difference found four times in five at the 5% level, as the kinds' means are."""


def matched_difference(
    values: FloatArray, first: BoolArray, strata: IntArray, seed: int = 0
) -> Matched:
    """Compare `values` (n,) of the `first` kind (n,) with the others within `strata` (n,).

    Strata are weighted alike (direct standardisation); those that lack a kind are left out. The
    test permutes kinds within strata (Pesarin & Salmaso 2010, chapter 2). Raises UsageError where
    no stratum holds both kinds.
    """
    parts = [(values[first & (strata == s)], values[~first & (strata == s)]) for s in set(strata)]
    parts = [(a, b) for a, b in parts if len(a) and len(b)]
    if not parts:
        raise UsageError("int-vs-float needs whole and decimal numbers of one size and operation")
    rng = np.random.default_rng(seed)
    observed = np.mean([[a.mean(), b.mean()] for a, b in parts], axis=0)
    difference = float(observed[0] - observed[1])
    drawn = np.mean([_bootstrap(a, b, rng) for a, b in parts], axis=0)
    permuted = np.mean([_permuted(a, b, rng) for a, b in parts], axis=0)
    low, high = interval(drawn[:, None])
    known = min(len(of) for part in parts for of in part) > 1
    # rounding must not make equal differences unequal
    as_far = int(at_least(np.abs(permuted), abs(difference)).sum())
    return Matched(
        float(observed[0]), float(observed[1]), difference,
        float(low[0]) if known else None, float(high[0]) if known else None,
        (as_far + 1) / (RESAMPLES + 1), sum(len(a) + len(b) for a, b in parts), len(parts),
        _detectable(parts),
    )  # fmt: skip


def _detectable(parts: Sequence[tuple[FloatArray, FloatArray]]) -> float:
    """Take half an item more for right, and for wrong: none of few means little."""
    variance = 0.0
    for each in (of for part in parts for of in part):
        share = (each.sum() + 0.5) / (len(each) + 1)
        variance += float(share * (1 - share)) / len(each)
    return min(1.0, SEEN * sqrt(variance) / len(parts))


def _bootstrap(a: FloatArray, b: FloatArray, rng: np.random.Generator) -> FloatArray:
    one, other = (_resampled(of, rng) for of in (a, b))
    return np.asarray(one - other)


def _resampled(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Means of resamples, as far apart as means of so few items are (Rao & Wu 1988)."""
    n = len(values)
    means = values[rng.integers(0, n, (RESAMPLES, n))].mean(axis=1)
    return np.asarray(values.mean() + (means - values.mean()) * sqrt(n / max(n - 1, 1)))


def _permuted(a: FloatArray, b: FloatArray, rng: np.random.Generator) -> FloatArray:
    both = rng.permuted(np.tile(np.concatenate([a, b]), (RESAMPLES, 1)), axis=1)
    return np.asarray(both[:, : len(a)].mean(axis=1) - both[:, len(a) :].mean(axis=1))


def ask(sides: Sequence[Side], seed: int = 0) -> Verdict:
    """Compare integers with decimals at the last scored layer, matched by size and operation.

    p is adjusted over cells (Holm 1979). Raises UsageError where no run has the task.
    """
    rows, once = adjusted([_row(side, seed) for side in asking(sides, TASKS, "int-vs-float")])
    answer, words = _verdict(rows)
    return Verdict(QUESTION, answer, words + once, tuple(rows))


def _row(side: Side, seed: int) -> tuple[Row, str]:
    groups = [group.partition("/") for group in side.table.groups]
    whole = np.array([numbers == "int" for numbers, _, _ in groups])
    _, strata = np.unique([rest for _, _, rest in groups], return_inverse=True)
    values = metric(side.table, "mc1")[:, -1]
    found = matched_difference(values, whole, np.asarray(strata, np.int64), seed)
    row = features(side) | {
        "layer": side.table.layers[-1],
        "items": found.n_items,
        "strata": found.n_strata,
        "int": found.first,
        "float": found.second,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "detectable": found.detectable,
    }
    return row, mark((side,), (values,))


def _verdict(rows: Sequence[Row]) -> tuple[str, str]:
    """Return the answer, and the words that go with it."""
    found = sort_rows(rows)
    parts = []
    if found.better:
        parts.append(f"Whole numbers are easier: {described(found.better, rows)}.")
    if found.worse:
        parts.append(f"Decimal numbers are easier: {described(found.worse, rows)}.")
    if found.answer == NO and not parts:
        parts.append(f"No: they differ by less than {points(MATTERS)} points.")
    if found.answer == CANNOT:
        parts.append(_more(found.unclear, rows))
    return found.answer, " ".join(parts)


def _more(unclear: Sequence[Row], rows: Sequence[Row]) -> str:
    """Say how many more items would decide; two independent halves, so no item is its own pair."""
    row = max(unclear, key=lambda each: abs(each["difference"]))
    wanted = max(abs(row["difference"]), MATTERS)
    a, b = row["int"], row["float"]
    apart = max(a * (1 - b) + b * (1 - a), wanted)
    more = max(2 * ceil(items_needed(wanted, apart)) - row["items"], 0)
    return (
        f"These data cannot tell: about {more:,} more items of {named(row, rows)} would show "
        f"{points(wanted)} points (llprobe run -t calculation --set per_group=200 asks 7,200)."
    )
