"""The page of an item: what is said of it, its neighbours, and the same item elsewhere."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from settled import said, settle
from textual.pilot import Pilot

from llprobe.analysis.measures import probability
from llprobe.store import Store
from llprobe.tui.app import LlprobeApp
from llprobe.tui.itemtable import ItemTable
from llprobe.tui.screens.answers import elsewhere, neighbour, race, wins
from llprobe.tui.screens.item import ItemScreen
from llprobe.tui.screens.run.book import Book, read_book
from llprobe.tui.screens.run.data import read_run
from llprobe.tui.widgets.trouble import Trouble


def book_of(database: Path, run: str = "large") -> Book:
    """Give the first cell of a run."""
    with Store(database, create=False) as store:
        found = read_run(store, run)
        return read_book(store, found.record.id, found.scored[0].cell.id)


async def opened(pilot: Pilot[Any], book: Book, item: str) -> ItemScreen:
    app = pilot.app
    assert isinstance(app, LlprobeApp)
    await settle(pilot)
    app.open_item(book.run, book.cell.id, item)
    await settle(pilot)
    assert isinstance(app.screen, ItemScreen)
    return app.screen


def test_the_race_is_the_options_probabilities(database: Path) -> None:
    book = book_of(database)
    figure = race(book, 3)
    lines = figure.panels[0].lines
    assert [line.name[0] == "*" for line in lines] == [
        n == book.items[3].best for n in range(len(lines))
    ]
    np.testing.assert_allclose(sum(line.y for line in lines), 1.0)
    np.testing.assert_array_equal(lines[0].y, probability(book.table.take([3]))[0])


def test_it_is_said_from_where_the_answer_wins_for_good(database: Path) -> None:
    book = book_of(database)
    for at, right in enumerate(book.right):
        layer = book.wins_from(at)
        if layer is None:
            assert not right[-1]
            assert "Wrong at layer 6" in wins(book, at) or "at no layer" in wins(book, at)
        else:
            column = book.table.layers.index(layer)
            assert right[column:].all()
            assert column == 0 or not right[column - 1]
            assert f"from layer {layer} of 6" in wins(book, at)


def test_the_same_item_is_found_in_other_runs(database: Path) -> None:
    book = book_of(database)
    with Store(database, create=False) as store:
        other = elsewhere(store, book, 5)
        small = book_of(database, "small")
    assert [(each.run, each.model) for each in other] == [("small", "small")]
    at = small.place(book.table.ids[5])
    assert other[0].right == tuple(small.right[at].tolist())
    assert other[0].wins_from == small.wins_from(at)


def test_neighbours_end_at_the_ends() -> None:
    assert neighbour("abc", "a", 1) == "b"
    assert neighbour("abc", "a", -1) == "a"
    assert neighbour("abc", "c", 1) == "c"


@pytest.mark.asyncio
async def test_the_page_shows_the_item_and_goes_through_the_cell(database: Path) -> None:
    book = book_of(database)
    first, second = book.table.ids[:2]
    async with LlprobeApp(database).run_test(size=(100, 30)) as pilot:
        page = await opened(pilot, book, first)
        text = said(page, "#text")
        assert book.items[0].prompt.strip().splitlines()[-1] in text
        assert all(choice.strip() in text for choice in book.items[0].choices)
        assert "1 of 24" in said(page, "#head")
        assert "probability" in said(page, "#race")
        await pilot.press("n")
        await settle(pilot)
        assert page.item == second
        assert "2 of 24" in said(page, "#head")
        await pilot.press("p", "p")
        await settle(pilot)
        assert page.item == first
        assert page.query_one(ItemTable).n_rows == 1
        await pilot.press("w")
        assert (book.preamble.strip() in said(page, "#text")) or not book.preamble
        page.query_one(ItemTable).focus()
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ItemScreen)
        assert "small" in pilot.app.screen.others[0].run or pilot.app.screen.of_run != book.run
        await pilot.press("escape")
        assert pilot.app.screen is page


@pytest.mark.asyncio
async def test_an_item_that_is_not_there_is_said(database: Path) -> None:
    book = book_of(database)
    async with LlprobeApp(database).run_test(size=(80, 24)) as pilot:
        page = await opened(pilot, book, "nothing")
        assert "no item named 'nothing'" in page.query_one(Trouble).said
        with Store(database) as store:
            store.remove(book.run)
        page.book = None
        page.refresh_data()
        await settle(pilot)
        assert "no run named" in page.query_one(Trouble).said
