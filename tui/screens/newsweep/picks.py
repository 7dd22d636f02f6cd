"""A list of names of which some are taken, with a mark that needs no colour. It knows no sweeps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from ...widgets import mark

__all__ = ["Pick", "Picks"]


@dataclass(frozen=True, slots=True)
class Pick:
    """One line: the name that is taken, and what is said of it."""

    name: str
    said: str


class Picks(OptionList):
    """Posts `Toggled` when a line is chosen; who listens says with `fill` what is taken then."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "select", "Take, leave", key_display="space"),
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("g", "first", "First", show=False),
        Binding("G,shift+g", "last", "Last", show=False),
    ]

    DEFAULT_CSS = """
    Picks {
        height: 1fr;
        border: none;
        padding: 0;
        text-wrap: nowrap;
        text-overflow: ellipsis;
    }
    """

    class Toggled(Message):
        """A line was chosen."""

        def __init__(self, picks: Picks, name: str) -> None:
            super().__init__()
            self.picks, self.name = picks, name

    def __init__(self, *, id: str) -> None:  # noqa: A002 - as all widgets
        super().__init__(Option("reading …", disabled=True), id=id, compact=True)
        self._picks: tuple[Pick, ...] = ()
        self._taken: Collection[str] = ()

    @property
    def current(self) -> str:
        """The name under the cursor; empty where there is none."""
        at = self.highlighted
        return "" if at is None or at >= len(self._picks) else self._picks[at].name

    def fill(self, picks: Sequence[Pick], taken: Collection[str]) -> None:
        """Show these lines; the cursor stays on its name."""
        here, known = self.current, [each.name for each in self._picks]
        self._picks, self._taken = tuple(picks), taken
        names = [each.name for each in picks]
        if names != known or not names:
            self.clear_options()
            self.add_options(Option(self._line(each)) for each in picks)
            self.highlighted = names.index(here) if here in names else (0 if names else None)
            return
        for n, each in enumerate(picks):
            line = self._line(each)
            if self.get_option_at_index(n).prompt != line:
                self.replace_option_prompt_at_index(n, line)

    def _line(self, pick: Pick) -> Content:
        return Content(f"{mark(taken=pick.name in self._taken)} {pick.said}")

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Toggled(self, self._picks[event.option_index].name))
