"""Which workers there are, who they are, and which of them will do.

A worker introduces itself before it is given anything: its machine, and the versions of what
decides numbers. This module knows workers. It does not know what they compute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llprobe.cluster.greeting import introduce
from llprobe.cluster.link import Link
from llprobe.errors import RunError

__all__ = ["MUST_AGREE", "PATIENCE", "Crew", "Hand", "silent", "unfit"]

PATIENCE: Final = 60.0
"""Seconds for which a run waits for a worker that will do."""
_LOOK: Final = 1.0
MUST_AGREE: Final = ("llprobe", "llama-cpp-python")
"""The packages whose versions must be those of the machine that started the sweep."""


@dataclass(eq=False, slots=True)
class Hand:
    """A worker: its address and name, its machine once it is known, what it can and did run."""

    address: str
    id: str
    name: str
    introducing: Any
    host: str = ""
    lacks: dict[str, str] = field(default_factory=dict)
    """Models that it cannot run, by fingerprint, and why."""
    last: str = ""
    """The fingerprint of the model that it had last."""

    def __str__(self) -> str:
        return f"{self.host or self.address} ({self.name})"


class Crew:
    """The workers of a scheduler, as they come and go."""

    def __init__(self, link: Link, tell: Callable[[str], None], patience: float = PATIENCE) -> None:
        self.hands: dict[str, Hand] = {}
        """Workers that will do, by dask's id of them."""
        self._link, self._tell, self._patience = link, tell, patience
        self._strangers: dict[str, Hand] = {}
        self._refused: dict[str, str] = {}
        self._looked, self._alone_since = 0.0, time.monotonic()
        self._had = False

    def look(self) -> list[Hand]:
        """Take in who has come; return those who are gone.

        Raises RunError where nobody who will do has come for a time.
        """
        if time.monotonic() - self._looked < _LOOK:
            return []
        self._looked = time.monotonic()
        ids = self._link.workers()
        gone = [hand for id_, hand in self.hands.items() if id_ not in ids]
        self.hands = {id_: hand for id_, hand in self.hands.items() if id_ in ids}
        self._strangers = {id_: hand for id_, hand in self._strangers.items() if id_ in ids}
        self._refused = {id_: why for id_, why in self._refused.items() if id_ in ids}
        for id_ in ids.keys() - self.hands.keys() - self._strangers.keys() - self._refused.keys():
            address, name = ids[id_]
            # it answers when it has a thread for it
            self._strangers[id_] = Hand(address, id_, name, self._link.greet(address, MUST_AGREE))
        self._admit()
        self._wait_no_longer()
        return gone

    def _admit(self) -> None:
        for id_, hand in list(self._strangers.items()):
            if not hand.introducing.done():
                continue
            del self._strangers[id_]
            if why := _unfit(hand):
                self._refused[id_] = why
                self._tell(f"not used: {why}")
            else:
                self.hands[id_] = hand
                self._tell(f"{hand} takes part")

    def _wait_no_longer(self) -> None:
        now = time.monotonic()
        if self.hands:
            self._alone_since, self._had = now, True
        elif self._refused and not (self._strangers or self._had):
            raise RunError(f"no worker will do: {next(iter(self._refused.values()))}")
        elif now - self._alone_since > self._patience:
            raise RunError(
                f"no worker has been at {self._link.where} for {self._patience:.0f} s: start one "
                "on each machine with `llprobe cluster worker tcp://HOST:8786`; the same command "
                "continues"
            )


def _unfit(hand: Hand) -> str:
    """Return why a worker that has answered will not do; empty where it will."""
    if hand.introducing.status != "finished":
        asked = hand.introducing
        problem = asked.exception() if asked.status == "error" else asked.status
        return silent(hand, problem)
    hand.host, theirs, problem = hand.introducing.result()
    return unfit(hand, theirs, problem)


def silent(who: object, problem: object) -> str:
    """Say of a worker that it could not be asked."""
    return f"{who} does not answer: {problem}"


def unfit(who: object, theirs: Mapping[str, str], problem: str) -> str:
    """Return why a worker with these versions will not do; empty where it will.

    `problem` is why it cannot use llprobe at all, as it said itself.
    """
    here, mine, _ = introduce(MUST_AGREE)
    if problem or "" in theirs.values():
        missing = problem or "a package is missing"
        return f"llprobe cannot be used on {who} ({missing}): pip install 'llprobe[cluster]' there"
    if theirs == mine:
        return ""
    said, ours = (" and ".join(f"{n} {v}" for n, v in of.items()) for of in (theirs, mine))
    return (
        f"{who} has {said}, this machine ({here}) has {ours}: scores would not compare; install "
        "the same there"
    )
