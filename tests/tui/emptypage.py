"""A page for tests of what all pages have."""

from settled import settle
from textual.app import ComposeResult
from textual.pilot import Pilot

from llprobe.tui.page import Page
from llprobe.tui.widgets import Chart, FilterBar, Rows

__all__ = ["Asking", "asking"]


class Asking(Page):
    """A page that asks nothing by itself."""

    TITLE = "Asking"
    HELP = "It asks *nothing* by itself."

    def __init__(self) -> None:
        super().__init__()
        self.refreshed = 0
        self.heard: list[str] = []

    def body(self) -> ComposeResult:
        yield FilterBar("words")
        yield Rows(id="rows")
        yield Chart(id="chart")

    def refresh_data(self) -> None:
        self.refreshed += 1

    def on_filter_bar_changed(self, event: FilterBar.Changed) -> None:
        self.heard.append(event.text)


async def asking(pilot: Pilot[None]) -> Asking:
    page = Asking()
    await pilot.app.push_screen(page)
    await settle(pilot)
    return page
