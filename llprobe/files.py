"""Files that are there whole or not at all, and files that are their owner's alone.

What is computed replaces a file in one step, so that a full disk, an interrupt or a power cut
leaves what was there. Databases and logs hold prompts and data: new ones are private.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

__all__ = ["append_private", "make_private", "make_private_folder", "put", "whole_file"]

_PRIVATE: Final = 0o600


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a file to write to, which takes the name `path` at once when the body ends well.

    A file that is there keeps its mode, a link leads to what is replaced; a device or a pipe is
    written to as it is. Raises OSError where that cannot be done; then `path` is as it was.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        yield target
        return
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:40]}.", dir=target.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
        put(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def put(part: Path, target: Path) -> None:
    """Give a whole file its name in one step that outlives a power cut."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def make_private(path: Path) -> None:
    """Make an empty file for its owner alone, unless one is there, which keeps its mode."""
    make_private_folder(path.parent)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    except FileExistsError:
        return
    os.fchmod(handle, _PRIVATE)
    os.close(handle)


def make_private_folder(folder: Path) -> None:
    """Make a folder, and those above it, for their owner alone; what is there keeps its mode."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def append_private(path: Path) -> Iterator[IO[str]]:
    """Give a text file to add to; a new one is its owner's alone."""
    make_private(path)
    with path.open("a", encoding="utf-8", errors="replace") as file:
        yield file


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
