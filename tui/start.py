"""Starts the interface on a database, or on a copy of the bundled example. It knows no options."""

from __future__ import annotations

from pathlib import Path

from .app import LlprobeApp
from .demo import demo_database

__all__ = ["start"]


def start(database: Path | None, theme: str = "") -> int:
    """Run the interface until it is left; None opens the example. Returns the exit code."""
    if database is None:
        with demo_database() as copy:
            return _run(LlprobeApp(copy, demo=True, theme=theme))
    return _run(LlprobeApp(database, theme=theme))


def _run(app: LlprobeApp) -> int:
    app.run()
    return app.return_code or 0
