"""Children that die, end too early or cannot load: what of a run is lost, and what goes on."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from childhelp import (
    ABLATIONS,
    N_ITEMS,
    Starts,
    hasten,
    no_worker,
    note_starts,
    of_kind,
    plan_with,
    worker,
    write_files,
)
from clihelp import scores_of, tiny_model

from llprobe import children
from llprobe.errors import StoreError
from llprobe.events import Event, Failed, GroupScored, JobDone, JobStarted, ModelLoaded
from llprobe.plan import Plan
from llprobe.runner import run
from llprobe.store import Store
from llprobe.store.leases import Owner

DIES_IN_JOB = """
def sabotaged(probe, job, done):
    for n, event in enumerate(score_job(probe, job, done)):
        yield event
        if job_of("skip:2", job) and n == 2:
            die()

worker._score_job = sabotaged
"""
DIES_AFTER_JOB = """
def sabotaged(probe, job, done):
    yield from score_job(probe, job, done)
    if job_of("ABLATION", job):
        die()

worker._score_job = sabotaged
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def plan(files: Path) -> Plan:
    """Give a plan of four jobs on one model."""
    return plan_with(files, "one", ablations=ABLATIONS)


@pytest.fixture(scope="module")
def whole(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the database of an undisturbed run."""
    path = tmp_path_factory.mktemp("whole") / "a.db"
    with Store(path) as store:
        assert not of_kind(list(run(plan, store, "llprobe run")), Failed)
        assert all(len(store.done_groups(cell.id)) > 3 for cell in plan.cells)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        yield store


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    return note_starts(monkeypatch)


def statuses(store: Store, plan: Plan) -> list[str]:
    return [cell.status for cell in store.cells(plan.id)]


# --- a child that dies ----------------------------------------------------------------------------


def test_a_child_that_dies_takes_only_its_job_with_it(
    plan: Plan, whole: Path, store: Store, starts: Starts
) -> None:
    """Here after the second group of a model's third job, which are kept."""
    starts.start = worker(DIES_IN_JOB)
    events = list(run(plan, store, "llprobe run"))
    (failed,) = of_kind(events, Failed)
    assert failed.cells == (plan.cells[2].id,)
    assert failed.message.startswith("one: the worker died of SIGKILL: ")
    assert len(starts.pids) == 2  # the second one computes what is left
    assert [event.cells for event in of_kind(events, JobStarted)] == [
        (cell.id,) for cell in plan.cells
    ]
    assert {event.model for event in of_kind(events, ModelLoaded)} == {"one"}
    assert statuses(store, plan) == ["done", "done", "failed", "done"]
    assert store.run(plan.id).status == "failed"
    kept = store.done_groups(plan.cells[2].id)
    assert len(kept) == 2
    starts.start = starts.real
    again = list(run(plan, store, "llprobe run"))
    assert {event.cell for event in of_kind(again, GroupScored)} == {plan.cells[2].id}
    assert not kept & {event.group for event in of_kind(again, GroupScored)}
    assert store.run(plan.id).status == "done"
    assert scores_of(store.path) == scores_of(whole)


def test_a_child_that_dies_between_jobs_fails_the_next(
    plan: Plan, store: Store, starts: Starts
) -> None:
    sabotage = DIES_AFTER_JOB.replace("ABLATION", "skip:1")
    starts.start = worker(sabotage)
    (failed,) = of_kind(list(run(plan, store, "llprobe run")), Failed)
    assert failed.cells == (plan.cells[2].id,)
    assert statuses(store, plan) == ["done", "done", "failed", "done"]


def test_a_child_that_dies_when_all_is_done_fails_nothing(
    plan: Plan, whole: Path, store: Store, starts: Starts
) -> None:
    sabotage = DIES_AFTER_JOB.replace("ABLATION", "skip:3")
    starts.start = worker(sabotage)
    assert not of_kind(list(run(plan, store, "llprobe run")), Failed)
    assert statuses(store, plan) == ["done"] * 4
    assert store.run(plan.id).status == "done"
    assert scores_of(store.path) == scores_of(whole)


def test_a_child_that_ends_too_early_is_not_started_for_ever(
    plan: Plan, store: Store, starts: Starts
) -> None:
    starts.start = no_worker("pass")
    (failed,) = run(plan, store, "llprobe run")
    assert isinstance(failed, Failed)
    assert failed.message == (
        "one: the worker ended before its work was done: run it again with --fresh"
    )
    assert set(failed.cells) == {cell.id for cell in plan.cells}
    assert len(starts.pids) == 1
    assert statuses(store, plan) == ["failed"] * 4


def test_groups_of_another_packing_are_told_and_computed_afresh(
    files: Path, store: Store, starts: Starts
) -> None:
    """A cell with more groups than it can have would never be done."""
    plan = plan_with(files, "two")
    store.begin(plan, "llprobe run")
    store.add_group(GroupScored(plan.cells[0].id, 10**6, (), 0))
    (failed,) = of_kind(list(run(plan, store, "llprobe run")), Failed)
    assert failed.cells == (plan.cells[0].id,)
    assert "--fresh" in failed.message
    assert len(starts.pids) == 1
    list(run(plan, store, "llprobe run", fresh=True))
    assert statuses(store, plan) == ["done"]
    assert len(scores_of(store.path)) == N_ITEMS


def test_no_child_outlives_a_store_that_fails(
    plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch, starts: Starts
) -> None:
    def full(_: Store, __: GroupScored) -> None:
        raise StoreError("the disk is full: make room")

    monkeypatch.setattr(Store, "add_group", full)
    with pytest.raises(StoreError, match="make room"):
        list(run(plan, store, "llprobe run"))
    assert len(starts.pids) == 1
    assert not psutil.pid_exists(starts.pids[0])
    assert store.run(plan.id).status == "stopped"
    assert store.workers(plan.id) == []


def test_what_a_worker_says_of_a_failure_is_one_line(
    files: Path, store: Store, starts: Starts
) -> None:
    plan = plan_with(files, "two", ablations=ABLATIONS[:2])
    sabotage = (
        "def sabotaged(*_):\n"
        "    raise ValueError('shapes differ:\\n  (2,)\\n  (3,)')\n"
        "    yield\n"
        "worker._score_job = sabotaged\n"
    )
    starts.start = worker(sabotage)
    failures = of_kind(list(run(plan, store, "llprobe run")), Failed)
    assert [failed.message for failed in failures] == [
        "ValueError: shapes differ: (2,) (3,)"
    ] * len(plan.cells)
    assert [failed.cells for failed in failures] == [(cell.id,) for cell in plan.cells]


# --- a model that cannot be loaded ----------------------------------------------------------------


def test_a_model_that_cannot_load_fails_and_the_next_goes_on(
    files: Path, store: Store, starts: Starts
) -> None:
    """Neither model's jobs are tried one by one: it could not be loaded for any of them."""
    gone = tiny_model(files, "gone", seed=5)
    plan = plan_with(files, "gone", "two", ablations=("none", "skip:1"), lenses=("norm", "raw"))
    gone.unlink()
    events = list(run(plan, store, "llprobe run"))
    (failed,) = of_kind(events, Failed)
    assert failed.cells == tuple(cell.id for cell in plan.cells[:4])
    assert "gone.gguf" in failed.message
    assert "\n" not in failed.message
    assert len(starts.pids) == 2
    assert statuses(store, plan) == ["failed"] * 4 + ["done"] * 4
    assert {cell.error for cell in store.cells(plan.id)} == {failed.message, ""}
    assert {event.cells for event in of_kind(events, JobDone)} == {
        tuple(cell.id for cell in plan.cells[at : at + 2]) for at in (4, 6)
    }
    assert store.run(plan.id).status == "failed"


# --- a run that is asked to stop, or to do a part only --------------------------------------------


def test_ticks_come_while_a_child_talks(
    plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if there is always something to be read."""
    monkeypatch.setattr(children, "_TICK", 0.0)
    beats: list[str] = []
    pulse = Store.pulse

    def counted(self: Store, owner: Owner, run: str) -> str:
        beats.append(run)
        return pulse(self, owner, run)

    monkeypatch.setattr(Store, "pulse", counted)
    events = list(run(plan, store, "llprobe run"))
    assert len(beats) >= len(events)
    assert set(beats) == {plan.id}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("wish", "status"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_run_stops_when_it_is_asked_to(
    wish: str, status: str, plan: Plan, whole: Path, store: Store, starts: Starts
) -> None:
    events: list[Event] = []
    with Store(store.path) as other:
        for event in run(plan, store, "llprobe run"):
            events.append(event)
            if len(of_kind(events, GroupScored)) == 2:
                other.ask(plan.id, wish)
                # what is in the pipe already is read on; the child must hear of it in the end
        assert other.run(plan.id).status == status
    assert not of_kind(events, Failed)
    assert 2 <= len(of_kind(events, GroupScored)) < len(scored(whole))
    assert len(starts.pids) == 1
    assert store.workers(plan.id) == []
    list(run(plan, store, "llprobe run"))
    assert store.run(plan.id).status == "done"
    assert scores_of(store.path) == scores_of(whole)


def scored(path: Path) -> list[tuple[str, int]]:
    """Give every group that is stored, with its cell."""
    with Store(path) as store:
        cells = store.cells(store.find_run("last"))
        return [(cell.id, group) for cell in cells for group in store.done_groups(cell.id)]


def test_only_what_is_wanted_is_computed(plan: Plan, store: Store) -> None:
    """And a run of which the rest was never tried is not done."""
    wanted = {plan.cells[1].id, plan.cells[3].id}
    events = list(run(plan, store, "llprobe run", only=wanted))
    assert {event.cell for event in of_kind(events, GroupScored)} == wanted
    assert statuses(store, plan) == ["planned", "done", "planned", "done"]
    assert store.run(plan.id).status == "stopped"
