"""Reader of MMLU as the Hugging Face hub serves it: question, choices, answer, subject."""

from __future__ import annotations

from collections.abc import Iterator

from llprobe.task import Row, rows

from .indices import answer_index

__all__ = ["read"]


def read(path: str) -> Iterator[Row]:
    """Yield rows with question, choices, answer (an index) and subject ("" where none is told)."""
    for row in rows(path):
        choices = row.texts("choices")
        yield row.having(
            question=row.text("question").strip(),
            choices=choices,
            answer=answer_index(row, "answer", len(choices)),
            subject=row.text("subject") if row.fields.get("subject") else "",
        )
