"""What a worker answers: what its machine lacks, what has failed, and that nobody hears it."""

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest
from childhelp import (
    Starts,
    hasten,
    no_worker,
    note_starts,
    of_kind,
    plan_with,
    worker,
    write_files,
)
from clihelp import plan_of
from clusterhelp import Cluster, cluster

from llprobe.cluster import Place, hired, work
from llprobe.cluster.orders import Message, Order, Outcome, Wanted, pack, unpack
from llprobe.errors import FetchError, UsageError
from llprobe.events import Event, Failed, GroupScored, JobDone, ModelLoaded, ScoreRequest
from llprobe.model import ModelInfo
from llprobe.runner import run
from llprobe.store import Store

NO_LLAMA = "raise OSError('libllama.so: cannot open shared object file')"
DIES_IN_JOB = """
def sabotaged(probe, job, done):
    yield next(iter(score_job(probe, job, done)))
    die()

worker._score_job = sabotaged
"""
HANGS_ONCE_LOADED = """
import time
from llprobe.events import ModelLoaded

def sabotaged(request):
    yield ModelLoaded({}, 0.0)
    time.sleep(600)

worker.carry_out = sabotaged
"""


class Scheduler:
    """Stands for dask as a worker sees it: a queue, a sign to stop, the worker's own tasks."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.stop = False
        self.broken = ""
        """What the scheduler does not answer any more."""
        self.tasks = {"share": self}
        self.state = "executing"

    def get_client(self) -> None:
        """Whatever a queue needs."""

    def get_worker(self) -> Any:
        return type("Worker", (), {"state": self})

    def Queue(self, *_: object, **__: object) -> "Scheduler":  # noqa: N802 - dask's name
        return self

    Event = Queue

    def put(self, data: bytes) -> None:
        self._answer("put")
        message: Message = unpack(data)
        assert message.number == len(self.said)
        self.said.append(message.said)

    def qsize(self) -> int:
        self._answer("qsize")
        return 0

    def is_set(self) -> bool:
        self._answer("is_set")
        return self.stop

    def close(self) -> None:
        """Leave the queue to the other side."""

    def _answer(self, what: str) -> None:
        if what == self.broken:
            raise OSError("Timed out trying to connect to tcp://10.0.0.1:8786")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def request_(files: Path) -> ScoreRequest:
    plan = plan_with(files, "one", ablations=("none", "skip:1"))
    ((model, jobs),) = plan.jobs()
    return ScoreRequest(model, tuple(jobs), {})


@pytest.fixture
def order(request_: ScoreRequest) -> bytes:
    return pack(Order("run", "share", Wanted(request_.model), request_))


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    made = Scheduler()
    monkeypatch.setattr(work, "import_module", lambda _: made)
    monkeypatch.setattr(work, "_LOOK", 0.02)
    hasten(monkeypatch)
    return made


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Starts]:
    """Note the children, of which none may be left."""
    starts = note_starts(monkeypatch)
    yield starts
    assert not any(map(psutil.pid_exists, starts.pids))


def failing(error: Exception) -> Any:
    def bring(*_: object) -> NoReturn:
        raise error

    return bring


# --- what a machine lacks -----------------------------------------------------------------------


def test_a_machine_without_llama_cpp_lacks_every_model(
    order: bytes, scheduler: Scheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(without_llama(tmp_path)))
    outcome = work.score(order)
    assert "libllama.so: cannot open shared object file" in outcome.lacks
    assert scheduler.said == []


@pytest.mark.parametrize(
    ("does", "lacks"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "the worker died of SIGSEGV: llama.cpp crashed"),
        ("sys.exit('no driver')", "the worker ended with exit code 1: no driver"),
        ("pass", "ended without a word"),
    ],
)
def test_a_child_that_ends_before_it_has_loaded_is_a_lack(
    does: str, lacks: str, order: bytes, scheduler: Scheduler, starts: Starts
) -> None:
    starts.start = no_worker(does)
    assert lacks in work.score(order).lacks
    assert scheduler.said == []


def test_a_full_disk_is_a_lack(
    order: bytes, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(tempfile, "TemporaryFile", failing(full))
    assert "No space left on device" in work.score(order).lacks
    assert scheduler.said == []


@pytest.mark.parametrize(
    ("error", "lacks"),
    [
        (OSError(errno.ENOLCK, "No locks available"), "No locks available"),
        (UsageError("one is not on anna"), "one is not on anna"),
        (OSError(), "OSError()"),
    ],
)
@pytest.mark.usefixtures("scheduler")
def test_a_model_that_cannot_be_brought_is_a_lack(
    error: Exception, lacks: str, order: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "bring", failing(error))
    outcome = work.score(order)
    assert (outcome.n_said, lacks in outcome.lacks) == (0, True)


@pytest.mark.parametrize("how", ["stopped", "taken back"])
def test_a_share_that_is_not_wanted_any_more_is_no_lack(
    how: str, order: bytes, scheduler: Scheduler, starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts.start = no_worker("os.kill(os.getpid(), signal.SIGKILL)")

    def bring(wanted: Wanted, *_: object) -> ModelInfo:
        if how == "stopped":
            scheduler.stop = True
        else:
            scheduler.tasks.clear()
        return wanted.model

    monkeypatch.setattr(work, "bring", bring)
    assert work.score(order) == Outcome(0)
    assert len(starts.pids) == 1


def test_what_fails_once_the_model_is_loaded_is_said_and_no_lack(
    order: bytes, scheduler: Scheduler, starts: Starts
) -> None:
    starts.start = worker(DIES_IN_JOB)
    assert work.score(order) == Outcome(len(scheduler.said))
    assert isinstance(scheduler.said[0], ModelLoaded)
    assert "died of SIGKILL" in scheduler.said[-1].message


def test_a_sound_worker_says_everything_in_order(
    order: bytes, scheduler: Scheduler, starts: Starts
) -> None:
    assert work.score(order) == Outcome(len(scheduler.said))
    assert isinstance(scheduler.said[0], ModelLoaded)
    assert len(of_kind(scheduler.said, JobDone)) == 2
    assert len(starts.pids) == 1


# --- a scheduler that is gone -------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["put", "qsize", "is_set"])
def test_a_lost_scheduler_is_an_error_and_the_child_is_ended(
    broken: str, order: bytes, scheduler: Scheduler, starts: Starts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    starts.start = worker(HANGS_ONCE_LOADED)

    def bring(wanted: Wanted, *_: object) -> ModelInfo:
        scheduler.broken = broken
        return wanted.model

    monkeypatch.setattr(work, "bring", bring)
    with pytest.raises(ConnectionError, match="does not answer any more") as lost:
        work.score(order)
    assert "10.0.0.1:8786" in str(lost.value.__cause__)
    assert len(starts.pids) == 1


@pytest.mark.parametrize("kind", [FetchError, OSError])
def test_a_scheduler_lost_while_a_model_is_brought_is_no_lack(
    kind: type[Exception], order: bytes, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever fetches tells what `say` raises as an error of the download."""

    def bring(_: Wanted, say: Any, __: object) -> NoReturn:
        scheduler.broken = "put"
        say("fetching one, 3 MB")
        raise kind("the download broke off")

    monkeypatch.setattr(work, "bring", bring)
    with pytest.raises(ConnectionError, match="does not answer any more"):
        work.score(order)


def test_a_scheduler_lost_before_the_workers_turn_is_an_error(
    order: bytes, scheduler: Scheduler
) -> None:
    scheduler.broken = "is_set"
    with work._one, pytest.raises(ConnectionError):
        work.score(order)


# --- in a cluster -------------------------------------------------------------------------------


def test_a_broken_worker_beside_a_good_one_fails_no_cell(files: Path, tmp_path: Path) -> None:
    plan = plan_with(files, "one", ablations=("none", "skip:1", "skip:2", "skip:3"))
    path, told = without_llama(tmp_path), list[str]()
    with cluster(tmp_path / "c", ["good"]) as made:

        def tell(line: str) -> None:
            told.append(line)
            if line.endswith("(good) takes part"):  # it is to wait for the broken one
                made.suspend("good")
                made.worker("bad", PYTHONPATH=str(path))
            if "(bad) cannot run one: " in line:
                resume(made, "good")

        with hired(Place(made.address), tell) as hands, Store(tmp_path / "a.db") as store:
            for event in run(plan, store, "llprobe run", hands=hands):
                assert not isinstance(event, Failed), event.message
            cells = store.cells(plan.id)
    assert {(cell.status, cell.record["worker"]) for cell in cells} == {("done", "good")}
    (lack,) = (line for line in told if "cannot run" in line)
    assert "libllama.so" in lack


def test_where_no_worker_can_the_cells_have_failed_with_the_reason(
    files: Path, tmp_path: Path
) -> None:
    plan = plan_of([files / "one.gguf", files / "two.gguf"], files / "q.jsonl")
    with cluster(tmp_path / "c") as made, Store(tmp_path / "a.db") as store:
        made.worker("bad", PYTHONPATH=str(without_llama(tmp_path)))
        with made.hands() as hands:
            events: list[Event] = list(run(plan, store, "llprobe run", hands=hands))
        cells = store.cells(plan.id)
    assert not of_kind(events, GroupScored)
    assert all(cell.status == "failed" and "libllama.so" in cell.error for cell in cells)


def resume(made: Cluster, name: str) -> None:
    psutil.Process(made.workers[name].pid).resume()


def without_llama(folder: Path) -> Path:
    """Give a path on which llama.cpp is there and cannot be loaded."""
    broken = folder / "broken" / "llama_cpp"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(NO_LLAMA)
    return broken.parent
