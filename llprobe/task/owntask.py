"""A task of the user's own as files: its YAML file, what that includes, and its data files.

They are copied with their places relative to the YAML file kept, so that it says the same where
it lies then. Knows nothing of what they hold.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from llprobe.errors import UsageError
from llprobe.task.definition import Definition
from llprobe.task.include import included_files
from llprobe.task.shelf import OWN

__all__ = ["copy_own"]


def copy_own(file: Path, definition: Definition, folder: Path) -> None:
    """Copy a YAML file (as OWN) and the files that it names into `folder`.

    UsageError where one of them does not lie beside it or below.
    """
    top = Path(os.path.abspath(file)).parent  # noqa: PTH100 - a link keeps its own name
    shutil.copyfile(file, folder / OWN)
    for needed in dict.fromkeys(_needed(file, definition)):
        if not needed.is_relative_to(top):
            raise UsageError(f"{needed} must lie beside the task's YAML file, or below")
        place = folder / needed.relative_to(top)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(needed, place)


def _needed(file: Path, definition: Definition) -> Iterator[Path]:
    """Yield the paths, made absolute, of all files but the YAML file itself."""
    yield from (each for each in included_files(str(file)) if each != file.resolve())
    source = definition.source
    if source.data:
        yield Path(os.path.abspath(source.data))  # noqa: PTH100 - as above
    if source.dataset:
        for files in source.dataset.files.values():
            yield from (Path(os.path.abspath(each)) for each in files)  # noqa: PTH100 - as above
