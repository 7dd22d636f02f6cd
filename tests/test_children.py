"""Children that hang, die, end too early or cannot load: what of a run is lost, and what goes on.

Some of the children here are real workers that are made to fail at a chosen job; others are no
workers at all, but do with the pipe what they are told.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import psutil
import pytest
from clihelp import Cli, scores_of, tiny_model, write_questions

from llprobe import children
from llprobe.children import STALLED, Cancel, call
from llprobe.errors import StoreError, UsageError
from llprobe.events import (
    Event,
    Failed,
    GroupScored,
    JobDone,
    JobStarted,
    LensRequest,
    ModelLoaded,
)
from llprobe.model import read_model
from llprobe.plan import Plan, Sweep, make_plan
from llprobe.runner import run
from llprobe.settings import EngineSettings, patience
from llprobe.store import Store
from llprobe.store.leases import Owner
from llprobe.task import TaskRequest

Start = Callable[[int, IO[bytes]], "subprocess.Popen[bytes]"]

N_ITEMS = 15
ABLATIONS = ("none", "skip:1", "skip:2", "skip:3")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    tiny_model(folder, "one", n_layers=8)
    tiny_model(folder, "two", seed=1)
    write_questions(folder / "q.jsonl", N_ITEMS, words=9)
    return folder


def plan_with(files: Path, *models: str, **more: Any) -> Plan:
    """Plan the questions on models, with parts left out."""
    settings = EngineSettings(n_threads=1, n_batch=16)
    requests = (TaskRequest("prompts", data=str(files / "q.jsonl")),)
    infos = tuple(read_model(files / f"{name}.gguf") for name in models)
    return make_plan(Sweep(infos, requests, settings=settings, **more))


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
    """Look after a silent child more often than twice a second."""
    monkeypatch.setattr(children, "_TICK", 0.02)
    monkeypatch.setattr(children, "_LOOK", 0.02)


def of_kind(events: Sequence[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def statuses(store: Store, plan: Plan) -> list[str]:
    return [cell.status for cell in store.cells(plan.id)]


def started(command: list[str], fd: int, noise: IO[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*command, str(fd)], pass_fds=(fd,), stdout=noise, stderr=noise, process_group=0
    )


def no_worker(code: str) -> Start:
    """Start a child that does what `code` says with the pipe `fd`, and knows nothing of us."""
    program = f"import os, signal, sys, time; fd = int(sys.argv[1])\n{code}"
    return lambda fd, noise: started([sys.executable, "-S", "-c", program], fd, noise)


def worker(sabotage: str) -> Start:
    """Start a real worker after `sabotage`, which may replace what is in `worker`."""
    program = f"""
import os, signal, sys
from llprobe import worker

score_job = worker._score_job


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def job_of(ablation, job):
    return job.first.ablation == ablation

{sabotage}
worker.main(int(sys.argv[1]))
"""
    return lambda fd, noise: started([sys.executable, "-c", program], fd, noise)


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


class Starts:
    """Starts children, real workers unless `start` is set, and notes their numbers."""

    def __init__(self) -> None:
        self.real: Start = children._start
        self.start: Start = self.real
        self.pids: list[int] = []

    def __call__(self, fd: int, noise: IO[bytes]) -> "subprocess.Popen[bytes]":
        child = self.start(fd, noise)
        self.pids.append(child.pid)
        return child


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    starts = Starts()
    monkeypatch.setattr(children, "_start", starts)
    return starts


# --- a child that hangs -------------------------------------------------------------------------


def look_at(files: Path) -> LensRequest:
    model = read_model(files / "one.gguf")
    return LensRequest(model, EngineSettings(n_threads=1), "the city", "norm", (1,), 1, ())


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("how", ["os.kill(os.getpid(), signal.SIGSTOP)", "time.sleep(600)"])
def test_a_child_that_does_nothing_is_stopped(how: str, files: Path, starts: Starts) -> None:
    starts.start = no_worker(how)
    (failed,) = call(look_at(files), stalled=1.0)
    assert isinstance(failed, Failed)
    assert failed.message.startswith("one: the worker hung: nothing was heard of it for ")
    assert "run it again, and try -ngl 0" in failed.message
    assert (failed.kind, failed.exit_code) == ("RunError", 1)
    assert not any(psutil.pid_exists(pid) for pid in starts.pids)
    assert len(starts.pids) == 1


class Clock:
    """Time as it is told, and processor time that a child has used by then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, share: float) -> None:
        self.now, self.share, self.killed = 1000.0, share, False
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(psutil, "Process", lambda _: self)
        monkeypatch.setattr(children, "_LOOK", 60)
        child: Any = SimpleNamespace(pid=1, kill=self.kill)
        self.watch = children._Watch(child, stalled=300, silent=7200)

    def kill(self) -> None:
        self.killed = True

    def cpu_times(self) -> SimpleNamespace:
        return SimpleNamespace(user=self.now * self.share, system=0.0)

    def silent(self, seconds: float) -> None:
        """Let time pass, looking at the child every minute."""
        end = self.now + seconds
        while self.now < end and not self.killed:
            self.now = min(self.now + 60, end)
            self.watch.look()


def test_a_busy_child_may_be_silent_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of many gigabytes may take an hour for one group of questions."""
    clock = Clock(monkeypatch, share=0.01)
    clock.silent(7000)
    assert not clock.killed
    clock.watch.heard()
    clock.silent(7000)
    assert not clock.killed
    clock.silent(300)
    assert clock.killed
    assert clock.watch.hung
    assert clock.watch.silence == pytest.approx(7260, abs=60)


def test_an_idle_child_may_be_silent_for_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, share=0.0)
    clock.silent(300)
    assert not clock.killed
    clock.watch.heard()
    clock.silent(300)
    assert not clock.killed
    clock.silent(120)
    assert clock.killed
    assert clock.watch.hung


def test_what_a_parent_sleeps_through_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was stopped itself, or did something else: the child may have waited for it."""
    clock = Clock(monkeypatch, share=0.0)
    clock.silent(240)
    clock.now += 10**6
    clock.watch.look()
    assert clock.watch.silence == 240 + 2 * 60
    assert not clock.killed
    clock.silent(120)
    assert clock.killed


def test_what_a_real_child_computes_is_seen() -> None:
    """Each time that a busy child is looked at it has worked since the time before."""
    with subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) as child:
        watch, end = children._Watch(child, stalled=600, silent=600), time.monotonic() + 60
        try:
            watch.look()
            for _ in range(3):
                used = watch._used
                while watch._used == used:
                    assert time.monotonic() < end, "it is never seen to work"
                    watch.look()
                assert watch.idle == 0.0
        finally:
            child.kill()
    assert not watch.hung


# --- a child that is stopped in the middle of what it says ---------------------------------------

SAYS_HALF = """
import struct
os.write(fd, struct.pack("!i", 1000) + b"the beginning of an event")
open(FLAG, "w").close()
"""


def watchers() -> list[threading.Thread]:
    """Give the threads that look after a child."""
    return [thread for thread in threading.enumerate() if "_go_on_looking" in thread.name]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGSTOP)", "hung: nothing was heard of it for [12] s, "),
        ("time.sleep(600)", "hung: nothing was heard of it for [12] s, "),
        ("os.kill(os.getpid(), signal.SIGKILL)", "died of SIGKILL: "),
        ("sys.exit(3)", "ended with exit code 3"),
    ],
)
def test_a_child_that_ends_or_hangs_within_an_event_is_told(
    then: str, said: str, files: Path, tmp_path: Path, starts: Starts
) -> None:
    starts.start = no_worker(SAYS_HALF.replace("FLAG", repr(str(tmp_path / "flag"))) + then)
    started_at = time.monotonic()
    (failed,) = call(look_at(files), stalled=1.0)
    assert isinstance(failed, Failed)
    assert re.match(f"one: the worker {said}", failed.message), failed.message
    assert (tmp_path / "flag").exists()
    assert time.monotonic() - started_at < 30
    assert not any(psutil.pid_exists(pid) for pid in starts.pids)
    assert watchers() == []


@pytest.mark.usefixtures("quick")
def test_a_child_that_hangs_before_it_has_its_request_is_told(files: Path, starts: Starts) -> None:
    """More of a request than a pipe holds waits for the child to read it."""
    starts.start = no_worker("os.kill(os.getpid(), signal.SIGSTOP)")
    request = replace(look_at(files), text="the city " * 10**6)
    (failed,) = call(request, stalled=1.0)
    assert isinstance(failed, Failed)
    assert failed.message.startswith("one: the worker hung: ")


@pytest.mark.usefixtures("quick")
def test_a_busy_child_may_take_its_time_within_an_event(files: Path, starts: Starts) -> None:
    """Longer than an idle one may be silent; what it says in the end is heard."""
    code = """
import pickle, struct
event = pickle.dumps("said in two halves")
os.write(fd, struct.pack("!i", len(event)) + event[:5])
end = time.monotonic() + 2.5
while time.monotonic() < end: pass
os.write(fd, event[5:])
"""
    starts.start = no_worker(code)
    events: list[Any] = list(call(look_at(files), stalled=1.0))
    assert events == ["said in two halves"]


@pytest.mark.usefixtures("quick")
def test_requests_to_stop_are_heard_within_an_event(
    files: Path, tmp_path: Path, starts: Starts
) -> None:
    """The first at once, also by a child that goes on then; the second kills one that does not."""
    flag = tmp_path / "flag"
    half = SAYS_HALF.replace("FLAG", repr(str(flag)))
    starts.start = no_worker(half + "os.kill(os.getpid(), signal.SIGSTOP)")
    cancel, heard = Cancel(), list[float]()

    def handle(*_: object) -> None:
        cancel.request()
        heard.append(time.monotonic())

    def interrupt() -> None:
        end = time.monotonic() + 30
        while not flag.exists() and time.monotonic() < end:
            time.sleep(0.01)
        for n in range(2):
            time.sleep(0.3)  # in the middle of the event by now
            os.kill(os.getpid(), signal.SIGINT)
            while len(heard) == n and time.monotonic() < end:
                time.sleep(0.01)

    before = signal.signal(signal.SIGINT, handle)
    user = threading.Thread(target=interrupt)
    try:
        user.start()
        assert list(call(look_at(files), cancel, stalled=60)) == []
    finally:
        user.join()
        signal.signal(signal.SIGINT, before)
    assert (cancel.requests, len(heard)) == (2, 2)
    assert not any(psutil.pid_exists(pid) for pid in starts.pids)


@pytest.mark.usefixtures("quick")
def test_who_is_slow_to_take_what_is_said_does_not_make_the_child_hang(
    files: Path, starts: Starts
) -> None:
    """A child that waits for its parent uses no processor."""
    code = """
import pickle, struct
event = pickle.dumps("x" * 10**6)
for n in range(3):
    sent = struct.pack("!i", len(event)) + event
    while sent: sent = sent[os.write(fd, sent):]
"""
    starts.start = no_worker(code)
    taken = 0
    for event in call(look_at(files), stalled=0.5):
        assert not isinstance(event, Failed)
        taken += 1
        time.sleep(1.0)
    assert taken == 3


# --- what the environment says --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["LLPROBE_STALL", "LLPROBE_SILENT"])
@pytest.mark.parametrize("value", ["abc", "0", "-1", "nan", "5 min"])
def test_what_is_no_number_of_seconds_is_said_when_it_is_needed(
    name: str, value: str, files: Path, starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    said = re.escape(f"{name}={value}: must be a number of seconds above 0, e.g. ")
    with pytest.raises(UsageError, match=said):
        next(call(look_at(files)))
    assert starts.pids == []


@pytest.mark.usefixtures("quick")
def test_the_environment_says_how_long_a_child_may_hang(
    files: Path, starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts.start = no_worker("time.sleep(600)")
    monkeypatch.setenv("LLPROBE_STALL", "0.5")
    (failed,) = call(look_at(files))
    assert isinstance(failed, Failed)
    assert "the worker hung" in failed.message
    starts.start = no_worker("while True: pass")
    monkeypatch.setenv("LLPROBE_STALL", "inf")
    monkeypatch.setenv("LLPROBE_SILENT", "0.5")
    (failed,) = call(look_at(files))
    assert isinstance(failed, Failed)
    assert "the worker hung" in failed.message


def test_where_the_environment_is_wrong_a_command_says_so_in_one_line(files: Path) -> None:
    cli = Cli(files, LLPROBE_STALL="abc")
    assert cli.process("ls").code == 1  # there is no database: it starts all the same
    ended = cli.process("run", "-m", files / "two.gguf", "-t", "calculation", "-L", "2")
    assert ended.code == 2
    assert ended.line == ("error: LLPROBE_STALL=abc: must be a number of seconds above 0, e.g. 300")


# --- the parent's ticks ---------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_ticks_come_while_a_child_is_silent(files: Path, tmp_path: Path, starts: Starts) -> None:
    """The child ends when the parent has ticked; until then it says nothing."""
    flag, ticks = tmp_path / "flag", list[float]()

    def tick() -> None:
        ticks.append(time.monotonic())
        if len(ticks) == 5:
            flag.touch()

    waits = f"while not os.path.exists({str(flag)!r}): time.sleep(0.01)\nsys.exit(7)"
    starts.start = no_worker(waits)
    (failed,) = call(look_at(files), tick=tick)
    assert isinstance(failed, Failed)
    assert len(ticks) >= 5


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


def test_only_what_is_wanted_is_computed(plan: Plan, store: Store) -> None:
    """And a run of which the rest was never tried is not done."""
    wanted = {plan.cells[1].id, plan.cells[3].id}
    events = list(run(plan, store, "llprobe run", only=wanted))
    assert {event.cell for event in of_kind(events, GroupScored)} == wanted
    assert statuses(store, plan) == ["planned", "done", "planned", "done"]
    assert store.run(plan.id).status == "stopped"


def test_a_child_has_some_minutes_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLPROBE_STALL", raising=False)
    monkeypatch.setenv("LLPROBE_SILENT", "")
    assert 60 <= patience().stalled < patience().silent < STALLED


def test_a_child_that_was_killed_by_a_second_request_is_no_failure(
    files: Path, starts: Starts
) -> None:
    """Also if it is stopped and hears nothing."""
    starts.start = no_worker("os.kill(os.getpid(), signal.SIGSTOP)")
    cancel = Cancel()

    def tick() -> None:
        cancel.request()

    assert list(call(look_at(files), cancel, tick)) == []
    assert cancel.requests == 2
