"""Where llprobe's own files belong: its cache, and the quantised files in it.

This module knows names and folders only, not what the files hold nor which models there are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import platformdirs

from llprobe.errors import UsageError

__all__ = ["QUANT", "cache_dir", "ladder_files", "ladder_path"]

QUANT: Final = re.compile(r"[A-Za-z0-9_]+")
"""The form of a quant's name."""


def cache_dir() -> Path:
    """Return the folder of llprobe's own files: LLPROBE_CACHE, else the platform's cache folder."""
    chosen = os.environ.get("LLPROBE_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("llprobe"))


def ladder_path(name: str, quant: str) -> Path:
    """Return where the quantised file `NAME:QUANT` belongs in llprobe's cache.

    Raises UsageError where either would not make a plain file name.
    """
    if not re.fullmatch(r"[\w-][\w.-]*", name, re.ASCII) or not QUANT.fullmatch(quant):
        raise UsageError(f"{name}:{quant} cannot be the name of a quantised model")
    return cache_dir() / "quants" / name / f"{name}.{quant.upper()}.gguf"


def ladder_files() -> Iterator[tuple[str, str, Path]]:
    """Yield name, quant and path of every quantised file in llprobe's cache, by name."""
    for path in sorted((cache_dir() / "quants").glob("*/*.gguf")):
        name = path.parent.name
        quant = path.name.removeprefix(f"{name}.").removesuffix(".gguf")
        if path.name == f"{name}.{quant}.gguf" and QUANT.fullmatch(quant):
            yield name, quant, path
