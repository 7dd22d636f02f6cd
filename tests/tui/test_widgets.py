"""Widgets that several pages use: the filter, rows, charts, questions."""

from pathlib import Path
from typing import Any

import pytest
from emptypage import asking
from rich.text import Text
from textual.widgets import Input

from llprobe.store import Store
from llprobe.tui.app import LlprobeApp
from llprobe.tui.widgets import Chart, Confirm, FilterBar, Rows


@pytest.fixture
def app(database: Path) -> LlprobeApp:
    return LlprobeApp(database)


@pytest.mark.asyncio
async def test_the_filter_says_what_is_typed_and_gives_the_focus_back(app: LlprobeApp) -> None:
    async with app.run_test() as pilot:
        page = await asking(pilot)
        rows = page.query_one(Rows)
        rows.fill(["a"], {"1": ["x"]})
        rows.focus()
        await pilot.press("slash", *"q1")
        assert isinstance(app.focused, Input)
        await pilot.press("enter")
        assert app.focused is rows
        assert page.query_one(FilterBar).is_open
        await pilot.press("slash", "escape")
        await pilot.pause()
        assert page.heard == ["q", "q1", ""]
        assert app.focused is rows
        assert not page.query_one(FilterBar).is_open
        assert app.screen is page


@pytest.mark.asyncio
async def test_rows_keep_their_cursor_over_changes(app: LlprobeApp) -> None:
    async with app.run_test() as pilot:
        page = await asking(pilot)
        rows = page.query_one(Rows)
        assert rows.current == ""
        rows.fill(["name", "n"], {k: [k, "1"] for k in "abc"})
        rows.focus()
        await pilot.press("j", "j")
        assert rows.current == "c"
        await pilot.press("k")
        rows.fill(["name", "n"], {k: [k, "2"] for k in "abc"})
        assert (rows.current, rows.get_row("b")) == ("b", ["b", "2"])
        rows.fill(["name", "n"], {k: [k, "1"] for k in "xab"})
        assert rows.current == "b"
        rows.fill(["name"], {k: [k] for k in "xa"})
        assert rows.current == "a"
        await pilot.press("g")
        assert rows.current == "x"
        await pilot.press("G")
        assert rows.current == "a"
        rows.fill(["name"], {})
        assert rows.current == ""


@pytest.mark.asyncio
async def test_a_chart_fills_its_room_and_is_drawn_again(app: LlprobeApp, database: Path) -> None:
    with Store(database) as store:
        figure = _figure(store)
    async with app.run_test(size=(100, 30)) as pilot:
        page = await asking(pilot)
        chart = page.query_one(Chart)
        chart.draw(figure)
        await pilot.pause()
        before = str(chart.visual)
        assert max(map(len, before.splitlines())) <= chart.content_size.width
        assert len(before.splitlines()) <= chart.content_size.height
        await pilot.resize_terminal(60, 30)
        await pilot.pause()
        after = str(chart.visual)
        assert after != before
        assert max(map(len, after.splitlines())) <= 60
        chart.show([Text("one"), Text("two")])
        assert str(chart.visual) == "one\ntwo"


def _figure(store: Store) -> Any:
    from llprobe.plots import Wish, gather

    return gather("curves", store, [store.find_run("large")], Wish(task="facts"))


@pytest.mark.parametrize(
    ("keys", "answer"), [("y", True), ("n", False), ("escape", False), ("enter", False)]
)
@pytest.mark.asyncio
async def test_a_question_is_answered_by_keys(app: LlprobeApp, keys: str, answer: bool) -> None:
    found: list[bool | None] = []
    async with app.run_test() as pilot:
        app.push_screen(Confirm("Delete [all] of it?", "Delete"), found.append)
        await pilot.pause()
        await pilot.press(keys)
        await pilot.pause()
    assert found == [answer]
