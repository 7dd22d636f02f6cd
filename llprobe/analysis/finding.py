"""What a finding over layers is, and what all findings share: layers from resamples, errors.

This module knows arrays of means by layer. It does not know tasks, models or how they are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = [
    "FEWEST",
    "LEVEL",
    "ExitFinding",
    "JumpFinding",
    "LayerFinding",
    "PeakFinding",
    "Stability",
    "critical",
    "from_here_on",
    "layer_interval",
    "n_clusters",
    "paired_errors",
    "relative",
    "standard_errors",
    "too_few",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

LEVEL: Final = 0.95
"""Confidence of every interval and band of a finding."""

FEWEST: Final = 5
"""Clusters of items below which no finding is tested: fewer cannot show their own spread."""


@dataclass(frozen=True)
class LayerFinding:
    """A layer that the data point to, with what is known about it."""

    name: str
    """What was looked for: onset, jump, peak, saturation, early exit."""
    layer: int | None
    """Number of the layer, None where none was found."""
    low: int | None
    """Lower end of the 95% interval of the layer, None where it is not known."""
    high: int | None
    """Upper end of the 95% interval of the layer, None where it is open or not known."""
    depth: float | None
    """The layer divided by the model's number of layers."""
    note: str
    """Why there is no layer or no interval, or what else is to be known; may be empty."""


@dataclass(frozen=True)
class JumpFinding(LayerFinding):
    """The change point of a curve; `layer` is the first one after the step."""

    size: float | None
    """Mean after the step less the mean before it; below 0 the curve falls."""
    p: float | None
    """Probability of a step as large where all layers are equally good."""


@dataclass(frozen=True)
class PeakFinding(LayerFinding):
    """The layer of the highest mean; its interval spans the tied layers."""

    tied: tuple[int, ...]
    """Layers that may be the best one: a set that holds it with 95% confidence."""


@dataclass(frozen=True)
class ExitFinding(LayerFinding):
    """The layer from which half of the items have their last answer."""

    quartiles: tuple[int, int] | None
    """Layers at which a quarter and three quarters of the items have their last answer."""
    per_item: IntArray
    """(n_items,) the layer from which each item's choice equals the last one's."""
    saved: float | None
    """Mean share of the model's layers that come after an item's layer."""


@dataclass(frozen=True)
class Stability:
    """How much the choices change from layer to layer."""

    stable: float | None
    """Share of pairs of adjacent scored layers at which the choice stays; None below two layers."""
    low: float | None
    """Lower end of its 95% interval."""
    high: float | None
    """Upper end of its 95% interval."""
    agreement: FloatArray
    """(n_layers,) share of items whose choice is that of the last layer."""
    note: str
    """Why there is no value or no interval; may be empty."""


def n_clusters(clusters: IntArray) -> int:
    """Give the number of different clusters in (n_items,)."""
    ordered = np.sort(clusters)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + bool(ordered.size)


def too_few(clusters: IntArray, n_scored: int, layers_needed: int) -> str:
    """Say what there is too little of, "" where there is enough for a test."""
    found = n_clusters(clusters)
    if found < FEWEST:
        return f"too few: {found} independent items or clusters, {FEWEST} are needed"
    if n_scored < layers_needed:
        return f"too few: {n_scored} scored layers, {layers_needed} are needed"
    return ""


def critical(clusters: IntArray, level: float) -> float:
    """Quantile of Student's t with as many degrees of freedom as clusters allow."""
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import, not needed by --help

    return float(stdtrit(max(n_clusters(clusters) - 1, 1), level))


def standard_errors(means: FloatArray, clusters: IntArray) -> FloatArray:
    """Standard errors of k means from their bootstrap (n_resamples, k): (k,).

    A bootstrap of G clusters is too narrow by a factor of (G - 1) / G in the variance.
    """
    found = n_clusters(clusters)
    return np.asarray(means.std(axis=0) * np.sqrt(found / max(found - 1, 1)), np.float64)


def paired_errors(means: FloatArray, clusters: IntArray) -> FloatArray:
    """Standard errors of the differences between k means from their bootstrap: (k, k)."""
    found = n_clusters(clusters)
    covariance = np.atleast_2d(np.cov(means, rowvar=False, ddof=0)) * found / max(found - 1, 1)
    own = np.diag(covariance)
    return np.asarray(np.sqrt(np.maximum(own[:, None] + own - 2 * covariance, 0)), np.float64)


def relative(layer: int | None, n_layers: int) -> float | None:
    """Give a layer's depth in a model of `n_layers` layers."""
    return None if layer is None else layer / n_layers


def from_here_on(holds: BoolArray) -> IntArray:
    """First column from which all are true, of each row of (n, k): (n,); k where none is."""
    fails = ~holds[:, ::-1]
    k = holds.shape[1]
    return np.asarray(np.where(fails.any(axis=1), k - fails.argmax(axis=1), 0), np.int64)


def layer_interval(columns: IntArray, layers: Sequence[int]) -> tuple[int | None, int | None]:
    """Turn columns found in resamples (n_resamples,) into the 95% interval of the layer.

    A column of `len(layers)` says that a resample has none; it counts as later than all layers,
    so an end of the interval is None where that many resamples have none.
    """
    tail = (1 - LEVEL) / 2
    ends = np.quantile(columns, [tail, 1 - tail], method="inverted_cdf").astype(int).tolist()
    low, high = (layers[end] if end < len(layers) else None for end in ends)
    return low, high
