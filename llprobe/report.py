"""Stored runs -> rows to be printed: summaries, layers, items. Plain values, no formatting.

This module knows what a reader of a run wants to see. It does not know terminals or files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from typing import Any

from llprobe.analysis import Curve, item_curves, mc1, mc2, mc3
from llprobe.store import CellRecord, CellScores, RunRecord, Store

__all__ = ["Summary", "items", "layers_table", "run_rows", "sparkline", "summaries"]

_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Summary:
    """A curve with the names of what it is a curve of; `group` is empty for the whole task."""

    cell: CellRecord
    group: str
    curve: Curve

    def row(self) -> dict[str, Any]:
        """Return the values of a summary table's row; accuracies in [0, 1]."""
        curve, n = self.curve, self.cell.model_info["n_layers"]
        several = curve.several_true and n in curve.layers
        last = curve.layers.index(n) if several else 0
        return {
            "model": self.cell.model,
            "task": self.cell.task,
            "lens": self.cell.lens,
            "group": self.group,
            "items": curve.n_items,
            "chance": curve.chance_mc1,
            "shortest": curve.shortest,
            "best_layer": curve.best_layer,
            "best": curve.at(curve.best_layer),
            "penultimate": curve.at(n - 1),
            "last": curve.at(n),
            "mc2": float(curve.mc2[:, last].mean()) if several else None,
            "mc3": float(curve.mc3[:, last].mean()) if several else None,
            "mc1_by_layer": [round(float(a), 6) for a in curve.accuracy],
        }


def summaries(store: Store, run: str, *, by_group: bool = False) -> list[Summary]:
    """Curves of every cell of a run that has items, each followed by its groups if asked."""
    found: list[Summary] = []
    for cell in store.cells(run):
        scores = list(store.scores(cell.id))
        if not scores:
            continue
        found.append(Summary(cell, "", item_curves(scores, cell.layers)))
        found += _groups(cell, scores) if by_group else []
    return found


def _groups(cell: CellRecord, scores: Sequence[CellScores]) -> list[Summary]:
    order = {name: i for i, name in enumerate(dict.fromkeys(s.item.group for s in scores))}
    by_name = groupby(sorted(scores, key=lambda s: order[s.item.group]), key=lambda s: s.item.group)
    return [Summary(cell, name, item_curves(list(of), cell.layers)) for name, of in by_name if name]


def layers_table(found: Sequence[Summary]) -> tuple[list[str], list[dict[str, Any]]]:
    """MC1 of every summary by layer: column names, and a row per layer."""
    several = len({s.cell.model for s in found}) > 1
    names = [
        " ".join(filter(None, [s.cell.model if several else "", s.cell.task, s.cell.lens, s.group]))
        for s in found
    ]
    layers = sorted({layer for s in found for layer in s.curve.layers})
    rows = [
        {"layer": layer} | {n: s.curve.at(layer) for n, s in zip(names, found, strict=True)}
        for layer in layers
    ]
    return names, rows


def sparkline(values: Sequence[float], low: float = 0.0, high: float = 1.0) -> str:
    """One character a value, its height between `low` and `high`."""
    span = (high - low) or 1.0
    steps = (int((value - low) / span * len(_BARS)) for value in values)
    return "".join(_BARS[min(max(step, 0), len(_BARS) - 1)] for step in steps)


def run_rows(runs: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """Return a row per run, for a list of runs."""
    return [
        {
            "run": run.id,
            "updated": run.updated,
            "status": run.status,
            "models": list(run.models),
            "tasks": list(run.tasks),
            "lenses": list(run.lenses),
            "done": run.n_done,
            "items": run.n_items,
            "command": run.command,
        }
        for run in runs
    ]


def items(store: Store, run: str) -> Iterator[dict[str, Any]]:
    """Yield every scored item of a run, whole: prompt, choices, log-probs, metrics by layer."""
    for cell in store.cells(run):
        for score in store.scores(cell.id):
            yield _item(run, cell, score)


def _item(run: str, cell: CellRecord, score: CellScores) -> dict[str, Any]:
    item, logprob = score.item, score.logprob
    row: dict[str, Any] = {
        "run": run,
        "model": cell.model,
        "task": cell.task,
        "lens": cell.lens,
        "group": item.group,
        "id": item.id,
        "prompt": item.prompt,
        "choices": list(item.choices),
        "correct": list(item.correct),
        "best": item.best,
        "n_tokens": list(score.n_tokens),
        "layers": list(cell.layers),
        "logprob": [_finite(row) for row in logprob.tolist()],
        "mc1": [int(hit) for hit in mc1(logprob, item.correct, item.best)],
    }
    if len(item.correct) > 1:
        row["mc2"] = mc2(logprob, item.correct).tolist()
        row["mc3"] = mc3(logprob, item.correct).tolist()
    return row


def _finite(values: Sequence[float]) -> list[float | None]:
    """Values for JSON, which has no NaN or infinity: those stand as null."""
    return [value if isfinite(value) else None for value in values]
