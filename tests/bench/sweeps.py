"""Measure what sweeps cost beside the model: the store's answers, the parent's time and memory.

    python tests/bench/sweeps.py [--scores 5000000] [--items 100000] [--append FILE]

Three things: how fast `sweep ls` and `show` answer on a database of generated rows, how much of a
sweep's processor time the parent takes, and how much memory it holds with a great many items.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tinygguf import write_tiny

from llprobe import report
from llprobe.events import GroupScored, ItemResult, JobStarted
from llprobe.machine import describe
from llprobe.model import read_model
from llprobe.plan import Plan, Sweep, make_plan
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import TaskRequest

WORDS = ("the", "of", "un", "until", "is", "to", "a", "in", "cap", "capital", "city")
N_LAYERS, PER_CELL, PER_GROUP = 30, 4000, 20


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "llprobe", *words]


def questions(path: Path, n: int) -> Path:
    draw = random.Random(n)
    with path.open("w", encoding="utf-8") as file:
        for i in range(n):
            row = {
                "id": f"q{i}", "prompt": " ".join(draw.choices(WORDS, k=5)),
                "choices": [f" {word}" for word in draw.sample(WORDS, 4)], "correct": [i % 4],
                "group": f"g{i % 5}",
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")
    return path


def plan_of(model: Path, data: Path, n_cells: int = 1) -> Plan:
    """Plan a sweep of `n_cells` cells on one set of questions; only their seeds differ."""
    request = TaskRequest("prompts", data=str(data))
    sweep = Sweep((read_model(model),), (request,), settings=EngineSettings(n_threads=1))
    (cell,) = make_plan(sweep, "big").cells
    cells = tuple(replace(cell, id=f"{n:016x}") for n in range(n_cells))
    return Plan("big", cells, "big", "")


def fill(path: Path, plan: Plan) -> None:
    """Store scores of every item of a plan, drawn at random."""
    draw = np.random.default_rng(0)
    with Store(path) as store:
        store.begin(plan, "llprobe sweep run")
        for cell in plan.cells:
            n = len(cell.questions.items)
            store.start_job(JobStarted((cell.id,), n, n // PER_GROUP, n, ()))
            for a in range(0, n, PER_GROUP):
                found = tuple(
                    ItemResult(i, (1, 2, 1, 3), draw.normal(-9, 3, (4, len(cell.layers))))
                    for i in range(a, a + PER_GROUP)
                )
                store.add_group(GroupScored(cell.id, a // PER_GROUP, found, a))
            store.finish_cells([cell.id], {"tokens": n})
        store.end(plan.id, "done")


def seconds(*words: str) -> float:
    """Median of five runs of a command, start of the interpreter included."""
    took = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run(command(*words), capture_output=True, check=True)
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def within(work: Sequence[object], call: object) -> float:
    took = []
    for _ in work:
        started = time.perf_counter()
        call()  # type: ignore[operator]
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def cells_of(n_scores: int) -> int:
    """Give the number of cells that hold so many item-layer scores."""
    return max(1, n_scores // (N_LAYERS * PER_CELL))


def generated(folder: Path, n_scores: int) -> Path:
    """Write a database of so many item-layer scores of drawn numbers."""
    model = write_tiny(folder / "wide.gguf", n_layers=N_LAYERS)
    data = questions(folder / "cell.jsonl", PER_CELL)
    db = folder / "big.db"
    fill(db, plan_of(model, data, cells_of(n_scores)))
    return db


def answers(folder: Path, n_scores: int) -> Iterator[str]:
    """Time what is asked of a large database."""
    db, n_cells = generated(folder, n_scores), cells_of(n_scores)
    os.environ["LLPROBE_DB"] = str(db)
    size = db.stat().st_size / 2**20
    total = n_cells * PER_CELL * N_LAYERS
    yield f"{total:,} item-layer scores in {n_cells} cells, {size:,.0f} MiB:\n"
    yield "| | of the store | the whole command |\n|---|---|---|"
    start = seconds("--version")
    with Store(db) as store:
        asked = {
            ("ls",): store.runs,
            ("sweep", "ls"): store.runs,
            ("sweep", "show", "big"): lambda: report.cell_rows(store, "big"),
            ("show", "big"): lambda: report.summaries(store, "big"),
            ("show", "big", "--by", "group"): lambda: report.summaries(store, "big", by="group"),
        }
        for words, call in asked.items():
            name = " ".join(words)
            yield f"| `{name}` | {within(range(5), call):.3f} s | {seconds(*words):.2f} s |"
    yield f"\nStarting the interpreter with all modules takes {start:.2f} s of each command.\n"


def parent(words: Sequence[str]) -> tuple[float, float, int]:
    """Run a command; return processor seconds of it and of its workers, and its peak bytes."""
    with subprocess.Popen(command(*words), stderr=subprocess.DEVNULL) as child:
        process = psutil.Process(child.pid)
        own, workers, peak = 0.0, dict[int, float](), 0
        while child.poll() is None:
            try:
                times = process.cpu_times()
                own, peak = times.user + times.system, max(peak, process.memory_info().rss)
                for each in process.children():
                    spent = each.cpu_times()
                    workers[each.pid] = spent.user + spent.system
            except psutil.NoSuchProcess:
                continue
            time.sleep(0.05)
    assert child.returncode == 0
    return own, sum(workers.values()), peak


def shares(folder: Path, n_items: int) -> Iterator[str]:
    """Measure the parent's share of time, and its memory with many items."""
    os.environ["LLPROBE_DB"] = str(folder / "time.db")
    run = ("run", "-m", "smollm2-135m", "-t", "facts,calculation", "-L", "100", "-F", "json")
    own, workers, peak = parent((*run, "-o", str(folder / "out")))
    yield (
        "Parent of `facts,calculation -L 100` on the default model: "
        f"{own:.1f} s of processor time, "
        f"{own / (own + workers):.1%} of the run's {own + workers:.0f} s; peak {peak >> 20} MiB.\n"
    )
    os.environ["LLPROBE_DB"] = str(folder / "many.db")
    model = write_tiny(folder / "small.gguf", n_layers=2)
    data = questions(folder / "many.jsonl", n_items)
    many = ("run", "-m", str(model), "-t", "prompts", "--data", str(data), "-F", "json")
    own, workers, peak = parent((*many, "-o", str(folder / "out")))
    yield (
        f"Parent of a run of {n_items:,} items on a random model of 2 layers: "
        f"peak {peak >> 20} MiB; "
        f"{own:.0f} s of processor time beside {workers:.0f} s of the worker's.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=int, default=5_000_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--append", type=Path, default=None)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        facts = describe()
        lines = [f"\n## {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, sweeps\n"]
        lines += [f"{facts['processor']}, {facts['cores']}; {facts['system']}\n"]
        for line in (*answers(Path(name), chosen.scores), *shares(Path(name), chosen.items)):
            print(line, flush=True)
            lines.append(line)
    if chosen.append:
        with chosen.append.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines))


if __name__ == "__main__":
    main()
