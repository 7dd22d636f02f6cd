"""`llprobe rpc`: lend this machine's devices to another, and see what another lends.

This module knows the commands' options and words. The server is a process of its own.
"""

from __future__ import annotations

import ipaddress
import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any, Final

import typer

from llprobe.cli.console import complain, err
from llprobe.cli.options import Format, FormatOption, Output, Threads, comma_list, option
from llprobe.cli.output import Column, emit
from llprobe.errors import RunError, UsageError
from llprobe.machine import performance_cores
from llprobe.report.models import size
from llprobe.rpc import (
    LOOPBACK,
    PORT,
    Server,
    answers,
    check_distinct,
    greet,
    is_loopback,
    parse_servers,
)

__all__ = ["app", "warn_open"]

app = typer.Typer(
    help="Lend this machine's devices to another llprobe, or see what another lends.",
    no_args_is_help=True,
)
Servers = Annotated[str, typer.Argument(help="HOST:PORT of a server; several with commas.")]
_COLUMNS: Final = (
    Column("server", "server", head=True),
    Column("protocol", "protocol"),
    Column("device", "device", right=True),
    Column("free", "free", size, right=True),
    Column("total", "total", size, right=True),
)


def warn_open(servers: tuple[str, ...]) -> None:
    """Say on stderr that what goes to servers on other machines is open to everybody there."""
    far = [address for address in servers if not is_loopback(address)]
    if far:
        err.print(
            f"warning: model and texts go to {', '.join(far)} unencrypted, and RPC has no "
            "passwords: use a network that you trust",
            markup=False,
        )


@app.command("serve")
def serve(
    host: Annotated[
        str, option("--host", help="Address to listen at; 0.0.0.0 is every one of this machine.")
    ] = LOOPBACK,
    port: Annotated[
        int, option("--port", help="Port to listen at; 0 is any free one.", min=0, max=65535)
    ] = PORT,
    threads: Threads = None,
    device: Annotated[
        str | None,
        option(
            "--device",
            help="Devices to lend, comma separated, as `llprobe doctor` names them; default: the "
            "GPUs, or the CPU.",
        ),
    ] = None,
) -> None:
    """Lend this machine's devices, to one client at a time, until Ctrl-C."""
    if threads is not None and threads < 1:
        raise UsageError(f"--threads {threads}: must be at least 1")
    names = comma_list(device, "device") if device else ()
    with (
        suppress(KeyboardInterrupt),
        _server(host, port, threads or performance_cores(), names) as (child, found),
    ):
        _announce(child, found)
        _tell_of_clients(child)
        raise RunError("the RPC server ended by itself; start it again")


def _announce(child: subprocess.Popen[str], found: dict[str, Any]) -> None:
    """Say what is lent, and once it is there for others, where."""
    where = found["address"]
    for each in found["devices"]:
        err.print(
            f"lending {each['name']}: {each['description']}, "
            f"{size(each['free'])} of {size(each['total'])} free",
            markup=False,
        )
    _warn_listening(where)
    _wait_until_listening(child, where)
    err.print(f"listening{_how_to_use(where)}; end it with Ctrl-C", markup=False)
    sys.stdout.write(where + "\n")
    sys.stdout.flush()


def _how_to_use(where: str) -> str:
    host, _, port = where.rpartition(":")
    if not ipaddress.ip_address(host).is_unspecified:
        return "; use it with --rpc and this address"
    return (
        f" at every address of this machine; use it with --rpc {platform.node() or 'NAME'}:{port} "
        "or, where that name is not known, with this machine's address"
    )


def _warn_listening(where: str) -> None:
    if not is_loopback(where):
        err.print(
            f"WARNING: whoever reaches {where} can use this server, read what it computes and may "
            "run code through it: RPC has no passwords and no encryption. Use it only in a "
            "network where you trust every machine, never on the internet.",
            style="bold red",
            markup=False,
        )


@contextmanager
def _server(
    host: str, port: int, n_threads: int, names: tuple[str, ...]
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Start the server's process, give it and what it said first, and end it."""
    words = [sys.executable, "-P", "-m", "llprobe.serving", host, str(port), str(n_threads), *names]
    # without this, ggml starts a debugger when it aborts
    env = os.environ | {"GGML_NO_BACKTRACE": "1"}
    # in a group of its own: Ctrl-C is for this process, which ends the other
    child = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, process_group=0
    )
    try:
        if child.stdout is None:  # it was asked for
            raise RunError("the RPC server's process has no output")
        said = child.stdout.readline()
        found = json.loads(said) if said else {"error": "the RPC server's process died"}
        if "error" in found:
            raise (UsageError if found.get("code") == 2 else RunError)(found["error"])
        yield child, found
    finally:
        child.kill()
        child.communicate()


def _wait_until_listening(child: subprocess.Popen[str], where: str) -> None:
    pause = threading.Event()
    while not answers(where):
        if child.poll() is not None:
            raise RunError(f"the RPC server could not listen at {where}: choose another --port")
        pause.wait(0.05)


def _tell_of_clients(child: subprocess.Popen[str]) -> None:
    """Pass on what llama.cpp's server prints about its clients, until it ends."""
    for line in child.stdout or ():
        if line.startswith(("Accepted client", "Client connection")):
            err.print(line.strip(), style="dim", markup=False)


@app.command("check")
def check(servers: Servers, form: FormatOption = Format.TABLE, output: Output = None) -> None:
    """Say what servers lend: their protocol, devices and memory."""
    addresses = parse_servers(servers)
    check_distinct(addresses)
    rows: list[dict[str, Any]] = []
    silent: list[RunError] = []
    for address in addresses:
        try:
            rows += _lent(greet(address))
        except RunError as error:
            silent.append(error)
    if rows or form is not Format.TABLE:
        emit(rows, _COLUMNS, form, output)
    for each in silent:
        complain(str(each))
    if silent:
        raise typer.Exit(RunError.exit_code)


def _lent(server: Server) -> list[dict[str, Any]]:
    """Return a row for each device of a server."""
    return [
        {
            "server": server.address,
            "protocol": ".".join(map(str, server.version)),
            "device": device,
            "free": free,
            "total": total,
        }
        for device, (free, total) in enumerate(server.memory)
    ]
