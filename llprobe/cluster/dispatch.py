"""Carries a run out on the workers of a cluster: gives out shares, stores what comes back.

One thread does it all, in rounds: who is there, who gets what, what was said, who has ended. A
worker that goes away has what is not stored of its share computed by another one. This module
knows shares and workers. It does not know how connections are made, nor what a worker does.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from llprobe.cluster.crew import PATIENCE, Crew, Hand
from llprobe.cluster.deal import deal, grown
from llprobe.cluster.link import Link, told
from llprobe.cluster.orders import Lost, Message, Order, Outcome, wanted
from llprobe.cluster.running import Running
from llprobe.cluster.stuck import Stuck
from llprobe.events import Event, Failed
from llprobe.ledger import Ledger, ids_of
from llprobe.model import ModelInfo
from llprobe.plan import Job

__all__ = ["Dispatch"]

_PAUSE: Final = 0.05
_DEATHS: Final = 3
"""Workers that may go away with the same job before it is taken for what ends them."""


class Dispatch:
    """A cluster's workers as the hands that carry runs out; see `runner.Hands`."""

    def __init__(
        self, client: Any, where: str, tell: Callable[[str], None], patience: float = PATIENCE
    ) -> None:
        self._client, self._where, self._tell = client, where, tell
        self._patience = patience

    def __call__(self, ledger: Ledger, models: Sequence[ModelInfo] = ()) -> Iterator[Event]:
        """Compute what is left in a ledger; `models` are those that quants were made from.

        Raises RunError where the scheduler goes away, or no worker is there for `patience` seconds.
        """
        with Link(self._client, self._where, f"llprobe-{uuid.uuid4().hex}") as link:
            crew = Crew(link, self._tell, self._patience)
            yield from _Round(link, crew, ledger, models, self._tell).rounds()


class _Round:
    """One run on a cluster."""

    def __init__(
        self,
        link: Link,
        crew: Crew,
        ledger: Ledger,
        models: Sequence[ModelInfo],
        tell: Callable[[str], None],
    ) -> None:
        self._link, self._crew, self._ledger, self._tell = link, crew, ledger, tell
        plan = ledger.plan
        self._models = {model.fingerprint: model for model, _ in plan.jobs()}
        self._known = (*models, *self._models.values())
        self._left = {model.fingerprint: ledger.todo(jobs) for model, jobs in plan.jobs()}
        self._held: list[Job] = []
        """Jobs that other processes compute."""
        self._running: dict[str, Running] = {}
        self._deaths: Counter[str] = Counter()
        self._stuck = Stuck(crew)
        self._stopping = 0

    def rounds(self) -> Iterator[Event]:
        """Go on until nothing is left, or the run is to end."""
        cancel = self._ledger.cancel
        while self._running or (not cancel.requests and self._more()):
            for hand in self._crew.look():
                yield from self._gone(hand)
            if not cancel.requests:
                yield from self._give_out()
            quiet = True
            for event in self._hear():
                quiet = False
                yield event
            if self._running or not self._held:
                self._ledger.tick()
            else:
                yield from self._ledger.wait()
            if cancel.requests > 1:
                return  # the link takes everything back
            yield from self._pass_on(cancel.requests)
            if quiet:
                time.sleep(_PAUSE)

    def _more(self) -> bool:
        """Whether something is to be given out; what others held may be free or done by now."""
        if self._held and not any(self._left.values()):
            self._left = _by_model(self._ledger.todo(self._held))
            self._held = []
        return any(self._left.values())

    def _pass_on(self, requests: int) -> Iterator[Event]:
        """Ask for a stop once; what no worker has begun yet is taken back."""
        if requests == self._stopping:
            return
        self._stopping = requests
        self._link.ask_to_stop()
        yield from self._listen()
        for key, running in list(self._running.items()):
            if not running.n_heard:
                running.future.cancel()
                self._take_back(self._running.pop(key))

    # --- giving out ---------------------------------------------------------------------------

    def _give_out(self) -> Iterator[Event]:
        busy = {running.hand.id for running in self._running.values()}
        for hand in self._crew.hands.values():
            if hand.id not in busy:
                self._give(hand)
        yield from self._nobody_can()

    def _give(self, hand: Hand) -> None:
        while True:
            left = {model: len(jobs) for model, jobs in self._left.items()}
            at_it = Counter(running.share.model.fingerprint for running in self._running.values())
            portion = deal(left, at_it, len(self._crew.hands), hand.last, hand.lacks, hand.may)
            if portion is None:
                return
            jobs = self._left[portion.model]
            taken, self._left[portion.model] = jobs[: portion.n_jobs], jobs[portion.n_jobs :]
            mine = self._ledger.claim(taken)
            self._held += [job for job in taken if job not in mine]
            # another process may have done them since they were listed
            todo = self._ledger.todo(mine)
            self._ledger.release([job for job in mine if job not in todo])
            if todo:
                self._send(hand, self._models[portion.model], todo)
                return

    def _send(self, hand: Hand, model: ModelInfo, jobs: Sequence[Job]) -> None:
        share, key = self._ledger.share(model, jobs), f"llprobe-{uuid.uuid4().hex}"
        order = Order(self._link.run, key, wanted(model, self._known), share.request)
        future = self._link.send(order, hand.address, hand.id)
        hand.last = model.fingerprint
        self._running[key] = Running(hand, share, future)

    def _nobody_can(self) -> Iterator[Event]:
        """Give up the models that no worker can run."""
        for model, jobs in self._left.items():
            if jobs and (why := self._stuck.why(model)):
                self._left[model] = []
                yield self._ledger.blame(Failed("RunError", why, 1), jobs)

    # --- hearing ------------------------------------------------------------------------------

    def _hear(self) -> Iterator[Event]:
        # what ended before the queue is read has all of its messages in there
        ended = [key for key, running in self._running.items() if running.future.done()]
        yield from self._listen()
        for key in ended:
            yield from self._ended(self._running.pop(key))

    def _listen(self) -> Iterator[Event]:
        for message in self._link.messages():
            yield from self._heard(message)

    def _heard(self, message: Message) -> Iterator[Event]:
        running = self._running.get(message.share)
        if running is None:
            return  # of a share that was given to somebody else since
        if isinstance(message.said, str):
            self._tell(f"{running.hand}: {message.said}")
        yield from running.take(message)

    def _ended(self, running: Running) -> Iterator[Event]:
        match told(running.future):
            case Outcome() as outcome:
                yield from self._done(running, outcome)
            case Lost(why):
                yield from self._died(running, why)
            case problem:
                failed = Failed("RunError", f"the worker on {running.hand} failed: {problem}", 1)
                yield from running.share.take(failed)
        self._take_back(running)

    def _done(self, running: Running, outcome: Outcome) -> Iterator[Event]:
        hand, share = running.hand, running.share
        if outcome.lacks:
            hand.lacks[share.model.fingerprint] = outcome.lacks
            why = outcome.lacks.removeprefix(f"{share.model.name}: ")
            self._tell(f"{hand} cannot run {share.model.name}: {why}")
        elif outcome.n_said == running.n_heard:
            hand.may[share.model.fingerprint] = grown(len(share.jobs), running.seconds())
            yield from share.end()
        else:  # a part was lost on the way
            yield from self._died(running)

    def _gone(self, hand: Hand) -> Iterator[Event]:
        for key, running in list(self._running.items()):
            if running.hand is hand:
                yield from self._listen()  # what it said to its end counts
                del self._running[key]
                running.future.cancel()
                yield from self._died(running)
                self._take_back(running)

    def _died(self, running: Running, why: str = "") -> Iterator[Event]:
        """Note that a worker went away in the middle; what ends every worker has failed."""
        self._crew.doubt()
        jobs = running.at_hand()
        self._deaths.update(ids_of(jobs))
        if any(self._deaths[cell] >= _DEATHS for cell in ids_of(jobs)):
            said = f"{running.share.model.name}: {_DEATHS} workers went away while they computed it"
            failed = Failed("RunError", f"{said} ({why})" if why else said, 1)
            yield self._ledger.blame(failed, jobs)
        elif not self._ledger.cancel.requests:
            self._tell(f"{running.hand} is lost: what it had is computed by others")

    def _take_back(self, running: Running) -> None:
        """Let go of a share; what is left of it is given out again."""
        share = running.share
        self._ledger.release(share.jobs)
        self._left.setdefault(share.model.fingerprint, [])[:0] = self._ledger.todo(share.jobs)


def _by_model(jobs: Sequence[Job]) -> dict[str, list[Job]]:
    found: dict[str, list[Job]] = {}
    for job in jobs:
        found.setdefault(job.first.model.fingerprint, []).append(job)
    return found
