"""The paper's questions: planted answers are found, and too little data is called so."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from madeup import Right, always, fill, made_up_model, made_up_run, noisy

from llprobe.errors import UnknownName, UsageError
from llprobe.plan import Cell, Sweep, make_plan
from llprobe.report.ask import QUESTIONS, Verdict, ask_runs
from llprobe.report.ask.int_vs_float import matched_difference
from llprobe.report.ask.verdict import MATTERS, described, sort_rows
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import Item, TaskRequest

CALC, XMPS = TaskRequest("calculation", limit=120), TaskRequest("xmps_rea", limit=60)
GUESS = (0.25,) * 6
PLAIN = EngineSettings(n_threads=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        yield store


def _ask(
    store: Store, question: str, right: Right, *, task: TaskRequest = CALC, **model: Any
) -> Verdict:
    return ask_runs(store, question, [_run(store, "small", right, task=task, **model)])


def _run(store: Store, name: str, right: Right, *, task: TaskRequest = CALC, **model: Any) -> str:
    return made_up_run(store, [made_up_model(store.path.parent, name, **model)], [task], right)


# --- penultimate ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends", "answer", "said"),
    [((0.8, 0.4), "yes", "Better before the last: calculation +"),
     ((0.4, 0.8), "no", "Better at the last: calculation -")],
)  # fmt: skip
def test_a_planted_difference_of_the_last_layers_is_found(
    store: Store, ends: Sequence[float], answer: str, said: str
) -> None:
    found = _ask(store, "penultimate", always((*GUESS[:4], *ends)))
    assert found.answer == answer
    assert found.words.startswith(said)
    (row,) = found.rows
    assert row["difference"] == pytest.approx(row["penultimate"] - row["last"])


def test_few_items_cannot_tell_and_say_how_many_more_would(store: Store) -> None:
    task = TaskRequest("calculation", limit=10)
    found = _ask(store, "penultimate", always((*GUESS[:4], 0.3, 0.45)), task=task)
    assert found.answer == "cannot tell"
    assert "more items of calculation would show" in found.words


def test_equal_layers_of_few_items_are_not_called_equal(store: Store) -> None:
    found = _ask(
        store, "penultimate", always((0.5,) * 6), task=TaskRequest("calculation", limit=20)
    )
    assert found.rows[0]["difference"] == 0.0
    assert found.answer == "cannot tell"


def test_equal_layers_of_many_items_are(store: Store) -> None:
    task = TaskRequest("calculation", settings=(("per_group", "10"),))
    found = _ask(store, "penultimate", always((0.5,) * 6), task=task)
    assert found.answer == "no"
    assert found.words == "No: in calculation they differ by less than 5.0 points."


def test_layers_that_were_not_scored_are_asked_for(store: Store, tmp_path: Path) -> None:
    infos = [made_up_model(tmp_path, "small")]
    run = made_up_run(store, infos, [CALC], always(GUESS), layers="1-3")
    with pytest.raises(UsageError, match="--layers=-2,-1"):
        ask_runs(store, "penultimate", [run])


# --- onset ------------------------------------------------------------------------------------


def test_one_model_has_a_place_and_asks_for_another(store: Store) -> None:
    found = _ask(store, "onset", always((0.1, 0.1, 0.1, 0.9, 0.9, 0.9)))
    assert found.answer == "1 of 1 begin"
    assert found.rows[0]["onset"] == 4
    assert found.words.startswith("calculation at layer 4 of 6 (95%: 4 to 4).")
    assert "needs a second model" in found.words


@pytest.mark.parametrize(("begins", "answer"), [(6, "yes"), (2, "no")])
def test_onsets_of_two_models_are_compared_by_depth(store: Store, begins: int, answer: str) -> None:
    def steps(n: int, at: int) -> Right:
        return always([0.1] * (at - 1) + [0.95] * (n - at + 1))

    runs = [_run(store, "small", steps(6, 3)), _run(store, "deep", steps(12, begins), n_layers=12)]
    found = ask_runs(store, "onset", runs)
    assert [row["onset"] for row in found.rows] == [3, begins]
    assert found.answer == answer


def test_a_model_that_never_begins_leaves_the_question_open(store: Store) -> None:
    runs = [_run(store, "small", always(GUESS)), _run(store, "large", always((0.95,) * 6))]
    found = ask_runs(store, "onset", runs)
    assert found.answer == "cannot tell"
    alone = ask_runs(store, "onset", runs[:1])
    assert alone.answer == "cannot tell"
    assert "none of these rises above its baseline and stays there: calculation" in alone.words


# --- lower layers -----------------------------------------------------------------------------


def test_lower_layers_above_chance_are_found(store: Store) -> None:
    found = _ask(store, "lower-layers", always((0.2, 0.7, 0.7, 0.7, 0.7, 0.7)))
    assert (found.answer, found.rows[0]["layers"], found.rows[0]["layers_above"]) == (
        "no",
        "1-2",
        1,
    )


def test_lower_layers_below_chance_hold_no_more_than_chance(store: Store) -> None:
    found = _ask(store, "lower-layers", always((0.05, 0.05, 0.7, 0.7, 0.7, 0.7)))
    assert found.answer == "yes"
    assert found.rows[0]["high"] < MATTERS


def test_lower_layers_far_below_the_baseline_are_not_called_a_little_above(store: Store) -> None:
    task = TaskRequest("calculation", settings=(("per_group", "10"),))
    found = _ask(store, "lower-layers", always((0.0, 0.0, 0.7, 0.7, 0.7, 0.7)), task=task)
    (row,) = found.rows
    assert found.answer == "yes"
    assert row["high"] < -0.1
    assert found.words.startswith("Below the better baseline: calculation -")
    assert "above" not in found.words.lower()
    near = _run(store, "near", always((0.22, 0.22, 0.7, 0.7, 0.7, 0.7)), task=task)
    found = ask_runs(store, "lower-layers", [near])
    assert found.answer == "yes"
    assert found.rows[0]["high"] > 0
    said = "Not above the better baseline by 5.0 points or more: calculation "
    assert found.words.startswith(said)


def test_lower_layers_of_few_items_cannot_tell(store: Store) -> None:
    task = TaskRequest("calculation", limit=8)
    assert _ask(store, "lower-layers", always((0.5,) * 6), task=task).answer == "cannot tell"


# --- whole against decimal numbers ------------------------------------------------------------


def test_whole_numbers_are_found_to_be_easier(store: Store) -> None:
    right = noisy(lambda item: [0.8 if item.group.startswith("int") else 0.3] * 6)
    found = _ask(store, "int-vs-float", right)
    assert found.answer == "yes"
    assert found.rows[0]["strata"] == 18
    assert found.words.startswith("Whole numbers are easier: calculation +")


def test_numbers_that_do_not_matter_cannot_be_told_from_few(store: Store) -> None:
    found = _ask(store, "int-vs-float", always((0.5,) * 6))
    assert found.answer == "cannot tell"
    assert "--set per_group=200" in found.words


def test_a_confounder_is_matched_away() -> None:
    # whole numbers are asked mostly in the easy stratum, and matter in neither
    rng = np.random.default_rng(0)
    strata = np.repeat([0, 1], 400)
    first = rng.random(800) < np.where(strata == 0, 0.8, 0.2)
    values = (rng.random(800) < np.where(strata == 0, 0.9, 0.2)).astype(float)
    assert values[first].mean() - values[~first].mean() > 0.3
    found = matched_difference(values, first, strata)
    assert abs(found.difference) < 0.1
    assert found.p > 0.05
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high


def test_strata_without_both_kinds_are_left_out() -> None:
    values, strata = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0, 0, 1, 2])
    first = np.array([True, False, True, False])
    found = matched_difference(values, first, strata)
    assert (found.n_items, found.n_strata, found.difference, found.low) == (2, 1, 1.0, None)
    with pytest.raises(UsageError, match="one size and operation"):
        matched_difference(values, first, np.arange(4))


# --- languages --------------------------------------------------------------------------------


def test_languages_that_differ_are_named_with_where_they_part(store: Store) -> None:
    late = {"es": 0.9, "fr": 0.9, "zh": 0.2, "th": 0.2}
    right = noisy(
        lambda item: [0.2, 0.2, 0.2, late[item.group], late[item.group], late[item.group]]
    )
    found = _ask(store, "cross-lingual", right, task=XMPS)
    rows = {row["pair"]: row for row in found.rows}
    assert found.answer == "yes"
    assert "They part from layer 4 on" in found.words
    assert rows["es-zh"]["parts_at"] == 4
    assert rows["es-fr"]["parts_at"] is None
    assert rows["es-th"]["p_adjusted"] < 0.05 <= rows["zh-th"]["p_adjusted"]


def test_languages_alike_cannot_be_told_apart_by_few(store: Store) -> None:
    found = _ask(store, "cross-lingual", always((0.5,) * 6), task=XMPS)
    assert found.answer == "cannot tell"


# --- threshold --------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_sizes_cannot_tell(store: Store, n: int) -> None:
    runs = [
        _run(store, f"m{i}", always((0.1 + 0.15 * i,) * 6), n_params=10 ** (8 + i))
        for i in range(n)
    ]
    found = ask_runs(store, "threshold", runs)
    assert found.answer == "cannot tell"
    assert f"{n} size{'s' * (n > 1)}, at least 6 are needed" in found.words


def test_a_planted_step_is_found(store: Store) -> None:
    runs = [
        _run(store, f"m{i}", always((0.1 if i < 5 else 0.95,) * 6), n_params=int(10 ** (8 + i / 4)))
        for i in range(10)
    ]
    found = ask_runs(store, "threshold", runs)
    assert found.answer == "yes"
    assert "calculation rises by" in found.words
    assert found.rows[0]["step_after"] == pytest.approx(10**9, rel=1e-6)


def test_of_two_quants_of_a_size_the_finer_one_counts(store: Store) -> None:
    runs = [
        _run(store, name, always((share,) * 6), n_params=10**8, bits_per_weight=bits)
        for name, share, bits in (("m:Q4_0", 0.1, 4.5), ("m:F16", 0.9, 16.0))
    ]
    assert ask_runs(store, "threshold", runs).rows[0]["models"] == ["m:F16"]


# --- all --------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["int-vs-float", "cross-lingual"])
def test_a_task_that_is_not_there_comes_with_its_command(store: Store, question: str) -> None:
    task = TaskRequest("facts", limit=3)
    needed = {"int-vs-float": "calculation", "cross-lingual": "xmps_rea"}[question]
    with pytest.raises(UsageError, match=rf"llprobe run -m small -t {needed}"):
        _ask(store, question, always(GUESS), task=task)


def test_what_is_no_question_or_no_run_is_named(store: Store) -> None:
    run = _run(store, "small", always(GUESS))
    with pytest.raises(UnknownName, match="did you mean onset"):
        ask_runs(store, "onst", [run])
    with pytest.raises(UsageError, match="published tables have no items"):
        ask_runs(store, "onset", ["paper:llama2-7b"])
    assert set(QUESTIONS) == {
        "penultimate", "onset", "lower-layers", "int-vs-float", "cross-lingual", "threshold",
    }  # fmt: skip


def test_a_cell_of_two_runs_counts_once(store: Store) -> None:
    run = _run(store, "small", always(GUESS))
    assert len(ask_runs(store, "penultimate", [run, run]).rows) == 1


def test_rows_are_sorted_by_their_tests() -> None:
    def row(difference: float, p: float, wide: float, detectable: float) -> dict[str, Any]:
        low, high = difference - wide, difference + wide
        return {"difference": difference, "p_adjusted": p, "low": low, "high": high,
                "detectable": detectable}  # fmt: skip

    better, worse = row(0.2, 0.01, 0.1, 0.1), row(-0.2, 0.01, 0.1, 0.1)
    equal, unclear = row(0.0, 1.0, 0.02, 0.03), row(0.0, 1.0, 0.0, 0.4)
    found = sort_rows([better, worse, equal, unclear])
    assert (found.better, found.worse, found.equal, found.unclear) == (
        (better,), (worse,), (equal,), (unclear,),
    )  # fmt: skip
    assert found.answer == "it depends"
    assert sort_rows([better, unclear]).answer == "yes"
    assert sort_rows([worse, equal]).answer == "no"
    assert sort_rows([equal]).answer == "no"
    assert sort_rows([equal, unclear]).answer == "cannot tell"


# --- what must not be misread -----------------------------------------------------------------


def test_lenses_are_no_models(store: Store) -> None:
    def right(cell: Cell, item: Item) -> npt.NDArray[np.bool_]:
        return always(_step(2 if cell.lens == "norm" else 5))(cell, item)

    models = [made_up_model(store.path.parent, name) for name in ("small", "large")]
    run = made_up_run(store, models, [CALC], right, lenses=("norm", "paper"))
    found = ask_runs(store, "onset", [run])
    assert {(row["lens"], row["onset"]) for row in found.rows} == {("norm", 2), ("paper", 5)}
    assert found.answer != "no"
    assert "calculation (norm) and calculation (paper): " in found.words


def _step(begins: int) -> tuple[float, ...]:
    return tuple(0.05 if layer < begins else 0.95 for layer in range(1, 7))


def test_layers_below_chance_are_no_part_of_the_verdict(store: Store) -> None:
    task = TaskRequest("calculation", settings=(("per_group", "10"),))
    found = _ask(store, "penultimate", always((*GUESS[:4], 0.1, 0.0)), task=task)
    (row,) = found.rows
    assert row["p_adjusted"] < 0.001
    assert row["below_chance"]
    assert found.answer == "cannot tell"
    assert "In 1 cell (calculation) both layers lie below chance" in found.words


def test_one_cluster_of_many_items_is_no_answer(store: Store) -> None:
    found = _ask(store, "cross-lingual", always((0.9,) * 6), task=TaskRequest("xmps_rea", limit=3))
    assert all((row["low"], row["high"]) == (None, None) for row in found.rows)
    assert found.answer == "cannot tell"


def test_languages_without_a_right_answer_are_not_helped_by_more_items(store: Store) -> None:
    found = _ask(store, "cross-lingual", always((0.0,) * 6), task=XMPS)
    assert found.answer == "cannot tell"
    assert "more items will not change it" in found.words


def test_lower_layers_that_are_all_wrong_have_an_interval(store: Store) -> None:
    (row,) = _ask(store, "lower-layers", always((0.0,) * 6)).rows
    assert row["low"] == pytest.approx(row["difference"])
    assert row["high"] > row["difference"] + 0.02


def test_intervals_of_matched_numbers_hold_the_truth_in_small_strata() -> None:
    rng = np.random.default_rng(7)
    strata, first = np.arange(72) // 4, np.arange(72) % 2 == 0
    held = []
    for _ in range(200):
        values = (rng.random(72) < 0.5).astype(float)
        found = matched_difference(values, first, strata)
        assert found.low is not None
        assert found.high is not None
        held.append(found.low <= 0 <= found.high)
    assert np.mean(held) >= 0.92


def test_many_differences_are_counted() -> None:
    rows = [
        {"task": f"t{n}", "difference": n / 100, "low": None, "high": None} for n in range(1, 10)
    ]
    said = described(rows, rows)
    assert said.startswith("t9 +9.0 points; t8 +8.0 points")
    assert said.endswith("; 3 more")


# --- what is missing --------------------------------------------------------------------------


def _failed(store: Store, right: Right, **more: Any) -> str:
    """Store a run of calculation, and of facts, whose worker died."""
    tasks = [TaskRequest("calculation", settings=(("per_group", "10"),)), TaskRequest("facts")]
    infos = [made_up_model(store.path.parent, "small")]
    plan = make_plan(Sweep(tuple(infos), tuple(tasks), settings=PLAIN, **more))
    store.begin(plan, "llprobe run")
    fill(store, replace(plan, cells=plan.cells[:1]), right)
    store.fail_cells([plan.cells[1].id], "the worker died\nof hunger")
    store.end(plan.id, "failed")
    return plan.id


@pytest.mark.parametrize("question", ["penultimate", "onset", "lower-layers", "threshold"])
def test_a_task_that_failed_is_named_in_every_answer(store: Store, question: str) -> None:
    found = ask_runs(store, question, [_failed(store, always((0.5,) * 6))])
    assert "every task" not in found.words
    assert "Not in this answer: facts: failed, the worker died." in found.words


def test_a_question_about_one_task_does_not_miss_the_others(store: Store) -> None:
    found = ask_runs(store, "int-vs-float", [_failed(store, always((0.5,) * 6))])
    assert "Not in this answer" not in found.words


def test_a_question_whose_only_task_failed_says_why(store: Store) -> None:
    infos = (made_up_model(store.path.parent, "small"),)
    plan = make_plan(Sweep(infos, (CALC, TaskRequest("facts")), settings=PLAIN))
    store.begin(plan, "llprobe run")
    fill(store, replace(plan, cells=plan.cells[1:]), always((0.5,) * 6))
    store.fail_cells([plan.cells[0].id], "no memory")
    with pytest.raises(UsageError, match=r"nothing is scored: calculation: failed, no memory$"):
        ask_runs(store, "int-vs-float", [plan.id])


def test_cells_without_the_layers_of_a_question_are_named(store: Store) -> None:
    info, shallow = (made_up_model(store.path.parent, name) for name in ("small", "early"))
    runs = [
        made_up_run(store, [info], [CALC], always((0.5,) * 6)),
        made_up_run(store, [shallow], [CALC], always((0.5,) * 6), layers="1-4"),
        made_up_run(store, [info], [TaskRequest("facts")], always((0.5,) * 6), layers="5,6"),
    ]
    said = {name: ask_runs(store, name, runs).words for name in set(QUESTIONS) - {"cross-lingual"}}
    last = "Not in this answer, since the last two layers were not scored: calculation (early)."
    assert last in said["penultimate"]
    lower = "Not in this answer, since lower layers were not scored: facts."
    assert lower in said["lower-layers"]
    assert "since the last layer was not scored: calculation (early)." in said["threshold"]
    ends = "Not scored up to the last layer: calculation (early): layers 1-4 of 6."
    assert ends in said["onset"]
    assert ends in said["int-vs-float"]
    with pytest.raises(UsageError, match="threshold needs scores at the last layer"):
        ask_runs(store, "threshold", runs[1:2])


def test_questions_that_are_not_scored_yet_are_counted(store: Store) -> None:
    plan = make_plan(Sweep((made_up_model(store.path.parent, "small"),), (CALC,), settings=PLAIN))
    store.begin(plan, "llprobe run")
    (cell,) = plan.cells
    some = replace(cell, questions=replace(cell.questions, items=cell.questions.items[:40]))
    fill(store, replace(plan, cells=(some,)), always((0.5,) * 6))
    words = ask_runs(store, "penultimate", [plan.id]).words
    assert "Only partly in it: calculation: 40 of 120 questions are scored." in words
