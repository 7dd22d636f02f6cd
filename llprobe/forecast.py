"""What a plan will take on this machine: tokens, time and memory of every job.

A model is loaded in a child to count its tokens and, once, to measure how fast it runs; the rates
are kept, and those of finished cells go before them. This module knows plans and figures. It does
not know how a person is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from llprobe.children import Cancel, call
from llprobe.estimate import Counts, Memory, Rates, memory_needed, rates_from_phases, seconds
from llprobe.events import Calibrated, Failed, JobCounted, PlanRequest
from llprobe.machine import describe, versions
from llprobe.model import ModelInfo
from llprobe.plan import Cell, Job, Plan
from llprobe.store import Store

__all__ = ["Forecast", "forecast"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one job will take; `seconds` is None where this machine's speed is not known.

    `failed` says why nothing could be counted. The time to load the model is with its first job.
    """

    cells: tuple[Cell, ...]
    counts: Counts = field(default_factory=Counts)
    n_items: int = 0
    seconds: float | None = None
    memory: Memory | None = None
    failed: str = ""


def forecast(plan: Plan, store: Store, cancel: Cancel | None = None) -> Iterator[Forecast]:
    """Yield what each job of a plan will take that is not done; a model is loaded once."""
    cancel = cancel or Cancel()
    for model, jobs in plan.jobs():
        todo = [job for job in jobs if not all(store.is_done(cell.id) for cell in job.cells)]
        if todo and not cancel.requests:
            yield from _of_model(model, todo, jobs, store, cancel)


def _of_model(
    model: ModelInfo, todo: Sequence[Job], jobs: Sequence[Job], store: Store, cancel: Cancel
) -> Iterator[Forecast]:
    settings = _text(asdict(todo[0].first.settings))
    kept = store.rates(model.fingerprint, settings, _machine())
    rates = Rates(**kept) if kept else None
    by_cells = {tuple(cell.id for cell in job.cells): job for job in todo}
    first = True
    for event in call(PlanRequest(model, tuple(todo), rates is None), cancel):
        match event:
            case Calibrated(rates=measured):
                rates = measured
                store.keep_rates(model.fingerprint, settings, _machine(), asdict(measured))
            case JobCounted():
                job = by_cells.pop(event.cells)
                known = _known_rates(job, jobs, store).filled(rates or Rates())
                yield _counted(job, event, known, loads=first)
                first = False
            case Failed(message=message):
                for job in by_cells.values():
                    yield Forecast(job.cells, failed=message)
            case _:
                raise TypeError(f"a plan request does not yield {type(event).__name__}")


def _counted(job: Job, event: JobCounted, rates: Rates, *, loads: bool) -> Forecast:
    cell = job.first
    took = seconds(event.counts, rates, cell.model.n_layers, cell.layers, len(job.cells))
    if took is not None and loads:
        took += rates.load_seconds or 0.0
    memory = memory_needed(cell.model, cell.settings, event.n_ctx)
    n_items = len(cell.questions.items) - len(event.skipped)
    return Forecast(job.cells, event.counts, n_items, took, memory)


def _known_rates(job: Job, jobs: Sequence[Job], store: Store) -> Rates:
    """Return rates from what is done of the same model in the same way, where that was enough."""
    found = Rates()
    for other in jobs:
        cell = other.first
        if cell.settings == job.first.settings and cell.ablation == job.first.ablation:
            phases = store.phases(cell.id)
            lenses = int(phases.get("lenses", 1))
            found = found.filled(
                rates_from_phases(phases, cell.model.n_layers, cell.layers, lenses)
            )
    return found


def _machine() -> str:
    """Return what this machine and its software are, without what changes from hour to hour."""
    known = {key: value for key, value in describe().items() if key != "memory"}
    return _text(known | versions())


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)
