"""What is typed for a cluster: a scheduler's address, or so many workers on this machine.

This module knows texts. It does not know whether anybody answers there.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from llprobe.errors import UsageError
from llprobe.machine import performance_cores
from llprobe.settings import EngineSettings

__all__ = ["Place", "divided", "host_of", "is_loopback", "parse_place"]

_REMOTE: Final = re.compile(r"(?:tcp|tls)://(?:\[[0-9a-fA-F:.%]+\]|[^\s:/\[\]]+):[0-9]{1,5}")
_LOCAL: Final = re.compile(r"local:([0-9]{1,3})")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sweep is computed: at a scheduler's `address`, or by `n_local` workers here."""

    address: str = ""
    n_local: int = 0
    certificate: Path | None = None
    """The cluster's file, for tls://; None where dask's own settings hold."""

    def __str__(self) -> str:
        return self.address or f"local:{self.n_local}"


def parse_place(text: str, certificate: Path | None = None, *, insecure: bool = False) -> Place:
    """Return what `--cluster` means, of a cluster with that file.

    Raises UsageError for what is neither form, for a certificate where none is used, and for plain
    connections to other machines, unless they are wanted `insecure`.
    """
    local, remote = _LOCAL.fullmatch(text), _REMOTE.fullmatch(text)
    if not (remote or (local and int(local[1]) > 0)):
        raise UsageError(f"--cluster {text}: write tcp://HOST:8786, tls://HOST:8786 or local:2")
    if certificate and not text.startswith("tls://"):
        raise UsageError(f"certificates are for tls:// addresses: {text} is none")
    if local:
        return Place(n_local=int(local[1]))
    if text.startswith("tcp://") and not (insecure or is_loopback(host_of(text))):
        raise UsageError(
            f"{text} is not encrypted, and whoever is on the way can run programs here: write "
            "tls:// and give the cluster's file as --tls, or say --insecure inside a network that "
            "you trust"
        )
    return Place(text, certificate=certificate)


def host_of(address: str) -> str:
    """Return the host of tcp://HOST:PORT or tls://HOST:PORT, without brackets."""
    return address.partition("://")[2].rpartition(":")[0].strip("[]")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def divided(settings: EngineSettings, place: Place) -> EngineSettings:
    """Return settings with this machine's threads divided among the workers on it.

    Threads that are given are those of each worker, here as elsewhere.
    """
    if not place.n_local or settings.n_threads:
        return settings
    return replace(settings, n_threads=max(1, performance_cores() // place.n_local))
