"""Stored runs as a list that can be filtered, sorted and drawn as cells of a table.

This module knows what is worth seeing of a run in one line. It does not know widgets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

if TYPE_CHECKING:
    from llprobe.store import Store

__all__ = [
    "HEADINGS",
    "ORDERS",
    "Best",
    "Row",
    "best_of",
    "cells_of",
    "filtered",
    "more_best",
    "ordered",
    "read_rows",
    "stamp",
    "summary_lines",
]

Row = dict[str, Any]
"""A row of `report.run_rows`."""

_GLYPHS: Final = {
    "running": "▶",
    "done": "✓",
    "failed": "✗",
    "paused": "‖",
    "cancelled": "■",
    "stopped": "■",
    "interrupted": "!",
}
_STYLES: Final = {"running": "bold", "failed": "bold", "interrupted": "bold"}
HEADINGS: Final = ("", "status", "name", "models", "tasks", "scored", "best, over layers")
"""Of the columns that `cells_of` fills."""

_AT_ONCE: Final = 0.1
"""Seconds that are spent on findings before those that are there are shown."""


@dataclass(frozen=True, slots=True)
class Best:
    """The curve of a run that rises highest above guessing; shares in [0, 1]."""

    task: str
    layer: int
    value: float
    above: float
    """`value` minus chance."""
    curve: tuple[float, ...]
    """Accuracy (MC1) at each scored layer."""


def read_rows(store: Store) -> list[Row]:
    """Read all runs, the newest first."""
    from llprobe.report import run_rows  # noqa: PLC0415 - in a thread, after the first screen

    return run_rows(store.runs())


def stamp(row: Row) -> tuple[str, int]:
    """Return what changes when a run's findings may have changed."""
    return row["updated"], row["done"]


def more_best(store: Store, rows: Iterable[Row]) -> dict[str, Best | None]:
    """Return the best of as many runs as can be looked at in a moment, by their ids."""
    found: dict[str, Best | None] = {}
    end = time.monotonic() + _AT_ONCE
    for row in rows:
        found[row["run"]] = best_of(store, row["run"])
        if time.monotonic() > end:
            break
    return found


def best_of(store: Store, run: str) -> Best | None:
    """Return a run's best curve; None where nothing is scored, or the run is gone."""
    from llprobe.report import summaries  # noqa: PLC0415 - in a thread, after the first screen

    each = [_best(summary.row()) for summary in summaries(store, run)]
    return max(each, key=lambda best: best.above, default=None)


def _best(row: Mapping[str, Any]) -> Best:
    value, layer = float(row["best"]), int(row["best_layer"])
    return Best(row["task"], layer, value, value - row["chance"], tuple(row["mc1_by_layer"]))


def filtered(rows: Iterable[Row], text: str) -> list[Row]:
    """Keep the runs in which every word of `text` occurs: name, id, status, model, task or lens."""
    words = text.lower().split()

    def said(row: Row) -> str:
        parts = [row["name"], row["run"], row["status"]]
        return " ".join([*parts, *row["models"], *row["tasks"], *row["lenses"]]).lower()

    return [row for row in rows if all(word in said(row) for word in words)]


_Order = Callable[[Row, "Best | None"], Any]

ORDERS: Final[dict[str, _Order | None]] = {
    "newest first": None,
    "by name": lambda row, _: (row["name"] == "", row["name"].lower(), row["run"]),
    "by status": lambda row, _: ([*_GLYPHS, row["status"]].index(row["status"]), row["name"]),
    "least scored first": lambda row, _: row["done"] / max(row["items"], 1),
    "best finding first": lambda _, best: -best.above if best else 1.0,
}
"""Orders by what they are called; None is that of the store."""


def ordered(rows: Sequence[Row], order: str, best: Mapping[str, Best | None]) -> list[Row]:
    """Sort runs; equal ones stay the newest first."""
    key = ORDERS[order]
    if key is None:
        return list(rows)
    return sorted(rows, key=lambda row: key(row, best.get(row["run"])))


def cells_of(row: Row, best: Best | None, width: int, *, chosen: bool) -> tuple[Text | str, ...]:
    """Return a run's cells for a table `width` characters wide."""
    wide = max(width - 80, 0)
    return (
        "◆" if chosen else " ",
        _status(row),
        Text(_cut(row["name"] or row["run"][:8], 14 + wide // 6), "bold"),
        _few(row["models"], 12 + wide // 4),
        _few(row["tasks"], 8 + wide // 4),
        Text(_scored(row), justify="right"),
        Text(_best_text(best, 10 + wide // 4)),
    )


def _status(row: Row) -> Text:
    status = str(row["status"])
    failed = f" {row['cells_failed']}✗" if row["cells_failed"] and status != "failed" else ""
    return Text(f"{_GLYPHS.get(status, '·')} {status}{failed}", _STYLES.get(status, ""))


def _scored(row: Row) -> str:
    done, items = row["done"], row["items"]
    return f"{done:,}" if done == items else f"{done:,}/{items:,}"


def _few(names: Sequence[str], room: int) -> str:
    """Name all where there is room, else the first and how many more."""
    whole = ", ".join(names)
    if cell_len(whole) <= room:
        return whole
    if len(names) == 1:
        return _cut(whole, room)
    more = f" +{len(names) - 1}"
    return _cut(names[0], room - len(more)) + more


def _cut(text: str, room: int) -> str:
    return text if cell_len(text) <= room else set_cell_size(text, room - 1).rstrip() + "…"


def _best_text(best: Best | None, room: int) -> str:
    if best is None:
        return "–"
    said = f"{best.value:4.0%} L{best.layer} "
    return f"{said}{_spark(best.curve, room)} {best.task}"


def _spark(curve: Sequence[float], room: int) -> str:
    """Draw a curve from 0 to 100%; some of the layers where there is no room for all."""
    from llprobe.report import sparkline  # noqa: PLC0415 - after the first screen

    if len(curve) > room:
        last = len(curve) - 1
        curve = [curve[round(n * last / (room - 1))] for n in range(room)]
    return sparkline(curve)


def summary_lines(store: Store, run: str, width: int) -> list[Text]:
    """Return a line for every curve of a run: accuracy at its best and its last layer, and all."""
    from llprobe.report import summaries  # noqa: PLC0415 - in a thread, after the first screen

    rows = [summary.row() for summary in summaries(store, run)]
    if not rows:
        return [Text("nothing is scored of it yet", "dim")]
    names = [_name(row, rows) for row in rows]
    room = min(max(map(cell_len, names)), max(width // 3, 16))
    head = f"{'':{room}} chance  best     last  over layers, 0 to 100%"
    return [
        Text(head, "bold"),
        *(_line(n, row, room, width) for n, row in zip(names, rows, strict=True)),
    ]


def _name(row: Row, rows: Sequence[Row]) -> str:
    """Name a curve by its task, and by what differs between the curves."""
    keys = ("model", "task", "lens", "answer", "ablation", "shots", "seed")
    telling = [key for key in keys if key == "task" or len({r[key] for r in rows}) > 1]
    return " ".join(str(row[key]) for key in telling)


def _line(name: str, row: Row, room: int, width: int) -> Text:
    numbers = (
        f"{row['chance']:6.0%}  {row['best']:4.0%} L{row['best_layer']:<3} {row['last']:4.0%}  "
    )
    name = set_cell_size(_cut(name, room), room)
    curve = _spark(row["mc1_by_layer"], max(width - room - len(numbers) - 2, 8))
    return Text.assemble((name, "bold"), f" {numbers}", curve)
