"""Tortures two sweeps: kills, signals, full disks, locks, clocks and rivals at random moments.

    python tests/torture.py [--faults 100] [--seed 1] [--only N]

An uninterrupted run of each sweep says what must be stored. Then fault after fault strikes the same
commands on one database; after each, what is stored is looked at, and the command goes on. Where
everything is done before the faults are, the database is compared whole and a new one begins. Ends
with 1 where anything is lost, doubled, half or different, and says how to do it again.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torturecheck import (
    Stored,
    compare,
    judge_end,
    judge_show,
    judge_whole,
    read_audit,
    snapshot,
)
from torturedisk import KINDS as OF_DISK
from torturedisk import small_disk
from torturefaults import KINDS as OF_PROCESSES
from torturefaults import Kind, Struck, audit_of
from torturesweep import SWEEPS, Stage, write_sweeps

KINDS = (*OF_PROCESSES, *OF_DISK)
ENDS = {"done", "stopped", "interrupted", "failed", "paused", "cancelled"}
_TRIES = 4


@dataclass
class Tally:
    """What happened: how often each kind struck, and with which exit codes."""

    times: Counter[str] = field(default_factory=Counter)
    codes: dict[str, Counter[int]] = field(default_factory=dict)
    missed: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, kind: str, struck: Struck) -> None:
        self.times[kind] += 1
        self.codes.setdefault(kind, Counter()).update(ended.code for ended, _ in struck.ended)

    def table(self) -> str:
        lines = ["| fault | times | exit codes |", "|---|---:|---|"]
        for kind, n in self.times.items():
            codes = ", ".join(f"{code} ({m})" for code, m in sorted(self.codes[kind].items()))
            lines.append(f"| {kind} | {n} | {codes} |")
        return "\n".join([*lines, f"| **all** | {self.times.total()} | |"])


class Torture:
    """Two sweeps, what they must come to, and a database that suffers."""

    def __init__(self, folder: Path, disk: Path, seed: int, *, small: bool = False) -> None:
        self.seed, self.tally = seed, Tally()
        self._folder, self._disk = folder, disk
        self._sweeps = write_sweeps(_made(folder / "sweeps"), small=small)
        self.expected, self._items = self._uninterrupted()
        self._before = Stored()
        self.stage = self._fresh()

    def _uninterrupted(self) -> tuple[Stored, dict[Any, tuple[int, ...]]]:
        stage = Stage(self._sweeps, _made(self._folder / "whole"))
        boot = json.dumps({"audit": str(audit_of(stage))})
        for sweep in SWEEPS:
            ended = stage.run(sweep, boot=boot).wait(600)
            assert ended.code == 0, ended.err
        stage.clear()
        items = {key: found[0][1] for key, found in read_audit(audit_of(stage)).items()}
        return snapshot(stage.db, self._folder), items

    def _fresh(self) -> Stage:
        """Begin with no database."""
        self._before = Stored()
        self.tally.rounds += 1
        return Stage(self._sweeps, _made(self._disk / f"round-{self.tally.rounds}"))

    def strike(self, number: int, kind: Kind) -> None:
        """Let one fault strike, and look at what it left; try again where it came too late."""
        for attempt in range(_TRIES):
            draw = random.Random(f"{self.seed}/{number}/{attempt}")
            sweep = draw.choice(SWEEPS)
            struck = kind.fault(self.stage, draw, sweep)
            wrong = self._look(struck or Struck((sweep,)))
            if wrong:
                self._blame(number, kind, wrong)
            if struck:
                self.tally.add(kind.name, struck)
                return
            if self._is_done():
                self._end(number, kind)
                self.stage = self._fresh()
        self.tally.missed[kind.name] += 1

    def _look(self, struck: Struck) -> list[str]:
        now = snapshot(self.stage.db, self._folder)
        wrong = [*struck.wrong, *compare(now, self._before, self.expected, self._items)]
        for ended, allowed in struck.ended:
            wrong += judge_end(ended, allowed)
        for sweep in struck.sweeps:
            wrong += judge_show(self.stage, sweep, now, ENDS)
        if struck.audited:
            wrong += self._doubled()
        self._before = now
        self.stage.clear()
        return wrong

    def _doubled(self) -> list[str]:
        """Say which groups were computed by two processes at once."""
        audit = audit_of(self.stage)
        handed = read_audit(audit)
        audit.unlink(missing_ok=True)
        return [f"group {key} was computed twice" for key, by in handed.items() if len(by) > 1]

    def _is_done(self) -> bool:
        runs = self._before.runs
        return all(sweep in runs and runs[sweep][0] == "done" for sweep in SWEEPS)

    def _end(self, number: int, kind: Kind) -> None:
        wrong = judge_whole(snapshot(self.stage.db, self._folder), self.expected)
        if wrong:
            self._blame(number, kind, wrong)

    def finish(self, number: int) -> None:
        """Run both sweeps to their end and compare everything."""
        for sweep in SWEEPS:
            struck = Struck((sweep,))
            struck.wait(self.stage.run(sweep), 0)
            wrong = self._look(struck)
            if wrong:
                self._blame(number, Kind("none", _nothing), wrong)
        self._end(number, Kind("the end", _nothing))

    def _blame(self, number: int, kind: Kind, wrong: Sequence[str]) -> None:
        for line in wrong:
            said = f"fault {number} ({kind.name}), seed {self.seed}: {line}"
            self.tally.wrong.append(said)
            print(said, flush=True)


def _nothing(_stage: Stage, _draw: random.Random, _sweep: str) -> None:
    """Be no fault at all."""


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def drawn(n: int, seed: int) -> list[Kind]:
    """Draw `n` faults, each kind about as often as its weight says."""
    kinds = [kind for kind in KINDS for _ in range(kind.weight)]
    draw = random.Random(seed)
    draw.shuffle(kinds)
    while len(kinds) < n:
        kinds.append(draw.choice(kinds))
    return kinds[:n]


@contextmanager
def folders() -> Iterator[tuple[Path, Path]]:
    """Give a folder, and one on a small disk where that can be had."""
    with tempfile.TemporaryDirectory() as name:
        disk = _made(Path(name) / "disk")
        with small_disk(disk):
            yield Path(name), disk


def main() -> int:
    """Torture, print the table, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, default=None)
    chosen = parser.parse_args()
    started = time.monotonic()
    with folders() as (folder, disk):
        torture = Torture(folder, disk, chosen.seed)
        for number, kind in enumerate(drawn(chosen.faults, chosen.seed)):
            if chosen.only in {None, number}:
                torture.strike(number, kind)
                print(f"{number}: {kind.name}, {time.monotonic() - started:.0f} s", flush=True)
        torture.finish(chosen.faults)
    tally = torture.tally
    print(tally.table())
    print(f"\n{tally.rounds} databases, {len(torture.expected.results)} results in each")
    print(f"too late to strike: {dict(tally.missed)}; deviations: {len(tally.wrong)}")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
