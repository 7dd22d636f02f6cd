"""Items of one cell -> arrays over items and layers, and their means.

This module knows sets of items. It does not know where they were stored or how they are shown.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from llprobe.analysis.metrics import chance, mc1, mc2, mc3, normalised, shortest
from llprobe.analysis.rounding import argmax_first

__all__ = [
    "METRICS",
    "OF_WHOLE_OPTIONS",
    "WHY_NOT",
    "Curve",
    "Means",
    "Scored",
    "item_curves",
    "item_metrics",
]

FloatArray = npt.NDArray[np.float64]

METRICS: Final = ("mc1", "mc2", "mc3", "acc_norm_tokens", "acc_norm_bytes", "pmi")
"""`mc1` to `mc3` of summed log-probs; MC1 of log-probs per token and per byte of the option, and
of log-probs less those after a neutral stem."""
OF_WHOLE_OPTIONS: Final = ("acc_norm_tokens", "acc_norm_bytes")
"""The metrics that are not the same where log-probs lack what all options of an item share."""
WHY_NOT: Final = {
    "pmi": "pmi needs the options' scores without their question: run it again with --pmi",
    **{
        name: f"{name} is about whole options, and --skip-shared left out what they have in "
        "common: run it again without"
        for name in OF_WHOLE_OPTIONS
    },
}
"""What is lacking where a metric cannot be had."""


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
    def n_bytes(self) -> Sequence[int]:
        """Bytes of each option."""

    @property
    def logprob(self) -> FloatArray:
        """Summed log-probs (n_options, n_layers)."""

    @property
    def prior(self) -> FloatArray | None:
        """Summed log-probs after a neutral stem (n_options, n_layers); None where not scored."""


class Means(ABC):
    """Means of metrics over a set of items at every layer, however they are known."""

    layers: tuple[int, ...]

    @abstractmethod
    def mean(self, metric: str) -> FloatArray:
        """Mean of a metric by layer, (n_layers,)."""

    def best_layer(self, metric: str = "mc1") -> int:
        """The layer of the highest mean, the first of equals."""
        return self.layers[int(argmax_first(self.mean(metric)))]

    def at(self, layer: int, metric: str = "mc1") -> float | None:
        """Mean at a layer, None where that layer was not scored."""
        if layer not in self.layers:
            return None
        return float(self.mean(metric)[self.layers.index(layer)])


@dataclass(frozen=True)
class Curve(Means):
    """Metrics of a set of items at every layer.

    `values[metric]` is (n_items, n_layers) in [0, 1]; `pmi` is among them where every item has a
    prior, and so is `prior`, the MC1 of the prior alone. `guess[metric]` and `shortest` are means
    over the items of what guessing, and choosing the shortest option, would get.
    `several_true`: whether any item has more than one true option, so that MC2 and MC3 say more.
    """

    layers: tuple[int, ...]
    values: Mapping[str, FloatArray]
    guess: Mapping[str, float]
    shortest: float
    several_true: bool

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.values["mc1"])

    @property
    def accuracy(self) -> FloatArray:
        """Mean MC1 by layer, (n_layers,)."""
        return self.mean("mc1")

    def without(self, metrics: Collection[str]) -> Curve:
        """Return the same curve without some of its metrics."""
        kept = {name: of for name, of in self.values.items() if name not in metrics}
        return replace(self, values=kept)

    def mean(self, metric: str) -> FloatArray:
        """Mean of a metric by layer, (n_layers,)."""
        return np.asarray(self.values[metric].mean(axis=0), np.float64)


def item_metrics(item: Scored) -> dict[str, FloatArray]:
    """Every metric of one item by layer, (n_layers,) each."""
    logprob, correct, best = item.logprob, item.correct, item.best
    found = {
        "mc1": mc1(logprob, correct, best),
        "mc2": mc2(logprob, correct),
        "mc3": mc3(logprob, correct),
        "acc_norm_tokens": mc1(normalised(logprob, item.n_tokens), correct, best),
        "acc_norm_bytes": mc1(normalised(logprob, item.n_bytes), correct, best),
    }
    if item.prior is not None:
        found["pmi"] = mc1(logprob - item.prior, correct, best)
        found["prior"] = mc1(item.prior, correct, best)
    return {name: np.asarray(values, np.float64) for name, values in found.items()}


def item_curves(items: Iterable[Scored], layers: Sequence[int]) -> Curve:
    """Compute all metrics of `items`, which is not empty, at `layers`."""
    whole = list(items)
    found = [item_metrics(item) for item in whole]
    common = [name for name in found[0] if all(name in each for each in found)]
    guess = np.array([chance(len(x.logprob), len(x.correct)) for x in whole]).mean(axis=0)
    by_metric = {"mc2": float(guess[1]), "mc3": float(guess[2])}
    return Curve(
        layers=tuple(layers),
        values={name: np.array([each[name] for each in found]) for name in common},
        guess={name: by_metric.get(name, float(guess[0])) for name in common},
        shortest=float(np.mean([shortest(x.n_tokens, x.correct, x.best) for x in whole])),
        several_true=any(len(x.correct) > 1 for x in whole),
    )
