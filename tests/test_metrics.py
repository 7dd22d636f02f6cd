"""Metrics against hand-computed values and against their definitions, spelled out."""

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from llprobe.analysis import (
    chance,
    item_curves,
    item_metrics,
    mc1,
    mc2,
    mc3,
    normalised,
    shortest,
)
from llprobe.task import Item

Floats = NDArray[np.float64]


def column(*values: float) -> Floats:
    """Give the log-probs of options at one layer."""
    return np.array(values, np.float64)[:, None]


# --- by hand ----------------------------------------------------------------------------------


def test_mc1_is_whether_the_best_answer_beats_every_false_one() -> None:
    logprob = np.array([[-1.0, -3.0, -2.0], [-2.0, -1.0, -2.0], [-4.0, -4.0, -1.0]])
    assert mc1(logprob, [0], 0).tolist() == [True, False, False]
    # a true option beside the best one does not stand against it
    assert mc1(logprob, [0, 1], 0).tolist() == [True, True, False]


def test_mc2_is_the_share_of_probability_on_true_options() -> None:
    logprob = np.log(column(0.1, 0.2, 0.1))
    assert mc2(logprob, [0])[0] == pytest.approx(0.25)
    assert mc2(logprob, [0, 1])[0] == pytest.approx(0.75)


def test_mc3_is_the_share_of_true_options_that_beat_every_false_one() -> None:
    logprob = column(-1.0, -5.0, -2.0, -3.0)
    assert mc3(logprob, [0, 1]).tolist() == [0.5]
    assert mc3(logprob, [0, 2]).tolist() == [1.0]
    assert mc3(logprob, [1]).tolist() == [0.0]


def test_chance_by_hand() -> None:
    assert chance(4, 1) == (0.25, 0.25, 0.25)
    assert chance(5, 3) == (1 / 3, 3 / 5, 1 / 3)


def test_shortest_by_hand() -> None:
    assert shortest([1, 2, 3], [0], 0) == 1.0
    assert shortest([2, 1, 3], [0], 0) == 0.0
    assert shortest([1, 1, 1, 2], [0], 0) == pytest.approx(1 / 3)
    assert shortest([2, 1, 3], [0, 1], 0) == 1.0  # the shorter one is true as well


# --- ties and what is no number ---------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        (-1.0, -1.0),
        (math.nan, -1.0),
        (-1.0, math.nan),
        (math.nan, math.nan),
        (-math.inf, -math.inf),
        (-math.inf, -1.0),
    ],
)
def test_ties_and_no_numbers_are_never_correct(values: tuple[float, float]) -> None:
    logprob = column(*values)
    assert not mc1(logprob, [0], 0)[0]
    assert mc3(logprob, [0])[0] == 0.0
    share = mc2(logprob, [0])[0]
    assert share == (0.5 if values == (-1.0, -1.0) else 0.0)


@given(st.lists(st.floats(-4000, -1500), min_size=2, max_size=6))
def test_mc2_of_options_too_unlikely_for_exp(values: list[float]) -> None:
    assert all(math.exp(value) == 0.0 for value in values)
    exact = [math.exp(value - max(values)) for value in values]
    found = mc2(column(*values), [0])[0]
    assert found == pytest.approx(exact[0] / math.fsum(exact), rel=1e-12)


# --- against the definitions --------------------------------------------------------------------


def definition(values: list[float], true: list[int], best: int) -> tuple[bool, float, float]:
    """Spell MC1, MC2 and MC3 out, option by option."""
    false = [value for i, value in enumerate(values) if i not in true]
    weights = [math.exp(value - max(values)) for value in values]
    beats = [all(values[i] > other for other in false) for i in true]
    hit = all(values[best] > other for other in false)
    return hit, math.fsum(weights[i] for i in true) / math.fsum(weights), sum(beats) / len(true)


@st.composite
def questions(draw: st.DrawFn) -> tuple[Floats, list[int], int]:
    """Draw log-probs of 2 to 6 options at 1 to 4 layers; ties are common."""
    n_options, n_layers = draw(st.integers(2, 6)), draw(st.integers(1, 4))
    value = st.one_of(st.floats(-3000, 0), st.sampled_from([-1.0, -2.0, -2000.0]))
    column_of = st.lists(value, min_size=n_layers, max_size=n_layers)
    rows = draw(st.lists(column_of, min_size=n_options, max_size=n_options))
    n_true = draw(st.integers(1, n_options - 1))
    true = sorted(draw(st.permutations(range(n_options)))[:n_true])
    return np.array(rows), true, draw(st.sampled_from(true))


@given(questions())
def test_metrics_agree_with_their_definitions(question: tuple[Floats, list[int], int]) -> None:
    logprob, true, best = question
    for layer in range(logprob.shape[1]):
        hit, share, beating = definition(logprob[:, layer].tolist(), true, best)
        assert mc1(logprob, true, best)[layer] == hit
        assert mc2(logprob, true)[layer] == pytest.approx(share, abs=1e-12)
        assert mc3(logprob, true)[layer] == pytest.approx(beating)


@given(questions(), st.randoms(use_true_random=False))
def test_order_of_the_options_does_not_matter(
    question: tuple[Floats, list[int], int], shuffler: random.Random
) -> None:
    logprob, true, best = question
    order = list(range(len(logprob)))
    shuffler.shuffle(order)
    moved, moved_best = [order.index(i) for i in true], order.index(best)
    assert (mc1(logprob[order], moved, moved_best) == mc1(logprob, true, best)).all()
    assert mc2(logprob[order], moved) == pytest.approx(mc2(logprob, true), abs=1e-12)
    assert mc3(logprob[order], moved) == pytest.approx(mc3(logprob, true))


@pytest.mark.parametrize(("n_options", "n_true"), [(2, 1), (3, 1), (4, 2), (5, 3)])
def test_chance_is_the_mean_over_all_rankings(n_options: int, n_true: int) -> None:
    true = list(range(n_true))
    rankings = [column(*order) for order in itertools.permutations(range(n_options))]
    wins, share, beating = chance(n_options, n_true)
    assert np.mean([mc1(r, true, 0)[0] for r in rankings]) == pytest.approx(wins)
    assert np.mean([mc2(r, true)[0] for r in rankings]) == pytest.approx(share)
    assert np.mean([mc3(r, true)[0] for r in rankings]) == pytest.approx(beating)


@given(questions(), st.data())
def test_shortest_is_the_mean_over_all_ways_to_break_ties(
    question: tuple[Floats, list[int], int], data: st.DataObject
) -> None:
    logprob, true, best = question
    n = len(logprob)
    lengths = data.draw(st.lists(st.integers(1, 3), min_size=n, max_size=n))
    scores = (
        [-(length + lot / n) for length, lot in zip(lengths, lots, strict=True)]
        for lots in itertools.permutations(range(n))
    )
    hits = [mc1(column(*values), true, best)[0] for values in scores]
    assert shortest(lengths, true, best) == pytest.approx(np.mean(hits))


# --- curves -------------------------------------------------------------------------------------


class Scored:
    """An item with its scores."""

    def __init__(self, logprob: Floats, correct: tuple[int, ...], best: int) -> None:
        self.logprob, self.correct, self.best = logprob, correct, best
        self.n_tokens = tuple(range(1, len(logprob) + 1))
        self.n_bytes = self.n_tokens[::-1]
        self.prior: Floats | None = None


def test_a_curve_is_the_mean_over_items() -> None:
    first = Scored(np.array([[-1.0, -2.0], [-2.0, -1.0]]), (0,), 0)
    second = Scored(np.array([[-1.0, -1.0], [-2.0, -2.0], [-3.0, -3.0]]), (1, 2), 1)
    curve = item_curves([first, second], [4, 7])
    assert curve.accuracy.tolist() == [0.5, 0.0]
    assert curve.best_layer() == 4
    assert (curve.at(4), curve.at(7), curve.at(5)) == (0.5, 0.0, None)
    assert curve.several_true
    assert curve.n_items == 2
    assert curve.guess["mc1"] == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert curve.guess["mc2"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert curve.shortest == pytest.approx((1 + 0) / 2)


def test_scores_for_length_divide_by_tokens_and_by_bytes() -> None:
    # per token (1, 2, 3): -6, -2, -3; per byte (3, 2, 1): -2, -2, -9
    item = Scored(np.array([[-6.0], [-4.0], [-9.0]]), (1,), 1)
    found = item_metrics(item)
    assert {name: found[name].tolist() for name in ("mc1", "acc_norm_tokens")} == {
        "mc1": [1.0],
        "acc_norm_tokens": [1.0],
    }
    assert found["acc_norm_bytes"].tolist() == [0.0]  # a tie is not won


@given(questions())
def test_equal_lengths_change_no_decision(question: tuple[Floats, list[int], int]) -> None:
    logprob, true, best = question
    same = mc1(normalised(logprob, [4] * len(logprob)), true, best)
    assert (same == mc1(logprob, true, best)).all()


def test_pmi_takes_what_options_score_by_themselves_off() -> None:
    item = Scored(np.array([[-1.0, -1.0], [-2.0, -1.5]]), (1,), 1)
    assert "pmi" not in item_metrics(item)
    item.prior = np.array([[-1.0, -3.0], [-4.0, -3.0]])
    found = item_metrics(item)
    assert found["mc1"].tolist() == [0.0, 0.0]
    assert found["pmi"].tolist() == [1.0, 0.0]  # 0 against 2, 2 against 1.5
    assert found["prior"].tolist() == [0.0, 0.0]
    bare = Scored(np.array([[-1.0, -1.0], [-2.0, -1.5]]), (1,), 1)
    assert "pmi" not in item_curves([item, bare], [1, 2]).values
    assert item_curves([item], [1, 2]).mean("pmi").tolist() == [1.0, 0.0]


def test_the_first_of_equally_good_layers_is_the_best() -> None:
    scored = Scored(np.array([[-1.0, -1.0, -1.0], [-2.0, -2.0, -2.0]]), (0,), 0)
    assert item_curves([scored], [3, 5, 8]).best_layer() == 3


def test_an_item_has_what_a_curve_needs_of_its_truth() -> None:
    item = Item("a", "p", (" x", " y"), (0,), 0)
    assert (item.correct, item.best) == ((0,), 0)
