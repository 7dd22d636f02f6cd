"""Whole numbers against decimal ones in calculation.

This module knows the groups of the task `calculation`: numbers/size/operation. Integers and
decimals are compared within each size and operation, so that neither is harder by its make-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.intervals import stratified_difference
from llprobe.analysis.measures import metric
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
    listed,
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
    """Lower end of the 95% interval; None where there are fewer than five items of a kind, or
    these are alone in their strata."""
    high: float | None
    p: float
    """Two-sided; at most 5% exactly where the interval leaves 0 out."""
    n_items: int
    n_strata: int
    detectable: float
    """Smallest difference found four times in five at the 5% level, as the kinds' means are."""


def matched_difference(values: FloatArray, first: BoolArray, strata: IntArray) -> Matched:
    """Compare `values` (n,) of the `first` kind (n,) with the others within `strata` (n,).

    Strata are weighted alike (direct standardisation); those that lack a kind are left out. Raises
    UsageError where no stratum holds both kinds.
    """
    parts = [(values[first & (strata == s)], values[~first & (strata == s)]) for s in set(strata)]
    parts = [(a, b) for a, b in parts if len(a) and len(b)]
    if not parts:
        raise UsageError("int-vs-float needs whole and decimal numbers of one size and operation")
    known = stratified_difference(parts)
    few = bool(np.isnan(known.low[0]))
    observed = np.mean([[a.mean(), b.mean()] for a, b in parts], axis=0)
    return Matched(
        float(observed[0]), float(observed[1]), float(known.mean[0]),
        None if few else float(known.low[0]), None if few else float(known.high[0]),
        float(known.p[0]), sum(len(a) + len(b) for a, b in parts), len(parts),
        1.0 if few else min(1.0, SEEN * float(known.error[0])),
    )  # fmt: skip


def ask(sides: Sequence[Side]) -> Verdict:
    """Compare integers with decimals at the last scored layer, matched by size and operation.

    p is adjusted over cells (Holm 1979). Raises UsageError where no run has the task.
    """
    rows, once = adjusted([_row(side) for side in asking(sides, TASKS, "int-vs-float")])
    answer, words = _verdict(rows)
    return Verdict(QUESTION, answer, words + once, tuple(rows))


def _row(side: Side) -> tuple[Row, str]:
    groups = [group.partition("/") for group in side.table.groups]
    whole = np.array([numbers == "int" for numbers, _, _ in groups])
    _, strata = np.unique([rest for _, _, rest in groups], return_inverse=True)
    values = metric(side.table, "mc1")[:, -1]
    found = matched_difference(values, whole, np.asarray(strata, np.int64))
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
        names = listed([named(row, rows) for row in rows])
        parts.append(f"No: in {names} they differ by less than {points(MATTERS)} points.")
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
