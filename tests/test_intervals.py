"""Every interval lies within what is possible, has a width, and is unknown below five clusters."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llprobe.analysis.exits import stability
from llprobe.analysis.intervals import (
    DIFFERENCES,
    SHARES,
    MeanEvidence,
    design_effect,
    effective_n,
    mean_evidence,
    stratified_difference,
    unpaired_difference,
    wilson,
)
from llprobe.analysis.paired import best_against_last, compare
from llprobe.analysis.resample import bootstrap_means
from llprobe.analysis.scale import sizes, trend
from llprobe.report.compare.unpaired import unpaired
from llprobe.report.evidence import mean_interval

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@st.composite
def samples(draw: st.DrawFn) -> tuple[Floats, Ints]:
    """Draw items, often all alike, as many as there may be, and clusters of any sizes."""
    n = draw(st.integers(1, 60))
    kind = st.sampled_from([0.0, 1.0]) if draw(st.booleans()) else st.floats(0, 1)
    alike = draw(st.booleans())
    values = [draw(kind)] * n if alike else draw(st.lists(kind, min_size=n, max_size=n))
    most = draw(st.integers(1, n))
    alone = draw(st.booleans())
    clusters = draw(st.lists(st.integers(1, most), min_size=n, max_size=n))
    return np.array(values), np.arange(n) if alone else np.array(clusters, np.int64)


def shares(one: tuple[Floats, Ints], _: tuple[Floats, Ints]) -> MeanEvidence:
    return mean_evidence(one[0][:, None], one[1])


def differences(one: tuple[Floats, Ints], other: tuple[Floats, Ints]) -> MeanEvidence:
    values = one[0] - np.resize(other[0], len(one[0]))
    return mean_evidence(values[:, None], one[1], DIFFERENCES)


def different(one: tuple[Floats, Ints], other: tuple[Floats, Ints]) -> MeanEvidence:
    return unpaired_difference((one[0], other[0]), (one[1], other[1]))


def stratified(one: tuple[Floats, Ints], other: tuple[Floats, Ints]) -> MeanEvidence:
    strata = range(5)
    fewest = min(len(one[0]), len(other[0]))
    parts = [(one[0][s::5], other[0][s::5]) for s in strata if s < fewest]
    return stratified_difference(parts)


@pytest.mark.parametrize(
    ("method", "bounds"),
    [(shares, SHARES), (differences, DIFFERENCES), (different, DIFFERENCES),
     (stratified, DIFFERENCES)],
)  # fmt: skip
@given(one=samples(), other=samples())
@settings(max_examples=150, deadline=None)
def test_every_interval_is_possible_and_has_a_width(
    method: Callable[..., MeanEvidence],
    bounds: tuple[float, float],
    one: tuple[Floats, Ints],
    other: tuple[Floats, Ints],
) -> None:
    found = method(one, other)
    clusters = [len(np.unique(one[1]))]
    clusters += [len(np.unique(other[1]))] if method is different else []
    if method is not stratified:
        assert np.isnan(found.low[0]) == np.isnan(found.high[0]) == (min(clusters) < 5)
    assert found.error[0] > 0
    assert 0 <= found.p[0] <= 1
    if np.isnan(found.low[0]):
        assert found.p[0] == 1
        return
    assert bounds[0] <= found.low[0] <= found.mean[0] <= found.high[0] <= bounds[1]
    assert found.high[0] - found.low[0] > 1e-6
    middle = sum(bounds) / 2
    excluded = not found.low[0] <= middle <= found.high[0]
    assert excluded == (found.p[0] < 0.05) or found.p[0] == pytest.approx(0.05, abs=1e-6)


# --- results that carry an interval -----------------------------------------------------------

Result = tuple[float | None, float | None, float]
"""Ends, and the largest distance from 0 that is possible."""


def of_shares(one: Floats, _: Floats, clusters: Ints) -> Result:
    _, low, high = mean_interval(one[:, None], clusters)
    return (None, None, 1) if np.isnan(low[0]) else (float(low[0]), float(high[0]), 1)


def of_comparison(one: Floats, other: Floats, clusters: Ints) -> Result:
    found = compare(one, other, clusters)
    return found.low, found.high, 1


def of_best_layer(one: Floats, other: Floats, clusters: Ints) -> Result:
    found = best_against_last(np.stack([one, other, one], axis=1), clusters)
    return found.low, found.high, 1


def of_different_items(one: Floats, other: Floats, clusters: Ints) -> Result:
    found = unpaired(one, other, (clusters, clusters))
    return found.low, found.high, 1


def of_choices(one: Floats, other: Floats, clusters: Ints) -> Result:
    choices = np.stack([one > 0.5, other > 0.5, one > 0.5], axis=1).astype(np.int64)
    found = stability(choices, (1, 2, 3), clusters)
    return found.low, found.high, 1


def of_sizes(one: Floats, other: Floats, clusters: Ints) -> Result:
    values = np.stack([one, other, one, other], axis=1)
    drawn = bootstrap_means(values, clusters, 50)
    known = mean_evidence(values, clusters)
    found = trend(sizes([7, 8, 9, 10], known.mean, samples=drawn, errors=known.error))
    # two models up and two down again: no line through shares is steeper than this
    return (found.low, found.high, 1.2) if len(np.unique(clusters)) >= 5 else (None, None, 1.2)


@pytest.mark.parametrize(
    "result",
    [of_shares, of_comparison, of_best_layer, of_different_items, of_choices, of_sizes],
)
@given(one=samples(), other=samples())
@settings(max_examples=60, deadline=None)
def test_what_is_shown_with_an_interval_has_a_possible_one(
    result: Callable[..., Result], one: tuple[Floats, Ints], other: tuple[Floats, Ints]
) -> None:
    values, clusters = one
    low, high, most = result(values, np.resize(other[0], len(values)), clusters)
    assert (low is None) == (high is None) == (len(np.unique(clusters)) < 5)
    if low is not None and high is not None:
        assert -most <= low < high <= most


@given(sample=samples())
@settings(max_examples=200, deadline=None)
def test_clusters_never_narrow_an_interval(sample: tuple[Floats, Ints]) -> None:
    values, clusters = sample[0][:, None], sample[1]
    alone = mean_evidence(values, np.arange(len(values)))
    together = mean_evidence(values, clusters)
    assert design_effect(values, clusters)[0] >= 1
    assert effective_n(values, clusters)[0] <= effective_n(values, np.arange(len(values)))[0] + 1e-9
    if np.isfinite(together.low[0]):
        assert together.low[0] <= alone.low[0] + 1e-9
        assert together.high[0] >= alone.high[0] - 1e-9


@pytest.mark.parametrize("per_cluster", [1, 8, 32])
@pytest.mark.parametrize("bounds", [SHARES, DIFFERENCES])
def test_one_item_more_moves_an_interval_a_little(
    per_cluster: int, bounds: tuple[float, float]
) -> None:
    values, clusters = np.zeros(448), np.arange(448) // per_cluster
    widths = []
    for right in range(12):
        values[:right] = 1
        found = mean_evidence(values[:, None], clusters, bounds)
        widths.append(float(found.high[0] - found.low[0]))
    steps = np.array(widths[1:]) / widths[:-1]
    assert steps.min() > 0.5
    assert steps.max() < 1.6


def test_independent_answers_have_wilsons_interval() -> None:
    for hits in range(21):
        values = (np.arange(20) < hits)[:, None]
        found = mean_evidence(values, np.arange(20))
        for end, wanted in zip((found.low, found.high), wilson([hits], 20), strict=True):
            assert end == pytest.approx(wanted)
        assert design_effect(values, np.arange(20)) == pytest.approx([1.0])
        assert effective_n(values, np.arange(20)) == pytest.approx([20.0])


def test_copies_of_an_item_count_little_more_than_once() -> None:
    values = (np.random.default_rng(1).random((40, 1)) < 0.3).astype(float)
    copied, clusters = values.repeat(10, axis=0), np.arange(400) // 10
    assert design_effect(copied, clusters)[0] == pytest.approx(10, rel=0.05)
    assert effective_n(copied, clusters)[0] == pytest.approx(40, rel=0.05)


CELLS = [
    (14, 32, 0.1, 0.3), (14, 32, 0.95, 0.3), (14, 7, 0.05, 0.2), (14, 3, 0.02, 0.1),
    (20, 10, 0.05, 0.3), (5, 10, 0.5, 0.3), (40, 5, 0.9, 0.3),
]  # fmt: skip


@pytest.mark.parametrize(("groups", "size", "share", "alike"), CELLS)
def test_intervals_of_alike_answers_hold_the_truth(
    groups: int, size: int, share: float, alike: float
) -> None:
    rng = np.random.default_rng([groups, size])
    of_cluster = rng.beta(
        share * (1 - alike) / alike, (1 - share) * (1 - alike) / alike, (groups, 1000)
    )
    values = (rng.random((groups * size, 1000)) < of_cluster.repeat(size, axis=0)).astype(float)
    found = mean_evidence(values, np.arange(groups * size) // size)
    assert ((found.low <= share) & (share <= found.high)).mean() >= 0.92
