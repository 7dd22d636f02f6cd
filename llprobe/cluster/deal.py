"""Which jobs a worker gets next: large portions at first, smaller ones towards the end.

A worker keeps to the model that it has had, so that few of them load, fetch or make each; and the
last jobs of a model are spread, so that nobody waits long for a slow worker. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

__all__ = ["Portion", "deal"]


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
) -> Portion | None:
    """Return what a worker is to compute next; None where nothing is left that it can.

    `left` are jobs by model, in order; `busy` the workers that each model has; `last` the model
    that this worker had; `lacks` those that it cannot run.
    """
    able = {model: n for model, n in left.items() if n and model not in lacks}
    if not able:
        return None
    # the first of those with most jobs for each worker that would be at it
    most = max(able, key=lambda model: able[model] / (busy.get(model, 0) + 1))
    model = last if last in able else most
    return Portion(model, max(1, -(-able[model] // (2 * max(1, n_workers)))))
