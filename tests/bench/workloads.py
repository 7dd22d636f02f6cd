"""What the bench scores: the questions, and one timed run of them through the engine."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from llprobe.engine.probe import Probe
from llprobe.engine.score import Scorer
from llprobe.engine.tokens import TokenizedTask, tokenize_items
from llprobe.events import JobDone
from llprobe.model import ModelInfo
from llprobe.plan import Sweep, make_plan
from llprobe.runner import run
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import Questions, TaskRequest, load_questions

__all__ = ["Timing", "Workload", "end_to_end", "score", "workloads"]

_PUBLISHED = {"lama": ("lama.tsv", 60), "mps_cal": ("mps_cal_en.jsonl", 8)}
_BUNDLED = {"facts": 60, "calculation": 72}


@dataclass(frozen=True)
class Workload:
    """A set of questions with the request that makes them."""

    name: str
    request: TaskRequest
    questions: Questions


@dataclass(frozen=True)
class Timing:
    """Seconds of one in-process run by phase, and the work done in it."""

    tokenize: float
    prefill: float
    capture: float
    projection: float
    python: float
    total: float
    tokens: int
    rows: int


def workloads(data: Path) -> list[Workload]:
    """The published samples where `data` has them, else bundled questions."""
    if all((data / name).exists() for name, _ in _PUBLISHED.values()):
        requests = [
            TaskRequest(task, data=str(data / name), limit=n)
            for task, (name, n) in _PUBLISHED.items()
        ]
    else:
        requests = [TaskRequest(task, limit=n) for task, n in _BUNDLED.items()]
    return [Workload(r.name, r, load_questions(r)) for r in requests]


def score(
    probe: Probe, questions: Questions, layers: Sequence[int]
) -> tuple[Timing, TokenizedTask]:
    """Tokenise and score once, lens norm."""
    started = perf_counter()
    task = tokenize_items(probe, questions.preamble, questions.items)
    tokenized = perf_counter()
    with Scorer(probe, task, layers, ("norm",)) as scorer:
        for _ in scorer.groups():
            pass
        total, p = perf_counter() - started, scorer.phases
    rest = total - (tokenized - started) - p.prefill - p.capture - p.projection
    return (
        Timing(
            tokenized - started, p.prefill, p.capture, p.projection, rest, total, p.tokens, p.rows
        ),
        task,
    )


def end_to_end(info: ModelInfo, workload: Workload) -> tuple[float, float, float]:
    """One `llprobe run` as the command does it, in a fresh database.

    Returns seconds in all, seconds in the store, and the child's peak memory in MiB.
    """
    plan = make_plan(Sweep((info,), (workload.request,), settings=EngineSettings()))
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "bench.db") as store:
        stored = _timed(store)
        started = perf_counter()
        peak = 0.0
        for event in run(plan, store, "bench"):
            if isinstance(event, JobDone):
                peak = event.phases["peak_memory"] / (1 << 20)
        seconds = perf_counter() - started
    return seconds, sum(stored), peak


def _timed(store: Store) -> list[float]:
    """Have the store note how long each group takes to commit."""
    seconds: list[float] = []
    add = store.add_group

    def timed(event) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        started = perf_counter()
        add(event)
        seconds.append(perf_counter() - started)

    store.add_group = timed  # type: ignore[method-assign]
    return seconds
