"""The first screen: all runs and sweeps in a table that follows the database.

This module knows what can be done with runs. What a run says in a line is runcolumns' to say.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.widgets import Static

from .. import runlist
from ..itemtable import ItemTable
from ..itemtable import Row as ItemRow
from ..page import Page
from ..runcolumns import cells_of, columns_of, fields_of
from ..runfilter import filtered
from ..runlist import stamp
from ..runpreview import curve_lines, note_lines
from ..runwork import delete_runs, edit_note, edit_tags
from ..tilde import short
from ..widgets import Chart, FilterBar

if TYPE_CHECKING:
    from ..runcolumns import Columns
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

_GONE: Final = """\
The database is gone: {path}

Put it back, and its runs are here again. A new run begins a new database.
"""


class HomeScreen(Page):
    """All runs, the newest first."""

    TITLE = "Runs"
    HELP = """\
Every run and sweep in the database, and how far it is. What other processes write shows at once.

The last column is the curve that rises highest above guessing: its best accuracy and layer, the
accuracy over the layers from 0 to 100%, and the task. `◆` marks runs that are chosen.

`n` plans a new sweep; `m` watches one that runs, or goes on with one that was stopped. `s` sorts
by the next thing, `d` deletes.

`t` edits tags, short words to sort runs by, of the chosen runs or the one under the cursor; `e`
edits its note.

**Filter.** Runs are kept of which every word is true. A plain word is looked for in names, models,
tasks, lenses, status and tags. `tag:x` and `status:x` want a tag or status that begins with x;
`model:x`, `task:x`, `lens:x`, `name:x` and `note:x` want x in there.
"""
    DEFAULT_CSS = """
    HomeScreen #note { height: auto; padding: 0 1; }
    """
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]  # noqa: RUF012 - Textual's own type of it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "monitor", "Watch"),
        Binding("n", "new", "New"),
        Binding("s", "sort", "Sort", show=False),  # of these two the footer has no room at 80
        Binding("space", "choose", "Pick", key_display="␣"),
        Binding("c", "compare", "Compare"),
        Binding("t", "tag", "Tags"),
        Binding("e", "note", "Note"),
        Binding("d", "delete", "Delete", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Row] | None = None
        self._gone = False
        self._best: dict[str, Best | None] = {}
        self._stamps: dict[str, tuple[str, int]] = {}
        self._chosen: set[str] = set()
        self._order = next(iter(runlist.ORDERS))
        self._filter = ""
        self._seen: list[Row] = []
        self._columns: Columns = columns_of([], 80)
        self._previewed: tuple[object, ...] = ()

    def body(self) -> ComposeResult:
        """Show the table over what the run under its cursor says."""
        yield Static("", id="summary", markup=False)
        yield FilterBar("words, tag:x status:x model:x task:x")
        yield Static("", id="empty", markup=False)
        yield ItemTable(id="runs")
        with VerticalScroll(id="preview", can_focus=False):
            yield Static("", id="note", markup=False)
            yield Chart(id="curves")

    def refresh_data(self) -> None:
        """Read the runs, then what is not known yet of their findings."""
        there = self.llprobe.db.exists()
        self._gone = not there and (self._gone or bool(self._rows))
        if there:
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
        self._measure()
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
        """Show the runs that the filter keeps; the cursor stays on its run, or else its place."""
        rows, table, current = self._rows or [], self.query_one(ItemTable), self._current
        self._seen = runlist.ordered(filtered(rows, self._filter), self._order, self._best)
        places = {row["run"]: place for place, row in enumerate(self._seen)}
        at = places.get(current["run"] if current else "", table.cursor)
        table.show(
            fields_of(self._columns),
            len(self._seen),
            self._cells,
            empty="no run has all of these words",
            at=at,
        )
        empty = _GONE.format(path=short(str(self.llprobe.db))) if self._gone else _EMPTY
        self._say_empty("" if rows else empty)
        self.query_one("#summary", Static).update(self._said(len(self._seen), len(rows)))
        self._preview()

    def _cells(self, place: int) -> ItemRow:
        row = self._seen[place]
        chosen = row["run"] in self._chosen
        return cells_of(row, self._best.get(row["run"]), self._columns, chosen=chosen)

    @property
    def _current(self) -> Row | None:
        """The run under the cursor."""
        place = self.query_one(ItemTable).cursor
        return self._seen[place] if place < len(self._seen) else None

    def _say_empty(self, text: str) -> None:
        """Show a text in place of the table; the table where the text is empty."""
        table = self.query_one(ItemTable)
        was_empty = table.disabled
        table.disabled = bool(text)  # what cannot be seen has no keys
        self.set_class(bool(text), "-empty")
        self.query_one("#empty", Static).update(text)
        if was_empty and not text:
            table.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what is done with runs only where there are some."""
        if action in {"monitor", "sort", "choose", "compare", "delete", "tag", "note", "filter"}:
            return bool(self._rows)
        return super().check_action(action, parameters)

    def _said(self, seen: int, n: int) -> str:
        if not n:
            return ""
        runs = f"{n} run{'s' * (n != 1)}" if seen == n else f"{seen} of {n} runs"
        chosen = f"{len(self._chosen)} chosen" if self._chosen else ""
        found = f"filter: {self._filter}" if self._filter else ""
        return " · ".join(filter(None, (runs, self._order, chosen, found)))

    @on(ItemTable.Moved, "#runs")
    def _preview(self) -> None:
        """Show the note and curves of the run under the cursor, where the screen is high enough."""
        row, preview = self._current, self.query_one("#preview")
        width = preview.size.width - 4
        wanted = (row["run"], row["note"], stamp(row), width) if row and preview.display else ()
        if wanted == self._previewed:
            return
        if not row or not wanted:
            self._show_preview((), "", [])
            return
        self.stored(
            partial(curve_lines, run=row["run"], width=width),
            partial(self._show_preview, wanted, row["note"]),
            name="preview",
        )

    def _show_preview(self, of: tuple[object, ...], note: str, curves: list[Text]) -> None:
        self._previewed = of
        said, width = self.query_one("#note", Static), self.query_one("#preview").size.width - 4
        said.update(Text("\n").join(note_lines(note, width)))
        said.display = bool(note)
        self.query_one(Chart).show(curves)

    def on_resize(self, _: Resize) -> None:
        """Fit the columns to the width."""
        if self._rows is not None:
            self._measure()
            self.call_after_refresh(self._draw)

    def _measure(self) -> None:
        self._columns = columns_of(self._rows or [], self.app.size.width)

    @on(FilterBar.Changed)
    def _filtered(self, event: FilterBar.Changed) -> None:
        self._filter = event.text
        self._draw()

    @on(ItemTable.Opened, "#runs")
    def action_open(self) -> None:
        """Open the run under the cursor."""
        if row := self._current:
            self.llprobe.open_run(row["run"])

    def action_monitor(self) -> None:
        """Watch or steer the run under the cursor."""
        if row := self._current:
            self.llprobe.open_monitor(row["run"])

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
        if row := self._current:
            self._chosen ^= {row["run"]}
            self._draw()
            self.query_one(ItemTable).action_move(1)

    def _meant(self) -> list[Row]:
        """Return the chosen runs, the newest first, else the one under the cursor."""
        if self._chosen:
            return [row for row in self._rows or () if row["run"] in self._chosen]
        current = self._current
        return [current] if current else []

    def action_compare(self) -> None:
        """Put the chosen runs side by side."""
        if rows := self._meant():
            self.llprobe.open_compare([row["run"] for row in rows])

    def action_tag(self) -> None:
        """Edit the tags of the chosen runs."""
        if rows := self._meant():
            edit_tags(self, rows)

    def action_note(self) -> None:
        """Edit the note of the run under the cursor."""
        if row := self._current:
            edit_note(self, row)

    def action_delete(self) -> None:
        """Delete the chosen runs, once that is confirmed."""
        if rows := self._meant():
            delete_runs(self, rows, self._removed)

    def _removed(self, runs: list[str]) -> None:
        self._chosen -= set(runs)
        self.refresh_data()
