"""`llprobe ls`, `show`, `locate`: what is stored, and how to read it.

This module knows the commands' options and tables. What is in a run is `report`'s to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from llprobe import report
from llprobe.analysis import METRICS, OF_WHOLE_OPTIONS
from llprobe.cli.console import err
from llprobe.cli.options import By, Db, Format, FormatOption, Metric, Output, database, option
from llprobe.cli.output import Column, drawn, emit, percent, write
from llprobe.cli.statsview import print_stats
from llprobe.cli.tags import print_marks
from llprobe.errors import UnknownName, UsageError
from llprobe.report import Summary, WrittenSummary, sparkline
from llprobe.report.remarks import remarks
from llprobe.store import CellRecord, Store

__all__ = ["check_metric", "locate", "ls", "print_run", "show"]

Run = Annotated[str, typer.Argument(help="A run's id, its beginning, or `last`.")]


def _joined(values: Sequence[str] | None) -> str:
    return ", ".join(values or ())


def _few(values: Sequence[str]) -> str:
    """Name some of many."""
    shown = values if len(values) <= 3 else values[:2]
    more = f" and {len(values) - 2} more" if len(values) > 3 else ""
    return ", ".join(shown) + more


_RUN_COLUMNS = (
    Column("run", "run", lambda v: str(v)[:8], head=True),
    Column("name", "sweep", head=True),
    Column("updated", "updated (UTC)", lambda v: str(v)[:16].replace("T", " ")),
    Column("status", "status"),
    Column("models", "models", _few, wraps=True),
    Column("tasks", "tasks", _few, wraps=True),
    Column("lenses", "lens", _joined, wraps=True),
    Column("tags", "tags", _joined, wraps=True),
    Column("items", "items", right=True),
)


def ls(
    tag: Annotated[
        list[str] | None,
        option("--tag", help="Only runs that have this tag; may be repeated, for all of them."),
    ] = None,
    db: Db = None,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """List the runs that are stored, the newest first."""
    with Store(database(db), create=False) as store:
        rows = report.run_rows(report.tagged(store.runs(), tag or ()))
    empty = [key for key in ("name", "tags") if not any(row[key] for row in rows)]
    columns = [column for column in _RUN_COLUMNS if column.key not in empty]
    if any(row["done"] < row["items"] for row in rows):
        columns.append(Column("done", "scored", right=True))
    emit(rows, columns, form, output)


def show(
    run: Run = "last",
    by: By = None,
    metric: Metric = "mc1",
    wide: Annotated[bool, option("--wide", help="Print every layer.")] = False,
    stats: Annotated[
        bool,
        option("--stats", help="Intervals, the better baseline, where ability begins and is best."),
    ] = False,
    db: Db = None,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """Print a run's table: accuracy (MC1) at the layers that matter, with baselines.

    Best is what the best layer would score on other questions than those that chose it.
    """
    check_metric(metric, pmi=True)
    if stats and (wide or by):
        raise UsageError(f"--stats is a row per cell: leave out {'--wide' if wide else '--by'}")
    with Store(database(db), create=False) as store:
        found = store.find_run(run)
        print_marks(store.run(found))
        if stats:
            print_stats(store, found, metric, form, output)
            return
        print_run(store, found, form, output, by=by, wide=wide, metric=metric)
        for remark in remarks(store.cells(found)):
            err.print(remark, markup=False)


def locate(db: Db = None) -> None:
    """Print where the database is."""
    write(f"{database(db)}\n", None)


def check_metric(metric: str, *, pmi: bool, skip_shared: bool = False) -> None:
    """Refuse a metric that there is not: before a long run, not after it."""
    if metric not in METRICS:
        raise UnknownName("metric", metric, METRICS)
    if metric == "pmi" and not pmi:
        raise UsageError("--metric pmi needs --pmi: the options scored without their question")
    if metric in OF_WHOLE_OPTIONS and skip_shared:
        raise UsageError(f"--metric {metric} is about whole options: leave out --skip-shared")


def print_run(
    store: Store,
    run: str,
    form: Format,
    output: Path | None,
    *,
    by: str | None,
    wide: bool,
    metric: str,
) -> bool:
    """Print a run's summary, or with `wide` every layer of it; False if it has no scored items."""
    found = report.summaries(store, run, by=by, metric=metric)
    written = report.written(store, run, by=by)
    if not found and not written:
        err.print(f"run {run[:8]} has no scored items")
        return False
    if form in {Format.TABLE, Format.MD}:
        _print_tables(found, written, form, output, wide=wide)
    elif wide and found:
        emit(report.layers_table(found)[1], (), form, output)
    else:
        rows = [summary.row() for summary in found] + [summary.row() for summary in written]
        emit(rows, (), form, output)
    return True


def _print_tables(
    found: Sequence[Summary],
    written: Sequence[WrittenSummary],
    form: Format,
    output: Path | None,
    *,
    wide: bool,
) -> None:
    """Print a table of what was scored, and one of what was written."""
    tables = []
    if found and wide:
        names, rows = report.layers_table(found)
        columns = [Column("layer", "layer", right=True, head=True)]
        columns += [Column(name, name, percent, right=True, apart=True) for name in names]
        tables.append(drawn(rows, columns, form, output, f"{_name(found[0].metric)} in % by layer"))
    elif found:
        rows = [summary.row() for summary in found]
        tables.append(drawn(rows, _summary_columns(found), form, output, _title(found)))
    if written:
        rows = [summary.row() for summary in written]
        title = "Written answers (greedy decoding, last layer), right in %"
        tables.append(drawn(rows, _written_columns(written), form, output, title))
    write("\n".join(tables), output)


def _name(metric: str) -> str:
    """Return how a metric is called in a heading."""
    return metric.upper() if metric in {"mc1", "mc2", "mc3", "pmi"} else metric


def _title(found: Sequence[Summary]) -> str:
    models = list(dict.fromkeys(s.cell.model for s in found))
    # of several, each row names its own
    model = f"{models[0]}: " if len(models) == 1 else ""
    return f"{model}{_name(found[0].metric)} in %"


def _written_columns(found: Sequence[WrittenSummary]) -> list[Column]:
    columns = [Column("task", "task", head=True)]
    if len({s.cell.model for s in found}) > 1:
        columns.insert(0, Column("model", "model", head=True))
    columns += _asked_columns([s.cell for s in found])
    if any(s.group for s in found):
        columns.append(Column("group", "group", head=True))
    return [
        *columns,
        Column("items", "items", right=True),
        Column("exact", "exact", percent, right=True),
        Column("numeric", "number", percent, right=True),
        Column("tokens", "tokens each", lambda v: f"{v:.1f}", right=True),
        Column("unfinished", "cut off", right=True),
    ]


def _asked_columns(cells: Sequence[CellRecord]) -> list[Column]:
    """Columns of what one task was asked with, where that varies."""
    several = {"shots": len({c.shots for c in cells}), "seed": len({c.seed for c in cells})}
    return [Column(key, key, head=True) for key, values in several.items() if values > 1]


def _summary_columns(found: Sequence[Summary]) -> list[Column]:
    """Columns that say something for these rows."""
    columns = [Column("task", "task", head=True), Column("lens", "lens", head=True)]
    if any(s.cell.answer != "cloze" for s in found):
        columns.append(Column("answer", "answer", head=True))
    if len({s.cell.model for s in found}) > 1:
        columns.insert(0, Column("model", "model", head=True))
    if any(s.cell.ablation != "none" for s in found):
        columns.append(Column("ablation", "left out", head=True))
    columns += _asked_columns([s.cell for s in found])
    if any(s.group for s in found):
        columns.append(Column("group", "group", head=True))
    columns += [
        Column("items", "items", right=True),
        Column("chance", "chance", percent, right=True),
        Column("shortest", "shortest", percent, right=True),
        Column("best_held_out", "best", percent, right=True),
        Column("best_layer", "at layer", right=True),
        Column("penultimate", "last-1", percent, right=True),
        Column("last", "last", percent, right=True),
    ]
    metric = found[0].metric
    if metric == "mc1" and any(s.curve.several_true for s in found):
        columns += [Column("mc2", "MC2 last", percent, right=True, apart=True)]
        columns += [Column("mc3", "MC3 last", percent, right=True, apart=True)]
    first, last = found[0].curve.layers[0], found[0].curve.layers[-1]
    heading = f"layers {first}–{last} (0 to 100%)"
    return [
        *columns,
        Column(f"{metric}_by_layer", heading, sparkline, wraps=True, apart=True),
    ]
