"""Dialogs of a new sweep: where to save it, and the exact prompt of a question."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from ...widgets import Entry
from .preview import Preview

__all__ = ["Prompt", "SaveAs"]


class SaveAs(ModalScreen[str]):
    """Asks where to save; empty for nowhere."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss('')", "Not now")]

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def compose(self) -> ComposeResult:
        """Show a line to type into."""
        with Vertical(classes="dialog"):
            yield Static("Save the sweep as (Enter saves, Esc does not):", markup=False)
            yield Entry(self._path, select_on_focus=False)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())


class Prompt(ModalScreen[None]):
    """Shows questions one by one; `turn` is asked for the one of a way and number."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,p", "dismiss", "Close"),
        Binding("h,left", "turn(0, -1)", "Question before"),
        Binding("l,right", "turn(0, 1)", "Next question"),
        Binding("w", "turn(1, 0)", "Next way to ask"),
        Binding("j", "scroll(1)", "Down", show=False),
        Binding("k", "scroll(-1)", "Up", show=False),
        Binding("g", "ends(0)", "Top", show=False),
        Binding("G,shift+g", "ends(1)", "Bottom", show=False),
    ]

    DEFAULT_CSS = """
    Prompt { align: center middle; }
    Prompt > Vertical { width: 90%; height: 90%; border: round $primary; background: $surface; }
    Prompt #prompt-head { height: auto; text-style: bold; padding: 0 1; }
    Prompt VerticalScroll { height: 1fr; padding: 0 1; }
    Prompt #prompt-keys { height: 1; padding: 0 1; }
    """

    def __init__(self, first: Preview, turn: Callable[[Prompt, int, int], None]) -> None:
        super().__init__()
        self.shown, self._turn = first, turn

    def compose(self) -> ComposeResult:
        """Show where one is over the question."""
        with Vertical():
            yield Static(id="prompt-head", markup=False)
            with VerticalScroll():
                yield Static(id="prompt-text", markup=False)
            yield Static("h l other questions · w next way to ask · Esc closes", id="prompt-keys")

    def on_mount(self) -> None:
        """Show the first question."""
        self.show(self.shown)

    def show(self, found: Preview) -> None:
        """Show a question."""
        self.shown = found
        ways = f", way {found.way + 1} of {found.n_ways}" if found.n_ways > 1 else ""
        said = f"{found.how}{ways}: question {found.number + 1} of {found.n_items}"
        self.query_one("#prompt-head", Static).update(said)
        self.query_one("#prompt-text", Static).update(found.text)
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def action_turn(self, ways: int, questions: int) -> None:
        """Ask for another question."""
        number = 0 if ways else self.shown.number + questions
        self._turn(self, self.shown.way + ways, number)

    def action_scroll(self, rows: int) -> None:
        """Scroll the text."""
        self.query_one(VerticalScroll).scroll_relative(y=rows, animate=False)

    def action_ends(self, last: int) -> None:
        """Go to the top or the bottom."""
        scroll = self.query_one(VerticalScroll)
        scroll.scroll_end(animate=False) if last else scroll.scroll_home(animate=False)
