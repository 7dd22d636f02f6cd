"""A sweep as a person wrote it -> everything that it takes to carry it out, in the right order.

    models found, quants made -> plan -> run -> quants that were not to stay deleted

Both front ends carry sweeps out through here; `llprobe run` is a sweep of what was typed. This
module knows the order of these steps. It does not know screens, nor how any of them is done.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Protocol

from llprobe.children import Cancel, call
from llprobe.errors import LlprobeError, UsageError
from llprobe.events import Event, Failed, Quantized, QuantizeRequest
from llprobe.ledger import Ledger
from llprobe.machine import performance_cores
from llprobe.model import ModelInfo
from llprobe.plan import Plan, Sweep, make_plan, models_left
from llprobe.runner import run
from llprobe.store import Store
from llprobe.sweep import (
    Obtain,
    SweepSpec,
    Unmade,
    delete_temporary,
    made_quant,
    models_of,
    note_temporary,
    parse_sweep,
    remembered,
    sweep_of,
    to_yaml,
)

__all__ = ["Crew", "Prepared", "Unusable", "carry_out", "make_quants", "prepare", "spec_of_run"]


class Crew(Protocol):
    """Machines that carry runs out in place of this one; see `cluster.hired`."""

    def __call__(self, ledger: Ledger, models: Sequence[ModelInfo] = ()) -> Iterator[Event]:
        """Compute what is left in a ledger; `models` are those that its quants were made from."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A model that a sweep names and that cannot be used; the others are."""

    name: str
    error: LlprobeError


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a sweep comes to here and now."""

    spec: SweepSpec
    models: tuple[ModelInfo, ...]
    unmade: tuple[Unmade, ...]
    """Quants that are to be made before the sweep can be planned whole."""
    unusable: tuple[Unusable, ...]
    unwanted: tuple[Unmade, ...] = ()
    """Quants that are not to be made: all of their cells are excluded."""

    def plan(self) -> Plan:
        """Lay out the cells of the models that are there; see `plan.make_plan`.

        There may be none of them where all that is left is on quants to be made.
        """
        return make_plan(self.sweep(), self.spec.name, to_yaml(self.spec))

    def sweep(self) -> Sweep:
        """Return the sweep on the models that are there, which awaits the others."""
        awaited = (unmade.model for unmade in (*self.unmade, *self.unwanted))
        return sweep_of(self.spec, self.models, awaited)


def prepare(spec: SweepSpec, store: Store | None = None) -> Prepared:
    """Look up the models of a sweep, making none.

    A model that cannot be used is set aside; where none is left, its error is raised. A quant of
    which everything is excluded is not to be made, nor, given the store, one that was deleted and
    whose cells are all done.
    """
    prepared = _needed(spec, store) if store else _look_up(spec, made_quant)
    if not (prepared.unmade and spec.exclude):
        return prepared
    left = models_left(prepared.sweep())
    wanted = [unmade for unmade in prepared.unmade if unmade.model.fingerprint in left]
    unwanted = tuple(unmade for unmade in prepared.unmade if unmade not in wanted)
    return replace(prepared, unmade=tuple(wanted), unwanted=unwanted)


def _needed(spec: SweepSpec, store: Store) -> Prepared:
    """Look up the models, without quants that were deleted when everything on them was done."""
    gone: set[str] = set()
    needed: set[str] = set()

    def obtain(source: ModelInfo, quant: str) -> ModelInfo | None:
        known = made_quant(source, quant)
        if known is None and (known := remembered(source, quant)):
            gone.add(known.fingerprint)
            return None if known.fingerprint in needed else known
        return known

    prepared = _look_up(spec, obtain)
    if gone:
        needed |= gone & _undone(store, prepared.plan())
    return _look_up(spec, obtain) if needed else prepared


def _undone(store: Store, plan: Plan) -> set[str]:
    """Return the fingerprints of the models of which not every cell is done."""
    return {cell.model.fingerprint for cell in plan.cells if not store.is_done(cell.id)}


def _look_up(spec: SweepSpec, obtain: Obtain) -> Prepared:
    unusable: list[Unusable] = []
    found = list(
        models_of(spec, obtain, lambda name, error: unusable.append(Unusable(name, error)))
    )
    if not found and unusable:
        raise unusable[0].error
    return Prepared(
        spec,
        tuple(model for model in found if isinstance(model, ModelInfo)),
        tuple(model for model in found if isinstance(model, Unmade)),
        tuple(unusable),
    )


def make_quants(prepared: Prepared, cancel: Cancel | None = None) -> Iterator[Event]:
    """Make the quants that are missing, each in a child; yields its steps, then `Quantized`.

    A `Failed` names a quant that could not be made; the next one is tried.
    """
    cancel = cancel or Cancel()
    for unmade in prepared.unmade:
        if cancel.requests:
            return
        threads = prepared.spec.engine.n_threads or performance_cores()
        request = QuantizeRequest(unmade.source, unmade.quant, str(unmade.path), threads)
        for event in call(request, cancel):
            if isinstance(event, Quantized) and not unmade.keep:
                note_temporary(unmade.path)
            if isinstance(event, Failed):
                yield replace(event, message=f"{unmade.name}: {event.message}")
            else:
                yield event


def carry_out(  # noqa: PLR0913 - one switch for each of what can be asked of a sweep
    spec: SweepSpec,
    store: Store,
    command: str,
    cancel: Cancel | None = None,
    *,
    fresh: bool = False,
    failed_only: bool = False,
    planned: Callable[[Plan], None] | None = None,
    crew: Crew | None = None,
) -> Generator[Event, None, None]:
    """Carry a sweep out, and yield what happens; `planned` is told the plan once there is one.

    The same sweep again continues. `failed_only` computes the cells that failed and no others;
    `crew` computes in place of this machine, which still makes the quants.
    """
    cancel, known = cancel or Cancel(), None if fresh else store
    prepared = prepare(spec, known)
    for each in prepared.unusable:
        yield _failed(each)
    if prepared.unmade:
        yield from make_quants(prepared, cancel)
        if cancel.requests:
            return
        prepared = prepare(spec, known)
    plan = prepared.plan()
    if not plan.cells:  # it was told which quants could not be made
        return
    if planned:
        planned(plan)
    only = _failed_cells(store, plan) if failed_only else None
    hands = partial(crew, models=prepared.models) if crew else None
    yield from run(plan, store, command, cancel, fresh=fresh, only=only, hands=hands)
    if (prepared.unusable or prepared.unmade) and store.run(plan.id).status == "done":
        # what was planned is done, but not what was asked for
        store.end(plan.id, "failed")
    _delete_unkept(spec, store, plan)


def _failed(unusable: Unusable) -> Failed:
    error = unusable.error
    named = unusable.name in str(error)
    message = str(error) if named else f"{unusable.name}: {error}"
    return Failed(type(error).__name__, message, error.exit_code)


def _failed_cells(store: Store, plan: Plan) -> frozenset[str]:
    return frozenset(cell.id for cell in store.cells(plan.id) if cell.status == "failed")


def _delete_unkept(spec: SweepSpec, store: Store, plan: Plan) -> None:
    """Delete quants that were made for this sweep only, once everything on them is done."""
    unkept = {quant for entry in spec.models if not entry.keep for quant in entry.quantize}
    for model, jobs in plan.jobs():
        cells = chain.from_iterable(job.cells for job in jobs)
        made = model.origin == "quantized" and model.name.rpartition(":")[2] in unkept
        if made and all(store.is_done(cell.id) for cell in cells):
            for path in model.paths:
                delete_temporary(path)


def spec_of_run(store: Store, name: str) -> tuple[str, SweepSpec]:
    """Return the id and the sweep of a stored run, to carry it out again.

    Raises UnknownName for no such run, UsageError for one that was stored before sweeps were.
    """
    run_id = store.find_run(name)
    text = store.spec(run_id)
    if not text:
        raise UsageError(f"run {run_id[:8]} is older than sweeps: type its command again")
    return run_id, parse_sweep(text, f"run {run_id[:8]}")
