"""Reader of prompts that a user wrote: JSON Lines of id, prompt, choices, correct, best, group.

Checks the fields' types, so that a mistake is named by line and field; what the values mean is
checked where the questions are built.
"""

from __future__ import annotations

from collections.abc import Iterator

from llprobe.task import Row, json_lines

__all__ = ["read"]

_REQUIRED = ("id", "prompt", "choices", "correct")
_OPTIONAL = ("best", "group")


def read(path: str) -> Iterator[Row]:
    """Yield the rows; DataError names line and field of what is wrong."""
    for row in json_lines(path):
        _check(row)
        yield row.having(**{key: row.fields.get(key) for key in _OPTIONAL})


def _check(row: Row) -> None:
    for key in row.fields:
        if key not in _REQUIRED + _OPTIONAL:
            known = ", ".join(_REQUIRED + _OPTIONAL)
            raise row.error(f"unknown field {key!r}; known: {known}")
    row.text("prompt")
    row.texts("choices")
    correct = row.value("correct")
    if not isinstance(correct, list) or not all(_is_index(each) for each in correct):
        raise row.error("the field 'correct' must be a list of indices, from 0")
    best = row.fields.get("best")
    if best is not None and not _is_index(best):
        raise row.error("the field 'best' must be an index, from 0")
    if row.fields.get("group") is not None:
        row.text("group")


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
