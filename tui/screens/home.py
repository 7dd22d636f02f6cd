"""The first screen: all runs and sweeps in a table that follows the database.

This module knows what can be done with runs. What a run says in a line is runlist's to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.widgets import DataTable, Static

from .. import runlist
from ..page import Page
from ..runlist import stamp
from ..widgets import Chart, Confirm, FilterBar, Rows

if TYPE_CHECKING:
    from llprobe.store import Store

    from ..runlist import Best, Row

__all__ = ["FIRST_SWEEP", "HomeScreen"]

FIRST_SWEEP: Final = """\
name: first
models:
  - smollm2-135m
tasks: [facts]
limit: 20
lenses: [norm]
"""
"""What `n` plans where nothing is stored yet: the default model on questions of a minute."""

_EMPTY: Final = """\
No run is stored yet.

Press n, then Enter: it asks smollm2-135m, a small model, 20 questions
on facts, and looks for the answers at each of its layers.

4 shows the models, 5 the tasks, ? says what else can be done.
"""


class HomeScreen(Page):
    """All runs, the newest first."""

    TITLE = "Runs"
    HELP = """\
Every run and sweep in the database, and how far it is. What other processes write shows at once.

The last column is the curve that rises highest above guessing: its best accuracy and layer, the
accuracy over the layers from 0 to 100%, and the task. `◆` marks runs that are chosen.

`n` plans a new sweep; `m` watches one that runs, or goes on with one that was stopped.
"""
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]  # noqa: RUF012 - Textual's own type of it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "monitor", "Monitor"),
        Binding("n", "new", "New"),
        Binding("s", "sort", "Sort"),
        Binding("space", "choose", "Choose", key_display="␣"),
        Binding("c", "compare", "Compare"),
        Binding("d", "delete", "Delete"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Row] | None = None
        self._best: dict[str, Best | None] = {}
        self._stamps: dict[str, tuple[str, int]] = {}
        self._chosen: set[str] = set()
        self._order = next(iter(runlist.ORDERS))
        self._filter = ""

    def body(self) -> ComposeResult:
        """Show the table over what the run under its cursor says."""
        yield Static("", id="summary", markup=False)
        yield FilterBar("words of a name, status, model, task or lens")
        yield Static("", id="empty", markup=False)
        yield Rows(id="runs")
        with VerticalScroll(id="preview", can_focus=False):
            yield Chart(id="curves")

    def refresh_data(self) -> None:
        """Read the runs, then what is not known yet of their findings."""
        database = self.llprobe.db
        if database.exists():
            self.stored(runlist.read_rows, self._show, name="runs")
        else:
            self._show([])

    def trouble(self, what: str | Exception) -> None:
        """Say it; where there is nothing else to show, the place of the table says so too."""
        super().trouble(what)
        if str(what) and self._rows is None:
            self._say_empty("The runs cannot be shown: see below.")

    def _show(self, rows: list[Row]) -> None:
        if bool(rows) != bool(self._rows):
            self.refresh_bindings()
        self._rows = rows
        known = {row["run"] for row in rows}
        self._chosen &= known
        self._best = {run: best for run, best in self._best.items() if run in known}
        self._draw()
        self._ask_for_best()

    def _ask_for_best(self) -> None:
        """Look at runs whose findings are not known, the uppermost first, a few at a time."""
        unknown = [row for row in self._rows or () if self._stamps.get(row["run"]) != stamp(row)]
        if not unknown:
            return

        def keep(found: dict[str, Best | None]) -> None:
            self._best |= found
            self._stamps |= {row["run"]: stamp(row) for row in unknown if row["run"] in found}
            self._draw()
            self._ask_for_best()

        self.stored(lambda store: runlist.more_best(store, unknown), keep, name="best")

    def _draw(self) -> None:
        rows = self._rows or []
        width = self.app.size.width
        seen = runlist.ordered(runlist.filtered(rows, self._filter), self._order, self._best)
        cells = {
            row["run"]: runlist.cells_of(
                row, self._best.get(row["run"]), width, chosen=row["run"] in self._chosen
            )
            for row in seen
        }
        self.query_one(Rows).fill(runlist.HEADINGS, cells)
        self._say_empty("" if rows else _EMPTY)
        self.query_one("#summary", Static).update(self._said(len(seen), len(rows)))
        self._preview()

    def _say_empty(self, text: str) -> None:
        """Show a text in place of the table; the table where the text is empty."""
        table = self.query_one(Rows)
        was_empty = table.disabled
        table.disabled = bool(text)  # what cannot be seen has no keys
        self.set_class(bool(text), "-empty")
        self.query_one("#empty", Static).update(text)
        if was_empty and not text:
            table.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what is done with runs only where there are some."""
        if action in {"monitor", "sort", "choose", "compare", "delete", "filter"}:
            return bool(self._rows)
        return super().check_action(action, parameters)

    def _said(self, seen: int, n: int) -> str:
        if not n:
            return ""
        runs = f"{n} run{'s' * (n != 1)}" if seen == n else f"{seen} of {n} runs"
        chosen = f"{len(self._chosen)} chosen" if self._chosen else ""
        found = f"filter: {self._filter}" if self._filter else ""
        return " · ".join(filter(None, (runs, self._order, chosen, found)))

    @on(DataTable.RowHighlighted, "#runs")
    def _preview(self) -> None:
        """Show the curves of the run under the cursor, where the screen is high enough."""
        run, preview = self.query_one(Rows).current, self.query_one("#preview")
        if not run or not preview.display:
            self.query_one(Chart).show([])
            return
        width = preview.size.width - 4
        self.stored(
            lambda store: runlist.summary_lines(store, run, width),
            self.query_one(Chart).show,
            name="preview",
        )

    def on_resize(self, _: Resize) -> None:
        """Fit the columns to the width."""
        if self._rows is not None:
            self.call_after_refresh(self._draw)

    @on(FilterBar.Changed)
    def _filtered(self, event: FilterBar.Changed) -> None:
        self._filter = event.text
        self._draw()

    @on(DataTable.RowSelected, "#runs")
    def action_open(self) -> None:
        """Open the run under the cursor."""
        if run := self.query_one(Rows).current:
            self.llprobe.open_run(run)

    def action_monitor(self) -> None:
        """Watch or steer the run under the cursor."""
        if run := self.query_one(Rows).current:
            self.llprobe.open_monitor(run)

    def action_new(self) -> None:
        """Plan a sweep; the first one is written already."""
        self.llprobe.open_new(FIRST_SWEEP if self._rows == [] else "")

    def action_sort(self) -> None:
        """Sort by the next thing."""
        orders = list(runlist.ORDERS)
        self._order = orders[(orders.index(self._order) + 1) % len(orders)]
        self._draw()

    def action_choose(self) -> None:
        """Choose the run under the cursor, or no longer; go on to the next one."""
        table = self.query_one(Rows)
        if run := table.current:
            self._chosen ^= {run}
            self._draw()
            table.action_cursor_down()

    def _meant(self) -> list[str]:
        """Return the chosen runs in the order of the table, else the one under the cursor."""
        if self._chosen:
            return [row["run"] for row in self._rows or () if row["run"] in self._chosen]
        current = self.query_one(Rows).current
        return [current] if current else []

    def action_compare(self) -> None:
        """Put the chosen runs side by side."""
        if runs := self._meant():
            self.llprobe.open_compare(runs)

    def action_delete(self) -> None:
        """Delete the chosen runs, once that is confirmed."""
        runs = self._meant()
        if not runs:
            return
        names = [row["name"] or row["run"][:8] for row in self._rows or () if row["run"] in runs]

        def answered(yes: bool | None) -> None:
            if yes:
                self.stored(lambda store: _remove(store, runs), self._removed, name="delete")

        what = f"the run {names[0]}" if len(runs) == 1 else f"{len(runs)} runs: {', '.join(names)}"
        have = "it has" if len(runs) == 1 else "they have"
        question = f"Delete {what}?\nWhat only {have} scored is lost; models and quants stay."
        self.app.push_screen(Confirm(question, "Delete"), answered)

    def _removed(self, runs: list[str]) -> None:
        self._chosen -= set(runs)
        self.refresh_data()


def _remove(store: Store, runs: list[str]) -> list[str]:
    for run in runs:
        store.remove(run)
    return runs
