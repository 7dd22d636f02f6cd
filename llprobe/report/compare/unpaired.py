"""Two sets of different items: the difference of their means, with its interval and p.

Newcombe's hybrid of the sets' score intervals (1998, method 10), each of as many items as its
clusters are worth, and the p that goes with it. This module knows values and clusters. It does not
know what they measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.intervals import unpaired_difference

__all__ = ["SEEN", "Unpaired", "unpaired"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SEEN: Final = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
"""Standard errors that a difference must have to be found at 5%, two-sided, four times in five."""


@dataclass(frozen=True, slots=True)
class Unpaired:
    """Means of two independent sets and their difference, all in the metric's unit."""

    a: float
    b: float
    difference: float
    """b - a."""
    low: float | None
    """Lower end of the 95% interval of the difference; None below five clusters on a side."""
    high: float | None
    p: float
    """Two-sided."""
    detectable: float
    """Smallest difference found four times in five, at the 5% level."""


def unpaired(a: FloatArray, b: FloatArray, clusters: tuple[IntArray, IntArray]) -> Unpaired:
    """Compare the means of `a` (n_a,) and `b` (n_b,), whose clusters are (n_a,) and (n_b,)."""
    known = unpaired_difference((a, b), clusters)
    few = bool(np.isnan(known.low[0]))
    return Unpaired(
        float(a.mean()),
        float(b.mean()),
        float(known.mean[0]),
        None if few else float(known.low[0]),
        None if few else float(known.high[0]),
        float(known.p[0]),
        1.0 if few else min(1.0, SEEN * float(known.error[0])),
    )
