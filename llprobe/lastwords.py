"""What a worker still says when ggml ends it: that a server is gone is no riddle for a person.

ggml gives up the whole process when an RPC server breaks off. This module knows ggml's last words
and the servers of a request. It does not know what was being computed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from llprobe.errors import RunError
from llprobe.events import Event, Failed, PlanRequest, QuantizeRequest, Request, ScoreRequest
from llprobe.rpc import greet

__all__ = ["pass_on", "servers_of", "why_ended"]


def servers_of(request: Request) -> tuple[str, ...]:
    """Return the RPC servers that a request uses."""
    match request:
        case ScoreRequest() | PlanRequest():
            return request.jobs[0].first.settings.servers
        case QuantizeRequest():
            return ()
        case _:
            return request.settings.servers


def why_ended(said: str, servers: Sequence[str]) -> Failed | None:
    """Return what ggml's last words mean where they are about a server; None for any others."""
    if not (servers and "rpc" in said.lower()):
        return None
    gone = [address for address in servers if _is_gone(address)]
    what = "is gone" if gone else "broke off or cannot be reached; see what it printed"
    hint = "start it again with `llprobe rpc serve`, then run the same command again"
    where = ", ".join(gone or servers)
    return Failed("RunError", f"RPC server {where} {what}: {hint}", 1, (said,))


def _is_gone(address: str) -> bool:
    """Whether nobody serves there; one that serves this very process does not answer."""
    # a process that has just been killed may still take a connection, but greets nobody
    try:
        greet(address, timeout=1.0)
    except RunError as problem:
        return not isinstance(problem.__cause__, TimeoutError)
    return False


def pass_on(said: str, servers: Sequence[str], send: Callable[[Event], None]) -> None:
    """Say why ggml ends this process: as an event where a server is the reason, else on stderr."""
    failed = why_ended(said, servers)
    if failed is None:
        sys.stderr.write(said + "\n")
        sys.stderr.flush()
        return
    with suppress(OSError):  # the parent may be gone, too
        send(failed)
    os._exit(0)  # it has said why; an abort would be reported a second time
