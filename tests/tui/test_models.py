"""The models screen: list, inspect, pull, quantise and remove, in a cache of the test's own."""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static
from textual.worker import WorkerCancelled
from tinygguf import write_tiny

from llprobe.errors import FetchError
from llprobe.tui import modelwork, puller
from llprobe.tui.app import LlprobeApp
from llprobe.tui.asking import AskLine, AskQuants
from llprobe.tui.joblines import JobLines
from llprobe.tui.jobs import Job, jobs_of
from llprobe.tui.screens.lens import LensScreen
from llprobe.tui.screens.models import ModelsScreen
from llprobe.tui.widgets import Confirm, FilterBar, Rows, Trouble


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep models in a folder of the test's own, with one of them there."""
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    path = tmp_path / "cache" / "quants" / "small" / "small.F32.gguf"
    path.parent.mkdir(parents=True)
    write_tiny(path)
    return tmp_path / "cache"


async def settled(pilot: Pilot[None]) -> None:
    """Wait until no thread works any more, and what came of it is drawn."""
    for _ in range(3):
        with suppress(WorkerCancelled):
            await pilot.app.workers.wait_for_complete()
        for lines in pilot.app.screen.query(JobLines):
            lines.look()
        await pilot.pause()


async def opened(pilot: Pilot[None]) -> ModelsScreen:
    app = pilot.app
    assert isinstance(app, LlprobeApp)
    app.open_models()
    await settled(pilot)
    assert isinstance(app.screen, ModelsScreen)
    return app.screen


async def at(screen: ModelsScreen, name: str, pilot: Pilot[None]) -> None:
    """Put the cursor on a model."""
    rows = screen.query_one(Rows)
    rows.move_cursor(row=rows.get_row_index(name))
    await pilot.pause()


def names(screen: ModelsScreen) -> list[str]:
    return [str(key.value) for key in screen.query_one(Rows).rows]


def trouble(screen: ModelsScreen) -> str:
    return screen.query_one(Trouble).said


def jobs(screen: ModelsScreen) -> str:
    return str(screen.query_one(JobLines).content)


def facts(screen: ModelsScreen) -> str:
    shown = screen.query_one("#about").has_class("-open")
    return str(screen.query_one("#facts", Static).content) if shown else ""


@pytest.mark.asyncio
async def test_the_catalog_and_what_is_here_are_listed(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        assert names(screen)[0] == "smollm2-135m"
        assert names(screen)[-1] == "small:F32"
        cells = screen.query_one(Rows).get_row("small:F32")
        assert cells[1:4] == ["F32", "0.7 MB", "✓"]
        assert screen.query_one(Rows).get_row("smollm2-135m")[1:4] == ["Q4_1", "98.4 MB", ""]


@pytest.mark.asyncio
async def test_the_filter_keeps_what_has_all_its_words(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("slash", *"smollm q8")
        await pilot.pause()
        assert names(screen) == ["smollm2-360m", "smollm2-1.7b"]
        await pilot.press("escape")
        await pilot.pause()
        assert screen.query_one(FilterBar).is_open is False
        assert len(names(screen)) > 5


@pytest.mark.asyncio
async def test_a_model_is_inspected(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "small:F32", pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert "layers: 3" in facts(screen)
        assert "vocabulary: 384" in facts(screen)
        await pilot.press("escape")
        assert facts(screen) == ""
        await at(screen, "smollm2-135m", pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert "here: no: p pulls it" in facts(screen)


@pytest.mark.asyncio
async def test_a_damaged_file_is_said(no_database: Path, cache: Path) -> None:
    path = cache / "quants" / "small" / "small.F32.gguf"
    path.write_bytes(path.read_bytes()[:2000])
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "small:F32", pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert "small.F32.gguf" in trouble(screen)


@pytest.mark.asyncio
async def test_a_file_that_went_away_is_said(no_database: Path, cache: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "small:F32", pilot)
        (cache / "quants" / "small" / "small.F32.gguf").unlink()
        await pilot.press("enter")
        await settled(pilot)
        assert "small" in trouble(screen)
        await pilot.press("escape")
        await pilot.press("d", "y")
        await settled(pilot)
        assert "small" in trouble(screen)


@pytest.mark.asyncio
async def test_a_model_is_removed_when_that_is_confirmed(no_database: Path, cache: Path) -> None:
    path = cache / "quants" / "small" / "small.F32.gguf"
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "small:F32", pilot)
        await pilot.press("d")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Confirm)
        await pilot.press("n")
        await settled(pilot)
        assert path.exists()
        await pilot.press("d", "y")
        await settled(pilot)
        assert not path.exists()
        assert "small:F32" not in names(screen)
        await at(screen, "smollm2-135m", pilot)
        await pilot.press("d")
        await pilot.pause()
        assert trouble(screen) == "smollm2-135m is not here: there is nothing to remove"


def parts(cache: Path) -> list[Path]:
    """Find what a quantiser left half-written."""
    return list(cache.rglob("*.part"))


@pytest.mark.asyncio
async def test_quants_are_made_in_a_child(no_database: Path, cache: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "small:F32", pilot)
        await pilot.press("z")
        await pilot.pause()
        assert isinstance(pilot.app.screen, AskQuants)
        await pilot.press("j", "space", "j", "space", "space", "tab", *"f16", "enter")
        await settled(pilot)
        made = [name for name in names(screen) if name.startswith("small.F32-")]
        assert [name.rpartition(":")[2] for name in made] == ["F16", "Q8_0"]
        assert "✓ small.F32-" in jobs(screen)
        assert "bits per weight" in jobs(screen)
        assert not parts(cache)


@pytest.mark.asyncio
async def test_a_quant_that_there_is_not_is_said(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "small:F32", pilot)
        await pilot.press("z")
        await pilot.pause()
        await pilot.press("tab", *"q99", "enter")
        await settled(pilot)
        assert trouble(screen).startswith("no quant type 'Q99'")
        assert "failed" in jobs(screen)


@pytest.mark.asyncio
async def test_quants_need_a_file(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "smollm2-135m", pilot)
        await pilot.press("z")
        await pilot.pause()
        assert pilot.app.screen is screen
        assert "p pulls it, then z" in trouble(screen)


def _says(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Let the child that pulls be a small program, which has the model's name in sys.argv."""
    real = modelwork.subprocess.Popen

    def popen(command: list[str], **more: Any) -> Any:
        assert command[1:3] == ["-m", "llprobe.tui.puller"]
        return real([sys.executable, "-c", program, command[3]], **more)

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
    puller.main("small:F32")
    here = json.loads(capsys.readouterr().out)
    assert here["here"].startswith("small:F32 is here: ")

    def fetch(_ref: str, *, fetch: bool, progress: Callable[[int, int], None]) -> None:
        assert fetch
        progress(3, 4)
        raise FetchError("no network")

    monkeypatch.setattr(puller, "resolve", fetch)
    puller.main("it")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"done": 3, "total": 4}, {"failed": "no network"}]


@pytest.mark.asyncio
async def test_the_lens_is_opened_on_a_model_that_is_here(no_database: Path) -> None:
    async with LlprobeApp(no_database).run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot)
        await at(screen, "small:F32", pilot)
        await pilot.press("o")
        await settled(pilot)
        assert isinstance(pilot.app.screen, LensScreen)
        assert pilot.app.screen.query_one("#model", Input).value == "small:F32"


# --- pictures -----------------------------------------------------------------------------------

SIZES = [(80, 24), (140, 40)]


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show no path of this machine."""
    real = modelwork.resolve

    def resolve(ref: str) -> Any:
        return replace(real(ref), paths=(Path("small.F32.gguf"),))

    monkeypatch.setattr("llprobe.tui.screens.models.resolve", resolve)


def pictured(*keys: str) -> Callable[[Pilot[None]], Any]:
    async def run(pilot: Pilot[None]) -> None:
        await opened(pilot)
        for key in keys:
            await pilot.press(key)
            await settled(pilot)

    return run


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["dark", "light", "mono"])
@pytest.mark.usefixtures("nameless")
def test_picture(snap_compare: Any, no_database: Path, size: tuple[int, int], theme: str) -> None:
    app = LlprobeApp(no_database, theme=theme)
    assert snap_compare(app, terminal_size=size, run_before=pictured("G", "enter"))


def test_picture_of_quants(snap_compare: Any, no_database: Path) -> None:
    run = pictured("G", "z", "space")
    assert snap_compare(LlprobeApp(no_database), terminal_size=(80, 24), run_before=run)
