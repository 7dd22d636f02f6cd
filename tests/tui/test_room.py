"""Pages at any size: what they show in little room, and that they say when it is too little."""

from pathlib import Path

import pytest
from allpages import PAGES, shown
from settled import press, said, settle

from llprobe.tui.app import LlprobeApp
from llprobe.tui.help import HelpScreen
from llprobe.tui.screens.monitor import MonitorScreen
from llprobe.tui.widgets import Small


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.asyncio
async def test_a_page_in_too_little_room_stays_up_and_says_so(database: Path, name: str) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=(80, 24)) as pilot:
        page = await shown(pilot, database, name)
        line = page.query_one(Small)
        assert not line.display
        await pilot.resize_terminal(40, 10)
        await settle(pilot)
        assert line.display
        assert line.region.size == (40, 1)
        assert said(page, "Small") == "! 40x10 is too small: wants 80x24"
        await press(pilot, "down", "up")
        await pilot.resize_terminal(80, 24)
        await settle(pilot)
        assert not line.display
        assert app.screen is page


@pytest.mark.asyncio
async def test_a_page_that_is_opened_small_says_so(database: Path) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=(40, 10)) as pilot:
        page = await shown(pilot, database, "TasksScreen")
        assert page.query_one(Small).display


@pytest.mark.parametrize(("size", "wide"), [((80, 24), False), ((140, 40), True)])
@pytest.mark.asyncio
async def test_a_page_has_its_room_from_the_first_drawing_on(
    database: Path, size: tuple[int, int], *, wide: bool
) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=size) as pilot:
        page = await shown(pilot, database, "MonitorScreen")
        assert page.has_class("-wide") is wide
        assert page.has_class("-narrow") is not wide


@pytest.mark.asyncio
async def test_a_page_below_another_one_gets_its_room_when_it_is_seen_again(database: Path) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=(140, 40)) as pilot:
        page = await shown(pilot, database, "MonitorScreen")
        assert isinstance(page, MonitorScreen)
        app.open_tasks()
        await settle(pilot)
        await pilot.resize_terminal(80, 24)
        await settle(pilot)
        await press(pilot, "escape")
        assert app.screen is page
        assert not page.has_class("-wide")


@pytest.mark.asyncio
async def test_help_can_be_read_in_little_room(database: Path) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=(40, 10)) as pilot:
        await settle(pilot)
        await press(pilot, "question_mark", "j", "G")
        assert isinstance(app.screen, HelpScreen)
        await press(pilot, "escape")
        assert not isinstance(app.screen, HelpScreen)
