"""The last line of defence: whatever nobody foresaw becomes one line, and a file with the details.

A user sees a traceback nowhere; who mends llprobe finds it in the file that the line names.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Final

import platformdirs

from llprobe.files import make_private_folder
from llprobe.printable import printable

__all__ = ["KEPT", "explain"]

KEPT: Final = 20
"""Crashes of which the details are kept."""
_NAMES: Final = "crash-"


def explain(error: BaseException) -> str:
    """Return what to tell of an error that nobody foresaw, and keep its traceback in a file."""
    if isinstance(error, MemoryError):
        return "out of memory: close other programs, or give it less to do (-L, -b, --buffer-mb)"
    what = _in_words(error)
    try:
        path = _kept(error)
    except OSError as problem:
        return f"{what} (its details could not be kept: {problem.strerror})"
    return f"{what}; details are in {path}"


def _in_words(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "something in a file is nested too deeply to be read"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    if isinstance(error, UnicodeError):
        return f"a text or a name is not UTF-8: {error}"
    return f"this should not happen, please report it: {type(error).__name__}: {error}"


def _folder() -> Path:
    return Path(platformdirs.user_state_dir("llprobe")) / "crashes"


def _kept(error: BaseException) -> Path:
    """Write a traceback to a new file, for its owner only, and forget the oldest of many."""
    folder = _folder()
    make_private_folder(folder)
    for old in sorted(folder.glob(f"{_NAMES}*.txt"))[: -KEPT + 1]:
        old.unlink(missing_ok=True)
    name = f"{_NAMES}{time.strftime('%Y%m%d-%H%M%S')}-"
    number, path = tempfile.mkstemp(".txt", name, folder)  # 0600
    trace = "".join(traceback.format_exception(error, limit=-40))
    facts = (
        f"llprobe {version('llprobe')}, Python {platform.python_version()}, {platform.platform()}"
    )
    text = f"{facts}\n{printable(' '.join(sys.argv))}\n\n{trace}"
    with open(number, "w", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123 - it is open already
        file.write(text)
        os.fchmod(number, 0o600)
    return Path(path)
