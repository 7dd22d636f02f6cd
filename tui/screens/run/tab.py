"""What all tabs of a run have in common. It knows when a tab is drawn, not what it says."""

from __future__ import annotations

from typing import ClassVar, cast

from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll

from ...page import Page
from .board import Board
from .data import RunData

__all__ = ["RunTab", "Scroll"]


class Scroll(VerticalScroll):
    """What is longer than the screen, with a reader's keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("g", "scroll_home", "First", show=False),
        Binding("G", "scroll_end", "Last", show=False),
    ]


class RunTab(Vertical):
    """A tab: it is told of a run's data, and draws them while it is in front."""

    DEFAULT_CSS = """
    RunTab { height: 1fr; }
    """

    def __init__(self, board: Board) -> None:
        super().__init__()
        self.board = board
        self.told: RunData | None = None
        self._stale = False
        self._front = False

    @property
    def page(self) -> Page:
        """The page that the tab stands on."""
        return cast("Page", self.screen)

    def facets(self) -> list[str]:
        """Return the parts of groups' names that any cell has."""
        cells = [each.cell for each in (self.told.scored if self.told else ())]
        return list(dict.fromkeys(facet for cell in cells for facet in cell.facets))

    def tell(self, told: RunData) -> None:
        """Take what is stored; it is drawn now, or when the tab comes to the front."""
        self.told, self._stale = told, True
        self._draw()

    def front(self, front: bool) -> None:
        """Come to the front, or leave it."""
        self._front = front
        self._draw()

    def _draw(self) -> None:
        if self._front and self._stale and self.told is not None:
            self._stale = False
            self.draw(self.told)

    def draw(self, told: RunData) -> None:
        """Show what is stored."""
        raise NotImplementedError

    def looked_at(self) -> str:
        """Return the id of the cell that the cursor is about; empty where it is about all."""
        return ""

    def enter(self) -> None:
        """Put the focus where the tab's keys are."""
