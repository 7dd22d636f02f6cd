"""What a worker's machine is, and whether llama.cpp can be loaded there: asked beside its work.

The answer comes from a child process, as scores do. This module knows the machine that it runs on.
It does not know who asks.
"""

from __future__ import annotations

import asyncio

from llprobe.children import ask
from llprobe.errors import LlprobeError
from llprobe.events import Checked, CheckRequest
from llprobe.machine import describe
from llprobe.settings import EngineSettings

__all__ = ["ability"]


async def ability() -> tuple[dict[str, str], str]:
    """Return what `machine.describe` says with the devices, and why nothing can be computed."""
    return await asyncio.to_thread(_ability)


def _ability() -> tuple[dict[str, str], str]:
    facts = describe()
    try:
        found = ask(CheckRequest(None, EngineSettings()), Checked)
    except (LlprobeError, OSError) as problem:
        return facts, str(problem)
    return facts | {"devices": found.facts["devices"]}, ""
