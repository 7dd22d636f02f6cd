"""Which items of a cell a line of words chooses: right, wrong@12, flips, group:mul, and texts.

This module knows words and arrays. It does not know widgets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.errors import UsageError

from .book import Book

__all__ = ["HELP", "STATES", "matching"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

STATES: Final = ("", "right", "wrong", "flips", "gained", "lost")
"""What the key w goes through; the last three are about the last two layers."""

HELP: Final = (
    "right, wrong (at the last layer), right@12, wrong@12; "
    "flips, gained, lost (before the last -> last), flips@20-32; group:TEXT; any other text"
)
"""The words, in a line."""

_STATE: Final = re.compile(r"(right|wrong)(?:@(\d+))?")
_FLIP: Final = re.compile(r"(flips|gained|lost)(?:@(\d+)-(\d+))?")


def matching(book: Book, words: str) -> IntArray:
    """Return the places of the items that all words choose, ascending.

    Raises UsageError for a layer that was not scored.
    """
    chosen = np.ones(len(book.items), np.bool_)
    for word in words.split():
        chosen &= _of(book, word)
    return np.flatnonzero(chosen)


def _of(book: Book, word: str) -> BoolArray:
    if found := _STATE.fullmatch(word):
        right = book.right[:, _column(book, found[2], -1)]
        return np.equal(right, found[1] == "right")
    if found := _FLIP.fullmatch(word):
        before = book.right[:, _column(book, found[2], -2)]
        after = book.right[:, _column(book, found[3], -1)]
        return _changed(found[1], before, after)
    if word.startswith("group:"):
        part = word.removeprefix("group:").lower()
        return _where(book.table.groups, lambda group: part in group.lower())
    part = word.lower()
    texts = (
        f"{item.id} {item.group} {item.prompt} {' '.join(item.choices)}" for item in book.items
    )
    return _where([text.lower() for text in texts], lambda text: part in text)


def _changed(how: str, before: BoolArray, after: BoolArray) -> BoolArray:
    if how == "flips":
        return np.not_equal(before, after)
    return ~before & after if how == "gained" else before & ~after


def _column(book: Book, layer: str | None, default: int) -> int:
    """Return the column of a layer; the one counted from the end where none is named."""
    layers = book.table.layers
    if layer is None:
        return max(default, -len(layers))
    if int(layer) not in layers:
        raise UsageError(f"layer {layer} was not scored: choose one of {layers[0]} to {layers[-1]}")
    return layers.index(int(layer))


def _where(texts: Sequence[str], holds: Callable[[str], bool]) -> BoolArray:
    return np.fromiter((holds(text) for text in texts), np.bool_, len(texts))
