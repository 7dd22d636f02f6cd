"""The lens: what every layer of a model would say next, after every token of a text.

A child process loads the model; Esc stops it. This module knows the screen. What a grid holds is
`lensview`'s to say, how it is scrolled `gridview`'s.
"""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from llprobe.children import Cancel
from llprobe.errors import LlprobeError
from llprobe.events import LensGrid

from ..gridview import GridView
from ..lensform import LensForm, models_here
from ..lensview import Wish, cells, look, predictions, ranks, scale
from ..page import Page
from ..rankchart import rank_chart
from ..widgets import Chart

__all__ = ["LensScreen"]

_HELP = """
Type or paste any text, name a model, and press **ctrl+r** (or Enter in the lower fields).
Each column is a token of the text, each row a layer, the last one on top. A cell holds what that
layer would say next, with a bar for how sure it is; **c** shows the entropy instead (a high bar:
unsure).

*norm* applies the final norm at every layer, *paper* only before the last layer's predictions,
*raw* never. **words** are followed: their rank among all tokens is drawn for every layer; a space
before a word counts (` Paris` is not `Paris`), commas stand between words. **t** follows the
prediction under the cursor. **ctrl+g** loads a model that is not expected to fit the memory.
"""


class LensScreen(Page):
    """The logit lens on any text."""

    TITLE = "Lens"
    HELP = _HELP
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (70, "-wide")]  # noqa: RUF012  # as in Textual
    VERTICAL_BREAKPOINTS = [(0, "-low"), (16, "-high")]  # noqa: RUF012  # as in Textual
    DEFAULT_CSS = """
    LensScreen #state { height: 1; padding: 0 1; }
    LensScreen #legend { height: 1; padding: 0 1; color: $text-muted; }
    LensScreen #side { display: none; width: 34; padding: 0 0 0 1; }
    LensScreen #side.-open { display: block; }
    LensScreen.-narrow #side.-open { display: none; }
    LensScreen.-narrow LensForm Label { display: none; }
    LensScreen.-low TextArea { height: 1; }
    LensScreen.-low #legend { display: none; }
    LensScreen #cell { height: auto; }
    LensScreen #ranks { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "look", "Look"),
        Binding("ctrl+g", "look(True)", "Look, however large", show=False),
        Binding("c", "colour", "Entropy/probability"),
        Binding("t", "track", "Follow word"),
        Binding("i", "edit", "Text"),
    ]

    def __init__(self, text: str = "", model: str = "") -> None:
        super().__init__()
        self._text, self._model = text, model
        self._cancel: Cancel | None = None
        self._grid: LensGrid | None = None
        self._by = "probability"

    def body(self) -> ComposeResult:
        """Yield the form, what goes on, the grid, and what is known of its cell."""
        yield LensForm(self._text, self._model)
        yield Static(id="state", markup=False)
        with Horizontal():
            yield GridView(id="grid")
            with Vertical(id="side"):
                yield Static(id="cell", markup=False)
                yield Chart(id="ranks")
        yield Static(id="legend", markup=False)

    def on_mount(self) -> None:
        """Begin with the text."""
        self._say("ctrl+r looks at the text through the model's layers")

    def on_unmount(self) -> None:
        """Leave no child behind."""
        self._stop()

    def refresh_data(self) -> None:
        """Find the models that are here; the grid depends on nothing stored."""
        self.ask(models_here, self.query_one(LensForm).offer, name="models")

    # --- looking ----------------------------------------------------------------------------

    def _say(self, what: str) -> None:
        self.query_one("#state", Static).update(what)

    @on(Input.Submitted)
    def action_look(self, force: bool = False) -> None:
        """Start a child that looks at the text; one that is looking is stopped."""
        force = force is True  # Enter in a field comes with its message
        self._stop()
        wish, cancel = self.query_one(LensForm).wish(force=force), Cancel()
        self._cancel = cancel
        self.trouble("")
        self._say(f"{wish.model} is looking at the text ... Esc stops it")
        self.ask(lambda: _looked(wish, cancel), self._show, name="look")

    def _stop(self) -> None:
        """Kill the child at once: it has nothing to save."""
        if self._cancel is not None:
            self._cancel.request()
            self._cancel.request()
            self._cancel = None

    def _show(self, found: LensGrid | LlprobeError | None) -> None:
        if found is None:
            return
        self._cancel = None
        if isinstance(found, LlprobeError):
            self._say("ctrl+r looks again")
            self.trouble(found)
            return
        self._grid = found
        self._say(_summary(found))
        self.query_one("#side").add_class("-open")
        grid = self.query_one(GridView)
        grid.show(cells(found, self._by), 0, len(found.tokens) - 1)
        grid.focus()
        self._legend()

    def action_back(self) -> None:
        """Stop the child; else go from the form to the grid; else leave."""
        if self._cancel is not None:
            self._stop()
            self._say("stopped; ctrl+r looks again")
        elif self._grid and self.query_one(LensForm).has_focus_within:
            self.query_one(GridView).focus()
        else:
            super().action_back()

    # --- the grid ---------------------------------------------------------------------------

    @on(GridView.Moved)
    def moved(self, event: GridView.Moved) -> None:
        """Say what is known of the cell."""
        if self._grid:
            self.query_one("#cell", Static).update(predictions(self._grid, event.row, event.column))
            self._draw_ranks()

    def _draw_ranks(self) -> None:
        chart = self.query_one("#ranks", Chart)
        grid, column = self._grid, self.query_one(GridView).column
        if grid is None or not grid.ranks:
            chart.show([Text("words: their ranks stand here", "dim")])
            return
        room = chart.content_size
        lines = rank_chart(grid.layers, ranks(grid, column), room.width, min(room.height - 1, 14))
        chart.show([Text("rank after this token", "bold"), *lines])

    def on_resize(self) -> None:
        """Draw the chart anew when its room is known."""
        self.call_after_refresh(self._draw_ranks)

    def _legend(self) -> None:
        grid, view = self._grid, self.query_one(GridView)
        if grid is None:
            return
        high = f"{scale(grid, 'entropy'):.1f} bits" if self._by == "entropy" else "100%"
        low = "0" if self._by == "entropy" else "0%"
        said = "entropy of all predictions" if self._by == "entropy" else "probability of the token"
        legend = Text.assemble(f"{said}: ", view.legend(low, high), "   last layer on top")
        self.query_one("#legend", Static).update(legend)

    def action_colour(self) -> None:
        """Show entropy instead of probability, or the other way round."""
        self._by = "entropy" if self._by == "probability" else "probability"
        if self._grid:
            self.query_one(GridView).repaint(cells(self._grid, self._by))
            self._legend()

    def action_track(self) -> None:
        """Follow the prediction under the cursor, and look again."""
        grid, view = self._grid, self.query_one(GridView)
        if grid:
            best = grid.top[len(grid.layers) - 1 - view.row][view.column][0][0]
            self.query_one(LensForm).follow(best)
            self.action_look()

    def action_edit(self) -> None:
        """Go to the text."""
        self.query_one(LensForm).edit()


def _looked(wish: Wish, cancel: Cancel) -> LensGrid | LlprobeError | None:
    try:
        return look(wish, cancel)
    except LlprobeError as problem:
        return problem


def _summary(grid: LensGrid) -> str:
    tokens, layers = len(grid.tokens), len(grid.layers)
    said = f"{tokens} token{'s' * (tokens != 1)} x {layers} layer{'s' * (layers != 1)}"
    return "; ".join([said, *grid.notes])
