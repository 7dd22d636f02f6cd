"""Tests of differences against scipy and statsmodels; their power and errors by simulation."""

from functools import cache
from statistics import NormalDist

import numpy as np
import pytest
from optiontables import normal_table
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar as of_statsmodels
from statsmodels.stats.multitest import multipletests

from llprobe.analysis import (
    above_baseline,
    benjamini_hochberg,
    detectable,
    holm,
    items_needed,
    length_bias,
    mcnemar,
    measures,
    sign_flip,
)
from llprobe.errors import UsageError

RNG = np.random.default_rng


# --- two answers to the same items ------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_mcnemar_is_that_of_scipy_and_statsmodels(seed: int) -> None:
    a, b = RNG(seed).random((2, 40)) < [[0.5], [0.3 + 0.08 * seed]]
    wins, losses = int((b & ~a).sum()), int((a & ~b).sum())
    found = mcnemar(a, b)
    assert found == pytest.approx(binomtest(wins, wins + losses).pvalue)
    table = [[int((a & b).sum()), losses], [wins, int((~a & ~b).sum())]]
    assert found == pytest.approx(of_statsmodels(table, exact=True).pvalue)


def test_equal_answers_have_p_1() -> None:
    assert mcnemar([1, 0, 1], [1, 0, 1]) == 1.0
    assert sign_flip(np.zeros((20, 1)), np.arange(20)).tolist() == [1.0]


def test_all_flips_are_tried_where_they_are_few() -> None:
    differences = np.array([[3.0], [1.0], [-1.0], [2.0]])
    # sums of +-3 +-1 +-1 +-2: 5 or more in 3 of 16 ways
    assert sign_flip(differences, np.arange(4), two_sided=False) == pytest.approx([3 / 16])
    assert sign_flip(differences, np.arange(4)) == pytest.approx([6 / 16])
    assert sign_flip(differences, np.array([0, 0, 1, 1])) == pytest.approx([2 / 4])
    assert sign_flip(differences, np.zeros(4, np.int64)) == pytest.approx([1.0])


def test_flips_of_single_answers_come_to_mcnemar() -> None:
    a, b = (RNG(11).random((2, 80)) < [[0.4], [0.55]]).astype(float)
    found = sign_flip((b - a)[:, None], np.arange(80))
    assert found == pytest.approx([mcnemar(a, b)], abs=0.015)


def test_more_clusters_than_are_flipped_say_the_same() -> None:
    differences = RNG(12).normal(0.03, 1, (3000, 1))
    z = differences.mean() / differences.std() * 3000**0.5
    found = sign_flip(differences, np.arange(3000), two_sided=False)
    normal = above_baseline(differences, np.zeros(3000), np.arange(3000))
    assert found == pytest.approx(normal)
    assert found == pytest.approx([1 - NormalDist().cdf(z)], abs=0.02)


# --- above a baseline -------------------------------------------------------------------------


def test_above_chance_is_the_exact_binomial_test() -> None:
    values = (RNG(13).random((90, 4)) < [0.2, 0.25, 0.3, 0.5]).astype(float)
    found = above_baseline(values, np.full(90, 0.25), np.arange(90))
    wanted = [binomtest(int(k), 90, 0.25, alternative="greater").pvalue for k in values.sum(axis=0)]
    assert found == pytest.approx(wanted)


def test_no_hits_are_never_above() -> None:
    assert above_baseline(np.zeros((9, 1)), np.full(9, 0.25), np.arange(9)).tolist() == [1.0]


def test_above_another_choice_is_paired() -> None:
    values = np.array([[1.0]] * 30 + [[0.0]] * 30)
    same = values[:, 0].copy()
    assert above_baseline(values, same, np.arange(60)).tolist() == [1.0]
    fewer = np.where(np.arange(60) < 20, 1.0, 0.0)
    found = above_baseline(values, fewer, np.arange(60))
    assert found == pytest.approx([0.5**10], abs=0.001)


@pytest.mark.parametrize("per_cluster", [1, 8])
def test_false_findings_above_chance_are_rare(per_cluster: int) -> None:
    """Items of a cluster are all right or all wrong: one of four clusters is, by chance."""
    rng, found = RNG(14), 0
    for seed in range(400):
        values = np.repeat(rng.random((25, 1)) < 0.25, per_cluster, axis=0).astype(float)
        clusters = np.repeat(np.arange(25), per_cluster)
        baseline = np.full(len(values), 0.25)
        found += above_baseline(values, baseline, clusters, seed)[0] <= 0.05
    assert 0 < found / 400 <= 0.06


def test_a_liking_for_short_options_is_named() -> None:
    table = normal_table(15, 300, 3)
    logprob = table.logprob * 0.1
    logprob[:, 1] -= table.n_tokens  # the shorter the better
    short = table.n_tokens.astype(float)
    short[table.best] = 5.0
    made = {**vars(table), "n_tokens": short.astype(int)}
    logprob[:, 2] -= made["n_tokens"]
    biased = type(table)(**{**made, "logprob": logprob})
    found = length_bias(biased, measures.metric(biased))
    assert found.below.tolist() == [False, False, True]
    above = type(table)(**{**vars(table), "logprob": logprob})
    above.n_tokens[above.best] = 1  # true options are the shortest ones, with others
    preferred = np.where(above.n_tokens == 1, 1.0, 0.0)[:, None] + above.logprob * 1e-3
    liked = type(table)(**{**vars(above), "logprob": preferred})
    assert length_bias(liked, measures.metric(liked)).explained.tolist() == [True] * 3


# --- many tests -------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 5, 60])
def test_adjusted_p_are_those_of_statsmodels(n: int) -> None:
    p = RNG(n).random(n) ** 4
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


def test_no_tests_need_no_adjustment() -> None:
    assert holm([]).size == benjamini_hochberg([]).size == 0


# --- power ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "rate"), [(60, 0.3), (100, 0.2), (300, 0.1), (1000, 0.4)])
def test_what_is_detectable_is_found_four_times_in_five(n: int, rate: float) -> None:
    difference = detectable(n, rate)
    shares = [(rate + difference) / 2, (rate - difference) / 2, 1 - rate]
    drawn = RNG([n, 1]).multinomial(n, shares, 4000)
    found = [_p(wins, losses) <= 0.05 for wins, losses, _ in drawn.tolist()]
    assert 0.78 <= np.mean(found) <= 0.9


@cache
def _p(wins: int, losses: int) -> float:
    return mcnemar([0] * wins + [1] * losses, [1] * wins + [0] * losses)


def test_items_needed_is_the_reverse() -> None:
    for difference, rate in ((0.05, 0.2), (0.1, 0.1), (0.3, 0.5), (1.0, 1.0)):
        n = items_needed(difference, rate)
        assert detectable(n, rate) <= difference
        assert n == 6 or detectable(n - 1, rate) > difference
        assert n == items_needed(-difference, rate)


def test_few_items_show_nothing() -> None:
    assert detectable(0, 0.5) == detectable(5, 0.5) == 1.0
    with pytest.raises(UsageError, match=r"difference of 0\.0 cannot be shown"):
        items_needed(0.0, 0.2)
