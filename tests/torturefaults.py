"""Faults by signals and by other commands: what is done to a running sweep, and when.

Each strikes at a moment that a seeded generator draws: after some seconds, or once so many groups
more are stored. Knows processes and commands. Knows neither what is stored nor what must be; the
faults of disk, database and clock are in torturedisk.py.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGABRT, SIGCONT, SIGINT, SIGKILL, SIGSEGV, SIGSTOP, SIGTERM
from typing import Final

from torturesweep import SWEEPS, Command, Ended, Stage

__all__ = ["KINDS", "Fault", "Kind", "Struck", "audit_of", "ends_of", "moment"]

_EARLY: Final = 0.4  # share of the moments that are counted in seconds
_LATEST: Final = math.log(120)  # groups, of the others


@dataclass
class Struck:
    """A fault that has struck: the commands that ended, each with the codes that it may have."""

    sweeps: tuple[str, ...]
    """The sweeps that were worked on."""
    ended: list[tuple[Ended, tuple[int, ...]]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What the fault itself saw that must not be."""
    audited: bool = False
    """Whether no group may have been computed again once it was stored."""

    def wait(self, command: Command, *allowed: int) -> Ended:
        """Wait for a command's end, and note it."""
        ended = command.wait()
        self.ended.append((ended, allowed))
        return ended


Fault = Callable[[Stage, random.Random, str], Struck | None]
"""Runs commands on a sweep and strikes; None where they ended before the moment came."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault: what it is called, how it is done, how many of 100 are of it."""

    name: str
    fault: Fault
    weight: int = 4
    short: bool = False
    """Whether the short form has one."""
    disk: bool = False
    """Whether it needs a small disk of its own, which only root may mount."""


def _stored(db: Path) -> int:
    """Count the groups that a reader from outside sees, 0 where it sees none."""
    with contextlib.suppress(sqlite3.OperationalError):
        reader = sqlite3.connect(f"file:{db}?mode=ro", uri=True, timeout=5)
        with contextlib.closing(reader):
            return int(reader.execute("SELECT count(*) FROM scored_groups").fetchone()[0])
    return 0


def moment(stage: Stage, command: Command, draw: random.Random) -> bool:
    """Wait for a random moment of a command; whether it still runs then."""
    early, seconds = draw.random() < _EARLY, draw.uniform(0.0, 2.5)
    groups = int(math.exp(draw.uniform(0.0, _LATEST)))
    until, enough = time.monotonic() + seconds, _stored(stage.db) + groups
    while command.running:
        command.worker()  # to know it when it is to be waited for
        if time.monotonic() > until if early else _stored(stage.db) >= enough:
            return True
        time.sleep(0.004)
    return False


def audit_of(stage: Stage) -> Path:
    """Return the file in which commands note what they store, where they are told to."""
    return stage.folder / "audit.jsonl"


def ends_of(number: signal.Signals) -> tuple[int, ...]:
    """Return the exit codes of a command that was sent a signal, perhaps too late to matter.

    SIGINT and SIGTERM themselves may end it: before llprobe's first line, and after its last.
    """
    return (-SIGKILL,) if number == SIGKILL else (130, 0, -number)


# --- signals --------------------------------------------------------------------------------


def _to_command(number: signal.Signals, *, times: int = 1) -> Fault:
    """Send a signal to the command, as Ctrl-C or a system that shuts down would."""

    def fault(stage: Stage, draw: random.Random, sweep: str) -> Struck | None:
        struck, command = Struck((sweep,)), stage.run(sweep)
        if not moment(stage, command, draw):
            return None
        for _ in range(times):
            command.signal(number)
            time.sleep(draw.uniform(0.0, 0.2))
        struck.wait(command, *ends_of(number))
        return struck

    return fault


def _to_worker(number: signal.Signals) -> Fault:
    """Send a signal to the worker only; the command must say so and go on."""

    def fault(stage: Stage, draw: random.Random, sweep: str) -> Struck | None:
        struck, command = Struck((sweep,)), stage.run(sweep)
        if not moment(stage, command, draw) or not (worker := stage.wait_for_worker(command)):
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, number)
        ended = struck.wait(command, 0, 1)
        return struck if ended.code or f"of {number.name}" in ended.err else None

    return fault


def _to_both(number: signal.Signals) -> Fault:
    """Send a signal to the command and its worker at once, as a power cut would."""

    def fault(stage: Stage, draw: random.Random, sweep: str) -> Struck | None:
        struck, command = Struck((sweep,)), stage.run(sweep)
        if not moment(stage, command, draw) or not (worker := stage.wait_for_worker(command)):
            return None
        command.signal(number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, number)
        struck.wait(command, *ends_of(number))
        return struck

    return fault


def _hung(stage: Stage, draw: random.Random, sweep: str) -> Struck | None:
    """Stop the worker, so that it is taken for hung."""
    struck, command = Struck((sweep,)), stage.run(sweep, LLPROBE_STALL="2")
    if not moment(stage, command, draw) or not (worker := stage.wait_for_worker(command)):
        return None
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker.pid, SIGSTOP)
    ended = struck.wait(command, 0, 1)
    return struck if "the worker hung" in ended.err else None


def _asleep(stage: Stage, draw: random.Random, sweep: str) -> Struck | None:
    """Stop the command for longer than a worker may be silent, as a machine that sleeps."""
    struck, command = Struck((sweep,)), stage.run(sweep, LLPROBE_STALL="2")
    if not moment(stage, command, draw):
        return None
    command.signal(SIGSTOP)
    time.sleep(2.6)
    command.signal(SIGCONT)
    if moment(stage, command, draw):
        command.signal(SIGINT)
    struck.wait(command, *ends_of(SIGINT))
    return struck


# --- other commands ---------------------------------------------------------------------------


def _asked(wanted: str) -> Fault:
    """Pause or cancel the sweep by a command, and resume it by another, to be interrupted too."""

    def fault(stage: Stage, draw: random.Random, sweep: str) -> Struck | None:
        struck, command = Struck((sweep,)), stage.run(sweep)
        if not moment(stage, command, draw):
            return None
        told = struck.wait(stage.start("sweep", wanted, sweep), 0, 2)
        if told.code:  # it is not running yet, or any more
            command.signal(SIGKILL)
            struck.wait(command, -SIGKILL, 0)
            return None if command.process.returncode == 0 else struck
        struck.wait(command, 130, 0)
        resumed = stage.start("sweep", "resume", sweep)
        if moment(stage, resumed, draw):
            resumed.signal(SIGINT)
        struck.wait(resumed, *ends_of(SIGINT))
        return struck

    return fault


def _retried(stage: Stage, draw: random.Random, sweep: str) -> Struck | None:
    """Kill the worker, then compute only what has failed, by another command."""
    struck = _to_worker(SIGKILL)(stage, draw, sweep)
    if struck:
        struck.wait(stage.start("sweep", "retry", sweep), 0, 2)
    return struck


def _twice(*, other: bool = False, number: signal.Signals | None = None) -> Fault:
    """Run two commands at once, on one sweep or on both; perhaps one of them is killed."""

    def fault(stage: Stage, draw: random.Random, sweep: str) -> Struck | None:
        second = SWEEPS[1 - SWEEPS.index(sweep)] if other else sweep
        struck = Struck((sweep, second)[: 1 + other], audited=True)
        boot = json.dumps({"audit": str(audit_of(stage))})
        commands = [stage.run(sweep, boot=boot)]
        time.sleep(draw.choice((0.0, draw.uniform(0.0, 3.0))))
        commands.append(stage.run(second, boot=boot))
        victim = draw.choice(commands)
        hit = number and moment(stage, victim, draw)
        if hit and number:
            victim.signal(number)
        for command in commands:
            hurt = ends_of(number) if number and command is victim else ()
            struck.wait(command, 0, *hurt)
        return struck if hit or not number else None

    return fault


def _unlocked(stage: Stage, draw: random.Random, sweep: str) -> Struck | None:
    """Delete the lock files of a running command, and start a second one."""
    struck, command = Struck((sweep,)), stage.run(sweep)
    if not moment(stage, command, draw):
        return None
    locks = list(stage.folder.glob("*.lock"))
    for lock in locks:
        lock.unlink(missing_ok=True)
    second = stage.run(sweep)
    struck.wait(command, 0)
    struck.wait(second, 0)
    return struck if locks else None


KINDS: Final = (
    Kind("SIGKILL to the command", _to_command(SIGKILL), 6, short=True),
    Kind("SIGKILL to the worker", _to_worker(SIGKILL), 6, short=True),
    Kind("SIGKILL to both", _to_both(SIGKILL), 6, short=True),
    Kind("SIGINT to the command", _to_command(SIGINT), 5, short=True),
    Kind("SIGINT to the command, twice", _to_command(SIGINT, times=2), 4),
    Kind("SIGTERM to the command", _to_command(SIGTERM), 4),
    Kind("SIGTERM to the command, twice", _to_command(SIGTERM, times=2), 3),
    Kind("SIGINT to both", _to_both(SIGINT), 3),
    Kind("SIGTERM to both", _to_both(SIGTERM), 3),
    Kind("SIGINT to the worker", _to_worker(SIGINT), 2),
    Kind("SIGTERM to the worker", _to_worker(SIGTERM), 2),
    Kind("SIGSEGV to the worker", _to_worker(SIGSEGV), 2),
    Kind("SIGABRT to the worker", _to_worker(SIGABRT), 2),
    Kind("worker stopped: it hangs", _hung, 3),
    Kind("command stopped for 2.6 s", _asleep, 2),
    Kind("paused, resumed", _asked("pause"), 3),
    Kind("cancelled, resumed", _asked("cancel"), 3),
    Kind("worker killed, retried", _retried, 3),
    Kind("two commands at once", _twice(), 3),
    Kind("two at once, one killed", _twice(number=SIGKILL), 3),
    Kind("two at once, one told to stop", _twice(number=SIGINT), 2),
    Kind("both sweeps at once", _twice(other=True), 2),
    Kind("both at once, one killed", _twice(other=True, number=SIGKILL), 2),
    Kind("lock files deleted, second command", _unlocked, 2),
)
"""Faults, with their weights, which with those of torturedisk.py add up to 100."""
