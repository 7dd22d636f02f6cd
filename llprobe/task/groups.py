"""Which tasks a name stands for: a task, a group of tasks, a tag that several tasks have.

A group is a YAML file with `group: NAME` and `task: [A, B, ...]`, each of which is the name of a
task, a group or a tag, a YAML file, or a group within the group (`group:` and `task:` again).
Names are looked for beside the group's file first, then among the tasks that were added and those
that are bundled. Knows nothing of what the tasks ask.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llprobe.errors import TaskError, UnknownName
from llprobe.task import harness
from llprobe.task.bundled import bundled_folder, group_names, load_definition, task_names
from llprobe.task.gather import Gatherer
from llprobe.task.include import read_task_file
from llprobe.task.shelf import shelved
from llprobe.task.yamlfile import Section, shown

__all__ = ["Group", "expand", "gather_group", "group_file", "is_group", "named_groups", "tagged"]

SUFFIXES = (".yaml", ".yml")
_KEYS = ("group", "task", "group_alias", "tag", "aggregate_metric_list", "metadata", "llprobe")
_INLINE = ("group", "task", "group_alias", "aggregate_metric_list", "metadata")


@dataclass(frozen=True, slots=True)
class Group:
    """A group as its file defines it."""

    name: str
    where: str
    """File, line and key of its list, for messages."""
    folder: Path
    members: tuple[str | Group, ...]
    """Names of tasks, groups and tags, paths of YAML files, and groups within it."""
    about: str = ""


@dataclass(slots=True)
class _Index:
    """What the names in one place stand for."""

    tasks: dict[str, str] = field(default_factory=dict)
    """What `load_definition` takes for a task, by its name."""
    groups: dict[str, str] = field(default_factory=dict)
    """A group's file, by its name."""
    tags: dict[str, list[str]] = field(default_factory=dict)
    """What `load_definition` takes for each task of a tag."""
    unreadable: list[str] = field(default_factory=list)
    """What is wrong with the files that were passed over."""

    def names(self) -> Iterator[str]:
        yield from (*self.tasks, *self.groups, *self.tags)


def expand(names: Sequence[str]) -> tuple[str, ...]:
    """Return the tasks that names stand for, as `load_definition` takes them, each once, in order.

    UnknownName for a name of nothing; TaskError, with file, line and key, for a group's file that
    cannot be used.
    """
    return tuple(dict.fromkeys(task for name in names for task in _named(name)))


def _named(name: str) -> Iterable[str]:
    if name in _everywhere_tasks():
        return [name]
    if Path(name).suffix.lower() in SUFFIXES:
        top = read_task_file(name)
        return _tasks(_parsed(top), ()) if is_group(top) else [name]
    places = _places(None)
    found = _find(name, places, ())
    if found is None:
        known = {each for place in places for each in place.names()}
        raise UnknownName("task, group or tag", name, known, "(or give the path of a .yaml file)")
    return found


def group_file(name: str) -> Group | None:
    """Return the group that a bundled group's name or a YAML file stands for; None if none."""
    if name in group_names():
        return _parsed(read_task_file(_bundled_path(name)))
    if Path(name).suffix.lower() not in SUFFIXES or name in _everywhere_tasks():
        return None
    top = read_task_file(name)
    return _parsed(top) if is_group(top) else None


def named_groups() -> list[Group]:
    """Return the bundled groups, sorted by name."""
    return [_parsed(read_task_file(_bundled_path(name))) for name in group_names()]


def tagged() -> dict[str, tuple[str, ...]]:
    """Return the tasks of each tag, of bundled and added tasks."""
    tags: dict[str, tuple[str, ...]] = {}
    for place in _places(None):
        for tag, tasks in place.tags.items():
            tags[tag] = tuple(dict.fromkeys((*tags.get(tag, ()), *tasks)))
    return tags


def is_group(top: Section) -> bool:
    """Whether a parsed file defines a group rather than a task."""
    task = top.values.get("task")
    return isinstance(task, list) or ("group" in top.values and task is None)


def gather_group(top: Section, found: list[TaskError]) -> tuple[str, ...]:
    """Add every mistake in a group's file to `found`; return the tasks that it does name."""
    keep = Gatherer(found)
    found.extend(top.unknown(_KEYS))
    group = keep(lambda: _content(top), None)
    if group is None:
        return ()
    found_tasks = (keep(_looking_up(member, group), ()) for member in group.members)
    return tuple(dict.fromkeys(task for tasks in found_tasks for task in tasks))


def _looking_up(member: str | Group, group: Group) -> Callable[[], list[str]]:
    return lambda: _member(member, group, (group.name,))


def _parsed(top: Section) -> Group:
    top.only(_KEYS)
    return _content(top)


def _content(top: Section) -> Group:
    own = top.section("llprobe")
    own.only(("about",))
    where, folder = top.where("task"), Path(top.origins.get("task", top.origin)).parent
    named = {"group": top.text("group"), "task": top.get("task")}
    about = own.text("about", top.text("group_alias", ""))
    return _group(named, where, folder, about)


def _group(named: dict[str, Any], where: str, folder: Path, about: str = "") -> Group:
    name, members = named.get("group"), named.get("task")
    if not isinstance(name, str) or not name.strip():
        raise TaskError(f"{where}: a group within a group needs a name, `group: NAME`")
    if not isinstance(members, list) or not members:
        raise TaskError(f"{where}: the group {name} must have a list of tasks, [a, b, ...]")
    return Group(
        name, where, folder, tuple(_listed(each, where, folder) for each in members), about
    )


def _listed(member: Any, where: str, folder: Path) -> str | Group:
    if isinstance(member, str) and member.strip():
        return member
    if isinstance(member, dict) and "group" in member:
        unknown = [key for key in member if key not in _INLINE]
        if unknown:
            raise TaskError(f"{where}: unknown key {unknown[0]} in the group {member['group']}")
        return _group(member, where, folder)
    if isinstance(member, dict) and isinstance(member.get("task"), str) and len(member) == 1:
        return str(member["task"])
    if isinstance(member, dict) and "task" in member:
        said = f"{member['task']} cannot be changed here; give it a YAML file with `include`"
        raise TaskError(f"{where}: {said}")
    raise TaskError(f"{where}: a member must be a name or a group, not {shown(member)}")


def _tasks(group: Group, chain: tuple[str, ...]) -> list[str]:
    """Return a group's tasks; `chain` are the groups that lead here."""
    if group.name in chain:
        raise TaskError(f"{group.where}: the group {group.name} holds itself")
    members = (_member(member, group, (*chain, group.name)) for member in group.members)
    return [task for tasks in members for task in tasks]


def _member(member: str | Group, group: Group, chain: tuple[str, ...]) -> list[str]:
    if isinstance(member, Group):
        return _tasks(member, chain)
    places = _places(group.folder)
    if Path(member).suffix.lower() in SUFFIXES:
        path = str(group.folder / member)
        top = read_task_file(path)
        return _tasks(_parsed(top), chain) if is_group(top) else [path]
    found = _find(member, places, chain)
    if found is None:
        known = sorted({each for place in places for each in place.names()})
        near = difflib.get_close_matches(member, known, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
        passed = "; ".join(["", *places[0].unreadable[:3]])
        raise TaskError(f"{group.where}: no task, group or tag named {member!r}; {hint}{passed}")
    return found


def _find(name: str, places: Sequence[_Index], chain: tuple[str, ...]) -> list[str] | None:
    """Return the tasks of a name, in the first place that knows it; None where none does."""
    for place in places:
        if name in place.tasks:
            return [place.tasks[name]]
        if name in place.groups:
            return _tasks(_parsed(read_task_file(place.groups[name])), chain)
        if name in place.tags:
            return place.tags[name]
    return None


def _places(folder: Path | None) -> list[_Index]:
    """Return where names are looked for, in order: beside a group's file, added, bundled."""
    beside = folder is not None and folder.resolve() != bundled_folder().resolve()
    own = [_folder(folder)] if folder and beside else []
    return [*own, _added(), _bundled()]


def _folder(folder: Path) -> _Index:
    index = _Index()
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            _enter(index, str(path), None)
    return index


def _added() -> _Index:
    index = _Index()
    for each in shelved():
        index.tasks[each.name] = each.name
        if not each.task:
            _enter(index, str(each.path), each.name)
    return index


def _bundled() -> _Index:
    index = _Index({name: name for name in task_names()})
    index.groups = {name: _bundled_path(name) for name in group_names()}
    for name in task_names():
        for tag in load_definition(name).tags:
            index.tags.setdefault(tag, []).append(name)
    return index


def _enter(index: _Index, path: str, name: str | None) -> None:
    """Enter a file's task or group, and its tags; `name` is what it is known by already."""
    try:
        top = read_task_file(path)
        own = top.text("group" if is_group(top) else "task", "")
        tags = () if is_group(top) else harness.tags(top)
    except TaskError as problem:
        index.unreadable.append(str(problem))
        return
    if own and name is None:
        (index.groups if is_group(top) else index.tasks)[own] = path
    for tag in tags if own else ():
        index.tags.setdefault(tag, []).append(name or path)


def _everywhere_tasks() -> set[str]:
    return {*task_names(), *(each.name for each in shelved())}


def _bundled_path(name: str) -> str:
    return str(bundled_folder() / f"{name}.yaml")
