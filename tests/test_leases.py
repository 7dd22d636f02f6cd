"""Leases: who may compute a cell, and what becomes of those that nobody holds any more."""

import os
import platform
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from clihelp import plan_of, tiny_model, write_questions

from llprobe.errors import StoreError
from llprobe.events import JobStarted
from llprobe.plan import Plan
from llprobe.store import Store, leases
from llprobe.store.leases import Owner

SECONDS = 30


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Give a plan of three cells over 6 questions."""
    folder = tmp_path_factory.mktemp("plan")
    questions = write_questions(folder / "q.jsonl", 6)
    return plan_of([tiny_model(folder)], questions, lenses=("norm", "paper", "raw"))


@pytest.fixture
def store(tmp_path: Path, plan: Plan) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        yield store


def ids(plan: Plan) -> list[str]:
    return [cell.id for cell in plan.cells]


def locks(store: Store) -> list[Path]:
    return sorted(store.path.parent.glob("*.lock"))


def statuses(store: Store, plan: Plan) -> tuple[str, list[str]]:
    """Give the status of the run, and those of its cells."""
    return store.run(plan.id).status, [cell.status for cell in store.cells(plan.id)]


_PROCESS = """
import sys
from pathlib import Path
from llprobe.store import Store

path, run, *cells = sys.argv[1:]
with Store(Path(path)) as store, store.working(run) as owner:
    print("ready", flush=True)
    for word in sys.stdin:
        if word == "take\\n":
            print("has" if store.claim(owner, cells) else "has not", flush=True)
        else:
            store.release(owner, cells)
            print("gave", flush=True)
"""


@contextmanager
def process(path: Path, run: str, cells: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """Have a process of its own that works on a run, and takes and gives cells as it is told."""
    child = subprocess.Popen(
        [sys.executable, "-c", _PROCESS, str(path), run, *cells], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert heard(child) == "ready"
        yield child
    finally:
        child.kill()
        child.communicate(timeout=SECONDS)


def tell(child: "subprocess.Popen[str]", word: str) -> None:
    assert child.stdin
    child.stdin.write(f"{word}\n")
    child.stdin.flush()


def heard(child: "subprocess.Popen[str]") -> str:
    """Wait for what a process says."""
    assert child.stdout
    return child.stdout.readline().strip()


@contextmanager
def another(path: Path, run: str, cells: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """Have a process of its own that holds cells."""
    with process(path, run, cells) as child:
        tell(child, "take")
        assert heard(child) == "has"
        yield child


# --- all or none --------------------------------------------------------------------------------


def test_cells_are_taken_all_or_none(store: Store, plan: Plan) -> None:
    one, two, three = ids(plan)
    with Store(store.path) as other, store.working(plan.id) as a, other.working(plan.id) as b:
        assert store.claim(a, [one])
        assert not other.claim(b, [two, one, three])
        assert store.holders([two, three]) == []
        assert other.claim(b, [two, three])
        assert not store.claim(a, [one, three])
        assert other.claim(b, [three, two])  # what it has already
        other.release(b, [two, three])
        assert store.claim(a, [one, three])


def test_only_its_owner_gives_a_cell_back(store: Store, plan: Plan) -> None:
    one = ids(plan)[:1]
    with Store(store.path) as other, store.working(plan.id) as a, other.working(plan.id) as b:
        assert store.claim(a, one)
        other.release(b, one)
        assert not other.claim(b, one)


def test_everything_is_given_back_at_the_end(store: Store, plan: Plan) -> None:
    with suppress(KeyboardInterrupt), store.working(plan.id) as owner:
        assert store.claim(owner, ids(plan))
        assert len(locks(store)) == 1
        raise KeyboardInterrupt
    assert store.holders(ids(plan)) == []
    assert store.workers(plan.id) == []
    assert locks(store) == []


def test_of_two_processes_that_race_for_cells_one_has_them(store: Store, plan: Plan) -> None:
    with (
        process(store.path, plan.id, ids(plan)) as one,
        process(store.path, plan.id, ids(plan)[::-1]) as two,
    ):
        assert {holder.pid for holder in store.workers(plan.id)} == {one.pid, two.pid}
        for _ in range(25):
            for child in (one, two):
                tell(child, "take")
            said = {child.pid: heard(child) for child in (one, two)}
            assert sorted(said.values()) == ["has", "has not"]
            (holder,) = store.holders(ids(plan))
            assert said[holder.pid] == "has"
            for child in (one, two):
                tell(child, "give")
            assert [heard(child) for child in (one, two)] == ["gave", "gave"]
        assert store.holders(ids(plan)) == []


# --- the dead and the living --------------------------------------------------------------------


def test_a_dead_process_leaves_its_cells_at_once(store: Store, plan: Plan) -> None:
    with another(store.path, plan.id, ids(plan)) as child, store.working(plan.id) as owner:
        assert [holder.pid for holder in store.holders(ids(plan))] == [child.pid]
        assert not store.claim(owner, ids(plan)[:1])
        os.kill(child.pid, signal.SIGKILL)
        child.wait(timeout=SECONDS)
        assert store.holders(ids(plan)) == []
        assert store.claim(owner, ids(plan))


def test_a_process_that_sleeps_keeps_its_cells(
    store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it gives no sign of life, and whatever the clock says."""
    with another(store.path, plan.id, ids(plan)) as child, store.working(plan.id) as owner:
        os.kill(child.pid, signal.SIGSTOP)
        now = time.time()
        for jump in (-1e6, 1e6):
            monkeypatch.setattr(time, "time", lambda jump=jump: now + jump)
            assert not store.claim(owner, ids(plan)[:1])
            assert [holder.pid for holder in store.holders(ids(plan))] == [child.pid]
            store.begin(plan, "llprobe run")  # which buries the dead
        assert store.workers(plan.id)
        os.kill(child.pid, signal.SIGCONT)


def test_the_dead_are_buried_when_a_run_begins(store: Store, plan: Plan) -> None:
    with another(store.path, plan.id, ids(plan)) as child:
        child.kill()
        child.wait(timeout=SECONDS)
    assert rows(store, "owners") == 1
    assert len(locks(store)) == 1
    store.begin(plan, "llprobe run")
    assert (rows(store, "owners"), rows(store, "leases"), locks(store)) == (0, 0, [])


def rows(store: Store, table: str) -> int:
    with sqlite3.connect(store.path) as db:
        (found,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a test's own
    db.close()
    return int(found)


def test_a_process_whose_lock_file_is_gone_holds_nothing(store: Store, plan: Plan) -> None:
    with store.working(plan.id) as owner:
        assert store.claim(owner, ids(plan))
        (lock,) = locks(store)
        lock.unlink()
        assert store.holders(ids(plan)) == []
        with Store(store.path) as other, other.working(plan.id) as second:
            assert other.claim(second, ids(plan)[:1])
            assert not store.claim(owner, ids(plan)[:1])
            assert store.claim(owner, ids(plan)[1:])
    assert locks(store) == []


def test_a_folder_that_cannot_hold_the_lock_is_named(
    store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = store.path.parent / "missing" / "x.lock"
    monkeypatch.setattr(leases, "_lock_file", lambda *_: missing)
    said = r"cannot write beside the database, .*x\.lock"
    with pytest.raises(StoreError, match=said), store.working(plan.id):
        pytest.fail("works without a lock")
    assert rows(store, "owners") == 0


def test_an_owner_that_cannot_be_written_down_leaves_no_lock(
    store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Owner) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Owner, "_sign", full)
    with pytest.raises(StoreError, match="is full: make room"), store.working(plan.id):
        pytest.fail("works without a name")
    assert locks(store) == []


# --- other machines -----------------------------------------------------------------------------


class Machine(Protocol):
    """From here on this process is on a machine of that name, so many seconds later."""

    def __call__(self, name: str, later: float = 0) -> None: ...


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    now = time.time()

    def move(name: str, later: float = 0) -> None:
        monkeypatch.setattr(platform, "node", lambda: name)
        monkeypatch.setattr(time, "time", lambda: now + later)

    return move


def test_a_process_of_another_machine_is_believed_while_it_gives_signs(
    store: Store, plan: Plan, machine: Machine
) -> None:
    machine("one")
    with store.working(plan.id) as first, Store(store.path) as other:
        assert store.claim(first, ids(plan))
        machine("two")
        (holder,) = other.holders(ids(plan))
        assert str(holder) == f"process {os.getpid()} on one"
        with other.working(plan.id) as second:
            for later, free in ((50, False), (70, True)):
                machine("two", later)
                assert other.claim(second, ids(plan)[:1]) is free


def test_a_sign_of_life_is_given_when_it_is_due(
    store: Store, plan: Plan, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine("one")
    with store.working(plan.id) as owner:
        assert store.claim(owner, ids(plan))
        ticks = time.monotonic()
        for seconds, lives in ((1, False), (leases.HEARTBEAT + 1, True)):
            machine("one", 70)
            monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: ticks + seconds)
            store.pulse(owner, plan.id)
            machine("two", 70)
            assert bool(store.holders(ids(plan))) is lives


def test_a_machine_that_slept_goes_on_with_what_is_left(
    store: Store, plan: Plan, machine: Machine
) -> None:
    """It was taken for dead and buried meanwhile; what others took is theirs now."""
    one, two, three = ids(plan)
    machine("one")
    with store.working(plan.id) as ours, Store(store.path) as other:
        assert store.claim(ours, [one, two, three])
        machine("two", 3600)
        other.begin(plan, "llprobe run")
        assert rows(store, "owners") == 0
        with other.working(plan.id) as theirs:
            assert other.claim(theirs, [one])
            machine("one", 3600)
            assert not store.claim(ours, [one])
            assert store.claim(ours, [two, three])
            machine("two", 3600)
            assert not other.claim(theirs, [two])


# --- what others see ----------------------------------------------------------------------------


def test_what_is_held_is_not_forgotten(store: Store, plan: Plan) -> None:
    with another(store.path, plan.id, ids(plan)[2:]) as child:
        with pytest.raises(StoreError, match=f"process {child.pid} computes this now: stop it"):
            store.begin(plan, "llprobe run --fresh", fresh=True)
        fewer = replace(plan, id="f" * 16, cells=plan.cells[:2])
        store.begin(fewer, "llprobe run --fresh", fresh=True)
    store.begin(plan, "llprobe run --fresh", fresh=True)


def test_a_status_says_whether_somebody_is_at_work(store: Store, plan: Plan) -> None:
    for cell in ids(plan):
        store.start_job(JobStarted((cell,), 6, 2, 100, ()))
    assert statuses(store, plan) == ("interrupted", ["interrupted"] * 3)
    with another(store.path, plan.id, ids(plan)[:1]) as child:
        assert statuses(store, plan) == ("running", ["running", "interrupted", "interrupted"])
        store.end(plan.id, "stopped")  # as another process that worked on it would
        assert store.runs()[0].status == "running"
        child.kill()
        child.wait(timeout=SECONDS)
        assert statuses(store, plan) == ("stopped", ["interrupted"] * 3)


def test_a_run_that_is_worked_on_is_not_removed(store: Store, plan: Plan) -> None:
    said = f"run {plan.id[:8]} is running: cancel it first"
    with another(store.path, plan.id, []), pytest.raises(StoreError, match=said):
        store.remove(plan.id)
    store.remove(plan.id)
    assert (store.runs(), rows(store, "cells"), rows(store, "items")) == ([], 0, 0)


def test_removing_a_run_keeps_what_others_have(store: Store, plan: Plan) -> None:
    """Both what is in another run too, and what an edited run asks for no more."""
    one, two, three = plan.cells
    edited = replace(plan, cells=(one, three))
    store.begin(edited, "llprobe run")
    other = replace(plan, id="f" * 16, cells=(three,))
    store.begin(other, "llprobe run")
    store.remove(plan.id)
    assert [run.id for run in store.runs()] == [other.id]
    with sqlite3.connect(store.path) as db:
        kept = {row[0] for row in db.execute("SELECT id FROM cells")}
    db.close()
    assert kept == {two.id, three.id}


def test_a_wish_is_heard_by_the_process_at_work(store: Store, plan: Plan) -> None:
    with Store(store.path) as other, store.working(plan.id) as owner:
        assert store.pulse(owner, plan.id) == ""
        other.ask(plan.id, "pause")
        assert store.pulse(owner, plan.id) == "pause"
        store.begin(plan, "llprobe run")
        assert store.pulse(owner, plan.id) == ""
        assert store.pulse(owner, "no such run") == "cancel"
