"""Lines of a form: a label, and a text, a switch or a few values to take. They know no sweeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Checkbox, Input, Label

from llprobe.settings import LENSES
from llprobe.task import ANSWERS

from ...widgets import Tick
from .draft import typed_of, value_of

__all__ = ["FIELDS", "Field", "FieldLine"]

Kind = Literal["text", "flag", "some"]


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a sweep's file as a line of a form."""

    key: str
    label: str
    hint: str
    kind: Kind = "text"
    values: tuple[str, ...] = ()
    """What there is to take, of the kind `some`."""
    usual: tuple[str, ...] = ()
    """What holds where nothing is taken, of the kind `some`."""


FIELDS: Final = (
    Field("name", "name", "letters, digits, _ - and ."),
    Field("limit", "limit", "questions of each task; empty: all of them"),
    Field("lenses", "lenses", "", "some", LENSES, ("norm",)),
    Field("layers", "layers", "all; or 1-30, or 10, 20, -1"),
    Field("answers", "answers", "", "some", ("default", *ANSWERS), ("default",)),
    Field("shots", "shots", "worked examples: default, 0, 4"),
    Field("seeds", "seeds", "of generated questions: 0, 1, 2"),
    Field("ablations", "left out", "none, skip:each, attn:-1, skip:upper-1..4"),
    Field("quantize", "quantize", "to make of every model: Q8_0, Q4_K_M, Q2_K"),
    Field("keep", "keep quants", "afterwards; else they are deleted", "flag"),
    Field("pmi", "pmi", "score options without their question too", "flag"),
    Field("chat", "chat", "put prompts through the model's chat template", "flag"),
    Field("data", "data", "a data file for the tasks"),
    Field("shots_file", "shots file", "worked examples in place of the tasks' own"),
    Field("instruction", "instruction", 'before the worked examples; "" for none'),
    Field("set", "set", "settings of tasks: per_group: 20, language: [es, fr]"),
    Field("engine", "engine", "threads: 4, batch: 512, gpu_layers: 0, reference: true"),
    Field("exclude", "exclude", '{model: "*Q2_K", lens: paper}'),
)
"""All keys but models and tasks, in the order of the form; quants are said of all models alike."""


class FieldLine(Horizontal):
    """One field; posts `Edited` when a person changes it, and not when `show` does."""

    DEFAULT_CSS = """
    FieldLine { height: 1; }
    FieldLine Label { width: 13; }
    FieldLine Input { width: 1fr; }
    FieldLine Checkbox { width: auto; margin-right: 1; }
    """

    class Edited(Message):
        """A field was changed; the value is as YAML has it, None for none."""

        def __init__(self, key: str, value: Any) -> None:
            super().__init__()
            self.key, self.value = key, value

    def __init__(self, field: Field) -> None:
        super().__init__(id=f"field-{field.key}")
        self.field = field
        self._value: Any = None

    def compose(self) -> ComposeResult:
        """Show the label and what can be changed."""
        yield Label(self.field.label)
        if self.field.kind == "text":
            yield Input(placeholder=self.field.hint, compact=True)
        if self.field.kind == "flag":
            yield Tick(self.field.hint, compact=True)
        for value in self.field.values:
            yield Tick(value, compact=True)

    def show(self, value: Any) -> None:
        """Show a value; what is being typed stays as it is where it says the same."""
        self._value = value
        by_kind: dict[Kind, Callable[[], None]] = {
            "text": self._show_text, "flag": self._show_flag, "some": self._show_some
        }  # fmt: skip
        with self.prevent(Input.Changed, Checkbox.Changed):
            by_kind[self.field.kind]()

    def hint(self, instead: str) -> None:
        """Say in an empty text field what stands there instead of its usual hint."""
        self.query_one(Input).placeholder = instead or self.field.hint

    def _show_text(self) -> None:
        typed = self.query_one(Input)
        if value_of(self.field.key, typed.value) != self._value:
            typed.value = typed_of(self.field.key, self._value)

    def _show_flag(self) -> None:
        self.query_one(Checkbox).value = self._value is True

    def _show_some(self) -> None:
        for box, text in zip(self.query(Checkbox), self.field.values, strict=True):
            box.value = text in self._taken()

    def _taken(self) -> list[str]:
        """Return the values that are taken, in the order in which they were."""
        value = self._value
        listed = value if isinstance(value, list) else [value]
        return list(self.field.usual) if value is None else [str(each) for each in listed]

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._edited(value_of(self.field.key, event.value))

    @on(Checkbox.Changed)
    def _ticked(self, event: Checkbox.Changed) -> None:
        event.stop()
        if self.field.kind == "flag":
            self._edited(event.value)
            return
        boxes = zip(self.query(Checkbox), self.field.values, strict=True)
        ticked = {text for box, text in boxes if box.value}
        before = self._taken()
        kept = [each for each in before if each in ticked or each not in self.field.values]
        self._edited(kept + [t for t in self.field.values if t in ticked and t not in before])

    def _edited(self, value: Any) -> None:
        if value != self._value:
            self._value = value
            self.post_message(self.Edited(self.field.key, value))
