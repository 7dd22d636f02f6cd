"""What the tests of fast typing share: keys that come all at once, and waiting for one effect."""

import asyncio
from collections.abc import Callable

from textual.events import Key

from llprobe.tui.app import LlprobeApp

__all__ = ["typed", "until"]


def typed(app: LlprobeApp, *keys: str) -> None:
    """Type keys at once: none waits for what the one before it does."""
    for key in keys:
        app.post_message(Key(key, key if len(key) == 1 else None))


async def until(done: Callable[[], bool]) -> None:
    """Let the app work until something is so; a minute later the test has failed."""
    async with asyncio.timeout(60):
        while not done():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
