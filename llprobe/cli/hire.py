"""The options for computing on several machines, and the crew that they stand for.

This module knows how it is asked for. Connections and workers are the cluster's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated

from llprobe.cli.options import option
from llprobe.cli.output import err
from llprobe.cluster import Place, Tls, divided, hired, parse_place
from llprobe.conduct import Crew
from llprobe.errors import UsageError
from llprobe.sweep import SweepSpec

__all__ = ["Cluster", "Hiring", "TlsCa", "TlsCert", "TlsKey", "crew_of", "hiring"]

Cluster = Annotated[
    str | None,
    option(
        "--cluster",
        help="Compute on the workers of a dask scheduler, tcp://HOST:8786 or tls://HOST:8786; "
        "local:2 starts two on this machine.",
    ),
]
TlsCa = Annotated[
    str | None, option("--tls-ca", help="The authority's certificate for tls://, a PEM file.")
]
TlsCert = Annotated[
    str | None, option("--tls-cert", help="This machine's certificate for tls://, a PEM file.")
]
TlsKey = Annotated[str | None, option("--tls-key", help="The key of --tls-cert, a PEM file.")]


@dataclass(frozen=True, slots=True)
class Hiring:
    """A cluster as it was asked for."""

    place: Place
    tls: Tls

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


def hiring(cluster: str | None, ca: str | None, cert: str | None, key: str | None) -> Hiring | None:
    """Return the cluster that options ask for, None for this machine alone; UsageError."""
    tls = Tls(ca, cert, key)
    if cluster is None:
        if tls:
            raise UsageError("--tls-ca, --tls-cert and --tls-key belong to --cluster tls://HOST")
        return None
    place = parse_place(cluster)
    if tls and not place.address.startswith("tls://"):
        raise UsageError(f"certificates are for tls:// addresses: --cluster {cluster} is none")
    return Hiring(place, tls)


@contextmanager
def crew_of(where: Hiring | None) -> Iterator[Crew | None]:
    """Give the workers of a cluster, or None for none; UsageError where it does not answer."""
    if where is None:
        yield None
        return
    with hired(where.place, where.tls, _tell) as crew:
        yield crew


def _tell(line: str) -> None:
    err.print(line, markup=False)
