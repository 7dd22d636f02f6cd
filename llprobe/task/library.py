"""Add a file to the user's task folder, or pull a published one, so that `-t NAME` finds it.

    add(FILE)    a data file goes with the bundled task that reads it; a YAML file brings its data
    pull(NAME)   the file that the task's YAML names under `llprobe.hub`, from the hub

What is added has been read to its end first. Knows nothing of the folder's layout (shelf.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from llprobe.errors import DataError, TaskError, UsageError
from llprobe.fetch import Progress, fetch_dataset
from llprobe.task.bounded import bounded
from llprobe.task.bundled import group_names, hub_file, load_definition, task_names
from llprobe.task.content import file_form
from llprobe.task.files import read_text
from llprobe.task.groups import group_file
from llprobe.task.owntask import copy_own
from llprobe.task.parquet import require_pyarrow
from llprobe.task.questions import load_questions
from llprobe.task.records import Questions, TaskRequest
from llprobe.task.shelf import check_name, find, new_entry, remove, shelf, shelved

__all__ = ["add", "pull", "pullable", "remove", "shelf", "shelved", "tasks_reading"]

_YAML = (".yaml", ".yml")


def add(file: str, name: str | None = None, *, task: str = "", replace: bool = False) -> str:
    """Copy a data file, or a YAML file with its data, into the task folder; return its name.

    `name`: the file's, or the YAML's `task`, where it is None. `task`: the bundled task whose
    reader is to read a data file, told by its content where it is empty. `replace`: put it in the
    place of what was added under that name. UsageError where that cannot be done, TaskError and
    DataError where the file cannot be used; nothing is added then.
    """
    if Path(file).suffix.lower() in _YAML:
        return _add_own(file, name, replace=replace)
    chosen = name or Path(file).stem
    check_name(chosen)
    reading = task or _reading(file, chosen)
    _check_bundled(chosen, reading)
    load_questions(TaskRequest(reading, data=file))
    _put(Path(file), chosen, reading, replace=replace)
    return chosen


def _add_own(file: str, name: str | None, *, replace: bool) -> str:
    if group_file(file):
        raise UsageError(f"{file} is a group: add its tasks one by one; -t {file} runs it")
    definition = load_definition(file)
    if definition.needs_data:
        raise UsageError(f"{file} names no data file; put it there as llprobe.data")
    chosen = name or definition.name
    _check_bundled(chosen, "")
    load_questions(TaskRequest(file))
    with new_entry(chosen, replace=replace) as folder:
        copy_own(Path(file), definition, folder)
    return chosen


def _check_bundled(name: str, task: str) -> None:
    """Refuse the name of a bundled task or group, unless it is the one that waits for this data."""
    bundled = {*task_names(), *group_names()}
    if name not in bundled or (name == task and not _brings_questions(name)):
        return
    raise UsageError(f"there is a bundled task {name}; add the file under another name")


def _brings_questions(task: str) -> bool:
    added = find(task)
    return not added and not load_definition(task).needs_data


def _put(file: Path, name: str, task: str, *, replace: bool) -> Path:
    suffix = {"json": ".json", "jsonl": ".jsonl", "parquet": ".parquet"}.get(file_form(str(file)))
    with new_entry(name, replace=replace) as folder:
        shutil.copyfile(file, folder / f"{task}{suffix or file.suffix or '.txt'}")
    added = find(name)
    assert added is not None  # noqa: S101  # it was put there just now
    return added.path


def _reading(file: str, name: str) -> str:
    """Return the bundled task that reads a data file; where several do, the name decides."""
    found = tasks_reading(file)
    if not found:
        raise UsageError(
            f"{file}: no bundled task reads this; known forms are those of "
            f"{', '.join(_readers())}. Beside a YAML file of your own any form will do"
        )
    meant = [task for task in found if name.startswith(task)]
    if len(found) > 1 and not meant:
        raise UsageError(
            f"{file} could be for {', '.join(found)}: say for which, or begin its name with it"
        )
    return max(meant, key=len) if meant else found[0]


@bounded(str)
def tasks_reading(file: str) -> list[str]:
    """Return the bundled tasks that can ask the first question of a data file.

    DataError where it cannot be read at all: not there, empty, not UTF-8.
    """
    if file_form(file) == "parquet":
        require_pyarrow(file)
    else:
        read_text(file)
    return [task for task in _readers() if _first_question(task, file)]


def _readers() -> Iterable[str]:
    return [name for name in task_names() if load_definition(name).source.reader]


def _first_question(task: str, file: str) -> Questions | None:
    try:
        return load_questions(TaskRequest(task, data=file, limit=1))
    except TaskError:
        return None  # not of this task's form: another's turn


def pullable() -> list[str]:
    """Return the bundled tasks whose published data set lies on the hub."""
    return [name for name in task_names() if hub_file(name)]


def pull(
    name: str, progress: Progress | None = None, *, file: str = "", to: str | None = None
) -> Path:
    """Get a bundled task's published data from the hub; return the file in the task folder.

    What is there already is left as it is, without a connection. `file`: another file of the same
    repository (another part, subject or language), which then needs `to`, the name to run it by.
    UsageError for a task without a data set, FetchError where the download failed; the message
    says which file to put where by hand.
    """
    source, target = hub_file(name), to or name
    if source is None:
        raise UsageError(f"no data set is known for {name}; pull {', '.join(pullable())}")
    if file and not to:
        raise UsageError(f"give {file} a name of its own to run it by, {name}_2 or so")
    _check_bundled(target, name)
    here = find(target)
    if here:
        return here.path
    wanted = file or source.file
    if wanted.endswith(".parquet"):
        require_pyarrow(wanted)
    suffix = Path(wanted).suffix
    keep = f"put it at {shelf() / target / (name + suffix)}"
    got = fetch_dataset(source.repo, wanted, source.revision, keep, progress or _silent)
    return _taken(got, name, target)


def _taken(got: Path, name: str, target: str) -> Path:
    try:
        load_questions(TaskRequest(name, data=str(got)))
    except DataError as problem:
        raise DataError(f"what the hub has now is not what {name} reads: {problem}") from problem
    return _put(got, target, name, replace=False)


def _silent(_done: int, _total: int) -> None:
    """Report nothing."""
