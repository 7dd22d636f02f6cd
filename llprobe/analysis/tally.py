"""Running sums of metrics over items, so that a curve is at hand without its items.

This module knows sums. It does not know where they are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.curves import Means, Scored, item_metrics
from llprobe.analysis.metrics import chance, shortest

__all__ = ["TALLIED", "Tally", "tally"]

FloatArray = npt.NDArray[np.float64]

TALLIED: Final = ("mc1", "mc2", "mc3", "acc_norm_tokens", "acc_norm_bytes")
"""The metrics that need nothing beside the item; `pmi` needs its prior."""


@dataclass(frozen=True)
class Tally(Means):
    """Sums over a set of items; offers the means that `Curve` does.

    `sums` (len(TALLIED), n_layers); `guesses` (4,): what guessing gets of MC1, MC2 and MC3, and
    choosing the shortest option of MC1; `n_several`: items with more than one true option.
    """

    layers: tuple[int, ...]
    n_items: int
    sums: FloatArray
    guesses: FloatArray
    n_several: int

    def __add__(self, other: Tally) -> Tally:
        """Join two sets of items at the same layers."""
        return Tally(
            self.layers,
            self.n_items + other.n_items,
            self.sums + other.sums,
            self.guesses + other.guesses,
            self.n_several + other.n_several,
        )

    @property
    def several_true(self) -> bool:
        """Whether any item has more than one true option."""
        return self.n_several > 0

    @property
    def values(self) -> Mapping[str, FloatArray]:
        """Means by metric, (n_layers,) each."""
        return {name: self.sums[i] / self.n_items for i, name in enumerate(TALLIED)}

    @property
    def guess(self) -> Mapping[str, float]:
        """What guessing gets, by metric."""
        one, two, three, _ = (self.guesses / self.n_items).tolist()
        return {name: {"mc2": two, "mc3": three}.get(name, one) for name in TALLIED}

    @property
    def shortest(self) -> float:
        """What choosing the shortest option gets of MC1."""
        return float(self.guesses[3] / self.n_items)

    def mean(self, metric: str) -> FloatArray:
        """Mean of a metric by layer, (n_layers,)."""
        return self.values[metric]


def tally(items: Iterable[Scored], layers: Sequence[int]) -> Tally:
    """Sum the metrics of `items`, of which there may be none, at `layers`."""
    sums, guesses = np.zeros((len(TALLIED), len(layers))), np.zeros(4)
    n_items = n_several = 0
    for item in items:
        found = item_metrics(item)
        sums += np.array([found[name] for name in TALLIED])
        guess = chance(len(item.logprob), len(item.correct))
        guesses += (*guess, shortest(item.n_tokens, item.correct, item.best))
        n_items, n_several = n_items + 1, n_several + (len(item.correct) > 1)
    return Tally(tuple(layers), n_items, sums, guesses, n_several)
