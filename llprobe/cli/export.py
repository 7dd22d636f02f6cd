"""`llprobe export`: a run's curves or items for other programs.

This module knows forms of files. What is in a run is `report`'s to say.
"""

from __future__ import annotations

import importlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from llprobe import report
from llprobe.cli.options import Db, Format, Output, database, format_by_ending, option
from llprobe.cli.output import Column, emit, emit_json, emit_lines
from llprobe.errors import UsageError
from llprobe.files import whole_file
from llprobe.store import Store

__all__ = ["ExportFormat", "export"]

Run = Annotated[str, typer.Argument(help="A run's id, its beginning, or `last`.")]
Rows = list[dict[str, Any]]


class ExportFormat(StrEnum):
    """How a run is exported."""

    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    MD = "md"
    TABLE = "table"
    PARQUET = "parquet"
    HARNESS = "harness"


def export(
    run: Run,
    items: Annotated[bool, option("--items", help="One row per item, with all log-probs.")] = False,
    db: Db = None,
    form: Annotated[
        ExportFormat,
        option(
            "-F", "--format",
            help="How to write the data; harness: results of the last layer as "
            "lm-evaluation-harness writes them; default: jsonl, or as -o's ending says.",
            callback=format_by_ending,
        ),
    ] = ExportFormat.JSONL,
    output: Output = None,
) -> None:  # fmt: skip
    """Write a run's curves, or with --items every item, for other programs."""
    _check(form, output, items=items)
    with Store(database(db), create=False) as store:
        found = store.find_run(run)
        if form is ExportFormat.HARNESS:
            emit_json(_harness(store, found), output)
        elif form is ExportFormat.PARQUET and output is not None:
            _parquet(_items(store, found) if items else _curves(store, found), output)
        elif items and form is ExportFormat.JSONL:
            emit_lines(report.all_items(store, found), output)
        else:
            rows = _items(store, found) if items else _curves(store, found)
            columns = [Column(key, key) for key in (rows[0] if rows else {})]
            emit(rows, columns, Format(form.value), output)


def _check(form: ExportFormat, output: Path | None, *, items: bool) -> None:
    """Refuse what cannot be written, before anything is read."""
    if form is ExportFormat.PARQUET:
        if output is None:
            raise UsageError("parquet is not text: name a file, -o run.parquet")
        _arrow()
    if form is ExportFormat.HARNESS and items:
        raise UsageError("--format harness holds results of tasks: leave out --items")


def _items(store: Store, run: str) -> Rows:
    return list(report.all_items(store, run))


def _curves(store: Store, run: str) -> Rows:
    rows = [summary.row() for summary in report.summaries(store, run, by="group")]
    return rows + [answers.row() for answers in report.written(store, run, by="group")]


def _harness(store: Store, run: str) -> dict[str, Any]:
    from llprobe.report.harness import harness_results  # noqa: PLC0415 - slow to import

    return harness_results(store, run)


def _arrow() -> Any:
    """Return pyarrow with its Parquet module loaded."""
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError as error:
        raise UsageError("parquet needs pyarrow: pip install 'llprobe[parquet]'") from error


def _parquet(rows: Rows, output: Path) -> None:
    """Write rows, a key that only some have being null in the others."""
    arrow = _arrow()
    keys = dict.fromkeys(key for row in rows for key in row)
    whole = [{key: row.get(key) for key in keys} for row in rows]
    try:
        with whole_file(output) as part:
            arrow.parquet.write_table(arrow.Table.from_pylist(whole), part)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror or error}") from error
