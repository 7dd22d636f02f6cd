"""Where a task's rows come from: a generator, a reader, or a plain data file.

Generators and readers are modules of `llprobe.tasks`, loaded by name. Knows nothing of what
becomes of the rows.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from typing import Any

from llprobe.errors import UnknownName, UsageError
from llprobe.task.dataset import split_rows
from llprobe.task.definition import Definition
from llprobe.task.files import data_rows
from llprobe.task.records import Row, TaskRequest

__all__ = ["task_rows"]

_PACKAGE = "llprobe.tasks"
_FUNCTIONS = {"generator": "generate", "reader": "read"}


def task_rows(definition: Definition, request: TaskRequest) -> Iterator[Row]:
    """Return the rows that a task asks about, in order.

    UsageError where a data file is missing or not wanted; TaskError for an unknown generator or
    reader; DataError (while iterating) for a broken file.
    """
    if definition.source.generator:
        return _generated(definition, request)
    if request.settings:
        raise UsageError(
            f"task {definition.name} has no settings where its questions come from a file"
        )
    path, dataset = request.data or definition.source.data, definition.source.dataset
    if not path and dataset and dataset.questions:
        return split_rows(dataset.questions, dataset)
    if not path:
        of = f" ({dataset.title})" if dataset else ""
        raise UsageError(f"task {definition.name} needs a data file{of}: give it with --data FILE")
    reader = definition.source.reader
    if not reader:
        return split_rows([path], dataset.given(path)) if dataset else data_rows(path)
    rows: Iterator[Row] = _function(definition, "reader", reader)(path)
    return rows


def _generated(definition: Definition, request: TaskRequest) -> Iterator[Row]:
    if request.data:
        raise UsageError(f"task {definition.name} makes its own questions; leave out --data")
    generate = _function(definition, "generator", definition.source.generator)
    rows: Iterator[Row] = generate(request.seed, _settings(definition, request))
    return rows


def _function(definition: Definition, kind: str, name: str) -> Callable[..., Iterator[Row]]:
    """Import the function that makes or reads rows."""
    known = _modules(_FUNCTIONS[kind])
    if name not in known:
        said = f"no {kind} named {name!r}; known: {', '.join(sorted(known))}"
        raise definition.error(f"llprobe.{kind}", said)
    return known[name]


def _modules(function: str) -> dict[str, Callable[..., Iterator[Row]]]:
    """Return that function of each module of the package that has it."""
    folder = str(resources.files(_PACKAGE))
    names = [module.name for module in pkgutil.iter_modules([folder])]
    modules = {name: importlib.import_module(f"{_PACKAGE}.{name}") for name in names}
    return {
        name: getattr(module, function)
        for name, module in modules.items()
        if hasattr(module, function)
    }


def _settings(definition: Definition, request: TaskRequest) -> Mapping[str, Any]:
    """Return the generator's settings, with those that the user typed read as their defaults."""
    settings = dict(definition.source.settings)
    for name, typed in request.settings:
        if name not in settings:
            raise UnknownName(f"setting of task {definition.name}", name, settings)
        settings[name] = _typed(name, typed, settings[name])
    return settings


def _typed(name: str, typed: str, default: Any) -> Any:
    if isinstance(default, list):
        return [part.strip() for part in typed.split(",") if part.strip()]
    if not isinstance(default, int):
        return typed
    try:
        return int(typed)
    except ValueError as problem:
        raise UsageError(f"the setting {name} must be a whole number, not {typed!r}") from problem
