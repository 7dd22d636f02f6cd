"""A run's cells as rows: what each is, how far it is, and what came out so far.

This module knows cells and their sums. It does not know terminals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llprobe.analysis import Tally
from llprobe.report.held_out import best_fields, best_layers
from llprobe.report.naming import told_apart
from llprobe.report.sums import sums_of
from llprobe.store import CellRecord, Store

__all__ = ["cell_rows", "progress_line", "progress_of"]


def cell_rows(store: Store, run: str) -> list[dict[str, Any]]:
    """Return a row per cell of a run, in its order; accuracies (MC1) in [0, 1].

    `best` is what the best layer scores on the items that chose it, `best_held_out` what is to be
    expected of others.

    Models of one name are told apart; see `naming`.
    """
    return [_row(store, cell) for cell in told_apart(store.cells(run))]


def _row(store: Store, cell: CellRecord) -> dict[str, Any]:
    sums = sums_of(store, cell).get("")
    return {
        "cell": cell.id,
        "model": cell.model,
        "ablation": cell.ablation,
        "task": cell.task,
        "answer": cell.answer,
        "shots": cell.shots,
        "seed": cell.seed,
        "lens": cell.lens,
        "status": cell.status,
        "machine": _machine(cell.record),
        "done": cell.n_done,
        "items": cell.n_items,
        "error": cell.error,
        **_found(store, cell, sums),
    }


def _machine(record: Mapping[str, str]) -> str:
    """Say which machines of a cluster computed a cell, with their workers; empty for none."""
    host, worker = record.get("host", ""), record.get("worker", "")
    return f"{host} ({worker})" if host and worker else host


def _found(store: Store, cell: CellRecord, sums: Tally | None) -> dict[str, Any]:
    if sums is None or not sums.n_items:
        none = dict.fromkeys(("chance", "best", "best_layer", "last"))
        return none | best_fields(None)
    best = sums.best_layer()
    return {
        "chance": sums.guess["mc1"],
        "best": sums.at(best),
        **best_fields(best_layers(store, cell, sums)[""]),
        "best_layer": best,
        "last": sums.at(cell.model_info["n_layers"]),
    }


def progress_of(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Count cells by status, and items: those scored, all, and those that no failed cell has."""
    counts = {"cells": len(rows), "done": 0, "failed": 0, "running": 0}
    for row in rows:
        if row["status"] in counts:
            counts[row["status"]] += 1
    return counts | {
        "items_done": sum(row["done"] for row in rows),
        "items": sum(row["items"] for row in rows),
        "items_to_come": sum(
            row["items"] - row["done"] for row in rows if row["status"] != "failed"
        ),
    }


def progress_line(counts: Mapping[str, int]) -> str:
    """Say how far a run is, by the counts of `progress_of`."""
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    return (
        f"{counts['done']} of {counts['cells']} cells done{failed}; "
        f"{counts['items_done']} of {counts['items']} items scored"
    )
