"""Who is at a scheduler now, and whether a sweep from this machine would use them.

This module knows workers and what they say of themselves. It does not know runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from llprobe.cluster.address import Place
from llprobe.cluster.connect import Tls, client_of, distributed
from llprobe.cluster.crew import MUST_AGREE, silent, unfit
from llprobe.cluster.greeting import introduce
from llprobe.machine import describe

__all__ = ["Member", "muster"]


@dataclass(frozen=True, slots=True)
class Member:
    """A worker as it is now."""

    worker: str
    host: str
    """Its machine's name, or its address where it did not say."""
    busy: bool
    """Whether it computes something, of whatever run."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Its machine, as `machine.describe` has it; empty for a worker that would not be used."""
    problem: str = ""
    """Why it would not be used; empty where it would."""


def muster(place: Place, tls: Tls) -> list[Member]:
    """Return the workers of the scheduler at `place`, by name.

    Raises UsageError where no scheduler answers.
    """
    dask = distributed()
    with client_of(dask, place.address, tls) as client:
        there = client.scheduler_info(n_workers=-1)["workers"]
        answers = _ask(client, list(there), introduce, MUST_AGREE)
        computing = client.processing()
        found = {
            address: _member(str(info["name"]), address, answers[address], computing)
            for address, info in there.items()
        }
        facts = _ask(client, [at for at, member in found.items() if not member.problem], describe)
    members = (_described(member, facts.get(address)) for address, member in found.items())
    return sorted(members, key=lambda member: member.worker)


def _ask(client: Any, workers: list[str], question: Any, *data: Any) -> dict[str, Any]:
    """Return what workers answer, also those that compute; an exception from those that fail."""
    if not workers:
        return {}
    found: dict[str, Any] = client.run(question, *data, workers=workers, on_error="return")
    return found


def _member(
    name: str, address: str, answer: Any, computing: Mapping[str, tuple[str, ...]]
) -> Member:
    busy = bool(computing.get(address))
    if not isinstance(answer, tuple):
        return Member(name, address, busy, problem=silent(f"{address} ({name})", answer))
    host, theirs, problem = answer
    return Member(name, host, busy, problem=unfit(f"{host} ({name})", theirs, problem))


def _described(member: Member, facts: Any) -> Member:
    if isinstance(facts, Exception):
        return replace(member, problem=silent(f"{member.host} ({member.worker})", facts))
    return replace(member, facts=facts or {})
