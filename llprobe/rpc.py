"""llama.cpp's RPC servers as a client meets them: their addresses, and a greeting.

llama.cpp ends the whole process where a server cannot be reached or speaks another version. So
each server is greeted first, over a connection of our own that is closed again at once: a server
serves one client at a time. This module knows sockets and the protocol's first words. It does not
know llama.cpp, models, or who asks.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from llprobe.errors import RunError, UsageError

__all__ = [
    "LOOPBACK",
    "PORT",
    "PROTOCOL",
    "Server",
    "answers",
    "check_distinct",
    "endpoint",
    "greet",
    "is_loopback",
    "parse_servers",
]

LOOPBACK: Final = "127.0.0.1"
PORT: Final = 50052
"""The port that llama.cpp's own rpc-server takes unless told otherwise."""
PROTOCOL: Final = (7, 0, 0)
"""Version of the protocol that llama-cpp-python 0.3.36 speaks: major, minor, patch."""

_ADDRESS: Final = re.compile(r"([A-Za-z0-9._-]+):([0-9]{1,5})")
_HOST: Final = re.compile(r"(?=.{1,254}$)([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
_HELLO: Final = 14
_DEVICE_COUNT: Final = 15
_DEVICE_MEMORY: Final = 11
_CAPABILITIES: Final = 24  # bytes that say which faster transports a side has; zeros: none
_MOST_DEVICES: Final = 64


@dataclass(frozen=True, slots=True)
class Server:
    """A server that has answered.

    `version` is its protocol's (major, minor, patch); `memory` holds (free, total) bytes of each
    of its devices.
    """

    address: str
    version: tuple[int, int, int]
    memory: tuple[tuple[int, int], ...]


def parse_servers(text: str | Iterable[str]) -> tuple[str, ...]:
    """Return the addresses of ``HOST:PORT,HOST:PORT``, or of a list of such.

    Raises UsageError for what is no address, and for one that is named twice. Nothing is looked
    up: see `check_distinct`.
    """
    parts = text.split(",") if isinstance(text, str) else list(text)
    found = tuple(part.strip() for part in parts)
    for each in found:
        match = _ADDRESS.fullmatch(each)
        if not match or not 0 < int(match[2]) < 1 << 16:
            raise UsageError(
                f"--rpc {each}: write HOST:PORT, e.g. 192.168.1.20:{PORT}; no IPv6 addresses"
            )
        if not _HOST.fullmatch(match[1]):
            raise UsageError(
                f"--rpc {each}: {match[1]} is no name of a host: write 1 to 63 characters between "
                "its dots"
            )
        if found.count(each) > 1:
            raise UsageError(f"--rpc {each} is given twice; give it once")
    return found


def check_distinct(addresses: Iterable[str]) -> None:
    """Raise UsageError where two addresses are one server under two names.

    A host that is not known here is taken for one of its own: its greeting says what is wrong.
    """
    found: dict[str, str] = {}
    for each in addresses:
        where = each
        with suppress(RunError):
            where = endpoint(each)
        if where in found:
            raise UsageError(f"--rpc {found[where]} and {each} are one server; give it once")
        found[where] = each


def endpoint(address: str) -> str:
    """Return an address with its host as four numbers, which is all that llama.cpp resolves.

    Raises RunError where the host's name is not known here, UsageError where it can be nobody's.
    """
    host, _, port = address.rpartition(":")
    try:
        return f"{socket.gethostbyname(host)}:{int(port)}"
    except UnicodeError as error:  # an empty label, or one that is too long
        raise UsageError(f"RPC server {address}: {host} is no name of a host") from error
    except OSError as error:
        raise RunError(f"RPC server {address}: there is no host {host} here") from error


def is_loopback(address: str) -> bool:
    """Whether nobody but this machine reaches `address`: a host, or HOST:PORT."""
    host = address.partition(":")[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def answers(address: str, timeout: float = 1.0) -> bool:
    """Whether something takes connections at `address` within `timeout` seconds."""
    try:
        with _connected(address, timeout):
            return True
    except RunError:
        return False


def greet(address: str, timeout: float = 5.0) -> Server:
    """Greet the server at `address` and ask it for its devices; `timeout` in seconds.

    Raises RunError with one line that says what is wrong there: nobody, somebody else, a server
    that is busy, or one of another version.
    """
    with _connected(address, timeout) as line:
        try:
            version = _hello(line, address)
            count = struct.unpack("<I", _asked(line, _DEVICE_COUNT, b"", 4))[0]
            if not 0 < count <= _MOST_DEVICES:
                raise ConnectionError
            memory = tuple(
                struct.unpack("<QQ", _asked(line, _DEVICE_MEMORY, struct.pack("<I", n), 16))
                for n in range(count)
            )
        except TimeoutError as error:
            raise RunError(
                f"RPC server {address} does not answer within {timeout:g} s: it serves one client "
                "at a time and may be busy; wait for the other one to end"
            ) from error
        except OSError as error:
            raise RunError(
                f"what listens at {address} is no RPC server of version {_version(PROTOCOL)}: "
                "install the same llama-cpp-python on both machines"
            ) from error
    return Server(address, version, memory)


def _connected(address: str, timeout: float) -> socket.socket:
    host, _, port = endpoint(address).rpartition(":")
    try:
        line = socket.create_connection((host, int(port)), timeout)
    except TimeoutError as error:  # of a busy server, too: llama.cpp's lets two wait, no more
        raise RunError(
            f"RPC server {address} cannot be reached within {timeout:g} s: is that machine on, "
            "and open in its firewall? Or it serves another client; wait for that one to end"
        ) from error
    except OSError as error:
        raise RunError(
            f"no RPC server at {address} ({error.strerror}): start one there with "
            "`llprobe rpc serve`"
        ) from error
    line.settimeout(timeout)
    return line


def _hello(line: socket.socket, address: str) -> tuple[int, int, int]:
    said = _asked(line, _HELLO, bytes(_CAPABILITIES), 4 + _CAPABILITIES)
    version = (said[0], said[1], said[2])
    if version != PROTOCOL:  # the patch, too: it changes with ggml's ops, which go by number
        raise RunError(
            f"RPC server {address} speaks protocol {_version(version)}, this llama.cpp "
            f"{_version(PROTOCOL)}: install the same llama-cpp-python on both machines"
        )
    return version


def _asked(line: socket.socket, command: int, data: bytes, n_bytes: int) -> bytes:
    """Send a command and return the `n_bytes` of its answer; ConnectionError for another answer."""
    line.sendall(struct.pack("<BQ", command, len(data)) + data)
    size: int = struct.unpack("<Q", _received(line, 8))[0]
    if size != n_bytes:
        raise ConnectionError
    return _received(line, n_bytes)


def _received(line: socket.socket, n_bytes: int) -> bytes:
    found = b""
    while len(found) < n_bytes:
        part = line.recv(n_bytes - len(found))
        if not part:
            raise ConnectionError
        found += part
    return found


def _version(version: Iterable[int]) -> str:
    return ".".join(map(str, version))
