"""Room for a download, and a whole file's place: what no killed process leaves half-done.

This module does not know where the bytes come from.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from llprobe.errors import FetchError

__all__ = ["check_room", "disk_error", "sha256", "workspace"]

_PARTIAL: Final = ".partial-"


@contextmanager
def workspace(parent: Path) -> Iterator[Path]:
    """Give a folder of this download's own, and sweep those that killed downloads left.

    A living download holds a lock in its folder, which the kernel drops when it dies however
    it dies; making a folder and sweeping happen under one more lock, so neither meets the other
    half-way.
    """
    with (parent / ".lock").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        for old in parent.glob(f"{_PARTIAL}*"):
            _sweep(old)
        folder = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=parent))
        held = (folder / "lock").open("w")
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        with held:
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # what stays, the next download sweeps


def _sweep(folder: Path) -> None:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # its download is alive
        shutil.rmtree(folder, ignore_errors=True)


def sha256(path: Path) -> str:
    """Return the sha256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_room(folder: Path, need: int) -> None:
    """Raise FetchError where the disk of `folder` has less than `need` bytes free."""
    free = shutil.disk_usage(folder).free
    if need > free:
        raise FetchError(
            f"the disk of {folder} is too full: {need:,} bytes are needed, {free:,} free"
        )


def disk_error(error: OSError, folder: Path, need: int | None) -> FetchError:
    """Return (not raise) what to tell of an error in writing about `need` bytes to `folder`."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        size = f"about {need:,}" if need else "more"
        return FetchError(f"the disk of {folder} is full; {size} bytes are needed")
    return FetchError(
        f"{folder} cannot be written: {error}; LLPROBE_CACHE or HF_HOME chooses another"
    )
