"""Lines of a form: a label, and a text, a switch or a few values to take. They know no sweeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import DescendantBlur
from textual.message import Message
from textual.widgets import Checkbox, Input, Label

from llprobe.settings import LENSES
from llprobe.task import ANSWERS

from ...widgets import Entry, Tick
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
    """One field; posts `Edited` when a person changes it, and not when `show` does.

    A person is faster than the page: what `show` brings is older than what was typed since, until
    the page says by `heard` that it has seen all of it. So it is written only then, and into a
    text only where nobody is typing.
    """

    DEFAULT_CSS = """
    FieldLine { height: 1; }
    FieldLine Label { width: 13; }
    FieldLine Input { width: 1fr; }
    FieldLine Checkbox { width: auto; margin-right: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "cursor_line(1)", "Next field", show=False),
        Binding("up,k", "cursor_line(-1)", "Field before", show=False),
    ]

    class Edited(Message):
        """A field was changed; the value is as YAML has it, None for none."""

        def __init__(self, line: FieldLine, value: Any) -> None:
            super().__init__()
            self.line, self.key, self.value = line, line.field.key, value

    def __init__(self, field: Field) -> None:
        super().__init__(id=f"field-{field.key}")
        self.field = field
        self._value: Any = None
        self._told: Any = None
        self._unheard = 0
        self._seen: object = self._blank()

    def compose(self) -> ComposeResult:
        """Show the label and what can be changed."""
        yield Label(self.field.label)
        if self.field.kind == "text":
            yield Entry(placeholder=self.field.hint, compact=True)
        if self.field.kind == "flag":
            yield Tick(self.field.hint, compact=True)
        for value in self.field.values:
            yield Tick(value, compact=True)

    # --- what the page says ----------------------------------------------------------------------

    def show(self, value: Any) -> None:
        """Show a value, unless a person has changed the field since it was so."""
        self._told = value
        self._follow()

    def heard(self) -> None:
        """Take note that the page has seen one more change."""
        self._unheard -= 1

    def hint(self, instead: str) -> None:
        """Say in an empty text field what stands there instead of its usual hint."""
        self.query_one(Input).placeholder = instead or self.field.hint

    @on(DescendantBlur)
    def _follow(self) -> None:
        """Show what was told last, where no person is ahead of it."""
        if not self.is_attached or self._unheard or self._now() != self._seen:
            return
        if self.field.kind == "text" and self.query_one(Input).has_focus:
            return
        self._value = self._told
        with self.prevent(Input.Changed, Checkbox.Changed):
            self._write()
        self._seen = self._now()

    def _write(self) -> None:
        """Write the value; a text that says the same stays as it was typed."""
        key, value = self.field.key, self._value
        if self.field.kind == "some":
            for box, text in zip(self.query(Checkbox), self.field.values, strict=True):
                box.value = text in self._taken()
        elif self.field.kind == "flag":
            self.query_one(Checkbox).value = value is True
        elif value_of(key, self.query_one(Input).value) != value:
            self.query_one(Input).value = typed_of(key, value)

    # --- what a person does ----------------------------------------------------------------------

    def _blank(self) -> object:
        """Return what `_now` returns before anything is changed."""
        kind = self.field.kind
        return (
            "" if kind == "text" else (False,) * (1 if kind == "flag" else len(self.field.values))
        )

    def _now(self) -> object:
        """Return what stands in the line."""
        if self.field.kind == "text":
            return self.query_one(Input).value
        return tuple(box.value for box in self.query(Checkbox))

    def _taken(self) -> list[str]:
        """Return the values that are taken, in the order in which they were."""
        value = self._value
        listed = value if isinstance(value, list) else [value]
        return list(self.field.usual) if value is None else [str(each) for each in listed]

    @on(Input.Changed)
    @on(Checkbox.Changed)
    def _changed(self, event: Input.Changed | Checkbox.Changed) -> None:
        event.stop()
        self._seen = self._now()
        value = self._read()
        if value != self._value:
            self._value = value
            self._unheard += 1
            self.post_message(self.Edited(self, value))

    def _read(self) -> Any:
        """Return the value of what stands in the line."""
        if self.field.kind == "text":
            return value_of(self.field.key, self.query_one(Input).value)
        if self.field.kind == "flag":
            return self.query_one(Checkbox).value
        boxes = zip(self.query(Checkbox), self.field.values, strict=True)
        ticked = {text for box, text in boxes if box.value}
        before = self._taken()
        kept = [each for each in before if each in ticked or each not in self.field.values]
        return kept + [t for t in self.field.values if t in ticked and t not in before]

    def action_cursor_line(self, by: int) -> None:
        """Go to the field below or above."""
        lines = list(self.parent.query_children(FieldLine)) if self.parent else []
        at = lines.index(self) + by
        if 0 <= at < len(lines):
            lines[at].query("Input, Checkbox").first().focus()
