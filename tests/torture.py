"""A hundred faults, each at a random moment of a running sweep: nothing may be lost or changed.

    python tests/torture.py [--faults 100] [--seed 1] [--only N]

Two sweeps over tiny models run to their end once without a fault. Then each fault strikes a command
that runs one of them; the next fault strikes the same command run again, until both sweeps are
done. Then everything stored is compared with the uninterrupted sweeps', bit for bit, and a new
database is begun. After each fault the database, and what llprobe says of it, are judged.
`--only N` does fault N alone, on a new database. Exits with 1 where anything deviates.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from torturecheck import (
    Stored,
    compare,
    fitting,
    judge_end,
    judge_show,
    judge_whole,
    litter,
    read_audit,
    snapshot,
)
from torturedisk import KINDS as OF_DISK
from torturedisk import small_disk
from torturefaults import KINDS as OF_PROCESSES
from torturefaults import Kind, Struck, audit_of
from torturesweep import SWEEPS, Stage, write_sweeps

__all__ = ["KINDS", "Tally", "Torture", "drawn", "folders"]

KINDS: Final = (*OF_PROCESSES, *OF_DISK)
_TRIES: Final = 12  # how often a fault may come too late
_FIRST: Final = 0.7  # share of the faults that strike the first sweep, which is the longer one


@dataclass
class Tally:
    """What became of the faults."""

    times: Counter[str] = field(default_factory=Counter)
    """Faults that have struck, by kind."""
    codes: dict[str, Counter[int]] = field(default_factory=dict)
    """Exit codes of commands, by kind of fault."""
    said: Counter[str] = field(default_factory=Counter)
    """Last lines of commands that failed."""
    late: int = 0
    """How often a fault came too late, and was tried again."""
    rounds: int = 0
    """Databases on which both sweeps came to their end."""
    results: int = 0
    """Scored and written items that were compared there."""
    wrong: list[str] = field(default_factory=list)
    """Deviations, each with what does it again."""

    def add(self, kind: str, struck: Struck, folder: Path) -> None:
        """Count a fault that has struck, and how its commands ended."""
        self.times[kind] += 1
        self.codes.setdefault(kind, Counter()).update(ended.code for ended, _ in struck.ended)
        for ended, _ in struck.ended:
            if ended.code in {1, 2} and (lines := ended.err.splitlines()):
                self.said[lines[-1].replace(str(folder), "")] += 1

    def table(self) -> str:
        """Return the Markdown table of kinds, how often each, and how commands ended."""
        rows = [("fault", "times", "commands ended with"), ("---", "---:", "---")]
        rows += [(k.name, str(self.times[k.name]), _listed(self.codes[k.name])) for k in self._met]
        total = sum(self.codes.values(), Counter[int]())
        rows.append(("**all**", str(self.times.total()), _listed(total)))
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    @property
    def _met(self) -> list[Kind]:
        return [kind for kind in KINDS if self.times[kind.name]]


def _listed(codes: Counter[int]) -> str:
    """Return exit codes with their numbers; a signal that killed has its name."""
    names = {code: signal.Signals(-code).name if code < 0 else str(code) for code in codes}
    return ", ".join(f"{names[code]} ({n})" for code, n in sorted(codes.items(), reverse=True))


class Torture:
    """One campaign: two sweeps, what they must come to, and a database that suffers."""

    def __init__(self, folder: Path, disk: Path, seed: int, *, small: bool = False) -> None:
        self.seed, self.tally = seed, Tally()
        self._folder, self._disk = folder, disk
        self._sweeps = write_sweeps(_made(folder / "sweeps"), small=small)
        self.expected, self._items = self._uninterrupted()
        self._before = Stored()
        self.stage = self._fresh()

    def _uninterrupted(self) -> tuple[Stored, dict[Any, tuple[int, ...]]]:
        """Run both sweeps without a fault; return what is stored, and the items of each group."""
        stage = Stage(self._sweeps, _made(self._folder / "whole"))
        for sweep in SWEEPS:
            ended = stage.run(sweep, boot=_audited(stage)).wait()
            if wrong := judge_end(ended, [0]):
                raise RuntimeError(f"without a fault, {sweep} fails: {wrong}")
        stage.clear()
        stored, audit = snapshot(stage.db, self._folder), read_audit(audit_of(stage))
        if audit.keys() != stored.groups.keys() or not stored.results or stored.faults:
            raise RuntimeError("without a fault, what is stored is not what was handed in")
        return stored, {key: found[0][1] for key, found in audit.items()}

    def _fresh(self) -> Stage:
        """Begin with no database."""
        self._before = Stored()
        return Stage(self._sweeps, _made(self._disk / f"round-{self.tally.rounds + 1}"))

    def strike(self, number: int, kind: Kind) -> None:
        """Let one fault strike, and judge what it left; try again where it came too late."""
        draw = random.Random(f"{self.seed}/{number}")
        for _ in range(_TRIES):
            left = self._unfinished()
            if not left:
                self._end(f"before fault {number}")
                self.stage, left = self._fresh(), list(SWEEPS)
            sweep = left[0] if draw.random() < _FIRST else left[-1]
            struck = self._struck(kind, draw, sweep)
            late = struck or Struck((sweep,))
            self._blame(f"--only {number} ({kind.name})", self._judge(late, tried=not struck))
            if struck:
                self.tally.add(kind.name, struck, self.stage.folder)
                return
            self.tally.late += 1
        self._blame(f"--only {number} ({kind.name})", ["it came too late each time"])

    def _unfinished(self) -> list[str]:
        runs = self._before.runs
        return [name for name in SWEEPS if name not in runs or runs[name][0] != "done"]

    def _struck(self, kind: Kind, draw: random.Random, sweep: str) -> Struck | None:
        audit_of(self.stage).unlink(missing_ok=True)
        try:
            return kind.fault(self.stage, draw, sweep)
        except TimeoutError as error:
            return Struck((sweep,), wrong=[str(error)])
        finally:
            self.stage.clear()  # a command that a fault came too late for may still run

    def _judge(self, struck: Struck, *, tried: bool = False) -> list[str]:
        """Say what is wrong with the database, with what was said, and with what is told now."""
        now, before = snapshot(self.stage.db, self._folder), self._before
        wrong = [*struck.wrong, *compare(now, before, self.expected, self._items)]
        for ended, allowed in struck.ended:
            wrong += judge_end(ended, allowed)
        for sweep in struck.sweeps:
            codes = {ended.code for ended, _ in struck.ended}
            wrong += judge_show(self.stage, sweep, now, fitting(codes, before, sweep, tried=tried))
        if struck.audited:
            found = read_audit(audit_of(self.stage))
            wrong += [f"{key} was computed by {by}" for key, by in found.items() if len(by) > 1]
        self._before = now
        return wrong

    def finish(self) -> None:
        """Run both sweeps to their end, and compare everything."""
        self._end("after the last fault")

    def _end(self, when: str) -> None:
        for sweep in SWEEPS:
            struck = Struck((sweep,))
            struck.wait(self.stage.run(sweep), 0)
            self._blame(f"{when}, the end of {sweep}", self._judge(struck))
        wrong = judge_whole(self._before, self.expected)
        wrong += [f"{path.name} is left" for path in litter(self.stage.folder)]
        self._blame(f"{when}, the end of all", wrong)
        self.tally.rounds += 1
        self.tally.results += len(self._before.results)
        self.stage.clear()
        shutil.rmtree(self.stage.folder)  # the disk is small, and rounds are many

    def _blame(self, what: str, wrong: Sequence[str]) -> None:
        for line in wrong:
            self.tally.wrong.append(f"--seed {self.seed} {what}: {line}")
            print(f"DEVIATION: {self.tally.wrong[-1]}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Kill whatever still runs."""
        self.stage.clear()


def _audited(stage: Stage) -> str:
    return json.dumps({"audit": str(audit_of(stage))})


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def drawn(n: int, seed: int, *, disk: bool) -> list[Kind]:
    """Draw `n` faults that can be done here, each kind about as often as its weight says."""
    kinds = [kind for kind in KINDS if disk or not kind.disk for _ in range(kind.weight)]
    random.Random(seed).shuffle(kinds)
    return [kinds[index % len(kinds)] for index in range(n)]


@contextmanager
def folders() -> Iterator[tuple[Path, Path, bool]]:
    """Give a folder, one on a small disk where that can be had, and whether it can."""
    with tempfile.TemporaryDirectory() as name:
        disk = _made(Path(name) / "disk")
        with small_disk(disk) as small:
            yield Path(name), disk, small


def main() -> int:
    """Torture, print the table, return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", type=int, default=100, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--only", type=int, metavar="N", help="fault N alone, counted from 1")
    chosen = parser.parse_args()
    # started in the background of a script, this process ignores SIGINT, and so would its children
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    with folders() as (folder, disk, small):
        torture = Torture(folder, disk, chosen.seed)
        try:
            kinds = drawn(max(chosen.faults, chosen.only or 0), chosen.seed, disk=small)
            for number, kind in enumerate(kinds, start=1):
                if chosen.only in {None, number}:
                    print(f"{time.monotonic() - started:4.0f} s, {number}: {kind.name}", flush=True)
                    torture.strike(number, kind)
            torture.finish()
        finally:
            torture.close()
    _report(torture.tally, time.monotonic() - started, disk=small)
    return 1 if torture.tally.wrong else 0


def _report(tally: Tally, seconds: float, *, disk: bool) -> None:
    print(f"\n{tally.table()}\n")
    print(
        f"{tally.times.total()} faults ({tally.late} more came too late) on {tally.rounds} "
        f"databases; {tally.results:,} items compared bit for bit at their ends; {seconds:.0f} s."
    )
    if not disk:
        names = ", ".join(kind.name for kind in KINDS if kind.disk)
        print(f"Not done, for want of the right to mount: {names}.")
    for line, times in tally.said.most_common():
        print(f"- {times} times: {line}")
    print(f"Deviations: {len(tally.wrong)}.")
    for line in tally.wrong:
        print(f"- {line}")


if __name__ == "__main__":
    sys.exit(main())
