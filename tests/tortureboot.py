"""Starts llprobe in this process with something wrong about it, as a JSON text says.

    python tests/tortureboot.py '{"clock": 7}' sweep run FILE

clock: SEED             time.time and datetime.now jump by up to a day, forth and back
limit: [SECONDS, BYTES] after so many seconds no file can grow past so many bytes, as by a quota
readonly: N             the database takes no more writes after N transactions, by its own switch
audit: FILE             every group that is handed to the store is noted there, once it is stored

Workers that are started later inherit the limit; nothing else reaches them. Knows where llprobe
reads the clock and opens its database. Knows no sweeps.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import resource
import sqlite3
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, Final, Self
from unittest import mock

__all__: list[str] = []

_DAY: Final = 86_400.0
_now: Final = time.time


class _Clock:
    """A clock that somebody keeps on setting."""

    def __init__(self, seed: int) -> None:
        self._draw, self._offset, self._until = random.Random(seed), 0.0, 0.0

    def __call__(self) -> float:
        if time.monotonic() > self._until:
            self._until = time.monotonic() + self._draw.uniform(0.05, 0.5)
            self._offset = self._draw.choice((-_DAY, _DAY, self._draw.uniform(-_DAY, _DAY), 0.0))
        return _now() + self._offset


def _set_clock(seed: int) -> None:
    clock = _Clock(seed)

    class Datetime(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(clock(), tz)

    time.time = clock
    dt.datetime = Datetime  # type: ignore[misc]


def _set_limit(seconds: float, size: int) -> None:
    def limit() -> None:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

    timer = threading.Timer(seconds, limit)
    timer.daemon = True
    timer.start()


def _set_readonly(transactions: int) -> None:
    left = [transactions]

    class Database(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql == "COMMIT":
                left[0] -= 1
            cursor = super().execute(sql, *values)
            if left[0] == 0:
                left[0] = -1
                super().execute("PRAGMA query_only = ON")
            return cursor

    patched = partial(sqlite3.connect, factory=Database)
    mock.patch.object(sqlite3, "connect", patched).start()


def _set_audit(file: Path) -> None:
    from llprobe.events import GroupScored
    from llprobe.store import Store

    add = Store.add_group

    def add_group(store: Store, event: GroupScored) -> None:
        add(store, event)
        items = [item.index for item in event.items]
        with file.open("a", encoding="utf-8") as audit:
            audit.write(json.dumps([os.getpid(), event.cell, event.group, items]) + "\n")

    mock.patch.object(Store, "add_group", add_group).start()


def _main() -> None:
    wrong = json.loads(sys.argv[1])
    # as `python -m llprobe` would find it, and without this file's neighbours
    sys.argv[:2], sys.path[0] = ["llprobe"], ""
    if "clock" in wrong:
        _set_clock(wrong["clock"])
    if "limit" in wrong:
        _set_limit(*wrong["limit"])
    if "readonly" in wrong:
        _set_readonly(wrong["readonly"])
    if "audit" in wrong:
        _set_audit(Path(wrong["audit"]))
    from llprobe.cli import main

    main()


if __name__ == "__main__":
    _main()
