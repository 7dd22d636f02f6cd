"""A table of any number of rows, of which only those on the screen are asked for and drawn.

This module knows columns and a cursor. It does not know what the rows are about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final, TypeAlias

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

__all__ = ["Field", "ItemTable", "Row", "one_line", "printable", "widths"]

Row: TypeAlias = Sequence[Text | str]
"""The texts of a row, one a field."""

_GAP: Final = 1
_MARK: Final = 2
"""Characters left of a row, where the cursor's mark stands."""


@dataclass(frozen=True)
class Field:
    """A column."""

    heading: str
    width: int = 0
    """In characters; 0 for a share of what the others leave."""
    right: bool = False


def one_line(text: str) -> str:
    """Return a text on one line, without characters that move a terminal's cursor."""
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))


def printable(text: str) -> str:
    """Return a text without characters that move a terminal's cursor, but line breaks."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def widths(fields: Sequence[Field], room: int) -> list[int]:
    """Share `room` characters out; fields that find none have 0."""
    left = room - sum(field.width for field in fields) - _GAP * (len(fields) - 1)
    open_ = sum(field.width == 0 for field in fields)
    share = max(left, 0) // max(open_, 1)
    return [field.width or share for field in fields]


def _line(fields: Sequence[Field], row: Row, room: int) -> Text:
    """Put the texts of a row side by side, cut where they are too long."""
    line = Text(no_wrap=True, end="")
    for field, width, entry in zip(fields, widths(fields, room), row, strict=True):
        if not width:
            continue
        text = entry.copy() if isinstance(entry, Text) else Text(one_line(entry))
        text.truncate(width, overflow="ellipsis")
        pad = " " * (width - cell_len(text.plain))
        line.append_text(Text(pad) + text if field.right else text + Text(pad))
        line.append(" " * _GAP)
    return line


class ItemTable(ScrollView, can_focus=True):
    """Rows with a cursor; `show` says what there is, and `Opened` what was chosen."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"itemtable--head", "itemtable--cursor"}
    DEFAULT_CSS = """
    ItemTable { height: 1fr; background: $background; scrollbar-gutter: stable; }
    ItemTable > .itemtable--head { text-style: bold underline; }
    ItemTable > .itemtable--cursor { text-style: reverse; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "Down", show=False),
        Binding("k,up", "move(-1)", "Up", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False),
        Binding("g,home", "end(0)", "First", show=False),
        Binding("G,end", "end(1)", "Last", show=False),
        Binding("enter", "open", "Open"),
    ]

    cursor: reactive[int] = reactive(0)

    class Opened(Message):
        """A row was chosen with Enter or a second click."""

        def __init__(self, table: ItemTable, row: int) -> None:
            super().__init__()
            self.table, self.row = table, row

        @property
        def control(self) -> ItemTable:
            """The table."""
            return self.table

    class Moved(Message):
        """The cursor stands on another row."""

        def __init__(self, table: ItemTable, row: int) -> None:
            super().__init__()
            self.table, self.row = table, row

        @property
        def control(self) -> ItemTable:
            """The table."""
            return self.table

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._fields: tuple[Field, ...] = ()
        self._row: Callable[[int], Row] = lambda _: ()
        self._empty = ""
        self._early: list[Callable[[], None]] | None = []
        self.n_rows = 0

    def show(
        self,
        fields: Sequence[Field],
        n_rows: int,
        row: Callable[[int], Row],
        *,
        empty: str = "nothing to show",
        at: int = 0,
    ) -> None:
        """Show `n_rows` rows, the cursor on row `at`; `row` is asked for those on the screen.

        Keys that were pressed before rows were shown for the first time take effect now.
        """
        self._fields, self._row, self._empty, self.n_rows = tuple(fields), row, empty, n_rows
        self.virtual_size = Size(0, n_rows + 1)
        self.set_reactive(ItemTable.cursor, self.validate_cursor(at))
        self._follow()
        self.refresh()
        early, self._early = self._early, None
        for act in early or ():
            act()

    def _waits(self, act: Callable[[], None]) -> bool:
        """Whether rows are still to come; then `act` is done when they are there."""
        if self._early is None:
            return False
        self._early.append(act)
        return True

    # --- the cursor -------------------------------------------------------------------------

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor among the rows."""
        return max(0, min(cursor, self.n_rows - 1))

    def watch_cursor(self) -> None:
        """Bring the cursor's row onto the screen, and say so."""
        self._follow()
        self.refresh()
        if self.n_rows:
            self.post_message(self.Moved(self, self.cursor))

    def _follow(self) -> None:
        top, shown = round(self.scroll_y), self._shown()
        if self.cursor < top:
            self._to(self.cursor)
        elif self.cursor >= top + shown:
            self._to(self.cursor - shown + 1)

    def _to(self, y: int) -> None:
        self.scroll_to(y=y, animate=False, immediate=True, force=True)

    def _width(self) -> int:
        """Characters of a line, beside the scroll bar."""
        return self.scrollable_content_region.width

    def _shown(self) -> int:
        """Rows that have room below the headings."""
        return max(self.size.height - 1, 1)

    def action_move(self, by: int) -> None:
        """Move the cursor some rows."""
        if not self._waits(partial(self.action_move, by)):
            self.cursor += by

    def action_page(self, by: int) -> None:
        """Move the cursor a screen."""
        if not self._waits(partial(self.action_page, by)):
            self.cursor += by * self._shown()

    def action_end(self, last: int) -> None:
        """Move the cursor to the first or the last row."""
        if not self._waits(partial(self.action_end, last)):
            self.cursor = self.n_rows - 1 if last else 0

    def action_open(self) -> None:
        """Say that the cursor's row was chosen."""
        if not self._waits(self.action_open) and self.n_rows:
            self.post_message(self.Opened(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the row under the mouse; a second click opens it."""
        row = round(self.scroll_y) + event.y - 1
        if event.y and row < self.n_rows:
            self.cursor = row
            if event.chain == 2:
                self.action_open()

    def on_resize(self) -> None:
        """Keep the cursor on the screen."""
        self._follow()

    # --- drawing ----------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Return a line of the screen: the headings, then rows."""
        room = self._width()
        base = self.rich_style
        if y == 0:
            head = _line(self._fields, [f.heading for f in self._fields], room - _MARK)
            return self._strip("  ", head, base + self.get_component_rich_style("itemtable--head"))
        row = round(self.scroll_y) + y - 1
        if row >= self.n_rows:
            said = self._empty if not self.n_rows and y == 1 else ""
            return self._strip("  ", Text(said, end=""), base)
        line = _line(self._fields, self._row(row), room - _MARK)
        if row != self.cursor:
            return self._strip("  ", line, base)
        lit = self.get_component_rich_style("itemtable--cursor", partial=True)
        return self._strip("> ", line, base + lit if self.has_focus else base)

    def _strip(self, mark: str, line: Text, style: Style) -> Strip:
        text = Text(mark, end="") + line
        segments = list(text.render(self.app.console))
        return Strip(segments).apply_style(style).adjust_cell_length(self._width(), style)
