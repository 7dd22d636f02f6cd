"""Progress on stderr: bars on a terminal, plain lines, not too many, everywhere else.

This module knows counts and times. It does not know what is counted.
"""

from __future__ import annotations

import time
from typing import Any, Self

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from llprobe.cli.output import err

__all__ = ["Meter"]

_PLAIN_SECONDS = 5.0


class _Rate(ProgressColumn):
    """Tokens a second, once they are known."""

    def render(self, task: Task) -> Text:
        """Show the task's own rate."""
        rate = task.fields.get("rate")
        return Text(f"{rate:,.0f} tok/s" if rate else "", style="cyan")


class Meter:
    """One thing being counted; a context manager. `update` may be called as often as wanted."""

    def __init__(self, name: str, total: int, unit: str, done: int = 0) -> None:
        self.name, self.total, self.unit, self.done = name, total, unit, done
        self._started = self._printed = time.monotonic()
        self._tty = err.is_terminal
        columns: list[Any] = [
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total} {task.fields[unit]}"),
            _Rate(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        ]
        self._progress = Progress(*columns, console=err, disable=not self._tty)
        self._task = self._progress.add_task(name, total=total, completed=done, unit=unit)

    def update(self, done: int, tokens: int = 0) -> None:
        """Say how far it is; `tokens` since the start give the rate."""
        self.done, now = done, time.monotonic()
        rate = tokens / (now - self._started) if tokens else 0.0
        self._progress.update(self._task, completed=done, rate=rate)
        if not self._tty and now - self._printed > _PLAIN_SECONDS:
            self._printed = now
            speed = f", {rate:,.0f} tok/s" if rate else ""
            err.print(f"{self.name}: {done}/{self.total} {self.unit}{speed}")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
