"""The panel that says what is wrong and what to do. It does not know where trouble comes from."""

from __future__ import annotations

from textual.widgets import Static

from ..tilde import short

__all__ = ["Trouble"]


class Trouble(Static):
    """Hidden until something is said; Esc (the page's key) closes it."""

    def __init__(self) -> None:
        super().__init__(markup=False)
        self.said = ""

    def say(self, what: str) -> None:
        """Show the panel with this text."""
        self.said = what
        self.update(f"✗ {short(what)}\n(Esc closes this)")
        self.add_class("-open")

    def close(self) -> bool:
        """Hide the panel; False where it was hidden."""
        was_open = self.has_class("-open")
        self.said = ""
        self.remove_class("-open")
        return was_open
