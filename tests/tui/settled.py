"""What the tests of screens share: waiting until an app has read and drawn everything.

Textual's own `Pilot.pause` takes a process that gets no time on a busy machine for an idle one, and
gives up after a second. `settle` asks the app itself what it has still to do. This module knows
where Textual keeps that; it knows no screen.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final
from unittest import mock

from textual.app import App
from textual.message_pump import MessagePump
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import DataTable, Input, Static, TextArea
from textual.worker import WorkerCancelled

__all__ = ["press", "said", "settle", "still", "to_do"]

_IDLE: Final = 3
"""Rounds without any work after which nothing more comes: a drawing may follow a new layout."""
_SOON: Final = 0.5
"""Seconds: a timer that fires once, so soon, belongs to what is being drawn."""
_PATIENCE: Final = 60.0
"""Seconds after which an app that never comes to rest fails its test, with what it does."""


async def settle(pilot: Pilot[Any]) -> None:
    """Wait until nothing is read, computed, moved or drawn any more."""
    idle, end = 0, time.monotonic() + _PATIENCE
    while idle < _IDLE:
        await pilot.pause(0.001)  # threads need the moment; what counts is asked below
        left = to_do(pilot.app)
        idle = 0 if left else idle + 1
        assert time.monotonic() < end, f"the app does not come to rest: {', '.join(left)}"
        if len(pilot.app.workers):
            with suppress(WorkerCancelled):
                async with asyncio.timeout(end - time.monotonic()):
                    await pilot.app.workers.wait_for_complete()


async def press(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys, one when all is done that the one before asked for."""
    for key in keys:
        with mock.patch("textual.app.wait_for_idle", _at_once):
            await pilot.press(key)
        await settle(pilot)


async def _at_once(_: float) -> None:
    """Take the place of Textual's waiting, which `settle` does better."""


def said(page: Any, selector: str) -> str:
    """Give the text that a widget shows."""
    return str(page.query_one(selector, Static).render())


def still(app: App[Any]) -> None:
    """Let no cursor blink: whether one is seen would be a matter of the moment."""
    for screen in app.screen_stack:
        for each in screen.query(Input):
            each.cursor_blink = False
        for area in screen.query(TextArea):
            area.cursor_blink = False


def to_do(app: App[Any]) -> list[str]:
    """Name what the app has still to do; empty where it only waits."""
    screens = list(app.screen_stack)
    pumps = [app, *(node for screen in screens for node in screen.walk_children(with_self=True))]
    return [
        *(f"worker {worker.name}" for worker in app.workers if not worker.is_finished),
        *(f"{pump}: {what}" for pump in pumps for what in _of_pump(pump)),
        *(f"{screen}: {what}" for screen in screens[-1:] for what in _of_screen(screen)),
        *(["an animation"] if app.animator._animations or app.animator._scheduled else []),
    ]


def _of_pump(pump: MessagePump) -> Iterator[str]:
    """Yield what a widget has in its queue, is asked to do next, or does in a moment."""
    if not pump._message_queue.empty():
        yield "messages"
    if pump._next_callbacks:
        yield "calls"
    if isinstance(pump, DataTable) and (pump._updated_cells or pump._require_update_dimensions):
        yield "columns to be measured"
    for timer in list(pump._timers):
        once = timer._repeat == 0 and timer._interval <= _SOON
        if once and timer._task is not None and not timer._task.done():
            yield f"timer {timer.name}"


def _of_screen(screen: Screen[Any]) -> Iterator[str]:
    """Yield what a screen has to lay out, draw, or call once it is drawn."""
    flags = ("_layout_required", "_scroll_required", "_repaint_required", "_recompose_required")
    yield from (flag for flag in flags if getattr(screen, flag))
    if screen._dirty_widgets:
        yield f"{len(screen._dirty_widgets)} widgets to be drawn"
    if screen._callbacks:
        yield "calls after the next drawing"
