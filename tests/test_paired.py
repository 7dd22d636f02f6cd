"""Comparisons of paired items: what they hold, and how often they are wrong, by simulation."""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest

from llprobe.analysis import (
    Comparison,
    best_against_last,
    compare,
    detectable,
    mcnemar,
    wilson,
)
from llprobe.errors import UsageError

RNG = np.random.default_rng
Floats = npt.NDArray[np.float64]


def layers(seed: int, n: int, shares: Floats, per_cluster: int = 1, common: float = 0.7) -> Floats:
    """Draw right and wrong answers, alike over layers and, a little less, within clusters."""
    rng = RNG([41, seed])
    shared = rng.normal(size=(n // per_cluster, 1)).repeat(per_cluster, axis=0)
    own = rng.normal(size=(n, 1))
    of_item = shared if per_cluster == 1 else (shared + own) / 2**0.5
    noise = rng.normal(size=(n, len(shares)))
    bars = np.array([NormalDist().inv_cdf(1 - share) for share in shares.tolist()])
    drawn = common**0.5 * of_item + (1 - common) ** 0.5 * noise
    return np.asarray(drawn > bars, np.float64)


def holds(found: Comparison, truth: float) -> bool:
    assert found.low is not None
    assert found.high is not None
    return found.low <= truth <= found.high


# --- two --------------------------------------------------------------------------------------


def test_a_comparison_holds_what_the_items_say() -> None:
    a, b = layers(1, 120, np.array([0.4, 0.6])).T
    found = compare(a, b, np.arange(120))
    assert (found.n_items, found.n_clusters) == (120, 120)
    assert (found.a, found.b) == (a.mean(), b.mean())
    assert found.difference == pytest.approx(b.mean() - a.mean())
    assert (found.wins, found.losses) == (int((b > a).sum()), int((b < a).sum()))
    assert found.p == pytest.approx(mcnemar(a, b), abs=0.01)
    half = 1.98 * (b - a).std(ddof=1) / 120**0.5
    assert found.difference - found.low == pytest.approx(half, rel=0.12)
    assert found.high - found.difference == pytest.approx(half, rel=0.12)
    rate = (found.wins + found.losses) / 120
    assert found.detectable == pytest.approx(detectable(120, rate), rel=0.03)


def test_the_other_way_round_is_the_same() -> None:
    a, b = layers(2, 60, np.array([0.4, 0.5])).T
    one, other = compare(a, b, np.arange(60)), compare(b, a, np.arange(60))
    assert one.difference == -other.difference
    assert one.p == pytest.approx(other.p)
    assert one.detectable == other.detectable
    assert (one.wins, one.losses) == (other.losses, other.wins)


def test_shares_are_compared_too() -> None:
    a = RNG(3).random(50)
    found = compare(a, np.minimum(a + 0.1, 1), np.arange(50))
    assert found.p < 0.001
    assert found.low is not None
    assert found.low > 0
    assert found.wins == 50


def test_what_is_equal_does_not_promise_to_show_the_smallest_difference() -> None:
    found = compare(np.ones(20), np.ones(20), np.arange(20))
    assert (found.difference, found.p) == (0, 1)
    assert found.low is not None
    assert found.low == pytest.approx(-wilson(0, 20)[1], rel=0.2)
    assert found.high == pytest.approx(-found.low)
    assert found.detectable > 0.3


def test_alike_items_show_less() -> None:
    a, b = (each.repeat(10) for each in layers(4, 30, np.array([0.4, 0.6])).T)
    alone = compare(a[::10], b[::10], np.arange(30))
    together = compare(a, b, np.arange(300) // 10)
    assert (together.n_items, together.n_clusters) == (300, 30)
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high), abs=0.02)
    assert together.p == pytest.approx(alone.p, abs=0.05)
    assert together.detectable == pytest.approx(alone.detectable, rel=0.1)
    assert compare(a, b, np.arange(300)).p < together.p / 10


@pytest.mark.parametrize(("n", "per_cluster"), [(40, 1), (120, 1), (120, 10), (160, 8)])
def test_differences_that_are_not_there_are_seldom_found(n: int, per_cluster: int) -> None:
    wrong = covered = 0
    clusters = np.arange(n) // per_cluster
    for seed in range(400):
        a = layers(2 * seed, n, np.array([0.4]), per_cluster)[:, 0]
        b = layers(2 * seed + 1, n, np.array([0.4]), per_cluster)[:, 0]
        found = compare(a, b, clusters)
        wrong += found.p <= 0.05
        covered += holds(found, 0)
    assert wrong / 400 <= 0.05 + 0.02  # two standard errors of the simulation
    assert covered / 400 >= 0.95 - 0.025


def test_without_clusters_alike_items_would_be_found_to_differ() -> None:
    wrong = 0
    for seed in range(200):
        a = layers(2 * seed, 120, np.array([0.4]), 10, common=0.95)[:, 0]
        b = layers(2 * seed + 1, 120, np.array([0.4]), 10, common=0.95)[:, 0]
        wrong += compare(a, b, np.arange(120)).p <= 0.05
    assert wrong / 200 > 0.1


@pytest.mark.parametrize(("a", "b"), [([], []), ([1, 0], [1])])
def test_what_cannot_be_paired_is_refused(a: list[int], b: list[int]) -> None:
    with pytest.raises(UsageError, match="cannot be paired"):
        compare(np.array(a), np.array(b), np.arange(len(a)))


# --- the best layer ---------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "per_cluster"), [(60, 1), (200, 10)])
def test_layers_that_are_equally_good_are_found_to_be(n: int, per_cluster: int) -> None:
    covered = wrong = 0
    corrected, plain = [], []
    for seed in range(200):
        values = layers(seed, n, np.full(12, 0.4), per_cluster)
        found = best_against_last(values, np.arange(n) // per_cluster, seed)
        covered += holds(found, 0)
        wrong += found.p <= 0.05
        corrected.append(found.difference)
        plain.append(found.b - found.a)
    assert covered / 200 >= 0.95 - 0.03
    assert wrong / 200 <= 0.05 + 0.03
    assert abs(np.mean(corrected)) < 0.5 * np.mean(plain)


def test_a_layer_that_is_better_is_found() -> None:
    shares = np.array([0.2, 0.3, 0.4, 0.7, 0.45, 0.4])
    covered, found = (
        0,
        [best_against_last(layers(i, 150, shares), np.arange(150), i) for i in range(60)],
    )
    for each in found:
        covered += holds(each, shares[each.best] - 0.4)
    assert covered / 60 >= 0.9
    assert {each.best for each in found} == {3}
    assert max(each.p for each in found) <= 0.05
    assert np.mean([each.difference for each in found]) == pytest.approx(0.3, abs=0.02)
    # what is as good as the last layer may have been the lucky one; what lies below it may not
    assert all({3, 5} <= {*each.in_play} for each in found)
    assert sum(0 in each.in_play for each in found) == 0


def test_the_last_layer_may_be_the_best() -> None:
    values = layers(5, 200, np.array([0.2, 0.3, 0.6]))
    found = best_against_last(values, np.arange(200))
    assert (found.best, found.a) == (2, found.b)
    assert found.difference == pytest.approx(0, abs=1e-9)
    assert (found.in_play, found.p) == ((2,), 1.0)


def test_one_layer_is_its_own_best() -> None:
    found = best_against_last(np.array([[1.0], [0.0], [1.0]]), np.arange(3))
    assert (found.best, found.difference, found.p) == (0, 0.0, 1.0)


def test_too_few_clusters_promise_nothing() -> None:
    # 500 items of one template: no way of flipping signs is rare, whatever is planted
    a, b = layers(3, 500, np.array([0.5, 0.5])).T
    for n_clusters, seen in ((1, False), (5, False), (6, True), (50, True)):
        found = compare(a, b, np.arange(500) % n_clusters)
        assert (found.detectable < 1) == seen


def test_where_nothing_differs_a_cluster_counts_as_one_item() -> None:
    same = np.ones(200)
    alike = compare(same, same, np.arange(200) // 10)
    assert alike.detectable == compare(same[:20], same[:20], np.arange(20)).detectable
