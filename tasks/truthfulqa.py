"""Reader of TruthfulQA's CSV file, and of its `mc_task.json`, told by what the file holds.

In the CSV file several true and several false answers stand in a cell each, separated by
semicolons; empty pieces are dropped, and each answer ends with a period. `mc_task.json` (and the
hub's Parquet file) names them one by one, see targets.py. The best answer is put among the true
ones where it is not one of them already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llprobe.task import Row, delimited, file_form

from .targets import target_rows

__all__ = ["read"]

_COLUMNS = ("Question", "Best Answer", "Correct Answers", "Incorrect Answers")
# A semicolon within an answer has no space after it; one that ends the cell has nothing.
_BETWEEN = re.compile(r";(?=\s|$)")


def read(path: str) -> Iterator[Row]:
    """Yield rows with question, choices (true ones first), correct, answer and Category."""
    return _csv_rows(path) if file_form(path) in {"csv", "tsv"} else target_rows(path)


def _csv_rows(path: str) -> Iterator[Row]:
    for row in delimited(path, ",", _COLUMNS):
        best = _answers(row.text("Best Answer"))
        if len(best) != 1:
            raise row.error(f"'Best Answer' holds {len(best)} answers, one is needed")
        true, answer, quirks = _with_best(_answers(row.text("Correct Answers")), best[0])
        yield row.having(
            *quirks,
            question=row.text("Question").strip(),
            choices=true + _answers(row.text("Incorrect Answers")),
            correct=list(range(len(true))),
            answer=answer,
            Category=row.fields.get("Category"),
        )


def _answers(cell: str) -> list[str]:
    pieces = (piece.strip() for piece in _BETWEEN.split(cell))
    return [piece if piece.endswith(".") else f"{piece}." for piece in pieces if piece]


def _with_best(true: list[str], best: str) -> tuple[list[str], str, tuple[str, ...]]:
    """Return the true answers, the best one as it stands among them, and what was mended."""
    if best in true:
        return true, best, ()
    for answer in true:
        if _plain(answer) == _plain(best):
            return true, answer, ("best answers found among the true ones in another spelling",)
    return [*true, best], best, ("best answers put among the true ones",)


def _plain(answer: str) -> str:
    return " ".join(answer.rstrip(".").casefold().split())
