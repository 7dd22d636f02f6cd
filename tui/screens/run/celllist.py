"""A list of a run's cells from which some are chosen. This module knows names and keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message

from ...itemtable import Field, ItemTable, Row
from .data import NamedCell

__all__ = ["CellList"]

_FRAME = 6
"""Characters beside a name: the cursor's mark, whether it is chosen, the scroll bar."""


class CellList(ItemTable):
    """Cells; space or Enter chooses one or takes it back, a chooses all or the first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,enter", "open", "Choose", key_display="space"),
        Binding("a", "all", "All", show=False),
    ]

    class Changed(Message):
        """Other cells are chosen."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._cells: tuple[NamedCell, ...] = ()
        self._on: set[str] = set()

    @property
    def chosen(self) -> list[NamedCell]:
        """The chosen cells, in the run's order."""
        return [each for each in self._cells if each.cell.id in self._on]

    @property
    def current(self) -> str:
        """The id of the cell under the cursor; empty where there is none."""
        return self._cells[self.cursor].cell.id if self.cursor < len(self._cells) else ""

    def list(self, cells: Sequence[NamedCell]) -> None:
        """List cells; what was chosen stays so, and the first is where nothing was."""
        self._cells = tuple(cells)
        self._on &= {each.cell.id for each in cells}
        self._on |= {each.cell.id for each in cells[: not self._on]}
        longest = max((cell_len(each.name) for each in cells), default=0)
        # no wider than the chart can spare
        self.styles.width = min(longest + _FRAME, max(self.app.size.width * 36 // 100, 20))
        self.show(
            [Field("", 1), Field("cell")], len(cells), self._line, at=self.cursor, empty="no cells"
        )

    def _line(self, n: int) -> Row:
        each = self._cells[n]
        return ["●" if each.cell.id in self._on else "○", each.name]

    def _choose(self, n: int) -> None:
        self._on ^= {self._cells[n].cell.id}
        self._tell()

    def _tell(self) -> None:
        self.refresh()
        self.post_message(self.Changed())

    @on(ItemTable.Opened)
    def _opened(self, event: ItemTable.Opened) -> None:
        event.stop()
        self._choose(event.row)

    def action_all(self) -> None:
        """Choose all cells; only the first where all are chosen."""
        ids = [each.cell.id for each in self._cells]
        self._on = set(ids if len(self._on) < len(ids) else ids[:1])
        self._tell()
