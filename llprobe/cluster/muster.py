"""Who is at a scheduler now, and whether a sweep from this machine would use them.

This module knows workers and what they say of themselves. It does not know runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from llprobe.cluster.ability import ability
from llprobe.cluster.address import Place
from llprobe.cluster.asking import ask_each, python_of
from llprobe.cluster.connect import client_of, distributed
from llprobe.cluster.crew import MUST_AGREE, other_python, silent, unfit
from llprobe.cluster.greeting import introduce

__all__ = ["Member", "muster"]

_LOADS: Final = 60.0
"""Seconds in which a machine that has answered must have loaded llama.cpp."""


@dataclass(frozen=True, slots=True)
class Member:
    """A worker as it is now."""

    worker: str
    host: str
    """Its machine's name, or its address where it did not say."""
    busy: bool
    """Whether it computes something, of whatever run."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Its machine and its devices, as of `ability`; empty for a worker that was not asked."""
    problem: str = ""
    """Why it would not be used; empty where it would."""


def muster(place: Place) -> list[Member]:
    """Return the workers of the scheduler at `place`, by name.

    Raises UsageError where no scheduler answers.
    """
    dask = distributed()
    with client_of(dask, place) as client:
        there = client.scheduler_info(n_workers=-1)["workers"]
        busy = client.processing()
        found = {
            address: Member(str(info["name"]), address, bool(busy.get(address)))
            for address, info in there.items()
        }
        found |= _asked(found, ask_each(client, found, partial(python_of, client)), _understood)
        found |= _asked(found, _run(client, found, introduce, MUST_AGREE), _introduced)
        found |= _asked(found, _run(client, found, ability, limit=_LOADS), _described)
    return sorted(found.values(), key=lambda member: member.worker)


def _run(
    client: Any,
    found: Mapping[str, Member],
    question: Callable[..., Any],
    *data: Any,
    limit: float | None = None,
) -> dict[str, Any]:
    """Ask those who may do so far, also while they compute."""
    able = [address for address, member in found.items() if not member.problem]
    return ask_each(client, able, partial(_answer, client, question, data), limit)


async def _answer(
    client: Any, question: Callable[..., Any], data: tuple[Any, ...], address: str
) -> Any:
    return (await client.run(question, *data, workers=[address]))[address]


def _asked(
    found: Mapping[str, Member],
    answers: Mapping[str, Any],
    learn: Callable[[Member, Any], Member],
) -> dict[str, Member]:
    """Return those who were asked, with what they answered, or that they did not."""
    return {
        address: _silent(found[address], answer)
        if isinstance(answer, Exception)
        else learn(found[address], answer)
        for address, answer in answers.items()
    }


def _silent(member: Member, problem: Exception) -> Member:
    return replace(member, problem=silent(_who(member), problem))


def _understood(member: Member, answer: tuple[str, str]) -> Member:
    python, problem = answer
    who = _who(member)
    return replace(member, problem=silent(who, problem) if problem else other_python(who, python))


def _introduced(member: Member, answer: tuple[str, dict[str, str], str]) -> Member:
    host, theirs, problem = answer
    return replace(member, host=host, problem=unfit(f"{host} ({member.worker})", theirs, problem))


def _described(member: Member, answer: tuple[Mapping[str, str], str]) -> Member:
    facts, problem = answer
    why = f"{_who(member)} cannot compute: {problem}" if problem else ""
    return replace(member, facts=facts, problem=why)


def _who(member: Member) -> str:
    return f"{member.host} ({member.worker})"
