"""Which tasks a name stands for: a task, a group of tasks, a tag that several tasks have.

A group is a YAML file with `group: NAME` and `task: [A, B, ...]`, each of which is the name of a
task, a group or a tag, a YAML file, or a group within the group (`group:` and `task:` again).
Names are looked for beside the group's file first, then among the tasks that were added and those
that are bundled. Knows nothing of what the tasks ask.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from llprobe.errors import TaskError, UnknownName
from llprobe.task import harness
from llprobe.task.bounded import bounded
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


def _reads(names: Sequence[str]) -> str:
    """Return those of these names that files of strangers are read for, and any name may be."""
    tasks = _everywhere_tasks()
    others = [name for name in names if name not in tasks]
    files = any(Path(name).suffix.lower() in SUFFIXES for name in others)
    return ", ".join(others) if files or _own() else ""


def _own() -> str:
    """Return the tasks of the user's own that were added, for messages."""
    return ", ".join(each.name for each in shelved() if not each.task)


@bounded(_reads)
def expand(names: Sequence[str]) -> tuple[str, ...]:
    """Return the tasks that names stand for, as `load_definition` takes them, each once, in order.

    UnknownName for a name of nothing; TaskError, with file, line and key, for a group's file that
    cannot be used.
    """
    search = _Search()
    return tuple(dict.fromkeys(task for name in names for task in search.named(name)))


@bounded(lambda name: _reads([name]))
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


@bounded(_own)
def tagged() -> dict[str, tuple[str, ...]]:
    """Return the tasks of each tag, of bundled and added tasks."""
    tags: dict[str, tuple[str, ...]] = {}
    for place in _Search().places(None):
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
    look_up, chain = _Search().member, (group.name,)
    found_tasks = (keep(partial(look_up, each, group, chain), ()) for each in group.members)
    return tuple(dict.fromkeys(task for tasks in found_tasks for task in tasks))


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


class _Search:
    """Looks names up; what lies in a place is read once, however many names are looked for."""

    def __init__(self) -> None:
        self._beside: dict[Path, _Index] = {}
        self._everywhere: list[_Index] = []

    def places(self, folder: Path | None) -> list[_Index]:
        """Return where names are looked for, in order: beside a group's file, added, bundled."""
        self._everywhere = self._everywhere or [_added(), _bundled()]
        if folder is None or folder.resolve() == bundled_folder().resolve():
            return self._everywhere
        if folder not in self._beside:
            self._beside[folder] = _folder(folder)
        return [self._beside[folder], *self._everywhere]

    def named(self, name: str) -> Iterable[str]:
        """Return the tasks of a name as a user gives it."""
        if name in _everywhere_tasks():
            return [name]
        if Path(name).suffix.lower() in SUFFIXES:
            top = read_task_file(name)
            return self.tasks(_parsed(top), ()) if is_group(top) else [name]
        places = self.places(None)
        found = self.find(name, places, ())
        if found is None:
            names = {each for place in places for each in place.names()}
            hint = "(or give the path of a .yaml file)"
            raise UnknownName("task, group or tag", name, names, hint)
        return found

    def tasks(self, group: Group, chain: tuple[str, ...]) -> list[str]:
        """Return a group's tasks, each once; `chain` are the groups that lead here."""
        if group.name in chain:
            raise TaskError(f"{group.where}: the group {group.name} holds itself")
        chain = (*chain, group.name)
        members = (self.member(member, group, chain) for member in group.members)
        return list(dict.fromkeys(task for tasks in members for task in tasks))

    def member(self, member: str | Group, group: Group, chain: tuple[str, ...]) -> list[str]:
        """Return the tasks of a group's member."""
        if isinstance(member, Group):
            return self.tasks(member, chain)
        places = self.places(group.folder)
        if Path(member).suffix.lower() in SUFFIXES:
            path = str(group.folder / member)
            top = read_task_file(path)
            return self.tasks(_parsed(top), chain) if is_group(top) else [path]
        found = self.find(member, places, chain)
        if found is None:
            names = sorted({each for place in places for each in place.names()})
            near = difflib.get_close_matches(member, names, n=3, cutoff=0.4)
            hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
            passed = "; ".join(["", *places[0].unreadable[:3]])
            raise TaskError(
                f"{group.where}: no task, group or tag named {member!r}; {hint}{passed}"
            )
        return found

    def find(self, name: str, places: Sequence[_Index], chain: tuple[str, ...]) -> list[str] | None:
        """Return the tasks of a name, in the first place that has it; None where none does."""
        for place in places:
            if name in place.tasks:
                return [place.tasks[name]]
            if name in place.groups:
                return self.tasks(_parsed(read_task_file(place.groups[name])), chain)
            if name in place.tags:
                return place.tags[name]
        return None


def _folder(folder: Path) -> _Index:
    index = _Index()
    try:
        paths = sorted(folder.iterdir())
    except OSError as problem:  # its files can be read by name, but not be listed
        index.unreadable.append(f"{folder}: cannot be read ({problem.strerror})")
        return index
    for path in paths:
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
