"""The way to a scheduler, and one with workers on this machine where that is wanted.

dask.distributed comes with the extra `cluster`; it is imported here and on the workers only, when
it is needed. This module knows connections and processes. It does not know runs.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any, Final

from llprobe.cluster.address import Place
from llprobe.cluster.certificate import security_of, temporary_security
from llprobe.cluster.dispatch import Dispatch
from llprobe.errors import UsageError

__all__ = ["client_of", "distributed", "hired"]

_TIMEOUT: Final = 10
"""Seconds in which a scheduler must answer."""
_WORKER: Final = (
    "-m", "llprobe.lifeline", "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny",
    "--no-dashboard", "--dashboard-address", "127.0.0.1:0", "--memory-limit", "0",
    "--death-timeout", "30", "--host", "127.0.0.1",
)  # fmt: skip


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
def hired(place: Place, tell: Callable[[str], None]) -> Iterator[Dispatch]:
    """Give what carries runs out on the workers of a cluster; see `conduct.carry_out`.

    `tell` is told of machines that come, go or will not do. Raises UsageError where no scheduler
    answers.
    """
    dask = distributed()
    with ExitStack() as stack:
        if place.address:
            client = stack.enter_context(client_of(dask, place))
        else:
            client = stack.enter_context(_here(dask, place.n_local))
        yield Dispatch(client, str(place), tell)


@contextmanager
def client_of(dask: Any, place: Place) -> Iterator[Any]:
    """Give a connection to the scheduler at a place; UsageError where none answers."""
    security = security_of(place.certificate)
    if place.address.startswith("tls://") and not _ready(security):
        raise UsageError(
            f"{place.address} needs the cluster's file: give it as --tls, or put it where "
            "`llprobe cluster scheduler` on this machine would; or use dask's own settings"
        )
    with _connected(dask, place.address, security) as client:
        yield client


def _ready(security: Any) -> bool:
    """Whether there is a certificate; UsageError for one of dask's settings that cannot be read."""
    try:
        return security.get_connection_args("client").get("ssl_context") is not None
    except (OSError, ValueError) as problem:  # an SSLError is an OSError
        raise UsageError(f"the certificates cannot be used: {problem}") from problem


@contextmanager
def _connected(dask: Any, address: str, security: Any) -> Iterator[Any]:
    try:
        client = dask.Client(
            address, timeout=_TIMEOUT, security=security, set_as_default=False, name="llprobe"
        )
    except (OSError, TimeoutError) as problem:
        raise UsageError(
            f"no scheduler answers at {address}: start one there with `llprobe cluster scheduler`, "
            "or check the name, the port, the firewall and the cluster's file"
        ) from problem
    try:
        yield client
    finally:
        client.close(timeout=5)


@contextmanager
def _here(dask: Any, n_workers: int) -> Iterator[Any]:
    """Give a client of a scheduler in this process, with workers in processes of their own.

    Other users of this machine reach none of them: the certificate is known to these processes
    alone. They end when they lose the scheduler, however this process ends.
    """
    security = temporary_security()
    with dask.LocalCluster(
        n_workers=0, processes=False, dashboard_address="127.0.0.1:0", host="127.0.0.1",
        protocol="tls", security=security, silence_logs=logging.CRITICAL,
    ) as cluster:  # fmt: skip
        address = cluster.scheduler_address
        workers = [_worker(address, n, security) for n in range(1, n_workers + 1)]
        try:
            with _connected(dask, address, security) as client:
                yield client
        finally:
            _dismiss(workers)


def _worker(address: str, number: int, security: Any) -> subprocess.Popen[bytes]:
    settings = {
        "REQUIRE_ENCRYPTION": "True",
        "TLS__CA_FILE": security.tls_ca_file,
        "TLS__WORKER__CERT": security.tls_worker_cert,
        "TLS__WORKER__KEY": security.tls_worker_key,
    }
    env = {f"DASK_DISTRIBUTED__COMM__{name}": value for name, value in settings.items()}
    # in a group of its own: the first Ctrl-C lets it finish its group of items
    return subprocess.Popen(
        [sys.executable, "-P", *_WORKER, "--name", f"local-{number}", address],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        process_group=0, env=os.environ | env,
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
