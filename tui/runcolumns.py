"""A run as a line of the list: its cells, and how much room each column has.

This module knows widths in characters. It does not know widgets, or where runs are stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from .itemtable import Field, one_line
from .runlist import STATUSES, Best, Row

__all__ = ["Columns", "cells_of", "columns_of", "cut", "fields_of", "spark"]

_STYLES: Final = {"running": "bold", "failed": "bold", "interrupted": "bold"}
_FOLDS: Final = {"name": 8, "tags": 8, "models": 8, "tasks": 6}
"""Columns that are cut where there is no room for them, and what they keep at least."""
_LEAST_BEST: Final = 19
"""A share, a layer, and a curve of ten characters."""
_BEST: Final = "best"
_LEAST: Final = _FOLDS | {_BEST: _LEAST_BEST}
_NAME: Final = 8
"""Characters of an id that stand for a run without a name."""
_AROUND: Final = 4
"""The cursor's mark, the scroll bar, and the mark of what is chosen."""
_HEADINGS: Final = ("status", "name", "tags", "models", "tasks", "scored")
"""Of the columns between the mark and the best finding."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Widths; what the best finding is told in has the rest."""

    status: int
    name: int
    tags: int
    """0 where no run has any: then there is no such column."""
    models: int
    tasks: int
    scored: int
    best: int
    """0 where there is no room for it."""


def columns_of(rows: Sequence[Row], width: int) -> Columns:
    """Share a line of `width` characters out among the columns of these runs."""
    natural = _natural(rows)
    shown = [name for name in _HEADINGS if natural[name]]
    room = width - _AROUND - len(shown) - 1 - natural["status"] - natural["scored"]
    wanted = {name: natural[name] for name in _FOLDS if natural[name]}
    folds = _shrunk(wanted | {_BEST: _natural_best(rows)}, room)
    folds = {name: _used(rows, name, folds[name]) for name in wanted}
    best = max(room - sum(folds.values()), 0)
    return Columns(**(natural | folds), best=best)


def _used(rows: Sequence[Row], name: str, room: int) -> int:
    """Return what a column takes of its room: names that are only counted leave some."""
    if name == "name":
        return room
    return max(map(cell_len, (name, *(_few(row[name], room) for row in rows))))


def _natural_best(rows: Sequence[Row]) -> int:
    """Return what the best finding takes: beside its curve there is the name of a task."""
    return (
        _LEAST_BEST + 1 + max((cell_len(task) for row in rows for task in row["tasks"]), default=0)
    )


def _natural(rows: Sequence[Row]) -> dict[str, int]:
    """Return what each column would take; 0 where no run has anything in it."""
    texts = [_texts(row) for row in rows]
    found = {name: max(map(cell_len, (name, *(of[name] for of in texts)))) for name in _HEADINGS}
    return found if any(of["tags"] for of in texts) else found | {"tags": 0}


def _texts(row: Row) -> dict[str, str]:
    """Return what would be said of a run if there were room for all of it."""
    return {
        "status": _status(row),
        "name": _name(row),
        "tags": ", ".join(row["tags"]),
        "models": ", ".join(row["models"]),
        "tasks": ", ".join(row["tasks"]),
        "scored": _scored(row),
    }


def _shrunk(widths: Mapping[str, int], room: int) -> dict[str, int]:
    """Make the widest narrower until all have room, or none can be any more."""
    found = dict(widths)
    while sum(found.values()) > room:
        wide = [name for name, width in found.items() if width > _LEAST[name]]
        if not wide:
            break
        found[max(wide, key=found.__getitem__)] -= 1
    return found


def fields_of(columns: Columns) -> tuple[Field, ...]:
    """Return the table's columns."""
    fields = (
        Field("", 1),
        Field("status", columns.status),
        Field("name", columns.name),
        Field("tags", columns.tags),
        Field("models", columns.models),
        Field("tasks", columns.tasks),
        Field("scored", columns.scored, right=True),
        Field("best, over layers"),
    )
    return tuple(field for field in fields if columns.tags or field.heading != "tags")


def cells_of(
    row: Row, best: Best | None, columns: Columns, *, chosen: bool
) -> tuple[Text | str, ...]:
    """Return a run's cells, for the columns that `fields_of` makes."""
    tags = [_few(row["tags"], columns.tags)] if columns.tags else []
    return (
        "◆" if chosen else " ",
        Text(_status(row), _STYLES.get(row["status"], "")),
        Text(one_line(_name(row)), "bold"),
        *tags,
        _few(row["models"], columns.models),
        _few(row["tasks"], columns.tasks),
        _scored(row),
        Text(_best(best, columns.best)),
    )


def _status(row: Row) -> str:
    status = str(row["status"])
    failed = f" {row['cells_failed']}✗" if row["cells_failed"] and status != "failed" else ""
    return f"{STATUSES.get(status, '·')} {status}{failed}"


def _name(row: Row) -> str:
    return str(row["name"] or row["run"][:_NAME])


def _scored(row: Row) -> str:
    done, items = row["done"], row["items"]
    return f"{done:,}" if done == items else f"{done:,}/{items:,}"


def _few(names: Sequence[str], room: int) -> str:
    """Name all where there is room, else the first and how many more."""
    whole = ", ".join(names)
    if cell_len(whole) <= room or len(names) == 1:
        return cut(whole, room)
    more = f" +{len(names) - 1}"
    return cut(names[0], room - len(more)) + more


def cut(text: str, room: int) -> str:
    """Return a text in at most `room` cells, an ellipsis where it is cut."""
    if cell_len(text) <= room:
        return text
    return set_cell_size(text, max(room - 1, 0)).rstrip() + "…"


def _best(best: Best | None, room: int) -> str:
    if best is None:
        return "–"
    said = f"{best.value:4.0%} L{best.layer} "
    task = f" {best.task}"
    return f"{said}{spark(best.curve, max(room - len(said) - cell_len(task), 10))}{task}"


def spark(curve: Sequence[float], room: int) -> str:
    """Draw a curve from 0 to 100%; some of the layers where there is no room for all."""
    from llprobe.report import sparkline  # noqa: PLC0415 - after the first screen

    if len(curve) > room:
        last = len(curve) - 1
        curve = [curve[round(n * last / (room - 1))] for n in range(room)]
    return sparkline(curve)
