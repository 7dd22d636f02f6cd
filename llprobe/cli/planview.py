"""What a sweep will compute, as a table: cells, what is done, tokens, time and memory.

This module knows rows and columns. The figures come from `estimate`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llprobe.cli.options import Format
from llprobe.cli.output import Column, emit, err
from llprobe.conduct import Prepared
from llprobe.plan import Cell
from llprobe.store import Store

__all__ = ["planned_rows", "print_plan"]


def planned_rows(prepared: Prepared, store: Store, *, estimate: bool) -> list[dict[str, Any]]:
    """Return a row per cell of a sweep, and one per quant that is to be made."""
    plan = prepared.plan()
    rows = [_row(cell, store) for cell in plan.cells]
    return rows + [_unmade(unmade.name) for unmade in prepared.unmade]


def _row(cell: Cell, store: Store) -> dict[str, Any]:
    return {
        **cell.features,
        "seed": cell.request.seed,
        "items": len(cell.questions.items),
        "status": "done" if store.is_done(cell.id) else "to do",
    }


def _unmade(name: str) -> dict[str, Any]:
    return {"model": name, "status": "quant to be made"}


def print_plan(
    prepared: Prepared, rows: list[dict[str, Any]], form: Format, output: Path | None
) -> None:
    """Print the rows, and what they come to."""
    columns = [
        Column("model", "model", head=True),
        Column("ablation", "left out", head=True),
        Column("task", "task", head=True),
        Column("answer", "answer", head=True),
        Column("lens", "lens", head=True),
        Column("status", "status"),
        Column("items", "items", right=True),
    ]
    emit(rows, columns, form, output, f"sweep {prepared.spec.name}")
    done = sum(row["status"] == "done" for row in rows)
    err.print(f"{len(rows)} cells, {done} of them done", markup=False)
