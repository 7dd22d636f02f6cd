"""The application and its pages: what they ask, their trouble, help, and room."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from emptypage import asking
from settled import settle
from textual.worker import WorkerFailed

from llprobe.errors import StoreError, UsageError
from llprobe.store import Store
from llprobe.tui.app import LlprobeApp
from llprobe.tui.help import HelpScreen, keys_of
from llprobe.tui.unexpected import unexpected
from llprobe.tui.widgets import FilterBar, Rows, Trouble


@pytest.fixture
def app(database: Path) -> LlprobeApp:
    return LlprobeApp(database)


@pytest.mark.asyncio
async def test_what_is_read_in_a_thread_comes_back_on_the_event_loop(app: LlprobeApp) -> None:
    async with app.run_test() as pilot:
        page, found = await asking(pilot), list[Any]()
        page.stored(lambda store: len(store.runs()), found.append, name="n")
        await settle(pilot)
        assert found == [2]


@pytest.mark.asyncio
async def test_a_later_question_makes_an_earlier_ones_answer_void(app: LlprobeApp) -> None:
    async with app.run_test() as pilot:
        page, found = await asking(pilot), list[str]()
        for answer in ("old", "new"):
            page.ask(lambda answer=answer: answer, found.append, name="same")  # type: ignore[misc]
        page.ask(lambda: "other", found.append, name="other")
        await settle(pilot)
        assert sorted(found) == ["new", "other"]


@pytest.mark.asyncio
async def test_errors_are_said_until_the_same_question_has_an_answer(app: LlprobeApp) -> None:
    def fail() -> None:
        raise UsageError("no such thing: name another")

    async with app.run_test() as pilot:
        page = await asking(pilot)
        panel = page.query_one(Trouble)
        page.ask(fail, lambda _: None, name="a")
        await settle(pilot)
        assert panel.display
        assert panel.said == "no such thing: name another"
        page.ask(lambda: None, lambda _: None, name="b")
        await settle(pilot)
        assert panel.display
        page.ask(lambda: None, lambda _: None, name="a")
        await settle(pilot)
        assert not panel.display


@pytest.mark.asyncio
async def test_escape_closes_the_trouble_then_the_filter_then_the_page(app: LlprobeApp) -> None:
    async with app.run_test() as pilot:
        page = await asking(pilot)
        await pilot.press("slash", "x")
        page.trouble(StoreError("the disk is full"))
        page.set_focus(page.query_one(Rows))
        await pilot.pause()
        await pilot.press("escape")
        assert not page.query_one(Trouble).display
        assert page.query_one(FilterBar).is_open
        await pilot.press("escape")
        assert not page.query_one(FilterBar).is_open
        assert app.screen is page
        await pilot.press("escape")
        await settle(pilot)
        assert app.screen is not page
        await pilot.press("escape")  # the first screen stays
        assert len(app.screen_stack) == 1


@pytest.mark.asyncio
async def test_a_page_that_is_left_hears_no_answer(app: LlprobeApp) -> None:
    found: list[bool] = []
    async with app.run_test() as pilot:
        page = await asking(pilot)
        left = threading.Event()
        page.ask(lambda: left.wait(5), found.append, name="a")
        await pilot.pause()
        await app.pop_screen()
        left.set()
        await settle(pilot)
    assert not found


@pytest.mark.asyncio
async def test_errors_that_nobody_foresaw_reach_a_test(app: LlprobeApp) -> None:
    async def ask_what_fails() -> None:
        async with app.run_test() as pilot:
            page = await asking(pilot)
            page.ask(lambda: 1 // 0, lambda _: None, name="a")
            await settle(pilot)

    with pytest.raises(WorkerFailed, match="division"):
        await ask_what_fails()


def test_errors_that_nobody_foresaw_are_written_down_for_a_user(tmp_path: Path) -> None:
    try:
        _ = 1 // 0
    except ZeroDivisionError as error:
        said = unexpected(error, tmp_path / "logs")
    assert "ZeroDivisionError: " in said
    log = tmp_path / "logs" / "tui-errors.log"
    assert str(log) in said
    assert "Traceback" in log.read_text("utf-8")
    (tmp_path / "a file").touch()
    assert "could not be written" in unexpected(ValueError("x"), tmp_path / "a file")


@pytest.mark.asyncio
async def test_help_names_the_page_and_its_keys(app: LlprobeApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        page = await asking(pilot)
        said = keys_of(page).plain
        assert [word for word in ("/  Filter", "?  Help", "q  Quit") if word not in said] == []
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("G", "g", "j", "k", "question_mark")
        await settle(pilot)
        assert app.screen is page


@pytest.mark.asyncio
async def test_the_page_that_is_seen_hears_of_changes(app: LlprobeApp, database: Path) -> None:
    async with app.run_test() as pilot:
        page = await asking(pilot)
        heard = asyncio.Event()
        page.refresh_data = heard.set  # type: ignore[method-assign]
        with Store(database) as store:
            store.remove(store.find_run("small"))
        await asyncio.wait_for(heard.wait(), 5)


@pytest.mark.asyncio
async def test_changes_wait_for_what_is_being_read(app: LlprobeApp) -> None:
    async with app.run_test() as pilot:
        page, seen = await asking(pilot), list[int]()
        before = page.refreshed
        page.ask(lambda: None, lambda _: seen.append(page.refreshed), name="slow")
        page._asking += 1  # as while it is read
        page.database_changed()
        page.database_changed()
        page._asking -= 1
        await settle(pilot)
        assert seen == [before]
        assert page.refreshed == before + 1


@pytest.mark.parametrize("size", [(40, 10), (200, 60)])
@pytest.mark.asyncio
async def test_pages_live_at_any_size(app: LlprobeApp, size: tuple[int, int]) -> None:
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("slash", "x")
        await pilot.resize_terminal(*size)
        await settle(pilot)
        await pilot.press("escape", "question_mark")
        await pilot.pause()
        await pilot.resize_terminal(80, 24)
        await settle(pilot)
        assert app.is_running
