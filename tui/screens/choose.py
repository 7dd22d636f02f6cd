"""A question with a list of answers. This module knows a list, not what is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label

from ..itemtable import Field, ItemTable

__all__ = ["Choose"]


class Choose(ModalScreen[str | None]):
    """Gives back the key of the chosen answer, None for none."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]
    DEFAULT_CSS = """
    Choose { align: center middle; }
    Choose > Vertical { width: 60; max-width: 90%; height: 16; max-height: 90%; padding: 0 1;
        border: round $primary; background: $surface; }
    """

    def __init__(self, what: str, answers: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.what, self.answers = what, tuple(answers)

    def compose(self) -> ComposeResult:
        """Yield the list."""
        with Vertical():
            yield Label(f"{self.what} (Enter: choose, Esc: leave it)", markup=False)
            yield ItemTable(id="answers")

    def on_mount(self) -> None:
        """Fill the list."""
        table = self.query_one(ItemTable)
        table.show(
            [Field("name")], len(self.answers), lambda n: [self.answers[n][1]],
            empty="there is nothing to choose from",
        )  # fmt: skip
        table.focus()

    @on(ItemTable.Opened)
    def _chosen(self, event: ItemTable.Opened) -> None:
        self.dismiss(self.answers[event.row][0])
