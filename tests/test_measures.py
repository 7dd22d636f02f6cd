"""Measures of whole tables against those of one item, against scipy, and by hand."""

import numpy as np
import pytest
from optiontables import Floats, Scored, normal_table, random_items, table_of
from scipy import special, stats

from llprobe import analysis
from llprobe.analysis import METRICS, baselines, better_baseline, brier, calibration, measures
from llprobe.errors import UnknownName, UsageError


def each_alone(items: list[Scored], name: str) -> Floats:
    """Give a metric of items taken one by one."""
    with np.errstate(invalid="ignore"):  # -inf less -inf
        return np.array([analysis.item_metrics(item)[name] for item in items])


def by_hand(*scores: float, true: tuple[int, ...] = (0,)) -> Scored:
    """Give an item with one layer."""
    n = len(scores)
    return Scored(true, true[0], tuple(range(1, n + 1)), (1,) * n, np.array(scores)[:, None])


# --- metrics ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_that_of_each_item_by_itself(name: str) -> None:
    items = random_items(4, 300)
    found = measures.metric(table_of(items), name)
    assert found == pytest.approx(each_alone(items, name), abs=1e-12)
    assert 0.05 < found.mean() < 0.95


@pytest.mark.parametrize("name", ["mc1", "mc2", "acc_norm_bytes"])
def test_chunks_do_not_matter(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(random_items(5, 50))
    whole = measures.metric(table, name), measures.entropy(table), measures.choice(table)
    monkeypatch.setattr(measures, "_CHUNK", 1)
    parts = measures.metric(table, name), measures.entropy(table), measures.choice(table)
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(one, other, equal_nan=True)


def test_what_cannot_be_measured_is_said() -> None:
    table = table_of(random_items(4, 5, prior=False))
    with pytest.raises(UsageError, match="--pmi"):
        measures.metric(table, "pmi")
    with pytest.raises(UnknownName, match="mc1"):
        measures.metric(table, "mc4")


def test_no_items_give_no_values() -> None:
    empty = table_of(random_items(2, 6)).take(np.zeros(6, bool))
    for of in (measures.metric, measures.margin, measures.rank, measures.divergence, brier):
        assert of(empty).shape == (0, 3)
    assert measures.chance(empty).shape == measures.shortest(empty).shape == (0,)


# --- baselines --------------------------------------------------------------------------------


def test_chance_and_shortest_are_those_of_each_item_by_itself() -> None:
    items = random_items(6, 200)
    table = table_of(items)
    guess = [analysis.chance(len(x.logprob), len(x.correct)) for x in items]
    for column, name in enumerate(("mc1", "mc2", "mc3")):
        assert measures.chance(table, name) == pytest.approx(np.array(guess)[:, column])
    short = [analysis.shortest(x.n_tokens, x.correct, x.best) for x in items]
    assert measures.shortest(table) == pytest.approx(np.array(short))


def test_the_prior_is_a_baseline_of_its_own() -> None:
    items = random_items(7, 60)
    found = measures.prior_metric(table_of(items))
    assert found is not None
    assert np.array_equal(found, each_alone(items, "prior"))
    assert measures.prior_metric(table_of(random_items(7, 6, prior=False))) is None


def test_the_better_baseline_is_chosen_at_each_layer() -> None:
    prior = np.array([[0.0, -1.0], [-1.0, 0.0], [-1.0, 0.0]])
    items = [
        Scored((0,), 0, (2, 1, 1), (1, 1, 1), np.zeros((3, 2)), prior),
        Scored((0,), 0, (1, 2, 2), (1, 1, 1), np.zeros((3, 2)), prior),
    ]
    found = better_baseline(table_of(items))
    assert found.names == ("prior", "shortest")  # 1 against 1/2 and 1/3, then 0
    assert found.values.tolist() == [[1.0, 0.0], [1.0, 1.0]]
    assert found.mean.tolist() == [1.0, 0.5]
    assert [each.name for each in baselines(table_of(items), "mc2")] == ["chance"]
    assert [each.name for each in baselines(table_of(items), "pmi")] == ["chance", "shortest"]


# --- distributions ----------------------------------------------------------------------------


def test_probabilities_entropy_and_divergence_are_scipys() -> None:
    table = normal_table(8, 40, 5)
    p = special.softmax(table.logprob.reshape(40, 4, 5), axis=1)
    assert measures.probability(table) == pytest.approx(p.reshape(160, 5))
    assert measures.entropy(table) == pytest.approx(stats.entropy(p, axis=1))
    last = np.broadcast_to(p[:, :, -1:], p.shape)
    assert measures.divergence(table) == pytest.approx(stats.entropy(last, p, axis=1), abs=1e-12)


def test_options_without_probability_add_nothing() -> None:
    table = table_of([by_hand(0.0, 0.0, -np.inf), by_hand(-np.inf, -np.inf), by_hand(0.0, np.nan)])
    assert measures.entropy(table)[:, 0] == pytest.approx([np.log(2), np.nan, np.nan], nan_ok=True)
    both = np.array([[0.0, 0.0], [-np.inf, 0.0], [-np.inf, -np.inf]])
    item = Scored((0,), 0, (1, 1, 1), (1, 1, 1), both)
    assert measures.divergence(table_of([item])).tolist() == [[np.inf, 0.0]]


def test_margin_choice_and_rank_by_hand() -> None:
    items = [
        by_hand(-1.0, -3.0, -2.0),
        by_hand(-5.0, -4.0, -2.0, -2.0, true=(0, 1)),
        by_hand(-1.0, -1.0),
        by_hand(np.nan, -1.0),
        by_hand(-2.0, np.nan, -1.0),
    ]
    table = table_of(items)
    assert measures.margin(table)[:3, 0].tolist() == [1.0, -2.0, 0.0]
    assert np.isnan(measures.margin(table)[3:]).all()
    assert measures.choice(table)[:, 0].tolist() == [0, 2, 0, 1, 2]
    assert measures.rank(table)[:, 0].tolist() == [1.0, 4.0, 2.0, 2.0, 3.0]


# --- calibration ------------------------------------------------------------------------------


def test_brier_by_hand() -> None:
    one = by_hand(np.log(0.7), np.log(0.2), np.log(0.1))
    two = by_hand(np.log(0.5), np.log(0.3), np.log(0.2), true=(0, 1))
    found = brier(table_of([one, two]))[:, 0]
    assert found == pytest.approx([0.3**2 + 0.2**2 + 0.1**2, 0.2**2 + 0.2**2])


def test_calibration_by_hand() -> None:
    items = [
        by_hand(np.log(0.9), np.log(0.1)),
        by_hand(np.log(0.06), np.log(0.94)),
        by_hand(np.log(0.65), np.log(0.35)),
        by_hand(np.nan, 0.0),
    ]
    found = calibration(table_of(items), n_bins=5)
    assert found.count[:, 0].tolist() == [0, 0, 0, 1, 2]
    assert found.confidence[3:, 0] == pytest.approx([0.65, 0.92])
    assert found.accuracy[3:, 0] == pytest.approx([1.0, 0.5])
    assert found.error == pytest.approx([(0.35 + 2 * 0.42) / 3])
    assert np.isnan(found.confidence[:3]).all()


def test_options_drawn_by_their_probability_are_calibrated() -> None:
    rng = np.random.default_rng(9)
    drawn = rng.normal(size=(20_000, 4, 1)) * 1.5
    p = special.softmax(drawn, axis=1)[:, :, 0]
    true = (p.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    table = normal_table(9, 20_000, 1)
    start = table.start[:-1]
    flags = np.zeros(80_000, bool)
    flags[start + true] = True
    made = {**vars(table), "logprob": drawn.reshape(-1, 1), "true": flags, "best": start + true}
    assert calibration(type(table)(**made)).error[0] < 0.02
    assert calibration(table).error[0] > 0.2
