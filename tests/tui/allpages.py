"""Every page of the interface, and how a test opens it."""

from pathlib import Path
from typing import Any

from settled import settle
from textual.pilot import Pilot

from llprobe.store import Store
from llprobe.tui.app import LlprobeApp
from llprobe.tui.page import Page

__all__ = ["PAGES", "shown"]

PAGES = (
    *("HomeScreen", "NewSweepScreen", "LensScreen", "ModelsScreen", "TasksScreen"),
    *("CompareScreen", "RunScreen", "MonitorScreen", "ItemScreen", "QuestionsScreen"),
)


async def shown(pilot: Pilot[Any], database: Path, name: str) -> Page:
    """Open a page by its class's name."""
    app = pilot.app
    assert isinstance(app, LlprobeApp)
    with Store(database) as store:
        run = store.find_run("large")
        cell = store.cells(run)[0].id
    await settle(pilot)
    match name:
        case "RunScreen":
            app.open_run(run)
        case "MonitorScreen":
            app.open_monitor("large")
        case "ItemScreen":
            app.open_item(run, cell, "add-0")
        case "QuestionsScreen":
            app.open_questions("facts")
        case _:
            app.action_go(name)
    await settle(pilot)
    assert isinstance(app.screen, Page)
    assert type(app.screen).__name__ == name
    return app.screen
