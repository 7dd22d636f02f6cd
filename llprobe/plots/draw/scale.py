"""Points over parameters or bits per weight, as a matplotlib figure.

This module knows points and their names. It does not know what they were measured on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.ticker import FixedLocator, NullLocator
from matplotlib.transforms import Bbox

from llprobe.plots.draw import Size
from llprobe.plots.draw.curves import draw_levels, limits, top_of
from llprobe.plots.draw.sheet import Grid, Legend, grid_of, open_sheet
from llprobe.plots.draw.style import ANNOTATION, Stroke, shortened, stroke
from llprobe.plots.shapes import MEASURED, Point, Scale, ScalePanel

__all__ = ["draw_scale", "size_text"]

_PLACES: Final = (
    (0, 6, "center", "bottom"), (0, -6, "center", "top"), (6, 0, "left", "center"),
    (-6, 0, "right", "center"), (6, 9, "left", "bottom"), (-6, 9, "right", "bottom"),
    (6, -9, "left", "top"), (-6, -9, "right", "top"), (0, 16, "center", "bottom"),
    (0, -16, "center", "top"), (0, 26, "center", "bottom"), (0, -26, "center", "top"),
)  # fmt: skip
"""Where a point's name may stand, in points from it; the first free place is taken."""
_TEXT, _LINE = 60, 10
"""What it costs to cover a text or a point, and a bar or a baseline; a bit of a line costs 1."""


def draw_scale(shown: Scale, size: Size) -> Canvas:
    """Draw panels of points with error bars, each named where no other name stands."""
    panels = shown.panels
    names = list(dict.fromkeys(name for panel in panels for name, _ in panel.series))
    strokes = {name: stroke(n) for n, name in enumerate(names)}
    handles = {
        name: Line2D([], [], color=s.color, linestyle=s.linestyle, marker=s.marker)
        for name, s in strokes.items()
    }
    grid = grid_of(len(panels), size, panel=(3.9, 2.7), one=7.0)
    grid = grid if len(panels) > 1 else Grid(1, 1, 3.9, grid.width)
    legend = Legend({} if names == [MEASURED] else handles)
    sheet = open_sheet(shown, grid, size, len(panels), legend)
    top = top_of([_highest(panel) for panel in panels])
    for n, (axes, panel) in enumerate(zip(sheet.axes, panels, strict=True)):
        _panel(axes, panel, strokes, shown, 100 * top)
        if n + grid.columns >= len(panels):
            axes.set_xlabel(shown.x_label)
        if n % grid.columns == 0:
            axes.set_ylabel(shown.y_label)
        axes.set_title(shortened(panel.title, grid.title_room), loc="left")
    colours = {name: how.color if len(names) > 1 else "black" for name, how in strokes.items()}
    if _need_names(panels):
        _name_points(sheet.canvas, list(zip(sheet.axes, panels, strict=True)), colours)
    return sheet.canvas


def _need_names(panels: Sequence[ScalePanel]) -> bool:
    """Whether names tell points apart: the title says one that all of several points have."""
    points = [[p.name for _, of in panel.series for p in of] for panel in panels]
    return len({name for of in points for name in of}) > 1 or max(map(len, points)) == 1


def _highest(panel: ScalePanel) -> float:
    points = [point for _, of in panel.series for point in of]
    return max([*(float(np.nanmax([p.y, p.high])) for p in points), *(v.y for v in panel.levels)])


def _panel(
    axes: Axes, panel: ScalePanel, strokes: dict[str, Stroke], shown: Scale, top: float
) -> None:
    axes.set_ylim(*limits(top))
    draw_levels(axes, panel.levels, top, 100, 2.7)
    if shown.logarithmic:
        axes.set_xscale("log")
    for name, points in panel.series:
        _series(axes, points, strokes[name])
    _x_axis(axes, _xs(shown), shown.logarithmic)
    axes.grid(visible=True, axis="y")


def _xs(shown: Scale) -> list[float]:
    """All x of a figure, so that its panels have one axis."""
    return [p.x for panel in shown.panels for _, points in panel.series for p in points]


def _series(axes: Axes, points: Sequence[Point], how: Stroke) -> None:
    x, y, low, high = (
        np.array([getattr(p, key) for p in points]) for key in ("x", "y", "low", "high")
    )
    away = np.nan_to_num(np.array([y - low, high - y]) * 100).clip(0)
    axes.errorbar(
        x, y * 100, yerr=away if np.isfinite(low).any() else None, capsize=2.5, elinewidth=1,
        color=how.color, linestyle=how.linestyle, marker=how.marker,
    )  # fmt: skip


def _x_axis(axes: Axes, xs: Sequence[float], logarithmic: bool) -> None:
    """Put marks at round sizes around the points."""
    low, high = min(xs), max(xs)
    if not logarithmic:
        edge = max((high - low) * 0.12, 0.5)
        axes.set_xlim(low - edge, high + edge)
        return
    axes.set_xlim(low / 1.6, high * 1.6)
    marks = [m * 10.0**e for e in range(5, 14) for m in (1, 2, 5)]
    seen = [mark for mark in marks if low / 1.6 <= mark <= high * 1.6]
    whole = [mark for mark in seen if f"{mark:e}"[0] == "1"]
    chosen = whole if len(seen) > 6 and len(whole) > 1 else seen or [low]
    axes.xaxis.set_major_locator(FixedLocator(chosen))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(chosen, [size_text(mark) for mark in chosen])


def size_text(n: float) -> str:
    """Return a number of parameters as people say it: 135M, 7B."""
    for unit, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if n >= unit:
            return f"{n / unit:.3g}{letter}"
    return f"{n:.3g}"


def _name_points(
    canvas: Canvas, panels: Sequence[tuple[Axes, ScalePanel]], colours: dict[str, str]
) -> None:
    """Name every point where its name covers the least of what is drawn already."""
    agg = FigureCanvasAgg(canvas)
    canvas.draw_without_rendering()
    renderer = agg.get_renderer()  # type: ignore[no-untyped-call] # matplotlib has no types here
    for axes, panel in panels:
        box = axes.get_window_extent(renderer)
        taken = list(_covered(axes, panel, box))
        for name, point in [(name, point) for name, of in panel.series for point in of]:
            tries = list(_tries(axes, point, colours[name]))
            chosen = _best(tries, taken, box, renderer)
            taken.append((chosen.get_window_extent(renderer), _TEXT))


def _covered(axes: Axes, panel: ScalePanel, box: Bbox) -> Iterator[tuple[Bbox, int]]:
    """Yield what points, bars, lines and baselines cover, in pixels, with what that costs."""
    for _, points in panel.series:
        at = axes.transData.transform([(p.x, p.y * 100) for p in points])
        for (x, y), point in zip(at, points, strict=True):
            yield Bbox.from_bounds(x - 4, y - 4, 8, 8), _TEXT
            if np.isfinite([point.low, point.high]).all():
                ends = axes.transData.transform(
                    [(point.x, v * 100) for v in (point.low, point.high)]
                )
                yield Bbox([[x - 1, ends[0, 1]], [x + 1, ends[1, 1]]]), _LINE
        for (x0, y0), (x1, y1) in pairwise(at):
            for x, y in zip(np.linspace(x0, x1, 40), np.linspace(y0, y1, 40), strict=True):
                yield Bbox.from_bounds(x - 1, y - 1, 2, 2), 1
    for level in panel.levels:
        y = axes.transData.transform((1, level.y * 100))[1]
        yield Bbox([[box.x0, y - 1], [box.x1, y + 1]]), _LINE


def _tries(axes: Axes, point: Point, colour: str) -> Iterator[Annotation]:
    for right, up, ha, va in _PLACES:
        name = axes.annotate(
            shortened(point.name, 14), (point.x, point.y * 100), xytext=(right, up),
            textcoords="offset points", ha=ha, va=va, fontsize=ANNOTATION, color=colour,
            annotation_clip=False,
        )  # fmt: skip
        name.set_in_layout(False)
        yield name


def _best(
    tries: list[Annotation], taken: Sequence[tuple[Bbox, int]], box: Bbox, renderer: RendererBase
) -> Annotation:
    """Keep the try that covers least, the first of equals; remove the others."""

    def cost(name: Annotation) -> int:
        own = name.get_window_extent(renderer)
        inside = box.x0 <= own.x0 and own.x1 <= box.x1 and box.y0 <= own.y0 and own.y1 <= box.y1
        return sum(c for other, c in taken if own.overlaps(other)) + 2 * _TEXT * (not inside)

    best = min(tries, key=cost)
    for name in tries:
        if name is not best:
            name.remove()
    return best
