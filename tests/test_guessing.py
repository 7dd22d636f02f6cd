"""Guessing is neither above chance nor below it, and equal layers may all be the best one.

Simulated: more settings, and more data sets each, stand in docs/statistics.md.
"""

import numpy as np
import pytest
from scipy.stats import binom
from simulated import LAYERS, N_LAYERS, Truth

from llprobe.analysis import above_baseline, holm
from llprobe.analysis.depth import peak
from llprobe.analysis.resample import bootstrap_means

TIMES = 120
FEW: dict[int, float] = {0: 0.0225, 1: 0.113, 2: 0.288}
"""P of so few right answers of 36, or fewer, at a chance of 0.1."""


def rare(count: int, times: int = TIMES, level: float = 0.05) -> bool:
    """Whether so many findings of so many data sets are no proof of more than `level`."""
    return bool(binom.sf(count - 1, times, level) > 1e-3)


@pytest.mark.parametrize(("n", "per"), [(28, 2), (42, 3), (98, 7), (448, 32), (36, 1), (200, 1)])
@pytest.mark.parametrize("chance", [0.1, 0.25, 0.5])
def test_guessing_curves_are_not_called_biased_nor_able(n: int, per: int, chance: float) -> None:
    rng, below, above = np.random.default_rng([n, per]), 0, 0
    for i in range(TIMES):
        alike, stay = (0.2 if per > 1 and i % 2 else 0.0), (0, 0.8, 0.95)[i % 3]
        values, clusters = Truth(np.full(N_LAYERS, chance), per, alike, stay).draw(n, rng)
        guess = np.full(n, chance)
        below += holm(above_baseline(1 - values, 1 - guess, clusters)).min() <= 0.05
        above += holm(above_baseline(values, guess, clusters)).min() <= 0.05
    assert rare(below)
    assert rare(above)


@pytest.mark.parametrize("per", [1, 2, 3, 12])
@pytest.mark.parametrize("hits", FEW)
def test_few_right_of_36_are_as_likely_as_they_are(hits: int, per: int) -> None:
    values = np.zeros((36, 1))
    values[:hits] = 1.0
    p = above_baseline(1 - values, np.full(36, 0.9), np.arange(36) // per)[0]
    assert p >= FEW[hits] - 0.0005
    if per == 1:
        assert p == pytest.approx(binom.cdf(hits, 36, 0.1))


def test_a_bias_that_is_there_is_seen() -> None:
    values, clusters = Truth(np.full(N_LAYERS, 0.05), 7, 0.1).draw(448, np.random.default_rng(1))
    p = holm(above_baseline(1 - values, np.full(448, 0.75), clusters))
    assert (p < 0.001).all()


def test_copies_of_a_question_are_one() -> None:
    """Clusters whose items are all alike count as often as there are clusters."""
    values = np.repeat(np.arange(30) < 14, 8)[:, None].astype(float)
    p = above_baseline(values, np.full(240, 0.25), np.arange(240) // 8)[0]
    assert p == pytest.approx(binom.sf(13, 30, 0.25), rel=0.35)


@pytest.mark.parametrize(("n", "per"), [(20, 1), (30, 1), (50, 1), (98, 7)])
def test_any_of_equal_layers_may_be_the_best(n: int, per: int) -> None:
    """Independent layers, of which there are most; half of the items right."""
    rng, missed = np.random.default_rng([n, per]), 0
    truth = Truth(np.full(N_LAYERS, 0.5), per, 0.2 if per > 1 else 0.0, 0.0)
    for i in range(2 * TIMES):
        values, clusters = truth.draw(n, rng)
        means = bootstrap_means(values, clusters, 400, i)
        missed += 20 not in peak(values, LAYERS, N_LAYERS, clusters, i, means).tied
    assert missed / (2 * TIMES) <= 0.065
