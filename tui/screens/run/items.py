"""The tab of items: all items of a cell, filtered by words, each with where it is right.

This module knows keys and columns. What words choose is `itemfilter`'s to say.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Static

from llprobe.errors import UsageError

from ...itemtable import Field, ItemTable, Row
from ...widgets.filterbar import FilterBar
from .board import Board
from .book import WIDEST, Book, pattern, read_book
from .data import NamedCell, RunData, nothing_scored
from .itemfilter import HELP, STATES, matching
from .tab import RunTab

__all__ = ["ItemsTab"]

IntArray = npt.NDArray[np.int64]


class ItemsTab(RunTab):
    """Items, tens of thousands of them."""

    DEFAULT_CSS = """
    ItemsTab > #chosen { height: auto; max-height: 4; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "cell(1)", "Next cell"),
        Binding("C", "cell(-1)", "Previous cell", show=False),
        Binding("w", "state", "Right/wrong"),
    ]

    class Chosen(Message):
        """An item is to be opened, the one at `at` among these."""

        def __init__(self, book: Book, among: tuple[str, ...], at: int) -> None:
            super().__init__()
            self.book, self.among, self.at = book, among, at

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self.cell = ""
        self.words = ""
        self.state = ""
        self.book: Book | None = None
        self.places: IntArray = np.zeros(0, np.int64)

    def compose(self) -> ComposeResult:
        """Put the filter above the table."""
        yield FilterBar(HELP)
        yield Static(id="chosen", markup=False)
        yield ItemTable(id="itemrows")

    def enter(self) -> None:
        """Put the focus on the table."""
        self.query_one(ItemTable).focus()

    def choose(self, cell: str, group: str) -> None:
        """Show the items of a cell's group, when the tab comes to the front."""
        self.cell, self.state, self._stale = cell, "", True
        self.words = " ".join(f"group:{part}" for part in group.split())

    def looked_at(self) -> str:
        """Return the cell whose items are listed."""
        return self.cell

    # --- reading ----------------------------------------------------------------------------

    def draw(self, told: RunData) -> None:
        """Read the chosen cell, the first where none is."""
        ids = [each.cell.id for each in told.scored]
        if not ids:
            self.query_one("#chosen", Static).update(nothing_scored(told))
            self.query_one(ItemTable).show((), 0, self._row, empty="")
            return
        self.cell = self.cell if self.cell in ids else ids[0]
        own = self._named(told)
        if self.book is not None and self._is_current(own):
            self._filter()
            return
        run, cell = told.record.id, self.cell
        self.query_one("#chosen", Static).update(f"{own.name}: reading {own.cell.n_done} items ...")
        self.page.stored(lambda store: read_book(store, run, cell), self._got, name="items")

    def _named(self, told: RunData) -> NamedCell:
        return next(each for each in told.scored if each.cell.id == self.cell)

    def _is_current(self, own: NamedCell) -> bool:
        known = self.book
        return known is not None and (known.cell.id, len(known.items)) == (
            own.cell.id,
            own.cell.n_done,
        )

    def _got(self, book: Book) -> None:
        self.book = book
        self._filter()

    # --- showing ----------------------------------------------------------------------------

    def _filter(self) -> None:
        """Show what the words and the state choose; the cursor stays on its item."""
        book, table = self.book, self.query_one(ItemTable)
        if book is None:
            return
        before = int(self.places[table.cursor]) if table.cursor < len(self.places) else 0
        try:
            self.places = matching(book, f"{self.state} {self.words}")
        except UsageError as error:
            self.query_one("#chosen", Static).update(str(error))
            return
        at = int(np.searchsorted(self.places, before)) if len(self.places) else 0
        empty = "no item of this cell is chosen by these words: Esc in the filter clears them"
        table.show(_fields(book), len(self.places), self._row, at=at, empty=empty)
        self.query_one("#chosen", Static).update(self._said(book))

    def _said(self, book: Book) -> Text:
        told = self.told.scored if self.told else ()
        at = next((n for n, each in enumerate(told, 1) if each.cell.id == book.cell.id), 0)
        words = f"{self.state} {self.words}".strip()
        return Text.assemble(
            (book.name, "bold"), f" (cell {at} of {len(told)}): ",
            f"{len(self.places):,} of {len(book.items):,} items", f"; {words}" if words else "",
        )  # fmt: skip

    def _row(self, n: int) -> Row:
        book = self.book
        if book is None:
            return ()
        at = int(self.places[n])
        item, since = book.items[at], book.wins_from(at)
        return [
            "✓" if book.right[at, -1] else "✗", item.id, item.group if _grouped(book) else "",
            "–" if since is None else str(since), Text(pattern(book.right[at], _room(book))),
            _question(item.prompt),
        ]  # fmt: skip

    # --- keys -------------------------------------------------------------------------------

    @on(FilterBar.Changed)
    def _typed(self, event: FilterBar.Changed) -> None:
        event.stop()
        self.words = event.text
        self._filter()

    def action_state(self) -> None:
        """Go through right, wrong and changed items."""
        self.state = STATES[(STATES.index(self.state) + 1) % len(STATES)]
        self._filter()

    def action_cell(self, by: int) -> None:
        """Go to the next cell."""
        if self.told is None or not self.told.scored:
            return
        ids = [each.cell.id for each in self.told.scored]
        now = ids.index(self.cell) if self.cell in ids else 0
        self.cell = ids[(now + by) % len(ids)]
        self.draw(self.told)

    @on(ItemTable.Opened)
    def _open(self, event: ItemTable.Opened) -> None:
        event.stop()
        book = self.book
        if book is not None and event.row < len(self.places):
            among = tuple(book.table.ids[at] for at in self.places.tolist())
            self.post_message(self.Chosen(book, among, event.row))


def _question(prompt: str) -> str:
    """Return the end of a prompt, where the question stands."""
    return prompt.strip().split("\n\n")[-1]


def _grouped(book: Book) -> bool:
    """Whether groups say more than the ids, which often begin with them."""
    return any(not item.id.startswith(item.group) for item in book.items[:50])


def _room(book: Book) -> int:
    """Return the layers that a row shows: fewer where it has a group to show too."""
    return 24 if _grouped(book) else WIDEST


def _fields(book: Book) -> list[Field]:
    ids = max((len(item.id) for item in book.items), default=4)
    groups = max((len(item.group) for item in book.items), default=0) if _grouped(book) else 0
    layers = max(min(len(book.table.layers), _room(book)), 5)
    return [
        Field("", 1), Field("item", min(max(ids, 4), 18)),
        Field("group" if groups else "", min(max(groups, 1), 14)),
        Field("from", 4, right=True), Field("right at layers", layers), Field("question"),
    ]  # fmt: skip
