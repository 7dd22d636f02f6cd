"""The command palette: every action of every page by its words, and places by their names."""

from pathlib import Path
from typing import Any

import pytest
from allpages import PAGES, shown
from settled import settle
from textual.actions import parse
from textual.binding import Binding
from textual.command import Provider
from textual.widgets import Input

from llprobe.tui.app import LlprobeApp
from llprobe.tui.commands import LlprobeCommands
from llprobe.tui.help import keys_of
from llprobe.tui.moves import is_move
from llprobe.tui.page import Page
from llprobe.tui.places import Places, places
from llprobe.tui.screens.models import ModelsScreen
from llprobe.tui.screens.questions import QuestionsScreen
from llprobe.tui.screens.run import RunScreen
from llprobe.tui.widgets import FilterBar, Rows


async def hits(provider: Provider, query: str = "") -> dict[str, Any]:
    await provider.startup()
    if query:
        return {str(hit.text): hit async for hit in provider.search(query)}  # type: ignore[union-attr]
    return {str(hit.display): hit async for hit in provider.discover()}  # type: ignore[union-attr]


def declared(page: Page) -> list[Binding]:
    """Give what the page's own classes bind, keys that only move left out."""
    found = [
        binding
        for each in type(page).__mro__
        if each.__module__.startswith("llprobe.tui")
        for binding in Binding.make_bindings(vars(each).get("BINDINGS", ()))
    ]
    return [each for each in found if not is_move(each)]


def possible(page: Page, binding: Binding) -> bool:
    _, name, parameters = parse(binding.action)
    return bool(page.check_action(name, parameters))


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.asyncio
async def test_the_palette_says_every_action_of_a_page(database: Path, name: str) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=(140, 40)) as pilot:
        page = await shown(pilot, database, name)
        entries = set(await hits(LlprobeCommands(page)))
        own = declared(page)
        assert len(own) >= 2
        for binding in own:
            assert binding.description
            assert possible(page, binding) == (f"Here: {binding.description}" in entries), binding
        app_wide = {f"llprobe: {each}" for each in ("Help", "Jump to", "Quit")}
        assert app_wide <= entries


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.asyncio
async def test_help_says_the_keys_that_work_now(database: Path, name: str) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=(140, 40)) as pilot:
        page = await shown(pilot, database, name)
        active = [each.binding for each in page.active_bindings.values() if each.enabled]
        told = [each for each in active if each.description and not each.system]
        lines = keys_of(page).plain.splitlines()[1:]
        done = {each.description for each in told if not is_move(each)}
        for said in {each.description for each in told}:
            listed = any(line.endswith(f"  {said}") for line in lines)
            assert listed == (said in done), said
        assert sum(line.endswith("  Move, scroll") for line in lines) == 1


@pytest.mark.asyncio
async def test_an_entry_does_what_its_key_does(database: Path) -> None:
    app = LlprobeApp(database)
    async with app.run_test() as pilot:
        page = await shown(pilot, database, "HomeScreen")
        found = await hits(LlprobeCommands(page))
        assert {"Go: Models", "Here: Filter", "llprobe: Help", "Theme: mono"} <= set(found)
        app.call_later(found["Here: Filter"].command)
        app.call_later(found["Theme: mono"].command)
        await settle(pilot)
        assert page.query_one(FilterBar).is_open
        assert app.theme == "mono"
        assert next(iter(await hits(LlprobeCommands(page), "theme light"))) == "Theme: light"
        # to one who types the letters are text, in help too; what they do can still be had here
        assert isinstance(app.focused, Input)
        assert "Delete" not in keys_of(page).plain
        assert "Here: Delete" in await hits(LlprobeCommands(page))


@pytest.mark.asyncio
async def test_no_action_is_offered_twice(database: Path) -> None:
    app = LlprobeApp(database)
    async with app.run_test() as pilot:
        await settle(pilot)
        titles = [each.title for each in app.get_system_commands(app.screen)]
    assert "Screenshot" in titles
    assert {"Quit", "Theme", "Keys"}.isdisjoint(titles)


@pytest.mark.asyncio
async def test_runs_tasks_and_models_are_found_by_name(database: Path) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        home = app.screen
        app.call_later((await hits(Places(home), "run small"))["Run: small"].command)
        await settle(pilot)
        assert isinstance(app.screen, RunScreen)
        app.call_later((await hits(Places(home), "xmps_cal"))["Task: xmps_cal"].command)
        await settle(pilot)
        assert isinstance(app.screen, QuestionsScreen)
        assert app.screen.of == "xmps_cal"
        app.call_later((await hits(Places(home), "llama2-13b"))["Model: llama2-13b"].command)
        await settle(pilot)
        assert isinstance(app.screen, ModelsScreen)
        assert app.screen.query_one(Rows).current == "llama2-13b"


@pytest.fixture
def broken(no_database: Path) -> Path:
    no_database.write_bytes(b"this is no database at all, whatever its name says")
    return no_database


@pytest.mark.asyncio
async def test_what_cannot_be_listed_is_said(broken: Path) -> None:
    app = LlprobeApp(broken)
    async with app.run_test() as pilot:
        await settle(pilot)
        found = await hits(Places(app.screen), "anything")
    ((said, hit),) = found.items()
    assert said.endswith("cannot be listed")
    assert str(broken) in hit.help


def test_without_a_database_there_are_no_runs(no_database: Path) -> None:
    assert {place.kind for place in places(no_database)} == {"task", "model"}
