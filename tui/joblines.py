"""What is being pulled or made, a line each with a bar; it says when one has ended.

This module knows how a job is shown. It does not know what is done when it ends.
"""

from __future__ import annotations

import time
from typing import Final

from rich.text import Text
from textual.message import Message
from textual.widgets import Static

from llprobe.report.models import size

from .jobs import Job, jobs_of
from .tilde import short

__all__ = ["JobLines"]

_BAR: Final = 20
_SHOWN: Final = 3
_EVERY: Final = 0.25
_STAYS: Final = 20.0
"""Seconds for which it is said how a job ended."""


class JobLines(Static):
    """The jobs that go on or ended just now, the newest first; hidden while there is none."""

    DEFAULT_CSS = "JobLines { height: auto; max-height: 30%; padding: 0 1; }"

    class Ended(Message):
        """A job has ended, well or not."""

        def __init__(self, job: Job) -> None:
            super().__init__()
            self.job = job

    def __init__(self) -> None:
        super().__init__(markup=False)

    def on_mount(self) -> None:
        """Look a few times a second how far the jobs are."""
        self.look()
        self.set_interval(_EVERY, self.look)

    def look(self) -> None:
        """Show how far the jobs are, and tell once of each that has ended."""
        jobs = jobs_of(self.app)
        for job in jobs:
            if not job.running and not job.told:
                job.told = True
                self.post_message(self.Ended(job))
        seen = [job for job in jobs if job.running or time.monotonic() - job.ended < _STAYS]
        lines = [line for job in reversed(seen[-_SHOWN:]) for line in _lines(job)]
        self.display = bool(lines)
        self.update(Text("\n").join(lines))


def _lines(job: Job) -> list[Text]:
    if job.running:
        return [Text(f"{job.title} {_progress(job)}  x stops it")]
    if job.state == "done":
        return [
            Text(f"✓ {short(line)}" if n == 0 else short(line)) for n, line in enumerate(job.lines)
        ]
    said = "stopped" if job.state == "stopped" else "failed"
    return [Text(f"✗ {job.title}: {said}")]


def _progress(job: Job) -> str:
    if not job.total:
        return "..."
    share = min(job.done / job.total, 1.0)
    bar = "█" * round(share * _BAR)
    amount = f"{job.done} of {job.total} {job.unit}"
    if job.unit == "bytes":
        amount = f"{size(job.done)} of {size(job.total)}"
    return f"▕{bar:<{_BAR}}▏ {100 * share:3.0f}%, {amount}"
