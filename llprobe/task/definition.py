"""What a task is, as its YAML file defines it.

This module knows what a definition says. It does not know how a file is read (see parse.py), nor
rendering (see render.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from llprobe.errors import TaskError
from llprobe.task.dataset import Dataset
from llprobe.task.writing import Writing

__all__ = ["Definition", "Fields", "Source"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a task's rows come from."""

    generator: str = ""
    """The module of `llprobe.tasks` that makes them; empty for a data file."""
    reader: str = ""
    """The module of `llprobe.tasks` that reads them; empty to go by the file's suffix. Beside a
    generator: reads the file that a user gives in place of what is generated."""
    data: str = ""
    """The path of the data file that comes with the task; empty for none."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The generator's settings with their default values."""
    dataset: Dataset | None = None
    """What the harness' own keys say of the data; None where they are not used."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The names of the row fields that have a meaning of their own; empty for none."""

    id: str = ""
    group: str = ""
    cluster: str = ""
    best: str = ""
    correct: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """A task, as its YAML file defines it; templates are held as texts."""

    name: str
    version: str
    origin: str
    """The file's name, for messages."""
    doc_to_text: str
    doc_to_choice: str | tuple[str, ...]
    """A field's name, a jinja template that gives a list, or the list itself."""
    doc_to_target: str | int | tuple[int | str, ...]
    """A field's name, a jinja template, an index, or a list of indices or texts."""
    source: Source
    fields: Fields
    about: str = ""
    description: str = ""
    num_fewshot: int = 0
    samples: tuple[Mapping[str, Any], ...] = ()
    """The worked examples, as rows."""
    fewshot_delimiter: str = "\n\n"
    target_delimiter: str = " "
    skips_bad_rows: bool = False
    """Whether a question that cannot be asked is skipped and listed, or an error."""
    output_type: str = "multiple_choice"
    """`multiple_choice`, or `generate_until`: there are no options, the model writes."""
    writing: Writing = field(default_factory=Writing)
    """Where a written answer ends."""
    facets: tuple[str, ...] = ()
    """What the parts of a group's name say."""
    limits_groups: bool = False
    """Whether a limit counts the questions of each group, not all together."""
    stem: str = ""
    """What options follow when they are scored without the question; empty to find it."""
    habits: Mapping[str, str] = field(default_factory=dict)
    """Habits (see habits.py) that stick out because they must, with the reason."""
    tags: tuple[str, ...] = ()
    """The names under which the task is run together with others."""
    notes: tuple[str, ...] = ()
    """What of the file is ignored or done in another way, a sentence each."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """The line of each key of the file."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """The file of each key, which may be an included one."""

    @property
    def files(self) -> tuple[str, ...]:
        """The data files that come with the task."""
        dataset = self.source.dataset
        named = dataset.questions + dataset.examples if dataset else ()
        return tuple(dict.fromkeys([self.source.data, *named] if self.source.data else named))

    @property
    def needs_data(self) -> bool:
        """Whether the task can only be run with `--data`."""
        dataset = self.source.dataset
        return not (self.source.generator or self.source.data or (dataset and dataset.questions))

    def for_data(self, path: str | None) -> Definition:
        """Return the definition as it is with the data file that a user gave, if any.

        Where a task has both a generator and a reader, the file goes before the generator. The
        fields `id`, `group` and `cluster` are the generator's: what is read is numbered and has
        no groups.
        """
        if path is None or not (self.source.generator and self.source.reader):
            return self
        fields = replace(self.fields, id="", group="", cluster="")
        source = Source(reader=self.source.reader)
        return replace(self, source=source, fields=fields, facets=(), limits_groups=False)

    def where(self, key: str) -> str:
        """Return file, line and key, for messages."""
        return f"{self.origins.get(key, self.origin)}, line {self.lines.get(key, 1)}, {key}"

    def error(self, key: str, problem: str) -> TaskError:
        """Make the error that says `problem` of a key."""
        return TaskError(f"{self.where(key)}: {problem}")
