"""At which layer two curves are compared: the last, the best, one by number or by depth.

This module knows numbers of layers. It does not know scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np

from llprobe.errors import UsageError

__all__ = ["BEST", "LAST", "PENULTIMATE", "Where", "matched", "parse_where"]


@dataclass(frozen=True, slots=True)
class Where:
    """A layer of any model; `value` is a number (negative: from the end, -1 is the last) or depth.

    A depth is a layer's number divided by the number of layers.
    """

    kind: str
    value: float = 0.0

    def layer(self, scored: Sequence[int], n_layers: int) -> int:
        """Return the layer of a model with `n_layers`; for a depth the nearest of those `scored`.

        Not for `BEST`, which only the scores tell. Raises UsageError where it was not scored.
        """
        if self.kind == "depth":
            return _nearest(scored, n_layers, self.value)
        number = int(self.value) + (n_layers + 1 if self.value < 0 else 0)
        if number not in scored:
            raise UsageError(
                f"layer {number} of {n_layers} was not scored; these were: {_few(scored)}"
            )
        return number

    def __str__(self) -> str:
        """Say it in a heading."""
        if self.kind == "depth":
            return f"at depth {self.value:g}"
        return f"at the {self.kind} layer" if self.kind != "layer" else f"at layer {self.value:g}"


LAST: Final = Where("last", -1)
PENULTIMATE: Final = Where("penultimate", -2)
BEST: Final = Where("best")
"""The layer of each curve's own highest mean."""
_NAMED: Final = {where.kind: where for where in (LAST, PENULTIMATE, BEST)}


def _few(layers: Sequence[int]) -> str:
    whole = len(layers) > 1 and list(layers) == list(range(layers[0], layers[-1] + 1))
    return f"{layers[0]} to {layers[-1]}" if whole else ", ".join(map(str, layers))


def parse_where(text: str) -> Where:
    """Read ``last``, ``best``, ``penultimate``, a layer (12, -3) or a depth (0.5, depth 0.5).

    A number with a point is a depth. Raises UsageError for anything else.
    """
    plain = text.strip().lower()
    if plain in _NAMED:
        return _NAMED[plain]
    depth = plain.removeprefix("depth")
    try:
        value = float(depth)
    except ValueError:
        value = np.nan
    if isfinite(value) and (depth != plain or "." in plain) and 0 <= value <= 1:
        return Where("depth", value)
    if isfinite(value) and depth == plain and "." not in plain and value.is_integer():
        return Where("layer", value)
    raise UsageError(
        f"--at {text}: write last, best, penultimate, a layer like 12 or -3, "
        f"or a depth between 0.0 and 1.0 like 0.5"
    )


def matched(
    a: Sequence[int], b: Sequence[int], n_layers: tuple[int, int]
) -> tuple[tuple[int, int], ...]:
    """Return for every layer of `a` the layer of `b` at the nearest relative depth.

    `n_layers` are the numbers of layers of the two models.
    """
    of_a, of_b = n_layers
    return tuple((layer, _nearest(b, of_b, layer / of_a)) for layer in a)


def _nearest(layers: Sequence[int], n_layers: int, depth: float) -> int:
    # rounding must not decide between two that are equally near: the earlier one is
    return min(layers, key=lambda layer: round(abs(layer / n_layers - depth), 9))
