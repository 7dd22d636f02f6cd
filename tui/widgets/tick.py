"""A checkbox that is read without colours. It knows nothing of what is ticked."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Checkbox

__all__ = ["Tick", "mark"]


def mark(*, taken: bool) -> str:
    """Return how a line that can be taken shows whether it is: Textual's own shows an X always."""
    return "[x]" if taken else "[ ]"


class Tick(Checkbox):
    """A checkbox whose state is in its characters."""

    @property
    def _button(self) -> Content:
        return Content.styled(mark(taken=self.value), self.get_visual_style("toggle--label"))
