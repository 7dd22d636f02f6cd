"""A parsed YAML file -> a `Definition`: lm-evaluation-harness' keys, llprobe's own under `llprobe`.

Says which key on which line is wrong.
The harness' keys for data are dataset.py's to read, those that are ignored or refused harness.py's.
Knows nothing of rendering (see render.py) and opens no file.

llprobe's own keys::

    llprobe:
      about: one line for lists
      generator: NAME    # rows made by llprobe.tasks.NAME.generate ...
      reader: NAME       # ... or read by llprobe.tasks.NAME.read from a data file ...
      data: FILE         # ... the data file, relative to this one; `--data` goes before it
                         # (generator and reader: made, or read from the file of `--data`)
      settings: {}       # what the generator can be told, with the default values
      id: FIELD          # the field that holds ... the question's id
      group: FIELD       # ... its result group
      cluster: FIELD     # ... its template or the like: items that share it are not independent
      best: FIELD        # ... the index or text of its best answer
      correct: FIELD     # ... the indices or texts of its true options
      bad_rows: skip     # a question that cannot be asked is skipped, not an error
      facets: [A, B]     # what the parts of a group's name (`x/y`) say, for `--by A`
      limit: group       # `-L` counts the questions of each group
      stem: "A:"         # what the options follow when they are scored without the question
      habits: {longest: WHY}  # habits that must stick out, each with the reason
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llprobe.errors import TaskError
from llprobe.task import harness, writing
from llprobe.task.dataset import Dataset, parse_dataset
from llprobe.task.definition import Definition, Fields, Source
from llprobe.task.examples import EXAMPLE_KEYS, number, sampler_note, samples_of
from llprobe.task.gather import Gatherer
from llprobe.task.writing import Writing
from llprobe.task.yamlfile import Section, shown

__all__ = ["gather_definition", "parse_definition"]

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
    "generation_kwargs",
    *harness.HARNESS_KEYS,
    "llprobe",
)
_FIELD_KEYS = ("id", "group", "cluster", "best", "correct")
_SECTIONS = ("llprobe", "fewshot_config", "metadata")
_OWN_KEYS = (
    *("about", "generator", "reader", "data", "settings", *_FIELD_KEYS, "bad_rows"),
    *("facets", "limit", "stem", "habits"),
)


def parse_definition(top: Section, folder: Path | None) -> Definition:
    """Check a parsed file and return what it defines.

    `folder` is what `llprobe.data` is relative to. TaskError names file, line and key of the
    first mistake.
    """
    found: list[TaskError] = []
    definition = gather_definition(top, folder, found)
    if found:
        raise found[0]
    return definition


def gather_definition(top: Section, folder: Path | None, found: list[TaskError]) -> Definition:
    """Check a parsed file and add every mistake in it to `found`.

    The definition that is returned can be used where nothing was found.
    """
    keep = Gatherer(found)
    name = keep(lambda: _name(top), "")
    found.extend(top.unknown(_KEYS))
    found.extend(harness.refusals(top))
    output_type = keep(lambda: writing.output_type(top), "")
    own, config, metadata = (_section(top, key, keep) for key in _SECTIONS)
    found.extend(own.unknown(_OWN_KEYS))
    found.extend(config.unknown(EXAMPLE_KEYS))
    samples = keep(lambda: samples_of(config), ())
    dataset = keep(lambda: parse_dataset(top, has_samples=bool(samples)), None)
    return Definition(
        name=name,
        version=keep(lambda: _version(metadata), ""),
        origin=top.origin,
        doc_to_text=keep(lambda: top.text("doc_to_text"), ""),
        doc_to_choice=keep(lambda: _choice(top), ()) if output_type != writing.WRITES else (),
        doc_to_target=keep(lambda: _target(top), 0),
        source=keep(lambda: _source(own, folder, dataset), Source()),
        fields=Fields(**{key: _text(own, key, "", keep) for key in _FIELD_KEYS}),
        about=_text(own, "about", "", keep),
        description=_text(top, "description", "", keep),
        num_fewshot=keep(lambda: number(top, config, len(samples), dataset), 0),
        samples=samples,
        fewshot_delimiter=_text(top, "fewshot_delimiter", "\n\n", keep),
        target_delimiter=_text(top, "target_delimiter", " ", keep),
        skips_bad_rows=keep(lambda: _skips_bad_rows(own), otherwise=False),
        output_type=output_type,
        writing=keep(lambda: writing.writing(top), Writing()),
        facets=keep(lambda: _facets(own), ()),
        limits_groups=keep(lambda: _limits_groups(own), otherwise=False),
        stem=_text(own, "stem", "", keep),
        habits=keep(lambda: _habits(own), {}),
        tags=keep(lambda: harness.tags(top), ()),
        notes=harness.notes(top) + keep(lambda: sampler_note(top, config), ()),
        lines={name: line for name, _, line in _places(top)},
        origins={name: file for name, file, _ in _places(top)},
    )


def _places(top: Section) -> Iterator[tuple[str, str, int]]:
    """Yield each key, with the sections that lead to it, and its file and line."""
    for section in (top, *top.sections.values()):
        for key, line in section.lines.items():
            yield f"{section.path}{key}", section.origins.get(key, section.origin), line


def _section(top: Section, key: str, keep: Gatherer) -> Section:
    return keep(lambda: top.section(key), Section(top.origin, f"{key}.", top.line, {}, {}, {}))


def _text(section: Section, key: str, default: str, keep: Gatherer) -> str:
    return keep(lambda: section.text(key, default), default)


def _name(top: Section) -> str:
    name = top.get("task")
    if isinstance(name, list):
        raise top.error("task", "this file is a group of tasks, not a task; run it with -t")
    name = top.text("task")
    if not name.strip() or any(char.isspace() or char in ",/\\" for char in name):
        raise top.error("task", f"{name!r} is no name; use no spaces, commas or slashes")
    return name


def _version(metadata: Section) -> str:
    value = metadata.get("version", 0)
    if not isinstance(value, str | int | float):
        raise metadata.error("version", f"must be a number or a text, not {shown(value)}")
    return str(value)


def _choice(top: Section) -> str | tuple[str, ...]:
    value = top.get("doc_to_choice")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list) and value:
        return tuple(_listed_choice(top, each) for each in value)
    return top.text("doc_to_choice")


def _listed_choice(top: Section, value: Any) -> str:
    # YAML reads a bare yes or no as a truth value, and nobody means to score "True" then.
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise top.error(
            "doc_to_choice", f"an option must be a text, not {shown(value)}; put quotes"
        )
    return str(value)


def _target(top: Section) -> str | int | tuple[int | str, ...]:
    value = top.get("doc_to_target")
    if isinstance(value, list) and value and all(_is_target(each) for each in value):
        return tuple(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return top.text("doc_to_target")


def _is_target(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _source(own: Section, folder: Path | None, dataset: Dataset | None) -> Source:
    generator, reader, data = (own.text(key, "") for key in ("generator", "reader", "data"))
    if generator and (data or dataset):
        raise own.error("generator", "a task with a generator takes no data of its own")
    if data and dataset and dataset.questions:
        raise own.error("data", "dataset_kwargs names a data file already; keep one of the two")
    settings = own.get("settings", {})
    if not isinstance(settings, dict) or not all(isinstance(key, str) for key in settings):
        raise own.error("settings", f"must be names with values, not {shown(settings)}")
    # An included file's data lie beside that file.
    base = folder and Path(own.origins.get("data", own.origin)).parent
    return Source(generator, reader, str(base / data) if data and base else data, settings, dataset)


def _skips_bad_rows(own: Section) -> bool:
    value = own.text("bad_rows", "error")
    if value not in {"error", "skip"}:
        raise own.error("bad_rows", f"must be error or skip, not {shown(value)}")
    return value == "skip"


def _facets(own: Section) -> tuple[str, ...]:
    value = own.get("facets", [])
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise own.error("facets", f"must be a list of names, not {shown(value)}")
    return tuple(value)


def _limits_groups(own: Section) -> bool:
    value = own.text("limit", "task")
    if value not in {"task", "group"}:
        raise own.error("limit", f"must be task or group, not {shown(value)}")
    return value == "group"


def _habits(own: Section) -> Mapping[str, str]:
    value = own.get("habits", {})
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise own.error("habits", f"must be habits with reasons, not {shown(value)}")
    return value
