"""What cells say of one item: its options over the layers, and the same item elsewhere.

Read in threads. This module knows the store and the measures. It does not know widgets.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llprobe.analysis.finding import from_here_on
from llprobe.analysis.measures import metric, probability
from llprobe.page.data import ItemText
from llprobe.plots.shapes import Curves, CurvesPanel, Level, Line
from llprobe.report import option_table
from llprobe.store import CellRecord, Store
from llprobe.task.prior import PRIOR

from ..itemtable import one_line
from .itemtext import mark
from .run.book import Book
from .run.data import short_names

__all__ = ["Elsewhere", "elsewhere", "neighbour", "race", "wins"]


@dataclass(frozen=True)
class Elsewhere:
    """What another cell says of an item."""

    run: str
    """What its run is called."""
    run_id: str
    cell: str
    """Its id."""
    model: str
    name: str
    right: tuple[bool, ...]
    """By layer."""
    wins_from: int | None
    """The layer from which the answer wins for good."""
    share: float
    """Probability of the answer among the options at the last layer."""


def race(book: Book, at: int) -> Curves:
    """Return the probabilities of an item's options over the layers; `*` marks the answer."""
    item, table = book.items[at], book.table.take([at])
    layers = np.asarray(table.layers, np.float64)
    lines = tuple(
        Line(f"{mark(item, n)} {one_line(text)}", layers, y)
        for n, (text, y) in enumerate(zip(item.choices, probability(table), strict=True))
    )
    guess = (Level("guess", 1 / len(item.choices)),)
    title = "probability among the options"
    return Curves("", "", (), "layer", title, (CurvesPanel(title, lines, guess),))


def wins(book: Book, at: int) -> str:
    """Say from which layer the answer wins for good, and how the last layer decides."""
    layers, since = book.table.layers, book.wins_from(at)
    ever = [layers[n] for n in np.flatnonzero(book.right[at]).tolist()]
    if since is not None:
        before = sum(layer < since for layer in ever)
        more = f" It led at {_layers(before)} before that." if before else ""
        return f"The answer wins for good from layer {since} of {layers[-1]}.{more}"
    if ever:
        led = f"the answer led at {_layers(len(ever))}, last at {ever[-1]}"
        return f"Wrong at layer {layers[-1]}: {led}."
    return "The answer wins at no layer."


def _layers(n: int) -> str:
    return "1 layer" if n == 1 else f"{n} layers"


def elsewhere(store: Store, book: Book, at: int) -> tuple[Elsewhere, ...]:
    """Read what other cells, of this run first, say of the same item; each cell once."""
    own, found = book.items[at], []
    seen = {book.cell.id}
    runs = sorted(store.runs(), key=lambda run: run.id != book.run)
    for run in runs:
        if book.cell.task not in run.tasks:
            continue
        cells = [cell for cell in store.cells(run.id) if _scored(cell)]
        for cell, name in zip(cells, short_names(cells), strict=True):
            if cell.task != book.cell.task or cell.id in seen:
                continue
            seen.add(cell.id)
            if _has(store, cell, own):
                found.append(_said(store, (run.name or run.id[:8], run.id), cell, name, own.id))
    return tuple(found)


def _scored(cell: CellRecord) -> bool:
    return cell.answer not in {PRIOR, "generate"} and cell.n_done > 0


def _has(store: Store, cell: CellRecord, item: ItemText) -> bool:
    """Whether a cell scored an item of this id with the same options."""
    rows = store.option_rows(cell.id, priors=False)
    choices = next((row.choices for row in rows if row.id == item.id), None)
    return choices is not None and tuple(json.loads(choices)) == item.choices


def _said(
    store: Store, run: tuple[str, str], cell: CellRecord, name: str, item: str
) -> Elsewhere:  # fmt: skip
    table = option_table(store, cell, priors=False)
    table = table.take([table.ids.index(item)])
    right = metric(table) > 0
    since = int(from_here_on(right)[0])
    return Elsewhere(
        *run, cell.id, cell.model, name, tuple(right[0].tolist()),
        table.layers[since] if since < len(table.layers) else None,
        float(probability(table)[int(table.best[0]), -1]),
    )  # fmt: skip


def neighbour(among: Sequence[str], item: str, by: int) -> str:
    """Return the item before or after one, itself at the end."""
    at = among.index(item) if item in among else 0
    return among[max(0, min(at + by, len(among) - 1))]
