"""The rank of words over the layers as a small chart: rank 1 on top, a logarithmic scale.

This module knows ranks and characters. It does not know models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log10
from typing import Final

from rich.text import Text

from llprobe.plots.canvas import Canvas

__all__ = ["rank_chart"]

_AXIS: Final = 6
_STYLES: Final = ("bold", "cyan", "magenta", "yellow", "green")
_SHORT: Final = ((1e6, "M"), (1e3, "k"))


def rank_chart(
    layers: Sequence[int], ranks: Mapping[str, Sequence[int]], width: int, height: int
) -> list[Text]:
    """Return a chart of each word's ranks (n_layers,), at most `width` x `height` characters.

    A line below it says of each word its best rank and the first layer that has it.
    """
    rows = max(height - 2 - len(ranks), 2)
    canvas = Canvas(max(width - _AXIS, 4), rows)
    top = max(log10(max(max(of) for of in ranks.values())), 1.0)
    for n, of in enumerate(ranks.values()):
        _line(canvas, layers, of, top, n)
    powers = reversed(range(int(top) + 1))  # where two fall on one row, the better rank stands
    marks = {round(power / top * (rows - 1)): 10**power for power in powers}
    drawn = [
        Text.assemble(f"{_short(marks[n]) if n in marks else '':>{_AXIS - 1}}│", line)
        for n, line in enumerate(canvas.rows())
    ]
    words = [
        _best(layers, word, of, n, many=len(ranks) > 1)
        for n, (word, of) in enumerate(ranks.items())
    ]
    return [*drawn, _axis(layers, width), *words]


def _line(canvas: Canvas, layers: Sequence[int], ranks: Sequence[int], top: float, n: int) -> None:
    across, down = canvas.shape
    span = max(layers[-1] - layers[0], 1)
    points = [
        ((layer - layers[0]) / span * (across - 1), log10(rank) / top * (down - 1))
        for layer, rank in zip(layers, ranks, strict=True)
    ]
    style = _STYLES[n % len(_STYLES)]
    for one, other in pairwise(points):
        canvas.line(one, other, style)
    canvas.dot(*points[-1], style)
    if n:
        canvas.letter(*points[len(points) // 2], str(n + 1), style)


def _short(value: int) -> str:
    for unit, letter in _SHORT:
        if value >= unit:
            return f"{value / unit:.0f}{letter}"
    return str(value)


def _axis(layers: Sequence[int], width: int) -> Text:
    first, last = str(layers[0]), str(layers[-1])
    room = max(width - _AXIS - len(first) - len(last), 1)
    return Text(" " * _AXIS + first + "layer".center(room) + last, "dim")


def _best(layers: Sequence[int], word: str, ranks: Sequence[int], n: int, *, many: bool) -> Text:
    best = min(ranks)
    at = layers[list(ranks).index(best)]
    said = f"{n + 1} " if many else ""
    text = f"{said}{word}: best {best:,} at {at}, last {ranks[-1]:,}"
    return Text(text, _STYLES[n % len(_STYLES)])
