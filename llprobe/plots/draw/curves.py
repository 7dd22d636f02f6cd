"""Lines over layers with bands and baselines, as a matplotlib figure.

This module knows lines. It does not know what they were measured on.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from llprobe.plots.draw import Size
from llprobe.plots.draw.sheet import Grid, Legend, grid_of, open_sheet
from llprobe.plots.draw.style import ANNOTATION, GREY, Stroke, clean, shortened, stroke
from llprobe.plots.shapes import Curves, CurvesPanel, Level, Line, Trajectories, TrajectoriesPanel

__all__ = ["draw_curves", "draw_levels", "draw_trajectories", "limits", "top_of"]

_MARKS = 8
"""Markers on a line, about."""
_BANDS = 3
"""Most lines of a panel whose intervals are drawn as bands: more would hide each other."""


def draw_curves(shown: Curves, size: Size) -> Canvas:
    """Draw panels of curves; a line of one name looks the same in all of them."""
    panels = shown.panels
    names = list(dict.fromkeys(line.name for panel in panels for line in panel.lines))
    strokes = {name: stroke(n) for n, name in enumerate(names)}
    hollow = {line.name for panel in panels for line in panel.lines if line.published}
    handles = {n: _handle(each, hollow=n in hollow) for n, each in strokes.items()}
    grid = grid_of(len(panels), size, panel=(3.6, 2.5), one=7.5)
    grid = grid if len(panels) > 1 else Grid(1, 1, 3.9, grid.width)
    legend = Legend(handles if len(names) > 1 else {})
    sheet = open_sheet(shown, grid, size, len(panels), legend)
    top = top_of([panel_top(panel) for panel in panels]) if shown.percent else None
    for n, (axes, panel) in enumerate(zip(sheet.axes, panels, strict=True)):
        _panel(axes, panel, strokes, shown, (top, grid.height))
        _label_outer(axes, n, len(panels), grid, (shown.x_label, shown.y_label))
        axes.set_title(shortened(panel.title, grid.title_room), loc="left")
    return sheet.canvas


def _handle(each: Stroke, *, hollow: bool = False) -> Line2D:
    return Line2D(
        [], [], color=each.color, linestyle=each.linestyle, marker=each.marker,
        markerfacecolor="white" if hollow else each.color,
    )  # fmt: skip


def _label_outer(axes: Axes, n: int, count: int, grid: Grid, labels: tuple[str, str]) -> None:
    """Name an axis where nothing of its kind stands below or left of it."""
    if n + grid.columns >= count:
        axes.set_xlabel(labels[0] if grid.columns == 1 else labels[0].split(" (")[0])
    if n % grid.columns == 0:
        axes.set_ylabel(labels[1])


def panel_top(panel: CurvesPanel) -> float:
    """Return the highest value of a panel that must be seen."""
    values = [v for line in panel.lines for v in (line.y, line.high) if v is not None]
    highest = [float(np.nanmax(v)) for v in values if np.isfinite(v).any()]
    return max([*highest, *(level.y for level in panel.levels)], default=1.0)


def top_of(highest: Sequence[float]) -> float:
    """Return the end of an axis of shares from 0, in steps of a tenth, with room above."""
    return min(1.0, ceil(10 * max([*highest, 0.05]) + 0.3) / 10) * 1.02


def _panel(
    axes: Axes,
    panel: CurvesPanel,
    strokes: dict[str, Stroke],
    shown: Curves,
    ends: tuple[float | None, float],
) -> None:
    """Draw one panel; `ends` are the end of its axis, None for the data's own, and its inches."""
    top, tall = ends
    scale = 100 if shown.percent else 1
    draw_levels(axes, panel.levels, (top or 1.0) * scale, scale, tall)
    for n, line in enumerate(panel.lines):
        _line(axes, line, strokes[line.name], scale, n)
        _interval(axes, line, strokes[line.name], scale, n if len(panel.lines) > _BANDS else None)
    axes.set_xlim(*_span(panel))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=_span(panel)[1] > 1.5, steps=[1, 2, 5, 10]))
    axes.grid(visible=True, axis="y")
    if top is not None:
        axes.set_ylim(*limits(top * scale))


def _span(panel: CurvesPanel) -> tuple[float, float]:
    first = min(float(line.x.min()) for line in panel.lines)
    last = max(float(line.x.max()) for line in panel.lines)
    edge = max((last - first) * 0.02, 1e-3 if last <= 1 else 0.4)
    return first - edge, last + edge


def _line(axes: Axes, line: Line, how: Stroke, scale: float, n: int) -> None:
    first, every = _marked(line, n)
    axes.plot(
        line.x, line.y * scale, color=how.color, linestyle=how.linestyle, marker=how.marker,
        markevery=(first, every), markerfacecolor="white" if line.published
        else how.color,
    )  # fmt: skip


def _marked(line: Line, n: int) -> tuple[int, int]:
    """Return the first point of line `n` that has a marker, and the step to the next."""
    every = max(1, len(line.x) // _MARKS)
    return n * every // 3 % every, every


def _interval(axes: Axes, line: Line, how: Stroke, scale: float, n: int | None) -> None:
    """Draw a line's intervals as a band, or where there are many lines as bars at its markers."""
    if line.low is None or line.high is None:
        return
    low, high = line.low * scale, line.high * scale
    if n is None:
        axes.fill_between(line.x, low, high, color=how.color, alpha=0.16, linewidth=0)
        return
    first, every = _marked(line, n)
    at = slice(first, None, every)
    aside = (n % 5 - 2) * 0.06 * float(np.diff(line.x).min()) if len(line.x) > 1 else 0.0
    axes.vlines(line.x[at] + aside, low[at], high[at], color=how.color, alpha=0.55, linewidth=0.9)


def limits(top: float) -> tuple[float, float]:
    """Return the ends of an axis from 0 to `top`, with room for half a marker below."""
    return -0.018 * top, top


def draw_levels(axes: Axes, levels: Sequence[Level], top: float, scale: float, tall: float) -> None:
    """Draw baselines, each named at the right edge; names that would touch are moved apart.

    `top` is the end of the axis, and `tall` the inches of the panel.
    """
    unit = "%" if scale == 100 else ""
    merged: dict[float, list[str]] = {}
    for level in levels:
        y = round(level.y * scale, 1)
        merged.setdefault(y, []).append(clean(f"{level.name} {y:g}{unit}"))
    # a line of text, in units of the axis; titles and ticks take their part of the panel
    line = 1.35 * ANNOTATION / 72 / max(tall - 0.8, 0.5) * top
    ordered = sorted(merged)
    heights = [len(merged[y]) * line for y in ordered]
    for y, place in zip(ordered, _spread(ordered, heights), strict=True):
        axes.axhline(y, color=GREY, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
        axes.annotate(
            "\n".join(merged[y]),
            (1.0, place), xycoords=("axes fraction", "data"), xytext=(3, 0),
            textcoords="offset points", fontsize=ANNOTATION, color=GREY, va="center",
            annotation_clip=False,
        )  # fmt: skip


def _spread(places: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Move ascending places up until texts of these heights, centred there, do not touch."""
    found: list[float] = []
    for n, place in enumerate(places):
        least = found[-1] + (heights[n - 1] + heights[n]) / 2 if found else place
        found.append(max(place, least))
    return found


def draw_trajectories(shown: Trajectories, size: Size) -> Canvas:
    """Draw the probability of every option of an item; the true ones are thick."""
    options = shown.panels[0].options
    strokes = [stroke(n) for n in range(len(options))]
    handles = {
        f"{'✓' if o.true else '✗'}{' best:' if o.best else ''} {o.text}": _handle(s)
        for o, s in zip(options, strokes, strict=True)
    }
    grid = grid_of(len(shown.panels), size, panel=(3.8, 2.8), one=7.5)
    grid = grid if len(shown.panels) > 1 else Grid(1, 1, 3.6, grid.width)
    sheet = open_sheet(
        shown, grid, size, len(shown.panels), Legend(handles, columns=1), more=(shown.question,)
    )
    for n, (axes, panel) in enumerate(zip(sheet.axes, shown.panels, strict=True)):
        _trajectories(axes, panel, strokes, shown.guess)
        _label_outer(axes, n, len(shown.panels), grid, ("layer", "probability, %"))
        axes.set_title(shortened(panel.title, grid.title_room), loc="left")
    return sheet.canvas


def _trajectories(
    axes: Axes, panel: TrajectoriesPanel, strokes: Sequence[Stroke], guess: float
) -> None:
    draw_levels(axes, [Level("guess", guess)], 100.0, 100, 3.0)
    for n, (option, how) in enumerate(zip(panel.options, strokes, strict=True)):
        line = Line("", np.asarray(panel.layers, np.float64), option.y)
        _line(axes, line, how, 100, n)
        axes.lines[-1].set_linewidth(2.4 if option.true else 1.1)
    axes.set_ylim(*limits(102))
    edge = 0.02 * (panel.layers[-1] - panel.layers[0]) + 0.2
    axes.set_xlim(panel.layers[0] - edge, panel.layers[-1] + edge)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.grid(visible=True, axis="y")
