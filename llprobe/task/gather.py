"""Keep going after a mistake, so that all of them can be told at once.

Knows nothing of what is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from llprobe.errors import TaskError
from llprobe.task.yamlfile import ReportedError

__all__ = ["Gatherer"]

T = TypeVar("T")
U = TypeVar("U")


class Gatherer:
    """Calls what may raise a TaskError, and keeps the error in the list `found` instead."""

    def __init__(self, found: list[TaskError]) -> None:
        self.found = found

    def __call__(self, read: Callable[[], T], otherwise: U) -> T | U:
        """Return what `read` gives, `otherwise` where that is a mistake."""
        try:
            return read()
        except ReportedError:
            return otherwise  # it is in the list since the file was parsed
        except TaskError as problem:
            self.found.append(problem)
            return otherwise
