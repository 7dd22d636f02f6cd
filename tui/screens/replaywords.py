"""A frame of a replay as a figure, and in words: how sure its findings are, and whether they last.

This module knows frames and shapes. It does not know widgets, nor how a frame is computed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rich.text import Text

from llprobe.analysis.best_layer import BestLayer
from llprobe.page.rows import between, ranges
from llprobe.plots.gather.wish import METRIC_NAMES
from llprobe.plots.shapes import Curves, CurvesPanel, Level, Line
from llprobe.report.replay import Frame, Replay

__all__ = ["figure_of", "holds", "words"]


def figure_of(name: str, replay: Replay, frame: Frame) -> Curves:
    """Draw a frame's curve with its interval, chance, and the best value of the end."""
    layers = np.asarray(replay.table.layers, np.float64)
    line = Line(name, layers, frame.mean, frame.low, frame.high)
    best = Level("end", float(replay.end.mean.max()))
    metric, n = METRIC_NAMES[replay.metric], replay.table.n_items
    title = f"{name}, the first {frame.n_items:,} of {n:,} items: {metric}"
    panel = CurvesPanel(title, (line,), (Level("chance", frame.chance), best))
    return Curves("", "", (), "layer", metric, (panel,))


def words(replay: Replay, frame: Frame) -> Iterator[Text]:
    """Say the best layer so far and how sure it is, whether it is the end's, and the onset."""
    yield _best(replay, frame)
    yield Text(holds(replay, frame))
    yield Text(_onset(replay, frame))


def _best(replay: Replay, frame: Frame) -> Text:
    best = frame.best
    tied = frame.peak.tied
    others = f"; it may be any of the layers {ranges(tied)}" if len(tied) > 1 else ""
    return Text.assemble(
        "Best so far: ", (f"layer {replay.table.layers[best.column]}", "bold"),
        f", {100 * best.observed:.1f}%{_again(best)}{others}",
    )  # fmt: skip


def _again(best: BestLayer) -> str:
    """Say what is to be expected of other items, and how sure that is."""
    if best.held_out is None:
        return ""
    wide = ""
    if best.low is not None and best.high is not None:
        wide = f", {100 * (best.high - best.low):.1f} points wide"
    return f"; of other items {100 * best.held_out:.1f}%{between(best.low, best.high)}{wide}"


def holds(replay: Replay, frame: Frame) -> str:
    """Say whether the best layer is already that of the end, and for how long it has been."""
    last, end = replay.end.peak.layer, replay.end
    if frame.n_items == end.n_items:
        led = "since the first item" if replay.leads_from == 1 else f"since item {_lead(replay)}"
        return f"All items are in: layer {last} has led {led}"
    if frame.n_items >= replay.leads_from:
        return f"✓ the end's best layer, {last}, leads and keeps the lead from here on"
    if frame.peak.layer == last:
        return f"~ the end's best layer, {last}, leads, but will lose the lead for a while"
    if last in frame.peak.tied:
        return f"~ at the end layer {last} is best: it is among those that may be the best"
    return f"✗ at the end layer {last} is best: it is not among those that may be the best"


def _lead(replay: Replay) -> str:
    return f"{replay.leads_from:,} of {replay.table.n_items:,}"


def _onset(replay: Replay, frame: Frame) -> str:
    end = replay.end.onset.layer
    later = "no onset at the end" if end is None else f"at the end from layer {end} on"
    if frame.n_items == replay.table.n_items:
        later = ""
    now = frame.onset.layer
    said = (
        f"No onset so far: {frame.onset.note}" if now is None
        else f"Above its baseline from layer {now} on"
    )  # fmt: skip
    return f"{said}; {later}" if later else said
