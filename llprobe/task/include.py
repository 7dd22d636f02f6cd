"""A task file with what it includes: `include: FILE`, or a list of files, as the harness has it.

The file's own keys go before those of the files it includes, the first of these before the next;
so a file that was included before brings nothing new, and is read once.
A name is relative to the file in which it stands, and what is included lies in the folder of the
file that was asked for, or below it. Knows nothing of which keys a task has.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from llprobe.errors import TaskError
from llprobe.task.bounded import bounded
from llprobe.task.files import read_text
from llprobe.task.yamlfile import ReportedError, Section, parse_yaml, shown

__all__ = ["included_files", "read_task_file"]

_MOST_FILES: Final = 100


def read_task_file(path: str, mistakes: list[TaskError] | None = None) -> Section:
    """Return a task file's keys, with those of the files that it includes.

    TaskError names file, line and key of the first mistake. Where a list of `mistakes` is given,
    they are added to it instead, and what can be read is returned; only a file that is missing or
    is not YAML is raised in any case.
    """
    found: list[TaskError] = []
    section = _Including(found).read(path, ())
    if mistakes is not None:
        mistakes.extend(found)
    elif found:
        raise found[0]
    return section


@bounded(str)
def included_files(path: str) -> tuple[Path, ...]:
    """Return the files that a task file needs to be read, itself first, each once."""
    including = _Including([])
    including.read(path, ())
    return tuple(including.files)


class _Including:
    """Reads one task file with what it includes; what is wrong with an include goes to `found`."""

    def __init__(self, found: list[TaskError]) -> None:
        self.files: dict[Path, None] = {}
        """What was read, in order."""
        self._found = found

    def read(self, path: str, chain: tuple[Path, ...]) -> Section:
        """Return a file's keys over those of what it includes; `chain` are the files before it."""
        text = read_text(path, TaskError)
        here = Path(path).resolve()
        self.files[here] = None
        section = parse_yaml(text, path, self._found)
        whole = section
        for name in self._names(section):
            try:
                target = self._target(section, name, (*chain, here))
            except TaskError as problem:
                self._found.append(problem)
                continue
            if target.resolve() not in self.files:
                whole = whole.over(self.read(str(target), (*chain, here)))
        return whole.without("include")

    def _names(self, section: Section) -> list[str]:
        try:
            return _names(section)
        except ReportedError:
            return []
        except TaskError as problem:
            self._found.append(problem)
            return []

    def _target(self, section: Section, name: str, chain: tuple[Path, ...]) -> Path:
        """Return the file that an include names; TaskError where it may not or cannot be read."""
        path = Path(section.origin).parent / name
        try:
            target, there = path.resolve(), path.is_file()
        except (OSError, RuntimeError, ValueError) as problem:  # too long, or links in a circle
            said = getattr(problem, "strerror", None) or problem
            raise section.error("include", f"{shown(name)} cannot be read ({said})") from problem
        root = next(iter(self.files)).parent
        if Path(name).is_absolute() or not target.is_relative_to(root):
            said = f"{name} lies outside of the task's folder {root}; copy it into that folder"
            raise section.error("include", said)
        if target in chain:
            raise section.error("include", f"{name} includes itself")
        if not there:
            raise section.error("include", f"there is no file {path}")
        if len(self.files) >= _MOST_FILES and target not in self.files:
            raise section.error("include", f"{name} is one too many: at most {_MOST_FILES} files")
        return path


def _names(section: Section) -> list[str]:
    value = section.get("include", [])
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(each, str) and each for each in listed):
        raise section.error("include", f"must be a file or a list of files, not {shown(value)}")
    return listed
