"""The way to a scheduler, and one with workers on this machine where that is wanted.

dask.distributed comes with the extra `cluster`; it is imported here and on the workers only, when
it is needed. This module knows connections and processes. It does not know runs.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from llprobe.cluster.address import Place
from llprobe.cluster.dispatch import Dispatch
from llprobe.errors import UsageError

__all__ = ["Tls", "client_of", "distributed", "hired"]

_TIMEOUT: Final = 10
"""Seconds in which a scheduler must answer."""
_WORKER: Final = (
    "-m", "llprobe.lifeline", "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny",
    "--no-dashboard", "--memory-limit", "0", "--death-timeout", "30", "--host", "127.0.0.1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of certificates in PEM; where none is named, dask's own settings hold."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def __bool__(self) -> bool:
        return bool(self.ca or self.cert or self.key)


def distributed() -> Any:
    """Return dask.distributed, made silent; UsageError where it is not installed."""
    try:
        found = import_module("distributed")
    except ImportError as problem:
        raise UsageError(
            "several machines need dask.distributed: pip install 'llprobe[cluster]'"
        ) from problem
    for name in ("distributed", "distributed.client", "distributed.core", "distributed.comm"):
        # what it logs of lost connections is said in words where it matters
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # versions are compared worker by worker, and only those that matter
    warnings.filterwarnings("ignore", "(?s).*Mismatched versions found")
    return found


@contextmanager
def hired(place: Place, tls: Tls, tell: Callable[[str], None]) -> Iterator[Dispatch]:
    """Give what carries runs out on the workers of a cluster; see `conduct.carry_out`.

    `tell` is told of machines that come, go or will not do. Raises UsageError where no scheduler
    answers.
    """
    dask = distributed()
    with ExitStack() as stack:
        address = place.address or stack.enter_context(_here(dask, place.n_local))
        client = stack.enter_context(client_of(dask, address, tls))
        yield Dispatch(client, str(place), tell)


@contextmanager
def client_of(dask: Any, address: str, tls: Tls) -> Iterator[Any]:
    """Give a connection to the scheduler at `address`; UsageError where none answers."""
    security = _security(dask, address, tls)
    try:
        client = dask.Client(
            address, timeout=_TIMEOUT, security=security, set_as_default=False, name="llprobe"
        )
    except (OSError, TimeoutError) as problem:
        raise UsageError(
            f"no scheduler answers at {address}: start one there with `llprobe cluster scheduler`, "
            "or check the name, the port, the firewall and the certificates"
        ) from problem
    try:
        yield client
    finally:
        client.close(timeout=5)


def _security(dask: Any, address: str, tls: Tls) -> Any:
    """Return how to connect, by the files that are named or by dask's own settings."""
    named = {"tls_ca_file": tls.ca, "tls_client_cert": tls.cert, "tls_client_key": tls.key}
    try:
        security = dask.Security(
            require_encryption=True if tls else None,
            **{name: file for name, file in named.items() if file},
        )
        ready = security.get_connection_args("client").get("ssl_context")
    except (OSError, ValueError) as problem:  # an SSLError is an OSError
        raise UsageError(f"the certificates cannot be used: {problem}") from problem
    if address.startswith("tls://") and ready is None:
        raise UsageError(
            f"{address} needs certificates: --tls-ca, --tls-cert and --tls-key, or dask's own "
            "settings"
        )
    return security


@contextmanager
def _here(dask: Any, n_workers: int) -> Iterator[str]:
    """Give the address of a scheduler in this process, with workers in processes of their own.

    They end when they lose it, however this process ends.
    """
    with dask.LocalCluster(
        n_workers=0, processes=False, dashboard_address="127.0.0.1:0", host="127.0.0.1",
        protocol="tcp", silence_logs=logging.CRITICAL,
    ) as cluster:  # fmt: skip
        address = cluster.scheduler_address
        workers = [_worker(address, n) for n in range(1, n_workers + 1)]
        try:
            yield address
        finally:
            _dismiss(workers)


def _worker(address: str, number: int) -> subprocess.Popen[bytes]:
    # in a group of its own: the first Ctrl-C lets it finish its group of items
    return subprocess.Popen(
        [sys.executable, *_WORKER, "--name", f"local-{number}", address],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        process_group=0,
    )  # fmt: skip


def _dismiss(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    for worker in workers:
        worker.terminate()
    for worker in workers:
        try:
            worker.wait(timeout=10)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        if worker.stdin:
            worker.stdin.close()
