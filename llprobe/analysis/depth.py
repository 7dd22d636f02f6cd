"""Findings over layers: where accuracy begins, jumps, is best, has come to its end.

Each finding carries an uncertainty from one bootstrap by cluster (`means`), which is drawn here
unless given. This module knows values of items by layer and a baseline. It does not know metrics,
models or how findings are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.changepoint import line_is_closer, p_of_step, step_column, step_size
from llprobe.analysis.exits import early_exit, stability
from llprobe.analysis.finding import (
    LEVEL,
    ExitFinding,
    JumpFinding,
    LayerFinding,
    PeakFinding,
    Stability,
    critical,
    from_here_on,
    layer_interval,
    n_clusters,
    paired_errors,
    relative,
    too_few,
)
from llprobe.analysis.onset import excess_over, onset
from llprobe.analysis.resample import bootstrap_means, expanded
from llprobe.analysis.rounding import above, argmax_first, at_least, differs

__all__ = [
    "RISE",
    "ExitFinding",
    "JumpFinding",
    "LayerFinding",
    "PeakFinding",
    "Stability",
    "early_exit",
    "jump",
    "layer_findings",
    "onset",
    "peak",
    "saturation",
    "stability",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

RISE: Final = 0.95
"""Share of the rise from baseline to peak at which a curve counts as saturated."""


def layer_findings(
    values: FloatArray,
    baseline: FloatArray,
    choices: IntArray,
    layers: Sequence[int],
    n_layers: int,
    clusters: IntArray,
    seed: int = 0,
) -> tuple[LayerFinding, ...]:
    """Make all findings with one bootstrap: onset, jump, peak, saturation, early exit.

    `values` and `choices` (n_items, k) at the k scored `layers` of a model of `n_layers`;
    `baseline` (n_items,) or (n_items, k); `clusters` (n_items,).
    """
    own, above = _drawn(values, excess_over(values, baseline), clusters, seed)
    return (
        onset(values, baseline, layers, n_layers, clusters, seed, above),
        jump(values, layers, n_layers, clusters, seed, own),
        peak(values, layers, n_layers, clusters, seed, own),
        saturation(values, baseline, layers, n_layers, clusters, seed, own),
        early_exit(choices, layers, n_layers, clusters),
    )


def _drawn(
    values: FloatArray, excess: FloatArray, clusters: IntArray, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Bootstrap means of both (n_items, k) in the same resamples, (n_resamples, k) each."""
    k = values.shape[1]
    if not len(values):
        return np.empty((0, k)), np.empty((0, k))
    means = bootstrap_means(np.hstack([values, excess]), clusters, seed=seed)
    return means[:, :k], means[:, k:]


# --- jump -------------------------------------------------------------------------------------


def jump(
    values: FloatArray,
    layers: Sequence[int],
    n_layers: int,
    clusters: IntArray,
    seed: int = 0,
    means: FloatArray | None = None,
) -> JumpFinding:
    """Find the change point of the mean curve: one step, by least squares over scored layers.

    `means` (n_resamples, k): bootstrap means of `values`. Without a step that is significant at
    5% there is no layer; `size` and `p` are given all the same.
    """
    short = too_few(clusters, len(layers), 3)
    if short:
        return JumpFinding("jump", None, None, None, None, short, None, None)
    drawn = bootstrap_means(values, clusters, seed=seed) if means is None else means
    curve = np.asarray(values.mean(axis=0), np.float64)
    column = int(step_column(curve[None])[0])
    spread = expanded(drawn, curve, n_clusters(clusters))
    size, p = step_size(curve, column), p_of_step(curve, spread)
    if p > 1 - LEVEL or not differs(size, 0):
        note = f"no step: one of {size:+.3f} has p = {p:.2g} where nothing changes"
        return JumpFinding("jump", None, None, None, None, note, size, p)
    low, high = layer_interval(step_column(drawn), layers)
    note = "a steady rise or fall fits better than one step" if line_is_closer(curve) else ""
    layer = layers[column]
    return JumpFinding("jump", layer, low, high, relative(layer, n_layers), note, size, p)


# --- peak -------------------------------------------------------------------------------------


def peak(
    values: FloatArray,
    layers: Sequence[int],
    n_layers: int,
    clusters: IntArray,
    seed: int = 0,
    means: FloatArray | None = None,
) -> PeakFinding:
    """Find the layer of the highest mean, the first of equals, and those that are tied with it.

    A layer is tied unless some layer is better than it by more than Student's t of their paired
    difference allows at 5%, corrected for the number of layers that could be (Bonferroni: it holds
    however layers are correlated, and for few items, where a bootstrap knows too few differences).
    `means` (n_resamples, k): bootstrap means of `values`.
    """
    short = too_few(clusters, len(layers), 1)
    if not values.size:
        return PeakFinding("peak", None, None, None, None, short, ())
    curve = np.asarray(values.mean(axis=0), np.float64)
    layer = layers[int(argmax_first(curve))]
    depth = relative(layer, n_layers)
    if short:
        return PeakFinding("peak", layer, None, None, depth, short, tuple(layers))
    drawn = bootstrap_means(values, clusters, seed=seed) if means is None else means
    held = np.flatnonzero(_tied(curve, drawn, clusters)).tolist()
    tied = tuple(layers[column] for column in held)
    return PeakFinding("peak", layer, tied[0], tied[-1], depth, "", tied)


def _tied(curve: FloatArray, drawn: FloatArray, clusters: IntArray) -> BoolArray:
    """Whether each layer may be the best one, (k,).

    One cluster more that differs is added to every pair: few that agree do not show how far others
    would lie apart.
    """
    errors = np.hypot(
        paired_errors(drawn, clusters), 1 / np.sqrt(len(clusters) * n_clusters(clusters))
    )
    quantile = critical(clusters, 1 - (1 - LEVEL) / max(len(curve) - 1, 1))
    leads = curve - curve[:, None]
    return np.asarray(~above(leads, quantile * errors).any(axis=1), np.bool_)


# --- saturation -------------------------------------------------------------------------------


def saturation(
    values: FloatArray,
    baseline: FloatArray,
    layers: Sequence[int],
    n_layers: int,
    clusters: IntArray,
    seed: int = 0,
    means: FloatArray | None = None,
) -> LayerFinding:
    """Find the first layer from which, up to the peak, 95% of the rise stays reached.

    The rise is from the baseline's mean to the peak. A fall after the peak is named in the note.
    `means` (n_resamples, k): bootstrap means of `values`, in which peak and layer are found anew.
    """
    short = too_few(clusters, len(layers), 2)
    if short:
        return LayerFinding("saturation", None, None, None, None, short)
    drawn = bootstrap_means(values, clusters, seed=seed) if means is None else means
    floor = float(baseline.mean())
    curve = np.asarray(values.mean(axis=0), np.float64)
    column = int(_saturated(curve[None], floor)[0])
    if column == len(layers):
        note = "no rise above the baseline's mean"
        return LayerFinding("saturation", None, None, None, None, note)
    low, high = layer_interval(_saturated(drawn, floor), layers)
    layer, note = layers[column], _fall(curve, floor, layers)
    return LayerFinding("saturation", layer, low, high, relative(layer, n_layers), note)


def _saturated(curves: FloatArray, floor: float) -> IntArray:
    """Column at which each of (n, k) comes to stay near its peak: (n,); k where none rises."""
    k, top = curves.shape[1], curves.max(axis=1, keepdims=True)
    reached = at_least(curves, floor + RISE * (top - floor))
    after_peak = np.arange(k) > argmax_first(curves)[:, None]
    return np.where(above(top[:, 0], floor), from_here_on(reached | after_peak), k)


def _fall(curve: FloatArray, floor: float, layers: Sequence[int]) -> str:
    reached = at_least(curve, floor + RISE * (curve.max() - floor))
    last = int(np.flatnonzero(reached)[-1])
    return "" if last == len(layers) - 1 else f"falls again after layer {layers[last]}"
