"""What a habit would get right without reading the question: the longest option, the first one.

A set of questions gives nothing away where every habit gets about what guessing gets. Knows
nothing of where the questions come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from llprobe.task.records import Item

__all__ = ["HABITS", "Habit", "Habits", "habits"]

LEVEL = 0.01
"""How often a set of questions that gives nothing away has a habit that sticks out."""


@dataclass(frozen=True, slots=True)
class Habit:
    """One habit: the share that it gets right, and between which shares chance alone would be."""

    name: str
    share: float
    low: float
    high: float

    @property
    def sticks_out(self) -> bool:
        """Whether chance alone does not explain the share."""
        return not self.low <= self.share <= self.high


@dataclass(frozen=True, slots=True)
class Habits:
    """What guessing and each habit get right of a set of questions, by MC1."""

    n_items: int
    chance: float
    each: tuple[Habit, ...]


def habits(items: Sequence[Item]) -> Habits:
    """Compare what each habit gets right with what guessing would; `items` must not be empty.

    As in MC1, true options beside the best one do not stand against it. Between options that a
    habit cannot tell apart the lot decides, and counts as its expected value.
    """
    rivals = [_rivals(item) for item in items]
    wins = np.array([1 / len(each) for each in rivals])
    low, high = _interval(wins, LEVEL / len(_HABITS))
    found = [
        Habit(name, _share(items, rivals, preference), low / len(items), high / len(items))
        for name, preference in _HABITS.items()
    ]
    return Habits(len(items), float(wins.mean()), tuple(found))


def _rivals(item: Item) -> list[int]:
    """Return the best option and the false ones, in order."""
    true = set(item.correct) - {item.best}
    return [index for index in range(len(item.choices)) if index not in true]


def _share(
    items: Sequence[Item], rivals: Sequence[list[int]], preference: Callable[[Item, int], int]
) -> float:
    return float(np.mean([_credit(i, r, preference) for i, r in zip(items, rivals, strict=True)]))


def _credit(item: Item, rivals: Sequence[int], preference: Callable[[Item, int], int]) -> float:
    liked = {index: preference(item, index) for index in rivals}
    most = max(liked.values())
    tied = [index for index in rivals if liked[index] == most]
    return 1 / len(tied) if item.best in tied else 0.0


def _length(item: Item, index: int) -> int:
    return len(item.choices[index].strip())


_HABITS: dict[str, Callable[[Item, int], int]] = {
    "longest": _length,
    "shortest": lambda item, index: -_length(item, index),
    "first": lambda _, index: -index,
}

HABITS = tuple(_HABITS)
"""The names of the habits, in the order in which they are told."""


def _interval(wins: np.ndarray[tuple[int], np.dtype[np.float64]], level: float) -> tuple[int, int]:
    """Return the counts between which the sum of independent draws lies but for `level`.

    `wins` (n_items,) are the draws' probabilities; where all are equal this is the binomial
    distribution's interval.
    """
    counts = np.ones(1)
    for p in wins:
        counts = np.append(counts, 0) * (1 - p) + np.append(0, counts) * p
    below = counts.cumsum()
    low = int(np.searchsorted(below, level / 2))
    above = counts[::-1].cumsum()
    return low, len(wins) - int(np.searchsorted(above, level / 2))
