"""The interface's one border: every line that is drawn passes it, whoever's text is in it.

Names, prompts, notes and messages are strangers' texts. Whatever widget shows them, a terminal gets
no character of theirs that it would obey.
"""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from llprobe.printable import printable

__all__ = ["Printable"]


class Printable(LineFilter):
    """Puts U+FFFD in place of what a terminal obeys; a line keeps its width."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002 - Textual's signature
        """Return a line's segments in printable characters."""
        if all(printable(segment.text) == segment.text for segment in segments):
            return segments
        width = Segment.get_line_length(segments)
        shown = [
            segment if segment.control else Segment(printable(segment.text), segment.style)
            for segment in segments
        ]
        # what was hidden takes room now; Textual has measured the line before
        return Segment.adjust_line_length(shown, width)
