"""Items of one cell -> arrays over items and layers, and their means.

This module knows sets of items. It does not know where they were stored or how they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from llprobe.analysis.metrics import chance, mc1, mc2, mc3, shortest

__all__ = ["Curve", "Scored", "item_curves"]

FloatArray = npt.NDArray[np.float64]


class Scored(Protocol):
    """What a curve needs of an item: its truth, its options' lengths, its log-probs."""

    @property
    def correct(self) -> Sequence[int]:
        """Indices of the true options."""

    @property
    def best(self) -> int:
        """Index of the designated best option."""

    @property
    def n_tokens(self) -> Sequence[int]:
        """Tokens of each option."""

    @property
    def logprob(self) -> FloatArray:
        """Summed log-probs (n_options, n_layers)."""


@dataclass(frozen=True)
class Curve:
    """Metrics of a set of items at every layer.

    `mc1`, `mc2`, `mc3` are (n_items, n_layers) in [0, 1]; `chance_*` and `shortest` are means
    over the items of what guessing, and choosing the shortest option, would get.
    `several_true`: whether any item has more than one true option, so that MC2 and MC3 say more.
    """

    layers: tuple[int, ...]
    mc1: FloatArray
    mc2: FloatArray
    mc3: FloatArray
    chance_mc1: float
    chance_mc2: float
    chance_mc3: float
    shortest: float
    several_true: bool

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.mc1)

    @property
    def accuracy(self) -> FloatArray:
        """Mean MC1 by layer, (n_layers,)."""
        return np.asarray(self.mc1.mean(axis=0), np.float64)

    @property
    def best_layer(self) -> int:
        """The layer of highest accuracy, the first of equals."""
        return self.layers[int(self.accuracy.argmax())]

    def at(self, layer: int) -> float | None:
        """Accuracy at a layer, None where that layer was not scored."""
        return float(self.accuracy[self.layers.index(layer)]) if layer in self.layers else None


def item_curves(items: Iterable[Scored], layers: Sequence[int]) -> Curve:
    """Compute all metrics of `items`, which is not empty, at `layers`."""
    whole = list(items)
    guess = np.array([chance(len(x.logprob), len(x.correct)) for x in whole]).mean(axis=0)
    return Curve(
        layers=tuple(layers),
        mc1=np.array([mc1(x.logprob, x.correct, x.best) for x in whole], np.float64),
        mc2=np.array([mc2(x.logprob, x.correct) for x in whole]),
        mc3=np.array([mc3(x.logprob, x.correct) for x in whole]),
        chance_mc1=float(guess[0]),
        chance_mc2=float(guess[1]),
        chance_mc3=float(guess[2]),
        shortest=float(np.mean([shortest(x.n_tokens, x.correct, x.best) for x in whole])),
        several_true=any(len(x.correct) > 1 for x in whole),
    )
