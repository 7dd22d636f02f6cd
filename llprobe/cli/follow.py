"""Shows a run while it runs: what is loaded, a meter for the task at hand, the whole, failures.

This module knows events and stderr. It does not know options; runs are carried out by `conduct`.
"""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from llprobe.cli.console import err
from llprobe.cli.planview import tell_unmatched
from llprobe.cli.progress import Meter
from llprobe.conduct import Crew, carry_out
from llprobe.errors import RunError
from llprobe.events import (
    Event,
    Failed,
    GroupScored,
    JobDone,
    JobStarted,
    ModelLoaded,
    Quantized,
    QuantizeStep,
    Waiting,
)
from llprobe.logbook import Logbook
from llprobe.plan import Cell, Plan
from llprobe.report.naming import unique_names
from llprobe.report.pace import Whole
from llprobe.report.remarks import skipped_briefly
from llprobe.runner import Cancel, raise_failure
from llprobe.store import Store
from llprobe.sweep import SweepSpec
from llprobe.task import Questions, Skipped

__all__ = ["Screen", "drive", "follow", "interruptible", "raise_failures"]

_SECONDS: Final = 9.0
"""In which a run ends that was asked to: a little more than what its child is given."""


def follow(events: Generator[Event, None, None], screen: Screen) -> list[Failed]:
    """Show events as they come; return the failures among them."""
    failed = []
    try:
        # where showing fails, the run must end before the caller closes its store
        with closing(events):
            for event in events:
                screen.show(event)
                if isinstance(event, Failed):
                    failed.append(event)
    finally:
        screen.close()
    return failed


def drive(
    spec: SweepSpec, store: Store, cancel: Cancel, *, fresh: bool = False,
    failed_only: bool = False, crew: Crew | None = None, screen: Screen | None = None,
) -> tuple[Screen, list[Failed]]:  # fmt: skip
    """Carry a sweep out and show it; return the screen, which knows its run, and the failures."""
    screen = screen or Screen(store, store.path)
    command = shlex.join(["llprobe", *sys.argv[1:]])
    events = carry_out(
        spec, store, command, cancel, fresh=fresh, failed_only=failed_only,
        planned=screen.planned, crew=crew,
    )  # fmt: skip
    return screen, follow(events, screen)


def raise_failures(failed: list[Failed], screen: Screen, again: str) -> None:
    """Raise what a run with failures ends with, if there are any; `again` is how to try them again.

    What the screen has told is not repeated.
    """
    if not failed:
        return
    if not screen.told:
        raise_failure(failed[-1])
    parts = "1 part" if len(failed) == 1 else f"{len(failed)} parts"
    raise RunError(f"{parts} failed, as told above: {again} tries again")


@contextmanager
def interruptible(cancel: Cancel) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM ask the run to stop; a second one stops it now.

    A run that has not stopped `_SECONDS` after the first one is left, as at a third one: it is
    planning, or waits for another machine and hears neither.
    """

    def leave(_signal: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    def handle(_signal: int, _frame: Any) -> None:
        cancel.request()
        if cancel.requests > 2:
            raise KeyboardInterrupt
        if cancel.requests == 1:
            signal.setitimer(signal.ITIMER_REAL, _SECONDS)
            with suppress(RuntimeError):  # the signal came in the middle of a write to stderr
                err.print("stopping after this batch; once more to stop now")

    def asked(wanted: str) -> None:
        err.print(f"asked to {wanted}: stopping after this batch")

    cancel.asked = asked
    handlers = {signal.SIGINT: handle, signal.SIGTERM: handle, signal.SIGALRM: leave}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


class Screen:
    """A line per model, a meter per job, notes on what was skipped, a line per failure."""

    def __init__(self, store: Store, database: Path) -> None:
        self._store, self._database = store, database
        self._plan: Plan | None = None
        self._log: Logbook | None = None
        self._cells: dict[str, Cell] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._skipped: dict[str, list[Skipped]] = {}
        self._meter: Meter | None = None
        self._first = ""
        self._early: list[Event] = []
        self.told = False
        """Whether a failure was told; one of a run that has no other part is for the end."""
        self._said: set[str] = set()
        self._jobs = self._job = 0
        self._whole: Whole | None = None

    def planned(self, plan: Plan) -> None:
        """Take note of what is going to be run."""
        self._plan = plan
        tell_unmatched(plan)
        self._log = Logbook(self._database, plan)
        for event in self._early:
            self._log.write(event)
        self._cells = {cell.id: cell for cell in plan.cells}
        self._names = unique_names((c.model.name, c.model.fingerprint) for c in plan.cells)
        self._jobs = sum(len(jobs) for _, jobs in plan.jobs())
        self._whole = self._whole_of(plan)
        done = {cell.id for cell in plan.cells if self._store.is_done(cell.id)}
        self._job = sum(
            all(cell.id in done for cell in job.cells) for _, jobs in plan.jobs() for job in jobs
        )

    def _whole_of(self, plan: Plan) -> Whole | None:
        """Count the items of all jobs, and those that are scored; None for a run of one job."""
        if self._jobs < 2:
            return None
        scored = {cell.id: cell.n_done for cell in self._store.cells(plan.id)}
        jobs = [job for _, jobs in plan.jobs() for job in jobs]
        done = sum(min(scored.get(cell.id, 0) for cell in job.cells) for job in jobs)
        return Whole(done, sum(len(job.first.questions.items) for job in jobs))

    @property
    def run(self) -> str:
        """The id of the run, once it is planned."""
        return self._plan.id if self._plan else ""

    def show(self, event: Event) -> None:
        """Show one event."""
        if self._log:
            self._log.write(event)
        else:
            self._early.append(event)
        if isinstance(event, GroupScored) and event.skipped:
            self._skipped.setdefault(event.cell, []).extend(event.skipped)
        self._shown(event)

    def _say_remarks(self, event: ModelLoaded) -> None:
        """Say what is to be known of a model."""
        remarks = event.record.get("remarks", "").split("\n")
        self._say(f"{event.model}: {remark}" for remark in remarks if remark)

    def _say_skipped(self, event: JobDone) -> None:
        """Say which items got no score while they were scored."""
        for id_ in event.cells:
            if items := self._skipped.pop(id_, []):
                self._say([f"{self._cells[id_].questions.task}: {skipped_briefly(items)}"])

    def _shown(self, event: Event) -> None:
        match event:
            case ModelLoaded():
                self._loaded(event)
                self._say_remarks(event)
            case JobStarted():
                self._start(event)
            case GroupScored() if self._meter and event.cell == self._first:
                n_items = len(event.items) + len(event.skipped)
                self._meter.update(self._meter.done + n_items, event.tokens)
            case JobDone():
                self.close()
                self._say_skipped(event)
            case Quantized():
                self.close()
            case QuantizeStep(done=done, total=total):
                self._meter = self._meter or Meter("making a quant", total, "tensors").__enter__()
                self._meter.update(done)
            case Waiting(holder=holder):
                err.print(f"the rest is being computed by {holder}: waiting", markup=False)
            case Failed():
                self._fail(event)
            case _:
                pass

    def _loaded(self, event: ModelLoaded) -> None:
        record = event.record
        several = len({cell.model.fingerprint for cell in self._cells.values()}) > 1
        model = f"{event.model}: " if several else ""
        threads = f"{record['threads']} thread" + "s" * (record["threads"] != "1")
        err.print(
            f"{model}model loaded in {event.seconds:.1f} s on {record['device']}, {threads}; "
            f"self-check difference {record['self_check']}",
            markup=False,
        )

    def _start(self, event: JobStarted) -> None:
        cell = self._cells[event.cells[0]]
        self._note(cell.questions, event)
        left = {c: len(self._store.done_groups(c)) for c in event.cells}
        self._first = min(event.cells, key=lambda c: left[c])
        records = self._store.cells(self._plan.id) if self._plan else []
        done = next((c.n_done for c in records if c.id == self._first), 0)
        self._job += 1
        self._meter = Meter(
            self._called(cell), event.n_items, "items", done, self._whole
        ).__enter__()

    def _note(self, questions: Questions, event: JobStarted) -> None:
        """Say what was mended and skipped, once for each task."""
        said = list(questions.notes)
        said += [skipped_briefly(items) for items in (questions.skipped, event.skipped) if items]
        self._say(f"{questions.task}: {text}" for text in said)

    def _say(self, lines: Iterable[str]) -> None:
        """Print lines, each once."""
        for line in lines:
            if line not in self._said:
                self._said.add(line)
                err.print(line, markup=False)

    def _called(self, cell: Cell) -> str:
        """Return how a job is called while it runs: task, and what is special about it."""
        answer = cell.questions.answer
        how = {"cloze": "", "prior": " (options alone)"}.get(answer, f" ({answer})")
        out = "" if cell.ablation == "none" else f" without {cell.ablation.replace('skip:', '')}"
        where = f"[{self._job}/{self._jobs}] {self._named(cell)} " if self._jobs > 12 else ""
        return f"{where}{cell.questions.task}{how}{out}"

    def _named(self, cell: Cell) -> str:
        return self._names[cell.model.name, cell.model.fingerprint]

    def _fail(self, event: Failed) -> None:
        self.close()
        cells = [self._cells[id_] for id_ in event.cells if id_ in self._cells]
        names = list(dict.fromkeys(f"{self._named(c)}, {c.questions.task}" for c in cells))
        if len(names) > 3:
            names = [*names[:3], f"{len(names) - 3} more"]
        where = f"failed ({'; '.join(names)})" if names else "failed"
        if self._jobs > 1 or not cells:
            self.told = True
            err.print(f"{where}: {event.message}", markup=False)

    def close(self) -> None:
        """End the meter that is shown."""
        if self._meter:
            self._meter.__exit__()
        self._meter = None
