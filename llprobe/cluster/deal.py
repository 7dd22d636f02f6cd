"""Which jobs a worker gets next: one to begin with, then more, and fewer towards the end.

A worker keeps to the model that it has had, so that few of them load, fetch or make each. Its
portions grow while they take it little time, since nobody knows how fast it is; and the last jobs
of a model are spread, so that nobody waits long for a slow worker. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["Portion", "deal", "grown"]

_SHORT: Final = 120.0
"""Seconds below which a share is so short that the next may be larger."""
_MOST: Final = 8
"""How many times as large it may be."""


@dataclass(frozen=True, slots=True)
class Portion:
    """So many jobs of a model, by its fingerprint."""

    model: str
    n_jobs: int


def deal(
    left: Mapping[str, int],
    busy: Mapping[str, int],
    n_workers: int,
    last: str,
    lacks: Collection[str],
    may: Mapping[str, int],
) -> Portion | None:
    """Return what a worker is to compute next; None where nothing is left that it can.

    `left` are jobs by model, in order; `busy` the workers that each model has; `last` the model
    that this worker had; `lacks` those that it cannot run; `may` how many jobs of a model it may
    have, by what it did before: one, where it has done none.
    """
    able = {model: n for model, n in left.items() if n and model not in lacks}
    if not able:
        return None
    # the first of those with most jobs for each worker that would be at it
    most = max(able, key=lambda model: able[model] / (busy.get(model, 0) + 1))
    model = last if last in able else most
    fair = max(1, -(-able[model] // (2 * max(1, n_workers))))
    return Portion(model, min(fair, may.get(model, 1)))


def grown(n_jobs: int, seconds: float) -> int:
    """Return how many jobs a worker may have after a share of so many took it so long."""
    if seconds < _SHORT:
        return n_jobs * min(_MOST, max(2, int(_SHORT / max(seconds, 1.0))))
    return max(1, int(n_jobs * 2 * _SHORT / seconds))
