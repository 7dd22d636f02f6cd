"""`llprobe tui`: the terminal interface.

This module knows the command's options. The interface is a package of its own that the core never
names in an import, because it stands above it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated

import typer

from llprobe.cli.options import Db, database, option
from llprobe.errors import UnknownName, UsageError

__all__ = ["tui"]

_THEMES = ("dark", "light", "colour-blind", "mono")


def tui(
    demo: Annotated[
        bool, option("--demo", help="Open a small example in place of the database.")
    ] = False,
    theme: Annotated[
        str, option("--theme", help=f"{', '.join(_THEMES[:-1])} or {_THEMES[-1]}.")
    ] = "",
    db: Db = None,
) -> None:
    """Open the terminal interface: plan, run, watch, browse and compare."""
    if theme and theme not in _THEMES:
        raise UnknownName("theme", theme, _THEMES)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the interface needs a terminal; `llprobe --help` lists the commands")
    start = import_module("llprobe.tui.start")
    code: int = start.start(None if demo else database(db), theme)
    if code:
        raise typer.Exit(code)
