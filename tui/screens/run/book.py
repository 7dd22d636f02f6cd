"""All items of a cell, with what the cell says of each: what lists and single items are made of.

This module knows where it is read. It does not know widgets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.finding import from_here_on
from llprobe.analysis.measures import metric
from llprobe.analysis.options import OptionTable
from llprobe.errors import UnknownName
from llprobe.page.data import ItemText
from llprobe.page.items import text_set
from llprobe.report import option_table
from llprobe.report.naming import told_apart
from llprobe.store import CellRecord, Store

from .data import named

__all__ = ["WIDEST", "Book", "pattern", "read_book"]

WIDEST: Final = 32
"""Layers of a pattern that are shown; of more, evenly spaced ones."""


def pattern(right: npt.NDArray[np.bool_], most: int = WIDEST) -> str:
    """Show at which layers, (n_layers,), an answer is right: a block where it is, else a dot."""
    n = len(right)
    shown = right if n <= most else right[np.linspace(0, n - 1, most).round().astype(int)]
    return "".join("█" if each else "·" for each in shown)


@dataclass(frozen=True, eq=False)
class Book:
    """A cell's items, all arrays in the task's order."""

    run: str
    """The id of the run."""
    cell: CellRecord
    name: str
    """What the cell is called in its run."""
    table: OptionTable
    preamble: str
    """What every prompt begins with."""
    items: tuple[ItemText, ...]
    right: npt.NDArray[np.bool_]
    """(n_items, n_layers): MC1."""
    settled: npt.NDArray[np.int64]
    """(n_items,): the column from which the answer wins for good; n_layers where it does not."""

    def place(self, item: str) -> int:
        """Return where an item stands; UnknownName where it is not there."""
        try:
            return self.table.ids.index(item)
        except ValueError:
            hint = f"(cell {self.name} has {len(self.items)} items)"
            raise UnknownName("item", item, self.table.ids[:3], hint) from None

    def wins_from(self, at: int) -> int | None:
        """Return the layer from which an item's answer wins for good, None where it does not."""
        column = int(self.settled[at])
        return self.table.layers[column] if column < len(self.table.layers) else None


def read_book(store: Store, run: str, cell: str) -> Book:
    """Read a cell of a run; UnknownName where the run or the cell is not there any more."""
    found = store.find_run(run)
    named_cells = {each.cell.id: each for each in named(told_apart(store.cells(found)))}
    if cell not in named_cells:
        raise UnknownName("cell", cell, named_cells, f"(run {found[:8]} was changed)")
    own = named_cells[cell]
    table = option_table(store, own.cell, priors=False)
    texts = text_set(score.item for score in store.scores(cell))
    # a running cell may have grown between the two: what both have is shown
    n = min(table.n_items, len(texts.items))
    table = table.take(np.arange(n)) if n < table.n_items else table
    right = metric(table) > 0
    return Book(
        found, own.cell, own.name, table, texts.preamble, texts.items[:n], right,
        from_here_on(right) if n else np.zeros(0, np.int64),
    )  # fmt: skip
