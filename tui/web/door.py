"""Whom the server lets in: pages that it gave itself, asked for by one of this machine's names.

A page of another site can make a browser send requests to 127.0.0.1, and can give its own name
that address; so names are looked at, both the one that is asked for and the one that asks. This
module knows names and headers. It does not know the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["ADDRESS", "Door"]

ADDRESS: Final = "127.0.0.1"
"""Where the server listens: nothing comes in from other machines."""

_NAMES: Final = (ADDRESS, "localhost")


@dataclass(frozen=True)
class Door:
    """The way in, by one port."""

    port: int

    @property
    def hosts(self) -> frozenset[str]:
        """What a browser calls this server in the header Host."""
        named = {f"{name}:{self.port}" for name in _NAMES}
        return frozenset(named | set(_NAMES) if self.port == 80 else named)

    def refusal(self, host: str, origin: str | None, *, drives: bool = False) -> str:
        """Return why a request is refused, in a line; an empty text where it is not.

        `host` and `origin` are its headers. A request that `drives` the interface must say where
        it comes from, which every browser does.
        """
        if host.lower() not in self.hosts:
            return (
                f"llprobe answers to {ADDRESS}:{self.port} only; through ssh, give it the same "
                f"port: ssh -L {self.port}:{ADDRESS}:{self.port} HOST"
            )
        own = {f"http://{each}" for each in self.hosts}
        if (origin is None and drives) or (origin is not None and origin.lower() not in own):
            return "llprobe's interface can be driven by its own page only"
        return ""

    def headers(self, nonce: str = "") -> dict[str, str]:
        """Return headers that keep other sites from framing, reading and extending the page.

        Scripts of the page itself must bear the `nonce`.
        """
        scripts = f"'self' 'nonce-{nonce}'" if nonce else "'none'"
        sockets = " ".join(f"ws://{host}" for host in sorted(self.hosts))
        policy = (
            f"default-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; "
            f"font-src 'self'; img-src 'self' data:; connect-src 'self' {sockets}; "
            "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )
        return {
            "Content-Security-Policy": policy,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
