"""A line to filter by: it opens when it is asked for and says what is typed. It filters nothing."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from .entry import Entry

__all__ = ["FilterBar"]


class FilterBar(Horizontal):
    """Hidden until `open`; posts `Changed` as one types.

    Enter goes back to where the focus was and keeps the filter; Esc clears it and closes.
    """

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "clear", "Clear filter")]

    class Changed(Message):
        """The text to filter by; empty for everything."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, hint: str = "filter", *, id: str | None = None) -> None:  # noqa: A002 - as all widgets
        super().__init__(id=id)
        self._hint = hint
        self._before: Widget | None = None

    def compose(self) -> ComposeResult:
        """Show the line."""
        yield Static("/", classes="filter-sign")
        yield Entry(placeholder=self._hint, compact=True, disabled=True)

    @property
    def text(self) -> str:
        """What is typed."""
        return self.query_one(Input).value

    @property
    def is_open(self) -> bool:
        """Whether it can be seen."""
        return self.has_class("-open")

    def open(self) -> None:
        """Show the line and take the focus."""
        focused = self.screen.focused
        if focused is not self.query_one(Input):
            self._before = focused
        self.add_class("-open")
        self.query_one(Input).disabled = False
        self.screen.refresh_bindings()
        # not Input.focus(), which waits: what is typed meanwhile would go elsewhere
        self.screen.set_focus(self.query_one(Input))

    def action_clear(self) -> None:
        """Forget what is typed, close, and give the focus back."""
        self.query_one(Input).value = ""
        self._close()
        self._return_focus()

    def _close(self) -> None:
        self.remove_class("-open")
        self.screen.refresh_bindings()
        self.query_one(Input).disabled = True  # else it could have the focus unseen

    def _return_focus(self) -> None:
        if self._before is not None and self._before.is_attached:
            self.screen.set_focus(self._before)
        else:
            self.screen.focus_next()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        if not event.value:
            self._close()
        self._return_focus()
