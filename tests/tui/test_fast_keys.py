"""Keys typed faster than pages are drawn: none is lost, and none is undone by what comes late."""

import asyncio
from pathlib import Path

import pytest
from settled import settle
from textual.events import Key
from textual.widgets import Input, TabbedContent

from llprobe.tui.app import LlprobeApp
from llprobe.tui.widgets import FilterBar


def typed(app: LlprobeApp, *keys: str) -> None:
    """Type keys at once: none waits for what the one before it does."""
    for key in keys:
        app.post_message(Key(key, key if len(key) == 1 else None))


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
        while not app.screen.query_one(FilterBar).is_open:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        typed(app, "s", "m", "a")
        await settle(pilot)
        assert app.screen.query_one(FilterBar).query_one(Input).value == "sma"
