"""The schema, as numbered steps: step n takes a database from version n - 1 to n.

Steps are never edited once released; a change is a new step. This module knows tables, not rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

__all__ = ["MIGRATIONS"]


def _first(db: sqlite3.Connection) -> None:
    """Create runs of cells over questions; a group of items is the unit of commit."""
    for statement in (
        """CREATE TABLE questions (
            hash TEXT PRIMARY KEY, task TEXT NOT NULL, version TEXT NOT NULL,
            preamble TEXT NOT NULL, notes TEXT NOT NULL) WITHOUT ROWID""",
        """CREATE TABLE items (
            questions TEXT NOT NULL REFERENCES questions(hash) ON DELETE CASCADE,
            idx INTEGER NOT NULL, id TEXT NOT NULL, grp TEXT NOT NULL, prompt TEXT NOT NULL,
            choices TEXT NOT NULL, correct TEXT NOT NULL, best INTEGER NOT NULL,
            PRIMARY KEY (questions, idx)) WITHOUT ROWID""",
        """CREATE TABLE cells (
            id TEXT PRIMARY KEY, model TEXT NOT NULL, fingerprint TEXT NOT NULL,
            model_info TEXT NOT NULL, questions TEXT NOT NULL REFERENCES questions(hash),
            request TEXT NOT NULL, lens TEXT NOT NULL, layers TEXT NOT NULL,
            settings TEXT NOT NULL, versions TEXT NOT NULL, record TEXT NOT NULL DEFAULT '{}',
            phases TEXT NOT NULL DEFAULT '{}', n_groups INTEGER, n_items INTEGER,
            status TEXT NOT NULL DEFAULT 'planned',
            error TEXT NOT NULL DEFAULT '') WITHOUT ROWID""",
        """CREATE TABLE scored_groups (
            cell TEXT NOT NULL REFERENCES cells(id) ON DELETE CASCADE, grp INTEGER NOT NULL,
            n_items INTEGER NOT NULL, PRIMARY KEY (cell, grp)) WITHOUT ROWID""",
        """CREATE TABLE scores (
            cell TEXT NOT NULL REFERENCES cells(id) ON DELETE CASCADE, idx INTEGER NOT NULL,
            n_tokens TEXT NOT NULL, logprob BLOB NOT NULL, PRIMARY KEY (cell, idx))""",
        """CREATE TABLE skipped (
            cell TEXT NOT NULL REFERENCES cells(id) ON DELETE CASCADE, id TEXT NOT NULL,
            reason TEXT NOT NULL, PRIMARY KEY (cell, id)) WITHOUT ROWID""",
        """CREATE TABLE runs (
            id TEXT PRIMARY KEY, created TEXT NOT NULL, updated TEXT NOT NULL,
            command TEXT NOT NULL, status TEXT NOT NULL) WITHOUT ROWID""",
        """CREATE TABLE run_cells (
            run TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, position INTEGER NOT NULL,
            cell TEXT NOT NULL REFERENCES cells(id), PRIMARY KEY (run, position)) WITHOUT ROWID""",
        "CREATE INDEX run_cells_by_cell ON run_cells(cell)",
    ):
        db.execute(statement)


def _answers(db: sqlite3.Connection) -> None:
    """Keep how questions are answered, chats, and what models wrote."""
    for statement in (
        "ALTER TABLE questions ADD COLUMN answer TEXT NOT NULL DEFAULT 'cloze'",
        "ALTER TABLE questions ADD COLUMN turns TEXT NOT NULL DEFAULT 'null'",
        "ALTER TABLE questions ADD COLUMN facets TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE questions ADD COLUMN prior TEXT NOT NULL DEFAULT ''",
        """CREATE TABLE answers (
            cell TEXT NOT NULL REFERENCES cells(id) ON DELETE CASCADE, idx INTEGER NOT NULL,
            n_tokens INTEGER NOT NULL, text TEXT NOT NULL, finished INTEGER NOT NULL,
            PRIMARY KEY (cell, idx))""",
    ):
        db.execute(statement)


def _sweeps(db: sqlite3.Connection) -> None:
    """Keep names of sweeps, what they are asked to do, who computes what, and running sums."""
    for statement in (
        "ALTER TABLE runs ADD COLUMN name TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE runs ADD COLUMN spec TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE runs ADD COLUMN wanted TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE cells ADD COLUMN ablation TEXT NOT NULL DEFAULT 'none'",
        """CREATE TABLE owners (
            id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, run TEXT NOT NULL,
            beat REAL NOT NULL) WITHOUT ROWID""",
        """CREATE TABLE leases (
            cell TEXT PRIMARY KEY, owner TEXT NOT NULL REFERENCES owners(id) ON DELETE CASCADE
            ) WITHOUT ROWID""",
        """CREATE TABLE tallies (
            cell TEXT NOT NULL REFERENCES cells(id) ON DELETE CASCADE, label TEXT NOT NULL,
            n_items INTEGER NOT NULL, n_several INTEGER NOT NULL, guesses BLOB NOT NULL,
            sums BLOB NOT NULL, PRIMARY KEY (cell, label))""",
        """CREATE TABLE rates (
            fingerprint TEXT NOT NULL, settings TEXT NOT NULL, machine TEXT NOT NULL,
            rates TEXT NOT NULL, PRIMARY KEY (fingerprint, settings, machine)) WITHOUT ROWID""",
    ):
        db.execute(statement)


def _tallies_order(db: sqlite3.Connection) -> None:
    """Keep where in its task a group begins, so that groups stand in the task's order."""
    db.execute("ALTER TABLE tallies ADD COLUMN first INTEGER NOT NULL DEFAULT 0")


def _clusters(db: sqlite3.Connection) -> None:
    """Keep which items are of one template or relation, and so are not independent."""
    db.execute("ALTER TABLE items ADD COLUMN cluster TEXT NOT NULL DEFAULT ''")


def _marks(db: sqlite3.Connection) -> None:
    """Keep what a person says of a run: tags, and a note."""
    for statement in (
        """CREATE TABLE run_tags (
            run TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, tag TEXT NOT NULL,
            PRIMARY KEY (run, tag)) WITHOUT ROWID""",
        """CREATE TABLE run_notes (
            run TEXT PRIMARY KEY REFERENCES runs(id) ON DELETE CASCADE, note TEXT NOT NULL)""",
    ):
        db.execute(statement)


_Step = Callable[[sqlite3.Connection], None]

MIGRATIONS: tuple[_Step, ...] = (_first, _answers, _sweeps, _tallies_order, _clusters, _marks)
"""Step n is at index n - 1; the newest schema's version is their number."""
