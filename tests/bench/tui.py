"""Measure the terminal interface: how soon it shows rows, how soon it answers keys, what it holds.

    python tests/bench/tui.py [--items 20000] [--keys 300] [--starts 7] [--append FILE]

A real process in a real pseudo-terminal of 140 by 40. A key's answer is the end of the first
frame that shows what the key asked for, such as the cursor's mark on the next item. All is
measured twice: with nothing else going on, and while a sweep with one thread scores the default
model into the same database.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from terminal import Ended, Terminal, opened

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from sweeps import N_LAYERS, fill, plan_of, questions
from tinygguf import write_tiny

from llprobe.machine import describe
from llprobe.store import Store

ROOT: Final = Path(__file__).resolve().parents[2]
COMMAND: Final = (sys.executable, "-m", "llprobe")
TABS: Final = (r"Accuracy \(MC1\) by layer", r"chance\s+best\s+at", r">\s+[✓✗]\s+q0\s")
"""What is seen of the tabs that stand between a run's first and its items."""
ROWS: Final = 40
PACE: Final = 0.5
"""Seconds for which a tab is looked at: a line glides to it meanwhile."""
ALL: Final = r"1\): \S+ of \S+ items\s"
"""How all items of the one cell are counted."""
PAGE_DOWN, ENTER, ESCAPE = "\x1b[6~", "\r", "\x1b"

Series = dict[str, list[float]]
"""Seconds by what was done."""


def stored(folder: Path, n_items: int) -> Path:
    """Write a database with one run, of drawn scores."""
    model = write_tiny(folder / "wide.gguf", n_layers=N_LAYERS)
    db = folder / "llprobe.db"
    fill(db, plan_of(model, questions(folder / "items.jsonl", n_items)))
    return db


def environment(db: Path) -> dict[str, str]:
    return os.environ | {"LLPROBE_DB": str(db), "LLPROBE_THREADS": "1"}


# --- the start --------------------------------------------------------------------------------


def forget_files() -> None:
    """Ask the system to forget what it has read of the files that a start reads."""
    folders = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
    for folder in {*folders, ROOT / "llprobe", ROOT / "tui", ROOT / "tasks", ROOT / "models"}:
        for path in folder.rglob("*"):
            if path.is_file():
                _forget(path)


def _forget(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)


def started(db: Path) -> tuple[float, Ended]:
    """Return the seconds to the first rows of the list of runs, and what the process took."""
    with opened([*COMMAND, "tui"], environment(db)) as (terminal, ended):
        seconds = terminal.shows(r"done\s+big\b")
    return seconds, ended[0]


def starts(db: Path, n: int) -> Iterator[str]:
    """Time starts, the files in memory and not."""
    yield f"From the command to the first rows, {n} starts each:\n"
    yield "| files | median | least | most | read from the disk |\n|---|---|---|---|---|"
    started(db)  # compiles what was edited
    for name, before in (("in memory", lambda: None), ("forgotten", forget_files)):
        found = []
        for _ in range(n):
            before()
            found.append(started(db))
        seconds, read = [each[0] for each in found], [each[1].read_mib for each in found]
        yield (
            f"| {name} | {statistics.median(seconds):.2f} s | {min(seconds):.2f} s | "
            f"{max(seconds):.2f} s | {statistics.median(read):.0f} MiB |"
        )


# --- keys -------------------------------------------------------------------------------------


def at(n: int | str) -> str:
    """Return what the cursor's row looks like on item `n`."""
    return rf">\s+[✓✗]\s+q{n}\s"


def walk(terminal: Terminal, found: Series, n: int) -> None:
    """Go down and up again, row by row."""
    for i in range(1, n + 1):
        terminal.press("j")
        found.setdefault("`j`, the next item", []).append(terminal.shows(at(i)))
    for i in reversed(range(n)):
        terminal.press("k")
        found.setdefault("`k`, the item before", []).append(terminal.shows(at(i)))


def leaf(terminal: Terminal, found: Series, n: int) -> None:
    """Go down screen by screen, and back to the first row."""
    terminal.press(PAGE_DOWN)
    terminal.shows(at(r"(\d+)"))
    rows = int(terminal.groups[0])
    for i in range(2, n + 2):
        terminal.press(PAGE_DOWN)
        found.setdefault("page down", []).append(terminal.shows(at(i * rows)))
    terminal.press("g")
    found.setdefault("`g`, the first item", []).append(terminal.shows(at(0)))


def turn(terminal: Terminal, found: Series, n: int) -> None:
    """Go to the tab beside the items, and back, at a person's pace."""
    for _ in range(n):
        time.sleep(PACE)
        terminal.press("]")
        found.setdefault("`]`, to Findings", []).append(terminal.shows("Best at layer"))
        time.sleep(PACE)
        terminal.press("[")
        found.setdefault("`[`, to Items", []).append(terminal.shows(at(0)))


def keys(db: Path, n_items: int, n: int) -> tuple[Series, Ended]:
    """Open the run's items and press keys; return the seconds of each answer."""
    found: Series = {}
    with opened([*COMMAND, "tui"], environment(db)) as (terminal, ended):
        terminal.shows(r"done\s+big\b")
        terminal.press("/")
        terminal.shows("Clear filter")
        terminal.press("big")
        terminal.shows("filter: big")
        terminal.press(ENTER)
        terminal.shows(r"⏎\s+Open")
        terminal.press(ENTER)
        terminal.shows(r"space\s+Choose")
        for seen in TABS:
            time.sleep(PACE)
            terminal.press("]")
            terminal.shows(seen)
        steps: list[tuple[Callable[[Terminal, Series, int], None], int]] = [
            (walk, n // 2), (leaf, min(n // 2, n_items // ROWS - 2)),
            (turn, n // 10),
        ]  # fmt: skip
        for step, times in steps:
            step(terminal, found, max(times, 1))
    return found, ended[0]


@contextmanager
def sweeping(db: Path) -> Iterator[None]:
    """Score the default model into the same database, for as long as this lasts."""
    log = db.with_name("sweep.log")
    words = ["run", "-m", "smollm2-135m", "-t", "calculation", "--set", "per_group=200"]
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*COMMAND, *words, "-o", str(db.with_name("sweep.txt"))],
            env=environment(db), stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
        try:
            wait_for_scores(db, process)
            still_on(process, log)
            yield
            still_on(process, log)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for_scores(db: Path, process: subprocess.Popen[bytes]) -> None:
    """Return once something of the sweep is stored, or it has ended."""
    while process.poll() is None:
        with Store(db) as store:
            if any(run.name != "big" and run.n_done for run in store.runs()):
                return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)


def still_on(process: subprocess.Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        raise SystemExit(f"the sweep has ended too soon: {log.read_text('utf-8')}")


def table(name: str, found: Series, ended: Ended) -> Iterator[str]:
    yield f"\n{name} (peak memory {ended.peak_mib:.0f} MiB):\n"
    yield "| | answers | median | 95th percentile | most |\n|---|---|---|---|---|"
    for what, seconds in found.items():
        many = sorted(1000 * each for each in seconds)
        p95 = many[min(len(many) - 1, round(0.95 * (len(many) - 1)))]
        yield (
            f"| {what} | {len(many)} | {statistics.median(many):.0f} ms | {p95:.0f} ms | "
            f"{many[-1]:.0f} ms |"
        )


def measured(folder: Path, n_items: int, n_keys: int, n_starts: int) -> Iterator[str]:
    db = stored(folder, n_items)
    yield from starts(db, n_starts)
    yield from table(f"Keys in the list of {n_items:,} items, alone", *keys(db, n_items, n_keys))
    with sweeping(db):
        found, ended = keys(db, n_items, n_keys)
    yield from table("The same while a sweep scores into the database", found, ended)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--keys", type=int, default=300)
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--append", type=Path, default=None)
    chosen = parser.parse_args(argv)
    facts = describe()
    lines = [f"\n## {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, the terminal interface\n"]
    lines += [f"{facts['processor']}, {facts['cores']}, {facts['memory']}; {facts['system']}\n"]
    with tempfile.TemporaryDirectory() as name:
        for line in measured(Path(name), chosen.items, chosen.keys, chosen.starts):
            print(line, flush=True)
            lines.append(line)
    if chosen.append:
        with chosen.append.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
