"""What is said of tasks: those that can be named, and a task file without mistakes.

This module knows words and rows. It does not know where they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llprobe.errors import LlprobeError
from llprobe.task import expand, load_definition
from llprobe.task.groups import Group, named_groups, tagged
from llprobe.task.listing import Listed, known_tasks, list_tasks
from llprobe.task.validate import Validated

__all__ = ["named_tasks", "no_mistakes", "task_rows"]


def named_tasks() -> list[Listed]:
    """Return what `list_tasks` does without what takes seconds: questions are not counted.

    How many there are, and what guessing gets of them, is None; so is what groups come to.
    """
    tasks = [_named(name) for name in known_tasks()]
    groups = [Listed(g.name, "group", _several(g), None, None, None, "") for g in named_groups()]
    tags = [Listed(tag, "tag", ", ".join(of), None, None, None, "") for tag, of in tagged().items()]
    return [*tasks, *groups, *tags]


def _named(name: str) -> Listed:
    try:
        found = load_definition(name)
    except LlprobeError as problem:
        return Listed(name, "task", f"cannot be read: {problem}", None, None, None, "")
    return Listed(name, "task", found.about, None, found.num_fewshot, None, "", found.tags)


def _several(group: Group) -> str:
    listed = ", ".join(expand([group.name]))
    return f"{group.about}: {listed}" if group.about else listed


def task_rows(listed: Iterable[Listed] | None = None) -> list[dict[str, Any]]:
    """Return a row for each of these tasks, groups and tags, or for all; chance in [0, 1]."""
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
        for task in (list_tasks() if listed is None else listed)
    ]


def no_mistakes(file: Path, found: Validated) -> str:
    """Say of a task's or a group's file without mistakes what is in it."""
    if found.tasks:
        return f"{file} has no mistakes: a group of {len(found.tasks)}, {', '.join(found.tasks)}"
    skipped = f", {found.n_skipped} skipped" if found.n_skipped else ""
    asked = f": {found.n_questions} questions{skipped}" if found.n_questions else ""
    return f"{file} has no mistakes{asked}"
