"""Heat maps, matrices of layers, and items x layers, as matplotlib figures.

This module knows coloured cells. It does not know what they were measured on.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch

from llprobe.plots.draw import Size
from llprobe.plots.draw.curves import top_of
from llprobe.plots.draw.sheet import Grid, Legend, Sheet, grid_of, open_sheet
from llprobe.plots.draw.style import ANNOTATION, NOTE, fitting, shortened
from llprobe.plots.shapes import Heat, HeatPanel, ItemMap, ItemPanel, Matrix

__all__ = ["draw_heat", "draw_items", "draw_matrix"]

FloatArray = npt.NDArray[np.float64]

_NAMED_ITEMS: Final = 60
"""Most items of a map whose ids are written."""
_WRONG, _RIGHT = "#E8E8E8", "#0B3C6F"


def draw_heat(shown: Heat, size: Size) -> Canvas:
    """Draw panels of rows by layer, all with one scale of colours that begins at 0."""
    n = len(shown.panels)
    columns = max(len(panel.columns) for panel in shown.panels)
    rows = max(len(panel.rows) for panel in shown.panels)
    grid = _heat_grid(n, rows, columns, size)
    sheet = open_sheet(shown, grid, size, n)
    values = [panel.values for panel in shown.panels]
    top = top_of([float(np.nanmax(v)) for v in values if np.isfinite(v).any()]) / 1.02
    cells = grid.width / grid.columns / columns
    for axes, panel in zip(sheet.axes, shown.panels, strict=True):
        image = _cells(axes, panel.values * 100, colormaps["cividis"], 100 * top)
        _layers(axes, panel.columns, grid.width / grid.columns)
        _rows(axes, panel, grid)
        axes.set_xlabel(shown.x_label)
        axes.set_title(shortened(panel.title, grid.title_room), loc="left")
        if cells > 0.3:
            _write_values(axes, panel.values * 100, 100 * top)
    _bar(sheet, image, shown.value_label, grid)
    return sheet.canvas


def _heat_grid(n: int, rows: int, columns: int, size: Size) -> Grid:
    """Place heat maps below each other where they are wide, else side by side."""
    width = 1.8 + columns * (0.34 if columns <= 20 else 0.22 if columns <= 40 else 0.12)
    across = 1 if n == 1 else max(1, min(n, 3, int(13 / width)))
    across = across if across != 2 or n % 2 == 0 or n > 4 else 1
    total = size.width or min(max(across * width + 0.9, 6.5), 16)
    height = min(0.75 + 0.27 * rows, 14.0)
    return Grid(ceil(n / across), across, height, total)


def _cells(axes: Axes, values: FloatArray, colours: Colormap, top: float, low: float = 0.0) -> Any:
    """Draw cells; what was not scored is crossed out."""
    image = axes.imshow(
        np.ma.masked_invalid(values), aspect="auto", cmap=colours, vmin=low, vmax=top
    )
    axes.spines[["top", "right"]].set_visible(True)
    if values.size <= 4000:
        for row, column in np.argwhere(~np.isfinite(values)):
            axes.plot(column, row, marker="x", color="#999999", markersize=4)
    return image


def _layers(axes: Axes, layers: Sequence[int], inches: float, *, across: bool = True) -> None:
    """Number an axis with as many layers as there is room for; the last one is among them."""
    step = max(1, ceil(len(layers) / max(inches * 2.6, 4)))
    if step == 1:
        at = list(range(len(layers)))
    else:
        nice = next((n for n in (2, 5, 10, 20, 50, 100) if n >= step), step)
        even = [n for n, layer in enumerate(layers) if layer % nice == 0]
        at = [0, *(n for n in even if n >= 0.7 * nice)]
        # the last layer is where a reader looks first: it stands, its neighbour gives way
        at = [n for n in at if len(layers) - 1 - n >= max(nice // 2, 1)] + [len(layers) - 1]
    axis = axes.xaxis if across else axes.yaxis
    axis.set_ticks(at, [str(layers[n]) for n in at], fontsize=NOTE)


def _rows(axes: Axes, panel: HeatPanel, grid: Grid) -> None:
    room = max(6.0, min(18.0, fitting(grid.width / grid.columns * 0.35, NOTE)))
    small = grid.height / max(len(panel.rows), 1) < 0.14
    axes.set_yticks(
        range(len(panel.rows)), [shortened(row, room) for row in panel.rows],
        fontsize=ANNOTATION - 2 if small else NOTE,
    )  # fmt: skip


def _write_values(axes: Axes, values: FloatArray, top: float) -> None:
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            axes.text(
                column, row, f"{value:.0f}", ha="center", va="center", fontsize=ANNOTATION,
                color="white" if value < 0.55 * top else "black",
            )  # fmt: skip


def _bar(sheet: Sheet, image: Any, label: str, grid: Grid) -> None:
    bar = sheet.body.colorbar(
        image, ax=sheet.axes, aspect=max(6.0, min(30.0, 9 * grid.rows * grid.height)),
        pad=0.015, fraction=0.05,
    )  # fmt: skip
    bar.set_label(label)
    bar.outline.set_visible(False)


def draw_matrix(shown: Matrix, size: Size) -> Canvas:
    """Draw a value for every pair of layers, the first pair at the lower left."""
    wide = size.width or 6.6
    ratio = len(shown.y_layers) / max(len(shown.x_layers), 1)
    grid = Grid(1, 1, min(max((wide - 1.6) * ratio, 2.5), 9.0), wide)
    sheet = open_sheet(shown, grid, size, 1)
    axes = sheet.axes[0]
    low = min(0.0, float(np.nanmin(shown.values))) if np.isfinite(shown.values).any() else 0.0
    image = _cells(axes, shown.values, colormaps["viridis"], 1.0, low)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    _layers(axes, shown.x_layers, grid.width - 1.6)
    _layers(axes, shown.y_layers, grid.height, across=False)
    axes.set_xlabel(shortened(shown.x_label, fitting(grid.width - 1.6, 9)))
    axes.set_ylabel(shortened(shown.y_label, fitting(grid.height, 9)))
    _bar(sheet, image, shown.value_label, grid)
    return sheet.canvas


def draw_items(shown: ItemMap, size: Size) -> Canvas:
    """Draw which items are right at which layer; ids are written where there is room."""
    n = len(shown.panels)
    rows = max(len(panel.ids) for panel in shown.panels)
    named = n <= 2 and rows <= _NAMED_ITEMS
    place = grid_of(n, size, panel=(3.6, 2.4), one=7.0)
    height = 0.7 + 0.17 * rows if named else min(max(2.3, 0.7 + 0.012 * rows), 9.0)
    grid = Grid(place.rows, place.columns, height, place.width)
    binary = all(np.isin(panel.values, (0.0, 1.0)).all() for panel in shown.panels)
    patches = {"right": Patch(color=_RIGHT), "wrong": Patch(facecolor=_WRONG, edgecolor="#999999")}
    sheet = open_sheet(shown, grid, size, n, Legend(patches if binary else {}))
    colours = LinearSegmentedColormap.from_list("right", [_WRONG, _RIGHT])
    for number, (axes, panel) in enumerate(zip(sheet.axes, shown.panels, strict=True)):
        image = _cells(axes, panel.values, colours, 1.0)
        _item_axes(axes, panel, grid, named=named)
        if number + grid.columns >= n:
            axes.set_xlabel("layer")
    if not binary:
        _bar(sheet, image, shown.value_label, grid)
    return sheet.canvas


def _item_axes(axes: Axes, panel: ItemPanel, grid: Grid, *, named: bool) -> None:
    inches = grid.width / grid.columns
    _layers(axes, panel.layers, inches * 0.7)
    axes.set_title(shortened(panel.title, grid.title_room), loc="left")
    if named:
        ids = [shortened(id_, 19) for id_ in panel.ids]
        axes.set_yticks(range(len(ids)), ids, fontsize=ANNOTATION)
    else:
        axes.set_yticks([])
        axes.set_ylabel("items")
