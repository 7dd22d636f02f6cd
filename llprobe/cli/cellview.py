"""The cells of a sweep as a table: how far each is, and what came out so far.

This module knows rows and columns. What is in a cell is `report`'s to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from llprobe.cli.console import err
from llprobe.cli.options import Format
from llprobe.cli.output import Column, drawn, emit, percent
from llprobe.report import cell_rows, progress_line, progress_of
from llprobe.store import Store

__all__ = ["cells_text", "print_cells"]

Row = dict[str, Any]

_HEADINGS: Final = {
    "model": "model", "ablation": "left out", "task": "task", "answer": "answer",
    "shots": "shots", "seed": "seed", "lens": "lens", "status": "status",
    "machine": "machine",
}  # fmt: skip
_PLAIN: Final = {"ablation": "none", "answer": "cloze", "shots": "default", "seed": 0}
"""What goes without saying."""
_SAID: Final[dict[str, Callable[[Any], str]]] = {
    "model": str,
    "ablation": "without {}".format,
    "task": str,
    "answer": "answer {}".format,
    "shots": "{} shots".format,
    "seed": "seed {}".format,
    "lens": "lens {}".format,
}
"""How the title says what all cells have in common."""


def print_cells(
    store: Store, run_id: str, form: Format, output: Path | None, *, errors: bool = True
) -> None:
    """Print the cells of a run; on stderr how far it is, and each error once if `errors`."""
    rows = cell_rows(store, run_id)
    emit(rows, _columns(rows), form, output, _title(store, run_id, rows))
    err.print(progress_line(progress_of(rows)), markup=False)
    for error in dict.fromkeys(row["error"] for row in rows if row["error"]) if errors else ():
        err.print(f"failed: {error}", markup=False)


def cells_text(rows: Sequence[Row], title: str) -> str:
    """Return the cells of a run as a table."""
    return drawn(rows, _columns(rows), Format.TABLE, None, title)


def _title(store: Store, run_id: str, rows: Sequence[Row]) -> str:
    record = store.run(run_id)
    common = [
        say(rows[0][key])
        for key, say in _SAID.items()
        if not _varies(rows, key) and rows[0][key] not in {_PLAIN.get(key), ""}
    ]
    return f"{record.name or run_id[:8]}, {record.status}: {', '.join([*common, 'MC1 in %'])}"


def _columns(rows: Sequence[Row]) -> list[Column]:
    """Columns that say something for these rows: what is the same in all, the title says."""
    heads = [Column(k, heading, head=True) for k, heading in _HEADINGS.items() if _varies(rows, k)]
    heads = heads or [Column("status", "status", head=True)]
    scored = [Column("done", "scored", right=True)] if _unfinished(rows) else []
    return [
        *heads,
        *scored,
        Column("items", "items", right=True),
        Column("chance", "chance", percent, right=True),
        Column("best_held_out", "best", percent, right=True),
        Column("best_layer", "at layer", right=True),
        Column("last", "last", percent, right=True),
    ]


def _varies(rows: Sequence[Row], key: str) -> bool:
    return len({row[key] for row in rows}) > 1


def _unfinished(rows: Sequence[Row]) -> bool:
    return any(row["done"] < row["items"] for row in rows)
