"""Findings over sizes: thresholds, straight lines, and data that cannot tell."""

import numpy as np
import pytest

from llprobe.analysis.scale import next_size, sizes, threshold, trend
from llprobe.errors import UsageError


def at(n: int) -> np.ndarray:
    return np.linspace(8, 11, n)


def test_sizes_are_put_in_order_and_flagged_ones_left_out() -> None:
    data = sizes([3, 1, 2], [0.3, 0.1, 0.2], 100, left_out=[False, False, True])
    assert data.x.tolist() == [1, 3]
    assert data.accuracy.tolist() == [0.1, 0.3]
    assert (data.n_left_out, data.n_sizes) == (1, 2)
    assert np.diag(data.covariance) == pytest.approx(
        [12 / 104 * 92 / 104 / 104, 32 / 104 * 72 / 104 / 104]
    )


def test_paired_samples_give_the_covariance() -> None:
    samples = np.random.default_rng(0).multivariate_normal([0, 0], [[2, 1], [1, 3]], 20_000)
    data = sizes([2, 1], [0.5, 0.5], samples=samples)
    assert data.covariance == pytest.approx(np.array([[3, 1], [1, 2]]), abs=0.1)


@pytest.mark.parametrize(
    ("x", "more", "words"),
    [
        ([1, 2], {}, "give n_items or samples"),
        ([1], {"n_items": 9}, "one for each model"),
        ([1, 2], {"samples": np.ones((9, 3))}, "one for each"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(x: list[int], more: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        sizes(x, [0.1, 0.2], **more)


# --- trend ------------------------------------------------------------------------------------


def test_trend_is_the_weighted_least_squares_line() -> None:
    rng = np.random.default_rng(1)
    x, n = at(7), np.array([50, 100, 400, 50, 900, 100, 60])
    accuracy = 0.3 + 0.1 * (x - 8) + rng.normal(0, 0.01, 7)
    data = sizes(x, accuracy, n)
    slope, _ = np.polyfit(x, accuracy, 1, w=1 / np.sqrt(np.diag(data.covariance)))
    found = trend(data)
    assert found.slope == pytest.approx(slope)
    assert found.low < 0.1 < found.high


def test_shared_errors_make_a_trend_surer() -> None:
    rng = np.random.default_rng(2)
    shared = rng.normal(0.5, 0.05, (2000, 1)) + rng.normal(0, 0.005, (2000, 6))
    accuracy = 0.3 + 0.1 * (at(6) - 8)
    paired = trend(sizes(at(6), accuracy, samples=shared))
    alone = trend(sizes(at(6), accuracy, 100))
    assert paired.high - paired.low < (alone.high - alone.low) / 3


def test_scatter_widens_the_interval_of_a_trend() -> None:
    wave = 0.1 * np.array([1, -1, 1, -1, 1, -1])
    smooth, rough = (trend(sizes(at(6), 0.5 + off, 10_000)) for off in (0 * wave, wave))
    assert rough.high - rough.low > 5 * (smooth.high - smooth.low)


def test_a_trend_of_one_or_two_sizes_says_what_is_missing() -> None:
    assert trend(sizes([1, 1], [0.2, 0.3], 50)).slope is None
    two = trend(sizes([1, 2], [0.2, 0.3], 50))
    assert (two.slope, two.low) == (pytest.approx(0.1), None)
    assert two.note


# --- threshold --------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_below_six_sizes_data_cannot_tell(n: int) -> None:
    found = threshold(sizes(at(n), np.where(np.arange(n) < n / 2, 0.2, 0.8), 5000))
    assert (found.verdict, found.needed, found.p) == ("cannot tell", 6, None)
    assert f"{n} size{'s' * (n != 1)}, at least 6 are needed" in found.note


@pytest.mark.parametrize("n", [6, 9, 12])
def test_a_step_is_a_threshold(n: int) -> None:
    found = threshold(sizes(at(n), np.where(at(n) < 9.5, 0.3, 0.6), 500), 500)
    assert found.verdict == "threshold"
    assert found.between[0] < 9.5 <= found.between[1]
    assert found.step == pytest.approx(0.3)
    assert found.p <= 0.05


@pytest.mark.parametrize("n", [6, 9, 12])
def test_a_line_is_a_straight_line(n: int) -> None:
    found = threshold(sizes(at(n), 0.2 + 0.2 * (at(n) - 8), 500), 500)
    assert (found.verdict, found.note) == ("straight line", "a straight line suffices")
    assert found.power >= 0.8


def test_little_rise_cannot_tell_and_more_sizes_may() -> None:
    found = threshold(sizes(at(6), 0.4 + 0.033 * (at(6) - 8), 500), 500)
    assert found.verdict == "cannot tell"
    assert found.power < 0.8
    assert found.needed is None or found.needed > 6


def test_what_is_neither_line_nor_step_cannot_tell() -> None:
    bent = np.abs(at(8) - 9.5) / 3 + 0.2
    found = threshold(sizes(at(8), bent, 5000), 500)
    assert found.verdict == "cannot tell"
    assert "lie off a straight line" in found.note


def test_one_outlying_model_is_no_threshold() -> None:
    accuracy = 0.3 + 0.02 * (at(8) - 8)
    accuracy[-1] = 0.9
    assert threshold(sizes(at(8), accuracy, 500), 500).verdict != "threshold"


def test_models_of_one_size_stay_on_one_side() -> None:
    x = [1, 2, 3, 3, 3, 4, 5, 6]
    found = threshold(sizes(x, [0.2, 0.2, 0.2, 0.6, 0.6, 0.6, 0.6, 0.6], 500), 500)
    assert found.between in {(2, 3), (3, 4)}


def test_models_with_the_same_answers_do_no_harm() -> None:
    rng = np.random.default_rng(3)
    samples = rng.normal(0.5, 0.02, (2000, 1)) + np.zeros(7)
    found = threshold(sizes(at(7), np.where(at(7) < 9.6, 0.3, 0.7), samples=samples), 300)
    assert found.verdict == "threshold"


def test_left_out_models_are_counted_in_the_note() -> None:
    data = sizes(at(6), np.linspace(0, 1, 6), 50, left_out=[True] + [False] * 5)
    assert "(1 left out)" in threshold(data).note


# --- next size --------------------------------------------------------------------------------


def test_the_next_size_lies_where_the_step_may_be() -> None:
    x = np.array([8, 8.5, 9, 10, 10.3, 10.6])
    found = next_size(sizes(x, np.where(x < 9.5, 0.2, 0.7), 300))
    assert found.between == (9, 10)
    assert found.size == pytest.approx(9.5)
    assert found.share > 0.9


def test_of_gaps_that_say_the_same_the_widest_is_next() -> None:
    x = np.array([8, 8.3, 9.5, 9.9, 10.2])
    assert next_size(sizes(x, [0.5] * 5, 300)).between == (8.3, 9.5)


def test_two_sizes_have_one_gap_and_one_has_none() -> None:
    assert next_size(sizes([1, 3], [0.2, 0.4], 100)).size == 2
    assert next_size(sizes([1], [0.2], 100)) is None
