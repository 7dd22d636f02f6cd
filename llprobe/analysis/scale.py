"""Accuracy against size: a trend, a threshold, and which size to run next.

Sizes are log10 of the number of parameters, or bits per weight. All models answer the same items,
so their errors belong together: they are given as paired bootstrap samples where possible. A
threshold is one step; it is tried against a straight line. This module knows numbers only, not
models or quants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from llprobe.analysis.rounding import argmax_first
from llprobe.analysis.steps import (
    MARGIN,
    Designs,
    fit,
    gap_weights,
    p_of_fit,
    p_of_line,
    power_of_step,
)
from llprobe.errors import UsageError

__all__ = [
    "ENOUGH",
    "NextSize",
    "Sizes",
    "Threshold",
    "Trend",
    "Verdict",
    "next_size",
    "sizes",
    "threshold",
    "trend",
]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Verdict = Literal["threshold", "straight line", "cannot tell"]

ENOUGH: Final = 6
"""Different sizes below which a step cannot be told from a straight line."""
_LEVEL: Final = 0.05
_POWER: Final = 0.8
_MOST: Final = 24
"""Most sizes that are tried when asked how many would be enough."""


@dataclass(frozen=True)
class Sizes:
    """Accuracies of models of different size on the same items, by rising size."""

    x: FloatArray
    """(n_models,) log10 parameters, or bits per weight."""
    accuracy: FloatArray
    """(n_models,) in [0, 1]."""
    covariance: FloatArray
    """(n_models, n_models) of the accuracies' errors from drawing items."""
    n_left_out: int
    """Models left out, as quants above their source are."""

    @property
    def n_sizes(self) -> int:
        """Number of different sizes."""
        return len(np.unique(self.x))


@dataclass(frozen=True)
class Trend:
    """Straight line through accuracy against size."""

    slope: float | None
    """Accuracy gained per unit of size: per factor of ten in parameters, or per bit."""
    low: float | None
    """Lower end of its 95% interval."""
    high: float | None
    """Upper end of its 95% interval."""
    note: str
    """Why there is no slope or no interval; may be empty."""


@dataclass(frozen=True)
class Threshold:
    """Whether accuracy goes up in one step, or along a straight line."""

    verdict: Verdict
    """What the data say."""
    between: tuple[float, float] | None
    """The neighbouring sizes between which the best step lies, None where none can be fitted."""
    step: float | None
    """Mean accuracy after that step less that before it."""
    p: float | None
    """Probability, on a straight line, of a step that fits as much better; None if not tested."""
    power: float | None
    """Probability that a step as large as the whole rise would have been found."""
    needed: int | None
    """Sizes, evenly spaced over the same range, that would be enough; None where not known."""
    note: str
    """The verdict in words."""


@dataclass(frozen=True)
class NextSize:
    """The size to run next: the middle of the gap in which most may happen unseen."""

    between: tuple[float, float]
    """The neighbouring sizes of the gap."""
    size: float
    """Its middle, in the units of `Sizes.x`."""
    share: float
    """How likely the step is to lie in this gap, among all gaps."""


def sizes(
    x: Sequence[float] | FloatArray,
    accuracy: Sequence[float] | FloatArray,
    n_items: int | Sequence[int] | None = None,
    samples: FloatArray | None = None,
    errors: FloatArray | None = None,
    left_out: Sequence[bool] | BoolArray | None = None,
) -> Sizes:
    """Put models (n_models,) in order of size, with the errors of their accuracies.

    `samples` (n_resamples, n_models): paired bootstrap means of the same items; without them each
    model is taken to have its own `n_items`, with errors as for a share to which two right and two
    wrong answers are added (Agresti & Coull 1998). `errors` (n_models,): standard errors that the
    samples' are not below, which show none where all answers agree. `left_out`: models not to look
    at, as quants above their source. Raises UsageError where numbers do not fit together.
    """
    at, found = np.asarray(x, np.float64), np.asarray(accuracy, np.float64)
    keep = ~np.asarray(left_out if left_out is not None else np.zeros(len(at)), np.bool_)
    if not at.shape == found.shape == keep.shape:
        raise UsageError(f"{at.size} sizes and {found.size} accuracies: give one for each model")
    order = np.flatnonzero(keep)[np.argsort(at[keep], kind="stable")]
    covariance = _covariance(found, n_items, samples)
    if errors is not None:
        missing = np.maximum(np.asarray(errors) ** 2 - np.diag(covariance), 0)
        covariance = covariance + np.diag(missing)
    covariance = covariance[np.ix_(order, order)]
    return Sizes(at[order], found[order], covariance, int((~keep).sum()))


def _covariance(
    accuracy: FloatArray, n_items: int | Sequence[int] | None, samples: FloatArray | None
) -> FloatArray:
    if samples is not None:
        found = np.atleast_2d(np.cov(samples, rowvar=False))
    elif n_items is not None:
        n = np.broadcast_to(np.asarray(n_items, np.float64), accuracy.shape) + 4
        share = (accuracy * (n - 4) + 2) / n
        found = np.diag(share * (1 - share) / n)
    else:
        raise UsageError("errors of accuracies are not known: give n_items or samples")
    if found.shape != (len(accuracy), len(accuracy)):
        raise UsageError(f"samples of {len(found)} models for {len(accuracy)}: give one for each")
    return np.asarray(found, np.float64)


def trend(data: Sizes) -> Trend:
    """Fit a straight line by least squares, each model weighted by its error.

    The interval is that of the errors from items or of the scatter about the line, whichever is
    wider (Birge 1932), with Student's t of n_models - 2 degrees of freedom; it is no steeper
    than from none right to all right.
    """
    if data.n_sizes < 2:
        return Trend(None, None, None, f"too few: {data.n_sizes} sizes, 2 are needed")
    weights = 1 / np.maximum(np.diag(data.covariance), 1e-12)
    centred = data.x - np.average(data.x, weights=weights)
    pull = weights * centred / (weights @ centred**2)
    slope, free = float(pull @ data.accuracy), len(data.x) - 2
    if free < 1:
        return Trend(slope, None, None, "no interval: two models lie on a line in any case")
    from_items = float(pull @ data.covariance @ pull)
    variance = max(from_items, _scatter(data, slope, weights, free))
    wide = variance**0.5 * _student(free)
    # accuracy lies in [0, 1] at all sizes
    most = max(1 / float(np.ptp(data.x)), abs(slope))
    return Trend(slope, max(slope - wide, -most), min(slope + wide, most), "")


def _scatter(data: Sizes, slope: float, weights: FloatArray, free: int) -> float:
    """Variance of the slope from how far models lie off the line."""
    centred = data.x - np.average(data.x, weights=weights)
    off = data.accuracy - np.average(data.accuracy, weights=weights) - slope * centred
    return float(weights @ off**2 / free / (weights @ centred**2))


def _student(free: int) -> float:
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import, not needed by --help

    return float(stdtrit(free, 1 - _LEVEL / 2))


def threshold(data: Sizes, n_resamples: int = 2000, seed: int = 0) -> Threshold:
    """Try one step between two sizes against a straight line.

    Statistic: the ratio of the likelihoods of the best step and of the line; its distribution on a
    straight line by parametric bootstrap (Cox 1961; Efron & Tibshirani 1993, chapter 6). A step
    needs two models on either side: one that lies off is no threshold. The line is said to do only
    where models lie no further from it than their errors let them (chi-square, 5%), and a step as
    large as the whole rise would have been found with 80% power.
    """
    if data.n_sizes < 2 * MARGIN:
        return _cannot(data, None, None, None, None, ENOUGH, _too_few(data))
    designs = Designs.of(data.x, data.covariance)
    best = fit(designs, data.accuracy)
    between = (float(data.x[best.split - 1]), float(data.x[best.split]))
    if data.n_sizes < ENOUGH:
        return _cannot(data, between, best.step, None, None, ENOUGH, _too_few(data))
    p = p_of_line(designs, data.accuracy, n_resamples, seed)
    if p <= _LEVEL:
        note = f"a threshold between {between[0]:.3g} and {between[1]:.3g}: {best.step:+.3f}"
        return Threshold("threshold", between, best.step, p, None, None, note)
    if p_of_fit(designs, data.accuracy) <= _LEVEL:
        why = "models lie off a straight line, but not as in one step; run a size between"
        return _cannot(data, between, best.step, p, None, None, why)
    power = power_of_step(designs, data.accuracy, n_resamples, seed)
    if power < _POWER:
        return _cannot(data, between, best.step, p, power, *_wanting(data, power, seed))
    note = "a straight line suffices"
    return Threshold("straight line", between, best.step, p, power, None, note)


def _cannot(
    data: Sizes,
    between: tuple[float, float] | None,
    step: float | None,
    p: float | None,
    power: float | None,
    needed: int | None,
    why: str,
) -> Threshold:
    left = f" ({data.n_left_out} left out)" if data.n_left_out else ""
    note = f"these data cannot tell: {why}{left}"
    return Threshold("cannot tell", between, step, p, power, needed, note)


def _too_few(data: Sizes) -> str:
    return f"{data.n_sizes} size{'s' * (data.n_sizes != 1)}, at least {ENOUGH} are needed"


def _wanting(data: Sizes, power: float, seed: int) -> tuple[int | None, str]:
    """How many sizes would be enough, and why these are not."""
    seen = f"a step as large as the whole rise would be found in {power:.0%} of cases"
    for n in range(data.n_sizes + 2, _MOST + 1, 2):
        x = np.linspace(data.x[0], data.x[-1], n)
        curve = np.interp(x, data.x, data.accuracy)
        spread = np.diag(np.interp(x, data.x, np.diag(data.covariance)))
        if power_of_step(Designs.of(x, spread), curve, 200, seed) >= _POWER:
            return n, f"{seen}, about {n} sizes are needed"
    return None, f"{seen}, more items or a larger range of sizes are needed"


def next_size(data: Sizes) -> NextSize | None:
    """Say which size to run next, None below two sizes.

    Each gap counts by its width times how likely the step lies in it (by the step's likelihood,
    one model on a side being enough here); the middle of the first among equals is next.
    """
    if data.n_sizes < 2:
        return None
    weights = gap_weights(Designs.of(data.x, data.covariance, margin=1), data.accuracy)
    gaps = np.flatnonzero(np.diff(data.x) > 0)
    chosen = int(gaps[argmax_first(weights * np.diff(data.x)[gaps])])
    low, high = float(data.x[chosen]), float(data.x[chosen + 1])
    share = float(weights[int(np.searchsorted(gaps, chosen))])
    return NextSize((low, high), (low + high) / 2, share)
