"""The line that says that the terminal is too small to be used. It does not know what is shown."""

from __future__ import annotations

from typing import Final

from textual.geometry import Size
from textual.widgets import Static

__all__ = ["Small"]

_WANTED: Final = Size(80, 24)
"""Columns and lines for which pages are made."""
_USABLE: Final = Size(60, 16)
"""Below this something that is needed has no room."""


class Small(Static):
    """A line over the page's first one, seen while the terminal is too small."""

    DEFAULT_CSS = """
    Small { display: none; dock: top; height: 1; width: 100%; text-style: bold reverse; }
    Small.-seen { display: block; }
    """

    def fit(self, size: Size) -> None:
        """Show or hide the line, given the size of the terminal."""
        here, wanted = (f"{each.width}x{each.height}" for each in (size, _WANTED))
        self.update(f"! {here} is too small: wants {wanted}")
        self.set_class(size.width < _USABLE.width or size.height < _USABLE.height, "-seen")
