"""Reading the store: an open database, and everything that can be asked of it.

This module knows questions. It writes nothing but the schema, and does not know what the numbers
mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from llprobe.analysis import Tally
from llprobe.store import leases, read
from llprobe.store.database import in_words, open_database
from llprobe.store.marks import known_tags
from llprobe.store.options import OptionRow, read_options
from llprobe.store.tallies import read_tallies
from llprobe.store.write import as_json
from llprobe.task.prior import PRIOR

__all__ = ["StoreReader"]


class StoreReader:
    """An open database; a context manager. Every failure is a StoreError in words."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._db = open_database(path, create=create)

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

    def known_tags(self) -> tuple[str, ...]:
        """Return all tags that runs have, those of the most runs first."""
        with in_words(self.path):
            return known_tags(self._db)

    def spec(self, run: str) -> str:
        """Return a run's sweep as YAML; empty for a run that was stored before there were any."""
        with in_words(self.path):
            row = self._db.execute("SELECT spec FROM runs WHERE id = ?", (run,)).fetchone()
        return str(row[0])

    def holders(self, cells: Sequence[str]) -> list[leases.Holder]:
        """Return the living processes that compute any of these cells."""
        with in_words(self.path):
            return leases.holders(self._db, self.path, cells)

    def workers(self, run: str) -> list[leases.Holder]:
        """Return the living processes that work on a run."""
        with in_words(self.path):
            living = leases.living_owners(self._db, self.path)
        return [holder for holder in living.values() if holder.run == run]

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
    settings = as_json(read.deciding(cell.settings))
    return cell.fingerprint, questions, cell.lens, cell.layers, cell.ablation, settings
