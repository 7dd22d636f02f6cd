"""Measure what several workers bring and cost, and calculate what a large sweep would take.

    python tests/bench/cluster.py [--items 40] [--cells 60] [--append docs/scaling.md]

Two local workers against one process, with one thread each; the cost of a cell that goes through
the scheduler; and, for a model of 70B, seconds from rates and sizes (see scaling.py). Run it with
nothing else on the machine. With --append its lines stand between the file's two markers.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from clihelp import scores_of
from scaling import LLAMA_2_70B, Machine, Work, alone, over_rpc
from tinygguf import write_tiny

from llprobe.conduct import prepare
from llprobe.forecast import forecast
from llprobe.machine import describe
from llprobe.report.pace import duration
from llprobe.runner import Cancel
from llprobe.store import Store
from llprobe.sweep import parse_sweep

BEGIN, END = "<!-- measured by tests/bench/cluster.py -->", "<!-- end -->"
LAPTOP_BLOCKS, LAPTOP_HEAD = 43e9, 95e9
"""Operations a second of two AVX2 cores, in docs/performance.md."""
GPU_BLOCKS, GPU_HEAD = 4.7e12, 17e12
"""Of an H100 there, by its seconds for MPS-Cal on the default model, far too small to fill it."""


def seconds(db: Path, sweep: Path, *words: str) -> float:
    """Run a sweep into a database; return how long the whole command takes."""
    command = [sys.executable, "-m", "llprobe", "sweep", "run", str(sweep), *words, "--db", str(db)]
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - started


def computing(db: Path) -> float:
    """Return the seconds that a run's cells took in the engine, loading left out."""
    with Store(db) as store:
        (run,) = store.runs()
        of_cells = [cell.phases for cell in store.cells(run.id)]
    return sum(of[name] for of in of_cells for name in ("prefill", "capture", "projection"))


def speed_up(folder: Path, n_items: int) -> Iterator[str]:
    """Time one process and two workers at the same cells of the default model."""
    sweep = folder / "speed.yaml"
    sweep.write_text(
        "name: speed\nmodels: smollm2-135m\ntasks: [facts, calculation]\n"
        f"seeds: [0, 1, 2, 3]\nlimit: {n_items}\nengine: {{threads: 1}}\n"
    )
    dbs = [folder / f"{name}.db" for name in ("one", "worker", "two")]
    one = seconds(dbs[0], sweep)
    single = seconds(dbs[1], sweep, "--cluster", "local:1")
    two = seconds(dbs[2], sweep, "--cluster", "local:2")
    start = seconds(dbs[2], sweep, "--cluster", "local:2") - seconds(dbs[0], sweep)
    equal = scores_of(dbs[0]) == scores_of(dbs[1]) == scores_of(dbs[2])
    yield f"Default model, 8 cells of {n_items} items, one thread a process, whole commands:\n"
    yield "| | seconds | times as fast |\n|---|---:|---:|"
    yield f"| one process | {one:.1f} | 1 |"
    yield f"| `--cluster local:1` | {single:.1f} | {one / single:.2f} |"
    yield f"| `--cluster local:2` | {two:.1f} | {one / two:.2f} |"
    alone, beside = computing(dbs[0]), computing(dbs[2])
    yield (
        f"\nOf that {start:.1f} s are connections, also where nothing is left to compute. The "
        f"same cells take {beside / alone:.2f} times as long in the engine beside another worker. "
        f"All scores are {'equal, bit for bit' if equal else 'NOT EQUAL'}.\n"
    )


def cost_per_cell(folder: Path, n_cells: int) -> Iterator[str]:
    """Time so many tiny cells in one process, and through a scheduler to one worker."""
    model = write_tiny(folder / "t.gguf")
    sweep, seeds = folder / "tiny.yaml", ", ".join(map(str, range(n_cells)))
    sweep.write_text(
        f"name: tiny\nmodels: {model}\ntasks: calculation\nseeds: [{seeds}]\nlimit: 4\n"
        "layers: 1\nengine: {threads: 1}\n"
    )
    one_db, far_db = folder / "cells-one.db", folder / "cells-far.db"
    one, far = seconds(one_db, sweep), seconds(far_db, sweep, "--cluster", "local:1")
    again = seconds(far_db, sweep, "--cluster", "local:1") - seconds(one_db, sweep)
    cost = (far - one - again) / n_cells
    yield (
        f"{n_cells} cells of 4 items on a random model of 3 layers: {one:.1f} s in one process, "
        f"{far:.1f} s through a scheduler to one worker; without connecting, {cost * 1000:.0f} ms "
        "a cell more.\n"
    )


def counted(folder: Path) -> Work:
    """Count the work of the paper's tasks, all bundled questions, through one lens."""
    text = "name: p\nmodels: smollm2-135m\ntasks: paper\nlenses: paper\nengine: {threads: 1}\n"
    with Store(folder / "plan.db") as store:
        plan = prepare(parse_sweep(text, "the paper's tasks")).plan()
        counts = [found.counts for found in forecast(plan, store, Cancel())]
    return Work(sum(c.tokens for c in counts), sum(c.rows for c in counts))


def large(work: Work) -> Iterator[str]:
    """Calculate what these questions take on Llama 2 70B."""
    two = Machine(LAPTOP_BLOCKS, LAPTOP_HEAD, 64e9)
    eight, small = (Machine(4 * LAPTOP_BLOCKS, 4 * LAPTOP_HEAD, memory) for memory in (64e9, 12e9))
    gpu = Machine(GPU_BLOCKS, GPU_HEAD, 78e9)
    model, gigabit = LLAMA_2_70B, 117e6
    yield (
        f"Llama 2 70B (Q4_K_M, 41.4 GB), the group `paper`: {work.tokens:,} tokens, {work.rows:,} "
        "scored positions, 80 layers, one lens. Calculated, not measured:\n"
    )
    rows = {
        "a laptop with 64 GB, 2 cores as measured": alone(work, model, two),
        "a laptop with 64 GB, 8 such cores": alone(work, model, eight),
        "a laptop with 16 GB, 8 such cores, the file read for each batch": alone(
            work, model, small
        ),
        "four laptops with 16 GB, 8 such cores each, over RPC and 1 Gbit/s": over_rpc(
            work, model, small, 4, gigabit
        ),
        "a cluster of four laptops with 64 GB, 8 such cores each": alone(work, model, eight) / 4,
        "one GPU with 80 GB": alone(work, model, gpu),
        "a cluster of four such GPUs": alone(work, model, gpu) / 4,
    }
    yield "| on | takes |\n|---|---:|"
    yield from (f"| {where} | {duration(took)} |" for where, took in rows.items())
    yield ""


def put(file: Path, lines: list[str]) -> None:
    """Write lines between the markers of a file, in place of what is there."""
    text = file.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{file} has no lines {BEGIN} and {END}")
    whole = "\n".join(lines)
    file.write_text(f"{before}{BEGIN}\n{whole}\n{END}{after}", "utf-8")


def main() -> None:
    """Print the measurements, and keep them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=40)
    parser.add_argument("--cells", type=int, default=60)
    parser.add_argument("--append", type=Path, default=None)
    chosen, facts = parser.parse_args(), describe()
    os.environ.pop("LLPROBE_CLUSTER", None)
    machine = f"{facts['processor']}, {facts['cores']}; {facts['system']}"
    lines = [f"\n{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {machine}\n"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in (
            speed_up(folder, chosen.items),
            cost_per_cell(folder, chosen.cells),
            large(counted(folder)),
        ):
            for line in part:
                print(line, flush=True)
                lines.append(line)
    if chosen.append:
        put(chosen.append, lines)


if __name__ == "__main__":
    main()
