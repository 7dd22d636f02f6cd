"""The store: writes runs and groups of scores, and reads them back.

A group is one transaction, so a killed process leaves whole groups or none. This module knows
rows. It does not know processes or what the numbers mean.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from llprobe.events import GroupScored, ItemAnswer, ItemResult, JobStarted
from llprobe.machine import versions
from llprobe.plan import Cell, Plan
from llprobe.store import read
from llprobe.store.database import in_words, open_database, transaction
from llprobe.task import Questions
from llprobe.task.prior import PRIOR

__all__ = ["Store"]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


class Store:
    """An open database; a context manager. Every failure is a StoreError in words."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._db = open_database(path, create=create)

    def _write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        with in_words(self.path), transaction(self._db):
            work(self._db)

    def begin(self, plan: Plan, command: str, *, fresh: bool = False) -> None:
        """Write down a run and its cells before any is computed; `fresh` forgets their scores."""

        def work(db: sqlite3.Connection) -> None:
            for cell in plan.cells:
                _insert_questions(db, cell.questions)
                _insert_cell(db, cell)
                if fresh:
                    _forget(db, cell.id)
            now = _now()
            db.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, 'running') ON CONFLICT (id) "
                "DO UPDATE SET updated = excluded.updated, status = 'running'",
                (plan.id, now, now, command),
            )
            db.executemany(
                "INSERT OR IGNORE INTO run_cells VALUES (?, ?, ?)",
                [(plan.id, i, cell.id) for i, cell in enumerate(plan.cells)],
            )

        self._write(work)

    def end(self, run: str, status: str) -> None:
        """Set a run's status: done, failed or stopped."""
        statement = "UPDATE runs SET status = ?, updated = ? WHERE id = ?"
        self._write(lambda db: _run(db, statement, (status, _now(), run)))

    def record_model(self, cells: Sequence[str], record: dict[str, str]) -> None:
        """Keep with which build, devices and threads the cells are computed."""
        rows = [(_json(record), cell) for cell in cells]
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
                    _insert_result(db, event.cell, item)

        self._write(work)

    def finish_cells(self, cells: Sequence[str], phases: dict[str, float]) -> None:
        """Mark cells as done, with the seconds and work of their phases."""
        rows = [(_json(phases), cell) for cell in cells]
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
        with in_words(self.path):
            return read.read_runs(self._db)

    def cells(self, run: str) -> list[read.CellRecord]:
        """The cells of a run, in its order."""
        with in_words(self.path):
            return read.read_cells(self._db, run)

    def scores(self, cell: str) -> Iterator[read.CellScores]:
        """Yield a cell's scored items in the task's order, each with its whole prompt."""
        with in_words(self.path):
            yield from read.read_scores(self._db, cell)

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
    return cell.fingerprint, questions, cell.lens, cell.layers, _json(cell.settings)


def _run(db: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> None:
    db.execute(statement, values)


def _many(db: sqlite3.Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    db.executemany(statement, rows)


def _insert_result(db: sqlite3.Connection, cell: str, item: ItemResult | ItemAnswer) -> None:
    if isinstance(item, ItemAnswer):
        row: tuple[Any, ...] = (cell, item.index, item.n_tokens, item.text, item.finished)
        db.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", row)
        return
    row = (cell, item.index, _json(item.n_tokens), item.logprob.astype("<f8").tobytes())
    db.execute("INSERT INTO scores VALUES (?, ?, ?, ?)", row)


def _insert_questions(db: sqlite3.Connection, q: Questions) -> None:
    added = db.execute(
        "INSERT OR IGNORE INTO questions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            q.hash, q.task, q.version, q.preamble, _json(_notes(q)), q.answer,
            _json(None if q.turns is None else [[turn.role, turn.text] for turn in q.turns]),
            _json(q.facets), q.prior,
        ),
    )  # fmt: skip
    # what does not decide a score may be added to questions that are there already
    db.execute(
        "UPDATE questions SET facets = ?, prior = ? WHERE hash = ?",
        (_json(q.facets), q.prior, q.hash),
    )
    if added.rowcount:
        db.executemany(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (q.hash, i, x.id, x.group, x.prompt, _json(x.choices), _json(x.correct), x.best)
                for i, x in enumerate(q.items)
            ],
        )


def _notes(q: Questions) -> list[str]:
    return [*q.notes, *(f"skipped {skipped.id}: {skipped.reason}" for skipped in q.skipped)]


def _forget(db: sqlite3.Connection, cell: str) -> None:
    """Take a cell back to where nothing of it is computed, by today's versions."""
    for statement in (
        "DELETE FROM scored_groups WHERE cell = ?",
        "DELETE FROM scores WHERE cell = ?",
        "DELETE FROM answers WHERE cell = ?",
        "DELETE FROM skipped WHERE cell = ?",
    ):
        db.execute(statement, (cell,))
    db.execute(
        "UPDATE cells SET versions = ?, record = '{}', phases = '{}', n_groups = NULL, "
        "status = 'planned', error = '' WHERE id = ?",
        (_json(versions()), cell),
    )


def _insert_cell(db: sqlite3.Connection, cell: Cell) -> None:
    model = cell.model
    info = {
        "architecture": model.architecture, "n_layers": model.n_layers, "n_embd": model.n_embd,
        "n_vocab": model.n_vocab, "n_params": model.n_params, "file_bytes": model.file_bytes,
        "quant": model.quant, "bits_per_weight": model.bits_per_weight,
        "paths": [str(path) for path in model.paths],
    }  # fmt: skip
    db.execute(
        "INSERT OR IGNORE INTO cells (id, model, fingerprint, model_info, questions, request, "
        "lens, layers, settings, versions, n_items) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            cell.id, model.name, model.fingerprint, _json(info), cell.questions.hash,
            _json(asdict(cell.request)), cell.lens, _json(cell.layers),
            _json(asdict(cell.settings)), _json(versions()), len(cell.questions.items),
        ),
    )  # fmt: skip
