"""A figure on the screen, drawn anew when its room changes; perhaps with a mark below a layer.

This module knows the room there is. The drawing is `llprobe.plots`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from rich.text import Text
from textual.widget import Widget
from textual.widgets import Static

from llprobe.plots import Figure, terminal
from llprobe.plots.shapes import Curves

from ...themes import MONO

__all__ = ["FigureView", "filled", "marked"]

_LEAST: Final = 4
"""Rows of a canvas that is still a chart."""
_CORNER: Final = "└"


def filled(figure: Figure, width: int, height: int) -> list[Text]:
    """Draw curves so that they fill `height` lines; a heat map takes what it needs."""
    least = terminal(figure, width, _LEAST)
    if isinstance(figure, Curves):
        more = (height - len(least)) // max(len(figure.panels), 1)
        least = terminal(figure, width, _LEAST + more) if more > 0 else least
    return least[1:] if least and not least[0].plain else least


def marked(lines: list[Text], figure: Curves, at: float) -> list[Text]:
    """Write a mark below the place `at` of the first panel's axis, on the line of its numbers."""
    row = next((n for n, line in enumerate(lines) if line.plain.strip().startswith(_CORNER)), None)
    x = [v for line in figure.panels[0].lines for v in line.x.tolist()] if figure.panels else []
    if row is None or not x or not min(x) <= at <= max(x):
        return lines
    axis = lines[row].plain
    begin, columns = axis.index(_CORNER) + 1, axis.count("─")
    span = (max(x) - min(x)) or 1.0
    place = begin + round((at - min(x)) / span * (columns - 1))
    drawn = Text.assemble(axis[:place], ("▲", "bold"), axis[place + 1 :])
    return [*lines[:row], drawn, *lines[row + 1 :]]


class FigureView(Static):
    """A figure, or a sentence in its place."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._figure: Figure | None = None
        self._at: float | None = None

    def say(self, text: str) -> None:
        """Show a sentence in place of a figure."""
        self._figure = None
        self.update(Text(text, "italic"))

    def draw(self, figure: Figure, at: float | None = None) -> None:
        """Show a figure; `at` is the place on the axis of curves that is marked."""
        self._figure, self._at = figure, at
        self._redraw()

    def on_resize(self) -> None:
        """Draw for the room that there is now."""
        self._redraw()

    def _redraw(self) -> None:
        width, height = self.content_size
        if self._figure is None or not width:
            return
        if isinstance(self.parent, Widget):
            # what scrolls grows with what is drawn, so that its own height says nothing
            height = min(height, self.parent.scrollable_content_region.height)
        draw = partial(_lines, self._figure, self._at, width, height)
        if self.app.theme == MONO.name:
            draw = partial(_plain, draw)
        work: Callable[[], Any] = partial(self._drawn, self._figure, draw)
        self.run_worker(work, name="draw", group="draw", exclusive=True)

    async def _drawn(self, figure: Figure, draw: Callable[[], list[Text]]) -> None:
        """Draw in a thread: a large chart takes longer than a key may wait."""
        lines = await asyncio.to_thread(draw)
        if figure is self._figure:
            self.update(Text("\n", no_wrap=True, overflow="crop", end="").join(lines))


def _lines(figure: Figure, at: float | None, width: int, height: int) -> list[Text]:
    lines = filled(figure, width, height)
    return lines if at is None or not isinstance(figure, Curves) else marked(lines, figure, at)


def _plain(draw: Callable[[], list[Text]]) -> list[Text]:
    """Draw without colours, some of which are hard to see as greys; letters tell lines apart."""
    return [Text(line.plain) for line in draw()]
