"""Runs as rows of a list. This module knows what a list of runs says. It opens none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llprobe.errors import UnknownName, UsageError
from llprobe.store import RunRecord, checked_tags

__all__ = ["run_rows", "tagged"]


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
            "tags": list(run.tags),
            "note": run.note,
            "command": run.command,
        }
        for run in runs
    ]


def tagged(runs: Sequence[RunRecord], tags: Sequence[str]) -> list[RunRecord]:
    """Keep the runs that have all of these tags.

    Raises UnknownName for a tag that none of the runs has, UsageError for what cannot be one.
    """
    wanted = checked_tags(tags)
    known = {tag for run in runs for tag in run.tags}
    for tag in wanted:
        if not known:
            raise UsageError(f"no run has the tag {tag}: `llprobe tag RUN {tag}` adds it")
        if tag not in known:
            raise UnknownName("tag", tag, known)
    return [run for run in runs if set(wanted) <= set(run.tags)]
