"""Where the database and a cluster's file are, and lists of paths; it opens nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import platformdirs

__all__ = ["certificate_path", "default_path", "split_at_commas"]

_MOST_COMMAS: Final = 8
"""In the name of one file; more are taken for a list without asking the disk."""


def default_path() -> Path:
    """Where the database is: LLPROBE_DB, else llprobe.db in the user's data folder."""
    named = os.environ.get("LLPROBE_DB")
    return Path(named) if named else Path(platformdirs.user_data_dir("llprobe")) / "llprobe.db"


def certificate_path() -> Path:
    """Where the file is that lets machines into a cluster: in the user's data folder."""
    return Path(platformdirs.user_data_dir("llprobe")) / "cluster.pem"


def split_at_commas(typed: str) -> list[str]:
    """Return the names of a list, each without the blanks around it; empty ones are left out.

    A comma within the name of a file that is there parts nothing.
    """
    parts, names = typed.split(","), list[str]()
    while parts:
        ends = range(min(len(parts), _MOST_COMMAS + 1), 1, -1)
        end = next((n for n in ends if os.path.isfile(",".join(parts[:n]).strip())), 1)  # noqa: PTH113 - no name that cannot be one is an error
        names.append(",".join(parts[:end]).strip())
        parts = parts[end:]
    return [name for name in names if name]
