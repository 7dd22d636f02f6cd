"""What a sweep comes to: cells and items at once; tokens, time and memory where that is asked for.

The figures are those of `llprobe sweep plan`. This module is for worker threads: it reads models
and tasks, and starts a child that loads a model for an estimate. It does not know widgets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llprobe.conduct import prepare
from llprobe.errors import LlprobeError
from llprobe.outlook import planned_rows
from llprobe.report.pace import duration
from llprobe.runner import Cancel
from llprobe.store import Store
from llprobe.sweep import SweepSpec, requests_of
from llprobe.task import load_questions

from .choices import Missing, missing_models

__all__ = ["Planned", "in_words", "plan_of", "size"]


@dataclass(frozen=True)
class Planned:
    """What a sweep comes to."""

    spec: SweepSpec
    n_cells: int
    n_done: int
    n_items: int
    """Items of all cells; where no model is here, questions of all tasks."""
    missing: tuple[Missing, ...] = ()
    """Models to be downloaded, on which nothing can be planned before."""
    quants: tuple[str, ...] = ()
    """Quants to be made, on which nothing can be planned before."""
    problem: str = ""
    """Why it cannot be carried out; empty where it can."""
    remarks: tuple[str, ...] = ()
    """What is left out, and patterns that leave nothing out."""
    estimated: bool = False
    """Whether the next three were asked for."""
    tokens: int | None = None
    seconds: float | None = None
    memory: int | None = None
    """Bytes, at the most."""


def plan_of(spec: SweepSpec, store: Store, cancel: Cancel, *, estimate: bool) -> Planned:
    """Return what a sweep comes to; what is wrong with it is said in `problem`."""
    missing = missing_models(spec)
    try:
        if missing and len(missing) == len(spec.models):
            asked = sum(len(load_questions(request).items) for request in requests_of(spec))
            return Planned(spec, 0, 0, asked, missing)
        return _planned(spec, store, cancel, missing, estimate=estimate)
    except LlprobeError as problem:
        return Planned(spec, 0, 0, 0, missing, problem=str(problem))


def _planned(
    spec: SweepSpec, store: Store, cancel: Cancel, missing: Sequence[Missing], *, estimate: bool
) -> Planned:
    prepared = prepare(spec, store)
    plan = prepared.plan()
    rows = planned_rows(prepared, plan, store, cancel, estimate=estimate)
    cells = rows[: len(plan.cells)]
    away = {each.name for each in missing}
    left_out = [f"left out: {u.name}: {u.error}" for u in prepared.unusable if u.name not in away]
    unmatched = [f"exclude {each} matches no cell" for each in plan.unmatched]
    failed = [f"cannot run: {row['error']}" for row in cells if row.get("error")]
    return Planned(
        spec,
        n_cells=len(cells),
        n_done=sum(row["status"] == "done" for row in cells),
        n_items=sum(row["items"] for row in cells),
        missing=tuple(missing),
        quants=tuple(unmade.name for unmade in prepared.unmade),
        remarks=tuple(dict.fromkeys([*left_out, *unmatched, *failed])),
        estimated=estimate,
        tokens=_total(cells, "tokens"),
        seconds=_total(cells, "seconds"),
        memory=max((row["memory_bytes"] for row in cells if row["memory_bytes"]), default=None),
    )


def _total(rows: Sequence[dict[str, Any]], key: str) -> Any:
    """Return the sum of what is known; None where nothing is."""
    known = [row[key] for row in rows if row[key] is not None]
    return sum(known) if known else None


def in_words(found: Planned) -> list[str]:
    """Say what a sweep comes to: lines, the first of which holds the numbers."""
    if found.problem:
        return [f"cannot be planned: {found.problem}"]
    return [_numbers(found), *_to_come(found), *found.remarks]


def _numbers(found: Planned) -> str:
    if not found.n_cells:
        return f"{_counted(found.n_items, 'question')} of {_counted(len(found.spec.tasks), 'name')}"
    done = f", {found.n_done} of them done" if found.n_done else ""
    said = [f"{_counted(found.n_cells, 'cell')}{done}", _counted(found.n_items, "item")]
    if found.estimated and found.n_done < found.n_cells:
        said += [] if found.tokens is None else [_counted(found.tokens, "token")]
        took = found.seconds
        said += ["time not known"] if took is None else [f"about {duration(took)} to do"]
        said += [] if found.memory is None else [f"{size(found.memory)} of memory at most"]
    return ", ".join(said)


def _to_come(found: Planned) -> Iterator[str]:
    for each in found.missing:
        more = f" ({size(each.nbytes)})" if each.nbytes else ""
        yield f"{each.name} is not here{more}: running the sweep downloads it first"
    if found.quants:
        yield f"to be made first, and counted then: {', '.join(found.quants)}"


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


def size(nbytes: int) -> str:
    """Return a number of bytes for people, in GB or MB."""
    return f"{nbytes / 1e9:.2f} GB" if nbytes >= 1e9 else f"{nbytes / 1e6:.0f} MB"
