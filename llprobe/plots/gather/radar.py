"""Runs -> radars: tasks over models, or operations at chosen layers.

This module knows which values make a polygon. The numbers are `report`'s and `published`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llprobe.analysis.measures import chance, metric
from llprobe.errors import UsageError
from llprobe.plots.gather.names import by_panel, counted, heading, names, shared, unique
from llprobe.plots.gather.numbers import at_layers, chosen_layers, means, parts, table_of
from llprobe.plots.gather.remarks import grouped, only_printable, remarks
from llprobe.plots.gather.sources import Printed, Track, scored, tracks
from llprobe.plots.gather.wish import Wish
from llprobe.plots.shapes import Polygon, Radar, RadarPanel
from llprobe.store import Store

__all__ = ["TASK", "radar"]

TASK = "task"
"""What `--by` says for axes that are tasks."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Corners:
    """The values of one track, or of one group of its items, at the chosen layers."""

    axis: str
    name: str
    """Of the model."""
    layers: tuple[int, ...]
    values: FloatArray
    """(n_layers,)."""
    chance: float


def radar(store: Store | None, runs: Sequence[str], wish: Wish) -> Radar:
    """Return radars: a panel per model, or per task where axes are groups of items.

    Where one layer is shown, models share a panel. Raises UsageError for fewer than three axes.
    """
    found = only_printable(
        tracks(store, runs, task=wish.task, lens=wish.lens, model=wish.model), wish
    )
    by = wish.by or TASK
    if by == TASK:
        panels = _panels("", _by_task(store, found, wish))
    else:
        found = list(grouped(found, by))
        panels = [panel for one in _by_group(store, found, by, wish) for panel in one]
    at = f"layer {wish.layers}" if wish.layers else "last layer"
    return Radar(
        title=wish.titled(heading(f"{wish.value} by {by}", found, "" if wish.layers else at)),
        note=shared(found, counted(found)),
        remarks=remarks(found),
        value_label=f"{wish.value}, %",
        panels=tuple(panels),
    )


def _by_task(store: Store | None, found: Sequence[Track], wish: Wish) -> list[_Corners]:
    return [
        _corners(store, track, name, wish) for track, name in zip(found, names(found), strict=True)
    ]


def _corners(store: Store | None, track: Track, name: str, wish: Wish) -> _Corners:
    layers = chosen_layers(track, wish.layers)
    values = at_layers(track, layers, means(store, track, wish))
    if isinstance(track, Printed):
        guess = track.run.chance.get(track.task, np.nan)
    else:
        guess = float(chance(table_of(store, track), wish.metric).mean())
    return _Corners(track.panel, name, layers, values, guess)


def _by_group(
    store: Store | None, found: Sequence[Track], by: str, wish: Wish
) -> Iterator[list[RadarPanel]]:
    """Yield the panels of every task that has groups of this kind."""
    said, own = names(found), scored(found)
    for panel, of in by_panel(found).items():
        corners = [
            _Corners(
                label, said[n], layers := chosen_layers(own[n], wish.layers),
                metric(table.at(layers), wish.metric).mean(axis=0),
                float(chance(table, wish.metric).mean()),
            )
            for n in of
            for label, table in parts(store, own, own[n], by)
        ]  # fmt: skip
        if corners:
            yield _panels(panel, corners)


def _panels(title: str, corners: Sequence[_Corners]) -> list[RadarPanel]:
    """Return one panel where one layer is shown, else one for every model."""
    models = unique(corner.name for corner in corners)
    if all(len(corner.layers) == 1 for corner in corners):
        return [_panel(title, corners, {name: name for name in models}, corners)]
    return [
        _panel(", ".join(filter(None, [title, name])), corners, {}, of)
        for name in models
        if (of := [corner for corner in corners if corner.name == name])
    ]


def _panel(
    title: str, every: Sequence[_Corners], models: Mapping[str, str], corners: Sequence[_Corners]
) -> RadarPanel:
    """Return a panel of polygons by model, or by layer where `models` is empty."""
    axes = unique(corner.axis for corner in every)
    if len(axes) < 3:
        raise UsageError(
            f"a radar needs three axes, here is {' and '.join(axes)}: name more tasks, "
            "or --by operation, relation or another facet"
        )
    guesses = {corner.axis: corner.chance for corner in corners}
    chances = np.array([guesses.get(axis, np.nan) for axis in axes])
    return RadarPanel(
        title,
        tuple(axes),
        tuple(_polygons(axes, models, corners)),
        None if np.isnan(chances).all() else chances,
    )


def _polygons(
    axes: Sequence[str], models: Mapping[str, str], corners: Sequence[_Corners]
) -> Iterator[Polygon]:
    for name in models:
        at = {corner.axis: corner.values[0] for corner in corners if corner.name == name}
        yield Polygon(name, np.array([at.get(axis, np.nan) for axis in axes]))
    if not models:
        for layer in sorted({layer for corner in corners for layer in corner.layers}):
            at = {c.axis: c.values[c.layers.index(layer)] for c in corners if layer in c.layers}
            yield Polygon(f"layer {layer}", np.array([at.get(axis, np.nan) for axis in axes]))
