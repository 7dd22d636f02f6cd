"""Measure speed and memory on the default model, side by side in one run.

    python tests/bench/main.py [--runs 3] [--data ../shared/data] [--no-paper] [--append FILE]

Figures are medians over the runs; compare ratios within one run, not seconds between machines.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import llama_cpp  # noqa: F401 - before numpy, see docs/performance.md on CUDA
from floor import Rates, floor_seconds, measure, normalisation
from workloads import Timing, Workload, end_to_end, score, workloads

from llprobe.engine.native import build_info
from llprobe.engine.probe import Probe
from llprobe.engine.tokens import TokenizedTask
from llprobe.machine import describe, versions
from llprobe.model import resolve
from llprobe.settings import EngineSettings

ROOT = Path(__file__).resolve().parents[2]


def _median(timings: list[Timing], field: str) -> float:
    return statistics.median(getattr(t, field) for t in timings)


def _header(name: str) -> Iterator[str]:
    facts, packages, build = describe(), versions(), build_info()
    yield f"\n## {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {name}\n"
    yield f"{facts['processor']}, {facts['cores']}, {facts['memory']}; {facts['system']};"
    yield ", ".join(f"{k} {v}" for k, v in packages.items()) + f"; {build['devices']};"
    yield f"`{build['system_info']}`\n"


def _paper(path: Path, task: TokenizedTask, threads: int) -> tuple[float, int]:
    from paper_way import seconds_per_token  # torch is an extra

    sequences = [s for item in task.items for s in item.sequences]
    step = max(1, len(sequences) // 8)
    return seconds_per_token(path, sequences[::step][:8], threads), sum(map(len, sequences))


def _report(probe: Probe, work: Workload, rates: Rates, runs: int, *, paper: bool) -> Iterator[str]:
    layers = tuple(range(1, probe.model.n_layers + 1))
    n = len(work.questions.items)
    timings, task = [], None
    last: list[float] = []
    for _ in range(runs):
        timing, task = score(probe, work.questions, layers)
        timings.append(timing)
        last.append(score(probe, work.questions, layers[-1:])[0].total)
    total, first = _median(timings, "total"), timings[0]
    norm = normalisation(probe, first.rows, len(layers))
    floor = floor_seconds(probe, rates, first.tokens, first.rows, len(layers))
    spread = " to ".join(f"{f(t.total for t in timings):.1f}" for f in (min, max))
    yield f"### {work.name}: {n} questions, every layer\n"
    yield f"- {n / total:.2f} questions a second ({total:.1f} s, {spread} in {runs} runs);"
    yield f"  {first.tokens} distinct tokens decoded, {first.rows} positions projected"
    yield "- phases in seconds: " + ", ".join(
        f"{name} {_median(timings, name):.2f}"
        for name in ("tokenize", "prefill", "capture", "projection", "python")
    )
    yield f"  (of the projection, normalisation measured by itself: {norm:.2f})"
    ratio = total / floor
    yield f"- floor {floor:.1f} s: {ratio:.2f} times the floor"
    skipping = replace(probe.settings, skip_shared=True)
    with Probe(probe.model.info, skipping) as other:
        shorter = score(other, work.questions, layers)[0]
    yield (
        f"- with --skip-shared: {shorter.total:.1f} s, {shorter.rows} positions projected: "
        f"{total / shorter.total:.2f} times as fast"
    )
    final = statistics.median(last)
    yield f"- last layer only: {final:.1f} s; all layers take {total / final:.1f} times as long"
    if paper and task:
        per_token, tokens = _paper(probe.model.info.paths[0], task, probe.model.n_threads)
        whole = per_token * tokens
        yield (
            f"- the paper's way: {per_token * 1e3:.1f} ms a token (8 options timed) x {tokens} "
            f"tokens = {whole:.0f} s, extrapolated: {whole / total:.0f} times as long"
        )
    seconds, stored, peak = end_to_end(probe.model.info, work)
    above = peak - probe.model.info.file_bytes / (1 << 20)
    overhead = _median(timings, "tokenize") + _median(timings, "python") + stored
    yield (
        f"- as a command: {seconds:.1f} s with start-up; store {stored:.2f} s; tokenising, Python "
        f"and SQLite {overhead / seconds:.1%} of it; peak memory {above:.0f} MiB above the file"
    )
    yield ""


def main() -> None:
    """Measure, print, and append to the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--no-paper", action="store_true")
    parser.add_argument("--append", type=Path, default=ROOT / "docs" / "performance.md")
    arguments = parser.parse_args()
    lines: list[str] = []
    with Probe(resolve(arguments.model), EngineSettings()) as probe:
        rates = measure(probe)
        sections = [_header(arguments.model)]
        sections += [
            _report(probe, work, rates, arguments.runs, paper=not arguments.no_paper)
            for work in workloads(arguments.data)
        ]
        rate = f"matmul: {rates.blocks / 1e9:.0f} GFLOP/s in the blocks' type, "
        rate += f"{rates.head / 1e9:.0f} in the output matrix's\n"
        for number, section in enumerate(sections):
            for line in [*section, *([rate] if number == 0 else [])]:
                print(line, flush=True)
                lines.append(line)
    with arguments.append.open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
