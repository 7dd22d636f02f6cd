"""Which workers there are, who they are, and which of them will do.

A worker says which Python it has before code is sent to it, then it introduces itself: its machine,
and the versions of what decides numbers. This module knows workers. It does not know what they
compute.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llprobe.cluster.greeting import introduce
from llprobe.cluster.link import Link
from llprobe.errors import RunError

__all__ = ["MUST_AGREE", "PATIENCE", "Crew", "Hand", "other_python", "silent", "unfit"]

PATIENCE: Final = 60.0
"""Seconds for which a run waits for a worker that will do."""
_LOOK: Final = 1.0
_BUSY: Final = 5.0
"""Seconds after which it is said for whom a run waits."""
MUST_AGREE: Final = ("llprobe", "llama-cpp-python")
"""The packages whose versions must be those of the machine that started the sweep."""


@dataclass(eq=False, slots=True)
class Hand:
    """A worker: its address and name, its machine once it is known, what it can and did run."""

    address: str
    id: str
    """Names this start of it; where it is started again, it is another hand."""
    name: str
    asked: Any
    """The future of what it was asked last."""
    python: str = ""
    host: str = ""
    lacks: dict[str, str] = field(default_factory=dict)
    """Models that it cannot run, by fingerprint, and why."""
    may: dict[str, int] = field(default_factory=dict)
    """How many jobs of a model it may have at a time, by fingerprint; see `deal`."""
    last: str = ""
    """The fingerprint of the model that it had last."""

    def __str__(self) -> str:
        return f"{self.host or self.address} ({self.name})"


class Crew:
    """The workers of a scheduler, as they come and go."""

    def __init__(self, link: Link, tell: Callable[[str], None], patience: float = PATIENCE) -> None:
        self.hands: dict[str, Hand] = {}
        """Workers that will do, by what names this start of each."""
        self.strangers: dict[str, Hand] = {}
        """Workers that have not answered yet: they do when they have a thread for it."""
        self.missing: dict[str, Hand] = {}
        """Workers that took part, went away and are not back, by name."""
        self.patience = patience
        self._link, self._tell = link, tell
        self._refused: dict[str, str] = {}
        self._looked, self._alone_since = 0.0, time.monotonic()
        self._idle_since = self._alone_since
        self._had = self._said = False

    def doubt(self) -> None:
        """Look anew at the next look, however short ago the last one was: somebody may be gone."""
        self._looked = 0.0

    def look(self) -> list[Hand]:
        """Take in who has come; return those who are gone.

        Raises RunError where nobody who will do has come for a time.
        """
        if time.monotonic() - self._looked < _LOOK:
            return []
        self._looked = time.monotonic()
        ids = self._link.workers()
        gone = [hand for id_, hand in self.hands.items() if id_ not in ids]
        self.missing |= {hand.name: hand for hand in gone}
        self.hands = {id_: hand for id_, hand in self.hands.items() if id_ in ids}
        self.strangers = {id_: hand for id_, hand in self.strangers.items() if id_ in ids}
        self._refused = {id_: why for id_, why in self._refused.items() if id_ in ids}
        for id_ in ids.keys() - self.hands.keys() - self.strangers.keys() - self._refused.keys():
            address, name = ids[id_]
            self.strangers[id_] = Hand(address, id_, name, self._link.python(address))
        self._admit()
        self._wait_no_longer()
        return gone

    def _admit(self) -> None:
        for id_, hand in list(self.strangers.items()):
            why = self._learnt(hand)
            if why is None:
                continue
            del self.strangers[id_]
            if why:
                self._refused[id_] = why
                self._tell(f"not used: {why}")
            else:
                self.hands[id_] = hand
                self.missing.pop(hand.name, None)
                self._tell(f"{hand} takes part")

    def _learnt(self, hand: Hand) -> str | None:
        """Return why a worker will not do, empty where it will, None where it is to answer yet."""
        if not hand.python and hand.asked.done():
            hand.python, problem = hand.asked.result()
            if why := (problem and silent(hand, problem)) or other_python(hand, hand.python):
                return why
            hand.asked = self._link.greet(hand.address, MUST_AGREE)
        return _unfit(hand) if hand.python and hand.asked.done() else None

    def _wait_no_longer(self) -> None:
        now = time.monotonic()
        if self.hands:
            self._alone_since = self._idle_since = now
            self._had = True
        elif self.strangers:
            self._idle_since = now
            self._say_for_whom(now)
        elif self._refused and not self._had:
            raise RunError(f"no worker will do: {next(iter(self._refused.values()))}")
        elif now - self._idle_since > self.patience:
            where = self._link.where
            raise RunError(
                f"no worker has been at {where} for {self.patience:.0f} s: {_how_to_get_one(where)}"
            )

    def _say_for_whom(self, now: float) -> None:
        """Say once that a run waits, where nobody has been free for it for some seconds."""
        if not self._said and now - self._alone_since > _BUSY:
            self._said = True
            who = ", ".join(map(str, self.strangers.values()))
            self._tell(f"waiting for {who}: busy with something else, or not answering yet")


def _how_to_get_one(where: str) -> str:
    if where.startswith("local:"):
        return "those that were started here have ended; the same command starts them again"
    return (
        "start one on each machine with `llprobe cluster worker tcp://HOST:8786`; the same command "
        "continues"
    )


def _unfit(hand: Hand) -> str:
    """Return why a worker that has introduced itself will not do; empty where it will."""
    if hand.asked.status != "finished":
        problem = hand.asked.exception() if hand.asked.status == "error" else hand.asked.status
        return silent(hand, problem)
    hand.host, theirs, problem = hand.asked.result()
    return unfit(hand, theirs, problem)


def silent(who: object, problem: object) -> str:
    """Say of a worker that it could not be asked."""
    return f"{who} does not answer" + (f": {problem}" if str(problem) else "")


def other_python(who: object, theirs: str) -> str:
    """Return why a worker with this Python will not do; empty where it is the one here."""
    ours = ".".join(platform.python_version_tuple()[:2])
    if theirs == ours:
        return ""
    return (
        f"{who} has Python {theirs}, this machine ({platform.node()}) has Python {ours}, and they "
        "do not understand each other: install the same there"
    )


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
