"""Runs -> points over parameters or bits per weight, with intervals: a panel per task.

This module knows which points belong to one series. The numbers are `report`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from llprobe.analysis.measures import chance
from llprobe.errors import UsageError
from llprobe.plots.gather.curves import levels
from llprobe.plots.gather.names import by_panel, counted, heading, shared
from llprobe.plots.gather.numbers import at_layers, banded, chosen_layers, table_of
from llprobe.plots.gather.remarks import only_own, only_printable, remarks
from llprobe.plots.gather.sources import Printed, Scored, Track, tracks
from llprobe.plots.gather.wish import Wish
from llprobe.plots.shapes import MEASURED, Level, Point, Scale, ScalePanel
from llprobe.report.quants import above_source
from llprobe.store import Store

__all__ = ["quants", "scale"]

_BARS = "bars: 95% intervals"


def scale(store: Store | None, runs: Sequence[str], wish: Wish) -> Scale:
    """Return values against the number of parameters, at the last layer or the one of `wish`."""
    found = only_printable(
        tracks(store, runs, task=wish.task, lens=wish.lens, model=wish.model), wish
    )
    return _scale(store, found, wish, quant=False)


def quants(store: Store | None, runs: Sequence[str], wish: Wish) -> Scale:
    """Return values against measured bits per weight, a series per model."""
    found = list(
        only_own(tracks(store, runs, task=wish.task, lens=wish.lens, model=wish.model), "quants")
    )
    above = above_source([track.cell for track in found])
    shown = [track for track in found if track.cell.model not in above]
    left_out = tuple(
        f"{model} is left out: it was made from {source}, which has fewer bits per weight, and "
        "restores nothing."
        for model, source in above.items()
    )
    drawn = _scale(store, shown, wish, quant=True)
    return replace(drawn, remarks=(*drawn.remarks, *left_out))


def _scale(store: Store | None, found: Sequence[Track], wish: Wish, *, quant: bool) -> Scale:
    what = "bits per weight" if quant else "parameters"
    own = any(isinstance(track, Scored) for track in found)
    at = f"layer {wish.layers}" if wish.layers else "last layer"
    return Scale(
        title=wish.titled(heading(f"{wish.value} by {what}", found)),
        note=shared(found, at, _BARS if own else ""),
        remarks=remarks(found),
        x_label="bits per weight (measured)" if quant else "parameters",
        y_label=f"{wish.value}, %",
        panels=tuple(
            _panel(store, panel, [found[n] for n in of], wish, quant=quant)
            for panel, of in by_panel(found).items()
        ),
        logarithmic=not quant,
    )


def _panel(
    store: Store | None, name: str, found: Sequence[Track], wish: Wish, *, quant: bool
) -> ScalePanel:
    series: dict[str, list[Point]] = {}
    guesses: list[Level] = []
    for track in found:
        point, guess = _point(store, track, wish, quant=quant)
        series.setdefault(_series(track, found, quant=quant), []).append(point)
        guesses += [] if guess is None else [Level("chance", guess)]
    size = counted(found)
    ordered = ((key, tuple(sorted(of, key=lambda p: p.x))) for key, of in series.items())
    return ScalePanel(f"{name} ({size})" if size else name, tuple(ordered), levels(guesses))


def _series(track: Track, found: Sequence[Track], *, quant: bool) -> str:
    """Name the series of a track: by its model's base for quants, and by what else differs."""
    if isinstance(track, Printed):
        return "published"
    cells = [t.cell for t in found if isinstance(t, Scored)]
    cell = track.cell
    told = {
        "lens": f"lens {cell.lens}", "answer": cell.answer, "ablation": f"without {cell.ablation}",
        "shots": f"{cell.shots} shots", "seed": f"seed {cell.seed}",
    }  # fmt: skip
    parts = [said for key, said in told.items() if len({getattr(c, key) for c in cells}) > 1]
    if quant:
        return " ".join([cell.model.partition(":")[0], *parts])
    quants_ = {str(c.model_info["quant"]) for c in cells}
    return (
        " ".join([str(cell.model_info["quant"]), *parts])
        if len(quants_) > 1
        else (" ".join(parts) or MEASURED)
    )


def _point(
    store: Store | None, track: Track, wish: Wish, *, quant: bool
) -> tuple[Point, float | None]:
    layers = chosen_layers(track, wish.layers)
    if len(layers) != 1:
        raise UsageError(f"--layers {wish.layers}: this figure shows one layer, e.g. --layers -1")
    if isinstance(track, Printed):
        y = float(at_layers(track, layers, track.run.curves[track.task])[0])
        point = Point(track.run.model, track.run.n_params, y, np.nan, np.nan)
        return point, track.run.chance.get(track.task)
    table = table_of(store, track).at(layers)
    found = banded(table, wish.metric)
    point = Point(
        _label(track.cell.model_info, track.model, quant=quant),
        float(track.cell.model_info["bits_per_weight" if quant else "n_params"]),
        float(found.mean[0]), float(found.low[0]), float(found.high[0]),
    )  # fmt: skip
    return point, float(chance(table, wish.metric).mean())


def _label(info: dict[str, Any], model: str, *, quant: bool) -> str:
    return str(info["quant"]) if quant else model.partition(":")[0]
