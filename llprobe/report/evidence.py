"""All that is known of one cell's curve: means with intervals, baselines, tests, findings.

This module knows which analyses belong to a curve. It does not know how they are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis import measures
from llprobe.analysis.baselines import baselines, better_baseline, length_bias
from llprobe.analysis.best_layer import BestLayer, best_layer
from llprobe.analysis.calibration import brier, calibration
from llprobe.analysis.depth import LayerFinding, Stability, layer_findings, stability
from llprobe.analysis.intervals import mean_evidence
from llprobe.analysis.options import OptionTable
from llprobe.analysis.significance import above_baseline, holm
from llprobe.errors import UsageError
from llprobe.report.spans import spans
from llprobe.report.tables import repeated_questions
from llprobe.store import CellRecord

__all__ = ["CurveEvidence", "Sureness", "curve_evidence", "mean_interval", "sureness"]

FloatArray = npt.NDArray[np.float64]

_FEW: Final = 10
"""Fewer items or clusters than this make every interval doubtful."""


@dataclass(frozen=True, eq=False)
class CurveEvidence:
    """A metric of a cell by layer, with what carries it; arrays are (n_layers,) of scored layers.

    Means, intervals and baselines are in [0, 1], intervals at 95%.
    """

    layers: tuple[int, ...]
    """Numbers of the layers that were scored."""
    depth: int
    """Number of the model's layers."""
    metric: str
    """Name of the metric."""
    n_items: int
    """Number of items."""
    n_clusters: int
    """Number of clusters; `n_items` where items are independent."""
    mean: FloatArray
    """Mean of the metric."""
    low: FloatArray
    """Lower ends of its intervals by cluster (`analysis.intervals`); NaN below five clusters."""
    high: FloatArray
    """Upper ends of them."""
    chance: FloatArray
    """What guessing gets."""
    shortest: FloatArray | None
    """What choosing the shortest option gets; None for mc2 and mc3."""
    prior: FloatArray | None
    """What the options get without their question; None where that is not known."""
    baseline: FloatArray
    """The highest of the baselines."""
    baseline_names: tuple[str, ...]
    """Which one that is: chance, shortest, prior."""
    p_above: FloatArray
    """P that the mean is not above the baseline, one-sided, each layer by itself."""
    p_adjusted: FloatArray
    """The same, adjusted over the layers by Holm's method."""
    margin: FloatArray
    """Mean log-prob of the best true option less that of the best false one, in nats."""
    entropy: FloatArray
    """Mean entropy of the options' distribution, in nats."""
    kl: FloatArray
    """Mean divergence of that distribution from the last layer's, in nats."""
    best: BestLayer
    """The layer of the highest mean, and what it would score on other items."""
    findings: tuple[LayerFinding, ...]
    """Onset, jump, peak, saturation, early exit."""
    stability: Stability
    """How often the choice stays from layer to layer."""
    remarks: tuple[str, ...]
    """What a reader must know beside the numbers, a sentence each."""


@dataclass(frozen=True, eq=False)
class Sureness:
    """What the options' probabilities are worth at every layer, (n_layers,) each."""

    rank: FloatArray
    """Mean rank of the designated best option among its item's, 1 is the highest."""
    brier: FloatArray
    """Mean Brier score of the options' probabilities, in [0, 2]; 0 is best."""
    calibration_error: FloatArray
    """How far the choices' probabilities lie from how often they are true, on average."""


def sureness(table: OptionTable) -> Sureness:
    """Compare probabilities with the truth; it takes as long as all of `curve_evidence`."""
    return Sureness(
        rank=_finite_mean(measures.rank(table)),
        brier=_finite_mean(brier(table)),
        calibration_error=calibration(table).error,
    )


def curve_evidence(
    cell: CellRecord, table: OptionTable, metric: str = "mc1", seed: int = 0
) -> CurveEvidence:
    """Analyse a cell's table of options, or a part of it.

    Choices, margins, entropy and divergence are those of summed log-probs, whatever the metric.
    Raises UsageError where nothing is scored, UnknownName for an unknown metric.
    """
    if not table.n_items:
        raise UsageError(f"nothing is scored of {cell.task} yet: run it first")
    values, clusters = measures.metric(table, metric), table.clusters
    better, choices = better_baseline(table, metric), measures.choice(table)
    depth = int(cell.model_info["n_layers"])
    known = mean_evidence(values, clusters)
    p = above_baseline(values, better.values, clusters, seed)
    return CurveEvidence(
        layers=table.layers,
        depth=depth,
        metric=metric,
        n_items=table.n_items,
        n_clusters=table.n_clusters,
        baseline=better.mean,
        baseline_names=better.names,
        p_above=p,
        p_adjusted=holm(p),
        margin=_finite_mean(measures.margin(table)),
        entropy=_finite_mean(measures.entropy(table)),
        kl=_finite_mean(measures.divergence(table)),
        best=best_layer(values, clusters, seed),
        findings=layer_findings(
            values, better.values, choices, table.layers, depth, clusters, seed
        ),
        stability=stability(choices, table.layers, clusters),
        remarks=tuple(_remarks(table, values, metric, seed)),
        mean=known.mean,
        low=known.low,
        high=known.high,
        **_baselines(table, metric),
    )


def mean_interval(
    values: FloatArray, clusters: npt.NDArray[np.int64]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return means of shares (n_items, k) with the ends of their 95% intervals, (k,) each.

    `clusters` (n_items,). Below five of them the ends are NaN.
    """
    known = mean_evidence(values, clusters)
    return known.mean, known.low, known.high


def _baselines(table: OptionTable, metric: str) -> dict[str, Any]:
    """Means of the baselines, as fields of the evidence."""
    n_layers = len(table.layers)
    known = {each.name: np.broadcast_to(each.mean, n_layers) for each in baselines(table, metric)}
    return {name: known.get(name) for name in ("chance", "shortest", "prior")}


def _finite_mean(values: FloatArray) -> FloatArray:
    """Means over the items that have a finite value, NaN where none has."""
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    total = np.where(finite, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


# --- remarks ----------------------------------------------------------------------------------


def _remarks(table: OptionTable, values: FloatArray, metric: str, seed: int) -> Iterator[str]:
    missing = int(np.isnan(table.logprob).sum())
    if missing:
        yield f"{missing} of {table.logprob.size} log-probs are not numbers: they count as wrong."
    if again := repeated_questions(table):
        yield f"{again}."
    if table.n_clusters < _FEW:
        what = "items" if table.n_clusters == table.n_items else "clusters of alike items"
        yield f"There are only {table.n_clusters} {what}: no interval can be relied on."
    if metric == "mc1":
        yield from _length_remarks(table, values, seed)


def _length_remarks(table: OptionTable, values: FloatArray, seed: int) -> Iterator[str]:
    found = length_bias(table, values, seed=seed)
    guess, short = measures.chance(table).mean(), measures.shortest(table).mean()
    if found.below.any():
        why = (
            "summed log-probs favour short options, and these are seldom true"
            if short < guess
            else "the options' length or frequency decides, not the question"
        )
        at = _layers(table.layers, found.below)
        yield f"Length bias: below chance ({guess:.1%}) at {at}; {why}."
    if found.explained.any():
        at = _layers(table.layers, found.explained)
        yield (
            f"Length bias: above chance at {at}, but not shown to be above choosing the shortest "
            f"option ({short:.1%})."
        )


def _layers(layers: Sequence[int], chosen: npt.NDArray[np.bool_]) -> str:
    """Name layers, those that follow each other as a range: `layers 1-4, 7`."""
    marked = [layer for layer, own in zip(layers, chosen.tolist(), strict=True) if own]
    return f"layer{'s' * (len(marked) > 1)} {spans(marked)}"
