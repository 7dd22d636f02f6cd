"""Stored runs as a list: what is read of them, their best findings, and orders.

This module knows what is worth knowing of a run in one line. It does not know how that is drawn
(runcolumns.py) or filtered (runfilter.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from llprobe.report import Summary
    from llprobe.store import Store

__all__ = [
    "ORDERS",
    "STATUSES",
    "Best",
    "Row",
    "best_of",
    "more_best",
    "ordered",
    "read_rows",
    "stamp",
]

Row = dict[str, Any]
"""A row of `report.run_rows`."""

STATUSES: Final = {
    "running": "▶",
    "done": "✓",
    "failed": "✗",
    "paused": "‖",
    "cancelled": "■",
    "stopped": "■",
    "interrupted": "!",
}
"""Statuses in the order that they are sorted in, each with its sign."""

_AT_ONCE: Final = 0.1
"""Seconds that are spent on findings before those that are there are shown."""


@dataclass(frozen=True, slots=True)
class Best:
    """The curve of a run that rises highest above guessing; shares in [0, 1]."""

    task: str
    layer: int
    value: float
    """What the layer would score on other items than chose it."""
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
    # in a thread, after the first screen
    from llprobe.report import summaries  # noqa: PLC0415
    from llprobe.report.held_out import best_layers  # noqa: PLC0415

    curves = summaries(store, run, held_out=False)
    if not curves:
        return None
    highest = max(curves, key=_above)
    best = best_layers(store, highest.cell, highest.curve)[""]
    return _best(highest.row(), best.held_out)


def _above(summary: Summary) -> float:
    """Say how far a curve rises above guessing; rounding does not choose between equal ones."""
    row = summary.row()
    return round(float(row["best"] - row["chance"]), 9)


def _best(row: Mapping[str, Any], held_out: float | None) -> Best:
    value = float(row["best"] if held_out is None else held_out)
    above, layer = value - row["chance"], int(row["best_layer"])
    return Best(row["task"], layer, value, above, tuple(row["mc1_by_layer"]))


_Order = Callable[[Row, "Best | None"], Any]

ORDERS: Final[dict[str, _Order | None]] = {
    "newest first": None,
    "by name": lambda row, _: (row["name"] == "", row["name"].lower(), row["run"]),
    "by status": lambda row, _: ([*STATUSES, row["status"]].index(row["status"]), row["name"]),
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
