"""Values of a model's metadata in the type that is expected, with errors that name file and key.

This module does not know which keys there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llprobe.errors import ModelFileError
from llprobe.model.header import LongArray, MetaValue

__all__ = ["Metadata", "show"]


@dataclass(frozen=True)
class Metadata:
    """The key-values of one file."""

    path: Path
    """The file."""
    values: Mapping[str, MetaValue]
    """By key, of its header."""

    def number(self, key: str) -> int:
        """Return a positive integer; of one per layer, the largest."""
        value = self.values.get(key)
        found = value if isinstance(value, tuple) else (value,)
        numbers = [v for v in found if type(v) is int and 0 <= v < 1 << 31]
        if not numbers or len(numbers) != len(found) or not max(numbers):
            raise ModelFileError(f"{self.path}: metadata {key} is {show(value)}, not a number > 0")
        return max(numbers)

    def length(self, key: str) -> int:
        """Return how long a list of strings is."""
        value = self.values.get(key)
        if isinstance(value, LongArray) and value.element == "STRING":
            return len(value)
        if isinstance(value, tuple) and value and all(isinstance(v, str) for v in value):
            return len(value)
        raise ModelFileError(f"{self.path}: metadata {key} is {show(value)}, not a list of text")

    def text(self, key: str) -> str:
        """Return a printable string; empty where there is none."""
        value = self.values.get(key)
        return "".join(c for c in value if c.isprintable()) if isinstance(value, str) else ""


def show(value: MetaValue | None) -> str:
    """Return a value for an error's text, shortened."""
    return "missing" if value is None else repr(value)[:60]
