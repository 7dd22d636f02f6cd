"""The right answer's index, as published files write it: a number, or a number as text.

Knows nothing of which file has it under which name.
"""

from __future__ import annotations

from llprobe.task import Row

__all__ = ["answer_index"]


def answer_index(row: Row, key: str, count: int) -> int:
    """Return the field `key`, the index of one of `count` options from 0.

    DataError where it is none; an empty one stands in test parts whose answers are withheld.
    """
    value = row.value(key)
    if value is None or (isinstance(value, str) and not value.strip()) or value == -1:
        raise row.error(f"the field {key!r} is empty: this part has no answers, take another")
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise row.error(f"the field {key!r} must be an index, not {value!r}")
    if not 0 <= value < count:
        raise row.error(f"the field {key!r} is {value}, but there are {count} options, from 0")
    return value
