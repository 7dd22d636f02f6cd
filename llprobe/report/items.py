"""Every item of a run, whole, as plain values for other programs.

This module knows what there is of an item. It does not know summaries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

from llprobe.analysis import OF_WHOLE_OPTIONS, item_metrics
from llprobe.report.written import written_items
from llprobe.store import CellRecord, CellScores, Store

__all__ = ["all_items", "items"]


def items(store: Store, run: str) -> Iterator[dict[str, Any]]:
    """Yield every scored item of a run, whole: prompt, choices, log-probs, metrics by layer."""
    for cell, scores in store.probed(run):
        for score in scores:
            yield _item(run, cell, score)


def all_items(store: Store, run: str) -> Iterator[dict[str, Any]]:
    """Yield every scored item of a run, then every item that a model wrote an answer to."""
    yield from items(store, run)
    yield from written_items(store, run)


def _item(run: str, cell: CellRecord, score: CellScores) -> dict[str, Any]:
    item = score.item
    row: dict[str, Any] = {
        "run": run,
        "model": cell.model,
        "task": cell.task,
        "answer": cell.answer,
        "lens": cell.lens,
        "ablation": cell.ablation,
        "shots": cell.shots,
        "seed": cell.seed,
        "group": item.group,
        "id": item.id,
        "prompt": item.prompt,
        "choices": list(item.choices),
        "correct": list(item.correct),
        "best": item.best,
        "n_tokens": list(score.n_tokens),
        "layers": list(cell.layers),
        "logprob": [_finite(row) for row in score.logprob.tolist()],
    }
    if score.prior is not None:
        row["prior"] = [_finite(row) for row in score.prior.tolist()]
    if not cell.whole:
        row["skip_shared"] = True
    several = len(item.correct) > 1
    for name, values in item_metrics(score).items():
        if name in {"mc2", "mc3"}:
            row |= {name: values.tolist()} if several else {}
        elif name != "prior" and (cell.whole or name not in OF_WHOLE_OPTIONS):
            row[name] = values.astype(int).tolist()
    return row


def _finite(values: Sequence[float]) -> list[float | None]:
    """Values for JSON, which has no NaN or infinity: those stand as null."""
    return [value if isfinite(value) else None for value in values]
