"""A curve's evidence: that its parts fit together, on stored cells and on many drawn items."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clihelp import plan_of, tiny_model, write_questions
from optiontables import normal_table

from llprobe.analysis import OptionTable, holm, item_curves, wilson
from llprobe.errors import UsageError
from llprobe.events import GroupScored, ItemResult
from llprobe.plan import Plan
from llprobe.report import curve_evidence, option_table, tables
from llprobe.report.evidence import sureness
from llprobe.store import CellRecord, Store
from llprobe.task import load_questions


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Give a plan of a cell and of its options without their questions."""
    folder = tmp_path_factory.mktemp("plan")
    questions = write_questions(folder / "q.jsonl", 12)
    plan = plan_of([tiny_model(folder)], questions, lenses=("norm", "paper"))
    prior = load_questions(replace(plan.cells[0].request, prior=True))
    (cell, other) = plan.cells
    neutral = replace(cell, id="d" * len(cell.id), questions=prior)
    return replace(plan, cells=(cell, other, neutral))


@pytest.fixture
def store(tmp_path: Path, plan: Plan) -> Iterator[Store]:
    """Give a store in which the first cell has scores, and its options too, in two groups."""
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        rng = np.random.default_rng(1)
        for cell in (plan.cells[0], plan.cells[2]):
            for half in (1, 0):
                results = [
                    ItemResult(i, (2, 1, 3, 1), rng.normal(size=(len(item.choices), 3)))
                    for i, item in enumerate(cell.questions.items)
                    if i % 2 == half
                ]
                store.add_group(GroupScored(cell.id, half, tuple(results), 1))
        yield store


def cell_of(table: OptionTable, cell: CellRecord, n_layers: int) -> CellRecord:
    return replace(cell, layers=table.layers, model_info={**cell.model_info, "n_layers": n_layers})


# --- tables -----------------------------------------------------------------------------------


def test_a_table_holds_what_is_stored(store: Store, plan: Plan) -> None:
    cell = store.cells(plan.id)[0]
    table = option_table(store, cell)
    ((_, scores), *_) = store.probed(plan.id)
    assert table.layers == (1, 2, 3)
    assert table.ids == tuple(s.item.id for s in scores)
    assert table.groups == tuple(s.item.group for s in scores)
    assert table.clusters.tolist() == list(range(12))
    for i, score in enumerate(scores):
        rows = slice(*table.start[i : i + 2].tolist())
        assert np.array_equal(table.logprob[rows], score.logprob)
        assert table.prior is not None
        assert score.prior is not None
        assert np.array_equal(table.prior[rows], score.prior)
        assert np.flatnonzero(table.true[rows]).tolist() == list(score.correct)
        assert table.best[i] - table.start[i] == score.best
        assert tuple(table.n_tokens[rows].tolist()) == score.n_tokens
        assert tuple(table.n_bytes[rows].tolist()) == score.n_bytes


def test_priors_are_there_where_all_are(store: Store, plan: Plan) -> None:
    cell = store.cells(plan.id)[0]
    assert option_table(store, cell, priors=False).prior is None
    store._db.execute("DELETE FROM scores WHERE cell = ? AND idx = 3", (plan.cells[2].id,))
    assert option_table(store, cell).prior is None


def test_tables_of_a_run_are_those_with_scores_of_questions(store: Store, plan: Plan) -> None:
    found = list(tables(store, plan.id))
    assert [cell.id for cell, _ in found] == [plan.cells[0].id]
    empty = option_table(store, store.cells(plan.id)[1])
    assert (empty.n_items, empty.logprob.shape) == (0, (0, 3))
    with pytest.raises(UsageError, match="nothing is scored of prompts"):
        curve_evidence(store.cells(plan.id)[1], empty)


# --- evidence ---------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["mc1", "mc2", "acc_norm_tokens", "pmi"])
def test_evidence_of_a_stored_cell_fits_its_curve(store: Store, plan: Plan, metric: str) -> None:
    ((cell, scores), *_) = store.probed(plan.id)
    found = curve_evidence(cell, option_table(store, cell), metric)
    curve = item_curves(scores, cell.layers)
    assert (found.layers, found.depth, found.n_items, found.n_clusters) == ((1, 2, 3), 3, 12, 12)
    assert found.mean == pytest.approx(curve.mean(metric))
    assert (found.low <= found.mean).all()
    assert (found.mean <= found.high).all()
    assert found.chance == pytest.approx([curve.guess[metric]] * 3)
    assert (found.shortest is None) == (metric == "mc2")
    if metric == "mc1":
        assert found.shortest == pytest.approx([curve.shortest] * 3)
        assert found.prior == pytest.approx(curve.mean("prior"))
        assert found.baseline == pytest.approx(
            np.max([found.chance, found.shortest, found.prior], axis=0)
        )
    assert found.p_adjusted == pytest.approx(holm(found.p_above))
    assert [each.name for each in found.findings] == [
        "onset", "jump", "peak", "saturation", "early exit",
    ]  # fmt: skip
    assert found.kl[-1] == 0.0


def test_an_ability_is_seen_where_it_begins(store: Store, plan: Plan) -> None:
    table = normal_table(3, 120, 20)
    logprob = table.logprob.copy()
    logprob[table.best, 12:] += 2.0
    table = OptionTable(**{**vars(table), "logprob": logprob})
    cell = cell_of(table, store.cells(plan.id)[0], 20)
    found = curve_evidence(cell, table)
    assert found.findings[0].layer == 13
    assert (found.p_adjusted[12:] < 0.001).all()
    assert (found.p_adjusted[:12] > 0.05).all()
    assert found.remarks == ()
    assert (found.margin[12:] > found.margin[:12].max()).all()


def test_a_liking_for_short_options_is_no_onset(store: Store, plan: Plan) -> None:
    table = normal_table(4, 200, 6)
    table.n_tokens[table.best] = 9  # true options are the longest
    logprob = table.logprob * 0.1 - table.n_tokens[:, None]
    table = OptionTable(**{**vars(table), "logprob": logprob})
    found = curve_evidence(cell_of(table, store.cells(plan.id)[0], 6), table)
    assert found.findings[0].layer is None
    (remark,) = found.remarks
    assert remark == (
        "Length bias: below chance (25.0%) at layers 1-6; "
        "summed log-probs favour short options, and these are seldom true."
    )


def test_choosing_the_shortest_is_no_ability(store: Store, plan: Plan) -> None:
    table = normal_table(5, 200, 6)
    often = np.arange(200) % 2 == 0
    table.n_tokens[:] = np.maximum(table.n_tokens, 2)
    table.n_tokens[table.best[often]] = 1
    logprob = table.logprob * 0.01 - table.n_tokens[:, None]
    logprob[:, :2] = table.logprob[:, :2]
    table = OptionTable(**{**vars(table), "logprob": logprob})
    found = curve_evidence(cell_of(table, store.cells(plan.id)[0], 6), table)
    assert found.findings[0].layer is None
    assert len(found.remarks) == 1
    assert found.remarks[0].startswith("Length bias: above chance at layers 3-6, but not shown")


def test_few_clusters_and_missing_numbers_are_said(store: Store, plan: Plan) -> None:
    table = normal_table(6, 40, 3, per_cluster=10)
    table.logprob[5, 1] = np.nan
    found = curve_evidence(cell_of(table, store.cells(plan.id)[0], 3), table)
    assert (found.n_items, found.n_clusters) == (40, 4)
    assert np.isnan([found.low, found.high]).all()
    assert found.remarks[:2] == (
        "1 of 480 log-probs are not numbers: they count as wrong.",
        "There are only 4 clusters of alike items: no interval can be relied on.",
    )
    assert np.isfinite(found.entropy).all()


def test_intervals_do_not_collapse_where_all_items_agree(store: Store, plan: Plan) -> None:
    table = normal_table(7, 40, 3, per_cluster=2)
    table.logprob[:] = -1.0  # ties never count as right
    found = curve_evidence(cell_of(table, store.cells(plan.id)[0], 3), table)
    assert (found.low == 0).all()
    # each cluster of two counts as one item, by Student's t a little less
    assert (found.high >= wilson(0, 20)[1]).all()
    assert (found.high < wilson(0, 15)[1]).all()


def test_sure_and_right_is_well_calibrated() -> None:
    table = normal_table(9, 30, 2)
    table.logprob[:] = -20.0
    table.logprob[table.best] = -1.0
    sure = sureness(table)
    assert (sure.rank == 1).all()
    assert np.allclose([sure.brier, sure.calibration_error], 0, atol=1e-6)
    table.logprob[table.best] = -40.0  # as sure of the others
    wrong = sureness(table)
    assert (wrong.rank == 4).all()
    assert (wrong.brier > 1).all()
    assert np.allclose(wrong.calibration_error, 1 / 3)
