"""Models that no worker who is there can run: they are given up when nobody else will come.

A worker that has just come may have such a model, and one that went away may be back soon. This
module knows who lacks what. It does not know what is then done.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from llprobe.cluster.crew import Crew

__all__ = ["Stuck"]


class Stuck:
    """Since when each model has had nobody."""

    def __init__(self, crew: Crew, clock: Callable[[], float] = time.monotonic) -> None:
        self._crew, self._clock = crew, clock
        self._since: dict[str, float] = {}

    def why(self, model: str) -> str:
        """Return why nobody can run a model, by its fingerprint; empty while somebody may come."""
        hands = list(self._crew.hands.values())
        if self._crew.strangers or not hands or not all(model in hand.lacks for hand in hands):
            self._since.pop(model, None)
            return ""
        since = self._since.setdefault(model, self._clock())
        hopeless = all(model in hand.lacks for hand in self._crew.missing.values())
        if not hopeless and self._clock() - since < self._crew.patience:
            return ""
        return "; ".join(dict.fromkeys(hand.lacks[model] for hand in hands))
