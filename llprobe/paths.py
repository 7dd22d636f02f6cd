"""Where the database and a cluster's file are. This module knows no SQL, and opens nothing."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["certificate_path", "default_path"]


def default_path() -> Path:
    """Where the database is: LLPROBE_DB, else llprobe.db in the user's data folder."""
    named = os.environ.get("LLPROBE_DB")
    return Path(named) if named else Path(platformdirs.user_data_dir("llprobe")) / "llprobe.db"


def certificate_path() -> Path:
    """Where the file is that lets machines into a cluster: in the user's data folder."""
    return Path(platformdirs.user_data_dir("llprobe")) / "cluster.pem"
