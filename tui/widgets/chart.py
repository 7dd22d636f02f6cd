"""A figure drawn with characters, redrawn whenever its room changes. It knows no numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text
from textual.events import Resize
from textual.widgets import Static

if TYPE_CHECKING:
    from llprobe.plots import Figure

__all__ = ["Chart", "fitted"]

_LOWEST: Final = 4
"""Rows a panel is drawn with at least."""
_HIGHEST: Final = 24


class Chart(Static):
    """Shows lines as they are, or a figure as `plots.terminal` draws it at the widget's size."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - as all widgets
        super().__init__(id=id, classes=classes)
        self._figure: Figure | None = None
        self._rows: int | None = None
        self._drawn_at: tuple[int, int] = (0, 0)

    def show(self, lines: Sequence[Text]) -> None:
        """Show these lines."""
        self._figure = None
        self.update(_joined(lines))

    def draw(self, figure: Figure, rows: int | None = None) -> None:
        """Show a figure, each panel `rows` high; without them as high as the widget has room."""
        self._figure, self._rows = figure, rows
        self._redraw()

    def on_resize(self, _: Resize) -> None:
        """Draw again at the new size."""
        if self._figure is not None and self._room() != self._drawn_at:
            self._redraw()

    def _room(self) -> tuple[int, int]:
        """Return the width, and the height where it does not follow from what is drawn."""
        size = self.content_size
        height = self.styles.height
        follows = self._rows is not None or (height is not None and height.is_auto)
        return size.width, 0 if follows else size.height

    def _redraw(self) -> None:
        width, height = self._drawn_at = self._room()
        if self._figure is None or not width:  # nothing is laid out yet; on_resize comes
            return
        self.update(_joined(fitted(self._figure, width, height, self._rows)))


def fitted(figure: Figure, width: int, height: int, rows: int | None = None) -> list[Text]:
    """Return a figure as lines, its panels so high that `height` lines suffice where they can."""
    from llprobe.plots import terminal  # noqa: PLC0415 - not needed for the first screen

    panels = len(getattr(figure, "panels", ())) or 1
    if rows is None and height:
        around = len(_wrapped(terminal(figure, width, _LOWEST), width)) - panels * _LOWEST
        rows = min(max((height - around) // panels, _LOWEST), _HIGHEST)
    return _wrapped(terminal(figure, width, rows or 12), width)


def _wrapped(lines: Sequence[Text], width: int) -> list[Text]:
    """Break what is text and longer than a line: notes and remarks."""
    console = Console(width=width)
    return [part for line in lines for part in (line.wrap(console, width) if line else [line])]


def _joined(lines: Sequence[Text]) -> Text:
    return Text("\n", no_wrap=True, overflow="crop", end="").join(lines)
