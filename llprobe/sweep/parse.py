"""A sweep's YAML file -> `SweepSpec`; every mistake names its file, line and key.

The keys, all but `models` and `tasks` with a default; where a list stands, one value will do::

    name: NAME              # at most 64 letters, digits, _ - .
    models: [MODEL, {model: MODEL, quantize: [Q8_0, Q4_K_M], keep: false}]
    tasks: [TASK, GROUP, TAG, FILE.yaml]
    lenses: [norm, paper, raw]
    layers: 1-30            # [10, 20, -1], all
    limit: 20
    shots: [default, 0, 4]
    answers: [default, cloze, letter, generate]
    seeds: [0, 1]
    ablations: [none, skip:each]
    chat: true
    pmi: true
    data: FILE
    shots_file: FILE
    instruction: TEXT
    set: {per_group: 20, language: [es, fr]}
    engine: {batch: 512, threads: 4, reference: true}
    exclude: [{model: "*Q2_K*", task: truth, seed: [1, 2]}]

Relative paths begin at the file's folder. Nothing is looked up here: not whether a model, a task
or a file is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final, TypeVar

from llprobe.errors import TaskError, UsageError
from llprobe.plan import FEATURES, Exclusion
from llprobe.sweep import values
from llprobe.sweep.engine import gather_engine
from llprobe.sweep.sections import Document
from llprobe.sweep.spec import ModelEntry, SweepSpec
from llprobe.task import read_text
from llprobe.task.bounded import bounded
from llprobe.task.gather import Gatherer
from llprobe.task.yamlfile import Section

__all__ = ["KEYS", "exclusions", "gather_sweep", "parse_sweep", "read_sweep"]

KEYS: Final = (
    *("name", "models", "tasks", "lenses", "layers", "limit", "shots", "answers", "seeds"),
    *("ablations", "chat", "pmi", "data", "shots_file", "instruction", "set", "engine", "exclude"),
)

T = TypeVar("T")


@bounded(str)
def read_sweep(path: str | Path) -> SweepSpec:
    """Return the sweep of a file, which must have a name; TaskError for the first mistake."""
    spec = parse_sweep(read_text(str(path), TaskError), str(path))
    if not spec.name:
        raise TaskError(f"{path}, line 1, name: the key is missing; write e.g. name: first")
    return spec


def parse_sweep(text: str, origin: str) -> SweepSpec:
    """Return the sweep that a YAML text defines; TaskError for the first mistake.

    `origin` is the text's file: for messages, and for the folder that relative paths begin at.
    """
    found: list[TaskError] = []
    spec = gather_sweep(text, origin, found)
    if found:
        raise found[0]
    return spec


def gather_sweep(text: str, origin: str, found: list[TaskError]) -> SweepSpec:
    """Do as `parse_sweep`, but add the mistakes to `found`, and return what can be used.

    What is no YAML mapping at all is raised in any case.
    """
    return _Reader(Document(text, origin, found), found).spec()


class _Reader:
    """Reads one document; what is wrong with a key leaves its default."""

    def __init__(self, document: Document, found: list[TaskError]) -> None:
        self.document, self.top, self.found = document, document.top, found
        self.keep = Gatherer(found)
        self.folder = Path(self.top.origin).parent.absolute()

    def spec(self) -> SweepSpec:
        self.found.extend(self.top.unknown(KEYS))
        here = partial(partial, folder=self.folder)
        return SweepSpec(
            name=self.one("name", values.sweep_name, ""),
            models=self.required("models", partial(_model, folder=self.folder)),
            tasks=self.required("tasks", _valued("tasks", here(values.task))),
            lenses=self.many("lenses", values.lens, ("norm",)),
            layers=self.one("layers", values.layers, None),
            limit=self.one("limit", values.limit, None),
            shots=self.many("shots", values.shots, (None,)),
            answers=self.many("answers", values.answer, ("",)),
            seeds=self.many("seeds", values.seed, (0,)),
            ablations=self.many("ablations", values.ablation, ("none",)),
            chat=self.one("chat", values.flag, default=False),
            pmi=self.one("pmi", values.flag, default=False),
            data=self.one("data", here(values.path), None),
            shots_file=self.one("shots_file", here(values.path), None),
            instruction=self.keep(lambda: self.top.text("instruction", ""), "")
            if self.top.has("instruction")
            else None,
            settings=self.settings(),
            engine=gather_engine(self.section("engine"), self.found),
            exclude=self.exclude(),
        )

    def one(self, key: str, convert: Callable[[Any], T], default: T) -> T:
        """Return a key's value; the default where it is missing, null or wrong."""
        if not self.top.has(key):
            return default
        return self.keep(lambda: _converted(self.top, key, convert), default)

    def many(self, key: str, convert: Callable[[Any], T], default: tuple[T, ...]) -> tuple[T, ...]:
        """Return a key's values, each once; the default where it is missing or null."""
        if not self.top.has(key):
            return default
        return self.each(key, _valued(key, convert))

    def required(self, key: str, read: Callable[[Section], T]) -> tuple[T, ...]:
        """Return the values of a key that must be there."""
        if not self.top.has(key):
            self.found.append(self.top.error(key, "the key is missing; name at least one"))
        return self.each(key, read)

    def each(self, key: str, read: Callable[[Section], T]) -> tuple[T, ...]:
        """Return what `read` makes of each entry; none of two that are the same may stand."""
        entries = self.keep(partial(self.document.entries, key), [])
        made = [got for entry in entries for got in self.keep(partial(_listed, read, entry), [])]
        if self.top.values.get(key) == []:
            self.found.append(self.top.error(key, "the list is empty; name at least one"))
        self.keep(lambda: _checked(self.top, key, made), None)
        return tuple(made)

    def section(self, key: str) -> Section:
        empty = Section(self.top.origin, f"{key}.", self.top.line, {}, {}, {})
        return self.keep(lambda: self.top.section(key), empty)

    def settings(self) -> tuple[tuple[str, str], ...]:
        own = self.section("set")
        read = (partial(_setting, own, name) for name in own.lines)
        return tuple(pair for each in read for pair in self.keep(each, ()))

    def exclude(self) -> tuple[Exclusion, ...]:
        entries = self.keep(lambda: self.document.entries("exclude"), [])
        return tuple(
            each for entry in entries for each in self.keep(partial(_exclusions, entry), ())
        )


def _valued(key: str, convert: Callable[[Any], T]) -> Callable[[Section], T]:
    return lambda section: _converted(section, key, convert)


def _listed(read: Callable[[Section], T], entry: Section) -> list[T]:
    return [read(entry)]


def _converted(section: Section, key: str, convert: Callable[[Any], T]) -> T:
    try:
        return convert(section.get(key))
    except UsageError as problem:
        raise section.error(key, str(problem)) from problem


def _checked(section: Section, key: str, made: list[Any]) -> None:
    _converted(section, key, lambda _: values.twice(made))


def _model(section: Section, folder: Path) -> ModelEntry:
    if "models" not in section.sections:
        return ModelEntry(_converted(section, "models", partial(values.model, folder=folder)))
    own = section.section("models")
    own.only(("model", "quantize", "keep"))
    if not own.has("model"):
        raise own.error("model", "the key is missing")
    name = _converted(own, "model", partial(values.model, folder=folder))
    quants = _converted(own, "quantize", _quants)
    keep = _converted(own, "keep", values.flag) if own.has("keep") else True
    return _converted(own, "keep", lambda _: ModelEntry(name, quants, keep))


def _quants(value: Any) -> tuple[str, ...]:
    quants = tuple(values.quant(each) for each in _several(value))
    values.twice(quants)
    return quants


def _several(value: Any) -> list[Any]:
    """Return a list as it is, one value as a list, null as an empty one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _setting(own: Section, name: str) -> tuple[tuple[str, str], ...]:
    if not name.strip():
        raise own.error(name, "a setting needs a name, e.g. per_group: 20")
    return ((name, _converted(own, name, values.setting)),)


def _exclusions(entry: Section) -> tuple[Exclusion, ...]:
    own = entry.section("exclude")
    own.only(FEATURES)
    if not own.values:
        raise entry.error("exclude", f"must say which cells; known: {', '.join(FEATURES)}")
    return exclusions({key: _converted(own, key, _patterns) for key in own.values})


def _patterns(value: Any) -> list[str]:
    if value == []:
        raise UsageError("the list is empty; name at least one")
    return [values.pattern(each) for each in (value if isinstance(value, list) else [value])]


def exclusions(patterns: Mapping[str, list[str]]) -> tuple[Exclusion, ...]:
    """Return an exclusion for each choice of one pattern per feature."""
    return tuple(
        Exclusion(tuple(zip(patterns, chosen, strict=True)))
        for chosen in product(*patterns.values())
    )
