"""The layer before the last against the last; arXiv 2312.04333 reports it to be better.

This module knows the last two layers of each cell. It does not know how the answer is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from llprobe.analysis.measures import metric
from llprobe.analysis.paired import compare
from llprobe.analysis.significance import holm
from llprobe.errors import UsageError
from llprobe.report.ask.verdict import (
    CANNOT,
    MATTERS,
    NO,
    Sorted,
    Verdict,
    cannot,
    described,
    features,
    points,
    sort_rows,
)
from llprobe.report.pairing import Side

__all__ = ["QUESTION", "ask"]

QUESTION: Final = "Is the layer before the last better than the last?"


def ask(sides: Sequence[Side], seed: int = 0) -> Verdict:
    """Compare the last two layers on the same items, p adjusted over cells (Holm 1979).

    Raises UsageError where no cell was scored at both.
    """
    rows = [_row(side, seed) for side in sides if _has_both(side)]
    if not rows:
        raise UsageError("penultimate needs scores at the last two layers: run with --layers=-2,-1")
    for row, p in zip(rows, holm(np.array([row["p"] for row in rows])).tolist(), strict=True):
        row["p_adjusted"] = p
    found = sort_rows(rows)
    return Verdict(QUESTION, found.answer, _words(found, rows), tuple(rows))


def _has_both(side: Side) -> bool:
    return {side.n_layers - 1, side.n_layers} <= {*side.table.layers}


def _row(side: Side, seed: int) -> dict[str, Any]:
    values = metric(side.table, "mc1")
    at = {layer: values[:, column] for column, layer in enumerate(side.table.layers)}
    n, clusters = side.n_layers, side.table.clusters
    found = compare(at[n], at[n - 1], clusters, seed=seed)
    return features(side) | {
        "items": found.n_items,
        "last": found.a,
        "penultimate": found.b,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "discordant": (found.wins + found.losses) / found.n_items,
        "detectable": found.detectable,
    }


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
