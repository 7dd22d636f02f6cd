"""The layer before the last against the last; arXiv 2312.04333 reports it to be better.

This module knows the last two layers of each cell. It does not know how the answer is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llprobe.analysis.baselines import length_bias
from llprobe.analysis.measures import metric
from llprobe.analysis.paired import compare
from llprobe.errors import UsageError
from llprobe.report.ask.verdict import (
    CANNOT,
    MATTERS,
    NO,
    Verdict,
    adjusted,
    cannot,
    described,
    features,
    listed,
    named,
    paired,
    points,
    sort_rows,
)
from llprobe.report.missing import lacking
from llprobe.report.pairing import Side
from llprobe.report.sametests import mark

__all__ = ["QUESTION", "ask"]

QUESTION: Final = "Is the layer before the last better than the last?"


def ask(sides: Sequence[Side], seed: int = 0) -> Verdict:
    """Compare the last two layers on the same items, p adjusted over cells (Holm 1979).

    Cells in which both lie significantly below chance are no part of the verdict: which of two
    layers chooses wrong options less often says nothing of ability. Raises UsageError where no cell
    was scored at both.
    """
    asked = [side for side in sides if _has_both(side)]
    if not asked:
        raise UsageError("penultimate needs scores at the last two layers: run with --layers=-2,-1")
    rows, once = adjusted([_row(side, seed) for side in asked])
    counted = [row for row in rows if not row["below_chance"]]
    answer, words = _verdict(counted) if counted else (CANNOT, "These data cannot tell.")
    below = [named(row, rows) for row in rows if row["below_chance"]]
    without = [side for side in sides if not _has_both(side)]
    words += _below(below) + once + lacking(without, sides, "the last two layers were")
    return Verdict(QUESTION, answer, words, tuple(rows))


def _below(names: Sequence[str]) -> str:
    if not names:
        return ""
    where = f"In {len(names)} cell{'s' * (len(names) > 1)} ({listed(names)})"
    return f" {where} both layers lie below chance: no ability, and no part of this answer."


def _has_both(side: Side) -> bool:
    return {side.n_layers - 1, side.n_layers} <= {*side.table.layers}


def _row(side: Side, seed: int) -> tuple[dict[str, Any], str]:
    table = side.table.at((side.n_layers - 1, side.n_layers))
    values = metric(table, "mc1")
    before, last = values.T
    found = compare(last, before, table.clusters)
    told = {
        "last": found.a,
        "penultimate": found.b,
        "below_chance": bool(length_bias(table, values, seed=seed).below.all()),
    }
    row = features(side) | told | paired(found)
    return row, mark((side, side), (last, before))


def _verdict(rows: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Return the answer of some rows, and the words that go with it."""
    found = sort_rows(rows)
    if found.answer == CANNOT:
        return CANNOT, cannot(found.unclear, "whether the layer before the last is better")
    if found.answer == NO and not found.worse:
        names = listed([named(row, rows) for row in rows])
        return NO, f"No: in {names} they differ by less than {points(MATTERS)} points."
    parts = []
    if found.better:
        parts.append(f"Better before the last: {described(found.better, rows)}.")
    if found.worse:
        parts.append(f"Better at the last: {described(found.worse, rows)}.")
    rest = len(rows) - len(found.better) - len(found.worse)
    if rest:
        parts.append(f"In {rest} of {len(rows)} cells no difference is found.")
    return found.answer, " ".join(parts)
