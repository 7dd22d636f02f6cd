"""The bootstrap and Wilson's interval against formulas, statsmodels and simulation."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from llprobe.analysis import bootstrap_means, coverage, expanded, interval, wilson
from llprobe.analysis.resample import cluster_sums

RNG = np.random.default_rng


# --- bootstrap --------------------------------------------------------------------------------


def test_the_interval_of_a_mean_is_the_analytic_one() -> None:
    values = RNG(1).normal(3, 2, (400, 2))
    drawn = bootstrap_means(values, np.arange(400), n_resamples=20_000)
    low, high = interval(drawn)
    half = 1.96 * values.std(axis=0) / 20
    assert drawn.mean(axis=0) == pytest.approx(values.mean(axis=0), abs=0.01)
    assert values.mean(axis=0) - low == pytest.approx(half, rel=0.04)
    assert high - values.mean(axis=0) == pytest.approx(half, rel=0.04)


def test_layers_stay_correlated_as_they_are() -> None:
    values = RNG(2).multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 500)
    drawn = bootstrap_means(values, np.arange(500))
    assert np.corrcoef(drawn.T) == pytest.approx(np.asarray(np.corrcoef(values.T)), abs=0.04)


def test_whole_clusters_are_drawn() -> None:
    """Items of a cluster that are all alike are worth one item."""
    of_cluster = RNG(3).normal(size=(60, 1))
    many = np.repeat(of_cluster, 10, axis=0)
    drawn = bootstrap_means(many, np.repeat(np.arange(60), 10) * 7 - 5)
    alone = bootstrap_means(of_cluster, np.arange(60))
    assert drawn == pytest.approx(alone)  # the same seed draws the same clusters
    naive = bootstrap_means(many, np.arange(600))
    assert drawn.std() / naive.std() == pytest.approx(10**0.5, rel=0.06)


def test_clusters_of_different_sizes_give_the_mean_over_items() -> None:
    values, clusters = np.array([[1.0], [1.0], [1.0], [0.0]]), np.array([0, 0, 0, 1])
    drawn = bootstrap_means(values, clusters, n_resamples=4000)[:, 0]
    shares = {value: float((drawn == value).mean()) for value in (0.0, 0.75, 1.0)}
    assert shares == pytest.approx({0.0: 0.25, 0.75: 0.5, 1.0: 0.25}, abs=0.03)


def test_random_groups_keep_mean_and_spread() -> None:
    values = RNG(4).normal(size=(3000, 3))
    whole = bootstrap_means(values, np.arange(3000))
    sums, sizes = cluster_sums(values, np.arange(3000), most_units=700)
    assert sums.shape == (700, 3)
    assert sums.sum(axis=0) == pytest.approx(values.sum(axis=0))
    assert set(sizes.tolist()) == {4.0, 5.0}
    spread = sums.std(axis=0) * 700**0.5 / 3000
    assert spread == pytest.approx(whole.std(axis=0), rel=0.1)


def test_more_clusters_than_are_drawn_give_the_same_spread() -> None:
    values = RNG(5).normal(size=(20_000, 2))
    drawn = bootstrap_means(values, np.arange(20_000))
    assert drawn.shape == (2000, 2)
    assert drawn.std(axis=0) == pytest.approx(values.std(axis=0) / 20_000**0.5, rel=0.06)


def test_a_seed_draws_the_same_whatever_the_values_are() -> None:
    values, clusters = RNG(6).normal(size=(30, 2)), np.arange(30)
    both = bootstrap_means(values, clusters, 50, seed=3)
    assert bootstrap_means(values[:, 1:], clusters, 50, seed=3) == pytest.approx(both[:, 1:])
    assert bootstrap_means(values, clusters, 50, seed=4) != pytest.approx(both)


def test_one_cluster_is_a_point() -> None:
    drawn = bootstrap_means(np.array([[0.0], [1.0]]), np.zeros(2, np.int64), 10)
    assert (expanded(drawn, np.array([0.5]), 1) == 0.5).all()


@pytest.mark.parametrize("n", [6, 20])
def test_expanded_intervals_of_few_items_cover_the_mean(n: int) -> None:
    covered = {"expanded": 0, "plain": 0}
    for seed in range(600):
        values = RNG([7, seed]).normal(size=(n, 1))
        drawn = bootstrap_means(values, np.arange(n), 400, seed)
        wider = expanded(drawn, values.mean(axis=0), n)
        for name, samples in (("expanded", wider), ("plain", drawn)):
            low, high = interval(samples)
            covered[name] += bool(low[0] <= 0 <= high[0])
    assert covered["expanded"] / 600 == pytest.approx(0.95, abs=0.025)
    assert covered["plain"] < covered["expanded"]


# --- Wilson -----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_is_that_of_statsmodels(level: float) -> None:
    for n in (1, 7, 30, 1000):
        hits = np.arange(n + 1)
        found = wilson(hits, n, level)
        wanted = proportion_confint(hits, n, alpha=1 - level, method="wilson")
        assert np.array(found) == pytest.approx(np.array(wanted), abs=1e-12)
        assert (found[0] <= hits / n).all()
        assert (hits / n <= found[1]).all()


def test_coverage_is_exact() -> None:
    assert coverage(30, 0.1) == pytest.approx(0.974, abs=5e-4)
    assert coverage(10, 0.0) == coverage(10, 1.0) == 1.0
    assert coverage(1, 0.5) == 1.0


@pytest.mark.parametrize("n", [30, 100, 500])
@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
def test_coverage_is_what_simulation_finds(n: int, p: float) -> None:
    hits = RNG([n, int(100 * p)]).binomial(n, p, 20_000)
    low, high = wilson(hits, n)
    assert ((low <= p) & (p <= high)).mean() == pytest.approx(coverage(n, p), abs=0.006)
