"""One step or a straight line: both fitted to a few points whose errors are known.

Points are first made independent and of equal error with the Cholesky factor of their covariance
(generalised least squares: Aitken 1936). Beyond these errors points may scatter: the variance is
estimated where it is larger than known. This module knows points and errors only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from llprobe.analysis.rounding import argmax_first, at_least

__all__ = [
    "MARGIN",
    "Designs",
    "Fit",
    "fit",
    "gap_weights",
    "p_of_fit",
    "p_of_line",
    "power_of_step",
]

FloatArray = npt.NDArray[np.float64]

MARGIN: Final = 2
"""Points that a step needs on either side."""
_LEVEL: Final = 0.05


@dataclass(frozen=True)
class Designs:
    """Straight line and every step over the same points, ready to be fitted to many curves."""

    x: FloatArray
    """(n,) in rising order."""
    factor: FloatArray
    """(n, n) Cholesky factor of the errors' covariance."""
    splits: tuple[int, ...]
    """First point after each step that is tried."""
    left_by_line: FloatArray
    """(n, n) from a whitened curve to what the line leaves of it."""
    left_by_step: FloatArray
    """(n_splits, n, n) from a whitened curve to what each step leaves of it."""

    @classmethod
    def of(cls, x: FloatArray, covariance: FloatArray, margin: int = MARGIN) -> Designs:
        """Prepare points `x` (n,) in rising order with the `covariance` (n, n) of their errors."""
        n = len(x)
        # models with the same answers have a singular covariance
        ridge = np.eye(n) * max(float(np.trace(covariance)) / n * 0.01, 1e-12)
        factor = np.asarray(np.linalg.cholesky(covariance + ridge), np.float64)
        tried = range(margin, n - margin + 1)
        splits = tuple(s for s in tried if x[s] > x[s - 1])
        ones = np.ones(n)
        line = _left(factor, np.stack([ones, x], axis=1))
        after = [np.stack([ones, np.arange(n) >= s], axis=1) for s in splits]
        steps = np.stack([_left(factor, design) for design in after])
        return cls(x, factor, splits, line, steps)

    def whitened(self, curves: FloatArray) -> FloatArray:
        """Make curves (m, n) such that errors are independent and 1: (m, n)."""
        return np.asarray(np.linalg.solve(self.factor, curves.T).T, np.float64)


@dataclass(frozen=True)
class Fit:
    """The best step."""

    split: int
    """First point after it."""
    step: float
    """Mean of the points after it less that of the points before it."""


def _left(factor: FloatArray, design: FloatArray) -> FloatArray:
    """Projection on what a design (n, k) cannot explain."""
    basis, _ = np.linalg.qr(np.linalg.solve(factor, design))
    return np.asarray(np.eye(len(factor)) - basis @ basis.T, np.float64)


def _squares(designs: Designs, curves: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Squares left of curves (m, n) by the line (m,), and by every step (m, n_splits)."""
    white = designs.whitened(curves)
    line = ((white @ designs.left_by_line) ** 2).sum(axis=1)
    steps = ((white @ designs.left_by_step) ** 2).sum(axis=2).T
    return np.asarray(line), np.asarray(steps)


def _misfit(squares: FloatArray, n: int) -> FloatArray:
    """Twice the negative log-likelihood; the variance is the known one, 1, or larger."""
    variance = np.maximum(squares / n, 1)
    return np.asarray(squares / variance + n * np.log(variance), np.float64)


def _gain(designs: Designs, curves: FloatArray) -> FloatArray:
    """Twice the log of the ratio of likelihoods, best step over line, of curves (m, n): (m,)."""
    line, steps = _squares(designs, curves)
    n = len(designs.x)
    return np.asarray(_misfit(line, n) - _misfit(steps.min(axis=1), n), np.float64)


def fit(designs: Designs, curve: FloatArray) -> Fit:
    """Fit the best step to a curve (n,)."""
    _, steps = _squares(designs, curve[None])
    split = designs.splits[int(argmax_first(-steps[0]))]
    return Fit(split, float(curve[split:].mean() - curve[:split].mean()))


def _simulated(
    designs: Designs, centre: FloatArray, variance: float, n_resamples: int, seed: int
) -> FloatArray:
    """Curves about `centre` (n,) with the known errors, times a variance: (n_resamples, n)."""
    noise = np.random.default_rng(seed).standard_normal((n_resamples, len(centre)))
    return np.asarray(centre + np.sqrt(variance) * noise @ designs.factor.T, np.float64)


def _line(designs: Designs, curve: FloatArray) -> tuple[FloatArray, float]:
    """The fitted line (n,), and the variance about it in units of the known one, at least 1."""
    white = designs.whitened(curve[None])[0]
    left = designs.left_by_line @ white
    fitted = curve - designs.factor @ left
    return fitted, max(float(left @ left) / (len(curve) - 2), 1.0)


def p_of_line(designs: Designs, curve: FloatArray, n_resamples: int, seed: int) -> float:
    """Probability of a step's gain as large as that of `curve` (n,) where the line holds."""
    fitted, variance = _line(designs, curve)
    drawn = _simulated(designs, fitted, variance, n_resamples, seed)
    reached = int(at_least(_gain(designs, drawn), _gain(designs, curve[None])[0]).sum())
    return (1 + reached) / (1 + n_resamples)


def p_of_fit(designs: Designs, curve: FloatArray) -> float:
    """Probability that models on a line lie as far off it as those of `curve` (n,), n > 2."""
    from scipy.special import chdtrc  # noqa: PLC0415 - slow to import, not needed by --help

    line, _ = _squares(designs, curve[None])
    return float(chdtrc(len(curve) - 2, line[0]))


def power_of_step(designs: Designs, curve: FloatArray, n_resamples: int, seed: int) -> float:
    """Probability that a step in the middle, as large as the line's whole rise, is found.

    The bar is the gain that 5% of curves on the line itself reach; scatter is that about the line.
    """
    fitted, variance = _line(designs, curve)
    on_line = _gain(designs, _simulated(designs, fitted, variance, n_resamples, seed))
    middle = (designs.x[0] + designs.x[-1]) / 2
    step = np.where(designs.x < middle, fitted[0], fitted[-1])
    on_step = _gain(designs, _simulated(designs, step, variance, n_resamples, seed + 1))
    return float((on_step > np.quantile(on_line, 1 - _LEVEL)).mean())


def gap_weights(designs: Designs, curve: FloatArray) -> FloatArray:
    """How likely the step lies before each of the splits, given that there is one: (n_splits,)."""
    _, steps = _squares(designs, curve[None])
    misfit = _misfit(steps[0], len(curve))
    weights = np.exp(-(misfit - misfit.min()) / 2)
    return np.asarray(weights / weights.sum(), np.float64)
