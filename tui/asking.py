"""Small questions over a screen: a line of text, and the quants to make of a model.

Each is a modal screen that is answered with `dismiss`; Esc answers None. This module knows
questions. It does not know what is done with the answers.
"""

from __future__ import annotations

from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from .itemtable import Field, ItemTable
from .widgets import mark
from .widgets.entry import Entry

__all__ = ["LADDER", "AskLine", "AskQuants"]

LADDER: Final = (
    ("F16", "16 bits, half precision"),
    ("Q8_0", "8.5 bits, next to no loss"),
    ("Q6_K", "6.6 bits"),
    ("Q5_K_M", "5.7 bits"),
    ("Q4_K_M", "4.9 bits, the usual choice"),
    ("Q4_0", "4.5 bits"),
    ("Q3_K_M", "3.9 bits"),
    ("Q2_K", "3.2 bits, a visible loss"),
)
"""The quants that are offered, with about how many bits a weight has; others can be typed."""

_FIELDS: Final = (Field("", 3), Field("quant", 8), Field("bits per weight, about"))
_LEAVE: Final[list[BindingType]] = [Binding("escape", "dismiss(None)", "Leave it", show=False)]


class AskLine(ModalScreen[str | None]):
    """Ask for a line of text; answers it without spaces around, None for none."""

    BINDINGS: ClassVar[list[BindingType]] = _LEAVE

    def __init__(self, what: str, hint: str) -> None:
        super().__init__()
        self.what, self.hint = what, hint

    def compose(self) -> ComposeResult:
        """Yield the question and its line."""
        with Vertical(classes="dialog"):
            yield Static(self.what, markup=False)
            yield Entry(placeholder=self.hint, compact=True)
            yield Static("Enter: go on   Esc: leave it", classes="dim")

    @on(Input.Submitted)
    def answered(self, event: Input.Submitted) -> None:
        """Give the answer."""
        self.dismiss(event.value.strip() or None)


class AskQuants(ModalScreen[str | None]):
    """Ask which quants to make; answers their names, comma separated, None for none."""

    DEFAULT_CSS = "AskQuants ItemTable { height: 9; background: $surface; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        *_LEAVE,
        Binding("ctrl+s", "make", "Make them"),
    ]

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model
        self.chosen: set[str] = set()

    def compose(self) -> ComposeResult:
        """Yield the list of quants and a line for others."""
        with Vertical(classes="dialog"):
            yield Static(f"Make quants of {self.model}", markup=False)
            yield ItemTable()
            yield Entry(placeholder="others, comma separated: F32,IQ4_NL", compact=True)
            yield Static("Space: choose  Enter: make them  Tab: others  Esc: leave", classes="dim")

    def on_mount(self) -> None:
        """Begin with the list."""
        table = self.query_one(ItemTable)
        table.show(_FIELDS, len(LADDER), self._row)
        table.focus()

    def _row(self, row: int) -> tuple[str, str, str]:
        name, about = LADDER[row]
        return mark(taken=name in self.chosen), name, about

    def key_space(self) -> None:
        """Choose the quant under the cursor, or no longer."""
        table = self.query_one(ItemTable)
        if table.has_focus:
            self.chosen ^= {LADDER[table.cursor][0]}
            table.refresh()

    @on(Input.Submitted)
    @on(ItemTable.Opened)
    def action_make(self) -> None:
        """Answer with what is chosen and typed, each once; else with the quant at the cursor."""
        typed = self.query_one(Input).value.upper().split(",")
        names = [name for name, _ in LADDER if name in self.chosen]
        names += [each.strip() for each in typed if each.strip()]
        table = self.query_one(ItemTable)
        if not names and table.has_focus:
            names = [LADDER[table.cursor][0]]
        self.dismiss(",".join(dict.fromkeys(names)) or None)
