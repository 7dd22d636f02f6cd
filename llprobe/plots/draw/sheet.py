"""The sheet of a figure: title and note on top, the panels, a legend, and remarks below.

Everything has its own strip, so no text can lie on another or be cut. This module knows strips and
inches. It does not know what is drawn in the panels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final, cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.figure import SubFigure
from matplotlib.transforms import Bbox

from llprobe.plots.draw import Size
from llprobe.plots.draw.style import (
    GREY,
    LABEL,
    NOTE,
    TITLE,
    clean,
    ems,
    fitting,
    shortened,
    wrapped,
)
from llprobe.plots.shapes import Figure

__all__ = ["Grid", "Legend", "Sheet", "grid_of", "open_sheet", "settle"]

_MARGIN: Final = 0.15
_HANDLE: Final = 0.45
_BETWEEN: Final = 0.2
"""Inches: around texts, what a line's sample takes in a legend, and between its columns."""
_DIGITS: Final = 6
_LEAST: Final = 1.2
"""Inches that are left to the panels, whatever height is asked for."""


@dataclass(frozen=True)
class Grid:
    """How panels are placed: rows, columns, and inches of one row."""

    rows: int
    columns: int
    height: float
    width: float
    """Inches of the whole sheet."""

    @property
    def title_room(self) -> float:
        """Ems of a panel's title: the axes are narrower than their part of the sheet."""
        return fitting(self.width / self.columns - 1.2, LABEL + 0.5)


@dataclass(frozen=True)
class Legend:
    """Names with what is drawn beside them; `columns` at the most, 0 for as many as fit."""

    handles: Mapping[str, Any]
    columns: int = 0


@dataclass(frozen=True)
class Sheet:
    """The canvas and its panels, row by row."""

    canvas: Canvas
    body: SubFigure
    axes: list[Axes]


def grid_of(n_panels: int, size: Size, *, panel: tuple[float, float], one: float) -> Grid:
    """Place panels of about `panel` inches (width, height); one alone is `one` inches wide."""
    columns = 1 if n_panels == 1 else 2 if n_panels in {2, 4} else 3
    width = size.width or (one if n_panels == 1 else columns * panel[0] + 0.4)
    # a sheet that was asked to be narrow gets fewer columns
    columns = max(1, min(columns, int(width / (0.6 * panel[0]))))
    return Grid(ceil(n_panels / columns), columns, panel[1], width)


def open_sheet(
    shown: Figure,
    grid: Grid,
    size: Size,
    n_panels: int,
    legend: Legend | None = None,
    more: Sequence[str] = (),
    **axes: Any,
) -> Sheet:
    """Return a sheet with its texts, its legend and empty panels.

    `more` stands below the note; `axes` are as for `subplots`.
    """
    head = _head(shown, more, grid.width)
    foot = _lines(shown.remarks, grid.width, NOTE)
    strip = _legend_size(legend, grid.width)
    heights = [_tall(head), grid.rows * grid.height, strip[2], _tall([(f, NOTE) for f in foot])]
    rest = sum(heights) - heights[1]
    total = size.height or sum(heights)
    heights[1] = max(total - rest, _LEAST)
    canvas = Canvas(figsize=(grid.width, sum(heights)), layout="constrained")
    strips = cast("Any", canvas.subfigures(4, 1, height_ratios=heights, hspace=0))
    top, body, middle, bottom = strips  # an array, which the stub does not say
    _write(top, head, heights[0])
    _write(bottom, [(line, NOTE) for line in foot], heights[3])
    if legend and legend.handles:
        _draw_legend(middle, legend, strip)
    drawn = body.subplots(grid.rows, grid.columns, squeeze=False, **axes)
    panels = list(drawn.flat)
    for spare in panels[n_panels:]:
        spare.remove()
    return Sheet(canvas, body, panels[:n_panels])


def settle(canvas: Canvas) -> None:
    """Lay a drawn sheet out, once and for all, so that the same figure gives the same file.

    The solver behind the layout goes by addresses in memory: its results differ in the last digits.
    """
    canvas.draw_without_rendering()
    canvas.set_layout_engine("none")
    for strip in canvas.subfigs:
        strip.bbox_relative.set_points(strip.bbox_relative.get_points().round(_DIGITS))
    for axes in canvas.get_axes() + [axes for strip in canvas.subfigs for axes in strip.get_axes()]:
        position = axes.get_position(original=True)
        axes.set_position(Bbox(position.get_points().round(_DIGITS)))


Texts = list[tuple[str, float]]
"""Lines, each with its size in points."""


def _head(shown: Figure, more: Sequence[str], width: float) -> Texts:
    title = [(line, TITLE) for line in _lines([shown.title], width, TITLE)]
    return title + [(line, NOTE) for line in _lines([shown.note, *more], width, NOTE)]


def _lines(texts: Sequence[str], width: float, points: float) -> list[str]:
    return [line for text in texts if text for line in wrapped(text, width - 2 * _MARGIN, points)]


def _tall(lines: Texts) -> float:
    """Return the inches that lines of text take."""
    return sum(1.3 * points / 72 for _, points in lines) + (0.12 if lines else 0.01)


def _write(strip: SubFigure, lines: Texts, inches: float) -> None:
    down = 0.06
    width = strip.figure.get_figwidth()
    for n, (line, points) in enumerate(lines):
        strip.text(
            _MARGIN / width, 1 - down / inches, line, fontsize=points, va="top",
            color="black" if points == TITLE or (n == 0 and points != NOTE) else GREY,
        )  # fmt: skip
        down += 1.3 * points / 72


def _legend_size(legend: Legend | None, width: float) -> tuple[int, float, float]:
    """Return a legend's columns, the ems of a name, and its inches."""
    if legend is None or not legend.handles:
        return 1, 1, 0.01
    longest = max(ems(clean(name)) for name in legend.handles)
    room = width - 2 * _MARGIN
    need = _HANDLE + longest * NOTE / 72 + _BETWEEN
    columns = max(1, min(len(legend.handles), int(room / need)))
    columns = min(columns, legend.columns) if legend.columns else columns
    wide = fitting(room / columns - _HANDLE - _BETWEEN, NOTE)
    return columns, wide, ceil(len(legend.handles) / columns) * 1.55 * NOTE / 72 + 0.14


def _draw_legend(strip: SubFigure, legend: Legend, size: tuple[int, float, float]) -> None:
    columns, wide, _ = size
    drawn = strip.legend(
        list(legend.handles.values()), [shortened(name, wide) for name in legend.handles],
        loc="center", ncols=columns, fontsize=NOTE, handlelength=2.6, columnspacing=1.2,
        borderpad=0, borderaxespad=0,
    )  # fmt: skip
    drawn.set_in_layout(False)
