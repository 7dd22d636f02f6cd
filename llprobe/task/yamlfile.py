"""A YAML file as sections whose every key knows its file and its line.

Knows nothing of which keys a task has. Refuses tags of its own (`!function` above all), since
those would run code, and keys that stand twice. What is wrong is raised at the first mistake, or
gathered in a list for who wants to see them all.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from llprobe.errors import TaskError
from llprobe.printable import has_half_characters
from llprobe.task.yamlvalues import AsWritten

__all__ = ["ReportedError", "Section", "parse_yaml", "parse_yaml_value", "shown"]

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxlong, _SHORT.maxother = 2, 60, 60, 60


class ReportedError(TaskError):
    """The key's value cannot be used, which stands in the list of mistakes already."""


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping of a YAML file: its values, their lines, and the sections within it."""

    origin: str
    """The file's name, for messages."""
    path: str
    """The keys that lead here, each followed by a dot; empty at the top."""
    line: int
    values: Mapping[str, Any]
    lines: Mapping[str, int]
    sections: Mapping[str, Section]
    origins: Mapping[str, str] = field(default_factory=dict)
    """The file of each key that comes from another one (see `over`)."""
    bad: frozenset[str] = frozenset()
    """Keys that are there with a value that cannot be used."""

    def where(self, key: str) -> str:
        """Return file, line and key, for messages."""
        file = self.origins.get(key, self.origin)
        return f"{file}, line {self.lines.get(key, self.line)}, {self.path}{key}"

    def error(self, key: str, problem: str) -> TaskError:
        """Make the error that says `problem` of a key."""
        return TaskError(f"{self.where(key)}: {problem}")

    def over(self, base: Section) -> Section:
        """Return this section with the keys of `base` that it does not have itself."""
        own = self.lines.keys()
        origins = {key: base.origins.get(key, base.origin) for key in base.lines}
        return replace(
            self,
            values={**base.values, **self.values},
            lines={**base.lines, **self.lines},
            sections={
                **{key: each for key, each in base.sections.items() if key not in own},
                **self.sections,
            },
            origins={**{k: v for k, v in origins.items() if k not in own}, **self.origins},
            bad=frozenset(self.bad | (base.bad - own)),
        )

    def without(self, key: str) -> Section:
        """Return this section without a key."""
        return replace(
            self,
            values={name: value for name, value in self.values.items() if name != key},
            sections={name: each for name, each in self.sections.items() if name != key},
        )

    def unknown(self, known: Collection[str]) -> Iterator[TaskError]:
        """Yield an error for each key that is not `known`, naming the nearest ones."""
        for key in self.values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=2)
                hint = f"did you mean {' or '.join(near)}?" if near else "known: "
                yield self.error(key, f"unknown key; {hint}{'' if near else ', '.join(known)}")

    def only(self, known: Collection[str]) -> None:
        """Refuse a key that is not `known`."""
        for problem in self.unknown(known):
            raise problem

    def has(self, key: str) -> bool:
        """Whether the key is there with a value other than null."""
        return key in self.bad or key in self.sections or self.values.get(key) is not None

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value; the default where the key is missing or null."""
        if key in self.bad:
            raise ReportedError(self.where(key))
        value = self.values.get(key)
        return default if value is None else value

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; without a default the key must be there."""
        value = self.get(key, default)
        if value is None and key not in self.values:
            raise self.error(key, "the key is missing")
        if not isinstance(value, str):
            raise self.error(key, f"must be a text, not {shown(value)}; put it in quotes")
        return value

    def count(self, key: str, default: int) -> int:
        """Return a whole number, 0 or more."""
        value = self.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.error(key, f"must be a whole number, 0 or more, not {shown(value)}")
        return value

    def section(self, key: str) -> Section:
        """Return the section under a key; an empty one where the key is missing."""
        value = self.get(key)
        if value is not None and key not in self.sections:
            raise self.error(key, f"must be keys with values, not {shown(value)}")
        empty = Section(self.origin, f"{self.path}{key}.", self.line, {}, {}, {})
        return self.sections.get(key, empty)


def shown(value: Any) -> str:
    """Return a value for a message: short, however large or deeply nested it is."""
    return _SHORT.repr(value)


def parse_yaml(text: str, origin: str, mistakes: list[TaskError] | None = None) -> Section:
    """Parse a YAML text whose top is a mapping; TaskError names line and key.

    What is wrong with single keys goes to `mistakes` where that list is given; such a key is
    `bad` then. A text that is not YAML at all is raised in any case.
    """
    found: list[TaskError] = []
    loader, node = _composed(text, origin)
    if not isinstance(node, yaml.MappingNode):
        raise TaskError(f"{origin}: a task definition is a list of `key: value` lines")
    section = _section(loader, node, origin, "", found)
    if mistakes is not None:
        mistakes.extend(found)
    elif found:
        raise found[0]
    return section


def parse_yaml_value(text: str, origin: str) -> Any:
    """Parse a YAML text of any shape; TaskError names the line."""
    loader, node = _composed(text, origin)
    if node is None:
        return None
    try:
        return _value(loader, node, _line(node))
    except _BadValueError as problem:
        raise TaskError(f"{origin}, line {problem.line}: {problem}") from problem


class _BadValueError(Exception):
    """A value that cannot be made; the text says why, `line` where."""

    def __init__(self, said: str, line: int) -> None:
        super().__init__(said)
        self.line = line


def _composed(text: str, origin: str) -> tuple[yaml.SafeLoader, yaml.Node | None]:
    try:
        loader = AsWritten(text)
        return loader, loader.get_single_node()
    except (yaml.YAMLError, RecursionError) as problem:
        raise TaskError(_not_yaml(problem, origin)) from problem


def _not_yaml(problem: Exception, origin: str) -> str:
    mark = getattr(problem, "problem_mark", None)
    said = getattr(problem, "problem", None) or getattr(problem, "reason", None) or problem
    return f"{origin}{f', line {mark.line + 1}' if mark else ''}: not YAML ({said})"


def _refused(node: yaml.Node) -> yaml.Node | None:
    """Return the first node, this one or one within it, that is refused: see `_refusal`."""
    return next((each for each in _nodes(node) if _has_tag(each) or _is_half(each)), None)


def _nodes(node: yaml.Node) -> Iterator[yaml.Node]:
    """Yield a node and those within it, each once."""
    waiting, seen = [node], set[int]()
    while waiting:
        at = waiting.pop()
        if id(at) in seen:
            continue  # an alias, or an anchor that holds itself
        seen.add(id(at))
        yield at
        if isinstance(at, yaml.MappingNode):
            waiting += [each for pair in reversed(at.value) for each in reversed(pair)]
        elif isinstance(at, yaml.SequenceNode):
            waiting += reversed(at.value)


def _has_tag(node: yaml.Node) -> bool:
    return bool(node.tag.startswith("!") and node.tag != "!")


def _is_half(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and has_half_characters(node.value)


def _refusal(node: yaml.Node) -> str:
    if _is_half(node):
        return f"{shown(node.value)} holds half a character (\\ud800 to \\udfff): write it whole"
    return (
        f"{node.tag} is refused, llprobe runs no Python out of a task file; "
        "write it as a jinja template"
    )


def _section(
    loader: yaml.SafeLoader, node: yaml.MappingNode, origin: str, path: str, found: list[TaskError]
) -> Section:
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    sections: dict[str, Section] = {}
    bad: set[str] = set()
    for key_node, value_node in node.value:
        key, line = _key(loader, key_node, origin), _line(key_node)
        if key in lines:
            found.append(TaskError(f"{origin}, line {line}, {path}{key}: the key stands twice"))
            continue
        lines[key], before = line, len(found)
        # Two levels hold every key that is checked; an alias that holds itself ends here too.
        if isinstance(value_node, yaml.MappingNode) and not path:
            sections[key] = _section(loader, value_node, origin, f"{key}.", found)
        if len(found) == before:
            try:
                values[key] = _value(loader, value_node, line)
            except _BadValueError as problem:
                found.append(TaskError(f"{origin}, line {problem.line}, {path}{key}: {problem}"))
        if len(found) > before and key not in sections:
            bad.add(key)
    return Section(origin, path, _line(node), values, lines, sections, {}, frozenset(bad))


def _key(loader: yaml.SafeLoader, node: yaml.Node, origin: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise TaskError(f"{origin}, line {_line(node)}: a key must be a text, no list or mapping")
    try:
        return str(_value(loader, node, _line(node)))
    except _BadValueError as problem:
        raise TaskError(f"{origin}, line {problem.line}: {problem}") from problem


def _value(loader: yaml.SafeLoader, node: yaml.Node, line: int) -> Any:
    refused = _refused(node)
    if refused is not None:
        raise _BadValueError(_refusal(refused), _line(refused))
    try:
        return loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError, KeyError, RecursionError) as problem:
        said = getattr(problem, "problem", None) or problem
        raise _BadValueError(f"not a value ({said})", line) from problem


def _line(node: yaml.Node) -> int:
    return 1 if node.start_mark is None else node.start_mark.line + 1
