"""Which definition a name or path stands for.

The bundled ones lie in `llprobe.tasks`, which the core reaches by name at run time only. What a
user added (shelf.py) is found by its name: a task of the user's own, or a bundled one on a data
file of the user's.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path

from llprobe.errors import TaskError, UnknownName
from llprobe.task.bounded import bounded
from llprobe.task.definition import Definition
from llprobe.task.files import read_text
from llprobe.task.include import read_task_file
from llprobe.task.parse import parse_definition
from llprobe.task.published import Published, published, without_hub
from llprobe.task.render import Renderer
from llprobe.task.shelf import Shelved, find, shelved
from llprobe.task.yamlfile import parse_yaml

__all__ = [
    "bundled_folder",
    "group_names",
    "hub_file",
    "is_bundled",
    "load_definition",
    "task_names",
]

_PACKAGE = "llprobe.tasks"
_SUFFIXES = (".yaml", ".yml")


def task_names() -> list[str]:
    """Return the names of the bundled tasks, sorted."""
    return [name for name, grouped in _bundled_files() if not grouped]


def group_names() -> list[str]:
    """Return the names of the bundled groups of tasks, sorted."""
    return [name for name, grouped in _bundled_files() if grouped]


def bundled_folder() -> Path:
    """Return the folder of the bundled tasks and groups."""
    return Path(str(resources.files(_PACKAGE)))


@cache
def _bundled_files() -> list[tuple[str, bool]]:
    """Return each bundled file's name, and whether it is a group: only groups have that key."""
    files = sorted(bundled_folder().glob("*.yaml"))
    return [(file.stem, "\ngroup:" in "\n" + read_text(str(file), TaskError)) for file in files]


def is_bundled(name: str) -> bool:
    """Whether a task's name stands for a file that llprobe brings, and for nothing added."""
    return name in task_names() and find(name) is None


@bounded(lambda name: "" if is_bundled(name) else name)
def load_definition(name_or_path: str) -> Definition:
    """Return the definition that a task's name, bundled or added, or a YAML file's path stands for.

    UnknownName for neither; TaskError names file, line and key of what is wrong in the file.
    """
    known = task_names()
    added = find(name_or_path)
    if added:
        return _added(added)
    if name_or_path in known:
        return _bundled(name_or_path)
    if Path(name_or_path).suffix.lower() in _SUFFIXES:
        return _load(name_or_path)
    every = {*known, *(each.name for each in shelved())}
    raise UnknownName("task", name_or_path, every, "(or give the path of a .yaml file)")


def hub_file(name: str) -> Published | None:
    """Return where a bundled task's published data lie on the hub; None where it names none."""
    if name not in task_names():
        raise UnknownName("task", name, task_names())
    path = _path(name)
    return published(parse_yaml(read_text(path, TaskError), path))


def _path(name: str) -> str:
    return str(bundled_folder() / f"{name}.yaml")


@cache  # they do not change while llprobe runs, and YAML is slow to parse
def _bundled(name: str) -> Definition:
    return _load(_path(name))


def _added(added: Shelved) -> Definition:
    if not added.task:
        return replace(_load(str(added.path)), name=added.name)
    if added.task not in task_names():
        raise TaskError(f"{added.path}: there is no task {added.task!r} to read it; remove it")
    read = _bundled(added.task).for_data(str(added.path))
    source = replace(read.source, data=str(added.path))
    return replace(read, name=added.name, source=source)


def _load(path: str) -> Definition:
    section = without_hub(read_task_file(path))
    definition = parse_definition(section, Path(path).parent)
    Renderer.of(definition)  # a template that does not compile is the file's mistake
    return definition
