"""`llprobe cluster`: start a scheduler, and a worker on each machine, for `--cluster`; list them.

Both are dask's own programs, with settings that suit llprobe. This module knows their options. It
does not know what they carry out.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from llprobe.cli.console import err
from llprobe.cli.hire import Certificate, Insecure, place_of
from llprobe.cli.options import Format, FormatOption, Output, option
from llprobe.cli.output import Column, emit
from llprobe.cluster import (
    Member,
    Place,
    check_certificate,
    host_of,
    is_loopback,
    make_certificate,
    muster,
)
from llprobe.cluster.connect import distributed
from llprobe.errors import RunError, UsageError
from llprobe.paths import certificate_path

__all__ = ["app"]

app = typer.Typer(help="Start what `--cluster` needs on other machines.", no_args_is_help=True)
Address = Annotated[str, typer.Argument(help="The scheduler's, tcp://HOST:8786.")]
_COLUMNS = [
    Column("worker", "worker", head=True),
    Column("machine", "machine"),
    Column("state", "state"),
    Column("cores", "cores"),
    Column("devices", "devices", wraps=True),
    Column("memory", "memory"),
]
_HTTP = ("--dashboard-address", "127.0.0.1:0")


@app.command("scheduler")
def scheduler(
    host: Annotated[
        str, option("--host", help="The address to listen at; 0.0.0.0 is every one.")
    ] = "127.0.0.1",
    port: Annotated[int, option("--port", help="The port to listen at.", min=0, max=65535)] = 8786,
    tls: Annotated[
        Path | None,
        option("--tls", help="The cluster's file; made where there is none.", show_default=False),
    ] = None,
    insecure: Insecure = False,
) -> None:
    """Start a scheduler, which passes work and results on; one for all machines.

    Beyond this machine only those take part that have the cluster's file.
    """
    distributed()
    plain = tls is None and (insecure or is_loopback(host))
    words = [] if plain else _encrypted(tls or certificate_path(), host, port)
    if plain:
        whoever = "is logged in to this machine" if is_loopback(host) else f"reaches {host}:{port}"
        err.print(
            f"whoever {whoever} can run programs on all workers; with --tls FILE only those can "
            "that have the file", markup=False,
        )  # fmt: skip
    # what it shows of itself over HTTP stays on its own machine
    _become("scheduler", "--host", host, "--port", str(port), "--no-dashboard", *_HTTP, *words)


@app.command("worker")
def worker(
    address: Address,
    name: Annotated[str | None, option("--name", help="What the worker is called.")] = None,
    tls: Certificate = None,
    insecure: Insecure = False,
) -> None:
    """Let this machine compute what sweeps with `--cluster` give to a scheduler."""
    place = _scheduler_at(address, tls, insecure=insecure)
    called = ["--name", name] if name else []
    host = host_of(address)
    # its own ports, too, are reached from this machine only, if the scheduler is
    listens = ["--host", "127.0.0.1" if host == "localhost" else host] if is_loopback(host) else []
    # one share at a time; memory is the model's, in a process that dask does not count
    limits = ("--nthreads", "1", "--memory-limit", "0", "--no-dashboard", *_HTTP)
    _become("worker", address, *limits, *called, *listens, *_files(place.certificate))


@app.command("check")
def check(
    address: Address,
    tls: Certificate = None,
    insecure: Insecure = False,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """List the workers that a scheduler has, and whether a sweep from here would use them."""
    members = muster(_scheduler_at(address, tls, insecure=insecure))
    if not members:
        raise RunError(
            f"no worker is at {address}: start one on each machine with `llprobe cluster worker "
            f"{address}`"
        )
    emit([_row(member) for member in members], _COLUMNS, form, output)
    for member in members:
        if member.problem:
            err.print(f"not used: {member.problem}", markup=False)
    if all(member.problem for member in members):
        raise RunError("no worker will do: see above")


def _row(member: Member) -> dict[str, str]:
    state = "not used" if member.problem else "computing" if member.busy else "ready"
    facts = {
        name: member.facts.get(name, "") for name in ("processor", "cores", "devices", "memory")
    }
    return {
        "worker": member.worker,
        "machine": member.host,
        "state": state,
        **facts,
        "problem": member.problem,
    }


def _scheduler_at(address: str, certificate: Path | None, *, insecure: bool) -> Place:
    place = place_of(address, certificate, insecure=insecure)
    if not place.address:
        raise UsageError(f"{address} is no scheduler's address: write tcp://HOST:8786")
    return place


def _encrypted(certificate: Path, host: str, port: int) -> list[str]:
    """Return dask's words for a scheduler with a cluster's file, which is made if it is missing."""
    if not certificate.exists():
        make_certificate(certificate)
        err.print(f"made {certificate}: whoever has it can run programs here", markup=False)
    err.print(
        f"copy {certificate} to each machine (scp), and start there: llprobe cluster worker "
        f"tls://{host}:{port} --tls {certificate.name}", markup=False, soft_wrap=True,
    )  # fmt: skip
    return ["--protocol", "tls", *_files(certificate)]


def _files(certificate: Path | None) -> list[str]:
    """Return dask's options for a cluster's file, if there is one; UsageError."""
    if certificate is None:
        return []
    check_certificate(certificate)
    names = ("--tls-ca-file", "--tls-cert", "--tls-key")
    return [word for name in names for word in (name, str(certificate))]


def _become(program: str, *words: str) -> None:
    """Go on as dask's program; it ends as that does."""
    distributed()
    module = f"distributed.cli.dask_{program}"
    command = [sys.executable, "-P", "-m", module, *words]
    os.execv(sys.executable, command)  # noqa: S606 - no shell wanted
