"""What a figure shows, independent of any drawing library: frozen records of numbers and names.

Every figure has a title, a note that says what its numbers are (metric, lens, items), and remarks
that a reader must see. Values are in [0, 1] unless a field says otherwise; NaN stands for what was
not scored. This module knows neither where numbers come from nor how they are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = [
    "MEASURED",
    "Curves",
    "CurvesPanel",
    "Figure",
    "Heat",
    "HeatPanel",
    "ItemMap",
    "ItemPanel",
    "Level",
    "Line",
    "Matrix",
    "Point",
    "Polygon",
    "Radar",
    "RadarPanel",
    "Scale",
    "ScalePanel",
    "Trajectories",
    "TrajectoriesPanel",
    "Trajectory",
]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """What all figures have."""

    title: str
    note: str
    """What the numbers are: metric, model, lens, number of items, what bands mean."""
    remarks: tuple[str, ...]
    """What must be said beside the numbers, a sentence each."""


@dataclass(frozen=True)
class Line:
    """One line over layers, perhaps with a band."""

    name: str
    x: FloatArray
    """Layers (1..n) or relative depths (0..1), (n,), ascending."""
    y: FloatArray
    """Values, (n,)."""
    low: FloatArray | None = None
    """Lower end of the band, (n,)."""
    high: FloatArray | None = None
    """Upper end of the band, (n,)."""
    published: bool = False
    """Whether the values are those of a published table."""


@dataclass(frozen=True)
class Level:
    """A baseline that does not depend on the layer."""

    name: str
    y: float


@dataclass(frozen=True)
class CurvesPanel:
    """Lines that share their axes, with their baselines."""

    title: str
    lines: tuple[Line, ...]
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Curves(Figure):
    """Lines over layers or relative depth; a panel per task."""

    x_label: str
    y_label: str
    panels: tuple[CurvesPanel, ...]
    percent: bool = True
    """Whether the values are shares, to be shown in percent."""


@dataclass(frozen=True)
class HeatPanel:
    """Values of rows by layer."""

    title: str
    rows: tuple[str, ...]
    """Names, (n_rows,)."""
    columns: tuple[int, ...]
    """Layers, (n_columns,)."""
    values: FloatArray
    """(n_rows, n_columns)."""


@dataclass(frozen=True)
class Heat(Figure):
    """Heat maps that share one scale of colours."""

    x_label: str
    value_label: str
    panels: tuple[HeatPanel, ...]


@dataclass(frozen=True)
class Polygon:
    """One value for every axis of a radar."""

    name: str
    values: FloatArray
    """(n_axes,)."""


@dataclass(frozen=True)
class RadarPanel:
    """Polygons over the same axes."""

    title: str
    axes: tuple[str, ...]
    """Names, (n_axes,); at least three."""
    polygons: tuple[Polygon, ...]
    chance: FloatArray | None
    """What guessing gets on every axis, (n_axes,), NaN where it is not known."""


@dataclass(frozen=True)
class Radar(Figure):
    """Values over operations or tasks, a polygon per model or layer."""

    value_label: str
    panels: tuple[RadarPanel, ...]


@dataclass(frozen=True)
class Point:
    """A model's value, with its interval."""

    name: str
    """What stands beside the point."""
    x: float
    """Parameters, or bits per weight."""
    y: float
    low: float
    """NaN where there is no interval."""
    high: float
    """NaN where there is no interval."""


MEASURED: Final = "measured"
"""The name of a series that needs none, because it is alone."""


@dataclass(frozen=True)
class ScalePanel:
    """One task: points of each series, ascending in x."""

    title: str
    series: tuple[tuple[str, tuple[Point, ...]], ...]
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Scale(Figure):
    """Values against the models' size or their bits per weight."""

    x_label: str
    y_label: str
    panels: tuple[ScalePanel, ...]
    logarithmic: bool
    """Whether x is shown on a logarithmic scale."""


@dataclass(frozen=True)
class Matrix(Figure):
    """A value for every pair of layers of one or two models."""

    y_label: str
    x_label: str
    y_layers: tuple[int, ...]
    x_layers: tuple[int, ...]
    values: FloatArray
    """(n_y, n_x)."""
    value_label: str


@dataclass(frozen=True)
class ItemPanel:
    """Which items are right at which layer."""

    title: str
    ids: tuple[str, ...]
    """(n_items,), in the order in which they are drawn, the first on top."""
    layers: tuple[int, ...]
    values: FloatArray
    """(n_items, n_layers): 1 right, 0 wrong, shares between for metrics that have them."""


@dataclass(frozen=True)
class ItemMap(Figure):
    """Items x layers, sorted so that what is known early stands on top."""

    value_label: str
    panels: tuple[ItemPanel, ...]


@dataclass(frozen=True)
class Trajectory:
    """The probability of one option over layers."""

    text: str
    true: bool
    best: bool
    """Whether it is the option that counts as the answer."""
    y: FloatArray
    """Probability among the item's options, (n_layers,)."""


@dataclass(frozen=True)
class TrajectoriesPanel:
    """One model's options of the item."""

    title: str
    layers: tuple[int, ...]
    options: tuple[Trajectory, ...]


@dataclass(frozen=True)
class Trajectories(Figure):
    """The options of one item over layers; all panels have the same options."""

    question: str
    """The end of the prompt."""
    panels: tuple[TrajectoriesPanel, ...]
    guess: float
    """1 / number of options."""
