"""What a sweep will compute, as rows: cells, what is done, tokens, time and memory.

Both front ends show these rows. The figures come from `forecast`. This module does not know how
they are shown.
"""

from __future__ import annotations

from typing import Any

from llprobe.children import Cancel
from llprobe.conduct import Prepared
from llprobe.forecast import Forecast, forecast
from llprobe.plan import Cell, Plan
from llprobe.report.naming import unique_names
from llprobe.store import Store

__all__ = ["planned_rows"]


def planned_rows(
    prepared: Prepared, plan: Plan, store: Store, cancel: Cancel, *, estimate: bool
) -> list[dict[str, Any]]:
    """Return a row per cell of a sweep, and one per quant that is to be made.

    Cells of one job share their work: tokens, seconds and memory stand with the first of them.
    """
    names = unique_names((cell.model.name, cell.model.fingerprint) for cell in plan.cells)
    rows = {
        cell.id: _row(cell, store) | {"model": names[cell.model.name, cell.model.fingerprint]}
        for cell in plan.cells
    }
    for each in forecast(plan, store, cancel) if estimate else ():
        _fill(rows, each)
    return [*rows.values(), *(_unmade(unmade.name) for unmade in prepared.unmade)]


def _row(cell: Cell, store: Store) -> dict[str, Any]:
    return {
        **cell.features,
        "items": len(cell.questions.items),
        "status": "done" if store.is_done(cell.id) else "to do",
        "tokens": None,
        "seconds": None,
        "memory_bytes": None,
    }


def _fill(rows: dict[str, dict[str, Any]], found: Forecast) -> None:
    for n, cell in enumerate(found.cells):
        row = rows[cell.id]
        if found.failed:
            row |= {"status": "cannot run", "error": found.failed}
            continue
        row |= {"items": found.n_items, "shared_with": found.cells[0].lens if n else None}
        if n == 0:
            row |= {
                "tokens": found.counts.tokens + found.counts.written,
                "seconds": found.seconds,
                "memory_bytes": found.memory.total if found.memory else None,
            }


def _unmade(name: str) -> dict[str, Any]:
    return {"model": name, "status": "quant to be made"}
