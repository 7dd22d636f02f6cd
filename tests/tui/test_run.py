"""The page of a run: its tabs, their keys, and what they say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from settled import press, said, settle
from textual.pilot import Pilot
from textual.widgets import Static, TabbedContent

from llprobe.errors import UsageError
from llprobe.store import Store
from llprobe.tui.app import LlprobeApp
from llprobe.tui.itemtable import ItemTable
from llprobe.tui.screens.item import ItemScreen
from llprobe.tui.screens.run import RunScreen
from llprobe.tui.screens.run.book import pattern, read_book
from llprobe.tui.screens.run.celllist import CellList
from llprobe.tui.screens.run.data import read_run
from llprobe.tui.screens.run.figureview import FigureView
from llprobe.tui.screens.run.itemfilter import matching
from llprobe.tui.screens.run.items import ItemsTab
from llprobe.tui.screens.run.layers import LayersTab
from llprobe.tui.widgets.trouble import Trouble

TABS = ("layers", "heat", "groups", "items", "findings", "settings")


async def opened(pilot: Pilot[Any], run: str = "large") -> RunScreen:
    app = pilot.app
    assert isinstance(app, LlprobeApp)
    await settle(pilot)
    app.open_run(run)
    await settle(pilot)
    assert isinstance(app.screen, RunScreen)
    return app.screen


async def to(pilot: Pilot[Any], tab: str) -> None:
    """Bring a tab to the front."""
    pilot.app.screen.query_one("#tabs", TabbedContent).active = tab
    await settle(pilot)


def trouble(page: Any) -> str:
    return "".join(panel.said for panel in page.query(Trouble))


# --- the tabs ---------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_curves_are_drawn_with_their_interval_and_values_at_the_mark(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot)
        chart = said(page, "#curves")
        assert "calculation" in chart
        assert "chance" in chart
        assert "░" in chart
        assert "▲" in chart
        assert "at layer 6" in said(page, "#at")
        await press(pilot, "h", "h")
        assert "at layer 4" in said(page, "#at")
        await press(pilot, "l")
        assert "at layer 5" in said(page, "#at")
        assert not trouble(page)


@pytest.mark.asyncio
async def test_cells_are_chosen_by_keys(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot)
        names = page.query_one(CellList)
        assert [each.name for each in names.chosen] == ["calculation"]
        await press(pilot, "j", "space")
        assert [each.name for each in names.chosen] == ["calculation", "facts"]
        assert "b facts" in said(page, "#curves")
        assert len(said(page, "#at").splitlines()) == 3
        await press(pilot, "k", "enter")
        assert [each.name for each in names.chosen] == ["facts"]
        await press(pilot, "a")
        assert len(names.chosen) == 2
        await press(pilot, "a", "space")
        assert not names.chosen
        assert "choose a cell" in said(page, "#curves")


@pytest.mark.asyncio
async def test_depth_metric_and_zoom_change_the_chart(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot)
        before = said(page, "#curves")
        await press(pilot, "r")
        assert "depth" in said(page, "#curves")
        await press(pilot, "r")
        assert said(page, "#curves") == before
        await press(pilot, "m")
        assert "MC2" in said(page, "#curves")
        for _ in range(4):
            await press(pilot, "m")
        # the last one needs scores that this run does not have
        assert page.query_one(LayersTab).view.metric == "pmi"
        assert "--pmi" in said(page, "#curves")
        assert not trouble(page)


@pytest.mark.asyncio
async def test_heat_map_of_tasks_and_groups_and_why_there_are_no_languages(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(140, 40)) as pilot:
        page = await opened(pilot)
        await press(pilot, "]")
        assert "facts" in said(page, "#heatmap")
        await press(pilot, "o")
        assert "rows: groups by group" in said(page, "#what")
        assert "int/" in said(page, "#heatmap")
        await press(pilot, "b", "b")
        assert "rows: groups by numbers" in said(page, "#what")
        await press(pilot, "t")
        assert "task: calculation" in said(page, "#what")
        await press(pilot, "o")
        assert "languages" in said(page, "#heatmap")
        assert not trouble(page)


@pytest.mark.asyncio
async def test_a_group_leads_to_its_items_and_an_item_to_its_page(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(140, 40)) as pilot:
        page = await opened(pilot)
        await to(pilot, "groups")
        await press(pilot, "j", "enter")
        assert page.query_one("#tabs", TabbedContent).active == "items"
        tab = page.query_one(ItemsTab)
        assert tab.book is not None
        groups = {tab.book.table.groups[at] for at in tab.places.tolist()}
        assert len(groups) == 1
        assert 0 < len(tab.places) < 24
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, ItemScreen)
        assert pilot.app.screen.item == tab.book.table.ids[int(tab.places[0])]
        await press(pilot, "escape")
        assert pilot.app.screen is page


@pytest.mark.asyncio
async def test_items_are_filtered_by_state_and_words(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot)
        await to(pilot, "items")
        tab = page.query_one(ItemsTab)
        book = tab.book
        assert book is not None
        assert len(tab.places) == 24
        await press(pilot, "w")
        assert tab.places.tolist() == np.flatnonzero(book.right[:, -1]).tolist()
        await press(pilot, "w")
        assert "wrong" in said(page, "#chosen")
        assert len(tab.places) == 24 - book.right[:, -1].sum()
        await press(pilot, "slash", *"int", "enter")
        assert page.focused is page.query_one(ItemsTab).query_one(ItemTable)
        assert all("int" in book.table.ids[at] for at in tab.places.tolist())
        await press(pilot, "slash", *"right@99", "enter")
        assert "layer 99 was not scored" in said(page, "#chosen")
        await press(pilot, "slash", "escape", "c")
        assert tab.book is not None
        assert tab.book.name == "facts"
        assert not trouble(page)


@pytest.mark.asyncio
async def test_findings_say_every_cell_and_the_last_two_layers(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(140, 40)) as pilot:
        page = await opened(pilot)
        await to(pilot, "findings")
        texts = "\n".join(str(each.render()) for each in page.query(".said").results(Static))
        assert "calculation (n = 24)" in texts
        assert "facts (n = 20)" in texts
        assert texts.count("Best at layer 5") == 2
        assert texts.count("The layer before the last has") == 2
        assert not said(page, "#missing")


@pytest.mark.asyncio
async def test_settings_are_shown_and_the_command_is_copied(database: Path) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=(80, 24)) as pilot:
        page = await opened(pilot)
        await to(pilot, "settings")
        text = said(page, "#all")
        for part in ("llprobe sweep run large.yaml", "tasks: [calculation]", "fingerprint", "lens"):
            assert part in text
        await press(pilot, "y")
        assert app.clipboard == "llprobe sweep run large.yaml"
        await press(pilot, "Y")
        assert app.clipboard.startswith("name: large")


@pytest.mark.asyncio
async def test_an_unfinished_run_says_what_is_missing(database: Path, unfinished: Any) -> None:
    async with LlprobeApp(database).run_test(size=(140, 40)) as pilot:
        page = await opened(pilot, unfinished.id)
        assert len(page.query_one(CellList).chosen) == 1
        await to(pilot, "findings")
        texts = "\n".join(str(each.render()) for each in page.query(".said").results(Static))
        assert "facts: 0 of 20 items are scored on half" in texts


@pytest.mark.asyncio
async def test_a_run_that_another_process_removes_is_said(database: Path) -> None:
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot)
        with Store(database) as store:
            store.remove(store.find_run("large"))
        page.refresh_data()
        await settle(pilot)
        assert "no run named" in trouble(page)
        assert "calculation" in said(page, "#curves")


@pytest.mark.asyncio
@pytest.mark.parametrize("tab", TABS)
async def test_every_tab_survives_a_small_screen(database: Path, tab: str) -> None:
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot)
        await to(pilot, tab)
        await pilot.resize_terminal(40, 10)
        await settle(pilot)
        await pilot.resize_terminal(200, 60)
        await settle(pilot)
        assert not trouble(page)
        assert all(view.size.width for view in page.query(FigureView) if view.is_on_screen)


# --- words ------------------------------------------------------------------------------------


def test_words_choose_items(database: Path) -> None:
    with Store(database, create=False) as store:
        run = read_run(store, "large")
        book = read_book(store, run.record.id, run.scored[0].cell.id)
    right = book.right

    def found(words: str) -> list[int]:
        return [int(at) for at in matching(book, words)]

    assert found("") == list(range(24))
    assert found("right@2") == np.flatnonzero(right[:, 1]).tolist()
    assert found("wrong") == np.flatnonzero(~right[:, 5]).tolist()
    assert found("flips@1-5") == np.flatnonzero(right[:, 0] != right[:, 4]).tolist()
    assert found("flips@1-5") == sorted(found("gained@1-5") + found("lost@1-5"))
    assert found("group:INT") == [n for n, g in enumerate(book.table.groups) if "int" in g]
    assert found(f"{book.table.ids[7]}")[:1] == [7]
    assert found("nowhere-to-be-found") == []
    with pytest.raises(UsageError, match="layer 9 was not scored"):
        found("right@9")


def test_a_pattern_shows_evenly_spaced_layers_of_many() -> None:
    assert pattern(np.array([True, False, True])) == "█·█"
    many = np.arange(80) >= 40
    assert pattern(many, 8) == "····████"
