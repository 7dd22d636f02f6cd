"""Wrong results close to a right one, which nothing but the arithmetic gives away.

Every wrong result has the sign of the right one and as many characters, and the right one is as
likely the smallest of all as the second smallest, and so on, wherever its size allows that.
"""

from __future__ import annotations

from decimal import Decimal

from .draw import Draw
from .expressions import EXACT, show

__all__ = ["STEPS", "near_misses"]

STEPS = 20
"""How many steps a wrong result is away at most; a step is 1, 0.1 or 0.01."""


def near_misses(draw: Draw, right: Decimal, kind: str, count: int = 3) -> list[str]:
    """Return `count` different wrong results beside `right`, as they are written.

    An int is off by 1 to STEPS. A float is off by 1 to STEPS tenths or, if it has two decimals,
    hundredths; one question uses one of them, or the digit that most options share would tell.
    """
    step = _step(draw, show(right, kind), kind)
    below, above = _reachable(right, step, -1, kind), _reachable(right, step, 1, kind)
    lower = draw.whole(max(0, count - len(above)), min(count, len(below)))
    return draw.some(below, lower) + draw.some(above, count - lower)


def _step(draw: Draw, shown: str, kind: str) -> Decimal:
    if kind == "int":
        return Decimal(1)
    two_places = shown[-3] == "."
    return draw.one((Decimal("0.1"), Decimal("0.01"))) if two_places else Decimal("0.1")


def _reachable(right: Decimal, step: Decimal, direction: int, kind: str) -> list[str]:
    """Return the results within STEPS steps that are written like the right one."""
    wanted = _shape(show(right, kind))
    moves = (EXACT.multiply(step, Decimal(direction * times)) for times in range(1, STEPS + 1))
    shown = (show(EXACT.add(right, move), kind) for move in moves)
    return [text for text in shown if _shape(text) == wanted]


def _shape(text: str) -> tuple[int, bool]:
    """Return what may not tell the options apart: the number of characters and the sign."""
    return len(text), text.startswith("-")
