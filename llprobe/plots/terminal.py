"""Curves and heat maps for a terminal, drawn with rich: readable without colours too.

Lines are braille dots with a letter each, cells are bars whose height is the value. This module
knows characters. It does not know what was measured.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from llprobe.plots.canvas import DOTS, Canvas
from llprobe.plots.shapes import Curves, CurvesPanel, Figure, Heat, HeatPanel, Level, Line

__all__ = ["IN_TERMINAL", "terminal"]

FloatArray = npt.NDArray[np.float64]

IN_TERMINAL: Final = ("curves", "heat")
"""The kinds of figure that have a form for the terminal."""

_STYLES: Final = ("blue", "red", "green", "magenta", "yellow", "cyan", "bright_black")
_LETTERS: Final = string.ascii_lowercase + string.ascii_uppercase
_BARS: Final = "▁▂▃▄▅▆▇█"
_HEATS: Final = ("#00204d", "#2c3e6d", "#575d6d", "#7c7b78", "#a39a76", "#cfbb68", "#ffea46")
"""Seven steps of the colour map cividis."""

_STEPS: Final = (1, 2, 5, 10, 20, 25, 50, 100)
"""Layers from one number of an axis to the next."""
_AXIS: Final = 6
"""Characters left of a canvas: a number and the axis."""
_NARROWEST: Final = 20
_NAME: Final = 28
_BAR: Final = "┃"
_Place: TypeAlias = Callable[[float], float]
"""Where a value stands on a canvas, in dots."""


def terminal(figure: Figure, width: int, height: int = 12) -> list[Text]:
    """Return a figure as lines of text at most `width` cells wide; `height` rows a panel.

    Raises TypeError for a figure that has no form for the terminal.
    """
    if isinstance(figure, Curves):
        body = list(_curves(figure, max(width, _NARROWEST + 2 * _AXIS), height))
    elif isinstance(figure, Heat):
        body = list(_heat(figure, max(width, _NARROWEST)))
    else:
        raise TypeError(f"no form for the terminal: {type(figure).__name__}")
    head = [Text(_clean(figure.title), "bold"), Text(_clean(figure.note), "dim")]
    foot = [Text(_clean(remark), "italic") for remark in figure.remarks]
    texts = [line for line in (*head, *foot) if line.plain]
    return [*texts[: len(texts) - len(foot)], *body, *foot]


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))


def _curves(figure: Curves, width: int, height: int) -> Iterator[Text]:
    for panel in figure.panels:
        yield Text()
        yield Text(_clean(panel.title), "bold")
        yield from _panel(figure, panel, width, height)


def _panel(figure: Curves, panel: CurvesPanel, width: int, height: int) -> Iterator[Text]:
    right = max((cell_len(_said(figure, level)) for level in panel.levels), default=0) + 1
    columns = max(width - _AXIS - right, _NARROWEST)
    canvas, top = Canvas(columns, height), _top(panel)
    span = _span(panel)
    _draw(canvas, panel, span, top)
    beside = _beside(figure, panel.levels, top, height)
    marks = _marks(figure, top, height)
    for row, drawn in enumerate(canvas.rows()):
        said = marks.get(row, "")
        yield Text.assemble(
            f"{said:>{_AXIS - 1}}{'┤' if said else '│'}", drawn, (beside.get(row, ""), "dim")
        )
    yield Text(" " * (_AXIS - 1) + "└" + "─" * columns)
    yield Text(" " * _AXIS + _ticks(span, columns, figure.x_label))
    if len(panel.lines) > 1:
        for n, line in enumerate(panel.lines):
            name = set_cell_size(_clean(line.name), width - 4).rstrip()
            yield Text.assemble("  ", (f"{_LETTERS[n % 52]} {name}", _STYLES[n % len(_STYLES)]))
        if any(line.low is not None and np.isfinite(line.low).any() for line in panel.lines):
            yield Text(f"  {_BAR} at a letter: the interval there", "dim")


def _marks(figure: Curves, top: float, height: int) -> dict[int, str]:
    """Return the numbers beside an axis from 0 to `top`, by row: even ones, with room between."""
    steps = (top * share for share in (0.1, 0.2, 0.25, 0.5, 1.0))
    even = (s for s in steps if round(s * 20, 6).is_integer() and s / top * (height - 1) >= 2)
    step = next(even, top)
    values = np.arange(0, top + step / 2, step)
    return {round((1 - v / top) * (height - 1)): _number(figure, v) for v in values.tolist()}


def _top(panel: CurvesPanel) -> float:
    values = [v for line in panel.lines for v in (line.y, line.high) if v is not None]
    highest = max((float(np.nanmax(v)) for v in values if np.isfinite(v).any()), default=1.0)
    highest = max([highest, *(level.y for level in panel.levels)])
    return float(np.ceil(max(highest, 0.05) * 10) / 10)


def _span(panel: CurvesPanel) -> tuple[float, float]:
    low = min(float(line.x.min()) for line in panel.lines)
    high = max(float(line.x.max()) for line in panel.lines)
    return low, high if high > low else low + 1


def _draw(canvas: Canvas, panel: CurvesPanel, span: tuple[float, float], top: float) -> None:
    across, down = canvas.shape

    def x(value: float) -> float:
        return (value - span[0]) / (span[1] - span[0]) * (across - 1)

    def y(value: float) -> float:
        return (1 - value / top) * (down - 1)

    for n, line in enumerate(panel.lines):
        good = np.isfinite(line.y)
        points = [(x(a), y(b)) for a, b in zip(line.x[good], line.y[good], strict=True)]
        style = _STYLES[n % len(_STYLES)]
        for one, other in pairwise(points):
            canvas.line(one, other, style)
        for point in points if len(points) == 1 else ():
            canvas.dot(*point, style)
        if len(panel.lines) > 1:
            _letter(canvas, points, n, style)
    for n, line in enumerate(panel.lines):
        _interval(canvas, line, None if len(panel.lines) == 1 else n, (x, y))
    for level in panel.levels:
        # over the band, and a row as its name beside the canvas
        row = round((1 - level.y / top) * (down // DOTS[1] - 1)) * DOTS[1]
        for column in range(0, across, 2 * DOTS[0]):
            canvas.under(column, row, "╌", "dim")


def _lettered(n_points: int, n: int) -> range:
    """Return the points of line `n` that have its letter: others than those of other lines."""
    step = max(n_points // 3, 1)
    return range((n * 2 + 1) % step if step > 1 else 0, n_points, step)


def _letter(canvas: Canvas, points: Sequence[tuple[float, float]], n: int, style: str) -> None:
    """Write a line's letter on it a few times."""
    for at in _lettered(len(points), n):
        canvas.letter(*points[at], _LETTERS[n % 52], f"bold {style}")


def _interval(canvas: Canvas, line: Line, n: int | None, place: tuple[_Place, _Place]) -> None:
    """Draw the interval of a line: a band where it is alone, else bars at the letters of line n."""
    if n is None:
        _band(canvas, line, place)
    else:
        _whiskers(canvas, line, n, place)


def _whiskers(canvas: Canvas, line: Line, n: int, place: tuple[_Place, _Place]) -> None:
    """Draw the interval of a line as bars at its letters, where nothing else stands."""
    x, y = place
    good = np.flatnonzero(np.isfinite(line.y))
    if line.low is None or line.high is None:
        return
    for at in good[list(_lettered(len(good), n))].tolist():
        low, high = y(float(line.low[at])), y(float(line.high[at]))
        for row in np.arange(high, low + 1, DOTS[1]) if np.isfinite(low + high) else ():
            if not canvas.taken(x(float(line.x[at])), float(row)):
                canvas.under(x(float(line.x[at])), float(row), _BAR, _STYLES[n % len(_STYLES)])


def _band(canvas: Canvas, line: Line, place: tuple[_Place, _Place]) -> None:
    """Shade the interval of a line where nothing else stands."""
    x, y = place
    if line.low is None or line.high is None:
        return
    if not np.isfinite(line.low).all():  # too few items or clusters
        return
    columns = np.arange(0, canvas.shape[0], DOTS[0])
    at = np.array([x(float(v)) for v in line.x]) if len(line.x) > 1 else np.array([0.0])
    low, high = np.interp(columns, at, line.low), np.interp(columns, at, line.high)
    for column, bottom, top in zip(columns.tolist(), low.tolist(), high.tolist(), strict=True):
        for row in range(round(y(top)), round(y(bottom)) + 1, DOTS[1]):
            canvas.under(column, row, "░", "dim")


def _beside(figure: Curves, levels: Sequence[Level], top: float, height: int) -> dict[int, str]:
    """Return what stands right of each row: baselines, moved apart where they would share one."""
    found: dict[int, str] = {}
    for level in sorted(levels, key=lambda each: -each.y):
        row = round((1 - level.y / top) * (height - 1))
        while row in found and row + 1 < height:
            row += 1
        found[row] = " " + _said(figure, level)
    return found


def _said(figure: Curves, level: Level) -> str:
    return f"{_clean(level.name)} {_number(figure, level.y)}"


def _number(figure: Curves, value: float) -> str:
    return f"{100 * value:.0f}%" if figure.percent else f"{value:.2g}"


def _ticks(span: tuple[float, float], columns: int, label: str) -> str:
    """Return the line of numbers below a canvas, with the axis' name where there is room."""
    text = [" "] * columns
    free = 0
    for value in _places(span, columns):
        said = f"{value:.2g}" if span[1] <= 1 else f"{value:.0f}"
        share = (value - span[0]) / (span[1] - span[0])
        at = min(round(share * (columns - 1)), columns - len(said))
        if at >= free:
            text[at : at + len(said)] = said
            free = at + len(said) + 1
    return f"{''.join(text)} {_clean(label).split(' (')[0]}".rstrip()


def _places(span: tuple[float, float], columns: int) -> list[float]:
    """Return the values that get a number: shares evenly, layers whole ones, the ends first."""
    most = max(2, columns // 12)
    if span[1] <= 1:
        return [float(v) for v in np.linspace(*span, most)]
    first, last = round(span[0]), round(span[1])
    step = next(s for s in _STEPS if (last - first) / s <= most or s == _STEPS[-1])
    between = [v for v in range(first - first % step, last, step) if v > first]
    # what would touch the last one gives way to it
    return [float(v) for v in (first, *(v for v in between if last - v >= step / 2), last)]


def _heat(figure: Heat, width: int) -> Iterator[Text]:
    values = [panel.values for panel in figure.panels if np.isfinite(panel.values).any()]
    top = max((float(np.nanmax(v)) for v in values), default=1.0) or 1.0
    for panel in figure.panels:
        yield Text()
        yield Text(_clean(panel.title), "bold")
        yield from _cells(panel, top, width)
    yield Text()
    bars = Text.assemble(*((bar * 2, _colour(n / 7)) for n, bar in enumerate(_BARS)))
    label = _clean(figure.value_label).removesuffix(", %")
    yield Text.assemble(f"{label}: 0% ", bars, f" {100 * top:.0f}%; · not scored")


def _cells(panel: HeatPanel, top: float, width: int) -> Iterator[Text]:
    names = [_clean(row) for row in panel.rows]
    room = min(max(map(cell_len, names), default=0), _NAME)
    widest = max(4, width // 32)
    each = max(1, min(widest, (width - room - 6) // max(len(panel.columns), 1)))
    # the gap before the last value is the first thing to give way
    gap = " " * (1 + (room + 7 + each * len(panel.columns) <= width))
    for name, values in zip(names, panel.values, strict=True):
        cells = (_cell(value, top, each) for value in values)
        scored = values[np.isfinite(values)]
        last = f"{gap}{100 * scored[-1]:3.0f}%" if scored.size else ""
        yield Text.assemble(f"{set_cell_size(name, room)} ", *cells, last)
    yield Text(" " * (room + 1) + _layers(panel.columns, each) + gap + "last")


def _cell(value: float, top: float, each: int) -> tuple[str, str]:
    if not np.isfinite(value):
        return "·" * each, "dim"
    step = min(int(value / top * len(_BARS)), len(_BARS) - 1)
    return _BARS[step] * each, _colour(value / top)


def _colour(share: float) -> str:
    return _HEATS[min(max(int(share * len(_HEATS)), 0), len(_HEATS) - 1)]


def _layers(layers: Sequence[int], each: int) -> str:
    """Return the layers' numbers below cells of `each` characters, as many as have room."""
    text = [" "] * (len(layers) * each)
    end = str(layers[-1])
    free, last = 0, max(len(text) - len(end), 0)
    for n, layer in enumerate(layers):
        said, at = str(layer), n * each
        # a number every five layers at the most, so that the row stays easy to read
        if at >= free and at + len(said) < last:
            text[at : at + len(said)] = said
            free = at + max(len(said) + 1, min(5 * each, 8))
    text[last:] = end
    return "".join(text)
