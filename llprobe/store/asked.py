"""What was asked and when its scores came: a question exactly as it stands, and the order of items.

This module knows SELECT statements. It does not know tokens, nor what is done with an order.
"""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from llprobe.errors import UnknownName
from llprobe.store.database import in_words, open_database
from llprobe.task import Item, Questions, Turn

__all__ = ["arrival", "asked"]

_ASKED = """
SELECT q.task, q.version, q.preamble, q.turns, q.answer, q.hash, i.id, i.prompt, i.choices,
  i.correct, i.best, i.grp
FROM cells c JOIN questions q ON q.hash = c.questions JOIN items i ON i.questions = q.hash
WHERE c.id = ? AND i.id = ?
"""
# rows get ascending numbers as they are written, group after group
_ARRIVAL = "SELECT idx FROM scores WHERE cell = ? ORDER BY rowid"


def asked(path: Path, cell: str, item: str) -> Questions:
    """Return the questions of a cell with this item only: preamble, turns and prompt as asked.

    Raises UnknownName where the cell, or its item, is not there (any more).
    """
    with in_words(path), closing(open_database(path, create=False)) as db:
        row = db.execute(_ASKED, (cell, item)).fetchone()
    if row is None:
        raise UnknownName("item", item, (), f"(cell {cell[:8]} is not stored any more)")
    task, version, preamble, turns, answer, hash_, id_, prompt, choices, correct, best, group = row
    said = json.loads(turns)
    one = Item(
        id_, prompt, tuple(json.loads(choices)), tuple(json.loads(correct)), best, group
    )  # fmt: skip
    return Questions(
        task, version, preamble, (one,), (), (), hash_, answer,
        None if said is None else tuple(Turn(*turn) for turn in said),
    )  # fmt: skip


def arrival(path: Path, cell: str) -> tuple[int, ...]:
    """Return the items of a cell, by their places in the task, in the order they were stored."""
    with in_words(path), closing(open_database(path, create=False)) as db:
        return tuple(row[0] for row in db.execute(_ARRIVAL, (cell,)))
