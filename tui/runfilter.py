"""What is typed into the filter of runs, and which runs it keeps.

Words are joined by and. `tag:x` narrows to runs with a tag that begins so, and the like for the
other keys; a word without a key, or with one that there is not, is looked for in everything that a
line says. This module knows words. It does not know widgets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

__all__ = ["KEYS", "filtered"]

_Row = dict[str, Any]
_Test = Callable[[_Row, str], bool]


def _begins(names: Callable[[_Row], Sequence[str]]) -> _Test:
    return lambda row, word: any(name.lower().startswith(word) for name in names(row))


def _holds(names: Callable[[_Row], Sequence[str]]) -> _Test:
    return lambda row, word: any(word in name.lower() for name in names(row))


KEYS: Final[dict[str, _Test]] = {
    "tag": _begins(lambda row: row["tags"]),
    "status": _begins(lambda row: (row["status"],)),
    "name": _holds(lambda row: (row["name"],)),
    "model": _holds(lambda row: row["models"]),
    "task": _holds(lambda row: row["tasks"]),
    "lens": _holds(lambda row: row["lenses"]),
    "note": _holds(lambda row: (row["note"],)),
}
"""What narrows, and how: tags and statuses by their beginning, the others by any part."""


def filtered(rows: Iterable[_Row], text: str) -> list[_Row]:
    """Keep the runs that every word of `text` is true of; capitals do not count."""
    tests = [_test(word) for word in text.lower().split()]
    return [row for row in rows if all(test(row) for test in tests)]


def _test(word: str) -> Callable[[_Row], bool]:
    key, colon, rest = word.partition(":")
    if colon and key in KEYS:
        narrow = KEYS[key]
        return lambda row: narrow(row, rest)
    return lambda row: word in _said(row)


def _said(row: _Row) -> str:
    """Return what a line says of a run, and its id."""
    names = (*row["models"], *row["tasks"], *row["lenses"], *row["tags"])
    return " ".join((row["name"], row["run"], row["status"], *names)).lower()
