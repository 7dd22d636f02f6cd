"""Reports: what of a stored run is shown, checked against the scores it was made of."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clihelp import plan_of, tiny_model, write_questions

from llprobe import report
from llprobe.events import GroupScored, ItemResult
from llprobe.plan import Plan
from llprobe.store import Store


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = tmp_path_factory.mktemp("plan")
    questions = write_questions(folder / "q.jsonl", 6)
    return plan_of([tiny_model(folder)], questions, lenses=("norm",), layers="1,3")


@pytest.fixture
def store(tmp_path: Path, plan: Plan) -> Iterator[Store]:
    """Give a store in which the best option wins at layer 1 and ties at layer 3."""
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        cell = plan.cells[0]
        results = []
        for index, item in enumerate(cell.questions.items):
            logprob = np.full((4, 2), -2000.0)
            logprob[item.best, 0] = -1999.0
            results.append(ItemResult(index, (2, 2, 2, 1), logprob))
        store.add_group(GroupScored(cell.id, 0, tuple(results), 1))
        yield store


def test_a_summary_row_holds_what_the_scores_say(store: Store, plan: Plan) -> None:
    (summary,) = report.summaries(store, plan.id)
    row = summary.row()
    assert (row["task"], row["lens"], row["group"], row["items"]) == ("prompts", "norm", "", 6)
    assert (row["best_layer"], row["best"], row["last"]) == (1, 1.0, 0.0)
    assert row["penultimate"] is None  # layer 2 was not scored
    assert row["mc1_by_layer"] == [1.0, 0.0]
    # four items with 1 of 4 options true, two with 2: 1 against 3 false, 1 against 2
    assert row["chance"] == pytest.approx((4 * 1 / 4 + 2 * 1 / 3) / 6)
    assert row["mc2"] == pytest.approx((4 * 1 / 4 + 2 * 2 / 4) / 6)
    assert row["mc3"] == 0.0


def test_groups_follow_their_task_in_the_tasks_order(store: Store, plan: Plan) -> None:
    found = report.summaries(store, plan.id, by="group")
    assert [(s.group, s.curve.n_items) for s in found] == [("", 6), ("g0", 3), ("g1", 3)]


def test_mc2_of_the_last_layer_is_not_told_where_it_was_not_scored(
    tmp_path: Path, plan: Plan
) -> None:
    cell = plan.cells[0]
    with Store(tmp_path / "b.db") as store:
        questions = Path(str(cell.request.data))
        early = plan_of([cell.model.paths[0]], questions, layers="1-2")
        store.begin(early, "llprobe run")
        items = tuple(ItemResult(i, (1,) * 4, np.full((4, 2), -1.0)) for i in range(6))
        store.add_group(GroupScored(early.cells[0].id, 0, items, 1))
        row = report.summaries(store, early.id)[0].row()
    assert (row["last"], row["mc2"], row["mc3"]) == (None, None, None)
    assert row["penultimate"] == 0.0


def test_layers_are_rows(store: Store, plan: Plan) -> None:
    found = report.summaries(store, plan.id, by="group")
    names, rows = report.layers_table(found)
    assert names == ["prompts norm", "prompts norm g0", "prompts norm g1"]
    assert [row["layer"] for row in rows] == [1, 3]
    assert [row["prompts norm"] for row in rows] == [1.0, 0.0]


def test_items_are_whole(store: Store, plan: Plan) -> None:
    rows = list(report.items(store, plan.id))
    item = plan.cells[0].questions.items[2]
    assert [row["id"] for row in rows] == [i.id for i in plan.cells[0].questions.items]
    assert rows[2]["choices"] == list(item.choices)
    assert rows[2]["correct"] == [0, 1]
    assert rows[2]["logprob"][item.best] == [-1999.0, -2000.0]
    assert rows[2]["mc1"] == [1, 0]
    assert rows[2]["mc3"] == [0.5, 0.0]
    assert "mc2" not in rows[0]


def test_scores_that_are_no_numbers_stand_as_null(tmp_path: Path, plan: Plan) -> None:
    with Store(tmp_path / "b.db") as store:
        store.begin(plan, "llprobe run")
        logprob = np.array([[math.nan, -1.0], [-math.inf, -2.0], [-1.0, -3.0], [-1.0, math.nan]])
        items = (ItemResult(0, (1,) * 4, logprob),)
        store.add_group(GroupScored(plan.cells[0].id, 0, items, 1))
        (row,) = report.items(store, plan.id)
    assert row["logprob"] == [[None, -1.0], [None, -2.0], [-1.0, -3.0], [-1.0, None]]
    assert row["mc1"] == [0, 0]


@pytest.mark.parametrize(
    ("values", "bars"),
    [([0.0, 0.5, 1.0], "▁▅█"), ([0.124, 0.126], "▁▂"), ([-1.0, 2.0], "▁█"), ([], "")],
)
def test_a_sparkline_shows_heights(values: list[float], bars: str) -> None:
    assert report.sparkline(values) == bars


def test_a_sparkline_between_equal_bounds_stays_low() -> None:
    assert report.sparkline([3.0, 3.0], low=3.0, high=3.0) == "▁▁"
