"""The process that lends this machine's devices to others, through llama.cpp's RPC server.

Run as ``python -m llprobe.serving HOST PORT THREADS DEVICES`` by `llprobe rpc serve`, whose end of
stdin it watches: without a parent there is no server. The first line on stdout is JSON, either
``{"devices": [...], "address": ...}`` or ``{"error": ...}``; llama.cpp's own lines follow.

This module knows a socket and devices. It does not know who connects, nor what for.
"""

from __future__ import annotations

import errno
import json
import signal
import socket
import sys
from collections.abc import Sequence

import psutil

from llprobe.engine import ggml, native, rpc
from llprobe.errors import LlprobeError, UnknownName, UsageError
from llprobe.lifeline import end_with_parent
from llprobe.rpc import endpoint

__all__ = ["free_port", "main"]


def _numeric(host: str) -> str:
    """Return `host` as four numbers; UsageError for what cannot be that."""
    if ":" in host:
        raise UsageError(
            f"--host {host}: llama.cpp's RPC cannot do IPv6; give this machine's name or IPv4 "
            "address, and the port as --port"
        )
    try:
        if host:  # no name at all would be every address
            return endpoint(f"{host}:0").rpartition(":")[0]
    except LlprobeError as error:
        raise UsageError(
            f"--host {host}: there is no such host here; give this machine's name or address"
        ) from error
    raise UsageError("--host is empty; give this machine's name or address")


def free_port(host: str, port: int) -> int:
    """Return `port`, or for 0 any that is free; UsageError where it cannot be listened at."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as llama.cpp does
        try:
            line.bind((host, port))
            line.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                what = f"cannot listen at {host}: give an address of this machine as --host"
            else:
                what = f"cannot listen at {host}:{port} ({error.strerror}): choose another --port"
            raise UsageError(what) from error
        found: int = line.getsockname()[1]
        return found


def _chosen(names: Sequence[str]) -> list[ggml.Device]:
    """Return the named devices; without names the GPUs, or the CPU where there is none."""
    known = {device.name: device for device in ggml.devices()}
    for name in names:
        if name not in known:
            raise UnknownName("device", name, known)
    if names:
        return [known[name] for name in names]
    return ggml.gpus() or [device for device in known.values() if device.is_cpu]


def _described(device: ggml.Device) -> dict[str, str | int]:
    # to ggml all of a CPU's memory is free
    free = psutil.virtual_memory().available if device.is_cpu else device.memory_free
    return {
        "name": device.name,
        "description": device.description.strip(),
        "free": free,
        "total": device.memory_total,
    }


def _log(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(host: str, port: int, n_threads: int, names: Sequence[str]) -> int:
    """Serve until the parent ends; else return an exit code, what is wrong being said on stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and ends this
    end_with_parent()
    native.start()
    native.listen(_log)
    try:
        devices = _chosen(names)
        numeric = _numeric(host)
        where = f"{numeric}:{free_port(numeric, port)}"
        _say(devices=[_described(device) for device in devices], address=where)
        rpc.serve(where, n_threads, devices)
    except LlprobeError as error:
        _say(error=str(error), code=error.exit_code)
        return error.exit_code
    return 1  # it could not listen, and has said so


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
