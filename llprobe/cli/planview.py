"""What a sweep will compute, as a table: cells, what is done, tokens, time and memory.

This module knows columns and what they come to. The rows are those of `outlook`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llprobe.cli.console import err
from llprobe.cli.options import Format
from llprobe.cli.output import Column, emit
from llprobe.conduct import Prepared
from llprobe.plan import Plan
from llprobe.report.pace import duration

__all__ = ["print_plan", "tell_unmatched"]


def tell_unmatched(plan: Plan) -> None:
    """Say which exclusions leave nothing out: a slip in a pattern is not seen otherwise."""
    for exclusion in plan.unmatched:
        hint = "patterns fit whole names, like *Q8_0*"
        err.print(f"exclude {exclusion} matches no cell: {hint}", markup=False)


def print_plan(
    prepared: Prepared,
    plan: Plan,
    rows: list[dict[str, Any]],
    form: Format,
    output: Path | None,
) -> None:
    """Print the rows, and what they come to."""
    emit(rows, _columns(rows), form, output, f"sweep {prepared.spec.name}")
    tell_unmatched(plan)
    for unusable in prepared.unusable:
        err.print(f"left out: {unusable.name}: {unusable.error}", markup=False)
    for error in dict.fromkeys(row["error"] for row in rows if row.get("error")):
        err.print(f"cannot run: {error}", markup=False)
    err.print(_summary(prepared, rows), markup=False)


def _summary(prepared: Prepared, rows: list[dict[str, Any]]) -> str:
    """Say what the rows come to."""
    n_quants = len(prepared.unmade)
    done = sum(row["status"] == "done" for row in rows)
    took = [row["seconds"] for row in rows if row.get("seconds") is not None]
    peaks = [row["memory_bytes"] for row in rows if row.get("memory_bytes")]
    more = f"; about {duration(sum(took))} to do" if took else ""
    more += f", {max(peaks) / 2**30:.1f} GiB of memory at most" if peaks else ""
    quants = "1 quant" if n_quants == 1 else f"{n_quants} quants"
    more += f"; {quants} to be made, with cells that are not counted here" if n_quants else ""
    return f"{len(rows) - n_quants} cells, {done} of them done{more}"


def _columns(rows: list[dict[str, Any]]) -> list[Column]:
    """Columns that say something for these rows."""
    plain = {"ablation": "none", "answer": "cloze", "shots": "default", "seed": "0"}
    headings = {"ablation": "left out", "answer": "answer", "shots": "shots", "seed": "seed"}
    told = [
        Column(key, heading, head=True)
        for key, heading in headings.items()
        if any(row.get(key, plain[key]) != plain[key] for row in rows)
    ]
    estimates = [
        Column("tokens", "tokens", lambda v: "" if v is None else f"{v:,}", right=True),
        Column("seconds", "time", lambda v: "" if v is None else duration(v), right=True),
        Column(
            "memory_bytes", "memory", lambda v: "" if v is None else f"{v / 2**20:,.0f} MiB",
            right=True,
        ),
    ]  # fmt: skip
    return [
        Column("model", "model", head=True),
        Column("task", "task", head=True),
        *told,
        Column("lens", "lens", head=True),
        Column("status", "status"),
        Column("items", "items", right=True),
        *[each for each in estimates if any(row.get(each.key) is not None for row in rows)],
    ]
