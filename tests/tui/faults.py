"""Screens to which something happens, and all that they say in words.

This module knows scenes and the places where screens put words. It knows no faults.
"""

from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

from pictures import lean, lines_of
from scenes import RUN_TABS, SCENES, Scene
from settled import settle, still
from textual.css.query import NoMatches
from textual.pilot import Pilot
from textual.widgets import Static

from llprobe.tui.app import LlprobeApp
from llprobe.tui.messages import DatabaseChanged
from llprobe.tui.page import Page
from llprobe.tui.widgets import Trouble

__all__ = ["ALL", "OF_A_RUN", "OTHERS", "changed", "page_of", "seen", "shown", "told", "trouble"]

_BY_NAME: Final = {scene.name: scene for scene in SCENES}


def _scenes(*names: str) -> tuple[Scene, ...]:
    return tuple(_BY_NAME[name] for name in names)


OF_A_RUN: Final = _scenes(*(f"run-{tab}" for tab in RUN_TABS), "item", "compare-differences")
"""Pages on the run `large`, which say trouble in their panel."""
OTHERS: Final = _scenes("newsweep-models", "lens-grid", "models", "tasks", "questions")
"""Pages that show nothing stored."""
ALL: Final = (*_scenes("home-runs", "monitor-half"), *OF_A_RUN, *OTHERS)
"""A scene of every page, and of every tab of a run."""

_PLACES: Final = ("#advice", "#empty", "#plan", "#mistakes", "#state")


@asynccontextmanager
async def shown(scene: Scene, database: Any, size: tuple[int, int] = (80, 24)) -> Any:
    """Run the app with a scene open."""
    async with LlprobeApp(database).run_test(size=size) as pilot:
        await scene.show(pilot)
        yield pilot


async def seen(pilot: Pilot[Any]) -> list[str]:
    """Give the lines of the screen, once it is at rest."""
    still(pilot.app)
    await settle(pilot)
    return lines_of(lean(pilot.app.export_screenshot(simplify=True)))


async def changed(pilot: Pilot[Any]) -> None:
    """Let the app look at its database, as it does when that is written to."""
    pilot.app.post_message(DatabaseChanged())
    await settle(pilot)


def page_of(pilot: Pilot[Any]) -> Page:
    """Give the page that is seen; anything else fails the test."""
    assert isinstance(pilot.app.screen, Page)
    return pilot.app.screen


def trouble(pilot: Pilot[Any]) -> str:
    """Give what the trouble panel says; empty where it is closed."""
    return page_of(pilot).query_one(Trouble).said


def told(pilot: Pilot[Any]) -> str:
    """Give all that the page says in words: the trouble panel, and its own lines."""
    return "\n".join(_told(page_of(pilot)))


def _told(page: Page) -> Iterator[str]:
    yield page.query_one(Trouble).said
    for place in _PLACES:
        try:
            found = page.query_one(place, Static)
        except NoMatches:
            continue
        if found.display:
            yield str(found.content)
