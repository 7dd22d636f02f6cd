"""Rows as they are written: questions, cells, runs, results.

This module knows INSERT statements. It opens no transaction and decides nothing.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from llprobe.events import ItemAnswer, ItemResult
from llprobe.machine import versions
from llprobe.plan import Cell, Plan
from llprobe.task import Questions

__all__ = [
    "as_json",
    "forget",
    "insert_cell",
    "insert_questions",
    "insert_result",
    "insert_run",
    "now",
]


def now() -> str:
    """Return the time in UTC, as it is stored."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def as_json(value: Any) -> str:
    """Return a value as it is stored."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def insert_result(db: sqlite3.Connection, cell: str, item: ItemResult | ItemAnswer) -> None:
    """Write one item's scores, or its answer."""
    if isinstance(item, ItemAnswer):
        row: tuple[Any, ...] = (cell, item.index, item.n_tokens, item.text, item.finished)
        db.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", row)
        return
    row = (cell, item.index, as_json(item.n_tokens), item.logprob.astype("<f8").tobytes())
    db.execute("INSERT INTO scores VALUES (?, ?, ?, ?)", row)


def insert_run(db: sqlite3.Connection, plan: Plan, command: str) -> None:
    """Write down a run, or take one up again, with the plan's cells."""
    when = now()
    db.execute(
        "INSERT INTO runs (id, created, updated, command, status, name, spec) "
        "VALUES (?, ?, ?, ?, 'running', ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "updated = excluded.updated, status = 'running', wanted = '', spec = excluded.spec",
        (plan.id, when, when, command, plan.name, plan.spec),
    )
    rows = [(plan.id, i, cell.id) for i, cell in enumerate(plan.cells)]
    there = db.execute("SELECT * FROM run_cells WHERE run = ? ORDER BY position", (plan.id,))
    if there.fetchall() != rows:
        db.execute("DELETE FROM run_cells WHERE run = ?", (plan.id,))
        db.executemany("INSERT INTO run_cells VALUES (?, ?, ?)", rows)


def insert_questions(db: sqlite3.Connection, q: Questions) -> None:
    """Write questions down, if they are not there already."""
    added = db.execute(
        "INSERT OR IGNORE INTO questions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            q.hash, q.task, q.version, q.preamble, as_json(_notes(q)), q.answer,
            as_json(None if q.turns is None else [[turn.role, turn.text] for turn in q.turns]),
            as_json(q.facets), q.prior,
        ),
    )  # fmt: skip
    # what does not decide a score may be added to questions that are there already
    db.execute(
        "UPDATE questions SET facets = ?, prior = ? WHERE hash = ?",
        (as_json(q.facets), q.prior, q.hash),
    )
    if not added.rowcount:
        db.executemany(
            "UPDATE items SET cluster = ?1 WHERE questions = ?2 AND idx = ?3 AND cluster != ?1",
            [(x.cluster, q.hash, i) for i, x in enumerate(q.items)],
        )
        return
    db.executemany(
        "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                q.hash, i, x.id, x.group, x.prompt, as_json(x.choices), as_json(x.correct), x.best,
                x.cluster,
            )
            for i, x in enumerate(q.items)
        ],
    )  # fmt: skip


def _notes(q: Questions) -> list[str]:
    return [*q.notes, *(f"skipped {skipped.id}: {skipped.reason}" for skipped in q.skipped)]


def forget(db: sqlite3.Connection, cell: str) -> None:
    """Take a cell back to where nothing of it is computed, by today's versions."""
    for statement in (
        "DELETE FROM scored_groups WHERE cell = ?",
        "DELETE FROM scores WHERE cell = ?",
        "DELETE FROM answers WHERE cell = ?",
        "DELETE FROM tallies WHERE cell = ?",
        "DELETE FROM skipped WHERE cell = ?",
    ):
        db.execute(statement, (cell,))
    db.execute(
        "UPDATE cells SET versions = ?, record = '{}', phases = '{}', n_groups = NULL, "
        "status = 'planned', error = '' WHERE id = ?",
        (as_json(versions()), cell),
    )


def insert_cell(db: sqlite3.Connection, cell: Cell) -> None:
    """Write a cell down; one that is there already gets what its id leaves open, e.g. servers."""
    model = cell.model
    info = {
        "architecture": model.architecture, "n_layers": model.n_layers, "n_embd": model.n_embd,
        "n_vocab": model.n_vocab, "n_params": model.n_params, "file_bytes": model.file_bytes,
        "quant": model.quant, "bits_per_weight": model.bits_per_weight,
        "paths": [str(path) for path in model.paths],
    }  # fmt: skip
    db.execute(
        "INSERT INTO cells (id, model, fingerprint, model_info, questions, request, "
        "lens, layers, settings, versions, n_items, ablation) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET settings = excluded.settings",
        (
            cell.id, model.name, model.fingerprint, as_json(info), cell.questions.hash,
            as_json(asdict(cell.request)), cell.lens, as_json(cell.layers),
            as_json(asdict(cell.settings)), as_json(versions()), len(cell.questions.items),
            cell.ablation,
        ),
    )  # fmt: skip
