"""A table whose cursor also moves with j, k, g, G, h and l, and that keeps it over changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rich.cells import cell_len
from rich.markup import escape
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

__all__ = ["Rows"]


class Rows(DataTable[Any]):
    """A DataTable of whole rows, each known by a key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open"),
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("g", "scroll_top", "First", show=False),
        Binding("G,shift+g", "scroll_bottom", "Last", show=False),
        Binding("h", "cursor_left", "Left", show=False),
        Binding("l", "cursor_right", "Right", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - as all widgets
        super().__init__(id=id, cursor_type="row", zebra_stripes=False)
        self._shown: dict[str, Sequence[Text | str]] = {}
        self._headings: tuple[str, ...] = ()

    @property
    def current(self) -> str:
        """The key of the row under the cursor; empty where there is none."""
        if not self.row_count:
            return ""
        return str(self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value)

    def fill(self, headings: Sequence[str], rows: Mapping[str, Sequence[Text | str]]) -> None:
        """Show these rows; the cursor stays on its row, or its place where that one is gone.

        Where only cells have changed, only these are written. Columns are as wide as what stands
        in them: measured by Textual, when it is idle, they would be drawn too narrow before.
        """
        if tuple(headings) == self._headings and list(rows) == list(self._shown):
            self._write_changed(rows)
        else:
            self._write_anew(tuple(headings), rows)
        self._widen(rows)
        self._shown = dict(rows)

    def _widen(self, rows: Mapping[str, Sequence[Text | str]]) -> None:
        columns = zip(self._headings, *rows.values(), strict=True)
        for column, cells in zip(self.ordered_columns, columns, strict=True):
            column.auto_width, column.width = False, max(map(_width, cells))

    def _write_changed(self, rows: Mapping[str, Sequence[Text | str]]) -> None:
        for key, cells in rows.items():
            before = self._shown[key]
            for heading, old, new in zip(self._headings, before, cells, strict=True):
                if old != new:
                    self.update_cell(key, heading, _plain(new), update_width=True)

    def _write_anew(
        self, headings: tuple[str, ...], rows: Mapping[str, Sequence[Text | str]]
    ) -> None:
        key, place, top = self.current, self.cursor_row, self.scroll_y
        if headings != self._headings:
            self.clear(columns=True)
            for heading in headings:
                self.add_column(heading, key=heading)
            self._headings = headings
        else:
            self.clear()
        for each, cells in rows.items():
            self.add_row(*map(_plain, cells), key=each)
        if rows:
            known = list(rows)
            self.move_cursor(row=known.index(key) if key in rows else min(place, len(known) - 1))
            self.scroll_to(y=top, animate=False)


def _width(cell: Text | str) -> int:
    """Return the characters that a cell takes."""
    return cell.cell_len if isinstance(cell, Text) else cell_len(cell)


def _plain(cell: Text | str) -> Text | str:
    """Return a cell that is shown as it is: Textual takes what stands in brackets for a style."""
    return cell if isinstance(cell, Text) else escape(cell)
