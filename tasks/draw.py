"""Seeded chance that gives the same numbers on every machine and Python version.

Only `random.Random.random` is promised to keep its sequence between Python versions; `randrange`,
`shuffle` and `sample` are not. So everything here is made of it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["Draw"]

T = TypeVar("T")


class Draw:
    """A private stream of chance; equal seeds give equal streams."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def whole(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both included; at most 2**40 apart."""
        if not 0 <= high - low < 2**40:
            raise ValueError(f"no range to draw from: {low} to {high}")
        return low + int(self._random.random() * (high - low + 1))

    def one(self, values: Sequence[T]) -> T:
        """Return one of `values`, each as likely."""
        return values[self.whole(0, len(values) - 1)]

    def some(self, values: Sequence[T], count: int) -> list[T]:
        """Return `count` different ones of `values`, in random order."""
        left = list(values)
        return [left.pop(self.whole(0, len(left) - 1)) for _ in range(count)]

    def shuffled(self, values: Sequence[T]) -> list[T]:
        """Return all of `values` in random order."""
        return self.some(values, len(values))
