"""Who computes what at this moment: leases on cells, held by processes.

A process that takes leases holds a lock on a file of its own beside the database. The operating
system lets go of it however the process ends, so a dead one's leases are free at once, whatever
the clock says; processes of another machine are believed for as long as their heartbeat is fresh.
This module knows cells by their ids. It does not know what a cell is.
"""

from __future__ import annotations

import fcntl
import os
import platform
import sqlite3
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import IO, Final

from llprobe.errors import StoreError

__all__ = ["HEARTBEAT", "Holder", "Owner", "bury", "holders", "living_owners"]

HEARTBEAT: Final = 5.0
"""Seconds between two signs of life."""
_EXPIRES: Final = 60.0
"""Seconds after which a process of another machine is taken for dead."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that computes: its number, its machine, and the run it works on."""

    pid: int
    host: str
    run: str

    def __str__(self) -> str:
        here = self.host == platform.node()
        return f"process {self.pid}" + ("" if here else f" on {self.host}")


class Owner:
    """This process as a holder of leases, for one run; `close` gives everything back."""

    def __init__(self, db: sqlite3.Connection, path: Path, run: str) -> None:
        self.id = uuid.uuid4().hex
        self._db, self._path = db, path
        self._beaten = time.monotonic()
        self._run = run
        self._lock = _locked(_lock_file(path, self.id))
        try:
            self._sign()
        except BaseException:
            self.close()
            raise

    def claim(self, cells: Sequence[str]) -> bool:
        """Take all of these cells, or none: False where a living process has one of them."""
        living = living_owners(self._db, self._path)
        for cell in cells:
            row = self._db.execute("SELECT owner FROM leases WHERE cell = ?", (cell,)).fetchone()
            if row and row[0] != self.id and row[0] in living:
                return False
        self._sign()  # another machine may have buried this one while it slept
        rows = [(cell, self.id) for cell in cells]
        self._db.executemany("INSERT OR REPLACE INTO leases VALUES (?, ?)", rows)
        return True

    def release(self, cells: Iterable[str]) -> None:
        """Give cells back."""
        rows = [(cell, self.id) for cell in cells]
        self._db.executemany("DELETE FROM leases WHERE cell = ? AND owner = ?", rows)

    def beat_is_due(self) -> bool:
        """Whether it is time for a sign of life."""
        return time.monotonic() - self._beaten >= HEARTBEAT

    def beat(self) -> None:
        """Give a sign of life."""
        self._sign()
        self._beaten = time.monotonic()

    def _sign(self) -> None:
        self._db.execute(
            "INSERT INTO owners VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
            "SET beat = excluded.beat",
            (self.id, platform.node(), os.getpid(), self._run, time.time()),
        )

    def leave(self) -> None:
        """Give back every lease, and the name."""
        self._db.execute("DELETE FROM owners WHERE id = ?", (self.id,))

    def close(self) -> None:
        """Let go of the lock; safe to call twice."""
        with suppress(OSError):  # a file that stays holds no lock; whoever comes next removes it
            _lock_file(self._path, self.id).unlink()
        self._lock.close()


def _lock_file(path: Path, owner: str) -> Path:
    return path.with_name(f"{path.name}.{owner[:12]}.lock")


def _locked(file: Path) -> IO[str]:
    try:
        lock = file.open("w", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write beside the database, {file}: {error.strerror}") from error
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def holders(db: sqlite3.Connection, path: Path, cells: Sequence[str]) -> list[Holder]:
    """Return the living processes that hold any of these cells."""
    living, wanted = living_owners(db, path), set(cells)
    rows = db.execute("SELECT cell, owner FROM leases").fetchall() if living else []
    found = {owner for cell, owner in rows if cell in wanted and owner in living}
    return [living[owner] for owner in sorted(found)]


def living_owners(db: sqlite3.Connection, path: Path) -> dict[str, Holder]:
    """Return the processes that live, by the names they hold leases under."""
    rows = db.execute("SELECT id, pid, host, run, beat FROM owners").fetchall()
    return {
        id_: Holder(pid, host, run)
        for id_, pid, host, run, beat in rows
        if _lives(path, id_, host, beat)
    }


def bury(db: sqlite3.Connection, path: Path) -> None:
    """Forget dead processes, their leases and lock files; called in a transaction."""
    living = living_owners(db, path)
    for (owner,) in db.execute("SELECT id FROM owners").fetchall():
        if owner not in living:
            db.execute("DELETE FROM owners WHERE id = ?", (owner,))
    # whoever is being entered here holds this transaction, so none of the others is in use
    for lock in set(path.parent.glob(f"{escape(path.name)}.*.lock")) - {
        _lock_file(path, owner) for owner in living
    }:
        with suppress(OSError):  # where it cannot be removed now, it is the next time
            lock.unlink()


def _lives(path: Path, owner: str, host: str, beat: float) -> bool:
    if host != platform.node():
        return time.time() - beat < _EXPIRES
    try:
        with _lock_file(path, owner).open(encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:  # held by its owner
        return True
    return False
