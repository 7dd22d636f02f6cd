"""The screen on which a sweep is watched: its cells, the growing curve of one, the log.

It only reads, and asks; the sweep is another process's. This module knows what is looked at when,
and which key asks for what.
"""

from __future__ import annotations

import time
from typing import ClassVar, Final, Literal

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.events import Resize
from textual.widgets import DataTable, Static

from llprobe.report.pace import Whole

from ...page import Page
from ...process import Again, carry_on, stop
from ...widgets import Chart, Confirm, Rows
from .curve import curve_of, no_curve
from .look import Look, look
from .words import advice, cell_table, headline, log_line

__all__ = ["MonitorScreen"]

_WIDE: Final = 110
"""Columns from which on things stand side by side."""

_HELP: Final = """\
Every **cell** of the sweep, how far it is and how fast. Below it the **curve** of the cell at work
grows as items come in, or that of the cell under the cursor once that was moved (`f` follows the
work again), and the **log** tells what happens.

The sweep is a process of its own: leaving this screen, or the interface, does not end it.
`p` lets it stop after its batch, `r` goes on, `c` cancels it, `t` tries again what has failed.
What is scored stays in any case.
"""


class _Log(VerticalScroll, can_focus=False):
    """Lines of which the last stay in sight, whatever changes around them."""

    def watch_virtual_size(self) -> None:
        """Go to the end of what is there now."""
        self.scroll_end(animate=False, immediate=True)

    def on_resize(self) -> None:
        """Go to the end in the room there is now."""
        self.scroll_end(animate=False, immediate=True)


class MonitorScreen(Page):
    """Watches a sweep, by its name or its run's id."""

    TITLE = "monitor"
    HELP = _HELP
    AUTO_FOCUS = "#cells"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE, "-wide")]  # noqa: RUF012 - as in Textual

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "stop('pause')", "Pause"),
        Binding("r", "again('resume')", "Resume"),
        Binding("c", "cancel", "Cancel"),
        Binding("t", "again('retry')", "Retry failed"),
        Binding("enter", "open", "Open run"),
        Binding("f", "follow", "Follow", show=False),
    ]

    DEFAULT_CSS = """
    MonitorScreen #state { height: auto; max-height: 2; padding: 0 1; text-style: bold; }
    MonitorScreen #advice { height: auto; max-height: 5; padding: 0 1; }
    MonitorScreen #below { height: 1fr; min-height: 5; layout: vertical; }
    MonitorScreen.-wide #below { layout: horizontal; }
    MonitorScreen #log { height: 3; border-top: solid $panel; padding: 0 1; }
    MonitorScreen #lines { text-wrap: nowrap; text-overflow: ellipsis; }
    MonitorScreen.-wide #log { height: 1fr; width: 1fr; border-top: none; }
    """

    EVERY: ClassVar[float] = 1.0
    """Seconds between two looks."""
    _PATIENCE: ClassVar[float] = 10.0

    def __init__(self, name: str) -> None:
        super().__init__()
        self.sweep = name
        self.found: Look | None = None
        self._following = True
        self._wanted = ""
        self._pace: Whole | None = None
        self._paces: dict[str, Whole] = {}
        self._looked = 0.0

    def body(self) -> ComposeResult:
        """Lines on top, the cells, the curve and the log."""
        yield Static(f"{self.sweep}: reading …", id="state", markup=False)
        yield Static(id="advice", markup=False)
        yield Rows(id="cells")
        with Horizontal(id="below"):
            yield Chart(id="curve")
            with _Log(id="log"):
                yield Static(id="lines", markup=False)

    def on_mount(self) -> None:
        """Look again and again: a killed process changes nothing in the database."""
        styles = self.query_one("#cells", Rows).styles
        styles.height, styles.min_height, styles.max_height = "auto", 3, "50%"
        self.set_interval(self.EVERY, self.refresh_data)

    def refresh_data(self) -> None:
        """Look, unless a look is on its way."""
        if self.app.screen is not self or time.monotonic() - self._looked < self._PATIENCE:
            return
        self._looked = time.monotonic()
        self._look()

    def _look(self) -> None:
        database, name, wanted = self.llprobe.db, self.sweep, self._wanted
        self.ask(lambda: look(database, name, wanted), self._show, name="look")

    # --- what is shown ---------------------------------------------------------------------------

    def _show(self, found: Look) -> None:
        self._looked = 0.0
        self.found = found
        self._count(found)
        self.query_one("#state", Static).update(headline(found, self._pace))
        said = self.query_one("#advice", Static)
        said.update(advice(found))
        said.display = bool(advice(found))
        self._show_cells(found)
        self._show_curve(found)
        self._show_log(found)

    def _count(self, found: Look) -> None:
        """Keep the pace of the whole and of each cell at work, since work was first seen."""
        if not found.workers:
            self._pace, self._paces = None, {}
            return
        done, to_come = found.counts["items_done"], found.counts["items_to_come"]
        self._pace = _counted(self._pace, done, done + to_come)
        self._paces = {
            row["cell"]: _counted(self._paces.get(row["cell"]), row["done"], row["items"])
            for row in found.rows
            if row["status"] == "running"
        }

    def _show_cells(self, found: Look) -> None:
        rows = self.query_one("#cells", Rows)
        headings, lines = cell_table(found, self._paces, self.size.width)
        with self.prevent(DataTable.RowHighlighted):
            rows.fill(headings, lines)
            running = found.running
            known = [row["cell"] for row in found.rows]
            if self._following and running:
                rows.move_cursor(row=known.index(running))

    def _show_curve(self, found: Look) -> None:
        chart = self.query_one("#curve", Chart)
        if found.cell is not None and found.sums is not None:
            chart.draw(curve_of(found.cell, found.sums))
        else:
            chart.show([Text(no_curve(found.cell), "dim")])

    def _show_log(self, found: Look) -> None:
        self.query_one(_Log).display = bool(found.log)
        self.query_one("#lines", Static).update("\n".join(map(log_line, found.log)))

    @on(DataTable.RowHighlighted, "#cells")
    def _moved(self, event: DataTable.RowHighlighted) -> None:
        """Show the curve of the cell to which a person moved the cursor."""
        event.stop()
        key = str(event.row_key.value or "")
        if self.found is not None and key and event.data_table.has_focus:
            self._following, self._wanted = False, key
            self._look()

    def action_follow(self) -> None:
        """Show the cell at work again."""
        self._following, self._wanted = True, ""
        self._look()

    def on_resize(self, _: Resize) -> None:
        """Fit the columns to the width."""
        if self.found is not None:
            self.call_after_refresh(self._show_cells, self.found)

    # --- what is asked for -----------------------------------------------------------------------

    @on(DataTable.RowSelected, "#cells")
    def action_open(self) -> None:
        """Open the run."""
        if self.found is not None and self.found.run is not None:
            self.llprobe.open_run(self.found.run.id)
        else:
            self.trouble(f"nothing is stored of {self.sweep} yet")

    def action_stop(self, wanted: Literal["pause", "cancel"]) -> None:
        """Ask the process that works on it to pause or to cancel."""
        database, name = self.llprobe.db, self._called()
        self.ask(lambda: stop(database, name, wanted), self._told, name="steer")

    def action_cancel(self) -> None:
        """Cancel, after asking."""
        if self.found is None or not self.found.works:
            self.trouble(f"{self.sweep} is not running: there is nothing to cancel")
            return
        question = f"Cancel {self._called()}? What is scored stays; it can be resumed."
        self.app.push_screen(
            Confirm(question, "Cancel it"), lambda yes: self.action_stop("cancel") if yes else None
        )

    def action_again(self, how: Again) -> None:
        """Start a process that goes on with the rest, or with what has failed."""
        found = self.found
        if found is None or found.run is None:
            self.trouble(f"nothing is stored of {self.sweep}: start it from the new sweep screen")
        elif found.works:
            self.trouble(f"{self._called()} is running already")
        elif how == "retry" and not found.counts["failed"]:
            self.trouble(f"nothing of {self._called()} has failed")
        elif found.run.status == "done":
            self.trouble(f"all of {self._called()} is done: there is nothing to resume")
        else:
            database, name = self.llprobe.db, self._called()
            self.ask(
                lambda: f"started process {carry_on(database, name, how)}",
                self._told,
                name="steer",
            )

    def _called(self) -> str:
        return self.found.name if self.found is not None else self.sweep

    def _told(self, said: str) -> None:
        self.app.notify(said, markup=False)
        self._look()


def _counted(pace: Whole | None, done: int, total: int) -> Whole:
    """Return a pace that knows how far it is; a new one begins where it is first seen."""
    pace = pace or Whole(done, total)
    pace.done, pace.total = done, total
    return pace
