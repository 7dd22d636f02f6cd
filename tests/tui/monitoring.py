"""What the tests of the monitor share: open it, look again, read what it says."""

from typing import Any

from settled import settle
from textual.pilot import Pilot
from textual.widgets import Static

from llprobe.tui.screens.monitor import MonitorScreen
from llprobe.tui.screens.monitor.look import Look

__all__ = ["again", "opened", "said"]


async def opened(pilot: Pilot[Any], name: str) -> MonitorScreen:
    screen = MonitorScreen(name)
    await pilot.app.push_screen(screen)
    await settle(pilot)
    return screen


async def again(pilot: Pilot[Any], screen: MonitorScreen) -> Look:
    """Look once more."""
    screen.refresh_data()
    await settle(pilot)
    assert screen.found is not None
    return screen.found


def said(screen: MonitorScreen, of: str) -> str:
    return str(screen.query_one(of, Static).content)
