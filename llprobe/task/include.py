"""A task file with what it includes: `include: FILE`, or a list of files, as the harness has it.

The file's own keys go before those of the files it includes, the first of these before the next.
A name is relative to the file in which it stands, and what is included lies in the folder of the
file that was asked for, or below it. Knows nothing of which keys a task has.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from llprobe.errors import TaskError
from llprobe.task.files import read_text
from llprobe.task.yamlfile import ReportedError, Section, parse_yaml, shown

__all__ = ["included_files", "read_task_file"]


def read_task_file(path: str, mistakes: list[TaskError] | None = None) -> Section:
    """Return a task file's keys, with those of the files that it includes.

    TaskError names file, line and key of the first mistake. Where a list of `mistakes` is given,
    they are added to it instead, and what can be read is returned; only a file that is missing or
    is not YAML is raised in any case.
    """
    found: list[TaskError] = []
    here = Path(path).resolve()
    section = _read(path, here.parent, (here,), found)
    if mistakes is not None:
        mistakes.extend(found)
    elif found:
        raise found[0]
    return section


def included_files(path: str) -> tuple[Path, ...]:
    """Return the files that a task file needs to be read, itself first, each once."""
    seen: dict[Path, None] = {}
    here = Path(path).resolve()
    _read(path, here.parent, (here,), [], lambda file: seen.setdefault(file.resolve()))
    return tuple(seen)


def _read(
    path: str,
    root: Path,
    chain: tuple[Path, ...],
    found: list[TaskError],
    tell: Callable[[Path], object] = lambda _: None,
) -> Section:
    section = parse_yaml(read_text(path, TaskError), path, found)
    tell(Path(path))
    whole = section
    try:
        names = _names(section)
    except ReportedError:
        names = []
    except TaskError as problem:
        found.append(problem)
        names = []
    for name in names:
        try:
            target = _target(section, name, root, chain)
        except TaskError as problem:
            found.append(problem)
            continue
        base = _read(str(target), root, (*chain, target.resolve()), found, tell)
        whole = whole.over(base)
    return whole.without("include")


def _names(section: Section) -> list[str]:
    value = section.get("include", [])
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(each, str) and each for each in listed):
        raise section.error("include", f"must be a file or a list of files, not {shown(value)}")
    return listed


def _target(section: Section, name: str, root: Path, chain: tuple[Path, ...]) -> Path:
    """Return the file that an include names; TaskError where it may not or cannot be read."""
    path = Path(section.origin).parent / name
    target = path.resolve()
    if Path(name).is_absolute() or not target.is_relative_to(root):
        raise section.error(
            "include", f"{name} lies outside of the task's folder {root}; copy it into that folder"
        )
    if target in chain:
        raise section.error("include", f"{name} includes itself")
    if not target.is_file():
        raise section.error("include", f"there is no file {path}")
    return path
