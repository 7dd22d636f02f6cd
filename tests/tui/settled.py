"""What the tests of stored runs share: waiting until a page has read and drawn everything."""

from contextlib import suppress
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Static
from textual.worker import WorkerCancelled

__all__ = ["press", "said", "settle"]

_IDLE = 3
"""Rounds without any work after which nothing more comes: a drawing may follow a new layout."""


async def settle(pilot: Pilot[Any]) -> None:
    """Wait until nothing is read, computed or drawn any more."""
    idle = 0
    while idle < _IDLE:
        await pilot.pause()
        idle = 0 if len(pilot.app.workers) else idle + 1
        with suppress(WorkerCancelled):
            await pilot.app.workers.wait_for_complete()


async def press(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys, one when all is done that the one before asked for."""
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


def said(page: Any, selector: str) -> str:
    """Give the text that a widget shows."""
    return str(page.query_one(selector, Static).render())
