"""A cell's sums by group: those that are kept, or made of its items where they are not.

This module knows when the kept sums say everything. It does not know what they are shown as.
"""

from __future__ import annotations

from llprobe.analysis import Tally, tally
from llprobe.store import CellRecord, CellScores, Store
from llprobe.task.prior import PRIOR

__all__ = ["sums_of"]


def sums_of(store: Store, cell: CellRecord) -> dict[str, Tally]:
    """Return a cell's sums by group in the task's order, of all items under ``""``.

    There are none where nothing is scored yet, or where a cell holds no curve: answers that a
    model wrote, or options without their question.
    """
    if cell.answer in {PRIOR, "generate"} or not cell.n_done:
        return {}
    kept = store.tallies(cell)
    if "" in kept and kept[""].n_items == cell.n_done:
        return kept
    # stored, at least in part, by a version that kept no sums
    by_group: dict[str, list[CellScores]] = {"": []}
    for score in store.scores(cell.id):
        for label in dict.fromkeys(("", score.item.group)):
            by_group.setdefault(label, []).append(score)
    return {label: tally(scores, cell.layers) for label, scores in by_group.items()}
