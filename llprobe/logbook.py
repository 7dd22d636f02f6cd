"""A log file for each run: what happened, a line each, with the time; it is only ever added to.

This module knows events and a file. It does not know screens or stores.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path

from llprobe.errors import StoreError
from llprobe.events import Event, Failed, JobDone, JobStarted, ModelLoaded, Quantized, Waiting
from llprobe.files import append_private
from llprobe.plan import Cell, Plan
from llprobe.printable import printable

__all__ = ["Logbook", "log_path"]


def log_path(database: Path, plan: Plan) -> Path:
    """Return the log file of a run: beside the database, by the run's name or id."""
    called = re.sub(r"[^\w.-]", "_", plan.name or plan.id[:8])
    return database.parent / "logs" / f"{database.stem}-{called}.log"


class Logbook:
    """The log of one run; the first line says what is going to be done."""

    def __init__(self, database: Path, plan: Plan) -> None:
        self._path = log_path(database, plan)
        self._cells = {cell.id: cell for cell in plan.cells}
        self._started: dict[str, float] = {}
        self._add(f"run {plan.name or plan.id[:8]}: {len(plan.cells)} cells")

    def write(self, event: Event) -> None:
        """Add what an event says, if it is worth a line."""
        line = self._line(event)
        if line:
            self._add(line)

    def _line(self, event: Event) -> str:
        match event:
            case ModelLoaded(record=record, seconds=seconds, model=model):
                facts = ", ".join(f"{key} {value}" for key, value in record.items())
                return f"loaded {model} in {seconds:.1f} s: {facts}"
            case Quantized(path=path):
                return f"made {path}"
            case JobStarted() | JobDone():
                return self._of_job(event)
            case Waiting(holder=holder):
                return f"waiting for {holder}"
            case Failed(message=message, log=log, cells=cells):
                of = f" {self._called(cells[0])}" if cells else ""
                return " | ".join([f"failed{of}: {message}", *log])
            case _:
                return ""

    def _of_job(self, event: JobStarted | JobDone) -> str:
        first, now = event.cells[0], time.monotonic()
        if isinstance(event, JobStarted):
            self._started[first] = now
            what = f"{event.n_items} items, {event.n_tokens} tokens, {event.n_groups} groups"
            return f"started {self._called(first)}: {what}, {len(event.skipped)} skipped"
        took = now - self._started.get(first, now)
        spent = ", ".join(f"{key} {value:.4g}" for key, value in event.phases.items())
        return f"done {self._called(first)} in {took:.1f} s: {spent}"

    def _called(self, id_: str) -> str:
        cell: Cell = self._cells[id_]
        out = "" if cell.ablation == "none" else f" without {cell.ablation}"
        return f"{cell.model.name} {cell.questions.task} ({cell.questions.answer}){out}"

    def _add(self, line: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            with append_private(self._path) as file:
                file.write(f"{now} {printable(' '.join(line.split()))}\n")
        except OSError as error:
            raise StoreError(f"cannot write the log {self._path}: {error.strerror}") from error
