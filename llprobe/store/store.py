"""The store: writes runs and groups of scores, and reads them back.

A group is one transaction, so a killed process leaves whole groups or none. This module knows
rows. It does not know processes or what the numbers mean.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from llprobe.analysis import Tally
from llprobe.errors import StoreError
from llprobe.events import GroupScored, ItemResult, JobStarted
from llprobe.plan import Plan
from llprobe.store import leases, read
from llprobe.store.database import in_words, open_database, transaction
from llprobe.store.options import OptionRow, read_options
from llprobe.store.tallies import add_to_tallies, read_tallies
from llprobe.store.write import (
    as_json,
    forget,
    insert_cell,
    insert_questions,
    insert_result,
    insert_run,
    now,
)
from llprobe.task.prior import PRIOR

__all__ = ["Store"]


class Store:
    """An open database; a context manager. Every failure is a StoreError in words."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._db = open_database(path, create=create)

    def _write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        with in_words(self.path), transaction(self._db):
            work(self._db)

    def begin(self, plan: Plan, command: str, *, fresh: bool = False) -> None:
        """Write down a run and its cells before any is computed; `fresh` forgets their scores.

        A run that is there already gets the plan's cells in place of its own; what is scored of
        cells that are not in it any more stays. Raises StoreError where `fresh` would take cells
        from a process that computes them.
        """
        ids = [cell.id for cell in plan.cells]

        def work(db: sqlite3.Connection) -> None:
            leases.bury(db, self.path)
            if fresh and (holders := leases.holders(db, self.path, ids)):
                raise StoreError(f"{holders[0]} computes this now: stop it, or leave out --fresh")
            for questions in {cell.questions.hash: cell.questions for cell in plan.cells}.values():
                insert_questions(db, questions)
            for cell in plan.cells:
                insert_cell(db, cell)
                if fresh:
                    forget(db, cell.id)
            insert_run(db, plan, command)

        self._write(work)

    @contextmanager
    def working(self, run: str) -> Iterator[leases.Owner]:
        """Be the process that works on a run: hold leases, and give them back at the end."""
        owners: list[leases.Owner] = []

        def leave(_: sqlite3.Connection) -> None:
            for owner in owners:
                owner.leave()

        try:
            self._write(lambda db: owners.append(leases.Owner(db, self.path, run)))
            yield owners[0]
        finally:
            # the lock goes first: it must not outlast a database that fails
            for owner in owners:
                owner.close()
            self._write(leave)

    def claim(self, owner: leases.Owner, cells: Sequence[str]) -> bool:
        """Take all of these cells for `owner`, or none where another process has one."""
        taken: list[bool] = []
        self._write(lambda _: taken.append(owner.claim(cells)))
        return taken[0]

    def release(self, owner: leases.Owner, cells: Sequence[str]) -> None:
        """Give cells back."""
        self._write(lambda _: owner.release(cells))

    def pulse(self, owner: leases.Owner, run: str) -> str:
        """Give a sign of life where it is due; return what is asked of the run: pause, cancel."""
        if owner.beat_is_due():
            self._write(lambda _: owner.beat())
        with in_words(self.path):
            row = self._db.execute("SELECT wanted FROM runs WHERE id = ?", (run,)).fetchone()
        return str(row[0]) if row else "cancel"

    def ask(self, run: str, wanted: str) -> None:
        """Ask the process that works on a run to pause or cancel; an empty text takes it back."""
        statement = "UPDATE runs SET wanted = ? WHERE id = ?"
        self._write(lambda db: _run(db, statement, (wanted, run)))

    def holders(self, cells: Sequence[str]) -> list[leases.Holder]:
        """Return the living processes that compute any of these cells."""
        with in_words(self.path):
            return leases.holders(self._db, self.path, cells)

    def workers(self, run: str) -> list[leases.Holder]:
        """Return the living processes that work on a run."""
        with in_words(self.path):
            living = leases.living_owners(self._db, self.path)
        return [holder for holder in living.values() if holder.run == run]

    def spec(self, run: str) -> str:
        """Return a run's sweep as YAML; empty for a run that was stored before there were any."""
        with in_words(self.path):
            row = self._db.execute("SELECT spec FROM runs WHERE id = ?", (run,)).fetchone()
        return str(row[0])

    def remove(self, run: str) -> None:
        """Delete a run, and what only it has of cells; StoreError while it is worked on."""

        def work(db: sqlite3.Connection) -> None:
            leases.bury(db, self.path)
            if run in {holder.run for holder in leases.living_owners(db, self.path).values()}:
                raise StoreError(f"run {run[:8]} is running: cancel it first")
            cells = db.execute("SELECT cell FROM run_cells WHERE run = ?", (run,)).fetchall()
            db.execute("DELETE FROM runs WHERE id = ?", (run,))
            # what an edited sweep no longer asks for belongs to no run, and stays
            db.executemany(
                "DELETE FROM cells WHERE id = ? AND id NOT IN (SELECT cell FROM run_cells)", cells
            )
            db.execute("DELETE FROM questions WHERE hash NOT IN (SELECT questions FROM cells)")

        self._write(work)

    def end(self, run: str, status: str) -> None:
        """Set a run's status: done, failed or stopped."""
        statement = "UPDATE runs SET status = ?, updated = ? WHERE id = ?"
        self._write(lambda db: _run(db, statement, (status, now(), run)))

    def record_model(self, cells: Sequence[str], record: dict[str, str]) -> None:
        """Keep with which build, devices and threads the cells are computed."""
        rows = [(as_json(record), cell) for cell in cells]
        self._write(lambda db: _many(db, "UPDATE cells SET record = ? WHERE id = ?", rows))

    def start_job(self, event: JobStarted) -> None:
        """Keep how a job is packed, and which items do not fit."""

        def work(db: sqlite3.Connection) -> None:
            for cell in event.cells:
                db.execute(
                    "UPDATE cells SET n_groups = ?, n_items = ?, status = 'running', error = '' "
                    "WHERE id = ?",
                    (event.n_groups, event.n_items, cell),
                )
                rows = [(cell, skipped.id, skipped.reason) for skipped in event.skipped]
                db.executemany("INSERT OR REPLACE INTO skipped VALUES (?, ?, ?)", rows)

        self._write(work)

    def add_group(self, event: GroupScored) -> None:
        """Commit one group of items; a group that is there already stays as it is."""

        def work(db: sqlite3.Connection) -> None:
            added = db.execute(
                "INSERT OR IGNORE INTO scored_groups VALUES (?, ?, ?)",
                (event.cell, event.group, len(event.items)),
            )
            if added.rowcount:
                for item in event.items:
                    insert_result(db, event.cell, item)
                scored = [item for item in event.items if isinstance(item, ItemResult)]
                if scored:
                    add_to_tallies(db, event.cell, scored)

        self._write(work)

    def finish_cells(self, cells: Sequence[str], phases: dict[str, float]) -> None:
        """Mark cells as done, with the seconds and work of their phases."""
        rows = [(as_json(phases), cell) for cell in cells]
        statement = "UPDATE cells SET status = 'done', phases = ? WHERE id = ?"
        self._write(lambda db: _many(db, statement, rows))

    def fail_cells(self, cells: Sequence[str], error: str) -> None:
        """Mark cells that are not done as failed, with the reason."""
        rows = [(error, cell) for cell in cells]
        statement = (
            "UPDATE cells SET status = 'failed', error = ? WHERE id = ? AND status != 'done'"
        )
        self._write(lambda db: _many(db, statement, rows))

    def done_groups(self, cell: str) -> frozenset[int]:
        """Groups of a cell that are stored."""
        with in_words(self.path):
            rows = self._db.execute("SELECT grp FROM scored_groups WHERE cell = ?", (cell,))
            return frozenset(row[0] for row in rows)

    def is_done(self, cell: str) -> bool:
        """Whether every group of a cell is stored."""
        with in_words(self.path):
            row = self._db.execute(
                "SELECT status, n_groups FROM cells WHERE id = ?", (cell,)
            ).fetchone()
        return row is not None and row[0] == "done" and len(self.done_groups(cell)) == row[1]

    def find_run(self, name: str) -> str:
        """Return the id of a run named by its id, an unambiguous beginning of it, or ``last``."""
        with in_words(self.path):
            return read.find_run(self._db, name)

    def runs(self) -> list[read.RunRecord]:
        """All runs, the newest first."""
        return self._runs()

    def run(self, id_: str) -> read.RunRecord:
        """Return one run, by its whole id."""
        return self._runs(id_)[0]

    def _runs(self, only: str = "") -> list[read.RunRecord]:
        with in_words(self.path):
            working = {h.run for h in leases.living_owners(self._db, self.path).values()}
            return read.read_runs(self._db, working, only)

    def cells(self, run: str) -> list[read.CellRecord]:
        """The cells of a run, in its order."""
        with in_words(self.path):
            living = leases.living_owners(self._db, self.path)
            return read.read_cells(self._db, run, frozenset(living))

    def scores(self, cell: str) -> Iterator[read.CellScores]:
        """Yield a cell's scored items in the task's order, each with its whole prompt."""
        with in_words(self.path):
            yield from read.read_scores(self._db, cell)

    def option_rows(self, cell: str, *, priors: bool = True) -> list[OptionRow]:
        """All that is scored of a cell, in the task's order, as it is kept."""
        with in_words(self.path):
            return read_options(self._db, cell, priors=priors)

    def probed(self, run: str) -> Iterator[tuple[read.CellRecord, list[read.CellScores]]]:
        """Yield a run's cells with their scores, those that hold priors joined to their own."""
        cells = self.cells(run)
        priors = {_view(cell, cell.questions): cell.id for cell in cells if cell.answer == PRIOR}
        for cell in cells:
            if cell.answer == PRIOR:
                continue
            prior = priors.get(_view(cell, cell.prior))
            known = {s.index: s.logprob for s in self.scores(prior)} if prior else {}
            yield cell, [replace(s, prior=known.get(s.index)) for s in self.scores(cell.id)]

    def tallies(self, cell: read.CellRecord) -> dict[str, Tally]:
        """Running sums of a cell by group, all items under ``""``; see tallies.py."""
        with in_words(self.path):
            return read_tallies(self._db, cell.id, cell.layers)

    def phases(self, cell: str) -> dict[str, float]:
        """Return seconds and work of a finished cell by phase; nothing for another one."""
        with in_words(self.path):
            row = self._db.execute("SELECT phases FROM cells WHERE id = ?", (cell,)).fetchone()
        return dict(json.loads(row[0])) if row else {}

    def rates(self, fingerprint: str, settings: str, machine: str) -> dict[str, Any] | None:
        """Return how fast a machine runs a model, if that was measured before."""
        with in_words(self.path):
            row = self._db.execute(
                "SELECT rates FROM rates WHERE fingerprint = ? AND settings = ? AND machine = ?",
                (fingerprint, settings, machine),
            ).fetchone()
        return dict(json.loads(row[0])) if row else None

    def keep_rates(
        self, fingerprint: str, settings: str, machine: str, rates: dict[str, Any]
    ) -> None:
        """Keep how fast a machine runs a model."""
        row = (fingerprint, settings, machine, as_json(rates))
        self._write(lambda db: _run(db, "INSERT OR REPLACE INTO rates VALUES (?, ?, ?, ?)", row))

    def answers(self, cell: str) -> Iterator[read.CellAnswer]:
        """Yield what the model wrote to a cell's items, in the task's order."""
        with in_words(self.path):
            yield from read.read_answers(self._db, cell)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _view(cell: read.CellRecord, questions: str) -> tuple[Any, ...]:
    """Return what two cells agree in of which one is the other's prior."""
    settings = as_json(cell.settings)
    return cell.fingerprint, questions, cell.lens, cell.layers, cell.ablation, settings


def _run(db: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> None:
    db.execute(statement, values)


def _many(db: sqlite3.Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    db.executemany(statement, rows)
