"""A machine on which llprobe was never started: an empty home folder, and commands in it.

This module knows folders and the environment. It does not know what is done there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

__all__ = ["Place", "fresh_place"]

_NOT_OURS: Final = ("LLPROBE_", "TEXTUAL", "XDG_", "HF_", "TMUX", "NO_COLOR", "PYTHON")
"""Beginnings of variables that would let settings of whoever starts this be seen."""


@dataclass(frozen=True)
class Place:
    """A home folder of its own."""

    home: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of commands; pip still finds its own settings."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_OURS)}
        config = os.environ.get("XDG_CONFIG_HOME", str(Path.home() / ".config"))
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
        own = {"HOME": str(self.home), "XDG_CONFIG_HOME": config, "PATH": path}
        return kept | own | {"COLORTERM": "truecolor", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}

    def say(self, *words: str) -> str:
        """Return what a command of llprobe prints; CalledProcessError where it fails."""
        done = subprocess.run(
            ["llprobe", *words], env=self.env, cwd=self.home, check=True, text=True,
            stdin=subprocess.DEVNULL, capture_output=True,
        )  # fmt: skip
        return done.stdout


@contextmanager
def fresh_place(kept: Path | None = None) -> Iterator[Place]:
    """Give a place that is deleted afterwards, or `kept`, which must be empty or not there."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        if any(kept.iterdir()):
            sys.exit(f"{kept} is not empty: a first start needs an empty folder")
        yield Place(kept.resolve())
        return
    # a short name: paths stand on the screens, and are to fit into a line
    short = "/tmp"  # noqa: S108 - a folder of its own is made in it
    with TemporaryDirectory(prefix="j-", dir=short, ignore_cleanup_errors=True) as folder:
        yield Place(Path(folder).resolve())
