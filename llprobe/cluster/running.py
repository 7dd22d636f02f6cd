"""A share that a worker has at this moment: its messages become the run's events.

This module knows one share and what was heard of it. It does not know who else computes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from llprobe.cluster.crew import Hand
from llprobe.cluster.orders import Message
from llprobe.events import Event, ModelLoaded
from llprobe.ledger import Share
from llprobe.plan import Job

__all__ = ["Running"]


class Running:
    """A share, the worker that has it, and the future that ends with it."""

    def __init__(self, hand: Hand, share: Share, future: Any) -> None:
        self.hand, self.share, self.future = hand, share, future
        self.n_heard = 0
        self._next = 0
        self._loaded_at: float | None = None

    def take(self, message: Message) -> Iterator[Event]:
        """Store a message's event, if it has one, and yield it; what was heard before is left out.

        Were an order computed twice, both would count their messages from 0.
        """
        if message.number < self._next:
            return
        self._next = message.number + 1
        self.n_heard += 1
        match message.said:
            case str():
                pass
            case ModelLoaded() as loaded:
                yield from self._loaded(loaded)
            case event:
                yield from self.share.take(event)

    def seconds(self) -> float:
        """Return how long ago the worker had the model ready; 0 where it has not."""
        return 0.0 if self._loaded_at is None else time.monotonic() - self._loaded_at

    def at_hand(self) -> list[Job]:
        """Return the job that may be what ends its worker: the one it is at, or would begin with.

        None where all are done.
        """
        cells = self.share.at_hand()
        return [job for job in self.share.jobs if job.first.id in cells][:1]

    def _loaded(self, event: ModelLoaded) -> Iterator[Event]:
        """Keep where the cells are computed."""
        self._loaded_at = time.monotonic()
        here = {"host": self.hand.host, "worker": self.hand.name}
        yield from self.share.take(replace(event, record=event.record | here))
