"""Writes a report: the ending of the file says as what, and the file is there whole or not at all.

This module knows files. It does not know what is in a report.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from llprobe.errors import UsageError
from llprobe.page.data import Page
from llprobe.page.html import to_html
from llprobe.page.markdown import to_markdown

__all__ = ["check_ending", "write_report"]

_FORMS: Final[Mapping[str, Callable[[Page], str]]] = MappingProxyType({
    ".html": to_html, ".htm": to_html, ".md": to_markdown, ".markdown": to_markdown,
})  # fmt: skip


def check_ending(path: Path) -> None:
    """Refuse a file that no form of a report belongs to: UsageError."""
    if path.suffix.lower() not in _FORMS:
        raise UsageError(f"cannot write a report as {path.name}: name it .html or .md")


def write_report(page: Page, path: Path) -> int:
    """Write a report and return its bytes; what was there before is replaced at once.

    Raises UsageError for another ending, or where the file cannot be written.
    """
    check_ending(path)
    data = _FORMS[path.suffix.lower()](page).encode("utf-8")
    try:
        _replace(path, data)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return len(data)


def _replace(path: Path, data: bytes) -> None:
    """Write beside `path` first: a full disk or an interrupt leaves what was there."""
    target = path.resolve()
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def _umask() -> int:
    """Return the process's mask for new files: mkstemp does not heed it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
