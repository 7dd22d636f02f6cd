"""Tests that a table holds more than once: at the last layer the lenses norm and paper are one.

They are told by their values, item by item, and count once where p values are adjusted. This module
knows values and p values. It does not know what was compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.significance import holm
from llprobe.report.pairing import FEATURES, Side, feature

__all__ = ["adjusted_once", "mark", "repeated", "sentence"]

FloatArray = npt.NDArray[np.float64]

_TELLING: Final = tuple(name for name in FEATURES if name != "lens")


def mark(sides: Sequence[Side], values: Sequence[FloatArray]) -> str:
    """Return what a test shares with another one only where they are the same test.

    That is: the same task, models and ways of asking, whatever the lenses; the same items, and for
    each side the same `values` (n_items,) or (n_items, n_layers).
    """
    found = sha256()
    for side, of in zip(sides, values, strict=True):
        told = [side.cell.task, side.label, *(feature(side.cell, name) for name in _TELLING)]
        found.update("\0".join([*told, *side.table.ids]).encode())
        found.update(np.ascontiguousarray(of).tobytes())
    return found.hexdigest()


def repeated(marks: Sequence[str]) -> list[bool]:
    """Say of each mark whether it stands before already."""
    first: dict[str, int] = {}
    return [first.setdefault(name, n) < n for n, name in enumerate(marks)]


def adjusted_once(
    p: Sequence[float],
    marks: Sequence[str],
    how: Callable[[FloatArray], FloatArray] = holm,
) -> list[float]:
    """Adjust p values (k,), those of one mark counting as one test; `how` adjusts (n_tests,)."""
    once = dict(zip(marks, p, strict=True))
    values = how(np.array(list(once.values()), np.float64)).tolist()
    found = dict(zip(once, values, strict=True))
    return [found[name] for name in marks]


def sentence(n_repeats: int) -> str:
    """Say how many rows of a table are not tests of their own; empty for none."""
    if not n_repeats:
        return ""
    many = n_repeats > 1
    return (
        f"{n_repeats} row{'s' * many} repeat{'s' * (not many)} another one value by value, as the "
        f"last layer of the lenses norm and paper does: such rows count once in the adjustment."
    )
