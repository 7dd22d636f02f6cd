"""Equal means are equal however they were summed: no step, rise or best layer is made of rounding.

Values that no binary number holds (sevenths, tenths) are laid on all layers in other orders, so
that means which are one differ in their last bits.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optiontables import normal_table

from llprobe.analysis import Tally, best_against_last
from llprobe.analysis.baselines import better_baseline
from llprobe.analysis.depth import jump, onset, peak, saturation
from llprobe.analysis.exits import early_exit
from llprobe.analysis.resample import bootstrap_means
from llprobe.analysis.rounding import above, argmax_first, at_least, differs, highest

N_LAYERS = 12
LAYERS = tuple(range(1, N_LAYERS + 1))


def one_mean(seed: int, n: int) -> np.ndarray:
    """Give values (n, N_LAYERS) whose columns hold the same numbers, each in its own order."""
    rng = np.random.default_rng(seed)
    column = rng.integers(0, 8, n) / 7 * 0.3 + rng.integers(0, 2, n) * 0.1
    return np.stack([rng.permutation(column) for _ in LAYERS], axis=1)


def test_means_that_are_one_differ_in_their_last_bits() -> None:
    """What the tests below are about happens in these data."""
    assert any(np.ptp(one_mean(seed, 60).mean(axis=0)) > 0 for seed in range(5))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(6, 90))
def test_nothing_is_found_in_equal_means(seed: int, n: int) -> None:
    values, clusters = one_mean(seed, n), np.arange(n)
    means = bootstrap_means(values, clusters, 300, seed)
    floor = np.full(n, float(values.mean()))
    assert peak(values, LAYERS, N_LAYERS, clusters, means=means).layer == 1
    assert peak(values, LAYERS, N_LAYERS, clusters, means=means).tied == LAYERS
    assert saturation(values, floor, LAYERS, N_LAYERS, clusters, means=means).layer is None
    assert best_against_last(values, clusters).best == 0
    assert argmax_first(values.mean(axis=0)) == 0


@pytest.mark.parametrize("n", [14, 36, 90])
@pytest.mark.parametrize("value", [0.1, 1 / 3, 0.7])
def test_equal_items_at_all_layers_have_no_step(n: int, value: float) -> None:
    """The same answers at every layer: the noise is rounding, and so is what it is laid against."""
    values = np.repeat(np.random.default_rng(n).random((n, 1)) * value, N_LAYERS, axis=1)
    values += np.linspace(0, 3e-16, N_LAYERS)
    found = jump(values, LAYERS, N_LAYERS, np.arange(n))
    assert (found.layer, found.p) == (None, 1.0)
    assert onset(values, values, LAYERS, N_LAYERS, np.arange(n)).layer is None


def test_a_step_of_one_item_is_still_a_step() -> None:
    values = np.zeros((10_000, N_LAYERS))
    values[0, 7:] = 1.0
    assert argmax_first(values.mean(axis=0)) == 7
    assert jump(values, LAYERS, N_LAYERS, np.arange(10_000)).size == pytest.approx(1e-4)


def test_chance_goes_before_a_baseline_that_equals_it_but_for_rounding() -> None:
    table = normal_table(3, 30, 3)
    fields = vars(table) | {"n_tokens": np.ones_like(table.n_tokens)}
    assert set(better_baseline(type(table)(**fields)).names) == {"chance"}


def test_sums_in_another_order_have_the_same_best_layer() -> None:
    tenths = np.full(3, 0.1)
    sums = np.zeros((5, 2))
    sums[:, 0], sums[:, 1] = 0.3, tenths.sum()
    assert sums[0, 0] < sums[0, 1]
    assert Tally((4, 9), 3, sums, np.ones(4), 0).best_layer() == 4


def test_half_of_the_items_are_half_however_they_are_counted() -> None:
    choices = np.array([[1] * 3 + [0] * 9] * 5 + [[0] * 12] * 5)
    assert early_exit(choices, LAYERS, N_LAYERS, np.arange(10)).layer == 1


def test_rounding_is_no_order() -> None:
    three = 0.1 + 0.1 + 0.1
    assert three > 0.3
    assert not above(three, 0.3)
    assert not differs(three, 0.3)
    assert at_least(0.3, three)
    assert highest([0.3, three, 0.2]).tolist() == [True, True, False]
    assert above(0.3001, 0.3)
    assert argmax_first([[0.2, 0.3], [0.3, 0.2]]).tolist() == [1, 0]
