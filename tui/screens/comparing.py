"""Two sides of a comparison: what can stand against what, and the items that changed sides.

Read in threads. This module knows `report`'s pairs and rows. It does not know widgets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from llprobe.analysis.measures import metric
from llprobe.errors import LlprobeError, UnknownName, UsageError
from llprobe.plots import Figure, Wish, gather
from llprobe.published import NAMES, is_published
from llprobe.report.compare import Compared, Difference, Question, compare_cells, compare_runs
from llprobe.report.compare.layers import common
from llprobe.report.pairing import FEATURES, Side, across, between, feature, shared, sides
from llprobe.store import CellRecord, Store

__all__ = ["BETWEEN", "Changed", "Partners", "changed", "compared", "curves", "partners"]

BETWEEN = "runs"
"""Stands for runs against each other, in place of a feature."""


@dataclass(frozen=True)
class Partners:
    """What the runs can be compared by and with."""

    ways: tuple[str, ...]
    """`BETWEEN` where there are several runs, then the features in which cells differ."""
    others: tuple[tuple[str, str], ...]
    """Other runs and published tables: how they are found, and what they are called."""
    names: tuple[str, ...]
    """What the compared runs are called."""
    scored: tuple[tuple[str, int], ...]
    """The cells of the compared runs, each with the number of its scored items."""


def partners(store: Store, runs: Sequence[str]) -> Partners:
    """Read what the runs can be compared by and with. Raises UnknownName for a run that is gone."""
    stored = [store.find_run(run) for run in runs if not is_published(run)]
    cells = [cell for run in stored for cell in store.cells(run)]
    differ = [name for name in FEATURES if _differ(cells, name)]
    if len({cell.model.partition(":")[0] for cell in cells}) == 1 and "quant" in differ:
        # files of one model are told by their quants
        differ = [name for name in differ if name != "model"]
    known = {run.id: run.name or run.id[:8] for run in store.runs()}
    others = [(id_, name) for id_, name in known.items() if id_ not in stored]
    others += [(name, name) for name in NAMES if name not in runs]
    return Partners(
        (*([BETWEEN] if len(runs) > 1 else []), *differ),
        tuple(others),
        tuple(run if is_published(run) else known[store.find_run(run)] for run in runs),
        tuple((cell.id, cell.n_done) for cell in cells),
    )


def compared(store: Store, runs: Sequence[str], way: str, ask: Question) -> Compared | str:
    """Compare runs, or cells within them; return why they cannot be compared where they cannot."""
    try:
        if way == BETWEEN:
            return compare_runs(store, runs, ask)
        return compare_cells(store, [run for run in runs if not is_published(run)], way, ask)
    except UnknownName:
        raise
    except UsageError as error:
        return str(error)


def curves(store: Store, runs: Sequence[str], wish: Wish) -> Figure | str:
    """Return the curves of one task over each other, or why there are none."""
    try:
        return gather("curves", store, runs, wish)
    except LlprobeError as error:
        return str(error)


def _differ(cells: Sequence[CellRecord], name: str) -> bool:
    """Whether any task was asked with several values of a feature."""
    asked = {(cell.task, feature(cell, name)) for cell in cells}
    return len(asked) > len({cell.task for cell in cells})


@dataclass(frozen=True)
class Changed:
    """An item that is right on one side only."""

    run: str
    cell: str
    """Run and cell of the second side."""
    item: str
    group: str
    gained: bool
    """Whether the second side has it right."""


def changed(
    store: Store, runs: Sequence[str], way: str, row: Difference
) -> tuple[Changed, ...]:  # fmt: skip
    """Return the items that are right on one side of a difference only, those gained first.

    Raises UsageError where the two sides have no items in common.
    """
    if not row.paired:
        return ()
    for a, b in _pairs(store, runs, way):
        if (a.cell.task, a.label, b.label, common(a, b)) == (row.task, row.a, row.b, row.shared):
            return tuple(sorted(_items(store, a, b, row), key=lambda each: not each.gained))
    return ()


def _pairs(store: Store, runs: Sequence[str], way: str) -> Iterator[tuple[Side, Side]]:
    stored = [store.find_run(run) for run in runs if not is_published(run)]
    if way == BETWEEN:
        yield from between([sides(store, run) for run in stored])
    else:
        yield from across([side for run in stored for side in sides(store, run)], way)


def _items(store: Store, a: Side, b: Side, row: Difference) -> Iterator[Changed]:
    own, other = shared(store, a, b)
    before = metric(a.table, row.metric)[own, a.table.layers.index(row.layer_a)]
    after = metric(b.table, row.metric)[other, b.table.layers.index(row.layer_b)]
    for at in np.flatnonzero(before != after).tolist():
        n = int(other[at])
        yield Changed(
            b.run, b.cell.id, b.table.ids[n], b.table.groups[n], bool(after[at] > before[at])
        )  # fmt: skip
