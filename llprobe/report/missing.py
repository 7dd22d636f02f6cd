"""What an answer or a comparison lacks: cells without scores, and those without a partner or layer.

A reader takes "no difference" for all that was run; so what is not in it is named, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from llprobe.report.pairing import FEATURES, Side, feature
from llprobe.report.spans import spans
from llprobe.store import CellRecord
from llprobe.task.prior import PRIOR

__all__ = ["cell_names", "lacking", "unfinished", "unscored", "without_last_layer"]

_LISTED: Final = 6
"""More cells than this are counted, not named."""
_LONGEST: Final = 120
"""Characters of a failure that are repeated; `show` has it whole."""


def cell_names(cells: Sequence[CellRecord], among: Sequence[CellRecord] = ()) -> list[str]:
    """Return what each cell is called: its task, and what tells it from others of that task.

    `among` are the cells from which they are told apart, themselves if there are none.
    """
    return [_name(cell, among or cells) for cell in cells]


def _name(cell: CellRecord, among: Iterable[CellRecord]) -> str:
    same = [other for other in among if other.task == cell.task]
    telling = [name for name in FEATURES if len({feature(c, name) for c in same}) > 1]
    more = ", ".join(feature(cell, name) for name in telling)
    return f"{cell.task} ({more})" if more else cell.task


def unscored(cells: Sequence[CellRecord]) -> str:
    """Name the cells of which nothing is scored, with the reasons; empty where there are none."""
    asked = _scorable(cells)
    return _listed([f"{name}: {_why(cell)}" for name, cell in asked if not cell.n_done])


def unfinished(cells: Sequence[CellRecord]) -> str:
    """Name the cells of which some questions are not scored; empty where there are none."""
    return _listed([
        f"{name}: {cell.n_done} of {cell.n_items} questions are scored"
        for name, cell in _scorable(cells) if 0 < cell.n_done < cell.n_items
    ])  # fmt: skip


def without_last_layer(sides: Sequence[Side]) -> str:
    """Name the cells without scores at their model's last layer, with the layers they have."""
    cells = [side.cell for side in sides]
    both = zip(cell_names(cells), sides, strict=True)
    return _listed([
        f"{name}: layers {spans(side.table.layers)} of {side.n_layers}"
        for name, side in both if side.n_layers not in side.table.layers
    ])  # fmt: skip


def lacking(without: Sequence[Side], among: Sequence[Side], what: str) -> str:
    """Say that an answer does not speak of some sides, which lack `what`.

    A sentence after a space; nothing where there are none. `among` all they are told apart.
    """
    if not without:
        return ""
    names = cell_names([side.cell for side in without], [side.cell for side in among])
    return f" Not in this answer, since {what} not scored: {_listed(names)}."


def _scorable(cells: Sequence[CellRecord]) -> list[tuple[str, CellRecord]]:
    """Return the cells in which options of questions are scored, with their names."""
    asked = [cell for cell in cells if cell.answer not in {PRIOR, "generate"}]
    return list(zip(cell_names(asked), asked, strict=True))


def _why(cell: CellRecord) -> str:
    if cell.status == "failed":
        first = cell.error.partition("\n")[0]
        return f"failed, {first if len(first) <= _LONGEST else f'{first[:_LONGEST]}…'}"
    if cell.skipped and not cell.n_items:
        return f"all questions are skipped, {cell.skipped[0].reason}"
    return "nothing is scored yet"


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _LISTED
    return "; ".join([*texts[:_LISTED], *([f"{more} more"] if more > 0 else [])])
