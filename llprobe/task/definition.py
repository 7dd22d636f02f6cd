"""A task definition: lm-evaluation-harness' keys, and llprobe's own under `llprobe`.

Turns a parsed YAML file into a frozen `Definition`, or says which key on which line is wrong.
Knows nothing of rendering (see render.py) and opens no file.

llprobe's own keys::

    llprobe:
      about: one line for lists
      generator: NAME    # rows made by llprobe.tasks.NAME.generate ...
      reader: NAME       # ... or read by llprobe.tasks.NAME.read from a data file ...
      data: FILE         # ... the data file, relative to this one; `--data` goes before it
      settings: {}       # what the generator can be told, with the default values
      id: FIELD          # the field that holds ... the question's id
      group: FIELD       # ... its result group
      best: FIELD        # ... the index or text of its best answer
      correct: FIELD     # ... the indices or texts of its true options
      bad_rows: skip     # a question that cannot be asked is skipped, not an error
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llprobe.errors import TaskError
from llprobe.task.yamlfile import Section

__all__ = ["Definition", "Fields", "Source", "parse_definition"]

_KEYS = (
    "task",
    "output_type",
    "description",
    "doc_to_text",
    "doc_to_choice",
    "doc_to_target",
    "num_fewshot",
    "fewshot_config",
    "fewshot_delimiter",
    "target_delimiter",
    "metadata",
    "llprobe",
)
_FIELD_KEYS = ("id", "group", "best", "correct")
_OWN_KEYS = ("about", "generator", "reader", "data", "settings", *_FIELD_KEYS, "bad_rows")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a task's rows come from."""

    generator: str = ""
    """The module of `llprobe.tasks` that makes them; empty for a data file."""
    reader: str = ""
    """The module of `llprobe.tasks` that reads them; empty to go by the file's suffix."""
    data: str = ""
    """The path of the data file that comes with the task; empty for none."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The generator's settings with their default values."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The names of the row fields that have a meaning of their own; empty for none."""

    id: str = ""
    group: str = ""
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
    lines: Mapping[str, int] = field(default_factory=dict)
    """The line of each key of the file."""

    @property
    def needs_data(self) -> bool:
        """Whether the task can only be run with `--data`."""
        return not (self.source.generator or self.source.data)

    def where(self, key: str) -> str:
        """Return file, line and key, for messages."""
        return f"{self.origin}, line {self.lines.get(key, 1)}, {key}"

    def error(self, key: str, problem: str) -> TaskError:
        """Make the error that says `problem` of a key."""
        return TaskError(f"{self.where(key)}: {problem}")


def parse_definition(top: Section, folder: Path | None) -> Definition:
    """Check a parsed file and return what it defines.

    `folder` is what `llprobe.data` is relative to. TaskError names file, line and key.
    """
    top.only(_KEYS)
    _check_output_type(top)
    own = top.section("llprobe")
    own.only(_OWN_KEYS)
    samples = _samples(top.section("fewshot_config"))
    return Definition(
        name=_name(top),
        version=str(top.section("metadata").values.get("version", "0")),
        origin=top.origin,
        doc_to_text=top.text("doc_to_text"),
        doc_to_choice=_choice(top),
        doc_to_target=_target(top),
        source=_source(own, folder),
        fields=Fields(**{key: own.text(key, "") for key in _FIELD_KEYS}),
        about=own.text("about", ""),
        description=top.text("description", ""),
        num_fewshot=_num_fewshot(top, len(samples)),
        samples=samples,
        fewshot_delimiter=top.text("fewshot_delimiter", "\n\n"),
        target_delimiter=top.text("target_delimiter", " "),
        skips_bad_rows=_skips_bad_rows(own),
        lines=top.lines,
    )


def _check_output_type(top: Section) -> None:
    given = top.text("output_type")
    if given != "multiple_choice":
        raise top.error("output_type", f"{given!r} is not known; llprobe scores multiple_choice")


def _name(top: Section) -> str:
    name = top.text("task")
    if not name.strip() or any(char.isspace() or char in ",/\\" for char in name):
        raise top.error("task", f"{name!r} is no name; use no spaces, commas or slashes")
    return name


def _choice(top: Section) -> str | tuple[str, ...]:
    value = top.values.get("doc_to_choice")
    if isinstance(value, list) and value:
        return tuple(_listed_choice(top, each) for each in value)
    return top.text("doc_to_choice")


def _listed_choice(top: Section, value: Any) -> str:
    # YAML reads a bare yes or no as a truth value, and nobody means to score "True" then.
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise top.error("doc_to_choice", f"an option must be a text, not {value!r}; put quotes")
    return str(value)


def _target(top: Section) -> str | int | tuple[int | str, ...]:
    value = top.values.get("doc_to_target")
    if isinstance(value, list) and value and all(_is_target(each) for each in value):
        return tuple(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return top.text("doc_to_target")


def _is_target(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _source(own: Section, folder: Path | None) -> Source:
    generator, reader, data = (own.text(key, "") for key in ("generator", "reader", "data"))
    if generator and (reader or data):
        raise own.error("generator", "a task with a generator takes neither reader nor data")
    settings = own.values.get("settings", {})
    if not isinstance(settings, dict) or not all(isinstance(key, str) for key in settings):
        raise own.error("settings", f"must be names with values, not {settings!r}")
    path = str(folder / data) if data and folder else data
    return Source(generator, reader, path, settings)


def _num_fewshot(top: Section, there: int) -> int:
    wanted = top.count("num_fewshot", 0)
    if wanted > there:
        raise top.error("num_fewshot", f"{wanted}, but fewshot_config.samples holds {there}")
    return wanted


def _samples(config: Section) -> tuple[Mapping[str, Any], ...]:
    config.only(("sampler", "samples"))
    if config.text("sampler", "first_n") != "first_n":
        raise config.error("sampler", "only first_n is known: the worked examples keep their order")
    samples = config.values.get("samples", [])
    if not isinstance(samples, list) or not all(isinstance(each, dict) for each in samples):
        raise config.error("samples", "must be a list of rows, `- field: value`")
    return tuple(samples)


def _skips_bad_rows(own: Section) -> bool:
    value = own.text("bad_rows", "error")
    if value not in {"error", "skip"}:
        raise own.error("bad_rows", f"must be error or skip, not {value!r}")
    return value == "skip"
