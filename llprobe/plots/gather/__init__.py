"""Stored runs and published tables -> shapes of figures.

This package knows which numbers a figure shows. It does not know how they are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from llprobe.errors import UnknownName
from llprobe.plots.gather.curves import curves
from llprobe.plots.gather.heat import heat
from llprobe.plots.gather.items import item_map, trajectory
from llprobe.plots.gather.matrix import matrix
from llprobe.plots.gather.radar import radar
from llprobe.plots.gather.scale import quants, scale
from llprobe.plots.gather.wish import Wish
from llprobe.plots.shapes import Figure
from llprobe.store import Store

__all__ = ["KINDS", "Wish", "gather", "matrix"]

Gather = Callable[[Store | None, Sequence[str], Wish], Figure]

_GATHERS: Final[Mapping[str, Gather]] = MappingProxyType({
    "curves": curves,
    "heat": heat,
    "radar": radar,
    "scale": scale,
    "quants": quants,
    "items": item_map,
    "trajectory": trajectory,
})  # fmt: skip

KINDS: Final = tuple(_GATHERS)
"""What `gather` knows; a matrix of similarities is made by `matrix`, from states of a model."""


def gather(kind: str, store: Store | None, runs: Sequence[str], wish: Wish) -> Figure:
    """Return one of `KINDS` of `runs`; `store` may be None where all of them are published.

    Raises UnknownName for another kind, UsageError for what these runs cannot show.
    """
    if kind not in _GATHERS:
        raise UnknownName("kind of figure", kind, KINDS)
    return _GATHERS[kind](store, runs, wish)
