"""Watches a run that another process carries out: how far it is, how fast, how long it will take.

This module knows what is stored, look by look. It does not know how a run is carried out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from rich.live import Live
from rich.text import Text

from llprobe.cli.cellview import cells_text
from llprobe.cli.console import err
from llprobe.report import cell_rows, progress_line, progress_of
from llprobe.report.pace import Whole
from llprobe.store import Store

__all__ = ["watch_on_screen", "watch_plainly"]

_LOOK: Final = 1.0
"""Seconds between two looks."""
_PLAIN: Final = 10.0
"""Seconds between two lines that tell of nothing but more items."""


def watch_on_screen(store: Store, run_id: str) -> None:
    """Show a run's cells, with its progress as their title, until nobody works on it."""
    with Live(console=err, refresh_per_second=4, transient=True) as live:
        for rows, _, line in _looks(store, run_id):
            live.update(Text.from_ansi(cells_text(rows, line)))


def watch_plainly(store: Store, run_id: str) -> None:
    """Print how far a run is: when a cell has ended, and now and then between."""
    told: dict[str, int] = {}
    at = 0.0
    for _, counts, line in _looks(store, run_id):
        ended = any(counts[key] != told.get(key) for key in ("done", "failed"))
        if ended or (counts != told and time.monotonic() - at >= _PLAIN):
            err.print(line, markup=False)
            told, at = counts, time.monotonic()


def _looks(store: Store, run_id: str) -> Iterator[tuple[list[dict[str, Any]], dict[str, int], str]]:
    """Yield the run's cells, its counts and its progress in words, while a process works on it."""
    pace: Whole | None = None
    while store.workers(run_id):
        rows = cell_rows(store, run_id)
        counts = progress_of(rows)
        done, to_come = counts["items_done"], counts["items_to_come"]
        pace = pace or Whole(done, done + to_come)
        pace.done, pace.total = done, done + to_come
        yield rows, counts, "; ".join(filter(None, (progress_line(counts), pace.pace)))
        time.sleep(_LOOK)
