"""The layer before the last against the last; arXiv 2312.04333 reports it to be better.

This module knows the last two layers of each cell. It does not know how the answer is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llprobe.analysis.measures import metric
from llprobe.analysis.paired import compare
from llprobe.errors import UsageError
from llprobe.report.ask.verdict import (
    CANNOT,
    MATTERS,
    NO,
    Sorted,
    Verdict,
    adjusted,
    cannot,
    described,
    features,
    paired,
    points,
    sort_rows,
)
from llprobe.report.pairing import Side
from llprobe.report.sametests import mark

__all__ = ["QUESTION", "ask"]

QUESTION: Final = "Is the layer before the last better than the last?"


def ask(sides: Sequence[Side], seed: int = 0) -> Verdict:
    """Compare the last two layers on the same items, p adjusted over cells (Holm 1979).

    Raises UsageError where no cell was scored at both.
    """
    asked = [side for side in sides if _has_both(side)]
    if not asked:
        raise UsageError("penultimate needs scores at the last two layers: run with --layers=-2,-1")
    rows, once = adjusted([_row(side, seed) for side in asked])
    found = sort_rows(rows)
    return Verdict(QUESTION, found.answer, _words(found, rows) + once, tuple(rows))


def _has_both(side: Side) -> bool:
    return {side.n_layers - 1, side.n_layers} <= {*side.table.layers}


def _row(side: Side, seed: int) -> tuple[dict[str, Any], str]:
    values = metric(side.table, "mc1")
    at = {layer: values[:, column] for column, layer in enumerate(side.table.layers)}
    last, before = at[side.n_layers], at[side.n_layers - 1]
    found = compare(last, before, side.table.clusters, seed=seed)
    row = features(side) | {"last": found.a, "penultimate": found.b} | paired(found)
    return row, mark((side, side), (last, before))


def _words(found: Sorted, rows: Sequence[dict[str, Any]]) -> str:
    if found.answer == CANNOT:
        return cannot(found.unclear, "whether the layer before the last is better")
    if found.answer == NO and not found.worse:
        return f"No: in every task they differ by less than {points(MATTERS)} points."
    parts = []
    if found.better:
        parts.append(f"Better before the last: {described(found.better, rows)}.")
    if found.worse:
        parts.append(f"Better at the last: {described(found.worse, rows)}.")
    rest = len(rows) - len(found.better) - len(found.worse)
    if rest:
        parts.append(f"In {rest} of {len(rows)} cells no difference is found.")
    return " ".join(parts)
