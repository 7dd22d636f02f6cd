"""Running sums: whatever is read from them is what the items say, however the items came."""

import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clihelp import plan_of, tiny_model, write_questions, write_rows

from llprobe import report
from llprobe.analysis import TALLIED, Tally, item_curves
from llprobe.analysis.tally import tally
from llprobe.events import GroupScored, ItemAnswer, ItemResult
from llprobe.model import read_model
from llprobe.plan import Plan, Sweep, make_plan
from llprobe.report.grouping import sort_members
from llprobe.report.sums import sums_of
from llprobe.runner import Cancel, run
from llprobe.store import CellRecord, Store
from llprobe.task import TaskRequest

N_ITEMS, N_GROUPS = 23, 4


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    write_questions(folder / "q.jsonl", N_ITEMS, groups=N_GROUPS)
    tiny_model(folder, n_layers=16)
    return folder


@pytest.fixture(scope="module")
def plan(files: Path) -> Plan:
    """Give a plan of two lenses over questions in four groups; a third has two true options."""
    return plan_of([files / "tiny.gguf"], files / "q.jsonl", lenses=("norm", "paper"))


@pytest.fixture
def store(tmp_path: Path, plan: Plan) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        yield store


def packed(plan: Plan, size: int = 3, cell: int = 0) -> list[GroupScored]:
    """Make random scores of all items, packed into groups that follow no order of the task."""
    draw, order = np.random.default_rng(cell), list(range(N_ITEMS))
    random.Random(7).shuffle(order)
    shape = (4, len(plan.cells[cell].layers))
    results = [
        ItemResult(i, tuple(draw.integers(1, 4, 4).tolist()), draw.normal(-9, 2, shape).round(1))
        for i in order
    ]
    id_ = plan.cells[cell].id
    return [
        GroupScored(id_, n, tuple(results[at : at + size]), 9)
        for n, at in enumerate(range(0, N_ITEMS, size))
    ]


def add_all(store: Store, groups: Iterable[GroupScored]) -> None:
    for group in groups:
        store.add_group(group)


def cells(store: Store, plan: Plan) -> list[CellRecord]:
    return store.cells(plan.id)


def assert_sums_say_what_the_items_say(store: Store, plan: Plan) -> None:
    """Compare every number of every sum with the curve of its items, and the groups' order."""
    for cell in cells(store, plan):
        scores = list(store.scores(cell.id))
        assert scores
        groups = dict.fromkeys(score.item.group for score in scores)
        found = store.tallies(cell)
        assert list(found) == ["", *groups]
        for group, sums in found.items():
            of = [score for score in scores if group in {"", score.item.group}]
            assert_same(sums, of, cell.layers)


def assert_same(sums: Tally, scores: Sequence[Any], layers: tuple[int, ...]) -> None:
    curve = item_curves(scores, layers)
    assert sums.n_items == curve.n_items == len(scores)
    assert (sums.layers, sums.several_true) == (curve.layers, curve.several_true)
    assert sums.shortest == pytest.approx(curve.shortest, abs=1e-12)
    assert dict(sums.guess) == pytest.approx(dict(curve.guess), abs=1e-12)
    for metric in TALLIED:
        np.testing.assert_allclose(sums.mean(metric), curve.mean(metric), atol=1e-12)
        assert sums.best_layer(metric) == curve.best_layer(metric)
        for layer in (0, layers[0], layers[-1]):
            assert sums.at(layer, metric) == pytest.approx(curve.at(layer, metric), abs=1e-12)


# --- sums and items -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 4, N_ITEMS])
@pytest.mark.parametrize("order", ["forwards", "backwards", "shuffled"])
def test_sums_are_those_of_the_items(store: Store, plan: Plan, size: int, order: str) -> None:
    for cell in (0, 1):
        groups = packed(plan, size, cell)
        if order == "shuffled":
            random.Random(size).shuffle(groups)
        add_all(store, groups[::-1] if order == "backwards" else groups)
    assert_sums_say_what_the_items_say(store, plan)


def test_sums_are_right_at_every_moment(store: Store, plan: Plan) -> None:
    second = packed(plan, 5, 1)
    store.add_group(second[0])
    for group in packed(plan, 5):
        store.add_group(group)
        assert_sums_say_what_the_items_say(store, plan)


def test_a_group_that_comes_again_is_not_counted_again(store: Store, plan: Plan) -> None:
    for cell in (0, 1):
        groups = packed(plan, 4, cell)
        add_all(store, [*groups, *groups[:3]])
    assert_sums_say_what_the_items_say(store, plan)


def test_a_group_that_cannot_be_kept_is_not_counted(store: Store, plan: Plan) -> None:
    add_all(store, [packed(plan, 4)[0], *packed(plan, 4, 1)])
    before = store.tallies(cells(store, plan)[0])
    broken = packed(plan, 4)[1]
    with pytest.raises(Exception, match="UNIQUE"):
        store.add_group(replace(broken, items=(*broken.items, broken.items[0])))
    after = store.tallies(cells(store, plan)[0])
    assert list(after) == list(before)
    assert (after[""].sums == before[""].sums).all()
    assert_sums_say_what_the_items_say(store, plan)


def test_what_is_forgotten_is_not_counted(store: Store, plan: Plan) -> None:
    add_all(store, packed(plan, 4))
    store.begin(plan, "llprobe run --fresh", fresh=True)
    assert store.tallies(cells(store, plan)[0]) == {}
    for cell in (0, 1):
        add_all(store, packed(plan, 3, cell))
    assert_sums_say_what_the_items_say(store, plan)


def test_a_real_run_that_was_stopped_and_continued_has_the_sums_of_one_that_was_not(
    plan: Plan, store: Store, tmp_path: Path
) -> None:
    """Groups come in the packing's order, of two lenses by turns."""
    cancel = Cancel()
    for event in run(plan, store, "llprobe run", cancel):
        if isinstance(event, GroupScored) and not cancel.requests:
            cancel.request()
    assert store.run(plan.id).status == "stopped"
    assert 0 < store.run(plan.id).n_done < 2 * N_ITEMS
    list(run(plan, store, "llprobe run"))
    assert_sums_say_what_the_items_say(store, plan)
    with Store(tmp_path / "whole.db") as whole:
        list(run(plan, whole, "llprobe run"))
        for one, other in zip(cells(store, plan), cells(whole, plan), strict=True):
            mine, theirs = store.tallies(one), whole.tallies(other)
            assert list(mine) == list(theirs)
            assert all((mine[name].sums == theirs[name].sums).all() for name in mine)


# --- what is shown of them ----------------------------------------------------------------------


FACETS = """\
task: shapes
output_type: multiple_choice
doc_to_text: "{{q}}"
doc_to_choice: options
doc_to_target: answer
llprobe: {data: shapes.jsonl, group: kind, facets: [size, colour]}
"""
KINDS = ("small/red", "big/red", "small/blue", "big/red", "big/green", "small/blue")


@pytest.fixture(scope="module")
def shapes(files: Path) -> Plan:
    """Give a plan of one cell over questions whose groups have two parts."""
    rows = [
        {"q": f"{kind} {n}", "options": ["the", "city", "until"], "answer": n % 3, "kind": kind}
        for n, kind in enumerate(KINDS)
    ]
    write_rows(files / "shapes.jsonl", rows)
    path = files / "shapes.yaml"
    path.write_text(FACETS)
    return make_plan(Sweep((read_model(files / "tiny.gguf"),), (TaskRequest(str(path)),)))


@pytest.fixture
def scored(tmp_path: Path, shapes: Plan) -> Iterator[Store]:
    """Give a store with all items of `shapes`, the last ones scored first."""
    draw = np.random.default_rng(1)
    with Store(tmp_path / "shapes.db") as store:
        store.begin(shapes, "llprobe run")
        for n, index in enumerate((5, 3, 0, 4, 2, 1)):
            logprob = draw.normal(-9, 2, (3, len(shapes.cells[0].layers)))
            result = ItemResult(index, (1, 2, 1), logprob)
            store.add_group(GroupScored(shapes.cells[0].id, n, (result,), 1))
        yield store


def forget_sums(store: Store) -> None:
    """Take the sums away, as if an older version had stored the items."""
    with sqlite3.connect(store.path) as db:
        db.execute("DELETE FROM tallies")
    db.close()


@pytest.mark.parametrize("by", [None, "group", "facet", "size", "colour"])
@pytest.mark.parametrize("metric", TALLIED)
def test_rows_from_sums_are_those_from_items(
    scored: Store, shapes: Plan, by: str | None, metric: str
) -> None:
    from_sums = report.summaries(scored, shapes.id, by=by, metric=metric, held_out=False)
    assert all(isinstance(summary.curve, Tally) for summary in from_sums)
    cells, sort = scored.cells(shapes.id), report.grouping
    expected = []
    for cell, scores in scored.probed(shapes.id):
        expected.append(report.Summary(cell, "", item_curves(scores, cell.layers), metric))
        if by:
            for label, of in sort_members(cell, scores, sort(cells, by)):
                curve = item_curves(of, cell.layers)
                expected.append(report.Summary(cell, label, curve, metric))
    assert len(from_sums) == len(expected) >= 1 + (by is not None)
    for one, other in zip(from_sums, expected, strict=True):
        assert_rows_equal(one.row(), other.row())


def assert_rows_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert value == pytest.approx(other[key], abs=1.1e-6), key  # curves are rounded


def test_groups_stand_in_the_tasks_order(scored: Store, shapes: Plan) -> None:
    rows = {by: report.summaries(scored, shapes.id, by=by) for by in ("group", "facet")}
    groups = ["small/red", "big/red", "small/blue", "big/green"]
    assert [summary.group for summary in rows["group"]] == ["", *groups]
    parts = ["size small", "size big", "colour red", "colour blue", "colour green"]
    assert [summary.group for summary in rows["facet"]] == ["", *parts]
    assert [summary.curve.n_items for summary in rows["facet"]] == [6, 3, 3, 3, 2, 1]


def test_the_last_column_of_the_cells_is_the_mean_at_the_last_layer(
    store: Store, plan: Plan
) -> None:
    add_all(store, [*packed(plan), *packed(plan, cell=1)[:2]])
    for row, cell in zip(report.cell_rows(store, plan.id), cells(store, plan), strict=True):
        curve = item_curves(list(store.scores(cell.id)), cell.layers)
        assert row["done"] == curve.n_items
        assert row["last"] == pytest.approx(curve.at(16))
        assert row["best_layer"] == curve.best_layer()
        assert row["best"] == pytest.approx(curve.mean("mc1").max())
        assert row["chance"] == pytest.approx(curve.guess["mc1"])


# --- databases without sums ---------------------------------------------------------------------


@pytest.mark.parametrize("by", [None, "group"])
def test_without_sums_the_items_are_asked(store: Store, plan: Plan, by: str | None) -> None:
    add_all(store, [*packed(plan), *packed(plan, cell=1)])
    before = [summary.row() for summary in report.summaries(store, plan.id, by=by)]
    shown = report.cell_rows(store, plan.id)
    forget_sums(store)
    assert store.tallies(cells(store, plan)[0]) == {}
    after = [summary.row() for summary in report.summaries(store, plan.id, by=by)]
    assert len(after) == len(before) > 1
    for one, other in zip(after, before, strict=True):
        assert_rows_equal(one, other)
    for one, other in zip(report.cell_rows(store, plan.id), shown, strict=True):
        assert one["best"] is not None
        assert_rows_equal(one, other)


def test_sums_of_a_part_are_not_taken_for_the_whole(store: Store, plan: Plan) -> None:
    """A run that an older version began is continued by this one."""
    groups = packed(plan)
    add_all(store, groups[:4])
    forget_sums(store)
    add_all(store, groups[4:])
    cell = cells(store, plan)[0]
    kept = store.tallies(cell)[""]
    assert 0 < kept.n_items < N_ITEMS
    scores = list(store.scores(cell.id))
    assert_same(sums_of(store, cell)[""], scores, cell.layers)
    (whole, *_) = report.summaries(store, plan.id)
    assert whole.curve.n_items == N_ITEMS
    row = report.cell_rows(store, plan.id)[0]
    assert row["last"] == pytest.approx(item_curves(scores, cell.layers).at(16))


def test_nothing_scored_has_no_sums(store: Store, plan: Plan) -> None:
    assert all(sums_of(store, cell) == {} for cell in cells(store, plan))
    assert report.summaries(store, plan.id) == []
    row = report.cell_rows(store, plan.id)[0]
    assert (row["best"], row["last"], row["best_layer"], row["chance"]) == (None,) * 4
    assert row["best_held_out"] is None


def test_what_a_model_wrote_is_not_summed(store: Store, plan: Plan) -> None:
    written = (ItemAnswer(0, 3, "the city", finished=True),)
    store.add_group(GroupScored(plan.cells[0].id, 0, written, 3))
    assert store.tallies(cells(store, plan)[0]) == {}


def test_sums_of_two_sets_are_those_of_both(store: Store, plan: Plan) -> None:
    add_all(store, packed(plan))
    scores = list(store.scores(plan.cells[0].id))
    layers = plan.cells[0].layers
    for cut in (0, 1, 11, N_ITEMS):
        assert_same(tally(scores[:cut], layers) + tally(scores[cut:], layers), scores, layers)
