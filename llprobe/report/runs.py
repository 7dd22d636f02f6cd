"""Runs as rows of a list. This module knows what a list of runs says. It opens none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llprobe.store import RunRecord

__all__ = ["run_rows"]


def run_rows(runs: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """Return a row per run, for a list of runs."""
    return [
        {
            "run": run.id,
            "updated": run.updated,
            "status": run.status,
            "models": list(run.models),
            "tasks": list(run.tasks),
            "lenses": list(run.lenses),
            "done": run.n_done,
            "items": run.n_items,
            "name": run.name,
            "cells": run.n_cells,
            "cells_done": run.cells_done,
            "cells_failed": run.cells_failed,
            "command": run.command,
        }
        for run in runs
    ]
