"""Questions to workers beside their work: none waits for a thread, and none for ever.

This module knows dask's client and its loop. It does not know what the answers are for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from typing import Any, Final

__all__ = ["LIMIT", "ask_each", "begin", "python_of"]

LIMIT: Final = 10.0
"""Seconds in which a worker must answer."""


async def python_of(client: Any, address: str) -> tuple[str, str]:
    """Return a worker's Python, such as "3.11", or why it does not say.

    A question of dask's own: no code travels, which another Python could not run.
    """
    try:
        answers = await client.scheduler.broadcast(
            msg={"op": "versions", "packages": []}, workers=[address]
        )
    except OSError as problem:
        return "", str(problem) or type(problem).__name__
    major, minor, *_ = str(answers[address]["host"]["python"]).split(".")
    return f"{major}.{minor}", ""


def begin(client: Any, question: Callable[[], Any]) -> Future[Any]:
    """Ask a question on the client's loop, and return the future of its answer."""
    return asyncio.run_coroutine_threadsafe(question(), client.loop.asyncio_loop)


def ask_each(
    client: Any,
    workers: Iterable[str],
    question: Callable[[str], Awaitable[Any]],
    limit: float | None = None,
) -> dict[str, Any]:
    """Return what each worker answers to `question(address)`, all at once; else the exception.

    `limit` are the seconds in which it must answer, `LIMIT` by default.
    """
    asked = list(workers)

    async def answers() -> list[Any]:
        waits = (_soon(question(address), limit or LIMIT) for address in asked)
        return await asyncio.gather(*waits, return_exceptions=True)

    return dict(zip(asked, client.sync(answers), strict=True))


async def _soon(answer: Awaitable[Any], limit: float) -> Any:
    try:
        return await asyncio.wait_for(answer, limit)
    except TimeoutError as problem:
        raise TimeoutError(f"not within {limit:.0f} s") from problem
