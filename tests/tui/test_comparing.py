"""The page of a comparison: differences, curves, items that changed sides, published tables."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from settled import press, said, settle
from textual.pilot import Pilot
from textual.widgets import TabbedContent

from llprobe.analysis.measures import metric
from llprobe.report.compare import Question, compare_runs
from llprobe.report.pairing import between, shared, sides
from llprobe.store import Store
from llprobe.tui.app import LlprobeApp
from llprobe.tui.itemtable import ItemTable
from llprobe.tui.screens.choose import Choose
from llprobe.tui.screens.compare import CompareScreen
from llprobe.tui.screens.comparing import BETWEEN, changed, partners
from llprobe.tui.screens.item import ItemScreen
from llprobe.tui.widgets.trouble import Trouble

RUNS = ("small", "large")


async def opened(pilot: Pilot[Any], *runs: str) -> CompareScreen:
    app = pilot.app
    assert isinstance(app, LlprobeApp)
    await settle(pilot)
    app.open_compare(runs)
    await settle(pilot)
    assert isinstance(app.screen, CompareScreen)
    return app.screen


def rows_of(page: CompareScreen, table: str) -> list[str]:
    shown = page.query_one(table, ItemTable)
    return [shown.render_line(y).text for y in range(shown.size.height)]


def test_items_that_changed_sides_are_those_that_are_counted(database: Path) -> None:
    with Store(database, create=False) as store:
        rows = compare_runs(store, RUNS, Question()).rows
        for row in rows:
            found = changed(store, RUNS, BETWEEN, row)
            assert sum(each.gained for each in found) == row.wins
            assert sum(not each.gained for each in found) == row.losses
        a, b = next(between([sides(store, store.find_run(run)) for run in RUNS]))
        own, other = shared(store, a, b)
        before, after = metric(a.table)[own, -1], metric(b.table)[other, -1]
        ids = {b.table.ids[int(other[at])] for at in np.flatnonzero(before != after)}
        assert {each.item for each in changed(store, RUNS, BETWEEN, rows[0])} == ids
        assert ids


def test_partners_are_other_runs_and_published_tables(database: Path) -> None:
    with Store(database, create=False) as store:
        one = partners(store, ["large"])
        assert one.ways == ()
        assert [name for _, name in one.others] == [
            "small", "paper:llama2-7b", "paper:llama2-13b", "paper:llama2-70b",
        ]  # fmt: skip
        two = partners(store, RUNS)
        assert two.ways == (BETWEEN, "model")
        assert two.names == RUNS


@pytest.mark.asyncio
async def test_two_runs_are_compared_with_intervals_and_lead_to_an_item(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot, *RUNS)
        assert "small against large" in said(page, "#what")
        assert page.found is not None
        row = page.found.rows[0]
        assert f"{100 * row.difference:+.1f}" in rows_of(page, "#rows")[1]
        assert "adjusted over 2 comparisons" in said(page, "#remarks")
        await press(pilot, "m")
        assert "at the best layer" in said(page, "#what")
        await press(pilot, "m", "m", "enter")
        assert page.query_one("#tabs", TabbedContent).active == "items"
        assert len(page.flips) == row.wins + row.losses
        assert "right only in B" in rows_of(page, "#changed")[1]
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, ItemScreen)
        assert pilot.app.screen.item == page.flips[0].item
        await press(pilot, "escape")
        assert pilot.app.screen is page
        assert not page.query_one(Trouble).said


@pytest.mark.asyncio
async def test_curves_of_a_task_lie_over_each_other(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot, *RUNS)
        await press(pilot, "t")
        assert page.query_one("#tabs", TabbedContent).active == "curves"
        text = said(page, "#overlay")
        assert "facts" in text
        assert "a small" in text
        assert "b large" in text
        await press(pilot, "t")
        assert "calculation" in said(page, "#overlay")


@pytest.mark.asyncio
async def test_a_published_table_is_a_partner_without_a_test(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot, "large")
        assert "add another one with a" in rows_of(page, "#rows")[1]
        await press(pilot, "a")
        assert isinstance(pilot.app.screen, Choose)
        await press(pilot, "j", "enter")
        assert page.runs == ("large", "paper:llama2-7b")
        assert "published figures have no items" in said(page, "#remarks")
        assert "facts" in rows_of(page, "#rows")[1]
        await press(pilot, "enter")
        assert "no item changed sides" in rows_of(page, "#changed")[1]


@pytest.mark.asyncio
async def test_the_first_run_is_chosen_here_too_and_esc_chooses_none(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot)
        assert "choose the first run with a" in rows_of(page, "#rows")[1]
        await press(pilot, "a", "escape")
        assert page.runs == ()
        await press(pilot, "a", "enter", "a", "enter")
        assert len(page.runs) == 2
        assert page.found is not None
        await press(pilot, "x")
        assert page.way == "model"


@pytest.mark.asyncio
async def test_a_run_that_is_gone_is_said(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot, *RUNS)
        with Store(database) as store:
            store.remove(store.find_run("small"))
        page.refresh_data()
        await settle(pilot)
        assert "no run named 'small'" in page.query_one(Trouble).said
        await pilot.resize_terminal(40, 10)
        await settle(pilot)
