"""How a task is asked: worked examples, answer, a data file, and the settings that it has.

This module knows fields. It does not know questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Select

from llprobe.task import ANSWERS, Definition, TaskRequest

from .widgets.entry import Entry

__all__ = ["TaskForm"]

_OWN: Final = "task's own"


class TaskForm(Vertical):
    """The fields of a task; an empty one stands for the task's own way."""

    DEFAULT_CSS = """
    TaskForm { height: auto; padding: 0 1; }
    TaskForm Horizontal { height: 1; }
    TaskForm #settings { display: none; }
    TaskForm #settings.-some { display: block; }
    TaskForm Label { color: $text-muted; margin: 0 1 0 0; }
    TaskForm Input { width: 1fr; margin: 0 2 0 0; }
    TaskForm #shots { width: 8; }
    TaskForm Select { width: 16; margin: 0 2 0 0; }
    """

    def __init__(self, task: str) -> None:
        super().__init__()
        self._named = task
        self._settings: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """Yield a line of what every task has; the settings come with `offer`."""
        with Horizontal():
            yield Label("examples")
            yield Entry(placeholder="own", compact=True, id="shots", restrict=r"\d{0,3}")
            yield Label("answer")
            yield Select[str](
                [(_OWN, ""), *((answer, answer) for answer in ANSWERS)],
                value="", allow_blank=False, compact=True,
            )  # fmt: skip
            yield Label("data")
            yield Entry(placeholder="the task's own, or a file", compact=True, id="data")
        yield Horizontal(id="settings")

    def offer(self, definition: Definition) -> None:
        """Show the task's own number of examples, and a field for each of its settings."""
        self.query_one("#shots", Input).placeholder = str(definition.num_fewshot)
        line, settings = self.query_one("#settings"), definition.source.settings
        if self._settings or not settings:
            return
        self._settings = tuple(settings)
        for name, value in settings.items():
            line.mount(Label(name.replace("_", " "), markup=False))
            line.mount(Entry(placeholder=_typed(value), compact=True, name=name))
        line.add_class("-some")

    def request(self) -> TaskRequest:
        """Return what the fields ask for."""
        shots = self.query_one("#shots", Input).value
        settings = self.query("#settings Input").results(Input)
        return TaskRequest(
            self._named,
            data=self.query_one("#data", Input).value.strip() or None,
            num_fewshot=int(shots) if shots else None,
            settings=_given({each.name: each.value.strip() for each in settings}),
            answer=str(self.query_one(Select).value),
        )


def _given(typed: Mapping[str | None, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in typed.items() if name and value))


def _typed(value: Any) -> str:
    """Return a setting's default as it would be typed."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
