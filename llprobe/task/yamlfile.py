"""A YAML file as sections whose every key knows its line.

Knows nothing of which keys a task has. Refuses tags of its own (`!function` above all), since
those would run code, and keys that stand twice.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from llprobe.errors import TaskError

__all__ = ["Section", "parse_yaml", "parse_yaml_value"]


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

    def where(self, key: str) -> str:
        """Return file, line and key, for messages."""
        return f"{self.origin}, line {self.lines.get(key, self.line)}, {self.path}{key}"

    def error(self, key: str, problem: str) -> TaskError:
        """Make the error that says `problem` of a key."""
        return TaskError(f"{self.where(key)}: {problem}")

    def only(self, known: Collection[str]) -> None:
        """Refuse a key that is not `known`, naming the nearest ones."""
        for key in self.values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=2)
                hint = f"did you mean {' or '.join(near)}?" if near else "known: "
                raise self.error(key, f"unknown key; {hint}{'' if near else ', '.join(known)}")

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; without a default the key must be there."""
        value = self.values.get(key, default)
        if value is None and key not in self.values:
            raise self.error(key, "the key is missing")
        if not isinstance(value, str):
            raise self.error(key, f"must be a text, not {value!r}; put it in quotes")
        return value

    def count(self, key: str, default: int) -> int:
        """Return a whole number, 0 or more."""
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.error(key, f"must be a whole number, 0 or more, not {value!r}")
        return value

    def section(self, key: str) -> Section:
        """Return the section under a key; an empty one where the key is missing."""
        if key in self.values and key not in self.sections:
            raise self.error(key, f"must be keys with values, not {self.values[key]!r}")
        empty = Section(self.origin, f"{self.path}{key}.", self.line, {}, {}, {})
        return self.sections.get(key, empty)


def parse_yaml(text: str, origin: str) -> Section:
    """Parse a YAML text whose top is a mapping; TaskError names line and key."""
    loader, node = _composed(text, origin)
    if not isinstance(node, yaml.MappingNode):
        raise TaskError(f"{origin}: a task definition is a list of `key: value` lines")
    return _section(loader, node, origin, "")


def parse_yaml_value(text: str, origin: str) -> Any:
    """Parse a YAML text of any shape; TaskError names the line."""
    loader, node = _composed(text, origin)
    return None if node is None else _value(loader, node, origin)


def _composed(text: str, origin: str) -> tuple[yaml.SafeLoader, yaml.Node | None]:
    try:
        _refuse_tags(text, origin)
        loader = yaml.SafeLoader(text)
        return loader, loader.get_single_node()
    except (yaml.YAMLError, RecursionError) as problem:
        raise TaskError(_not_yaml(problem, origin)) from problem


def _refuse_tags(text: str, origin: str) -> None:
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        tag = getattr(event, "tag", None)
        if tag is not None and tag.startswith("!") and tag != "!":
            line = _line(event)
            raise TaskError(
                f"{origin}, line {line}: {tag} is refused, llprobe runs no Python out of a task "
                "file; write it as a jinja template"
            )


def _not_yaml(problem: Exception, origin: str) -> str:
    mark = getattr(problem, "problem_mark", None)
    said = getattr(problem, "problem", None) or getattr(problem, "reason", None) or problem
    return f"{origin}{f', line {mark.line + 1}' if mark else ''}: not YAML ({said})"


def _section(loader: yaml.SafeLoader, node: yaml.MappingNode, origin: str, path: str) -> Section:
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    sections: dict[str, Section] = {}
    for key_node, value_node in node.value:
        key = str(_value(loader, key_node, origin))
        if key in values:
            raise TaskError(f"{origin}, line {_line(key_node)}, {path}{key}: the key stands twice")
        values[key], lines[key] = _value(loader, value_node, origin), _line(key_node)
        # Two levels hold every key that is checked; an alias that holds itself ends here too.
        if isinstance(value_node, yaml.MappingNode) and not path:
            sections[key] = _section(loader, value_node, origin, f"{key}.")
    return Section(origin, path, _line(node), values, lines, sections)


def _value(loader: yaml.SafeLoader, node: yaml.Node, origin: str) -> Any:
    try:
        return loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        said = getattr(problem, "problem", None) or problem
        raise TaskError(f"{origin}, line {_line(node)}: not a value ({said})") from problem


def _line(node: yaml.Node | yaml.Event) -> int:
    return 1 if node.start_mark is None else node.start_mark.line + 1
