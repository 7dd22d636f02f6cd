"""The tab of heat maps: tasks, groups or languages by layer.

This module knows keys. The figure is `llprobe.plots`'s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from llprobe.analysis import METRICS
from llprobe.errors import UsageError
from llprobe.plots import Figure, Wish, gather
from llprobe.plots.gather.wish import Rows
from llprobe.store import Store

from .board import Board
from .data import RunData, nothing_scored
from .figureview import FigureView
from .tab import RunTab, Scroll

__all__ = ["HeatTab"]

_ROWS: Final[tuple[Rows, ...]] = ("tasks", "groups", "languages")


class HeatTab(RunTab):
    """Heat maps of the whole run."""

    DEFAULT_CSS = """
    HeatTab > #what { height: 1; }
    HeatTab Scroll { height: 1fr; }
    HeatTab FigureView { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "rows", "Rows"),
        Binding("b", "by", "Group by"),
        Binding("t", "task", "Task"),
        Binding("m", "metric", "Metric"),
    ]

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self.wish = Wish()

    def compose(self) -> ComposeResult:
        """Say what is shown above it."""
        yield Static(id="what")
        with Scroll(can_focus=True):
            yield FigureView(id="heatmap")

    def enter(self) -> None:
        """Put the focus where the arrows scroll."""
        self.query_one(Scroll).focus()

    def draw(self, told: RunData) -> None:
        """Gather the figure in a thread."""
        wish, run = self.wish, told.record.id
        self.query_one("#what", Static).update(_said(wish))
        if not told.scored:
            self.query_one(FigureView).say(nothing_scored(told))
            return
        self.page.stored(lambda store: _figure(store, run, wish), self._got, name="heat")

    def _got(self, found: Figure | str) -> None:
        view = self.query_one(FigureView)
        if isinstance(found, str):
            view.say(found)
        else:
            view.draw(found)

    def _wish(self, wish: Wish) -> None:
        self.wish = wish
        if self.told is not None:
            self.query_one(FigureView).say("computing ...")
            self.draw(self.told)

    # --- keys -------------------------------------------------------------------------------

    def action_rows(self) -> None:
        """Show tasks, groups or languages as rows."""
        after = (_ROWS.index(self.wish.rows) + 1) % len(_ROWS)
        self._wish(replace(self.wish, rows=_ROWS[after], by=None))

    def action_by(self) -> None:
        """Sort items into groups another way: by group, or by a part of groups' names."""
        known = [None, "facet", *self.facets()]
        now = known.index(self.wish.by) if self.wish.by in known else 0
        self._wish(replace(self.wish, rows="groups", by=known[(now + 1) % len(known)]))

    def action_task(self) -> None:
        """Show all tasks, or one after the other."""
        tasks = {each.cell.task: None for each in (self.told.scored if self.told else ())}
        known = [None, *tasks]
        now = known.index(self.wish.task) if self.wish.task in known else 0
        self._wish(replace(self.wish, task=known[(now + 1) % len(known)]))

    def action_metric(self) -> None:
        """Go to the next metric."""
        after = (METRICS.index(self.wish.metric) + 1) % len(METRICS)
        self._wish(replace(self.wish, metric=METRICS[after]))


def _said(wish: Wish) -> Text:
    by = f" by {wish.by or 'group'}" if wish.rows == "groups" else ""
    return Text.assemble(
        "rows: ", (f"{wish.rows}{by}", "bold"), "   task: ", (wish.task or "all", "bold"),
        "   metric: ", (wish.metric, "bold"),
    )  # fmt: skip


def _figure(store: Store, run: str, wish: Wish) -> Figure | str:
    """Return the figure, or why there is none."""
    try:
        return gather("heat", store, [run], wish)
    except UsageError as error:
        return str(error)
