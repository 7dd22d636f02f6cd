"""Jump mode: letters stand on what can be seen, and pressing one goes there, on every screen."""

from pathlib import Path
from typing import Any

import pytest
from settled import press, settle
from textual.pilot import Pilot
from textual.widgets import Button, Input, Tabs, TextArea

from llprobe.tui.app import LlprobeApp
from llprobe.tui.jump import Jump, Target, targets_of
from llprobe.tui.screens.compare import CompareScreen
from llprobe.tui.widgets import Confirm, Rows


async def jumping(pilot: Pilot[Any]) -> Jump:
    await press(pilot, "ctrl+o")
    assert isinstance(pilot.app.screen, Jump)
    return pilot.app.screen


def drawn(app: LlprobeApp) -> list[str]:
    """Give the lines of the screen as they are seen."""
    return [
        "".join(segment.text for segment in strip)
        for strip in app.screen._compositor.render_strips()
    ]


def bound_to(jump: Jump, app: LlprobeApp, wanted: Any) -> str:
    """Give the letter whose target lies at the upper left of a widget."""
    at = app.screen_stack[-2].find_widget(wanted).visible_region.offset
    return next(t.letter for t in jump.targets.values() if t.at.y == at.y and t.at.x >= at.x)


@pytest.mark.asyncio
async def test_a_letter_gives_the_focus(no_database: Path) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_lens()
        await settle(pilot)
        page = app.screen
        assert isinstance(app.focused, TextArea)  # one that takes letters as text
        field = page.query_one("#words", Input)
        jump = await jumping(pilot)
        await press(pilot, bound_to(jump, app, field))
        assert app.screen is page
        assert app.focused is field
        assert field.value == ""


@pytest.mark.asyncio
async def test_letters_stand_on_their_targets_over_the_page(database: Path) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_models()
        await settle(pilot)
        before = app.screen.query_one(Rows).region
        jump = await jumping(pilot)
        (target,) = jump.targets.values()
        assert (target.letter, target.at) == ("a", before.offset)
        for label in jump.query("Static"):
            assert label.region.offset == target.at
        assert jump.styles.background.a == 0  # the page is still seen
        await press(pilot, "z", "escape")
        assert not isinstance(app.screen, Jump)


@pytest.mark.asyncio
async def test_a_letter_turns_a_tab_and_opens_what_is_in_it(database: Path) -> None:
    app = LlprobeApp(database)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.open_compare(("small", "large"))
        await settle(pilot)
        page = app.screen
        assert isinstance(page, CompareScreen)
        tabs = page.query_one(Tabs)
        curves = list(tabs.query("Tab"))[1]
        jump = await jumping(pilot)
        await press(pilot, bound_to(jump, app, curves))
        assert tabs.active == curves.id
        assert app.focused is page.query_one("#curves Scroll")


@pytest.mark.asyncio
async def test_a_letter_presses_a_button_in_a_dialog(no_database: Path) -> None:
    app, found = LlprobeApp(no_database), list[bool | None]()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(Confirm("Sure?"), found.append)
        await settle(pilot)
        yes = app.screen.query_one("#yes", Button)
        jump = await jumping(pilot)
        assert len(jump.targets) == 2
        await press(pilot, bound_to(jump, app, yes))
    assert found == [True]


@pytest.mark.asyncio
async def test_a_second_press_or_another_size_ends_it(no_database: Path) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_lens()
        await settle(pilot)
        page = app.screen
        await jumping(pilot)
        await press(pilot, "ctrl+o")
        assert app.screen is page
        await jumping(pilot)
        await pilot.resize_terminal(100, 30)
        await settle(pilot)
        assert app.screen is page


@pytest.mark.parametrize("name", ["New", "Lens", "Models", "Tasks", "Compare"])
@pytest.mark.asyncio
async def test_every_place_has_a_letter_of_its_own(no_database: Path, name: str) -> None:
    app = LlprobeApp(no_database)
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        app.action_go({"New": "NewSweepScreen"}.get(name, f"{name}Screen"))
        await settle(pilot)
        found: list[Target] = targets_of(app.screen)
        seen = [w for w in app.screen.focus_chain if app.screen.find_widget(w).visible_region]
        assert len({target.letter for target in found}) == len(found) >= len(seen) > 0
        assert len({target.at for target in found}) == len(found)
        assert all(app.screen.region.contains_point(target.at) for target in found)
