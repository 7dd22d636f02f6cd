"""Every task, group and tag that can be named, with what a list says of each.

Knows nothing of how a list is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from llprobe.errors import LlprobeError
from llprobe.task.bundled import hub_file, load_definition, task_names
from llprobe.task.definition import Definition
from llprobe.task.groups import expand, named_groups, tagged
from llprobe.task.habits import habits
from llprobe.task.questions import load_questions
from llprobe.task.records import TaskRequest
from llprobe.task.shelf import find, shelved

__all__ = ["Listed", "known_tasks", "list_tasks"]


@dataclass(frozen=True, slots=True)
class Listed:
    """One name."""

    name: str
    kind: str
    """`task`, `group` or `tag`."""
    about: str
    n_questions: int | None
    """None where there is no data to count."""
    n_examples: int | None
    """Worked examples that are shown; None for groups and tags."""
    chance: float | None
    """What guessing gets by MC1, in [0, 1]."""
    data: str
    """Where the questions come from."""
    tags: tuple[str, ...] = ()


def known_tasks() -> list[str]:
    """Return the names of all bundled and added tasks, sorted."""
    return sorted({*task_names(), *(each.name for each in shelved())})


def list_tasks() -> list[Listed]:
    """Return the tasks, sorted by name, then the groups, then the tags.

    An added task that cannot be read any more is listed with what is wrong with it.
    """
    tasks = {name: _task(name) for name in known_tasks()}
    groups = [
        _several(group.name, "group", group.about, expand([group.name]), tasks)
        for group in named_groups()
    ]
    tags = [_several(tag, "tag", "", members, tasks) for tag, members in tagged().items()]
    return [*tasks.values(), *groups, *tags]


def _task(name: str) -> Listed:
    try:
        definition = load_definition(name)
        if definition.needs_data:
            return _listed(name, definition, None, None)
        n, chance = _counted(name) if find(name) else _bundled(name)
    except LlprobeError as problem:
        if find(name) is None:
            raise
        return Listed(name, "task", f"cannot be read: {problem}", None, None, None, "added")
    return _listed(name, definition, n, chance)


def _counted(name: str) -> tuple[int, float | None]:
    """Return a task's number of questions, and what guessing gets of them."""
    questions = load_questions(TaskRequest(name))
    if questions.answer == "generate":
        return len(questions.items), None
    found = habits(questions.items)
    return found.n_items, found.chance


_bundled = cache(_counted)
"""Those of a bundled task, which do not change while llprobe runs."""


def _listed(name: str, definition: Definition, n: int | None, chance: float | None) -> Listed:
    examples, tags = definition.num_fewshot, definition.tags
    return Listed(
        name, "task", definition.about, n, examples, chance, _data(name, definition), tags
    )


def _data(name: str, definition: Definition) -> str:
    if find(name):
        return "added"
    if definition.needs_data:
        return "pull, or --data FILE" if hub_file(name) else "--data FILE"
    return "generated" if definition.source.generator else "bundled"


def _several(
    name: str, kind: str, about: str, members: Sequence[str], tasks: dict[str, Listed]
) -> Listed:
    counts = [tasks[member].n_questions for member in members if member in tasks]
    total = sum(n for n in counts if n is not None)
    listed = ", ".join(members)
    about = f"{about}: {listed}" if about else listed
    return Listed(name, kind, about, total or None, None, None, "")
