"""Computes what of a plan is not stored yet, model by model, each in a child process.

`run` is what every front end consumes; each event is stored before it is passed on. Several
processes may run the same plan: each takes the cells that no other has. A child that dies takes
only the job at hand with it. This module knows the order of things. It does not know how a child
is started, what scores mean, or screens.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from llprobe.children import STALLED, Cancel, ask, call, raise_failure
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
from llprobe.plan import Job, Plan
from llprobe.store import Store
from llprobe.store.leases import Owner

__all__ = ["Cancel", "ask", "call", "raise_failure", "run"]

_ENDS = {"pause": "paused", "cancel": "cancelled"}
_WAIT = 1.0


def run(
    plan: Plan,
    store: Store,
    command: str,
    cancel: Cancel | None = None,
    *,
    fresh: bool = False,
    only: Collection[str] | None = None,
    stalled: float = STALLED,
) -> Iterator[Event]:
    """Compute what of `plan` is not stored yet; store each event, then yield it.

    `only` names the cells to compute, all by default. A job that fails is stored as failed and
    the next one is tried. Ends when all is done, after `cancel`, or when the run is asked to pause
    or cancel; its status says which.
    """
    work = _Run(plan, store, cancel or Cancel(), only, stalled)
    store.begin(plan, command, fresh=fresh)
    status = "stopped"
    try:
        with store.working(plan.id) as owner:
            yield from work.rounds(owner)
        status = work.status
    finally:
        store.end(plan.id, status)


class _Run:
    """One process's part in a run."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        cancel: Cancel,
        only: Collection[str] | None,
        stalled: float,
    ) -> None:
        self._plan, self._store, self._cancel = plan, store, cancel
        self._only, self._stalled = only, stalled
        self._failed: set[str] = set()
        self._wanted = ""

    @property
    def status(self) -> str:
        """How the run ended."""
        if self._cancel.requests:
            return _ENDS.get(self._wanted, "stopped")
        left = {cell.id for cell in self._plan.cells if not self._store.is_done(cell.id)}
        if self._failed & left:
            return "failed"
        # where only some cells were wanted, the others may not have been tried yet
        return "stopped" if left else "done"

    def rounds(self, owner: Owner) -> Iterator[Event]:
        """Go over the models until nothing is left that this process could do."""
        told: set[int] = set()
        while not self._cancel.requests:
            left = progress = False
            for model, jobs in self._plan.jobs():
                todo = self._todo(jobs)
                mine = [job for job in todo if self._store.claim(owner, _ids(job))]
                left = left or len(mine) < len(todo)
                if mine:
                    progress = True
                    yield from self._child(owner, model, mine)
                    self._store.release(owner, [id_ for job in mine for id_ in _ids(job)])
                    left = left or bool(self._todo(mine))
                if self._cancel.requests:
                    return
            if not left:
                return
            if not progress:
                yield from self._wait(owner, told)

    def _todo(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the jobs that are not done, not failed in this run, and wanted."""
        return [
            job
            for job in jobs
            if not self._failed & set(_ids(job))
            and (self._only is None or set(self._only) & set(_ids(job)))
            and not all(self._store.is_done(id_) for id_ in _ids(job))
        ]

    def _wait(self, owner: Owner, told: set[int]) -> Iterator[Event]:
        """Wait for what other processes compute; say once for whom."""
        cells = [cell.id for cell in self._plan.cells]
        for holder in self._store.holders(cells):
            if holder.pid not in told:
                told.add(holder.pid)
                yield Waiting(str(holder))
        self._tick(owner)
        time.sleep(_WAIT)

    def _child(self, owner: Owner, model: ModelInfo, jobs: Sequence[Job]) -> Iterator[Event]:
        """Run jobs of one model in a child; where it dies, the job at hand has failed."""
        cells = [id_ for job in jobs for id_ in _ids(job)]
        done = {cell: self._store.done_groups(cell) for cell in cells}
        request = ScoreRequest(model, tuple(jobs), done)
        events = call(request, self._cancel, lambda: self._tick(owner), self._stalled)
        # whatever goes wrong here, the child is not left to itself
        with closing(events):
            for event in self._completed(events, model, jobs):
                self._keep(event, cells)
                yield event

    def _completed(
        self, events: Iterator[Event], model: ModelInfo, jobs: Sequence[Job]
    ) -> Iterator[Event]:
        """Add to a child's events what only this side knows: the model, and what has failed."""
        left, loaded, failed = [tuple(_ids(job)) for job in jobs], False, False
        for event in events:
            match event:
                case ModelLoaded():
                    loaded = True
                    yield replace(event, model=model.name)
                case JobDone(cells=done):
                    left.remove(done)
                    yield event
                case Failed() if loaded and not left:
                    pass  # its work is done and stored: how the worker ended changes nothing
                case Failed():
                    failed = True
                    yield self._blamed(event, left[:1] if loaded else left)
                case _:
                    yield event
        undone = [] if failed or self._cancel.requests else self._todo(jobs)
        if undone:  # it must not be started again and again
            what = "the worker ended before its work was done: run it again with --fresh"
            failure = Failed("RunError", f"{model.name}: {what}", 1)
            yield self._blamed(failure, [_ids(job) for job in undone])

    def _blamed(self, failure: Failed, jobs: Sequence[Sequence[str]]) -> Failed:
        """Note that jobs have failed, and say so."""
        cells = tuple(id_ for job in jobs for id_ in job)
        self._failed.update(cells)
        return replace(failure, cells=cells)

    def _tick(self, owner: Owner) -> None:
        """Give a sign of life, and stop where the run is asked to pause or cancel."""
        wanted = self._store.pulse(owner, self._plan.id)
        if wanted and not self._cancel.requests:
            self._wanted = wanted
            self._cancel.request(wanted)

    def _keep(self, event: Event, cells: Sequence[str]) -> None:
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


def _ids(job: Job) -> list[str]:
    return [cell.id for cell in job.cells]
