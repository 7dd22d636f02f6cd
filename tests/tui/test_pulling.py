"""Pulling models and the questions of tasks, in children that can be stopped."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from modelscreen import jobs, opened, own_cache, settled, trouble
from settled import press, settle
from textual.pilot import Pilot

from llprobe.errors import FetchError
from llprobe.tui import modelwork, puller
from llprobe.tui.app import LlprobeApp
from llprobe.tui.asking import AskLine
from llprobe.tui.joblines import JobLines
from llprobe.tui.jobs import Job, jobs_of
from llprobe.tui.screens.models import ModelsScreen
from llprobe.tui.screens.tasks import TasksScreen
from llprobe.tui.widgets import Rows, Trouble


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return own_cache(tmp_path, monkeypatch)


def _says(monkeypatch: pytest.MonkeyPatch, program: str, kind: str = "model") -> None:
    """Let the child that pulls be a small program, which has the name in sys.argv."""
    real = modelwork.subprocess.Popen

    def popen(command: list[str], **more: Any) -> Any:
        assert command[1:5] == ["-P", "-m", "llprobe.tui.puller", kind]
        return real([sys.executable, "-c", program, *command[5:]], **more)

    monkeypatch.setattr(modelwork.subprocess, "Popen", popen)


_GOES_ON: str = (
    "import json, time\n"
    "print(json.dumps({'done': 1_000_000, 'total': 4_000_000}), flush=True)\n"
    "time.sleep(600)\n"
)


@pytest.mark.asyncio
async def test_a_model_is_pulled(no_database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _says(
        monkeypatch,
        "import json, sys\n"
        "print(json.dumps({'done': 5, 'total': 10}))\n"
        "print(json.dumps({'here': sys.argv[1] + ' is here'}))\n",
    )
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("p")
        await settled(pilot)
        assert jobs(screen) == "✓ smollm2-135m is here"
        await pilot.press("a")
        await pilot.pause()
        assert isinstance(pilot.app.screen, AskLine)
        await pilot.press(*"hf:me/it:Q8_0", "enter")
        await settled(pilot)
        assert jobs(screen).startswith("✓ hf:me/it:Q8_0 is here\n")


@pytest.mark.asyncio
async def test_a_pull_shows_how_far_it_is_and_can_be_stopped(
    no_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _says(monkeypatch, _GOES_ON)
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("p")
        job = await under_way(pilot)
        screen.query_one(JobLines).look()
        assert "pulling smollm2-135m ▕█████" in jobs(screen)
        assert "25%, 1.0 MB of 4.0 MB  x stops it" in jobs(screen)
        await pilot.press("p")
        await pilot.pause()
        assert "goes on already" in trouble(screen)
        await pilot.press("escape", "x")
        await settled(pilot)
        assert job.state == "stopped"
        assert jobs(screen) == "✗ pulling smollm2-135m: stopped"
        assert trouble(screen) == ""


@pytest.mark.asyncio
async def test_a_pull_goes_on_elsewhere_and_ends_with_the_app(
    no_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _says(monkeypatch, _GOES_ON)
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("p")
        job = await under_way(pilot)
        child = next(c for c in psutil.Process().children() if _GOES_ON in c.cmdline())
        await pilot.press("escape")
        await pilot.pause()
        assert job.running
        pilot.app.open_models()
        while not isinstance(pilot.app.screen, ModelsScreen):
            await pilot.pause()
        assert "25%" in jobs(pilot.app.screen)
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running()


async def under_way(pilot: Pilot[None]) -> Job:
    """Let the app work until its first job has said how far it is."""
    job = jobs_of(pilot.app)[0]
    while job.running and not job.total:
        await pilot.pause()
    return job


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("program", "said"),
    [
        ('print(\'{"failed": "the hub cannot be reached"}\')', "the hub cannot be reached"),
        ("import sys; sys.exit('no such thing')", "it ended too soon (no such thing)"),
        ("import os; os.kill(os.getpid(), 9)", "it was ended from outside"),
    ],
)
async def test_a_pull_that_fails_is_said(
    no_database: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    _says(monkeypatch, program)
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("p")
        await settled(pilot)
        assert said in trouble(screen)
        assert jobs(screen) == "✗ pulling smollm2-135m: failed"


def test_the_puller_says_progress_and_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    puller.main("model", "small:F32")
    here = json.loads(capsys.readouterr().out)
    assert here["here"].startswith("small:F32 is here: ")

    def fetch(_ref: str, *, fetch: bool, progress: Callable[[int, int], None]) -> None:
        assert fetch
        progress(3, 4)
        raise FetchError("no network")

    monkeypatch.setattr(puller, "resolve", fetch)
    puller.main("model", "it")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"done": 3, "total": 4}, {"failed": "no network"}]


# --- questions of tasks --------------------------------------------------------------------------


async def on_task(pilot: Pilot[Any], name: str) -> TasksScreen:
    """Open the list of tasks with the cursor on one."""
    app = pilot.app
    assert isinstance(app, LlprobeApp)
    app.open_tasks()
    await settle(pilot)
    screen = app.screen
    assert isinstance(screen, TasksScreen)
    rows = screen.query_one(Rows)
    rows.move_cursor(row=rows.get_row_index(name))
    await settle(pilot)
    return screen


@pytest.mark.asyncio
async def test_the_questions_of_a_task_are_pulled(
    no_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _says(
        monkeypatch,
        "import json, sys\n"
        "print(json.dumps({'done': 5, 'total': 10}))\n"
        "print(json.dumps({'here': sys.argv[1] + ' is here'}))\n",
        "task",
    )
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await on_task(pilot, "task truthfulqa")
        await press(pilot, "p")
        screen.query_one(JobLines).look()
        assert str(screen.query_one(JobLines).content) == "✓ truthfulqa is here"


@pytest.mark.asyncio
async def test_pulling_questions_shows_how_far_it_is_and_can_be_stopped(
    no_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _says(monkeypatch, _GOES_ON, "task")
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await on_task(pilot, "task truthfulqa")
        await pilot.press("p")
        job = await under_way(pilot)
        screen.query_one(JobLines).look()
        lines = str(screen.query_one(JobLines).content)
        assert "pulling truthfulqa" in lines
        assert "25%, 1.0 MB of 4.0 MB  x stops it" in lines
        await pilot.press("x")
        await settled(pilot)
        assert job.state == "stopped"


@pytest.mark.asyncio
async def test_what_cannot_be_pulled_is_said(no_database: Path) -> None:
    """A real child: the task has no data set, which is known without a connection."""
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await on_task(pilot, "task facts")
        await pilot.press("p")
        await settled(pilot)
        assert "no data set is known for facts; pull " in screen.query_one(Trouble).said
        rows = screen.query_one(Rows)
        rows.move_cursor(row=rows.get_row_index("group paper"))
        await pilot.press("p")
        assert "paper is a group: Enter shows its tasks" in screen.query_one(Trouble).said


def test_the_puller_pulls_questions_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pull(name: str, progress: Callable[[int, int], None]) -> Path:
        progress(1, 2)
        return Path(f"{name}.jsonl")

    monkeypatch.setattr(puller.library, "pull", pull)
    puller.main("task", "it")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"done": 1, "total": 2}, {"here": "it is here: it.jsonl"}]
