"""Computes what of a plan is not stored yet, model by model, each in a child process.

`run` is what every front end consumes; each event is stored before it is passed on. Several
processes may run the same plan: each takes the cells that no other has. A child that dies takes
only the job at hand with it. This module knows the order of things. It does not know how a child
is started, how a run is kept account of, what scores mean, or screens.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing

from llprobe.children import Cancel, ask, call, raise_failure
from llprobe.events import Event
from llprobe.ledger import Ledger
from llprobe.model import ModelInfo
from llprobe.plan import Job, Plan
from llprobe.store import Store

__all__ = ["Cancel", "Hands", "ask", "call", "raise_failure", "run"]

Hands = Callable[[Ledger], Iterator[Event]]
"""Carries out what is left in a ledger; `run` uses child processes of this one by default."""


def run(
    plan: Plan,
    store: Store,
    command: str,
    cancel: Cancel | None = None,
    *,
    fresh: bool = False,
    only: Collection[str] | None = None,
    hands: Hands | None = None,
) -> Iterator[Event]:
    """Compute what of `plan` is not stored yet; store each event, then yield it.

    `only` names the cells to compute, all by default; `hands` is who computes, in place of this
    machine. A job that fails is stored as failed and the next one is tried. Ends when all is done,
    after `cancel`, or when the run is asked to pause or cancel; its status says which.
    """
    store.begin(plan, command, fresh=fresh)
    status = "stopped"
    try:
        with store.working(plan.id) as owner:
            ledger = Ledger(plan, store, owner, cancel or Cancel(), only)
            yield from (hands or _rounds)(ledger)
        status = ledger.status
    finally:
        store.end(plan.id, status)


def _rounds(ledger: Ledger) -> Iterator[Event]:
    """Go over the models until nothing is left that this process could do."""
    while not ledger.cancel.requests:
        left = progress = False
        for model, jobs in ledger.plan.jobs():
            todo = ledger.todo(jobs)
            mine = ledger.claim(todo)
            left = left or len(mine) < len(todo)
            if mine:
                progress = True
                yield from _child(ledger, model, mine)
                ledger.release(mine)
                left = left or bool(ledger.todo(mine))
            if ledger.cancel.requests:
                return
        if not left:
            return
        if not progress:
            yield from ledger.wait()


def _child(ledger: Ledger, model: ModelInfo, jobs: Sequence[Job]) -> Iterator[Event]:
    """Run jobs of one model in a child; where it dies, the job at hand has failed."""
    share = ledger.share(model, jobs)
    # whatever goes wrong here, the child is not left to itself
    with closing(call(share.request, ledger.cancel, ledger.tick)) as events:
        for event in events:
            yield from share.take(event)
    yield from share.end()
