"""`llprobe tui`: the terminal interface, in a terminal or in a browser.

This module knows the command's options. The interface is a package of its own that the core never
names in an import, because it stands above it.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from llprobe.cli.options import Db, database, option
from llprobe.errors import UnknownName, UsageError

__all__ = ["tui"]

_THEMES = ("dark", "light", "colour-blind", "mono")
_PORT = 8000


def tui(
    ctx: typer.Context,
    demo: Annotated[
        bool, option("--demo", help="Open a small example in place of the database.")
    ] = False,
    theme: Annotated[
        str, option("--theme", help=f"{', '.join(_THEMES[:-1])} or {_THEMES[-1]}.")
    ] = "",
    web: Annotated[
        bool, option("--web", help="Serve it to a browser on this machine; Ctrl-C ends that.")
    ] = False,
    port: Annotated[
        int | None,
        option(
            "--port", help=f"Port of --web, 0 for a free one; default: {_PORT}.", min=0, max=65535
        ),
    ] = None,
    db: Db = None,
) -> None:
    """Open the terminal interface: plan, run, watch, browse and compare."""
    if theme and theme not in _THEMES:
        raise UnknownName("theme", theme, _THEMES)
    # in the environment it is a wish for the day that --web is given
    if not web and str(ctx.get_parameter_source("port")).endswith("COMMANDLINE"):
        raise UsageError("--port is of use with --web only; add --web")
    path = None if demo else database(db)
    if web:
        _serve(path, theme, _PORT if port is None else port)
        return
    _needs_terminal()
    code: int = import_module("llprobe.tui.start").start(path, theme)
    if code:
        raise typer.Exit(code)


def _needs_terminal() -> None:
    """Refuse to draw into a file; a server that shows the interface names its own driver."""
    if "TEXTUAL_DRIVER" not in os.environ and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the interface needs a terminal; `llprobe --help` lists the commands")


def _serve(path: Path | None, theme: str, port: int) -> None:
    """Serve until Ctrl-C; the same options open the interface behind each tab of a browser."""
    shown = ["--demo"] if path is None else ["--db", str(path.absolute())]
    looks = ["--theme", theme] if theme else []
    argv = [sys.executable, "-P", "-m", "llprobe", "tui", *shown, *looks]
    _server().serve(argv, port, theme, _tell)


def _server() -> Any:
    try:
        return import_module("llprobe.tui.web.server")
    except ModuleNotFoundError as error:
        if str(error.name).startswith("llprobe"):
            raise
        raise UsageError("--web needs textual-serve: pip install 'llprobe[web]'") from error


def _tell(address: str) -> None:
    sys.stdout.write(f"llprobe is at {address} until Ctrl-C\n")
    sys.stdout.flush()
