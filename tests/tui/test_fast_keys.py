"""Keys typed faster than pages are drawn: none is lost, and none is undone by what comes late."""

import threading
from pathlib import Path

import pytest
from fastkeys import typed, until
from homescreen import Opening, ids
from settled import settle
from textual.widgets import Input, TabbedContent

from llprobe.store import Store
from llprobe.tui import runlist
from llprobe.tui.app import LlprobeApp
from llprobe.tui.itemtable import ItemTable
from llprobe.tui.widgets import FilterBar


@pytest.mark.asyncio
async def test_tabs_are_turned_by_every_key(database: Path) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.open_run("large")
        await settle(pilot)
        typed(app, *["right_square_bracket"] * 3)
        await settle(pilot)
        assert app.screen.query_one("#tabs", TabbedContent).active == "items"


@pytest.mark.asyncio
async def test_what_follows_the_filter_key_is_typed_into_the_filter(database: Path) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        typed(app, "slash")
        await until(lambda: app.screen.query_one(FilterBar).is_open)
        typed(app, "s", "m", "a")
        await settle(pilot)
        assert app.screen.query_one(FilterBar).query_one(Input).value == "sma"


@pytest.mark.asyncio
async def test_enter_pressed_before_the_runs_are_there_opens_one(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Opening(database)
    read, there = runlist.read_rows, threading.Event()

    def slowly(store: Store) -> list[runlist.Row]:
        there.wait(60)
        return read(store)

    monkeypatch.setattr(runlist, "read_rows", slowly)
    async with app.run_test() as pilot:
        table = app.screen.query_one(ItemTable)
        typed(app, "j", "enter")
        await until(lambda: len(table._early or ()) == 2)
        assert app.opened == []
        there.set()
        await settle(pilot)
        assert app.opened == [("RunScreen", ids(database)["small"])]
