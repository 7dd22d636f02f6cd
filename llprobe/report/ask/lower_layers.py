"""The lower layers against chance.

arXiv 2312.04333 says that lower layers lack arithmetic and factual knowledge. This module knows
the lowest third of each model's layers. It does not know how the answer is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.baselines import better_baseline
from llprobe.analysis.intervals import mean_evidence
from llprobe.analysis.measures import metric
from llprobe.analysis.significance import above_baseline, holm
from llprobe.errors import UsageError
from llprobe.report.ask.verdict import (
    CANNOT,
    MATTERS,
    NO,
    YES,
    Verdict,
    cannot,
    described,
    features,
    listed,
    named,
    points,
)
from llprobe.report.compare import LEVEL
from llprobe.report.missing import lacking
from llprobe.report.pairing import Side
from llprobe.report.spans import spans

__all__ = ["LOWER", "QUESTION", "ask"]

Row = dict[str, Any]
FloatArray = npt.NDArray[np.float64]

QUESTION: Final = "Do the lower layers hold no more than chance?"
LOWER: Final = 1 / 3
"""Relative depth down to which layers are called lower."""


def ask(sides: Sequence[Side], seed: int = 0) -> Verdict:
    """Test every lower layer against the better baseline, p adjusted over all of them (Holm 1979).

    A task holds no more than chance where no layer lies above it and the mean of the lower layers
    is less than `MATTERS` above it at the upper end of its 95% interval. Raises UsageError where
    no lower layer was scored.
    """
    found = [(side, _lower(side)) for side in sides]
    known = [(side, columns) for side, columns in found if columns]
    if not known:
        raise UsageError("lower-layers needs scores of the lowest third of the layers")
    rows, tests = zip(*(_row(side, columns, seed) for side, columns in known), strict=True)
    adjusted = holm(np.concatenate(tests))
    ends = np.cumsum([len(p) for p in tests])
    for row, p in zip(rows, np.split(adjusted, ends[:-1]), strict=True):
        row["p_adjusted"] = float(p.min())
        row["layers_above"] = int((p < LEVEL).sum())
    verdict, without = _verdict(rows), [side for side, columns in found if not columns]
    return replace(verdict, words=verdict.words + lacking(without, sides, "lower layers were"))


def _lower(side: Side) -> list[int]:
    """Return the columns of the lower layers; the embedding is none."""
    layers = side.table.layers
    return [c for c, layer in enumerate(layers) if 0 < layer <= LOWER * side.n_layers]


def _row(side: Side, columns: Sequence[int], seed: int) -> tuple[Row, FloatArray]:
    table = side.table
    values = metric(table, "mc1")[:, columns]
    baseline = better_baseline(table, "mc1").values[:, columns]
    above = (values - baseline).mean(axis=1)
    low, high = _ends(above, float(baseline.mean()), table.clusters)
    p = above_baseline(values, baseline, table.clusters, seed=seed)
    row = features(side) | {
        "items": table.n_items,
        "layers": spans(table.layers[column] for column in columns),
        "accuracy": float(values.mean()),
        "baseline": float(baseline.mean()),
        "difference": float(above.mean()),
        "low": low,
        "high": high,
        "clusters": table.n_clusters,
        "discordant": float(((values - baseline) ** 2).mean()),
    }
    return row, p


def _ends(
    above: FloatArray, baseline: float, clusters: npt.NDArray[np.int64]
) -> tuple[float | None, float | None]:
    """Ends of the 95% interval of the mean of `above` (n_items,), what shares are above a baseline.

    They are None below five clusters.
    """
    known = mean_evidence(above[:, None], clusters, (-baseline, 1 - baseline))
    if np.isnan(known.low[0]):
        return None, None
    return float(known.low[0]), float(known.high[0])


def _is_small(row: Row) -> bool:
    return bool(row["high"] is not None and row["high"] < MATTERS)


def _verdict(rows: Sequence[Row]) -> Verdict:
    above = [row for row in rows if row["p_adjusted"] < LEVEL]
    chance = [row for row in rows if row not in above and _is_small(row)]
    below = [row for row in chance if row["high"] < 0]
    near = [row for row in chance if row not in below]
    unclear = [row for row in rows if row not in above and row not in chance]
    answer = NO if above else CANNOT if unclear else YES
    parts = []
    if above:
        told = [f"{named(row, rows)} ({row['layers_above']} of layers {row['layers']})"
                for row in above]  # fmt: skip
        parts.append(f"Above the better baseline: {listed(told)}.")
    if below:
        parts.append(f"Below the better baseline: {described(below, rows)}.")
    if near:
        most = f"Not above the better baseline by {points(MATTERS)} points or more"
        parts.append(f"{most}: {described(near, rows)}.")
    if unclear:
        parts.append(cannot(unclear, f"for {listed([named(row, rows) for row in unclear])}"))
    return Verdict(QUESTION, answer, " ".join(parts), tuple(rows))
