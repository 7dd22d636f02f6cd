"""One look at a sweep: what is stored of it, who works on it, and what its log says.

This module is for worker threads. It does not know widgets, nor what was seen before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from llprobe.analysis import Tally
from llprobe.errors import LlprobeError, UnknownName
from llprobe.report import cell_rows, progress_of
from llprobe.report.sums import sums_of
from llprobe.store import CellRecord, RunRecord, Store

from ...process import alive, log_of

__all__ = ["Look", "items_a_second", "look", "tail"]

_TAIL_BYTES: Final = 16_384
_LINES: Final = 200


@dataclass(frozen=True)
class Look:
    """What is known of a sweep at this moment."""

    name: str
    run: RunRecord | None = None
    """None where nothing is stored of it (yet)."""
    rows: tuple[dict[str, Any], ...] = ()
    """As of `report.cell_rows`."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """As of `report.progress_of`."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Items a second of finished cells, by the cells' ids."""
    workers: tuple[str, ...] = ()
    """Processes that hold leases for it."""
    pid: int | None = None
    """The process that was started for it from here and lives, None for none."""
    cell: CellRecord | None = None
    """The cell whose curve is wanted, or the one at work."""
    sums: Tally | None = None
    """Its sums, where it has any and they make a curve."""
    log: tuple[str, ...] = ()
    """The last lines of its log."""
    problem: str = ""
    """Why nothing could be read; empty where it could."""

    @property
    def running(self) -> str:
        """The id of the first cell at work; empty where there is none."""
        return next((row["cell"] for row in self.rows if row["status"] == "running"), "")

    @property
    def works(self) -> bool:
        """Whether any process works on it."""
        return bool(self.workers) or self.pid is not None


def look(db: Path, name: str, wanted: str = "") -> Look:
    """Return what is known of the sweep `name`; `wanted` is the cell whose curve is shown.

    Without it the first one at work is, else the last one of which anything is scored.
    """
    pid, log = alive(db, name), tail(log_of(db, name))
    try:
        with Store(db, create=False) as store:
            return _stored(store, name, wanted, pid, log)
    except UnknownName as problem:
        said = "" if pid is not None else str(problem)
    except LlprobeError as problem:
        said = "" if pid is not None and not db.exists() else str(problem)
    return Look(name, pid=pid, log=log, problem=said)


def _stored(store: Store, name: str, wanted: str, pid: int | None, log: tuple[str, ...]) -> Look:
    run = store.run(store.find_run(name))
    called = run.name or run.id[:8]
    if called != name:  # asked for by its id, or as the last one
        pid, log = alive(store.path, called), tail(log_of(store.path, called))
    rows, cells = cell_rows(store, run.id), store.cells(run.id)
    cell = _chosen(cells, wanted)
    return Look(
        called,
        run,
        tuple(rows),
        progress_of(rows),
        {each.id: rate for each in cells if (rate := items_a_second(each))},
        tuple(str(holder) for holder in store.workers(run.id)),
        pid,
        cell,
        sums_of(store, cell).get("") if cell else None,
        log,
    )


def _chosen(cells: list[CellRecord], wanted: str) -> CellRecord | None:
    named = [cell for cell in cells if cell.id == wanted]
    running = [cell for cell in cells if cell.status == "running" and cell.n_done]
    scored = [cell for cell in cells if cell.n_done]
    return next(iter([*named, *running, *reversed(scored)]), None)


def items_a_second(cell: CellRecord) -> float | None:
    """Return how many items of a finished cell were scored a second, None where it is not known."""
    keys = ("prefill", "capture", "projection", "decode")
    spent = sum(cell.phases.get(key, 0.0) for key in keys)
    return cell.n_done / spent if cell.n_done and spent > 0 else None


def tail(log: Path) -> tuple[str, ...]:
    """Return the last lines of a log; none where there is no such file."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            data = file.read()
    except OSError:
        return ()
    lines = data.decode(errors="replace").splitlines()
    return tuple(lines[1:] if len(data) == _TAIL_BYTES else lines)[-_LINES:]
