"""What is typed for a cluster: a scheduler's address, or so many workers on this machine.

This module knows texts. It does not know whether anybody answers there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from llprobe.errors import UsageError
from llprobe.machine import performance_cores
from llprobe.settings import EngineSettings

__all__ = ["Place", "divided", "parse_place"]

_REMOTE: Final = re.compile(r"(?:tcp|tls)://(?:\[[0-9a-fA-F:.%]+\]|[^\s:/\[\]]+):[0-9]{1,5}")
_LOCAL: Final = re.compile(r"local:([0-9]{1,3})")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sweep is computed: at a scheduler's `address`, or by `n_local` workers here."""

    address: str = ""
    n_local: int = 0

    def __str__(self) -> str:
        return self.address or f"local:{self.n_local}"


def parse_place(text: str) -> Place:
    """Return what `--cluster` means; UsageError for what is neither form."""
    local = _LOCAL.fullmatch(text)
    if local and int(local[1]) > 0:
        return Place(n_local=int(local[1]))
    if _REMOTE.fullmatch(text):
        return Place(address=text)
    raise UsageError(f"--cluster {text}: write tcp://HOST:8786, tls://HOST:8786 or local:2")


def divided(settings: EngineSettings, place: Place) -> EngineSettings:
    """Return settings with this machine's threads divided among the workers on it.

    Threads that are given are those of each worker, here as elsewhere.
    """
    if not place.n_local or settings.n_threads:
        return settings
    return replace(settings, n_threads=max(1, performance_cores() // place.n_local))
