"""What is known of each cell of a run, in one row: its last layer, its findings, its remarks.

This module knows which parts of the evidence a table has room for. It prints nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from llprobe.analysis.depth import LayerFinding, PeakFinding
from llprobe.report.evidence import CurveEvidence, curve_evidence
from llprobe.report.held_out import best_fields
from llprobe.report.pairing import feature
from llprobe.report.tables import tables
from llprobe.store import CellRecord, Store

__all__ = ["stats_rows"]

Row = dict[str, Any]

_FEATURES = ("model", "lens", "answer", "ablation", "shots", "seed")


def stats_rows(store: Store, run: str, metric: str = "mc1") -> list[Row]:
    """Return a row per cell that has scores; means, baselines and intervals in [0, 1].

    `last`, `low` and `high` are those of the last scored layer, which `layer` names; `p_above` is
    one-sided against the better baseline there. `best_held_out`, `best_low`, `best_high`: what the
    layer `peak` would score on other items. `remarks` is a list of sentences. PMI needs priors
    and leaves out the cells that have none.
    """
    return [
        _row(cell, curve_evidence(cell, table, metric))
        for cell, table in tables(store, run)
        if metric != "pmi" or table.prior is not None
    ]


def _row(cell: CellRecord, found: CurveEvidence) -> Row:
    finding = {each.name: each for each in found.findings}
    peak = finding["peak"]
    return {
        "task": cell.task,
        **{name: feature(cell, name) for name in _FEATURES},
        "items": found.n_items,
        "clusters": found.n_clusters,
        "metric": found.metric,
        "layer": found.layers[-1],
        "last": float(found.mean[-1]),
        "low": _end(found.low[-1]),
        "high": _end(found.high[-1]),
        "baseline": float(found.baseline[-1]),
        "baseline_name": found.baseline_names[-1],
        "p_above": float(found.p_above[-1]),
        **_place("onset", finding["onset"]),
        **_place("peak", peak),
        **best_fields(found.best),
        "tied": list(peak.tied) if isinstance(peak, PeakFinding) else [],
        "early_exit": finding["early exit"].layer,
        "remarks": [*_notes(finding["onset"]), *found.remarks],
    }


def _end(value: float) -> float | None:
    """Return the end of an interval, None where it is not known."""
    return float(value) if np.isfinite(value) else None


def _place(name: str, finding: LayerFinding) -> Row:
    return {name: finding.layer, f"{name}_low": finding.low, f"{name}_high": finding.high}


def _notes(onset: LayerFinding) -> list[str]:
    return [f"No onset: {onset.note}."] if onset.layer is None and onset.note else []
