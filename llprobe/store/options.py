"""All that is scored of a cell in one pass, as it is kept: for tables of many items.

This module knows SELECT statements, and which cell holds another's priors. It parses no scores.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from llprobe.store.read import deciding

__all__ = ["OptionRow", "read_options"]


@dataclass(frozen=True, slots=True)
class OptionRow:
    """One item with its scores as they are kept: lists as JSON texts, log-probs as bytes."""

    id: str
    group: str
    cluster: str
    prompt: str
    """What is asked of it, without what stands before every question."""
    choices: str
    correct: str
    best: int
    n_tokens: str
    logprob: bytes
    prior: bytes | None
    """As `logprob`, after a neutral stem; None where it was not scored or not asked for."""


_OPTIONS = """
SELECT i.id, i.grp, i.cluster, i.prompt, i.choices, i.correct, i.best, s.n_tokens, s.logprob,
  p.logprob
FROM scores s JOIN cells c ON c.id = s.cell
JOIN items i ON i.questions = c.questions AND i.idx = s.idx
LEFT JOIN scores p ON p.cell = ? AND p.idx = s.idx
WHERE s.cell = ? ORDER BY s.idx
"""
# The cells that may hold the same options after a neutral stem, the one with the most first.
_PRIORS = """
SELECT p.id, p.settings, c.settings
FROM cells c JOIN questions q ON q.hash = c.questions JOIN cells p ON
  p.questions = q.prior AND p.fingerprint = c.fingerprint AND p.lens = c.lens
  AND p.layers = c.layers AND p.ablation = c.ablation
WHERE c.id = ?
ORDER BY (SELECT coalesce(sum(n_items), 0) FROM scored_groups g WHERE g.cell = p.id) DESC, p.id
"""


def read_options(db: sqlite3.Connection, cell: str, *, priors: bool) -> list[OptionRow]:
    """All that is scored of a cell, in the task's order."""
    rows = db.execute(_OPTIONS, (_prior_of(db, cell) if priors else None, cell))
    return [OptionRow(*row) for row in rows]


def _prior_of(db: sqlite3.Connection, cell: str) -> str | None:
    """Return the cell that holds the same options after a neutral stem, under like settings."""
    for prior, *settings in db.execute(_PRIORS, (cell,)):
        theirs, own = (deciding(json.loads(text)) for text in settings)
        if theirs == own:
            return str(prior)
    return None
