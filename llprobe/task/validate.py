"""Every mistake of a task file and of its data, where loading it stops at the first.

Knows nothing of how mistakes are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llprobe.errors import TaskError, UsageError
from llprobe.task.bounded import bounded
from llprobe.task.build import build
from llprobe.task.definition import Definition
from llprobe.task.gather import Gatherer
from llprobe.task.groups import gather_group, is_group
from llprobe.task.include import read_task_file
from llprobe.task.parse import gather_definition
from llprobe.task.published import without_hub
from llprobe.task.records import Row, Skipped, TaskRequest
from llprobe.task.render import Renderer, Template
from llprobe.task.shots import example, worked_examples
from llprobe.task.sources import task_rows
from llprobe.task.yamlfile import Section

__all__ = ["Validated", "validate"]


@dataclass(frozen=True, slots=True)
class Validated:
    """What was found in a file."""

    mistakes: tuple[TaskError, ...]
    notes: tuple[str, ...] = ()
    """What is ignored, or could not be looked at, a sentence each."""
    n_questions: int = 0
    """Questions that can be asked."""
    n_skipped: int = 0
    """Questions that are skipped, as the file wants it."""
    tasks: tuple[str, ...] = ()
    """A group's tasks; empty for a task."""


def validate(path: str) -> Validated:
    """Read a task's or a group's YAML file, and a task's data, to the end.

    A mistake in the file hides those in its data: rows are read once the file has none.
    """
    try:
        return _validated(path)
    except TaskError as problem:  # it takes too long or too much memory
        return Validated((problem,))


@bounded(str)
def _validated(path: str) -> Validated:
    found: list[TaskError] = []
    try:
        top = read_task_file(path, found)
    except TaskError as problem:
        return Validated((*found, problem))
    if is_group(top):
        tasks = gather_group(top, found)
        return Validated(tuple(found), tasks=tasks)
    definition = _definition(top, found)
    if found:
        return Validated(tuple(found), definition.notes)
    return _with_rows(definition, path)


def _definition(top: Section, found: list[TaskError]) -> Definition:
    keep = Gatherer(found)
    own = top.sections.get("llprobe")
    bare = replace(top, sections={**top.sections, "llprobe": own.without("hub")}) if own else top
    definition = gather_definition(keep(lambda: without_hub(top), bare), _folder(top), found)
    for key in ("doc_to_text", "doc_to_choice", "doc_to_target", "description"):
        template = getattr(definition, key)
        if isinstance(template, str):
            keep(_compiling(template, definition.where(key)), None)
    return definition


def _folder(top: Section) -> Path:
    return Path(top.origin).parent


def _compiling(template: str, where: str) -> Callable[[], Any]:
    return lambda: Template.of(template, where)


def _with_rows(definition: Definition, path: str) -> Validated:
    found: list[TaskError] = []
    renderer, request = Renderer.of(definition), TaskRequest(path)
    shots = _shots(definition, request, renderer, found)
    if definition.needs_data:
        note = "its questions are not looked at: they are not in a file that it names"
        return Validated(tuple(found), (*definition.notes, note))
    questions = skipped = 0
    seen: set[str] = set()
    for row in _reading(lambda: task_rows(definition, request), found):
        if row.where in shots:
            continue
        try:
            asked = _is_asked(row, definition, renderer, seen)
        except TaskError as problem:
            found.append(problem)
            continue
        questions, skipped = questions + asked, skipped + (not asked)
    return Validated(tuple(found), definition.notes, questions, skipped)


def _shots(
    definition: Definition, request: TaskRequest, renderer: Renderer, found: list[TaskError]
) -> set[str]:
    """Check the worked examples that can be looked at; return their places."""
    keep = Gatherer(found)
    description = Template.of(definition.description, definition.where("description"))
    keep(lambda: description.rendered({}), "")
    dataset = definition.source.dataset
    if dataset and dataset.shots and not dataset.files:
        return set()
    shots: list[Row] = []
    try:
        shots = worked_examples(definition, request)
    except TaskError as problem:
        found.append(problem)
    except UsageError as problem:  # of the file, since nothing was asked for beside it
        found.append(definition.error("num_fewshot", str(problem)))
    for shot in shots:
        keep(_rendering(shot, definition, renderer), None)
    return {shot.where for shot in shots}


def _rendering(shot: Row, definition: Definition, renderer: Renderer) -> Callable[[], Any]:
    return lambda: example(shot, definition, renderer, TaskRequest(definition.name))


def _reading(open_rows: Callable[[], Iterator[Row]], found: list[TaskError]) -> Iterator[Row]:
    """Yield rows up to where the file cannot be read any more."""
    try:
        yield from open_rows()
    except TaskError as problem:
        found.append(problem)


def _is_asked(row: Row, definition: Definition, renderer: Renderer, seen: set[str]) -> bool:
    """Whether a row becomes a question; DataError where it should and cannot."""
    question = build(row, definition, renderer).question
    if question.id in seen:
        raise row.error(f"the id {question.id!r} was there before; ids must differ")
    seen.add(question.id)
    if isinstance(question, Skipped) and not definition.skips_bad_rows:
        raise row.error(question.reason)
    return not isinstance(question, Skipped)
