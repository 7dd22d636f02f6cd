"""How a curve came together: the last frame is the whole curve, and others are what was known."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from madeup import made_up_model, noisy

from llprobe.analysis.measures import metric
from llprobe.errors import UsageError
from llprobe.events import GroupScored, ItemResult
from llprobe.plan import Plan, Sweep, make_plan
from llprobe.report import curve_evidence, option_table
from llprobe.report.replay import Replay, frame_of, frames, read_replay
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.store.asked import arrival
from llprobe.task import TaskRequest

CURVE = (0.2, 0.3, 0.5, 0.7, 0.85, 0.8)


@pytest.fixture
def planned(tmp_path: Path) -> Plan:
    """Plan 40 questions on a model of six layers."""
    sweep = Sweep(
        (made_up_model(tmp_path, "one"),), (TaskRequest("calculation", limit=40),),
        settings=EngineSettings(n_threads=1),
    )  # fmt: skip
    return make_plan(sweep, "replay")


def scored(path: Path, planned: Plan, order: Sequence[int]) -> Replay:
    """Store scores in an order, two items a group, and read them for a replay."""
    cell, right = planned.cells[0], noisy(lambda _: CURVE)
    with Store(path) as store:
        store.begin(planned, "llprobe run")
        for group, at in enumerate(range(0, len(order), 2)):
            items = []
            for index in order[at : at + 2]:
                item = cell.questions.items[index]
                logprob = np.full((len(item.choices), len(cell.layers)), -10.0)
                logprob[item.best] = np.where(right(cell, item), -8.0, -12.0)
                items.append(ItemResult(index, (2,) * len(item.choices), logprob))
            store.add_group(GroupScored(cell.id, group, tuple(items), len(items)))
        return read_replay(store, store.cells(planned.id)[0])


def test_the_last_frame_is_what_is_said_of_the_cell(tmp_path: Path, planned: Plan) -> None:
    order = np.random.default_rng(1).permutation(40).tolist()
    replay = scored(tmp_path / "a.db", planned, order)
    with Store(tmp_path / "a.db") as store:
        whole = curve_evidence(replay.cell, option_table(store, replay.cell))
        assert list(arrival(store.path, replay.cell.id)) == order
    assert replay.order.tolist() == order
    assert replay.steps == tuple(range(1, 41))
    last = frame_of(replay, 39)
    assert last is replay.end
    for name in ("mean", "low", "high"):
        np.testing.assert_array_equal(getattr(last, name), getattr(whole, name))
    found = {finding.name: finding for finding in whole.findings}
    assert (last.onset, last.peak) == (found["onset"], found["peak"])
    assert last.chance == pytest.approx(float(whole.chance.mean()))


def test_a_frame_is_the_evidence_of_the_items_that_came_first(
    tmp_path: Path, planned: Plan
) -> None:
    order = list(range(39, -1, -1))
    replay = scored(tmp_path / "a.db", planned, order)
    frame = frame_of(replay, 24)
    first = replay.table.take(np.arange(15, 40))
    known = curve_evidence(replay.cell, first)
    assert frame.n_items == 25
    np.testing.assert_array_equal(frame.mean, known.mean)
    np.testing.assert_array_equal(frame.low, known.low)
    np.testing.assert_array_equal(frame.high, known.high)
    assert frame.peak.tied == {f.name: f for f in known.findings}["peak"].tied  # type: ignore[attr-defined]
    assert float((frame.high - frame.low).mean()) > float((replay.end.high - replay.end.low).mean())


def test_the_lead_is_counted_from_where_it_is_kept(tmp_path: Path, planned: Plan) -> None:
    replay = scored(tmp_path / "a.db", planned, list(range(40)))
    values = metric(replay.table)[replay.order]
    best = [int(values[:n].mean(axis=0).argmax()) for n in range(1, 41)]
    n = replay.leads_from
    assert set(best[n - 1 :]) == {best[-1]}
    assert n == 1 or best[n - 2] != best[-1]


def test_frames_are_few_start_small_and_end_with_all() -> None:
    assert frames(3) == (1, 2, 3)
    many = frames(20_000)
    assert len(many) <= 200
    assert many[0] == 1
    assert many[-1] == 20_000
    steps = np.diff(many)
    assert (steps > 0).all()
    assert steps[-1] > 10 * steps[0]
    assert frames(201)[-1] == 201


def test_nothing_scored_cannot_be_replayed(tmp_path: Path, planned: Plan) -> None:
    with Store(tmp_path / "a.db") as store:
        store.begin(planned, "llprobe run")
        cell = store.cells(planned.id)[0]
        with pytest.raises(UsageError, match="nothing to replay"):
            read_replay(store, replace(cell, n_done=1))
