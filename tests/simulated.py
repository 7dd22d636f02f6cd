"""Items with known truth, and Markdown tables of what methods make of them.

Whether an item is right at a layer is a normal variable below a threshold: from layer to layer it
keeps `stay` of its correlation, within a cluster it shares `alike`. This module knows no method.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Row = tuple[str, ...]
# Runs a function for every row's parameters, with a seed and a number of data sets.
Rows = Callable[[Callable[..., Any], Iterable[tuple[Any, ...]], int], Any]
# A table's name, its header, what makes a row, the rows' parameters, the data sets for each row.
Plan = tuple[str, tuple[str, ...], Callable[..., Row], Sequence[tuple[Any, ...]], int]

N_LAYERS = 30
LAYERS = tuple(range(1, N_LAYERS + 1))
CHANCE = 0.25
STAY = 0.8


@dataclass(frozen=True)
class Table:
    """One table of the document: its name there, its header and its rows."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(self) -> str:
        rule = ("---",) + ("---:",) * (len(self.header) - 1)
        return "\n".join(f"| {' | '.join(row)} |" for row in (self.header, rule, *self.rows))


@dataclass(frozen=True)
class Truth:
    """What items are drawn from."""

    curve: FloatArray
    """(k,) share of right answers by layer."""
    per_cluster: int = 1
    """Items that share a cluster."""
    alike: float = 0.0
    """Correlation within a cluster, of the normal variable behind the answers."""
    stay: float = STAY
    """Correlation of neighbouring layers."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
        """Draw 0/1 values (n, k) and clusters (n,)."""
        clusters = np.arange(n) // self.per_cluster
        shared = self._walk(int(clusters[-1]) + 1, rng)[clusters]
        hidden = np.sqrt(1 - self.alike) * self._walk(n, rng) + np.sqrt(self.alike) * shared
        return (hidden < ndtri(self.curve)).astype(np.float64), clusters

    def _walk(self, n: int, rng: np.random.Generator) -> FloatArray:
        noise = rng.standard_normal((n, len(self.curve)))
        for layer in range(1, noise.shape[1]):
            kept = self.stay * noise[:, layer - 1]
            noise[:, layer] = kept + np.sqrt(1 - self.stay**2) * noise[:, layer]
        return noise


def step(first: int, size: float) -> FloatArray:
    """Chance before layer `first`, `size` more from it on."""
    return np.where(np.arange(1, N_LAYERS + 1) < first, CHANCE, CHANCE + size)


def ramp(first: int, size: float) -> FloatArray:
    """Chance before layer `first`, then a straight rise that gains `size` up to the last layer."""
    layers = np.arange(1, N_LAYERS + 1)
    return CHANCE + size * np.maximum(layers - first + 1, 0) / (N_LAYERS - first + 1)


def hill(top: int, size: float) -> FloatArray:
    """Rise in a straight line to layer `top`, and fall as steeply after it."""
    distance = np.abs(np.arange(1, N_LAYERS + 1) - top)
    return CHANCE + size * np.maximum(1 - distance / 15, 0)


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def share(found: Iterable[bool]) -> str:
    """Share of true ones, "-" where there are none to ask."""
    values: Sequence[bool] = list(found)
    return percent(float(np.mean(values))) if values else "-"
