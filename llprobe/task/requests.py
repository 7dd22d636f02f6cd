"""Names and options as a user gives them -> one request for each task.

Knows nothing of questions: a request is carried out by `load_questions`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from llprobe.errors import UnknownName
from llprobe.task.bundled import load_definition
from llprobe.task.groups import expand
from llprobe.task.records import TaskRequest

__all__ = ["requests_for"]


def requests_for(names: Iterable[str], wanted: TaskRequest) -> tuple[TaskRequest, ...]:
    """Return `wanted` for each task that names, groups and tags stand for.

    A setting goes to the tasks that have it. UnknownName for one that none of them has, and for
    a task that there is not.
    """
    tasks = expand(list(names))
    known = {name: _settings_of(name, wanted.data) for name in tasks}
    every = {setting for settings in known.values() for setting in settings}
    for setting, _ in wanted.settings:
        if setting not in every:
            raise UnknownName("setting of these tasks", setting, every)
    return tuple(
        replace(
            wanted, name=name, settings=tuple(s for s in wanted.settings if s[0] in known[name])
        )
        for name in tasks
    )


def _settings_of(name: str, data: str | None) -> set[str]:
    return set(load_definition(name).for_data(data).source.settings)
