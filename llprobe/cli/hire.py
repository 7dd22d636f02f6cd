"""The options for computing on several machines, and the crew that they stand for.

This module knows how it is asked for. Connections and workers are the cluster's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from llprobe.cli.console import err
from llprobe.cli.options import option
from llprobe.cluster import Place, divided, hired, parse_place
from llprobe.conduct import Crew
from llprobe.errors import UsageError
from llprobe.paths import certificate_path
from llprobe.sweep import SweepSpec

__all__ = ["Certificate", "Cluster", "Hiring", "Insecure", "crew_of", "hiring", "place_of"]

Cluster = Annotated[
    str | None,
    option(
        "--cluster",
        help="Compute on the workers of a dask scheduler, tcp://HOST:8786 or tls://HOST:8786; "
        "local:2 starts two on this machine.",
    ),
]
Certificate = Annotated[
    Path | None,
    option("--tls", help="The cluster's file for tls://, which `cluster scheduler` wrote."),
]
Insecure = Annotated[
    bool,
    option("--insecure", help="Allow tcp:// beyond this machine, inside a network that you trust."),
]


@dataclass(frozen=True, slots=True)
class Hiring:
    """A cluster as it was asked for."""

    place: Place

    def fitted(self, spec: SweepSpec) -> SweepSpec:
        """Return a sweep with its threads divided among workers on this machine.

        Raises UsageError for a sweep on RPC servers, of which each serves one worker only.
        """
        if spec.engine.servers:
            raise UsageError(
                "--cluster and rpc do not go together: an RPC server serves one process at a "
                "time; leave out one of them"
            )
        return replace(spec, engine=divided(spec.engine, self.place))


def hiring(cluster: str | None, certificate: Path | None, *, insecure: bool) -> Hiring | None:
    """Return the cluster that options ask for, None for this machine alone; UsageError."""
    if cluster is None:
        if certificate:
            raise UsageError("--tls belongs to --cluster tls://HOST")
        return None
    return Hiring(place_of(cluster, certificate, insecure=insecure))


def place_of(address: str, certificate: Path | None, *, insecure: bool) -> Place:
    """Return where a cluster is; one with tls:// has the file of this machine, if none is given."""
    if certificate is None and address.startswith("tls://"):
        here = certificate_path()
        certificate = here if here.exists() else None
    return parse_place(address, certificate, insecure=insecure)


@contextmanager
def crew_of(where: Hiring | None) -> Iterator[Crew | None]:
    """Give the workers of a cluster, or None for none; UsageError where it does not answer."""
    if where is None:
        yield None
        return
    with hired(where.place, _tell) as crew:
        yield crew


def _tell(line: str) -> None:
    err.print(line, markup=False)
