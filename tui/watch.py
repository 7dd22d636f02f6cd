"""Watches the database file for what other processes write, in a thread of its own.

It looks at the files, not into them: any write moves the time or the size of the database or of its
write-ahead log. A process that dies writes nothing, so while a lock file lies beside the database,
somebody's being there is asked for again every few seconds. This module knows files. It does not
know what is in them, or who wants to hear of a change.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from glob import escape
from pathlib import Path
from typing import Final

__all__ = ["Watch", "state_of"]

_LOOK: Final = 0.4
"""Seconds between two looks."""
_AGAIN: Final = 10
"""Looks between two reports while a process works, or seems to."""

FileState = tuple[int, int] | None


def state_of(database: Path) -> tuple[FileState, FileState]:
    """Return what changes with every write: time and size of the database and of its log.

    An empty log is as good as none: whoever only reads makes one and takes it away again.
    """
    log = _stat(database.with_name(f"{database.name}-wal"))
    return _stat(database), log if log and log[1] else None


def _stat(path: Path) -> FileState:
    try:
        found = path.stat()
    except OSError:  # not there, or not to be seen
        return None
    return found.st_mtime_ns, found.st_size


class Watch(threading.Thread):
    """Calls `changed` from its thread whenever the database has changed; `stop` ends it."""

    def __init__(self, database: Path, changed: Callable[[], object]) -> None:
        super().__init__(name="llprobe-watch", daemon=True)
        self._database, self._changed = database, changed
        self._ended = threading.Event()
        self._before = state_of(database)
        self._quiet = 0

    def run(self) -> None:
        """Look until stopped."""
        while not self._ended.wait(_LOOK):
            if self.look():
                self._changed()

    def look(self) -> bool:
        """Whether there is something to report since the last look."""
        now = state_of(self._database)
        self._quiet += 1
        changed = now != self._before
        if not changed and self._quiet >= _AGAIN:
            changed = self._is_worked_on()
        if changed or self._quiet >= _AGAIN:
            self._quiet = 0
        self._before = now
        return changed

    def _is_worked_on(self) -> bool:
        pattern = f"{escape(self._database.name)}.*.lock"
        try:
            return any(self._database.parent.glob(pattern))
        except OSError:
            return False

    def stop(self) -> None:
        """End the thread at its next look."""
        self._ended.set()
