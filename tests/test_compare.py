"""Comparison of runs: numbers against their definitions, and what is said of them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from madeup import always, fill, made_up_model, made_up_run, noisy

from llprobe.analysis.measures import metric
from llprobe.errors import UnknownName, UsageError
from llprobe.plan import Sweep, make_plan
from llprobe.published import table as published_table
from llprobe.report.compare import (
    BEST,
    PENULTIMATE,
    Question,
    compare_cells,
    compare_runs,
    parse_where,
)
from llprobe.report.compare.difference import Difference, adjusted
from llprobe.report.compare.unpaired import unpaired
from llprobe.report.compare.where import Where, matched
from llprobe.report.pairing import sides
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import TaskRequest

CALC = TaskRequest("calculation", limit=60)
LOW, HIGH = always((0.2, 0.2, 0.2, 0.3, 0.3, 0.3)), always((0.2, 0.2, 0.6, 0.9, 0.9, 0.9))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        yield store


@pytest.fixture
def two(store: Store, tmp_path: Path) -> tuple[str, str]:
    """Give two runs of which the second is better from layer 3 on."""
    small, large = (made_up_model(tmp_path, name) for name in ("small", "large"))
    return (
        made_up_run(store, [small], [CALC], LOW),
        made_up_run(store, [large], [CALC], HIGH),
    )


def _only(store: Store, names: Any, **ask: Any) -> Difference:
    (row,) = compare_runs(store, names, Question(**ask)).rows
    return row


def test_a_difference_is_that_of_the_items_both_answer(store: Store, two: tuple[str, str]) -> None:
    row = _only(store, two)
    a, b = (metric(sides(store, run)[0].table, "mc1")[:, -1] for run in two)
    assert (row.task, row.group, row.a, row.b) == ("calculation", "", "small", "large")
    assert (row.layer_a, row.layer_b, row.depth) == (6, 6, 1.0)
    assert (row.items_a, row.items_b, row.paired) == (60, 60, True)
    assert (row.mean_a, row.mean_b) == (a.mean(), b.mean())
    assert row.difference == pytest.approx(b.mean() - a.mean())
    assert (row.wins, row.losses) == ((b > a).sum(), (b < a).sum())
    assert row.low is not None
    assert row.high is not None
    assert row.low < row.difference < row.high
    assert row.p == row.p_adjusted
    assert row.p is not None
    assert row.p < 0.001
    assert row.stars == "***"


def test_the_same_answers_differ_in_nothing_and_say_what_could_be_seen(
    store: Store, tmp_path: Path
) -> None:
    infos = [made_up_model(tmp_path, "small"), made_up_model(tmp_path, "small:Q4_0", quant="Q4_0")]
    run = made_up_run(store, infos, [CALC], lambda cell, _: np.ones(len(cell.layers), bool))
    (row,) = compare_cells(store, [run], "model", Question()).rows
    assert (row.difference, row.p, row.stars) == (0.0, 1.0, "")
    assert row.detectable is not None
    assert 0.02 < row.detectable < 0.3


@pytest.mark.parametrize(
    ("text", "layer"),
    [("last", 6), ("penultimate", 5), ("2", 2), ("-1", 6), ("-6", 1), ("0.5", 3), ("1.0", 6),
     ("depth 0.34", 2), (" LAST ", 6)],
)  # fmt: skip
def test_a_layer_is_named_in_several_ways(text: str, layer: int) -> None:
    assert parse_where(text).layer((1, 2, 3, 4, 5, 6), 6) == layer


@pytest.mark.parametrize(
    "text", ["", "first", "1.5", "nan", "-0.5", "inf", "depth", "2e400", "depth 2"]
)
def test_what_names_no_layer_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write last, best"):
        parse_where(text)


def test_a_layer_that_was_not_scored_is_named(store: Store, two: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="layer 9 of 6 was not scored; these were: 1 to 6"):
        compare_runs(store, two, Question(Where("layer", 9)))
    with pytest.raises(UsageError, match="these were: 1, 3"):
        Where("layer", 2).layer((1, 3), 3)


def test_depths_match_models_of_unequal_depth(store: Store, tmp_path: Path) -> None:
    assert matched((1, 2, 3, 4), (1, 2, 3, 4, 5, 6, 7, 8), (4, 8)) == (
        (1, 2),
        (2, 4),
        (3, 6),
        (4, 8),
    )
    infos = [made_up_model(tmp_path, "small", 4), made_up_model(tmp_path, "deep", 6)]
    runs = [made_up_run(store, [info], [CALC], HIGH) for info in infos]
    rows = compare_runs(store, runs, Question(None)).rows
    assert [(row.layer_a, row.layer_b) for row in rows] == [(1, 1), (2, 3), (3, 4), (4, 6)]
    assert [row.depth for row in rows] == [0.25, 0.5, 0.75, 1.0]


def test_the_best_layers_are_chosen_for_either_side(store: Store, two: tuple[str, str]) -> None:
    row = _only(store, two, where=BEST)
    means = [metric(sides(store, run)[0].table, "mc1").mean(axis=0) for run in two]
    assert (row.layer_a, row.layer_b) == tuple(mean.argmax() + 1 for mean in means)
    for scored, mean in zip((row.mean_a, row.mean_b), means, strict=True):
        assert mean.min() < scored <= mean.max() + 1e-9  # of items that did not choose the layer
    assert row.difference == pytest.approx(row.mean_b - row.mean_a)
    assert row.p is not None
    assert row.p < 0.01


def test_the_best_of_equal_layers_is_no_finding(store: Store, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    infos = [made_up_model(tmp_path, name, 20) for name in ("one", "other")]
    found = []
    for seed in range(6):
        task = replace(CALC, seed=seed, limit=40)
        runs = [made_up_run(store, [i], [task], lambda *_: rng.random(20) < 0.4) for i in infos]
        found.append(_only(store, runs, where=BEST).p)
    assert sum(p < 0.05 for p in found if p is not None) <= 1


def test_one_item_shows_nothing(store: Store, tmp_path: Path) -> None:
    infos = [made_up_model(tmp_path, name) for name in ("small", "large")]
    runs = [
        made_up_run(
            store, [i], [replace(CALC, limit=1)], lambda c, _: np.full(6, c.model.name == "large")
        )
        for i in infos
    ]
    for where in (PENULTIMATE, BEST):
        row = _only(store, runs, where=where)
        assert (row.difference, row.p, row.low, row.high) == (1.0, 1.0, None, None)


def test_groups_follow_their_task_and_sum_to_it(store: Store, two: tuple[str, str]) -> None:
    rows = compare_runs(store, two, Question(by="numbers")).rows
    assert [(row.group, row.items_a) for row in rows] == [("", 60), ("int", 30), ("float", 30)]
    assert rows[0].difference == pytest.approx((rows[1].difference + rows[2].difference) / 2)
    with pytest.raises(UsageError, match="--by colour"):
        compare_runs(store, two, Question(by="colour"))


def test_p_is_adjusted_over_the_whole_table(store: Store, two: tuple[str, str]) -> None:
    holm = compare_runs(store, two, Question(by="facet"))
    fdr = compare_runs(store, two, Question(by="facet", adjustment="fdr"))
    smallest = min(row.p for row in holm.rows if row.p is not None)
    assert min(row.p_adjusted or 0 for row in holm.rows) == pytest.approx(smallest * len(holm.rows))
    assert all(
        (x.p_adjusted or 0) >= (y.p_adjusted or 0) for x, y in zip(holm.rows, fdr.rows, strict=True)
    )
    assert {row.adjustment for row in fdr.rows} == {"fdr"}


def test_rows_without_a_test_stay_so() -> None:
    plain = Difference("t", "", "a", "b", {}, "mc1", 1, 1, 1.0, None, None, False, 0.1, 0.2, 0.1)  # noqa: FBT003 - a field
    (row, tested) = adjusted([plain, replace(plain, p=0.02)], "holm")
    assert (row.p_adjusted, row.stars) == (None, "")
    assert (tested.p_adjusted, tested.stars) == (0.02, "*")
    assert adjusted([plain], "fdr") == [plain]


def test_several_runs_stand_against_the_first(
    store: Store, two: tuple[str, str], tmp_path: Path
) -> None:
    third = made_up_run(store, [made_up_model(tmp_path, "third")], [CALC], LOW)
    rows = compare_runs(store, [*two, third], Question()).rows
    assert [(row.a, row.b) for row in rows] == [("small", "large"), ("small", "third")]


def test_other_items_are_compared_only_when_told(store: Store, tmp_path: Path) -> None:
    infos = [made_up_model(tmp_path, name) for name in ("small", "large")]
    one = made_up_run(store, [infos[0]], [CALC], LOW)
    other = made_up_run(store, [infos[1]], [replace(CALC, seed=3, limit=50)], HIGH)
    with pytest.raises(UsageError, match="--unpaired"):
        compare_runs(store, [one, other], Question())
    row = _only(store, [one, other], unpaired=True)
    assert (row.paired, row.items_a, row.items_b, row.wins) == (False, 60, 50, None)
    assert row.p is not None
    assert row.p < 0.01
    assert row.low is not None
    assert row.low > 0


def test_a_part_that_both_have_is_compared_and_named(store: Store, tmp_path: Path) -> None:
    infos = [made_up_model(tmp_path, name) for name in ("small", "large")]
    one = made_up_run(store, [infos[0]], [CALC, TaskRequest("facts", limit=5)], LOW)
    other = made_up_run(store, [infos[1]], [replace(CALC, limit=20)], HIGH)
    found = compare_runs(store, [one, other], Question())
    assert [row.items_a for row in found.rows] == [20]
    assert found.remarks == (
        "not in both: facts",
        "calculation: the 20 items that both have are compared, of 60 of small and 20 of large",
    )


def test_what_a_comparison_lacks_is_named(store: Store, tmp_path: Path) -> None:
    small, large, third = (made_up_model(tmp_path, name) for name in ("small", "large", "third"))
    facts = TaskRequest("facts", limit=40)
    one = made_up_run(store, [small], [CALC, facts], LOW)
    other = made_up_run(store, [large], [CALC, facts], HIGH)
    plan = make_plan(Sweep((third,), (CALC, facts), settings=EngineSettings(n_threads=1)))
    store.begin(plan, "llprobe run")
    fill(store, replace(plan, cells=plan.cells[:1]), LOW)
    store.fail_cells([plan.cells[1].id], "the worker died")
    # that the other pair has the task does not hide that this one has not
    found = compare_runs(store, [one, other, plan.id], Question())
    assert len(found.rows) == 3
    failed = "not compared: facts (third): failed, the worker died"
    assert found.remarks == ("not in both: facts", failed)
    found = compare_cells(store, [one, plan.id], "model", Question())
    assert [row.task for row in found.rows] == ["calculation"]
    assert found.remarks == ("nothing to compare with: facts", failed)
    with pytest.raises(UsageError, match="calculation, small and large: layer 9 of 6"):
        compare_runs(store, [one, other], Question(Where("layer", 9)))


def test_languages_of_one_cell_are_compared_by_question(store: Store, tmp_path: Path) -> None:
    share = {"es": 0.9, "fr": 0.6, "zh": 0.3, "th": 0.1}
    run = made_up_run(
        store, [made_up_model(tmp_path, "small")], [TaskRequest("xmps_rea", limit=40)],
        noisy(lambda item: [share[item.group]] * 6),
    )  # fmt: skip
    rows = compare_cells(store, [run], "language", Question()).rows
    assert [(row.b, row.paired, row.items_a) for row in rows] == [
        ("fr", True, 40), ("zh", True, 40), ("th", True, 40)
    ]  # fmt: skip
    assert rows[2].difference < -0.6


def test_what_cannot_be_compared_is_refused(
    store: Store, two: tuple[str, str], tmp_path: Path
) -> None:
    facts = made_up_run(
        store, [made_up_model(tmp_path, "third")], [TaskRequest("facts", limit=3)], LOW
    )
    for names, said in (
        ([two[0]], "name two runs"),
        ([two[0], facts], "no task in common"),
    ):
        with pytest.raises(UsageError, match=said):
            compare_runs(store, names, Question())
    with pytest.raises(UnknownName, match="no run named"):
        compare_runs(store, ["zzzz", two[0]], Question())
    with pytest.raises(UsageError, match="published tables have none"):
        compare_cells(store, ["paper:llama2-7b"], "lens", Question())


# --- published tables -------------------------------------------------------------------------


def test_published_tables_are_compared_without_any_test() -> None:
    found = compare_runs(None, ["paper:llama2-7b", "paper:llama2-70b"], Question())
    rows = {row.task: row for row in found.rows}
    layers, values = published_table("paper:llama2-70b").curves["lama"]
    assert (rows["lama"].layer_a, rows["lama"].layer_b) == (32, layers[-1])
    assert rows["lama"].mean_b == values[-1]
    assert (rows["lama"].low, rows["lama"].p, rows["lama"].stars) == (None, None, "")
    assert any("one row looks copied" in remark for remark in found.remarks)


def test_a_run_is_laid_beside_the_published_rows_of_its_abilities(
    store: Store, tmp_path: Path
) -> None:
    tasks = [TaskRequest("facts", limit=10), CALC]
    run = made_up_run(store, [made_up_model(tmp_path, "small")], tasks, LOW)
    found = compare_runs(store, [run, "paper:llama2-13b"], Question())
    (row,) = found.rows
    assert (row.task, row.items_a, row.items_b) == ("facts / lama", 10, None)
    assert row.shared["lens"] == "norm"
    turned = compare_runs(store, ["paper:llama2-13b", run], Question()).rows[0]
    assert turned.difference == -row.difference
    with pytest.raises(UsageError, match="mc1 only"):
        compare_runs(store, [run, "paper:llama2-13b"], Question(metric="mc2"))


def test_stored_runs_stay_paired_beside_a_published_one(store: Store, tmp_path: Path) -> None:
    infos = [made_up_model(tmp_path, name) for name in ("small", "large")]
    runs = [made_up_run(store, [i], [TaskRequest("facts", limit=10)], LOW) for i in infos]
    rows = compare_runs(store, [*runs, "paper:llama2-7b"], Question()).rows
    assert [(row.b, row.paired) for row in rows] == [("large", True), ("paper:llama2-7b", False)]


def test_published_languages_are_rows() -> None:
    rows = compare_runs(
        None, ["paper:llama2-7b", "paper:llama2-13b"], Question(BEST, by="language")
    ).rows
    assert {row.group for row in rows} == {"", "es", "fr", "zh", "th"}
    with pytest.raises(UsageError, match="by language only"):
        compare_runs(None, ["paper:llama2-7b", "paper:llama2-13b"], Question(by="operation"))


# --- unpaired sets ----------------------------------------------------------------------------


def test_unpaired_counts_are_newcombes() -> None:
    # Newcombe 1998, table II, line a: 56/70 against 48/80, method 10
    a, b = np.repeat([1.0, 0.0], [48, 32]), np.repeat([1.0, 0.0], [56, 14])
    found = unpaired(a, b, (np.arange(80), np.arange(70)))
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    assert found.difference == pytest.approx(0.2)
    # where Newcombe's interval would end at 0; Fisher's exact test, more careful, has 0.0123
    assert found.p == pytest.approx(0.0081, abs=2e-4)


@pytest.mark.parametrize("clustered", [False, True])
def test_unpaired_sets_of_one_mean_are_seldom_found_different(clustered: bool) -> None:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(60):
        draws = []
        for _ in range(2):
            shares = rng.beta(2, 2, 20).repeat(3) if clustered else np.full(60, 0.4)
            draws.append((rng.random(60) < shares).astype(float))
        of = np.arange(60) // 3 if clustered else np.arange(60)
        found.append(unpaired(draws[0], draws[1], (of, of)))
    assert np.mean([each.p < 0.05 for each in found]) <= 0.1
    assert np.mean([each.p > 0.05 for each in found]) >= 0.9
    for each in found:
        assert each.low is not None
        assert each.high is not None
        assert (each.low <= 0 <= each.high) == (each.p > 0.05)


def test_one_cluster_on_a_side_finds_nothing() -> None:
    zeros, ones = np.zeros(6), np.ones(6)
    found = unpaired(zeros, ones, (np.zeros(6, np.int64), np.arange(6)))
    assert (found.difference, found.p, found.low, found.high) == (1.0, 1.0, None, None)


def test_clusters_that_agree_still_leave_room() -> None:
    ones, of = np.ones(40), np.arange(40) // 2
    equal = unpaired(ones, ones, (of, of))
    assert (equal.difference, equal.p) == (0.0, 1.0)
    assert equal.low is not None
    assert equal.high is not None
    assert equal.low < -0.1 < 0.1 < equal.high
    assert equal.detectable > 0.05
    apart = unpaired(0 * ones, ones, (of, of))
    assert apart.p < 0.001
    assert apart.low is not None
    assert 0.5 < apart.low < apart.difference == 1.0


def test_sets_without_a_right_answer_do_not_promise_to_show_all() -> None:
    found = unpaired(np.zeros(30), np.zeros(30), (np.arange(30), np.arange(30)))
    assert found.detectable > 0.05


def test_best_layers_that_never_differ_leave_room(store: Store, tmp_path: Path) -> None:
    right = always((1.0,) * 6)
    runs = [made_up_run(store, [made_up_model(tmp_path, n)], [CALC], right) for n in "xy"]
    row = _only(store, runs, where=BEST)
    assert row.low is not None
    assert row.high is not None
    assert row.low < -0.02 < 0.02 < row.high


def test_a_run_is_not_compared_with_itself(store: Store, two: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="the same run twice"):
        compare_runs(store, [two[0], two[0][:10]], Question())
