"""A lens grid as what is shown of it: cells, the best predictions of one, ranks, and asking for it.

The last layer stands on top, as in a stack. This module knows `LensGrid`. It does not know widgets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rich.text import Text

from llprobe.children import Cancel, call, raise_failure
from llprobe.errors import ModelTooLarge, UsageError
from llprobe.events import Failed, LensGrid, LensRequest
from llprobe.model import resolve
from llprobe.report.lens import visible
from llprobe.settings import EngineSettings, parse_layers

from .gridview import BARS, Cells

__all__ = ["TOP", "Wish", "cells", "look", "predictions", "ranks", "scale", "words"]

TOP: Final = 10
"""Predictions that are listed of a cell."""
_CELL: Final = 10
_LISTED: Final = 16


@dataclass(frozen=True)
class Wish:
    """What a person wants to see, as typed."""

    text: str
    model: str
    lens: str
    layers: str
    """As `--layers`; empty for all."""
    track: tuple[str, ...]
    """Words whose rank is followed; a space before a word is part of it."""
    force: bool = False
    """Whether a model is loaded that is not expected to fit."""


def words(typed: str) -> tuple[str, ...]:
    """Return comma separated words, each with the spaces before it and none after it."""
    return tuple(dict.fromkeys(word.rstrip() for word in typed.split(",") if word.strip()))


def look(wish: Wish, cancel: Cancel) -> LensGrid | None:
    """Return the grid from a child process; None where it was cancelled.

    Raises what resolving the model and the worker raise, with what to do on the lens screen.
    """
    if not wish.text.strip():
        raise UsageError("there is no text to look at: type or paste one into the box above")
    info = resolve(wish.model)
    layers = parse_layers(wish.layers.strip() or None, info.n_layers)
    settings = EngineSettings(force=wish.force)
    request = LensRequest(info, settings, wish.text, wish.lens, layers, TOP, wish.track)
    try:
        for event in call(request, cancel):
            if isinstance(event, Failed):
                raise_failure(event)
            if isinstance(event, LensGrid):
                return event
    except ModelTooLarge as problem:
        raise ModelTooLarge(f"{problem}. Here ctrl+g tries it all the same") from problem
    return None


def scale(grid: LensGrid, by: str) -> float:
    """Return what the highest bar stands for: 1, or the grid's highest entropy in bits."""
    return max(float(grid.entropy.max()), 1e-9) if by == "entropy" else 1.0


def cells(grid: LensGrid, by: str) -> Cells:
    """Return the grid's cells, with shares by `probability` or by `entropy`."""
    top, last = scale(grid, by), len(grid.layers) - 1

    def cell(row: int, column: int) -> tuple[str, float]:
        text, p = grid.top[last - row][column][0]
        share = float(grid.entropy[last - row, column]) / top if by == "entropy" else p
        return visible(text, _CELL), share

    rows = tuple(str(layer) for layer in reversed(grid.layers))
    return Cells(rows, tuple(visible(token, _CELL) for token in grid.tokens), cell)


def predictions(grid: LensGrid, row: int, column: int) -> Text:
    """Return the best predictions of a cell, a line each, under what the cell is."""
    at = len(grid.layers) - 1 - row
    token = visible(grid.tokens[column], _CELL)
    head = Text(f"layer {grid.layers[at]} after {column + 1}: {token}", "bold")
    lines = [_prediction(text, p) for text, p in grid.top[at][column]]
    entropy = Text(f"entropy {grid.entropy[at, column]:.2f} bits", "dim")
    return Text("\n", no_wrap=True, overflow="crop").join([head, *lines, entropy])


def _prediction(text: str, p: float) -> Text:
    bar = BARS[min(int(p * len(BARS)), len(BARS) - 1)]
    return Text(f"{bar} {100 * p:5.1f}% {visible(text, _LISTED) or '(empty)'}")


def ranks(grid: LensGrid, column: int) -> dict[str, list[int]]:
    """Return each followed word's rank after a token, layer by layer, by what is seen of it."""
    return {visible(word, _LISTED): of[:, column].tolist() for word, of in grid.ranks.items()}
