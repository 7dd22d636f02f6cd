"""What the tests of the list of runs share: an app that opens nothing, and what the list says."""

from pathlib import Path
from typing import Any

from textual.widgets import Static

from llprobe.store import Store
from llprobe.tui.app import LlprobeApp
from llprobe.tui.itemtable import ItemTable

__all__ = ["Opening", "drawn", "ids", "made_up", "names", "row_of", "said"]


class Opening(LlprobeApp):
    """Notes what is opened in place of opening it."""

    def __init__(self, db: Path, **more: Any) -> None:
        super().__init__(db, **more)
        self.opened: list[tuple[Any, ...]] = []

    def _open(self, name: str, *of: Any) -> None:
        self.opened.append((name, *of))


def names(app: LlprobeApp) -> list[str]:
    table = app.screen_stack[0].query_one(ItemTable)
    return [str(table._row(n)[2]) for n in range(table.n_rows)]


def row_of(app: LlprobeApp, name: str) -> list[str]:
    table = app.screen_stack[0].query_one(ItemTable)
    return [str(cell) for cell in table._row(names(app).index(name))]


def drawn(app: LlprobeApp) -> list[str]:
    """Give the lines of the table as they stand on the screen."""
    table = app.screen_stack[0].query_one(ItemTable)
    return [table.render_line(y).text for y in range(table.size.height)]


def said(app: LlprobeApp, selector: str) -> str:
    return str(app.screen_stack[0].query_one(selector, Static).visual)


def ids(database: Path) -> dict[str, str]:
    with Store(database, create=False) as store:
        return {run.name: run.id for run in store.runs()}


def made_up(**more: Any) -> dict[str, Any]:
    """Give the row of a finished run, with other values for some keys."""
    usual = {
        "run": "0123456789abcdef", "name": "", "status": "done", "models": ["m"], "tasks": ["t"],
        "lenses": ["norm"], "done": 3, "items": 3, "cells_failed": 0, "updated": "", "tags": [],
        "note": "",
    }  # fmt: skip
    return usual | more
