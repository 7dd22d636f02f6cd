"""The tab of curves: chosen cells over the layers, and their values at the marked layer.

This module knows keys and places. The numbers are the board's, the words `layerwords`'s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from llprobe.analysis import METRICS
from llprobe.report import CurveEvidence

from .board import Board
from .celllist import CellList
from .data import NamedCell, RunData, nothing_scored
from .figureview import FigureView
from .layerwords import View, figure_of, layers_of, readout
from .tab import RunTab

__all__ = ["LayersTab"]

_MOST: Final = 4
"""Lines of values below the chart."""


class LayersTab(RunTab):
    """Curves with intervals and chance."""

    DEFAULT_CSS = """
    LayersTab > Horizontal { height: 1fr; }
    LayersTab Vertical { height: 1fr; padding: 0 0 0 1; }
    LayersTab FigureView { height: 1fr; }
    LayersTab #at { height: auto; max-height: 30%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l,right", "layer(1)", "Layer", key_display="h l"),
        Binding("h,left", "layer(-1)", "Layer before", show=False),
        Binding("r", "depth", "Depth"),
        Binding("m", "metric", "Metric"),
        Binding("z", "zoom", "Zoom"),
    ]

    def __init__(self, board: Board) -> None:
        super().__init__(board)
        self.view = View()

    def compose(self) -> ComposeResult:
        """Lay the list beside the chart."""
        with Horizontal():
            yield CellList(id="cells")
            with Vertical():
                yield FigureView(id="curves")
                yield Static(id="at")

    def enter(self) -> None:
        """Put the focus on the list."""
        self.query_one(CellList).focus()

    def looked_at(self) -> str:
        """Return the cell under the cursor."""
        return self.query_one(CellList).current

    def draw(self, told: RunData) -> None:
        """List the cells, and draw those that are chosen."""
        self.query_one(CellList).list(told.scored)
        self.ask()

    @on(CellList.Changed)
    def ask(self) -> None:
        """Have the chosen cells analysed; each is drawn when it is there."""
        chosen = self._chosen()
        self.board.need([each.cell for each in chosen], self.view.metric, self._redraw)
        self._redraw()

    def _chosen(self) -> list[NamedCell]:
        return self.query_one(CellList).chosen

    def _redraw(self) -> None:
        """Draw what is there, and say what is missing."""
        chosen = self._chosen()
        got = [(each.name, self.board.get(each.cell, self.view.metric)) for each in chosen]
        found = [(name, one.evidence) for name, one in got if one and one.evidence]
        errors = [f"{name}: {one.error}" for name, one in got if one and one.error]
        missing = sum(one is None for _, one in got)
        chart = self.query_one("#curves", FigureView)
        if found:
            chart.draw(figure_of(found, self.view), self._place(found))
        elif missing:
            chart.say("computing ...")
        else:
            chart.say(errors[0] if errors else _nothing(self.told))
        more = [f"computing {missing} more ..."] if found and missing else []
        self._say(found, [*more, *errors] if found else more)

    def _place(self, found: list[tuple[str, CurveEvidence]]) -> float:
        deepest = max(evidence.depth for _, evidence in found)
        return self._at(found) / (deepest if self.view.depth else 1)

    def _at(self, found: list[tuple[str, CurveEvidence]]) -> int:
        layers = layers_of(found)
        return self.view.at if self.view.at in layers else layers[-1]

    def _say(self, found: list[tuple[str, CurveEvidence]], more: list[str]) -> None:
        lines = [Text(each, "italic") for each in more]
        if found:
            at = self._at(found)
            said = list(readout(found, at))
            rest = [Text(f"and {len(said) - _MOST} more", "dim")] * (len(said) > _MOST)
            lines = [Text(f"at layer {at}", "bold"), *said[:_MOST], *rest, *lines]
        self.query_one("#at", Static).update(Text("\n").join(lines))

    # --- keys -------------------------------------------------------------------------------

    def action_layer(self, by: int) -> None:
        """Move the mark to the next layer."""
        got = [self.board.get(each.cell, self.view.metric) for each in self._chosen()]
        layers = layers_of([("", one.evidence) for one in got if one and one.evidence])
        if layers:
            now = layers.index(self.view.at) if self.view.at in layers else len(layers) - 1
            self.view = replace(self.view, at=layers[max(0, min(now + by, len(layers) - 1))])
            self._redraw()

    def action_depth(self) -> None:
        """Show layers as numbers, or as shares of the model's."""
        self.view = replace(self.view, depth=not self.view.depth)
        self._redraw()

    def action_metric(self) -> None:
        """Go to the next metric."""
        after = (METRICS.index(self.view.metric) + 1) % len(METRICS)
        self.view = replace(self.view, metric=METRICS[after])
        self.ask()

    def action_zoom(self) -> None:
        """Show all layers, or half of them around the mark."""
        self.view = replace(self.view, zoomed=not self.view.zoomed)
        self._redraw()


def _nothing(told: RunData | None) -> str:
    """Say why there is no curve."""
    return (nothing_scored(told) if told else "") or "choose a cell in the list with space"
