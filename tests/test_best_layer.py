"""The height of a chosen layer is what it scores on items that did not choose it.

Simulated: more settings, and more data sets each, stand in docs/statistics.md.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from madeup import always, fill, made_up_model, made_up_run
from scipy.stats import binom
from simulated import N_LAYERS, Truth, hill

from llprobe import page, report
from llprobe.analysis.best_layer import best_difference, best_layer, held_out
from llprobe.analysis.measures import metric
from llprobe.plan import Sweep, make_plan
from llprobe.report import option_table
from llprobe.report.compare import BEST, Question, compare_runs
from llprobe.report.replay import read_replay
from llprobe.report.stats import stats_rows
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import TaskRequest
from llprobe.tui.runlist import best_of
from llprobe.tui.runpreview import curve_lines

TIMES = 120
SETTINGS = [(50, 1), (200, 1), (42, 3), (448, 32)]
SPIKE = np.where(np.arange(N_LAYERS) == 19, 0.5, 0.3)


def enough(held: int, level: float, times: int = TIMES) -> bool:
    """Whether intervals that held it so often do not contradict a coverage of `level`."""
    return bool(binom.cdf(held, times, level) > 1e-3)


def drawn(curve: np.ndarray, n: int, per: int, i: int, rng: np.random.Generator) -> Any:
    return Truth(curve, per, 0.2 if per > 1 else 0.0, (0, 0.8, 0.95)[i % 3]).draw(n, rng)


@pytest.mark.parametrize(("n", "per"), SETTINGS)
@pytest.mark.parametrize("curve", [np.full(N_LAYERS, 0.5), np.full(N_LAYERS, 0.1), hill(20, 0.4),
                                   SPIKE], ids=["equal", "low", "hill", "spike"])  # fmt: skip
def test_intervals_hold_what_the_chosen_layer_scores_anew(
    n: int, per: int, curve: np.ndarray
) -> None:
    rng, held = np.random.default_rng([n, per]), 0
    for i in range(TIMES):
        best = best_layer(*drawn(curve, n, per, i, rng))
        assert best.low is not None
        assert best.high is not None
        held += best.low <= curve[best.column] <= best.high
    assert enough(held, 0.95)


def test_luck_is_not_counted() -> None:
    rng, found = np.random.default_rng(3), []
    for i in range(TIMES):
        best = best_layer(*drawn(np.full(N_LAYERS, 0.5), 50, 1, i, rng))
        found.append((best.observed, best.held_out))
    observed, again = np.mean(found, axis=0)
    assert observed > 0.57
    assert again == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("of_a", [1, N_LAYERS])
@pytest.mark.parametrize(("n", "per"), SETTINGS)
def test_more_layers_to_choose_from_are_no_advantage(
    n: int, per: int, of_a: int, paired: bool
) -> None:
    rng, false, held = np.random.default_rng([n, of_a]), 0, 0
    for i in range(TIMES):
        a, clusters = drawn(np.full(of_a, 0.3), n, per, i, rng)
        b, _ = drawn(np.full(N_LAYERS, 0.3), n, per, i, rng)
        found = best_difference(a, b, (clusters, clusters), paired=paired)
        assert found.low is not None
        assert found.high is not None
        false += found.p <= 0.05
        held += found.low <= 0 <= found.high
        assert (found.p <= 0.05) == (not found.low <= 0 <= found.high)
    assert enough(held, 0.95)
    assert enough(TIMES - false, 0.95)


def test_a_better_model_is_told() -> None:
    rng = np.random.default_rng(5)
    a, clusters = Truth(hill(20, 0.2)).draw(300, rng)
    b, _ = Truth(hill(25, 0.6)).draw(300, rng)
    found = best_difference(a, b, (clusters, clusters), paired=True)
    assert found.p < 1e-6
    assert found.difference == pytest.approx(0.4, abs=0.12)


def test_no_item_scores_a_layer_that_it_chose() -> None:
    """Each item is right at a layer of its own: whatever the others choose, it is wrong there."""
    assert not held_out(np.eye(8), np.arange(8)).any()
    copies = np.repeat(np.eye(8), 3, axis=0)
    assert held_out(copies, np.arange(24)).any()
    assert not held_out(copies, np.arange(24) // 3).any()


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_whatever_the_items_are_the_interval_is_possible(data: st.DataObject) -> None:
    n, k = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 6))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    values = rng.choice(data.draw(st.sampled_from([(0.0, 1.0), (0.0,), (1.0,), (0.1, 0.3, 0.7)])),
                        (n, k))  # fmt: skip
    clusters = np.arange(n) // data.draw(st.integers(1, 9))
    best, n_clusters = best_layer(values, clusters), len(np.unique(clusters))
    assert best.observed == pytest.approx(values.mean(axis=0).max())
    if n_clusters < 5:
        assert (best.low, best.high) == (None, None)
        assert (best.held_out is None) == (n_clusters < 2 and k > 1)
        return
    assert best.low is not None
    assert best.high is not None
    assert best.held_out is not None
    assert 0 <= best.low <= best.held_out + 1e-9
    assert best.held_out - 1e-9 <= best.high <= 1
    assert best.low < best.high


def test_one_layer_was_not_chosen() -> None:
    values = np.array([1.0, 0, 1, 0, 1, 1])[:, None]
    best = best_layer(values, np.arange(6))
    assert best.held_out == pytest.approx(best.observed) == pytest.approx(4 / 6)


# --- wherever it is printed -------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, tuple[str, str]]]:
    """Give a store with runs of two models that guess at all of 20 layers."""
    folder = tmp_path_factory.mktemp("best")
    with Store(folder / "a.db") as store:
        runs = []
        rng = np.random.default_rng(7)
        for name in ("one", "other"):
            models, task = [made_up_model(folder, name, 20)], TaskRequest("calculation", limit=40)
            runs.append(made_up_run(store, models, [task], lambda *_: rng.random(20) < 0.4))
        yield store, (runs[0], runs[1])


def test_every_table_prints_what_is_to_be_expected(place: tuple[Store, tuple[str, str]]) -> None:
    store, (run, _) = place
    cell = store.cells(run)[0]
    table = option_table(store, cell)
    best = best_layer(metric(table), table.clusters)
    assert best.held_out is not None
    assert best.held_out < best.observed
    row = report.summaries(store, run)[0].row()
    stats, (shown,) = stats_rows(store, run)[0], report.cell_rows(store, run)
    for each in (row, stats, shown):
        ends = each["best_held_out"], each["best_low"], each["best_high"]
        assert ends == (best.held_out, best.low, best.high)
    assert row["best"] == shown["best"] == best.observed
    gathered = page.gather(store, [run])
    text = f"{100 * best.held_out:.1f}"
    assert page.rows.summary_rows(gathered)[0]["best"].text.rstrip("*") == text
    assert (
        f"{text}% [{100 * best.low:.1f}%, {100 * best.high:.1f}%] to be expected"
        in (  # type: ignore[operator]
            page.findings.findings(gathered)[0][1][0]
        )
    )
    assert read_replay(store, cell).end.best == best
    assert f"{best.held_out:4.0%} L{best.column + 1}" in str(curve_lines(store, run, 120)[1])
    home = best_of(store, run)
    assert home is not None
    assert home.value == best.held_out


def test_groups_have_their_own_best_layer(place: tuple[Store, tuple[str, str]]) -> None:
    store, (run, _) = place
    table = option_table(store, store.cells(run)[0])
    groups = [s for s in report.summaries(store, run, by="group") if s.group]
    assert len(groups) > 1
    for summary in groups:
        items = np.array([group == summary.group for group in table.groups])
        values = metric(table)[items]
        assert summary.best == best_layer(values, table.clusters[items])
        assert summary.row()["best"] == pytest.approx(values.mean(axis=0).max())


def test_at_best_is_what_the_best_layers_score_anew(place: tuple[Store, tuple[str, str]]) -> None:
    store, runs = place
    row = compare_runs(store, runs, Question(BEST)).rows[0]
    sides = [option_table(store, store.cells(run)[0]) for run in runs]
    values, clusters = [metric(table) for table in sides], sides[0].clusters
    found = best_difference(values[0], values[1], (clusters, clusters), paired=True)
    assert (row.mean_a, row.mean_b, row.difference) == (found.a, found.b, found.difference)
    assert (row.low, row.high, row.p) == (found.low, found.high, found.p)


def test_what_changes_is_read_again(tmp_path: Path) -> None:
    """A run that grows, or is scored anew, has other best layers than it had."""
    models, task = [made_up_model(tmp_path, "one", 8)], TaskRequest("calculation", limit=30)
    with Store(tmp_path / "a.db") as store:
        plan = make_plan(Sweep(tuple(models), (task,), settings=EngineSettings(n_threads=1)))
        before = []
        for share in (0.2, 0.9):
            store.begin(plan, "llprobe run", fresh=True)
            fill(store, plan, always((share,) * 8))
            before.append(report.cell_rows(store, plan.id)[0]["best_held_out"])
    assert before[0] < 0.5 < before[1]
