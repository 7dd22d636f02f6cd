"""The tab of groups: a row for every group of items of every cell.

This module knows columns and keys. The rows are `report.summaries`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from llprobe.report import Summary, summaries
from llprobe.store import CellRecord, Store

from ...itemtable import Field, ItemTable, Row
from ...runcolumns import spark
from .board import Board
from .data import RunData, named, nothing_scored
from .tab import RunTab

__all__ = ["GroupRow", "GroupsTab", "group_rows"]

_WAYS = ("group", "facet")


@dataclass(frozen=True)
class GroupRow:
    """A group of a cell; `group` is empty for the whole of it."""

    cell: CellRecord
    name: str
    """The cell's short name."""
    group: str
    values: Row
    """Items, chance, best, its layer, layer before the last, last."""
    curve: tuple[float, ...]
    """Accuracy at each scored layer."""


def group_rows(store: Store, run: str, by: str) -> tuple[GroupRow, ...]:
    """Read the groups of a run, each after the whole of its cell."""
    found = summaries(store, run, by=by)
    cells = {each.cell.id: each.cell for each in found}
    names = {each.cell.id: each.name for each in named(list(cells.values()))}
    return tuple(_row_of(s, names[s.cell.id]) for s in found)


def _row_of(summary: Summary, name: str) -> GroupRow:
    row = summary.row()
    values = [
        str(row["items"]), _percent(row["chance"]), _percent(row["best_held_out"]),
        str(row["best_layer"]),
        _percent(row["penultimate"]), _percent(row["last"]),
    ]  # fmt: skip
    curve = tuple(row[f"{summary.metric}_by_layer"])
    return GroupRow(summary.cell, name, summary.group, values, curve)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


class GroupsTab(RunTab):
    """Groups of items, sorted as a reader asks."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("b", "by", "Group by")]
    DEFAULT_CSS = """
    GroupsTab > Static { height: 1; }
    """

    class Chosen(Message):
        """The items of a group are asked for."""

        def __init__(self, cell: str, group: str) -> None:
            super().__init__()
            self.cell, self.group = cell, group

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self.by = "group"
        self.rows: tuple[GroupRow, ...] = ()
        self._curve = 0

    def compose(self) -> ComposeResult:
        """Say what is shown above it."""
        yield Static(id="by")
        yield ItemTable(id="grouprows")

    def enter(self) -> None:
        """Put the focus on the table."""
        self.query_one(ItemTable).focus()

    def looked_at(self) -> str:
        """Return the cell of the row under the cursor."""
        at = self.query_one(ItemTable).cursor
        return self.rows[at].cell.id if at < len(self.rows) else ""

    def draw(self, told: RunData) -> None:
        """Read the rows in a thread."""
        run, by = told.record.id, self.by
        self.query_one("#by", Static).update(
            Text.assemble("accuracy (MC1) in %, by ", (by, "bold"), "; Enter shows the items")
        )
        self.page.stored(lambda store: group_rows(store, run, by), self._got, name="groups")

    def _got(self, rows: tuple[GroupRow, ...]) -> None:
        self.rows = rows
        table, fields = self.query_one(ItemTable), _fields(rows, self.app.size.width)
        self._curve = fields[-1].width
        table.show(
            fields, len(rows), self._row, at=table.cursor,
            empty=nothing_scored(self.told) if self.told else "",
        )  # fmt: skip

    def _row(self, n: int) -> Row:
        row = self.rows[n]
        name = Text(f"  {row.group}") if row.group else Text(row.name, "bold")
        return [name, *row.values, spark(row.curve, self._curve)]

    def action_by(self) -> None:
        """Sort items another way: by group, every part of groups' names, or one of them."""
        ways = [*_WAYS, *self.facets()]
        self.by = ways[(ways.index(self.by) + 1) % len(ways)]
        if self.told is not None:
            self.draw(self.told)

    @on(ItemTable.Opened)
    def _open(self, event: ItemTable.Opened) -> None:
        event.stop()
        row = self.rows[event.row]
        # a part of a group's name is not the name of one
        self.post_message(self.Chosen(row.cell.id, row.group if self.by == "group" else ""))


def _fields(rows: Sequence[GroupRow], width: int) -> list[Field]:
    curve = max((len(row.curve) for row in rows), default=8)
    curve = min(curve, max(width - 72, 10))
    longest = max((cell_len(row.group or row.name) for row in rows), default=11) + 4
    # figures stand beside the names where the screen is wide
    name = longest if longest < width - curve - 46 else 0
    # the curve gives way where the screen is narrow: it shows fewer layers, the last one always
    return [
        Field("cell, group", name), Field("items", 6, right=True),
        Field("chance", 6, right=True), Field("best", 5, right=True),
        Field("at", 3, right=True), Field("last-1", 6, right=True),
        Field("last", 5, right=True), Field("curve", curve),
    ]  # fmt: skip
