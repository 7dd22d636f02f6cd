"""Runs of identical values between two rows of one task: what looks copied.

This module knows rows of numbers by layer. It does not know which paper they are from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

__all__ = ["SHORTEST", "Repeat", "Row", "repeats"]

Row = Mapping[int, float]
"""Accuracy in [0, 1] by layer."""

SHORTEST = 8
"""Stored layers in a row that two models must agree on to be called a repeat; by accident the rows
of the published tables agree on four at the most."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """Two models that have the same values at layers `first` to `last` of a task."""

    task: str
    models: tuple[str, str]
    first: int
    """First layer, 1..n."""
    last: int
    """Last layer, 1..n."""
    after: tuple[tuple[float, float], ...]
    """Per model, accuracies in [0, 1] at the `last` layer and at the next; empty without a next."""
    language: str = ""
    """Where the rows are of one language only: which."""

    @property
    def remark(self) -> str:
        """What a reader of the rows must be told, in one sentence."""
        one, other = self.models
        steps = [
            f"{model} goes from {100 * a:.2f} to {100 * b:.2f}%"
            for model, (a, b) in zip(self.models, self.after, strict=False)
        ]
        then = f", then {' and '.join(steps)}" if steps else ""
        row = " ".join(filter(None, (self.task, self.language)))
        return (
            f"{row}: {one} and {other} have the same published values at layers "
            f"{self.first}-{self.last}{then}; one row looks copied from the other."
        )


def repeats(
    task: str, rows: Mapping[str, Row], language: str = "", shortest: int = SHORTEST
) -> tuple[Repeat, ...]:
    """Find where two of a task's rows, by model, agree on at least `shortest` layers in a row.

    A stretch on which a row does not change at all says nothing, and is not called a repeat.
    """
    return tuple(
        _repeat(task, language, {one: rows[one], other: rows[other]}, run)
        for one, other in combinations(rows, 2)
        for run in _same(rows[one], rows[other])
        if len(run) >= shortest and len({rows[one][layer] for layer in run}) > 1
    )


def _same(one: Row, other: Row) -> Iterator[list[int]]:
    """Yield the stretches of layers, in the order of both rows, at which the values are equal."""
    run: list[int] = []
    for layer in [*(layer for layer in one if layer in other), None]:
        if layer is not None and one[layer] == other[layer]:
            run.append(layer)
        elif run:
            yield run
            run = []


def _repeat(task: str, language: str, rows: Mapping[str, Row], run: Sequence[int]) -> Repeat:
    one, other = rows
    later = [layer for layer in rows[one] if layer > run[-1] and layer in rows[other]]
    after = tuple((row[run[-1]], row[later[0]]) for row in rows.values()) if later else ()
    return Repeat(task, (one, other), run[0], run[-1], after, language)
