"""Show by simulation that the statistics keep what they promise; prints Markdown tables.

    python tests/simulate_statistics.py [--quick] [--only NAME] [--write FILE]

Every row has its own seed. `--write` puts the tables between their markers in a document,
`--quick` draws a tenth of the data sets, `--only` (repeatable) makes the tables
named. Run by `make statistics`.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import simulate_findings
import simulate_intervals
import simulate_selection
from simulated import Table

TIMES = {"intervals": 2000, "findings": 400, "selection": 600}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data sets")
    parser.add_argument("--only", action="append", default=[], help="name of a table")
    parser.add_argument("--write", type=Path, help="a document with markers for the tables")
    asked = parser.parse_args()
    begun = time.monotonic()
    tables = simulated(10 if asked.quick else 1, asked.only)
    if not tables:
        sys.exit(
            f"no table named {' or '.join(asked.only)}; the markers in the document have names"
        )
    for table in tables:
        print(f"## {table.name}\n\n{table.text()}\n")
    print(f"{time.monotonic() - begun:.0f} seconds", file=sys.stderr)
    if asked.write:
        text = written(asked.write.read_text(encoding="utf-8"), tables)
        asked.write.write_text(text, encoding="utf-8")


def simulated(divisor: int, wanted: Sequence[str]) -> list[Table]:
    """Run the simulations that are wanted, rows side by side on two cores."""
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as workers:

        def rows(function: Callable[..., Any], each: Iterable[tuple[Any, ...]], n: int) -> Any:
            waiting = [
                workers.submit(function, *row, seed, n) for seed, row in enumerate(each, start=1)
            ]
            return [one.result() for one in waiting]

        intervals = simulate_intervals.tables(rows, TIMES["intervals"] // divisor, wanted)
        findings = simulate_findings.tables(rows, TIMES["findings"] // divisor, wanted)
        selection = simulate_selection.tables(rows, TIMES["selection"] // divisor, wanted)
        return intervals + findings + selection


def written(text: str, tables: Iterable[Table]) -> str:
    """Put tables between their markers; a marker that is missing ends the command."""
    for table in tables:
        start, end = f"<!-- table {table.name} -->", f"<!-- end {table.name} -->"
        if start not in text or end not in text:
            sys.exit(f"no place for the table {table.name}: write {start} and {end} there")
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = f"{before}{start}\n{table.text()}\n{end}{after}"
    return text


if __name__ == "__main__":
    main()
