"""Dialogs for what a person says of runs: their tags, and one run's note.

Each is a modal screen that is answered with `dismiss`. This module knows texts that are typed. It
does not know where they are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Button, Input, Static, TextArea

from llprobe.errors import UsageError

from .widgets import Confirm
from .widgets.entry import Entry

__all__ = ["EditNote", "EditTags", "KnownTags", "TagChange"]

_NAMED: Final = 24
"""Tags that are listed; all of them are completed."""


@dataclass(frozen=True, slots=True)
class TagChange:
    """What is to be done with the tags of runs."""

    add: tuple[str, ...]
    """Tags that all of them get."""
    remove: tuple[str, ...]
    """Tags that all of them had, and lose."""


class KnownTags(Suggester):
    """Completes the last word of a line to one of `tags`, the first that fits and is not there."""

    def __init__(self, tags: Sequence[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._tags = tuple(tags)

    async def get_suggestion(self, value: str) -> str | None:
        """Return the whole line with its last word completed; None where nothing fits."""
        before, space, word = value.rpartition(" ")
        taken = before.lower().split()
        for tag in self._tags:
            if word and tag.startswith(word.lower()) and tag != word and tag not in taken:
                return f"{before}{space}{word}{tag[len(word) :]}"
        return None


class EditTags(ModalScreen[TagChange | None]):
    """Asks for the tags of `what`; `shared` are those that it has, `known` those there are.

    Answers None where nothing is to be changed.
    """

    DEFAULT_CSS = "EditTags .wrong { text-style: bold; height: auto; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Leave it", show=False)
    ]

    def __init__(self, what: str, shared: Sequence[str], known: Sequence[str]) -> None:
        super().__init__()
        self._what, self._shared, self._known = what, tuple(shared), tuple(known)

    def compose(self) -> ComposeResult:
        """Show a line of tags over those there are."""
        with Vertical(classes="dialog"):
            yield Static(f"Tags of {self._what}, with spaces between:", markup=False)
            yield Entry(
                "".join(f"{tag} " for tag in self._shared),
                placeholder="baseline q4 draft", select_on_focus=False, compact=True,
                suggester=KnownTags(self._known),
            )  # fmt: skip
            yield Static("", classes="wrong", markup=False)
            yield Static(f"known: {_some(self._known) or 'none yet'}", markup=False)
            yield Static("Enter: store   →: complete   Esc: leave it", classes="dim")

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        """Answer with what differs, once every word can be a tag."""
        from llprobe.store import checked_tags  # noqa: PLC0415 - the first screen comes before it

        try:
            now = checked_tags(event.value.split())
        except UsageError as error:
            self.query_one(".wrong", Static).update(f"✗ {error}")
            return
        add = tuple(tag for tag in now if tag not in self._shared)
        remove = tuple(tag for tag in self._shared if tag not in now)
        self.dismiss(TagChange(add, remove) if add or remove else None)


def _some(tags: Sequence[str]) -> str:
    more = f" and {len(tags) - _NAMED} more" if len(tags) > _NAMED else ""
    return " ".join(tags[:_NAMED]) + more


class EditNote(ModalScreen[str | None]):
    """Asks for the note of `what`; None where it stays as it is."""

    DEFAULT_CSS = """
    EditNote .dialog { height: 80%; max-height: 30; }
    EditNote TextArea { height: 1fr; padding: 0; background: $surface; }
    EditNote TextArea, EditNote TextArea:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        # the text would take them
        Binding("ctrl+s", "store", "Store", priority=True),
        Binding("escape", "leave", "Leave it", priority=True),
    ]

    def __init__(self, what: str, note: str) -> None:
        super().__init__()
        self._what, self._note = what, note

    def compose(self) -> ComposeResult:
        """Show the text over two buttons."""
        with Vertical(classes="dialog"):
            yield Static(f"Note on {self._what}:", markup=False)
            yield TextArea(self._note, soft_wrap=True, show_line_numbers=False)
            with Horizontal(classes="buttons"):
                yield Button("Leave it (Esc)", id="leave")
                yield Button("Store (^s)", id="store", variant="primary")

    def on_mount(self) -> None:
        """Go on where the note ends."""
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)
        area.focus()

    @property
    def changed(self) -> bool:
        """Whether something else stands there than at first; white space at the end is nothing."""
        return self.query_one(TextArea).text.rstrip() != self._note.rstrip()

    @on(Button.Pressed, "#store")
    def action_store(self) -> None:
        """Answer with the text."""
        self.dismiss(self.query_one(TextArea).text if self.changed else None)

    @on(Button.Pressed, "#leave")
    def action_leave(self) -> None:
        """Close; what was written is given up once that is confirmed."""
        if not self.changed:
            self.dismiss(None)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.dismiss(None)

        self.app.push_screen(Confirm("Give up what you have written?", "Give it up"), answered)
