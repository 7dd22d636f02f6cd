"""What a user added: one folder a task, in the user's task folder.

    NAME/TASK.tsv      a data file that the bundled task TASK asks as NAME
    NAME/task.yaml     a task of the user's own, with what it needs beside it

A folder takes its place in one step when it is whole. Knows nothing of what the files hold.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from llprobe.errors import UsageError
from llprobe.fetch.place import workspace

__all__ = ["OWN", "Shelved", "check_name", "find", "new_entry", "remove", "shelf", "shelved"]

OWN: Final = "task.yaml"
"""What a task of the user's own is called in its folder."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """One added task."""

    name: str
    path: Path
    """Its data file, or its YAML file."""

    @property
    def task(self) -> str:
        """The bundled task whose data this is; empty for a task of the user's own."""
        return "" if self.path.name == OWN else self.path.stem


def shelf() -> Path:
    """Return the user's task folder: LLPROBE_TASKS, else `tasks` in the platform's data folder."""
    chosen = os.environ.get("LLPROBE_TASKS")
    folder = Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_dir("llprobe"))
    return folder if chosen else folder / "tasks"


def shelved() -> list[Shelved]:
    """Return all added tasks, sorted by name."""
    if not _is_folder(shelf()):
        return []
    found = (find(folder.name) for folder in sorted(shelf().iterdir()) if folder.is_dir())
    return [each for each in found if each is not None]


def find(name: str) -> Shelved | None:
    """Return what was added as `name`, None where nothing was."""
    if not _is_name(name):
        return None
    folder = shelf() / name
    if not _is_folder(folder):
        return None
    if (folder / OWN).is_file():
        return Shelved(name, folder / OWN)
    files = sorted(folder.iterdir())
    return next((Shelved(name, file) for file in files if not file.name.startswith(".")), None)


def _is_folder(path: Path) -> bool:
    """Whether this user can reach a folder there; one that is closed to them holds nothing."""
    try:
        return path.is_dir()
    except PermissionError:
        return False


def check_name(name: str) -> None:
    """Refuse what could not be a task's name on the command line, or a folder's."""
    if not _is_name(name):
        raise UsageError(
            f"{name!r} is no name for a task; use no spaces, commas or slashes, no . or - in "
            "front and no .yaml at the end"
        )


def _is_name(name: str) -> bool:
    bad = any(char.isspace() or char in ",/\\\0" for char in name)
    edges = name.startswith((".", "-")) or name.lower().endswith((".yaml", ".yml"))
    return bool(name) and not bad and not edges


@contextmanager
def new_entry(name: str, *, replace: bool) -> Iterator[Path]:
    """Give an empty folder to fill, which becomes the folder of `name` when the body ends well.

    UsageError where there is one already (unless `replace`), or where the disk refuses.
    """
    check_name(name)
    target = shelf() / name
    if not replace and target.exists():
        raise UsageError(f"there is a task {name} already, in {target}; replace it or take another")
    try:
        shelf().mkdir(parents=True, exist_ok=True)
        with workspace(shelf()) as work:
            (work / "new").mkdir()
            yield work / "new"
            if target.exists():
                target.rename(work / "old")
            (work / "new").rename(target)
    except OSError as problem:
        raise _unwritable(problem) from problem


def remove(name: str) -> None:
    """Delete what was added as `name`; UsageError where nothing was."""
    if find(name) is None:
        raise UsageError(f"no task {name} was added; see what there is in {shelf()}")
    try:
        shutil.rmtree(shelf() / name)
    except OSError as problem:
        raise _unwritable(problem) from problem


def _unwritable(problem: OSError) -> UsageError:
    return UsageError(f"{shelf()} cannot be written: {problem}; LLPROBE_TASKS chooses another")
