"""Faults of what a sweep stands on: a full disk, a database that cannot be written, the clock.

Knows files, permissions and mounts. Knows neither what is stored nor what must be.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT, SIGKILL
from typing import Final

from torturefaults import Fault, Kind, Struck, ends_of, moment
from torturesweep import Stage

__all__ = ["KINDS", "small_disk"]

_DISK: Final = "24m"
_PATIENCE: Final = 10.0  # seconds that llprobe waits for a lock
_LEAVE: Final = (0, 4096, 65_536, 262_144)  # bytes of room on a disk that is filled


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small disk in memory at `folder`, where one may; give whether it is there."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK},mode=755", "torture", str(folder)]
    can = sys.platform == "linux" and os.geteuid() == 0
    mounted = can and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _filled(stage: Stage, draw: random.Random, sweep: str) -> Struck | None:
    """Fill the disk under a running command, run it once more, and make room again."""
    struck, command = Struck((sweep,)), stage.run(sweep)
    if not moment(stage, command, draw):
        return None
    ballast = stage.folder / "ballast"
    _fill(ballast, draw.choice(_LEAVE))
    try:
        ended = struck.wait(command, 0, 1)
        again = struck.wait(stage.run(sweep), 0, 1) if ended.code else ended
    finally:
        ballast.unlink()
    said = "is full" in ended.err + again.err or "No space left" in ended.err + again.err
    if again.code and not said:
        struck.wrong.append(f"nobody says that the disk is full: {again.err.splitlines()[-1:]}")
    return struck if ended.code else None


def _fill(ballast: Path, leave: int) -> None:
    """Write until the disk is full, then make this much room."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(65_536)):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        file.truncate(max(0, file.tell() - leave))


def _limited(stage: Stage, draw: random.Random, sweep: str) -> Struck | None:
    """Let no file grow past a size that some have already, as a quota would."""
    size = draw.choice((8_192, 65_536, 262_144, 1_048_576))
    boot = json.dumps({"limit": [draw.uniform(0.0, 3.0), size]})
    struck = Struck((sweep,))
    ended = struck.wait(stage.run(sweep, boot=boot), 0, 1)
    return struck if ended.code else None


def _closed(stage: Stage, draw: random.Random, sweep: str) -> Struck | None:
    """Take away the right to write database, log and folder, of a running command and the next."""
    struck, command = Struck((sweep,)), stage.run(sweep)
    if not moment(stage, command, draw):
        return None
    with _read_only(stage):
        time.sleep(draw.uniform(0.0, 1.5))
        command.kill()  # what it has open it can write, however long it runs
        struck.wait(command, -SIGKILL, 0, 1)
        again = struck.wait(stage.run(sweep), 1)
        struck.wait(stage.start("sweep", "show", sweep), 0, 1, 2)
    if not any(word in again.err for word in ("read-only", "cannot write", "cannot open")):
        struck.wrong.append(f"nobody says what is read-only: {again.err.splitlines()[-1:]}")
    return struck


@contextlib.contextmanager
def _read_only(stage: Stage) -> Iterator[None]:
    files = [stage.folder, *(path for path in stage.folder.rglob("*") if path.exists())]
    modes = {path: path.stat().st_mode for path in files}
    for path, mode in modes.items():
        with contextlib.suppress(FileNotFoundError):  # a running command's own, gone meanwhile
            path.chmod(mode & 0o555)
    try:
        yield
    finally:
        for path, mode in modes.items():
            with contextlib.suppress(FileNotFoundError):
                path.chmod(mode)


def _read_only_from(stage: Stage, draw: random.Random, sweep: str) -> Struck | None:
    """Let the database refuse writes after some transactions, by SQLite's own switch."""
    struck = Struck((sweep,))
    boot = json.dumps({"readonly": draw.randint(1, 60)})
    ended = struck.wait(stage.run(sweep, boot=boot), 0, 1)
    if ended.code and "read-only" not in ended.err:
        struck.wrong.append(f"nobody says what is read-only: {ended.err.splitlines()[-1:]}")
    return struck if ended.code else None


def _locked(seconds: float) -> Fault:
    """Hold the database's lock for so many seconds from another process."""
    patient = seconds < _PATIENCE

    def fault(stage: Stage, draw: random.Random, sweep: str) -> Struck | None:
        struck, command = Struck((sweep,)), stage.run(sweep)
        if not moment(stage, command, draw):
            return None
        with contextlib.closing(sqlite3.connect(stage.db, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            other.execute("ROLLBACK")
        if patient and moment(stage, command, draw):
            command.signal(SIGINT)
        ended = struck.wait(command, 0, *(ends_of(SIGINT) if patient else (1,)))
        if ended.code == 1 and "locked by another process" not in ended.err:
            struck.wrong.append(f"nobody says what is locked: {ended.err.splitlines()[-1:]}")
        return struck if ended.code or patient else None

    return fault


def _clock(stage: Stage, draw: random.Random, sweep: str) -> Struck | None:
    """Set the clock again and again, up to a day forth and back; perhaps stop or kill it."""
    struck, seed = Struck((sweep,)), draw.randrange(1_000_000)
    command = stage.run(sweep, boot=json.dumps({"clock": seed}))
    how = draw.choice((SIGINT, SIGKILL, None))
    if how and moment(stage, command, draw):
        command.signal(how)
    struck.wait(command, 0, *(ends_of(how) if how else ()))
    return struck


KINDS: Final = (
    Kind("disk full: a small disk is filled", _filled, 5, disk=True),
    Kind("disk full: a limit on file sizes", _limited, 4, short=True),
    Kind("read-only: permissions", _closed, 3, short=True),
    Kind("read-only: in the middle", _read_only_from, 4, short=True),
    Kind("locked for 3 s", _locked(3.0), 2),
    Kind("locked for 12 s", _locked(12.0), 2),
    Kind("clock set by up to a day", _clock, 4, short=True),
)
"""Faults, with their weights."""
