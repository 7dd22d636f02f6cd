"""Reader of ARC as the Hugging Face hub serves it: question, choices (text, label), answerKey.

Labels are letters or digits; a key of the other kind stands for the option at its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llprobe.task import Row, rows

__all__ = ["read"]

_PLACES = {label: place for kind in ("ABCDEFGHI", "123456789") for place, label in enumerate(kind)}


def read(path: str) -> Iterator[Row]:
    """Yield rows with question, choices and answer (an index)."""
    for row in rows(path):
        texts, labels = _texts(row, "text"), _texts(row, "label")
        if len(texts) != len(labels):
            raise row.error(f"the field 'choices' has {len(texts)} texts and {len(labels)} labels")
        key = row.text("answerKey").strip()
        yield row.having(
            question=row.text("question"), choices=texts, answer=_place(row, key, labels)
        )


def _texts(row: Row, part: str) -> list[str]:
    choices: Any = row.value("choices")
    if not isinstance(choices, dict) or part not in choices:
        raise row.error("the field 'choices' must hold the lists 'text' and 'label'")
    listed = choices[part]
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise row.error(f"the field 'choices', {part!r}, must be a list of texts")
    return listed


def _place(row: Row, key: str, labels: list[str]) -> int:
    if not key:
        raise row.error("the field 'answerKey' is empty: this part has no answers, take another")
    if key in labels:
        return labels.index(key)
    place = _PLACES.get(key.upper(), len(labels))
    if place >= len(labels):
        raise row.error(f"the field 'answerKey' is {key!r}, the labels are {', '.join(labels)}")
    return place
