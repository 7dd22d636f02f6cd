"""Reader of HellaSwag as the Hugging Face hub serves it: ctx, endings, label, activity_label.

The context begins with its activity and a colon, its second half with a capital, and marks in
square brackets are taken out, which is how published results were scored. The group is where a
text comes from (`activitynet`, `wikihow`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llprobe.task import Row, rows

from .indices import answer_index

__all__ = ["read"]

_MARK = re.compile(r"\[[^\]]*\]")


def read(path: str) -> Iterator[Row]:
    """Yield rows with context, choices, answer (an index) and source."""
    for row in rows(path):
        endings = [_cleaned(ending) for ending in row.texts("endings")]
        yield row.having(
            context=_cleaned(_activity(row) + _context(row)),
            choices=endings,
            answer=answer_index(row, "label", len(endings)),
            source=_source(row),
        )


def _activity(row: Row) -> str:
    return f"{row.text('activity_label')}: " if row.fields.get("activity_label") else ""


def _context(row: Row) -> str:
    """Return the two halves of the context joined, or the whole where it is not split."""
    if "ctx_a" not in row.fields or "ctx_b" not in row.fields:
        return row.text("ctx")
    return f"{row.text('ctx_a')} {row.text('ctx_b').capitalize()}"


def _cleaned(text: str) -> str:
    plain = _MARK.sub("", text.strip().replace(" [title]", ". "))
    return plain.replace("  ", " ").strip()


def _source(row: Row) -> str:
    return row.text("source_id").partition("~")[0] if row.fields.get("source_id") else ""
