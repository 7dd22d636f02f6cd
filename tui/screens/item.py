"""The page of one item: its prompt, its options, their race over the layers, the item elsewhere.

This module knows places and keys. What is said of an item is `answers`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from llprobe.errors import LlprobeError
from llprobe.store import Store

from ..itemtable import Field, ItemTable, Row, one_line
from ..page import Page
from .answers import Elsewhere, elsewhere, neighbour, race, wins
from .itemtext import item_text
from .run.book import Book, pattern, read_book
from .run.figureview import FigureView
from .run.tab import Scroll
from .tokenreader import TokenReader

__all__ = ["ItemScreen"]


class ItemScreen(Page):
    """An item of a cell; n and p go through `among`, the cell's items where none are given."""

    TITLE = "Item"
    HELP = """
The prompt as the model got it, its options with their log-probs at the last layer, and the
probability of each option among them over the layers. `*` is the answer, `+` also true. `n` and
`p` go to the next and the previous item of the list this page was opened from; `w` shows the
whole prompt with its worked examples; `b` shows where tokens end, as the model itself reads prompt
and options. Below stand the other cells that hold the same item: Enter opens it there.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "item(1)", "Next item"),
        Binding("p", "item(-1)", "Previous"),
        Binding("w", "whole", "Whole prompt"),
        Binding("b", "bounds", "Tokens"),
    ]
    DEFAULT_CSS = """
    ItemScreen #head { text-wrap: nowrap; text-overflow: ellipsis; }
    ItemScreen #upper { height: 1fr; }
    ItemScreen Scroll { height: 1fr; width: 1fr; padding: 0 1; }
    ItemScreen #right { width: 1fr; padding: 0 1; }
    ItemScreen FigureView { height: 1fr; }
    ItemScreen #wins { height: auto; max-height: 3; }
    ItemScreen ItemTable { height: 6; }
    """

    def __init__(
        self,
        run: str,
        cell: str,
        item: str,
        *,
        book: Book | None = None,
        among: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.of_run, self.of_cell, self.item = run, cell, item
        self.book, self.among = book, tuple(among)
        self.whole = self.bounds = False
        self._shown = ""
        self._reader = TokenReader(self)
        self.others: tuple[Elsewhere, ...] = ()

    def body(self) -> ComposeResult:
        """Put the text beside the race, the other cells below."""
        with Horizontal(id="upper"):
            with Scroll(can_focus=True):
                yield Static("reading ...", id="text")
            with Vertical(id="right"):
                yield FigureView(id="race")
                yield Static(id="wins", markup=False)
        yield ItemTable(id="others")

    def refresh_data(self) -> None:
        """Read the cell, unless it was given; then look again for the item elsewhere."""
        if not self.is_mounted:
            return
        run, cell, known = self.of_run, self.of_cell, self.book

        def read(store: Store) -> Book:
            if known is None:
                return read_book(store, run, cell)
            store.find_run(known.run)  # it may have been deleted meanwhile
            return known

        self.stored(read, self._got, name="item")

    def _got(self, book: Book) -> None:
        self.book = book
        if self._shown == self.item:
            self._look(book, book.place(self.item))
        else:
            self._show(book)

    def _show(self, book: Book) -> None:
        """Show the item, and look for it elsewhere."""
        at, self._shown = book.place(self.item), self.item
        self.query_one("#head", Static).update(Text(self._said(book, at)))
        self._write()
        self.query_one("#race", FigureView).draw(race(book, at), book.wins_from(at))
        self.query_one("#wins", Static).update(wins(book, at))
        self.query_one(ItemTable).show(_FIELDS, 0, self._row, empty="looking for it elsewhere ...")
        self._look(book, at)

    def _look(self, book: Book, at: int) -> None:
        self.stored(lambda store: elsewhere(store, book, at), self._found, name="elsewhere")

    def _said(self, book: Book, at: int) -> str:
        among = self.among or book.table.ids
        place = among.index(self.item) + 1 if self.item in among else at + 1
        group = f" · {book.items[at].group}" if book.items[at].group else ""
        return one_line(
            f"llprobe · {book.name} · {place} of {len(among)} · item {self.item}{group}"
        )

    def _found(self, others: tuple[Elsewhere, ...]) -> None:
        self.others = others
        table, empty = self.query_one(ItemTable), "no other cell holds this item"
        table.show(_FIELDS, len(others), self._row, empty=empty, at=table.cursor)

    def _row(self, n: int) -> Row:
        other = self.others[n]
        since = "–" if other.wins_from is None else str(other.wins_from)
        return [
            "✓" if other.right[-1] else "✗", other.run, other.name, f"{100 * other.share:.1f}",
            since, pattern(np.array(other.right)),
        ]  # fmt: skip

    # --- the text ---------------------------------------------------------------------------

    def _write(self) -> None:
        """Write the text, in tokens where they are wanted and known; else ask for them."""
        book = self.book
        if book is None or not self._shown:
            return
        at, tokens = book.place(self._shown), None
        if self.bounds:
            tokens = self._reader.get(book.cell, self._shown, self._read)
        said = item_text(book, at, whole=self.whole, tokens=tokens)
        if self.bounds and tokens is None:
            said = Text("\n").join([Text("reading the tokens ...", "italic"), said])
        self.query_one("#text", Static).update(said)

    def _read(self, error: LlprobeError | None) -> None:
        """Show the tokens that are there now, or why there are none."""
        if error is not None:
            self.bounds = False
            demo = "the example comes without its model: " if self.llprobe.demo else ""
            self.trouble(f"{demo}{error}")
        self._write()

    # --- keys -------------------------------------------------------------------------------

    def action_item(self, by: int) -> None:
        """Go to another item of the list."""
        if self.book is not None:
            self.item = neighbour(self.among or self.book.table.ids, self.item, by)
            self._show(self.book)

    def action_whole(self) -> None:
        """Show the prompt with what all prompts of the task begin with, or without it."""
        self.whole = not self.whole
        self._write()

    def action_bounds(self) -> None:
        """Show where tokens end, or not."""
        self.bounds = not self.bounds
        if not self.bounds:
            self._reader.stop()
        self._write()

    def on_unmount(self) -> None:
        """Let no child read for a page that is left."""
        self._reader.stop()

    @on(ItemTable.Opened)
    def _open(self, event: ItemTable.Opened) -> None:
        other = self.others[event.row]
        self.app.push_screen(ItemScreen(other.run_id, other.cell, self.item))


_FIELDS = (
    Field("", 1), Field("run", 10), Field("cell"), Field("share", 6, right=True),
    Field("from", 4, right=True), Field("right at layers", 32),
)  # fmt: skip
