"""Curves of a run's cells as a figure, and what they say at one layer as lines of text.

This module knows evidence and shapes. It does not know widgets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from string import ascii_letters

import numpy as np
from rich.text import Text

from llprobe.page.rows import between
from llprobe.plots.gather.curves import levels
from llprobe.plots.gather.wish import METRIC_NAMES
from llprobe.plots.shapes import Curves, CurvesPanel, Level, Line
from llprobe.report import CurveEvidence

__all__ = ["View", "figure_of", "layers_of", "readout"]

Named = tuple[str, CurveEvidence]
"""A curve and its name."""


@dataclass(frozen=True)
class View:
    """How curves are looked at."""

    metric: str = "mc1"
    depth: bool = False
    """Whether the axis is the share of the model's layers."""
    at: int = 0
    """The layer that is marked; 0 for the last."""
    zoomed: bool = False
    """Whether only the layers around it are shown."""


def layers_of(found: Sequence[Named]) -> list[int]:
    """Return the layers that any of the curves has, ascending."""
    return sorted({layer for _, evidence in found for layer in evidence.layers})


def figure_of(found: Sequence[Named], view: View) -> Curves:
    """Draw curves over each other, with the baselines that they have."""
    within = _within(layers_of(found), view)
    lines = tuple(_line(name, evidence, view, within) for name, evidence in found)
    metric = METRIC_NAMES[view.metric]
    one = f"{found[0][0]}, n = {found[0][1].n_items}: " if len(found) == 1 else ""
    return Curves(
        title="",
        note="",
        remarks=(),
        x_label="depth" if view.depth else "layer",
        y_label=metric,
        panels=(CurvesPanel(f"{one}{metric}", lines, levels(list(_levels(found)))),),
    )


def _within(layers: Sequence[int], view: View) -> frozenset[int]:
    """Return the layers that are shown: a quarter of them on either side of the marked one."""
    if not view.zoomed or len(layers) < 8:
        return frozenset(layers)
    middle = layers.index(view.at) if view.at in layers else len(layers) - 1
    reach = max(len(layers) // 4, 2)
    begin = min(max(middle - reach, 0), len(layers) - 2 * reach)
    return frozenset(layers[begin : begin + 2 * reach])


def _line(name: str, evidence: CurveEvidence, view: View, within: frozenset[int]) -> Line:
    shown = np.array([layer in within for layer in evidence.layers])
    shown = shown if shown.any() else ~shown
    x = np.asarray(evidence.layers, np.float64) / (evidence.depth if view.depth else 1)
    return Line(name, x[shown], evidence.mean[shown], evidence.low[shown], evidence.high[shown])


def _levels(found: Sequence[Named]) -> Iterator[Level]:
    for _, evidence in found:
        yield Level("chance", float(evidence.chance.mean()))
        if len(found) == 1 and evidence.shortest is not None:
            yield Level("shortest", float(evidence.shortest.mean()))


def readout(found: Sequence[Named], at: int) -> Iterator[Text]:
    """Say what each curve is at a layer: mean, interval, baseline, p that it is not above it."""
    for letter, (name, evidence) in zip(cycle(ascii_letters), found, strict=False):
        if at not in evidence.layers:
            yield Text(f"{name}: layer {at} was not scored", "dim")
            continue
        n = evidence.layers.index(at)
        ends = between(evidence.low[n], evidence.high[n])
        yield Text.assemble(
            f"{letter} " if len(found) > 1 else "",
            (f"{100 * float(evidence.mean[n]):5.1f}%", "bold"),
            f"{ends}, {evidence.baseline_names[n]} "
            f"{100 * float(evidence.baseline[n]):.1f}%, {_p(float(evidence.p_adjusted[n]))}",
            (f"  {name}" if len(found) > 1 else "", "dim"),
        )


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
