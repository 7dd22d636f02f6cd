"""Radars as matplotlib figures. This module knows polygons and angles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.projections.polar import PolarAxes

from llprobe.plots.draw import Size
from llprobe.plots.draw.curves import top_of
from llprobe.plots.draw.sheet import Grid, Legend, grid_of, open_sheet
from llprobe.plots.draw.style import ANNOTATION, GREY, NOTE, Stroke, ems, shortened, stroke
from llprobe.plots.shapes import Radar, RadarPanel

__all__ = ["draw_radar"]

FloatArray = npt.NDArray[np.float64]

_CHANCE: Final[dict[str, Any]] = {
    "color": GREY, "linestyle": (0, (2, 2)), "linewidth": 1.0, "marker": "x", "markersize": 4,
}  # fmt: skip

_UPRIGHT = 14
"""Most axes whose names are written upright; more are turned outwards, so as not to touch."""


def draw_radar(shown: Radar, size: Size) -> Canvas:
    """Draw panels of polygons; one name looks the same in all of them. Axes begin at 0."""
    panels = shown.panels
    names = list(dict.fromkeys(p.name for panel in panels for p in panel.polygons))
    strokes = {name: stroke(n) for n, name in enumerate(names)}
    grid = grid_of(len(panels), size, panel=(4.2, 3.6), one=6.6)
    grid = grid if len(panels) > 1 else Grid(1, 1, 4.6, grid.width)
    handles = {name: Line2D([], [], **vars_of(how)) for name, how in strokes.items()}
    if any(panel.chance is not None for panel in panels):
        handles["chance"] = Line2D([], [], **_CHANCE)
    sheet = open_sheet(
        shown,
        grid,
        size,
        len(panels),
        Legend(handles),
        more=(f"Rings: {shown.value_label}",),
        subplot_kw={"projection": "polar"},
    )
    values = [p.values for panel in panels for p in panel.polygons]
    values += [panel.chance for panel in panels if panel.chance is not None]
    top = top_of([float(np.nanmax(v)) for v in values if np.isfinite(v).any()]) / 1.02
    for axes, panel in zip(sheet.axes, panels, strict=True):
        assert isinstance(axes, PolarAxes)  # noqa: S101 - for the type checker; asked for above
        _panel(axes, panel, strokes, 100 * top)
        if panel.title and len(panels) > 1:
            title = shortened(panel.title, grid.title_room)
            axes.set_title(title, pad=_pad(panel.axes))
    return sheet.canvas


def vars_of(how: Stroke) -> dict[str, Any]:
    """Return a stroke as keyword arguments."""
    return {"color": how.color, "linestyle": how.linestyle, "marker": how.marker}


def _panel(axes: PolarAxes, panel: RadarPanel, strokes: dict[str, Stroke], top: float) -> None:
    angles = np.linspace(0, 2 * np.pi, len(panel.axes), endpoint=False)
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    axes.set_ylim(0, top)
    step = 20 if top > 50 else 10
    axes.set_yticks(np.arange(step, top, step), [f"{y:g}" for y in np.arange(step, top, step)])
    # between two axes, where no line stands upright
    axes.set_rlabel_position(float(np.degrees(np.pi / len(panel.axes))))
    axes.tick_params(axis="y", labelsize=ANNOTATION, labelcolor=GREY)
    axes.grid(visible=True)
    axes.spines["polar"].set_color("#BBBBBB")
    if panel.chance is not None:
        _closed(axes, angles, panel.chance * 100, **_CHANCE)
    for polygon in panel.polygons:
        how = strokes[polygon.name]
        _closed(axes, angles, polygon.values * 100, **vars_of(how))
        if np.isfinite(polygon.values).all() and len(panel.polygons) <= 4:
            axes.fill(angles, polygon.values * 100, color=how.color, alpha=0.07, linewidth=0)
    _names(axes, angles, panel.axes, top)


def _closed(axes: PolarAxes, angles: FloatArray, values: FloatArray, **how: Any) -> None:
    """Draw a polygon; where a value is missing, it is open."""
    around = np.append(angles, angles[0]), np.append(values, values[0])
    axes.plot(*around, clip_on=False, **how)


def _names(axes: PolarAxes, angles: FloatArray, names: Sequence[str], top: float) -> None:
    """Write the axes' names around the circle, clear of it on their own side."""
    axes.set_xticks(angles, [""] * len(names))
    turned = len(names) > _UPRIGHT
    for angle, name in zip(angles, names, strict=True):
        side = np.sin(angle)
        where = "center" if abs(side) < 0.15 else "left" if side > 0 else "right"
        lift = np.cos(angle)
        turn: dict[str, Any] = (
            {"rotation": _turn(angle), "rotation_mode": "anchor"} if turned else {}
        )
        upright = "bottom" if lift > 0.85 else "top" if lift < -0.85 else "center"
        axes.text(
            angle, 1.07 * top, shortened(name, 13), fontsize=ANNOTATION if turned else NOTE,
            ha=("left" if side >= 0 else "right") if turned else where,
            va="center" if turned else upright, **turn,
        )  # fmt: skip


def _pad(names: Sequence[str]) -> float:
    """Points between the circle and a title: the name on top may be turned."""
    if len(names) <= _UPRIGHT:
        return 26.0
    return 20.0 + ANNOTATION * max(ems(shortened(name, 13)) for name in names)


def _turn(angle: float) -> float:
    """Degrees by which a name beside the circle is turned so that it points outwards."""
    degrees = 90 - float(np.degrees(angle))
    return degrees if np.sin(angle) >= 0 else degrees + 180
