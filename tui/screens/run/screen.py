"""The page of a stored run: its tabs over the same cells.

This module knows the tabs and what passes between them. It does not know what they show.
"""

from __future__ import annotations

from typing import ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static, TabbedContent, TabPane

from ...page import Page
from .board import Board
from .data import RunData, read_run
from .findings import FindingsTab
from .groups import GroupsTab
from .heat import HeatTab
from .items import ItemsTab
from .layers import LayersTab
from .settings import SettingsTab
from .tab import RunTab
from .written import WrittenTab

__all__ = ["RunScreen"]

_TABS: Final[tuple[tuple[str, str, type[RunTab]], ...]] = (
    ("layers", "Layers", LayersTab),
    ("heat", "Heat map", HeatTab),
    ("groups", "Groups", GroupsTab),
    ("items", "Items", ItemsTab),
    ("findings", "Findings", FindingsTab),
    ("written", "Written", WrittenTab),
    ("settings", "Settings", SettingsTab),
)


class _Tabs(TabbedContent):
    """Tabs that only a key or the mouse turns: focus that arrives late does not turn them back."""

    def _on_tab_pane_focused(self, event: TabPane.Focused) -> None:
        event.stop()
        event.prevent_default()


class RunScreen(Page):
    """A run: curves, heat maps, groups, items, findings, settings."""

    TITLE = "Run"
    HELP = """
**Layers**: space chooses cells, `a` all of them; of one, the shaded band is its 95% interval, of
several, the bars at the letters are. `h` and `l` move the mark, whose values stand below the chart.
**Heat map**: `o` changes the rows.
**Groups**: Enter shows the items of a group. **Items**: `/` filters by `right`, `wrong@12`,
`flips@20-32`, `gained`, `lost`, `group:mul` and any text; Enter opens an item. **Findings**: what
the curves say, in words. **Written**: answers that
the model wrote itself. **Settings**: all that decides the numbers; `y` copies the command.
`p` replays how a cell's curve came together, item by item.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right_square_bracket,greater_than_sign", "tab(1)", "Tab", key_display="]"),
        Binding("left_square_bracket,less_than_sign", "tab(-1)", "Tab before", show=False),
        Binding("p", "replay", "Replay"),
    ]
    DEFAULT_CSS = """
    RunScreen TabbedContent { height: 1fr; }
    RunScreen TabPane { padding: 0 1; }
    """

    def __init__(self, run: str) -> None:
        super().__init__()
        self.of_run = run
        self.told: RunData | None = None
        self.board = Board(self, lambda: self.llprobe.db)

    def body(self) -> ComposeResult:
        """Yield the tabs."""
        with _Tabs(id="tabs"):
            for name, title, tab in _TABS:
                with TabPane(title, id=name):
                    yield tab(self.board)

    def refresh_data(self) -> None:
        """Read the run again."""
        if self.is_mounted:
            self.stored(lambda store: read_run(store, self.of_run), self._got, name="run")

    def _got(self, told: RunData) -> None:
        record = told.record
        done = f"{record.n_done:,} of {record.n_items:,} items"
        self.query_one("#head", Static).update(
            Text(f"llprobe · {told.title} · {record.status} · {done}")
        )
        if told == self.told:
            return
        # what is read again is read by this id: names may be given to other runs
        self.of_run, self.told = record.id, told
        self.board.retry()
        self._offer_written(told)
        for tab in self.query(RunTab):
            tab.tell(told)
        self.refresh_bindings()  # there may be something to replay now

    def _offer_written(self, told: RunData) -> None:
        """Show the tab of written answers only where there are any."""
        tabs = self.query_one("#tabs", TabbedContent)
        if told.written:
            tabs.show_tab("written")
        else:
            tabs.hide_tab("written")

    # --- tabs -------------------------------------------------------------------------------

    def _tab(self, name: str) -> RunTab:
        return self.query_one(f"#{name}", TabPane).query_one(RunTab)

    @on(TabbedContent.TabActivated, "#tabs")
    def _activated(self, event: TabbedContent.TabActivated) -> None:
        if event.pane.id != event.tabbed_content.active:
            return  # another one came to the front meanwhile
        for name, _, _ in _TABS:
            self._tab(name).front(name == event.pane.id)
        self._tab(str(event.pane.id)).enter()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the filter where there is one: on the tab of items."""
        if action == "filter":
            return self.query_one("#tabs", TabbedContent).active == "items"
        if action == "replay":
            return self.told is not None and bool(self.told.scored)
        return super().check_action(action, parameters)

    def action_tab(self, by: int) -> None:
        """Go to the next tab."""
        tabs = self.query_one("#tabs", TabbedContent)
        names = [name for name, _, _ in _TABS if tabs.get_tab(name).display]
        tabs.active = names[(names.index(tabs.active) + by) % len(names)]

    def action_replay(self) -> None:
        """Replay the cell that the tab in front is about, else the first."""
        from ..replay import ReplayScreen  # noqa: PLC0415 - that module needs this package

        tabs = self.query_one("#tabs", TabbedContent)
        if self.told is None or not self.told.scored:
            return
        ids = [each.cell.id for each in self.told.scored]
        cell = self._tab(tabs.active).looked_at()
        self.app.push_screen(ReplayScreen(self.of_run, cell if cell in ids else ids[0]))

    @on(GroupsTab.Chosen)
    def _items_of(self, event: GroupsTab.Chosen) -> None:
        self.query_one(ItemsTab).choose(event.cell, event.group)
        self.query_one("#tabs", TabbedContent).active = "items"

    @on(ItemsTab.Chosen)
    def _item(self, event: ItemsTab.Chosen) -> None:
        from ..item import ItemScreen  # noqa: PLC0415 - that module needs this package

        book, among = event.book, event.among
        item = among[event.at]
        self.app.push_screen(ItemScreen(book.run, book.cell.id, item, book=book, among=among))
