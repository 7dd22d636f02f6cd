"""Reader of LAMA/mLAMA cloze facts: tab separated, with the candidates in one cell.

Columns: Prompt, Ans, Candidate Ans (comma separated, the answer among them, as a rule last). A
wrong candidate with a comma of its own cannot be told from two.
"""

from __future__ import annotations

from collections.abc import Iterator

from llprobe.task import Row, delimited

__all__ = ["read"]

_COLUMNS = ("Prompt", "Ans", "Candidate Ans")


def read(path: str) -> Iterator[Row]:
    """Yield rows with question, answer and choices (the answer first)."""
    for row in delimited(path, "\t", _COLUMNS, quoted=False):
        question, answer, candidates = (row.text(column).strip() for column in _COLUMNS)
        yield row.having(
            question=question, answer=answer, choices=[answer, *_wrong(candidates, answer)]
        )


def _wrong(candidates: str, answer: str) -> list[str]:
    """Return the candidates other than the answer, which may hold a comma itself."""
    others = candidates.removesuffix(answer) if answer else candidates
    pieces = (piece.strip() for piece in others.split(","))
    return [piece for piece in pieces if piece and piece != answer]
