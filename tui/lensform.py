"""What is looked at and how: the text, the model, the lens, the layers and the words to follow.

This module knows fields. It does not know what is done with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label, Select, TextArea

from llprobe.catalog import default_model
from llprobe.model import list_models
from llprobe.settings import LENSES

from .lensview import Wish, words
from .widgets.entry import Entry

__all__ = ["LensForm", "ModelLine", "models_here"]

_TEXT: Final = "The capital of France is"


def models_here() -> list[str]:
    """Return the names of the models whose files are here, the default model first."""
    here = [model.name for model in list_models() if model.downloaded]
    return sorted(here, key=lambda name: name != default_model())


class ModelLine(Input):
    """A model's name, path or hub reference; up and down go through the models that are here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "turn(1)", "Next model"),
        Binding("up", "turn(-1)", "Model before", show=False),
    ]

    def __init__(self, value: str, *, id: str | None = None) -> None:  # noqa: A002  # Textual's name
        super().__init__(value, placeholder="name or path", compact=True, id=id)
        self._names: Sequence[str] = ()

    def offer(self, names: Sequence[str]) -> None:
        """Know the models that are here; the first one stands for an empty line."""
        self._names, self.suggester = names, SuggestFromList(names)
        if not self.value and names:
            self.value = names[0]

    def action_turn(self, by: int) -> None:
        """Put the next model's name into the line."""
        if self._names:
            at = self._names.index(self.value) if self.value in self._names else -1 if by > 0 else 0
            self.value = self._names[(at + by) % len(self._names)]
            self.cursor_position = len(self.value)


class LensForm(Vertical):
    """The fields of the lens screen."""

    DEFAULT_CSS = """
    LensForm { height: auto; padding: 0 1; }
    LensForm TextArea { height: 3; }
    LensForm Horizontal { height: 1; }
    LensForm Label { color: $text-muted; margin: 0 1 0 0; }
    LensForm Input { width: 1fr; margin: 0 2 0 0; }
    LensForm #layers { width: 9; }
    LensForm Select { width: 11; margin: 0 2 0 0; }
    """

    def __init__(self, text: str, model: str) -> None:
        super().__init__()
        self._text, self._model = text, model

    def compose(self) -> ComposeResult:
        """Yield the text over a line of fields."""
        yield TextArea(self._text or _TEXT, compact=True, id="text", highlight_cursor_line=False)
        with Horizontal():
            yield Label("model")
            yield ModelLine(self._model, id="model")
            yield Label("lens")
            yield Select[str](
                [(lens, lens) for lens in LENSES], value=LENSES[0], allow_blank=False, compact=True
            )
            yield Label("layers")
            yield Entry(placeholder="all", compact=True, id="layers")
            yield Label("words")
            yield Entry(placeholder="none", compact=True, id="words")

    def offer(self, names: Sequence[str]) -> None:
        """Offer the models that are here."""
        self.query_one(ModelLine).offer(names)

    def wish(self, *, force: bool) -> Wish:
        """Return what the fields say."""
        return Wish(
            text=self.query_one(TextArea).text,
            model=self.query_one(ModelLine).value.strip() or default_model(),
            lens=str(self.query_one(Select).value),
            layers=self.query_one("#layers", Input).value,
            track=words(self.query_one("#words", Input).value),
            force=force,
        )

    def follow(self, word: str) -> None:
        """Follow one more word; one that a comma would cut stands alone and is left out."""
        line = self.query_one("#words", Input)
        if word.strip() and "," not in word and word.rstrip() not in words(line.value):
            line.value = f"{line.value},{word}" if line.value.strip() else word

    def edit(self) -> None:
        """Put the cursor into the text."""
        self.query_one(TextArea).focus()
