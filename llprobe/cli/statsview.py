"""Statistics of a run as a table: intervals, baselines, and the layers where things happen.

This module knows columns. What is in a row is `report`'s to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from llprobe.cli.console import err
from llprobe.cli.options import Format
from llprobe.cli.output import Column, drawn, emit, percent, write
from llprobe.errors import UsageError
from llprobe.report.spans import spans
from llprobe.store import Store

__all__ = ["print_stats"]

Row = dict[str, Any]

_FEATURES: Final = {
    "model": "model",
    "lens": "lens",
    "answer": "answer",
    "ablation": "left out",
    "shots": "shots",
    "seed": "seed",
}
"""What cells of one task differ in, and the headings."""


def print_stats(store: Store, run: str, metric: str, form: Format, output: Path | None) -> None:
    """Print a row of statistics per cell; remarks follow on stderr, in data they are a column."""
    from llprobe.report.stats import stats_rows  # noqa: PLC0415 - slow to import

    rows = stats_rows(store, run, metric)
    if not rows:
        raise UsageError(f"run {run[:8]} has no scores to analyse: run it first, pmi with --pmi")
    if form not in {Format.TABLE, Format.MD}:
        emit(rows, (), form, output)
        return
    models = list(dict.fromkeys(row["model"] for row in rows))
    model = f"{models[0]}: " if len(models) == 1 else ""
    title = f"{model}{metric.upper()} in % at the last layer; where it begins, is best, is settled"
    shown = [row | _told(row) for row in rows]
    write(drawn(shown, _columns(shown), form, output, title), output)
    for line in _remarks(rows):
        err.print(line, markup=False)


def _remarks(rows: Sequence[Row]) -> list[str]:
    """Return each task's remarks, once, with the cells that they are on where not all are meant."""
    told, found = _heads(rows), dict[tuple[str, str], list[str]]()
    for row in rows:
        for remark in row["remarks"]:
            name = ", ".join(str(row[key]) for key in told)
            found.setdefault((row["task"], remark), []).append(name)
    cells = Counter(row["task"] for row in rows)
    order = list(cells)
    return [
        f"{task}{_of(names, cells[task])}: {remark}"
        for (task, remark), names in sorted(found.items(), key=lambda e: order.index(e[0][0]))
    ]


def _of(names: Sequence[str], n_cells: int) -> str:
    return f" ({'; '.join(names)})" if len(names) < n_cells else ""


def _heads(rows: Sequence[Row]) -> list[str]:
    """Return the features that tell cells of one task from each other."""
    return [key for key in _FEATURES if len({row[key] for row in rows}) > 1]


def _told(row: Row) -> Row:
    """Return what of a row reads otherwise for people."""
    name = row["baseline_name"]
    return {
        "interval": "–"
        if row["low"] is None
        else f"{percent(row['low'])} to {percent(row['high'])}",
        "better": f"{percent(row['baseline'])} {name}",
        "begins": _span(row["onset"], row["onset_low"], row["onset_high"]),
        "best": f"{row['peak']} ({spans(row['tied'])})" if row["tied"] else str(row["peak"]),
    }


def _span(layer: int | None, low: int | None, high: int | None) -> str:
    if layer is None:
        return "–"
    ends = ["?" if end is None else str(end) for end in (low, high)]
    return f"{layer} ({' to '.join(ends)})"


def _layer(value: int | None) -> str:
    return "–" if value is None else str(value)


def _columns(rows: Sequence[Row]) -> list[Column]:
    heads = [Column(key, _FEATURES[key], head=True) for key in _heads(rows)]
    return [
        Column("task", "task", head=True),
        *heads,
        Column("items", "items", right=True),
        Column("last", "last", percent, right=True),
        Column("interval", "95% interval", right=True),
        Column("better", "baseline", right=True),
        Column("begins", "begins at layer", apart=True),
        Column("best", "best (tied)", wraps=True, apart=True),
        Column("early_exit", "settled at", _layer, right=True, apart=True),
    ]
