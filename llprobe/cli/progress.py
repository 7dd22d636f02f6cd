"""Progress on stderr: bars on a terminal, plain lines, not too many, everywhere else.

This module knows counts and times. It does not know what is counted.
"""

from __future__ import annotations

import time
from typing import Any, Self

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from llprobe.cli.console import err
from llprobe.report.pace import Whole, duration

__all__ = ["Meter"]

_PLAIN_SECONDS = 5.0


class _Rate(ProgressColumn):
    """Tokens a second, once they are known."""

    def render(self, task: Task) -> Text:
        """Show the task's own rate."""
        rate = task.fields.get("rate")
        return Text(f"{rate:,.0f} tok/s" if rate else "", style="cyan")


class _Left(TimeRemainingColumn):
    """Time left: of the whole, at its pace from the start; of one thing, at its own."""

    def render(self, task: Task) -> Text:
        """Show what is left of a task."""
        whole = task.fields.get("whole")
        if whole is None:
            return super().render(task)
        left = whole.seconds_left
        return Text("" if left is None else f"{duration(left)} left", style="progress.remaining")


class Meter:
    """One thing being counted; a context manager. `update` may be called as often as wanted.

    With a `whole`, what is counted counts there too, and a second line says how far that is.
    """

    def __init__(
        self, name: str, total: int, unit: str, done: int = 0, whole: Whole | None = None
    ) -> None:
        self._whole = whole
        self.name, self.total, self.unit, self.done = name, total, unit, done
        self._started = self._printed = time.monotonic()
        self._tty = err.is_terminal
        columns: list[Any] = [
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total} {task.fields[unit]}"),
            _Rate(),
            _Left(compact=True, elapsed_when_finished=True),
        ]
        self._progress = Progress(*columns, console=err, disable=not self._tty)
        self._task = self._progress.add_task(name, total=total, completed=done, unit=unit)
        self._second = (
            self._progress.add_task(
                "whole", total=whole.total, completed=whole.done, unit="items", whole=whole
            )
            if whole
            else None
        )

    def update(self, done: int, tokens: int = 0) -> None:
        """Say how far it is; `tokens` since the start give the rate."""
        if self._whole and self._second is not None:
            self._whole.done += done - self.done
            self._progress.update(self._second, completed=self._whole.done)
        self.done, now = done, time.monotonic()
        rate = tokens / (now - self._started) if tokens else 0.0
        self._progress.update(self._task, completed=done, rate=rate)
        if not self._tty and now - self._printed > _PLAIN_SECONDS:
            self._printed = now
            speed = f", {rate:,.0f} tok/s" if rate else ""
            whole = f"; {self._whole}" if self._whole else ""
            err.print(f"{self.name}: {done}/{self.total} {self.unit}{speed}{whole}", markup=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
