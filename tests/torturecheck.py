"""Looks at a database after a fault: what is stored, and what of it is not as it must be.

A copy of the files is looked at, so that looking mends nothing. Deviations are returned as lines,
none where all is well. Knows tables and commands' words. Knows no faults.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT
from typing import Any, Final

from torturesweep import Ended, Stage

__all__ = [
    "Stored",
    "compare",
    "fitting",
    "judge_end",
    "judge_show",
    "judge_whole",
    "litter",
    "read_audit",
    "snapshot",
]

Key = tuple[Any, ...]
_INTERRUPTED: Final = 130


@dataclass(frozen=True)
class Stored:
    """What a database holds: rows by their keys, as stored, so that equal means every bit."""

    groups: Mapping[Key, int] = field(default_factory=dict)
    """Numbers of items, by cell and group."""
    results: Mapping[Key, Key] = field(default_factory=dict)
    """Scores (tokens, log-probs) and written answers, by kind, cell and item."""
    tallies: Mapping[Key, Key] = field(default_factory=dict)
    """Running sums, by cell and label."""
    cells: Mapping[str, Key] = field(default_factory=dict)
    """Status, error, groups in all, and items, by cell."""
    runs: Mapping[str, Key] = field(default_factory=dict)
    """Status and cells, by the run's name."""
    faults: tuple[str, ...] = ()
    """What SQLite itself finds wrong with it."""


def snapshot(db: Path, folder: Path) -> Stored:
    """Read what a database holds that nobody writes to, from a copy in `folder`."""
    copy = folder / "copy.db"
    for suffix in ("", "-wal"):
        Path(f"{copy}{suffix}").unlink(missing_ok=True)
        if (source := Path(f"{db}{suffix}")).exists():
            shutil.copyfile(source, f"{copy}{suffix}")
    if not copy.exists():
        return Stored()
    with closing(sqlite3.connect(copy)) as reader:
        if not reader.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return Stored()
        return _read(reader)


def _read(db: sqlite3.Connection) -> Stored:
    whole = [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
    whole += [f"foreign key: {row}" for row in db.execute("PRAGMA foreign_key_check")]
    kinds = {"score": "n_tokens, logprob", "answer": "n_tokens, text, finished"}
    run_cells: dict[str, list[str]] = {}
    for run, cell in db.execute("SELECT run, cell FROM run_cells ORDER BY run, position"):
        run_cells.setdefault(run, []).append(cell)
    return Stored(
        {(cell, grp): n for cell, grp, n in db.execute("SELECT * FROM scored_groups")},
        {
            (kind, cell, index): tuple(values)
            for kind, columns in kinds.items()
            for cell, index, *values in db.execute(f"SELECT cell, idx, {columns} FROM {kind}s")  # noqa: S608 - names from above
        },
        {(cell, label): tuple(v) for cell, label, *v in db.execute("SELECT * FROM tallies")},
        {
            id_: tuple(values)
            for id_, *values in db.execute("SELECT id, status, error, n_groups, n_items FROM cells")
        },
        {
            name: (status, tuple(run_cells.get(id_, ())))
            for id_, name, status in db.execute("SELECT id, name, status FROM runs")
        },
        tuple(whole),
    )


def read_audit(file: Path) -> dict[Key, list[Any]]:
    """Return who handed what to the store: (process, items) by cell and group."""
    found: dict[Key, list[Any]] = {}
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    for process, cell, group, items in map(json.loads, lines):
        found.setdefault((cell, group), []).append((process, tuple(items)))
    return found


def compare(
    now: Stored, before: Stored, expected: Stored, items: Mapping[Key, tuple[int, ...]]
) -> list[str]:
    """Say what of a database is lost, changed or half; `items` are those of each whole group."""
    wrong = list(now.faults)
    for what in ("groups", "results"):
        had, has, should = (getattr(stored, what) for stored in (before, now, expected))
        wrong += [f"{what}: {key} has vanished" for key in had.keys() - has.keys()]
        wrong += [
            f"{what}: {key} is not what an uninterrupted sweep stores"
            for key, value in has.items()
            if should.get(key) != value
        ]
    wrong += _half(now, items)
    for (cell, label), tally in now.tallies.items():
        n = sum(items_n for (of, _), items_n in now.groups.items() if of == cell)
        if label == "" and tally[0] != n:
            wrong.append(f"tallies: {cell} counts {tally[0]} items, {n} are stored")
    for cell, (status, _, n_groups, _) in now.cells.items():
        n = sum(of == cell for of, _ in now.groups)
        if status == "done" and n != n_groups:
            wrong.append(f"cell {cell} is called done with {n} of {n_groups} groups")
    return wrong[:8]


def _half(now: Stored, items: Mapping[Key, tuple[int, ...]]) -> list[str]:
    """Compare the items that are stored with those of the groups that are stored."""
    whole = {(cell, index) for cell, grp in now.groups for index in items.get((cell, grp), ())}
    there = {(cell, index) for _, cell, index in now.results}
    lost, odd = whole - there, there - whole
    wrong = [f"{len(lost)} items of stored groups are missing: {sorted(lost)[:3]}"] if lost else []
    return wrong + ([f"{len(odd)} items of no stored group: {sorted(odd)[:3]}"] if odd else [])


def judge_whole(now: Stored, expected: Stored) -> list[str]:
    """Say in what a database at the end differs from an uninterrupted sweep's."""
    return [
        f"{what} differ from the uninterrupted sweep's: "
        f"{[key for key in {**has, **should} if has.get(key) != should.get(key)][:3]}"
        for what in ("groups", "results", "tallies", "cells", "runs")
        if (has := getattr(now, what)) != (should := getattr(expected, what))
    ]


def judge_end(ended: Ended, allowed: Iterable[int]) -> list[str]:
    """Say what is wrong with how a command ended, and with what it said."""
    lines = [line for line in ended.err.splitlines() if line.strip()]
    said, last = f"exit code {ended.code}", lines[-1] if lines else ""
    if "KeyboardInterrupt" in ended.err and "/llprobe/" not in ended.err:
        return []  # Ctrl-C while Python itself starts: llprobe cannot hear it yet
    wrong = [] if ended.code in allowed else [f"{said}: {last}"]
    if "Traceback" in ended.err or "Exception ignored" in ended.err:
        wrong.append(f"{said} and a traceback: {' | '.join(lines[-4:])}")
    errors = [line for line in lines if line.startswith("error:")]
    if ended.code in {1, 2} and (errors != [last] or not last.isprintable()):
        wrong.append(f"{said} without one clear line at the end: {lines[-3:]}")
    if ended.code == 0 and errors:
        wrong.append(f"{said} in spite of {errors}")
    if ended.code == _INTERRUPTED and last != "interrupted":
        wrong.append(f"{said} ends in {last!r}")
    return wrong


def judge_show(stage: Stage, sweep: str, now: Stored, statuses: Iterable[str]) -> list[str]:
    """Say what `sweep show` and `sweep ls` tell wrongly about a sweep that nobody works on."""
    shown = stage.cli("sweep", "show", sweep, "-F", "json")
    if sweep not in now.runs:
        code = 2 if stage.db.exists() else 1  # no such run, or no database at all
        return [] if shown.code == code and shown.line else [f"show of nothing: {shown}"]
    if shown.code != 0:
        return [f"show ends with {shown.code}: {shown.err}"]
    status, cells = now.runs[sweep]
    stored = dict.fromkeys(cells, 0)
    for (cell, _), n in now.groups.items():
        stored[cell] = stored.get(cell, 0) + n
    wrong = [
        f"show counts {row['done']} items of {row['cell']}, {stored[row['cell']]} are stored"
        for row in shown.rows
        if row["done"] != stored[row["cell"]]
    ]
    wrong += [
        f"show calls {row['cell']} {row['status']}, error {row['error']!r}"
        for row in shown.rows
        if row["status"] == "running" or (row["status"] == "failed") != bool(row["error"])
    ]
    listed = [row for row in stage.cli("sweep", "ls", "-F", "json").rows if row["name"] == sweep]
    told = [row["status"] for row in listed]
    done = all(row["status"] == "done" for row in shown.rows)
    if len(told) != 1 or told[0] not in statuses or (told[0] == "done") > done:
        wrong.append(f"ls calls the sweep {told} (stored: {status}), fitting: {sorted(statuses)}")
    return wrong


def fitting(codes: Collection[int], before: Stored, sweep: str, *, tried: bool) -> set[str]:
    """Return the statuses that a sweep may have after commands ended with these codes.

    `tried`: they may have been killed besides, at any moment.
    """
    stored = before.runs.get(sweep, ("interrupted",))[0]
    # a command that ends before it begins the run leaves it as it was
    found = {"interrupted" if stored == "running" else stored}
    if {0, -SIGINT} & set(codes) or tried:
        found |= {"done"}
    if {_INTERRUPTED, -SIGINT} & set(codes) or tried:
        found |= {"stopped", "paused", "cancelled"}
    if {1, 2} & set(codes) or tried:
        found |= {"failed", "stopped"}
    if any(code in {1, 2} or code < 0 for code in codes) or tried:
        found |= {"interrupted"}
    return found


def litter(folder: Path) -> list[Path]:
    """Return what finished sweeps must not leave behind."""
    patterns = ("*.lock", "**/*.part", "**/*.gguf", "*-wal", "*-shm")
    return [path for pattern in patterns for path in folder.glob(pattern)]
