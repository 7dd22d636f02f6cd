"""Errors that a user can be shown: one line that says what is wrong and what to do next.

The tree, with the exit code that the command line gives each::

    LlprobeError                1
    ├── UsageError              2   the command as typed cannot be carried out
    │   └── UnknownName         2   no such model, task, run; the nearest names are given
    ├── ModelError              2   a model that cannot be probed
    │   ├── ModelFileError      2   missing, cut short, not GGUF, or lying about itself
    │   ├── ModelNotSupported   2   an architecture, tensor or op that is not known
    │   └── ModelTooLarge       1   does not fit this machine's memory
    ├── TaskError               2   a task definition that cannot be used
    │   └── DataError           2   a data file, named with its line, that cannot be read
    ├── FetchError              1   a download that did not come to its end
    ├── StoreError              1   the database cannot be opened, read or written
    └── RunError                1   a run that stopped before its end

This module knows nothing else of llprobe.
"""

from __future__ import annotations

import copyreg
import difflib
from collections.abc import Iterable
from typing import Any

__all__ = [
    "DataError",
    "FetchError",
    "LlprobeError",
    "ModelError",
    "ModelFileError",
    "ModelNotSupported",
    "ModelTooLarge",
    "RunError",
    "StoreError",
    "TaskError",
    "UnknownName",
    "UsageError",
]


class LlprobeError(Exception):
    """Anything that ends a command with one line; `exit_code` is the process's exit status."""

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the message alone: it crosses a pipe, what it was made of need not."""
        return copyreg.__newobj__, (type(self), *self.args)  # type: ignore[attr-defined]


class UsageError(LlprobeError):
    """The command or call cannot be carried out as it was given."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that nothing answers to; the message lists the nearest known ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        listed = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"no {kind} named {name!r}; {listed}{' ' + hint if hint else ''}")


class ModelError(LlprobeError):
    """A model that cannot be probed."""

    exit_code = 2


class ModelFileError(ModelError):
    """A model file that is missing, cut short, not GGUF, or lies about its sizes."""


class ModelNotSupported(ModelError):
    """An architecture, tensor or op that the engine does not know, named in the message."""


class ModelTooLarge(ModelError):
    """A model, cache or buffer that does not fit this machine's memory."""

    exit_code = 1


class TaskError(LlprobeError):
    """A task definition that cannot be used; the message names file, line or key."""

    exit_code = 2


class DataError(TaskError):
    """A data file that cannot be read; the message names file and line."""


class FetchError(LlprobeError):
    """A download that did not come to its end; what was there before is untouched."""


class StoreError(LlprobeError):
    """The database cannot be opened, read or written; what it holds is untouched."""


class RunError(LlprobeError):
    """A run that stopped before its end; what was scored is stored."""
