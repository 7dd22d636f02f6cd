"""Running sums of what is scored, kept in the same transaction as the scores.

A cell has one tally for all of its items and one for each result group, so that a curve is read
without its items. This module knows rows of sums. It does not know who reads them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llprobe.analysis import TALLIED, Tally, tally
from llprobe.events import ItemResult

__all__ = ["add_to_tallies", "read_tallies"]


@dataclass(frozen=True, slots=True)
class _Scored:
    """What a metric needs of one item."""

    correct: tuple[int, ...]
    best: int
    n_tokens: tuple[int, ...]
    n_bytes: tuple[int, ...]
    logprob: npt.NDArray[np.float64]
    prior: npt.NDArray[np.float64] | None = None


def add_to_tallies(db: sqlite3.Connection, cell: str, results: Sequence[ItemResult]) -> None:
    """Add scored items to the sums of their cell and groups."""
    row = db.execute("SELECT questions, layers FROM cells WHERE id = ?", (cell,)).fetchone()
    questions, layers = row[0], tuple(json.loads(row[1]))
    by_label: dict[str, list[_Scored]] = {"": []}
    first: dict[str, int] = {}
    for result in sorted(results, key=lambda result: result.index):
        group, scored = _scored(db, questions, result)
        for label in {"", group}:
            by_label.setdefault(label, []).append(scored)
            first.setdefault(label, result.index)
    known = read_tallies(db, cell, layers)
    for label, items in by_label.items():
        found = tally(items, layers)
        total = known[label] + found if label in known else found
        _write(db, cell, label, total, first[label])


def _scored(db: sqlite3.Connection, questions: str, result: ItemResult) -> tuple[str, _Scored]:
    group, choices, correct, best = db.execute(
        "SELECT grp, choices, correct, best FROM items WHERE questions = ? AND idx = ?",
        (questions, result.index),
    ).fetchone()
    n_bytes = tuple(len(choice.strip().encode()) for choice in json.loads(choices))
    true = tuple(json.loads(correct))
    return group, _Scored(true, best, result.n_tokens, n_bytes, result.logprob)


def _write(db: sqlite3.Connection, cell: str, label: str, found: Tally, first: int) -> None:
    sums, guesses = (values.astype("<f8").tobytes() for values in (found.sums, found.guesses))
    db.execute(
        "INSERT INTO tallies (cell, label, n_items, n_several, guesses, sums, first) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "n_items = excluded.n_items, n_several = excluded.n_several, "
        "guesses = excluded.guesses, sums = excluded.sums, first = min(first, excluded.first)",
        (cell, label, found.n_items, found.n_several, guesses, sums, first),
    )


def read_tallies(db: sqlite3.Connection, cell: str, layers: tuple[int, ...]) -> dict[str, Tally]:
    """Read a cell's sums by group, in the task's order of groups; ``""`` holds all items."""
    rows = db.execute(
        "SELECT label, n_items, n_several, guesses, sums FROM tallies WHERE cell = ? "
        "ORDER BY first, label",
        (cell,),
    )
    return {
        label: Tally(
            layers,
            n_items,
            np.frombuffer(sums, "<f8").reshape(len(TALLIED), -1),
            np.frombuffer(guesses, "<f8"),
            n_several,
        )
        for label, n_items, n_several, guesses, sums in rows
    }
