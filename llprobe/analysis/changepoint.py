"""One step in a row of means: where it lies, how large it is, whether it is there at all.

The step is fitted by least squares (Hinkley 1970): the mean of what comes before it, and of what
comes after. Whether it is there is asked by putting the bootstrap's noise, which keeps how layers
depend on each other, on a curve that does not change. This module knows rows of numbers only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from llprobe.analysis.rounding import above, argmax_first

__all__ = ["line_is_closer", "p_of_step", "step_column", "step_size"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def _gains(curves: FloatArray) -> FloatArray:
    """Root of the squares that a step before each column 1..k-1 explains: (n_curves, k - 1).

    It is in the unit of the curves, so that rounding is as small in it as in them.
    """
    k = curves.shape[1]
    before = np.arange(1, k)
    centred = curves - curves.mean(axis=1, keepdims=True)
    sums = np.cumsum(centred, axis=1)[:, :-1]
    return np.asarray(np.abs(sums) * np.sqrt(k / (before * (k - before))), np.float64)


def step_column(curves: FloatArray) -> IntArray:
    """Find the first column after the best step of each curve (n_curves, k): (n_curves,)."""
    return np.asarray(argmax_first(_gains(curves)) + 1, np.int64)


def step_size(curve: FloatArray, column: int) -> float:
    """Mean of a curve (k,) from `column` on less its mean before."""
    return float(curve[column:].mean() - curve[:column].mean())


def p_of_step(curve: FloatArray, means: FloatArray) -> float:
    """Probability of a step that explains as much as that of `curve` (k,) where nothing changes.

    `means` (n_resamples, k): the curve's bootstrap, whose deviations from it are the noise.
    """
    observed = _gains(curve[None]).max()
    noise = _gains(means - curve).max(axis=1)
    return float((1 + np.count_nonzero(~above(observed, noise))) / (1 + len(noise)))


def line_is_closer(curve: FloatArray) -> bool:
    """Whether a straight line through `curve` (k,) leaves smaller squares than the best step."""
    x = np.arange(len(curve)) - (len(curve) - 1) / 2
    centred = curve - curve.mean()
    return bool(above(abs(x @ centred) / np.sqrt(x @ x), _gains(curve[None]).max()))
