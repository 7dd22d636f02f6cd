"""A real RPC server on the loopback interface, in a process of its own, with one thread."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

__all__ = ["serving"]


@contextmanager
def serving(port: int = 0) -> Iterator[tuple[str, psutil.Process]]:
    """Give the address of a server and the process that computes there; end both."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("LLPROBE_")}
    command = [sys.executable, "-m", "llprobe", "rpc", "serve"]
    child = subprocess.Popen(
        [*command, "--port", str(port), "--threads", "1"],
        env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        address = child.stdout.readline().strip()
        assert address.startswith("127.0.0.1:"), "the server did not start"
        yield address, psutil.Process(child.pid).children()[0]
    finally:
        child.terminate()
        child.communicate(timeout=30)
