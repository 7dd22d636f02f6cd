"""llama.cpp's RPC backend: devices of other machines here, and this machine's devices for them.

llama-cpp-python binds none of it. ggml ends the process where a server is not there, so nothing is
asked of one that has not been greeted. This module knows servers and devices. It does not know
models, nor what is computed.
"""

from __future__ import annotations

import ctypes as ct
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Final

from llprobe.engine import ggml
from llprobe.engine.ggml import Device, lib
from llprobe.errors import UsageError
from llprobe.rpc import check_distinct, endpoint, greet

__all__ = ["HOW_TO_BUILD", "available", "remote_devices", "serve"]

_LIBRARY: Final = "ggml-rpc"
HOW_TO_BUILD: Final = (
    'CMAKE_ARGS="-DGGML_RPC=ON -DLLAVA_BUILD=OFF" pip install --no-cache-dir --force-reinstall '
    "--no-binary llama-cpp-python llama-cpp-python==0.3.36"
)
"""The command that makes a build with RPC."""

_held: Final[Counter[str]] = Counter()
"""How many models of this process hold a connection, by endpoint: it cannot be greeted then."""


def available() -> bool:
    """Whether this build of llama.cpp has RPC."""
    return ggml.has_library(_LIBRARY)


@cache
def _library() -> ct.CDLL:
    if not available():
        raise UsageError(f"this llama-cpp-python was built without RPC; build it: {HOW_TO_BUILD}")
    # by way of libllama, whose own copy it must be; where that does not reach it, by its file
    linked = hasattr(lib, "ggml_backend_rpc_add_server")
    library = lib if linked else ct.CDLL(str(ggml.library_path(_LIBRARY)))
    # ggml_backend_reg_t ggml_backend_rpc_add_server(const char * endpoint);
    library.ggml_backend_rpc_add_server.restype = ct.c_void_p
    library.ggml_backend_rpc_add_server.argtypes = [ct.c_char_p]
    # void ggml_backend_rpc_start_server(const char * endpoint, const char * cache_dir,
    #     size_t n_threads, size_t n_devices, ggml_backend_dev_t * devices);
    library.ggml_backend_rpc_start_server.restype = None
    library.ggml_backend_rpc_start_server.argtypes = [
        ct.c_char_p, ct.c_char_p, ct.c_size_t, ct.c_size_t, ct.POINTER(ct.c_void_p),
    ]  # fmt: skip
    return library


@contextmanager
def remote_devices(servers: Sequence[str]) -> Iterator[list[Device]]:
    """Give the devices of the servers, in order, and hold them for this process meanwhile.

    Raises UsageError for a build without RPC and for a server under two names, RunError for one
    that cannot be used.
    """
    check_distinct(servers)
    with ExitStack() as stack:
        yield [device for each in servers for device in _hold(each, stack)]


def _hold(address: str, stack: ExitStack) -> list[Device]:
    library, where = _library(), endpoint(address)
    if not _held[where]:
        greet(address)
    registry = library.ggml_backend_rpc_add_server(where.encode())
    count = lib.ggml_backend_reg_dev_count(registry)
    found = [Device(lib.ggml_backend_reg_dev_get(registry, n)) for n in range(count)]
    # a stream that is kept open keeps the connection, which another client could take else
    stack.enter_context(ggml.Backend(found[0].handle, 1))
    _held[where] += 1
    stack.callback(_held.subtract, (where,))
    return found


def serve(where: str, n_threads: int, devices: Sequence[Device]) -> None:
    """Serve `devices` at the endpoint `where`, one client at a time, until this process is ended.

    Returns only where the endpoint cannot be listened at.
    """
    handles = (ct.c_void_p * len(devices))(*(device.handle for device in devices))
    _library().ggml_backend_rpc_start_server(where.encode(), None, n_threads, len(devices), handles)
