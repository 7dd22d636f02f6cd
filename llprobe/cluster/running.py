"""A share that a worker has at this moment: its messages become the run's events.

This module knows one share and what was heard of it. It does not know who else computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from llprobe.cluster.crew import Hand
from llprobe.cluster.machines import Machines
from llprobe.cluster.orders import Message
from llprobe.events import Event, GroupScored, ModelLoaded
from llprobe.ledger import Share

__all__ = ["Running"]


class Running:
    """A share, the worker that has it, and the future that ends with it."""

    def __init__(
        self,
        hand: Hand,
        share: Share,
        done: Mapping[str, frozenset[int]],
        future: Any,
        machines: Machines,
    ) -> None:
        self.hand, self.share, self.future = hand, share, future
        self.n_heard = 0
        self._begun = [cell for cell, groups in done.items() if groups]
        self._machines = machines

    def take(self, message: Message) -> Iterator[Event]:
        """Store a message's event, if it has one, and yield it."""
        self.n_heard += 1
        match message.said:
            case str():
                pass
            case ModelLoaded() as loaded:
                yield from self._loaded(loaded)
            case GroupScored() as scored:
                self._machines.computed(scored.cell, self.hand.host, self.hand.name)
                yield from self.share.take(scored)
            case event:
                yield from self.share.take(event)

    def _loaded(self, event: ModelLoaded) -> Iterator[Event]:
        """Keep where the cells are computed; of those begun elsewhere, all of the machines."""
        here = {"host": self.hand.host, "worker": self.hand.name}
        yield from self.share.take(replace(event, record=event.record | here))
        for cell in self._begun:
            record = self._machines.record(cell, event.record, self.hand.host, self.hand.name)
            self.share.note(cell, replace(event, record=record))
