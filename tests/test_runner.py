"""The runner and its worker: whole runs, stops, deaths and what is kept of each."""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np
import psutil
import pytest
from clihelp import plan_of, scores_of, tiny_model, workers_of, write_questions

from llprobe import children, runner
from llprobe.errors import ModelNotSupported, RunError, UnknownName
from llprobe.events import (
    Checked,
    CheckRequest,
    Event,
    Failed,
    GroupScored,
    JobDone,
    JobStarted,
    LensGrid,
    LensRequest,
    ModelLoaded,
    ScoreRequest,
)
from llprobe.model import read_model
from llprobe.plan import Job, Plan
from llprobe.runner import Cancel, call, raise_failure, run
from llprobe.settings import EngineSettings
from llprobe.store import Store


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with 24 questions and two models, one slow enough to be interrupted."""
    folder = tmp_path_factory.mktemp("files")
    tiny_model(folder, "one", n_layers=16)
    tiny_model(folder, "two", seed=1)
    write_questions(folder / "q.jsonl", 24)
    return folder


@pytest.fixture(scope="module")
def plan(files: Path) -> Plan:
    return plan_of([files / "one.gguf"], files / "q.jsonl")


@pytest.fixture(scope="module")
def both(files: Path) -> Plan:
    return plan_of([files / "one.gguf", files / "two.gguf"], files / "q.jsonl")


@pytest.fixture(scope="module")
def whole(plan: Plan, both: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the database of uninterrupted runs of both plans."""
    path = tmp_path_factory.mktemp("whole") / "a.db"
    with Store(path) as store:
        kinds = [type(event) for event in run(plan, store, "llprobe run")]
        assert kinds[:2] == [ModelLoaded, JobStarted]
        assert set(kinds[2:-1]) == {GroupScored}
        assert len(kinds[2:-1]) > 4
        assert kinds[-1] is JobDone
        assert [run.status for run in store.runs()] == ["done"]
        list(run(both, store, "llprobe run"))
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as store:
        yield store


def no_child(*_: object) -> Iterator[Event]:
    raise AssertionError("a child was started")


def groups(events: list[Event]) -> int:
    return sum(isinstance(event, GroupScored) for event in events)


def worker() -> psutil.Process:
    """Find the worker that this process has started."""
    (child,) = workers_of(os.getpid())
    return child


def status(store: Store) -> str:
    return store.runs()[0].status


# --- runs and stops -----------------------------------------------------------------------------


def test_a_run_stores_everything(plan: Plan, whole: Path) -> None:
    with Store(whole) as store:
        cell = store.cells(plan.id)[0]
        scores = list(store.scores(cell.id))
    assert (cell.status, cell.n_done, cell.n_items) == ("done", 24, 24)
    assert cell.record["threads"] == "1"
    assert cell.record.keys() >= {"devices", "self_check", "system_info"}
    assert cell.phases["tokens"] > 0
    assert [s.index for s in scores] == list(range(24))
    assert all(s.logprob.shape == (4, 16) and (s.logprob < 0).all() for s in scores)


def test_the_same_run_again_starts_no_child(
    plan: Plan, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scores_of(whole, plan.id)
    monkeypatch.setattr(runner, "call", no_child)
    with Store(whole) as store:
        assert list(run(plan, store, "llprobe run")) == []
        assert status(store) == "done"
    assert scores_of(whole, plan.id) == before


def test_a_stopped_run_is_continued_without_repeating(
    plan: Plan, whole: Path, store: Store
) -> None:
    cancel, events = Cancel(), list[Event]()
    for event in run(plan, store, "llprobe run", cancel):
        events.append(event)
        if isinstance(event, GroupScored) and not cancel.requests:
            cancel.request()
    n_groups = next(e.n_groups for e in events if isinstance(e, JobStarted))
    assert status(store) == "stopped"
    assert not any(isinstance(event, Failed | JobDone) for event in events)
    assert 0 < groups(events) < n_groups
    assert len(store.done_groups(plan.cells[0].id)) == groups(events)
    rest = list(run(plan, store, "llprobe run"))
    assert groups(events) + groups(rest) == n_groups
    assert status(store) == "done"
    assert scores_of(store.path) == scores_of(whole, plan.id)


def test_a_stop_asked_for_before_the_start_is_heard(plan: Plan, store: Store) -> None:
    cancel = Cancel()
    cancel.request()
    assert groups(list(run(plan, store, "llprobe run", cancel))) == 0
    assert status(store) == "stopped"


def test_a_second_request_kills_the_worker(both: Plan, whole: Path, store: Store) -> None:
    cancel, events = Cancel(), list[Event]()
    for event in run(both, store, "llprobe run", cancel):
        events.append(event)
        if isinstance(event, ModelLoaded):
            child = worker()
            cancel.request()
            cancel.request()
    assert not child.is_running()
    assert not any(isinstance(event, Failed) for event in events)
    assert sum(isinstance(event, ModelLoaded) for event in events) == 1
    assert status(store) == "stopped"
    list(run(both, store, "llprobe run"))
    assert scores_of(store.path) == scores_of(whole, both.id)


def test_a_caller_that_stops_listening_leaves_no_worker(plan: Plan, store: Store) -> None:
    events = run(plan, store, "llprobe run")
    assert isinstance(next(events), ModelLoaded)
    child = worker()
    events.close()  # type: ignore[attr-defined]  # it is a generator
    assert not child.is_running()
    assert status(store) == "stopped"


def test_fresh_starts_over(plan: Plan, whole: Path) -> None:
    before = scores_of(whole, plan.id)
    with Store(whole) as store:
        events = list(run(plan, store, "llprobe run", fresh=True))
        assert groups(events) == len(store.done_groups(plan.cells[0].id)) > 4
    assert scores_of(whole, plan.id) == before


def test_lenses_share_a_pass_and_one_that_is_there_stays(
    files: Path, plan: Plan, store: Store
) -> None:
    list(run(plan, store, "llprobe run"))
    two = plan_of([files / "one.gguf"], files / "q.jsonl", lenses=("norm", "paper"))
    events = list(run(two, store, "llprobe run"))
    added = {event.cell for event in events if isinstance(event, GroupScored)}
    assert added == {two.cells[1].id}
    norm, paper = (list(store.scores(cell.id)) for cell in two.cells)
    for a, b in zip(norm, paper, strict=True):
        assert (a.logprob[:, -1] == b.logprob[:, -1]).all()
        assert (a.logprob[:, 0] != b.logprob[:, 0]).any()


# --- deaths -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_a_dead_worker_is_told_and_the_next_model_tried(
    number: signal.Signals, both: Plan, whole: Path, tmp_path: Path
) -> None:
    for attempt in range(6):  # the worker may be done before the signal reaches it
        with Store(tmp_path / f"{attempt}.db") as store:
            events = list[Event]()
            for event in run(both, store, "llprobe run"):
                events.append(event)
                if groups(events) == 2 and isinstance(event, GroupScored):
                    os.kill(worker().pid, number)
            if any(isinstance(event, Failed) and event.cells for event in events):
                told_and_continued(number, events, both, whole, store)
                return
    pytest.fail("the worker was never killed in time")


def told_and_continued(
    number: signal.Signals, events: list[Event], both: Plan, whole: Path, store: Store
) -> None:
    (failed,) = (event for event in events if isinstance(event, Failed))
    assert failed.message.startswith(f"one: the worker died of {number.name}: ")
    assert (failed.kind, failed.exit_code) == ("RunError", 1)
    assert "\n" not in failed.message
    first, second = store.cells(both.id)
    assert first.n_done > 0
    assert (first.status, first.error) == ("failed", failed.message)
    assert (second.status, second.n_done, second.error) == ("done", 24, "")
    assert status(store) == "failed"
    assert not any(isinstance(event, Failed) for event in run(both, store, "llprobe run"))
    assert [cell.status for cell in store.cells(both.id)] == ["done", "done"]
    assert status(store) == "done"
    assert scores_of(store.path) == scores_of(whole, both.id)


NOISE = {
    "noise": ("os.write(fd, b'\\0\\0\\0\\5hello')", "the worker sent what is no event"),
    "no such class": (
        "os.write(fd, struct.pack('!i', 12) + b'cllprobe\\nx\\n.')",
        "the worker sent what is no event",
    ),
    "half an event": ("os.write(fd, b'\\0\\0\\1\\0half'); os.kill(os.getpid(), 9)", "of SIGKILL"),
    "an exit code": ("print('last words'); sys.stdout.flush(); os._exit(7)", "code 7: last words"),
    "a crash": ("os.kill(os.getpid(), 11)", "died of SIGSEGV: llama.cpp crashed"),
}
if sys.platform == "linux":  # others have no signals but those with names
    NOISE["a signal without a name"] = ("os.kill(os.getpid(), 40)", "died of signal 40")


@pytest.mark.parametrize("what", NOISE)
def test_whatever_a_worker_does_ends_in_one_line(
    what: str, both: Plan, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = NOISE[what]
    monkeypatch.setattr(children, "_start", false_worker(code))
    events = list(run(both, store, "llprobe run"))
    assert [type(event) for event in events] == [Failed, Failed]
    for event in events:
        assert isinstance(event, Failed)
        assert said in event.message
        assert "\n" not in event.message
    assert status(store) == "failed"


def false_worker(code: str) -> Callable[[int, IO[bytes]], "subprocess.Popen[bytes]"]:
    """Give a way to start a child that does what `code` says with the pipe `fd`."""
    program = f"import os, struct, sys; fd = int(sys.argv[1]); {code}"

    def start(fd: int, noise: IO[bytes]) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-S", "-c", program, str(fd)]
        return subprocess.Popen(command, pass_fds=(fd,), stdout=noise, stderr=noise)

    return start


def test_a_model_that_fails_its_self_check_is_one_line(files: Path, store: Store) -> None:
    broken = files / "broken.gguf"
    tiny_model(files, "broken", zeroed=("output_norm.weight",))
    poison(broken, "output_norm.weight")
    plan = plan_of([broken, files / "two.gguf"], files / "q.jsonl")
    events = list(run(plan, store, "llprobe run"))
    (failed,) = (event for event in events if isinstance(event, Failed))
    assert failed.kind == "ModelNotSupported"
    assert "broken" in failed.message
    assert "\n" not in failed.message
    first, second = store.cells(plan.id)
    assert (first.status, first.n_done) == ("failed", 0)
    assert (second.status, second.n_done) == ("done", 24)


def poison(path: Path, tensor: str) -> None:
    """Write NaN over a tensor of 64 numbers."""
    data = read_model(path).read_tensor(tensor).tobytes()
    whole = path.read_bytes()
    assert data == bytes(256)
    at = whole.rindex(data)
    path.write_bytes(whole[:at] + np.full(64, np.nan, "<f4").tobytes() + whole[at + 256 :])


def test_a_model_that_went_away_is_one_line(files: Path, plan: Plan, store: Store) -> None:
    gone = tiny_model(files, "gone", seed=5)
    plan = plan_of([gone], files / "q.jsonl")
    gone.unlink()
    (failed,) = run(plan, store, "llprobe run")
    assert isinstance(failed, Failed)
    assert "gone.gguf" in failed.message
    assert "\n" not in failed.message


# --- the worker's protocol ------------------------------------------------------------------------


def test_a_worker_whose_parent_is_gone_ends(plan: Plan) -> None:
    ours, theirs = Pipe()
    with TemporaryFile() as noise:
        with theirs:
            child = children._start(theirs.fileno(), noise)
        with ours:
            done = {cell.id: frozenset[int]() for cell in plan.cells}
            ours.send(ScoreRequest(plan.cells[0].model, jobs(plan), done))
            assert isinstance(ours.recv(), ModelLoaded)
        assert child.wait(timeout=20) == 0
        assert child.stdin is not None  # its lifeline, which is not what ended it
        child.stdin.close()
        noise.seek(0)
        assert b"Traceback" not in noise.read()


def jobs(plan: Plan) -> tuple[Job, ...]:
    """Give the jobs of a plan's only model."""
    ((_, found),) = plan.jobs()
    return tuple(found)


def test_done_groups_are_not_scored_again(plan: Plan, whole: Path) -> None:
    with Store(whole) as store:
        done = store.done_groups(plan.cells[0].id)
    missing = {1, max(done)}
    left = {plan.cells[0].id: frozenset(done - missing)}
    events = list(call(ScoreRequest(plan.cells[0].model, jobs(plan), left)))
    assert {e.group for e in events if isinstance(e, GroupScored)} == missing


def test_a_text_is_looked_at(files: Path) -> None:
    model = read_model(files / "one.gguf")
    settings = EngineSettings(n_threads=1)
    request = LensRequest(model, settings, "the capital city", "norm", (1, 3), 2, (" of",))
    (grid,) = call(request)
    assert isinstance(grid, LensGrid)
    assert grid.layers == (1, 3)
    assert grid.entropy.shape == grid.ranks[" of"].shape == (2, len(grid.tokens))
    assert all(len(cell) == 2 for row in grid.top for cell in row)
    assert "".join(grid.tokens) == "the capital city"


def test_a_build_is_described_without_a_model() -> None:
    (checked,) = call(CheckRequest(None, EngineSettings()))
    assert isinstance(checked, Checked)
    assert checked.facts["devices"]
    assert checked.differences == {}


def test_errors_of_a_worker_are_raised_as_what_they_were() -> None:
    with pytest.raises(ModelNotSupported, match="no such op"):
        raise_failure(Failed("ModelNotSupported", "no such op", 2))
    for kind in ("ValueError", "UnknownName"):
        with pytest.raises(RunError, match="what it said") as caught:
            raise_failure(Failed(kind, "what it said", 1))
        assert not isinstance(caught.value, UnknownName)


def test_plans_cross_the_process_boundary(plan: Plan) -> None:
    assert pickle.loads(pickle.dumps(plan)) == plan
