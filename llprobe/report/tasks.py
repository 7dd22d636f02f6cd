"""What is said of tasks: those that can be named, and a task file without mistakes.

This module knows words and rows. It does not know where they are shown.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llprobe.task.listing import list_tasks
from llprobe.task.validate import Validated

__all__ = ["no_mistakes", "task_rows"]


def task_rows() -> list[dict[str, Any]]:
    """Return a row for every task, group and tag; chance in [0, 1]."""
    return [
        {
            "name": task.name,
            "kind": task.kind,
            "about": task.about,
            "questions": task.n_questions,
            "worked_examples": task.n_examples,
            "chance": task.chance,
            "data": task.data,
            "tags": list(task.tags),
        }
        for task in list_tasks()
    ]


def no_mistakes(file: Path, found: Validated) -> str:
    """Say of a task's or a group's file without mistakes what is in it."""
    if found.tasks:
        return f"{file} has no mistakes: a group of {len(found.tasks)}, {', '.join(found.tasks)}"
    skipped = f", {found.n_skipped} skipped" if found.n_skipped else ""
    asked = f": {found.n_questions} questions{skipped}" if found.n_questions else ""
    return f"{file} has no mistakes{asked}"
