"""A grid of short texts with a share each: only what is on the screen is drawn.

A share is shown twice, as the height of a bar and as a shade between the theme's own colours, so
it can be read in 16 colours and in none. The first line and the first column stay where they are.
This module knows rows, columns and shares. It does not know what they mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, Final

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

__all__ = ["BARS", "Cells", "GridView"]

BARS: Final = "▁▂▃▄▅▆▇█"
"""The lowest eighth to the highest."""

_STEPS: Final = 8
_CELL: Final = 12
"""Characters of a cell: a bar, a text of ten, and a gap."""


@dataclass(frozen=True)
class Cells:
    """What a grid shows; `cell(row, column)` is asked for those on the screen only."""

    rows: tuple[str, ...]
    """Labels of the rows, the upper one first."""
    columns: tuple[str, ...]
    """Headings."""
    cell: Callable[[int, int], tuple[str, float]]
    """A cell's text, and its share in [0, 1]."""


class GridView(ScrollView, can_focus=True):
    """A grid with a cursor, moved by h j k l, the arrows, g and G, 0 and $, and the mouse."""

    DEFAULT_CSS = """
    GridView { height: 1fr; width: 1fr; min-height: 4; }
    GridView > .gridview--low { background: $background; }
    GridView > .gridview--high { background: $primary; }
    GridView > .gridview--head { color: $text-muted; text-style: bold; }
    GridView > .gridview--cursor { background: $foreground; color: $background; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "gridview--low",
        "gridview--high",
        "gridview--head",
        "gridview--cursor",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h,left", "move(0,-1)", "left", show=False),
        Binding("l,right", "move(0,1)", "right", show=False),
        Binding("k,up", "move(-1,0)", "up", show=False),
        Binding("j,down", "move(1,0)", "down", show=False),
        Binding("g", "edge('top')", "top", show=False),
        Binding("G", "edge('bottom')", "bottom", show=False),
        Binding("0,home", "edge('left')", "first column", show=False),
        Binding("$,end", "edge('right')", "last column", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "page up", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "page down", show=False),
    ]

    class Moved(Message):
        """The cursor is at another cell, or at the same one of other cells."""

        def __init__(self, grid: GridView, row: int, column: int) -> None:
            super().__init__()
            self.grid, self.row, self.column = grid, row, column

        @property
        def control(self) -> GridView:
            """The grid."""
            return self.grid

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  # as Textual calls it
        super().__init__(id=id)
        self._cells = Cells((), (), lambda _row, _column: ("", 0.0))
        self.row = self.column = 0

    def show(self, cells: Cells, row: int, column: int) -> None:
        """Show other cells, with the cursor at a place."""
        self._cells = cells
        self.virtual_size = Size(
            self._margin + _CELL * len(cells.columns) + _CELL - 1 if cells.columns else 0,
            len(cells.rows) + 1 if cells.rows else 0,
        )
        self.go(row, column)
        self.call_after_refresh(self._reveal)  # scroll bars are there only then

    def repaint(self, cells: Cells) -> None:
        """Show other shares or texts of the same rows and columns."""
        self._cells = cells
        self.refresh()

    @property
    def empty(self) -> bool:
        """Whether there is no cell."""
        return not (self._cells.rows and self._cells.columns)

    @property
    def _margin(self) -> int:
        return max((len(row) for row in self._cells.rows), default=0) + 1

    def go(self, row: int, column: int) -> None:
        """Put the cursor at a cell, or at the nearest that there is, and have it seen."""
        if self.empty:
            return
        self.row = min(max(row, 0), len(self._cells.rows) - 1)
        self.column = min(max(column, 0), len(self._cells.columns) - 1)
        self._reveal()
        self.refresh()
        self.post_message(self.Moved(self, self.row, self.column))

    def _reveal(self) -> None:
        if self.empty:
            return
        width = self.scrollable_content_region.width - self._margin
        height = self.scrollable_content_region.height - 1
        first = _shown(self.scroll_offset.x // _CELL, self.column, max(width // _CELL, 1))
        y = _shown(self.scroll_offset.y, self.row, max(height, 1))
        self.scroll_to(first * _CELL, y, animate=False)

    def on_resize(self) -> None:
        """Keep the cursor on the screen."""
        self._reveal()

    def action_move(self, down: int, right: int) -> None:
        """Move the cursor by rows and columns."""
        self.go(self.row + down, self.column + right)

    def action_edge(self, where: str) -> None:
        """Move the cursor to the first or last row or column."""
        last_row, last_column = len(self._cells.rows) - 1, len(self._cells.columns) - 1
        row = {"top": 0, "bottom": last_row}.get(where, self.row)
        self.go(row, {"left": 0, "right": last_column}.get(where, self.column))

    def action_page(self, pages: int) -> None:
        """Move the cursor up or down by what the screen holds."""
        self.go(self.row + pages * max(self.scrollable_content_region.height - 2, 1), self.column)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where it was clicked; the headings are no cells."""
        at = event.get_content_offset(self)
        if at is not None and at.x >= self._margin and at.y >= 1:
            column = (at.x - self._margin + self.scroll_offset.x) // _CELL
            self.go(at.y - 1 + self.scroll_offset.y, column)

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        width, plain = self.scrollable_content_region.width, self.rich_style
        row = self.scroll_offset.y + y - 1
        if self.empty or row >= len(self._cells.rows):
            return Strip.blank(self.size.width, plain)
        first, cut = divmod(self.scroll_offset.x, _CELL)
        last = min(first + width // _CELL + 2, len(self._cells.columns))
        draw = self._heading if y == 0 else self._cell
        strip = Strip([part for column in range(first, last) for part in draw(row, column)])
        room = max(width - self._margin, 0)
        strip = strip.crop_extend(cut, cut + room, plain)
        if y == 0 and self.scroll_offset.x + room < _CELL * len(self._cells.columns):
            more = Segment(">", self.get_component_rich_style("gridview--head"))
            strip = Strip([*strip.crop(0, max(room - 1, 0)), more])
        return Strip.join([Strip([self._row_label(row, y)]), strip])

    def _row_label(self, row: int, y: int) -> Segment:
        if y == 0:
            sign = "<" if self.scroll_offset.x else " "
            style = self.get_component_rich_style("gridview--head")
            return Segment(f"{sign:>{self._margin - 1}} ", style)
        kind = "gridview--cursor" if row == self.row else "gridview--head"
        text = f"{self._cells.rows[row]:>{self._margin - 1}} "
        return Segment(text, self.get_component_rich_style(kind))

    def _heading(self, _row: int, column: int) -> list[Segment]:
        kind = "gridview--cursor" if column == self.column else "gridview--head"
        text = set_cell_size(" " + self._cells.columns[column], _CELL - 1) + " "
        return [Segment(text, self.get_component_rich_style(kind))]

    def _cell(self, row: int, column: int) -> list[Segment]:
        text, share = self._cells.cell(row, column)
        step = _step(share)
        here = (row, column) == (self.row, self.column)
        shown = set_cell_size(text, _CELL - 2) + ("◂" if here else " ")
        return [
            Segment(BARS[step], self._bar_style()),
            Segment(shown, self._style(step, here=here)),
        ]

    def _bar_style(self) -> Style:
        """Return how a bar is drawn, on every shade alike: in a bright cell it would be a gap."""
        low, high = self._ends()
        return Style(color=high.rich_color, bgcolor=low.rich_color)

    def _ends(self) -> tuple[Color, Color]:
        """Return the shades of the lowest and the highest share."""
        low = self.get_component_styles("gridview--low").background
        return low, self.get_component_styles("gridview--high").background

    def _style(self, step: int, *, here: bool) -> Style:
        if here:
            return self.get_component_rich_style("gridview--cursor")
        low, high = self._ends()
        return _on(low.blend(high, step / _STEPS))

    def legend(self, low: str, high: str) -> Text:
        """Return bars and shades from the lowest to the highest share, with what they stand for."""
        bars = Text()
        for n, bar in enumerate(BARS):
            bars.append(bar, self._bar_style()).append(" ", self._style(n, here=False))
        return Text.assemble(f"{low} ", bars, f" {high}")


def _on(shade: Color) -> Style:
    text = shade.get_contrast_text(0.9)
    return Style(color=(shade + text).rich_color, bgcolor=shade.rich_color)


def _step(share: float) -> int:
    return min(max(int(share * _STEPS), 0), _STEPS - 1) if isfinite(share) else 0


def _shown(offset: int, place: int, room: int) -> int:
    """Return the scroll offset next to `offset` at which a place is seen."""
    return place if place < offset else max(offset, place + 1 - room)
