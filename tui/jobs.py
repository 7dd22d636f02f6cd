"""Long work that goes on while other screens are looked at: pulling, quantising.

A job is a thread that listens to a child process, kept by the app until it ends; when the app
ends, its children are stopped. Screens read a job's fields a few times a second, so nothing is
sent to a screen that may be gone. This module knows jobs. It does not know how they are shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal
from weakref import WeakKeyDictionary

from textual.app import App
from textual.worker import get_current_worker

from llprobe.children import Cancel
from llprobe.errors import LlprobeError, UsageError

__all__ = ["Job", "Stopped", "jobs_of", "start", "stop_one"]


State = Literal["running", "done", "stopped", "failed"]


class Stopped(Exception):
    """The work was asked to stop, and did."""


@dataclass(eq=False)
class Job:
    """One piece of work; written by its own thread, read by screens."""

    title: str
    """`pulling NAME`, `making NAME as Q8_0`."""
    model: str
    """The row of the list of models, or of tasks, that it belongs to."""
    work: Callable[[Job], list[str]]
    """Does it, and returns what there is to say of it, a line each."""
    done: int = 0
    total: int = 0
    unit: str = ""
    """`bytes` or `tensors`."""
    state: State = "running"
    lines: list[str] = field(default_factory=list)
    """What was said at the end."""
    ended: float = 0.0
    """When it did, by `time.monotonic`."""
    problem: LlprobeError | None = None
    """Why it failed."""
    told: bool = False
    """Whether a screen has shown its end."""
    cancel: Cancel = field(default_factory=Cancel)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.state == "running"

    def progress(self, done: int, total: int) -> None:
        """Note how far it is."""
        self.done, self.total = done, total

    def tick(self) -> None:
        """Stop the child at once where the app is ending; called about twice a second."""
        if get_current_worker().is_cancelled:
            while self.cancel.requests < 2:
                self.cancel.request()


_JOBS: Final[WeakKeyDictionary[App[object], list[Job]]] = WeakKeyDictionary()


def jobs_of(app: App[object]) -> list[Job]:
    """Return the jobs of an app, the first one first."""
    return _JOBS.setdefault(app, [])


def start(app: App[object], job: Job) -> None:
    """Do a job in a thread of the app's, which leaving a screen does not end.

    Raises UsageError where the same goes on already.
    """
    if any(other.title == job.title for other in jobs_of(app) if other.running):
        raise UsageError(f"{job.title} goes on already; x stops it")
    jobs_of(app).append(job)
    app.run_worker(lambda: _carry_out(job), name=job.title, group="jobs", thread=True)


def stop_one(app: App[object], row: str) -> None:
    """Stop the job that belongs to a row, else the one that began last."""
    running = [job for job in jobs_of(app) if job.running]
    here = [job for job in running if job.model == row]
    for job in (here or running)[-1:]:
        job.cancel.request()


def _carry_out(job: Job) -> None:
    try:
        job.lines = job.work(job)
        _end(job, "done")
    except Stopped:
        _end(job, "stopped")
    except LlprobeError as problem:
        job.problem = problem
        _end(job, "failed")
    except OSError as problem:
        job.problem = LlprobeError(f"{job.title} failed: {problem}")
        _end(job, "failed")


def _end(job: Job, state: State) -> None:
    """Note when it ended, before how: screens look at that."""
    job.ended = time.monotonic()
    job.state = state
