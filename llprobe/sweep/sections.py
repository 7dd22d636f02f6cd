"""The lists of a sweep's file, taken apart so that each of their entries knows its line.

Knows nothing of which keys there are or what they mean.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import yaml

from llprobe.errors import TaskError
from llprobe.task.yamlfile import Section, parse_yaml

__all__ = ["Document"]


class Document:
    """A YAML text whose top is a mapping.

    Mistakes of single keys are added to `found`; TaskError for what is no such text at all.
    """

    def __init__(self, text: str, origin: str, found: list[TaskError]) -> None:
        self._nodes: dict[str, yaml.Node] = {}
        with suppress(yaml.YAMLError, RecursionError):  # parse_yaml says what, and where
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            if not isinstance(root, yaml.MappingNode):
                said = "a sweep is a list of `key: value` lines, the first e.g. `name: first`"
                raise TaskError(f"{origin}: {said}")
            for key, value in root.value:
                if isinstance(key, yaml.ScalarNode):
                    self._nodes.setdefault(
                        key.value, value
                    )  # of a key that stands twice, the first
        self.top: Section = parse_yaml(text, origin, found)

    def entries(self, key: str) -> list[Section]:
        """Return what stands under a key, each entry as a section with this key alone.

        A value that is no list is one entry; there is none where the key is missing or null.
        """
        value = self.top.get(key)
        if not isinstance(value, list):
            return [self.top] if self.top.has(key) else []
        nodes = self._nodes[key].value
        return [self._entry(key, *each) for each in zip(value, nodes, strict=True)]

    def _entry(self, key: str, value: Any, node: yaml.Node) -> Section:
        line = node.start_mark.line + 1
        inner = {key: self._inner(key, value, node)} if isinstance(value, dict) else {}
        return Section(self.top.origin, "", line, {key: value}, {key: line}, inner)

    def _inner(self, key: str, value: dict[Any, Any], node: yaml.Node) -> Section:
        lines: dict[str, int] = {}
        for name, _ in node.value:
            if name.value in lines:
                line = name.start_mark.line + 1
                where = f"{self.top.origin}, line {line}, {key}.{name.value}"
                raise TaskError(f"{where}: the key stands twice")
            lines[name.value] = name.start_mark.line + 1
        values = {str(name): each for name, each in value.items()}
        return Section(self.top.origin, f"{key}.", node.start_mark.line + 1, values, lines, {})
