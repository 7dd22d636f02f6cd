"""A server that computes wrongly: stands before a real one, and changes what goes through."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Final

import numpy as np

__all__ = ["Change", "spoiled"]

Change = Callable[[np.ndarray], None]
"""Changes float32 values in place."""

_ANSWERED: Final = {0, 1, 2, 3, 7, 8, 9, 11, 13, 14, 15}
"""Commands of llama.cpp's RPC protocol that are answered."""
_SET, _GET = 6, 8
_NAME: Final = slice(228, 292)
_HEAD: Final = 305
"""Bytes before the data of a tensor that is set: the tensor, and an offset."""
_F32: Final = 0


@contextmanager
def spoiled(
    server: str, *, weight: bytes = b"", state: bytes = b"", change: Change
) -> Iterator[str]:
    """Give the address of `server` with one tensor changed: a weight sent, or a state read.

    Names are those of ggml; of a state's name the beginning will do.
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        proxy = _Proxy(server, weight, state, change)
        threading.Thread(target=proxy.serve, args=(listening,), daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


class _Proxy:
    def __init__(self, server: str, weight: bytes, state: bytes, change: Change) -> None:
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self._weight, self._state, self._change = weight, state, change

    def serve(self, listening: socket.socket) -> None:
        """Serve one client after the other, until the socket is closed."""
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                with client, socket.create_connection(self._server) as server:
                    self._pass_on(client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(EOFError, OSError):
            while True:
                command = _read(client, 1)[0]
                data = _read(client, *struct.unpack("<Q", _read(client, 8)))
                name = data[_NAME].split(b"\0")[0] if command in (_SET, _GET) else b""
                if command == _SET and name == self._weight and _type_of(data) == _F32:
                    data = data[:_HEAD] + self._changed(data[_HEAD:])
                server.sendall(struct.pack("<BQ", command, len(data)) + data)
                if command in _ANSWERED:
                    self._answer(client, server, command == _GET and self._is_state(name))

    def _is_state(self, name: bytes) -> bool:
        return bool(self._state) and name.startswith(self._state)

    def _answer(self, client: socket.socket, server: socket.socket, change: bool) -> None:
        said = _read(server, *struct.unpack("<Q", _read(server, 8)))
        said = self._changed(said) if change else said
        client.sendall(struct.pack("<Q", len(said)) + said)

    def _changed(self, data: bytes) -> bytes:
        values = np.frombuffer(data, np.float32).copy()
        self._change(values)
        return values.tobytes()


def _type_of(data: bytes) -> int:
    return int(struct.unpack_from("<I", data, 8)[0])


def _read(line: socket.socket, n_bytes: int) -> bytes:
    found = b""
    while len(found) < n_bytes:
        part = line.recv(n_bytes - len(found))
        if not part:
            raise EOFError
        found += part
    return found
