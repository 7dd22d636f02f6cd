"""Findings over layers: planted ones are found, none where nothing is, none in too few."""

import numpy as np
import pytest
from simulated import CHANCE, LAYERS, N_LAYERS, Truth, hill, step

from llprobe.analysis.depth import (
    early_exit,
    jump,
    layer_findings,
    onset,
    peak,
    saturation,
    stability,
)
from llprobe.analysis.resample import bootstrap_means


def drawn(curve: np.ndarray, n: int = 400, **more: float) -> tuple[np.ndarray, ...]:
    values, clusters = Truth(curve, **more).draw(n, np.random.default_rng(7))
    return values, clusters, np.full(n, CHANCE)


def flat(level: float, n: int = 400) -> tuple[np.ndarray, ...]:
    return drawn(np.full(N_LAYERS, level), n)


# --- onset ------------------------------------------------------------------------------------


def test_onset_of_a_step_is_found_with_its_interval_and_depth() -> None:
    values, clusters, chance = drawn(step(15, 0.4))
    found = onset(values, chance, LAYERS, N_LAYERS, clusters)
    assert (found.layer, found.depth, found.note) == (15, 0.5, "")
    assert found.low <= 15 <= found.high
    assert found.high - found.low < 6


def test_onset_counts_the_numbers_of_scored_layers() -> None:
    values, clusters, chance = drawn(step(15, 0.4))
    found = onset(values[:, 4::5], chance, LAYERS[4::5], N_LAYERS, clusters)
    assert (found.layer, found.depth) == (15, 0.5)


@pytest.mark.parametrize(
    ("level", "words"),
    [(0.25, "not above the baseline at any layer"), (0.1, "below it at 30 of 30 layers")],
)
def test_no_onset_says_why(level: float, words: str) -> None:
    values, clusters, chance = flat(level)
    found = onset(values, chance, LAYERS, N_LAYERS, clusters)
    assert (found.layer, found.low, found.high, found.depth) == (None,) * 4
    assert words in found.note


def test_above_but_not_to_the_end_is_no_onset() -> None:
    values, clusters, chance = drawn(np.where(np.arange(N_LAYERS) < 20, 0.6, 0.25))
    found = onset(values, chance, LAYERS, N_LAYERS, clusters)
    assert found.layer is None
    assert found.note == "above the baseline up to layer 20, but not to the last one"


def test_a_hole_in_the_rise_puts_the_onset_after_it() -> None:
    curve = step(5, 0.4)
    curve[11:16] = CHANCE
    values, clusters, chance = drawn(curve)
    assert onset(values, chance, LAYERS, N_LAYERS, clusters).layer == 17


def test_a_baseline_of_every_item_and_layer_is_compared_pairwise() -> None:
    values, clusters, _ = flat(0.7)
    copied = np.where(np.arange(N_LAYERS) < 9, values, 0.0)
    assert onset(values, copied, LAYERS, N_LAYERS, clusters).layer == 10
    assert onset(values, values, LAYERS, N_LAYERS, clusters).layer is None


def test_above_from_the_first_layer_on_is_said() -> None:
    values, clusters, chance = flat(0.8)
    found = onset(values, chance, LAYERS, N_LAYERS, clusters)
    assert found.layer == 1
    assert "first scored layer" in found.note


def test_all_but_one_right_of_few_is_not_above_a_high_baseline() -> None:
    values = np.ones((30, 2))
    values[0] = 0
    found = onset(values, np.full(30, 0.9), (1, 2), 2, np.arange(30))
    assert found.layer is None


def test_an_unsure_onset_leaves_its_upper_end_open() -> None:
    values = np.zeros((100, 3))
    values[:34, 1:] = 1
    found = onset(values, np.full(100, CHANCE), (1, 2, 3), 3, np.arange(100))
    assert (found.layer, found.high) == (2, None)


def test_shares_need_no_zero_or_one() -> None:
    rng = np.random.default_rng(0)
    values = np.where(np.arange(N_LAYERS) < 9, 0.25, 0.3) + rng.normal(0, 0.05, (50, N_LAYERS))
    assert onset(values, np.full(50, 0.25), LAYERS, N_LAYERS, np.arange(50)).layer == 10


# --- jump, peak, saturation -------------------------------------------------------------------


def test_jump_gives_layer_size_and_p() -> None:
    values, clusters, _ = drawn(step(12, 0.3))
    found = jump(values, LAYERS, N_LAYERS, clusters)
    assert found.layer == 12
    assert found.low <= 12 <= found.high
    assert found.size == pytest.approx(0.3, abs=0.05)
    assert found.p < 0.01


def test_a_fall_is_a_jump_downwards() -> None:
    values, clusters, _ = drawn(step(12, 0.3)[::-1].copy())
    found = jump(values, LAYERS, N_LAYERS, clusters)
    assert (found.layer, found.size < 0) == (20, True)


def test_no_jump_in_a_flat_curve() -> None:
    values, clusters, _ = flat(0.5)
    found = jump(values, LAYERS, N_LAYERS, clusters)
    assert found.layer is None
    assert found.p > 0.05
    assert found.note.startswith("no step")


def test_equal_layers_have_no_jump() -> None:
    same = np.repeat(np.eye(20)[:, :1], 5, axis=1)
    assert jump(same, range(1, 6), 5, np.arange(20)).layer is None


def test_a_steady_rise_is_named() -> None:
    values, clusters, _ = drawn(np.linspace(0.2, 0.8, N_LAYERS))
    assert "steady" in jump(values, LAYERS, N_LAYERS, clusters).note


def test_peak_and_what_is_tied_with_it() -> None:
    values, clusters, _ = drawn(hill(20, 0.5), 500)
    found = peak(values, LAYERS, N_LAYERS, clusters)
    assert abs(found.layer - 20) <= 2
    assert found.layer in found.tied
    assert 20 in found.tied
    assert not {1, 10, 30} & set(found.tied)
    assert (found.low, found.high) == (found.tied[0], found.tied[-1])


def test_layers_alike_item_by_item_are_tied() -> None:
    values = np.tile((np.arange(40) % 2).astype(float)[:, None], (1, 4))
    found = peak(values, (1, 2, 3, 4), 4, np.arange(40))
    assert (found.layer, found.tied) == (1, (1, 2, 3, 4))


def test_a_layer_that_is_worse_on_every_item_is_not_tied() -> None:
    values = np.array([[1.0, 0.0, 1.0]] * 40)
    assert peak(values, (1, 2, 3), 3, np.arange(40)).tied == (1, 3)


def test_saturation_ends_the_rise_and_names_a_fall() -> None:
    curve = np.concatenate([np.linspace(0, 1, 11), np.ones(9), np.full(10, 0.5)])
    values = np.tile(curve, (50, 1))
    found = saturation(values, np.zeros(50), LAYERS, N_LAYERS, np.arange(50))
    assert (found.layer, found.low, found.high) == (11, 11, 11)
    assert found.note == "falls again after layer 20"


def test_no_layer_has_an_interval_below_five_clusters() -> None:
    values = (np.arange(40)[:, None] < 40 * np.linspace(0.2, 0.9, 20)).astype(float)
    choices = (values > 0).astype(np.int64)
    for n_clusters in (4, 5):
        clusters = np.arange(40) % n_clusters
        known = layer_findings(values, np.zeros(40), choices, LAYERS[:20], 20, clusters)
        assert all((each.low, each.high) == (None, None) for each in known) == (n_clusters == 4)


def test_no_saturation_without_a_rise() -> None:
    values, clusters, _ = flat(0.2)
    found = saturation(values, np.full(400, 0.9), LAYERS, N_LAYERS, clusters)
    assert found.layer is None
    assert "no rise" in found.note


# --- choices ----------------------------------------------------------------------------------

CHOICES = np.array([[0, 1, 2, 2], [2, 2, 2, 2], [1, 2, 1, 2], [0, 0, 2, 2]])


def test_early_exit_by_item_and_what_it_saves() -> None:
    found = early_exit(CHOICES, (1, 2, 3, 4), 4, np.arange(4))
    assert found.per_item.tolist() == [3, 1, 4, 3]
    assert (found.layer, found.quartiles) == (3, (1, 3))
    assert found.saved == pytest.approx((1 + 3 + 0 + 1) / 16)
    assert "too few" in found.note


def test_early_exit_agrees_with_a_loop() -> None:
    choices = np.random.default_rng(1).integers(0, 2, (60, 7))
    found = early_exit(choices, range(1, 8), 7, np.arange(60))
    for row, layer in zip(choices, found.per_item, strict=True):
        assert (row[layer - 1 :] == row[-1]).all()
        assert layer == 1 or row[layer - 2] != row[-1]
    assert found.low <= found.layer <= found.high


def test_clusters_widen_the_interval_of_the_median() -> None:
    rng = np.random.default_rng(2)
    exits = np.clip(rng.normal(15, 6, 30).round(), 1, 30).repeat(20)
    choices = (np.arange(1, 31) >= exits[:, None]).astype(np.int64)
    alone = early_exit(choices, LAYERS, N_LAYERS, np.arange(600))
    together = early_exit(choices, LAYERS, N_LAYERS, np.arange(600) // 20)
    assert together.high - together.low > alone.high - alone.low


def test_many_clusters_are_put_together() -> None:
    exits = np.random.default_rng(3).integers(1, 31, 9000)
    choices = (np.arange(1, 31) >= exits[:, None]).astype(np.int64)
    found = early_exit(choices, LAYERS, N_LAYERS, np.arange(9000))
    assert found.low <= 15 <= found.high
    assert found.high - found.low <= 2


def test_stability_and_agreement() -> None:
    found = stability(np.tile(CHOICES, (5, 1)), (1, 2, 3, 4), np.arange(20))
    assert found.agreement.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert found.stable == pytest.approx((1 + 3 + 0 + 2) / 12)
    assert 0 <= found.low < found.stable < found.high <= 1


# --- all --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_items", [0, 1, 2, 8])
@pytest.mark.parametrize("n_scored", [1, 2, 3])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_small_inputs_do_not_crash(n_items: int, n_scored: int, value: float) -> None:
    values, layers = np.full((n_items, n_scored), value), range(1, n_scored + 1)
    choices, clusters = values.astype(np.int64), np.arange(n_items)
    found = layer_findings(values, np.full(n_items, CHANCE), choices, layers, 3, clusters)
    assert [each.name for each in found] == ["onset", "jump", "peak", "saturation", "early exit"]
    if n_items < 5:
        assert all("too few" in each.note for each in found)
    assert stability(choices, layers, clusters).agreement.shape == (n_scored,)


def test_findings_share_one_bootstrap_and_agree_with_the_single_ones() -> None:
    values, clusters, chance = drawn(step(15, 0.2), 200, per_cluster=4, alike=0.2)
    choices = values.astype(np.int64)
    means = bootstrap_means(values, clusters, seed=3)
    together = layer_findings(values, chance, choices, LAYERS, N_LAYERS, clusters, 3)
    assert together[0] == onset(values, chance, LAYERS, N_LAYERS, clusters, 3)
    assert together[1] == jump(values, LAYERS, N_LAYERS, clusters, 3, means)
    assert together[2] == peak(values, LAYERS, N_LAYERS, clusters, 3)
    assert together[3] == saturation(values, chance, LAYERS, N_LAYERS, clusters, 3)


def test_clusters_decide_what_is_an_onset() -> None:
    """Forty copies of five clusters of answers are no more than five."""
    values = np.repeat([[1.0], [1.0], [0.0], [0.0], [1.0]], 40, axis=0).repeat(2, axis=1)
    chance = np.full(200, CHANCE)
    assert onset(values, chance, (1, 2), 2, np.arange(200)).layer == 1
    assert onset(values, chance, (1, 2), 2, np.arange(200) // 40).layer is None
