"""Where tokens end on the page of an item: how they are drawn, asked for, given up, and missing."""

import threading
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from settled import press, said, settle
from textual.pilot import Pilot

from llprobe.children import Cancel
from llprobe.errors import RunError
from llprobe.events import ItemTokens
from llprobe.report.itemtokens import StoredTokens
from llprobe.store import CellRecord, Store
from llprobe.tui.app import LlprobeApp
from llprobe.tui.screens import tokenreader
from llprobe.tui.screens.item import ItemScreen
from llprobe.tui.screens.itemtext import item_text, token_text
from llprobe.tui.screens.run.book import Book, read_book
from llprobe.tui.screens.run.data import read_run
from llprobe.tui.widgets.trouble import Trouble


def book_of(database: Path) -> Book:
    with Store(database, create=False) as store:
        found = read_run(store, "large")
        return read_book(store, found.record.id, found.scored[0].cell.id)


def cut(item: str, n_options: int) -> StoredTokens:
    """Give made-up tokens of an item: a mark, two of the preamble, three of the prompt."""
    shared = ((0, "<s>"), (5, "Worked"), (6, "\n\n"), (7, f"Q {item}"), (8, " "), (9, "A:"))
    options = tuple((*shared, (20 + n, f" option{n}")) for n in range(n_options))
    return StoredTokens(ItemTokens(options, len(shared)), frozenset({0}), 3)


async def opened(pilot: Pilot[Any], book: Book) -> ItemScreen:
    app = pilot.app
    assert isinstance(app, LlprobeApp)
    await settle(pilot)
    app.open_item(book.run, book.cell.id, book.table.ids[0])
    await settle(pilot)
    assert isinstance(app.screen, ItemScreen)
    return app.screen


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Answer for the child; give the items that it was asked for."""
    found: list[str] = []

    def read(_db: Path, _cell: CellRecord, item: str, _cancel: Cancel) -> StoredTokens:
        found.append(item)
        return cut(item, 4)

    monkeypatch.setattr(tokenreader, "stored_tokens", read)
    return found


def spans(text: Text, style: str) -> list[str]:
    return [text.plain[s.start : s.end] for s in text.spans if style in str(s.style)]


def test_tokens_are_told_apart_without_colours() -> None:
    tokens = ((0, "<s>"), (1, "one"), (2, " two"), (3, "\n"), (4, " "), (5, ".\n"), (6, "\x1b"))
    text = token_text(tokens, {0})
    assert text.plain == "│«<s>»│one│ two│⏎\n│␣│.⏎\n│\ufffd│"
    assert spans(text, "underline") == ["one", "⏎\n", ".⏎\n"]
    assert spans(text, "reverse") == ["«<s>»"]


def test_options_and_prompt_are_cut_where_tokens_end(database: Path) -> None:
    book = book_of(database)
    tokens = cut("q", len(book.items[0].choices))
    part, whole = (item_text(book, 0, whole=w, tokens=tokens).plain for w in (False, True))
    assert "Prompt: 6 tokens before the options" in part
    assert "(3 of them are worked examples or instructions: w shows them)" in part
    assert "│Q q│␣│A:│" in part
    assert "│ option0│" in part
    assert "Worked" not in part
    assert "│«<s>»│Worked│⏎\n⏎\n│Q q│␣│A:│" in whole


@pytest.mark.asyncio
async def test_tokens_are_read_once_for_every_item(database: Path, asked: list[str]) -> None:
    book = book_of(database)
    first, second = book.table.ids[:2]
    async with LlprobeApp(database).run_test(size=(140, 40)) as pilot:
        page = await opened(pilot, book)
        plain = said(page, "#text")
        await press(pilot, "b")
        assert f"│Q {first}│" in said(page, "#text")
        await press(pilot, "w")
        assert "│Worked│" in said(page, "#text")
        await press(pilot, "w", "n")
        assert f"│Q {second}│" in said(page, "#text")
        await press(pilot, "p")
        assert f"│Q {first}│" in said(page, "#text")
        assert asked == [first, second]
        await press(pilot, "b")
        assert said(page, "#text") == plain
        assert not page.query_one(Trouble).said


@pytest.mark.asyncio
async def test_the_child_is_ended_where_nobody_waits_for_it(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book, ended, begun = book_of(database), list[str](), threading.Semaphore(0)

    def read(_db: Path, _cell: CellRecord, item: str, cancel: Cancel) -> StoredTokens:
        over = threading.Event()
        tell = cancel.request

        def request(wanted: str = "") -> None:
            tell(wanted)
            over.set()

        monkeypatch.setattr(cancel, "request", request)
        begun.release()
        assert over.wait(60)
        ended.append(item)
        raise RunError("stopped")

    monkeypatch.setattr(tokenreader, "stored_tokens", read)
    async with LlprobeApp(database).run_test(size=(140, 40)) as pilot:
        page = await opened(pilot, book)
        await pilot.press("b")
        begun.acquire()
        assert "reading the tokens" in said(page, "#text")
        await pilot.press("n")
        begun.acquire()
        await pilot.press("escape")
        await settle(pilot)
        assert pilot.app.screen is not page
    assert sorted(ended) == sorted(book.table.ids[:2])


@pytest.mark.asyncio
@pytest.mark.parametrize("demo", [True, False])
async def test_a_model_that_is_not_there_is_said_and_the_page_goes_on(
    database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, demo: bool
) -> None:
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    book = book_of(database)
    async with LlprobeApp(database, demo=demo).run_test(size=(140, 40)) as pilot:
        page = await opened(pilot, book)
        plain = said(page, "#text")
        await press(pilot, "b")
        trouble = page.query_one(Trouble)
        assert trouble.said.startswith("the example comes without its model: ") == demo
        assert "large.gguf, which large was probed from, is not there any more" in trouble.said
        assert "llprobe models pull" in trouble.said
        assert said(page, "#text") == plain
        assert not page.bounds
        await press(pilot, "n")
        assert page.item == book.table.ids[1]
        await press(pilot, "escape")
        assert not trouble.said
