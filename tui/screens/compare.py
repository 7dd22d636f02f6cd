"""The page of a comparison: curves over each other, differences, the items that changed sides.

This module knows places and keys. What is compared is `comparing`'s and `report`'s to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static, TabbedContent, TabPane

from llprobe.plots import Figure, Wish
from llprobe.report.compare import BEST, LAST, PENULTIMATE, Compared, Question, Where

from ..itemtable import Field, ItemTable, Row
from ..page import Page
from .choose import Choose
from .comparing import BETWEEN, Changed, Partners, changed, compared, curves, partners
from .item import ItemScreen
from .run.figureview import FigureView
from .run.tab import Scroll

__all__ = ["CompareScreen"]

_WHERES: Final[tuple[Where, ...]] = (LAST, BEST, PENULTIMATE)
_TABS: Final = ("differences", "curves", "items")


class CompareScreen(Page):
    """Runs against each other, cells of one run, or a run beside a published table."""

    TITLE = "Compare"
    HELP = """
The first run is the reference A. `a` adds a run or a published table (paper:llama2-7b ...); `x`
changes what is compared: runs, or what differs within them, like quant. `@` changes the layer.
**Differences**: B - A in points with its 95% interval, of each row alone; p is adjusted for all
rows (Holm), so it can be above 0.05 where the interval leaves out 0. Enter shows the items that
changed sides. **Curves**: bars at the letters are intervals; `t` goes to the next task.
**Items**: Enter opens one.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "Add a run"),
        Binding("x", "way", "Compare by"),
        Binding("at,m", "where", "Layer", key_display="m"),
        Binding("t", "task(1)", "Task"),
        Binding("right_square_bracket,greater_than_sign", "tab(1)", "Tab", key_display="]"),
        Binding("left_square_bracket,less_than_sign", "tab(-1)", "Tab before", show=False),
    ]
    DEFAULT_CSS = """
    CompareScreen #what { height: 1; padding: 0 1; }
    CompareScreen TabbedContent { height: 1fr; }
    CompareScreen TabPane { padding: 0 1; }
    CompareScreen #remarks { height: auto; max-height: 4; }
    CompareScreen #curves Scroll { height: 1fr; }
    CompareScreen #overlay { height: auto; min-height: 100%; }
    """

    def __init__(self, runs: Sequence[str] = ()) -> None:
        super().__init__()
        self.runs = tuple(runs)
        self.known: Partners | None = None
        self.way = ""
        self.question = Question()
        self.found: Compared | None = None
        self.flips: tuple[Changed, ...] = ()
        self.of_task = ("", "")

    def body(self) -> ComposeResult:
        """Yield the tabs."""
        yield Static(id="what", markup=False)
        with TabbedContent(id="tabs"):
            with TabPane("Differences", id="differences"):
                yield ItemTable(id="rows")
                yield Static(id="remarks", markup=False)
            with TabPane("Curves", id="curves"), Scroll(can_focus=True):
                yield FigureView(id="overlay")
            with TabPane("Items that changed", id="items"):
                yield Static(id="of", markup=False)
                yield ItemTable(id="changed")

    # --- reading ----------------------------------------------------------------------------

    def refresh_data(self) -> None:
        """Read what there is to compare."""
        runs = self.runs
        if self.is_mounted:
            self.stored(lambda store: partners(store, runs), self._reads, name="partners")

    def _reads(self, known: Partners) -> None:
        """Compare again where more is scored, or something else is asked for."""
        if self.known is None or self.found is None or known.scored != self.known.scored:
            self._knows(known)
        self.known = known

    def _knows(self, known: Partners) -> None:
        self.known = known
        if self.way not in known.ways:
            self.way = known.ways[0] if known.ways else ""
        self._say()
        if not self.runs:
            self._nothing("choose the first run with a")
        elif not self.way:
            self._nothing("one run whose cells differ in nothing: add another one with a")
        else:
            self._compare()

    def _nothing(self, why: str) -> None:
        self.found = None
        self.query_one("#rows", ItemTable).show((), 0, lambda _: (), empty=why)

    def _compare(self) -> None:
        runs, way, question = self.runs, self.way, self.question
        self._nothing("computing ...")
        self.stored(lambda store: compared(store, runs, way, question), self._got, name="compare")

    def _got(self, found: Compared | str) -> None:
        if isinstance(found, str):
            self._nothing(found)
            self.query_one("#remarks", Static).update("")
            return
        self.found = found
        self.query_one("#rows", ItemTable).show(_FIELDS, len(found.rows), self._row)
        said = [_legend(found), *found.remarks]
        self.query_one("#remarks", Static).update("\n".join(said))
        tasks = self._tasks()
        self.of_task = self.of_task if self.of_task in tasks else next(iter(tasks), ("", ""))
        self._say()
        self._draw()

    def _tasks(self) -> list[tuple[str, str]]:
        """Return the tasks, each with its lens where both sides were read through one."""
        rows = self.found.rows if self.found else ()
        found = ((row.task.split(" / ")[0], row.shared.get("lens", "")) for row in rows)
        return list(dict.fromkeys(found))

    def _draw(self) -> None:
        """Draw the curves of a task."""
        view, runs = self.query_one("#overlay", FigureView), self.runs
        task, lens = self.of_task
        if self.query_one("#tabs", TabbedContent).active == "curves" and task:
            view.say("computing ...")
            wish = Wish(task=task, lens=lens or None)
            self.stored(lambda store: curves(store, runs, wish), self._drawn, name="curves")

    def _drawn(self, found: Figure | str) -> None:
        view = self.query_one("#overlay", FigureView)
        if isinstance(found, str):
            view.say(found)
        else:
            view.draw(found)

    # --- showing ----------------------------------------------------------------------------

    def _say(self) -> None:
        names = " against ".join(self.known.names if self.known else ())
        by = "" if self.way in {"", BETWEEN} else f", by {self.way}"
        first = self.found.rows[0].a if self.found and self.found.rows and self._one_a() else ""
        a = f", A is {first}" if first else ""
        said = f"{names or 'nothing chosen'}{by}{a}; MC1 {self.question.where}"
        self.query_one("#what", Static).update(said)

    def _one_a(self) -> bool:
        """Whether all rows have one reference, which need not be said in each."""
        return len({row.a for row in self.found.rows}) == 1 if self.found else False

    def _row(self, n: int) -> Row:
        if self.found is None:
            return ()
        row = self.found.rows[n]
        between = "" if row.low is None or row.high is None else (
            f"{_points(row.low)} to {_points(row.high)}"
        )  # fmt: skip
        p = "–" if row.p_adjusted is None else (
            "<0.001" if row.p_adjusted < 0.001 else f"{row.p_adjusted:.3f}"
        )  # fmt: skip
        pair = row.b if self._one_a() else f"{row.a} → {row.b}"
        name = " ".join(filter(None, (row.task, pair, row.shared.get("lens", ""))))
        return [
            name, "–" if row.items_a is None else str(row.items_a),
            f"{100 * row.mean_a:.1f}", f"{100 * row.mean_b:.1f}",
            Text(_points(row.difference), "bold"), between, p, row.stars,
        ]  # fmt: skip

    @on(ItemTable.Opened, "#rows")
    def _items_of(self, event: ItemTable.Opened) -> None:
        if self.found is None:
            return
        row, runs, way = self.found.rows[event.row], self.runs, self.way
        said = f"{row.task}: {row.a} → {row.b}, layer {row.layer_a} → {row.layer_b}"
        self.query_one("#of", Static).update(said)
        self.query_one("#changed", ItemTable).show((), 0, lambda _: (), empty="computing ...")
        self.query_one("#tabs", TabbedContent).active = "items"
        self.stored(lambda store: changed(store, runs, way, row), self._flipped, name="changed")

    def _flipped(self, flips: tuple[Changed, ...]) -> None:
        self.flips = flips
        self.query_one("#changed", ItemTable).show(
            _CHANGED, len(flips), self._flip, empty="no item changed sides, or there are no pairs"
        )

    def _flip(self, n: int) -> Row:
        each = self.flips[n]
        return ["+" if each.gained else "-", _SIDES[each.gained], each.item, each.group]

    @on(ItemTable.Opened, "#changed")
    def _open(self, event: ItemTable.Opened) -> None:
        each = self.flips[event.row]
        among = tuple(flip.item for flip in self.flips)
        self.app.push_screen(ItemScreen(each.run, each.cell, each.item, among=among))

    # --- keys -------------------------------------------------------------------------------

    def action_add(self) -> None:
        """Choose a run or a published table to compare with."""
        if self.known is not None:
            self.app.push_screen(Choose("Compare with", self.known.others), self._added)

    def _added(self, run: str | None) -> None:
        if run:
            self.runs, self.way, self.found = (*self.runs, run), "", None
            self.refresh_data()

    def action_way(self) -> None:
        """Compare by something else."""
        if self.known is not None and self.known.ways:
            ways = self.known.ways
            self.way = ways[(ways.index(self.way) + 1) % len(ways)]
            self._knows(self.known)

    def action_where(self) -> None:
        """Compare at another layer."""
        now = self.question.where
        at = _WHERES.index(now) if now in _WHERES else 0
        self.question = replace(self.question, where=_WHERES[(at + 1) % len(_WHERES)])
        if self.known is not None:
            self._knows(self.known)

    def action_task(self, by: int) -> None:
        """Draw the curves of the next task."""
        tasks = self._tasks()
        if tasks:
            self.of_task = tasks[(tasks.index(self.of_task) + by) % len(tasks)]
            tabs = self.query_one("#tabs", TabbedContent)
            if tabs.active == "curves":
                self._draw()
            tabs.active = "curves"

    def action_tab(self, by: int) -> None:
        """Go to the next tab."""
        tabs = self.query_one("#tabs", TabbedContent)
        tabs.active = _TABS[(_TABS.index(tabs.active) + by) % len(_TABS)]

    @on(TabbedContent.TabActivated, "#tabs")
    def _activated(self, event: TabbedContent.TabActivated) -> None:
        self.query_one(_FOCUS[str(event.pane.id)]).focus()
        self._draw()


_FOCUS: Final = {"differences": "#rows", "curves": "#curves Scroll", "items": "#changed"}
_SIDES: Final = {True: "right only in B", False: "right only in A"}
_FIELDS: Final = (
    Field("task, B"), Field("items", 5, right=True), Field("A", 5, right=True),
    Field("B", 5, right=True), Field("B-A", 6, right=True), Field("95% interval", 15, right=True),
    Field("p", 6, right=True), Field("", 3),
)  # fmt: skip
_CHANGED: Final = (Field("", 1), Field("", 16), Field("item"), Field("group"))


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _legend(found: Compared) -> str:
    tested = sum(row.p_adjusted is not None for row in found.rows)
    if not tested:
        return "No test: published figures have no items."
    stars = "* p < 0.05, ** p < 0.01, *** p < 0.001"
    if tested == 1:
        return f"{stars}."
    return f"{stars}; p is adjusted over {tested} comparisons (Holm), the interval is not."
