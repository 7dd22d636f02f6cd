"""Paths for people: the home folder as `~`. This module knows texts, no files."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["short"]


def short(text: str) -> str:
    """Return a text in which paths below the home folder begin with `~`."""
    home = str(Path.home())
    if home == os.sep:
        return text
    return re.sub(rf"(?<![\w.~/-]){re.escape(home)}(?=/|$|[\s:;,)])", "~", text)
