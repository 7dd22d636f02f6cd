"""TruthfulQA's multiple-choice form: question, mc1_targets, mc2_targets.

Targets are a mapping of answers to 1 or 0, as in `mc_task.json`, or two lists, choices and labels,
as the Hugging Face hub has them. MC2's targets are the true and false answers, MC1's true one is
the best. Answers are taken as they stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llprobe.task import Row, rows

__all__ = ["target_rows"]


def target_rows(path: str) -> Iterator[Row]:
    """Yield rows with question, choices (true ones first), correct, answer and Category."""
    for row in rows(path):
        best, _ = _sides(row, "mc1_targets")
        if len(best) != 1:
            raise row.error(f"'mc1_targets' holds {len(best)} true answers, one is needed")
        true, false = _sides(row, "mc2_targets")
        added = [] if best[0] in true else best
        yield row.having(
            *["best answers put among the true ones" for _ in added],
            question=row.text("question").strip(),
            choices=true + added + false,
            correct=list(range(len(true) + len(added))),
            answer=best[0],
            Category=row.fields.get("category") or "",
        )


def _sides(row: Row, key: str) -> tuple[list[str], list[str]]:
    """Return the true and the false answers."""
    pairs = [(answer.strip(), label) for answer, label in _pairs(row, key)]
    return [answer for answer, label in pairs if label], [a for a, label in pairs if not label]


def _pairs(row: Row, key: str) -> list[tuple[str, int]]:
    targets: Any = row.value(key)
    pairs: list[tuple[Any, Any]] | None = None
    if isinstance(targets, dict) and set(targets) == {"choices", "labels"}:
        answers, labels = targets["choices"], targets["labels"]
        if isinstance(answers, list) and isinstance(labels, list) and len(answers) == len(labels):
            pairs = list(zip(answers, labels, strict=True))
    elif isinstance(targets, dict):
        pairs = list(targets.items())
    if pairs is None or not all(isinstance(a, str) and label in {0, 1} for a, label in pairs):
        raise row.error(f"the field {key!r} must give each answer with 1 (true) or 0 (false)")
    return pairs
