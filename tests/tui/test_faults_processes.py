"""Every page while the process that works on a sweep is killed, and a sweep whose worker is."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from clihelp import scores_of, tiny_model, write_questions
from faults import ALL, changed, page_of, seen, shown, told, trouble
from scenes import Scene
from settled import press, settle
from stages import Stage, alike_everywhere

from llprobe.report import cell_rows
from llprobe.store import Store
from llprobe.sweep import parse_sweep
from llprobe.tui import process
from llprobe.tui.app import LlprobeApp
from llprobe.tui.screens.monitor import MonitorScreen

SECONDS = 60
N_ITEMS = 600
"""So many that a sweep of them can be stopped in the middle."""
GONE = "the process that ran it is gone"

_HOLD = """\
import sys
from pathlib import Path
from llprobe.store import Store
with Store(Path(sys.argv[1])) as store, store.working(sys.argv[2]) as owner:
    store.claim(owner, sys.argv[3:])
    print("at work", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, two_runs: Path) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"), two_runs)


@pytest.fixture(autouse=True)
def alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alike_everywhere(tmp_path, monkeypatch)


@pytest.fixture
def database(stage: Stage, tmp_path: Path) -> Iterator[Path]:
    """Give a database with the runs `small`, `large` and `half`."""
    with stage.set("half", tmp_path) as path:
        yield path


@contextmanager
def holder(database: Path, stage: Stage) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a process that works on the second cell of `half`, and computes nothing."""
    run, cell = stage.planned.id, stage.planned.cells[1].id
    with Store(database) as store:
        store.end(run, "running")
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(database), run, cell],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"at work\n"
        try:
            yield child
        finally:
            child.kill()


# --- the process that works is killed -----------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("scene", ALL, ids=[scene.name for scene in ALL])
async def test_a_page_stays_up_when_the_runner_is_killed(
    scene: Scene, database: Path, stage: Stage
) -> None:
    with holder(database, stage) as child:
        async with shown(scene, database) as pilot:
            page, before = page_of(pilot), told(pilot)
            child.kill()
            await asyncio.to_thread(child.wait, SECONDS)
            await changed(pilot)
            assert page_of(pilot) is page
            assert trouble(pilot) == ""
            if scene.name == "monitor-half":
                assert GONE in told(pilot)
                assert "r goes on with the rest" in told(pilot)
            elif scene.name == "home-runs":
                assert any("! interrupted" in line for line in await seen(pilot))
            else:
                assert told(pilot) == before


@pytest.mark.asyncio
async def test_the_page_of_a_run_says_that_it_was_interrupted(database: Path, stage: Stage) -> None:
    with holder(database, stage) as child:
        async with LlprobeApp(database).run_test(size=(140, 40)) as pilot:
            assert isinstance(pilot.app, LlprobeApp)
            pilot.app.open_run("half")
            assert "half · running" in (await seen(pilot))[0]
            child.kill()
            await asyncio.to_thread(child.wait, SECONDS)
            await changed(pilot)
            assert "half · interrupted" in (await seen(pilot))[0]
            assert trouble(pilot) == ""


# --- a real sweep -------------------------------------------------------------------------------


@pytest.fixture
def sweep(tmp_path: Path) -> str:
    """Give a sweep of a tiny model that takes some seconds, in many groups."""
    model = tiny_model(tmp_path, n_layers=32)
    questions = write_questions(tmp_path / "q.jsonl", N_ITEMS, words=9)
    return (
        f"name: tiny\nmodels: [{model}]\ntasks: [prompts]\ndata: {questions}\n"
        "engine: {threads: 1, batch: 16}\n"
    )


@pytest.fixture
def at_work(no_database: Path, sweep: str) -> Iterator[int]:
    """Give the process of the sweep, once something is scored; let nothing outlive the test."""
    pid = process.start(no_database, parse_sweep(sweep, "x"))
    child = process._children[pid]
    while scored(no_database) == 0:
        with_log = process.log_of(no_database, "tiny")
        assert child.poll() is None, with_log.read_text()
    yield pid
    for each, started in process._children.items():
        if started.poll() is None:
            os.killpg(each, signal.SIGKILL)
            started.wait(SECONDS)


def scored(database: Path) -> int:
    """Count the items that are stored of the sweep."""
    if not database.exists():
        return 0
    with Store(database, create=False) as store:
        return sum(row["done"] for run in store.runs() for row in cell_rows(store, run.id))


async def ended(pid: int) -> int:
    return await asyncio.to_thread(process._children[pid].wait, SECONDS)


@pytest.mark.asyncio
async def test_a_killed_sweep_is_said_where_it_is_watched_and_goes_on(
    no_database: Path, at_work: int
) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        assert isinstance(pilot.app, LlprobeApp)
        await settle(pilot)
        pilot.app.open_monitor("tiny")
        await settle(pilot)
        monitor = page_of(pilot)
        assert isinstance(monitor, MonitorScreen)
        assert monitor.found is not None
        assert monitor.found.workers == (f"process {at_work}",)
        os.killpg(at_work, signal.SIGKILL)
        assert await ended(at_work) == -signal.SIGKILL
        await changed(pilot)
        assert GONE in told(pilot)
        await press(pilot, "escape")
        assert any("! interrupted" in line for line in await seen(pilot))
        await press(pilot, "m", "r")
        await changed(pilot)
        assert monitor.app is pilot.app
        second = process.alive(no_database, "tiny")
        assert second is not None
        assert await ended(second) == 0
        await changed(pilot)
        assert "all of it is done" in told(pilot)
    assert len(scores_of(no_database)) == N_ITEMS


@pytest.mark.asyncio
async def test_a_killed_worker_fails_its_cell_with_a_line_that_says_why(
    no_database: Path, at_work: int
) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        assert isinstance(pilot.app, LlprobeApp)
        await settle(pilot)
        pilot.app.open_monitor("tiny")
        await settle(pilot)
        for worker in psutil.Process(at_work).children(recursive=True):
            worker.kill()
        assert await ended(at_work) != 0
        await changed(pilot)
        assert "the worker died of SIGKILL" in told(pilot)
        assert "t tries what failed again" in told(pilot)
        assert any("✗ failed" in line for line in await seen(pilot))
        await press(pilot, "escape")
        assert any("✗ failed" in line for line in await seen(pilot))
        await press(pilot, "m", "t")
        second = process.alive(no_database, "tiny")
        assert second is not None
        assert await ended(second) == 0
        await changed(pilot)
        assert "all of it is done" in told(pilot)
