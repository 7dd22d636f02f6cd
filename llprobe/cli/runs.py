"""`llprobe ls`, `show`, `export`, `locate`: what is stored, and how to read it.

This module knows the commands' options and tables. What is in a run is `report`'s to say.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from llprobe import report
from llprobe.cli.options import By, Db, Format, FormatOption, Grouping, Output, database, option
from llprobe.cli.output import Column, emit, emit_lines, err, percent
from llprobe.report import Summary, sparkline
from llprobe.store import CellRecord, Store

__all__ = ["export", "locate", "ls", "print_run", "show"]

Run = Annotated[str, typer.Argument(help="A run's id, its beginning, or `last`.")]


def _joined(values: Sequence[str] | None) -> str:
    return ", ".join(values or ())


_RUN_COLUMNS = (
    Column("run", "run", lambda v: str(v)[:8]),
    Column("updated", "updated (UTC)", lambda v: str(v)[:16].replace("T", " ")),
    Column("status", "status"),
    Column("models", "models", _joined, wraps=True),
    Column("tasks", "tasks", _joined, wraps=True),
    Column("lenses", "lens", _joined, wraps=True),
    Column("done", "scored", right=True),
    Column("items", "items", right=True),
)


def ls(db: Db = None, form: FormatOption = Format.TABLE, output: Output = None) -> None:
    """List the runs that are stored, the newest first."""
    with Store(database(db), create=False) as store:
        rows = report.run_rows(store.runs())
    emit(rows, _RUN_COLUMNS, form, output)


def show(
    run: Run = "last",
    by: By = None,
    wide: Annotated[bool, option("--wide", help="Print every layer.")] = False,
    db: Db = None,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Print a run's table: accuracy (MC1) at the layers that matter, with baselines."""
    with Store(database(db), create=False) as store:
        found = store.find_run(run)
        print_run(store, found, form, output, by=by, wide=wide)
        _remarks(store.cells(found))


def export(
    run: Run,
    items: Annotated[bool, option("--items", help="One row per item, with all log-probs.")] = False,
    db: Db = None,
    form: FormatOption = Format.JSONL,
    output: Output = None,
) -> None:
    """Write a run's curves, or with --items every item, for other programs."""
    with Store(database(db), create=False) as store:
        found = store.find_run(run)
        if items and form is Format.JSONL:
            emit_lines(report.items(store, found), output)
            return
        rows = list(report.items(store, found)) if items else _curve_rows(store, found)
        emit(rows, [Column(key, key) for key in (rows[0] if rows else {})], form, output)


def _curve_rows(store: Store, run: str) -> list[dict[str, Any]]:
    return [summary.row() for summary in report.summaries(store, run, by_group=True)]


def locate(db: Db = None) -> None:
    """Print where the database is."""
    sys.stdout.write(f"{database(db)}\n")


def print_run(
    store: Store, run: str, form: Format, output: Path | None, *, by: Grouping | None, wide: bool
) -> bool:
    """Print a run's summary, or with `wide` every layer of it; False if it has no scored items."""
    found = report.summaries(store, run, by_group=by is Grouping.GROUP)
    if not found:
        err.print(f"run {run[:8]} has no scored items")
        return False
    if wide:
        names, rows = report.layers_table(found)
        columns = [Column("layer", "layer", right=True, head=True)]
        columns += [Column(name, name, percent, right=True, apart=True) for name in names]
        emit(rows, columns, form, output, "MC1 in % by layer")
        return True
    emit([s.row() for s in found], _summary_columns(found), form, output, _title(found))
    return True


def _remarks(cells: Sequence[CellRecord]) -> None:
    """Say what was mended, skipped or did not come to its end; cells of a task say it once."""
    said: dict[str, None] = {}
    for cell in cells:
        skipped = [f"skipped {s.id}: {s.reason}" for s in cell.skipped]
        failed = [f"failed on {cell.model}: {cell.error}"] if cell.error else []
        left = [f"{cell.n_done} of {cell.n_items} items are scored"] * (cell.n_done < cell.n_items)
        for remark in (*cell.notes, *skipped, *failed, *left):
            said[f"{cell.task}: {remark}"] = None
    for remark in said:
        err.print(remark, markup=False)


def _title(found: Sequence[Summary]) -> str:
    models = list(dict.fromkeys(s.cell.model for s in found))
    return f"{', '.join(models)}: MC1 in %"


def _summary_columns(found: Sequence[Summary]) -> list[Column]:
    """Columns that say something for these rows."""
    columns = [Column("task", "task", head=True), Column("lens", "lens", head=True)]
    if len({s.cell.model for s in found}) > 1:
        columns.insert(0, Column("model", "model", head=True))
    if any(s.group for s in found):
        columns.append(Column("group", "group", head=True))
    columns += [
        Column("items", "items", right=True),
        Column("chance", "chance", percent, right=True),
        Column("shortest", "shortest", percent, right=True),
        Column("best", "best", percent, right=True),
        Column("best_layer", "at layer", right=True),
        Column("penultimate", "last-1", percent, right=True),
        Column("last", "last", percent, right=True),
    ]
    if any(s.curve.several_true for s in found):
        columns += [Column("mc2", "MC2 last", percent, right=True, apart=True)]
        columns += [Column("mc3", "MC3 last", percent, right=True, apart=True)]
    first, last = found[0].curve.layers[0], found[0].curve.layers[-1]
    return [
        *columns,
        Column(
            "mc1_by_layer", f"layers {first}–{last} (0 to 100%)", sparkline, wraps=True, apart=True
        ),
    ]
