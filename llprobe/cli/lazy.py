"""The commands there are; the module of one is imported when it is asked for, so the rest is quick.

This module knows names. It does not know what the commands do.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

__all__ = ["LazyGroup"]

_COMMANDS: Final = {
    "run": "run",
    "ls": "runs",
    "show": "runs",
    "tag": "tags",
    "note": "tags",
    "compare": "compare",
    "ask": "ask",
    "plot": "plot",
    "report": "report",
    "export": "export",
    "lens": "lens",
    "similarity": "similarity",
    "sweep": "sweep",
    "models": "models",
    "tasks": "tasks",
    "tui": "tui",
    "rpc": "rpc",
    "cluster": "cluster",
    "locate": "runs",
    "doctor": "doctor",
}
"""Names of commands, in the order of the help, and the modules beside this one that hold them: as
a function of that name, or as `app` where there are several below it."""


class _Commands(MutableMapping[str, Any]):
    """Typer's commands by name, made when they are looked up."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _command(name, _COMMANDS[name])
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self) -> int:
        return len(_COMMANDS)


def _command(name: str, module: str) -> Any:
    found = import_module(f"llprobe.cli.{module}")
    parent = typer.Typer(callback=lambda: None, add_completion=False)
    if hasattr(found, "app"):
        parent.add_typer(found.app, name=name)
    else:
        parent.command(name)(getattr(found, name))
    group: Any = typer.main.get_command(parent)
    return group.commands[name]


class LazyGroup(TyperGroup):
    """A group of those commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Commands()
