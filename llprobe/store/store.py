"""The store: writes runs and groups of scores, and reads them back.

A group is one transaction, so a killed process leaves whole groups or none. This module knows what
is written when; reader.py knows what can be read. It does not know processes or what the numbers
mean.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llprobe.errors import StoreError, UsageError
from llprobe.events import GroupScored, ItemResult, JobStarted
from llprobe.plan import Plan
from llprobe.store import leases
from llprobe.store.database import in_words, transaction
from llprobe.store.marks import checked_note, checked_tags, write_note, write_tags
from llprobe.store.reader import StoreReader
from llprobe.store.tallies import add_to_tallies
from llprobe.store.write import (
    as_json,
    forget,
    insert_cell,
    insert_questions,
    insert_result,
    insert_run,
    now,
)
from llprobe.task import Skipped

__all__ = ["Store"]


class Store(StoreReader):
    """An open database to read and to write; see `StoreReader`."""

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
        """Keep with which build, devices and threads the cells are computed.

        How the model's template writes their questions stays, whoever computes them.
        """
        rows = [(as_json(record), cell) for cell in cells]
        statement = (  # a null takes it away
            "UPDATE cells SET record = json_patch("
            "?, json_object('chat', json_extract(record, '$.chat'))) WHERE id = ?"
        )
        self._write(lambda db: _many(db, statement, rows))

    def start_job(self, event: JobStarted) -> None:
        """Keep how a job is packed, and which items do not fit."""

        def work(db: sqlite3.Connection) -> None:
            for cell in event.cells:
                _skip(db, cell, event.skipped)
                # of the items that fit, groups that are stored may have left out some
                (n_skipped,) = db.execute(
                    "SELECT count(*) FROM skipped WHERE cell = ?", (cell,)
                ).fetchone()
                fit = event.n_items + len(event.skipped) - n_skipped
                db.execute(
                    "UPDATE cells SET n_groups = ?, n_items = ?, status = 'running', error = '' "
                    "WHERE id = ?",
                    (event.n_groups, fit, cell),
                )
                if event.chat:
                    db.execute(
                        "UPDATE cells SET record = json_set(record, '$.chat', ?) WHERE id = ?",
                        (as_json(event.chat), cell),
                    )

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
                _skip(db, event.cell, event.skipped)
                db.execute(
                    "UPDATE cells SET n_items = n_items - ? WHERE id = ?",
                    (len(event.skipped), event.cell),
                )
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

    def keep_rates(
        self, fingerprint: str, settings: str, machine: str, rates: dict[str, Any]
    ) -> None:
        """Keep how fast a machine runs a model."""
        row = (fingerprint, settings, machine, as_json(rates))
        self._write(lambda db: _run(db, "INSERT OR REPLACE INTO rates VALUES (?, ?, ?, ?)", row))

    def tag(self, runs: Sequence[str], add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Give runs (whole ids) tags, and take others away.

        Raises UsageError for a word that cannot be a tag or stands in both, and UnknownName for
        one to be removed that none of the runs has; then nothing is changed.
        """
        new, old = checked_tags(add), checked_tags(remove)
        if both := [tag for tag in new if tag in old]:
            raise UsageError(f"the tag {both[0]} is both added and removed: leave one out")
        self._write(lambda db: write_tags(db, runs, new, old))

    def annotate(self, run: str, note: str) -> None:
        """Keep a run's note, of any length, in place of the one before; an empty one removes it."""
        text = checked_note(note)
        self._write(lambda db: write_note(db, run, text))


def _skip(db: sqlite3.Connection, cell: str, items: Sequence[Skipped]) -> None:
    _many(
        db,
        "INSERT OR REPLACE INTO skipped VALUES (?, ?, ?)",
        [(cell, item.id, item.reason) for item in items],
    )


def _run(db: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> None:
    db.execute(statement, values)


def _many(db: sqlite3.Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    db.executemany(statement, rows)
