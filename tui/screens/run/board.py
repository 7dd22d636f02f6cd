"""The analyses of a run's cells that its tabs share: computed once each, one after the other.

This module knows what is wanted and what is there. It does not know how it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from llprobe.errors import LlprobeError
from llprobe.store import CellRecord, Store

from ...page import Page
from .data import Found, read_found

__all__ = ["Board"]

Key = tuple[str, int, str]
"""A cell's id, the number of its scored items, and a metric."""


def _key(cell: CellRecord, metric: str) -> Key:
    return cell.id, cell.n_done, metric


def _read(db: Path, cell: CellRecord, metric: str) -> Found:
    """Analyse a cell; what stands in the way, the database too, is said in the result."""
    try:
        with Store(db, create=False) as store:
            return read_found(store, cell, metric)
    except LlprobeError as error:
        return Found(None, None, str(error))


def _nothing() -> None:
    """Tell nobody."""


class Board:
    """Findings by cell and metric; what is missing is computed in a thread while a page is open."""

    def __init__(self, page: Page, db: Callable[[], Path]) -> None:
        self._page, self._db = page, db
        self._found: dict[Key, Found] = {}
        self._latest: dict[tuple[str, str], Found] = {}
        self._wanted: list[tuple[CellRecord, str]] = []
        self._then: Callable[[], None] = _nothing
        self._busy = False

    def get(self, cell: CellRecord, metric: str) -> Found | None:
        """Return what is found of a cell, of fewer items while it grows; None where nothing is."""
        return self._found.get(_key(cell, metric), self._latest.get((cell.id, metric)))

    def need(self, cells: Sequence[CellRecord], metric: str, then: Callable[[], None]) -> int:
        """Ask for some cells in place of those asked for before; return how many are missing.

        `then` is called whenever one more of them is there.
        """
        self._wanted = [(cell, metric) for cell in cells if _key(cell, metric) not in self._found]
        self._then = then
        self._next()
        return len(self._wanted)

    def retry(self) -> None:
        """Forget what could not be had."""
        self._found = {key: found for key, found in self._found.items() if not found.error}
        self._latest = {key: found for key, found in self._latest.items() if not found.error}

    def _next(self) -> None:
        if self._busy or not self._wanted:
            return
        cell, metric = self._wanted[0]
        self._busy = True

        def got(found: Found) -> None:
            self._busy = False
            self._found[_key(cell, metric)] = self._latest[cell.id, metric] = found
            asked = (cell, metric) in self._wanted
            self._wanted = [each for each in self._wanted if each != (cell, metric)]
            if asked:
                self._then()
            self._next()

        db = self._db()
        # a name of its own: one of the same name would call off the worker that calls this
        self._page.ask(lambda: _read(db, cell, metric), got, name=f"evidence {cell.id} {metric}")
