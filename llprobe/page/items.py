"""A cell's items for a report: texts that cells share, and what each cell says of every item.

This module knows questions and their options. It does not know curves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from llprobe.analysis.exits import early_exit
from llprobe.analysis.measures import choice, metric, probability
from llprobe.analysis.options import OptionTable
from llprobe.page.data import NO_NUMBER, ItemScores, ItemText, TextSet
from llprobe.store import CellRecord, Store
from llprobe.task import Item

__all__ = ["TextBook", "item_scores", "text_set"]


class TextBook:
    """The questions that cells scored, each once, in the order in which they are first seen."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, dict[str, Item]] = {}

    def places(self, cell: CellRecord, ids: Sequence[str]) -> list[int]:
        """Return where a cell's items stand in its text set, which grows where it must."""
        known = self._known.setdefault(cell.questions, {})
        if not all(id_ in known for id_ in ids):
            known |= {score.item.id: score.item for score in self._store.scores(cell.id)}
        places = {id_: n for n, id_ in enumerate(known)}
        return [places[id_] for id_ in ids]

    def sets(self) -> dict[str, TextSet]:
        """Return the text sets by the hash of their questions."""
        return {key: text_set(known.values()) for key, known in self._known.items()}


def text_set(items: Iterable[Item]) -> TextSet:
    """Return items with what all their prompts begin with stored once.

    The shared beginning ends with a blank line, as worked examples do; one item has none.
    """
    whole = list(items)
    shared = _beginning([item.prompt for item in whole]) if len(whole) > 1 else ""
    shared = shared[: shared.rfind("\n\n") + 2] if "\n\n" in shared else ""
    return TextSet(shared, tuple(_text(item, len(shared)) for item in whole))


def _beginning(texts: Sequence[str]) -> str:
    """Return what all texts begin with: what the first and the last in order do."""
    first, last = min(texts), max(texts)
    pairs = zip(first, last, strict=False)
    same = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(first), len(last)))
    return first[:same]


def _text(item: Item, begins: int) -> ItemText:
    return ItemText(
        item.id, item.group, item.prompt[begins:], item.choices, item.correct, item.best
    )


def item_scores(cell: CellRecord, table: OptionTable, rows: Sequence[int]) -> ItemScores:
    """Return what a cell says of its items, which stand at `rows` of their text set."""
    n_layers = int(cell.model_info["n_layers"])
    settled = early_exit(choice(table), table.layers, n_layers, table.clusters)
    shares = probability(table)
    thousandths = np.where(np.isfinite(shares), np.rint(1000 * shares), NO_NUMBER)
    return ItemScores(
        texts=cell.questions,
        rows=np.asarray(rows, np.int64),
        right=metric(table, "mc1") > 0,
        settled=settled.per_item,
        thousandths=thousandths.astype(np.uint16),
    )
