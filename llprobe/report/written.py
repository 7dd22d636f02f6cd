"""What models wrote -> rows to be printed: shares of right answers, and the answers.

This module knows answers and what they are compared with. It does not know log-probs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llprobe.analysis import exact, numeric
from llprobe.report.grouping import Grouping, grouping, sort_members
from llprobe.store import CellAnswer, CellRecord, Store

__all__ = ["WrittenSummary", "written", "written_items"]


@dataclass(frozen=True, slots=True)
class WrittenSummary:
    """What a model wrote to a set of items; `group` is empty for the whole task."""

    cell: CellRecord
    group: str
    answers: tuple[CellAnswer, ...]

    def row(self) -> dict[str, Any]:
        """Return the values of a table's row: shares in [0, 1], None without numbers to find."""
        numeric = [right for a in self.answers if (right := _numeric(a)) is not None]
        return {
            "model": self.cell.model,
            "task": self.cell.task,
            "answer": self.cell.answer,
            "shots": self.cell.shots,
            "seed": self.cell.seed,
            "group": self.group,
            "items": len(self.answers),
            "exact": _mean([_exact(a) for a in self.answers]),
            "numeric": _mean(numeric) if numeric else None,
            "tokens": _mean([a.n_tokens for a in self.answers]),
            "unfinished": sum(not a.finished for a in self.answers),
        }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _accepted(answer: CellAnswer) -> list[str]:
    return [answer.item.choices[index] for index in answer.item.correct]


def _exact(answer: CellAnswer) -> bool:
    return exact(answer.text, _accepted(answer))


def _numeric(answer: CellAnswer) -> bool | None:
    return numeric(answer.text, _accepted(answer))


def written(store: Store, run: str, *, by: str | None = None) -> list[WrittenSummary]:
    """What was written in every cell of a run where the model writes, with groups if asked."""
    cells = store.cells(run)
    sort = grouping(cells, by) if by else None
    found: list[WrittenSummary] = []
    for cell in cells:
        answers = tuple(store.answers(cell.id)) if cell.answer == "generate" else ()
        if answers:
            found.append(WrittenSummary(cell, "", answers))
            found += _written_groups(cell, answers, sort) if sort else []
    return found


def _written_groups(
    cell: CellRecord, answers: Sequence[CellAnswer], sort: Grouping
) -> list[WrittenSummary]:
    return [WrittenSummary(cell, label, of) for label, of in sort_members(cell, answers, sort)]


def written_items(store: Store, run: str) -> Iterator[dict[str, Any]]:
    """Yield every written answer of a run, whole, with what it was compared with."""
    for cell in store.cells(run):
        for answer in store.answers(cell.id):
            yield _item(run, cell, answer)


def _item(run: str, cell: CellRecord, answer: CellAnswer) -> dict[str, Any]:
    return {
        "run": run,
        "model": cell.model,
        "task": cell.task,
        "answer": cell.answer,
        "shots": cell.shots,
        "seed": cell.seed,
        "group": answer.item.group,
        "id": answer.item.id,
        "prompt": answer.item.prompt,
        "accepted": _accepted(answer),
        "written": answer.text,
        "n_tokens": answer.n_tokens,
        "finished": answer.finished,
        "exact": _exact(answer),
        "numeric": _numeric(answer),
    }
