"""Comparing means that were computed: what differs by rounding alone is equal.

The same items summed in another order differ by 1e-16. Taken for an order of layers, such a
difference is a step, a rise or a best layer where there is none.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["EPSILON", "above", "argmax_first", "at_least", "differs", "highest"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

EPSILON: Final = 1e-9
"""Means of values in [0, 1] that lie closer than this are equal: a millionth of what one of a
thousand items changes, and a million times what rounding does."""


def differs(a: npt.ArrayLike, b: npt.ArrayLike) -> BoolArray:
    """Compare means by more than rounding: where `a` is not `b`, in their common shape."""
    return np.asarray(np.abs(np.asarray(a) - np.asarray(b)) > EPSILON, np.bool_)


def above(a: npt.ArrayLike, b: npt.ArrayLike) -> BoolArray:
    """Compare means by more than rounding: where `a` is higher than `b`."""
    return np.asarray(np.asarray(a) - np.asarray(b) > EPSILON, np.bool_)


def at_least(a: npt.ArrayLike, b: npt.ArrayLike) -> BoolArray:
    """Compare means but for rounding: where `a` is as high as `b` or higher."""
    return np.asarray(np.asarray(a) - np.asarray(b) >= -EPSILON, np.bool_)


def highest(values: npt.ArrayLike) -> BoolArray:
    """Mark all highest of `values` (..., k) along the last axis; one equal to rounding counts."""
    found = np.asarray(values, np.float64)
    return at_least(found, found.max(axis=-1, keepdims=True))


def argmax_first(values: npt.ArrayLike) -> IntArray:
    """Return the first of the highest of `values` (..., k) along the last axis: (...,)."""
    return np.asarray(highest(values).argmax(axis=-1), np.int64)
