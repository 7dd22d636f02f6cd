"""Writes a report: the ending of the file says as what, and the file is there whole or not at all.

This module knows files. It does not know what is in a report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from llprobe.errors import UsageError
from llprobe.files import whole_file
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
        with whole_file(path) as part:
            part.write_bytes(data)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return len(data)
