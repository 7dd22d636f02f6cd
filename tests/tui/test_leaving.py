"""What is being written is not lost by one key: leaving, by whichever way, is asked about first."""

import types
from pathlib import Path
from typing import Any

import pytest
from settled import press, settle
from sweeps import KNOWN
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from llprobe.errors import UsageError
from llprobe.tui import app as application
from llprobe.tui.app import LlprobeApp
from llprobe.tui.screens.home import HomeScreen
from llprobe.tui.screens.newsweep import NewSweepScreen, page
from llprobe.tui.widgets import Confirm, Trouble


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """See no model of this machine, know a few names, and wait for nothing."""
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(page, "choices", lambda: KNOWN)
    monkeypatch.setattr(NewSweepScreen, "WAIT", 0.0)


async def changed(pilot: Pilot[Any]) -> NewSweepScreen:
    """Open a new sweep and type a limit; the field keeps the focus."""
    screen = NewSweepScreen()
    await pilot.app.push_screen(screen)
    await settle(pilot)
    screen.query_one("#field-limit Input", Input).focus()
    await press(pilot, "5")
    assert screen.draft["limit"] == 5
    return screen


@pytest.mark.asyncio
async def test_a_sweep_that_was_not_changed_is_left_at_once(no_database: Path) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test() as pilot:
        await app.push_screen(NewSweepScreen())
        await settle(pilot)
        await press(pilot, "escape")
        assert isinstance(app.screen, HomeScreen)


@pytest.mark.asyncio
@pytest.mark.parametrize("key", ["escape", "f4", "f1"])
async def test_a_changed_sweep_is_left_after_a_question(no_database: Path, key: str) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test() as pilot:
        screen = await changed(pilot)
        await press(pilot, key)
        assert isinstance(app.screen, Confirm)
        await press(pilot, "n")
        assert app.screen is screen
        assert screen.draft["limit"] == 5
        await press(pilot, key, "y")
        assert screen not in app.screen_stack


@pytest.mark.asyncio
async def test_quitting_asks_too_and_once_only(no_database: Path) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test() as pilot:
        await changed(pilot)
        await press(pilot, "ctrl+q")
        assert isinstance(app.screen, Confirm)
        assert app.return_code is None
        await pilot.press("ctrl+q")
    assert app.return_code == 0


@pytest.mark.asyncio
async def test_a_saved_sweep_is_left_at_once(no_database: Path, tmp_path: Path) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test() as pilot:
        screen = await changed(pilot)
        assert "ctrl+s" in screen.unsaved
        await press(pilot, "ctrl+s", "enter")
        text = screen.query_one(TextArea).text
        await press(pilot, "escape")
        assert isinstance(app.screen, HomeScreen)
    assert (tmp_path / "first.yaml").read_text("utf-8") == text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("error", "told"),
    [(UsageError("no such thing: press 1"), "no such thing: press 1"), (KeyError("x"), "report")],
)
async def test_a_screen_that_cannot_be_opened_says_so_below(
    no_database: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def opened(_: str) -> None:
        raise error

    module = types.SimpleNamespace(TasksScreen=lambda: opened(""))
    app = LlprobeApp(no_database)
    async with app.run_test() as pilot:
        await settle(pilot)
        monkeypatch.setattr(application, "import_module", lambda *_: module)
        await press(pilot, "5")
        assert isinstance(app.screen, HomeScreen)
        assert told in app.screen.query_one(Trouble).said


def test_the_logs_of_the_demo_stay_when_its_database_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLPROBE_DB", str(tmp_path / "own" / "llprobe.db"))
    copy = tmp_path / "copy" / "demo.db"
    assert LlprobeApp(copy).logs == tmp_path / "copy" / "logs"
    assert LlprobeApp(copy, demo=True).logs == tmp_path / "own" / "logs"
