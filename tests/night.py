"""A night's sweep, unattended: two models, four quants each, the paper's tasks, two lenses.

The default model and a small random one are swept with three questions of each task (and language);
the command and its worker are killed once in the middle, the same command continues. `sweep show`
must be right at every stage. Run by `make night`; prints what it saw, and fails where anything
differs. This module knows the command line only.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from tinygguf import write_tiny

SWEEP = """\
name: night
models:
  - {model: smollm2-135m, quantize: [Q8_0, Q4_K_M, Q2_K]}
  - {model: %s, quantize: [Q8_0, Q4_0, Q2_K]}
tasks: [paper]
limit: 3
lenses: [norm, paper]
"""
N_CELLS = 2 * 4 * 8 * 2
# 3 questions of six tasks, and of xMPS-Cal and xMPS-Rea 3 in each of four languages
N_ITEMS = 2 * 4 * 2 * (6 * 3 + 2 * 4 * 3)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "llprobe", "sweep", *words]


def show() -> list[dict[str, Any]]:
    done = subprocess.run(command("show", "night", "-F", "json"), capture_output=True, check=True)
    return list(json.loads(done.stdout))


def stored(db: str) -> tuple[int, int]:
    """Count cells that are done, and items scored, past `sweep show`."""
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as reader:
        done = reader.execute("SELECT count(*) FROM cells WHERE status = 'done'").fetchone()[0]
        items = reader.execute("SELECT count(*) FROM scores").fetchone()[0]
    reader.close()
    return int(done), int(items)


def check(db: str, stage: str) -> tuple[int, int]:
    """Hold what `sweep show` says against what is stored before and after; return its counts."""
    low, rows, high = stored(db), show(), stored(db)
    said = sum(row["status"] == "done" for row in rows), sum(row["done"] for row in rows)
    assert len(rows) == N_CELLS, f"{stage}: {len(rows)} cells"
    assert low <= said <= high, f"{stage}: show says {said}, stored are {low} to {high}"
    print(f"{stage}: {said[0]} of {N_CELLS} cells, {said[1]} of {N_ITEMS} items", flush=True)
    return said


def follow(child: "subprocess.Popen[bytes]", db: str, upto: int) -> None:
    """Look at the sweep now and then until so many cells are done, or it ends."""
    while child.poll() is None:
        time.sleep(5)
        if not Path(db).exists() or not runs(db):
            continue
        if check(db, "running")[0] >= upto:
            return


def runs(db: str) -> bool:
    """Whether the sweep is planned: quants are made before."""
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as reader:
        try:
            found = reader.execute("SELECT count(*) FROM run_cells").fetchone()[0] == N_CELLS
        except sqlite3.OperationalError:  # not yet made
            found = False
    reader.close()
    return found


def kill(child: "subprocess.Popen[bytes]") -> None:
    """Kill the command and its worker, as a power cut would."""
    workers = psutil.Process(child.pid).children(recursive=True)
    child.send_signal(signal.SIGKILL)
    for worker in workers:
        worker.kill()
    child.wait()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = write_tiny(folder / "small.gguf", n_layers=4, n_ctx=32768)
        (folder / "night.yaml").write_text(SWEEP % small)
        os.environ["LLPROBE_DB"] = db = str(folder / "night.db")
        started = time.monotonic()
        run = command("run", str(folder / "night.yaml"))
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(run, stdout=log, stderr=log) as child,
        ):
            follow(child, db, N_CELLS // 4)
            assert child.poll() is None, "it ended before it was killed"
            kill(child)
        before = check(db, "killed")
        assert {row["status"] for row in show()} <= {"done", "interrupted", "planned"}
        with (
            (folder / "log").open("ab") as log,
            subprocess.Popen(run, stdout=log, stderr=log) as child,
        ):
            follow(child, db, N_CELLS + 1)
            assert child.returncode == 0, (folder / "log").read_text()
        assert check(db, "continued") == (N_CELLS, N_ITEMS) > before
        print(f"{(time.monotonic() - started) / 60:.0f} minutes in all, nothing lost")


if __name__ == "__main__":
    main()
