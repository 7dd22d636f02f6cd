"""Which definition a name or path stands for.

The bundled ones lie in `llprobe.tasks`, which the core reaches by name at run time only.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from llprobe.errors import TaskError, UnknownName
from llprobe.task.definition import Definition, parse_definition
from llprobe.task.files import read_text
from llprobe.task.render import Renderer
from llprobe.task.yamlfile import parse_yaml

__all__ = ["load_definition", "task_names"]

_PACKAGE = "llprobe.tasks"
_SUFFIXES = (".yaml", ".yml")


def task_names() -> list[str]:
    """Return the names of the bundled tasks, sorted."""
    names = (Path(file.name) for file in resources.files(_PACKAGE).iterdir())
    return sorted(name.stem for name in names if name.suffix == ".yaml")


def load_definition(name_or_path: str) -> Definition:
    """Return the definition that a bundled task's name or a YAML file's path stands for.

    UnknownName for neither; TaskError names file, line and key of what is wrong in the file.
    """
    known = task_names()
    if name_or_path in known:
        return _load(str(resources.files(_PACKAGE).joinpath(f"{name_or_path}.yaml")))
    if Path(name_or_path).suffix.lower() in _SUFFIXES:
        return _load(name_or_path)
    raise UnknownName("task", name_or_path, known, "(or give the path of a .yaml file)")


def _load(path: str) -> Definition:
    section = parse_yaml(read_text(path, TaskError), path)
    definition = parse_definition(section, Path(path).parent)
    Renderer.of(definition)  # a template that does not compile is the file's mistake
    return definition
