"""Keeps the machine from sleeping while a sweep runs, where the system has a program for it.

This module knows macOS' `caffeinate`. It does not know sweeps.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from llprobe.errors import UsageError

__all__ = ["awake"]


@contextmanager
def awake(*, wanted: bool) -> Iterator[None]:
    """Hold the system awake inside, if `wanted`; UsageError where there is no caffeinate."""
    if not wanted:
        yield
        return
    program = shutil.which("caffeinate")
    if program is None:
        raise UsageError(
            "--keep-awake needs macOS' caffeinate; on Linux put systemd-inhibit before the command"
        )
    # -w: it ends with this process, however that ends
    command = [program, "-i", "-w", str(os.getpid())]
    # in a group of its own, since the first Ctrl-C does not end this process yet
    with subprocess.Popen(command, process_group=0) as helper:
        try:
            yield
        finally:
            helper.terminate()
