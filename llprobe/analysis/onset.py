"""The layer from which accuracy lies above a baseline, up to the last scored layer.

Three steps. Is there an onset: the last layer is above the baseline, tested one-sided at 5%, and
so are the layers before it until one fails; in this order nothing need be corrected for the number
of layers (Maurer, Hothorn & Lehmacher 1995). Where is it: the step from the baseline to the level
of those layers that is likeliest, each layer counting by how far it lies above a bar; the bar is
what is significant, or half the level where that is lower, so that a weak but lasting rise is not
dated late. What ends it: going back, a layer that is not above the bar and is significantly below
the level. This module knows values and a baseline, not what they measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.finding import (
    LEVEL,
    LayerFinding,
    critical,
    from_here_on,
    layer_interval,
    relative,
    standard_errors,
    too_few,
)
from llprobe.analysis.resample import bootstrap_means
from llprobe.analysis.rounding import above, argmax_first, at_least

__all__ = ["excess_over", "onset"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_EARLY: Final = 0.25
"""Share of the bar that counts for the lower end of the interval."""


@dataclass(frozen=True)
class _Bars:
    """How far above the baseline counts, (k,) each."""

    one: FloatArray
    """Significant at 5% for a layer by itself, one-sided."""
    all: FloatArray
    """Significant at 5% for all layers together (Bonferroni)."""


def onset(
    values: FloatArray,
    baseline: FloatArray,
    layers: Sequence[int],
    n_layers: int,
    clusters: IntArray,
    seed: int = 0,
    means: FloatArray | None = None,
) -> LayerFinding:
    """Find the first layer from which accuracy lies above the baseline up to the last layer.

    `values` (n_items, k) at the k scored `layers` of a model of `n_layers`; `baseline` (n_items,)
    or (n_items, k); `clusters` (n_items,). `means` (n_resamples, k): bootstrap means of `values`
    less `baseline`, in which the layer is found anew for its interval. A quarter of the bar counts
    for the lower end: a slow rise begins before it can be seen.
    """
    short = too_few(clusters, len(layers), 2)
    if short:
        return LayerFinding("onset", None, None, None, None, short)
    excess = excess_over(values, baseline)
    drawn = bootstrap_means(excess, clusters, seed=seed) if means is None else means
    mean = np.asarray(excess.mean(axis=0), np.float64)
    bars = _bars(_null_errors(values, baseline, drawn, clusters), clusters)
    above_from = int(from_here_on(above(mean, bars.one)[None])[0])
    if above_from == len(layers):
        note = _why_none(mean, bars, layers)
        return LayerFinding("onset", None, None, None, None, note)
    layer = layers[int(_begins(mean[None], above_from, bars)[0])]
    low, _ = layer_interval(_begins(drawn, above_from, bars, _EARLY), layers)
    _, high = layer_interval(_begins(drawn, above_from, bars), layers)
    note = "above the baseline from the first scored layer on" if layer == layers[0] else ""
    return LayerFinding("onset", layer, low, high, relative(layer, n_layers), note)


def excess_over(values: FloatArray, baseline: FloatArray) -> FloatArray:
    """Take a baseline (n_items,) or (n_items, k) from values (n_items, k)."""
    return np.asarray(values - (baseline[:, None] if baseline.ndim == 1 else baseline), np.float64)


def _null_errors(
    values: FloatArray, baseline: FloatArray, drawn: FloatArray, clusters: IntArray
) -> FloatArray:
    """Standard errors of the excess (k,), not below those of guessing at the baseline.

    Few items that are all right, or all but one, show no spread of their own. Only right or wrong
    (0 or 1) has a known spread: that of the baseline taken as a probability.
    """
    errors = standard_errors(drawn, clusters)
    if not ((values == 0) | (values == 1)).all():
        return errors
    spread = np.asarray((baseline * (1 - baseline)).mean(axis=0), np.float64)
    return np.asarray(np.maximum(errors, np.sqrt(spread / len(values))), np.float64)


def _bars(errors: FloatArray, clusters: IntArray) -> _Bars:
    together = critical(clusters, 1 - (1 - LEVEL) / len(errors))
    return _Bars(critical(clusters, LEVEL) * errors, together * errors)


def _begins(means: FloatArray, above_from: int, bars: _Bars, share: float = 1.0) -> IntArray:
    """Column at which the rise of each of (n, k) begins: (n,); k where it is not there.

    `above_from`: the first column of those whose mean is the level; `share`: of the bar.
    """
    k = means.shape[1]
    level = means[:, above_from:].mean(axis=1, keepdims=True)
    bar = share * np.minimum(bars.one, level / 2)
    ended = at_least(np.minimum(share * bars.one, level - bars.all), means) | ~above(level, 0)
    unbroken = ~np.logical_or.accumulate(ended[:, ::-1], axis=1)[:, ::-1]
    gain = np.cumsum((means - bar)[:, ::-1], axis=1)[:, ::-1]
    found = argmax_first(np.where(unbroken, gain, gain.min() - 1))
    return np.asarray(np.where(unbroken[:, -1], found, k), np.int64)


def _why_none(mean: FloatArray, bars: _Bars, layers: Sequence[int]) -> str:
    """Say why there is no onset."""
    passed = np.flatnonzero(above(mean, bars.all))
    if passed.size:
        return f"above the baseline up to layer {layers[int(passed[-1])]}, but not to the last one"
    n_below = int(above(-bars.all, mean).sum())
    if n_below:
        return (
            f"never above the baseline, and below it at {n_below} of {len(layers)} layers, "
            "as a length bias makes it"
        )
    return "not above the baseline at any layer"
