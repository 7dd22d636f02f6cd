"""Measure what analysing costs: one large table, a small one, and a large one that is stored.

    python tests/bench/analysis.py [--items 166667] [--runs 3] [--append FILE]

166,667 items at 30 layers are 5 million item-layer scores. The large analyses run in processes of
their own, so that their peak memory is known. Compare ratios, not seconds between machines.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from optiontables import normal_table

from llprobe.analysis import OptionTable
from llprobe.machine import describe
from llprobe.report import curve_evidence, tables
from llprobe.store import Store

N_LAYERS = 30


def evidence_of(table: OptionTable) -> float:
    """Seconds that the evidence of a table takes."""
    cell = SimpleNamespace(task="drawn", model_info={"n_layers": N_LAYERS})
    begun = time.perf_counter()
    curve_evidence(cell, table)  # type: ignore[arg-type]
    return time.perf_counter() - begun


def of_table(n_items: int) -> float:
    """Analyse drawn items in memory."""
    return evidence_of(normal_table(8, n_items, N_LAYERS))


def of_store(path: Path) -> float:
    """Read and analyse every cell of a stored run."""
    begun = time.perf_counter()
    with Store(path, create=False) as store:
        for cell, table in tables(store, store.find_run("last")):
            curve_evidence(cell, table)
    return time.perf_counter() - begun


def alone(*words: str) -> tuple[float, float]:
    """Carry one of these out in a process of its own; return its seconds and peak MiB."""
    command = [sys.executable, __file__, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, mebibytes = map(float, done.stdout.split())
    return seconds, mebibytes


def line(name: str, found: list[tuple[float, float]]) -> str:
    seconds, memory = [each[0] for each in found], max(each[1] for each in found)
    return (
        f"- {name}: {median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f} in "
        f"{len(seconds)} runs), peak memory {memory:.0f} MiB"
    )


def report(n_items: int, runs: int) -> str:
    from sweeps import generated  # beside this file

    facts, scores = describe(), n_items * N_LAYERS
    lines = [f"\n## {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, analysis\n"]
    lines.append(f"{facts['processor']}, {facts['cores']}, {facts['memory']}; {facts['system']}\n")
    name = f"one table of {scores:,} item-layer scores"
    lines.append(line(name, [alone("--table", str(n_items)) for _ in range(runs)]))
    with tempfile.TemporaryDirectory() as folder:
        db = generated(Path(folder), scores)
        name = f"a stored run of {scores:,} in cells of 4,000 items, read and analysed"
        lines.append(line(name, [alone("--store", str(db)) for _ in range(runs)]))
    small = normal_table(7, 20, N_LAYERS)
    evidence_of(small)  # imports
    each = [evidence_of(small) for _ in range(20)]
    lines.append(f"- a cell of 20 items: {1000 * median(each):.0f} ms")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=166_667)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--append", type=Path)
    parser.add_argument("--table", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.table or chosen.store:
        seconds = of_table(chosen.table) if chosen.table else of_store(chosen.store)
        print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    text = report(chosen.items, chosen.runs)
    print(text)
    if chosen.append:
        with chosen.append.open("a", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
