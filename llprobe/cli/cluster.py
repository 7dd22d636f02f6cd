"""`llprobe cluster`: start a scheduler, and a worker on each machine, for `--cluster`; list them.

Both are dask's own programs, with settings that suit llprobe. This module knows their options. It
does not know what they carry out.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from llprobe.cli.hire import TlsCa, TlsCert, TlsKey
from llprobe.cli.options import Format, FormatOption, Output, option
from llprobe.cli.output import Column, emit, err
from llprobe.cluster import Member, Place, Tls, muster, parse_place
from llprobe.cluster.connect import distributed
from llprobe.errors import RunError, UsageError

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
_OPEN = ("127.0.0.1", "localhost", "::1")


@app.command("scheduler")
def scheduler(
    host: Annotated[
        str, option("--host", help="The address to listen at; 0.0.0.0 is every one.")
    ] = "127.0.0.1",
    port: Annotated[int, option("--port", help="The port to listen at.", min=0, max=65535)] = 8786,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
) -> None:
    """Start a scheduler, which passes work and results on; one for all machines."""
    tls = _tls(tls_ca, tls_cert, tls_key)
    if host not in _OPEN and not tls:
        err.print(
            f"whoever reaches {host}:{port} can run programs on all workers: keep it inside a "
            "network that you trust, or use certificates"
        )
    protocol = ["--protocol", "tls"] if tls else []
    # what it shows of itself over HTTP stays on its own machine
    shown = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")
    _become("scheduler", "--host", host, "--port", str(port), *shown, *protocol, *tls)


@app.command("worker")
def worker(
    address: Address,
    name: Annotated[str | None, option("--name", help="What the worker is called.")] = None,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
) -> None:
    """Let this machine compute what sweeps with `--cluster` give to a scheduler."""
    _scheduler_at(address)
    called = ["--name", name] if name else []
    # one share at a time; memory is the model's, in a process that dask does not count
    limits = ("--nthreads", "1", "--memory-limit", "0", "--no-dashboard")
    _become("worker", address, *limits, *called, *_tls(tls_ca, tls_cert, tls_key))


@app.command("check")
def check(
    address: Address,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    form: FormatOption = Format.TABLE,
    output: Output = None,
) -> None:
    """List the workers that a scheduler has, and whether a sweep from here would use them."""
    members = muster(_scheduler_at(address), Tls(tls_ca, tls_cert, tls_key))
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


def _scheduler_at(address: str) -> Place:
    place = parse_place(address)
    if not place.address:
        raise UsageError(f"{address} is no scheduler's address: write tcp://HOST:8786")
    return place


def _tls(ca: str | None, cert: str | None, key: str | None) -> list[str]:
    given = {"--tls-ca-file": ca, "--tls-cert": cert, "--tls-key": key}
    return [word for name, value in given.items() if value for word in (name, value)]


def _become(program: str, *words: str) -> None:
    """Go on as dask's program; it ends as that does."""
    distributed()
    module = f"distributed.cli.dask_{program}"
    os.execv(sys.executable, [sys.executable, "-m", module, *words])  # noqa: S606 - no shell wanted
