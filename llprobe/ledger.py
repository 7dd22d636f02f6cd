"""What a run's process keeps account of: what is left, what it holds, and what became of it.

Whoever carries a run out, a child of this process or machines elsewhere, takes jobs here and
brings events back; they are stored here before they are passed on. This module knows cells, leases
and events. It does not know who computes, nor in what order.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from llprobe.children import Cancel
from llprobe.events import (
    Event,
    Failed,
    GroupScored,
    JobDone,
    JobStarted,
    ModelLoaded,
    ScoreRequest,
    Waiting,
)
from llprobe.model import ModelInfo
from llprobe.places import continued, is_placed
from llprobe.plan import Job, Plan
from llprobe.store import Store
from llprobe.store.leases import Owner

__all__ = ["Ledger", "Share", "ids_of"]

_ENDS = {"pause": "paused", "cancel": "cancelled"}
_WAIT = 1.0


class Ledger:
    """One process's part in a run; `cancel` is asked where the store says to pause or cancel."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        owner: Owner,
        cancel: Cancel,
        only: Collection[str] | None = None,
    ) -> None:
        self.plan, self.cancel = plan, cancel
        self._store, self._owner = store, owner
        self._only = None if only is None else set(only)
        self._failed: set[str] = set()
        self._wanted = ""
        self._told: set[int] = set()

    @property
    def status(self) -> str:
        """How the run ended."""
        if self.cancel.requests:
            return _ENDS.get(self._wanted, "stopped")
        left = {cell.id for cell in self.plan.cells if not self._store.is_done(cell.id)}
        if self._failed & left:
            return "failed"
        # where only some cells were wanted, the others may not have been tried yet
        return "stopped" if left else "done"

    def todo(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the jobs that are not done, not failed in this run, and wanted."""
        return [
            job
            for job in jobs
            if not self._failed & set(ids_of([job]))
            and (self._only is None or self._only & set(ids_of([job])))
            and not all(self._store.is_done(id_) for id_ in ids_of([job]))
        ]

    def claim(self, jobs: Sequence[Job]) -> list[Job]:
        """Take jobs, and return those that no other process has."""
        return [job for job in jobs if self._store.claim(self._owner, ids_of([job]))]

    def release(self, jobs: Sequence[Job]) -> None:
        """Give jobs back."""
        self._store.release(self._owner, ids_of(jobs))

    def share(self, model: ModelInfo, jobs: Sequence[Job]) -> Share:
        """Return jobs of one model as what somebody computes, without what is stored of them."""
        return Share(self, model, jobs)

    def done_groups(self, cells: Sequence[str]) -> dict[str, frozenset[int]]:
        """Return the groups of cells that are stored."""
        return {cell: self._store.done_groups(cell) for cell in cells}

    def records(self, cells: Collection[str]) -> dict[str, dict[str, str]]:
        """Return with what those of the cells were computed of which something is stored."""
        stored = self._store.cells(self.plan.id)
        return {cell.id: cell.record for cell in stored if cell.n_done and cell.id in cells}

    def tick(self) -> None:
        """Give a sign of life, and stop where the run is asked to pause or cancel."""
        wanted = self._store.pulse(self._owner, self.plan.id)
        if wanted and not self.cancel.requests:
            self._wanted = wanted
            self.cancel.request(wanted)

    def wait(self) -> Iterator[Event]:
        """Wait a moment for what other processes compute; say once for whom."""
        for holder in self._store.holders([cell.id for cell in self.plan.cells]):
            if holder.pid not in self._told:
                self._told.add(holder.pid)
                yield Waiting(str(holder))
        self.tick()
        time.sleep(_WAIT)

    def blame(self, failure: Failed, jobs: Sequence[Job]) -> Failed:
        """Note that jobs have failed, in the store too; return it with their cells."""
        cells = tuple(ids_of(jobs))
        self._failed.update(cells)
        failed = replace(failure, cells=cells)
        self.keep(failed, cells)
        return failed

    def keep(self, event: Event, cells: Sequence[str]) -> None:
        """Store an event that came of computing `cells`."""
        store = self._store
        match event:
            case ModelLoaded(record=record):
                store.record_model(cells, record)
            case JobStarted():
                store.start_job(event)
            case GroupScored():
                store.add_group(event)
            case JobDone(cells=finished, phases=phases):
                store.finish_cells(finished, phases)
            case Failed(cells=hit, message=message):
                store.fail_cells(hit, message)
            case _:
                raise TypeError(f"a score request does not yield {type(event).__name__}")


class Share:
    """Jobs of one model that are computed by one worker, and how far they are."""

    def __init__(self, ledger: Ledger, model: ModelInfo, jobs: Sequence[Job]) -> None:
        self.model, self.jobs = model, tuple(jobs)
        self.cells = ids_of(jobs)
        self._ledger = ledger
        self._left = list(jobs)
        self._loaded = self._failed = False
        self._moved: dict[str, ModelLoaded] = {}

    @property
    def request(self) -> ScoreRequest:
        """What the worker is asked, as things stand now."""
        return ScoreRequest(self.model, self.jobs, self._ledger.done_groups(self.cells))

    def take(self, event: Event) -> Iterator[Event]:
        """Store an event of the worker, and yield it with what only this side knows."""
        match event:
            case ModelLoaded():
                self._loaded = True
                yield self._kept_record(replace(event, model=self.model.name))
            case GroupScored(cell=cell) if cell in self._moved:
                self._ledger.keep(self._moved.pop(cell), [cell])
                yield self._kept(event)
            case JobDone(cells=done):
                self._left = [job for job in self._left if tuple(ids_of([job])) != done]
                yield self._kept(event)
            case Failed() if self._loaded and not self._left:
                pass  # its work is done and stored: how the worker ended changes nothing
            case Failed():
                self._failed = True
                # a worker that dies takes only the job at hand with it
                yield self._ledger.blame(event, self._left[:1] if self._loaded else self._left)
            case _:
                yield self._kept(event)

    def end(self) -> Iterator[Event]:
        """Say, once the worker has ended, that what it left undone has failed."""
        if self._failed or self._ledger.cancel.requests:
            return
        undone = self._ledger.todo(self.jobs)
        if undone:  # it must not be started again and again
            what = "the worker ended before its work was done: run it again with --fresh"
            failure = Failed("RunError", f"{self.model.name}: {what}", 1)
            yield self._ledger.blame(failure, undone)

    def at_hand(self) -> list[str]:
        """Return the cells that the worker's death would take with it."""
        return ids_of(self._left[:1] if self._loaded else self._left)

    def _kept_record(self, loaded: ModelLoaded) -> ModelLoaded:
        """Keep with what the cells are computed.

        A cell that was begun elsewhere keeps its record until a part of it is computed here.
        """
        begun = self._ledger.records(self.cells) if is_placed(loaded.record) else {}
        for cell, before in begun.items():
            record = continued(before, loaded.record, platform.node())
            if record != loaded.record:
                self._moved[cell] = replace(loaded, record=record)
        self._ledger.keep(loaded, [cell for cell in self.cells if cell not in self._moved])
        return loaded

    def _kept(self, event: Event) -> Event:
        self._ledger.keep(event, self.cells)
        return event


def ids_of(jobs: Sequence[Job]) -> list[str]:
    """Return the ids of the cells of jobs."""
    return [cell.id for job in jobs for cell in job.cells]
