"""Progress of a download, seen from the bytes on the disk; it does not know what writes them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

__all__ = ["Progress", "bytes_of", "silent", "watch"]

Progress: TypeAlias = Callable[[int, int], None]
"""Called with bytes done and bytes in all, from any thread."""

_POLL_S: Final = 0.2


def silent(_done: int, _total: int) -> None:
    """Report nothing."""


def bytes_of(paths: Iterable[Path]) -> int:
    """Return what the files take together; one that went away since it was listed counts 0."""
    total = 0
    for path in paths:
        with suppress(FileNotFoundError):
            total += path.lstat().st_size
    return total


@contextmanager
def watch(count: Callable[[], int], total: int, report: Progress) -> Iterator[None]:
    """Report what `count` returns, at most `total`, a few times a second until the body ends."""
    done = threading.Event()

    def look() -> None:
        most = 0  # a finished file leaves the count for a moment, while it is checked
        while not done.wait(_POLL_S):
            most = max(most, min(count(), total))
            report(most, total)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
